//! How many messages of a conversation are unread.
//!
//! The list of conversations gives a number and the last message; events give numbers of messages. For what came after the
//! list's last message they are exact, because the numbers grow: it was not in the count. What is read of the others may have
//! been read before the daemon counted, so it is subtracted for the moment, and counted again.

use std::collections::BTreeSet;

/// Each event may be told twice. The sets hold one number for each unread message; the daemon bounds how many there are (16
/// MiB of a peer's mail, each with 512 bytes at least).
#[derive(Debug, Clone, Default)]
pub(super) struct Unread {
    /// Unread messages up to `counted`, when the daemon counted them.
    count: u64,
    counted: i64,
    /// Of those, what was read since.
    read: BTreeSet<i64>,
    /// It was counted again: the messages that the window holds may be older than the count.
    recounted: bool,
    /// Of `read`, what was unread in such a window, and of which no event has told yet.
    guessed: BTreeSet<i64>,
    /// Unread messages after `counted`.
    newer: BTreeSet<i64>,
    /// Everything up to here was seen by this client, and the daemon knows it.
    seen: i64,
    /// Everything up to here was seen by this client, and the daemon was not told.
    seen_here: i64,
}

impl Unread {
    /// What the list says: this many unread messages up to this one, which is the last.
    pub(super) fn new(count: u64, last: i64) -> Self {
        Self { count, counted: last, ..Self::default() }
    }

    /// Counted again, while the events went on.
    pub(super) fn recount(&mut self, count: u64, last: i64) {
        let newer = self.newer.split_off(&last.saturating_add(1));
        let (seen, seen_here) = (self.seen, self.seen_here);
        *self = Self { count, counted: last, newer, seen, seen_here, recounted: true, ..Self::default() };
    }

    /// How many there are.
    pub(super) fn count(&self) -> u64 {
        self.count.saturating_sub(self.read.len() as u64).saturating_add(self.newer.len() as u64)
    }

    /// Up to where this client has seen everything.
    pub(super) fn seen_upto(&self) -> i64 {
        self.seen.max(self.seen_here)
    }

    /// As [`Unread::seen`], when the daemon was not told of it: what is unread stays unread.
    pub(super) fn seen_here(&mut self, upto: i64) {
        self.seen_here = self.seen_here.max(upto);
    }

    /// A message that was unread once is unread again: it is to be seen again, too.
    pub(super) fn again(&mut self, id: i64) {
        self.seen = self.seen.min(id.saturating_sub(1));
        self.seen_here = self.seen_here.min(id.saturating_sub(1));
    }

    /// An unread message came.
    pub(super) fn received(&mut self, id: i64) {
        if id > self.counted.max(self.seen) {
            self.newer.insert(id);
        }
    }

    /// A message was read, as an event tells. Whether it may have been read before the daemon counted: then it is not certain that
    /// there is one unread message less.
    pub(super) fn read(&mut self, id: i64) -> bool {
        if id > self.counted {
            self.newer.remove(&id);
            return false;
        }
        self.subtract(id) | self.guessed.remove(&id)
    }

    /// Subtracts a message that the daemon counted, once.
    fn subtract(&mut self, id: i64) -> bool {
        (self.read.len() as u64) < self.count && self.read.insert(id)
    }

    /// Everything up to a message is seen; `known` are the unread ones among it that this client holds. The events tell of
    /// the others.
    pub(super) fn seen(&mut self, upto: i64, known: impl Iterator<Item = i64>) {
        self.seen = self.seen.max(upto);
        self.newer = self.newer.split_off(&upto.saturating_add(1));
        if upto >= self.counted {
            (self.count, self.read, self.guessed) = (0, BTreeSet::new(), BTreeSet::new());
        } else {
            for id in known {
                if self.subtract(id) && self.recounted {
                    self.guessed.insert(id);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_twice_counts_once() {
        // Counted: two of 1 to 20.
        let mut unread = Unread::new(2, 20);
        for _ in 0..2 {
            unread.received(20);
            unread.received(21);
            unread.read(19);
        }
        assert_eq!(unread.count(), 2);
        unread.read(21);
        unread.read(21);
        unread.read(20);
        assert_eq!(unread.count(), 0);
    }

    #[test]
    fn what_lies_below_the_window_is_told_by_events() {
        let mut unread = Unread::new(5, 20);
        // Seen up to 15: the client holds 14 and 15 only; 3 and 4 were unread, too.
        unread.seen(15, [14, 15].into_iter());
        assert_eq!(unread.count(), 3);
        for id in [3, 4, 14, 15] {
            unread.read(id);
        }
        assert_eq!(unread.count(), 1);
        unread.seen(20, std::iter::empty());
        assert_eq!(unread.count(), 0);
    }

    #[test]
    fn what_was_read_may_have_been_read_before_the_daemon_counted() {
        let mut unread = Unread::new(2, 20);
        assert!(unread.read(19));
        assert!(!unread.read(19), "told twice");
        unread.received(21);
        assert!(!unread.read(21), "it came after the count");
        // The window holds what came after that count, so what is seen of it is certain.
        unread.seen(15, [14].into_iter());
        assert!(!unread.read(14));
        unread.recount(2, 21);
        unread.seen(15, [13].into_iter());
        assert!(unread.read(13), "it may have been read before it was counted again");
        assert!(!unread.read(13));
        assert_eq!(unread.count(), 1);
    }

    #[test]
    fn what_is_seen_without_the_daemons_knowledge_stays_unread_even_if_it_is_told_later() {
        let mut unread = Unread::new(1, 20);
        unread.seen_here(21);
        unread.received(21);
        assert_eq!((unread.count(), unread.seen_upto()), (2, 21));
        unread.seen(22, std::iter::empty());
        unread.received(22);
        assert_eq!((unread.count(), unread.seen_upto()), (0, 22));
    }

    #[test]
    fn it_is_counted_again_while_events_go_on() {
        let mut unread = Unread::new(1, 20);
        unread.received(21);
        unread.received(22);
        // The daemon counted when 21 was there, and 22 was not.
        unread.recount(2, 21);
        assert_eq!(unread.count(), 3);
        unread.read(22);
        assert_eq!(unread.count(), 2);
    }
}
