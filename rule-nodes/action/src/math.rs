//! math function: numbers of the message and its originator are put through a function; the result goes to one of those places.
//!
//! Messages of an originator come in their order, one after the other, and a result that is an argument of the next message is seen there
//! ([`own_results`]). Another node that saves to the same place is not waited for.

mod argument;
mod expression;
mod function;
mod own_results;
mod rounding;

use pacificsoft_sdk::{
    Content, Descriptor, Effect, Emission, Message, NewMessage, Outcome, RuleNode, SaveAttributes, SaveTimeSeries, Steps, now_ms,
};
use serde::Deserialize;
use serde_json::Value as Json;

use argument::{Argument, Kind, Place, Written, attribute, reading};
use function::Function;
use own_results::OwnResults;
use rounding::{PRECISION_MAX, rounded};

/// Arguments at most.
const ARGUMENTS_MAX: usize = 16;

/// The node.
pub struct Math {
    function: Function,
    arguments: Vec<Argument>,
    result: Place,
    precision: u32,
    add_to_body: bool,
    add_to_metadata: bool,
    own: OwnResults,
    /// Whether a result may be an argument of the next message.
    returns: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Configuration {
    operation: String,
    arguments: Vec<Written>,
    #[serde(default)]
    custom_function: Option<String>,
    result: Target,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Target {
    #[serde(rename = "type")]
    kind: Kind,
    key: String,
    #[serde(default)]
    result_value_precision: u32,
    #[serde(default)]
    add_to_body: bool,
    #[serde(default)]
    add_to_metadata: bool,
    #[serde(default)]
    attribute_scope: Option<String>,
}

impl RuleNode for Math {
    const RELATIONS: &'static [&'static str] = &["Success", "Failure"];

    fn descriptor() -> Descriptor {
        Descriptor {
            type_name: "math-function",
            class_ids: &["org.thingsboard.rule.engine.math.TbMathNode"],
            title: "math function",
            family: "ACTION",
            description: "Puts numbers of the message and its originator through a function.",
            details: "An argument comes from the data, the metadata, an attribute or the latest value of a time series of the originator, or is \
                      constant; the result goes to one of these, rounded. Keys may hold ${metadata key} and $[data key]. CUSTOM: \
                      customFunction is an expression of the arguments' names, with + - * / % ^, brackets, pi, e and the other operations, \
                      such as (x - 32) * 5 / 9. Failure: an argument is missing or no number, or the result is none.",
            icon: "calculate",
            configuration_schema: r#"{"type":"object","required":["operation","arguments","result"],"properties":{"operation":{"enum":["ADD","SUB","MULT","DIV","SIN","SINH","COS","COSH","TAN","TANH","ACOS","ASIN","ATAN","ATAN2","EXP","EXPM1","SQRT","CBRT","GET_EXP","HYPOT","LOG","LOG10","LOG1P","CEIL","FLOOR","FLOOR_DIV","FLOOR_MOD","ABS","MIN","MAX","POW","SIGNUM","RAD","DEG","CUSTOM"]},"arguments":{"type":"array","minItems":1,"maxItems":16,"items":{"type":"object","required":["type","key"],"properties":{"name":{"type":["string","null"]},"type":{"enum":["ATTRIBUTE","TIME_SERIES","MESSAGE_BODY","MESSAGE_METADATA","CONSTANT"]},"key":{"type":"string","minLength":1},"attributeScope":{"enum":["CLIENT_SCOPE","SHARED_SCOPE","SERVER_SCOPE",null]},"defaultValue":{"type":["number","null"]}}}},"customFunction":{"type":["string","null"]},"result":{"type":"object","required":["type","key"],"properties":{"type":{"enum":["ATTRIBUTE","TIME_SERIES","MESSAGE_BODY","MESSAGE_METADATA"]},"key":{"type":"string","minLength":1},"resultValuePrecision":{"type":"integer","minimum":0,"maximum":20},"addToBody":{"type":"boolean"},"addToMetadata":{"type":"boolean"},"attributeScope":{"enum":["SHARED_SCOPE","SERVER_SCOPE","CLIENT_SCOPE",null]}}}}}"#,
            default_configuration: r#"{"operation":"CUSTOM","arguments":[{"name":"x","type":"MESSAGE_BODY","key":"temperature"}],"customFunction":"(x - 32) / 1.8","result":{"type":"MESSAGE_BODY","key":"temperatureCelsius","resultValuePrecision":2,"addToBody":false,"addToMetadata":false}}"#,
            effects: &["save-attributes", "save-time-series"],
            ..Descriptor::new()
        }
    }

    fn open(configuration: &str) -> Result<Self, String> {
        let own: Configuration = serde_json::from_str(configuration).map_err(|error| error.to_string())?;
        if own.arguments.is_empty() || own.arguments.len() > ARGUMENTS_MAX {
            return Err("arguments: there are 1 to 16".to_owned());
        }
        let read = own.arguments.into_iter().enumerate();
        let read: Result<Vec<_>, String> = read.map(|(index, written)| Argument::read(written, index)).collect();
        let (names, arguments): (Vec<String>, Vec<Argument>) = read?.into_iter().unzip();
        if let Some(twice) = names.iter().enumerate().find(|(index, name)| names[..*index].contains(name)) {
            return Err(["arguments: two are named ", twice.1].concat());
        }
        let Target { kind, key, .. } = &own.result;
        if *kind == Kind::Constant {
            return Err("result: a constant does not change".to_owned());
        }
        if own.result.result_value_precision > PRECISION_MAX {
            return Err("resultValuePrecision is more than 20".to_owned());
        }
        let result = Place::read(*kind, key, own.result.attribute_scope.clone())?;
        Ok(Math {
            function: Function::named(&own.operation, own.custom_function.as_deref(), &names)?,
            returns: arguments.iter().any(|argument| argument.reads(&result)),
            arguments,
            result,
            precision: own.result.result_value_precision,
            add_to_body: own.result.add_to_body || *kind == Kind::MessageBody,
            add_to_metadata: own.result.add_to_metadata || *kind == Kind::MessageMetadata,
            own: OwnResults::default(),
        })
    }

    fn process(&mut self, message: &Message) -> Result<Outcome, String> {
        let now_ms = now_ms();
        let mut values = Vec::with_capacity(self.arguments.len());
        for argument in &self.arguments {
            let own = &mut self.own;
            let look = |scope: &str, key: &str, stored| own.look(&place(message, scope, key), stored, now_ms);
            values.push(argument.value(message, look)?);
        }
        let result = rounded(self.function.of(&values)?, self.precision);
        let key = match &self.result {
            Place::Attribute { key, .. } | Place::TimeSeries(key) | Place::Body(key) | Place::Metadata(key) => key.fill(message),
            Place::Constant(_) => return Err("a constant does not change".to_owned()),
        };
        let json = self.written(result);
        let mut next = NewMessage {
            payload: None,
            ..NewMessage::with_json("")
        };
        if self.add_to_body {
            next.payload = Some(Content::Json(with_member(message, &key, &json)?));
        }
        if self.add_to_metadata {
            let mut entries = message.metadata_entries();
            entries.retain(|(known, _)| *known != key);
            entries.push((key.clone(), json.to_string()));
            next.metadata = Some(entries);
        }
        let changed = self.add_to_body || self.add_to_metadata;
        Ok(Outcome::Steps(Steps {
            effects: self.saved(message, &key, &json, result, now_ms),
            emissions: vec![Emission {
                relation: "Success".to_owned(),
                message: changed.then_some(next),
            }],
        }))
    }
}

impl Math {
    /// The effect that saves the result, if it is to be saved.
    fn saved(&mut self, message: &Message, key: &str, json: &Json, result: f64, now_ms: i64) -> Vec<Effect> {
        let values = Content::Json(Json::from_iter([(key, json.clone())]).to_string());
        let originator = message.originator();
        let (scope, effect) = match &self.result {
            Place::Attribute { scope, .. } => {
                let save = SaveAttributes {
                    notify_device: scope == "SHARED_SCOPE",
                    ..SaveAttributes::new(scope.as_str(), values)
                };
                (scope.as_str(), Effect::SaveAttributes(save))
            }
            Place::TimeSeries(_) => {
                let save = SaveTimeSeries {
                    timestamp: Some(now_ms),
                    ..SaveTimeSeries::new(values)
                };
                ("", Effect::SaveTimeSeries(save))
            }
            Place::Body(_) | Place::Metadata(_) | Place::Constant(_) => return Vec::new(),
        };
        if self.returns {
            let stored = match scope {
                "" => reading(&originator, key),
                scope => attribute(&originator, scope, key),
            };
            // What is no number there now is none that this node has saved.
            self.own
                .save(place(message, scope, key), stored.unwrap_or_default(), result, now_ms);
        }
        vec![effect]
    }

    /// The result as JSON: without digits behind the point it is a whole number, as far as there are such.
    fn written(&self, result: f64) -> Json {
        if self.precision == 0 && result.abs() < 9e15 {
            return Json::from(result as i64);
        }
        Json::from(result)
    }
}

/// What tells places apart: an entity, and a scope with a key. No scope is empty but that of time series.
fn place(message: &Message, scope: &str, key: &str) -> (String, String) {
    (message.originator().id, [scope, "/", key].concat())
}

/// The data with one member more, or another value of it.
fn with_member(message: &Message, key: &str, value: &Json) -> Result<String, String> {
    let body = message.json("").unwrap_or_default();
    match serde_json::from_str(&body) {
        Ok(Json::Object(mut members)) => {
            members.insert(key.to_owned(), value.clone());
            Ok(Json::Object(members).to_string())
        }
        _ => Err("the data is no object, to which a result could be added".to_owned()),
    }
}

#[cfg(test)]
mod tests;
