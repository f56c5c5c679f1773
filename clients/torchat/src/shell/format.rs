//! How things look to people.

use super::out::Out;
pub(crate) use crate::names::{NAME_COLUMNS, Names, named, sign};
pub(crate) use crate::status::notice;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use torchat_client::api::record::{Direction, Message, MessageState};
pub(crate) use torchat_client::api::words::{count, took};
use torchat_client::reason;
use torchat_client::show::{shown_line, unmarked_name};

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
    let (time, who, text) = (time(&message.at), names.of(message.peer), out.text(&message.text));
    match message.dir {
        Direction::In => format!("{time} < {who}: {text}"),
        Direction::Out => format!("{time} > {who}: {text}{}", progress(message, &names.bare(message.peer))),
        Direction::Mark => format!("{time} ! {who}: {text}"),
        Direction::Unknown => format!("{time} ? {who}: {text}"),
    }
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

    #[test]
    fn what_is_no_time_is_shown_harmlessly() {
        assert_eq!(time("\u{1b}[2J"), "\\u{1b}[2J");
    }
}
