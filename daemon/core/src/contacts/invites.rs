//! Our invites: who brings a good one is a contact at once.

use super::Contacts;
use super::requests::write_some_time;
use crate::input::{Answer, Refused, RequestId};
use crate::later::Later;
use crate::op::{ContactOp, Op};
use crate::policy::Strangers;
use crate::snapshot::InviteRow;
use crate::time::{Believed, Now};
use crate::turn::Context;
use sha2::{Digest as _, Sha256};
use torchat_protocol::id::{InviteSecret, PeerId};
use torchat_protocol::message::ContactReq;

/// Until when an invite is good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct End {
    /// In milliseconds since 1970.
    until_ms: i64,
    /// By the monotonic clock, of one that was made in this run.
    mono_ms: Option<u64>,
}

impl End {
    /// Of an earlier run only the wall clock tells the end.
    pub(super) fn of_an_earlier_run(until_ms: i64) -> Self {
        Self { until_ms, mono_ms: None }
    }

    /// Whether it is over; `None`: only a wall clock that is believed could tell.
    fn is_over(self, now: Now, believed: Option<Believed>, grace_ms: i64) -> Option<bool> {
        if self.mono_ms.is_some_and(|end| end <= now.mono_ms) {
            return Some(true);
        }
        match (believed, self.mono_ms) {
            (Some(believed), _) => Some(believed.is_over(self.until_ms, grace_ms)),
            (None, Some(_)) => Some(false),
            // A clock that is behind lets it live until it is set right.
            (None, None) if now.wall_ms < self.until_ms => Some(false),
            (None, None) => None,
        }
    }
}

fn hash(secret: InviteSecret) -> [u8; 32] {
    Sha256::new().chain_update(b"torchatd/1 invite\0").chain_update(secret.0).finalize().into()
}

impl Contacts {
    /// Uses the invite up that the peer brings, if it is a good one.
    pub(crate) fn is_invited(
        &mut self,
        ctx: &mut Context<'_>,
        later: &mut Later,
        believed: Option<Believed>,
        peer: &PeerId,
        asked: &ContactReq,
    ) -> bool {
        if ctx.policy.strangers == Strangers::Closed || !ctx.conditions.writable {
            return false;
        }
        let Some(secret) = asked.invite.as_ref().and_then(|text| text.parse::<InviteSecret>().ok()) else {
            return false;
        };
        if self.peers.get(peer).is_some_and(|row| row.blocked || row.contact) {
            return false;
        }
        // Looked up by its digest: how long the comparison takes says nothing of the secret.
        let hash = hash(secret);
        let Some(end) = self.invites.get(&hash) else { return false };
        // It looks too old to a clock that is not believed: answered like none, but it stays, and the peer asks again.
        let Some(over) = end.is_over(ctx.now, believed, ctx.policy.requests.kept_ms) else { return false };
        self.invites.remove(&hash);
        // One that is too old is answered like none, so its end is written later, too.
        if over {
            write_some_time(ctx, later, Op::Contacts(ContactOp::InviteGone { hash }))
        } else {
            ctx.write(Op::Contacts(ContactOp::InviteGone { hash }))
        }
        !over
    }

    /// Makes an invite.
    pub(crate) fn invite(
        &mut self,
        ctx: &mut Context<'_>,
        believed: Option<Believed>,
        request: RequestId,
        lifetime_ms: i64,
    ) {
        self.forget_old_invites(ctx, believed);
        let now = ctx.now;
        let answer = if !ctx.conditions.writable {
            Answer::Refused(Refused::Storage)
        } else if self.invites.len() >= ctx.policy.requests.invites {
            self.invites_refused += 1;
            Answer::Refused(Refused::TooManyInvites)
        } else {
            let secret = InviteSecret(ctx.random());
            let invite = InviteRow { hash: hash(secret), until_ms: now.wall_ms.saturating_add(lifetime_ms) };
            let lifetime = lifetime_ms.max(0).unsigned_abs();
            let end = End { until_ms: invite.until_ms, mono_ms: Some(now.mono_ms.saturating_add(lifetime)) };
            self.invites.insert(invite.hash, end);
            ctx.write(Op::Contacts(ContactOp::Invite { invite }));
            Answer::Invited(secret)
        };
        ctx.answer(request, answer);
    }

    pub(super) fn forget_old_invites(&mut self, ctx: &mut Context<'_>, believed: Option<Believed>) {
        let (now, grace_ms) = (ctx.now, ctx.policy.requests.kept_ms);
        let old = self.invites.extract_if(.., |_, end| end.is_over(now, believed, grace_ms) == Some(true));
        ctx.ops().extend(old.map(|(hash, _)| Op::Contacts(ContactOp::InviteGone { hash })));
    }

    /// As if an earlier run had made the invite.
    #[cfg(test)]
    pub(crate) fn restore_invite(&mut self, secret: InviteSecret, until_ms: i64) {
        self.invites.insert(hash(secret), End::of_an_earlier_run(until_ms));
    }

    #[cfg(test)]
    pub(crate) fn invites(&self) -> usize {
        self.invites.len()
    }
}
