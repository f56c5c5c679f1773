//! `tor` processes: found by their pid files, and never signalled unless they are ours.

use anyhow::{Context as _, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};
use std::fs::{self, File};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Between two looks at another process.
const LOOK: Duration = Duration::from_millis(20);
/// How long a process may take to write its pid. One is enough on a quiet machine, thirty on a busy one.
const START_TIME: Duration = Duration::from_secs(30);
/// How long a process may take to end when it is asked to. The torrc says that it shall not wait for its circuits.
const POLITE_TIME: Duration = Duration::from_secs(5);
/// How long the kernel may take to end a process that was killed.
const KILL_TIME: Duration = Duration::from_secs(10);
/// What a torrc calls its log, in the node's folder.
pub(crate) const LOG: &str = "notice.log";
/// What a node says before it has a log: errors in its torrc.
const OUTPUT: &str = "output";

/// Tor's programs.
#[derive(Debug, Clone)]
pub(crate) struct Programs {
    pub(crate) tor: PathBuf,
    pub(crate) gencert: PathBuf,
}

impl Programs {
    pub(crate) fn find() -> anyhow::Result<Self> {
        Ok(Self { tor: find("tor")?, gencert: find("tor-gencert")? })
    }
}

fn find(program: &str) -> anyhow::Result<PathBuf> {
    let paths = std::env::var_os("PATH").unwrap_or_default();
    // Debian puts tor where the PATH of most users does not look.
    let usual = ["/usr/bin", "/usr/sbin"].map(PathBuf::from);
    std::env::split_paths(&paths)
        .chain(usual)
        .map(|folder| folder.join(program))
        .find(|path| path.is_file())
        .with_context(|| format!("{program} is missing: install Debian's package tor (`cargo xtask test` does it)"))
}

/// A process that was started and may not be ready yet.
pub(crate) struct Starting {
    child: Child,
    dir: PathBuf,
}

/// Starts the node whose torrc lies in `dir`.
pub(crate) fn spawn(programs: &Programs, dir: &Path) -> anyhow::Result<Starting> {
    for old in ["pid", LOG] {
        let _ = fs::remove_file(dir.join(old));
    }
    let output = File::create(dir.join(OUTPUT))?;
    let child = Command::new(&programs.tor)
        .arg("--hush")
        .arg("-f")
        .arg(dir.join("torrc"))
        // A torrc of the system must not add anything.
        .args(["--defaults-torrc", "/dev/null"])
        .stdin(Stdio::null())
        .stderr(output.try_clone()?)
        .stdout(output)
        // A Ctrl-C is for the program that started us, which then stops the network in order.
        .process_group(0)
        .spawn()
        .with_context(|| format!("cannot start {}", programs.tor.display()))?;
    Ok(Starting { child, dir: dir.to_owned() })
}

impl Starting {
    /// Returns when the process has its ports and has written its pid.
    pub(crate) fn ready(mut self) -> anyhow::Result<()> {
        let deadline = Instant::now() + START_TIME;
        while pid(&self.dir).is_none() {
            if let Some(status) = self.child.try_wait()? {
                bail!("tor ended with {status}:\n{}", log_tail(&self.dir));
            }
            if Instant::now() > deadline {
                self.child.kill()?;
                self.child.wait()?;
                bail!("tor does not start within {START_TIME:?}:\n{}", log_tail(&self.dir));
            }
            std::thread::sleep(LOOK);
        }
        // Reaped when it ends, so that no zombie stays for as long as we live.
        std::thread::spawn(move || self.child.wait());
        Ok(())
    }
}

/// The pid of a folder's node, if that process lives and is the node: its command line names the node's torrc. A pid
/// file alone may be old, and its number another process by now.
pub(crate) fn pid(dir: &Path) -> Option<u32> {
    let pid: u32 = fs::read_to_string(dir.join("pid")).ok()?.trim().parse().ok()?;
    is_node(pid, dir).then_some(pid)
}

fn is_node(pid: u32, dir: &Path) -> bool {
    use std::os::unix::ffi::OsStrExt as _;
    let torrc = dir.join("torrc");
    // The command line of a zombie is empty.
    let command = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    command.split(|byte| *byte == 0).any(|word| word == torrc.as_os_str().as_bytes())
}

/// Whether a process lives, whatever it is. A zombie does not.
pub(crate) fn exists(pid: u32) -> bool {
    // proc(5): "pid (name) state ..", where the name may hold anything.
    stat(pid).rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
}

fn stat(pid: u32) -> String {
    fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default()
}

/// Sends a signal to a folder's node.
pub(crate) fn signal(dir: &Path, signal: Signal) -> anyhow::Result<()> {
    signal_process(pid(dir).context("it does not run")?, signal)
}

fn signal_process(pid: u32, signal: Signal) -> anyhow::Result<()> {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).context("its pid is no pid")?;
    Ok(kill_process(pid, signal)?)
}

/// Kills a folder's node as `kill -9` does, and returns when it is gone.
pub(crate) fn kill(dir: &Path) -> anyhow::Result<()> {
    let pid = pid(dir).context("it does not run")?;
    signal(dir, Signal::KILL)?;
    ensure!(is_gone_within(pid, dir, KILL_TIME), "the process {pid} does not end: {}", stat(pid));
    Ok(())
}

/// Ends the nodes of some folders: all politely, then those that stay by force.
pub(crate) fn end_all(folders: &[PathBuf]) -> anyhow::Result<()> {
    let running: Vec<_> = folders.iter().filter_map(|dir| Some((dir, pid(dir)?))).collect();
    for (dir, _) in &running {
        // A suspended process does not hear anything else. Either may have ended meanwhile.
        let _ = signal(dir, Signal::INT);
        let _ = signal(dir, Signal::CONT);
    }
    let deadline = Instant::now() + POLITE_TIME;
    for (dir, pid) in running {
        if !is_gone_within(pid, dir, deadline.saturating_duration_since(Instant::now())) {
            // By its number: a tor that ends removes its pid file first, and one was seen to hang after that.
            if is_node(pid, dir) {
                let _ = signal_process(pid, Signal::KILL);
            }
            ensure!(is_gone_within(pid, dir, KILL_TIME), "the process {pid} does not end: {}", stat(pid));
        }
    }
    Ok(())
}

/// Whether a process is on its way out. The kernel takes its memory, and so its command line, before it closes its files; a
/// relay that is started again meanwhile finds its ports taken (seen at a load of 12).
fn is_ending(pid: u32) -> bool {
    let stat = stat(pid);
    let Some((_, rest)) = stat.rsplit_once(") ") else { return false };
    let mut fields = rest.split_ascii_whitespace();
    // proc(5): the state is the third field, the number of threads the twentieth. A zombie whose other threads still end
    // holds the files with them; one without threads waits for its parent only.
    let (state, threads) = (fields.next().unwrap_or_default(), fields.nth(16).unwrap_or_default());
    let zombie = matches!(state, "Z" | "X");
    if zombie { threads.parse().is_ok_and(|threads: u32| threads > 1) } else { has_no_memory(pid) }
}

fn has_no_memory(pid: u32) -> bool {
    fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|command| command.is_empty())
}

fn is_gone_within(pid: u32, dir: &Path, limit: Duration) -> bool {
    let deadline = Instant::now() + limit;
    while is_node(pid, dir) || is_ending(pid) {
        if Instant::now() > deadline {
            return false;
        }
        std::thread::sleep(LOOK);
    }
    true
}

/// The last lines that a node wrote.
pub(crate) fn log_tail(dir: &Path) -> String {
    let text: String = [OUTPUT, LOG].iter().filter_map(|file| fs::read_to_string(dir.join(file)).ok()).collect();
    let lines: Vec<_> = text.lines().rev().take(12).collect();
    let tail: Vec<_> = lines.into_iter().rev().map(|line| format!("  {line}\n")).collect();
    format!("the end of {}:\n{}", dir.join(LOG).display(), tail.concat())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_process_that_is_not_the_node_is_never_taken_for_it() {
        // This very process lives, and is no tor of that folder.
        let dir = std::env::temp_dir().join(format!("torchat-tornet-pid-{}", std::process::id()));
        fs::create_dir(&dir).unwrap();
        fs::write(dir.join("pid"), std::process::id().to_string()).unwrap();
        assert_eq!(pid(&dir), None);
        assert!(kill(&dir).is_err());
        end_all(std::slice::from_ref(&dir)).unwrap();
        fs::remove_dir_all(&dir).unwrap();
    }

    #[test]
    fn a_process_that_ended_does_not_exist() {
        assert!(exists(std::process::id()));
        let mut child = Command::new("true").spawn().unwrap();
        let pid = child.id();
        while exists(pid) {
            std::thread::sleep(LOOK);
        }
        // Nobody has waited for it: a zombie holds no files.
        assert!(!is_ending(pid));
        child.wait().unwrap();
        assert!(!exists(pid) && !is_ending(pid));
        assert!(!is_ending(std::process::id()));
    }
}
