//! Conversations with a broker, byte by byte.

use super::*;
use crate::broker::publish::{Credentials, Protocol};
use crate::target::Target;
use mqtt::packet::Secret;

fn publish(amqp: &Amqp) -> Publish {
    Publish {
        target: Target::broker("amqp://a.test").expect("a broker"),
        credentials: Some(Credentials {
            username: Secret("user".to_owned()),
            password: Some(Secret("word".to_owned())),
        }),
        topic: "key".to_owned(),
        payload: "hello".into(),
        protocol: Protocol::Amqp(amqp.clone()),
        connect_timeout: Duration::from_secs(1),
        timeout: Duration::from_secs(1),
        tls: None,
        proxy: None,
    }
}

fn method(channel: u16, method: (u16, u16), arguments: &[u8]) -> BytesMut {
    let mut out = BytesMut::new();
    say(&mut out, channel, method, |out| out.extend_from_slice(arguments));
    out
}

/// What a broker says first: version, nothing of itself, ways to log in, languages.
fn start(ways: &[u8]) -> BytesMut {
    let mut arguments = BytesMut::from(&[0, 9, 0, 0, 0, 0][..]);
    long(&mut arguments, ways);
    long(&mut arguments, b"en_US");
    method(0, START, &arguments)
}

/// Says something to this side; answers what was understood, and what this side says.
fn tell(speech: &mut AmqpSpeech, mut said: BytesMut) -> (Result<Option<Heard>, String>, BytesMut) {
    let mut out = BytesMut::new();
    let heard = speech.hear(&mut said, &mut out);
    (heard, out)
}

fn has(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

/// One that is let in, into frames of so many bytes.
fn let_in(amqp: &Amqp, frame_bytes: u32) -> AmqpSpeech {
    let mut speech = AmqpSpeech::new(&publish(amqp), amqp);
    let mut out = BytesMut::new();
    speech.greet(&mut out);
    assert_eq!(&out[..], PROTOCOL);
    let (heard, out) = tell(&mut speech, start(b"AMQPLAIN PLAIN"));
    assert_eq!(heard, Ok(None));
    assert!(has(&out, b"\0user\0word") && has(&out, b"Pacificsoft"), "{out:?}");
    let mut tune = BytesMut::from(&[0x7f, 0xff][..]);
    tune.put_u32(frame_bytes);
    tune.put_u16(10);
    let (heard, out) = tell(&mut speech, method(0, TUNE, &tune));
    assert_eq!(heard, Ok(None));
    assert!(has(&out, b"\0\x0a\0\x28\x01/\0\0"), "opens the virtual host: {out:?}");
    assert_eq!(speech.silence_max(), Duration::from_secs(5));
    assert_eq!(tell(&mut speech, method(0, OPEN_OK, &[0])).0, Ok(None));
    assert_eq!(tell(&mut speech, method(1, CHANNEL_OPEN_OK, &[0; 4])).0, Ok(None));
    let (heard, _) = tell(&mut speech, method(1, SELECT_OK, &[]));
    assert_eq!(heard, Ok(Some(Heard::LetIn)));
    speech
}

fn amqp() -> Amqp {
    Amqp {
        exchange: "place".to_owned(),
        virtual_host: "/".to_owned(),
        ..Amqp::default()
    }
}

#[test]
fn messages_are_confirmed_one_by_one_or_together() {
    let mut speech = let_in(&amqp(), 0);
    let letter = letter(&publish(&amqp()), &amqp());
    let mut out = BytesMut::new();
    for number in [7, 3, 9, 1] {
        speech.say(number, &letter, &mut out).expect("said");
    }
    assert!(has(&out, b"\0\x3c\0\x28\0\0\x05place\x03key\0"), "{out:?}");
    let confirm = |how, number: u64, flags: u8| method(1, how, &[&number.to_be_bytes()[..], &[flags]].concat());
    let (heard, _) = tell(&mut speech, confirm(ACK, 2, 0));
    assert_eq!(heard, Ok(Some(Heard::Answered(3, Ok(Answer::Acknowledged)))));
    let (heard, _) = tell(&mut speech, confirm(NACK, 3, 1));
    assert!(matches!(heard, Ok(Some(Heard::Answered(7, Err(_))))), "{heard:?}");
    let (heard, _) = tell(&mut speech, BytesMut::new());
    assert!(matches!(heard, Ok(Some(Heard::Answered(9, Err(_))))), "{heard:?}");
    // One that nobody sent, and one that was answered before.
    for number in [2, 99] {
        assert_eq!(tell(&mut speech, confirm(ACK, number, 0)).0, Ok(None));
    }
    let (heard, _) = tell(&mut speech, confirm(ACK, 0, 1));
    assert_eq!(heard, Ok(Some(Heard::Answered(1, Ok(Answer::Acknowledged)))), "zero means all");
    let mut beat = BytesMut::new();
    speech.ping(&mut beat);
    assert_eq!(&beat[..], b"\x08\0\0\0\0\0\0\xce");
    assert_eq!(tell(&mut speech, beat).0, Ok(Some(Heard::Alive)));
}

#[test]
fn a_message_is_cut_into_frames_as_the_broker_wants_them() {
    let mut speech = let_in(&amqp(), 4096);
    let large = Publish {
        payload: vec![b'x'; 10_000].into(),
        ..publish(&amqp())
    };
    let mut out = BytesMut::new();
    speech.say(1, &letter(&large, &amqp()), &mut out).expect("said");
    let mut kinds = Vec::new();
    while let Some(frame) = wire::frame(&mut out, 4096).expect("frames") {
        kinds.push((frame.kind, frame.body.len()));
    }
    assert_eq!(kinds[0].0, METHOD);
    assert_eq!(kinds[1], (HEADER, 14), "no properties");
    assert_eq!(kinds[2..], [(BODY, 4088), (BODY, 4088), (BODY, 1824)]);
}

#[test]
fn properties_stand_in_the_order_of_their_bits() {
    let with = Amqp {
        content_type: "text/plain".to_owned(),
        persistent: Some(true),
        priority: Some(4),
        headers: vec![("a".to_owned(), "b".to_owned())],
        ..amqp()
    };
    let mut out = BytesMut::new();
    let Letter::Amqp(message) = letter(&publish(&with), &with) else {
        panic!()
    };
    message.properties(&mut out);
    assert_eq!(&out[..], b"\xb8\0\x0atext/plain\0\0\0\x08\x01aS\0\0\0\x01b\x02\x04");
}

#[test]
fn a_broker_says_why_it_does_not_go_on() {
    let close = |which| {
        let mut arguments = BytesMut::from(&[0x01, 0x94][..]);
        short(&mut arguments, "NOT_FOUND - no exchange");
        arguments.put_u32(0);
        method(1, which, &arguments)
    };
    let mut speech = AmqpSpeech::new(&publish(&amqp()), &amqp());
    let refused = Ok(Some(Heard::Refused("404 NOT_FOUND - no exchange".to_owned())));
    assert_eq!(tell(&mut speech, close(CLOSE)).0, refused);
    let mut speech = let_in(&amqp(), 0);
    assert_eq!(
        tell(&mut speech, close(CHANNEL_CLOSE)).0,
        Err("404 NOT_FOUND - no exchange".to_owned())
    );
    let mut speech = AmqpSpeech::new(&publish(&amqp()), &amqp());
    assert!(matches!(tell(&mut speech, start(b"EXTERNAL")).0, Ok(Some(Heard::Refused(_)))));
}

#[test]
fn what_is_no_conversation_ends_it() {
    for said in [
        &b"AMQP\x00\x00\x09\x00"[..],
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"\x01\0\0\xff\xff\xff\xff",
        b"\x01\0\0\0\0\0\x01\0\0",
        b"\x02\0\x01\0\0\0\0\xce",
        b"\x01\0\0\0\0\0\x01\0\xce",
    ] {
        let mut speech = AmqpSpeech::new(&publish(&amqp()), &amqp());
        assert!(tell(&mut speech, said.into()).0.is_err(), "{said:?}");
    }
    // Words that come at another time.
    let mut speech = let_in(&amqp(), 0);
    assert!(tell(&mut speech, start(b"PLAIN")).0.is_err());
    let mut speech = AmqpSpeech::new(&publish(&amqp()), &amqp());
    assert!(tell(&mut speech, method(1, ACK, &[0; 9])).0.is_err());
    // Half of a word is waited for.
    for len in 0..start(b"PLAIN").len() {
        let mut speech = AmqpSpeech::new(&publish(&amqp()), &amqp());
        assert_eq!(tell(&mut speech, start(b"PLAIN").split_to(len)).0, Ok(None), "{len}");
    }
}
