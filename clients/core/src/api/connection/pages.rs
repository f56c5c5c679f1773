//! Long lists, page after page.

use super::Connection;
use crate::api::error::ApiClientError;
use torchat_protocol::control::api::command::{Contacts, Conversations};
use torchat_protocol::control::api::record::{Contact, Conversation};

impl Connection {
    /// All contacts and blocked peers, page after page.
    ///
    /// # Errors
    /// As [`Connection::call`].
    pub fn contacts(&self) -> Result<Vec<Contact>, ApiClientError> {
        let mut all: Vec<Contact> = Vec::new();
        loop {
            let after = all.last().map(|contact| contact.peer);
            let page = self.call(&Contacts { after, limit: None })?;
            let more = page.more && !page.contacts.is_empty();
            all.extend(page.contacts);
            if !more {
                return Ok(all);
            }
        }
    }

    /// All conversations, the one with the newest message first, page after page. One that gets a message meanwhile may
    /// be missing from the later pages, because it stands at the beginning now; its event tells of it.
    ///
    /// # Errors
    /// As [`Connection::call`].
    pub fn conversations(&self) -> Result<Vec<Conversation>, ApiClientError> {
        let mut all: Vec<Conversation> = Vec::new();
        loop {
            let last = all.last();
            let before = last.and_then(|one| one.last.as_ref()).map(|message| message.id);
            let after = last.filter(|one| one.last.is_none()).map(|one| one.contact.peer);
            let page = self.call(&Conversations { before, after, limit: None })?;
            let more = page.more && !page.conversations.is_empty();
            all.extend(page.conversations);
            if !more {
                return Ok(all);
            }
        }
    }
}
