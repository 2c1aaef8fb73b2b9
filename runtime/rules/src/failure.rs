//! Recording messages that failed and that nobody took: an event with the message, its node and the reason. Recorded durably before
//! the message is acknowledged, so that nothing disappears silently.

use std::sync::{Arc, LazyLock};

use model::Message;
use model::entity::{Event, EventKind};
use model::rate::{Bucket, Rate};
use serde_json::json;
use storage::Mutation;
use uuid::Uuid;

use crate::graph::NodeSpec;

#[cfg(test)]
mod tests;

/// Failures of a chain that are recorded with their message although they come all at once.
pub const RECORDED_AT_ONCE: u32 = 1_000;
/// Failures of a chain that are recorded with their message in a second, of a flood that goes on; the rest is counted. What one tenant's node
/// refuses should not fill the store's commits, in which other tenants' messages wait.
pub const RECORDED_PER_SECOND: u32 = 10;
/// Characters of data and of a reason that are kept.
const TEXT_MAX: usize = 64 * 1024;
/// Between two lines of the log about failures that were counted.
const TOLD_EVERY_MS: i64 = 60_000;

/// As many at once as come back while the budget fills.
static RECORDED: LazyLock<Rate> = LazyLock::new(|| Rate::of(RECORDED_AT_ONCE, RECORDED_AT_ONCE / RECORDED_PER_SECOND));

/// The budget of a chain, and what exceeded it.
#[derive(Debug, Default)]
pub struct Failures {
    recorded: Bucket,
    /// Counted since the log was told.
    suppressed: u64,
    told_ms: i64,
}

impl Failures {
    /// The event that records a failure; none when the budget is spent. The log is told now and then how many were not recorded.
    pub fn record(&mut self, node: &NodeSpec, message: &Message, reason: &str, now_ms: i64) -> Option<Mutation> {
        metrics::counter!("rules_failures_total").increment(1);
        let recorded = self.recorded.take(&RECORDED, 1, now_ms);
        if !recorded {
            self.suppressed += 1;
            metrics::counter!("rules_failures_suppressed_total").increment(1);
        }
        if self.suppressed > 0 && now_ms.saturating_sub(self.told_ms) >= TOLD_EVERY_MS {
            self.told_ms = now_ms;
            let suppressed = std::mem::take(&mut self.suppressed);
            tracing::warn!(node = %node.id, suppressed, "more messages fail than are recorded; these were counted");
        }
        recorded.then(|| Mutation::AppendEvent(Arc::new(event(node, message, reason, now_ms))))
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
