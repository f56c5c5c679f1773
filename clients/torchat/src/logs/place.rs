//! Where the logs are, and what is remembered about them.

use std::path::{Path, PathBuf};
use torchat_client::api::ConversationId;
use torchat_protocol::home;

/// The folders of a user's logs.
///
/// A log is `logs/OWN/PEER.log`, both names the 56 letters of an onion: no name that somebody chose is ever a name of a file,
/// a rename does not begin another log, and two identities of one user do not write into each other's. How far each log has
/// got is elsewhere, so that a user who removes or moves the logs does not begin them anew.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    /// `$XDG_STATE_HOME/torchat/logs`, else `~/.local/state/torchat/logs`.
    pub(crate) logs: PathBuf,
    /// The same with `logs.state`.
    pub(super) state: PathBuf,
}

impl Place {
    /// Where they are for this user; `None`: there is no home.
    pub(crate) fn find() -> Option<Self> {
        let home = home::home(std::env::var_os("HOME").as_deref(), std::env::home_dir);
        let base = home::base(std::env::var_os("XDG_STATE_HOME").as_deref(), home.as_deref(), home::STATE)?;
        Some(Self::below(&base.join("torchat")))
    }

    /// The folders in a directory.
    pub(crate) fn below(directory: &Path) -> Self {
        Self { logs: directory.join("logs"), state: directory.join("logs.state") }
    }

    /// The log of a conversation of the identity `own`.
    pub(crate) fn file(&self, own: ConversationId, conversation: ConversationId) -> PathBuf {
        self.logs.join(letters(own)).join(log_name(conversation))
    }
}

/// The 56 letters.
pub(super) fn letters(conversation: ConversationId) -> String {
    conversation.onion().trim_end_matches(".onion").to_owned()
}

pub(super) fn log_name(conversation: ConversationId) -> String {
    format!("{}.log", letters(conversation))
}
