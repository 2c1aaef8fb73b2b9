//! Opens the stream to a peer, and opens it again whenever it ends, as long as the peer is a member.

use std::sync::Arc;
use std::time::Duration;

use actor::{Backoff, Lane};
use cluster::{Members, PeerId};
use futures::StreamExt;
use tokio::sync::{mpsc, oneshot, watch};
use tonic::Status;

use crate::PeersConfig;
use crate::network::Network;
use crate::session::{Connection, FRAMES_MAX, Order, hello_frame};
use crate::wire::{Hello, frame};

/// Pauses between attempts.
const PAUSE: Duration = Duration::from_millis(50);
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// Never ends of itself.
pub(crate) async fn dial(
    peer: PeerId,
    members: watch::Receiver<Arc<Members>>,
    network: Arc<dyn Network>,
    orders: Lane<Order>,
    config: PeersConfig,
) {
    let mut pauses = Backoff::new(PAUSE, PAUSE_MAX);
    loop {
        let address = members.borrow().peers.get(&peer).map(|record| record.address.clone());
        match connect(&address.unwrap_or_default(), &*network, &orders, &config).await {
            Ok(ended) => {
                pauses.succeeded();
                // Ends with an error when the session has dropped it: that is what is waited for.
                let _ = ended.await;
            }
            Err(status) => tracing::debug!(peer = peer.0, %status, "a peer cannot be reached"),
        }
        tokio::time::sleep(pauses.failed()).await;
    }
}

async fn connect(
    address: &str,
    network: &dyn Network,
    orders: &Lane<Order>,
    config: &PeersConfig,
) -> Result<oneshot::Receiver<()>, Status> {
    let stopped = || Status::cancelled("the session has ended");
    let (greet, greeting) = oneshot::channel();
    orders.send(Order::Greet(greet)).await.map_err(|_| stopped())?;
    let ours = greeting.await.map_err(|_| stopped())?;
    let (out, outgoing) = mpsc::channel(FRAMES_MAX);
    out.try_send(hello_frame(ours)).map_err(|_| stopped())?;
    let late = |_| Status::deadline_exceeded("the peer says nothing");
    let opening = network.open(address, outgoing);
    let mut frames = tokio::time::timeout(config.hello_timeout, opening).await.map_err(late)??;
    let first = tokio::time::timeout(config.hello_timeout, frames.next()).await.map_err(late)?;
    let theirs = hello_of(first)?;
    let (ended, end) = oneshot::channel();
    let connection = Connection {
        theirs,
        frames,
        out,
        greeted: true,
        ended,
    };
    orders.send(Order::Connected(Box::new(connection))).await.map_err(|_| stopped())?;
    Ok(end)
}

/// The first frame must be a hello.
pub(crate) fn hello_of(first: Option<Result<crate::wire::Frame, Status>>) -> Result<Hello, Status> {
    match first {
        Some(Ok(first)) => match first.frame {
            Some(frame::Frame::Hello(hello)) => Ok(hello),
            _ => Err(Status::failed_precondition("the first frame is no hello")),
        },
        Some(Err(status)) => Err(status),
        None => Err(Status::unavailable("the peer hung up")),
    }
}
