//! send sms: sends a text to telephones, over Twilio, Amazon SNS or a center that speaks SMPP.

mod smpp;

use pacificsoft_sdk::template::Template;
use pacificsoft_sdk::{Descriptor, Effect, Emission, HttpRequest, Message, Outcome, Piece, Publish, RequestBody, RuleNode, Steps};
use serde::Deserialize;

use crate::aws::Account;

/// Where Twilio is.
const TWILIO: &str = "https://api.twilio.com";
/// The service that the system's administrator has set.
const BY_SERVER: &str = "server:sms";
/// Telephones of one message at most.
const NUMBERS_MAX: usize = 50;

/// The node.
pub struct SendSms {
    numbers: Template,
    text: Template,
    provider: Provider,
}

enum Provider {
    Server,
    Twilio {
        endpoint: String,
        from: Template,
        account: Template,
        token: Template,
    },
    Sns {
        endpoint: String,
        account: Account,
    },
    Smpp(Box<smpp::Center>),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Configuration {
    numbers_to_template: String,
    sms_message_template: String,
    #[serde(default)]
    use_system_sms_settings: bool,
    #[serde(default)]
    sms_provider_configuration: Option<Settings>,
}

#[derive(Deserialize)]
#[serde(tag = "type")]
enum Settings {
    #[serde(rename = "TWILIO", rename_all = "camelCase")]
    Twilio {
        number_from: String,
        account_sid: String,
        account_token: String,
        #[serde(default)]
        endpoint: Option<String>,
    },
    #[serde(rename = "AWS_SNS", rename_all = "camelCase")]
    Sns {
        access_key_id: String,
        secret_access_key: String,
        region: String,
        #[serde(default)]
        endpoint: Option<String>,
    },
    #[serde(rename = "SMPP")]
    Smpp(Box<smpp::Settings>),
}

impl RuleNode for SendSms {
    const RELATIONS: &'static [&'static str] = &["Success", "Failure"];

    fn descriptor() -> Descriptor {
        Descriptor {
            type_name: "send-sms",
            class_ids: &["org.thingsboard.rule.engine.sms.TbSendSmsNode"],
            title: "send sms",
            family: "EXTERNAL",
            description: "Sends a text to telephones.",
            details: "The message goes on, as it was, when the service has taken the text for every number; numbers stand between commas, such as \
                      +12025550100. Numbers and text may hold ${metadata key} and $[data key], keys and tokens ${secret:name}: no component sees one. \
                      Services are TWILIO, AWS_SNS and SMPP; the service has to be on the tenant's list, as https://api.twilio.com, \
                      https://sns.eu-west-1.amazonaws.com or smpp://host:port; of the first two, endpoint names another place where it is. Over SMPP \
                      (3.3 and 3.4), systemId and password may hold ${secret:name}; bindType is TX or TRX; codingScheme is 0 (GSM 03.38), 1 (ASCII), \
                      3 (Latin-1) or 8 (UCS-2), and a letter that it has not fails the message; a text has 254 octets at most over 3.3; ssl, which \
                      ThingsBoard does not have: TLS, and smpps://host:port on the list. useSystemSmsSettings: the text goes over the \
                      account that the system's administrator has set, and smsProviderConfiguration does not count. That service need not be on \
                      the list, and a tenant has 50 texts a minute and 200 an hour; where no account is set, texts fail.",
            icon: "sms",
            configuration_schema: r#"{"type":"object","required":["numbersToTemplate","smsMessageTemplate"],"properties":{"numbersToTemplate":{"type":"string","minLength":1},"smsMessageTemplate":{"type":"string","minLength":1},"useSystemSmsSettings":{"type":"boolean"},"smsProviderConfiguration":{"type":["object","null"],"required":["type"],"properties":{"type":{"enum":["TWILIO","AWS_SNS","SMPP"]},"numberFrom":{"type":"string"},"accountSid":{"type":"string"},"accountToken":{"type":"string"},"accessKeyId":{"type":"string"},"secretAccessKey":{"type":"string"},"region":{"type":"string"},"endpoint":{"type":["string","null"]},"protocolVersion":{"enum":["3.3","3.4",null]},"host":{"type":"string"},"port":{"type":["integer","null"],"minimum":1,"maximum":65535},"ssl":{"type":"boolean"},"systemId":{"type":"string"},"password":{"type":"string"},"systemType":{"type":["string","null"]},"bindType":{"enum":["TX","TRX",null]},"serviceType":{"type":["string","null"]},"sourceAddress":{"type":["string","null"]},"sourceTon":{"type":["integer","null"],"minimum":0,"maximum":255},"sourceNpi":{"type":["integer","null"],"minimum":0,"maximum":255},"destinationTon":{"type":["integer","null"],"minimum":0,"maximum":255},"destinationNpi":{"type":["integer","null"],"minimum":0,"maximum":255},"addressRange":{"type":["string","null"]},"codingScheme":{"enum":[0,1,3,8,null]}}}}}"#,
            default_configuration: r#"{"numbersToTemplate":"${userPhone}","smsMessageTemplate":"Device ${deviceName} has temperature $[temperature]","useSystemSmsSettings":true,"smsProviderConfiguration":null}"#,
            effects: &["http-request", "publish"],
            ..Descriptor::new()
        }
    }

    fn open(configuration: &str) -> Result<Self, String> {
        let own: Configuration = serde_json::from_str(configuration).map_err(|error| error.to_string())?;
        if own.numbers_to_template.trim().is_empty() || own.sms_message_template.is_empty() {
            return Err("numbersToTemplate or smsMessageTemplate is empty".to_owned());
        }
        let provider = match own.sms_provider_configuration {
            _ if own.use_system_sms_settings => Provider::Server,
            Some(settings) => settings.open()?,
            None => return Err("smsProviderConfiguration is missing".to_owned()),
        };
        Ok(SendSms {
            numbers: Template::parse(&own.numbers_to_template),
            text: Template::parse(&own.sms_message_template),
            provider,
        })
    }

    fn process(&mut self, message: &Message) -> Result<Outcome, String> {
        let (numbers, text) = (self.numbers.fill(message), self.text.fill(message));
        let numbers: Vec<&str> = numbers.split(',').map(str::trim).filter(|number| !number.is_empty()).collect();
        if numbers.is_empty() || numbers.len() > NUMBERS_MAX {
            return Err(format!("{} numbers are not between 1 and {NUMBERS_MAX}", numbers.len()));
        }
        if let Some(wrong) = numbers.iter().find(|number| !is_number(number)) {
            return Err(format!("{wrong:?} is no number such as +12025550100"));
        }
        Ok(Outcome::Steps(Steps {
            effects: numbers.iter().map(|number| self.provider.send(number, &text, message)).collect(),
            emissions: vec![Emission {
                relation: "Success".to_owned(),
                message: None,
            }],
        }))
    }
}

impl Settings {
    fn open(self) -> Result<Provider, String> {
        let place = |given: Option<String>| given.filter(|given| !given.is_empty());
        match self {
            Settings::Smpp(settings) => Ok(Provider::Smpp(Box::new(settings.open()?))),
            Settings::Twilio {
                number_from,
                account_sid,
                account_token,
                endpoint,
            } => {
                if number_from.is_empty() || account_sid.is_empty() || account_token.is_empty() {
                    return Err("numberFrom, accountSid or accountToken is empty".to_owned());
                }
                Ok(Provider::Twilio {
                    endpoint: place(endpoint).unwrap_or_else(|| TWILIO.to_owned()),
                    from: Template::parse(&number_from),
                    account: Template::parse(&account_sid),
                    token: Template::parse(&account_token),
                })
            }
            Settings::Sns {
                access_key_id,
                secret_access_key,
                region,
                endpoint,
            } => {
                let account = Account::open(&region, &access_key_id, &secret_access_key)?;
                Ok(Provider::Sns {
                    endpoint: account.endpoint("sns", place(endpoint)),
                    account,
                })
            }
        }
    }
}

impl Provider {
    fn send(&self, number: &str, text: &str, message: &Message) -> Effect {
        match self {
            Provider::Server => {
                let text = RequestBody::Text(vec![Piece::Text(text.to_owned())]);
                Effect::Publish(Publish::new(BY_SERVER, number, text))
            }
            Provider::Twilio {
                endpoint,
                from,
                account,
                token,
            } => {
                let mut url = vec![Piece::Text([endpoint, "/2010-04-01/Accounts/"].concat())];
                url.extend(account.pieces(message));
                url.push(Piece::Text("/Messages.json".to_owned()));
                let form = [("To", number), ("From", &from.fill(message)), ("Body", text)];
                let form = form.map(|(name, value)| [name, "=", &encoded(value)].concat()).join("&");
                let mut request = HttpRequest::new("POST", url).with_header("Content-Type", "application/x-www-form-urlencoded");
                request.basic_auth = Some((account.pieces(message), token.pieces(message)));
                request.body = Some(RequestBody::Text(vec![Piece::Text(form)]));
                Effect::HttpRequest(request)
            }
            Provider::Sns { endpoint, account } => {
                let text = RequestBody::Text(vec![Piece::Text(text.to_owned())]);
                Effect::Publish(account.publish("sns", endpoint, number.to_owned(), text, message))
            }
            Provider::Smpp(center) => Effect::Publish(center.publish(number, text, message)),
        }
    }
}

/// Whether it is a number as E.164 writes them: a plus and 3 to 15 digits.
fn is_number(text: &str) -> bool {
    text.strip_prefix('+')
        .is_some_and(|digits| (3..=15).contains(&digits.len()) && digits.bytes().all(|digit| digit.is_ascii_digit()))
}

/// A value as it stands in a form (URL standard, `application/x-www-form-urlencoded`).
fn encoded(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    for byte in value.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'*' => out.push(char::from(byte)),
            other => out.push_str(&format!("%{other:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use pacificsoft_sdk::testing::TestMessage;

    const TWILIO_ONE: &str = r#"{"numbersToTemplate": "${phones}", "smsMessageTemplate": "$[t] ° & more", "smsProviderConfiguration":
        {"type": "TWILIO", "numberFrom": "+1999", "accountSid": "${secret:sid}", "accountToken": "${secret:token}"}}"#;

    fn sent(configuration: &str, phones: &str) -> Result<Steps, String> {
        let message = TestMessage::telemetry(r#"{"t": 21}"#).with("phones", phones);
        let mut node = SendSms::open(configuration).expect("valid");
        match node.process(&message.message())? {
            Outcome::Steps(steps) => Ok(steps),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn twilio_is_asked_for_each_number_and_the_message_goes_on_as_it_was() {
        let steps = sent(TWILIO_ONE, "+12025550100, +12025550101").expect("two requests");
        let [Effect::HttpRequest(first), Effect::HttpRequest(second)] = &steps.effects[..] else {
            panic!("{:?}", steps.effects)
        };
        let secret = |name: &str| Piece::Secret(name.to_owned());
        let text = |text: &str| Piece::Text(text.to_owned());
        assert_eq!(
            first.url,
            [
                text("https://api.twilio.com/2010-04-01/Accounts/"),
                secret("sid"),
                text("/Messages.json")
            ]
        );
        assert_eq!(first.basic_auth, Some((vec![secret("sid")], vec![secret("token")])));
        let form = |number: &str| {
            let form = format!("To=%2B{number}&From=%2B1999&Body=21%20%C2%B0%20%26%20more");
            Some(RequestBody::Text(vec![text(&form)]))
        };
        assert_eq!((&first.body, &second.body), (&form("12025550100"), &form("12025550101")));
        assert_eq!(steps.emissions.len(), 1);
        assert!(steps.emissions[0].message.is_none(), "{:?}", steps.emissions);
    }

    #[test]
    fn sns_gets_a_number_where_a_topic_stands_else() {
        let configuration = r#"{"numbersToTemplate": "+12025550100", "smsMessageTemplate": "hot", "smsProviderConfiguration":
            {"type": "AWS_SNS", "accessKeyId": "a", "secretAccessKey": "${secret:aws}", "region": "eu-west-1"}}"#;
        let steps = sent(configuration, "").expect("one publish");
        let [Effect::Publish(publish)] = &steps.effects[..] else {
            panic!("{:?}", steps.effects)
        };
        assert_eq!(
            (publish.broker.as_str(), publish.topic.as_str()),
            ("https://sns.eu-west-1.amazonaws.com", "+12025550100")
        );
        assert_eq!(publish.payload, RequestBody::Text(vec![Piece::Text("hot".to_owned())]));
    }

    #[test]
    fn a_center_gets_a_text_for_each_number() {
        let configuration = r#"{"numbersToTemplate": "+12025550100,+12025550101", "smsMessageTemplate": "$[t] °", "smsProviderConfiguration":
            {"type": "SMPP", "protocolVersion": "3.4", "host": "center.test", "port": 2775, "systemId": "${secret:user}", "password": "${secret:word}",
             "systemType": "", "bindType": "TX", "serviceType": "", "sourceAddress": "", "sourceTon": 5, "sourceNpi": 0, "destinationTon": 5,
             "destinationNpi": 0, "addressRange": "", "codingScheme": 8}}"#;
        let steps = sent(configuration, "").expect("two publishes");
        assert_eq!((steps.effects.len(), steps.emissions.len()), (2, 1));
        for (effect, number) in steps.effects.iter().zip(["+12025550100", "+12025550101"]) {
            let Effect::Publish(publish) = effect else { panic!("{effect:?}") };
            assert_eq!(
                (publish.broker.as_str(), publish.topic.as_str()),
                ("smpp://center.test:2775", number)
            );
            assert_eq!(publish.payload, RequestBody::Text(vec![Piece::Text("21 °".to_owned())]));
            let secret = |name: &str| vec![Piece::Secret(name.to_owned())];
            assert_eq!(publish.basic_auth, Some((secret("user"), secret("word"))));
            assert!(
                publish.options.contains(&("coding".to_owned(), "8".to_owned())),
                "{:?}",
                publish.options
            );
        }
    }

    #[test]
    fn the_servers_own_account_is_named_and_nothing_of_it() {
        for provider in [
            "null",
            r#"{"type": "TWILIO", "numberFrom": "+1", "accountSid": "a", "accountToken": "b"}"#,
            r#"{"type": "SMPP", "host": null, "bindType": "RX"}"#,
        ] {
            let configuration = r#"{"numbersToTemplate": "${phones}", "smsMessageTemplate": "$[t] degrees", "useSystemSmsSettings": true,
                "smsProviderConfiguration": PROVIDER}"#;
            let steps = sent(&configuration.replace("PROVIDER", provider), "+12025550100,+12025550101").expect("two publishes");
            let text = RequestBody::Text(vec![Piece::Text("21 degrees".to_owned())]);
            assert_eq!(steps.effects.len(), 2);
            for (effect, number) in steps.effects.iter().zip(["+12025550100", "+12025550101"]) {
                let Effect::Publish(publish) = effect else { panic!("{effect:?}") };
                assert_eq!((publish.broker.as_str(), publish.topic.as_str()), ("server:sms", number));
                assert_eq!(publish.payload, text);
                assert!(publish.basic_auth.is_none() && publish.options.is_empty());
            }
            assert!(steps.emissions[0].message.is_none());
        }
    }

    #[test]
    fn what_cannot_be_sent_is_refused() {
        for phones in [
            "",
            " , ",
            "12025550100",
            "+12",
            "+1202555a100",
            "+1234567890123456",
            &"+12025550100,".repeat(51),
        ] {
            assert!(sent(TWILIO_ONE, phones).is_err(), "{phones}");
        }
        for (change, says) in [
            (("\"TWILIO\"", "\"SMPP\""), "systemId"),
            (("\"TWILIO\"", "\"SMS\""), "SMPP"),
            (("\"numberFrom\": \"+1999\"", "\"numberFrom\": \"\""), "numberFrom"),
        ] {
            let refused = SendSms::open(&TWILIO_ONE.replace(change.0, change.1)).map(drop).expect_err(says);
            assert!(refused.contains(says), "{refused}");
        }
        assert!(SendSms::open(SendSms::descriptor().default_configuration).is_ok());
    }
}
