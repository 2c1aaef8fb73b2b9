//! Servers that answer in set ways, names that lead where a test says, and an egress over both.

use std::io;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use egress::{Addresses, AllowList, Delivery, Egress, EgressConfig, EgressError, Publish, Request, Resolver, Response, Target, Trust};
use hyper::{HeaderMap, Method};
use model::TenantId;
use storage::{EmbeddedConfig, EmbeddedStore};
use tempfile::{NamedTempFile, TempDir};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// Everything special is refused but this machine, which plays the outside.
pub fn loopback() -> Addresses {
    Addresses::except(vec!["127.0.0.0/8".parse().unwrap()])
}

/// A GET with a generous time.
pub fn request(url: &str) -> Request {
    Request {
        method: Method::GET,
        target: Target::parse(url).unwrap(),
        headers: HeaderMap::new(),
        body: Default::default(),
        timeout: Duration::from_secs(30),
        response_bytes_max: 100_000,
        tls: None,
        proxy: None,
    }
}

pub fn header_of<'a>(response: &'a Response, name: &str) -> &'a str {
    response.headers.get(name).map_or("", |value| value.to_str().unwrap())
}

/// Waits for what comes about by itself.
pub async fn until(what: &str, is_there: impl Fn() -> bool) {
    let waiting = async {
        while !is_there() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.unwrap_or_else(|_| panic!("{what}"));
}

/// Names and where they lead, answer after answer.
#[derive(Clone)]
pub struct Names {
    known: Arc<Vec<(String, Vec<Vec<IpAddr>>)>>,
    asked: Arc<AtomicUsize>,
}

impl Names {
    pub fn of<const N: usize>(known: [(&str, &[&str]); N]) -> Self {
        let known = known.map(|(name, addresses)| (name.to_owned(), vec![parsed(addresses)]));
        Names {
            known: Arc::new(known.to_vec()),
            asked: Arc::default(),
        }
    }

    pub fn in_turn(name: &str, answers: &[&[&str]]) -> Self {
        let answers = answers.iter().map(|addresses| parsed(addresses)).collect();
        Names {
            known: Arc::new(vec![(name.to_owned(), answers)]),
            asked: Arc::default(),
        }
    }

    /// How often a name was asked for.
    pub fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

fn parsed(addresses: &[&str]) -> Vec<IpAddr> {
    addresses.iter().map(|address| address.parse().unwrap()).collect()
}

impl Resolver for Names {
    fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        let turn = self.asked.fetch_add(1, Ordering::SeqCst);
        let known = self.known.iter().find(|(known, _)| known == name);
        let (_, answers) = known.ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?;
        Ok(answers[turn.min(answers.len() - 1)].clone())
    }
}

/// An egress, and a tenant.
pub struct World {
    pub egress: Egress,
    tenant: TenantId,
    _folder: TempDir,
}

impl World {
    pub async fn new(addresses: Addresses, names: Names, rules: &[&str]) -> Self {
        Self::trusting(addresses, names, rules, Trust::system(None).unwrap()).await
    }

    pub async fn trusting(addresses: Addresses, names: Names, rules: &[&str], trust: Trust) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = EmbeddedStore::open(EmbeddedConfig::new(folder.path())).unwrap();
        let egress = Egress::new(EgressConfig {
            store: Arc::new(store),
            addresses,
            resolver: Arc::new(names),
            trust,
        });
        let world = World {
            egress,
            tenant: TenantId::generate(),
            _folder: folder,
        };
        world.allow(rules).await;
        world
    }

    pub fn tenant(&self) -> TenantId {
        self.tenant
    }

    pub async fn allow(&self, rules: &[&str]) {
        self.allow_for(self.tenant, rules).await;
    }

    pub async fn allow_for(&self, tenant: TenantId, rules: &[&str]) {
        let rules: Vec<String> = rules.iter().map(|rule| (*rule).to_owned()).collect();
        self.egress
            .set_allow_list(tenant, &AllowList::parse(&rules).unwrap())
            .await
            .unwrap();
    }

    pub async fn send(&self, request: Request) -> Result<Response, EgressError> {
        self.egress.send(self.tenant, request).await
    }

    pub async fn tell(&self, publish: Publish) -> Result<Delivery, EgressError> {
        self.tell_for(self.tenant, publish).await
    }

    pub async fn tell_for(&self, tenant: TenantId, publish: Publish) -> Result<Delivery, EgressError> {
        self.egress.publish(tenant, publish).await
    }
}

/// What a server does after it has heard a request.
#[derive(Clone)]
enum Manner {
    Answers(String),
    /// Answers, and goes on sending.
    Floods(String),
    /// Answers, and sends a byte now and then.
    Drips(String),
    Silent,
}

/// A server. Ends with its test.
pub struct Server {
    pub port: u16,
    /// The authority of its certificate.
    pub authority: Option<NamedTempFile>,
    heard: Arc<Mutex<Vec<String>>>,
    connected: Arc<AtomicUsize>,
}

impl Server {
    pub async fn start(answer: &str) -> Self {
        Self::start_on("127.0.0.1", answer).await
    }

    pub async fn start_on(address: &str, answer: &str) -> Self {
        Self::serve(address, Manner::Answers(answer.to_owned()), None).await
    }

    pub async fn flooding(answer: &str) -> Self {
        Self::serve("127.0.0.1", Manner::Floods(answer.to_owned()), None).await
    }

    pub async fn dripping(answer: &str) -> Self {
        Self::serve("127.0.0.1", Manner::Drips(answer.to_owned()), None).await
    }

    pub async fn silent() -> Self {
        Self::serve("127.0.0.1", Manner::Silent, None).await
    }

    pub async fn start_tls(name: &str, answer: &str) -> Self {
        let (acceptor, authority) = certified(name);
        Server {
            authority: Some(authority),
            ..Self::start_over(acceptor, answer).await
        }
    }

    pub async fn start_over(acceptor: TlsAcceptor, answer: &str) -> Self {
        Self::serve("127.0.0.1", Manner::Answers(answer.to_owned()), Some(acceptor)).await
    }

    async fn serve(address: &str, manner: Manner, acceptor: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind((address, 0)).await.unwrap();
        let server = Server {
            port: listener.local_addr().unwrap().port(),
            authority: None,
            heard: Arc::default(),
            connected: Arc::default(),
        };
        let (heard, connected) = (Arc::clone(&server.heard), Arc::clone(&server.connected));
        actor::spawn("server", async move {
            while let Ok((stream, _)) = listener.accept().await {
                connected.fetch_add(1, Ordering::SeqCst);
                let (heard, manner, acceptor) = (Arc::clone(&heard), manner.clone(), acceptor.clone());
                actor::spawn("server", async move {
                    match acceptor {
                        None => converse(stream, &heard, &manner).await,
                        Some(acceptor) => {
                            if let Ok(stream) = acceptor.accept(stream).await {
                                converse(stream, &heard, &manner).await;
                            }
                        }
                    }
                });
            }
        });
        server
    }

    /// A rule for the server under a name.
    pub fn rule(&self, name: &str) -> String {
        format!("http://{name}:{}", self.port)
    }

    /// What was asked.
    pub fn heard(&self) -> Vec<String> {
        self.heard.lock().unwrap().clone()
    }

    /// Connections there were.
    pub fn connected(&self) -> usize {
        self.connected.load(Ordering::SeqCst)
    }
}

async fn converse(mut stream: impl AsyncRead + AsyncWrite + Unpin, heard: &Mutex<Vec<String>>, manner: &Manner) {
    let mut asked = Vec::new();
    while !is_whole(&asked) {
        match stream.read_buf(&mut asked).await {
            Ok(0) | Err(_) => break,
            Ok(_) => {}
        }
    }
    heard.lock().unwrap().push(String::from_utf8_lossy(&asked).into_owned());
    let _ = match manner {
        Manner::Answers(answer) => stream.write_all(answer.as_bytes()).await,
        Manner::Floods(answer) => {
            let mut sent = stream.write_all(answer.as_bytes()).await;
            while sent.is_ok() {
                sent = stream.write_all(format!("400\r\n{}\r\n", "x".repeat(0x400)).as_bytes()).await;
            }
            sent
        }
        Manner::Drips(answer) => {
            let mut sent = stream.write_all(answer.as_bytes()).await;
            while sent.is_ok() {
                tokio::time::sleep(Duration::from_millis(20)).await;
                sent = stream.write_all(b"x").await;
            }
            sent
        }
        Manner::Silent => {
            std::future::pending::<()>().await;
            Ok(())
        }
    };
    let _ = stream.shutdown().await;
}

/// Whether head and body of a request are there.
fn is_whole(asked: &[u8]) -> bool {
    let text = String::from_utf8_lossy(asked);
    let Some((head, body)) = text.split_once("\r\n\r\n") else {
        return false;
    };
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    body.len() >= length.map_or(0, |length| length.parse().unwrap())
}

/// What a server shows under a name, and who has signed it.
pub fn certified(name: &str) -> (TlsAcceptor, NamedTempFile) {
    let made = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
    let file = NamedTempFile::new().unwrap();
    std::fs::write(file.path(), made.cert.pem()).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap();
    let config = builder
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    (TlsAcceptor::from(Arc::new(config)), file)
}
