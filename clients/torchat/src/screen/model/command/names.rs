//! Tab in a message: the names of people, at its beginning (`bob: `) and behind `@`.

use super::super::Model;
use crate::screen::wrap;
use torchat_client::show;

impl Model {
    /// Completes the name before the cursor. False: nobody is called so, and Tab is for something else.
    pub(in super::super) fn complete_name(&mut self) -> bool {
        let before = self.editor.before_cursor();
        let begin = before
            .rfind(char::is_whitespace)
            .map_or(0, |at| at + before[at..].chars().next().map_or(1, char::len_utf8));
        let word = before.get(begin..).unwrap_or_default();
        let (part, end) = match word.strip_prefix('@') {
            Some(part) => (part.to_owned(), " "),
            // At the beginning somebody is spoken to.
            None if begin == 0 && !word.is_empty() => (word.to_owned(), ": "),
            None => return false,
        };
        if let Some(words) = self.member_words(&part) {
            // Only with its sign a name mentions its bearer.
            let (sign, end) = if word.starts_with('@') { ("", " ") } else { ("@", ", ") };
            return self.complete_member(&part, &words, sign, end);
        }
        let lower = part.to_lowercase();
        let mut names: Vec<String> = self
            .list
            .timelines()
            .filter_map(|timeline| timeline.raw_name())
            .filter(|name| name.to_lowercase().starts_with(&lower) && show::shown_name(name, 40) == **name)
            .map(str::to_owned)
            .collect();
        names.sort();
        names.dedup();
        match names.as_slice() {
            [] => return false,
            [only] => self.editor.complete(part.len(), &format!("{only}{end}")),
            many => self.say(wrap::cut(&many.join("  "), 200)),
        }
        self.save_soon();
        true
    }

    /// The same of a member of the open room.
    fn complete_member(&mut self, part: &str, words: &[String], sign: &str, end: &str) -> bool {
        match words {
            [] => return false,
            [only] => self.editor.complete(part.len(), &format!("{sign}{only}{end}")),
            many => self.say(wrap::cut(&many.join("  "), 200)),
        }
        self.save_soon();
        true
    }

    /// `/hide` alone.
    pub(super) fn is_hidden(&mut self) {
        let Some(timeline) = self.timeline() else { return self.warn("no conversation is open") };
        let name = timeline.name(20);
        self.say(match timeline.contact().hidden {
            true => format!("hidden: {name} sees you only while there is something to deliver"),
            false => format!("not hidden: {name} sees when you are online"),
        });
    }
}
