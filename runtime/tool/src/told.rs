//! What a server tells of components, and how it reads on a terminal. Pure.

use std::fmt::Write as _;

use serde::Deserialize;

/// Digits of a version that people get to see: enough to be unique, and taken by the server.
const DIGITS: usize = 8;

/// A component.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Component {
    /// Its name.
    pub name: String,
    /// The version that serves.
    pub active: Option<String>,
    /// The one that a roll-back returns to.
    pub previous: Option<String>,
    /// Set when the active one was stopped.
    pub suspended: Option<Suspended>,
    /// Whether a stopped version is rolled back by itself.
    pub auto_rollback: bool,
    /// Newest first; none in lists.
    pub versions: Vec<Version>,
    /// Set in the answer to an upload.
    pub uploaded: Option<Uploaded>,
}

/// Why a version does not run.
#[derive(Clone, Debug, Deserialize)]
pub struct Suspended {
    /// In words.
    pub reason: String,
}

/// Which version an upload became.
#[derive(Clone, Debug, Deserialize)]
pub struct Uploaded {
    /// Its digits.
    pub version: String,
    /// Whether it was not there before.
    pub new: bool,
}

/// A version.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Version {
    /// Its digits.
    pub version: String,
    /// When it was uploaded, milliseconds since 1970-01-01 UTC.
    pub created_time: i64,
    /// Size.
    pub bytes: u64,
    /// Version of the contract.
    pub contract: String,
    /// Its node types; none for adapters.
    pub node_types: Vec<NodeType>,
    /// What it needs.
    pub permissions: Vec<Permission>,
    /// Time that compiling took, milliseconds.
    pub compile_ms: u64,
    /// How it fares; none unless it serves.
    pub metrics: Option<Metrics>,
}

/// A node type.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct NodeType {
    /// Name inside the component.
    pub type_name: String,
    /// Ids that rule chains use.
    pub class_ids: Vec<String>,
    /// Name for people.
    pub title: String,
    /// Relations messages leave along.
    pub relations: Vec<String>,
}

/// A permission.
#[derive(Clone, Debug, Deserialize)]
pub struct Permission {
    /// Its name in the contract.
    pub name: String,
    /// In plain words.
    pub words: String,
    /// `granted`, `denied` or `asked`.
    pub state: String,
}

/// Figures of a version at work.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Metrics {
    /// Messages decided about.
    pub messages: u64,
    /// Of these, failed.
    pub failures: u64,
    /// Instances lost.
    pub faults: u64,
    /// Time for a message.
    pub ns_per_message: Option<u64>,
    /// Instances.
    pub instances: usize,
    /// Their memory.
    pub memory_bytes: usize,
}

/// A version's first digits.
pub fn short(version: &str) -> &str {
    version.get(..DIGITS).unwrap_or(version)
}

impl Component {
    /// One of its versions.
    pub fn version(&self, digits: &str) -> Option<&Version> {
        self.versions.iter().find(|version| version.version == digits)
    }

    /// What the server found out about an upload.
    pub fn verdict(&self, uploaded: &Uploaded) -> String {
        let mut text = format!("{} {}", self.name, short(&uploaded.version));
        let Some(version) = self.version(&uploaded.version) else {
            return text;
        };
        let is = if uploaded.new { "admitted" } else { "known already" };
        let _ = write!(text, ": {is}, {} kB, contract {}", version.bytes.div_ceil(1024), version.contract);
        if uploaded.new && version.compile_ms > 0 {
            let _ = write!(text, ", compiled in {} ms", version.compile_ms);
        }
        for node in &version.node_types {
            let _ = write!(text, "\n  node type {} ({})", node.type_name, node.class_ids.join(", "));
        }
        for Permission { name, words, state } in &version.permissions {
            let _ = write!(text, "\n  {words} ({name}: {state})");
        }
        text
    }

    /// One line of a list.
    pub fn line(&self) -> String {
        let digits = |version: &Option<String>| version.as_deref().map_or("-", short).to_owned();
        let state = match (&self.suspended, &self.active) {
            (Some(suspended), _) => format!("suspended: {}", suspended.reason),
            (None, Some(_)) => "serves".to_owned(),
            (None, None) => "not activated".to_owned(),
        };
        format!(
            "{:<24} {:<10} {:<10} {state}",
            self.name,
            digits(&self.active),
            digits(&self.previous)
        )
    }

    /// Its versions, a line each, and how each fares.
    pub fn history(&self, now_ms: i64) -> String {
        let mut text = format!("{:<10} {:>8} {:<16} {}", "VERSION", "KB", "UPLOADED", "STATE");
        for version in &self.versions {
            let digits = Some(&version.version);
            let mut state = match () {
                () if digits == self.active.as_ref() => "serves".to_owned(),
                () if digits == self.previous.as_ref() => "served before".to_owned(),
                () => String::new(),
            };
            if let (Some(suspended), true) = (&self.suspended, digits == self.active.as_ref()) {
                state = format!("suspended: {}", suspended.reason);
            }
            if let Some(metrics) = &version.metrics {
                let _ = write!(state, ", {metrics}");
            }
            let (kb, age) = (version.bytes.div_ceil(1024), age(now_ms - version.created_time));
            let _ = write!(text, "\n{:<10} {kb:>8} {age:<16} {state}", short(&version.version));
        }
        text
    }
}

impl std::fmt::Display for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (instances, kb) = (self.instances, self.memory_bytes.div_ceil(1024));
        write!(f, "{} messages, {} failed, {} faults, ", self.messages, self.failures, self.faults)?;
        if let Some(ns) = self.ns_per_message {
            write!(f, "{ns} ns each, ")?;
        }
        write!(f, "{instances} {}", if instances == 1 { "instance" } else { "instances" })?;
        // Memory is looked at now and then.
        if kb > 0 { write!(f, " with {kb} kB") } else { Ok(()) }
    }
}

fn age(ms: i64) -> String {
    let s = ms.max(0) / 1000;
    match s {
        0..120 => format!("{s} s ago"),
        120..7_200 => format!("{} min ago", s / 60),
        7_200..172_800 => format!("{} h ago", s / 3_600),
        _ => format!("{} days ago", s / 86_400),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn component() -> Component {
        serde_json::from_str(
            r#"{"name": "too-hot", "active": "0123456789abcdef", "previous": null, "suspended": null, "autoRollback": false, "granted": [],
                "versions": [{"version": "0123456789abcdef", "createdTime": 1000, "bytes": 2049, "world": "nodes", "contract": "0.1.0",
                    "nodeTypes": [{"typeName": "too-hot", "classIds": ["org.example.TooHot"], "title": "too hot", "relations": ["True"]}],
                    "permissions": [{"name": "log", "kind": "import", "words": "writes lines to the log", "state": "granted"}], "compileMs": 7,
                    "metrics": {"messages": 5, "failures": 1, "faults": 0, "nsPerMessage": 300, "instances": 2, "memoryBytes": 1024, "suspended": null}}],
                "uploaded": {"version": "0123456789abcdef", "new": true}}"#,
        )
        .unwrap()
    }

    #[test]
    fn a_verdict_says_what_was_found_out() {
        let component = component();
        let verdict = component.verdict(component.uploaded.as_ref().unwrap());
        for says in [
            "too-hot 01234567: admitted, 3 kB, contract 0.1.0, compiled in 7 ms",
            "node type too-hot (org.example.TooHot)",
            "writes lines to the log (log: granted)",
        ] {
            assert!(verdict.contains(says), "{verdict}");
        }
    }

    #[test]
    fn lists_say_what_serves_and_how_it_fares() {
        let mut component = component();
        assert!(component.line().contains("01234567   -          serves"), "{}", component.line());
        let history = component.history(61_000);
        assert!(
            history.contains(
                "01234567          3 60 s ago         serves, 5 messages, 1 failed, 0 faults, 300 ns each, 2 instances with 1 kB"
            ),
            "{history}"
        );
        component.versions[0].metrics = Some(Metrics {
            instances: 1,
            memory_bytes: 0,
            ..component.versions[0].metrics.clone().unwrap()
        });
        assert!(
            component.history(0).ends_with("300 ns each, 1 instance"),
            "{}",
            component.history(0)
        );
        component.suspended = Some(Suspended {
            reason: "it trapped".to_owned(),
        });
        assert!(component.line().contains("suspended: it trapped") && component.history(0).contains("suspended: it trapped"));
        component.suspended = None;
        component.active = None;
        assert!(component.line().contains("not activated"));
    }

    #[test]
    fn ages_are_rounded() {
        for (ms, says) in [
            (-5, "0 s ago"),
            (119_000, "119 s ago"),
            (120_000, "2 min ago"),
            (7_200_000, "2 h ago"),
            (172_800_000, "2 days ago"),
        ] {
            assert_eq!(age(ms), says);
        }
    }
}
