//! The routing as tables: what happens, and which commands follow. No runtime, no component is run.

mod calls;
mod random;
mod shell;
mod turns;

use super::*;
use crate::policy::{FailurePolicy, Retry};
use crate::testing::{message, routes};
use model::AttributeScope;
use plugins::{Content, Retention};
use serde_json::json;
use shell::Do::{self, Again, Ask, AtLast, Done, Enter, Failed, Leave, Recorded, Refuse};
use shell::Shell;

type Wires = &'static [(usize, &'static str, usize)];
type Rows = &'static [(Do, &'static [&'static str])];

/// Three nodes behind each other, and a fourth that takes failures of the first two.
const LINE: Wires = &[(0, "Success", 1), (1, "Success", 2), (0, "Failure", 3), (1, "Failure", 3)];
/// The first node leads to three.
const FAN: Wires = &[(0, "Success", 1), (0, "Success", 2), (0, "Success", 3)];

/// Runs a table on a chain of four nodes.
fn play(name: &str, wires: Wires, rows: Rows) {
    let mut shell = Shell::new(routes(Some(0), 4, wires));
    for (row, (what, expected)) in rows.iter().enumerate() {
        assert_eq!(shell.happen(what.clone()), *expected, "{name}, row {row}: {what:?}");
    }
    shell.assert_over(name);
}

#[test]
fn messages_follow_their_relations() {
    const TABLES: [(&str, Wires, Rows); 5] = [
        (
            "one after the other",
            LINE,
            &[
                (Enter(7), &["run 0"]),
                (Leave(0, &["Success"]), &["run 1"]),
                (Leave(1, &["Success"]), &["run 2"]),
                (Leave(2, &["Success"]), &["settle 7 true"]),
            ],
        ),
        (
            "a relation that leads nowhere ends quietly",
            LINE,
            &[(Enter(7), &["run 0"]), (Leave(0, &["Sideways"]), &["settle 7 true"])],
        ),
        (
            "a node may let nothing leave",
            LINE,
            &[(Enter(7), &["run 0"]), (Leave(0, &[]), &["settle 7 true"])],
        ),
        (
            "several targets: settled after the last one, whichever that is",
            FAN,
            &[
                (Enter(7), &["run 0"]),
                (Leave(0, &["Success"]), &["run 1", "run 2", "run 3"]),
                (Leave(3, &["Success"]), &[]),
                (Leave(1, &["Success"]), &[]),
                (Leave(2, &["Success"]), &["settle 7 true"]),
            ],
        ),
        (
            "several emissions, one of them nowhere",
            LINE,
            &[
                (Enter(7), &["run 0"]),
                (Leave(0, &["Success", "Sideways", "Success"]), &["run 1", "run 1"]),
                (Leave(1, &[]), &[]),
                (Leave(1, &["Success"]), &["run 2"]),
                (Leave(2, &[]), &["settle 7 true"]),
            ],
        ),
    ];
    for (name, wires, rows) in TABLES {
        play(name, wires, rows);
    }
}

#[test]
fn effects_come_before_what_leaves() {
    const TABLES: [(&str, Wires, Rows); 5] = [
        (
            "one effect: the message leaves along the relation it reports",
            LINE,
            &[
                (Enter(7), &["run 0"]),
                (Ask(0, 1, &[]), &["perform 0 [0] then 0"]),
                (Done(0, "Success"), &["run 1"]),
                (Leave(1, &[]), &["settle 7 true"]),
            ],
        ),
        (
            "the relation of an effect may lead nowhere",
            LINE,
            &[
                (Enter(7), &["run 0"]),
                (Ask(0, 1, &[]), &["perform 0 [0] then 0"]),
                (Done(0, "Created"), &["settle 7 true"]),
            ],
        ),
        (
            "several effects in order, then the emissions instead of a relation",
            FAN,
            &[
                (Enter(7), &["run 0"]),
                (Ask(0, 3, &["Sideways", "Success"]), &["perform 0 [0, 1, 2] then 2"]),
                (Done(0, "Updated"), &["run 1", "run 2", "run 3"]),
                (Leave(1, &[]), &[]),
                (Ask(2, 1, &[]), &["perform 2 [0] then 0"]),
                (Leave(3, &[]), &[]),
                (Done(2, "Success"), &["settle 7 true"]),
            ],
        ),
        (
            "a failed effect: its emissions do not leave",
            LINE,
            &[
                (Enter(7), &["run 0"]),
                (Ask(0, 2, &["Success"]), &["perform 0 [0, 1] then 1"]),
                (Failed(0, "no"), &["run 3"]),
                (Leave(3, &[]), &["settle 7 true"]),
            ],
        ),
        (
            "an effect that reports Failure: the emissions do not leave, either",
            LINE,
            &[
                (Enter(7), &["run 0"]),
                (Ask(0, 2, &["Success"]), &["perform 0 [0, 1] then 1"]),
                (Done(0, "Failure"), &["run 3"]),
                (Leave(3, &[]), &["settle 7 true"]),
            ],
        ),
    ];
    for (name, wires, rows) in TABLES {
        play(name, wires, rows);
    }
}

#[test]
fn failures_go_to_who_takes_them_or_are_recorded() {
    const TABLES: [(&str, Wires, Rows); 4] = [
        (
            "taken",
            LINE,
            &[
                (Enter(7), &["run 0"]),
                (Refuse(0, "no"), &["run 3"]),
                (Leave(3, &[]), &["settle 7 true"]),
            ],
        ),
        (
            "not taken: settled when it is recorded",
            FAN,
            &[
                (Enter(7), &["run 0"]),
                (Refuse(0, "no"), &["record 0: no"]),
                (Recorded(true), &["settle 7 true"]),
            ],
        ),
        (
            "an effect that nobody takes the failure of",
            FAN,
            &[
                (Enter(7), &["run 0"]),
                (Ask(0, 1, &[]), &["perform 0 [0] then 0"]),
                (Failed(0, "disk"), &["record 0: disk"]),
                (Recorded(true), &["settle 7 true"]),
            ],
        ),
        (
            "sent along Failure by the node itself, beside something else",
            FAN,
            &[
                (Enter(7), &["run 0"]),
                (
                    Leave(0, &["Failure", "Success"]),
                    &["record 0: the node sent the message along Failure", "run 1", "run 2", "run 3"],
                ),
                (Leave(1, &[]), &[]),
                (Leave(2, &[]), &[]),
                (Leave(3, &[]), &[]),
                (Recorded(true), &["settle 7 true"]),
            ],
        ),
    ];
    for (name, wires, rows) in TABLES {
        play(name, wires, rows);
    }
}

fn with_policies(graph: Arc<Graph>, policies: Vec<FailurePolicy>) -> Arc<Graph> {
    let mut graph = Arc::into_inner(graph).expect("just made");
    for (node, policy) in graph.nodes.iter_mut().zip(policies) {
        node.failure = policy;
    }
    Arc::new(graph)
}

/// The first node of a line tries twice more.
fn trying(last: Last) -> Shell {
    let retry = Retry {
        attempts: 2,
        first: Duration::from_millis(10),
        longest: Duration::from_millis(60),
    };
    let policy = FailurePolicy { retry: Some(retry), last };
    Shell::new(with_policies(routes(Some(0), 4, LINE), vec![policy]))
}

fn follow(mut shell: Shell, name: &str, rows: Rows) {
    for (row, (what, expected)) in rows.iter().enumerate() {
        assert_eq!(shell.happen(what.clone()), *expected, "{name}, row {row}: {what:?}");
    }
    shell.assert_over(name);
}

#[test]
fn a_failure_may_be_dropped_or_passed_over() {
    let policy = |last| FailurePolicy { retry: None, last };
    for (last, then) in [(Last::Drop, &["settle 7 true"][..]), (Last::Open("Success".into()), &["run 1"])] {
        let mut shell = Shell::new(with_policies(routes(Some(0), 4, LINE), vec![policy(last)]));
        shell.happen(Enter(7));
        assert_eq!(shell.happen(Refuse(0, "no")), then);
    }
}

#[test]
fn a_message_is_tried_again_and_those_behind_it_wait() {
    follow(
        trying(Last::Relation),
        "in order",
        &[
            (Enter(2), &["run 0"]),
            (Enter(4), &["run 0"]),
            (Refuse(0, "no"), &["later 0: 10 ms"]),
            // At the node already: it is decided about. What comes now waits; another originator does not.
            (Leave(0, &["Success"]), &["run 1"]),
            (Enter(6), &[]),
            (Enter(8), &[]),
            (Enter(9), &["run 0"]),
            (Again, &["run 0"]),
            (Leave(0, &[]), &["settle 9 true"]),
            (Refuse(0, "no"), &["later 0: 20 ms"]),
            (Again, &["run 0"]),
            (Leave(0, &["Success"]), &["run 0", "run 1"]),
            // The next one fails as well: it goes on being waited for.
            (Refuse(0, "no"), &["later 0: 10 ms"]),
            (Again, &["run 0"]),
            (Leave(0, &[]), &["run 0", "settle 6 true"]),
            (Leave(0, &[]), &["settle 8 true"]),
            (Enter(10), &["run 0"]),
            (Leave(0, &[]), &["settle 10 true"]),
            (Leave(1, &[]), &["settle 4 true"]),
            (Leave(1, &[]), &["settle 2 true"]),
        ],
    );
    follow(
        trying(Last::Relation),
        "until it counts",
        &[
            (Enter(2), &["run 0"]),
            (Refuse(0, "no"), &["later 0: 10 ms"]),
            (Enter(4), &[]),
            (Again, &["run 0"]),
            (Ask(0, 1, &[]), &["run 0", "perform 0 [0] then 0"]),
            (Leave(0, &[]), &["settle 4 true"]),
            (Failed(0, "disk"), &["later 0: 20 ms"]),
            (Again, &["run 0"]),
            (Refuse(0, "no"), &["run 3"]),
            (Leave(3, &[]), &["settle 2 true"]),
        ],
    );
    follow(
        trying(Last::Drop),
        "no time left",
        &[
            (Enter(2), &["run 0"]),
            (Refuse(0, "no"), &["later 0: 10 ms"]),
            (AtLast, &["run 0"]),
            (Refuse(0, "no"), &["settle 2 true"]),
        ],
    );
}

#[test]
fn not_too_many_wait_behind_one() {
    let mut shell = trying(Last::Drop);
    shell.happen(Enter(0));
    shell.happen(Refuse(0, "no"));
    for number in 1..=HELD_MAX as u32 {
        assert!(shell.happen(Enter(2 * number)).is_empty());
    }
    // One more takes its own time.
    assert_eq!(shell.happen(Enter(1_000)), ["later 0: 10 ms"]);
    shell.happen(AtLast);
    while !shell.running.is_empty() || !shell.pausing.is_empty() {
        shell.happen(if shell.running.is_empty() { AtLast } else { Leave(0, &[]) });
    }
    shell.assert_over("all are through");
}

#[test]
fn what_could_not_be_recorded_is_not_durable() {
    const TABLES: [(&str, Wires, Rows); 2] = [
        (
            "not recorded: not durable",
            FAN,
            &[
                (Enter(7), &["run 0"]),
                (Refuse(0, "no"), &["record 0: no"]),
                (Recorded(false), &["settle 7 false"]),
            ],
        ),
        (
            "not recorded, then a branch that goes well: still not durable",
            FAN,
            &[
                (Enter(7), &["run 0"]),
                (Leave(0, &["Success"]), &["run 1", "run 2", "run 3"]),
                (Refuse(1, "no"), &["record 1: no"]),
                (Recorded(false), &[]),
                (Leave(2, &[]), &[]),
                (Leave(3, &[]), &["settle 7 false"]),
            ],
        ),
    ];
    for (name, wires, rows) in TABLES {
        play(name, wires, rows);
    }
}

#[test]
fn accounts_are_apart_and_their_places_are_used_again() {
    play(
        "three messages",
        FAN,
        &[
            (Enter(1), &["run 0"]),
            (Enter(2), &["run 0"]),
            (Refuse(0, "one"), &["record 0: one"]),
            (Leave(0, &["Success"]), &["run 1", "run 2", "run 3"]),
            (Recorded(false), &["settle 1 false"]),
            // Takes the place of the first one, whose failure must not stick to it.
            (Enter(3), &["run 0"]),
            (Leave(1, &[]), &[]),
            (Leave(0, &["Nowhere"]), &["settle 3 true"]),
            (Leave(2, &[]), &[]),
            (Leave(3, &[]), &["settle 2 true"]),
        ],
    );
    let mut shell = Shell::new(routes(Some(0), 1, &[]));
    for receipt in 0..100 {
        shell.happen(Enter(receipt));
        shell.happen(Leave(0, &[]));
    }
    assert_eq!((shell.steps.accounts.len(), shell.steps.free.len()), (1, 1), "one place served all");
    shell.assert_over("places");
}

#[test]
fn a_chain_without_first_node_settles_at_once() {
    let mut shell = Shell::new(routes(None, 1, &[]));
    assert_eq!(shell.happen(Enter(7)), ["settle 7 true"]);
    shell.assert_over("no first node");
}

#[test]
fn a_loop_ends_at_the_limit() {
    let mut shell = Shell::new(routes(Some(0), 2, &[(0, "Success", 1), (1, "Success", 0)]));
    let mut last = shell.happen(Enter(7));
    let mut visits = 0;
    while let Some(node) = shell.running.first().map(|branch| branch.node) {
        visits += 1;
        last = shell.happen(Leave(node, &["Success"]));
    }
    assert_eq!(visits, 10_000);
    assert_eq!(last, ["record 0: the message was processed by more than 10000 rule nodes"]);
    assert_eq!(shell.happen(Recorded(true)), ["settle 7 true"]);
    shell.assert_over("loop");
}

#[test]
fn a_loop_that_multiplies_ends_at_the_same_limit() {
    let mut shell = Shell::new(routes(Some(0), 1, &[(0, "Success", 0), (0, "Again", 0)]));
    shell.happen(Enter(7));
    let mut visits = 0;
    while !shell.running.is_empty() {
        visits += 1;
        shell.happen(Leave(0, &["Success", "Again"]));
        assert!(shell.steps.branches() <= 20_000, "branches are bounded by visits");
    }
    assert_eq!(visits, 10_000);
    while !shell.recording.is_empty() {
        shell.happen(Recorded(true));
    }
    shell.assert_over("multiplying loop");
}

#[test]
fn failures_carry_their_reason_and_new_messages_replace_old_ones() {
    let mut steps = Steps::new(routes(Some(0), 2, &[(0, "Failure", 1), (0, "Success", 1), (1, "Success", 1)]));
    let original = message(json!({"t": 1}));
    let mut commands = Vec::new();
    let mut enter = |steps: &mut Steps<()>| {
        steps.enter(Arc::clone(&original), (), &mut commands);
        match commands.pop() {
            Some(Command::Run(branch)) => branch,
            other => panic!("{other:?}"),
        }
    };
    let (refused, emitted, performed) = (enter(&mut steps), enter(&mut steps), enter(&mut steps));
    let next = |act: &mut dyn FnMut(&mut Vec<Command<()>>)| {
        let mut commands = Vec::new();
        act(&mut commands);
        match &commands[..] {
            [Command::Run(branch)] if branch.node == 1 => Arc::clone(&branch.message),
            other => panic!("{other:?}"),
        }
    };
    let failed = next(&mut |commands| steps.decided(refused.clone(), Err("too hot".to_owned()), commands));
    assert_eq!(
        (failed.metadata.get("error"), failed.metadata.get("deviceName")),
        (Some("too hot"), Some("D"))
    );
    assert_eq!((failed.id, &failed.payload), (original.id, &original.payload));
    assert_eq!(original.metadata.get("error"), None, "messages are never changed");

    let new = message(json!({"new": true}));
    let emission = Emission {
        relation: "Success".into(),
        message: Some(Arc::clone(&new)),
    };
    let outcome = Outcome {
        emissions: SmallVec::from_iter([emission]),
        effects: SmallVec::new(),
    };
    assert!(Arc::ptr_eq(
        &next(&mut |commands| steps.decided(emitted.clone(), Ok(outcome.clone()), commands)),
        &new
    ));

    let after = next(&mut |commands| {
        steps.performed(
            performed.clone(),
            Ok(("Success", Some(Arc::clone(&new)))),
            SmallVec::new(),
            commands,
        )
    });
    assert!(Arc::ptr_eq(&after, &new), "the message that the effect made");
}

#[test]
fn a_replaced_chain_routes_the_next_message_in_the_new_way() {
    let mut shell = Shell::new(routes(Some(0), 4, LINE));
    shell.happen(Enter(1));
    shell.happen(Leave(0, &["Nowhere"]));
    shell.steps.replace(routes(Some(2), 3, &[(2, "Success", 0)]));
    assert_eq!(shell.happen(Enter(2)), ["run 2"]);
    assert_eq!(shell.happen(Leave(2, &["Success"])), ["run 0"]);
    shell.happen(Leave(0, &[]));
    shell.assert_over("replaced");
}

#[test]
fn other_effects_are_handed_on_untouched() {
    let mut steps = Steps::new(routes(Some(0), 1, &[]));
    let mut commands = Vec::new();
    steps.enter(message(json!({})), (), &mut commands);
    let Some(Command::Run(branch)) = commands.pop() else {
        panic!("it runs")
    };
    let wanted = Effect::SaveAttributes {
        entity: branch.message.originator,
        scope: AttributeScope::ServerScope,
        values: Content::Own(json!({"a": 1})),
        only_changed: true,
        notify_device: false,
        tell_chain: false,
        keep: Retention::All,
        quiet: false,
    };
    steps.decided(
        branch,
        Ok(Outcome {
            emissions: SmallVec::new(),
            effects: SmallVec::from_iter([wanted.clone()]),
        }),
        &mut commands,
    );
    assert!(matches!(&commands[..], [Command::Perform { effects, .. }] if effects[..] == [wanted]));
    assert_eq!(steps.branches(), 1);
}
