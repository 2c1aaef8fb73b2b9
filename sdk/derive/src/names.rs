//! How fields and variants are called in JSON.

use syn::{Error, LitStr};

/// The cases of `rename_all`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Case {
    /// As in Rust.
    Same,
    /// `likeThis`
    Camel,
    /// `like-this`
    Kebab,
    /// `like_this`
    Snake,
    /// `LIKE_THIS`
    Screaming,
}

impl Case {
    /// By its name, as serde calls it.
    ///
    /// # Errors
    /// When there is no such case.
    pub fn parse(text: &LitStr) -> Result<Self, Error> {
        Ok(match text.value().as_str() {
            "camelCase" => Case::Camel,
            "kebab-case" => Case::Kebab,
            "snake_case" => Case::Snake,
            "SCREAMING_SNAKE_CASE" => Case::Screaming,
            _ => {
                return Err(Error::new_spanned(
                    text,
                    "one of camelCase, kebab-case, snake_case, SCREAMING_SNAKE_CASE",
                ));
            }
        })
    }

    /// A name of Rust in this case.
    pub fn of(self, name: &str) -> String {
        let words = words(name);
        match self {
            Case::Same => name.to_owned(),
            Case::Kebab => words.join("-"),
            Case::Snake => words.join("_"),
            Case::Screaming => words.join("_").to_uppercase(),
            Case::Camel => {
                let capital = |word: &String| word[..1].to_uppercase() + &word[1..];
                let rest: String = words.iter().skip(1).map(capital).collect();
                words.first().map(String::as_str).unwrap_or_default().to_owned() + &rest
            }
        }
    }
}

/// The words of `like_this` and of `LikeThis`, in lower case.
fn words(name: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut begins = true;
    for c in name.trim_start_matches("r#").chars() {
        if c == '_' {
            begins = true;
            continue;
        }
        if begins || c.is_uppercase() {
            words.push(String::new());
        }
        begins = false;
        if let Some(word) = words.last_mut() {
            word.extend(c.to_lowercase());
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::Case;

    #[test]
    fn names_take_every_case() {
        for (name, camel, kebab, screaming) in [
            ("use_server_ts", "useServerTs", "use-server-ts", "USE_SERVER_TS"),
            ("GreaterOrEqual", "greaterOrEqual", "greater-or-equal", "GREATER_OR_EQUAL"),
            ("key", "key", "key", "KEY"),
            ("r#type", "type", "type", "TYPE"),
        ] {
            assert_eq!(
                (Case::Camel.of(name), Case::Kebab.of(name), Case::Screaming.of(name)),
                (camel.into(), kebab.into(), screaming.into())
            );
        }
        assert_eq!(Case::Snake.of("GreaterOrEqual"), "greater_or_equal");
    }
}
