//! TLS 1.2 and 1.3 by rustls.
//!
//! 1. [`certificates`] – the server's certificate and key, read again when their files change,
//! 2. [`client`] – certificates of devices: the key is proved here, who it is is looked up by the session.
//!
//! Knows no protocol and no device.

pub mod certificates;
pub mod client;

use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use rustls::crypto::{CryptoProvider, ring};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

pub use certificates::{Certificates, TlsFiles};
use client::AnyDevice;

use crate::admission::AdmissionConfig;

/// A handshake must be over within this time, waiting for its turn included.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// Certificates of a client that are looked at.
const CHAIN_MAX: usize = 6;
/// Handshakes at one time: each takes some ten kilobytes. Their processor time is bounded by how fast newcomers are let in. More than strangers
/// from one address may be: whoever stalls there holds up nobody elsewhere.
const HANDSHAKES_AT_ONCE: usize = 2 * AdmissionConfig::USUAL.address_strangers_max;

/// Why TLS cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("{path} cannot be read")]
    File {
        /// Which.
        path: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A file holds something else.
    #[error("{path} is no {what} in PEM form")]
    Pem {
        /// Which.
        path: String,
        /// What it should be.
        what: &'static str,
    },
    /// Certificate and key do not belong together, or are of a kind that is not served.
    #[error("certificate and key cannot be used")]
    Unusable(#[source] rustls::Error),
}

/// Why a handshake failed.
#[derive(Debug, thiserror::Error)]
pub enum HandshakeError {
    /// It took too long.
    #[error("the handshake took too long")]
    Slow,
    /// The other side went away, or does not speak TLS as it is spoken here.
    #[error("the handshake failed")]
    Failed(#[source] std::io::Error),
}

impl HandshakeError {
    /// In metrics.
    pub fn as_str(&self) -> &'static str {
        match self {
            HandshakeError::Slow => "slow",
            HandshakeError::Failed(_) => "failed",
        }
    }
}

/// What is served over TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Devices over MQTT, which may have a certificate of their own.
    Mqtt,
    /// HTTP/2 and HTTP/1.1.
    Http,
}

/// Speaks TLS as a server. Clones share the limit of handshakes.
#[derive(Clone)]
pub struct Tls {
    acceptor: TlsAcceptor,
    handshakes: Arc<Semaphore>,
}

/// A stream after the handshake.
pub struct Secured {
    /// The stream.
    pub stream: TlsStream<TcpStream>,
    /// The certificates (DER) of the other side: its own, whose key it has proved to have, then those that it says vouch for it. Empty: it
    /// has none.
    pub certificates: Vec<Vec<u8>>,
}

/// Chooses the one implementation of cryptography, for the whole process. Once, before anything speaks TLS.
pub fn install_provider() {
    // An error says that it was installed before, which is as good.
    let _ = ring::default_provider().install_default();
}

pub(crate) fn provider() -> Arc<CryptoProvider> {
    CryptoProvider::get_default().map_or_else(|| Arc::new(ring::default_provider()), Arc::clone)
}

impl Tls {
    /// Serves a purpose with these certificates.
    ///
    /// # Errors
    /// [`TlsError::Unusable`].
    pub fn new(certificates: &Certificates, purpose: Purpose) -> Result<Self, TlsError> {
        let provider = provider();
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
            .map_err(TlsError::Unusable)?;
        let resolver = Arc::new(certificates.clone());
        let mut config = match purpose {
            Purpose::Mqtt => builder
                .with_client_cert_verifier(Arc::new(AnyDevice::new(&provider)))
                .with_cert_resolver(resolver),
            Purpose::Http => builder.with_no_client_auth().with_cert_resolver(resolver),
        };
        if purpose == Purpose::Http {
            config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        }
        Ok(Tls {
            acceptor: TlsAcceptor::from(Arc::new(config)),
            handshakes: Arc::new(Semaphore::new(HANDSHAKES_AT_ONCE)),
        })
    }

    /// Shakes hands. Waits while many others do; never called by whoever accepts connections.
    ///
    /// # Errors
    /// [`HandshakeError`].
    pub async fn accept(&self, stream: TcpStream) -> Result<Secured, HandshakeError> {
        let shaken = timeout(HANDSHAKE_TIMEOUT, async {
            let _turn = self.handshakes.acquire().await;
            self.acceptor.accept(stream).await
        });
        let stream = shaken.await.map_err(|_| HandshakeError::Slow)?.map_err(HandshakeError::Failed)?;
        let presented = stream.get_ref().1.peer_certificates().unwrap_or_default();
        Ok(Secured {
            certificates: presented.iter().take(CHAIN_MAX).map(|certificate| certificate.to_vec()).collect(),
            stream,
        })
    }
}
