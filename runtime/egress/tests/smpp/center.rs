//! A center for text messages that does what a test says, and remembers what it heard.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bytes::{Buf, BytesMut};
use tempfile::NamedTempFile;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::world::certified;

/// What a center does with those who come.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// Takes every text.
    Good,
    /// Asks whether the other side is there, and hands a telephone's text over, before it takes one.
    Curious,
    /// Lets nobody in, with this status.
    Refuses(u32),
    /// Takes no text for the number 404, with this status.
    Picky(u32),
    /// Says nothing, not even to a login.
    Silent,
    /// Takes texts, and answers none.
    Slow,
    /// Speaks something else.
    Strange,
    /// Closes instead of taking a text.
    Closes,
    /// Says that it ends instead of taking a text.
    Ends,
}

/// A PDU: command, status, number, body.
pub type Pdu = (u32, u32, u32, Vec<u8>);

/// A center. Ends with its test.
pub struct Center {
    pub port: u16,
    /// The authority of its certificate.
    pub authority: Option<NamedTempFile>,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    heard: Mutex<Vec<Pdu>>,
    connected: AtomicUsize,
    open: AtomicUsize,
}

impl Center {
    pub async fn start() -> Self {
        Self::that(Manner::Good, None).await
    }

    pub async fn that(manner: Manner, tls_name: Option<&str>) -> Self {
        let (acceptor, authority) = tls_name.map(certified).unzip();
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let center = Center {
            port: listener.local_addr().unwrap().port(),
            authority,
            shared: Arc::default(),
        };
        let shared = Arc::clone(&center.shared);
        actor::spawn("center", serve(listener, acceptor, shared, manner));
        center
    }

    pub fn url(&self, name: &str) -> String {
        let scheme = if self.authority.is_some() { "smpps" } else { "smpp" };
        format!("{scheme}://{name}:{}", self.port)
    }

    /// What it has heard of one command, over all connections.
    pub fn heard(&self, command: u32) -> Vec<Pdu> {
        let all = self.shared.heard.lock().unwrap();
        all.iter().filter(|(heard, ..)| *heard == command).cloned().collect()
    }

    /// Connections there were.
    pub fn connected(&self) -> usize {
        self.shared.connected.load(Ordering::SeqCst)
    }

    /// Connections there are.
    pub fn open(&self) -> usize {
        self.shared.open.load(Ordering::SeqCst)
    }
}

async fn serve(listener: TcpListener, acceptor: Option<TlsAcceptor>, shared: Arc<Shared>, manner: Manner) {
    while let Ok((stream, _)) = listener.accept().await {
        shared.connected.fetch_add(1, Ordering::SeqCst);
        let (shared, acceptor) = (Arc::clone(&shared), acceptor.clone());
        actor::spawn("connection", async move {
            shared.open.fetch_add(1, Ordering::SeqCst);
            match acceptor {
                None => converse(stream, &shared, manner).await,
                Some(acceptor) => {
                    if let Ok(stream) = acceptor.accept(stream).await {
                        converse(stream, &shared, manner).await;
                    }
                }
            }
            shared.open.fetch_sub(1, Ordering::SeqCst);
        });
    }
}

async fn converse(mut stream: impl AsyncRead + AsyncWrite + Unpin, shared: &Shared, manner: Manner) {
    let mut heard = BytesMut::new();
    loop {
        while let Some(pdu) = taken(&mut heard) {
            let answer = answer(&pdu, manner);
            let is_last = pdu.0 == 0x06;
            shared.heard.lock().unwrap().push(pdu);
            let Some(answer) = answer else { return };
            if stream.write_all(&answer).await.is_err() || stream.flush().await.is_err() || is_last {
                return;
            }
        }
        if stream.read_buf(&mut heard).await.unwrap_or(0) == 0 {
            return;
        }
    }
}

/// Takes a PDU from the front.
fn taken(heard: &mut BytesMut) -> Option<Pdu> {
    let length = u32::from_be_bytes(*heard.first_chunk::<4>()?) as usize;
    if heard.len() < length {
        return None;
    }
    let mut pdu = heard.split_to(length);
    pdu.advance(4);
    Some((pdu.get_u32(), pdu.get_u32(), pdu.get_u32(), pdu.to_vec()))
}

fn pdu(command: u32, status: u32, sequence: u32, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(16 + body.len()).unwrap();
    let head = [length, command, status, sequence].map(u32::to_be_bytes).concat();
    [&head[..], body].concat()
}

/// What it says to something; none: it closes.
fn answer((command, _, sequence, body): &Pdu, manner: Manner) -> Option<Vec<u8>> {
    let (command, sequence) = (*command, *sequence);
    let fine = |body: &[u8]| pdu(command | 0x8000_0000, 0, sequence, body);
    let fails = |status: u32| pdu(command | 0x8000_0000, status, sequence, &[]);
    Some(match (command, manner) {
        (_, Manner::Silent) => Vec::new(),
        (0x02 | 0x09, Manner::Refuses(status)) => fails(status),
        (0x02 | 0x09, Manner::Strange) => b"220 center.test ESMTP\r\n".to_vec(),
        (0x02 | 0x09, _) => fine(b"center\0"),
        (0x04, Manner::Picky(status)) if body.windows(5).any(|part| part == b"\x00404\0") => fails(status),
        (0x04, Manner::Closes) => return None,
        (0x04, Manner::Ends) => pdu(0x06, 0, 77, &[]),
        (0x04, Manner::Curious) => {
            let text = b"\0\x01\x01447700900000\0\0\x00112\0\0\0\0\0\0\0\0\0\0\x02hi";
            [pdu(0x15, 0, 70, &[]), pdu(0x05, 0, 71, text), fine(b"1a2b\0")].concat()
        }
        (0x04, Manner::Slow) => Vec::new(),
        (0x04, _) => fine(b"1a2b\0"),
        (0x15 | 0x06, _) => fine(&[]),
        _ => Vec::new(),
    })
}
