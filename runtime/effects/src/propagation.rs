//! Who shows an alarm beside its originator: what relations lead from to the originator, its owner, its tenant.
//!
//! It is found when the alarm is new or propagates otherwise than before, and kept with it: one that lasts is raised with every message.
//! Relations that change meanwhile count for the next alarm. Nothing here leads out of the tenant: ids of relations have none, they get
//! the alarm's.

use model::TenantId;
use model::entity::{Alarm, Direction, IdRef, RelationGroup};
use storage::{RelationQuery, RelationStore, StorageError};

/// Entities that are found by relations at most: the nearest. Those beyond do not show the alarm.
const RELATED_MAX: usize = 100;
/// Relations that are read for that at most.
const RELATIONS_MAX: usize = 1_000;

/// Who shows an alarm, by what it says of its propagation. Reads nothing for one that propagates along no relations.
pub(crate) async fn shown_to(relations: &dyn RelationStore, alarm: &Alarm) -> Result<Vec<IdRef>, StorageError> {
    let mut shown = match alarm.propagate {
        true => related(relations, alarm).await?,
        false => Vec::new(),
    };
    let owner = alarm.propagate_to_owner.then(|| alarm.customer_id.unwrap_or(alarm.tenant_id));
    let tenant = alarm.propagate_to_tenant.then_some(alarm.tenant_id);
    for one in owner.into_iter().chain(tenant) {
        if one != alarm.originator && !shown.contains(&one) {
            shown.push(one);
        }
    }
    Ok(shown)
}

/// Whatever relations lead from to the originator, over others or not; the nearest first.
async fn related(relations: &dyn RelationStore, alarm: &Alarm) -> Result<Vec<IdRef>, StorageError> {
    let tenant = TenantId(alarm.tenant_id.id);
    let types = &alarm.propagate_relation_types;
    let mut query = RelationQuery {
        direction: Direction::To,
        group: RelationGroup::Common,
        // Those of several types are chosen from all: a query for each type would be many.
        relation_type: match &types[..] {
            [one] => Some(one.clone()),
            _ => None,
        },
        limit: RELATIONS_MAX,
    };
    // Also what is still to be looked at, which begins at `next`. Nothing comes in twice, so a ring of relations ends.
    let mut found = vec![alarm.originator];
    let mut next = 0;
    while let Some(entity) = found.get(next).copied() {
        let ending = relations.relations(entity.of(tenant), &query).await?;
        query.limit = query.limit.saturating_sub(ending.len());
        for relation in ending {
            let follows = types.is_empty() || types.contains(&relation.relation_type);
            if follows && !found.contains(&relation.from) {
                found.push(relation.from);
            }
        }
        if found.len() > RELATED_MAX || query.limit == 0 {
            break;
        }
        next += 1;
    }
    found.truncate(1 + RELATED_MAX);
    found.remove(0);
    Ok(found)
}

#[cfg(test)]
mod tests;
