//! Templates in configurations: `${key}` stands for metadata, `$[path]` for a place in the payload, `${secret:name}` for a secret; `${*}` and
//! `$[*]` for all metadata and for the whole payload, as JSON.

use crate::{Message, Piece};

/// What stands before the name of a secret.
const SECRET: &str = "secret:";

/// A text with places to fill in.
#[derive(Clone, Debug, PartialEq)]
pub struct Template(Vec<Part>);

#[derive(Clone, Debug, PartialEq)]
enum Part {
    Text(String),
    Metadata(String),
    Payload(String),
}

impl Template {
    /// Reads a template. What is not closed stays text.
    pub fn parse(text: &str) -> Self {
        let mut parts = Vec::new();
        let mut plain = String::new();
        let mut rest = text;
        while let Some(start) = rest.find('$') {
            let (before, from) = rest.split_at(start);
            plain.push_str(before);
            let close = match from.as_bytes().get(1) {
                Some(b'{') => from.find('}'),
                Some(b'[') => from.find(']'),
                _ => None,
            };
            let Some(end) = close else {
                plain.push('$');
                rest = &from[1..];
                continue;
            };
            if !plain.is_empty() {
                parts.push(Part::Text(std::mem::take(&mut plain)));
            }
            let name = from[2..end].to_owned();
            parts.push(if from.as_bytes()[1] == b'{' {
                Part::Metadata(name)
            } else {
                Part::Payload(name)
            });
            rest = &from[end + 1..];
        }
        plain.push_str(rest);
        if !plain.is_empty() {
            parts.push(Part::Text(plain));
        }
        Template(parts)
    }

    /// Fills the places in. A place without value stays as it is written; so does that of a secret.
    pub fn fill(&self, message: &Message) -> String {
        self.fill_with(message, String::push_str)
    }

    /// The same; `add` adds what comes from the message, and may write it otherwise: what stands in the template means what it says there, what
    /// somebody sends does not have to.
    pub fn fill_with(&self, message: &Message, add: impl Fn(&mut String, &str)) -> String {
        let mut filled = String::new();
        for part in &self.0 {
            part.fill(message, &mut filled, &add);
        }
        filled
    }

    /// Fills the places in, but for secrets: the host puts them in. What comes from the message names none, whatever it looks like.
    pub fn pieces(&self, message: &Message) -> Vec<Piece> {
        let mut pieces = Vec::new();
        let mut text = String::new();
        for part in &self.0 {
            match part {
                Part::Metadata(key) if key.starts_with(SECRET) => {
                    if !text.is_empty() {
                        pieces.push(Piece::Text(std::mem::take(&mut text)));
                    }
                    pieces.push(Piece::Secret(key[SECRET.len()..].to_owned()));
                }
                part => part.fill(message, &mut text, String::push_str),
            }
        }
        if !text.is_empty() {
            pieces.push(Piece::Text(text));
        }
        pieces
    }
}

impl Part {
    fn fill(&self, message: &Message, filled: &mut String, add: impl Fn(&mut String, &str)) {
        match self {
            Part::Text(text) => filled.push_str(text),
            Part::Metadata(key) => match message.metadata(key).or_else(|| all_metadata(key, message)) {
                Some(value) => add(filled, &value),
                None => push_all(filled, &["${", key, "}"]),
            },
            Part::Payload(path) => match message
                .text(path)
                .or_else(|| message.json(path))
                .or_else(|| whole_payload(path, message))
            {
                Some(value) => add(filled, &value),
                None => push_all(filled, &["$[", path, "]"]),
            },
        }
    }
}

/// What stands for everything.
const ALL: &str = "*";

fn all_metadata(key: &str, message: &Message) -> Option<String> {
    let all = || {
        let entries = message.metadata_entries().into_iter();
        let object: serde_json::Map<_, _> = entries.map(|(key, value)| (key, serde_json::Value::from(value))).collect();
        serde_json::Value::Object(object).to_string()
    };
    (key == ALL).then(all)
}

fn whole_payload(path: &str, message: &Message) -> Option<String> {
    if path == ALL { message.json("") } else { None }
}

fn push_all(text: &mut String, parts: &[&str]) {
    for part in parts {
        text.push_str(part);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::TestMessage;

    #[test]
    fn fills_metadata_and_payload() {
        let message = TestMessage::telemetry(r#"{"t": 25, "name": "boiler"}"#).with("deviceName", "D1");
        let cases = [
            ("High temperature", "High temperature"),
            ("${deviceName}: $[name] at $[t]", "D1: boiler at 25"),
            ("${nothing} costs 5$", "${nothing} costs 5$"),
            ("$[gone] ${open", "$[gone] ${open"),
            ("${*} $[*]", r#"{"deviceName":"D1"} {"name":"boiler","t":25}"#),
            ("", ""),
        ];
        for (template, expected) in cases {
            assert_eq!(Template::parse(template).fill(&message.message()), expected);
        }
    }

    #[test]
    fn what_comes_from_the_message_may_be_written_otherwise() {
        let message = TestMessage::telemetry(r#"{"t": "<b>"}"#).with("m", "<c>");
        let add = |text: &mut String, value: &str| text.push_str(&value.replace('<', "&lt;"));
        let filled = Template::parse("<a>$[t]${m}$[<]").fill_with(&message.message(), add);
        assert_eq!(filled, "<a>&lt;b>&lt;c>$[<]");
    }

    #[test]
    fn secrets_are_named_by_the_template_only() {
        let message = TestMessage::telemetry(r#"{"t": "${secret:b}"}"#).with("secret:a", "forged");
        let pieces = Template::parse("x${secret:a}$[t]${secret:c}").pieces(&message.message());
        let text = |text: &str| Piece::Text(text.to_owned());
        let secret = |name: &str| Piece::Secret(name.to_owned());
        assert_eq!(pieces, [text("x"), secret("a"), text("${secret:b}"), secret("c")]);
        assert!(Template::parse("").pieces(&message.message()).is_empty());
    }
}
