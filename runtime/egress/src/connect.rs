//! A connection to an address that was checked: no proxy of the environment, no second look-up, no address but the given ones. Also one
//! through a proxy that a request names.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::error::EgressError;
use crate::target::{Host, Target};
use crate::tls::{self, Tls};

/// Addresses of a name that are tried at most.
const ADDRESSES_MAX: usize = 4;
/// Time for each but the last.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(5);

/// Whose certificates are believed.
#[derive(Clone)]
pub struct Trust {
    config: Arc<ClientConfig>,
    /// What others are made with.
    roots: Arc<RootCertStore>,
}

impl Trust {
    /// The authorities of the operating system, and those of a file (PEM).
    ///
    /// # Errors
    /// When the file is not read or holds no certificate. A system without authorities is none: then only the file's are believed.
    pub fn system(more: Option<&Path>) -> io::Result<Self> {
        let mut roots = RootCertStore::empty();
        let system = rustls_native_certs::load_native_certs();
        let (taken, _) = roots.add_parsable_certificates(system.certs);
        if taken == 0 {
            tracing::warn!("this machine has no certificate authorities: servers over https will not be believed");
        }
        if let Some(path) = more {
            let unread = |error: rustls::pki_types::pem::Error| io::Error::other(format!("{}: {error}", path.display()));
            let certificates = CertificateDer::pem_file_iter(path).map_err(unread)?;
            let certificates = certificates.collect::<Result<Vec<_>, _>>().map_err(unread)?;
            if roots.add_parsable_certificates(certificates).0 == 0 {
                return Err(io::Error::other(format!("{} holds no certificate", path.display())));
            }
        }
        let (builder, roots) = (tls::builder().map_err(io::Error::other)?, Arc::new(roots));
        let config = builder.with_root_certificates(Arc::clone(&roots)).with_no_client_auth();
        Ok(Trust {
            config: Arc::new(config),
            roots,
        })
    }

    /// The same for a conversation with TLS of its own. May take long: see [`Tls::takes_long`].
    ///
    /// # Errors
    /// [`EgressError::Invalid`].
    pub(crate) fn with(&self, tls: Option<&Tls>) -> Result<Self, EgressError> {
        let mut trust = self.clone();
        if let Some(tls) = tls {
            trust.config = Arc::new(tls.config(&self.roots)?);
        }
        Ok(trust)
    }
}

/// Bytes that a proxy passes on, from the first one behind its answer.
pub(crate) type Tunnel = TokioIo<Upgraded>;

/// A connection, in the clear or over TLS, straight or through a proxy.
pub(crate) enum Connection {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
    Tunnel(Box<Tunnel>),
    Through(Box<TlsStream<Tunnel>>),
}

/// Connects to the first of some checked addresses that answers.
///
/// # Errors
/// Of the last one that was tried.
pub(crate) async fn connect(target: &Target, addresses: &[IpAddr], trust: &Trust) -> io::Result<Connection> {
    let mut last = io::Error::other("there is no address");
    let mut stream = None;
    for address in addresses.iter().take(ADDRESSES_MAX) {
        let attempt = TcpStream::connect(SocketAddr::new(*address, target.port));
        match tokio::time::timeout(ATTEMPT_TIMEOUT, attempt).await {
            Ok(Ok(connected)) => {
                stream = Some(connected);
                break;
            }
            Ok(Err(error)) => last = error,
            Err(_) => last = io::ErrorKind::TimedOut.into(),
        }
    }
    let stream = stream.ok_or(last)?;
    stream.set_nodelay(true)?;
    match target.scheme.is_tls() {
        false => Ok(Connection::Plain(stream)),
        true => secure(stream, target, trust).await,
    }
}

/// Makes a conversation secret, with a server that shows who it is.
///
/// # Errors
/// When it does not.
pub(crate) async fn secure(stream: TcpStream, target: &Target, trust: &Trust) -> io::Result<Connection> {
    Ok(Connection::Tls(Box::new(shaken(stream, target, trust).await?)))
}

/// The same through a proxy, which hears nothing of it.
///
/// # Errors
/// As [`secure`].
pub(crate) async fn through(tunnel: Tunnel, target: &Target, trust: &Trust) -> io::Result<Connection> {
    Ok(Connection::Through(Box::new(shaken(tunnel, target, trust).await?)))
}

async fn shaken<S: AsyncRead + AsyncWrite + Unpin>(stream: S, target: &Target, trust: &Trust) -> io::Result<TlsStream<S>> {
    let name = match &target.host {
        Host::Name(name) => ServerName::try_from(name.clone()).map_err(io::Error::other)?,
        Host::Address(address) => ServerName::from(*address),
    };
    TlsConnector::from(Arc::clone(&trust.config)).connect(name, stream).await
}

impl AsyncRead for Connection {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Connection::Plain(stream) => Pin::new(stream).poll_read(context, buffer),
            Connection::Tls(stream) => Pin::new(stream).poll_read(context, buffer),
            Connection::Tunnel(stream) => Pin::new(stream).poll_read(context, buffer),
            Connection::Through(stream) => Pin::new(stream).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match &mut *self {
            Connection::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            Connection::Tls(stream) => Pin::new(stream).poll_write(context, bytes),
            Connection::Tunnel(stream) => Pin::new(stream).poll_write(context, bytes),
            Connection::Through(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Connection::Plain(stream) => Pin::new(stream).poll_flush(context),
            Connection::Tls(stream) => Pin::new(stream).poll_flush(context),
            Connection::Tunnel(stream) => Pin::new(stream).poll_flush(context),
            Connection::Through(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Connection::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Connection::Tls(stream) => Pin::new(stream).poll_shutdown(context),
            Connection::Tunnel(stream) => Pin::new(stream).poll_shutdown(context),
            Connection::Through(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}
