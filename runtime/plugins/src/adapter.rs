//! Instances that translate for devices. An adapter is stateless, so any free instance of the pool serves.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use model::{ChildRefusal, ChildUplink, Clock, Downlink, DownlinkKind, Payload, TenantId, Uplink};
use parking_lot::Mutex;
use serde_json::Value as Json;
use shares::{Caller, Share};
use wasmtime::Store;
use wasmtime::component::Resource;

use crate::bindings::json::Content;
use crate::bindings::payload_adapter::PayloadAdapter;
use crate::bindings::uplink as wit;
use crate::budget::{Budget, allow};
use crate::component::AdapterComponent;
use crate::error::DecodeError;
use crate::figures::Figures;
use crate::guest::{Current, Guest, LogBudget, LogSink, explain, store};
use crate::limits::Limiter;
use crate::memory::SharedMemory;
use crate::node::cut;

/// Instances kept for the next call.
const IDLE_MAX: usize = 16;
/// Bytes of a secret that a device is claimed with, at most.
const SECRET_BYTES_MAX: usize = 512;
/// Keys of an attribute request at most.
const KEYS_MAX: usize = 1_000;

/// Bytes of an address at most.
const ADDRESS_BYTES_MAX: usize = 4_096;

/// How a device is connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum Transport {
    Mqtt,
    Http,
    Coap,
}

impl Transport {
    /// Its name in the contract.
    pub fn as_str(self) -> &'static str {
        match self {
            Transport::Mqtt => "mqtt",
            Transport::Http => "http",
            Transport::Coap => "coap",
        }
    }
}

/// What a device sent, as the transport framed it.
#[derive(Debug)]
pub struct Inbound {
    /// How.
    pub transport: Transport,
    /// MQTT: the topic. HTTP and CoAP: method and path below the device's root, such as `POST telemetry`.
    pub address: String,
    /// Query parameters.
    pub query: Vec<(String, String)>,
    /// Bytes.
    pub payload: Bytes,
    parsed: OnceLock<Option<Payload>>,
}

impl Inbound {
    /// Frames a payload.
    pub fn new(transport: Transport, address: impl Into<String>, query: Vec<(String, String)>, payload: Bytes) -> Self {
        Inbound {
            transport,
            address: address.into(),
            query,
            payload,
            parsed: OnceLock::new(),
        }
    }

    /// The payload as JSON, parsed on first use; none when it is not JSON.
    pub(crate) fn json(&self) -> Option<&Payload> {
        self.parsed.get_or_init(|| Payload::parse(&self.payload).ok()).as_ref()
    }
}

/// A message ready for the transport to frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outbound {
    /// MQTT: the topic.
    pub address: String,
    /// Bytes.
    pub payload: Bytes,
}

/// Instances of one adapter, for one tenant.
pub struct AdapterPool {
    component: AdapterComponent,
    tenant: TenantId,
    log: Arc<dyn LogSink>,
    clock: Arc<dyn Clock>,
    /// Makes its calls in turns of its tenant; none: it is part of the server.
    caller: Option<Caller>,
    idle: Mutex<Vec<Instance>>,
}

struct Instance {
    store: Store<Guest>,
    adapter: PayloadAdapter,
}

impl AdapterPool {
    /// No instance yet: they are made when they are needed.
    pub fn new(component: AdapterComponent, tenant: TenantId, log: Arc<dyn LogSink>, clock: Arc<dyn Clock>) -> Self {
        AdapterPool {
            component,
            tenant,
            log,
            clock,
            caller: None,
            idle: Mutex::new(Vec::new()),
        }
    }

    /// The same, whose instances use a tenant's processor time.
    #[must_use]
    pub fn charged_to(self, share: Arc<Share>) -> Self {
        AdapterPool {
            caller: Some(Caller::new(share)),
            ..self
        }
    }

    /// Whether it is part of the server, which waits for nobody's turn.
    pub fn is_shipped(&self) -> bool {
        self.caller.is_none()
    }

    /// Asks it something, in a turn of its tenant if it is not part of the server.
    ///
    /// # Errors
    /// Text, when the platform fails.
    pub async fn ask<T: Send + 'static>(self: &Arc<Self>, question: impl FnOnce(&Self) -> T + Send + 'static) -> Result<T, String> {
        let Some(caller) = &self.caller else {
            return Ok(question(self));
        };
        let pool = Arc::clone(self);
        // In a box: every session has room for what it may wait for.
        let answer = Box::pin(caller.call(move || question(&pool))).await;
        answer.ok_or_else(|| "the platform failed while the adapter was asked".to_owned())
    }

    /// What its instances are made from.
    pub fn component(&self) -> &AdapterComponent {
        &self.component
    }

    /// Understands what a device sent.
    ///
    /// # Errors
    /// [`DecodeError`], by whose fault it is.
    pub fn decode(&self, inbound: Inbound) -> Result<Vec<Uplink>, DecodeError> {
        let inbound = Arc::new(inbound);
        let answer = self.call(Current::Inbound(Arc::clone(&inbound)), |adapter, store| {
            adapter.pacificsoft_plugin_adapter().call_decode(store, Resource::new_borrow(0))
        });
        let uplinks = match answer.map_err(DecodeError::Adapter)? {
            Ok(uplinks) => uplinks,
            Err(wit::Refusal::UnknownAddress) => return Err(DecodeError::UnknownAddress),
            Err(wit::Refusal::Malformed(mut reason)) => {
                reason.truncate(reason.floor_char_boundary(1024));
                return Err(DecodeError::Malformed(reason));
            }
        };
        let max = self.component.0.host.limits().uplinks_max;
        if uplinks.len() > max {
            return Err(DecodeError::Malformed(format!(
                "{} parts are more than the {max} allowed in one message",
                uplinks.len()
            )));
        }
        uplinks
            .into_iter()
            .map(|uplink| checked(uplink, &inbound))
            .collect::<Result<_, _>>()
            .map_err(DecodeError::Adapter)
    }

    /// Writes what a device is told. None: its protocol has no word for it.
    ///
    /// # Errors
    /// Text, when the adapter fails.
    pub fn encode(&self, transport: Transport, downlink: &Downlink) -> Result<Option<Outbound>, String> {
        self.encode_via(transport, downlink, None)
    }

    /// As [`AdapterPool::encode`], in the form of what the device said or subscribed to.
    ///
    /// # Errors
    /// As there.
    pub fn encode_via(&self, transport: Transport, downlink: &Downlink, via: Option<&str>) -> Result<Option<Outbound>, String> {
        let Some(downlink) = told(downlink) else { return Ok(None) };
        let answer = self.call(Current::Nothing, |adapter, store| {
            adapter
                .pacificsoft_plugin_adapter()
                .call_encode(store, transport.as_str(), &downlink, via)
        })?;
        let Some(outbound) = answer.map_err(cut)? else { return Ok(None) };
        check_address(transport, &outbound.address)?;
        Ok(Some(Outbound {
            address: outbound.address,
            payload: outbound.payload.into(),
        }))
    }

    /// What a subscription brings; nothing: it is refused.
    ///
    /// # Errors
    /// Text, when the adapter fails.
    pub fn subscription(&self, transport: Transport, filter: &str) -> Result<Vec<DownlinkKind>, String> {
        let kinds = self.call(Current::Nothing, |adapter, store| {
            adapter
                .pacificsoft_plugin_adapter()
                .call_subscription(store, transport.as_str(), filter)
        })?;
        let mut known = Vec::with_capacity(4);
        for kind in kinds {
            let kind = match kind {
                wit::DownlinkKind::AttributeResponse => DownlinkKind::AttributeResponse,
                wit::DownlinkKind::Attributes => DownlinkKind::Attributes,
                wit::DownlinkKind::RpcRequest => DownlinkKind::RpcRequest,
                wit::DownlinkKind::RpcResponse => DownlinkKind::RpcResponse,
                wit::DownlinkKind::ChildAttributeResponse => DownlinkKind::ChildAttributeResponse,
                wit::DownlinkKind::ChildAttributes => DownlinkKind::ChildAttributes,
                wit::DownlinkKind::ChildRpcRequest => DownlinkKind::ChildRpcRequest,
                wit::DownlinkKind::ChildRefused => DownlinkKind::ChildRefused,
            };
            if !known.contains(&kind) {
                known.push(kind);
            }
        }
        Ok(known)
    }

    /// Calls an idle instance, or a new one. A faulty instance is dropped.
    fn call<T>(&self, current: Current, call: impl FnOnce(&PayloadAdapter, &mut Store<Guest>) -> wasmtime::Result<T>) -> Result<T, String> {
        let idle = self.idle.lock().pop();
        let mut instance = match idle {
            Some(instance) => instance,
            None => self.instantiate()?,
        };
        let limits = self.component.0.host.limits();
        instance.store.data_mut().current = current;
        allow(&mut instance.store, limits.process_ms);
        let answer = call(&instance.adapter, &mut instance.store);
        instance.store.data_mut().current = Current::Nothing;
        match answer {
            Ok(answer) => {
                let mut idle = self.idle.lock();
                if idle.len() < IDLE_MAX {
                    idle.push(instance);
                }
                Ok(answer)
            }
            Err(error) => {
                let fault = explain(&error, instance.store.data(), limits, limits.process_ms);
                metrics::counter!("plugins_adapter_faults_total").increment(1);
                tracing::warn!(adapter = self.component.descriptor().name, %fault, "protocol adapter failed");
                Err(fault.to_string())
            }
        }
    }

    fn instantiate(&self) -> Result<Instance, String> {
        let host = &self.component.0.host;
        let limits = host.limits();
        let guest = Guest {
            limiter: Limiter::new(limits),
            current: Current::Nothing,
            answer: None,
            budget: Budget::default(),
            tenant: self.tenant,
            name: self.component.descriptor().name.as_str().into(),
            readings: None,
            log: Some(Arc::clone(&self.log)),
            clock: Arc::clone(&self.clock),
            log_budget: LogBudget::new(limits),
            memory: SharedMemory::default(),
            memory_touched: false,
            about: None,
            figures: Figures::default(),
        };
        let mut store = store(&host.0.engine, guest, limits);
        allow(&mut store, limits.open_ms);
        match self.component.0.pre.instantiate(&mut store) {
            Ok(adapter) => Ok(Instance { store, adapter }),
            Err(error) => Err(explain(&error, store.data(), limits, limits.open_ms).to_string()),
        }
    }
}

/// What stands in a packet must fit into one: a topic has a length of 16 bits, and neither wildcards nor control characters.
fn check_address(transport: Transport, address: &str) -> Result<(), String> {
    if address.len() > ADDRESS_BYTES_MAX {
        return Err(format!(
            "it answered with an address of {} bytes, more than the {ADDRESS_BYTES_MAX} allowed",
            address.len()
        ));
    }
    let topic = transport == Transport::Mqtt;
    if address.chars().any(|c| c.is_control() || topic && matches!(c, '+' | '#')) || topic && address.is_empty() {
        return Err("it answered with an address that is no topic".to_owned());
    }
    Ok(())
}

/// Puts an uplink into the platform's words.
pub(crate) fn checked(uplink: wit::Uplink, inbound: &Inbound) -> Result<Uplink, String> {
    let content = |content: Content| content_of(content, inbound);
    Ok(match uplink {
        wit::Uplink::Telemetry(telemetry) => Uplink::Telemetry {
            ts_ms: telemetry.timestamp,
            values: content(telemetry.values)?,
        },
        wit::Uplink::Attributes(values) => Uplink::Attributes(content(values)?),
        wit::Uplink::AttributeRequest(request) => Uplink::AttributeRequest {
            id: request.id,
            client_keys: keys(request.client_keys)?,
            shared_keys: keys(request.shared_keys)?,
        },
        wit::Uplink::RpcReply(reply) => Uplink::RpcReply {
            id: reply.id,
            payload: content(reply.payload)?,
        },
        wit::Uplink::RpcCall(call) => Uplink::RpcCall {
            id: call.id,
            method: call.method.into(),
            params: content(call.params)?,
        },
        wit::Uplink::Claim(claim) if claim.secret_key.len() > SECRET_BYTES_MAX => {
            return Err(format!("a secret has more than {SECRET_BYTES_MAX} bytes"));
        }
        wit::Uplink::Claim(claim) => Uplink::Claim {
            secret: claim.secret_key.into(),
            duration_ms: claim.duration,
        },
        wit::Uplink::Child(child) => {
            let says = |uplink| checked(uplink, inbound).map(Box::new);
            let says = match child.says {
                wit::ChildSays::Connected(profile) => ChildUplink::Connected(profile.map(Arc::from)),
                wit::ChildSays::Disconnected => ChildUplink::Disconnected,
                wit::ChildSays::Telemetry(telemetry) => ChildUplink::Says(says(wit::Uplink::Telemetry(telemetry))?),
                wit::ChildSays::Attributes(values) => ChildUplink::Says(says(wit::Uplink::Attributes(values))?),
                wit::ChildSays::RpcReply(reply) => ChildUplink::Says(says(wit::Uplink::RpcReply(reply))?),
                wit::ChildSays::Claim(claim) => ChildUplink::Says(says(wit::Uplink::Claim(claim))?),
                wit::ChildSays::AttributeRequest(asked) => {
                    let request = says(wit::Uplink::AttributeRequest(asked.request))?;
                    if asked.single {
                        ChildUplink::AsksForOne(request)
                    } else {
                        ChildUplink::Says(request)
                    }
                }
            };
            Uplink::Child {
                device: child.device.into(),
                says,
            }
        }
    })
}

fn keys(keys: Option<Vec<String>>) -> Result<Option<Vec<Arc<str>>>, String> {
    match keys {
        Some(keys) if keys.len() > KEYS_MAX => Err(format!("{} keys are more than the {KEYS_MAX} allowed", keys.len())),
        keys => Ok(keys.map(|keys| keys.into_iter().map(Arc::from).collect())),
    }
}

fn content_of(content: Content, inbound: &Inbound) -> Result<Payload, String> {
    match content {
        Content::Json(text) => Payload::parse(text.as_bytes()).map_err(|error| format!("it answered with text that is no JSON: {error}")),
        Content::Payload(path) => {
            let whole = inbound.json().ok_or("it named the payload, which is no JSON")?;
            if path.is_empty() {
                return Ok(whole.clone());
            }
            Ok(Payload::new(whole.at(&path).cloned().unwrap_or(Json::Null)))
        }
    }
}

/// A downlink in the contract's words. None: the contract has none for it.
pub(crate) fn told(downlink: &Downlink) -> Option<wit::Downlink> {
    Some(match downlink {
        Downlink::AttributeResponse { id, client, shared } => wit::Downlink::AttributeResponse(response(*id, client, shared)),
        Downlink::AttributesChanged(values) => wit::Downlink::AttributesChanged(text(values)),
        Downlink::AttributesRemoved(keys) => wit::Downlink::AttributesRemoved(texts(keys)),
        Downlink::RpcRequest { id, method, params } => wit::Downlink::RpcRequest(request(*id, method, params)),
        Downlink::RpcResponse { id, payload } => wit::Downlink::RpcResponse(wit::RpcResponse {
            id: *id,
            payload: text(payload),
        }),
        Downlink::Child { device, single, downlink } => wit::Downlink::Child(wit::ChildDownlink {
            device: device.to_string(),
            tells: child_told(*single, downlink)?,
        }),
        // Of nobody behind a gateway: there is no such thing to tell.
        Downlink::Refused(_) | Downlink::Superseded => return None,
    })
}

fn child_told(single: bool, downlink: &Downlink) -> Option<wit::ChildTells> {
    Some(match downlink {
        Downlink::AttributeResponse { id, client, shared } => wit::ChildTells::AttributeResponse(wit::ChildAttributeResponse {
            response: response(*id, client, shared),
            single,
        }),
        Downlink::AttributesChanged(values) => wit::ChildTells::AttributesChanged(text(values)),
        Downlink::AttributesRemoved(keys) => wit::ChildTells::AttributesRemoved(texts(keys)),
        Downlink::RpcRequest { id, method, params } => wit::ChildTells::RpcRequest(request(*id, method, params)),
        Downlink::Refused(ChildRefusal::RateExceeded) => wit::ChildTells::Refused(wit::ChildRefusal::RateExceeded),
        Downlink::RpcResponse { .. } | Downlink::Child { .. } | Downlink::Superseded => return None,
    })
}

fn response(id: u32, client: &Option<Payload>, shared: &Option<Payload>) -> wit::AttributeResponse {
    wit::AttributeResponse {
        id,
        client: client.as_ref().map(text),
        shared: shared.as_ref().map(text),
    }
}

fn request(id: u32, method: &str, params: &Payload) -> wit::RpcRequest {
    wit::RpcRequest {
        id,
        method: method.to_owned(),
        params: text(params),
    }
}

fn text(payload: &Payload) -> String {
    payload.text().to_owned()
}

fn texts(keys: &[Arc<str>]) -> Vec<String> {
    keys.iter().map(ToString::to_string).collect()
}
