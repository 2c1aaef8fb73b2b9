//! Any chain, any decisions, in any order of answers: every receipt is settled exactly once, after its last branch.

use std::collections::HashSet;
use std::time::Duration;

use super::shell::{Do, Shell};
use super::turns::in_turn;
use super::with_policies;
use crate::policy::{FailurePolicy, Last, Retry};
use crate::testing::routes;
use proptest::prelude::*;

const NODES: usize = 4;
/// After so many answers every node lets nothing leave, so that also chains with loops come to an end.
const ANSWERS: usize = 300;

fn wires() -> impl Strategy<Value = Vec<(usize, &'static str, usize)>> {
    let relation = prop_oneof![Just("Success"), Just("Failure"), Just("Other")];
    prop::collection::vec((0..NODES, relation, 0..NODES), 0..8)
}

fn policies() -> impl Strategy<Value = Vec<FailurePolicy>> {
    let retry = prop::option::of((1u8..4).prop_map(|attempts| Retry {
        attempts,
        first: Duration::from_millis(1),
        longest: Duration::from_millis(2),
    }));
    let last = prop_oneof![Just(Last::Relation), Just(Last::Drop), Just(Last::Open("Success".into()))];
    prop::collection::vec((retry, last).prop_map(|(retry, last)| FailurePolicy { retry, last }), NODES)
}

/// An answer, chosen by three numbers from what waits: at a node, being performed, being recorded.
fn answer(shell: &Shell, which: usize, how: usize) -> Option<Do> {
    let waiting = shell.running.len() + shell.performing.len() + shell.recording.len() + shell.pausing.len();
    let which = which % waiting.max(1);
    if let Some(branch) = shell.running.get(which) {
        let node = branch.node;
        return Some(match how % 7 {
            0 => Do::Leave(node, &[]),
            1 => Do::Leave(node, &["Success", "Failure"]),
            2 => Do::Refuse(node, "no"),
            3 => Do::Ask(node, 1, &[]),
            4 => Do::Ask(node, 2, &["Other"]),
            5 => Do::Leave(node, &["Other"]),
            _ => Do::Leave(node, &["Success"]),
        });
    }
    let which = which - shell.running.len();
    if let Some((branch, _)) = shell.performing.get(which) {
        return Some(if how.is_multiple_of(4) {
            Do::Failed(branch.node, "no")
        } else {
            Do::Done(branch.node, "Success")
        });
    }
    if which - shell.performing.len() < shell.pausing.len() {
        return Some(if how.is_multiple_of(3) { Do::AtLast } else { Do::Again });
    }
    // Failures that could not be recorded spoil exactly their own message; see `spoilt`.
    (!shell.recording.is_empty()).then_some(Do::Recorded(!how.is_multiple_of(5)))
}

/// No two messages of an originator are at nodes that take them in turn, or have effects under way there.
fn assert_turns(shell: &Shell) {
    let inside = shell
        .running
        .iter()
        .chain(shell.performing.iter().map(|(branch, _)| branch))
        .chain(&shell.pausing);
    let mut seen = HashSet::new();
    for branch in inside.filter(|branch| shell.steps.graph().nodes[branch.node].in_turn) {
        assert!(seen.insert(branch.message.originator), "node {}", branch.node);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_receipt_is_settled_once(wires in wires(), policies in policies(), turns in prop::collection::vec(0..NODES, 0..3), choices in prop::collection::vec((0usize..64, 0usize..420), ANSWERS), messages in 1u32..6) {
        let mut shell = Shell::new(in_turn(with_policies(routes(Some(0), NODES, &wires), policies), &turns));
        let mut choices = choices.into_iter();
        let mut unrecorded = 0;
        for receipt in 0..messages {
            shell.happen(Do::Enter(receipt));
            // Some answers come before the next message enters.
            for (which, how) in choices.by_ref().take(5) {
                let Some(what) = answer(&shell, which, how) else { break };
                unrecorded += usize::from(matches!(what, Do::Recorded(false)));
                shell.happen(what);
                assert_turns(&shell);
            }
        }
        for (which, how) in choices {
            let Some(what) = answer(&shell, which, how) else { break };
            unrecorded += usize::from(matches!(what, Do::Recorded(false)));
            shell.happen(what);
            assert_turns(&shell);
        }
        loop {
            if let Some(branch) = shell.running.first() {
                shell.happen(Do::Leave(branch.node, &[]));
            } else if let Some((branch, _)) = shell.performing.first() {
                shell.happen(Do::Done(branch.node, "Nowhere"));
            } else if !shell.pausing.is_empty() {
                shell.happen(Do::Again);
            } else {
                break;
            }
        }
        while !shell.recording.is_empty() {
            shell.happen(Do::Recorded(true));
        }
        shell.assert_over("random");
        let spoilt = shell.settled.iter().filter(|(_, durable)| !durable).count();
        prop_assert_eq!(spoilt > 0, unrecorded > 0);
        prop_assert!(spoilt <= unrecorded);
    }
}
