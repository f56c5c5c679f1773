//! What the screen itself says in a conversation.

/// Something that the screen says in a conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Remark {
    /// When, in milliseconds since 1970.
    pub(crate) at: i64,
    /// Harmless.
    pub(crate) text: String,
}
