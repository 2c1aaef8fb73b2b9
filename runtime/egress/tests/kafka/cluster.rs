//! Brokers that say what a test wants them to, in the words of Kafka.

use std::sync::atomic::{AtomicI16, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// What is said to whoever asks for a topic.
#[derive(Clone)]
pub enum Says {
    /// The leaders of its partitions, from the first one on.
    Leaders(Vec<(&'static str, u16)>),
    /// An error.
    Error(i16),
    /// Nothing at all.
    Nothing,
}

/// A broker. Ends with its test.
pub struct Broker {
    pub port: u16,
    shared: Arc<Shared>,
}

struct Shared {
    says: Mutex<Says>,
    refuses: AtomicI16,
    speaks: AtomicI16,
    codecs: Mutex<Vec<u8>>,
    connected: AtomicUsize,
    asked: AtomicUsize,
    taken: AtomicUsize,
}

impl Broker {
    pub async fn start(address: &str) -> Self {
        Self::over(None, address).await
    }

    pub async fn over(acceptor: Option<TlsAcceptor>, address: &str) -> Self {
        let listener = TcpListener::bind((address, 0)).await.unwrap();
        let shared = Arc::new(Shared {
            says: Mutex::new(Says::Nothing),
            refuses: AtomicI16::new(0),
            speaks: AtomicI16::new(12),
            codecs: Mutex::default(),
            connected: AtomicUsize::new(0),
            asked: AtomicUsize::new(0),
            taken: AtomicUsize::new(0),
        });
        let broker = Broker {
            port: listener.local_addr().unwrap().port(),
            shared: Arc::clone(&shared),
        };
        actor::spawn("broker", async move {
            while let Ok((stream, _)) = listener.accept().await {
                shared.connected.fetch_add(1, Ordering::SeqCst);
                let (shared, acceptor) = (Arc::clone(&shared), acceptor.clone());
                actor::spawn("connection", async move {
                    // Whoever leaves is no failure of the broker.
                    let _ = match acceptor {
                        None => converse(stream, &shared).await,
                        Some(acceptor) => match acceptor.accept(stream).await {
                            Ok(stream) => converse(stream, &shared).await,
                            Err(error) => Err(error),
                        },
                    };
                });
            }
        });
        broker
    }

    pub fn url(&self, name: &str) -> String {
        format!("kafka://{name}:{}", self.port)
    }

    pub fn says(&self, says: Says) {
        *self.shared.says.lock().unwrap() = says;
    }

    /// What it answers to a record; 0: it takes it.
    pub fn refuses(&self, error: i16) {
        self.shared.refuses.store(error, Ordering::SeqCst);
    }

    /// The last version in which it understands a record.
    pub fn speaks(&self, version: i16) {
        self.shared.speaks.store(version, Ordering::SeqCst);
    }

    /// What the records it was sent are compressed with, by the codecs' numbers.
    pub fn codecs(&self) -> Vec<u8> {
        self.shared.codecs.lock().unwrap().clone()
    }

    /// Connections there were.
    pub fn connected(&self) -> usize {
        self.shared.connected.load(Ordering::SeqCst)
    }

    /// How often it was asked for a topic.
    pub fn asked(&self) -> usize {
        self.shared.asked.load(Ordering::SeqCst)
    }

    /// Records it took.
    pub fn taken(&self) -> usize {
        self.shared.taken.load(Ordering::SeqCst)
    }
}

fn text(out: &mut Vec<u8>, text: &str) {
    out.extend(i16::try_from(text.len()).unwrap().to_be_bytes());
    out.extend(text.as_bytes());
}

fn number(out: &mut Vec<u8>, number: usize) {
    out.extend(i32::try_from(number).unwrap().to_be_bytes());
}

async fn converse(mut stream: impl AsyncRead + AsyncWrite + Unpin, shared: &Shared) -> std::io::Result<()> {
    loop {
        let len = usize::try_from(stream.read_i32().await?).unwrap();
        let mut asked = vec![0; len];
        stream.read_exact(&mut asked).await?;
        let mut out = asked[4..8].to_vec();
        match i16::from_be_bytes([asked[0], asked[1]]) {
            18 => {
                out.extend([0, 0]);
                number(&mut out, 2);
                out.extend([0, 0, 0, 3]);
                out.extend(shared.speaks.load(Ordering::SeqCst).to_be_bytes());
                out.extend([0, 3, 0, 0, 0, 13]);
            }
            3 => {
                shared.asked.fetch_add(1, Ordering::SeqCst);
                match shared.says.lock().unwrap().clone() {
                    Says::Nothing => continue,
                    Says::Error(error) => topic(&mut out, error, &[]),
                    Says::Leaders(leaders) => topic(&mut out, 0, &leaders),
                }
            }
            _ => {
                shared.codecs.lock().unwrap().push(codec(&asked));
                let error = shared.refuses.load(Ordering::SeqCst);
                let place = match error {
                    0 => shared.taken.fetch_add(1, Ordering::SeqCst),
                    _ => 0,
                };
                number(&mut out, 1);
                text(&mut out, "t");
                number(&mut out, 1);
                number(&mut out, 0);
                out.extend(error.to_be_bytes());
                out.extend(i64::try_from(place).unwrap().to_be_bytes());
                out.extend([0xff; 8]);
                if asked[3] >= 5 {
                    // Where the partition begins.
                    out.extend([0; 8]);
                }
                number(&mut out, 0);
            }
        }
        stream.write_i32(i32::try_from(out.len()).unwrap()).await?;
        stream.write_all(&out).await?;
        stream.flush().await?;
    }
}

/// What the batch in a request is compressed with.
fn codec(asked: &[u8]) -> u8 {
    let len = |at: usize| usize::from(u16::from_be_bytes([asked[at], asked[at + 1]]));
    // Behind the client's name: transaction, acknowledgements, time, number of topics.
    let topic = 10 + len(8) + 2 + 2 + 4 + 4;
    // Number of partitions, partition, length.
    let batch = topic + 2 + len(topic) + 4 + 4 + 4;
    asked[batch + 22]
}

/// The answer to a question for a topic: brokers, and each a partition's leader.
fn topic(out: &mut Vec<u8>, error: i16, leaders: &[(&str, u16)]) {
    number(out, 0);
    number(out, leaders.len());
    for (id, (host, port)) in leaders.iter().enumerate() {
        number(out, id);
        text(out, host);
        number(out, (*port).into());
        out.extend([0xff, 0xff]);
    }
    out.extend([0xff, 0xff]);
    number(out, 0);
    number(out, 1);
    out.extend(error.to_be_bytes());
    text(out, "t");
    out.push(0);
    number(out, leaders.len());
    for id in 0..leaders.len() {
        out.extend([0, 0]);
        number(out, id);
        number(out, id);
        number(out, 0);
        number(out, 0);
    }
}
