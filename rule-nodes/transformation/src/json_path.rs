//! json path: the data become what a path finds in them.

use pacificsoft_sdk::{Descriptor, Message, NewMessage, Outcome, RuleNode};
use serde::Deserialize;
use serde_json::Value as Json;
use serde_json_path::JsonPath;

/// Bytes of a path at most.
const PATH_BYTES_MAX: usize = 4 << 10;

/// The node.
pub struct JsonPathNode {
    path: JsonPath,
    /// It names one place, and finds one value or none; else it finds a list.
    definite: bool,
    text: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Configuration {
    json_path: String,
}

impl RuleNode for JsonPathNode {
    const RELATIONS: &'static [&'static str] = &["Success", "Failure"];

    fn descriptor() -> Descriptor {
        Descriptor {
            type_name: "json-path",
            class_ids: &["org.thingsboard.rule.engine.transform.TbJsonPathNode"],
            title: "json path",
            family: "TRANSFORMATION",
            description: "Replaces the data by what a JSONPath finds in them.",
            details: "JSONPath as in RFC 9535. A path of names and single places finds one value, and the message leaves along Failure when it is not there; a path with wildcards, filters, slices or .. finds an array, which may be empty.",
            icon: "functions",
            configuration_schema: r#"{"type":"object","required":["jsonPath"],"properties":{"jsonPath":{"type":"string","minLength":1}}}"#,
            default_configuration: r#"{"jsonPath":"$"}"#,
            ..Descriptor::new()
        }
    }

    fn open(configuration: &str) -> Result<Self, String> {
        let own: Configuration = serde_json::from_str(configuration).map_err(|error| error.to_string())?;
        let text = own.json_path;
        if text.len() > PATH_BYTES_MAX {
            return Err(format!("jsonPath has more than {PATH_BYTES_MAX} bytes"));
        }
        let path = JsonPath::parse(&text).map_err(|error| format!("jsonPath: {error}"))?;
        let definite = is_definite(&text);
        Ok(JsonPathNode { path, definite, text })
    }

    fn process(&mut self, message: &Message) -> Result<Outcome, String> {
        if self.text == "$" {
            return Ok(Outcome::Forward(0));
        }
        let data = message.json("").ok_or("the message has no data")?;
        let data: Json = serde_json::from_str(&data).map_err(|error| error.to_string())?;
        let found = self.path.query(&data).all();
        let told = if self.definite {
            let one = found.first().ok_or_else(|| ["there is nothing at ", &self.text].concat())?;
            one.to_string()
        } else {
            let all: Vec<String> = found.into_iter().map(Json::to_string).collect();
            ["[", &all.join(","), "]"].concat()
        };
        Ok(Outcome::emit("Success", NewMessage::with_json(told)))
    }
}

/// Whether a path can find no more than one value: it has names and places in brackets or after single dots, and nothing else.
fn is_definite(path: &str) -> bool {
    let mut quote = None;
    let mut before = ' ';
    for character in path.chars() {
        match (quote, character) {
            // An escaped quote goes on with the name.
            (Some(open), _) if character == open && before != '\\' => quote = None,
            (Some(_), _) => {}
            (None, '\'' | '"') => quote = Some(character),
            (None, '*' | '?' | ',' | ':') => return false,
            (None, '.') if before == '.' => return false,
            (None, _) => {}
        }
        // A backslash that is escaped escapes nothing.
        before = if before == '\\' && character == '\\' { ' ' } else { character };
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::tests::{data, leaving};
    use pacificsoft_sdk::testing::TestMessage;
    use serde_json::json;

    const DATA: &str = r#"{"a": {"b": [1, 2, 3]}, "list": [{"t": 5, "n": "x"}, {"t": 9, "n": "y"}], "odd,key": true}"#;

    fn found(path: &str) -> Result<Json, String> {
        let mut node = JsonPathNode::open(&json!({ "jsonPath": path }).to_string())?;
        let outcome = node.process(&TestMessage::telemetry(DATA).message())?;
        Ok(data(&leaving(Ok(outcome))[0]))
    }

    #[test]
    fn one_place_finds_a_value_and_several_a_list() {
        for (path, expected) in [
            ("$.a.b[1]", json!(2)),
            ("$['a']['b']", json!([1, 2, 3])),
            ("$['odd,key']", json!(true)),
            ("$.a.b[-1]", json!(3)),
            ("$.list[*].t", json!([5, 9])),
            ("$..n", json!(["x", "y"])),
            ("$.list[?(@.t > 6)].n", json!(["y"])),
            ("$.a.b[0:2]", json!([1, 2])),
            ("$.list[?(@.t > 60)].n", json!([])),
        ] {
            assert_eq!(found(path), Ok(expected), "{path}");
        }
        let mut node = JsonPathNode::open(JsonPathNode::descriptor().default_configuration).expect("the default");
        assert_eq!(node.process(&TestMessage::telemetry(DATA).message()), Ok(Outcome::Forward(0)));
    }

    #[test]
    fn what_is_not_there_fails_and_what_is_no_path_is_refused() {
        assert!(found("$.nowhere.b").is_err_and(|told| told.contains("$.nowhere.b")));
        for wrong in ["", "a.b", "$.[", "$.list[?(@.t >)]"] {
            assert!(JsonPathNode::open(&json!({ "jsonPath": wrong }).to_string()).is_err(), "{wrong}");
        }
    }

    #[test]
    fn names_in_quotes_may_have_any_marks() {
        for (path, definite) in [
            ("$.a", true),
            ("$['a*b']", true),
            (r"$['it\'s *']", true),
            (r"$['\\'][*]", false),
            ("$[0,1]", false),
            ("$..a", false),
        ] {
            assert_eq!(is_definite(path), definite, "{path}");
        }
    }
}
