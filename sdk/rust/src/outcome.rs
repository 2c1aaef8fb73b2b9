//! What a node answers. The records are the contract's own; here are the short ways to make them.

pub use crate::bindings::node::pacificsoft::plugin::entity::EntityId;
pub use crate::bindings::node::pacificsoft::plugin::json::Content;
pub use crate::bindings::node::pacificsoft::plugin::outcome::{
    AssignCustomer, ClearAlarm, DeleteAttributes, Effect, Emission, EnsureEntity, EnterChain, EntityName, EntityRef, HttpRequest, Identity,
    Keep, LeaveChain, NewMessage, Piece, PresenceEvent, Proxy, Publish, RaiseAlarm, RelationChange, ReplyRest, ReplyRpc, ReportPresence,
    RequestBody, SaveAttributes, SaveRow, SaveTimeSeries, SendRpc, Steps, Tls, UnassignCustomer,
};

/// What a node decided.
#[derive(Clone, Debug, PartialEq)]
#[allow(
    clippy::large_enum_variant,
    reason = "there is one for a message, and it becomes the answer where it is"
)]
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

impl SaveTimeSeries {
    /// Values of the message's originator, at the message's own time, all of them kept for ever.
    pub fn new(values: Content) -> Self {
        SaveTimeSeries {
            entity: None,
            timestamp: None,
            ttl_seconds: 0,
            values,
            keep: None,
            quiet: false,
        }
    }
}

impl SaveAttributes {
    /// Values of the message's originator, all of them written; nobody is told but who watches.
    pub fn new(scope: impl Into<String>, values: Content) -> Self {
        SaveAttributes {
            entity: None,
            scope: scope.into(),
            values,
            only_changed: false,
            notify_device: false,
            tell_chain: false,
            keep: None,
            quiet: false,
        }
    }
}

impl HttpRequest {
    /// A request without headers and body, with the host's own limits. `url` is text, or pieces with secrets among them.
    pub fn new(method: impl Into<String>, url: impl Into<Text>) -> Self {
        HttpRequest {
            method: method.into(),
            url: url.into().0,
            headers: Vec::new(),
            basic_auth: None,
            body: None,
            timeout_ms: 0,
            response_bytes_max: 0,
            tls: None,
            proxy: None,
            accepted_if: None,
        }
    }

    /// The same with one more header.
    #[must_use]
    pub fn with_header(mut self, name: impl Into<String>, value: impl Into<Text>) -> Self {
        self.headers.push((name.into(), value.into().0));
        self
    }

    /// The same for a server that may refuse with a status of the 200s: it does not if `true` stands at this JSON Pointer of its answer. The message
    /// goes on as it was then.
    #[must_use]
    pub fn accepted_if(mut self, pointer: impl Into<String>) -> Self {
        self.accepted_if = Some(pointer.into());
        self
    }

    /// The same with a JSON body.
    #[must_use]
    pub fn with_json(mut self, body: Content) -> Self {
        self.body = Some(RequestBody::Content(body));
        self
    }
}

impl Publish {
    /// A payload for a topic of a broker such as `mqtts://broker.example.org`, without login, with the host's own limits.
    pub fn new(broker: impl Into<String>, topic: impl Into<String>, payload: RequestBody) -> Self {
        Publish {
            broker: broker.into(),
            topic: topic.into(),
            payload,
            basic_auth: None,
            options: Vec::new(),
            timeout_ms: 0,
            tls: None,
            proxy: None,
        }
    }

    /// The same with user name and password, in which secrets may be.
    #[must_use]
    pub fn with_login(mut self, user: impl Into<Text>, password: impl Into<Text>) -> Self {
        self.basic_auth = Some((user.into().0, password.into().0));
        self
    }

    /// The same with one more option, such as `retain`.
    #[must_use]
    pub fn with_option(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.options.push((name.into(), value.into()));
        self
    }
}

/// Text that may have secrets in it.
#[derive(Clone, Debug, PartialEq)]
pub struct Text(pub Vec<Piece>);

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Text(vec![Piece::Text(text.to_owned())])
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Text(vec![Piece::Text(text)])
    }
}

impl From<Vec<Piece>> for Text {
    fn from(pieces: Vec<Piece>) -> Self {
        Text(pieces)
    }
}

impl Piece {
    /// A secret of the tenant, by its name.
    pub fn secret(name: impl Into<String>) -> Self {
        Piece::Secret(name.into())
    }
}

impl Content {
    /// The whole payload of the processed message. Costs no copy.
    pub fn whole() -> Self {
        Content::Payload(String::new())
    }
}

impl EntityRef {
    /// The entity of a type and name, looked up when the effect is performed.
    pub fn by_name(entity_type: impl Into<String>, name: impl Into<String>) -> Self {
        EntityRef::Named(EntityName {
            entity_type: entity_type.into(),
            name: name.into(),
        })
    }
}
