//! The power goes while the real torchatd runs: what Tor keeps in files is written by rename without a sync, so after a
//! power cut such a file may be empty, cut off, full of zeros, old or missing. All of it can be made again, so the daemon
//! must start and serve whatever is left of it.
//!
//! It runs in a network namespace of its own with nothing but loopback: no Tor network is there, and none is asked.

use anyhow::{Context as _, bail, ensure};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use std::collections::BTreeSet;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use torchat_client::Client;

/// How long a start or a stop may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// Between two looks at it.
const LOOK: Duration = Duration::from_millis(20);
/// What a disk writes as one piece.
const SECTOR: usize = 512;

/// What a run found.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// Images, each started.
    pub images: usize,
    /// Files of Tor's that were damaged in at least one of them, relative to `tor/`.
    pub files: BTreeSet<PathBuf>,
    /// The whole run.
    pub time: Duration,
}

impl std::fmt::Display for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{} power cuts with Tor's state among the files ({} different files were empty, cut off, zeroed or missing) in \
             {:.1} s: every one started and served",
            self.images,
            self.files.len(),
            self.time.as_secs_f64(),
        )
    }
}

/// A daemon without a network. Killed when it is dropped.
struct Daemon {
    child: Child,
    data: PathBuf,
    logs: PathBuf,
}

impl Daemon {
    fn start(torchatd: &Path, place: &Path) -> anyhow::Result<Self> {
        let (data, logs) = (place.join("data"), place.join("logs"));
        let output = std::fs::File::create(place.join("output"))?;
        let child = Command::new("unshare")
            .args(["-n", "sh", "-c", "ip link set lo up; exec \"$@\"", "sh"])
            .arg(torchatd)
            .arg("--data-dir")
            .arg(&data)
            .arg("--log-dir")
            .arg(&logs)
            .env("HOME", place)
            .env_remove("XDG_CONFIG_HOME")
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()?;
        let mut daemon = Self { child, data, logs };
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = daemon.child.try_wait()? {
                bail!("it ended with {status}: {}", std::fs::read_to_string(place.join("output"))?.trim());
            }
            let served = Client::connect_unix(&daemon.data.join("control.sock"), PATIENCE).ok();
            if served.is_some_and(|mut client| client.host().is_ok()) {
                return Ok(daemon);
            }
            ensure!(Instant::now() < deadline, "it does not serve");
            std::thread::sleep(LOOK);
        }
    }

    /// Ends it as users do.
    fn stop(mut self) -> anyhow::Result<()> {
        let mut client = Client::connect_unix(&self.data.join("control.sock"), PATIENCE)?;
        client.exit()?;
        let deadline = Instant::now() + PATIENCE;
        let status = loop {
            if let Some(status) = self.child.try_wait()? {
                break status;
            }
            ensure!(Instant::now() < deadline, "it does not stop");
            std::thread::sleep(LOOK);
        };
        let log = std::fs::read_to_string(self.logs.join("torchatd.log")).unwrap_or_default();
        ensure!(status.success() && !log.contains("panicked"), "it ended with {status}");
        Ok(())
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn files_below(directory: &Path, found: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        if kind.is_dir() {
            files_below(&entry.path(), found)?;
        } else if kind.is_file() {
            found.push(entry.path());
        }
    }
    found.sort();
    Ok(())
}

fn copy(from: &Path, to: &Path) -> anyhow::Result<()> {
    std::fs::DirBuilder::new().mode(0o700).create(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let (kind, to) = (entry.file_type()?, to.join(entry.file_name()));
        if kind.is_dir() {
            copy(&entry.path(), &to)?;
        } else if kind.is_file() {
            std::fs::copy(entry.path(), to)?;
        }
    }
    Ok(())
}

/// What chance leaves of a file that was written by rename without a sync. `old`: what it was at the start before.
fn cut(file: &Path, old: Option<&Path>, random: &mut StdRng) -> anyhow::Result<()> {
    let mut bytes = std::fs::read(file)?;
    match random.random_range(0..5) {
        0 => bytes.clear(),
        1 => bytes.truncate(random.random_range(0..=bytes.len()) / SECTOR * SECTOR),
        2 => bytes.fill(0),
        3 => return Ok(std::fs::remove_file(file)?),
        _ => match old.filter(|old| old.is_file()) {
            Some(old) => bytes = std::fs::read(old)?,
            None => bytes.clear(),
        },
    }
    Ok(std::fs::write(file, bytes)?)
}

/// Cuts the power of a torchatd without a network at `images` moments.
///
/// # Errors
/// The first image on which it does not start or serve, with its number and the files that were damaged.
pub fn run(torchatd: &Path, images: usize, seed: u64) -> anyhow::Result<Report> {
    ensure!(torchatd.is_file(), "{} is not built", torchatd.display());
    let begun = Instant::now();
    let place = tempfile::tempdir()?;
    let (first, second) = (place.path().join("first"), place.path().join("second"));
    std::fs::create_dir(&first)?;
    Daemon::start(torchatd, &first)?.stop().context("the first start")?;
    // What Tor writes when it finds what it wrote itself.
    copy(&first, &second)?;
    Daemon::start(torchatd, &second)?.stop().context("the second start")?;
    let mut random = StdRng::seed_from_u64(seed);
    let mut report = Report::default();
    for number in 0..images {
        let image = place.path().join("image");
        copy(&second, &image)?;
        let tor = image.join("data").join("tor");
        let mut found = Vec::new();
        files_below(&tor, &mut found)?;
        ensure!(!found.is_empty(), "Tor keeps no files: nothing is tested");
        let mut damaged = Vec::new();
        // One alone in half of the images, so that each is tried by itself; any of them in the others.
        let alone = random.random_range(0..found.len());
        for (n, file) in found.iter().enumerate() {
            let hit = if number % 2 == 0 { n == alone } else { random.random() };
            if hit {
                let name = file.strip_prefix(&tor)?;
                cut(file, Some(&first.join("data").join("tor").join(name)), &mut random)?;
                damaged.push(name.to_owned());
            }
        }
        let served = Daemon::start(torchatd, &image).and_then(Daemon::stop);
        served.with_context(|| format!("image {number} of seed {seed}, with {damaged:?} damaged"))?;
        report.files.extend(damaged);
        report.images += 1;
        std::fs::remove_dir_all(&image)?;
    }
    report.time = begun.elapsed();
    Ok(report)
}
