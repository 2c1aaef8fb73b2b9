//! A client's private key: read, and opened with its password if it has one. Pure.
//!
//! Whoever wrote a key has said how much work it is to open it. That is looked at first: it is done on this server's processors.

#[cfg(test)]
mod tests;

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pkcs8::pkcs5::Error as Pkcs5Error;
use pkcs8::{EncryptedPrivateKeyInfoRef, Error as Pkcs8Error, SecretDocument};
use rustls::crypto::ring::sign::any_supported_type;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::sign::SigningKey;

use super::invalid;
use crate::error::EgressError;

/// Rounds of PBKDF2 at most: about a second.
const ROUNDS_MAX: u32 = 1_000_000;

/// What a key with a password stands between (PKCS#8).
const BEGIN: &str = "-----BEGIN ENCRYPTED PRIVATE KEY-----";
const END: &str = "-----END ENCRYPTED PRIVATE KEY-----";
/// What a key with a password has in the form before that, whose password is tried in no time.
const OLD: &str = "Proc-Type: 4,ENCRYPTED";

/// How a key is brought into a form that is known.
const MEND: &str = "write it anew with `openssl pkcs8 -topk8 -v2 aes-256-cbc`";

/// Whether a key has a password: opening it takes its time.
pub(super) fn is_locked(text: &str) -> bool {
    text.contains(BEGIN)
}

/// Reads a key. A password that it does not need is not looked at; an empty one is none.
///
/// # Errors
/// [`EgressError::Invalid`], which quotes neither.
pub(super) fn read(text: &str, password: Option<&str>) -> Result<Arc<dyn SigningKey>, EgressError> {
    if text.contains(OLD) {
        return invalid(format!("the client's key is encrypted in an old form: {MEND}"));
    }
    if is_locked(text) {
        let opened = opened(text, password.filter(|password| !password.is_empty()))?;
        return known(&PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(opened.as_bytes())));
    }
    match PrivateKeyDer::from_pem_slice(text.as_bytes()) {
        Ok(key) => known(&key),
        Err(_) => {
            invalid("the client's key holds no private key as PEM, which begins with -----BEGIN PRIVATE KEY----- or the like".to_owned())
        }
    }
}

fn known(key: &PrivateKeyDer<'_>) -> Result<Arc<dyn SigningKey>, EgressError> {
    any_supported_type(key).or_else(|_| {
        invalid("the client's key is of a kind that is not known: use RSA with 2048 bits or more, P-256, P-384 or Ed25519".to_owned())
    })
}

/// The key without its password.
fn opened(text: &str, password: Option<&str>) -> Result<SecretDocument, EgressError> {
    let unknown = || EgressError::Invalid(format!("the client's key is encrypted in a form that is not known: {MEND}"));
    let sealed = between(text).ok_or_else(unknown)?;
    let sealed = EncryptedPrivateKeyInfoRef::try_from(sealed.as_slice()).map_err(|_| unknown())?;
    let kdf = &sealed.encryption_algorithm.pbes2().ok_or_else(unknown)?.kdf;
    if kdf.is_scrypt() {
        return invalid(format!(
            "the client's key is encrypted with scrypt, which takes too much memory here: {MEND}"
        ));
    }
    let rounds = kdf.pbkdf2().ok_or_else(unknown)?.iteration_count;
    if rounds > ROUNDS_MAX {
        return invalid(format!(
            "the client's key takes {rounds} rounds to open, more than the {ROUNDS_MAX} allowed: {MEND}, and less with `-iter`"
        ));
    }
    let Some(password) = password else {
        return invalid("the client's key is encrypted: give its password, too, or the key without one as a secret".to_owned());
    };
    sealed.decrypt(password).map_err(|error| match error {
        Pkcs8Error::EncryptedPrivateKey(
            Pkcs5Error::AlgorithmParametersInvalid { .. } | Pkcs5Error::UnsupportedAlgorithm { .. } | Pkcs5Error::NoPbes1CryptSupport,
        ) => unknown(),
        _ => EgressError::Invalid("the client's key is not opened by its password".to_owned()),
    })
}

/// What stands between beginning and end of the first one, however its lines are broken.
fn between(text: &str) -> Option<Vec<u8>> {
    let (_, rest) = text.split_once(BEGIN)?;
    let (lines, _) = rest.split_once(END)?;
    STANDARD.decode(lines.split_ascii_whitespace().collect::<String>()).ok()
}
