//! How things look to people.

use super::out::Out;
pub(crate) use crate::status::notice;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use std::collections::HashMap;
use torchat_client::api::record::{Contact, Direction, Message, MessageState};
pub(crate) use torchat_client::api::words::{count, took};
use torchat_client::api::{ApiClientError, Connection, ConversationId, rows};
use torchat_client::reason;
use torchat_client::show::{shown_line, shown_name};

/// Columns of a name.
pub(crate) const NAME_COLUMNS: usize = 32;
/// Characters of an onion that stand for it where it has no name: enough to be used as a PEER.
const SHORT: usize = 10;

/// A moment in the user's time zone, to the minute: 16 columns.
pub(crate) fn time(at: &str) -> String {
    moment(at, "%Y-%m-%d %H:%M")
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

/// The first characters of an onion, or of another conversation's id.
pub(crate) fn short(conversation: ConversationId) -> String {
    conversation.onion().chars().take(SHORT).collect()
}

/// The names that the user gave to peers, and so to the conversations with them. A peer's own nickname is not used for it: it may be chosen to deceive.
#[derive(Debug, Default)]
pub(crate) struct Names(HashMap<ConversationId, String>);

impl Names {
    /// Takes them from the contacts.
    pub(crate) fn new<'a>(contacts: impl IntoIterator<Item = &'a Contact>) -> Self {
        let named =
            contacts.into_iter().filter_map(|contact| Some((contact.peer.conversation(), contact.name.clone()?)));
        Self(named.filter(|(_, name)| !name.is_empty()).collect())
    }

    /// Reads them from the daemon, page after page: of thousands of contacts only the names are kept.
    pub(crate) fn read(connection: &Connection) -> Result<Self, ApiClientError> {
        let mut names = Self::default();
        for contact in connection.contact_pages().flat_map(rows) {
            names.changed(&contact?);
        }
        Ok(names)
    }

    /// A contact was renamed, added or removed.
    pub(crate) fn changed(&mut self, contact: &Contact) {
        let id = contact.peer.conversation();
        match contact.name.clone().filter(|name| !name.is_empty()) {
            Some(name) => self.0.insert(id, name),
            None => self.0.remove(&id),
        };
    }

    /// The name of a conversation or its peer, else the beginning of its id.
    pub(crate) fn of(&self, conversation: impl Into<ConversationId>) -> String {
        let id = conversation.into();
        self.0.get(&id).map_or_else(|| short(id), |name| shown_name(name, NAME_COLUMNS))
    }
}

/// A message on a line, and on further lines where it has them.
pub(crate) fn message(out: &Out, names: &Names, message: &Message) -> String {
    let (time, who, text) = (time(&message.at), names.of(message.peer), out.text(&message.text));
    match message.dir {
        Direction::In => format!("{time} < {who}: {text}"),
        Direction::Out => format!("{time} > {who}: {text}{}", progress(message, &who)),
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
