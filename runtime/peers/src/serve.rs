//! Takes streams that other peers open.

use std::pin::Pin;

use cluster::PeerId;
use futures::{Stream, StreamExt};
use tokio::sync::{mpsc, oneshot};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

use crate::Peers;
use crate::dial::hello_of;
use crate::network::Frames;
use crate::session::{Connection, FRAMES_MAX, Order};
use crate::wire::Frame;
use crate::wire::peers_server::{Peers as PeersService, PeersServer};

impl Peers {
    /// The service for a gRPC server, which has to see to it that only peers reach it.
    pub fn service(&self) -> PeersServer<Peers> {
        PeersServer::new(self.clone())
    }

    /// Takes a stream that another peer has opened, which has to say hello first. Answers what is to be sent.
    ///
    /// # Errors
    /// When it does not, or is no member that may open one.
    pub async fn accept(&self, mut frames: Frames) -> Result<mpsc::Receiver<Frame>, Status> {
        let first = tokio::time::timeout(self.config().hello_timeout, frames.next())
            .await
            .map_err(|_| Status::deadline_exceeded("nothing was said"))?;
        let theirs = hello_of(first)?;
        let peer = PeerId(theirs.peer);
        if peer >= self.local() {
            return Err(Status::failed_precondition("the peer with the smaller number opens the stream"));
        }
        // It may be one that has joined just now: it tries again.
        let session = self.session(peer).ok_or_else(|| Status::failed_precondition("not a member"))?;
        let (out, outgoing) = mpsc::channel(FRAMES_MAX);
        let connection = Connection {
            theirs,
            frames,
            out,
            greeted: false,
            ended: oneshot::channel().0,
        };
        let taken = session.orders.send(Order::Connected(Box::new(connection))).await;
        taken.map_err(|_| Status::unavailable("the session has ended"))?;
        Ok(outgoing)
    }
}

#[tonic::async_trait]
impl PeersService for Peers {
    type SessionStream = Pin<Box<dyn Stream<Item = Result<Frame, Status>> + Send>>;

    async fn session(&self, request: Request<Streaming<Frame>>) -> Result<Response<Self::SessionStream>, Status> {
        let outgoing = self.accept(request.into_inner().boxed()).await?;
        Ok(Response::new(Box::pin(ReceiverStream::new(outgoing).map(Ok))))
    }
}
