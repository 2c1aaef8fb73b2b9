//! fetch device credentials: what the originator, a device, logs in with.

use pacificsoft_sdk::reads::credentials;
use pacificsoft_sdk::{Descriptor, Message, Outcome, RuleNode};
use serde::Deserialize;
use serde_json::Value as Json;

use crate::fetch::FetchTo;

/// The node.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FetchCredentials {
    #[serde(default)]
    fetch_to: FetchTo,
}

impl RuleNode for FetchCredentials {
    const RELATIONS: &'static [&'static str] = &["Success", "Failure"];

    fn descriptor() -> Descriptor {
        Descriptor {
            type_name: "fetch-device-credentials",
            class_ids: &["org.thingsboard.rule.engine.metadata.TbFetchDeviceCredentialsNode"],
            title: "fetch device credentials",
            family: "ENRICHMENT",
            description: "Adds credentialsType and credentials of the originator, a device.",
            icon: "key",
            configuration_schema: r#"{"type":"object","properties":{"fetchTo":{"enum":["DATA","METADATA"]}}}"#,
            default_configuration: r#"{"fetchTo":"METADATA"}"#,
            version: 1,
            ..Descriptor::new()
        }
    }

    fn open(configuration: &str) -> Result<Self, String> {
        serde_json::from_str(configuration).map_err(|error| error.to_string())
    }

    fn upgrade(from_version: u32, configuration: &str) -> Result<String, String> {
        FetchTo::upgraded(from_version, configuration, "fetchToMetadata", FetchTo::Metadata).map(|mut json| {
            // Its old field said the opposite.
            if from_version == 0 && configuration.contains("fetchToMetadata") {
                let turned = if json["fetchTo"] == "DATA" { "METADATA" } else { "DATA" };
                json["fetchTo"] = turned.into();
            }
            json.to_string()
        })
    }

    fn process(&mut self, message: &Message) -> Result<Outcome, String> {
        let originator = message.originator();
        if originator.entity_type != "DEVICE" {
            return Err("the originator is not a device".to_owned());
        }
        let found = credentials(&originator).ok_or("the device has no credentials")?;
        let secret = match found.credentials_type.as_str() {
            "ACCESS_TOKEN" => found.credentials_id.into(),
            "MQTT_BASIC" => found
                .value
                .as_deref()
                .and_then(|text| serde_json::from_str(text).ok())
                .unwrap_or(Json::Null),
            _ => found.value.map_or(Json::Null, Json::from),
        };
        let more = vec![
            ("credentialsType".to_owned(), found.credentials_type.into()),
            ("credentials".to_owned(), secret),
        ];
        self.fetch_to.with(message, more)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fetch::tests::leaving;
    use pacificsoft_sdk::reads::DeviceCredentials;
    use pacificsoft_sdk::testing::platform::id;
    use pacificsoft_sdk::testing::{TestMessage, forget, platform};
    use serde_json::json;

    #[test]
    fn each_kind_is_told_in_its_form() {
        for (kind, value, expected) in [
            ("ACCESS_TOKEN", None, json!("found-by")),
            ("MQTT_BASIC", Some(r#"{"userName":"u"}"#), json!({"userName": "u"})),
            ("X509_CERTIFICATE", Some("MIIB"), json!("MIIB")),
        ] {
            forget();
            let one = DeviceCredentials {
                credentials_type: kind.to_owned(),
                credentials_id: "found-by".to_owned(),
                value: value.map(str::to_owned),
            };
            platform(|platform| platform.credentials.push((id("DEVICE", 1), one)));
            let mut node = FetchCredentials::open(r#"{"fetchTo":"DATA"}"#).expect("valid");
            let (_, data) = leaving(node.process(&TestMessage::telemetry("{}").message()));
            assert_eq!(data, json!({"credentialsType": kind, "credentials": expected}));
        }
        let mut node = FetchCredentials::open("{}").expect("valid");
        assert!(node.process(&TestMessage::telemetry("{}").from(id("ASSET", 1)).message()).is_err());
        assert!(node.process(&TestMessage::telemetry("{}").from(id("DEVICE", 9)).message()).is_err());
        assert_eq!(
            FetchCredentials::upgrade(0, r#"{"fetchToMetadata":true}"#).expect("an object"),
            r#"{"fetchTo":"METADATA"}"#
        );
    }
}
