//! Every guest that misbehaves is in a list with the test that names it; a guest without one fails here.

#![allow(clippy::unwrap_used, missing_docs)]

use std::collections::BTreeSet;
use std::fs;

const HOST: &str = "runtime/plugins/tests/host.rs";
const KEPT: &str = "runtime/plugins/tests/host/kept.rs";
const CHAINS: &str = "runtime/rules/tests/chain/evil.rs";
const STREAMS: &str = "runtime/plugins/tests/streams.rs";
const SESSIONS: &str = "tests/tests/stream.rs";
const OUTSIDE: &str = "tests/tests/egress.rs";
const BROKERS: &str = "tests/tests/brokers.rs";
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
    ("egress asks", OUTSIDE, "nothing_inside_is_reached"),
    ("egress publishes", BROKERS, "nothing_inside_is_published_to"),
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
const HARMLESS: [&str; 4] = ["pass", "slow", "transform", "egress tells"];

fn read(path: &str) -> String {
    fs::read_to_string(tests::root().join(path)).unwrap()
}

/// Types of `tests/guests` and of `tests/guests-egress`, and lines at which `tests/evil-stream` misbehaves.
fn guests() -> BTreeSet<String> {
    let nodes = read("tests/guests/src/lib.rs");
    let ids = nodes.split('"').filter_map(|text| text.strip_prefix("test.evil."));
    let mut guests: BTreeSet<String> = ids.map(str::to_owned).collect();
    let egress = read("tests/guests-egress/src/lib.rs");
    let ids = egress.split('"').filter_map(|text| text.strip_prefix("test.egress."));
    guests.extend(ids.map(|id| format!("egress {id}")));
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
        let named = guest.trim_start_matches("line ").trim_start_matches("egress ");
        let body = text.split(&format!("fn {test}(")).nth(1);
        assert!(body.is_some(), "{file} has no test {test}, which is said to be that of {guest:?}");
        let starts = [
            format!("\"{named}"),
            format!("\\n{named} "),
            format!("test.evil.{named}\""),
            format!("test.egress.{named}\""),
        ];
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

const EVERYWHERE: &str = "runtime/plugins/tests/evil/everywhere.rs";
const ANSWERS: &str = "runtime/plugins/tests/evil/answers.rs";
const LIES: &str = "runtime/plugins/tests/evil/descriptions.rs";
const HANDLES: &str = "runtime/plugins/tests/evil/adapters.rs";
const CUT: &str = "runtime/components/tests/evil.rs";
const UPLOADS: &str = "tests/tests/evil_uploads.rs";
const PLUGINS: &str = "tests/tests/plugins.rs";
const EGRESS: &str = "runtime/egress/tests/egress.rs";
const PROXIES: &str = "runtime/egress/tests/proxy.rs";
const OWN_PROXY: &str = "tests/tests/proxies.rs";
const CENTERS: &str = "runtime/egress/tests/smpp.rs";
const LOCKED: &str = "runtime/egress/src/tls/key/tests.rs";
const ADDRESSES: &str = "runtime/egress/src/address.rs";
const SCRIPTS: &str = "runtime/plugins/tests/script.rs";
const REALM: &str = "rule-nodes/script/src/engine/tests.rs";

/// Ways to misbehave that need no guest of their own, or one that a test makes by hand: the way, the file, the test, and what must stand
/// in the file. A row of such a table is a guest and its test; none may get lost.
const WAYS: &[(&str, &str, &str, &[&str])] = &[
    (
        "five deeds in every export of a node",
        EVERYWHERE,
        "nodes_break_in_every_export_and_beside_them",
        &[
            "start",
            "describe",
            "post-describe",
            "open",
            "cabi_realloc",
            "process",
            "on-timer",
            "upgrade",
        ],
    ),
    (
        "the same in payload adapters",
        EVERYWHERE,
        "payload_adapters_break_in_every_export",
        &["decode", "encode", "subscription"],
    ),
    (
        "the same in stream adapters",
        EVERYWHERE,
        "stream_adapters_break_in_every_export",
        &["handle"],
    ),
    (
        "the deeds",
        EVERYWHERE,
        "nodes_break_in_every_export_and_beside_them",
        &["loop", "trap", "stack bomb", "memory bomb", "table bomb"],
    ),
    (
        "huge outputs, and text that is no text",
        ANSWERS,
        "answers_that_make_no_sense_cost_the_message_or_the_instance",
        &[
            "a reason of megabytes",
            "a reason that is no text",
            "a reason beyond the memory",
            "a relation that is not there",
        ],
    ),
    (
        "floods",
        ANSWERS,
        "floods_end_with_the_time_of_a_message",
        &["log flood", "read flood", "answer flood"],
    ),
    (
        "lies in describe",
        LIES,
        "impossible_descriptions_are_refused_in_words",
        &[
            "thousands of types",
            "empty name",
            "name that is no text",
            "giant schema",
            "duplicate names",
            "unknown effect",
        ],
    ),
    (
        "handles that leak",
        HANDLES,
        "handles_are_the_hosts",
        &[
            "a handle that is kept",
            "a handle that is made up",
            "a handle that is given back twice",
        ],
    ),
    ("adapters that answer too much", HANDLES, "too_much_is_refused", &[]),
    (
        "another contract, imports that are not offered",
        PLUGINS,
        "what_cannot_serve_is_refused_saying_why_and_what_to_do",
        &["wrong contract", "sockets", "unknown function", "too large", "core module"],
    ),
    ("truncated components", CUT, "what_is_cut_off_is_refused", &[]),
    ("mutated components", CUT, "what_was_changed_is_admitted_or_refused", &[]),
    ("compile bombs", UPLOADS, "bad_uploads_are_refused_and_devices_go_on", &[]),
    (
        "a compile bomb and its process",
        PLUGINS,
        "a_compile_bomb_kills_its_own_process_only",
        &[],
    ),
    (
        "ids of other tenants, in effects",
        HOST,
        "entities_are_always_of_the_nodes_own_tenant",
        &[],
    ),
    (
        "ids of other tenants, in reads",
        KEPT,
        "what_a_guest_asks_about_is_of_its_own_tenant",
        &[],
    ),
    (
        "requests to this machine and its neighbours",
        OUTSIDE,
        "nothing_inside_is_reached",
        &["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0"],
    ),
    (
        "addresses in other notations",
        OUTSIDE,
        "nothing_inside_is_reached",
        &[
            "2130706433",
            "0x7f000001",
            "0177.0.0.1",
            "127.1",
            "①②⑦.⓪.⓪.①",
            "example.org@127.0.0.1",
        ],
    ),
    (
        "metadata services, other schemes, headers that are not a component's",
        OUTSIDE,
        "nothing_inside_is_reached",
        &[
            "metadata service",
            "file:///etc/passwd",
            "gopher://127.0.0.1/",
            "Transfer-Encoding",
            "control characters",
        ],
    ),
    (
        "names that lead inside",
        EGRESS,
        "nothing_inside_is_reached_whatever_the_list_says",
        &[
            "mapped.test",
            "several.test",
            "cloud.test",
            "home.test",
            "[64:ff9b::7f00:1]",
            "[fe80::1]",
            "169.254.169.254",
        ],
    ),
    (
        "DNS rebinding",
        EGRESS,
        "a_name_that_changes_its_mind_gains_nothing",
        &["rebind.test", "mixed.test"],
    ),
    ("redirects", EGRESS, "a_redirect_is_an_answer_and_not_followed", &[]),
    (
        "a redirect to this machine, whole",
        OUTSIDE,
        "a_server_that_misbehaves_fails_its_message_only",
        &["/redirect", "/huge", "/slow"],
    ),
    ("proxies of the environment", EGRESS, "the_environments_proxy_is_not_asked", &[]),
    (
        "a proxy as a way inside",
        PROXIES,
        "nothing_inside_is_reached_by_way_of_a_proxy",
        &["loop.test", "home.test", "cloud.test", "169.254.169.254", "[::1]"],
    ),
    (
        "a broker inside, by way of a proxy",
        PROXIES,
        "a_broker_is_spoken_to_through_a_tunnel",
        &["10.0.0.1"],
    ),
    (
        "the operator's proxy as a way inside",
        OWN_PROXY,
        "the_servers_own_ways_are_used_and_not_seen",
        &["no component reaches"],
    ),
    (
        "a center for texts that misbehaves",
        CENTERS,
        "a_center_that_misbehaves_fails_its_text_only",
        &[],
    ),
    (
        "a proxy that floods, or says nothing",
        PROXIES,
        "a_proxys_answer_has_a_time_and_a_size",
        &[],
    ),
    (
        "a key that costs too much to open",
        LOCKED,
        "what_does_not_open_a_key_is_told_and_nothing_of_either",
        &["many", "scrypt"],
    ),
    (
        "scripts that take time, stack, memory or room",
        SCRIPTS,
        "hostile_scripts_cost_their_message_or_their_instance_and_nothing_else",
        &[
            "loop",
            "loops in loops",
            "caught loop",
            "backtracking",
            "sorting",
            "recursion",
            "recursion through natives",
            "recursion through getters",
            "recursion through JSON",
            "deep answer",
            "memory in texts",
            "memory in arrays",
            "memory in one array",
            "memory in buffers",
            "a large buffer",
            "a large text",
            "large output",
            "many messages",
            "many relations",
            "thrown megabyte",
            "code from text",
        ],
    ),
    ("scripts that cannot be read", SCRIPTS, "configurations_are_refused_in_words", &[]),
    ("scripts that grow", SCRIPTS, "an_instance_does_not_grow_with_its_messages", &[]),
    ("scripts that leave something", REALM, "nothing_is_left_for_the_next_message", &[]),
    (
        "every class of addresses",
        ADDRESSES,
        "every_class_of_addresses_is_refused_at_both_its_ends",
        &[
            "private",
            "shared",
            "loopback",
            "link-local",
            "unique local",
            "IPv4-mapped",
            "IPv4-compatible",
            "NAT64",
            "6to4",
            "Teredo",
        ],
    ),
];

#[test]
fn every_way_to_misbehave_has_a_test() {
    for (way, file, test, rows) in WAYS {
        let text = read(file);
        assert!(text.contains(&format!("fn {test}(")), "{way}: {file} has no test {test}");
        for row in *rows {
            // The beginning of a string, or the place where one of these leads to.
            assert!(
                text.contains(&format!("\"{row}")) || text.contains(&format!("//{row}")),
                "{way}: {file} has no {row:?} any more"
            );
        }
    }
}
