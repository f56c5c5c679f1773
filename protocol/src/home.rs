//! Where a user's files are: one rule for the daemon and all its clients, so that a daemon that was started without HOME is
//! found by a client without HOME. `clients/core/golden/places.json` is the table of cases; the daemon, the client and the
//! Python client are tested against it.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

/// The user's home: HOME if it is set and not empty, else what the system's list of users says (`entry`, asked only then).
/// `None`: there is none, or it is no absolute path, so that it would be another place in each directory.
#[must_use]
pub fn home(variable: Option<&OsStr>, entry: impl FnOnce() -> Option<PathBuf>) -> Option<PathBuf> {
    let home = match variable.filter(|value| !value.is_empty()) {
        Some(value) => PathBuf::from(value),
        None => entry()?,
    };
    home.is_absolute().then_some(home)
}

/// A directory of the XDG Base Directory Specification: that of the variable if it is an absolute path, else `below` the
/// home. `None`: neither is there.
#[must_use]
pub fn base(variable: Option<&OsStr>, home: Option<&Path>, below: &str) -> Option<PathBuf> {
    let named = variable.map(Path::new).filter(|path| path.is_absolute()).map(Path::to_owned);
    named.or_else(|| home.map(|home| home.join(below)))
}

/// `below` for XDG_DATA_HOME.
pub const DATA: &str = ".local/share";
/// `below` for XDG_CONFIG_HOME.
pub const CONFIG: &str = ".config";
/// `below` for XDG_STATE_HOME.
pub const STATE: &str = ".local/state";
