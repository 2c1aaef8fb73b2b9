//! What clients ask, pure. There are two forms of a message: a list of commands of all types, and lists with a name for each type.

use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value as Json};

/// Commands that are understood, for those who ask others.
const SUPPORTED: &str = "ATTRIBUTES, TIMESERIES, TIMESERIES_HISTORY, ATTRIBUTES_UNSUBSCRIBE, TIMESERIES_UNSUBSCRIBE";
/// Commands of a message at most.
const COMMANDS_MAX: usize = 1_000;

/// A message.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Frame {
    /// Who asks.
    pub(super) auth: Option<Auth>,
    /// What.
    pub(super) commands: Vec<Command>,
}

/// Who asks.
#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Auth {
    pub(super) token: Option<String>,
}

/// One command.
#[derive(Debug, PartialEq)]
pub(super) enum Command {
    /// Values of time series, and what is saved of them.
    Series(Asked),
    /// Attributes, and what is saved of them.
    Attributes(Asked),
    /// Values of time series, once.
    History(Asked),
    /// No more of what a command with this number asked for.
    Unsubscribe(i64),
    /// It is not understood: its number, and why.
    Bad(i64, String),
}

/// What a command says. Numbers that are not said are 0.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Asked {
    /// The client's number for it.
    #[serde(deserialize_with = "or_default")]
    pub(super) cmd_id: i64,
    #[serde(deserialize_with = "or_default")]
    pub(super) entity_type: String,
    #[serde(deserialize_with = "or_default")]
    pub(super) entity_id: String,
    /// Separated by commas; none: all.
    pub(super) keys: Option<String>,
    /// Of attributes; none: all.
    pub(super) scope: Option<String>,
    #[serde(deserialize_with = "or_default")]
    pub(super) unsubscribe: bool,
    #[serde(deserialize_with = "or_default")]
    pub(super) start_ts: i64,
    #[serde(deserialize_with = "or_default")]
    pub(super) end_ts: i64,
    /// Milliseconds.
    #[serde(deserialize_with = "or_default")]
    pub(super) time_window: i64,
    /// Milliseconds.
    #[serde(deserialize_with = "or_default")]
    pub(super) interval: i64,
    #[serde(deserialize_with = "or_default")]
    pub(super) limit: u32,
    pub(super) agg: Option<String>,
}

fn or_default<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(deserializer: D) -> Result<T, D::Error> {
    Option::<T>::deserialize(deserializer).map(Option::unwrap_or_default)
}

/// Understands a message.
///
/// # Errors
/// Text, when it is no JSON object, or none of this form.
pub(super) fn read(text: &str) -> Result<Frame, String> {
    let message: Map<String, Json> = serde_json::from_str(text).map_err(|error| format!("The message is not understood: {error}"))?;
    let mut frame = Frame::default();
    for (name, value) in message {
        match (name.as_str(), value) {
            (_, Json::Null) => {}
            ("authCmd", value) => {
                let auth = Auth::deserialize(value).map_err(|error| format!("authCmd is not understood: {error}"))?;
                frame.auth = Some(auth);
            }
            ("cmds", Json::Array(all)) => frame.commands.extend(all.into_iter().map(typed)),
            (name, Json::Array(all)) if name.ends_with("Cmds") => frame.commands.extend(all.into_iter().map(|one| of(type_of(name), one))),
            (name, _) if name.ends_with("mds") => return Err(format!("{name} is no list")),
            _ => {}
        }
    }
    if frame.commands.len() > COMMANDS_MAX {
        return Err(format!(
            "{} commands are more than the {COMMANDS_MAX} allowed",
            frame.commands.len()
        ));
    }
    Ok(frame)
}

/// The type of commands in a list with a name.
fn type_of(list: &str) -> &str {
    match list {
        "tsSubCmds" => "TIMESERIES",
        "attrSubCmds" => "ATTRIBUTES",
        "historyCmds" => "TIMESERIES_HISTORY",
        other => other,
    }
}

/// A command that says its type.
fn typed(command: Json) -> Command {
    match command.get("type").and_then(Json::as_str).map(str::to_owned) {
        Some(name) => of(&name, command),
        None => Command::Bad(number(&command), format!("A command has no type; there are {SUPPORTED}")),
    }
}

fn of(name: &str, command: Json) -> Command {
    let number = number(&command);
    let make = match name {
        "TIMESERIES" => Command::Series,
        "ATTRIBUTES" => Command::Attributes,
        "TIMESERIES_HISTORY" => Command::History,
        "TIMESERIES_UNSUBSCRIBE" | "ATTRIBUTES_UNSUBSCRIBE" => return Command::Unsubscribe(number),
        other => {
            let other: String = other.chars().take(64).collect();
            return Command::Bad(number, format!("{other} is not supported; supported are {SUPPORTED}"));
        }
    };
    match Asked::deserialize(command) {
        Ok(asked) if asked.unsubscribe => Command::Unsubscribe(asked.cmd_id),
        Ok(asked) => make(asked),
        Err(error) => Command::Bad(number, format!("The command is not understood: {error}")),
    }
}

fn number(command: &Json) -> i64 {
    command.get("cmdId").and_then(Json::as_i64).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn commands(message: &Json) -> Vec<Command> {
        read(&message.to_string()).expect("understood").commands
    }

    fn asked(cmd_id: i64) -> Asked {
        Asked {
            cmd_id,
            entity_type: "DEVICE".to_owned(),
            entity_id: "x".to_owned(),
            ..Asked::default()
        }
    }

    #[test]
    fn both_forms_ask_the_same() {
        let command = |number: i64| json!({"cmdId": number, "entityType": "DEVICE", "entityId": "x", "keys": null, "limit": null});
        let typed = |number: i64, name: &str| {
            let mut command = command(number);
            command["type"] = json!(name);
            command
        };
        let new = json!({"cmds": [typed(1, "TIMESERIES"), typed(2, "ATTRIBUTES"), typed(3, "TIMESERIES_HISTORY")]});
        let expected = [Command::Series(asked(1)), Command::Attributes(asked(2)), Command::History(asked(3))];
        assert_eq!(commands(&new), expected);
        for (list, expected) in ["tsSubCmds", "attrSubCmds", "historyCmds"].iter().zip(expected) {
            let (Command::Series(asked) | Command::Attributes(asked) | Command::History(asked)) = &expected else {
                panic!("{expected:?}")
            };
            assert_eq!(
                commands(&json!({*list: [command(asked.cmd_id)], "alarmDataCmds": null})),
                [expected]
            );
        }
        let all = json!({"tsSubCmds": [{"cmdId": 1, "entityType": "DEVICE", "entityId": "x", "keys": "a,b", "startTs": 5, "timeWindow": 6,
            "interval": 7, "limit": 8, "agg": "AVG", "scope": "LATEST_TELEMETRY"}]});
        let expected = Asked {
            keys: Some("a,b".to_owned()),
            scope: Some("LATEST_TELEMETRY".to_owned()),
            start_ts: 5,
            time_window: 6,
            interval: 7,
            limit: 8,
            agg: Some("AVG".to_owned()),
            ..asked(1)
        };
        assert_eq!(commands(&all), [Command::Series(expected)]);
    }

    #[test]
    fn unsubscribing_has_two_forms_too() {
        for message in [
            json!({"attrSubCmds": [{"cmdId": 4, "unsubscribe": true}]}),
            json!({"cmds": [{"cmdId": 4, "type": "TIMESERIES", "unsubscribe": true}]}),
            json!({"cmds": [{"cmdId": 4, "type": "ATTRIBUTES_UNSUBSCRIBE"}]}),
        ] {
            assert_eq!(commands(&message), [Command::Unsubscribe(4)], "{message}");
        }
    }

    #[test]
    fn a_token_comes_alone_or_with_commands() {
        let frame = read(r#"{"authCmd": {"cmdId": 0, "token": "t"}, "cmds": []}"#).expect("understood");
        assert_eq!(frame.auth.and_then(|auth| auth.token).as_deref(), Some("t"));
        let frame = read(r#"{"authCmd": {"cmdId": 0, "apiKey": "k"}}"#).expect("understood");
        assert_eq!(frame.auth, Some(Auth { token: None }));
    }

    #[test]
    fn what_is_not_understood_is_said_for_each_command() {
        let message = json!({
            "cmds": [{"cmdId": 1, "type": "ENTITY_DATA", "query": {}}, {"cmdId": 2}, {"cmdId": 3, "type": "TIMESERIES", "limit": -1}],
            "entityDataCmds": [{"cmdId": 4}],
        });
        let bad: Vec<(i64, String)> = commands(&message)
            .into_iter()
            .map(|command| match command {
                Command::Bad(number, why) => (number, why),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(bad.iter().map(|(number, _)| *number).collect::<Vec<_>>(), [1, 2, 3, 4]);
        assert!(
            bad[0].1.starts_with("ENTITY_DATA is not supported; supported are ATTRIBUTES,"),
            "{bad:?}"
        );
        assert!(bad[3].1.starts_with("entityDataCmds is not supported"), "{bad:?}");
        for message in ["", "[]", "{", r#"{"cmds": {}}"#, r#"{"tsSubCmds": 1}"#, r#"{"authCmd": 1}"#] {
            assert!(read(message).is_err(), "{message}");
        }
        let many = json!({"cmds": vec![json!({"cmdId": 1, "type": "X"}); COMMANDS_MAX + 1]});
        assert!(read(&many.to_string()).is_err());
    }
}
