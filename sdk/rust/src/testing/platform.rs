//! What a node finds stored when it is tested natively. A test fills it; [`crate::reads`] looks into it.

#![cfg_attr(target_arch = "wasm32", allow(dead_code, reason = "in a component the host answers"))]

use std::collections::BTreeMap;

use serde_json::Value as Json;

use crate::EntityId;
use crate::reads::{DeviceCredentials, Direction, EntityInfo, EntityView, Related, Span};

/// What is stored of a tenant.
#[derive(Clone, Debug)]
pub struct Platform {
    /// The tenant itself.
    pub tenant: EntityId,
    /// Times and values by id, scope and key.
    pub attributes: BTreeMap<(String, String, String), (i64, Json)>,
    /// Readings by id and key, oldest first; the last one is the latest.
    pub series: BTreeMap<(String, String), Vec<(i64, Json)>>,
    /// Entities, customers among them.
    pub entities: Vec<EntityInfo>,
    /// Start, type, end.
    pub relations: Vec<(EntityId, String, EntityId)>,
    /// By what they show.
    pub views: Vec<(EntityId, EntityView)>,
    /// In the form of the REST API.
    pub alarms: Vec<Json>,
    /// By device.
    pub credentials: Vec<(EntityId, DeviceCredentials)>,
}

impl Default for Platform {
    fn default() -> Self {
        Platform {
            tenant: id("TENANT", 1),
            attributes: BTreeMap::new(),
            series: BTreeMap::new(),
            entities: Vec::new(),
            relations: Vec::new(),
            views: Vec::new(),
            alarms: Vec::new(),
            credentials: Vec::new(),
        }
    }
}

/// The id of a test's entity.
pub fn id(entity_type: &str, number: u32) -> EntityId {
    EntityId {
        entity_type: entity_type.to_owned(),
        id: format!("00000000-0000-0000-0000-{number:012}"),
    }
}

/// An entity with a name, and nothing else.
pub fn named(id: EntityId, name: &str) -> EntityInfo {
    EntityInfo {
        id,
        name: name.to_owned(),
        subtype: String::new(),
        label: None,
        profile: None,
        created_ms: 0,
        customer: None,
        additional_info: None,
        fields: Vec::new(),
    }
}

impl Platform {
    /// Sets an attribute.
    pub fn set_attribute(&mut self, entity: &EntityId, scope: &str, key: &str, value: Json) {
        let place = (entity.id.clone(), scope.to_owned(), key.to_owned());
        self.attributes.insert(place, (1, value));
    }

    /// Adds a reading, newer than those before.
    pub fn add_reading(&mut self, entity: &EntityId, key: &str, ts_ms: i64, value: Json) {
        let place = (entity.id.clone(), key.to_owned());
        self.series.entry(place).or_default().push((ts_ms, value));
    }

    pub(crate) fn attribute(&self, entity: &EntityId, scope: &str, key: &str) -> Option<(i64, String)> {
        let place = (entity.id.clone(), scope.to_owned(), key.to_owned());
        self.attributes.get(&place).map(|(ts, value)| (*ts, value.to_string()))
    }

    pub(crate) fn latest(&self, entity: &EntityId, key: &str) -> Option<(i64, String)> {
        let readings = self.series.get(&(entity.id.clone(), key.to_owned()))?;
        readings.last().map(|(ts, value)| (*ts, value.to_string()))
    }

    pub(crate) fn series(&self, entity: &EntityId, key: &str, span: &Span) -> Vec<(i64, String)> {
        let readings = self.series.get(&(entity.id.clone(), key.to_owned()));
        let inside = readings
            .into_iter()
            .flatten()
            .filter(|(ts, _)| span.from_ms <= *ts && *ts < span.to_ms);
        let mut found: Vec<(i64, String)> = inside.map(|(ts, value)| (*ts, value.to_string())).collect();
        if span.newest_first {
            found.reverse();
        }
        found.truncate(span.limit as usize);
        found
    }

    pub(crate) fn entity(&self, id: &EntityId) -> Option<EntityInfo> {
        self.entities.iter().find(|one| one.id == *id).cloned()
    }

    pub(crate) fn named(&self, entity_type: &str, name: &str) -> Option<EntityId> {
        let found = self
            .entities
            .iter()
            .find(|one| one.id.entity_type == entity_type && one.name == name);
        found.map(|one| one.id.clone())
    }

    pub(crate) fn related(&self, entity: &EntityId, direction: Direction, relation_type: Option<&str>, limit: u32) -> Vec<Related> {
        let seen = self.relations.iter().filter_map(|(from, name, to)| {
            let (near, far) = match direction {
                Direction::Outgoing => (from, to),
                Direction::Incoming => (to, from),
            };
            let wanted = near == entity && relation_type.is_none_or(|wanted| wanted == name);
            wanted.then(|| Related {
                relation_type: name.clone(),
                entity: far.clone(),
            })
        });
        seen.take(limit as usize).collect()
    }

    pub(crate) fn alarm(&self, wanted: impl Fn(&Json) -> bool) -> Option<String> {
        self.alarms.iter().find(|alarm| wanted(alarm)).map(Json::to_string)
    }
}
