//! Messages that fail because their time is over.

use super::Sending;
use crate::chat::outbox::Outbox;
use crate::snapshot::Pending;
use crate::time::{Believed, Now};
use crate::turn::Context;
use torchat_protocol::message::SkipReason;

/// How often the age of undelivered messages is looked at.
const EXPIRY_STEP_MS: u64 = 3_600_000;

impl Sending {
    /// The wall clock is not believed for a while.
    pub(crate) fn put_off_expiry(&mut self, until_mono_ms: u64) {
        self.expiry_due = until_mono_ms;
    }

    /// When the next message fails that has an end of its own.
    pub(crate) fn deadline(&self, writable: bool) -> Option<u64> {
        self.ends.first().filter(|_| writable).map(|end| end.0)
    }

    /// Gives up the messages whose own end has come.
    ///
    /// A message with an end of its own that was sent in this run ends by the monotonic clock, which nobody sets. After
    /// a restart only the wall clock knows its end.
    pub(crate) fn expire_ended(&mut self, ctx: &mut Context<'_>) {
        while ctx.conditions.writable
            && !ctx.conditions.stopping
            && let Some((end, peer, mid)) = self.ends.first().copied()
            && end <= ctx.now.mono_ms
        {
            self.ends.pop_first();
            self.take_back(ctx, peer, &[mid], SkipReason::Expired);
        }
    }

    /// Whether the ages are to be looked at now.
    pub(crate) fn is_expiry_due(&mut self, now: Now) -> bool {
        let due = now.mono_ms >= self.expiry_due;
        if due {
            self.expiry_due = now.mono_ms + EXPIRY_STEP_MS;
        }
        due
    }

    /// Gives up what waited too long. The wall clock alone would not do: one that is set a month ahead by mistake would
    /// fail everything. So it is believed only after it has stood still for a while on a machine that Tor lets in,
    /// which it does not with a wrong clock.
    pub(crate) fn expire_old(&mut self, ctx: &mut Context<'_>, believed: Believed) {
        let kept_ms = ctx.policy.expiry_ms;
        let born = believed.born_before(kept_ms).unwrap_or(i64::MIN);
        let is_old = |p: &&Pending| p.at_ms < born || p.until_ms.is_some_and(|until| believed.is_over(until, kept_ms));
        let old = |out: &Outbox| out.owed().filter(is_old).map(|p| p.mid).collect::<Vec<_>>();
        let old: Vec<_> = self.lanes.iter().map(|(peer, out)| (*peer, old(out))).collect();
        for (peer, mids) in old.into_iter().filter(|(_, mids)| !mids.is_empty()) {
            self.take_back(ctx, peer, &mids, SkipReason::Expired);
        }
        // A message of an earlier run may have its own end before the next look.
        let owed = self.lanes.values().flat_map(Outbox::owed);
        let ends = owed.filter(|p| p.end_mono_ms.is_none()).filter_map(|p| p.until_ms);
        if let Some(pause) = ends.map(|until| until.saturating_sub(ctx.now.wall_ms)).min() {
            let pause = u64::try_from(pause).unwrap_or(0).max(1_000);
            self.expiry_due = self.expiry_due.min(ctx.now.mono_ms + pause);
        }
    }

    /// How many messages have an end of their own in this run.
    #[cfg(test)]
    pub(crate) fn ends(&self) -> usize {
        self.ends.len()
    }
}
