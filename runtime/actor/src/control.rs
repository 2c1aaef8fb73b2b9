//! The control side of an actor: an xtra address that keeps the order in which one sender speaks.

use std::fmt;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use futures::FutureExt as _;
use futures::future::BoxFuture;
use xtra::{Actor, Address, Handler, Mailbox};

/// An actor's control messages wait here; more senders than this wait in turn.
pub const CONTROL_CAPACITY: usize = 64;

/// Asks an actor to stop after what it has at hand. Handled by every actor.
#[derive(Clone, Copy, Debug)]
pub struct Stop;

/// Asks an actor for its observable state: a small serialisable snapshot. Handled by every actor.
#[derive(Clone, Copy, Debug)]
pub struct Observe;

/// What was asked of an actor: it is handled by calling this with the actor. Break: the actor is to stop.
pub type Asked<A> = Box<dyn for<'a> FnOnce(&'a mut A) -> BoxFuture<'a, ControlFlow<()>> + Send>;

/// A mailbox for an actor that waits for other things as well. A mailbox remembers everybody who ever began to wait at it until the next
/// message comes: who gives up and begins anew at each turn fills the memory. This waits once for each message.
pub struct Inbox<A> {
    mailbox: Mailbox<A>,
    next: BoxFuture<'static, Asked<A>>,
}

/// A strong address that numbers its messages, because the mailbox itself does not keep their order.
pub struct Control<A> {
    address: Address<A>,
    sequence: Arc<AtomicU32>,
}

impl<A> Clone for Control<A> {
    fn clone(&self) -> Self {
        Control {
            address: self.address.clone(),
            sequence: Arc::clone(&self.sequence),
        }
    }
}

impl<A> fmt::Debug for Control<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Control")
    }
}

/// The actor is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the actor is gone")]
pub struct Gone;

impl<A: Actor> Control<A> {
    /// A mailbox and the way to reach it.
    pub fn mailbox() -> (Self, Mailbox<A>) {
        let (address, mailbox) = Mailbox::bounded(CONTROL_CAPACITY);
        (
            Control {
                address,
                sequence: Arc::new(AtomicU32::new(0)),
            },
            mailbox,
        )
    }

    /// An inbox and the way to reach it.
    pub fn inbox() -> (Self, Inbox<A>) {
        let (control, mailbox) = Control::mailbox();
        let next = waiting(&mailbox);
        (control, Inbox { mailbox, next })
    }

    /// Sends and waits until the actor has handled it. Never called from an actor that the receiver may be asking in turn.
    ///
    /// # Errors
    /// [`Gone`] when the actor stopped before.
    pub async fn ask<M>(&self, message: M) -> Result<A::Return, Gone>
    where
        M: Send + 'static,
        A: Handler<M>,
    {
        self.address.send(message).priority(self.next_priority()).await.map_err(|_| Gone)
    }

    /// Sends without waiting for an answer; waits only while the mailbox is full.
    ///
    /// # Errors
    /// [`Gone`] when the actor has stopped.
    pub async fn tell<M>(&self, message: M) -> Result<(), Gone>
    where
        M: Send + 'static,
        A: Handler<M, Return = ()>,
    {
        self.address
            .send(message)
            .priority(self.next_priority())
            .detach()
            .await
            .map(drop)
            .map_err(|_| Gone)
    }

    /// Whether the actor still lives.
    pub fn is_alive(&self) -> bool {
        self.address.is_connected()
    }

    /// Earlier messages get higher priorities; a mailbox outlives 4 294 967 295 control messages only in theory, and then wraps.
    fn next_priority(&self) -> u32 {
        u32::MAX - 1 - self.sequence.fetch_add(1, Ordering::Relaxed)
    }
}

impl<A: Actor> Inbox<A> {
    /// Waits for what is asked next. Cancelling loses nothing. Without a [`Control`] it is always ready, to stop.
    pub async fn next(&mut self) -> Asked<A> {
        let asked = (&mut self.next).await;
        self.next = waiting(&self.mailbox);
        asked
    }
}

fn waiting<A: Actor>(mailbox: &Mailbox<A>) -> BoxFuture<'static, Asked<A>> {
    let next = mailbox.next();
    next.map(|message| asked(move |actor| message.dispatch_to(actor).boxed())).boxed()
}

fn asked<A, F>(handle: F) -> Asked<A>
where
    F: for<'a> FnOnce(&'a mut A) -> BoxFuture<'a, ControlFlow<()>> + Send + 'static,
{
    Box::new(handle)
}

#[cfg(test)]
mod tests {
    use super::*;
    use xtra::Context;

    struct Recorder(Vec<u32>);

    impl Actor for Recorder {
        type Stop = Vec<u32>;
        async fn stopped(self) -> Vec<u32> {
            self.0
        }
    }

    impl Handler<u32> for Recorder {
        type Return = ();
        async fn handle(&mut self, number: u32, _: &mut Context<Self>) {
            self.0.push(number);
        }
    }

    impl Handler<Stop> for Recorder {
        type Return = ();
        async fn handle(&mut self, _: Stop, context: &mut Context<Self>) {
            context.stop_self();
        }
    }

    #[tokio::test]
    async fn control_messages_of_one_sender_stay_in_order() {
        let (control, mailbox) = Control::<Recorder>::mailbox();
        let actor = crate::spawn("recorder", xtra::run(mailbox, Recorder(Vec::new())));
        for number in 0..2000 {
            control.tell(number).await.expect("alive");
        }
        control.ask(Stop).await.expect("alive");
        assert_eq!(actor.await.expect("no panic"), (0..2000).collect::<Vec<_>>());
        assert!(control.ask(1).await.is_err());
    }

    #[tokio::test]
    async fn an_inbox_may_be_left_and_come_back_to() {
        let (control, mut inbox) = Control::<Recorder>::inbox();
        let mut recorder = Recorder(Vec::new());
        for number in 0..100 {
            for _ in 0..3 {
                assert!(futures::poll!(std::pin::pin!(inbox.next())).is_pending());
            }
            control.tell(number).await.expect("alive");
            control.tell(number).await.expect("alive");
            for _ in 0..2 {
                assert!(inbox.next().await(&mut recorder).await.is_continue());
            }
        }
        assert_eq!(recorder.0.len(), 200);
        drop(control);
        assert!(inbox.next().await(&mut recorder).await.is_break());
    }
}
