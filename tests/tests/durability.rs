//! An acknowledged message is never lost: `kill -9` in the middle, SIGTERM under load.

#![allow(clippy::unwrap_used, missing_docs)]

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tests::server::{Options, Server};

const DEVICES: &str = "200";

fn generator(server: &Server, log: &Path, seconds: &str, more: &[&str]) -> Child {
    let program = tests::target().join("debug/device-sim");
    assert!(program.exists(), "{} is not built: run `cargo xtask test`", program.display());
    let mut command = Command::new(program);
    command.args([
        "--devices",
        DEVICES,
        "--rate",
        "2000",
        "--seconds",
        seconds,
        "--json",
        "--mqtt",
        &format!("127.0.0.1:{}", server.mqtt_port),
    ]);
    command
        .arg("--acked-log")
        .arg(log)
        .args(more)
        .args(account(server))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command.spawn().unwrap()
}

fn account(server: &Server) -> [String; 6] {
    [
        "--http",
        &server.http,
        "--username",
        "tenant@pacificsoft.org",
        "--password",
        "tenant",
    ]
    .map(str::to_owned)
}

fn acknowledged(log: &Path) -> usize {
    std::fs::read_to_string(log).map_or(0, |text| text.lines().count())
}

/// Every acknowledged point is stored, in rising order, none invented.
fn verify(server: &Server, log: &Path) {
    let program = tests::target().join("debug/device-sim");
    let mut command = Command::new(program);
    command.args(["verify", "--json", "--acked-log"]).arg(log).args(account(server));
    let output = command.output().unwrap();
    let text = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(output.status.success(), "{text}");
}

#[test]
fn kill_nine_loses_nothing_acknowledged() {
    let server = Server::start(Options::demo());
    let log = server
        .folder()
        .parent()
        .unwrap()
        .join(format!("acknowledged-{}", std::process::id()));
    let _ = std::fs::remove_file(&log);
    let mut first = generator(&server, &log, "30", &["--provision"]);
    tests::until("messages flow", || acknowledged(&log) > 10_000);
    // In the middle of a minute: the second half comes after the restart.
    std::thread::sleep(Duration::from_secs(20));
    let server = server.kill_and_restart();
    // Its connections are gone and there is nobody at the old port.
    let _ = first.kill();
    let _ = first.wait();
    let before = acknowledged(&log);
    assert!(before > 30_000, "{before} acknowledged before the kill");
    verify(&server, &log);

    let second = generator(&server, &log, "30", &[]).wait_with_output().unwrap();
    assert!(
        second.status.success(),
        "{}{}",
        String::from_utf8_lossy(&second.stdout),
        String::from_utf8_lossy(&second.stderr)
    );
    assert!(acknowledged(&log) >= before + 59_000, "{} after {before}", acknowledged(&log));
    verify(&server, &log);
    let _ = std::fs::remove_file(&log);
}

#[test]
fn sigterm_says_good_bye_and_loses_nothing_acknowledged() {
    let mut server = Server::start(Options::demo());
    let log = server.folder().parent().unwrap().join(format!("terminated-{}", std::process::id()));
    let _ = std::fs::remove_file(&log);
    let mut load = generator(&server, &log, "30", &["--provision"]);
    tests::until("messages flow", || acknowledged(&log) > 5_000);
    let mut witness = tests::wire::Wire::connect(server.mqtt_port, "A1_TEST_TOKEN", 5);
    assert!(server.terminate(), "it ends well");
    // MQTT 5, DISCONNECT with 0x8B, server shutting down.
    assert_eq!(witness.packet().unwrap()[..3], [0xE0, 1, 0x8B]);
    let _ = load.kill();
    let _ = load.wait();
    assert!(server.log().contains("stopped"), "{}", server.log());
    let (folder, options) = server.kill();
    let server = Server::restart((folder, options));
    verify(&server, &log);
    let _ = std::fs::remove_file(&log);
}
