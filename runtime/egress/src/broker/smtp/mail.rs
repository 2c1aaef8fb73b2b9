//! A mail as it lies in a mailbox (RFC 5322, 2045, 2047). Pure.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::broker::publish::{Publish, Smtp};
use crate::calendar::utc;
use crate::error::EgressError;

/// Receivers of a mail at most.
const RECEIVERS_MAX: usize = 100;
/// Bytes of an address at most (RFC 5321, section 4.5.3.1).
const ADDRESS_BYTES_MAX: usize = 254;
/// Bytes of a subject at most.
const SUBJECT_BYTES_MAX: usize = 4096;
/// Bytes of a word that is encoded at most, before that.
const WORD_BYTES_MAX: usize = 42;
/// Bytes that a line of an encoded text stands for.
const LINE_BYTES: usize = 57;

/// All who get it.
pub(in crate::broker) fn receivers<'a>(to: &'a str, smtp: &'a Smtp) -> impl Iterator<Item = &'a str> {
    [to, smtp.cc.as_str(), smtp.bcc.as_str()].into_iter().flat_map(listed)
}

/// Addresses of a list.
fn listed(list: &str) -> impl Iterator<Item = &str> {
    list.split(',').map(str::trim).filter(|one| !one.is_empty())
}

/// The address in `Name <address>`.
pub(super) fn bare(written: &str) -> &str {
    let inside = written.trim().strip_suffix('>').and_then(|rest| rest.rsplit_once('<'));
    inside.map_or(written.trim(), |(_, address)| address)
}

/// Whether it can be sent: a line's end in an address or in the subject would be the server's next order, or another header.
pub(in crate::broker) fn check(to: &str, smtp: &Smtp) -> Result<(), EgressError> {
    let invalid = |text: String| Err(EgressError::Invalid(text));
    let count = receivers(to, smtp).count();
    if !(1..=RECEIVERS_MAX).contains(&count) {
        return invalid(format!("a mail has between 1 and {RECEIVERS_MAX} receivers, not {count}"));
    }
    if smtp.subject.len() > SUBJECT_BYTES_MAX || smtp.subject.chars().any(char::is_control) {
        return invalid("the subject is too long, or has control characters".to_owned());
    }
    let answers = Some(smtp.reply_to.as_str()).filter(|text| !text.is_empty());
    for written in [smtp.from.as_str()].into_iter().chain(answers).chain(receivers(to, smtp)) {
        if !is_address(bare(written)) || written.chars().any(char::is_control) {
            let shown: String = written.chars().take(100).collect();
            return invalid(format!("{shown:?} is no address of a mail"));
        }
    }
    Ok(())
}

fn is_address(address: &str) -> bool {
    let fine = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'<' | b'>' | b'(' | b')' | b'"' | b'\\' | b',' | b';' | b':');
    let parts = address.rsplit_once('@');
    address.len() <= ADDRESS_BYTES_MAX
        && address.bytes().all(fine)
        && parts.is_some_and(|(local, domain)| !local.is_empty() && !local.contains('@') && !domain.is_empty())
}

/// Head and body. `id` is no other mail's.
pub(super) fn compose(publish: &Publish, smtp: &Smtp, at_ms: i64, id: &str) -> Vec<u8> {
    let mut text = String::new();
    let mut head = |name: &str, value: &str| {
        if !value.is_empty() {
            let _ = write!(text, "{name}: {value}\r\n");
        }
    };
    let domain = bare(&smtp.from).rsplit('@').next().unwrap_or_default();
    head("Date", &date(at_ms));
    head("From", &written(&smtp.from));
    head("Reply-To", &written(&smtp.reply_to));
    head("To", &listed(&publish.topic).map(written).collect::<Vec<_>>().join(",\r\n "));
    head("Cc", &listed(&smtp.cc).map(written).collect::<Vec<_>>().join(",\r\n "));
    head("Subject", &words(&smtp.subject));
    head("Message-ID", &format!("<{at_ms}.{id}@{domain}>"));
    head("MIME-Version", "1.0");
    head(
        "Content-Type",
        if smtp.html {
            "text/html; charset=utf-8"
        } else {
            "text/plain; charset=utf-8"
        },
    );
    head("Content-Transfer-Encoding", "base64");
    text.push_str("\r\n");
    // Lines of text end so in a mail (RFC 2045, section 6.8).
    let body = String::from_utf8_lossy(&publish.payload)
        .replace("\r\n", "\n")
        .replace('\n', "\r\n");
    for line in body.as_bytes().chunks(LINE_BYTES) {
        let _ = write!(text, "{}\r\n", STANDARD.encode(line));
    }
    text.into_bytes()
}

/// An address with its name, if it has one.
fn written(address: &str) -> String {
    match address.trim().rsplit_once('<') {
        Some((name, _)) if !name.trim().is_empty() => {
            let name = name.trim().trim_matches('"');
            format!("{} <{}>", words(name), bare(address))
        }
        _ => bare(address).to_owned(),
    }
}

/// Text in a header: as it is, or in encoded words where other programs would misread it.
fn words(text: &str) -> String {
    let plain =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b' ' | b'-' | b'_' | b'.' | b'!' | b'\'' | b'/' | b'+' | b'%' | b'#');
    if text.len() <= WORD_BYTES_MAX && text.bytes().all(plain) {
        return text.to_owned();
    }
    let mut all: Vec<String> = Vec::new();
    let mut word = String::new();
    for letter in text.chars() {
        if word.len() + letter.len_utf8() > WORD_BYTES_MAX {
            all.push(std::mem::take(&mut word));
        }
        word.push(letter);
    }
    all.push(word);
    let encoded = all.iter().map(|word| format!("=?utf-8?B?{}?=", STANDARD.encode(word)));
    encoded.collect::<Vec<_>>().join("\r\n ")
}

/// A time as mails have it (RFC 5322, section 3.3).
fn date(at_ms: i64) -> String {
    const DAYS: [&str; 7] = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let name = |names: &[&'static str], at: i64| usize::try_from(at).ok().and_then(|at| names.get(at).copied()).unwrap_or_default();
    let at = utc(at_ms);
    format!(
        "{}, {} {} {} {:02}:{:02}:{:02} +0000",
        name(&DAYS, at.weekday),
        at.day,
        name(&MONTHS, at.month - 1),
        at.year,
        at.hour,
        at.minute,
        at.second
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_mails_have_them() {
        for (at_ms, text) in [
            (0, "Thu, 1 Jan 1970 00:00:00 +0000"),
            (1_772_323_200_000, "Sun, 1 Mar 2026 00:00:00 +0000"),
        ] {
            assert_eq!(date(at_ms), text);
        }
    }

    #[test]
    fn text_beyond_the_plain_is_encoded() {
        assert_eq!(words("High temperature"), "High temperature");
        assert_eq!(words("Wärme"), "=?utf-8?B?V8Okcm1l?=");
        assert_eq!(words("=?utf-8?B?WA==?="), "=?utf-8?B?PT91dGYtOD9CP1dBPT0/PQ==?=");
        let long = words(&"ä".repeat(100));
        assert!(long.lines().all(|line| line.len() <= 76), "{long}");
        assert_eq!(long.lines().count(), 5);
    }

    #[test]
    fn addresses_have_names_or_not() {
        for (given, address, text) in [
            ("a@b.test", "a@b.test", "a@b.test"),
            (" a@b.test ", "a@b.test", "a@b.test"),
            ("<a@b.test>", "a@b.test", "a@b.test"),
            ("The Boss <a@b.test>", "a@b.test", "The Boss <a@b.test>"),
            ("\"Chefin, die\" <a@b.test>", "a@b.test", "=?utf-8?B?Q2hlZmluLCBkaWU=?= <a@b.test>"),
        ] {
            assert_eq!((bare(given), written(given)), (address, text.to_owned()), "{given}");
        }
    }

    #[test]
    fn nothing_is_smuggled() {
        let smtp = |from: &str, subject: &str| Smtp {
            from: from.to_owned(),
            subject: subject.to_owned(),
            ..Smtp::default()
        };
        let good = smtp("a@b.test", "s");
        assert!(check("c@d.test, E <e@f.test>", &good).is_ok());
        for to in [
            "",
            ",",
            "c",
            "@d.test",
            "c@",
            "c@d@e",
            "c@d.test>\r\nRCPT TO:<x@y.test",
            "c d@e.test",
            "c@d.test\r\nBcc: x@y.test",
            "N\r\nBcc: x@y.test <c@d.test>",
            "ä@b.test",
            "c@d.test> SIZE=1 <x@y.test",
        ] {
            assert!(check(to, &good).is_err(), "{to}");
        }
        assert!(check("c@d.test", &smtp("a@b.test\r\nDATA", "s")).is_err());
        assert!(check("c@d.test", &smtp("", "s")).is_err());
        assert!(check("c@d.test", &smtp("a@b.test", "s\r\nBcc: x@y.test")).is_err());
        assert!(check(&vec!["c@d.test"; 101].join(","), &good).is_err());
        let hidden = Smtp {
            bcc: "x\r\ny@z.test".to_owned(),
            ..good.clone()
        };
        assert!(check("c@d.test", &hidden).is_err());
        let answered = |reply_to: &str| Smtp {
            reply_to: reply_to.to_owned(),
            ..good.clone()
        };
        assert!(check("c@d.test", &answered("E <e@f.test>")).is_ok());
        for reply_to in ["e", "e@f.test\r\nBcc: x@y.test", "e@f.test, g@h.test"] {
            assert!(check("c@d.test", &answered(reply_to)).is_err(), "{reply_to}");
        }
    }
}
