//! Where commits run: on a thread of their own, or inline.

use super::{Outgoing, Store, StoreError, Stored, query};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use tokio::sync::oneshot;
use torchat_core::op::Op;
use torchat_protocol::id::{LaneId, PeerId};

/// The texts that a turn transmits, asked for together with its commit to spare a second trip to the thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted {
    /// The receiver.
    pub peer: PeerId,
    /// The lane.
    pub lane: LaneId,
    /// The first number.
    pub first: u64,
    /// How many.
    pub count: u64,
}

/// What a turn's write gave back.
#[derive(Debug, Default)]
pub struct Written {
    /// Received messages that were new.
    pub stored: Vec<Stored>,
    /// For each [`Wanted`] its messages.
    pub outgoing: Vec<Vec<Outgoing>>,
}

/// The writer's thread ended, which it does only when the daemon stops or a commit panicked.
#[derive(Debug, thiserror::Error)]
#[error("the store's thread is gone")]
pub struct WriterGone;

enum Job {
    Write { ops: Vec<Op>, wanted: Vec<Wanted>, done: oneshot::Sender<Result<Written, StoreError>> },
    Probe { done: oneshot::Sender<Result<(), StoreError>> },
    Checkpoint { done: oneshot::Sender<Result<(), StoreError>> },
}

/// Runs commits, one at a time.
pub struct Writer(Place);

enum Place {
    Thread { jobs: Option<std::sync::mpsc::Sender<Job>>, thread: Option<JoinHandle<()>> },
    Inline(Arc<Mutex<Store>>),
}

impl Writer {
    /// Commits on a thread of its own.
    ///
    /// # Errors
    /// When the operating system gives no thread.
    pub fn threaded(mut store: Store) -> std::io::Result<Self> {
        let (jobs, queue) = std::sync::mpsc::channel::<Job>();
        let thread = std::thread::Builder::new().name("store".into()).spawn(move || {
            while let Ok(job) = queue.recv() {
                // A receiver that is gone gave up waiting; the commit counts all the same.
                match job {
                    Job::Write { ops, wanted, done } => drop(done.send(write(&mut store, &ops, &wanted))),
                    Job::Probe { done } => drop(done.send(store.probe())),
                    Job::Checkpoint { done } => drop(done.send(store.checkpoint())),
                }
            }
        })?;
        Ok(Self(Place::Thread { jobs: Some(jobs), thread: Some(thread) }))
    }

    /// Commits where it is called, for paused time.
    #[must_use]
    pub fn inline(store: Arc<Mutex<Store>>) -> Self {
        Self(Place::Inline(store))
    }

    /// Writes a turn and loads what it transmits. The outer error means that there is no store any more.
    ///
    /// # Errors
    /// [`WriterGone`]; inside, those of [`Store::commit`].
    pub async fn write(&self, ops: Vec<Op>, wanted: Vec<Wanted>) -> Result<Result<Written, StoreError>, WriterGone> {
        match &self.0 {
            Place::Inline(store) => {
                // A commit takes time: a simulated kill may fall before it, as a real one does.
                tokio::time::sleep(std::time::Duration::from_millis(1)).await;
                let written = write(&mut lock(store), &ops, &wanted);
                // And between it and what follows from it.
                tokio::time::sleep(std::time::Duration::from_millis(1)).await;
                Ok(written)
            }
            Place::Thread { jobs, .. } => {
                let (done, answer) = oneshot::channel();
                submit(jobs.as_ref(), Job::Write { ops, wanted, done }, answer).await
            }
        }
    }

    /// As [`Store::probe`].
    ///
    /// # Errors
    /// [`WriterGone`]; inside, those of [`Store::commit`].
    pub async fn probe(&self) -> Result<Result<(), StoreError>, WriterGone> {
        match &self.0 {
            Place::Inline(store) => Ok(lock(store).probe()),
            Place::Thread { jobs, .. } => {
                let (done, answer) = oneshot::channel();
                submit(jobs.as_ref(), Job::Probe { done }, answer).await
            }
        }
    }

    /// As [`Store::checkpoint`].
    ///
    /// # Errors
    /// [`WriterGone`]; inside, what SQLite says.
    pub async fn checkpoint(&self) -> Result<Result<(), StoreError>, WriterGone> {
        match &self.0 {
            Place::Inline(store) => Ok(lock(store).checkpoint()),
            Place::Thread { jobs, .. } => {
                let (done, answer) = oneshot::channel();
                submit(jobs.as_ref(), Job::Checkpoint { done }, answer).await
            }
        }
    }
}

/// A poisoned lock is a panic in a commit: SQLite rolled it back, so the store itself is whole.
fn lock(store: &Mutex<Store>) -> std::sync::MutexGuard<'_, Store> {
    store.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn submit<T>(
    jobs: Option<&std::sync::mpsc::Sender<Job>>,
    job: Job,
    answer: oneshot::Receiver<T>,
) -> Result<T, WriterGone> {
    jobs.ok_or(WriterGone)?.send(job).map_err(|_| WriterGone)?;
    answer.await.map_err(|_| WriterGone)
}

impl Drop for Writer {
    fn drop(&mut self) {
        if let Place::Thread { jobs, thread } = &mut self.0 {
            jobs.take();
            if let Some(thread) = thread.take() {
                // The thread only finishes its last commit.
                let _ = thread.join();
            }
        }
    }
}

fn write(store: &mut Store, ops: &[Op], wanted: &[Wanted]) -> Result<Written, StoreError> {
    let stored = if ops.is_empty() { Vec::new() } else { store.commit(ops)? };
    let outgoing = wanted
        .iter()
        .map(|w| query::outgoing(store.connection(), &w.peer, w.lane, w.first, w.count))
        .collect::<Result<_, _>>()
        // The commit stands, whatever the read after it says.
        .map_err(|error: StoreError| if ops.is_empty() { error } else { StoreError::Unsure(error.to_string()) })?;
    Ok(Written { stored, outgoing })
}
