//! One connection after CONNECT: reads packets, hands publishes to the session, writes acknowledgements when their effects are durable.
//!
//! While the session has no room, nothing is read: the device's TCP window closes, and that is the back-pressure.

use std::time::Duration;

use model::DownlinkKind;
use model::entity::OwnTopics;
use mqtt::codec::{FrameCodec, FrameError};
use mqtt::packet::{Connect, ConnectCode, Goodbye, Incoming, Outgoing, Publish, Subscribe};
use mqtt::state::{ConnectionState, Refused};
use session::{CloseReason, Event, Exceeded, Inbound, PublishError, Session, Transport};
use tokio::time::Instant;

use super::wire::{Stream, Wire};

/// How long a stopping server waits for what is not durable yet.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);

/// A connection in which nothing happened for this long gives back memory that was needed for more.
const REST_AFTER: Duration = Duration::from_secs(5);

/// Why a connection ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// The device said good-bye, or closed the socket.
    ByDevice,
    /// The socket broke.
    Broken,
    /// The device said nothing.
    Silent,
    /// The device read nothing.
    Stalled,
    /// It was not accepted.
    Refused(ConnectCode),
    /// The server ended it.
    ByServer(Goodbye),
}

pub(super) struct Connection<S> {
    wire: Wire<S>,
    session: Session,
    state: ConnectionState,
    /// Whether it hears of attributes on a topic of its profile's own.
    own_attributes: bool,
    /// How long silence is borne.
    silence: Duration,
    heard: Instant,
    /// Nothing has happened since memory was given back.
    rests: bool,
    /// The server stops: nothing more is read; when this time comes, or everything is durable, the connection ends.
    stopping: Option<Instant>,
}

impl<S: Stream> Connection<S> {
    /// A connection whose CONNECT was accepted.
    pub(super) fn new(wire: Wire<S>, session: Session, connect: &Connect, silence: Duration) -> Self {
        let mut state = ConnectionState::new(wire.codec().version(), connect.receive_max, connect.problem_information);
        if session.acknowledges_bad_payloads() {
            state.acknowledge_bad_payloads();
        }
        Connection {
            state,
            own_attributes: false,
            wire,
            session,
            silence,
            heard: Instant::now(),
            rests: false,
            stopping: None,
        }
    }

    /// Serves it until it ends.
    pub(super) async fn run(mut self: Box<Self>) -> Ended {
        let ended = match self.until_ended().await {
            Ok(()) => Ended::ByDevice,
            Err(ended) => ended,
        };
        Box::pin(self.end(ended)).await
    }

    async fn end(self, ended: Ended) -> Ended {
        let Connection { wire, session, .. } = self;
        session.close().await;
        wire.end(ended).await
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
            let deadline = self.stopping.unwrap_or(self.heard + self.silence);
            let wake = if self.rests {
                deadline
            } else {
                deadline.min(Instant::now() + REST_AFTER)
            };
            tokio::select! {
                biased;
                () = self.session.events(&mut events) => {
                    self.rests = false;
                    for event in events.drain(..) {
                        self.event(event).await?;
                    }
                }
                read = self.wire.read(), if reading => {
                    if !read? {
                        return Ok(());
                    }
                    (self.heard, self.rests) = (Instant::now(), false);
                }
                () = tokio::time::sleep_until(wake) => {
                    if wake < deadline {
                        self.rests = true;
                        events = Vec::new();
                        self.rest();
                        continue;
                    }
                    // What the device said while nothing was read is still in the socket.
                    if reading {
                        return Err(Ended::ByServer(Goodbye::KeepAliveTimeout));
                    }
                    self.heard = Instant::now();
                }
            }
        }
    }

    fn rest(&mut self) {
        self.wire.rest();
        self.session.rest();
        self.state.rest();
    }

    /// Takes the packets that are complete, as long as the session has room. True: the device says good-bye.
    async fn take_packets(&mut self) -> Result<bool, Ended> {
        while self.stopping.is_none() && self.session.has_room() {
            let packet = match self.wire.packet() {
                Ok(Some(packet)) => packet,
                Ok(None) => return Ok(false),
                Err(error) => {
                    tracing::debug!(device = %self.session.device(), %error, "a connection is closed");
                    return Err(Ended::ByServer(goodbye(&error)));
                }
            };
            match packet {
                Incoming::Publish(publish) => self.publish(publish).await?,
                Incoming::PubAck(pkid) => {
                    if let Some(request) = self.state.acknowledged(pkid) {
                        self.session.delivered(request).await;
                    }
                }
                Incoming::Subscribe(subscribe) => self.subscribe(subscribe).await,
                Incoming::Unsubscribe(pkid, filters) => {
                    let existed = self.state.unsubscribe(&filters);
                    if let Some(own) = self.session.own_topics() {
                        self.own_attributes &= !filters.iter().any(|filter| own.subscribed(filter).is_some());
                    }
                    self.wire.put(Outgoing::UnsubAck(pkid, existed));
                    self.session.listen(self.state.kinds()).await;
                }
                Incoming::PingReq => {
                    self.wire.put(Outgoing::PingResp);
                    self.session.heard().await;
                }
                Incoming::Disconnect => return Ok(true),
                Incoming::Connect(_) => return Err(Ended::ByServer(Goodbye::ProtocolError)),
            }
        }
        Ok(false)
    }

    async fn subscribe(&mut self, Subscribe { pkid, filters, identified }: Subscribe) {
        let mut granted = Vec::with_capacity(filters.len());
        for (filter, qos) in filters {
            granted.push(match self.state.refuses(&filter, identified) {
                Some(refused) => refused,
                None => {
                    let usual = self.session.own_topics().and_then(|own| own.subscribed(&filter));
                    let kinds = self.session.subscription(usual.unwrap_or(&filter)).await;
                    if kinds.contains(&DownlinkKind::Attributes) {
                        self.own_attributes = usual.is_some();
                    }
                    self.state.grant(filter, qos, kinds)
                }
            });
        }
        self.wire.put(Outgoing::SubAck(pkid, granted));
        self.session.listen(self.state.kinds()).await;
    }

    async fn publish(&mut self, Publish { qos, pkid, topic, payload }: Publish) -> Result<(), Ended> {
        let pkid = (qos > 0).then_some(pkid);
        self.state.admit(pkid).map_err(Ended::ByServer)?;
        let usual = self.session.own_topics().and_then(|own| own.published(&topic));
        let topic = usual.map_or(topic, str::to_owned);
        let inbound = Inbound::new(Transport::Mqtt, topic, Vec::new(), payload);
        let error = match self.session.publish(inbound).await {
            Ok(sequence) => {
                self.state.published(pkid, sequence);
                return Ok(());
            }
            Err(error) => error,
        };
        tracing::debug!(device = %self.session.device(), %error, "a publish was refused");
        let refused = match error {
            PublishError::UnknownAddress => Refused::UnknownTopic,
            PublishError::Malformed(reason) => Refused::BadPayload(reason),
            // Of a device behind a gateway: it goes on for the others, where its protocol has a word for it.
            PublishError::TooManyDevices | PublishError::RateExceeded(Exceeded::Child) => Refused::TooMany,
            PublishError::RateExceeded(Exceeded::Device | Exceeded::Tenant) => {
                return Err(Ended::ByServer(Goodbye::ImplementationSpecific));
            }
            // A gateway is told what it was before it is cut off.
            PublishError::RateExceeded(_) => {
                self.state.refused(pkid, Refused::TooMany).map_err(Ended::ByServer)?;
                self.acknowledge();
                return Err(Ended::ByServer(Goodbye::QuotaExceeded));
            }
            // Not the device's fault: it sends again after it has connected again.
            PublishError::Adapter(_) | PublishError::Unavailable(_) => return Err(Ended::ByServer(Goodbye::ImplementationSpecific)),
        };
        metrics::counter!("mqtt_publishes_refused_total", "reason" => refused.as_str()).increment(1);
        self.state.refused(pkid, refused).map_err(Ended::ByServer)?;
        self.acknowledge();
        Ok(())
    }

    fn acknowledge(&mut self) {
        while let Some(ack) = self.state.due() {
            if let Outgoing::PubAck(pkid, code, Some(_)) = &ack {
                let short = Outgoing::PubAck(*pkid, *code, None);
                // Words are the first thing to leave out (MQTT 5, 3.1.2.11.4).
                if !self.wire.put(ack) {
                    self.wire.put(short);
                }
            } else {
                self.wire.put(ack);
            }
        }
    }

    async fn event(&mut self, event: Event) -> Result<(), Ended> {
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
            Event::Downlink(mut outbound, kind, request) => {
                if self.own_attributes
                    && kind == DownlinkKind::Attributes
                    && let Some(told) = self.session.own_topics().and_then(OwnTopics::attributes_told)
                {
                    told.clone_into(&mut outbound.address);
                }
                if let Some(packet) = self.state.downlink(outbound.address, outbound.payload, kind, request) {
                    let is_acknowledged = matches!(packet, Outgoing::Publish(_, _, Some(_)));
                    let has_it = self.tell(packet) || !is_acknowledged;
                    if let (Some(request), true) = (request, has_it) {
                        self.session.delivered(request).await;
                    }
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

    /// Writes a downlink. One that is larger than the device takes counts as delivered (MQTT 5, 3.1.2.11.4): true.
    fn tell(&mut self, packet: Outgoing) -> bool {
        let pkid = match &packet {
            Outgoing::Publish(_, _, pkid) => *pkid,
            _ => None,
        };
        if self.wire.put(packet) {
            return false;
        }
        metrics::counter!("mqtt_downlinks_dropped_total", "reason" => "too large").increment(1);
        tracing::debug!(device = %self.session.device(), "a downlink is larger than the device takes");
        if let Some(pkid) = pkid {
            self.state.acknowledged(pkid);
        }
        true
    }
}

/// How a device is told that what it sent is no packet.
pub(super) fn goodbye(error: &FrameError) -> Goodbye {
    match error {
        FrameError::TooLarge { .. } => Goodbye::PacketTooLarge,
        FrameError::QosNotSupported => Goodbye::QosNotSupported,
        FrameError::TopicAlias => Goodbye::TopicAliasInvalid,
        FrameError::Protocol(_) | FrameError::UnsupportedVersion(_) => Goodbye::ProtocolError,
        FrameError::Malformed(_) => Goodbye::Malformed,
    }
}

impl Ended {
    /// In metrics.
    pub(super) fn as_str(&self) -> &'static str {
        match self {
            Ended::ByDevice => "by device",
            Ended::Broken => "broken",
            Ended::Silent => "silent",
            Ended::Stalled => "stalled",
            Ended::Refused(code) => match code {
                ConnectCode::UnsupportedVersion => "refused: version",
                ConnectCode::IdentifierRejected => "refused: identifier",
                ConnectCode::BadUserNameOrPassword => "refused: user name or password",
                ConnectCode::NotAuthorized => "refused: not authorized",
                ConnectCode::Unavailable => "refused: unavailable",
                ConnectCode::BadAuthenticationMethod => "refused: authentication method",
                ConnectCode::RateExceeded => "refused: rate",
            },
            Ended::ByServer(goodbye) => match goodbye {
                Goodbye::Malformed => "malformed packet",
                Goodbye::ProtocolError => "protocol error",
                Goodbye::ImplementationSpecific => "not durable",
                Goodbye::ShuttingDown => "shutting down",
                Goodbye::KeepAliveTimeout => "keep-alive",
                Goodbye::TakenOver => "taken over",
                Goodbye::TopicNameInvalid => "topic",
                Goodbye::ReceiveMaximumExceeded => "receive maximum",
                Goodbye::TopicAliasInvalid => "topic alias",
                Goodbye::PacketTooLarge => "packet too large",
                Goodbye::QuotaExceeded => "quota",
                Goodbye::Administrative => "administrative",
                Goodbye::PayloadFormatInvalid => "payload",
                Goodbye::QosNotSupported => "quality of service",
                Goodbye::MaximumConnectTime => "connect time",
            },
        }
    }
}
