//! The load generator, which writes down what was acknowledged, and looks later whether it is stored.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::server::Server;

fn program() -> PathBuf {
    let program = crate::target().join("debug/device-sim");
    assert!(program.exists(), "{} is not built: run `cargo xtask test`", program.display());
    program
}

/// Puts a load on a server: so many devices, messages per second of all, and seconds.
pub fn generator(server: &Server, log: &Path, shape: [&str; 3], more: &[&str]) -> Child {
    spread(server, &[format!("127.0.0.1:{}", server.mqtt_port)], log, shape, more)
}

/// Puts a load on servers of a cluster: devices spread over them, and go on to the next when they lose one.
pub fn spread(server: &Server, addresses: &[String], log: &Path, shape: [&str; 3], more: &[&str]) -> Child {
    over(server, ["--mqtt", &addresses.join(",")], log, shape, more)
}

/// Puts a load on a server over one of its protocols: the generator's option for it, and the address.
pub fn over(server: &Server, way: [&str; 2], log: &Path, [devices, rate, seconds]: [&str; 3], more: &[&str]) -> Child {
    let mut command = Command::new(program());
    command.args(["--devices", devices, "--rate", rate, "--seconds", seconds, "--json"]);
    command
        .args(way)
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

/// A file for a log that outlives the server's folder.
pub fn log_of(server: &Server, name: &str) -> PathBuf {
    let log = server.folder().parent().unwrap().join(format!("{name}-{}", std::process::id()));
    let _ = std::fs::remove_file(&log);
    log
}

/// How many messages are acknowledged by now.
pub fn acknowledged(log: &Path) -> usize {
    std::fs::read_to_string(log).map_or(0, |text| text.lines().count())
}

/// Every acknowledged point is stored, in rising order, none invented.
pub fn verify(server: &Server, log: &Path) {
    let mut command = Command::new(program());
    command.args(["verify", "--json", "--acked-log"]).arg(log).args(account(server));
    let output = command.output().unwrap();
    let text = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(output.status.success(), "{text}");
}
