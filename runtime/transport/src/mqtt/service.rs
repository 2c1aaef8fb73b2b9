//! What serves one MQTT connection, whatever carries it: a place, a time for CONNECT, a session, then [`super::connection`].

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use mqtt::codec::FrameCodec;
use mqtt::packet::{ConnectCode, Outgoing};
use session::Sessions;

use super::accept::{self, Peer};
use super::connection::{Connection, Ended};
use super::provision;
use super::wire::{Stream, Wire};
use crate::admission::{Admission, AdmissionConfig, Place};

/// Whoever guessed and is kept out hears so after this time: to knock again at once is of no use then.
const KEPT_OUT_PAUSE: Duration = Duration::from_secs(1);

/// Limits of MQTT.
#[derive(Clone, Copy, Debug)]
pub struct MqttConfig {
    /// Bytes of a packet at most.
    pub packet_bytes_max: usize,
    /// Connections.
    pub admission: AdmissionConfig,
}

impl Default for MqttConfig {
    fn default() -> Self {
        MqttConfig {
            packet_bytes_max: 64 << 10,
            admission: AdmissionConfig::default(),
        }
    }
}

/// Serves MQTT connections. Clones share the limits.
#[derive(Clone)]
pub struct MqttService(Arc<Inner>);

struct Inner {
    sessions: Sessions,
    config: MqttConfig,
    admission: Admission,
}

impl MqttService {
    /// Nothing is served yet.
    pub fn new(sessions: Sessions, config: MqttConfig) -> Self {
        MqttService(Arc::new(Inner {
            sessions,
            config,
            admission: Admission::new(config.admission),
        }))
    }

    /// Bytes of a packet at most.
    pub fn packet_bytes_max(&self) -> usize {
        self.0.config.packet_bytes_max
    }

    /// A place for a connection that has just been accepted. None: there is none, and the connection is to be dropped.
    pub(crate) fn enter(&self, address: IpAddr) -> Option<Place> {
        let denied = match self.0.admission.enter(address) {
            Ok(place) => return Some(place),
            Err(denied) => denied,
        };
        metrics::counter!("transport_connections_denied_total", "transport" => "mqtt", "reason" => denied.as_str()).increment(1);
        None
    }

    /// Whether somebody who has guessed is kept out. True comes late, as a refusal does.
    pub(crate) async fn keeps_out(&self, address: IpAddr) -> bool {
        let kept_out = self.0.sessions.keeps_out(address);
        if kept_out {
            tokio::time::sleep(KEPT_OUT_PAUSE).await;
        }
        kept_out
    }

    /// Serves a connection until it ends.
    pub(crate) async fn serve(&self, stream: impl Stream, peer: Peer, place: Place) {
        metrics::counter!("mqtt_connections_total").increment(1);
        // What it takes until a session is open is given back then: most connections last long, and say little.
        let begun = Box::pin(self.begin(stream, peer, place)).await;
        let ended = match begun {
            Ok((connection, _place)) => connection.run().await,
            Err(ended) => ended,
        };
        tracing::debug!(?ended, "a connection ended");
        metrics::counter!("mqtt_connections_ended_total", "how" => ended.as_str()).increment(1);
    }

    /// From the first byte to a session.
    async fn begin<S: Stream>(&self, stream: S, peer: Peer, mut place: Place) -> Result<(Box<Connection<S>>, Place), Ended> {
        let mut wire = Wire::new(stream, self.0.config.packet_bytes_max);
        let connect = match wire.connect().await {
            Ok(connect) => connect,
            Err(ended) => return Err(wire.end(ended).await),
        };
        let version = wire.codec().version();
        if provision::is_asked_for(&connect, &peer) {
            let (accepted, _) = accept::agree(&connect, version);
            wire.put(Outgoing::Accepted(accepted));
            // It stays among those that are not known.
            return Err(provision::run(wire, &self.0.sessions, peer.address, &connect).await);
        }
        let session = match accept::open(&self.0.sessions, &connect, version, &peer).await {
            Ok(session) => session,
            Err(code) => {
                if code == ConnectCode::RateExceeded {
                    tokio::time::sleep(KEPT_OUT_PAUSE).await;
                }
                return Err(wire.end(Ended::Refused(code)).await);
            }
        };
        place.known();
        let (accepted, silence) = accept::agree(&connect, version);
        wire.put(Outgoing::Accepted(accepted));
        Ok((Box::new(Connection::new(wire, session, &connect, silence)), place))
    }
}
