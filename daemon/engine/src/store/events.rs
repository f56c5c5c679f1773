//! The event log: rows that are written with the change they tell of, read in order, and removed when they are old.
//!
//! What an event says of a message is what was true when it happened, so it reads the same from memory, from the disk
//! and after a restart; how a message is now, HISTORY says. Only a mark of lost messages grows, and its earlier events with it.

use super::messages::{blob, peer_id};
use super::query::rooms::{self, RoomPart, room_part};
use super::rows::Rows;
use super::share::Shares;
use super::{StoreError, apply::Changes};
use jiff::fmt::temporal::DateTimePrinter;
use rusqlite::{Connection, Row, params};
use serde::{Deserialize, Serialize};
use std::cell::RefCell;
use std::sync::LazyLock;
use torchat_core::time::Believed;
use torchat_protocol::control::api::Onion;
use torchat_protocol::control::api::event::{Event, Kind, MessageRef, What};
use torchat_protocol::control::api::record::{Direction, Member, MemberChange, Message, MessageState};
use torchat_protocol::control::reason;
use torchat_protocol::conversation::ConversationId;
use torchat_protocol::id::MessageId;

/// Rows of the log.
static EVENTS: LazyLock<Rows> = LazyLock::new(|| Rows::new("event (seq, at_ms, kind, message, peer, data)", 6));

/// Where the log begins and ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogEdges {
    /// The oldest event; `last` + 1 if there is none.
    pub oldest: u64,
    /// The last event that ever was; 0 if there was none.
    pub last: u64,
}

/// How many events are kept, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// Events.
    pub events: u64,
    /// Milliseconds.
    pub age_ms: i64,
}

impl Default for Retention {
    fn default() -> Self {
        Self { events: 1_000_000, age_ms: 90 * 24 * 3_600_000 }
    }
}

const TIME: DateTimePrinter = DateTimePrinter::new().precision(Some(3));

/// Milliseconds of a day.
const DAY_MS: i64 = 24 * 3_600_000;
/// How many characters a day's words have after the date.
const OF_DAY: usize = "00:00:00.000Z".len();

/// A moment as events and records show it: RFC 3339, UTC, milliseconds.
///
/// A page of a conversation has hundreds of them, most of them of few days. So each thread remembers the date that it wrote last, and
/// writes only the time of the day.
#[must_use]
pub fn time(at_ms: i64) -> String {
    thread_local! {
        static LAST: RefCell<(i64, String)> = const { RefCell::new((i64::MIN, String::new())) };
    }
    let (day, ms) = (at_ms.div_euclid(DAY_MS), at_ms.rem_euclid(DAY_MS));
    LAST.with_borrow_mut(|(last, date)| {
        if *last != day {
            // Outside the years that have a name; only a broken clock, ours or a sender's, gets here.
            let Ok(at) = jiff::Timestamp::from_millisecond(at_ms) else {
                return TIME.timestamp_to_string(&jiff::Timestamp::UNIX_EPOCH);
            };
            *date = TIME.timestamp_to_string(&at);
            date.truncate(date.len().saturating_sub(OF_DAY));
            *last = day;
        }
        let mut text = String::with_capacity(date.len() + OF_DAY);
        text.push_str(date);
        push_number(&mut text, 2, ms / 3_600_000);
        text.push(':');
        push_number(&mut text, 2, ms / 60_000 % 60);
        text.push(':');
        push_number(&mut text, 2, ms / 1000 % 60);
        text.push('.');
        push_number(&mut text, 3, ms % 1000);
        text.push('Z');
        text
    })
}

/// A number with this many digits.
fn push_number(text: &mut String, digits: u32, number: i64) {
    for place in (0..digits).rev() {
        let digit = number / 10_i64.pow(place) % 10;
        text.push(u8::try_from(digit).map_or('0', |digit| char::from(b'0' + digit)));
    }
}

/// A kind's number in the store. It never changes its meaning.
fn number(kind: Kind) -> i64 {
    match kind {
        Kind::Received => 1,
        Kind::Queued => 2,
        Kind::Sent => 3,
        Kind::Delivered => 4,
        Kind::Failed => 5,
        Kind::Withdrawn => 6,
        Kind::Read => 7,
        Kind::Lost => 8,
        Kind::Request => 9,
        Kind::RequestGone => 10,
        Kind::Contact => 11,
        Kind::Link => 12,
        Kind::Tor => 13,
        Kind::Notice => 14,
        Kind::Legacy => 15,
        Kind::Erased => 16,
        Kind::Room => 17,
        Kind::Member => 18,
        Kind::Petition => 19,
        Kind::PetitionGone => 20,
        Kind::Edited => 21,
        Kind::Redacted => 22,
        Kind::Reacted => 23,
        Kind::Voided => 24,
        // Never stored.
        Kind::Gap => 0,
    }
}

/// What a message was when it came to be: as its event shows it.
pub(super) struct NewMessage {
    pub(super) id: i64,
    pub(super) mid: MessageId,
    pub(super) conversation: ConversationId,
    pub(super) at_ms: i64,
    pub(super) sent_s: Option<i64>,
    pub(super) client_id: Option<String>,
    pub(super) text: String,
    pub(super) room: Option<RoomPart>,
}

impl NewMessage {
    fn record(self, dir: Direction, state: MessageState, at: String) -> Message {
        let mut message = Message {
            id: self.id,
            mid: self.mid,
            peer: self.conversation,
            dir,
            text: self.text,
            state,
            at,
            sent_at: self.sent_s.map(|s| time(s.saturating_mul(1000))),
            done_at: None,
            client_id: self.client_id,
            reason: None,
            why: None,
            next_try_at: None,
            from: None,
            order: None,
            re: None,
            mention: false,
            edited_at: None,
            reacts: Default::default(),
            flags: Vec::new(),
            stored: None,
        };
        if let Some(room) = self.room {
            room.fill(&mut message, false);
        }
        message
    }

    /// As an event of a kind that shows the whole message. `at` is its `at_ms` in words.
    fn told(self, kind: Kind, at: String) -> What {
        match kind {
            Kind::Received => What::Received { message: self.record(Direction::In, MessageState::Unread, at) },
            Kind::Lost => What::Lost { message: self.record(Direction::Mark, MessageState::Lost, at) },
            _ => What::Queued { message: self.record(Direction::Out, MessageState::Queued, at) },
        }
    }
}

#[derive(Serialize, Deserialize)]
struct RequestData {
    nick: String,
    text: String,
}

#[derive(Serialize, Deserialize)]
struct TorData {
    usable: bool,
    sentence: String,
    /// Absent in what was stored before there were codes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    why: Option<reason::Network>,
}

/// A notice that has a code. One without is its sentence alone, as all were before there were codes: no sentence is such an
/// object.
#[derive(Serialize, Deserialize)]
struct NoticeData {
    sentence: String,
    why: reason::Notice,
}

impl NoticeData {
    /// What a row holds.
    fn read(data: &str) -> (String, Option<reason::Notice>) {
        match serde_json::from_str(data) {
            Ok(Self { sentence, why }) => (sentence, Some(why)),
            Err(_) => (data.to_owned(), None),
        }
    }
}

#[derive(Serialize, Deserialize)]
struct LegacyData {
    id: i64,
    claims: String,
}

#[derive(Serialize, Deserialize)]
struct ErasedData {
    from: i64,
    upto: i64,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    kept: Vec<i64>,
}

#[derive(Serialize, Deserialize)]
struct MemberData {
    member: Member,
    change: MemberChange,
}

/// What stands in `event.data`: what neither a message nor a peer's key says.
fn data(what: &What) -> Option<String> {
    let json = |value: serde_json::Result<String>| Some(value.unwrap_or_default());
    match what {
        What::Request { nick, text, .. } => {
            json(serde_json::to_string(&RequestData { nick: nick.clone(), text: text.clone() }))
        }
        What::Contact { contact } => json(serde_json::to_string(contact)),
        What::Link { up, .. } => Some(if *up { "up" } else { "down" }.to_owned()),
        What::Tor { usable, sentence, why } => {
            json(serde_json::to_string(&TorData { usable: *usable, sentence: sentence.clone(), why: why.clone() }))
        }
        What::Notice { sentence, why: None, .. } => Some(sentence.clone()),
        What::Notice { sentence, why: Some(why), .. } => {
            json(serde_json::to_string(&NoticeData { sentence: sentence.clone(), why: why.clone() }))
        }
        What::Erased { from, upto, kept, .. } => {
            json(serde_json::to_string(&ErasedData { from: *from, upto: *upto, kept: kept.clone() }))
        }
        What::Room { room } => json(serde_json::to_string(room)),
        What::Member { member, change, .. } => {
            json(serde_json::to_string(&MemberData { member: member.clone(), change: *change }))
        }
        What::Petition { petition } => json(serde_json::to_string(petition)),
        What::PetitionGone { onion, .. } => json(serde_json::to_string(onion)),
        // The text stands in the message: it must go with it.
        What::Edited { edited_at, .. } => Some(edited_at.clone()),
        // And so does the sign.
        What::Reacted { member, .. } => Some(member.to_string()),
        What::Voided { messages, .. } => json(serde_json::to_string(messages)),
        What::Legacy { id, claims } => json(serde_json::to_string(&LegacyData { id: *id, claims: claims.clone() })),
        _ => None,
    }
}

/// The message that an event points to; its peer is not written a second time.
fn message(what: &What) -> Option<i64> {
    match what {
        What::Received { message } | What::Queued { message } | What::Lost { message } => Some(message.id),
        What::Edited { id, .. } | What::Redacted { id, .. } | What::Reacted { id, .. } => Some(*id),
        What::Sent(m) | What::Delivered(m) | What::Failed(m) | What::Withdrawn(m) | What::Read(m) => Some(m.id),
        _ => None,
    }
}

impl Changes<'_> {
    /// Adds an event to the log. [`Changes::write_events`] writes it.
    pub(super) fn tell(&mut self, what: What) {
        let seq = self.last_event + 1;
        self.last_event = seq;
        let at = self.time(self.moment.at_ms);
        self.out.events.push(Event { seq, at, what });
    }

    /// Writes the turn's events: nothing within a turn reads them.
    pub(super) fn write_events(&self) -> Result<(), StoreError> {
        EVENTS.insert(self.db, &self.out.events, |row, event| {
            let message = message(&event.what);
            let about = event.what.conversation().filter(|_| message.is_none()).map(|id| *id.as_bytes());
            row.add(i64::try_from(event.seq).unwrap_or(i64::MAX))?;
            row.add(self.moment.at_ms)?;
            row.add(number(event.what.kind()))?;
            row.add(message)?;
            row.add(about)?;
            row.add(data(&event.what))
        })
    }

    /// As [`time`]. Most moments of a turn are the turn's own, and to write one in words costs as much as a row.
    fn time(&mut self, at_ms: i64) -> String {
        if self.words.as_ref().is_none_or(|(known, _)| *known != at_ms) {
            self.words = Some((at_ms, time(at_ms)));
        }
        self.words.as_ref().map(|(_, words)| words.clone()).unwrap_or_default()
    }

    /// Adds the event that shows a whole new message.
    pub(super) fn tell_new(&mut self, message: NewMessage, kind: Kind) {
        let at = self.time(message.at_ms);
        self.tell(message.told(kind, at));
    }
}

/// Where the log begins and ends, by three seeks.
pub(super) fn edges(db: &Connection) -> Result<LogEdges, StoreError> {
    let mut query = db.prepare_cached(
        "SELECT (SELECT min(seq) FROM event), (SELECT max(seq) FROM event), (SELECT value FROM meta WHERE name = 'told')",
    )?;
    let (oldest, newest, told) = query.query_row([], |row| {
        Ok((row.get::<_, Option<i64>>(0)?, row.get::<_, Option<i64>>(1)?, row.get::<_, Option<i64>>(2)?))
    })?;
    // Whatever was removed was noted then, so no number comes twice.
    let last = newest.unwrap_or(0).max(told.unwrap_or(0));
    Ok(LogEdges { oldest: oldest.unwrap_or(last + 1).unsigned_abs(), last: last.unsigned_abs() })
}

/// Removes events that are too many or too old, at most `step`. Returns whether more may have to go.
///
/// Of too many, those of the conversation that has most of the log go first, see [`super::share`]. Too old is only what a clock that is
/// believed finds so: what a clock removes that was wrong for a moment, no later look brings back.
pub(super) fn trim(
    db: &Connection,
    edges: &mut LogEdges,
    shares: &mut Shares,
    keep: &Retention,
    believed: Option<Believed>,
    step: u64,
) -> Result<bool, StoreError> {
    let signed = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
    let thinned = shares.thin(db, keep.events, step)?;
    let too_many = if thinned.greedy { 0 } else { shares.rows().saturating_sub(keep.events) };
    let born = believed.and_then(|clock| clock.born_before(keep.age_ms)).unwrap_or(i64::MIN);
    let step = step.saturating_sub(thinned.gone);
    let (mut oldest, mut gone) = (edges.last + 1, 0);
    {
        let mut query = db.prepare_cached("SELECT seq, at_ms FROM event ORDER BY seq LIMIT ?1")?;
        let mut rows = query.query([signed(step.saturating_add(1))])?;
        while let Some(row) = rows.next()? {
            if gone == step || gone >= too_many && row.get::<_, i64>(1)? >= born {
                oldest = row.get::<_, i64>(0)?.unsigned_abs();
                break;
            }
            gone += 1;
        }
    }
    if gone > 0 {
        db.prepare_cached("DELETE FROM event WHERE seq < ?1")?.execute([signed(oldest)])?;
        shares.begins(db, oldest, gone)?;
    }
    if gone > 0 || thinned.gone > 0 {
        db.prepare_cached("UPDATE meta SET value = ?1 WHERE name = 'told'")?.execute([signed(edges.last)])?;
        edges.oldest = oldest;
    }
    Ok(gone + thinned.gone > 0 && (gone == step || thinned.greedy))
}

/// The query of [`read`], also for a test that looks at its plan.
pub(super) const READ: &str = concat!(
    "SELECT e.seq, e.at_ms, e.kind, e.peer, e.data, m.id, p.peer, m.mid, m.at_ms, m.sent_s,
        CASE WHEN e.kind IN (1, 2, 8, 21) THEN m.text END, c.client, ",
    room_part!(),
    " FROM event e LEFT JOIN message m ON m.id = e.message LEFT JOIN peer p ON p.num = m.peer
     LEFT JOIN client_id c ON c.message = e.message
     LEFT JOIN room_message r ON r.message = m.id AND e.kind IN (1, 2)
     WHERE e.seq > ?1 AND e.seq <= ?2 ORDER BY e.seq LIMIT ?3"
);

/// The events after a number and up to another one, in order: at most `limit`, and no more when they have `most` bytes.
/// Between two of them stands a gap where some were removed; before the first and after the last one the caller sees it.
pub(super) fn read(
    db: &Connection,
    after: u64,
    upto: u64,
    limit: usize,
    most: usize,
) -> Result<Vec<Event>, StoreError> {
    let signed = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
    let mut query = db.prepare_cached(READ)?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut rows = query.query(params![signed(after), signed(upto), limit])?;
    let (mut events, mut bytes): (Vec<Event>, usize) = (Vec::new(), 0);
    while let Some(row) = rows.next()? {
        let seq = row.get::<_, i64>(0)?.unsigned_abs();
        if let Some(before) = events.last().map(|event| event.seq).filter(|before| before + 1 < seq) {
            let what = What::Gap { from: before + 1, to: seq - 1 };
            events.push(Event { seq: seq - 1, at: time(row.get(1)?), what });
        }
        // A row whose message is erased, or that a newer version wrote, is announced like any other that is missing.
        let what = what(row)?.unwrap_or(What::Gap { from: seq, to: seq });
        // Neighbours are one gap: an erased conversation has thousands.
        if let (What::Gap { .. }, Some(Event { seq: last, at, what: What::Gap { to, .. } })) =
            (&what, events.last_mut())
            && *to + 1 == seq
        {
            (*last, *to, *at) = (seq, seq, time(row.get(1)?));
            continue;
        }
        bytes += size(&what);
        events.push(Event { seq, at: time(row.get(1)?), what });
        if bytes > most {
            break;
        }
    }
    Ok(events)
}

/// What an event takes of memory, about.
pub(crate) fn size(what: &What) -> usize {
    let text = match what {
        What::Received { message } | What::Queued { message } | What::Lost { message } => message.text.len(),
        What::Request { nick, text, .. } => nick.len() + text.len(),
        What::Tor { sentence, .. } | What::Notice { sentence, .. } => sentence.len(),
        What::Legacy { claims, .. } => claims.len(),
        What::Room { room } => size_of_val(&**room) + room.name.len() + room.topic.len(),
        What::Edited { text, .. } => text.len(),
        What::Petition { petition } => petition.text.len(),
        What::Voided { messages, .. } => size_of_val(messages.as_slice()),
        What::Erased { kept, .. } => size_of_val(kept.as_slice()),
        _ => 0,
    };
    text + size_of::<Event>() + 64
}

/// How a member has reacted to a message, now; empty: not, or not any more.
fn sign_of(room: &RoomPart, member: u32) -> String {
    let with = room.reacts.iter().find(|(_, members)| members.contains(&member));
    with.map(|(sign, _)| sign.clone()).unwrap_or_default()
}

fn what(row: &Row<'_>) -> Result<Option<What>, StoreError> {
    let kind: i64 = row.get(2)?;
    let Some(kind) = Kind::STORED.into_iter().find(|known| number(*known) == kind) else { return Ok(None) };
    let conversation = row.get::<_, Option<[u8; 32]>>(3)?.map(ConversationId::from_bytes);
    let peer = match conversation.filter(|_| matches!(kind, Kind::Request | Kind::RequestGone | Kind::Link)) {
        Some(id) => Some(Onion(peer_id(*id.as_bytes())?)),
        None => None,
    };
    let message = match row.get::<_, Option<i64>>(5)? {
        Some(id) => Some(NewMessage {
            id,
            mid: MessageId(blob(row, 7)?),
            conversation: ConversationId::from_bytes(blob(row, 6)?),
            at_ms: row.get(8)?,
            sent_s: row.get(9)?,
            client_id: row.get(11)?,
            text: row.get::<_, Option<String>>(10)?.unwrap_or_default(),
            room: rooms::part(row, 12)?.map(|(part, _)| part),
        }),
        None => None,
    };
    let data = row.get_ref(4)?.as_str_or_null().ok().flatten().unwrap_or_default();
    let short = |m: NewMessage| MessageRef { peer: m.conversation, id: m.id, mid: m.mid };
    Ok(match kind {
        Kind::Received | Kind::Queued | Kind::Lost => message.map(|m| {
            let at = time(m.at_ms);
            m.told(kind, at)
        }),
        Kind::Sent => message.map(|m| What::Sent(short(m))),
        Kind::Delivered => message.map(|m| What::Delivered(short(m))),
        Kind::Failed => message.map(|m| What::Failed(short(m))),
        Kind::Withdrawn => message.map(|m| What::Withdrawn(short(m))),
        Kind::Read => message.map(|m| What::Read(short(m))),
        Kind::Request => {
            let said = serde_json::from_str(data).ok();
            peer.zip(said).map(|(peer, RequestData { nick, text })| What::Request { peer, nick, text })
        }
        Kind::RequestGone => peer.map(|peer| What::RequestGone { peer }),
        Kind::Contact => serde_json::from_str(data).ok().map(|contact| What::Contact { contact }),
        Kind::Link => peer.map(|peer| What::Link { peer, up: data == "up" }),
        Kind::Tor => {
            serde_json::from_str(data).ok().map(|TorData { usable, sentence, why }| What::Tor { usable, sentence, why })
        }
        Kind::Notice => {
            let (sentence, why) = NoticeData::read(data);
            Some(What::Notice { peer: conversation, sentence, why })
        }
        Kind::Legacy => serde_json::from_str(data).ok().map(|LegacyData { id, claims }| What::Legacy { id, claims }),
        Kind::Erased => {
            let said = serde_json::from_str(data).ok();
            conversation.zip(said).map(|(peer, ErasedData { from, upto, kept })| What::Erased {
                peer,
                from,
                upto,
                kept,
            })
        }
        Kind::Room => serde_json::from_str(data).ok().map(|room| What::Room { room }),
        Kind::Member => {
            let said = serde_json::from_str(data).ok();
            conversation.zip(said).map(|(peer, MemberData { member, change })| What::Member { peer, member, change })
        }
        Kind::Petition => serde_json::from_str(data).ok().map(|petition| What::Petition { petition }),
        Kind::PetitionGone => {
            let said = serde_json::from_str(data).ok();
            conversation.zip(said).map(|(peer, onion)| What::PetitionGone { peer, onion })
        }
        Kind::Edited => message.map(|m| What::Edited {
            peer: m.conversation,
            id: m.id,
            mid: m.mid,
            text: m.text,
            edited_at: data.to_owned(),
        }),
        Kind::Redacted => message.map(|m| What::Redacted { peer: m.conversation, id: m.id, mid: m.mid }),
        Kind::Reacted => message.zip(data.parse().ok()).map(|(m, member)| What::Reacted {
            peer: m.conversation,
            id: m.id,
            mid: m.mid,
            member,
            sign: m.room.map(|room| sign_of(&room, member)).unwrap_or_default(),
        }),
        Kind::Voided => {
            let said = serde_json::from_str(data).ok();
            conversation.zip(said).map(|(peer, messages)| What::Voided { peer, messages })
        }
        Kind::Gap => None,
    })
}
