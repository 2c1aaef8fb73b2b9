//! Interfaces `entities` and `customers`: what the tenant has. Which kinds each of them offers is what keeps the two permissions apart.

use model::entity::{Direction, EntityRecord, EntityView, RelationGroup};
use model::{AttributeScope, EntityId, EntityKind, TenantId};
use serde_json::Value as Json;
use uuid::Uuid;
use wasmtime::StoreContextMut;
use wasmtime::component::Linker;

use crate::bindings::entities::{EntityInfo, EntityView as ShownView};
use crate::bindings::{customers, entities, entity};
use crate::error::Unanswered;
use crate::guest::Guest;
use crate::readings::{RelatedBy, at_once};

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

/// Views of one answer at most.
const VIEWS_MAX: u32 = 100;

impl Guest {
    async fn record(&mut self, entity: EntityId) -> wasmtime::Result<Option<EntityRecord>> {
        let owned = match entity.kind {
            // A tenant's record is the system's, and a component sees its own alone.
            EntityKind::Tenant if entity.id != self.tenant.0 => return Ok(None),
            EntityKind::Tenant => EntityId::new(TenantId::SYSTEM, EntityKind::Tenant, entity.id),
            _ => entity,
        };
        match &self.readings {
            Some(readings) => readings.entity(owned).await.map_err(Unanswered::end),
            None => Ok(None),
        }
    }

    async fn named(&mut self, kind: EntityKind, name: &str) -> wasmtime::Result<Option<entity::EntityId>> {
        let Some(readings) = &self.readings else { return Ok(None) };
        let found = readings.entity_named(self.tenant, kind, name).await.map_err(Unanswered::end)?;
        Ok(found.map(|record| told(record.id.kind, record.id.id)))
    }
}

impl Guest {
    async fn entity(&mut self, named: entity::EntityId) -> wasmtime::Result<Option<EntityInfo>> {
        let entity = self.own_entity(&named)?;
        if !OFFERED.contains(&entity.kind) {
            return Ok(None);
        }
        Ok(self.record(entity).await?.map(info))
    }

    async fn entity_named(&mut self, entity_type: String, name: String) -> wasmtime::Result<Option<entity::EntityId>> {
        match entity_type.parse::<EntityKind>() {
            Ok(kind) if kind != EntityKind::Tenant && OFFERED.contains(&kind) => self.named(kind, &name).await,
            _ => Ok(None),
        }
    }

    async fn views(&mut self, named: entity::EntityId, limit: u32) -> wasmtime::Result<Vec<ShownView>> {
        let entity = self.own_entity(&named)?;
        let Some(readings) = &self.readings else { return Ok(Vec::new()) };
        let which = RelatedBy {
            direction: Direction::From,
            group: RelationGroup::EntityView,
            of_type: None,
            limit: limit.clamp(1, VIEWS_MAX),
        };
        let related = readings.relations(entity, &which).await.map_err(Unanswered::end)?;
        let mut views = Vec::with_capacity(related.len());
        for relation in related {
            let id = EntityId::new(self.tenant, relation.to.entity_type, relation.to.id);
            let Some(record) = self.record(id).await? else { continue };
            let view: EntityView =
                serde_json::from_value(record.body).map_err(|error| Unanswered::end(format!("a view is not understood: {error}")))?;
            // What it has looked at before may still be related to it.
            if view.entity_id == entity.into() {
                views.push(shown_view(id, view));
            }
        }
        Ok(views)
    }

    async fn customer(&mut self, named: entity::EntityId) -> wasmtime::Result<Option<EntityInfo>> {
        let entity = self.own_entity(&named)?;
        if entity.kind != EntityKind::Customer {
            return Ok(None);
        }
        Ok(self.record(entity).await?.map(info))
    }

    async fn customer_titled(&mut self, title: String) -> wasmtime::Result<Option<entity::EntityId>> {
        self.named(EntityKind::Customer, &title).await
    }

    async fn customer_of(&mut self, named: entity::EntityId) -> wasmtime::Result<Option<EntityInfo>> {
        let entity = self.own_entity(&named)?;
        let Some(customer) = self.record(entity).await?.and_then(|record| record.customer) else {
            return Ok(None);
        };
        let customer = EntityId::new(self.tenant, EntityKind::Customer, customer);
        Ok(self.record(customer).await?.map(info))
    }
}

impl entities::Host for Guest {
    fn get(&mut self, named: entity::EntityId) -> wasmtime::Result<Option<EntityInfo>> {
        at_once(self.entity(named))
    }

    fn find(&mut self, entity_type: String, name: String) -> wasmtime::Result<Option<entity::EntityId>> {
        at_once(self.entity_named(entity_type, name))
    }

    fn views(&mut self, named: entity::EntityId, limit: u32) -> wasmtime::Result<Vec<ShownView>> {
        at_once(self.views(named, limit))
    }

    fn tenant(&mut self) -> wasmtime::Result<entity::EntityId> {
        Ok(told(EntityKind::Tenant, self.tenant.0))
    }
}

impl customers::Host for Guest {
    fn get(&mut self, named: entity::EntityId) -> wasmtime::Result<Option<EntityInfo>> {
        at_once(self.customer(named))
    }

    fn find(&mut self, title: String) -> wasmtime::Result<Option<entity::EntityId>> {
        at_once(self.customer_titled(title))
    }

    fn of(&mut self, named: entity::EntityId) -> wasmtime::Result<Option<EntityInfo>> {
        at_once(self.customer_of(named))
    }
}

/// Gives guests both interfaces, where answers are waited for.
pub(crate) fn awaited(linker: &mut Linker<Guest>) -> wasmtime::Result<()> {
    let mut interface = linker.instance("pacificsoft:plugin/entities@0.1.0")?;
    asynchronous!(interface, "get", (named: entity::EntityId) => entity);
    asynchronous!(interface, "find", (entity_type: String, name: String) => entity_named);
    asynchronous!(interface, "views", (named: entity::EntityId, limit: u32) => views);
    interface.func_wrap("tenant", |store: StoreContextMut<'_, Guest>, (): ()| {
        Ok((told(EntityKind::Tenant, store.data().tenant.0),))
    })?;
    let mut interface = linker.instance("pacificsoft:plugin/customers@0.1.0")?;
    asynchronous!(interface, "get", (named: entity::EntityId) => customer);
    asynchronous!(interface, "find", (title: String) => customer_titled);
    asynchronous!(interface, "of", (named: entity::EntityId) => customer_of);
    Ok(())
}

fn told(kind: EntityKind, id: Uuid) -> entity::EntityId {
    entity::EntityId {
        entity_type: kind.as_str().to_owned(),
        id: id.to_string(),
    }
}

fn shown_view(id: EntityId, view: EntityView) -> ShownView {
    let attributes = |scope| view.attributes(scope).to_vec();
    ShownView {
        id: told(id.kind, id.id),
        time_series: view.time_series().to_vec(),
        client_attributes: attributes(AttributeScope::ClientScope),
        shared_attributes: attributes(AttributeScope::SharedScope),
        server_attributes: attributes(AttributeScope::ServerScope),
        from_ms: view.start_time_ms,
        until_ms: view.until_ms(),
        name: view.name,
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
