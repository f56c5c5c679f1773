//! How many messages an erasing would erase, and how many would stay. The erasing itself is in `store/apply/erasing.rs`, whose
//! `Found::waits` says what stays; a test compares the two.

use crate::store::StoreError;
use rusqlite::{Connection, OptionalExtension as _, params};
use torchat_protocol::id::PeerId;

/// In parts, because each has an index that no other has.
pub(in crate::store) const ERASABLE: &str = "SELECT
     (SELECT count(*) FROM message m WHERE m.peer = p.num AND m.dir <> 1 AND m.id <= ?2 AND m.at_ms < ?3)
     + (SELECT count(*) FROM message m WHERE m.peer = p.num AND m.dir = 1 AND m.id <= ?2 AND m.at_ms < ?3
        AND m.state NOT IN (0, 4, 5)),
     (SELECT count(*) FROM message m WHERE m.peer = p.num AND m.dir = 1 AND m.state IN (0, 4, 5) AND m.id <= ?2 AND m.at_ms < ?3)
     FROM peer p WHERE p.peer = ?1";

/// What would go, and what would stay. Nothing of a peer that is not known.
pub(in crate::store) fn count(
    db: &Connection,
    peer: &PeerId,
    upto: i64,
    before_ms: Option<i64>,
) -> Result<(u64, u64), StoreError> {
    let mut query = db.prepare_cached(ERASABLE)?;
    let number = |row: &rusqlite::Row<'_>, column| row.get::<_, i64>(column).map(i64::unsigned_abs);
    let bound = params![peer.as_bytes(), upto, before_ms.unwrap_or(i64::MAX)];
    let found = query.query_row(bound, |row| Ok((number(row, 0)?, number(row, 1)?))).optional()?;
    Ok(found.unwrap_or_default())
}
