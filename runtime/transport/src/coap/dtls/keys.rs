//! What a DTLS socket proves itself by, and its clients: keys known on both sides, a certificate.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use dimpl::{Config, DtlsCertificate, PskResolver};

/// Bytes of a datagram that is sent at most: fits a path with the smallest usual MTU.
const MTU_BYTES: usize = 1_200;
/// A key is this long at least.
const KEY_BYTES_MIN: usize = 8;

/// Why keys are not taken.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// A line is no `identity:key`.
    #[error("line {0} is no \"identity:key in hexadecimal digits\"")]
    Line(usize),
    /// A key is too short to keep anything secret.
    #[error("the key in line {0} has fewer than {KEY_BYTES_MIN} bytes")]
    Short(usize),
    /// Two keys for one identity.
    #[error("the identity in line {0} was there before")]
    Twice(usize),
    /// Nothing to prove anything by.
    #[error("there is no key in it")]
    Nothing,
    /// The library does not take them.
    #[error("DTLS cannot be set up: {0}")]
    Library(String),
}

/// Keys of a DTLS socket.
#[derive(Clone)]
pub struct DtlsKeys {
    pub(super) config: Arc<Config>,
    pub(super) certificate: Option<DtlsCertificate>,
}

impl fmt::Debug for DtlsKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DtlsKeys")
    }
}

struct Known(HashMap<Vec<u8>, Vec<u8>>);

impl PskResolver for Known {
    fn resolve(&self, identity: &[u8]) -> Option<Vec<u8>> {
        self.0.get(identity).cloned()
    }
}

impl DtlsKeys {
    /// Pre-shared keys from a text: a line for each, `identity:key in hexadecimal digits`. Empty lines and lines with `#` are left out.
    ///
    /// # Errors
    /// [`KeysError`], by line.
    pub fn pre_shared(text: &str) -> Result<Self, KeysError> {
        let known = read(text)?;
        let config = Config::builder()
            .mtu(MTU_BYTES)
            .use_server_cookie(true)
            .flight_start_rto(Duration::from_secs(1))
            .with_psk_server(None, Arc::new(Known(known)))
            .build()
            .map_err(|error| KeysError::Library(format!("{error:?}")))?;
        Ok(DtlsKeys {
            config: Arc::new(config),
            certificate: None,
        })
    }
}

fn read(text: &str) -> Result<HashMap<Vec<u8>, Vec<u8>>, KeysError> {
    let mut known = HashMap::new();
    for (number, line) in (1..).zip(text.lines().map(str::trim)) {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (identity, key) = line.rsplit_once(':').ok_or(KeysError::Line(number))?;
        let key = bytes(key.trim()).ok_or(KeysError::Line(number))?;
        if key.len() < KEY_BYTES_MIN {
            return Err(KeysError::Short(number));
        }
        if known.insert(identity.trim().as_bytes().to_vec(), key).is_some() {
            return Err(KeysError::Twice(number));
        }
    }
    if known.is_empty() {
        return Err(KeysError::Nothing);
    }
    Ok(known)
}

/// From hexadecimal digits.
fn bytes(digits: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let pair = |pair: &[u8]| match pair {
        [high, low] => u8::try_from(digit(*high)? << 4 | digit(*low)?).ok(),
        _ => None,
    };
    digits.as_bytes().chunks(2).map(pair).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn keys_stand_in_lines() {
        let known = read("# keys\n\nfirst: 00112233445566Ff \na:b:736563726574736563726574\n").unwrap();
        assert_eq!(known[&b"first"[..]], [0, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0xff]);
        assert_eq!(known[&b"a:b"[..]], b"secretsecret");
        for (text, error) in [
            ("", "there is no key in it"),
            ("first", "line 1 is no"),
            ("\nfirst:xy", "line 2 is no"),
            ("first:001", "line 1 is no"),
            ("first:0011", "the key in line 1 has fewer"),
            ("a:0011223344556677\na:0011223344556677", "the identity in line 2 was there"),
        ] {
            let told = read(text).unwrap_err().to_string();
            assert!(told.starts_with(error), "{text}: {told}");
        }
        assert!(DtlsKeys::pre_shared("a:0011223344556677").is_ok());
    }
}
