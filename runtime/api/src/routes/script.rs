//! Scripts, tried on a message before they go into a chain: by the nodes that run them, within the same limits. Nothing is read or saved.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use axum::routing::{get, post};
use axum::{Json, Router};
use model::{Clock, Message, MessageKind, Metadata, Payload, RuleNodeId, TenantId};
use parking_lot::Mutex;
use plugins::{Catalog, Effect, LogLevel, LogSink, NodeContext, NodeInstance, NothingStored, OpenError, Outcome, SharedMemory};
use serde::Deserialize;
use serde_json::{Value as JsonValue, json};
use uuid::Uuid;

use crate::ApiError;
use crate::extract::{Body, Params, TenantAdmin};
use crate::state::ApiState;

/// What scripts are given, by the names that all but the generator's have.
const NAMES: [&str; 3] = ["msg", "metadata", "msgType"];

pub(super) fn routes() -> Router<ApiState> {
    Router::new()
        .route("/api/ruleChain/testScript", post(test))
        .route("/api/ruleChain/tbelEnabled", get(is_tbel_enabled))
}

/// Editors offer JavaScript alone then.
async fn is_tbel_enabled(_: TenantAdmin) -> Json<bool> {
    Json(false)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Language {
    script_lang: Option<String>,
}

/// What is to be tried.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Asked {
    script: String,
    script_type: Kind,
    #[serde(default)]
    arg_names: Vec<String>,
    /// JSON, as text.
    msg: String,
    #[serde(default)]
    metadata: BTreeMap<String, String>,
    #[serde(default)]
    msg_type: String,
}

/// What a script is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Kind {
    Filter,
    Switch,
    Update,
    Generate,
    Json,
    String,
}

async fn test(
    State(api): State<ApiState>,
    TenantAdmin { tenant }: TenantAdmin,
    Params(Language { script_lang }): Params<Language>,
    Body(asked): Body<Asked>,
) -> Result<Json<JsonValue>, ApiError> {
    let (catalog, clock) = (api.components.catalog(tenant).await?, Arc::clone(&api.clock));
    let run = move || asked.run(&catalog, tenant, script_lang.as_deref(), clock);
    let told = api.checked(tenant, run).await?;
    let (output, error) = match told {
        Ok(output) => (output, String::new()),
        Err(error) => (String::new(), error),
    };
    Ok(Json(json!({"output": output, "error": error})))
}

/// Lines that a script would write.
#[derive(Default)]
struct Lines(Mutex<Vec<String>>);

impl LogSink for Lines {
    fn line(&self, _: TenantId, _: &str, _: LogLevel, text: &str) {
        self.0.lock().push(text.to_owned());
    }
}

impl Asked {
    /// Runs the script; answers what it returned, as text.
    fn run(&self, catalog: &Catalog, tenant: TenantId, language: Option<&str>, clock: Arc<dyn Clock>) -> Result<String, String> {
        let (class, configuration) = self.node(language)?;
        let node_type = catalog.resolve(class).ok_or_else(|| format!("there is no node type {class}"))?;
        let node = RuleNodeId::generate(tenant);
        let lines = Arc::new(Lines::default());
        let opened = node_type.open_by(|node_type| {
            let context = NodeContext {
                tenant,
                node,
                name: "script under test".into(),
                readings: Arc::new(NothingStored).into(),
                log: Arc::clone(&lines) as _,
                clock: Arc::clone(&clock),
                memory: SharedMemory::default(),
            };
            let type_name = &node_type.descriptor().type_name;
            NodeInstance::open(node_type.component(), type_name, &configuration.to_string(), context)
        });
        let mut instance = opened.map_err(|error| match error {
            // There is nothing else in it.
            OpenError::Configuration(reason) => reason,
            broken => broken.to_string(),
        })?;
        let message = Arc::new(Message {
            id: Uuid::now_v7(),
            kind: MessageKind::from(&*self.msg_type),
            originator: node.entity(),
            customer: None,
            metadata: self
                .metadata
                .iter()
                .map(|(key, value)| (key.as_str(), value.as_str()))
                .collect::<Metadata>(),
            payload: Payload::parse(self.msg.as_bytes()).map_err(|error| format!("msg is not JSON: {error}"))?,
            ts_ms: clock.now_ms(),
        });
        let outcome = instance.process(&message).map_err(|error| error.to_string())?;
        let line = lines.0.lock().pop();
        self.told(&message, outcome, line)
    }

    /// The node that runs it, by its class id, and its configuration.
    fn node(&self, language: Option<&str>) -> Result<(&'static str, JsonValue), String> {
        let language = language.unwrap_or("JS");
        let named = match &self.arg_names[..] {
            [] => String::new(),
            names if *names == NAMES => String::new(),
            names => other_names(names)?,
        };
        // Behind it stands nothing that matters: what is the default script but for that runs, too.
        let script = [&named, &*self.script, "\n;"].concat();
        let plain = json!({"scriptLang": language, "jsScript": script, "tbelScript": script});
        Ok(match self.script_type {
            Kind::Filter => ("org.thingsboard.rule.engine.filter.TbJsFilterNode", plain),
            Kind::Switch => ("org.thingsboard.rule.engine.filter.TbJsSwitchNode", plain),
            Kind::Update | Kind::Generate => ("org.thingsboard.rule.engine.transform.TbTransformMsgNode", plain),
            Kind::String => ("org.thingsboard.rule.engine.action.TbLogNode", plain),
            Kind::Json => (
                "org.thingsboard.rule.engine.action.TbCreateAlarmNode",
                json!({"alarmType": "test", "scriptLang": language, "alarmDetailsBuildJs": script, "alarmDetailsBuildTbel": script}),
            ),
        })
    }

    /// What the node's answer says of the script's.
    fn told(&self, message: &Message, outcome: Outcome, line: Option<String>) -> Result<String, String> {
        let relations = || outcome.emissions.iter().map(|emission| emission.relation.as_str());
        let messages = || {
            outcome
                .emissions
                .iter()
                .map(|emission| emission.message.as_deref().unwrap_or(message))
                .map(shown)
        };
        Ok(match self.script_type {
            Kind::Filter => relations().eq(["True"]).to_string(),
            Kind::Switch => json!(relations().collect::<Vec<_>>()).to_string(),
            Kind::Update | Kind::Generate => match &messages().collect::<Vec<_>>()[..] {
                [one] => one.to_string(),
                several if self.script_type == Kind::Update => json!(several).to_string(),
                _ => return Err("the script returned an array, not an object".to_owned()),
            },
            Kind::Json => match outcome.effects.first() {
                Some(Effect::RaiseAlarm {
                    details: Some(details), ..
                }) => details.json().unwrap_or(&JsonValue::Null).to_string(),
                _ => "null".to_owned(),
            },
            Kind::String => line.unwrap_or_default(),
        })
    }
}

/// Stands before a script that calls what it is given by other names.
fn other_names(names: &[String]) -> Result<String, String> {
    let is_name = |name: &String| {
        let mut letters = name.chars();
        let starts = |letter: char| letter.is_ascii_alphabetic() || "_$".contains(letter);
        letters.next().is_some_and(starts) && letters.all(|letter| starts(letter) || letter.is_ascii_digit())
    };
    if names.len() != NAMES.len() || !names.iter().all(is_name) {
        return Err(format!("argNames should be three names, such as {}", NAMES.join(", ")));
    }
    let pairs = names.iter().zip(NAMES).filter(|(name, own)| name.as_str() != *own);
    Ok(pairs.map(|(name, own)| format!("var {name} = {own}; ")).collect())
}

/// A message as scripts return it.
fn shown(message: &Message) -> JsonValue {
    let metadata: BTreeMap<&str, &str> = message.metadata.iter().map(|(key, value)| (&**key, &**value)).collect();
    json!({"msg": message.payload.json(), "metadata": metadata, "msgType": message.kind.as_str()})
}
