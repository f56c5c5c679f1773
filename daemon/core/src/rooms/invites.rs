//! Invites of ours: made, listed, revoked. How often one was used is told by the acts.

use super::{Context, Room, Rooms, identity};
use crate::effect::{RoomAnswer, RoomNotice, RoomRefused};
use crate::input::NewInvite;
use crate::op::RoomOp;
use crate::snapshot::rooms::InviteRow;
use torchat_protocol::id::InviteSecret;
use torchat_protocol::room::body::acts::CutReason;
use torchat_protocol::room::body::{Body, Role};
use torchat_protocol::room::{Identity, InviteId, InviteKey, Pass, RoomId, RoomInvite};
use torchat_room::replica::Cannot;
use torchat_room::roster::Member;

/// Most invites of a room.
const INVITES: usize = 1_000;
/// Most uses of one, if it has an end.
const USES: u32 = 1_000;
/// Most hours of one.
const HOURS: u32 = 2_160;
/// Longest note, in bytes.
const NOTE_BYTES: usize = 200;

impl Rooms {
    pub(super) fn invite(
        &mut self,
        ctx: &mut Context<'_>,
        id: RoomId,
        new: NewInvite,
    ) -> Result<RoomAnswer, RoomRefused> {
        let own = self.own;
        let room = self.rooms.get_mut(&id).ok_or(RoomRefused::NoRoom)?;
        if !room.is_ours() {
            return Err(RoomRefused::Cannot(Cannot::NoRole));
        }
        let uses = new.uses.is_none_or(|uses| (1..=USES).contains(&uses));
        let note = new.note.as_ref().is_none_or(|note| note.len() <= NOTE_BYTES);
        if new.role >= Role::Owner || !uses || !note || !(1..=HOURS).contains(&new.hours) {
            return Err(RoomRefused::Limit);
        }
        room.drop_old_invites(ctx, id);
        if room.invites.len() >= INVITES {
            return Err(RoomRefused::TooManyInvites);
        }
        let pass = Pass { id: InviteId(ctx.random()), secret: InviteSecret(ctx.random()) };
        let shown = RoomInvite::new(id, vec![own], Some(pass)).ok_or(RoomRefused::Limit)?;
        let invite = InviteRow {
            id: pass.id,
            key: InviteKey::new(id, pass.secret),
            role: new.role,
            uses: new.uses,
            until_ms: ctx.now.wall_ms.saturating_add(i64::from(new.hours) * 3_600_000),
            whom: new.whom.as_ref().map(identity),
            note: new.note,
        };
        room.invites.insert(pass.id, invite.clone());
        ctx.write(RoomOp::Invite { room: id, invite });
        Ok(RoomAnswer::Invited(shown))
    }
}

impl Rooms {
    /// Two acts with one number are there, or other acts hold. If the room is ours, we have made them all, some of them in a store that
    /// is not this one.
    pub(super) fn has_contradicted_itself(&mut self, ctx: &mut Context<'_>, id: RoomId) {
        let is_ours = |room: &&mut Room| room.replica.role() == Some(Role::Owner);
        let Some(room) = self.rooms.get_mut(&id).filter(is_ours) else { return };
        room.ban_all_removed(ctx, id);
        self.was_restored(ctx, id);
    }

    /// Events or acts of ours came that were not here.
    pub(super) fn was_restored(&mut self, ctx: &mut Context<'_>, id: RoomId) {
        let Some(room) = self.rooms.get_mut(&id) else { return };
        if room.replica.role() == Some(Role::Owner) {
            room.end_invites(ctx, id);
        }
        if !std::mem::replace(&mut room.restored, true) {
            ctx.tell(id, RoomNotice::Restored);
        }
    }
}

impl Room {
    pub(super) fn uninvite(
        &mut self,
        ctx: &mut Context<'_>,
        id: RoomId,
        invite: InviteId,
    ) -> Result<RoomAnswer, RoomRefused> {
        self.invites.remove(&invite).ok_or(RoomRefused::NoInvite)?;
        ctx.write(RoomOp::InviteGone { room: id, id: invite });
        Ok(RoomAnswer::Done)
    }

    /// Our store is older than what others have of us: invites that it has may have been taken back since. So all end.
    pub(super) fn end_invites(&mut self, ctx: &mut Context<'_>, id: RoomId) {
        for (invite, _) in std::mem::take(&mut self.invites) {
            ctx.write(RoomOp::InviteGone { room: id, id: invite });
        }
    }

    /// Whom an act of ours removes that our store did not know, no invite lets in: that we wanted it otherwise was in that store.
    pub(super) fn ban_again(&mut self, ctx: &mut Context<'_>, id: RoomId, seq: u64) {
        let roster = self.replica.roster();
        let at = usize::try_from(seq.saturating_sub(1)).unwrap_or(usize::MAX);
        let Some(Ok(Some(Body::Roster(act)))) = self.replica.branch().nth(at).map(|(act, _)| act.read()) else {
            return;
        };
        let removed = act.cut.iter().filter(|cut| cut.why == CutReason::Removed);
        let removed = removed.filter_map(|cut| roster.members.get(&cut.no)?.id).collect();
        self.ban_all(ctx, id, removed);
    }

    /// The same of all whom we ever removed and who are not back.
    fn ban_all_removed(&mut self, ctx: &mut Context<'_>, id: RoomId) {
        let roster = self.replica.roster();
        let back: Vec<_> = roster.present().filter_map(|(_, member)| member.id).collect();
        let is_removed = |member: &Member| member.cuts.iter().any(|(why, _)| *why == CutReason::Removed);
        let removed = roster.members.values().filter(|member| is_removed(member)).filter_map(|member| member.id);
        let removed = removed.filter(|who| !back.contains(who)).collect();
        self.ban_all(ctx, id, removed);
    }

    fn ban_all(&mut self, ctx: &mut Context<'_>, id: RoomId, all: Vec<Identity>) {
        for who in all {
            if self.bans.insert(who) {
                ctx.write(RoomOp::Ban { room: id, id: who, banned: true });
            }
        }
    }

    fn drop_old_invites(&mut self, ctx: &mut Context<'_>, id: RoomId) {
        let Some(believed) = ctx.believed else { return };
        let grace_ms = ctx.policy.requests.kept_ms;
        let old = |(_, row): &(&InviteId, &InviteRow)| believed.is_over(row.until_ms, grace_ms);
        for invite in self.invites.iter().filter(old).map(|(invite, _)| *invite).collect::<Vec<_>>() {
            self.invites.remove(&invite);
            ctx.write(RoomOp::InviteGone { room: id, id: invite });
        }
    }
}
