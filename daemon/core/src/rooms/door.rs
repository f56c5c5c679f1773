//! Who is let in: petitions at the owner's door, and our own at the doors of others. ROOM-PROTOCOL.md, "Joining".

use super::links::Phase;
use super::{Context, Room, Rooms, identity};
use crate::input::LinkId;
use crate::op::RoomOp;
use crate::snapshot::rooms::{PetitionRow, RoomState};
use std::sync::Arc;
use torchat_protocol::id::PeerId;
use torchat_protocol::nick::Nick;
use torchat_protocol::room::body::acts::{Cut, CutReason, Entry, Roster};
use torchat_protocol::room::body::{Body, BoundedText, Role};
use torchat_protocol::room::{
    Author, CloseCode, Event, Frame, Has, Hello, Identity, InviteKey, Join, MemberNo, RoomId, Told,
};
use torchat_room::key::verifies;
use torchat_room::outcome::ChannelId;
use torchat_room::reading::pack;
use torchat_room::replica::Cannot;
use torchat_room::roster::Member;

/// How long a petition's channel stays after `pending`: the same for all, so that its end tells nothing.
const ASKED_MS: u64 = 10_000;
/// How long somebody who was cut is heard before it is shown that, if it does not come to an end.
const HEARS_MS: u64 = 25_000;
/// First pause of a joiner after `pending`, and the longest; it doubles.
const PENDING_MS: u64 = 60_000;
/// So often the owner has said that it does not know us before we ask it to: it may only be behind.
const STRANGE: u32 = 3;
/// What its user is told then.
const KNOW_ME: &str =
    "I am a member of this room. Your daemon does not know me any more: perhaps it was restored from a backup.";
const PENDING_CAP_MS: u64 = 4 * 3_600_000;

impl Rooms {
    /// Somebody asks to become a member. The answer is always the same, and comes first.
    pub(super) fn heard_join(&mut self, ctx: &mut Context<'_>, link: LinkId, number: u16, join: Join) {
        let until = ctx.mono_ms() + ASKED_MS;
        let room = join.room;
        let Some(channel) = self.add_channel(ctx.mono_ms(), link, number, room, Phase::Asked, false) else { return };
        if let Some(open) = self.channels.get_mut(&channel) {
            open.ends_at = Some(until);
        }
        self.say(ctx, channel, Frame::Told(Told::Pending));
        let Some(peer) = self.links.get(&link).map(super::links::Link::peer) else { return };
        let id = identity(&peer);
        let Some(found) = self.rooms.get_mut(&room).filter(|room| ctx.writable && room.is_ours()) else { return };
        let roster = found.replica.roster();
        let has_key = |member: &Member| member.id == Some(id) && member.key.bytes() == join.sign;
        let had = roster.present().find(|(_, member)| has_key(member)).map(|(no, _)| no);
        // Let in and cut, it asked once more before it heard of that. Who wants to come back draws another key.
        let is_spent = roster.members.values().any(has_key);
        if let Some(no) = had {
            return self.accept(ctx, room, id, no);
        }
        if is_spent {
            return;
        }
        found.petition(ctx, room, peer, join);
    }

    /// The wish is granted, and durable with this turn.
    fn accept(&mut self, ctx: &mut Context<'_>, room: RoomId, id: Identity, no: MemberNo) {
        let asked = |(_, open): &(&ChannelId, &super::Channel)| {
            let by = self.links.get(&open.link).map(|link| identity(&link.peer()));
            open.room == room && matches!(open.phase, Phase::Asked) && by == Some(id)
        };
        for channel in self.channels.iter().filter(asked).map(|(id, _)| *id).collect::<Vec<_>>() {
            self.say(ctx, channel, Frame::Told(Told::Accepted(no)));
            self.close_channel(ctx, channel, CloseCode::Done);
        }
    }

    /// Lets in those who need not wait for the user, if the owner's daemon may act.
    pub(super) fn admit_the_invited(&mut self, ctx: &mut Context<'_>, id: RoomId) {
        let Some(room) = self.rooms.get_mut(&id) else { return };
        room.drop_old_petitions(ctx, id);
        for who in room.petitions.keys().copied().collect::<Vec<_>>() {
            let Some(room) = self.rooms.get_mut(&id) else { return };
            if room.petitions.get(&who).is_some_and(|petition| room.is_known(petition)) {
                // Somebody has told us since that it is a member. It hears so when it asks again.
                room.petitions.remove(&who);
                ctx.write(RoomOp::PetitionGone { room: id, id: who });
                continue;
            }
            if let Some(role) = room.petitions.get(&who).and_then(|petition| room.role_for(petition, ctx.now.wall_ms)) {
                // What is not done now is tried again when another member is reached, or one has left.
                let _ = self.admit(ctx, id, who, role, false);
            }
        }
    }

    /// Makes somebody who asks a member.
    pub(super) fn admit(
        &mut self,
        ctx: &mut Context<'_>,
        id: RoomId,
        who: Identity,
        role: Role,
        force: bool,
    ) -> Result<(), Cannot> {
        let Some(room) = self.rooms.get_mut(&id) else { return Err(Cannot::NotJoined) };
        let Some(petition) = room.petitions.get(&who).cloned() else { return Err(Cannot::NotJoined) };
        let no = room.replica.roster().next_number().ok_or(Cannot::Limit)?;
        let before = room.replica.roster().present().filter(|(_, member)| member.id == Some(who));
        let cut = before.map(|(no, _)| Cut { no, keep: room.replica.keep(no), why: CutReason::Replaced }).collect();
        let entry = Entry {
            no,
            sign: petition.sign,
            sealing: petition.sealing,
            role,
            id: Some(who),
            nick: petition.nick.as_ref().and_then(|nick| BoundedText::new(nick.as_str())),
            via: petition.via,
        };
        let body = Body::Roster(Roster { add: vec![entry], cut, role: Vec::new() });
        ctx.with(|now| room.replica.say_act(now, &body, force))?;
        room.petitions.remove(&who);
        ctx.write(RoomOp::PetitionGone { room: id, id: who });
        self.settle(ctx, id);
        self.accept(ctx, id, who, no);
        Ok(())
    }

    /// Says our JOIN.
    pub(super) fn ask_to_join(&mut self, ctx: &mut Context<'_>, link: LinkId, id: RoomId) {
        let Some(number) = self.own_number(link) else { return };
        let own = identity(&self.own);
        let Some(room) = self.rooms.get_mut(&id) else { return };
        let Some(way) = &room.way else { return };
        let sign = super::asked::public(&room.seed);
        let proof = |pass: &torchat_protocol::room::Pass| {
            (pass.id, InviteKey::new(id, pass.secret).proof(id, own, sign, room.sealing))
        };
        let join = Join {
            room: id,
            sign,
            sealing: room.sealing,
            invite: way.pass.as_ref().map(proof),
            nick: way.nick.clone(),
            text: way.text.clone(),
        };
        room.entry.next_ms = ctx.now.mono_ms + PENDING_MS;
        if let Some(channel) = self.add_channel(ctx.mono_ms(), link, number, id, Phase::Asking, true) {
            if let Some(open) = self.channels.get_mut(&channel) {
                open.ends_at = Some(ctx.mono_ms() + super::opening::STALLED_MS);
            }
            self.say(ctx, channel, Frame::Join(join));
        }
    }

    /// The owner does not know us any more: its store was restored to a moment before it let us in, and nobody else has told it. We ask
    /// with the keys that we have, so that what we said goes on to count.
    pub(super) fn ask_to_be_known(&mut self, ctx: &mut Context<'_>, link: LinkId, id: RoomId) {
        let Some(number) = self.own_number(link) else { return };
        let Some(room) = self.rooms.get(&id) else { return };
        let nick = room.replica.me().and_then(|me| room.replica.roster().members.get(&me)?.nick.clone());
        let join = Join {
            room: id,
            sign: super::asked::public(&room.seed),
            sealing: room.sealing,
            invite: None,
            nick: nick.and_then(|nick| Nick::parse(nick.as_str()).ok()),
            text: BoundedText::new(KNOW_ME).unwrap_or_default(),
        };
        if let Some(channel) = self.add_channel(ctx.mono_ms(), link, number, id, Phase::Asking, true) {
            if let Some(open) = self.channels.get_mut(&channel) {
                open.ends_at = Some(ctx.mono_ms() + super::opening::STALLED_MS);
            }
            self.say(ctx, channel, Frame::Join(join));
        }
    }

    /// The answer to it.
    pub(super) fn heard_told(&mut self, ctx: &mut Context<'_>, channel: ChannelId, told: Told) {
        let Some(open) = self.channels.get(&channel) else { return };
        let Some(room) = self.rooms.get_mut(&open.room) else { return };
        let now = ctx.mono_ms();
        if let (true, Some(link)) = (matches!(told, Told::Accepted(_)), self.links.get(&open.link)) {
            room.pauses.remove(&link.peer());
        }
        room.entry.opens = true;
        match told {
            Told::Pending => {
                room.entry.next_ms = now + (PENDING_MS << room.entry.pending.min(10)).min(PENDING_CAP_MS);
                room.entry.pending += 1;
            }
            Told::Accepted(_) => {
                room.entry.pending = 0;
                room.entry.next_ms = now;
                self.close_channel(ctx, channel, CloseCode::Done);
            }
        }
    }

    /// Somebody who was cut has said HELLO. If a former owner has moved us to a branch on which the others are no members, only they
    /// can bring us back: so it is heard first.
    pub(super) fn hear_who_is_cut(&mut self, ctx: &mut Context<'_>, channel: ChannelId, no: MemberNo, hello: Hello) {
        let Some(open) = self.channels.get_mut(&channel) else { return };
        let peer = self.links.get(&open.link).map(|link| identity(&link.peer()));
        let (Some(room), Some(peer)) = (self.rooms.get_mut(&open.room), peer) else { return };
        let known = room.acts_known_by(&hello);
        let has_nothing = matches!(&hello.has, Has::Heads(heads) if heads.iter().all(|head| head.seq == 0));
        if has_nothing {
            return self.show_cut(ctx, channel, no, known);
        }
        open.phase = Phase::Hears(no, known);
        open.ends_at = Some(ctx.now.mono_ms + HEARS_MS);
        let id = open.room;
        room.replica.open_to_hear(channel, peer);
        // What it has is of no use to somebody who tells it nothing, and may be long.
        let hello = Hello { has: Has::Heads(Vec::new()), ..hello };
        ctx.with(|now| room.replica.hear(now, channel, Frame::Hello(hello), &[]));
        self.settle(ctx, id);
    }

    /// Shows somebody who was cut the acts up to that, but for the first ones, which it knows.
    pub(super) fn show_cut(&mut self, ctx: &mut Context<'_>, channel: ChannelId, no: MemberNo, known: usize) {
        let room = self.channels.get(&channel).and_then(|open| self.rooms.get(&open.room));
        let acts = room.map(|room| room.acts_up_to_the_cut_of(no, known)).unwrap_or_default();
        for frame in pack(acts) {
            self.say(ctx, channel, frame);
        }
        self.close_channel(ctx, channel, CloseCode::Removed);
    }
}

impl Room {
    /// Whether somebody owns the room and has said again and again that it does not know us, who are a member.
    pub(super) fn is_strange_to_its_owner(&self, peer: &PeerId) -> bool {
        let roster = self.replica.roster();
        let owns = roster.members.get(&roster.owner).is_some_and(|owner| owner.id == Some(identity(peer)));
        let strange = self.pauses.get(peer).is_some_and(|pause| pause.strange >= STRANGE);
        owns && strange && self.state == RoomState::Member && self.replica.role().is_some()
    }

    /// Whether somebody asks who is in already, with this key.
    fn is_known(&self, petition: &PetitionRow) -> bool {
        let mut present = self.replica.roster().present();
        present.any(|(_, member)| member.id == Some(petition.id) && member.key.bytes() == petition.sign)
    }

    /// Whether we own it.
    pub(super) fn is_ours(&self) -> bool {
        self.state == RoomState::Member && self.replica.role() == Some(Role::Owner) && self.is_mesh()
    }

    /// The next thing to do is to ask, after a pause.
    pub(super) fn ask_later(&mut self, ctx: &Context<'_>) {
        self.entry.opens = false;
        self.entry.next_ms = self.entry.next_ms.max(ctx.now.mono_ms + PENDING_MS);
    }

    /// How many of our acts somebody knows by its HELLO.
    fn acts_known_by(&self, hello: &Hello) -> usize {
        let acts: Vec<_> = self.replica.branch().collect();
        match &hello.has {
            Has::Upto(cookie) if cookie.log == self.replica.log() => {
                let before = |(_, pos): &&(&Arc<Event>, Option<u64>)| pos.is_some_and(|pos| pos < cookie.place.next);
                acts.iter().take_while(before).count()
            }
            Has::Upto(_) => 0,
            Has::Heads(heads) => {
                let head = heads.iter().find(|head| head.author == Author::ACTS);
                let named = |head: &&torchat_protocol::room::Head| {
                    let at = usize::try_from(head.seq).ok().and_then(|seq| acts.get(seq.checked_sub(1)?));
                    at.is_some_and(|(act, _)| act.id().tag() == head.tag)
                };
                head.filter(named).map_or(0, |head| usize::try_from(head.seq).unwrap_or(0))
            }
        }
    }

    fn acts_up_to_the_cut_of(&self, no: MemberNo, known: usize) -> Vec<Arc<Event>> {
        let cuts = |act: &Event| matches!(act.read(), Ok(Some(Body::Roster(roster))) if roster.cut.iter().any(|cut| cut.no == no));
        let acts = || self.replica.branch().map(|(act, _)| act);
        let upto = acts().position(|act| cuts(act)).map_or(0, |at| at + 1);
        acts().take(upto).skip(known).cloned().collect()
    }

    /// Whether events have the end of the room in them, by the owner whom we know.
    pub(super) fn says_the_end(&self, events: &[Event]) -> bool {
        let roster = self.replica.roster();
        let Some(owner) = roster.members.get(&roster.owner) else { return false };
        events.iter().any(|event| {
            event.header().author == Author::ACTS
                && matches!(event.read(), Ok(Some(Body::Destroy(_))))
                && verifies(&owner.key, event)
        })
    }
}
