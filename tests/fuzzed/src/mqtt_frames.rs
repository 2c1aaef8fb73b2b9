//! Frames of MQTT in three versions, beside another codec.
//!
//! Input: a byte that says which version, and whether a CONNECT goes before; a byte that says in what pieces the rest arrives; the rest. What
//! is checked: pieces make no difference; no memory is taken for what is only announced; whatever is read here, another codec reads too, and
//! it means the same. What is refused here may be read there: this codec is the stricter one.

use bytes::BytesMut;
use mqtt::packet::{Incoming, Version};
use mqtt::{FrameCodec as _, FrameError, RumqttCodec};
use rmqtt_codec::{v3, v5};
use tokio_util::codec::Decoder as _;

/// Bytes of a packet at most.
const PACKET_BYTES_MAX: usize = 1 << 16;

/// See the module.
pub fn run(data: &[u8]) {
    let Some(([how, pieces], rest)) = data.split_first_chunk::<2>() else {
        return;
    };
    let hello = if how & 0x80 == 0 { connect(3 + how % 3) } else { Vec::new() };
    let bytes = [&hello[..], rest].concat();
    let (read, error, version) = read(bytes.chunks(bytes.len().max(1)));
    let in_pieces = self::read(bytes.chunks(1 + usize::from(pieces % 32)));
    assert_eq!(
        (&read, &error),
        (&in_pieces.0, &in_pieces.1),
        "pieces make a difference: {bytes:02x?}"
    );
    if let Some(version) = version {
        compare(&bytes, &read, version);
    }
}

/// What devices say.
pub fn seeds() -> Vec<Vec<u8>> {
    let property = |level: u8, properties: &[u8]| {
        if level == 5 {
            [&[u8::try_from(properties.len()).unwrap()], properties].concat()
        } else {
            vec![]
        }
    };
    let mut seeds = Vec::new();
    for how in 0..3 {
        let level = 3 + how;
        let plain = property(level, &[]);
        let packets = [
            frame(0x32, &[&b"\0\x05topic\0\x07"[..], &plain, b"{\"a\":1}"].concat()),
            frame(
                0x30,
                &[
                    &b"\0\x01t"[..],
                    &property(level, &[0x23, 0, 3, 0x02, 0, 0, 0, 9, 0x26, 0, 1, b'k', 0, 1, b'v']),
                    b"x",
                ]
                .concat(),
            ),
            frame(0x82, &[&b"\0\x08"[..], &plain, b"\0\x03a/+\x01\0\x01b\0"].concat()),
            frame(0xA2, &[&b"\0\x09"[..], &plain, b"\0\x03a/+\0\x01b"].concat()),
            frame(0x40, b"\0\x01"),
            frame(0x40, if level == 5 { b"\0\x01\x10\0" } else { b"\0\x01" }),
            frame(0xC0, b""),
            frame(0xE0, if level == 5 { b"\x04\0" } else { b"" }),
        ];
        seeds.extend(packets.iter().map(|packet| [&[how, 2][..], packet].concat()));
        seeds.push([&[how, 0][..], &packets.concat()].concat());
        let will = [
            &connect(level)[2..8 + usize::from(level == 3) * 2],
            &[level, 0xEE, 0, 60],
            &property(level, &[0x21, 0, 9, 0x27, 0, 0, 1, 0, 0x11, 0, 0, 0, 1]),
            b"\0\x06client",
            &plain,
            b"\0\x04will\0\x04gone\0\x04name\0\x08password",
        ];
        seeds.push([&[0x80 | how, 3][..], &frame(0x10, &will.concat()), &packets[0]].concat());
    }
    seeds
}

/// A CONNECT of a level with a client id and a user name.
fn connect(level: u8) -> Vec<u8> {
    let name: &[u8] = if level == 3 { b"\0\x06MQIsdp" } else { b"\0\x04MQTT" };
    let properties: &[u8] = if level == 5 { &[0] } else { &[] };
    frame(0x10, &[name, &[level, 0x82, 0, 60], properties, b"\0\x01c\0\x05token"].concat())
}

/// A packet of less than 128 bytes.
fn frame(first: u8, body: &[u8]) -> Vec<u8> {
    [&[first, u8::try_from(body.len()).unwrap()][..], body].concat()
}

/// What this codec reads, until it is at an end.
fn read<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> (Vec<Incoming>, Option<FrameError>, Option<Version>) {
    let mut codec = RumqttCodec::new(PACKET_BYTES_MAX);
    let (mut buffer, mut packets, mut sent) = (BytesMut::new(), Vec::new(), 0);
    for piece in pieces {
        buffer.extend_from_slice(piece);
        sent += piece.len();
        loop {
            match codec.decode(&mut buffer) {
                Ok(Some(packet)) => packets.push(packet),
                Ok(None) => break,
                Err(error) => return (packets, Some(error), Some(codec.version())),
            }
        }
        assert!(
            buffer.capacity() <= 4 * sent + 256,
            "{} bytes are kept of {sent}",
            buffer.capacity()
        );
    }
    let version = (!packets.is_empty()).then(|| codec.version());
    (packets, None, version)
}

/// What a packet says, whoever has read it. Empty names and passwords count as none.
#[derive(Debug, PartialEq)]
enum Meaning {
    Connect(String, Option<String>, Option<Vec<u8>>, bool, u16, u16),
    Publish(u8, u16, Option<String>, Vec<u8>),
    PubAck(u16),
    Subscribe(u16, Vec<(String, u8)>),
    Unsubscribe(u16, Vec<String>),
    PingReq,
    Disconnect,
}

fn compare(bytes: &[u8], packets: &[Incoming], version: Version) {
    let mut buffer = BytesMut::from(bytes);
    let (mut old, mut new) = (v3::Codec::new(0), v5::Codec::new(0, 0));
    for packet in packets {
        if version == Version::V31 {
            as_v311(&mut buffer);
        }
        // A message that expires after no time at all: the standard does not forbid it, the other codec does (MQTT 5, 3.3.2.3.3).
        let expired = buffer.windows(5).any(|five| five == [0x02, 0, 0, 0, 0]);
        let theirs = match version {
            Version::V5 => new.decode(&mut buffer).map(|read| read.map(|(packet, _)| of_v5(packet))),
            Version::V31 | Version::V311 => old.decode(&mut buffer).map(|read| read.map(|(packet, _)| of_v3(packet))),
        };
        // A good-bye is not read here, since the device goes whatever it says.
        if *packet == Incoming::Disconnect {
            return;
        }
        // Without client id and clean session: told why after CONNECT is read (MQTT 3.1.1, 3.1.3.1), or allowed (5).
        let nameless = matches!(packet, Incoming::Connect(connect) if connect.client_id.is_empty() && !connect.clean_start);
        if (expired || nameless) && theirs.is_err() {
            return;
        }
        let Ok(Some(Some(theirs))) = theirs else {
            panic!("{packet:?} is read here alone ({theirs:?}): {bytes:02x?}")
        };
        let numbered = matches!(theirs, Meaning::Publish(_, _, None, _));
        assert_eq!(of_ours(packet, numbered), theirs, "{bytes:02x?}");
    }
}

/// 3.1 has a mark where 3.1.1 has reserved bits: in SUBSCRIBE and UNSUBSCRIBE that are sent again, and in the flags of CONNECT. The other
/// codec reads 3.1 as 3.1.1.
fn as_v311(buffer: &mut [u8]) {
    match buffer.first() {
        Some(0x8A | 0xAA) => buffer[0] &= !0x08,
        Some(0x10) => {
            let header = 1 + buffer[1..].iter().position(|byte| byte & 0x80 == 0).unwrap() + 1;
            buffer[header + 9] &= !1;
        }
        _ => {}
    }
}

/// `numbered`: the topic has a number, and what that stands for the other codec does not know.
fn of_ours(packet: &Incoming, numbered: bool) -> Meaning {
    match packet {
        Incoming::Connect(connect) => Meaning::Connect(
            connect.client_id.clone(),
            connect.username.clone(),
            connect.password.as_ref().map(|password| password.0.clone().into_bytes()),
            connect.clean_start,
            connect.keep_alive_s,
            connect.receive_max,
        ),
        Incoming::Publish(publish) => Meaning::Publish(
            publish.qos,
            publish.pkid,
            (!numbered).then(|| publish.topic.clone()),
            publish.payload.to_vec(),
        ),
        Incoming::PubAck(pkid) => Meaning::PubAck(*pkid),
        Incoming::Subscribe(subscribe) => Meaning::Subscribe(subscribe.pkid, subscribe.filters.clone()),
        Incoming::Unsubscribe(pkid, filters) => Meaning::Unsubscribe(*pkid, filters.clone()),
        Incoming::PingReq => Meaning::PingReq,
        Incoming::Disconnect => Meaning::Disconnect,
    }
}

fn text(text: impl AsRef<str>) -> Option<String> {
    Some(text.as_ref().to_owned()).filter(|text| !text.is_empty())
}

fn of_v3(packet: v3::Packet) -> Option<Meaning> {
    Some(match packet {
        v3::Packet::Connect(connect) => Meaning::Connect(
            connect.client_id.to_string(),
            connect.username.and_then(text),
            connect
                .password
                .map(|password| password.to_vec())
                .filter(|password| !password.is_empty()),
            connect.clean_session,
            connect.keep_alive,
            u16::MAX,
        ),
        v3::Packet::Publish(publish) => Meaning::Publish(
            publish.qos.value(),
            publish.packet_id.map_or(0, Into::into),
            Some(publish.topic.to_string()),
            publish.payload.to_vec(),
        ),
        v3::Packet::PublishAck { packet_id } => Meaning::PubAck(packet_id.get()),
        v3::Packet::Subscribe { packet_id, topic_filters } => {
            let filters = topic_filters.into_iter().map(|(filter, qos)| (filter.to_string(), qos.value()));
            Meaning::Subscribe(packet_id.get(), filters.collect())
        }
        v3::Packet::Unsubscribe { packet_id, topic_filters } => {
            Meaning::Unsubscribe(packet_id.get(), topic_filters.iter().map(ToString::to_string).collect())
        }
        v3::Packet::PingRequest => Meaning::PingReq,
        v3::Packet::Disconnect => Meaning::Disconnect,
        _ => return None,
    })
}

fn of_v5(packet: v5::Packet) -> Option<Meaning> {
    Some(match packet {
        v5::Packet::Connect(connect) => Meaning::Connect(
            connect.client_id.to_string(),
            connect.username.and_then(text),
            connect
                .password
                .map(|password| password.to_vec())
                .filter(|password| !password.is_empty()),
            connect.clean_start,
            connect.keep_alive,
            connect.receive_max.map_or(u16::MAX, Into::into),
        ),
        v5::Packet::Publish(publish) => {
            let numbered = publish
                .properties
                .as_ref()
                .is_some_and(|properties| properties.topic_alias.is_some());
            Meaning::Publish(
                publish.qos.value(),
                publish.packet_id.map_or(0, Into::into),
                (!numbered).then(|| publish.topic.to_string()),
                publish.payload.to_vec(),
            )
        }
        v5::Packet::PublishAck(ack) => Meaning::PubAck(ack.packet_id.get()),
        v5::Packet::Subscribe(subscribe) => {
            let filters = subscribe.topic_filters.into_iter();
            let filters = filters.map(|(filter, options)| (filter.to_string(), options.qos.value()));
            Meaning::Subscribe(subscribe.packet_id.get(), filters.collect())
        }
        v5::Packet::Unsubscribe(unsubscribe) => Meaning::Unsubscribe(
            unsubscribe.packet_id.get(),
            unsubscribe.topic_filters.iter().map(ToString::to_string).collect(),
        ),
        v5::Packet::PingRequest => Meaning::PingReq,
        v5::Packet::Disconnect(_) => Meaning::Disconnect,
        _ => return None,
    })
}
