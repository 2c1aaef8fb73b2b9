//! What a node decided, in the platform's words. Everything a guest says is checked here before anybody acts on it.

use std::borrow::Cow;
use std::sync::Arc;

use model::entity::Severity;
use model::{CustomerId, EntityId, Message, Metadata, Payload, TenantId};
use serde_json::Value as Json;
use smallvec::{SmallVec, smallvec};
use uuid::Uuid;

use crate::bindings::{json, outcome as wit};
use crate::capability::{entity_id, short};
use crate::component::NodeDescriptor;
use crate::limits::Limits;
use crate::readings::Source;

mod chains;
mod effect;
mod kinds;
mod names;
mod publish;
mod request;

pub use effect::{Effect, EntityRef, Propagation, RelationChange};
pub use kinds::EffectKinds;
pub use publish::Publish;
pub use request::{HttpRequest, Identity, Piece, Proxy, RequestBody, Tls, ai_model_secret};

use names::{NAME_BYTES_MAX, keys, kind, name, relation_type, relation_types, uuid};

/// Metadata entries of a new message at most.
const METADATA_MAX: usize = 200;

/// A relation a message leaves along.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Relation(Arc<str>);

impl Relation {
    /// Its name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Relation {
    fn from(name: &str) -> Self {
        Relation(name.into())
    }
}

/// What a node decided about a message.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outcome {
    /// Where messages go.
    pub emissions: SmallVec<[Emission; 1]>,
    /// What is to be done first.
    pub effects: SmallVec<[Effect; 1]>,
}

impl Outcome {
    /// Names of the secrets that its effects are to use.
    pub fn secrets(&self) -> impl Iterator<Item = Cow<'_, str>> {
        self.effects.iter().flat_map(|effect| {
            let (request, publish) = match effect {
                Effect::HttpRequest(request) => (Some(request.secrets()), None),
                Effect::Publish(publish) => (None, Some(publish.secrets().map(Cow::Borrowed))),
                _ => (None, None),
            };
            request.into_iter().flatten().chain(publish.into_iter().flatten())
        })
    }
}

/// A message leaving a node.
#[derive(Clone, Debug, PartialEq)]
pub struct Emission {
    /// Along which relation.
    pub relation: Relation,
    /// None: the processed message itself.
    pub message: Option<Arc<Message>>,
}

/// JSON that an effect is about.
#[derive(Clone, Debug, PartialEq)]
pub enum Content {
    /// A part of a payload that others share.
    Shared {
        /// The payload.
        payload: Payload,
        /// The part; empty: all of it.
        path: Box<str>,
    },
    /// Made by the node.
    Own(Json),
}

impl Content {
    /// The JSON; none when nothing stands at the path.
    pub fn json(&self) -> Option<&Json> {
        match self {
            Content::Shared { payload, path } => payload.at(path),
            Content::Own(json) => Some(json),
        }
    }
}

/// What is kept of values that are saved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Retention {
    /// All of them.
    #[default]
    All,
    /// Of each key the one that was written last.
    Latest,
    /// None.
    Nothing,
    /// All of them, and the latest values stay what they were.
    History,
}

impl From<Option<wit::Keep>> for Retention {
    fn from(told: Option<wit::Keep>) -> Self {
        match told {
            None | Some(wit::Keep::All) => Retention::All,
            Some(wit::Keep::Latest) => Retention::Latest,
            Some(wit::Keep::Nothing) => Retention::Nothing,
            Some(wit::Keep::History) => Retention::History,
        }
    }
}

/// The message itself leaves along a relation of the type, by its number.
pub(crate) fn forwarded(index: u32, node_type: &NodeDescriptor) -> Result<Outcome, String> {
    let relation = usize::try_from(index).ok().and_then(|index| node_type.relations.get(index));
    let relation = relation.ok_or_else(|| format!("the node answered with relation number {index}, which its type does not have"))?;
    Ok(Outcome {
        emissions: smallvec![Emission {
            relation: Relation(Arc::clone(relation)),
            message: None
        }],
        effects: SmallVec::new(),
    })
}

/// Checks what a node handed over and puts it into the platform's words.
pub(crate) async fn checked(
    told: wit::Outcome,
    message: &Arc<Message>,
    tenant: TenantId,
    readings: Option<&Source>,
    node_type: &NodeDescriptor,
    limits: &Limits,
) -> Result<Outcome, String> {
    let checker = Checker {
        message,
        tenant,
        readings,
        node_type,
    };
    match told {
        wit::Outcome::Effect(effect) => Ok(Outcome {
            emissions: SmallVec::new(),
            effects: smallvec![checker.effect(effect).await?],
        }),
        wit::Outcome::Steps(steps) => {
            for (what, count, max) in [
                ("messages", steps.emissions.len(), limits.emissions_max),
                ("effects", steps.effects.len(), limits.effects_max),
            ] {
                if count > max {
                    return Err(format!("the node answered with {count} {what}, more than the {max} allowed"));
                }
            }
            let mut emissions = SmallVec::with_capacity(steps.emissions.len());
            for emission in steps.emissions {
                emissions.push(checker.emission(emission).await?);
            }
            let mut effects = SmallVec::with_capacity(steps.effects.len());
            for effect in steps.effects {
                effects.push(checker.effect(effect).await?);
            }
            Ok(Outcome { emissions, effects })
        }
    }
    .and_then(chains::alone)
}

struct Checker<'a> {
    message: &'a Arc<Message>,
    tenant: TenantId,
    readings: Option<&'a Source>,
    node_type: &'a NodeDescriptor,
}

impl Checker<'_> {
    async fn emission(&self, told: wit::Emission) -> Result<Emission, String> {
        Ok(Emission {
            relation: self.relation(&told.relation)?,
            message: match told.message {
                Some(new) => Some(self.new_message(new).await?),
                None => None,
            },
        })
    }

    fn relation(&self, name: &str) -> Result<Relation, String> {
        match self.node_type.relations.iter().find(|known| ***known == *name) {
            Some(known) => Ok(Relation(Arc::clone(known))),
            None if self.node_type.custom_relations && !name.is_empty() && name.len() <= NAME_BYTES_MAX => Ok(Relation(name.into())),
            None => Err(format!(
                "the node answered with relation {:?}, which its type does not have",
                short(name)
            )),
        }
    }

    async fn new_message(&self, told: wit::NewMessage) -> Result<Arc<Message>, String> {
        let mut message = Message::clone(self.message);
        message.id = Uuid::now_v7();
        if let Some(kind) = told.kind {
            message.kind = name("a message type", &kind).map(|()| kind.as_str().into())?;
        }
        if let Some(originator) = told.originator {
            let originator = entity_id(self.tenant, &originator)?;
            if originator != message.originator {
                message.originator = originator;
                message.customer = self.customer_of(originator).await?;
            }
        }
        if let Some(entries) = told.metadata {
            if entries.len() > METADATA_MAX {
                return Err(format!(
                    "{} metadata entries are more than the {METADATA_MAX} allowed",
                    entries.len()
                ));
            }
            message.metadata = entries.into_iter().collect::<Metadata>();
        }
        match told.payload {
            None => {}
            Some(json::Content::Payload(path)) if path.is_empty() => {}
            Some(content) => match self.content(content)? {
                Content::Own(json) => message.payload = Payload::new(json),
                shared => message.payload = Payload::new(shared.json().cloned().unwrap_or(Json::Null)),
            },
        }
        Ok(Arc::new(message))
    }

    /// The customer that a new originator is assigned to: its alarms are that customer's, not the old originator's.
    async fn customer_of(&self, entity: EntityId) -> Result<Option<CustomerId>, String> {
        let Some(readings) = self.readings else { return Ok(None) };
        let customer = readings.entity(entity).await?.and_then(|record| record.customer);
        Ok(customer.map(|customer| CustomerId::new(self.tenant, customer)))
    }

    fn reference(&self, told: wit::EntityRef) -> Result<EntityRef, String> {
        match told {
            wit::EntityRef::Id(id) => entity_id(self.tenant, &id).map(EntityRef::Id),
            wit::EntityRef::Named(named) => Ok(EntityRef::Named {
                tenant: self.tenant,
                kind: kind(&named.entity_type)?,
                name: name("a name", &named.name).map(|()| named.name)?,
            }),
        }
    }

    fn relation_change(&self, told: wit::RelationChange) -> Result<Box<RelationChange>, String> {
        Ok(Box::new(RelationChange {
            source: self.end(told.source)?,
            target: self.end(told.target)?,
            relation_type: relation_type(told.relation_type)?,
        }))
    }

    /// An end of a relation.
    fn end(&self, told: Option<wit::EntityRef>) -> Result<EntityRef, String> {
        told.map_or(Ok(EntityRef::Id(self.message.originator)), |named| self.reference(named))
    }

    fn content(&self, told: json::Content) -> Result<Content, String> {
        match told {
            json::Content::Payload(path) => Ok(Content::Shared {
                payload: self.message.payload.clone(),
                path: path.into(),
            }),
            json::Content::Json(text) => serde_json::from_str(&text)
                .map(Content::Own)
                .map_err(|error| format!("the node answered with text that is no JSON: {error}")),
        }
    }

    fn entity(&self, told: Option<crate::bindings::entity::EntityId>) -> Result<EntityId, String> {
        told.map_or(Ok(self.message.originator), |named| entity_id(self.tenant, &named))
    }

    fn details(&self, told: Option<json::Content>) -> Result<Option<Content>, String> {
        told.map(|content| self.content(content)).transpose()
    }

    async fn effect(&self, told: wit::Effect) -> Result<Effect, String> {
        self.node_type.effects.check(&told)?;
        Ok(match told {
            wit::Effect::SaveTimeSeries(save) => Effect::SaveTimeSeries {
                entity: self.entity(save.entity)?,
                ts_ms: save.timestamp.unwrap_or(self.message.ts_ms),
                ttl_s: save.ttl_seconds,
                values: self.content(save.values)?,
                keep: save.keep.into(),
                quiet: save.quiet,
            },
            wit::Effect::SaveAttributes(save) => Effect::SaveAttributes {
                entity: self.entity(save.entity)?,
                scope: save
                    .scope
                    .parse()
                    .map_err(|_| format!("there is no scope {:?}", short(&save.scope)))?,
                values: self.content(save.values)?,
                only_changed: save.only_changed,
                notify_device: save.notify_device,
                tell_chain: save.tell_chain,
                // Attributes have no history.
                keep: match save.keep.into() {
                    Retention::History => Retention::Nothing,
                    keep => keep,
                },
                quiet: save.quiet,
            },
            wit::Effect::RaiseAlarm(raise) => Effect::RaiseAlarm {
                entity: self.entity(raise.entity)?,
                severity: Severity::parse(&raise.severity).ok_or_else(|| format!("there is no severity {:?}", short(&raise.severity)))?,
                alarm_type: name("an alarm type", &raise.alarm_type).map(|()| raise.alarm_type)?,
                details: self.details(raise.details)?,
                start_ms: raise.start_at.unwrap_or(self.message.ts_ms),
                end_ms: raise.end_at,
                propagation: Propagation {
                    related: raise.propagate,
                    relation_types: relation_types(raise.propagate_relation_types.unwrap_or_default())?,
                    owner: raise.propagate_to_owner,
                    tenant: raise.propagate_to_tenant,
                },
            },
            wit::Effect::ClearAlarm(clear) => Effect::ClearAlarm {
                entity: self.entity(clear.entity)?,
                alarm_type: name("an alarm type", &clear.alarm_type).map(|()| clear.alarm_type)?,
                details: self.details(clear.details)?,
            },
            wit::Effect::SendRpc(rpc) => Effect::SendRpc {
                device: self.entity(rpc.device)?,
                method: name("a method", &rpc.method).map(|()| rpc.method)?,
                params: self.content(rpc.params)?,
                timeout_ms: rpc.timeout_ms,
                oneway: rpc.oneway,
                request_id: rpc.request_id.as_deref().map(|id| uuid("a request", id)).transpose()?,
                expires_ms: rpc.expires_at,
                persistent: rpc.persistent,
                retries: rpc.retries,
                additional_info: self.details(rpc.additional_info)?,
            },
            wit::Effect::ReplyRpc(rpc) => Effect::ReplyRpc {
                device: self.entity(rpc.device)?,
                session: uuid("a session", &rpc.session)?,
                request_id: rpc.request_id,
                payload: self.content(rpc.payload)?,
            },
            wit::Effect::ReplyRest(rest) => Effect::ReplyRest {
                request_id: uuid("a request", &rest.request_id)?,
                payload: self.content(rest.payload)?,
            },
            wit::Effect::SaveRow(row) => Effect::SaveRow {
                table: name("a table", &row.table).map(|()| row.table)?,
                columns: self.content(row.columns)?,
                ttl_s: row.ttl_seconds,
            },
            wit::Effect::HttpRequest(request) => Effect::HttpRequest(Box::new(self.http_request(request)?)),
            wit::Effect::Publish(publish) => Effect::Publish(Box::new(self.publish(publish)?)),
            wit::Effect::EnterChain(enter) => self.enter_chain(enter).await?,
            wit::Effect::LeaveChain(leave) => self.leave_chain(leave)?,
            wit::Effect::DeleteAttributes(delete) => Effect::DeleteAttributes {
                entity: self.entity(delete.entity)?,
                scope: delete
                    .scope
                    .parse()
                    .map_err(|_| format!("there is no scope {:?}", short(&delete.scope)))?,
                keys: keys(delete.keys)?,
                notify_device: delete.notify_device,
                tell_chain: delete.tell_chain,
            },
            wit::Effect::CreateRelation(change) => Effect::CreateRelation(self.relation_change(change)?),
            wit::Effect::DeleteRelation(change) => Effect::DeleteRelation(self.relation_change(change)?),
            wit::Effect::AssignCustomer(assign) => Effect::AssignCustomer {
                entity: self.entity(assign.entity)?,
                customer: self.reference(assign.customer)?,
            },
            wit::Effect::UnassignCustomer(unassign) => Effect::UnassignCustomer {
                entity: self.entity(unassign.entity)?,
                customer: unassign.customer.map(|named| self.reference(named)).transpose()?,
            },
            wit::Effect::EnsureEntity(ensure) => Effect::EnsureEntity {
                tenant: self.tenant,
                kind: kind(&ensure.entity_type)?,
                name: name("a name", &ensure.name).map(|()| ensure.name)?,
                subtype: ensure.subtype,
                becomes_originator: ensure.becomes_originator,
            },
            wit::Effect::ReportPresence(report) => Effect::ReportPresence {
                device: self.entity(report.device)?,
                event: kinds::presence(report.event),
                at_ms: report.timestamp.unwrap_or(self.message.ts_ms),
            },
        })
    }
}
