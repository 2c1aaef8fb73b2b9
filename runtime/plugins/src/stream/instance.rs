//! One instance of a stream adapter, which remembers its peers.

use std::sync::Arc;

use bytes::Bytes;
use model::{Clock, TenantId};
use wasmtime::Store;

use super::{Carrier, Denial, Ending, StreamAction, StreamComponent, StreamError, StreamEvent};
use crate::Fault;
use crate::adapter::{Inbound, Transport, checked, told};
use crate::bindings::stream_adapter::StreamAdapter;
use crate::bindings::stream_adapter::exports::pacificsoft::plugin::protocol as wit;
use crate::budget::allow;
use crate::guest::{Guest, LogSink, explain, store};

/// Actions of one answer at most: one for each byte of a chunk.
const ACTIONS_MAX: usize = 4096;
/// Bytes that one answer may send.
const SEND_BYTES_MAX: usize = 256 << 10;
/// Bytes of an access token at most.
const TOKEN_BYTES_MAX: usize = 512;
/// Bytes of a reason at most; the rest is cut off.
const REASON_BYTES_MAX: usize = 512;

/// What an instance is given.
#[derive(Clone)]
pub struct StreamContext {
    /// Whose it is.
    pub tenant: TenantId,
    /// Its name in log lines.
    pub name: Arc<str>,
    /// Where its log lines go.
    pub log: Arc<dyn LogSink>,
    /// The time of day.
    pub clock: Arc<dyn Clock>,
}

/// An instance. After a [`Fault`] it is of no use any more.
pub struct StreamInstance {
    store: Store<Guest>,
    adapter: StreamAdapter,
    component: StreamComponent,
}

impl StreamInstance {
    /// Instantiates; takes some microseconds.
    ///
    /// # Errors
    /// What happened to the guest, or that there is no place for another.
    pub fn open(component: &StreamComponent, context: StreamContext) -> Result<Self, Fault> {
        let host = &component.0.host;
        let limits = host.limits();
        let guest = Guest {
            tenant: context.tenant,
            name: context.name,
            log: Some(context.log),
            clock: context.clock,
            ..host.anonymous()
        };
        let mut store = store(&host.0.engine, guest, limits);
        allow(&mut store, limits.open_ms);
        match component.0.pre.instantiate(&mut store) {
            Ok(adapter) => Ok(StreamInstance {
                store,
                adapter,
                component: component.clone(),
            }),
            Err(error) => Err(explain(&error, store.data(), limits, limits.open_ms)),
        }
    }

    /// Tells the guest what happened; answers what is to be done, in order.
    ///
    /// # Errors
    /// [`StreamError::Rejected`]: the peer is to end, the instance goes on. [`StreamError::Broken`]: the instance is lost, with every
    /// peer it had.
    pub fn handle(&mut self, peer: u32, event: &StreamEvent) -> Result<Vec<StreamAction>, StreamError> {
        match ToldEvent::of(event) {
            Some(told) => self.tell(peer, &told),
            None => Ok(Vec::new()),
        }
    }

    /// The same, told in the contract's words.
    ///
    /// # Errors
    /// As there.
    pub fn tell(&mut self, peer: u32, ToldEvent(told): &ToldEvent) -> Result<Vec<StreamAction>, StreamError> {
        let limits = self.component.0.host.limits();
        allow(&mut self.store, limits.process_ms);
        let answer = self.adapter.pacificsoft_plugin_protocol().call_handle(&mut self.store, peer, told);
        match answer {
            Ok(Ok(actions)) => actions_checked(actions, limits.uplinks_max).map_err(StreamError::Rejected),
            Ok(Err(reason)) => Err(StreamError::Rejected(cut(reason))),
            Err(error) => {
                metrics::counter!("plugins_stream_faults_total").increment(1);
                Err(StreamError::Broken(explain(&error, self.store.data(), limits, limits.process_ms)))
            }
        }
    }
}

/// An event in the contract's words, which borrows nothing.
pub struct ToldEvent(wit::Event);

impl ToldEvent {
    /// None: the contract has no words for it.
    pub fn of(event: &StreamEvent) -> Option<Self> {
        event_told(event).map(ToldEvent)
    }
}

fn event_told(event: &StreamEvent) -> Option<wit::Event> {
    Some(match event {
        StreamEvent::Opened { carrier, address } => wit::Event::Opened(wit::Arrival {
            carrier: match carrier {
                Carrier::Tcp => wit::Carrier::Tcp,
                Carrier::Udp => wit::Carrier::Udp,
            },
            address: (*address).to_owned(),
        }),
        StreamEvent::Received(bytes) => wit::Event::Received(bytes.to_vec()),
        StreamEvent::Authenticated(device, denied) => wit::Event::Authenticated(wit::Verdict {
            device: *device,
            denied: denied.map(|denial| match denial {
                Denial::Unknown => wit::Denial::Unknown,
                Denial::TooMany => wit::Denial::TooMany,
                Denial::Unavailable => wit::Denial::Unavailable,
            }),
        }),
        StreamEvent::Settled(settled) => {
            let settled = settled.iter().map(|&(ticket, durable)| wit::Settlement { ticket, durable });
            wit::Event::Settled(settled.collect())
        }
        StreamEvent::Downlink(device, downlink) => wit::Event::Downlink(wit::Directive {
            device: *device,
            downlink: told(downlink)?,
        }),
        StreamEvent::Detached(device, ending) => wit::Event::Detached(wit::Departure {
            device: *device,
            ending: match ending {
                Ending::TakenOver => wit::Ending::TakenOver,
                Ending::Administrative => wit::Ending::Administrative,
            },
        }),
        StreamEvent::Timer(timer) => wit::Event::Timer(*timer),
        StreamEvent::Closed => wit::Event::Closed,
    })
}

/// Puts an answer into the platform's words.
fn actions_checked(actions: Vec<wit::Action>, uplinks_max: usize) -> Result<Vec<StreamAction>, String> {
    if actions.len() > ACTIONS_MAX {
        return Err(format!(
            "the adapter answered with {} actions, more than the {ACTIONS_MAX} allowed",
            actions.len()
        ));
    }
    let (mut sent, mut said) = (0, 0);
    let nothing = Inbound::new(Transport::Mqtt, "", Vec::new(), Bytes::new());
    let mut checked_actions = Vec::with_capacity(actions.len());
    for action in actions {
        checked_actions.push(match action {
            wit::Action::Send(bytes) => {
                sent += bytes.len();
                StreamAction::Send(bytes.into())
            }
            wit::Action::Authenticate(wit::Login { device, credentials }) => {
                let wit::Credentials::AccessToken(access_token) = credentials;
                if access_token.len() > TOKEN_BYTES_MAX {
                    return Err(format!("an access token of {} bytes is longer than any", access_token.len()));
                }
                StreamAction::Authenticate { device, access_token }
            }
            wit::Action::Uplinks(report) => {
                said += report.uplinks.len();
                let uplinks = report.uplinks.into_iter().map(|uplink| checked(uplink, &nothing));
                StreamAction::Uplinks {
                    device: report.device,
                    ticket: report.ticket,
                    uplinks: uplinks.collect::<Result<_, _>>()?,
                }
            }
            wit::Action::Release(device) => StreamAction::Release(device),
            wit::Action::SetTimer(wit::TimerSetting { timer, after_ms }) => StreamAction::SetTimer { timer, after_ms },
            wit::Action::CancelTimer(timer) => StreamAction::CancelTimer(timer),
            wit::Action::Close(reason) => StreamAction::Close(cut(reason)),
        });
    }
    if sent > SEND_BYTES_MAX {
        return Err(format!(
            "the adapter sends {sent} bytes at once, more than the {SEND_BYTES_MAX} allowed"
        ));
    }
    if said > uplinks_max {
        return Err(format!(
            "the adapter answered with {said} uplinks, more than the {uplinks_max} allowed"
        ));
    }
    Ok(checked_actions)
}

fn cut(mut reason: String) -> String {
    reason.truncate(reason.floor_char_boundary(REASON_BYTES_MAX));
    reason
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bindings::json::Content;
    use crate::bindings::uplink::{Telemetry, Uplink};

    fn report(values: Content) -> wit::Action {
        let telemetry = Telemetry { timestamp: None, values };
        wit::Action::Uplinks(wit::Report {
            device: 1,
            ticket: 2,
            uplinks: vec![Uplink::Telemetry(telemetry)],
        })
    }

    #[test]
    fn answers_have_limits() {
        let refused = |actions: Vec<wit::Action>| actions_checked(actions, 1).expect_err("beyond the limit");
        let many = (0..=ACTIONS_MAX).map(|_| wit::Action::CancelTimer(1)).collect();
        assert!(refused(many).contains("4097 actions"));
        assert!(refused(vec![wit::Action::Send(vec![0; SEND_BYTES_MAX + 1])]).contains("262145 bytes"));
        let json = || report(Content::Json("{}".to_owned()));
        assert!(refused(vec![json(), json()]).contains("2 uplinks"));
        assert!(refused(vec![report(Content::Json("{".to_owned()))]).contains("no JSON"));
        assert!(refused(vec![report(Content::Payload(String::new()))]).contains("the payload"));
        let long = wit::Credentials::AccessToken("x".repeat(513));
        assert!(
            refused(vec![wit::Action::Authenticate(wit::Login {
                device: 1,
                credentials: long
            })])
            .contains("513")
        );
        assert_eq!(actions_checked(vec![json()], 1).expect("within the limits").len(), 1);
        assert_eq!(cut("é".repeat(300)).len(), 512);
    }
}
