//! azure iot hub: hands the message's data to an Azure IoT Hub, as one of the hub's devices. The host makes the token that lets it in.

use pacificsoft_sdk::template::Template;
use pacificsoft_sdk::{Descriptor, Effect, Message, Outcome, Publish, RuleNode};
use serde::Deserialize;

use crate::address::address;
use crate::credentials::{Certificate, Login};
use crate::payload::payload;

/// What the device is told apart by in a topic.
const DEVICE: &str = "<device_id>";
/// The form of what is said between hubs and devices, as ThingsBoard's node names it.
const API: &str = "/?api-version=2018-06-30";

/// The node.
pub struct AzureIotHub {
    hub: String,
    topic: Template,
    login: Login,
    options: Vec<(&'static str, String)>,
    /// Whether text is published without its quotation marks.
    plain: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Configuration {
    topic_pattern: String,
    host: String,
    #[serde(default = "port")]
    port: u32,
    #[serde(default = "connect_timeout_sec")]
    connect_timeout_sec: u32,
    #[serde(default)]
    client_id: Option<String>,
    #[serde(default)]
    append_client_id_suffix: bool,
    #[serde(default)]
    retained_message: bool,
    #[serde(default)]
    parse_to_plain_text: bool,
    credentials: Credentials,
}

/// Field `credentials`.
#[derive(Deserialize)]
#[serde(tag = "type")]
enum Credentials {
    /// A device's key, which signs tokens.
    #[serde(rename = "sas", rename_all = "camelCase")]
    Sas {
        /// Base64. May hold `${secret:name}`.
        #[serde(default)]
        sas_key: Option<String>,
        #[serde(default)]
        ca_cert: Option<String>,
    },
    /// A certificate of the device's.
    #[serde(rename = "cert.PEM")]
    Certificate(Certificate),
    #[serde(other)]
    Other,
}

impl Credentials {
    /// How a device logs in that the hub knows by this user name, and how it shows that it is the one.
    fn login(self, user: &str) -> Result<(Login, &'static str), String> {
        match self {
            Credentials::Sas { sas_key, ca_cert } => {
                let key = sas_key.filter(|key| !key.is_empty());
                let key = key.ok_or("credentials: sasKey is empty")?;
                Ok((Login::believing(ca_cert).with_user(user, &key), "azure-sas"))
            }
            Credentials::Certificate(certificate) if certificate.is_of_a_client() => {
                Ok((Login::certificate(certificate)?.with_user(user, ""), "password"))
            }
            Credentials::Certificate(_) => Err("credentials: cert and privateKey are empty".to_owned()),
            Credentials::Other => Err("credentials: there are sas and cert.PEM".to_owned()),
        }
    }
}

fn port() -> u32 {
    8883
}

fn connect_timeout_sec() -> u32 {
    10
}

impl RuleNode for AzureIotHub {
    const RELATIONS: &'static [&'static str] = &["Success", "Failure"];

    fn descriptor() -> Descriptor {
        Descriptor {
            type_name: "azure-iot-hub",
            class_ids: &["org.thingsboard.rule.engine.mqtt.azure.TbAzureIotHubNode"],
            title: "azure iot hub",
            family: "EXTERNAL",
            description: "Hands the data to an Azure IoT Hub, as one of its devices.",
            details: "With quality 1: the message goes on when the hub has acknowledged it, with metadata acknowledgedBy. clientId is the device's id \
                      at the hub, sasKey its key, which may be ${secret:name}: no component sees it, and the hub only tokens that it has signed and \
                      that are good for an hour; or cert and privateKey are its certificate and key, in PEM, and password is the key's. The topic may hold ${metadata key} and $[data key]; <device_id> in it is the device's id. The hub \
                      has to be on the tenant's list, such as mqtts://my-hub.azure-devices.net. A hub lets a device in once: each server of a \
                      cluster needs a node with a device of its own, or takes the connection from another.",
            icon: "call_split",
            configuration_schema: r#"{"type":"object","required":["topicPattern","host","clientId","credentials"],"properties":{"topicPattern":{"type":"string","minLength":1},"host":{"type":"string","minLength":1},"port":{"type":"integer","minimum":1,"maximum":65535},"connectTimeoutSec":{"type":"integer","minimum":1,"maximum":200},"clientId":{"type":"string","minLength":1},"appendClientIdSuffix":{"type":"boolean"},"retainedMessage":{"type":"boolean"},"cleanSession":{"type":"boolean"},"ssl":{"type":"boolean"},"parseToPlainText":{"type":"boolean"},"protocolVersion":{"type":["string","null"]},"credentials":{"type":"object","required":["type"],"properties":{"type":{"enum":["sas","cert.PEM"]},"sasKey":{"type":["string","null"]},"caCert":{"type":["string","null"]},"cert":{"type":["string","null"]},"privateKey":{"type":["string","null"]},"password":{"type":["string","null"]}}}}}"#,
            default_configuration: r#"{"topicPattern":"devices/<device_id>/messages/events/","host":"my-hub.azure-devices.net","port":8883,"connectTimeoutSec":10,"clientId":"my-device","appendClientIdSuffix":false,"retainedMessage":false,"cleanSession":true,"ssl":true,"parseToPlainText":false,"protocolVersion":"MQTT_3_1_1","credentials":{"type":"sas","sasKey":"${secret:azure-device-key}"}}"#,
            version: 1,
            effects: &["publish"],
            ..Descriptor::new()
        }
    }

    /// As in ThingsBoard, the session is a clean one of MQTT 3.1.1, over TLS, whatever else is written.
    fn open(configuration: &str) -> Result<Self, String> {
        let own: Configuration = serde_json::from_str(configuration).map_err(|error| error.to_string())?;
        if own.topic_pattern.is_empty() {
            return Err("topicPattern is empty".to_owned());
        }
        let address = address(&own.host, own.port)?;
        if !(1..=200).contains(&own.connect_timeout_sec) {
            return Err("connectTimeoutSec is not between 1 and 200".to_owned());
        }
        let device = own.client_id.unwrap_or_default();
        if device.is_empty() {
            return Err("clientId is empty: it is the device's id at the hub".to_owned());
        }
        if own.append_client_id_suffix {
            return Err("appendClientIdSuffix: the hub knows its devices by their ids, which have no endings".to_owned());
        }
        let retained = if own.retained_message { "true" } else { "false" };
        let user = [own.host.trim(), "/", &device, API].concat();
        let (login, proof) = own.credentials.login(&user)?;
        Ok(AzureIotHub {
            hub: ["mqtts://", &address].concat(),
            topic: Template::parse(&own.topic_pattern.replace(DEVICE, &device)),
            login,
            options: vec![
                ("proof", proof.to_owned()),
                ("client-id", device),
                ("retain", retained.to_owned()),
                ("connect-timeout-ms", own.connect_timeout_sec.saturating_mul(1_000).to_string()),
            ],
            plain: own.parse_to_plain_text,
        })
    }

    fn process(&mut self, message: &Message) -> Result<Outcome, String> {
        let payload = payload(message, self.plain);
        let mut publish = Publish::new(self.hub.as_str(), self.topic.fill(message), payload);
        for (name, value) in &self.options {
            publish = publish.with_option(*name, value.as_str());
        }
        publish.basic_auth = self.login.basic_auth(message);
        publish.tls = self.login.tls(message);
        Ok(Outcome::Effect(Effect::Publish(publish)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pacificsoft_sdk::testing::TestMessage;
    use pacificsoft_sdk::{Content, Piece, RequestBody};

    /// What a chain's file has: fields of the mqtt node that mean nothing here, too.
    const CONFIGURATION: &str = r#"{"topicPattern": "devices/<device_id>/messages/events/kind=$[kind]", "host": "Hub.azure-devices.net", "port": 8883,
        "connectTimeoutSec": 5, "clientId": "dev-1", "appendClientIdSuffix": false, "retainedMessage": true, "cleanSession": false, "ssl": false,
        "parseToPlainText": false, "protocolVersion": "MQTT_3_1", "credentials": {"type": "sas", "sasKey": "${secret:azure}", "caCert": null,
        "caCertFileName": null}}"#;

    fn published(configuration: &str, message: &TestMessage) -> Publish {
        let mut node = AzureIotHub::open(configuration).expect("valid");
        match node.process(&message.message()) {
            Ok(Outcome::Effect(Effect::Publish(publish))) => publish,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_configuration_of_a_chains_file_is_understood() {
        let told = published(CONFIGURATION, &TestMessage::telemetry(r#"{"kind": "heat"}"#));
        assert_eq!(
            (told.broker.as_str(), told.topic.as_str()),
            ("mqtts://Hub.azure-devices.net:8883", "devices/dev-1/messages/events/kind=heat")
        );
        assert_eq!(told.payload, RequestBody::Content(Content::whole()));
        let user = "Hub.azure-devices.net/dev-1/?api-version=2018-06-30".to_owned();
        let login = (vec![Piece::Text(user)], vec![Piece::Secret("azure".to_owned())]);
        assert_eq!(told.basic_auth, Some(login));
        let options = [
            ("proof", "azure-sas"),
            ("client-id", "dev-1"),
            ("retain", "true"),
            ("connect-timeout-ms", "5000"),
        ];
        assert_eq!(told.options, options.map(|(name, value)| (name.to_owned(), value.to_owned())));
        assert!(AzureIotHub::open(AzureIotHub::descriptor().default_configuration).is_ok());
    }

    #[test]
    fn a_device_may_have_a_certificate() {
        let configuration = CONFIGURATION
            .replace(
                r#""type": "sas", "sasKey": "${secret:azure}""#,
                r#""type": "cert.PEM", "cert": "PEM", "privateKey": "${secret:key}""#,
            )
            .replace(r#""caCert": null"#, r#""caCert": "CA""#);
        let told = published(&configuration, &TestMessage::telemetry("{}"));
        let text = |text: &str| vec![Piece::Text(text.to_owned())];
        let user = text("Hub.azure-devices.net/dev-1/?api-version=2018-06-30");
        assert_eq!(told.basic_auth, Some((user, Vec::new())));
        assert_eq!(told.options[0], ("proof".to_owned(), "password".to_owned()));
        let tls = told.tls.expect("its own");
        assert_eq!(tls.authorities, Some(text("CA")));
        let identity = tls.identity.expect("a certificate");
        assert_eq!(
            (identity.certificates, identity.key),
            (text("PEM"), vec![Piece::Secret("key".to_owned())])
        );
    }

    #[test]
    fn text_is_published_plain_if_it_should() {
        let plain = CONFIGURATION.replace(r#""parseToPlainText": false"#, r#""parseToPlainText": true"#);
        let text = RequestBody::Text(vec![Piece::Text("${secret:azure}".to_owned())]);
        let message = TestMessage::telemetry(r#""${secret:azure}""#);
        assert_eq!(published(&plain, &message).payload, text, "data names no secret");
        assert_eq!(published(CONFIGURATION, &message).payload, RequestBody::Content(Content::whole()));
    }

    #[test]
    fn what_cannot_be_done_is_refused_when_the_node_opens() {
        for (from, to, says) in [
            ("devices/<device_id>/messages/events/kind=$[kind]", "", "topicPattern"),
            ("Hub.azure-devices.net", " ", "host"),
            ("8883", "0", "port"),
            (r#""connectTimeoutSec": 5"#, r#""connectTimeoutSec": 201"#, "connectTimeoutSec"),
            (r#""dev-1""#, "null", "clientId"),
            (
                r#""appendClientIdSuffix": false"#,
                r#""appendClientIdSuffix": true"#,
                "appendClientIdSuffix",
            ),
            (r#""${secret:azure}""#, "null", "sasKey"),
            (r#""sas""#, r#""cert.PEM""#, "cert and privateKey"),
            (r#""sas""#, r#""cert.PEM", "cert": "PEM""#, "belong together"),
            (r#""sas""#, r#""basic""#, "there are sas and cert.PEM"),
            (r#""credentials""#, r#""other""#, "credentials"),
        ] {
            assert!(CONFIGURATION.contains(from), "{from}");
            let told = AzureIotHub::open(&CONFIGURATION.replace(from, to)).map(drop).expect_err(says);
            assert!(told.contains(says), "{told}");
        }
    }
}
