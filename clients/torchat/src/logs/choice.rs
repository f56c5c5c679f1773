//! Which conversations are logged: the table `[logs]` of `client.toml`.

use serde::Deserialize;
use std::collections::BTreeSet;
use torchat_client::api::ConversationId;

/// What the user has switched on. The default: nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Choice {
    /// Every conversation, those of later contacts, too, but for `except`.
    pub(crate) all: bool,
    /// These conversations. Whole onions, because a name may be given to somebody else tomorrow.
    pub(crate) conversations: BTreeSet<ConversationId>,
    /// Not these, whatever `all` says.
    pub(crate) except: BTreeSet<ConversationId>,
}

impl Choice {
    /// Whether a conversation is logged. One that is in both lists is not: a log that is missed can be made up for by an
    /// export, and one that nobody wanted cannot be taken back.
    pub(crate) fn is_on(&self, conversation: ConversationId) -> bool {
        !self.except.contains(&conversation) && (self.all || self.conversations.contains(&conversation))
    }

    /// Whether nothing is logged, whoever writes.
    pub(crate) fn is_nothing(&self) -> bool {
        !self.all && self.conversations.iter().all(|conversation| self.except.contains(conversation))
    }
}
