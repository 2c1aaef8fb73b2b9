//! One datagram as a message, and back. The library frames; what it lets pass and the standard does not is refused here.
//!
//! Must not know what an option means.

use std::fmt;

use bytes::Bytes;
use coap_lite::{CoapOption, MessageClass, MessageType, Packet};

use crate::Code;

/// Bytes of a token at most (RFC 7252, 3).
const TOKEN_BYTES_MAX: usize = 8;

/// What is expected of the receiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// To be acknowledged.
    Confirmable,
    /// Not to be acknowledged.
    NonConfirmable,
    /// Acknowledges.
    Acknowledgement,
    /// What was received makes no sense here.
    Reset,
}

/// Names a request of a client; its responses carry it too.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Token {
    bytes: [u8; TOKEN_BYTES_MAX],
    length: u8,
}

impl Token {
    /// None: too long.
    pub fn new(bytes: &[u8]) -> Option<Self> {
        let mut token = Token::default();
        token.bytes.get_mut(..bytes.len())?.copy_from_slice(bytes);
        token.length = u8::try_from(bytes.len()).ok()?;
        Some(token)
    }

    /// Its bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.length)]
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_bytes().iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// A message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// What is expected of the receiver.
    pub kind: Kind,
    /// Method or result.
    pub code: Code,
    /// Pairs messages with acknowledgements, and finds duplicates.
    pub id: u16,
    /// Pairs requests with responses.
    pub token: Token,
    /// Options in the order of their numbers.
    pub options: Vec<(u16, Vec<u8>)>,
    /// The rest.
    pub payload: Bytes,
}

/// A datagram that is no message (RFC 7252, 4.2 and 4.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FormatError {
    /// Nothing to answer.
    #[error("no message of this protocol")]
    Ignored,
    /// A confirmable message: its sender is told so by a reset with this id.
    #[error("a confirmable message that cannot be understood")]
    Rejected(u16),
}

impl Message {
    /// A message without options and payload.
    pub fn new(kind: Kind, code: Code, id: u16, token: Token) -> Self {
        Message {
            kind,
            code,
            id,
            token,
            options: Vec::new(),
            payload: Bytes::new(),
        }
    }

    /// An acknowledgement or a reset without content.
    pub fn empty(kind: Kind, id: u16) -> Self {
        Message::new(kind, Code::EMPTY, id, Token::default())
    }

    /// Reads a datagram.
    ///
    /// # Errors
    /// [`FormatError`], which says what to answer.
    pub fn read(datagram: &[u8]) -> Result<Self, FormatError> {
        let [first, code, high, low, ..] = *datagram else {
            return Err(FormatError::Ignored);
        };
        // Other versions are ignored without a word (RFC 7252, 3).
        if first >> 6 != 1 {
            return Err(FormatError::Ignored);
        }
        let id = u16::from_be_bytes([high, low]);
        let bad = || {
            if first & 0x30 == 0 {
                FormatError::Rejected(id)
            } else {
                FormatError::Ignored
            }
        };
        // An empty message is four bytes, all of them header (RFC 7252, 4.1).
        if code == 0 && (datagram.len() > 4 || first & 0x0f != 0) {
            return Err(bad());
        }
        let packet = Packet::from_bytes(datagram).map_err(|_| bad())?;
        if packet.payload.is_empty() && datagram.ends_with(&[0xff]) && ends_with_marker(&packet, datagram) {
            return Err(bad());
        }
        Ok(Message {
            kind: match packet.header.get_type() {
                MessageType::Confirmable => Kind::Confirmable,
                MessageType::NonConfirmable => Kind::NonConfirmable,
                MessageType::Acknowledgement => Kind::Acknowledgement,
                MessageType::Reset => Kind::Reset,
            },
            code: Code(code),
            id,
            token: Token::new(packet.get_token()).ok_or_else(bad)?,
            options: packet
                .options()
                .flat_map(|(number, values)| values.iter().map(|value| (*number, value.clone())))
                .collect(),
            payload: packet.payload.into(),
        })
    }

    /// Writes the datagram.
    pub fn write(&self) -> Vec<u8> {
        let mut packet = Packet::new();
        packet.header.set_version(1);
        packet.header.set_type(match self.kind {
            Kind::Confirmable => MessageType::Confirmable,
            Kind::NonConfirmable => MessageType::NonConfirmable,
            Kind::Acknowledgement => MessageType::Acknowledgement,
            Kind::Reset => MessageType::Reset,
        });
        packet.header.code = MessageClass::from(self.code.0);
        packet.header.message_id = self.id;
        packet.set_token(self.token.as_bytes().to_vec());
        for (number, value) in &self.options {
            packet.add_option(CoapOption::from(*number), value.clone());
        }
        packet.payload = self.payload.to_vec();
        // Only lengths beyond 16 bits fail, and everything written here is bounded far below.
        packet.to_bytes_unlimited().unwrap_or_default()
    }

    /// The first value of an option.
    pub fn option(&self, number: u16) -> Option<&[u8]> {
        self.options
            .iter()
            .find(|(found, _)| *found == number)
            .map(|(_, value)| value.as_slice())
    }

    /// Appends an option; written in order of numbers whatever the order of calls.
    pub fn with(mut self, number: u16, value: Vec<u8>) -> Self {
        self.options.push((number, value));
        self
    }
}

/// Whether a payload marker ends the datagram (RFC 7252, 3: a message format error), and not an option that ends so.
fn ends_with_marker(packet: &Packet, datagram: &[u8]) -> bool {
    packet.to_bytes_unlimited().is_ok_and(|bytes| bytes.len() < datagram.len())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::option;

    #[test]
    fn a_message_survives_the_way_there_and_back() {
        let message = Message {
            payload: Bytes::from_static(b"{}"),
            ..Message::new(Kind::Confirmable, Code::POST, 0x1234, Token::new(b"tok").unwrap())
        }
        .with(option::URI_PATH, b"api".to_vec())
        .with(option::URI_PATH, vec![b'x'; 300])
        .with(option::REQUEST_TAG, vec![1]);
        assert_eq!(Message::read(&message.write()).unwrap(), message);
        assert_eq!(Message::empty(Kind::Reset, 7).write(), [0x70, 0, 0, 7]);
    }

    #[test]
    fn what_is_no_message_is_ignored_or_reset() {
        for (datagram, answer) in [
            (&[][..], FormatError::Ignored),
            (&[0x40, 1, 0], FormatError::Ignored),
            // Version 2.
            (&[0x80, 1, 0, 1], FormatError::Ignored),
            // Empty, but with a token, or with something behind it.
            (&[0x41, 0, 0, 9, 1], FormatError::Rejected(9)),
            (&[0x40, 0, 0, 9, 0xff], FormatError::Rejected(9)),
            (&[0x50, 0, 0, 9, 1], FormatError::Ignored),
            // A token of nine bytes.
            (&[0x49, 1, 0, 9, 1, 2, 3, 4, 5, 6, 7, 8, 9], FormatError::Rejected(9)),
            // A token that is not there.
            (&[0x44, 1, 0, 9, 1], FormatError::Rejected(9)),
            // A payload marker and no payload.
            (&[0x40, 1, 0, 9, 0xff], FormatError::Rejected(9)),
            (&[0x40, 1, 0, 9, 0xb1, b'a', 0xff], FormatError::Rejected(9)),
            (&[0x50, 1, 0, 9, 0xff], FormatError::Ignored),
            // An option longer than the datagram; reserved lengths and deltas.
            (&[0x40, 1, 0, 9, 0xb9, 1], FormatError::Rejected(9)),
            (&[0x40, 1, 0, 9, 0xbf, 1], FormatError::Rejected(9)),
            (&[0x40, 1, 0, 9, 0xf1, 1], FormatError::Rejected(9)),
            (&[0x40, 1, 0, 9, 0xd0], FormatError::Rejected(9)),
        ] {
            assert_eq!(Message::read(datagram), Err(answer), "{datagram:02x?}");
        }
        // An option may end with the marker's byte.
        assert!(Message::read(&[0x40, 1, 0, 9, 0xb1, 0xff]).is_ok());
    }
}
