//! Conversations with a center, byte by byte.

use super::*;
use crate::broker::publish::{Alphabet, Credentials, Numbering, Protocol, SmppVersion};
use crate::target::Target;
use mqtt::packet::Secret;

fn publish(topic: &str, text: &str, smpp: &Smpp) -> Publish {
    Publish {
        target: Target::broker("smpp://a.test").expect("a center"),
        credentials: Some(Credentials {
            username: Secret("user".to_owned()),
            password: Some(Secret("hunter2".to_owned())),
        }),
        topic: topic.to_owned(),
        payload: text.to_owned().into(),
        protocol: Protocol::Smpp(smpp.clone()),
        connect_timeout: Duration::from_secs(1),
        timeout: Duration::from_secs(1),
        tls: None,
        proxy: None,
    }
}

fn full() -> Smpp {
    Smpp {
        version: SmppVersion::V33,
        bind: SmppBind::Transceiver,
        system_type: "VMS".to_owned(),
        address_range: "555.*".to_owned(),
        service_type: "CMT".to_owned(),
        source: "House".to_owned(),
        source_numbering: Numbering { ton: 5, npi: 0 },
        destination_numbering: Numbering { ton: 1, npi: 2 },
        alphabet: Alphabet::Latin1,
    }
}

/// What this side says first.
fn greeting(smpp: &Smpp) -> BytesMut {
    let mut out = BytesMut::new();
    SmppSpeech::new(&publish("1", "", smpp), smpp).greet(&mut out);
    out
}

/// The bytes of a PDU without a body.
fn pdu(command: u32, status: u32, sequence: u32) -> Vec<u8> {
    [16, command, status, sequence].map(u32::to_be_bytes).concat()
}

/// The center says something; what is understood, and what is said to it.
fn tell(speech: &mut SmppSpeech, said: &[u8]) -> (Result<Option<Heard>, String>, Vec<u8>) {
    let (mut said, mut out) = (BytesMut::from(said), BytesMut::new());
    let heard = speech.hear(&mut said, &mut out);
    (heard, out.to_vec())
}

fn fresh() -> SmppSpeech {
    let smpp = Smpp::default();
    let mut speech = SmppSpeech::new(&publish("1", "", &smpp), &smpp);
    speech.greet(&mut BytesMut::new());
    speech
}

fn let_in() -> SmppSpeech {
    let mut speech = fresh();
    // The center says who it is, and which version it speaks.
    let welcome = b"\0\0\0\x1a\x80\0\0\x02\0\0\0\0\0\0\0\x01MELO\0\x02\x10\0\x01\x34";
    assert_eq!(tell(&mut speech, welcome), (Ok(Some(Heard::LetIn)), Vec::new()));
    speech
}

/// The body of a text's PDU.
fn submitted(topic: &str, text: &str, smpp: &Smpp) -> Result<Vec<u8>, String> {
    let publish = publish(topic, text, smpp);
    publish.check().map_err(|error| error.to_string())?;
    match letter(&publish, smpp) {
        Ok(Letter::Smpp(Text(body))) => Ok(body.to_vec()),
        Ok(_) => panic!("a letter of another protocol"),
        Err(error) => panic!("it was checked: {error}"),
    }
}

fn say(speech: &mut SmppSpeech, number: u16) -> Vec<u8> {
    let smpp = Smpp::default();
    let mut out = BytesMut::new();
    let letter = letter(&publish("+12025550100", "hello", &smpp), &smpp).expect("a text");
    speech.say(number, &letter, &mut out).expect("said");
    out.to_vec()
}

#[test]
fn a_login_says_who_and_what() {
    let plain = b"\0\0\0\x22\0\0\0\x02\0\0\0\0\0\0\0\x01user\0hunter2\0\0\x34\0\0\0";
    assert_eq!(&greeting(&Smpp::default())[..], plain);
    // The address range has the numbering of those whom texts are for.
    let all = b"\0\0\0\x2a\0\0\0\x09\0\0\0\0\0\0\0\x01user\0hunter2\0VMS\0\x33\x01\x02555.*\0";
    assert_eq!(&greeting(&full())[..], all);
}

#[test]
fn a_text_has_the_layout_of_the_specification() {
    let plain = b"\0\0\0\0\0\x0012025550100\0\0\0\0\0\0\0\0\0\0\x05hello";
    assert_eq!(submitted("+12025550100", "hello", &Smpp::default()).expect("a text"), plain);
    let all = b"CMT\0\x05\0House\0\x01\x02112\0\0\0\0\0\0\0\0\x03\0\x0521 \xb0C";
    assert_eq!(submitted("112", "21 °C", &full()).expect("a text"), all);
    let ucs2 = Smpp {
        alphabet: Alphabet::Ucs2,
        // Of nobody there is none.
        source_numbering: Numbering { ton: 5, npi: 0 },
        ..Smpp::default()
    };
    let wide = b"\0\0\0\0\0\x00112\0\0\0\0\0\0\0\0\x08\0\x04\0\xb0\x04\x36";
    assert_eq!(submitted("112", "°ж", &ucs2).expect("a text"), wide);
    let mut speech = let_in();
    let head = b"\0\0\0\x31\0\0\0\x04\0\0\0\0\0\0\0\x02";
    assert_eq!(say(&mut speech, 7), [&head[..], plain].concat());
}

#[test]
fn a_long_text_stands_in_a_parameter_that_3_3_has_not() {
    let (v34, v33) = (Smpp::default(), full());
    let whole = |len: usize| "x".repeat(len);
    let short = submitted("1", &whole(254), &v34).expect("a text");
    assert!(short.ends_with(&[&[0, 0, 254][..], whole(254).as_bytes()].concat()), "{short:?}");
    assert!(submitted("1", &whole(254), &v33).is_ok());
    for len in [255, 256, 39_015] {
        let long = submitted("1", &whole(len), &v34).expect("a text");
        let [high, low] = u16::try_from(len).expect("a length").to_be_bytes();
        let end = [&[0, 0, 0, 0x04, 0x24, high, low][..], whole(len).as_bytes()].concat();
        assert!(long.ends_with(&end), "{len}");
        let told = submitted("1", &whole(len), &v33).expect_err("too long");
        assert!(told.contains(&format!("{len} octets")) && told.contains("254"), "{told}");
    }
    // Letters of two octets.
    let told = submitted("1", &"{".repeat(20_000), &v34).expect_err("too long");
    assert!(told.contains("39015 octets"), "{told}");
    assert!(submitted("1", &whole(39_016), &v34).is_err());
    assert!(submitted("1", &"€".repeat(340_000), &v34).is_err());
}

#[test]
fn what_does_not_fit_is_refused_in_words_without_the_password() {
    let with = |change: fn(&mut Publish, &mut Smpp)| {
        let mut smpp = Smpp::default();
        let mut publish = publish("+12025550100", "hello", &smpp);
        change(&mut publish, &mut smpp);
        publish.protocol = Protocol::Smpp(smpp);
        publish.check()
    };
    fn login(user: &str, password: &str) -> Option<Credentials> {
        Some(Credentials {
            username: Secret(user.to_owned()),
            password: Some(Secret(password.to_owned())),
        })
    }
    type Change = fn(&mut Publish, &mut Smpp);
    let good: [Change; 3] = [
        |publish, _| publish.credentials = None,
        |publish, _| publish.credentials = login(&"u".repeat(15), "hunter22"),
        |publish, smpp| {
            publish.topic = "1".repeat(20);
            smpp.system_type = "t".repeat(12);
            smpp.address_range = "r".repeat(40);
            smpp.service_type = "s".repeat(5);
            smpp.source = "a".repeat(20);
        },
    ];
    for (number, change) in good.into_iter().enumerate() {
        assert!(with(change).is_ok(), "{number}");
    }
    let wrong: [(Change, &str); 15] = [
        (|publish, _| publish.credentials = login(&"u".repeat(16), "p"), "system id"),
        (
            |publish, _| publish.credentials = login("u", "hunter2.."),
            "password is longer than the 8",
        ),
        (|publish, _| publish.credentials = login("u", "hunter2\0"), "password has other"),
        (|publish, _| publish.credentials = login("u", "hünter2"), "password has other"),
        (|publish, _| publish.credentials = login("u\0", "p"), "system id"),
        (|_, smpp| smpp.system_type = "t".repeat(13), "system type is longer than the 12"),
        (|_, smpp| smpp.address_range = "r".repeat(41), "address range is longer than the 40"),
        (|_, smpp| smpp.service_type = "s".repeat(6), "service type is longer than the 5"),
        (|_, smpp| smpp.source = "a".repeat(21), "source address is longer than the 20"),
        (|_, smpp| smpp.source = "a\0b".to_owned(), "source address has other"),
        (|publish, _| publish.topic = String::new(), "no number"),
        (|publish, _| publish.topic = "1".repeat(21), "no number"),
        (|publish, _| publish.topic = "+1\x002".to_owned(), "no number"),
        (|publish, _| publish.payload = "21 ж".into(), "'ж'"),
        (|publish, _| publish.payload = vec![0xff, 0xfe].into(), "UTF-8"),
    ];
    for (change, says) in wrong {
        let told = with(change).expect_err(says).to_string();
        assert!(
            told.contains(says) && !told.contains("hunter") && !told.contains("hünter"),
            "{says}: {told}"
        );
    }
    for (url, is_one) in [("smpps://a.test", true), ("smtp://a.test", false), ("mqtt://a.test", false)] {
        let mut other = publish("1", "", &Smpp::default());
        other.target = Target::broker(url).expect("a broker");
        assert_eq!(other.check().is_ok(), is_one, "{url}");
    }
}

#[test]
fn every_part_of_a_login_tells_it_apart_and_no_part_of_a_text() {
    let of = |smpp: &Smpp| fingerprint(&publish("1", "", smpp), smpp);
    let base = Smpp {
        address_range: "5".to_owned(),
        ..Smpp::default()
    };
    let changes: [fn(&mut Smpp); 5] = [
        |smpp| smpp.version = SmppVersion::V33,
        |smpp| smpp.bind = SmppBind::Transceiver,
        |smpp| smpp.system_type = "5".to_owned(),
        |smpp| smpp.address_range = "6".to_owned(),
        |smpp| smpp.destination_numbering.npi = 1,
    ];
    let mut seen = std::collections::HashSet::from([of(&base)]);
    for (number, change) in changes.into_iter().enumerate() {
        let mut other = base.clone();
        change(&mut other);
        assert!(seen.insert(of(&other)), "{number}");
    }
    let plain = Smpp::default();
    let texts = Smpp {
        source: "House".to_owned(),
        service_type: "CMT".to_owned(),
        source_numbering: Numbering { ton: 5, npi: 0 },
        destination_numbering: Numbering { ton: 1, npi: 1 },
        alphabet: Alphabet::Ucs2,
        ..Smpp::default()
    };
    assert_eq!(of(&plain), of(&texts), "one login for all texts");
}

#[test]
fn texts_are_answered_by_their_numbers() {
    let mut speech = let_in();
    let numbers: Vec<Vec<u8>> = [7, 3, 9].map(|number| say(&mut speech, number)[12..16].to_vec()).to_vec();
    assert_eq!(numbers, [[0_u8, 0, 0, 2], [0, 0, 0, 3], [0, 0, 0, 4]]);
    assert_eq!(speech.in_flight_max(), 10);
    // Its answer has the number that the center gave to the text.
    let taken = b"\0\0\0\x15\x80\0\0\x04\0\0\0\0\0\0\0\x031a2b\0";
    assert_eq!(tell(&mut speech, taken).0, Ok(Some(Heard::Answered(3, Ok(Answer::Acknowledged)))));
    let refused = |text: &str| Err(text.to_owned());
    assert_eq!(
        tell(&mut speech, &pdu(0x8000_0004, 0x0b, 2)).0,
        Ok(Some(Heard::Answered(7, refused("0x0000000B (Invalid Dest Addr)"))))
    );
    assert_eq!(
        tell(&mut speech, &pdu(0x8000_0000, 0x03, 4)).0,
        Ok(Some(Heard::Answered(9, refused("0x00000003 (Invalid Command ID)"))))
    );
    // A nack is no acknowledgement, whatever its status.
    say(&mut speech, 1);
    assert_eq!(
        tell(&mut speech, &pdu(0x8000_0000, 0, 5)).0,
        Ok(Some(Heard::Answered(1, refused("0x00000000 (No Error)"))))
    );
    assert!(tell(&mut speech, &pdu(0x8000_0004, 0, 5)).0.is_err(), "it was answered before");
}

#[test]
fn numbers_begin_again_behind_the_highest_one() {
    let mut speech = let_in();
    speech.next = SEQUENCE_MAX;
    for (letter, number) in [(4, [0x7f, 0xff, 0xff, 0xff]), (5, [0, 0, 0, 1])] {
        assert_eq!(say(&mut speech, letter)[12..16], number);
        let answer = pdu(0x8000_0004, 0, u32::from_be_bytes(number));
        assert_eq!(
            tell(&mut speech, &answer).0,
            Ok(Some(Heard::Answered(letter, Ok(Answer::Acknowledged))))
        );
    }
}

#[test]
fn a_login_that_is_refused_says_why() {
    for (said, why) in [
        (pdu(0x8000_0002, 0x0e, 1), "0x0000000E (Invalid Password)"),
        (pdu(0x8000_0002, 0x405, 1), "0x00000405 (of the center's own)"),
        (pdu(0x8000_0000, 0x03, 1), "0x00000003 (Invalid Command ID)"),
        (pdu(0x06, 0, 1), "it ended the conversation"),
    ] {
        assert_eq!(tell(&mut fresh(), &said).0, Ok(Some(Heard::Refused(why.to_owned()))));
    }
    // Nothing else is an answer to a login; nor is the answer to another one.
    for command in [0x8000_0009, 0x8000_0001, 0x8000_0004, 0x8000_0015, 0x05, 0x0b, 0x7fff_ffff] {
        assert!(tell(&mut fresh(), &pdu(command, 0, 1)).0.is_err(), "{command:x}");
    }
    // A center may ask before it has decided.
    let mut speech = fresh();
    let mut said = BytesMut::from(&[pdu(0x15, 0, 9), pdu(0x8000_0002, 0, 1)].concat()[..]);
    let mut out = BytesMut::new();
    assert_eq!(speech.hear(&mut said, &mut out), Ok(Some(Heard::LetIn)), "both came at once");
    assert_eq!(&out[..], pdu(0x8000_0015, 0, 9), "it is answered");
}

#[test]
fn what_a_center_asks_is_answered() {
    let mut speech = let_in();
    let received = |command: u32| [&[0, 0, 0, 17][..], &pdu(command, 0, 6)[4..], &[0]].concat();
    for (said, answer) in [
        (pdu(0x15, 0, 5), pdu(0x8000_0015, 0, 5)),
        // A text of a telephone, whatever it says, and another way to say it.
        (received(0x05), received(0x8000_0005)),
        (received(0x103), received(0x8000_0103)),
        // A telephone is there: that has no answer.
        (pdu(0x102, 0, 7), Vec::new()),
        // What this side does not know.
        (pdu(0x0b, 0, 8), pdu(0x8000_0000, 3, 8)),
        (pdu(0x7fff_ffff, 0, u32::MAX), pdu(0x8000_0000, 3, u32::MAX)),
    ] {
        assert_eq!(tell(&mut speech, &said), (Ok(Some(Heard::Alive)), answer), "{said:?}");
    }
    // Whoever only asks is not answered for ever.
    let asks = pdu(0x15, 0, 1).repeat(100_000);
    let (mut said, mut out) = (BytesMut::from(&asks[..]), BytesMut::new());
    let told = loop {
        match speech.hear(&mut said, &mut out) {
            Ok(Some(Heard::Alive)) => {}
            other => break other,
        }
    };
    assert!(told.is_err() && out.len() < WAITING_BYTES_MAX + 100, "{told:?} {}", out.len());
}

#[test]
fn each_side_asks_whether_the_other_is_there() {
    let mut speech = let_in();
    let mut out = BytesMut::new();
    speech.ping(&mut out);
    assert_eq!(&out[..], pdu(0x15, 0, 2));
    assert_eq!(tell(&mut speech, &pdu(0x8000_0015, 0, 2)), (Ok(Some(Heard::Alive)), Vec::new()));
    // One that does not know the question is there, too.
    speech.ping(&mut out);
    assert_eq!(tell(&mut speech, &pdu(0x8000_0000, 3, 3)).0, Ok(Some(Heard::Alive)));
    let told = tell(&mut speech, &pdu(0x8000_0000, 2, 0)).0;
    assert_eq!(
        told,
        Err("it does not understand: 0x00000002 (Command Length is invalid)".to_owned())
    );
}

#[test]
fn whoever_leaves_says_so() {
    let mut speech = let_in();
    let mut out = BytesMut::new();
    speech.leave(&mut out);
    assert_eq!(&out[..], pdu(0x06, 0, 2));
    let mut speech = let_in();
    assert_eq!(tell(&mut speech, &pdu(0x06, 0, 77)).0, Err("it ended the conversation".to_owned()));
    let mut out = BytesMut::new();
    speech.leave(&mut out);
    assert_eq!(&out[..], pdu(0x8000_0006, 0, 77), "the center's word is answered");
}

/// What a center may say, cut and changed in every way that seeded numbers find: it is understood, or ends the conversation.
#[test]
fn changed_bytes_break_nothing() {
    let honest = [
        pdu(0x8000_0002, 0, 1),
        pdu(0x15, 0, 1),
        b"\0\0\0\x15\x80\0\0\x04\0\0\0\0\0\0\0\x021a2b\0".to_vec(),
        pdu(0x8000_0004, 0x58, 3),
        [
            &[0, 0, 0, 0x30][..],
            &pdu(0x05, 0, 2)[4..],
            b"\0\x01\x01447700900000\0\0\x00112\0\0\0\0\0\0\0\0\0\0\0",
        ]
        .concat(),
        pdu(0x102, 0, 3),
        pdu(0x8000_0000, 3, 0),
        pdu(0x06, 0, 4),
    ]
    .concat();
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut below = |end: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % end as u64).expect("a number")
    };
    for _ in 0..20_000 {
        let mut said = honest.clone();
        for _ in 0..below(4) {
            let at = below(said.len());
            said[at] = [0, 1, 0x10, 0x7f, 0x80, 0xff][below(6)];
        }
        said.truncate(below(said.len() + 1));
        let mut speech = if below(2) == 0 { fresh() } else { let_in() };
        say(&mut speech, 1);
        say(&mut speech, 2);
        let (mut said, mut out) = (BytesMut::from(&said[..]), BytesMut::new());
        let mut answered = Vec::new();
        // An answer to a question during the login is no decision: one more is heard then.
        for _ in 0..honest.len() {
            match speech.hear(&mut said, &mut out) {
                Ok(Some(Heard::Answered(number, _))) => answered.push(number),
                Ok(_) => {}
                Err(reason) => {
                    assert!(!reason.is_empty() && !reason.contains("hunter2"), "{reason}");
                    break;
                }
            }
        }
        answered.sort_unstable();
        assert!([&[][..], &[1], &[2], &[1, 2]].contains(&&answered[..]), "each once: {answered:?}");
    }
}
