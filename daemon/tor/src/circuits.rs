//! Circuits on which nobody has a stream: kept a while, because a peer that dials again saves the way here, but not
//! many, because anybody can make them.

use parking_lot::{Mutex, MutexGuard};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::sync::{Semaphore, oneshot};

/// How long a circuit without streams is kept.
pub(crate) const IDLE_TIME: Duration = Duration::from_secs(600);
/// How many are kept (some 0.13 MB each). When one more comes, the longest idle goes: at the highest rate that three
/// introduction points let through, 15 a second, a new circuit then still has 8 s for its first stream.
pub(crate) const IDLE_CIRCUITS: usize = 128;

/// The circuits without streams.
pub(crate) struct Circuits {
    most: usize,
    idle: Mutex<Idle>,
}

#[derive(Default)]
struct Idle {
    number: u64,
    /// By age. Dropping the sender closes the circuit.
    circuits: BTreeMap<u64, oneshot::Sender<()>>,
}

impl Circuits {
    pub(crate) fn new(most: usize) -> Self {
        Self { most, idle: Mutex::default() }
    }

    /// Ends when a circuit should be closed: none of its `all` streams has been open for [`IDLE_TIME`], or it had to
    /// make room for others. May be dropped and called again; the time then starts anew.
    pub(crate) async fn until_unwanted(&self, streams: &Semaphore, all: u32) {
        let Ok(_none_open) = streams.acquire_many(all).await else { return };
        let mut place = self.enter();
        tokio::select! {
            () = tokio::time::sleep(IDLE_TIME) => {}
            _ = &mut place.pushed_out => {}
        }
    }

    fn enter(&self) -> Place<'_> {
        let (held, pushed_out) = oneshot::channel();
        let mut idle = self.idle();
        idle.number += 1;
        let number = idle.number;
        idle.circuits.insert(number, held);
        while idle.circuits.len() > self.most {
            idle.circuits.pop_first();
        }
        Place { number, pushed_out, circuits: self }
    }

    fn idle(&self) -> MutexGuard<'_, Idle> {
        self.idle.lock()
    }
}

/// A circuit's place among the idle ones, until it is dropped.
struct Place<'a> {
    number: u64,
    pushed_out: oneshot::Receiver<()>,
    circuits: &'a Circuits,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.circuits.idle().circuits.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use futures::FutureExt as _;
    use futures::future::BoxFuture;

    fn wait<'a>(circuits: &'a Circuits, streams: &'a Semaphore) -> BoxFuture<'a, ()> {
        circuits.until_unwanted(streams, 4).boxed()
    }

    /// Whether it ends without waiting.
    async fn ended(future: &mut BoxFuture<'_, ()>) -> bool {
        tokio::task::yield_now().await;
        future.as_mut().now_or_never().is_some()
    }

    #[tokio::test(start_paused = true)]
    async fn a_circuit_is_kept_while_a_stream_is_open() {
        let (circuits, streams) = (Circuits::new(8), Semaphore::new(4));
        let open = streams.acquire().await.unwrap();
        let mut unwanted = wait(&circuits, &streams);
        assert!(tokio::time::timeout(IDLE_TIME * 3, &mut unwanted).await.is_err());
        drop(open);
        let begun = tokio::time::Instant::now();
        unwanted.await;
        assert_eq!(begun.elapsed().as_secs(), IDLE_TIME.as_secs());
        assert!(circuits.idle().circuits.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_new_stream_starts_the_time_anew() {
        let (circuits, streams) = (Circuits::new(8), Semaphore::new(4));
        assert!(tokio::time::timeout(IDLE_TIME / 2, wait(&circuits, &streams)).await.is_err());
        assert!(circuits.idle().circuits.is_empty(), "a circuit that is not waited for has no place");
        drop(streams.try_acquire().unwrap());
        let begun = tokio::time::Instant::now();
        wait(&circuits, &streams).await;
        assert_eq!(begun.elapsed().as_secs(), IDLE_TIME.as_secs());
    }

    #[tokio::test(start_paused = true)]
    async fn the_longest_idle_makes_room() {
        let circuits = Circuits::new(2);
        let streams: Vec<_> = (0..4).map(|_| Semaphore::new(4)).collect();
        let mut waits: Vec<_> = streams.iter().map(|streams| wait(&circuits, streams)).collect();
        // The first one is in use, so it takes no room.
        let open = streams[0].acquire().await.unwrap();
        for wait in &mut waits[..3] {
            assert!(!ended(wait).await);
        }
        assert!(!ended(&mut waits[3]).await);
        assert!(ended(&mut waits[1]).await, "the oldest without a stream goes");
        assert!(!ended(&mut waits[2]).await && !ended(&mut waits[3]).await);
        drop(open);
        assert!(!ended(&mut waits[0]).await);
        assert!(ended(&mut waits[2]).await && !ended(&mut waits[3]).await);
        assert_eq!(circuits.idle().circuits.len(), 2);
    }
}
