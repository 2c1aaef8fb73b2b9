//! send email: hands a mail that the node to email has made to a server outside.

use pacificsoft_sdk::template::Template;
use pacificsoft_sdk::{Descriptor, Effect, Message, Outcome, Piece, Publish, RequestBody, RuleNode};
use serde::Deserialize;

use crate::address::address;
use crate::to_email::SEND_EMAIL;
use crate::way::{ProxySettings, Way};

/// The mail server that the system's administrator has set.
const BY_SERVER: &str = "server:mail";

/// The node.
pub struct SendEmail {
    server: String,
    login: Option<(Template, Template)>,
    /// None: how the server is spoken to is its administrator's to say.
    start_tls: Option<bool>,
    timeout_ms: u32,
    way: Option<Way>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Configuration {
    #[serde(default)]
    use_system_smtp_settings: bool,
    #[serde(default)]
    smtp_host: Option<String>,
    #[serde(default)]
    smtp_port: Option<u32>,
    #[serde(default)]
    username: Option<String>,
    #[serde(default)]
    password: Option<String>,
    #[serde(default)]
    smtp_protocol: Option<String>,
    #[serde(default)]
    timeout: Option<u32>,
    #[serde(default)]
    enable_tls: bool,
}

impl RuleNode for SendEmail {
    const RELATIONS: &'static [&'static str] = &["Success", "Failure"];

    fn descriptor() -> Descriptor {
        Descriptor {
            type_name: "send-email",
            class_ids: &["org.thingsboard.rule.engine.mail.TbSendEmailNode"],
            title: "send email",
            family: "EXTERNAL",
            description: "Sends a mail over a server outside.",
            details: "The message has to be of the type SEND_EMAIL, as the node to email makes it; it goes on when the server has taken the mail. User \
                      name and password may hold ${secret:name}. The server has to be on the tenant's list, as smtp://host:port, or smtps://host:port \
                      with the protocol smtps. enableTls: the conversation becomes secret (STARTTLS), or nothing is sent; TLS is 1.2 or 1.3, whatever \
                      tlsVersion says. useSystemSmtpSettings: the mail goes over the mail server that the system's administrator has set, and \
                      nothing else of the configuration counts. That server need not be on the list; the mail comes from the sender that is \
                      set there, answers go to the one of the mail, and a tenant has 100 receivers a minute and 1000 an hour. Where none is \
                      set, mails fail. enableProxy: the server is reached through a tunnel that the proxy at proxyHost and proxyPort opens, with \
                      proxyUser and proxyPassword if given; the proxy has to be on the list, too, as http://host:port, and looks the server's \
                      name up itself.",
            icon: "send",
            configuration_schema: r#"{"type":"object","properties":{"useSystemSmtpSettings":{"type":"boolean"},"smtpHost":{"type":["string","null"]},"smtpPort":{"type":["integer","null"],"minimum":1,"maximum":65535},"username":{"type":["string","null"]},"password":{"type":["string","null"]},"smtpProtocol":{"enum":["smtp","smtps"]},"timeout":{"type":"integer","minimum":0,"maximum":300000},"enableTls":{"type":"boolean"},"tlsVersion":{"type":["string","null"]},"enableProxy":{"type":"boolean"},"proxyHost":{"type":["string","null"]},"proxyPort":{"type":["integer","string","null"],"minimum":0,"maximum":65535},"proxyUser":{"type":["string","null"]},"proxyPassword":{"type":["string","null"]}}}"#,
            default_configuration: r#"{"useSystemSmtpSettings":true,"smtpHost":"localhost","smtpPort":25,"username":null,"password":null,"smtpProtocol":"smtp","timeout":10000,"enableTls":false,"tlsVersion":"TLSv1.2","enableProxy":false}"#,
            effects: &["publish"],
            ..Descriptor::new()
        }
    }

    fn open(configuration: &str) -> Result<Self, String> {
        let own: Configuration = serde_json::from_str(configuration).map_err(|error| error.to_string())?;
        if own.use_system_smtp_settings {
            return Ok(SendEmail {
                server: BY_SERVER.to_owned(),
                login: None,
                start_tls: None,
                timeout_ms: 0,
                way: None,
            });
        }
        let way: ProxySettings = serde_json::from_str(configuration).map_err(|error| error.to_string())?;
        let scheme = match own.smtp_protocol.as_deref() {
            None | Some("smtp") => "smtp://",
            Some("smtps") => "smtps://",
            _ => return Err("smtpProtocol: there are smtp and smtps".to_owned()),
        };
        let server =
            address(&own.smtp_host.unwrap_or_default(), own.smtp_port.unwrap_or_default()).map_err(|wrong| ["smtp ", &wrong].concat())?;
        let login = own.username.filter(|user| !user.is_empty());
        Ok(SendEmail {
            server: [scheme, &server].concat(),
            login: login.map(|user| (Template::parse(&user), Template::parse(&own.password.unwrap_or_default()))),
            // Over smtps it is secret already.
            start_tls: Some(own.enable_tls && scheme == "smtp://"),
            timeout_ms: own.timeout.unwrap_or_default(),
            way: way.way()?,
        })
    }

    fn process(&mut self, message: &Message) -> Result<Outcome, String> {
        let kind = message.kind();
        if kind != SEND_EMAIL {
            return Err([
                "a message of the type ",
                &kind,
                " is no mail: that is SEND_EMAIL, which the node to email makes",
            ]
            .concat());
        }
        let field = |name: &str| message.text(name).unwrap_or_default();
        let body = RequestBody::Text(vec![Piece::Text(field("body"))]);
        let mut publish = Publish::new(self.server.as_str(), field("to"), body);
        publish.basic_auth = self
            .login
            .as_ref()
            .map(|(user, password)| (user.pieces(message), password.pieces(message)));
        for name in ["from", "cc", "bcc", "subject"] {
            publish.options.push((name.to_owned(), field(name)));
        }
        let flag = |on: bool| if on { "true" } else { "false" }.to_owned();
        publish
            .options
            .push(("html".to_owned(), flag(message.boolean("html") == Some(true))));
        if let Some(start_tls) = self.start_tls {
            publish.options.push(("start-tls".to_owned(), flag(start_tls)));
        }
        publish.timeout_ms = self.timeout_ms;
        publish.proxy = self.way.as_ref().map(|way| way.proxy(message));
        Ok(Outcome::Effect(Effect::Publish(publish)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pacificsoft_sdk::testing::TestMessage;

    const MAIL: &str =
        r#"{"from": "a@b.test", "to": "c@d.test", "cc": "", "bcc": null, "subject": "s", "body": "${secret:word}", "html": true}"#;

    fn sent(configuration: &str) -> Publish {
        let mut node = SendEmail::open(configuration).expect("valid");
        match node.process(&TestMessage::new(SEND_EMAIL, MAIL).message()) {
            Ok(Outcome::Effect(Effect::Publish(publish))) => publish,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_configuration_of_a_chains_file_is_understood() {
        let configuration = r#"{"useSystemSmtpSettings": false, "smtpHost": "mail.test", "smtpPort": 587, "username": "u", "password": "${secret:word}",
            "smtpProtocol": "smtp", "timeout": 5000, "enableTls": true, "tlsVersion": "TLSv1.2", "enableProxy": false, "proxyHost": null}"#;
        let told = sent(configuration);
        assert_eq!(
            (told.broker.as_str(), told.topic.as_str(), told.timeout_ms),
            ("smtp://mail.test:587", "c@d.test", 5000)
        );
        let login = (vec![Piece::Text("u".to_owned())], vec![Piece::Secret("word".to_owned())]);
        assert_eq!(told.basic_auth, Some(login));
        let text = RequestBody::Text(vec![Piece::Text("${secret:word}".to_owned())]);
        assert_eq!(told.payload, text, "data names no secret");
        let options: Vec<(&str, &str)> = told.options.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(
            options,
            [
                ("from", "a@b.test"),
                ("cc", ""),
                ("bcc", ""),
                ("subject", "s"),
                ("html", "true"),
                ("start-tls", "true")
            ]
        );
        let told = sent(r#"{"smtpHost": "m", "smtpPort": 465, "smtpProtocol": "smtps", "enableTls": true}"#);
        assert_eq!((told.broker.as_str(), told.basic_auth.is_none()), ("smtps://m:465", true));
        assert!(told.options.contains(&("start-tls".to_owned(), "false".to_owned())));
        assert!(SendEmail::open(SendEmail::descriptor().default_configuration).is_ok());
    }

    #[test]
    fn the_servers_own_mail_server_is_named_and_nothing_of_it() {
        for configuration in [
            r#"{"useSystemSmtpSettings": true, "smtpHost": "mail.test", "smtpPort": 587, "username": "u", "password": "p", "smtpProtocol": "imap",
                "timeout": 5000, "enableTls": true, "tlsVersion": "TLSv1.2", "enableProxy": true}"#,
            r#"{"useSystemSmtpSettings": true, "smtpHost": null, "smtpPort": null, "smtpProtocol": null, "timeout": null}"#,
        ] {
            let told = sent(configuration);
            assert_eq!(
                (told.broker.as_str(), told.topic.as_str(), told.timeout_ms),
                ("server:mail", "c@d.test", 0)
            );
            assert!(told.basic_auth.is_none() && told.tls.is_none());
            let names: Vec<&str> = told.options.iter().map(|(name, _)| name.as_str()).collect();
            assert_eq!(names, ["from", "cc", "bcc", "subject", "html"]);
        }
    }

    #[test]
    fn a_mail_goes_by_way_of_a_proxy() {
        let host = r#""smtpHost": "m", "smtpPort": 25, "enableProxy": true, "proxyHost": "p", "proxyPort": "3128""#;
        let told = sent(&format!(r#"{{{host}, "proxyUser": "u", "proxyPassword": "${{secret:word}}"}}"#))
            .proxy
            .expect("a proxy");
        let login = (vec![Piece::Text("u".to_owned())], vec![Piece::Secret("word".to_owned())]);
        assert_eq!((told.address.as_str(), told.basic_auth), ("http://p:3128", Some(login)));
        let told = sent(&format!(r#"{{{host}, "proxyUser": null, "proxyPassword": null}}"#))
            .proxy
            .expect("a proxy");
        assert!(told.basic_auth.is_none());
        assert!(
            sent(r#"{"smtpHost": "m", "smtpPort": 25, "enableProxy": false, "proxyHost": "p", "proxyPort": 1}"#)
                .proxy
                .is_none()
        );
    }

    #[test]
    fn what_is_no_mail_fails() {
        let mut node = SendEmail::open(SendEmail::descriptor().default_configuration).expect("valid");
        let told = node.process(&TestMessage::telemetry(MAIL).message()).expect_err("no mail");
        assert!(told.contains("SEND_EMAIL"), "{told}");
    }

    #[test]
    fn what_cannot_be_done_is_refused_when_the_node_opens() {
        for (configuration, says) in [
            (r#"{"smtpHost": "", "smtpPort": 25}"#, "smtp host is empty"),
            (r#"{"smtpHost": "a"}"#, "smtp port"),
            (r#"{"smtpHost": "a", "smtpPort": 25, "smtpProtocol": "imap"}"#, "smtpProtocol"),
            (
                r#"{"smtpHost": "a", "smtpPort": 25, "enableProxy": true}"#,
                "the proxy's host is empty",
            ),
            (
                r#"{"smtpHost": "a", "smtpPort": 25, "enableProxy": true, "proxyHost": "p", "proxyPort": "many"}"#,
                "the proxy's port",
            ),
        ] {
            let told = SendEmail::open(configuration).map(drop).expect_err(configuration);
            assert!(told.contains(says), "{told}");
        }
    }
}
