//! The data directory: everything of one daemon lives in it, one daemon at a time, nobody else looks in.

use crate::exit::{Code, Failure};
use crate::undo::{Undo, is_missing};
use crate::{files, places};
use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long a daemon that has removed its traces may take to be gone.
const ENDING: Duration = Duration::from_secs(5);
/// Between two tries for its lock.
const LOOK: Duration = Duration::from_millis(20);

/// A data directory, which may not exist yet.
#[derive(Debug, Clone)]
pub(crate) struct DataDir {
    path: PathBuf,
    /// Whether missing parents are made: only for the default, which stands below `~/.local/share`. A mistyped
    /// `--data-dir` must not silently become a new identity somewhere.
    parents: bool,
}

/// The lock on a data directory. It is held as long as the value, or a copy of its descriptor in a child, lives.
#[derive(Debug)]
pub(crate) struct Lock {
    file: File,
}

impl Lock {
    /// The same lock, for the process that takes our place.
    pub(crate) fn share(&self) -> io::Result<File> {
        self.file.try_clone()
    }
}

/// Why a lock was not taken.
enum Taking {
    Open(io::Error),
    Lock(Failure),
}

impl DataDir {
    /// `named` is what the command line or the torrc says, if anything.
    pub(crate) fn choose(named: Option<&Path>) -> Result<Self, Failure> {
        match named {
            Some(path) => Ok(Self { path: places::absolute(path)?, parents: false }),
            None => Ok(Self { path: places::default_data_dir()?, parents: true }),
        }
    }

    /// The secrets that make this daemon who it is.
    pub(crate) fn identity(&self) -> PathBuf {
        self.path.join("identity.key")
    }

    /// The store.
    pub(crate) fn database(&self) -> PathBuf {
        self.path.join("torchat.db")
    }

    /// The default control socket.
    pub(crate) fn socket(&self) -> PathBuf {
        self.path.join("control.sock")
    }

    /// Arti's state and cache.
    pub(crate) fn tor(&self) -> PathBuf {
        self.path.join("tor")
    }

    fn lock_file(&self) -> PathBuf {
        self.path.join("lock")
    }

    fn pid_file(&self) -> PathBuf {
        self.path.join("pid")
    }

    fn port_file(&self) -> PathBuf {
        self.path.join("port")
    }

    /// The directory.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Finds every reason not to use the directory, without changing anything. The lock of an existing directory is
    /// taken and returned, so that it cannot be lost to another start in between.
    pub(crate) fn check(&self) -> Result<Option<Lock>, Failure> {
        match self.path.metadata() {
            Ok(metadata) => self.check_existing(&metadata)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                places::creatable(&self.path, self.parents).map_err(|error| self.failure("cannot be made", &error))?;
                return Ok(None);
            }
            Err(error) => return Err(self.failure("cannot be used", &error)),
        }
        let open = || OpenOptions::new().read(true).write(true).open(self.lock_file());
        match self.take(open) {
            Ok(lock) => Ok(Some(lock)),
            Err(Taking::Open(error)) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(Taking::Open(error)) => Err(self.failure("has a lock that cannot be opened", &error)),
            Err(Taking::Lock(failure)) => Err(failure),
        }
    }

    /// Opens and takes the lock, and makes sure that it is the one that others find: a start that failed removes the lock
    /// that it made, also while another start waits for it.
    fn take(&self, open: impl Fn() -> io::Result<File>) -> Result<Lock, Taking> {
        let id = |metadata: &std::fs::Metadata| (metadata.dev(), metadata.ino());
        loop {
            let lock = self.try_lock(open().map_err(Taking::Open)?).map_err(Taking::Lock)?;
            let held = lock.file.metadata().map_err(Taking::Open)?;
            if self.lock_file().metadata().is_ok_and(|found| id(&found) == id(&held)) {
                return Ok(lock);
            }
        }
    }

    /// As [`DataDir::check`], by a process that took the place of another one, with the lock that it inherited. If that
    /// is not this directory's lock (any more), the directory's counts.
    pub(crate) fn check_again(&self, inherited: File) -> Result<Option<Lock>, Failure> {
        let id = |metadata: std::fs::Metadata| (metadata.dev(), metadata.ino());
        let ours = inherited.metadata().map(id).ok();
        if ours.is_none() || ours != self.lock_file().metadata().map(id).ok() {
            drop(inherited);
            return self.check();
        }
        let metadata = self.path.metadata().map_err(|error| self.failure("cannot be used", &error))?;
        self.check_existing(&metadata)?;
        // It is held already; asking again does no harm and proves it.
        self.try_lock(inherited).map(Some)
    }

    fn check_existing(&self, metadata: &std::fs::Metadata) -> Result<(), Failure> {
        let shown = self.path.display();
        if !metadata.is_dir() {
            return Err(Failure::new(Code::DataDir, format!("the data directory {shown} is not a directory")));
        }
        let us = rustix::process::geteuid().as_raw();
        if metadata.uid() != us {
            let owner = metadata.uid();
            return Err(Failure::new(
                Code::DataDirOpen,
                format!("the data directory {shown} belongs to user {owner}, but torchatd runs as user {us}"),
            ));
        }
        let mode = metadata.mode() & 0o7777;
        if mode & 0o077 != 0 {
            return Err(Failure::new(
                Code::DataDirOpen,
                format!("the data directory {shown} is open to other users (mode {mode:04o}): `chmod 700 {shown}`"),
            ));
        }
        places::writable(&self.path).map_err(|error| self.failure("cannot be written", &error))
    }

    /// Makes the directory and takes its lock, unless [`DataDir::check`] has it already; clears away what a daemon that
    /// was killed left behind.
    pub(crate) fn enter(&self, held: Option<Lock>, undo: &mut Undo) -> Result<Lock, Failure> {
        places::make_private(&self.path, self.parents, undo).map_err(|error| self.failure("cannot be made", &error))?;
        // Again, and of the directory itself: somebody may have made it since it was found to be missing.
        let directory = File::open(&self.path).and_then(|directory| directory.metadata());
        self.check_existing(&directory.map_err(|error| self.failure("cannot be used", &error))?)?;
        let lock = match held {
            Some(lock) => lock,
            None => {
                let new = is_missing(&self.lock_file());
                let open = || {
                    let mut options = OpenOptions::new();
                    options.read(true).write(true).create(true).truncate(false).mode(0o600);
                    options.open(self.lock_file())
                };
                let lock = self.take(open).map_err(|error| match error {
                    Taking::Open(error) => self.failure("cannot be written", &error),
                    Taking::Lock(failure) => failure,
                })?;
                // Only now: without the lock it could be the lock of another start.
                if new {
                    undo.made(&self.lock_file());
                }
                lock
            }
        };
        // A pid or port from before must not be taken for ours, nor a half-made key stay beside the real one.
        for stale in [self.pid_file(), self.port_file(), self.path.join("identity.key.new")] {
            remove(&stale).map_err(|error| self.failure("cannot be written", &error))?;
        }
        Ok(lock)
    }

    /// Whether no daemon uses the directory, for `--stop`.
    pub(crate) fn is_free(&self) -> Result<bool, Failure> {
        match File::open(self.lock_file()) {
            Ok(file) => match file.try_lock() {
                Ok(()) => Ok(true),
                Err(TryLockError::WouldBlock) => Ok(false),
                Err(TryLockError::Error(error)) => Err(self.failure("has a lock that cannot be checked", &error)),
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound && self.path.is_dir() => Ok(true),
            Err(error) => Err(self.failure("cannot be used", &error)),
        }
    }

    /// The process id in `pid`, for messages.
    pub(crate) fn pid(&self) -> Option<u32> {
        std::fs::read_to_string(self.pid_file()).ok()?.trim().parse().ok()
    }

    /// The control port in `port`, for messages.
    fn port(&self) -> Option<u16> {
        std::fs::read_to_string(self.port_file()).ok()?.trim().parse().ok()
    }

    /// Takes the lock. One without a `pid` beside it is held by a daemon that starts, or has removed its traces and is about
    /// to end: a start right after EXIT waits for that.
    fn try_lock(&self, file: File) -> Result<Lock, Failure> {
        let deadline = Instant::now() + ENDING;
        loop {
            match file.try_lock() {
                Err(TryLockError::WouldBlock) if self.pid().is_none() && Instant::now() < deadline => {
                    std::thread::sleep(LOOK);
                }
                tried => return self.locked(file, tried),
            }
        }
    }

    fn locked(&self, file: File, tried: Result<(), TryLockError>) -> Result<Lock, Failure> {
        match tried {
            Ok(()) => Ok(Lock { file }),
            Err(TryLockError::WouldBlock) => {
                let who = self.pid().map_or("its pid is not written yet".into(), |pid| {
                    let port = self.port().map_or("serves no port".to_owned(), |port| format!("serves port {port}"));
                    format!("process {pid}, which {port}")
                });
                let shown = self.path.display();
                let advice = "to start it with other options, stop it first: torchatd --stop";
                Err(Failure::new(Code::AlreadyRunning, format!("torchatd already runs with {shown} ({who}); {advice}")))
            }
            Err(TryLockError::Error(error)) => Err(self.failure("cannot be locked", &error)),
        }
    }

    fn failure(&self, what: &str, error: &io::Error) -> Failure {
        Failure::new(Code::DataDir, format!("the data directory {} {what}: {error}", self.path.display()))
    }
}

/// The files that say that a daemon runs. They go when this is dropped, and the control sockets with them.
#[derive(Debug)]
pub(crate) struct Traces {
    paths: Vec<PathBuf>,
}

impl Traces {
    /// Writes `pid` and, if there is a port, `port`. The sockets are there already.
    pub(crate) fn leave(
        data: &DataDir,
        port: Option<u16>,
        socket: &Path,
        group_socket: Option<&Path>,
    ) -> Result<Self, Failure> {
        let mut traces = Self { paths: std::iter::once(socket).chain(group_socket).map(Path::to_owned).collect() };
        let pid = (data.pid_file(), std::process::id().to_string());
        let port = port.map(|port| (data.port_file(), port.to_string()));
        for (path, text) in std::iter::once(pid).chain(port) {
            files::write_atomically(&path, format!("{text}\n").as_bytes())
                .map_err(|error| data.failure("cannot be written", &error))?;
            traces.paths.push(path);
        }
        Ok(traces)
    }
}

impl Drop for Traces {
    fn drop(&mut self) {
        for path in &self.paths {
            if let Err(error) = remove(path) {
                tracing::warn!(%error, file = %path.display(), "left behind");
            }
        }
    }
}

fn remove(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt;

    /// Nothing is undone at its end.
    fn kept() -> std::mem::ManuallyDrop<Undo> {
        std::mem::ManuallyDrop::new(Undo::default())
    }

    fn data(path: &Path) -> DataDir {
        DataDir::choose(Some(path)).unwrap()
    }

    #[test]
    fn a_missing_parent_is_refused_and_nothing_is_made() {
        let dir = tempfile::tempdir().unwrap();
        let failure = data(&dir.path().join("a/b")).check().unwrap_err();
        assert_eq!(failure.code, Code::DataDir);
        assert!(failure.message.contains("a/b"), "{failure}");
        let new = data(&dir.path().join("new"));
        assert!(new.check().unwrap().is_none());
        assert_eq!(dir.path().read_dir().unwrap().count(), 0);
    }

    #[test]
    fn a_file_is_no_data_directory() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        std::fs::write(&file, "").unwrap();
        assert_eq!(data(&file).check().unwrap_err().code, Code::DataDir);
        assert_eq!(data(&file.join("x")).check().unwrap_err().code, Code::DataDir);
    }

    #[test]
    fn other_users_are_kept_out() {
        let dir = tempfile::tempdir().unwrap();
        for mode in [0o750, 0o701, 0o755] {
            std::fs::set_permissions(dir.path(), Permissions::from_mode(mode)).unwrap();
            let failure = data(dir.path()).check().unwrap_err();
            assert_eq!(failure.code, Code::DataDirOpen);
            assert!(failure.message.contains("chmod 700"), "{failure}");
        }
        std::fs::set_permissions(dir.path(), Permissions::from_mode(0o700)).unwrap();
        data(dir.path()).check().unwrap();
    }

    #[test]
    fn one_at_a_time() {
        let dir = tempfile::tempdir().unwrap();
        let data = data(&dir.path().join("d"));
        assert_eq!(data.is_free().unwrap_err().code, Code::DataDir, "there is no directory yet");
        let lock = data.enter(None, &mut kept()).unwrap();
        assert!(!data.is_free().unwrap());
        let traces = Traces::leave(&data, Some(8000), &data.socket(), None).unwrap();
        assert_eq!(std::fs::read_to_string(data.path().join("port")).unwrap(), "8000\n");
        let failure = data.check().unwrap_err();
        assert_eq!(failure.code, Code::AlreadyRunning);
        assert!(failure.message.contains(&format!("process {}", std::process::id())), "{failure}");
        drop(traces);
        drop(lock);
        assert!(data.is_free().unwrap());
        let held = data.check().unwrap();
        assert!(held.is_some(), "the check keeps the lock");
        assert!(!data.is_free().unwrap());
        data.enter(held, &mut kept()).unwrap();
        let left: Vec<_> = data.path().read_dir().unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, ["lock"]);
    }

    #[test]
    fn what_a_killed_daemon_left_is_cleared() {
        let dir = tempfile::tempdir().unwrap();
        let data = data(&dir.path().join("d"));
        places::make_private(data.path(), false, &mut kept()).unwrap();
        for name in ["pid", "port", "identity.key.new"] {
            std::fs::write(data.path().join(name), "1\n").unwrap();
        }
        let lock = data.check().unwrap();
        assert!(data.path().join("port").exists(), "a check changes nothing");
        let _lock = data.enter(lock, &mut kept()).unwrap();
        assert_eq!(data.path().read_dir().unwrap().count(), 1);
        assert_eq!(data.pid(), None);
    }
}
