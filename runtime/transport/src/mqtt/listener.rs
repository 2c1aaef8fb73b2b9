//! Accepts MQTT connections, plain or over TLS.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use super::accept::Peer;
use super::service::MqttService;
use crate::admission::Place;
use crate::door::{self, Pace};
use crate::tls::{Secured, Tls};

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
            socket: door::listen(address)?,
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
        let mut pace = Pace::new(self.tls.is_some());
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
            if let Some(place) = service.enter(from.ip()) {
                self.let_in(stream, from.ip(), &service, place);
            }
            pace.step().await;
        }
    }

    fn let_in(&self, stream: TcpStream, address: IpAddr, service: &MqttService, place: Place) {
        // Acknowledgements are small and must not wait for each other.
        let _ = stream.set_nodelay(true);
        let service = service.clone();
        match self.tls.clone() {
            None => drop(actor::spawn("mqtt connection", plain(stream, address, service, place))),
            Some(tls) => drop(actor::spawn("mqtt connection", secured(stream, address, tls, service, place))),
        }
    }
}

async fn plain(stream: TcpStream, address: IpAddr, service: MqttService, place: Place) {
    let peer = Peer {
        address,
        certificates: Vec::new(),
    };
    service.serve(stream, peer, place).await;
}

/// The handshake is done here, where it holds up nobody else. With whoever is kept out it is not done: whatever it presented, it would be
/// refused.
async fn secured(stream: TcpStream, address: IpAddr, tls: Tls, service: MqttService, place: Place) {
    if service.keeps_out(address).await {
        return;
    }
    match Box::pin(tls.accept(stream)).await {
        Ok(Secured { stream, certificates }) => service.serve(stream, Peer { address, certificates }, place).await,
        Err(error) => {
            tracing::debug!(%address, %error, "a handshake failed");
            metrics::counter!("tls_handshakes_failed_total", "transport" => "mqtt", "reason" => error.as_str()).increment(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes of a task.
    fn size<A, B, C, D, F>(_: fn(A, B, C, D) -> F) -> usize {
        size_of::<F>()
    }

    #[test]
    fn the_task_of_a_connection_is_small() {
        let bytes = size(plain);
        assert!(bytes <= 3_000, "{bytes} bytes, of which a server has as many as it has connections");
    }
}
