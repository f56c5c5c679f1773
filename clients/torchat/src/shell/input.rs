//! Texts that come by standard input or from a file, by one rule; docs/SHELL.md, "Texts", tells it to people.
//!
//! The bytes of a text are sent as they are, with two exceptions, which belong to the file and not to the text: a byte order
//! mark at its very beginning, and the end of a line (`\n` or `\r\n`) where the text, or the line that is a text, ends.
//! Nothing else is cut, normalised or translated: the other side gets the same bytes.

use super::failure::{Done, Failure};
use std::ffi::OsString;
use std::io::{self, BufRead, Read};
use torchat_client::api::Code;
use torchat_protocol::limits::TEXT_BYTES;

/// U+FEFF in UTF-8: some editors put it before everything.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
/// The mark, the longest end of a line, and one byte more, which shows that a text is too long.
const AROUND: u64 = 6;

/// Why a line is not sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoText {
    /// It is not in UTF-8.
    NotUtf8,
    /// It has too many bytes.
    TooLong,
}

impl NoText {
    /// As a failure of the command, said of what it is about.
    pub(crate) fn of(self, what: &str) -> Failure {
        match self {
            Self::NotUtf8 => Failure::input(format!("{what} is not in UTF-8: send text")),
            Self::TooLong => Self::beyond(what, TEXT_BYTES),
        }
    }

    /// A text that is too long where it goes.
    pub(crate) fn beyond(what: &str, bytes: usize) -> Failure {
        let mut failure = Failure::input(format!("{what} is too long: a message has at most {bytes} bytes: split it"));
        failure.code = Some(Code::TooLong);
        failure
    }
}

/// All of it as one text.
pub(crate) fn whole(input: impl Read) -> Done<String> {
    let mut bytes = Vec::new();
    let read = input.take(TEXT_BYTES as u64 + AROUND).read_to_end(&mut bytes);
    read.map_err(|error| unreadable(&error))?;
    text(&bytes, true).map_err(|why| why.of("standard input"))
}

fn unreadable(error: &io::Error) -> Failure {
    Failure::input(format!("standard input cannot be read: {error}"))
}

/// A text of bytes, without what belongs to the file.
fn text(bytes: &[u8], first: bool) -> Result<String, NoText> {
    let bytes = if first { bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes) } else { bytes };
    let bytes = match bytes.strip_suffix(b"\n") {
        Some(line) => line.strip_suffix(b"\r").unwrap_or(line),
        None => bytes,
    };
    // Before the other question: a text that was cut in the middle of a character is too long.
    if bytes.len() > TEXT_BYTES {
        return Err(NoText::TooLong);
    }
    std::str::from_utf8(bytes).map(str::to_owned).map_err(|_| NoText::NotUtf8)
}

/// The lines of an input, each a text of its own.
pub(crate) struct Lines<R> {
    input: R,
    /// The number of the line that was read last, from 1.
    number: u64,
}

impl<R: BufRead> Lines<R> {
    pub(crate) fn new(input: R) -> Self {
        Self { input, number: 0 }
    }

    /// The next line and its number; `None` at the end.
    ///
    /// # Errors
    /// When the input cannot be read.
    pub(crate) fn next(&mut self) -> Done<Option<(u64, Result<String, NoText>)>> {
        let mut line = Vec::new();
        let read = self.input.by_ref().take(TEXT_BYTES as u64 + AROUND).read_until(b'\n', &mut line);
        if read.map_err(|error| unreadable(&error))? == 0 {
            return Ok(None);
        }
        self.number += 1;
        if line.last() != Some(&b'\n') && line.len() as u64 == TEXT_BYTES as u64 + AROUND {
            self.skip_line().map_err(|error| unreadable(&error))?;
        }
        Ok(Some((self.number, text(&line, self.number == 1))))
    }

    /// The rest of a line that is too long belongs to it.
    fn skip_line(&mut self) -> io::Result<()> {
        loop {
            let piece = self.input.fill_buf()?;
            let (used, ended) = match piece.iter().position(|byte| *byte == b'\n') {
                Some(at) => (at + 1, true),
                None => (piece.len(), piece.is_empty()),
            };
            self.input.consume(used);
            if ended {
                return Ok(());
            }
        }
    }
}

/// How many of the last words of a command line stand behind `--`. They mean themselves: a `-` there is no standard input.
pub(crate) fn literal(arguments: impl IntoIterator<Item = OsString>) -> usize {
    arguments.into_iter().skip_while(|argument| argument != "--").skip(1).count()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn lines(input: &[u8]) -> Vec<(u64, Result<String, NoText>)> {
        let mut lines = Lines::new(input);
        std::iter::from_fn(|| lines.next().unwrap()).collect()
    }

    /// What goes in, what is sent by `send`, and what by `pipe`: the table of docs/SHELL.md.
    #[test]
    fn the_end_of_a_line_and_a_byte_order_mark_are_the_files_and_the_rest_is_the_text() {
        let table: [(&str, &str, &[&str]); 12] = [
            ("text", "text", &["text"]),
            ("text\n", "text", &["text"]),
            ("text\r\n", "text", &["text"]),
            ("text\n\n", "text\n", &["text", ""]),
            ("one\r\n\r\ntwo\r\n", "one\r\n\r\ntwo", &["one", "", "two"]),
            ("a\rb\r", "a\rb\r", &["a\rb\r"]),
            ("\u{feff}text\r\n", "text", &["text"]),
            ("a\n\u{feff}b\n", "a\n\u{feff}b", &["a", "\u{feff}b"]),
            ("a\0b\n", "a\0b", &["a\0b"]),
            (" \t x \u{a0}\n", " \t x \u{a0}", &[" \t x \u{a0}"]),
            ("e\u{301}\u{e9}\u{fb01}\n", "e\u{301}\u{e9}\u{fb01}", &["e\u{301}\u{e9}\u{fb01}"]),
            ("\u{feff}", "", &[""]),
        ];
        for (input, sent, piped) in table {
            assert_eq!(whole(input.as_bytes()).unwrap(), sent, "{input:?}");
            let came: Vec<_> = lines(input.as_bytes()).into_iter().map(|(_, line)| line.unwrap()).collect();
            assert_eq!(came, piped, "{input:?}");
        }
    }

    #[test]
    fn a_line_that_is_no_text_is_told_by_its_number_and_the_next_ones_come() {
        let long = "x".repeat(TEXT_BYTES + 1);
        let input = [b"a\n\xff\nb\n".as_slice(), long.repeat(3).as_bytes(), b"\r\nc\n", long.as_bytes()].concat();
        let text = |text: &str| Ok(text.to_owned());
        let expected = [
            (1, text("a")),
            (2, Err(NoText::NotUtf8)),
            (3, text("b")),
            (4, Err(NoText::TooLong)),
            (5, text("c")),
            (6, Err(NoText::TooLong)),
        ];
        assert_eq!(lines(&input), expected);
    }

    #[test]
    fn the_longest_text_may_have_its_mark_and_the_end_of_its_line() {
        // Each character has three bytes, so a text that is cut ends in the middle of one.
        let longest = "\u{20ac}".repeat(TEXT_BYTES / 3) + "x";
        assert_eq!(longest.len(), TEXT_BYTES);
        for input in [longest.clone(), format!("\u{feff}{longest}\r\n")] {
            assert_eq!(whole(input.as_bytes()).unwrap(), longest);
            assert_eq!(lines(input.as_bytes()), [(1, Ok(longest.clone()))]);
        }
        for input in [format!("{longest}y"), format!("{longest}{longest}")] {
            assert_eq!(whole(input.as_bytes()).unwrap_err().code, Some(Code::TooLong));
            assert_eq!(lines(input.as_bytes()), [(1, Err(NoText::TooLong))]);
        }
        assert!(whole(b"\xff\n".as_slice()).unwrap_err().message.contains("not in UTF-8"));
    }

    #[test]
    fn a_hyphen_behind_two_means_itself() {
        let count = |line: &str| literal(line.split(' ').map(OsString::from));
        assert_eq!((count("torchat send bob -- -"), count("torchat send -- bob -")), (1, 2));
        for none in ["torchat send bob -", "torchat send bob", "torchat send bob - --", "torchat send bob --id=-- -"] {
            assert_eq!(count(none), 0, "{none}");
        }
    }
}
