//! See `fuzzed::device_api`.

#![no_main]

libfuzzer_sys::fuzz_target!(init: fuzzed::begin("device_api"), |data: &[u8]| fuzzed::device_api::run(data));
