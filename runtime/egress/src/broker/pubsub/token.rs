//! Tokens of service accounts: signed with an account's own key (RS256), used until they are old, so that not every message is signed.
//!
//! Sources: RFC 7515 and 7519 for the form; “Service account authorization without OAuth” (Google) and AIP-4111 for what is said. Errors quote
//! nothing of a key.

use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hyper::header::HeaderValue;
use parking_lot::Mutex;
use rustls::SignatureScheme;
use rustls::crypto::ring::sign::any_supported_type;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::error::EgressError;

/// For whom tokens are. It is the service's name wherever its door is: regional ones and private ones know it by this one.
const AUDIENCE: &str = "https://pubsub.googleapis.com/";
/// Seconds for which a token is good: no more are allowed.
const GOOD_FOR_S: i64 = 60 * 60;
/// Seconds for which it is used: a request takes five minutes at most, and clocks differ.
const USED_FOR_S: i64 = 50 * 60;
/// Tokens that are kept; the oldest gives way.
const TOKENS_MAX: usize = 1_024;

/// Tokens that are in use, by the digest of the key that signed them.
#[derive(Default)]
pub(crate) struct Tokens(Mutex<HashMap<[u8; 32], Token>>);

struct Token {
    made_s: i64,
    /// Of the header `Authorization`.
    value: HeaderValue,
}

impl Token {
    fn is_good(&self, now_s: i64) -> bool {
        (0..USED_FOR_S).contains(&(now_s - self.made_s))
    }
}

impl Tokens {
    /// The value of `Authorization` for whoever has the key, which is the text of a service account's key file.
    ///
    /// # Errors
    /// [`EgressError::Invalid`] if it is none.
    pub(super) fn of(&self, key: &str, now_s: i64) -> Result<HeaderValue, EgressError> {
        let digest: [u8; 32] = Sha256::digest(key).into();
        if let Some(token) = self.0.lock().get(&digest).filter(|token| token.is_good(now_s)) {
            return Ok(token.value.clone());
        }
        // Nobody waits while it is signed. Two at one time make two, of which either will do.
        let account = Account::read(key)?;
        let value = HeaderValue::from_str(&format!("Bearer {}", account.token(now_s)?));
        let mut value = value.map_err(|_| EgressError::Invalid("the service account's key has strange characters".to_owned()))?;
        value.set_sensitive(true);
        let mut all = self.0.lock();
        if all.len() >= TOKENS_MAX && !all.contains_key(&digest) {
            let oldest = all.iter().min_by_key(|(_, token)| token.made_s).map(|(digest, _)| *digest);
            oldest.and_then(|oldest| all.remove(&oldest));
        }
        let token = Token {
            made_s: now_s,
            value: value.clone(),
        };
        all.insert(digest, token);
        Ok(value)
    }
}

/// What is needed of a service account's key file.
#[derive(Deserialize)]
pub(super) struct Account {
    client_email: String,
    /// PEM
    private_key: String,
    private_key_id: Option<String>,
}

/// The first part of a token.
#[derive(Serialize)]
struct Head<'a> {
    alg: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    kid: Option<&'a str>,
    typ: &'static str,
}

/// The second.
#[derive(Serialize)]
struct Claims<'a> {
    aud: &'static str,
    exp: i64,
    iat: i64,
    iss: &'a str,
    sub: &'a str,
}

impl Account {
    /// Reads a key file.
    ///
    /// # Errors
    /// [`EgressError::Invalid`].
    pub(super) fn read(text: &str) -> Result<Self, EgressError> {
        // What is wrong with it is not told: that would quote it.
        serde_json::from_str(text).map_err(|_| {
            EgressError::Invalid(
                "the service account's key is not the text of its key file: JSON with client_email and private_key".to_owned(),
            )
        })
    }

    /// A token that is good from now on.
    ///
    /// # Errors
    /// [`EgressError::Invalid`] if the key in it is none for RSA.
    pub(super) fn token(&self, now_s: i64) -> Result<String, EgressError> {
        self.signed(now_s).ok_or_else(|| {
            EgressError::Invalid("the service account's private_key is not an RSA key of 2048 to 4096 bits in PEM".to_owned())
        })
    }

    /// Head, claims and signature (RFC 7515, 7.1).
    fn signed(&self, now_s: i64) -> Option<String> {
        let key = PrivateKeyDer::from_pem_slice(self.private_key.as_bytes()).ok()?;
        let key = any_supported_type(&key).ok()?;
        let signer = key.choose_scheme(&[SignatureScheme::RSA_PKCS1_SHA256])?;
        let head = Head {
            alg: "RS256",
            kid: self.private_key_id.as_deref(),
            typ: "JWT",
        };
        let claims = Claims {
            aud: AUDIENCE,
            exp: now_s + GOOD_FOR_S,
            iat: now_s,
            iss: &self.client_email,
            sub: &self.client_email,
        };
        let parts = [serde_json::to_vec(&head).ok()?, serde_json::to_vec(&claims).ok()?];
        let text = parts.map(|part| URL_SAFE_NO_PAD.encode(part)).join(".");
        let signature = signer.sign(text.as_bytes()).ok()?;
        Some([text, URL_SAFE_NO_PAD.encode(signature)].join("."))
    }
}
