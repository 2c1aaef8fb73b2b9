//! Which effects join a batch, and what they write.

use super::*;
use model::{AttributeScope, DeviceId, EntityId, Payload, TenantId};
use serde_json::json;

const SCOPE: AttributeScope = AttributeScope::ServerScope;

fn device() -> EntityId {
    DeviceId::generate(TenantId::generate()).entity()
}

fn save(entity: EntityId, values: Content) -> Effect {
    Effect::SaveTimeSeries {
        entity,
        ts_ms: 5,
        ttl_s: 60,
        values,
        keep: Retention::All,
        quiet: false,
    }
}

fn save_attributes(entity: EntityId, values: Json, only_changed: bool, notify_device: bool) -> Effect {
    Effect::SaveAttributes {
        entity,
        scope: SCOPE,
        values: Content::Own(values),
        only_changed,
        notify_device,
        tell_chain: false,
        keep: Retention::All,
        quiet: false,
    }
}

#[test]
fn values_become_a_write() {
    let entity = device();
    let values = vec![
        ("a".into(), Value::Long(1)),
        ("b".into(), Value::Json("[1]".into())),
        ("d".into(), Value::Double(2.5)),
    ];
    let json = json!({"a": 1, "b": [1], "c": null, "d": "2.5"});
    match plan(save(entity, Content::Own(json.clone())), 99).expect("plain") {
        Planned::Write(written) => assert_eq!(
            written,
            Mutation::Points {
                entity,
                ts_ms: 5,
                values: values.clone(),
                ttl_s: 60,
                kept: KeptIn::Both,
            }
        ),
        other => panic!("{other:?}"),
    }
    match plan(save_attributes(entity, json, false, false), 99).expect("plain") {
        Planned::Write(written) => assert_eq!(
            written,
            Mutation::Attributes {
                entity,
                scope: SCOPE,
                ts_ms: 99,
                values
            }
        ),
        other => panic!("{other:?}"),
    }
}

#[test]
fn values_are_kept_and_told_as_is_wanted() {
    let entity = device();
    let save = |keep, quiet| Effect::SaveTimeSeries {
        entity,
        ts_ms: 5,
        ttl_s: 60,
        values: Content::Own(json!({"a": 1})),
        keep,
        quiet,
    };
    let (ts_ms, ttl_s, values) = (5, 60, vec![(Arc::from("a"), Value::Long(1))]);
    let write = |kept| Mutation::Points {
        entity,
        ts_ms,
        values: values.clone(),
        ttl_s,
        kept,
    };
    let (points, latest, history) = (write(KeptIn::Both), write(KeptIn::Latest), write(KeptIn::History));
    let (untold, only_told) = (|one| Mutation::Untold(Box::new(one)), |one| Mutation::OnlyTold(Box::new(one)));
    for (keep, quiet, expected) in [
        (Retention::All, false, Some(points.clone())),
        (Retention::All, true, Some(untold(points.clone()))),
        (Retention::Latest, false, Some(latest.clone())),
        (Retention::Latest, true, Some(untold(latest))),
        (Retention::History, false, Some(history.clone())),
        (Retention::History, true, Some(untold(history))),
        (Retention::Nothing, false, Some(only_told(points))),
        (Retention::Nothing, true, None),
    ] {
        let written = match plan(save(keep, quiet), 99).expect("plain") {
            Planned::Write(written) => Some(written),
            Planned::Nothing => None,
            other => panic!("{other:?}"),
        };
        assert_eq!(written, expected, "{keep:?} {quiet}");
    }
}

#[test]
fn values_may_be_a_part_of_the_payload() {
    let payload = Payload::new(json!({"ts": 1, "values": {"t": 7}}));
    for (path, expected) in [
        ("values", Ok("t")),
        ("/values", Ok("t")),
        ("", Ok("ts")),
        ("ts", Err(())),
        ("absent", Err(())),
    ] {
        let planned = plan(
            save(
                device(),
                Content::Shared {
                    payload: payload.clone(),
                    path: path.into(),
                },
            ),
            0,
        );
        let first = planned.map_err(drop).map(|planned| match planned {
            Planned::Write(Mutation::Points { values, .. }) => values[0].0.to_string(),
            other => panic!("{other:?}"),
        });
        assert_eq!(first.as_deref(), expected.as_ref().copied(), "{path:?}");
    }
}

#[test]
fn without_values_there_is_nothing_to_write() {
    for json in [json!({}), json!({"a": null})] {
        assert!(
            matches!(plan(save(device(), Content::Own(json.clone())), 0), Ok(Planned::Nothing)),
            "{json}"
        );
        assert!(
            matches!(plan(save_attributes(device(), json.clone(), false, false), 0), Ok(Planned::Nothing)),
            "{json}"
        );
    }
}

#[test]
fn what_reads_or_waits_is_performed() {
    let entity = device();
    for (only_changed, notify_device) in [(true, false), (false, true), (true, true)] {
        let effect = save_attributes(entity, json!({"a": 1}), only_changed, notify_device);
        assert!(matches!(plan(effect.clone(), 0), Ok(Planned::Perform(same)) if same == effect));
    }
    let clear = Effect::ClearAlarm {
        entity,
        alarm_type: "hot".to_owned(),
        details: None,
    };
    assert!(matches!(plan(clear.clone(), 0), Ok(Planned::Perform(same)) if same == clear));
}

#[test]
fn what_cannot_be_values_is_refused_in_words() {
    let many: Json = (0..=KEYS_MAX)
        .map(|number| (number.to_string(), json!(1)))
        .collect::<serde_json::Map<_, _>>()
        .into();
    let long = |len: usize| json!({ "x".repeat(len): 1 });
    let cases = [
        (json!([1]), Err("the values are not a JSON object")),
        (json!("text"), Err("the values are not a JSON object")),
        (json!(null), Err("the values are not a JSON object")),
        (many, Err("10001 keys are more than the 10000 allowed")),
        (json!({"": 1}), Err("a key of 0 bytes is not between 1 and 512")),
        (long(512), Ok(())),
        (long(513), Err("a key of 513 bytes is not between 1 and 512")),
    ];
    for (json, expected) in cases {
        let found = plan(save(device(), Content::Own(json)), 0)
            .map(drop)
            .map_err(|error| error.to_string());
        assert_eq!(found, expected.map_err(str::to_owned));
    }
}
