//! A change that a command makes to `client.toml`: only what it is about, so that comments, the order, and what other clients
//! have set stay.

use super::parse;
use crate::screen::notify::Notify;
use crate::screen::theme::Theme;
use toml_edit::{Array, DocumentMut, Item, Table, TableLike, Value};
use torchat_client::api::ConversationId;

/// What a command sets.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Change {
    Theme(Theme),
    Notify(Notify),
    Mouse(bool),
    Mute(ConversationId, bool),
    Log(ConversationId, bool),
    Highlight(String, bool),
}

impl Change {
    /// The file's text with the change.
    ///
    /// # Errors
    /// A file with an error is not touched: the sentence says where it is.
    pub(crate) fn apply(&self, text: &str) -> Result<String, String> {
        let settings = parse(text)?;
        let mut document: DocumentMut =
            text.parse().map_err(|error: toml_edit::TomlError| error.message().to_owned())?;
        // Comments without a value belong to what follows them, and a value would be put before them.
        let mut head = String::new();
        if document.is_empty() {
            head = text.to_owned();
            if !head.is_empty() && !head.ends_with('\n') {
                head.push('\n');
            }
            document = DocumentMut::new();
        }
        let root = document.as_table_mut();
        match self {
            Self::Theme(theme) => set(root, "theme", theme.word().into()),
            Self::Notify(notify) => set(root, "notify", notify.word().into()),
            Self::Mouse(on) => set(root, "mouse", (*on).into()),
            Self::Mute(peer, on) => put(root, "muted", &peer.onion(), *on),
            Self::Highlight(word, on) => put(root, "highlight", word, *on),
            Self::Log(peer, on) => log(root, settings.logs.all, &peer.onion(), *on),
        }
        let text = format!("{head}{document}");
        // What is written must be read at the next start.
        parse(&text)?;
        Ok(text)
    }
}

/// Sets a value; a comment behind the old one stays.
fn set(table: &mut Table, key: &str, mut value: Value) {
    if let Some(old) = table.get_mut(key).and_then(Item::as_value_mut) {
        *value.decor_mut() = old.decor().clone();
        *old = value;
    } else {
        table.insert(key, Item::Value(value));
    }
}

/// Switches the log of a conversation on or off: where all are logged, one that is not is an exception.
fn log(root: &mut Table, all: bool, onion: &str, on: bool) {
    let logs = root.entry("logs").or_insert_with(|| Item::Table(Table::new()));
    let Some(logs) = logs.as_table_like_mut() else { return };
    if !on || !all {
        put(logs, "conversations", onion, on);
    }
    put(logs, "except", onion, !on && all);
}

/// Puts a text into a list or takes it out. A list that is not there is not made to take something out.
fn put(table: &mut dyn TableLike, key: &str, text: &str, is_in: bool) {
    if !is_in && !table.contains_key(key) {
        return;
    }
    let list = table.entry(key).or_insert(Item::Value(Array::new().into()));
    if let Some(list) = list.as_array_mut() {
        put_in(list, text, is_in);
    }
}

/// Puts a text into a list or takes it out, in any case of letters: names of onions and words have none.
fn put_in(list: &mut Array, text: &str, is_in: bool) {
    let lower = text.to_lowercase();
    let bare = |text: &str| text.to_lowercase().trim_end_matches(".onion").to_owned();
    let is_it = |value: &Value| value.as_str().is_some_and(|other| bare(other) == bare(&lower));
    if !is_in {
        list.retain(|value| !is_it(value));
    } else if !list.iter().any(is_it) {
        list.push(text);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn onion() -> ConversationId {
        "qe4xodvipulv6vvdkrtmgtd6ztfy3curwtxdpis56yhvxd6jwokbr4qd".parse().unwrap()
    }

    #[test]
    fn a_change_keeps_comments_and_everything_else() {
        let text = "# mine\ntheme = \"dark\" # for the night\n\n[keys]\n# as in mutt\nsearch = [\"Ctrl+S\"]\n";
        let text = Change::Theme(Theme::Light).apply(text).unwrap();
        assert_eq!(text, "# mine\ntheme = \"light\" # for the night\n\n[keys]\n# as in mutt\nsearch = [\"Ctrl+S\"]\n");
        let text = Change::Notify(Notify::Bell).apply(&text).unwrap();
        let settings = parse(&text).unwrap();
        assert_eq!((settings.theme, settings.notify), (Some(Theme::Light), Some(Notify::Bell)));
        assert!(text.contains("# as in mutt") && text.find("notify").unwrap() < text.find("[keys]").unwrap(), "{text}");
    }

    #[test]
    fn lists_are_changed_by_one_and_nothing_is_in_them_twice() {
        let mut text = String::new();
        for change in [
            Change::Mute(onion(), true),
            Change::Mute(onion(), true),
            Change::Highlight("Deploy".into(), true),
            Change::Highlight("deploy".into(), true),
            Change::Mouse(true),
        ] {
            text = change.apply(&text).unwrap();
        }
        let settings = parse(&text).unwrap();
        assert_eq!(settings.muted.len(), 1);
        assert_eq!(settings.highlight, ["Deploy"]);
        for change in [Change::Mute(onion(), false), Change::Highlight("DEPLOY".into(), false)] {
            text = change.apply(&text).unwrap();
        }
        let settings = parse(&text).unwrap();
        assert!(settings.muted.is_empty() && settings.highlight.is_empty());
        assert_eq!(settings.mouse, Some(true));
    }

    #[test]
    fn a_log_is_switched_on_and_off_and_one_that_is_not_wanted_is_an_exception_to_all() {
        let on = |text: &str, on: bool| {
            let text = Change::Log(onion(), on).apply(text).unwrap();
            (parse(&text).unwrap().logs.is_on(onion()), text)
        };
        let (is_on, text) = on("# mine\nmouse = true\n\n[keys]\nsearch = [\"Ctrl+S\"]\n", true);
        let table = format!("[logs]\nconversations = [\"{}\"]\n", onion().onion());
        assert!(is_on && text.starts_with("# mine\nmouse = true\n") && text.ends_with(&table), "{text}");
        let (is_on, text) = on(&text, false);
        assert!(!is_on && text.ends_with("[logs]\nconversations = []\n"), "{text}");
        let (is_on, text) = on("[logs] # private\nall = true # of all\n", false);
        let expected = format!("[logs] # private\nall = true # of all\nexcept = [\"{}\"]\n", onion().onion());
        assert_eq!((is_on, text.as_str()), (false, expected.as_str()));
        assert_eq!(on(&text, true), (true, "[logs] # private\nall = true # of all\nexcept = []\n".into()));
        // However the user writes it.
        assert!(on("logs = { all = false }\n", true).0 && on("logs.all = false\n", true).0);
        assert!(!on("logs = { all = true }\n", false).0);
    }

    #[test]
    fn a_file_with_an_error_is_not_touched() {
        let error = Change::Mouse(true).apply("\nthme = 1\n").unwrap_err();
        assert!(error.starts_with("line 2: "), "{error}");
    }
}
