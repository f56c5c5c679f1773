//! A new file at a place that the user names: whole or absent, and never instead of another.
//!
//! [`crate::files`] does the same in the data directory, which is locked and whose names are ours. Here the name beside
//! it is random, so that nobody's file is taken for one of ours, and the file system may be a stick without hard links.

use data_encoding::HEXLOWER;
use rand::TryRng;
use rand::rngs::SysRng;
use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Writes a file of mode 0600 and returns when it is durable.
///
/// # Errors
/// `AlreadyExists` if there is anything with this name, which stays. After an error nothing is left behind.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let beside = Beside::write(path, bytes)?;
    match renameat_with(CWD, &beside.path, CWD, path, RenameFlags::NOREPLACE) {
        // Its first name is gone: the removal at the end finds nothing.
        Ok(()) => {}
        // A file system that cannot (NFS, an old FUSE). A hard link never replaces anything either.
        Err(Errno::INVAL | Errno::NOSYS) => std::fs::hard_link(&beside.path, path)?,
        Err(error) => return Err(error.into()),
    }
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(directory)?.sync_all()
}

/// The file under its first name, which goes when this is dropped.
struct Beside {
    path: PathBuf,
}

impl Beside {
    fn write(path: &Path, bytes: &[u8]) -> io::Result<Self> {
        let name = path.file_name().ok_or_else(|| io::Error::other("this names no file"))?;
        let mut random = [0; 8];
        SysRng.try_fill_bytes(&mut random).map_err(io::Error::other)?;
        let mut first = std::ffi::OsString::from(".");
        first.push(name);
        first.push(format!(".{}", HEXLOWER.encode(&random)));
        let path = path.with_file_name(first);
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        // Ours from here on, and removed whatever happens.
        let beside = Self { path };
        file.write_all(bytes)?;
        file.sync_all()?;
        Ok(beside)
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::os::unix::fs::{MetadataExt, symlink};

    #[test]
    fn what_is_there_stays_and_nothing_is_left() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("copy");
        write(&path, b"first").unwrap();
        assert_eq!(path.metadata().unwrap().mode() & 0o7777, 0o600);
        assert_eq!(write(&path, b"second").unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(std::fs::read(&path).unwrap(), b"first");
        // A link to nowhere is something too.
        let link = dir.path().join("link");
        symlink(dir.path().join("nowhere"), &link).unwrap();
        assert_eq!(write(&link, b"third").unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert!(write(&dir.path().join("missing/copy"), b"").is_err());
        assert!(write(Path::new("/"), b"").is_err());
        let mut names: Vec<_> = dir.path().read_dir().unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, ["copy", "link"]);
    }
}
