//! CoAP datagram by datagram, and a way to the server that loses, doubles and reorders them.

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use coap::{Code, Kind, Message, Token, option};

use crate::Numbers;

/// A client that sends what it likes.
pub struct CoapWire(UdpSocket);

impl CoapWire {
    /// A port of its own.
    pub fn open(port: u16) -> Self {
        Self::open_at("127.0.0.1", port)
    }

    /// An address of its own, out of those of this machine.
    pub fn open_at(address: &str, port: u16) -> Self {
        let socket = UdpSocket::bind((address, 0)).unwrap();
        socket.connect(("127.0.0.1", port)).unwrap();
        CoapWire(socket)
    }

    /// Sends a datagram.
    pub fn send(&self, datagram: &[u8]) {
        // That nobody listens may be said of an earlier datagram.
        let _ = self.0.send(datagram);
    }

    /// The next datagram; none when none comes for so long.
    pub fn datagram(&self, patience: Duration) -> Option<Vec<u8>> {
        self.0.set_read_timeout(Some(patience)).unwrap();
        let mut buffer = vec![0; 64 << 10];
        let length = self.0.recv(&mut buffer).ok()?;
        buffer.truncate(length);
        Some(buffer)
    }

    /// A datagram that is there already.
    pub fn waiting(&self) -> Option<Vec<u8>> {
        self.0.set_nonblocking(true).unwrap();
        let mut buffer = vec![0; 64 << 10];
        let received = self.0.recv(&mut buffer);
        self.0.set_nonblocking(false).unwrap();
        buffer.truncate(received.ok()?);
        Some(buffer)
    }

    /// Sends a confirmable message, again if need be (RFC 7252, section 4.2), and answers what comes back.
    pub fn exchange(&self, message: &Message) -> Message {
        for _ in 0..5 {
            self.send(&message.write());
            if let Some(datagram) = self.datagram(Duration::from_secs(3)) {
                return Message::read(&datagram).unwrap();
            }
        }
        panic!("no answer");
    }
}

/// A request to the device API.
pub fn request(code: Code, id: u16, path: &str, payload: &[u8]) -> Message {
    let mut message = Message::new(Kind::Confirmable, code, id, Token::new(&id.to_be_bytes()).unwrap());
    for part in path.split('/') {
        message = message.with(option::URI_PATH, part.as_bytes().to_vec());
    }
    message.payload = payload.to_vec().into();
    message
}

/// Between one client and a server: of ten datagrams it drops two, doubles two and holds back two, in each direction.
pub struct LossyWay {
    pub port: u16,
    dropped: Arc<AtomicU32>,
    stop: Arc<AtomicBool>,
}

impl LossyWay {
    /// Opens it.
    pub fn to(server_port: u16, seed: u64) -> Self {
        let (front, back) = (UdpSocket::bind("127.0.0.1:0").unwrap(), UdpSocket::bind("127.0.0.1:0").unwrap());
        back.connect(("127.0.0.1", server_port)).unwrap();
        for socket in [&front, &back] {
            socket.set_read_timeout(Some(Duration::from_millis(5))).unwrap();
        }
        let port = front.local_addr().unwrap().port();
        let (stop, dropped) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU32::new(0)));
        let mut way = Way {
            front,
            back,
            client: None,
            numbers: Numbers(seed),
            held: Vec::new(),
            dropped: Arc::clone(&dropped),
        };
        let stopped = Arc::clone(&stop);
        std::thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                way.turn();
            }
        });
        LossyWay { port, dropped, stop }
    }

    /// Datagrams that got lost.
    pub fn dropped(&self) -> u32 {
        self.dropped.load(Ordering::Relaxed)
    }
}

impl Drop for LossyWay {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

struct Way {
    front: UdpSocket,
    back: UdpSocket,
    client: Option<SocketAddr>,
    numbers: Numbers,
    held: Vec<(bool, Vec<u8>)>,
    dropped: Arc<AtomicU32>,
}

impl Way {
    fn turn(&mut self) {
        let mut buffer = vec![0; 64 << 10];
        let mut came = Vec::new();
        if let Ok((length, from)) = self.front.recv_from(&mut buffer) {
            self.client = Some(from);
            came.push((true, buffer[..length].to_vec()));
        }
        if let Ok(length) = self.back.recv(&mut buffer) {
            came.push((false, buffer[..length].to_vec()));
        }
        let held = std::mem::take(&mut self.held);
        for (up, datagram) in came {
            match self.numbers.below(10) {
                0 | 1 => {
                    self.dropped.fetch_add(1, Ordering::Relaxed);
                }
                2 | 3 => {
                    self.pass(up, &datagram);
                    self.pass(up, &datagram);
                }
                4 | 5 => self.held.push((up, datagram)),
                _ => self.pass(up, &datagram),
            }
        }
        for (up, datagram) in held {
            self.pass(up, &datagram);
        }
    }

    fn pass(&self, up: bool, datagram: &[u8]) {
        // A side that is gone hears nothing.
        let _ = match (up, self.client) {
            (true, _) => self.back.send(datagram),
            (false, Some(client)) => self.front.send_to(datagram, client),
            (false, None) => Ok(0),
        };
    }
}
