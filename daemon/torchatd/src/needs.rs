//! What a daemon needs of the machine's files, for its sandbox.

use crate::cli::Args;
use crate::places;
use crate::prepare::Ready;
use crate::replace::Program;
use crate::sandbox::Needs;
use std::path::{Path, PathBuf};

/// Programs and their libraries.
pub(crate) const PROGRAMS: [&str; 8] = ["/usr", "/bin", "/lib", "/lib32", "/lib64", "/opt", "/nix/store", "/gnu/store"];
/// What libraries read: names of users and groups, time, limits of memory, connections of local programs.
pub(crate) const READ: [&str; 3] = ["/etc", "/proc", "/sys"];
pub(crate) const DEVICES: [&str; 4] = ["/dev/null", "/dev/zero", "/dev/urandom", "/dev/random"];

impl Needs {
    pub(crate) fn of(args: &Args, ready: &Ready, program: &Program) -> Self {
        let mut needs = Self::default();
        let above = |path: &Path| path.parent().map(Path::to_owned);
        needs.write.extend([ready.data.path().to_owned(), ready.log_dir.clone()]);
        // A socket is removed at the end, and one for a group made anew by a replacement.
        needs.sockets.extend(above(&ready.socket));
        needs.sockets.extend(ready.config.group().and_then(|group| above(&group.path)));
        // What this start has made it removes if it comes to nothing.
        needs.made.extend(ready.undo.directories().iter().filter_map(|dir| above(dir)));
        needs.write.extend(DEVICES.map(PathBuf::from));
        needs.read.extend(READ.map(PathBuf::from));
        for file in [&args.config, &args.torrc].into_iter().flatten().chain(&places::config_path()) {
            needs.read.push(file.clone());
            // An editor puts a new file in its place. A directory in which more than that is to be found is not opened for it.
            needs.read.extend(above(file).filter(|dir| !places::holds_home(dir)));
        }
        needs.execute.extend(PROGRAMS.map(PathBuf::from));
        let files = [Some(program.path().to_owned()), program.path().canonicalize().ok()];
        needs
            .execute
            .extend(files.into_iter().flatten().filter_map(|file| above(&file)).filter(|dir| !places::holds_home(dir)));
        needs.execute.push(program.path().to_owned());
        needs.scratch = scratch();
        needs
    }
}

/// The first of the directories that SQLite would take.
fn scratch() -> Option<PathBuf> {
    let named = ["SQLITE_TMPDIR", "TMPDIR"].into_iter().filter_map(std::env::var_os).map(PathBuf::from);
    named.chain(["/var/tmp", "/usr/tmp", "/tmp"].map(PathBuf::from)).find(|dir| places::writable(dir).is_ok())
}
