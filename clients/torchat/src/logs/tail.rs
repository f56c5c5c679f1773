//! What of a batch is in the log after a kill, seen from the log's end.

/// What is still to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Missing<'a> {
    pub(super) text: &'a [u8],
    /// It continues the line that the log ends with; else it begins one.
    pub(super) continues: bool,
}

/// What of `batch` is missing in `tail`, which is what the log has behind the place where the batch was to begin. `None`: it is
/// all there.
///
/// Appending is interrupted, perhaps several times, and never mixed: the log has the batch's first lines, in their order, and
/// perhaps the beginning of the next one at its end. Between them there may be lines of the user's, and lines that a power
/// cut has filled up with zeros, which are written again, whole. Nothing is ever taken out of the file.
pub(super) fn missing<'a>(batch: &'a [u8], tail: &[u8]) -> Option<Missing<'a>> {
    let (mut left, mut open) = (batch, &b""[..]);
    for line in tail.split_inclusive(|byte| *byte == b'\n') {
        match left.strip_prefix(line) {
            _ if !line.ends_with(b"\n") => open = line,
            Some(rest) => left = rest,
            None => {}
        }
    }
    if left.is_empty() {
        return None;
    }
    match left.strip_prefix(open) {
        Some(text) => Some(Missing { text, continues: !open.is_empty() }),
        None => Some(Missing { text: left, continues: false }),
    }
}

/// Whether a batch is somewhere in a file that was changed or exchanged since it was to be appended.
pub(super) fn contains(text: &[u8], batch: &[u8]) -> bool {
    let begins = text.split_inclusive(|byte| *byte == b'\n').scan(0, |at, line| {
        let begin = *at;
        *at += line.len();
        Some(begin)
    });
    begins.into_iter().any(|at| text.get(at..).is_some_and(|rest| rest.starts_with(batch)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    const BATCH: &[u8] = b"one\ntwo\n";

    fn left(tail: &[u8]) -> Option<(&'static str, bool)> {
        missing(BATCH, tail).map(|missing| (std::str::from_utf8(missing.text).unwrap(), missing.continues))
    }

    #[test]
    fn what_is_there_is_not_written_again_and_what_is_not_is() {
        assert_eq!(left(b""), Some(("one\ntwo\n", false)));
        assert_eq!(left(b"one\ntw"), Some(("o\n", true)));
        assert_eq!(left(BATCH), None);
        // The user's own lines, before and behind it.
        assert_eq!(left(b"mine\none\ntwo\nmine, too\n"), None);
        assert_eq!(left(b"mine\none\n"), Some(("two\n", false)));
        assert_eq!(left(b"mine\n"), Some(("one\ntwo\n", false)));
        // By chance the line that the user wrote ends as ours begins.
        assert_eq!(left(b"this is o"), Some(("one\ntwo\n", false)));
        // A power cut.
        assert_eq!(left(b"\0\0\0"), Some(("one\ntwo\n", false)));
        assert_eq!(left(b"one\ntw\0\0"), Some(("two\n", false)));
        assert_eq!(left(b"one\n\0\0\0\0"), Some(("two\n", false)));
        // A power cut, and then a kill.
        assert_eq!(left(b"one\n\0\0\n"), Some(("two\n", false)));
        assert_eq!(left(b"on\0\0\none\nt"), Some(("wo\n", true)));
        assert!(contains(b"mine\none\ntwo\nmine", BATCH) && !contains(b"mine\nxone\ntwo\n", BATCH));
    }

    proptest! {
        #[test]
        fn a_beginning_is_always_made_whole(batch in "([ab]{1,3}\n){1,6}", at in 0usize..30, mine in "([xy]{0,3}\n){0,3}") {
            let cut = at.min(batch.len());
            let mut tail = format!("{mine}{}", &batch[..cut]).into_bytes();
            if let Some(missing) = missing(batch.as_bytes(), &tail) {
                prop_assert!(missing.continues || tail.is_empty() || tail.ends_with(b"\n"));
                tail.extend_from_slice(missing.text);
            }
            prop_assert_eq!(String::from_utf8(tail).unwrap(), format!("{}{}", mine, batch));
        }
    }
}
