//! What a component may come to know and do, in words for the person who decides. Pure.
//!
//! A permission is an interface that the component imports, or an effect that one of its types declares. Most are granted unless
//! denied; what reaches beyond the platform has to be granted first.

use std::collections::BTreeSet;

use model::ComponentRecord;
use serde::Serialize;

use crate::Facts;

/// Permissions for single secrets begin so; the secret's name follows.
const SECRET: &str = "secret:";
/// Effects in which secrets may stand.
const USING_SECRETS: [&str; 2] = ["http-request", "publish"];

/// Where a permission comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// An interface it imports.
    Import,
    /// An effect it asks for.
    Effect,
    /// A secret of the tenant, of which its nodes' configurations may speak.
    Secret,
}

/// Whether it is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// By somebody, or because everybody has it.
    Granted,
    /// By somebody.
    Denied,
    /// Somebody has to decide.
    Asked,
}

/// A permission that a version needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Permission {
    /// Its name in the contract.
    pub name: String,
    /// Where it comes from.
    pub kind: Kind,
    /// In plain words.
    pub words: String,
    /// Whether it is given.
    pub state: State,
}

/// Name, words, and whether everybody has it.
const KNOWN: [(&str, &str, bool); 35] = [
    ("log", "writes lines to the log", true),
    ("clock", "reads the time of day", true),
    ("readings", "reads attributes and latest values of the tenant's entities", true),
    ("history", "reads time series of the tenant's entities", true),
    ("entities", "reads the tenant's devices, assets and other entities", true),
    ("relations", "reads relations between the tenant's entities", true),
    ("customers", "reads the tenant's customers", true),
    ("alarms", "reads the tenant's alarms", true),
    ("state", "keeps a state of its own", true),
    ("timers", "is called again after a time", true),
    ("metrics", "reports figures of its own", true),
    ("random", "gets random numbers", true),
    ("secrets", "uses the tenant's secrets by name", false),
    ("credentials", "reads credentials of devices", false),
    ("save-time-series", "saves time series", true),
    ("save-attributes", "saves attributes, and may tell the device", true),
    ("delete-attributes", "deletes attributes", true),
    ("raise-alarm", "raises and updates alarms", true),
    ("clear-alarm", "clears alarms", true),
    ("send-rpc", "sends requests to devices", true),
    ("reply-rpc", "answers requests of devices", true),
    ("reply-rest", "answers requests that come to the rule engine over REST", true),
    (
        "save-row",
        "saves rows in the tenant's part of tables that the operator has made for it",
        true,
    ),
    ("save-state", "keeps a state of its own", true),
    ("set-timer", "is called again after a time", true),
    ("create-relation", "creates relations", true),
    ("delete-relation", "deletes relations", true),
    ("assign-customer", "assigns devices to customers", true),
    ("unassign-customer", "takes devices from customers", true),
    ("ensure-entity", "creates devices and customers", true),
    ("report-presence", "says whether devices are there", true),
    ("http-request", "sends HTTP requests to servers that the tenant's list names", false),
    (
        "publish",
        "publishes to brokers outside that the tenant's list names, and sends mails and texts over the server's own services",
        false,
    ),
    ("enter-chain", "sends messages into other rule chains of the tenant", true),
    ("leave-chain", "sends messages back to the rule chain they come from", true),
];

fn known(name: &str) -> Option<(&'static str, bool)> {
    KNOWN
        .into_iter()
        .find(|(known, ..)| *known == name)
        .map(|(_, words, common)| (words, common))
}

/// What a version needs, and how it stands with it. `component` is none before there is one.
pub fn needed(facts: &Facts, granted: &BTreeSet<String>, denied: &BTreeSet<String>) -> Vec<Permission> {
    let imports = facts.imports.iter().map(|name| (name, Kind::Import));
    let effects = facts.effects.iter().map(|name| (name, Kind::Effect));
    let permission = |(name, kind): (&String, Kind)| {
        let (words, common) = match (known(name), kind) {
            (Some((words, common)), _) => (words.to_owned(), common),
            (None, Kind::Import) => (format!("uses the interface {name}"), false),
            (None, _) => (format!("asks for the effect {name}"), false),
        };
        let state = if denied.contains(name) {
            State::Denied
        } else if common || granted.contains(name) {
            State::Granted
        } else {
            State::Asked
        };
        Permission {
            name: name.clone(),
            kind,
            words,
            state,
        }
    };
    imports.chain(effects).map(permission).collect()
}

/// How it stands with single secrets: those that somebody has decided about. No version names the secrets it will use: configurations do.
pub fn of_secrets(granted: &BTreeSet<String>, denied: &BTreeSet<String>) -> Vec<Permission> {
    let all = granted
        .iter()
        .map(|name| (name, State::Granted))
        .chain(denied.iter().map(|name| (name, State::Denied)));
    let permission = |(name, state): (&String, State)| {
        let secret = name.strip_prefix(SECRET)?;
        Some(Permission {
            name: name.clone(),
            kind: Kind::Secret,
            words: format!("uses the secret {secret:?}"),
            state,
        })
    };
    all.filter_map(permission).collect()
}

/// The secrets that a component may use, by name.
pub fn secrets(record: &ComponentRecord) -> BTreeSet<String> {
    let granted = record.granted.iter().filter(|name| !record.denied.contains(*name));
    granted.filter_map(|name| Some(name.strip_prefix(SECRET)?.to_owned())).collect()
}

/// Whether there is something to decide: a version needs the permission, or it is for a secret and some version can use secrets.
pub fn is_decidable(name: &str, needed: &BTreeSet<String>) -> bool {
    let secret = name.strip_prefix(SECRET).is_some_and(|secret| !secret.is_empty());
    needed.contains(name) || (secret && USING_SECRETS.iter().any(|effect| needed.contains(*effect)))
}

/// What keeps a version from serving; none: nothing.
pub fn obstacle(facts: &Facts, granted: &BTreeSet<String>, denied: &BTreeSet<String>) -> Option<String> {
    needed(facts, granted, denied).into_iter().find_map(|permission| {
        let Permission { name, words, state, .. } = permission;
        match state {
            State::Granted => None,
            State::Denied => Some(format!(
                "it needs the permission {name:?} ({words}), which is denied: grant it first"
            )),
            State::Asked => Some(format!("it needs the permission {name:?} ({words}): grant it first")),
        }
    })
}

/// Grants and denies. What is in both is denied.
pub fn decide(record: &mut ComponentRecord, grant: Vec<String>, deny: Vec<String>) {
    for name in grant {
        record.denied.remove(&name);
        record.granted.insert(name);
    }
    for name in deny {
        record.granted.remove(&name);
        record.denied.insert(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(imports: &[&str], effects: &[&str]) -> Facts {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Facts {
            imports: owned(imports),
            effects: owned(effects),
            ..Facts::default()
        }
    }

    fn set(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    /// Imports, what is granted, what is denied, and what the obstacle says.
    type Case = (
        &'static [&'static str],
        &'static [&'static str],
        &'static [&'static str],
        Option<&'static str>,
    );

    #[test]
    fn what_reaches_outside_must_be_granted_and_what_is_denied_stops() {
        let cases: [Case; 9] = [
            (&["log", "clock"], &[], &[], None),
            (&["log"], &[], &["log"], Some("\"log\" (writes lines to the log), which is denied")),
            (&["secrets"], &[], &[], Some("\"secrets\"")),
            (
                &["credentials", "history", "relations"],
                &[],
                &[],
                Some("\"credentials\" (reads credentials of devices)"),
            ),
            (&["credentials"], &["credentials"], &[], None),
            (&["secrets"], &["secrets"], &[], None),
            (&["magic"], &[], &[], Some("uses the interface magic")),
            (&["magic"], &["magic"], &[], None),
            (&["secrets"], &["secrets"], &["secrets"], Some("denied")),
        ];
        for (imports, granted, denied, says) in cases {
            let told = obstacle(&facts(imports, &[]), &set(granted), &set(denied));
            match says {
                None => assert_eq!(told, None),
                Some(says) => assert!(told.as_ref().is_some_and(|told| told.contains(says)), "{told:?}"),
            }
        }
        let effects = needed(&facts(&[], &["http-request"]), &set(&[]), &set(&[]));
        assert_eq!((effects[0].kind, effects[0].state), (Kind::Effect, State::Asked));
    }

    #[test]
    fn secrets_are_granted_one_by_one() {
        let mut record = ComponentRecord {
            tenant: model::TenantId::SYSTEM,
            name: "calls".to_owned(),
            revision: 1,
            created_time: 0,
            active: None,
            previous: None,
            suspended: None,
            auto_rollback: false,
            granted: set(&["http-request", "secret:a", "secret:b", "secret:"]),
            denied: set(&["secret:b"]),
        };
        assert_eq!(secrets(&record), set(&["a", ""]));
        decide(
            &mut record,
            vec!["secret:b".to_owned()],
            vec!["secret:a".to_owned(), "secret:".to_owned()],
        );
        assert_eq!(secrets(&record), set(&["b"]));
        let told = of_secrets(&record.granted, &record.denied);
        assert!(
            told.iter()
                .any(|one| one.words == "uses the secret \"b\"" && one.state == State::Granted)
        );
        assert!(told.iter().any(|one| one.name == "secret:a" && one.state == State::Denied));
        for (name, needed, decidable) in [
            ("http-request", &["http-request"][..], true),
            ("secret:a", &["http-request"], true),
            ("secret:a", &["publish"], true),
            ("secret:a", &["log"], false),
            ("secret:", &["http-request"], false),
            ("magic", &["http-request"], false),
        ] {
            assert_eq!(is_decidable(name, &set(needed)), decidable, "{name} {needed:?}");
        }
        assert_eq!(
            obstacle(&facts(&["log"], &[]), &record.granted, &record.denied),
            None,
            "a denied secret stops nobody"
        );
    }

    /// What the contract offers and this table does not know would have to be granted, without words for who decides.
    #[test]
    fn everything_the_contract_offers_has_words() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../wit");
        let mut names = BTreeSet::new();
        for entry in std::fs::read_dir(folder).expect("the contract") {
            let text = std::fs::read_to_string(entry.expect("a file").path()).expect("text");
            let worlds = text.split("\nworld ").skip(1);
            names.extend(
                worlds
                    .flat_map(str::lines)
                    .filter_map(|line| Some(line.trim().strip_prefix("import ")?.trim_end_matches(';').to_owned())),
            );
            let effects = text
                .split("variant effect {")
                .nth(1)
                .and_then(|rest| rest.split('}').next())
                .unwrap_or_default();
            let lines = effects.lines().map(str::trim).filter(|line| !line.starts_with("//"));
            names.extend(lines.filter_map(|line| Some(line.split_once('(')?.0.to_owned())));
        }
        assert!(names.contains("readings") && names.contains("send-rpc"), "{names:?}");
        for common in plugins::admission::policy::COMMON {
            names.remove(common);
        }
        let unknown: Vec<_> = names.iter().filter(|name| known(name).is_none()).collect();
        assert!(unknown.is_empty(), "add them to the table: {unknown:?}");
    }
}
