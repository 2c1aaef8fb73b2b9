//! An acknowledged message is never lost: `kill -9` in the middle, SIGTERM under load.

#![allow(clippy::unwrap_used, missing_docs)]

use std::time::Duration;

use tests::generator::{acknowledged, generator, log_of, verify};
use tests::server::{Options, Server};

/// Devices, messages per second, seconds.
const LOAD: [&str; 3] = ["200", "2000", "30"];

#[test]
fn kill_nine_loses_nothing_acknowledged() {
    let server = Server::start(Options::demo());
    let log = log_of(&server, "acknowledged");
    let mut first = generator(&server, &log, LOAD, &["--provision"]);
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

    let second = generator(&server, &log, LOAD, &[]).wait_with_output().unwrap();
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
    let log = log_of(&server, "terminated");
    let mut load = generator(&server, &log, LOAD, &["--provision"]);
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
