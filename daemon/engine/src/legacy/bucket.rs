//! Old daemons' messages on their way to local programs: the oldest is handed out, and taken or put back.
//!
//! One place for all of them, beside the unread buffers and never in them: a claimed id must not make a message appear
//! where a proven peer's mail is.

use crate::store::LegacyLine;
use parking_lot::Mutex;
use std::sync::Arc;
use tokio::sync::Notify;
use torchat_core::snapshot::LegacyNum;

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
    taken: LegacyNum,
}

impl Bucket {
    /// The right to hand out the oldest message, if nobody has it.
    pub(crate) fn hold(self: &Arc<Self>) -> Option<Hold> {
        let mut state = self.state.lock();
        let free = !std::mem::replace(&mut state.held, true);
        free.then(|| Hold { bucket: self.clone(), after: state.taken })
    }

    /// Everything up to this row was taken.
    pub(crate) fn taken(&self) -> LegacyNum {
        self.state.lock().taken
    }

    /// Everything up to a row is taken, also if somebody else holds the oldest one. Returns up to which row it was before.
    pub(crate) fn take_upto(&self, row: LegacyNum) -> LegacyNum {
        let mut state = self.state.lock();
        let before = state.taken;
        state.taken = before.max(row);
        before
    }

    /// Ends when a [`Hold`] ended after the call.
    pub(crate) fn released(&self) -> tokio::sync::futures::Notified<'_> {
        self.released.notified()
    }
}

/// The right to hand out the oldest message. Ends with the value, also when the program that waited for it left.
#[derive(Debug)]
pub(crate) struct Hold {
    bucket: Arc<Bucket>,
    after: LegacyNum,
}

impl Hold {
    /// The oldest message's row is above this one.
    pub(crate) fn after(&self) -> LegacyNum {
        self.after
    }

    /// The message of this row is taken. False: it was taken by its number meanwhile.
    pub(crate) fn take(self, row: LegacyNum) -> bool {
        self.bucket.take_upto(row) < row
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.bucket.state.lock().held = false;
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn one_holds_at_a_time_and_only_what_was_taken_is_behind() {
        let bucket = Arc::new(Bucket::default());
        let hold = bucket.hold().unwrap();
        assert_eq!(hold.after(), LegacyNum::NONE);
        assert!(bucket.hold().is_none());
        drop(hold);
        let hold = bucket.hold().unwrap();
        assert_eq!(hold.after(), LegacyNum::NONE, "it was put back");
        assert!(hold.take(LegacyNum(7)));
        let hold = bucket.hold().unwrap();
        assert_eq!(hold.after(), LegacyNum(7));
        // Somebody takes what is handed out, and more: neither is given twice, and nothing goes back.
        assert_eq!(bucket.take_upto(LegacyNum(9)), LegacyNum(7));
        assert!(!hold.take(LegacyNum(8)), "it was taken by its number");
        assert_eq!([bucket.take_upto(LegacyNum(3)), bucket.taken(), bucket.hold().unwrap().after()], [LegacyNum(9); 3]);
    }
}
