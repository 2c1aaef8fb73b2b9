//! Relations: directed, typed links between two entities of a tenant, in the form the REST API shows.

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::IdRef;

/// A link from one entity to another. Two entities have at most one of a type and group in each direction.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Relation {
    /// Where it starts.
    pub from: IdRef,
    /// Where it ends.
    pub to: IdRef,
    /// What it means: `Contains`, `Manages`, …
    #[serde(rename = "type")]
    pub relation_type: String,
    /// What it is for.
    #[serde(default)]
    pub type_group: RelationGroup,
    /// Free data.
    #[serde(default)]
    pub additional_info: Option<Json>,
}

/// What relations are for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[repr(u8)]
pub enum RelationGroup {
    /// What people and rule nodes relate.
    #[default]
    Common = 1,
    /// Which customer sees which dashboard.
    Dashboard = 2,
    /// Which rule chain has which node.
    RuleChain = 3,
    /// Which rule node leads to which.
    RuleNode = 4,
    /// What is pushed to an edge.
    Edge = 5,
    /// Rule chains that new edges get.
    EdgeAutoAssignRuleChain = 6,
    /// Which views an entity has. The platform's own: no client can name it.
    #[serde(skip)]
    EntityView = 7,
}

impl RelationGroup {
    /// All of them.
    pub const ALL: [RelationGroup; 7] = [
        RelationGroup::Common,
        RelationGroup::Dashboard,
        RelationGroup::RuleChain,
        RelationGroup::RuleNode,
        RelationGroup::Edge,
        RelationGroup::EdgeAutoAssignRuleChain,
        RelationGroup::EntityView,
    ];

    /// The group of a number; none: there is no such one.
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|group| group.number() == number)
    }

    /// The group's number, part of stored keys: never changes.
    pub fn number(self) -> u8 {
        self as u8
    }
}

/// From which end of a relation one looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Direction {
    /// Relations that start at the entity.
    From,
    /// Relations that end at the entity.
    To,
}

impl Relation {
    /// The end that one sees, looking from the other.
    pub fn seen(&self, direction: Direction) -> IdRef {
        match direction {
            Direction::From => self.to,
            Direction::To => self.from,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::EntityKind;
    use serde_json::json;
    use uuid::Uuid;

    #[test]
    fn json_is_the_api_s() {
        let (from, to) = (
            IdRef::new(EntityKind::Asset, Uuid::from_u128(1)),
            IdRef::new(EntityKind::Device, Uuid::from_u128(2)),
        );
        let given = json!({"from": from, "to": to, "type": "Contains"});
        let relation: Relation = serde_json::from_value(given).expect("group and data may be left out");
        assert_eq!((relation.seen(Direction::From), relation.seen(Direction::To)), (to, from));
        assert_eq!(
            serde_json::to_value(relation).expect("JSON"),
            json!({"from": from, "to": to, "type": "Contains", "typeGroup": "COMMON", "additionalInfo": null})
        );
    }
}
