//! Messages of old daemons: whether one is kept, and for how long.
//!
//! Nothing proves who sent one, so the decision looks at the whole flow only, never at the claimed id: no contact, lane,
//! dial or notice is touched by anything here.

use crate::input::{Answer, RequestId};
use crate::op::{LegacyOp, Op};
use crate::policy::LegacyPolicy;
use crate::snapshot::{LegacyNum, LegacyRow};
use crate::time::{Believed, Now};
use crate::turn::Context;
use crate::view::LegacyStatus;
use std::collections::VecDeque;
use torchat_protocol::legacy::OldMessage;

/// The time that the rate is counted over.
const MINUTE_MS: u64 = 60_000;

/// What the node knows of old daemons' messages.
#[derive(Debug, Default)]
pub(crate) struct Legacy {
    /// When those of the last minute were kept, by the monotonic clock. At most [`LegacyPolicy::per_minute`].
    recent: VecDeque<u64>,
    /// Those that the store keeps, in the order of their rows. At most [`LegacyPolicy::kept`].
    rows: VecDeque<LegacyRow>,
    status: LegacyStatus,
}

/// Why a message is not kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Dropped {
    Off,
    Storage,
    Full,
    Rate,
}

impl Legacy {
    pub(crate) fn restore(rows: Vec<LegacyRow>) -> Self {
        Self { rows: rows.into(), ..Self::default() }
    }

    fn unread(&self) -> usize {
        self.rows.iter().filter(|row| !row.taken).count()
    }

    pub(crate) fn status(&self) -> LegacyStatus {
        LegacyStatus { unread: self.unread(), ..self.status }
    }

    /// Decides on one more message.
    fn admit(&mut self, now: Now, policy: &LegacyPolicy, writable: bool) -> Result<(), Dropped> {
        if !policy.receive {
            return Err(Dropped::Off);
        }
        if !writable {
            return Err(Dropped::Storage);
        }
        // What waits is never pushed out by what comes: a flood costs the newest mail, not the unread.
        if self.unread() >= policy.kept {
            return Err(Dropped::Full);
        }
        while self.recent.front().is_some_and(|at| at.saturating_add(MINUTE_MS) <= now.mono_ms) {
            self.recent.pop_front();
        }
        // A window, not a bucket of tokens: a bucket would let twice as many into its first minute.
        if self.recent.len() >= policy.per_minute {
            return Err(Dropped::Rate);
        }
        self.recent.push_back(now.mono_ms);
        // As the store does with the same number.
        while self.rows.len() >= policy.kept
            && let Some(oldest) = self.rows.iter().position(|row| row.taken)
        {
            self.rows.remove(oldest);
        }
        self.rows.push_back(LegacyRow { at_ms: now.wall_ms, taken: false });
        Ok(())
    }

    fn count(&mut self, dropped: Dropped) {
        match dropped {
            Dropped::Off => {}
            Dropped::Storage => self.status.storage += 1,
            Dropped::Full => self.status.full += 1,
            Dropped::Rate => self.status.rate += 1,
        }
    }

    /// An old daemon's message: kept in its own place, or dropped. It gets no answer either way.
    pub(crate) fn came(&mut self, ctx: &mut Context<'_>, message: OldMessage) {
        let policy = &ctx.policy.legacy;
        match self.admit(ctx.now, policy, ctx.conditions.writable && !ctx.conditions.stopping) {
            Ok(()) => ctx.write(Op::Legacy(LegacyOp::Keep { message, at_ms: ctx.now.wall_ms, keep: policy.kept })),
            Err(dropped) => self.count(dropped),
        }
    }

    pub(crate) fn taken(&mut self, ctx: &mut Context<'_>, request: RequestId, row: LegacyNum, at_ms: i64) {
        if let Some(found) = self.rows.iter_mut().find(|row| row.at_ms == at_ms && !row.taken) {
            found.taken = true;
        }
        ctx.write(Op::Legacy(LegacyOp::Taken { row }));
        ctx.answer(request, Answer::Done);
    }

    /// Forgets what is too old. Called only when the wall clock can be believed.
    pub(crate) fn forget_old(&mut self, ctx: &mut Context<'_>, believed: Believed) {
        let Some(before_ms) = believed.born_before(ctx.policy.legacy.kept_ms) else { return };
        let (kept, unread) = (self.rows.len(), self.unread());
        self.rows.retain(|row| row.at_ms >= before_ms);
        if self.rows.len() < kept {
            self.status.expired += (unread - self.unread()) as u64;
            ctx.write(Op::Legacy(LegacyOp::Forget { before_ms }));
        }
    }
}
