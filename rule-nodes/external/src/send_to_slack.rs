//! send to slack: posts a text to a conversation at Slack.

use pacificsoft_sdk::template::Template;
use pacificsoft_sdk::{Content, Descriptor, Effect, HttpRequest, Message, Outcome, RuleNode};
use serde::Deserialize;
use serde_json::json;

/// Where Slack is.
const SLACK: &str = "https://slack.com";
const CONVERSATION_TYPES: [&str; 3] = ["DIRECT", "PUBLIC_CHANNEL", "PRIVATE_CHANNEL"];

/// The token of the tenant's settings.
const OF_TENANT: &str = "${secret:slack-bot-token}";

/// The node.
pub struct SendToSlack {
    url: String,
    /// With the word before it that the header has.
    token: Template,
    /// The conversation's id at Slack.
    channel: String,
    text: Template,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Configuration {
    #[serde(default)]
    bot_token: Option<String>,
    #[serde(default)]
    use_system_settings: bool,
    message_template: String,
    #[serde(default)]
    conversation_type: Option<String>,
    #[serde(default)]
    conversation: Option<Conversation>,
    #[serde(default)]
    endpoint: Option<String>,
}

/// What a configuration says of a conversation beside its id is for people.
#[derive(Deserialize)]
struct Conversation {
    #[serde(default)]
    id: String,
}

impl RuleNode for SendToSlack {
    const RELATIONS: &'static [&'static str] = &["Success", "Failure"];

    fn descriptor() -> Descriptor {
        Descriptor {
            type_name: "send-to-slack",
            class_ids: &["org.thingsboard.rule.engine.notification.TbSlackNode"],
            title: "send to slack",
            family: "EXTERNAL",
            description: "Posts a text to a conversation at Slack.",
            details: "The text goes to the channel or the person whose id at Slack (C0123456789) conversation names; the bot has to be in a private \
                      channel. The text may hold ${metadata key} and $[data key]; what they stand for is shown as it is: it mentions nobody and links \
                      nowhere. botToken may hold ${secret:name}: no component sees it. Slack has to be on the tenant's list, as https://slack.com; \
                      endpoint names another place where it is. The message goes on as it was along Success, when Slack has taken the text; else along \
                      Failure, with Slack's answer as metadata error_body, where error says why, such as channel_not_found. \
                      useSystemSettings: the token is the one of the tenant's settings, which its administrator sets (POST \
                      /api/notification/settings) and which is kept as the tenant's secret slack-bot-token; botToken does not count.",
            icon: "forum",
            configuration_schema: r#"{"type":"object","required":["messageTemplate","conversation"],"properties":{"botToken":{"type":["string","null"]},"useSystemSettings":{"type":"boolean"},"messageTemplate":{"type":"string","minLength":1},"conversationType":{"enum":["DIRECT","PUBLIC_CHANNEL","PRIVATE_CHANNEL",null]},"conversation":{"type":"object","required":["id"],"properties":{"id":{"type":"string","minLength":1},"name":{"type":["string","null"]}}},"endpoint":{"type":["string","null"]}}}"#,
            default_configuration: r#"{"botToken":null,"useSystemSettings":true,"messageTemplate":"Device ${deviceName} has temperature $[temperature]","conversationType":"PUBLIC_CHANNEL","conversation":{"type":"PUBLIC_CHANNEL","id":"C0123456789","name":"general"}}"#,
            effects: &["http-request"],
            ..Descriptor::new()
        }
    }

    fn open(configuration: &str) -> Result<Self, String> {
        let own: Configuration = serde_json::from_str(configuration).map_err(|error| error.to_string())?;
        let token = match own.use_system_settings {
            true => OF_TENANT,
            false => own.bot_token.as_deref().unwrap_or_default().trim(),
        };
        if token.is_empty() || own.message_template.is_empty() {
            return Err("botToken or messageTemplate is empty".to_owned());
        }
        if own
            .conversation_type
            .is_some_and(|given| !CONVERSATION_TYPES.contains(&given.as_str()))
        {
            return Err(["conversationType is none of ", &CONVERSATION_TYPES.join(", ")].concat());
        }
        let channel = own.conversation.map(|conversation| conversation.id.trim().to_owned());
        let channel = channel.filter(|id| !id.is_empty()).ok_or("conversation has no id")?;
        let endpoint = own.endpoint.filter(|given| !given.is_empty());
        Ok(SendToSlack {
            url: [endpoint.as_deref().unwrap_or(SLACK), "/api/chat.postMessage"].concat(),
            token: Template::parse(&["Bearer ", token].concat()),
            channel,
            text: Template::parse(&own.message_template),
        })
    }

    fn process(&mut self, message: &Message) -> Result<Outcome, String> {
        let text = self.text.fill_with(message, add_plain);
        let body = json!({"channel": self.channel, "text": text}).to_string();
        let request = HttpRequest::new("POST", self.url.as_str())
            .with_header("Authorization", self.token.pieces(message))
            .with_header("Content-Type", "application/json; charset=utf-8")
            .with_json(Content::Json(body))
            .accepted_if("/ok");
        Ok(Outcome::Effect(Effect::HttpRequest(request)))
    }
}

/// Adds what a message says, so that it means nothing to Slack but itself: a device that sends `<!channel>` calls nobody (Slack's documentation,
/// “escaping text”).
fn add_plain(text: &mut String, value: &str) {
    for letter in value.chars() {
        match letter {
            '&' => text.push_str("&amp;"),
            '<' => text.push_str("&lt;"),
            '>' => text.push_str("&gt;"),
            other => text.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pacificsoft_sdk::testing::TestMessage;
    use pacificsoft_sdk::{Piece, RequestBody};
    use serde_json::Value as Json;

    const TO_CHANNEL: &str = r#"{"botToken": "${secret:slack}", "useSystemSettings": false, "messageTemplate": "<!here> ${deviceName}: $[t]",
        "conversationType": "PUBLIC_CHANNEL", "conversation": {"type": "PUBLIC_CHANNEL", "id": "C1", "name": "general", "wholeName": "", "email": null}}"#;

    fn posted(configuration: &str, message: &TestMessage) -> (HttpRequest, Json) {
        let mut node = SendToSlack::open(configuration).expect("valid");
        let request = match node.process(&message.message()) {
            Ok(Outcome::Effect(Effect::HttpRequest(request))) => request,
            other => panic!("{other:?}"),
        };
        let Some(RequestBody::Content(Content::Json(body))) = &request.body else {
            panic!("{:?}", request.body)
        };
        let body = serde_json::from_str(body).expect("JSON");
        (request, body)
    }

    fn text(text: &str) -> Piece {
        Piece::Text(text.to_owned())
    }

    #[test]
    fn a_text_is_posted_in_the_name_of_the_bot() {
        let message = TestMessage::telemetry(r#"{"t": 21.5}"#).with("deviceName", "D1");
        let (request, body) = posted(TO_CHANNEL, &message);
        assert_eq!(
            (request.method.as_str(), &request.url[..]),
            ("POST", &[text("https://slack.com/api/chat.postMessage")][..])
        );
        let token = vec![text("Bearer "), Piece::Secret("slack".to_owned())];
        assert_eq!(request.headers[0], ("Authorization".to_owned(), token));
        assert_eq!(
            request.headers[1],
            ("Content-Type".to_owned(), vec![text("application/json; charset=utf-8")])
        );
        assert_eq!((request.headers.len(), request.basic_auth), (2, None));
        assert_eq!(request.accepted_if.as_deref(), Some("/ok"));
        assert_eq!(body, json!({"channel": "C1", "text": "<!here> D1: 21.5"}));
        let elsewhere = TO_CHANNEL.replacen('{', r#"{"endpoint": "https://slack-gov.com","#, 1);
        let (request, _) = posted(&elsewhere, &message);
        assert_eq!(request.url, [text("https://slack-gov.com/api/chat.postMessage")]);
    }

    #[test]
    fn the_tenants_own_bot_is_named() {
        let message = TestMessage::telemetry(r#"{"t": 21.5}"#).with("deviceName", "D1");
        for given in [r#""${secret:slack}""#, "null"] {
            let configuration = TO_CHANNEL
                .replacen(r#""useSystemSettings": false"#, r#""useSystemSettings": true"#, 1)
                .replacen(r#""${secret:slack}""#, given, 1);
            let (request, body) = posted(&configuration, &message);
            let token = vec![text("Bearer "), Piece::Secret("slack-bot-token".to_owned())];
            assert_eq!(request.headers[0], ("Authorization".to_owned(), token));
            assert_eq!(body["channel"], "C1");
        }
    }

    #[test]
    fn what_a_device_sends_stays_text() {
        for (sent, shown) in [
            (r#"", "channel": "C2"#, r#"", "channel": "C2"#),
            ("a\\\"}\n\u{1}ö\u{2028}", "a\\\"}\n\u{1}ö\u{2028}"),
            (
                "<!channel> <@U1> <https://a.test|safe>",
                "&lt;!channel&gt; &lt;@U1&gt; &lt;https://a.test|safe&gt;",
            ),
            ("&lt;!here&gt;", "&amp;lt;!here&amp;gt;"),
            ("${secret:slack}", "${secret:slack}"),
        ] {
            let message = TestMessage::telemetry(&json!({ "t": sent }).to_string()).with("deviceName", sent);
            let (request, body) = posted(TO_CHANNEL, &message);
            assert_eq!(body, json!({"channel": "C1", "text": format!("<!here> {shown}: {shown}")}));
            assert_eq!(request.headers[0].1[1], Piece::Secret("slack".to_owned()));
        }
    }

    #[test]
    fn what_cannot_be_posted_is_refused_when_the_node_opens() {
        for (from, to, says) in [
            (r#""${secret:slack}""#, r#"" ""#, "botToken"),
            (r#""${secret:slack}""#, "null", "botToken"),
            (
                r#""messageTemplate": "<!here> ${deviceName}: $[t]""#,
                r#""messageTemplate": """#,
                "messageTemplate",
            ),
            (r#""messageTemplate": "<!here> ${deviceName}: $[t]","#, "", "messageTemplate"),
            (
                r#""conversationType": "PUBLIC_CHANNEL""#,
                r#""conversationType": "GROUP""#,
                "DIRECT, PUBLIC_CHANNEL",
            ),
            (r#""id": "C1""#, r#""id": " ""#, "conversation has no id"),
            (r#""id": "C1", "#, "", "conversation has no id"),
        ] {
            let configuration = TO_CHANNEL.replacen(from, to, 1);
            assert_ne!(configuration, TO_CHANNEL, "{from}");
            let refused = SendToSlack::open(&configuration).map(drop).expect_err(says);
            assert!(refused.contains(says), "{refused}");
        }
        assert!(SendToSlack::open(SendToSlack::descriptor().default_configuration).is_ok());
    }
}
