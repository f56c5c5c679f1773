//! The arti client that dials, and the one that takes its place when it seems to be broken.
//!
//! The first client lives as long as the process, because our service lives in it: arti never relaunches a service of the
//! same nickname in one process. It dials too, until a renewal succeeds. After that it only carries the service.
//!
//! A later client shares the first one's cache, where the first one keeps the network's directory current and the later
//! one only reads. Its state it cannot share: the first client holds the lock, and without it arti 0.47 gives up the
//! upkeep of full vanguards at the first attempt to save them ("Vanguard manager crashed"), so that after hours there
//! would be none left to dial by. So it gets a copy: the same guards and the same vanguards, for the reason that made
//! them long-lived in the first place, and a memory of its own of which of them answer.

use crate::last::LastCircuits;
use crate::report::report;
use crate::status::Status;
use crate::trouble::{self, Cause};
use crate::{Client, TorConfig, config};
use arti_client::{ErrorKind, HasKind, TorClient};
use parking_lot::{Mutex, MutexGuard};
use std::ffi::OsString;
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tor_rtcompat::PreferredRuntime;

/// A new client that cannot be used after this time is given up. A start from the cache takes milliseconds, the first
/// connection a second or two; what takes longer has the same trouble as the client that it should replace.
const PATIENCE: Duration = Duration::from_secs(60);
/// Between two attempts of a new client. The first one often comes before its vanguards are chosen.
const PAUSE: Duration = Duration::from_millis(500);
/// What the copies of the state are called, beside the state itself.
const COPY: &str = ".dialling-";

/// A client with what belongs to it. It ends when the last dial by it has ended.
pub(crate) struct DialClient {
    pub(crate) client: Client,
    last: Mutex<LastCircuits>,
    /// After the client, which writes into it.
    _state: Option<StateCopy>,
}

impl DialClient {
    fn new(client: Client, state: Option<StateCopy>) -> Arc<Self> {
        Arc::new(Self { client, last: Mutex::default(), _state: state })
    }

    /// The circuits that worked last, by this client.
    pub(crate) fn last(&self) -> MutexGuard<'_, LastCircuits> {
        self.last.lock()
    }
}

/// By which client dials go.
pub(crate) struct DialClients {
    config: TorConfig,
    runtime: Handle,
    status: Arc<Status>,
    /// None before the first one.
    current: Mutex<Option<Arc<DialClient>>>,
    /// One renewal at a time.
    place: Arc<Semaphore>,
    count: AtomicU64,
}

impl DialClients {
    /// Must be called within a tokio runtime.
    pub(crate) fn new(config: TorConfig, status: Arc<Status>) -> Arc<Self> {
        Arc::new(Self {
            config,
            runtime: Handle::current(),
            status,
            current: Mutex::default(),
            place: Arc::new(Semaphore::new(1)),
            count: AtomicU64::new(0),
        })
    }

    /// Begins with the client that lives as long as the process.
    pub(crate) fn begin(&self, first: Client) {
        *self.current.lock() = Some(DialClient::new(first, None));
    }

    /// The client that should live that long is given up.
    pub(crate) fn end(&self) {
        self.current.lock().take();
    }

    /// By which a dial goes that begins now.
    pub(crate) fn current(&self) -> Option<Arc<DialClient>> {
        self.current.lock().clone()
    }

    /// Whether later dials go by this one too, so that what befalls it is of interest.
    pub(crate) fn is_current(&self, dial_client: &Arc<DialClient>) -> bool {
        self.current.lock().as_ref().is_some_and(|current| Arc::ptr_eq(current, dial_client))
    }

    /// Begins a renewal, unless one runs or the first start has not succeeded: a second client lives on the directory
    /// that the first one fetched.
    pub(crate) fn renew(self: &Arc<Self>) {
        if !self.status.is_up() {
            return tracing::debug!("no second Tor client: the first one has not started yet");
        }
        let Ok(place) = self.place.clone().try_acquire_owned() else {
            return tracing::debug!("a second Tor client is being started already");
        };
        let clients = self.clone();
        self.runtime.spawn(async move {
            let _place = place;
            clients.status.renewal(true);
            clients.run_renewal().await;
            clients.status.renewal(false);
        });
    }

    async fn run_renewal(&self) {
        let number = self.count.fetch_add(1, Ordering::Relaxed) + 1;
        let begun = Instant::now();
        tracing::info!("Tor client {number} for dialling is being started");
        let dial_client = match self.build(number) {
            Ok(dial_client) => dial_client,
            Err(why) => return tracing::warn!("Tor client {number} cannot be made: {why}"),
        };
        let mut why = "its directory could not be read".to_owned();
        if tokio::time::timeout(PATIENCE, usable(&dial_client.client, &mut why)).await.is_err() {
            let why = trouble::of_start(&dial_client.client.bootstrap_status()).map_or(why, |cause| cause.short);
            return tracing::warn!("Tor client {number} was given up after {} s: {why}", PATIENCE.as_secs());
        }
        // What was remembered of circuits goes with the old one, for they were the old client's.
        let old = self.current.lock().replace(dial_client);
        self.status.renewed();
        tracing::info!("dials go by Tor client {number} now, after {} ms", begun.elapsed().as_millis());
        drop(old);
    }

    fn build(&self, number: u64) -> Result<Arc<DialClient>, String> {
        let state = StateCopy::make(&self.config.state_dir, number)
            .map_err(|error| format!("Tor's state cannot be copied: {error}"))?;
        let mut config = self.config.clone();
        config.state_dir.clone_from(&state.path);
        let arti = config::build(&config).map_err(|error| error.to_string())?;
        let runtime = PreferredRuntime::current().map_err(|error| error.to_string())?;
        let client =
            TorClient::with_runtime(runtime).config(arti).create_unbootstrapped().map_err(|error| report(&error))?;
        Ok(DialClient::new(client, Some(state)))
    }
}

/// Ends when the client has built a circuit as a dial needs it: from the guard over both layers of vanguards. The directory
/// alone comes from the cache and proves nothing, and left to itself arti builds its first circuit up to 30 s later.
/// `why` is the last reason why it was not so yet.
async fn usable(client: &Client, why: &mut String) {
    loop {
        match probe(client).await {
            Ok(()) => return,
            Err((_, cause)) => *why = cause.whole(),
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Gets a circuit as a dial needs it. It may be one that was ready.
///
/// # Errors
/// What kept it from that.
pub(crate) async fn probe(client: &Client) -> Result<(), (ErrorKind, Cause)> {
    fn why<E: HasKind + std::error::Error + 'static>(client: &Client, error: &E) -> (ErrorKind, Cause) {
        (error.kind(), Cause::of(error, &client.bootstrap_status()))
    }
    client.bootstrap().await.map_err(|error| why(client, &error))?;
    let pool = client.hs_circ_pool().map_err(|error| why(client, &error))?;
    let directory = client.dirmgr().map_err(|error| why(client, &error))?;
    let directory = directory.timely_netdir().map_err(|error| why(client, &error))?;
    pool.get_or_launch_client_rend(&directory).await.map(drop).map_err(|error| why(client, &error))
}

/// A copy of Tor's state, which is removed when it is dropped.
struct StateCopy {
    path: PathBuf,
}

impl StateCopy {
    /// Copies what arti stores as JSON: guards, vanguards, and what it learned of the time that circuits take. Not the
    /// state of our service, which is the first client's alone.
    fn make(state_dir: &Path, number: u64) -> io::Result<Self> {
        let copy = Self { path: beside(state_dir, number.to_string()) };
        remove(&copy.path)?;
        private_dir(&copy.path)?;
        // Arti's own name for the place, below its state directory.
        let (from, to) = (state_dir.join("state"), copy.path.join("state"));
        private_dir(&to)?;
        for entry in std::fs::read_dir(from)? {
            let path = entry?.path();
            let (Some(name), Some("json")) = (path.file_name(), path.extension().and_then(|ext| ext.to_str())) else {
                continue;
            };
            // Arti replaces these files whole, so each is read whole.
            std::fs::copy(&path, to.join(name))?;
        }
        Ok(copy)
    }
}

impl Drop for StateCopy {
    fn drop(&mut self) {
        if let Err(error) = remove(&self.path) {
            tracing::debug!("a copy of Tor's state was left behind: {error}");
        }
    }
}

/// Removes the copies that a process that was killed, or replaced, left behind.
pub(crate) fn clear_copies(state_dir: &Path) {
    let prefix = beside(state_dir, "");
    let (Some(dir), Some(prefix)) = (prefix.parent(), prefix.file_name()) else { return };
    let Ok(entries) = std::fs::read_dir(dir) else { return };
    for entry in entries.flatten() {
        if entry.file_name().as_encoded_bytes().starts_with(prefix.as_encoded_bytes())
            && let Err(error) = remove(&entry.path())
        {
            tracing::debug!("a copy of Tor's state was left behind: {error}");
        }
    }
}

fn beside(state_dir: &Path, number: impl AsRef<str>) -> PathBuf {
    let mut name = OsString::from(state_dir.file_name().unwrap_or_default());
    name.push(COPY);
    name.push(number.as_ref());
    state_dir.with_file_name(name)
}

fn private_dir(path: &Path) -> io::Result<()> {
    // Arti refuses a state that others may enter.
    std::fs::DirBuilder::new().mode(0o700).create(path)
}

fn remove(path: &Path) -> io::Result<()> {
    match std::fs::remove_dir_all(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::os::unix::fs::MetadataExt as _;

    #[test]
    fn a_copy_of_the_state_holds_the_guards_and_goes_with_its_client() {
        let dir = tempfile::tempdir().unwrap();
        let state = dir.path().join("state");
        std::fs::create_dir_all(state.join("state")).unwrap();
        std::fs::create_dir_all(state.join("hss/torchatd")).unwrap();
        for (name, text) in [("guards.json", "g"), ("vanguards.json", "v"), ("state.lock", "")] {
            std::fs::write(state.join("state").join(name), text).unwrap();
        }
        let copy = StateCopy::make(&state, 7).unwrap();
        assert_eq!(copy.path, dir.path().join("state.dialling-7"));
        assert_eq!(copy.path.metadata().unwrap().mode() & 0o7777, 0o700);
        let mut names: Vec<_> =
            copy.path.join("state").read_dir().unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, ["guards.json", "vanguards.json"], "neither the lock nor the service");
        assert_eq!(std::fs::read_to_string(copy.path.join("state/guards.json")).unwrap(), "g");
        let again = StateCopy::make(&state, 7).unwrap();
        std::mem::forget(copy);
        drop(again);
        assert!(!dir.path().join("state.dialling-7").exists());
        assert!(state.join("state/guards.json").exists());
    }

    #[test]
    fn copies_of_a_killed_process_are_cleared_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["state", "state.dialling-1/state", "state.dialling-22", "cache", "state.other"] {
            std::fs::create_dir_all(dir.path().join(name)).unwrap();
        }
        clear_copies(&dir.path().join("state"));
        let mut left: Vec<_> = dir.path().read_dir().unwrap().map(|entry| entry.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, ["cache", "state", "state.other"]);
        clear_copies(&dir.path().join("missing/state"));
    }
}
