//! Where commits run: on a thread of their own, or inline.

use super::{Applied, INDEX_STEP, Moment, Outgoing, Store, StoreError, query};
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::RecvTimeoutError;
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::oneshot;
use torchat_core::op::Op;
use torchat_protocol::id::{LaneId, PeerId};

/// For how long nothing is written before texts go into the search's index.
const IDLE: Duration = Duration::from_secs(1);
/// Until something else is written.
const FOREVER: Duration = Duration::MAX;

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
#[derive(Debug)]
pub struct Written {
    /// What was written; `None`: there was nothing to write.
    pub applied: Option<Applied>,
    /// For each [`Wanted`] its messages, or why they cannot be read. What was written is durable all the same.
    pub outgoing: Result<Vec<Vec<Outgoing>>, StoreError>,
}

/// The writer's thread ended, which it does only when the daemon stops or a commit panicked.
#[derive(Debug, thiserror::Error)]
#[error("the store's thread is gone")]
pub struct WriterGone;

type Job = Box<dyn FnOnce(&mut Store) + Send>;

/// Runs commits, one at a time. The value owns the store: when it is dropped, the last commit is finished and no other one
/// begins.
pub struct Writer {
    jobs: Jobs,
    thread: Option<JoinHandle<()>>,
}

/// Asks a [`Writer`] for a commit of one's own, beside those of the turns. Cheap to clone.
#[derive(Clone)]
pub struct Jobs(Place);

#[derive(Clone)]
enum Place {
    /// `None`: the writer is gone.
    Thread(Arc<Mutex<Option<std::sync::mpsc::Sender<Job>>>>),
    Inline {
        store: Arc<Mutex<Store>>,
        closed: Arc<AtomicBool>,
    },
}

impl Writer {
    /// Commits on a thread of its own.
    ///
    /// # Errors
    /// When the operating system gives no thread.
    pub fn threaded(mut store: Store) -> std::io::Result<Self> {
        let (jobs, queue) = std::sync::mpsc::channel::<Job>();
        let thread = std::thread::Builder::new().name("store".into()).spawn(move || {
            let mut patience = IDLE;
            loop {
                let next = if store.index_due() && patience < FOREVER {
                    queue.recv_timeout(patience)
                } else {
                    queue.recv().map_err(|_| RecvTimeoutError::Disconnected)
                };
                patience = match next {
                    Ok(job) => {
                        job(&mut store);
                        IDLE
                    }
                    // Texts go into the search's index while nobody waits for a commit.
                    Err(RecvTimeoutError::Timeout) => match store.index(INDEX_STEP) {
                        Ok(_) => Duration::ZERO,
                        Err(error) => {
                            tracing::debug!(%error, "texts were not indexed");
                            FOREVER
                        }
                    },
                    Err(RecvTimeoutError::Disconnected) => break,
                };
            }
        })?;
        Ok(Self { jobs: Jobs(Place::Thread(Arc::new(Mutex::new(Some(jobs))))), thread: Some(thread) })
    }

    /// Commits where it is called, for paused time.
    #[must_use]
    pub fn inline(store: Arc<Mutex<Store>>) -> Self {
        Self { jobs: Jobs(Place::Inline { store, closed: Arc::default() }), thread: None }
    }

    /// For commits of others.
    #[must_use]
    pub fn jobs(&self) -> Jobs {
        self.jobs.clone()
    }

    /// Writes a turn and loads what it transmits. The outer error means that there is no store any more.
    ///
    /// # Errors
    /// [`WriterGone`]; inside, those of [`Store::commit`].
    pub async fn write(
        &self,
        at_ms: i64,
        ops: Vec<Op>,
        wanted: Vec<Wanted>,
    ) -> Result<Result<Written, StoreError>, WriterGone> {
        self.begin(Moment::calm(at_ms), ops, wanted).await
    }

    /// As [`Writer::write`]: what it gives back only waits for the end. A writer with a thread has begun by then.
    pub fn begin(
        &self,
        moment: Moment,
        ops: Vec<Op>,
        wanted: Vec<Wanted>,
    ) -> impl Future<Output = Result<Result<Written, StoreError>, WriterGone>> + Send + use<> {
        self.jobs.begin(move |store| write(store, moment, &ops, &wanted))
    }

    /// As [`Store::probe`].
    ///
    /// # Errors
    /// [`WriterGone`]; inside, those of [`Store::commit`].
    pub async fn probe(&self) -> Result<Result<(), StoreError>, WriterGone> {
        self.jobs.run(Store::probe).await
    }

    /// As [`Store::checkpoint`].
    ///
    /// # Errors
    /// [`WriterGone`]; inside, what SQLite says.
    pub async fn checkpoint(&self) -> Result<Result<(), StoreError>, WriterGone> {
        self.jobs.run(|store| store.checkpoint()).await
    }
}

impl Jobs {
    /// Runs a job after those that wait. A caller that gives up waiting does not stop it.
    ///
    /// # Errors
    /// [`WriterGone`].
    pub async fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut Store) -> T + Send + 'static,
    ) -> Result<T, WriterGone> {
        self.begin(job).await
    }

    /// Hands a job to the thread, if there is one, and gives back what waits for it.
    fn begin<T: Send + 'static, J: FnOnce(&mut Store) -> T + Send + 'static>(
        &self,
        job: J,
    ) -> impl Future<Output = Result<T, WriterGone>> + Send + use<T, J> {
        enum Begun<T, J> {
            Gone,
            Inline(Arc<Mutex<Store>>, Arc<AtomicBool>, J),
            Thread(oneshot::Receiver<T>),
        }
        let begun = match &self.0 {
            Place::Inline { store, closed } => Begun::Inline(store.clone(), closed.clone(), job),
            Place::Thread(jobs) => {
                let (done, answer) = oneshot::channel();
                // A receiver that is gone gave up waiting; the commit counts all the same.
                let job: Job = Box::new(move |store| drop(done.send(job(store))));
                match jobs.lock().as_ref().map(|jobs| jobs.send(job)) {
                    Some(Ok(())) => Begun::Thread(answer),
                    Some(Err(_)) | None => Begun::Gone,
                }
            }
        };
        async move {
            match begun {
                Begun::Gone => Err(WriterGone),
                Begun::Thread(answer) => answer.await.map_err(|_| WriterGone),
                Begun::Inline(store, closed, job) => {
                    // A commit takes time: a simulated kill may fall before it, as a real one does.
                    tokio::time::sleep(Duration::from_millis(1)).await;
                    if closed.load(Ordering::Acquire) {
                        return Err(WriterGone);
                    }
                    // A job that panics leaves a whole store: SQLite takes back what was not committed.
                    let done = job(&mut store.lock());
                    // And between it and what follows from it.
                    tokio::time::sleep(Duration::from_millis(1)).await;
                    Ok(done)
                }
            }
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        match &self.jobs.0 {
            Place::Thread(jobs) => drop(jobs.lock().take()),
            Place::Inline { closed, .. } => closed.store(true, Ordering::Release),
        }
        if let Some(thread) = self.thread.take() {
            // The thread only finishes what waits.
            let _ = thread.join();
        }
    }
}

fn write(store: &mut Store, moment: Moment, ops: &[Op], wanted: &[Wanted]) -> Result<Written, StoreError> {
    let applied = if ops.is_empty() { None } else { Some(store.commit_at(moment, ops)?) };
    let outgoing =
        wanted.iter().map(|w| query::outgoing(store.connection(), &w.peer, w.lane, w.first, w.count)).collect();
    Ok(Written { applied, outgoing })
}
