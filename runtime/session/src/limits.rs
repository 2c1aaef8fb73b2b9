//! How much devices may say: rates for a tenant, for a device, for a gateway, and for a device behind one; each for messages, for
//! messages with values, and for the values themselves. A message with values counts as one of those and by its values, every other as a
//! message. And how often whoever has no credentials yet may ask for some, by network address.
//!
//! Buckets are remembered while something is spent of them, over connections. The table has a limit; what is full is forgotten first.
//!
//! A device or a gateway is connected to one server. A tenant's devices are connected to all: in a cluster its buckets also lose what others
//! [tell](crate::usage) that they let in.

use std::collections::HashMap;
use std::sync::OnceLock;

use cluster::{Tally, Usage, Used};
use model::rate::{Bucket, Rate};
use model::{ChildUplink, DeviceId, TenantId, Uplink};
use parking_lot::Mutex;

use crate::Origin;

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
    /// What is let in of tenants, for whoever tells it; a server that runs alone has none.
    told: OnceLock<Tally>,
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

    /// Others have let in so much.
    fn spend(&mut self, rates: &Rates, used: Used, now_ms: i64) {
        self.messages.spend(&rates.messages, used.messages, now_ms);
        self.telemetry_messages
            .spend(&rates.telemetry_messages, used.telemetry_messages, now_ms);
        self.telemetry_data_points.spend(&rates.telemetry_data_points, used.values, now_ms);
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
            told: OnceLock::new(),
        }
    }

    /// Counts from now on what is let in of tenants that have a rate. None: no tenant has one, or it is counted already.
    pub(crate) fn tell(&self) -> Option<Tally> {
        let tally = Tally::default();
        let tells = !self.limits.tenant.is_unlimited() && self.told.set(tally.clone()).is_ok();
        tells.then_some(tally)
    }

    /// Others have let in so much of a tenant.
    pub(crate) fn spend(&self, usage: Usage, now_ms: i64) {
        let key = Key::Tenant(usage.tenant);
        let mut buckets = self.buckets.lock();
        if self.has_room(&mut buckets, key, now_ms) {
            buckets.entry(key).or_default().spend(&self.limits.tenant, usage.used, now_ms);
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
        let tenants = tenant.map(|tenant| (Key::Tenant(tenant), &limits.tenant, Exceeded::Tenant));
        for (key, rates, exceeded) in [(key, rates, exceeded)].into_iter().chain(tenants) {
            if !rates.is_unlimited() && !self.bucket(key, rates, values, now_ms) {
                return Err(exceeded);
            }
        }
        if let (Some(tenant), Some(told)) = (tenant, self.told.get()) {
            let used = Used::message(values);
            told.add(Usage { tenant, used });
        }
        Ok(())
    }

    fn bucket(&self, key: Key, rates: &Rates, values: u32, now_ms: i64) -> bool {
        let mut buckets = self.buckets.lock();
        !self.has_room(&mut buckets, key, now_ms) || buckets.entry(key).or_default().take(rates, values, now_ms)
    }

    /// Whether a key is remembered, or can be.
    fn has_room(&self, buckets: &mut HashMap<Key, Buckets>, key: Key, now_ms: i64) -> bool {
        if buckets.len() >= self.remembered_max && !buckets.contains_key(&key) {
            buckets.retain(|key, bucket| !bucket.is_full(self.rates(*key), now_ms));
            if buckets.len() >= self.remembered_max {
                metrics::counter!("session_rates_forgotten_total").increment(1);
                return false;
            }
        }
        true
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

    /// Servers that let in what they can of one tenant, and hear of each other `late_ms` later at most.
    struct Servers {
        limiters: Vec<(Limiter, Tally)>,
        tenant: TenantId,
        /// When it is heard, by whom, what.
        way: Vec<(i64, usize, Usage)>,
        chance: u64,
    }

    const TELL_MS: i64 = 250;
    const WAY_MS: i64 = 50;

    impl Servers {
        fn new(count: usize, rate: &str, seed: u64) -> Self {
            let limits = RateLimits {
                tenant: rates("", rate, ""),
                ..RateLimits::default()
            };
            let limiter = |_| {
                let limiter = Limiter::new(limits.clone());
                let tally = limiter.tell().unwrap();
                (limiter, tally)
            };
            Servers {
                limiters: (0..count).map(limiter).collect(),
                tenant: TenantId::generate(),
                way: Vec::new(),
                chance: seed,
            }
        }

        fn below(&mut self, end: u64) -> u64 {
            self.chance = self
                .chance
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (self.chance >> 33) % end
        }

        /// Lives for ten milliseconds, in which each server is asked to let in up to so many; how many were let in.
        fn step(&mut self, now_ms: i64, asked: u64) -> u64 {
            let (due, later): (Vec<_>, Vec<_>) = std::mem::take(&mut self.way).into_iter().partition(|(at_ms, ..)| *at_ms <= now_ms);
            self.way = later;
            for (_, to, usage) in due {
                self.limiters[to].0.spend(usage, now_ms);
            }
            let mut taken = 0;
            for at in 0..self.limiters.len() {
                for _ in 0..self.below(asked + 1) {
                    let speaker = Speaker::Device(DeviceId::generate(self.tenant));
                    taken += u64::from(self.limiters[at].0.take(speaker, 1, now_ms).is_ok());
                }
                // Each tells at a moment of its own.
                if (now_ms + 70 * at as i64) % TELL_MS == 0 {
                    for usage in self.limiters[at].1.take(usize::MAX) {
                        for to in (0..self.limiters.len()).filter(|to| *to != at) {
                            let late_ms = self.below(WAY_MS as u64) as i64;
                            self.way.push((now_ms + late_ms, to, usage));
                        }
                    }
                }
            }
            taken
        }
    }

    #[test]
    fn servers_together_let_in_what_one_would_but_for_what_they_have_not_heard() {
        // Rates with their capacity and length, servers, what each is asked every ten milliseconds.
        for (rate, capacity, length_ms, count, asked) in [
            ("100:1", 100, 1_000, 3, 3),
            ("100:1", 100, 1_000, 5, 20),
            ("20:1", 20, 1_000, 10, 2),
            ("600:60", 600, 60_000, 3, 40),
            ("50:2", 50, 2_000, 2, 1),
        ] {
            for seed in 0..5 {
                let mut servers = Servers::new(count, rate, seed);
                let (mut sum, mut let_in) = (0, vec![0]);
                // Long enough that what is not paid back would be seen: 90 s.
                for step in 0..9_000 {
                    // Quiet for a while, now and then: buckets are full again.
                    let asked = if step % 3_000 < 2_000 { asked } else { 0 };
                    sum += servers.step(step * 10, asked);
                    let_in.push(sum);
                }
                let per_ms = capacity as f64 / length_ms as f64;
                let late_ms = (TELL_MS + WAY_MS + 20) as f64;
                let others = (count - 1) as f64 * (capacity as f64 + per_ms * late_ms);
                for steps in [10, 100, 500, 2_000, 9_000] {
                    let bound = capacity as f64 + per_ms * (steps * 10) as f64 + others;
                    let windows = let_in.iter().zip(let_in.iter().skip(steps));
                    let worst = windows.map(|(before, after)| after - before).max().unwrap();
                    assert!(worst as f64 <= bound, "{rate} {count}: {worst} in {steps} steps, bound {bound}");
                }
                // And it is no less than one server would: 60 s of asking.
                let due = per_ms * 60_000.0;
                let wanted = 60_000.0 / 10.0 * count as f64 * asked as f64 / 2.0;
                assert!(sum as f64 >= 0.85 * due.min(wanted), "{rate} {count}: {sum} of {due}");
            }
        }
    }

    #[test]
    fn servers_that_do_not_hear_of_each_other_would_let_in_more() {
        let mut servers = Servers::new(5, "100:1", 1);
        let mut sum = 0;
        for step in 0..3_000 {
            sum += servers.step(step * 10, 20);
            servers.way.clear();
        }
        assert!(sum > 5 * 100 * 30, "{sum}");
    }

    #[test]
    fn only_tenants_with_a_rate_are_told_of() {
        let limiter = Limiter::new(RateLimits {
            device: rates("1:1", "1:1", ""),
            ..RateLimits::default()
        });
        assert!(limiter.tell().is_none());
        let limiter = Limiter::new(RateLimits {
            tenant: rates("", "2:1", ""),
            ..RateLimits::default()
        });
        let [one, other] = std::array::from_fn(|_| TenantId::generate());
        let take = |tenant, values| limiter.take(Speaker::Device(DeviceId::generate(tenant)), values, 0);
        assert_eq!(take(one, 1), Ok(()));
        let tally = limiter.tell().unwrap();
        assert!(limiter.tell().is_none(), "it is told of once");
        assert_eq!(
            [take(one, 7), take(one, 1), take(other, 1)],
            [Ok(()), Err(Exceeded::Tenant), Ok(())]
        );
        let mut told = tally.take(9);
        told.sort_by_key(|usage| usage.tenant == other);
        let usage = |tenant, values| Usage {
            tenant,
            used: Used::message(values),
        };
        assert_eq!(told, [usage(one, 7), usage(other, 1)], "what was refused is not told");
        // What others used of one tenant costs no other.
        limiter.spend(usage(one, 1), 1_000);
        limiter.spend(usage(one, 1), 1_000);
        let take = |tenant| limiter.take(Speaker::Device(DeviceId::generate(tenant)), 1, 1_000);
        assert_eq!([take(one), take(other), take(other)], [Err(Exceeded::Tenant), Ok(()), Ok(())]);
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
