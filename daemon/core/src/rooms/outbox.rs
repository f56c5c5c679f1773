//! Texts of ours, and what becomes of our events at others.

use super::links::Denied;
use super::{Context, Room, Rooms, identity};
use crate::effect::{RoomAnswer, RoomRefused};
use crate::op::RoomOp;
use crate::snapshot::rooms::RoomState;
use crate::time::{CALM_MS, Now};
use std::collections::BTreeMap;
use torchat_protocol::room::body::said::Text;
use torchat_protocol::room::body::{BoundedText, Ref, Role};
use torchat_protocol::room::limits::{MENTIONS, TEXT_BYTES};
use torchat_protocol::room::{Author, CloseCode, Deny, MemberNo, RoomId, TextId};
use torchat_room::outcome::ChannelId;

/// Most texts that wait in a room.
const OUTBOX: usize = 10_000;
/// Most bytes of the texts that wait in all rooms, apart from those of mail.
const OUTBOX_BYTES: usize = 64 << 20;

/// When texts that wait since an earlier run are taken back, in milliseconds of the clock that never goes back. Not soon after a
/// start: the wall clock may be wrong until somebody sets it.
pub(super) fn expiring(rows: &[(TextId, i64)], now: Now) -> BTreeMap<TextId, u64> {
    let left = |until_ms: i64| u64::try_from(until_ms.saturating_sub(now.wall_ms)).unwrap_or(0).max(CALM_MS);
    rows.iter().map(|(text, until_ms)| (*text, now.mono_ms.saturating_add(left(*until_ms)))).collect()
}

impl Room {
    /// Keeps a text of ours until it is an event, which may be at once.
    pub(super) fn say_text(
        &mut self,
        ctx: &mut Context<'_>,
        text: BoundedText<TEXT_BYTES>,
        re: Option<Ref>,
        to: Vec<MemberNo>,
    ) -> Result<RoomAnswer, RoomRefused> {
        if matches!(self.state, RoomState::Leaving(_)) {
            return Err(RoomRefused::NoRoom);
        }
        if self.replica.outbox().count() >= OUTBOX {
            ctx.refused.outbox += 1;
            return Err(RoomRefused::OutboxFull);
        }
        if to.len() > MENTIONS {
            return Err(RoomRefused::Limit);
        }
        let mid = TextId(ctx.random());
        let text = Text { mid, text, re, to };
        ctx.with(|now| self.replica.say_text(now, text)).map_err(RoomRefused::Cannot)?;
        Ok(RoomAnswer::Queued(mid))
    }

    /// A text of ours is taken back if it is no event after so many milliseconds.
    pub(super) fn expires(&mut self, ctx: &mut Context<'_>, id: RoomId, text: TextId, expire_ms: i64) {
        if self.replica.outbox().all(|waiting| waiting.mid != text) {
            return;
        }
        let expire_ms = expire_ms.max(0);
        self.expiring.insert(text, ctx.mono_ms().saturating_add(expire_ms.unsigned_abs()));
        ctx.write(RoomOp::Expires { room: id, text, until_ms: ctx.now.wall_ms.saturating_add(expire_ms) });
    }
}

impl Rooms {
    /// Whether as many bytes more may wait.
    pub(super) fn may_wait(&self, bytes: usize) -> bool {
        self.rooms.values().map(|room| room.replica.outbox_bytes()).sum::<usize>() + bytes <= OUTBOX_BYTES
    }

    /// Events of ours are durable at the other side of a channel.
    pub(super) fn delivered(
        &mut self,
        ctx: &mut Context<'_>,
        id: RoomId,
        channel: ChannelId,
        author: Author,
        upto: u64,
    ) {
        if let Some(open) = self.channels.get_mut(&channel)
            && open.unstored.get(&author).is_some_and(|last| *last <= upto)
        {
            open.unstored.remove(&author);
        }
        let at = self.channels.get(&channel).and_then(|open| self.links.get(&open.link)).map(|at| identity(&at.peer()));
        let Some(room) = self.rooms.get_mut(&id) else { return };
        if author.member().is_some() && author.member() == room.replica.me() {
            if let Some(at) = at {
                let known = room.stored_at.entry(at).or_default().entry(author).or_default();
                *known = upto.max(*known);
            }
            // Each of the others says it, and one is enough.
            let before = room.stored.get(&author).copied().unwrap_or(0);
            if upto > before {
                room.stored.insert(author, upto);
                ctx.write(RoomOp::Delivered { room: id, author, upto });
            }
        }
        let left = room.left_at.is_some_and(|(chain, seq)| chain == author && seq <= upto);
        if left && matches!(room.state, RoomState::Leaving(_)) {
            self.end_room(ctx, id, RoomState::Left, CloseCode::Done);
        }
    }

    /// Takes back what has waited too long.
    pub(super) fn expire(&mut self, ctx: &mut Context<'_>) {
        let now = ctx.mono_ms();
        for (id, room) in &mut self.rooms {
            let due: Vec<_> = room.expiring.iter().filter(|(_, at)| **at <= now).map(|(text, _)| *text).collect();
            for text in due {
                room.expiring.remove(&text);
                // What is an event does not end any more. That is not looked up before: ten thousand may wait.
                if room.replica.outbox().any(|waiting| waiting.mid == text) {
                    ctx.write(RoomOp::Failed { room: *id, text });
                    room.replica.take_back(text);
                }
            }
        }
    }

    /// What waits to be said by somebody who may only read is never said: a newcomer does not know its role when it writes, and
    /// a role may be taken away.
    pub(super) fn fail_what_may_not_be_said(&mut self, ctx: &mut Context<'_>, id: RoomId) {
        let Some(room) = self.rooms.get_mut(&id) else { return };
        // Only when somebody has told us all acts: another one may follow, and on another branch our role may be another one.
        let is_sure = room.state != RoomState::Joining && room.replica.may_speak() && !room.replica.is_frozen();
        if !is_sure || room.replica.role() != Some(Role::Reader) {
            return;
        }
        for text in room.replica.outbox().map(|text| text.mid).collect::<Vec<_>>() {
            room.expiring.remove(&text);
            ctx.write(RoomOp::Failed { room: id, text });
            room.replica.take_back(text);
        }
        self.settle(ctx, id);
    }

    /// When a text of ours has waited too long next.
    pub(super) fn expiry_due(&self) -> impl Iterator<Item = u64> {
        self.rooms.values().flat_map(|room| room.expiring.values().copied())
    }

    /// The other side of a channel does not take an event of ours now. What it has of the chain behind it waits there.
    pub(super) fn heard_deny(&mut self, ctx: &Context<'_>, channel: ChannelId, deny: Deny) {
        let Some(open) = self.channels.get_mut(&channel) else { return };
        let me = self.rooms.get(&open.room).and_then(|room| room.replica.me());
        if me.is_none() || deny.author.member() != me {
            return;
        }
        let at = ctx.now.mono_ms.saturating_add(u64::from(deny.retry_s.max(1)) * 1_000);
        let Deny { seq, code, .. } = deny;
        let denied = open.denied.entry(deny.author).or_insert(Denied { from: seq, until_ms: at, code });
        *denied = Denied { from: seq.min(denied.from), until_ms: at.max(denied.until_ms), code };
    }

    /// Says denied events again when their time has come.
    pub(super) fn say_denied(&mut self, ctx: &mut Context<'_>) {
        let now = ctx.mono_ms();
        for id in self.channels.keys().copied().collect::<Vec<_>>() {
            let Some(open) = self.channels.get_mut(&id) else { continue };
            let due: Vec<_> =
                open.denied.iter().filter(|(_, it)| it.until_ms <= now).map(|(one, it)| (*one, it.from)).collect();
            open.denied.retain(|_, it| it.until_ms > now);
            let room = open.room;
            for (author, from) in due {
                if let Some(found) = self.rooms.get_mut(&room) {
                    found.replica.tell_chain(id, author, from);
                }
                self.settle(ctx, room);
            }
        }
    }

    /// When denied events are said again next.
    pub(super) fn denied_due(&self) -> impl Iterator<Item = u64> {
        self.channels.values().flat_map(|open| open.denied.values().map(|it| it.until_ms))
    }
}
