//! Numbers as people say them: one set for everything that the daemon and its clients write for people.

/// Characters of a text that an error repeats.
pub(crate) const SHOWN_CHARS: usize = 32;

/// "1 message", "2 messages". For words whose plural has an `s`.
#[must_use]
pub fn count(n: u64, what: &str) -> String {
    if n == 1 { format!("1 {what}") } else { format!("{n} {what}s") }
}

/// How long something took, in microseconds, with as many digits as mean something: "0.3 ms", "56 ms", "1.5 s", "12 s".
#[must_use]
pub fn took(us: u64) -> String {
    let tenths = |unit: u64| (us / unit + 5) / 10;
    match us {
        ..9_950 => format!("{}.{} ms", (us + 50) / 1_000, (us + 50) / 100 % 10),
        9_950..999_500 => format!("{} ms", tenths(100)),
        999_500..9_950_000 => format!("{}.{} s", (us + 50_000) / 1_000_000, (us + 50_000) / 100_000 % 10),
        _ => format!("{} s", tenths(100_000)),
    }
}

/// A time span in words: the largest unit of which there are at least two.
#[must_use]
pub fn span(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    }
}

/// A text that was found where something else must be.
pub(crate) fn found_text(text: &str) -> String {
    if text.chars().nth(SHOWN_CHARS).is_none() { format!("the text {text:?}") } else { "a long text".to_owned() }
}

/// For how long something has been so: less than a second is not "0 s".
#[must_use]
pub fn lasting(ms: u64) -> String {
    span((ms / 1_000).max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_not_many() {
        assert_eq!([0, 1, 2].map(|n| count(n, "message")), ["0 messages", "1 message", "2 messages"]);
    }

    #[test]
    fn times_have_a_unit_that_people_use() {
        let all = [0, 340, 1_234, 3_000, 56_000, 999_000, 1_500_000, 12_345_000, 180_000_000].map(took);
        assert_eq!(all, ["0.0 ms", "0.3 ms", "1.2 ms", "3.0 ms", "56 ms", "999 ms", "1.5 s", "12 s", "180 s"]);
        assert_eq!([0, 999, 59_000, 120_000].map(lasting), ["1 s", "1 s", "59 s", "2 min"]);
    }

    #[test]
    fn spans_have_one_unit() {
        let all = [0, 119, 120, 7_199, 7_200, 172_799, 172_800].map(span);
        assert_eq!(all, ["0 s", "119 s", "2 min", "119 min", "2 h", "47 h", "2 days"]);
    }
}
