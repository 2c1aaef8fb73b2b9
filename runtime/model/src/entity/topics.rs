//! MQTT topics of a device profile's own, beside those that all devices have.

use serde_json::Value as JsonValue;

/// Bytes of a topic filter.
const FILTER_BYTES_MAX: usize = 255;

const TELEMETRY: &str = "v1/devices/me/telemetry";
const ATTRIBUTES: &str = "v1/devices/me/attributes";

/// What the devices of a profile call the topics of the device API: `deviceTelemetryTopic`, `deviceAttributesTopic` and
/// `deviceAttributesSubscribeTopic` of its `transportConfiguration`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnTopics {
    telemetry: Option<Box<str>>,
    attributes: Option<Box<str>>,
    attributes_subscribe: Option<Box<str>>,
}

/// A profile's topics cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TopicsError {
    /// No topic filter (MQTT 3.1.1, 4.7).
    #[error("{0} must be a topic filter of MQTT of {FILTER_BYTES_MAX} bytes at most!")]
    NoFilter(&'static str),
    /// The server publishes there.
    #[error("{0} must not have wildcards!")]
    Wildcard(&'static str),
    /// Nobody could tell what a message is.
    #[error("deviceTelemetryTopic and deviceAttributesTopic must not be the same!")]
    Same,
}

impl OwnTopics {
    /// What a profile's `transportConfiguration` says; none: nothing but what all devices have.
    ///
    /// # Errors
    /// [`TopicsError`]
    pub fn read(configuration: &JsonValue) -> Result<Option<Self>, TopicsError> {
        let said = |name: &'static str, usual: &str| {
            let filter = configuration.get(name).and_then(JsonValue::as_str).unwrap_or_default();
            if filter.is_empty() || filter == usual {
                return Ok(None);
            }
            is_filter(filter)
                .then(|| Some(Box::from(filter)))
                .ok_or(TopicsError::NoFilter(name))
        };
        let own = OwnTopics {
            telemetry: said("deviceTelemetryTopic", TELEMETRY)?,
            attributes: said("deviceAttributesTopic", ATTRIBUTES)?,
            attributes_subscribe: said("deviceAttributesSubscribeTopic", ATTRIBUTES)?,
        };
        if own.attributes_subscribe.as_ref().is_some_and(|topic| topic.contains(['+', '#'])) {
            return Err(TopicsError::Wildcard("deviceAttributesSubscribeTopic"));
        }
        if own.telemetry.is_some() && own.telemetry == own.attributes {
            return Err(TopicsError::Same);
        }
        let says_nothing = own.telemetry.is_none() && own.attributes.is_none() && own.attributes_subscribe.is_none();
        Ok((!says_nothing).then_some(own))
    }

    /// The usual name of a topic to which a device publishes; none: it is none of these.
    pub fn published(&self, topic: &str) -> Option<&'static str> {
        let is = |filter: &Option<Box<str>>| filter.as_ref().is_some_and(|filter| covers(filter, topic));
        match () {
            () if is(&self.telemetry) => Some(TELEMETRY),
            () if is(&self.attributes) => Some(ATTRIBUTES),
            () => None,
        }
    }

    /// The usual name of a topic to which a device subscribes; none: it is none of these.
    pub fn subscribed(&self, filter: &str) -> Option<&'static str> {
        (self.attributes_subscribe.as_deref() == Some(filter)).then_some(ATTRIBUTES)
    }

    /// Where a device is told of attributes that subscribed by its own name for them.
    pub fn attributes_told(&self) -> Option<&str> {
        self.attributes_subscribe.as_deref()
    }
}

/// Levels may be empty; `+` and `#` stand alone in theirs, `#` in the last one (MQTT 3.1.1, 4.7.1). A `$` first is the server's own.
fn is_filter(filter: &str) -> bool {
    let mut levels = filter.split('/').peekable();
    let mut well_formed = filter.len() <= FILTER_BYTES_MAX && !filter.contains('\0') && !filter.starts_with('$');
    while let Some(level) = levels.next() {
        well_formed &= match level {
            "#" => levels.peek().is_none(),
            "+" => true,
            level => !level.contains(['+', '#']),
        };
    }
    well_formed
}

/// Whether a topic is one that a filter means (MQTT 3.1.1, 4.7.1): `#` also means the level above it.
fn covers(filter: &str, topic: &str) -> bool {
    if topic.starts_with('$') {
        return false;
    }
    let mut levels = topic.split('/');
    for wanted in filter.split('/') {
        match (wanted, levels.next()) {
            ("#", _) => return true,
            ("+", Some(_)) => {}
            (wanted, Some(level)) if wanted == level => {}
            _ => return false,
        }
    }
    levels.next().is_none()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn filters_cover_what_mqtt_says() {
        for (filter, topic, covered) in [
            ("sport/tennis/#", "sport/tennis", true),
            ("sport/tennis/#", "sport/tennis/a/b", true),
            ("sport/tennis/+", "sport/tennis/a", true),
            ("sport/tennis/+", "sport/tennis/a/b", false),
            ("sport/+", "sport", false),
            ("sport/+", "sport/", true),
            ("+/+", "/finance", true),
            ("+", "/finance", false),
            ("#", "anything/at/all", true),
            ("#", "$SYS/x", false),
            ("a/b", "a/b/c", false),
            ("a/b/c", "a/b", false),
        ] {
            assert_eq!(covers(filter, topic), covered, "{filter} {topic}");
        }
        for filter in ["a+", "a/#/b", "#a", "a/b#", "$share/x", "a\0"] {
            assert!(!is_filter(filter), "{filter:?}");
        }
        for filter in ["/", "+", "#", "a//b", "+/#", "a b/ü"] {
            assert!(is_filter(filter), "{filter:?}");
        }
    }

    #[test]
    fn what_is_usual_is_not_own() {
        for configuration in [
            json!(null),
            json!({"type": "DEFAULT"}),
            json!({"deviceTelemetryTopic": TELEMETRY, "deviceAttributesTopic": "", "deviceAttributesSubscribeTopic": ATTRIBUTES}),
        ] {
            assert_eq!(OwnTopics::read(&configuration), Ok(None), "{configuration}");
        }
    }

    #[test]
    fn own_names_mean_the_usual_ones() {
        let configuration = json!({
            "deviceTelemetryTopic": "plant/+/values", "deviceAttributesTopic": "plant/#", "deviceAttributesSubscribeTopic": "plant/told",
        });
        let own = OwnTopics::read(&configuration).unwrap().unwrap();
        assert_eq!(own.published("plant/7/values"), Some(TELEMETRY));
        assert_eq!(own.published("plant/7/state"), Some(ATTRIBUTES));
        assert_eq!(own.published("v1/devices/me/telemetry"), None);
        assert_eq!((own.subscribed("plant/told"), own.subscribed("plant/+")), (Some(ATTRIBUTES), None));
        assert_eq!(own.attributes_told(), Some("plant/told"));
    }

    #[test]
    fn topics_that_cannot_work_are_refused() {
        for (configuration, error) in [
            (
                json!({"deviceTelemetryTopic": "a/#/b"}),
                TopicsError::NoFilter("deviceTelemetryTopic"),
            ),
            (
                json!({"deviceAttributesTopic": "a".repeat(256)}),
                TopicsError::NoFilter("deviceAttributesTopic"),
            ),
            (
                json!({"deviceAttributesSubscribeTopic": "a/+"}),
                TopicsError::Wildcard("deviceAttributesSubscribeTopic"),
            ),
            (
                json!({"deviceTelemetryTopic": "a", "deviceAttributesTopic": "a"}),
                TopicsError::Same,
            ),
        ] {
            assert_eq!(OwnTopics::read(&configuration), Err(error), "{configuration}");
        }
    }
}
