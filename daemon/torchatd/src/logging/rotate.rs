//! A log file that starts anew at a size and keeps a few old ones.
//!
//! Written synchronously: a line that was logged is in the file, so that nothing is lost at the exit, at a kill or in a
//! fork (a writing thread would have all three problems; `tracing-appender` also drops lines when it is slow and rotates
//! by time only). The kernel's page cache makes a write as cheap as a queue for the few lines that we log.

use rustix::fs::OFlags;
use rustix::io::Errno;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Size at which a log starts anew, in bytes.
pub(crate) const LIMIT: u64 = 10 * 1024 * 1024;
/// How many old files are kept beside the current one: `.1` is the youngest.
pub(crate) const KEEP: u32 = 3;

/// See the module.
#[derive(Debug)]
pub(crate) struct Rotating {
    path: PathBuf,
    file: File,
    limit: u64,
    keep: u32,
}

impl Rotating {
    /// Opens or makes the file, mode 0600. It never grows over `limit` bytes, except by one line that is longer.
    pub(crate) fn open(path: &Path, limit: u64, keep: u32) -> io::Result<Self> {
        Ok(Self { path: path.to_owned(), file: open(path)?, limit, keep })
    }

    /// Appends one whole line.
    pub(crate) fn write_line(&mut self, line: &[u8]) -> io::Result<()> {
        // Another program, or another daemon with the same log directory, may have moved or removed the file. One
        // `stat` for each line is cheaper than lines that nobody finds.
        if !self.is_current() {
            self.reopen()?;
        }
        let size = self.file.metadata()?.len();
        if size > 0 && size + line.len() as u64 > self.limit {
            self.rotate()?;
        }
        self.file.write_all(line)
    }

    /// Opens the path again, after it was moved away.
    pub(crate) fn reopen(&mut self) -> io::Result<()> {
        self.file = open(&self.path)?;
        Ok(())
    }

    fn is_current(&self) -> bool {
        match (self.path.symlink_metadata(), self.file.metadata()) {
            (Ok(path), Ok(file)) => (path.dev(), path.ino()) == (file.dev(), file.ino()),
            _ => false,
        }
    }

    fn rotate(&mut self) -> io::Result<()> {
        // Two daemons with one log directory must not both move the same files. Who finds the lock taken writes this
        // line to the file that is being moved, and to the new one from then on.
        if self.file.try_lock().is_err() {
            return Ok(());
        }
        if self.is_current() {
            for age in (1..self.keep).rev() {
                move_if_there(&self.old(age), &self.old(age + 1))?;
            }
            move_if_there(&self.path, &self.old(1))?;
        }
        // The lock goes with the old file's descriptor.
        self.reopen()
    }

    fn old(&self, age: u32) -> PathBuf {
        let mut name = self.path.clone().into_os_string();
        name.push(format!(".{age}"));
        name.into()
    }
}

/// Never through a link, and only a file of ours: who may write to the directory could lead our lines elsewhere, or read
/// them. Without waiting, in case it is a pipe.
fn open(path: &Path) -> io::Result<File> {
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
    let file = OpenOptions::new().append(true).create(true).mode(0o600).custom_flags(flags).open(path);
    let file = file.map_err(|error| match error.raw_os_error() {
        Some(code) if code == Errno::LOOP.raw_os_error() => {
            io::Error::other("it is a link, which torchatd does not follow")
        }
        _ => error,
    })?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    if metadata.uid() != rustix::process::geteuid().as_raw() {
        return Err(io::Error::other(format!("it belongs to user {}", metadata.uid())));
    }
    Ok(file)
}

fn move_if_there(from: &Path, to: &Path) -> io::Result<()> {
    match std::fs::rename(from, to) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn names(dir: &Path) -> Vec<String> {
        let mut names: Vec<_> =
            dir.read_dir().unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn starts_anew_at_the_limit_and_keeps_three() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.log");
        let mut log = Rotating::open(&path, 20, 3).unwrap();
        for line in 0..12 {
            log.write_line(format!("line {line:03}\n").as_bytes()).unwrap();
        }
        assert_eq!(names(dir.path()), ["x.log", "x.log.1", "x.log.2", "x.log.3"]);
        let read = |name: &str| std::fs::read_to_string(dir.path().join(name)).unwrap();
        assert_eq!(read("x.log"), "line 010\nline 011\n");
        assert_eq!(read("x.log.1"), "line 008\nline 009\n");
        assert_eq!(read("x.log.3"), "line 004\nline 005\n");
        assert_eq!(path.metadata().unwrap().mode() & 0o7777, 0o600);
    }

    #[test]
    fn a_link_and_what_is_no_file_are_not_written_to() {
        let dir = tempfile::tempdir().unwrap();
        let (path, precious) = (dir.path().join("x.log"), dir.path().join("precious"));
        std::fs::write(&precious, "precious").unwrap();
        std::os::unix::fs::symlink(&precious, &path).unwrap();
        let error = Rotating::open(&path, 20, 3).unwrap_err();
        assert!(error.to_string().contains("a link"), "{error}");
        std::fs::remove_file(&path).unwrap();
        let mut log = Rotating::open(&path, 20, 3).unwrap();
        log.write_line(b"one\n").unwrap();
        // Put there while it runs.
        std::fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink(&precious, &path).unwrap();
        log.write_line(b"two\n").unwrap_err();
        assert_eq!(std::fs::read_to_string(&precious).unwrap(), "precious");
        std::fs::remove_file(&path).unwrap();
        std::fs::create_dir(&path).unwrap();
        assert!(Rotating::open(&path, 20, 3).is_err());
    }

    #[test]
    fn goes_on_where_the_last_run_ended() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.log");
        Rotating::open(&path, 20, 3).unwrap().write_line(b"first\n").unwrap();
        Rotating::open(&path, 20, 3).unwrap().write_line(b"second\n").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"first\nsecond\n");
    }

    #[test]
    fn a_line_over_the_limit_is_whole() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.log");
        let mut log = Rotating::open(&path, 20, 3).unwrap();
        let long = [b'x'; 50];
        log.write_line(&long).unwrap();
        log.write_line(b"short\n").unwrap();
        assert_eq!(std::fs::read(dir.path().join("x.log.1")).unwrap(), long);
        assert_eq!(std::fs::read(&path).unwrap(), b"short\n");
    }

    #[test]
    fn follows_the_path_when_the_file_was_moved_or_removed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.log");
        let mut log = Rotating::open(&path, 1000, 3).unwrap();
        log.write_line(b"one\n").unwrap();
        std::fs::rename(&path, dir.path().join("moved")).unwrap();
        log.write_line(b"two\n").unwrap();
        std::fs::remove_file(&path).unwrap();
        log.write_line(b"three\n").unwrap();
        assert_eq!(std::fs::read(dir.path().join("moved")).unwrap(), b"one\n");
        assert_eq!(std::fs::read(&path).unwrap(), b"three\n");
    }

    #[test]
    fn two_writers_of_one_file_lose_no_line() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.log");
        let writers: Vec<_> = (0..2)
            .map(|writer| {
                let mut log = Rotating::open(&path, 4_000, 1000).unwrap();
                std::thread::spawn(move || {
                    for line in 0..2_000 {
                        log.write_line(format!("{writer} {line}\n").as_bytes()).unwrap();
                    }
                })
            })
            .collect();
        writers.into_iter().for_each(|writer| writer.join().unwrap());
        let mut lines: Vec<String> = names(dir.path())
            .iter()
            .flat_map(|name| {
                let text = std::fs::read_to_string(dir.path().join(name)).unwrap();
                text.lines().map(str::to_owned).collect::<Vec<_>>()
            })
            .collect();
        lines.sort();
        let mut expected: Vec<String> =
            (0..2).flat_map(|writer| (0..2_000).map(move |line| format!("{writer} {line}"))).collect();
        expected.sort();
        assert_eq!(lines, expected);
    }
}
