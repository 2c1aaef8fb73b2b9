//! copy to view: what is written, or gone, of an entity's attributes is so of its views that show them.

use pacificsoft_sdk::reads::{EntityView, views};
use pacificsoft_sdk::{
    Content, DeleteAttributes, Descriptor, Effect, Emission, Message, NewMessage, Outcome, RuleNode, SaveAttributes, Steps, now_ms,
};
use serde_json::value::RawValue;
use std::collections::BTreeMap;

use crate::save_attributes::check_scope;

/// Views of an entity at most.
const VIEWS_MAX: u32 = 100;

/// The node.
pub struct CopyToView;

/// What became of attributes.
enum Change {
    /// They are written: JSON by key.
    Written(BTreeMap<String, Box<RawValue>>),
    /// They are gone.
    Gone(Vec<String>),
}

impl RuleNode for CopyToView {
    const RELATIONS: &'static [&'static str] = &["Success", "Failure"];

    fn descriptor() -> Descriptor {
        Descriptor {
            type_name: "copy-to-view",
            class_ids: &["org.thingsboard.rule.engine.action.TbCopyAttributesToEntityViewNode"],
            title: "copy to view",
            family: "ACTION",
            description: "Copies attributes of the originator to its entity views.",
            details: "Takes messages that say what became of attributes: Post attributes, Attributes Updated, Attributes Deleted, Activity Event and Inactivity Event. What they say is so of each of the \
                      originator's views that show these attributes at this time, 100 views at most. For each of them the message leaves along Success, with the view as its originator; where \
                      there is none it ends here.",
            icon: "content_copy",
            default_configuration: r#"{"version":0}"#,
            effects: &["save-attributes", "delete-attributes"],
            ..Descriptor::new()
        }
    }

    fn open(_: &str) -> Result<Self, String> {
        Ok(CopyToView)
    }

    fn process(&mut self, message: &Message) -> Result<Outcome, String> {
        let kind = message.kind();
        let scope = match kind.as_str() {
            "POST_ATTRIBUTES_REQUEST" => "CLIENT_SCOPE".to_owned(),
            "ATTRIBUTES_UPDATED" | "ATTRIBUTES_DELETED" => message.metadata("scope").ok_or("metadata scope is missing")?,
            // What the server finds out by itself.
            "ACTIVITY_EVENT" | "INACTIVITY_EVENT" => message.metadata("scope").unwrap_or_else(|| "SERVER_SCOPE".to_owned()),
            other => return Err(["a message of type ", other, " says nothing of attributes"].concat()),
        };
        check_scope(&scope)?;
        let now = now_ms();
        let mut views = views(&message.originator(), VIEWS_MAX);
        views.retain(|view| view.from_ms <= now && view.until_ms.is_none_or(|until| now <= until));
        if views.is_empty() {
            return Ok(Outcome::end());
        }
        let change = change(message, kind == "ATTRIBUTES_DELETED")?;
        let mut steps = Steps {
            effects: Vec::new(),
            emissions: Vec::new(),
        };
        for view in views {
            if let Some(effect) = change.of(&view, &scope)? {
                steps.effects.push(effect);
                steps.emissions.push(Emission {
                    relation: "Success".to_owned(),
                    message: Some(NewMessage {
                        kind: None,
                        originator: Some(view.id),
                        metadata: None,
                        payload: None,
                    }),
                });
            }
        }
        Ok(Outcome::Steps(steps))
    }
}

/// What a message says of attributes.
fn change(message: &Message, gone: bool) -> Result<Change, String> {
    let json = |path: &str| message.json(path).ok_or("the data are no object");
    if gone {
        let keys = serde_json::from_str(&json("/attributes")?).map_err(|error| format!("attributes are not a list of keys: {error}"))?;
        return Ok(Change::Gone(keys));
    }
    let values = serde_json::from_str(&json("")?).map_err(|error| format!("the data are no object: {error}"))?;
    Ok(Change::Written(values))
}

impl Change {
    /// What a view is to have of it; none: it does not show such attributes.
    fn of(&self, view: &EntityView, scope: &str) -> Result<Option<Effect>, String> {
        let shown = match scope {
            "CLIENT_SCOPE" => &view.client_attributes,
            "SHARED_SCOPE" => &view.shared_attributes,
            _ => &view.server_attributes,
        };
        let entity = Some(view.id.clone());
        Ok(match self {
            Change::Written(values) => {
                let copied: BTreeMap<&str, &RawValue> = shown.iter().filter_map(|key| Some((key.as_str(), &**values.get(key)?))).collect();
                if copied.is_empty() {
                    return Ok(None);
                }
                let json = serde_json::to_string(&copied).map_err(|error| error.to_string())?;
                Some(Effect::SaveAttributes(SaveAttributes {
                    entity,
                    ..SaveAttributes::new(scope.to_owned(), Content::Json(json))
                }))
            }
            Change::Gone(keys) => {
                let keys: Vec<String> = keys.iter().filter(|key| shown.contains(key)).cloned().collect();
                (!keys.is_empty()).then(|| {
                    Effect::DeleteAttributes(DeleteAttributes {
                        entity,
                        scope: scope.to_owned(),
                        keys,
                        notify_device: false,
                        tell_chain: false,
                    })
                })
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pacificsoft_sdk::EntityId;
    use pacificsoft_sdk::testing::platform::id;
    use pacificsoft_sdk::testing::{TestMessage, forget, platform};

    fn view(number: u32, server: &[&str]) -> EntityView {
        EntityView {
            id: id("ENTITY_VIEW", number),
            name: format!("v{number}"),
            time_series: Vec::new(),
            client_attributes: vec!["fw".to_owned()],
            shared_attributes: Vec::new(),
            server_attributes: server.iter().map(|key| (*key).to_owned()).collect(),
            from_ms: 0,
            until_ms: None,
        }
    }

    /// What happens to views: which one, the scope, and what is written or gone. Each has a message of its own afterwards.
    fn copied(message: &TestMessage) -> Result<Vec<(EntityId, String, String)>, String> {
        let Outcome::Steps(Steps { effects, emissions }) = CopyToView.process(&message.message())? else {
            panic!("not steps")
        };
        let told: Vec<_> = effects
            .into_iter()
            .map(|effect| match effect {
                Effect::SaveAttributes(save) => {
                    let Content::Json(json) = save.values else { panic!("not JSON") };
                    (save.entity.expect("a view"), save.scope, json)
                }
                Effect::DeleteAttributes(gone) => (gone.entity.expect("a view"), gone.scope, gone.keys.join(" ")),
                other => panic!("{other:?}"),
            })
            .collect();
        let originators: Vec<_> = emissions.into_iter().filter_map(|emission| emission.message?.originator).collect();
        assert_eq!(originators, told.iter().map(|(view, ..)| view.clone()).collect::<Vec<_>>());
        Ok(told)
    }

    #[test]
    fn views_have_what_they_show_of_what_is_written_or_gone() {
        forget();
        let written =
            TestMessage::new("ATTRIBUTES_UPDATED", r#"{"limit": 7.0, "place": {"a": 1}, "other": 1}"#).with("scope", "SERVER_SCOPE");
        assert_eq!(copied(&written), Ok(Vec::new()), "it has no views");
        let device = written.message().originator();
        let late = EntityView {
            from_ms: now_ms() + 60_000,
            ..view(3, &["limit"])
        };
        let over = EntityView {
            until_ms: Some(now_ms() - 60_000),
            ..view(4, &["limit"])
        };
        let others = view(5, &["limit"]);
        platform(|platform| {
            for view in [view(1, &["limit", "place"]), view(2, &["place"]), late, over] {
                platform.views.push((device.clone(), view));
            }
            platform.views.push((id("DEVICE", 99), others));
        });
        let of = |number: u32, scope: &str, what: &str| (id("ENTITY_VIEW", number), scope.to_owned(), what.to_owned());
        assert_eq!(
            copied(&written),
            Ok(vec![
                of(1, "SERVER_SCOPE", r#"{"limit":7.0,"place":{"a":1}}"#),
                of(2, "SERVER_SCOPE", r#"{"place":{"a":1}}"#)
            ])
        );
        let gone = TestMessage::new("ATTRIBUTES_DELETED", r#"{"attributes": ["limit", "x"]}"#).with("scope", "SERVER_SCOPE");
        assert_eq!(copied(&gone), Ok(vec![of(1, "SERVER_SCOPE", "limit")]));
        let posted = TestMessage::new("POST_ATTRIBUTES_REQUEST", r#"{"fw": "1.2"}"#);
        assert_eq!(
            copied(&posted),
            Ok(vec![
                of(1, "CLIENT_SCOPE", r#"{"fw":"1.2"}"#),
                of(2, "CLIENT_SCOPE", r#"{"fw":"1.2"}"#)
            ])
        );
        assert_eq!(copied(&TestMessage::new("ACTIVITY_EVENT", r#"{"active": true}"#)), Ok(Vec::new()));
        for (message, says) in [
            (TestMessage::telemetry("{}"), "POST_TELEMETRY_REQUEST"),
            (TestMessage::new("ATTRIBUTES_UPDATED", "{}"), "scope"),
            (TestMessage::new("ATTRIBUTES_UPDATED", "{}").with("scope", "ANY"), "ANY"),
            (
                TestMessage::new("ATTRIBUTES_UPDATED", "[1]").with("scope", "SERVER_SCOPE"),
                "no object",
            ),
            (
                TestMessage::new("ATTRIBUTES_DELETED", "{}").with("scope", "SERVER_SCOPE"),
                "no object",
            ),
        ] {
            assert!(copied(&message).is_err_and(|error| error.contains(says)), "{says}");
        }
    }
}
