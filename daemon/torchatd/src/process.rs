//! What the process sets for itself before it does anything else, and what it gets rid of: signals, descriptors and
//! directory are whatever the program that started us had, and would stay with a daemon for months.

use rustix::fs::Mode;
use rustix::process::{DumpableBehavior, Resource, Rlimit, getrlimit, set_dumpable_behavior, setrlimit, umask};
use signal_hook::consts::{SIGCHLD, SIGHUP, SIGTERM, SIGUSR2, SIGXFSZ};
use std::ffi::OsStr;
use std::os::fd::RawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Open files that we ask for: 2,048 local connections, the links and Tor's circuits fit many times.
const OPEN_FILES: u64 = 65_536;
/// Signals that must not stay ignored because the program that started us ignored them. SIGPIPE is ignored on purpose, and
/// what a shell ignores for jobs in its background (SIGINT, SIGQUIT) stays as the shell wants it.
const RESET: [i32; 4] = [SIGCHLD, SIGTERM, SIGHUP, SIGUSR2];
/// Signals that mean nothing to the daemon and would end it by the system's default, with its pid and socket left behind. It
/// ignores them, as it does the real-time ones. What a fault of the program raises (SIGSEGV, SIGABRT and their like), SIGQUIT
/// and SIGXCPU still end it at once.
pub(crate) const IGNORED: [(i32, &str); 7] = [
    (libc::SIGUSR1, "SIGUSR1"),
    (libc::SIGALRM, "SIGALRM"),
    (libc::SIGVTALRM, "SIGVTALRM"),
    (libc::SIGPROF, "SIGPROF"),
    (libc::SIGIO, "SIGIO"),
    (libc::SIGSTKFLT, "SIGSTKFLT"),
    (libc::SIGPWR, "SIGPWR"),
];

/// The signals that are ignored, by their numbers.
pub(crate) fn meaningless() -> impl Iterator<Item = i32> {
    IGNORED.into_iter().map(|(signal, _)| signal).chain(libc::SIGRTMIN()..=libc::SIGRTMAX())
}

/// What people call one of them.
pub(crate) fn name_of(signal: i32) -> String {
    let named = IGNORED.into_iter().find(|(number, _)| *number == signal);
    named.map_or_else(|| format!("the real-time signal {signal}"), |(_, name)| name.to_owned())
}

/// Only the owner may enter what we make; the memory, which holds keys, is neither dumped nor shown to a debugger of the
/// same user. What the system refuses here is not worth refusing to start.
pub(crate) fn harden() {
    umask(Mode::RWXG | Mode::RWXO);
    let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) });
    let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
    raise_open_files();
    // What a shell allowed for one file of its jobs would end a store.
    let size = getrlimit(Resource::Fsize);
    let _ = setrlimit(Resource::Fsize, Rlimit { current: size.maximum, maximum: size.maximum });
}

/// Raises the soft limit of open files towards the hard one. 1,024, the usual soft limit, exists for `select` only.
fn raise_open_files() {
    let limit = getrlimit(Resource::Nofile);
    let wanted = limit.maximum.unwrap_or(OPEN_FILES).min(OPEN_FILES);
    if limit.current.is_some_and(|current| current < wanted) {
        let _ = setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum: limit.maximum });
    }
}

/// The signals that were reset; [`Defaults::end`] when the daemon takes care of them itself.
pub(crate) struct Defaults(Arc<AtomicBool>);

impl Defaults {
    /// From now on the handlers of the runtime alone count.
    pub(crate) fn end(&self) {
        self.0.store(false, Ordering::SeqCst);
    }
}

/// Blocks no signal, and gives those that are ignored their usual effect. Without this a daemon could not be stopped by
/// SIGTERM, and a starter whose children are reaped by the system (SIGCHLD ignored) could not wait for its daemon.
///
/// A handler that does what the system would do, instead of the system's own default, because the call for that cannot be
/// made without `unsafe`. An execution turns handlers into defaults, so our children start with those.
pub(crate) fn reset_signals() -> Defaults {
    // Not worth refusing to start, as above.
    if let Ok(none) = uapi::empty_sig_set() {
        let _ = uapi::pthread_sigmask(libc::SIG_SETMASK, Some(&none), None);
    }
    let ignored = ignored_signals();
    let as_usual = Arc::new(AtomicBool::new(true));
    for signal in RESET {
        // Bit 0 is signal 1.
        if ignored.is_none_or(|ignored| ignored >> (signal - 1) & 1 == 1) {
            let _ = signal_hook::flag::register_conditional_default(signal, as_usual.clone());
        }
    }
    // A limit on the size of files, if it cannot be raised, is an error like a full disk and not the end.
    let _ = signal_hook::flag::register(SIGXFSZ, Arc::default());
    for signal in meaningless() {
        let _ = signal_hook::flag::register(signal, Arc::default());
    }
    Defaults(as_usual)
}

/// From `/proc`; `None` where that is not to be had.
fn ignored_signals() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"))?;
    u64::from_str_radix(mask.trim(), 16).ok()
}

/// Closes what was open when we were started: a lock or a pipe of the program that started us would live as long as the
/// daemon. The standard streams stay, and what an argument names (`/dev/fd/7`, as shells write it for `<(command)`).
///
/// To be called before anything of ours is open. It is the one place where descriptors are closed that nobody owns: at this
/// moment nothing in the process does.
pub(crate) fn close_inherited(arguments: impl Iterator<Item = impl AsRef<OsStr>>) {
    let kept: Vec<RawFd> = arguments.filter_map(|argument| named(argument.as_ref())).collect();
    let open: Vec<RawFd> = match std::fs::read_dir("/proc/self/fd") {
        Ok(entries) => entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect(),
        Err(_) => (3..RawFd::try_from(OPEN_FILES).unwrap_or(RawFd::MAX)).collect(),
    };
    for number in open.into_iter().filter(|number| *number > 2 && !kept.contains(number)) {
        // The list itself was read by one of them, which is closed already and fails.
        let _ = uapi::close(uapi::OwnedFd::new(number));
    }
}

fn named(argument: &OsStr) -> Option<RawFd> {
    let text = argument.to_str()?;
    // As an argument of its own or as `--config=/dev/fd/7`.
    let path = text.split_once('=').map_or(text, |(_, path)| path);
    let number = path.strip_prefix("/dev/fd/").or_else(|| path.strip_prefix("/proc/self/fd/"))?;
    number.parse().ok().filter(|number| *number > 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_descriptor_that_an_argument_names_is_known() {
        for (argument, number) in [
            ("/dev/fd/63", Some(63)),
            ("--config=/dev/fd/7", Some(7)),
            ("/proc/self/fd/9", Some(9)),
            ("/dev/fd/1", None),
            ("/dev/fd/x", None),
            ("--config", None),
        ] {
            assert_eq!(named(OsStr::new(argument)), number, "{argument}");
        }
    }

    #[test]
    fn what_is_ignored_is_read_from_the_system() {
        // Rust ignores SIGPIPE, which is 13.
        assert!(ignored_signals().is_some_and(|ignored| ignored >> 12 & 1 == 1));
    }
}
