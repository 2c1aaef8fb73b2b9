//! The part of a configuration that says how an alarm's details are made. This crate runs no scripts: only the one that
//! ThingsBoard offers by default is understood, and any other is refused when the node is configured.

use pacificsoft_sdk::{Content, Message};
use serde::Deserialize;

/// How details are made.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DetailsScript {
    #[serde(default)]
    alarm_details_build_js: Option<String>,
    #[serde(default)]
    alarm_details_build_tbel: Option<String>,
}

impl DetailsScript {
    /// Refuses scripts that are not the default one.
    pub(crate) fn check(&self) -> Result<(), String> {
        let scripts = [&self.alarm_details_build_js, &self.alarm_details_build_tbel];
        if scripts.into_iter().flatten().all(|script| is_default(script)) {
            Ok(())
        } else {
            Err("scripts for alarm details are not supported yet; leave the default script, which keeps the message's data".to_owned())
        }
    }
}

/// The default script keeps the details there are, and starts from an empty object: in its shortest form, `return details`.
fn is_default(script: &str) -> bool {
    let squeezed: String = script.chars().filter(|c| !c.is_whitespace()).collect();
    squeezed.is_empty()
        || squeezed == "returndetails;"
        || (squeezed.starts_with("vardetails={};")
            && squeezed.contains("metadata.prevAlarmDetails")
            && squeezed.ends_with("returndetails;"))
}

/// Details of a new alarm: the data that raised it.
pub(crate) fn details(_: &Message) -> Option<Content> {
    Some(Content::whole())
}

/// For tests: the effect of an outcome.
#[cfg(test)]
pub(crate) fn effect(outcome: Result<pacificsoft_sdk::Outcome, String>) -> pacificsoft_sdk::Effect {
    match outcome {
        Ok(pacificsoft_sdk::Outcome::Effect(effect)) => effect,
        other => panic!("{other:?} is not one effect"),
    }
}
