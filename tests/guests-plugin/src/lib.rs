//! A component of which a test makes versions, by changing the letters of a mark in its bytes: what it calls itself, and how it
//! behaves.
//!
//! Built once, it stands for a well-behaved first version, a second one, one that does not open with a configuration, one that traps.

use pacificsoft_sdk::{Descriptor, Level, Message, NewMessage, Outcome, RuleNode, log};
use serde_json::Value as Json;

/// `A`: the version's name. `-`: it behaves; `r`: it refuses configurations with a tag; `t`: it traps.
static MARK: [u8; 32] = *b"pacificsoft-test-version:A-.....";

fn mark() -> (char, u8) {
    let mark = std::hint::black_box(&MARK);
    (char::from(mark[25]), mark[26])
}

/// Writes its version beside what a device reports.
pub struct Versioned;

impl RuleNode for Versioned {
    const RELATIONS: &'static [&'static str] = &["Success", "Failure"];

    fn descriptor() -> Descriptor {
        Descriptor {
            type_name: "versioned",
            class_ids: &["test.plugin.versioned"],
            title: "versioned",
            description: "Writes its version beside what a device reports.",
            family: "TRANSFORMATION",
            ..Descriptor::new()
        }
    }

    fn open(configuration: &str) -> Result<Self, String> {
        let configuration: Json = serde_json::from_str(configuration).map_err(|error| error.to_string())?;
        match mark() {
            (name, b'r') if configuration.get("tag").is_some() => Err(format!("version {name} takes no tag")),
            (name, _) => {
                log(Level::Debug, &format!("version {name} opened"));
                Ok(Versioned)
            }
        }
    }

    fn process(&mut self, message: &Message) -> Result<Outcome, String> {
        let (name, behaviour) = mark();
        assert!(behaviour != b't', "on purpose");
        // `n` of the tests' devices, `seq` of the load generator's.
        let numbered = ["n", "seq"].into_iter().find_map(|key| Some((key, message.number(key)?)));
        let (key, number) = numbered.ok_or("there is no number n")?;
        Ok(Outcome::emit(
            "Success",
            NewMessage::with_json(format!("{{\"{key}\":{number},\"version\":\"{name}\"}}")),
        ))
    }
}

pacificsoft_sdk::export_nodes!(Versioned);
