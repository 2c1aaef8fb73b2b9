//! A bounded first-in-first-out queue in which there is nothing most of the time: it has memory for what was in it at one time, and
//! gives that back when told to. Tokio's has memory for 32 items from the beginning, which is too much where every device has some.
//!
//! Places are permits of a semaphore, which are given in the order in which they were asked for; items lie behind a lock that is held
//! for a moment, never while waiting.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};

use parking_lot::Mutex;
use tokio::sync::{Semaphore, TryAcquireError};
use tokio::task::coop::cooperative;

struct Shared<T> {
    places: Semaphore,
    senders: AtomicUsize,
    state: Mutex<State<T>>,
}

struct State<T> {
    items: VecDeque<T>,
    /// Of the receiver, while it waits.
    waiting: Option<Waker>,
    open: bool,
}

/// Why an item was not taken, with the item.
pub(crate) enum Refused<T> {
    Full(T),
    Closed(T),
}

pub(crate) struct Sender<T>(Arc<Shared<T>>);

pub(crate) struct Receiver<T>(Arc<Shared<T>>);

pub(crate) fn channel<T>(capacity: usize) -> (Sender<T>, Receiver<T>) {
    let shared = Arc::new(Shared {
        places: Semaphore::new(capacity),
        senders: AtomicUsize::new(1),
        state: Mutex::new(State {
            items: VecDeque::new(),
            waiting: None,
            open: true,
        }),
    });
    (Sender(Arc::clone(&shared)), Receiver(shared))
}

impl<T> Sender<T> {
    pub(crate) fn try_send(&self, item: T) -> Result<(), Refused<T>> {
        match self.0.places.try_acquire() {
            Ok(place) => {
                place.forget();
                self.put(item).map_err(Refused::Closed)
            }
            Err(TryAcquireError::NoPermits) => Err(Refused::Full(item)),
            Err(TryAcquireError::Closed) => Err(Refused::Closed(item)),
        }
    }

    /// Waits for a place. The item comes back when the receiver is gone.
    pub(crate) async fn send(&self, item: T) -> Result<(), T> {
        match self.0.places.acquire().await {
            Ok(place) => {
                place.forget();
                self.put(item)
            }
            Err(_) => Err(item),
        }
    }

    fn put(&self, item: T) -> Result<(), T> {
        let mut state = self.0.state.lock();
        if !state.open {
            return Err(item);
        }
        let length = state.items.len();
        if length == state.items.capacity() {
            state.items.reserve_exact(length.max(1));
        }
        state.items.push_back(item);
        let waiting = state.waiting.take();
        drop(state);
        if let Some(waiting) = waiting {
            waiting.wake();
        }
        Ok(())
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.0.places.is_closed()
    }

    pub(crate) fn len(&self) -> usize {
        self.0.state.lock().items.len()
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        self.0.senders.fetch_add(1, Ordering::Relaxed);
        Sender(Arc::clone(&self.0))
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        if self.0.senders.fetch_sub(1, Ordering::AcqRel) == 1 {
            // The receiver looks at the count under the lock before it waits: it sees the last one gone, or is woken.
            let waiting = self.0.state.lock().waiting.take();
            if let Some(waiting) = waiting {
                waiting.wake();
            }
        }
    }
}

impl<T> Receiver<T> {
    /// As [`crate::LaneReceiver::recv_batch`].
    pub(crate) async fn recv_batch(&mut self, batch: &mut Vec<T>, max: usize) -> usize {
        let receive = poll_fn(|context| {
            self.poll(context, |items| {
                let taken = items.len().min(max);
                // Exactly, when it is the first time: most batches are of one.
                if batch.capacity() == 0 {
                    batch.reserve_exact(taken);
                }
                batch.extend(items.drain(..taken));
                (taken, taken)
            })
        });
        cooperative(receive).await.unwrap_or(0)
    }

    /// As [`crate::LaneReceiver::recv`].
    pub(crate) async fn recv(&mut self) -> Option<T> {
        let receive = poll_fn(|context| self.poll(context, |items| (items.pop_front(), 1)));
        cooperative(receive).await.flatten()
    }

    pub(crate) fn try_recv(&mut self) -> Option<T> {
        let item = self.0.state.lock().items.pop_front()?;
        self.0.places.add_permits(1);
        Some(item)
    }

    /// Takes from what is there. None: nothing will be any more.
    fn poll<R>(&self, context: &mut Context<'_>, take: impl FnOnce(&mut VecDeque<T>) -> (R, usize)) -> Poll<Option<R>> {
        let mut state = self.0.state.lock();
        if !state.items.is_empty() {
            let (taken, places) = take(&mut state.items);
            drop(state);
            self.0.places.add_permits(places);
            return Poll::Ready(Some(taken));
        }
        if !state.open || self.0.senders.load(Ordering::Acquire) == 0 {
            return Poll::Ready(None);
        }
        if !state.waiting.as_ref().is_some_and(|waiting| waiting.will_wake(context.waker())) {
            state.waiting = Some(context.waker().clone());
        }
        Poll::Pending
    }

    pub(crate) fn close(&mut self) {
        self.0.state.lock().open = false;
        self.0.places.close();
    }

    pub(crate) fn len(&self) -> usize {
        self.0.state.lock().items.len()
    }

    pub(crate) fn sender_count(&self) -> usize {
        self.0.senders.load(Ordering::Acquire)
    }

    /// Gives back memory, if nothing is waiting.
    pub(crate) fn rest(&mut self) {
        let mut state = self.0.state.lock();
        if state.items.is_empty() {
            state.items = VecDeque::new();
        }
    }

    #[cfg(test)]
    pub(crate) fn room(&self) -> usize {
        self.0.state.lock().items.capacity()
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        self.close();
        // Dropped without the lock: what goes with an item may look at this queue.
        let left = std::mem::take(&mut self.0.state.lock().items);
        drop(left);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use futures::poll;

    #[tokio::test]
    async fn memory_is_taken_as_there_is_need_and_given_back() {
        let (sender, mut receiver) = channel(256);
        assert_eq!(receiver.room(), 0);
        let mut batch = Vec::new();
        for number in 0..1_000 {
            assert!(sender.try_send(number).is_ok());
            assert_eq!(receiver.recv_batch(&mut batch, 64).await, 1);
            assert_eq!(batch, [number]);
            batch.clear();
        }
        assert_eq!((receiver.room(), batch.capacity()), (1, 1));
        for number in 0..256 {
            assert!(sender.try_send(number).is_ok());
        }
        assert!(matches!(sender.try_send(256), Err(Refused::Full(256))));
        receiver.rest();
        assert_eq!((receiver.room(), receiver.len()), (256, 256), "something is waiting");
        while receiver.try_recv().is_some() {}
        receiver.rest();
        assert_eq!(receiver.room(), 0);
    }

    #[tokio::test]
    async fn who_waits_for_a_place_gets_one_in_turn() {
        let (sender, mut receiver) = channel(1);
        sender.send(0).await.unwrap();
        let (mut first, mut second) = (std::pin::pin!(sender.send(1)), std::pin::pin!(sender.send(2)));
        assert!(poll!(&mut first).is_pending() && poll!(&mut second).is_pending());
        assert_eq!(receiver.recv().await, Some(0));
        assert!(matches!(sender.try_send(3), Err(Refused::Full(3))), "the place is the first one's");
        assert!(poll!(&mut second).is_pending());
        first.await.unwrap();
        assert_eq!(receiver.recv().await, Some(1));
        second.await.unwrap();
        assert_eq!(receiver.recv().await, Some(2));
    }

    #[tokio::test]
    async fn a_queue_that_closes_hands_out_what_is_in_it_and_gives_back_the_rest() {
        let (sender, mut receiver) = channel(1);
        sender.send(1).await.unwrap();
        let mut waiting = std::pin::pin!(sender.send(2));
        assert!(poll!(&mut waiting).is_pending());
        receiver.close();
        assert_eq!(waiting.await, Err(2));
        assert!(sender.is_closed() && matches!(sender.try_send(3), Err(Refused::Closed(3))));
        assert_eq!((receiver.recv().await, receiver.recv().await), (Some(1), None));
        // Without senders it ends, too.
        let (sender, mut receiver) = channel(2);
        let other = sender.clone();
        sender.send(1).await.unwrap();
        drop(sender);
        assert_eq!((receiver.sender_count(), receiver.recv().await), (1, Some(1)));
        let mut batch = Vec::new();
        let mut last = std::pin::pin!(receiver.recv_batch(&mut batch, 8));
        assert!(poll!(&mut last).is_pending());
        drop(other);
        assert_eq!(last.await, 0);
    }

    /// Its end looks at the queue it was in.
    struct Looking(Option<Sender<Looking>>);

    impl Drop for Looking {
        fn drop(&mut self) {
            if let Some(sender) = &self.0 {
                assert!(sender.try_send(Looking(None)).is_err());
            }
        }
    }

    #[tokio::test]
    async fn what_is_left_is_dropped_without_the_lock() {
        let (sender, receiver) = channel(4);
        assert!(sender.try_send(Looking(Some(sender.clone()))).is_ok());
        drop(receiver);
        assert_eq!(sender.len(), 0);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn nothing_is_lost_or_overtaken_among_threads() {
        const EACH: u32 = 20_000;
        let (sender, mut receiver) = channel(7);
        for who in 0..4_u32 {
            let sender = sender.clone();
            crate::spawn("test", async move {
                for number in 0..EACH {
                    let refused = match sender.try_send((who, number)) {
                        Ok(()) => continue,
                        Err(Refused::Full(item) | Refused::Closed(item)) => item,
                    };
                    sender.send(refused).await.unwrap();
                }
            });
        }
        drop(sender);
        let (mut next, mut batch) = ([0; 4], Vec::new());
        while receiver.recv_batch(&mut batch, 5).await > 0 {
            for (who, number) in batch.drain(..) {
                let expected = &mut next[usize::try_from(who).unwrap()];
                assert_eq!(number, *expected);
                *expected += 1;
            }
        }
        assert_eq!(next, [EACH; 4]);
    }
}
