//! Text that things are found by: keys, names, types, ids of credentials. One limit for all back ends, so that data can move between
//! them.

use model::entity::Relation;

use crate::{Mutation, StorageError};

/// Bytes of such a text at most. The embedded database's own limit is 65 535 bytes for a whole key, and it panics beyond.
pub const TEXT_LEN_MAX: usize = 4096;

/// Refuses text that nothing can be found by.
///
/// # Errors
/// [`StorageError::Failed`]
pub fn check(what: &str, text: &str) -> Result<(), StorageError> {
    if storable(text) {
        return Ok(());
    }
    Err(StorageError::Failed(format!(
        "refused: {what} has {} bytes, but 1 to {TEXT_LEN_MAX} can be stored",
        text.len()
    )))
}

/// Whether something can be stored under a text. Nothing is stored under other text, so reads answer with nothing.
pub fn storable(text: &str) -> bool {
    !text.is_empty() && text.len() <= TEXT_LEN_MAX
}

/// The same for text that other text may follow in a key: a zero ends it there.
///
/// # Errors
/// [`StorageError::Failed`]
pub fn check_within(what: &str, text: &str) -> Result<(), StorageError> {
    check(what, text)?;
    match storable_within(text) {
        true => Ok(()),
        false => Err(StorageError::Failed(format!("refused: {what} contains 0x00"))),
    }
}

/// Whether something can be stored under a text that other text may follow.
pub fn storable_within(text: &str) -> bool {
    storable(text) && !text.contains('\0')
}

/// Refuses mutations with text that cannot be stored, before they are queued.
///
/// # Errors
/// [`StorageError::Failed`]
pub fn check_batch(batch: &[Mutation]) -> Result<(), StorageError> {
    batch.iter().try_for_each(check_mutation)
}

fn check_mutation(mutation: &Mutation) -> Result<(), StorageError> {
    const KEY: &str = "a key";
    match mutation {
        Mutation::Points { values, .. } | Mutation::Attributes { values, .. } => values.iter().try_for_each(|(key, _)| check(KEY, key)),
        Mutation::Untold(one) | Mutation::OnlyTold(one) => check_mutation(one),
        Mutation::DeletePoints { key, .. } => check(KEY, key),
        Mutation::DeleteAttributes { keys, .. } => keys.iter().try_for_each(|key| check(KEY, key)),
        Mutation::PutAlarm(alarm) => check("an alarm type", &alarm.alarm_type),
        Mutation::NodeState { change, .. } => {
            change.entries.iter().try_for_each(|(key, _)| check(KEY, key))?;
            change.timers.iter().try_for_each(|(name, _)| check("a timer's name", name))
        }
        Mutation::PutRelation { relation, .. } | Mutation::DeleteRelation { relation, .. } => check_relation(relation),
        Mutation::PutRpc(_)
        | Mutation::DeleteRpc { .. }
        | Mutation::Remind(_)
        | Mutation::Forget(_)
        | Mutation::AppendEvent(_)
        | Mutation::DropNodeState(_)
        | Mutation::DropRelations { .. } => Ok(()),
    }
}

fn check_relation(relation: &Relation) -> Result<(), StorageError> {
    check_within("a relation's type", &relation.relation_type)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_in_keys_has_limits() {
        for (text, fits) in [
            ("", false),
            ("a", true),
            (&*"a".repeat(TEXT_LEN_MAX), true),
            (&*"a".repeat(TEXT_LEN_MAX + 1), false),
        ] {
            assert_eq!(check("a name", text).is_ok(), fits, "{} bytes", text.len());
        }
        assert!(check("a name", "a\0b").is_ok() && check_within("a name", "a\0b").is_err());
    }
}
