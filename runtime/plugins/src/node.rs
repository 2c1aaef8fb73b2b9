//! One instance of a component, serving one node of one chain.

use std::sync::Arc;

use model::{Clock, Message, MessageKind, Metadata, Payload, RuleNodeId, TenantId};
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
use crate::readings::Readings;
use crate::release::Release;

/// What `process` returns at least when the answer was handed over.
const HANDED_OVER: u32 = i32::MAX as u32;
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
    pub readings: Arc<dyn Readings>,
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
    instance: RuleNode,
    descriptor: Arc<NodeDescriptor>,
    component: RuleComponent,
    /// The uploaded version that it is of, which says what secrets it may use; none: of a shipped component, any.
    release: Option<Arc<Release>>,
}

impl NodeInstance {
    /// Instantiates and opens a node. Takes the guest's time: call it where blocking does no harm.
    ///
    /// # Errors
    /// [`OpenError::Configuration`] in the words of the node type, or what happened to the guest.
    pub fn open(component: &RuleComponent, type_name: &str, configuration: &str, context: NodeContext) -> Result<Self, OpenError> {
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
            figures: Figures::of(context.tenant, context.node),
        };
        let mut opened = Self::open_as(component, type_name, configuration, guest);
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
        Self::open_as(component, type_name, configuration, guest).map(drop)
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

    fn open_as(component: &RuleComponent, type_name: &str, configuration: &str, guest: Guest) -> Result<Self, OpenError> {
        let known = component.types().iter().find(|descriptor| descriptor.type_name == type_name);
        let descriptor = known.ok_or_else(|| OpenError::Configuration(format!("there is no node type {type_name:?}")))?;
        let host = &component.0.host;
        let (instance, mut store) = host.instantiate_rules(&component.0.pre, guest)?;
        let opened = instance.pacificsoft_plugin_nodes().call_open(&mut store, type_name, configuration);
        opened
            .map_err(|error| explain(&error, store.data(), host.limits(), host.limits().open_ms))?
            .map_err(|reason| OpenError::Configuration(cut(reason)))?;
        Ok(NodeInstance {
            store,
            instance,
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

    /// Linear memory it has, bytes.
    pub fn memory_bytes(&self) -> usize {
        self.store.data().limiter.memory_bytes
    }

    /// Lets the node decide about a message.
    ///
    /// # Errors
    /// [`ProcessError::Rejected`]: the message failed, the instance goes on. [`ProcessError::Broken`]: the instance is lost.
    pub fn process(&mut self, message: &Arc<Message>) -> Result<Outcome, ProcessError> {
        let result = self.call(message, |instance, store| instance.pacificsoft_plugin_nodes().call_process(store));
        self.end_call(&result);
        result
    }

    /// Tells the node that a timer is due. `message` stands for it, see [`timer_message`]. Whatever the node says, the timer is not set
    /// any more afterwards, unless the node sets it again.
    ///
    /// # Errors
    /// As [`NodeInstance::process`].
    pub fn on_timer(&mut self, name: &str, message: &Arc<Message>) -> Result<Outcome, ProcessError> {
        let guest = self.store.data_mut();
        guest.memory.look().cancel_timer(name);
        guest.memory_touched = true;
        let result = self.call(message, |instance, store| {
            instance.pacificsoft_plugin_nodes().call_on_timer(store, name)
        });
        self.end_call(&result);
        if result.is_err() {
            let mut memory = self.store.data().memory.look();
            memory.cancel_timer(name);
            memory.settle();
        }
        result
    }

    fn call(
        &mut self,
        message: &Arc<Message>,
        call: impl FnOnce(&RuleNode, &mut Store<Guest>) -> wasmtime::Result<u32>,
    ) -> Result<Outcome, ProcessError> {
        let guest = self.store.data_mut();
        guest.current = Current::Message(Arc::clone(message));
        guest.answer = None;
        allow(&mut self.store, self.component.limits().process_ms);
        let decided = call(&self.instance, &mut self.store);
        let guest = self.store.data_mut();
        guest.current = Current::Nothing;
        let limits = self.component.limits();
        let relation = decided.map_err(|error| explain(&error, self.store.data(), limits, limits.process_ms))?;
        if relation < HANDED_OVER {
            return forwarded(relation, &self.descriptor).map_err(ProcessError::Rejected);
        }
        let guest = self.store.data_mut();
        match guest.answer.take() {
            Some(Answer::Outcome(outcome)) => {
                let outcome = checked(outcome, message, guest, &self.descriptor, limits).map_err(ProcessError::Rejected)?;
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
