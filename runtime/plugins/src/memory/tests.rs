//! What is kept, what is taken back, and where it ends.

use std::collections::HashSet;

use model::Kept;

use super::*;

fn memory() -> Memory {
    Memory::restore(
        "s/1",
        Some(NodeState {
            schema: "s/1".into(),
            entries: vec![Kept::new("a", Bytes::from_static(b"1")), Kept::new("ab", Bytes::from_static(b"2"))],
            timers: vec![Kept::new("late", 5), Kept::new("soon", 10)],
        }),
    )
}

fn due(memory: &Memory) -> Vec<(i64, Arc<str>)> {
    let timers = memory.timers_without(&HashSet::new());
    timers.into_iter().map(|(timer, name)| (timer.due_ms, name)).collect()
}

fn value(memory: &Memory, key: &str) -> Option<String> {
    memory.get(key).map(|value| String::from_utf8(value.to_vec()).expect("text"))
}

#[test]
fn a_call_that_succeeds_counts_once() {
    let mut memory = memory();
    memory.set("a", Bytes::from_static(b"x")).expect("fits");
    memory.set("a", Bytes::from_static(b"y")).expect("fits");
    memory.delete("ab");
    memory.delete("unknown");
    memory.set_timer("late", 7, 100).expect("fits");
    memory.cancel_timer("soon");
    assert_eq!(memory.changes(), None, "not before the call is over");
    memory.settle();
    let change = memory.changes().expect("there are changes");
    assert_eq!(
        change.entries,
        vec![("a".into(), Some(Bytes::from_static(b"y"))), ("ab".into(), None)]
    );
    assert_eq!(change.timers, vec![("late".into(), Some(107)), ("soon".into(), None)]);
    assert_eq!(change.replaces, None);
    memory.settle();
    assert_eq!(memory.changes(), None, "taken already");
}

#[test]
fn a_call_that_fails_never_was() {
    let mut memory = memory();
    memory.set("a", Bytes::from(vec![0; 5_000])).expect("fits");
    memory.set("new", Bytes::new()).expect("fits");
    memory.delete("ab");
    memory.cancel_timer("late");
    memory.set_timer("new", 1, 1).expect("fits");
    memory.take_back();
    memory.settle();
    assert_eq!(memory.changes(), None);
    assert_eq!(
        (value(&memory, "a"), value(&memory, "ab")),
        (Some("1".to_owned()), Some("2".to_owned()))
    );
    assert_eq!((value(&memory, "new"), memory.bytes), (None, 5));
    assert_eq!(
        due(&memory),
        [(5, "late".into()), (10, "soon".into())],
        "in the order in which they are due"
    );
}

#[test]
fn another_schema_starts_empty_and_replaces_with_its_first_change() {
    let stored = NodeState {
        schema: "s/1".into(),
        entries: vec![Kept::new("a", Bytes::from_static(b"1"))],
        timers: vec![Kept::new("t", 1)],
    };
    let mut memory = Memory::restore("s/2", Some(stored));
    assert!(value(&memory, "a").is_none() && memory.timer("t").is_none());
    memory.settle();
    assert_eq!(memory.changes(), None, "rolling back finds everything as it was");
    for (key, replaces) in [("b", Some("s/2".into())), ("c", None)] {
        memory.set(key, Bytes::new()).expect("fits");
        memory.settle();
        assert_eq!(memory.changes().expect("a change").replaces, replaces);
    }
}

#[test]
fn limits_are_named() {
    let long = "k".repeat(KEY_BYTES_MAX + 1);
    let mut memory = Memory::restore("s", None);
    for (key, len, said) in [
        ("", 1, "a key of 0 bytes"),
        (&*long, 1, "a key of 257 bytes"),
        ("a", VALUE_BYTES_MAX + 1, "a value of 65537 bytes"),
    ] {
        let error = memory.set(key, Bytes::from(vec![0; len])).expect_err(said);
        assert!(error.starts_with(said), "{error}");
    }
    for number in 0..15 {
        memory
            .set(&number.to_string(), Bytes::from(vec![0; VALUE_BYTES_MAX]))
            .expect("fits");
    }
    let error = memory.set("last", Bytes::from(vec![0; VALUE_BYTES_MAX])).expect_err("too much");
    assert!(error.contains("more than the 1048576 allowed"), "{error}");
    memory.set("0", Bytes::new()).expect("makes room");
    memory.set("last", Bytes::from(vec![0; VALUE_BYTES_MAX])).expect("fits now");

    let mut memory = Memory::restore("s", None);
    for number in 0..KEYS_MAX {
        memory.set(&number.to_string(), Bytes::new()).expect("fits");
    }
    assert!(memory.set("one more", Bytes::new()).is_err());
    memory.set("7", Bytes::from_static(b"again")).expect("replaces");
    for number in 0..TIMERS_MAX {
        memory.set_timer(&number.to_string(), DELAY_MS_MAX, i64::MAX).expect("fits");
    }
    assert!(memory.set_timer("one more", 1, 0).is_err());
    assert!(memory.set_timer("7", DELAY_MS_MAX + 1, 0).is_err());
    assert_eq!(memory.keys("99").len(), 11, "99 and 990 to 999");
}

#[test]
fn without_a_schema_nothing_is_kept() {
    let mut memory = Memory::default();
    assert!(memory.set("a", Bytes::new()).is_err_and(|error| error.contains("state-schema")));
    assert!(memory.set_timer("a", 1, 0).is_err());
    assert_eq!(memory.get("a"), None);
}

#[test]
fn a_node_that_begins_is_woken_unless_it_waits_for_a_timer_anyhow() {
    let mut memory = Memory::restore("s", None);
    memory.begin("start", 5);
    assert_eq!(memory.timer("start").map(|timer| timer.due_ms), Some(5));
    assert_eq!(memory.changes().expect("it counts").timers, [("start".into(), Some(5))]);
    memory.begin("again", 6);
    assert_eq!(memory.timer("again"), None);
    let mut nothing = Memory::default();
    nothing.begin("start", 5);
    assert_eq!(nothing.timer("start"), None);
}

#[test]
fn what_is_written_belongs_to_the_device_in_hand_and_goes_with_it() {
    let (one, two, three) = (Uuid::from_u128(1), Uuid::from_u128(2), Uuid::from_u128(3));
    let mut memory = Memory::restore("s/1", None);
    for (device, key) in [(Some(one), "of one"), (Some(two), "of two"), (None, "of none")] {
        memory.about(device);
        memory.set(key, Bytes::from_static(b"new")).expect("fits");
        memory.set_timer(key, 5, 0).expect("fits");
        memory.settle();
        let change = memory.changes().expect("there are changes");
        assert_eq!((change.device, change.entries.len(), change.timers.len()), (device, 1, 1));
    }
    assert_eq!(memory.timer("of two").expect("set").device, Some(two));

    // The second device went away, the third has come. The store does not know yet what was written last.
    let kept = |name: &str, device| Kept {
        device: Some(device),
        ..Kept::new(name, Bytes::from_static(b"stored"))
    };
    let stored = NodeState {
        schema: "s/1".into(),
        entries: vec![
            kept("of one", one),
            kept("of three", three),
            kept("of two", two),
            Kept::new("other", Bytes::new()),
        ],
        timers: vec![
            Kept {
                device: Some(three),
                ..Kept::new("of three", 9)
            },
            Kept {
                device: Some(two),
                ..Kept::new("of two", 9)
            },
        ],
    };
    memory.moved(stored, |device| device != two);
    let values = ["of none", "of one", "of three", "of two", "other"].map(|key| value(&memory, key));
    let text = |text: &str| Some(text.to_owned());
    assert_eq!(values, [text("new"), text("new"), text("stored"), None, text("")]);
    let timers: Vec<_> = memory.timers_without(&HashSet::new()).into_iter().map(|(_, name)| name).collect();
    assert_eq!(timers, ["of none".into(), "of one".into(), "of three".into()] as [Arc<str>; 3]);
    assert_eq!(
        memory.bytes,
        "of none".len() + "of one".len() + 6 + "of three".len() + 6 + "other".len()
    );
    memory.settle();
    assert_eq!(memory.changes(), None, "nothing of it is news for the store");
}

#[test]
fn a_call_that_fails_leaves_everything_with_its_device() {
    let (one, two) = (Uuid::from_u128(1), Uuid::from_u128(2));
    let mut memory = Memory::restore("s/1", None);
    memory.about(Some(one));
    memory.set_timer("t", 5, 0).expect("fits");
    memory.settle();
    memory.about(Some(two));
    memory.set_timer("t", 6, 0).expect("fits");
    memory.take_back();
    assert_eq!(
        memory.timer("t"),
        Some(Timer {
            due_ms: 5,
            device: Some(one)
        })
    );
}
