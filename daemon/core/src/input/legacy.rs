//! What happens to old daemons' messages.

use super::RequestId;
use crate::snapshot::LegacyNum;
use torchat_protocol::legacy::OldMessage;

/// An old daemon's message, or what becomes of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LegacyInput {
    /// An old daemon delivered a message. Nothing proves who it is.
    Came(OldMessage),
    /// A client has taken an old daemon's message.
    Taken {
        /// To be answered.
        request: RequestId,
        /// The message's row.
        row: LegacyNum,
        /// When it came, in milliseconds since 1970.
        at_ms: i64,
    },
}
