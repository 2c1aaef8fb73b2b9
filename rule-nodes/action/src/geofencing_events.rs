//! gps geofencing events: when an originator enters or leaves a perimeter, and when it has stayed there. Where each originator is, and since
//! when, is kept by the node.

use pacificsoft_sdk::perimeter::Fence;
use pacificsoft_sdk::{Descriptor, Message, Outcome, RuleNode, now_ms, relation, state};
use serde::Deserialize;

/// The node.
pub struct GeofencingEvents {
    fence: Fence,
    own: Own,
}

/// The part of the configuration that is this node's alone.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Own {
    #[serde(default = "one")]
    min_inside_duration: u64,
    #[serde(default = "one")]
    min_outside_duration: u64,
    #[serde(default)]
    min_inside_duration_time_unit: TimeUnit,
    #[serde(default)]
    min_outside_duration_time_unit: TimeUnit,
    #[serde(default)]
    report_presence_status_on_each_message: bool,
}

fn one() -> u64 {
    1
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
enum TimeUnit {
    Milliseconds,
    Seconds,
    #[default]
    Minutes,
    Hours,
    Days,
}

impl TimeUnit {
    fn ms(self, count: u64) -> u64 {
        count.saturating_mul(match self {
            TimeUnit::Milliseconds => 1,
            TimeUnit::Seconds => 1_000,
            TimeUnit::Minutes => 60_000,
            TimeUnit::Hours => 3_600_000,
            TimeUnit::Days => 86_400_000,
        })
    }
}

/// Where an originator is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Presence {
    inside: bool,
    /// Whether it was reported that it stays.
    stayed: bool,
    since_ms: i64,
}

impl Presence {
    fn read(bytes: &[u8]) -> Option<Self> {
        let (flags, since_ms) = bytes.split_first()?;
        Some(Presence {
            inside: flags & 1 != 0,
            stayed: flags & 2 != 0,
            since_ms: i64::from_be_bytes(since_ms.try_into().ok()?),
        })
    }

    fn bytes(self) -> [u8; 9] {
        let mut bytes = [0; 9];
        bytes[0] = u8::from(self.inside) | (u8::from(self.stayed) << 1);
        bytes[1..].copy_from_slice(&self.since_ms.to_be_bytes());
        bytes
    }
}

impl RuleNode for GeofencingEvents {
    const RELATIONS: &'static [&'static str] = &["Success", "Entered", "Left", "Inside", "Outside", "Failure"];

    fn descriptor() -> Descriptor {
        Descriptor {
            type_name: "gps-geofencing-events",
            class_ids: &["org.thingsboard.rule.engine.geo.TbGpsGeofencingActionNode"],
            title: "gps geofencing events",
            family: "ACTION",
            description: "Tells when an originator enters or leaves a perimeter, and when it has stayed inside or outside for a time.",
            details: "Entered or Left: the first message, and whenever the border was crossed since the one before. Inside or Outside: once, by the first message after the time, or by each message. Other messages leave along Success. A thousand originators at most; messages of others leave along Failure. Coordinates and perimeters are as in the filter.",
            icon: "fence",
            configuration_schema: concat!(
                r#"{"type":"object","required":["latitudeKeyName","longitudeKeyName","perimeterType"],"properties":{"#,
                r#""latitudeKeyName":{"type":"string","minLength":1},"longitudeKeyName":{"type":"string","minLength":1},"#,
                r#""perimeterType":{"enum":["CIRCLE","POLYGON"]},"fetchPerimeterInfoFromMessageMetadata":{"type":"boolean"},"#,
                r#""perimeterKeyName":{"type":["string","null"]},"polygonsDefinition":{"type":["string","null"]},"#,
                r#""centerLatitude":{"type":["number","null"]},"centerLongitude":{"type":["number","null"]},"#,
                r#""range":{"type":["number","null"]},"rangeUnit":{"enum":["METER","KILOMETER","FOOT","MILE","NAUTICAL_MILE",null]},"#,
                r#""minInsideDuration":{"type":"integer","minimum":0},"minOutsideDuration":{"type":"integer","minimum":0},"#,
                r#""minInsideDurationTimeUnit":{"enum":["MILLISECONDS","SECONDS","MINUTES","HOURS","DAYS"]},"#,
                r#""minOutsideDurationTimeUnit":{"enum":["MILLISECONDS","SECONDS","MINUTES","HOURS","DAYS"]},"#,
                r#""reportPresenceStatusOnEachMessage":{"type":"boolean"}}}"#
            ),
            default_configuration: r#"{"latitudeKeyName":"latitude","longitudeKeyName":"longitude","perimeterType":"POLYGON","fetchPerimeterInfoFromMessageMetadata":true,"perimeterKeyName":"ss_perimeter","minInsideDurationTimeUnit":"MINUTES","minOutsideDurationTimeUnit":"MINUTES","minInsideDuration":1,"minOutsideDuration":1,"reportPresenceStatusOnEachMessage":true}"#,
            version: 1,
            state_schema: "presence/1",
            ..Descriptor::new()
        }
    }

    fn open(configuration: &str) -> Result<Self, String> {
        let fence: Fence = serde_json::from_str(configuration).map_err(|error| error.to_string())?;
        let own = serde_json::from_str(configuration).map_err(|error| error.to_string())?;
        let fence = fence.checked()?;
        Ok(GeofencingEvents { fence, own })
    }

    /// Configurations of version 0 report a presence once.
    fn upgrade(from_version: u32, configuration: &str) -> Result<String, String> {
        let mut json: serde_json::Value = serde_json::from_str(configuration).map_err(|error| error.to_string())?;
        if let Some(fields) = json.as_object_mut().filter(|_| from_version == 0) {
            fields.entry("reportPresenceStatusOnEachMessage").or_insert_with(|| false.into());
        }
        Ok(json.to_string())
    }

    fn process(&mut self, message: &Message) -> Result<Outcome, String> {
        let inside = self.fence.holds(message)?;
        let originator = message.originator();
        let key = [&originator.entity_type, "/", &originator.id].concat();
        let before = state::get(&key).and_then(|bytes| Presence::read(&bytes));
        let (now, relation) = self.own.step(before, inside, now_ms());
        if before != Some(now) {
            state::set(&key, &now.bytes())?;
        }
        Ok(Outcome::Forward(relation))
    }
}

const SUCCESS: u32 = relation(GeofencingEvents::RELATIONS, "Success");
const ENTERED: u32 = relation(GeofencingEvents::RELATIONS, "Entered");
const LEFT: u32 = relation(GeofencingEvents::RELATIONS, "Left");
const INSIDE: u32 = relation(GeofencingEvents::RELATIONS, "Inside");
const OUTSIDE: u32 = relation(GeofencingEvents::RELATIONS, "Outside");

impl Own {
    /// Where it is now, and the relation that tells it.
    fn step(&self, before: Option<Presence>, inside: bool, now_ms: i64) -> (Presence, u32) {
        let Some(before) = before.filter(|before| before.inside == inside) else {
            let now = Presence {
                inside,
                stayed: false,
                since_ms: now_ms,
            };
            return (now, if inside { ENTERED } else { LEFT });
        };
        let here = if inside { INSIDE } else { OUTSIDE };
        if self.report_presence_status_on_each_message {
            return (before, here);
        }
        let least_ms = if inside {
            self.min_inside_duration_time_unit.ms(self.min_inside_duration)
        } else {
            self.min_outside_duration_time_unit.ms(self.min_outside_duration)
        };
        let stays = !before.stayed && now_ms.saturating_sub(before.since_ms).max(0).unsigned_abs() > least_ms;
        let now = Presence {
            stayed: before.stayed || stays,
            ..before
        };
        (now, if stays { here } else { SUCCESS })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pacificsoft_sdk::testing::platform::id;
    use pacificsoft_sdk::testing::{TestMessage, forget, set_now_ms};

    const FENCE: &str =
        r#""latitudeKeyName":"lat","longitudeKeyName":"lon","perimeterType":"POLYGON","polygonsDefinition":"[[0,0],[0,2],[2,2],[2,0]]""#;

    fn node(rest: &str) -> GeofencingEvents {
        GeofencingEvents::open(&format!("{{{FENCE}{rest}}}")).expect("valid")
    }

    fn at(node: &mut GeofencingEvents, inside: bool, now_ms: i64, device: u32) -> &'static str {
        set_now_ms(now_ms);
        let lat = if inside { 1 } else { 9 };
        let message = TestMessage::telemetry(&format!(r#"{{"lat":{lat},"lon":1}}"#)).from(id("DEVICE", device));
        match node.process(&message.message()) {
            Ok(Outcome::Forward(relation)) => GeofencingEvents::RELATIONS[relation as usize],
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn crossings_are_told_once_and_stays_after_their_time() {
        forget();
        let rest =
            r#","minInsideDuration":2,"minInsideDurationTimeUnit":"SECONDS","minOutsideDuration":1,"minOutsideDurationTimeUnit":"SECONDS""#;
        let mut node = node(rest);
        for (inside, now_ms, expected) in [
            (true, 10_000, "Entered"),
            (true, 12_000, "Success"),
            (true, 12_001, "Inside"),
            (true, 20_000, "Success"),
            (false, 21_000, "Left"),
            (false, 22_001, "Outside"),
            (true, 22_002, "Entered"),
        ] {
            assert_eq!(at(&mut node, inside, now_ms, 1), expected, "at {now_ms}");
        }
        assert_eq!(at(&mut node, false, 30_000, 2), "Left", "another one, for the first time");
        // Another instance knows what this one knew.
        assert_eq!(at(&mut self::node(rest), true, 30_000, 1), "Inside");
    }

    #[test]
    fn each_message_may_tell_where_it_is() {
        forget();
        let mut node = node(r#","reportPresenceStatusOnEachMessage":true"#);
        let told: Vec<_> = [true, true, true, false, false].map(|inside| at(&mut node, inside, 1, 1)).into();
        assert_eq!(told, ["Entered", "Inside", "Inside", "Left", "Outside"]);
        let old = GeofencingEvents::upgrade(0, &format!("{{{FENCE}}}")).expect("an object");
        assert!(old.contains(r#""reportPresenceStatusOnEachMessage":false"#));
        GeofencingEvents::open(&old).expect("valid");
        GeofencingEvents::open(GeofencingEvents::descriptor().default_configuration).expect("the default");
        assert!(GeofencingEvents::open(&format!(r#"{{{FENCE},"minInsideDurationTimeUnit":"MOONS"}}"#)).is_err());
    }
}
