//! The unread buffers: a concurrent hash map from peer to its unread mail, a hot view over the store.
//!
//! Filled after the commit, read by control sessions without going through the engine. It holds the number of unread
//! messages and the first row of every peer, and at most 32 messages a peer, 8 MiB in all; the rest is loaded from the
//! store when its turn comes. The store is the truth: what is lost here is only speed. No guard of the map is held
//! over an await (a lint keeps it so): every method that locks is synchronous.

use crate::store::{Head, Reader, StoreError, Stored};
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
    /// Unread messages, handed out or not.
    count: u64,
    /// The oldest unread row, for the order of GET_PEERS.
    first: i64,
    /// The oldest unread messages, without gaps. May be shorter than `count`.
    heads: VecDeque<Head>,
    /// Everything up to this row was taken, even if the store does not know it yet.
    taken: i64,
    /// The front is handed out.
    leased: bool,
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
    /// The messages after this row must be loaded first.
    Load(i64),
}

impl UnreadBuffers {
    /// The buffers of a store.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(crate) fn load(reader: &Reader) -> Result<Self, StoreError> {
        let buffers = Self::default();
        for unread in reader.unread()? {
            let buffer = Buffer {
                count: unread.count,
                first: unread.first,
                heads: VecDeque::new(),
                taken: unread.first - 1,
                leased: false,
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
            count: 0,
            first: head.row,
            heads: VecDeque::new(),
            taken: head.row - 1,
            leased: false,
        });
        let gapless = buffer.heads.len() as u64 == buffer.count;
        buffer.count += 1;
        if gapless && buffer.heads.len() < HEADS_PER_PEER && self.room_for(head.text.len()) {
            buffer.heads.push_back(head);
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
            None => Lease::Load(buffer.taken),
        }
    }

    /// Takes up messages that were loaded from the store after a row. Whoever loaded too late changes nothing.
    pub(crate) fn fill(&self, peer: &PeerId, after: i64, heads: Vec<Head>) {
        let Some(mut buffer) = self.peers.get_mut(peer) else { return };
        if buffer.taken != after || !buffer.heads.is_empty() {
            return;
        }
        if heads.is_empty() {
            // The store knows nothing unread: the view was wrong, and the store is the truth.
            drop(buffer);
            self.peers.remove_if(peer, |_, b| b.taken == after && b.heads.is_empty());
            return;
        }
        for (n, head) in heads.into_iter().take(HEADS_PER_PEER).enumerate() {
            // The first one always fits, or nobody could read.
            if !self.room_for(head.text.len()) {
                if n > 0 {
                    break;
                }
                self.head_bytes.fetch_add(head.text.len(), Ordering::Relaxed);
            }
            buffer.heads.push_back(head);
        }
        if let Some(front) = buffer.heads.front() {
            buffer.first = front.row;
        }
    }

    /// How many messages to load at once.
    pub(crate) fn load_limit() -> usize {
        HEADS_PER_PEER
    }

    /// The handed-out message was read. Returns whether the next one must be loaded to know its row.
    pub(crate) fn take(&self, peer: &PeerId, row: i64) -> Option<i64> {
        let mut load = None;
        if let Some(mut buffer) = self.peers.get_mut(peer)
            && buffer.leased
            && buffer.heads.front().is_some_and(|head| head.row == row)
        {
            if let Some(head) = buffer.heads.pop_front() {
                self.head_bytes.fetch_sub(head.text.len(), Ordering::Relaxed);
            }
            buffer.leased = false;
            buffer.taken = row;
            buffer.count -= 1;
            match buffer.heads.front().map(|head| head.row) {
                Some(first) => buffer.first = first,
                None if buffer.count > 0 => load = Some(row),
                None => {}
            }
        }
        self.peers.remove_if(peer, |_, buffer| buffer.count == 0);
        self.released.notify_waiters();
        load
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
