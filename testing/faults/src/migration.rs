//! The power goes, or the process is killed, while a start makes the store, brings one of an older version to the newest one, or
//! only marks one of the newest.
//!
//! Every change of a file that the start makes is one moment, at its begin and at its end. What the disk may hold then is
//! opened again by a start of today, and must say what the old store said.

use crate::image::{Disk, write};
use crate::node::strace;
use crate::record::{self, Call};
use anyhow::{Context as _, ensure};
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;
use torchat_engine::store::Store;
use torchat_testkit::daemon::eventually;

/// How long strace may take to end.
const PATIENCE: Duration = Duration::from_secs(60);

/// Tables whose rows no step may change: all of version 9 but those of single numbers and of the search's index.
const TABLES: [&str; 14] = [
    "peer",
    "request",
    "invite",
    "run",
    "lane",
    "out_lane",
    "in_lane",
    "message",
    "event",
    "cursor",
    "client_id",
    "token",
    "legacy",
    "event_share",
];

/// What a run found.
#[derive(Debug, Clone, Copy, Default)]
pub struct Report {
    /// Changes of files that the start made.
    pub changes: usize,
    /// What was opened again after a power cut, and after a kill.
    pub images: usize,
    /// Of them those in which the start had made its copy of the old store, and the copy was whole.
    pub with_copy: usize,
    /// Rows in each.
    pub rows: usize,
}

impl std::fmt::Display for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "a start changed files of a store {} times; {} images of power cuts and kills at each of them \
             opened again with all of its {} rows, {} of them beside a whole copy of the old store",
            self.changes, self.images, self.rows, self.with_copy
        )
    }
}

/// What the program `faults migrate` does.
///
/// # Errors
/// When the store does not open.
pub fn migrate(database: &Path) -> anyhow::Result<()> {
    drop(Store::open(database)?);
    Ok(())
}

/// Records the first start of all, which makes the store, and opens images as [`run`] does. Each must open, and be empty.
///
/// # Errors
/// The first image that does not open.
pub fn first_start(faults: &Path, cuts: usize, seed: u64) -> anyhow::Result<Report> {
    let dir = tempfile::tempdir()?;
    let (data, log) = (dir.path().join("data"), dir.path().join("log"));
    std::fs::create_dir(&data)?;
    let database = data.join("torchat.db");
    let calls = record(faults, &data, &log)?;
    try_images(&calls, Disk::default(), &rows(&database)?, cuts, seed)
}

/// Records a start on `store`, a file of an older version as a clean stop left it, and opens `cuts` images of power cuts and one of a
/// kill at each moment. `faults` is this crate's program.
///
/// # Errors
/// The first image that does not open, or says something else than the store.
pub fn run(faults: &Path, store: &[u8], cuts: usize, seed: u64) -> anyhow::Result<Report> {
    let dir = tempfile::tempdir()?;
    let (data, log) = (dir.path().join("data"), dir.path().join("log"));
    std::fs::create_dir(&data)?;
    let database = data.join("torchat.db");
    std::fs::write(&database, store)?;
    // Of a file of its own: a reader leaves files beside it.
    let looked_at = dir.path().join("looked-at.db");
    std::fs::write(&looked_at, store)?;
    // As its own program left it.
    let mark = mark(&looked_at, store)?;
    std::fs::write(data.join("torchat.db-mark"), &mark)?;
    let files = [("torchat.db", store.to_vec()), ("torchat.db-mark", mark.into_bytes())];
    let before = rows(&looked_at)?;
    let calls = record(faults, &data, &log)?;
    ensure!(rows(&database)? == before, "the steps changed rows");
    try_images(&calls, Disk::with(files), &before, cuts, seed)
}

/// What a start changes of the files in `data`.
fn record(faults: &Path, data: &Path, log: &Path) -> anyhow::Result<Vec<Call>> {
    let mut command = strace()?;
    command.arg("-D").args(record::tracer(log)).arg(faults).arg("migrate").arg(data.join("torchat.db"));
    let mut child = command.stdin(Stdio::null()).spawn()?;
    let status = child.wait()?;
    ensure!(status.success(), "the start ended with {status}");
    eventually("strace has ended", PATIENCE, || Ok(record::is_complete(log, child.id())?.then_some(())))?;
    let calls = record::read(log, data)?;
    ensure!(!calls.is_empty(), "the start changed nothing");
    Ok(calls)
}

/// Starts on images of each moment.
fn try_images(calls: &[Call], mut disk: Disk, before: &[String], cuts: usize, seed: u64) -> anyhow::Result<Report> {
    let mut random = StdRng::seed_from_u64(seed);
    let mut report = Report { changes: calls.len(), rows: before.len(), ..Report::default() };
    let mut done = 0;
    for moment in moments(calls) {
        while let Some(call) = calls.get(done).filter(|call| call.end <= moment) {
            disk.apply(call);
            done += 1;
        }
        let under_way: Vec<&Call> =
            calls.get(done..).unwrap_or_default().iter().filter(|call| call.start < moment).collect();
        let cut = (0..cuts).map(|_| disk.cut(&under_way, &mut random));
        let images: Vec<_> = cut.chain([disk.killed(&under_way)]).collect();
        for (number, image) in images.iter().enumerate() {
            let place = in_memory()?;
            write(image, place.path())?;
            report.with_copy += usize::from(judge(place.path(), before).with_context(|| {
                format!("image {number} at {moment}, {done} of {} changes done, seed {seed}", calls.len())
            })?);
            report.images += 1;
        }
    }
    Ok(report)
}

/// A place whose syncs cost nothing: what is on a disk after a cut is known already.
fn in_memory() -> std::io::Result<tempfile::TempDir> {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir())
}

/// Each begin and each end, once.
fn moments(calls: &[Call]) -> Vec<u64> {
    let mut moments: Vec<u64> = calls.iter().flat_map(|call| [call.start, call.end]).collect();
    moments.retain(|moment| *moment != u64::MAX);
    moments.sort_unstable();
    moments.dedup();
    moments
}

/// The mark of a store, as it stands beside it: before version 10 it was a number of SQLite's header.
fn mark(database: &Path, store: &[u8]) -> anyhow::Result<String> {
    let application = store.get(68..72).context("the store has no header")?;
    let mark: String = if application == b"torc" {
        Connection::open(database)?.query_row("SELECT mark FROM mark", [], |row| row.get(0))?
    } else {
        application.iter().map(|byte| format!("{byte:02x}")).collect()
    };
    Ok(format!("{mark}\n"))
}

/// Starts on an image. Returns whether there is a copy, which must be whole.
fn judge(place: &Path, before: &[String]) -> anyhow::Result<bool> {
    let database = place.join("torchat.db");
    let copy = std::fs::read_dir(place)?
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .find(|path| path.extension().is_some_and(|end| end.to_string_lossy().starts_with('v')));
    if let Some(copy) = &copy {
        ensure!(rows(copy).context("the copy")? == before, "the copy has other rows");
    }
    drop(Store::open(&database).context("the store does not open")?);
    ensure!(rows(&database)? == before, "the store has other rows");
    let db = Connection::open(&database)?;
    let answer: String = db.query_row("PRAGMA integrity_check", [], |row| row.get(0))?;
    ensure!(answer == "ok", "integrity_check: {answer}");
    // And once more, as on every day.
    drop(db);
    drop(Store::open(&database).context("the store does not open a second time")?);
    Ok(copy.is_some())
}

/// All rows that stay, as texts.
fn rows(database: &Path) -> anyhow::Result<Vec<String>> {
    let db = Connection::open_with_flags(database, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let mut rows = Vec::new();
    for table in TABLES {
        let mut query = db.prepare(&format!("SELECT * FROM {table} ORDER BY 1, 2"))?;
        let names: Vec<_> = query.column_names().into_iter().map(str::to_owned).collect();
        let mut found = query.query([])?;
        while let Some(row) = found.next()? {
            let mut text = table.to_owned();
            for (column, name) in names.iter().enumerate() {
                // A step may add a column, which says nothing yet.
                match row.get_ref(column)? {
                    ValueRef::Null => {}
                    value => text.push_str(&format!(" {name} {value:?}")),
                }
            }
            rows.push(text);
        }
    }
    Ok(rows)
}
