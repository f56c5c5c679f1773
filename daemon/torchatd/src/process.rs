//! What the process sets for itself before it does anything else.

use rustix::fs::Mode;
use rustix::process::{DumpableBehavior, Resource, Rlimit, getrlimit, set_dumpable_behavior, setrlimit, umask};

/// Open files that we ask for: 2,048 local connections, the links and Tor's circuits fit many times.
const OPEN_FILES: u64 = 65_536;

/// Only the owner may enter what we make; the memory, which holds keys, is neither dumped nor shown to a debugger of the
/// same user. What the system refuses here is not worth refusing to start.
pub(crate) fn harden() {
    umask(Mode::RWXG | Mode::RWXO);
    let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) });
    let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
    raise_open_files();
}

/// Raises the soft limit of open files towards the hard one. 1,024, the usual soft limit, exists for `select` only.
fn raise_open_files() {
    let limit = getrlimit(Resource::Nofile);
    let wanted = limit.maximum.unwrap_or(OPEN_FILES).min(OPEN_FILES);
    if limit.current.is_some_and(|current| current < wanted) {
        let _ = setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum: limit.maximum });
    }
}
