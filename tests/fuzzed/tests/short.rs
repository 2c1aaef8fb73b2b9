//! Every entry function under mutations of what is honest, the same in every run. `FUZZED_ROUNDS` makes the run longer, `FUZZED_SEED` another one.

#![allow(clippy::unwrap_used, missing_docs)]

use fuzzed::TARGETS;
use fuzzed::mutation::Numbers;

/// Inputs of a target.
const ROUNDS: u64 = 100_000;

fn given(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap())
}

fn short(name: &str) {
    let target = TARGETS.iter().find(|target| target.name == name).unwrap();
    let seeds = (target.seeds)();
    seeds.iter().for_each(|seed| (target.run)(seed));
    let mut numbers = Numbers(given("FUZZED_SEED", 0x5eed));
    for round in 0..usize::try_from(given("FUZZED_ROUNDS", ROUNDS)).unwrap() {
        let other = &seeds[numbers.below(seeds.len())];
        let mut input = numbers.mutate(&seeds[round % seeds.len()], other);
        // Now and then one after the other.
        if numbers.below(4) == 0 {
            input.extend(numbers.mutate(other, &seeds[0]));
        }
        (target.run)(&input);
    }
}

#[test]
fn mqtt_frames() {
    short("mqtt_frames");
}

#[test]
fn coap_datagrams() {
    short("coap_datagrams");
}

#[test]
fn device_api() {
    short("device_api");
}

#[test]
fn example_adapters() {
    short("example_adapters");
}

#[test]
fn broker_answers() {
    short("broker_answers");
}

/// A target without a short run, or without a fuzzer, would be forgotten.
#[test]
fn every_target_has_its_fuzzer() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz");
    let manifest = std::fs::read_to_string(folder.join("Cargo.toml")).unwrap();
    let own = include_str!("short.rs");
    for target in &TARGETS {
        let name = target.name;
        assert!(own.contains(&format!("fn {name}() {{")), "{name} has no short run");
        assert!(
            manifest.contains(&format!("name = \"{name}\"")),
            "{name} is no binary of the fuzzers"
        );
        let fuzzer = std::fs::read_to_string(folder.join(format!("fuzz_targets/{name}.rs"))).unwrap();
        assert!(fuzzer.contains(&format!("{name}::run(data)")), "{fuzzer}");
    }
}
