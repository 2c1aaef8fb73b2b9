//! See `fuzzed::example_adapters`.

#![no_main]

libfuzzer_sys::fuzz_target!(init: fuzzed::begin("example_adapters"), |data: &[u8]| fuzzed::example_adapters::run(data));
