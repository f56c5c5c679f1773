//! What the owner's daemon decides by itself, and what follows from acts at every member's: who is linked with, whose channels
//! end, and how it ends with a room.

use super::links::Phase;
use super::{Context, Room, Rooms, identity};
use crate::effect::{RoomAnswer, RoomEffect, RoomNotice, RoomRefused};
use crate::input::{RequestId, RoomAct};
use crate::op::RoomOp;
use crate::snapshot::rooms::{HandRow, RoomState, Tomb};
use std::sync::Arc;
use torchat_protocol::id::PeerId;
use torchat_protocol::room::body::acts::{Cut, CutReason, Destroy, Handover, Promotion, Replicas, Roster};
use torchat_protocol::room::body::said::Leave;
use torchat_protocol::room::body::{Body, Role};
use torchat_protocol::room::{CloseCode, Event, Frame, MemberNo, RoomId};
use torchat_room::replica::Cannot;
use torchat_room::standing::Standing;

/// Most other members that a daemon links with for a room. Twice as many as there may be in one without hosts: what two branches of
/// an owner have added holds.
const PEERS: usize = 16;
/// Most decisions of a room that wait until another member is reached.
const WAITING: usize = 64;
/// How long we try to leave, in milliseconds.
const LEAVING_MS: i64 = 7 * 24 * 3_600_000;
/// How long those who come late are told that a room was destroyed, in milliseconds.
const BURIED_MS: i64 = 90 * 24 * 3_600_000;

impl Rooms {
    /// What is to be done in a room without anybody's wish.
    pub(super) fn decide(&mut self, ctx: &mut Context<'_>, id: RoomId) {
        self.leave_on(ctx, id);
        let Some(room) = self.rooms.get_mut(&id) else { return };
        if !room.is_ours() {
            return room.forget_owners_rows(ctx, id);
        }
        if room.replica.needs_settlement() && room.replica.has_quorum() {
            if let Ok(lost) = ctx.with(|now| room.replica.settle(now)) {
                ctx.tell(id, RoomNotice::WeSettled(lost));
            }
            self.settle(ctx, id);
        }
        self.cut_leavers(ctx, id);
        self.hand_over(ctx, id);
        self.admit_the_invited(ctx, id);
        self.do_what_waits(ctx, id);
    }

    /// Goes on with leaving a room.
    fn leave_on(&mut self, ctx: &mut Context<'_>, id: RoomId) {
        let Some(room) = self.rooms.get_mut(&id) else { return };
        let RoomState::Leaving(since_ms) = room.state else { return };
        if ctx.believed.and_then(|believed| believed.born_before(LEAVING_MS)).is_some_and(|born| since_ms < born) {
            return self.end_room(ctx, id, RoomState::Left, CloseCode::Done);
        }
        if room.left_at.is_none() && ctx.with(|now| room.replica.say_event(now, &Body::Leave(Leave {}))).is_ok() {
            room.left_at = room.replica.me().map(|me| {
                let author = me.chain(room.replica.own_chain());
                (author, room.replica.keep(me).of(author.chain()))
            });
            self.settle(ctx, id);
        }
    }

    /// Cuts those who have said that they leave.
    fn cut_leavers(&mut self, ctx: &mut Context<'_>, id: RoomId) {
        let Some(room) = self.rooms.get_mut(&id) else { return };
        let roster = room.replica.roster();
        let leavers = room.leavers.iter().filter(|no| roster.members.get(no).is_some_and(|one| one.is_in()));
        let cut: Vec<_> = leavers
            .filter(|no| **no != roster.owner)
            .map(|no| Cut { no: *no, keep: room.replica.keep(*no), why: CutReason::Left })
            .collect();
        if cut.is_empty() {
            return;
        }
        let body = Body::Roster(Roster { cut, ..Roster::default() });
        // Else it waits until another member is reached.
        let _ = ctx.with(|now| room.replica.say_act(now, &body, false));
        self.settle(ctx, id);
    }

    /// Hands the room over to whoever has taken it.
    fn hand_over(&mut self, ctx: &mut Context<'_>, id: RoomId) {
        let Some(room) = self.rooms.get_mut(&id) else { return };
        let Some(HandRow { proposal, to, accept: Some(accept), .. }) = room.hand else { return };
        let Some(me) = room.replica.me() else { return };
        let (old, new) = (room.replica.keep(me), room.replica.keep(to));
        let body = Body::Handover(Handover { to, proposal, accept, old, new });
        match ctx.with(|now| room.replica.say_act(now, &body, false)) {
            Err(Cannot::NotCaughtUp | Cannot::Frozen) => {}
            _ => {
                room.hand = None;
                ctx.write(RoomOp::Hand { room: id, hand: None });
            }
        }
        self.settle(ctx, id);
    }

    /// Tries what the owner has decided and what had to wait.
    fn do_what_waits(&mut self, ctx: &mut Context<'_>, id: RoomId) {
        for _ in 0..WAITING {
            let Some(room) = self.rooms.get_mut(&id).filter(|room| room.replica.has_quorum()) else { return };
            let Some((request, act)) = room.waiting.pop_front() else { return };
            self.decided(ctx, request, id, act, false);
        }
    }

    /// The owner's user has decided something. `force`: it is done now. What waits before it too, because what is decided later
    /// must not be undone by what was decided earlier.
    pub(super) fn asked_to_decide(
        &mut self,
        ctx: &mut Context<'_>,
        request: RequestId,
        id: RoomId,
        act: RoomAct,
        force: bool,
    ) {
        let room = self.rooms.get_mut(&id).filter(|_| force);
        for (request, act) in room.map(|room| std::mem::take(&mut room.waiting)).unwrap_or_default() {
            self.decided(ctx, request, id, act, true);
        }
        self.decided(ctx, request, id, act, force);
    }

    fn decided(&mut self, ctx: &mut Context<'_>, request: RequestId, id: RoomId, act: RoomAct, force: bool) {
        let answer = match self.make_act(ctx, id, &act, force) {
            Err(RoomRefused::Cannot(Cannot::NotCaughtUp)) => {
                let Some(room) = self.rooms.get_mut(&id) else { return };
                if room.waiting.len() < WAITING {
                    room.waiting.push_back((request, act));
                    return ctx.tell(id, RoomNotice::ActsWait);
                }
                RoomAnswer::Refused(RoomRefused::NeedsQuorum)
            }
            Err(refused) => RoomAnswer::Refused(refused),
            Ok(answer) => answer,
        };
        self.settle(ctx, id);
        ctx.answer(request, answer);
    }

    fn make_act(
        &mut self,
        ctx: &mut Context<'_>,
        id: RoomId,
        act: &RoomAct,
        force: bool,
    ) -> Result<RoomAnswer, RoomRefused> {
        let room = self.rooms.get_mut(&id).ok_or(RoomRefused::NoRoom)?;
        let roster = room.replica.roster();
        let is_in = |no: &MemberNo| match roster.members.get(no).filter(|one| one.is_in()) {
            // Only a handover takes that away.
            Some(_) if *no == roster.owner => Err(RoomRefused::OwnerLeaves),
            found => found.ok_or(RoomRefused::NoMember),
        };
        let mut ban = None;
        let body = match act {
            RoomAct::Admit { id: who, role } => {
                let role = role.unwrap_or(roster.policy.joins);
                if role >= Role::Owner {
                    return Err(RoomRefused::Limit);
                }
                if !room.petitions.contains_key(who) {
                    return Err(RoomRefused::NoPetition);
                }
                return self.admit(ctx, id, *who, role, force).map(|()| RoomAnswer::Done).map_err(RoomRefused::Cannot);
            }
            RoomAct::Role { role: Role::Owner, .. } => return Err(RoomRefused::Limit),
            RoomAct::Role { member, role } => {
                is_in(member)?;
                let role = Promotion { no: *member, role: *role, keep: room.replica.keep(*member) };
                Body::Roster(Roster { role: vec![role], ..Roster::default() })
            }
            RoomAct::Remove { member, ban: banned } => {
                let found = is_in(member)?;
                ban = found.id.filter(|_| *banned);
                let cut = Cut { no: *member, keep: room.replica.keep(*member), why: CutReason::Removed };
                Body::Roster(Roster { cut: vec![cut], ..Roster::default() })
            }
            RoomAct::Set(set) => {
                let served = set.policy.is_none_or(|policy| policy.replicas == Replicas::Members);
                if !served {
                    return Err(RoomRefused::NotServed);
                }
                Body::Set(set.clone())
            }
            RoomAct::Settle => {
                if !room.replica.needs_settlement() {
                    return Err(RoomRefused::NotFrozen);
                }
                if !force && !room.replica.has_quorum() {
                    return Err(RoomRefused::Cannot(Cannot::NotCaughtUp));
                }
                let lost = ctx.with(|now| room.replica.settle(now)).map_err(RoomRefused::Cannot)?;
                return Ok(RoomAnswer::Settled(lost));
            }
            RoomAct::Destroy(why) => Body::Destroy(Destroy { why: why.clone() }),
        };
        ctx.with(|now| room.replica.say_act(now, &body, force)).map_err(RoomRefused::Cannot)?;
        if let Some(who) = ban.filter(|who| room.bans.insert(*who)) {
            ctx.write(RoomOp::Ban { room: id, id: who, banned: true });
        }
        Ok(RoomAnswer::Done)
    }

    /// What follows from the acts that hold, if they have changed.
    pub(super) fn follow_acts(&mut self, ctx: &mut Context<'_>, id: RoomId) {
        let Some(room) = self.rooms.get_mut(&id).filter(|room| room.acts_changed) else { return };
        room.acts_changed = false;
        ctx.act(RoomEffect::Acts(id));
        room.find_peers(self.own);
        room.pauses.retain(|_, pause| !pause.by_acts);
        room.forget_cut_leavers(ctx, id);
        let roster = room.replica.roster();
        if roster.destroyed {
            return self.bury(ctx, id);
        }
        let me = room.replica.me().and_then(|no| roster.members.get(&no));
        if let Some(why) = me.and_then(|me| me.cuts.first()).map(|(why, _)| *why) {
            let leaves = why == CutReason::Left || matches!(room.state, RoomState::Leaving(_));
            let state = if leaves { RoomState::Left } else { RoomState::Removed };
            return self.end_room(ctx, id, state, CloseCode::Removed);
        }
        if room.replica.acts() > 0 && roster.policy.replicas != Replicas::Members {
            return self.end_room(ctx, id, RoomState::NotServed, CloseCode::NoHost);
        }
        if !roster.hosts.is_empty() {
            ctx.tell(id, RoomNotice::NeedsNewer);
            for channel in self.channels_of(id) {
                self.close_channel(ctx, channel, CloseCode::NoHost);
            }
            return;
        }
        self.close_those_who_are_cut(ctx, id);
    }

    /// Ends the channels of those who are members no more, behind the acts that say so.
    fn close_those_who_are_cut(&mut self, ctx: &mut Context<'_>, id: RoomId) {
        let Some(room) = self.rooms.get(&id) else { return };
        let roster = room.replica.roster();
        let (mut cut, mut again) = (Vec::new(), Vec::new());
        for (channel, peer) in room.replica.channels() {
            let heard = self.channels.get(&channel).is_some_and(|open| matches!(open.phase, Phase::Hears(..)));
            let mut own = roster.members.iter().filter(|(_, member)| member.id == Some(peer));
            let is_in = own.clone().any(|(_, member)| member.is_in());
            if heard && is_in {
                again.push(channel);
            }
            if heard || is_in || room.state == RoomState::Joining {
                continue;
            }
            let act = own.next().and_then(|(no, _)| room.cut_of(*no));
            cut.push((channel, act));
        }
        for channel in again {
            // It was heard only, and is a member now.
            self.close_channel(ctx, channel, CloseCode::Again);
        }
        for (channel, act) in cut {
            if let Some(act) = act {
                // It went out with the rest, unless that waits for the other side's credit.
                self.say(ctx, channel, Frame::Events(vec![(*act).clone()]));
            }
            self.close_channel(ctx, channel, CloseCode::Removed);
        }
    }

    /// The owner has ended a room: everything of it goes, but what those are told who come late.
    fn bury(&mut self, ctx: &mut Context<'_>, id: RoomId) {
        let Some(room) = self.rooms.get(&id) else { return };
        let acts: Vec<_> = room.replica.branch().map(|(act, _)| act.clone()).collect();
        let ends = acts.first().into_iter().chain(acts.last().filter(|_| acts.len() > 1)).cloned().collect();
        let members = room.replica.roster().present().filter_map(|(_, member)| member.id).collect();
        let tomb = Tomb { room: id, acts: ends, members, at_ms: ctx.now.wall_ms };
        self.settle(ctx, id);
        if let Some(last) = acts.last() {
            for channel in self.channels_of(id) {
                self.say(ctx, channel, Frame::Events(vec![(**last).clone()]));
            }
        }
        self.end_room(ctx, id, RoomState::Destroyed, CloseCode::Destroyed);
        ctx.write(RoomOp::Bury(tomb.clone()));
        self.tombs.insert(id, tomb);
    }

    /// Forgets rooms that were destroyed long ago.
    pub(super) fn dig_up(&mut self, ctx: &mut Context<'_>) {
        let Some(born) = ctx.believed.and_then(|believed| believed.born_before(BURIED_MS)) else { return };
        let old = |tomb: &&Tomb| tomb.at_ms < born;
        for room in self.tombs.values().filter(old).map(|tomb| tomb.room).collect::<Vec<_>>() {
            self.tombs.remove(&room);
            ctx.write(RoomOp::Unbury(room));
        }
    }
}

impl Room {
    /// Looks up with whom the room is to be open: the owner and the members with the smallest numbers. Takes some 50 us for each.
    ///
    /// An owner may name as many members as it likes, and with each the identity of somebody who knows nothing of it. So only so many
    /// are linked with; the others link with these.
    pub(super) fn find_peers(&mut self, own: PeerId) {
        if self.state == RoomState::Joining {
            self.entry.accepted |= self.replica.role().is_some();
            if self.entry.accepted && self.replica.acts() == 0 {
                // It begins anew, and still knows whom to ask.
                return;
            }
        }
        let roster = self.replica.roster();
        let owner = roster.members.get_key_value(&roster.owner).map(|(no, owner)| (*no, owner));
        let others = roster.present().filter(|(no, _)| *no != roster.owner);
        let named = owner.into_iter().chain(others).filter_map(|(no, member)| Some((member.id?, no)));
        let named = named.filter(|(id, _)| *id != identity(&own)).take(PEERS);
        let mut found: Vec<_> = named.filter_map(|(id, no)| Some((PeerId::from_key(id.0).ok()?, no))).collect();
        // Of two numbers of one identity the newest holds.
        found.sort_unstable_by_key(|(_, no)| *no);
        self.peers = found.into_iter().collect();
    }

    /// The replica of a newcomer begins anew, so nobody has said anything.
    pub(super) fn forget_what_was_told(&mut self, ctx: &mut Context<'_>, id: RoomId) {
        self.acts_changed = true;
        for member in std::mem::take(&mut self.leavers) {
            ctx.write(RoomOp::Leaver { room: id, member, leaves: false });
        }
        if self.hand.take().is_some() {
            ctx.write(RoomOp::Hand { room: id, hand: None });
        }
    }

    fn forget_cut_leavers(&mut self, ctx: &mut Context<'_>, id: RoomId) {
        let roster = self.replica.roster();
        let gone = self.leavers.iter().filter(|no| roster.members.get(no).is_none_or(|one| !one.is_in()));
        for member in gone.copied().collect::<Vec<_>>() {
            self.leavers.remove(&member);
            ctx.write(RoomOp::Leaver { room: id, member, leaves: false });
        }
    }

    /// With a handover all invites end, and petitions are the new owner's.
    fn forget_owners_rows(&mut self, ctx: &mut Context<'_>, id: RoomId) {
        self.end_invites(ctx, id);
        for (who, _) in std::mem::take(&mut self.petitions) {
            ctx.write(RoomOp::PetitionGone { room: id, id: who });
        }
        for (request, _) in std::mem::take(&mut self.waiting) {
            ctx.answer(request, RoomAnswer::Refused(RoomRefused::Cannot(Cannot::NoRole)));
        }
    }

    /// The act that cut a member.
    fn cut_of(&self, no: MemberNo) -> Option<Arc<Event>> {
        let cuts = |act: &Event| matches!(act.read(), Ok(Some(Body::Roster(roster))) if roster.cut.iter().any(|cut| cut.no == no));
        self.replica.branch().map(|(act, _)| act).find(|act| cuts(act)).cloned()
    }

    /// What an event that was stored means to the desk.
    pub(super) fn note_event(&mut self, ctx: &mut Context<'_>, id: RoomId, event: &Event, standing: Standing) {
        let Some(member) = event.header().author.member() else { return };
        match event.read() {
            Ok(Some(Body::Leave(_)))
                if standing.allows(Role::Reader)
                    && Some(member) != self.replica.me()
                    && self.leavers.insert(member) =>
            {
                ctx.write(RoomOp::Leaver { room: id, member, leaves: true });
            }
            Ok(Some(Body::Hand(hand))) if standing.allows(Role::Owner) => {
                let hand = HandRow { proposal: event.id(), by: member, to: hand.to, accept: None };
                self.hand = Some(hand);
                ctx.write(RoomOp::Hand { room: id, hand: self.hand });
                if Some(hand.to) == self.replica.me() {
                    ctx.tell(id, RoomNotice::Handed(member));
                }
            }
            Ok(Some(Body::Take(take))) if standing.allows(Role::Member) => {
                let asked = |hand: &&mut HandRow| hand.proposal == take.proposal && hand.to == member;
                if let Some(hand) = self.hand.as_mut().filter(asked) {
                    hand.accept = Some(take.accept);
                    ctx.write(RoomOp::Hand { room: id, hand: self.hand });
                }
            }
            _ => {}
        }
    }
}
