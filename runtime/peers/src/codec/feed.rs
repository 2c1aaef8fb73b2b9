//! What is watched, and what was saved of it.

use std::sync::Arc;

use feed::{News, Say, Update};
use model::{AttributeScope, EntityId, EntityKind, TenantId, Value};

use super::{bytes_of, id_of};
use crate::CodecError;
use crate::wire::{self, item, key_value, saved};

/// What is said of the feed.
pub fn encode(say: Say) -> item::What {
    match say {
        Say::Watch(of) => item::What::Watch(entity(of)),
        Say::Unwatch(of) => item::What::Unwatch(entity(of)),
        Say::Missed(of) => item::What::Missed(entity(of)),
        Say::Saved(update) => match what(&update.news) {
            Some(what) => item::What::Saved(wire::Saved {
                entity: Some(entity(update.entity)),
                what: Some(what),
            }),
            None => item::What::Missed(entity(update.entity)),
        },
    }
}

/// None: there is something to be looked at, and nothing to be told.
fn what(news: &News) -> Option<saved::What> {
    Some(match news {
        News::Points { ts_ms, values } => saved::What::Points(wire::Points {
            ts_ms: *ts_ms,
            values: key_values(values),
        }),
        News::Attributes { scope, ts_ms, values } => saved::What::Attributes(wire::Attributes {
            scope: scope_to(*scope).into(),
            ts_ms: *ts_ms,
            values: key_values(values),
        }),
        News::AttributesRemoved { scope, keys } => saved::What::AttributesRemoved(wire::AttributesRemoved {
            scope: scope_to(*scope).into(),
            keys: keys.iter().map(ToString::to_string).collect(),
        }),
        News::PointsRemoved { key } => saved::What::PointsRemoved(key.to_string()),
        News::Missed | News::Record => return None,
    })
}

/// What was saved. What a newer version says that this one does not know is something missed.
///
/// # Errors
/// [`CodecError`] when the entity is none.
pub fn decode(came: wire::Saved) -> Result<Update, CodecError> {
    let of = entity_of(came.entity.ok_or(CodecError::Unknown("an entity"))?)?;
    Ok(Update::new(of, came.what.and_then(news).unwrap_or(News::Missed)))
}

fn news(what: saved::What) -> Option<News> {
    Some(match what {
        saved::What::Points(wire::Points { ts_ms, values }) => News::Points {
            ts_ms,
            values: values_of(values)?,
        },
        saved::What::Attributes(wire::Attributes { scope, ts_ms, values }) => News::Attributes {
            scope: scope_of(scope)?,
            ts_ms,
            values: values_of(values)?,
        },
        saved::What::AttributesRemoved(wire::AttributesRemoved { scope, keys }) => News::AttributesRemoved {
            scope: scope_of(scope)?,
            keys: keys.into_iter().map(Arc::from).collect(),
        },
        saved::What::PointsRemoved(key) => News::PointsRemoved { key: key.into() },
    })
}

/// An entity.
pub fn entity(id: EntityId) -> wire::Entity {
    wire::Entity {
        tenant: bytes_of(id.tenant.0),
        id: bytes_of(id.id),
        kind: id.kind.number().into(),
    }
}

/// The same back.
///
/// # Errors
/// [`CodecError`] when an id is none, or the kind is not known.
pub fn entity_of(came: wire::Entity) -> Result<EntityId, CodecError> {
    let kind = u8::try_from(came.kind).ok().and_then(EntityKind::from_number);
    let kind = kind.ok_or(CodecError::Unknown("a kind of entity"))?;
    Ok(EntityId::new(TenantId(id_of(&came.tenant)?), kind, id_of(&came.id)?))
}

fn scope_to(scope: AttributeScope) -> wire::Scope {
    match scope {
        AttributeScope::ClientScope => wire::Scope::Client,
        AttributeScope::SharedScope => wire::Scope::Shared,
        AttributeScope::ServerScope => wire::Scope::Server,
    }
}

fn scope_of(number: i32) -> Option<AttributeScope> {
    match wire::Scope::try_from(number) {
        Ok(wire::Scope::Client) => Some(AttributeScope::ClientScope),
        Ok(wire::Scope::Shared) => Some(AttributeScope::SharedScope),
        Ok(wire::Scope::Server) => Some(AttributeScope::ServerScope),
        Ok(wire::Scope::Unspecified) | Err(_) => None,
    }
}

fn key_values(values: &[(Arc<str>, Value)]) -> Vec<wire::KeyValue> {
    let one = |(key, value): &(Arc<str>, Value)| wire::KeyValue {
        key: key.to_string(),
        value: Some(match value {
            Value::Bool(bool) => key_value::Value::Flag(*bool),
            Value::Long(long) => key_value::Value::Whole(*long),
            Value::Double(double) => key_value::Value::Number(*double),
            Value::Text(text) => key_value::Value::Text(text.to_string()),
            Value::Json(text) => key_value::Value::Json(text.to_string()),
        }),
    };
    values.iter().map(one).collect()
}

/// None: one of them is of a kind that is not known.
fn values_of(values: Vec<wire::KeyValue>) -> Option<Vec<(Arc<str>, Value)>> {
    let one = |wire::KeyValue { key, value }| {
        let value = match value? {
            key_value::Value::Flag(bool) => Value::Bool(bool),
            key_value::Value::Whole(long) => Value::Long(long),
            key_value::Value::Number(double) => Value::Double(double),
            key_value::Value::Text(text) => Value::Text(text.into()),
            key_value::Value::Json(text) => Value::Json(text.into()),
        };
        Some((Arc::from(key), value))
    };
    values.into_iter().map(one).collect()
}
