//! A Kafka of one's own, and what lies in its topics.

use std::fs::File;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use from_maven::{Installed, KAFKA};
use tempfile::TempDir;

use crate::certificates::Files;

/// The number of the one cluster there is: 16 bytes.
const CLUSTER: &str = "cGFjaWZpY3NvZnQtdGVzdA";
/// Partitions of a topic that is made when it is first asked for.
pub const PARTITIONS: usize = 3;
/// How long a broker may take until it serves: a build may be under way beside it.
const START_PATIENCE: Duration = Duration::from_secs(120);

/// A broker that is a cluster of its own. Killed when dropped.
///
/// It listens three times, and names itself to whoever comes as that door's name says.
pub struct Kafka {
    child: Child,
    folder: TempDir,
    /// Open to everybody, in the clear.
    pub port: u16,
    /// For one user, over TLS, as `localhost`.
    pub login_port: u16,
    /// Says that it is at 127.0.0.2 instead.
    pub lying_port: u16,
}

/// The jars.
pub fn installed() -> &'static Installed {
    static INSTALLED: OnceLock<Installed> = OnceLock::new();
    INSTALLED.get_or_init(|| {
        let folder = crate::target().join("tools/kafka");
        KAFKA.in_folder(&folder).unwrap_or_else(|missing| panic!("{missing:#}"))
    })
}

/// Ports that nobody has now.
fn free_ports<const N: usize>() -> [u16; N] {
    let all = [(); N].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    all.map(|one| one.local_addr().unwrap().port())
}

/// What the broker is told.
fn settings(folder: &Path, [port, login, lying, elsewhere, controller]: [u16; 5], files: &Files, (user, password): (&str, &str)) -> String {
    let chain = folder.join("server.pem");
    let read = |file: &str| std::fs::read_to_string(file).unwrap();
    std::fs::write(&chain, [read(&files.key), read(&files.certificate)].concat()).unwrap();
    format!(
        "process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
controller.listener.names=CONTROLLER
inter.broker.listener.name=OPEN
listeners=OPEN://127.0.0.1:{port},LOGIN://127.0.0.1:{login},LYING://127.0.0.1:{lying},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=OPEN://127.0.0.1:{port},LOGIN://localhost:{login},LYING://127.0.0.2:{elsewhere}
listener.security.protocol.map=OPEN:PLAINTEXT,LOGIN:SASL_SSL,LYING:PLAINTEXT,CONTROLLER:PLAINTEXT
listener.name.login.sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512
listener.name.login.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required user_{user}=\"{password}\";
listener.name.login.scram-sha-256.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
listener.name.login.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
listener.name.login.ssl.keystore.type=PEM
listener.name.login.ssl.keystore.location={chain}
log.dirs={data}
num.partitions={PARTITIONS}
auto.create.topics.enable=true
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
group.initial.rebalance.delay.ms=0
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
",
        chain = chain.display(),
        data = folder.join("data").display(),
    )
}

fn java(heap_mb: u32) -> Command {
    let mut command = Command::new("java");
    command
        .args([format!("-Xmx{heap_mb}m").as_str(), "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"])
        .args(["-cp", &installed().classpath])
        .stdin(Stdio::null());
    command
}

impl Kafka {
    /// Starts one and waits until it serves. `elsewhere`: the port at 127.0.0.2 that the lying door names.
    pub fn start(files: &Files, user: (&str, &str), elsewhere: u16) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let [port, login_port, lying_port, controller] = free_ports();
        let file = folder.path().join("server.properties");
        let text = settings(folder.path(), [port, login_port, lying_port, elsewhere, controller], files, user);
        std::fs::write(&file, text).unwrap();
        let mut format = java(128);
        format
            .args(["kafka.tools.StorageTool", "format", "--cluster-id", CLUSTER, "--config"])
            .arg(&file);
        for mechanism in ["SCRAM-SHA-256", "SCRAM-SHA-512"] {
            let (user, password) = user;
            format.args(["--add-scram", &format!("{mechanism}=[name={user},password={password}]")]);
        }
        let formatted = format.output().unwrap();
        assert!(formatted.status.success(), "{formatted:?}");
        let log = File::create(folder.path().join("log")).unwrap();
        let child = java(320)
            .arg("kafka.Kafka")
            .arg(&file)
            .current_dir(folder.path())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut kafka = Kafka {
            child,
            folder,
            port,
            login_port,
            lying_port,
        };
        kafka.wait_until_it_serves();
        kafka
    }

    fn wait_until_it_serves(&mut self) {
        let deadline = Instant::now() + START_PATIENCE;
        // The doors open before there is a leader to speak to; clients wait for that.
        while std::net::TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            let ended = self.child.try_wait().unwrap();
            assert!(
                ended.is_none() && Instant::now() < deadline,
                "Kafka does not serve ({ended:?}): {}",
                self.log()
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// What it has said.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// Makes a topic of one partition, with a setting of its own.
    pub fn make(&self, topic: &str, setting: &str) {
        let door = format!("127.0.0.1:{}", self.port);
        let made = java(128)
            .args(["org.apache.kafka.tools.TopicCommand", "--bootstrap-server", &door, "--create"])
            .args(["--topic", topic, "--partitions", "1", "--config", setting])
            .output()
            .unwrap();
        assert!(made.status.success(), "{made:?}");
    }

    /// What the batches of a topic's first partition are compressed with where they lie, in their order.
    pub fn codecs(&self, topic: &str) -> Vec<String> {
        let file = self.folder.path().join(format!("data/{topic}-0/00000000000000000000.log"));
        let output = java(128)
            .args(["org.apache.kafka.tools.DumpLogSegments", "--files"])
            .arg(file)
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        let text = String::from_utf8_lossy(&output.stdout);
        let named = text
            .lines()
            .filter_map(|line| line.split("compresscodec: ").nth(1)?.split(' ').next());
        named.map(str::to_lowercase).collect()
    }

    /// What lies in a topic, so many records: partition, headers, key and value, as Kafka's own consumer writes them. Those of a
    /// partition in their order.
    pub fn records(&self, topic: &str, count: usize) -> Vec<String> {
        let output = java(128)
            .arg("org.apache.kafka.tools.consumer.ConsoleConsumer")
            .args([
                "--bootstrap-server",
                &format!("127.0.0.1:{}", self.port),
                "--topic",
                topic,
                "--from-beginning",
            ])
            .args(["--max-messages", &count.to_string(), "--timeout-ms", "30000"])
            .args(
                ["print.partition=true", "print.headers=true", "print.key=true"]
                    .into_iter()
                    .flat_map(|one| ["--formatter-property", one]),
            )
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        let lines: Vec<String> = text.lines().map(str::to_owned).collect();
        assert_eq!(lines.len(), count, "{text}{}", String::from_utf8_lossy(&output.stderr));
        lines
    }
}

impl Drop for Kafka {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
