//! A node at work.

use std::fs::File;
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::install::Installed;
use crate::settings;

/// How long a node may take until it serves.
const START_PATIENCE: Duration = Duration::from_secs(120);

/// How a node is started.
#[derive(Clone, Debug)]
pub struct NodeOptions {
    /// Its address: every node of a cluster has one of its own, and all the same ports.
    pub address: Ipv4Addr,
    /// Port for clients; 0: a free one.
    pub native_port: u16,
    /// Port for other nodes.
    pub storage_port: u16,
    /// Nodes to find the others by, `address:port`.
    pub seeds: Vec<String>,
    /// Java heap.
    pub heap_mb: u32,
}

impl NodeOptions {
    /// A node alone on 127.0.0.1. Its heap has room for the tables of many keyspaces: each test has one of its own, and none is dropped.
    ///
    /// # Errors
    /// When no port is free.
    pub fn alone() -> Result<Self> {
        Ok(NodeOptions {
            heap_mb: 1_024,
            ..NodeOptions::on(Ipv4Addr::LOCALHOST)?
        })
    }

    /// A node alone on an address of this machine.
    ///
    /// # Errors
    /// When no port is free.
    pub fn on(address: Ipv4Addr) -> Result<Self> {
        let storage_port = free_port(address)?;
        Ok(NodeOptions {
            address,
            native_port: 0,
            storage_port,
            seeds: vec![format!("{address}:{storage_port}")],
            heap_mb: 512,
        })
    }
}

/// A node. Killed when dropped; its folder goes with it.
pub struct Node {
    child: Child,
    folder: PathBuf,
    address: SocketAddrV4,
}

/// Nodes of this process so far.
static NODES: AtomicU32 = AtomicU32::new(0);

impl Node {
    /// Starts a node with nothing stored, and waits until it serves.
    ///
    /// # Errors
    /// When it does not: the end of its log.
    pub fn start(installed: &Installed, options: &NodeOptions) -> Result<Self> {
        let number = NODES.fetch_add(1, Ordering::Relaxed);
        let folder = installed.folder.join(format!("node-{}-{number}", std::process::id()));
        let native = match options.native_port {
            0 => free_port(options.address)?,
            port => port,
        };
        let child = spawn(installed, options, &folder, native).context("java cannot be started")?;
        let mut node = Node {
            child,
            folder,
            address: SocketAddrV4::new(options.address, native),
        };
        node.wait_until_it_serves()?;
        Ok(node)
    }

    /// Where it serves clients, `host:port`.
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits until it ends by itself.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn wait(&mut self) -> Result<()> {
        self.child.wait()?;
        Ok(())
    }

    /// `kill -9`
    ///
    /// # Errors
    /// When the system refuses.
    pub fn kill(&mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// What its log says of errors, and its end: what it says when it stops may be longer than that.
    pub fn log(&self) -> String {
        let text = std::fs::read_to_string(log(&self.folder)).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        let (before, end) = lines.split_at(lines.len().saturating_sub(60));
        let errors = before.iter().filter(|line| line.contains("ERROR") || line.contains("Exception"));
        let told: Vec<&str> = errors.take(20).chain(end).copied().collect();
        told.join("\n")
    }

    fn wait_until_it_serves(&mut self) -> Result<()> {
        let deadline = Instant::now() + START_PATIENCE;
        // It opens this port last.
        while TcpStream::connect_timeout(&self.address.into(), Duration::from_secs(1)).is_err() {
            if let Some(status) = self.child.try_wait()? {
                bail!("Cassandra ended ({status}):\n{}", self.log());
            }
            if Instant::now() > deadline {
                bail!("Cassandra does not serve after {} s:\n{}", START_PATIENCE.as_secs(), self.log());
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        Ok(())
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // It may have ended by itself, and its folder be gone.
        let _ = self.kill();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn spawn(installed: &Installed, options: &NodeOptions, folder: &Path, native: u16) -> Result<Child> {
    std::fs::create_dir_all(folder)?;
    std::fs::write(folder.join("cassandra.yaml"), settings::yaml(options, folder, native))?;
    std::fs::write(folder.join("logback.xml"), settings::logback())?;
    let output = File::create(log(folder))?;
    let child = Command::new("java")
        .args(settings::java(options, folder, &installed.agent))
        .args(["-cp", &installed.classpath, "org.apache.cassandra.service.CassandraDaemon"])
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(output.try_clone()?)
        .stderr(output)
        .spawn()?;
    Ok(child)
}

fn log(folder: &Path) -> PathBuf {
    folder.join("log")
}

fn free_port(address: Ipv4Addr) -> Result<u16> {
    Ok(TcpListener::bind((address, 0))?.local_addr()?.port())
}
