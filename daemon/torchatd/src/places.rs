//! Where things are: the default directories, and whether a directory could be used, asked before anything is made.

use crate::exit::{Code, Failure};
use directories::BaseDirs;
use rustix::fs::Access;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// The name of our directory below each of the XDG directories.
const OURS: &str = "torchatd";
/// `sun_path` holds 108 bytes with the final zero.
const MAX_SOCKET_PATH: usize = 107;

/// The default data directory.
pub(crate) fn default_data_dir() -> Result<PathBuf, Failure> {
    let no_home = || Failure::new(Code::DataDir, "there is no home directory (HOME): name one with --data-dir");
    Ok(BaseDirs::new().ok_or_else(no_home)?.data_dir().join(OURS))
}

/// The default configuration, if that file exists.
pub(crate) fn default_config() -> Option<PathBuf> {
    let file = BaseDirs::new()?.config_dir().join(OURS).join("torchatd.toml");
    file.exists().then_some(file)
}

/// Where the logs go: the option; else `./logs` of a checkout, which is where `./torrc` and `./logs/` both stand; else
/// the user's directory for state.
pub(crate) fn log_dir(option: Option<&Path>) -> Result<PathBuf, Failure> {
    if let Some(dir) = option {
        return absolute(dir);
    }
    if Path::new("torrc").is_file() && Path::new("logs").is_dir() {
        return absolute(Path::new("logs"));
    }
    let base = BaseDirs::new().ok_or_else(|| Failure::other("there is no home directory (HOME): use --log-dir"))?;
    // `state_dir` is None only on other systems than Linux.
    Ok(base.state_dir().unwrap_or(base.data_local_dir()).join(OURS))
}

/// A path that does not depend on the working directory.
pub(crate) fn absolute(path: &Path) -> Result<PathBuf, Failure> {
    std::path::absolute(path).map_err(|error| Failure::other(format!("`{}`: {error}", path.display())))
}

/// Whether a path fits into a socket's address.
pub(crate) fn check_socket_path(path: &Path) -> Result<(), Failure> {
    let bytes = path.as_os_str().len();
    if bytes <= MAX_SOCKET_PATH {
        return Ok(());
    }
    Err(Failure::other(format!(
        "the path of the control socket has {bytes} bytes, the system takes {MAX_SOCKET_PATH}: {} (name a shorter one \
         with --socket)",
        path.display()
    )))
}

/// Whether we may make entries in an existing directory.
pub(crate) fn writable(dir: &Path) -> io::Result<()> {
    if !dir.metadata()?.is_dir() {
        return Err(io::ErrorKind::NotADirectory.into());
    }
    Ok(rustix::fs::access(dir, Access::WRITE_OK | Access::EXEC_OK)?)
}

/// Whether a directory that does not exist could be made, with or without its parents.
pub(crate) fn creatable(dir: &Path, parents: bool) -> io::Result<()> {
    let parent = dir.parent().ok_or(io::ErrorKind::NotFound)?;
    match writable(parent) {
        Err(error) if parents && error.kind() == io::ErrorKind::NotFound => creatable(parent, true),
        result => result,
    }
}

/// Makes a directory that only we may enter, with or without its parents. An existing one stays as it is.
pub(crate) fn make_private(dir: &Path, parents: bool) -> io::Result<()> {
    match std::fs::DirBuilder::new().recursive(parents).mode(0o700).create(dir) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && dir.is_dir() => Ok(()),
        result => result,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::os::unix::fs::MetadataExt;

    #[test]
    fn directories_are_checked_without_being_made() {
        let dir = tempfile::tempdir().unwrap();
        let deep = dir.path().join("a/b");
        assert_eq!(creatable(&deep, false).unwrap_err().kind(), io::ErrorKind::NotFound);
        creatable(&deep, true).unwrap();
        creatable(&dir.path().join("a"), false).unwrap();
        std::fs::write(dir.path().join("file"), "").unwrap();
        let below_file = dir.path().join("file/x");
        assert_eq!(creatable(&below_file, true).unwrap_err().kind(), io::ErrorKind::NotADirectory);
        assert_eq!(dir.path().read_dir().unwrap().count(), 1);
    }

    #[test]
    fn made_directories_are_private() {
        let dir = tempfile::tempdir().unwrap();
        let deep = dir.path().join("a/b");
        make_private(&deep, true).unwrap();
        make_private(&deep, true).unwrap();
        make_private(&deep, false).unwrap();
        assert_eq!(deep.metadata().unwrap().mode() & 0o7777, 0o700);
        assert_eq!(dir.path().join("a").metadata().unwrap().mode() & 0o7777, 0o700);
    }

    #[test]
    fn a_socket_path_has_at_most_107_bytes() {
        let path = |bytes: usize| PathBuf::from(format!("/{}", "s".repeat(bytes - 1)));
        check_socket_path(&path(107)).unwrap();
        let failure = check_socket_path(&path(108)).unwrap_err();
        assert!(failure.message.contains("108 bytes") && failure.message.contains("--socket"), "{failure}");
    }
}
