//! SMPP 3.3 and 3.4 as a client speaks it that hands texts for telephones to a center (SMSC): bound as a transmitter or a transceiver, a
//! `submit_sm` for each text, which its answer acknowledges. Pure.
//!
//! Texts of telephones and receipts are none of its business. A center that sends them all the same hears that they have come: it would go
//! on sending them otherwise.

mod alphabet;
mod pdu;
mod status;
mod text;

#[cfg(test)]
mod tests;

use std::time::Duration;

use bytes::{Bytes, BytesMut};

use super::links::{Fingerprint, digest};
use super::publish::{Publish, Smpp, SmppBind};
use super::speech::{Answer, Heard, Letter, Speech, strange};
use crate::error::EgressError;
use pdu::{
    ALERT_NOTIFICATION, ANSWER, BIND_TRANSCEIVER, BIND_TRANSMITTER, DATA_SM, DELIVER_SM, ENQUIRE_LINK, ENQUIRE_LINK_RESP, GENERIC_NACK,
    Head, SEQUENCE_MAX, SUBMIT_SM, SUBMIT_SM_RESP, UNBIND,
};
pub(super) use text::check;

/// Texts that may be without an answer: more than ten are not recommended.
const WINDOW: u16 = 10;
/// So long a center may take to answer that it is there.
const THERE_WITHIN: Duration = Duration::from_secs(60);
/// Bytes that may wait for a center that asks and asks, and does not listen.
const WAITING_BYTES_MAX: usize = 1024 * 1024;

/// What is sent: the body of its PDU.
pub(super) struct Text(Bytes);

/// The letter of a publish.
pub(super) fn letter(publish: &Publish, smpp: &Smpp) -> Result<Letter, EgressError> {
    text::submit(publish, smpp).map(|body| Letter::Smpp(Text(body)))
}

/// Tells logins apart: by all that one says.
pub(super) fn fingerprint(publish: &Publish, smpp: &Smpp) -> Fingerprint {
    let range = text::range_numbering(smpp);
    let numbering = format!("{} {}", range.ton, range.npi);
    let rest = [
        smpp.version.as_str(),
        smpp.bind.as_str(),
        smpp.system_type.as_str(),
        smpp.address_range.as_str(),
        numbering.as_str(),
    ];
    digest(publish, &rest.map(Some))
}

/// Until the login is done: its command, and what it says.
#[derive(Clone)]
struct Login {
    command: u32,
    body: Bytes,
}

/// The conversation.
pub(super) struct SmppSpeech {
    login: Option<Login>,
    /// The number of the next PDU.
    next: u32,
    /// Texts on their way: the PDU's number, and the letter's.
    sent: Vec<(u32, u16)>,
    /// The number under which the center was last asked whether it is there.
    asked: Option<u32>,
    /// The number under which the center has said that it ends.
    unbind: Option<u32>,
}

impl SmppSpeech {
    pub(super) fn new(publish: &Publish, smpp: &Smpp) -> Self {
        SmppSpeech {
            login: Some(Login {
                command: match smpp.bind {
                    SmppBind::Transmitter => BIND_TRANSMITTER,
                    SmppBind::Transceiver => BIND_TRANSCEIVER,
                },
                body: text::bind(publish, smpp),
            }),
            next: 1,
            sent: Vec::new(),
            asked: None,
            unbind: None,
        }
    }

    /// Says something that is to be answered; tells its number.
    fn say_new(&mut self, command: u32, body: &[u8], out: &mut BytesMut) -> u32 {
        let sequence = self.next;
        self.next = if sequence == SEQUENCE_MAX { 1 } else { sequence + 1 };
        pdu::write(out, Head::of(command, sequence), body);
        sequence
    }

    /// The center has said something before the login was done.
    fn logging_in(&mut self, wanted: u32, heard: Head, out: &mut BytesMut) -> Result<Option<Heard>, String> {
        let is_answer = heard.command == wanted | ANSWER;
        match heard.command {
            _ if is_answer && heard.status == status::OK => {
                self.login = None;
                Ok(Some(Heard::LetIn))
            }
            _ if is_answer || heard.command == GENERIC_NACK => Ok(Some(Heard::Refused(status::told(heard.status)))),
            UNBIND => Ok(Some(Heard::Refused("it ended the conversation".to_owned()))),
            ENQUIRE_LINK => {
                answer(heard, &[], out);
                // Nothing is decided.
                Ok(None)
            }
            _ => unasked(heard),
        }
    }

    /// The center has said something after the login.
    fn talking(&mut self, heard: Head, out: &mut BytesMut) -> Result<Option<Heard>, String> {
        match heard.command {
            SUBMIT_SM_RESP | GENERIC_NACK => return self.answered(heard),
            ENQUIRE_LINK_RESP | ALERT_NOTIFICATION => {}
            ENQUIRE_LINK => answer(heard, &[], out),
            // With an empty message_id.
            DELIVER_SM | DATA_SM => answer(heard, &[0], out),
            UNBIND => {
                self.unbind = Some(heard.sequence);
                return Err("it ended the conversation".to_owned());
            }
            command if command & ANSWER == 0 => {
                let unknown = Head {
                    command: GENERIC_NACK,
                    status: status::UNKNOWN_COMMAND,
                    sequence: heard.sequence,
                };
                pdu::write(out, unknown, &[]);
            }
            _ => return unasked(heard),
        }
        match out.len() > WAITING_BYTES_MAX {
            true => Err("it asks for more and more, and hears no answer".to_owned()),
            false => Ok(Some(Heard::Alive)),
        }
    }

    /// The center has answered a text, or what it did not understand.
    fn answered(&mut self, heard: Head) -> Result<Option<Heard>, String> {
        let place = self.sent.iter().position(|(sequence, _)| *sequence == heard.sequence);
        let is_nack = heard.command == GENERIC_NACK;
        match place.map(|place| self.sent.swap_remove(place)) {
            Some((_, letter)) if !is_nack && heard.status == status::OK => Ok(Some(Heard::Answered(letter, Ok(Answer::Acknowledged)))),
            Some((_, letter)) => Ok(Some(Heard::Answered(letter, Err(status::told(heard.status))))),
            // Whoever does not know the question is there.
            None if is_nack && self.asked == Some(heard.sequence) => Ok(Some(Heard::Alive)),
            None if is_nack => Err(format!("it does not understand: {}", status::told(heard.status))),
            None => unasked(heard),
        }
    }
}

/// Answers that all is well.
fn answer(heard: Head, body: &[u8], out: &mut BytesMut) {
    pdu::write(out, Head::of(heard.command | ANSWER, heard.sequence), body);
}

fn unasked<T>(heard: Head) -> Result<T, String> {
    Err(format!("something that nobody asked it for (command 0x{:08X})", heard.command))
}

impl Speech for SmppSpeech {
    fn greet(&mut self, out: &mut BytesMut) {
        if let Some(Login { command, body }) = self.login.clone() {
            self.say_new(command, &body, out);
        }
    }

    fn hear(&mut self, heard: &mut BytesMut, out: &mut BytesMut) -> Result<Option<Heard>, String> {
        while let Some(head) = pdu::read(heard)? {
            let wanted = self.login.as_ref().map(|login| login.command);
            let told = match wanted {
                Some(wanted) => self.logging_in(wanted, head, out),
                None => self.talking(head, out),
            };
            if !matches!(told, Ok(None)) {
                return told;
            }
        }
        Ok(None)
    }

    fn in_flight_max(&self) -> u16 {
        WINDOW
    }

    fn say(&mut self, number: u16, letter: &Letter, out: &mut BytesMut) -> Result<(), String> {
        let Letter::Smpp(Text(body)) = letter else {
            return strange();
        };
        let sequence = self.say_new(SUBMIT_SM, body, out);
        self.sent.push((sequence, number));
        Ok(())
    }

    fn ping(&mut self, out: &mut BytesMut) -> Duration {
        self.asked = Some(self.say_new(ENQUIRE_LINK, &[], out));
        THERE_WITHIN
    }

    fn leave(&mut self, out: &mut BytesMut) {
        match self.unbind {
            // The center leaves: the last word is the answer to that.
            Some(sequence) => answer(Head::of(UNBIND, sequence), &[], out),
            None => {
                self.say_new(UNBIND, &[], out);
            }
        }
    }
}
