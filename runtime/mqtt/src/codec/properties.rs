//! Properties of MQTT 5 (section 2.2.2): each at its place, once, in its range. The library reads them and looks at none of this. Pure.
//!
//! A packet that is cut short is left to the library, which refuses it.

use super::FrameError;
use super::frame::Header;

/// Where properties stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Connect,
    ConnAck,
    Will,
    Publish,
    PubAck,
    Subscribe,
    Unsubscribe,
    Disconnect,
}

/// What a property holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// 0 or 1.
    Flag,
    Bytes(usize),
    Number,
    Text,
    Binary,
    Pair,
}

/// Looks at the properties of a packet from a device.
pub(super) fn check(header: &Header, frame: &[u8]) -> Result<(), FrameError> {
    let mut rest = Rest(frame.get(header.header_len..).unwrap_or_default());
    // None: cut short.
    let checked = match header.packet_type {
        1 => rest.connect(),
        3 => rest.publish(header.flags & 0b110 != 0),
        4 => rest
            .skip(3)
            .and_then(|()| rest.properties(Place::PubAck))
            .map(|checked| checked.and_then(|()| rest.is_empty())),
        8 => rest.skip(2).and_then(|()| rest.properties(Place::Subscribe)),
        10 => rest.skip(2).and_then(|()| rest.properties(Place::Unsubscribe)),
        _ => None,
    };
    checked.unwrap_or(Ok(()))
}

/// Reads the properties that a server has put at the end of a packet, each with its bytes: a text has its length before it.
///
/// # Errors
/// When they are malformed, or something follows.
pub(crate) fn read<'a>(bytes: &'a [u8], place: Place, take: impl FnMut(u8, &'a [u8])) -> Result<(), FrameError> {
    let mut rest = Rest(bytes);
    let read = rest.each(place, take);
    read.unwrap_or_else(|| Err(FrameError::Malformed("properties cut short".to_owned())))?;
    rest.is_empty()
}

/// The form of a property that may stand at a place.
fn form(id: u8, place: Place) -> Option<Form> {
    use Place::{ConnAck, Connect, Disconnect, PubAck, Publish, Subscribe, Will};
    let (form, places): (Form, &[Place]) = match id {
        0x01 => (Form::Flag, &[Publish, Will]),
        0x02 => (Form::Bytes(4), &[Publish, Will]),
        0x03 | 0x08 => (Form::Text, &[Publish, Will]),
        0x09 => (Form::Binary, &[Publish, Will]),
        0x0B => (Form::Number, &[Publish, Subscribe]),
        0x11 | 0x27 => (Form::Bytes(4), &[Connect, ConnAck]),
        0x12 | 0x1A => (Form::Text, &[ConnAck]),
        0x13 => (Form::Bytes(2), &[ConnAck]),
        0x15 => (Form::Text, &[Connect, ConnAck]),
        0x16 => (Form::Binary, &[Connect, ConnAck]),
        0x17 | 0x19 => (Form::Flag, &[Connect]),
        0x18 => (Form::Bytes(4), &[Will]),
        0x1C => (Form::Text, &[ConnAck, Disconnect]),
        0x1F => (Form::Text, &[ConnAck, PubAck, Disconnect]),
        0x21 | 0x22 => (Form::Bytes(2), &[Connect, ConnAck]),
        0x23 => (Form::Bytes(2), &[Publish]),
        0x24 | 0x25 | 0x28 | 0x29 | 0x2A => (Form::Flag, &[ConnAck]),
        0x26 => return Some(Form::Pair),
        _ => return None,
    };
    places.contains(&place).then_some(form)
}

/// What is not looked at yet.
struct Rest<'a>(&'a [u8]);

type Checked = Option<Result<(), FrameError>>;

impl<'a> Rest<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn skip(&mut self, length: usize) -> Option<()> {
        self.take(length).map(drop)
    }

    fn is_empty(&self) -> Result<(), FrameError> {
        match self.0 {
            [] => Ok(()),
            _ => Err(FrameError::Malformed("more than a packet has".to_owned())),
        }
    }

    /// What stands behind its length of two bytes.
    fn counted(&mut self) -> Option<&'a [u8]> {
        let length = self.take(2)?;
        self.take(usize::from(u16::from_be_bytes([length[0], length[1]])))
    }

    /// A number of up to four bytes.
    fn number(&mut self) -> Option<usize> {
        let mut number = 0;
        for shift in [0, 7, 14, 21] {
            let byte = self.take(1)?[0];
            number |= usize::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }

    fn connect(&mut self) -> Checked {
        self.counted()?;
        let flags = self.take(2)?[1];
        self.skip(2)?;
        if let Err(error) = self.properties(Place::Connect)? {
            return Some(Err(error));
        }
        self.counted()?;
        if flags & 0b100 == 0 {
            return Some(Ok(()));
        }
        self.properties(Place::Will)
    }

    fn publish(&mut self, numbered: bool) -> Checked {
        self.counted()?;
        if numbered {
            self.skip(2)?;
        }
        self.properties(Place::Publish)
    }

    fn properties(&mut self, place: Place) -> Checked {
        self.each(place, |_, _| {})
    }

    fn each(&mut self, place: Place, mut take: impl FnMut(u8, &'a [u8])) -> Checked {
        let length = self.number()?;
        let mut own = Rest(self.take(length)?);
        let mut seen = 0_u64;
        while let Some(id) = own.take(1) {
            let id = id[0];
            let Some(form) = form(id, place) else {
                return Some(Err(FrameError::Malformed(format!("property {id:#04x} at this place"))));
            };
            // Every id here is below 64.
            if form != Form::Pair && seen & (1 << id) != 0 {
                return Some(Err(FrameError::Protocol("a property given twice")));
            }
            seen |= 1 << id;
            // The library would read on behind the properties.
            let cut = || Err(FrameError::Malformed("a property cut short".to_owned()));
            let before = own.0;
            if let Err(error) = own.value(form).unwrap_or_else(cut) {
                return Some(Err(error));
            }
            take(id, &before[..before.len() - own.0.len()]);
        }
        Some(Ok(()))
    }

    fn value(&mut self, form: Form) -> Checked {
        let good = match form {
            Form::Flag if self.take(1)?[0] > 1 => return Some(Err(FrameError::Protocol("a property that is neither 0 nor 1"))),
            Form::Flag => true,
            Form::Bytes(length) => self.skip(length).map(|()| true)?,
            Form::Number => self.number().map(|_| true)?,
            Form::Binary => self.counted().map(|_| true)?,
            Form::Text => is_text(self.counted()?),
            Form::Pair => is_text(self.counted()?) & is_text(self.counted()?),
        };
        Some(if good {
            Ok(())
        } else {
            Err(FrameError::Malformed("a property that is no text".to_owned()))
        })
    }
}

/// MQTT 5, 1.5.4.
fn is_text(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_ok_and(|text| !text.contains('\0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(place: Place, properties: &[u8]) -> Option<bool> {
        let bytes = [&[properties.len() as u8], properties].concat();
        Rest(&bytes).properties(place).map(|checked| checked.is_ok())
    }

    #[test]
    fn properties_stand_once_at_their_places_in_their_ranges() {
        for (place, properties, expected) in [
            (Place::Connect, &[][..], Some(true)),
            (Place::Connect, &[0x21, 0, 9, 0x27, 0, 0, 1, 0], Some(true)),
            (Place::Connect, &[0x21, 0, 9, 0x21, 0, 9], Some(false)),
            (Place::Connect, &[0x23, 0, 1], Some(false)),
            (Place::Connect, &[0x17, 2], Some(false)),
            (Place::Publish, &[0x23, 0, 1, 0x0B, 0x80, 0x01], Some(true)),
            (Place::Publish, &[0x26, 0, 1, b'k', 0, 1, b'v', 0x26, 0, 1, b'k', 0, 0], Some(true)),
            (Place::Publish, &[0x26, 0, 1, 0, 0, 1, b'v'], Some(false)),
            (Place::Publish, &[0x03, 0, 1, 0xff], Some(false)),
            (Place::Publish, &[0x18, 0, 0, 0, 1], Some(false)),
            (Place::Will, &[0x18, 0, 0, 0, 1, 0x09, 0, 1, 0], Some(true)),
            (Place::Unsubscribe, &[0x0B, 1], Some(false)),
            (Place::PubAck, &[0x1F, 0, 1, b'r'], Some(true)),
            (Place::PubAck, &[0x7F], Some(false)),
            (
                Place::ConnAck,
                &[0x24, 1, 0x25, 0, 0x13, 0, 9, 0x12, 0, 1, b'c', 0x1C, 0, 0],
                Some(true),
            ),
            (Place::ConnAck, &[0x24, 2], Some(false)),
            (Place::Connect, &[0x24, 1], Some(false)),
            (Place::Disconnect, &[0x1F, 0, 0, 0x1C, 0, 0], Some(true)),
            (Place::Disconnect, &[0x11, 0, 0, 0, 0], Some(false)),
            (Place::Publish, &[0x23, 0], Some(false)),
        ] {
            assert_eq!(checked(place, properties), expected, "{place:?} {properties:02x?}");
        }
    }
}
