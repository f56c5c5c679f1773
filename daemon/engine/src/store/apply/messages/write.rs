//! Rows of messages of rooms, and what goes with them: unread counters, the words of the search, what programs are told.

use super::judge::{Message, Shown};
use super::plain::Plain;
use super::{Before, Changes, Queued, Touched};
use crate::store::events::NewMessage;
use crate::store::numbers::PeerNum;
use crate::store::query::messages::{peer_id, state_of};
use crate::store::query::rooms::{self, RoomPart};
use crate::store::replica::{RoomKey, number, tag_number};
use crate::store::scrub::Traces;
use crate::store::{Head, RoomText, StoreError, Stored, flags, records, time};
use rusqlite::{OptionalExtension as _, params};
use std::collections::{BTreeMap, BTreeSet};
use torchat_protocol::control::api::event::{Kind, MessageRef, Recounted, What};
use torchat_protocol::control::api::record::MessageState;
use torchat_protocol::conversation::ConversationId;
use torchat_protocol::id::MessageId;
use torchat_protocol::room::Header;
use torchat_protocol::room::body::Place;
use torchat_protocol::room::body::said::Text;
use torchat_room::counts::Said;
use torchat_room::standing::Standing;

/// A text that has no row.
pub(super) struct New<'a> {
    pub(super) mid: MessageId,
    pub(super) own: bool,
    /// Its event, and what that counts as, if that is known.
    pub(super) place: Option<(Header, Option<Standing>)>,
    pub(super) text: &'a Text,
    pub(super) name: &'a str,
    pub(super) mentions: bool,
}

/// What a room's counters change by.
#[derive(Debug, Default)]
struct Count {
    unread: i64,
    mentions: i64,
    /// Something that was unread before is another one now.
    renewed: bool,
    marks: bool,
}

impl Shown {
    fn is_unread(&self) -> bool {
        self.dir == 0 && self.state == 0
    }

    fn is_found(&self) -> bool {
        self.dir != 2
    }

    /// Its state in records, but for whether it was read: that is told by itself.
    fn word(&self) -> MessageState {
        match (self.dir, self.state) {
            (2, _) => rooms::mark_state(self.flags),
            (dir, state) => state_of(dir, state),
        }
    }
}

/// The sign of each member that has reacted.
fn reactions(shown: &Shown) -> BTreeMap<u32, String> {
    let by_sign: BTreeMap<String, Vec<u32>> =
        shown.reacts.as_deref().and_then(|json| serde_json::from_str(json).ok()).unwrap_or_default();
    let all = by_sign.into_iter().flat_map(|(sign, members)| members.into_iter().map(move |no| (no, sign.clone())));
    all.collect()
}

impl New<'_> {
    fn dir(&self) -> i64 {
        let counts = self.place.as_ref().and_then(|(header, standing)| {
            standing.map(|standing| Said { order: header.order(), standing }.is_shown())
        });
        match (self.own, counts.unwrap_or(true)) {
            (_, false) => 2,
            (own, true) => i64::from(own),
        }
    }

    /// What is noted of it.
    pub(super) fn flags(&self) -> i64 {
        let (mention, told) = (if self.mentions { flags::MENTION } else { 0 }, self.dir() != 2);
        let standing = self.place.as_ref().and_then(|(_, standing)| *standing);
        mention | if told { flags::TOLD } else { 0 } | standing.map_or(0, flags::of_standing)
    }
}

impl Changes<'_> {
    /// A new row, mostly as it will stay.
    pub(super) fn add_row(&mut self, touched: &Touched, new: &New<'_>) -> Result<i64, StoreError> {
        self.last_message += 1;
        let (id, at_ms) = (self.last_message, self.moment.at_ms);
        let dir = new.dir();
        let header = new.place.as_ref().map(|(header, _)| header);
        self.db
            .prepare_cached(
                "INSERT INTO message (id, peer, dir, state, mid, at_ms, sent_s, done_ms, lane, seq, text)
                 VALUES (?1, ?2, ?3, 0, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
            )?
            .execute(params![
                id,
                touched.num,
                dir,
                new.mid.0,
                at_ms,
                header.filter(|_| !new.own).map(|header| i64::from(header.minute) * 60),
                new.own.then_some(at_ms),
                header.map(|header| touched.room.chain(header.author)),
                header.map(|header| number(header.seq)).transpose()?,
                new.text.text.as_str(),
            ])?;
        self.db
            .prepare_cached(
                "INSERT INTO room_message (message, flags, lamport, name, own, re_chain, re_seq, re_tag)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            )?
            .execute(params![
                id,
                new.flags(),
                header.map(|header| number(header.lamport)).transpose()?,
                new.name,
                new.own.then_some(new.mid.0),
                new.text.re.map(|re| touched.room.chain(re.place.author)),
                new.text.re.map(|re| number(re.place.seq)).transpose()?,
                new.text.re.map(|re| tag_number(re.tag)),
            ])?;
        Ok(id)
    }

    /// A row is ours; `mid`: its id, now that our number is known.
    pub(super) fn name_own(&self, row: i64, mid: Option<MessageId>) -> Result<(), StoreError> {
        let Some(mid) = mid else { return Ok(()) };
        let mut update = self.db.prepare_cached("UPDATE room_message SET own = ?2 WHERE message = ?1 AND own <> ?2")?;
        if update.execute(params![row, mid.0])? > 0 {
            self.db.prepare_cached("UPDATE message SET mid = ?2 WHERE id = ?1")?.execute(params![row, mid.0])?;
        }
        Ok(())
    }

    /// Another event says the text of a row.
    pub(super) fn add_place(&self, room: RoomKey, row: i64, place: Place) -> Result<(), StoreError> {
        let at = params![room.chain(place.author), number(place.seq)?, row];
        let first = self
            .db
            .prepare_cached(
                "UPDATE message SET lane = ?1, seq = ?2 WHERE id = ?3 AND lane IS NULL
                 AND NOT EXISTS (SELECT 1 FROM room_double WHERE message = ?3)",
            )?
            .execute(at)?;
        if first == 0 {
            self.db
                .prepare_cached(
                    "INSERT OR IGNORE INTO room_double (chain, seq, message)
                     SELECT lane, seq, id FROM message WHERE id = ?1 AND lane IS NOT NULL",
                )?
                .execute([row])?;
            self.db
                .prepare_cached("INSERT OR IGNORE INTO room_double (chain, seq, message) VALUES (?1, ?2, ?3)")?
                .execute(at)?;
        }
        Ok(())
    }

    /// Whether the user has erased a text, which comes once more.
    pub(super) fn is_erased(&self, num: PeerNum, mid: MessageId, own: bool) -> Result<bool, StoreError> {
        let mut query = self.db.prepare_cached(if own {
            "SELECT 1 FROM erased WHERE peer = ?1 AND mid = ?2 AND dir = 1"
        } else {
            "SELECT 1 FROM erased WHERE peer = ?1 AND mid = ?2 AND dir IN (0, 2) AND dir <> 1"
        })?;
        Ok(query.exists(params![num, mid.0])?)
    }

    /// The end of the transaction: looks at each message that may have changed.
    pub(super) fn finish_messages(&mut self, mut touched: Touched) -> Result<(), StoreError> {
        for place in std::mem::take(&mut touched.topics) {
            self.judge_topic(&mut touched, place)?;
        }
        if touched.people {
            self.write_people(&touched)?;
        }
        self.tell_people(&mut touched)?;
        let mut recounted = Vec::new();
        let (mut count, mut words) = (Count::default(), Words::default());
        for (row, before) in std::mem::take(&mut touched.rows) {
            if let Some(Plain { message, part }) = touched.plain.remove(&row) {
                self.tell_first(&touched, before, (&message, &message.shown), Some(part))?;
                continue;
            }
            let Some(message) = self.message(row)? else { continue };
            let mut now = self.judge(&touched, &message)?;
            now.flags &= !flags::TOLD;
            now.flags |= message.shown.flags & flags::TOLD | if now.is_found() { flags::TOLD } else { 0 };
            self.write_message(&touched, before, &message, &now)?;
            self.count(&mut count, before, &message.shown, &now);
            if before == Before::Known && row <= self.indexed {
                words.change(row, &message.shown, &now);
            }
            recounted.extend(self.tell_change(&touched, before, &message, now)?);
        }
        if !recounted.is_empty() {
            self.tell(What::Voided { peer: touched.room.id.conversation(), messages: recounted });
        }
        self.out.index_damaged |= !self.change_words(touched.room.id.conversation(), words)?;
        self.note_said(&touched)?;
        self.write_count(&touched, &count)
    }

    fn write_message(
        &mut self,
        touched: &Touched,
        before: Before,
        message: &Message,
        now: &Shown,
    ) -> Result<(), StoreError> {
        let (old, room) = (&message.shown, touched.room);
        if old == now {
            return Ok(());
        }
        if let Some(place) = old.place.filter(|_| now.place != old.place) {
            // It still is an event of this text.
            self.db
                .prepare_cached("INSERT OR IGNORE INTO room_double (chain, seq, message) VALUES (?1, ?2, ?3)")?
                .execute(params![room.chain(place.author), number(place.seq)?, message.id])?;
        }
        if old.text != now.text && now.flags & flags::REDACTED > 0 {
            // In its place, before the row becomes shorter.
            self.db
                .prepare_cached("UPDATE message SET text = printf('%*s', octet_length(text), '') WHERE id = ?1")?
                .execute([message.id])?;
            Traces::leave(self.db)?;
            self.out.wiped = true;
        }
        let done = now.dir == 1 && (old.dir, old.state) != (1, now.state) && now.state > 0;
        self.db
            .prepare_cached(
                "UPDATE message SET dir = ?2, state = ?3, lane = ?4, seq = ?5, text = ?6,
                    done_ms = CASE WHEN ?7 THEN ?8 ELSE done_ms END WHERE id = ?1",
            )?
            .execute(params![
                message.id,
                now.dir,
                now.state,
                now.place.map(|place| room.chain(place.author)),
                now.place.map(|place| number(place.seq)).transpose()?,
                now.text,
                done,
                if before == Before::New { message.at_ms } else { self.moment.at_ms },
            ])?;
        let rest = |shown: &Shown| (shown.flags, shown.lamport, shown.re, shown.edited_ms, shown.reacts.clone());
        if rest(old) == rest(now) {
            return Ok(());
        }
        self.db
            .prepare_cached(
                "UPDATE room_message SET flags = ?2, lamport = ?3, re_chain = ?4, re_seq = ?5, edited_ms = ?6, reacts = ?7,
                    re_tag = ?8 WHERE message = ?1",
            )?
            .execute(params![
                message.id,
                now.flags,
                now.lamport,
                now.re.map(|re| room.chain(re.place.author)),
                now.re.map(|re| number(re.place.seq)).transpose()?,
                now.edited_ms,
                now.reacts,
                now.re.and_then(|re| re.tag),
            ])?;
        Ok(())
    }

    fn count(&self, count: &mut Count, before: Before, old: &Shown, now: &Shown) {
        let was = before == Before::Known && old.is_unread();
        let mentions = |shown: &Shown| shown.flags & flags::MENTION > 0;
        count.unread += i64::from(now.is_unread()) - i64::from(was);
        count.mentions += i64::from(now.is_unread() && mentions(now)) - i64::from(was && mentions(old));
        count.marks |= (old.dir, old.state) != (now.dir, now.state) && (old.dir == 2 || now.dir == 2);
        count.marks |= before == Before::New && now.dir == 2;
        let other = was && (old.text != now.text || !now.is_unread());
        count.renewed |= other || before == Before::Known && !was && now.is_unread();
    }

    fn write_count(&mut self, touched: &Touched, count: &Count) -> Result<(), StoreError> {
        let num = touched.num;
        if count.marks {
            self.known.marks.remove(&num);
        }
        if count.unread != 0 {
            self.db
                .prepare_cached("UPDATE peer SET unread = unread + ?2 WHERE num = ?1")?
                .execute(params![num, count.unread])?;
        }
        if count.mentions != 0 {
            self.db
                .prepare_cached("UPDATE room SET mentions = mentions + ?2 WHERE num = ?1")?
                .execute(params![touched.room.num, count.mentions])?;
        }
        if count.renewed {
            let first = self.first_unread_of(num)?;
            self.out.renewed.push((touched.room.id.conversation(), first));
        }
        Ok(())
    }

    /// The rows of what was said in this transaction, for those who wait for them; and the keys of programs.
    fn note_said(&mut self, touched: &Touched) -> Result<(), StoreError> {
        for Queued { text, row, mid } in &touched.queued {
            let mid = match mid {
                Some(mid) => Some(*mid),
                None => {
                    let mut query = self.db.prepare_cached("SELECT mid FROM message WHERE id = ?1")?;
                    query.query_row([row], |row| Ok(MessageId(row.get(0)?))).optional()?
                }
            };
            self.out.said.extend(mid.map(|mid| RoomText { room: touched.room.id, text: *text, row: *row, mid }));
        }
        for (text, until_ms) in &touched.expires {
            let room = touched.room.num;
            self.db
                .prepare_cached("UPDATE room_outbox SET until_ms = ?3 WHERE room = ?1 AND mid = ?2")?
                .execute(params![room, text.0, until_ms])?;
            self.db
                .prepare_cached(
                    "UPDATE message SET until_ms = ?3
                     WHERE id IN (SELECT message FROM room_outbox WHERE room = ?1 AND mid = ?2)",
                )?
                .execute(params![room, text.0, until_ms])?;
        }
        for (text, client) in &touched.clients {
            if let Some(Queued { row, .. }) = touched.queued.iter().find(|queued| queued.text == *text) {
                records::note_client_id(self.db, client, *row, self.moment.at_ms, self.moment.believed)?;
            }
        }
        Ok(())
    }

    /// Tells programs what a message is now. Returns it if it counts otherwise than before.
    fn tell_change(
        &mut self,
        touched: &Touched,
        before: Before,
        message: &Message,
        now: Shown,
    ) -> Result<Option<Recounted>, StoreError> {
        let (old, id, mid, peer) = (&message.shown, message.id, message.mid, touched.room.id.conversation());
        let known = before == Before::Known;
        let told = known && old.flags & flags::TOLD > 0;
        if !told {
            if now.is_found() {
                let part = rooms::part_of(self.db, id)?;
                self.tell_first(touched, before, (message, &now), part)?;
            }
            return Ok(None);
        }
        let (was, is) = (old.word(), now.word());
        if old.is_found() && now.is_found() {
            if old.text != now.text {
                let edited_ms = now.edited_ms.or(message.sent_s.map(|s| s.saturating_mul(1_000)));
                let edited_at = time(edited_ms.unwrap_or(message.at_ms));
                self.tell(What::Edited { peer, id, mid, text: now.text.clone(), edited_at });
            }
            if was != is {
                self.tell_state(MessageRef { peer, id, mid }, now.state);
            }
            self.tell_reactions(peer, message, &now);
            return Ok(None);
        }
        if was == is {
            return Ok(None);
        }
        if is == MessageState::Redacted {
            self.tell(What::Redacted { peer, id, mid });
            return Ok(None);
        }
        Ok(Some(Recounted { id, mid, state: is }))
    }

    /// A message that programs have not heard of.
    fn tell_first(
        &mut self,
        touched: &Touched,
        before: Before,
        (message, now): (&Message, &Shown),
        room: Option<RoomPart>,
    ) -> Result<(), StoreError> {
        if now.is_unread() {
            self.is_unread_since_now(touched, before, message, now)?;
        }
        let queued = touched.queued.iter().find(|queued| queued.row == message.id);
        let client = queued.and_then(|queued| touched.clients.iter().find(|(of, _)| *of == queued.text));
        let kind = if now.dir == 1 { Kind::Queued } else { Kind::Received };
        let conversation = touched.room.id.conversation();
        let new = NewMessage {
            id: message.id,
            mid: message.mid,
            conversation,
            at_ms: message.at_ms,
            sent_s: message.sent_s,
            client_id: client.map(|(_, client)| client.clone()),
            text: now.text.clone(),
            room,
        };
        self.tell_new(new, kind);
        if now.dir == 1 {
            self.tell_state(MessageRef { peer: conversation, id: message.id, mid: message.mid }, now.state);
        }
        Ok(())
    }

    /// How far a message of ours is.
    fn tell_state(&mut self, message: MessageRef, state: i64) {
        match state {
            1 => self.tell(What::Delivered(message)),
            2 => self.tell(What::Withdrawn(message)),
            3 => self.tell(What::Failed(message)),
            _ => {}
        }
    }

    /// Who reacts otherwise than before.
    fn tell_reactions(&mut self, peer: ConversationId, message: &Message, now: &Shown) {
        let (was, is) = (reactions(&message.shown), reactions(now));
        let members: BTreeSet<u32> = was.keys().chain(is.keys()).copied().collect();
        for member in members.into_iter().filter(|member| was.get(member) != is.get(member)) {
            let sign = is.get(&member).cloned().unwrap_or_default();
            self.tell(What::Reacted { peer, id: message.id, mid: message.mid, member, sign });
        }
    }

    /// A text came that nobody has read.
    fn is_unread_since_now(
        &mut self,
        touched: &Touched,
        before: Before,
        message: &Message,
        now: &Shown,
    ) -> Result<(), StoreError> {
        if before == Before::Known {
            return Ok(());
        }
        self.db
            .prepare_cached("UPDATE peer SET untaken = ?2 WHERE num = ?1 AND untaken IS NULL")?
            .execute(params![touched.num, message.id])?;
        // Ids of rooms have the shape of a peer's.
        if let Ok(peer) = peer_id(touched.room.id.0) {
            let head = Head { row: message.id, arrived_ms: message.at_ms, text: now.text.clone() };
            self.out.stored.push(Stored { peer, head });
        }
        Ok(())
    }
}

/// Texts that leave the search's index, and that come into it.
#[derive(Debug, Default)]
pub(in crate::store::apply) struct Words {
    pub(in crate::store::apply) gone: Vec<(i64, String)>,
    pub(in crate::store::apply) new: Vec<(i64, String)>,
}

impl Words {
    fn change(&mut self, row: i64, old: &Shown, now: &Shown) {
        if (old.is_found(), &old.text) == (now.is_found(), &now.text) {
            return;
        }
        if old.is_found() {
            self.gone.push((row, old.text.clone()));
        }
        if now.is_found() {
            self.new.push((row, now.text.clone()));
        }
    }
}
