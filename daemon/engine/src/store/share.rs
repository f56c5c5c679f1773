//! Whose events the log holds, so that one peer cannot push out what others said: when the log is full, the oldest events
//! of a conversation that has more than an eighth of it go first, then the oldest of all.
//!
//! The log is counted in stretches of [`STRETCH`] numbers: how many events each conversation has in each. The stretch that
//! is not full yet is counted in memory, and counted anew at a start, so a commit writes a row of `event_share` for each
//! conversation in every 1,024th event only. (An index of the log by peers was rejected: it costs a page of each commit.)
//! A conversation's oldest events are then in its first stretch, and a look at one stretch finds them.

use super::{LogEdges, StoreError};
use rusqlite::{Connection, OptionalExtension as _, params};
use std::collections::HashMap;
use torchat_protocol::control::api::event::{Event, What};

/// Numbers of a stretch.
const STRETCH: u64 = 1_024;
/// Of a full log, the part that a conversation may have before its events go first: an eighth. The strangers, all of them
/// together, are one conversation here.
const PART: u64 = 8;
/// Stretches that a commit looks through at most.
const LOOKS: usize = 2;

/// Whose an event is: 32 bytes of a key, none for strangers, one for the daemon itself.
type Owner = Vec<u8>;

/// The daemon's own.
const OWN: [u8; 1] = [0];

/// The conversation of an event.
fn owner(what: &What) -> Owner {
    match what {
        What::Request { .. } | What::RequestGone { .. } | What::Legacy { .. } => Owner::new(),
        what => what.conversation().map_or_else(|| OWN.to_vec(), |id| id.as_bytes().to_vec()),
    }
}

/// The same in SQL, for rows.
const OWNER: &str = "CASE WHEN e.kind IN (9, 10, 15) THEN x'' ELSE coalesce(e.peer, p.peer, x'00') END";

/// How many events each conversation has. See the module's description.
#[derive(Debug, Clone, Default)]
pub(super) struct Shares {
    /// Rows of the log.
    rows: u64,
    /// Those that are counted, by conversation.
    totals: HashMap<Owner, u64>,
    /// The stretch that is not full.
    stretch: u64,
    /// Its events.
    counts: HashMap<Owner, u64>,
}

/// What [`Shares::thin`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Thinned {
    /// Events that were removed.
    pub(super) gone: u64,
    /// The log is too long, and somebody has more than its part of it.
    pub(super) greedy: bool,
}

/// A stretch that became full in a commit.
type Full = Vec<(u64, Owner, u64)>;

fn signed(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

impl Shares {
    /// Counts what the log holds. Stretches that no one has counted, of an older version of this program, are nobody's.
    pub(super) fn read(db: &Connection, log: LogEdges) -> Result<Self, StoreError> {
        let stretch = (log.last + 1) / STRETCH;
        let first = log.oldest / STRETCH;
        let mut shares = Self { stretch, ..Self::default() };
        db.execute(
            "DELETE FROM event_share WHERE stretch < ?1 OR stretch >= ?2",
            params![signed(first), signed(stretch)],
        )?;
        let mut query = db.prepare("SELECT peer, sum(events) FROM event_share GROUP BY peer")?;
        let mut rows = query.query([])?;
        while let Some(row) = rows.next()? {
            shares.totals.insert(row.get(0)?, row.get::<_, i64>(1)?.unsigned_abs());
        }
        let (counted, stretches): (Option<i64>, i64) = db.query_row(
            "SELECT sum(events), count(DISTINCT stretch) FROM event_share WHERE stretch > ?1",
            [signed(first)],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )?;
        let between = stretch.saturating_sub(first + 1).saturating_sub(stretches.unsigned_abs());
        let in_first = Self::count(db, log.oldest, ((first + 1) * STRETCH).min(log.last + 1))?;
        let in_last = if stretch > first { Self::count(db, stretch * STRETCH, log.last + 1)? } else { 0 };
        shares.rows = counted.unwrap_or(0).unsigned_abs() + between * STRETCH + in_first + in_last;
        let sql = format!(
            "SELECT {OWNER} AS owner, count(*) FROM event e LEFT JOIN message m ON m.id = e.message
             LEFT JOIN erased x ON x.id = e.message LEFT JOIN peer p ON p.num = coalesce(m.peer, x.peer) WHERE e.seq >= ?1 GROUP BY owner"
        );
        let mut query = db.prepare(&sql)?;
        let mut rows = query.query([signed(stretch * STRETCH)])?;
        while let Some(row) = rows.next()? {
            let (owner, events): (Owner, i64) = (row.get(0)?, row.get(1)?);
            *shares.totals.entry(owner.clone()).or_default() += events.unsigned_abs();
            shares.counts.insert(owner, events.unsigned_abs());
        }
        Ok(shares)
    }

    fn count(db: &Connection, from: u64, end: u64) -> Result<u64, StoreError> {
        let sql = "SELECT count(*) FROM event WHERE seq >= ?1 AND seq < ?2";
        Ok(db.query_row(sql, params![signed(from), signed(end)], |row| row.get::<_, i64>(0))?.unsigned_abs())
    }

    /// Rows of the log.
    pub(super) fn rows(&self) -> u64 {
        self.rows
    }

    /// Counts new events, and writes down the stretches that became full.
    pub(super) fn add(&mut self, db: &Connection, events: &[Event]) -> Result<(), StoreError> {
        let mut full = Full::new();
        for event in events {
            let stretch = event.seq / STRETCH;
            if stretch != self.stretch {
                let before = self.stretch;
                full.extend(self.counts.drain().map(|(owner, events)| (before, owner, events)));
                self.stretch = stretch;
            }
            self.rows += 1;
            let owner = owner(&event.what);
            match self.counts.get_mut(&owner) {
                Some(count) => *count += 1,
                None => drop(self.counts.insert(owner.clone(), 1)),
            }
            *self.totals.entry(owner).or_default() += 1;
        }
        if !full.is_empty() {
            let mut insert =
                db.prepare_cached("INSERT OR REPLACE INTO event_share (peer, stretch, events) VALUES (?1, ?2, ?3)")?;
            for (stretch, owner, events) in full {
                insert.execute(params![owner, signed(stretch), signed(events)])?;
            }
        }
        Ok(())
    }

    /// The log begins later now, and has this many rows less.
    pub(super) fn begins(&mut self, db: &Connection, oldest: u64, gone: u64) -> Result<(), StoreError> {
        self.rows = self.rows.saturating_sub(gone);
        let mut query = db.prepare_cached("DELETE FROM event_share WHERE stretch < ?1 RETURNING peer, events")?;
        let mut rows = query.query([signed(oldest / STRETCH)])?;
        while let Some(row) = rows.next()? {
            let owner: Owner = row.get(0)?;
            self.lose(&owner, row.get::<_, i64>(1)?.unsigned_abs());
        }
        Ok(())
    }

    fn lose(&mut self, owner: &Owner, events: u64) {
        if let Some(total) = self.totals.get_mut(owner) {
            *total = total.saturating_sub(events);
            if *total == 0 {
                self.totals.remove(owner);
            }
        }
    }

    /// Removes the oldest events of a conversation that has more than its part of a log of `most`, at most `step`.
    pub(super) fn thin(&mut self, db: &Connection, most: u64, step: u64) -> Result<Thinned, StoreError> {
        let mut gone = 0;
        for _ in 0..LOOKS {
            let want = self.rows.saturating_sub(most).min(step.saturating_sub(gone));
            let Some(owner) = self.greediest(most).filter(|_| want > 0) else { break };
            let found = self.thin_once(db, &owner, want)?;
            self.rows = self.rows.saturating_sub(found);
            gone += found;
        }
        let greedy = self.rows > most && self.greediest(most).is_some();
        Ok(Thinned { gone, greedy })
    }

    /// Who has more than its part of a log of `most`, and most of all.
    fn greediest(&self, most: u64) -> Option<Owner> {
        let others = self.totals.iter().filter(|(owner, _)| owner.as_slice() != OWN);
        let greediest = others.max_by_key(|(owner, total)| (**total, *owner));
        greediest.filter(|(_, total)| **total > (most / PART).max(1)).map(|(owner, _)| owner.clone())
    }

    /// Removes events of a conversation in its first stretch.
    fn thin_once(&mut self, db: &Connection, owner: &Owner, want: u64) -> Result<u64, StoreError> {
        let first: Option<i64> = db
            .prepare_cached("SELECT stretch FROM event_share WHERE peer = ?1 AND events > 0 ORDER BY stretch LIMIT 1")?
            .query_row([owner], |row| row.get(0))
            .optional()?;
        let stretch = first.map_or(self.stretch, i64::unsigned_abs);
        let sql = format!(
            "DELETE FROM event WHERE seq IN (
                SELECT e.seq FROM event e LEFT JOIN message m ON m.id = e.message
                LEFT JOIN erased x ON x.id = e.message LEFT JOIN peer p ON p.num = coalesce(m.peer, x.peer)
                WHERE e.seq >= ?1 AND e.seq < ?2 AND {OWNER} = ?3 ORDER BY e.seq LIMIT ?4)"
        );
        let (from, end) = (signed(stretch * STRETCH), signed((stretch + 1) * STRETCH));
        let gone = db.prepare_cached(&sql)?.execute(params![from, end, owner, signed(want)])? as u64;
        // Fewer than are wanted were there: the stretch has none any more, whatever was counted (its beginning may be gone).
        let emptied = gone < want;
        let counted = match first {
            None => self.counts.get(owner).copied().unwrap_or(0),
            Some(_) => db
                .prepare_cached("SELECT events FROM event_share WHERE peer = ?1 AND stretch = ?2")?
                .query_row(params![owner, signed(stretch)], |row| row.get::<_, i64>(0))?
                .unsigned_abs(),
        };
        let left = if emptied { 0 } else { counted.saturating_sub(gone) };
        match first {
            None if left == 0 => drop(self.counts.remove(owner)),
            None => drop(self.counts.insert(owner.clone(), left)),
            // The row stays: a stretch without rows is taken for one that nobody has counted.
            Some(_) => drop(
                db.prepare_cached("UPDATE event_share SET events = ?3 WHERE peer = ?1 AND stretch = ?2")?
                    .execute(params![owner, signed(stretch), signed(left)])?,
            ),
        }
        self.lose(owner, counted - left);
        Ok(gone)
    }
}
