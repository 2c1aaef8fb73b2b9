//! delete attributes: attributes of the originator go.

use pacificsoft_sdk::template::Template;
use pacificsoft_sdk::{DeleteAttributes, Descriptor, Effect, Message, Outcome, RuleNode};
use serde::Deserialize;

use crate::save_attributes::check_scope;

/// The node.
pub struct DeleteAttributesNode {
    scope: String,
    keys: Vec<Template>,
    notify_device: bool,
    tell_chain: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Configuration {
    #[serde(default = "server_scope")]
    scope: String,
    keys: Vec<String>,
    #[serde(default)]
    notify_device: bool,
    #[serde(default)]
    send_attributes_deleted_notification: bool,
}

fn server_scope() -> String {
    "SERVER_SCOPE".to_owned()
}

impl RuleNode for DeleteAttributesNode {
    const RELATIONS: &'static [&'static str] = &["Success", "Failure"];

    fn descriptor() -> Descriptor {
        Descriptor {
            type_name: "delete-attributes",
            class_ids: &["org.thingsboard.rule.engine.telemetry.TbMsgDeleteAttributesNode"],
            title: "delete attributes",
            family: "ACTION",
            description: "Deletes attributes of the originator.",
            details: "Keys are templates. Metadata scope is taken before the configured one; metadata notifyDevice=true tells the device of shared attributes that are gone.",
            icon: "remove_circle",
            configuration_schema: r#"{"type":"object","required":["keys"],"properties":{"scope":{"enum":["CLIENT_SCOPE","SHARED_SCOPE","SERVER_SCOPE"]},"keys":{"type":"array","items":{"type":"string"}},"sendAttributesDeletedNotification":{"type":"boolean"},"notifyDevice":{"type":"boolean"}}}"#,
            default_configuration: r#"{"scope":"SERVER_SCOPE","keys":[],"sendAttributesDeletedNotification":false,"notifyDevice":false}"#,
            effects: &["delete-attributes"],
            ..Descriptor::new()
        }
    }

    fn open(configuration: &str) -> Result<Self, String> {
        let own: Configuration = serde_json::from_str(configuration).map_err(|error| error.to_string())?;
        check_scope(&own.scope)?;
        Ok(DeleteAttributesNode {
            scope: own.scope,
            keys: own.keys.iter().map(|key| Template::parse(key)).collect(),
            notify_device: own.notify_device,
            tell_chain: own.send_attributes_deleted_notification,
        })
    }

    fn process(&mut self, message: &Message) -> Result<Outcome, String> {
        let keys: Vec<String> = self
            .keys
            .iter()
            .map(|key| key.fill(message))
            .filter(|key| !key.trim().is_empty())
            .collect();
        if keys.is_empty() {
            return Ok(Outcome::along("Success"));
        }
        let scope = message
            .metadata("scope")
            .filter(|scope| !scope.is_empty())
            .unwrap_or_else(|| self.scope.clone());
        check_scope(&scope)?;
        let notify_device = self.notify_device || message.metadata("notifyDevice").is_some_and(|text| text == "true");
        Ok(Outcome::Effect(Effect::DeleteAttributes(DeleteAttributes {
            entity: None,
            notify_device: notify_device && scope == "SHARED_SCOPE",
            tell_chain: self.tell_chain,
            scope,
            keys,
        })))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::effect;
    use pacificsoft_sdk::testing::TestMessage;

    #[test]
    fn keys_are_filled_in_and_the_scope_comes_from_metadata_first() {
        let mut node = DeleteAttributesNode::open(r#"{"keys":["${which}","b",""],"notifyDevice":true}"#).expect("valid");
        let mut deleted = |message: TestMessage| match effect(node.process(&message.with("which", "a").message())) {
            Effect::DeleteAttributes(delete) => (delete.scope, delete.keys.join(" "), delete.notify_device),
            other => panic!("{other:?}"),
        };
        assert_eq!(
            deleted(TestMessage::telemetry("{}")),
            ("SERVER_SCOPE".to_owned(), "a b".to_owned(), false)
        );
        let shared = TestMessage::telemetry("{}").with("scope", "SHARED_SCOPE");
        assert_eq!(deleted(shared), ("SHARED_SCOPE".to_owned(), "a b".to_owned(), true));
        assert!(node.process(&TestMessage::telemetry("{}").with("scope", "ANY").message()).is_err());
        let mut none = DeleteAttributesNode::open(r#"{"keys":[]}"#).expect("valid");
        assert_eq!(none.process(&TestMessage::telemetry("{}").message()), Ok(Outcome::along("Success")));
        assert!(DeleteAttributesNode::open(r#"{"keys":[],"scope":"ANY"}"#).is_err());
    }
}
