//! A client that finds no daemon starts one: a real process in the background, from the shell and from the first run.
//!
//! What the client runs is a `torchatd` beside it. Here that is a script with torchatd's command line, which runs the
//! loopback daemon in a session of its own and returns when that serves, as `torchatd -d` does. torchatd itself holds Tor
//! and is not built here; its `-d` has tests of its own.

#![allow(clippy::unwrap_used)]

#[path = "support/pty.rs"]
#[allow(dead_code)]
mod pty;

use pty::Home;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use torchat_testkit::daemon::eventually;
use torchat_testkit::programs;

const ENTER: &str = "\r";

/// Somebody who has both programs and no daemon that runs.
struct Person {
    home: Home,
    dir: tempfile::TempDir,
    torchat: PathBuf,
}

impl Person {
    fn new(seed: u8) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::new(dir.path(), "ann", seed);
        std::fs::set_permissions(home.daemon.data(), PermissionsExt::from_mode(0o700)).unwrap();
        let bin = dir.path().join("bin");
        std::fs::create_dir(&bin).unwrap();
        let torchat = bin.join("torchat");
        programs::copy(Path::new(env!("CARGO_BIN_EXE_torchat")), &torchat).unwrap();
        let script = format!(
            r#"#!/bin/sh
echo "$@" >> '{dir}/asked'
[ "$1" = -d ] || exit 2
data="${{XDG_DATA_HOME:?}}/torchatd"
[ "$2" = --data-dir ] && data=$3
exec 9> "$data/starting"
flock -n 9 || {{ echo "torchatd: a daemon runs with this data directory" >&2; exit 13; }}
rm -f "$data/port"
setsid '{daemon}' "$data" '{dir}/peers' {seed} < /dev/null > /dev/null 2> "$data/said" &
echo $! > '{dir}/pid'
while [ ! -f "$data/port" ]; do
    kill -0 $! 2> /dev/null || {{ echo "torchatd: $(head -n 1 "$data/said")" >&2; exit 1; }}
    sleep 0.02
done
"#,
            dir = dir.path().display(),
            daemon = torchat_testkit::loopback::program().display(),
        );
        let torchatd = bin.join("torchatd");
        programs::script(&torchatd, &script).unwrap();
        Self { home, dir, torchat }
    }

    /// A store that no daemon can open.
    fn breaks(&self) {
        std::fs::create_dir(self.home.daemon.data().join("torchat.db")).unwrap();
    }

    fn mends(&self) {
        std::fs::remove_dir(self.home.daemon.data().join("torchat.db")).unwrap();
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let home = self.dir.path().join("ann");
        let mut command = Command::new(&self.torchat);
        command.args(arguments).env_clear().env("PATH", "/usr/bin:/bin").env("HOME", &home).env("TZ", "UTC");
        command.env("XDG_DATA_HOME", home.join("data")).stdin(Stdio::null()).output().unwrap()
    }

    /// As [`Person::run`], by a program that ignores the end of its children.
    fn run_by_who_reaps_nobody(&self, arguments: &[&str]) -> Output {
        let home = self.dir.path().join("ann");
        let mut command = Command::new("env");
        command.arg("--ignore-signal=CHLD").arg(&self.torchat).args(arguments);
        command.env_clear().env("PATH", "/usr/bin:/bin").env("HOME", &home).env("TZ", "UTC");
        command.env("XDG_DATA_HOME", home.join("data")).stdin(Stdio::null()).output().unwrap()
    }

    /// What torchatd was asked for, each time.
    fn asked(&self) -> Vec<String> {
        let asked = std::fs::read_to_string(self.dir.path().join("asked")).unwrap_or_default();
        asked.lines().map(str::to_owned).collect()
    }

    /// The daemon that was started, if it runs.
    fn daemon(&self) -> Option<u32> {
        let pid = std::fs::read_to_string(self.dir.path().join("pid")).ok()?.trim().parse().ok()?;
        // A process that has ended and was not collected has no program.
        let program = std::fs::read_link(format!("/proc/{pid}/exe")).ok()?;
        program.ends_with("loopback-daemon").then_some(pid)
    }
}

impl Drop for Person {
    fn drop(&mut self) {
        if let Some(pid) = self.daemon().and_then(|pid| rustix::process::Pid::from_raw(i32::try_from(pid).ok()?)) {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
        }
    }
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[test]
fn the_shell_starts_a_daemon_that_goes_on_without_it() {
    let ann = Person::new(21);
    let away = ann.run(&["host"]);
    assert_eq!((away.status.code(), ann.asked().len()), (Some(3), 0), "not without a word");
    let first = ann.run(&["host", "--start"]);
    assert!(first.status.success() && text(&first.stdout).ends_with(".onion\n"), "{first:?}");
    let daemon = ann.daemon().expect("it runs on, though the command has ended");
    let again = ann.run(&["host", "--start"]);
    assert_eq!((again.stdout, ann.daemon()), (first.stdout, Some(daemon)), "found, not started once more");
    assert_eq!(ann.asked(), ["-d"], "at the place where it is looked for anyway");
    assert!(ann.run(&["exit"]).status.success());
    eventually("it has ended", pty::PATIENCE, || Ok(ann.daemon().is_none().then_some(()))).unwrap();
    // At another place, by the same words.
    let socket = ann.home.daemon.socket();
    let named = ann.run(&["host", "--start", "--socket", socket.to_str().unwrap()]);
    assert!(named.status.success(), "{named:?}");
    assert_eq!(ann.asked(), ["-d".to_owned(), format!("-d --data-dir {}", ann.home.daemon.data().display())]);
}

#[test]
fn a_daemon_is_started_also_where_nobody_waits_for_children() {
    let ann = Person::new(26);
    let started = ann.run_by_who_reaps_nobody(&["host", "--start"]);
    assert!(started.status.success() && text(&started.stdout).ends_with(".onion\n"), "{started:?}");
    assert!(ann.daemon().is_some());
    assert!(ann.run(&["exit"]).status.success());
}

#[test]
fn several_that_start_it_at_once_all_get_it() {
    let ann = Person::new(28);
    for round in 0..2 {
        let outputs: Vec<_> = std::thread::scope(|scope| {
            let runs: Vec<_> = (0..6).map(|_| scope.spawn(|| ann.run(&["host", "--start"]))).collect();
            runs.into_iter().map(|run| run.join().unwrap()).collect()
        });
        for output in &outputs {
            assert!(output.status.success() && output.stderr.is_empty(), "{round}: {output:?}");
            assert_eq!(output.stdout, outputs[0].stdout);
        }
        assert!(ann.asked().len() > round, "it was started");
        assert!(ann.run(&["exit"]).status.success());
        eventually("it has ended", pty::PATIENCE, || Ok(ann.daemon().is_none().then_some(()))).unwrap();
    }
}

#[test]
fn a_daemon_that_just_ends_is_started_after_all() {
    let ann = Person::new(27);
    // Somebody holds the place, and leaves it after some time.
    let held = std::fs::File::create(ann.home.data().join("starting")).unwrap();
    held.lock().unwrap();
    let output = std::thread::scope(|scope| {
        let run = scope.spawn(|| ann.run(&["host", "--start"]));
        eventually("it was refused", pty::PATIENCE, || Ok((!ann.asked().is_empty()).then_some(()))).unwrap();
        drop(held);
        run.join().unwrap()
    });
    assert!(output.status.success() && output.stdout.ends_with(b".onion\n"), "{output:?}");
}

#[test]
fn a_daemon_that_does_not_start_says_why_in_the_shell() {
    let ann = Person::new(22);
    ann.breaks();
    let failed = ann.run(&["host", "--start"]);
    let said = text(&failed.stderr);
    assert_eq!((failed.status.code(), text(&failed.stdout)), (Some(3), ""), "{failed:?}");
    let lines: Vec<_> = said.lines().collect();
    assert!(lines.len() == 2 && lines[0].starts_with("torchatd: Error"), "its own words first: {said}");
    assert!(lines[1].starts_with("torchat: `torchatd -d` did not start: it ended with "), "{said}");
    assert_eq!(ann.daemon(), None);
    let failed = ann.run(&["host", "--start", "--json"]);
    let last: serde_json::Value = serde_json::from_str(text(&failed.stderr).lines().last().unwrap()).unwrap();
    assert_eq!((&last["error"]["code"], &last["error"]["exit"]), (&"not-running".into(), &3.into()));
    ann.mends();
    assert!(ann.run(&["host", "--start"]).status.success());
    // Without the program there is nothing to start.
    assert!(ann.run(&["exit"]).status.success());
    std::fs::remove_file(ann.torchat.with_file_name("torchatd")).unwrap();
    let none = ann.run(&["host", "--start"]);
    assert_eq!(none.status.code(), Some(3));
    assert!(text(&none.stderr).contains("neither next to this program nor in PATH: install it"), "{none:?}");
}

#[test]
fn the_first_run_starts_a_daemon_and_leaves_it_running() {
    let ann = Person::new(23);
    let mut screen = ann.home.screen(&ann.torchat, (80, 24));
    screen.see("No torchatd runs. Start one?");
    screen.keys(ENTER);
    screen.see("Welcome to torchat");
    let daemon = ann.daemon().expect("it runs");
    screen.keys("/quit\r");
    assert!(screen.end().success());
    assert_eq!(ann.daemon(), Some(daemon), "it goes on in the background");
    // The second run finds it, and stops it when that is said.
    let mut screen = ann.home.screen(&ann.torchat, (80, 24));
    screen.see("Welcome to torchat");
    screen.keys("/exit\ry");
    assert!(screen.end().success());
    eventually("it has ended", pty::PATIENCE, || Ok(ann.daemon().is_none().then_some(()))).unwrap();
    assert_eq!(ann.asked(), ["-d"]);
}

#[test]
fn a_daemon_that_does_not_start_says_why_on_the_screen_and_one_that_comes_later_is_found() {
    let mut ann = Person::new(24);
    ann.breaks();
    let mut screen = ann.home.screen(&ann.torchat, (100, 24));
    screen.see("No torchatd runs. Start one?");
    screen.keys(ENTER);
    screen.see("torchatd did not start");
    assert_eq!(ann.daemon(), None);
    screen.see("torchatd is away");
    ann.mends();
    ann.home.daemon.start().unwrap();
    screen.see("Welcome to torchat");
    screen.keys("/quit\r");
    assert!(screen.end().success());
}

#[test]
fn the_program_beside_the_client_is_taken_before_that_of_the_path() {
    let ann = Person::new(25);
    let other = ann.dir.path().join("other");
    std::fs::create_dir(&other).unwrap();
    let wrong = other.join("torchatd");
    programs::script(&wrong, "#!/bin/sh\nexit 9\n").unwrap();
    let home = ann.dir.path().join("ann");
    let run = |torchat: &Path| {
        let mut command = Command::new(torchat);
        command.args(["host", "--start"]).env_clear().env("HOME", &home).env("XDG_DATA_HOME", home.join("data"));
        command.env("PATH", format!("{}:/usr/bin:/bin", other.display())).stdin(Stdio::null()).output().unwrap()
    };
    assert!(run(&ann.torchat).status.success());
    assert!(ann.run(&["exit"]).status.success());
    eventually("it has ended", pty::PATIENCE, || Ok(ann.daemon().is_none().then_some(()))).unwrap();
    std::fs::remove_file(ann.torchat.with_file_name("torchatd")).unwrap();
    let failed = run(&ann.torchat);
    assert!(failed.status.code() == Some(3) && text(&failed.stderr).contains("exit status: 9"), "{failed:?}");
}
