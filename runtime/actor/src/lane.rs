//! A bounded first-in-first-out queue between one or more senders and one actor.

use std::fmt;
use std::sync::Arc;

use futures::future::BoxFuture;
use tokio::sync::mpsc;

/// The sending side. Clones are cheap; the queue closes when the receiver is dropped.
pub struct Lane<T>(Way<T>);

enum Way<T> {
    Queue(mpsc::Sender<T>),
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
            Way::Port(port) => Way::Port(Arc::clone(port)),
        })
    }
}

impl<T> fmt::Debug for Lane<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Way::Queue(_) => "Lane",
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
    (Lane(Way::Queue(sender)), LaneReceiver(receiver))
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
        let sender = match &self.0 {
            Way::Queue(sender) => sender,
            Way::Port(port) => return port.send(item).await.map_err(LaneClosed),
        };
        // `try_send` first: the usual case needs no future.
        match sender.try_send(item) {
            Ok(()) => Ok(()),
            Err(mpsc::error::TrySendError::Closed(item)) => Err(LaneClosed(item)),
            Err(mpsc::error::TrySendError::Full(item)) => sender.send(item).await.map_err(|refused| LaneClosed(refused.0)),
        }
    }

    /// Puts the item into the queue if there is a place now.
    ///
    /// # Errors
    /// The item, when the queue is full or the actor is gone.
    pub fn try_send(&self, item: T) -> Result<(), T> {
        match &self.0 {
            Way::Port(port) => port.try_send(item),
            Way::Queue(sender) => sender.try_send(item).map_err(|refused| match refused {
                mpsc::error::TrySendError::Full(item) | mpsc::error::TrySendError::Closed(item) => item,
            }),
        }
    }

    /// Whether the actor is gone.
    pub fn is_closed(&self) -> bool {
        match &self.0 {
            Way::Queue(sender) => sender.is_closed(),
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
            Way::Port(port) => port.len(),
        }
    }

    /// Whether nothing is waiting.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// The actor's side.
#[derive(Debug)]
pub struct LaneReceiver<T>(mpsc::Receiver<T>);

impl<T> LaneReceiver<T> {
    /// Waits for items and appends at most `max` of them to `batch`. 0: all senders are gone and nothing is left. Cancelling loses
    /// nothing.
    pub async fn recv_batch(&mut self, batch: &mut Vec<T>, max: usize) -> usize {
        self.0.recv_many(batch, max).await
    }

    /// Waits for one item. None: all senders are gone and nothing is left. Cancelling loses nothing.
    pub async fn recv(&mut self) -> Option<T> {
        self.0.recv().await
    }

    /// Takes one item if one is waiting.
    pub fn try_recv(&mut self) -> Option<T> {
        self.0.try_recv().ok()
    }

    /// Refuses further items; those waiting can still be received.
    pub fn close(&mut self) {
        self.0.close();
    }

    /// Items waiting.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nothing is waiting.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many senders there are.
    pub fn sender_count(&self) -> usize {
        self.0.sender_strong_count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn keeps_order_and_gives_refused_items_back() {
        let (sender, mut receiver) = lane(2);
        sender.send(1).await.expect("room");
        sender.send(2).await.expect("room");
        assert_eq!(sender.try_send(3), Err(3));
        let mut batch = Vec::new();
        assert_eq!(receiver.recv_batch(&mut batch, 10).await, 2);
        assert_eq!(batch, [1, 2]);
        drop(receiver);
        assert!(matches!(sender.send(4).await, Err(LaneClosed(4))));
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
