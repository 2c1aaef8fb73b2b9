//! Entry functions of fuzzers. Each takes any bytes, and panics when a promise is broken; [`TARGETS`] lists them with bytes to begin with.
//!
//! 1. [`mqtt_frames`] – frames of MQTT, beside another codec: the same bytes have the same meaning,
//! 2. [`coap_datagrams`] – a CoAP endpoint under datagrams, answers and time: its limits hold, nobody is flooded,
//! 3. [`device_api`] – the shipped adapter, topics of gateways included: what it names in a payload is there,
//! 4. [`example_adapters`] – the adapters of the examples, over datagrams and in streams,
//! 5. [`broker_answers`] – what a broker outside says to the platform: nothing but answers,
//! 6. [`mutation`] – seeded mutations, for runs without a fuzzer.
//!
//! `tests/short.rs` runs all of them with mutations, in every test run. With coverage, for as long as one likes:
//! `cargo xtask fuzz`, or `cargo fuzz run --fuzz-dir tests/fuzz mqtt_frames` of those who have `cargo-fuzz`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::missing_panics_doc, missing_docs)]

pub mod broker_answers;
pub mod coap_datagrams;
pub mod device_api;
pub mod example_adapters;
pub mod mqtt_frames;
pub mod mutation;

/// An entry function.
pub struct Target {
    /// As in the fuzzers' folder.
    pub name: &'static str,
    /// Takes anything.
    pub run: fn(&[u8]),
    /// To begin with.
    pub seeds: fn() -> Vec<Vec<u8>>,
}

/// All of them.
pub const TARGETS: [Target; 5] = [
    Target {
        name: "mqtt_frames",
        run: mqtt_frames::run,
        seeds: mqtt_frames::seeds,
    },
    Target {
        name: "coap_datagrams",
        run: coap_datagrams::run,
        seeds: coap_datagrams::seeds,
    },
    Target {
        name: "device_api",
        run: device_api::run,
        seeds: device_api::seeds,
    },
    Target {
        name: "example_adapters",
        run: example_adapters::run,
        seeds: example_adapters::seeds,
    },
    Target {
        name: "broker_answers",
        run: broker_answers::run,
        seeds: broker_answers::seeds,
    },
];

/// Before a fuzzer begins: writes what it begins with into the folder that `FUZZ_SEEDS` names, if it names one.
pub fn begin(name: &str) {
    let (Some(folder), Some(target)) = (std::env::var_os("FUZZ_SEEDS"), TARGETS.iter().find(|target| target.name == name)) else {
        return;
    };
    for (number, seed) in (target.seeds)().iter().enumerate() {
        std::fs::write(std::path::Path::new(&folder).join(format!("seed-{number}")), seed).unwrap();
    }
}
