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
    /// Those from one network address at most: whoever comes in great numbers and says nothing leaves places to others.
    pub address_strangers_max: usize,
}

impl AdmissionConfig {
    /// The usual limits.
    pub const USUAL: AdmissionConfig = AdmissionConfig {
        connections_max: 100_000,
        address_connections_max: 50_000,
        strangers_max: 5_000,
        address_strangers_max: 1_000,
    };
}

impl Default for AdmissionConfig {
    fn default() -> Self {
        AdmissionConfig::USUAL
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
    /// Too many of those from there.
    AddressStrangers,
}

impl Denied {
    /// In metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Denied::Full => "connections",
            Denied::AddressFull => "connections of an address",
            Denied::Strangers => "strangers",
            Denied::AddressStrangers => "strangers of an address",
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
    all: Count,
    by_address: HashMap<IpAddr, Count>,
}

/// Places that are taken, and by how many strangers.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
struct Count {
    taken: usize,
    strangers: usize,
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
        if taken.all.taken >= config.connections_max {
            return Err(Denied::Full);
        }
        if taken.all.strangers >= config.strangers_max {
            return Err(Denied::Strangers);
        }
        let from_there = taken.by_address.get(&address).copied().unwrap_or_default();
        if from_there.taken >= config.address_connections_max {
            return Err(Denied::AddressFull);
        }
        if from_there.strangers >= config.address_strangers_max {
            return Err(Denied::AddressStrangers);
        }
        taken.by_address.insert(address, from_there.with_a_stranger());
        taken.all = taken.all.with_a_stranger();
        Ok(Place {
            admission: self.clone(),
            address,
            stranger: true,
        })
    }
}

impl Count {
    fn with_a_stranger(self) -> Self {
        Count {
            taken: self.taken + 1,
            strangers: self.strangers + 1,
        }
    }
}

impl Place {
    /// Whoever has the place has said who it is.
    pub fn known(&mut self) {
        if std::mem::take(&mut self.stranger) {
            let mut taken = self.admission.0.taken.lock();
            taken.all.strangers -= 1;
            if let Some(from_there) = taken.by_address.get_mut(&self.address) {
                from_there.strangers -= 1;
            }
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.known();
        let mut taken = self.admission.0.taken.lock();
        taken.all.taken -= 1;
        if let Some(from_there) = taken.by_address.get_mut(&self.address) {
            from_there.taken -= 1;
            if from_there.taken == 0 {
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
            address_strangers_max: 2,
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
        assert_eq!((taken.all, taken.by_address.len()), (Count::default(), 0));
    }

    #[test]
    fn whoever_comes_in_great_numbers_leaves_places_to_others() {
        let admission = Admission::new(AdmissionConfig {
            connections_max: 100,
            address_connections_max: 100,
            strangers_max: 5,
            address_strangers_max: 3,
        });
        let enter = |last: u8| admission.enter(IpAddr::from([127, 0, 0, last]));
        let mut crowd: Vec<Place> = (0..3).filter_map(|_| enter(1).ok()).collect();
        assert_eq!(enter(1).err(), Some(Denied::AddressStrangers));
        assert!(enter(2).is_ok(), "somebody else has a place");
        crowd.iter_mut().take(1).for_each(Place::known);
        let more = enter(1).ok();
        assert!(more.is_some(), "who is known takes no stranger's place");
        drop((crowd, more));
        assert_eq!(admission.0.taken.lock().by_address.len(), 0);
    }
}
