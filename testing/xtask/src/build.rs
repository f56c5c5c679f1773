//! Builds of the workspace with one line of progress, instead of the hundreds of lines that cargo prints.
//!
//! Cargo is asked for its messages as JSON, which its manual promises to keep; its own progress bar would have to be read off
//! the screen. Everything that it says is in a log file. What is no progress, such as an error of the compiler, is shown whole
//! and at once.

mod plan;
mod progress;

use crate::{built, cargo};
use anyhow::{Context as _, ensure};
use plan::Plan;
use progress::{Downloads, Progress};
use std::fs::File;
use std::io::{BufRead as _, BufReader, IsTerminal as _, Read, Write as _};
use std::path::PathBuf;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

/// What is built. Always a selection of the whole workspace: a selection of packages has other features, and with other
/// features everything is compiled again (tests/features.rs).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Goal {
    /// The programs that the demo starts.
    Programs,
    /// All libraries, programs, tests and examples.
    Everything,
}

/// The programs of [`Goal::Programs`].
const PROGRAMS: [&str; 2] = ["torchatd", "torchat"];

/// How often the line on a terminal is drawn again.
const REDRAW: Duration = Duration::from_millis(200);
/// How often a line is printed where there is no terminal.
const PLAIN: Duration = Duration::from_secs(30);

impl Goal {
    fn arguments(self) -> Vec<&'static str> {
        let mut arguments = vec!["--workspace"];
        match self {
            Self::Programs => PROGRAMS.iter().for_each(|program| arguments.extend(["--bin", program])),
            Self::Everything => arguments.push("--all-targets"),
        }
        arguments
    }
}

/// Compiles.
///
/// # Errors
/// If cargo fails; its words have been shown.
pub(crate) fn build(goal: Goal) -> anyhow::Result<()> {
    let mut command = cargo();
    command.arg("build").args(goal.arguments()).arg("--message-format=json");
    watched(command, goal)
}

/// Lets clippy look at everything; a warning is an error.
///
/// # Errors
/// If clippy finds something; it has been shown.
pub(crate) fn lints() -> anyhow::Result<()> {
    let mut command = cargo();
    command.arg("clippy").args(Goal::Everything.arguments());
    command.args(["--message-format=json", "--", "-D", "warnings"]);
    watched(command, Goal::Everything)
}

fn watched(mut command: Command, goal: Goal) -> anyhow::Result<()> {
    let mut log = Log::new()?;
    let begun = Instant::now();
    let plan = plan(goal, &mut log)?;
    let mut progress = Progress::new(plan);
    let mut display = Display::new();
    let status = follow(&mut command, |line| {
        let said = match line {
            Line::Output(line) => progress.message(&line),
            Line::Error(line) => {
                log.line(&line);
                progress.status(&line)
            }
            Line::None => None,
        };
        if let Some(said) = said {
            log.line(&said);
            display.say(&said);
        }
        display.progress(|| progress.line(begun.elapsed()));
    })?;
    display.clear();
    ensure!(status.success(), "cargo ended with {status}; all that it said is in {}", log.path.display());
    println!("{}", progress.end(begun.elapsed()));
    Ok(())
}

/// Asks cargo which crates there will be. It fetches those that are missing first.
fn plan(goal: Goal, log: &mut Log) -> anyhow::Result<Plan> {
    let mut display = Display::new();
    let mut downloads = Downloads::default();
    let mut metadata = String::new();
    let mut command = cargo();
    command.args(["metadata", "--format-version", "1", "--filter-platform", &host()?]);
    let status = follow(&mut command, |line| match line {
        Line::Output(line) => metadata = line,
        Line::Error(line) => {
            log.line(&line);
            if let Some(said) = downloads.status(&line) {
                display.say(&said);
            }
        }
        Line::None => {
            if let Some(line) = downloads.line() {
                display.progress(|| line);
            }
        }
    })?;
    display.clear();
    ensure!(status.success(), "cargo metadata ended with {status}");
    let metadata = serde_json::from_str(&metadata).context("cargo metadata says no JSON")?;
    Plan::new(&metadata, &tree(goal)?, goal, &PROGRAMS).context("cargo metadata lacks something")
}

/// The packages that features select, a line each.
fn tree(goal: Goal) -> anyhow::Result<String> {
    let edges = if goal == Goal::Programs { "normal,build" } else { "normal,build,dev" };
    let mut command = cargo();
    command.args(["tree", "--workspace", "--prefix", "none", "--format", "{p}", "--edges", edges]);
    let output = command.output().context("cannot start cargo")?;
    ensure!(output.status.success(), "cargo tree: {}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The platform that we build for.
fn host() -> anyhow::Result<String> {
    let output = cargo().arg("-vV").output().context("cannot start cargo")?;
    let text = String::from_utf8_lossy(&output.stdout);
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.context("cargo -vV names no host")?.to_owned())
}

/// What a program printed, or that it has printed nothing for a moment.
enum Line {
    Output(String),
    Error(String),
    None,
}

/// Runs a program and hands out each line that it prints, in the order in which they come.
fn follow(command: &mut Command, mut take: impl FnMut(Line)) -> anyhow::Result<ExitStatus> {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().with_context(|| format!("cannot start {:?}", command.get_program()))?;
    let (sender, lines) = mpsc::channel();
    let output = child.stdout.take().context("no output")?;
    let errors = child.stderr.take().context("no errors")?;
    let threads = [
        std::thread::spawn({
            let sender = sender.clone();
            move || send(output, &sender, Line::Output)
        }),
        std::thread::spawn(move || send(errors, &sender, Line::Error)),
    ];
    loop {
        match lines.recv_timeout(REDRAW) {
            Ok(line) => take(line),
            Err(RecvTimeoutError::Timeout) => take(Line::None),
            Err(RecvTimeoutError::Disconnected) => break,
        }
    }
    // They have ended, because their senders are gone.
    for thread in threads {
        let _ = thread.join();
    }
    Ok(child.wait()?)
}

fn send(from: impl Read, to: &Sender<Line>, line: fn(String) -> Line) {
    for bytes in BufReader::new(from).split(b'\n') {
        let Ok(bytes) = bytes else { return };
        if to.send(line(String::from_utf8_lossy(&bytes).into_owned())).is_err() {
            return;
        }
    }
}

/// One line at the foot of a terminal; elsewhere a line now and then.
struct Display {
    terminal: bool,
    /// When something was last drawn or printed.
    last: Option<Instant>,
    drawn: bool,
}

impl Display {
    fn new() -> Self {
        Self { terminal: std::io::stdout().is_terminal(), last: None, drawn: false }
    }

    fn progress(&mut self, line: impl FnOnce() -> String) {
        let pause = if self.terminal { REDRAW } else { PLAIN };
        if self.last.is_some_and(|last| last.elapsed() < pause) {
            return;
        }
        // Nothing can be done about an output that is gone.
        let mut out = std::io::stdout().lock();
        let _ = if self.terminal {
            // A line that is broken in two could not be drawn over.
            let short: String = line().chars().take(79).collect();
            write!(out, "\r{short}\x1b[K").and_then(|()| out.flush())
        } else {
            writeln!(out, "{}", line())
        };
        (self.last, self.drawn) = (Some(Instant::now()), true);
    }

    /// Prints something that stays.
    fn say(&mut self, text: &str) {
        self.clear();
        eprintln!("{}", text.trim_end());
        if self.terminal {
            self.last = None;
        }
    }

    fn clear(&mut self) {
        if self.terminal && std::mem::take(&mut self.drawn) {
            print!("\r\x1b[K");
            let _ = std::io::stdout().flush();
        }
    }
}

/// All that cargo said in the last build.
struct Log {
    path: PathBuf,
    file: File,
}

impl Log {
    fn new() -> anyhow::Result<Self> {
        let path = built().with_file_name("build.log");
        let made = path.parent().map_or(Ok(()), std::fs::create_dir_all).and_then(|()| File::create(&path));
        let file = made.with_context(|| format!("cannot write {}", path.display()))?;
        Ok(Self { path, file })
    }

    /// Adds a line. A full disk shows itself by the build soon enough.
    fn line(&mut self, line: &str) {
        let _ = writeln!(self.file, "{}", line.trim_end());
    }
}

#[cfg(test)]
mod tests;
