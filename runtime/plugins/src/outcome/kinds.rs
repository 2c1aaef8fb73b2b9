//! Which effects a node type declares. A permission: anything else is refused. And words of effects that are not more than a name.

use model::PresenceEvent;

use crate::bindings::outcome as wit;

/// Kinds of effects that a node type may ask for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EffectKinds(u32);

/// Names of effects, in the order of their bits.
const EFFECT_NAMES: [&str; 19] = [
    "save-time-series",
    "save-attributes",
    "raise-alarm",
    "clear-alarm",
    "send-rpc",
    "reply-rpc",
    "http-request",
    "delete-attributes",
    "create-relation",
    "delete-relation",
    "assign-customer",
    "unassign-customer",
    "ensure-entity",
    "report-presence",
    "publish",
    "enter-chain",
    "leave-chain",
    "reply-rest",
    "save-row",
];

impl EffectKinds {
    /// The kinds with these names.
    ///
    /// # Errors
    /// A name there is not.
    pub fn named(names: &[String]) -> Result<Self, &str> {
        let mut kinds = 0;
        for name in names {
            let bit = EFFECT_NAMES.iter().position(|known| known == name).ok_or(name.as_str())?;
            kinds |= 1 << bit;
        }
        Ok(EffectKinds(kinds))
    }

    /// The names of the kinds.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        EFFECT_NAMES
            .into_iter()
            .enumerate()
            .filter(move |(bit, _)| self.0 & (1 << bit) != 0)
            .map(|(_, name)| name)
    }

    /// Whether the effect is of one of these kinds.
    pub(super) fn check(self, effect: &wit::Effect) -> Result<(), String> {
        let bit = match effect {
            wit::Effect::SaveTimeSeries(_) => 0,
            wit::Effect::SaveAttributes(_) => 1,
            wit::Effect::RaiseAlarm(_) => 2,
            wit::Effect::ClearAlarm(_) => 3,
            wit::Effect::SendRpc(_) => 4,
            wit::Effect::ReplyRpc(_) => 5,
            wit::Effect::HttpRequest(_) => 6,
            wit::Effect::DeleteAttributes(_) => 7,
            wit::Effect::CreateRelation(_) => 8,
            wit::Effect::DeleteRelation(_) => 9,
            wit::Effect::AssignCustomer(_) => 10,
            wit::Effect::UnassignCustomer(_) => 11,
            wit::Effect::EnsureEntity(_) => 12,
            wit::Effect::ReportPresence(_) => 13,
            wit::Effect::Publish(_) => 14,
            wit::Effect::EnterChain(_) => 15,
            wit::Effect::LeaveChain(_) => 16,
            wit::Effect::ReplyRest(_) => 17,
            wit::Effect::SaveRow(_) => 18,
        };
        if self.0 & (1 << bit) == 0 {
            return Err(format!(
                "the node asked for the effect {:?}, which its type does not declare",
                EFFECT_NAMES[bit]
            ));
        }
        Ok(())
    }
}

/// In the platform's words.
pub(super) fn presence(told: wit::PresenceEvent) -> PresenceEvent {
    match told {
        wit::PresenceEvent::Connected => PresenceEvent::Connected,
        wit::PresenceEvent::Disconnected => PresenceEvent::Disconnected,
        wit::PresenceEvent::Active => PresenceEvent::Active,
        wit::PresenceEvent::Inactive => PresenceEvent::Inactive,
    }
}
