//! Readings summed up by intervals, pure. An interval is shown at the time in its middle; one without readings is not shown.

use std::collections::BTreeMap;

use model::{Reading, Value};

use crate::ApiError;

/// How readings are summed up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// The smallest number; where there is none, the first text in order.
    Min,
    /// The largest number; where there is none, the last text in order.
    Max,
    /// The mean of numbers.
    Avg,
    /// The sum of numbers.
    Sum,
    /// How many there are, of any type.
    Count,
}

impl Way {
    /// The way of a name; none for `NONE`.
    pub(super) fn named(name: &str) -> Result<Option<Way>, ApiError> {
        match name {
            "NONE" => Ok(None),
            "MIN" => Ok(Some(Way::Min)),
            "MAX" => Ok(Some(Way::Max)),
            "AVG" => Ok(Some(Way::Avg)),
            "SUM" => Ok(Some(Way::Sum)),
            "COUNT" => Ok(Some(Way::Count)),
            other => Err(ApiError::Invalid(format!(
                "agg must be MIN, MAX, AVG, SUM, COUNT or NONE, not {other}"
            ))),
        }
    }
}

/// A summary in the making.
pub(super) struct Summary {
    way: Way,
    from_ms: i64,
    to_ms: i64,
    interval_ms: i64,
    /// By number of the interval.
    intervals: BTreeMap<i128, Account>,
}

#[derive(Default)]
struct Account {
    count: i64,
    numbers: u64,
    /// Exact as long as all numbers are whole and the sum fits.
    longs: Option<i64>,
    sum: f64,
    kept: Option<Value>,
}

impl Summary {
    /// Of readings from `from_ms` on and before `to_ms`; `interval_ms` is at least 1.
    pub(super) fn new(way: Way, from_ms: i64, to_ms: i64, interval_ms: i64) -> Self {
        Summary {
            way,
            from_ms,
            to_ms,
            interval_ms: interval_ms.max(1),
            intervals: BTreeMap::new(),
        }
    }

    /// Takes a reading.
    pub(super) fn add(&mut self, reading: Reading) {
        let number = (i128::from(reading.ts_ms) - i128::from(self.from_ms)).div_euclid(i128::from(self.interval_ms));
        let account = self.intervals.entry(number).or_insert_with(|| Account {
            longs: Some(0),
            ..Account::default()
        });
        account.count += 1;
        let number = match reading.value {
            Value::Long(long) => Some((Some(long), long as f64)),
            Value::Double(double) => Some((None, double)),
            _ => None,
        };
        if let Some((long, number)) = number {
            account.numbers += 1;
            account.sum += number;
            account.longs = account.longs.zip(long).and_then(|(sum, long)| sum.checked_add(long));
        }
        if matches!(self.way, Way::Min | Way::Max) && account.kept.as_ref().is_none_or(|kept| beats(self.way, &reading.value, kept)) {
            account.kept = Some(reading.value);
        }
    }

    /// What the intervals come to, in order of time.
    pub(super) fn finish(self) -> Vec<Reading> {
        let (from, to, interval) = (i128::from(self.from_ms), i128::from(self.to_ms), i128::from(self.interval_ms));
        let result = |(number, account): (i128, Account)| {
            let start = from + number * interval;
            // The last interval may be shorter.
            let middle = start + ((start + interval).min(to) - start) / 2;
            let value = account.result(self.way)?;
            Some(Reading {
                ts_ms: i64::try_from(middle).unwrap_or(i64::MAX),
                value,
            })
        };
        self.intervals.into_iter().filter_map(result).collect()
    }
}

impl Account {
    fn result(self, way: Way) -> Option<Value> {
        match way {
            Way::Count => Some(Value::Long(self.count)),
            Way::Min | Way::Max => self.kept,
            Way::Sum | Way::Avg if self.numbers == 0 => None,
            Way::Sum => Some(self.longs.map_or(Value::Double(self.sum), Value::Long)),
            Way::Avg => Some(Value::Double(self.sum / self.numbers as f64)),
        }
    }
}

/// Whether a value takes the place of another one. Numbers come before everything else.
fn beats(way: Way, new: &Value, kept: &Value) -> bool {
    let order = match (new, kept) {
        (Value::Long(new), Value::Long(kept)) => new.cmp(kept),
        _ => match (number(new), number(kept)) {
            (Some(new), Some(kept)) => new.total_cmp(&kept),
            (Some(_), None) => return true,
            (None, Some(_)) => return false,
            (None, None) => new.to_string().cmp(&kept.to_string()),
        },
    };
    if way == Way::Min { order.is_lt() } else { order.is_gt() }
}

fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Long(long) => Some(*long as f64),
        Value::Double(double) => Some(*double),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn summed(way: Way, readings: &[(i64, Value)]) -> Vec<(i64, Value)> {
        let mut summary = Summary::new(way, 100, 125, 10);
        readings.iter().for_each(|(ts_ms, value)| {
            summary.add(Reading {
                ts_ms: *ts_ms,
                value: value.clone(),
            })
        });
        summary.finish().into_iter().map(|reading| (reading.ts_ms, reading.value)).collect()
    }

    #[test]
    fn each_interval_comes_to_one_value_at_its_middle() {
        let readings = [
            (100, Value::Long(1)),
            (109, Value::Long(4)),
            (120, Value::Double(2.5)),
            (124, Value::Long(3)),
        ];
        let cases = [
            (Way::Min, Value::Long(1), Value::Double(2.5)),
            (Way::Max, Value::Long(4), Value::Long(3)),
            (Way::Avg, Value::Double(2.5), Value::Double(2.75)),
            (Way::Sum, Value::Long(5), Value::Double(5.5)),
            (Way::Count, Value::Long(2), Value::Long(2)),
        ];
        for (way, first, last) in cases {
            assert_eq!(summed(way, &readings), [(105, first), (122, last)], "{way:?}");
        }
    }

    #[test]
    fn text_is_counted_and_ordered_but_not_added() {
        let text = |text: &str| Value::Text(text.into());
        let readings = [(100, text("b")), (101, text("a"))];
        assert_eq!(summed(Way::Count, &readings), [(105, Value::Long(2))]);
        assert_eq!(summed(Way::Min, &readings), [(105, text("a"))]);
        assert_eq!(summed(Way::Max, &readings), [(105, text("b"))]);
        assert_eq!(summed(Way::Sum, &readings), []);
        assert_eq!(
            summed(Way::Max, &[(100, text("z")), (101, Value::Long(1))]),
            [(105, Value::Long(1))],
            "numbers come first"
        );
    }

    #[test]
    fn sums_beyond_64_bits_become_doubles() {
        let readings = [(100, Value::Long(i64::MAX)), (101, Value::Long(i64::MAX))];
        assert_eq!(summed(Way::Sum, &readings), [(105, Value::Double(i64::MAX as f64 * 2.0))]);
    }
}
