//! A tiny broker for tests: takes publishes, stores their points, acknowledges them, and misbehaves on request.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// How the broker misbehaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mood {
    Good,
    /// Answers CONNECT with this code.
    Refusing(u8),
    /// Hangs up once, at the given publish of the first connection, which is stored and not acknowledged.
    HangUpAt(u64),
    /// Acknowledges nothing of user `sim-0` before this many messages of other users have come.
    HoldFirstUntil(u64),
    /// Acknowledges each batch in reverse order.
    Backwards,
    /// Answers nothing after CONNACK.
    Mute,
}

/// What the broker has seen.
#[derive(Debug, Default)]
pub struct Seen {
    /// Points by user name, then time.
    pub points: BTreeMap<String, BTreeMap<u64, u64>>,
    /// Publishes, with repetitions.
    pub publishes: u64,
    /// Publishes marked as repetitions.
    pub duplicates: u64,
    /// Points that arrived again with another number: a fault.
    pub conflicts: u64,
    pub pings: u64,
    pub disconnects: u64,
    pub connects: u64,
}

pub struct Broker {
    pub address: SocketAddr,
    pub seen: Arc<Mutex<Seen>>,
    // Stops the tasks when the broker goes.
    _tasks: JoinSet<()>,
}

impl Broker {
    pub async fn start(mood: Mood) -> Broker {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("port");
        let address = listener.local_addr().expect("address");
        let seen = Arc::new(Mutex::new(Seen::default()));
        let mut tasks = JoinSet::new();
        tasks.spawn({
            let seen = seen.clone();
            async move {
                let (others, _) = watch::channel(0_u64);
                let mut connections = JoinSet::new();
                while let Ok((stream, _)) = listener.accept().await {
                    let mut state = Connection {
                        mood,
                        seen: seen.clone(),
                        user: String::new(),
                        others: others.clone(),
                        held: Vec::new(),
                    };
                    connections.spawn(async move {
                        state.serve(stream).await;
                    });
                }
            }
        });
        Broker {
            address,
            seen,
            _tasks: tasks,
        }
    }

    pub fn look<T>(&self, at: impl FnOnce(&mut Seen) -> T) -> T {
        at(&mut self.seen.lock().expect("not poisoned"))
    }
}

struct Connection {
    mood: Mood,
    seen: Arc<Mutex<Seen>>,
    user: String,
    others: watch::Sender<u64>,
    held: Vec<u8>,
}

impl Connection {
    async fn serve(&mut self, mut stream: TcpStream) -> Option<()> {
        let mut input = BytesMut::new();
        let mut released = self.others.subscribe();
        loop {
            let mut output = Vec::new();
            while let Some((first, body)) = take_packet(&mut input) {
                if self.handle(first, &body, &mut output).is_none() {
                    // What was acknowledged before still goes out.
                    let _ = stream.write_all(&output).await;
                    return None;
                }
            }
            if self.mood == Mood::Backwards && output.first() == Some(&0x40) {
                output = output.rchunks(4).flatten().copied().collect();
            }
            if self.may_release() {
                output.append(&mut self.held);
            }
            stream.write_all(&output).await.ok()?;
            tokio::select! {
                read = stream.read_buf(&mut input) => {
                    if read.ok()? == 0 {
                        return None;
                    }
                }
                _ = released.changed() => {}
            }
        }
    }

    fn may_release(&self) -> bool {
        match self.mood {
            Mood::HoldFirstUntil(count) => self.user != "sim-0" || *self.others.borrow() >= count,
            _ => true,
        }
    }

    /// `None` hangs up.
    fn handle(&mut self, first: u8, body: &[u8], output: &mut Vec<u8>) -> Option<()> {
        let mut seen = self.seen.lock().expect("not poisoned");
        match first >> 4 {
            1 => {
                let id_end = 12 + usize::from(u16::from_be_bytes([body[10], body[11]]));
                self.user = String::from_utf8(body[id_end + 2..].to_vec()).expect("user name");
                seen.connects += 1;
                let code = if let Mood::Refusing(code) = self.mood { code } else { 0 };
                output.extend_from_slice(&[0x20, 2, 0, code]);
                (code == 0).then_some(())
            }
            3 => {
                let topic_end = 2 + usize::from(u16::from_be_bytes([body[0], body[1]]));
                let qos = (first >> 1) & 3;
                let payload = &body[topic_end + if qos > 0 { 2 } else { 0 }..];
                let value: serde_json::Value = serde_json::from_slice(payload).expect("JSON");
                let (ts, seq) = (value["ts"].as_u64().expect("ts"), value["values"]["seq"].as_u64().expect("seq"));
                let old = seen.points.entry(self.user.clone()).or_default().insert(ts, seq);
                seen.publishes += 1;
                seen.duplicates += u64::from(first & 8 != 0);
                seen.conflicts += u64::from(old.is_some_and(|old| old != seq));
                if self.user != "sim-0" {
                    self.others.send_modify(|others| *others += 1);
                }
                if self.mood == Mood::HangUpAt(seen.publishes) {
                    return None;
                }
                if qos > 0 && self.mood != Mood::Mute {
                    let puback = [0x40, 2, body[topic_end], body[topic_end + 1]];
                    let to = if matches!(self.mood, Mood::HoldFirstUntil(_)) {
                        &mut self.held
                    } else {
                        output
                    };
                    to.extend_from_slice(&puback);
                }
                Some(())
            }
            12 => {
                seen.pings += 1;
                if self.mood != Mood::Mute {
                    output.extend_from_slice(&[0xD0, 0]);
                }
                Some(())
            }
            14 => {
                seen.disconnects += 1;
                None
            }
            other => panic!("packet type {other}"),
        }
    }
}

/// The first byte and the body of the packet at the front, if it is complete.
fn take_packet(input: &mut BytesMut) -> Option<(u8, BytesMut)> {
    let (mut length, mut header) = (0, 1);
    loop {
        let byte = *input.get(header)?;
        length |= usize::from(byte & 0x7F) << (7 * (header - 1));
        header += 1;
        if byte & 0x80 == 0 {
            break;
        }
    }
    if input.len() < header + length {
        return None;
    }
    let first = input[0];
    input.advance(header);
    Some((first, input.split_to(length)))
}
