//! Which effects are plain writes. They join the batch that the chain hands to the store; everything else is performed on its own.

use std::sync::Arc;

use model::{AttributeScope, Value};
use plugins::{Content, Effect, Retention};
use serde_json::Value as Json;
use storage::{KeptIn, Mutation};

use crate::EffectError;

#[cfg(test)]
mod tests;

/// Keys of one effect at most.
pub const KEYS_MAX: usize = 10_000;
/// Bytes of a key at most.
pub const KEY_LEN_MAX: usize = 512;

/// How an effect is performed.
#[derive(Debug)]
pub enum Planned {
    /// By this write; the message leaves along `Success` when it is durable.
    Write(Mutation),
    /// There is nothing to write; the message leaves along `Success`.
    Nothing,
    /// By [`crate::Effects::perform`].
    Perform(Effect),
}

/// Plans one effect.
///
/// # Errors
/// [`EffectError::Invalid`] when the values are no object, or exceed a limit.
pub fn plan(effect: Effect, now_ms: i64) -> Result<Planned, EffectError> {
    match effect {
        Effect::SaveTimeSeries {
            entity,
            ts_ms,
            ttl_s,
            values,
            keep,
            quiet,
        } => {
            let values = key_values(&values)?;
            if values.is_empty() {
                return Ok(Planned::Nothing);
            }
            let write = Mutation::Points {
                entity,
                ts_ms,
                values,
                ttl_s,
                kept: match keep {
                    Retention::All | Retention::Nothing => KeptIn::Both,
                    Retention::Latest => KeptIn::Latest,
                    Retention::History => KeptIn::History,
                },
            };
            Ok(reaching(write, keep, quiet))
        }
        Effect::SaveAttributes {
            entity,
            scope,
            values,
            only_changed: false,
            notify_device: false,
            tell_chain: false,
            keep,
            quiet,
        } => {
            let values = key_values(&values)?;
            if values.is_empty() {
                return Ok(Planned::Nothing);
            }
            let write = Mutation::Attributes {
                entity,
                scope,
                ts_ms: now_ms,
                values,
            };
            Ok(reaching(write, keep, quiet))
        }
        Effect::DeleteAttributes {
            entity,
            scope,
            keys,
            notify_device,
            tell_chain: false,
        } if !notify_device || scope != AttributeScope::SharedScope => {
            Ok(Planned::Write(Mutation::DeleteAttributes { entity, scope, keys }))
        }
        other => Ok(Planned::Perform(other)),
    }
}

/// What comes of a write: stored, told to those who watch, or both.
pub(crate) fn reaching(write: Mutation, keep: Retention, quiet: bool) -> Planned {
    match (keep, quiet) {
        (Retention::Nothing, true) => Planned::Nothing,
        (Retention::Nothing, false) => Planned::Write(Mutation::OnlyTold(Box::new(write))),
        (_, true) => Planned::Write(Mutation::Untold(Box::new(write))),
        (_, false) => Planned::Write(write),
    }
}

/// The keys and values of an object, by ThingsBoard's rules: null is no value.
pub(crate) fn key_values(content: &Content) -> Result<Vec<(Arc<str>, Value)>, EffectError> {
    let Some(Json::Object(members)) = content.json() else {
        return Err(EffectError::Invalid("the values are not a JSON object".to_owned()));
    };
    if members.len() > KEYS_MAX {
        return Err(EffectError::Invalid(format!(
            "{} keys are more than the {KEYS_MAX} allowed",
            members.len()
        )));
    }
    let mut values = Vec::with_capacity(members.len());
    for (key, json) in members {
        if key.is_empty() || key.len() > KEY_LEN_MAX {
            return Err(EffectError::Invalid(format!(
                "a key of {} bytes is not between 1 and {KEY_LEN_MAX}",
                key.len()
            )));
        }
        if let Some(value) = Value::from_json(json) {
            values.push((Arc::from(key.as_str()), value));
        }
    }
    Ok(values)
}
