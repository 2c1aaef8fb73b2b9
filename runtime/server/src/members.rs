//! `pacificsoft cluster`: which servers belong, and how they stand. Asks any server of the cluster, with a certificate of the cluster.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand};
use membership::Identity;
use peers::handshake::{FIRST, Speaks, release};
use peers::wire::membership_client::MembershipClient;
use peers::wire::{LeaveRequest, PeerStatus, StatusReply, StatusRequest, TransferRequest};
use tonic::transport::Channel;
use uuid::Uuid;

use crate::config::{PeerConfig, PeerFiles, speaks};
use crate::peer;

/// How long a server may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// What to do, and the certificates to do it with.
#[derive(Clone, Debug, Args)]
pub struct Options {
    #[command(subcommand)]
    what: What,
    /// A certificate of the cluster (PEM)
    #[arg(long, global = true, env = "PACIFICSOFT_CLUSTER_CERTIFICATE", value_name = "FILE")]
    cluster_certificate: Option<PathBuf>,
    /// Private key of that certificate (PEM)
    #[arg(long, global = true, env = "PACIFICSOFT_CLUSTER_KEY", value_name = "FILE")]
    cluster_key: Option<PathBuf>,
    /// Certificate of the cluster's authority (PEM)
    #[arg(long, global = true, env = "PACIFICSOFT_CLUSTER_AUTHORITY", value_name = "FILE")]
    cluster_authority: Option<PathBuf>,
}

#[derive(Clone, Debug, Subcommand)]
enum What {
    /// Shows what the cluster speaks, and the servers: number, address, version, what it speaks, state, share, and who leads
    Status {
        /// A server, `host:port`
        #[arg(env = "PACIFICSOFT_PEER_ADDRESS")]
        server: String,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Makes the server of a data folder one of a cluster; `pacificsoft serve` on that folder is it then, and needs no --join
    Join {
        /// A server of the cluster, `host:port`
        server: String,
        /// Where the others will reach the new one, `host:port`
        #[arg(long, env = "PACIFICSOFT_PEER_ADDRESS", value_name = "ADDR")]
        peer_address: String,
        /// Its data folder
        #[arg(long, env = "PACIFICSOFT_DATA_DIR", default_value = "pacificsoft-data", value_name = "DIR")]
        data_dir: PathBuf,
        /// Its share
        #[arg(long, env = "PACIFICSOFT_PEER_WEIGHT", default_value_t = cluster::members::WEIGHT, value_name = "NUMBER")]
        peer_weight: u32,
        /// See `pacificsoft serve --help`
        #[arg(long, env = "PACIFICSOFT_CLUSTER_VERSION", value_name = "NUMBER")]
        cluster_version: Option<u32>,
    },
    /// Has a server hand its devices over and leave for good
    Leave {
        /// A server of the cluster, `host:port`
        server: String,
        /// The number of the one that leaves; none: the one that is asked
        peer: Option<u64>,
    },
    /// Has another server lead
    Transfer {
        /// A server of the cluster, `host:port`
        server: String,
        /// The number of the one that is to lead
        peer: u64,
    },
}

/// Does it.
pub fn run(options: Options) -> Result<()> {
    transport::tls::install_provider();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(ask(options))
}

async fn ask(options: Options) -> Result<()> {
    let files = options.files()?;
    match options.what {
        What::Status { server, json } => {
            let status = timely(client(&files, &server)?.status(StatusRequest {}), &server).await?;
            print!("{}", if json { as_json(&status)? } else { as_table(&status) });
        }
        What::Join {
            server,
            peer_address,
            data_dir,
            peer_weight,
            cluster_version,
        } => {
            let config = PeerConfig {
                listen: ([127, 0, 0, 1], 0).into(),
                address: None,
                join: Some(server),
                weight: peer_weight.max(1),
                speaks: speaks(cluster_version)?,
                files,
            };
            let config = peer::membership_config(&config, &data_dir, peer_address)?;
            let log = peer::open_log(&config).await?;
            let identity = Identity::establish(&log, &config).await?;
            println!(
                "Server {} of the cluster {}; start it: pacificsoft serve --data-dir {}",
                identity.peer.0,
                identity.cluster,
                data_dir.display()
            );
        }
        What::Leave { server, peer } => {
            let request = LeaveRequest {
                peer: peer.unwrap_or_default(),
                passed_on: false,
            };
            timely(client(&files, &server)?.leave(request), &server).await?;
            println!("It hands its devices over; it is gone when `pacificsoft cluster status` shows it no more.");
        }
        What::Transfer { server, peer } => {
            let request = TransferRequest { peer, passed_on: false };
            timely(client(&files, &server)?.transfer(request), &server).await?;
            println!("Server {peer} is asked to lead.");
        }
    }
    Ok(())
}

impl Options {
    fn files(&self) -> Result<PeerFiles> {
        let needed = |name: &str, given: &Option<PathBuf>| {
            given
                .clone()
                .with_context(|| format!("give --{name}: servers talk to those only who show a certificate of their cluster"))
        };
        Ok(PeerFiles {
            certificate: needed("cluster-certificate", &self.cluster_certificate)?,
            key: needed("cluster-key", &self.cluster_key)?,
            authority: needed("cluster-authority", &self.cluster_authority)?,
        })
    }
}

fn client(files: &PeerFiles, server: &str) -> Result<MembershipClient<Channel>> {
    let channel = peer::tls(files)?.channel(server, PATIENCE)?;
    Ok(MembershipClient::new(channel))
}

async fn timely<T>(asked: impl Future<Output = Result<tonic::Response<T>, tonic::Status>>, server: &str) -> Result<T> {
    match tokio::time::timeout(PATIENCE, asked).await {
        Ok(Ok(answer)) => Ok(answer.into_inner()),
        Ok(Err(status)) => bail!("{server}: {}", status.message()),
        Err(_) => bail!("{server} does not answer"),
    }
}

fn as_table(status: &StatusReply) -> String {
    let cluster = Uuid::from_slice(&status.cluster).unwrap_or_default();
    let mut lines = vec![format!(
        "cluster {cluster}, speaks {}, list {}{}\n",
        // One of before there was a version is asked.
        if status.cluster_version == 0 {
            FIRST
        } else {
            status.cluster_version
        },
        status.epoch,
        if status.settled == status.epoch {
            ""
        } else {
            ", devices are moving"
        }
    )];
    lines.push(format!(
        "{:>6}  {:<24} {:<10} {:<8} {:<8} {:>6}  {}\n",
        "server", "address", "version", "speaks", "state", "share", "part"
    ));
    for peer in &status.peers {
        let part = match (peer.peer == status.leader, peer.voter) {
            (true, _) => "leads",
            (_, true) => "votes",
            _ => "listens",
        };
        lines.push(format!(
            "{:>6}  {:<24} {:<10} {:<8} {:<8} {:>6}  {part}\n",
            peer.peer,
            peer.address,
            release(&peer.version),
            Speaks::found(&peer.version).map_or("?".to_owned(), |speaks| speaks.to_string()),
            peer.state,
            peer.weight
        ));
    }
    lines.extend(held_back(status));
    if status.leader == 0 {
        lines.push("Nobody leads at the moment.\n".to_owned());
    }
    lines.concat()
}

/// Who keeps the cluster from speaking what others speak, in a line.
fn held_back(status: &StatusReply) -> Option<String> {
    let newest = |peer: &PeerStatus| Speaks::told(&peer.version).max;
    let could = status.peers.iter().map(newest).max()?;
    let older: Vec<String> = status
        .peers
        .iter()
        .filter(|peer| newest(peer) < could)
        .map(|peer| peer.peer.to_string())
        .collect();
    let holds = could > status.cluster_version && !older.is_empty();
    holds.then(|| {
        format!(
            "Version {could} is spoken when these servers are upgraded, not held back any more, or gone for good: {}.\n",
            older.join(", ")
        )
    })
}

fn as_json(status: &StatusReply) -> Result<String> {
    let peers = status.peers.iter().map(|peer| {
        serde_json::json!({
            "peer": peer.peer, "address": peer.address, "version": release(&peer.version), "state": peer.state,
            "speaks": Speaks::found(&peer.version).map(|speaks| [speaks.min, speaks.max]),
            "weight": peer.weight, "voter": peer.voter, "since": peer.since_epoch,
        })
    });
    let whole = serde_json::json!({
        "cluster": Uuid::from_slice(&status.cluster).unwrap_or_default(), "peer": status.peer, "leader": status.leader,
        "version": status.cluster_version, "epoch": status.epoch, "settled": status.settled, "peers": peers.collect::<Vec<_>>(),
    });
    Ok(serde_json::to_string_pretty(&whole)? + "\n")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn status(cluster_version: u32, versions: &[&str]) -> StatusReply {
        let peer = |(peer, version): (u64, &&str)| PeerStatus {
            peer,
            address: format!("10.0.0.{peer}:7400"),
            version: (*version).to_owned(),
            state: "up".to_owned(),
            weight: 100,
            voter: true,
            since_epoch: 1,
        };
        StatusReply {
            peer: 1,
            leader: 1,
            epoch: 3,
            settled: 3,
            cluster: vec![0; 16].into(),
            peers: (1..).zip(versions).map(peer).collect(),
            cluster_version,
        }
    }

    #[test]
    fn it_shows_what_is_spoken_and_who_holds_it_back() {
        let mixed = status(1, &["0.2.0+speaks.1-3", "0.1.0", "0.2.0+speaks.1-2"]);
        let shown = as_table(&mixed);
        let columns: Vec<Vec<&str>> = shown.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(columns[0][2..5], ["speaks", "1,", "list"]);
        assert_eq!(columns[2][2..4], ["0.2.0", "1-3"]);
        assert_eq!(columns[3][2..4], ["0.1.0", "?"]);
        assert!(
            shown.contains("Version 3 is spoken when") && shown.ends_with(": 2, 3.\n"),
            "{shown}"
        );
        let json: serde_json::Value = serde_json::from_str(&as_json(&mixed).unwrap()).unwrap();
        assert_eq!((&json["version"], &json["peers"][0]["version"]), (&1.into(), &"0.2.0".into()));
        assert_eq!(json["peers"][2]["speaks"], serde_json::json!([1, 2]));
        assert!(json["peers"][1]["speaks"].is_null());
        let whole = as_table(&status(3, &["0.2.0+speaks.1-3", "0.2.0+speaks.1-3"]));
        assert!(!whole.contains("is spoken when"), "{whole}");
        assert!(as_table(&status(0, &["0.1.0"])).contains("speaks 1,"));
    }
}
