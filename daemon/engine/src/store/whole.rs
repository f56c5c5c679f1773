//! Whether the files of the store belong together.
//!
//! SQLite puts a log (`torchat.db-wal`) into whatever file stands beside it. An old copy of `torchat.db` beside the log of
//! a daemon that was killed becomes a mixture that may even start. So each opening puts a random number, the *mark*, into
//! the file (its table `mark`) and into a small file of its own, `torchat.db-mark`, before anything else is written: a log
//! beside a file with another mark is another file's. What that cannot find (a copy that was made while the daemon ran, a
//! failing disk) is looked for in the tables after every end that was not clean. See docs/adr/0008-mark-of-the-store.md.
//!
//! The mark also says that there was a store: one that is missing, or empty, is not made anew without a word.

use super::{StoreError, Trouble, schema};
use rand::Rng as _;
use rusqlite::{Connection, OpenFlags};
use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// A file up to this size is looked through before the start goes on; a larger one beside it, which takes seconds.
const AT_ONCE_BYTES: u64 = 64 << 20;
/// Bytes of SQLite's header.
const HEADER: usize = 100;

/// How each file of SQLite begins.
const MAGIC: &[u8] = b"SQLite format 3\0";

/// What the user can do about a store that is not whole.
const WAY_OUT: &str = "Nothing was changed. Restore torchat.db from a copy and remove torchat.db-wal and torchat.db-shm, or \
                       put back all files of one copy: see \"Copies of the store\" in OPERATIONS.md";

/// What the files are before SQLite touches them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Found {
    /// The last end was not a clean one, so there is a log.
    pub(super) unclean: bool,
    /// There is a file without anything in it, and nothing says that there ever was more.
    pub(super) empty: bool,
    /// There is something in the file.
    pub(super) there: bool,
    bytes: u64,
}

impl Found {
    /// Whether the tables are looked through before the start goes on.
    pub(super) fn is_small(&self) -> bool {
        self.bytes <= AT_ONCE_BYTES
    }
}

pub(super) fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(end);
    name.into()
}

pub(super) fn failing(path: &Path, error: &io::Error) -> StoreError {
    StoreError::Files(format!("{} cannot be read or written: {error}", path.display()))
}

pub(super) fn size(path: &Path) -> Result<Option<u64>, StoreError> {
    match path.metadata() {
        Ok(metadata) => Ok(Some(metadata.len())),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failing(path, &error)),
    }
}

/// Takes back SQLite's first write of a new file, if the power went while it was under way: what is in the file then looks
/// like damage. Only that write has a journal of the old kind beside it, all later ones go into the log; SQLite undoes it when
/// it reads the file. Tells whether there was such a write.
///
/// # Errors
/// [`StoreError::Files`] when the files cannot be looked at.
pub(super) fn undo_first_write(path: &Path) -> Result<bool, StoreError> {
    let begun = marks(path)?.is_none()
        && size(path)?.is_some_and(|bytes| bytes > 0)
        && size(&beside(path, "-journal"))?.is_some_and(|bytes| bytes > 0);
    if begun {
        let read = Connection::open(path)
            .and_then(|db| db.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get::<_, i64>(0)));
        if let Err(error) = read {
            // What is wrong is told by the look at the files that follows.
            tracing::warn!(%error, "a write that was begun cannot be taken back");
        }
    }
    Ok(begun)
}

/// The marks that the file may bear; none: it was never opened by this version.
fn marks(path: &Path) -> Result<Option<Vec<u32>>, StoreError> {
    let path = beside(path, "-mark");
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        // What is no text was not written here.
        Err(error) if error.kind() == ErrorKind::InvalidData => String::new(),
        Err(error) => return Err(failing(&path, &error)),
    };
    Ok(Some(text.lines().filter_map(|line| u32::from_str_radix(line.trim(), 16).ok()).collect()))
}

/// Writes the marks so that a power cut leaves the old file or the new one.
fn write_marks(path: &Path, marks: &[u32]) -> Result<(), StoreError> {
    let (to, new) = (beside(path, "-mark"), beside(path, "-mark.new"));
    let text: String = marks.iter().map(|mark| format!("{mark:08x}\n")).collect();
    let written = || -> io::Result<()> {
        let mut file = File::options().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&new, &to)?;
        sync_directory(path)
    };
    written().map_err(|error| failing(&to, &error))
}

/// Makes the names in a file's directory durable.
pub(super) fn sync_directory(path: &Path) -> io::Result<()> {
    match path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        Some(parent) => File::open(parent)?.sync_all(),
        None => Ok(()),
    }
}

/// Opens the file as if there were no log beside it: nothing is locked, and no file is made or changed.
pub(super) fn alone(path: &Path) -> Result<Connection, StoreError> {
    let mut name = String::from("file:");
    for byte in path.as_os_str().as_bytes() {
        // What is neither a letter nor a digit could be a part of the URI.
        let plain = byte.is_ascii_alphanumeric() || b"/._-".contains(byte);
        let _ = if plain { write!(name, "{}", char::from(*byte)) } else { write!(name, "%{byte:02x}") };
    }
    name.push_str("?immutable=1");
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_URI;
    Ok(Connection::open_with_flags(name, flags)?)
}

/// The mark in the file itself, whatever its log says; none: it cannot be read. Then it is left to the check of the tables: a
/// file that a checkpoint of new tables has left half written is no other file.
fn mark_of(path: &Path, application: u32) -> Option<u32> {
    if application != schema::APPLICATION {
        return Some(application);
    }
    let db = alone(path).ok()?;
    // A power cut in a checkpoint may leave a file that ends before its header says so; this lets SQLite read it all the same.
    db.pragma_update(None, "writable_schema", true).ok()?;
    let mark: String = db.query_row("SELECT mark FROM mark", [], |row| row.get(0)).ok()?;
    u32::from_str_radix(&mark, 16).ok()
}

/// Looks at the files before SQLite opens them.
///
/// # Errors
/// [`StoreError::NotWhole`] when the store is missing or empty and there was one, when the file is cut off, or when its
/// log is another file's.
pub(super) fn look(path: &Path) -> Result<Found, StoreError> {
    let (file, log) = (size(path)?, size(&beside(path, "-wal"))?.unwrap_or(0));
    let marks = marks(path)?;
    let bytes = file.unwrap_or(0);
    if bytes == 0 && marks.is_some() {
        let what = if file.is_some() { "is empty" } else { "is missing" };
        let shown = path.display();
        return Err(StoreError::NotWhole(format!(
            "{shown} {what}, but there were contacts and messages in it. Restore it from a copy, or remove {shown}-mark \
             (and {shown} with its -wal and -shm) to start without any"
        )));
    }
    let mut header = [0; HEADER];
    let whole = bytes >= HEADER as u64;
    if whole {
        let read = File::open(path).and_then(|mut file| file.read_exact(&mut header));
        read.map_err(|error| failing(path, &error))?;
    }
    if whole && !header.starts_with(MAGIC) {
        return Err(StoreError::NotWhole(format!("{} is damaged: it is not a SQLite file. {WAY_OUT}", path.display())));
    }
    let number = |at: usize| header.get(at..at + 4).and_then(|four| four.try_into().ok()).map_or(0, u32::from_be_bytes);
    if whole
        && log > 0
        && let Some(marks) = marks.filter(|marks| !marks.is_empty())
        && mark_of(path, number(68)).is_some_and(|mark| !marks.contains(&mark))
    {
        return Err(StoreError::NotWhole(format!(
            "{0}-wal belongs to another {0} than this one: it looks as if an old copy was put beside the log of a daemon \
             that did not stop cleanly. {WAY_OUT}",
            path.display()
        )));
    }
    // 1 means 65,536.
    let page = u64::from(header.get(16..18).map_or(0, |two| u16::from_be_bytes([two[0], two[1]])));
    let page = if page == 1 { 65_536 } else { page };
    // The header says how many pages there are, if it was written by who changed the file last.
    if whole && log == 0 && number(24) == number(92) && u64::from(number(28)) * page > bytes {
        return Err(StoreError::NotWhole(format!(
            "{} is cut off: it has {bytes} bytes and should have {}. {WAY_OUT}",
            path.display(),
            u64::from(number(28)) * page
        )));
    }
    Ok(Found { unclean: log > 0, empty: file == Some(0), there: bytes > 0, bytes: bytes + log })
}

/// Gives the file another mark: from here on a copy of before is another file.
pub(super) fn mark(db: &Connection, path: &Path) -> Result<(), StoreError> {
    let fold = || -> Result<bool, StoreError> {
        Ok(db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, i64>(0))? == 0)
    };
    let new = rand::rng().next_u32().max(1);
    let before = marks(path)?;
    match &before {
        // Named first: whatever a power cut leaves of the next steps is known.
        Some(before) => {
            let mut both = vec![new];
            both.extend(before.iter().take(8));
            write_marks(path, &both)?;
        }
        // There was none: what is in the file is in it before anything says that there is a store.
        None => drop(fold()?),
    }
    db.execute("UPDATE mark SET mark = ?1", [format!("{new:08x}")])?;
    // With a reader on an old state the file has the old mark for a while, and both are right.
    if fold()? {
        write_marks(path, &[new])?;
    }
    Ok(())
}

/// Looks through the tables: not through the search's index, which can be made anew. `thorough`: compares the tables with
/// their indexes, too, which takes some times as long.
///
/// # Errors
/// [`StoreError::Damaged`] with what was found first; what SQLite says.
pub(super) fn check(db: &Connection, thorough: bool) -> Result<(), StoreError> {
    let mut query = db.prepare(
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'search%' AND name NOT LIKE 'sqlite_%'
         AND rootpage > 0",
    )?;
    let names = query.query_map([], |row| row.get::<_, String>(0))?.collect::<Result<Vec<_>, _>>()?;
    let pragma = if thorough { "integrity_check" } else { "quick_check" };
    for name in names {
        let found: String = db.query_row(&format!("PRAGMA {pragma}(\"{name}\")"), [], |row| row.get(0))?;
        if found != "ok" {
            return Err(StoreError::Damaged(found.lines().next().unwrap_or_default().to_owned()));
        }
    }
    Ok(())
}

/// What a start says of a store that it finds damaged.
pub(super) fn refused(path: &Path, found: &Found, error: StoreError) -> StoreError {
    if error.trouble() != Trouble::Damaged || matches!(error, StoreError::Version(_) | StoreError::NotWhole(_)) {
        return error;
    }
    let why = if found.unclean { " The daemon did not stop cleanly the last time." } else { "" };
    StoreError::NotWhole(format!("{} is damaged: {error}.{why} {WAY_OUT}", path.display()))
}
