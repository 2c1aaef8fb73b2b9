//! What a client says in each version, and what it makes of the answers, whole, cut and changed.

use super::*;
use crate::codec::{FrameCodec, RumqttCodec};
use crate::packet::Incoming;

type Row = (&'static [u8], Result<Option<Heard>, ()>);

fn login() -> Login {
    Login {
        version: Version::V311,
        client_id: "c".to_owned(),
        username: Some(Secret("u".to_owned())),
        password: Some(Secret("p".to_owned())),
        clean_session: true,
        keep_alive_s: 60,
    }
}

/// What this side writes, the other side reads.
fn read_back(written: &mut BytesMut) -> Vec<Incoming> {
    let mut codec = RumqttCodec::new(1 << 20);
    let mut all = Vec::new();
    while let Some(packet) = codec.decode(written).expect("well-formed") {
        all.push(packet);
    }
    assert!(written.is_empty());
    all
}

#[test]
fn a_server_reads_what_a_client_writes() {
    for version in [Version::V311, Version::V31, Version::V5] {
        let mut out = BytesMut::new();
        Login { version, ..login() }.write(&mut out);
        publish(&mut out, version, 7, "a/b", b"{}", false);
        publish(&mut out, version, u16::MAX, "long", &[b'x'; 20_000], true);
        ping(&mut out);
        disconnect(&mut out);
        let all = read_back(&mut out);
        assert!(
            matches!(&all[0], Incoming::Connect(connect) if connect.client_id == "c" && connect.username.as_deref() == Some("u")
                && connect.password == Some(Secret("p".to_owned())) && connect.clean_start && connect.keep_alive_s == 60),
            "{all:?}"
        );
        assert!(
            matches!(&all[1], Incoming::Publish(one) if (one.qos, one.pkid, one.topic.as_str(), &one.payload[..]) == (1, 7, "a/b", b"{}"))
        );
        assert!(matches!(&all[2], Incoming::Publish(one) if one.pkid == u16::MAX && one.payload.len() == 20_000));
        assert_eq!(all[3..], [Incoming::PingReq, Incoming::Disconnect]);
    }
}

#[test]
fn a_password_needs_a_user_name() {
    let mut out = BytesMut::new();
    Login { username: None, ..login() }.write(&mut out);
    assert_eq!(&out[..], b"\x10\x0d\0\x04MQTT\x04\x02\0\x3c\0\x01c");
    assert!(!format!("{:?}", login()).contains("\"p\""));
}

#[test]
fn answers_are_understood_and_nothing_else() {
    let acknowledged = |pkid| Ok(Some(Heard::Acknowledged(pkid)));
    let refused = |text: &str| Ok(Some(Heard::Refused(text.to_owned())));

    let cases: [Row; 23] = [
        (b"", Ok(None)),
        (b"\x20", Ok(None)),
        (b"\x20\x02\0", Ok(None)),
        (b"\x20\x02\0\0", Ok(Some(Heard::Accepted(Terms::default())))),
        (b"\x20\x02\x01\0", Ok(Some(Heard::Accepted(Terms::default())))),
        (b"\x20\x02\0\x05", refused("the client is not authorised")),
        (b"\x20\x02\0\x04", refused("user name or password are wrong")),
        (b"\x20\x02\0\x77", refused("return code 119")),
        (b"\x20\x02\x02\0", refused("return code 0")),
        (b"\x20\x03\0\0\0", Err(())),
        (b"\x21\x02\0\0", Err(())),
        (b"\x40\x02\x01\x02", acknowledged(0x102)),
        (b"\x40\x02\0\0", Err(())),
        (b"\x40\x03\x01\x02\0", Err(())),
        (b"\x40\x00", Err(())),
        (b"\xd0\0", Ok(Some(Heard::Pong))),
        (b"\xd0\x01\0", Err(())),
        (b"\x32\x05\0\x01a\0\x01", Err(())),
        (b"\x50\x02\0\x01", Err(())),
        (b"\xe0\0", Err(())),
        (b"\xf0\0", Err(())),
        (b"\x20\xff\xff\xff\xff", Err(())),
        (b"\x20\xff\x01", Err(())),
    ];
    for (bytes, expected) in cases {
        let mut buffer = BytesMut::from(bytes);
        assert_eq!(read(Version::V311, &mut buffer).map_err(drop), expected, "{bytes:02x?}");
    }
    let mut two = BytesMut::from(&b"\x40\x02\0\x01\xd0\0\x40"[..]);
    assert_eq!(read(Version::V311, &mut two), Ok(Some(Heard::Acknowledged(1))));
    assert_eq!(read(Version::V311, &mut two), Ok(Some(Heard::Pong)));
    assert_eq!((read(Version::V311, &mut two), two.len()), (Ok(None), 1));
}

#[test]
fn a_topic_is_one_place() {
    for (topic, fine) in [
        ("a", true),
        ("/a b/ö", true),
        ("", false),
        ("a/+", false),
        ("#", false),
        ("a\0", false),
    ] {
        assert_eq!(is_topic(topic), fine, "{topic:?}");
    }
    assert!(!is_topic(&"x".repeat(TEXT_BYTES_MAX + 1)));
}

#[test]
fn a_client_of_mqtt_5_says_what_it_takes_and_how_long_it_is_known() {
    let mut out = BytesMut::new();
    let five = Login {
        version: Version::V5,
        ..login()
    };
    five.write(&mut out);
    publish(&mut out, Version::V5, 7, "a", b"{}", true);
    assert_eq!(
        &out[..],
        b"\x10\x1e\0\x04MQTT\x05\xc2\0\x3c\x0a\x11\0\0\0\0\x27\0\0\x10\0\0\x01c\0\x01u\0\x01p\x33\x08\0\x01a\0\x07\0{}"
    );
    out.clear();
    let kept = Login {
        username: None,
        clean_session: false,
        ..five
    };
    kept.write(&mut out);
    assert_eq!(
        &out[..],
        b"\x10\x1b\0\x04MQTT\x05\x40\0\x3c\x0a\x11\xff\xff\xff\xff\x27\0\0\x10\0\0\x01c\0\x01p",
        "a password goes alone"
    );
}

/// What a broker of MQTT 5 may say, and what it may not.
fn answers_of_5() -> Vec<Row> {
    let acknowledged = |pkid| Ok(Some(Heard::Acknowledged(pkid)));
    let untaken = |pkid, text: &str| Ok(Some(Heard::Untaken(pkid, text.to_owned())));
    let refused = |text: &str| Ok(Some(Heard::Refused(text.to_owned())));
    let ended = |text: &str| Ok(Some(Heard::Ended(text.to_owned())));
    let accepted = |terms| Ok(Some(Heard::Accepted(terms)));
    let terms = Terms::default;
    vec![
        (b"\x20\x03\0\0\0", accepted(terms())),
        (b"\x20\x03\x01\0\0", accepted(terms())),
        (
            b"\x20\x10\0\0\x0d\x21\0\x05\x27\0\0\x01\0\x25\0\x13\0\x0a",
            accepted(Terms {
                in_flight_max: 5,
                packet_bytes_max: 256,
                retains: false,
                keep_alive_s: Some(10),
            }),
        ),
        // What does not matter to who publishes: expiry, aliases, a client id, wildcards, identifiers, shared ones, and words of any kind.
        (
            b"\x20\x1c\0\0\x19\x11\0\0\0\x09\x22\0\x0a\x12\0\x01c\x28\0\x29\0\x2a\0\x26\0\x01k\0\x01v",
            accepted(terms()),
        ),
        (b"\x20\x05\0\0\x02\x25\x01", accepted(terms())),
        (b"\x20\x05\0\0\x02\x24\x01", accepted(terms())),
        (
            b"\x20\x05\0\0\x02\x24\0",
            refused("it takes messages of quality 0 only, which nobody acknowledges: have it take quality 1"),
        ),
        (b"\x20\x03\0\x87\0", refused("the client is not authorised")),
        (b"\x20\x02\0\x86", refused("user name or password are wrong")),
        (b"\x20\x02\0\x01", refused("it does not speak this version of MQTT")),
        (b"\x20\x03\0\xee\0", refused("reason code 0xee")),
        (b"\x20\x09\0\x88\x06\x1f\0\x03a\nb", refused("it is not available (it says: a b)")),
        (b"\x20\x02\0\0", Err(())),
        (b"\x20\x03\x02\0\0", Err(())),
        (b"\x20\x03\0\x02\0", Err(())),
        (b"\x20\x04\0\0\0\0", Err(())),
        (b"\x20\x03\0\0\x01", Err(())),
        (b"\x20\x06\0\0\x03\x21\0\0", Err(())),
        (b"\x20\x08\0\0\x05\x27\0\0\0\0", Err(())),
        (b"\x20\x05\0\0\x02\x24\x02", Err(())),
        (b"\x20\x07\0\0\x04\x25\x01\x25\x01", Err(())),
        (b"\x20\x06\0\0\x03\x23\0\x01", Err(())),
        (b"\x20\x05\0\0\x02\x21\0", Err(())),
        (b"\x20\x07\0\0\x04\x1f\0\x01\xff", Err(())),
        (b"\x21\x03\0\0\0", Err(())),
        (b"\x40\x02\x01\x02", acknowledged(0x102)),
        (b"\x40\x03\0\x01\0", acknowledged(1)),
        (b"\x40\x03\0\x01\x10", acknowledged(1)),
        (b"\x40\x04\0\x01\x10\0", acknowledged(1)),
        (b"\x40\x03\0\x01\x97", untaken(1, "a quota is used up")),
        (
            b"\x40\x10\0\x01\x87\x0c\x1f\0\x02no\x26\0\x01k\0\x01v",
            untaken(1, "the client is not authorised (it says: no)"),
        ),
        (b"\x40\x03\0\x01\x01", Err(())),
        (b"\x40\x02\0\0", Err(())),
        (b"\x40\x01\0", Err(())),
        (b"\x40\x05\0\x01\x87\x02\x1f", Err(())),
        (b"\x40\x06\0\x01\x87\x02\x25\x01", Err(())),
        (b"\x40\x05\0\x01\0\0\0", Err(())),
        (b"\xd0\0", Ok(Some(Heard::Pong))),
        (b"\xd0\x01\0", Err(())),
        (b"\xe0\0", ended("it ends the conversation")),
        (b"\xe0\x01\x8b", ended("it is shutting down")),
        (b"\xe0\x02\x98\0", ended("somebody has ended it by hand")),
        (
            b"\xe0\x0b\x8e\x09\x1f\0\x02by\x1c\0\x01s",
            ended("another client has taken the client id over (it says: by)"),
        ),
        (b"\xe1\0", Err(())),
        (b"\xe0\x02\x8b\x01", Err(())),
        (b"\xe0\x07\x8b\x05\x11\0\0\0\0", Err(())),
        (b"\xf0\0", Err(())),
        (b"\xf0\x02\x18\0", Err(())),
        (b"\x32\x06\0\x01a\0\x01\0", Err(())),
        (b"\x90\x04\0\x01\0\0", Err(())),
        (b"\x20\x81\x20", Err(())),
    ]
}

#[test]
fn answers_of_mqtt_5_are_understood_and_nothing_else() {
    for (bytes, expected) in answers_of_5() {
        let mut buffer = BytesMut::from(bytes);
        assert_eq!(read(Version::V5, &mut buffer).map_err(drop), expected, "{bytes:02x?}");
    }
}

/// Cut short, cut short and told to be whole, and with any byte exchanged for any other: an answer or an error, no panic.
#[test]
fn whatever_a_broker_says_is_survived() {
    let versions = [Version::V31, Version::V311, Version::V5];
    for (bytes, _) in answers_of_5() {
        for end in 0..bytes.len() {
            let cut = &bytes[..end];
            for version in versions {
                assert_eq!(read(version, &mut BytesMut::from(cut)).ok().flatten(), None, "{cut:02x?}");
            }
            if end >= 2 && bytes[1] < 0x80 {
                let mut whole = BytesMut::from(cut);
                whole[1] = u8::try_from(end - 2).expect("short");
                let _ = read(Version::V5, &mut whole);
            }
            for other in 0..=u8::MAX {
                let mut changed = BytesMut::from(bytes);
                changed[end] = other;
                for version in versions {
                    let _ = read(version, &mut changed.clone());
                }
            }
        }
    }
}

#[test]
fn a_brokers_words_have_a_length() {
    let mut said = vec![0x20, 0xdb, 0x07, 0, 0x80, 0xd7, 0x07, 0x1f, 0x03, 0xd4];
    said.extend([b'x'; 980]);
    let told = read(Version::V5, &mut BytesMut::from(&said[..]));
    let Ok(Some(Heard::Refused(text))) = told else { panic!("{told:?}") };
    assert!(text.starts_with("it does not say why (it says: xxx") && text.len() < 250, "{text}");
}

#[test]
fn what_a_broker_does_not_take_is_told_before_it_is_said() {
    let topic = "a/b";
    for version in [Version::V311, Version::V5] {
        for payload in [
            vec![b'x'; 20],
            vec![b'x'; 118],
            vec![b'x'; 119],
            vec![b'x'; 120],
            vec![b'x'; 16_400],
        ] {
            let mut out = BytesMut::new();
            publish(&mut out, version, 1, topic, &payload, false);
            let taking = |packet_bytes_max| Terms {
                packet_bytes_max,
                ..Terms::default()
            };
            assert_eq!(taking(out.len()).refusal(version, topic, &payload, true), None);
            let told = taking(out.len() - 1).refusal(version, topic, &payload, false).expect("too large");
            assert!(told.contains("bytes at most"), "{told}");
        }
    }
    let keeps_none = Terms {
        retains: false,
        ..Terms::default()
    };
    assert_eq!(keeps_none.refusal(Version::V5, topic, b"{}", false), None);
    let told = keeps_none.refusal(Version::V5, topic, b"{}", true).expect("it is to be kept");
    assert!(told.contains("keeps no messages"), "{told}");
}
