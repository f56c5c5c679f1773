//! The files, one operation each: the tests put a disk in its place that fails and a process that dies between any two.

use super::place::Place;
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags};
use rustix::io::Errno;
use std::fs::{DirBuilder, File};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::Path;

/// Bytes of a file of ours that says how far a log is, at most: a batch and its escapes.
const STATE_BYTES: u64 = 8 << 20;

/// Which of the two folders.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Folder {
    Logs,
    State,
}

/// A log as it is on the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Found {
    /// Bytes; 0: there is no log.
    pub(super) length: u64,
    /// Its number (inode); 0: there is no log.
    pub(super) inode: u64,
}

/// What can be done with the files of an identity, which is named by its 56 letters.
pub(super) trait Disk {
    /// Held by who changes something.
    type Lock;

    /// Waits until nobody else holds it.
    fn lock(&self) -> io::Result<Self::Lock>;
    /// The names of the identity's files of ours.
    fn states(&self, own: &str) -> io::Result<Vec<String>>;
    /// A file of ours; `None`: there is none.
    fn state(&self, own: &str, name: &str) -> io::Result<Option<Vec<u8>>>;
    /// Puts a file of ours in the place of the old one: durable when it returns, and after a crash one of both.
    fn replace(&self, own: &str, name: &str, bytes: &[u8]) -> io::Result<()>;
    /// Takes a file of ours away.
    fn remove(&self, own: &str, name: &str) -> io::Result<()>;
    /// A log.
    fn find(&self, own: &str, name: &str) -> io::Result<Found>;
    /// What a log has from this byte on.
    fn read(&self, own: &str, name: &str, from: u64) -> io::Result<Vec<u8>>;
    /// Appends to a log, which is made if there is none: durable when it returns.
    fn append(&self, own: &str, name: &str, bytes: &[u8]) -> io::Result<()>;
}

/// The disk. No link is followed in the folders of the logs, and only their user can read what is made there.
#[derive(Debug, Clone)]
pub(super) struct Files {
    pub(super) place: Place,
}

impl Files {
    /// A folder of an identity, or, without one, what they are in.
    fn folder(&self, folder: Folder, own: Option<&str>) -> io::Result<OwnedFd> {
        let root = match folder {
            Folder::Logs => &self.place.logs,
            Folder::State => &self.place.state,
        };
        let (parent, name) = (root.parent().unwrap_or(Path::new("/")), root.file_name().unwrap_or_default());
        DirBuilder::new().recursive(true).mode(0o700).create(parent)?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let parent = rustix::fs::open(parent, flags, Mode::empty())?;
        let root = below(&parent, Path::new(name))?;
        match own {
            Some(own) => below(&root, Path::new(own)),
            None => Ok(root),
        }
    }
}

/// A folder in another one, made if it is missing.
fn below(parent: &OwnedFd, name: &Path) -> io::Result<OwnedFd> {
    match rustix::fs::mkdirat(parent, name, Mode::RWXU) {
        Ok(()) => rustix::fs::fsync(parent)?,
        Err(Errno::EXIST) => {}
        Err(error) => return Err(error.into()),
    }
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(parent, name, flags, Mode::empty()).map_err(|error| told(error, name))
}

/// Opens a file that is no link, no pipe and no device. New ones are for their user only.
fn opened(folder: &OwnedFd, name: &str, flags: OFlags) -> io::Result<File> {
    // A pipe would wait for its reader.
    let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let file = rustix::fs::openat(folder, name, flags, Mode::RUSR | Mode::WUSR);
    let file = File::from(file.map_err(|error| told(error, Path::new(name)))?);
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("this is not a file"));
    }
    Ok(file)
}

fn told(error: Errno, name: &Path) -> io::Error {
    match error {
        Errno::LOOP | Errno::NOTDIR => {
            io::Error::other(format!("{} is a link, and torchat follows none there", name.display()))
        }
        error => error.into(),
    }
}

fn if_there<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        result => result.map(Some),
    }
}

impl Disk for Files {
    type Lock = File;

    fn lock(&self) -> io::Result<File> {
        let folder = self.folder(Folder::State, None)?;
        let file = opened(&folder, "lock", OFlags::WRONLY | OFlags::CREATE)?;
        file.lock()?;
        Ok(file)
    }

    fn states(&self, own: &str) -> io::Result<Vec<String>> {
        let folder = self.folder(Folder::State, Some(own))?;
        let mut names = Vec::new();
        for entry in Dir::read_from(&folder)? {
            let entry = entry?;
            if entry.file_type() != FileType::Directory {
                names.extend(entry.file_name().to_str().ok().map(str::to_owned));
            }
        }
        Ok(names)
    }

    fn state(&self, own: &str, name: &str) -> io::Result<Option<Vec<u8>>> {
        let folder = self.folder(Folder::State, Some(own))?;
        let Some(file) = if_there(opened(&folder, name, OFlags::RDONLY))? else { return Ok(None) };
        let mut bytes = Vec::new();
        file.take(STATE_BYTES).read_to_end(&mut bytes)?;
        Ok(Some(bytes))
    }

    fn replace(&self, own: &str, name: &str, bytes: &[u8]) -> io::Result<()> {
        let folder = self.folder(Folder::State, Some(own))?;
        let new = format!("{name}.new");
        let written = opened(&folder, &new, OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC).and_then(|mut file| {
            file.write_all(bytes)?;
            file.sync_data()?;
            rustix::fs::renameat(&folder, &new, &folder, name)?;
            // The log is touched next, and after a power cut it must not be ahead of what is said here.
            rustix::fs::fsync(&folder)?;
            Ok(())
        });
        if written.is_err() {
            let _ = rustix::fs::unlinkat(&folder, &new, AtFlags::empty());
        }
        written
    }

    fn remove(&self, own: &str, name: &str) -> io::Result<()> {
        let folder = self.folder(Folder::State, Some(own))?;
        if_there(rustix::fs::unlinkat(&folder, name, AtFlags::empty()).map_err(Into::into)).map(drop)
    }

    fn find(&self, own: &str, name: &str) -> io::Result<Found> {
        let folder = self.folder(Folder::Logs, Some(own))?;
        let Some(file) = if_there(opened(&folder, name, OFlags::RDONLY))? else { return Ok(Found::default()) };
        let found = file.metadata()?;
        Ok(Found { length: found.len(), inode: found.ino() })
    }

    fn read(&self, own: &str, name: &str, from: u64) -> io::Result<Vec<u8>> {
        let folder = self.folder(Folder::Logs, Some(own))?;
        let Some(mut file) = if_there(opened(&folder, name, OFlags::RDONLY))? else { return Ok(Vec::new()) };
        let mut bytes = Vec::new();
        file.seek(SeekFrom::Start(from))?;
        file.read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    fn append(&self, own: &str, name: &str, bytes: &[u8]) -> io::Result<()> {
        let folder = self.folder(Folder::Logs, Some(own))?;
        // Always at the end: what the user writes into it at the same moment stays.
        let flags = OFlags::WRONLY | OFlags::APPEND | OFlags::CREATE;
        let mut file = opened(&folder, name, flags)?;
        let is_new = file.metadata()?.len() == 0;
        file.write_all(bytes)?;
        file.sync_data()?;
        if is_new {
            // Its name.
            rustix::fs::fsync(&folder)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    fn mode(path: &Path) -> u32 {
        std::fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn only_the_user_can_read_what_is_made() {
        let dir = tempfile::tempdir().unwrap();
        let files = Files { place: Place::below(&dir.path().join("state/torchat")) };
        files.append("own", "bob.log", b"one\n").unwrap();
        files.append("own", "bob.log", b"two\n").unwrap();
        files.replace("own", "bob.json", b"{}").unwrap();
        drop(files.lock().unwrap());
        let place = &files.place;
        assert_eq!(std::fs::read(place.logs.join("own/bob.log")).unwrap(), b"one\ntwo\n");
        for folder in [&place.logs, &place.state, &place.logs.join("own"), &place.state.join("own")] {
            assert_eq!(mode(folder), 0o700, "{}", folder.display());
        }
        for file in [place.logs.join("own/bob.log"), place.state.join("own/bob.json"), place.state.join("lock")] {
            assert_eq!(mode(&file), 0o600, "{}", file.display());
        }
        assert_eq!(files.states("own").unwrap(), ["bob.json"]);
        files.remove("own", "bob.json").unwrap();
        files.remove("own", "bob.json").unwrap();
        assert_eq!(files.state("own", "bob.json").unwrap(), None);
    }

    #[test]
    fn no_link_is_followed() {
        let dir = tempfile::tempdir().unwrap();
        let files = Files { place: Place::below(&dir.path().join("torchat")) };
        let target = dir.path().join("target");
        std::fs::write(&target, "precious\n").unwrap();
        files.append("own", "ann.log", b"one\n").unwrap();
        let link = files.place.logs.join("own/bob.log");
        symlink(&target, &link).unwrap();
        let error = files.append("own", "bob.log", b"two\n").unwrap_err().to_string();
        assert_eq!(error, "bob.log is a link, and torchat follows none there");
        assert!(files.find("own", "bob.log").is_err() && files.read("own", "bob.log", 0).is_err());
        // A link to a file that is not there makes none.
        symlink(dir.path().join("new"), files.place.logs.join("own/carl.log")).unwrap();
        assert!(files.append("own", "carl.log", b"two\n").is_err());
        assert!(!dir.path().join("new").exists());
        // A folder that is one.
        std::fs::create_dir(dir.path().join("elsewhere")).unwrap();
        symlink(dir.path().join("elsewhere"), files.place.logs.join("other")).unwrap();
        assert!(files.append("other", "bob.log", b"two\n").unwrap_err().to_string().contains("other is a link"));
        assert_eq!(std::fs::read_dir(dir.path().join("elsewhere")).unwrap().count(), 0);
        assert_eq!(std::fs::read_to_string(&target).unwrap(), "precious\n");
    }

    #[test]
    fn what_is_no_file_is_refused_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let files = Files { place: Place::below(&dir.path().join("torchat")) };
        files.append("own", "ann.log", b"one\n").unwrap();
        std::fs::create_dir(files.place.logs.join("own/dir.log")).unwrap();
        assert!(files.append("own", "dir.log", b"two\n").is_err());
        let pipe = files.place.logs.join("own/pipe.log");
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        assert!(files.append("own", "pipe.log", b"two\n").is_err());
        assert!(files.find("own", "pipe.log").is_err());
    }
}
