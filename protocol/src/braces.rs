//! Where a JSON object ends that nothing but its braces delimits.

/// Counts the braces of one object, byte by byte, with an eye on strings. It judges nothing else: whether the bytes are JSON,
/// the parser says, and how long they may be, its user.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Braces {
    depth: usize,
    text: Text,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Text {
    #[default]
    Outside,
    Inside,
    /// Behind a backslash.
    Escaped,
}

impl Braces {
    /// Takes the next byte, of which the first one must open the object. True: with it the object is whole.
    pub(crate) fn push(&mut self, byte: u8) -> bool {
        match (self.text, byte) {
            (Text::Escaped, _) => self.text = Text::Inside,
            (Text::Inside, b'\\') => self.text = Text::Escaped,
            (Text::Inside, b'"') => self.text = Text::Outside,
            (Text::Inside, _) => {}
            (Text::Outside, b'"') => self.text = Text::Inside,
            (Text::Outside, b'{' | b'[') => self.depth += 1,
            (Text::Outside, b'}' | b']') => self.depth = self.depth.saturating_sub(1),
            (Text::Outside, _) => {}
        }
        self.depth == 0 && self.text == Text::Outside
    }

    /// Whether the next byte changes nothing, unless it is a quote or a backslash: most of what is long is text.
    pub(crate) fn is_in_text(self) -> bool {
        self.text == Text::Inside
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn end(bytes: &[u8]) -> Option<usize> {
        let mut braces = Braces::default();
        bytes.iter().position(|byte| braces.push(*byte))
    }

    #[test]
    fn an_object_ends_with_its_last_brace_and_not_within_a_string() {
        assert_eq!(end(br#"{}{}"#), Some(1));
        assert_eq!(end(br#"{"a":[{"b":"}\"}"}]} "#), Some(19));
        assert_eq!(end(br#"{"\\":"{"}x"#), Some(9));
        assert_eq!(end(br#"{"a":"}"#), None);
        // Brackets that do not fit are the parser's matter.
        assert_eq!(end(br#"{]"#), Some(1));
    }
}
