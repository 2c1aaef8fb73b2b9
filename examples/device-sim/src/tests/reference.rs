//! A run against a broker written by others, so that the packets do not only please our own test broker.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::time::Duration;

use rumqttd::{Broker, Config, ConnectionSettings, RouterConfig, ServerSettings};
use tokio::net::TcpStream;

use super::shared;
use crate::plan::{Plan, example};
use crate::report::Report;
use crate::run;

/// Starts the broker on a free port and waits until it listens. It lives as long as the test process.
async fn start() -> SocketAddr {
    let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .expect("port")
        .local_addr()
        .expect("address");
    let connections = ConnectionSettings {
        connection_timeout_ms: 5000,
        max_payload_size: 10_000,
        max_inflight_count: 100,
        auth: None,
        external_auth: None,
        dynamic_filters: true,
    };
    let server = ServerSettings {
        name: "reference".into(),
        listen: free,
        tls: None,
        next_connection_delay_ms: 1,
        connections,
    };
    let router = RouterConfig {
        max_connections: 100,
        max_outgoing_packet_count: 200,
        max_segment_size: 1_000_000,
        max_segment_count: 3,
        ..RouterConfig::default()
    };
    let config = Config {
        router,
        v4: Some(HashMap::from([("1".to_owned(), server)])),
        ..Config::default()
    };
    std::thread::spawn(move || {
        Broker::new(config).start().expect("the broker runs");
    });
    let listening = async { while TcpStream::connect(free).await.is_err() {} };
    tokio::time::timeout(Duration::from_secs(10), listening)
        .await
        .expect("the broker listens");
    free
}

#[tokio::test]
async fn a_foreign_broker_understands_us() {
    let address = start().await;
    for (rate, qos, reconnect) in [(1000, 1, false), (0, 1, true), (1000, 0, false)] {
        let plan = Plan {
            rate,
            qos,
            reconnect,
            ..example()
        };
        let (outcome, _) = run::run(shared(plan.clone(), address), 1).await.expect("run");
        let report = Report::new(&plan, &outcome.stats);
        assert!(report.is_complete() && report.measured > 0, "{report}");
    }
}
