//! A connection to the other peer, and waiting for it.

use futures::StreamExt;
use futures::stream::BoxStream;
use tokio::sync::{mpsc, oneshot};
use tonic::Status;

use crate::wire::{Frame, Hello, frame};

/// A connection, after the other side said hello.
pub struct Connection {
    /// What it said.
    pub theirs: Hello,
    /// What comes.
    pub frames: BoxStream<'static, Result<Frame, Status>>,
    /// What is to be sent.
    pub out: mpsc::Sender<Frame>,
    /// Whether this side has said hello already.
    pub greeted: bool,
    /// Ends when the connection is not used any more.
    pub ended: oneshot::Sender<()>,
}

/// A frame that says hello.
pub(crate) fn hello_frame(hello: Hello) -> Frame {
    Frame {
        frame: Some(frame::Frame::Hello(hello)),
    }
}

/// Not 0, which stands for nobody.
pub(super) fn incarnation() -> u64 {
    rand::random::<u64>().max(1)
}

/// What comes next; nothing while there is no connection.
pub(super) async fn next_frame(frames: &mut Option<BoxStream<'static, Result<Frame, Status>>>) -> Option<Result<Frame, Status>> {
    match frames {
        Some(frames) => frames.next().await,
        None => std::future::pending().await,
    }
}

/// Waits until the connection takes a frame. Whether it is still used.
pub(super) async fn has_place(out: &Option<mpsc::Sender<Frame>>) -> bool {
    match out {
        Some(out) => out.reserve().await.is_ok(),
        None => std::future::pending().await,
    }
}
