//! Figures that a node reports about itself: counters and gauges with names of its choice, for the people who run it.
//!
//! They go to the process's metrics, with tenant and node, and to the [`Release`] of an uploaded version. A node has few names, because
//! each of them costs memory for as long as the server runs.

use std::collections::HashSet;
use std::sync::Arc;

use model::{RuleNodeId, TenantId};

use crate::Release;

/// Names of a node at most.
pub const NAMES_MAX: usize = 20;
/// Characters of a name at most.
pub const NAME_LEN_MAX: usize = 64;

/// Where a node's figures go.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    /// Labels; none: the figures of a guest that works for nobody go nowhere.
    node: Option<(String, String)>,
    names: HashSet<String>,
    release: Option<Arc<Release>>,
}

impl Figures {
    /// Of a node.
    pub(crate) fn of(tenant: TenantId, node: RuleNodeId) -> Self {
        Figures {
            node: Some((tenant.to_string(), node.to_string())),
            ..Figures::default()
        }
    }

    /// Shows them with a version, too.
    pub(crate) fn show_with(&mut self, release: Arc<Release>) {
        self.release = Some(release);
    }

    /// Adds to a counter.
    pub(crate) fn add(&mut self, name: &str, amount: u64) {
        let Some((tenant, node)) = self.labels(name) else { return };
        metrics::counter!("node_counter_total", "tenant" => tenant, "node" => node, "name" => name.to_owned()).increment(amount);
        if let Some(release) = &self.release {
            release.count(name, amount);
        }
    }

    /// Sets a gauge.
    pub(crate) fn set(&mut self, name: &str, value: f64) {
        let Some((tenant, node)) = self.labels(name) else { return };
        metrics::gauge!("node_gauge", "tenant" => tenant, "node" => node, "name" => name.to_owned()).set(value);
        if let Some(release) = &self.release {
            release.gauge(name, value);
        }
    }

    fn labels(&mut self, name: &str) -> Option<(String, String)> {
        let node = self.node.as_ref()?;
        if !self.names.contains(name) {
            if self.names.len() >= NAMES_MAX || !is_name(name) {
                return None;
            }
            self.names.insert(name.to_owned());
        }
        Some(node.clone())
    }
}

fn is_name(name: &str) -> bool {
    let letter = name.as_bytes().first().is_some_and(u8::is_ascii_lowercase);
    let rest = name
        .bytes()
        .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
    letter && rest && name.len() <= NAME_LEN_MAX
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_few_and_short() {
        for (name, taken) in [
            ("dropped", true),
            ("a1_b", true),
            ("", false),
            ("1a", false),
            ("Dropped", false),
            ("a b", false),
            (&*"a".repeat(NAME_LEN_MAX), true),
            (&*"a".repeat(NAME_LEN_MAX + 1), false),
        ] {
            assert_eq!(is_name(name), taken, "{name}");
        }
        let tenant = TenantId::generate();
        let mut figures = Figures::of(tenant, RuleNodeId::generate(tenant));
        for number in 0..2 * NAMES_MAX {
            figures.add(&format!("n{number}"), 1);
        }
        assert_eq!(figures.names.len(), NAMES_MAX);
        assert!(figures.labels("n0").is_some() && figures.labels("another").is_none());
    }
}
