//! A connection of a device that has no credentials yet: the user name, or the client id, is `provision`. It may ask for some, and
//! nothing else, and is given a minute.

use std::net::IpAddr;
use std::time::Duration;

use model::DownlinkKind;
use mqtt::codec::FrameCodec;
use mqtt::packet::{AckCode, Connect, Goodbye, Incoming, Outgoing, Publish};
use mqtt::state::ConnectionState;
use session::{ProvisionError, Sessions};
use tokio::time::timeout;

use super::accept::Peer;
use super::connection::{Ended, goodbye};
use super::wire::{Stream, Wire};

/// How long such a connection lasts at most.
const LASTS: Duration = Duration::from_secs(60);
/// What a device says to ask.
const NAME: &str = "provision";
const REQUEST: &str = "/provision/request";
const RESPONSE: &str = "/provision/response";

/// Whether a device connects to be given credentials. One that has a certificate, or names itself otherwise, does not.
pub(super) fn is_asked_for(connect: &Connect, peer: &Peer) -> bool {
    let user = connect.username.as_deref().unwrap_or_default();
    peer.certificates.is_empty() && !connect.authentication_method && (user == NAME || (user.is_empty() && connect.client_id == NAME))
}

/// Serves the connection until it ends.
pub(super) async fn run<S: Stream>(wire: Wire<S>, sessions: &Sessions, address: IpAddr, connect: &Connect) -> Ended {
    let mut asking = Asking {
        state: ConnectionState::new(wire.codec().version(), connect.receive_max, connect.problem_information),
        wire,
        sessions,
        address,
    };
    let ended = match timeout(LASTS, asking.until_ended()).await {
        Ok(Ok(())) => Ended::ByDevice,
        Ok(Err(ended)) => ended,
        Err(_) => Ended::ByServer(Goodbye::MaximumConnectTime),
    };
    asking.wire.end(ended).await
}

struct Asking<'a, S> {
    wire: Wire<S>,
    state: ConnectionState,
    sessions: &'a Sessions,
    address: IpAddr,
}

impl<S: Stream> Asking<'_, S> {
    async fn until_ended(&mut self) -> Result<(), Ended> {
        loop {
            loop {
                let packet = self.wire.packet().map_err(|error| Ended::ByServer(goodbye(&error)))?;
                let Some(packet) = packet else { break };
                if self.take(packet).await? {
                    return self.wire.flush().await;
                }
            }
            self.wire.flush().await?;
            if !self.wire.read().await? {
                return Ok(());
            }
        }
    }

    /// True: the device says good-bye.
    async fn take(&mut self, packet: Incoming) -> Result<bool, Ended> {
        match packet {
            Incoming::Publish(publish) => self.publish(publish).await?,
            Incoming::PubAck(pkid) => {
                // No request of the server is behind an answer.
                self.state.acknowledged(pkid);
            }
            Incoming::Subscribe(subscribe) => {
                let pkid = subscribe.pkid;
                let granted = self.state.subscribe(subscribe, |filter| match filter {
                    RESPONSE => vec![DownlinkKind::RpcResponse],
                    _ => Vec::new(),
                });
                self.wire.put(Outgoing::SubAck(pkid, granted));
            }
            Incoming::Unsubscribe(pkid, filters) => {
                let existed = self.state.unsubscribe(&filters);
                self.wire.put(Outgoing::UnsubAck(pkid, existed));
            }
            Incoming::PingReq => {
                self.wire.put(Outgoing::PingResp);
            }
            Incoming::Disconnect => return Ok(true),
            Incoming::Connect(_) => return Err(Ended::ByServer(Goodbye::ProtocolError)),
        }
        Ok(false)
    }

    async fn publish(&mut self, Publish { qos, pkid, topic, payload }: Publish) -> Result<(), Ended> {
        if topic != REQUEST {
            return Err(Ended::ByServer(Goodbye::TopicNameInvalid));
        }
        let answer = self.sessions.provision(self.address, &payload).await.map_err(|error| {
            Ended::ByServer(match error {
                ProvisionError::Malformed(_) => Goodbye::PayloadFormatInvalid,
                ProvisionError::TooMany { .. } => Goodbye::QuotaExceeded,
                ProvisionError::Unavailable => Goodbye::ImplementationSpecific,
            })
        })?;
        if qos > 0 {
            self.wire.put(Outgoing::PubAck(pkid, AckCode::Success, None));
        }
        if let Some(packet) = self
            .state
            .downlink(RESPONSE.to_owned(), answer.into(), DownlinkKind::RpcResponse, None)
        {
            self.wire.put(packet);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_says_provision_and_nothing_else_asks() {
        let connect = |client_id: &str, username: Option<&str>| Connect {
            client_id: client_id.to_owned(),
            username: username.map(str::to_owned),
            password: None,
            clean_start: true,
            keep_alive_s: 60,
            receive_max: 1,
            problem_information: true,
            authentication_method: false,
        };
        let peer = |certificates: Vec<Vec<u8>>| Peer {
            address: IpAddr::from([192, 0, 2, 1]),
            certificates,
        };
        for (client_id, username, asks) in [
            ("", Some("provision"), true),
            ("anything", Some("provision"), true),
            ("provision", None, true),
            ("provision", Some(""), true),
            ("provision", Some("TOKEN"), false),
            ("anything", None, false),
            ("anything", Some("Provision"), false),
        ] {
            assert_eq!(
                is_asked_for(&connect(client_id, username), &peer(vec![])),
                asks,
                "{client_id} {username:?}"
            );
            assert!(!is_asked_for(&connect(client_id, username), &peer(vec![vec![]])));
        }
    }
}
