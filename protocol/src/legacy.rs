//! What an old TORchat daemon (the program of 2016 and 2017, its forks and scripts) says when it delivers a message.
//!
//! It opens a stream for every message, writes one JSON object, bare or after its length in four digits, and closes; it
//! expects no answer. Nothing proves who wrote it: the `id` in the object is a claim, and a [`Claim`] can not become a
//! [`crate::id::PeerId`] by any function here. Of the old commands only RECV is a message; the others were meant for
//! local programs, and there is no type for them on this side.

use crate::braces::Braces;
use crate::json::{self, JsonError};
use crate::limits::JSON_DEPTH;
use serde::{Deserialize, Deserializer};
use std::fmt;

/// Longest object, in bytes. The old programs lost everything beyond 1,024.
pub const OBJECT_BYTES: usize = 8_192;

/// Longest claimed id, in bytes. The old programs had room for 29; an onion of today has 62.
pub const CLAIM_BYTES: usize = 64;

/// Digits of the length before a framed object.
const LENGTH_DIGITS: u8 = 4;

/// Whether the first byte of a stream may begin an old daemon's message. The hello of `torchatd/1` begins with `T`.
#[must_use]
pub fn is_meant(first: u8) -> bool {
    first == b'{' || first.is_ascii_digit()
}

/// Who the sender of an old message says it is: proven by nothing. Printable ASCII without spaces, 1 to 64 bytes, so
/// that it cannot break a line or turn a screen; what it says can still be a lie.
#[derive(Clone, PartialEq, Eq)]
pub struct Claim(String);

impl Claim {
    /// A claim, if an old daemon can have made it.
    #[must_use]
    pub fn new(text: String) -> Option<Self> {
        let fits = (1..=CLAIM_BYTES).contains(&text.len());
        (fits && text.bytes().all(|byte| byte.is_ascii_graphic())).then_some(Self(text))
    }

    /// The text, for the store and for people who are told that it is a claim.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Shows nothing: logs may be stolen.
impl fmt::Debug for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Claim(..)")
    }
}

/// A message of an old daemon.
#[derive(Clone, PartialEq, Eq)]
pub struct OldMessage {
    /// Who it says it is from.
    pub claim: Claim,
    /// The text, as it came.
    pub text: String,
}

/// Shows no text: logs may be stolen.
impl fmt::Debug for OldMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OldMessage").field("bytes", &self.text.len()).finish_non_exhaustive()
    }
}

/// Why a stream brings no message. Its sender is told nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LegacyError {
    /// The first bytes are neither an object nor four digits and an object.
    #[error("not the beginning of an old daemon's message")]
    Foreign,
    /// The object is too long, or its length says so.
    #[error("the object is longer than {OBJECT_BYTES} bytes")]
    TooLong,
    /// The object is not acceptable JSON with exactly the keys of an old message.
    #[error("not an old daemon's message: {0}")]
    Object(JsonError),
    /// A command that was never a peer's to give.
    #[error("a command that is not a peer's to give")]
    Command,
    /// No old daemon has such an id.
    #[error("no old daemon has such an id")]
    Claim,
    /// The stream's one message, or its error, came before.
    #[error("nothing more is read from this stream")]
    Over,
}

/// Reads one message, however its bytes are cut. Every byte is looked at once and judged as it comes; at most
/// [`OBJECT_BYTES`] are kept. What follows the object is never looked at, because it may or may not have come with it.
#[derive(Debug, Default)]
pub struct Reader {
    object: Vec<u8>,
    state: State,
}

#[derive(Debug, Default, Clone, Copy)]
enum State {
    #[default]
    Start,
    /// Within the length.
    Length {
        digits: u8,
        sum: usize,
    },
    /// Within an object of known length.
    Framed {
        left: usize,
    },
    /// Within an object that ends where its braces do.
    Plain(Braces),
    Over,
}

impl Reader {
    /// Takes bytes; the message as soon as it is whole.
    ///
    /// # Errors
    /// A [`LegacyError`]: close the stream. After a message or an error every further byte is [`LegacyError::Over`].
    pub fn push(&mut self, bytes: &[u8]) -> Result<Option<OldMessage>, LegacyError> {
        for byte in bytes {
            let state = std::mem::replace(&mut self.state, State::Over);
            match self.step(state, *byte)? {
                State::Over => return decode(&std::mem::take(&mut self.object)).map(Some),
                state => self.state = state,
            }
        }
        Ok(None)
    }

    /// One byte further. [`State::Over`]: the object is whole.
    fn step(&mut self, state: State, byte: u8) -> Result<State, LegacyError> {
        Ok(match state {
            State::Start if byte == b'{' => self.plain(Braces::default(), byte)?,
            State::Start => digit(0, 0, byte)?,
            State::Length { digits, sum } => digit(digits, sum, byte)?,
            State::Framed { left } => {
                if self.object.is_empty() && byte != b'{' {
                    return Err(LegacyError::Foreign);
                }
                self.object.push(byte);
                if left > 1 { State::Framed { left: left - 1 } } else { State::Over }
            }
            State::Plain(braces) => self.plain(braces, byte)?,
            State::Over => return Err(LegacyError::Over),
        })
    }

    fn plain(&mut self, mut braces: Braces, byte: u8) -> Result<State, LegacyError> {
        if self.object.len() == OBJECT_BYTES {
            return Err(LegacyError::TooLong);
        }
        self.object.push(byte);
        Ok(if braces.push(byte) { State::Over } else { State::Plain(braces) })
    }
}

/// One more digit of the length. Four digits begin few protocols, but one digit begins many: each is judged at once.
fn digit(digits: u8, sum: usize, byte: u8) -> Result<State, LegacyError> {
    if !byte.is_ascii_digit() {
        return Err(LegacyError::Foreign);
    }
    let (digits, sum) = (digits + 1, sum * 10 + usize::from(byte - b'0'));
    match sum {
        _ if digits < LENGTH_DIGITS => Ok(State::Length { digits, sum }),
        0 => Err(LegacyError::Foreign),
        1..=OBJECT_BYTES => Ok(State::Framed { left: sum }),
        _ => Err(LegacyError::TooLong),
    }
}

/// What the object is meant to be, whatever else it has.
#[derive(Deserialize)]
struct Meant {
    cmd: String,
}

/// Exactly the keys that the old programs write. `portno` and `date` have their types and no meaning.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Recv {
    #[serde(rename = "cmd")]
    _cmd: String,
    id: String,
    msg: String,
    #[serde(rename = "portno")]
    _portno: i64,
    #[serde(default, rename = "date", deserialize_with = "text")]
    _date: Option<String>,
}

/// A text where the key may be missing: serde would take `null` for a missing one.
fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    String::deserialize(deserializer).map(Some)
}

fn own_words(error: JsonError) -> LegacyError {
    LegacyError::Object(error.in_our_words())
}

fn decode(object: &[u8]) -> Result<OldMessage, LegacyError> {
    // Looked at first, so that an order is counted as one even if it has keys of its own.
    let meant: Meant = json::from_slice(object, OBJECT_BYTES, JSON_DEPTH).map_err(own_words)?;
    if meant.cmd != "RECV" {
        return Err(LegacyError::Command);
    }
    let recv: Recv = json::from_slice(object, OBJECT_BYTES, JSON_DEPTH).map_err(own_words)?;
    Ok(OldMessage { claim: Claim::new(recv.id).ok_or(LegacyError::Claim)?, text: recv.msg })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    const ID: &str = "aaaaaaaaaaaaaaaa.onion";

    fn recv(text: &str) -> String {
        format!(r#"{{"cmd":"RECV","id":"{ID}","msg":{},"portno":80}}"#, serde_json::to_string(text).unwrap())
    }

    fn framed(object: &str) -> String {
        format!("{:04}{object}", object.len())
    }

    fn read(bytes: &[u8]) -> Result<Option<OldMessage>, LegacyError> {
        Reader::default().push(bytes)
    }

    /// The verdict and how many bytes it took, with the bytes coming one by one.
    fn read_slowly(bytes: &[u8]) -> (Result<Option<OldMessage>, LegacyError>, usize) {
        let mut reader = Reader::default();
        for (n, byte) in bytes.iter().enumerate() {
            match reader.push(&[*byte]) {
                Ok(None) => {}
                verdict => return (verdict, n + 1),
            }
        }
        (Ok(None), bytes.len())
    }

    #[test]
    fn both_framings_give_the_same_message() {
        for text in ["", "hello b", "100% {\"}[\\ done", "ü\u{1f600}\u{202e}\u{1b}[2J\u{0}\n"] {
            let object = recv(text);
            for wire in [object.clone(), framed(&object), format!("{object}{object}"), format!("{object}\u{0}xx")] {
                let message = read(wire.as_bytes()).unwrap().unwrap();
                assert_eq!((message.claim.as_str(), message.text.as_str()), (ID, text), "{wire:?}");
            }
        }
    }

    #[test]
    fn only_recv_is_a_message() {
        for command in ["SEND", "UPDATE", "GET_PEERS", "HOST", "EXIT", "HISTORY", "END", "ERR", "FILEINFO", "recv", ""]
        {
            let object = recv("x").replace("RECV", command);
            assert_eq!(read(object.as_bytes()), Err(LegacyError::Command), "{command}");
            assert_eq!(read(framed(&object).as_bytes()), Err(LegacyError::Command), "{command}");
            let with_more = object.replace("\"portno\"", "\"fname\":\"/etc/passwd\",\"portno\"");
            assert_eq!(read(with_more.as_bytes()), Err(LegacyError::Command), "{command}");
        }
    }

    #[test]
    fn what_is_no_old_message_is_refused() {
        let good = recv("x");
        let wrong = [
            "{}".to_owned(),
            "{]".to_owned(),
            good.replace("\"cmd\":\"RECV\",", ""),
            good.replace("\"RECV\"", "1"),
            good.replace(&format!("\"{ID}\""), "null"),
            good.replace("\"x\"", "[]"),
            good.replace(":80", ":\"80\""),
            good.replace(":80", ":80.5"),
            good.replace(":80", ":9007199254740993"),
            good.replace(":80", ":1e400"),
            good.replace(",\"portno\":80", ""),
            good.replace(",\"msg\":\"x\"", ""),
            good.replace(":80", ":80,\"date\":1"),
            good.replace(":80", ":80,\"date\":null"),
            good.replace("\"RECV\"", "null"),
            good.replace("\"x\"", "null"),
            good.replace(":80", ":null"),
            good.replace(":80", ":80,\"auth\":\"onion\""),
            good.replace(":80", ":80,\"id\":\"b\""),
            good.replace(":80", ":80,\"\\u0069d\":\"b\""),
            good.replace("\"x\"", "\"\\ud800\""),
            good.replace("\"x\"", "\"\n\""),
            good.replace(":80", &format!(":80,\"z\":{}1{}", "[".repeat(2000), "]".repeat(2000))),
        ];
        for object in &wrong {
            for wire in [object.clone(), framed(object)] {
                let error = read(wire.as_bytes()).unwrap_err();
                assert!(matches!(error, LegacyError::Object(_)), "{wire}: {error}");
            }
        }
        let bad_utf8 = good.replace("\"x\"", "\"\u{1}\"").into_bytes();
        let bad_utf8: Vec<_> = bad_utf8.into_iter().map(|b| if b == 1 { 0xff } else { b }).collect();
        assert_eq!(read(&bad_utf8), Err(LegacyError::Object(JsonError::Utf8)));
    }

    #[test]
    fn a_claim_is_short_and_printable() {
        for id in ["x".repeat(64), "evil,inject.onion".to_owned(), format!("{}.onion", "a".repeat(56))] {
            assert_eq!(read(recv("x").replace(ID, &id).as_bytes()).unwrap().unwrap().claim.as_str(), id);
        }
        for id in ["", "x y", "x\\n", "\\u001b[2J", "\u{202e}x", "ü", &"x".repeat(65)] {
            assert_eq!(read(recv("x").replace(ID, id).as_bytes()), Err(LegacyError::Claim), "{id:?}");
        }
    }

    #[test]
    fn bytes_are_judged_as_they_come() {
        let cases: &[(&[u8], LegacyError, usize)] = &[
            (b"GET / HTTP/1.1\r\n\r\n", LegacyError::Foreign, 1),
            (b"TCHT\x01\x01", LegacyError::Foreign, 1),
            (b" {\"cmd\":\"RECV\"}", LegacyError::Foreign, 1),
            (b"\x16\x03\x01", LegacyError::Foreign, 1),
            (b"220 smtp", LegacyError::Foreign, 4),
            (b"54\0\0{", LegacyError::Foreign, 3),
            (b"0000", LegacyError::Foreign, 4),
            (b"0010x", LegacyError::Foreign, 5),
            (b"0010 {", LegacyError::Foreign, 5),
            (b"8193{", LegacyError::TooLong, 4),
            (b"9999{", LegacyError::TooLong, 4),
        ];
        for (bytes, error, after) in cases {
            assert_eq!(read_slowly(bytes), (Err(error.clone()), *after), "{bytes:?}");
            assert_eq!(read(bytes), Err(error.clone()));
        }
        assert!(matches!(read(b"0001{"), Err(LegacyError::Object(_))));
    }

    #[test]
    fn the_longest_object_and_one_byte_more() {
        let room = OBJECT_BYTES - recv("").len();
        let longest = recv(&"x".repeat(room));
        assert_eq!(read(longest.as_bytes()).unwrap().unwrap().text.len(), room);
        assert_eq!(read(framed(&longest).as_bytes()).unwrap().unwrap().text.len(), room);
        let longer = recv(&"x".repeat(room + 1));
        assert_eq!(read_slowly(longer.as_bytes()), (Err(LegacyError::TooLong), OBJECT_BYTES + 1));
        assert_eq!(read(framed(&longer).as_bytes()), Err(LegacyError::TooLong));
        let mut endless = Reader::default();
        assert_eq!(endless.push(&[b'{'; OBJECT_BYTES]), Ok(None));
        assert_eq!(endless.push(b"{"), Err(LegacyError::TooLong));
        assert_eq!(endless.object.len(), OBJECT_BYTES);
    }

    #[test]
    fn a_stream_has_one_message() {
        let mut reader = Reader::default();
        assert!(reader.push(recv("x").as_bytes()).unwrap().is_some());
        assert_eq!(reader.push(recv("y").as_bytes()), Err(LegacyError::Over));
        let mut reader = Reader::default();
        assert_eq!(reader.push(b"x"), Err(LegacyError::Foreign));
        assert_eq!(reader.push(b"{"), Err(LegacyError::Over));
        assert_eq!(reader.push(b""), Ok(None));
    }

    #[test]
    fn logs_show_neither_claim_nor_text() {
        let message = read(recv("secret words").as_bytes()).unwrap().unwrap();
        let shown = format!("{message:?} {:?}", message.claim);
        assert!(!shown.contains("secret") && !shown.contains("aaaa"), "{shown}");
    }

    proptest! {
        #[test]
        fn messages_come_whole_however_they_are_cut(
            text in "\\PC{0,80}|[{}\\[\\]\"\\\\,:a]{0,60}",
            digits: bool,
            cuts in proptest::collection::vec(1usize..40, 1..40),
            junk in proptest::collection::vec(any::<u8>(), 0..20),
        ) {
            let object = recv(&text);
            let mut wire = if digits { framed(&object) } else { object }.into_bytes();
            let whole = wire.len();
            wire.extend(junk);
            let (mut reader, mut rest, mut fed) = (Reader::default(), &wire[..], 0);
            let mut cut = cuts.iter().cycle();
            let message = loop {
                let (now, later) = rest.split_at((*cut.next().unwrap()).min(rest.len()));
                fed += now.len();
                rest = later;
                if let Some(message) = reader.push(now).unwrap() {
                    break message;
                }
                prop_assert!(fed < whole, "nothing is missing");
            };
            prop_assert_eq!(message.text, text);
            prop_assert_eq!(message.claim.as_str(), ID);
        }

        #[test]
        fn any_bytes_get_the_same_verdict_whole_and_one_by_one(
            bytes in prop_oneof![
                proptest::collection::vec(any::<u8>(), 0..300),
                "[0-9]{0,5}[{}\\[\\]\",:a-z0-9\\\\ ]{0,80}".prop_map(String::into_bytes),
                "[{][{}\\[\\]\",:a-z0-9\\\\ ]{0,80}".prop_map(String::into_bytes),
            ],
        ) {
            prop_assert_eq!(read(&bytes), read_slowly(&bytes).0);
        }
    }
}
