//! Tokens, as the store keeps them.

use torchat_protocol::control::api::Right;
use torchat_protocol::conversation::ConversationId;

/// A token: what proves it, never its secret.
#[derive(Clone, PartialEq, Eq)]
pub struct TokenRow {
    /// Its name.
    pub name: String,
    /// What it may do.
    pub rights: Vec<Right>,
    /// The conversations that it is good for; `None`: all.
    pub peers: Option<Vec<ConversationId>>,
    /// What a client's proof is checked with.
    pub stored_key: [u8; 32],
    /// What the daemon's proof is made with.
    pub server_key: [u8; 32],
    /// When it was made, in milliseconds since 1970.
    pub created_ms: i64,
    /// When it ends, in milliseconds since 1970; `None`: never.
    pub expires_ms: Option<i64>,
}

impl std::fmt::Debug for TokenRow {
    /// Without the keys.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TokenRow").field("name", &self.name).field("rights", &self.rights).finish_non_exhaustive()
    }
}
