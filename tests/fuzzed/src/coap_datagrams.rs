//! A CoAP endpoint under whatever comes: datagrams of a few clients, answers to their requests, notifications, and time.
//!
//! Input: steps of a byte that says what happens, a byte of detail, and for datagrams a length byte and the datagram. What is checked:
//! a message that can be read is written and read again as it was; what is sent can be read; limits hold; whoever has never acknowledged
//! anything is sent three times as much as it sent, at most.

use std::collections::HashMap;
use std::net::SocketAddr;

use coap::{Code, Command, Config, Endpoint, Exchange, Kind, Limits, Message, Observation, Observe, Response, Token, option};

/// Clients there are.
const CLIENTS: u8 = 4;
/// Steps of an input at most.
const STEPS_MAX: usize = 400;

/// See the module.
pub fn run(data: &[u8]) {
    let mut world = World::new();
    let mut rest = data;
    for _ in 0..STEPS_MAX {
        let Some(([what, detail], after)) = rest.split_first_chunk::<2>() else {
            break;
        };
        rest = after;
        match what % 8 {
            0..=3 => {
                let Some((length, after)) = rest.split_first() else { break };
                let (datagram, after) = after.split_at(usize::from(*length).min(after.len()));
                rest = after;
                world.datagram(detail % CLIENTS, datagram);
            }
            4 => world.answer(*detail),
            5 => world.notify(*detail),
            6 => world.passes(u64::from(*detail) * 10),
            _ => world.passes(u64::from(*detail) * 1_000),
        }
        world.check();
    }
}

/// Honest steps.
pub fn seeds() -> Vec<Vec<u8>> {
    let request = |code: Code, id: u16| Message::new(Kind::Confirmable, code, id, Token::new(&id.to_be_bytes()).unwrap());
    let path = |message: Message| message.with(option::URI_PATH, b"t".to_vec());
    let with = |message: Message, payload: &[u8]| Message {
        payload: payload.to_vec().into(),
        ..message
    };
    let post = with(path(request(Code::POST, 1)), b"{\"a\":1}");
    let get = path(request(Code::GET, 2)).with(option::URI_QUERY, b"clientKeys=a".to_vec());
    let observe = path(request(Code::GET, 3)).with(option::OBSERVE, vec![]);
    let first = with(path(request(Code::POST, 4)).with(option::BLOCK1, vec![0x0a]), &[b'x'; 64]);
    let last = with(path(request(Code::POST, 5)).with(option::BLOCK1, vec![0x12]), b"end");
    let second = path(request(Code::GET, 6)).with(option::BLOCK2, vec![0x12]);
    let step = |message: &Message| {
        let datagram = message.write();
        [&[0, 1, u8::try_from(datagram.len()).unwrap()][..], &datagram].concat()
    };
    let acknowledgement = step(&Message::empty(Kind::Acknowledgement, 0));
    let reset = step(&Message::empty(Kind::Reset, 0));
    vec![
        [step(&post), vec![4, 0], step(&post)].concat(),
        [step(&get), vec![6, 60, 4, 255, 7, 3], acknowledgement.clone()].concat(),
        [step(&observe), vec![4, 9, 5, 0, 5, 1], acknowledgement, vec![7, 200, 5, 2], reset].concat(),
        [step(&first), step(&last), vec![4, 1]].concat(),
        [step(&get), vec![4, 255], step(&second)].concat(),
    ]
}

struct World {
    endpoint: Endpoint,
    limits: Limits,
    now_ms: u64,
    /// Requests that wait for an answer; true: they ask to observe.
    open: Vec<(Exchange, bool)>,
    observing: Vec<Observation>,
    /// Bytes received and sent; none: it has acknowledged something, and may be believed.
    credit: HashMap<SocketAddr, Option<(usize, usize)>>,
}

impl World {
    fn new() -> Self {
        let limits = Limits {
            peers_max: 3,
            open_per_peer_max: 3,
            open_max: 5,
            observations_per_peer_max: 2,
            observations_max: 3,
            waiting_per_peer_max: 4,
            body_bytes_max: 512,
            bodies_bytes_max: 1_024,
            ..Limits::default()
        };
        let config = Config {
            limits,
            ..Config::default()
        };
        World {
            endpoint: Endpoint::new(config, [7; 32]),
            limits,
            now_ms: 0,
            open: Vec::new(),
            observing: Vec::new(),
            credit: HashMap::new(),
        }
    }

    fn datagram(&mut self, client: u8, datagram: &[u8]) {
        let from = SocketAddr::from(([192, 0, 2, client], 5_683));
        if let Ok(message) = Message::read(datagram) {
            assert_eq!(Message::read(&message.write()).as_ref(), Ok(&message), "{datagram:02x?}");
            let credit = self.credit.entry(from).or_insert(Some((0, 0)));
            match (message.kind, credit) {
                (Kind::Acknowledgement | Kind::Reset, credit) => *credit = None,
                (_, Some((received, _))) => *received += datagram.len(),
                _ => {}
            }
        } else {
            let credit = self.credit.entry(from).or_insert(Some((0, 0)));
            if let Some((received, _)) = credit {
                *received += datagram.len();
            }
        }
        self.endpoint.datagram(self.now_ms, from, datagram);
        self.perform();
    }

    fn answer(&mut self, detail: u8) {
        if self.open.is_empty() {
            return;
        }
        let (exchange, observes) = self.open.remove(usize::from(detail) % self.open.len());
        let observing = observes && detail & 1 == 1;
        let response = Response {
            observing,
            ..Response::json(Code::CONTENT, vec![b'x'; usize::from(detail) * 3].into())
        };
        if observing {
            self.observing.push(exchange.observation());
        }
        self.endpoint.answer(self.now_ms, exchange, &response);
        self.perform();
    }

    fn notify(&mut self, detail: u8) {
        let Some(observation) = self.observing.get(usize::from(detail) % self.observing.len().max(1)).copied() else {
            return;
        };
        let response = Response::json(Code::CONTENT, vec![b'y'; usize::from(detail)].into());
        if detail == 255 {
            self.observing.retain(|other| *other != observation);
            self.endpoint.finish(self.now_ms, observation, &response);
        } else {
            self.endpoint.notify(self.now_ms, observation, &response);
        }
        self.perform();
    }

    fn passes(&mut self, milliseconds: u64) {
        self.now_ms += milliseconds;
        self.endpoint.time(self.now_ms);
        self.perform();
    }

    fn perform(&mut self) {
        let commands: Vec<Command> = self.endpoint.commands().collect();
        for command in commands {
            match command {
                Command::Send { to, datagram } => {
                    assert!(Message::read(&datagram).is_ok(), "{datagram:02x?}");
                    if let Some((_, sent)) = self.credit.entry(to).or_insert(Some((0, 0))) {
                        *sent += datagram.len();
                    }
                }
                Command::Request(exchange, request) => {
                    assert!(request.payload.len() <= self.limits.body_bytes_max, "{}", request.payload.len());
                    self.open.push((exchange, request.observe == Some(Observe::Register)));
                }
                Command::Ended(observation, _) => self.observing.retain(|other| *other != observation),
                Command::Dropped(_) => {}
            }
        }
    }

    fn check(&self) {
        let (counts, limits) = (self.endpoint.counts(), &self.limits);
        assert!(counts.peers <= limits.peers_max && counts.open <= limits.open_max, "{counts:?}");
        assert!(counts.observations <= limits.observations_max, "{counts:?}");
        assert!(counts.body_bytes <= limits.bodies_bytes_max, "{counts:?}");
        assert!(self.endpoint.next_due_ms().is_none_or(|due_ms| due_ms > self.now_ms) || counts.peers > 0);
        for (client, credit) in &self.credit {
            if let Some((received, sent)) = credit {
                assert!(*sent <= 3 * received, "{client}: {sent} bytes for {received}");
            }
        }
    }
}
