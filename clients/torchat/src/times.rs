//! Words for spans and moments: one set for the screen and the shell.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

const SECOND: i64 = 1_000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// A span in words, for a sentence: "12 s", "3 min", "5 h", "4 days".
pub(crate) fn span(seconds: u64) -> String {
    match seconds {
        0..=119 => format!("{seconds} s"),
        120..=7_199 => format!("{} min", seconds / 60),
        7_200..=172_799 => format!("{} h", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    }
}

/// An age in its greatest unit, for a column of four: `7s`, `3m`, `2h`, `5d`. In milliseconds.
pub(crate) fn age(ms: i64) -> String {
    match ms.max(0) {
        ms if ms < MINUTE => format!("{}s", ms / SECOND),
        ms if ms < HOUR => format!("{}m", ms / MINUTE),
        ms if ms < DAY => format!("{}h", ms / HOUR),
        ms => format!("{}d", ms / DAY),
    }
}

/// When an [`age`] is to be drawn again: once a second, in minutes six times a minute, and so on; on round times, so that a
/// hundred ages are drawn together.
pub(crate) fn next_age(now: i64, since: i64) -> i64 {
    let (unit, grid) = match now - since {
        ms if ms < MINUTE => (SECOND, SECOND),
        ms if ms < HOUR => (MINUTE, 10 * SECOND),
        ms if ms < DAY => (HOUR, 10 * MINUTE),
        _ => (DAY, HOUR),
    };
    let due = since + ((now - since).max(0) / unit + 1) * unit;
    // Seconds are counted from when they began; the others wait for the round time.
    if unit == SECOND { due } else { (due + grid - 1).div_euclid(grid) * grid }
}

/// Where the user is, and when it is: moments are in milliseconds since 1970.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Here<'a> {
    pub(crate) zone: &'a TimeZone,
    pub(crate) now: i64,
}

impl Here<'_> {
    fn zoned(self, at: i64) -> jiff::Zoned {
        Timestamp::from_millisecond(at).unwrap_or_default().to_zoned(self.zone.clone())
    }

    /// The day of a moment.
    pub(crate) fn day(self, at: i64) -> Date {
        self.zoned(at).date()
    }

    /// The time of day: 5 columns.
    pub(crate) fn clock(self, at: i64) -> String {
        self.zoned(at).strftime("%H:%M").to_string()
    }

    /// A moment as far away as it is: today its time, else its day. At most 7 columns.
    pub(crate) fn moment(self, at: i64) -> String {
        let (then, today) = (self.day(at), self.day(self.now));
        if then == today {
            self.clock(at)
        } else if then.year() == today.year() {
            then.strftime("%-d %b").to_string()
        } else {
            then.strftime("%Y-%m").to_string()
        }
    }

    /// A moment that comes: today its time, else with its day.
    pub(crate) fn soon(self, at: i64) -> String {
        let form = if self.day(at) == self.day(self.now) { "%H:%M" } else { "%-d %b %H:%M" };
        self.zoned(at).strftime(form).to_string()
    }

    /// A moment near now: today with its second, else with its day.
    pub(crate) fn near(self, at: i64) -> String {
        let form = if self.day(at) == self.day(self.now) { "%H:%M:%S" } else { "%-d %b %H:%M" };
        self.zoned(at).strftime(form).to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_and_ages_are_told_in_their_greatest_unit() {
        assert_eq!([5, 150, 9_000, 200_000].map(span), ["5 s", "2 min", "2 h", "2 days"]);
        assert_eq!(
            [0, 59_999, MINUTE, HOUR - 1, HOUR, DAY - 1, 3 * DAY].map(age),
            ["0s", "59s", "1m", "59m", "1h", "23h", "3d"]
        );
    }

    #[test]
    fn ages_change_with_their_unit() {
        assert_eq!(next_age(10_400, 400), 11_400);
        assert_eq!(next_age(2 * MINUTE, 500), 2 * MINUTE + 10 * SECOND);
        assert!(next_age(2 * HOUR, 500) > 2 * HOUR);
        for (now, since) in [(0, 0), (59_999, 0), (MINUTE, 0), (DAY, 7), (5, 100), (HOUR, HOUR)] {
            assert!(next_age(now, since) > now, "{now} {since}");
        }
    }

    #[test]
    fn a_moment_is_as_exact_as_it_is_near() {
        let zone = TimeZone::UTC;
        // Saturday, 21 November 2026, 09:30 UTC.
        let now = 1_795_253_400_000;
        let here = Here { zone: &zone, now };
        let all = [now, now - DAY, now - 400 * DAY];
        assert_eq!(all.map(|at| here.moment(at)), ["09:30", "20 Nov", "2025-10"]);
        assert_eq!(all.map(|at| here.near(at)), ["09:30:00", "20 Nov 09:30", "17 Oct 09:30"]);
        assert_eq!([now, now + DAY].map(|at| here.soon(at)), ["09:30", "22 Nov 09:30"]);
    }
}
