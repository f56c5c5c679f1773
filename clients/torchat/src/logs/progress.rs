//! How far a log has got: a small file per conversation.

use serde::{Deserialize, Serialize};
use torchat_client::api::record::Message;
use torchat_client::timeline::millis;
use torchat_protocol::id::MessageId;

/// Up to where a conversation is in its log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Mark {
    /// It is not to be logged, though all others are.
    Off,
    /// Nothing is written yet: it begins with what is later than this moment, in milliseconds since 1970.
    Since(i64),
    /// The last message that is written.
    Last(Last),
}

/// The last message of a log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Last {
    /// Its number in the daemon.
    pub(super) id: i64,
    /// Its id: after a backup was restored, another message has the same number.
    pub(super) mid: MessageId,
    /// The latest time of all that were written, in milliseconds since 1970.
    pub(super) at: i64,
}

/// A log's file that says how far it has got.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Progress {
    pub(super) mark: Mark,
    /// See [`Here`](super::line::Here).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) offset: Option<i32>,
    /// What is being written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) batch: Option<Batch>,
}

/// The journal: what is appended next. It is durable before the log is touched, and gone when that is durable, so after a kill
/// the log is compared with it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Batch {
    /// The file that it is appended to: bytes and number (inode) of before.
    pub(super) length: u64,
    pub(super) inode: u64,
    pub(super) text: String,
    /// What counts when it is written.
    pub(super) last: Last,
    pub(super) offset: Option<i32>,
}

impl Progress {
    pub(super) fn since(at: i64) -> Self {
        Self { mark: Mark::Since(at), offset: None, batch: None }
    }

    pub(super) fn off() -> Self {
        Self { mark: Mark::Off, offset: None, batch: None }
    }

    /// The same when its batch is written.
    pub(super) fn written(&self) -> Self {
        match &self.batch {
            Some(batch) => Self { mark: Mark::Last(batch.last.clone()), offset: batch.offset, batch: None },
            None => self.clone(),
        }
    }

    /// Whether a message is the last that is written, so that nothing is to be done for it.
    pub(super) fn ends_with(&self, message: &Message) -> bool {
        let is_it = |last: &Last| last.id == message.id && last.mid == message.mid;
        self.batch.is_none() && matches!(&self.mark, Mark::Last(last) if is_it(last))
    }
}

impl Mark {
    /// The mark behind a message.
    pub(super) fn behind(&self, message: &Message) -> Last {
        let latest = match self {
            Self::Off => 0,
            Self::Since(at) => *at,
            Self::Last(last) => last.at,
        };
        let at = millis(&message.at).unwrap_or(0).max(latest);
        Last { id: message.id, mid: message.mid, at }
    }
}
