//! What the events of a chain count as, when that becomes something else: rows are brought to it, the last ones first, and at most
//! [`ROWS_A_COMMIT`] in one commit. The rest follows in commits of its own, between which mail has its turn.
//!
//! A mute may name any number behind which it hides, and its end takes all of that back. So who moderates may hide and show a hundred
//! thousand texts with 300 bytes, and again a second later. Each row that changes is a row of the log, a message, a counter, words of the
//! search and a part of an event. If all were written at once, mail would wait for seconds each time. Now a mute costs one commit what
//! 1,024 rows cost; what comes before the rest is done replaces what the rest is brought to, and what was not written is not taken back.
//!
//! Until then a row says what it counted as before, and its message says what its row says. So messages agree with the rows after every
//! commit, and with the events as soon as no chain is behind. What decides which texts of ours are said again does not wait for the rows:
//! [`Behind`].

use super::Changes;
use crate::store::StoreError;
use crate::store::replica::{Behind, ChainKey, REDACT, Restood, number, standing_number, target};
use rusqlite::{OptionalExtension as _, params};
use torchat_protocol::room::Author;
use torchat_room::standing::Spans;

/// Rows of the log that one commit brings to what they count as.
pub(in crate::store) const ROWS_A_COMMIT: u32 = 1_024;

/// The row before which so many rows of a stretch are behind.
const LAST_OF_STEP: &str = "SELECT seq FROM room_event WHERE chain = ?2 AND seq >= ?3 AND seq < ?4 AND standing <> ?1
     ORDER BY seq DESC LIMIT 1 OFFSET ?5 - 1";
const BRING: &str = "UPDATE room_event SET standing = ?1 WHERE chain = ?2 AND seq >= ?3 AND seq < ?4 AND standing <> ?1
     RETURNING kind, of_chain, of_seq, seq";

impl Changes<'_> {
    /// A chain counts as this from now on.
    pub(super) fn spans(&mut self, author: Author, spans: &Spans) -> Result<(), StoreError> {
        let chain = self.room.chain(author);
        self.bring(chain, &Behind { upto: i64::MAX, spans: spans.clone() })
    }

    /// The next rows of a chain that is behind.
    pub(in crate::store::apply) fn restand(&mut self, chain: ChainKey) -> Result<(), StoreError> {
        match Behind::of(self.db, chain)? {
            Some(behind) => self.bring(chain, &behind),
            None => Ok(()),
        }
    }

    /// Of each span only the events change that count as something else until now.
    fn bring(&mut self, chain: ChainKey, behind: &Behind) -> Result<(), StoreError> {
        let mut end = behind.upto.saturating_add(1);
        let mut rest = None;
        for (from, standing) in behind.spans.list().iter().rev() {
            let (from, standing) = (number(*from)?, standing_number(*standing));
            if from >= end {
                continue;
            }
            if self.left == 0 {
                rest = Some(end - 1);
                break;
            }
            let step = params![standing, chain, from, end, self.left];
            let last: Option<i64> =
                self.db.prepare_cached(LAST_OF_STEP)?.query_row(step, |row| row.get(0)).optional()?;
            let mut update = self.db.prepare_cached(BRING)?;
            let mut rows = update.query(params![standing, chain, last.unwrap_or(from), end])?;
            while let Some(row) = rows.next()? {
                let (kind, of): (u8, _) = (row.get(0)?, target(row, 1)?);
                self.touched.extend(of.filter(|_| kind == REDACT));
                self.restood.push(Restood { place: chain.at(row.get(3)?)?, kind, of });
                self.left = self.left.saturating_sub(1);
            }
            if let Some(last) = last {
                rest = Some(last - 1);
                break;
            }
            end = from;
        }
        let rest = rest.filter(|upto| *upto > 0);
        let spans = rest.map(|_| behind.spans_bytes());
        self.db
            .prepare_cached(
                "UPDATE room_chain SET behind = ?2, spans = ?3 WHERE chain = ?1 AND (behind IS NOT NULL OR ?2 IS NOT NULL)",
            )?
            .execute(params![chain, rest, spans])?;
        self.is_behind |= rest.is_some();
        Ok(())
    }
}
