//! Framing. `rumqttd`'s protocol module does the reading and writing; what it does not check is checked here, and what it would panic
//! at never reaches it.
//!
//! 1. [`frame`] – the outer form of packets; 3.1 as 3.1.1,
//! 2. [`properties`] – those of MQTT 5,
//! 3. [`alias`] – numbers that stand for topics,
//! 4. [`write`] – our packets in the library's words.

mod alias;
pub(crate) mod frame;
pub(crate) mod properties;
mod write;

use bytes::{Bytes, BytesMut};
use rumqttd::protocol::{self, ConnectProperties, Login, Packet, Protocol};

use self::alias::TopicAliases;
use self::frame::Header;
use crate::packet::{Connect, Incoming, Outgoing, Publish, Secret, Subscribe, Version};

/// Reads and writes packets of one connection.
pub trait FrameCodec: Send {
    /// Takes a packet from the front of the buffer. None: it is not complete.
    ///
    /// # Errors
    /// [`FrameError`]: the connection cannot go on.
    fn decode(&mut self, buffer: &mut BytesMut) -> Result<Option<Incoming>, FrameError>;

    /// Appends a packet. False: it is larger than the device takes, and is left out (MQTT 5, 3.1.2.11.4).
    fn encode(&self, packet: Outgoing, buffer: &mut BytesMut) -> bool;

    /// The version the device speaks; 3.1.1 until it is known.
    fn version(&self) -> Version;
}

/// Why a connection cannot go on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// Larger than a packet may be.
    #[error("a packet of {len} bytes is larger than the {max} allowed")]
    TooLarge {
        /// Bytes it has.
        len: usize,
        /// Bytes it may have.
        max: usize,
    },
    /// A version that is not served.
    #[error("protocol level {0} is not served")]
    UnsupportedVersion(u8),
    /// Quality 2.
    #[error("quality of service 2 is not served")]
    QosNotSupported,
    /// A number for a topic that is not one.
    #[error("a topic alias that is out of range")]
    TopicAlias,
    /// Not MQTT, or not at this place.
    #[error("{0}")]
    Protocol(&'static str),
    /// Cannot be read.
    #[error("malformed packet: {0}")]
    Malformed(String),
}

/// [`FrameCodec`] by `rumqttd`.
pub struct RumqttCodec {
    version: Option<Version>,
    packet_bytes_max: usize,
    /// What the device takes.
    told_bytes_max: usize,
    aliases: TopicAliases,
}

impl RumqttCodec {
    /// For a new connection: its first packet decides about the version.
    pub fn new(packet_bytes_max: usize) -> Self {
        RumqttCodec {
            version: None,
            packet_bytes_max,
            told_bytes_max: usize::MAX,
            aliases: TopicAliases::default(),
        }
    }

    /// The packet of a frame, as the library reads it.
    fn read(&self, frame: BytesMut, header: &Header) -> Result<Packet, FrameError> {
        let mut frame = frame;
        let read = match self.version() {
            Version::V31 if header.packet_type == 1 => {
                protocol::v4::V4.read_mut(&mut frame::as_v311(&frame, header.header_len), self.packet_bytes_max)
            }
            Version::V31 | Version::V311 => protocol::v4::V4.read_mut(&mut frame, self.packet_bytes_max),
            Version::V5 => protocol::v5::V5.read_mut(&mut frame, self.packet_bytes_max),
        };
        read.map_err(|error| FrameError::Malformed(error.to_string()))
    }

    fn understand(&mut self, header: &Header, frame: BytesMut) -> Result<Incoming, FrameError> {
        if header.packet_type == 14 {
            // Whatever it says, the device goes.
            return Ok(Incoming::Disconnect);
        }
        let (qos, pkid) = if header.packet_type == 3 {
            frame::publish_header(header, &frame)?
        } else {
            (0, 0)
        };
        let body_len = header.total_len - header.header_len;
        match (header.packet_type, self.version()) {
            (4, Version::V31 | Version::V311) if body_len != 2 => {
                return Err(FrameError::Malformed("a PUBACK of another length".to_owned()));
            }
            (12, _) if body_len != 0 => return Err(FrameError::Malformed("a PINGREQ with a body".to_owned())),
            _ => {}
        }
        if header.packet_type == 8 {
            frame::subscription_options(header, &frame, self.version())?;
        }
        if self.version() == Version::V5 {
            properties::check(header, &frame)?;
        }
        match self.read(frame, header)? {
            Packet::Connect(connect, properties, will, _, login) => {
                // It is not kept, and must be well-formed all the same (MQTT 3.1.1, 3.1.3.2).
                will.map(|will| topic(will.topic)).transpose()?;
                self.connect(connect, properties, login).map(Incoming::Connect)
            }
            Packet::Publish(publish, properties) => {
                let alias = match properties {
                    Some(properties) if !properties.subscription_identifiers.is_empty() => {
                        return Err(FrameError::Protocol("a subscription identifier, which only servers send"));
                    }
                    Some(properties) => properties.topic_alias,
                    None => None,
                };
                let topic = self.aliases.resolve(topic(publish.topic)?, alias)?;
                Ok(Incoming::Publish(Publish {
                    qos,
                    pkid,
                    topic,
                    payload: publish.payload,
                }))
            }
            Packet::PubAck(ack, _) if ack.pkid == 0 => Err(FrameError::Protocol("an acknowledgement without packet identifier")),
            Packet::PubAck(ack, _) => Ok(Incoming::PubAck(ack.pkid)),
            Packet::Subscribe(subscribe, properties) => {
                if subscribe.filters.is_empty() || subscribe.pkid == 0 {
                    return Err(FrameError::Protocol("a subscription without filter or packet identifier"));
                }
                subscribe.filters.iter().try_for_each(|filter| well_formed(&filter.path))?;
                let filters = subscribe.filters.into_iter();
                Ok(Incoming::Subscribe(Subscribe {
                    pkid: subscribe.pkid,
                    filters: filters.map(|filter| (filter.path, filter.qos as u8)).collect(),
                    identified: properties.is_some_and(|properties| properties.id.is_some()),
                }))
            }
            Packet::Unsubscribe(unsubscribe, _) => {
                if unsubscribe.filters.is_empty() || unsubscribe.pkid == 0 {
                    return Err(FrameError::Protocol("an unsubscription without filter or packet identifier"));
                }
                unsubscribe.filters.iter().try_for_each(|filter| well_formed(filter))?;
                Ok(Incoming::Unsubscribe(unsubscribe.pkid, unsubscribe.filters))
            }
            Packet::PingReq(_) => Ok(Incoming::PingReq),
            _ => Err(FrameError::Protocol("a packet that only servers send")),
        }
    }

    fn connect(
        &mut self,
        connect: protocol::Connect,
        properties: Option<ConnectProperties>,
        login: Option<Login>,
    ) -> Result<Connect, FrameError> {
        let (username, password) = login.map_or((String::new(), String::new()), |login| (login.username, login.password));
        if [&connect.client_id, &username].iter().any(|text| text.contains('\0')) {
            return Err(FrameError::Malformed("a text with U+0000".to_owned()));
        }
        let mut understood = Connect {
            client_id: connect.client_id,
            username: Some(username).filter(|name| !name.is_empty()),
            password: Some(password).filter(|password| !password.is_empty()).map(Secret),
            clean_start: connect.clean_session,
            keep_alive_s: connect.keep_alive,
            receive_max: u16::MAX,
            problem_information: self.version() == Version::V5,
            authentication_method: false,
        };
        if let Some(properties) = properties {
            if properties.receive_maximum == Some(0) || properties.max_packet_size == Some(0) {
                return Err(FrameError::Protocol("a maximum of 0"));
            }
            understood.receive_max = properties.receive_maximum.unwrap_or(u16::MAX);
            understood.problem_information = properties.request_problem_info != Some(0);
            understood.authentication_method = properties.authentication_method.is_some();
            if let Some(max) = properties.max_packet_size {
                self.told_bytes_max = usize::try_from(max).unwrap_or(usize::MAX);
            }
        }
        Ok(understood)
    }
}

impl FrameCodec for RumqttCodec {
    fn decode(&mut self, buffer: &mut BytesMut) -> Result<Option<Incoming>, FrameError> {
        let Some(header) = frame::header(buffer)? else { return Ok(None) };
        if header.total_len > self.packet_bytes_max {
            return Err(FrameError::TooLarge {
                len: header.total_len,
                max: self.packet_bytes_max,
            });
        }
        match (header.packet_type, self.version) {
            (1, None) | (3 | 4 | 8 | 10 | 12 | 14, Some(_)) => {}
            (5..=7, Some(_)) => return Err(FrameError::QosNotSupported),
            (_, None) => return Err(FrameError::Protocol("the first packet is not CONNECT")),
            (1, Some(_)) => return Err(FrameError::Protocol("a second CONNECT")),
            (15, Some(Version::V5)) => return Err(FrameError::Protocol("AUTH, though no method was agreed on")),
            _ => return Err(FrameError::Protocol("a packet that only servers send")),
        }
        let flags_fixed = match (header.packet_type, self.version) {
            (3, _) => header.flags,
            // 3.1 has a mark for packets that are sent again here.
            (8 | 10, Some(Version::V31)) => 0b0010 | (header.flags & 0b1000),
            (8 | 10, _) => 0b0010,
            _ => 0,
        };
        if header.flags != flags_fixed {
            return Err(FrameError::Malformed("reserved bits are set".to_owned()));
        }
        // No room is made for what is only announced: the length is a stranger's word, and the buffer grows with what comes.
        if buffer.len() < header.total_len {
            return Ok(None);
        }
        let frame = buffer.split_to(header.total_len);
        if self.version.is_none() {
            self.version = Some(frame::version(&frame[header.header_len..])?);
        }
        self.understand(&header, frame).map(Some)
    }

    fn encode(&self, packet: Outgoing, buffer: &mut BytesMut) -> bool {
        let version = self.version();
        let Some(packet) = write::packet(packet, version, self.packet_bytes_max) else {
            return true;
        };
        let before = buffer.len();
        let written = match version {
            Version::V31 | Version::V311 => protocol::v4::V4.write(packet, buffer),
            Version::V5 => protocol::v5::V5.write(packet, buffer),
        };
        if let Err(error) = written {
            tracing::error!(%error, "a packet could not be written");
            buffer.truncate(before);
            return false;
        }
        // The library writes a byte behind DISCONNECT that is no part of it.
        if let Ok(Some(header)) = frame::header(&buffer[before..]) {
            buffer.truncate(before + header.total_len);
        }
        let fits = buffer.len() - before <= self.told_bytes_max;
        if !fits {
            buffer.truncate(before);
        }
        fits
    }

    fn version(&self) -> Version {
        self.version.unwrap_or(Version::V311)
    }
}

/// Whether a text is a topic filter: wildcards fill their level, and `#` stands last (MQTT 3.1.1, 4.7.1 and 4.7.3).
fn well_formed(filter: &str) -> Result<(), FrameError> {
    let levels = filter.split('/').count();
    let good = |(index, level): (usize, &str)| match level {
        "+" => true,
        "#" => index + 1 == levels,
        other => !other.contains(['+', '#']),
    };
    if filter.is_empty() || filter.contains('\0') || !filter.split('/').enumerate().all(good) {
        return Err(FrameError::Malformed("a topic filter that is none".to_owned()));
    }
    Ok(())
}

fn topic(bytes: Bytes) -> Result<String, FrameError> {
    let topic = String::from_utf8(bytes.into()).map_err(|_| FrameError::Malformed("a topic that is not UTF-8".to_owned()))?;
    if topic.contains(['+', '#', '\0']) {
        return Err(FrameError::Malformed("a topic with wildcards or U+0000".to_owned()));
    }
    Ok(topic)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    /// What is read of a CONNECT of a version and a packet behind it.
    fn second(level: u8, packet: &[u8]) -> Result<Option<Incoming>, FrameError> {
        let mut codec = RumqttCodec::new(1 << 16);
        let properties: &[u8] = if level == 5 { &[0] } else { &[] };
        let body = [&b"\0\x04MQTT"[..], &[level, 2, 0, 60], properties, b"\0\x01c"].concat();
        let mut bytes = BytesMut::from(&[&[0x10, u8::try_from(body.len()).unwrap()][..], &body, packet].concat()[..]);
        assert!(matches!(codec.decode(&mut bytes), Ok(Some(Incoming::Connect(_)))));
        codec.decode(&mut bytes)
    }

    #[test]
    fn what_is_written_is_as_long_as_it_says() {
        use crate::packet::{Accepted, AckCode, ConnectCode, Goodbye, Granted};
        for version in [Version::V31, Version::V311, Version::V5] {
            let codec = RumqttCodec {
                version: Some(version),
                ..RumqttCodec::new(1 << 16)
            };
            for packet in [
                Outgoing::Accepted(Accepted::default()),
                Outgoing::Refused(ConnectCode::NotAuthorized),
                Outgoing::PubAck(7, AckCode::Success, None),
                Outgoing::PubAck(7, AckCode::PayloadFormatInvalid, Some("why".into())),
                Outgoing::SubAck(7, vec![Granted::Quality(1), Granted::TopicFilterInvalid]),
                Outgoing::UnsubAck(7, vec![true, false]),
                Outgoing::PingResp,
                Outgoing::Publish("t".to_owned(), Bytes::from_static(b"{}"), Some(7)),
                Outgoing::Publish("t".to_owned(), Bytes::from(vec![0; 300]), None),
                Outgoing::Disconnect(Goodbye::Malformed),
            ] {
                let mut buffer = BytesMut::new();
                assert!(codec.encode(packet.clone(), &mut buffer));
                let total = frame::header(&buffer).unwrap().map_or(0, |header| header.total_len);
                assert_eq!(buffer.len(), total, "{version:?} {packet:?}");
            }
        }
    }

    #[test]
    fn filters_are_read_when_they_are_some() {
        for (filter, good) in [
            ("a/b", true),
            ("/", true),
            ("+", true),
            ("#", true),
            ("+/a/#", true),
            ("$share/group/a", true),
            ("", false),
            ("a\0", false),
            ("a+", false),
            ("a/#/b", false),
            ("a#", false),
        ] {
            assert_eq!(well_formed(filter).is_ok(), good, "{filter:?}");
        }
    }

    #[test]
    fn a_byte_order_mark_is_a_character() {
        let topic = "\u{feff}t";
        let Ok(Some(Incoming::Publish(publish))) = second(4, &[&[0x30, 6, 0, 4][..], topic.as_bytes()].concat()) else {
            panic!("a publish")
        };
        assert_eq!(publish.topic, topic);
    }
}
