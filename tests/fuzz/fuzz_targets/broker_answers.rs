//! See `fuzzed::broker_answers`.

#![no_main]

libfuzzer_sys::fuzz_target!(init: fuzzed::begin("broker_answers"), |data: &[u8]| fuzzed::broker_answers::run(data));
