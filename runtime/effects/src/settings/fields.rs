//! Fields of settings as ThingsBoard's clients send them: numbers and flags may stand there as text. Pure. No error quotes a value, which may
//! be a password.

use serde_json::Value as Json;

/// Bytes of a text at most.
const TEXT_BYTES_MAX: usize = 1024;

/// What was given.
pub(super) struct Fields<'a>(&'a Json);

impl<'a> Fields<'a> {
    /// # Errors
    /// When it is no object.
    pub(super) fn of(given: &'a Json) -> Result<Self, String> {
        match given.is_object() {
            true => Ok(Fields(given)),
            false => Err("jsonValue is no object".to_owned()),
        }
    }

    /// What is there; null is not.
    fn field(&self, name: &str) -> Option<&'a Json> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    /// # Errors
    /// When it is no text, or too long.
    pub(super) fn text(&self, name: &str) -> Result<Option<&'a str>, String> {
        match self.field(name) {
            None => Ok(None),
            Some(Json::String(text)) if text.len() <= TEXT_BYTES_MAX => Ok(Some(text)),
            Some(_) => Err(format!("{name} is no text of at most {TEXT_BYTES_MAX} bytes")),
        }
    }

    /// # Errors
    /// As [`Fields::text`], and when there is none.
    pub(super) fn some_text(&self, name: &str) -> Result<&'a str, String> {
        let text = self.text(name)?.map(str::trim).unwrap_or_default();
        match text.is_empty() {
            true => Err(format!("{name} is missing")),
            false => Ok(text),
        }
    }

    /// # Errors
    /// When it is no number up to `max`.
    pub(super) fn number(&self, name: &str, max: u32) -> Result<Option<u32>, String> {
        let number = match self.field(name) {
            None => return Ok(None),
            Some(Json::String(text)) if text.trim().is_empty() => return Ok(None),
            Some(Json::String(text)) => text.trim().parse().ok(),
            Some(other) => other.as_u64(),
        };
        let fits = number.and_then(|number| u32::try_from(number).ok()).filter(|number| *number <= max);
        fits.map(Some).ok_or_else(|| format!("{name} is no number between 0 and {max}"))
    }

    /// # Errors
    /// When it is neither true nor false.
    pub(super) fn flag(&self, name: &str) -> Result<bool, String> {
        match self.field(name) {
            None => Ok(false),
            Some(Json::Bool(flag)) => Ok(*flag),
            Some(Json::String(text)) if text.is_empty() || text == "false" => Ok(false),
            Some(Json::String(text)) if text == "true" => Ok(true),
            Some(_) => Err(format!("{name} is neither true nor false")),
        }
    }
}
