//! How much devices may say: rates for a tenant, for a device, for a gateway, and for a device behind one; each for messages, for
//! messages with values, and for the values themselves. A message with values counts as one of those and by its values, every other as a
//! message. And how often whoever has no credentials yet may ask for some, by network address.
//!
//! Buckets are remembered while something is spent of them, over connections. The table has a limit; what is full is forgotten first.

use std::collections::HashMap;

use model::{ChildUplink, DeviceId, TenantId, Uplink};
use parking_lot::Mutex;

use crate::Origin;
use crate::rate::{Bucket, Rate};

/// Buckets remembered at most. Beyond that, and with none that is full, whoever is new is not limited.
const REMEMBERED_MAX: usize = 200_000;

/// Rates of one dimension.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rates {
    /// Messages without values.
    pub messages: Rate,
    /// Messages with values.
    pub telemetry_messages: Rate,
    /// Values.
    pub telemetry_data_points: Rate,
}

/// All dimensions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RateLimits {
    /// All devices of a tenant together.
    pub tenant: Rates,
    /// A device.
    pub device: Rates,
    /// A gateway, with everything it says.
    pub gateway: Rates,
    /// A device behind a gateway.
    pub child: Rates,
    /// Requests for credentials from one network address.
    pub stranger: Rates,
}

/// Which limit was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exceeded {
    /// The tenant's.
    Tenant,
    /// The device's own.
    Device,
    /// The gateway's.
    Gateway,
    /// That of a device behind the gateway.
    Child,
    /// That of a network address.
    Stranger,
}

impl Exceeded {
    /// In metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Exceeded::Tenant => "rate of the tenant",
            Exceeded::Device => "rate of the device",
            Exceeded::Gateway => "rate of the gateway",
            Exceeded::Child => "rate of a device behind the gateway",
            Exceeded::Stranger => "rate of an address",
        }
    }
}

/// Who said something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Speaker {
    Device(DeviceId),
    Gateway(DeviceId),
    Child(DeviceId),
    /// Somebody without credentials.
    Stranger(Origin),
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Key {
    Tenant(TenantId),
    Device(DeviceId),
    Gateway(DeviceId),
    Child(DeviceId),
    Stranger(Origin),
}

/// Counts what is said.
pub(crate) struct Limiter {
    limits: RateLimits,
    buckets: Mutex<HashMap<Key, Buckets>>,
    remembered_max: usize,
}

#[derive(Clone, Default)]
struct Buckets {
    messages: Bucket,
    telemetry_messages: Bucket,
    telemetry_data_points: Bucket,
}

impl RateLimits {
    /// Whether no device is limited.
    pub(crate) fn are_none(&self) -> bool {
        [&self.tenant, &self.device, &self.gateway, &self.child]
            .into_iter()
            .all(Rates::is_unlimited)
    }
}

impl Rates {
    fn is_unlimited(&self) -> bool {
        self.messages.is_unlimited() && self.telemetry_messages.is_unlimited() && self.telemetry_data_points.is_unlimited()
    }
}

impl Buckets {
    /// Takes a message with so many values.
    fn take(&mut self, rates: &Rates, values: u32, now_ms: i64) -> bool {
        if values == 0 {
            return self.messages.take(&rates.messages, 1, now_ms);
        }
        self.telemetry_messages.take(&rates.telemetry_messages, 1, now_ms)
            && self.telemetry_data_points.take(&rates.telemetry_data_points, values, now_ms)
    }

    fn is_full(&self, rates: &Rates, now_ms: i64) -> bool {
        self.messages.is_full(&rates.messages, now_ms)
            && self.telemetry_messages.is_full(&rates.telemetry_messages, now_ms)
            && self.telemetry_data_points.is_full(&rates.telemetry_data_points, now_ms)
    }
}

impl Limiter {
    pub(crate) fn new(limits: RateLimits) -> Self {
        Limiter {
            limits,
            buckets: Mutex::default(),
            remembered_max: REMEMBERED_MAX,
        }
    }

    /// The rates.
    pub(crate) fn limits(&self) -> &RateLimits {
        &self.limits
    }

    /// Takes a message with so many values of everybody who answers for it.
    pub(crate) fn take(&self, speaker: Speaker, values: u32, now_ms: i64) -> Result<(), Exceeded> {
        let limits = &self.limits;
        let (key, rates, exceeded) = match speaker {
            Speaker::Device(device) => (Key::Device(device), &limits.device, Exceeded::Device),
            Speaker::Gateway(device) => (Key::Gateway(device), &limits.gateway, Exceeded::Gateway),
            Speaker::Child(device) => (Key::Child(device), &limits.child, Exceeded::Child),
            Speaker::Stranger(origin) => (Key::Stranger(origin), &limits.stranger, Exceeded::Stranger),
        };
        let tenant = match speaker {
            Speaker::Device(device) | Speaker::Gateway(device) | Speaker::Child(device) => Some(device.tenant),
            Speaker::Stranger(_) => None,
        };
        let tenant = tenant.map(|tenant| (Key::Tenant(tenant), &limits.tenant, Exceeded::Tenant));
        for (key, rates, exceeded) in [(key, rates, exceeded)].into_iter().chain(tenant) {
            if !rates.is_unlimited() && !self.bucket(key, rates, values, now_ms) {
                return Err(exceeded);
            }
        }
        Ok(())
    }

    fn bucket(&self, key: Key, rates: &Rates, values: u32, now_ms: i64) -> bool {
        let mut buckets = self.buckets.lock();
        if buckets.len() >= self.remembered_max && !buckets.contains_key(&key) {
            buckets.retain(|key, bucket| !bucket.is_full(self.rates(*key), now_ms));
            if buckets.len() >= self.remembered_max {
                metrics::counter!("session_rates_forgotten_total").increment(1);
                return true;
            }
        }
        buckets.entry(key).or_default().take(rates, values, now_ms)
    }

    /// The rates that hold for a key.
    fn rates(&self, key: Key) -> &Rates {
        match key {
            Key::Tenant(_) => &self.limits.tenant,
            Key::Device(_) => &self.limits.device,
            Key::Gateway(_) => &self.limits.gateway,
            Key::Child(_) => &self.limits.child,
            Key::Stranger(_) => &self.limits.stranger,
        }
    }
}

/// Values that an uplink carries.
pub(crate) fn values_of(uplink: &Uplink) -> u32 {
    match uplink {
        Uplink::Telemetry { values, .. } | Uplink::Attributes(values) => {
            let count = values.json().as_object().map_or(0, serde_json::Map::len);
            u32::try_from(count).unwrap_or(u32::MAX)
        }
        Uplink::Child { says, .. } => match says {
            ChildUplink::Says(uplink) | ChildUplink::AsksForOne(uplink) => values_of(uplink),
            ChildUplink::Connected(_) | ChildUplink::Disconnected => 0,
        },
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn rates(messages: &str, telemetry_messages: &str, telemetry_data_points: &str) -> Rates {
        Rates {
            messages: messages.parse().unwrap(),
            telemetry_messages: telemetry_messages.parse().unwrap(),
            telemetry_data_points: telemetry_data_points.parse().unwrap(),
        }
    }

    #[test]
    fn each_dimension_counts_on_its_own() {
        let tenant = TenantId::generate();
        let [one, two, gateway, child] = std::array::from_fn(|_| DeviceId::generate(tenant));
        let limiter = Limiter::new(RateLimits {
            tenant: rates("", "7:1", ""),
            device: rates("1:1", "2:1", "10:1"),
            gateway: rates("", "4:1", ""),
            child: rates("", "2:1", ""),
            ..RateLimits::default()
        });
        let stranger = DeviceId::generate(TenantId::generate());
        for (speaker, values, expected) in [
            (Speaker::Device(one), 5, Ok(())),
            (Speaker::Device(one), 6, Err(Exceeded::Device)),
            (Speaker::Device(two), 0, Ok(())),
            (Speaker::Device(two), 0, Err(Exceeded::Device)),
            (Speaker::Device(two), 1, Ok(())),
            (Speaker::Device(two), 1, Ok(())),
            (Speaker::Device(two), 1, Err(Exceeded::Device)),
            (Speaker::Child(child), 1, Ok(())),
            (Speaker::Child(child), 1, Ok(())),
            (Speaker::Child(child), 1, Err(Exceeded::Child)),
            (Speaker::Gateway(gateway), 0, Ok(())),
            (Speaker::Gateway(gateway), 1, Ok(())),
            (Speaker::Gateway(gateway), 1, Ok(())),
            (Speaker::Gateway(gateway), 1, Err(Exceeded::Tenant)),
            (Speaker::Device(stranger), 1, Ok(())),
        ] {
            assert_eq!(limiter.take(speaker, values, 0), expected, "{speaker:?} {values}");
        }
        assert_eq!(limiter.take(Speaker::Device(one), 1, 1_000), Ok(()));
    }

    #[test]
    fn what_is_full_is_forgotten_first() {
        let limiter = Limiter {
            remembered_max: 2,
            ..Limiter::new(RateLimits {
                device: rates("1:1", "", ""),
                ..RateLimits::default()
            })
        };
        let tenant = TenantId::generate();
        let mut devices = (0..4).map(|_| Speaker::Device(DeviceId::generate(tenant)));
        let mut take = |now_ms| limiter.take(devices.next().unwrap(), 0, now_ms);
        assert_eq!((take(0), take(0)), (Ok(()), Ok(())));
        assert_eq!(limiter.buckets.lock().len(), 2);
        assert_eq!(take(1), Ok(()));
        assert_eq!(limiter.buckets.lock().len(), 2, "no room: not limited");
        assert_eq!(take(1_000), Ok(()));
        assert_eq!(limiter.buckets.lock().len(), 1);
    }
}
