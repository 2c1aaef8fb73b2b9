//! What becomes of a message that failed at a node: its failure policy. Kept in the node's free data, `additionalInfo.failurePolicy`:
//!
//! ```json
//! {"type": "RETRY", "attempts": 5, "firstDelayMs": 200, "longestDelayMs": 10000, "then": "FAIL_OPEN", "relation": "Success"}
//! ```
//!
//! `type` is `FAILURE_RELATION` (also without a policy), `DROP`, `FAIL_OPEN` or `RETRY`; `then` is any of the first three.

use std::time::Duration;

use serde::Deserialize;
use serde_json::Value as Json;

/// Attempts after the first one, at most.
const ATTEMPTS_MAX: u8 = 20;
/// A pause between two attempts, at most.
const DELAY_MS_MAX: u64 = 60_000;

/// A node's policy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FailurePolicy {
    /// Attempts before the failure counts.
    pub retry: Option<Retry>,
    /// What a failure that counts leads to.
    pub last: Last,
}

/// Trying again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retry {
    /// Attempts after the first one.
    pub attempts: u8,
    /// Pause before the first of them; doubled for each further one.
    pub first: Duration,
    /// The longest pause.
    pub longest: Duration,
}

/// What a failure that counts leads to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Last {
    /// The message leaves along `Failure`; where nobody takes it, it is recorded.
    #[default]
    Relation,
    /// The message ends here. It is counted.
    Drop,
    /// The message goes on along a relation as if nothing had happened.
    Open(Box<str>),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Written {
    r#type: Kind,
    #[serde(default = "success")]
    relation: String,
    #[serde(default = "attempts")]
    attempts: u8,
    #[serde(default = "first")]
    first_delay_ms: u64,
    #[serde(default = "longest")]
    longest_delay_ms: u64,
    #[serde(default)]
    then: Option<Kind>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum Kind {
    FailureRelation,
    Drop,
    FailOpen,
    Retry,
}

fn success() -> String {
    "Success".to_owned()
}

const fn attempts() -> u8 {
    3
}

const fn first() -> u64 {
    200
}

const fn longest() -> u64 {
    10_000
}

impl FailurePolicy {
    /// Reads it from a node's free data.
    ///
    /// # Errors
    /// Text, naming what is wrong.
    pub fn read(additional_info: Option<&Json>) -> Result<Self, String> {
        let Some(written) = additional_info
            .and_then(|info| info.get("failurePolicy"))
            .filter(|json| !json.is_null())
        else {
            return Ok(FailurePolicy::default());
        };
        let written = Written::deserialize(written).map_err(|error| format!("the failurePolicy is not understood: {error}"))?;
        let last = |kind| match kind {
            Kind::FailureRelation => Ok(Last::Relation),
            Kind::Drop => Ok(Last::Drop),
            Kind::FailOpen => Ok(Last::Open(written.relation.as_str().into())),
            Kind::Retry => Err("the failurePolicy's then is RETRY, which is for its type".to_owned()),
        };
        if written.r#type != Kind::Retry {
            return Ok(FailurePolicy {
                retry: None,
                last: last(written.r#type)?,
            });
        }
        for (name, value, max) in [
            ("attempts", u64::from(written.attempts), u64::from(ATTEMPTS_MAX)),
            ("firstDelayMs", written.first_delay_ms, DELAY_MS_MAX),
            ("longestDelayMs", written.longest_delay_ms, DELAY_MS_MAX),
        ] {
            if !(1..=max).contains(&value) {
                return Err(format!("the failurePolicy's {name} is {value}, not between 1 and {max}"));
            }
        }
        Ok(FailurePolicy {
            retry: Some(Retry {
                attempts: written.attempts,
                first: Duration::from_millis(written.first_delay_ms),
                longest: Duration::from_millis(written.longest_delay_ms.max(written.first_delay_ms)),
            }),
            last: last(written.then.unwrap_or(Kind::FailureRelation))?,
        })
    }

    /// The pause before another attempt at a message that was tried again so often; none: its failure counts.
    pub fn pause(&self, attempts: u8) -> Option<Duration> {
        let retry = self.retry.filter(|retry| attempts < retry.attempts)?;
        let doubled = retry.first.saturating_mul(1 << u32::from(attempts).min(16));
        Some(doubled.min(retry.longest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(policy: Json) -> Result<FailurePolicy, String> {
        FailurePolicy::read(Some(&json!({"layoutX": 5, "failurePolicy": policy})))
    }

    #[test]
    fn policies_are_read_with_their_defaults() {
        assert_eq!(FailurePolicy::read(None), Ok(FailurePolicy::default()));
        assert_eq!(FailurePolicy::read(Some(&json!({"layoutX": 5}))), Ok(FailurePolicy::default()));
        let last = |policy: Json| read(policy).map(|read| (read.retry.is_some(), read.last));
        assert_eq!(last(Json::Null), Ok((false, Last::Relation)));
        assert_eq!(last(json!({"type": "FAILURE_RELATION"})), Ok((false, Last::Relation)));
        assert_eq!(last(json!({"type": "DROP"})), Ok((false, Last::Drop)));
        assert_eq!(last(json!({"type": "FAIL_OPEN"})), Ok((false, Last::Open("Success".into()))));
        assert_eq!(last(json!({"type": "RETRY"})), Ok((true, Last::Relation)));
        assert_eq!(
            last(json!({"type": "RETRY", "then": "FAIL_OPEN", "relation": "False"})),
            Ok((true, Last::Open("False".into())))
        );
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (policy, says) in [
            (json!("RETRY"), "not understood"),
            (json!({}), "type"),
            (json!({"type": "GIVE_UP"}), "GIVE_UP"),
            (json!({"type": "RETRY", "attempt": 5}), "attempt"),
            (json!({"type": "RETRY", "attempts": 0}), "attempts is 0"),
            (json!({"type": "RETRY", "attempts": 21}), "between 1 and 20"),
            (json!({"type": "RETRY", "firstDelayMs": 60_001}), "firstDelayMs"),
            (json!({"type": "RETRY", "then": "RETRY"}), "then is RETRY"),
        ] {
            let read = read(policy);
            assert!(read.as_ref().is_err_and(|error| error.contains(says)), "{says}: {read:?}");
        }
    }

    #[test]
    fn pauses_double_up_to_the_longest() {
        let policy = read(json!({"type": "RETRY", "attempts": 5, "firstDelayMs": 100, "longestDelayMs": 500})).expect("it is right");
        let pauses: Vec<_> = (0..6)
            .map(|attempts| policy.pause(attempts).map(|pause| pause.as_millis()))
            .collect();
        assert_eq!(pauses, [Some(100), Some(200), Some(400), Some(500), Some(500), None]);
        assert_eq!(FailurePolicy::default().pause(0), None);
    }
}
