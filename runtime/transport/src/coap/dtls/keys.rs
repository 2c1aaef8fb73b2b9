//! What a DTLS socket proves itself by, and its clients: keys known on both sides, a certificate.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use dimpl::{Config, ConfigBuilder, DtlsCertificate, PskResolver};
use parking_lot::Mutex;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

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
    /// No certificate in PEM form, or no key of an elliptic curve that the library knows.
    #[error("the certificate and its key are not taken: {0}")]
    Certificate(String),
    /// The library does not take them.
    #[error("DTLS cannot be set up: {0}")]
    Library(String),
}

/// What a DTLS socket has for its clients: keys known on both sides, a certificate, or both. A client is asked for a certificate where
/// it does not come with a key.
#[derive(Clone, Default)]
pub struct DtlsKeys {
    pre_shared: Option<Arc<Config>>,
    certified: Option<Certified>,
}

/// The keys that handshakes begin with now. Clones share them.
#[derive(Clone)]
pub struct ServedKeys(Arc<Mutex<DtlsKeys>>);

impl ServedKeys {
    /// Handshakes begin with others from now on.
    pub fn replace(&self, keys: DtlsKeys) {
        *self.0.lock() = keys;
    }

    pub(super) fn for_greeting(&self, greeting: &[u8]) -> Option<Proof> {
        self.0.lock().for_greeting(greeting)
    }
}

impl From<DtlsKeys> for ServedKeys {
    fn from(keys: DtlsKeys) -> Self {
        ServedKeys(Arc::new(Mutex::new(keys)))
    }
}

impl fmt::Debug for ServedKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ServedKeys")
    }
}

/// With a certificate.
#[derive(Clone)]
pub(super) struct Certified {
    pub(super) config: Arc<Config>,
    pub(super) certificate: DtlsCertificate,
}

/// By what both sides prove themselves in one handshake.
#[derive(Clone)]
pub(super) enum Proof {
    PreShared(Arc<Config>),
    Certified(Certified),
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
        let config = built(usual().with_psk_server(None, Arc::new(Known(known))))?;
        Ok(DtlsKeys {
            pre_shared: Some(config),
            certified: None,
        })
    }

    /// A certificate (the first of a PEM text) and its private key (PEM): of an elliptic curve, P-256 or P-384.
    ///
    /// # Errors
    /// [`KeysError::Certificate`].
    pub fn certified(certificate: &[u8], key: &[u8]) -> Result<Self, KeysError> {
        let refused = |reason: &dyn fmt::Debug| KeysError::Certificate(format!("{reason:?}"));
        let certificate = CertificateDer::from_pem_slice(certificate).map_err(|error| refused(&error))?;
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|error| refused(&error))?;
        // The library does not look whether the two belong together.
        CertifiedKey::from_der(vec![certificate.clone()], key.clone_key(), &crate::tls::provider()).map_err(|error| refused(&error))?;
        let config = built(usual().require_client_certificate(true))?;
        let provider = config.crypto_provider().key_provider;
        // The library would panic when the first client comes.
        provider.load_private_key(key.secret_der()).map_err(|error| refused(&error))?;
        Ok(DtlsKeys {
            pre_shared: None,
            certified: Some(Certified {
                config,
                certificate: DtlsCertificate {
                    certificate: certificate.to_vec(),
                    private_key: key.secret_der().to_vec(),
                },
            }),
        })
    }

    /// These, and those.
    pub fn and(self, other: DtlsKeys) -> Self {
        DtlsKeys {
            pre_shared: self.pre_shared.or(other.pre_shared),
            certified: self.certified.or(other.certified),
        }
    }

    /// What fits a greeting. None: there is nothing at all.
    fn for_greeting(&self, greeting: &[u8]) -> Option<Proof> {
        let certified = self.certified.clone().map(Proof::Certified);
        let pre_shared = self.pre_shared.clone().map(Proof::PreShared);
        match (certified, pre_shared) {
            (Some(certified), Some(pre_shared)) => Some(if offers_certificates(greeting) { certified } else { pre_shared }),
            (one, other) => one.or(other),
        }
    }
}

fn usual() -> ConfigBuilder {
    Config::builder()
        .mtu(MTU_BYTES)
        .use_server_cookie(true)
        .flight_start_rto(Duration::from_secs(1))
}

fn built(config: ConfigBuilder) -> Result<Arc<Config>, KeysError> {
    let built = config.build().map_err(|error| KeysError::Library(format!("{error:?}")))?;
    Ok(Arc::new(built))
}

/// Whether a ClientHello offers a cipher suite with ECDSA certificates (RFC 6347, 4.2.1; RFC 5246, 7.4.1.2). The whole list of suites
/// stands in its first datagram; what is cut short offers nothing.
fn offers_certificates(greeting: &[u8]) -> bool {
    // Headers of record and handshake, version, random.
    const SESSION_ID: usize = 13 + 12 + 2 + 32;
    // With AES-GCM, AES-CCM-8, ChaCha20 (RFC 5289, 7251, 7905).
    const SUITES: [[u8; 2]; 4] = [[0xc0, 0x2b], [0xc0, 0x2c], [0xc0, 0xae], [0xcc, 0xa9]];
    let after = |at: usize, length: usize| Some(at + length + usize::from(*greeting.get(at + length - 1)?));
    let suites = || {
        let at = after(after(SESSION_ID, 1)?, 1)?;
        let length = usize::from(u16::from_be_bytes(greeting.get(at..at + 2)?.try_into().ok()?));
        greeting.get(at + 2..at + 2 + length)
    };
    suites().is_some_and(|suites| suites.chunks_exact(2).any(|suite| SUITES.iter().any(|known| known == suite)))
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

    #[test]
    fn certificates_need_a_key_of_a_curve() {
        let made = rcgen::generate_simple_self_signed(vec!["server".to_owned()]).unwrap();
        let (certificate, key) = (made.cert.pem(), made.signing_key.serialize_pem());
        assert!(DtlsKeys::certified(certificate.as_bytes(), key.as_bytes()).is_ok());
        let other = rcgen::KeyPair::generate().unwrap().serialize_pem();
        for (certificate, key) in [
            ("", &*key),
            (&*certificate, ""),
            (&certificate, &certificate),
            (&certificate, &other),
        ] {
            assert!(DtlsKeys::certified(certificate.as_bytes(), key.as_bytes()).is_err());
        }
    }

    #[test]
    fn a_greeting_shows_what_it_offers() {
        let greeting = |session: usize, cookie: usize, suites: &[u8]| {
            let mut greeting = vec![0; 13 + 12 + 2 + 32];
            for length in [session, cookie] {
                greeting.push(u8::try_from(length).unwrap());
                greeting.extend(vec![1; length]);
            }
            greeting.extend(u16::try_from(suites.len()).unwrap().to_be_bytes());
            greeting.extend(suites);
            greeting
        };
        for (session, cookie) in [(0, 0), (32, 20)] {
            let both = greeting(session, cookie, &[0xc0, 0xa8, 0xc0, 0x2b]);
            assert!(offers_certificates(&both), "{session} {cookie}");
            assert!(!offers_certificates(&greeting(session, cookie, &[0xc0, 0xa8, 0x00, 0xff])));
            for length in 0..both.len() {
                assert!(!offers_certificates(&both[..length]), "{length}");
            }
        }
    }
}
