//! What makes a server one of several.

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use cluster::members::WEIGHT;
use peers::handshake::Speaks;

use super::{Storage, resolve};
use crate::cli::ServeOptions;

/// A server that is one of several.
#[derive(Clone, Debug, PartialEq)]
pub struct PeerConfig {
    /// Where it listens to the others.
    pub listen: SocketAddr,
    /// Where they reach it, `host:port`; none: where it listens.
    pub address: Option<String>,
    /// Whom to join at the first start; none: a cluster is founded.
    pub join: Option<String>,
    /// Its share of the devices.
    pub weight: u32,
    /// What it says it speaks.
    pub speaks: Speaks,
    /// What it shows them, and what they must show.
    pub files: PeerFiles,
}

/// The certificates of a cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerFiles {
    /// This server's certificate.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
    /// The cluster's own authority.
    pub authority: PathBuf,
}

/// None: no option makes it one of several.
pub(super) fn peer(options: &ServeOptions, file: &ServeOptions, storage: &Storage) -> Result<Option<PeerConfig>> {
    let text = |option: &Option<String>, file: &Option<String>| option.clone().or_else(|| file.clone());
    let path = |option: &Option<PathBuf>, file: &Option<PathBuf>| option.clone().or_else(|| file.clone());
    let join = text(&options.join, &file.join);
    let version = options.cluster_version.or(file.cluster_version);
    let Some(listen) = text(&options.peer, &file.peer) else {
        if join.is_some() {
            bail!("join is for a server of a cluster: give peer, too, such as 0.0.0.0:7400");
        }
        if version.is_some() {
            bail!("cluster-version is for a server of a cluster: give peer, too, such as 0.0.0.0:7400");
        }
        return Ok(None);
    };
    if *storage == Storage::Embedded {
        bail!("servers of a cluster share a store: give storage, such as cassandra://10.0.0.1:9042/pacificsoft");
    }
    let needed =
        |name: &str, given: Option<PathBuf>| given.with_context(|| format!("peer needs {name}: servers prove to each other who they are"));
    let files = PeerFiles {
        certificate: needed("cluster-certificate", path(&options.cluster_certificate, &file.cluster_certificate))?,
        key: needed("cluster-key", path(&options.cluster_key, &file.cluster_key))?,
        authority: needed("cluster-authority", path(&options.cluster_authority, &file.cluster_authority))?,
    };
    let listen = resolve("peer", &listen)?;
    let address = text(&options.peer_address, &file.peer_address);
    if address.is_none() && listen.ip().is_unspecified() {
        bail!(
            "the others cannot reach {listen}: give peer-address, such as 10.0.0.1:{}",
            listen.port()
        );
    }
    Ok(Some(PeerConfig {
        listen,
        address,
        join,
        weight: options.peer_weight.or(file.peer_weight).unwrap_or(WEIGHT).max(1),
        speaks: speaks(version)?,
        files,
    }))
}

/// What a server says it speaks, held at a version or not.
pub fn speaks(held_at: Option<u32>) -> Result<Speaks> {
    let speaks = held_at.map_or(Some(Speaks::ALL), Speaks::held_at);
    speaks.with_context(|| {
        let Speaks { min, max } = Speaks::ALL;
        format!("cluster-version: this program speaks versions {min} to {max}")
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn parsed(text: &str) -> Result<Option<PeerConfig>> {
        let file: ServeOptions = toml::from_str(text).unwrap();
        let storage = match &file.storage {
            Some(url) => Storage::Cassandra {
                url: url.clone(),
                user: None,
            },
            None => Storage::Embedded,
        };
        peer(&ServeOptions::default(), &file, &storage)
    }

    #[test]
    fn a_peer_needs_a_shared_store_certificates_and_an_address() {
        let files = "cluster-certificate = \"c\"\ncluster-key = \"k\"\ncluster-authority = \"a\"\n";
        let store = "storage = \"cassandra://10.0.0.1/pacificsoft\"\n";
        assert_eq!(parsed("").unwrap(), None);
        let whole = parsed(&format!("peer = \"127.0.0.1:7400\"\njoin = \"10.0.0.2:7400\"\n{files}{store}"));
        let whole = whole.unwrap().unwrap();
        assert_eq!(
            (whole.listen.port(), whole.join.as_deref(), whole.weight),
            (7400, Some("10.0.0.2:7400"), WEIGHT)
        );
        assert_eq!(whole.speaks, Speaks::ALL);
        let held = parsed(&format!("peer = \"127.0.0.1:7400\"\ncluster-version = 1\n{files}{store}"));
        assert_eq!(held.unwrap().unwrap().speaks, Speaks { min: 1, max: 1 });
        for (text, said) in [
            ("join = \"10.0.0.2:7400\"".to_owned(), "peer"),
            (format!("peer = \"127.0.0.1:7400\"\n{files}"), "storage"),
            (format!("peer = \"127.0.0.1:7400\"\n{store}"), "cluster-certificate"),
            (format!("peer = \"0.0.0.0:7400\"\n{files}{store}"), "peer-address"),
            ("cluster-version = 1".to_owned(), "peer"),
            (
                format!("peer = \"127.0.0.1:7400\"\ncluster-version = 99\n{files}{store}"),
                "speaks versions 1 to",
            ),
            (
                format!("peer = \"127.0.0.1:7400\"\ncluster-version = 0\n{files}{store}"),
                "speaks versions 1 to",
            ),
        ] {
            let refused = parsed(&text).unwrap_err().to_string();
            assert!(refused.contains(said), "{refused}");
        }
        let told = format!("peer = \"0.0.0.0:7400\"\npeer-address = \"a.example:7400\"\npeer-weight = 0\n{files}{store}");
        let told = parsed(&told).unwrap().unwrap();
        assert_eq!((told.address.as_deref(), told.weight), (Some("a.example:7400"), 1));
    }
}
