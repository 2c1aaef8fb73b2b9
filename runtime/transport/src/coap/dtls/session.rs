//! One client's DTLS: what it receives, sends and tells. Whatever goes wrong inside costs this client's session and nothing else.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Instant;

use dimpl::{Dtls, Error, Output};

use super::Limits;
use super::keys::{Certified, Proof};
use super::presented::Presented;

/// Bytes of a record's content at most, and some more (RFC 6347, 4.1).
const BUFFER_BYTES: usize = 17 << 10;

/// What a session tells.
#[derive(Debug)]
pub(super) enum Told {
    Packet(Vec<u8>),
    Message(Vec<u8>),
    Connected,
    /// The client's certificates (DER): its own, whose key it has, then those behind it.
    Certificates(Vec<Vec<u8>>),
}

pub(super) struct Guarded {
    dtls: Dtls,
    /// The handshake is finished.
    pub(super) established: bool,
    /// The first is proved when the handshake is finished, not before.
    pub(super) certificates: Option<Arc<[Vec<u8>]>>,
    /// Until the library tells the first.
    presented: Option<Presented>,
    pub(super) began: Instant,
    heard: Instant,
    wake: Option<Instant>,
    /// When it stands in the table of timers.
    pub(super) timer: Option<Instant>,
}

impl Guarded {
    pub(super) fn new(proof: Proof, now: Instant) -> Self {
        let dtls = match proof {
            Proof::Certified(Certified { config, certificate }) => Dtls::new_12(config, certificate, now),
            Proof::PreShared(config) => Dtls::new_12_psk(config, now),
        };
        Guarded {
            dtls,
            established: false,
            certificates: None,
            presented: Some(Presented::default()),
            began: now,
            heard: now,
            wake: None,
            timer: None,
        }
    }

    /// False: it is over.
    pub(super) fn datagram(&mut self, now: Instant, datagram: &[u8], told: &mut Vec<Told>) -> bool {
        self.heard = now;
        if let Some(presented) = &mut self.presented {
            presented.datagram(datagram);
        }
        self.drive(now, told, |dtls| dtls.handle_packet(datagram))
    }

    /// False: it is over.
    pub(super) fn send(&mut self, now: Instant, message: &[u8], told: &mut Vec<Told>) -> bool {
        self.drive(now, told, |dtls| dtls.send_application_data(message).map(drop))
    }

    /// False: it is over.
    pub(super) fn time(&mut self, now: Instant, limits: &Limits, told: &mut Vec<Told>) -> bool {
        if now >= self.expiry(limits) {
            if self.established {
                self.drive(now, told, Dtls::close);
            }
            return false;
        }
        self.drive(now, told, |_| Ok(()))
    }

    pub(super) fn next_due(&self, now: Instant, limits: &Limits) -> Instant {
        let expiry = self.expiry(limits);
        // A time that has come is looked at in a moment, not at once for ever.
        let soon = now + std::time::Duration::from_millis(1);
        self.wake.map_or(expiry, |wake| wake.min(expiry)).max(soon)
    }

    fn expiry(&self, limits: &Limits) -> Instant {
        match self.established {
            true => self.heard + limits.idle_timeout,
            false => self.began + limits.handshake_timeout,
        }
    }

    fn drive(&mut self, now: Instant, told: &mut Vec<Told>, work: impl FnOnce(&mut Dtls) -> Result<(), Error>) -> bool {
        let (dtls, presented) = (&mut self.dtls, &mut self.presented);
        // What a client sends must end nobody's process, whatever the library thinks of it.
        let driven = catch_unwind(AssertUnwindSafe(|| {
            let worked = dtls.handle_timeout(now).and_then(|()| work(dtls));
            let (wake, open) = drain(dtls, presented, told);
            (worked, wake, open)
        }));
        match driven {
            Ok((Ok(()), wake, open)) => {
                self.wake = wake;
                open
            }
            Ok((Err(error), ..)) => {
                tracing::debug!(?error, "a DTLS session is over");
                false
            }
            Err(_) => {
                tracing::error!("DTLS panicked; the client's session is dropped");
                metrics::counter!("coap_dtls_panics_total").increment(1);
                false
            }
        }
    }
}

/// Takes what is there to be told; when to look again, and whether the session goes on.
fn drain(dtls: &mut Dtls, presented: &mut Option<Presented>, told: &mut Vec<Told>) -> (Option<Instant>, bool) {
    let mut buffer = vec![0; BUFFER_BYTES];
    let mut open = true;
    loop {
        let room = buffer.len();
        match dtls.poll_output(&mut buffer) {
            Output::Packet(packet) => told.push(Told::Packet(packet.to_vec())),
            Output::ApplicationData(message) => told.push(Told::Message(message.to_vec())),
            Output::Connected => {
                *presented = None;
                told.push(Told::Connected);
            }
            Output::CloseNotify => open = false,
            Output::BufferTooSmall { needed } if needed > room => buffer.resize(needed, 0),
            Output::Timeout(wake) => return (Some(wake), open),
            Output::PeerCert(own) => told.push(Told::Certificates(presented.take().unwrap_or_default().behind(own))),
            // Keys for media are not asked for.
            Output::KeyingMaterial(..) => {}
            _ => return (None, open),
        }
    }
}
