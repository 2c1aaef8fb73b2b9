//! A Pacificsoft under measurement: started with demo data in a folder of its own, stopped when dropped.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Result, bail};
use serde_json::json;

use super::load::{self, Load, Shape};
use super::process::{Process, free_port};
use super::rest::{Rest, TENANT, node};

/// Servers of this process so far.
static SERVERS: AtomicU32 = AtomicU32::new(0);

/// The class of the node that saves time series.
pub const SAVE: &str = "org.thingsboard.rule.engine.telemetry.TbMsgTimeseriesNode";

/// A Pacificsoft under measurement.
pub struct Server {
    pub process: Process,
    mqtt: u16,
    http: u16,
    coap: u16,
    folder: Folder,
    generator: PathBuf,
}

struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// How devices speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    Mqtt,
    Coap,
    Http,
}

impl Server {
    /// Starts one with demo data in a new folder.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start(root: &Path) -> Result<Self> {
        Server::start_with(root, &[])
    }

    /// As [`Server::start`], with further options of `serve`.
    ///
    /// # Errors
    /// As [`Server::start`].
    pub fn start_with(root: &Path, options: &[&str]) -> Result<Self> {
        let (binary, generator) = super::binaries(root)?;
        let number = SERVERS.fetch_add(1, Ordering::Relaxed);
        let folder = Folder(std::env::temp_dir().join(format!("pacificsoft-bench-{}-{number}", std::process::id())));
        let _ = std::fs::remove_dir_all(&folder.0);
        std::fs::create_dir_all(&folder.0)?;
        let (mqtt, http, coap) = (free_port()?, free_port()?, free_udp_port()?);
        let mut command = Command::new(binary);
        command.args(["serve", "--demo", "--log", "warn"]);
        for (door, port) in [("--mqtt", mqtt), ("--http", http), ("--coap", coap)] {
            command.args([door, &format!("127.0.0.1:{port}")]);
        }
        command.args(options).arg("--data-dir").arg(folder.0.join("data"));
        let mut process = Process::start("pacificsoft", &mut command, &folder.0.join("log"))?;
        process.wait_for_port(mqtt)?;
        process.wait_for_port(http)?;
        Ok(Server {
            process,
            mqtt,
            http,
            coap,
            folder,
            generator,
        })
    }

    /// Puts a load on it, with devices whose tokens begin with `prefix`: numbers and times of one load do not meet those of another.
    ///
    /// # Errors
    /// When the generator fails, or counts do not agree.
    pub fn load(&self, protocol: Protocol, shape: &Shape, prefix: &str, verify: bool) -> Result<Load> {
        self.load_of(TENANT, protocol, shape, prefix, &["--verify"][..usize::from(verify)])
    }

    /// The same by devices of a tenant, whose administrator's name and password are given; with further options of the generator.
    ///
    /// # Errors
    /// As [`Server::load`].
    pub fn load_of(&self, user: (&str, &str), protocol: Protocol, shape: &Shape, prefix: &str, more: &[&str]) -> Result<Load> {
        let mut all = self.devices(user, protocol, prefix);
        all.push("--provision".to_owned());
        all.extend(more.iter().map(|option| (*option).to_owned()));
        load::load(&self.generator, shape, &all, &[&self.process])
    }

    /// Logs in: name and password.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn login(&self, user: (&str, &str)) -> Result<Rest> {
        Rest::login(&self.url(), user)
    }

    /// A folder that lasts as long as the server.
    pub fn folder(&self) -> &Path {
        &self.folder.0
    }

    /// Creates devices whose tokens begin with `prefix`.
    ///
    /// # Errors
    /// When the generator fails.
    pub fn create(&self, devices: u32, prefix: &str) -> Result<()> {
        let mut command = Command::new(&self.generator);
        command.args(["create", "--devices", &devices.to_string(), "--token-prefix", prefix]);
        crate::shell::quietly(command.args(self.account())).map(drop)
    }

    /// The generator, told a shape, to be run beside something else.
    pub fn generator(&self, protocol: Protocol, shape: &Shape, prefix: &str) -> Command {
        load::generator(&self.generator, shape, &self.devices(TENANT, protocol, prefix))
    }

    /// Something else that the generator can do.
    pub fn beside(&self, what: &str) -> Command {
        let mut command = Command::new(&self.generator);
        command.args([what, "--json", "--mqtt", &self.address(Protocol::Mqtt)]);
        command
    }

    /// Where to log in, and as the demo tenant's administrator.
    pub fn account(&self) -> Vec<String> {
        self.account_of(TENANT)
    }

    fn account_of(&self, (name, password): (&str, &str)) -> Vec<String> {
        ["--http", &self.url(), "--username", name, "--password", password]
            .map(str::to_owned)
            .to_vec()
    }

    /// A figure of its metrics, over all labels.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn metric(&self, name: &str) -> Result<f64> {
        let text = crate::shell::quietly(Command::new("curl").args(["--silent", "--fail", &format!("{}/metrics", self.url())]))?;
        let lines = text.lines().filter(|line| line.split(['{', ' ']).next() == Some(name));
        Ok(lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum())
    }

    /// The load generator's program.
    pub fn generator_path(&self) -> &Path {
        &self.generator
    }

    /// What the generator is told of devices of a tenant.
    pub fn devices(&self, user: (&str, &str), protocol: Protocol, prefix: &str) -> Vec<String> {
        let door = match protocol {
            Protocol::Mqtt => "--mqtt",
            Protocol::Coap => "--coap",
            Protocol::Http => "--device-http",
        };
        let mut more = [door, &self.address(protocol), "--token-prefix", prefix]
            .map(str::to_owned)
            .to_vec();
        more.extend(self.account_of(user));
        more
    }

    fn address(&self, protocol: Protocol) -> String {
        let port = match protocol {
            Protocol::Mqtt => self.mqtt,
            Protocol::Coap => self.coap,
            Protocol::Http => self.http,
        };
        format!("127.0.0.1:{port}")
    }

    /// Where it is asked.
    pub fn url(&self) -> String {
        format!("http://{}", self.address(Protocol::Http))
    }

    /// Gives the demo tenant the chain that is measured: type switch → field filter → save time series. The demo's own raises alarms, too.
    ///
    /// # Errors
    /// When the server refuses it.
    pub fn three_nodes(&self) -> Result<()> {
        let nodes = json!([
            node("switch", "org.thingsboard.rule.engine.filter.TbMsgTypeSwitchNode", &json!({})),
            node(
                "filter",
                "org.pacificsoft.filter.FieldFilter",
                &json!({ "key": "temperature", "operator": "GREATER", "value": -1000 })
            ),
            node("save", SAVE, &json!({})),
        ]);
        let connections = json!([
            { "fromIndex": 0, "toIndex": 1, "type": "Post telemetry" },
            { "fromIndex": 1, "toIndex": 2, "type": "True" },
        ]);
        if !self.login(TENANT)?.root_chain(&nodes, &connections)? {
            bail!("the chain is refused");
        }
        Ok(())
    }
}

/// A UDP port of this machine that is free now.
fn free_udp_port() -> Result<u16> {
    Ok(std::net::UdpSocket::bind("127.0.0.1:0")?.local_addr()?.port())
}
