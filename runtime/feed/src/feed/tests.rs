//! Feeds of two servers, and what those who watch hear.

use model::{AttributeScope, EntityKind, TenantId, Value};
use storage::KeptIn;
use uuid::Uuid;

use super::*;
use crate::{OutboxLimits, Say, Wanted};

fn device(tenant: u128, number: u128) -> EntityId {
    EntityId::new(TenantId(Uuid::from_u128(tenant)), EntityKind::Device, Uuid::from_u128(number))
}

fn points(entity: EntityId, ts_ms: i64) -> Mutation {
    Mutation::Points {
        entity,
        ts_ms,
        values: vec![("k".into(), Value::Long(ts_ms))],
        ttl_s: 0,
        kept: KeptIn::Both,
    }
}

fn series() -> Arc<Interest> {
    Arc::new(Interest::new(Wanted::Series { from_ms: 0 }, None))
}

fn outbox() -> Outbox {
    Outbox::new(OutboxLimits::default())
}

/// The watches that were told, with times; -1: something was missed.
fn heard(outbox: &Outbox) -> Vec<(WatchId, i64)> {
    let told = outbox.fetch().into_iter();
    told.map(|told| match told.update.news {
        News::Points { ts_ms, .. } => (told.watch, ts_ms),
        News::Missed => (told.watch, -1),
        ref other => panic!("{other:?}"),
    })
    .collect()
}

/// Carries what two servers have to say to each other, until there is nothing left. Answers how much it was.
fn carry(one: (&Feed, &Link), other: (&Feed, &Link)) -> usize {
    let mut said = 0;
    loop {
        let before = said;
        for ((_, from), (feed, to)) in [(one, other), (other, one)] {
            while let Some(say) = from.take() {
                said += 1;
                match say {
                    Say::Watch(entity) => to.watches(entity),
                    Say::Unwatch(entity) => to.leaves(entity),
                    Say::Missed(entity) => feed.came(Update::new(entity, News::Missed)),
                    Say::Saved(update) => feed.came((*update).clone()),
                }
            }
        }
        if said == before {
            return said;
        }
    }
}

#[test]
fn who_watches_is_told_and_nobody_else() {
    let (feed, near, far) = (Feed::default(), outbox(), outbox());
    feed.saved(&[points(device(1, 1), 1)]);
    let first = feed.watch(device(1, 1), series(), &near).unwrap();
    let second = feed.watch(device(1, 1), series(), &far).unwrap();
    let other = feed.watch(device(1, 2), series(), &far).unwrap();
    // The same device in another tenant is another device.
    feed.saved(&[points(device(1, 1), 2), points(device(2, 1), 3), points(device(1, 2), 4)]);
    assert_eq!(heard(&near), [(first.id(), 2)]);
    assert_eq!(heard(&far), [(second.id(), 2), (other.id(), 4)]);
    drop(second);
    feed.saved(&[points(device(1, 1), 5)]);
    assert_eq!((heard(&near), heard(&far)), (vec![(first.id(), 5)], vec![]));
    drop((first, other));
    assert_eq!(feed.watched(), 0, "nothing is left of those who went");
}

#[test]
fn who_watches_is_told_of_what_is_not_stored_and_not_of_what_is_quiet() {
    let (feed, outbox) = (Feed::default(), outbox());
    let entity = device(1, 1);
    let watch = feed.watch(entity, series(), &outbox).unwrap();
    let latest = |ts_ms| Mutation::Points {
        entity,
        ts_ms,
        values: vec![("k".into(), Value::Long(ts_ms))],
        ttl_s: 0,
        kept: KeptIn::Latest,
    };
    feed.saved(&[
        Mutation::OnlyTold(Box::new(points(entity, 1))),
        Mutation::Untold(Box::new(points(entity, 2))),
        latest(3),
        Mutation::Untold(Box::new(latest(4))),
    ]);
    assert_eq!(heard(&outbox), [(watch.id(), 1), (watch.id(), 3)]);
}

#[test]
fn what_a_mutation_is_to_who_watches() {
    let (feed, outbox) = (Feed::default(), outbox());
    let interest = Arc::new(Interest::new(Wanted::Attributes(None), None));
    let _watch = feed.watch(device(1, 1), interest, &outbox).unwrap();
    let (scope, entity) = (AttributeScope::SharedScope, device(1, 1));
    let values = vec![("a".into(), Value::Bool(true))];
    feed.saved(&[
        points(entity, 1),
        Mutation::Attributes {
            entity,
            scope,
            ts_ms: 7,
            values: values.clone(),
        },
        Mutation::DeleteAttributes {
            entity,
            scope,
            keys: vec!["a".into()],
        },
        Mutation::Remind(model::DeviceId::new(entity.tenant, entity.id)),
    ]);
    feed.record_changed(entity);
    let news: Vec<News> = outbox.fetch().into_iter().map(|told| told.update.news.clone()).collect();
    let expected = [
        News::Attributes { scope, ts_ms: 7, values },
        News::AttributesRemoved {
            scope,
            keys: vec!["a".into()],
        },
        News::Record,
    ];
    assert_eq!(news, expected);
}

#[test]
fn what_another_server_saves_is_told_where_it_is_watched() {
    let (here, there, outbox) = (Feed::default(), Feed::default(), outbox());
    let (to_there, to_here) = (here.link(), there.link());
    let early = here.watch(device(1, 1), series(), &outbox).unwrap();
    to_there.begin();
    to_here.begin();
    carry((&here, &to_there), (&there, &to_here));
    assert_eq!(heard(&outbox), [(early.id(), -1)], "it may have missed something before");
    there.saved(&[points(device(1, 1), 1), points(device(1, 2), 2)]);
    here.saved(&[points(device(1, 1), 3)]);
    assert_eq!(
        carry((&here, &to_there), (&there, &to_here)),
        1,
        "only what is watched, and nothing back"
    );
    assert_eq!(heard(&outbox), [(early.id(), 3), (early.id(), 1)]);
    let late = here.watch(device(1, 2), series(), &outbox).unwrap();
    carry((&here, &to_there), (&there, &to_here));
    there.saved(&[points(device(1, 2), 4)]);
    carry((&here, &to_there), (&there, &to_here));
    assert_eq!(heard(&outbox), [(late.id(), -1), (late.id(), 4)]);
    drop((early, late));
    carry((&here, &to_there), (&there, &to_here));
    assert_eq!((here.watched(), there.watched()), (0, 0));
}

#[test]
fn servers_that_begin_anew_tell_all_again() {
    let (here, there, outbox) = (Feed::default(), Feed::default(), outbox());
    let (to_there, to_here) = (here.link(), there.link());
    let watch = here.watch(device(1, 1), series(), &outbox).unwrap();
    to_there.begin();
    to_here.begin();
    carry((&here, &to_there), (&there, &to_here));
    // The connection breaks, and what was on its way is lost.
    there.saved(&[points(device(1, 1), 1)]);
    to_there.begin();
    to_here.begin();
    assert_eq!(there.watched(), 0);
    heard(&outbox);
    carry((&here, &to_there), (&there, &to_here));
    assert_eq!(heard(&outbox), [(watch.id(), -1)]);
    there.saved(&[points(device(1, 1), 2)]);
    carry((&here, &to_there), (&there, &to_here));
    assert_eq!(heard(&outbox), [(watch.id(), 2)]);
    // The other server goes for good.
    drop(to_there);
    drop(to_here);
    assert_eq!(there.watched(), 0);
    here.missed();
    assert_eq!(heard(&outbox), [(watch.id(), -1)]);
}
