//! When a gateway is told that a device behind it says more than it may: as it begins, not for each message. Pure decisions.
//!
//! Whoever goes on for such a device is told once. A device at the edge of its rate is heard and refused by turns: that counts as one time,
//! told of again after a while. So there is one notice at most for a publish that is refused, and one for a device in that while.

/// A gateway is told of one device so often at most.
const EVERY_MS: u64 = 10_000;

/// What a gateway was told of one device.
#[derive(Debug, Default)]
pub(crate) struct Notices {
    told_ms: Option<i64>,
    /// Whether anything of the device was taken since.
    heard: bool,
}

impl Notices {
    /// Something of the device was taken.
    pub(crate) fn heard(&mut self) {
        self.heard = true;
    }

    /// Something of the device was refused. `tell` tells the gateway, if that is due; whether it could.
    pub(crate) fn refused(&mut self, now_ms: i64, tell: impl FnOnce() -> bool) {
        let due = self
            .told_ms
            .is_none_or(|told_ms| self.heard && now_ms.abs_diff(told_ms) >= EVERY_MS);
        if due && tell() {
            self.told_ms = Some(now_ms);
            self.heard = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether the gateway is told of what is refused now.
    fn told(notices: &mut Notices, now_ms: i64) -> bool {
        let mut told = false;
        notices.refused(now_ms, || {
            told = true;
            true
        });
        told
    }

    #[test]
    fn a_gateway_is_told_when_it_begins() {
        let mut notices = Notices::default();
        notices.heard();
        assert!(told(&mut notices, 1_000));
        for now_ms in [1_000, 1_001, 11_000, 1_000_000_000] {
            assert!(!told(&mut notices, now_ms), "it is the same time still: {now_ms}");
        }
        notices.heard();
        assert!(told(&mut notices, 1_000_000_001), "it begins again");
    }

    #[test]
    fn a_device_at_the_edge_of_its_rate_is_told_of_every_ten_seconds() {
        let mut notices = Notices::default();
        let count = (0..600_000)
            .step_by(100)
            .filter(|now_ms| {
                notices.heard();
                told(&mut notices, *now_ms)
            })
            .count();
        assert_eq!(count, 60);
    }

    #[test]
    fn what_could_not_be_told_is_told_with_the_next() {
        let mut notices = Notices::default();
        notices.refused(0, || false);
        assert!(told(&mut notices, 1));
        assert!(!told(&mut notices, 2));
    }
}
