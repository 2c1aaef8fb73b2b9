//! MQTT byte by byte, for what no honest client sends.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// How long [`Wire::rest`] waits for the server to close.
const CLOSING_PATIENCE: Duration = Duration::from_secs(10);
/// How long whatever must come may take: a machine may be busy with other tests.
const PATIENCE: Duration = Duration::from_secs(60);

/// A connection that sends what it likes.
pub struct Wire(TcpStream);

impl Wire {
    /// Opens a socket.
    pub fn open(port: u16) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.set_read_timeout(Some(CLOSING_PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Wire(stream)
    }

    /// Opens a socket and says CONNECT; the server must accept.
    pub fn connect(port: u16, token: &str, version: u8) -> Self {
        let mut wire = Wire::open(port);
        wire.send(&connect(token, version));
        let answer = wire.packet().expect("CONNACK");
        assert_eq!((answer[0], answer[3]), (0x20, 0), "{answer:?}");
        wire
    }

    /// Sends bytes; false when the server has closed.
    pub fn send(&mut self, bytes: &[u8]) -> bool {
        self.0.write_all(bytes).is_ok()
    }

    /// Tells the server that no more follows.
    pub fn finish(&self) {
        // The server may have closed already.
        let _ = self.0.shutdown(std::net::Shutdown::Write);
    }

    /// The next packet; none when the server closed. Panics when neither comes to pass: silence is no close.
    pub fn packet(&mut self) -> Option<Vec<u8>> {
        let mut packet = vec![0; 2];
        self.fill(&mut packet)?;
        let mut len = usize::from(packet[1] & 0x7f);
        let mut shift = 7;
        while packet[packet.len() - 1] & 0x80 != 0 {
            let mut byte = [0];
            self.fill(&mut byte)?;
            packet.push(byte[0]);
            len |= usize::from(byte[0] & 0x7f) << shift;
            shift += 7;
        }
        let start = packet.len();
        packet.resize(start + len, 0);
        self.fill(&mut packet[start..])?;
        Some(packet)
    }

    /// So many bytes.
    pub fn exactly(&mut self, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        self.fill(&mut bytes).expect("the server closed");
        bytes
    }

    /// Bytes up to a mark, which is part of them; fewer when the server closes.
    pub fn until(&mut self, mark: &[u8]) -> Vec<u8> {
        let (mut bytes, mut byte) = (Vec::new(), [0]);
        while !bytes.ends_with(mark) && self.fill(&mut byte).is_some() {
            bytes.extend(byte);
        }
        bytes
    }

    /// Reads as much as there is room for; none when the server closed before.
    fn fill(&mut self, mut room: &mut [u8]) -> Option<()> {
        let began = Instant::now();
        while !room.is_empty() {
            match self.0.read(room) {
                Ok(0) => return None,
                Ok(read) => room = &mut room[read..],
                // A time-out, or a signal.
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted) => {
                    assert!(began.elapsed() < PATIENCE, "the server said nothing, and did not close");
                }
                Err(_) => return None,
            }
        }
        Some(())
    }

    /// Everything until the server closes; none if it does not close in time.
    pub fn rest(&mut self) -> Option<Vec<u8>> {
        let mut all = Vec::new();
        match self.0.read_to_end(&mut all) {
            Ok(_) => Some(all),
            Err(error) if matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe) => Some(all),
            Err(_) => None,
        }
    }
}

/// A CONNECT with an access token; level 3, 4 or 5.
pub fn connect(token: &str, level: u8) -> Vec<u8> {
    connect_with("", Some(token), None, level, &[])
}

/// A CONNECT with everything; properties are for level 5.
pub fn connect_with(client_id: &str, name: Option<&str>, password: Option<&str>, level: u8, properties: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    text(&mut body, if level == 3 { "MQIsdp" } else { "MQTT" });
    let flags = 0b10 | (u8::from(name.is_some()) << 7) | (u8::from(password.is_some()) << 6);
    body.extend([level, flags, 0, 60]);
    if level == 5 {
        body.push(u8::try_from(properties.len()).unwrap());
        body.extend(properties);
    }
    text(&mut body, client_id);
    name.into_iter().chain(password).for_each(|one| text(&mut body, one));
    frame(0x10, &body)
}

/// A PUBLISH with quality 1.
pub fn publish(pkid: u16, topic: &str, payload: &[u8], level: u8) -> Vec<u8> {
    let mut body = Vec::new();
    text(&mut body, topic);
    body.extend(pkid.to_be_bytes());
    if level == 5 {
        body.push(0);
    }
    body.extend(payload);
    frame(0x32, &body)
}

/// A SUBSCRIBE to one filter.
pub fn subscribe(pkid: u16, filter: &str) -> Vec<u8> {
    subscribe_in(pkid, filter, 4)
}

/// A SUBSCRIBE to one filter, for a level.
pub fn subscribe_in(pkid: u16, filter: &str, level: u8) -> Vec<u8> {
    let mut body = pkid.to_be_bytes().to_vec();
    if level == 5 {
        body.push(0);
    }
    text(&mut body, filter);
    body.push(1);
    frame(0x82, &body)
}

/// A packet of a type with a body.
pub fn frame(first: u8, body: &[u8]) -> Vec<u8> {
    let mut packet = vec![first];
    let mut len = body.len();
    loop {
        let byte = (len % 128) as u8;
        len /= 128;
        packet.push(if len > 0 { byte | 0x80 } else { byte });
        if len == 0 {
            break;
        }
    }
    packet.extend(body);
    packet
}

fn text(body: &mut Vec<u8>, text: &str) {
    body.extend(u16::try_from(text.len()).unwrap().to_be_bytes());
    body.extend(text.as_bytes());
}
