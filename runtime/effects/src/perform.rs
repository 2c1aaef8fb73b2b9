//! Effects that read before they write, or wait for a device.

use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, OnceLock};

use cluster::{Keep, Notice, Router, RpcRequest, SessionId};
use model::entity::IdRef;
use model::{AttributeScope, Clock, CustomerId, DeviceId, Downlink, EntityId, Message, MessageKind, Payload, Reading, TenantId, Value};
use plugins::{Content, Effect, Retention};
use storage::{Mutation, Row, Store};
use tokio::sync::{Mutex, oneshot};
use uuid::Uuid;

use crate::alarm::{self, Raise, Raised};
use crate::keeper::Keeper;
use crate::news::{News, NewsDesk};
use crate::plan::{Planned, key_values, plan, reaching};
use crate::request::Outside;
use crate::rpc::{Rpc, device_of};
use crate::{Calls, EffectError, propagation};

/// Where a message goes after its effects.
#[derive(Clone, Debug, PartialEq)]
pub struct Performed {
    /// Along which relation.
    pub relation: &'static str,
    /// As what; none: unchanged.
    pub message: Option<Arc<Message>>,
}

impl Performed {
    /// Unchanged, along `Success`.
    pub const SUCCESS: Performed = Performed {
        relation: "Success",
        message: None,
    };
}

/// Who hears of changed attributes.
#[derive(Clone, Copy)]
struct Told {
    notify_device: bool,
    tell_chain: bool,
    /// Whoever watches does not.
    quiet: bool,
}

impl Told {
    /// Devices know their shared attributes alone.
    fn reaches_device(self, scope: AttributeScope) -> bool {
        self.notify_device && scope == AttributeScope::SharedScope
    }
}

/// Alarms of different originators are changed side by side; those of one originator one after the other.
const ALARM_STRIPES: usize = 64;

/// How often a request that is kept is sent again, if nobody says; and at most.
const RETRIES: u32 = 5;
const RETRIES_MAX: u32 = 100;

/// Performs effects.
#[derive(Clone)]
pub struct Effects {
    store: Arc<dyn Store>,
    rpc: Rpc,
    news: NewsDesk,
    clock: Arc<dyn Clock>,
    /// Reading and writing an alarm must not interleave with another change of it. Not on the hot path: alarms are rare beside data.
    alarms: Arc<Vec<Mutex<()>>>,
    hasher: RandomState,
    outside: Option<Outside>,
    keeper: Arc<OnceLock<Arc<dyn Keeper>>>,
}

impl Effects {
    /// Performs on a store, reaching devices through a router.
    pub fn new(store: Arc<dyn Store>, router: Router, clock: Arc<dyn Clock>) -> Self {
        let keeper = Arc::default();
        let alarms = Arc::new((0..ALARM_STRIPES).map(|_| Mutex::new(())).collect());
        Effects {
            store,
            news: NewsDesk::new(router.clone(), Arc::clone(&keeper)),
            rpc: Rpc {
                router,
                calls: Calls::new(),
            },
            clock,
            alarms,
            hasher: RandomState::new(),
            keeper,
            outside: None,
        }
    }

    /// Reaches servers outside, too.
    #[must_use]
    pub fn with_outside(self, outside: Outside) -> Self {
        Effects {
            outside: Some(outside),
            ..self
        }
    }

    /// Who makes and assigns entities. Known later than the rest, once: it tells actors above that devices have changed.
    pub fn attach(&self, keeper: Arc<dyn Keeper>) {
        let _ = self.keeper.set(keeper);
    }

    pub(crate) fn keeper(&self) -> Result<&Arc<dyn Keeper>, EffectError> {
        let nobody = || EffectError::Invalid("entities cannot be changed here".to_owned());
        self.keeper.get().ok_or_else(nobody)
    }

    /// The store that plain writes go to.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// Who waits outside for answers of devices.
    pub fn calls(&self) -> &Calls {
        &self.rpc.calls
    }

    /// The time of day.
    pub fn now_ms(&self) -> i64 {
        self.clock.now_ms()
    }

    /// Performs effects one after the other, each durable before the next; answers what the last one reports.
    ///
    /// An effect that reports `Failure` is the last one.
    ///
    /// # Errors
    /// Of the first effect that fails; those after it do not happen.
    pub async fn perform(&self, effects: impl IntoIterator<Item = Effect>, message: Arc<Message>) -> Result<Performed, EffectError> {
        let mut last = Performed::SUCCESS;
        for effect in effects {
            let current = last.message.clone().unwrap_or_else(|| Arc::clone(&message));
            let performed = self.perform_one(effect, current).await?;
            last = Performed {
                relation: performed.relation,
                message: performed.message.or(last.message),
            };
            if last.relation == "Failure" {
                break;
            }
        }
        Ok(last)
    }

    async fn perform_one(&self, effect: Effect, message: Arc<Message>) -> Result<Performed, EffectError> {
        let effect = match plan(effect, self.now_ms())? {
            Planned::Nothing => return Ok(Performed::SUCCESS),
            Planned::Write(mutation) => return self.write(mutation).await,
            Planned::Perform(effect) => effect,
        };
        match effect {
            Effect::SaveTimeSeries { .. } => Err(EffectError::Invalid("time series are plain writes".to_owned())),
            Effect::SaveAttributes {
                entity,
                scope,
                values,
                only_changed,
                notify_device,
                tell_chain,
                keep,
                quiet,
            } => {
                let values = key_values(&values)?;
                // Of what is not kept neither device nor chain is told.
                let kept = keep != Retention::Nothing;
                let told = Told {
                    notify_device: notify_device && kept,
                    tell_chain: tell_chain && kept,
                    quiet,
                };
                self.save_attributes((entity, scope), values, (only_changed, keep), told).await
            }
            Effect::RaiseAlarm {
                entity,
                alarm_type,
                severity,
                details,
                start_ms,
                end_ms,
                propagation,
            } => {
                let wanted = Raise {
                    originator: entity,
                    alarm_type,
                    severity,
                    details: details.as_ref().and_then(Content::json).cloned(),
                    start_ms,
                    end_ms,
                    propagation,
                };
                self.raise(wanted, &message).await
            }
            Effect::ClearAlarm {
                entity,
                alarm_type,
                details,
            } => self.clear(entity, &alarm_type, details, &message).await,
            Effect::SendRpc {
                device,
                method,
                params,
                timeout_ms,
                oneway,
                request_id,
                expires_ms,
                persistent,
                retries,
                additional_info,
            } => {
                let (reply, answer) = oneshot::channel();
                let request = RpcRequest {
                    id: request_id.unwrap_or_else(Uuid::now_v7),
                    method: method.into(),
                    params: payload_of(&params),
                    expires_ms: expires_ms.unwrap_or_else(|| self.now_ms().saturating_add(i64::from(timeout_ms))),
                    oneway,
                    keep: persistent.then(|| Keep {
                        retries: retries.unwrap_or(RETRIES).min(RETRIES_MAX),
                        additional_info: additional_info.as_ref().map(payload_of),
                    }),
                    reply,
                };
                self.rpc.request(device_of(device)?, request, answer, &message).await
            }
            Effect::ReplyRpc {
                device,
                session,
                request_id,
                payload,
            } => {
                let payload = payload_of(&payload);
                self.rpc.reply(device_of(device)?, SessionId(session), request_id, payload).await
            }
            Effect::ReplyRest { request_id, payload } => self.reply_rest(message.originator.tenant, request_id, &payload),
            Effect::SaveRow { table, columns, ttl_s } => self.save_row(message.originator.tenant, &table, &columns, ttl_s).await,
            Effect::HttpRequest(wanted) => match &self.outside {
                Some(outside) => outside.send(&wanted, &message).await,
                None => Err(EffectError::Invalid("this server sends no requests".to_owned())),
            },
            Effect::Publish(wanted) => match &self.outside {
                Some(outside) => outside.publish(&wanted, &message).await,
                None => Err(EffectError::Invalid("this server publishes to no brokers".to_owned())),
            },
            other => self.perform_on_entities(other, &message).await,
        }
    }

    /// Whoever waits for a request waits on the server that its message has come to, as every message stays on its server.
    fn reply_rest(&self, tenant: TenantId, request: Uuid, payload: &Content) -> Result<Performed, EffectError> {
        if self.rpc.calls.answer(tenant, request, Ok(Some(payload_of(payload)))) {
            Ok(Performed::SUCCESS)
        } else {
            Err(EffectError::Invalid(format!("nobody waits for the answer to request {request}")))
        }
    }

    async fn save_row(&self, tenant: TenantId, table: &str, columns: &Content, ttl_s: u32) -> Result<Performed, EffectError> {
        let Some(serde_json::Value::Object(columns)) = columns.json() else {
            return Err(EffectError::Invalid("the columns are not a JSON object".to_owned()));
        };
        self.store.save_row(tenant, Row::new(table, columns.clone(), ttl_s)?).await?;
        Ok(Performed::SUCCESS)
    }

    async fn perform_on_entities(&self, effect: Effect, message: &Arc<Message>) -> Result<Performed, EffectError> {
        match effect {
            Effect::DeleteAttributes {
                entity,
                scope,
                keys,
                notify_device,
                tell_chain,
            } => {
                let told = Told {
                    notify_device,
                    tell_chain,
                    quiet: false,
                };
                self.delete_attributes((entity, scope), keys, told).await
            }
            Effect::CreateRelation(change) => self.relate(*change).await,
            Effect::DeleteRelation(change) => self.part(*change).await,
            Effect::AssignCustomer { entity, customer } => self.assign(entity, customer, message).await,
            Effect::UnassignCustomer { entity, customer } => self.unassign(entity, customer, message).await,
            Effect::EnsureEntity {
                tenant,
                kind,
                name,
                subtype,
                becomes_originator,
            } => self.ensure((tenant, kind), &name, &subtype, becomes_originator, message).await,
            Effect::ReportPresence { device, event, at_ms } => self.rpc.presence(device_of(device)?, event, at_ms).await,
            other => Err(EffectError::Invalid(format!("nobody performs {other:?}"))),
        }
    }

    async fn delete_attributes(
        &self,
        (entity, scope): (EntityId, AttributeScope),
        keys: Vec<Arc<str>>,
        told: Told,
    ) -> Result<Performed, EffectError> {
        let gone = keys.clone();
        let performed = self.write(Mutation::DeleteAttributes { entity, scope, keys }).await?;
        if told.tell_chain {
            let keys: Vec<&str> = gone.iter().map(|key| &**key).collect();
            let payload = Payload::new(serde_json::json!({ "attributes": keys }));
            let notice = Notice::of_attributes(MessageKind::AttributesDeleted, scope, payload);
            self.notice(entity, notice).await;
        }
        if let (true, Ok(device)) = (told.reaches_device(scope), DeviceId::try_from(entity)) {
            self.push(device, Downlink::AttributesRemoved(gone)).await;
        }
        Ok(performed)
    }

    async fn save_attributes(
        &self,
        (entity, scope): (EntityId, AttributeScope),
        mut values: Vec<(Arc<str>, Value)>,
        (only_changed, keep): (bool, Retention),
        told: Told,
    ) -> Result<Performed, EffectError> {
        if only_changed {
            let keys: Vec<_> = values.iter().map(|(key, _)| Arc::clone(key)).collect();
            let stored = self.store.attributes(entity, scope, Some(&keys)).await?;
            values.retain(|(key, value)| !is_stored(&stored, key, value));
        }
        if values.is_empty() {
            return Ok(Performed::SUCCESS);
        }
        let is_news = told.tell_chain || told.reaches_device(scope);
        let news = is_news.then(|| object_of(&values));
        let ts_ms = self.now_ms();
        let write = Mutation::Attributes {
            entity,
            scope,
            ts_ms,
            values,
        };
        let Planned::Write(write) = reaching(write, keep, told.quiet) else {
            return Ok(Performed::SUCCESS);
        };
        let performed = self.write(write).await?;
        let Some(news) = news else { return Ok(performed) };
        if told.tell_chain {
            let notice = Notice::of_attributes(MessageKind::AttributesUpdated, scope, news.clone());
            self.notice(entity, notice).await;
        }
        if let (true, Ok(device)) = (told.reaches_device(scope), DeviceId::try_from(entity)) {
            self.push(device, Downlink::AttributesChanged(news)).await;
        }
        Ok(performed)
    }

    /// Whose an entity is. The message says it of its originator.
    async fn customer_of(&self, entity: EntityId, message: &Message) -> Result<Option<CustomerId>, EffectError> {
        if entity == message.originator {
            return Ok(message.customer);
        }
        let customer = self.store.entity(entity).await?.and_then(|record| record.customer);
        Ok(customer.map(|customer| CustomerId::new(entity.tenant, customer)))
    }

    async fn clear(
        &self,
        entity: EntityId,
        alarm_type: &str,
        details: Option<Content>,
        message: &Arc<Message>,
    ) -> Result<Performed, EffectError> {
        let _turn = self.alarm_turn(entity.id).await;
        let active = self.store.active_alarm(entity, alarm_type).await?;
        let details = details.as_ref().and_then(Content::json).cloned();
        let Some(alarm) = alarm::clear(active, details, self.now_ms()) else {
            return Ok(Performed {
                relation: "False",
                message: None,
            });
        };
        let next = alarm_message(message, &alarm, "isClearedAlarm");
        self.write(Mutation::PutAlarm(Arc::new(alarm))).await?;
        Ok(Performed {
            relation: "Cleared",
            message: Some(next),
        })
    }

    pub(crate) async fn write(&self, mutation: Mutation) -> Result<Performed, EffectError> {
        self.store.submit(vec![mutation]).await?.await?;
        Ok(Performed::SUCCESS)
    }

    async fn raise(&self, wanted: Raise, message: &Arc<Message>) -> Result<Performed, EffectError> {
        let _turn = self.alarm_turn(wanted.originator.id).await;
        let active = self.store.active_alarm(wanted.originator, &wanted.alarm_type).await?;
        let originator = wanted.originator;
        let (alarm, relation, mark) = match alarm::raise(active, wanted, Uuid::now_v7(), self.now_ms()) {
            Raised::Created(mut alarm) => {
                alarm.customer_id = self.customer_of(originator, message).await?.map(IdRef::from);
                alarm.shown_to = propagation::shown_to(&*self.store, &alarm).await?;
                (alarm, "Created", "isNewAlarm")
            }
            Raised::Updated {
                mut alarm,
                severity_changed,
                propagation_changed,
            } => {
                // An alarm that only lasts longer reads no relations: it is raised with every message while the reason is there. One that
                // nobody shows may have been stored by an older version.
                if propagation_changed || alarm.shown_to.is_empty() {
                    alarm.shown_to = propagation::shown_to(&*self.store, &alarm).await?;
                }
                let mark = if severity_changed { "isSeverityUpdated" } else { "isExistingAlarm" };
                (alarm, "Updated", mark)
            }
        };
        let next = alarm_message(message, &alarm, mark);
        self.write(Mutation::PutAlarm(Arc::new(alarm))).await?;
        Ok(Performed {
            relation,
            message: Some(next),
        })
    }

    /// Tells a device's sessions something. What is durable already needs no answer: a device that is away asks when it returns.
    pub async fn push(&self, device: DeviceId, news: Downlink) {
        self.news.tell(device.entity(), News::Device(news)).await;
    }

    /// Tells the chain of an entity something about it. What is durable already needs no answer. Waits for no chain: who tells may be one that
    /// has no room.
    pub async fn notice(&self, entity: EntityId, notice: Notice) {
        self.news.tell(entity, News::Chain(notice)).await;
    }

    /// A request to a device from outside. Its answer says what became of it, also when the device cannot be reached.
    pub async fn call(&self, device: DeviceId, call: cluster::Call) {
        self.rpc.call(device, call).await;
    }

    /// Removes a request that is kept for a device.
    ///
    /// # Errors
    /// [`cluster::RpcError`] when the device's actor cannot be reached, or the store refuses.
    pub async fn remove_request(&self, device: DeviceId, rpc: model::entity::Rpc) -> Result<(), cluster::RpcError> {
        self.rpc.remove(device, rpc).await
    }

    /// Waits for the turn to change alarms of an originator; nobody else changes them while the guard lives.
    pub async fn alarm_turn(&self, originator: Uuid) -> tokio::sync::MutexGuard<'_, ()> {
        let stripe = self.hasher.hash_one(originator) as usize % ALARM_STRIPES;
        self.alarms[stripe].lock().await
    }
}

/// The JSON an effect is about; null where there is none.
fn payload_of(content: &Content) -> Payload {
    Payload::new(content.json().cloned().unwrap_or(serde_json::Value::Null))
}

fn is_stored(stored: &[(Arc<str>, Reading)], key: &str, value: &Value) -> bool {
    stored.iter().any(|(have, reading)| &**have == key && reading.value == *value)
}

fn object_of(values: &[(Arc<str>, Value)]) -> Payload {
    Payload::new(values.iter().map(|(key, value)| (key.to_string(), value.to_json())).collect())
}

/// The message that leaves an alarm node: the alarm is its payload, metadata says what happened.
fn alarm_message(message: &Message, alarm: &model::entity::Alarm, mark: &str) -> Arc<Message> {
    let mut next = message.clone();
    next.metadata.insert(mark, "true");
    let mut json = serde_json::to_value(alarm).unwrap_or_default();
    if let Some(fields) = json.as_object_mut() {
        fields.insert("status".to_owned(), alarm.status().into());
    }
    next.payload = Payload::new(json);
    Arc::new(next)
}
