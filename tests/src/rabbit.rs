//! A RabbitMQ of one's own, and who looks into its queues (pika, a client that nobody here wrote).

use std::fs::File;
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::certificates::Files;
use crate::clients::python;

/// How long a broker may take until it serves: a build may be under way beside it.
const START_PATIENCE: Duration = Duration::from_secs(120);
/// Where Debian's package has the program: what is on the path changes the user first.
const PROGRAM: &str = "/usr/lib/rabbitmq/bin/rabbitmq-server";

/// A broker. Killed when dropped.
pub struct Rabbit {
    child: Child,
    folder: TempDir,
    /// In the clear.
    pub port: u16,
    /// Over TLS.
    pub tls_port: u16,
    names_port: u16,
    user: String,
    password: String,
}

impl Rabbit {
    /// Starts one with one user who may do everything in `/`, and waits until it serves.
    pub fn start(files: &Files, (user, password): (&str, &str)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let all = [(); 4].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
        let [port, tls_port, between, names_port] = all.map(|one| one.local_addr().unwrap().port());
        let text = format!(
            "listeners.tcp.default = 127.0.0.1:{port}
listeners.ssl.default = 127.0.0.1:{tls_port}
ssl_options.certfile = {}
ssl_options.keyfile = {}
ssl_options.verify = verify_none
default_user = {user}
default_pass = {password}
log.console = true
log.console.level = info
log.file = false
disk_free_limit.absolute = 1MB
",
            files.certificate, files.key
        );
        std::fs::write(folder.path().join("rabbitmq.conf"), text).unwrap();
        std::fs::write(folder.path().join("plugins"), "[].").unwrap();
        let log = File::create(folder.path().join("log")).unwrap();
        let child = command(folder.path(), port, between, names_port)
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .expect("rabbitmq-server is installed");
        let mut rabbit = Rabbit {
            child,
            folder,
            port,
            tls_port,
            names_port,
            user: user.to_owned(),
            password: password.to_owned(),
        };
        rabbit.wait_until_it_serves();
        rabbit
    }

    fn wait_until_it_serves(&mut self) {
        let deadline = Instant::now() + START_PATIENCE;
        while !self.log().contains("Server startup complete") {
            let ended = self.child.try_wait().unwrap();
            assert!(
                ended.is_none() && Instant::now() < deadline,
                "RabbitMQ does not serve ({ended:?}): {}",
                self.log()
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// What it has said.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// Connections that came so far.
    pub fn connections(&self) -> usize {
        self.log().matches("accepting AMQP connection").count()
    }

    /// Runs a program that has `channel`, and answers what it prints.
    pub fn with_channel(&self, program: &str) -> String {
        const BEGIN: &str = r"
import pika, sys
login = pika.PlainCredentials(sys.argv[2], sys.argv[3])
connection = pika.BlockingConnection(pika.ConnectionParameters('127.0.0.1', int(sys.argv[1]), '/', login))
channel = connection.channel()
";
        let program = format!("{BEGIN}{program}\nconnection.close()\n");
        python(&program, &[&self.port.to_string(), &self.user, &self.password])
    }

    /// Makes an exchange and a queue that takes all from it.
    pub fn queue(&self, exchange: &str, queue: &str) {
        self.with_channel(&format!(
            "channel.exchange_declare('{exchange}', 'topic')\nchannel.queue_declare('{queue}', durable=True)\nchannel.queue_bind('{queue}', '{exchange}', '#')"
        ));
    }

    /// Takes all that is in a queue: key, type of the content, how it is kept, priority, and the payload.
    pub fn taken(&self, queue: &str) -> Vec<String> {
        let said = self.with_channel(&format!(
            "while True:
    method, properties, body = channel.basic_get('{queue}', auto_ack=True)
    if method is None: break
    print(method.routing_key, properties.content_type, properties.delivery_mode, properties.priority, body.decode()[:200])"
        ));
        said.lines().map(str::to_owned).collect()
    }
}

fn command(folder: &Path, port: u16, between: u16, names_port: u16) -> Command {
    let mut command = Command::new(PROGRAM);
    command
        .env("HOME", folder)
        .env("RABBITMQ_CONFIG_FILE", folder.join("rabbitmq.conf"))
        .env("RABBITMQ_ENABLED_PLUGINS_FILE", folder.join("plugins"))
        .env("RABBITMQ_MNESIA_BASE", folder.join("data"))
        .env("RABBITMQ_LOG_BASE", folder)
        .env("RABBITMQ_PID_FILE", folder.join("pid"))
        .env("RABBITMQ_NODENAME", format!("test{port}@localhost"))
        .env("RABBITMQ_NODE_IP_ADDRESS", "127.0.0.1")
        .env("RABBITMQ_NODE_PORT", port.to_string())
        .env("RABBITMQ_DIST_PORT", between.to_string())
        .env("RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS", "-kernel inet_dist_use_interface {127,0,0,1}")
        // It registers with a daemon that outlives it: one of its own.
        .env("ERL_EPMD_PORT", names_port.to_string())
        .env("ERL_EPMD_ADDRESS", "127.0.0.1")
        // A shell that starts the broker: they end together.
        .process_group(0)
        .current_dir(folder)
        .stdin(Stdio::null());
    command
}

impl Drop for Rabbit {
    fn drop(&mut self) {
        let group = format!("-{}", self.child.id());
        let _ = Command::new("kill").args(["-KILL", "--", &group]).status();
        let _ = self.child.wait();
        let mut names = Command::new("epmd");
        names.env("ERL_EPMD_PORT", self.names_port.to_string()).arg("-kill");
        let _ = names.stdout(Stdio::null()).stderr(Stdio::null()).status();
    }
}
