//! What outlives the program.

use crate::screen::notify::Notify;
use serde::{Deserialize, Serialize};
use torchat_client::timeline::Drafts;

/// What outlives the program.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Stored {
    #[serde(flatten)]
    pub(crate) drafts: Drafts,
    /// What an earlier version kept here; gone as soon as client.toml has it, so that there is one place to unset it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) notify: Option<Notify>,
}
