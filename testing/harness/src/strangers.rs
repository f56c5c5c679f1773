//! Other users of this machine: programs that run under their uids. Only root can start them.

use anyhow::{Context as _, ensure};
use rustix::process::{Pid, Signal, kill_process};
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

/// The uid of a user who is neither root nor a test's own user.
pub const STRANGER: u32 = 61_002;

/// A running `stranger`, see the program of that name. Killed when it is dropped.
pub struct Stranger {
    child: Child,
    told: Option<ChildStdin>,
    said: BufReader<ChildStdout>,
    /// A copy of the program: the build's folder may be closed to others.
    _dir: tempfile::TempDir,
}

impl Stranger {
    /// Starts it under a uid.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(program: &Path, uid: u32, arguments: &[&str]) -> anyhow::Result<Self> {
        Self::start_by(
            program,
            |program| {
                let mut command = Command::new(program);
                command.uid(uid).gid(uid);
                command
            },
            arguments,
        )
    }

    /// Starts it by a command that is made from the program's path.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start_by(
        program: &Path,
        command: impl FnOnce(&Path) -> Command,
        arguments: &[&str],
    ) -> anyhow::Result<Self> {
        let open = std::fs::Permissions::from_mode(0o755);
        let dir = tempfile::Builder::new().permissions(open).tempdir()?;
        let copy = dir.path().join("stranger");
        torchat_testkit::programs::copy(program, &copy)?;
        let mut command = command(&copy);
        command.args(arguments).current_dir("/").stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().with_context(|| format!("cannot start {}", copy.display()))?;
        let told = child.stdin.take();
        let said = BufReader::new(child.stdout.take().context("no standard output")?);
        Ok(Self { child, told, said, _dir: dir })
    }

    /// The next line that it says.
    ///
    /// # Errors
    /// When it says nothing more.
    pub fn says(&mut self) -> anyhow::Result<String> {
        let mut line = String::new();
        ensure!(self.said.read_line(&mut line)? > 0, "the stranger ended");
        Ok(line.trim_end().to_owned())
    }

    /// Tells it to go on.
    ///
    /// # Errors
    /// When it has ended.
    pub fn go(&mut self) -> anyhow::Result<()> {
        Ok(self.told.as_mut().context("it was ended")?.write_all(b"go\n")?)
    }

    /// Tells it to end, and returns its last words.
    ///
    /// # Errors
    /// When it has none.
    pub fn end(mut self) -> anyhow::Result<String> {
        self.told = None;
        self.says()
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A process that stands still until this is dropped: what comes for it waits in the kernel.
pub struct Stopped(Pid);

impl Stopped {
    /// Stops it.
    ///
    /// # Errors
    /// When there is no such process.
    pub fn stop(pid: u32) -> anyhow::Result<Self> {
        let pid = Pid::from_raw(pid.try_into()?).context("no process")?;
        kill_process(pid, Signal::STOP)?;
        let stopped = Self(pid);
        // Each of its threads stops when it gets to it.
        while !stands_still(pid)? {
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(stopped)
    }
}

fn stands_still(pid: Pid) -> anyhow::Result<bool> {
    for task in std::fs::read_dir(format!("/proc/{}/task", pid.as_raw_nonzero()))? {
        let stat = std::fs::read_to_string(task?.path().join("stat"))?;
        // The name before the last bracket may hold anything.
        if !stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('T')) {
            return Ok(false);
        }
    }
    Ok(true)
}

impl Drop for Stopped {
    fn drop(&mut self) {
        let _ = kill_process(self.0, Signal::CONT);
    }
}
