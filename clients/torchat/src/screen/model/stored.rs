//! What outlives the program.

use crate::screen::notify::Notify;
use serde::{Deserialize, Serialize};
use torchat_client::timeline::Drafts;

/// What outlives the program.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Stored {
    #[serde(flatten)]
    pub(crate) drafts: Drafts,
    #[serde(default)]
    pub(crate) notify: Notify,
}
