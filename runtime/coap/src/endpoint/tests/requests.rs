//! Requests, answers, duplicates, blocks.

use super::*;

#[test]
fn what_makes_no_sense_is_reset() {
    let mut world = World::new();
    let token = Token::default();
    for message in [
        // A ping, and a response to nothing.
        Message::empty(Kind::Confirmable, 5),
        Message::new(Kind::Confirmable, Code::CONTENT, 5, token),
        // A reserved class.
        Message::new(Kind::Confirmable, Code(0xe1), 5, token),
    ] {
        assert_eq!(sent(world.hears(1, &message)), [Message::empty(Kind::Reset, 5)], "{message:?}");
    }
    for message in [
        Message::empty(Kind::NonConfirmable, 5),
        Message::new(Kind::NonConfirmable, Code::CONTENT, 5, token),
        Message::empty(Kind::Acknowledgement, 5),
        Message::empty(Kind::Reset, 5),
    ] {
        assert_eq!(world.hears(1, &message), [], "{message:?}");
    }
    assert_eq!(world.endpoint.counts(), Counts::default(), "none of it is remembered");
}

#[test]
fn an_answer_in_time_comes_with_the_acknowledgement() {
    let mut world = World::new();
    let (exchange, request) = world.asks(1, &post(9, b"{}"));
    assert_eq!(
        (request.method, &request.path[0][..], &request.payload[..]),
        (Code::POST, "api", &b"{}"[..])
    );
    let told = world.answers(exchange, &Response::new(Code::CREATED));
    assert_eq!(
        told,
        [Message::new(Kind::Acknowledgement, Code::CREATED, 9, Token::new(b"p").unwrap())]
    );
    assert_eq!(world.answers(exchange, &Response::new(Code::CREATED)), [], "once");
}

#[test]
fn a_late_answer_comes_on_its_own() {
    let mut world = World::new();
    let (exchange, _) = world.asks(1, &post(9, b"{}"));
    assert_eq!(sent(world.waits()), [Message::empty(Kind::Acknowledgement, 9)]);
    assert_eq!(world.now_ms, 500);
    assert_eq!(
        sent(world.hears(1, &post(9, b"{}"))),
        [Message::empty(Kind::Acknowledgement, 9)],
        "a duplicate"
    );
    let told = world.answers(exchange, &Response::new(Code::CREATED));
    assert_eq!(
        (told[0].kind, told[0].code, told[0].token),
        (Kind::Confirmable, Code::CREATED, Token::new(b"p").unwrap())
    );
    assert_eq!(
        sent(world.hears(1, &post(9, b"{}"))),
        [Message::empty(Kind::Acknowledgement, 9)],
        "a duplicate"
    );
    assert_eq!(world.hears(1, &Message::empty(Kind::Acknowledgement, told[0].id)), []);
    assert_eq!(world.passes(200_000), [], "it is not sent again");
}

#[test]
fn an_answer_is_sent_again_until_it_is_acknowledged() {
    let mut world = World::new();
    let (exchange, _) = world.asks(1, &post(9, b"{}"));
    world.waits();
    let told = world.answers(exchange, &Response::new(Code::CREATED));
    let first = world.now_ms;
    assert_eq!(sent(world.waits()), told);
    let pause = world.now_ms - first;
    assert!((2_000..=3_000).contains(&pause), "{pause}");
    assert_eq!(sent(world.waits()), told);
    assert_eq!(world.now_ms - first, 3 * pause);
    world.hears(1, &Message::empty(Kind::Acknowledgement, told[0].id));
    assert_eq!(world.passes(100_000), []);
}

#[test]
fn one_separate_answer_at_a_time() {
    let mut world = World::new();
    let exchanges: Vec<Exchange> = (1..=3).map(|id| world.asks(1, &post(id, b"{}")).0).collect();
    world.waits();
    let first = world.answers(exchanges[0], &Response::new(Code::CREATED));
    assert_eq!(world.answers(exchanges[1], &Response::new(Code::CHANGED)), []);
    let second = sent(world.hears(1, &Message::empty(Kind::Acknowledgement, first[0].id)));
    assert_eq!(second[0].code, Code::CHANGED);
    assert_eq!(world.answers(exchanges[2], &Response::new(Code::DELETED)), []);
    let third = sent(world.hears(1, &Message::empty(Kind::Reset, second[0].id)));
    assert_eq!(third[0].code, Code::DELETED, "a reset is an end, too");
}

#[test]
fn a_request_that_needs_no_acknowledgement_gets_none() {
    let mut world = World::new();
    let message = request(Kind::NonConfirmable, Code::POST, 9, b"n");
    let (exchange, _) = world.asks(1, &message);
    assert_eq!(world.passes(1_000), []);
    assert_eq!(world.hears(1, &message), [], "a duplicate");
    let told = world.answers(exchange, &Response::new(Code::CREATED));
    assert_eq!((told[0].kind, told[0].code), (Kind::NonConfirmable, Code::CREATED));
    assert_eq!(world.hears(1, &message), [], "a duplicate");
}

#[test]
fn a_duplicate_is_answered_as_the_first_was_and_asks_nobody_again() {
    let mut world = World::new();
    let message = post(9, b"{}");
    let (exchange, _) = world.asks(1, &message);
    assert_eq!(world.hears(1, &message), [], "it will be answered");
    let told = world.answers(exchange, &Response::new(Code::CREATED));
    assert_eq!(sent(world.hears(1, &message)), told);
    world.asks(2, &message);
    world.asks(1, &post(10, b"{}"));
}

/// The address of a client may be that of another one a minute before, or of itself before it started anew.
#[test]
fn another_message_with_a_known_id_is_no_duplicate() {
    let mut world = World::new();
    let (first, _) = world.asks(1, &post(9, b"{\"a\":1}"));
    let (second, request) = world.asks(1, &post(9, b"{\"a\":2}"));
    assert_eq!(&request.payload[..], b"{\"a\":2}");
    let refused = world.answers(second, &Response::new(Code::BAD_REQUEST));
    let taken = world.answers(first, &Response::new(Code::CREATED));
    assert_eq!((refused[0].code, taken[0].code), (Code::BAD_REQUEST, Code::CREATED));
    assert_eq!(sent(world.hears(1, &post(9, b"{\"a\":1}"))), taken, "each has its own duplicates");
    assert_eq!(sent(world.hears(1, &post(9, b"{\"a\":2}"))), refused);
}

#[test]
fn a_number_may_be_used_again_after_its_lifetime() {
    let non = request(Kind::NonConfirmable, Code::POST, 9, b"n");
    for (message, lifetime_ms) in [(post(9, b""), 247_000), (non, 145_000)] {
        let mut world = World::new();
        let (exchange, _) = world.asks(1, &message);
        world.answers(exchange, &Response::new(Code::CREATED));
        world.passes(lifetime_ms - 1);
        assert!(!matches!(&world.hears(1, &message)[..], [Command::Request(..)]));
        world.passes(1);
        world.asks(1, &message);
    }
}

#[test]
fn options_nobody_knows() {
    let mut world = World::new();
    let told = sent(world.hears(1, &get(9, b"t").with(9, vec![])));
    assert_eq!((told[0].kind, told[0].code), (Kind::Acknowledgement, Code::BAD_OPTION));
    let non = request(Kind::NonConfirmable, Code::GET, 10, b"t").with(9, vec![]);
    assert_eq!(world.hears(1, &non), []);
    world.asks(1, &get(11, b"t").with(2_000, vec![]));
    let unknown = request(Kind::Confirmable, Code(0x05), 12, b"t");
    assert_eq!(sent(world.hears(1, &unknown))[0].code, Code::METHOD_NOT_ALLOWED);
}

#[test]
fn a_body_in_blocks_is_put_together() {
    let mut world = World::new();
    let part = |id, number, more, bytes| post(id, &vec![b'x'; bytes]).with(option::BLOCK1, block(number, more, 2));
    for (id, number) in [(1, 0), (2, 1)] {
        let told = sent(world.hears(1, &part(id, number, true, 64)));
        assert_eq!(told[0].code, Code::CONTINUE);
        assert_eq!(told[0].option(option::BLOCK1), Some(&block(number, true, 2)[..]));
    }
    assert_eq!(sent(world.hears(1, &part(2, 1, true, 64)))[0].code, Code::CONTINUE, "a duplicate");
    let (exchange, request) = world.asks(1, &part(3, 2, false, 5));
    assert_eq!(request.payload.len(), 133);
    let told = world.answers(exchange, &Response::new(Code::CREATED));
    assert_eq!(told[0].option(option::BLOCK1), Some(&block(2, false, 2)[..]));
    assert_eq!(sent(world.hears(1, &part(4, 2, false, 5)))[0].code, Code::REQUEST_ENTITY_INCOMPLETE);
    let large = post(5, &vec![b'x'; (64 << 10) + 1]);
    assert_eq!(sent(world.hears(1, &large))[0].code, Code::REQUEST_ENTITY_TOO_LARGE);
}

#[test]
fn a_large_answer_is_fetched_in_blocks_of_one_body() {
    let mut world = World::proven();
    let body = content(2_500);
    let (exchange, _) = world.asks(1, &get(1, b"t"));
    let told = world.answers(exchange, &body);
    assert_eq!(told[0].option(option::BLOCK2), Some(&block(0, true, 6)[..]));
    assert_eq!(told[0].option(option::SIZE2), Some(&[9, 196][..]));
    let mut fetched = told[0].payload.to_vec();
    for number in 1..=2 {
        let next = sent(world.hears(
            1,
            &get(1 + u16::try_from(number).unwrap(), b"u").with(option::BLOCK2, block(number, false, 6)),
        ));
        assert_eq!(next[0].option(option::ETAG), told[0].option(option::ETAG));
        fetched.extend(&next[0].payload);
    }
    assert_eq!(fetched, body.payload);
    world.passes(60_000);
    // It is not kept any longer: a GET is asked again, nothing else is.
    world.asks(1, &get(9, b"t").with(option::BLOCK2, block(1, false, 6)));
    let again = post(10, b"").with(option::BLOCK2, block(1, false, 6));
    assert_eq!(sent(world.hears(1, &again))[0].code, Code::REQUEST_ENTITY_INCOMPLETE);
}
