//! originator attributes, related device attributes: attributes of all scopes and latest values, under prefixed keys.

use pacificsoft_sdk::reads::{attributes, latest_values};
use pacificsoft_sdk::related::Query;
use pacificsoft_sdk::template::Template;
use pacificsoft_sdk::{Descriptor, EntityId, Message, Outcome, RuleNode};
use serde::Deserialize;
use serde_json::{Value as Json, json};

use crate::fetch::{FetchTo, parsed};

/// Keys of each kind at most.
const KEYS_MAX: usize = 100;

/// What both nodes fetch.
struct Fetched {
    /// Keys by scope, with the prefix that they get.
    attributes: Vec<(&'static str, &'static str, Vec<Template>)>,
    latest: Vec<Template>,
    absent_fails: bool,
    with_time: bool,
    fetch_to: FetchTo,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Configuration {
    #[serde(default)]
    client_attribute_names: Vec<String>,
    #[serde(default)]
    shared_attribute_names: Vec<String>,
    #[serde(default)]
    server_attribute_names: Vec<String>,
    #[serde(default)]
    latest_ts_key_names: Vec<String>,
    #[serde(default = "yes")]
    tell_failure_if_absent: bool,
    #[serde(default)]
    get_latest_value_with_ts: bool,
    #[serde(default)]
    fetch_to: FetchTo,
}

fn yes() -> bool {
    true
}

const SCHEMA: &str = r#"{"type":"object","properties":{"clientAttributeNames":{"type":"array","items":{"type":"string"}},"sharedAttributeNames":{"type":"array","items":{"type":"string"}},"serverAttributeNames":{"type":"array","items":{"type":"string"}},"latestTsKeyNames":{"type":"array","items":{"type":"string"}},"tellFailureIfAbsent":{"type":"boolean"},"getLatestValueWithTs":{"type":"boolean"},"fetchTo":{"enum":["DATA","METADATA"]},"deviceRelationsQuery":{"type":"object"}}}"#;
const DETAILS: &str = "Attributes get the prefixes cs_, shared_ and ss_ by their scope; latest values have none. Names are templates.";

impl Fetched {
    fn open(configuration: &str) -> Result<Self, String> {
        let own: Configuration = serde_json::from_str(configuration).map_err(|error| error.to_string())?;
        let keys = |names: Vec<String>| -> Result<Vec<Template>, String> {
            match names.len() {
                0..=KEYS_MAX => Ok(names.iter().map(|name| Template::parse(name)).collect()),
                _ => Err("more than 100 keys of a kind".to_owned()),
            }
        };
        Ok(Fetched {
            attributes: vec![
                ("CLIENT_SCOPE", "cs_", keys(own.client_attribute_names)?),
                ("SHARED_SCOPE", "shared_", keys(own.shared_attribute_names)?),
                ("SERVER_SCOPE", "ss_", keys(own.server_attribute_names)?),
            ],
            latest: keys(own.latest_ts_key_names)?,
            absent_fails: own.tell_failure_if_absent,
            with_time: own.get_latest_value_with_ts,
            fetch_to: own.fetch_to,
        })
    }

    fn process(&self, entity: &EntityId, message: &Message) -> Result<Outcome, String> {
        let filled = |keys: &[Template]| -> Vec<String> { keys.iter().map(|key| key.fill(message)).collect() };
        let mut more = Vec::new();
        let mut absent = Vec::new();
        for (scope, prefix, keys) in &self.attributes {
            let keys = filled(keys);
            if keys.is_empty() {
                continue;
            }
            let found = attributes(entity, scope, &keys);
            absent.extend(keys.into_iter().filter(|key| found.iter().all(|(have, ..)| have != key)));
            more.extend(
                found
                    .into_iter()
                    .map(|(key, _, value)| ([prefix, key.as_str()].concat(), parsed(&value))),
            );
        }
        let keys = filled(&self.latest);
        if !keys.is_empty() {
            let found = latest_values(entity, &keys);
            absent.extend(keys.into_iter().filter(|key| found.iter().all(|(have, ..)| have != key)));
            more.extend(found.into_iter().map(|(key, ts, value)| {
                let value = parsed(&value);
                (key, if self.with_time { json!({"ts": ts, "value": value}) } else { value })
            }));
        }
        if self.absent_fails && !absent.is_empty() {
            return Err(["these keys are not there: ", &absent.join(", ")].concat());
        }
        self.fetch_to.with(message, more)
    }
}

/// Of the originator.
pub struct OriginatorAttributes(Fetched);

impl RuleNode for OriginatorAttributes {
    const RELATIONS: &'static [&'static str] = &["Success", "Failure"];

    fn descriptor() -> Descriptor {
        Descriptor {
            type_name: "originator-attributes",
            class_ids: &["org.thingsboard.rule.engine.metadata.TbGetAttributesNode"],
            title: "originator attributes",
            family: "ENRICHMENT",
            description: "Adds attributes and latest values of the originator.",
            details: DETAILS,
            icon: "playlist_add",
            configuration_schema: SCHEMA,
            default_configuration: r#"{"fetchTo":"METADATA","clientAttributeNames":[],"sharedAttributeNames":[],"serverAttributeNames":[],"latestTsKeyNames":[],"tellFailureIfAbsent":true,"getLatestValueWithTs":false}"#,
            version: 1,
            ..Descriptor::new()
        }
    }

    fn open(configuration: &str) -> Result<Self, String> {
        Fetched::open(configuration).map(OriginatorAttributes)
    }

    fn upgrade(from_version: u32, configuration: &str) -> Result<String, String> {
        FetchTo::upgraded(from_version, configuration, "fetchToData", FetchTo::Metadata).map(|json| json.to_string())
    }

    fn process(&mut self, message: &Message) -> Result<Outcome, String> {
        self.0.process(&message.originator(), message)
    }
}

/// Of a device that is related to the originator.
pub struct RelatedDeviceAttributes {
    query: Query,
    fetched: Fetched,
}

impl RuleNode for RelatedDeviceAttributes {
    const RELATIONS: &'static [&'static str] = &["Success", "Failure"];

    fn descriptor() -> Descriptor {
        Descriptor {
            type_name: "related-device-attributes",
            class_ids: &["org.thingsboard.rule.engine.metadata.TbGetDeviceAttrNode"],
            title: "related device attributes",
            family: "ENRICHMENT",
            description: "Adds attributes and latest values of a device that is related to the originator.",
            details: DETAILS,
            icon: "playlist_add",
            configuration_schema: SCHEMA,
            default_configuration: r#"{"deviceRelationsQuery":{"direction":"FROM","maxLevel":1,"relationType":"Contains","deviceTypes":["default"],"fetchLastLevelOnly":false},"fetchTo":"METADATA","clientAttributeNames":[],"sharedAttributeNames":[],"serverAttributeNames":[],"latestTsKeyNames":[],"tellFailureIfAbsent":true,"getLatestValueWithTs":false}"#,
            version: 1,
            ..Descriptor::new()
        }
    }

    fn open(configuration: &str) -> Result<Self, String> {
        let json: Json = serde_json::from_str(configuration).map_err(|error| error.to_string())?;
        let query =
            Query::deserialize(&json["deviceRelationsQuery"]).map_err(|error| ["deviceRelationsQuery: ", &error.to_string()].concat())?;
        Ok(RelatedDeviceAttributes {
            query,
            fetched: Fetched::open(configuration)?,
        })
    }

    fn upgrade(from_version: u32, configuration: &str) -> Result<String, String> {
        FetchTo::upgraded(from_version, configuration, "fetchToData", FetchTo::Metadata).map(|json| json.to_string())
    }

    fn process(&mut self, message: &Message) -> Result<Outcome, String> {
        let device = self
            .query
            .first_device(&message.originator())
            .ok_or("no such device is related to the originator")?;
        self.fetched.process(&device, message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fetch::tests::leaving;
    use pacificsoft_sdk::testing::platform::{id, named};
    use pacificsoft_sdk::testing::{TestMessage, forget, platform};

    fn fill(device: &EntityId) {
        forget();
        platform(|platform| {
            platform.set_attribute(device, "CLIENT_SCOPE", "fw", json!("1.2"));
            platform.set_attribute(device, "SHARED_SCOPE", "limit", json!(40));
            platform.set_attribute(device, "SERVER_SCOPE", "place", json!({"floor": 1}));
            platform.add_reading(device, "t", 7, json!(21.5));
        });
    }

    const ALL: &str =
        r#""clientAttributeNames":["fw"],"sharedAttributeNames":["${key}"],"serverAttributeNames":["place"],"latestTsKeyNames":["t"]"#;

    #[test]
    fn scopes_have_their_prefixes() {
        let device = id("DEVICE", 1);
        fill(&device);
        let message = TestMessage::telemetry(r#"{"a": 1}"#).with("key", "limit");
        let run = |rest: &str| {
            OriginatorAttributes::open(&format!("{{{ALL}{rest}}}"))
                .expect("valid")
                .process(&message.message())
        };
        let (metadata, data) = leaving(run(""));
        let expected = [
            ("key", "limit"),
            ("cs_fw", "1.2"),
            ("shared_limit", "40"),
            ("ss_place", r#"{"floor":1}"#),
            ("t", "21.5"),
        ];
        assert_eq!(metadata, expected.map(|(key, value)| (key.to_owned(), value.to_owned())));
        assert_eq!(data, Json::Null, "the data stay");
        let (_, data) = leaving(run(r#","fetchTo":"DATA","getLatestValueWithTs":true"#));
        let expected = json!({"a": 1, "cs_fw": "1.2", "shared_limit": 40, "ss_place": {"floor": 1}, "t": {"ts": 7, "value": 21.5}});
        assert_eq!(data, expected);
    }

    #[test]
    fn what_is_absent_fails_if_it_should() {
        let device = id("DEVICE", 1);
        fill(&device);
        let message = TestMessage::telemetry("{}");
        let run = |json: &str| OriginatorAttributes::open(json).expect("valid").process(&message.message());
        let failed = run(r#"{"clientAttributeNames":["fw","gone"],"latestTsKeyNames":["never"]}"#).expect_err("fails");
        assert!(failed.contains("gone, never"), "{failed}");
        let (metadata, _) = leaving(run(r#"{"clientAttributeNames":["fw","gone"],"tellFailureIfAbsent":false}"#));
        assert_eq!(metadata, [("cs_fw".to_owned(), "1.2".to_owned())]);
    }

    #[test]
    fn a_related_device_is_asked() {
        let (device, asset) = (id("DEVICE", 7), id("ASSET", 1));
        fill(&device);
        platform(|platform| {
            platform.relations.push((asset.clone(), "Contains".to_owned(), device.clone()));
            let mut typed = named(device.clone(), "D");
            typed.subtype = "meter".to_owned();
            platform.entities.push(typed);
        });
        let open = |types: &str| {
            RelatedDeviceAttributes::open(&format!(
                r#"{{"deviceRelationsQuery":{{"direction":"FROM","maxLevel":1,"relationType":"Contains","deviceTypes":{types}}},"clientAttributeNames":["fw"]}}"#
            ))
        };
        let message = TestMessage::telemetry("{}").from(asset);
        let (metadata, _) = leaving(open(r#"["meter"]"#).expect("valid").process(&message.message()));
        assert_eq!(metadata, [("cs_fw".to_owned(), "1.2".to_owned())]);
        assert!(open(r#"["gauge"]"#).expect("valid").process(&message.message()).is_err());
        assert!(RelatedDeviceAttributes::open("{}").is_err());
    }
}
