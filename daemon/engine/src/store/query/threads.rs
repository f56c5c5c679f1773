//! Threads that read the store beside the writer.
//!
//! The runtime's own threads for blocking work were used before: there are up to 512 of them, and each that has once made
//! a page kept memory of the allocator's, so programs that asked for pages at the same time left tens of megabytes behind.

use parking_lot::{Condvar, Mutex};
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// How many there are. Fewer pages are read at the same time, so that a look for a key waits for none of them.
pub(super) const THREADS: usize = 3;

type Job = Box<dyn FnOnce() + Send>;

/// See the module's description. The threads end when it is dropped and their work is done.
///
/// The thread that was at work last gets the next job: its processor still has what it read. Through a channel each job went
/// to the next thread in turn, and woke a second one, which only took that one's place at the channel.
#[derive(Debug)]
pub(super) struct Threads(Arc<Shared>);

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    /// One for each thread, so that one of them can be woken.
    wake: [Condvar; THREADS],
}

#[derive(Default)]
struct State {
    /// Not begun, oldest first.
    jobs: VecDeque<Job>,
    /// Threads without a job; the one that was at work last comes last.
    idle: Vec<usize>,
    started: usize,
    closed: bool,
}

impl Threads {
    pub(super) fn start() -> Self {
        let shared = Arc::new(Shared::default());
        for n in 0..THREADS {
            let mine = shared.clone();
            match std::thread::Builder::new().name(format!("read-{n}")).spawn(move || work(&mine, n)) {
                Ok(_) => shared.state.lock().started += 1,
                // One is enough; without any, a program that reads is told that it cannot.
                Err(error) => tracing::error!(%error, "a thread for reading cannot be started"),
            }
        }
        Self(shared)
    }

    /// Does a job when a thread has time. If there is none, the job is dropped.
    pub(super) fn run(&self, job: impl FnOnce() + Send + 'static) {
        let mut state = self.0.state.lock();
        if state.started == 0 {
            return;
        }
        state.jobs.push_back(Box::new(job));
        if let Some(wake) = state.idle.pop().and_then(|n| self.0.wake.get(n)) {
            wake.notify_one();
        }
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        self.0.state.lock().closed = true;
        for wake in &self.0.wake {
            wake.notify_one();
        }
    }
}

impl Shared {
    /// The next job for a thread; `None`: there will be none.
    fn next(&self, n: usize) -> Option<Job> {
        let wake = self.wake.get(n)?;
        let mut state = self.state.lock();
        loop {
            if let Some(job) = state.jobs.pop_front() {
                // It may be awake by itself, or at the end of its job.
                state.idle.retain(|idle| *idle != n);
                return Some(job);
            }
            if state.closed {
                return None;
            }
            if !state.idle.contains(&n) {
                state.idle.push(n);
            }
            wake.wait(&mut state);
        }
    }
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Shared(..)")
    }
}

fn work(shared: &Shared, n: usize) {
    while let Some(job) = shared.next(n) {
        // What a job was to tell is dropped then, and the task that waits for it notices.
        if catch_unwind(AssertUnwindSafe(job)).is_err() {
            tracing::error!("a read panicked");
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::sync::mpsc;

    #[test]
    fn the_thread_that_was_at_work_last_gets_the_next_job() {
        let threads = Threads::start();
        let all_idle = || {
            let begun = std::time::Instant::now();
            while threads.0.state.lock().idle.len() < THREADS {
                assert!(begun.elapsed().as_secs() < 60, "the threads are not idle");
                std::thread::yield_now();
            }
        };
        let (told, heard) = mpsc::channel();
        let mut names = std::collections::BTreeSet::new();
        for _ in 0..100 {
            all_idle();
            let told = told.clone();
            threads.run(move || told.send(std::thread::current().name().map(str::to_owned)).unwrap());
            names.insert(heard.recv().unwrap());
        }
        assert_eq!(names.len(), 1, "{names:?}");
    }

    #[test]
    fn jobs_run_side_by_side_and_a_panic_ends_no_thread() {
        let threads = Threads::start();
        for _ in 0..2 * THREADS {
            threads.run(|| panic!("on purpose"));
        }
        // All at the same time, or none gets beyond the barrier.
        let barrier = Arc::new(std::sync::Barrier::new(THREADS + 1));
        for _ in 0..THREADS {
            let barrier = barrier.clone();
            threads.run(move || {
                barrier.wait();
            });
        }
        barrier.wait();
        let (told, heard) = mpsc::channel();
        threads.run(move || told.send(7).unwrap());
        drop(threads);
        assert_eq!(heard.recv().unwrap(), 7, "what was asked for is done");
    }
}
