//! Carrying out what an adapter wants done for a peer.

use std::sync::Arc;
use std::time::Duration;

use cluster::Receipt;
use plugins::{Denial, StreamAction, StreamEvent};
use tokio::time::Instant;

use super::Service;
use super::device::{Attached, Ear};
use super::shard::{Flight, IN_FLIGHT_MAX, Login, Output, Shard, Slot, WINDOW};
use crate::{AuthError, Credentials, Origin};

/// Logins of a peer that are not decided about, at most.
const ASKED_MAX: usize = 512;

impl Shard {
    /// Carries out one action. False: the peer has ended.
    pub(super) async fn perform(&mut self, peer: u32, action: StreamAction) -> bool {
        let done = match action {
            StreamAction::Send(bytes) => {
                self.outputs.push(Output::Send(peer, bytes));
                Ok(())
            }
            StreamAction::Authenticate { device, access_token } => self.ask(peer, device, access_token),
            StreamAction::Uplinks { device, ticket, uplinks } => self.report(peer, device, ticket, uplinks).await,
            StreamAction::Release(device) => {
                self.detach(peer, device).await;
                Ok(())
            }
            StreamAction::SetTimer { timer, after_ms } => self.set_timer(peer, timer, after_ms),
            StreamAction::CancelTimer(timer) => {
                self.timers.cancel(peer, timer);
                Ok(())
            }
            StreamAction::Close(reason) => Err(reason),
        };
        match done {
            Ok(()) => true,
            Err(reason) => {
                self.end(peer, Some(reason)).await;
                false
            }
        }
    }

    fn set_timer(&mut self, peer: u32, timer: u32, after_ms: u32) -> Result<(), String> {
        let max = self.service.limits.timers_max;
        let running = self.timers.of(peer).filter(|other| *other != timer).count();
        if running >= max {
            return Err(format!("the adapter wants more than the {max} timers allowed"));
        }
        let after = Duration::from_millis(u64::from(after_ms));
        self.timers.set(peer, timer, Instant::now(), after);
        Ok(())
    }

    /// Starts to find out who a device is.
    fn ask(&mut self, number: u32, device: u32, access_token: String) -> Result<(), String> {
        let Some(peer) = self.peers.get_mut(&number) else { return Ok(()) };
        if peer.asked >= ASKED_MAX {
            return Err(format!("more than {ASKED_MAX} logins wait"));
        }
        peer.asked += 1;
        self.attempts += 1;
        let attempt = self.attempts;
        let (service, origin) = (Arc::clone(&self.service), peer.origin);
        let taken = peer.devices.contains_key(&device) || peer.devices.len() >= service.limits.devices_max;
        if !taken {
            peer.devices.insert(device, Slot::Asked(attempt));
        }
        self.logins.push(Box::pin(async move {
            let result = if taken {
                Err(Denial::TooMany)
            } else {
                login(&service, origin, (number, device), &access_token).await
            };
            Login {
                peer: number,
                device,
                attempt,
                result,
            }
        }));
        Ok(())
    }

    /// Tells the adapter who a device is.
    pub(super) async fn login_decided(&mut self, login: Login) {
        let Login {
            peer: number,
            device,
            attempt,
            result,
        } = login;
        let awaited = self.peers.get_mut(&number).is_some_and(|peer| {
            peer.asked -= 1;
            matches!(peer.devices.get(&device), Some(Slot::Asked(asked)) if *asked == attempt)
        });
        let denied = match result {
            Ok((attached, ear)) => {
                let Some(peer) = self.peers.get_mut(&number).filter(|_| awaited) else {
                    // The peer is gone, or released the device meanwhile.
                    attached.close().await;
                    return;
                };
                peer.devices.insert(device, Slot::Attached(attached));
                self.listen(ear);
                None
            }
            Err(denial) => {
                let Some(peer) = self.peers.get_mut(&number) else { return };
                if awaited {
                    peer.devices.remove(&device);
                }
                peer.denials += u32::from(denial == Denial::Unknown);
                metrics::counter!("session_stream_logins_denied_total").increment(1);
                Some(denial)
            }
        };
        self.tell(number, &StreamEvent::Authenticated(device, denied)).await;
        let max = self.service.limits.denials_max;
        if self.peers.get(&number).is_some_and(|peer| peer.denials >= max) {
            self.end(number, Some(format!("{max} logins were refused"))).await;
        }
    }

    /// Hands on what a device says.
    async fn report(&mut self, number: u32, device: u32, ticket: u32, uplinks: Vec<model::Uplink>) -> Result<(), String> {
        while self.flights.len() - self.settled.len() >= IN_FLIGHT_MAX {
            // An answer larger than the window allows for: goes on as earlier reports settle.
            self.settlements.recv_batch(&mut self.settled, WINDOW).await;
        }
        let place = self.peers.get_mut(&number).and_then(|peer| peer.devices.get_mut(&device));
        let Some(Slot::Attached(attached)) = place else {
            return Err(format!("the adapter speaks for device {device}, which was not accepted"));
        };
        if uplinks.iter().any(|uplink| matches!(uplink, model::Uplink::Child { .. })) {
            return Err("the adapter speaks for devices behind another, which it is to authenticate itself".to_owned());
        }
        let sequence = self.sequence;
        self.sequence += 1;
        attached.counts.published();
        let flight = Flight {
            peer: number,
            ticket,
            counts: Arc::clone(&attached.counts),
        };
        self.flights.insert(sequence, flight);
        attached.say(uplinks, Receipt::new(self.settle.clone(), sequence)).await;
        Ok(())
    }
}

/// Finds out who a device is, and opens its session. Devices of other tenants do not exist.
/// Whoever guesses is not listened to for a while, as everywhere, also on another connection.
async fn login(service: &Service, origin: Origin, name: (u32, u32), access_token: &str) -> Result<(Attached, Ear), Denial> {
    let found = service
        .sessions
        .authenticate_from(origin, Credentials::AccessToken(access_token))
        .await;
    let device = match found {
        Ok(device) if device.tenant == service.context.tenant => device,
        Ok(_) | Err(AuthError::Missing | AuthError::Unknown) => return Err(Denial::Unknown),
        Err(AuthError::Unavailable | AuthError::TooMany { .. }) => return Err(Denial::Unavailable),
    };
    Attached::open(service.sessions.clone(), device, name)
        .await
        .map_err(|error| match error {
            crate::OpenError::NoDevice => Denial::Unknown,
            crate::OpenError::Unavailable(reason) => {
                tracing::warn!(%device, reason, "a device could not be served");
                Denial::Unavailable
            }
        })
}
