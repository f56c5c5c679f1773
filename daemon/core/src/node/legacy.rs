//! Messages of old daemons: whether one is kept, and for how long.
//!
//! Nothing proves who sent one, so the decision looks at the whole flow only, never at the claimed id: no contact, lane,
//! dial or notice is touched by anything here.

use super::Node;
use crate::effect::{Effect, Turn};
use crate::input::{Answer, RequestId};
use crate::op::Op;
use crate::policy::LegacyPolicy;
use crate::snapshot::LegacyRow;
use crate::time::{Believed, Now};
use crate::view::LegacyStatus;
use std::collections::VecDeque;
use torchat_protocol::legacy::OldMessage;

/// The time that the rate is counted over.
const MINUTE_MS: u64 = 60_000;

/// What the node knows of old daemons' messages.
#[derive(Debug, Default)]
pub(super) struct Legacy {
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
    pub(super) fn restore(rows: Vec<LegacyRow>) -> Self {
        Self { rows: rows.into(), ..Self::default() }
    }

    fn unread(&self) -> usize {
        self.rows.iter().filter(|row| !row.taken).count()
    }

    pub(super) fn status(&self) -> LegacyStatus {
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
}

impl Node {
    /// An old daemon's message: kept in its own place, or dropped. It gets no answer either way.
    pub(super) fn old_message(&mut self, now: Now, message: OldMessage, turn: &mut Turn) {
        match self.legacy.admit(now, &self.policy.legacy, self.writable && !self.stopping) {
            Ok(()) => {
                turn.ops.push(Op::Legacy { message, at_ms: now.wall_ms, keep: self.policy.legacy.kept });
            }
            Err(dropped) => self.legacy.count(dropped),
        }
    }

    pub(super) fn old_message_taken(&mut self, request: RequestId, row: i64, at_ms: i64, turn: &mut Turn) {
        if let Some(found) = self.legacy.rows.iter_mut().find(|row| row.at_ms == at_ms && !row.taken) {
            found.taken = true;
        }
        turn.ops.push(Op::LegacyTaken { row });
        turn.effects.push(Effect::Answer { request, answer: Answer::Done });
    }

    /// Forgets what is too old. Called only when the wall clock can be believed.
    pub(super) fn forget_old_messages(&mut self, believed: Believed, turn: &mut Turn) {
        let Some(before_ms) = believed.born_before(self.policy.legacy.kept_ms) else { return };
        let (kept, unread) = (self.legacy.rows.len(), self.legacy.unread());
        self.legacy.rows.retain(|row| row.at_ms >= before_ms);
        if self.legacy.rows.len() < kept {
            self.legacy.status.expired += (unread - self.legacy.unread()) as u64;
            turn.ops.push(Op::LegacyForget { before_ms });
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::input::Input;
    use crate::policy::Policy;
    use crate::snapshot::Snapshot;
    use torchat_protocol::id::PeerId;
    use torchat_protocol::legacy::Claim;

    const START: Now = Now { wall_ms: 1_790_000_000_000, mono_ms: 1_000_000 };
    const DAY_MS: u64 = 24 * 3_600_000;

    struct Bench {
        node: Node,
        now: Now,
    }

    fn message(text: &str) -> Input {
        Input::Legacy(OldMessage { claim: Claim::new("a.onion".into()).unwrap(), text: text.into() })
    }

    impl Bench {
        fn new(rows: Vec<LegacyRow>, change: impl FnOnce(&mut LegacyPolicy)) -> Self {
            let own = PeerId::from_key(curve25519_dalek::constants::ED25519_BASEPOINT_COMPRESSED.0).unwrap();
            let mut policy = Policy::default();
            policy.legacy.receive = true;
            // Not what is looked at here.
            policy.repair.self_check_ms = 0;
            change(&mut policy.legacy);
            let snapshot = Snapshot { legacy: rows, ..Snapshot::default() };
            let node = Node::new(own, policy, snapshot, START, &mut |out: &mut [u8]| out.fill(1));
            let mut bench = Self { node, now: START };
            bench.turn([Input::Network { usable: true }]);
            bench
        }

        fn turn(&mut self, inputs: impl IntoIterator<Item = Input>) -> Turn {
            self.node.turn(self.now, &mut |out: &mut [u8]| out.fill(2), inputs)
        }

        /// Lets time pass in steps that are no sleep of the machine, and returns what was written meanwhile.
        fn pass(&mut self, ms: u64) -> Vec<Op> {
            let mut ops = Vec::new();
            for left in (0..ms).step_by(10_000).map(|at| ms - at) {
                let step = left.min(10_000);
                self.now.mono_ms += step;
                self.now.wall_ms += i64::try_from(step).unwrap();
                ops.extend(self.turn([]).ops);
            }
            ops
        }

        /// Whether one more message is kept.
        fn keeps(&mut self) -> bool {
            let turn = self.turn([message("x")]);
            assert_eq!(turn.effects, [], "nothing is said, dialled or noticed");
            match turn.ops.as_slice() {
                [] => false,
                [Op::Legacy { .. }] => true,
                other => panic!("{other:?}"),
            }
        }

        fn take(&mut self, at_ms: i64) {
            let turn = self.turn([Input::LegacyTaken { request: 1, row: 1, at_ms }]);
            assert_eq!(turn.ops, [Op::LegacyTaken { row: 1 }]);
            assert_eq!(turn.effects, [Effect::Answer { request: 1, answer: Answer::Done }]);
        }

        fn status(&self) -> LegacyStatus {
            self.node.status(self.now.mono_ms).legacy
        }
    }

    fn row(at_ms: i64, taken: bool) -> LegacyRow {
        LegacyRow { at_ms, taken }
    }

    #[test]
    fn off_by_default_nothing_is_kept() {
        assert!(!LegacyPolicy::default().receive);
        let mut bench = Bench::new(vec![], |policy| policy.receive = false);
        assert!(!bench.keeps());
        assert_eq!(bench.status(), LegacyStatus::default());
    }

    #[test]
    fn the_operation_is_the_message_and_nothing_of_a_peer() {
        let mut bench = Bench::new(vec![], |_| {});
        let turn = bench.turn([message("hello")]);
        let Input::Legacy(message) = message("hello") else { unreachable!() };
        assert_eq!(turn.ops, [Op::Legacy { message, at_ms: START.wall_ms, keep: 500 }]);
        assert!(bench.node.contacts(bench.now).is_empty() && bench.node.requests().is_empty());
        let status = bench.node.status(bench.now.mono_ms);
        assert_eq!((status.contacts, status.queued, status.unread_bytes, status.notices.len()), (0, 0, 0, 0));
    }

    #[test]
    fn ten_within_any_minute() {
        let mut bench = Bench::new(vec![], |_| {});
        let mut kept = Vec::new();
        // One a second: the rate is over any minute, so the eleventh comes when the first is a minute old.
        for second in 0..200u64 {
            if bench.keeps() {
                kept.push(second);
            }
            bench.pass(1000);
        }
        let expected: Vec<u64> = (0..10).chain(60..70).chain(120..130).chain(180..190).collect();
        assert_eq!(kept, expected);
        assert_eq!(bench.status(), LegacyStatus { unread: 40, rate: 160, ..LegacyStatus::default() });
    }

    #[test]
    fn unread_ones_are_never_pushed_out_and_taken_ones_make_room() {
        let mut bench = Bench::new(vec![row(START.wall_ms - 2, true), row(START.wall_ms - 1, false)], |policy| {
            policy.kept = 3;
            policy.per_minute = 100;
        });
        assert!(bench.keeps(), "there is room");
        assert!(bench.keeps(), "the taken one goes");
        assert!(!bench.keeps(), "three are unread");
        assert_eq!(bench.status(), LegacyStatus { unread: 3, full: 1, ..LegacyStatus::default() });
        bench.take(START.wall_ms - 1);
        assert_eq!(bench.status().unread, 2);
        assert!(bench.keeps());
        assert!(!bench.keeps());
        // A message that came in the same millisecond as another is taken once.
        bench.take(START.wall_ms);
        bench.take(START.wall_ms);
        assert_eq!(bench.status().unread, 1);
    }

    #[test]
    fn a_store_that_takes_no_writes_gets_none() {
        let mut bench = Bench::new(vec![], |_| {});
        bench.turn([Input::Storage { writable: false }]);
        assert!(!bench.keeps());
        assert_eq!(bench.status(), LegacyStatus { storage: 1, ..LegacyStatus::default() });
        bench.turn([Input::Storage { writable: true }]);
        assert!(bench.keeps());
    }

    #[test]
    fn after_seven_days_all_are_forgotten() {
        let before = START.wall_ms - 3 * 24 * 3_600_000;
        let mut bench = Bench::new(vec![row(before, true), row(before, false)], |_| {});
        assert!(bench.keeps());
        let mut forgot = Vec::new();
        for day in 0..9 {
            for op in bench.pass(DAY_MS) {
                assert!(matches!(op, Op::LegacyForget { .. }), "{op:?}");
                forgot.push(day);
            }
        }
        assert_eq!(forgot, [4, 7], "in the fifth day the two that were three days old, in the eighth the other");
        assert_eq!(bench.status(), LegacyStatus { expired: 2, ..LegacyStatus::default() });
    }
}
