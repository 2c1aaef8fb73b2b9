//! One socket: reads packets, hands publishes to the session, writes acknowledgements when their effects are durable.
//!
//! While the session has no room, nothing is read: the device's TCP window closes, and that is the back-pressure.

use std::time::Duration;

use bytes::BytesMut;
use session::{AuthError, CloseReason, Credentials, Event, OpenError, PublishError, Session, Sessions};
use session::{Inbound, Transport};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

use super::codec::{FrameCodec, FrameError, RumqttCodec};
use super::packet::{Connect, ConnectCode, Goodbye, Incoming, Outgoing, Publish};
use super::state::{ConnectionState, Refused};

/// Bytes read at one time.
const READ_BYTES: usize = 16 << 10;
/// A device must say CONNECT within this time.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// A device that takes nothing for this long is given up.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);
/// A connection without keep-alive that says nothing for this long is closed.
const IDLE_TIMEOUT: Duration = Duration::from_secs(600);
/// How long a stopping server waits for what is not durable yet.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);

/// Why a connection ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// The device said good-bye, or closed the socket.
    ByDevice,
    /// The socket broke.
    Broken,
    /// It was not accepted.
    Refused(ConnectCode),
    /// The server ended it.
    ByServer(Goodbye),
}

/// Serves a socket until it ends.
pub(super) async fn serve(stream: TcpStream, sessions: &Sessions, packet_bytes_max: usize) -> Ended {
    // Acknowledgements are small and must not wait for each other.
    let _ = stream.set_nodelay(true);
    let mut wire = Wire {
        stream,
        input: BytesMut::new(),
        output: BytesMut::new(),
        codec: RumqttCodec::new(packet_bytes_max),
    };
    let connect = match timeout(CONNECT_TIMEOUT, wire.connect()).await {
        Ok(Ok(connect)) => connect,
        Ok(Err(ended)) => return wire.end(ended).await,
        Err(_) => return Ended::Broken,
    };
    let session = match accept(sessions, &connect).await {
        Ok(session) => session,
        Err(code) => return wire.end(Ended::Refused(code)).await,
    };
    let state = ConnectionState::new(wire.codec.version(), connect.receive_max);
    wire.put(Outgoing::ConnAck(ConnectCode::Accepted));
    let grace = match connect.keep_alive_s {
        0 => IDLE_TIMEOUT,
        seconds => Duration::from_millis(u64::from(seconds) * 1500),
    };
    let mut connection = Connection {
        wire,
        session,
        state,
        grace,
        heard: Instant::now(),
        stopping: None,
    };
    let ended = connection.run().await;
    let Connection { wire, session, .. } = connection;
    session.close().await;
    wire.end(ended).await
}

/// Finds out who connects, and opens the session.
async fn accept(sessions: &Sessions, connect: &Connect) -> Result<Session, ConnectCode> {
    let Some(token) = connect.username.as_deref() else {
        return Err(if connect.client_id.is_empty() || connect.has_password {
            ConnectCode::NotAuthorized
        } else {
            ConnectCode::IdentifierRejected
        });
    };
    let device = sessions
        .authenticate(Credentials::AccessToken(token))
        .await
        .map_err(|error| match error {
            AuthError::Missing | AuthError::Unknown => ConnectCode::BadUserNameOrPassword,
            AuthError::Unavailable => ConnectCode::Unavailable,
        })?;
    sessions.connect(device, Transport::Mqtt).await.map_err(|error| match error {
        OpenError::NoDevice => ConnectCode::BadUserNameOrPassword,
        OpenError::Unavailable(reason) => {
            tracing::warn!(%device, reason, "a device could not be served");
            ConnectCode::Unavailable
        }
    })
}

/// Socket, buffers and codec.
struct Wire {
    stream: TcpStream,
    input: BytesMut,
    output: BytesMut,
    codec: RumqttCodec,
}

impl Wire {
    /// Reads CONNECT.
    async fn connect(&mut self) -> Result<Connect, Ended> {
        loop {
            match self.codec.decode(&mut self.input) {
                Ok(Some(Incoming::Connect(connect))) => return Ok(connect),
                Ok(Some(_)) => return Err(Ended::ByServer(Goodbye::ProtocolError)),
                Ok(None) => {}
                Err(FrameError::UnsupportedVersion(_)) => return Err(Ended::Refused(ConnectCode::UnsupportedVersion)),
                // Whoever does not speak MQTT gets no answer in MQTT.
                Err(_) => return Err(Ended::Broken),
            }
            self.input.reserve(1024);
            match self.stream.read_buf(&mut self.input).await {
                Ok(0) => return Err(Ended::ByDevice),
                Ok(_) => {}
                Err(_) => return Err(Ended::Broken),
            }
        }
    }

    fn put(&mut self, packet: Outgoing) {
        self.codec.encode(packet, &mut self.output);
    }

    async fn flush(&mut self) -> Result<(), Ended> {
        if self.output.is_empty() {
            return Ok(());
        }
        match timeout(WRITE_TIMEOUT, self.stream.write_all(&self.output)).await {
            Ok(Ok(())) => {
                self.output.clear();
                Ok(())
            }
            _ => Err(Ended::Broken),
        }
    }

    /// Says good-bye in the protocol's own words and closes the socket.
    async fn end(mut self, ended: Ended) -> Ended {
        match ended {
            Ended::Refused(code) => self.put(Outgoing::ConnAck(code)),
            Ended::ByServer(reason) => self.put(Outgoing::Disconnect(reason)),
            Ended::ByDevice | Ended::Broken => return ended,
        }
        if self.flush().await.is_ok() {
            let _ = timeout(WRITE_TIMEOUT, self.stream.shutdown()).await;
        }
        ended
    }
}

struct Connection {
    wire: Wire,
    session: Session,
    state: ConnectionState,
    grace: Duration,
    heard: Instant,
    /// The server stops: nothing more is read; when this time comes, or everything is durable, the connection ends.
    stopping: Option<Instant>,
}

impl Connection {
    async fn run(&mut self) -> Ended {
        match self.until_ended().await {
            Ok(()) => Ended::ByDevice,
            Err(ended) => ended,
        }
    }

    async fn until_ended(&mut self) -> Result<(), Ended> {
        let mut events = Vec::new();
        loop {
            if self.take_packets().await? {
                return self.wire.flush().await;
            }
            self.wire.flush().await?;
            if let Some(until) = self.stopping
                && (self.session.in_flight() == 0 || Instant::now() >= until)
            {
                return Err(Ended::ByServer(Goodbye::ShuttingDown));
            }
            let reading = self.stopping.is_none() && self.session.has_room();
            if reading && self.wire.input.is_empty() && self.session.in_flight() == 0 {
                // An idle connection keeps no buffer.
                self.wire.input = BytesMut::new();
            }
            let deadline = self.stopping.unwrap_or(self.heard + self.grace);
            tokio::select! {
                biased;
                () = self.session.events(&mut events) => {
                    for event in events.drain(..) {
                        self.event(event)?;
                    }
                }
                ready = self.wire.stream.readable(), if reading => {
                    ready.map_err(|_| Ended::Broken)?;
                    if !self.read()? {
                        return Ok(());
                    }
                }
                () = tokio::time::sleep_until(deadline) => {
                    // What the device said while nothing was read is still in the socket.
                    if reading {
                        return Err(Ended::ByServer(Goodbye::KeepAliveTimeout));
                    }
                    self.heard = Instant::now();
                }
            }
        }
    }

    /// Reads what is there. False: the device closed the socket.
    fn read(&mut self) -> Result<bool, Ended> {
        self.wire.input.reserve(READ_BYTES);
        match self.wire.stream.try_read_buf(&mut self.wire.input) {
            Ok(0) => Ok(false),
            Ok(_) => {
                self.heard = Instant::now();
                Ok(true)
            }
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => Ok(true),
            Err(_) => Err(Ended::Broken),
        }
    }

    /// Takes the packets that are complete, as long as the session has room. True: the device says good-bye.
    async fn take_packets(&mut self) -> Result<bool, Ended> {
        while self.stopping.is_none() && self.session.has_room() {
            let packet = match self.wire.codec.decode(&mut self.wire.input) {
                Ok(Some(packet)) => packet,
                Ok(None) => return Ok(false),
                Err(error) => {
                    tracing::debug!(device = %self.session.device(), %error, "a connection is closed");
                    return Err(Ended::ByServer(goodbye(&error)));
                }
            };
            match packet {
                Incoming::Publish(publish) => self.publish(publish).await?,
                Incoming::PubAck(pkid) => self.state.acknowledged(pkid),
                Incoming::Subscribe(pkid, filters) => {
                    let session = &self.session;
                    let granted = self.state.subscribe(filters, |filter| session.subscription(filter));
                    self.wire.put(Outgoing::SubAck(pkid, granted));
                }
                Incoming::Unsubscribe(pkid, filters) => {
                    self.state.unsubscribe(&filters);
                    self.wire.put(Outgoing::UnsubAck(pkid, filters.len()));
                }
                Incoming::PingReq => self.wire.put(Outgoing::PingResp),
                Incoming::Disconnect => return Ok(true),
                Incoming::Connect(_) => return Err(Ended::ByServer(Goodbye::ProtocolError)),
            }
        }
        Ok(false)
    }

    async fn publish(&mut self, Publish { qos, pkid, topic, payload }: Publish) -> Result<(), Ended> {
        let pkid = (qos > 0).then_some(pkid);
        match self
            .session
            .publish(Inbound::new(Transport::Mqtt, topic, Vec::new(), payload))
            .await
        {
            Ok(sequence) => self.state.published(pkid, sequence),
            Err(error) => {
                tracing::debug!(device = %self.session.device(), %error, "a publish was refused");
                let refused = match error {
                    PublishError::UnknownAddress => Refused::UnknownTopic,
                    PublishError::Malformed(_) => Refused::BadPayload,
                    // Not the device's fault: it sends again after it has connected again.
                    PublishError::Adapter(_) => return Err(Ended::ByServer(Goodbye::ImplementationSpecific)),
                };
                self.state.refused(pkid, refused).map_err(Ended::ByServer)?;
                self.acknowledge();
            }
        }
        Ok(())
    }

    fn acknowledge(&mut self) {
        while let Some(ack) = self.state.due() {
            self.wire.put(ack);
        }
    }

    fn event(&mut self, event: Event) -> Result<(), Ended> {
        match event {
            Event::Settled(sequence, Ok(())) => {
                self.state.settled(sequence);
                self.acknowledge();
                Ok(())
            }
            // No acknowledgement: the device connects again and sends again.
            Event::Settled(_, Err(error)) => {
                tracing::warn!(device = %self.session.device(), %error, "a publish is not acknowledged");
                Err(Ended::ByServer(Goodbye::ImplementationSpecific))
            }
            Event::Downlink(outbound, kind) => {
                if let Some(packet) = self.state.downlink(outbound.address, outbound.payload, kind) {
                    self.wire.put(packet);
                }
                Ok(())
            }
            Event::Close(CloseReason::TakenOver) => Err(Ended::ByServer(Goodbye::TakenOver)),
            Event::Close(CloseReason::Administrative) => Err(Ended::ByServer(Goodbye::Administrative)),
            Event::Close(CloseReason::ShuttingDown) => {
                self.stopping = Some(Instant::now() + DRAIN_TIMEOUT);
                Ok(())
            }
        }
    }
}

fn goodbye(error: &FrameError) -> Goodbye {
    match error {
        FrameError::TooLarge { .. } => Goodbye::PacketTooLarge,
        FrameError::QosNotSupported => Goodbye::QosNotSupported,
        FrameError::Protocol(_) | FrameError::UnsupportedVersion(_) => Goodbye::ProtocolError,
        FrameError::Malformed(_) => Goodbye::Malformed,
    }
}
