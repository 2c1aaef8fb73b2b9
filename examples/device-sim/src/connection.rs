//! One MQTT connection: a socket with a buffer for each direction.
//!
//! Packets pile up in `output` and leave with one write; acknowledgements arrive many at a time in `input`. Knows no schedule and does
//! not decide what to send.

use std::future::Future;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::codec::{self, Connect, Incoming};
use crate::error::SimError;

/// How long connecting and the broker's first answer may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
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
    stream: TcpStream,
    input: BytesMut,
    read_size: usize,
    /// Packets on their way out.
    pub output: BytesMut,
}

impl Connection {
    /// Connects, sends CONNECT and waits for the broker's consent, at most 10 seconds.
    ///
    /// # Errors
    /// [`SimError::Connect`] if nobody answers, [`SimError::Refused`] if the broker says no, [`SimError::Lost`] if it hangs up or stays
    /// silent, [`SimError::Malformed`] if it is no MQTT broker.
    pub async fn open(device: usize, target: &Target, connect: &Connect<'_>) -> Result<Connection, SimError> {
        let lost = |reason: &str| SimError::Lost {
            device,
            reason: reason.into(),
        };
        match tokio::time::timeout(CONNECT_TIMEOUT, Connection::shake_hands(device, target, connect)).await {
            Ok(result) => result,
            Err(_) => Err(lost("no answer to CONNECT within 10 seconds")),
        }
    }

    async fn shake_hands(device: usize, target: &Target, connect: &Connect<'_>) -> Result<Connection, SimError> {
        let refused = |source| SimError::Connect {
            address: target.text.clone(),
            source,
        };
        let stream = TcpStream::connect(target.addresses.as_slice()).await.map_err(refused)?;
        stream.set_nodelay(true).map_err(refused)?;
        let (input, output) = (BytesMut::new(), BytesMut::new());
        let mut connection = Connection {
            device,
            stream,
            input,
            read_size: READ_MIN,
            output,
        };
        codec::put_connect(&mut connection.output, connect);
        loop {
            connection.turn(std::future::pending()).await?;
            match connection.next_packet()? {
                None => {}
                Some(Incoming::Connack { code: 0 }) => return Ok(connection),
                Some(Incoming::Connack { code }) => {
                    return Err(SimError::Refused {
                        device,
                        code,
                        reason: codec::connack_reason(code),
                    });
                }
                Some(other) => return Err(SimError::Malformed(format!("{other:?} as the answer to CONNECT"))),
            }
        }
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
        let (mut reader, mut writer) = self.stream.split();
        self.input.reserve(self.read_size);
        tokio::select! {
            biased;
            written = writer.write_buf(&mut self.output), if !self.output.is_empty() => {
                if written.map_err(lost)? == 0 {
                    return Err(SimError::Lost { device, reason: "the broker takes no more bytes".into() });
                }
                Ok(Turn::Wrote)
            }
            read = reader.read_buf(&mut self.input) => {
                let read = read.map_err(lost)?;
                if read == 0 {
                    return Err(SimError::Lost { device, reason: "closed by the broker".into() });
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
        let Some((packet, length)) = codec::decode(&self.input)? else {
            return Ok(None);
        };
        self.input.advance(length);
        Ok(Some(packet))
    }

    /// Says DISCONNECT and hangs up. Whether the broker hears it does not matter any more.
    pub async fn close(mut self) {
        codec::put_disconnect(&mut self.output);
        let goodbye = async {
            self.stream.write_all_buf(&mut self.output).await?;
            self.stream.shutdown().await
        };
        // A broker that does not read must not hold up the end of the run.
        let _ = tokio::time::timeout(Duration::from_secs(1), goodbye).await;
    }
}
