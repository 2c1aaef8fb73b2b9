//! Interface `relations`: how the tenant's entities are related.

use model::entity::{Direction, Relation, RelationGroup};
use wasmtime::component::Linker;

use crate::bindings::entity::EntityId;
use crate::bindings::relations::{Direction as Asked, Host, Related};
use crate::error::Unanswered;
use crate::guest::Guest;
use crate::readings::{RelatedBy, at_once};

/// Relations of one answer at most.
const RELATIONS_MAX: u32 = 1_000;

impl Host for Guest {
    fn of(&mut self, named: EntityId, direction: Asked, relation_type: Option<String>, limit: u32) -> wasmtime::Result<Vec<Related>> {
        at_once(self.related(named, direction, relation_type, limit))
    }

    fn exists(&mut self, source: EntityId, target: EntityId, relation_type: String) -> wasmtime::Result<bool> {
        at_once(self.is_related(source, target, relation_type))
    }
}

/// Gives guests the interface, where answers are waited for.
pub(crate) fn awaited(linker: &mut Linker<Guest>) -> wasmtime::Result<()> {
    let mut interface = linker.instance("pacificsoft:plugin/relations@0.1.0")?;
    asynchronous!(interface, "of", (named: EntityId, direction: Asked, relation_type: Option<String>, limit: u32) => related);
    asynchronous!(interface, "exists", (source: EntityId, target: EntityId, relation_type: String) => is_related);
    Ok(())
}

impl Guest {
    async fn related(
        &mut self,
        named: EntityId,
        direction: Asked,
        relation_type: Option<String>,
        limit: u32,
    ) -> wasmtime::Result<Vec<Related>> {
        let entity = self.own_entity(&named)?;
        let Some(readings) = &self.readings else { return Ok(Vec::new()) };
        let direction = match direction {
            Asked::Outgoing => Direction::From,
            Asked::Incoming => Direction::To,
        };
        let which = RelatedBy {
            direction,
            group: RelationGroup::Common,
            of_type: relation_type.as_deref(),
            limit: limit.clamp(1, RELATIONS_MAX),
        };
        let found = readings.relations(entity, &which).await.map_err(Unanswered::end)?;
        let seen = found.into_iter().map(|relation| {
            let other = relation.seen(direction);
            Related {
                relation_type: relation.relation_type,
                entity: EntityId {
                    entity_type: other.entity_type.as_str().to_owned(),
                    id: other.id.to_string(),
                },
            }
        });
        Ok(seen.collect())
    }

    async fn is_related(&mut self, source: EntityId, target: EntityId, relation_type: String) -> wasmtime::Result<bool> {
        let (from, to) = (self.own_entity(&source)?, self.own_entity(&target)?);
        let Some(readings) = &self.readings else { return Ok(false) };
        let named = Relation {
            from: from.into(),
            to: to.into(),
            relation_type,
            type_group: RelationGroup::Common,
            additional_info: None,
        };
        readings.is_related(self.tenant, &named).await.map_err(Unanswered::end)
    }
}
