//! The file that outlives the program: drafts, and what the daemon has not got yet.

use crate::screen::model::Stored;
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// `$XDG_STATE_HOME/torchat/drafts.json`, else `~/.local/state/torchat/drafts.json`. Only its user can read it.
pub(super) struct File {
    /// `None`: there is no home; drafts end with the program.
    path: Option<PathBuf>,
}

impl File {
    /// Where it is for this user.
    pub(super) fn find() -> Self {
        let variable = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let state = variable("XDG_STATE_HOME").or_else(|| variable("HOME").map(|home| home.join(".local/state")));
        Self { path: state.map(|state| state.join("torchat/drafts.json")) }
    }

    /// What was written last; nothing if it cannot be read.
    pub(super) fn read(&self) -> Stored {
        let text = self.path.as_ref().and_then(|path| std::fs::read(path).ok());
        text.and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default()
    }

    /// Writes it anew. A crash leaves the old one or the new one.
    pub(super) fn write(&self, stored: &Stored) -> io::Result<()> {
        let Some(path) = &self.path else { return Ok(()) };
        if let Some(directory) = path.parent() {
            std::fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
        }
        let text = serde_json::to_vec(stored)?;
        let new = path.with_extension(format!("{}", std::process::id()));
        let written = private(&new).and_then(|mut file| {
            file.write_all(&text)?;
            file.sync_data()?;
            std::fs::rename(&new, path)
        });
        if written.is_err() {
            let _ = std::fs::remove_file(&new);
        }
        written
    }
}

fn private(path: &Path) -> io::Result<std::fs::File> {
    std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn it_comes_back_and_is_private() {
        let dir = tempfile::tempdir().unwrap();
        let file = File { path: Some(dir.path().join("a/torchat/drafts.json")) };
        assert_eq!(file.read(), Stored::default());
        let mut stored = Stored::default();
        stored.drafts.insert("x".into(), "half a sent".into());
        file.write(&stored).unwrap();
        file.write(&stored).unwrap();
        assert_eq!(file.read(), stored);
        let path = file.path.as_ref().unwrap();
        assert_eq!(std::fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(std::fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
        std::fs::write(path, "{").unwrap();
        assert_eq!(file.read(), Stored::default());
    }
}
