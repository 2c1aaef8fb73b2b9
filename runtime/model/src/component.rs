//! Components that tenants or system administrators have uploaded, as every store keeps them.
//!
//! A component is a named package; its versions are immutable and named by their content. Bytes are kept apart from what is known of
//! them.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value as Json;

use crate::TenantId;

/// SHA-256 of a component's bytes: the name of a version.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest(pub [u8; 32]);

/// Text that is no [`Digest`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a version is named by 64 hexadecimal digits")]
pub struct NoDigest;

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl FromStr for Digest {
    type Err = NoDigest;

    fn from_str(text: &str) -> Result<Self, NoDigest> {
        let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        let digits = text.as_bytes();
        if digits.len() != 64 {
            return Err(NoDigest);
        }
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            let (Some(high), Some(low)) = (digit(pair[0]), digit(pair[1])) else {
                return Err(NoDigest);
            };
            *byte = high << 4 | low;
        }
        Ok(Digest(bytes))
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// A component: which of its versions serves, and what it may do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ComponentRecord {
    /// Whose it is; the system's serve every tenant.
    pub tenant: TenantId,
    /// Unique for its owner.
    pub name: String,
    /// Counts saves; starts at 1. In a save: the revision the change is based on, 0 for a new component.
    pub revision: u64,
    /// Milliseconds since 1970-01-01 UTC.
    pub created_time: i64,
    /// The version that serves.
    pub active: Option<Digest>,
    /// The version that served before: what a roll-back returns to.
    pub previous: Option<Digest>,
    /// Why the active version does not serve although it is active.
    pub suspended: Option<Suspension>,
    /// Whether a suspension rolls back by itself.
    pub auto_rollback: bool,
    /// Permissions granted.
    pub granted: BTreeSet<String>,
    /// Permissions denied.
    pub denied: BTreeSet<String>,
}

/// A version was stopped because it did harm.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Suspension {
    /// Which.
    pub version: Digest,
    /// Milliseconds since 1970-01-01 UTC.
    pub since: i64,
    /// In words.
    pub reason: String,
}

/// A version of a component, without its bytes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ComponentVersion {
    /// Name.
    pub digest: Digest,
    /// Milliseconds since 1970-01-01 UTC.
    pub created_time: i64,
    /// Bytes it has.
    pub bytes: u64,
    /// What was found out when it was admitted.
    pub facts: Json,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_written_as_hexadecimal_digits() {
        let digest = Digest(std::array::from_fn(|at| at as u8 * 8 + 3));
        let text = digest.to_string();
        assert!(text.starts_with("030b13") && text.len() == 64, "{text}");
        assert_eq!(text.parse(), Ok(digest));
        assert_eq!(text.to_uppercase().parse(), Ok(digest));
        for bad in ["", "03", &text[1..], &text.replace('0', "g"), &format!("{text}00"), &"ö".repeat(32)] {
            assert_eq!(bad.parse::<Digest>(), Err(NoDigest), "{bad}");
        }
        let json = serde_json::to_string(&digest).expect("text");
        assert_eq!(serde_json::from_str::<Digest>(&json).expect("a digest"), digest);
    }
}
