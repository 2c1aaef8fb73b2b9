//! SMTP as a client speaks it that hands mails to a server it may log in to (RFC 5321, 3207, 4954): one mail after the other. Pure.

mod mail;

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{Bytes, BytesMut};
use model::{Clock, SystemClock};

use super::links::{Fingerprint, digest, random};
use super::publish::{Publish, Smtp};
use super::speech::{Answer, Heard, Letter, Speech, strange};
pub(super) use mail::{check, receivers};

/// Bytes of an answer at most, all its lines together.
const ANSWER_BYTES_MAX: usize = 16 * 1024;
/// So long a server may take to answer that it is there.
const THERE_WITHIN: Duration = Duration::from_secs(60);
/// How this client calls itself.
const NAME: &str = "localhost";

/// What is sent.
pub(super) struct Mail {
    /// Whom the server is told of.
    from: String,
    to: Vec<String>,
    /// As it lies in a mailbox.
    text: Bytes,
}

/// The letter of a publish.
pub(super) fn letter(publish: &Publish, smtp: &Smtp) -> Letter {
    Letter::Smtp(Mail {
        from: mail::bare(&smtp.from).to_owned(),
        to: mail::receivers(&publish.topic, smtp)
            .map(|one| mail::bare(one).to_owned())
            .collect(),
        text: mail::compose(publish, smtp, SystemClock.now_ms(), &random()).into(),
    })
}

/// Tells logins apart.
pub(super) fn fingerprint(publish: &Publish, smtp: &Smtp) -> Fingerprint {
    digest(publish, &[Some(if smtp.start_tls { "1" } else { "0" })])
}

/// What the next answer is to.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Step {
    Greeting,
    Hello,
    StartTls,
    /// The first word of a login, and the number of its words before.
    Login(u8),
    /// Nothing was asked.
    Open,
    There,
    From,
    /// So many receivers were taken.
    To(usize),
    Data,
    Text,
    /// What was begun is called off.
    Reset,
}

/// The conversation.
pub(super) struct SmtpSpeech {
    /// Whether it has to become secret first.
    start_tls: bool,
    /// Until the login is done.
    login: Option<(String, String)>,
    step: Step,
    waiting: VecDeque<(u16, Mail)>,
    /// Why the present mail was refused.
    refused: Option<String>,
}

/// An answer: its number, and its lines without that.
struct Reply {
    code: u16,
    lines: Vec<String>,
}

/// Takes an answer from the front of the buffer. None: it is not complete.
fn reply(heard: &mut BytesMut) -> Result<Option<Reply>, String> {
    let (mut end, mut lines) = (0, Vec::new());
    while let Some(len) = heard[end..].iter().position(|byte| *byte == b'\n') {
        let line = &heard[end..end + len];
        let line = std::str::from_utf8(line.strip_suffix(b"\r").unwrap_or(line)).unwrap_or("");
        let (code, text) = line.split_at_checked(3).ok_or_else(strange_word)?;
        let code: u16 = code.parse().map_err(|_| strange_word())?;
        lines.push(text.get(1..).unwrap_or_default().chars().take(200).collect());
        end += len + 1;
        match text.as_bytes().first() {
            Some(b'-') => {}
            None | Some(b' ') if (200..600).contains(&code) => {
                let _ = heard.split_to(end);
                return Ok(Some(Reply { code, lines }));
            }
            _ => return Err(strange_word()),
        }
        if end > ANSWER_BYTES_MAX {
            break;
        }
    }
    match heard.len() > ANSWER_BYTES_MAX {
        true => Err("an answer has no end".to_owned()),
        false => Ok(None),
    }
}

fn strange_word() -> String {
    "what it says is no answer of a mail server".to_owned()
}

impl Reply {
    fn told(&self) -> String {
        format!("{} {}", self.code, self.lines.join(" ").chars().take(200).collect::<String>())
    }

    fn is_good(&self) -> bool {
        self.code < 400
    }

    /// Whether the server offers something, with one of these words behind it.
    fn offers(&self, what: &str, word: &str) -> bool {
        self.lines.iter().any(|line| {
            let mut words = line.split([' ', '=']);
            words.next().is_some_and(|first| first.eq_ignore_ascii_case(what))
                && (word.is_empty() || words.any(|one| one.eq_ignore_ascii_case(word)))
        })
    }
}

impl SmtpSpeech {
    pub(super) fn new(publish: &Publish, smtp: &Smtp) -> Self {
        let login = publish.credentials.as_ref().map(|credentials| {
            let password = credentials.password.as_ref().map(|password| password.0.clone());
            (credentials.username.0.clone(), password.unwrap_or_default())
        });
        SmtpSpeech {
            start_tls: smtp.start_tls,
            login,
            step: Step::Greeting,
            waiting: VecDeque::new(),
            refused: None,
        }
    }

    fn say_line(&mut self, step: Step, line: &str, out: &mut BytesMut) {
        out.extend_from_slice(line.as_bytes());
        out.extend_from_slice(b"\r\n");
        self.step = step;
    }

    /// The server has said what it can do.
    fn hello(&mut self, reply: &Reply, out: &mut BytesMut) -> Option<Heard> {
        if self.start_tls {
            if !reply.offers("STARTTLS", "") {
                return Some(Heard::Refused("it offers no TLS".to_owned()));
            }
            self.say_line(Step::StartTls, "STARTTLS", out);
            return None;
        }
        let Some((user, password)) = &self.login else {
            self.step = Step::Open;
            return Some(Heard::LetIn);
        };
        if reply.offers("AUTH", "PLAIN") {
            let line = format!("AUTH PLAIN {}", STANDARD.encode(format!("\0{user}\0{password}")));
            self.say_line(Step::Login(2), &line, out);
        } else if reply.offers("AUTH", "LOGIN") {
            self.say_line(Step::Login(0), "AUTH LOGIN", out);
        } else {
            return Some(Heard::Refused("it takes no user name, or in another way".to_owned()));
        }
        None
    }

    /// The server has an answer to a word of the login.
    fn logging_in(&mut self, said: u8, reply: &Reply, out: &mut BytesMut) -> Option<Heard> {
        match (said, reply.code, &self.login) {
            (_, 235, _) => {
                self.login = None;
                self.step = Step::Open;
                Some(Heard::LetIn)
            }
            (0 | 1, 334, Some((user, password))) => {
                let line = STANDARD.encode(if said == 0 { user } else { password });
                self.say_line(Step::Login(said + 1), &line, out);
                None
            }
            _ => Some(Heard::Refused(reply.told())),
        }
    }

    /// Begins with the next mail, if there is one and nothing else is under way.
    fn begin(&mut self, out: &mut BytesMut) {
        if self.step != Step::Open {
            return;
        }
        if let Some((_, mail)) = self.waiting.front() {
            let line = format!("MAIL FROM:<{}>", mail.from);
            self.say_line(Step::From, &line, out);
        }
    }

    /// The server has an answer to a part of the present mail.
    fn mailing(&mut self, reply: &Reply, out: &mut BytesMut) -> Option<Heard> {
        let (number, mail) = self.waiting.front()?;
        let number = *number;
        if !reply.is_good() && self.step != Step::Reset {
            self.refused = Some(reply.told());
            if self.step != Step::Text {
                self.say_line(Step::Reset, "RSET", out);
                return None;
            }
        }
        let taken = match self.step {
            Step::From => 0,
            Step::To(taken) => taken + 1,
            Step::Data => {
                out.extend_from_slice(&mail.text);
                self.say_line(Step::Text, ".", out);
                return None;
            }
            _ => {
                self.waiting.pop_front();
                self.step = Step::Open;
                self.begin(out);
                let answer = self.refused.take().map_or(Ok(Answer::Acknowledged), Err);
                return Some(Heard::Answered(number, answer));
            }
        };
        match mail.to.get(taken) {
            Some(receiver) => {
                let line = format!("RCPT TO:<{receiver}>");
                self.say_line(Step::To(taken), &line, out);
            }
            None => self.say_line(Step::Data, "DATA", out),
        }
        None
    }
}

impl Speech for SmtpSpeech {
    // The server speaks first.
    fn greet(&mut self, _: &mut BytesMut) {}

    fn hear(&mut self, heard: &mut BytesMut, out: &mut BytesMut) -> Result<Option<Heard>, String> {
        while let Some(reply) = reply(heard)? {
            let told = match self.step {
                Step::Open => return Err(format!("it ends the conversation: {}", reply.told())),
                Step::Greeting | Step::Hello | Step::StartTls if !reply.is_good() => Some(Heard::Refused(reply.told())),
                Step::Greeting => {
                    self.say_line(Step::Hello, &format!("EHLO {NAME}"), out);
                    None
                }
                Step::Hello => self.hello(&reply, out),
                Step::StartTls => {
                    // What was sent before TLS is not taken for what comes after it.
                    heard.clear();
                    self.start_tls = false;
                    Some(Heard::Secret)
                }
                Step::Login(said) => self.logging_in(said, &reply, out),
                Step::There => {
                    self.step = Step::Open;
                    self.begin(out);
                    Some(Heard::Alive)
                }
                Step::From | Step::To(_) | Step::Data | Step::Text | Step::Reset => self.mailing(&reply, out),
            };
            if told.is_some() {
                return Ok(told);
            }
        }
        Ok(None)
    }

    fn secret(&mut self, out: &mut BytesMut) {
        self.say_line(Step::Hello, &format!("EHLO {NAME}"), out);
    }

    fn say(&mut self, number: u16, letter: &Letter, out: &mut BytesMut) -> Result<(), String> {
        let Letter::Smtp(mail) = letter else {
            return strange();
        };
        let mail = Mail {
            from: mail.from.clone(),
            to: mail.to.clone(),
            text: mail.text.clone(),
        };
        self.waiting.push_back((number, mail));
        self.begin(out);
        Ok(())
    }

    fn ping(&mut self, out: &mut BytesMut) -> Duration {
        if self.step == Step::Open {
            self.say_line(Step::There, "NOOP", out);
        }
        THERE_WITHIN
    }

    fn leave(&mut self, out: &mut BytesMut) {
        if self.step == Step::Open {
            out.extend_from_slice(b"QUIT\r\n");
        }
    }
}
