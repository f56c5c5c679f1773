//! What can keep the store from doing what was asked, each kind with its own words: a user who is sent to make room on a disk
//! that is not full, because another program holds the file, looks in the wrong place.

use parking_lot::Mutex;
use rusqlite::ErrorCode;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use torchat_protocol::control::code::Code;
use torchat_protocol::control::status::{SearchState, StorageState};

/// Why the store takes no write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// The disk or the configured size is full.
    Full,
    /// Another program holds the file.
    Locked,
    /// The file is not what this program wrote.
    Damaged,
    /// The disk reports errors.
    Failing,
    /// The file, or the disk, takes no writes at all.
    ReadOnly,
}

impl Trouble {
    /// The code of API errors.
    #[must_use]
    pub fn code(self) -> Code {
        match self {
            Self::Full => Code::Storage,
            Self::Locked => Code::StorageLocked,
            Self::Damaged => Code::StorageDamaged,
            Self::Failing => Code::StorageFailing,
            Self::ReadOnly => Code::StorageReadOnly,
        }
    }

    /// What STATUS says under `storage`.
    #[must_use]
    pub fn state(self) -> StorageState {
        match self {
            Self::Full => StorageState::Full,
            Self::Locked => StorageState::Locked,
            Self::Damaged => StorageState::Damaged,
            Self::Failing => StorageState::Failing,
            Self::ReadOnly => StorageState::ReadOnly,
        }
    }

    /// What is wrong, as a part of a sentence.
    #[must_use]
    pub fn sentence(self) -> &'static str {
        match self {
            Self::Full => "the disk or the store's limit is full",
            Self::Locked => "another program holds torchat.db",
            Self::Damaged => "torchat.db is damaged",
            Self::Failing => "the disk with torchat.db is failing",
            Self::ReadOnly => "torchat.db cannot be written: it or its disk is read-only",
        }
    }

    fn from_byte(byte: u8) -> Option<Self> {
        [Self::Full, Self::Locked, Self::Damaged, Self::Failing, Self::ReadOnly]
            .into_iter()
            .find(|trouble| *trouble as u8 + 1 == byte)
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.sentence())
    }
}

/// Why the store cannot do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The disk or the configured size is full.
    #[error("the store is full: {0}")]
    Full(rusqlite::Error),
    /// Another program holds the file.
    #[error("another program holds the store: {0}")]
    Locked(rusqlite::Error),
    /// SQLite finds that the file is not what it wrote.
    #[error("the store is damaged: {0}")]
    Malformed(rusqlite::Error),
    /// The disk reports an error.
    #[error("the disk failed: {0}")]
    Failing(rusqlite::Error),
    /// The file cannot be written.
    #[error("the store cannot be written: {0}")]
    ReadOnly(rusqlite::Error),
    /// Anything else that SQLite reports.
    #[error("the store failed: {0}")]
    Sqlite(rusqlite::Error),
    /// The disk failed while a commit was made durable. In this process it counts as not made; but its frames may stand in
    /// the log, and then the next start takes them for made (found by failing the n-th sync).
    #[error("the disk failed while it was written: {why}")]
    Unsure {
        /// What SQLite says, sorted.
        trouble: Trouble,
        /// In words.
        why: String,
    },
    /// The file is of a version that this program does not take, or cannot be brought to this program's version. The text says
    /// what to do.
    #[error("{0}")]
    Version(String),
    /// A row that this program cannot have written.
    #[error("the store is damaged: {0}")]
    Damaged(String),
    /// A file beside the store cannot be read or written.
    #[error("{0}")]
    Files(String),
    /// Another connection of this process reads an old state of the store, which the log must keep for it.
    #[error("a long read of the store is not over")]
    Read,
    /// What was found at the start is not what the last process left. The text says what happened and what to do.
    #[error("{0}")]
    NotWhole(String),
}

impl StoreError {
    /// Which kind of trouble it is.
    #[must_use]
    pub fn trouble(&self) -> Trouble {
        match self {
            Self::Full(_) => Trouble::Full,
            Self::Locked(_) => Trouble::Locked,
            Self::ReadOnly(_) => Trouble::ReadOnly,
            Self::Malformed(_) | Self::Damaged(_) | Self::Version(_) | Self::NotWhole(_) => Trouble::Damaged,
            Self::Unsure { trouble, .. } => *trouble,
            Self::Read => Trouble::Locked,
            Self::Failing(_) | Self::Sqlite(_) | Self::Files(_) => Trouble::Failing,
        }
    }

    /// The end of a commit that failed: something may be stored behind it.
    pub(super) fn unsure(error: rusqlite::Error) -> Self {
        let error = Self::from(error);
        Self::Unsure { trouble: error.trouble(), why: error.to_string() }
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Self::Full(error),
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Locked(error),
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Self::Malformed(error),
            Some(ErrorCode::SystemIoFailure | ErrorCode::CannotOpen) => Self::Failing(error),
            Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => Self::ReadOnly(error),
            _ => Self::Sqlite(error),
        }
    }
}

/// How the search's index is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SearchHealth {
    /// It is whole, as far as is known.
    Ok,
    /// It was damaged and is made anew: a search finds what is in it again.
    Rebuilding,
    /// It is damaged and could not be made anew. The next start tries again.
    Damaged,
}

impl SearchHealth {
    /// What STATUS says under `search`.
    #[must_use]
    pub fn state(self) -> SearchState {
        match self {
            Self::Ok => SearchState::Ok,
            Self::Rebuilding => SearchState::Rebuilding,
            Self::Damaged => SearchState::Damaged,
        }
    }
}

/// How the store is, for STATUS and for the words of a refusal. Shared by all clones.
#[derive(Debug, Clone, Default)]
pub struct Health(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    /// 0: none, else the trouble's number and one.
    trouble: AtomicU8,
    /// 0: ok, 1: rebuilding, 2: damaged.
    search: AtomicU8,
    /// What the start found and the user should know.
    remarks: Mutex<Vec<String>>,
}

impl Health {
    /// Why the store takes no writes; `None`: it does.
    #[must_use]
    pub fn trouble(&self) -> Option<Trouble> {
        Trouble::from_byte(self.0.trouble.load(Ordering::Acquire))
    }

    pub(crate) fn set_trouble(&self, trouble: Option<Trouble>) {
        self.0.trouble.store(trouble.map_or(0, |trouble| trouble as u8 + 1), Ordering::Release);
    }

    /// How the search's index is.
    #[must_use]
    pub fn search(&self) -> SearchHealth {
        match self.0.search.load(Ordering::Acquire) {
            0 => SearchHealth::Ok,
            1 => SearchHealth::Rebuilding,
            _ => SearchHealth::Damaged,
        }
    }

    pub(super) fn set_search(&self, search: SearchHealth) {
        self.0.search.store(search as u8, Ordering::Release);
    }

    pub(crate) fn remark(&self, remark: String) {
        self.0.remarks.lock().push(remark);
    }

    /// What was found in this run.
    pub(crate) fn remarks(&self) -> Vec<String> {
        self.0.remarks.lock().clone()
    }
}
