//! Messages of old daemons, through the node: nothing else of it is touched by them.

use super::*;
use crate::input::{LegacyInput, NetworkInput};
use crate::op::LegacyOp;
use crate::policy::LegacyPolicy;
use crate::snapshot::{LegacyNum, LegacyRow};
use crate::view::LegacyStatus;
use torchat_protocol::legacy::{Claim, OldMessage};

const START: Now = Now { wall_ms: 1_790_000_000_000, mono_ms: 1_000_000 };
const DAY_MS: u64 = 24 * 3_600_000;

struct Old {
    node: Node,
    now: Now,
}

fn message(text: &str) -> Input {
    Input::Legacy(LegacyInput::Came(OldMessage { claim: Claim::new("a.onion".into()).unwrap(), text: text.into() }))
}

impl Old {
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
        bench.turn([Input::Network(NetworkInput::State { usable: true })]);
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
            [Op::Legacy(LegacyOp::Keep { .. })] => true,
            other => panic!("{other:?}"),
        }
    }

    fn take(&mut self, at_ms: i64) {
        let turn = self.turn([Input::Legacy(LegacyInput::Taken { request: 1, row: LegacyNum(1), at_ms })]);
        assert_eq!(turn.ops, [Op::Legacy(LegacyOp::Taken { row: LegacyNum(1) })]);
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
    let mut bench = Old::new(vec![], |policy| policy.receive = false);
    assert!(!bench.keeps());
    assert_eq!(bench.status(), LegacyStatus::default());
}

#[test]
fn the_operation_is_the_message_and_nothing_of_a_peer() {
    let mut bench = Old::new(vec![], |_| {});
    let turn = bench.turn([message("hello")]);
    let Input::Legacy(LegacyInput::Came(message)) = message("hello") else { unreachable!() };
    assert_eq!(turn.ops, [Op::Legacy(LegacyOp::Keep { message, at_ms: START.wall_ms, keep: 500 })]);
    assert!(bench.node.contacts(bench.now).is_empty() && bench.node.requests().is_empty());
    let status = bench.node.status(bench.now.mono_ms);
    assert_eq!((status.contacts, status.queue.messages, status.unread_bytes, status.notices.len()), (0, 0, 0, 0));
}

#[test]
fn ten_within_any_minute() {
    let mut bench = Old::new(vec![], |_| {});
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
    let mut bench = Old::new(vec![row(START.wall_ms - 2, true), row(START.wall_ms - 1, false)], |policy| {
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
    let mut bench = Old::new(vec![], |_| {});
    bench.turn([Input::Storage { writable: false }]);
    assert!(!bench.keeps());
    assert_eq!(bench.status(), LegacyStatus { storage: 1, ..LegacyStatus::default() });
    bench.turn([Input::Storage { writable: true }]);
    assert!(bench.keeps());
}

#[test]
fn after_seven_days_all_are_forgotten() {
    let before = START.wall_ms - 3 * 24 * 3_600_000;
    let mut bench = Old::new(vec![row(before, true), row(before, false)], |_| {});
    assert!(bench.keeps());
    let mut forgot = Vec::new();
    for day in 0..9 {
        for op in bench.pass(DAY_MS) {
            assert!(matches!(op, Op::Legacy(LegacyOp::Forget { .. })), "{op:?}");
            forgot.push(day);
        }
    }
    assert_eq!(forgot, [4, 7], "in the fifth day the two that were three days old, in the eighth the other");
    assert_eq!(bench.status(), LegacyStatus { expired: 2, ..LegacyStatus::default() });
}
