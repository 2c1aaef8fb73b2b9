//! to email: makes a mail of the message. The node send email sends it.

use pacificsoft_sdk::template::Template;
use pacificsoft_sdk::{Content, Descriptor, Message, NewMessage, Outcome, RuleNode};
use serde::Deserialize;
use serde_json::json;

/// The type of a message that is a mail.
pub const SEND_EMAIL: &str = "SEND_EMAIL";

/// The node.
pub struct ToEmail {
    from: Template,
    to: Template,
    cc: Template,
    bcc: Template,
    subject: Template,
    body: Template,
    html: Html,
}

/// Whether the body is HTML.
enum Html {
    Always(bool),
    /// If this says `true`.
    Says(Template),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Configuration {
    from_template: String,
    to_template: String,
    #[serde(default)]
    cc_template: Option<String>,
    #[serde(default)]
    bcc_template: Option<String>,
    #[serde(default)]
    subject_template: Option<String>,
    #[serde(default)]
    body_template: Option<String>,
    #[serde(default)]
    is_html_template: Option<String>,
    #[serde(default)]
    mail_body_type: Option<String>,
}

impl RuleNode for ToEmail {
    const RELATIONS: &'static [&'static str] = &["Success", "Failure"];

    fn descriptor() -> Descriptor {
        Descriptor {
            type_name: "to-email",
            class_ids: &["org.thingsboard.rule.engine.mail.TbMsgToEmailNode"],
            title: "to email",
            family: "TRANSFORMATION",
            description: "Makes a mail of the message; the node send email sends it.",
            details: "All fields may hold ${metadata key} and $[data key]. The message becomes one of the type SEND_EMAIL, with from, to, cc, bcc, \
                      subject, body and html as its data.",
            icon: "email",
            configuration_schema: r#"{"type":"object","required":["fromTemplate","toTemplate"],"properties":{"fromTemplate":{"type":"string","minLength":1},"toTemplate":{"type":"string","minLength":1},"ccTemplate":{"type":["string","null"]},"bccTemplate":{"type":["string","null"]},"subjectTemplate":{"type":["string","null"]},"bodyTemplate":{"type":["string","null"]},"isHtmlTemplate":{"type":["string","null"]},"mailBodyType":{"enum":["false","true","dynamic",null]}}}"#,
            default_configuration: r#"{"fromTemplate":"info@testmail.org","toTemplate":"${userEmail}","subjectTemplate":"Device ${deviceType} temperature high","bodyTemplate":"Device ${deviceName} has high temperature $[temperature]","mailBodyType":"false"}"#,
            ..Descriptor::new()
        }
    }

    fn open(configuration: &str) -> Result<Self, String> {
        let own: Configuration = serde_json::from_str(configuration).map_err(|error| error.to_string())?;
        for (name, value) in [("fromTemplate", &own.from_template), ("toTemplate", &own.to_template)] {
            if value.is_empty() {
                return Err([name, " is empty"].concat());
            }
        }
        let html = match own.mail_body_type.as_deref() {
            None | Some("false") => Html::Always(false),
            Some("true") => Html::Always(true),
            Some("dynamic") => Html::Says(Template::parse(&own.is_html_template.unwrap_or_default())),
            Some(_) => return Err("mailBodyType: there are false, true and dynamic".to_owned()),
        };
        let template = |given: Option<String>| Template::parse(&given.unwrap_or_default());
        Ok(ToEmail {
            from: Template::parse(&own.from_template),
            to: Template::parse(&own.to_template),
            cc: template(own.cc_template),
            bcc: template(own.bcc_template),
            subject: template(own.subject_template),
            body: template(own.body_template),
            html,
        })
    }

    fn process(&mut self, message: &Message) -> Result<Outcome, String> {
        let html = match &self.html {
            Html::Always(html) => *html,
            Html::Says(template) => template.fill(message) == "true",
        };
        let fill = |template: &Template| template.fill(message);
        let mail = json!({
            "from": fill(&self.from), "to": fill(&self.to), "cc": fill(&self.cc), "bcc": fill(&self.bcc),
            "subject": fill(&self.subject), "body": fill(&self.body), "html": html,
        });
        Ok(Outcome::emit(
            "Success",
            NewMessage {
                kind: Some(SEND_EMAIL.to_owned()),
                payload: Some(Content::Json(mail.to_string())),
                ..NewMessage::with_json("")
            },
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pacificsoft_sdk::testing::TestMessage;
    use serde_json::Value as Json;

    fn mail(configuration: &str) -> (Option<String>, Json) {
        let message = TestMessage::telemetry(r#"{"t": 42, "rich": true}"#)
            .with("deviceName", "D1")
            .with("mail", "a@b.test");
        let mut node = ToEmail::open(configuration).expect("valid");
        let Ok(Outcome::Steps(steps)) = node.process(&message.message()) else {
            panic!("no message")
        };
        let told = steps.emissions[0].message.clone().expect("a new message");
        let Some(Content::Json(json)) = told.payload else {
            panic!("no data")
        };
        (told.kind, serde_json::from_str(&json).expect("JSON"))
    }

    #[test]
    fn a_message_becomes_a_mail() {
        let configuration = r#"{"fromTemplate": "info@b.test", "toTemplate": "${mail},c@d.test", "ccTemplate": null, "bccTemplate": "$[bcc]",
            "subjectTemplate": "${deviceName}", "bodyTemplate": "\"$[t]\" degrees", "isHtmlTemplate": "$[rich]", "mailBodyType": "dynamic"}"#;
        let (kind, mail) = mail(configuration);
        assert_eq!(kind.as_deref(), Some("SEND_EMAIL"));
        assert_eq!(
            mail,
            json!({"from": "info@b.test", "to": "a@b.test,c@d.test", "cc": "", "bcc": "$[bcc]", "subject": "D1", "body": "\"42\" degrees", "html": true})
        );
    }

    #[test]
    fn a_body_is_text_if_nothing_else_is_said() {
        for (said, html) in [
            ("", false),
            (r#", "mailBodyType": "true""#, true),
            (r#", "mailBodyType": "dynamic""#, false),
        ] {
            let (_, mail) = mail(&format!(r#"{{"fromTemplate": "a", "toTemplate": "b"{said}}}"#));
            assert_eq!(mail["html"], json!(html), "{said}");
        }
        assert!(ToEmail::open(ToEmail::descriptor().default_configuration).is_ok());
        for wrong in [
            r#"{"fromTemplate": "", "toTemplate": "b"}"#,
            r#"{"fromTemplate": "a", "toTemplate": "b", "mailBodyType": "html"}"#,
        ] {
            assert!(ToEmail::open(wrong).is_err(), "{wrong}");
        }
    }
}
