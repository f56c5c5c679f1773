//! Versions of the schema: how a file becomes one of the newest version, and which files are left alone.
//!
//! Version 10 is the first that is frozen (`docs/adr/0009-frozen-schema.md`). A file says its version in SQLite's
//! `user_version`, and its tables must be exactly those of that version: their fingerprint is compared at each start, because a
//! column that is missing, or means something else, is otherwise found only when mail is lost. Files of development versions say
//! 1 or 2; the last layout of those is version 9 here, and is known by its fingerprint alone.
//!
//! To add a version: write `schema/vN.sql`, which makes N of N-1, add it to [`STEPS`], raise [`VERSION`], and add the fingerprint that the
//! test names. A version that was released is never edited.

mod copy;

pub(super) use copy::drop_old_copies;

use super::StoreError;
use rusqlite::{Connection, OptionalExtension as _, TransactionBehavior};
use sha2::{Digest as _, Sha256};
use std::fmt::Write as _;
use std::path::Path;

/// The newest version.
pub(super) const VERSION: i64 = 14;
/// What SQLite calls `application_id`: "torc". Before version 10 the file's mark stood there (store/whole.rs).
pub(super) const APPLICATION: u32 = 0x746F_7263;
/// The last layout of before versions were frozen.
pub(super) const DEVELOPMENT: i64 = 9;
/// Makes version 10 of it.
const TAKE_OVER: &str = include_str!("schema/v9-to-v10.sql");
/// The frozen versions, and what makes each of the one before; the first is made of nothing.
pub(super) const STEPS: [(i64, &str); 5] = [
    (10, include_str!("schema/v10.sql")),
    (11, include_str!("schema/v11.sql")),
    (12, include_str!("schema/v12.sql")),
    (13, include_str!("schema/v13.sql")),
    (14, include_str!("schema/v14.sql")),
];
/// A version and the fingerprint of its layout on each line.
const FINGERPRINTS: &str = include_str!("schema/fingerprints");

/// This program's version as a number: 1.2.3 is 1,002,003.
const PROGRAM: &str = env!("CARGO_PKG_VERSION");

/// What tables and indexes a file has. Spaces do not count. The search's own tables are left out: SQLite makes them, its next version may
/// make others, and a damaged index is left behind under another name (store/search.rs).
pub(super) fn fingerprint(db: &Connection) -> Result<Option<String>, StoreError> {
    let mut query = db.prepare(
        r"SELECT type, name, coalesce(sql, '') FROM sqlite_schema
          WHERE name NOT LIKE 'sqlite\_%' ESCAPE '\' AND name NOT LIKE 'search\_%' ESCAPE '\'",
    )?;
    let rows = query.query_map([], |row| {
        let (kind, name, sql): (String, String, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
        Ok(format!("{kind} {name} {}", sql.split_whitespace().collect::<Vec<_>>().join(" ")))
    })?;
    let mut lines = rows.collect::<Result<Vec<_>, _>>()?;
    lines.sort_unstable();
    if lines.is_empty() {
        return Ok(None);
    }
    let digest = Sha256::digest(lines.join("\n"));
    Ok(Some(digest.iter().fold(String::with_capacity(64), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })))
}

/// The fingerprint of a version.
pub(super) fn known(version: i64) -> Option<&'static str> {
    let mut lines = FINGERPRINTS.lines().filter_map(|line| line.split_once(' '));
    lines.find(|(number, _)| number.parse() == Ok(version)).map(|(_, fingerprint)| fingerprint)
}

/// Which version a file has: 0 if there is nothing in it. Changes nothing.
///
/// # Errors
/// [`StoreError::Version`] with what to do, when it is of a newer version, or of none that is known.
pub(super) fn examine(db: &Connection, path: Option<&Path>) -> Result<i64, StoreError> {
    let found: i64 = db.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if found > VERSION {
        return Err(newer(db, path, found));
    }
    let Some(layout) = fingerprint(db)? else {
        return if found == 0 { Ok(0) } else { Err(foreign(found, "no tables")) };
    };
    let version = if (1..DEVELOPMENT).contains(&found) { DEVELOPMENT } else { found };
    if known(version) == Some(layout.as_str()) { Ok(version) } else { Err(foreign(found, &layout)) }
}

/// Brings a file from the version that [`examine`] found to the newest one: all steps are one transaction, so a crash leaves the
/// old version or the new one. A file that has something in it is copied before. This is the place to say how
/// far it is.
///
/// # Errors
/// [`StoreError::Version`] when there is no room for the copy; what SQLite says. Nothing was changed then.
pub(super) fn migrate(db: &mut Connection, from: i64, path: Option<&Path>) -> Result<(), StoreError> {
    if from != VERSION {
        if let Some(path) = path.filter(|_| from != 0) {
            copy::keep(db, path, from)?;
        }
        let transaction = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut reached = from;
        if from == DEVELOPMENT {
            transaction.execute_batch(TAKE_OVER)?;
            reached = DEVELOPMENT + 1;
        }
        for (_, step) in STEPS.iter().filter(|(version, _)| *version > reached) {
            transaction.execute_batch(step)?;
        }
        if from == 0 {
            transaction.execute("UPDATE meta SET value = ?1 WHERE name = 'made_by'", [program()])?;
        }
        transaction.pragma_update(None, "application_id", APPLICATION.cast_signed())?;
        transaction.pragma_update(None, "user_version", VERSION)?;
        if fingerprint(&transaction)?.as_deref() != known(VERSION) {
            return Err(StoreError::Damaged(format!("the steps to version {VERSION} made another layout")));
        }
        transaction.commit().map_err(StoreError::unsure)?;
    }
    // For the words of an older program. A full disk is no reason not to start.
    if let Err(error) =
        db.execute("UPDATE meta SET value = ?1 WHERE name = 'last_opened_by' AND value <> ?1", [program()])
    {
        tracing::warn!(%error, "the store does not know who opened it");
    }
    Ok(())
}

/// This program's version as a number, for `meta`; what marks it as one of before a release does not count.
fn program() -> i64 {
    let plain = PROGRAM.split(['-', '+']).next().unwrap_or_default();
    plain.split('.').fold(0, |number, part| 1000 * number + part.parse::<i64>().unwrap_or(0))
}

/// A number of `meta` in words.
fn program_name(number: i64) -> String {
    format!("{}.{}.{}", number / 1_000_000, number / 1000 % 1000, number % 1000)
}

fn newer(db: &Connection, path: Option<&Path>, found: i64) -> StoreError {
    // What a later version says elsewhere is not known here.
    let by = db
        .query_row("SELECT value FROM meta WHERE name = 'last_opened_by'", [], |row| row.get(0))
        .optional()
        .ok()
        .flatten()
        .filter(|number| *number > 0)
        .map(program_name);
    let opened = by.as_ref().map(|by| format!(" and was last opened by torchatd {by}")).unwrap_or_default();
    let start = by.map_or_else(|| "the newer torchatd".to_owned(), |by| format!("torchatd {by}"));
    let back = path
        .and_then(copy::newest)
        .map(|copy| format!(", or put {} back (what came since {} is lost then)", copy.name, copy.made));
    StoreError::Version(format!(
        "the store has version {found}{opened}; this is torchatd {PROGRAM}, which knows versions up to {VERSION}. Start {start}{}. \
         Nothing was changed",
        back.unwrap_or_default()
    ))
}

fn foreign(version: i64, layout: &str) -> StoreError {
    StoreError::Version(format!(
        "this store was made by a development version or changed by hand (version {version}, layout {layout:.12}), so this torchatd \
         {PROGRAM} leaves it alone. To keep what is in it, start the version that made it and let `torchat export` write it into \
         files; then move torchat.db and torchat.db-mark away, and a new store is made. Nothing was changed"
    ))
}
