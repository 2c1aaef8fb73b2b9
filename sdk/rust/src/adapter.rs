//! Payload adapters: between a device's topics, paths and payloads and the platform's words.

use serde_json::Value as Json;

use crate::bindings::adapter::exports::pacificsoft::plugin::adapter as contract;
use crate::bindings::adapter::pacificsoft::plugin::uplink as words;
use crate::message::{Shape, at, length_of, shape_of};
use crate::testing::TestInbound;

pub use words::{
    AttributeRequest, AttributeResponse, ChildAttributeRequest, ChildAttributeResponse, ChildDownlink, ChildRefusal, ChildSays, ChildTells,
    ChildUplink, Claim, Downlink, DownlinkKind, Outbound, Refusal, RpcCall, RpcReply, RpcRequest, RpcResponse, Telemetry, Uplink,
};

/// What people know of an adapter.
#[derive(Clone, Copy, Debug)]
pub struct AdapterDescriptor {
    /// Name in kebab case.
    pub name: &'static str,
    /// Name people see.
    pub title: &'static str,
    /// One sentence.
    pub description: &'static str,
}

/// A payload adapter. Stateless: an instance serves many devices of a tenant.
pub trait Adapter {
    /// The adapter.
    fn descriptor() -> AdapterDescriptor;

    /// Understands what a device sent.
    ///
    /// # Errors
    /// [`Refusal`]: no such address, or a payload that does not belong there.
    fn decode(inbound: &Inbound) -> Result<Vec<Uplink>, Refusal>;

    /// Writes what a device is told. None: this protocol has no word for it.
    ///
    /// # Errors
    /// Why it cannot be written.
    fn encode(transport: &str, downlink: Downlink) -> Result<Option<Outbound>, String>;

    /// As [`Adapter::encode`], in the form of what the device said: `via` is the topic of the question that is answered, or the filter
    /// by which the device subscribed. For protocols that have several forms.
    ///
    /// # Errors
    /// As there.
    fn encode_via(transport: &str, downlink: Downlink, _via: Option<&str>) -> Result<Option<Outbound>, String> {
        Self::encode(transport, downlink)
    }

    /// What a subscription to a topic filter brings; empty: refused.
    fn subscription(transport: &str, filter: &str) -> Vec<DownlinkKind>;
}

/// What a device sent. Paths as in [`Message`](crate::Message).
pub struct Inbound<'a>(Source<'a>);

enum Source<'a> {
    Host(&'a words::Inbound),
    Test(&'a TestInbound),
}

impl<'a> Inbound<'a> {
    #[doc(hidden)]
    pub fn host(inbound: &'a words::Inbound) -> Self {
        Inbound(Source::Host(inbound))
    }

    pub(crate) fn test(inbound: &'a TestInbound) -> Self {
        Inbound(Source::Test(inbound))
    }

    /// `mqtt`, `http` or `coap`.
    pub fn transport(&self) -> String {
        match self.0 {
            Source::Host(host) => host.transport(),
            Source::Test(test) => test.transport.clone(),
        }
    }

    /// MQTT: the topic. HTTP and CoAP: method and path, such as `POST telemetry`.
    pub fn address(&self) -> String {
        match self.0 {
            Source::Host(host) => host.address(),
            Source::Test(test) => test.address.clone(),
        }
    }

    /// A query parameter.
    pub fn query(&self, key: &str) -> Option<String> {
        match self.0 {
            Source::Host(host) => host.query(key),
            Source::Test(test) => test.query.get(key).cloned(),
        }
    }

    /// The payload's bytes.
    pub fn payload(&self) -> Vec<u8> {
        match self.0 {
            Source::Host(host) => host.payload(),
            Source::Test(test) => test.payload.clone(),
        }
    }

    /// Whether the payload is well-formed JSON.
    pub fn is_json(&self) -> bool {
        match self.0 {
            Source::Host(host) => host.is_json(),
            Source::Test(test) => test.json.is_some(),
        }
    }

    /// What stands at a path.
    pub fn shape(&self, path: &str) -> Shape {
        match self.0 {
            Source::Host(host) => host.shape(path),
            Source::Test(test) => shape_of(test.at(path)),
        }
    }

    /// The whole number at a path.
    pub fn integer(&self, path: &str) -> Option<i64> {
        match self.0 {
            Source::Host(host) => host.integer(path),
            Source::Test(test) => test.at(path)?.as_i64(),
        }
    }

    /// The boolean at a path.
    pub fn boolean(&self, path: &str) -> Option<bool> {
        match self.0 {
            Source::Host(host) => host.boolean(path),
            Source::Test(test) => test.at(path)?.as_bool(),
        }
    }

    /// The text at a path.
    pub fn text(&self, path: &str) -> Option<String> {
        match self.0 {
            Source::Host(host) => host.text(path),
            Source::Test(test) => test.at(path)?.as_str().map(str::to_owned),
        }
    }

    /// Elements of the array, or members of the object, at a path.
    pub fn length(&self, path: &str) -> u32 {
        match self.0 {
            Source::Host(host) => host.length(path),
            Source::Test(test) => length_of(test.at(path)),
        }
    }

    /// Keys of the object at a path.
    pub fn keys(&self, path: &str) -> Vec<String> {
        match self.0 {
            Source::Host(host) => host.keys(path),
            Source::Test(test) => {
                let object = test.at(path).and_then(Json::as_object);
                object.map_or_else(Vec::new, |object| object.keys().cloned().collect())
            }
        }
    }

    /// Whether every element of the array, or member of the object, at a path is an object.
    pub fn holds_objects(&self, path: &str) -> bool {
        match self.0 {
            Source::Host(host) => host.holds_objects(path),
            Source::Test(test) => match test.at(path) {
                Some(Json::Array(elements)) => elements.iter().all(Json::is_object),
                Some(Json::Object(members)) => members.values().all(Json::is_object),
                _ => false,
            },
        }
    }
}

impl TestInbound {
    fn at(&self, path: &str) -> Option<&Json> {
        self.json.as_ref().and_then(|json| at(json, path))
    }
}

#[doc(hidden)]
pub fn contract_descriptor<A: Adapter>() -> contract::AdapterDescriptor {
    let own = A::descriptor();
    contract::AdapterDescriptor {
        name: own.name.to_owned(),
        title: own.title.to_owned(),
        description: own.description.to_owned(),
        extensions: Vec::new(),
    }
}

/// Exports a payload adapter, once in a component.
#[macro_export]
macro_rules! export_adapter {
    ($adapter:ty) => {
        #[cfg(target_arch = "wasm32")]
        const _: () = {
            use $crate::bindings::adapter::exports::pacificsoft::plugin::adapter as contract;
            use $crate::bindings::adapter::pacificsoft::plugin::uplink as words;

            struct Package;

            impl contract::Guest for Package {
                fn describe() -> contract::AdapterDescriptor {
                    $crate::adapter::contract_descriptor::<$adapter>()
                }

                fn decode(message: &words::Inbound) -> Result<Vec<words::Uplink>, words::Refusal> {
                    <$adapter as $crate::Adapter>::decode(&$crate::Inbound::host(message))
                }

                fn encode(transport: String, downlink: words::Downlink, via: Option<String>) -> Result<Option<words::Outbound>, String> {
                    <$adapter as $crate::Adapter>::encode_via(&transport, downlink, via.as_deref())
                }

                fn subscription(transport: String, filter: String) -> Vec<words::DownlinkKind> {
                    <$adapter as $crate::Adapter>::subscription(&transport, &filter)
                }
            }

    $crate::bindings::adapter::export_payload_adapter!(Package with_types_in $crate::bindings::adapter);
        };
    };
}
