//! Command lines against broker and REST server: what was acknowledged is compared with what is stored.

use std::path::Path;

use clap::Parser;

use super::broker::{Broker, Mood};
use super::server::Server;
use crate::commands::{check_log, simulate};
use crate::error::SimError;
use crate::options::{Cli, Command, RunOptions, VerifyOptions};
use crate::{acklog, check::Checked};

fn run_options(broker: &Broker, line: &str) -> RunOptions {
    let line = format!("device-sim --mqtt {} --seconds 1 --rate 200 {line}", broker.address);
    Cli::try_parse_from(line.split_whitespace()).expect("options").run
}

async fn check_at(server: &Server, log: &Path) -> Result<Checked, SimError> {
    let line = format!(
        "device-sim verify --acked-log {} --http {} --verify-wait-seconds 0",
        log.display(),
        server.url()
    );
    let Some(Command::Verify(options)) = Cli::try_parse_from(line.split_whitespace()).expect("options").command else {
        panic!("verify")
    };
    check_log(&VerifyOptions { ..options }).await
}

#[tokio::test]
async fn devices_are_created_and_points_read_back() {
    let broker = Broker::start(Mood::Good).await;
    let server = Server::start(broker.seen.clone()).await;
    let options = run_options(
        &broker,
        &format!("--devices 20 --name-prefix meter-&- --http {} --provision --verify", server.url()),
    );
    let report = simulate(&options).await.expect("run");
    let verified = report.verify.expect("verified");
    assert!(verified.is_good() && report.is_complete(), "{report}");
    assert_eq!((verified.sent, verified.acknowledged, verified.stored), (200, 200, 200));
    let devices = server.devices.lock().expect("not poisoned").clone();
    assert_eq!((devices.len(), devices.get("sim-7").map(String::as_str)), (20, Some("meter-&-7")));
}

#[tokio::test]
async fn a_wrong_password_ends_before_the_run() {
    let broker = Broker::start(Mood::Good).await;
    let server = Server::start(broker.seen.clone()).await;
    let options = run_options(&broker, &format!("--http {} --provision --password no", server.url()));
    let error = simulate(&options).await.expect_err("wrong password");
    assert!(
        error.to_string().contains("401") && error.to_string().contains("wrong password"),
        "{error}"
    );
    assert_eq!(broker.look(|seen| seen.connects), 0);
}

#[tokio::test]
async fn the_log_holds_what_was_acknowledged_and_is_continued() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("acked");
    let broker = Broker::start(Mood::Good).await;
    let server = Server::start(broker.seen.clone()).await;
    let line = format!(
        "--devices 3 --http {} --provision --verify --acked-log {}",
        server.url(),
        path.display()
    );
    for round in 1..=2 {
        let report = simulate(&run_options(&broker, &line)).await.expect("run");
        assert!(report.verify.expect("verified").is_good(), "{report}");
        let log = acklog::read(&path).expect("log");
        assert_eq!(log.values().map(Vec::len).sum::<usize>(), 200 * round);
        assert!(
            log.values().flat_map(|list| list.windows(2)).all(|pair| pair[0].ts < pair[1].ts),
            "times rise through both runs"
        );
    }
    let good = check_at(&server, &path).await.expect("check");
    assert!(good.is_good() && good.acknowledged == 400 && good.stored == 400, "{good}");

    let first = broker
        .look(|seen| seen.points.get_mut("sim-1").expect("device").pop_first())
        .expect("point");
    let lost = check_at(&server, &path).await.expect("check");
    assert_eq!((lost.missing, lost.invented), (1, 0), "{lost}");

    broker.look(|seen| {
        seen.points
            .get_mut("sim-1")
            .expect("device")
            .extend([first, (first.0 + 10_000_000, 9_999)])
    });
    let invented = check_at(&server, &path).await.expect("check");
    assert_eq!((invented.missing, invented.invented), (0, 1), "{invented}");

    broker.look(|seen| seen.points.clear());
    assert_eq!(check_at(&server, &path).await.expect("check").missing, 400);
    server.devices.lock().expect("not poisoned").clear();
    assert_eq!(check_at(&server, &path).await.expect("check").unknown_devices, 3);
}

#[tokio::test]
async fn a_broker_that_dies_leaves_a_log_that_holds() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("acked");
    let broker = Broker::start(Mood::HangUpAt(50)).await;
    let server = Server::start(broker.seen.clone()).await;
    let line = format!(
        "--devices 2 --rate 0 --http {} --provision --acked-log {}",
        server.url(),
        path.display()
    );
    let line = line.replace("--rate 0", "");
    let report = simulate(&run_options(&broker, &line)).await.expect("run");
    assert_eq!(report.errors.lost, 1, "{report}");
    let checked = check_at(&server, &path).await.expect("check");
    assert!(checked.is_good() && checked.acknowledged == report.acknowledged, "{checked}");
    assert!(checked.unacknowledged_stored >= 1, "the point at which the broker hung up");
}

#[tokio::test]
async fn an_empty_log_and_a_foreign_file_are_told_apart() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("acked");
    let server = Server::start(Broker::start(Mood::Good).await.seen).await;
    std::fs::write(&path, "").expect("write");
    assert_eq!(check_at(&server, &path).await.expect("check"), Checked::default());
    std::fs::write(&path, "something else\n").expect("write");
    assert!(matches!(check_at(&server, &path).await, Err(SimError::Malformed(_))));
}
