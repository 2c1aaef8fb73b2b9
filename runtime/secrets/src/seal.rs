//! Sealing: XChaCha20-Poly1305 with a random nonce. Whose secret it is and its name are part of what is authenticated, so that a sealed
//! value is of no use under another name or for another tenant.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use model::TenantId;
use zeroize::Zeroizing;

use crate::key::Key;

/// Bytes of a nonce: enough to draw them at random.
const NONCE_BYTES: usize = 24;
/// Names the form; a change of it is another name.
const FORM: &str = "pacificsoft secret 1";

/// Seals a value. None: it is longer than the cipher takes.
pub fn seal(key: &Key, tenant: TenantId, name: &str, value: &str) -> Option<String> {
    let nonce: [u8; NONCE_BYTES] = rand::random();
    let payload = Payload {
        msg: value.as_bytes(),
        aad: &bound_to(tenant, name),
    };
    let sealed = cipher(key).encrypt(&XNonce::from(nonce), payload).ok()?;
    Some(STANDARD.encode([&nonce[..], &sealed].concat()))
}

/// Opens what was sealed for the same tenant under the same name. None: it was not, or not with this key.
pub fn open(key: &Key, tenant: TenantId, name: &str, sealed: &str) -> Option<Zeroizing<String>> {
    let bytes = STANDARD.decode(sealed).ok()?;
    let (nonce, sealed) = bytes.split_first_chunk::<NONCE_BYTES>()?;
    let payload = Payload {
        msg: sealed,
        aad: &bound_to(tenant, name),
    };
    let value = Zeroizing::new(cipher(key).decrypt(&XNonce::from(*nonce), payload).ok()?);
    std::str::from_utf8(&value).ok().map(|text| Zeroizing::new(text.to_owned()))
}

fn cipher(key: &Key) -> XChaCha20Poly1305 {
    XChaCha20Poly1305::new((&*key.0).into())
}

fn bound_to(tenant: TenantId, name: &str) -> Vec<u8> {
    [FORM.as_bytes(), tenant.0.as_bytes(), name.as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn what_is_sealed_opens_for_its_owner_under_its_name_only() {
        let (key, tenant) = (Key::generate(), TenantId::generate());
        for value in ["hunter2", "", "äöü\n", &"x".repeat(8192)] {
            let sealed = seal(&key, tenant, "api", value).unwrap();
            assert_eq!(open(&key, tenant, "api", &sealed).unwrap().as_str(), value);
            assert_ne!(seal(&key, tenant, "api", value).unwrap(), sealed, "no two are alike");
            assert!(value.is_empty() || !sealed.contains(value));
            assert!(open(&key, tenant, "apj", &sealed).is_none());
            assert!(open(&key, TenantId::generate(), "api", &sealed).is_none());
            assert!(open(&Key::generate(), tenant, "api", &sealed).is_none());
        }
    }

    #[test]
    fn what_was_changed_does_not_open() {
        let (key, tenant) = (Key::generate(), TenantId::generate());
        let sealed = STANDARD.decode(seal(&key, tenant, "api", "hunter2").unwrap()).unwrap();
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert!(open(&key, tenant, "api", &STANDARD.encode(&changed)).is_none(), "{at}");
            assert!(open(&key, tenant, "api", &STANDARD.encode(&sealed[..at])).is_none(), "{at}");
        }
        assert!(open(&key, tenant, "api", "no base64!").is_none());
    }
}
