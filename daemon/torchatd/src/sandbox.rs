//! The sandbox: the kernel refuses the daemon what it never needs, so that a hole in a parser or in arti is worth less.
//!
//! Landlock says what may be read, written and executed; seccomp refuses system calls by which one process becomes another
//! or gets at others. Both hold for the calling thread and those that it starts, so it is entered before the first one, and
//! after everything outside was checked. Both are inherited over an execution and cannot be taken back: a process that took
//! another one's place is in the sandbox of the first start already, and does not enter another (the 17th layer of Landlock
//! would be refused with E2BIG).
//!
//! What the kernel does not know is left out. A start never fails by it; STATUS says what holds.

mod calls;

use landlock::{
    ABI, Access, AccessFs, CompatLevel, Compatible, PathBeneath, PathFd, Ruleset, RulesetAttr, RulesetCreatedAttr,
    RulesetError, RulesetStatus, Scope,
};
use serde::Deserialize;
use std::path::PathBuf;

/// What stands in `[sandbox]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Wanted {
    pub(crate) landlock: bool,
    pub(crate) seccomp: bool,
}

impl Default for Wanted {
    fn default() -> Self {
        Self { landlock: true, seccomp: true }
    }
}

/// For the process that takes our place: what holds, after its process id as in the variable that says that it inherits.
pub(crate) const VARIABLE: &str = "TORCHATD_SANDBOX";

/// What holds, for STATUS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Confined(String);

impl Confined {
    /// In a process that took another one's place.
    pub(crate) fn inherited() -> Self {
        let own = format!("{} ", std::process::id());
        let said = std::env::var(VARIABLE).ok().and_then(|text| text.strip_prefix(&own).map(str::to_owned));
        Self(said.unwrap_or_else(|| {
            "none: the process was started by a version without one, until it is started anew".into()
        }))
    }

    /// For people: begins with `on`, `partly` or `none`.
    pub(crate) fn sentence(&self) -> &str {
        &self.0
    }

    /// For the process that takes our place.
    pub(crate) fn variable(&self) -> String {
        format!("{} {}", std::process::id(), self.0)
    }
}

/// The places that the daemon needs.
#[derive(Debug, Default)]
pub(crate) struct Needs {
    /// Read and written, with everything below.
    pub(crate) write: Vec<PathBuf>,
    /// Where sockets are made and removed, and nothing is read or written.
    pub(crate) sockets: Vec<PathBuf>,
    /// Where empty directories are removed.
    pub(crate) made: Vec<PathBuf>,
    /// Read, with everything below.
    pub(crate) read: Vec<PathBuf>,
    /// Read and executed, with everything below: the program's own file, for a replacement, and its libraries.
    pub(crate) execute: Vec<PathBuf>,
    /// Where SQLite puts a sort that outgrows its memory.
    pub(crate) scratch: Option<PathBuf>,
}

/// Enters the sandbox, as far as it is wanted and the kernel has it. Only for a process without further threads.
pub(crate) fn enter(wanted: &Wanted, needs: &Needs) -> Confined {
    let landlock = match wanted.landlock.then(|| confine(needs)) {
        None => Err("landlock is switched off".to_owned()),
        Some(Ok(RulesetStatus::FullyEnforced)) => Ok("landlock"),
        Some(Ok(RulesetStatus::PartiallyEnforced)) => Ok("landlock (as far as this kernel has it)"),
        Some(Ok(RulesetStatus::NotEnforced)) => Err("this kernel has no landlock".to_owned()),
        Some(Err(error)) => Err(format!("landlock failed: {error}")),
    };
    let seccomp = match wanted.seccomp.then(calls::refuse) {
        None => Err("seccomp is switched off".to_owned()),
        Some(Ok(())) => Ok("seccomp"),
        Some(Err(error)) => Err(format!("seccomp failed: {error}")),
    };
    Confined(match (landlock, seccomp) {
        (Ok(files), Ok(calls)) => format!("on: {files}, {calls}"),
        (Ok(part), Err(why)) | (Err(why), Ok(part)) => format!("partly: {part}; {why}"),
        (Err(files), Err(calls)) => format!("none: {files}; {calls}"),
    })
}

fn confine(needs: &Needs) -> Result<RulesetStatus, RulesetError> {
    // The newest that was tried. Connections to sockets in the file system and the network stay free: what is reached there
    // is decided by the configuration, and by Tor.
    const KNOWN: ABI = ABI::V6;
    let all = AccessFs::from_all(KNOWN);
    let read = AccessFs::ReadFile | AccessFs::ReadDir;
    let execute = AccessFs::from_read(KNOWN);
    let scratch =
        AccessFs::ReadFile | AccessFs::WriteFile | AccessFs::MakeReg | AccessFs::RemoveFile | AccessFs::Truncate;
    // No program is run from where we write, and nothing but files, directories and sockets is made there.
    let write = all & !(AccessFs::Execute | AccessFs::MakeBlock | AccessFs::MakeChar | AccessFs::MakeFifo);
    let ruleset = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(all)?
        .scope(Scope::AbstractUnixSocket | Scope::Signal)?
        .create()?;
    let sockets = AccessFs::MakeSock | AccessFs::RemoveFile;
    let rules = [
        (&needs.write, write),
        (&needs.sockets, sockets),
        (&needs.made, AccessFs::RemoveDir.into()),
        (&needs.read, read),
        (&needs.execute, execute),
    ];
    let rules = rules.into_iter().flat_map(|(paths, access)| paths.iter().map(move |path| (path, access)));
    let mut ruleset = ruleset;
    for (path, access) in rules.chain(needs.scratch.iter().map(|path| (path, scratch))) {
        // What is not there needs no rule.
        let Ok(fd) = PathFd::new(path) else { continue };
        // A right that is about directories is refused for a file.
        let access = if path.is_dir() { access } else { access & AccessFs::from_file(KNOWN) };
        ruleset = ruleset.add_rule(PathBeneath::new(fd, access))?;
    }
    Ok(ruleset.restrict_self()?.ruleset)
}

#[cfg(test)]
mod tests;
