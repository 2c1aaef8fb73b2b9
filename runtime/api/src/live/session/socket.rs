//! A client's connection: sending that gives up when the client does not fetch, and closing in words.

use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, WebSocket};
use feed::Outbox;
use futures::stream::{SplitSink, SplitStream};
use futures::{SinkExt, StreamExt};
use tokio::time::timeout;

use crate::live::{Crowded, refused};

/// How long a client may take to hear that it is closed.
const CLOSING_TIMEOUT: Duration = Duration::from_secs(5);
/// How long it may then take to close its side.
const CLOSED_TIMEOUT: Duration = Duration::from_secs(1);

/// See the module.
pub(super) struct Socket {
    sink: SplitSink<WebSocket, Message>,
    stream: SplitStream<WebSocket>,
    outbox: Outbox,
    send_timeout: Duration,
}

/// Why a session ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// The client went.
    Left,
    /// The server closes it: code, words, and what it is counted as.
    Closed(u16, &'static str, &'static str),
}

impl Ending {
    pub(super) const STOPPING: Ending = Ending::Closed(1001, "The server stops", "stopping");
    pub(super) const WRONG: Ending = Ending::Closed(1007, "Authentication failed", "authentication");
    pub(super) const NOBODY: Ending = Ending::Closed(1008, "The first message must be authCmd, and come in time", "nobody");
    pub(super) const TOKEN: Ending = Ending::Closed(1008, "The token has ended", "token");
    pub(super) const SLOW: Ending = Ending::Closed(1008, "Updates are not fetched fast enough", "slow");
    pub(super) const SILENT: Ending = Ending::Closed(1008, "Pings are not answered", "silent");
    pub(super) const TOO_LARGE: Ending = Ending::Closed(1009, "The message is too large", "size");
    pub(super) const UNAVAILABLE: Ending = Ending::Closed(1013, "Try again later", "unavailable");

    /// There is no room. Counted where it was found out.
    pub(super) fn crowded(crowded: Crowded) -> Self {
        let words = match crowded {
            Crowded::User => "Too many sessions of this user",
            Crowded::Tenant => "Too many sessions of this tenant",
            Crowded::All => "Too many sessions",
        };
        Ending::Closed(1008, words, "crowded")
    }
}

impl Socket {
    pub(super) fn new(socket: WebSocket, outbox: Outbox, send_timeout: Duration) -> Self {
        let (sink, stream) = socket.split();
        Socket {
            sink,
            stream,
            outbox,
            send_timeout,
        }
    }

    /// What the client says next. Cancelling loses nothing.
    pub(super) async fn next(&mut self) -> Result<Message, Ending> {
        match self.stream.next().await {
            Some(Ok(Message::Close(_))) | None => Err(Ending::Left),
            Some(Ok(message)) => Ok(message),
            Some(Err(error)) => {
                tracing::debug!(%error, "a session of the live feed broke");
                refused("broken");
                Err(Ending::Left)
            }
        }
    }

    /// Tells the client something. It ends when the client takes too long, or too much has come to wait meanwhile.
    pub(super) async fn send(&mut self, message: Message) -> Result<(), Ending> {
        tokio::select! {
            biased;
            () = self.outbox.full() => Err(Ending::SLOW),
            sent = timeout(self.send_timeout, self.sink.send(message)) => match sent {
                Ok(Ok(())) => Ok(()),
                Ok(Err(_)) => Err(Ending::Left),
                Err(_) => Err(Ending::SLOW),
            },
        }
    }

    /// Says why it ends, if the server ends it, and waits a moment until the client has heard.
    pub(super) async fn close(mut self, ending: Ending) {
        let Ending::Closed(code, words, counted) = ending else {
            // The library answers a client's good-bye when it is flushed.
            let _ = timeout(CLOSED_TIMEOUT, self.sink.close()).await;
            return;
        };
        refused(counted);
        tracing::debug!(code, words, "a session of the live feed is closed");
        let frame = CloseFrame {
            code,
            reason: words.into(),
        };
        let told = timeout(CLOSING_TIMEOUT, self.sink.send(Message::Close(Some(frame)))).await;
        if matches!(told, Ok(Ok(()))) {
            // What it said before it heard is read and dropped: a connection with unread bytes is reset, and the reason may be lost.
            let _ = timeout(CLOSED_TIMEOUT, async { while let Some(Ok(_)) = self.stream.next().await {} }).await;
        }
    }
}
