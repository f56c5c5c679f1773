//! Wishes to become a member, at the owner's: which are kept, and who need not wait for the user. ROOM-PROTOCOL.md, "Joining".

use super::{Context, Room, identity};
use crate::effect::RoomNotice;
use crate::op::RoomOp;
use crate::rate::{Bucket, Rate};
use crate::snapshot::rooms::PetitionRow;
use std::collections::BTreeMap;
use torchat_protocol::id::PeerId;
use torchat_protocol::room::body::Role;
use torchat_protocol::room::body::acts::CutReason;
use torchat_protocol::room::{Identity, Join, MemberNo, RoomId};
use torchat_room::roster::Member;

/// Petitions of a room that wait for its owner's user; and as many of those who are let in without.
const PETITIONS: usize = 100;
/// How many of the first may come at once, and then one in a minute.
const FLOW: Rate = Rate::every(20, 60_000);
/// How many who have an invite may come at once, and then one in ten minutes: each costs acts, of which a room has 100,000.
const INVITED: Rate = Rate::every(20, 600_000);
/// How often a member may lose its store, and then once in six hours.
const REPLACED: Rate = Rate::every(3, 6 * 3_600_000);
/// How long one is kept.
const KEPT_MS: i64 = 7 * 24 * 3_600_000;

/// How many wishes may come.
#[derive(Debug, Default)]
pub(super) struct Purses {
    waiting: Bucket,
    invited: Bucket,
    replaced: BTreeMap<Identity, Bucket>,
}

impl Purses {
    fn pay(&mut self, role: Option<Role>, member: Option<Identity>, now_ms: u64) -> bool {
        let paid = match (role, member) {
            (None, _) => self.waiting.take(FLOW, 1, now_ms),
            (Some(_), None) => self.invited.take(INVITED, 1, now_ms),
            (Some(_), Some(member)) => {
                self.replaced.retain(|_, bucket| !bucket.is_full(REPLACED, now_ms));
                self.replaced.entry(member).or_default().take(REPLACED, 1, now_ms)
            }
        };
        paid.is_ok()
    }
}

impl Room {
    /// Notes a wish. What is wrong with it, and what there is no room for, leaves no trace.
    pub(super) fn petition(&mut self, ctx: &mut Context<'_>, id: RoomId, peer: PeerId, join: Join) {
        let who = identity(&peer);
        // A key that is none could never sign.
        if PeerId::from_key(join.sign.0).is_err() {
            return;
        }
        let via = join.invite.and_then(|(invite, proof)| {
            let row = self.invites.get(&invite)?;
            row.key.proves(&proof, id, who, join.sign, join.sealing).then_some(invite)
        });
        let petition = PetitionRow {
            id: who,
            sign: join.sign,
            sealing: join.sealing,
            nick: join.nick,
            text: join.text,
            via,
            at_ms: ctx.now.wall_ms,
            refused: false,
        };
        let role = self.role_for(&petition, ctx.now.wall_ms);
        let waits = role.is_none();
        let before = self.petitions.get(&who);
        let (known, refused) = (before.is_some(), before.is_some_and(|before| before.refused));
        // What the user has refused is not shown again, nor whom the user has blocked.
        if waits && (refused || (ctx.blocked)(&peer)) {
            return;
        }
        let member = self.number_of(who).map(|_| who);
        if !self.purses.pay(role, member, ctx.now.mono_ms) || !known && !self.has_place(ctx, id, waits) {
            if waits {
                ctx.refused.petitions += 1;
            } else {
                ctx.refused.joins += 1;
            }
            return;
        }
        if waits && !known {
            ctx.tell(id, RoomNotice::Petition(who));
        }
        self.petitions.insert(who, petition.clone());
        ctx.write(RoomOp::Petition { room: id, petition });
    }

    /// The number under which somebody is in.
    pub(super) fn number_of(&self, who: Identity) -> Option<MemberNo> {
        self.replica.roster().present().find(|(_, member)| member.id == Some(who)).map(|(no, _)| no)
    }

    /// As what somebody is let in without the user. `None`: the user decides.
    pub(super) fn role_for(&self, petition: &PetitionRow, wall_ms: i64) -> Option<Role> {
        let roster = self.replica.roster();
        let mut own = roster.members.iter().rev().filter(|(_, member)| member.id == Some(petition.id));
        let removed = own.clone().next().is_some_and(|(_, last)| self.was_removed_before(last));
        let held_down = removed || own.clone().any(|(no, member)| self.is_held_down(*no, member));
        if let Some((no, member)) = own.find(|(_, member)| member.is_in()) {
            // It has lost its store, and is replaced by itself. The owner is us.
            return (*no != roster.owner && !held_down).then(|| member.role());
        }
        if self.bans.contains(&petition.id) {
            return None;
        }
        let invite = self.invites.get(&petition.via?)?;
        let used = self.uses_of(invite);
        let for_it = invite.whom.map(|whom| whom == petition.id);
        let good = wall_ms < invite.until_ms
            && invite.uses.is_none_or(|uses| used < uses as usize)
            && for_it.unwrap_or(!held_down);
        good.then_some(invite.role)
    }

    /// Whether somebody was muted, or may less than it once did. A new number would end that, so only the user gives one, or an
    /// invite that the user has made for this one.
    fn is_held_down(&self, no: MemberNo, member: &Member) -> bool {
        let most = member.roles.iter().map(|(role, _)| *role).filter(|role| *role < Role::Owner).max();
        Some(member.role()) < most || !self.replica.mutes_of(no).is_empty()
    }

    /// Whether a former owner may have removed somebody: whom that one banned is not told by the acts.
    fn was_removed_before(&self, member: &Member) -> bool {
        self.replica.roster().owner_since > 1 && member.cuts.first().is_some_and(|(why, _)| *why == CutReason::Removed)
    }

    /// Whether one more that waits for the user, or one more that does not, may be kept. Each kind has places of its own, so that
    /// strangers do not keep out who is invited, and the other way round.
    fn has_place(&mut self, ctx: &mut Context<'_>, id: RoomId, waits: bool) -> bool {
        if self.petitions.len() < PETITIONS {
            return true;
        }
        let mut of_kind: Vec<_> =
            self.petitions.values().filter(|row| self.role_for(row, ctx.now.wall_ms).is_none() == waits).collect();
        if of_kind.len() < PETITIONS {
            return true;
        }
        // Who is invited asks again by itself.
        of_kind.retain(|row| !waits || row.refused);
        let Some(who) = of_kind.into_iter().min_by_key(|row| row.at_ms).map(|row| row.id) else { return false };
        self.petitions.remove(&who);
        ctx.write(RoomOp::PetitionGone { room: id, id: who });
        true
    }

    pub(super) fn drop_old_petitions(&mut self, ctx: &mut Context<'_>, id: RoomId) {
        let Some(born) = ctx.believed.and_then(|believed| believed.born_before(KEPT_MS)) else { return };
        let old = |(_, row): &(&Identity, &PetitionRow)| row.at_ms < born;
        for who in self.petitions.iter().filter(old).map(|(who, _)| *who).collect::<Vec<_>>() {
            self.petitions.remove(&who);
            ctx.write(RoomOp::PetitionGone { room: id, id: who });
        }
    }
}
