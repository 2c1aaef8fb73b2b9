//! Whole runs against a small broker and a small REST server in the same process.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use crate::check::check;
use crate::connection::Target;
use crate::error::SimError;
use crate::plan::{Plan, example};
use crate::report::Report;
use crate::run::{self, Shared};
use crate::worker::Outcome;

mod broker;
mod proof;
mod reference;
mod server;

use broker::{Broker, Mood};

fn shared(plan: Plan, address: std::net::SocketAddr) -> Arc<Shared> {
    Arc::new(Shared {
        tokens: (0..plan.devices).map(|device| format!("sim-{device}")).collect(),
        targets: vec![Target {
            text: address.to_string(),
            addresses: vec![address],
            from: None,
            trust: None,
        }],
        client_prefix: "test".into(),
        log: None,
        resume: HashMap::new(),
        keep_ledgers: true,
        keep_latencies: false,
        plan,
    })
}

async fn run_at(broker: &Broker, plan: &Plan, workers: usize) -> (Outcome, Report) {
    let (outcome, _) = run::run(shared(plan.clone(), broker.address), workers).await.expect("run");
    let report = Report::new(plan, &outcome.stats);
    (outcome, report)
}

/// Every ledger agrees with what the broker has.
fn assert_stored(broker: &Broker, outcome: &Outcome) {
    for (device, ledger) in &outcome.ledgers {
        let points = broker.look(|seen| seen.points.get(&format!("sim-{device}")).cloned().unwrap_or_default());
        let stored = points
            .iter()
            .map(|(ts, seq)| crate::check::Point { ts: *ts, seq: Some(*seq) })
            .collect();
        let checked = check(&ledger.expected(), stored);
        assert!(checked.is_good(), "device {device}: {checked}");
    }
}

#[tokio::test]
async fn open_loop_sends_exactly_what_is_due() {
    let broker = Broker::start(Mood::Good).await;
    let (outcome, report) = run_at(&broker, &example(), 2).await;
    assert_eq!(
        (report.scheduled, report.sent, report.acknowledged, report.measured),
        (100, 100, 100, 90)
    );
    assert!(report.is_complete(), "{report}");
    assert_stored(&broker, &outcome);
    let counts: BTreeMap<_, _> = broker.look(|seen| seen.points.iter().map(|(user, points)| (user.clone(), points.len())).collect());
    assert_eq!(counts.into_values().collect::<Vec<_>>(), [34, 33, 33]);
    assert_eq!(broker.look(|seen| (seen.duplicates, seen.conflicts)), (0, 0));
}

#[tokio::test]
async fn closed_loop_keeps_times_and_numbers_rising() {
    for mood in [Mood::Good, Mood::Backwards] {
        let broker = Broker::start(mood).await;
        let plan = Plan { rate: 0, ..example() };
        let (outcome, report) = run_at(&broker, &plan, 1).await;
        assert!(report.is_complete() && report.measured > 0, "{report}");
        assert_eq!(broker.look(|seen| seen.publishes), report.sent);
        assert_stored(&broker, &outcome);
    }
}

#[tokio::test]
async fn messages_are_written_once_in_quality_zero() {
    for rate in [0, 1000] {
        let broker = Broker::start(Mood::Good).await;
        let plan = Plan { qos: 0, rate, ..example() };
        let (_, report) = run_at(&broker, &plan, 1).await;
        assert!(report.is_complete() && report.latency_ms.is_some(), "{report}");
        assert_eq!((report.acknowledged, rate == 0 || report.sent == 100), (0, true));
        // The last bytes may still be on their way when the run ends.
        wait_for(&broker, |seen| seen.publishes == report.sent).await;
    }
}

/// Waits until the broker has seen something.
async fn wait_for(broker: &Broker, state: impl Fn(&broker::Seen) -> bool) {
    let reached = async {
        while !broker.look(|seen| state(seen)) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), reached)
        .await
        .expect("the broker reaches the state");
}

#[tokio::test]
async fn a_stall_counts_for_every_message_that_was_due() {
    // Device 0 gets no acknowledgement until device 1 has sent its last message, 200 ms after the start.
    let plan = Plan {
        devices: 2,
        rate: 500,
        warmup: Duration::ZERO,
        measured: Duration::from_millis(200),
        window: 4,
        ..example()
    };
    let broker = Broker::start(Mood::HoldFirstUntil(50)).await;
    let (outcome, report) = run_at(&broker, &plan, 1).await;
    assert_eq!((report.acknowledged, report.unsent), (100, 0));
    let slow = |histogram: &hdrhistogram::Histogram<u64>| histogram.count_between(100_000, u64::MAX);
    // Device 0 owes 50 messages; the first half of them waited more than 100 ms, though only four were on their way.
    assert!(slow(&outcome.stats.latency) >= 24, "{report}");
    assert!(slow(&outcome.stats.service) <= 8, "{report}");
}

#[tokio::test]
async fn a_refusal_is_told_with_device_and_reason() {
    let broker = Broker::start(Mood::Refusing(5)).await;
    let error = run::run(shared(example(), broker.address), 2).await.expect_err("refused");
    assert!(matches!(error, SimError::Refused { code: 5, .. }), "{error}");
    assert!(error.to_string().contains("not authorized"), "{error}");
}

#[tokio::test]
async fn nobody_at_the_address_is_an_error() {
    let free = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("port")
        .local_addr()
        .expect("address");
    let error = run::run(shared(example(), free), 1).await.expect_err("nobody there");
    assert!(
        matches!(error, SimError::Connect { .. }) && error.to_string().contains(&free.to_string()),
        "{error}"
    );
}

#[tokio::test]
async fn a_lost_connection_comes_back_and_nothing_is_lost() {
    for rate in [0, 2000] {
        let broker = Broker::start(Mood::HangUpAt(20)).await;
        let plan = Plan {
            rate,
            reconnect: true,
            measured: Duration::from_millis(300),
            ..example()
        };
        let (outcome, report) = run_at(&broker, &plan, 1).await;
        assert!(report.is_complete(), "{report}");
        assert_eq!((report.errors.lost, report.errors.reconnected), (1, 1));
        assert!(
            report.errors.resent > 0 && broker.look(|seen| seen.duplicates) == report.errors.resent,
            "{report}"
        );
        assert_eq!(broker.look(|seen| seen.conflicts), 0);
        assert_stored(&broker, &outcome);
    }
}

#[tokio::test]
async fn without_reconnect_a_lost_connection_leaves_a_gap() {
    let broker = Broker::start(Mood::HangUpAt(20)).await;
    let plan = Plan {
        devices: 1,
        measured: Duration::from_secs(3600),
        ..example()
    };
    let (outcome, report) = tokio::time::timeout(Duration::from_secs(10), run_at(&broker, &plan, 1))
        .await
        .expect("an early end");
    assert!(!report.is_complete() && report.unsent > 0, "{report}");
    assert_eq!(
        (report.errors.lost, report.errors.reconnected, report.errors.texts.len()),
        (1, 0, 1)
    );
    assert_stored(&broker, &outcome);
}

#[tokio::test]
async fn quiet_devices_ping_and_say_goodbye() {
    let broker = Broker::start(Mood::Good).await;
    let plan = Plan {
        devices: 1,
        rate: 1,
        warmup: Duration::ZERO,
        measured: Duration::from_millis(1100),
        keep_alive: 1,
        ..example()
    };
    let (_, report) = run_at(&broker, &plan, 1).await;
    assert!(report.is_complete() && report.sent == 2, "{report}");
    wait_for(&broker, |seen| seen.pings >= 1 && seen.disconnects == 1).await;
}

#[tokio::test]
async fn devices_that_have_nothing_to_send_stay_to_the_end() {
    let broker = Broker::start(Mood::Good).await;
    let plan = Plan {
        devices: 5,
        rate: 1,
        warmup: Duration::ZERO,
        measured: Duration::from_millis(400),
        ..example()
    };
    let began = std::time::Instant::now();
    let (_, report) = run_at(&broker, &plan, 1).await;
    assert!(report.is_complete() && report.sent == 1, "{report}");
    assert!(began.elapsed() >= plan.measured, "they left after {:?}", began.elapsed());
}

#[tokio::test]
async fn a_broker_that_answers_no_ping_is_given_up() {
    let broker = Broker::start(Mood::Mute).await;
    let plan = Plan {
        devices: 1,
        keep_alive: 1,
        ..example()
    };
    let (_, report) = run_at(&broker, &plan, 1).await;
    assert_eq!((report.errors.lost, report.acknowledged), (1, 0));
    assert!(report.errors.texts[0].contains("ping"), "{report}");
}

#[tokio::test]
async fn a_silent_broker_ends_the_run_after_the_drain() {
    let broker = Broker::start(Mood::Mute).await;
    let plan = Plan {
        drain: Duration::from_millis(50),
        ..example()
    };
    let (_, report) = run_at(&broker, &plan, 1).await;
    assert_eq!(
        (report.acknowledged, report.unacknowledged, report.unsent),
        (0, 24, 76),
        "three windows of eight"
    );
}
