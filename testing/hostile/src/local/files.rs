//! What another user of the machine, a power cut or a careless starter may leave in the way of a real torchatd: files of
//! other owners, links, damaged files, descriptors and signals. No packet leaves loopback.

use anyhow::{Context as _, ensure};
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A user that is not the one who runs this.
const STRANGER: u32 = 65_534;
/// Relays that do not exist.
const NOWHERE: &str = r#"
[tor.tor_network]
authorities = { v3idents = ["97D003816DA48701E171BE2C5B6AFC2AE9C2F346"] }
fallback_caches = [
  { rsa_identity = "F0ED5FF25D6859D6CDEBFF3734D22F1279923A78", ed_identity = "B04SRCrrQVGqNFqH6/xnMcPBYfDo+HmPTaUluuxYW18", orports = ["127.0.0.1:1"] },
]
"#;

/// One thing that is in the way, and what must come of it.
struct Row {
    name: &'static str,
    /// Only root may prepare it.
    root: bool,
    attack: fn(&Place) -> anyhow::Result<()>,
}

const ROWS: [Row; 6] = [
    Row { name: "L7: the key belongs to another user: refused with 12", root: true, attack: foreign_key },
    Row { name: "L8: ./logs of somebody else's checkout: not written to", root: true, attack: foreign_checkout },
    Row { name: "L8: ./logs that everybody may write: not written to", root: false, attack: open_checkout },
    Row { name: "L8: a link in the place of the log: not followed", root: false, attack: linked_log },
    Row {
        name: "faults 2: Tor's files are empty after a power cut: it serves, and says so",
        root: false,
        attack: emptied,
    },
    Row {
        name: "faults 4, 12: SIGCHLD ignored, SIGTERM blocked, a lock on descriptor 9: all left behind",
        root: false,
        attack: inherited,
    },
];

/// What is tried.
pub fn names() -> impl Iterator<Item = &'static str> {
    ROWS.iter().map(|row| row.name)
}

/// Tries all rows against the program; prints one line for each.
///
/// # Errors
/// The rows that did not hold.
pub fn run(torchatd: &Path) -> anyhow::Result<()> {
    let root = fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0);
    let mut failed = Vec::new();
    for row in ROWS {
        if row.root && !root {
            println!("left out            {}: only root may prepare it", row.name);
            continue;
        }
        let place = Place::new(torchatd)?;
        let tried = (row.attack)(&place);
        place.kill();
        match tried {
            Ok(()) => println!("held                {}", row.name),
            Err(error) => {
                println!("FAILED              {}\n          {error:#}", row.name);
                failed.push(row.name);
            }
        }
    }
    ensure!(failed.is_empty(), "failed: {}", failed.join("; "));
    Ok(())
}

/// The directories of one daemon.
struct Place {
    dir: tempfile::TempDir,
    torchatd: PathBuf,
}

impl Place {
    fn new(torchatd: &Path) -> anyhow::Result<Self> {
        let place = Self { dir: tempfile::tempdir()?, torchatd: torchatd.canonicalize()? };
        fs::write(place.path("nowhere.toml"), NOWHERE)?;
        Ok(place)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn command(&self, program: &Path, here: &Path) -> Command {
        let mut command = Command::new(program);
        command.current_dir(here).env("HOME", self.dir.path()).env("XDG_STATE_HOME", self.path("state"));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command
    }

    fn arguments(&self, logs: bool) -> Vec<std::ffi::OsString> {
        let mut line = vec!["-d".into(), "--data-dir".into(), self.path("d").into()];
        line.extend(["--config".into(), self.path("nowhere.toml").into()]);
        if logs {
            line.extend(["--log-dir".into(), self.path("l").into()]);
        }
        line
    }

    /// Starts it in a directory; the exit code.
    fn start(&self, here: &Path, logs: bool) -> anyhow::Result<i32> {
        let status = self.command(&self.torchatd, here).args(self.arguments(logs)).status()?;
        status.code().context("a signal ended it")
    }

    fn stop(&self) -> anyhow::Result<()> {
        let status = self
            .command(&self.torchatd, self.dir.path())
            .args(["--stop", "--data-dir"])
            .arg(self.path("d"))
            .status()?;
        ensure!(status.success(), "it cannot be stopped");
        Ok(())
    }

    /// What still runs.
    fn kill(&self) {
        if self.path("d/pid").exists() {
            let _ = self.stop();
        }
    }

    fn checkout(&self) -> anyhow::Result<PathBuf> {
        let here = self.path("checkout");
        fs::create_dir_all(here.join("logs"))?;
        fs::write(here.join("torrc"), "")?;
        for path in [&here, &here.join("logs")] {
            fs::set_permissions(path, Permissions::from_mode(0o755))?;
        }
        Ok(here)
    }
}

fn foreign_key(place: &Place) -> anyhow::Result<()> {
    ensure!(place.start(place.dir.path(), true)? == 0, "it does not start");
    place.stop()?;
    chown(place.path("d/identity.key"), Some(STRANGER), None)?;
    let code = place.start(place.dir.path(), true)?;
    ensure!(code == 12, "it ended with {code}");
    Ok(())
}

fn unlogged(place: &Place, here: &Path) -> anyhow::Result<()> {
    ensure!(place.start(here, false)? == 0, "it does not start");
    ensure!(!here.join("logs/torchatd.log").exists(), "its log is there");
    ensure!(place.path("state/torchatd/torchatd.log").exists(), "its log is nowhere");
    Ok(())
}

fn foreign_checkout(place: &Place) -> anyhow::Result<()> {
    let here = place.checkout()?;
    for path in [here.clone(), here.join("logs"), here.join("torrc")] {
        chown(path, Some(STRANGER), None)?;
    }
    unlogged(place, &here)
}

fn open_checkout(place: &Place) -> anyhow::Result<()> {
    let here = place.checkout()?;
    fs::set_permissions(here.join("logs"), Permissions::from_mode(0o777))?;
    unlogged(place, &here)
}

fn linked_log(place: &Place) -> anyhow::Result<()> {
    fs::write(place.path("precious"), "precious")?;
    fs::create_dir(place.path("l"))?;
    symlink("../precious", place.path("l/torchatd.log"))?;
    let code = place.start(place.dir.path(), true)?;
    ensure!(code == 1, "it ended with {code}");
    ensure!(fs::read(place.path("precious"))? == b"precious", "the file behind the link was written to");
    ensure!(!place.path("d").exists(), "it left a directory");
    Ok(())
}

fn emptied(place: &Place) -> anyhow::Result<()> {
    ensure!(place.start(place.dir.path(), true)? == 0, "it does not start");
    place.stop()?;
    let mut open = vec![place.path("d/tor")];
    let mut count = 0;
    while let Some(dir) = open.pop() {
        for entry in fs::read_dir(dir)? {
            let path = entry?.path();
            if path.is_dir() {
                open.push(path);
            } else {
                fs::write(path, "")?;
                count += 1;
            }
        }
    }
    let code = place.start(place.dir.path(), true)?;
    ensure!(code == 0, "it ended with {code} over {count} empty files");
    Ok(())
}

fn inherited(place: &Place) -> anyhow::Result<()> {
    let lock = place.path("starter.lock");
    let script = format!("exec 9>'{}'; flock 9 || exit 99; exec \"$@\"", lock.display());
    let status = place
        .command(Path::new("env"), place.dir.path())
        .args(["--ignore-signal=CHLD,TERM", "--block-signal=TERM,HUP", "sh", "-c", &script, "sh"])
        .arg(&place.torchatd)
        .args(place.arguments(true))
        .status()?;
    ensure!(status.success(), "it ended with {status}");
    let file = fs::File::open(&lock)?;
    ensure!(file.try_lock().is_ok(), "the starter's lock is held");
    let pid = fs::read_to_string(place.path("d/pid"))?;
    ensure!(Command::new("kill").args(["-TERM", pid.trim()]).status()?.success(), "it has ended");
    let begun = std::time::Instant::now();
    while place.path("d/pid").exists() {
        ensure!(begun.elapsed() < super::RECOVERY, "SIGTERM does not end it");
        std::thread::sleep(super::LOOK);
    }
    Ok(())
}
