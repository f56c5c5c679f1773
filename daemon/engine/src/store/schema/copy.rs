//! Copies of the store as it was before its version changed: `torchat.db.vN`.

use super::{DEVELOPMENT, VERSION};
use crate::store::StoreError;
use crate::store::whole::{beside, failing, size, sync_directory};
use rusqlite::Connection;
use std::fs::File;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::time::{Duration, SystemTime};

/// How long a copy stays.
const KEPT: Duration = Duration::from_secs(30 * 24 * 3600);

/// A copy that an older program could go on with.
pub(super) struct Copy {
    pub(super) name: String,
    /// The day on which it was made.
    pub(super) made: String,
}

/// Copies the store as it is, under the name of its version. SQLite makes the copy, in one read transaction; it is complete when it
/// has its name.
///
/// # Errors
/// [`StoreError::Version`] when there is no room for it.
pub(super) fn keep(db: &Connection, path: &Path, version: i64) -> Result<(), StoreError> {
    let to = beside(path, &format!(".v{version}"));
    let new = beside(path, &format!(".v{version}.new"));
    // What a start left that was killed while it copied takes room that this one needs.
    remove(&new).map_err(|error| failing(&new, &error))?;
    let bytes = size(path)?.unwrap_or(0) + size(&beside(path, "-wal"))?.unwrap_or(0);
    let disk = rustix::fs::statvfs(path).map_err(|error| failing(path, &error.into()))?;
    admit(bytes, disk.f_bavail.saturating_mul(disk.f_frsize))?;
    // Made here, so that nobody else can read it; SQLite takes an empty file as none.
    let made = File::options().write(true).create(true).truncate(true).mode(0o600).open(&new);
    let file = made.map_err(|error| failing(&new, &error))?;
    // A path is bytes, and SQLite wants a text here.
    if let Err(error) = db.execute("VACUUM INTO CAST(?1 AS TEXT)", [new.as_os_str().as_bytes()]) {
        // A part of a copy helps nobody, and keeps the disk full.
        let _ = remove(&new);
        return Err(error.into());
    }
    let named = file.sync_all().and_then(|()| std::fs::rename(&new, &to)).and_then(|()| sync_directory(path));
    named.map_err(|error| failing(&to, &error))?;
    tracing::info!("a copy of the store is kept for 30 days: {}", to.display());
    Ok(())
}

/// Removes a file that may not be there.
fn remove(path: &Path) -> std::io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Room for the copy, and for the log of the steps, which may write every page once more.
fn admit(bytes: u64, free: u64) -> Result<(), StoreError> {
    let needed = bytes.saturating_mul(22) / 10;
    if free >= needed {
        return Ok(());
    }
    let mib = |bytes: u64| bytes.div_ceil(1 << 20);
    Err(StoreError::Version(format!(
        "there is no room to bring torchat.db to version {VERSION}: {} MiB must be free on its disk, and {} are. Make room and \
         start again. Nothing was changed",
        mib(needed),
        mib(free)
    )))
}

fn each(path: &Path) -> impl Iterator<Item = (i64, std::path::PathBuf)> {
    (DEVELOPMENT..=VERSION).rev().map(|version| (version, beside(path, &format!(".v{version}"))))
}

/// The copy of the newest version that this program knows.
pub(super) fn newest(path: &Path) -> Option<Copy> {
    each(path).find_map(|(_, copy)| {
        let made = jiff::Timestamp::try_from(copy.metadata().ok()?.modified().ok()?).ok()?;
        let name = copy.file_name()?.to_string_lossy().into_owned();
        Some(Copy { name, made: made.strftime("%Y-%m-%d").to_string() })
    })
}

/// Removes copies that are older than 30 days by the disk's own clock.
pub(in crate::store) fn drop_old_copies(path: &Path) {
    for (version, copy) in each(path) {
        let Ok(made) = copy.metadata().and_then(|metadata| metadata.modified()) else { continue };
        if SystemTime::now().duration_since(made).is_ok_and(|age| age > KEPT) {
            match std::fs::remove_file(&copy) {
                Ok(()) => tracing::info!("the copy of the store of version {version} is removed after 30 days"),
                Err(error) => tracing::warn!(%error, "the copy of the store of version {version} cannot be removed"),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_copy_needs_twice_the_room_and_some_more() {
        assert!(admit(1_000, 2_200).is_ok());
        let words = admit(10 << 20, (22 << 20) - 1).unwrap_err().to_string();
        assert!(words.contains("22 MiB must be free") && words.contains("Nothing was changed"), "{words}");
    }
}
