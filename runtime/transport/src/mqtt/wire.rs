//! Socket, buffers and codec of one connection. Works on any stream of bytes: TCP, TLS, WebSocket.
//!
//! Must not know what packets mean.

use std::future::poll_fn;
use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Poll, ready};
use std::time::Duration;

use bytes::BytesMut;
use mqtt::codec::{FrameCodec, FrameError, RumqttCodec};
use mqtt::packet::{Connect, ConnectCode, Goodbye, Incoming, Outgoing};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::time::timeout;

use super::connection::Ended;

/// Bytes read at one time.
const READ_BYTES: usize = 16 << 10;
/// A device must have said CONNECT, all of it, within this time.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// A device that takes nothing for this long is given up.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);

/// A stream of bytes, whatever carries it.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> Stream for S {}

/// See the module.
pub(super) struct Wire<S> {
    stream: S,
    input: BytesMut,
    output: BytesMut,
    codec: RumqttCodec,
}

impl<S: Stream> Wire<S> {
    /// Nothing read yet.
    pub(super) fn new(stream: S, packet_bytes_max: usize) -> Self {
        Wire {
            stream,
            input: BytesMut::new(),
            output: BytesMut::new(),
            codec: RumqttCodec::new(packet_bytes_max),
        }
    }

    /// The codec, which knows the version.
    pub(super) fn codec(&self) -> &RumqttCodec {
        &self.codec
    }

    /// Reads CONNECT.
    pub(super) async fn connect(&mut self) -> Result<Connect, Ended> {
        timeout(CONNECT_TIMEOUT, self.first_packet()).await.unwrap_or(Err(Ended::Silent))
    }

    async fn first_packet(&mut self) -> Result<Connect, Ended> {
        loop {
            match self.packet() {
                Ok(Some(Incoming::Connect(connect))) => return Ok(connect),
                Ok(Some(_)) => return Err(Ended::ByServer(Goodbye::ProtocolError)),
                Ok(None) => {}
                Err(FrameError::UnsupportedVersion(_)) => return Err(Ended::Refused(ConnectCode::UnsupportedVersion)),
                // Whoever does not speak MQTT gets no answer in MQTT.
                Err(_) => return Err(Ended::Broken),
            }
            if !self.read().await? {
                return Err(Ended::ByDevice);
            }
        }
    }

    /// The next packet that is complete.
    pub(super) fn packet(&mut self) -> Result<Option<Incoming>, FrameError> {
        self.codec.decode(&mut self.input)
    }

    /// Waits for bytes and keeps them. False: the device closed the socket. Cancelling loses nothing, and while it waits no buffer is
    /// held: most connections of a server are idle.
    pub(super) async fn read(&mut self) -> Result<bool, Ended> {
        if self.input.is_empty() {
            self.input = BytesMut::new();
        }
        let read = poll_fn(|context| {
            let mut bytes = [MaybeUninit::<u8>::uninit(); READ_BYTES];
            let mut buffer = ReadBuf::uninit(&mut bytes);
            ready!(Pin::new(&mut self.stream).poll_read(context, &mut buffer))?;
            self.input.extend_from_slice(buffer.filled());
            Poll::Ready(Ok::<_, io::Error>(!buffer.filled().is_empty()))
        });
        read.await.map_err(|_| Ended::Broken)
    }

    /// Adds a packet to what is to be written. False: it is larger than the device takes.
    pub(super) fn put(&mut self, packet: Outgoing) -> bool {
        self.codec.encode(packet, &mut self.output)
    }

    /// Writes what is to be written.
    pub(super) async fn flush(&mut self) -> Result<(), Ended> {
        if self.output.is_empty() {
            return Ok(());
        }
        let written = async {
            self.stream.write_all(&self.output).await?;
            self.stream.flush().await
        };
        match timeout(WRITE_TIMEOUT, written).await {
            Ok(Ok(())) => {
                self.output.clear();
                if self.output.capacity() > READ_BYTES {
                    self.output = BytesMut::new();
                }
                Ok(())
            }
            Ok(Err(_)) => Err(Ended::Broken),
            Err(_) => Err(Ended::Stalled),
        }
    }

    /// Gives back memory that holds nothing.
    pub(super) fn rest(&mut self) {
        for buffer in [&mut self.input, &mut self.output] {
            if buffer.is_empty() {
                *buffer = BytesMut::new();
            }
        }
    }

    /// Says good-bye in the protocol's own words and closes the socket.
    pub(super) async fn end(mut self, ended: Ended) -> Ended {
        match ended {
            Ended::Refused(code) => self.put(Outgoing::Refused(code)),
            Ended::ByServer(reason) => self.put(Outgoing::Disconnect(reason)),
            Ended::ByDevice | Ended::Broken | Ended::Stalled | Ended::Silent => return ended,
        };
        if self.flush().await.is_ok() {
            // The device may be gone already.
            let _ = timeout(WRITE_TIMEOUT, self.stream.shutdown()).await;
        }
        ended
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use tokio::time::Instant;

    #[tokio::test(start_paused = true)]
    async fn whoever_says_connect_byte_by_byte_is_given_up() {
        let (near, mut far) = tokio::io::duplex(64);
        let mut wire = Wire::new(near, 1 << 16);
        let connect = b"\x10\x12\0\x04MQTT\x04\x02\0\x3c\0\x06device";
        let slowly = async {
            for byte in connect {
                far.write_all(&[*byte]).await.unwrap();
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        };
        let begin = Instant::now();
        let (ended, ()) = tokio::join!(wire.connect(), slowly);
        assert_eq!(ended, Err(Ended::Silent));
        assert!(begin.elapsed() > CONNECT_TIMEOUT, "it went on after its time");
        // In time it would have been heard.
        let (near, mut far) = tokio::io::duplex(64);
        far.write_all(connect).await.unwrap();
        assert_eq!(Wire::new(near, 1 << 16).connect().await.unwrap().client_id, "device");
    }

    #[tokio::test(start_paused = true)]
    async fn a_device_that_reads_nothing_is_given_up() {
        let (near, far) = tokio::io::duplex(16);
        let mut wire = Wire::new(near, 1 << 16);
        for _ in 0..20 {
            assert!(wire.put(Outgoing::PingResp));
        }
        let begin = Instant::now();
        assert_eq!(wire.flush().await, Err(Ended::Stalled));
        assert_eq!(begin.elapsed().as_secs(), WRITE_TIMEOUT.as_secs());
        drop(far);
    }
}
