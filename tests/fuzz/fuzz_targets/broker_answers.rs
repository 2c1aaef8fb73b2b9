//! See `fuzzed::broker_answers`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzzed::broker_answers::run(data));
