//! Compares what a device sent with what is stored: is anything acknowledged missing, is anything there that nobody sent?
//!
//! Pure: takes lists, gives counts. Knows no network and no file.

use serde::Serialize;

/// A message that was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sent {
    /// The device's number of the message.
    pub seq: u64,
    /// Its time, in milliseconds since 1970.
    pub ts: u64,
    /// The broker took it over, so it must be stored.
    pub acknowledged: bool,
}

/// What is known about one device's messages.
#[derive(Debug, Clone, Default)]
pub struct Expected {
    /// Known messages; `seq` and `ts` both rise.
    pub sent: Vec<Sent>,
    /// How many messages after (and between) the known ones may have been sent without being known: 0 from a ledger, the window from a
    /// log of acknowledgements only.
    pub unlogged: u64,
}

/// A point read back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Point {
    /// Its time, in milliseconds since 1970.
    pub ts: u64,
    /// Its value of `seq`; `None` if that is not a whole number.
    pub seq: Option<u64>,
}

/// The result for one device or, added up, for all.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Checked {
    /// Known messages.
    pub sent: u64,
    /// Known acknowledged messages.
    pub acknowledged: u64,
    /// Stored points since the first known message.
    pub stored: u64,
    /// Acknowledged, but not stored with the right time.
    pub missing: u64,
    /// Stored, but never sent so.
    pub invented: u64,
    /// Points or log lines whose number does not rise with time.
    pub disordered: u64,
    /// Stored and sent, but never acknowledged. This is allowed.
    pub unacknowledged_stored: u64,
    /// Points older than the first known message: another run's, not judged.
    pub older: u64,
    /// Devices the server does not know. All they had acknowledged is missing.
    pub unknown_devices: u64,
}

impl Checked {
    /// Nothing lost, nothing invented, everything in order.
    pub fn is_good(&self) -> bool {
        self.missing == 0 && self.invented == 0 && self.disordered == 0
    }

    /// Adds another device's result.
    pub fn add(&mut self, other: &Checked) {
        self.sent += other.sent;
        self.acknowledged += other.acknowledged;
        self.stored += other.stored;
        self.missing += other.missing;
        self.invented += other.invented;
        self.disordered += other.disordered;
        self.unacknowledged_stored += other.unacknowledged_stored;
        self.older += other.older;
        self.unknown_devices += other.unknown_devices;
    }
}

/// Judges one device. `stored` may come in any order; points with the same time twice count as invented.
pub fn check(expected: &Expected, mut stored: Vec<Point>) -> Checked {
    let sent = &expected.sent;
    let mut result = Checked {
        sent: sent.len() as u64,
        acknowledged: sent.iter().filter(|sent| sent.acknowledged).count() as u64,
        disordered: sent
            .windows(2)
            .filter(|pair| pair[1].seq <= pair[0].seq || pair[1].ts <= pair[0].ts)
            .count() as u64,
        ..Checked::default()
    };
    let (Some(first), Some(last)) = (sent.first(), sent.last()) else {
        result.older = stored.len() as u64;
        return result;
    };
    stored.sort_unstable();
    let highest = last.seq.saturating_add(expected.unlogged);
    let mut known = sent.iter().peekable();
    let mut before: Option<u64> = None;
    let mut found_acknowledged = 0;
    for point in stored {
        if point.ts < first.ts {
            result.older += 1;
            continue;
        }
        result.stored += 1;
        while known.next_if(|sent| sent.ts < point.ts).is_some() {}
        let Some(seq) = point.seq else {
            result.invented += 1;
            continue;
        };
        if before.is_some_and(|before| seq <= before) {
            result.disordered += 1;
        }
        before = Some(seq);
        match known.next_if(|sent| sent.ts == point.ts && sent.seq == seq) {
            Some(sent) if sent.acknowledged => found_acknowledged += 1,
            Some(_) => result.unacknowledged_stored += 1,
            None if expected.unlogged > 0 && seq <= highest && sent.binary_search_by_key(&seq, |sent| sent.seq).is_err() => {
                result.unacknowledged_stored += 1;
            }
            None => result.invented += 1,
        }
    }
    result.missing = result.acknowledged - found_acknowledged;
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers 5, 6, 7, 9 at 105, 106, 107, 109; 6 was not acknowledged, 8 is not known.
    fn expected(unlogged: u64) -> Expected {
        let sent = [5, 6, 7, 9].map(|seq| Sent {
            seq,
            ts: seq + 100,
            acknowledged: seq != 6,
        });
        Expected {
            sent: sent.to_vec(),
            unlogged,
        }
    }

    fn points(list: &[(u64, u64)]) -> Vec<Point> {
        list.iter().map(|(ts, seq)| Point { ts: *ts, seq: Some(*seq) }).collect()
    }

    /// Stored, missing, invented, disordered, unacknowledged but stored, older.
    fn counts(checked: &Checked) -> [u64; 6] {
        [
            checked.stored,
            checked.missing,
            checked.invented,
            checked.disordered,
            checked.unacknowledged_stored,
            checked.older,
        ]
    }

    #[test]
    fn judges_points_by_time_and_number() {
        type Case<'a> = (&'a str, u64, &'a [(u64, u64)], [u64; 6]);
        let table: [Case<'_>; 10] = [
            ("all there", 0, &[(109, 9), (107, 7), (106, 6), (105, 5)], [4, 0, 0, 0, 1, 0]),
            (
                "unacknowledged may be absent",
                0,
                &[(105, 5), (107, 7), (109, 9)],
                [3, 0, 0, 0, 0, 0],
            ),
            ("acknowledged may not", 0, &[(105, 5), (106, 6), (109, 9)], [3, 1, 0, 0, 1, 0]),
            (
                "older points are another run's",
                0,
                &[(9, 9), (105, 5), (107, 7), (109, 9)],
                [3, 0, 0, 0, 0, 1],
            ),
            (
                "right number at a wrong time",
                0,
                &[(105, 5), (108, 7), (109, 9)],
                [3, 1, 1, 0, 0, 0],
            ),
            (
                "a number nobody sent",
                0,
                &[(105, 5), (107, 7), (108, 8), (109, 9)],
                [4, 0, 1, 0, 0, 0],
            ),
            (
                "the same number with unlogged messages",
                4,
                &[(105, 5), (107, 7), (108, 8), (109, 9)],
                [4, 0, 0, 0, 1, 0],
            ),
            (
                "after the last logged, within the window",
                4,
                &[(105, 5), (107, 7), (109, 9), (110, 13)],
                [4, 0, 0, 0, 1, 0],
            ),
            (
                "beyond the window",
                4,
                &[(105, 5), (107, 7), (109, 9), (110, 14)],
                [4, 0, 1, 0, 0, 0],
            ),
            (
                "the same number twice",
                4,
                &[(105, 5), (107, 7), (109, 9), (110, 9)],
                [4, 0, 1, 1, 0, 0],
            ),
        ];
        for (name, unlogged, stored, wanted) in table {
            let checked = check(&expected(unlogged), points(stored));
            assert_eq!(counts(&checked), wanted, "{name}");
            assert_eq!(checked.is_good(), wanted[1] + wanted[2] + wanted[3] == 0, "{name}");
        }
    }

    #[test]
    fn nothing_stored_is_everything_missing() {
        assert_eq!(counts(&check(&expected(0), Vec::new())), [0, 3, 0, 0, 0, 0]);
        assert_eq!(counts(&check(&Expected::default(), points(&[(1, 1)]))), [0, 0, 0, 0, 0, 1]);
    }

    #[test]
    fn a_value_that_is_no_number_is_invented() {
        let checked = check(&expected(9), vec![Point { ts: 106, seq: None }]);
        assert_eq!(checked.invented, 1);
    }

    #[test]
    fn a_log_whose_times_do_not_rise_is_disordered() {
        let mut wrong = expected(4);
        wrong.sent[2].ts = 106;
        assert!(check(&wrong, Vec::new()).disordered == 1);
    }

    #[test]
    fn results_add_up() {
        let mut sum = check(&expected(0), Vec::new());
        sum.add(&check(&expected(0), points(&[(105, 5)])));
        assert_eq!((sum.sent, sum.acknowledged, sum.missing, sum.stored), (8, 6, 5, 1));
    }
}
