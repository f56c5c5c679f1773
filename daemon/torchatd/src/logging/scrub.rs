//! The last guard before a log: what looks like a full onion address is not written.
//!
//! Our own lines never hold one. Errors of libraries might, now or after an update; a log is copied into bug reports.

use std::borrow::Cow;

/// An onion address without `.onion`.
const ONION_CHARS: usize = 56;
const PLACEHOLDER: &[u8] = b"[onion]";

/// Replaces every run of 56 and more characters of base32.
pub(crate) fn scrub(line: &[u8]) -> Cow<'_, [u8]> {
    let Some(first) = runs(line).next() else { return Cow::Borrowed(line) };
    let mut clean = Vec::with_capacity(line.len());
    let mut written = 0;
    for (start, end) in std::iter::once(first).chain(runs(line).skip(1)) {
        clean.extend_from_slice(line.get(written..start).unwrap_or_default());
        clean.extend_from_slice(PLACEHOLDER);
        written = end;
    }
    clean.extend_from_slice(line.get(written..).unwrap_or_default());
    Cow::Owned(clean)
}

fn runs(line: &[u8]) -> impl Iterator<Item = (usize, usize)> + '_ {
    let base32 = |byte: u8| byte.is_ascii_alphabetic() || (b'2'..=b'7').contains(&byte);
    let mut at = 0;
    line.chunk_by(move |a, b| base32(*a) == base32(*b)).filter_map(move |run| {
        let start = at;
        at += run.len();
        (run.len() >= ONION_CHARS && run.first().is_some_and(|first| base32(*first))).then_some((start, at))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONION: &str = "2gzyxa5ihm7nsggfxnu52rck2vv4rvmdlkiu3zzui5du4xyclen53wid";

    #[test]
    fn onions_are_taken_out_and_all_else_stays() {
        let line = format!("dial {ONION}.onion:80 and {} failed\n", ONION.to_uppercase());
        assert_eq!(&*scrub(line.as_bytes()), b"dial [onion].onion:80 and [onion] failed\n");
        assert_eq!(&*scrub(format!("x.{ONION}\n").as_bytes()), b"x.[onion]\n");
        assert_eq!(&*scrub(ONION.as_bytes()), PLACEHOLDER);
        for harmless in ["", "\n", &ONION[..55], "peer 2gzyxa5i", &"0f".repeat(64), "\u{fc}\u{df}"] {
            assert_eq!(&*scrub(harmless.as_bytes()), harmless.as_bytes());
        }
    }
}
