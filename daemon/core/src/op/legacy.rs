//! What is written of old daemons' messages.

use crate::snapshot::LegacyNum;
use torchat_protocol::legacy::OldMessage;

/// A change of the messages of old daemons.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LegacyOp {
    /// An old daemon's message came in. It stands apart from every conversation.
    Keep {
        /// The message.
        message: OldMessage,
        /// Arrival in milliseconds since 1970.
        at_ms: i64,
        /// How many are kept: the oldest that were taken go.
        keep: usize,
    },
    /// A client has taken an old daemon's message.
    Taken {
        /// The row.
        row: LegacyNum,
    },
    /// Old daemons' messages that came before this moment go, taken or not.
    Forget {
        /// In milliseconds since 1970.
        before_ms: i64,
    },
}
