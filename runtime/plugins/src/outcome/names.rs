//! Texts in a node's answer: names, ids and keys, each within its limits.

use std::sync::Arc;

use model::EntityKind;
use uuid::Uuid;

use crate::capability::short;

/// Attributes that one effect removes at most.
const DELETED_KEYS_MAX: usize = 1_000;
/// Types of relations along which an alarm propagates at most.
const RELATION_TYPES_MAX: usize = 100;
/// Bytes of an alarm type, of a method's name, of a key and the like at most.
pub(super) const NAME_BYTES_MAX: usize = 255;

pub(super) fn uuid(what: &str, text: &str) -> Result<Uuid, String> {
    text.parse().map_err(|_| format!("{:?} is no id of {what}", short(text)))
}

pub(super) fn name(what: &str, name: &str) -> Result<(), String> {
    if name.is_empty() || name.len() > NAME_BYTES_MAX {
        return Err(format!("{what} of {} bytes is not between 1 and {NAME_BYTES_MAX}", name.len()));
    }
    Ok(())
}

pub(super) fn kind(name: &str) -> Result<EntityKind, String> {
    name.parse().map_err(|_| format!("there is no entity type {:?}", short(name)))
}

pub(super) fn relation_type(told: String) -> Result<String, String> {
    name("a relation's type", &told)?;
    match told.contains('\0') {
        true => Err("a relation's type contains a zero".to_owned()),
        false => Ok(told),
    }
}

pub(super) fn relation_types(told: Vec<String>) -> Result<Vec<String>, String> {
    if told.len() > RELATION_TYPES_MAX {
        return Err(format!(
            "{} types of relations are more than the {RELATION_TYPES_MAX} allowed",
            told.len()
        ));
    }
    told.into_iter().map(relation_type).collect()
}

pub(super) fn keys(told: Vec<String>) -> Result<Vec<Arc<str>>, String> {
    if told.is_empty() || told.len() > DELETED_KEYS_MAX {
        return Err(format!("{} keys are not between 1 and {DELETED_KEYS_MAX}", told.len()));
    }
    let key = |key: String| name("a key", &key).map(|()| Arc::from(key));
    told.into_iter().map(key).collect()
}
