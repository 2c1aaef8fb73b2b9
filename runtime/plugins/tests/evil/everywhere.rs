//! Five deeds, in every place where a guest's code runs.

use std::sync::Arc;

use handmade::deeds::{DEEP, GROW, GROW_TABLE, LOOP, RECURSE, TABLE, TRAP};
use handmade::{Guest, World};
use model::Downlink;
use plugins::{Carrier, Inbound, NodeInstance, StreamEvent, Transport};

use crate::world::{Platform, adapter, fate, message, open, rules, stream};

/// What is done, and words of what is said of it.
const DEEDS: [(&str, &str, &str); 5] = [
    ("loop", LOOP, "ms of processor time"),
    ("trap", TRAP, "the component trapped"),
    ("stack bomb", RECURSE, "used up its stack"),
    ("memory bomb", GROW, "bytes of memory"),
    ("table bomb", GROW_TABLE, "bytes of memory"),
];

fn evil(world: World, place: &str, body: &str) -> Guest {
    Guest::new(world).and(DEEP).and(TABLE).with(place, body)
}

#[test]
fn nodes_break_in_every_export_and_beside_them() {
    let platform = Arc::new(Platform::default());
    let mut good = open(&rules(&Guest::new(World::Nodes)).unwrap(), &platform).unwrap();
    for (deed, body, says) in DEEDS {
        // Where, and at which stage it is noticed. The allocator runs when the host hands over text, `post-` when it has read an answer.
        for (place, stage) in [
            ("start", "load"),
            ("describe", "load"),
            ("post-describe", "load"),
            ("open", "open"),
            ("post-open", "open"),
            ("cabi_realloc", "open"),
            ("process", "process"),
        ] {
            let told = fate(&evil(World::Nodes, place, body), &platform);
            let (at, words) = told.unwrap_or_else(|| panic!("{deed} in {place} did not fail"));
            assert!(at == stage && words.contains(says), "{deed} in {place}: at {at}: {words}");
            good.process(&message()).unwrap();
        }
        let mut node = open(&rules(&evil(World::Nodes, "on-timer", body)).unwrap(), &platform).unwrap();
        let words = node.on_timer("t", &message()).unwrap_err().to_string();
        assert!(words.contains(says), "{deed} in on-timer: {words}");
        let component = rules(&evil(World::Nodes, "upgrade", body)).unwrap();
        let words = NodeInstance::upgrade(&component, "handmade", 0, "{}").unwrap_err().to_string();
        assert!(words.contains(says), "{deed} in upgrade: {words}");
    }
}

#[test]
fn payload_adapters_break_in_every_export() {
    let inbound = || Inbound::new(Transport::Mqtt, "t", vec![], "{}".into());
    let good = adapter(&Guest::new(World::Adapter)).unwrap();
    for (deed, body, says) in DEEDS {
        for place in ["start", "describe"] {
            let words = adapter(&evil(World::Adapter, place, body)).map(drop).unwrap_err().to_string();
            assert!(words.contains(says), "{deed} in {place}: {words}");
        }
        let words = [
            (
                "decode",
                adapter(&evil(World::Adapter, "decode", body))
                    .unwrap()
                    .decode(inbound())
                    .unwrap_err()
                    .to_string(),
            ),
            (
                "encode",
                adapter(&evil(World::Adapter, "encode", body))
                    .unwrap()
                    .encode(Transport::Mqtt, &Downlink::AttributesRemoved(vec!["a".into()]))
                    .unwrap_err(),
            ),
            (
                "subscription",
                adapter(&evil(World::Adapter, "subscription", body))
                    .unwrap()
                    .subscription(Transport::Mqtt, "#")
                    .unwrap_err(),
            ),
        ];
        for (place, words) in words {
            assert!(words.contains(says), "{deed} in {place}: {words}");
        }
        assert_eq!(good.decode(inbound()), Ok(vec![]));
    }
}

#[test]
fn stream_adapters_break_in_every_export() {
    let opened = StreamEvent::Opened {
        carrier: Carrier::Tcp,
        address: "192.0.2.1:5",
    };
    let mut good = stream(&Guest::new(World::Protocol)).unwrap();
    for (deed, body, says) in DEEDS {
        for place in ["start", "describe"] {
            let words = stream(&evil(World::Protocol, place, body)).map(drop).unwrap_err();
            assert!(words.contains(says), "{deed} in {place}: {words}");
        }
        let words = stream(&evil(World::Protocol, "handle", body))
            .unwrap()
            .handle(0, &opened)
            .unwrap_err()
            .to_string();
        assert!(words.contains(says), "{deed} in handle: {words}");
        good.handle(0, &opened).unwrap();
    }
}
