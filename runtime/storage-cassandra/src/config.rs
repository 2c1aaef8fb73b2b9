//! How a Cassandra store works, and its address as people write it:
//! `cassandra://host:port,host:port/keyspace?replication=3&datacenter=dc1&bucket-days=7`.

use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use model::{Clock, SystemClock};
use storage::Tap;

use crate::fence::Fence;

/// The scheme of addresses.
pub const SCHEME: &str = "cassandra://";
/// Port of nodes whose address names none.
const PORT: u16 = 9042;
/// Characters of a keyspace's name at most: Cassandra's own limit.
const KEYSPACE_LEN_MAX: usize = 48;

/// How a Cassandra store works. The defaults suit a cluster in one data centre.
#[derive(Clone)]
#[non_exhaustive]
pub struct CassandraConfig {
    /// Nodes to ask first, `host:port`; the others are learned from them.
    pub nodes: Vec<String>,
    /// Keyspace; created if there is none.
    pub keyspace: String,
    /// Copies of everything, when the keyspace is created; none: as many as there are nodes, three at most.
    pub replication: Option<u8>,
    /// The data centre that is asked; none: that of the first node that answers, or all.
    pub datacenter: Option<String>,
    /// Width of time buckets, when the keyspace is created; none: seven days. Another one than the keyspace has is refused.
    pub bucket: Option<Duration>,
    /// User name, with the password.
    pub user: Option<(String, String)>,
    /// Batches in hand at most; whoever submits more waits.
    pub batches_max: usize,
    /// Writes under way at most, and as many reads.
    pub requests_max: usize,
    /// How long one attempt may take.
    pub attempt_timeout: Duration,
    /// How long a read or write is tried again before its caller is told that the database does not answer.
    pub patience: Duration,
    /// Entities whose time series are known to be in the index, in memory.
    pub entities_known_max: usize,
    /// Tells the time of changes.
    pub clock: Arc<dyn Clock>,
    /// Whether batches may be written; none: always.
    pub fence: Option<Arc<dyn Fence>>,
    /// Who is told of what has become durable.
    pub tap: Option<Arc<dyn Tap>>,
    /// What the servers that share the keyspace speak: it gets no form that one of them cannot work with. None: the newest form.
    pub cluster_version: Option<u32>,
}

impl CassandraConfig {
    /// The defaults, for nodes and a keyspace.
    pub fn new(nodes: Vec<String>, keyspace: impl Into<String>) -> Self {
        CassandraConfig {
            nodes,
            keyspace: keyspace.into(),
            replication: None,
            datacenter: None,
            bucket: None,
            user: None,
            batches_max: 1024,
            requests_max: 1024,
            attempt_timeout: Duration::from_secs(3),
            patience: Duration::from_secs(10),
            entities_known_max: 100_000,
            clock: Arc::new(SystemClock),
            fence: None,
            tap: None,
            cluster_version: None,
        }
    }
}

impl std::fmt::Debug for CassandraConfig {
    /// Without the password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CassandraConfig")
            .field("nodes", &self.nodes)
            .field("keyspace", &self.keyspace)
            .field("user", &self.user.as_ref().map(|(name, _)| name))
            .finish_non_exhaustive()
    }
}

/// Text that is no address of a Cassandra store.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// Another scheme, or none.
    #[error("an address begins with {SCHEME}")]
    Scheme,
    /// No node.
    #[error("an address names a node, such as cassandra://10.0.0.1:9042/pacificsoft")]
    NoNode,
    /// A port that is none.
    #[error("{0:?} is no node's address")]
    Node(String),
    /// No keyspace, or one that cannot be.
    #[error("a keyspace is named by 1 to {KEYSPACE_LEN_MAX} lower-case letters, digits and _, beginning with a letter, after a /")]
    Keyspace,
    /// An option nobody knows, or with a value that makes no sense.
    #[error("{0:?} is not understood; there are replication, datacenter and bucket-days")]
    Option(String),
}

impl FromStr for CassandraConfig {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let rest = text.strip_prefix(SCHEME).ok_or(AddressError::Scheme)?;
        let (rest, options) = rest.split_once('?').unwrap_or((rest, ""));
        let (nodes, keyspace) = rest.split_once('/').ok_or(AddressError::Keyspace)?;
        let nodes = nodes
            .split(',')
            .filter(|node| !node.is_empty())
            .map(node)
            .collect::<Result<Vec<_>, _>>()?;
        if nodes.is_empty() {
            return Err(AddressError::NoNode);
        }
        if !is_keyspace(keyspace) {
            return Err(AddressError::Keyspace);
        }
        let mut config = CassandraConfig::new(nodes, keyspace);
        for option in options.split('&').filter(|option| !option.is_empty()) {
            set(&mut config, option).ok_or_else(|| AddressError::Option(option.to_owned()))?;
        }
        Ok(config)
    }
}

fn set(config: &mut CassandraConfig, option: &str) -> Option<()> {
    const DAY_S: u64 = 24 * 3600;
    let (name, value) = option.split_once('=')?;
    match name {
        "replication" => config.replication = Some(value.parse().ok().filter(|copies| *copies > 0)?),
        "datacenter" => config.datacenter = Some(value.to_owned()).filter(|name| !name.is_empty()),
        "bucket-days" => {
            let days: u64 = value.parse().ok().filter(|days| (1..=3650).contains(days))?;
            config.bucket = Some(Duration::from_secs(days * DAY_S));
        }
        _ => return None,
    }
    Some(())
}

fn node(text: &str) -> Result<String, AddressError> {
    let bad = || AddressError::Node(text.to_owned());
    // An IPv6 address is written in brackets; its colons are no port's.
    let (host, port) = match text.rsplit_once(':').filter(|(_, port)| !port.ends_with(']')) {
        Some((host, port)) => (host, port.parse().map_err(|_| bad())?),
        None => (text, PORT),
    };
    if host.is_empty() || host.contains(char::is_whitespace) {
        return Err(bad());
    }
    Ok(format!("{host}:{port}"))
}

/// Names that need no quotes in statements.
fn is_keyspace(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    name.len() <= KEYSPACE_LEN_MAX && name.starts_with(|first: char| first.is_ascii_lowercase()) && name.bytes().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_name_nodes_and_a_keyspace() {
        let config: CassandraConfig = "cassandra://10.0.0.1,db:9142,[::1]:9042/pacificsoft?replication=3&bucket-days=1&datacenter=dc1"
            .parse()
            .expect("understood");
        assert_eq!(config.nodes, ["10.0.0.1:9042", "db:9142", "[::1]:9042"]);
        assert_eq!((config.keyspace.as_str(), config.replication), ("pacificsoft", Some(3)));
        assert_eq!(config.bucket, Some(Duration::from_secs(24 * 3600)));
        assert_eq!(config.datacenter.as_deref(), Some("dc1"));
        let plain: CassandraConfig = "cassandra://[::1]/ks".parse().expect("understood");
        assert_eq!(
            (plain.nodes, plain.replication, plain.bucket),
            (vec!["[::1]:9042".to_owned()], None, None)
        );
    }

    #[test]
    fn other_addresses_are_refused() {
        for (text, why) in [
            ("postgres://a/b", AddressError::Scheme),
            ("cassandra:///ks", AddressError::NoNode),
            ("cassandra://a:port/ks", AddressError::Node("a:port".into())),
            ("cassandra://:9042/ks", AddressError::Node(":9042".into())),
            ("cassandra://a", AddressError::Keyspace),
            ("cassandra://a/", AddressError::Keyspace),
            ("cassandra://a/Keys", AddressError::Keyspace),
            ("cassandra://a/1ks", AddressError::Keyspace),
            ("cassandra://a/ks;drop", AddressError::Keyspace),
            ("cassandra://a/ks?replication=0", AddressError::Option("replication=0".into())),
            ("cassandra://a/ks?bucket-days=0", AddressError::Option("bucket-days=0".into())),
            ("cassandra://a/ks?speed=9", AddressError::Option("speed=9".into())),
        ] {
            assert_eq!(text.parse::<CassandraConfig>().expect_err("refused"), why, "{text}");
        }
    }

    #[test]
    fn a_password_is_not_shown() {
        let mut config = CassandraConfig::new(vec!["a:1".into()], "ks");
        config.user = Some(("ann".into(), "secret word".into()));
        let shown = format!("{config:?}");
        assert!(shown.contains("ann") && !shown.contains("secret"), "{shown}");
    }
}
