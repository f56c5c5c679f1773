//! The names that the user gave, as the shell and the text logs write them.

use std::collections::HashMap;
use torchat_client::api::record::Contact;
use torchat_client::api::{ApiClientError, Connection, ConversationId, rows};
use torchat_client::show::shown_name;

/// Columns of a name.
pub(crate) const NAME_COLUMNS: usize = 32;
/// Characters of an onion that stand for it where it has no name: enough to be used as a PEER.
const SHORT: usize = 10;

/// The first characters of an onion, or of another conversation's id.
fn short(conversation: ConversationId) -> String {
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
