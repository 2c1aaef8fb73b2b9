//! Ids. Every id carries its tenant, so that no query and no map can mix two tenants up.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A tenant. The nil UUID stands for the system itself (system administrators, shipped components).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TenantId(pub Uuid);

impl TenantId {
    /// The owner of what belongs to no tenant. ThingsBoard writes it `13814000-1dd2-11b2-8080-808080808080`.
    pub const SYSTEM: TenantId = TenantId(Uuid::from_u128(0x13814000_1dd2_11b2_8080_808080808080));

    /// A new tenant.
    pub fn generate() -> Self {
        TenantId(Uuid::now_v7())
    }
}

impl fmt::Debug for TenantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "tenant {}", self.0)
    }
}

impl fmt::Display for TenantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Kinds of entities, with the names of the REST API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[repr(u8)]
pub enum EntityKind {
    /// A tenant.
    Tenant = 1,
    /// A customer of a tenant.
    Customer = 2,
    /// A person who logs in.
    User = 3,
    /// A dashboard.
    Dashboard = 4,
    /// An asset.
    Asset = 5,
    /// A device.
    Device = 6,
    /// An alarm.
    Alarm = 7,
    /// A rule chain.
    RuleChain = 8,
    /// A node of a rule chain.
    RuleNode = 9,
    /// A device profile.
    DeviceProfile = 10,
    /// A tenant profile.
    TenantProfile = 11,
    /// An asset profile.
    AssetProfile = 12,
    /// A view of an entity.
    EntityView = 13,
    /// A model of a provider of artificial intelligence.
    AiModel = 14,
    /// A request to a device that is kept.
    Rpc = 20,
    /// A listener whose bytes a stream adapter understands.
    StreamListener = 32,
    /// A value that is kept sealed.
    Secret = 33,
}

impl EntityKind {
    /// Every kind, in the order of their numbers.
    pub const ALL: [EntityKind; 17] = [
        EntityKind::Tenant,
        EntityKind::Customer,
        EntityKind::User,
        EntityKind::Dashboard,
        EntityKind::Asset,
        EntityKind::Device,
        EntityKind::Alarm,
        EntityKind::RuleChain,
        EntityKind::RuleNode,
        EntityKind::DeviceProfile,
        EntityKind::TenantProfile,
        EntityKind::AssetProfile,
        EntityKind::EntityView,
        EntityKind::AiModel,
        EntityKind::Rpc,
        EntityKind::StreamListener,
        EntityKind::Secret,
    ];

    /// The kind's number, part of stored keys: never changes.
    pub fn number(self) -> u8 {
        self as u8
    }

    /// The kind of a number.
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.number() == number)
    }

    /// The name in the REST API, such as `DEVICE`.
    pub fn as_str(self) -> &'static str {
        match self {
            EntityKind::Tenant => "TENANT",
            EntityKind::Customer => "CUSTOMER",
            EntityKind::User => "USER",
            EntityKind::Dashboard => "DASHBOARD",
            EntityKind::Asset => "ASSET",
            EntityKind::Device => "DEVICE",
            EntityKind::Alarm => "ALARM",
            EntityKind::RuleChain => "RULE_CHAIN",
            EntityKind::RuleNode => "RULE_NODE",
            EntityKind::DeviceProfile => "DEVICE_PROFILE",
            EntityKind::TenantProfile => "TENANT_PROFILE",
            EntityKind::AssetProfile => "ASSET_PROFILE",
            EntityKind::EntityView => "ENTITY_VIEW",
            EntityKind::AiModel => "AI_MODEL",
            EntityKind::Rpc => "RPC",
            EntityKind::StreamListener => "STREAM_LISTENER",
            EntityKind::Secret => "SECRET",
        }
    }
}

impl FromStr for EntityKind {
    type Err = UnknownEntityKind;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.as_str() == name)
            .ok_or_else(|| UnknownEntityKind(name.to_owned()))
    }
}

/// A name that is no [`EntityKind`].
#[derive(Debug, thiserror::Error)]
#[error("unknown entity type {0:?}")]
pub struct UnknownEntityKind(pub String);

/// Any entity of a tenant.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct EntityId {
    /// Owner.
    pub tenant: TenantId,
    /// Kind.
    pub kind: EntityKind,
    /// Id within the kind.
    pub id: Uuid,
}

impl EntityId {
    /// Names an entity.
    pub fn new(tenant: TenantId, kind: EntityKind, id: Uuid) -> Self {
        EntityId { tenant, kind, id }
    }
}

impl fmt::Debug for EntityId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind.as_str(), self.id)
    }
}

macro_rules! entity_ids {
    ($($(#[$doc:meta])* $name:ident => $kind:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        pub struct $name {
            /// Owner.
            pub tenant: TenantId,
            /// Id within the kind.
            pub id: Uuid,
        }

        impl $name {
            /// Names one.
            pub fn new(tenant: TenantId, id: Uuid) -> Self {
                Self { tenant, id }
            }

            /// A new one, sorted by time of creation.
            pub fn generate(tenant: TenantId) -> Self {
                Self { tenant, id: Uuid::now_v7() }
            }

            /// The same as an [`EntityId`].
            pub fn entity(self) -> EntityId {
                EntityId::new(self.tenant, EntityKind::$kind, self.id)
            }
        }

        impl From<$name> for EntityId {
            fn from(id: $name) -> EntityId {
                id.entity()
            }
        }

        impl TryFrom<EntityId> for $name {
            type Error = EntityId;
            fn try_from(id: EntityId) -> Result<Self, EntityId> {
                if id.kind == EntityKind::$kind { Ok(Self::new(id.tenant, id.id)) } else { Err(id) }
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.entity().fmt(f)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.id.fmt(f)
            }
        }
    )*};
}

entity_ids! {
    /// A device.
    DeviceId => Device;
    /// A customer.
    CustomerId => Customer;
    /// A user.
    UserId => User;
    /// A rule chain.
    RuleChainId => RuleChain;
    /// A node of a rule chain.
    RuleNodeId => RuleNode;
    /// An alarm.
    AlarmId => Alarm;
    /// A device profile.
    DeviceProfileId => DeviceProfile;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_names_round_trip() {
        for kind in EntityKind::ALL {
            assert_eq!(EntityKind::from_number(kind.number()), Some(kind));
            assert_eq!(kind.as_str().parse::<EntityKind>().expect("known"), kind);
        }
        assert!("NOTHING".parse::<EntityKind>().is_err());
    }
}
