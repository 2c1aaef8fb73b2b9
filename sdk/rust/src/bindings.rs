//! What `wit-bindgen` makes of the contract in `wit/`.

#[allow(missing_docs, clippy::all)]
pub mod node {
    wit_bindgen::generate!({
        path: "../../wit",
        world: "rule-node",
        pub_export_macro: true,
        export_macro_name: "export_rule_node",
        default_bindings_module: "pacificsoft_sdk::bindings::node",
        additional_derives: [PartialEq, Clone],
    });
}

#[allow(missing_docs, clippy::all)]
pub mod adapter {
    wit_bindgen::generate!({
        path: "../../wit",
        world: "payload-adapter",
        pub_export_macro: true,
        export_macro_name: "export_payload_adapter",
        default_bindings_module: "pacificsoft_sdk::bindings::adapter",
        with: {
            "pacificsoft:plugin/json@0.1.0": crate::bindings::node::pacificsoft::plugin::json,
            "pacificsoft:plugin/log@0.1.0": crate::bindings::node::pacificsoft::plugin::log,
            "pacificsoft:plugin/clock@0.1.0": crate::bindings::node::pacificsoft::plugin::clock,
        },
        additional_derives: [PartialEq, Clone],
    });
}

#[allow(missing_docs, clippy::all)]
pub mod stream {
    wit_bindgen::generate!({
        path: "../../wit",
        world: "stream-adapter",
        pub_export_macro: true,
        export_macro_name: "export_stream_adapter",
        default_bindings_module: "pacificsoft_sdk::bindings::stream",
        with: {
            "pacificsoft:plugin/json@0.1.0": crate::bindings::node::pacificsoft::plugin::json,
            "pacificsoft:plugin/log@0.1.0": crate::bindings::node::pacificsoft::plugin::log,
            "pacificsoft:plugin/clock@0.1.0": crate::bindings::node::pacificsoft::plugin::clock,
            "pacificsoft:plugin/uplink@0.1.0": crate::bindings::adapter::pacificsoft::plugin::uplink,
        },
        additional_derives: [PartialEq, Clone],
    });
}
