//! Accepts MQTT connections.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use session::Sessions;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};

use super::connection::{Ended, serve};

/// Limits of a listener.
#[derive(Clone, Debug)]
pub struct MqttConfig {
    /// Where to listen.
    pub address: SocketAddr,
    /// Bytes of a packet at most.
    pub packet_bytes_max: usize,
    /// Connections at most; more wait to be accepted.
    pub connections_max: usize,
}

impl MqttConfig {
    /// The usual limits.
    pub fn new(address: SocketAddr) -> Self {
        MqttConfig {
            address,
            packet_bytes_max: 64 << 10,
            connections_max: 100_000,
        }
    }
}

/// A listening socket.
pub struct MqttListener {
    socket: TcpListener,
    config: MqttConfig,
}

impl MqttListener {
    /// Listens; nothing is accepted yet.
    ///
    /// # Errors
    /// When the address cannot be used.
    pub async fn bind(config: MqttConfig) -> std::io::Result<Self> {
        Ok(MqttListener {
            socket: TcpListener::bind(config.address).await?,
            config,
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
    pub async fn run(self, sessions: Sessions, mut stop: watch::Receiver<bool>) {
        let places = Arc::new(Semaphore::new(self.config.connections_max));
        loop {
            let Ok(place) = Arc::clone(&places).acquire_owned().await else {
                return;
            };
            let accepted = tokio::select! {
                accepted = self.socket.accept() => accepted,
                _ = stop.wait_for(|stopping| *stopping) => return,
            };
            let stream = match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    // Out of file descriptors, mostly: wait for some to come back.
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            };
            let (sessions, packet_bytes_max) = (sessions.clone(), self.config.packet_bytes_max);
            actor::spawn("mqtt connection", async move {
                let ended = serve(stream, &sessions, packet_bytes_max).await;
                metrics::counter!("mqtt_connections_ended_total", "how" => how(&ended)).increment(1);
                drop(place);
            });
        }
    }
}

fn how(ended: &Ended) -> &'static str {
    match ended {
        Ended::ByDevice => "by device",
        Ended::Broken => "broken",
        Ended::Refused(_) => "refused",
        Ended::ByServer(_) => "by server",
    }
}
