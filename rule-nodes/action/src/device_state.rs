//! device state: says that the originator, a device, has connected, gone, spoken or fallen silent – for devices that are reached by another way
//! than a session of their own.

use std::collections::HashMap;

use pacificsoft_sdk::{Descriptor, Effect, Message, Outcome, PresenceEvent, ReportPresence, RuleNode, now_ms, relation};
use serde::Deserialize;

/// Events of a device at most: so many in so many milliseconds, for each of these.
const RATES: [(f64, f64); 3] = [(1.0, 1_000.0), (30.0, 60_000.0), (60.0, 3_600_000.0)];
/// Devices whose events are counted. Beyond it those that have been silent longest are forgotten: they have their whole rate again.
const DEVICES_MAX: usize = 2_000;

/// The node.
pub struct DeviceState {
    event: PresenceEvent,
    /// By the device's id.
    counted: HashMap<String, Counted>,
}

#[derive(Deserialize)]
struct Configuration {
    event: String,
}

impl RuleNode for DeviceState {
    const RELATIONS: &'static [&'static str] = &["Success", "Failure", "Rate limited"];

    fn descriptor() -> Descriptor {
        Descriptor {
            type_name: "device-state",
            class_ids: &["org.thingsboard.rule.engine.action.TbDeviceStateNode"],
            title: "device state",
            family: "ACTION",
            description: "Says that the originator, a device, has connected, disconnected, become active or inactive.",
            details: "For devices that do not speak to the platform themselves. The time is that of the metadata ts, else the message's. Of a device one event in a second, 30 in a minute and 60 in an hour count; messages beyond leave along Rate limited.",
            icon: "flag",
            configuration_schema: r#"{"type":"object","required":["event"],"properties":{"event":{"enum":["ACTIVITY_EVENT","INACTIVITY_EVENT","CONNECT_EVENT","DISCONNECT_EVENT"]}}}"#,
            default_configuration: r#"{"event":"ACTIVITY_EVENT"}"#,
            effects: &["report-presence"],
            ..Descriptor::new()
        }
    }

    fn open(configuration: &str) -> Result<Self, String> {
        let own: Configuration = serde_json::from_str(configuration).map_err(|error| error.to_string())?;
        let event = match own.event.as_str() {
            "CONNECT_EVENT" => PresenceEvent::Connected,
            "DISCONNECT_EVENT" => PresenceEvent::Disconnected,
            "ACTIVITY_EVENT" => PresenceEvent::Active,
            "INACTIVITY_EVENT" => PresenceEvent::Inactive,
            other => return Err(["there is no event ", other].concat()),
        };
        Ok(DeviceState {
            event,
            counted: HashMap::new(),
        })
    }

    fn process(&mut self, message: &Message) -> Result<Outcome, String> {
        const LIMITED: u32 = relation(DeviceState::RELATIONS, "Rate limited");
        let originator = message.originator();
        if originator.entity_type != "DEVICE" {
            return Err("the originator is not a device".to_owned());
        }
        if !self.takes(&originator.id, now_ms()) {
            return Ok(Outcome::Forward(LIMITED));
        }
        let told = message.metadata("ts").and_then(|ts| ts.parse().ok());
        Ok(Outcome::Effect(Effect::ReportPresence(ReportPresence {
            device: None,
            event: self.event,
            timestamp: Some(told.unwrap_or_else(|| message.timestamp())),
        })))
    }
}

/// What is left of each rate.
struct Counted {
    left: [f64; 3],
    at_ms: i64,
}

impl DeviceState {
    /// Whether a device may have one more event.
    fn takes(&mut self, device: &str, now_ms: i64) -> bool {
        if !self.counted.contains_key(device) {
            if self.counted.len() >= DEVICES_MAX {
                self.forget();
            }
            let whole = Counted {
                left: RATES.map(|(count, _)| count),
                at_ms: now_ms,
            };
            self.counted.insert(device.to_owned(), whole);
        }
        self.counted.get_mut(device).is_some_and(|counted| counted.take(now_ms))
    }

    /// Forgets the half that has been silent longest.
    fn forget(&mut self) {
        let mut times: Vec<i64> = self.counted.values().map(|counted| counted.at_ms).collect();
        times.sort_unstable();
        let middle = times[times.len() / 2];
        self.counted.retain(|_, counted| counted.at_ms > middle);
    }
}

impl Counted {
    fn take(&mut self, now_ms: i64) -> bool {
        let passed_ms = (now_ms - self.at_ms).max(0) as f64;
        self.at_ms = now_ms;
        for (left, (count, in_ms)) in self.left.iter_mut().zip(RATES) {
            *left = (*left + passed_ms * count / in_ms).min(count);
        }
        let takes = self.left.iter().all(|left| *left >= 1.0);
        if takes {
            self.left.iter_mut().for_each(|left| *left -= 1.0);
        }
        takes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::effect;
    use pacificsoft_sdk::testing::platform::id;
    use pacificsoft_sdk::testing::{TestMessage, set_now_ms};

    fn node(event: &str) -> DeviceState {
        DeviceState::open(&format!(r#"{{"event":"{event}"}}"#)).expect("valid")
    }

    #[test]
    fn each_event_is_reported_with_its_time() {
        for (name, event) in [
            ("CONNECT_EVENT", PresenceEvent::Connected),
            ("DISCONNECT_EVENT", PresenceEvent::Disconnected),
            ("ACTIVITY_EVENT", PresenceEvent::Active),
            ("INACTIVITY_EVENT", PresenceEvent::Inactive),
        ] {
            let message = TestMessage::telemetry("{}").with("ts", "77");
            let Effect::ReportPresence(report) = effect(node(name).process(&message.message())) else {
                panic!("a report")
            };
            assert_eq!((report.event, report.timestamp, report.device), (event, Some(77), None));
        }
        let Effect::ReportPresence(report) = effect(node("ACTIVITY_EVENT").process(&TestMessage::telemetry("{}").message())) else {
            panic!("a report")
        };
        assert_eq!(report.timestamp, Some(1_700_000_000_000), "the message's own time");
        let asset = TestMessage::telemetry("{}").from(id("ASSET", 1));
        assert!(node("ACTIVITY_EVENT").process(&asset.message()).is_err());
        assert!(DeviceState::open(r#"{"event":"EARTHQUAKE"}"#).is_err());
        DeviceState::open(DeviceState::descriptor().default_configuration).expect("the default");
    }

    #[test]
    fn a_device_has_a_rate_of_its_own() {
        let mut node = node("ACTIVITY_EVENT");
        let mut at = |now_ms: i64, device: u32| {
            set_now_ms(now_ms);
            let message = TestMessage::telemetry("{}").from(id("DEVICE", device));
            !matches!(node.process(&message.message()), Ok(Outcome::Forward(2)))
        };
        assert_eq!([at(0, 1), at(999, 1), at(0, 2), at(1_999, 1)], [true, false, true, true]);
        // One in a second for a minute and a half: thirty in a minute and what the minutes bring, then no more.
        let taken = (2..200).filter(|second| at(10_000 + second * 1_000, 1)).count();
        assert!((60..66).contains(&taken), "{taken} of an hour");
    }

    #[test]
    fn many_devices_take_no_more_memory() {
        let mut node = node("ACTIVITY_EVENT");
        for device in 0..10_000 {
            assert!(node.takes(&device.to_string(), device));
        }
        assert!(node.counted.len() <= DEVICES_MAX);
    }
}
