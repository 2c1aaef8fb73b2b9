//! Every guest that misbehaves is in a list with the test that names it; a guest without one fails here.

#![allow(clippy::unwrap_used, missing_docs)]

use std::collections::BTreeSet;
use std::fs;

const HOST: &str = "runtime/plugins/tests/host.rs";
const KEPT: &str = "runtime/plugins/tests/host/kept.rs";
const CHAINS: &str = "runtime/rules/tests/chain/evil.rs";
const STREAMS: &str = "runtime/plugins/tests/streams.rs";
const SESSIONS: &str = "tests/tests/stream.rs";
const NEIGHBOURS: &str = "tests/tests/evil_neighbours.rs";

/// A guest, the file of its test, and the test.
const REGISTRY: &[(&str, &str, &str)] = &[
    ("loop", HOST, "a_guest_that_loops_loses_its_instance_within_its_budget"),
    ("loop-in-open", HOST, "a_guest_that_loops_loses_its_instance_within_its_budget"),
    ("memory-bomb", HOST, "a_guest_that_allocates_without_end_meets_its_limit"),
    ("trap", HOST, "a_guest_that_traps_says_so"),
    ("trap-in-open", HOST, "a_guest_that_traps_says_so"),
    ("stack-bomb", HOST, "a_guest_that_recurses_without_end_uses_up_its_own_stack"),
    ("huge-output", HOST, "megabytes_of_output_are_refused"),
    ("many-emissions", HOST, "megabytes_of_output_are_refused"),
    ("log-flood", HOST, "a_flood_of_log_lines_is_cut"),
    ("unknown-relation", CHAINS, "messages_of_a_bad_node_leave_along_failure"),
    ("bad-index", HOST, "impossible_answers_fail_the_message_and_spare_the_instance"),
    ("undeclared-effect", CHAINS, "messages_of_a_bad_node_leave_along_failure"),
    ("bad-entity", CHAINS, "messages_of_a_bad_node_leave_along_failure"),
    ("effect-flood", HOST, "impossible_answers_fail_the_message_and_spare_the_instance"),
    ("foreign-entity", NEIGHBOURS, "a_neighbour_of_every_evil_node_loses_nothing"),
    ("undeclared-state", KEPT, "state_is_for_types_that_declare_it_and_costs_time"),
    ("state-flood", KEPT, "state_is_for_types_that_declare_it_and_costs_time"),
    ("figure-flood", KEPT, "figures_of_a_node_are_few"),
    ("key-flood", KEPT, "questions_and_effects_have_limits"),
    ("bad-relation", KEPT, "questions_and_effects_have_limits"),
    ("bad-json", CHAINS, "messages_of_a_bad_node_leave_along_failure"),
    ("line trap", STREAMS, "faults_cost_the_instance"),
    ("line loop", STREAMS, "faults_cost_the_instance"),
    ("line memory", STREAMS, "faults_cost_the_instance"),
    ("line huge", STREAMS, "faults_cost_the_instance"),
    (
        "line flood",
        STREAMS,
        "answers_that_make_no_sense_are_refused_and_the_instance_goes_on",
    ),
    (
        "line many",
        STREAMS,
        "answers_that_make_no_sense_are_refused_and_the_instance_goes_on",
    ),
    (
        "line no-json",
        STREAMS,
        "answers_that_make_no_sense_are_refused_and_the_instance_goes_on",
    ),
    ("line timers", SESSIONS, "an_adapter_that_misbehaves_hurts_its_connection_only"),
    ("line guess", SESSIONS, "an_adapter_that_misbehaves_hurts_its_connection_only"),
    ("line foreign", SESSIONS, "an_adapter_that_misbehaves_hurts_its_connection_only"),
    ("line fleet", SESSIONS, "a_peer_speaks_for_no_more_devices_than_allowed"),
];

/// Guests that behave, or misbehave only as slowly as they are told.
const HARMLESS: [&str; 3] = ["pass", "slow", "transform"];

fn read(path: &str) -> String {
    fs::read_to_string(tests::root().join(path)).unwrap()
}

/// Types of `tests/guests`, and lines at which `tests/evil-stream` misbehaves.
fn guests() -> BTreeSet<String> {
    let nodes = read("tests/guests/src/lib.rs");
    let ids = nodes.split('"').filter_map(|text| text.strip_prefix("test.evil."));
    let mut guests: BTreeSet<String> = ids.map(str::to_owned).collect();
    let streams = read("tests/evil-stream/src/lib.rs");
    let bad = streams.split("// Does not.").nth(1).unwrap();
    let words = bad.lines().filter_map(|line| line.trim().strip_prefix('"')?.split_once("\" =>"));
    guests.extend(words.map(|(word, _)| format!("line {word}")));
    guests
}

#[test]
fn every_evil_guest_has_a_test_that_names_it() {
    let mut known: BTreeSet<String> = HARMLESS.map(str::to_owned).into();
    for (guest, file, test) in REGISTRY {
        let text = read(file);
        let named = guest.trim_start_matches("line ");
        let body = text.split(&format!("fn {test}(")).nth(1);
        assert!(body.is_some(), "{file} has no test {test}, which is said to be that of {guest:?}");
        let starts = [format!("\"{named}"), format!("\\n{named} "), format!("test.evil.{named}\"")];
        assert!(starts.iter().any(|start| text.contains(start)), "{file} does not name {guest:?}");
        assert!(known.insert((*guest).to_owned()), "{guest:?} is in the list twice");
    }
    let guests = guests();
    assert!(guests.len() > 20, "{guests:?}");
    let without: Vec<_> = guests.difference(&known).collect();
    assert!(without.is_empty(), "write a test for them and add it to the list: {without:?}");
    let gone: Vec<_> = known.difference(&guests).collect();
    assert!(gone.is_empty(), "they are no more: {gone:?}");
}

/// What is made by hand is made by the tests themselves: a row of a table is a guest and its test. None of these tables may get lost.
#[test]
fn guests_made_by_hand_are_there() {
    for (file, rows) in [
        (
            "runtime/plugins/tests/evil/everywhere.rs",
            &[
                "start",
                "describe",
                "post-describe",
                "open",
                "cabi_realloc",
                "process",
                "on-timer",
                "upgrade",
                "decode",
                "encode",
                "subscription",
                "handle",
            ][..],
        ),
        (
            "runtime/plugins/tests/evil/everywhere.rs",
            &["loop", "trap", "stack bomb", "memory bomb", "table bomb"],
        ),
        (
            "runtime/plugins/tests/evil/descriptions.rs",
            &["thousands of types", "empty name", "giant schema", "duplicate names"],
        ),
        (
            "runtime/plugins/tests/evil/adapters.rs",
            &["a handle that is kept", "a handle that is made up"],
        ),
        ("tests/tests/plugins.rs", &["wrong contract"]),
    ] {
        let text = read(file);
        for row in rows {
            assert!(text.contains(&format!("\"{row}\"")), "{file} has no {row:?} any more");
        }
    }
}
