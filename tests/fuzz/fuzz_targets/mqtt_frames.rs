//! See `fuzzed::mqtt_frames`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzzed::mqtt_frames::run(data));
