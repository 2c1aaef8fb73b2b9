//! What becomes of requests, as tables.

use super::*;
use model::entity::{IdRef, MethodCall, RpcBody};
use model::{EntityKind, TenantId};
use serde_json::json;
use uuid::Uuid;

fn ask(requests: &mut Requests<&'static str>, reply: &'static str, expires_ms: i64, oneway: bool) {
    assert!(requests.has_room());
    requests.ask(reply, reply.into(), Payload::new(json!(reply)), expires_ms, oneway);
}

fn kept(number: u32, oneway: bool, retries: u32) -> Rpc {
    Rpc {
        id: IdRef::new(EntityKind::Rpc, Uuid::from_u128(number.into())),
        created_time: 0,
        tenant_id: IdRef::tenant(TenantId::SYSTEM),
        device_id: IdRef::new(EntityKind::Device, Uuid::nil()),
        expiration_time: 100_000,
        request: RpcBody {
            body: MethodCall {
                method: format!("m{number}"),
                params: json!(number),
            },
            oneway,
            retries,
        },
        response: None,
        status: RpcStatus::Queued,
        additional_info: None,
        request_number: number,
    }
}

fn next(requests: &Requests<&'static str>) -> Option<(u32, String)> {
    requests.next().map(|next| (next.number, next.method.to_string()))
}

/// Commands in short.
fn short(commands: impl IntoIterator<Item = Command<&'static str>>) -> Vec<String> {
    let short = |command| match command {
        Command::Answer(reply, Ok(None)) => format!("{reply}: done"),
        Command::Answer(reply, Ok(Some(payload))) => format!("{reply}: {}", payload.json()),
        Command::Answer(reply, Err(error)) => format!("{reply}: {error:?}"),
        Command::Keep(rpc) => format!("{}: {}", rpc.request.body.method, rpc.status.as_str()),
    };
    commands.into_iter().map(short).collect()
}

/// A step, and what follows from it in short.
enum Step {
    Sent(u32),
    Delivered(u32),
    DeliveredElsewhere(u32),
    Replied(u32),
    Gone,
    At(i64),
}

fn play(requests: &mut Requests<&'static str>, session: SessionId, steps: &[(Step, &[&str])]) {
    for (at, (step, expected)) in steps.iter().enumerate() {
        let commands = match step {
            Step::Sent(number) => requests.sent(*number, session, 0).into_iter().collect(),
            Step::Delivered(number) => requests.delivered(session, *number).into_iter().collect(),
            Step::DeliveredElsewhere(number) => requests.delivered(SessionId::generate(), *number).into_iter().collect(),
            Step::Replied(number) => requests.replied(*number, Payload::new(json!("r"))).into_iter().collect(),
            Step::Gone => requests.session_gone(session),
            Step::At(now_ms) => requests.time_passed(*now_ms),
        };
        assert_eq!(short(commands), *expected, "step {at}");
    }
}

#[test]
fn requests_somebody_waits_for() {
    use Step::{At, Delivered, Gone, Replied, Sent};
    // Whether it is oneway, the steps, and how many are open then.
    type Case = (bool, &'static [(Step, &'static [&'static str])], usize);
    let cases: [Case; 8] = [
        (false, &[(Sent(0), &[]), (Replied(0), &["a: \"r\""]), (Replied(0), &[])], 0),
        (false, &[(Sent(0), &[]), (Delivered(0), &[]), (Replied(0), &["a: \"r\""])], 0),
        (false, &[(At(999), &[]), (At(1_000), &["a: NotConnected"])], 0),
        (false, &[(Sent(0), &[]), (At(1_000), &["a: Timeout"]), (Replied(0), &[])], 0),
        (false, &[(Sent(0), &[]), (Gone, &[]), (At(1_000), &["a: Timeout"])], 0),
        (false, &[(Sent(0), &[]), (Gone, &[]), (Replied(0), &["a: \"r\""])], 0),
        (true, &[(Sent(0), &["a: done"]), (Replied(0), &[]), (At(5_000), &[])], 0),
        (true, &[(Replied(7), &[]), (Sent(7), &[]), (At(10), &[])], 1),
    ];
    for (oneway, steps, open) in cases {
        let mut requests = Requests::default();
        ask(&mut requests, "a", 1_000, oneway);
        play(&mut requests, SessionId::generate(), steps);
        assert_eq!(requests.len(), open);
        assert_eq!(requests.is_waited_for(), open > 0);
    }
}

#[test]
fn requests_that_are_kept() {
    use Step::{At, Delivered, DeliveredElsewhere, Gone, Replied, Sent};
    // Whether it is oneway, how often it may be sent again, the steps, and whether it waits to be sent then; none: it is over.
    type Case = (bool, u32, &'static [(Step, &'static [&'static str])], Option<bool>);
    let cases: [Case; 9] = [
        (
            false,
            5,
            &[
                (Sent(3), &["m3: SENT"]),
                (DeliveredElsewhere(3), &[]),
                (Delivered(3), &["m3: DELIVERED"]),
                (Gone, &[]),
                (Replied(3), &["m3: SUCCESSFUL"]),
            ],
            None,
        ),
        (false, 5, &[(Sent(3), &["m3: SENT"]), (Replied(3), &["m3: SUCCESSFUL"])], None),
        (
            true,
            5,
            &[(Sent(3), &["m3: SENT"]), (Delivered(3), &["m3: DELIVERED"]), (Replied(3), &[])],
            None,
        ),
        (false, 5, &[(Sent(3), &["m3: SENT"]), (Gone, &["m3: TIMEOUT"])], Some(true)),
        (
            false,
            5,
            &[(Sent(3), &["m3: SENT"]), (At(9_999), &[]), (At(10_000), &["m3: TIMEOUT"])],
            Some(true),
        ),
        (
            false,
            1,
            &[
                (Sent(3), &["m3: SENT"]),
                (Gone, &["m3: TIMEOUT"]),
                (Sent(3), &["m3: SENT"]),
                (Gone, &["m3: FAILED"]),
            ],
            None,
        ),
        (true, 0, &[(Sent(3), &["m3: SENT"]), (At(10_000), &["m3: FAILED"])], None),
        (false, 0, &[(At(100_000), &["m3: EXPIRED"])], None),
        (
            false,
            0,
            &[
                (Sent(3), &["m3: SENT"]),
                (Delivered(3), &["m3: DELIVERED"]),
                (At(100_000), &["m3: EXPIRED"]),
            ],
            None,
        ),
    ];
    for (oneway, retries, steps, waits) in cases {
        let mut requests = Requests::default();
        requests.keep(kept(3, oneway, retries));
        play(&mut requests, SessionId::generate(), steps);
        assert_eq!((!requests.is_empty()).then(|| requests.next().is_some()), waits);
        assert!(!requests.is_waited_for());
    }
}

#[test]
fn they_are_sent_in_order_and_numbered_apart() {
    let mut requests = Requests::default();
    // Kept before a restart.
    requests.keep(kept(4, false, 5));
    requests.keep(Rpc {
        status: RpcStatus::Delivered,
        ..kept(6, false, 5)
    });
    ask(&mut requests, "a", 1_000, false);
    ask(&mut requests, "b", 1_000, false);
    let session = SessionId::generate();
    let mut order = Vec::new();
    while let Some((number, method)) = next(&requests) {
        requests.sent(number, session, 5);
        order.push((number, method));
    }
    // What the device has already is not sent again, but its reply is taken.
    assert_eq!(order, [(4, "m4".to_owned()), (7, "a".to_owned()), (8, "b".to_owned())]);
    assert_eq!(short(requests.replied(6, Payload::new(json!(1)))), ["m6: SUCCESSFUL"]);
    assert_eq!(requests.next_deadline_ms(), Some(1_000));
    assert_eq!(short(requests.time_passed(1_000)), ["a: Timeout", "b: Timeout"]);
    assert_eq!(requests.next_deadline_ms(), Some(5 + DELIVERY_MS));
}

#[test]
fn numbers_begin_again_and_are_never_given_twice_at_once() {
    let mut requests: Requests<&'static str> = Requests::default();
    requests.keep(kept(0x7fff_ffff, false, 0));
    requests.keep(kept(0, false, 0));
    requests.next_number = 0x7fff_ffff;
    assert_eq!((requests.take_number(), requests.take_number()), (1, 2));
}

#[test]
fn there_are_only_so_many() {
    let mut requests = Requests::default();
    for _ in 0..REQUESTS_MAX {
        ask(&mut requests, "a", 1_000, false);
    }
    assert!(!requests.has_room());
    assert_eq!(requests.time_passed(1_000).len(), REQUESTS_MAX);
    assert!(requests.has_room());
}

#[test]
fn a_kept_request_can_be_removed() {
    let mut requests: Requests<&'static str> = Requests::default();
    requests.keep(kept(1, false, 0));
    assert_eq!(requests.removed(Uuid::from_u128(9)), None);
    assert_eq!(requests.removed(Uuid::from_u128(1)).map(|rpc| rpc.request_number), Some(1));
    assert!(requests.is_empty());
}
