//! Nodes that decide by what they have saved: who waits for whom. Messages with even receipts are of one originator.

use super::*;

/// A chain in which these nodes take messages in turn.
pub(super) fn in_turn(graph: Arc<Graph>, nodes: &[usize]) -> Arc<Graph> {
    let mut graph = Arc::into_inner(graph).expect("just made");
    for node in nodes {
        graph.nodes[*node].in_turn = true;
    }
    Arc::new(graph)
}

/// The second and the third of a line.
fn shell() -> Shell {
    Shell::new(in_turn(routes(Some(0), 4, LINE), &[1, 2]))
}

#[test]
fn nobody_decides_before_the_effects_of_the_one_in_front_are_done() {
    follow(
        shell(),
        "effects",
        &[
            (Enter(2), &["run 0"]),
            (Enter(4), &["run 0"]),
            (Enter(1), &["run 0"]),
            (Leave(0, &["Success"]), &["run 1"]),
            (Leave(0, &["Success"]), &[]),
            // Another originator's has its own turn.
            (Leave(0, &["Success"]), &["run 1"]),
            (Ask(1, 1, &[]), &["perform 1 [0] then 0"]),
            (Ask(1, 1, &[]), &["perform 1 [0] then 0"]),
            // It goes on to another such node, and waits there for the one behind it.
            (Done(1, "Success"), &["run 1"]),
            (Done(1, "Success"), &["run 2"]),
            (Ask(1, 1, &["Success"]), &["perform 1 [0] then 1"]),
            (Done(1, "Success"), &["run 2"]),
            (Leave(2, &[]), &["settle 1 true"]),
            (Leave(2, &[]), &["run 2", "settle 2 true"]),
            (Leave(2, &[]), &["settle 4 true"]),
        ],
    );
}

#[test]
fn a_turn_ends_with_whatever_comes_of_it() {
    follow(
        shell(),
        "nothing is asked for",
        &[
            (Enter(2), &["run 0"]),
            (Leave(0, &["Success"]), &["run 1"]),
            (Enter(4), &["run 0"]),
            (Leave(0, &["Success"]), &[]),
            (Leave(1, &[]), &["run 1", "settle 2 true"]),
            (Leave(1, &[]), &["settle 4 true"]),
        ],
    );
    follow(
        shell(),
        "it fails",
        &[
            (Enter(2), &["run 0"]),
            (Leave(0, &["Success"]), &["run 1"]),
            (Enter(4), &["run 0"]),
            (Leave(0, &["Success"]), &[]),
            (Refuse(1, "no"), &["run 1", "run 3"]),
            (Ask(1, 2, &[]), &["perform 1 [0, 1] then 0"]),
            (Enter(6), &["run 0"]),
            (Leave(0, &["Success"]), &[]),
            (Failed(1, "disk"), &["run 1", "run 3"]),
            (Leave(1, &[]), &["settle 6 true"]),
            (Leave(3, &[]), &["settle 2 true"]),
            (Leave(3, &[]), &["settle 4 true"]),
        ],
    );
    follow(
        shell(),
        "it goes into another chain",
        &[
            (Enter(2), &["run 0"]),
            (Leave(0, &["Success"]), &["run 1"]),
            (Enter(4), &["run 0"]),
            (Leave(0, &["Success"]), &[]),
            (Do::Call(1, 9), &["run 1", "enter 9"]),
            (Leave(1, &[]), &["settle 4 true"]),
            (Do::Left(true), &["settle 2 true"]),
        ],
    );
}

#[test]
fn one_that_is_tried_again_keeps_its_turn() {
    let retry = Retry {
        attempts: 1,
        first: Duration::from_millis(10),
        longest: Duration::from_millis(10),
    };
    let policy = FailurePolicy {
        retry: Some(retry),
        last: Last::Drop,
    };
    let graph = with_policies(routes(Some(0), 4, LINE), vec![policy]);
    follow(
        Shell::new(in_turn(graph, &[0])),
        "again",
        &[
            (Enter(2), &["run 0"]),
            (Enter(4), &[]),
            (Ask(0, 1, &[]), &["perform 0 [0] then 0"]),
            (Failed(0, "disk"), &["later 0: 10 ms"]),
            (Again, &["run 0"]),
            (Ask(0, 1, &[]), &["perform 0 [0] then 0"]),
            (Failed(0, "disk"), &["run 0", "settle 2 true"]),
            (Leave(0, &[]), &["settle 4 true"]),
        ],
    );
}
