//! Argon2 on the blocking pool. Each hash takes memory and tens of milliseconds of a core, so only a few are made at one time, and only
//! so many requests may wait for their turn.

use std::sync::Arc;

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};

use crate::ApiError;
use crate::limited::{self, Limited};

/// Characters of a password at least and bytes at most.
const LEN: (usize, usize) = (6, 72);
/// Hashes at one time.
const AT_ONCE: usize = 2;
/// Requests that work or wait at most.
const WAITING_MAX: usize = 64;

/// Hashes passwords, and compares them with hashes.
pub struct Passwords {
    work: Limited,
    /// Compared with when there is no such user, so that it takes as long.
    decoy: Arc<str>,
}

/// A turn at the work.
pub struct Turn {
    _turn: limited::Turn,
    decoy: Arc<str>,
}

impl Passwords {
    /// Makes one hash, to compare with.
    pub fn new() -> Self {
        let decoy = hash_blocking(&uuid::Uuid::new_v4().to_string()).unwrap_or_default();
        Passwords {
            work: Limited::new(AT_ONCE, WAITING_MAX),
            decoy: decoy.into(),
        }
    }

    /// Waits for a turn.
    ///
    /// # Errors
    /// [`ApiError::TooMany`] when too many wait already.
    pub async fn turn(&self) -> Result<Turn, ApiError> {
        Ok(Turn {
            _turn: self.work.turn().await?,
            decoy: Arc::clone(&self.decoy),
        })
    }
}

impl Default for Passwords {
    fn default() -> Self {
        Passwords::new()
    }
}

impl Turn {
    /// Whether a password is the one that was hashed. Without a hash: no, after the same time.
    ///
    /// # Errors
    /// [`ApiError::Internal`].
    pub async fn verify(self, password: String, hash: Option<String>) -> Result<bool, ApiError> {
        self.work(move |decoy| {
            let known = hash.is_some();
            let matches = verify_blocking(&password, hash.as_deref().unwrap_or(decoy));
            known && matches
        })
        .await
    }

    /// The hash of a password, in PHC form.
    ///
    /// # Errors
    /// [`ApiError::Internal`].
    pub async fn hash(self, password: String) -> Result<String, ApiError> {
        self.work(move |_| hash_blocking(&password)).await?.map_err(ApiError::internal)
    }

    async fn work<T: Send + 'static>(self, work: impl FnOnce(&str) -> T + Send + 'static) -> Result<T, ApiError> {
        crate::state::blocking(move || work(&self.decoy)).await
    }
}

/// Refuses passwords that nobody should have.
///
/// # Errors
/// [`ApiError::Invalid`].
pub fn check_new(password: &str) -> Result<(), ApiError> {
    if password.chars().count() < LEN.0 {
        return Err(ApiError::Invalid(format!(
            "Password must be {} or more characters in length.",
            LEN.0
        )));
    }
    if password.len() > LEN.1 {
        return Err(ApiError::Invalid(format!(
            "Password must be no more than {} characters in length.",
            LEN.1
        )));
    }
    Ok(())
}

/// Hashes a password. Blocks for tens of milliseconds.
pub(crate) fn hash_blocking(password: &str) -> Result<String, argon2::password_hash::Error> {
    let hash: PasswordHash = Argon2::default().hash_password(password.as_bytes())?;
    Ok(hash.to_string())
}

fn verify_blocking(password: &str, hash: &str) -> bool {
    match PasswordHash::new(hash) {
        Ok(hash) => Argon2::default().verify_password(password.as_bytes(), &hash).is_ok(),
        Err(error) => {
            tracing::error!(%error, "a stored password hash cannot be read");
            false
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_right_password_matches() {
        let passwords = Passwords::new();
        let hash = passwords
            .turn()
            .await
            .expect("a turn")
            .hash("secret".to_owned())
            .await
            .expect("a hash");
        assert!(hash.starts_with("$argon2id$"), "{hash}");
        for (password, hash, expected) in [
            ("secret", Some(&hash), true),
            ("Secret", Some(&hash), false),
            ("secret", None, false),
        ] {
            let verified = passwords
                .turn()
                .await
                .expect("a turn")
                .verify(password.to_owned(), hash.cloned())
                .await;
            assert_eq!(verified, Ok(expected), "{password}");
        }
    }

    #[test]
    fn new_passwords_have_a_length() {
        for (password, taken) in [
            ("12345", false),
            ("123456", true),
            (&*"x".repeat(72), true),
            (&*"x".repeat(73), false),
        ] {
            assert_eq!(check_new(password).is_ok(), taken, "{password}");
        }
    }
}
