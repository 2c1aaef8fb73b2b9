//! Messages that go through other chains: an account stays open until the other chain is done, and what comes back goes on here.

use super::shell::Do::{Back, Call, Enter, EnterFrom, Leave, Left, NotEntered, Output, Recorded, SentBack};
use super::shell::Shell;
use super::{Rows, Wires, play};
use crate::journey::DEPTH_MAX;
use crate::testing::routes;

/// The first node sends messages away; what comes back, and what is not taken, goes to different nodes.
const ASKS: Wires = &[(0, "hot", 1), (0, "cold", 2), (0, "Failure", 3)];
/// The same, and nobody takes failures.
const CARELESS: Wires = &[(0, "hot", 1)];
/// The first node leads to a second one.
const TWO: Wires = &[(0, "Success", 1)];

#[test]
fn an_account_waits_for_the_other_chain() {
    const TABLES: [(&str, Wires, Rows); 6] = [
        (
            "one message back",
            ASKS,
            &[
                (Enter(7), &["run 0"]),
                (Call(0, 5), &["enter 5"]),
                (Back("hot"), &["run 1"]),
                (Leave(1, &[]), &[]),
                (Left(true), &["settle 7 true"]),
            ],
        ),
        (
            "it is settled after the last branch, here or there",
            ASKS,
            &[
                (Enter(7), &["run 0"]),
                (Call(0, 5), &["enter 5"]),
                (Back("hot"), &["run 1"]),
                (Back("cold"), &["run 2"]),
                (Left(true), &[]),
                (Leave(2, &[]), &[]),
                (Leave(1, &[]), &["settle 7 true"]),
            ],
        ),
        (
            "nothing comes back",
            ASKS,
            &[(Enter(7), &["run 0"]), (Call(0, 5), &["enter 5"]), (Left(true), &["settle 7 true"])],
        ),
        (
            "a relation that leads nowhere",
            ASKS,
            &[
                (Enter(7), &["run 0"]),
                (Call(0, 5), &["enter 5"]),
                (Back("warm"), &[]),
                (Left(true), &["settle 7 true"]),
            ],
        ),
        (
            "what is not durable there is not durable here",
            ASKS,
            &[
                (Enter(7), &["run 0"]),
                (Call(0, 5), &["enter 5"]),
                (Back("hot"), &["run 1"]),
                (Left(false), &[]),
                (Leave(1, &[]), &["settle 7 false"]),
            ],
        ),
        (
            "two calls of two messages, whose ends cross",
            ASKS,
            &[
                (Enter(7), &["run 0"]),
                (Enter(8), &["run 0"]),
                (Call(0, 5), &["enter 5"]),
                (Call(0, 6), &["enter 6"]),
                (Left(true), &["settle 7 true"]),
                (Back("hot"), &["run 1"]),
                (Left(true), &[]),
                (Leave(1, &[]), &["settle 8 true"]),
            ],
        ),
    ];
    for (name, wires, rows) in TABLES {
        play(name, wires, rows);
    }
}

#[test]
fn what_is_not_taken_fails_at_the_node_that_sent_it() {
    const TABLES: [(&str, Wires, Rows); 3] = [
        (
            "along Failure",
            ASKS,
            &[
                (Enter(7), &["run 0"]),
                (Call(0, 5), &["enter 5"]),
                (NotEntered("there is no such chain"), &["run 3"]),
                (Leave(3, &[]), &["settle 7 true"]),
            ],
        ),
        (
            "recorded where nobody takes it",
            CARELESS,
            &[
                (Enter(7), &["run 0"]),
                (Call(0, 5), &["enter 5"]),
                (NotEntered("there is no such chain"), &["record 0: there is no such chain"]),
                (Recorded(true), &["settle 7 true"]),
            ],
        ),
        (
            "a message that comes back along Failure is recorded, too",
            CARELESS,
            &[
                (Enter(7), &["run 0"]),
                (Call(0, 5), &["enter 5"]),
                (Back("Failure"), &["record 0: the node sent the message along Failure"]),
                (Left(true), &[]),
                (Recorded(true), &["settle 7 true"]),
            ],
        ),
    ];
    for (name, wires, rows) in TABLES {
        play(name, wires, rows);
    }
}

#[test]
fn a_message_goes_back_before_its_account_is_closed() {
    play(
        "twice",
        TWO,
        &[
            (EnterFrom(7, &[1]), &["run 0"]),
            (Leave(0, &["Success", "Success"]), &["run 1", "run 1"]),
            (Output(1, None), &["send back 1 -"]),
            (SentBack, &[]),
            (Output(1, Some("hot")), &["send back 1 hot"]),
            (SentBack, &["settle 7 true"]),
        ],
    );
    play(
        "a message of a device: there is nobody to send it back to",
        TWO,
        &[
            (Enter(7), &["run 0"]),
            (Output(0, None), &["send back 0 -"]),
            (SentBack, &["settle 7 true"]),
        ],
    );
}

#[test]
fn circles_and_depth_end_in_words() {
    play(
        "it comes from there",
        CARELESS,
        &[
            (EnterFrom(7, &[5, 6]), &["run 0"]),
            (
                Call(0, 5),
                &[
                    "record 0: the message comes from the rule chain 00000000-0000-0000-0000-000000000005: rule chains that call each other in a circle would never end",
                ],
            ),
            (Recorded(true), &["settle 7 true"]),
        ],
    );
    const THROUGH: [u128; DEPTH_MAX - 1] = [1, 2, 3, 4, 5, 6, 7];
    play(
        "it is deep inside",
        CARELESS,
        &[
            (EnterFrom(7, &THROUGH), &["run 0"]),
            (
                Call(0, 9),
                &["record 0: the message is inside 8 rule chains that call each other, as many as it may be"],
            ),
            (Recorded(true), &["settle 7 true"]),
        ],
    );
    let mut shell = Shell::new(routes(Some(0), 1, &[]));
    let own = shell.steps.graph().chain.id.as_u128();
    shell.happen(Enter(7));
    let told = shell.happen(Call(0, own));
    assert!(told.len() == 1 && told[0].contains("circle"), "a chain that calls itself: {told:?}");
}
