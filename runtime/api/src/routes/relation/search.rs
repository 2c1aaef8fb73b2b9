//! What is found along relations, from an entity over several levels.
//!
//! Every relation on the way is walked; filters say which of them are shown.

use std::collections::HashSet;

use model::EntityKind;
use model::entity::{Direction, IdRef, Relation, RelationGroup};
use serde::Deserialize;
use storage::RelationQuery;
use uuid::Uuid;

use super::{RELATIONS_MAX, kind, too_many, visible};
use crate::ApiError;
use crate::extract::Member;
use crate::state::ApiState;

/// A query over relations.
#[derive(Deserialize)]
pub(super) struct Search {
    parameters: Parameters,
    #[serde(default)]
    filters: Option<Vec<Filter>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Parameters {
    root_id: Uuid,
    root_type: String,
    direction: Direction,
    #[serde(default)]
    relation_type_group: Option<RelationGroup>,
    /// Levels to walk; 0 or less: all.
    #[serde(default)]
    max_level: i32,
    #[serde(default)]
    fetch_last_level_only: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Filter {
    relation_type: Option<String>,
    #[serde(default)]
    entity_types: Option<Vec<EntityKind>>,
    #[serde(default)]
    negate: bool,
}

impl Filter {
    fn passes(&self, relation: &Relation, direction: Direction) -> bool {
        let wanted = self.relation_type.as_deref().is_none_or(|name| name == relation.relation_type);
        let kinds = self.entity_types.as_deref().unwrap_or_default();
        wanted != self.negate && (kinds.is_empty() || kinds.contains(&relation.seen(direction).entity_type))
    }
}

/// Relations found from the root, nearest first.
///
/// # Errors
/// [`ApiError::Invalid`] when there are too many; [`ApiError::NotFound`] for the root.
pub(super) async fn search(api: &ApiState, member: &Member, asked: Search) -> Result<Vec<Relation>, ApiError> {
    let Search { parameters, filters } = asked;
    let root = member.entity(api, kind(&parameters.root_type)?, parameters.root_id).await?;
    let query = RelationQuery {
        direction: parameters.direction,
        group: parameters.relation_type_group.unwrap_or_default(),
        relation_type: None,
        limit: RELATIONS_MAX + 1,
    };
    let levels = u32::try_from(parameters.max_level)
        .ok()
        .filter(|levels| *levels > 0)
        .unwrap_or(u32::MAX);
    let mut walked: HashSet<IdRef> = HashSet::from([root.into()]);
    let mut level: Vec<IdRef> = vec![root.into()];
    let mut found: Vec<Relation> = Vec::new();
    let (mut depth, mut seen) = (0, 0);
    while !level.is_empty() && depth < levels {
        depth += 1;
        let mut next = Vec::new();
        for entity in level {
            let relations = api.store.relations(entity.of(member.tenant), &query).await?;
            seen += relations.len();
            if seen > RELATIONS_MAX {
                return Err(too_many());
            }
            for relation in relations {
                let end = relation.seen(query.direction);
                if walked.insert(end) {
                    next.push(end);
                }
                found.push(relation);
            }
        }
        level = next;
    }
    if parameters.fetch_last_level_only {
        keep_last(&mut found, query.direction, &level);
    }
    let filters = filters.unwrap_or_default();
    found.retain(|one| filters.is_empty() || filters.iter().any(|filter| filter.passes(one, query.direction)));
    visible(api, member, found).await
}

/// Keeps what leads to the last level that was to be walked, or to an end from which nothing leads on.
fn keep_last(found: &mut Vec<Relation>, direction: Direction, last: &[IdRef]) {
    let starts: HashSet<IdRef> = found
        .iter()
        .map(|relation| match direction {
            Direction::From => relation.from,
            Direction::To => relation.to,
        })
        .collect();
    found.retain(|relation| {
        let end = relation.seen(direction);
        last.contains(&end) || !starts.contains(&end)
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn relation(from: u128, to: u128, relation_type: &str) -> Relation {
        let id = |id| IdRef::new(EntityKind::Asset, Uuid::from_u128(id));
        Relation {
            from: id(from),
            to: id(to),
            relation_type: relation_type.to_owned(),
            type_group: RelationGroup::Common,
            additional_info: None,
        }
    }

    #[test]
    fn filters_look_at_the_type_and_at_what_is_found() {
        let cases = [
            (Some("C"), vec![], false, true),
            (Some("D"), vec![], false, false),
            (Some("C"), vec![], true, false),
            (Some("D"), vec![], true, true),
            (None, vec![EntityKind::Asset], false, true),
            (None, vec![EntityKind::Device], false, false),
            (Some("C"), vec![EntityKind::Device, EntityKind::Asset], false, true),
        ];
        for (relation_type, kinds, negate, expected) in cases {
            let filter = Filter {
                relation_type: relation_type.map(str::to_owned),
                entity_types: Some(kinds),
                negate,
            };
            assert_eq!(
                filter.passes(&relation(1, 2, "C"), Direction::From),
                expected,
                "{relation_type:?} {negate}"
            );
        }
    }

    #[test]
    fn the_last_level_is_what_leads_nowhere_or_was_not_walked() {
        let mut found = vec![relation(1, 2, "C"), relation(1, 3, "C"), relation(2, 4, "C")];
        keep_last(&mut found, Direction::From, &[IdRef::new(EntityKind::Asset, Uuid::from_u128(4))]);
        assert_eq!(found, vec![relation(1, 3, "C"), relation(2, 4, "C")]);
    }
}
