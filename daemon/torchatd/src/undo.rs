//! What a start has made, removed again if it comes to nothing: a refused start leaves nothing new.

use std::io;
use std::path::{Path, PathBuf};

/// The paths, in the order in which they were made. They are removed when this is dropped, unless the start succeeds.
#[derive(Debug, Default)]
pub(crate) struct Undo {
    made: Vec<PathBuf>,
}

impl Undo {
    /// Before something is made that nobody else can make, because of the lock: it is ours to remove if it is not there yet.
    pub(crate) fn will_make(&mut self, path: &Path) {
        if is_missing(path) {
            self.made(path);
        }
    }

    /// Something was made by us that was not there before.
    pub(crate) fn made(&mut self, path: &Path) {
        self.made.push(path.to_owned());
    }

    /// The directories among what was made.
    pub(crate) fn directories(&self) -> Vec<&Path> {
        self.made.iter().map(PathBuf::as_path).filter(|path| path.is_dir()).collect()
    }

    /// Something is not to be removed after all, nor what it stands in.
    pub(crate) fn keep_dir(&mut self, dir: &Path) {
        self.made.retain(|made| !dir.starts_with(made));
    }

    /// The start has succeeded, or it is another process's to undo.
    pub(crate) fn keep(&mut self) {
        self.made.clear();
    }

    /// Removes everything. Directories only when they are empty, but for Tor's, which holds nothing but what Tor made.
    pub(crate) fn undo(&mut self) {
        for path in self.made.drain(..).rev() {
            let removed = match path.symlink_metadata() {
                Ok(metadata) if metadata.is_dir() && path.file_name().is_some_and(|name| name == "tor") => {
                    std::fs::remove_dir_all(&path)
                }
                Ok(metadata) if metadata.is_dir() => std::fs::remove_dir(&path),
                Ok(_) => std::fs::remove_file(&path),
                Err(_) => Ok(()),
            };
            // What somebody else put there meanwhile stays.
            drop(removed);
        }
    }
}

/// Asked of the path itself and not of what a link there leads to.
pub(crate) fn is_missing(path: &Path) -> bool {
    path.symlink_metadata().is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
}

impl Drop for Undo {
    fn drop(&mut self) {
        self.undo();
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_was_made_goes_and_what_was_there_stays() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("old"), "").unwrap();
        let mut undo = Undo::default();
        let deep = dir.path().join("a/b");
        crate::places::make_private(&deep, true, &mut undo).unwrap();
        for name in ["old", "new", "never"] {
            undo.will_make(&dir.path().join(name));
        }
        undo.will_make(&deep.join("file"));
        std::fs::write(deep.join("file"), "").unwrap();
        std::fs::write(dir.path().join("new"), "").unwrap();
        drop(undo);
        let left: Vec<_> = dir.path().read_dir().unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, ["old"]);
    }

    #[test]
    fn a_start_that_succeeds_keeps_everything_and_a_stranger_s_file_stays() {
        let dir = tempfile::tempdir().unwrap();
        let (kept, shared) = (dir.path().join("kept"), dir.path().join("shared"));
        let mut undo = Undo::default();
        undo.will_make(&kept);
        undo.keep();
        undo.will_make(&shared);
        std::fs::create_dir(&kept).unwrap();
        std::fs::create_dir(&shared).unwrap();
        std::fs::write(shared.join("of somebody else"), "").unwrap();
        drop(undo);
        assert!(kept.exists() && shared.join("of somebody else").exists());
    }
}
