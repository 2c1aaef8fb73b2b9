//! Showing that one knows a password without saying it: SCRAM (RFC 5802) over SHA-256 (RFC 7677) or SHA-512. Pure.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::digest::core_api::BlockSizeUser;
use hmac::{Mac, SimpleHmac};
use sha2::{Digest, Sha256, Sha512};

use crate::broker::publish::Mechanism;

/// Rounds that a broker may ask for: each costs this side, too.
const ROUNDS: std::ops::RangeInclusive<u32> = 1..=100_000;

/// The client's side.
pub(super) struct Scram {
    long: bool,
    user: String,
    password: String,
    nonce: String,
    /// What the broker has to say in the end, once that is known.
    expected: Option<Vec<u8>>,
}

impl Scram {
    /// `nonce` is used once. None: the mechanism is another.
    pub(super) fn new(mechanism: Mechanism, user: &str, password: &str, nonce: String) -> Option<Self> {
        Some(Scram {
            long: match mechanism {
                Mechanism::Plain => return None,
                Mechanism::ScramSha256 => false,
                Mechanism::ScramSha512 => true,
            },
            user: user.replace('=', "=3D").replace(',', "=2C"),
            password: password.to_owned(),
            nonce,
            expected: None,
        })
    }

    /// The first words.
    pub(super) fn begin(&self) -> String {
        format!("n,,{}", self.bare())
    }

    fn bare(&self) -> String {
        format!("n={},r={}", self.user, self.nonce)
    }

    /// What is said to the broker's first words.
    ///
    /// # Errors
    /// When they make no sense, or ask for too much.
    pub(super) fn prove(&mut self, first: &str) -> Result<String, String> {
        let strange = || "its challenge is not understood".to_owned();
        let field = |name: &str| first.split(',').find_map(|part| part.strip_prefix(name));
        let (nonce, salt, rounds) = (field("r="), field("s="), field("i="));
        let nonce = nonce.filter(|nonce| nonce.starts_with(&self.nonce) && nonce.len() > self.nonce.len());
        let nonce = nonce.ok_or_else(strange)?;
        let salt = salt.and_then(|salt| STANDARD.decode(salt).ok()).ok_or_else(strange)?;
        let rounds: u32 = rounds.and_then(|rounds| rounds.parse().ok()).ok_or_else(strange)?;
        if !ROUNDS.contains(&rounds) {
            return Err(format!("it asks for {rounds} rounds, more than the {} allowed", ROUNDS.end()));
        }
        let without_proof = format!("c=biws,r={nonce}");
        let said = format!("{},{first},{without_proof}", self.bare());
        let (proof, expected) = match self.long {
            false => prove::<Sha256>(&self.password, &salt, rounds, said.as_bytes()),
            true => prove::<Sha512>(&self.password, &salt, rounds, said.as_bytes()),
        };
        self.expected = Some(expected);
        Ok(format!("{without_proof},p={}", STANDARD.encode(proof)))
    }

    /// Whether the proof was given.
    pub(super) fn is_proven(&self) -> bool {
        self.expected.is_some()
    }

    /// Whether the broker knows the password, too, by its last words.
    pub(super) fn believes(&self, last: &str) -> bool {
        let told = last.split(',').find_map(|part| part.strip_prefix("v="));
        let told = told.and_then(|told| STANDARD.decode(told).ok());
        told.is_some() && told == self.expected
    }
}

/// A proof for the broker, and the one that it has to give.
fn prove<D: Digest + BlockSizeUser>(password: &str, salt: &[u8], rounds: u32, said: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let mut last = keyed::<D>(password.as_bytes(), &[salt, &1u32.to_be_bytes()]);
    let mut salted = last.clone();
    for _ in 1..rounds {
        last = keyed::<D>(password.as_bytes(), &[&last]);
        salted.iter_mut().zip(&last).for_each(|(byte, other)| *byte ^= other);
    }
    let key = keyed::<D>(&salted, &[b"Client Key"]);
    let signature = keyed::<D>(&D::digest(&key), &[said]);
    let proof = key.iter().zip(signature).map(|(byte, other)| byte ^ other).collect();
    let server = keyed::<D>(&salted, &[b"Server Key"]);
    (proof, keyed::<D>(&server, &[said]))
}

fn keyed<D: Digest + BlockSizeUser>(key: &[u8], parts: &[&[u8]]) -> Vec<u8> {
    // A key of any length will do.
    let Ok(mut mac) = SimpleHmac::<D>::new_from_slice(key) else {
        return Vec::new();
    };
    parts.iter().for_each(|part| mac.update(part));
    mac.finalize().into_bytes().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The exchange of RFC 7677, section 3.
    #[test]
    fn the_example_of_the_standard_is_followed() {
        let nonce = "rOprNGfwEbeRWgbNEkqO".to_owned();
        let mut scram = Scram::new(Mechanism::ScramSha256, "user", "pencil", nonce).expect("it is one");
        assert_eq!(scram.begin(), "n,,n=user,r=rOprNGfwEbeRWgbNEkqO");
        let first = "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
        assert!(
            !scram.believes("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="),
            "it was not asked yet"
        );
        assert_eq!(
            scram.prove(first).as_deref(),
            Ok("c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=")
        );
        assert!(scram.believes("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="));
        for wrong in ["v=7rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=", "e=invalid-proof", "v=", ""] {
            assert!(!scram.believes(wrong), "{wrong}");
        }
    }

    #[test]
    fn a_challenge_that_makes_no_sense_is_not_taken() {
        let scram = || Scram::new(Mechanism::ScramSha512, "a=b,c", "p", "mine".to_owned()).expect("it is one");
        assert_eq!(scram().begin(), "n,,n=a=3Db=2Cc,r=mine");
        for wrong in [
            "",
            "r=other,s=aaaa,i=1",
            "r=mine,s=aaaa,i=1",
            "r=mine2,s=!,i=1",
            "r=mine2,i=1",
            "r=mine2,s=aaaa,i=many",
            "r=mine2,s=aaaa,i=0",
            "r=mine2,s=aaaa,i=4294967295",
        ] {
            assert!(scram().prove(wrong).is_err(), "{wrong}");
        }
        assert!(scram().prove("r=mine2,s=aaaa,i=1").is_ok());
    }
}
