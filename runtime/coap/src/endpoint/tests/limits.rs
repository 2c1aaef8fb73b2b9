//! Limits, forged addresses, and datagrams nobody meant.

use proptest::prelude::*;

use super::*;

fn bytes(commands: &[Command]) -> usize {
    let length = |command: &Command| {
        if let Command::Send { datagram, .. } = command {
            datagram.len()
        } else {
            0
        }
    };
    commands.iter().map(length).sum()
}

#[test]
fn too_many_requests_at_a_time_are_refused() {
    let mut world = World::with(Config {
        limits: Limits {
            open_per_peer_max: 2,
            open_max: 3,
            ..Limits::default()
        },
        ..Config::default()
    });
    let first = world.asks(1, &post(1, b"")).0;
    world.asks(1, &post(2, b""));
    let refused = sent(world.hears(1, &post(3, b"")));
    assert_eq!(
        (refused[0].code, refused[0].option(option::MAX_AGE)),
        (Code::SERVICE_UNAVAILABLE, Some(&[1][..]))
    );
    world.asks(2, &post(1, b""));
    assert_eq!(sent(world.hears(2, &post(2, b"")))[0].code, Code::SERVICE_UNAVAILABLE);
    world.answers(first, &Response::new(Code::CREATED));
    world.asks(2, &post(3, b""));
    // Whoever is never answered does not keep the place.
    world.passes(120_000);
    assert_eq!(world.endpoint.counts().open, 0);
}

#[test]
fn the_client_that_was_silent_longest_gives_way() {
    let mut world = World::with(Config {
        limits: Limits {
            peers_max: 2,
            ..Limits::default()
        },
        ..Config::default()
    });
    world.observes(1, 1, b"t");
    world.passes(10);
    let (exchange, _) = world.asks(2, &post(1, b""));
    assert_eq!(world.hears(3, &post(1, b"")), [], "both wait for something");
    world.answers(exchange, &Response::new(Code::CREATED));
    world.asks(3, &post(1, b""));
    assert_eq!(world.endpoint.counts().peers, 2);
    assert_eq!(world.hears(2, &post(1, b"")), [], "it is the one that was forgotten");
}

#[test]
fn a_client_that_is_forgotten_leaves_nothing() {
    let mut world = World::proven();
    let observation = world.observes(1, 1, b"t");
    world.notifies(observation, &content(3_000));
    world.hears(1, &post(2, &[b'x'; 16]).with(option::BLOCK1, block(0, true, 0)));
    world.asks(1, &get(3, b"u"));
    world.endpoint.forget(address(1));
    assert_eq!(
        world.endpoint.commands().collect::<Vec<_>>(),
        [Command::Ended(observation, Why::Silent)]
    );
    assert_eq!((world.endpoint.counts(), world.endpoint.next_due_ms()), (Counts::default(), None));
}

#[test]
fn nobody_is_sent_more_than_three_times_what_came_from_there() {
    let mut world = World::new();
    let message = get(1, b"t");
    let length = message.write().len();
    let (exchange, _) = world.asks(1, &message);
    world.endpoint.answer(0, exchange, &content(5_000));
    let mut commands: Vec<Command> = world.endpoint.commands().collect();
    let [Command::Send { datagram, .. }] = &commands[..] else {
        panic!("{commands:?}")
    };
    let told = Message::read(datagram).unwrap();
    let block2 = Block::read(told.option(option::BLOCK2).unwrap()).unwrap();
    assert!(block2.more && block2.size() == 64, "as much as may be sent: {block2:?}");
    // A duplicate is answered in the same way, and counts.
    commands.extend(world.hears(1, &message));
    assert!(bytes(&commands) <= 2 * 3 * length);

    // Late, it is to be acknowledged, and sent again only as often as it may be.
    let mut world = World::new();
    let (exchange, _) = world.asks(1, &message);
    let mut commands = world.waits();
    world.endpoint.answer(world.now_ms, exchange, &content(5_000));
    let told: Vec<Command> = world.endpoint.commands().collect();
    commands.extend(told.clone());
    while world.endpoint.next_due_ms().is_some_and(|due_ms| due_ms < 10_000) {
        commands.extend(world.waits());
    }
    assert!(bytes(&commands) <= 3 * length, "{} for {length}", bytes(&commands));
    // Who acknowledges has shown that it receives: the next answer is whole.
    let told = sent(told);
    world.hears(1, &Message::empty(Kind::Acknowledgement, told[0].id));
    let (exchange, _) = world.asks(1, &get(2, b"t"));
    let told = world.answers(exchange, &content(900));
    assert_eq!((told.len(), told[0].payload.len()), (1, 900));
}

#[test]
fn an_observer_that_has_not_shown_that_it_receives_is_told_little() {
    let mut world = World::new();
    let message = get(1, b"t").with(option::OBSERVE, vec![]);
    let length = message.write().len();
    let (exchange, _) = world.asks(1, &message);
    world.endpoint.answer(0, exchange, &content(2).observing());
    let mut commands: Vec<Command> = world.endpoint.commands().collect();
    for _ in 0..20 {
        world.endpoint.notify(0, exchange.observation(), &content(500));
        commands.extend(world.endpoint.commands());
    }
    while world.endpoint.next_due_ms().is_some_and(|due_ms| due_ms < 100_000) {
        commands.extend(world.waits());
    }
    assert!(bytes(&commands) <= 3 * length, "{} for {length}", bytes(&commands));
}

/// Messages as honest clients send them.
fn honest() -> Vec<Message> {
    vec![
        get(1, b"t"),
        get(2, b"t").with(option::OBSERVE, vec![]),
        get(3, b"t").with(option::OBSERVE, vec![1]),
        get(4, b"t").with(option::BLOCK2, block(1, false, 2)),
        post(5, b"{\"a\":1}"),
        post(6, &[b'x'; 64]).with(option::BLOCK1, block(0, true, 2)),
        post(7, &[b'x'; 64]).with(option::BLOCK1, block(1, true, 2)),
        post(8, b"x").with(option::BLOCK1, block(2, false, 2)),
        request(Kind::NonConfirmable, Code::POST, 9, b"n"),
        Message::empty(Kind::Acknowledgement, 10),
        Message::empty(Kind::Reset, 11),
        Message::empty(Kind::Confirmable, 12),
    ]
}

#[derive(Clone, Debug)]
enum Step {
    Datagram(u16, Vec<u8>),
    Answer(usize),
    Notify(usize),
    Pass(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let mutated = (
        0..honest().len(),
        proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 0..4),
        any::<u16>(),
    )
        .prop_map(|(which, changes, id)| {
            let mut message = honest()[which].clone();
            message.id = id % 32;
            let mut datagram = message.write();
            for (at, byte) in changes {
                let at = at.index(datagram.len());
                datagram[at] = byte;
            }
            datagram
        });
    let noise = proptest::collection::vec(any::<u8>(), 0..80);
    prop_oneof![
        8 => (0_u16..3, mutated).prop_map(|(port, datagram)| Step::Datagram(port, datagram)),
        2 => (0_u16..3, noise).prop_map(|(port, datagram)| Step::Datagram(port, datagram)),
        4 => (0_usize..4_000).prop_map(Step::Answer),
        2 => (0_usize..4_000).prop_map(Step::Notify),
        3 => (0_u64..100_000).prop_map(Step::Pass),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    /// Whatever comes in whatever order: no panic, nobody is sent more than three times what came from there before it acknowledged
    /// something, every datagram is one, and in the end nothing is left.
    #[test]
    fn whatever_comes_nothing_breaks(steps in proptest::collection::vec(step(), 1..60)) {
        let mut world = World::new();
        let mut open = Vec::new();
        let mut observed = Vec::new();
        let mut traffic: HashMap<SocketAddr, (usize, usize)> = HashMap::new();
        let mut acknowledged = false;
        for step in steps {
            match step {
                Step::Datagram(port, datagram) => {
                    acknowledged |= datagram.first().is_some_and(|first| first & 0x30 == 0x20);
                    traffic.entry(address(port)).or_default().0 += datagram.len();
                    world.endpoint.datagram(world.now_ms, address(port), &datagram);
                }
                Step::Answer(bytes) => {
                    if let Some(exchange) = open.pop() {
                        world.endpoint.answer(world.now_ms, exchange, &content(bytes).observing());
                    }
                }
                Step::Notify(bytes) => {
                    for observation in &observed {
                        world.endpoint.notify(world.now_ms, *observation, &content(bytes));
                    }
                }
                Step::Pass(ms) => {
                    world.now_ms += ms;
                    world.endpoint.time(world.now_ms);
                }
            }
            for command in world.endpoint.commands().collect::<Vec<_>>() {
                match command {
                    Command::Send { to, datagram } => {
                        prop_assert!(Message::read(&datagram).is_ok(), "{datagram:?}");
                        let (received, sent) = traffic.entry(to).or_default();
                        *sent += datagram.len();
                        prop_assert!(acknowledged || *sent <= 3 * *received, "{sent} for {received}");
                    }
                    Command::Request(exchange, request) => {
                        if request.observe.is_some() {
                            observed.push(exchange.observation());
                        }
                        open.push(exchange);
                    }
                    Command::Ended(..) | Command::Dropped(_) => {}
                }
            }
        }
        for observation in observed {
            world.endpoint.finish(world.now_ms, observation, &Response::new(Code::DELETED));
        }
        for _ in 0..1_000 {
            if world.endpoint.next_due_ms().is_some() {
                world.waits();
            }
        }
        prop_assert_eq!(world.endpoint.counts(), Counts::default());
        prop_assert_eq!(world.endpoint.next_due_ms(), None);
    }
}
