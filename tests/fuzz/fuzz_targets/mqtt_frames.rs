//! See `fuzzed::mqtt_frames`.

#![no_main]

libfuzzer_sys::fuzz_target!(init: fuzzed::begin("mqtt_frames"), |data: &[u8]| fuzzed::mqtt_frames::run(data));
