//! Latencies of single messages, as the load generator writes them down: how long messages took that were due in some time.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};

/// When a message was due, in milliseconds since 1970, and what it took, in microseconds.
#[derive(Clone, Debug, Default)]
pub struct Latencies(Vec<(u64, u64)>);

/// A distribution, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    /// Messages.
    pub count: usize,
    /// Half of them took at most this.
    pub p50_ms: f64,
    /// 99 of 100.
    pub p99_ms: f64,
    /// All.
    pub max_ms: f64,
}

/// A time, from and until, in milliseconds since 1970.
pub type Window = (u64, u64);

impl Latencies {
    /// Reads the file.
    ///
    /// # Errors
    /// When it is not there, or not of that form.
    pub fn read(path: &Path) -> Result<Self> {
        parse(&std::fs::read_to_string(path)?).context("the file of latencies is not understood")
    }

    /// Those of another load, too.
    pub fn add(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// Of all messages.
    pub fn all(&self) -> Spread {
        self.of(|_| true)
    }

    /// Of messages that were due within.
    pub fn within(&self, (from_ms, until_ms): Window) -> Spread {
        self.of(|due_ms| (from_ms..until_ms).contains(&due_ms))
    }

    /// Of messages that were due in none of these times, and not in the first so many milliseconds.
    pub fn outside(&self, windows: &[Window], first_ms: u64) -> Spread {
        let start_ms = self.0.iter().map(|(due_ms, _)| *due_ms).min().unwrap_or(0) + first_ms;
        self.of(|due_ms| due_ms >= start_ms && !windows.iter().any(|(from_ms, until_ms)| (*from_ms..*until_ms).contains(&due_ms)))
    }

    fn of(&self, wanted: impl Fn(u64) -> bool) -> Spread {
        let mut latencies: Vec<u64> = self.0.iter().filter(|(due_ms, _)| wanted(*due_ms)).map(|(_, us)| *us).collect();
        latencies.sort_unstable();
        let at = |permille: usize| {
            let place = (latencies.len() * permille).div_ceil(1_000).max(1) - 1;
            latencies.get(place).map_or(f64::NAN, |us| *us as f64 / 1_000.0)
        };
        Spread {
            count: latencies.len(),
            p50_ms: at(500),
            p99_ms: at(990),
            max_ms: at(1_000),
        }
    }
}

fn parse(text: &str) -> Option<Latencies> {
    let lines = text.lines().map(|line| {
        let (due_ms, latency_us) = line.split_once(' ')?;
        Some((due_ms.parse().ok()?, latency_us.parse().ok()?))
    });
    lines.collect::<Option<_>>().map(Latencies)
}

/// Milliseconds since 1970.
pub fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_told_apart_by_when_they_were_due() {
        let text: String = (0..200)
            .map(|k| format!("{} {}\n", 1_000 + k, if k < 100 { 1_000 + k } else { 9_000 }))
            .collect();
        let latencies = parse(&text).expect("latencies");
        let first = latencies.within((1_000, 1_100));
        assert_eq!((first.count, first.p50_ms, first.p99_ms, first.max_ms), (100, 1.049, 1.098, 1.099));
        assert_eq!(latencies.outside(&[(1_050, 1_200)], 10), latencies.within((1_010, 1_050)));
        let mut both = latencies.clone();
        both.add(parse("1 20000\n").expect("latencies"));
        assert_eq!((both.all().count, both.all().max_ms), (201, 20.0));
        assert!(latencies.within((5, 6)).p99_ms.is_nan());
        assert!(parse("1 2\nx 3\n").is_none());
    }
}
