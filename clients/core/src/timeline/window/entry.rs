//! One message that is held, and how far it is.

use torchat_protocol::control::api::record::{Direction, Message, MessageState};

/// Numbers from here on are not the daemon's: messages that it has not got yet.
pub(super) const PENDING: i64 = i64::MAX / 2;

/// A message with its time, read once.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// The message. The number of a pending one is not the daemon's.
    pub message: Message,
    /// When it arrived or was accepted; of a pending one, when it was typed. Milliseconds since 1970.
    pub at: i64,
}

impl Entry {
    pub(super) fn new(message: Message) -> Self {
        let at = millis(&message.at).unwrap_or(0);
        Self { message, at }
    }

    /// The daemon has not got it.
    #[must_use]
    pub fn is_pending(&self) -> bool {
        self.message.id >= PENDING
    }

    /// Sent, and not at its end.
    #[must_use]
    pub fn is_under_way(&self) -> bool {
        use MessageState::{Queued, Sent, Waiting};
        self.message.dir == Direction::Out && matches!(self.message.state, Queued | Sent | Waiting)
    }
}

/// A moment of the API (RFC 3339) in milliseconds since 1970. `None`: it is no moment.
#[must_use]
pub fn millis(time: &str) -> Option<i64> {
    time.parse::<jiff::Timestamp>().ok().map(|time| time.as_millisecond())
}

/// How far a state is. Events say what has become of a message; a later state is never taken back by an earlier word.
/// Delivered is the last one, because what was taken back too late is delivered after all.
pub(super) fn progress(state: MessageState) -> u8 {
    match state {
        MessageState::Unknown => 0,
        MessageState::Queued | MessageState::Unread | MessageState::Lost => 1,
        MessageState::Waiting => 2,
        MessageState::Sent => 3,
        MessageState::Failed | MessageState::Withdrawn | MessageState::Read | MessageState::System => 4,
        MessageState::Delivered => 5,
        // Whatever becomes of it: only an event that says so makes it count again.
        MessageState::Void | MessageState::Hidden | MessageState::Redacted => 6,
    }
}

/// Whether `next` may follow `known`.
pub(in crate::timeline) fn follows(known: MessageState, next: MessageState) -> bool {
    progress(next) >= progress(known)
}

/// Sets a state as an event tells it. What was said of the state before is not true any more.
pub(in crate::timeline) fn advance(message: &mut Message, state: MessageState) {
    if follows(message.state, state) {
        message.state = state;
        (message.reason, message.why, message.next_try_at) = (None, None, None);
    }
}

/// What an entry costs.
pub(super) fn size(entry: &Entry) -> usize {
    let message = &entry.message;
    let reacts: usize = message.reacts.iter().map(|(sign, members)| sign.len() + size_of_val(members.as_slice())).sum();
    message.text.len() + message.reason.as_ref().map_or(0, String::len) + reacts
}
