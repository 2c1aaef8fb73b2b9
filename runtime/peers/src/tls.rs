//! Mutual TLS between peers. All certificates of a cluster come from one authority of its own; a peer without one gets nowhere.

use std::path::Path;
use std::time::Duration;

use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity, ServerTlsConfig};

use crate::PeersError;

/// The name that the certificate of every peer is for, whatever its address: what counts is that the cluster's authority made it.
pub const CLUSTER_NAME: &str = "pacificsoft-cluster";

/// How long a connection may take to come about.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// Bytes on their way in one stream before the other side takes some.
const STREAM_WINDOW_BYTES: u32 = 4 << 20;

/// Certificate, key and authority, as PEM.
#[derive(Clone)]
pub struct ClusterTls {
    identity: Identity,
    authority: Certificate,
}

impl ClusterTls {
    /// From text.
    pub fn from_pem(certificate: &str, key: &str, authority: &str) -> Self {
        ClusterTls {
            identity: Identity::from_pem(certificate, key),
            authority: Certificate::from_pem(authority),
        }
    }

    /// From files.
    ///
    /// # Errors
    /// [`PeersError::Certificates`] when one cannot be read.
    pub fn read(certificate: &Path, key: &Path, authority: &Path) -> Result<Self, PeersError> {
        let read =
            |path: &Path| std::fs::read_to_string(path).map_err(|error| PeersError::Certificates(format!("{}: {error}", path.display())));
        Ok(ClusterTls::from_pem(&read(certificate)?, &read(key)?, &read(authority)?))
    }

    /// For whoever is connected to. Clients must show a certificate of the authority.
    pub fn server(&self) -> ServerTlsConfig {
        ServerTlsConfig::new()
            .identity(self.identity.clone())
            .client_ca_root(self.authority.clone())
    }

    /// A channel to a peer, which connects when it is first used, and again whenever that is needed.
    ///
    /// # Errors
    /// [`PeersError`] when the address is none, or certificates cannot be used.
    pub fn channel(&self, address: &str, keep_alive: Duration) -> Result<Channel, PeersError> {
        Ok(self.endpoint(address, keep_alive)?.connect_lazy())
    }

    fn endpoint(&self, address: &str, keep_alive: Duration) -> Result<Endpoint, PeersError> {
        let tls = ClientTlsConfig::new()
            .identity(self.identity.clone())
            .ca_certificate(self.authority.clone())
            .domain_name(CLUSTER_NAME);
        let unreachable = |error| PeersError::Unreachable(address.to_owned(), error);
        Ok(Endpoint::from_shared(format!("https://{address}"))
            .map_err(unreachable)?
            .tls_config(tls)
            .map_err(|error| PeersError::Certificates(error.to_string()))?
            .connect_timeout(CONNECT_TIMEOUT)
            .tcp_nodelay(true)
            .http2_keep_alive_interval(keep_alive)
            .keep_alive_timeout(keep_alive)
            .keep_alive_while_idle(true)
            .initial_stream_window_size(STREAM_WINDOW_BYTES)
            .initial_connection_window_size(STREAM_WINDOW_BYTES))
    }
}
