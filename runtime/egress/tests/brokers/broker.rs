//! A broker that does what a test says, and remembers what it heard.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bytes::{Bytes, BytesMut};
use mqtt::packet::{Connect, Incoming, Version};
use mqtt::{FrameCodec, RumqttCodec};
use tempfile::NamedTempFile;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;

use crate::world::certified;

/// What a broker does with those who come.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// Acknowledges what it may.
    Good,
    /// Lets nobody in.
    Refuses,
    /// Says nothing, not even to a login.
    Silent,
    /// Speaks something else.
    Strange,
    /// Closes instead of acknowledging.
    Closes,
    /// Sends what nobody asked for instead of acknowledging.
    Chatty,
    /// Says this to a login (a whole packet), and this to a publish behind its number.
    Says(&'static [u8], &'static [u8]),
}

/// A broker. Ends with its test.
pub struct Broker {
    pub port: u16,
    /// The authority of its certificate.
    pub authority: Option<NamedTempFile>,
    /// Acknowledgements that it may send.
    pub may_acknowledge: Arc<Semaphore>,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    logins: Mutex<Vec<Connect>>,
    published: Mutex<Vec<(String, Bytes)>>,
    goodbyes: AtomicUsize,
    pings: AtomicUsize,
    open: AtomicUsize,
    connected: AtomicUsize,
}

impl Broker {
    pub async fn start() -> Self {
        Self::with(Manner::Good, None, "127.0.0.1").await
    }

    pub async fn that(manner: Manner) -> Self {
        Self::with(manner, None, "127.0.0.1").await
    }

    pub async fn with(manner: Manner, tls_name: Option<&str>, address: &str) -> Self {
        let (acceptor, authority) = tls_name.map(certified).unzip();
        Broker {
            authority,
            ..Self::over(acceptor, manner, address).await
        }
    }

    pub async fn over(acceptor: Option<TlsAcceptor>, manner: Manner, address: &str) -> Self {
        let listener = TcpListener::bind((address, 0)).await.unwrap();
        let broker = Broker {
            port: listener.local_addr().unwrap().port(),
            authority: None,
            may_acknowledge: Arc::new(Semaphore::new(0)),
            shared: Arc::default(),
        };
        let (shared, may) = (Arc::clone(&broker.shared), Arc::clone(&broker.may_acknowledge));
        actor::spawn("broker", async move {
            while let Ok((stream, _)) = listener.accept().await {
                shared.connected.fetch_add(1, Ordering::SeqCst);
                let (shared, may, acceptor) = (Arc::clone(&shared), Arc::clone(&may), acceptor.clone());
                actor::spawn("connection", async move {
                    match acceptor {
                        None => converse(stream, &shared, &may, manner).await,
                        Some(acceptor) => {
                            if let Ok(stream) = acceptor.accept(stream).await {
                                converse(stream, &shared, &may, manner).await;
                            }
                        }
                    }
                });
            }
        });
        broker
    }

    /// It acknowledges whatever comes.
    pub fn acknowledges(self) -> Self {
        self.may_acknowledge.add_permits(1_000_000);
        self
    }

    pub fn url(&self, name: &str) -> String {
        format!("mqtt://{name}:{}", self.port)
    }

    pub fn logins(&self) -> Vec<Connect> {
        self.shared.logins.lock().unwrap().clone()
    }

    /// Topics and payloads, in the order in which they came.
    pub fn published(&self) -> Vec<(String, Bytes)> {
        self.shared.published.lock().unwrap().clone()
    }

    pub fn goodbyes(&self) -> usize {
        self.shared.goodbyes.load(Ordering::SeqCst)
    }

    pub fn pings(&self) -> usize {
        self.shared.pings.load(Ordering::SeqCst)
    }

    /// Connections there are.
    pub fn open(&self) -> usize {
        self.shared.open.load(Ordering::SeqCst)
    }

    /// Connections there were.
    pub fn connected(&self) -> usize {
        self.shared.connected.load(Ordering::SeqCst)
    }
}

async fn converse(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, shared: &Shared, may: &Semaphore, manner: Manner) {
    shared.open.fetch_add(1, Ordering::SeqCst);
    let (mut reader, mut writer) = tokio::io::split(stream);
    let mut codec = RumqttCodec::new(2 << 20);
    let mut heard = BytesMut::new();
    'all: loop {
        while let Ok(Some(packet)) = codec.decode(&mut heard) {
            let answer: Vec<u8> = match packet {
                Incoming::Connect(connect) => {
                    shared.logins.lock().unwrap().push(connect);
                    match manner {
                        Manner::Refuses => vec![0x20, 2, 0, 5],
                        Manner::Strange => b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec(),
                        Manner::Silent => Vec::new(),
                        Manner::Says(terms, _) => terms.to_vec(),
                        _ if codec.version() == Version::V5 => vec![0x20, 3, 0, 0, 0],
                        _ => vec![0x20, 2, 0, 0],
                    }
                }
                Incoming::Publish(publish) => {
                    shared.published.lock().unwrap().push((publish.topic, publish.payload));
                    match manner {
                        Manner::Closes => break 'all,
                        // To nobody's publish.
                        Manner::Says(_, answer @ [0xe0, ..]) => answer.to_vec(),
                        Manner::Chatty => b"\x30\x04\0\x01ax".to_vec(),
                        _ => {
                            may.acquire().await.unwrap().forget();
                            let [high, low] = publish.pkid.to_be_bytes();
                            let rest = if let Manner::Says(_, rest) = manner { rest } else { &[] };
                            let length = u8::try_from(2 + rest.len()).unwrap();
                            [&[0x40, length, high, low], rest].concat()
                        }
                    }
                }
                Incoming::PingReq => {
                    shared.pings.fetch_add(1, Ordering::SeqCst);
                    vec![0xd0, 0]
                }
                Incoming::Disconnect => {
                    shared.goodbyes.fetch_add(1, Ordering::SeqCst);
                    break 'all;
                }
                _ => Vec::new(),
            };
            if writer.write_all(&answer).await.is_err() || writer.flush().await.is_err() {
                break 'all;
            }
        }
        if reader.read_buf(&mut heard).await.unwrap_or(0) == 0 {
            break;
        }
    }
    shared.open.fetch_sub(1, Ordering::SeqCst);
}
