//! What a node answers. The records are the contract's own; here are the short ways to make them.

pub use crate::bindings::node::pacificsoft::plugin::entity::EntityId;
pub use crate::bindings::node::pacificsoft::plugin::json::Content;
pub use crate::bindings::node::pacificsoft::plugin::outcome::{
    ClearAlarm, Effect, Emission, NewMessage, RaiseAlarm, ReplyRpc, SaveAttributes, SaveTimeSeries, SendRpc, Steps,
};

/// What a node decided.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// The message itself leaves along one of the relations the node type declares, by its index there. The cheapest answer.
    Forward(u32),
    /// One effect; the message leaves along the relation it reports.
    Effect(Effect),
    /// Anything else.
    Steps(Steps),
}

impl Outcome {
    /// The message itself leaves along a relation given by name. For relations that the node declares, [`Outcome::Forward`] is cheaper.
    pub fn along(relation: impl Into<String>) -> Self {
        Outcome::Steps(Steps {
            effects: Vec::new(),
            emissions: vec![Emission {
                relation: relation.into(),
                message: None,
            }],
        })
    }

    /// A changed message leaves along a relation.
    pub fn emit(relation: impl Into<String>, message: NewMessage) -> Self {
        Outcome::Steps(Steps {
            effects: Vec::new(),
            emissions: vec![Emission {
                relation: relation.into(),
                message: Some(message),
            }],
        })
    }

    /// The message ends here, successfully.
    pub fn end() -> Self {
        Outcome::Steps(Steps {
            effects: Vec::new(),
            emissions: Vec::new(),
        })
    }
}

impl NewMessage {
    /// The same message with another payload.
    pub fn with_json(json: impl Into<String>) -> Self {
        NewMessage {
            kind: None,
            originator: None,
            metadata: None,
            payload: Some(Content::Json(json.into())),
        }
    }
}

impl Content {
    /// The whole payload of the processed message. Costs no copy.
    pub fn whole() -> Self {
        Content::Payload(String::new())
    }
}
