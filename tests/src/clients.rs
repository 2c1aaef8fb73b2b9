//! Device clients that nobody here wrote.

use std::process::{Command, Output};

/// Runs a Python program with the packages that `cargo xtask test` installed.
pub fn python(program: &str, arguments: &[&str]) -> String {
    let interpreter = crate::target().join("tools/venv/bin/python");
    assert!(
        interpreter.exists(),
        "{} is not there: run `cargo xtask test`",
        interpreter.display()
    );
    let output = Command::new("timeout")
        .arg("60")
        .arg(interpreter)
        .args(["-c", program])
        .args(arguments)
        .output()
        .unwrap();
    told(output)
}

/// Publishes with `mosquitto_pub`.
pub fn mosquitto_pub(port: u16, token: &str, topic: &str, payload: &str, more: &[&str]) -> Output {
    let port = port.to_string();
    let mut command = Command::new("timeout");
    command
        .args([
            "30",
            "mosquitto_pub",
            "-h",
            "127.0.0.1",
            "-p",
            &port,
            "-u",
            token,
            "-t",
            topic,
            "-m",
            payload,
            "-q",
            "1",
        ])
        .args(more);
    command.output().expect("mosquitto-clients is installed")
}

/// Runs one of libcoap's clients; answers what it printed. It tells errors by printing their codes.
pub fn coap_client(program: &str, arguments: &[&str]) -> String {
    let output = Command::new("timeout")
        .args(["60", program, "-B", "20"])
        .args(arguments)
        .output()
        .expect("libcoap3-bin is installed");
    told(output)
}

fn told(output: Output) -> String {
    let text = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(output.status.success(), "{text}");
    text
}
