//! Who may connect: how many connections there are in all, from one network address, and of those that have not yet said who they are.
//! Whoever finds no place is cut off at once, so that those who have one keep what the machine can do.
//!
//! Knows no protocol.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use parking_lot::Mutex;

/// Limits of the connections of a protocol.
#[derive(Clone, Copy, Debug)]
pub struct AdmissionConfig {
    /// Connections at most.
    pub connections_max: usize,
    /// Connections from one network address at most. Many devices can share an address.
    pub address_connections_max: usize,
    /// Connections that have not said who they are at most.
    pub strangers_max: usize,
}

impl Default for AdmissionConfig {
    fn default() -> Self {
        AdmissionConfig {
            connections_max: 100_000,
            address_connections_max: 50_000,
            strangers_max: 5_000,
        }
    }
}

/// Why somebody has no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Denied {
    /// Too many connections.
    Full,
    /// Too many connections from there.
    AddressFull,
    /// Too many that have not said who they are.
    Strangers,
}

impl Denied {
    /// In metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Denied::Full => "connections",
            Denied::AddressFull => "connections of an address",
            Denied::Strangers => "strangers",
        }
    }
}

/// The places of a protocol. Clones share them.
#[derive(Clone)]
pub struct Admission(Arc<Inner>);

struct Inner {
    config: AdmissionConfig,
    taken: Mutex<Taken>,
}

#[derive(Default)]
struct Taken {
    all: usize,
    strangers: usize,
    by_address: HashMap<IpAddr, usize>,
}

/// A place; given back when dropped.
pub struct Place {
    admission: Admission,
    address: IpAddr,
    stranger: bool,
}

impl Admission {
    /// All places are free.
    pub fn new(config: AdmissionConfig) -> Self {
        Admission(Arc::new(Inner {
            config,
            taken: Mutex::default(),
        }))
    }

    /// Takes a place for somebody who has not yet said who it is.
    ///
    /// # Errors
    /// [`Denied`].
    pub fn enter(&self, address: IpAddr) -> Result<Place, Denied> {
        let config = &self.0.config;
        let mut taken = self.0.taken.lock();
        if taken.all >= config.connections_max {
            return Err(Denied::Full);
        }
        if taken.strangers >= config.strangers_max {
            return Err(Denied::Strangers);
        }
        let from_there = taken.by_address.entry(address).or_default();
        if *from_there >= config.address_connections_max {
            return Err(Denied::AddressFull);
        }
        *from_there += 1;
        taken.all += 1;
        taken.strangers += 1;
        Ok(Place {
            admission: self.clone(),
            address,
            stranger: true,
        })
    }
}

impl Place {
    /// Whoever has the place has said who it is.
    pub fn known(&mut self) {
        if std::mem::take(&mut self.stranger) {
            self.admission.0.taken.lock().strangers -= 1;
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.known();
        let mut taken = self.admission.0.taken.lock();
        taken.all -= 1;
        if let Some(from_there) = taken.by_address.get_mut(&self.address) {
            *from_there -= 1;
            if *from_there == 0 {
                taken.by_address.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_limited_and_given_back() {
        let admission = Admission::new(AdmissionConfig {
            connections_max: 4,
            address_connections_max: 2,
            strangers_max: 3,
        });
        let enter = |last: u8| admission.enter(IpAddr::from([127, 0, 0, last]));
        let denied = |last: u8| enter(last).err();
        let (mut first, second, third) = (enter(1).ok(), enter(1).ok(), enter(2).ok());
        assert_eq!(denied(3), Some(Denied::Strangers));
        first.iter_mut().for_each(Place::known);
        assert_eq!(denied(1), Some(Denied::AddressFull));
        let fourth = enter(3).ok();
        assert!(fourth.is_some());
        assert_eq!(denied(4), Some(Denied::Full));
        drop((first, second));
        assert_eq!(denied(1), None, "what was taken for a look is given back");
        drop((third, fourth));
        let taken = admission.0.taken.lock();
        assert_eq!((taken.all, taken.strangers, taken.by_address.len()), (0, 0, 0));
    }
}
