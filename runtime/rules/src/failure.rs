//! Recording messages that failed and that nobody took: an event with the message, its node and the reason. Recorded durably before
//! the message is acknowledged, so that nothing disappears silently.

use std::sync::Arc;

use model::Message;
use model::entity::{Event, EventKind};
use serde_json::json;
use storage::Mutation;
use uuid::Uuid;

use crate::graph::NodeSpec;

#[cfg(test)]
mod tests;

/// Failures of a chain that are recorded with their message in an hour; the rest is counted.
pub const RECORDED_PER_HOUR: u32 = 50_000;
/// Characters of data and of a reason that are kept.
const TEXT_MAX: usize = 64 * 1024;
const HOUR_MS: i64 = 3_600_000;

/// The budget of a chain, and what exceeded it.
#[derive(Debug, Default)]
pub struct Failures {
    window_start_ms: i64,
    recorded: u32,
    suppressed: u64,
}

impl Failures {
    /// The event that records a failure; none when the budget of the hour is spent (the next hour's first failure logs how many there
    /// were).
    pub fn record(&mut self, node: &NodeSpec, message: &Message, reason: &str, now_ms: i64) -> Option<Mutation> {
        if now_ms.saturating_sub(self.window_start_ms) >= HOUR_MS {
            let suppressed = std::mem::take(&mut self.suppressed);
            (self.window_start_ms, self.recorded) = (now_ms, 0);
            if suppressed > 0 {
                tracing::warn!(node = %node.id, suppressed, "failures of the last hour were counted, not recorded");
            }
        }
        metrics::counter!("rules_failures_total").increment(1);
        if self.recorded >= RECORDED_PER_HOUR {
            self.suppressed += 1;
            metrics::counter!("rules_failures_suppressed_total").increment(1);
            return None;
        }
        self.recorded += 1;
        Some(Mutation::AppendEvent(Arc::new(event(node, message, reason, now_ms))))
    }
}

fn event(node: &NodeSpec, message: &Message, reason: &str, now_ms: i64) -> Event {
    let metadata: serde_json::Map<_, _> = message
        .metadata
        .iter()
        .map(|(key, value)| (key.to_string(), serde_json::Value::from(&**value)))
        .collect();
    Event {
        id: Uuid::now_v7(),
        entity: node.id.entity(),
        kind: EventKind::DebugRuleNode,
        ts_ms: now_ms,
        body: json!({
            "type": "IN",
            "entityId": message.originator.id.to_string(),
            "entityType": message.originator.kind.as_str(),
            "msgId": message.id.to_string(),
            "msgType": message.kind.as_str(),
            "dataType": "JSON",
            "relationType": "Failure",
            "data": head(message.payload.text()),
            "metadata": serde_json::Value::Object(metadata).to_string(),
            "error": head(reason),
        }),
    }
}

/// The beginning of a text, cut between characters.
fn head(text: &str) -> &str {
    &text[..text.floor_char_boundary(TEXT_MAX)]
}
