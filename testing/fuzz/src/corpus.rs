//! The corpus: small inputs that once were worth keeping, one file each, in a folder for each target.

use crate::Target;
use std::io;
use std::path::{Path, PathBuf};

/// The corpus in the source tree.
#[must_use]
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus")
}

/// A target's files with their contents, by name.
///
/// # Errors
/// When the target has no folder, or a file cannot be read.
pub fn files(target: &Target) -> io::Result<Vec<(PathBuf, Vec<u8>)>> {
    let entries = std::fs::read_dir(folder().join(target.name))?;
    let mut paths = entries.map(|entry| entry.map(|entry| entry.path())).collect::<io::Result<Vec<_>>>()?;
    // The order of a folder is not the same everywhere, and the inputs of a seed must be.
    paths.sort();
    paths.into_iter().map(|path| std::fs::read(&path).map(|bytes| (path, bytes))).collect()
}
