//! Handles that leak, are made up, or are given back twice; and what adapters answer with.

use handmade::image::Span;
use handmade::{Guest, World, deeds, says};
use model::Downlink;
use plugins::{DecodeError, Inbound, Transport};

use crate::world::{adapter, stream};

const DROP: &str = "(call $drop (local.get 0))";
const LENGTH: &str =
    "(import \"pacificsoft:plugin/uplink@0.1.0\" \"[method]inbound.length\" (func $length (param i32 i32 i32) (result i32)))";

fn decode(guest: &Guest) -> Result<usize, DecodeError> {
    let inbound = Inbound::new(Transport::Mqtt, "t", vec![], "{\"a\": 1}".into());
    adapter(guest).unwrap().decode(inbound).map(|uplinks| uplinks.len())
}

fn with_decode(body: &str) -> Guest {
    Guest::new(World::Adapter).with("decode", body)
}

#[test]
fn handles_are_the_hosts() {
    let length = |handle: &str| format!("(drop (call $length {handle} (i32.const 0) (i32.const 0)))");
    for (name, guest) in [
        ("a handle that is kept", with_decode("(i32.const 0)")),
        (
            "a handle that is given back twice",
            with_decode(&format!("{DROP} {DROP} (i32.const 0)")),
        ),
        (
            "a handle that is made up",
            with_decode(&format!("{} {DROP} (i32.const 0)", length("(i32.const 99)"))).importing(LENGTH),
        ),
        (
            "a handle that was given back",
            with_decode(&format!("{DROP} {} (i32.const 0)", length("(local.get 0)"))).importing(LENGTH),
        ),
    ] {
        match decode(&guest) {
            Err(DecodeError::Adapter(words)) => assert!(words.contains("trapped"), "{name}: {words}"),
            other => panic!("{name}: {other:?}"),
        }
    }
    let honest = with_decode(&format!("{} {DROP} (i32.const 0)", length("(local.get 0)"))).importing(LENGTH);
    assert_eq!(decode(&honest), Ok(0));
}

#[test]
fn too_much_is_refused() {
    // A good answer with a list of zeros: each is telemetry with the whole payload.
    let uplinks = |count: u32| {
        let mut guest = Guest::new(World::Adapter).with_pages(64);
        let list = Span { at: 1 << 20, len: count }.words();
        let answer = guest.image.put(&[&0u32.to_le_bytes()[..], &list].concat());
        guest.with("decode", &format!("{DROP} {}", deeds::answer(answer)))
    };
    assert_eq!(decode(&uplinks(3)), Ok(3));
    // Which of the two limits is met first depends on how large the contract's records are.
    match decode(&uplinks(10_001)) {
        Err(DecodeError::Malformed(words)) => assert!(words.contains("10001 parts"), "{words}"),
        Err(DecodeError::Adapter(words)) => assert!(words.contains("bytes at once"), "{words}"),
        other => panic!("{other:?}"),
    }
    assert!(matches!(decode(&uplinks(60_000)), Err(DecodeError::Adapter(_))));
    let malformed = |len: usize| {
        let mut guest = Guest::new(World::Adapter);
        let text = guest.image.text(&vec![b'x'; len]);
        let answer = guest
            .image
            .put(&[&1u32.to_le_bytes()[..], &1u32.to_le_bytes(), &text.words()].concat());
        guest.with("decode", &format!("{DROP} {}", deeds::answer(answer)))
    };
    assert_eq!(decode(&malformed(900_000)), Err(DecodeError::Malformed("x".repeat(1024))));
    let mut loud = Guest::new(World::Adapter);
    let refusal = loud.image.refusal(&vec![b'x'; 900_000]);
    let loud = loud.with("encode", &deeds::answer(refusal));
    let words = adapter(&loud)
        .unwrap()
        .encode(Transport::Mqtt, &Downlink::AttributesRemoved(vec![]))
        .unwrap_err();
    assert!(words.len() <= 4096, "{} bytes", words.len());
}

#[test]
fn topics_fit_into_packets() {
    let told = |address: &[u8]| {
        let mut guest = Guest::new(World::Adapter);
        let address = guest.image.text(address).words();
        let answer = [
            &0u32.to_le_bytes()[..],
            &1u32.to_le_bytes(),
            &address,
            &Span { at: 0, len: 2 }.words(),
        ]
        .concat();
        let answer = guest.image.put(&answer);
        let guest = guest.with("encode", &deeds::answer(answer));
        adapter(&guest)
            .unwrap()
            .encode(Transport::Mqtt, &Downlink::AttributesRemoved(vec![]))
    };
    let outbound = told(b"a/b").unwrap().unwrap();
    assert_eq!((&*outbound.address, &outbound.payload[..]), ("a/b", &[0, 0][..]));
    for (address, says) in [
        (&[b'x'; 70_000][..], "70000 bytes"),
        (b"", "no topic"),
        (b"a/#", "no topic"),
        (b"a/+/b", "no topic"),
        (b"a\0b", "no topic"),
        (&[0xff], "utf-8"),
    ] {
        let words = told(address).unwrap_err();
        assert!(words.contains(says), "{words}");
    }
}

#[test]
fn names_of_adapters_are_checked() {
    for (name, says) in [
        (&b""[..], "0 bytes, not between"),
        (&[b'x'; 300], "300 bytes"),
        (&[0xff, 0xff], "utf-8"),
    ] {
        for world in [World::Adapter, World::Protocol] {
            let mut guest = Guest::new(world);
            let described = says::adapter(&mut guest.image, name);
            let guest = guest.with("describe", &deeds::answer(described));
            let words = match world {
                World::Adapter => adapter(&guest).map(drop).unwrap_err().to_string(),
                _ => stream(&guest).map(drop).unwrap_err(),
            };
            assert!(words.contains(says), "{world:?}: {words}");
        }
    }
}
