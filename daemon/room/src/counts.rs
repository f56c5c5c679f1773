//! What became of a text: which of several counts, whether it was redacted, and which edit is in force.
//!
//! Whoever stores texts asks here, so that the rules stand in one place. ROOM-PROTOCOL.md, "What counts".

use crate::standing::Standing;
use torchat_protocol::room::body::Role;
use torchat_protocol::room::{Author, MemberNo, Order};

/// An event whose body is there and follows the rules of its kind, as far as it matters what it counts as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Said {
    /// Its place among all events.
    pub order: Order,
    /// What it counts as.
    pub standing: Standing,
}

impl Said {
    /// Who said it.
    #[must_use]
    pub fn member(&self) -> Option<MemberNo> {
        self.order.author.member()
    }

    /// Whether a text, an edit or a reaction counts by itself: it is valid and not hidden.
    #[must_use]
    pub fn is_shown(&self) -> bool {
        self.standing.allows(Role::Member) && !self.standing.is_hidden()
    }
}

/// Whether one of these redacts takes away a text or an edit.
pub fn is_redacted(of: &Said, redacts: impl IntoIterator<Item = Said>) -> bool {
    redacts.into_iter().any(|redact| takes_away(redact.order.author, redact.standing, of.order.author))
}

/// Whether a redact of this author that counts as this takes away a text or an edit of an author: one by a moderator does, or one
/// by the same member.
#[must_use]
pub fn takes_away(by: Author, standing: Standing, of: Author) -> bool {
    standing.allows(Role::Moderator) || (standing.allows(Role::Member) && by.member() == of.member())
}

/// Of several texts of one member with one id, each with whether it was redacted: the one that counts.
pub fn counting(texts: impl IntoIterator<Item = (Said, bool)>) -> Option<Said> {
    let shown = texts.into_iter().filter(|(text, redacted)| text.is_shown() && !redacted);
    shown.map(|(text, _)| text).min_by_key(|text| text.order)
}

/// Of several edits of a text that counts, each with whether it was redacted: the one in force. Only its author's are.
pub fn edit_in_force(text: &Said, edits: impl IntoIterator<Item = (Said, bool)>) -> Option<Said> {
    let own =
        edits.into_iter().filter(|(edit, redacted)| edit.is_shown() && !redacted && edit.member() == text.member());
    own.map(|(edit, _)| edit).max_by_key(|edit| edit.order)
}

/// Of several reactions of one member to one text, or of its names: the one in force.
pub fn last_in_force(said: impl IntoIterator<Item = Said>, needed: Role) -> Option<Said> {
    let shown = said.into_iter().filter(|said| said.standing.allows(needed) && !said.standing.is_hidden());
    shown.max_by_key(|said| said.order)
}
