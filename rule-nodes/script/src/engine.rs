//! The interpreter of one node: a realm and a function, made once, called for each message.
//!
//! What a script changes is gone with its message: built-in objects are frozen ([`frozen`]), and what a script leaves in the global
//! object, such as a variable that it did not declare, is taken out again. A realm that cannot be cleaned is made anew.

mod frozen;
mod host;
mod words;

use std::collections::HashSet;
use std::path::Path;

use boa_engine::object::JsObject;
use boa_engine::property::{PropertyDescriptor, PropertyKey};
use boa_engine::{Context, JsString, JsValue, Source, js_string};
use pacificsoft_sdk::Message;
use serde_json::Value as Json;

/// Stands before a script, around the names of what it is given. Its line is the only one that the script does not have.
const BEFORE: [&str; 2] = ["(function (", ") {\n"];
/// Stands after it: a script may end in a comment.
const AFTER: &str = "\n})";

/// What scripts are given, by name: data, metadata and type of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Given {
    /// The message that is processed.
    Message,
    /// The message that was made last.
    Previous,
}

impl Given {
    fn names(self) -> &'static str {
        match self {
            Given::Message => "msg, metadata, msgType",
            Given::Previous => "prevMsg, prevMetadata, prevMsgType",
        }
    }
}

/// A script, ready to run.
pub(crate) struct Script {
    source: String,
    given: Given,
    realm: Realm,
}

/// An interpreter with the script's function in it.
struct Realm {
    context: Context,
    function: JsObject,
    stringify: JsObject,
    global: JsObject,
    /// What the global object has from the start.
    built_in: HashSet<PropertyKey>,
    /// A script has left something that stays.
    stale: bool,
}

/// What a script returned.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Returned {
    /// True or false.
    Boolean(bool),
    /// A text.
    Text(String),
    /// Anything else that there is JSON for, as JSON.
    Json(String),
    /// Nothing, or a function or symbol, for which there is no JSON: its type.
    Nothing(&'static str),
}

impl Script {
    /// Compiles a script.
    ///
    /// # Errors
    /// What is wrong with it, and in which line and column.
    pub(crate) fn open(source: String, given: Given) -> Result<Self, String> {
        let realm = Realm::new(&source, given)?;
        Ok(Script { source, given, realm })
    }

    /// Runs it on a message.
    ///
    /// # Errors
    /// What it threw, or why it was ended.
    pub(crate) fn run(&mut self, message: &Message) -> Result<Returned, String> {
        self.run_with(message, message.metadata_entries())
    }

    /// Runs it on a message with other metadata.
    ///
    /// # Errors
    /// As [`Script::run`].
    pub(crate) fn run_with(&mut self, message: &Message, metadata: Vec<(String, String)>) -> Result<Returned, String> {
        let data = match message.json("") {
            Some(text) => serde_json::from_str(&text).map_err(|error| error.to_string())?,
            None => Json::Null,
        };
        self.run_on(&data, metadata, &message.kind())
    }

    /// Runs it on the parts of a message.
    ///
    /// # Errors
    /// As [`Script::run`].
    pub(crate) fn run_on(&mut self, data: &Json, metadata: Vec<(String, String)>, kind: &str) -> Result<Returned, String> {
        if self.realm.stale {
            self.realm = Realm::new(&self.source, self.given)?;
        }
        let returned = self.realm.run(data, metadata, kind);
        self.realm.clean();
        returned
    }
}

impl Realm {
    fn new(source: &str, given: Given) -> Result<Self, String> {
        let mut context = host::context().map_err(|error| format!("the interpreter does not start: {error}"))?;
        words::check(source, given.names(), context.interner_mut())?;
        let (function, stringify) = prepared(source, given, &mut context).map_err(|error| words::thrown(&error, &mut context))?;
        let global = context.global_object();
        let built_in = global
            .own_property_keys(&mut context)
            .map_err(|error| words::thrown(&error, &mut context))?;
        Ok(Realm {
            context,
            function,
            stringify,
            global,
            built_in: built_in.into_iter().collect(),
            stale: false,
        })
    }

    fn run(&mut self, data: &Json, entries: Vec<(String, String)>, kind: &str) -> Result<Returned, String> {
        let context = &mut self.context;
        let data = JsValue::from_json(data, context).map_err(|error| error.to_string())?;
        let metadata = JsObject::with_object_proto(context.intrinsics());
        for (key, value) in entries {
            let value = PropertyDescriptor::builder()
                .value(JsString::from(value))
                .writable(true)
                .enumerable(true)
                .configurable(true);
            metadata.insert_property(JsString::from(key), value);
        }
        let arguments = [data, metadata.into(), JsString::from(kind).into()];
        let returned = self.function.call(&JsValue::undefined(), &arguments, context);
        returned
            .and_then(|value| read(&value, &self.stringify, context))
            .map_err(|error| words::thrown(&error, &mut self.context))
    }

    /// Takes out what the script left in the global object.
    fn clean(&mut self) {
        let context = &mut self.context;
        context.clear_kept_objects();
        let prototype = context.intrinsics().constructors().object().prototype();
        let is_whole = self.global.is_extensible(context).unwrap_or(false) && self.global.prototype() == Some(prototype);
        let Ok(keys) = self.global.own_property_keys(context) else {
            self.stale = true;
            return;
        };
        self.stale |= !is_whole;
        if keys.len() == self.built_in.len() {
            return;
        }
        for key in keys {
            if !self.built_in.contains(&key) {
                self.stale |= !self.global.delete_property_or_throw(key, context).unwrap_or(false);
            }
        }
    }
}

/// The script's function, and that which makes JSON of what it returns.
fn prepared(source: &str, given: Given, context: &mut Context) -> boa_engine::JsResult<(JsObject, JsObject)> {
    let json = context.global_object().get(js_string!("JSON"), context)?;
    let stringify = json.to_object(context)?.get(js_string!("stringify"), context)?.to_object(context)?;
    frozen::freeze(context)?;
    let [opening, closing] = BEFORE;
    let whole = [opening, given.names(), closing, source, AFTER].concat();
    let function = context.eval(Source::from_bytes(&whole).with_path(Path::new(words::PATH)))?;
    let function = function.to_object(context)?;
    frozen::freeze_function(&function, context)?;
    Ok((function, stringify))
}

fn read(value: &JsValue, stringify: &JsObject, context: &mut Context) -> boa_engine::JsResult<Returned> {
    if let Some(boolean) = value.as_boolean() {
        return Ok(Returned::Boolean(boolean));
    }
    if let Some(text) = value.as_string() {
        return Ok(Returned::Text(text.to_std_string_lossy()));
    }
    let json = stringify.call(&JsValue::undefined(), std::slice::from_ref(value), context)?;
    Ok(match json.as_string() {
        Some(json) => Returned::Json(json.to_std_string_lossy()),
        None => Returned::Nothing(value.type_of()),
    })
}

impl Returned {
    /// What it is, for people.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Returned::Boolean(_) => "a boolean",
            Returned::Text(_) => "text",
            Returned::Nothing("undefined") => "nothing",
            Returned::Nothing("function") => "a function",
            Returned::Nothing(_) => "a symbol",
            Returned::Json(json) => kind(json),
        }
    }
}

/// What a JSON text is, for people.
pub(crate) fn kind(json: &str) -> &'static str {
    match json.as_bytes().first() {
        Some(b'{') => "an object",
        Some(b'[') => "an array",
        Some(b'"') => "text",
        Some(b't' | b'f') => "a boolean",
        Some(b'n') => "null",
        _ => "a number",
    }
}

#[cfg(test)]
mod tests;
