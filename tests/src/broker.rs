//! A Mosquitto of one's own, and who listens to it.

use std::fs::File;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use crate::certificates::Files;

/// The name under which a test listens.
const LISTENER: &str = "the-listener";

/// How a broker is started.
#[derive(Default)]
pub struct Settings<'a> {
    /// The one who may log in; none: everybody may, without.
    pub login: Option<(&'a str, &'a str)>,
    /// A certificate for TLS; none: in the clear.
    pub tls: Option<Files>,
    /// Whose clients are let in by their certificates, and nobody else; none: nobody has to show one.
    pub clients_of: Option<String>,
}

/// A broker. Killed when dropped.
pub struct Broker {
    child: Child,
    pub port: u16,
    folder: TempDir,
    login: Option<(String, String)>,
    authority: Option<String>,
}

impl Broker {
    /// Starts one and waits until it listens. `authority` is the file of whoever signed its certificate.
    pub fn start(settings: Settings, authority: Option<String>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        // The log says who comes and what they send.
        let mut text = format!("listener {port} 127.0.0.1\nlog_type all\nlog_dest stderr\nuser root\npersistence false\n");
        match settings.login {
            None => text.push_str("allow_anonymous true\n"),
            Some((user, password)) => {
                let file = folder.path().join("passwords");
                let made = Command::new("mosquitto_passwd")
                    .args(["-b", "-c"])
                    .arg(&file)
                    .args([user, password])
                    .output()
                    .expect("mosquitto is installed");
                assert!(made.status.success(), "{made:?}");
                text.push_str(&format!("allow_anonymous false\npassword_file {}\n", file.display()));
            }
        }
        if let Some(files) = &settings.tls {
            text.push_str(&format!("certfile {}\nkeyfile {}\n", files.certificate, files.key));
        }
        if let Some(authority) = &settings.clients_of {
            text.push_str(&format!(
                "cafile {authority}\nrequire_certificate true\nuse_identity_as_username true\n"
            ));
        }
        let configuration = folder.path().join("mosquitto.conf");
        std::fs::write(&configuration, text).unwrap();
        let program = if Path::new("/usr/sbin/mosquitto").exists() {
            "/usr/sbin/mosquitto"
        } else {
            "mosquitto"
        };
        let log = File::create(folder.path().join("log")).unwrap();
        let child = Command::new(program)
            .arg("-c")
            .arg(&configuration)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("mosquitto is installed");
        let broker = Broker {
            child,
            port,
            folder,
            login: settings.login.map(|(user, password)| (user.to_owned(), password.to_owned())),
            authority,
        };
        crate::until("the broker listens", || broker.log().contains(" running"));
        broker
    }

    /// What it has said.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// Begins to listen to everything, up to so many messages: topic, a blank, payload.
    pub fn listen(&self, count: usize) -> Listener {
        let before = self.subscriptions();
        let mut command = Command::new("mosquitto_sub");
        command
            .args(["-h", "localhost", "-i", LISTENER, "-t", "#", "-v", "-q", "1", "-W", "30", "-p"])
            .arg(self.port.to_string())
            .args(["-C", &count.to_string()]);
        if let Some((user, password)) = &self.login {
            command.args(["-u", user, "-P", password]);
        }
        if let Some(authority) = &self.authority {
            command.args(["--cafile", authority]);
        }
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let child = child.expect("mosquitto-clients is installed");
        crate::until("somebody listens", || self.subscriptions() > before);
        Listener(child)
    }

    fn subscriptions(&self) -> usize {
        self.log().matches(&format!("Sending SUBACK to {LISTENER}")).count()
    }

    /// Clients that came, apart from who listens.
    pub fn clients(&self) -> usize {
        let log = self.log();
        let came = log.lines().filter(|line| line.contains("New client connected"));
        came.filter(|line| !line.contains(LISTENER)).count()
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Who listens.
pub struct Listener(Child);

impl Listener {
    /// What was heard, line by line, when all of it was.
    pub fn heard(self) -> Vec<String> {
        let output = self.0.wait_with_output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
        text.lines().map(str::to_owned).collect()
    }
}
