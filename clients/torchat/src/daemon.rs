//! Finds a running daemon.

use std::path::PathBuf;

/// Where the user says that the daemon is.
#[derive(Debug, Clone, Default)]
pub(crate) struct Place {
    /// The control socket, if it was named.
    pub(crate) socket: Option<PathBuf>,
}
