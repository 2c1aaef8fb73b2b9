//! One instance of a component, serving one node of one chain.
//!
//! Where everything that a node reads is there at once, it is called as a plain function ([`NodeInstance::process`]). Where something may
//! have to be waited for ([`NodeInstance::waits`]), its calls are futures ([`NodeInstance::process_awaiting`]).

mod awaited;

use std::sync::Arc;

use model::{Clock, EntityKind, Message, MessageKind, Metadata, Payload, RuleNodeId, TenantId};
use uuid::Uuid;
use wasmtime::Store;

use crate::bindings::rule_node::RuleNode;
use crate::budget::{Budget, allow};
use crate::component::{NodeDescriptor, RuleComponent};
use crate::error::{OpenError, ProcessError};
use crate::figures::Figures;
use crate::guest::{Answer, Current, Guest, LogBudget, LogSink, explain};
use crate::limits::Limiter;
use crate::memory::SharedMemory;
use crate::outcome::{Outcome, checked, forwarded};
use crate::readings::{Source, now};
use crate::release::Release;

use awaited::Awaited;

/// What `process` returns at least when the answer was handed over.
const HANDED_OVER: u32 = i32::MAX as u32;
/// What is said to whoever calls a node as a function that has to be waited for.
const WAITS: &str = "what this node reads has to be waited for";
/// Bytes of a guest's reason for a failure at most.
const REASON_BYTES_MAX: usize = 4096;

/// What an instance is given.
#[derive(Clone)]
pub struct NodeContext {
    /// Whose it is.
    pub tenant: TenantId,
    /// Which node.
    pub node: RuleNodeId,
    /// Its name, for people.
    pub name: Arc<str>,
    /// Stored values of the tenant.
    pub readings: Source,
    /// Where its log lines go.
    pub log: Arc<dyn LogSink>,
    /// The time of day.
    pub clock: Arc<dyn Clock>,
    /// What it keeps. Outlives the instance.
    pub memory: SharedMemory,
}

/// An instance. After a [`crate::Fault`] it is of no use any more.
pub struct NodeInstance {
    store: Store<Guest>,
    called: Called,
    descriptor: Arc<NodeDescriptor>,
    component: RuleComponent,
    /// The uploaded version that it is of, which says what secrets it may use; none: of a shipped component, any.
    release: Option<Arc<Release>>,
}

/// How an instance is called.
enum Called {
    /// As a function.
    AtOnce(RuleNode),
    /// As a future.
    Awaited(Awaited),
}

impl NodeInstance {
    /// Instantiates and opens a node that reads what is there at once. Takes the guest's time: call it where blocking does no harm.
    ///
    /// # Errors
    /// [`OpenError::Configuration`] in the words of the node type, or what happened to the guest. [`OpenError::NoInstance`] when it has
    /// to be opened by [`NodeInstance::open_awaiting`].
    pub fn open(component: &RuleComponent, type_name: &str, configuration: &str, context: NodeContext) -> Result<Self, OpenError> {
        let opened = now(Self::open_awaiting(component, type_name, configuration, context));
        opened.unwrap_or_else(|| Err(OpenError::NoInstance(WAITS.to_owned())))
    }

    /// Instantiates and opens a node. It is the guest's time that this takes: drive it where that does no harm.
    ///
    /// # Errors
    /// [`OpenError::Configuration`] in the words of the node type, or what happened to the guest.
    pub async fn open_awaiting(
        component: &RuleComponent,
        type_name: &str,
        configuration: &str,
        context: NodeContext,
    ) -> Result<Self, OpenError> {
        let limits = component.limits();
        let memory = context.memory.clone();
        let guest = Guest {
            limiter: Limiter::new(limits),
            current: Current::Nothing,
            answer: None,
            budget: Budget::default(),
            tenant: context.tenant,
            name: context.name,
            readings: Some(context.readings),
            log: Some(context.log),
            clock: context.clock,
            log_budget: LogBudget::new(limits),
            memory: context.memory,
            memory_touched: false,
            about: None,
            figures: Figures::of(context.tenant, context.node),
        };
        let mut opened = Self::open_as(component, type_name, configuration, guest).await;
        // What it wrote while opening does not count: no message waits for it to be durable.
        memory.look().take_back();
        if let Ok(instance) = &mut opened {
            instance.store.data_mut().memory_touched = false;
        }
        opened
    }

    /// Tries whether a node type takes a configuration, and forgets the instance.
    ///
    /// # Errors
    /// As [`NodeInstance::open`].
    pub fn check(component: &RuleComponent, type_name: &str, configuration: &str) -> Result<(), OpenError> {
        let mut guest = component.0.host.anonymous();
        if let Some(known) = component.types().iter().find(|descriptor| descriptor.type_name == type_name) {
            guest.memory = SharedMemory::restore(&known.state_schema, None);
        }
        let opened = now(Self::open_as(component, type_name, configuration, guest));
        opened.unwrap_or_else(|| Err(OpenError::NoInstance(WAITS.to_owned()))).map(drop)
    }

    /// Brings a configuration written for an older version of the node type to the present one.
    ///
    /// # Errors
    /// As [`NodeInstance::open`].
    pub fn upgrade(component: &RuleComponent, type_name: &str, from_version: u32, configuration: &str) -> Result<String, OpenError> {
        let host = &component.0.host;
        let (instance, mut store) = host.instantiate_rules(&component.0.pre, host.anonymous())?;
        let upgraded = instance
            .pacificsoft_plugin_nodes()
            .call_upgrade(&mut store, type_name, from_version, configuration);
        upgraded
            .map_err(|error| explain(&error, store.data(), host.limits(), host.limits().open_ms))?
            .map_err(|reason| OpenError::Configuration(cut(reason)))
    }

    async fn open_as(component: &RuleComponent, type_name: &str, configuration: &str, guest: Guest) -> Result<Self, OpenError> {
        let known = component.types().iter().find(|descriptor| descriptor.type_name == type_name);
        let descriptor = known.ok_or_else(|| OpenError::Configuration(format!("there is no node type {type_name:?}")))?;
        let host = &component.0.host;
        let waits = guest.readings.as_ref().is_some_and(Source::is_awaited);
        let (called, store) = match &component.0.awaiting {
            Some(pre) if waits => {
                let (calls, store) = Awaited::open(component, pre, type_name, configuration, guest).await?;
                (Called::Awaited(calls), store)
            }
            _ => {
                let (instance, mut store) = host.instantiate_rules(&component.0.pre, guest)?;
                let opened = instance.pacificsoft_plugin_nodes().call_open(&mut store, type_name, configuration);
                opened
                    .map_err(|error| explain(&error, store.data(), host.limits(), host.limits().open_ms))?
                    .map_err(|reason| OpenError::Configuration(cut(reason)))?;
                (Called::AtOnce(instance), store)
            }
        };
        Ok(NodeInstance {
            store,
            called,
            descriptor: Arc::clone(descriptor),
            component: component.clone(),
            release: None,
        })
    }

    /// The same as a node of an uploaded version: it uses the secrets that the version may, and shows what it reports about itself with it.
    #[must_use]
    pub fn released(mut self, release: Option<Arc<Release>>) -> Self {
        if let Some(release) = &release {
            self.store.data_mut().figures.show_with(Arc::clone(release));
        }
        NodeInstance { release, ..self }
    }

    /// Whether its calls may have to wait: then they are made by [`NodeInstance::process_awaiting`] and
    /// [`NodeInstance::on_timer_awaiting`].
    pub fn waits(&self) -> bool {
        self.store.data().readings.as_ref().is_some_and(Source::is_awaited)
    }

    /// Linear memory it has, bytes.
    pub fn memory_bytes(&self) -> usize {
        self.store.data().limiter.memory_bytes
    }

    /// Lets the node decide about a message.
    ///
    /// # Errors
    /// [`ProcessError::Rejected`]: the message failed, the instance goes on. [`ProcessError::Broken`]: the instance is lost.
    pub fn process(&mut self, message: &Arc<Message>) -> Result<Outcome, ProcessError> {
        let about = device_of(message);
        let result = self.call(message, about, |instance, store| {
            instance.pacificsoft_plugin_nodes().call_process(store)
        });
        self.end_call(&result);
        result
    }

    /// Tells the node that a timer is due. `message` stands for it, see [`timer_message`]. Whatever the node says, the timer is not set
    /// any more afterwards, unless the node sets it again.
    ///
    /// # Errors
    /// As [`NodeInstance::process`].
    pub fn on_timer(&mut self, name: &str, message: &Arc<Message>) -> Result<Outcome, ProcessError> {
        let about = self.begin_timer(name);
        let result = self.call(message, about, |instance, store| {
            instance.pacificsoft_plugin_nodes().call_on_timer(store, name)
        });
        self.end_timer(name, &result);
        result
    }

    /// Answers the device that the timer belongs to.
    fn begin_timer(&mut self, name: &str) -> Option<Uuid> {
        let guest = self.store.data_mut();
        guest.memory_touched = true;
        let mut memory = guest.memory.look();
        let timer = memory.timer(name);
        memory.cancel_timer(name);
        timer.and_then(|timer| timer.device)
    }

    fn end_timer(&mut self, name: &str, result: &Result<Outcome, ProcessError>) {
        self.end_call(result);
        if result.is_err() {
            let mut memory = self.store.data().memory.look();
            memory.cancel_timer(name);
            memory.settle();
        }
    }

    fn call(
        &mut self,
        message: &Arc<Message>,
        about: Option<Uuid>,
        call: impl FnOnce(&RuleNode, &mut Store<Guest>) -> wasmtime::Result<u32>,
    ) -> Result<Outcome, ProcessError> {
        let Called::AtOnce(instance) = &self.called else {
            return Err(ProcessError::Rejected(WAITS.to_owned()));
        };
        self.store.data_mut().take_in_hand(message, about);
        allow(&mut self.store, self.component.limits().process_ms);
        let decided = call(instance, &mut self.store);
        now(self.decided(message, decided)).unwrap_or_else(|| Err(ProcessError::Rejected(WAITS.to_owned())))
    }

    /// What a call came to.
    async fn decided(&mut self, message: &Arc<Message>, decided: wasmtime::Result<u32>) -> Result<Outcome, ProcessError> {
        self.store.data_mut().current = Current::Nothing;
        let limits = self.component.limits();
        let relation = decided.map_err(|error| explain(&error, self.store.data(), limits, limits.process_ms))?;
        if relation < HANDED_OVER {
            return forwarded(relation, &self.descriptor).map_err(ProcessError::Rejected);
        }
        let guest = self.store.data_mut();
        match guest.answer.take() {
            Some(Answer::Outcome(outcome)) => {
                let (tenant, readings) = (guest.tenant, guest.readings.as_ref());
                let outcome = checked(outcome, message, tenant, readings, &self.descriptor, limits).await;
                let outcome = outcome.map_err(ProcessError::Rejected)?;
                if let Some(release) = &self.release {
                    release.check(&outcome).map_err(ProcessError::Rejected)?;
                }
                Ok(outcome)
            }
            Some(Answer::Failure(reason)) => Err(ProcessError::Rejected(cut(reason))),
            None => Err(ProcessError::Rejected(
                "the node announced an answer and handed none over".to_owned(),
            )),
        }
    }

    /// What the call changed counts, or never was.
    fn end_call(&mut self, result: &Result<Outcome, ProcessError>) {
        let guest = self.store.data_mut();
        if !std::mem::take(&mut guest.memory_touched) {
            return;
        }
        let mut memory = guest.memory.look();
        match result {
            Ok(_) => memory.settle(),
            Err(_) => memory.take_back(),
        }
    }
}

/// The device that a message is about.
fn device_of(message: &Message) -> Option<Uuid> {
    (message.originator.kind == EntityKind::Device).then_some(message.originator.id)
}

/// The message that stands for a timer that is due.
pub fn timer_message(node: RuleNodeId, name: &str, now_ms: i64) -> Arc<Message> {
    Arc::new(Message {
        id: uuid::Uuid::now_v7(),
        kind: MessageKind::Timer,
        originator: node.entity(),
        customer: None,
        metadata: [("timerName", name)].into_iter().collect::<Metadata>(),
        payload: Payload::new(serde_json::json!({})),
        ts_ms: now_ms,
    })
}

/// A guest's reason, as much of it as people read.
pub(crate) fn cut(mut reason: String) -> String {
    reason.truncate(reason.floor_char_boundary(REASON_BYTES_MAX));
    reason
}
