//! The README's lines, pasted one by one, do what they say.

#![allow(clippy::unwrap_used, missing_docs)]

use std::process::Command;

use tests::server::{Options, Server};

/// The lines a reader pastes into a shell.
fn lines() -> Vec<String> {
    let text = std::fs::read_to_string(tests::root().join("README.md")).unwrap();
    let blocks = text.split("```sh\n").skip(1).filter_map(|rest| rest.split("```").next());
    let lines: Vec<_> = blocks.flat_map(str::lines).map(str::to_owned).collect();
    assert!(lines.len() > 8, "{lines:?}");
    lines
}

#[test]
fn five_minutes_go_as_described() {
    let server = Server::start(Options::demo());
    let http = server.http.trim_start_matches("http://");
    let mqtt = format!("-p {}", server.mqtt_port);
    let coap = format!("127.0.0.1:{}", server.coap_port);
    let mut script = "set -eu\n".to_owned();
    for line in lines() {
        let line = line
            .replace("127.0.0.1:8080", http)
            .replace("-p 1883", &mqtt)
            .replace("127.0.0.1:5683", &coap);
        script.push_str(&format!("{line}\necho\n"));
    }
    let output = Command::new("timeout").args(["120", "bash", "-c", &script]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    // What each step is for, in the order of the steps.
    let mut rest = said.as_str();
    for expected in [
        "\"temperature\"",
        "30",
        "firmware",
        "\"40\"]",
        "\"41\"]",
        "ACTIVE_UNACK",
        "CLEARED_UNACK",
        "\"root\"",
        "TbMsgTypeSwitchNode",
        "{\"humidity\":[{",
        "TbJsFilterNode",
        "\"die\"",
        "\"thrown\"",
    ] {
        let at = rest.find(expected).unwrap_or_else(|| panic!("{expected} is missing in {said}"));
        rest = &rest[at..];
    }
}
