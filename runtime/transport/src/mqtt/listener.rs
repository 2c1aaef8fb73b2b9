//! Accepts MQTT connections, plain or over TLS.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use super::accept::Peer;
use super::service::MqttService;
use crate::admission::Place;
use crate::tls::Tls;

/// A listening socket.
pub struct MqttListener {
    socket: TcpListener,
    tls: Option<Tls>,
}

impl MqttListener {
    /// Listens; nothing is accepted yet.
    ///
    /// # Errors
    /// When the address cannot be used.
    pub async fn bind(address: SocketAddr, tls: Option<Tls>) -> std::io::Result<Self> {
        Ok(MqttListener {
            socket: TcpListener::bind(address).await?,
            tls,
        })
    }

    /// Where it listens; says which port 0 became.
    ///
    /// # Errors
    /// As the operating system says.
    pub fn address(&self) -> std::io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Accepts until `stop` turns true. Connections go on: they are ended through the sessions.
    pub async fn run(self, service: MqttService, mut stop: watch::Receiver<bool>) {
        loop {
            let accepted = tokio::select! {
                accepted = self.socket.accept() => accepted,
                _ = stop.wait_for(|stopping| *stopping) => return,
            };
            let (stream, from) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    // Out of file descriptors, mostly: wait for some to come back.
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            };
            let Some(place) = service.enter(from.ip()) else { continue };
            actor::spawn("mqtt connection", serve(stream, from, self.tls.clone(), service.clone(), place));
        }
    }
}

/// Serves one socket. The handshake is done here, where it holds up nobody else.
async fn serve(stream: TcpStream, from: SocketAddr, tls: Option<Tls>, service: MqttService, place: Place) {
    // Acknowledgements are small and must not wait for each other.
    let _ = stream.set_nodelay(true);
    let address = from.ip();
    let Some(tls) = tls else {
        let peer = Peer {
            address,
            certificates: Vec::new(),
        };
        return service.serve(stream, peer, place).await;
    };
    match tls.accept(stream).await {
        Ok(secured) => {
            let peer = Peer {
                address,
                certificates: secured.certificates,
            };
            service.serve(secured.stream, peer, place).await;
        }
        Err(error) => {
            tracing::debug!(%address, %error, "a handshake failed");
            metrics::counter!("tls_handshakes_failed_total", "transport" => "mqtt", "reason" => error.as_str()).increment(1);
        }
    }
}
