//! Time buckets: what grows with time is cut into partitions of one width. The width is chosen when a keyspace is created and never
//! changes: the same reading must find the same partition for ever.

use std::time::Duration;

/// Cuts time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Buckets {
    width_ms: i64,
}

impl Buckets {
    /// Of a width; at least an hour.
    pub(crate) fn new(width: Duration) -> Self {
        const HOUR_MS: i64 = 3_600_000;
        Buckets {
            width_ms: i64::try_from(width.as_millis()).unwrap_or(i64::MAX).max(HOUR_MS),
        }
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
    }
}
