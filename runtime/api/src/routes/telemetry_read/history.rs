//! Readings of a time, as they are or summed up by intervals. What one answer holds is limited; more is refused, not cut off silently.

use std::sync::Arc;

use model::{EntityId, Reading};
use storage::{SeriesQuery, Store, TimeSeriesStore};

use super::Asked;
use super::looked_at::LookedAt;
use super::summary::{Summary, Way};
use crate::ApiError;

/// Readings of a key, if the request does not say.
const LIMIT: u32 = 100;
/// Readings of a key at most.
const LIMIT_MAX: u32 = 100_000;
/// Readings in one answer at most.
const READINGS_MAX: usize = 200_000;
/// Intervals of a key at most, as with ThingsBoard.
const INTERVALS_MAX: i64 = 700;
/// Readings read at once for summing up.
const CHUNK: u32 = 10_000;

/// What a request wants of the past.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct History {
    from_ms: i64,
    /// First time not wanted.
    to_ms: i64,
    limit: u32,
    descending: bool,
    /// How readings are summed up, and by which intervals.
    summing: Option<(Way, i64)>,
}

/// A time, and how its readings are shown.
pub(crate) struct Span<'a> {
    /// The first time wanted.
    pub(crate) from_ms: i64,
    /// The first time not wanted.
    pub(crate) to_ms: i64,
    /// Readings of a key at most; none: as usual.
    pub(crate) limit: Option<u32>,
    /// The newest first.
    pub(crate) descending: bool,
    /// How they are summed up; none: they are not.
    pub(crate) agg: Option<&'a str>,
    /// By which intervals, milliseconds.
    pub(crate) interval: Option<i64>,
}

impl History {
    /// What is asked for. None: no time is, so only the newest readings are wanted.
    pub(super) fn asked(asked: &Asked) -> Result<Option<History>, ApiError> {
        let (from_ms, to_ms) = match (asked.start_ts, asked.end_ts) {
            (None, None) => return Ok(None),
            (Some(from), Some(to)) => (from, to),
            (None, Some(_)) => return Err(ApiError::invalid("Required request parameter 'startTs' is not present")),
            (Some(_), None) => return Err(ApiError::invalid("Required request parameter 'endTs' is not present")),
        };
        if asked.interval_type.as_deref().is_some_and(|kind| kind != "MILLISECONDS") {
            return Err(ApiError::invalid("Only the intervalType MILLISECONDS is supported yet"));
        }
        let descending = match asked.order_by.as_deref() {
            None | Some("DESC" | "desc") => true,
            Some("ASC" | "asc") => false,
            Some(other) => return Err(ApiError::Invalid(format!("orderBy must be ASC or DESC, not {other}"))),
        };
        History::of(&Span {
            from_ms,
            to_ms,
            limit: asked.limit,
            descending,
            agg: asked.agg.as_deref(),
            interval: asked.interval,
        })
        .map(Some)
    }

    /// Of a time, if it can be answered.
    ///
    /// # Errors
    /// [`ApiError::Invalid`].
    pub(crate) fn of(span: &Span<'_>) -> Result<History, ApiError> {
        let Span { from_ms, to_ms, .. } = *span;
        if from_ms > to_ms {
            return Err(ApiError::invalid("Incorrect TsKvQuery. Start ts can't be greater than end ts"));
        }
        let limit = span.limit.unwrap_or(LIMIT);
        if !(1..=LIMIT_MAX).contains(&limit) {
            return Err(ApiError::Invalid(format!("limit must be between 1 and {LIMIT_MAX}")));
        }
        // Without an interval nothing is summed up, as with ThingsBoard.
        let way = Way::named(span.agg.unwrap_or("NONE"))?;
        let summing = way.zip(span.interval.filter(|interval| *interval != 0));
        if let Some((_, interval)) = summing {
            check_intervals(from_ms, to_ms, interval)?;
        }
        Ok(History {
            from_ms,
            to_ms,
            limit,
            descending: span.descending,
            summing,
        })
    }

    /// The part of it that is shown; none: nothing of it.
    pub(crate) fn narrowed(self, looked_at: &LookedAt) -> Option<Self> {
        let (from_ms, to_ms) = looked_at.time(self.from_ms, self.to_ms)?;
        Some(History { from_ms, to_ms, ..self })
    }

    /// Reads it for some keys; keys without readings are left out.
    pub(crate) async fn read(
        &self,
        store: &dyn Store,
        entity: EntityId,
        keys: Vec<Arc<str>>,
    ) -> Result<Vec<(Arc<str>, Vec<Reading>)>, ApiError> {
        let mut answer = Vec::new();
        let mut total = 0;
        for key in keys {
            let readings = match self.summing {
                None => {
                    let query = SeriesQuery {
                        from_ms: self.from_ms,
                        to_ms: self.to_ms,
                        limit: self.limit,
                        descending: self.descending,
                    };
                    store.series(entity, &key, &query).await?
                }
                Some((way, interval)) => self.sum_up(store, entity, &key, way, interval).await?,
            };
            total += readings.len();
            if total > READINGS_MAX {
                return Err(ApiError::Invalid(format!(
                    "The answer has more than {READINGS_MAX} readings; ask for fewer keys or a lower limit"
                )));
            }
            if !readings.is_empty() {
                answer.push((key, readings));
            }
        }
        Ok(answer)
    }

    /// Reads all readings, a part at a time; what is kept is one number for each interval.
    async fn sum_up(
        &self,
        store: &(impl TimeSeriesStore + ?Sized),
        entity: EntityId,
        key: &str,
        way: Way,
        interval: i64,
    ) -> Result<Vec<Reading>, ApiError> {
        let mut summary = Summary::new(way, self.from_ms, self.to_ms, interval);
        let mut query = SeriesQuery {
            from_ms: self.from_ms,
            to_ms: self.to_ms,
            limit: CHUNK,
            descending: false,
        };
        loop {
            let chunk = store.series(entity, key, &query).await?;
            let last = chunk.last().map(|reading| reading.ts_ms);
            let full = chunk.len() >= CHUNK as usize;
            chunk.into_iter().for_each(|reading| summary.add(reading));
            match last {
                Some(last) if full => query.from_ms = last.saturating_add(1),
                _ => return Ok(summary.finish()),
            }
        }
    }
}

fn check_intervals(from_ms: i64, to_ms: i64, interval: i64) -> Result<(), ApiError> {
    if interval < 0 {
        return Err(ApiError::invalid("Incorrect TsKvQuery. Interval must not be negative"));
    }
    let count = i128::from(to_ms) - i128::from(from_ms);
    let count = count / i128::from(interval);
    if count > i128::from(INTERVALS_MAX) {
        return Err(ApiError::Invalid(format!(
            "Incorrect TsKvQuery. Number of intervals is to high - {count}. Please increase 'interval' parameter for your query or reduce the time range of the query."
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(query: &str) -> Result<Option<History>, ApiError> {
        let uri = format!("/x?{query}").parse().expect("a path");
        History::asked(&axum::extract::Query::<Asked>::try_from_uri(&uri).expect("a query").0)
    }

    #[test]
    fn understands_what_is_wanted() {
        assert_eq!(asked("keys=a"), Ok(None));
        let plain = History {
            from_ms: 1,
            to_ms: 9,
            limit: 100,
            descending: true,
            summing: None,
        };
        assert_eq!(asked("startTs=1&endTs=9"), Ok(Some(plain.clone())));
        assert_eq!(
            asked("startTs=1&endTs=9&agg=AVG"),
            Ok(Some(plain.clone())),
            "no interval, no summing up"
        );
        assert_eq!(asked("startTs=1&endTs=9&agg=NONE&interval=5"), Ok(Some(plain.clone())));
        let summed = History {
            descending: false,
            limit: 7,
            summing: Some((Way::Avg, 5)),
            ..plain
        };
        assert_eq!(asked("startTs=1&endTs=9&agg=AVG&interval=5&limit=7&orderBy=ASC"), Ok(Some(summed)));
    }

    #[test]
    fn refuses_what_makes_no_sense_or_is_too_much() {
        for query in [
            "startTs=1",
            "endTs=1",
            "startTs=2&endTs=1",
            "startTs=1&endTs=2&limit=0",
            "startTs=1&endTs=2&limit=100001",
            "startTs=1&endTs=2&orderBy=UP",
            "startTs=1&endTs=2&agg=MEDIAN&interval=1",
            "startTs=0&endTs=701&agg=SUM&interval=1",
            "startTs=0&endTs=5&agg=SUM&interval=-1",
            "startTs=0&endTs=5&agg=SUM&interval=1&intervalType=MONTH",
        ] {
            assert!(matches!(asked(query), Err(ApiError::Invalid(_))), "{query}");
        }
    }

    #[test]
    fn no_range_of_times_is_too_long_to_count() {
        assert!(check_intervals(i64::MIN, i64::MAX, 1).is_err());
        assert!(check_intervals(i64::MIN, i64::MAX, i64::MAX).is_ok());
    }
}
