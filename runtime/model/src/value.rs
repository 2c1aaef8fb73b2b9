//! A telemetry or attribute value, by ThingsBoard's rules: whole numbers are longs, other numbers doubles, objects and arrays JSON,
//! numbers in text are cast, null is no value.

use std::fmt;

use serde_json::Value as Json;

/// One value.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// `true` or `false`.
    Bool(bool),
    /// A whole number of 64 bits.
    Long(i64),
    /// Any other number.
    Double(f64),
    /// Text.
    Text(Box<str>),
    /// An object or array, as compact JSON text.
    Json(Box<str>),
}

impl Value {
    /// The value of a JSON document; none for null.
    pub fn from_json(json: &Json) -> Option<Self> {
        match json {
            Json::Null => None,
            Json::Bool(b) => Some(Value::Bool(*b)),
            Json::Number(number) => Some(match number.as_i64() {
                Some(long) => Value::Long(long),
                // Whole numbers beyond 64 signed bits are kept as text, exact, rather than rounded.
                None if number.is_u64() => Value::Text(number.to_string().into()),
                None => Value::Double(number.as_f64()?),
            }),
            Json::String(text) => Some(Value::cast(text)),
            Json::Object(_) | Json::Array(_) => Some(Value::Json(json.to_string().into())),
        }
    }

    /// The value of a text: a number when it is written like one, else the text.
    fn cast(text: &str) -> Self {
        let numeric = text.as_bytes().first().is_some_and(|b| b.is_ascii_digit() || *b == b'-')
            && text
                .bytes()
                .all(|b| b.is_ascii_digit() || matches!(b, b'-' | b'+' | b'.' | b'e' | b'E'));
        if numeric {
            if let Ok(long) = text.parse::<i64>() {
                return Value::Long(long);
            }
            let fraction = text.contains(['.', 'e', 'E']);
            // More digits than a double keeps (16) stay text.
            if fraction
                && text.split('.').nth(1).is_none_or(|decimals| decimals.len() <= 16)
                && let Ok(double) = text.parse::<f64>()
                && double.is_finite()
            {
                return Value::Double(double);
            }
        }
        Value::Text(text.into())
    }

    /// The value as a JSON document.
    pub fn to_json(&self) -> Json {
        match self {
            Value::Bool(b) => Json::Bool(*b),
            Value::Long(long) => Json::from(*long),
            Value::Double(double) => Json::from(*double),
            Value::Text(text) => Json::from(&**text),
            Value::Json(text) => serde_json::from_str(text).unwrap_or(Json::Null),
        }
    }

    /// Bytes it takes beside its own fixed size, for quotas.
    pub fn heap_len(&self) -> usize {
        match self {
            Value::Text(text) | Value::Json(text) => text.len(),
            _ => 0,
        }
    }
}

/// As plain text, the way the REST API writes values without `useStrictDataTypes`.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Bool(b) => b.fmt(f),
            Value::Long(long) => long.fmt(f),
            Value::Double(double) => {
                // As JSON writes it: `25.0`, not `25`.
                match serde_json::Number::from_f64(*double) {
                    Some(number) => number.fmt(f),
                    None => double.fmt(f),
                }
            }
            Value::Text(text) | Value::Json(text) => f.write_str(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn casts_as_thingsboard_does() {
        let cases = [
            (json!(1), Some(Value::Long(1))),
            (json!(1.5), Some(Value::Double(1.5))),
            (json!("42"), Some(Value::Long(42))),
            (json!("-4.5"), Some(Value::Double(-4.5))),
            (json!("1e3"), Some(Value::Double(1000.0))),
            (json!("12a"), Some(Value::Text("12a".into()))),
            (json!("99999999999999999999"), Some(Value::Text("99999999999999999999".into()))),
            (json!(u64::MAX), Some(Value::Text("18446744073709551615".into()))),
            (json!(""), Some(Value::Text("".into()))),
            (json!("-"), Some(Value::Text("-".into()))),
            (json!(null), None),
            (json!(true), Some(Value::Bool(true))),
            (json!({"a": [1]}), Some(Value::Json(r#"{"a":[1]}"#.into()))),
        ];
        for (json, expected) in cases {
            assert_eq!(Value::from_json(&json), expected, "{json}");
        }
    }

    #[test]
    fn text_form_is_json_like() {
        assert_eq!(Value::Double(25.0).to_string(), "25.0");
        assert_eq!(Value::Long(25).to_string(), "25");
        assert_eq!(Value::Bool(false).to_string(), "false");
    }
}
