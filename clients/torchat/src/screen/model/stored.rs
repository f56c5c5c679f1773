//! What outlives the program.

use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};
use torchat_client::api::Onion;

/// Who is told about new messages that are not on the screen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Notify {
    #[default]
    Off,
    Bell,
    /// That something came, and from whom.
    Desktop,
    /// What came, too.
    Content,
}

/// What outlives the program.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Stored {
    /// By onion; under "" what was typed when no conversation was open.
    #[serde(default)]
    pub(crate) drafts: BTreeMap<String, String>,
    /// What the daemon has not got yet, in order.
    #[serde(default)]
    pub(crate) unsent: VecDeque<Unsent>,
    #[serde(default)]
    pub(crate) notify: Notify,
}

/// A message that the daemon has not got yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Unsent {
    pub(crate) peer: Onion,
    pub(crate) text: String,
    /// Sent again with the same one, it is one message.
    pub(crate) key: String,
    /// When it was typed, in milliseconds since 1970.
    pub(crate) at: i64,
}
