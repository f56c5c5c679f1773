//! The logs: `torchatd.log` (events), `error.log` (warnings and errors), `audit.log` (who did what with administrative rights),
//! and standard error in the foreground.
//!
//! What others can cause must not turn a log over, and with it what it told of before: the audit has a file of its own, and of one
//! kind of line a log takes [`flood::LINES`] a minute ([`flood`]).
//!
//! A log may be stolen, so it holds no message text, no full onion ([`scrub`]), and times to the second only. Of the
//! libraries only warnings are written.

mod flood;
mod quiet;
mod rotate;
mod scrub;

use crate::cli::Level;
use flood::{Flood, LeftOut};
use parking_lot::Mutex;
use quiet::Quiet;
use rotate::Rotating;
use std::fmt;
use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};
use torchat_control::LogLevelHook;
use torchat_protocol::control::words;
use tracing::level_filters::LevelFilter;
use tracing::{Event, Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{FilterExt, Targets};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::FormatTime;
use tracing_subscriber::layer::{Context, Filter, SubscriberExt};
use tracing_subscriber::reload;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};

impl From<Level> for LevelFilter {
    fn from(level: Level) -> Self {
        match level {
            Level::Error => Self::ERROR,
            Level::Warn => Self::WARN,
            Level::Info => Self::INFO,
            Level::Debug => Self::DEBUG,
            Level::Trace => Self::TRACE,
        }
    }
}

/// The open logs.
#[derive(Debug, Clone)]
pub(crate) struct Logs {
    files: [LogFile; 3],
    levels: Levels,
}

/// Sets the levels of everything that is installed.
#[derive(Clone, Default)]
struct Levels(Arc<Mutex<Vec<SetLevel>>>);

type SetLevel = Box<dyn Fn(Level) -> Result<(), reload::Error> + Send + Sync>;

impl Levels {
    fn set(&self, level: Level) -> Result<(), reload::Error> {
        self.0.lock().iter().try_for_each(|set| set(level))
    }

    /// A filter whose level can be set later. `targets` makes it of a level; `quiet` counts what is left out.
    fn filter<S>(
        &self,
        level: Level,
        targets: fn(Level) -> Targets,
        quiet: Option<Arc<Quiet>>,
    ) -> impl Filter<S> + Send + Sync + use<S>
    where
        S: Subscriber,
    {
        let (filter, handle) = reload::Layer::new(targets(level));
        self.0.lock().push(Box::new(move |level| handle.reload(targets(level))));
        filter.and(Harmless(quiet))
    }
}

impl fmt::Debug for Levels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Levels(..)")
    }
}

impl Logs {
    /// Opens the files in an existing directory.
    pub(crate) fn open(dir: &Path) -> io::Result<Self> {
        let flood = || Some(Arc::default());
        let open = |name, flood| LogFile::open(&dir.join(name), flood, None);
        let events = LogFile::open(&dir.join("torchatd.log"), flood(), Some(Arc::default()))?;
        // Every line of the audit counts: nobody without rights can cause more than one a minute.
        let files = [events, open("error.log", flood())?, open("audit.log", None)?];
        Ok(Self { files, levels: Levels::default() })
    }

    /// Opens the files again, after they were moved away.
    pub(crate) fn reopen(&self) -> io::Result<()> {
        self.files.iter().try_for_each(|log| log.file.lock().reopen())
    }

    /// Sends everything that is traced from now on to the logs and, in the foreground, to standard error.
    pub(crate) fn install(&self, level: Level, foreground: bool) -> Result<(), TryInitError> {
        let stderr = foreground.then(|| {
            let colours = io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|no| no.is_empty());
            line_format(ToStderr::default(), colours).with_filter(self.levels.filter(level, shown, None))
        });
        self.subscriber(level).with(stderr).try_init()
    }

    fn subscriber(
        &self,
        level: Level,
    ) -> impl Subscriber + for<'a> tracing_subscriber::registry::LookupSpan<'a> + use<> {
        let [events, errors, audit] = self.files.clone();
        let quiet = events.quiet.clone();
        tracing_subscriber::registry()
            .with(line_format(events, false).with_filter(self.levels.filter(level, kept, quiet)))
            .with(line_format(errors, false).with_filter(self.levels.filter(level, failed, None)))
            // At every level: else a program that may set the level could hide what it did.
            .with(line_format(audit, false).with_filter(Targets::new().with_target(AUDIT, LevelFilter::INFO)))
    }

    /// For LOG_LEVEL: sets what is logged until the daemon ends.
    pub(crate) fn level_hook(&self) -> LogLevelHook {
        let levels = self.levels.clone();
        LogLevelHook::new(move |level| {
            let level = <Level as clap::ValueEnum>::from_str(level, false)
                .map_err(|_| format!("{level:?} is not one of error, warn, info, debug, trace"))?;
            levels.set(level).map_err(|error| error.to_string())
        })
    }
}

fn line_format<S, W>(writer: W, colours: bool) -> impl Layer<S>
where
    S: Subscriber + for<'a> tracing_subscriber::registry::LookupSpan<'a>,
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    tracing_subscriber::fmt::layer().with_writer(writer).with_ansi(colours).with_timer(Seconds::new())
}

/// Our own targets at the chosen level, arti and all other libraries at most at warn.
fn shown(level: Level) -> Targets {
    let libraries = LevelFilter::from(level.min(Level::Warn));
    Targets::new().with_default(libraries).with_target("torchat", level).with_target(AUDIT, level)
}

/// What goes to torchatd.log.
fn kept(level: Level) -> Targets {
    shown(level).with_target(AUDIT, LevelFilter::OFF)
}

/// What goes to error.log.
fn failed(level: Level) -> Targets {
    kept(level.min(Level::Warn))
}

/// The target of the control server's audit.
const AUDIT: &str = "audit";

/// Drops warnings that say nothing to an operator, and counts them where a log is to say how many.
struct Harmless(Option<Arc<Quiet>>);

impl<S> Filter<S> for Harmless {
    fn enabled(&self, _: &Metadata<'_>, _: &Context<'_, S>) -> bool {
        true
    }

    fn event_enabled(&self, event: &Event<'_>, _: &Context<'_, S>) -> bool {
        let harmless = quiet::is_harmless(event);
        if let Some(quiet) = self.0.as_ref().filter(|_| harmless) {
            quiet.count();
        }
        !harmless
    }
}

/// The time to the second, and the process, since two daemons may share a log directory.
struct Seconds {
    pid: u32,
}

impl Seconds {
    fn new() -> Self {
        Self { pid: std::process::id() }
    }
}

impl FormatTime for Seconds {
    fn format_time(&self, writer: &mut Writer<'_>) -> fmt::Result {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let now = i64::try_from(now.as_secs()).unwrap_or_default();
        match jiff::Timestamp::from_second(now) {
            Ok(now) => write!(writer, "{now} [{}]", self.pid),
            Err(_) => write!(writer, "@{} [{}]", now, self.pid),
        }
    }
}

/// One log file, shared by all threads.
#[derive(Debug, Clone)]
struct LogFile {
    file: Arc<Mutex<Rotating>>,
    flood: Option<Arc<Flood>>,
    quiet: Option<Arc<Quiet>>,
}

impl LogFile {
    fn open(path: &Path, flood: Option<Arc<Flood>>, quiet: Option<Arc<Quiet>>) -> io::Result<Self> {
        let file = Rotating::open(path, rotate::LIMIT, rotate::KEEP)
            .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))?;
        Ok(Self { file: Arc::new(Mutex::new(file)), flood, quiet })
    }

    fn write(&self, line: &[u8]) {
        // A log that cannot be written, on a full disk for example, must not stop the daemon.
        let _ = self.file.lock().write_line(&scrub::scrub(line));
    }
}

impl<'a> MakeWriter<'a> for LogFile {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Line<'a> {
        Line { to: Some(Box::new(|line| self.write(line))) }
    }

    fn make_writer_for(&'a self, metadata: &Metadata<'_>) -> Line<'a> {
        let quiet = self.quiet.as_ref().and_then(|quiet| quiet.told(Instant::now()));
        quiet.map(|line| of_logging("INFO", &line)).iter().for_each(|line| self.write(line.as_bytes()));
        let Some(flood) = &self.flood else { return self.make_writer() };
        let (taken, left_out) = flood.take(metadata);
        told(left_out).iter().for_each(|line| self.write(line.as_bytes()));
        if taken { self.make_writer() } else { Line { to: None } }
    }
}

/// One line for each place in the source that had too many.
fn told(left_out: LeftOut) -> Vec<String> {
    let line = |(place, count): (String, u64)| {
        of_logging("WARN", &format!("{} of {place} left out in a minute", words::count(count, "line")))
    };
    left_out.into_iter().map(line).collect()
}

/// A line of the log about itself.
fn of_logging(level: &str, what: &str) -> String {
    let mut line = String::new();
    // Writing into a String does not fail.
    let _ = Seconds::new().format_time(&mut Writer::new(&mut line));
    format!("{line} {level:>5} torchatd::logging: {what}\n")
}

/// Where a line goes.
type Place<'a> = Box<dyn Fn(&[u8]) + 'a>;

/// Takes one event, which comes as one write. Without a place to go it is left out.
struct Line<'a> {
    to: Option<Place<'a>>,
}

impl Write for Line<'_> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if let Some(to) = &self.to {
            to(line);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[derive(Default)]
struct ToStderr(Flood);

impl ToStderr {
    fn write(line: &[u8]) {
        // The terminal may be gone.
        let _ = io::stderr().write_all(&scrub::scrub(line));
    }
}

impl<'a> MakeWriter<'a> for ToStderr {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Line<'a> {
        Line { to: Some(Box::new(Self::write)) }
    }

    fn make_writer_for(&'a self, metadata: &Metadata<'_>) -> Line<'a> {
        // A program that reads along and keeps it has the whole audit here too.
        if metadata.target() == AUDIT {
            return self.make_writer();
        }
        let (taken, left_out) = self.0.take(metadata);
        told(left_out).iter().for_each(|line| Self::write(line.as_bytes()));
        if taken { self.make_writer() } else { Line { to: None } }
    }
}

/// Reports where a panic was, and nothing else: its message may quote what somebody wrote.
pub(crate) fn report_panics_by_location() {
    std::panic::set_hook(Box::new(|info| {
        let place = info.location().map_or("an unknown place".to_owned(), ToString::to_string);
        if tracing::dispatcher::has_been_set() {
            tracing::error!(%place, "a bug: this part of the daemon ended");
        } else {
            let _ = writeln!(io::stderr(), "torchatd: a bug at {place}");
        }
    }));
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use tracing::subscriber::with_default;

    const ONION: &str = "2gzyxa5ihm7nsggfxnu52rck2vv4rvmdlkiu3zzui5du4xyclen53wid";

    /// What stands in torchatd.log and error.log after `trace`.
    fn logged(level: Level, trace: impl FnOnce()) -> [String; 2] {
        let [events, errors, _] = all_logged(level, trace);
        [events, errors]
    }

    /// The same, and audit.log.
    fn all_logged(level: Level, trace: impl FnOnce()) -> [String; 3] {
        let dir = tempfile::tempdir().unwrap();
        let logs = Logs::open(dir.path()).unwrap();
        with_default(logs.subscriber(level), trace);
        ["torchatd.log", "error.log", "audit.log"].map(|name| std::fs::read_to_string(dir.path().join(name)).unwrap())
    }

    fn everything() {
        tracing::error!(target: "torchat_engine", "our error");
        tracing::warn!(target: "torchatd::run", "our warning");
        tracing::info!(target: "torchat_tor", "our info");
        tracing::debug!(target: "torchat_core", "our debug");
        tracing::warn!(target: "tor_proto::channel", "arti's warning");
        tracing::info!(target: "tor_dirmgr", "arti's info");
        tracing::info!(target: "arti_client", "arti's info");
        tracing::debug!(target: "rustls", "a library's debug");
    }

    #[test]
    fn events_and_errors_go_apart() {
        let [events, errors] = logged(Level::Info, everything);
        assert_eq!(events.lines().count(), 4, "{events}");
        for text in ["our error", "our warning", "our info", "arti's warning"] {
            assert!(events.contains(text), "{text}: {events}");
        }
        assert_eq!(errors.lines().count(), 3, "{errors}");
        assert!(!errors.contains("info"), "{errors}");
    }

    #[test]
    fn the_level_is_ours_and_limits_the_libraries() {
        let [events, errors] = logged(Level::Debug, everything);
        assert!(events.contains("our debug") && !events.contains("library"), "{events}");
        assert_eq!(errors.lines().count(), 3);
        let [events, errors] = logged(Level::Error, everything);
        assert_eq!((events.lines().count(), errors.lines().count()), (1, 1), "{events}{errors}");
    }

    #[test]
    fn the_level_can_be_set_while_it_runs() {
        let dir = tempfile::tempdir().unwrap();
        let logs = Logs::open(dir.path()).unwrap();
        let hook = logs.level_hook();
        let count = |name: &str| std::fs::read_to_string(dir.path().join(name)).unwrap().lines().count();
        with_default(logs.subscriber(Level::Info), || {
            everything();
            assert_eq!((count("torchatd.log"), count("error.log")), (4, 3));
            hook.set("debug").unwrap();
            everything();
            assert_eq!((count("torchatd.log"), count("error.log")), (4 + 5, 3 + 3));
            hook.set("error").unwrap();
            everything();
            assert_eq!((count("torchatd.log"), count("error.log")), (9 + 1, 6 + 1));
            for bad in ["", "loud", "DEBUG", "info "] {
                assert!(hook.set(bad).unwrap_err().contains("trace"), "{bad:?}");
            }
            everything();
            assert_eq!(count("torchatd.log"), 11, "what is wrong changes nothing");
        });
    }

    #[test]
    fn the_audit_stays_at_every_level() {
        for level in [Level::Error, Level::Info, Level::Trace] {
            let [events, errors, audit] = all_logged(level, || {
                tracing::info!(target: "audit", who = "token cron", command = "EXIT", code = "ok");
                tracing::error!(target: "torchat_engine", "our error");
            });
            assert!(
                audit.contains("token cron") && audit.contains("EXIT") && audit.lines().count() == 1,
                "{level:?}: {audit}"
            );
            assert!(!events.contains("EXIT") && !errors.contains("EXIT"), "{level:?}: {events}{errors}");
        }
    }

    #[test]
    fn a_flood_of_one_line_turns_no_log_over_and_leaves_the_others() {
        let [events, errors, audit] = all_logged(Level::Info, || {
            tracing::info!(target: "audit", who = "own user", command = "BLOCK", code = "ok");
            for n in 0..100_000 {
                tracing::warn!(target: "torchat_engine", "a stranger did it again: {n}");
            }
            tracing::warn!(target: "torchat_engine", "something else");
        });
        for log in [events, errors] {
            assert!(log.lines().count() <= 2 * flood::LINES + 2, "{} lines", log.lines().count());
            assert!(log.contains("something else") && log.contains("did it again: 0"));
        }
        assert!(audit.contains("BLOCK"));
    }

    #[test]
    fn a_line_has_the_second_and_the_process() {
        let [events, _] = logged(Level::Info, || tracing::info!(target: "torchatd", "hello"));
        let (time, rest) = events.split_once(' ').unwrap();
        assert_eq!(time.len(), "2026-11-21T03:00:00Z".len(), "{time}");
        assert!(rest.starts_with(&format!("[{}]", std::process::id())), "{events}");
    }

    #[test]
    fn onions_never_reach_a_log() {
        let [events, errors] = logged(Level::Trace, || {
            tracing::error!(target: "tor_hsclient", peer = %format!("{ONION}.onion"), "cannot dial {ONION}");
        });
        for log in [events, errors] {
            assert!(log.contains("[onion]") && !log.contains(ONION), "{log}");
        }
    }

    #[test]
    fn harmless_warnings_are_dropped() {
        let [events, _] = logged(Level::Info, || {
            tracing::warn!(
                target: "tor_netdir",
                "Requested 42 relays, but only 0 were usable, and only 0 were chosen after weighting Middle."
            );
            tracing::warn!(
                target: "tor_circmgr",
                "Failed to build preemptive circuit Timeout: error: rejected 8/8 as non-exit"
            );
            tracing::warn!(target: "tor_circmgr", "Failed to build preemptive circuit Exit: error: no guards");
            tracing::warn!(target: "torchat_tor", "Requested 1 relays, but only 0 were usable");
        });
        let left: Vec<_> = events.lines().filter(|line| !line.contains("torchatd::logging")).collect();
        assert_eq!(left.len(), 2, "{events}");
        assert!(events.contains("2 lines of Tor's"), "{events}");
    }

    #[test]
    fn a_panic_tells_its_place_and_not_its_words() {
        const AGAIN: &str = "TORCHATD_TEST_PANIC";
        if std::env::var_os(AGAIN).is_some() {
            report_panics_by_location();
            std::panic::catch_unwind(|| panic!("canary")).unwrap_err();
            return;
        }
        // A hook is the whole process's, so the panic is in another one: this very test again.
        let output = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "logging::tests::a_panic_tells_its_place_and_not_its_words", "--nocapture"])
            .env(AGAIN, "1")
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr) + String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && said.contains("a bug at") && said.contains("logging.rs"), "{said}");
        assert!(!said.contains("canary"), "{said}");
    }

    #[test]
    fn reopened_after_a_move() {
        let dir = tempfile::tempdir().unwrap();
        let logs = Logs::open(dir.path()).unwrap();
        std::fs::rename(dir.path().join("error.log"), dir.path().join("old")).unwrap();
        logs.reopen().unwrap();
        with_default(logs.subscriber(Level::Info), || tracing::warn!(target: "torchatd", "after"));
        assert!(std::fs::read_to_string(dir.path().join("error.log")).unwrap().contains("after"));
        assert_eq!(std::fs::read(dir.path().join("old")).unwrap(), b"");
    }
}
