//! Scripts that compute nothing: `var name = literal;`, and at the end `return {msg: …, metadata: …, msgType: …};`. That is as much as a
//! generator needs to make the same message again and again, and the same in JavaScript and TBEL: no interpreter is needed.

use std::collections::BTreeMap;

use serde_json::{Map, Number, Value as Json};

/// Literals inside of literals at most.
const DEPTH_MAX: usize = 32;
/// Bytes of a script at most.
const SCRIPT_BYTES_MAX: usize = 64 << 10;

/// What the script answers.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Literals {
    /// `msgType`
    pub(crate) kind: String,
    /// `metadata`, as texts.
    pub(crate) metadata: Vec<(String, String)>,
    /// `msg`
    pub(crate) data: Json,
}

/// Understands a script.
///
/// # Errors
/// What is not understood.
pub(crate) fn script(text: &str) -> Result<Literals, String> {
    if text.len() > SCRIPT_BYTES_MAX {
        return Err(format!("the script has more than {SCRIPT_BYTES_MAX} bytes"));
    }
    let mut reader = Reader {
        text,
        names: BTreeMap::new(),
    };
    while reader.takes_word("var") || reader.takes_word("let") || reader.takes_word("const") {
        let name = reader.name()?;
        reader.expect('=')?;
        let value = reader.value(DEPTH_MAX)?;
        reader.names.insert(name, value);
        reader.takes(';');
    }
    if !reader.takes_word("return") {
        return Err(reader.wrong());
    }
    let Json::Object(mut answer) = reader.value(DEPTH_MAX)? else {
        return Err("the script must return {msg, metadata, msgType}".to_owned());
    };
    reader.takes(';');
    if !reader.rest().is_empty() {
        return Err(reader.wrong());
    }
    let (Some(data), Some(Json::Object(metadata)), Some(Json::String(kind))) =
        (answer.remove("msg"), answer.remove("metadata"), answer.remove("msgType"))
    else {
        return Err("the script must return msg, metadata (an object) and msgType (a text)".to_owned());
    };
    let shown = metadata.into_iter().map(|(key, value)| match value {
        Json::String(text) => (key, text),
        other => (key, other.to_string()),
    });
    Ok(Literals {
        kind,
        metadata: shown.collect(),
        data,
    })
}

struct Reader<'a> {
    text: &'a str,
    names: BTreeMap<String, Json>,
}

impl<'a> Reader<'a> {
    /// What is left, without white space and comments before it.
    fn rest(&mut self) -> &'a str {
        loop {
            self.text = self.text.trim_start();
            if let Some(comment) = self.text.strip_prefix("//") {
                self.text = comment.split_once('\n').map_or("", |(_, rest)| rest);
            } else if let Some(comment) = self.text.strip_prefix("/*") {
                self.text = comment.split_once("*/").map_or("", |(_, rest)| rest);
            } else {
                return self.text;
            }
        }
    }

    fn wrong(&mut self) -> String {
        let here: String = self.rest().chars().take(20).collect();
        format!("more than literals, at {here:?}")
    }

    fn takes(&mut self, mark: char) -> bool {
        let rest = self.rest().strip_prefix(mark);
        self.text = rest.unwrap_or(self.text);
        rest.is_some()
    }

    fn expect(&mut self, mark: char) -> Result<(), String> {
        if self.takes(mark) { Ok(()) } else { Err(self.wrong()) }
    }

    fn word(&mut self) -> &'a str {
        let rest = self.rest();
        let end = rest
            .find(|c: char| !(c.is_alphanumeric() || c == '_' || c == '$'))
            .unwrap_or(rest.len());
        &rest[..end]
    }

    fn takes_word(&mut self, word: &str) -> bool {
        let found = self.word() == word;
        if found {
            self.text = &self.text[word.len()..];
        }
        found
    }

    fn name(&mut self) -> Result<String, String> {
        let word = self.word();
        if word.is_empty() || word.starts_with(|c: char| c.is_ascii_digit()) {
            return Err(self.wrong());
        }
        self.text = &self.text[word.len()..];
        Ok(word.to_owned())
    }

    fn value(&mut self, depth: usize) -> Result<Json, String> {
        let Some(deeper) = depth.checked_sub(1) else {
            return Err("the script's literals are too deep".to_owned());
        };
        match self.rest().chars().next() {
            Some('{') => self.object(deeper),
            Some('[') => self.array(deeper),
            Some('"' | '\'') => self.quoted().map(Json::String),
            Some('-' | '0'..='9') => self.number(),
            _ => self.named(),
        }
    }

    fn object(&mut self, depth: usize) -> Result<Json, String> {
        self.expect('{')?;
        let mut fields = Map::new();
        while !self.takes('}') {
            let key = match self.rest().chars().next() {
                Some('"' | '\'') => self.quoted()?,
                _ => self.name()?,
            };
            self.expect(':')?;
            let value = self.value(depth)?;
            fields.insert(key, value);
            if !self.takes(',') {
                self.expect('}')?;
                break;
            }
        }
        Ok(Json::Object(fields))
    }

    fn array(&mut self, depth: usize) -> Result<Json, String> {
        self.expect('[')?;
        let mut elements = Vec::new();
        while !self.takes(']') {
            elements.push(self.value(depth)?);
            if !self.takes(',') {
                self.expect(']')?;
                break;
            }
        }
        Ok(Json::Array(elements))
    }

    /// Text in quotes, without escapes other than those of quotes, backslash and new line.
    fn quoted(&mut self) -> Result<String, String> {
        let rest = self.rest();
        let mut characters = rest.char_indices();
        let Some((_, quote)) = characters.next() else {
            return Err(self.wrong());
        };
        let mut told = String::new();
        while let Some((at, character)) = characters.next() {
            match character {
                _ if character == quote => {
                    self.text = &rest[at + quote.len_utf8()..];
                    return Ok(told);
                }
                '\\' => match characters.next() {
                    Some((_, 'n')) => told.push('\n'),
                    Some((_, escaped @ ('"' | '\'' | '\\' | '/'))) => told.push(escaped),
                    _ => return Err(self.wrong()),
                },
                '\n' => return Err(self.wrong()),
                _ => told.push(character),
            }
        }
        Err(self.wrong())
    }

    fn number(&mut self) -> Result<Json, String> {
        let rest = self.rest();
        let end = rest
            .find(|c: char| !(c.is_ascii_digit() || matches!(c, '-' | '+' | '.' | 'e' | 'E')))
            .unwrap_or(rest.len());
        let number: Number = serde_json::from_str(&rest[..end]).map_err(|_| self.wrong())?;
        self.text = &rest[end..];
        Ok(Json::Number(number))
    }

    /// `true`, `false`, `null`, or a name from before.
    fn named(&mut self) -> Result<Json, String> {
        let word = self.word();
        let known = match word {
            "true" => Some(Json::Bool(true)),
            "false" => Some(Json::Bool(false)),
            "null" => Some(Json::Null),
            name => self.names.get(name).cloned(),
        };
        let value = known.ok_or_else(|| self.wrong())?;
        self.text = &self.text[word.len()..];
        // `a.b`, `a + b`: that would be computing.
        match self.rest().chars().next() {
            None | Some(';' | ',' | '}' | ']') => Ok(value),
            _ => Err(self.wrong()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn literals_are_understood_as_they_are_written() {
        let told = script(
            "// what is sent\nvar msg = { temp: -42.5, 'on': true, \"list\": [1, 'a\\'b', null,], };\nlet metadata = {data: 40, text: 'x'} /* as text */\nvar msgType = \"POST_TELEMETRY_REQUEST\";\nreturn { msg: msg, metadata: metadata, msgType: msgType };\n",
        )
        .expect("literals");
        assert_eq!(told.data, json!({"temp": -42.5, "on": true, "list": [1, "a'b", null]}));
        assert_eq!(
            told.metadata,
            [("data".to_owned(), "40".to_owned()), ("text".to_owned(), "x".to_owned())]
        );
        assert_eq!(told.kind, "POST_TELEMETRY_REQUEST");
    }

    #[test]
    fn whatever_computes_is_refused() {
        for text in [
            "",
            "return 5;",
            "return {msg: 1 + 1, metadata: {}, msgType: 'T'};",
            "return {msg: prevMsg, metadata: {}, msgType: 'T'};",
            "var a = {b: 1}; return {msg: a.b, metadata: {}, msgType: 'T'};",
            "var a = Math.floor(1.5); return {msg: a, metadata: {}, msgType: 'T'};",
            "if (true) { return {msg: 1, metadata: {}, msgType: 'T'}; }",
            "return {msg: 1, metadata: {}, msgType: 'T'}; more",
            "return {msg: 1, metadata: [], msgType: 'T'};",
            "return {msg: 'open",
        ] {
            assert!(script(text).is_err(), "{text}");
        }
        let deep = format!(
            "return {{msg: {}1{}, metadata: {{}}, msgType: 'T'}};",
            "[".repeat(40),
            "]".repeat(40)
        );
        assert!(script(&deep).is_err_and(|told| told.contains("deep")));
    }
}
