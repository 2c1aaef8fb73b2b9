//! Where a number comes from: the message, the originator's attributes and time series, or the configuration.

use pacificsoft_sdk::message::Shape;
use pacificsoft_sdk::reads::{attributes, latest};
use pacificsoft_sdk::template::Template;
use pacificsoft_sdk::{EntityId, Message};
use serde::Deserialize;
use serde_json::Value as Json;

use super::own_results::Stored;

/// Bytes of an argument's name at most.
const NAME_BYTES_MAX: usize = 64;

/// Where something stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Kind {
    Attribute,
    TimeSeries,
    MessageBody,
    MessageMetadata,
    Constant,
}

/// An argument, as a configuration has it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Written {
    #[serde(default)]
    pub name: Option<String>,
    #[serde(rename = "type")]
    kind: Kind,
    key: String,
    #[serde(default)]
    attribute_scope: Option<String>,
    #[serde(default)]
    default_value: Option<f64>,
}

/// An argument.
pub struct Argument {
    place: Place,
    default: Option<f64>,
}

/// A place, with its key.
pub enum Place {
    Attribute { scope: String, key: Template },
    TimeSeries(Template),
    Body(Template),
    Metadata(Template),
    Constant(f64),
}

impl Place {
    pub fn read(kind: Kind, key: &str, scope: Option<String>) -> Result<Self, String> {
        if key.is_empty() {
            return Err("key is empty".to_owned());
        }
        let template = Template::parse(key);
        Ok(match kind {
            Kind::Attribute => {
                let scope = scope.unwrap_or_else(|| "SERVER_SCOPE".to_owned());
                if !["CLIENT_SCOPE", "SHARED_SCOPE", "SERVER_SCOPE"].contains(&scope.as_str()) {
                    return Err(["attributeScope: there is no ", &scope].concat());
                }
                Place::Attribute { scope, key: template }
            }
            Kind::TimeSeries => Place::TimeSeries(template),
            Kind::MessageBody => Place::Body(template),
            Kind::MessageMetadata => Place::Metadata(template),
            Kind::Constant => Place::Constant(number(key)?),
        })
    }
}

impl Argument {
    /// Reads one; answers the name under which expressions know it, too.
    pub fn read(written: Written, index: usize) -> Result<(String, Self), String> {
        // Nameless ones are x, y, z, a, b, …
        let letter = || char::from(b"xyzabcdefghijklmnopq".get(index).copied().unwrap_or(b'r')).to_string();
        let name = written.name.filter(|name| !name.is_empty()).unwrap_or_else(letter);
        let starts = name.starts_with(|letter: char| letter.is_alphabetic() || letter == '_');
        if !starts || name.len() > NAME_BYTES_MAX || !name.chars().all(|letter| letter.is_alphanumeric() || letter == '_') {
            return Err(["an argument's name has letters, digits and _, and begins with a letter: ", &name].concat());
        }
        let argument = Argument {
            place: Place::read(written.kind, &written.key, written.attribute_scope)?,
            default: written.default_value,
        };
        Ok((name, argument))
    }

    /// Whether it may be what was saved to a place.
    pub fn reads(&self, saved: &Place) -> bool {
        match (&self.place, saved) {
            (Place::Attribute { scope, .. }, Place::Attribute { scope: saved, .. }) => scope == saved,
            (Place::TimeSeries(_), Place::TimeSeries(_)) => true,
            _ => false,
        }
    }

    /// Its value. `own`: what this node knows better than the store, by scope (empty: a time series) and key.
    pub fn value(&self, message: &Message, own: impl FnOnce(&str, &str, Stored) -> Option<f64>) -> Result<f64, String> {
        let (key, found) = match &self.place {
            Place::Constant(value) => return Ok(*value),
            Place::Body(key) => {
                let key = key.fill(message);
                let found = in_body(message, &key)?;
                (key, found)
            }
            Place::Metadata(key) => {
                let key = key.fill(message);
                let text = message.metadata(&key).filter(|text| !text.trim().is_empty());
                let found = text.map(|text| number(&text)).transpose()?;
                (key, found)
            }
            Place::Attribute { scope, key } => {
                let key = key.fill(message);
                let stored = attribute(&message.originator(), scope, &key)?;
                let found = own(scope, &key, stored);
                (key, found)
            }
            Place::TimeSeries(key) => {
                let key = key.fill(message);
                let stored = reading(&message.originator(), &key)?;
                let found = own("", &key, stored);
                (key, found)
            }
        };
        found.or(self.default).ok_or_else(|| ["there is no value of ", &key].concat())
    }
}

/// An attribute that is a number.
pub fn attribute(entity: &EntityId, scope: &str, key: &str) -> Result<Stored, String> {
    let found = attributes(entity, scope, &[key.to_owned()]).into_iter().next();
    found.map(|(_, ts_ms, json)| Ok((ts_ms, stored(&json)?))).transpose()
}

/// The latest value of a time series that is a number.
pub fn reading(entity: &EntityId, key: &str) -> Result<Stored, String> {
    latest(entity, key).map(|(ts_ms, json)| Ok((ts_ms, stored(&json)?))).transpose()
}

fn in_body(message: &Message, key: &str) -> Result<Option<f64>, String> {
    match message.shape(key) {
        Shape::Absent | Shape::Null => Ok(None),
        Shape::Number => Ok(message.number(key)),
        Shape::Text => match message.text(key).filter(|text| !text.trim().is_empty()) {
            Some(text) => number(&text).map(Some),
            None => Ok(None),
        },
        _ => Err([key, " is no number"].concat()),
    }
}

/// A number among stored values; true counts as 1.
fn stored(json: &str) -> Result<f64, String> {
    match serde_json::from_str(json) {
        Ok(Json::Bool(value)) => Ok(f64::from(u8::from(value))),
        Ok(Json::Number(value)) => value.as_f64().ok_or_else(|| [json, " is no number"].concat()),
        Ok(Json::String(text)) => number(&text),
        _ => Err([json, " is no number"].concat()),
    }
}

fn number(text: &str) -> Result<f64, String> {
    let value = text.trim().parse::<f64>().ok().filter(|value| value.is_finite());
    value.ok_or_else(|| [text, " is no number"].concat())
}
