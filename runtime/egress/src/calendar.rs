//! Times as other systems write them. Pure.

/// A second of the calendar, UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Moment {
    pub(crate) year: i64,
    /// From 1.
    pub(crate) month: i64,
    pub(crate) day: i64,
    pub(crate) hour: i64,
    pub(crate) minute: i64,
    pub(crate) second: i64,
    /// From Sunday, which is 0.
    pub(crate) weekday: i64,
}

/// The moment of so many milliseconds since 1970-01-01. The day from the number of days: “chrono-compatible low-level date algorithms”
/// (H. Hinnant), civil_from_days.
pub(crate) fn utc(at_ms: i64) -> Moment {
    let seconds = at_ms.div_euclid(1_000);
    let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    // Years that begin with March, so that the day that is not always there is the last one.
    let from = days + 719_468;
    let (era, of_era) = (from.div_euclid(146_097), from.rem_euclid(146_097));
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * of_year + 2) / 153;
    let month = (from_march + 2) % 12 + 1;
    Moment {
        year: year_of_era + era * 400 + i64::from(month < 3),
        month,
        day: of_year - (153 * from_march + 2) / 5 + 1,
        hour: second / 3_600,
        minute: second / 60 % 60,
        second: second % 60,
        weekday: (days + 4).rem_euclid(7),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_those_of_the_calendar() {
        for (at_ms, date, time, weekday) in [
            (0, (1970, 1, 1), (0, 0, 0), 4),
            (951_825_599_000, (2000, 2, 29), (11, 59, 59), 2),
            (1_735_689_599_999, (2024, 12, 31), (23, 59, 59), 2),
            (1_772_323_200_000, (2026, 3, 1), (0, 0, 0), 0),
            (-1, (1969, 12, 31), (23, 59, 59), 3),
        ] {
            let told = utc(at_ms);
            assert_eq!(((told.year, told.month, told.day), told.weekday), (date, weekday), "{at_ms}");
            assert_eq!((told.hour, told.minute, told.second), time, "{at_ms}");
        }
    }
}
