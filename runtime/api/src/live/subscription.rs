//! What a subscription has told of each key, and what an update adds to it. Pure but for reading what is newest.

use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use feed::{Interest, News, Wanted, Watch};
use model::{AttributeScope, Reading, Value};
use storage::{StorageError, Store};
use tokio::sync::OwnedSemaphorePermit;

use super::reply::Data;
use crate::routes::LookedAt;

/// Keys of which is remembered what was told. Of others the newest value may be told twice.
const KEYS_KNOWN_MAX: usize = 10_000;

/// A subscription of a session.
pub(super) struct Subscription {
    /// To what.
    pub(super) looked_at: LookedAt,
    interest: Arc<Interest>,
    told: Known,
    /// What was newest could not be read when it had to be.
    pub(super) behind: bool,
    /// Ends with it.
    pub(super) watch: Watch,
    _place: OwnedSemaphorePermit,
}

/// The newest value told of each key.
#[derive(Default)]
struct Known(HashMap<Key, Mark>);

/// Attributes of several scopes may have the same key.
type Key = (Option<AttributeScope>, Arc<str>);

/// A value as it was told: its time, and what tells it from others of that time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Mark {
    ts_ms: i64,
    hash: u64,
}

/// What a few updates come to.
#[derive(Debug, Default)]
pub(super) struct Fresh {
    /// To be told.
    pub(super) data: Data,
    /// What is newest has to be read, too.
    pub(super) read: bool,
    /// Whether the user may still see the entity has to be looked at.
    pub(super) look: bool,
}

impl Subscription {
    /// That has told nothing yet.
    pub(super) fn new(looked_at: LookedAt, interest: Arc<Interest>, watch: Watch, place: OwnedSemaphorePermit) -> Self {
        Subscription {
            looked_at,
            interest,
            told: Known::default(),
            behind: false,
            watch,
            _place: place,
        }
    }

    /// What an update adds.
    pub(super) fn take(&mut self, news: &News, fresh: &mut Fresh) {
        match news {
            News::Points { ts_ms, .. } if !self.looked_at.shows(*ts_ms) => {}
            news => take(&self.interest, &mut self.told, news, fresh),
        }
    }

    /// Values that are told at first.
    pub(super) fn began(&mut self, scope: Option<AttributeScope>, key: &Arc<str>, readings: &[Reading], data: &mut Data) {
        data.extend(key, readings);
        if let Some(newest) = readings.iter().max_by_key(|reading| reading.ts_ms) {
            self.told.tell((scope, Arc::clone(key)), Mark::of(newest.ts_ms, &newest.value));
        }
    }

    /// Reads what is newest, and adds what was not told.
    pub(super) async fn catch_up(&mut self, store: &dyn Store, data: &mut Data) -> Result<(), StorageError> {
        let newest = newest(store, &self.looked_at, &self.interest).await?;
        self.told.differs(newest, data);
        Ok(())
    }
}

/// What is stored of what is wanted, the newest of each key.
pub(super) async fn newest(store: &dyn Store, looked_at: &LookedAt, interest: &Interest) -> Result<Vec<(Key, Reading)>, StorageError> {
    let entity = looked_at.entity;
    let keys: Option<Vec<Arc<str>>> = interest.keys.as_ref().map(|keys| keys.iter().cloned().collect());
    let scopes = match interest.wanted {
        Wanted::Series { .. } => {
            let latest = store.latest(entity, keys.as_deref()).await?.into_iter();
            let latest = latest.filter(|(_, reading)| interest.has_time(reading.ts_ms) && looked_at.shows(reading.ts_ms));
            return Ok(latest.map(|(key, reading)| ((None, key), reading)).collect());
        }
        Wanted::Attributes(Some(scope)) => vec![scope],
        Wanted::Attributes(None) => AttributeScope::ALL.to_vec(),
    };
    let mut found = Vec::new();
    for scope in scopes {
        let stored = store.attributes(entity, scope, keys.as_deref()).await?;
        found.extend(stored.into_iter().map(|(key, reading)| ((Some(scope), key), reading)));
    }
    Ok(found)
}

fn take(interest: &Interest, told: &mut Known, news: &News, fresh: &mut Fresh) {
    match news {
        News::Points { ts_ms, values } if interest.has_time(*ts_ms) => {
            for (key, value) in values.iter().filter(|(key, _)| interest.has_key(key)) {
                let (of, mark) = ((None, Arc::clone(key)), Mark::of(*ts_ms, value));
                // It may have been read already.
                if told.0.get(&of) != Some(&mark) {
                    fresh.data.add(key, *ts_ms, value);
                    told.tell(of, mark);
                }
            }
        }
        News::Attributes { scope, ts_ms, values } if interest.has_scope(*scope) => {
            for (key, value) in values.iter().filter(|(key, _)| interest.has_key(key)) {
                let (of, mark) = ((Some(*scope), Arc::clone(key)), Mark::of(*ts_ms, value));
                // Two servers may have saved it, and what came over the network may be the older one.
                if told.0.get(&of) != Some(&mark) && told.tell(of, mark) {
                    fresh.data.add(key, *ts_ms, value);
                }
            }
        }
        News::AttributesRemoved { scope, keys } if interest.has_scope(*scope) => {
            for key in keys.iter().filter(|key| interest.has_key(key)) {
                told.0.remove(&(Some(*scope), Arc::clone(key)));
                fresh.data.gone(key);
            }
        }
        News::PointsRemoved { .. } | News::Missed => fresh.read = true,
        News::Record => fresh.look = true,
        News::Points { .. } | News::Attributes { .. } | News::AttributesRemoved { .. } => {}
    }
}

impl Known {
    /// Remembers a value. False: a newer one was told already.
    fn tell(&mut self, key: Key, mark: Mark) -> bool {
        let has_room = self.0.len() < KEYS_KNOWN_MAX;
        match self.0.get_mut(&key) {
            Some(known) if known.ts_ms > mark.ts_ms => return false,
            Some(known) => *known = mark,
            None if has_room => drop(self.0.insert(key, mark)),
            None => {}
        }
        true
    }

    /// Adds what of the newest was not told, and which keys are gone.
    fn differs(&mut self, newest: Vec<(Key, Reading)>, data: &mut Data) {
        let there: HashSet<Key> = newest.iter().map(|(key, _)| key.clone()).collect();
        self.0.retain(|key, _| {
            let stays = there.contains(key);
            if !stays {
                data.gone(&key.1);
            }
            stays
        });
        for (key, Reading { ts_ms, value }) in newest {
            let mark = Mark::of(ts_ms, &value);
            if self.0.get(&key) == Some(&mark) {
                continue;
            }
            data.add(&key.1, ts_ms, &value);
            if self.0.len() < KEYS_KNOWN_MAX || self.0.contains_key(&key) {
                self.0.insert(key, mark);
            }
        }
    }
}

impl Mark {
    fn of(ts_ms: i64, value: &Value) -> Self {
        let mut hasher = DefaultHasher::new();
        value.to_string().hash(&mut hasher);
        Mark {
            ts_ms,
            hash: hasher.finish(),
        }
    }
}

#[cfg(test)]
mod tests {
    use model::AttributeScope::{ServerScope, SharedScope};

    use super::super::reply::values;
    use super::*;

    fn told(interest: &Interest, known: &mut Known, news: &[News]) -> (String, bool, bool) {
        let mut fresh = Fresh::default();
        news.iter().for_each(|news| take(interest, known, news, &mut fresh));
        let told = serde_json::to_value(&fresh.data).expect("JSON").to_string();
        (told, fresh.read, fresh.look)
    }

    fn keys(keys: &[&str]) -> Vec<Arc<str>> {
        keys.iter().map(|key| Arc::from(*key)).collect()
    }

    fn of(all: &[(&str, i64)]) -> Vec<(Arc<str>, Value)> {
        all.iter().map(|(key, value)| (Arc::from(*key), Value::Long(*value))).collect()
    }

    fn reading(ts_ms: i64, value: i64) -> Reading {
        Reading {
            ts_ms,
            value: Value::Long(value),
        }
    }

    #[test]
    fn several_updates_are_told_at_once_and_none_is_left_out() {
        let interest = Interest::new(Wanted::Series { from_ms: 2 }, Some(&keys(&["a", "b"])));
        let points = |ts_ms, values: &[(&str, i64)]| News::Points { ts_ms, values: of(values) };
        let news = [
            points(5, &[("a", 1), ("c", 9)]),
            points(3, &[("a", 2), ("b", 3)]),
            points(1, &[("a", 4)]),
        ];
        let mut known = Known::default();
        let (text, read, look) = told(&interest, &mut known, &news);
        assert_eq!(
            (text.as_str(), read, look),
            (r#"{"a":[[5,"1"],[3,"2"]],"b":[[3,"3"]]}"#, false, false)
        );
        // What was told already is not told again; another value of the same time is.
        let news = [points(5, &[("a", 1)]), points(5, &[("a", 2)])];
        assert_eq!(told(&interest, &mut known, &news).0, r#"{"a":[[5,"2"]]}"#);
    }

    #[test]
    fn attributes_never_go_back_in_time() {
        let interest = Interest::new(Wanted::Attributes(None), None);
        let set = |scope, ts_ms, value| News::Attributes {
            scope,
            ts_ms,
            values: of(&[("a", value)]),
        };
        let mut known = Known::default();
        let news = [
            set(SharedScope, 5, 1),
            set(SharedScope, 4, 2),
            set(ServerScope, 4, 3),
            set(SharedScope, 5, 4),
        ];
        assert_eq!(told(&interest, &mut known, &news).0, r#"{"a":[[5,"1"],[4,"3"],[5,"4"]]}"#);
        let gone = News::AttributesRemoved {
            scope: SharedScope,
            keys: keys(&["a"]),
        };
        assert_eq!(
            told(&interest, &mut known, &[gone, set(SharedScope, 1, 5)]).0,
            r#"{"a":[[0,""],[1,"5"]]}"#
        );
    }

    #[test]
    fn some_news_have_to_be_looked_at() {
        let interest = Interest::new(Wanted::Series { from_ms: 0 }, None);
        let mut known = Known::default();
        assert_eq!(told(&interest, &mut known, &[News::Missed]), ("{}".to_owned(), true, false));
        assert_eq!(told(&interest, &mut known, &[News::Record]), ("{}".to_owned(), false, true));
        let removed = News::PointsRemoved { key: "a".into() };
        assert!(told(&interest, &mut known, &[removed]).1);
    }

    #[test]
    fn catching_up_tells_only_what_was_not_told() {
        let mut known = Known::default();
        let key = |key: &str| (None, Arc::from(key));
        for (name, ts_ms, value) in [("same", 1, 1), ("newer", 1, 1), ("other", 1, 1), ("gone", 1, 1), ("older", 9, 1)] {
            assert!(known.tell(key(name), Mark::of(ts_ms, &Value::Long(value))));
        }
        let newest = vec![
            (key("same"), reading(1, 1)),
            (key("newer"), reading(2, 2)),
            (key("other"), reading(1, 2)),
            (key("older"), reading(3, 3)),
            (key("new"), reading(4, 4)),
        ];
        let mut data = Data::default();
        known.differs(newest.clone(), &mut data);
        let text = values(1, &data);
        assert!(
            text.contains(r#"{"gone":[[0,""]],"new":[[4,"4"]],"newer":[[2,"2"]],"older":[[3,"3"]],"other":[[1,"2"]]}"#),
            "{text}"
        );
        let mut data = Data::default();
        known.differs(newest, &mut data);
        assert!(data.is_empty());
    }

    #[test]
    fn what_is_remembered_has_a_limit() {
        let mut known = Known::default();
        for number in 0..KEYS_KNOWN_MAX + 10 {
            assert!(known.tell((None, number.to_string().into()), Mark::of(1, &Value::Long(1))));
        }
        assert_eq!(known.0.len(), KEYS_KNOWN_MAX);
    }
}
