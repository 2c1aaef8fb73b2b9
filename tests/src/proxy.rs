//! A proxy of one's own (proxy.py), for one user.

use std::fs::File;
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use crate::certificates::Files;

/// A proxy. Killed when dropped.
pub struct Proxy {
    child: Child,
    folder: TempDir,
    pub port: u16,
}

impl Proxy {
    /// Starts one and waits until it serves. With files: it is spoken to over TLS.
    pub fn start(files: Option<&Files>, (user, password): (&str, &str)) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        let folder = tempfile::tempdir().unwrap();
        let said = File::create(folder.path().join("said")).unwrap();
        let tls = files.map(|files| ["--cert-file", &files.certificate, "--key-file", &files.key]);
        let child = Command::new(crate::target().join("tools/venv/bin/python"))
            .args(["-m", "proxy", "--hostname", "127.0.0.1", "--port", &port.to_string()])
            .args(["--num-workers", "1", "--num-acceptors", "1", "--local-executor", "1"])
            .args(["--basic-auth", &format!("{user}:{password}")])
            .args(tls.iter().flatten())
            .args(["--data-dir", folder.path().to_str().unwrap()])
            .stdin(Stdio::null())
            .stdout(said.try_clone().unwrap())
            .stderr(said)
            .spawn()
            .unwrap();
        let proxy = Proxy { child, folder, port };
        crate::until("the proxy serves", || TcpStream::connect(("127.0.0.1", port)).is_ok());
        proxy
    }

    /// What it has said: a line for each request and tunnel that is over.
    pub fn said(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("said")).unwrap_or_default()
    }

    /// How often it has passed something on to a port of this machine.
    pub fn passed_to(&self, port: u16) -> usize {
        let to = format!(":{port}");
        let said = self.said();
        let passed = |line: &&str| {
            let mut words = line.split(" - ").skip_while(|word| !word.starts_with("127.0.0.1:"));
            words.nth(1).is_some_and(|asked| asked.contains(&to) && !asked.contains("None"))
        };
        said.lines().filter(passed).count()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        // It has children, which end when it is asked to end.
        let _ = Command::new("kill").args(["-INT", &self.child.id().to_string()]).status();
        let _ = self.child.wait();
    }
}
