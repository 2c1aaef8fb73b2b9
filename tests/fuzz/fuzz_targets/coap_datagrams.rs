//! See `fuzzed::coap_datagrams`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzzed::coap_datagrams::run(data));
