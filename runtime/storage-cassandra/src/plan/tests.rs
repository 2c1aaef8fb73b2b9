//! What a batch becomes: which writes, in which order, and what stands apart.

use std::time::Duration;

use model::{RuleNodeId, TenantId};

use super::*;

fn device() -> EntityId {
    DeviceId::generate(TenantId::generate()).entity()
}

fn planned(batch: &[Mutation], known: &Known) -> Plan {
    plan(batch, 1000, Buckets::new(Duration::from_secs(3600)), known).expect("planned")
}

fn writes(step: &Step) -> Vec<(Query, Option<&Bind>)> {
    match step {
        Step::Write(writes) => writes.iter().map(|write| (write.query, write.values.first())).collect(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_series_has_its_row_once() {
    let (known, entity) = (Known::new(10), device());
    let points = |ts_ms| Mutation::Points {
        entity,
        ts_ms,
        values: vec![("a".into(), Value::Long(1))],
        ttl_s: 700_000_000,
        kept: KeptIn::Both,
    };
    let first = planned(&[points(0), points(1)], &known);
    assert_eq!(first.steps.len(), 1);
    let Step::Write(all) = &first.steps[0] else { panic!("writes") };
    let queries: Vec<_> = all.iter().map(|write| write.query).collect();
    assert_eq!(queries, [Query::PutSeries, Query::PutPoint, Query::PutSeries, Query::PutPoint]);
    assert_eq!(all[1].values[7..], [Bind::Big(1001), Bind::Int(630_720_000)]);
    assert_eq!(all[3].values[7], Bind::Big(1003), "later");
    first.done();
    let later = planned(&[points(2), points(3_600_000)], &known);
    let Step::Write(all) = &later.steps[0] else { panic!("writes") };
    let queries: Vec<_> = all.iter().map(|write| write.query).collect();
    assert_eq!(queries, [Query::PutPoint, Query::PutSeries, Query::PutPoint], "another bucket");
}

#[test]
fn what_would_expire_too_late_is_kept() {
    for (written_s, ttl_s, expected) in [
        (1_800_000_000, 300_000_000, 300_000_000),
        (1_800_000_000, 400_000_000, 0),
        (0, u32::MAX, 0),
    ] {
        let point = Mutation::Points {
            entity: device(),
            ts_ms: 0,
            values: vec![("a".into(), Value::Long(1))],
            ttl_s,
            kept: KeptIn::Both,
        };
        let stamp_us = written_s * 1_000_000;
        let plan = plan(&[point], stamp_us, Buckets::new(Duration::from_secs(3600)), &Known::new(10)).expect("planned");
        let Step::Write(all) = &plan.steps[0] else { panic!("writes") };
        assert_eq!(all[1].values.last(), Some(&Bind::Int(expected)), "{written_s} {ttl_s}");
    }
}

#[test]
fn an_older_cluster_keeps_a_history_of_latest_values() {
    let latest = Mutation::Points {
        entity: device(),
        ts_ms: 7,
        values: vec![("a".into(), Value::Long(1))],
        ttl_s: 0,
        kept: KeptIn::Latest,
    };
    let written = |cluster| {
        let buckets = Buckets::new(Duration::from_secs(3600)).since(cluster);
        let plan = plan(std::slice::from_ref(&latest), 1000, buckets, &Known::new(10)).expect("planned");
        let Step::Write(all) = &plan.steps[0] else { panic!("writes") };
        let row = all[1].values.iter().find_map(|bind| match bind {
            Bind::Blob(bytes) => Some(bytes.to_vec()),
            _ => None,
        });
        (all[1].query, row)
    };
    let value = Value::Long(1);
    assert_eq!(written(Some(4)), (Query::PutPoint, Some(value_codec::encode_point(&value, None))));
    assert_eq!(
        written(Some(5)),
        (Query::PutPoint, Some(value_codec::encode_dated(7, &value, None)))
    );
    assert_eq!(written(None), written(Some(5)));
}

#[test]
fn what_has_to_be_read_first_stands_apart() {
    let (known, entity) = (Known::new(10), device());
    let forget = Mutation::Forget(DeviceId::try_from(entity).expect("a device"));
    let drop = Mutation::DropRelations {
        entity,
        group: RelationGroup::Common,
    };
    let plan = planned(&[forget.clone(), forget.clone(), drop, forget], &known);
    let [Step::Write(before), Step::DropRelations { stamp_us, .. }, Step::Write(after)] = &plan.steps[..] else {
        panic!("{:?}", plan.steps)
    };
    assert_eq!((before.len(), *stamp_us, after.len()), (2, 1004, 1));
    assert_eq!(writes(&plan.steps[2]), [(Query::DeleteReminder, Some(&Bind::Big(1006)))]);
}

#[test]
fn a_new_schema_is_written_after_what_it_removes() {
    let node = RuleNodeId::generate(TenantId::generate());
    let change = NodeStateChange {
        replaces: Some("s".into()),
        device: Some(uuid::Uuid::from_u128(7)),
        entries: vec![("a".into(), None)],
        timers: vec![("t".into(), Some(5))],
    };
    let mutation = Mutation::NodeState {
        node,
        change: Arc::new(change),
    };
    let plan = planned(&[mutation], &Known::new(1));
    let Step::Write(all) = &plan.steps[0] else { panic!("writes") };
    assert_eq!((all[0].query, &all[0].values[0]), (Query::DropNodeState, &Bind::Big(1000)));
    assert_eq!((all[1].query, all[1].values.last()), (Query::PutNodeState, Some(&Bind::Big(1001))));
    assert_eq!((all[2].query, &all[2].values[0]), (Query::DeleteNodeState, &Bind::Big(1001)));
    assert_eq!(
        all[3].values[3..],
        [
            Bind::Tiny(TIMER),
            "t".into(),
            Bind::Blob(5_i64.to_be_bytes().to_vec().into()),
            Bind::Id(uuid::Uuid::from_u128(7)),
            Bind::Big(1001)
        ]
    );
}

#[test]
fn relations_stand_at_both_ends() {
    let (from, to) = (device(), device());
    let relation = Relation {
        from: from.into(),
        to: to.into(),
        relation_type: "Has".into(),
        type_group: RelationGroup::Common,
        additional_info: None,
    };
    let [start, end] = delete_relation(from.tenant, &relation, 7);
    assert_eq!(start.key[2], Bind::Id(from.id));
    assert_eq!((&end.key[2], end.values.last()), (&Bind::Id(to.id), Some(&Bind::Id(from.id))));
}
