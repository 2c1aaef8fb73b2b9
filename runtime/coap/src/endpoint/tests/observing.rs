//! Observations and notifications.

use super::*;

fn sequence(message: &Message) -> u32 {
    option::read_uint(message.option(option::OBSERVE).unwrap(), 3).unwrap()
}

fn ack(message: &Message) -> Message {
    Message::empty(Kind::Acknowledgement, message.id)
}

#[test]
fn an_observer_is_told_until_it_cancels() {
    let mut world = World::new();
    let observation = world.observes(1, 1, b"t");
    let first = world.notifies(observation, &content(3));
    assert_eq!(
        (first[0].kind, first[0].code, first[0].token),
        (Kind::Confirmable, Code::CONTENT, Token::new(b"t").unwrap())
    );
    assert_eq!(world.notifies(observation, &content(4)), [], "one at a time");
    let second = sent(world.hears(1, &ack(&first[0])));
    assert!(sequence(&second[0]) > sequence(&first[0]));
    world.hears(1, &ack(&second[0]));
    let commands = world.hears(1, &get(2, b"t").with(option::OBSERVE, vec![1]));
    let [Command::Ended(ended, Why::Cancelled), Command::Request(exchange, request)] = &commands[..] else {
        panic!("{commands:?}");
    };
    assert_eq!((*ended, request.observe), (observation, Some(crate::Observe::Deregister)));
    assert_eq!(exchange.observation(), observation);
    assert_eq!(world.notifies(observation, &content(3)), []);
    assert_eq!(world.endpoint.counts().observations, 0);
}

#[test]
fn the_last_word_has_no_number() {
    let mut world = World::new();
    let observation = world.observes(1, 1, b"t");
    world.endpoint.finish(0, observation, &Response::new(Code::DELETED));
    let told = sent(world.endpoint.commands().collect());
    assert_eq!((told[0].code, told[0].option(option::OBSERVE)), (Code::DELETED, None));
    let observation = world.observes(2, 1, b"t");
    let told = world.notifies(observation, &Response::new(Code::NOT_FOUND));
    assert_eq!((told[0].code, told[0].option(option::OBSERVE)), (Code::NOT_FOUND, None));
    assert_eq!(world.endpoint.counts().observations, 0);
}

#[test]
fn observations_are_named_by_address_and_token() {
    let mut world = World::with(Config {
        limits: Limits {
            observations_per_peer_max: 2,
            observations_max: 3,
            ..Limits::default()
        },
        ..Config::default()
    });
    let all = [world.observes(1, 1, b"a"), world.observes(1, 2, b"b"), world.observes(2, 1, b"a")];
    assert_eq!(world.endpoint.counts().observations, 3);
    for (n, observation) in all.iter().enumerate() {
        let told = world.notifies(*observation, &content(n));
        assert_eq!(
            (told.len(), told.first().map(|told| told.token.as_bytes()[0])),
            if n == 1 { (0, None) } else { (1, Some(b'a')) }
        );
    }
    // The same token again is the same observation.
    let again = get(3, b"a").with(option::OBSERVE, vec![]);
    let (exchange, request) = world.asks(1, &again);
    assert_eq!(request.observe, Some(crate::Observe::Register));
    // Answered without observing, it ends.
    let told = world.answers(exchange, &content(1));
    assert_eq!(told[0].option(option::OBSERVE), None);
    assert_eq!(world.endpoint.counts().observations, 2);
    world.observes(3, 1, b"c");
    // One too many is answered as if it had not asked to observe.
    let (_, request) = world.asks(4, &get(1, b"d").with(option::OBSERVE, vec![]));
    assert_eq!(request.observe, None);
}

#[test]
fn a_reset_ends_an_observation() {
    let mut world = World::new();
    let observation = world.observes(1, 1, b"t");
    let told = world.notifies(observation, &content(3));
    let reset = Message::empty(Kind::Reset, told[0].id);
    assert_eq!(world.hears(1, &reset), [Command::Ended(observation, Why::Reset)]);

    // One that was not to be confirmed.
    let mut world = World::proven();
    let message = Message {
        kind: Kind::NonConfirmable,
        ..get(1, b"t").with(option::OBSERVE, vec![])
    };
    let (exchange, _) = world.asks(1, &message);
    world.answers(exchange, &content(1).observing());
    world.passes(5_000);
    let told = world.notifies(exchange.observation(), &content(3));
    assert_eq!(told[0].kind, Kind::NonConfirmable);
    assert_eq!(
        world.hears(1, &Message::empty(Kind::Reset, told[0].id)),
        [Command::Ended(exchange.observation(), Why::Reset)]
    );
}

#[test]
fn a_silent_observer_is_given_up() {
    let mut world = World::new();
    let (first, second) = (world.observes(1, 1, b"a"), world.observes(1, 2, b"b"));
    let told = world.notifies(first, &content(1));
    world.notifies(second, &content(1));
    for _ in 0..4 {
        assert_eq!(sent(world.waits()), told);
    }
    let mut ended = world.waits();
    ended.sort_by_key(|command| format!("{command:?}"));
    assert_eq!(ended, [Command::Ended(first, Why::Silent), Command::Ended(second, Why::Silent)]);
    world.passes(300_000);
    assert_eq!(world.endpoint.counts(), Counts::default());
}

#[test]
fn an_observer_that_wants_no_confirmation_is_asked_for_one_every_so_often() {
    let mut world = World::proven();
    let message = Message {
        kind: Kind::NonConfirmable,
        ..get(1, b"t").with(option::OBSERVE, vec![])
    };
    let (exchange, _) = world.asks(1, &message);
    world.answers(exchange, &content(1).observing());
    let mut confirmed = 0;
    for _ in 0..20 {
        world.passes(3_000);
        for told in world.notifies(exchange.observation(), &content(1)) {
            if told.kind == Kind::Confirmable {
                confirmed += 1;
                world.hears(1, &ack(&told));
            }
        }
    }
    assert_eq!(confirmed, 2);
}

#[test]
fn the_rest_of_a_large_notification_is_fetched() {
    let mut world = World::proven();
    let observation = world.observes(1, 1, b"t");
    let body = content(1_500);
    let told = world.notifies(observation, &body);
    assert_eq!(told[0].option(option::BLOCK2), Some(&block(0, true, 6)[..]));
    let rest = sent(world.hears(1, &get(2, b"u").with(option::BLOCK2, block(1, false, 6))));
    assert_eq!([&told[0].payload[..], &rest[0].payload[..]].concat(), body.payload);
    assert_eq!(rest[0].option(option::OBSERVE), None);
}

#[test]
fn what_waits_for_a_slow_observer_is_bounded() {
    let mut world = World::with(Config {
        limits: Limits {
            waiting_per_peer_max: 2,
            ..Limits::default()
        },
        proven: true,
        ..Config::default()
    });
    let observation = world.observes(1, 1, b"t");
    for _ in 0..3 {
        world.notifies(observation, &content(1));
    }
    world.endpoint.notify(0, observation, &content(1));
    assert_eq!(world.endpoint.commands().collect::<Vec<_>>(), [Command::Dropped(observation)]);
    // Nor is more asked of a client that acknowledges nothing.
    assert_eq!(sent(world.hears(1, &get(2, b"u")))[0].code, Code::SERVICE_UNAVAILABLE);
}
