//! How an alarm's details are made.

use pacificsoft_sdk::reads::active_alarm;
use pacificsoft_sdk::{Content, Message};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::scripts::{Chosen, Scripts};

/// What ThingsBoard writes into a new node, in both languages: what there is stays, and where there is nothing it is an empty object.
pub const DEFAULTS: [&str; 2] = [
    "var details = {};
if (metadata.prevAlarmDetails) {
    details = JSON.parse(metadata.prevAlarmDetails);
    delete metadata.prevAlarmDetails;
}
return details;",
    "var details = {};
if (metadata.prevAlarmDetails != null) {
    details = JSON.parse(metadata.prevAlarmDetails);
    metadata.remove('prevAlarmDetails');
}
return details;",
];

/// How details are made of a message and of those there are.
pub trait Details: Sized {
    /// Reads what a configuration says of it; none: nothing.
    ///
    /// # Errors
    /// Why that cannot be done, in words for the configuration's author.
    fn open(scripts: Scripts) -> Result<Option<Self>, String>;

    /// Makes them.
    ///
    /// # Errors
    /// Why there are none.
    fn make(&mut self, message: &Message, previous: Previous) -> Result<Content, String>;
}

/// The part of a configuration that says how details are made.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DetailsConfiguration {
    #[serde(default)]
    script_lang: Option<String>,
    #[serde(default)]
    alarm_details_build_js: Option<String>,
    #[serde(default)]
    alarm_details_build_tbel: Option<String>,
}

impl DetailsConfiguration {
    pub(crate) fn open<D: Details>(self) -> Result<Option<D>, String> {
        D::open(Scripts {
            language: self.script_lang,
            js: self.alarm_details_build_js,
            tbel: self.alarm_details_build_tbel,
            name: "alarmDetailsBuildJs",
        })
    }
}

/// The alarm that is active.
#[derive(Deserialize)]
struct Active {
    #[serde(default)]
    details: Option<Box<RawValue>>,
}

/// What there is before details are made.
pub enum Previous {
    /// No alarm is active.
    NoAlarm,
    /// One is, with these details, as JSON.
    Alarm(Option<String>),
}

impl Previous {
    /// Reads what is active of the message's originator.
    ///
    /// # Errors
    /// When it is not in the form that alarms have.
    pub fn read(message: &Message, alarm_type: &str) -> Result<Self, String> {
        let Some(alarm) = active_alarm(&message.originator(), alarm_type) else {
            return Ok(Previous::NoAlarm);
        };
        let Active { details } = serde_json::from_str(&alarm).map_err(|error| error.to_string())?;
        let details = details.map(|json| json.get().to_owned());
        Ok(Previous::Alarm(details.filter(|json| json != "null")))
    }
}

impl From<Previous> for Option<String> {
    fn from(previous: Previous) -> Self {
        match previous {
            Previous::NoAlarm => None,
            Previous::Alarm(details) => details,
        }
    }
}

/// Details that stay, as ThingsBoard's own script has it: no interpreter is needed.
#[derive(Debug)]
pub struct KeptDetails;

impl Details for KeptDetails {
    fn open(scripts: Scripts) -> Result<Option<Self>, String> {
        match scripts.chosen(&DEFAULTS)? {
            None => Ok(None),
            Some(Chosen::Default) => Ok(Some(KeptDetails)),
            Some(Chosen::Own(_)) => Err("the script has to be run".to_owned()),
        }
    }

    fn make(&mut self, _: &Message, previous: Previous) -> Result<Content, String> {
        let kept: Option<String> = previous.into();
        Ok(Content::Json(kept.unwrap_or_else(|| "{}".to_owned())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pacificsoft_sdk::testing::{TestMessage, forget, platform};
    use serde_json::{Value as Json, json};

    fn opened(configuration: &Json) -> Result<Option<KeptDetails>, String> {
        let own: DetailsConfiguration = serde_json::from_value(configuration.clone()).expect("the form of a configuration");
        own.open()
    }

    #[test]
    fn the_default_script_is_understood_in_both_languages() {
        for (default, language, field) in [
            (DEFAULTS[0], "JS", "alarmDetailsBuildJs"),
            (DEFAULTS[0], "TBEL", "alarmDetailsBuildTbel"),
            (DEFAULTS[1], "TBEL", "alarmDetailsBuildTbel"),
        ] {
            // Comments say what it is about.
            let told = default.replace("}\n", "    // as it came\n}\n\n");
            let configuration = json!({"scriptLang": language, field: told, "other": 1});
            assert!(matches!(opened(&configuration), Ok(Some(KeptDetails))), "{configuration}");
        }
        for nothing in [
            json!({}),
            json!({"scriptLang": "TBEL", "alarmDetailsBuildTbel": " "}),
            json!({"alarmDetailsBuildJs": ""}),
        ] {
            assert!(matches!(opened(&nothing), Ok(None)), "{nothing}");
        }
        for (other, says) in [
            (json!({"alarmDetailsBuildJs": "return {a: 1};"}), "has to be run"),
            (
                json!({"alarmDetailsBuildJs": DEFAULTS[0].replace("return", "details.a = 1; return")}),
                "has to be run",
            ),
            (
                json!({"scriptLang": "TBEL", "alarmDetailsBuildTbel": "details.a = 1; return details;"}),
                "write the script in JavaScript",
            ),
            (
                json!({"alarmDetailsBuildJs": "x".repeat(100_001)}),
                "alarmDetailsBuildJs has 100001 bytes",
            ),
        ] {
            let refused = opened(&other).map(drop).expect_err("refused");
            assert!(refused.contains(says), "{refused}");
        }
    }

    #[test]
    fn what_there_is_stays() {
        let message = TestMessage::telemetry("{}");
        let message = message.message();
        let made = |active: &[Json]| {
            forget();
            platform(|platform| platform.alarms.extend_from_slice(active));
            let previous = Previous::read(&message, "hot").expect("read");
            KeptDetails.make(&message, previous)
        };
        let active =
            |details: Json| json!({"originator": {"id": message.originator().id}, "type": "hot", "cleared": false, "details": details});
        let json = |text: &str| Ok(Content::Json(text.to_owned()));
        assert_eq!(made(&[]), json("{}"));
        assert_eq!(made(&[active(Json::Null)]), json("{}"));
        assert_eq!(made(&[active(json!({"a": [1]}))]), json(r#"{"a":[1]}"#));
    }
}
