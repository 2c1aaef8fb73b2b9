//! Tells values that are far from what the same device reported lately: further than some deviations from the moving average.
//!
//! 1. [`window`] – the last values of a device, as they are kept, 2. this file – the node.

pub mod window;

use pacificsoft_sdk::{Configuration, Descriptor, Emission, Message, NewMessage, Outcome, RuleNode, Steps, relation, state};

use window::Window;

/// The node, by its configuration.
#[derive(Configuration)]
#[config(rename_all = "camelCase")]
pub struct AnomalyDetector {
    /// Path of the value in the payload.
    #[config(default = "temperature", title = "Key of the value")]
    key: String,
    /// Values of a device that the average is made of.
    #[config(default = 30, minimum = 2, maximum = 1000)]
    window: usize,
    /// Values that a device must have reported before any of them can be far off.
    #[config(default = 10, minimum = 2, maximum = 1000)]
    learning: usize,
    /// How many deviations from the average are too far.
    #[config(default = 4, above = 0)]
    deviations: f64,
    /// Values nearer to the average than this are never far off, however alike the last ones were.
    #[config(default = 0.5, minimum = 0)]
    tolerance: f64,
}

impl RuleNode for AnomalyDetector {
    const RELATIONS: &'static [&'static str] = &["Normal", "Anomaly", "Failure"];

    fn descriptor() -> Descriptor {
        Descriptor {
            type_name: "anomaly-detector",
            class_ids: &["org.example.AnomalyDetector"],
            title: "anomaly detector",
            family: "FILTER",
            description: "Is a value far from what the same device reported lately?",
            details: "Anomalies leave with the average and the deviation in their metadata. What was learned survives restarts and new versions; \
                      a node learns up to 1 000 devices.",
            icon: "query_stats",
            configuration_schema: Self::SCHEMA,
            default_configuration: Self::DEFAULT,
            state_schema: "anomaly-detector/1",
            ..Descriptor::new()
        }
    }

    fn open(configuration: &str) -> Result<Self, String> {
        let node = Self::parse(configuration)?;
        if node.learning > node.window {
            return Err("learning should be at most window: older values are forgotten".to_owned());
        }
        Ok(node)
    }

    fn process(&mut self, message: &Message) -> Result<Outcome, String> {
        const NORMAL: u32 = relation(AnomalyDetector::RELATIONS, "Normal");
        let value = message.number(&self.key).filter(|value| value.is_finite());
        let value = value.ok_or_else(|| format!("the message has no number {}", self.key))?;
        let device = message.originator().id;
        let mut window = state::get(&device).map_or_else(Window::default, |bytes| Window::read(&bytes));
        let (mean, deviation) = window.figures();
        let far = window.len() >= self.learning && (value - mean).abs() > self.tolerance.max(self.deviations * deviation);
        // Also what is far off is learned: when a device is moved, its new values become normal.
        window.push(value, self.window);
        state::set(&device, &window.bytes())?;
        if !far {
            return Ok(Outcome::Forward(NORMAL));
        }
        let mut metadata = message.metadata_entries();
        metadata.push(("average".to_owned(), format!("{mean:.3}")));
        metadata.push(("deviation".to_owned(), format!("{deviation:.3}")));
        let message = NewMessage {
            kind: None,
            originator: None,
            metadata: Some(metadata),
            payload: None,
        };
        let emission = Emission {
            relation: "Anomaly".to_owned(),
            message: Some(message),
        };
        Ok(Outcome::Steps(Steps {
            effects: Vec::new(),
            emissions: vec![emission],
        }))
    }
}

pacificsoft_sdk::export_nodes!(AnomalyDetector);

#[cfg(test)]
mod tests {
    use super::*;
    use pacificsoft_sdk::testing::{TestMessage, forget};

    fn node() -> AnomalyDetector {
        AnomalyDetector::open(r#"{"key": "t", "window": 8, "learning": 4}"#).expect("a configuration")
    }

    /// Whether each value is far off.
    fn told(node: &mut AnomalyDetector, values: &[f64]) -> Vec<bool> {
        let mut tell = |value: &f64| {
            let message = TestMessage::telemetry(&format!("{{\"t\": {value}}}"));
            !matches!(node.process(&message.message()), Ok(Outcome::Forward(0)))
        };
        values.iter().map(&mut tell).collect()
    }

    #[test]
    fn values_far_from_the_average_are_told_once_it_is_learned() {
        forget();
        let mut node = node();
        assert_eq!(told(&mut node, &[20.0, 90.0, 20.0]), [false; 3], "nothing is known yet");
        forget();
        assert_eq!(
            told(&mut node, &[20.0, 20.2, 19.8, 20.1, 20.4, 30.0, 20.0]),
            [false, false, false, false, false, true, false]
        );
        // A device that was moved: soon its new values are normal.
        let moved = told(&mut node, &[40.0; 8]);
        assert!(moved[0] && !moved[7], "{moved:?}");
    }

    #[test]
    fn alike_values_allow_the_tolerance() {
        forget();
        assert_eq!(
            told(&mut node(), &[20.0, 20.0, 20.0, 20.0, 20.4, 21.5]),
            [false, false, false, false, false, true]
        );
    }

    #[test]
    fn an_anomaly_says_what_was_expected_and_memory_outlives_the_node() {
        forget();
        told(&mut node(), &[10.0, 10.0, 10.0, 10.0]);
        let message = TestMessage::telemetry(r#"{"t": 50}"#).with("deviceName", "D");
        let Ok(Outcome::Steps(steps)) = node().process(&message.message()) else {
            panic!("it is far off")
        };
        let metadata = steps.emissions[0]
            .message
            .as_ref()
            .and_then(|message| message.metadata.clone())
            .expect("metadata");
        for wanted in [("deviceName", "D"), ("average", "10.000"), ("deviation", "0.000")] {
            assert!(metadata.iter().any(|(key, value)| (&**key, &**value) == wanted), "{metadata:?}");
        }
    }

    #[test]
    fn configurations_that_make_no_sense_are_refused() {
        for (configuration, says) in [
            (r#"{"window": 5, "learning": 6}"#, "learning should be at most window"),
            (r#"{"window": 1}"#, "window should be at least 2"),
            (r#"{"deviations": 0}"#, "deviations should be more than 0"),
            (r#"{"key": 5}"#, "key should be a text"),
        ] {
            let refused = AnomalyDetector::open(configuration).map(drop).expect_err(configuration);
            assert!(refused.contains(says), "{refused}");
        }
        let message = TestMessage::telemetry(r#"{"humidity": 50}"#);
        assert_eq!(node().process(&message.message()), Err("the message has no number t".to_owned()));
    }
}
