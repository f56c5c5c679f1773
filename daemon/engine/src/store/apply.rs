//! Operations of a turn as SQL, by family.

mod contacts;
mod desk;
mod erasing;
mod lanes;
mod legacy;
mod log;
mod messages;
mod receiving;
mod replica;
mod sending;

use super::marks::Gap;
use super::numbers::RoomNum;
use super::numbers::{LaneNum, PeerNum};
use super::people::People;
use super::{LogEdges, Moment, ReadMark, RoomText, StoreError, Stored};
pub use erasing::Erased;
pub(super) use messages::write_messages;
use receiving::Incoming;
use rusqlite::{Connection, OptionalExtension as _};
use sending::Acked;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use torchat_core::op::{ChatOp, ContactOp, LegacyOp, LogOp, Op};
use torchat_protocol::control::api::event::Event;
use torchat_protocol::conversation::ConversationId;
use torchat_protocol::id::{Chain, LaneId, MessageId, PeerId};
use torchat_protocol::room::{MemberNo, RoomId};

/// What a commit did, for those who act on it.
#[derive(Debug, Default)]
pub struct Applied {
    /// Received messages that were new.
    pub stored: Vec<Stored>,
    /// Texts of ours that were accepted for rooms.
    pub said: Vec<RoomText>,
    /// Conversations of which something unread is another one now, or is not unread any more, with their first unread message.
    pub renewed: Vec<(ConversationId, Option<i64>)>,
    /// The rows of messages that were accepted.
    pub queued: Vec<(MessageId, i64)>,
    /// What was unread and is read now: bytes of texts, and [`ROW_BYTES`](torchat_core::account::ROW_BYTES) for each message and mark.
    pub freed: Vec<(PeerId, u64)>,
    /// For each [`ChatOp::ReadUpto`], how many messages were unread.
    pub seen: Vec<u64>,
    /// For each [`ChatOp::Erase`], what it did.
    pub erased: Vec<Erased>,
    /// A text was taken away for good: traces of it may be left in the file.
    pub wiped: bool,
    /// An erased text could not be taken out of the search's index, which is damaged.
    pub index_damaged: bool,
    /// Up to where peers' messages are read now, for each [`ChatOp::ReadUpto`].
    pub read: Vec<ReadMark>,
    /// Rows of rooms' logs do not all say yet what they count as: [`RoomOp::Restand`](torchat_core::op::RoomOp::Restand) goes on with it.
    pub behind: bool,
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
    peers: HashMap<PeerId, PeerNum>,
    /// Our lane to each peer, by the peer's number, and the lane's number.
    out: HashMap<PeerNum, (LaneId, LaneNum)>,
    /// How many marks of each peer, by its number, nobody has read.
    pub(super) marks: HashMap<PeerNum, u64>,
    /// Which conversation is that of a room.
    rooms: HashMap<PeerNum, Option<RoomNum>>,
    /// Who is in a room.
    people: HashMap<RoomNum, People>,
    /// And who is muted there.
    muted: HashMap<RoomNum, BTreeSet<MemberNo>>,
    /// Whether a chain of a room is behind, and which was brought further last: `room_chain.chain`.
    behind: Option<bool>,
    restood: i64,
}

/// A transaction that is being made.
pub(super) struct Changes<'a> {
    pub(super) db: &'a Connection,
    pub(super) known: &'a mut Known,
    pub(super) moment: Moment,
    /// The last message's row.
    pub(super) last_message: i64,
    /// Up to this message the texts are in the search's index.
    pub(super) indexed: i64,
    /// The last event's number.
    pub(super) last_event: u64,
    /// A moment, and how it is written.
    pub(super) words: Option<(i64, String)>,
    /// The rooms whose replicas have written something.
    pub(super) rooms: BTreeMap<RoomId, replica::Changes<'a>>,
    /// What that may have changed of messages.
    pub(super) touched: BTreeMap<RoomId, messages::Touched>,
    pub(super) out: &'a mut Applied,
}

impl Changes<'_> {
    /// Operations in their order: one, or some that all queue a message, as a turn has dozens of.
    pub(super) fn apply_all(&mut self, ops: &[Op]) -> Result<(), StoreError> {
        match ops {
            [Op::Chat(ChatOp::Queue { .. }), ..] => self.queue(ops),
            ops => ops.iter().try_for_each(|op| self.apply(op)),
        }
    }

    fn apply(&mut self, op: &Op) -> Result<(), StoreError> {
        match op {
            Op::Contacts(op) => self.of_contacts(op),
            Op::Chat(chat) => self.of_chat(chat, op),
            Op::Legacy(op) => self.of_legacy(op),
            Op::Log(op) => self.of_log(op),
            Op::Room(op) => self.of_room(op),
        }
    }

    fn of_contacts(&mut self, op: &ContactOp) -> Result<(), StoreError> {
        match op {
            ContactOp::Add { peer, at_ms } => self.contact(peer, *at_ms),
            ContactOp::Remove { peer } => self.remove(peer),
            ContactOp::Block { peer, blocked } => {
                self.block(peer, *blocked)?;
                self.block_in_rooms(peer.as_bytes())
            }
            ContactOp::Petname { peer, name } => self.petname(peer, name.as_deref()),
            ContactOp::Nick { peer, nick } => self.nick(peer, nick),
            ContactOp::Intro { peer, intro } => self.intro(peer, intro),
            ContactOp::Request { peer, request } => self.request(peer, request.as_ref()),
            ContactOp::Invite { invite } => self.invite(invite),
            ContactOp::InviteGone { hash } => self.invite_gone(hash),
            ContactOp::Waiting { peer, waiting } => self.waiting_for_consent(peer, *waiting),
            ContactOp::Met { peer, epoch, run } => self.met(peer, *epoch, *run),
            ContactOp::Hidden { peer, hidden } => self.hidden(peer, *hidden),
            ContactOp::Verified { peer, at_ms } => self.verified(peer, *at_ms),
            ContactOp::Retain { peer, days } => self.retain(peer, *days),
            ContactOp::Seen { peer, at_ms } => self.seen(peer, *at_ms),
            ContactOp::Retry { peer, attempts, next_ms } => self.retry(peer, *attempts, *next_ms),
        }
    }

    fn of_chat(&mut self, chat: &ChatOp, op: &Op) -> Result<(), StoreError> {
        match chat {
            ChatOp::Queue { .. } => self.queue(std::slice::from_ref(op)),
            ChatOp::TakeBack { peer, mid, seq, why, at_ms } => self.take_back(peer, *mid, *seq, *why, *at_ms),
            ChatOp::Delivered { peer, lane, upto, chain, late, at_ms } => {
                let (lane, upto, chain, at_ms) = (*lane, *upto, *chain, *at_ms);
                self.delivered(peer, &Acked { lane, upto, chain, late, at_ms })
            }
            ChatOp::NewLane { peer, lane, messages } => self.change_lane(peer, *lane, messages),
            ChatOp::Sent { peer, lane, first, count } => self.sent(peer, *lane, *first, *count),
            ChatOp::Receive { peer, lane, seq, chain, mid, sent_s, at_ms, text } => {
                let (lane, seq, chain, mid, sent_s, at_ms) = (*lane, *seq, *chain, *mid, *sent_s, *at_ms);
                self.receive(peer, &Incoming { lane, seq, chain, mid, sent_s, at_ms, text })
            }
            ChatOp::Skip { peer, lane, to, chain, count, why, at_ms } => {
                let (peer, lane, to, chain, count, at_ms) = (*peer, *lane, *to, *chain, *count, *at_ms);
                self.skip(Gap { peer, lane, to, chain, before: Chain::EMPTY, count, at_ms }, *why)
            }
            ChatOp::ForgetLane { peer, lane } => self.forget_lane(peer, *lane),
            ChatOp::Read { peer, row } => self.taken(peer, *row),
            ChatOp::ReadUpto { peer, upto, limit } => self.read_upto(peer, *upto, *limit),
            ChatOp::Erase { peer, piece } => self.erase(peer, *piece),
        }
    }

    fn of_legacy(&mut self, op: &LegacyOp) -> Result<(), StoreError> {
        match op {
            LegacyOp::Keep { message, at_ms, keep } => self.legacy(message, *at_ms, *keep),
            LegacyOp::Taken { row } => self.legacy_taken(*row),
            LegacyOp::Forget { before_ms } => self.legacy_forget(*before_ms),
        }
    }

    fn of_log(&mut self, op: &LogOp) -> Result<(), StoreError> {
        match op {
            LogOp::Run { run, at_ms } => return self.run(*run, *at_ms),
            LogOp::ClockSet { at_ms } => return self.clock_set(*at_ms),
            LogOp::Link { peer, up } => return self.link(peer, *up),
            LogOp::Changed { contact } => self.changed(contact),
            LogOp::Network { usable, sentence, why } => self.network(*usable, sentence, why),
            LogOp::Notice { peer, sentence, why } => self.notice(*peer, sentence, why.as_ref()),
        }
        Ok(())
    }

    /// The room of a conversation.
    pub(super) fn room_of(&mut self, num: PeerNum) -> Result<Option<RoomNum>, StoreError> {
        if let Some(room) = self.known.rooms.get(&num) {
            return Ok(*room);
        }
        let mut query = self.db.prepare_cached("SELECT room FROM peer WHERE num = ?1")?;
        let room = query.query_row([num], |row| row.get(0)).optional()?.flatten();
        self.known.rooms.insert(num, room);
        Ok(room)
    }

    /// A peer's number; it gets one if it has none.
    pub(super) fn peer(&mut self, peer: &PeerId) -> Result<PeerNum, StoreError> {
        if let Some(num) = self.known.peers.get(peer) {
            return Ok(*num);
        }
        let mut query = self.db.prepare_cached("SELECT num FROM peer WHERE peer = ?1")?;
        let num = match query.query_row([peer.as_bytes()], |row| row.get(0)).optional()? {
            Some(num) => num,
            None => {
                self.db.prepare_cached("INSERT INTO peer (peer) VALUES (?1)")?.execute([peer.as_bytes()])?;
                PeerNum(self.db.last_insert_rowid())
            }
        };
        self.known.peers.insert(*peer, num);
        Ok(num)
    }
}

/// SQLite's integers end at 2^63; the protocol's at 2^53, so a larger one is a bug of ours.
pub(super) fn number(n: u64) -> Result<i64, StoreError> {
    i64::try_from(n).map_err(|_| StoreError::Damaged(format!("the number {n} does not fit into the store")))
}
