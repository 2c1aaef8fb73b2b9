//! A bounded first-in-first-out queue between one or more senders and one actor.

use tokio::sync::mpsc;

/// The sending side. Clones are cheap; the queue closes when the receiver is dropped.
#[derive(Debug)]
pub struct Lane<T>(mpsc::Sender<T>);

impl<T> Clone for Lane<T> {
    fn clone(&self) -> Self {
        Lane(self.0.clone())
    }
}

/// The actor behind the lane is gone; here is the item back.
#[derive(Debug, thiserror::Error)]
#[error("the actor behind the lane is gone")]
pub struct LaneClosed<T>(pub T);

/// A lane for at most `capacity` items.
pub fn lane<T>(capacity: usize) -> (Lane<T>, LaneReceiver<T>) {
    let (sender, receiver) = mpsc::channel(capacity.max(1));
    (Lane(sender), LaneReceiver(receiver))
}

impl<T> Lane<T> {
    /// Waits for a place and puts the item into it. This waiting is the back-pressure.
    ///
    /// # Errors
    /// [`LaneClosed`] with the item when the actor is gone.
    pub async fn send(&self, item: T) -> Result<(), LaneClosed<T>> {
        // `try_send` first: the usual case needs no future.
        match self.0.try_send(item) {
            Ok(()) => Ok(()),
            Err(mpsc::error::TrySendError::Closed(item)) => Err(LaneClosed(item)),
            Err(mpsc::error::TrySendError::Full(item)) => self.0.send(item).await.map_err(|refused| LaneClosed(refused.0)),
        }
    }

    /// Puts the item into the queue if there is a place now.
    ///
    /// # Errors
    /// The item, when the queue is full or the actor is gone.
    pub fn try_send(&self, item: T) -> Result<(), T> {
        self.0.try_send(item).map_err(|refused| match refused {
            mpsc::error::TrySendError::Full(item) | mpsc::error::TrySendError::Closed(item) => item,
        })
    }

    /// Whether the actor is gone.
    pub fn is_closed(&self) -> bool {
        self.0.is_closed()
    }

    /// Items waiting.
    pub fn len(&self) -> usize {
        self.0.max_capacity() - self.0.capacity()
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
}
