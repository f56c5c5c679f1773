//! Old daemons' messages, as the store keeps them.

use torchat_core::snapshot::LegacyNum;

/// An old daemon's message as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LegacyLine {
    /// Its row.
    pub row: LegacyNum,
    /// Arrival in milliseconds since 1970.
    pub at_ms: i64,
    /// Who the sender said it was: proven by nothing.
    pub claim: String,
    /// The text.
    pub text: String,
    /// A client has taken it.
    pub taken: bool,
}
