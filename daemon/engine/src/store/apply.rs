//! One operation of a turn as SQL.

use super::events::NewMessage;
use super::marks::Gap;
use super::messages::blob;
use super::rows::Rows;
use super::{Head, LogEdges, Moment, StoreError, Stored, contact_record, records};
use rusqlite::{Connection, OptionalExtension as _, params};
use std::collections::HashMap;
use std::sync::LazyLock;
use torchat_core::account::ROW_BYTES;
use torchat_core::op::Op;
use torchat_protocol::control::api::Onion;
use torchat_protocol::control::api::event::{Event, Kind, MessageRef, What};
use torchat_protocol::id::{Chain, LaneId, MessageId, PeerId};
use torchat_protocol::message::SkipReason;

/// A contact that was not met during so many runs of ours takes an older one for another copy: a false alarm after
/// years, against a table without end.
const RUNS_KEPT: i64 = 4096;

/// What a commit did, for those who act on it.
#[derive(Debug, Default)]
pub struct Applied {
    /// Received messages that were new.
    pub stored: Vec<Stored>,
    /// The rows of messages that were accepted.
    pub queued: Vec<(MessageId, i64)>,
    /// What was unread and is read now: bytes of texts, and [`ROW_BYTES`] for each message and mark.
    pub freed: Vec<(PeerId, u64)>,
    /// For each [`Op::ReadUpto`], how many messages were unread.
    pub seen: Vec<u64>,
    /// The events, in order.
    pub events: Vec<Event>,
    /// Where the event log begins and ends now.
    pub log: LogEdges,
}

impl Default for LogEdges {
    fn default() -> Self {
        Self { oldest: 1, last: 0 }
    }
}

/// Numbers that stand in the store, as far as they were asked for: a message costs no look at tables that do not change
/// with it. To be forgotten when a transaction failed.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// `peer.num`
    peers: HashMap<PeerId, i64>,
    /// Our lane to each peer, by the peer's number, and the lane's number.
    out: HashMap<i64, (LaneId, i64)>,
    /// How many marks of each peer, by its number, nobody has read.
    pub(super) marks: HashMap<i64, u64>,
}

/// `message.dir` and `message.state` of a message that waits, see the schema.
const SENT: i64 = 1;
const WAITS: i64 = 0;

/// Rows of messages that wait.
static QUEUED: LazyLock<Rows> =
    LazyLock::new(|| Rows::new("message (id, peer, dir, state, mid, at_ms, done_ms, until_ms, lane, seq, text)", 11));

/// One of them.
struct Queued<'a> {
    id: i64,
    num: i64,
    mid: MessageId,
    at_ms: i64,
    until_ms: Option<i64>,
    lane: i64,
    seq: i64,
    text: &'a str,
}

/// A transaction that is being made.
pub(super) struct Changes<'a> {
    pub(super) db: &'a Connection,
    pub(super) known: &'a mut Known,
    pub(super) moment: Moment,
    /// The last message's row.
    pub(super) last_message: i64,
    /// The last event's number.
    pub(super) last_event: u64,
    /// A moment, and how it is written.
    pub(super) words: Option<(i64, String)>,
    pub(super) out: &'a mut Applied,
}

impl Changes<'_> {
    /// Operations in their order: one, or some that all queue a message, as a turn has dozens of.
    pub(super) fn apply_all(&mut self, ops: &[Op]) -> Result<(), StoreError> {
        match ops {
            [Op::Queue { .. }, ..] => self.queue(ops),
            ops => ops.iter().try_for_each(|op| self.apply(op)),
        }
    }

    /// Accepted messages. Other operations are passed over.
    fn queue(&mut self, ops: &[Op]) -> Result<(), StoreError> {
        let mut rows = Vec::with_capacity(ops.len());
        for op in ops {
            let Op::Queue { peer, mid, lane, seq, chain: _, at_ms, until_ms, client, text } = op else { continue };
            let num = self.peer(peer)?;
            let Some(lane) = self.out_lane(num, *lane)? else {
                return Err(StoreError::Damaged("a message goes into a lane that is not ours".into()));
            };
            self.last_message += 1;
            let id = self.last_message;
            rows.push(Queued {
                id,
                num,
                mid: *mid,
                at_ms: *at_ms,
                until_ms: *until_ms,
                lane,
                seq: number(*seq)?,
                text,
            });
            self.out.queued.push((*mid, id));
            if let Some(client) = client {
                records::note_client_id(self.db, client, id, *at_ms, self.moment.believed)?;
            }
            let (client_id, text) = (client.clone(), text.clone());
            let message = NewMessage { id, mid: *mid, peer: *peer, at_ms: *at_ms, sent_s: None, client_id, text };
            self.tell_new(message, Kind::Queued);
        }
        QUEUED.insert(self.db, &rows, |row, queued| {
            row.add(queued.id)?;
            row.add(queued.num)?;
            row.add(SENT)?;
            row.add(WAITS)?;
            row.add(queued.mid.0)?;
            row.add(queued.at_ms)?;
            row.add(queued.at_ms)?;
            row.add(queued.until_ms)?;
            row.add(queued.lane)?;
            row.add(queued.seq)?;
            row.add(queued.text)
        })
    }

    fn apply(&mut self, op: &Op) -> Result<(), StoreError> {
        let db = self.db;
        match op {
            Op::Contact { peer, at_ms } => {
                db.prepare_cached(
                    "INSERT INTO peer (peer, contact, added_ms) VALUES (?1, 1, ?2)
                 ON CONFLICT (peer) DO UPDATE SET contact = 1, added_ms = excluded.added_ms",
                )?
                .execute(params![peer.as_bytes(), at_ms])?;
            }
            Op::Remove { peer } => {
                db.prepare_cached(
                "UPDATE peer SET contact = 0, waiting = 0, hidden = 0, petname = NULL, intro = '', intro_invite = NULL
                 WHERE peer = ?1",
            )?
            .execute([peer.as_bytes()])?;
            }
            Op::Block { peer, blocked } => {
                db.prepare_cached(
                    "INSERT INTO peer (peer, blocked) VALUES (?1, ?2)
                 ON CONFLICT (peer) DO UPDATE SET blocked = excluded.blocked",
                )?
                .execute(params![peer.as_bytes(), blocked])?;
            }
            Op::Petname { peer, name } => {
                db.prepare_cached("UPDATE peer SET petname = ?2 WHERE peer = ?1")?
                    .execute(params![peer.as_bytes(), name])?;
            }
            Op::Nick { peer, nick } => {
                db.prepare_cached("UPDATE peer SET nick = ?2 WHERE peer = ?1")?
                    .execute(params![peer.as_bytes(), nick])?;
            }
            Op::Intro { peer, intro } => {
                db.prepare_cached(
                    "INSERT INTO peer (peer, intro, intro_invite) VALUES (?1, ?2, ?3)
                 ON CONFLICT (peer) DO UPDATE SET intro = excluded.intro, intro_invite = excluded.intro_invite",
                )?
                .execute(params![peer.as_bytes(), intro.text, intro.invite.map(|secret| secret.0)])?;
            }
            Op::Request { peer, request: Some(request) } => {
                if request.refused {
                    self.request_gone(peer)?;
                } else {
                    let (nick, text) = (request.nick.clone(), request.text.clone());
                    self.tell(What::Request { peer: Onion(*peer), nick, text });
                }
                db.prepare_cached(
                    "INSERT OR REPLACE INTO request (peer, nick, text, at_ms, refused) VALUES (?1, ?2, ?3, ?4, ?5)",
                )?
                .execute(params![
                    peer.as_bytes(),
                    request.nick,
                    request.text,
                    request.at_ms,
                    request.refused
                ])?;
            }
            Op::Request { peer, request: None } => {
                self.request_gone(peer)?;
                db.prepare_cached("DELETE FROM request WHERE peer = ?1")?.execute([peer.as_bytes()])?;
            }
            Op::Invite { invite } => {
                db.prepare_cached("INSERT INTO invite (hash, until_ms) VALUES (?1, ?2)")?
                    .execute(params![invite.hash, invite.until_ms])?;
            }
            Op::InviteGone { hash } => {
                db.prepare_cached("DELETE FROM invite WHERE hash = ?1")?.execute([hash])?;
            }
            Op::Waiting { peer, waiting } => {
                db.prepare_cached(
                    "INSERT INTO peer (peer, waiting) VALUES (?1, ?2)
                 ON CONFLICT (peer) DO UPDATE SET waiting = excluded.waiting",
                )?
                .execute(params![peer.as_bytes(), waiting])?;
            }
            Op::Run { run, at_ms } => {
                db.prepare_cached("INSERT INTO run (run, at_ms) VALUES (?1, ?2)")?.execute(params![run.0, at_ms])?;
                db.prepare_cached("DELETE FROM run WHERE id <= ?1 - ?2")?
                    .execute([db.last_insert_rowid(), RUNS_KEPT])?;
            }
            Op::ClockSet { at_ms } => {
                db.prepare_cached("INSERT OR REPLACE INTO meta (name, value) VALUES ('clock_set', ?1)")?
                    .execute([at_ms])?;
            }
            Op::Met { peer, epoch, run } => {
                db.prepare_cached("UPDATE peer SET epoch = ?2, met = ?3 WHERE peer = ?1")?.execute(params![
                    peer.as_bytes(),
                    epoch,
                    run.map(|run| run.0)
                ])?;
            }
            Op::Hidden { peer, hidden } => {
                db.prepare_cached("UPDATE peer SET hidden = ?2 WHERE peer = ?1")?
                    .execute(params![peer.as_bytes(), hidden])?;
            }
            Op::Seen { peer, at_ms } => {
                db.prepare_cached("UPDATE peer SET seen_ms = ?2 WHERE peer = ?1")?
                    .execute(params![peer.as_bytes(), at_ms])?;
            }
            Op::Retry { peer, attempts, next_ms } => {
                db.prepare_cached(
                    "INSERT INTO peer (peer, attempts, next_ms) VALUES (?1, ?2, ?3)
                 ON CONFLICT (peer) DO UPDATE SET attempts = excluded.attempts, next_ms = excluded.next_ms",
                )?
                .execute(params![peer.as_bytes(), attempts, next_ms])?;
            }
            Op::Queue { .. } => self.queue(std::slice::from_ref(op))?,
            Op::TakeBack { peer, mid, seq, why, at_ms } => {
                let num = self.peer(peer)?;
                let state = if *why == SkipReason::Expired { 5 } else { 4 };
                let id = db
                    .prepare_cached(
                        "UPDATE message SET state = ?3, done_ms = ?4
                     WHERE peer = ?1 AND dir = 1 AND state IN (0, 4, 5) AND seq = ?5 AND state = 0 AND mid = ?2
                     RETURNING id",
                    )?
                    .query_row(params![num, mid.0, state, at_ms, number(*seq)?], |row| row.get(0))
                    .optional()?;
                if let Some(id) = id {
                    let message = MessageRef { peer: Onion(*peer), id, mid: *mid };
                    let expired = *why == SkipReason::Expired;
                    self.tell(if expired { What::Failed(message) } else { What::Withdrawn(message) });
                }
            }
            Op::Delivered { peer, lane, upto, chain, late, at_ms } => {
                let (num, upto) = (self.peer(peer)?, number(*upto)?);
                let moved = db
                    .prepare_cached("UPDATE out_lane SET acked = ?2, acked_chain = ?3 WHERE peer = ?1 AND lane = ?4")?
                    .execute(params![num, upto, chain.0, lane.0])?;
                // All that waits stands in the one lane that goes on.
                if moved == 0 {
                    return Ok(());
                }
                // What was taken back too late is delivered like the rest, in its place.
                if !late.is_empty() {
                    let mut correct = db.prepare_cached("UPDATE message SET state = 0 WHERE id = ?1")?;
                    for (id, mid) in self.waiting(num, "4, 5", 0, upto)? {
                        if late.contains(&mid) {
                            correct.execute([id])?;
                        }
                    }
                }
                for (id, mid) in self.waiting(num, "0", 0, upto)? {
                    self.tell(What::Delivered(MessageRef { peer: Onion(*peer), id, mid }));
                }
                db.prepare_cached(
                    "UPDATE message SET
                    state = CASE state WHEN 0 THEN 1 ELSE state - 2 END,
                    done_ms = CASE state WHEN 0 THEN ?3 ELSE done_ms END
                 WHERE peer = ?1 AND dir = 1 AND state IN (0, 4, 5) AND seq <= ?2",
                )?
                .execute(params![num, upto, at_ms])?;
                db.prepare_cached(
                    "UPDATE peer SET attempts = 0, next_ms = NULL WHERE num = ?1 AND next_ms IS NOT NULL",
                )?
                .execute([num])?;
            }
            Op::NewLane { peer, lane, messages } => {
                let num = self.peer(peer)?;
                let lane_num = self.new_lane(*lane)?;
                db.prepare_cached(
                    "UPDATE out_lane SET lane = ?2, num = ?3, acked = 0, acked_chain = ?4 WHERE peer = ?1",
                )?
                .execute(params![num, lane.0, lane_num, Chain::EMPTY.0])?;
                self.known.out.remove(&num);
                db.prepare_cached(
                    "UPDATE message SET state = state - 2 WHERE peer = ?1 AND dir = 1 AND state IN (4, 5)",
                )?
                .execute([num])?;
                let waiting = self.waiting(num, "0", 0, i64::MAX)?;
                if !waiting.iter().map(|(_, mid)| mid).eq(messages.iter().map(|(mid, _)| mid)) {
                    return Err(StoreError::Damaged("other messages wait than those that go into a new lane".into()));
                }
                let mut renumber = db.prepare_cached("UPDATE message SET lane = ?2, seq = ?3 WHERE id = ?1")?;
                for (n, (id, _)) in (1u64..).zip(waiting) {
                    renumber.execute(params![id, lane_num, number(n)?])?;
                }
            }
            Op::Receive { peer, lane, seq, chain, mid, sent_s, at_ms, text } => {
                let num = self.peer(peer)?;
                self.set_in_lane(num, *lane, *seq, chain)?;
                // A message that came before by another lane (its sender was restored from a backup) is not stored again.
                let lane = self.in_lane(num, *lane)?;
                let id = self.last_message + 1;
                let new = db
                    .prepare_cached(
                        "INSERT INTO message (id, peer, dir, state, mid, at_ms, sent_s, lane, seq, text)
                     VALUES (?1, ?2, 0, 0, ?3, ?4, ?5, ?6, ?7, ?8)
                     ON CONFLICT (peer, mid, dir) WHERE dir <> 1 DO NOTHING",
                    )?
                    .execute(params![id, num, mid.0, at_ms, number(*sent_s)?, lane, number(*seq)?, text])?;
                if new == 1 {
                    self.last_message = id;
                    db.prepare_cached(
                        "UPDATE peer SET unread = unread + 1, unread_bytes = unread_bytes + ?2,
                        untaken = coalesce(untaken, ?3) WHERE num = ?1",
                    )?
                    .execute(params![num, number(text.len() as u64)?, id])?;
                    let head = Head { row: id, arrived_ms: *at_ms, text: text.clone() };
                    self.out.stored.push(Stored { peer: *peer, head });
                    let (sent_s, client_id, text) = (Some(number(*sent_s)?), None, text.clone());
                    let message = NewMessage { id, mid: *mid, peer: *peer, at_ms: *at_ms, sent_s, client_id, text };
                    self.tell_new(message, Kind::Received);
                } else {
                    // The core has counted it as unread, and nobody will ever read it once more.
                    self.out.freed.push((*peer, text.len() as u64 + ROW_BYTES));
                }
            }
            Op::Skip { peer, lane, to, chain, count, why, at_ms } => {
                let num = self.peer(peer)?;
                let before = self.digest(num, *lane)?;
                self.set_in_lane(num, *lane, *to, chain)?;
                if *why == SkipReason::Lost {
                    let (peer, lane, to, chain) = (*peer, *lane, *to, *chain);
                    self.mark(&Gap { peer, lane, to, chain, before, count: *count, at_ms: *at_ms })?;
                }
            }
            Op::ForgetLane { peer, lane } => {
                let num = self.peer(peer)?;
                db.prepare_cached("DELETE FROM in_lane WHERE peer = ?1 AND lane = ?2")?
                    .execute(params![num, lane.0])?;
            }
            Op::Read { peer, row } => {
                self.read(peer, *row, *row, 1)?;
                db.prepare_cached(
                    "UPDATE peer SET untaken =
                        (SELECT id FROM message WHERE peer = ?1 AND id > ?2 AND dir <> 1 AND dir = 0 ORDER BY id LIMIT 1)
                     WHERE num = ?1 AND untaken <= ?2",
                )?
                .execute(params![self.peer(peer)?, row])?;
            }
            Op::ReadUpto { peer, upto, limit } => {
                let seen = self.read(peer, 0, *upto, *limit)?;
                self.out.seen.push(seen);
            }
            Op::Sent { peer, lane, first, count } => {
                let num = self.peer(peer)?;
                if self.out_lane(num, *lane)?.is_none() {
                    return Ok(());
                }
                let before = number(*first)? - 1;
                for (id, mid) in self.waiting(num, "0", before, before.saturating_add(number(*count)?))? {
                    self.tell(What::Sent(MessageRef { peer: Onion(*peer), id, mid }));
                }
            }
            Op::Changed { contact } => self.tell(What::Contact { contact: contact_record(contact.clone()) }),
            Op::Link { peer, up } => {
                db.prepare_cached("UPDATE peer SET linked = ?2 WHERE peer = ?1")?
                    .execute(params![peer.as_bytes(), up])?;
                self.tell(What::Link { peer: Onion(*peer), up: *up });
            }
            Op::Network { usable, sentence } => self.tell(What::Tor { usable: *usable, sentence: sentence.clone() }),
            Op::Legacy { message, at_ms, keep } => {
                db.prepare_cached("INSERT INTO legacy (claim, text, at_ms) VALUES (?1, ?2, ?3)")?.execute(params![
                    message.claim.as_str(),
                    message.text,
                    at_ms
                ])?;
                let id = db.last_insert_rowid();
                self.tell(What::Legacy { id, claims: message.claim.as_str().to_owned() });
                // What nobody has taken stays, whatever the number.
                db.prepare_cached(
                    "DELETE FROM legacy WHERE id IN (SELECT id FROM legacy WHERE taken = 1 ORDER BY id
                 LIMIT max(0, (SELECT count(*) FROM legacy) - ?1))",
                )?
                .execute([i64::try_from(*keep).unwrap_or(i64::MAX)])?;
            }
            Op::LegacyTaken { row } => {
                db.prepare_cached("UPDATE legacy SET taken = 1 WHERE id = ?1")?.execute([row])?;
            }
            Op::LegacyForget { before_ms } => {
                db.prepare_cached("DELETE FROM legacy WHERE at_ms < ?1")?.execute([before_ms])?;
            }
            Op::Notice { peer, sentence } => {
                self.tell(What::Notice { peer: peer.map(Onion), sentence: sentence.clone() });
            }
        }
        Ok(())
    }

    /// A peer's number; it gets one if it has none.
    pub(super) fn peer(&mut self, peer: &PeerId) -> Result<i64, StoreError> {
        if let Some(num) = self.known.peers.get(peer) {
            return Ok(*num);
        }
        let mut query = self.db.prepare_cached("SELECT num FROM peer WHERE peer = ?1")?;
        let num = match query.query_row([peer.as_bytes()], |row| row.get(0)).optional()? {
            Some(num) => num,
            None => {
                self.db.prepare_cached("INSERT INTO peer (peer) VALUES (?1)")?.execute([peer.as_bytes()])?;
                self.db.last_insert_rowid()
            }
        };
        self.known.peers.insert(*peer, num);
        Ok(num)
    }

    fn new_lane(&self, lane: LaneId) -> Result<i64, StoreError> {
        self.db.prepare_cached("INSERT INTO lane (lane) VALUES (?1)")?.execute([lane.0])?;
        Ok(self.db.last_insert_rowid())
    }

    /// The number of our lane to a peer, which begins if there is none; `None`: it is another one.
    fn out_lane(&mut self, peer: i64, lane: LaneId) -> Result<Option<i64>, StoreError> {
        let (ours, num) = match self.known.out.get(&peer) {
            Some(known) => *known,
            None => {
                let mut query = self.db.prepare_cached("SELECT lane, num FROM out_lane WHERE peer = ?1")?;
                let found = query.query_row([peer], |row| Ok((LaneId(blob(row, 0)?), row.get(1)?))).optional()?;
                let known = match found {
                    Some(found) => found,
                    None => {
                        let num = self.new_lane(lane)?;
                        self.db
                            .prepare_cached(
                                "INSERT INTO out_lane (peer, lane, num, acked_chain) VALUES (?1, ?2, ?3, ?4)",
                            )?
                            .execute(params![peer, lane.0, num, Chain::EMPTY.0])?;
                        (lane, num)
                    }
                };
                self.known.out.insert(peer, known);
                known
            }
        };
        Ok((ours == lane).then_some(num))
    }

    /// Says how far a peer's lane to us is.
    fn set_in_lane(&self, peer: i64, lane: LaneId, hwm: u64, chain: &Chain) -> Result<(), StoreError> {
        self.db
            .prepare_cached(
                "INSERT INTO in_lane (peer, lane, hwm, chain, moved)
                 VALUES (?1, ?2, ?3, ?4, (SELECT coalesce(max(moved), 0) + 1 FROM in_lane WHERE peer = ?1))
                 ON CONFLICT (peer, lane)
                 DO UPDATE SET hwm = excluded.hwm, chain = excluded.chain, moved = excluded.moved",
            )?
            .execute(params![peer, lane.0, number(hwm)?, chain.0])?;
        Ok(())
    }

    /// The digest of a peer's lane to us; none: where every lane begins.
    fn digest(&self, peer: i64, lane: LaneId) -> Result<Chain, StoreError> {
        let mut query = self.db.prepare_cached("SELECT chain FROM in_lane WHERE peer = ?1 AND lane = ?2")?;
        let found = query.query_row(params![peer, lane.0], |row| Ok(Chain(blob(row, 0)?))).optional()?;
        Ok(found.unwrap_or(Chain::EMPTY))
    }

    /// The number of a peer's lane to us, in which a message is to stand.
    pub(super) fn in_lane(&self, peer: i64, lane: LaneId) -> Result<i64, StoreError> {
        let mut query = self.db.prepare_cached("SELECT num FROM in_lane WHERE peer = ?1 AND lane = ?2")?;
        if let Some(num) = query.query_row(params![peer, lane.0], |row| row.get(0))? {
            return Ok(num);
        }
        let num = self.new_lane(lane)?;
        self.db
            .prepare_cached("UPDATE in_lane SET num = ?3 WHERE peer = ?1 AND lane = ?2")?
            .execute(params![peer, lane.0, num])?;
        Ok(num)
    }

    /// The messages of our lane to a peer after a number and up to another one in one of the states, in order.
    fn waiting(
        &self,
        peer: i64,
        states: &'static str,
        after: i64,
        upto: i64,
    ) -> Result<Vec<(i64, MessageId)>, StoreError> {
        let mut query = self.db.prepare_cached(&format!(
            "SELECT id, mid FROM message WHERE peer = ?1 AND dir = 1 AND state IN (0, 4, 5) AND state IN ({states})
             AND seq > ?2 AND seq <= ?3 ORDER BY seq"
        ))?;
        let rows = query.query_map([peer, after, upto], |row| Ok((row.get(0)?, MessageId(blob(row, 1)?))))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Marks unread messages of a peer as read, the oldest first. Returns how many they were.
    fn read(&mut self, peer: &PeerId, from: i64, upto: i64, limit: u32) -> Result<u64, StoreError> {
        let num = self.peer(peer)?;
        self.read_marks(peer, num, upto)?;
        let mut query = self.db.prepare_cached(
            "SELECT id, mid, octet_length(text) FROM message
             WHERE peer = ?1 AND id >= ?2 AND id <= ?3 AND dir = 0 AND state = 0 ORDER BY id LIMIT ?4",
        )?;
        let rows = query.query_map(params![num, from, upto, limit], |row| {
            let message = MessageRef { peer: Onion(*peer), id: row.get(0)?, mid: MessageId(blob(row, 1)?) };
            Ok((message, row.get::<_, i64>(2)?))
        })?;
        let found = rows.collect::<Result<Vec<_>, _>>()?;
        if found.is_empty() {
            return Ok(0);
        }
        let (count, bytes) = (found.len() as u64, found.iter().map(|(_, bytes)| *bytes).sum::<i64>());
        let mut mark = self.db.prepare_cached("UPDATE message SET state = 1 WHERE id = ?1")?;
        for (message, _) in found {
            mark.execute([message.id])?;
            self.tell(What::Read(message));
        }
        self.db
            .prepare_cached("UPDATE peer SET unread = unread - ?2, unread_bytes = unread_bytes - ?3 WHERE num = ?1")?
            .execute(params![num, number(count)?, bytes])?;
        self.out.freed.push((*peer, bytes.unsigned_abs() + count * ROW_BYTES));
        Ok(count)
    }

    /// A request that the user was told of does not wait any more.
    fn request_gone(&mut self, peer: &PeerId) -> Result<(), StoreError> {
        let mut query = self.db.prepare_cached("SELECT 1 FROM request WHERE peer = ?1 AND refused = 0")?;
        if query.exists([peer.as_bytes()])? {
            self.tell(What::RequestGone { peer: Onion(*peer) });
        }
        Ok(())
    }
}

/// SQLite's integers end at 2^63; the protocol's at 2^53, so a larger one is a bug of ours.
pub(super) fn number(n: u64) -> Result<i64, StoreError> {
    i64::try_from(n).map_err(|_| StoreError::Damaged(format!("the number {n} does not fit into the store")))
}
