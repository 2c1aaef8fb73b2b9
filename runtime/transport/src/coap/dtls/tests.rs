//! Clients of the library itself against the table of sessions, under a clock of their own.

#![allow(clippy::unwrap_used)]

use dimpl::{Config, Dtls, DtlsCertificate, Output, PskResolver};

use super::*;

struct Key;

impl PskResolver for Key {
    fn resolve(&self, _: &[u8]) -> Option<Vec<u8>> {
        Some(b"secretsecret".to_vec())
    }
}

fn address(port: u16) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 1], port))
}

/// A client that follows the protocol.
struct Client {
    dtls: Dtls,
    address: SocketAddr,
    connected: bool,
    heard: Vec<Vec<u8>>,
}

impl Client {
    fn new(port: u16, now: Instant) -> Self {
        let config = Config::builder().with_psk_client(b"known".to_vec(), Arc::new(Key)).build().unwrap();
        Client::with(Dtls::new_12_psk(Arc::new(config), now), port, now)
    }

    /// One that has a certificate.
    fn certified(port: u16, now: Instant, certificate: DtlsCertificate) -> Self {
        let config = Config::builder().build().unwrap();
        Client::with(Dtls::new_12(Arc::new(config), certificate, now), port, now)
    }

    fn with(mut dtls: Dtls, port: u16, now: Instant) -> Self {
        dtls.set_active(true);
        dtls.handle_timeout(now).unwrap();
        Client {
            dtls,
            address: address(port),
            connected: false,
            heard: Vec::new(),
        }
    }

    fn packets(&mut self) -> Vec<Vec<u8>> {
        let mut buffer = vec![0; 4_096];
        let mut packets = Vec::new();
        loop {
            match self.dtls.poll_output(&mut buffer) {
                Output::Packet(packet) => packets.push(packet.to_vec()),
                Output::Connected => self.connected = true,
                Output::ApplicationData(message) => self.heard.push(message.to_vec()),
                Output::Timeout(_) => return packets,
                _ => {}
            }
        }
    }

    /// Exchanges datagrams until neither side has more to say; what the server heard.
    fn talks(&mut self, guards: &mut Guards, now: Instant) -> Vec<Event> {
        let mut others = Vec::new();
        loop {
            let packets = self.packets();
            packets.iter().for_each(|packet| guards.datagram(now, self.address, packet));
            let events = guards.events();
            if packets.is_empty() && events.is_empty() {
                return others;
            }
            for event in events {
                match event {
                    // An alert is the end of it.
                    Event::Send(to, packet) if to == self.address => drop(self.dtls.handle_packet(&packet)),
                    other => others.push(other),
                }
            }
        }
    }
}

fn pre_shared() -> DtlsKeys {
    DtlsKeys::pre_shared("known:736563726574736563726574").unwrap()
}

fn guards(limits: Limits) -> Guards {
    Guards::new(pre_shared(), limits)
}

fn certificate(name: &str) -> DtlsCertificate {
    let made = rcgen::generate_simple_self_signed(vec![name.to_owned()]).unwrap();
    DtlsCertificate {
        certificate: made.cert.der().to_vec(),
        private_key: made.signing_key.serialize_der(),
    }
}

fn certified() -> DtlsKeys {
    let made = rcgen::generate_simple_self_signed(vec!["server".to_owned()]).unwrap();
    DtlsKeys::certified(made.cert.pem().as_bytes(), made.signing_key.serialize_pem().as_bytes()).unwrap()
}

#[test]
fn clients_with_certificates_and_with_keys_are_told_apart() {
    let now = Instant::now();
    let mut guards = Guards::new(pre_shared().and(certified()), Limits::default());
    let (one, two) = (certificate("one"), certificate("two"));
    let mut clients = [
        Client::certified(1, now, one.clone()),
        Client::certified(2, now, two.clone()),
        Client::new(3, now),
    ];
    for client in &mut clients {
        assert_eq!(guards.certificates(client.address), None, "nothing is proved yet");
        assert_eq!(client.talks(&mut guards, now), []);
        assert!(client.connected);
        client.dtls.send_application_data(b"hello").unwrap();
        assert_eq!(client.talks(&mut guards, now), [Event::Message(client.address, b"hello".to_vec())]);
    }
    let told = |port| guards.certificates(address(port)).map(|certificates| certificates.to_vec());
    let alone = |own: DtlsCertificate| Some(vec![own.certificate]);
    assert_eq!((told(1), told(2), told(3)), (alone(one), alone(two), None));
}

#[test]
fn a_certificate_without_its_key_opens_nothing() {
    let now = Instant::now();
    let mut guards = Guards::new(certified(), Limits::default());
    let stolen = DtlsCertificate {
        certificate: certificate("victim").certificate,
        ..certificate("thief")
    };
    let mut thief = Client::certified(1, now, stolen);
    thief.talks(&mut guards, now);
    assert!(!thief.connected);
    assert_eq!((guards.sessions(), guards.certificates(thief.address)), (0, None));
    // Nor does a key that this socket does not know of.
    let mut other = Client::new(2, now);
    other.talks(&mut guards, now);
    assert_eq!(guards.sessions(), 0);
}

#[test]
fn a_client_with_the_key_is_heard_and_told() {
    let now = Instant::now();
    let mut guards = guards(Limits::default());
    let mut client = Client::new(1, now);
    assert_eq!(client.talks(&mut guards, now), []);
    assert!(client.connected && guards.sessions() == 1 && guards.handshakes.is_empty());
    client.dtls.send_application_data(b"hello").unwrap();
    assert_eq!(client.talks(&mut guards, now), [Event::Message(client.address, b"hello".to_vec())]);
    guards.send(now, client.address, b"good day");
    client.talks(&mut guards, now);
    assert_eq!(client.heard, [b"good day"]);
    guards.send(now, address(2), b"nobody");
    assert_eq!(guards.events(), []);
}

#[test]
fn the_first_answer_is_a_cookie_and_no_larger_than_the_greeting() {
    let now = Instant::now();
    let mut guards = guards(Limits::default());
    let greeting = Client::new(1, now).packets();
    guards.datagram(now, address(1), &greeting[0]);
    let events = guards.events();
    let [Event::Send(_, packet)] = &events[..] else {
        panic!("{events:?}")
    };
    // HelloVerifyRequest.
    assert_eq!(packet[13], 3);
    assert!(packet.len() <= greeting[0].len());
    guards.datagram(now, address(2), b"no greeting");
    assert_eq!((guards.events(), guards.handshakes.len()), (vec![], 1));
}

#[test]
fn handshakes_are_bounded_and_given_up() {
    let now = Instant::now();
    let mut guards = guards(Limits {
        handshakes_max: 3,
        ..Limits::default()
    });
    let greeting = |port: u16| Client::new(port, now).packets().remove(0);
    for port in 1..=5 {
        guards.datagram(now + Duration::from_millis(port.into()), address(port), &greeting(port));
    }
    assert_eq!((guards.handshakes.len(), guards.begun.len(), guards.timers.len()), (3, 3, 3));
    assert!(guards.handshakes.contains_key(&address(5)));
    guards.time(now + Duration::from_secs(30));
    assert_eq!((guards.handshakes.len(), guards.begun.len(), guards.timers.len()), (0, 0, 0));
}

#[test]
fn sessions_are_bounded_and_forgotten_when_idle() {
    let now = Instant::now();
    let mut guards = guards(Limits {
        sessions_max: 1,
        ..Limits::default()
    });
    let mut first = Client::new(1, now);
    first.talks(&mut guards, now);
    Client::new(2, now).talks(&mut guards, now);
    assert_eq!((guards.sessions(), guards.handshakes.len()), (1, 0));
    guards.time(now + Duration::from_secs(86_399));
    assert_eq!(guards.sessions(), 1);
    guards.events();
    guards.time(now + Duration::from_secs(86_401));
    assert!(guards.events().contains(&Event::Ended(first.address)));
    assert_eq!((guards.sessions(), guards.next_due()), (0, None));
}

#[test]
fn only_a_finished_handshake_takes_the_place_of_a_session() {
    let now = Instant::now();
    let mut guards = guards(Limits::default());
    let mut client = Client::new(1, now);
    client.talks(&mut guards, now);
    // Somebody forges a greeting.
    guards.datagram(now, client.address, &Client::new(1, now).packets()[0]);
    guards.events();
    client.dtls.send_application_data(b"still here").unwrap();
    assert_eq!(
        client.talks(&mut guards, now),
        [Event::Message(client.address, b"still here".to_vec())]
    );
    // The client itself begins anew.
    let mut anew = Client::new(1, now + Duration::from_secs(1));
    assert_eq!(
        anew.talks(&mut guards, now + Duration::from_secs(1)),
        [Event::Ended(client.address)]
    );
    assert!(anew.connected && guards.sessions() == 1);
}

#[test]
fn mutated_datagrams_end_nothing_but_their_own_session() {
    let now = Instant::now();
    let mut guards = guards(Limits::default());
    let mut good = Client::new(1, now);
    good.talks(&mut guards, now);
    let mut number = 7_u64;
    let mut below = |end: usize| {
        number = number
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(number >> 33).unwrap() % end
    };
    for round in 0..2_000 {
        let mut bad = Client::new(2, now);
        for _ in 0..=round % 4 {
            for mut packet in bad.packets() {
                if below(2) == 0 {
                    let at = below(packet.len());
                    packet[at] = u8::try_from(below(256)).unwrap();
                }
                packet.truncate(packet.len() - below(3));
                guards.datagram(now, bad.address, &packet);
            }
            for event in guards.events() {
                if let Event::Send(_, packet) = event {
                    let _ = bad.dtls.handle_packet(&packet);
                }
            }
        }
    }
    good.dtls.send_application_data(b"still here").unwrap();
    let heard = good.talks(&mut guards, now);
    assert!(heard.contains(&Event::Message(good.address, b"still here".to_vec())), "{heard:?}");
}
