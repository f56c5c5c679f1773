//! The file `client.toml`: read at the start, changed by commands.

use crate::logs::Chosen;
use crate::screen::settings::{Change, FILE_BYTES, Settings, parse};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use torchat_protocol::home;

/// `$XDG_CONFIG_HOME/torchat/client.toml`, else `~/.config/torchat/client.toml`.
#[derive(Debug, Clone)]
pub(crate) struct File {
    /// `None`: there is no home, and what is set ends with the program.
    path: Option<PathBuf>,
    /// Held while the file is changed. Elsewhere, because users keep their configuration in version control.
    lock: Option<PathBuf>,
}

impl File {
    /// Where it is for this user.
    pub(crate) fn find() -> Self {
        let home = home::home(std::env::var_os("HOME").as_deref(), std::env::home_dir);
        let base =
            |variable: &str, below: &str| home::base(std::env::var_os(variable).as_deref(), home.as_deref(), below);
        Self {
            path: base("XDG_CONFIG_HOME", home::CONFIG).map(|config| config.join("torchat/client.toml")),
            lock: base("XDG_STATE_HOME", home::STATE).map(|state| state.join("torchat/client.lock")),
        }
    }

    /// None, for tests that must not read that of whoever runs them.
    #[cfg(test)]
    pub(in crate::screen) fn nowhere() -> Self {
        Self { path: None, lock: None }
    }

    /// The path, for the user.
    pub(crate) fn shown(&self) -> String {
        self.path.as_ref().map_or_else(|| "client.toml".into(), |path| path.display().to_string())
    }

    /// What is set. With an error nothing of the file counts, and the error says where it is: no file keeps the client from starting.
    pub(super) fn read(&self) -> (Settings, Option<String>) {
        let Some(path) = &self.path else { return (Settings::default(), None) };
        match text(path).map_err(|error| error.to_string()).and_then(|text| parse(&text)) {
            Ok(settings) => (settings, None),
            Err(error) => (Settings::default(), Some(format!("{}: {error}; the defaults count", path.display()))),
        }
    }

    /// Which conversations are to be logged, and since when the file says so.
    ///
    /// # Errors
    /// The file has an error: then nobody knows what the user wants.
    pub(crate) fn chosen(&self) -> Result<Chosen, String> {
        let now = jiff::Timestamp::now().as_millisecond();
        let Some(path) = &self.path else { return Ok(Chosen { choice: Default::default(), at: now }) };
        let wrong = |why: String| format!("{}: {why}", path.display());
        let settings = text(path).map_err(|error| error.to_string()).and_then(|text| parse(&text)).map_err(wrong)?;
        // Not the time of its content, which a copy of an old configuration keeps.
        let changed = std::fs::metadata(path).map(|found| found.ctime() * 1_000 + found.ctime_nsec() / 1_000_000);
        Ok(Chosen { choice: settings.logs, at: changed.unwrap_or(now).min(now) })
    }

    /// Makes a change, and reads what is set then, by other clients, too. A crash leaves the old file or the new one.
    pub(super) fn change(&self, change: &Change) -> Result<Settings, String> {
        let (Some(path), Some(lock)) = (&self.path, &self.lock) else {
            return Err("there is no home directory".into());
        };
        let failed = |error: io::Error| format!("{}: {error}", path.display());
        for directory in [path.parent(), lock.parent()].into_iter().flatten() {
            std::fs::DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(failed)?;
        }
        let lock = private(lock).map_err(failed)?;
        lock.lock().map_err(failed)?;
        let old = text(path).map_err(failed)?;
        let new = change.apply(&old).map_err(|error| format!("{}: {error}", path.display()))?;
        if new != old {
            replace(path, &new).map_err(failed)?;
        }
        parse(&new)
    }
}

/// The file's text; of none, nothing.
fn text(path: &Path) -> io::Result<String> {
    let found = match std::fs::metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(String::new()),
        found => found?,
    };
    // A pipe would never end.
    if !found.is_file() || found.len() > FILE_BYTES {
        return Err(io::Error::other(format!("not a file of at most {FILE_BYTES} bytes")));
    }
    let mut text = String::new();
    std::fs::File::open(path)?.take(FILE_BYTES).read_to_string(&mut text)?;
    Ok(text)
}

/// Puts a new file in the place of the old one. A link stays one, because some keep their configuration elsewhere.
fn replace(path: &Path, text: &str) -> io::Result<()> {
    let path = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let new = path.with_extension("toml.new");
    // What another client left behind when it was killed.
    let _ = std::fs::remove_file(&new);
    let written = private(&new).and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        file.sync_data()?;
        std::fs::rename(&new, &path)
    });
    if written.is_err() {
        let _ = std::fs::remove_file(&new);
    }
    written
}

fn private(path: &Path) -> io::Result<std::fs::File> {
    std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::screen::notify::Notify;
    use crate::screen::theme::Theme;
    use std::os::unix::fs::PermissionsExt as _;

    fn file(dir: &Path) -> File {
        File { path: Some(dir.join("c/torchat/client.toml")), lock: Some(dir.join("s/torchat/client.lock")) }
    }

    #[test]
    fn clients_of_one_user_keep_what_the_other_has_set() {
        let dir = tempfile::tempdir().unwrap();
        let (one, two) = (file(dir.path()), file(dir.path()));
        assert_eq!(one.read(), (Settings::default(), None));
        one.change(&Change::Theme(Theme::Light)).unwrap();
        let both = two.change(&Change::Notify(Notify::Bell)).unwrap();
        assert_eq!((both.theme, both.notify), (Some(Theme::Light), Some(Notify::Bell)));
        assert_eq!(one.read().0, both);
        let path = one.path.clone().unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(std::fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "only the file");
    }

    #[test]
    fn a_file_with_an_error_costs_no_start_and_is_not_written_over() {
        let dir = tempfile::tempdir().unwrap();
        let file = file(dir.path());
        file.change(&Change::Mouse(true)).unwrap();
        let path = file.path.clone().unwrap();
        std::fs::write(&path, "mouse = true\nthme = 1\n").unwrap();
        let (settings, error) = file.read();
        assert_eq!(settings, Settings::default());
        assert!(error.unwrap().contains("client.toml: line 2: "));
        assert!(file.change(&Change::Mouse(false)).unwrap_err().contains("line 2: "));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "mouse = true\nthme = 1\n");
        // Not text, or a directory: the same.
        std::fs::write(&path, [0xff, 0xfe]).unwrap();
        assert!(file.read().1.is_some());
        std::fs::remove_file(&path).unwrap();
        std::fs::create_dir(&path).unwrap();
        assert!(file.read().1.is_some());
    }

    #[test]
    fn a_link_to_the_file_stays_a_link() {
        let dir = tempfile::tempdir().unwrap();
        let file = file(dir.path());
        let path = file.path.clone().unwrap();
        let real = dir.path().join("dotfiles.toml");
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&real, "# mine\n").unwrap();
        std::os::unix::fs::symlink(&real, &path).unwrap();
        file.change(&Change::Mouse(true)).unwrap();
        assert!(path.is_symlink());
        assert_eq!(std::fs::read_to_string(&real).unwrap(), "# mine\nmouse = true\n");
    }
}
