//! Devices that publish numbers as fast as they are acknowledged, until told to stop; then every number must be there, in order.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;

use serde_json::{Value as Json, json};

use crate::rest::Rest;
use crate::server::Server;
use crate::wire::{Wire, publish};

/// Publishes of a device that are not acknowledged yet, at most.
const WINDOW: u64 = 32;

/// Devices at work.
pub struct Traffic {
    stop: Arc<AtomicBool>,
    devices: Vec<(Arc<AtomicU64>, JoinHandle<u64>)>,
}

impl Traffic {
    /// Connects a device for each access token, and begins. A device's numbers count from 0, its times from 1.
    pub fn start(server: &Server, tokens: &[&str]) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let devices = tokens.iter().map(|token| {
            let (wire, stop, count) = (
                Wire::connect(server.mqtt_port, token, 4),
                Arc::clone(&stop),
                Arc::new(AtomicU64::new(0)),
            );
            let counted = Arc::clone(&count);
            (count, std::thread::spawn(move || device(wire, &stop, &counted)))
        });
        let devices = devices.collect();
        Traffic { stop, devices }
    }

    /// Waits until each device has so many more acknowledgements.
    pub fn flows(&self, more: u64) {
        for (count, _) in &self.devices {
            let until = count.load(Ordering::Acquire) + more;
            crate::until("messages flow", || count.load(Ordering::Acquire) >= until);
        }
    }

    /// How many messages are acknowledged by now, of all devices.
    pub fn acknowledged(&self) -> u64 {
        self.devices.iter().map(|(count, _)| count.load(Ordering::Acquire)).sum()
    }

    /// Stops, and answers how many messages each device sent; all are acknowledged.
    pub fn stop(self) -> Vec<u64> {
        self.stop.store(true, Ordering::Release);
        self.devices.into_iter().map(|(_, thread)| thread.join().unwrap()).collect()
    }
}

fn device(mut wire: Wire, stop: &AtomicBool, count: &AtomicU64) -> u64 {
    let mut sent = 0u64;
    loop {
        let done = count.load(Ordering::Acquire);
        let stopping = stop.load(Ordering::Acquire);
        if stopping && sent == done {
            return sent;
        }
        while !stopping && sent - done < WINDOW {
            let payload = json!({"ts": sent + 1, "values": {"n": sent}}).to_string();
            assert!(wire.send(&publish(id(sent), "v1/devices/me/telemetry", payload.as_bytes(), 4)));
            sent += 1;
        }
        let packet = wire.packet().expect("an acknowledgement");
        let wanted = id(done).to_be_bytes();
        assert_eq!((packet[0], &packet[2..4]), (0x40, &wanted[..]), "in the order of the publishes");
        count.store(done + 1, Ordering::Release);
    }
}

fn id(number: u64) -> u16 {
    u16::try_from(number % 60_000).unwrap() + 1
}

/// Readings asked for at once; the API answers no more than 100 000 of a key.
const CHUNK: u64 = 50_000;

/// What is stored of a device's time series under some keys, oldest first; every number it sent must be there once, in order.
pub fn all_stored(rest: &Rest, device: &str, sent: u64, keys: &[&str]) -> BTreeMap<String, Vec<Json>> {
    let mut stored: BTreeMap<String, Vec<Json>> = BTreeMap::new();
    for from in (1..=sent).step_by(usize::try_from(CHUNK).unwrap()) {
        let path = format!(
            "/api/plugins/telemetry/DEVICE/{device}/values/timeseries?useStrictDataTypes=true&keys={}&startTs={from}&endTs={}&limit=100000&orderBy=ASC",
            keys.join(","),
            from + CHUNK
        );
        let mut chunk = rest.get(&path);
        for key in keys {
            if let Json::Array(readings) = chunk[*key].take() {
                let values = readings.into_iter().map(|mut reading| reading["value"].take());
                stored.entry((*key).to_owned()).or_default().extend(values);
            }
        }
    }
    let numbers: Vec<u64> = stored["n"].iter().map(|value| value.as_u64().unwrap()).collect();
    assert_eq!(numbers.len() as u64, sent, "every acknowledged message is stored");
    assert!(numbers.into_iter().eq(0..sent), "once, and in order");
    stored
}
