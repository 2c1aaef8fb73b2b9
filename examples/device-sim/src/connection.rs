//! One device's connection: a socket with a buffer for each direction.
//!
//! Messages pile up in `output` and leave with one write; acknowledgements arrive many at a time in `input`. Knows no schedule and does
//! not decide what to send.

use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use bytes::{Buf, BytesMut};

use crate::codec::mqtt::{self, Connect};
use crate::codec::{Incoming, Message, Protocol};
use crate::error::SimError;
use crate::link::Link;
use crate::sealed::Trust;

/// How long connecting and the server's first answer may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// A datagram that was not answered within this time is sent again (RFC 7252, 4.8: ACK_TIMEOUT).
pub const REPEAT_AFTER: Duration = Duration::from_secs(2);
/// How much one read may bring: 4096 acknowledgements.
const READ_MAX: usize = 16 * 1024;
/// Buffers start with this, so that ten thousand quiet devices stay small.
const READ_MIN: usize = 1024;
/// No more is written into a connection that holds this many unsent bytes.
const OUTPUT_FULL: usize = 1024 * 1024;

/// Where a connection goes.
#[derive(Debug, Clone)]
pub struct Target {
    /// `host:port` as given, for error texts.
    pub text: String,
    /// What the name stands for; tried in order.
    pub addresses: Vec<SocketAddr>,
    /// The address of this machine to come from, if it matters.
    pub from: Option<IpAddr>,
    /// Over TLS: whom to trust.
    pub trust: Option<Trust>,
}

impl Target {
    /// The part of the text that a server's certificate has to name.
    fn host(&self) -> &str {
        let host = self.text.rsplit_once(':').map_or(&*self.text, |(host, _)| host);
        host.trim_start_matches('[').trim_end_matches(']')
    }

    async fn link(&self, protocol: Protocol) -> std::io::Result<Link> {
        if protocol == Protocol::Coap {
            return Link::datagrams(&self.addresses).await;
        }
        let link = Link::stream(&self.addresses, self.from).await?;
        match &self.trust {
            Some(trust) => link.sealed(trust, self.host()).await,
            None => Ok(link),
        }
    }
}

/// Why [`Connection::turn`] came back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// Bytes left.
    Wrote,
    /// Bytes came.
    Read,
    /// The caller's own event happened.
    Woken,
}

/// An accepted connection.
#[derive(Debug)]
pub struct Connection {
    device: usize,
    protocol: Protocol,
    link: Link,
    input: BytesMut,
    read_size: usize,
    /// Packets on their way out.
    pub output: BytesMut,
}

impl Connection {
    /// Connects, shows the token and waits for the server's consent, at most 10 seconds. Over MQTT with a CONNECT, otherwise with a message
    /// without values.
    ///
    /// # Errors
    /// [`SimError::Connect`] if nobody answers, [`SimError::Refused`] if the server says no, [`SimError::Lost`] if it hangs up or stays
    /// silent, [`SimError::Malformed`] if it speaks something else or refuses the token.
    pub async fn open(device: usize, target: &Target, protocol: Protocol, connect: &Connect<'_>) -> Result<Connection, SimError> {
        let lost = |reason: &str| SimError::Lost {
            device,
            reason: reason.into(),
        };
        match tokio::time::timeout(CONNECT_TIMEOUT, Connection::shake_hands(device, target, protocol, connect)).await {
            Ok(result) => result,
            Err(_) => Err(lost("no first answer within 10 seconds")),
        }
    }

    async fn shake_hands(device: usize, target: &Target, protocol: Protocol, connect: &Connect<'_>) -> Result<Connection, SimError> {
        let link = target.link(protocol).await.map_err(|source| SimError::Connect {
            address: target.text.clone(),
            source,
        })?;
        let (input, output) = (BytesMut::new(), BytesMut::new());
        let mut connection = Connection {
            device,
            protocol,
            link,
            input,
            read_size: READ_MIN,
            output,
        };
        connection.greet(connect);
        loop {
            // What is lost on the way is said again, where nobody else does so.
            let again = async {
                match protocol {
                    Protocol::Coap => tokio::time::sleep(REPEAT_AFTER).await,
                    Protocol::Mqtt | Protocol::Http => std::future::pending().await,
                }
            };
            if connection.turn(again).await? == Turn::Woken {
                connection.greet(connect);
            }
            match connection.next_packet()? {
                None | Some(Incoming::Later) => {}
                Some(Incoming::Connack { code: 0 } | Incoming::Taken { id: 0 } | Incoming::TakenInOrder) => return Ok(connection),
                Some(Incoming::TakenLate { id: 0, acknowledge }) => {
                    connection.acknowledge(acknowledge);
                    return Ok(connection);
                }
                Some(Incoming::Connack { code }) => {
                    return Err(SimError::Refused {
                        device,
                        code,
                        reason: mqtt::connack_reason(code),
                    });
                }
                Some(other) => return Err(SimError::Malformed(format!("{other:?} as the first answer"))),
            }
        }
    }

    fn greet(&mut self, connect: &Connect<'_>) {
        match self.protocol {
            Protocol::Mqtt => mqtt::put_connect(&mut self.output, connect),
            Protocol::Http | Protocol::Coap => {
                let message = Message {
                    token: connect.user_name,
                    topic: "",
                    id: Some(0),
                    duplicate: false,
                    payload: b"{}",
                };
                self.put(&message);
            }
        }
    }

    /// Puts a message into `output`.
    pub fn put(&mut self, message: &Message<'_>) {
        self.protocol.put_message(&mut self.output, message);
    }

    /// Says that an answer was heard that wanted to know.
    pub fn acknowledge(&mut self, id: u16) {
        crate::codec::coap::put_acknowledgement(&mut self.output, id);
    }

    /// True if no more packets should be put into `output` for now.
    pub fn is_full(&self) -> bool {
        self.output.len() >= OUTPUT_FULL
    }

    /// Writes what is there, reads what comes, or waits for `wake`: whichever is possible first. Loses nothing when dropped.
    ///
    /// # Errors
    /// [`SimError::Lost`] when the connection is gone.
    pub async fn turn(&mut self, wake: impl Future<Output = ()>) -> Result<Turn, SimError> {
        let device = self.device;
        let lost = |error: std::io::Error| SimError::Lost {
            device,
            reason: error.to_string(),
        };
        self.input.reserve(self.read_size);
        let has_output = !self.output.is_empty();
        tokio::select! {
            biased;
            written = self.link.write(&mut self.output), if has_output => {
                if written.map_err(lost)? == 0 {
                    return Err(SimError::Lost { device, reason: "the server takes no more bytes".into() });
                }
                Ok(Turn::Wrote)
            }
            read = self.link.read(&mut self.input) => {
                let read = read.map_err(lost)?;
                if read == 0 {
                    return Err(SimError::Lost { device, reason: "closed by the server".into() });
                }
                if read >= self.read_size {
                    self.read_size = (self.read_size * 2).min(READ_MAX);
                }
                Ok(Turn::Read)
            }
            () = wake => Ok(Turn::Woken),
        }
    }

    /// The next packet that has arrived completely.
    ///
    /// # Errors
    /// [`SimError::Malformed`].
    pub fn next_packet(&mut self) -> Result<Option<Incoming>, SimError> {
        let Some((packet, length)) = self.protocol.decode(&self.input)? else {
            return Ok(None);
        };
        self.input.advance(length);
        Ok(Some(packet))
    }

    /// The bytes of the next packet that has arrived completely.
    ///
    /// # Errors
    /// [`SimError::Malformed`].
    pub fn next_frame(&mut self) -> Result<Option<BytesMut>, SimError> {
        let decoded = self.protocol.decode(&self.input)?;
        Ok(decoded.map(|(_, length)| self.input.split_to(length)))
    }

    /// Says good-bye, where the protocol has a word for it, and hangs up. Whether the server hears it does not matter any more.
    pub async fn close(mut self) {
        if self.protocol == Protocol::Mqtt {
            mqtt::put_disconnect(&mut self.output);
        }
        // A server that does not read must not hold up the end of the run.
        let _ = tokio::time::timeout(Duration::from_secs(1), self.link.close(&mut self.output)).await;
    }
}
