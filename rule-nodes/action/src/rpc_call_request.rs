//! rpc call request: sends the request in the message's data to the originator, a device.

use pacificsoft_sdk::{Configuration, Content, Descriptor, Effect, Message, Outcome, RuleNode, SendRpc};

/// The node.
pub struct RpcCallRequest {
    timeout_ms: u32,
}

#[derive(Configuration)]
#[config(rename_all = "camelCase")]
struct Settings {
    /// How long to wait for a reply; a day at most: longer waits are for persistent requests.
    #[config(default = 60, minimum = 1, maximum = 86_400)]
    timeout_in_seconds: u32,
}

impl RuleNode for RpcCallRequest {
    const RELATIONS: &'static [&'static str] = &["Success", "Failure"];

    fn descriptor() -> Descriptor {
        Descriptor {
            type_name: "rpc-call-request",
            class_ids: &["org.thingsboard.rule.engine.rpc.TbSendRPCRequestNode"],
            title: "rpc call request",
            family: "ACTION",
            description: "Sends the request in the message's data to the originator, a device; its reply becomes the data.",
            details: "Data: method, params, additionalInfo. Metadata: oneway=true does not wait for a reply; persistent=true keeps the request until the device has it, and sends it again as often as retries says; expirationTime (milliseconds since 1970-01-01 UTC) goes before the configured timeout; requestUUID names the request.",
            icon: "call_made",
            configuration_schema: Settings::SCHEMA,
            default_configuration: Settings::DEFAULT,
            effects: &["send-rpc"],
            ..Descriptor::new()
        }
    }

    fn open(configuration: &str) -> Result<Self, String> {
        let timeout_ms = Settings::parse(configuration)?.timeout_in_seconds * 1000;
        Ok(RpcCallRequest { timeout_ms })
    }

    fn process(&mut self, message: &Message) -> Result<Outcome, String> {
        if message.originator().entity_type != "DEVICE" {
            return Err("the originator is not a device".to_owned());
        }
        let method = message.text("method").ok_or("the data have no method")?;
        let params = match message.json("params") {
            Some(_) => Content::Payload("params".to_owned()),
            None => Content::Json("{}".to_owned()),
        };
        let is_true = |key: &str| message.metadata(key).is_some_and(|text| text == "true");
        let filled = |key: &str| message.metadata(key).filter(|text| !text.is_empty());
        Ok(Outcome::Effect(Effect::SendRpc(SendRpc {
            device: None,
            method,
            params,
            timeout_ms: self.timeout_ms,
            oneway: is_true("oneway"),
            request_id: filled("requestUUID"),
            expires_at: whole(filled("expirationTime"), "expirationTime")?,
            persistent: is_true("persistent"),
            retries: whole(filled("retries"), "retries")?,
            additional_info: message
                .json("additionalInfo")
                .map(|_| Content::Payload("additionalInfo".to_owned())),
        })))
    }
}

fn whole<T: std::str::FromStr>(text: Option<String>, key: &str) -> Result<Option<T>, String> {
    let parse = |text: String| text.parse().map_err(|_| format!("metadata {key} is no number: {text:?}"));
    text.map(parse).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::effect;
    use pacificsoft_sdk::testing::TestMessage;

    #[test]
    fn sends_what_the_data_say() {
        let mut node = RpcCallRequest::open(r#"{"timeoutInSeconds": 5}"#).expect("valid");
        let message =
            TestMessage::new("RPC_CALL_FROM_SERVER_TO_DEVICE", r#"{"method": "on", "params": {"pin": 1}}"#).with("oneway", "true");
        let Effect::SendRpc(rpc) = effect(node.process(&message.message())) else {
            panic!("a request")
        };
        assert_eq!((rpc.method.as_str(), rpc.timeout_ms, rpc.oneway), ("on", 5000, true));
        assert_eq!(rpc.params, Content::Payload("params".to_owned()));
        assert_eq!(
            (rpc.request_id, rpc.expires_at, rpc.persistent, rpc.retries),
            (None, None, false, None)
        );
        let kept = message
            .with("requestUUID", "u")
            .with("expirationTime", "99")
            .with("persistent", "true")
            .with("retries", "3");
        let Effect::SendRpc(rpc) = effect(node.process(&kept.message())) else {
            panic!("a request")
        };
        assert_eq!(
            (rpc.request_id.as_deref(), rpc.expires_at, rpc.persistent, rpc.retries),
            (Some("u"), Some(99), true, Some(3))
        );
        assert!(node.process(&kept.with("retries", "many").message()).is_err());
        assert!(node.process(&TestMessage::telemetry("{}").message()).is_err());
        assert!(RpcCallRequest::open(r#"{"timeoutInSeconds": 0}"#).is_err());
    }
}
