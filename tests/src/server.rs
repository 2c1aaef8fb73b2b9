//! A Pacificsoft of one's own.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use tempfile::TempDir;

use crate::rest::Rest;

/// How a server is started.
#[derive(Clone, Debug, Default)]
pub struct Options {
    pub demo: bool,
    pub arguments: Vec<String>,
    pub environment: Vec<(String, String)>,
    /// Ports of HTTP and MQTT that stay the same when it starts again; 0: free ones.
    pub ports: (u16, u16),
    /// The network namespace it runs in, and its address there; none: this machine's own, and 127.0.0.1.
    pub place: Option<(String, String)>,
    /// Another binary than the one under test.
    pub binary: Option<PathBuf>,
}

impl Options {
    /// The address it listens on.
    pub fn host(&self) -> &str {
        self.place.as_ref().map_or("127.0.0.1", |(_, address)| address)
    }
}

impl Options {
    /// With demo data.
    pub fn demo() -> Self {
        Options {
            demo: true,
            ..Options::default()
        }
    }

    /// With further arguments.
    pub fn with(mut self, arguments: &[&str]) -> Self {
        self.arguments.extend(arguments.iter().map(|argument| (*argument).to_owned()));
        self
    }
}

/// A server. Killed when dropped; its folder goes with it.
pub struct Server {
    child: Child,
    pub http: String,
    pub mqtt_port: u16,
    pub coap_port: u16,
    /// What it printed until it was ready.
    pub greeting: String,
    folder: TempDir,
    options: Options,
}

/// The binary under test.
pub fn binary() -> PathBuf {
    let path = crate::target().join("debug/pacificsoft");
    assert!(path.exists(), "{} is not built: run `cargo xtask test`", path.display());
    path
}

impl Server {
    /// Starts one in a new folder and waits until it serves.
    pub fn start(options: Options) -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), options)
    }

    fn start_in(folder: TempDir, options: Options) -> Self {
        let binary = options.binary.clone().unwrap_or_else(binary);
        let mut command = match &options.place {
            None => Command::new(binary),
            Some((namespace, _)) => {
                let mut inside = Command::new("ip");
                inside.args(["netns", "exec", namespace]).arg(binary);
                inside
            }
        };
        let ((http, mqtt), host) = (options.ports, options.host());
        command.args(["serve", "--coap", &format!("{host}:0")]);
        command.args(["--http", &format!("{host}:{http}"), "--mqtt", &format!("{host}:{mqtt}")]);
        if !options.arguments.iter().any(|argument| argument == "--log") {
            command.args(["--log", "info"]);
        }
        command.args(options.demo.then_some("--demo")).args(&options.arguments);
        command
            .arg("--data-dir")
            .arg(folder.path().join("data"))
            // What one has compiled the others need not.
            .env("PACIFICSOFT_CODE_DIR", crate::target().join("code"))
            .envs(options.environment.iter().cloned());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(
            std::fs::File::options()
                .append(true)
                .create(true)
                .open(folder.path().join("log"))
                .unwrap(),
        );
        let mut child = command.spawn().unwrap();
        let (lines, received) = mpsc::sync_channel(100);
        let output = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || output.lines().map_while(Result::ok).try_for_each(|line| lines.send(line)));
        let mut greeting = String::new();
        let first = received.recv_timeout(Duration::from_secs(60));
        let Ok(first) = first else {
            // It may be slow or dead: say which.
            let _ = child.kill();
            panic!(
                "the server did not start: {}",
                std::fs::read_to_string(folder.path().join("log")).unwrap_or_default()
            );
        };
        greeting.push_str(&first);
        while let Ok(line) = received.recv_timeout(Duration::from_millis(100)) {
            greeting.push('\n');
            greeting.push_str(&line);
        }
        let after = |mark: &str| {
            first
                .split(mark)
                .nth(1)
                .and_then(|rest| rest.split([',', ' ']).next())
                .unwrap_or_default()
                .to_owned()
        };
        let http = after("on http://");
        let port = |address: &str| -> u16 {
            let port = address.rsplit(':').next().and_then(|port| port.parse().ok());
            port.unwrap_or_else(|| panic!("no port in {first:?}"))
        };
        let (mqtt_port, coap_port) = (port(&after("MQTT devices on ")), port(&after("CoAP devices on ")));
        Server {
            child,
            http: format!("http://{http}"),
            mqtt_port,
            coap_port,
            greeting,
            folder,
            options,
        }
    }

    /// What stands after a mark in the greeting, up to the next comma or white space.
    pub fn greeted(&self, mark: &str) -> String {
        let rest = self
            .greeting
            .split(mark)
            .nth(1)
            .unwrap_or_else(|| panic!("no {mark:?} in {}", self.greeting));
        rest.split([',', ' ', '\n']).next().unwrap_or_default().to_owned()
    }

    /// The port of MQTT over TLS.
    pub fn mqtts_port(&self) -> u16 {
        let address = self.greeted("Over TLS: MQTT devices on ");
        address.rsplit(':').next().unwrap().parse().unwrap()
    }

    /// Sends a signal, such as `HUP`.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill")
            .arg(format!("-{name}"))
            .arg(self.child.id().to_string())
            .status()
            .unwrap();
        assert!(sent.success());
    }

    /// Kills it without a chance to say anything, and starts another on the same folder.
    pub fn kill_and_restart(self) -> Self {
        let (folder, options) = self.kill();
        Self::start_in(folder, options)
    }

    /// `kill -9`
    pub fn kill(mut self) -> (TempDir, Options) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        let folder = std::mem::replace(&mut self.folder, tempfile::tempdir().unwrap());
        (folder, self.options.clone())
    }

    /// Starts another on a folder.
    pub fn restart((folder, options): (TempDir, Options)) -> Self {
        Self::start_in(folder, options)
    }

    /// Sends SIGTERM; answers whether it ended well.
    pub fn terminate(&mut self) -> bool {
        self.signal("TERM");
        let mut ended = None;
        crate::until("the server ends", || {
            ended = self.child.try_wait().unwrap();
            ended.is_some()
        });
        ended.is_some_and(|status| status.success())
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Logs in.
    pub fn login(&self, username: &str, password: &str) -> Rest {
        Rest::login(&self.http, username, password)
    }

    /// Logs in as the demo's tenant administrator.
    pub fn tenant(&self) -> Rest {
        self.login("tenant@pacificsoft.org", "tenant")
    }

    /// What it logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// Its temporary folder.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The sum of a metric over all labels.
    pub fn metric(&self, name: &str) -> f64 {
        let text = crate::rest::curl(&["-s", &format!("{}/metrics", self.http)]);
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        lines
            .filter(|line| line.split(['{', ' ']).next() == Some(name))
            .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
            .sum()
    }

    /// Memory in use, in MB.
    pub fn memory_mb(&self) -> f64 {
        let mut status = String::new();
        std::fs::File::open(format!("/proc/{}/status", self.child.id()))
            .unwrap()
            .read_to_string(&mut status)
            .unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.split_whitespace().next().unwrap().parse::<f64>().unwrap() / 1024.0
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("the server's log:\n{}", self.log());
        }
    }
}
