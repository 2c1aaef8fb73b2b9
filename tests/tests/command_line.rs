//! The command line: what it refuses, what it prints, how it is configured.

#![allow(clippy::unwrap_used, missing_docs)]

use std::process::{Command, Output};

use tests::rest::{curl, exchange};
use tests::server::{Options, Server, binary};

fn serve(arguments: &[&str]) -> Output {
    Command::new("timeout")
        .arg("30")
        .arg(binary())
        .arg("serve")
        .args(arguments)
        .output()
        .unwrap()
}

fn refused(arguments: &[&str], says: &str) {
    let output = serve(arguments);
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && text.contains(says), "{arguments:?}: {text}");
    assert!(!text.contains("panicked"), "{text}");
}

#[test]
fn what_makes_no_sense_is_refused_in_words() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.toml");
    std::fs::write(&file, "htttp = \"127.0.0.1:0\"").unwrap();
    refused(&["--config", file.to_str().unwrap()], "htttp");
    refused(&["--config", "/no/such/file"], "/no/such/file");
    refused(&["--http", "nonsense"], "nonsense");
    refused(&["--coap", "nonsense"], "coap");
    refused(&["--coaps", "127.0.0.1:0"], "coaps-keys");
    refused(&["--no-such-option"], "--no-such-option");
    refused(&["--data-dir", "/proc/nowhere"], "/proc/nowhere");
    let help = String::from_utf8_lossy(&serve(&["--help"]).stdout).into_owned();
    for option in [
        "--data-dir",
        "--http",
        "--mqtt",
        "--coap",
        "--coaps",
        "--config",
        "--demo",
        "PACIFICSOFT_HTTP",
    ] {
        assert!(help.contains(option), "{option} is not in {help}");
    }
}

#[test]
fn the_first_start_prints_a_password_once() {
    let server = Server::start(Options::default());
    let password = server
        .greeting
        .split("password ")
        .nth(1)
        .unwrap()
        .lines()
        .next()
        .unwrap()
        .to_owned();
    assert_eq!(password.len(), 20, "{}", server.greeting);
    let admin = server.login("sysadmin@pacificsoft.org", &password);
    assert_eq!(admin.get("/api/auth/user")["authority"], "SYS_ADMIN");
    assert!(!server.log().contains(&password), "no secrets in logs");
    let again = server.kill_and_restart();
    assert!(!again.greeting.contains("password"), "{}", again.greeting);
    again.login("sysadmin@pacificsoft.org", &password);
    // Without --demo there are no well-known users and tokens.
    let body = r#"{"username": "tenant@pacificsoft.org", "password": "tenant"}"#;
    assert_eq!(exchange(&["--json", body, &format!("{}/api/auth/login", again.http)]).0, 401);
    assert_eq!(
        exchange(&["-d", "{}", &format!("{}/api/v1/A1_TEST_TOKEN/telemetry", again.http)]).0,
        401
    );
}

#[test]
fn the_administrators_password_can_be_given() {
    let mut options = Options::default();
    options
        .environment
        .push(("PACIFICSOFT_ADMIN_PASSWORD".to_owned(), "chosen by me".to_owned()));
    let server = Server::start(options);
    assert!(!server.greeting.contains("chosen by me"));
    server.login("sysadmin@pacificsoft.org", "chosen by me");
}

#[test]
fn health_and_metrics_are_there() {
    let mut server = Server::start(Options::demo());
    assert_eq!(exchange(&[&format!("{}/health/ready", server.http)]).0, 200);
    curl(&["-d", r#"{"a": 1}"#, &format!("{}/api/v1/A1_TEST_TOKEN/telemetry", server.http)]);
    assert!(server.metric("storage_commits_total") > 0.0);
    assert!(server.terminate());
}

#[test]
fn two_servers_do_not_share_a_folder() {
    let server = Server::start(Options::demo());
    let data = server.folder().join("data");
    refused(
        &[
            "--http",
            "127.0.0.1:0",
            "--mqtt",
            "127.0.0.1:0",
            "--coap",
            "127.0.0.1:0",
            "--data-dir",
            data.to_str().unwrap(),
        ],
        "store",
    );
}
