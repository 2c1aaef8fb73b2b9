//! A center for text messages that is spoken to over SMPP, as ThingsBoard's settings have it. `ssl` is beyond those.

use pacificsoft_sdk::template::Template;
use pacificsoft_sdk::{Message, Piece, Publish, RequestBody};
use serde::Deserialize;

use crate::address::address;

/// Schemes and usual ports, in the clear and over TLS.
const CLEAR: (&str, u32) = ("smpp://", 2775);
const TLS: (&str, u32) = ("smpps://", 3550);
/// What ThingsBoard has for numbers whose type nobody says: alphanumeric.
const TON: u8 = 5;
/// Coding schemes that the host writes texts in: the center's own (GSM 03.38), ASCII, Latin-1, UCS-2.
const CODINGS: [u8; 4] = [0, 1, 3, 8];

/// What a configuration says; what is not there is looked at when it counts.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Settings {
    #[serde(default)]
    protocol_version: Option<String>,
    #[serde(default)]
    host: Option<String>,
    #[serde(default)]
    port: Option<u32>,
    #[serde(default)]
    ssl: bool,
    #[serde(default)]
    system_id: Option<String>,
    #[serde(default)]
    password: Option<String>,
    #[serde(default)]
    system_type: Option<String>,
    #[serde(default)]
    bind_type: Option<String>,
    #[serde(default)]
    service_type: Option<String>,
    #[serde(default)]
    source_address: Option<String>,
    #[serde(default)]
    source_ton: Option<u8>,
    #[serde(default)]
    source_npi: Option<u8>,
    #[serde(default)]
    destination_ton: Option<u8>,
    #[serde(default)]
    destination_npi: Option<u8>,
    #[serde(default)]
    address_range: Option<String>,
    #[serde(default)]
    coding_scheme: Option<u8>,
}

/// The center, and what is said to it with every text.
pub(super) struct Center {
    broker: String,
    system_id: Template,
    password: Template,
    source: Template,
    options: Vec<(String, String)>,
}

impl Settings {
    pub(super) fn open(self) -> Result<Center, String> {
        let some = |given: Option<String>| given.filter(|given| !given.is_empty());
        let (Some(system_id), Some(password)) = (some(self.system_id), some(self.password)) else {
            return Err("systemId or password is empty".to_owned());
        };
        let version = some(self.protocol_version).unwrap_or_else(|| "3.3".to_owned());
        if !["3.3", "3.4"].contains(&version.as_str()) {
            return Err("protocolVersion: there are 3.3 and 3.4".to_owned());
        }
        let bind = some(self.bind_type).unwrap_or_else(|| "TX".to_owned());
        if !["TX", "TRX"].contains(&bind.as_str()) {
            return Err("bindType: there are TX and TRX: a receiver (RX) sends nothing".to_owned());
        }
        let coding = self.coding_scheme.unwrap_or_default();
        if !CODINGS.contains(&coding) {
            return Err("codingScheme: there are 0 (the center's own: GSM 03.38), 1 (ASCII), 3 (Latin-1) and 8 (UCS-2)".to_owned());
        }
        let (scheme, port) = if self.ssl { TLS } else { CLEAR };
        let address = address(&self.host.unwrap_or_default(), self.port.unwrap_or(port))?;
        let number = |given: Option<u8>, other: u8| given.unwrap_or(other).to_string();
        let options = [
            ("version", version),
            ("bind", bind),
            ("system-type", self.system_type.unwrap_or_default()),
            ("service-type", self.service_type.unwrap_or_default()),
            ("source-ton", number(self.source_ton, TON)),
            ("source-npi", number(self.source_npi, 0)),
            ("destination-ton", number(self.destination_ton, TON)),
            ("destination-npi", number(self.destination_npi, 0)),
            ("address-range", self.address_range.unwrap_or_default()),
            ("coding", coding.to_string()),
        ];
        Ok(Center {
            broker: [scheme, &address].concat(),
            system_id: Template::parse(&system_id),
            password: Template::parse(&password),
            source: Template::parse(&self.source_address.unwrap_or_default()),
            options: options.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
        })
    }
}

impl Center {
    /// A text for a number; the host takes its plus away, as centers want digits alone.
    pub(super) fn publish(&self, number: &str, text: &str, message: &Message) -> Publish {
        let text = RequestBody::Text(vec![Piece::Text(text.to_owned())]);
        let mut publish = Publish::new(self.broker.as_str(), number, text);
        publish.basic_auth = Some((self.system_id.pieces(message), self.password.pieces(message)));
        publish.options.clone_from(&self.options);
        publish.with_option("source", self.source.fill(message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pacificsoft_sdk::testing::TestMessage;

    fn published(configuration: &str) -> Result<Publish, String> {
        let settings: Settings = serde_json::from_str(configuration).map_err(|error| error.to_string())?;
        let message = TestMessage::telemetry("{}").with("house", "House 7");
        Ok(settings.open()?.publish("+12025550100", "21 degrees", &message.message()))
    }

    fn options(publish: &Publish) -> Vec<(&str, &str)> {
        let options = publish.options.iter();
        options.map(|(name, value)| (name.as_str(), value.as_str())).collect()
    }

    #[test]
    fn a_configuration_of_a_chains_file_is_understood() {
        let told = published(
            r#"{"type": "SMPP", "protocolVersion": "3.4", "host": "center.test", "port": 2776, "systemId": "user", "password": "${secret:word}",
                "systemType": "VMS", "bindType": "TRX", "serviceType": "CMT", "sourceAddress": "${house}", "sourceTon": 1, "sourceNpi": 2,
                "destinationTon": 3, "destinationNpi": 4, "addressRange": "5.*", "codingScheme": 8}"#,
        )
        .expect("a text");
        assert_eq!(
            (told.broker.as_str(), told.topic.as_str()),
            ("smpp://center.test:2776", "+12025550100")
        );
        assert_eq!(told.payload, RequestBody::Text(vec![Piece::Text("21 degrees".to_owned())]));
        let login = (vec![Piece::Text("user".to_owned())], vec![Piece::Secret("word".to_owned())]);
        assert_eq!(told.basic_auth, Some(login));
        assert_eq!(
            options(&told),
            [
                ("version", "3.4"),
                ("bind", "TRX"),
                ("system-type", "VMS"),
                ("service-type", "CMT"),
                ("source-ton", "1"),
                ("source-npi", "2"),
                ("destination-ton", "3"),
                ("destination-npi", "4"),
                ("address-range", "5.*"),
                ("coding", "8"),
                ("source", "House 7")
            ]
        );
    }

    #[test]
    fn a_short_configuration_has_thingsboards_defaults() {
        for (more, broker) in [
            (r#""bindType": null, "codingScheme": null, "systemType": null"#, "smpp://[::1]:2775"),
            (r#""bindType": "", "ssl": true, "protocolVersion": null"#, "smpps://[::1]:3550"),
        ] {
            let told = published(&format!(r#"{{"host": "::1", "systemId": "u", "password": "p", {more}}}"#)).expect("a text");
            assert_eq!(told.broker, broker);
            assert_eq!(
                options(&told),
                [
                    ("version", "3.3"),
                    ("bind", "TX"),
                    ("system-type", ""),
                    ("service-type", ""),
                    ("source-ton", "5"),
                    ("source-npi", "0"),
                    ("destination-ton", "5"),
                    ("destination-npi", "0"),
                    ("address-range", ""),
                    ("coding", "0"),
                    ("source", "")
                ]
            );
        }
    }

    #[test]
    fn what_cannot_be_done_is_refused_in_words() {
        for (more, says) in [
            (r#""host": """#, "host"),
            (r#""host": "a", "port": 0"#, "port"),
            (r#""host": "a", "bindType": "RX""#, "a receiver (RX) sends nothing"),
            (r#""host": "a", "protocolVersion": "5.0""#, "3.3 and 3.4"),
            (r#""host": "a", "codingScheme": 2"#, "8 (UCS-2)"),
            (r#""host": "a", "sourceTon": -1"#, "-1"),
            (r#""host": "a", "sourceTon": 256"#, "256"),
            (r#""port": 2775"#, "host"),
        ] {
            let told = published(&format!(r#"{{"systemId": "u", "password": "hunter2", {more}}}"#)).expect_err(more);
            assert!(told.contains(says) && !told.contains("hunter2"), "{told}");
        }
        for (user, password) in [("", "p"), ("u", "")] {
            let told = published(&format!(r#"{{"host": "a", "systemId": "{user}", "password": "{password}"}}"#)).expect_err("half a login");
            assert!(told.contains("systemId or password"), "{told}");
        }
    }
}
