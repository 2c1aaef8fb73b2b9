//! Entities found along relations, from an entity over several levels: the queries that configurations of ThingsBoard's nodes hold.

use crate::EntityId;
use crate::reads::{Direction, entity, relations};
use serde::Deserialize;

/// Relations that one query looks at: a query that needs more finds nothing beyond.
const RELATIONS_MAX: u32 = 1_000;

/// Which entities: the JSON of `relationsQuery` or `deviceRelationsQuery`.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Query {
    direction: End,
    #[serde(default = "one")]
    max_level: u32,
    #[serde(default)]
    fetch_last_level_only: bool,
    /// What people relate by, and to what.
    #[serde(default)]
    filters: Vec<Filter>,
    /// Of device queries: one type of relation, and names of profiles.
    #[serde(default)]
    relation_type: Option<String>,
    #[serde(default)]
    device_types: Vec<String>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
enum End {
    From,
    To,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Filter {
    #[serde(default)]
    relation_type: Option<String>,
    #[serde(default)]
    entity_types: Vec<String>,
    #[serde(default)]
    negate: bool,
}

fn one() -> u32 {
    1
}

impl Query {
    /// The first entity that is found, the nearest ones first.
    pub fn first(&self, root: &EntityId) -> Option<EntityId> {
        self.find(root, |relation_type, found| {
            self.filters.is_empty() || self.passes(relation_type, found)
        })
    }

    /// The first device that is found.
    pub fn first_device(&self, root: &EntityId) -> Option<EntityId> {
        self.find(root, |relation_type, found| {
            let related = self.relation_type.as_deref().is_none_or(|wanted| wanted == relation_type);
            related && found.entity_type == "DEVICE" && self.is_of_type(found)
        })
    }

    fn is_of_type(&self, device: &EntityId) -> bool {
        self.device_types.is_empty() || entity(device).is_some_and(|found| self.device_types.contains(&found.subtype))
    }

    fn passes(&self, relation_type: &str, found: &EntityId) -> bool {
        self.filters.iter().any(|filter| {
            let related = filter.relation_type.as_deref().is_none_or(|wanted| wanted == relation_type);
            related != filter.negate && (filter.entity_types.is_empty() || filter.entity_types.contains(&found.entity_type))
        })
    }

    fn find(&self, root: &EntityId, wanted: impl Fn(&str, &EntityId) -> bool) -> Option<EntityId> {
        let direction = match self.direction {
            End::From => Direction::Outgoing,
            End::To => Direction::Incoming,
        };
        let mut seen = vec![root.clone()];
        let mut level = vec![root.clone()];
        let mut left = RELATIONS_MAX;
        let mut depth = 0;
        while !level.is_empty() && (self.max_level == 0 || depth < self.max_level) {
            depth += 1;
            let mut next = Vec::new();
            for from in &level {
                if left == 0 {
                    return None;
                }
                let found = relations(from, direction, None, left);
                left = left.saturating_sub(found.len() as u32);
                for related in found {
                    let last =
                        !self.fetch_last_level_only || depth == self.max_level || relations(&related.entity, direction, None, 1).is_empty();
                    if last && wanted(&related.relation_type, &related.entity) {
                        return Some(related.entity);
                    }
                    if !seen.contains(&related.entity) {
                        seen.push(related.entity.clone());
                        next.push(related.entity);
                    }
                }
            }
            level = next;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::platform::{id, named};
    use crate::testing::{forget, platform};

    fn query(json: &str) -> Query {
        serde_json::from_str(json).expect("the test's own JSON")
    }

    #[test]
    fn finds_the_nearest_that_passes() {
        forget();
        let (root, house, meter, gauge) = (id("ASSET", 1), id("ASSET", 2), id("DEVICE", 3), id("DEVICE", 4));
        platform(|platform| {
            let link = |from: &EntityId, name: &str, to: &EntityId| (from.clone(), name.to_owned(), to.clone());
            platform.relations = vec![
                link(&root, "Contains", &house),
                link(&house, "Contains", &meter),
                link(&house, "Manages", &gauge),
                // A ring: it must end.
                link(&meter, "Contains", &root),
            ];
            let mut typed = named(gauge.clone(), "G");
            typed.subtype = "gauge".to_owned();
            platform.entities.extend([named(meter.clone(), "M"), typed]);
        });
        for (asked, from, expected) in [
            (r#"{"direction":"FROM"}"#, &root, Some(&house)),
            (r#"{"direction":"TO"}"#, &house, Some(&root)),
            (r#"{"direction":"FROM","filters":[{"entityTypes":["DEVICE"]}]}"#, &root, None),
            (
                r#"{"direction":"FROM","maxLevel":2,"filters":[{"entityTypes":["DEVICE"]}]}"#,
                &root,
                Some(&meter),
            ),
            (
                r#"{"direction":"FROM","maxLevel":0,"filters":[{"relationType":"Manages"}]}"#,
                &root,
                Some(&gauge),
            ),
            (
                r#"{"direction":"FROM","maxLevel":2,"filters":[{"relationType":"Contains","negate":true}]}"#,
                &root,
                Some(&gauge),
            ),
            (
                r#"{"direction":"FROM","maxLevel":2,"fetchLastLevelOnly":true}"#,
                &root,
                Some(&meter),
            ),
            (
                r#"{"direction":"FROM","maxLevel":0,"filters":[{"relationType":"None"}]}"#,
                &root,
                None,
            ),
        ] {
            assert_eq!(query(asked).first(from).as_ref(), expected, "{asked}");
        }
        let devices = query(r#"{"direction":"FROM","maxLevel":2,"deviceTypes":["gauge"]}"#);
        assert_eq!(devices.first_device(&root), Some(gauge));
        let devices = query(r#"{"direction":"FROM","maxLevel":2,"relationType":"Contains","deviceTypes":["gauge"]}"#);
        assert_eq!(devices.first_device(&root), None);
    }
}
