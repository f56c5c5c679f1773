//! Threads that read the store beside the writer.
//!
//! The runtime's own threads for blocking work were used before: there are up to 512 of them, and each that has once made
//! a page kept memory of the allocator's, so programs that asked for pages at the same time left tens of megabytes behind.

use parking_lot::Mutex;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};

/// How many there are. Fewer pages are read at the same time, so that a look for a key waits for none of them.
pub(super) const THREADS: usize = 3;

type Job = Box<dyn FnOnce() + Send>;

/// See the module's description. The threads end when it is dropped and their work is done.
#[derive(Debug)]
pub(super) struct Threads(Sender<Job>);

impl Threads {
    pub(super) fn start() -> Self {
        let (jobs, queue) = mpsc::channel::<Job>();
        let queue = Arc::new(Mutex::new(queue));
        for n in 0..THREADS {
            let queue = queue.clone();
            let started = std::thread::Builder::new().name(format!("read-{n}")).spawn(move || work(&queue));
            if let Err(error) = started {
                // One is enough; without any, a program that reads is told that it cannot.
                tracing::error!(%error, "a thread for reading cannot be started");
            }
        }
        Self(jobs)
    }

    /// Does a job when a thread has time. If there is none, the job is dropped.
    pub(super) fn run(&self, job: impl FnOnce() + Send + 'static) {
        let _ = self.0.send(Box::new(job));
    }
}

fn work(queue: &Mutex<Receiver<Job>>) {
    loop {
        // Locked while it waits: the next one waits at the lock instead.
        let job = queue.lock().recv();
        let Ok(job) = job else { return };
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
