//! rest api call: sends a request to a server outside; its answer becomes the message.

use std::collections::BTreeMap;

use pacificsoft_sdk::template::Template;
use pacificsoft_sdk::{Descriptor, Effect, HttpRequest, Message, Outcome, RequestBody, RuleNode};
use serde::Deserialize;

use crate::credentials::{Credentials, Login};
use crate::payload::payload;
use crate::way::{ProxySettings, Way};

/// The node.
pub struct RestApiCall {
    method: String,
    url: Template,
    headers: Vec<(Template, Template)>,
    login: Login,
    body: Body,
    timeout_ms: u32,
    response_bytes_max: u32,
    way: Option<Way>,
}

/// What is sent.
enum Body {
    Nothing,
    /// The message's data; `plain`: text without its quotation marks.
    Data {
        plain: bool,
    },
    Template(Template),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Configuration {
    rest_endpoint_url_pattern: String,
    #[serde(default = "post")]
    request_method: String,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    #[serde(default)]
    read_timeout_ms: u32,
    #[serde(default, alias = "trimDoubleQuotes")]
    parse_to_plain_text: bool,
    #[serde(default)]
    credentials: Option<Credentials>,
    #[serde(default)]
    ignore_request_body: bool,
    #[serde(default)]
    request_body_template: Option<String>,
    #[serde(default)]
    max_in_memory_buffer_size_in_kb: u32,
}

fn post() -> String {
    "POST".to_owned()
}

const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
/// Methods that send the message's data.
const WITH_BODY: [&str; 4] = ["POST", "PUT", "PATCH", "DELETE"];

impl RuleNode for RestApiCall {
    const RELATIONS: &'static [&'static str] = &["Success", "Failure"];

    fn descriptor() -> Descriptor {
        Descriptor {
            type_name: "rest-api-call",
            class_ids: &["org.thingsboard.rule.engine.rest.TbRestApiCallNode"],
            title: "rest api call",
            family: "EXTERNAL",
            description: "Sends a request to a server outside; its answer becomes the data.",
            details: "URL, headers, user name, password, certificates, keys (PEM), their password and body may hold ${metadata key}, $[data key] \
                      and ${secret:name}. The server has to be on the tenant's list. With enableProxy requests go by way of proxyHost and proxyPort, \
                      with proxyUser and proxyPassword if given: the proxy has to be on the list, too, as http://host:port, and looks the server's \
                      name up by itself. With useSystemProxyProperties it is the one that the server's operator has named. Metadata of the answer: status, statusCode, statusReason and every header; of a refusal error_body, too.",
            icon: "call_made",
            configuration_schema: r#"{"type":"object","required":["restEndpointUrlPattern"],"properties":{"restEndpointUrlPattern":{"type":"string"},"requestMethod":{"enum":["GET","HEAD","POST","PUT","PATCH","DELETE","OPTIONS"]},"headers":{"type":"object","additionalProperties":{"type":"string"}},"readTimeoutMs":{"type":"integer","minimum":0,"maximum":300000},"parseToPlainText":{"type":"boolean"},"ignoreRequestBody":{"type":"boolean"},"requestBodyTemplate":{"type":["string","null"]},"maxInMemoryBufferSizeInKb":{"type":"integer","minimum":0},"enableProxy":{"type":"boolean"},"useSystemProxyProperties":{"type":"boolean"},"proxyHost":{"type":["string","null"]},"proxyPort":{"type":["integer","string","null"],"minimum":0,"maximum":65535},"proxyUser":{"type":["string","null"]},"proxyPassword":{"type":["string","null"]},"credentials":{"type":"object","required":["type"],"properties":{"type":{"enum":["anonymous","basic","cert.PEM"]},"username":{"type":"string"},"password":{"type":["string","null"]},"caCert":{"type":["string","null"]},"cert":{"type":["string","null"]},"privateKey":{"type":["string","null"]}}}}}"#,
            default_configuration: r#"{"restEndpointUrlPattern":"https://localhost/api","requestMethod":"POST","headers":{"Content-Type":"application/json"},"readTimeoutMs":0,"parseToPlainText":false,"ignoreRequestBody":false,"credentials":{"type":"anonymous"},"maxInMemoryBufferSizeInKb":256}"#,
            version: 4,
            effects: &["http-request"],
            ..Descriptor::new()
        }
    }

    fn open(configuration: &str) -> Result<Self, String> {
        let own: Configuration = serde_json::from_str(configuration).map_err(|error| error.to_string())?;
        let proxy: ProxySettings = serde_json::from_str(configuration).map_err(|error| error.to_string())?;
        let method = own.request_method.to_ascii_uppercase();
        if !METHODS.contains(&method.as_str()) {
            return Err(["requestMethod is none of ", &METHODS.join(", ")].concat());
        }
        let login = Login::read(own.credentials)?;
        let body = match own.request_body_template.filter(|text| !text.is_empty()) {
            _ if own.ignore_request_body || !WITH_BODY.contains(&method.as_str()) => Body::Nothing,
            Some(template) => Body::Template(Template::parse(&template)),
            None => Body::Data {
                plain: own.parse_to_plain_text,
            },
        };
        let header = |(name, value): (&String, &String)| (Template::parse(name), Template::parse(value));
        Ok(RestApiCall {
            method,
            url: Template::parse(own.rest_endpoint_url_pattern.trim()),
            headers: own.headers.iter().map(header).collect(),
            login,
            body,
            timeout_ms: own.read_timeout_ms,
            response_bytes_max: own.max_in_memory_buffer_size_in_kb.saturating_mul(1024),
            way: proxy.way()?,
        })
    }

    fn process(&mut self, message: &Message) -> Result<Outcome, String> {
        let body = match &self.body {
            Body::Nothing => None,
            Body::Template(template) => Some(RequestBody::Text(template.pieces(message))),
            Body::Data { plain } => Some(payload(message, *plain)),
        };
        Ok(Outcome::Effect(Effect::HttpRequest(HttpRequest {
            method: self.method.clone(),
            url: self.url.pieces(message),
            headers: self
                .headers
                .iter()
                .map(|(name, value)| (name.fill(message), value.pieces(message)))
                .collect(),
            basic_auth: self.login.basic_auth(message),
            tls: self.login.tls(message),
            body,
            timeout_ms: self.timeout_ms,
            response_bytes_max: self.response_bytes_max,
            proxy: self.way.as_ref().map(|way| way.proxy(message)),
            accepted_if: None,
        })))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pacificsoft_sdk::Proxy;
    use pacificsoft_sdk::testing::TestMessage;
    use pacificsoft_sdk::{Content, Piece};

    fn asked(configuration: &str, message: &TestMessage) -> HttpRequest {
        let mut node = RestApiCall::open(configuration).expect("valid");
        match node.process(&message.message()) {
            Ok(Outcome::Effect(Effect::HttpRequest(request))) => request,
            other => panic!("{other:?}"),
        }
    }

    fn text(text: &str) -> Piece {
        Piece::Text(text.to_owned())
    }

    fn secret(name: &str) -> Piece {
        Piece::Secret(name.to_owned())
    }

    #[test]
    fn a_certificate_is_shown_with_the_request() {
        let configuration =
            r#"{"restEndpointUrlPattern": "https://a", "credentials": {"type": "cert.PEM", "cert": "PEM", "privateKey": "${secret:key}"}}"#;
        let request = asked(configuration, &TestMessage::telemetry("{}"));
        let identity = request.tls.and_then(|tls| tls.identity).expect("a certificate");
        assert_eq!((identity.certificates, identity.key), (vec![text("PEM")], vec![secret("key")]));
        assert_eq!((identity.password, request.basic_auth, request.proxy), (None, None, None));
    }

    #[test]
    fn a_request_goes_by_way_of_a_proxy() {
        let way = |more: &str| {
            let configuration = format!(r#"{{"restEndpointUrlPattern": "https://a", "enableProxy": true, {more}}}"#);
            asked(&configuration, &TestMessage::telemetry("{}").with("m", "x")).proxy
        };
        let proxy = |address: &str, basic_auth| {
            Some(Proxy {
                address: address.to_owned(),
                basic_auth,
            })
        };
        let host = r#""proxyHost": " proxy.test", "proxyPort": 3128, "useSystemProxyProperties": false"#;
        assert_eq!(way(host), proxy("http://proxy.test:3128", None));
        assert_eq!(way(r#""proxyHost": "::1", "proxyPort": 1"#), proxy("http://[::1]:1", None));
        let nobody = format!(r#"{host}, "proxyUser": "", "proxyPassword": "p""#);
        assert_eq!(way(&nobody), proxy("http://proxy.test:3128", None));
        let login = |password| Some((vec![text("u")], password));
        let own = r#""useSystemProxyProperties": true, "proxyHost": "a", "proxyPort": 1, "proxyUser": "u""#;
        assert_eq!(way(own), proxy("server:proxy", None));
        let known = format!(r#"{host}, "proxyUser": "u", "proxyPassword": "${{secret:word}}""#);
        assert_eq!(way(&known), proxy("http://proxy.test:3128", login(vec![secret("word")])));
    }

    #[test]
    fn a_configuration_of_a_chains_file_is_understood() {
        let configuration = r#"{"restEndpointUrlPattern": "https://api.test/${deviceName}?t=$[t]", "requestMethod": "PUT", "headers": {"X-${deviceName}": "${secret:key}"},
            "readTimeoutMs": 500, "maxParallelRequestsCount": 0, "parseToPlainText": false, "enableProxy": false, "useSystemProxyProperties": false,
            "proxyHost": null, "proxyPort": 0, "proxyUser": null, "proxyPassword": null, "ignoreRequestBody": false, "maxInMemoryBufferSizeInKb": 2,
            "credentials": {"type": "basic", "username": "u", "password": "${secret:word}"}}"#;
        let message = TestMessage::telemetry(r#"{"t": 25}"#).with("deviceName", "D1");
        let request = asked(configuration, &message);
        assert_eq!(
            (request.method.as_str(), request.timeout_ms, request.response_bytes_max),
            ("PUT", 500, 2048)
        );
        assert_eq!(request.url, [text("https://api.test/D1?t=25")]);
        assert_eq!(request.headers, [("X-D1".to_owned(), vec![secret("key")])]);
        assert_eq!(request.basic_auth, Some((vec![text("u")], vec![secret("word")])));
        assert!(matches!(request.body, Some(RequestBody::Content(Content::Payload(path))) if path.is_empty()));
    }

    #[test]
    fn what_a_device_sends_names_no_secret() {
        let configuration = r#"{"restEndpointUrlPattern": "https://api.test/$[v]", "headers": {"X-A": "${m}"}, "requestBodyTemplate": "{\"v\": \"$[v]\"}"}"#;
        let message = TestMessage::telemetry(r#"{"v": "${secret:key}"}"#)
            .with("m", "${secret:key}")
            .with("secret:key", "mine");
        let request = asked(configuration, &message);
        assert_eq!(request.url, [text("https://api.test/${secret:key}")]);
        assert_eq!(request.headers[0].1, [text("${secret:key}")]);
        assert_eq!(request.body, Some(RequestBody::Text(vec![text(r#"{"v": "${secret:key}"}"#)])));
    }

    #[test]
    fn bodies_are_sent_as_the_configuration_says() {
        let body = |more: &str, payload: &str| {
            let configuration = format!(r#"{{"restEndpointUrlPattern": "https://api.test"{more}}}"#);
            asked(&configuration, &TestMessage::telemetry(payload)).body
        };
        let whole = Some(RequestBody::Content(Content::whole()));
        assert_eq!(body("", r#"{"a": 1}"#), whole);
        assert_eq!(body(r#", "requestMethod": "GET""#, "{}"), None);
        assert_eq!(body(r#", "requestMethod": "delete""#, "{}"), whole);
        assert_eq!(body(r#", "ignoreRequestBody": true"#, "{}"), None);
        assert_eq!(
            body(r#", "parseToPlainText": true"#, r#""hot""#),
            Some(RequestBody::Text(vec![text("hot")]))
        );
        assert_eq!(body(r#", "parseToPlainText": true"#, r#"{"a": 1}"#), whole);
        assert_eq!(body("", r#""hot""#), whole);
        assert_eq!(
            body(r#", "requestBodyTemplate": "$[a] ${secret:s}""#, r#"{"a": 1}"#),
            Some(RequestBody::Text(vec![text("1 "), secret("s")]))
        );
    }

    #[test]
    fn what_cannot_be_done_is_refused_when_the_node_opens() {
        for (configuration, says) in [
            ("{}", "restEndpointUrlPattern"),
            (
                r#"{"restEndpointUrlPattern": "https://a", "requestMethod": "CONNECT"}"#,
                "requestMethod",
            ),
            (
                r#"{"restEndpointUrlPattern": "https://a", "enableProxy": true}"#,
                "the proxy's host is empty",
            ),
            (
                r#"{"restEndpointUrlPattern": "https://a", "enableProxy": true, "proxyHost": "a", "proxyPort": 0}"#,
                "the proxy's port",
            ),
            (
                r#"{"restEndpointUrlPattern": "https://a", "credentials": {"type": "cert.PEM", "cert": "PEM"}}"#,
                "belong together",
            ),
        ] {
            let told = RestApiCall::open(configuration).map(drop).expect_err(configuration);
            assert!(told.contains(says), "{told}");
        }
        assert!(RestApiCall::open(RestApiCall::descriptor().default_configuration).is_ok());
    }
}
