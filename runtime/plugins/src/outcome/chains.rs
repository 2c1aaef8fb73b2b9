//! Ways between chains, as a node asks for them. A chain is named by its id or is that of the originator's profile; whose chain it is, is
//! never said: it is looked for among those of the node's own tenant.

use model::{EntityId, EntityKind};
use serde_json::Value as Json;
use uuid::Uuid;

use super::names::{name, uuid};
use super::{Checker, Effect, Outcome, Relation};
use crate::bindings::outcome as wit;

impl Checker<'_> {
    pub(super) async fn enter_chain(&self, told: wit::EnterChain) -> Result<Effect, String> {
        let named = told.chain.as_deref().map(|id| uuid("a rule chain", id)).transpose()?;
        let own = if told.of_originator {
            self.chain_of_originator().await?
        } else {
            None
        };
        match own.or(named) {
            Some(chain) => Ok(Effect::EnterChain { chain }),
            None => Err("the node names no rule chain, and the originator's profile names none".to_owned()),
        }
    }

    pub(super) fn leave_chain(&self, told: wit::LeaveChain) -> Result<Effect, String> {
        let relation = |told: String| name("a relation", &told).map(|()| Relation::from(told.as_str()));
        Ok(Effect::LeaveChain {
            relation: told.relation.map(relation).transpose()?,
        })
    }

    /// The chain that the originator's profile names.
    async fn chain_of_originator(&self) -> Result<Option<Uuid>, String> {
        let Some(readings) = self.readings else { return Ok(None) };
        let originator = self.message.originator;
        let (field, kind) = match originator.kind {
            EntityKind::Device => ("deviceProfileId", EntityKind::DeviceProfile),
            EntityKind::Asset => ("assetProfileId", EntityKind::AssetProfile),
            _ => return Ok(None),
        };
        let Some(profile) = readings.entity(originator).await?.and_then(|record| id_in(&record.body, field)) else {
            return Ok(None);
        };
        let profile = EntityId {
            tenant: self.tenant,
            kind,
            id: profile,
        };
        Ok(readings
            .entity(profile)
            .await?
            .and_then(|record| id_in(&record.body, "defaultRuleChainId")))
    }
}

/// The id in a field of what the REST API calls an entity id.
fn id_in(body: &Json, field: &str) -> Option<Uuid> {
    body.get(field)?.get("id")?.as_str()?.parse().ok()
}

/// A way between chains stands alone: what came beside it would belong to two chains.
pub(super) fn alone(outcome: Outcome) -> Result<Outcome, String> {
    let leads = |effect: &Effect| matches!(effect, Effect::EnterChain { .. } | Effect::LeaveChain { .. });
    let count = outcome.effects.len() + outcome.emissions.len();
    if count > 1 && outcome.effects.iter().any(leads) {
        return Err("an effect that leads into another chain, or back, stands alone in an answer".to_owned());
    }
    Ok(outcome)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::Emission;
    use serde_json::json;

    #[test]
    fn a_way_between_chains_stands_alone() {
        let enter = || Effect::EnterChain { chain: Uuid::nil() };
        let leave = || Effect::LeaveChain { relation: None };
        let save = || Effect::DeleteAttributes {
            entity: EntityId {
                tenant: model::TenantId::SYSTEM,
                kind: EntityKind::Device,
                id: Uuid::nil(),
            },
            scope: model::AttributeScope::ServerScope,
            keys: Vec::new(),
            notify_device: false,
            tell_chain: false,
        };
        for (effects, emissions, fine) in [
            (vec![enter()], 0, true),
            (vec![leave()], 0, true),
            (vec![save(), save()], 1, true),
            (vec![enter()], 1, false),
            (vec![save(), leave()], 0, false),
            (vec![enter(), enter()], 0, false),
        ] {
            let emission = || Emission {
                relation: Relation::from("Success"),
                message: None,
            };
            let outcome = Outcome {
                effects: effects.into_iter().collect(),
                emissions: (0..emissions).map(|_| emission()).collect(),
            };
            assert_eq!(alone(outcome.clone()).is_ok(), fine, "{outcome:?}");
        }
    }

    #[test]
    fn a_profile_names_its_chain_as_the_rest_api_does() {
        let id = Uuid::from_u128(7);
        assert_eq!(
            id_in(
                &json!({"defaultRuleChainId": {"entityType": "RULE_CHAIN", "id": id}}),
                "defaultRuleChainId"
            ),
            Some(id)
        );
        for body in [
            json!({}),
            json!({"defaultRuleChainId": null}),
            json!({"defaultRuleChainId": {"id": 7}}),
        ] {
            assert_eq!(id_in(&body, "defaultRuleChainId"), None);
        }
    }
}
