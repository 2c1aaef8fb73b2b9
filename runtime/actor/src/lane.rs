//! A bounded first-in-first-out queue between one or more senders and one actor.

use std::fmt;
use std::sync::Arc;

use futures::future::BoxFuture;
use tokio::sync::mpsc;

use crate::quiet::{self, Refused};

/// The sending side. Clones are cheap; the queue closes when the receiver is dropped.
pub struct Lane<T>(Way<T>);

enum Way<T> {
    Queue(mpsc::Sender<T>),
    Quiet(quiet::Sender<T>),
    Port(Arc<dyn Port<T>>),
}

/// Where the items of a lane go if not to an actor of this process. What holds for a lane holds for its port: bounded,
/// first-in-first-out, and it says when nobody is behind it any more.
pub trait Port<T>: Send + Sync {
    /// Waits for a place and puts the item into it. The item comes back when the other side is gone.
    fn send(&self, item: T) -> BoxFuture<'_, Result<(), T>>;

    /// Puts the item into a place if there is one now; else gives it back.
    fn try_send(&self, item: T) -> Result<(), T>;

    /// Whether the other side is gone.
    fn is_closed(&self) -> bool;

    /// Items waiting, as far as it is known here.
    fn len(&self) -> usize;

    /// Whether none is known to wait.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<T> Clone for Lane<T> {
    fn clone(&self) -> Self {
        Lane(match &self.0 {
            Way::Queue(sender) => Way::Queue(sender.clone()),
            Way::Quiet(sender) => Way::Quiet(sender.clone()),
            Way::Port(port) => Way::Port(Arc::clone(port)),
        })
    }
}

impl<T> fmt::Debug for Lane<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Way::Queue(_) | Way::Quiet(_) => "Lane",
            Way::Port(_) => "Lane to a port",
        })
    }
}

/// The actor behind the lane is gone; here is the item back.
#[derive(Debug, thiserror::Error)]
#[error("the actor behind the lane is gone")]
pub struct LaneClosed<T>(pub T);

/// A lane for at most `capacity` items.
pub fn lane<T>(capacity: usize) -> (Lane<T>, LaneReceiver<T>) {
    let (sender, receiver) = mpsc::channel(capacity.max(1));
    (Lane(Way::Queue(sender)), LaneReceiver(Source::Queue(receiver)))
}

/// The same for few senders, with nothing in it most of the time: it has memory for what was in it at one time, and gives that back when
/// its receiver [rests](LaneReceiver::rest).
pub fn quiet_lane<T>(capacity: usize) -> (Lane<T>, LaneReceiver<T>) {
    let (sender, receiver) = quiet::channel(capacity.max(1));
    (Lane(Way::Quiet(sender)), LaneReceiver(Source::Quiet(receiver)))
}

impl<T> Lane<T> {
    /// A lane that leads out of this process.
    pub fn to_port(port: Arc<dyn Port<T>>) -> Self {
        Lane(Way::Port(port))
    }

    /// Waits for a place and puts the item into it. This waiting is the back-pressure.
    ///
    /// # Errors
    /// [`LaneClosed`] with the item when the actor is gone.
    pub async fn send(&self, item: T) -> Result<(), LaneClosed<T>> {
        // Without waiting first: the usual case needs no future.
        match &self.0 {
            Way::Queue(sender) => match sender.try_send(item) {
                Ok(()) => Ok(()),
                Err(mpsc::error::TrySendError::Closed(item)) => Err(LaneClosed(item)),
                Err(mpsc::error::TrySendError::Full(item)) => sender.send(item).await.map_err(|refused| LaneClosed(refused.0)),
            },
            Way::Quiet(sender) => match sender.try_send(item) {
                Ok(()) => Ok(()),
                Err(Refused::Closed(item)) => Err(LaneClosed(item)),
                Err(Refused::Full(item)) => sender.send(item).await.map_err(LaneClosed),
            },
            Way::Port(port) => port.send(item).await.map_err(LaneClosed),
        }
    }

    /// Puts the item into the queue if there is a place now.
    ///
    /// # Errors
    /// The item, when the queue is full or the actor is gone.
    pub fn try_send(&self, item: T) -> Result<(), T> {
        match &self.0 {
            Way::Port(port) => port.try_send(item),
            Way::Quiet(sender) => sender.try_send(item).map_err(|refused| match refused {
                Refused::Full(item) | Refused::Closed(item) => item,
            }),
            Way::Queue(sender) => sender.try_send(item).map_err(|refused| match refused {
                mpsc::error::TrySendError::Full(item) | mpsc::error::TrySendError::Closed(item) => item,
            }),
        }
    }

    /// Whether the actor is gone.
    pub fn is_closed(&self) -> bool {
        match &self.0 {
            Way::Queue(sender) => sender.is_closed(),
            Way::Quiet(sender) => sender.is_closed(),
            Way::Port(port) => port.is_closed(),
        }
    }

    /// Whether it leads out of this process.
    pub fn is_port(&self) -> bool {
        matches!(self.0, Way::Port(_))
    }

    /// Items waiting.
    pub fn len(&self) -> usize {
        match &self.0 {
            Way::Queue(sender) => sender.max_capacity() - sender.capacity(),
            Way::Quiet(sender) => sender.len(),
            Way::Port(port) => port.len(),
        }
    }

    /// Whether nothing is waiting.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// The actor's side.
pub struct LaneReceiver<T>(Source<T>);

enum Source<T> {
    Queue(mpsc::Receiver<T>),
    Quiet(quiet::Receiver<T>),
}

impl<T> fmt::Debug for LaneReceiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LaneReceiver")
    }
}

impl<T> LaneReceiver<T> {
    /// Waits for items and appends at most `max` of them to `batch`. 0: all senders are gone and nothing is left. Cancelling loses
    /// nothing.
    pub async fn recv_batch(&mut self, batch: &mut Vec<T>, max: usize) -> usize {
        match &mut self.0 {
            Source::Queue(receiver) => receiver.recv_many(batch, max).await,
            Source::Quiet(receiver) => receiver.recv_batch(batch, max).await,
        }
    }

    /// Waits for one item. None: all senders are gone and nothing is left. Cancelling loses nothing.
    pub async fn recv(&mut self) -> Option<T> {
        match &mut self.0 {
            Source::Queue(receiver) => receiver.recv().await,
            Source::Quiet(receiver) => receiver.recv().await,
        }
    }

    /// Takes one item if one is waiting.
    pub fn try_recv(&mut self) -> Option<T> {
        match &mut self.0 {
            Source::Queue(receiver) => receiver.try_recv().ok(),
            Source::Quiet(receiver) => receiver.try_recv(),
        }
    }

    /// Refuses further items; those waiting can still be received.
    pub fn close(&mut self) {
        match &mut self.0 {
            Source::Queue(receiver) => receiver.close(),
            Source::Quiet(receiver) => receiver.close(),
        }
    }

    /// Nothing is expected soon: a [quiet lane](quiet_lane) gives memory back.
    pub fn rest(&mut self) {
        if let Source::Quiet(receiver) = &mut self.0 {
            receiver.rest();
        }
    }

    /// Items waiting.
    pub fn len(&self) -> usize {
        match &self.0 {
            Source::Queue(receiver) => receiver.len(),
            Source::Quiet(receiver) => receiver.len(),
        }
    }

    /// Whether nothing is waiting.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many senders there are.
    pub fn sender_count(&self) -> usize {
        match &self.0 {
            Source::Queue(receiver) => receiver.sender_strong_count(),
            Source::Quiet(receiver) => receiver.sender_count(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn keeps_order_and_gives_refused_items_back() {
        for (sender, mut receiver) in [lane(2), quiet_lane(2)] {
            sender.send(1).await.expect("room");
            sender.send(2).await.expect("room");
            assert_eq!((sender.try_send(3), sender.len(), receiver.len()), (Err(3), 2, 2));
            let mut batch = Vec::new();
            assert_eq!(receiver.recv_batch(&mut batch, 10).await, 2);
            assert_eq!((batch, receiver.is_empty(), receiver.sender_count()), (vec![1, 2], true, 1));
            receiver.rest();
            sender.send(4).await.expect("room");
            drop(receiver);
            assert!(matches!(sender.send(5).await, Err(LaneClosed(5))));
        }
    }

    struct Doubling(Lane<u32>);

    impl Port<u32> for Doubling {
        fn send(&self, item: u32) -> BoxFuture<'_, Result<(), u32>> {
            Box::pin(async move { self.0.send(item * 2).await.map_err(|_| item) })
        }

        fn try_send(&self, item: u32) -> Result<(), u32> {
            self.0.try_send(item * 2).map_err(|_| item)
        }

        fn is_closed(&self) -> bool {
            self.0.is_closed()
        }

        fn len(&self) -> usize {
            self.0.len()
        }
    }

    #[tokio::test]
    async fn a_port_takes_what_a_lane_is_given() {
        let (behind, mut receiver) = lane(2);
        let sender = Lane::to_port(Arc::new(Doubling(behind)));
        sender.send(1).await.expect("room");
        assert_eq!((sender.try_send(2), sender.len()), (Ok(()), 2));
        assert_eq!(sender.try_send(3), Err(3));
        assert_eq!((receiver.try_recv(), receiver.try_recv()), (Some(2), Some(4)));
        drop(receiver);
        assert!(sender.is_closed());
        assert!(matches!(sender.send(4).await, Err(LaneClosed(4))));
    }
}
