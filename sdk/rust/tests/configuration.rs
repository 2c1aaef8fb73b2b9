//! `#[derive(Configuration)]`: schema, defaults, and errors that name the field.

use std::collections::BTreeMap;

use pacificsoft_sdk::Configuration;
use pacificsoft_sdk::configuration::Setting;
use serde_json::{Value, json};

#[derive(Debug, PartialEq, Configuration)]
#[config(rename_all = "camelCase")]
struct Node {
    /// Key of the value,
    /// in the payload.
    #[config(default = "temperature", title = "Key")]
    the_key: String,
    #[config(default = 25, minimum = -40, maximum = 125)]
    limit: f64,
    #[config(default = 3, above = 0, below = 10)]
    count: u8,
    #[config(default = false)]
    strict: bool,
    #[config(default = "LESS_OR_EQUAL")]
    operator: Operator,
    #[config(default_json = "[1, 2]")]
    levels: Vec<i64>,
    #[config(rename = "class")]
    kind: Option<String>,
    inner: Option<Inner>,
    #[config(default_json = "{}")]
    names: BTreeMap<String, Inner>,
    #[config(default = "any", schema = r#""type":["number","string"]"#)]
    value: Value,
}

#[derive(Debug, PartialEq, Configuration)]
struct Inner {
    /// Has "quotes" and a \ in it.
    size: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Configuration)]
#[config(rename_all = "SCREAMING_SNAKE_CASE")]
enum Operator {
    Less,
    LessOrEqual,
    #[config(rename = "==")]
    Equal,
}

#[test]
fn a_schema_says_everything() {
    let schema: Value = serde_json::from_str(Node::SCHEMA).unwrap();
    let inner = json!({"type": "object", "required": ["size"], "properties": {"size": {"type": "integer", "description": "Has \"quotes\" and a \\ in it."}}});
    let wanted = json!({
        "type": "object",
        "properties": {
            "theKey": {"type": "string", "title": "Key", "description": "Key of the value, in the payload.", "default": "temperature"},
            "limit": {"type": "number", "minimum": -40, "maximum": 125, "default": 25},
            "count": {"type": "integer", "exclusiveMinimum": 0, "exclusiveMaximum": 10, "default": 3},
            "strict": {"type": "boolean", "default": false},
            "operator": {"enum": ["LESS", "LESS_OR_EQUAL", "=="], "default": "LESS_OR_EQUAL"},
            "levels": {"type": "array", "items": {"type": "integer"}, "default": [1, 2]},
            "class": {"type": "string"},
            "inner": inner,
            "names": {"type": "object", "additionalProperties": inner, "default": {}},
            "value": {"type": ["number", "string"], "default": "any"},
        },
    });
    assert_eq!(schema, wanted);
}

#[test]
fn the_defaults_are_those_of_an_empty_configuration() {
    let node = Node::parse(Node::DEFAULT).unwrap();
    assert_eq!(node, Node::parse("{}").unwrap());
    assert_eq!(
        (&*node.the_key, node.limit, node.count, node.operator),
        ("temperature", 25.0, 3, Operator::LessOrEqual)
    );
    assert_eq!(
        (&node.levels[..], &node.kind, &node.inner, &node.value),
        (&[1, 2][..], &None, &None, &json!("any"))
    );
    let given = r#"{"theKey": "t", "limit": 7, "count": 4.0, "operator": "==", "class": null, "inner": {"size": 5}, "names": {"a": {"size": 1}}, "more": 1}"#;
    let node = Node::parse(given).unwrap();
    assert_eq!(
        (&*node.the_key, node.limit, node.count, node.operator),
        ("t", 7.0, 4, Operator::Equal)
    );
    assert_eq!((node.inner, node.names["a"].size), (Some(Inner { size: 5 }), 1));
}

#[test]
fn errors_name_the_field() {
    for (json, says) in [
        ("[]", "the configuration should be an object, but it is []"),
        (r#"{"theKey": 5}"#, "theKey should be a text, but it is 5"),
        (r#"{"limit": "hot"}"#, "limit should be a number, but it is \"hot\""),
        (r#"{"limit": -41}"#, "limit should be at least -40.0, but it is -41.0"),
        (r#"{"limit": 126}"#, "limit should be at most 125.0, but it is 126.0"),
        (r#"{"count": 0}"#, "count should be more than 0.0, but it is 0.0"),
        (r#"{"count": 10}"#, "count should be less than 10.0, but it is 10.0"),
        (r#"{"count": 256}"#, "count should be a whole number of the type u8, but it is 256"),
        (r#"{"count": 1.5}"#, "count should be a whole number of the type u8, but it is 1.5"),
        (r#"{"strict": "yes"}"#, "strict should be true or false, but it is \"yes\""),
        (
            r#"{"operator": "MORE"}"#,
            "operator should be one of LESS, LESS_OR_EQUAL, ==, but it is \"MORE\"",
        ),
        (
            r#"{"levels": [1, "2"]}"#,
            "levels[1] should be a whole number of the type i64, but it is \"2\"",
        ),
        (r#"{"inner": {}}"#, "inner.size is missing"),
        (
            r#"{"names": {"a": {"size": -1}}}"#,
            "names.a.size should be a whole number of the type u32, but it is -1",
        ),
        ("{", "EOF while parsing an object at line 1 column 1"),
    ] {
        assert_eq!(Node::parse(json).unwrap_err(), says);
    }
    let long = format!("{{\"limit\": \"{}\"}}", "ä".repeat(1_000));
    assert!(Node::parse(&long).unwrap_err().len() < 120, "what is refused is shown in part");
}

#[test]
fn types_say_what_they_are() {
    assert_eq!(Operator::MEMBERS, r#""enum":["LESS","LESS_OR_EQUAL","=="]"#);
    assert_eq!(u64::read(&json!(u64::MAX)), Ok(u64::MAX));
    assert!(i64::read(&json!(1e300)).is_err());
}
