//! Texts of ours, and what becomes of our events at others.

use super::{Context, Room, Rooms};
use crate::effect::{RoomAnswer, RoomRefused};
use crate::op::RoomOp;
use crate::snapshot::rooms::RoomState;
use torchat_protocol::room::body::said::Text;
use torchat_protocol::room::body::{BoundedText, Place};
use torchat_protocol::room::limits::{MENTIONS, TEXT_BYTES};
use torchat_protocol::room::{Author, CloseCode, Deny, MemberNo, RoomId, TextId};
use torchat_room::outcome::ChannelId;

/// Most texts that wait in a room.
const OUTBOX: usize = 10_000;

impl Room {
    /// Keeps a text of ours until it is an event, which may be at once.
    pub(super) fn say_text(
        &mut self,
        ctx: &mut Context<'_>,
        text: BoundedText<TEXT_BYTES>,
        re: Option<Place>,
        to: Vec<MemberNo>,
    ) -> Result<RoomAnswer, RoomRefused> {
        if matches!(self.state, RoomState::Leaving(_)) {
            return Err(RoomRefused::NoRoom);
        }
        if self.replica.outbox().count() >= OUTBOX {
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
}

impl Rooms {
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
        let Some(room) = self.rooms.get_mut(&id) else { return };
        // Each of the others says it, and one is enough.
        let before = room.stored.get(&author).copied().unwrap_or(0);
        if author.member().is_some() && author.member() == room.replica.me() && upto > before {
            room.stored.insert(author, upto);
            ctx.write(RoomOp::Delivered { room: id, author, upto });
        }
        let left = room.left_at.is_some_and(|(chain, seq)| chain == author && seq <= upto);
        if left && matches!(room.state, RoomState::Leaving(_)) {
            self.end_room(ctx, id, RoomState::Left, CloseCode::Done);
        }
    }

    /// The other side of a channel does not take an event of ours now. What it has of the chain behind it waits there.
    pub(super) fn heard_deny(&mut self, ctx: &Context<'_>, channel: ChannelId, deny: Deny) {
        let Some(open) = self.channels.get_mut(&channel) else { return };
        let me = self.rooms.get(&open.room).and_then(|room| room.replica.me());
        if me.is_none() || deny.author.member() != me {
            return;
        }
        let at = ctx.now.mono_ms.saturating_add(u64::from(deny.retry_s.max(1)) * 1_000);
        let (from, until) = open.denied.entry(deny.author).or_insert((deny.seq, at));
        (*from, *until) = (deny.seq.min(*from), at.max(*until));
    }

    /// Says denied events again when their time has come.
    pub(super) fn say_denied(&mut self, ctx: &mut Context<'_>) {
        let now = ctx.mono_ms();
        for id in self.channels.keys().copied().collect::<Vec<_>>() {
            let Some(open) = self.channels.get_mut(&id) else { continue };
            let due: Vec<_> =
                open.denied.iter().filter(|(_, (_, at))| *at <= now).map(|(one, (from, _))| (*one, *from)).collect();
            open.denied.retain(|_, (_, at)| *at > now);
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
        self.channels.values().flat_map(|open| open.denied.values().map(|(_, at)| *at))
    }
}
