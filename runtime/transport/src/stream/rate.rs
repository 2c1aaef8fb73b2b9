//! Bytes in a second. Pure: told what time it is.

use std::time::Duration;

use tokio::time::Instant;

/// Allows a second's worth at once, and then as much as time brings.
#[derive(Clone, Debug)]
pub struct Rate {
    per_second: u32,
    /// When everything taken will have been earned.
    paid: Instant,
}

impl Rate {
    /// Nothing is taken yet.
    pub fn new(per_second: u32, now: Instant) -> Self {
        Rate {
            per_second: per_second.max(1),
            paid: now,
        }
    }

    /// Takes some, whatever is left.
    pub fn take(&mut self, now: Instant, bytes: usize) {
        let nanos = (bytes as u64).saturating_mul(1_000_000_000) / u64::from(self.per_second);
        self.paid = self.paid.max(now) + Duration::from_nanos(nanos);
    }

    /// When more may be taken; none: now.
    pub fn wait(&self, now: Instant) -> Option<Instant> {
        let until = self.paid.checked_sub(Duration::from_secs(1))?;
        (until > now).then_some(until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_at_once_then_as_time_brings() {
        let start = Instant::now() + Duration::from_secs(100);
        let at = |ms| start + Duration::from_millis(ms);
        let mut rate = Rate::new(1000, start);
        rate.take(start, 1000);
        assert_eq!(rate.wait(start), None);
        rate.take(start, 500);
        assert_eq!(rate.wait(at(499)), Some(at(500)));
        assert_eq!(rate.wait(at(500)), None);
        rate.take(at(60_000), 1000);
        assert_eq!(rate.wait(at(60_000)), None, "time without bytes is worth one second, not more");
        rate.take(at(60_000), 1);
        assert_eq!(rate.wait(at(60_000)), Some(at(60_001)));
    }
}
