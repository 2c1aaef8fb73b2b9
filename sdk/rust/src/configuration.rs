//! Configurations: a struct says what a node is configured with; its JSON Schema, its defaults and its parsing follow.
//!
//! ```
//! use pacificsoft_sdk::Configuration;
//!
//! #[derive(Configuration)]
//! #[config(rename_all = "camelCase")]
//! struct Limits {
//!     /// Key of the value.
//!     #[config(default = "temperature")]
//!     key: String,
//!     /// More is too hot.
//!     #[config(default = 25, minimum = -40, maximum = 125)]
//!     too_hot: f64,
//!     /// Where the value stands.
//!     #[config(default = "DATA")]
//!     source: Source,
//!     /// Devices it is for; left out: all.
//!     devices: Option<Vec<String>>,
//! }
//!
//! #[derive(Configuration)]
//! #[config(rename_all = "SCREAMING_SNAKE_CASE")]
//! enum Source {
//!     Data,
//!     Metadata,
//! }
//!
//! assert_eq!(Limits::DEFAULT, r#"{"key":"temperature","tooHot":25,"source":"DATA"}"#);
//! assert!(Limits::SCHEMA.contains(r#""tooHot":{"type":"number","description":"More is too hot.","minimum":-40,"maximum":125,"default":25}"#));
//! assert_eq!(Limits::parse("{}").unwrap().too_hot, 25.0);
//! let refused = Limits::parse(r#"{"tooHot": "very"}"#).map(drop).unwrap_err();
//! assert_eq!(refused, "tooHot should be a number, but it is \"very\"");
//! ```
//!
//! Comments become descriptions. Fields take `default = literal` or `default_json = "…"`, `rename`, `title`, the limits `minimum`,
//! `maximum`, `above` and `below`, and `schema = "…"`, members of a JSON Schema in place of those of its type. A field without a default
//! must be there, unless it is an `Option`; `initial = literal` or `initial_json = "…"` says what a new node has all the same. Members
//! that no field has are let go. Fields may be numbers, `bool`, `String`, `Option`,
//! `Vec`, `BTreeMap<String, _>`, [`Value`], and what derives `Configuration`: structs, and enums without fields.

use std::collections::BTreeMap;

pub use pacificsoft_sdk_derive::Configuration;
use serde_json::Map;
pub use serde_json::Value;

/// Bytes of a value that are shown when it is refused.
const SHOWN_MAX: usize = 60;

/// What a node is configured with. Derive it.
pub trait Configuration: Setting {
    /// JSON Schema.
    const SCHEMA: &'static str;
    /// The configuration of a new node, as JSON: every field that has a default or an initial value.
    const DEFAULT: &'static str;

    /// Reads a configuration.
    ///
    /// # Errors
    /// Which field does not fit, and why, in words for the configuration's author.
    fn parse(json: &str) -> Result<Self, String> {
        let value = serde_json::from_str(json).map_err(|error| error.to_string())?;
        Self::read(&value).map_err(Misfit::words)
    }
}

/// A part of a configuration.
pub trait Setting: Sized {
    /// Members of its JSON Schema.
    const MEMBERS: &'static str;

    /// Reads it.
    ///
    /// # Errors
    /// Where, and why it does not fit.
    fn read(value: &Value) -> Result<Self, Misfit>;

    /// As a number, if it is one: for limits.
    fn number(&self) -> Option<f64> {
        None
    }
}

/// Why a value does not fit, and where it stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Misfit {
    path: String,
    reason: String,
}

impl Misfit {
    /// Something else was expected.
    fn expected(what: &str, value: &Value) -> Self {
        let mut shown = value.to_string();
        if shown.len() > SHOWN_MAX {
            shown.truncate(shown.floor_char_boundary(SHOWN_MAX));
            shown.push('…');
        }
        Misfit {
            path: String::new(),
            reason: ["should be ", what, ", but it is ", &shown].concat(),
        }
    }

    /// It stands in a member, or element.
    fn within(mut self, name: &str) -> Self {
        self.path = match self.path.as_str() {
            "" => name.to_owned(),
            path if path.starts_with('[') => [name, path].concat(),
            path => [name, ".", path].concat(),
        };
        self
    }

    fn words(self) -> String {
        let path = if self.path.is_empty() { "the configuration" } else { &self.path };
        [path, " ", &self.reason].concat()
    }
}

/// A limit of a number.
#[derive(Clone, Copy, Debug)]
pub enum Limit {
    /// At least.
    Minimum(f64),
    /// At most.
    Maximum(f64),
    /// More than.
    Above(f64),
    /// Less than.
    Below(f64),
}

/// The members of an object.
#[doc(hidden)]
pub fn object(value: &Value) -> Result<&Map<String, Value>, Misfit> {
    value.as_object().ok_or_else(|| Misfit::expected("an object", value))
}

/// A member, or its default; without one the absent value is read as null, which an `Option` takes.
#[doc(hidden)]
pub fn member<T: Setting>(object: &Map<String, Value>, name: &str, default: Option<&str>) -> Result<T, Misfit> {
    let read = match (object.get(name), default) {
        (Some(value), _) => T::read(value),
        (None, Some(json)) => serde_json::from_str(json).map_or_else(|error| Err(no_default(&error.to_string())), |value| T::read(&value)),
        (None, None) => T::read(&Value::Null).map_err(|_| missing()),
    };
    read.map_err(|misfit| misfit.within(name))
}

fn missing() -> Misfit {
    Misfit {
        path: String::new(),
        reason: "is missing".to_owned(),
    }
}

fn no_default(error: &str) -> Misfit {
    Misfit {
        path: String::new(),
        reason: ["has a default that is no JSON: ", error].concat(),
    }
}

/// Holds a value against limits.
#[doc(hidden)]
pub fn within<T: Setting>(value: &T, name: &str, limits: &[Limit]) -> Result<(), Misfit> {
    let Some(number) = value.number() else { return Ok(()) };
    for limit in limits {
        let (fits, words, bound) = match *limit {
            Limit::Minimum(bound) => (number >= bound, "at least", bound),
            Limit::Maximum(bound) => (number <= bound, "at most", bound),
            Limit::Above(bound) => (number > bound, "more than", bound),
            Limit::Below(bound) => (number < bound, "less than", bound),
        };
        if !fits {
            let reason = [
                "should be ",
                words,
                " ",
                &Value::from(bound).to_string(),
                ", but it is ",
                &Value::from(number).to_string(),
            ]
            .concat();
            return Err(Misfit {
                path: name.to_owned(),
                reason,
            });
        }
    }
    Ok(())
}

/// Which of some words a value is.
#[doc(hidden)]
pub fn choice(value: &Value, names: &[&str]) -> Result<usize, Misfit> {
    let at = value.as_str().and_then(|text| names.iter().position(|name| *name == text));
    at.ok_or_else(|| Misfit::expected(&["one of ", &names.join(", ")].concat(), value))
}

/// Bytes that pieces have together.
#[doc(hidden)]
pub const fn len(pieces: &[&str]) -> usize {
    let (mut len, mut index) = (0, 0);
    while index < pieces.len() {
        len += pieces[index].len();
        index += 1;
    }
    len
}

/// Pieces, one after the other.
#[doc(hidden)]
pub const fn join<const N: usize>(pieces: &[&str]) -> [u8; N] {
    let (mut bytes, mut at, mut index) = ([0; N], 0, 0);
    while index < pieces.len() {
        let piece = pieces[index].as_bytes();
        let mut from = 0;
        while from < piece.len() {
            bytes[at] = piece[from];
            at += 1;
            from += 1;
        }
        index += 1;
    }
    bytes
}

/// Bytes that were text.
#[doc(hidden)]
pub const fn text(bytes: &'static [u8]) -> &'static str {
    match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(_) => panic!("pieces of text are text"),
    }
}

impl Setting for bool {
    const MEMBERS: &'static str = r#""type":"boolean""#;
    fn read(value: &Value) -> Result<Self, Misfit> {
        value.as_bool().ok_or_else(|| Misfit::expected("true or false", value))
    }
}

impl Setting for String {
    const MEMBERS: &'static str = r#""type":"string""#;
    fn read(value: &Value) -> Result<Self, Misfit> {
        value.as_str().map(str::to_owned).ok_or_else(|| Misfit::expected("a text", value))
    }
}

impl Setting for f64 {
    const MEMBERS: &'static str = r#""type":"number""#;
    fn read(value: &Value) -> Result<Self, Misfit> {
        value.as_f64().ok_or_else(|| Misfit::expected("a number", value))
    }
    fn number(&self) -> Option<f64> {
        Some(*self)
    }
}

impl Setting for Value {
    const MEMBERS: &'static str = r#""type":["null","boolean","number","string","array","object"]"#;
    fn read(value: &Value) -> Result<Self, Misfit> {
        // An absent member is no value.
        if value.is_null() { Err(missing()) } else { Ok(value.clone()) }
    }
}

impl<T: Setting> Setting for Option<T> {
    const MEMBERS: &'static str = T::MEMBERS;
    fn read(value: &Value) -> Result<Self, Misfit> {
        if value.is_null() { Ok(None) } else { T::read(value).map(Some) }
    }
    fn number(&self) -> Option<f64> {
        self.as_ref().and_then(T::number)
    }
}

impl<T: Setting> Setting for Vec<T> {
    const MEMBERS: &'static str = r#""type":"array""#;
    fn read(value: &Value) -> Result<Self, Misfit> {
        let elements = value
            .as_array()
            .ok_or_else(|| Misfit::expected("a list", value))?
            .iter()
            .enumerate();
        elements
            .map(|(index, value)| T::read(value).map_err(|misfit| misfit.within(&["[", &index.to_string(), "]"].concat())))
            .collect()
    }
}

impl<T: Setting> Setting for BTreeMap<String, T> {
    const MEMBERS: &'static str = r#""type":"object""#;
    fn read(value: &Value) -> Result<Self, Misfit> {
        let read = |(name, value): (&String, &Value)| Ok((name.clone(), T::read(value).map_err(|misfit| misfit.within(name))?));
        object(value)?.iter().map(read).collect()
    }
}

macro_rules! whole_numbers {
    ($($type:ty),*) => {$(
        impl Setting for $type {
            const MEMBERS: &'static str = r#""type":"integer""#;
            fn read(value: &Value) -> Result<Self, Misfit> {
                whole(value).and_then(|whole| <$type>::try_from(whole).ok()).ok_or_else(|| {
                    Misfit::expected(concat!("a whole number of the type ", stringify!($type)), value)
                })
            }
            fn number(&self) -> Option<f64> {
                Some(*self as f64)
            }
        }
    )*};
}

whole_numbers!(i16, i32, i64, u8, u16, u32, u64, usize);

/// A number without a fraction; `5.0` is one.
fn whole(value: &Value) -> Option<i128> {
    let exact = value.as_i64().map(i128::from).or_else(|| value.as_u64().map(i128::from));
    // Up to here every whole number is exact.
    exact.or_else(|| {
        value
            .as_f64()
            .filter(|number| number.fract() == 0.0 && number.abs() < 9e15)
            .map(|number| number as i128)
    })
}
