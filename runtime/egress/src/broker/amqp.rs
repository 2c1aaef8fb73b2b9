//! AMQP 0-9-1 as a client speaks it that publishes and wants to know whether the broker has it: one channel, with confirmations (RabbitMQ's
//! extension, `confirm.select`). Pure.
//!
//! What the broker closes a channel for fails all that is on its way there. So an exchange has a connection of its own.

mod wire;

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};

use super::links::{Fingerprint, digest};
use super::publish::{Amqp, Publish};
use super::speech::{Answer, Heard, Letter, Speech, strange};
use wire::{BODY, FRAME_EXTRA, HEADER, HEARTBEAT, METHOD, Reader, Value, long, short, table};

/// The first words of everybody who means this version.
const PROTOCOL: &[u8] = b"AMQP\0\0\x09\x01";
/// Bytes of a frame at most; a broker may want less, but never less than the second.
const FRAME_BYTES_MAX: u32 = 128 * 1024;
const FRAME_BYTES_MIN: u32 = 4096;
/// Seconds after which each side says something.
const HEARTBEAT_S: u16 = 60;
/// So long a broker may be silent after this side has said something.
const SILENT_FOR: Duration = Duration::from_secs(100);
/// The channel that everything goes over.
const CHANNEL: u16 = 1;

/// Methods, by class and number.
const START: (u16, u16) = (10, 10);
const START_OK: (u16, u16) = (10, 11);
const TUNE: (u16, u16) = (10, 30);
const TUNE_OK: (u16, u16) = (10, 31);
const OPEN: (u16, u16) = (10, 40);
const OPEN_OK: (u16, u16) = (10, 41);
const CLOSE: (u16, u16) = (10, 50);
const CHANNEL_OPEN: (u16, u16) = (20, 10);
const CHANNEL_OPEN_OK: (u16, u16) = (20, 11);
const CHANNEL_CLOSE: (u16, u16) = (20, 40);
const PUBLISH: (u16, u16) = (60, 40);
const ACK: (u16, u16) = (60, 80);
const NACK: (u16, u16) = (60, 120);
const SELECT: (u16, u16) = (85, 10);
const SELECT_OK: (u16, u16) = (85, 11);

/// What is published.
pub(super) struct Message {
    routing_key: String,
    payload: Bytes,
    amqp: Amqp,
}

/// The letter of a publish.
pub(super) fn letter(publish: &Publish, amqp: &Amqp) -> Letter {
    Letter::Amqp(Message {
        routing_key: publish.topic.clone(),
        payload: publish.payload.clone(),
        amqp: amqp.clone(),
    })
}

/// Tells connections apart: the login, and the exchange.
pub(super) fn fingerprint(publish: &Publish, amqp: &Amqp) -> Fingerprint {
    let properties = amqp.client_properties.iter().flat_map(|(name, value)| [name, value]);
    let rest = [&amqp.virtual_host, &amqp.exchange].into_iter().chain(properties);
    let rest: Vec<_> = rest.map(|text| Some(text.as_str())).collect();
    digest(publish, &rest)
}

/// Until the login is done.
struct Login {
    user: String,
    password: String,
    virtual_host: String,
    properties: Vec<(String, String)>,
}

/// The conversation.
pub(super) struct AmqpSpeech {
    login: Option<Login>,
    frame_bytes_max: u32,
    heartbeat_s: u16,
    /// The number that the broker gives to the next message.
    next: u64,
    /// Messages on their way: the broker's number, and the letter's.
    sent: VecDeque<(u64, u16)>,
    /// Those that the broker has answered at one time, and what it said, until somebody asks.
    answered: VecDeque<(u16, bool)>,
}

impl AmqpSpeech {
    pub(super) fn new(publish: &Publish, amqp: &Amqp) -> Self {
        let credentials = publish.credentials.as_ref();
        let password = credentials.and_then(|credentials| credentials.password.as_ref());
        AmqpSpeech {
            login: Some(Login {
                user: credentials.map(|credentials| credentials.username.0.clone()).unwrap_or_default(),
                password: password.map(|password| password.0.clone()).unwrap_or_default(),
                virtual_host: amqp.virtual_host.clone(),
                properties: amqp.client_properties.clone(),
            }),
            frame_bytes_max: FRAME_BYTES_MAX,
            heartbeat_s: HEARTBEAT_S,
            next: 1,
            sent: VecDeque::new(),
            answered: VecDeque::new(),
        }
    }

    /// A method of the broker. Outside None: it has another form.
    fn method(&mut self, body: &[u8], out: &mut BytesMut) -> Option<Result<Option<Heard>, String>> {
        let mut body = Reader(body);
        let method = (body.u16()?, body.u16()?);
        Some(Ok(match (method, &self.login) {
            (START, Some(login)) => {
                let (_version, _properties) = (body.u16()?, body.long()?);
                let offered = std::str::from_utf8(body.long()?).ok()?;
                if !offered.split(' ').any(|one| one == "PLAIN") {
                    let offered: String = offered.chars().take(200).collect();
                    return Some(Ok(Some(Heard::Refused(format!("it takes another way to log in: {offered}")))));
                }
                start_ok(out, login);
                None
            }
            (TUNE, Some(login)) => {
                let (_channels, frame_bytes, heartbeat_s) = (body.u16()?, body.u32()?, body.u16()?);
                // Zero is no limit.
                let frame_bytes = if frame_bytes == 0 { FRAME_BYTES_MAX } else { frame_bytes };
                self.frame_bytes_max = frame_bytes.clamp(FRAME_BYTES_MIN, FRAME_BYTES_MAX);
                if heartbeat_s > 0 {
                    self.heartbeat_s = heartbeat_s.min(HEARTBEAT_S);
                }
                say(out, 0, TUNE_OK, |out| {
                    out.put_u16(CHANNEL);
                    out.put_u32(self.frame_bytes_max);
                    out.put_u16(self.heartbeat_s);
                });
                say(out, 0, OPEN, |out| {
                    short(out, &login.virtual_host);
                    out.extend_from_slice(&[0, 0]);
                });
                None
            }
            (OPEN_OK, Some(_)) => {
                say(out, CHANNEL, CHANNEL_OPEN, |out| short(out, ""));
                None
            }
            (CHANNEL_OPEN_OK, Some(_)) => {
                say(out, CHANNEL, SELECT, |out| out.put_u8(0));
                None
            }
            (SELECT_OK, Some(_)) => {
                self.login = None;
                Some(Heard::LetIn)
            }
            (CLOSE | CHANNEL_CLOSE, login) => {
                let (code, reason) = (body.u16()?, body.short()?);
                let reason = format!("{code} {reason}");
                match login {
                    Some(_) => Some(Heard::Refused(reason)),
                    None => return Some(Err(reason)),
                }
            }
            (ACK | NACK, None) => {
                let (number, flags) = (body.u64()?, body.u8()?);
                self.confirmed(number, flags & 1 == 1, method == ACK);
                None
            }
            _ => return Some(Err("a word that nobody asked the broker for".to_owned())),
        }))
    }

    /// The broker has answered a message, or all up to it.
    fn confirmed(&mut self, number: u64, all_before: bool, has_it: bool) {
        let meant = |one: u64| one == number || (all_before && (one < number || number == 0));
        let answered = self.sent.iter().filter(|(one, _)| meant(*one)).map(|(_, letter)| (*letter, has_it));
        self.answered.extend(answered);
        self.sent.retain(|(one, _)| !meant(*one));
    }
}

/// Who this is.
fn start_ok(out: &mut BytesMut, login: &Login) {
    // The broker says that a login is wrong, and does not merely close the connection.
    let capabilities = [
        ("authentication_failure_close", Value::Flag(true)),
        ("publisher_confirms", Value::Flag(true)),
    ];
    let own = [
        ("product", Value::Text("Pacificsoft")),
        ("version", Value::Text(env!("CARGO_PKG_VERSION"))),
        ("capabilities", Value::Table(&capabilities)),
    ];
    let given = login.properties.iter().map(|(name, value)| (name.as_str(), Value::Text(value)));
    say(out, 0, START_OK, |out| {
        table(out, own.into_iter().chain(given));
        short(out, "PLAIN");
        long(out, format!("\0{}\0{}", login.user, login.password).as_bytes());
        short(out, "en_US");
    });
}

fn say(out: &mut BytesMut, channel: u16, (class, method): (u16, u16), body: impl FnOnce(&mut BytesMut)) {
    wire::write(out, METHOD, channel, |out| {
        out.put_u16(class);
        out.put_u16(method);
        body(out);
    });
}

impl Speech for AmqpSpeech {
    fn greet(&mut self, out: &mut BytesMut) {
        out.extend_from_slice(PROTOCOL);
    }

    fn hear(&mut self, heard: &mut BytesMut, out: &mut BytesMut) -> Result<Option<Heard>, String> {
        loop {
            if let Some((letter, has_it)) = self.answered.pop_front() {
                let refused = || Err("the broker could not take it".to_owned());
                let answer = if has_it { Ok(Answer::Acknowledged) } else { refused() };
                return Ok(Some(Heard::Answered(letter, answer)));
            }
            let Some(frame) = wire::frame(heard, FRAME_BYTES_MAX as usize)? else {
                return Ok(None);
            };
            let told = match frame.kind {
                HEARTBEAT if self.login.is_none() => Some(Heard::Alive),
                HEARTBEAT => None,
                METHOD => {
                    let told = self.method(&frame.body, out);
                    told.ok_or_else(|| "a word of another form".to_owned())??
                }
                _ => return Err("a message that nobody asked the broker for".to_owned()),
            };
            if told.is_some() {
                return Ok(told);
            }
        }
    }

    fn say(&mut self, number: u16, letter: &Letter, out: &mut BytesMut) -> Result<(), String> {
        let Letter::Amqp(message) = letter else {
            return strange();
        };
        message.write(self.frame_bytes_max as usize, out);
        self.sent.push_back((self.next, number));
        self.next += 1;
        Ok(())
    }

    fn silence_max(&self) -> Duration {
        Duration::from_secs(self.heartbeat_s.into()) / 2
    }

    fn ping(&mut self, out: &mut BytesMut) -> Duration {
        wire::write(out, HEARTBEAT, 0, |_| {});
        SILENT_FOR
    }

    fn leave(&mut self, out: &mut BytesMut) {
        say(out, 0, CLOSE, |out| {
            out.put_u16(200);
            short(out, "");
            out.put_u32(0);
        });
    }
}

impl Message {
    fn write(&self, frame_bytes_max: usize, out: &mut BytesMut) {
        say(out, CHANNEL, PUBLISH, |out| {
            out.put_u16(0);
            short(out, &self.amqp.exchange);
            short(out, &self.routing_key);
            // Not mandatory, not immediate.
            out.put_u8(0);
        });
        wire::write(out, HEADER, CHANNEL, |out| {
            out.put_u16(PUBLISH.0);
            out.put_u16(0);
            out.put_u64(self.payload.len() as u64);
            self.properties(out);
        });
        for part in self.payload.chunks(frame_bytes_max - FRAME_EXTRA) {
            wire::write(out, BODY, CHANNEL, |out| out.extend_from_slice(part));
        }
    }

    /// Which there are, by bits from the highest one; then those that there are.
    fn properties(&self, out: &mut BytesMut) {
        let Amqp {
            content_type,
            persistent,
            priority,
            headers,
            ..
        } = &self.amqp;
        let bit = |there: bool, bit: u16| if there { 1 << bit } else { 0 };
        let headed = !headers.is_empty();
        out.put_u16(bit(!content_type.is_empty(), 15) | bit(headed, 13) | bit(persistent.is_some(), 12) | bit(priority.is_some(), 11));
        if !content_type.is_empty() {
            short(out, content_type);
        }
        if headed {
            table(out, headers.iter().map(|(name, value)| (name.as_str(), Value::Text(value))));
        }
        if let Some(persistent) = persistent {
            out.put_u8(if *persistent { 2 } else { 1 });
        }
        if let Some(priority) = priority {
            out.put_u8(*priority);
        }
    }
}
