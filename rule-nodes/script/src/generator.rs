//! generator: makes messages by itself, one in each period. It is woken when it begins to serve; how many messages it has made, when the
//! next one is due, and what a script has made of the last one, is kept by the node.

use node_scriptable::SCRIPT_BYTES_MAX;
use pacificsoft_sdk::reads::tenant;
use pacificsoft_sdk::{Content, Descriptor, EntityId, Level, Message, NewMessage, Outcome, RuleNode, log, now_ms, state, timers};
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

use crate::engine::{Given, Returned, Script};
use crate::literal::{self, Literals};
use crate::told::told;

/// Name of the timer that the host sets when the node begins to serve.
const START: &str = "start";
/// Name of the timer of the next message.
const NEXT: &str = "next";
/// Key of the count.
const COUNT: &str = "count";
/// Key of the time when the next message is due.
const DUE: &str = "due";
/// Key of the last message, for the script that makes the next one of it.
const PREVIOUS: &str = "previous";

/// The node.
pub struct Generator {
    period_ms: u64,
    /// 0: without end.
    count_max: u64,
    /// None: the node itself.
    originator: Option<EntityId>,
    source: Source,
}

/// What makes messages.
enum Source {
    /// Each is like the others.
    Literals(Literals),
    /// Each comes of the one before.
    Script(Box<Script>),
}

/// The message that was made last.
#[derive(Deserialize, Serialize)]
struct Previous {
    kind: String,
    metadata: Vec<(String, String)>,
    data: Json,
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
            details: concat!(
                "Messages come from the entity that is named, or from the node itself; msgCount 0: without end. It takes no messages. The script is the ",
                "body of function(prevMsg, prevMetadata, prevMsgType), which are those of the message before (at first {}, {} and no type), and returns ",
                "{msg: …, metadata: …, msgType: …}; what is left out is as before. A message that it fails to make goes along Failure, with its reason as ",
                "metadata error, and the next one is due all the same; where it runs out of time or memory, none is until the chain is saved or the ",
                "server starts again. In TBEL it may name literals, and compute nothing. ",
                crate::rules!()
            ),
            icon: "repeat",
            configuration_schema: r#"{"type":"object","required":["periodInSeconds"],"properties":{"msgCount":{"type":"integer","minimum":0},"periodInSeconds":{"type":"integer","minimum":1},"originatorId":{"type":["string","null"]},"originatorType":{"type":["string","null"]},"scriptLang":{"enum":["TBEL","JS"]},"jsScript":{"type":["string","null"]},"tbelScript":{"type":["string","null"]}}}"#,
            default_configuration: r#"{"msgCount":0,"periodInSeconds":1,"originatorId":null,"originatorType":"RULE_NODE","scriptLang":"JS","jsScript":"var msg = { temp: 42, humidity: 77 };\nvar metadata = { data: 40 };\nvar msgType = \"POST_TELEMETRY_REQUEST\";\n\nreturn { msg: msg, metadata: metadata, msgType: msgType };","tbelScript":"var msg = { temp: 42, humidity: 77 };\nvar metadata = { data: 40 };\nvar msgType = \"POST_TELEMETRY_REQUEST\";\n\nreturn { msg: msg, metadata: metadata, msgType: msgType };"}"#,
            version: 2,
            state_schema: "generated/1",
            start_timer: START,
            takes_messages: false,
            ..Descriptor::new()
        }
    }

    fn open(configuration: &str) -> Result<Self, String> {
        let own: Configuration = serde_json::from_str(configuration).map_err(|error| error.to_string())?;
        if !(1..=400 * 86_400).contains(&own.period_in_seconds) {
            return Err("periodInSeconds must be between 1 and 34560000".to_owned());
        }
        let (script, is_tbel) = match (own.script_lang.as_deref(), own.tbel_script) {
            (Some("JS"), _) | (_, None) => (own.js_script, false),
            (_, Some(tbel)) => (Some(tbel), true),
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
            source: Source::open(script.unwrap_or_default(), is_tbel)?,
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
        // A script that fails once may do better the next time: its timer counts, and it would not if this call failed.
        Ok(match self.source.message() {
            Ok(message) => Outcome::emit("Success", self.of_originator(message)),
            Err(reason) => {
                log(Level::Warn, &reason);
                let told = NewMessage {
                    kind: None,
                    originator: None,
                    metadata: Some(vec![("error".to_owned(), reason)]),
                    payload: Some(Content::Json("{}".to_owned())),
                };
                Outcome::emit("Failure", self.of_originator(told))
            }
        })
    }
}

impl Source {
    fn open(script: String, is_tbel: bool) -> Result<Self, String> {
        // Literals mean the same in both languages.
        match literal::script(&script) {
            Ok(literals) => Ok(Source::Literals(literals)),
            Err(reason) if is_tbel => Err([
                "scriptLang TBEL is understood where the script names literals, and this one has ",
                &reason,
                ": write it in JavaScript and set scriptLang to JS",
            ]
            .concat()),
            Err(_) if script.trim().is_empty() => Err("jsScript is missing".to_owned()),
            Err(_) if script.len() > SCRIPT_BYTES_MAX => Err(format!("jsScript has more than {SCRIPT_BYTES_MAX} bytes")),
            Err(_) => Script::open(script, Given::Previous).map(Box::new).map(Source::Script),
        }
    }

    fn message(&mut self) -> Result<NewMessage, String> {
        let script = match self {
            Source::Script(script) => script,
            Source::Literals(made) => {
                return Ok(NewMessage {
                    kind: Some(made.kind.clone()),
                    originator: None,
                    metadata: Some(made.metadata.clone()),
                    payload: Some(Content::Json(made.data.to_string())),
                });
            }
        };
        let previous = Previous::kept();
        let made = match script.run_on(&previous.data, previous.metadata.clone(), &previous.kind)? {
            Returned::Json(json) => told("what the script returned", &json)?,
            other => return Err(format!("the script returned {}, not an object", other.kind())),
        };
        let next = previous.followed_by(made)?;
        next.keep()?;
        Ok(next.into_message())
    }
}

impl Previous {
    fn kept() -> Self {
        let kept = state::get(PREVIOUS).and_then(|kept| serde_json::from_slice(&kept).ok());
        kept.unwrap_or_else(|| Previous {
            kind: String::new(),
            metadata: Vec::new(),
            data: json!({}),
        })
    }

    fn keep(&self) -> Result<(), String> {
        let kept = serde_json::to_vec(self).map_err(|error| error.to_string())?;
        state::set(PREVIOUS, &kept).map_err(|reason| ["the message is too large to make another of it: ", &reason].concat())
    }

    /// What is left out is as before.
    fn followed_by(self, made: NewMessage) -> Result<Self, String> {
        let kind = made.kind.unwrap_or(self.kind);
        if kind.is_empty() {
            return Err("the script returned no msgType".to_owned());
        }
        let data = match made.payload {
            Some(Content::Json(json)) => serde_json::from_str(&json).map_err(|error| error.to_string())?,
            _ => self.data,
        };
        Ok(Previous {
            kind,
            metadata: made.metadata.unwrap_or(self.metadata),
            data,
        })
    }

    fn into_message(self) -> NewMessage {
        NewMessage {
            kind: Some(self.kind),
            originator: None,
            metadata: Some(self.metadata),
            payload: Some(Content::Json(self.data.to_string())),
        }
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

    fn of_originator(&self, message: NewMessage) -> NewMessage {
        NewMessage {
            originator: self.originator.clone(),
            ..message
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

    fn by(script: &str) -> Generator {
        let configuration = json!({"periodInSeconds": 1, "scriptLang": "JS", "jsScript": script}).to_string();
        Generator::open(&configuration).expect(script)
    }

    fn next(node: &mut Generator) -> (String, Option<Json>) {
        match node.on_timer(NEXT, &TestMessage::new("TIMER", "{}").message()) {
            Ok(Outcome::Steps(mut steps)) => {
                let emission = steps.emissions.pop().expect("a message");
                let message = emission.message.expect("a new one");
                let told = match (&*emission.relation, message.payload) {
                    ("Success", Some(Content::Json(json))) => serde_json::from_str(&json).ok(),
                    _ => message.metadata.map(|metadata| json!(metadata)),
                };
                (emission.relation, told)
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_script_makes_each_message_of_the_one_before() {
        forget();
        set_now_ms(1_000_000);
        let script = "var count = (prevMsg.count || 0) + 1;
            return {msg: {count: count, before: prevMsgType, seen: prevMetadata.seen}, metadata: {seen: 'n' + count}, msgType: 'T' + count};";
        let mut node = by(script);
        woken(&mut node, START);
        assert_eq!(next(&mut node), ("Success".to_owned(), Some(json!({"count": 1, "before": ""}))));
        // Another instance goes on where this one was.
        let mut again = by(script);
        let second = json!({"count": 2, "before": "T1", "seen": "n1"});
        assert_eq!(next(&mut again), ("Success".to_owned(), Some(second)));
        // What is left out is as before.
        let mut same = by("return {metadata: {seen: 'other'}};");
        let second = json!({"count": 2, "before": "T1", "seen": "n1"});
        assert_eq!(next(&mut same), ("Success".to_owned(), Some(second)));
        let third = json!({"count": 3, "before": "T2", "seen": "other"});
        assert_eq!(next(&mut by(script)), ("Success".to_owned(), Some(third)));
    }

    #[test]
    fn a_script_that_fails_fails_one_message() {
        forget();
        set_now_ms(1_000_000);
        let mut node = by("if (prevMsg.bad) { return {msg: {}, msgType: 'T'}; } return {msg: gone, msgType: 'T'};");
        woken(&mut node, START);
        for (script, says) in [
            ("return gone;", "gone is not defined"),
            ("return 5;", "a number"),
            ("return [{msg: 1, metadata: {}, msgType: 'T'}];", "an array"),
            ("return;", "nothing"),
            ("return {msg: 1, metadata: {}};", "no msgType"),
            ("return {msg: 'x'.repeat(70000), metadata: {}, msgType: 'T'};", "too large"),
            ("while (true) {}", "loops"),
        ] {
            let mut node = by(script);
            timers::cancel(NEXT);
            let (relation, told) = next(&mut node);
            let told = told.expect("a reason").to_string();
            assert!(relation == "Failure" && told.contains(says), "{script}: {told}");
            assert!(next_ms().is_some(), "{script}: the next one is due");
        }
    }

    #[test]
    fn what_makes_no_message_is_refused() {
        Generator::open(Generator::descriptor().default_configuration).expect("the default");
        let long = "x".repeat(SCRIPT_BYTES_MAX + 1);
        for (wrong, says) in [
            (
                json!({"periodInSeconds": 0, "jsScript": "return {msg: {}, metadata: {}, msgType: 'T'};"}),
                "periodInSeconds",
            ),
            (
                json!({"periodInSeconds": 1, "tbelScript": "return {msg: {t: Math.random()}, metadata: {}, msgType: 'T'};"}),
                "write it in JavaScript",
            ),
            (
                json!({"periodInSeconds": 1, "scriptLang": "JS", "jsScript": "return {"}),
                "not JavaScript",
            ),
            (json!({"periodInSeconds": 1, "scriptLang": "JS", "jsScript": long}), "more than"),
            (json!({"periodInSeconds": 1}), "jsScript is missing"),
        ] {
            let told = Generator::open(&wrong.to_string()).map(drop).expect_err("refused");
            assert!(told.contains(says), "{told}");
        }
    }
}
