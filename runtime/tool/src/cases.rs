//! Files of messages: a node's configuration, the messages it is given, and what is expected of it. Comparing is pure.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result};
use plugins::{Content, Effect, HttpRequest, Outcome, Piece, ProcessError, Proxy, Publish, Relation, RequestBody, Tls};
use serde::Deserialize;
use serde_json::{Value as Json, json};

/// One file: one node, and what it is given in order.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cases {
    /// Name of the node type; may be left out when the component has one.
    pub node: Option<String>,
    /// Its configuration; left out: that of a new node.
    pub configuration: Option<Json>,
    /// Messages.
    pub messages: Vec<Case>,
}

/// One message and what is expected.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// Message type.
    #[serde(default = "telemetry")]
    pub kind: String,
    /// Id of the device it comes from; the same id is the same device. Left out: one device for all.
    pub device: Option<uuid::Uuid>,
    /// Metadata.
    #[serde(default)]
    pub metadata: BTreeMap<String, String>,
    /// Payload.
    pub payload: Json,
    /// Milliseconds since 1970-01-01 UTC.
    #[serde(default)]
    pub timestamp: i64,
    /// What is expected.
    pub expect: Expected,
}

fn telemetry() -> String {
    "POST_TELEMETRY_REQUEST".to_owned()
}

/// What is expected of a node. What is not written is not looked at.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub enum Expected {
    /// The message itself leaves along this relation, and nothing else happens.
    Relation(String),
    /// It fails, and the reason has these words.
    Failure {
        /// The words.
        failure: String,
    },
    /// Emissions and effects, in order.
    Answer(Answer),
}

/// Emissions and effects.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Answer {
    /// Each has a `relation`, and for a changed message `kind`, `metadata` and `payload`. Of objects only the given keys are compared.
    pub emissions: Vec<Json>,
    /// Each has one key, the effect's name, with its fields.
    pub effects: Vec<Json>,
}

impl Cases {
    /// Reads a file.
    ///
    /// # Errors
    /// When it cannot be read or is not understood.
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).with_context(|| format!("{} cannot be read", path.display()))?;
        serde_json::from_str(&text).with_context(|| format!("{} is not understood", path.display()))
    }
}

impl Expected {
    /// Compares with what a node did.
    ///
    /// # Errors
    /// The difference, in words.
    pub fn compare(&self, decided: &Result<Outcome, ProcessError>) -> Result<(), String> {
        let outcome = match (self, decided) {
            (Expected::Failure { failure }, Err(error)) if error.to_string().contains(failure) => return Ok(()),
            (Expected::Failure { failure }, other) => return Err(format!("expected a failure with {failure:?}, but {}", told(other))),
            (_, Err(_)) => return Err(format!("it did not work: {}", told(decided))),
            (_, Ok(outcome)) => outcome,
        };
        let told = describe(outcome);
        let wanted = match self {
            Expected::Relation(relation) => json!({"emissions": [{"relation": relation}], "effects": []}),
            Expected::Answer(answer) => json!({"emissions": answer.emissions, "effects": answer.effects}),
            Expected::Failure { .. } => return Ok(()),
        };
        let changed = matches!(self, Expected::Relation(_)) && outcome.emissions.iter().any(|emission| emission.message.is_some());
        if changed || !covers(&told, &wanted) {
            return Err(format!("expected {wanted}, but it answered {told}"));
        }
        Ok(())
    }
}

fn told(decided: &Result<Outcome, ProcessError>) -> String {
    match decided {
        Ok(outcome) => format!("it answered {}", describe(outcome)),
        Err(error) => format!("it failed: {error}"),
    }
}

/// Whether JSON has everything that is wanted: of objects the wanted keys, everything else alike.
fn covers(told: &Json, wanted: &Json) -> bool {
    match (told, wanted) {
        (Json::Object(told), Json::Object(wanted)) => wanted
            .iter()
            .all(|(key, wanted)| told.get(key).is_some_and(|told| covers(told, wanted))),
        (Json::Array(told), Json::Array(wanted)) => {
            told.len() == wanted.len() && told.iter().zip(wanted).all(|(told, wanted)| covers(told, wanted))
        }
        (Json::Number(told), Json::Number(wanted)) => told.as_f64() == wanted.as_f64(),
        _ => told == wanted,
    }
}

/// An outcome as JSON, in the words of the contract.
pub fn describe(outcome: &Outcome) -> Json {
    let emissions = outcome.emissions.iter().map(|emission| match &emission.message {
        None => json!({"relation": emission.relation.as_str()}),
        Some(message) => {
            let metadata: BTreeMap<&str, &str> = message.metadata.iter().map(|(key, value)| (&**key, &**value)).collect();
            json!({
                "relation": emission.relation.as_str(),
                "kind": message.kind.as_str(),
                "metadata": metadata,
                "payload": message.payload.json(),
            })
        }
    });
    json!({"emissions": emissions.collect::<Vec<_>>(), "effects": outcome.effects.iter().map(effect).collect::<Vec<_>>()})
}

/// An effect as JSON.
#[allow(unreachable_patterns, reason = "effects to come are shown in the platform's words")]
fn effect(effect: &Effect) -> Json {
    let content = |content: &Content| content.json().cloned().unwrap_or(Json::Null);
    match effect {
        Effect::SaveTimeSeries {
            ts_ms,
            ttl_s,
            values,
            keep,
            quiet,
            ..
        } => {
            json!({"save-time-series": {
                "timestamp": ts_ms, "ttl-seconds": ttl_s, "values": content(values), "keep": word(keep), "quiet": quiet,
            }})
        }
        Effect::SaveAttributes {
            scope,
            values,
            only_changed,
            notify_device,
            tell_chain,
            keep,
            quiet,
            ..
        } => {
            json!({"save-attributes": {
                "scope": scope.as_str(), "values": content(values), "only-changed": only_changed, "notify-device": notify_device,
                "tell-chain": tell_chain, "keep": word(keep), "quiet": quiet,
            }})
        }
        Effect::RaiseAlarm {
            alarm_type,
            severity,
            details,
            start_ms,
            end_ms,
            propagation,
            ..
        } => {
            json!({"raise-alarm": {
                "alarm-type": alarm_type, "severity": severity, "details": details.as_ref().map(content), "start-at": start_ms,
                "end-at": end_ms, "propagate": propagation.related,
                "propagate-relation-types": propagation.relation_types, "propagate-to-owner": propagation.owner,
                "propagate-to-tenant": propagation.tenant,
            }})
        }
        Effect::ClearAlarm { alarm_type, details, .. } => {
            json!({"clear-alarm": {"alarm-type": alarm_type, "details": details.as_ref().map(content)}})
        }
        Effect::SendRpc {
            method,
            params,
            timeout_ms,
            oneway,
            persistent,
            ..
        } => {
            json!({"send-rpc": {
                "method": method, "params": content(params), "timeout-ms": timeout_ms, "oneway": oneway, "persistent": persistent,
            }})
        }
        Effect::ReplyRpc {
            session,
            request_id,
            payload,
            ..
        } => json!({"reply-rpc": {"session": session, "request-id": request_id, "payload": content(payload)}}),
        Effect::ReplyRest { request_id, payload } => json!({"reply-rest": {"request-id": request_id, "payload": content(payload)}}),
        Effect::SaveRow { table, columns, ttl_s } => {
            json!({"save-row": {"table": table, "columns": content(columns), "ttl-seconds": ttl_s}})
        }
        Effect::HttpRequest(request) => json!({"http-request": http_request(request)}),
        Effect::Publish(publish) => json!({"publish": self::publish(publish)}),
        Effect::EnterChain { chain } => json!({"enter-chain": {"chain": chain}}),
        Effect::LeaveChain { relation } => json!({"leave-chain": {"relation": relation.as_ref().map(Relation::as_str)}}),
        Effect::ReportPresence { event, at_ms, .. } => {
            json!({"report-presence": {"event": word(event), "timestamp": at_ms}})
        }
        other => json!({"other": format!("{other:?}")}),
    }
}

/// One of several words, as the contract has it.
fn word(word: &impl std::fmt::Debug) -> String {
    format!("{word:?}").to_lowercase()
}

fn body(body: &RequestBody) -> Json {
    match body {
        RequestBody::Content(content) => content.json().cloned().unwrap_or(Json::Null),
        RequestBody::Text(pieces) => text(pieces),
    }
}

fn publish(publish: &Publish) -> Json {
    let options: BTreeMap<&str, &str> = publish
        .options
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    json!({
        "broker": publish.broker,
        "topic": publish.topic,
        "payload": body(&publish.payload),
        "basic-auth": publish.basic_auth.as_ref().map(login),
        "options": options,
        "timeout-ms": publish.timeout_ms,
        "tls": publish.tls.as_ref().map(tls),
    })
}

fn http_request(request: &HttpRequest) -> Json {
    let headers: BTreeMap<&str, Json> = request.headers.iter().map(|(name, value)| (name.as_str(), text(value))).collect();
    let body = request.body.as_ref().map(body);
    json!({
        "method": request.method,
        "url": text(&request.url),
        "headers": headers,
        "basic-auth": request.basic_auth.as_ref().map(login),
        "body": body,
        "timeout-ms": request.timeout_ms,
        "response-bytes-max": request.response_bytes_max,
        "tls": request.tls.as_ref().map(tls),
        "proxy": request.proxy.as_ref().map(proxy),
        "accepted-if": request.accepted_if,
    })
}

fn tls(tls: &Tls) -> Json {
    let identity = tls
        .identity
        .as_ref()
        .map(|one| json!({"certificates": text(&one.certificates), "key": text(&one.key), "password": one.password.as_deref().map(text)}));
    json!({"authorities": tls.authorities.as_deref().map(text), "identity": identity})
}

fn proxy(proxy: &Proxy) -> Json {
    json!({"address": proxy.address, "basic-auth": proxy.basic_auth.as_ref().map(login)})
}

/// User name and password.
fn login((user, password): &(Vec<Piece>, Vec<Piece>)) -> [Json; 2] {
    [text(user), text(password)]
}

/// A text with its secrets by name.
fn text(pieces: &[Piece]) -> Json {
    let shown = |piece: &Piece| match piece {
        Piece::Text(text) => text.clone(),
        Piece::Secret(name) => format!("${{secret:{name}}}"),
    };
    pieces.iter().map(shown).collect::<String>().into()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn expected(text: &str) -> Expected {
        serde_json::from_str(text).unwrap()
    }

    fn outcome(relation: &str) -> Result<Outcome, ProcessError> {
        let mut outcome = Outcome::default();
        outcome.emissions.push(plugins::Emission {
            relation: relation.into(),
            message: None,
        });
        Ok(outcome)
    }

    #[test]
    fn what_is_expected_is_compared() {
        let failed = Err(ProcessError::Rejected("no number".to_owned()));
        let fits = |wanted: &str, decided: &Result<Outcome, ProcessError>| expected(wanted).compare(decided).is_ok();
        assert!(fits(r#""True""#, &outcome("True")));
        assert!(!fits(r#""True""#, &outcome("False")));
        assert!(!fits(r#""True""#, &failed));
        assert!(fits(r#"{"failure": "number"}"#, &failed));
        assert!(!fits(r#"{"failure": "text"}"#, &failed));
        assert!(!fits(r#"{"failure": "number"}"#, &outcome("True")));
        assert!(fits(r#"{"emissions": [{"relation": "True"}]}"#, &outcome("True")));
        assert!(!fits(r#"{"emissions": []}"#, &outcome("True")));
        assert!(!fits(
            r#"{"emissions": [{"relation": "True"}], "effects": [{"clear-alarm": {}}]}"#,
            &outcome("True")
        ));
        assert!(
            serde_json::from_str::<Expected>(r#"{"emission": []}"#).is_err(),
            "typing errors are seen"
        );
    }

    #[test]
    fn only_the_written_keys_of_objects_are_compared() {
        let told = json!({"a": {"b": 1, "c": [1.0, {"d": 2}]}});
        assert!(covers(&told, &json!({"a": {"c": [1, {}]}})));
        assert!(!covers(&told, &json!({"a": {"c": [1]}})));
        assert!(!covers(&told, &json!({"a": {"e": null}})));
    }
}
