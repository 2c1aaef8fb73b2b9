//! What wasmtime makes of the contract in `wit/`. The worlds share the types of the interfaces they share.

#[allow(missing_docs, clippy::all)]
pub(crate) mod rule_node {
    wasmtime::component::bindgen!({
        path: "../../wit",
        world: "rule-node",
        imports: { default: trappable },
    });
}

#[allow(missing_docs, clippy::all)]
pub(crate) mod payload_adapter {
    wasmtime::component::bindgen!({
        path: "../../wit",
        world: "payload-adapter",
        imports: { default: trappable },
        with: {
            "pacificsoft:plugin/json": crate::bindings::rule_node::pacificsoft::plugin::json,
            "pacificsoft:plugin/log": crate::bindings::rule_node::pacificsoft::plugin::log,
            "pacificsoft:plugin/clock": crate::bindings::rule_node::pacificsoft::plugin::clock,
            "pacificsoft:plugin/uplink.inbound": crate::guest::GuestInbound,
        },
    });
}

#[allow(missing_docs, clippy::all)]
pub(crate) mod stream_adapter {
    wasmtime::component::bindgen!({
        path: "../../wit",
        world: "stream-adapter",
        imports: { default: trappable },
        with: {
            "pacificsoft:plugin/json": crate::bindings::rule_node::pacificsoft::plugin::json,
            "pacificsoft:plugin/log": crate::bindings::rule_node::pacificsoft::plugin::log,
            "pacificsoft:plugin/clock": crate::bindings::rule_node::pacificsoft::plugin::clock,
            "pacificsoft:plugin/uplink": crate::bindings::payload_adapter::pacificsoft::plugin::uplink,
        },
    });
}

pub(crate) use payload_adapter::pacificsoft::plugin::uplink;
pub(crate) use rule_node::pacificsoft::plugin::{
    alarms, answer, clock, credentials, customers, entities, entity, history, json, log, metrics, outcome, readings, relations, state,
    timers,
};
