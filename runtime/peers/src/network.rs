//! How streams to other peers are opened: over gRPC, or in the world of a simulation.

use std::time::Duration;

use async_trait::async_trait;
use futures::StreamExt;
use futures::stream::BoxStream;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Status};

use crate::ClusterTls;
use crate::wire::Frame;
use crate::wire::peers_client::PeersClient;

/// What comes over a stream. It ends, or fails, when the connection does.
pub type Frames = BoxStream<'static, Result<Frame, Status>>;

/// The way to other peers.
#[async_trait]
pub trait Network: Send + Sync + 'static {
    /// Opens a stream to whoever is at an address. What comes out of `outgoing` is sent; the stream is given up when the answer is dropped
    /// or `outgoing` ends.
    ///
    /// # Errors
    /// When nobody is there, or does not take the stream.
    async fn open(&self, address: &str, outgoing: mpsc::Receiver<Frame>) -> Result<Frames, Status>;
}

/// gRPC over mutual TLS.
pub(crate) struct Grpc {
    pub(crate) tls: ClusterTls,
    /// How often a connection without traffic is tried.
    pub(crate) keep_alive: Duration,
}

#[async_trait]
impl Network for Grpc {
    async fn open(&self, address: &str, outgoing: mpsc::Receiver<Frame>) -> Result<Frames, Status> {
        let channel = self
            .tls
            .channel(address, self.keep_alive)
            .map_err(|error| Status::unavailable(error.to_string()))?;
        let mut client = PeersClient::new(channel);
        let answer = client.session(Request::new(ReceiverStream::new(outgoing))).await?;
        Ok(answer.into_inner().boxed())
    }
}
