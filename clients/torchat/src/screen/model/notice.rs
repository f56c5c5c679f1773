//! The sentence in the last line: when it comes, and when it goes.
//!
//! It is about what was done last, so the next key takes it away. A sentence that no key has led to (the daemon answers, a
//! message was refused) comes while somebody types: a key must not take it away before it could be read.

use super::{Model, one_line};

/// How long a sentence that no key has led to stays whatever is typed, in milliseconds.
const READ: i64 = 2_000;
/// After this many milliseconds a sentence goes by itself.
const SAID: i64 = 8_000;
/// The same for a warning.
const WARNED: i64 = 20_000;

/// A line for the user that goes away by itself.
#[derive(Debug, Clone)]
pub(crate) struct Notice {
    pub(crate) text: String,
    pub(crate) warning: bool,
    /// A key led to it: who pressed it is there and reads.
    pub(crate) keyed: bool,
    at: i64,
    pub(super) until: i64,
}

impl Model {
    /// A line for the user. `text` must be harmless.
    pub(super) fn say(&mut self, text: impl Into<String>) {
        self.put_notice(&text.into(), false, self.typing);
    }

    /// What the user did is not possible, or something went wrong. `text` must be harmless.
    pub(super) fn warn(&mut self, text: impl Into<String>) {
        self.wrong = true;
        self.put_notice(&text.into(), true, self.typing);
    }

    /// A line that a key must not take away before it could be read, though a key has led to it.
    pub(super) fn advise(&mut self, text: &str) {
        self.put_notice(text, false, false);
    }

    fn put_notice(&mut self, text: &str, warning: bool, keyed: bool) {
        let until = self.now + if warning { WARNED } else { SAID };
        self.notice = Some(Notice { text: one_line(text), warning, keyed, at: self.now, until });
    }

    /// A key was pressed: what stands in the last line was read.
    pub(super) fn notice_read(&mut self) {
        let now = self.now;
        self.notice = self.notice.take().filter(|notice| !notice.keyed && now - notice.at < READ);
    }
}
