//! `pacificsoft cluster`: which servers belong, and how they stand. Asks any server of the cluster, with a certificate of the cluster.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand};
use membership::Identity;
use peers::wire::membership_client::MembershipClient;
use peers::wire::{LeaveRequest, StatusReply, StatusRequest, TransferRequest};
use tonic::transport::Channel;
use uuid::Uuid;

use crate::config::{PeerConfig, PeerFiles};
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
    /// Shows the servers: number, address, version, state, share, and who leads
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
        } => {
            let config = PeerConfig {
                listen: ([127, 0, 0, 1], 0).into(),
                address: None,
                join: Some(server),
                weight: peer_weight.max(1),
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
        "cluster {cluster}, list {}{}\n",
        status.epoch,
        if status.settled == status.epoch {
            ""
        } else {
            ", devices are moving"
        }
    )];
    lines.push(format!(
        "{:>6}  {:<24} {:<10} {:<8} {:>6}  {}\n",
        "server", "address", "version", "state", "share", "part"
    ));
    for peer in &status.peers {
        let part = match (peer.peer == status.leader, peer.voter) {
            (true, _) => "leads",
            (_, true) => "votes",
            _ => "listens",
        };
        lines.push(format!(
            "{:>6}  {:<24} {:<10} {:<8} {:>6}  {part}\n",
            peer.peer, peer.address, peer.version, peer.state, peer.weight
        ));
    }
    if status.leader == 0 {
        lines.push("Nobody leads at the moment.\n".to_owned());
    }
    lines.concat()
}

fn as_json(status: &StatusReply) -> Result<String> {
    let peers = status.peers.iter().map(|peer| {
        serde_json::json!({
            "peer": peer.peer, "address": peer.address, "version": peer.version, "state": peer.state,
            "weight": peer.weight, "voter": peer.voter, "since": peer.since_epoch,
        })
    });
    let whole = serde_json::json!({
        "cluster": Uuid::from_slice(&status.cluster).unwrap_or_default(), "peer": status.peer, "leader": status.leader,
        "epoch": status.epoch, "settled": status.settled, "peers": peers.collect::<Vec<_>>(),
    });
    Ok(serde_json::to_string_pretty(&whole)? + "\n")
}
