//! save attributes: the message's data become attributes of its originator.

use pacificsoft_sdk::{Content, Descriptor, Effect, Keep, Message, Outcome, RuleNode, SaveAttributes};
use serde::Deserialize;
use serde_json::{Value as Json, json};

use crate::processing::{Processing, Settings};

/// The first of the relations.
const SUCCESS: u32 = 0;

/// The node.
pub struct SaveAttributesNode {
    scope: String,
    notify_device: bool,
    tell_chain: bool,
    only_changed: bool,
    processing: Processing,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Configuration {
    #[serde(default = "client_scope")]
    scope: String,
    #[serde(default)]
    notify_device: bool,
    #[serde(default)]
    send_attributes_updated_notification: bool,
    #[serde(default)]
    update_attributes_only_on_value_change: bool,
    #[serde(default)]
    processing_settings: Option<Settings>,
}

fn client_scope() -> String {
    "CLIENT_SCOPE".to_owned()
}

pub(crate) fn check_scope(scope: &str) -> Result<(), String> {
    if ["CLIENT_SCOPE", "SHARED_SCOPE", "SERVER_SCOPE"].contains(&scope) {
        Ok(())
    } else {
        Err(["unknown attribute scope ", scope].concat())
    }
}

impl RuleNode for SaveAttributesNode {
    const RELATIONS: &'static [&'static str] = &["Success", "Failure"];

    fn descriptor() -> Descriptor {
        Descriptor {
            type_name: "save-attributes",
            class_ids: &["org.thingsboard.rule.engine.telemetry.TbMsgAttributesNode"],
            title: "save attributes",
            family: "ACTION",
            description: "Saves the message's data as attributes of its originator.",
            details: "Metadata scope overrides the scope, metadata notifyDevice whether a device is told. The chain can be told, too, of what is no client \
                      attribute: a message ATTRIBUTES_UPDATED. A chain that saves what it is told that way, and is told of that, goes round \
                      for ever, unless only what changes is written.",
            icon: "file_upload",
            configuration_schema: r#"{"type":"object","properties":{"scope":{"enum":["CLIENT_SCOPE","SHARED_SCOPE","SERVER_SCOPE"]},"notifyDevice":{"type":"boolean"},"sendAttributesUpdatedNotification":{"type":"boolean"},"updateAttributesOnlyOnValueChange":{"type":"boolean"},"processingSettings":{"type":"object"}}}"#,
            default_configuration: r#"{"scope":"SERVER_SCOPE","notifyDevice":false,"sendAttributesUpdatedNotification":false,"updateAttributesOnlyOnValueChange":true,"processingSettings":{"type":"ON_EVERY_MESSAGE"}}"#,
            version: 3,
            effects: &["save-attributes"],
            ..Descriptor::new()
        }
    }

    fn open(configuration: &str) -> Result<Self, String> {
        let configuration: Configuration = serde_json::from_str(configuration).map_err(|error| error.to_string())?;
        check_scope(&configuration.scope)?;
        Ok(SaveAttributesNode {
            scope: configuration.scope,
            notify_device: configuration.notify_device,
            tell_chain: configuration.send_attributes_updated_notification,
            only_changed: configuration.update_attributes_only_on_value_change,
            processing: Processing::read(configuration.processing_settings)?,
        })
    }

    fn process(&mut self, message: &Message) -> Result<Outcome, String> {
        let scope = match message.metadata("scope") {
            None => self.scope.clone(),
            Some(scope) => {
                check_scope(&scope)?;
                scope
            }
        };
        let parts = self.processing.of(message, || message.timestamp());
        if !parts.store && !parts.tell {
            return Ok(Outcome::Forward(SUCCESS));
        }
        let wanted = message.metadata("notifyDevice").is_none_or(|text| text != "false");
        Ok(Outcome::Effect(Effect::SaveAttributes(SaveAttributes {
            notify_device: self.notify_device && wanted && scope == "SHARED_SCOPE",
            // What a device says of itself is told by what it says.
            tell_chain: self.tell_chain && scope != "CLIENT_SCOPE",
            only_changed: self.only_changed,
            keep: if parts.store { None } else { Some(Keep::Nothing) },
            quiet: !parts.tell,
            ..SaveAttributes::new(scope, Content::whole())
        })))
    }

    fn upgrade(from_version: u32, configuration: &str) -> Result<String, String> {
        let mut json: Json = serde_json::from_str(configuration).map_err(|error| error.to_string())?;
        let members = json.as_object_mut().ok_or("the configuration is not an object")?;
        if from_version < 2 {
            members.entry("updateAttributesOnlyOnValueChange").or_insert(json!(false));
            // Version 0 kept flags as text.
            for flag in ["notifyDevice", "sendAttributesUpdatedNotification"] {
                if let Some(Json::String(text)) = members.get(flag) {
                    let set = text == "true";
                    members.insert(flag.to_owned(), json!(set));
                }
            }
        }
        if from_version < 3 {
            members
                .entry("processingSettings")
                .or_insert_with(|| json!({"type": "ON_EVERY_MESSAGE"}));
        }
        Ok(json.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pacificsoft_sdk::testing::TestMessage;

    fn saved(configuration: &str, message: TestMessage) -> Result<SaveAttributes, String> {
        match SaveAttributesNode::open(configuration)?.process(&message.message())? {
            Outcome::Effect(Effect::SaveAttributes(save)) => Ok(save),
            other => Err(format!("{other:?}")),
        }
    }

    #[test]
    fn scope_and_notice_come_from_metadata_first() {
        let message = || TestMessage::new("POST_ATTRIBUTES_REQUEST", r#"{"fw": "1.2"}"#);
        let shared = r#"{"scope": "SHARED_SCOPE", "notifyDevice": true, "updateAttributesOnlyOnValueChange": true}"#;
        let save = saved(shared, message()).expect("saves");
        assert_eq!(
            (save.scope.as_str(), save.notify_device, save.only_changed),
            ("SHARED_SCOPE", true, true)
        );
        let save = saved(shared, message().with("scope", "SERVER_SCOPE")).expect("saves");
        assert_eq!((save.scope.as_str(), save.notify_device), ("SERVER_SCOPE", false));
        assert!(!saved(shared, message().with("notifyDevice", "false")).expect("saves").notify_device);
        assert!(saved(shared, message().with("scope", "ANY")).is_err());
        assert!(saved(r#"{"scope": "ANY"}"#, message()).is_err());
    }

    #[test]
    fn settings_say_what_is_kept_and_who_is_told() {
        let save = |settings: &str| saved(&format!(r#"{{"processingSettings": {settings}}}"#), TestMessage::telemetry("{}"));
        let only = save(r#"{"type": "WEBSOCKETS_ONLY"}"#).expect("saves");
        assert_eq!((only.keep, only.quiet), (Some(Keep::Nothing), false));
        let quiet = save(r#"{"type": "ADVANCED", "webSockets": {"type": "SKIP"}}"#).expect("saves");
        assert_eq!((quiet.keep, quiet.quiet), (None, true));
        assert!(save(r#"{"type": "DEDUPLICATE"}"#).is_err(), "an interval is missing");
    }

    #[test]
    fn the_chain_is_told_of_what_no_device_said() {
        let told = r#"{"scope": "SERVER_SCOPE", "sendAttributesUpdatedNotification": true}"#;
        let message = || TestMessage::new("POST_ATTRIBUTES_REQUEST", "{}");
        assert!(saved(told, message()).expect("saves").tell_chain);
        assert!(!saved(told, message().with("scope", "CLIENT_SCOPE")).expect("saves").tell_chain);
        assert!(!saved("{}", message()).expect("saves").tell_chain);
    }

    #[test]
    fn brings_old_configurations_up_to_date() {
        let new = SaveAttributesNode::upgrade(0, r#"{"scope": "CLIENT_SCOPE", "notifyDevice": "false"}"#).expect("an object");
        assert!(SaveAttributesNode::open(&new).is_ok(), "{new}");
    }
}
