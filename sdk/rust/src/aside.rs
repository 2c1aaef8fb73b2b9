//! Messages that a node puts aside, in [`crate::state`], and sends on later, on a timer.

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use serde_json::value::RawValue;

use crate::{Content, EntityId, Message, NewMessage};

/// A message put aside. Its time and its place in the chain are not kept: it is sent on as a new message.
#[derive(Debug, Serialize, Deserialize)]
pub struct Aside {
    kind: String,
    entity_type: String,
    id: String,
    metadata: Vec<(String, String)>,
    data: Box<RawValue>,
}

impl Aside {
    /// The message in hand.
    ///
    /// # Errors
    /// When it has no data.
    pub fn of(message: &Message) -> Result<Self, String> {
        let EntityId { entity_type, id } = message.originator();
        let data = message.json("").ok_or("the message has no data")?;
        Ok(Aside {
            kind: message.kind(),
            entity_type,
            id,
            metadata: message.metadata_entries(),
            data: RawValue::from_string(data).map_err(|error| error.to_string())?,
        })
    }

    /// What [`Aside::bytes`] made; none when it is something else.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok()
    }

    /// As a value of the node's state.
    ///
    /// # Errors
    /// Never for what [`Aside::of`] made.
    pub fn bytes(&self) -> Result<Vec<u8>, String> {
        serde_json::to_vec(self).map_err(|error| error.to_string())
    }

    /// The entity it comes from.
    pub fn originator(&self) -> EntityId {
        EntityId {
            entity_type: self.entity_type.clone(),
            id: self.id.clone(),
        }
    }

    /// Its metadata.
    pub fn metadata(&self) -> &[(String, String)] {
        &self.metadata
    }

    /// Its data.
    pub fn data(&self) -> Json {
        serde_json::from_str(self.data.get()).unwrap_or(Json::Null)
    }

    /// The message, to be sent on.
    pub fn message(self) -> NewMessage {
        NewMessage {
            originator: Some(self.originator()),
            kind: Some(self.kind),
            metadata: Some(self.metadata),
            payload: Some(Content::Json(self.data.to_string())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::TestMessage;

    #[test]
    fn comes_back_as_it_was() {
        let message = TestMessage::new("ANY", r#"{"a":[1,2.50],"b":12345678901234567890}"#).with("k", "v");
        let bytes = Aside::of(&message.message()).and_then(|aside| aside.bytes()).expect("kept");
        let aside = Aside::read(&bytes).expect("its own bytes");
        assert_eq!(
            (aside.originator(), aside.data()),
            (message.originator.clone(), message.payload.clone())
        );
        let sent = aside.message();
        assert_eq!(
            (sent.kind.as_deref(), sent.metadata),
            (Some("ANY"), Some(vec![("k".to_owned(), "v".to_owned())]))
        );
        assert!(Aside::read(b"{}").is_none());
    }
}
