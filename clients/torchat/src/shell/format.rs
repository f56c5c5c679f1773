//! How things look to people.

use super::out::Out;
use crate::membership::{instead, speaker};
pub(crate) use crate::names::{NAME_COLUMNS, Names, named, sign};
pub(crate) use crate::status::notice;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use torchat_client::api::record::{Direction, Message, MessageState};
pub(crate) use torchat_client::api::words::{count, took};
use torchat_client::reason;
use torchat_client::show::{shown_line, shown_name, unmarked_name};

/// Columns of the sign of a reaction.
const SIGN_COLUMNS: usize = 8;

/// A moment in the user's time zone, to the minute: 16 columns.
pub(crate) fn time(at: &str) -> String {
    moment(at, "%Y-%m-%d %H:%M")
}

/// The day of a moment, where the user is.
pub(crate) fn day(at: &str) -> String {
    moment(at, "%Y-%m-%d")
}

/// The hour and minute of a moment.
pub(crate) fn clock(at: &str) -> String {
    moment(at, "%H:%M")
}

fn moment(at: &str, form: &str) -> String {
    match at.parse::<Timestamp>() {
        Ok(at) => at.to_zoned(TimeZone::system()).strftime(form).to_string(),
        // No daemon of ours writes that.
        Err(_) => shown_line(at),
    }
}

/// What strangers say of themselves when they ask, behind their onion: the name that they chose, and their words.
pub(crate) fn says_of_themselves(out: &Out, nick: &str, text: &str) -> String {
    let (nick, text) = (unmarked_name(nick, NAME_COLUMNS), out.one_line(text));
    let name = if nick.is_empty() { String::new() } else { format!(", their own name: {nick}") };
    let words = if text.is_empty() { "without words".to_owned() } else { format!("with the words: {text}") };
    format!("{name}, {words}")
}

/// A message on a line, and on further lines where it has them.
pub(crate) fn message(out: &Out, names: &Names, message: &Message) -> String {
    let (time, who, text) = (time(&message.at), names.of(message.peer), said(out, message));
    match message.dir {
        Direction::In => format!("{time} < {who}: {text}"),
        Direction::Out => format!("{time} > {who}: {text}{}", progress(message, &names.bare(message.peer))),
        Direction::Mark => format!("{time} ! {who}: {text}"),
        Direction::Unknown => format!("{time} ? {who}: {text}"),
    }
}

/// A message of the one room that is printed: `TIME NAME: text`, and what the daemon tells as `TIME -- text`.
pub(crate) fn room_message(out: &Out, message: &Message) -> String {
    let (time, text) = (time(&message.at), said(out, message));
    match (&message.from, message.dir) {
        (None, _) => format!("{time} -- {text}"),
        (Some(_), Direction::Out) => format!("{time} {text}{}", progress(message, "this room")),
        (Some(_), _) => format!("{time} {text}"),
    }
}

/// The text of a message, harmless. In a room with its writer before it, and with what became of it.
fn said(out: &Out, message: &Message) -> String {
    let Some(from) = &message.from else { return out.text(&message.text) };
    let text = instead(message).map_or_else(|| out.text(&message.text), str::to_owned);
    let void = if message.state == MessageState::Void { "(does not count) " } else { "" };
    let edited = if message.edited_at.is_some() { " (edited)" } else { "" };
    format!("{}: {void}{text}{edited}{}", speaker(&from.name, from.member), reactions(message))
}

/// ` [👍 2, ❤ 1]`, harmless.
fn reactions(message: &Message) -> String {
    let sign = |sign: &str| shown_name(sign, SIGN_COLUMNS).replace([',', ']'], "");
    let each = message.reacts.iter().map(|(text, members)| format!("{} {}", sign(text), members.len()));
    let each: Vec<_> = each.collect();
    if each.is_empty() { String::new() } else { format!(" [{}]", each.join(", ")) }
}

/// How far a sent message is; nothing if it is delivered.
fn progress(message: &Message, who: &str) -> String {
    let state = match message.state {
        MessageState::Delivered => return String::new(),
        MessageState::Waiting => "waiting to be accepted",
        other => other.name(),
    };
    let reason = reason::words(message.why.as_ref(), message.reason.as_deref(), who);
    let reason = match reason {
        // The words begin with the state.
        Some(words) if words.starts_with(state) => words.split_at(state.len()).1.to_owned(),
        Some(words) => format!(": {words}"),
        None => String::new(),
    };
    let next = message.next_try_at.as_deref().map_or_else(String::new, |at| format!("; next try at {}", clock(at)));
    format!(" ({state}{reason}{next})")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_waits_says_why_in_a_few_words_without_what_the_network_said() {
        let message = serde_json::json!({
            "id": 1, "mid": "0".repeat(32), "peer": "pg6mmjiyjmcrsslvykfwnntlaru7p5svn6y2ymmju6nubxndf4pscryd.onion",
            "dir": "out", "text": "hi", "state": "queued", "at": "2026-11-21T09:30:00.000Z", "reason": "no (503 circuits)",
            "why": { "code": "unreachable", "tries": 3, "failure": "peer-down", "detail": "503 circuits" },
        });
        let message = serde_json::from_value(message).unwrap();
        assert_eq!(progress(&message, "bob"), " (queued: bob is not reachable)");
    }

    #[test]
    fn no_word_is_said_twice() {
        let message = serde_json::json!({
            "id": 1, "mid": "0".repeat(32), "peer": "pg6mmjiyjmcrsslvykfwnntlaru7p5svn6y2ymmju6nubxndf4pscryd.onion",
            "dir": "out", "text": "hi", "state": "sent", "at": "2026-11-21T09:30:00.000Z", "why": { "code": "unconfirmed" },
        });
        let message = serde_json::from_value(message).unwrap();
        assert_eq!(progress(&message, "bob"), " (sent, and not confirmed by bob yet)");
    }

    fn said(more: serde_json::Value) -> Message {
        let mut message = serde_json::json!({
            "id": 1, "mid": "0".repeat(32), "peer": "52sfije2rhkqqibiuxx2dj5olxew2ajppimi4o5bnxe6axygijwrooid.onion", "dir": "in",
            "text": "hello", "state": "read", "at": "no time",
            "from": {"member": 5, "name": "bob", "me": false, "role": "member"},
        });
        message.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        serde_json::from_value(message).unwrap()
    }

    #[test]
    fn what_is_said_in_a_room_has_its_writer_and_what_became_of_it() {
        use serde_json::json;
        let out = Out::new(crate::arguments::Form { json: false, raw: false });
        for (more, line) in [
            (json!({}), "no time bob: hello"),
            (
                json!({"edited_at": "x", "reacts": {"+1": [2, 3], "a]\u{1b}": [4]}}),
                "no time bob: hello (edited) [+1 2, a\\u{1b} 1]",
            ),
            (json!({"state": "redacted", "dir": "mark", "text": ""}), "no time bob: (redacted)"),
            (json!({"state": "hidden", "dir": "mark"}), "no time bob: (hidden)"),
            (json!({"state": "void", "dir": "mark"}), "no time bob: (does not count) hello"),
            (json!({"text": "two\nlines"}), "no time bob: two\n                 | lines"),
            (json!({"from": null, "state": "system", "dir": "mark", "text": "bob joined"}), "no time -- bob joined"),
            (json!({"dir": "out", "state": "queued"}), "no time bob: hello (queued)"),
        ] {
            assert_eq!(room_message(&out, &said(more.clone())), line, "{more}");
        }
        // In a list of several conversations the room comes first.
        let line = message(&out, &Names::default(), &said(json!({})));
        assert_eq!(line, "no time < 52sfije2rh: bob: hello");
    }

    #[test]
    fn what_is_no_time_is_shown_harmlessly() {
        assert_eq!(time("\u{1b}[2J"), "\\u{1b}[2J");
    }
}
