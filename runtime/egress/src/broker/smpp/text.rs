//! A text for a telephone, and the login that it needs: by their names, checked, and as bodies of PDUs. Pure. No error quotes a password.

use bytes::{BufMut, Bytes, BytesMut};

use super::alphabet::octets;
use super::pdu::put_text;
use crate::broker::publish::{Numbering, Publish, Smpp, SmppBind, SmppVersion};
use crate::error::EgressError;

/// Octets of a text that stand in its PDU as they are (SMPP 3.4, section 5.2.22).
const SHORT_OCTETS_MAX: u8 = 254;
/// Where those of a longer text stand: a parameter of 3.4, by its number (section 5.3.2.32).
const MESSAGE_PAYLOAD: u16 = 0x0424;
/// Octets of a text at most: a telephone puts 255 parts of 153 letters together.
const TEXT_OCTETS_MAX: usize = 255 * 153;
/// Digits of a number at most.
const DIGITS_MAX: usize = 20;

impl SmppVersion {
    /// By its name, `3.3` or `3.4`.
    ///
    /// # Errors
    /// Which there are, in words.
    pub fn of(name: &str) -> Result<Self, String> {
        match name {
            "3.3" => Ok(SmppVersion::V33),
            "3.4" => Ok(SmppVersion::V34),
            _ => Err("there are 3.3 and 3.4".to_owned()),
        }
    }

    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            SmppVersion::V33 => "3.3",
            SmppVersion::V34 => "3.4",
        }
    }

    fn number(self) -> u8 {
        match self {
            SmppVersion::V33 => 0x33,
            SmppVersion::V34 => 0x34,
        }
    }
}

impl SmppBind {
    /// By its name, `TX` or `TRX`.
    ///
    /// # Errors
    /// Which there are, in words.
    pub fn of(name: &str) -> Result<Self, String> {
        match name {
            "TX" => Ok(SmppBind::Transmitter),
            "TRX" => Ok(SmppBind::Transceiver),
            _ => Err("there are TX and TRX: a receiver (RX) sends nothing".to_owned()),
        }
    }

    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            SmppBind::Transmitter => "TX",
            SmppBind::Transceiver => "TRX",
        }
    }
}

/// Whether it can be said.
pub(in crate::broker) fn check(publish: &Publish, smpp: &Smpp) -> Result<(), EgressError> {
    let (system_id, password) = login(publish);
    // As many octets as the specification has for each of them, without the zero at its end.
    for (name, text, octets_max) in [
        ("system id (user name)", system_id, 15),
        ("password", password, 8),
        ("system type", smpp.system_type.as_str(), 12),
        ("address range", smpp.address_range.as_str(), 40),
        ("service type", smpp.service_type.as_str(), 5),
        ("source address", smpp.source.as_str(), 20),
    ] {
        if text.len() > octets_max {
            return invalid(format!("the {name} is longer than the {octets_max} octets that SMPP has for it"));
        }
        // A zero would end it, and the rest would be taken for what follows.
        if !text.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ') {
            return invalid(format!("the {name} has other characters than those of ASCII that are seen"));
        }
    }
    submit(publish, smpp).map(drop)
}

/// User name and password; empty where there is none.
fn login(publish: &Publish) -> (&str, &str) {
    let credentials = publish.credentials.as_ref();
    let password = credentials.and_then(|one| one.password.as_ref());
    (
        credentials.map_or("", |one| one.username.0.as_str()),
        password.map_or("", |one| one.0.as_str()),
    )
}

/// How the numbers of the address range are meant: as those that texts are for, as ThingsBoard has it.
pub(super) fn range_numbering(smpp: &Smpp) -> Numbering {
    match smpp.address_range.is_empty() {
        true => Numbering::default(),
        false => smpp.destination_numbering,
    }
}

/// The body of the login (SMPP 3.4, sections 4.1.1 and 4.1.5: both are alike).
pub(super) fn bind(publish: &Publish, smpp: &Smpp) -> Bytes {
    let mut out = BytesMut::new();
    let (system_id, password) = login(publish);
    put_text(&mut out, system_id);
    put_text(&mut out, password);
    put_text(&mut out, &smpp.system_type);
    out.put_u8(smpp.version.number());
    numbering(&mut out, range_numbering(smpp));
    put_text(&mut out, &smpp.address_range);
    out.freeze()
}

/// The body of a text (section 4.4.1).
pub(super) fn submit(publish: &Publish, smpp: &Smpp) -> Result<Bytes, EgressError> {
    let number = digits(&publish.topic)?;
    let short = written(publish, smpp)?;
    let mut out = BytesMut::new();
    put_text(&mut out, &smpp.service_type);
    // Nobody has no type.
    let unnamed = smpp.source.is_empty();
    numbering(&mut out, if unnamed { Numbering::default() } else { smpp.source_numbering });
    put_text(&mut out, &smpp.source);
    numbering(&mut out, smpp.destination_numbering);
    put_text(&mut out, number);
    // esm_class, protocol_id, priority_flag; schedule_delivery_time and validity_period, which are empty; registered_delivery: no receipt is
    // wanted; replace_if_present_flag.
    out.extend_from_slice(&[0; 7]);
    out.put_u8(smpp.alphabet.coding());
    // sm_default_msg_id.
    out.put_u8(0);
    match (u8::try_from(short.len()), u16::try_from(short.len())) {
        (Ok(len @ ..=SHORT_OCTETS_MAX), _) => {
            out.put_u8(len);
            out.extend_from_slice(&short);
        }
        (_, Ok(len)) if smpp.version == SmppVersion::V34 => {
            out.put_u8(0);
            out.put_u16(MESSAGE_PAYLOAD);
            out.put_u16(len);
            out.extend_from_slice(&short);
        }
        _ => {
            return invalid(format!(
                "the text has {} octets: over SMPP 3.3 it has {SHORT_OCTETS_MAX} at most, and more over 3.4",
                short.len()
            ));
        }
    }
    Ok(out.freeze())
}

fn numbering(out: &mut BytesMut, Numbering { ton, npi }: Numbering) {
    out.extend_from_slice(&[ton, npi]);
}

/// A number as centers have it: digits alone. The plus of an international one is none of them; that it is one is said by its type.
fn digits(topic: &str) -> Result<&str, EgressError> {
    let digits = topic.strip_prefix('+').unwrap_or(topic);
    if (1..=DIGITS_MAX).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(digits);
    }
    let shown: String = topic.chars().take(100).collect();
    invalid(format!(
        "{shown:?} is no number of a telephone: those have between 1 and {DIGITS_MAX} digits"
    ))
}

/// The octets of a text.
fn written(publish: &Publish, smpp: &Smpp) -> Result<Vec<u8>, EgressError> {
    let Ok(text) = std::str::from_utf8(&publish.payload) else {
        return invalid("the text is no UTF-8".to_owned());
    };
    let too_long = |count: usize| count > TEXT_OCTETS_MAX;
    // Each letter has an octet at least: what is much too long is not written first.
    let octets = match too_long(text.chars().count()) {
        true => None,
        false => Some(octets(text, smpp.alphabet).map_err(EgressError::Invalid)?),
    };
    match octets.filter(|octets| !too_long(octets.len())) {
        Some(octets) => Ok(octets),
        None => invalid(format!("the text has more than {TEXT_OCTETS_MAX} octets")),
    }
}

fn invalid<T>(text: String) -> Result<T, EgressError> {
    Err(EgressError::Invalid(text))
}
