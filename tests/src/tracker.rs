//! A tracker that speaks the example's binary protocol, over TCP or UDP. The README of `examples/gps-tracker` describes it.

use std::io::{Read, Write};
use std::net::{TcpStream, UdpSocket};
use std::time::Duration;

/// A frame: kind, number, body.
pub type Frame = (u8, u16, Vec<u8>);

/// How long a tracker waits for an answer.
const PATIENCE: Duration = Duration::from_secs(20);

enum Socket {
    Tcp(TcpStream),
    Udp(UdpSocket),
}

/// A tracker, or several behind one connection.
pub struct Tracker {
    socket: Socket,
    input: Vec<u8>,
}

impl Tracker {
    /// Over TCP.
    pub fn tcp(port: u16) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Tracker {
            socket: Socket::Tcp(stream),
            input: Vec::new(),
        }
    }

    /// Over UDP.
    pub fn udp(port: u16) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.connect(("127.0.0.1", port)).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        Tracker {
            socket: Socket::Udp(socket),
            input: Vec::new(),
        }
    }

    /// Sends bytes; false: the server has closed.
    pub fn send(&mut self, bytes: &[u8]) -> bool {
        match &mut self.socket {
            Socket::Tcp(stream) => stream.write_all(bytes).is_ok(),
            Socket::Udp(socket) => socket.send(bytes).is_ok(),
        }
    }

    /// The next frame; none: the server closed, or said nothing.
    pub fn frame(&mut self) -> Option<Frame> {
        loop {
            if let Some(length) = self.input.get(2..4) {
                let length = usize::from(u16::from_be_bytes([length[0], length[1]]));
                if self.input.len() >= length + 6 {
                    let bytes: Vec<u8> = self.input.drain(..length + 6).collect();
                    assert_eq!(&bytes[..2], b"PT", "{bytes:02x?}");
                    let sum = checksum(&bytes[2..length + 4]).to_be_bytes();
                    assert_eq!(&bytes[length + 4..], sum, "{bytes:02x?}");
                    return Some((bytes[4], u16::from_be_bytes([bytes[5], bytes[6]]), bytes[7..length + 4].to_vec()));
                }
            }
            let mut buffer = [0; 4096];
            let read = match &mut self.socket {
                Socket::Tcp(stream) => stream.read(&mut buffer).ok()?,
                Socket::Udp(socket) => socket.recv(&mut buffer).ok()?,
            };
            if read == 0 {
                return None;
            }
            self.input.extend(&buffer[..read]);
        }
    }

    /// Logs a unit in; answers the code.
    pub fn login(&mut self, unit: u8, token: &str) -> u8 {
        self.send(&login(unit, token));
        let (kind, number, body) = self.frame().expect("an answer to the login");
        assert_eq!((kind, number, body[0]), (0x81, 1, unit));
        body[1]
    }

    /// Another way to send over the same TCP connection.
    pub fn sender(&self) -> TcpStream {
        match &self.socket {
            Socket::Tcp(stream) => stream.try_clone().unwrap(),
            Socket::Udp(_) => panic!("a tracker over TCP"),
        }
    }

    /// Whether the server has closed the connection.
    pub fn is_closed(&mut self) -> bool {
        self.frame().is_none()
    }
}

/// The bytes of a frame.
pub fn frame(kind: u8, number: u16, body: &[u8]) -> Vec<u8> {
    let mut bytes = b"PT".to_vec();
    bytes.extend(u16::try_from(body.len() + 3).unwrap().to_be_bytes());
    bytes.push(kind);
    bytes.extend(number.to_be_bytes());
    bytes.extend(body);
    let sum = checksum(&bytes[2..]);
    bytes.extend(sum.to_be_bytes());
    bytes
}

/// A login of a unit.
pub fn login(unit: u8, token: &str) -> Vec<u8> {
    frame(0x01, 1, &[&[unit], token.as_bytes()].concat())
}

/// A position of a unit: its speed, in tenths, and its second are the number.
pub fn position(unit: u8, number: u16) -> Vec<u8> {
    let mut body = vec![unit];
    body.extend((1_700_000_000 + u32::from(number)).to_be_bytes());
    body.extend(525_000_000_i32.to_be_bytes());
    body.extend(134_000_000_i32.to_be_bytes());
    body.extend(number.to_be_bytes());
    body.extend(90_u16.to_be_bytes());
    body.push(1);
    frame(0x02, number, &body)
}

/// CRC-16/CCITT-FALSE.
fn checksum(bytes: &[u8]) -> u16 {
    let mut sum = 0xFFFF_u16;
    for byte in bytes {
        sum ^= u16::from(*byte) << 8;
        for _ in 0..8 {
            sum = if sum & 0x8000 == 0 { sum << 1 } else { (sum << 1) ^ 0x1021 };
        }
    }
    sum
}
