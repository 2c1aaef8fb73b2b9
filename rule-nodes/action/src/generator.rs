//! generator: makes messages by itself, one in each period. It is woken when it begins to serve; how many messages it has made, and when the
//! next one is due, is kept by the node.

use pacificsoft_sdk::reads::tenant;
use pacificsoft_sdk::{Content, Descriptor, EntityId, Message, NewMessage, Outcome, RuleNode, now_ms, state, timers};
use serde::Deserialize;

use crate::literal::{self, Literals};

/// Name of the timer that the host sets when the node begins to serve.
const START: &str = "start";
/// Name of the timer of the next message.
const NEXT: &str = "next";
/// Key of the count.
const COUNT: &str = "count";
/// Key of the time when the next message is due.
const DUE: &str = "due";

/// The node.
pub struct Generator {
    period_ms: u64,
    /// 0: without end.
    count_max: u64,
    /// None: the node itself.
    originator: Option<EntityId>,
    made: Literals,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Configuration {
    #[serde(default)]
    msg_count: u64,
    period_in_seconds: u64,
    #[serde(default)]
    originator_id: Option<String>,
    #[serde(default)]
    originator_type: Option<String>,
    #[serde(default)]
    script_lang: Option<String>,
    #[serde(default)]
    js_script: Option<String>,
    #[serde(default)]
    tbel_script: Option<String>,
}

impl RuleNode for Generator {
    const RELATIONS: &'static [&'static str] = &["Success", "Failure"];

    fn descriptor() -> Descriptor {
        Descriptor {
            type_name: "generator",
            class_ids: &["org.thingsboard.rule.engine.debug.TbMsgGeneratorNode"],
            title: "generator",
            family: "ACTION",
            description: "Makes a message in each period.",
            details: "Messages come from the entity that is named, or from the node itself; msgCount 0: without end. The script names what a message has as literals: var msg = {…}; var metadata = {…}; var msgType = \"…\"; return {msg: msg, metadata: metadata, msgType: msgType}; other scripts are refused. It takes no messages.",
            icon: "repeat",
            configuration_schema: r#"{"type":"object","required":["periodInSeconds"],"properties":{"msgCount":{"type":"integer","minimum":0},"periodInSeconds":{"type":"integer","minimum":1},"originatorId":{"type":["string","null"]},"originatorType":{"type":["string","null"]},"scriptLang":{"enum":["TBEL","JS"]},"jsScript":{"type":["string","null"]},"tbelScript":{"type":["string","null"]}}}"#,
            default_configuration: r#"{"msgCount":0,"periodInSeconds":1,"originatorId":null,"originatorType":"RULE_NODE","scriptLang":"TBEL","jsScript":"var msg = { temp: 42, humidity: 77 };\nvar metadata = { data: 40 };\nvar msgType = \"POST_TELEMETRY_REQUEST\";\n\nreturn { msg: msg, metadata: metadata, msgType: msgType };","tbelScript":"var msg = { temp: 42, humidity: 77 };\nvar metadata = { data: 40 };\nvar msgType = \"POST_TELEMETRY_REQUEST\";\n\nreturn { msg: msg, metadata: metadata, msgType: msgType };"}"#,
            version: 2,
            state_schema: "generated/1",
            start_timer: START,
            ..Descriptor::new()
        }
    }

    fn open(configuration: &str) -> Result<Self, String> {
        let own: Configuration = serde_json::from_str(configuration).map_err(|error| error.to_string())?;
        if !(1..=400 * 86_400).contains(&own.period_in_seconds) {
            return Err("periodInSeconds must be between 1 and 34560000".to_owned());
        }
        let script = match own.script_lang.as_deref() {
            Some("JS") => own.js_script,
            _ => own.tbel_script.or(own.js_script),
        };
        let originator = match (own.originator_type.as_deref(), own.originator_id) {
            (Some("TENANT"), _) => Some(tenant()),
            (Some("RULE_NODE") | None, _) | (_, None) => None,
            (Some(entity_type), Some(id)) => Some(EntityId {
                entity_type: entity_type.to_owned(),
                id,
            }),
        };
        Ok(Generator {
            period_ms: own.period_in_seconds * 1_000,
            count_max: own.msg_count,
            originator,
            made: literal::script(script.as_deref().unwrap_or_default())?,
        })
    }

    fn process(&mut self, _: &Message) -> Result<Outcome, String> {
        Err("a generator takes no messages".to_owned())
    }

    fn on_timer(&mut self, name: &str, _: &Message) -> Result<Outcome, String> {
        let made = number(COUNT).unwrap_or(0);
        if self.is_done(made) {
            return Ok(Outcome::end());
        }
        let now_ms = now_ms().max(0).unsigned_abs();
        if name == START {
            self.plan(now_ms, now_ms)?;
            return Ok(Outcome::end());
        }
        state::set(COUNT, &(made + 1).to_be_bytes())?;
        if !self.is_done(made + 1) {
            self.plan(number(DUE).unwrap_or(now_ms), now_ms)?;
        }
        Ok(Outcome::emit("Success", self.message()))
    }
}

impl Generator {
    fn is_done(&self, made: u64) -> bool {
        self.count_max > 0 && made >= self.count_max
    }

    /// The next message is due a period after the last one was: a late timer does not put off those after it, and what was missed while
    /// the server stood is not made up for.
    fn plan(&self, last_ms: u64, now_ms: u64) -> Result<(), String> {
        let due_ms = last_ms + self.period_ms;
        let due_ms = if due_ms < now_ms { now_ms + self.period_ms } else { due_ms };
        state::set(DUE, &due_ms.to_be_bytes())?;
        timers::set(NEXT, due_ms - now_ms)
    }

    fn message(&self) -> NewMessage {
        NewMessage {
            kind: Some(self.made.kind.clone()),
            originator: self.originator.clone(),
            metadata: Some(self.made.metadata.clone()),
            payload: Some(Content::Json(self.made.data.to_string())),
        }
    }
}

fn number(key: &str) -> Option<u64> {
    state::get(key)?.try_into().ok().map(u64::from_be_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use pacificsoft_sdk::testing::{TestMessage, forget, set_now_ms};

    fn woken(node: &mut Generator, name: &str) -> Option<NewMessage> {
        match node.on_timer(name, &TestMessage::new("TIMER", "{}").message()) {
            Ok(Outcome::Steps(mut steps)) => steps.emissions.pop().and_then(|emission| emission.message),
            other => panic!("{other:?}"),
        }
    }

    fn next_ms() -> Option<u64> {
        pacificsoft_sdk::testing::timers().get(NEXT).copied()
    }

    #[test]
    fn messages_come_in_each_period_until_there_were_enough() {
        forget();
        set_now_ms(1_000_000);
        let configuration = r#"{"msgCount":2,"periodInSeconds":5,"originatorType":"DEVICE","originatorId":"x","scriptLang":"JS","jsScript":"return {msg: {t: 1.5}, metadata: {a: 1, b: 'two'}, msgType: 'ANY'};"}"#;
        let mut node = Generator::open(configuration).expect("valid");
        assert!(node.process(&TestMessage::telemetry("{}").message()).is_err());
        assert_eq!((woken(&mut node, START), next_ms()), (None, Some(5_000)));
        set_now_ms(1_005_300);
        let made = woken(&mut node, NEXT).expect("the first");
        assert_eq!(next_ms(), Some(4_700), "it was late, and the next one is not");
        assert_eq!(
            (made.kind.as_deref(), made.originator.map(|one| one.entity_type)),
            (Some("ANY"), Some("DEVICE".to_owned()))
        );
        assert_eq!(made.payload, Some(Content::Json(r#"{"t":1.5}"#.to_owned())));
        let entry = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        assert_eq!(made.metadata, Some(vec![entry("a", "1"), entry("b", "two")]));
        // Another instance goes on where this one was; then there were enough.
        set_now_ms(2_000_000);
        let mut again = Generator::open(configuration).expect("valid");
        assert!(woken(&mut again, NEXT).is_some());
        timers::cancel(NEXT);
        assert_eq!((woken(&mut again, START), next_ms()), (None, None));
    }

    #[test]
    fn what_was_missed_is_not_made_up_for() {
        forget();
        set_now_ms(1_000_000);
        let mut node =
            Generator::open(r#"{"periodInSeconds":1,"tbelScript":"return {msg: {}, metadata: {}, msgType: \"T\"};"}"#).expect("valid");
        woken(&mut node, START);
        set_now_ms(9_000_000);
        assert!(woken(&mut node, NEXT).is_some());
        assert_eq!(next_ms(), Some(1_000));
    }

    #[test]
    fn scripts_that_compute_are_refused() {
        Generator::open(Generator::descriptor().default_configuration).expect("the default");
        for wrong in [
            r#"{"periodInSeconds":0,"jsScript":"return {msg: {}, metadata: {}, msgType: 'T'};"}"#,
            r#"{"periodInSeconds":1,"jsScript":"return {msg: {t: Math.random()}, metadata: {}, msgType: 'T'};"}"#,
            r#"{"periodInSeconds":1}"#,
        ] {
            assert!(Generator::open(wrong).is_err(), "{wrong}");
        }
    }
}
