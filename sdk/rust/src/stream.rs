//! Stream adapters: a whole protocol of one's own, over TCP or UDP.
//!
//! A value of the adapter's type is the state of one peer: a connection, or a UDP address. What happens to the peer is a call; what is
//! to be done is put into [`Actions`].
//!
//! ```
//! use pacificsoft_sdk::adapter::{Downlink, Telemetry, Uplink};
//! use pacificsoft_sdk::stream::testing::TestPeer;
//! use pacificsoft_sdk::stream::{Action, Actions, Arrival, Denial, StreamDescriptor};
//! use pacificsoft_sdk::{Content, StreamAdapter};
//!
//! /// Lines of text: the first one is the access token, each other one a temperature, answered by `ok` when it is on disk.
//! struct Lines {
//!     partial: Vec<u8>,
//!     known: bool,
//! }
//!
//! impl StreamAdapter for Lines {
//!     fn descriptor() -> StreamDescriptor {
//!         StreamDescriptor { name: "lines", title: "Lines", description: "A temperature a line." }
//!     }
//!
//!     fn opened(_: &Arrival, _: &mut Actions) -> Result<Self, String> {
//!         Ok(Lines { partial: Vec::new(), known: false })
//!     }
//!
//!     fn received(&mut self, bytes: &[u8], actions: &mut Actions) -> Result<(), String> {
//!         self.partial.extend(bytes);
//!         while let Some(end) = self.partial.iter().position(|byte| *byte == b'\n') {
//!             let line: Vec<u8> = self.partial.drain(..=end).collect();
//!             let line = String::from_utf8_lossy(&line[..end]).into_owned();
//!             if !self.known {
//!                 actions.authenticate(1, &line);
//!                 self.known = true;
//!             } else {
//!                 let celsius: f64 = line.parse().map_err(|_| "not a temperature")?;
//!                 let values = Content::Json(format!("{{\"temperature\":{celsius}}}"));
//!                 actions.uplinks(1, 0, vec![Uplink::Telemetry(Telemetry { timestamp: None, values })]);
//!             }
//!         }
//!         if self.partial.len() > 100 { Err("a line without end".to_owned()) } else { Ok(()) }
//!     }
//!
//!     fn authenticated(&mut self, _: u32, denied: Option<Denial>, _: &mut Actions) -> Result<(), String> {
//!         denied.map_or(Ok(()), |_| Err("unknown device".to_owned()))
//!     }
//!
//!     fn settled(&mut self, _: u32, durable: bool, actions: &mut Actions) -> Result<(), String> {
//!         actions.send(if durable { "ok\n" } else { "again\n" });
//!         Ok(())
//!     }
//!
//!     fn downlink(&mut self, _: u32, _: Downlink, _: &mut Actions) -> Result<(), String> {
//!         Ok(())
//!     }
//! }
//!
//! pacificsoft_sdk::export_stream!(Lines);
//!
//! // It is tested without a server:
//! let mut peer = TestPeer::<Lines>::tcp();
//! assert!(matches!(&*peer.received(b"TOKEN\n21").unwrap(), [Action::Authenticate(_)]));
//! peer.accepted(1).unwrap();
//! assert!(matches!(&*peer.received(b".5\n").unwrap(), [Action::Uplinks(_)]));
//! assert_eq!(peer.settled(0, true), Ok(vec![Action::Send(b"ok\n".to_vec())]));
//! ```

pub mod testing;

use std::collections::BTreeMap;

use crate::adapter::{Downlink, Uplink};
use crate::bindings::stream::exports::pacificsoft::plugin::protocol as contract;

pub use contract::{Action, Arrival, Carrier, Credentials, Denial, Ending, Event, Login, Report, TimerSetting};

/// What people know of an adapter.
#[derive(Clone, Copy, Debug)]
pub struct StreamDescriptor {
    /// Name in kebab case.
    pub name: &'static str,
    /// Name people see.
    pub title: &'static str,
    /// One sentence.
    pub description: &'static str,
}

/// A stream adapter: a value is the state of one peer. An error ends the peer; its text is for the log.
pub trait StreamAdapter: Sized {
    /// The adapter.
    fn descriptor() -> StreamDescriptor;

    /// A peer is there.
    ///
    /// # Errors
    /// Why it is not served.
    fn opened(arrival: &Arrival, actions: &mut Actions) -> Result<Self, String>;

    /// It sent bytes. TCP: keep what is not complete yet, and limit it. UDP: a datagram.
    ///
    /// # Errors
    /// What is wrong with them, if the peer cannot go on.
    fn received(&mut self, bytes: &[u8], actions: &mut Actions) -> Result<(), String>;

    /// A login was decided about.
    ///
    /// # Errors
    /// Why the peer is to end.
    fn authenticated(&mut self, device: u32, denied: Option<Denial>, actions: &mut Actions) -> Result<(), String>;

    /// Uplinks given under a ticket are durable, or will not be. The time for the protocol's own acknowledgement.
    ///
    /// # Errors
    /// Why the peer is to end.
    fn settled(&mut self, ticket: u32, durable: bool, actions: &mut Actions) -> Result<(), String>;

    /// A device is to be told something.
    ///
    /// # Errors
    /// Why the peer is to end.
    fn downlink(&mut self, device: u32, downlink: Downlink, actions: &mut Actions) -> Result<(), String>;

    /// A device's session has ended. Ends the peer, unless written otherwise.
    ///
    /// # Errors
    /// Why the peer is to end.
    fn detached(&mut self, _device: u32, ending: Ending, _actions: &mut Actions) -> Result<(), String> {
        Err(match ending {
            Ending::TakenOver => "the device connected elsewhere".to_owned(),
            Ending::Administrative => "the device's session was ended".to_owned(),
        })
    }

    /// A timer has run out.
    ///
    /// # Errors
    /// Why the peer is to end.
    fn timer(&mut self, _timer: u32, _actions: &mut Actions) -> Result<(), String> {
        Ok(())
    }

    /// The peer is gone.
    fn closed(self) {}
}

/// What is to be done, in order.
#[derive(Debug, Default)]
pub struct Actions(Vec<Action>);

impl Actions {
    /// Bytes of the stream, or one datagram.
    pub fn send(&mut self, bytes: impl Into<Vec<u8>>) {
        self.0.push(Action::Send(bytes.into()));
    }

    /// Asks who a device is. The number, chosen here, names it from now on.
    pub fn authenticate(&mut self, device: u32, access_token: &str) {
        let credentials = Credentials::AccessToken(access_token.to_owned());
        self.0.push(Action::Authenticate(Login { device, credentials }));
    }

    /// What an accepted device says. The ticket comes back when it is settled.
    pub fn uplinks(&mut self, device: u32, ticket: u32, uplinks: Vec<Uplink>) {
        self.0.push(Action::Uplinks(Report { device, ticket, uplinks }));
    }

    /// Ends a device's session.
    pub fn release(&mut self, device: u32) {
        self.0.push(Action::Release(device));
    }

    /// Calls [`StreamAdapter::timer`] later; a timer that runs already starts anew.
    pub fn set_timer(&mut self, timer: u32, after_ms: u32) {
        self.0.push(Action::SetTimer(TimerSetting { timer, after_ms }));
    }

    /// Does not call.
    pub fn cancel_timer(&mut self, timer: u32) {
        self.0.push(Action::CancelTimer(timer));
    }

    /// Ends the peer after what stands before. The text is for the log.
    pub fn close(&mut self, reason: &str) {
        self.0.push(Action::Close(reason.to_owned()));
    }
}

/// The peers of an instance.
#[doc(hidden)]
pub struct Peers<A>(BTreeMap<u32, A>);

impl<A> Default for Peers<A> {
    fn default() -> Self {
        Peers(BTreeMap::new())
    }
}

impl<A: StreamAdapter> Peers<A> {
    /// What an event leads to.
    ///
    /// # Errors
    /// Why the peer is to end.
    pub fn handle(&mut self, peer: u32, event: Event) -> Result<Vec<Action>, String> {
        let mut actions = Actions::default();
        if let Event::Opened(arrival) = &event {
            let state = A::opened(arrival, &mut actions)?;
            self.0.insert(peer, state);
            return Ok(actions.0);
        }
        if matches!(event, Event::Closed) {
            if let Some(state) = self.0.remove(&peer) {
                state.closed();
            }
            return Ok(actions.0);
        }
        let state = self.0.get_mut(&peer).ok_or("there is no such peer")?;
        match event {
            Event::Opened(_) | Event::Closed => {}
            Event::Received(bytes) => state.received(&bytes, &mut actions)?,
            Event::Authenticated(verdict) => state.authenticated(verdict.device, verdict.denied, &mut actions)?,
            Event::Settled(settled) => {
                for one in settled {
                    state.settled(one.ticket, one.durable, &mut actions)?;
                }
            }
            Event::Downlink(directive) => state.downlink(directive.device, directive.downlink, &mut actions)?,
            Event::Detached(departure) => state.detached(departure.device, departure.ending, &mut actions)?,
            Event::Timer(timer) => state.timer(timer, &mut actions)?,
        }
        Ok(actions.0)
    }
}

#[doc(hidden)]
pub fn contract_descriptor<A: StreamAdapter>() -> contract::StreamDescriptor {
    let own = A::descriptor();
    contract::StreamDescriptor {
        name: own.name.to_owned(),
        title: own.title.to_owned(),
        description: own.description.to_owned(),
        extensions: Vec::new(),
    }
}

/// Exports a stream adapter, once in a component.
#[macro_export]
macro_rules! export_stream {
    ($adapter:ty) => {
        #[cfg(target_arch = "wasm32")]
        const _: () = {
            use $crate::bindings::stream::exports::pacificsoft::plugin::protocol as contract;

            thread_local! {
                static PEERS: ::std::cell::RefCell<$crate::stream::Peers<$adapter>> = ::std::cell::RefCell::default();
            }

            struct Package;

            impl contract::Guest for Package {
                fn describe() -> contract::StreamDescriptor {
                    $crate::stream::contract_descriptor::<$adapter>()
                }

                fn handle(peer: u32, event: contract::Event) -> Result<Vec<contract::Action>, String> {
                    PEERS.with_borrow_mut(|peers| peers.handle(peer, event))
                }
            }

    $crate::bindings::stream::export_stream_adapter!(Package with_types_in $crate::bindings::stream);
        };
    };
}
