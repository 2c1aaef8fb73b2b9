//! What stands behind a running instance: the data of its store, and the ports through which it reaches the platform.

use std::sync::Arc;
use std::time::Instant;

use model::{Clock, Message, TenantId};
use uuid::Uuid;
use wasmtime::{Engine, Store, Trap};

use crate::adapter::Inbound;
use crate::budget::{self, Budget};
use crate::error::{Fault, Unanswered};
use crate::figures::Figures;
use crate::limits::{Limiter, Limits};
use crate::memory::SharedMemory;
use crate::readings::Source;

/// How much a log line matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum LogLevel {
    Debug,
    Info,
    Warn,
    Error,
}

/// Takes the log lines of guests; already limited in length and rate.
pub trait LogSink: Send + Sync + 'static {
    /// One line. `source` names the node or adapter.
    fn line(&self, tenant: TenantId, source: &str, level: LogLevel, text: &str);
}

/// Stands for the borrowed inbound message in signatures.
pub struct GuestInbound;

/// What the guest is working on.
#[derive(Debug)]
pub(crate) enum Current {
    Nothing,
    Message(Arc<Message>),
    Inbound(Arc<Inbound>),
}

/// What a node handed over about the message in hand, unchecked.
#[allow(
    clippy::large_enum_variant,
    reason = "there is one at a time, and a box would cost each answer an allocation"
)]
pub(crate) enum Answer {
    Outcome(crate::bindings::outcome::Outcome),
    Failure(String),
}

/// Data of an instance's store.
pub(crate) struct Guest {
    pub(crate) limiter: Limiter,
    pub(crate) current: Current,
    pub(crate) answer: Option<Answer>,
    pub(crate) budget: Budget,
    pub(crate) tenant: TenantId,
    pub(crate) name: Arc<str>,
    pub(crate) readings: Option<Source>,
    pub(crate) log: Option<Arc<dyn LogSink>>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) log_budget: LogBudget,
    pub(crate) memory: SharedMemory,
    /// The device that the present call is about.
    pub(crate) about: Option<Uuid>,
    /// Whether the present call may have changed the memory.
    pub(crate) memory_touched: bool,
    pub(crate) figures: Figures,
}

/// Log lines left in the present second.
#[derive(Debug)]
pub(crate) struct LogBudget {
    per_second: u32,
    pub(crate) line_bytes_max: usize,
    left: u32,
    since: Instant,
    /// Lines dropped since the last one written.
    pub(crate) dropped: u64,
}

impl LogBudget {
    pub(crate) fn new(limits: &Limits) -> Self {
        LogBudget {
            per_second: limits.log_lines_per_second,
            line_bytes_max: limits.log_line_bytes_max,
            left: limits.log_lines_per_second,
            since: Instant::now(),
            dropped: 0,
        }
    }

    /// Whether a line may be written now.
    pub(crate) fn take(&mut self) -> bool {
        if self.left == 0 && self.since.elapsed().as_secs() >= 1 {
            self.left = self.per_second;
            self.since = Instant::now();
        }
        let allowed = self.left > 0;
        self.left = self.left.saturating_sub(1);
        self.dropped += u64::from(!allowed);
        allowed
    }
}

impl Guest {
    /// A message that the next call is given; and which device it is about.
    pub(crate) fn take_in_hand(&mut self, message: &Arc<Message>, about: Option<Uuid>) {
        self.current = Current::Message(Arc::clone(message));
        self.answer = None;
        self.about = about;
    }
}

/// A store for one instance, with every limit set.
pub(crate) fn store(engine: &Engine, guest: Guest, limits: &Limits) -> Store<Guest> {
    let mut store = Store::new(engine, guest);
    store.limiter(|guest| &mut guest.limiter);
    store.set_hostcall_fuel(limits.output_bytes_max);
    store.set_max_component_handles(100);
    budget::watch(&mut store);
    store
}

/// Explains why a call into a guest failed.
pub(crate) fn explain(error: &wasmtime::Error, guest: &Guest, limits: &Limits, budget_ms: u32) -> Fault {
    if let Some(Unanswered(reason)) = error.downcast_ref() {
        return Fault::Unanswered(reason.clone());
    }
    let trap = error.downcast_ref::<Trap>();
    match trap {
        Some(Trap::Interrupt) => Fault::Time { budget_ms },
        Some(Trap::StackOverflow) => Fault::Stack,
        _ if guest.limiter.memory_refused => Fault::Memory {
            limit_bytes: limits.memory_bytes_max,
        },
        Some(trap) => Fault::Trap(trap.to_string()),
        None => {
            let text = error.root_cause().to_string();
            // The only words there are for it: wasmtime has no type for this error.
            if text.contains("fuel") {
                Fault::Output {
                    limit_bytes: limits.output_bytes_max,
                }
            } else {
                Fault::Trap(text)
            }
        }
    }
}
