//! Who has the partitions of topics, as brokers have said: remembered for a while, each tenant's for itself.

use std::collections::HashMap;
use std::time::Duration;

use model::TenantId;
use parking_lot::Mutex;
use tokio::time::Instant;

use super::record::partition_of;
use super::speech::{Partition, Topic};
use crate::broker::links::Fingerprint;

/// So long an answer is believed.
const BELIEVED_FOR: Duration = Duration::from_secs(300);
/// Topics of a tenant that are remembered at most, and of all.
const TOPICS_OF_TENANT_MAX: usize = 128;
const TOPICS_MAX: usize = 4_096;

/// A topic of a cluster, as a tenant sees it under a login.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Place {
    pub(super) tenant: TenantId,
    /// The broker that is asked first.
    pub(super) cluster: String,
    pub(super) login: Fingerprint,
    pub(super) topic: String,
}

/// What was heard of clusters.
#[derive(Default)]
pub(crate) struct Clusters(Mutex<HashMap<Place, (Topic, Instant)>>);

impl Clusters {
    /// What was heard of a topic, if that is not too long ago.
    pub(super) fn known(&self, place: &Place) -> Option<Topic> {
        let all = self.0.lock();
        let (topic, heard_at) = all.get(place)?;
        (heard_at.elapsed() < BELIEVED_FOR).then(|| topic.clone())
    }

    /// Takes a broker's word. The oldest word gives way where there are too many.
    pub(super) fn remember(&self, place: Place, topic: Topic) {
        let mut all = self.0.lock();
        let of_tenant = all.keys().filter(|other| other.tenant == place.tenant).count();
        if of_tenant >= TOPICS_OF_TENANT_MAX {
            let own = all.iter().filter(|(other, _)| other.tenant == place.tenant);
            let oldest = own.min_by_key(|(_, (_, heard_at))| *heard_at).map(|(place, _)| place.clone());
            oldest.and_then(|oldest| all.remove(&oldest));
        }
        if all.len() >= TOPICS_MAX {
            all.retain(|_, (_, heard_at)| heard_at.elapsed() < BELIEVED_FOR);
        }
        if all.len() < TOPICS_MAX {
            all.insert(place, (topic, Instant::now()));
        }
    }

    /// It turned out to be wrong.
    pub(super) fn forget(&self, place: &Place) {
        self.0.lock().remove(place);
    }
}

/// The partition for a record: by its key; without one, by a number that goes with its source, among those that somebody has.
pub(super) fn choose<'a>(topic: &'a Topic, key: Option<&str>, spread: u64) -> Option<&'a Partition> {
    let all = &topic.0;
    if let Some(key) = key {
        let number = partition_of(key.as_bytes(), all.len());
        return all.iter().find(|one| usize::try_from(one.number) == Ok(number));
    }
    let led: Vec<&Partition> = all.iter().filter(|one| one.leader.is_ok()).collect();
    let count = u64::try_from(led.len()).unwrap_or(u64::MAX).max(1);
    led.get(usize::try_from(spread % count).unwrap_or(0)).copied().or(all.first())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::broker::kafka::speech::Nobody;
    use crate::target::Target;

    fn topic(led: &[bool]) -> Topic {
        let leader = |led: &bool| match led {
            true => Ok(Target::broker("kafka://a.test").expect("a broker")),
            false => Err(Nobody::Now),
        };
        let partition = |(number, led)| Partition {
            number,
            leader: leader(led),
        };
        // Brokers name partitions in any order.
        let mut all: Vec<_> = (0..).zip(led).map(partition).collect();
        all.reverse();
        Topic(all)
    }

    #[test]
    fn a_key_has_one_partition_and_a_source_one_of_those_that_are_there() {
        let number = |topic: &Topic, key: Option<&str>, spread| choose(topic, key, spread).map(|one| one.number);
        let all = topic(&[true; 10]);
        assert_eq!(number(&all, Some("abc"), 1), Some(7));
        assert_eq!(number(&all, Some("abc"), 2), Some(7));
        assert_eq!(number(&topic(&[false; 10]), Some("abc"), 0), Some(7), "also when nobody has it");
        assert_eq!(number(&all, None, 3), number(&all, None, 13));
        let mut taken: Vec<_> = (0..10).map(|spread| number(&all, None, spread)).collect();
        taken.sort_unstable();
        assert_eq!(taken, (0..10).map(Some).collect::<Vec<_>>());
        let one = topic(&[false, true, false]);
        assert!((0..10).all(|spread| number(&one, None, spread) == Some(1)));
        assert!(number(&topic(&[false; 3]), None, 5).is_some(), "says why there is none");
        assert_eq!(number(&topic(&[]), None, 5), None);
        assert_eq!(number(&topic(&[]), Some("abc"), 5), None);
    }

    #[test]
    fn what_a_tenant_makes_one_remember_has_a_limit_and_is_its_own() {
        let clusters = Clusters::default();
        let place = |tenant, topic: usize| Place {
            tenant,
            cluster: "kafka://a.test".to_owned(),
            login: [0; 32],
            topic: topic.to_string(),
        };
        let (mine, other) = (TenantId::generate(), TenantId::generate());
        clusters.remember(place(other, 0), topic(&[true]));
        for number in 0..TOPICS_OF_TENANT_MAX + 10 {
            clusters.remember(place(mine, number), topic(&[true]));
        }
        assert_eq!(clusters.0.lock().len(), TOPICS_OF_TENANT_MAX + 1);
        assert!(clusters.known(&place(other, 0)).is_some());
        assert!(clusters.known(&place(other, 1)).is_none());
        assert!(clusters.known(&place(mine, TOPICS_OF_TENANT_MAX + 9)).is_some());
        clusters.forget(&place(other, 0));
        assert!(clusters.known(&place(other, 0)).is_none());
    }
}
