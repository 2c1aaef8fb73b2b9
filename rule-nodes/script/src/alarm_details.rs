//! An alarm's details as a script makes them: the body of function(msg, metadata, msgType), in whose metadata stand as `prevAlarmDetails` the
//! details of the alarm that is active, as JSON text, if there is one.

use node_scriptable::{DEFAULTS, Details, Previous, Scripts};
use pacificsoft_sdk::{Content, Message};

use crate::engine::{Given, Returned, Script};

/// Where a script finds what there is.
const PREVIOUS: &str = "prevAlarmDetails";

/// Makes them.
pub struct ScriptedDetails(Script);

impl Details for ScriptedDetails {
    fn open(scripts: Scripts) -> Result<Option<Self>, String> {
        let script = scripts.chosen(&DEFAULTS)?;
        script
            .map(|script| Script::open(script.in_javascript(DEFAULTS[0]), Given::Message))
            .transpose()
            .map(|script| script.map(ScriptedDetails))
    }

    fn make(&mut self, message: &Message, previous: Previous) -> Result<Content, String> {
        let mut metadata = message.metadata_entries();
        if let Some(previous) = previous.into() {
            metadata.retain(|(key, _)| key != PREVIOUS);
            metadata.push((PREVIOUS.to_owned(), previous));
        }
        Ok(Content::Json(match self.0.run_with(message, metadata)? {
            Returned::Json(json) => json,
            Returned::Boolean(boolean) => boolean.to_string(),
            Returned::Text(text) => serde_json::Value::from(text).to_string(),
            other @ Returned::Nothing(_) => return Err(format!("the script returned {}, and no details", other.kind())),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use node_scriptable::{ClearAlarmNode, CreateAlarmNode};
    use pacificsoft_sdk::testing::{TestMessage, forget, platform};
    use pacificsoft_sdk::{Effect, Outcome, RaiseAlarm, RuleNode};
    use serde_json::{Value as Json, json};

    fn made(script: &str, message: &TestMessage) -> Result<Json, String> {
        let scripts = Scripts {
            language: None,
            js: Some(script.to_owned()),
            tbel: None,
            name: "script",
        };
        let mut details = ScriptedDetails::open(scripts)?.expect("a script");
        let message = message.message();
        let Content::Json(json) = details.make(&message, Previous::read(&message, "hot")?)? else {
            panic!("details of a script are JSON")
        };
        Ok(serde_json::from_str(&json).expect("JSON"))
    }

    /// A message, and what is active of its originator.
    fn scene(details: Option<Json>) -> TestMessage {
        forget();
        let message = TestMessage::telemetry(r#"{"t": 31}"#).with("deviceName", "D");
        let originator = message.message().originator();
        platform(|platform| {
            platform.alarms = details
                .map(|details| json!({"originator": {"id": originator.id}, "type": "hot", "cleared": false, "details": details}))
                .into_iter()
                .collect();
        });
        message
    }

    const COUNTS: &str = "var details = metadata.prevAlarmDetails ? JSON.parse(metadata.prevAlarmDetails) : {count: 0};
        details.count += 1; details.of = metadata.deviceName + ' ' + msg.t + ' ' + msgType; return details;";

    #[test]
    fn a_script_makes_them_of_those_before() {
        let told = |count: u32| Ok(json!({"count": count, "of": "D 31 POST_TELEMETRY_REQUEST"}));
        assert_eq!(made(COUNTS, &scene(None)), told(1));
        assert_eq!(made(COUNTS, &scene(Some(json!({"count": 4})))), told(5));
        // An alarm without details is none that a script could look at.
        assert_eq!(made(COUNTS, &scene(Some(Json::Null))), told(1));
        let mine = scene(None).with("prevAlarmDetails", "mine");
        assert_eq!(made("return metadata.prevAlarmDetails;", &mine), Ok(json!("mine")));
        assert_eq!(made("return true;", &scene(None)), Ok(json!(true)));
        assert_eq!(made("return null;", &scene(None)), Ok(Json::Null));
        for (script, says) in [("return;", "returned nothing"), ("return gone;", "gone is not defined")] {
            let refused = made(script, &scene(None)).expect_err(script);
            assert!(refused.contains(says), "{refused}");
        }
    }

    #[test]
    fn the_default_says_what_it_is_taken_for() {
        assert_eq!(made(DEFAULTS[0], &scene(None)), Ok(json!({})));
        assert_eq!(made(DEFAULTS[0], &scene(Some(json!({"a": [1]})))), Ok(json!({"a": [1]})));
    }

    fn create(more: &Json, data: &str) -> Result<RaiseAlarm, String> {
        let mut configuration = json!({"alarmType": "a", "scriptLang": "JS", "alarmDetailsBuildJs": "return {hot: msg.t > 30};"});
        for (key, value) in more.as_object().expect("fields") {
            configuration[key] = value.clone();
        }
        let mut node = CreateAlarmNode::<ScriptedDetails>::open(&configuration.to_string())?;
        match node.process(&TestMessage::telemetry(data).message())? {
            Outcome::Effect(Effect::RaiseAlarm(raise)) => Ok(raise),
            other => panic!("{other:?} raises no alarm"),
        }
    }

    #[test]
    fn an_alarm_is_raised_with_them() {
        forget();
        let alarm = r#"{"type": "a", "severity": "MINOR", "t": 31, "details": {"a": 1}}"#;
        let details = |more: Json| create(&more, alarm).map(|raise| raise.details);
        let json = |text: &str| Ok(Some(Content::Json(text.to_owned())));
        assert_eq!(details(json!({})), json(r#"{"hot":true}"#));
        // The alarm of a message has its own, unless they are to be made anew.
        assert_eq!(details(json!({"useMessageAlarmData": true})), json(r#"{"a":1}"#));
        let anew = json!({"useMessageAlarmData": true, "overwriteAlarmDetails": true});
        assert_eq!(details(anew), json(r#"{"hot":true}"#));
        for (wrong, says) in [
            (json!({"alarmDetailsBuildJs": "return {"}), "not JavaScript"),
            (json!({"alarmType": ""}), "alarmType is empty"),
            (
                json!({"scriptLang": "TBEL", "alarmDetailsBuildTbel": "return {};"}),
                "write the script in JavaScript",
            ),
        ] {
            let refused = create(&wrong, alarm).map(drop).expect_err("refused");
            assert!(refused.contains(says), "{refused}");
        }
    }

    #[test]
    fn an_alarm_is_cleared_with_them() {
        let script = "var details = JSON.parse(metadata.prevAlarmDetails); details.cleared = msg.t; return details;";
        let configuration = json!({"alarmType": "hot", "scriptLang": "JS", "alarmDetailsBuildJs": script});
        let mut node = ClearAlarmNode::<ScriptedDetails>::open(&configuration.to_string()).expect("valid");
        let mut details = |message: &TestMessage| match node.process(&message.message()) {
            Ok(Outcome::Effect(Effect::ClearAlarm(clear))) => clear.details,
            other => panic!("{other:?} clears no alarm"),
        };
        assert_eq!(details(&scene(None)), None, "there is none to clear");
        let cleared = Content::Json(r#"{"count":3,"cleared":31}"#.to_owned());
        assert_eq!(details(&scene(Some(json!({"count": 3})))), Some(cleared));
    }
}
