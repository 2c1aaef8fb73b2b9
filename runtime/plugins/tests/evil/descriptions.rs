//! Lies about oneself: too many, too large, too little, twice, no text, not there.

use handmade::image::Span;
use handmade::says::{NodeType, RECORD_BYTES, types};
use handmade::{Guest, World, deeds};

use crate::world::fails;

fn texts(count: usize) -> Vec<Vec<u8>> {
    (0..count).map(|number| format!("r{number}").into_bytes()).collect()
}

fn many(count: usize) -> Vec<NodeType> {
    (0..count).map(|number| NodeType::named(&format!("t{number}"))).collect()
}

/// One type that differs from an honest one.
fn lying(change: impl FnOnce(&mut NodeType)) -> Guest {
    let mut one = NodeType::default();
    change(&mut one);
    Guest::saying(&[one])
}

#[test]
fn impossible_descriptions_are_refused_in_words() {
    let cases: Vec<(&str, Guest, &str)> = vec![
        ("no types", Guest::saying(&[]), "0 node types"),
        ("65 types", Guest::saying(&many(65)), "65 node types are not between 1 and 64"),
        ("thousands of types", Guest::saying(&many(8_000)), "bytes at once"),
        (
            "duplicate names",
            Guest::saying(&[NodeType::default(), NodeType::default()]),
            "two node types \"handmade\"",
        ),
        ("empty name", lying(|one| one.type_name.clear()), "0 bytes, not between"),
        ("long name", lying(|one| one.type_name = vec![b'x'; 300]), "300 bytes, not between"),
        ("name that is no text", lying(|one| one.type_name = vec![0xff, 0xfe]), "utf-8"),
        (
            "no class ids",
            lying(|one| one.class_ids.clear()),
            "class ids of \"handmade\" are missing",
        ),
        (
            "empty class id",
            lying(|one| one.class_ids = vec![Vec::new()]),
            "a class id has 0 bytes",
        ),
        ("many class ids", lying(|one| one.class_ids = texts(101)), "101 class ids"),
        ("many relations", lying(|one| one.relations = texts(101)), "101 relations"),
        (
            "empty relation",
            lying(|one| one.relations.push(Vec::new())),
            "a relation has 0 bytes",
        ),
        (
            "a turn by something else",
            lying(|one| one.extensions = vec![b"in-turn".to_vec(), b"tenant".to_vec()]),
            "is not by the originator",
        ),
        (
            "an input that is none",
            lying(|one| one.extensions = vec![b"input".to_vec(), b"two".to_vec()]),
            "the input of \"handmade\" is not none",
        ),
        ("unknown family", lying(|one| one.family = b"EVIL".to_vec()), "is none of FILTER"),
        (
            "unknown effect",
            lying(|one| one.effects = vec![b"format-disk".to_vec()]),
            "no effect \"format-disk\"",
        ),
        (
            "giant schema",
            lying(|one| one.schema = vec![b' '; 70_000]),
            "more than 65536 bytes",
        ),
        (
            "schema of megabytes",
            lying(|one| one.schema = vec![b' '; 2 << 20]),
            "bytes at once",
        ),
        ("schema that is no JSON", lying(|one| one.schema = b"{".to_vec()), "is not JSON"),
        (
            "default that is no JSON",
            lying(|one| one.configuration = b"nothing".to_vec()),
            "is not JSON",
        ),
        (
            "deep default",
            lying(|one| one.configuration = vec![b'['; 60_000]),
            "is not JSON: recursion limit",
        ),
        ("details that are no text", lying(|one| one.details = vec![0x80; 10]), "utf-8"),
    ];
    for (name, guest, says) in cases {
        fails(name, &guest, "load", says);
    }
    // Many texts that share their place: little memory, much to read.
    let shared = vec![
        NodeType {
            details: vec![b'x'; 60_000],
            ..NodeType::default()
        };
        1
    ];
    let mut guest = Guest::new(World::Nodes);
    let one = types(&mut guest.image, &shared);
    fails("shared megabytes", &repeated(guest, one, 64), "load", "bytes at once");
}

/// The list at a place, told to be longer: its only record again and again is not what follows it, so the record is laid out anew.
fn repeated(mut guest: Guest, list: u32, times: usize) -> Guest {
    let words = guest.image.bytes(list, 8);
    let record = guest
        .image
        .bytes(u32::from_le_bytes([words[0], words[1], words[2], words[3]]), RECORD_BYTES);
    let at = guest.image.put(&record.repeat(times));
    let len = u32::try_from(times).unwrap();
    let list = guest.image.span(Span { at, len });
    guest.with("describe", &deeds::answer(list))
}

#[test]
fn lists_that_are_not_there_cost_the_instance() {
    let listing = |at: u32, len: u32| {
        let mut guest = Guest::new(World::Nodes);
        let list = guest.image.span(Span { at, len });
        guest.with("describe", &deeds::answer(list))
    };
    for (name, guest) in [
        ("list beyond the memory", listing(0xffff_0000, 1)),
        ("list of four thousand million", listing(1024, u32::MAX)),
        ("list at an odd place", listing(1025, 1)),
        ("answer at an odd place", Guest::new(World::Nodes).with("describe", "(i32.const 3)")),
        (
            "answer beyond the memory",
            Guest::new(World::Nodes).with("describe", "(i32.const -8)"),
        ),
    ] {
        fails(name, &guest, "load", "");
    }
    // Records of zeros: every text of them is empty.
    fails("a list of zeros", &listing(0, 1), "load", "0 bytes, not between");
}

#[test]
fn a_component_that_wants_too_much_from_the_start_is_refused() {
    let pages = |pages| Guest::new(World::Nodes).with_pages(pages);
    let table = |places: u32| Guest::new(World::Nodes).and(&format!("(table {places} funcref)"));
    for (name, guest) in [
        ("17 MiB of memory", pages(17 * 16)),
        ("4 GiB of memory", pages(65_536)),
        ("a table of a million", table(1_000_000)),
        ("a table of nine million", table(9_000_000)),
        (
            "twenty tables",
            (0..20).fold(Guest::new(World::Nodes), |guest, _| guest.and("(table 1 funcref)")),
        ),
    ] {
        fails(name, &guest, "load", "");
    }
}
