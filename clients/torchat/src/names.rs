//! The names that the user gave, as the shell and the text logs write them.

use std::collections::HashMap;
use torchat_client::api::command::Rooms;
use torchat_client::api::record::{Contact, Room};
use torchat_client::api::{ApiClientError, Connection, ConversationId, rows};
use torchat_client::names::shown_room;
use torchat_client::show::{VERIFIED, unmarked_name};

/// Columns of a name.
pub(crate) const NAME_COLUMNS: usize = 32;
/// Characters of an onion that stand for it where it has no name: enough to be used as a PEER.
const SHORT: usize = 10;

/// The first characters of an onion, or of another conversation's id.
fn short(conversation: ConversationId) -> String {
    conversation.onion().chars().take(SHORT).collect()
}

/// The names that the user gave to peers, and so to the conversations with them, and whose key was compared. A peer's own nickname is
/// not used for it: it may be chosen to deceive.
#[derive(Debug, Default)]
pub(crate) struct Names(HashMap<ConversationId, Named>);

/// What stands for one of them.
#[derive(Debug)]
struct Named {
    name: Option<String>,
    is_verified: bool,
    is_room: bool,
}

/// A name that the user gave, harmless and without the sign that only we put before it.
pub(crate) fn named(contact: &Contact) -> Option<String> {
    contact.name.as_deref().map(|name| unmarked_name(name, NAME_COLUMNS)).filter(|name| !name.is_empty())
}

/// The sign of a verified contact, or nothing. Always before a name, where no peer's text can stand.
pub(crate) fn sign(contact: &Contact) -> String {
    if contact.verified.is_some() { VERIFIED.to_string() } else { String::new() }
}

impl Names {
    /// Takes them from the contacts.
    pub(crate) fn new<'a>(contacts: impl IntoIterator<Item = &'a Contact>) -> Self {
        let mut names = Self::default();
        contacts.into_iter().for_each(|contact| names.changed(contact));
        names
    }

    /// Reads them from the daemon, page after page: of thousands of contacts only the names are kept.
    pub(crate) fn read(connection: &Connection) -> Result<Self, ApiClientError> {
        let mut names = Self::default();
        for contact in connection.contact_pages().flat_map(rows) {
            names.changed(&contact?);
        }
        // A daemon from before rooms has none.
        if connection.welcome().commands.iter().any(|name| name == "ROOMS") {
            connection.call(&Rooms {})?.rooms.iter().for_each(|room| names.room_changed(room));
        }
        Ok(names)
    }

    /// A room was made, joined, or is called otherwise. Its name is the user's own for it, or that of its owner behind a `#`.
    pub(crate) fn room_changed(&mut self, room: &Room) {
        let shown = shown_room(&room.name, room.alias.as_deref(), NAME_COLUMNS);
        // A colon ends the name wherever a message is printed.
        let name = Some(shown.replace(':', "\\u{3a}")).filter(|name| name.len() > 1);
        self.0.insert(room.peer, Named { name, is_verified: false, is_room: true });
    }

    /// Whether a conversation is a room.
    pub(crate) fn is_room(&self, id: ConversationId) -> bool {
        self.0.get(&id).is_some_and(|named| named.is_room)
    }

    /// Whether the user has a name for somebody, or has compared their key.
    pub(crate) fn has(&self, conversation: impl Into<ConversationId>) -> bool {
        self.0.contains_key(&conversation.into())
    }

    /// A contact was renamed, added, removed or verified.
    pub(crate) fn changed(&mut self, contact: &Contact) {
        let (id, name, is_verified) = (contact.peer.conversation(), named(contact), contact.verified.is_some());
        if name.is_some() || is_verified {
            self.0.insert(id, Named { name, is_verified, is_room: false });
        } else {
            self.0.remove(&id);
        }
    }

    /// The name of a conversation or its peer, else the beginning of its id. Without the sign: for the middle of a sentence, and for
    /// files, in which it would stand after the mark was taken away.
    pub(crate) fn bare(&self, conversation: impl Into<ConversationId>) -> String {
        let id = conversation.into();
        self.0.get(&id).and_then(|named| named.name.clone()).unwrap_or_else(|| short(id))
    }

    /// Whether the user has compared the key of the conversation's peer.
    pub(crate) fn is_verified(&self, id: ConversationId) -> bool {
        self.0.get(&id).is_some_and(|named| named.is_verified)
    }

    /// The name of a conversation or its peer, with the sign of those whose key was compared.
    pub(crate) fn of(&self, conversation: impl Into<ConversationId>) -> String {
        let id = conversation.into();
        if self.is_verified(id) { format!("{VERIFIED}{}", self.bare(id)) } else { self.bare(id) }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn contact(json: serde_json::Value) -> Contact {
        let mut whole = serde_json::json!({
            "peer": "pg6mmjiyjmcrsslvykfwnntlaru7p5svn6y2ymmju6nubxndf4pscryd.onion", "state": "contact", "link": false,
            "hidden": false, "queued": 0,
        });
        whole.as_object_mut().unwrap().extend(json.as_object().unwrap().clone());
        serde_json::from_value(whole).unwrap()
    }

    #[test]
    fn only_a_compared_key_puts_the_sign_before_a_name() {
        let verified = "2026-11-21T09:30:00.000Z";
        for (json, shown) in [
            (serde_json::json!({"name": "bob"}), "bob"),
            (serde_json::json!({"name": "bob", "verified": verified}), "\u{2713}bob"),
            (serde_json::json!({"verified": verified, "nick": "x"}), "\u{2713}pg6mmjiyjm"),
            (serde_json::json!({"name": "\u{2713}bob"}), "bob"),
            (serde_json::json!({"name": "\u{2714}\u{2705} bob \u{2611}"}), "bob"),
            (serde_json::json!({"name": "\u{2713}", "nick": "\u{2713}bob"}), "pg6mmjiyjm"),
            (serde_json::json!({"nick": "\u{2713}bob"}), "pg6mmjiyjm"),
        ] {
            let contact = contact(json);
            let names = Names::new([&contact]);
            assert_eq!(names.of(contact.peer.conversation()), shown);
        }
        // It goes with the mark.
        let mut names = Names::new([&contact(serde_json::json!({"name": "bob", "verified": verified}))]);
        let changed = contact(serde_json::json!({"name": "bob"}));
        names.changed(&changed);
        assert_eq!(names.of(changed.peer.conversation()), "bob");
    }
}
