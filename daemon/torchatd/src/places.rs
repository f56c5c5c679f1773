//! Where things are: the default directories, and whether a directory could be used, asked before anything is made.

use crate::exit::{Code, Failure};
use crate::undo::Undo;
use rustix::fs::Access;
use std::fs::Metadata;
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Component, Path, PathBuf};
use torchat_protocol::home;

/// The name of our directory below each of the XDG directories.
const OURS: &str = "torchatd";
/// Why there is no default.
pub(crate) const NO_HOME: &str = "there is no home directory (HOME must be an absolute path)";
/// `sun_path` holds 108 bytes with the final zero.
const MAX_SOCKET_PATH: usize = 107;

/// The user's home, found as every client finds it: see `torchat_protocol::home`.
pub(crate) fn home() -> Option<PathBuf> {
    home::home(std::env::var_os("HOME").as_deref(), std::env::home_dir)
}

/// Our directory below one of the XDG directories.
fn ours(variable: &str, below: &str) -> Option<PathBuf> {
    Some(home::base(std::env::var_os(variable).as_deref(), home().as_deref(), below)?.join(OURS))
}

/// The default data directory.
pub(crate) fn default_data_dir() -> Result<PathBuf, Failure> {
    let no_home = || Failure::new(Code::DataDir, format!("{NO_HOME}: name a directory with --data-dir"));
    ours("XDG_DATA_HOME", home::DATA).ok_or_else(no_home)
}

/// The default configuration, if that file exists.
pub(crate) fn default_config() -> Option<PathBuf> {
    config_path().filter(|file| file.exists())
}

/// Where the logs go: the option; else `./logs` of a [`checkout`]; else the user's directory for state.
pub(crate) fn log_dir(option: Option<&Path>) -> Result<PathBuf, Failure> {
    if let Some(dir) = option {
        return absolute(dir);
    }
    if let Some(logs) = checkout() {
        return Ok(logs);
    }
    ours("XDG_STATE_HOME", home::STATE).ok_or_else(|| Failure::other(format!("{NO_HOME}: use --log-dir")))
}

/// A path that does not depend on the working directory, nor on a directory that is only passed through by `..`: both may
/// go while the daemon runs.
pub(crate) fn absolute(path: &Path) -> Result<PathBuf, Failure> {
    let absolute = std::path::absolute(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => Failure::other(format!("`{}`: the working directory is gone", path.display())),
        _ => Failure::other(format!("`{}`: {error}", path.display())),
    })?;
    if !absolute.components().any(|part| part == Component::ParentDir) {
        return Ok(absolute);
    }
    let resolved = match (absolute.parent(), absolute.file_name()) {
        // The last part may be missing yet, or be a link that will lead elsewhere.
        (Some(parent), Some(name)) => parent.canonicalize().map(|parent| parent.join(name)),
        _ => absolute.canonicalize(),
    };
    Ok(resolved.unwrap_or(absolute))
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

/// Makes a directory that only we may enter, with or without its parents, and notes what it made. An existing one stays as
/// it is.
pub(crate) fn make_private(dir: &Path, parents: bool, undo: &mut Undo) -> io::Result<()> {
    match std::fs::DirBuilder::new().mode(0o700).create(dir) {
        Ok(()) => {
            undo.made(dir);
            Ok(())
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && dir.is_dir() => Ok(()),
        Err(error) if parents && error.kind() == io::ErrorKind::NotFound => {
            make_private(dir.parent().ok_or(io::ErrorKind::NotFound)?, true, undo)?;
            make_private(dir, false, undo)
        }
        result => result,
    }
}

/// Whether what stands in a directory may be replaced by others than us: it is another user's, or others may write to it. A
/// group that is ours alone, as many systems make one for each user, is nobody else.
fn is_open_to_others(metadata: &Metadata) -> bool {
    let (uid, gid) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
    let own_group = metadata.gid() == gid && gid == uid;
    let writers = if own_group { 0o002 } else { 0o022 };
    metadata.uid() != uid || metadata.mode() & writers != 0
}

/// The working directory, if it is a checkout of ours: `./torrc` and `./logs/` stand in it, no links, and nobody else may
/// write to any of the three. Else its maker could read the logs, or lead them into another file of ours.
fn checkout() -> Option<PathBuf> {
    let here = std::env::current_dir().ok()?;
    let ours = |path: &Path, is_kind: fn(&Metadata) -> bool| {
        path.symlink_metadata().is_ok_and(|metadata| is_kind(&metadata) && !is_open_to_others(&metadata))
    };
    let logs = here.join("logs");
    let all =
        ours(&here, Metadata::is_dir) && ours(&here.join("torrc"), Metadata::is_file) && ours(&logs, Metadata::is_dir);
    all.then_some(logs)
}

/// Whether a directory is our home directory or stands above it, so that much more than we need is below it.
pub(crate) fn holds_home(dir: &Path) -> bool {
    home().is_none_or(|home| home.starts_with(dir))
}

/// Where the default configuration would be.
pub(crate) fn config_path() -> Option<PathBuf> {
    Some(ours("XDG_CONFIG_HOME", home::CONFIG)?.join("torchatd.toml"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_default_directory_is_that_of_the_table_which_the_clients_are_tested_with_too() {
        let table: serde_json::Value =
            serde_json::from_str(include_str!("../../../clients/core/golden/places.json")).unwrap();
        for row in table.as_array().unwrap() {
            let text = |key: &str| row[key].as_str().map(std::ffi::OsStr::new);
            let home = home::home(text("home"), || text("entry").map(PathBuf::from));
            let found = home::base(text("data_home"), home.as_deref(), home::DATA).map(|base| base.join(OURS));
            assert_eq!(found, text("directory").map(PathBuf::from), "{}", row["about"]);
        }
    }

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
    fn what_others_may_replace_is_not_trusted() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let judged = |mode: u32| {
            std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(mode)).unwrap();
            is_open_to_others(&dir.path().metadata().unwrap())
        };
        assert!(!judged(0o700) && !judged(0o755) && judged(0o777) && judged(0o757));
    }

    #[test]
    fn a_path_does_not_lead_through_what_may_go() {
        let dir = tempfile::tempdir().unwrap();
        let real = dir.path().canonicalize().unwrap();
        std::fs::create_dir(real.join("start")).unwrap();
        assert_eq!(absolute(&real.join("start/../d")).unwrap(), real.join("d"));
        assert_eq!(absolute(&real.join("start/../x/y")).unwrap(), real.join("start/../x/y"), "not to be resolved yet");
        assert_eq!(absolute(&real.join("start/..")).unwrap(), real);
        std::os::unix::fs::symlink("start", real.join("link")).unwrap();
        assert_eq!(absolute(&real.join("link/d")).unwrap(), real.join("link/d"), "a link stays one");
        assert!(absolute(Path::new("x")).unwrap().is_absolute());
    }

    #[test]
    fn made_directories_are_private() {
        let dir = tempfile::tempdir().unwrap();
        let deep = dir.path().join("a/b");
        let mut undo = Undo::default();
        make_private(&deep, true, &mut undo).unwrap();
        make_private(&deep, true, &mut undo).unwrap();
        make_private(&deep, false, &mut undo).unwrap();
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
