//! How much may be said in which time: `100:1,2000:60` is a hundred in a second and two thousand in a minute. Pure: time is given.

use std::fmt;
use std::str::FromStr;

/// Windows of one rate at most.
const WINDOWS_MAX: usize = 8;
/// What a window may hold, and how long it may be: products of the two stay far within 64 bits.
const CAPACITY_MAX: u32 = 1_000_000_000;
const PERIOD_S_MAX: u32 = 31 * 86_400;

/// How many times its whole room a window may owe, when other servers let in more than there was.
const OWED_MAX: u64 = 128;

/// A rate of several windows; without any, nothing is limited.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rate(Vec<Window>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Window {
    capacity: u32,
    period_s: u32,
}

impl Window {
    /// What one costs.
    fn unit(self) -> u64 {
        u64::from(self.period_s) * 1000
    }

    /// What may be spent.
    fn room(self) -> u64 {
        u64::from(self.capacity) * self.unit()
    }
}

/// A text that is no rate.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no rate; one looks like 100:1,2000:60 (how many: in how many seconds)")]
pub struct NoRate(String);

impl Rate {
    /// So many in so many seconds, both brought within what a window may have.
    pub fn of(capacity: u32, period_s: u32) -> Self {
        Rate(vec![Window {
            capacity: capacity.clamp(1, CAPACITY_MAX),
            period_s: period_s.clamp(1, PERIOD_S_MAX),
        }])
    }

    /// Whether nothing is limited.
    pub fn is_unlimited(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromStr for Rate {
    type Err = NoRate;

    fn from_str(text: &str) -> Result<Self, NoRate> {
        let no_rate = || NoRate(text.to_owned());
        if text.trim().is_empty() {
            return Ok(Rate::default());
        }
        let window = |part: &str| {
            let (capacity, period) = part.split_once(':')?;
            let window = Window {
                capacity: capacity.trim().parse().ok()?,
                period_s: period.trim().parse().ok()?,
            };
            let sound = (1..=CAPACITY_MAX).contains(&window.capacity) && (1..=PERIOD_S_MAX).contains(&window.period_s);
            sound.then_some(window)
        };
        let windows: Vec<Window> = text.split(',').map(window).collect::<Option<_>>().ok_or_else(no_rate)?;
        if windows.len() > WINDOWS_MAX {
            return Err(no_rate());
        }
        Ok(Rate(windows))
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, window) in self.0.iter().enumerate() {
            let comma = if place > 0 { "," } else { "" };
            write!(f, "{comma}{}:{}", window.capacity, window.period_s)?;
        }
        Ok(())
    }
}

/// What is left of a rate. Full at first; refilled steadily, not at the end of a window.
#[derive(Clone, Debug, Default)]
pub struct Bucket {
    /// For each window: what is spent, in parts of which each millisecond brings back `capacity`, and one costs the window's
    /// milliseconds. Whole numbers: nothing is lost by rounding.
    spent: Vec<u64>,
    at_ms: i64,
}

impl Bucket {
    /// Takes so many, if all windows have them; else none.
    pub fn take(&mut self, rate: &Rate, count: u32, now_ms: i64) -> bool {
        self.refill(rate, now_ms);
        let cost = |window: &Window| u64::from(count) * window.unit();
        let mut windows = self.spent.iter().zip(&rate.0);
        let fits = windows.all(|(spent, window)| spent.saturating_add(cost(window)) <= window.room());
        if fits {
            for (spent, window) in self.spent.iter_mut().zip(&rate.0) {
                *spent += cost(window);
            }
        }
        fits
    }

    /// So many were taken elsewhere: they are gone, and what was not there is owed; of each window, at most as much as it refills in
    /// [`OWED_MAX`] times its length.
    pub fn spend(&mut self, rate: &Rate, count: u64, now_ms: i64) {
        self.refill(rate, now_ms);
        for (spent, window) in self.spent.iter_mut().zip(&rate.0) {
            let most = window.room().saturating_mul(1 + OWED_MAX);
            *spent = spent.saturating_add(count.saturating_mul(window.unit())).min(most);
        }
    }

    fn refill(&mut self, rate: &Rate, now_ms: i64) {
        if self.spent.len() != rate.0.len() {
            *self = Bucket {
                spent: vec![0; rate.0.len()],
                at_ms: now_ms,
            };
        }
        // A clock that goes back brings nothing back.
        let passed_ms = u64::try_from(now_ms.saturating_sub(self.at_ms)).unwrap_or(0);
        self.at_ms = self.at_ms.max(now_ms);
        for (spent, window) in self.spent.iter_mut().zip(&rate.0) {
            *spent = spent.saturating_sub(passed_ms.saturating_mul(u64::from(window.capacity)));
        }
    }

    /// Whether nothing is spent any more: as good as a new one.
    pub fn is_full(&self, rate: &Rate, now_ms: i64) -> bool {
        let passed_ms = u64::try_from(now_ms.saturating_sub(self.at_ms)).unwrap_or(0);
        let back = |window: &Window| passed_ms.saturating_mul(u64::from(window.capacity));
        self.spent.iter().zip(&rate.0).all(|(spent, window)| *spent <= back(window))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn rates_are_read_and_written() {
        for text in ["", "10:1", "10:1,300:60", "1:1,2:2,3:3"] {
            assert_eq!(text.parse::<Rate>().unwrap().to_string(), text);
        }
        assert_eq!(" 10 : 1 ".parse::<Rate>().unwrap().to_string(), "10:1");
        assert!("".parse::<Rate>().unwrap().is_unlimited());
        assert_eq!(Rate::of(1_000, 100).to_string(), "1000:100");
        assert_eq!(Rate::of(0, u32::MAX).to_string(), format!("1:{PERIOD_S_MAX}"));
        let many = ["1:1"; WINDOWS_MAX + 1].join(",");
        for text in ["10", "0:1", "1:0", "-1:1", "1:1,", "a:b", "1000000001:1", "1:2678401", &many] {
            assert!(text.parse::<Rate>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_bucket_is_refilled_steadily_and_all_windows_count() {
        let rate: Rate = "2:1,3:10".parse().unwrap();
        let mut bucket = Bucket::default();
        for (now_ms, count, taken) in [
            (0, 3, false),
            (0, 2, true),
            (0, 1, false),
            (499, 1, false),
            (500, 1, true),
            // Two in a second would be there again, but three in ten seconds are used up until a third of them has passed.
            (2_000, 1, false),
            (3_333, 1, false),
            (3_334, 1, true),
            (3_334, 1, false),
            // A clock that goes back brings nothing back.
            (0, 1, false),
            (6_667, 1, true),
            (1_000_000, 3, false),
            (1_000_000, 2, true),
            (1_000_000, 0, true),
        ] {
            assert_eq!(bucket.take(&rate, count, now_ms), taken, "{count} at {now_ms}");
        }
        assert!(!bucket.is_full(&rate, 1_000_000));
        assert!(bucket.is_full(&rate, 1_010_000));
        let mut unlimited = Bucket::default();
        assert!(unlimited.take(&Rate::default(), u32::MAX, 0));
    }

    #[test]
    fn what_was_taken_elsewhere_is_gone_and_owed() {
        let rate: Rate = "10:1".parse().unwrap();
        let mut bucket = Bucket::default();
        bucket.spend(&rate, 4, 0);
        assert!(!bucket.take(&rate, 7, 0) && bucket.take(&rate, 6, 0));
        bucket.spend(&rate, 20, 0);
        for (now_ms, taken) in [(1_999, false), (2_100, true), (2_100, false)] {
            assert_eq!(bucket.take(&rate, 1, now_ms), taken, "at {now_ms}");
        }
        bucket.spend(&rate, u64::MAX, 10_000);
        let paid_ms = 10_000 + 1_000 * OWED_MAX as i64;
        assert!(
            !bucket.take(&rate, 1, paid_ms) && bucket.take(&rate, 1, paid_ms + 100),
            "there is an end to it"
        );
    }

    #[test]
    fn the_largest_rate_does_not_overflow() {
        let rate: Rate = format!("{CAPACITY_MAX}:{PERIOD_S_MAX}").parse().unwrap();
        let mut bucket = Bucket::default();
        assert!(bucket.take(&rate, CAPACITY_MAX, 0));
        assert!(!bucket.take(&rate, u32::MAX, 1));
        assert!(bucket.take(&rate, CAPACITY_MAX, i64::MAX));
        bucket.spend(&rate, u64::MAX, i64::MAX);
        assert!(!bucket.take(&rate, u32::MAX, i64::MAX));
    }
}
