//! Which command a word means: its name, a habit of another program, or the beginning of only one name.

use super::{COMMANDS, Command};
use crate::screen::wrap::cut;
use torchat_client::show::shown_line;

/// Columns of a word that is not a command.
const WORD: usize = 12;

/// What users of weechat, irssi, profanity and vi type, and which command it is.
pub(crate) const ALIASES: &[(&str, &str)] = &[
    ("q", "quit"),
    ("w", "win"),
    ("window", "win"),
    ("buffer", "win"),
    ("names", "peers"),
    ("who", "peers"),
    ("wc", "close"),
    ("h", "help"),
    ("m", "msg"),
    ("j", "query"),
    ("bye", "quit"),
];

/// What a word means.
pub(super) enum Meaning {
    One(&'static Command),
    /// The names that begin with it.
    Many(Vec<&'static str>),
    Nothing,
}

/// A command by its name, by an alias, or by the beginning of only one.
pub(super) fn meaning(word: &str) -> Meaning {
    let alias = ALIASES.iter().find(|(alias, _)| *alias == word).map_or(word, |(_, name)| *name);
    if let Some(whole) = COMMANDS.iter().find(|command| command.name == alias) {
        return Meaning::One(whole);
    }
    let begun: Vec<_> = COMMANDS.iter().filter(|command| !word.is_empty() && command.name.starts_with(word)).collect();
    match begun.as_slice() {
        [] => Meaning::Nothing,
        [only] => Meaning::One(only),
        many => Meaning::Many(many.iter().map(|command| command.name).collect()),
    }
}

/// Why a word is no command.
pub(super) fn unclear(word: &str, names: &[&str]) -> String {
    match names {
        // A window of 40 columns shows what to do in any case.
        [] => format!("no command /{}: // sends it, /help lists all", cut(&shown_line(word), WORD)),
        [others @ .., last] => format!("/{word} may be /{} or /{last}", others.join(", /")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alias_means_a_command_and_hides_none() {
        for (alias, name) in ALIASES {
            assert!(matches!(meaning(alias), Meaning::One(command) if command.name == *name), "{alias}");
            assert!(COMMANDS.iter().all(|command| command.name != *alias), "{alias} is a command itself");
        }
    }

    #[test]
    fn what_to_do_about_a_word_that_is_no_command_fits_into_forty_columns() {
        for word in [
            "etc/passwd",
            "frobnicated",
            "usr/local/lib/python3",
            "\0\u{1b}x",
            "\u{65e5}\u{672c}\u{8a9e}/\u{65e5}\u{672c}\u{8a9e}/x",
        ] {
            let warning = unclear(word, &[]);
            assert!(cut(&warning, 39).contains(": // sends it"), "{warning}");
        }
    }

    #[test]
    fn a_beginning_that_is_not_clear_names_what_it_may_be() {
        let Meaning::Many(names) = meaning("qu") else { panic!("/qu is clear") };
        assert_eq!(unclear("qu", &names), "/qu may be /query or /quit");
        assert!(matches!(meaning("stat"), Meaning::One(command) if command.name == "status"));
        assert!(matches!(meaning("frobnicate"), Meaning::Nothing));
        assert!(matches!(meaning(""), Meaning::Nothing));
    }
}
