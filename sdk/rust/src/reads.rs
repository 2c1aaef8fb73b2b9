//! What a node may read of its tenant: values, history, entities, customers, relations, alarms, credentials. Each group is an interface of
//! the contract, and using it is a permission that the component asks for.
//!
//! Natively everything is answered by what the test has put into [`crate::testing::platform`].

use crate::EntityId;
#[cfg(target_arch = "wasm32")]
use crate::bindings::node::pacificsoft::plugin as contract;
#[cfg(not(target_arch = "wasm32"))]
use crate::testing::platform;

pub use crate::bindings::node::pacificsoft::plugin::credentials::DeviceCredentials;
pub use crate::bindings::node::pacificsoft::plugin::entities::{EntityInfo, EntityView};
pub use crate::bindings::node::pacificsoft::plugin::history::Span;
pub use crate::bindings::node::pacificsoft::plugin::relations::{Direction, Related};

/// In a component the host answers, natively the test's platform does.
macro_rules! read {
    ($host:expr, $native:expr) => {{
        #[cfg(target_arch = "wasm32")]
        return $host;
        #[cfg(not(target_arch = "wasm32"))]
        platform($native)
    }};
}

/// An attribute of an entity, as JSON text. Scope: `CLIENT_SCOPE`, `SHARED_SCOPE` or `SERVER_SCOPE`.
pub fn attribute(entity: &EntityId, scope: &str, key: &str) -> Option<String> {
    read!(contract::readings::attribute(entity, scope, key), |platform| platform
        .attribute(entity, scope, key)
        .map(|(_, value)| value))
}

/// The latest value of a time series as JSON text, with its time in milliseconds.
pub fn latest(entity: &EntityId, key: &str) -> Option<(i64, String)> {
    read!(contract::readings::latest(entity, key), |platform| platform.latest(entity, key))
}

/// Several attributes at once, 100 at most: those that are set, with key, time of the last change and JSON text.
pub fn attributes(entity: &EntityId, scope: &str, keys: &[String]) -> Vec<(String, i64, String)> {
    read!(contract::readings::attributes(entity, scope, keys), |platform| {
        let found = |key: &String| platform.attribute(entity, scope, key).map(|(ts, value)| (key.clone(), ts, value));
        keys.iter().filter_map(found).collect()
    })
}

/// Several latest values at once, 100 at most: those that there are, with key, time and JSON text.
pub fn latest_values(entity: &EntityId, keys: &[String]) -> Vec<(String, i64, String)> {
    read!(contract::readings::latest_values(entity, keys), |platform| {
        let found = |key: &String| platform.latest(entity, key).map(|(ts, value)| (key.clone(), ts, value));
        keys.iter().filter_map(found).collect()
    })
}

/// Readings of a time series: times in milliseconds, and JSON text.
pub fn series(entity: &EntityId, key: &str, span: &Span) -> Vec<(i64, String)> {
    read!(contract::history::series(entity, key, *span), |platform| platform
        .series(entity, key, span))
}

/// A device, asset or other entity of the tenant; not a customer.
pub fn entity(id: &EntityId) -> Option<EntityInfo> {
    read!(contract::entities::get(id), |platform| platform
        .entity(id)
        .filter(|one| one.id.entity_type != "CUSTOMER"))
}

/// The entity of a type and name; not a customer.
pub fn find_entity(entity_type: &str, name: &str) -> Option<EntityId> {
    read!(contract::entities::find(entity_type, name), |platform| platform
        .named(entity_type, name)
        .filter(|id| id.entity_type != "CUSTOMER"))
}

/// The tenant itself.
pub fn tenant() -> EntityId {
    read!(contract::entities::tenant(), |platform| platform.tenant.clone())
}

/// A customer.
pub fn customer(id: &EntityId) -> Option<EntityInfo> {
    read!(contract::customers::get(id), |platform| platform
        .entity(id)
        .filter(|one| one.id.entity_type == "CUSTOMER"))
}

/// The customer of a title.
pub fn find_customer(title: &str) -> Option<EntityId> {
    read!(contract::customers::find(title), |platform| platform.named("CUSTOMER", title))
}

/// The customer that an entity is assigned to.
pub fn customer_of(entity: &EntityId) -> Option<EntityInfo> {
    read!(contract::customers::of(entity), |platform| {
        let customer = platform.entity(entity)?.customer?;
        platform.entity(&customer)
    })
}

/// Views of an entity: what of it somebody is shown. `limit`: 1 to 100.
pub fn views(entity: &EntityId, limit: u32) -> Vec<EntityView> {
    read!(contract::entities::views(entity, limit), |platform| {
        let of = platform.views.iter().filter(|(viewed, _)| viewed == entity);
        of.map(|(_, view)| view.clone()).take(limit as usize).collect()
    })
}

/// Relations of an entity, sorted by type; of one type, or of any. `limit`: 1 to 1 000.
pub fn relations(entity: &EntityId, direction: Direction, relation_type: Option<&str>, limit: u32) -> Vec<Related> {
    read!(contract::relations::of(entity, direction, relation_type, limit), |platform| {
        platform.related(entity, direction, relation_type, limit)
    })
}

/// Whether one entity is related to another.
pub fn is_related(source: &EntityId, target: &EntityId, relation_type: &str) -> bool {
    read!(contract::relations::exists(source, target, relation_type), |platform| platform
        .related(source, Direction::Outgoing, Some(relation_type), u32::MAX)
        .iter()
        .any(|one| one.entity == *target))
}

/// An alarm by the UUID of its id, as JSON text in the form of the REST API.
pub fn alarm(id: &str) -> Option<String> {
    read!(contract::alarms::get(id), |platform| platform
        .alarm(|alarm| alarm["id"]["id"] == id))
}

/// The alarm of a type that is not cleared.
pub fn active_alarm(originator: &EntityId, alarm_type: &str) -> Option<String> {
    read!(contract::alarms::active(originator, alarm_type), |platform| {
        platform.alarm(|alarm| alarm["originator"]["id"] == *originator.id && alarm["type"] == alarm_type && alarm["cleared"] != true)
    })
}

/// The alarms of an entity that are not cleared. `limit`: 1 to 100.
pub fn active_alarms(originator: &EntityId, limit: u32) -> Vec<String> {
    read!(contract::alarms::all_active(originator, limit), |platform| {
        let of = |alarm: &&serde_json::Value| alarm["originator"]["id"] == *originator.id && alarm["cleared"] != true;
        let found = platform.alarms.iter().filter(of).take(limit as usize);
        found.map(serde_json::Value::to_string).collect()
    })
}

/// What a device logs in with. The permission has to be granted.
pub fn credentials(device: &EntityId) -> Option<DeviceCredentials> {
    read!(contract::credentials::of(device), |platform| platform
        .credentials
        .iter()
        .find(|(of, _)| of == device)
        .map(|(_, credentials)| credentials.clone()))
}
