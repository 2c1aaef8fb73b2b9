//! Conversations with a broker, byte by byte.

use super::*;
use crate::broker::publish::{Credentials, Protocol};
use mqtt::packet::Secret;

fn kafka() -> Kafka {
    Kafka {
        more: Vec::new(),
        client_id: String::new(),
        key: None,
        spread: 0,
        headers: Vec::new(),
        all_replicas: true,
        compression: Compression::None,
        mechanism: Mechanism::Plain,
    }
}

fn speech(login: Option<(&str, &str)>, kafka: &Kafka) -> KafkaSpeech {
    let credentials = login.map(|(user, password)| Credentials {
        username: Secret(user.to_owned()),
        password: Some(Secret(password.to_owned())),
    });
    let publish = Publish {
        target: Target::broker("kafka://a.test").expect("a broker"),
        credentials,
        topic: "t".to_owned(),
        payload: Bytes::new(),
        protocol: Protocol::Kafka(kafka.clone()),
        connect_timeout: Duration::from_secs(1),
        timeout: Duration::from_secs(1),
        tls: None,
        proxy: None,
    };
    KafkaSpeech::new(&publish, kafka)
}

fn answer(number: i32, body: impl FnOnce(&mut BytesMut)) -> BytesMut {
    let mut out = BytesMut::new();
    out.put_i32(0);
    out.put_i32(number);
    body(&mut out);
    let len = i32::try_from(out.len() - 4).expect("short");
    out[..4].copy_from_slice(&len.to_be_bytes());
    out
}

/// An answer with an error, and the versions of some requests.
fn versions(error: i16, of: &[(i16, i16, i16)]) -> BytesMut {
    answer(OWN, |out| {
        out.put_i16(error);
        out.put_i32(i32::try_from(of.len()).expect("few"));
        for (api, least, most) in of {
            out.put_i16(*api);
            out.put_i16(*least);
            out.put_i16(*most);
        }
    })
}

const SPOKEN: [(i16, i16, i16); 3] = [(0, 3, 12), (3, 0, 13), (18, 0, 4)];

fn tell(speech: &mut KafkaSpeech, mut said: BytesMut) -> (Result<Option<Heard>, String>, BytesMut) {
    let mut out = BytesMut::new();
    let heard = speech.hear(&mut said, &mut out);
    (heard, out)
}

fn let_in() -> KafkaSpeech {
    let mut speech = speech(None, &kafka());
    let mut out = BytesMut::new();
    speech.greet(&mut out);
    assert_eq!(&out[..], b"\0\0\0\x15\0\x12\0\0\0\x0f\x42\x40\0\x0bpacificsoft");
    assert_eq!(tell(&mut speech, versions(0, &SPOKEN)).0, Ok(Some(Heard::LetIn)));
    speech
}

#[test]
fn a_login_is_shown_as_the_broker_takes_it() {
    let mut speech = speech(Some(("user", "word")), &kafka());
    speech.greet(&mut BytesMut::new());
    let (heard, out) = tell(&mut speech, versions(0, &SPOKEN));
    assert_eq!(heard, Ok(None));
    assert!(out.ends_with(b"\0\x05PLAIN"));
    let taken = |error: i16| {
        answer(OWN, |out| {
            out.put_i16(error);
            out.put_i32(1);
            wire::text(out, "SCRAM-SHA-512");
        })
    };
    let (heard, out) = tell(&mut speech, taken(0));
    assert_eq!(heard, Ok(None));
    assert!(out.ends_with(b"\0\0\0\x0a\0user\0word"));
    let let_in = answer(OWN, |out| out.extend_from_slice(&[0, 0, 0xff, 0xff, 0, 0, 0, 0]));
    assert_eq!(tell(&mut speech, let_in).0, Ok(Some(Heard::LetIn)));

    let mut other = self::speech(Some(("user", "word")), &kafka());
    other.greet(&mut BytesMut::new());
    let _ = tell(&mut other, versions(0, &SPOKEN));
    let told = tell(&mut other, taken(33)).0;
    assert!(
        matches!(&told, Ok(Some(Heard::Refused(why))) if why.contains("SCRAM-SHA-512")),
        "{told:?}"
    );
}

#[test]
fn a_broker_that_speaks_other_versions_is_left() {
    for told in [versions(35, &SPOKEN), versions(0, &[(0, 0, 2), (3, 0, 1)]), versions(0, &[])] {
        let mut speech = speech(None, &kafka());
        speech.greet(&mut BytesMut::new());
        assert!(matches!(tell(&mut speech, told).0, Ok(Some(Heard::Refused(_)))));
    }
}

/// Throttled, brokers, cluster, controller, one topic with an error and partitions: number and leader.
fn topic(error: i16, brokers: &[(i32, &str, i32)], partitions: &[(i32, i32)]) -> BytesMut {
    answer(5, |out| {
        out.put_i32(0);
        out.put_i32(i32::try_from(brokers.len()).expect("few"));
        for (id, host, port) in brokers {
            out.put_i32(*id);
            wire::text(out, host);
            out.put_i32(*port);
            out.put_i16(-1);
        }
        out.put_i16(-1);
        out.put_i32(1);
        out.put_i32(1);
        out.put_i16(error);
        wire::text(out, "t");
        out.put_i8(0);
        out.put_i32(i32::try_from(partitions.len()).expect("few"));
        for (number, leader) in partitions {
            out.put_i16(0);
            out.put_i32(*number);
            out.put_i32(*leader);
            out.put_i32(1);
            out.put_i32(*leader);
            out.put_i32(0);
        }
    })
}

#[test]
fn who_has_a_partition_is_read_strictly() {
    let mut speech = let_in();
    let ask = Letter::Kafka(Ask::Topic("t".to_owned()));
    let brokers = [(1, "b.test", 9093), (2, "127.1", 9092), (3, "c.test", 22)];
    speech.say(5, &ask, &mut BytesMut::new()).expect("said");
    let (heard, _) = tell(&mut speech, topic(0, &brokers, &[(0, 1), (1, 2), (2, 3), (3, -1)]));
    let Ok(Some(Heard::Answered(5, Ok(Answer::Topic(Topic(partitions)))))) = heard else {
        panic!("{heard:?}");
    };
    let leaders: Vec<_> = partitions.iter().map(|one| one.leader.as_ref().map(Target::origin)).collect();
    assert_eq!(leaders[0], Ok("kafka://b.test:9093".to_owned()));
    for (leader, says) in leaders[1..].iter().zip(["neither the name", "port 22"]) {
        assert!(matches!(leader, Err(Nobody::Named(why)) if why.contains(says)), "{leader:?}");
    }
    assert_eq!(leaders[3], Err(&Nobody::Now));
    for (error, again) in [(3, true), (5, true), (17, false), (29, false), (-1, false)] {
        speech.say(5, &ask, &mut BytesMut::new()).expect("said");
        let (heard, _) = tell(&mut speech, topic(error, &brokers, &[]));
        let moved = matches!(&heard, Ok(Some(Heard::Answered(5, Ok(Answer::Moved(_))))));
        let refused = matches!(&heard, Ok(Some(Heard::Answered(5, Err(_)))));
        assert_eq!((moved, refused), (again, !again), "{error}: {heard:?}");
    }
}

fn append(codec: Compression) -> Letter {
    Letter::Kafka(Ask::Append(Append {
        topic: "t".to_owned(),
        partition: 2,
        batch: "batch".into(),
        codec,
        all_replicas: true,
        timeout: Duration::from_secs(2),
    }))
}

fn taken(number: i32, error: i16) -> BytesMut {
    answer(number, |out| {
        out.put_i32(1);
        wire::text(out, "t");
        out.put_i32(1);
        out.put_i32(2);
        out.put_i16(error);
        out.put_i64(42);
        out.put_i64(-1);
        out.put_i32(0);
    })
}

#[test]
fn a_record_in_zstandard_is_said_in_a_version_that_has_it() {
    let mut speech = let_in();
    for codec in [Compression::None, Compression::Gzip, Compression::Snappy, Compression::Lz4] {
        let mut out = BytesMut::new();
        assert_eq!(speech.refuses(&append(codec)), None);
        speech.say(4, &append(codec), &mut out).expect("said");
        assert_eq!(out[4..8], [0, 0, 0, 3], "{codec:?}");
        assert!(out.ends_with(b"\0\0\0\x05batch"));
        assert_eq!(tell(&mut speech, taken(4, 0)).0, Ok(Some(Heard::Answered(4, Ok(Answer::At(42))))));
    }
    let zstd = append(Compression::Zstd);
    let mut out = BytesMut::new();
    assert_eq!(speech.refuses(&zstd), None);
    speech.say(4, &zstd, &mut out).expect("said");
    assert_eq!(out[4..8], [0, 0, 0, 7]);
    let told = answer(4, |out| {
        out.put_i32(1);
        wire::text(out, "t");
        out.put_i32(1);
        out.put_i32(2);
        out.put_i16(0);
        out.put_i64(42);
        out.put_i64(-1);
        // Where the partition begins.
        out.put_i64(7);
        out.put_i32(0);
    });
    assert_eq!(tell(&mut speech, told).0, Ok(Some(Heard::Answered(4, Ok(Answer::At(42))))));
    speech.say(4, &zstd, &mut BytesMut::new()).expect("said");
    let cut = answer(4, |out| {
        out.put_i32(1);
        wire::text(out, "t");
        out.put_i32(1);
        out.extend_from_slice(&[0; 22]);
    });
    assert!(tell(&mut speech, cut).0.is_err(), "an older version's answer");

    let mut older = self::speech(None, &kafka());
    older.greet(&mut BytesMut::new());
    assert_eq!(tell(&mut older, versions(0, &[(0, 3, 6), (3, 0, 6)])).0, Ok(Some(Heard::LetIn)));
    assert!(older.refuses(&zstd).is_some_and(|why| why.contains("2.1")));
    assert_eq!(older.refuses(&append(Compression::Lz4)), None);
}

#[test]
fn answers_are_taken_in_the_order_of_what_was_asked() {
    let append = || append(Compression::None);
    let mut speech = let_in();
    let mut out = BytesMut::new();
    speech.say(4, &append(), &mut out).expect("said");
    assert!(
        out[..].windows(8).any(|bytes| bytes == b"\xff\xff\xff\xff\0\0\x07\xd0"),
        "no transaction, all replicas, two seconds"
    );
    speech.say(1, &append(), &mut out).expect("said");
    speech.ping(&mut out);
    assert_eq!(tell(&mut speech, taken(4, 0)).0, Ok(Some(Heard::Answered(4, Ok(Answer::At(42))))));
    let (heard, _) = tell(&mut speech, taken(1, 10));
    assert!(
        matches!(&heard, Ok(Some(Heard::Answered(1, Err(why)))) if why.contains("larger")),
        "{heard:?}"
    );
    assert_eq!(tell(&mut speech, versions(0, &SPOKEN)).0, Ok(Some(Heard::Alive)));
    assert!(tell(&mut speech, taken(1, 0)).0.is_err(), "nobody asked");
    let mut speech = let_in();
    speech.say(4, &append(), &mut out).expect("said");
    assert!(tell(&mut speech, taken(5, 0)).0.is_err(), "another one was asked");
}

#[test]
fn what_is_no_conversation_ends_it() {
    for said in [
        &b"HTTP/1.1 400 Bad Request\r\n\r\n"[..],
        b"\0\0\0\0",
        b"\0\0\0\x03\0\0\0",
        b"\xff\xff\xff\xff",
        b"\0\x20\0\0",
        b"\0\0\0\x04\0\x0f\x42\x40",
        b"\0\0\0\x0a\0\x0f\x42\x40\0\0\x7f\xff\xff\xff",
    ] {
        let mut speech = speech(None, &kafka());
        speech.greet(&mut BytesMut::new());
        assert!(tell(&mut speech, said.into()).0.is_err(), "{said:?}");
    }
    // Answers with some bytes changed: nothing but what they are is made of them.
    let mut numbers = 0x9e37_79b9_7f4a_7c15_u64;
    for _ in 0..20_000 {
        let mut said = topic(0, &[(1, "b.test", 9093)], &[(0, 1), (1, 1)]);
        for _ in 0..3 {
            numbers = numbers.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let place = usize::try_from(numbers >> 40).expect("small") % said.len();
            said[place] = numbers.to_le_bytes()[3];
        }
        let mut speech = let_in();
        speech
            .say(5, &Letter::Kafka(Ask::Topic("t".to_owned())), &mut BytesMut::new())
            .expect("said");
        let _ = tell(&mut speech, said);
    }
    // Half of an answer is waited for.
    let whole = versions(0, &SPOKEN);
    for len in 0..whole.len() {
        let mut speech = speech(None, &kafka());
        speech.greet(&mut BytesMut::new());
        assert_eq!(tell(&mut speech, whole.clone().split_to(len)).0, Ok(None), "{len}");
    }
}
