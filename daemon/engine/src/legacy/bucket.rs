//! Old daemons' messages on their way to local programs: the oldest is handed out, and taken or put back.
//!
//! One place for all of them, beside the unread buffers and never in them: a claimed id must not make a message appear
//! where a proven peer's mail is.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// Which message is handed out.
#[derive(Debug, Default)]
pub(crate) struct Bucket {
    state: Mutex<State>,
    released: Notify,
}

#[derive(Debug, Default)]
struct State {
    /// Somebody holds the oldest message, or looks for it.
    held: bool,
    /// Everything up to this row was taken, even if the store does not know it yet.
    taken: i64,
}

impl Bucket {
    /// The right to hand out the oldest message, if nobody has it.
    pub(crate) fn hold(self: &Arc<Self>) -> Option<Hold> {
        let mut state = self.lock();
        let free = !std::mem::replace(&mut state.held, true);
        free.then(|| Hold { bucket: self.clone(), after: state.taken })
    }

    /// Ends when a [`Hold`] ended after the call.
    pub(crate) fn released(&self) -> tokio::sync::futures::Notified<'_> {
        self.released.notified()
    }

    /// A poisoned lock is a panic between two assignments of plain values.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The right to hand out the oldest message. Ends with the value, also when whoever waited for it left.
#[derive(Debug)]
pub(crate) struct Hold {
    bucket: Arc<Bucket>,
    after: i64,
}

impl Hold {
    /// The oldest message's row is above this one.
    pub(crate) fn after(&self) -> i64 {
        self.after
    }

    /// The message of this row is taken.
    pub(crate) fn take(self, row: i64) {
        self.bucket.lock().taken = row;
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.bucket.lock().held = false;
        self.bucket.released.notify_waiters();
    }
}

/// The oldest old daemon's message, handed out but not yet taken. Dropped, it is put back.
#[derive(Debug)]
pub struct LegacyLease {
    pub(crate) hold: Hold,
    /// The message.
    pub line: LegacyLine,
}

/// An old daemon's message as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LegacyLine {
    /// Its row.
    pub row: i64,
    /// Arrival in milliseconds since 1970.
    pub at_ms: i64,
    /// Who the sender said it was: proven by nothing.
    pub claim: String,
    /// The text.
    pub text: String,
    /// A client has taken it.
    pub taken: bool,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn one_holds_at_a_time_and_only_what_was_taken_is_behind() {
        let bucket = Arc::new(Bucket::default());
        let hold = bucket.hold().unwrap();
        assert_eq!(hold.after(), 0);
        assert!(bucket.hold().is_none());
        drop(hold);
        let hold = bucket.hold().unwrap();
        assert_eq!(hold.after(), 0, "it was put back");
        hold.take(7);
        assert_eq!(bucket.hold().unwrap().after(), 7);
    }
}
