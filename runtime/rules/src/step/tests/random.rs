//! Any chain, any decisions, in any order of answers: every receipt is settled exactly once, after its last branch.

use super::shell::{Do, Shell};
use crate::testing::routes;
use proptest::prelude::*;

const NODES: usize = 4;
/// After so many answers every node lets nothing leave, so that also chains with loops come to an end.
const ANSWERS: usize = 300;

fn wires() -> impl Strategy<Value = Vec<(usize, &'static str, usize)>> {
    let relation = prop_oneof![Just("Success"), Just("Failure"), Just("Other")];
    prop::collection::vec((0..NODES, relation, 0..NODES), 0..8)
}

/// An answer, chosen by three numbers from what waits: at a node, being performed, being recorded.
fn answer(shell: &Shell, which: usize, how: usize) -> Option<Do> {
    let waiting = shell.running.len() + shell.performing.len() + shell.recording.len();
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
    // Failures that could not be recorded spoil exactly their own message; see `spoilt`.
    (!shell.recording.is_empty()).then_some(Do::Recorded(!how.is_multiple_of(5)))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_receipt_is_settled_once(wires in wires(), choices in prop::collection::vec((0usize..64, 0usize..420), ANSWERS), messages in 1u32..6) {
        let mut shell = Shell::new(routes(Some(0), NODES, &wires));
        let mut choices = choices.into_iter();
        let mut unrecorded = 0;
        for receipt in 0..messages {
            shell.happen(Do::Enter(receipt));
            // Some answers come before the next message enters.
            for (which, how) in choices.by_ref().take(5) {
                let Some(what) = answer(&shell, which, how) else { break };
                unrecorded += usize::from(matches!(what, Do::Recorded(false)));
                shell.happen(what);
            }
        }
        for (which, how) in choices {
            let Some(what) = answer(&shell, which, how) else { break };
            unrecorded += usize::from(matches!(what, Do::Recorded(false)));
            shell.happen(what);
        }
        while let Some(branch) = shell.running.first() {
            shell.happen(Do::Leave(branch.node, &[]));
        }
        while let Some((branch, _)) = shell.performing.first() {
            shell.happen(Do::Done(branch.node, "Nowhere"));
            while let Some(branch) = shell.running.first() {
                shell.happen(Do::Leave(branch.node, &[]));
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
