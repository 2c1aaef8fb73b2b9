//! What is left of a body that nobody read to its end, such as one that is too large: it is taken for a little while, and thrown away.
//!
//! A client that is still sending would otherwise find its connection reset, and with it lose the answer that says why. There is a limit:
//! whoever goes on beyond it is cut off. Knows no route.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use tokio::sync::oneshot;

/// Bytes that are thrown away at most.
const BYTES_MAX: u64 = 8 << 20;
/// For how long.
const TIME_MAX: Duration = Duration::from_secs(3);
/// What is not larger is in the socket's buffer anyway.
const SMALL_BYTES: u64 = 16 << 10;

/// A body whose remainder comes back when it is dropped.
pub(super) struct Lent<B> {
    body: Option<B>,
    /// The client sends nothing before somebody reads.
    waits: bool,
    back: Option<oneshot::Sender<B>>,
}

/// Where the remainder comes back.
pub(super) struct Remainder<B>(Option<oneshot::Receiver<B>>);

/// Lends a body. `waits`: the client asked whether it may send (RFC 9110, 10.1.1); whoever is told no sends nothing.
pub(super) fn lend<B: Body>(body: B, waits: bool) -> (Lent<B>, Remainder<B>) {
    let small = body.size_hint().upper().is_some_and(|bytes| bytes <= SMALL_BYTES);
    let (back, receiver) = if small {
        (None, None)
    } else {
        let (back, receiver) = oneshot::channel();
        (Some(back), Some(receiver))
    };
    let lent = Lent {
        body: Some(body),
        waits,
        back,
    };
    (lent, Remainder(receiver))
}

impl<B> Drop for Lent<B> {
    fn drop(&mut self) {
        if let (Some(body), Some(back)) = (self.body.take(), self.back.take())
            && !self.waits
        {
            // Whoever lent it may be gone.
            let _ = back.send(body);
        }
    }
}

impl<B: Body<Data = Bytes> + Unpin> Body for Lent<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        self.waits = false;
        match &mut self.body {
            Some(body) => Pin::new(body).poll_frame(context),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(SizeHint::default, Body::size_hint)
    }
}

impl<B: Body<Data = Bytes> + Unpin> Remainder<B> {
    /// What was not read; none: it was read, or is being read still.
    pub(super) fn taken_back(self) -> Option<B> {
        let body = self.0?.try_recv().ok()?;
        (!body.is_end_stream()).then_some(body)
    }
}

/// Takes a remainder and throws it away, within limits.
pub(super) async fn discard<B: Body<Data = Bytes> + Unpin>(mut body: B) {
    let taken = tokio::time::timeout(TIME_MAX, async {
        let mut bytes = 0;
        while let Some(Ok(frame)) = std::future::poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
            bytes += frame.data_ref().map_or(0, |data| data.len() as u64);
            if bytes > BYTES_MAX {
                return false;
            }
        }
        true
    });
    if taken.await != Ok(true) {
        metrics::counter!("http_bodies_cut_off_total").increment(1);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::convert::Infallible;

    use super::*;

    /// So many pieces of 64 KiB; none: it never ends, and nothing comes.
    struct Pieces(Option<u32>);

    impl Body for Pieces {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            match &mut self.0 {
                None => Poll::Pending,
                Some(0) => Poll::Ready(None),
                Some(left) => {
                    *left -= 1;
                    Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(&[0; 64 << 10])))))
                }
            }
        }

        fn is_end_stream(&self) -> bool {
            self.0 == Some(0)
        }
    }

    async fn next(lent: &mut Lent<Pieces>) {
        std::future::poll_fn(|context| Pin::new(&mut *lent).poll_frame(context)).await;
    }

    #[tokio::test]
    async fn what_is_left_comes_back_when_its_reader_is_gone() {
        let (mut lent, remainder) = lend(Pieces(Some(3)), true);
        next(&mut lent).await;
        drop(lent);
        assert_eq!(remainder.taken_back().unwrap().0, Some(2));

        let (mut lent, remainder) = lend(Pieces(Some(1)), false);
        next(&mut lent).await;
        drop(lent);
        assert!(remainder.taken_back().is_none(), "it was read");

        let (lent, remainder) = lend(Pieces(Some(3)), true);
        drop(lent);
        assert!(remainder.taken_back().is_none(), "the client was told before it sent");

        let (_reading, remainder) = lend(Pieces(Some(1)), false);
        assert!(remainder.taken_back().is_none(), "it is being read");
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_is_thrown_away_than_the_limits_say() {
        let begin = tokio::time::Instant::now();
        discard(Pieces(Some(u32::MAX))).await;
        discard(Pieces(Some(3))).await;
        assert_eq!(begin.elapsed(), Duration::ZERO);
        discard(Pieces(None)).await;
        assert_eq!(begin.elapsed(), TIME_MAX);
    }
}
