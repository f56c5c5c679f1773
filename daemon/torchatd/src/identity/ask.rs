//! What the user types: passphrases, words, a confirmation.
//!
//! Standard input is read byte by byte and without a buffer of the library's: secrets stay in memory that is wiped, and
//! what follows a line is still there for the next question. Questions go to standard error, results to standard output.

use crate::exit::Failure;
use rustix::io::Errno;
use rustix::stdio::stdin;
use rustix::termios::{LocalModes, OptionalActions, SpecialCodeIndex, Termios, isatty, tcgetattr, tcsetattr};
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::path::Path;
use zeroize::Zeroizing;

/// U+FEFF in UTF-8.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
/// Characters of a new passphrase, at least. A short one can be guessed from the file, whatever Argon2id costs.
pub(crate) const MIN_PASSPHRASE: usize = 12;
/// Bytes of a line; more is a mistake.
const MAX_LINE: usize = 1024;
/// Bytes of the words: 24 of them, with a lot of white space.
const MAX_WORDS: usize = 4096;

const INTERRUPT: u8 = 0x03;
const END: u8 = 0x04;
const BACKSPACE: u8 = 0x08;
const KILL_LINE: u8 = 0x15;
const DELETE: u8 = 0x7f;

/// Bytes that are wiped when dropped. Made with all the room that it gets, because one that grows leaves copies behind.
pub(crate) type Typed = Zeroizing<Vec<u8>>;

/// Whether there is somebody to ask.
pub(crate) fn somebody() -> bool {
    isatty(stdin())
}

/// A line for people.
pub(crate) fn tell(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}

/// The passphrase of a file. `from` is `--passphrase-file`; without it the terminal is asked, twice for a `new` one.
pub(crate) fn passphrase(from: Option<&Path>, new: bool) -> Result<Typed, Failure> {
    let typed = match from {
        Some(path) => first_line(path)?,
        None => at_the_terminal(new)?,
    };
    if typed.is_empty() {
        return Err(Failure::other("the passphrase is empty"));
    }
    if new {
        check_new(&typed)?;
    }
    Ok(typed)
}

/// The rule for a new passphrase. One that exists is taken as it is.
fn check_new(typed: &[u8]) -> Result<(), Failure> {
    let text = std::str::from_utf8(typed).map_err(|_| Failure::other("the passphrase is not UTF-8"))?;
    let count = text.chars().count();
    if count < MIN_PASSPHRASE {
        return Err(Failure::other(format!(
            "the passphrase has {count} characters and must have {MIN_PASSPHRASE} at least: anybody who finds the file can \
             guess as long as they like. Four or five random words make a good one"
        )));
    }
    Ok(())
}

fn first_line(path: &Path) -> Result<Typed, Failure> {
    let (read, shown) = if path == Path::new("-") {
        (line(stdin(), MAX_LINE), "standard input".into())
    } else {
        (File::open(path).and_then(|file| line(file, MAX_LINE)), path.display().to_string())
    };
    read.map(unmarked).map_err(|error| Failure::other(format!("the passphrase cannot be read from {shown}: {error}")))
}

/// A byte order mark before everything is the file's, whose editor put it there, and not the user's.
fn unmarked(mut typed: Typed) -> Typed {
    if typed.starts_with(BYTE_ORDER_MARK) {
        typed.drain(..BYTE_ORDER_MARK.len());
    }
    typed
}

/// A passphrase as earlier versions took it from a file with a byte order mark.
pub(crate) fn marked(typed: &Typed) -> Typed {
    let mut marked = Typed::new(Vec::with_capacity(BYTE_ORDER_MARK.len() + typed.len()));
    marked.extend_from_slice(BYTE_ORDER_MARK);
    marked.extend_from_slice(typed);
    marked
}

fn at_the_terminal(new: bool) -> Result<Typed, Failure> {
    if !somebody() {
        return Err(Failure::other(
            "there is no terminal to ask for the passphrase: name a file with --passphrase-file (- is standard input)",
        ));
    }
    let first = hidden(if new { "New passphrase: " } else { "Passphrase: " })?;
    if new {
        // Before the second time: nobody types a refused one twice.
        check_new(&first)?;
        if hidden("The same again: ")? != first {
            return Err(Failure::other("the two passphrases differ: nothing was written"));
        }
    }
    Ok(first)
}

/// A line that the user types, in sight.
pub(crate) fn visible(question: &str) -> Result<Typed, Failure> {
    let _ = write!(io::stderr(), "{question}");
    line(stdin(), MAX_LINE).map_err(|error| Failure::other(format!("the answer cannot be read: {error}")))
}

/// Words: at a terminal until there are enough or an empty line, otherwise until the end.
pub(crate) fn words(enough: usize) -> Result<Typed, Failure> {
    let failure = |error: io::Error| Failure::other(format!("the words cannot be read: {error}"));
    if !somebody() {
        return read_until(stdin(), MAX_WORDS, |_| false).map(unmarked).map_err(failure);
    }
    tell(&format!("The {enough} words, on one line or several:"));
    let complete = |so_far: &[u8]| {
        let words = so_far.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty()).count();
        so_far.ends_with(b"\n\n") || so_far == b"\n" || (so_far.ends_with(b"\n") && words >= enough)
    };
    read_until(stdin(), MAX_WORDS, complete).map_err(failure)
}

/// The first line, without its end. An end of input ends it too.
fn line(from: impl AsFd, limit: usize) -> io::Result<Typed> {
    let mut bytes = read_until(from, limit, |so_far| so_far.ends_with(b"\n"))?;
    if bytes.ends_with(b"\n") {
        bytes.pop();
        if bytes.ends_with(b"\r") {
            bytes.pop();
        }
    }
    Ok(bytes)
}

fn read_until(from: impl AsFd, limit: usize, complete: impl Fn(&[u8]) -> bool) -> io::Result<Typed> {
    let mut bytes = Typed::new(Vec::with_capacity(limit));
    while !complete(&bytes) {
        let Some(byte) = next(&from)? else { break };
        push(&mut bytes, byte, limit)?;
    }
    Ok(bytes)
}

fn push(bytes: &mut Vec<u8>, byte: u8, limit: usize) -> io::Result<()> {
    if bytes.len() >= limit {
        return Err(io::Error::other(format!("it is longer than {limit} bytes")));
    }
    bytes.push(byte);
    Ok(())
}

/// The next byte; `None` at the end.
fn next(from: &impl AsFd) -> io::Result<Option<u8>> {
    let mut byte = Zeroizing::new([0]);
    loop {
        match rustix::io::read(from, &mut byte[..]) {
            Ok(0) => return Ok(None),
            Ok(_) => return Ok(Some(byte[0])),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// A line that is typed without being shown.
fn hidden(question: &str) -> Result<Typed, Failure> {
    let failure = |error: io::Error| Failure::other(format!("the passphrase cannot be read: {error}"));
    let quiet = Quiet::new().map_err(failure)?;
    // Only now: what is typed as soon as the question is there must not be shown.
    let _ = write!(io::stderr(), "{question}");
    let typed = edit(|| next(&stdin()));
    drop(quiet);
    tell("");
    typed.map_err(failure)
}

/// A line with the keys that people use to mend one. The terminal does not do it: it also makes no signal of Ctrl-C now,
/// which would end us and leave the terminal silent.
fn edit(mut next: impl FnMut() -> io::Result<Option<u8>>) -> io::Result<Typed> {
    let mut bytes = Typed::new(Vec::with_capacity(MAX_LINE));
    loop {
        match next()? {
            Some(INTERRUPT) | None => return Err(io::Error::other("it was given up")),
            Some(END) if bytes.is_empty() => return Err(io::Error::other("it was given up")),
            Some(b'\n' | b'\r' | END) => return Ok(bytes),
            Some(BACKSPACE | DELETE) => {
                // A whole character, of which the bytes after the first are 10xxxxxx.
                while bytes.pop().is_some_and(|byte| byte & 0xc0 == 0x80) {}
            }
            Some(KILL_LINE) => bytes.clear(),
            Some(byte) if byte < b' ' => {}
            Some(byte) => push(&mut bytes, byte, MAX_LINE)?,
        }
    }
}

/// The terminal shows nothing and makes no lines and signals, until this is dropped.
struct Quiet {
    before: Termios,
}

impl Quiet {
    fn new() -> io::Result<Self> {
        let before = tcgetattr(stdin())?;
        let mut now = before.clone();
        now.local_modes.remove(LocalModes::ECHO | LocalModes::ECHONL | LocalModes::ICANON | LocalModes::ISIG);
        now.special_codes[SpecialCodeIndex::VMIN] = 1;
        now.special_codes[SpecialCodeIndex::VTIME] = 0;
        tcsetattr(stdin(), OptionalActions::Now, &now)?;
        Ok(Self { before })
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        let _ = tcsetattr(stdin(), OptionalActions::Now, &self.before);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn from_pipe(text: &[u8]) -> io::PipeReader {
        let (reader, mut writer) = io::pipe().unwrap();
        writer.write_all(text).unwrap();
        reader
    }

    #[test]
    fn a_line_ends_at_its_end_and_leaves_the_rest() {
        let pipe = from_pipe(b"first line\r\nsecond\n\nlast");
        for expected in [&b"first line"[..], b"second", b"", b"last", b""] {
            assert_eq!(line(&pipe, 10_usize.max(expected.len()) + 2).unwrap().as_slice(), expected);
        }
        assert!(line(from_pipe(b"twelve bytes"), 11).is_err());
        assert_eq!(line(from_pipe(b"twelve bytes"), 12).unwrap().capacity(), 12, "it did not grow");
    }

    #[test]
    fn a_byte_order_mark_and_the_end_of_the_line_are_the_files_and_not_the_passphrases() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("passphrase");
        for content in [
            "four or five words",
            "four or five words\n",
            "four or five words\r\nmore",
            "\u{feff}four or five words\r\n",
        ] {
            std::fs::write(&path, content).unwrap();
            let typed = passphrase(Some(&path), true).unwrap();
            assert_eq!(std::str::from_utf8(&typed).unwrap(), "four or five words", "{content:?}");
            assert_eq!(std::str::from_utf8(&marked(&typed)).unwrap(), "\u{feff}four or five words");
        }
        // Neither in the middle, nor blanks: these are what was meant.
        std::fs::write(&path, " four\u{feff} or five \n").unwrap();
        assert_eq!(std::str::from_utf8(&passphrase(Some(&path), true).unwrap()).unwrap(), " four\u{feff} or five ");
    }

    #[test]
    fn a_new_passphrase_must_be_long_enough() {
        let failure = check_new("eleven char".as_bytes()).unwrap_err();
        assert!(failure.message.contains("11 characters") && failure.message.contains("12"), "{failure}");
        check_new("twelve chars".as_bytes()).unwrap();
        // Characters, not bytes.
        assert!(check_new("äöüäöüäöüäö".as_bytes()).is_err());
        check_new("äöüäöüäöüäöü".as_bytes()).unwrap();
        assert!(check_new(b"no text \xff\xff\xff\xff\xff\xff").is_err());
    }

    #[test]
    fn a_hidden_line_can_be_mended() {
        let typed = |keys: &[u8]| {
            let mut keys = keys.iter().copied();
            edit(|| Ok(keys.next())).map(|typed| typed.to_vec())
        };
        assert_eq!(typed(b"as it is\nrest").unwrap(), b"as it is");
        assert_eq!(typed(b"wrogn\x7f\x08ng\r").unwrap(), b"wrong");
        assert_eq!(typed("aä\u{1F512}\x7f\x7fb\n".as_bytes()).unwrap(), b"ab");
        assert_eq!(typed(b"\x7f\x7fa\n").unwrap(), b"a");
        assert_eq!(typed(b"all of it\x15other\n").unwrap(), b"other");
        assert_eq!(typed(b"a\tb\x1bc\n").unwrap(), b"abc");
        for given_up in [&b"\x04"[..], b"abc\x03", b"abc"] {
            assert!(typed(given_up).is_err(), "{given_up:?}");
        }
        assert!(typed(&[b'a'; MAX_LINE + 1]).is_err());
    }
}
