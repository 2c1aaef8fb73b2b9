//! See `fuzzed::coap_datagrams`.

#![no_main]

libfuzzer_sys::fuzz_target!(init: fuzzed::begin("coap_datagrams"), |data: &[u8]| fuzzed::coap_datagrams::run(data));
