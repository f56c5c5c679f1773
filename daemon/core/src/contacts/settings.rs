//! What the user has set for one conversation: that the key was compared, and how long messages are kept.

use super::Contacts;
use crate::op::{ContactOp, Op};
use crate::time::Believed;
use crate::turn::Context;
use torchat_protocol::id::PeerId;

/// Milliseconds of a day.
const DAY_MS: i64 = 24 * 3_600_000;

impl Contacts {
    /// The user has compared the contact's key, or takes that back. The moment of the first mark stays.
    pub(crate) fn verify(&mut self, ctx: &mut Context<'_>, peer: PeerId, verified: bool) {
        let row = self.peers.entry(peer).or_default();
        if row.verified_ms.is_some() == verified {
            return;
        }
        row.verified_ms = verified.then_some(ctx.now.wall_ms);
        ctx.write(Op::Contacts(ContactOp::Verified { peer, at_ms: row.verified_ms }));
    }

    /// For how many days messages are kept from now on.
    pub(crate) fn retain(&mut self, ctx: &mut Context<'_>, peer: PeerId, days: Option<u32>) {
        let row = self.peers.entry(peer).or_default();
        if row.retain_days != days {
            row.retain_days = days;
            ctx.write(Op::Contacts(ContactOp::Retain { peer, days }));
        }
    }

    /// The conversations that keep their messages only for a time, and before which moment a message is too old, in milliseconds
    /// since 1970.
    pub(crate) fn retained(&self, believed: Believed) -> impl Iterator<Item = (PeerId, i64)> {
        self.peers.iter().filter_map(move |(peer, row)| {
            let kept_ms = i64::from(row.retain_days?).saturating_mul(DAY_MS);
            Some((*peer, believed.born_before(kept_ms)?))
        })
    }
}
