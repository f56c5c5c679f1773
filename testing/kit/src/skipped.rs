//! The one way in which a test says that it could not try what it is for, because the machine lacks something.
//!
//! A test that passes in silence where it tried nothing is worse than none. `cargo xtask test` collects what is said here
//! and compares it with docs/SECURITY.md, which knows the reasons.

use std::io::Write as _;

/// The variable that names the file to which the lines are appended.
pub const FILE: &str = "TORCHAT_SKIPPED";

/// The test must be started by root: it runs a program of another user.
pub const NOT_ROOT: &str = "not root";
/// OpenBSD's `nc` is missing.
pub const NO_NC: &str = "no nc";
/// `jq` is missing.
pub const NO_JQ: &str = "no jq";
/// `tmux` is missing.
pub const NO_TMUX: &str = "no tmux";
/// No user namespace can be made here: `unshare`, of util-linux, is missing, or the system forbids it.
pub const NO_NAMESPACE: &str = "no user namespace";
/// `setpriv`, of util-linux, is missing.
pub const NO_SETPRIV: &str = "no setpriv";

/// The kernel has no Landlock, or no seccomp.
pub const NO_SANDBOX: &str = "no sandbox";

/// Says on the terminal, and in the file that the run's command has named, that a test was not tried, and why. The reason
/// stands in docs/SECURITY.md, or the whole run fails.
///
/// # Panics
/// If `CI` is `true` or `1`: a machine that exists to try everything must be able to. Also when the line cannot be written.
pub fn skipped(test: &str, reason: &str) {
    let line = format!("SKIPPED: {test}: {reason}\n");
    // Not by a macro: what those print is hidden when a test passes.
    let _ = std::io::stderr().write_all(line.as_bytes());
    if let Some(file) = std::env::var_os(FILE) {
        // One write of less than a page to a file that is only appended to: lines of several processes stay whole.
        let written = std::fs::File::options().append(true).create(true).open(file);
        written.and_then(|mut file| file.write_all(line.as_bytes())).expect("the file of what was skipped");
    }
    let strict = std::env::var_os("CI").is_some_and(|value| value == "true" || value == "1");
    assert!(!strict, "nothing may be skipped where CI is set: {}", line.trim_end());
}

/// Whether this process is root's; says it under the test's name if it is not.
#[must_use]
pub fn is_root(test: &str) -> bool {
    let root = rustix::process::geteuid().is_root();
    if !root {
        skipped(test, NOT_ROOT);
    }
    root
}
