//! Finds the objects in a stream of bytes, however it is cut. Linear time: every byte is looked at once.

use crate::braces::Braces;
use crate::json::plain_bytes;
use crate::limits;

/// How a connection's objects are separated. The first byte of a connection decides it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// One object after the other; white space between them is ignored.
    Plain,
    /// Four digits with the length in bytes before every object.
    Digits,
}

/// Why a connection must end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FindError {
    /// The first bytes are another protocol: close without a word. Nothing was executed.
    #[error("another protocol")]
    Foreign,
    /// The object is too long.
    #[error("the object is longer than {0} bytes")]
    TooLong(usize),
    /// Something that is no object stands where one must begin.
    #[error("an object must begin with {{")]
    NotAnObject,
    /// A framed object's length is not four digits.
    #[error("the length before an object must be four digits")]
    BadLength,
}

/// A buffer that is larger is given back when it is empty: many connections are silent after one long object.
const KEPT_BYTES: usize = 512;
/// An object from here on is not copied out of the buffer: the rest is moved instead.
const LONG_BYTES: usize = 4 * 1024;

/// See the module's description. After an error it stays at that error.
#[derive(Debug, Default)]
pub struct Finder {
    buffer: Vec<u8>,
    /// Bytes of the buffer that were given out or passed over. They are removed when all are, and before more come: to
    /// remove each object at once would move what many requests in flight have sent once for each of them.
    start: usize,
    framing: Option<Framing>,
    /// Bytes behind `start` that were looked at.
    seen: usize,
    braces: Braces,
    failed: Option<FindError>,
}

impl Finder {
    /// Takes bytes as they come.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.drain(..self.start);
        self.start = 0;
        self.buffer.extend_from_slice(bytes);
    }

    /// The framing, once the first bytes decided it.
    #[must_use]
    pub fn framing(&self) -> Option<Framing> {
        self.framing
    }

    /// Bytes that wait for the rest of their object.
    #[must_use]
    pub fn unfinished(&self) -> usize {
        self.buffer.len() - self.start
    }

    /// What was not given out.
    fn rest(&self) -> &[u8] {
        self.buffer.get(self.start..).unwrap_or_default()
    }

    /// Passes over this many bytes.
    fn pass(&mut self, bytes: usize) {
        self.start += bytes;
        self.seen = 0;
        if self.start >= self.buffer.len() {
            self.buffer.clear();
            self.start = 0;
            if self.buffer.capacity() > KEPT_BYTES {
                self.buffer = Vec::new();
            }
        }
    }

    /// Gives out this many bytes.
    fn take(&mut self, bytes: usize) -> Vec<u8> {
        if bytes < LONG_BYTES {
            let object = self.rest().get(..bytes).unwrap_or_default().to_vec();
            self.pass(bytes);
            return object;
        }
        self.buffer.drain(..self.start);
        let rest = self.buffer.split_off(bytes);
        self.start = 0;
        self.seen = 0;
        std::mem::replace(&mut self.buffer, rest)
    }

    /// The next whole object.
    ///
    /// # Errors
    /// [`FindError`]: the connection must end.
    pub fn next_object(&mut self) -> Result<Option<Vec<u8>>, FindError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        let result = self.find();
        self.failed = result.as_ref().err().copied();
        result
    }

    fn find(&mut self) -> Result<Option<Vec<u8>>, FindError> {
        let framing = match self.framing {
            Some(framing) => framing,
            None => match self.sniff()? {
                Some(framing) => *self.framing.insert(framing),
                None => return Ok(None),
            },
        };
        match framing {
            Framing::Plain => self.find_plain(),
            Framing::Digits => self.find_framed(),
        }
    }

    fn sniff(&self) -> Result<Option<Framing>, FindError> {
        match self.rest().first() {
            None => Ok(None),
            Some(b'{' | b' ' | b'\t' | b'\r' | b'\n') => Ok(Some(Framing::Plain)),
            Some(b'0'..=b'9') => {
                // Every byte is judged as it comes: a digit begins many protocols, four digits and a brace only ours.
                let foreign = self
                    .rest()
                    .iter()
                    .take(5)
                    .enumerate()
                    .any(|(n, byte)| if n < 4 { !byte.is_ascii_digit() } else { *byte != b'{' });
                if foreign {
                    return Err(FindError::Foreign);
                }
                Ok((self.unfinished() >= 5).then_some(Framing::Digits))
            }
            Some(_) => Err(FindError::Foreign),
        }
    }

    fn find_plain(&mut self) -> Result<Option<Vec<u8>>, FindError> {
        if self.seen == 0 {
            let blank = self.rest().iter().take_while(|byte| byte.is_ascii_whitespace()).count();
            self.pass(blank);
        }
        while let Some(&byte) = self.buffer.get(self.start + self.seen) {
            if self.seen == 0 && byte != b'{' {
                return Err(FindError::NotAnObject);
            }
            self.seen += 1;
            if self.braces.push(byte) {
                return Ok(Some(self.take(self.seen)));
            }
            if self.braces.is_in_text() {
                self.seen += plain_bytes(self.rest().get(self.seen..).unwrap_or_default());
            }
            if self.seen > limits::CONTROL_OBJECT_BYTES {
                return Err(FindError::TooLong(limits::CONTROL_OBJECT_BYTES));
            }
        }
        Ok(None)
    }

    fn find_framed(&mut self) -> Result<Option<Vec<u8>>, FindError> {
        let rest = self.rest();
        let digits = rest.get(..rest.len().min(4)).unwrap_or_default();
        if !digits.iter().all(u8::is_ascii_digit) {
            return Err(FindError::BadLength);
        }
        if digits.len() < 4 {
            return Ok(None);
        }
        let length = digits.iter().fold(0, |sum, digit| sum * 10 + usize::from(digit - b'0'));
        match rest.get(4) {
            None if length > 0 => return Ok(None),
            Some(b'{') if length > 0 => {}
            _ => return Err(FindError::NotAnObject),
        }
        if rest.len() < 4 + length {
            return Ok(None);
        }
        self.pass(4);
        Ok(Some(self.take(length)))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn all(bytes: &[u8]) -> (Vec<String>, Option<FindError>) {
        let mut finder = Finder::default();
        finder.push(bytes);
        drain(&mut finder)
    }

    fn drain(finder: &mut Finder) -> (Vec<String>, Option<FindError>) {
        let mut found = Vec::new();
        loop {
            match finder.next_object() {
                Ok(Some(object)) => found.push(String::from_utf8(object).unwrap()),
                Ok(None) => return (found, None),
                Err(error) => return (found, Some(error)),
            }
        }
    }

    #[test]
    fn plain_objects_may_touch_and_hold_braces() {
        let (found, error) = all(b" {\"a\":\"}{\\\"\"}{\"b\":[{}]}\n\n{}");
        assert_eq!((found.len(), error), (3, None));
        assert_eq!(found[0], "{\"a\":\"}{\\\"\"}");
    }

    #[test]
    fn framed_objects_are_as_long_as_they_say() {
        let (found, error) = all(b"0002{}0013{\"cmd\":\"END\"}00");
        assert_eq!((found, error), (vec!["{}".to_owned(), "{\"cmd\":\"END\"}".to_owned()], None));
        assert_eq!(all(b"0002{}0000{").1, Some(FindError::NotAnObject));
        assert_eq!(all(b"0002{}xxxx").1, Some(FindError::BadLength));
        assert_eq!(all(b"0002{}0003abc").1, Some(FindError::NotAnObject));
    }

    #[test]
    fn other_protocols_are_known_by_their_first_bytes() {
        for bytes in
            [&b"GET / HTTP/1.1"[..], b"POST", b"OPTIONS", b"\x16\x03\x01", b"[", b"\0", b"12", b"123G", b"1234["]
        {
            let expected = if bytes == b"12" { None } else { Some(FindError::Foreign) };
            assert_eq!(all(bytes), (vec![], expected), "{bytes:?}");
        }
        assert_eq!(all(b"\nGET").1, Some(FindError::NotAnObject));
        assert_eq!(all(b"{}GET").1, Some(FindError::NotAnObject), "nothing after a bad object is looked for");
    }

    #[test]
    fn an_object_without_end_is_cut_at_the_limit() {
        let mut finder = Finder::default();
        finder.push(b"{\"msg\":\"");
        for _ in 0..10 * 1024 {
            finder.push(&[b'x'; 1024]);
            if finder.next_object().is_err() {
                break;
            }
        }
        assert_eq!(finder.next_object(), Err(FindError::TooLong(limits::CONTROL_OBJECT_BYTES)));
        assert!(finder.unfinished() <= limits::CONTROL_OBJECT_BYTES + 1024 + 8);
    }

    proptest! {
        #[test]
        fn cutting_changes_nothing(
            texts in proptest::collection::vec("[a-z{}\\[\\]\" ]{0,20}", 0..6),
            framed in any::<bool>(),
            cuts in proptest::collection::vec(1usize..9, 1..20),
        ) {
            let mut wire = Vec::new();
            for text in &texts {
                let object = serde_json::to_string(&serde_json::json!({ "msg": text })).unwrap();
                if framed {
                    wire.extend(format!("{:04}", object.len()).bytes());
                }
                wire.extend(object.bytes());
            }
            let mut finder = Finder::default();
            let (mut found, mut rest) = (Vec::new(), &wire[..]);
            for cut in cuts.iter().cycle() {
                if rest.is_empty() {
                    break;
                }
                let (now, later) = rest.split_at((*cut).min(rest.len()));
                finder.push(now);
                let (objects, error) = drain(&mut finder);
                prop_assert_eq!(error, None);
                found.extend(objects);
                rest = later;
            }
            prop_assert_eq!(found.len(), texts.len());
            prop_assert_eq!((found, None), all(&wire));
        }

        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let mut finder = Finder::default();
            finder.push(&bytes);
            while let Ok(Some(_)) = finder.next_object() {}
        }
    }
}
