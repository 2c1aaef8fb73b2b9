//! Why a broker does not do what it is asked for, in words. Pure.

/// Letters of a broker's own words at most.
const WORDS_LEN: usize = 200;

/// Why a broker of 3.1 or 3.1.1 lets nobody in (3.1.1, 3.2.2.3).
pub(super) fn old(code: u8) -> String {
    match code {
        1 => VERSION.to_owned(),
        2 => CLIENT_ID.to_owned(),
        3 => AVAILABLE.to_owned(),
        4 => PASSWORD.to_owned(),
        5 => AUTHORISED.to_owned(),
        code => format!("return code {code}"),
    }
}

const VERSION: &str = "it does not speak this version of MQTT";
const CLIENT_ID: &str = "it does not take the client id";
const AVAILABLE: &str = "it is not available";
const PASSWORD: &str = "user name or password are wrong";
const AUTHORISED: &str = "the client is not authorised";

/// A reason code of MQTT 5 (2.4), and what the broker says itself: a text with its length before it.
pub(super) fn words(code: u8, said: Option<&[u8]>) -> String {
    let known = match code {
        0x00 => "it ends the conversation",
        0x80 => "it does not say why",
        0x81 => "it found a packet malformed",
        0x82 => "it found a packet that is not allowed there",
        0x83 => "it does not want to",
        0x84 => VERSION,
        0x85 => CLIENT_ID,
        0x86 => PASSWORD,
        0x87 => AUTHORISED,
        0x88 => AVAILABLE,
        0x89 => "it is busy",
        0x8A => "the client is banned",
        0x8B => "it is shutting down",
        0x8C => "it takes another way to log in",
        0x8D => "it heard nothing for too long",
        0x8E => "another client has taken the client id over",
        0x90 => "it does not take the topic",
        0x91 => "the packet's number is in use",
        0x93 => "too many publishes are on their way",
        0x95 => "a packet is larger than it takes",
        0x96 => "messages come too fast",
        0x97 => "a quota is used up",
        0x98 => "somebody has ended it by hand",
        0x99 => "the payload is not what it says",
        0x9A => "it keeps no messages",
        0x9B => "it does not take messages of this quality",
        0x9C => "another server is to be used for now",
        0x9D => "another server is to be used",
        0x9F => "connections come too fast",
        0xA0 => "the connection has been there for as long as it may",
        _ => "",
    };
    let known = match known {
        "" => format!("reason code {code:#04x}"),
        known => known.to_owned(),
    };
    let said = said.and_then(|said| said.get(2..)).map(String::from_utf8_lossy);
    match said.as_deref().map(str::trim).filter(|said| !said.is_empty()) {
        None => known,
        Some(said) => {
            let plain = |letter: char| if letter.is_control() { ' ' } else { letter };
            let said: String = said.chars().map(plain).take(WORDS_LEN).collect();
            format!("{known} (it says: {said})")
        }
    }
}
