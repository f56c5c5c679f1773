//! Room for answers whose size a client chooses: pages of messages and of events.
//!
//! What bounds them, for all connections together: few pages are read at the same time; and what is read is held in
//! memory until its client has taken it, so it counts until then. A client may ask for much and never read, so room is
//! never waited for: a program that reads would stand behind one that does not. Instead a page is as large as there is
//! room, and `more` says that it ends early. Every connection has a small allowance that nobody else can use up; what
//! goes beyond it comes from a pool, and as nobody gets more than a part of what is left there, something is always left
//! for the next one. One page of a connection is read or held at a time: the next one is read when it is taken, so many
//! requests in work hold no more than one.
//!
//! To wait for room with a deadline was rejected: a few clients that never read would make all others wait for as
//! long as an answer may be held. To close the connection that holds most was rejected too: it is often an honest program on a slow
//! machine.

use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Pages that are read from the store at the same time, on all connections: one less than there are threads that read it, so
/// that a look for a key waits for no page.
const READS: usize = 2;
/// Pages of a connection that are read or held at the same time, and as many batches of events.
const PLACES: usize = 1;
/// Bytes of a page that a connection always gets. A single message may be longer.
pub(crate) const ALLOWANCE_BYTES: usize = 32 * 1024;
/// Kibibytes of pages beyond the allowances, of all connections.
const POOL_KIB: usize = 8 * 1024;
/// A page gets at most this part of what is left of the pool.
const PART: usize = 2;

/// What all connections share. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct PageBudget {
    turns: Arc<Semaphore>,
    /// A permit is a kibibyte.
    pool: Arc<Semaphore>,
}

impl Default for PageBudget {
    fn default() -> Self {
        Self { turns: Arc::new(Semaphore::new(READS)), pool: Arc::new(Semaphore::new(POOL_KIB)) }
    }
}

impl PageBudget {
    /// A connection's own place.
    pub(crate) fn share(&self) -> PageShare {
        PageShare {
            pages: self.clone(),
            answers: Arc::new(Semaphore::new(PLACES)),
            events: Arc::new(Semaphore::new(PLACES)),
        }
    }

    /// As much of `most` bytes as there is room for, beyond the allowance.
    fn grant(&self, most: usize) -> Option<OwnedSemaphorePermit> {
        let beyond = most.saturating_sub(ALLOWANCE_BYTES).div_ceil(1024);
        let granted = beyond.min(self.pool.available_permits() / PART);
        // Somebody may have been faster; then the allowance has to do.
        self.pool.clone().try_acquire_many_owned(u32::try_from(granted).ok()?).ok()
    }
}

/// The place of one connection: it holds one page of an answer and one batch of events at a time. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct PageShare {
    pages: PageBudget,
    answers: Arc<Semaphore>,
    events: Arc<Semaphore>,
}

impl PageShare {
    /// Waits until a page of at most `most` bytes may be read: until the connection's page before it is taken, and few enough
    /// are read at the moment.
    pub(crate) async fn page(&self, most: usize) -> ReadPermit {
        let place = acquire(&self.answers).await;
        let read = acquire(&self.pages.turns).await;
        let room = self.pages.grant(most);
        ReadPermit { held: PagePermit { _place: place, room }, _read: read }
    }

    /// The same for a batch of events of a subscription. Its client may take it whenever it likes, so it gets nothing of
    /// the pool.
    pub(crate) async fn batch(&self) -> ReadPermit {
        let place = acquire(&self.events).await;
        ReadPermit { held: PagePermit { _place: place, room: None }, _read: acquire(&self.pages.turns).await }
    }
}

async fn acquire(semaphore: &Arc<Semaphore>) -> Option<OwnedSemaphorePermit> {
    // Nobody closes them.
    semaphore.clone().acquire_owned().await.ok()
}

/// May read now. Dropped, it and its room are free.
#[derive(Debug)]
pub(crate) struct ReadPermit {
    held: PagePermit,
    _read: Option<OwnedSemaphorePermit>,
}

impl ReadPermit {
    /// Bytes that may be read.
    pub(crate) fn bytes(&self) -> usize {
        ALLOWANCE_BYTES + self.held.pooled_kib() * 1024
    }

    /// The end of the reading: this many bytes are held from now on.
    pub(crate) fn hold(mut self, bytes: usize) -> PagePermit {
        let pooled = bytes.saturating_sub(ALLOWANCE_BYTES).div_ceil(1024);
        let unused = self.held.pooled_kib().saturating_sub(pooled);
        if let Some(room) = &mut self.held.room {
            drop(room.split(unused));
        }
        self.held
    }
}

/// Something in memory that its client has not taken. Dropped when it has.
#[derive(Debug)]
pub(crate) struct PagePermit {
    _place: Option<OwnedSemaphorePermit>,
    room: Option<OwnedSemaphorePermit>,
}

impl PagePermit {
    fn pooled_kib(&self) -> usize {
        self.room.as_ref().map_or(0, OwnedSemaphorePermit::num_permits)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use futures::FutureExt as _;

    const MOST: usize = 1 << 20;

    /// A page that is as large as it may be, and never taken.
    fn fill(share: &PageShare) -> (usize, PagePermit) {
        let permit = share.page(MOST).now_or_never().expect("nobody has to wait");
        let bytes = permit.bytes();
        (bytes, permit.hold(bytes))
    }

    #[test]
    fn whoever_never_reads_leaves_room_for_the_others() {
        let pages = PageBudget::default();
        let held: Vec<_> = (0..2000).map(|_| fill(&pages.share())).collect();
        assert!(held.iter().all(|(bytes, _)| (ALLOWANCE_BYTES..=MOST).contains(bytes)));
        let beyond: usize = held.iter().map(|(bytes, _)| bytes - ALLOWANCE_BYTES).sum();
        assert!(beyond <= POOL_KIB * 1024, "{beyond}");
        assert_eq!(held[0].0, MOST, "alone, a page is as large as it may be");
        // The next one is served at once, and when the others are gone everything is there again.
        assert!(fill(&pages.share()).0 >= ALLOWANCE_BYTES);
        drop(held);
        assert_eq!(pages.pool.available_permits(), POOL_KIB);
        assert_eq!(pages.turns.available_permits(), READS);
    }

    #[test]
    fn a_connection_holds_one_page_and_one_batch() {
        let share = PageBudget::default().share();
        let (_, held) = fill(&share);
        assert!(share.page(MOST).now_or_never().is_none(), "the one before is not taken");
        let batch = share.batch().now_or_never().expect("events are apart").hold(1);
        assert!(share.batch().now_or_never().is_none());
        drop((held, batch));
        assert!(share.page(MOST).now_or_never().is_some() && share.batch().now_or_never().is_some());
    }

    #[test]
    fn what_is_not_used_is_given_back_at_once() {
        let pages = PageBudget::default();
        let (share, other) = (pages.share(), pages.share());
        let permit = share.page(MOST).now_or_never().unwrap();
        assert!(pages.pool.available_permits() < POOL_KIB);
        let held = permit.hold(ALLOWANCE_BYTES + 1);
        assert_eq!(pages.pool.available_permits(), POOL_KIB - 1);
        // A page within its allowance takes nothing; one that is longer than it was to be takes no more than it got.
        let small = other.page(ALLOWANCE_BYTES).now_or_never().unwrap().hold(MOST);
        assert_eq!((small.pooled_kib(), pages.pool.available_permits()), (0, POOL_KIB - 1));
        drop(held);
        assert_eq!(pages.pool.available_permits(), POOL_KIB);
    }

    #[test]
    fn few_pages_are_read_at_a_time() {
        let pages = PageBudget::default();
        let shares: Vec<_> = (0..=READS).map(|_| pages.share()).collect();
        let mut permits: Vec<_> = shares.iter().filter_map(|share| share.page(MOST).now_or_never()).collect();
        assert_eq!(permits.len(), READS);
        // What is read and not taken keeps nobody from reading.
        let held = permits.pop().unwrap().hold(MOST);
        assert!(shares[READS].page(MOST).now_or_never().is_some());
        drop(held);
    }
}
