//! Conversations with a server, line by line.

use super::*;
use crate::broker::publish::{Credentials, Protocol};
use crate::target::Target;
use mqtt::packet::Secret;

fn publish(smtp: &Smtp) -> Publish {
    Publish {
        target: Target::broker("smtp://a.test").expect("a server"),
        credentials: Some(Credentials {
            username: Secret("user".to_owned()),
            password: Some(Secret("word".to_owned())),
        }),
        topic: "b@c.test, D <d@c.test>".to_owned(),
        payload: "hello".into(),
        protocol: Protocol::Smtp(smtp.clone()),
        connect_timeout: Duration::from_secs(1),
        timeout: Duration::from_secs(1),
        tls: None,
        proxy: None,
    }
}

fn smtp(start_tls: bool) -> Smtp {
    Smtp {
        from: "a@c.test".to_owned(),
        bcc: "hidden@c.test".to_owned(),
        subject: "Wärme".to_owned(),
        start_tls,
        ..Smtp::default()
    }
}

/// The server says something; what is understood, and what is said to it.
fn tell(speech: &mut SmtpSpeech, said: &str) -> (Result<Option<Heard>, String>, String) {
    let (mut said, mut out) = (BytesMut::from(said), BytesMut::new());
    let heard = speech.hear(&mut said, &mut out);
    (heard, String::from_utf8_lossy(&out).into_owned())
}

/// A conversation: what the server says, and what it must hear then.
fn talk(speech: &mut SmtpSpeech, lines: &[(&str, &str)]) {
    for (said, answer) in lines {
        let (heard, out) = tell(speech, &format!("{said}\r\n"));
        assert_eq!((heard, out.as_str()), (Ok(None), format!("{answer}\r\n").as_str()), "{said}");
    }
}

fn let_in() -> SmtpSpeech {
    let mut speech = SmtpSpeech::new(&publish(&smtp(false)), &smtp(false));
    talk(
        &mut speech,
        &[
            ("220 a.test", "EHLO localhost"),
            ("250-a.test\r\n250 AUTH LOGIN PLAIN", "AUTH PLAIN AHVzZXIAd29yZA=="),
        ],
    );
    assert_eq!(tell(&mut speech, "235 welcome\r\n").0, Ok(Some(Heard::LetIn)));
    speech
}

#[test]
fn a_login_waits_for_tls_where_it_should() {
    let mut speech = SmtpSpeech::new(&publish(&smtp(true)), &smtp(true));
    talk(
        &mut speech,
        &[
            ("220 a.test", "EHLO localhost"),
            ("250-a.test\r\n250-AUTH PLAIN\r\n250 STARTTLS", "STARTTLS"),
        ],
    );
    // What came in the clear behind it is not heard as if it were secret (CVE-2011-0411).
    let mut said = BytesMut::from("220 go on\r\n250-a.test\r\n250 AUTH PLAIN\r\n");
    let mut out = BytesMut::new();
    assert_eq!(speech.hear(&mut said, &mut out), Ok(Some(Heard::Secret)));
    assert!(said.is_empty() && out.is_empty());
    speech.secret(&mut out);
    assert_eq!(&out[..], b"EHLO localhost\r\n");
    talk(
        &mut speech,
        &[
            ("250-a.test\r\n250 AUTH LOGIN", "AUTH LOGIN"),
            ("334 VXNlcm5hbWU6", "dXNlcg=="),
            ("334 UGFzc3dvcmQ6", "d29yZA=="),
        ],
    );
    let (heard, _) = tell(&mut speech, "535 no\r\n");
    assert_eq!(heard, Ok(Some(Heard::Refused("535 no".to_owned()))));

    for (greeting, hello) in [("220 a", "250 AUTH PLAIN"), ("220 a", "502 no"), ("554 no", "")] {
        let mut speech = SmtpSpeech::new(&publish(&smtp(true)), &smtp(true));
        let first = tell(&mut speech, &format!("{greeting}\r\n")).0;
        let second = tell(&mut speech, &format!("{hello}\r\n")).0;
        let refused = [first, second]
            .into_iter()
            .any(|heard| matches!(heard, Ok(Some(Heard::Refused(_)))));
        assert!(refused, "{greeting} {hello}: no word in the clear");
    }
}

#[test]
fn mails_are_handed_over_one_after_the_other() {
    let mut speech = let_in();
    let letter = letter(&publish(&smtp(false)), &smtp(false));
    let mut out = BytesMut::new();
    speech.say(3, &letter, &mut out).expect("said");
    speech.say(1, &letter, &mut out).expect("said");
    assert_eq!(&out[..], b"MAIL FROM:<a@c.test>\r\n", "the second one waits");
    talk(
        &mut speech,
        &[
            ("250 ok", "RCPT TO:<b@c.test>"),
            ("250 ok", "RCPT TO:<d@c.test>"),
            ("250-ok\r\n250 ok", "RCPT TO:<hidden@c.test>"),
            ("251 ok", "DATA"),
        ],
    );
    let (heard, text) = tell(&mut speech, "354 go on\r\n");
    assert_eq!(heard, Ok(None));
    assert!(
        text.ends_with("Content-Transfer-Encoding: base64\r\n\r\naGVsbG8=\r\n.\r\n"),
        "{text}"
    );
    assert!(
        text.contains("\r\nTo: b@c.test,\r\n D <d@c.test>\r\n") && text.contains("\r\nSubject: =?utf-8?B?V8Okcm1l?=\r\n"),
        "{text}"
    );
    assert!(!text.contains("hidden"), "{text}");
    let (heard, out) = tell(&mut speech, "250 taken\r\n");
    assert_eq!(
        (heard, out.as_str()),
        (Ok(Some(Heard::Answered(3, Ok(Answer::Acknowledged)))), "MAIL FROM:<a@c.test>\r\n")
    );
    // A receiver that there is not fails the mail, and the next one begins anew.
    talk(&mut speech, &[("250 ok", "RCPT TO:<b@c.test>"), ("550 nobody", "RSET")]);
    let (heard, _) = tell(&mut speech, "250 ok\r\n");
    assert_eq!(heard, Ok(Some(Heard::Answered(1, Err("550 nobody".to_owned())))));
    let mut out = BytesMut::new();
    speech.ping(&mut out);
    assert_eq!(&out[..], b"NOOP\r\n");
    assert_eq!(tell(&mut speech, "250 ok\r\n").0, Ok(Some(Heard::Alive)));
    assert!(tell(&mut speech, "421 bye\r\n").0.is_err(), "nobody asked");
}

#[test]
fn what_is_no_conversation_ends_it() {
    for said in [
        "HTTP/1.1 400 Bad Request\r\n",
        "22\r\n",
        "220x\r\n",
        "999 x\r\n",
        "+OK x\r\n",
        "\r\n",
        "ä20 x\r\n",
    ] {
        let mut speech = SmtpSpeech::new(&publish(&smtp(false)), &smtp(false));
        assert!(tell(&mut speech, said).0.is_err(), "{said:?}");
    }
    let mut speech = SmtpSpeech::new(&publish(&smtp(false)), &smtp(false));
    assert!(tell(&mut speech, &"x".repeat(ANSWER_BYTES_MAX + 1)).0.is_err());
    assert!(tell(&mut speech, &"220-x\r\n".repeat(ANSWER_BYTES_MAX)).0.is_err());
    assert_eq!(tell(&mut speech, "220-x\r\n22").0, Ok(None), "it is waited for");
}
