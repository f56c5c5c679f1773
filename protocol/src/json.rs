//! Strict JSON: what a lenient reader would let two programs understand differently is refused.
//!
//! One linear pass over the bytes checks depth, duplicate keys, numbers and that there is exactly one object; then serde
//! reads typed structures. `serde_json::Value` is never built from a stranger's bytes: it keeps the last of duplicate
//! keys and allows a depth of 128.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::borrow::Cow;

/// Most keys of one object; the check for duplicates compares each with each.
const KEYS_PER_OBJECT: usize = 64;
/// Largest integer that every JSON reader keeps exactly (RFC 8259 section 6).
const MAX_INTEGER: u64 = (1 << 53) - 1;

/// Why bytes are not an acceptable JSON object.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JsonError {
    /// Too many bytes.
    #[error("the object has {found} bytes, the limit is {limit}")]
    TooLong {
        /// Bytes found.
        found: usize,
        /// Bytes allowed.
        limit: usize,
    },
    /// Not UTF-8.
    #[error("the object is not UTF-8")]
    Utf8,
    /// Nested too deeply.
    #[error("the object is nested deeper than {0} levels")]
    TooDeep(usize),
    /// The same key twice in one object.
    #[error("the key {0:?} stands twice in one object")]
    DuplicateKey(String),
    /// More keys than any message has.
    #[error("an object has more than {KEYS_PER_OBJECT} keys")]
    TooManyKeys,
    /// An integer that other programs would round, or a fraction that they would call infinite.
    #[error("a number is larger than programs keep exactly (2^53-1)")]
    NumberTooLarge,
    /// Half of a surrogate pair: no text, so some programs replace it and others fail.
    #[error("a string has half of a surrogate pair")]
    LoneSurrogate,
    /// Not one JSON object.
    #[error("not one JSON object")]
    NotAnObject,
    /// Anything else: bad syntax, a missing or wrong field.
    #[error("{0}")]
    Invalid(String),
}

impl JsonError {
    /// The same error for people who wrote the bytes: the reader's own words about bad syntax are about its types, and only the
    /// place is kept of them.
    pub(crate) fn in_plain_words(self) -> Self {
        let Self::Invalid(text) = self else { return self };
        let place = text.rsplit_once(" at line ").and_then(|(_, place)| place.split_once(" column "));
        let place = place.map_or_else(String::new, |(line, column)| match line {
            "1" => format!(" at character {column}"),
            line => format!(" at character {column} of line {line}"),
        });
        Self::Invalid(format!("this is not JSON{place}: an object looks like {{\"cmd\":\"HOST\"}}"))
    }

    /// The same error without a word of what was read: where it was found is told, what stood there is not. For bytes of a
    /// peer. What we say of it stands in STATUS and in logs as our own sentence, and a kind of message that nobody knows, or a
    /// key that stands twice, would be half a megabyte of the peer's words in the middle of it.
    pub(crate) fn in_our_words(self) -> Self {
        match self {
            Self::DuplicateKey(_) => Self::Invalid("a key stands twice in one object".to_owned()),
            Self::Invalid(text) => {
                let place = text.rsplit_once(" at line ").map(|(_, place)| place);
                let place = place.filter(|place| {
                    let digits = place.strip_prefix("1 column ").unwrap_or(place);
                    digits.len() < 12 && digits.bytes().all(|byte| byte.is_ascii_digit())
                });
                let place = place.map_or_else(String::new, |place| format!(", at line {place}"));
                Self::Invalid(format!("not JSON, or none of the messages{place}"))
            }
            error => error,
        }
    }
}

/// Reads exactly one JSON object of at most `limit` bytes and `depth` levels. White space around it is allowed.
///
/// # Errors
/// A [`JsonError`] that says what is wrong.
pub fn from_slice<T: DeserializeOwned>(bytes: &[u8], limit: usize, depth: usize) -> Result<T, JsonError> {
    Checked::new(bytes, limit, depth)?.read()
}

/// Bytes that passed the check: they may be read more than once without being checked again.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Checked<'a>(&'a str);

impl<'a> Checked<'a> {
    /// An object without any key.
    pub(crate) const EMPTY: Checked<'static> = Checked("{}");

    /// Checks what [`from_slice`] does, but for the syntax.
    ///
    /// # Errors
    /// A [`JsonError`] that says what is wrong.
    pub(crate) fn new(bytes: &'a [u8], limit: usize, depth: usize) -> Result<Self, JsonError> {
        if bytes.len() > limit {
            return Err(JsonError::TooLong { found: bytes.len(), limit });
        }
        let text = std::str::from_utf8(bytes).map_err(|_| JsonError::Utf8)?;
        check(text, depth)?;
        Ok(Self(text))
    }

    /// The bytes.
    pub(crate) fn text(self) -> &'a str {
        self.0
    }

    /// Reads the object.
    ///
    /// # Errors
    /// [`JsonError::Invalid`].
    pub(crate) fn read<T: Deserialize<'a>>(self) -> Result<T, JsonError> {
        serde_json::from_str(self.0).map_err(|error| JsonError::Invalid(error.to_string()))
    }
}

/// The keys of one open object, unescaped, or `None` for an array.
type Level<'a> = Option<Vec<Cow<'a, str>>>;

/// Checks what serde does not, or does only in fields that somebody asked for: a field that is ignored must be as strict
/// as the others, or the next version, which reads it, refuses what this one took. Bad syntax is left to serde, as long
/// as the pass keeps its bearings.
fn check(text: &str, depth: usize) -> Result<(), JsonError> {
    let bytes = text.as_bytes();
    let mut levels: Vec<Level<'_>> = Vec::new();
    let mut at = 0;
    let mut ended = false;
    // In an object, whether the next string is a key.
    let mut key_next = false;
    while let Some(&byte) = bytes.get(at) {
        if ended && !byte.is_ascii_whitespace() {
            return Err(JsonError::NotAnObject);
        }
        match byte {
            b'{' | b'[' => {
                if levels.is_empty() && byte == b'[' {
                    return Err(JsonError::NotAnObject);
                }
                if levels.len() == depth {
                    return Err(JsonError::TooDeep(depth));
                }
                key_next = byte == b'{';
                levels.push(key_next.then(Vec::new));
            }
            b'}' | b']' => {
                if levels.pop().is_none() {
                    return Err(JsonError::NotAnObject);
                }
                key_next = false;
                ended = levels.is_empty();
            }
            b',' => key_next = matches!(levels.last(), Some(Some(_))),
            b'"' => {
                let end = string_end(bytes, at)?;
                let raw = text.get(at..end).unwrap_or_default();
                if key_next && let Some(Some(keys)) = levels.last_mut() {
                    note_key(keys, raw)?;
                }
                key_next = false;
                at = end;
                continue;
            }
            b'-' | b'0'..=b'9' => {
                let rest = bytes.get(at..).unwrap_or_default();
                let len = rest.iter().take_while(|b| b.is_ascii_digit() || b"+-.eE".contains(b)).count();
                let number = text.get(at..at + len).unwrap_or_default();
                if is_too_large(number) {
                    return Err(JsonError::NumberTooLarge);
                }
                at += len;
                continue;
            }
            _ if levels.is_empty() && !byte.is_ascii_whitespace() => return Err(JsonError::NotAnObject),
            _ => {}
        }
        at += 1;
    }
    if ended { Ok(()) } else { Err(JsonError::NotAnObject) }
}

/// Whether a number is a whole one beyond 2^53-1 or a fraction beyond what a double holds. What is no number is not.
fn is_too_large(number: &str) -> bool {
    let whole = number.strip_prefix('-').unwrap_or(number);
    if !whole.is_empty() && whole.bytes().all(|b| b.is_ascii_digit()) {
        return whole.parse::<u64>().ok().is_none_or(|n| n > MAX_INTEGER);
    }
    number.parse::<f64>().is_ok_and(f64::is_infinite)
}

/// The position behind the string that starts at `start`. Surrogates written as escapes must come in pairs; written as
/// bytes they are no UTF-8.
fn string_end(bytes: &[u8], start: usize) -> Result<usize, JsonError> {
    let mut at = start + 1;
    loop {
        match bytes.get(at) {
            None => return Err(JsonError::Invalid("a string does not end".into())),
            Some(b'"') => return Ok(at + 1),
            Some(b'\\') => match escaped_unit(bytes, at) {
                Some(0xdc00..=0xdfff) => return Err(JsonError::LoneSurrogate),
                Some(0xd800..=0xdbff) => match escaped_unit(bytes, at + 6) {
                    Some(0xdc00..=0xdfff) => at += 12,
                    _ => return Err(JsonError::LoneSurrogate),
                },
                Some(_) => at += 6,
                None => at += 2,
            },
            Some(_) => at += plain_bytes(bytes.get(at..).unwrap_or_default()),
        }
    }
}

/// The position behind the value that a text of good JSON begins with.
pub(crate) fn value_end(text: &str) -> usize {
    let bytes = text.as_bytes();
    let (mut at, mut depth) = (0, 0_usize);
    while let Some(byte) = bytes.get(at) {
        match byte {
            b',' | b':' | b' ' | b'\t' | b'\n' | b'\r' if depth == 0 => break,
            b'"' => {
                at = string_end(bytes, at).unwrap_or(bytes.len());
                continue;
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        at += 1;
    }
    at
}

/// How many bytes at the beginning of what stands in a string neither end it nor escape anything.
pub(crate) fn plain_bytes(text: &[u8]) -> usize {
    text.iter().position(|byte| matches!(byte, b'"' | b'\\')).unwrap_or(text.len())
}

/// The UTF-16 unit of an escape `\uXXXX` at `at`, if there is one.
fn escaped_unit(bytes: &[u8], at: usize) -> Option<u16> {
    let digits = bytes.get(at..at + 6)?.strip_prefix(b"\\u")?;
    digits.iter().try_fold(0, |unit: u16, digit| {
        let digit = char::from(*digit).to_digit(16)?;
        Some(unit << 4 | u16::try_from(digit).ok()?)
    })
}

/// Keys are compared as they mean, not as they are written: `"t"` and `"\u0074"` are the same key. Each is unescaped
/// once: doing it for every comparison made half a megabyte of long keys cost a tenth of a second.
fn note_key<'a>(keys: &mut Vec<Cow<'a, str>>, raw: &'a str) -> Result<(), JsonError> {
    if keys.len() == KEYS_PER_OBJECT {
        return Err(JsonError::TooManyKeys);
    }
    let key = if raw.contains('\\') {
        Cow::Owned(serde_json::from_str(raw).map_err(|error| JsonError::Invalid(error.to_string()))?)
    } else {
        Cow::Borrowed(raw.trim_matches('"'))
    };
    if keys.contains(&key) {
        return Err(JsonError::DuplicateKey(key.chars().take(64).collect()));
    }
    keys.push(key);
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    #[derive(Debug, Deserialize, PartialEq)]
    struct Sample {
        a: u64,
        #[serde(default)]
        b: String,
    }

    fn read(text: &str) -> Result<Sample, JsonError> {
        from_slice(text.as_bytes(), 1000, 4)
    }

    #[test]
    fn takes_one_object_with_unknown_keys() {
        assert_eq!(
            read(" {\"a\":1,\"z\":[{\"a\":2}],\"b\":\"x\\\"}{\"}\n").unwrap(),
            Sample { a: 1, b: "x\"}{".into() }
        );
    }

    #[test]
    fn refuses_what_is_read_in_two_ways() {
        assert_eq!(read(r#"{"a":1,"a":2}"#), Err(JsonError::DuplicateKey("a".into())));
        assert_eq!(read(r#"{"a":1,"\u0061":2}"#), Err(JsonError::DuplicateKey("a".into())));
        assert_eq!(read(r#"{"a":1,"z":{"k":1,"k":1}}"#), Err(JsonError::DuplicateKey("k".into())));
        assert_eq!(read(r#"{"a":9007199254740992}"#), Err(JsonError::NumberTooLarge));
        assert_eq!(read(r#"{"a":99999999999999999999999}"#), Err(JsonError::NumberTooLarge));
        assert!(read(r#"{"a":1,"z":[{"k":1},{"k":1}]}"#).is_ok(), "two objects may have the same keys");
    }

    #[test]
    fn refuses_everything_that_is_not_one_object() {
        for text in ["", " ", "[]", "1", "null", "\"a\"", "{}{}", "{\"a\":1}x", "{\"a\":1}}", "}", "\u{feff}{\"a\":1}"]
        {
            assert_eq!(read(text), Err(JsonError::NotAnObject), "{text:?}");
        }
        for text in ["{", "{\"a\":1", "{\"a", "{\"a\":1]", "{\"a\":1e400}", "{\"a\":-1}", "{\"b\":\"\\ud800\",\"a\":1}"]
        {
            assert!(read(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn ignored_fields_are_as_strict_as_the_others() {
        for bad in [r"\ud800", r"\udc00", r"\ud800x", r"\ud800\ud800", r"\ud800\n", r"\uDBFF\u0041", r"\udc00\ud800"] {
            for text in [
                format!(r#"{{"a":1,"z":"{bad}"}}"#),
                format!(r#"{{"a":1,"z":[{{"{bad}":1}}]}}"#),
                format!(r#"{{"a":1,"b":"{bad}"}}"#),
            ] {
                assert_eq!(read(&text), Err(JsonError::LoneSurrogate), "{text}");
            }
        }
        assert_eq!(read(r#"{"a":1,"b":"\ud83d\ude00 \\ud800 \u00fc"}"#).unwrap().b, "\u{1f600} \\ud800 \u{fc}");
        for number in ["1e400", "-1e400", "1.5e309", "9007199254740992", "-9007199254740992"] {
            assert_eq!(read(&format!(r#"{{"a":1,"z":{number}}}"#)), Err(JsonError::NumberTooLarge), "{number}");
        }
        for number in ["1e300", "0.5", "-9007199254740991", "-0"] {
            assert!(read(&format!(r#"{{"a":1,"z":{number}}}"#)).is_ok(), "{number}");
        }
        for number in ["-", "01", "1.", "1e", "+1", ".5", "1.5.5"] {
            let error = read(&format!(r#"{{"a":1,"z":{number}}}"#));
            assert!(matches!(error, Err(JsonError::Invalid(_))), "{number}: {error:?}");
        }
    }

    #[test]
    fn long_escaped_keys_cost_one_pass() {
        // 64 keys of 8 KiB that differ in their last character only: each is unescaped once and compared as bytes.
        let stem = "\\u0041".repeat(1_350);
        let keys: Vec<_> = (0..KEYS_PER_OBJECT).map(|n| format!("\"{stem}{n:02}\":1")).collect();
        let text = format!("{{\"o\":{{{}}},\"a\":1}}", keys.join(","));
        assert_eq!(from_slice::<Sample>(text.as_bytes(), 1 << 20, 4).unwrap().a, 1);
        let twice = text.replace(&format!("{stem}63"), &format!("{}00", "A".repeat(1_350)));
        assert!(matches!(from_slice::<Sample>(twice.as_bytes(), 1 << 20, 4), Err(JsonError::DuplicateKey(_))));
    }

    #[test]
    fn bounds_depth_length_and_keys() {
        assert_eq!(read(r#"{"a":1,"z":[[[[1]]]]}"#), Err(JsonError::TooDeep(4)));
        let deep = "{\"a\":".to_owned() + &"[".repeat(100_000);
        assert_eq!(from_slice::<Sample>(deep.as_bytes(), 1 << 20, 8), Err(JsonError::TooDeep(8)));
        assert_eq!(from_slice::<Sample>(&[b' '; 1001], 1000, 4), Err(JsonError::TooLong { found: 1001, limit: 1000 }));
        let keys: Vec<_> = (0..65).map(|n| format!("\"k{n}\":1")).collect();
        assert_eq!(
            from_slice::<Sample>(format!("{{{}}}", keys.join(",")).as_bytes(), 1000, 4),
            Err(JsonError::TooManyKeys)
        );
        assert_eq!(from_slice::<Sample>(b"{\"a\":1,\"b\":\"\xff\"}", 1000, 4), Err(JsonError::Utf8));
    }

    #[test]
    fn an_error_in_our_words_tells_the_place_only() {
        let words = |text: &str| JsonError::Invalid(text.into()).in_our_words().to_string();
        assert_eq!(
            words("unknown variant `x` at line 1 column 52"),
            "not JSON, or none of the messages, at line 1 column 52"
        );
        for hidden in
            ["x", "x at line 1 column 5x", "x at line 1 column ", "y at line stop it", "at line 1 column 123456789012"]
        {
            assert!(words(hidden).starts_with("not JSON, or none of the messages"), "{hidden}");
            assert!(!words(hidden).contains('x') && !words(hidden).contains("stop"), "{hidden}");
        }
        let twice = JsonError::DuplicateKey("secret".into()).in_our_words().to_string();
        assert_eq!(twice, "a key stands twice in one object");
        assert_eq!(JsonError::TooDeep(8).in_our_words(), JsonError::TooDeep(8));
    }

    proptest! {
        #[test]
        fn no_input_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = from_slice::<Sample>(&bytes, 1000, 4);
        }

        #[test]
        fn json_like_input_never_panics_and_agrees_with_serde(text in "[{}\\[\\]\",:ab01\\\\u ]{0,60}") {
            if let Ok(sample) = read(&text) {
                prop_assert_eq!(serde_json::from_str::<Sample>(&text).unwrap(), sample);
            }
        }
    }
}
