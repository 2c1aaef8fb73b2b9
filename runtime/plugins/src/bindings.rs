//! What wasmtime makes of the contract in `wit/`. Both worlds share the types of the interfaces they share.

#[allow(missing_docs, clippy::all)]
pub(crate) mod rule_node {
    wasmtime::component::bindgen!({
        path: "../../wit",
        world: "rule-node",
        imports: { default: trappable },
        with: { "pacificsoft:plugin/message.message": crate::guest::GuestMessage },
    });
}

#[allow(missing_docs, clippy::all)]
pub(crate) mod payload_adapter {
    wasmtime::component::bindgen!({
        path: "../../wit",
        world: "payload-adapter",
        imports: { default: trappable },
        with: {
            "pacificsoft:plugin/entity": crate::bindings::rule_node::pacificsoft::plugin::entity,
            "pacificsoft:plugin/message": crate::bindings::rule_node::pacificsoft::plugin::message,
            "pacificsoft:plugin/outcome": crate::bindings::rule_node::pacificsoft::plugin::outcome,
            "pacificsoft:plugin/log": crate::bindings::rule_node::pacificsoft::plugin::log,
            "pacificsoft:plugin/clock": crate::bindings::rule_node::pacificsoft::plugin::clock,
            "pacificsoft:plugin/uplink.inbound": crate::guest::GuestInbound,
        },
    });
}

pub(crate) use payload_adapter::pacificsoft::plugin::uplink;
pub(crate) use rule_node::pacificsoft::plugin::{clock, entity, log, message, outcome, readings};
