//! What a message shows, as a function of the events that are stored. ROOM-PROTOCOL.md, "What counts".

use super::{Changes, Ended, Touched};
use crate::store::force::{self, About};
use crate::store::messages::blob;
use crate::store::replica::{ChainKey, RoomKey, TEXT, event, number, standing, tag_number};
use crate::store::{StoreError, flags};
use rusqlite::{Row, params};
use std::sync::Arc;
use torchat_protocol::id::MessageId;
use torchat_protocol::room::body::said::Text;
use torchat_protocol::room::body::{Body, Place, Ref, Role};
use torchat_protocol::room::{Event, Order};
use torchat_room::counts::{Said, counting};

/// A row of a room's message, as it is or as it is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Shown {
    pub(super) dir: i64,
    pub(super) state: i64,
    /// The event that it shows.
    pub(super) place: Option<Place>,
    pub(super) lamport: Option<i64>,
    pub(super) text: String,
    pub(super) flags: i64,
    pub(super) re: Option<Answered>,
    pub(super) edited_ms: Option<i64>,
    /// JSON.
    pub(super) reacts: Option<String>,
}

/// What a message answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Answered {
    pub(super) place: Place,
    /// Which event there, is compared when it is shown.
    pub(super) tag: Option<i64>,
}

impl From<Ref> for Answered {
    fn from(re: Ref) -> Self {
        Self { place: re.place, tag: Some(tag_number(re.tag)) }
    }
}

/// A row, with what of it never changes.
#[derive(Debug, Clone)]
pub(super) struct Message {
    pub(super) id: i64,
    pub(super) mid: MessageId,
    pub(super) at_ms: i64,
    pub(super) sent_s: Option<i64>,
    pub(super) own: bool,
    pub(super) shown: Shown,
}

/// An event of a text whose body is here.
struct Candidate {
    said: Said,
    named: Ref,
    text: Text,
}

impl Candidate {
    fn place(&self) -> Place {
        self.named.place
    }

    fn re(&self) -> Option<Answered> {
        self.text.re.map(Answered::from)
    }
}

impl Changes<'_> {
    /// A row of a room, if it is still there.
    pub(super) fn message(&self, id: i64) -> Result<Option<Message>, StoreError> {
        let mut query = self.db.prepare_cached(
            "SELECT m.mid, m.at_ms, m.sent_s, r.own IS NOT NULL, m.dir, m.state, m.lane, m.seq, r.lamport, m.text, r.flags,
                    r.re_chain, r.re_seq, r.edited_ms, r.reacts, r.re_tag
             FROM message m JOIN room_message r ON r.message = m.id WHERE m.id = ?1",
        )?;
        let mut rows = query.query([id])?;
        let Some(row) = rows.next()? else { return Ok(None) };
        let tag = row.get(15)?;
        Ok(Some(Message {
            id,
            mid: MessageId(blob(row, 0)?),
            at_ms: row.get(1)?,
            sent_s: row.get(2)?,
            own: row.get(3)?,
            shown: Shown {
                dir: row.get(4)?,
                state: row.get(5)?,
                place: place(row, 6)?,
                lamport: row.get(8)?,
                text: row.get(9)?,
                flags: row.get(10)?,
                re: place(row, 11)?.map(|place| Answered { place, tag }),
                edited_ms: row.get(13)?,
                reacts: row.get(14)?,
            },
        }))
    }

    /// Whether a row shows the same although another event says its text. Without this look all events of a text are read with each new
    /// one, and whoever says a text thousands of times makes each time dearer than the one before.
    pub(super) fn changes_nothing(&self, row: i64, new: Said) -> Result<bool, StoreError> {
        let Some(Message { shown, .. }) = self.message(row)? else { return Ok(false) };
        let (Some(place), Some(lamport)) = (shown.place, shown.lamport) else { return Ok(false) };
        // What counts goes before what is hidden, and that before the rest.
        let was = match shown.flags {
            noted if noted & flags::REDACTED > 0 => return Ok(false),
            noted if noted & flags::HIDDEN > 0 => 1,
            noted if noted & flags::VOID > 0 => 0,
            _ => 2,
        };
        let is = if new.is_shown() { 2 } else { i32::from(new.is_hidden_text()) };
        let before = Order { lamport: lamport.unsigned_abs(), author: place.author, seq: place.seq };
        Ok(is < was || is == was && before < new.order)
    }

    /// What a row is to show.
    pub(super) fn judge(&mut self, touched: &Touched, message: &Message) -> Result<Shown, StoreError> {
        let room = touched.room;
        let places = self.places(room, message)?;
        let mut candidates = Vec::new();
        for place in &places {
            candidates.extend(self.candidate(room, *place)?);
        }
        // A body that is gone was taken away, so none of these is redacted.
        let counts = counting(candidates.iter().map(|one| (one.said, false)));
        if let Some(said) = counts
            && let Some(counts) = candidates.iter().find(|one| one.said == said)
        {
            return self.counted(room, message, counts);
        }
        if let Some(text) = self.waiting_text(room, message.id)? {
            let (text, re) = (text.text.as_str().to_owned(), text.re.map(Answered::from));
            let waits =
                Shown { dir: 1, state: 0, place: None, lamport: None, flags: 0, text, re, ..message.shown.clone() };
            return Ok(Shown { edited_ms: None, reacts: None, ..waits });
        }
        if let Some(ended) = touched.ended.get(&message.id).filter(|_| places.is_empty()) {
            let state = if *ended == Ended::Withdrawn { 2 } else { 3 };
            return Ok(Shown { dir: 1, state, ..message.shown.clone() });
        }
        if message.own && places.is_empty() && message.shown.dir == 1 && message.shown.state > 1 {
            return Ok(message.shown.clone());
        }
        // What nobody has read is not read by it: the user reads a message once, whatever happens to it meanwhile.
        let state = if message.own { 1 } else { message.shown.state.min(1) };
        let marked = |flag| message.shown.flags & (flags::MENTION | flags::ROLE) | flag;
        let hidden = |one: &&Candidate| one.said.is_hidden_text();
        let best = candidates.iter().filter(hidden).min_by_key(|one| one.said.order);
        let best = best.or_else(|| candidates.iter().min_by_key(|one| one.said.order));
        let plain = Shown { dir: 2, state, edited_ms: None, reacts: None, ..message.shown.clone() };
        Ok(match best {
            Some(one) => Shown {
                place: Some(one.place()),
                lamport: Some(number(one.said.order.lamport)?),
                text: one.text.text.as_str().to_owned(),
                flags: marked(if hidden(&one) { flags::HIDDEN } else { flags::VOID }) & !flags::ROLE
                    | flags::of_standing(one.said.standing),
                re: one.re(),
                ..plain
            },
            // Its events are somebody else's now, or are forgotten.
            None if places.is_empty() => Shown { flags: marked(flags::VOID), ..plain },
            None => Shown { text: String::new(), flags: marked(flags::REDACTED), ..plain },
        })
    }

    /// What the row of a text shows that counts.
    fn counted(&mut self, room: RoomKey, message: &Message, one: &Candidate) -> Result<Shown, StoreError> {
        let place = one.place();
        let About { edit, reacts } = force::about(self.db, room, one.named)?;
        let reacts = if reacts.is_empty() { None } else { serde_json::to_string(&reacts).ok() };
        let mut flags = if self.mentions_us(room, &one.text)? { flags::MENTION } else { 0 };
        flags |= flags::of_standing(one.said.standing) | if edit.is_some() { flags::EDITED } else { 0 };
        let blocked = match place.author.member() {
            Some(member) if !message.own => self.is_blocked(room, member)?,
            _ => false,
        };
        flags |= if blocked { flags::BLOCKED } else { 0 };
        let state = match (message.own, message.shown.dir) {
            (true, _) => i64::from(self.is_stored(room, place)?),
            (false, _) => message.shown.state.min(1),
        };
        let (edited_ms, text) = edit.unwrap_or_else(|| (0, one.text.text.as_str().to_owned()));
        Ok(Shown {
            dir: if message.own {
                1
            } else if blocked {
                2
            } else {
                0
            },
            state,
            place: Some(place),
            lamport: Some(number(one.said.order.lamport)?),
            text,
            flags,
            re: one.re(),
            edited_ms: (flags & flags::EDITED > 0).then_some(edited_ms),
            reacts,
        })
    }

    /// All events of a row's text.
    fn places(&self, room: RoomKey, message: &Message) -> Result<Vec<Place>, StoreError> {
        let mut query = self.db.prepare_cached("SELECT chain, seq FROM room_double WHERE message = ?1")?;
        let mut rows = query.query([message.id])?;
        let mut places: Vec<Place> = message.shown.place.into_iter().collect();
        while let Some(row) = rows.next()? {
            let place = row.get::<_, ChainKey>(0)?.at(row.get(1)?)?;
            if Some(place) != message.shown.place {
                places.push(place);
            }
        }
        debug_assert!(places.iter().all(|place| room.chain(place.author) > room.all_chains().0));
        Ok(places)
    }

    /// The event at a place, if it is a text whose body is here.
    fn candidate(&self, room: RoomKey, place: Place) -> Result<Option<Candidate>, StoreError> {
        let mut query = self.db.prepare_cached(
            "SELECT head, body, standing FROM room_event WHERE chain = ?1 AND seq = ?2 AND kind = ?3",
        )?;
        let mut rows = query.query(params![room.chain(place.author), number(place.seq)?, TEXT])?;
        let Some(row) = rows.next()? else { return Ok(None) };
        let event = event(row, 0, room.id)?;
        let Ok(Some(Body::Text(text))) = event.read() else { return Ok(None) };
        Ok(Some(Candidate { said: said(&event, row, 2)?, named: event.named(), text }))
    }

    /// The text of a row of ours, if it waits to become an event.
    fn waiting_text(&self, room: RoomKey, row: i64) -> Result<Option<Text>, StoreError> {
        let mut query = self
            .db
            .prepare_cached("SELECT body FROM room_outbox WHERE room = ?1 AND message = ?2 ORDER BY num LIMIT 1")?;
        let mut rows = query.query(params![room.num, row])?;
        let Some(row) = rows.next()? else { return Ok(None) };
        match Body::decode(TEXT, row.get_ref(0)?.as_blob().map_err(rusqlite::Error::from)?) {
            Ok(Some(Body::Text(text))) => Ok(Some(text)),
            _ => Ok(None),
        }
    }

    /// Whether an event of ours is durable at another member.
    fn is_stored(&self, room: RoomKey, place: Place) -> Result<bool, StoreError> {
        let mut query = self.db.prepare_cached("SELECT 1 FROM room_chain WHERE chain = ?1 AND stored >= ?2")?;
        Ok(query.exists(params![room.chain(place.author), number(place.seq)?])?)
    }
}

/// Whether a text would count, if its author were not hidden.
trait HiddenText {
    fn is_hidden_text(&self) -> bool;
}

impl HiddenText for Said {
    fn is_hidden_text(&self) -> bool {
        self.standing.allows(Role::Member) && self.standing.is_hidden()
    }
}

fn said(event: &Arc<Event>, row: &Row<'_>, column: usize) -> Result<Said, StoreError> {
    Ok(Said { order: event.header().order(), standing: standing(row.get(column)?)? })
}

/// The event that two columns of a chain and a number name.
pub(super) fn place(row: &Row<'_>, column: usize) -> Result<Option<Place>, StoreError> {
    crate::store::replica::target(row, column)
}
