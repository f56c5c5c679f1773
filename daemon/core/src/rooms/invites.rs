//! Invites of ours: made, listed, revoked. How often one was used is told by the acts.

use super::{Context, Room, Rooms, identity};
use crate::effect::{RoomAnswer, RoomRefused};
use crate::input::NewInvite;
use crate::op::RoomOp;
use crate::snapshot::rooms::InviteRow;
use torchat_protocol::id::InviteSecret;
use torchat_protocol::room::body::Role;
use torchat_protocol::room::{InviteId, InviteKey, Pass, RoomId, RoomInvite};
use torchat_room::replica::Cannot;

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
