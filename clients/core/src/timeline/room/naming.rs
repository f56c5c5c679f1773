//! How members of a room are named in a text: `@bob`, or `@no:5` where a name is not only one's. Which member a word means is the
//! rule of [`crate::names`].

use crate::names::{KnownMember, RoomNameError, resolve_member};
use crate::show;
use torchat_protocol::room::limits::MENTIONS;

/// What stands before a member's number.
const NUMBER: &str = "no:";
/// Columns of a name that can be completed: a longer one is cut where it is shown, so nobody could check it.
const TYPED_COLUMNS: usize = 32;

/// A member's name, harmless, in at most this many columns; of one without a name its number.
#[must_use]
pub fn member_name(name: &str, no: u32, columns: usize) -> String {
    match show::unmarked_name(name, columns) {
        shown if shown.is_empty() => show::shown_name(&format!("{NUMBER}{no}"), columns),
        shown => shown,
    }
}

/// The member at the beginning of a text and what follows. Names may have blanks: the longest one that fits is meant.
///
/// # Errors
/// No member is called so, or several are.
pub fn member_before<'a>(text: &'a str, members: &[KnownMember]) -> Result<(u32, &'a str), RoomNameError> {
    let bare = text.strip_prefix('@').unwrap_or(text);
    let end = longest(bare, members).or_else(|| bare.find(char::is_whitespace)).unwrap_or(bare.len());
    let (word, rest) = bare.split_at_checked(end).unwrap_or((bare, ""));
    Ok((resolve_member(word, members)?, rest.trim()))
}

/// The members whom a text names behind an `@`, in their order, each once, at most as many as a room's text may name. A name
/// that several have names nobody.
#[must_use]
pub fn named_in(text: &str, members: &[KnownMember]) -> Vec<u32> {
    let mut found = Vec::new();
    for (at, _) in text.match_indices('@') {
        let begins = text.get(..at).and_then(|before| before.chars().next_back()).is_none_or(|c| !c.is_alphanumeric());
        let behind = text.get(at + 1..).unwrap_or_default();
        let word = match longest(behind, members) {
            Some(end) => behind.get(..end),
            // The number, up to its last digit.
            None => behind.strip_prefix(NUMBER).and_then(|digits| {
                let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
                behind.get(..NUMBER.len() + end)
            }),
        };
        if let Some(no) = word.filter(|_| begins).and_then(|word| resolve_member(word, members).ok())
            && !found.contains(&no)
            && found.len() < MENTIONS
        {
            found.push(no);
        }
    }
    found
}

/// What may be typed for the members whose name begins so: the name, or the number where the name alone would not do.
#[must_use]
pub fn completions(part: &str, members: &[KnownMember]) -> Vec<String> {
    let lower = part.to_lowercase();
    let is_typed = |name: &str| show::shown_name(name, TYPED_COLUMNS) == name;
    let word = |member: &KnownMember| match resolve_member(&member.name, members) {
        Ok(no) if no == member.no && is_typed(&member.name) => member.name.clone(),
        _ => format!("{NUMBER}{}", member.no),
    };
    let mut words: Vec<String> = if part.starts_with(NUMBER) {
        members.iter().map(|member| format!("{NUMBER}{}", member.no)).filter(|word| word.starts_with(part)).collect()
    } else {
        members.iter().filter(|member| member.name.to_lowercase().starts_with(&lower)).map(word).collect()
    };
    words.sort();
    words
}

/// Where the longest name ends with which a text begins, in bytes; a letter or a digit behind it would be part of the name.
fn longest(text: &str, members: &[KnownMember]) -> Option<usize> {
    members.iter().filter_map(|member| beginning(text, &member.name)).max()
}

fn beginning(text: &str, name: &str) -> Option<usize> {
    let mut at = 0;
    let mut rest = text.chars();
    for wanted in name.chars() {
        let c = rest.next()?;
        if c != wanted && !c.to_lowercase().eq(wanted.to_lowercase()) {
            return None;
        }
        at += c.len_utf8();
    }
    rest.next().is_none_or(|c| !c.is_alphanumeric()).then_some(at).filter(|at| *at > 0)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn named(names: &[&str]) -> Vec<KnownMember> {
        let member = |(name, no): (&&str, u32)| KnownMember { no, name: (*name).to_owned(), onion: None };
        names.iter().zip(1..).map(member).collect()
    }

    fn members() -> Vec<KnownMember> {
        named(&["anna", "bob", "Anna Maria", "eve", "Eve", "no:1", "日本", "\u{202e}x", ""])
    }

    #[test]
    fn the_longest_name_at_the_beginning_is_meant() {
        let members = members();
        let before = |text| member_before(text, &members).ok();
        assert_eq!(before("anna maria because of it"), Some((3, "because of it")));
        assert_eq!(before("anna because"), Some((1, "because")));
        assert_eq!(before("no:5  spam"), Some((5, "spam")));
        assert_eq!(before("@bob"), Some((2, "")));
        for text in ["", "bobby spam", "eve spam", "no:99 spam"] {
            assert_eq!(before(text), None, "{text}");
        }
    }

    #[test]
    fn a_text_names_members_behind_the_sign_and_nobody_by_a_name_of_several() {
        let named = |text| named_in(text, &members());
        assert_eq!(named("@anna and @Bob, @anna: hello"), [1, 2]);
        assert_eq!(named("@anna maria"), [3]);
        assert_eq!(named("@日本 @no:5? @no:4x"), [7, 5, 4]);
        assert_eq!(named("@no:1"), [1], "a name takes nobody's number");
        assert_eq!(named("ann@bob.example @bobby @eve @ @@bob"), [2]);
        assert_eq!(named(""), [0; 0]);
        let many: Vec<_> = (1..40).map(|no| KnownMember { no, name: format!("n{no}"), onion: None }).collect();
        let text: String = many.iter().map(|member| format!("@{} ", member.name)).collect();
        assert_eq!(named_in(&text, &many).len(), MENTIONS);
    }

    #[test]
    fn who_shares_a_name_or_has_none_that_can_be_read_is_completed_to_the_number() {
        assert_eq!(completions("an", &members()), ["Anna Maria", "anna"]);
        assert_eq!(completions("e", &members()), ["no:4", "no:5"]);
        assert_eq!(completions("no:5", &members()), ["no:5"]);
        assert_eq!(completions("\u{202e}", &members()), ["no:8"]);
        assert_eq!(completions("nobody", &members()), [""; 0]);
        assert_eq!(completions("no", &members()), ["no:6"], "a name like another's number");
    }

    #[test]
    fn a_name_is_harmless_and_never_empty() {
        assert_eq!(member_name("", 5, 12), "no:5");
        assert_eq!(member_name("\u{2713}", 5, 12), "no:5");
        assert!(!member_name("a\u{1b}[2J\u{202e}", 5, 40).contains(['\u{1b}', '\u{202e}']));
    }

    proptest! {
        #[test]
        fn who_is_completed_is_named(text in "[@no:5 abA日\\PC]{0,40}", names in prop::collection::vec("[ab日A]{0,4}", 0..6)) {
            let members = named(&names.iter().map(String::as_str).collect::<Vec<_>>());
            let _ = (named_in(&text, &members), member_before(&text, &members), completions(&text, &members));
            for member in &members {
                for word in completions(&member.name, std::slice::from_ref(member)) {
                    let whole = completions(&member.name, &members);
                    if whole.contains(&word) {
                        prop_assert_eq!(named_in(&format!("hello @{word}, you"), &members), [member.no]);
                    }
                }
            }
        }
    }
}
