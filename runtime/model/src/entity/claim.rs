//! For how long, and with which secret, a customer may claim a device. Pure.
//!
//! Kept as the server attribute [`ATTRIBUTE`] of the device; the secret itself is not kept.

use serde::{Deserialize, Serialize};

use super::credentials::{same, sha3};

/// The server attribute that it is kept as.
pub const ATTRIBUTE: &str = "claimingData";
/// How long a device may be claimed unless it says so, milliseconds.
const DURATION_MS: i64 = 86_400_000;
/// How long at most, whatever it says, milliseconds.
const DURATION_MS_MAX: i64 = 366 * 86_400_000;

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClaimWindow {
    /// SHA3-256 of the secret, in hexadecimal digits.
    secret_hash: String,
    /// Milliseconds since 1970-01-01 UTC.
    expiration_time: i64,
}

impl ClaimWindow {
    /// A device opens it, for as long as it says, within a year.
    pub fn opened(secret: &str, now_ms: i64, duration_ms: Option<i64>) -> Self {
        let duration_ms = duration_ms.filter(|duration| *duration > 0).unwrap_or(DURATION_MS);
        ClaimWindow {
            secret_hash: sha3(secret),
            expiration_time: now_ms.saturating_add(duration_ms.min(DURATION_MS_MAX)),
        }
    }

    /// Whether somebody who presents a secret may claim the device now.
    pub fn lets_in(&self, secret: &str, now_ms: i64) -> bool {
        now_ms < self.expiration_time && same(self.secret_hash.as_bytes(), sha3(secret).as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_knows_the_secret_is_let_in_for_a_time() {
        for (secret, duration_ms, presented, now_ms, expected) in [
            ("s", Some(10), "s", 109, true),
            ("s", Some(10), "s", 110, false),
            ("s", Some(10), "S", 100, false),
            ("s", Some(10), "", 100, false),
            ("", Some(10), "", 100, true),
            ("s", None, "s", 100 + DURATION_MS - 1, true),
            ("s", None, "s", 100 + DURATION_MS, false),
            ("s", Some(-1), "s", 100 + DURATION_MS - 1, true),
            ("s", Some(i64::MAX), "s", 100 + DURATION_MS_MAX - 1, true),
            ("s", Some(i64::MAX), "s", 100 + DURATION_MS_MAX, false),
        ] {
            let window = ClaimWindow::opened(secret, 100, duration_ms);
            assert_eq!(
                window.lets_in(presented, now_ms),
                expected,
                "{secret} {duration_ms:?} {presented} {now_ms}"
            );
            assert!(!serde_json::to_string(&window).is_ok_and(|text| text.contains("\"s\"")));
        }
    }
}
