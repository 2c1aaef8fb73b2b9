//! Readings of one key that lie in two places, as one list.

use model::Reading;

/// Two lists of one order as one of it, `limit` at most, in which every time stands once: with the reading of the first list, if both
/// have one. Each list has every time once.
pub fn merged(first: Vec<Reading>, second: Vec<Reading>, descending: bool, limit: usize) -> Vec<Reading> {
    if second.is_empty() {
        return first;
    }
    let mut all = Vec::with_capacity((first.len() + second.len()).min(limit));
    let (mut first, mut second) = (first.into_iter().peekable(), second.into_iter().peekable());
    while all.len() < limit {
        let times = first.peek().zip(second.peek()).map(|(one, other)| (one.ts_ms, other.ts_ms));
        let next = match times {
            Some((one, other)) if one == other => {
                second.next();
                first.next()
            }
            Some((one, other)) if (one < other) == descending => second.next(),
            Some(_) => first.next(),
            None => first.next().or_else(|| second.next()),
        };
        match next {
            Some(reading) => all.push(reading),
            None => break,
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use model::Value;

    use super::*;

    /// Times of two lists, whether they descend, how many are wanted; and times of all, each with the number of its list.
    type Case = (&'static [i64], &'static [i64], bool, usize, &'static [(i64, i64)]);

    fn list(times: &[i64], value: i64) -> Vec<Reading> {
        let reading = |ts_ms: &i64| Reading {
            ts_ms: *ts_ms,
            value: Value::Long(value),
        };
        times.iter().map(reading).collect()
    }

    #[test]
    fn two_lists_become_one_of_their_order() {
        let cases: [Case; 8] = [
            (&[], &[], false, 9, &[]),
            (&[1], &[], false, 9, &[(1, 1)]),
            (&[], &[1, 2], false, 1, &[(1, 2)]),
            (&[1, 4], &[2, 3], false, 9, &[(1, 1), (2, 2), (3, 2), (4, 1)]),
            (&[4, 1], &[3, 2], true, 3, &[(4, 1), (3, 2), (2, 2)]),
            (&[1, 2], &[1, 3], false, 9, &[(1, 1), (2, 1), (3, 2)]),
            (&[3, 1], &[3, 1], true, 9, &[(3, 1), (1, 1)]),
            (&[1, 2], &[5, 6], false, 2, &[(1, 1), (2, 1)]),
        ];
        for (first, second, descending, limit, expected) in cases {
            let all = merged(list(first, 1), list(second, 2), descending, limit);
            let expected: Vec<Reading> = expected.iter().flat_map(|(time, of)| list(&[*time], *of)).collect();
            assert_eq!(all, expected, "{first:?} {second:?}");
        }
    }
}
