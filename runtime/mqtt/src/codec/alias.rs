//! Numbers that a device gives to topics so as not to repeat them (MQTT 5, 3.3.2.3.4). Pure.

use super::FrameError;

/// Topics that may have a number, told to devices that speak MQTT 5.
pub(super) const ALIASES_MAX: u16 = 16;
/// Bytes of a topic with a number at most. No topic of a device API is nearly as long.
const TOPIC_BYTES_MAX: usize = 1024;

/// What the numbers of a connection stand for.
#[derive(Debug, Default)]
pub(super) struct TopicAliases(Vec<Option<Box<str>>>);

impl TopicAliases {
    /// The topic of a publish, which may stand there, or its number, or both.
    ///
    /// # Errors
    /// [`FrameError`]: the connection cannot go on.
    pub(super) fn resolve(&mut self, topic: String, alias: Option<u16>) -> Result<String, FrameError> {
        let Some(alias) = alias else {
            return if topic.is_empty() {
                Err(FrameError::Protocol("a PUBLISH without topic"))
            } else {
                Ok(topic)
            };
        };
        if !(1..=ALIASES_MAX).contains(&alias) || topic.len() > TOPIC_BYTES_MAX {
            return Err(FrameError::TopicAlias);
        }
        let place = usize::from(alias - 1);
        if topic.is_empty() {
            let known = self.0.get(place).and_then(Option::as_deref);
            return known
                .map(str::to_owned)
                .ok_or(FrameError::Protocol("a topic alias that was not given"));
        }
        if self.0.len() <= place {
            self.0.resize(place + 1, None);
        }
        self.0[place] = Some(topic.as_str().into());
        Ok(topic)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stand_for_the_topics_last_given() {
        let mut aliases = TopicAliases::default();
        let long = "x".repeat(TOPIC_BYTES_MAX + 1);
        for (topic, alias, expected) in [
            ("a", None, Ok("a")),
            ("", None, Err(FrameError::Protocol("a PUBLISH without topic"))),
            ("", Some(1), Err(FrameError::Protocol("a topic alias that was not given"))),
            ("b", Some(2), Ok("b")),
            ("", Some(2), Ok("b")),
            ("", Some(1), Err(FrameError::Protocol("a topic alias that was not given"))),
            ("c", Some(2), Ok("c")),
            ("", Some(2), Ok("c")),
            ("d", Some(ALIASES_MAX), Ok("d")),
            ("d", Some(0), Err(FrameError::TopicAlias)),
            ("d", Some(ALIASES_MAX + 1), Err(FrameError::TopicAlias)),
            (&long, Some(1), Err(FrameError::TopicAlias)),
        ] {
            assert_eq!(
                aliases.resolve(topic.to_owned(), alias).as_deref(),
                expected.as_ref().copied(),
                "{topic} {alias:?}"
            );
        }
    }
}
