//! Servers of one cluster, over a keyspace of a real Cassandra: the one that `cargo xtask test` starts, or one of their own.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use cassandra_node::{Installed, Node, NodeOptions};
use cluster::{Epoch, HashRing, Members, PeerId, PeerRecord, PeerState};
use model::{DeviceId, TenantId};
use serde_json::Value as Json;
use tempfile::TempDir;

use crate::certificates::{Authority, Files};
use crate::network::Network;
use crate::server::{Options, Server, binary};

/// Keyspaces of this process so far.
static KEYSPACES: Mutex<u32> = Mutex::new(0);
/// The node that tests of this process share, as long as one of them needs it.
static NODE: Mutex<Weak<Cassandra>> = Mutex::new(Weak::new());

/// A Cassandra.
pub struct Cassandra {
    address: String,
    /// Ends with this, if it was started here.
    _node: Option<Node>,
}

impl Cassandra {
    /// One that listens on an address of this machine.
    pub fn on(address: Ipv4Addr) -> Result<Arc<Self>, String> {
        let told = |error| format!("{error:#}");
        let installed = Installed::in_folder(&crate::target().join("tools/cassandra")).map_err(told)?;
        let node = NodeOptions::on(address).and_then(|options| Node::start(&installed, &options));
        let node = node.map_err(told)?;
        Ok(Arc::new(Cassandra {
            address: node.address(),
            _node: Some(node),
        }))
    }

    /// The one that is told of, or one for the tests of this process. Why there is none: something is missing on this machine.
    pub fn shared() -> Result<Arc<Self>, String> {
        let mut shared = NODE.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(running) = shared.upgrade() {
            return Ok(running);
        }
        let started = match std::env::var(cassandra_node::ADDRESS) {
            Ok(address) => Arc::new(Cassandra { address, _node: None }),
            Err(_) => Cassandra::on(Ipv4Addr::LOCALHOST)?,
        };
        *shared = Arc::downgrade(&started);
        Ok(started)
    }
}

/// A cluster. Its servers are killed when it is dropped.
pub struct Cluster {
    seats: Vec<Seat>,
    authority: Authority,
    storage: String,
    /// What every server is told besides.
    told: Vec<String>,
    folder: TempDir,
    network: Option<Network>,
    _cassandra: Arc<Cassandra>,
}

/// Servers of an older version: an older binary, or the one under test, which is held back.
#[derive(Clone)]
pub enum Old {
    /// At this version.
    Held(u32),
    /// A binary that somebody built of an older tree.
    Binary(PathBuf),
}

impl Old {
    /// A server's options, as one of these.
    fn of(&self, mut options: Options) -> Options {
        match self {
            Old::Held(version) => options.with(&["--cluster-version", &version.to_string()]),
            Old::Binary(path) => {
                options.binary = Some(path.clone());
                options
            }
        }
    }
}

/// A place for a server: its addresses stay when it goes.
struct Seat {
    options: Options,
    peer: String,
    state: State,
}

#[allow(clippy::large_enum_variant, reason = "there are three")]
enum State {
    Up(Server),
    /// Its folder.
    Down(TempDir),
    /// Between the two.
    Moving,
}

impl Cluster {
    /// So many servers, all with their share.
    pub fn start(servers: usize, cassandra: &Arc<Cassandra>) -> Self {
        Cluster::start_on(None, servers, cassandra)
    }

    /// The same, each at a place of a network, on which the Cassandra is, too.
    pub fn start_on(network: Option<Network>, servers: usize, cassandra: &Arc<Cassandra>) -> Self {
        let mut cluster = Cluster::empty(network, cassandra);
        (0..servers).for_each(|_| cluster.add());
        cluster.settled(servers);
        cluster
    }

    /// So many servers of an older version.
    pub fn start_old(servers: usize, cassandra: &Arc<Cassandra>, old: &Old) -> Self {
        Cluster::start_told(servers, cassandra, Some(old), &[])
    }

    /// So many servers, of an older version or not, each of which is told something besides.
    pub fn start_told(servers: usize, cassandra: &Arc<Cassandra>, old: Option<&Old>, told: &[&str]) -> Self {
        let mut cluster = Cluster::empty(None, cassandra);
        cluster.told = told.iter().map(|one| (*one).to_owned()).collect();
        (0..servers).for_each(|_| cluster.add_as(old));
        cluster.settled(servers);
        cluster
    }

    fn empty(network: Option<Network>, cassandra: &Arc<Cassandra>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let number = {
            let mut number = KEYSPACES.lock().unwrap();
            *number += 1;
            *number
        };
        Cluster {
            seats: Vec::new(),
            authority: Authority::new(folder.path()),
            storage: format!("cassandra://{}/cluster_{}_{number}", cassandra.address, std::process::id()),
            told: Vec::new(),
            folder,
            network,
            _cassandra: Arc::clone(cassandra),
        }
    }

    /// One more, which joins.
    pub fn add(&mut self) {
        self.add_as(None);
    }

    /// One more, of an older version or not.
    fn add_as(&mut self, old: Option<&Old>) {
        let number = self.seats.len();
        let files = self.authority.peer(&format!("peer-{number}"));
        let place = self.network.as_ref().map(|network| {
            let place = u8::try_from(number).unwrap();
            (network.namespace(place), network.address(place).to_string())
        });
        let mut options = match number {
            0 => Options::demo(),
            _ => Options::default().with(&["--join", &self.peer_address(0)]),
        };
        options.ports = (free_port(), free_port());
        options.place = place;
        let peer = format!("{}:{}", options.host(), free_port());
        let options = options.with(&self.arguments(&files, &peer).iter().map(String::as_str).collect::<Vec<_>>());
        let server = Server::start(old.map_or_else(|| options.clone(), |old| old.of(options.clone())));
        self.seats.push(Seat {
            options,
            peer,
            state: State::Up(server),
        });
    }

    /// What every server of this cluster is told.
    pub fn arguments(&self, files: &Files, peer: &str) -> Vec<String> {
        let key = self.folder.path().join("secrets.key").display().to_string();
        let mut arguments = ["--storage", &self.storage, "--peer", peer].map(str::to_owned).to_vec();
        arguments.extend(["--secrets-key".to_owned(), key]);
        arguments.extend_from_slice(&self.told);
        arguments.extend(certificates(files, &self.authority.file()));
        arguments
    }

    /// A server that is up.
    pub fn server(&self, number: usize) -> &Server {
        match &self.seats[number].state {
            State::Up(server) => server,
            _ => panic!("server {number} is not up"),
        }
    }

    /// Where the others reach a server.
    pub fn peer_address(&self, number: usize) -> String {
        self.seats[number].peer.clone()
    }

    /// Where MQTT is served, by servers that are down, too.
    pub fn mqtt_addresses(&self) -> Vec<String> {
        let seats = self.seats.iter().map(|seat| &seat.options);
        seats.map(|options| format!("{}:{}", options.host(), options.ports.1)).collect()
    }

    /// The network it was started on.
    pub fn network(&self) -> &Network {
        self.network.as_ref().expect("it was started on a network")
    }

    /// `kill -9`
    pub fn kill(&mut self, number: usize) {
        let seat = &mut self.seats[number];
        if let State::Up(server) = std::mem::replace(&mut seat.state, State::Moving) {
            seat.state = State::Down(server.kill().0);
        }
    }

    /// Starts one again that is down.
    pub fn restart(&mut self, number: usize) {
        let seat = &mut self.seats[number];
        if let State::Down(folder) = std::mem::replace(&mut seat.state, State::Moving) {
            seat.state = State::Up(Server::restart((folder, seat.options.clone())));
        }
    }

    /// Has a server stop as an operator would, and starts it again as the binary under test.
    pub fn upgrade(&mut self, number: usize) {
        if let State::Up(server) = &mut self.seats[number].state {
            assert!(server.terminate(), "server {number} ends well");
        }
        self.kill(number);
        self.restart(number);
    }

    /// Starts a server that is down as an older version, which must be refused; answers what it said.
    pub fn refused(&self, number: usize, old: &Old) -> String {
        let seat = &self.seats[number];
        let State::Down(folder) = &seat.state else {
            panic!("server {number} is not down")
        };
        let options = old.of(seat.options.clone());
        let mut command = Command::new("timeout");
        command
            .arg("60")
            .arg(options.binary.clone().unwrap_or_else(binary))
            .args(["serve", "--coap", "127.0.0.1:0"]);
        command.args(["--http", "127.0.0.1:0", "--mqtt", "127.0.0.1:0", "--data-dir"]);
        command.arg(folder.path().join("data")).args(&options.arguments);
        let output = command.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{said}");
        said
    }

    /// In the words of which version the cluster writes, as all servers that are up see it; none: they are not of one mind.
    pub fn version(&self) -> Option<u64> {
        let mut seen = self.up().map(|number| self.status(number)?["version"].as_u64());
        let first = seen.next()??;
        seen.all(|other| other == Some(first)).then_some(first)
    }

    /// Runs `pacificsoft cluster …` with a certificate of the cluster.
    pub fn command(&self, arguments: &[&str]) -> Output {
        let files = self.authority.peer("command");
        run(arguments, &certificates(&files, &self.authority.file()))
    }

    /// How the cluster stands, as one server sees it; none: it does not answer.
    pub fn status(&self, number: usize) -> Option<Json> {
        let output = self.command(&["status", &self.peer_address(number), "--json"]);
        output.status.success().then(|| serde_json::from_slice(&output.stdout).unwrap())
    }

    /// The place of the server that leads, as far as somebody who is up knows.
    pub fn leader(&self) -> usize {
        let mut found = None;
        crate::until("somebody leads", || {
            found = self.up().find_map(|number| {
                let status = self.status(number)?;
                let address = status["peers"].as_array()?.iter().find(|peer| peer["peer"] == status["leader"])?["address"].clone();
                (0..self.seats.len()).find(|seat| self.peer_address(*seat) == address.as_str().unwrap_or_default())
            });
            found.is_some()
        });
        found.unwrap()
    }

    /// The place of the server that owns a device.
    pub fn owner(&self, tenant: &str, device: &str) -> usize {
        self.owners(tenant, [device])[0]
    }

    /// The places of the servers that own devices, by the ring that all servers make of their list.
    pub fn owners<'a>(&self, tenant: &str, devices: impl IntoIterator<Item = &'a str>) -> Vec<usize> {
        let status = self.up().find_map(|number| self.status(number)).unwrap();
        let peers = status["peers"].as_array().unwrap().iter().map(|peer| {
            let record = PeerRecord {
                address: peer["address"].as_str().unwrap().to_owned(),
                version: String::new(),
                state: match peer["state"].as_str() {
                    Some("up") => PeerState::Up,
                    _ => PeerState::Down,
                },
                weight: u32::try_from(peer["weight"].as_u64().unwrap()).unwrap(),
                since: Epoch(0),
            };
            (PeerId(peer["peer"].as_u64().unwrap()), record)
        });
        let members = Members {
            epoch: Epoch(status["epoch"].as_u64().unwrap()),
            peers: peers.collect(),
        };
        let (ring, tenant) = (HashRing::of(&members), TenantId(tenant.parse().unwrap()));
        let owner = |device: &str| {
            let owner = ring.owner(DeviceId::new(tenant, device.parse().unwrap())).unwrap();
            let address = &members.peers[&owner].address;
            (0..self.seats.len()).find(|seat| self.peer_address(*seat) == *address).unwrap()
        };
        devices.into_iter().map(owner).collect()
    }

    /// Waits until so many servers have their share, everybody who is up knows it, and no device is on its way.
    pub fn settled(&self, servers: usize) {
        crate::until(&format!("{servers} servers serve"), || {
            self.up().all(|number| {
                self.status(number).is_some_and(|status| {
                    let peers = status["peers"].as_array().unwrap();
                    let serving = peers.iter().filter(|peer| peer["state"] == "up").count();
                    serving == servers && status["epoch"] == status["settled"] && status["leader"] != 0
                })
            })
        });
    }

    /// The places of servers that are up.
    pub fn up(&self) -> impl Iterator<Item = usize> + '_ {
        let seats = self.seats.iter().enumerate();
        seats
            .filter(|(_, seat)| matches!(seat.state, State::Up(_)))
            .map(|(number, _)| number)
    }

    /// A folder that lasts as long as the cluster.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// What all servers that are up logged.
    pub fn logs(&self) -> String {
        self.up()
            .map(|number| format!("--- {number}\n{}", self.server(number).log()))
            .collect()
    }
}

/// Runs `pacificsoft cluster …`.
pub fn run(arguments: &[&str], certificates: &[String]) -> Output {
    Command::new(binary())
        .arg("cluster")
        .args(arguments)
        .args(certificates)
        .output()
        .unwrap()
}

/// Options for a certificate and its authority.
pub fn certificates(files: &Files, authority: &str) -> [String; 6] {
    [
        "--cluster-certificate",
        &files.certificate,
        "--cluster-key",
        &files.key,
        "--cluster-authority",
        authority,
    ]
    .map(str::to_owned)
}

fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
