//! Time buckets: what grows with time is cut into partitions of one width. The width is chosen when a keyspace is created and never
//! changes: the same reading must find the same partition for ever.

use std::time::Duration;

/// Time and bucket, in their keys, of readings that are in no history: a bucket that no time has. Each key has one row there.
pub(crate) const LATEST: (i64, i64) = (0, i64::MAX);

/// The version of the cluster since which there is that bucket. An older server could not read what is in it.
pub(crate) const LATEST_SINCE: u32 = 5;

/// How far below the bucket of a time that one is which holds the time's readings in the history alone: below all buckets of times.
const APART: i64 = 1 << 60;

/// The version of the cluster since which there are those. An older server would not look there.
pub(crate) const APART_SINCE: u32 = 6;

/// Cuts time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Buckets {
    width_ms: i64,
    latest: bool,
    apart: bool,
}

impl Buckets {
    /// Of a width; at least an hour.
    pub(crate) fn new(width: Duration) -> Self {
        const HOUR_MS: i64 = 3_600_000;
        Buckets {
            width_ms: i64::try_from(width.as_millis()).unwrap_or(i64::MAX).max(HOUR_MS),
            latest: true,
            apart: true,
        }
    }

    /// Those of a cluster of a version; none: one program has the keyspace for itself.
    pub(crate) fn since(self, cluster: Option<u32>) -> Self {
        Buckets {
            latest: cluster.is_none_or(|cluster| cluster >= LATEST_SINCE),
            apart: cluster.is_none_or(|cluster| cluster >= APART_SINCE),
            ..self
        }
    }

    /// Where a reading is that is in no history; none: nowhere else than all others, as not every server knows that bucket.
    pub(crate) fn latest(self) -> Option<(i64, i64)> {
        self.latest.then_some(LATEST)
    }

    /// Where the readings of a time are that are in the history alone.
    pub(crate) fn apart_of(self, ts_ms: i64) -> i64 {
        self.of(ts_ms) - APART
    }

    /// Where such a reading is written: beside all others, as long as not every server looks there.
    pub(crate) fn history_of(self, ts_ms: i64) -> i64 {
        match self.apart {
            true => self.apart_of(ts_ms),
            false => self.of(ts_ms),
        }
    }

    /// Whether a bucket holds readings that are in the history alone.
    pub(crate) fn is_apart(bucket: i64) -> bool {
        bucket < -APART / 2
    }

    /// The bucket of a time, in milliseconds since 1970-01-01 UTC.
    pub(crate) fn of(self, ts_ms: i64) -> i64 {
        ts_ms.div_euclid(self.width_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_fall_into_one_bucket_each() {
        let hours = Buckets::new(Duration::from_secs(3600));
        for (ts_ms, bucket) in [(0, 0), (3_599_999, 0), (3_600_000, 1), (-1, -1), (-3_600_000, -1), (-3_600_001, -2)] {
            assert_eq!(hours.of(ts_ms), bucket, "{ts_ms}");
        }
        assert!(hours.of(i64::MIN) < hours.of(0) && hours.of(0) < hours.of(i64::MAX));
        assert_eq!(Buckets::new(Duration::ZERO), hours, "no narrower");
        assert_ne!(hours.of(i64::MAX), LATEST.1, "that one has no time");
        for ts_ms in [i64::MIN, -1, 0, i64::MAX] {
            assert!(
                !Buckets::is_apart(hours.of(ts_ms)) && Buckets::is_apart(hours.apart_of(ts_ms)),
                "{ts_ms}"
            );
        }
        assert!(hours.apart_of(0) < hours.apart_of(3_600_000));
    }

    #[test]
    fn an_older_cluster_has_no_bucket_without_a_time() {
        let hours = Buckets::new(Duration::from_secs(3600));
        for (cluster, latest) in [(None, true), (Some(LATEST_SINCE), true), (Some(LATEST_SINCE - 1), false)] {
            assert_eq!(hours.since(cluster).latest().is_some(), latest, "{cluster:?}");
        }
        for (cluster, apart) in [(None, true), (Some(APART_SINCE), true), (Some(APART_SINCE - 1), false)] {
            assert_eq!(Buckets::is_apart(hours.since(cluster).history_of(7)), apart, "{cluster:?}");
        }
    }
}
