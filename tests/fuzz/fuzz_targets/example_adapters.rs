//! See `fuzzed::example_adapters`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzzed::example_adapters::run(data));
