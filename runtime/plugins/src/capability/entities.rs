//! Interfaces `entities` and `customers`: what the tenant has. Which kinds each of them offers is what keeps the two permissions apart.

use model::entity::EntityRecord;
use model::{EntityId, EntityKind, TenantId};
use serde_json::Value as Json;
use uuid::Uuid;

use crate::bindings::entities::EntityInfo;
use crate::bindings::{customers, entities, entity};
use crate::error::Unanswered;
use crate::guest::Guest;

/// What interface `entities` offers.
const OFFERED: [EntityKind; 7] = [
    EntityKind::Tenant,
    EntityKind::Dashboard,
    EntityKind::Asset,
    EntityKind::Device,
    EntityKind::DeviceProfile,
    EntityKind::AssetProfile,
    EntityKind::EntityView,
];

impl Guest {
    fn record(&self, entity: EntityId) -> wasmtime::Result<Option<EntityRecord>> {
        let owned = match entity.kind {
            // A tenant's record is the system's, and a component sees its own alone.
            EntityKind::Tenant if entity.id != self.tenant.0 => return Ok(None),
            EntityKind::Tenant => EntityId::new(TenantId::SYSTEM, EntityKind::Tenant, entity.id),
            _ => entity,
        };
        match &self.readings {
            Some(readings) => readings.entity(owned).map_err(Unanswered::end),
            None => Ok(None),
        }
    }

    fn named(&self, kind: EntityKind, name: &str) -> wasmtime::Result<Option<entity::EntityId>> {
        let Some(readings) = &self.readings else { return Ok(None) };
        let found = readings.entity_named(self.tenant, kind, name).map_err(Unanswered::end)?;
        Ok(found.map(|record| told(record.id.kind, record.id.id)))
    }
}

impl entities::Host for Guest {
    fn get(&mut self, named: entity::EntityId) -> wasmtime::Result<Option<EntityInfo>> {
        let entity = self.own_entity(&named)?;
        if !OFFERED.contains(&entity.kind) {
            return Ok(None);
        }
        Ok(self.record(entity)?.map(info))
    }

    fn find(&mut self, entity_type: String, name: String) -> wasmtime::Result<Option<entity::EntityId>> {
        match entity_type.parse::<EntityKind>() {
            Ok(kind) if kind != EntityKind::Tenant && OFFERED.contains(&kind) => self.named(kind, &name),
            _ => Ok(None),
        }
    }

    fn tenant(&mut self) -> wasmtime::Result<entity::EntityId> {
        Ok(told(EntityKind::Tenant, self.tenant.0))
    }
}

impl customers::Host for Guest {
    fn get(&mut self, named: entity::EntityId) -> wasmtime::Result<Option<EntityInfo>> {
        let entity = self.own_entity(&named)?;
        if entity.kind != EntityKind::Customer {
            return Ok(None);
        }
        Ok(self.record(entity)?.map(info))
    }

    fn find(&mut self, title: String) -> wasmtime::Result<Option<entity::EntityId>> {
        self.named(EntityKind::Customer, &title)
    }

    fn of(&mut self, named: entity::EntityId) -> wasmtime::Result<Option<EntityInfo>> {
        let entity = self.own_entity(&named)?;
        let Some(customer) = self.record(entity)?.and_then(|record| record.customer) else {
            return Ok(None);
        };
        let customer = EntityId::new(self.tenant, EntityKind::Customer, customer);
        Ok(self.record(customer)?.map(info))
    }
}

fn told(kind: EntityKind, id: Uuid) -> entity::EntityId {
    entity::EntityId {
        entity_type: kind.as_str().to_owned(),
        id: id.to_string(),
    }
}

/// What a guest is told of an entity: what is one value, and nothing of what lies deeper, where secrets may be.
fn info(record: EntityRecord) -> EntityInfo {
    let EntityRecord {
        id,
        name,
        subtype,
        customer,
        body,
        ..
    } = record;
    let text = |key: &str| body.get(key).and_then(Json::as_str).map(str::to_owned);
    let profile = ["deviceProfileId", "assetProfileId"].into_iter().find_map(|key| {
        let named = body.get(key)?;
        Some(entity::EntityId {
            entity_type: named.get("entityType")?.as_str()?.to_owned(),
            id: named.get("id")?.as_str()?.to_owned(),
        })
    });
    let fields = body.as_object().into_iter().flatten().filter_map(|(key, value)| match value {
        _ if matches!(key.as_str(), "name" | "type" | "label" | "createdTime") => None,
        Json::String(text) => Some((key.clone(), text.clone())),
        Json::Number(_) | Json::Bool(_) => Some((key.clone(), value.to_string())),
        _ => None,
    });
    let mut fields: Vec<(String, String)> = fields.collect();
    fields.sort_unstable();
    EntityInfo {
        id: told(id.kind, id.id),
        label: text("label"),
        profile,
        created_ms: body.get("createdTime").and_then(Json::as_i64).unwrap_or_default(),
        customer: customer.map(|customer| told(EntityKind::Customer, customer)),
        additional_info: body.get("additionalInfo").filter(|info| info.is_object()).map(Json::to_string),
        fields,
        name,
        subtype,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_entity_is_told_without_what_lies_deeper() {
        let tenant = TenantId::generate();
        let profile = Uuid::now_v7();
        let body = json!({
            "name": "D", "type": "meter", "label": "hall", "createdTime": 5, "additionalInfo": {"floor": 1}, "phone": "1", "active": true,
            "deviceData": {"secret": "x"}, "provisionDeviceKeys": ["x"],
            "deviceProfileId": {"entityType": "DEVICE_PROFILE", "id": profile}
        });
        let told = info(EntityRecord {
            id: EntityId::new(tenant, EntityKind::Device, Uuid::now_v7()),
            version: 1,
            name: "D".into(),
            subtype: "meter".into(),
            customer: None,
            body,
        });
        assert_eq!((told.label.as_deref(), told.created_ms), (Some("hall"), 5));
        assert_eq!(told.additional_info.as_deref(), Some(r#"{"floor":1}"#));
        assert_eq!(told.profile.map(|one| one.id), Some(profile.to_string()));
        assert_eq!(
            told.fields,
            [("active".to_owned(), "true".to_owned()), ("phone".to_owned(), "1".to_owned())]
        );
    }
}
