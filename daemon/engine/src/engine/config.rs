//! What an engine is started with and how it can end.

use crate::link::dialer::DialTimes;
use crate::store::{Store, StoreError};
use parking_lot::Mutex;
use std::path::PathBuf;
use std::sync::Arc;
use torchat_core::policy::Policy;
use torchat_transport::clock::Clock;
use torchat_transport::randomness::Randomness;

/// What the engine may take and how patient it is.
#[derive(Debug, Clone)]
pub struct EngineConfig {
    /// Limits and pauses of the core.
    pub policy: Policy,
    /// The times of one dial.
    pub dial: DialTimes,
    /// Incoming streams that have not proven who they are.
    pub unauthenticated_streams: usize,
    /// The program around the engine replaces the process when it ends with [`Ended::Replace`].
    pub replaceable: bool,
    /// Events that the log keeps.
    pub events_kept: u64,
    /// For how many days it keeps them.
    pub events_days: u32,
    /// How the process is confined, for STATUS.
    pub sandbox: String,
}

impl Default for EngineConfig {
    fn default() -> Self {
        Self {
            policy: Policy::default(),
            dial: DialTimes::default(),
            unauthenticated_streams: 256,
            replaceable: false,
            events_kept: 1_000_000,
            events_days: 90,
            sandbox: "none".into(),
        }
    }
}

/// Where the store is.
pub enum Storage {
    /// A file, with commits on a thread of their own.
    File {
        /// The file.
        path: PathBuf,
        /// Its largest size, if it is limited.
        max_bytes: Option<u64>,
    },
    /// A store of the caller's, with commits inline: for simulations, which keep it across crashes.
    Shared(Arc<Mutex<Store>>),
}

impl Storage {
    /// A new store in memory, with commits inline: for tests that need an engine and look at no store.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn in_memory() -> Result<Self, StoreError> {
        Ok(Self::Shared(Arc::new(Mutex::new(Store::in_memory()?))))
    }
}

/// Time and randomness.
#[derive(Debug, Clone)]
pub struct World {
    /// Both clocks.
    pub clock: Clock,
    /// Random bytes.
    pub randomness: Randomness,
}

impl World {
    /// The operating system's.
    #[must_use]
    pub fn system() -> Self {
        Self { clock: Clock::system(), randomness: Randomness::system() }
    }
}

/// The store can neither be written nor read any more, so the engine ended by itself. Nothing accepted was lost by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the store can neither be written nor read: the log says why")]
pub struct StoreLost;

/// Why an engine ended in an orderly way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// It was asked to stop.
    Stopped,
    /// The process is to be replaced by a new one, which goes on with the same store: [`Handle::replace`](crate::handle::Handle::replace) asked for
    /// it, or nothing less mends the way into the network.
    Replace,
}
