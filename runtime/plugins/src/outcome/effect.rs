//! What the host is to do for a node, in the platform's words.

use std::sync::Arc;

use model::entity::Severity;
use model::{AttributeScope, EntityId, EntityKind, PresenceEvent, TenantId};
use uuid::Uuid;

use super::{Content, HttpRequest, Publish, Relation, Retention};

/// What the host is to do for a node. Entities are always of the node's own tenant.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs, reason = "the fields are those of the contract in wit/outcome.wit")]
pub enum Effect {
    /// Save keys and values with a time in milliseconds and a life in seconds (0: for ever).
    SaveTimeSeries {
        entity: EntityId,
        ts_ms: i64,
        ttl_s: u32,
        values: Content,
        keep: Retention,
        quiet: bool,
    },
    /// Save attributes.
    SaveAttributes {
        entity: EntityId,
        scope: AttributeScope,
        values: Content,
        only_changed: bool,
        notify_device: bool,
        tell_chain: bool,
        keep: Retention,
        quiet: bool,
    },
    /// Raise or update an alarm.
    RaiseAlarm {
        entity: EntityId,
        alarm_type: String,
        severity: Severity,
        details: Option<Content>,
        start_ms: i64,
        end_ms: Option<i64>,
        propagation: Propagation,
    },
    /// Clear an alarm.
    ClearAlarm {
        entity: EntityId,
        alarm_type: String,
        details: Option<Content>,
    },
    /// Send a request to a device.
    SendRpc {
        device: EntityId,
        method: String,
        params: Content,
        timeout_ms: u32,
        oneway: bool,
        request_id: Option<Uuid>,
        expires_ms: Option<i64>,
        persistent: bool,
        retries: Option<u32>,
        additional_info: Option<Content>,
    },
    /// Answer a request of a device.
    ReplyRpc {
        device: EntityId,
        session: Uuid,
        request_id: u32,
        payload: Content,
    },
    /// Answer a request that came over REST.
    ReplyRest { request_id: Uuid, payload: Content },
    /// Save a row in a table of the tenant's own.
    SaveRow { table: String, columns: Content, ttl_s: u32 },
    /// Send a request to a server outside.
    HttpRequest(Box<HttpRequest>),
    /// Hand a payload to a broker outside.
    Publish(Box<Publish>),
    /// Send the message into another chain. Alone in an outcome.
    EnterChain { chain: Uuid },
    /// Send the message back to the chain it comes from; none: along the relation that is named as the node. Alone in an outcome.
    LeaveChain { relation: Option<Relation> },
    /// Remove attributes.
    DeleteAttributes {
        entity: EntityId,
        scope: AttributeScope,
        keys: Vec<Arc<str>>,
        notify_device: bool,
        tell_chain: bool,
    },
    /// Relate two entities.
    CreateRelation(Box<RelationChange>),
    /// Relate two entities no more.
    DeleteRelation(Box<RelationChange>),
    /// Assign an entity to a customer.
    AssignCustomer { entity: EntityId, customer: EntityRef },
    /// Take an entity from a customer; none: from whomever it is assigned to.
    UnassignCustomer { entity: EntityId, customer: Option<EntityRef> },
    /// Find or create the entity of a name.
    EnsureEntity {
        tenant: TenantId,
        kind: EntityKind,
        name: String,
        subtype: String,
        becomes_originator: bool,
    },
    /// Say whether a device is there.
    ReportPresence {
        device: EntityId,
        event: PresenceEvent,
        at_ms: i64,
    },
}

/// To whom an alarm is to be shown beside its originator.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Propagation {
    /// To entities that relations lead from to it.
    pub related: bool,
    /// Of these types; none: of all.
    pub relation_types: Vec<String>,
    /// To its owner.
    pub owner: bool,
    /// To its tenant.
    pub tenant: bool,
}

/// A relation that is to be there, or not.
#[derive(Clone, Debug, PartialEq)]
pub struct RelationChange {
    /// Where it starts.
    pub source: EntityRef,
    /// Where it ends.
    pub target: EntityRef,
    /// What it means.
    pub relation_type: String,
}

/// An entity of the node's own tenant, by its id or by its name.
#[derive(Clone, Debug, PartialEq)]
pub enum EntityRef {
    /// This one.
    Id(EntityId),
    /// The one that has the name when the effect is performed.
    Named {
        /// Whose.
        tenant: TenantId,
        /// Kind.
        kind: EntityKind,
        /// Name.
        name: String,
    },
}
