//! What is said of arti's errors: the causes too, on one line of bounded length, and never an onion address.

use std::error::Error;
use tor_error::ErrorReport as _;

/// The longest text. A dial that failed 12 times reports 12 attempts, each with its causes.
const LONGEST: usize = 400;
/// What arti puts before every report; our callers have words of their own.
const PREFIX: &str = "error: ";
/// An address has 56 characters, the key in it alone 52.
const KEY_LENGTH: usize = 52;

/// An error with its causes (a plain `Display` hides arti's). Arti redacts addresses in its own texts; what looks like
/// one all the same is cut out, because this text reaches the log and STATUS.
pub(crate) fn report(error: &(dyn Error + 'static)) -> String {
    let text = error.report().to_string();
    tidy(text.strip_prefix(PREFIX).unwrap_or(&text))
}

/// One line, bounded, without addresses.
pub(crate) fn tidy(text: &str) -> String {
    let words: Vec<_> = text.split_whitespace().collect();
    // Before it is cut short: half an address is one that is no longer recognised.
    let mut text = scrub(&words.join(" "));
    if text.len() > LONGEST {
        let end = (0..=LONGEST).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        text.truncate(end);
        text.push_str(" ..");
    }
    text
}

/// Replaces every run of letters and digits that is as long as a key, and every name below `.onion`, even a short one:
/// it may be part of an address.
fn scrub(text: &str) -> String {
    const SUFFIX: &str = ".onion";
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(rest.len());
        if end == 0 {
            out.push(first);
            rest = &rest[first.len_utf8()..];
            continue;
        }
        let (run, tail) = rest.split_at(end);
        let named = tail.get(..SUFFIX.len()).is_some_and(|suffix| suffix.eq_ignore_ascii_case(SUFFIX));
        rest = if named { &tail[SUFFIX.len()..] } else { tail };
        out.push_str(if named || run.len() >= KEY_LENGTH { "[onion]" } else { run });
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_onion_passes() {
        let onion = "a2".repeat(28);
        for (text, want) in [
            (format!("cannot reach {onion}.onion: gone"), "cannot reach [onion]: gone"),
            (format!("cannot reach {onion}.onion:80"), "cannot reach [onion]:80"),
            (format!("HsId({onion})"), "HsId([onion])"),
            (format!("\"{}.ONION\"", onion.to_uppercase()), "\"[onion]\""),
            (format!("key {onion}"), "key [onion]"),
            ("www.abc.onion".into(), "www.[onion]"),
            ("ends with abc.onion".into(), "ends with [onion]"),
        ] {
            assert_eq!(scrub(&text), want);
        }
    }

    #[test]
    fn what_people_need_passes() {
        for text in
            ["nothing to hide", "/home/somebody/.local/share/torchatd/tor/state is open to others", "ä.onio", ""]
        {
            assert_eq!(tidy(text), text);
        }
    }

    #[test]
    fn a_text_is_one_line_of_bounded_length() {
        assert_eq!(tidy("Tried 2 times\nAttempt 1: no\n  Attempt 2: no"), "Tried 2 times Attempt 1: no Attempt 2: no");
        let long = tidy(&"ä ".repeat(1_000));
        assert!(long.len() <= LONGEST + 3 && long.ends_with(" .."));
        // An address on the border is not cut in two.
        let border = format!("{} {}.onion", "x".repeat(40).split_at(10).0.repeat(5).as_str(), "b".repeat(56));
        assert!(!tidy(&format!("{}{border}", "y ".repeat(170))).contains("bbb"));
    }

    #[derive(Debug)]
    struct Outer(std::io::Error);
    impl std::fmt::Display for Outer {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("outer")
        }
    }
    impl Error for Outer {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            Some(&self.0)
        }
    }

    #[test]
    fn causes_are_told() {
        let error = Outer(std::io::Error::other(format!("lost {}.onion", "c".repeat(56))));
        assert_eq!(report(&error), "outer: lost [onion]");
    }
}
