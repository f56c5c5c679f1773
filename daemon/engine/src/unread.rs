//! The unread buffers: a concurrent hash map from peer to the mail that nobody has read, for classic UPDATE and GET_PEERS, a hot
//! view over the store.
//!
//! Filled after the commit, read by control sessions without going through the engine. It holds the first such row of
//! every peer, and at most 32 messages a peer, 8 MiB in all; the rest is loaded from the store when its turn comes. How
//! many there are it does not know, so a start costs the same for one message and for a million. The store is the truth:
//! what is lost here is only speed. No guard of the map is held over an await (a lint keeps it so): every method that locks
//! is synchronous.
//!
//! A user reads a message once (ADR 13): what another program has marked by SEEN goes from here, even while it is handed out.

use crate::store::{Erased, Head, ReadMark, Reader, StoreError, Stored};
use dashmap::DashMap;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::Notify;
use torchat_protocol::id::PeerId;

/// Messages of one peer that are kept in memory.
const HEADS_PER_PEER: usize = 32;
/// Bytes of text that are kept in memory.
const HEAD_BYTES: usize = 8 << 20;

/// See the module's description.
#[derive(Debug, Default)]
pub(crate) struct UnreadBuffers {
    peers: DashMap<PeerId, Buffer>,
    head_bytes: AtomicUsize,
    released: Notify,
}

#[derive(Debug)]
struct Buffer {
    /// The oldest row that is not taken, for the order of GET_PEERS.
    first: i64,
    /// The oldest messages that are not taken, without gaps.
    heads: VecDeque<Head>,
    /// The store holds more of them than `heads`.
    more: bool,
    /// The newest row that a commit told of; 0: none in this run.
    last: i64,
    /// Everything up to this row was taken, even if the store does not know it yet.
    taken: i64,
    /// And of that the last one that a client really took, or has seen, in this run.
    confirmed: i64,
    /// The front is handed out.
    leased: bool,
    /// How often messages of it were erased. A load that was begun before may hold some of them.
    erasings: u64,
}

impl Buffer {
    fn place(&self) -> Place {
        Place { after: self.taken, erasings: self.erasings }
    }

    fn is_empty(&self) -> bool {
        self.heads.is_empty() && !self.more
    }
}

/// What [`UnreadBuffers::try_lease`] found.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Lease {
    /// Nothing is unread.
    Nothing,
    /// Another client holds the oldest message.
    Busy,
    /// The oldest message, now handed out.
    Ready(Head),
    /// Messages must be loaded first.
    Load(Place),
}

/// From where on messages are to be loaded, and when that was said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    /// After this row.
    pub(crate) after: i64,
    erasings: u64,
}

impl UnreadBuffers {
    /// The buffers of a store.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(crate) fn load(reader: &Reader) -> Result<Self, StoreError> {
        let buffers = Self::default();
        for unread in reader.untaken()? {
            let (first, taken) = (unread.first, unread.first - 1);
            let buffer = Buffer {
                first,
                heads: VecDeque::new(),
                more: true,
                last: 0,
                taken,
                leased: false,
                erasings: 0,
                confirmed: 0,
            };
            buffers.peers.insert(unread.peer, buffer);
        }
        Ok(buffers)
    }

    /// The peers with unread mail, in the order of their first unread message.
    #[must_use]
    pub(crate) fn peers(&self) -> Vec<PeerId> {
        let mut found: Vec<_> = self.peers.iter().map(|entry| (entry.first, *entry.key())).collect();
        found.sort_unstable();
        found.into_iter().map(|(_, peer)| peer).collect()
    }

    /// Takes up what a commit stored.
    pub(crate) fn add(&self, stored: Stored) {
        let Stored { peer, head } = stored;
        let mut buffer = self.peers.entry(peer).or_insert_with(|| Buffer {
            first: head.row,
            heads: VecDeque::new(),
            more: false,
            last: 0,
            taken: head.row - 1,
            leased: false,
            erasings: 0,
            confirmed: 0,
        });
        buffer.last = head.row;
        // A load that read after the commit and was faster than this call has brought it.
        if head.row <= buffer.taken || buffer.heads.back().is_some_and(|newest| newest.row >= head.row) {
            return;
        }
        if !buffer.more && buffer.heads.len() < HEADS_PER_PEER && self.room_for(head.text.len()) {
            buffer.heads.push_back(head);
        } else {
            buffer.more = true;
        }
    }

    fn room_for(&self, bytes: usize) -> bool {
        let fits = |used: usize| used.checked_add(bytes).filter(|sum| *sum <= HEAD_BYTES);
        self.head_bytes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits).is_ok()
    }

    pub(crate) fn try_lease(&self, peer: &PeerId) -> Lease {
        let Some(mut buffer) = self.peers.get_mut(peer) else { return Lease::Nothing };
        if buffer.leased {
            return Lease::Busy;
        }
        match buffer.heads.front().cloned() {
            Some(head) => {
                buffer.leased = true;
                Lease::Ready(head)
            }
            None => Lease::Load(buffer.place()),
        }
    }

    /// Takes up messages that were loaded from the store. A load that was begun before some were read or erased changes nothing.
    pub(crate) fn fill(&self, peer: &PeerId, place: Place, heads: Vec<Head>) {
        let Some(mut buffer) = self.peers.get_mut(peer) else { return };
        if buffer.place() != place || !buffer.heads.is_empty() {
            return;
        }
        let after = place.after;
        if heads.is_empty() {
            // The store knows nothing more: the view was wrong, and the store is the truth.
            let told = buffer.last > after;
            drop(buffer);
            if !told {
                self.peers.remove_if(peer, |_, b| b.place() == place && b.heads.is_empty() && b.last <= after);
            }
            return;
        }
        let mut all = heads.len() < HEADS_PER_PEER;
        for (n, head) in heads.into_iter().take(HEADS_PER_PEER).enumerate() {
            // The first one always fits, or nobody could read.
            if !self.room_for(head.text.len()) {
                if n > 0 {
                    all = false;
                    break;
                }
                self.head_bytes.fetch_add(head.text.len(), Ordering::Relaxed);
            }
            buffer.heads.push_back(head);
        }
        let newest = buffer.heads.back().map_or(after, |head| head.row);
        // What came after the store was read is told of by its commit.
        buffer.more = !all || buffer.last > newest;
        if let Some(front) = buffer.heads.front() {
            buffer.first = front.row;
        }
    }

    /// How many messages to load at once.
    pub(crate) fn load_limit() -> usize {
        HEADS_PER_PEER
    }

    /// The handed-out message was read. Returns whether the next one must be loaded to know its row.
    pub(crate) fn take(&self, peer: &PeerId, row: i64) -> Option<Place> {
        let mut load = None;
        if let Some(mut buffer) = self.peers.get_mut(peer)
            && buffer.leased
            && buffer.heads.front().is_some_and(|head| head.row == row)
        {
            if let Some(head) = buffer.heads.pop_front() {
                self.head_bytes.fetch_sub(head.text.len(), Ordering::Relaxed);
            }
            buffer.leased = false;
            (buffer.taken, buffer.confirmed) = (row, row);
            match buffer.heads.front().map(|head| head.row) {
                Some(first) => buffer.first = first,
                None if buffer.more => load = Some(buffer.place()),
                None => {}
            }
        }
        self.peers.remove_if(peer, |_, buffer| buffer.is_empty());
        self.released.notify_waiters();
        load
    }

    /// Messages were erased, as a commit did it. One that is handed out at that moment is given to nobody again.
    pub(crate) fn forget(&self, erased: &Erased) {
        let Some(peer) = erased.peer.filter(|_| !erased.rows.is_empty()) else { return };
        let is_gone = |row: i64| erased.rows.binary_search(&row).is_ok();
        let mut bytes = 0;
        if let Some(mut buffer) = self.peers.get_mut(&peer) {
            buffer.erasings += 1;
            // The client that holds it can neither take it again nor put it back.
            buffer.leased &= buffer.heads.front().is_some_and(|head| !is_gone(head.row));
            buffer.heads.retain(|head| {
                let stays = !is_gone(head.row);
                bytes += if stays { 0 } else { head.text.len() };
                stays
            });
            // What a load finds from now on is all that the commits told of: nobody waits for a row that does not come.
            if is_gone(buffer.last) {
                buffer.last = 0;
            }
            // The store says what is left: it is the truth.
            buffer.more &= erased.untaken.is_some();
            match (buffer.heads.front().map(|head| head.row), erased.untaken) {
                (Some(first), _) => buffer.first = first,
                (None, Some(first)) => (buffer.first, buffer.more) = (first.max(buffer.taken + 1), true),
                (None, None) => {}
            }
        }
        self.head_bytes.fetch_sub(bytes, Ordering::Relaxed);
        self.peers.remove_if(&peer, |_, buffer| buffer.is_empty());
        self.released.notify_waiters();
    }

    /// Something unread of a conversation is another one now, or is not unread any more, as a commit did it: what is here may not be
    /// what the store has, and is read from it again. `first`: the first message that nobody has read.
    pub(crate) fn renew(&self, peer: PeerId, first: Option<i64>) {
        let mut bytes = 0;
        if let Some(mut buffer) = self.peers.get_mut(&peer) {
            buffer.erasings += 1;
            buffer.leased = false;
            bytes = buffer.heads.drain(..).map(|head| head.text.len()).sum();
            buffer.more = first.is_some();
            buffer.last = 0;
            if let Some(first) = first {
                buffer.first = first;
                // It may be before those that were unread until now, but not before what somebody took a moment ago.
                buffer.taken = buffer.taken.min(buffer.confirmed.max(first - 1));
            }
        } else if let Some(first) = first {
            let (heads, taken) = (VecDeque::new(), first - 1);
            self.peers.insert(
                peer,
                Buffer { first, heads, more: true, last: 0, taken, leased: false, erasings: 0, confirmed: 0 },
            );
        }
        self.head_bytes.fetch_sub(bytes, Ordering::Relaxed);
        self.peers.remove_if(&peer, |_, buffer| buffer.is_empty());
        self.released.notify_waiters();
    }

    /// Takes up that another program has seen messages, as a commit stored it.
    pub(crate) fn read(&self, read: &ReadMark) {
        if let Some(mut buffer) = self.peers.get_mut(&read.peer) {
            while buffer.heads.front().is_some_and(|head| head.row <= read.upto) {
                if let Some(head) = buffer.heads.pop_front() {
                    self.head_bytes.fetch_sub(head.text.len(), Ordering::Relaxed);
                }
                // The client that holds it can neither take it again nor put it back.
                buffer.leased = false;
            }
            buffer.taken = buffer.taken.max(read.upto);
            buffer.confirmed = buffer.confirmed.max(read.upto);
            let front = buffer.heads.front().map(|head| head.row);
            if front.is_none() {
                buffer.more = buffer.last > buffer.taken || read.first.is_some_and(|first| first > buffer.taken);
            }
            if let Some(first) = front.or(read.first) {
                buffer.first = first;
            }
        }
        self.peers.remove_if(&read.peer, |_, buffer| buffer.is_empty());
        self.released.notify_waiters();
    }

    /// The handed-out message was not read.
    pub(crate) fn put_back(&self, peer: &PeerId, row: i64) {
        if let Some(mut buffer) = self.peers.get_mut(peer)
            && buffer.heads.front().is_some_and(|head| head.row == row)
        {
            buffer.leased = false;
        }
        self.released.notify_waiters();
    }

    /// Ends when a handed-out message was taken or put back after the call.
    pub(crate) fn released(&self) -> tokio::sync::futures::Notified<'_> {
        self.released.notified()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use torchat_protocol::id::parse_onion;

    const PEER: &str = "pg6mmjiyjmcrsslvykfwnntlaru7p5svn6y2ymmju6nubxndf4pscryd";

    fn of(rows: std::ops::RangeInclusive<i64>) -> (UnreadBuffers, PeerId) {
        let (buffers, peer) = (UnreadBuffers::default(), parse_onion(PEER).unwrap());
        rows.for_each(|row| buffers.add(stored(peer, row)));
        (buffers, peer)
    }

    fn stored(peer: PeerId, row: i64) -> Stored {
        Stored { peer, head: Head { row, arrived_ms: row, text: row.to_string() } }
    }

    fn row(lease: Lease) -> i64 {
        let Lease::Ready(head) = lease else { panic!("{lease:?}") };
        head.row
    }

    #[test]
    fn what_was_seen_is_not_handed_out_even_if_somebody_holds_it() {
        let (buffers, peer) = of(1..=5);
        assert_eq!(row(buffers.try_lease(&peer)), 1);
        assert_eq!(buffers.try_lease(&peer), Lease::Busy);
        buffers.read(&ReadMark { peer, upto: 3, first: Some(4) });
        assert_eq!(row(buffers.try_lease(&peer)), 4, "nobody waits for what was seen");
        // The one that held the first message ends in either way.
        buffers.put_back(&peer, 1);
        assert_eq!(buffers.take(&peer, 1), None);
        assert_eq!(buffers.try_lease(&peer), Lease::Busy);
        buffers.put_back(&peer, 4);
        assert_eq!(row(buffers.try_lease(&peer)), 4, "what was not confirmed comes again");
        buffers.read(&ReadMark { peer, upto: 5, first: None });
        assert_eq!((buffers.peers(), buffers.head_bytes.load(Ordering::Relaxed)), (vec![], 0));
        assert_eq!(buffers.try_lease(&peer), Lease::Nothing);
    }

    #[test]
    fn what_comes_after_it_was_seen_is_unread() {
        let (buffers, peer) = of(1..=2);
        // The same commit: SEEN was first.
        buffers.add(stored(peer, 3));
        buffers.read(&ReadMark { peer, upto: 2, first: None });
        assert_eq!((buffers.peers(), row(buffers.try_lease(&peer))), (vec![peer], 3));
        assert_eq!(buffers.take(&peer, 3), None);
        buffers.add(stored(peer, 9));
        assert_eq!(row(buffers.try_lease(&peer)), 9);
    }

    #[test]
    fn what_is_only_in_the_store_is_seen_too() {
        let most = i64::try_from(HEADS_PER_PEER).unwrap();
        let (buffers, peer) = of(1..=most + 9);
        buffers.read(&ReadMark { peer, upto: most + 3, first: Some(most + 4) });
        assert_eq!(buffers.peers(), [peer]);
        let Lease::Load(place) = buffers.try_lease(&peer) else { panic!() };
        assert_eq!(place.after, most + 3);
        // A load that was begun before changes nothing.
        buffers.fill(&peer, Place { after: most, ..place }, vec![stored(peer, most + 1).head]);
        assert_eq!(buffers.try_lease(&peer), Lease::Load(place));
        buffers.read(&ReadMark { peer, upto: most + 9, first: None });
        assert!(buffers.peers().is_empty());
    }

    fn erased(peer: PeerId, rows: &[i64], untaken: Option<i64>) -> Erased {
        Erased { peer: Some(peer), rows: rows.to_vec(), untaken, ..Erased::default() }
    }

    /// What a start finds: messages are in the store and none is in memory.
    fn started(first: i64) -> (UnreadBuffers, PeerId) {
        let (buffers, peer) = (UnreadBuffers::default(), parse_onion(PEER).unwrap());
        let (heads, taken) = (VecDeque::new(), first - 1);
        buffers.peers.insert(
            peer,
            Buffer { first, heads, more: true, last: 0, taken, leased: false, erasings: 0, confirmed: 0 },
        );
        (buffers, peer)
    }

    fn load(buffers: &UnreadBuffers, peer: PeerId, rows: &[i64]) {
        let Lease::Load(place) = buffers.try_lease(&peer) else { panic!("nothing is to be loaded") };
        let heads = rows.iter().filter(|row| **row > place.after).map(|row| stored(peer, *row).head);
        buffers.fill(&peer, place, heads.collect());
    }

    #[test]
    fn nobody_waits_for_the_newest_message_if_it_was_erased() {
        let (buffers, peer) = started(1);
        // The clock was fast when 1 to 5 came, so only 6 to 8 are old enough.
        (6..=8).for_each(|row| buffers.add(stored(peer, row)));
        buffers.forget(&erased(peer, &[6, 7, 8], Some(1)));
        load(&buffers, peer, &[1, 2, 3, 4, 5]);
        for row in 1..=5 {
            assert_eq!(self::row(buffers.try_lease(&peer)), row);
            if buffers.take(&peer, row).is_some() {
                load(&buffers, peer, &[]);
            }
        }
        assert_eq!(buffers.try_lease(&peer), Lease::Nothing);
        assert_eq!((buffers.peers(), buffers.head_bytes.load(Ordering::Relaxed)), (vec![], 0));
    }

    #[test]
    fn an_erased_message_does_not_come_back_from_who_holds_it() {
        let (buffers, peer) = of(1..=3);
        assert_eq!(row(buffers.try_lease(&peer)), 1);
        buffers.forget(&erased(peer, &[1, 2], Some(3)));
        buffers.put_back(&peer, 1);
        assert_eq!(row(buffers.try_lease(&peer)), 3, "nobody waits for what is erased");
        assert_eq!((buffers.take(&peer, 1), buffers.try_lease(&peer)), (None, Lease::Busy));
        buffers.forget(&erased(peer, &[3], None));
        assert_eq!((buffers.try_lease(&peer), buffers.peers()), (Lease::Nothing, vec![]));
        assert_eq!(buffers.head_bytes.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn what_is_another_one_now_is_read_from_the_store_again() {
        let (buffers, peer) = of(1..=4);
        assert_eq!(row(buffers.try_lease(&peer)), 1);
        // The second one is hidden, and the fifth counts again.
        buffers.renew(peer, Some(1));
        assert_eq!((buffers.take(&peer, 1), buffers.head_bytes.load(Ordering::Relaxed)), (None, 0));
        load(&buffers, peer, &[1, 3, 4, 5]);
        for wanted in [1, 3, 4, 5] {
            assert_eq!(row(buffers.try_lease(&peer)), wanted);
            buffers.take(&peer, wanted);
        }
        assert!(buffers.peers().is_empty());
        // What somebody takes at this moment, of which the store does not know yet, is given to nobody again.
        (11..=12).for_each(|row| buffers.add(stored(peer, row)));
        assert_eq!((row(buffers.try_lease(&peer)), buffers.take(&peer, 11)), (11, None));
        buffers.renew(peer, Some(11));
        load(&buffers, peer, &[11, 12]);
        assert_eq!((row(buffers.try_lease(&peer)), buffers.take(&peer, 12)), (12, None));
        // One that nobody has read counts again, and then no more.
        buffers.renew(peer, Some(2));
        assert_eq!(buffers.peers(), [peer]);
        buffers.renew(peer, None);
        assert!(buffers.peers().is_empty());
    }

    #[test]
    fn a_load_from_before_an_erasing_brings_nothing_back_and_loses_nothing() {
        for untaken in [3, 1] {
            let (buffers, peer) = started(1);
            let Lease::Load(before) = buffers.try_lease(&peer) else { panic!() };
            let read = [1, 2].map(|row| stored(peer, row).head);
            // Meanwhile two came, and what was read is erased, or the newest.
            (3..=4).for_each(|row| buffers.add(stored(peer, row)));
            let gone: &[i64] = if untaken == 3 { &[1, 2] } else { &[4] };
            buffers.forget(&erased(peer, gone, Some(untaken)));
            buffers.fill(&peer, before, read.to_vec());
            let left: Vec<_> = (1..=4).filter(|row| !gone.contains(row)).collect();
            load(&buffers, peer, &left);
            for row in left {
                assert_eq!(self::row(buffers.try_lease(&peer)), row);
                assert_eq!(buffers.take(&peer, row), None);
            }
            assert!(buffers.peers().is_empty());
        }
    }
}
