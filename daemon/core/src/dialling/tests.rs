//! Dials as the node asks for them, told by the turn.

use super::*;
use crate::effect::{Effect, NetworkEffect};
use crate::input::DialFailure;
use crate::turn::Conditions;
use torchat_protocol::id::parse_onion;

pub(super) const NOW: Now = Now { wall_ms: 1_790_000_000_000, mono_ms: 1_000_000 };
pub(super) const USABLE: Conditions = Conditions { network_usable: true, writable: true, stopping: false };

pub(super) fn peer() -> PeerId {
    parse_onion("pg6mmjiyjmcrsslvykfwnntlaru7p5svn6y2ymmju6nubxndf4pscryd").expect("an onion")
}

/// The peer of these tests, for messages.
pub(super) fn target() -> Target {
    Target::chat(peer())
}

pub(super) fn about(ago: i64, waiting: bool) -> About {
    let at = Some(NOW.wall_ms - ago);
    About { linked: false, owes: true, waiting, seen_ms: at, added_ms: at }
}

/// Runs one turn's dials at a moment, and what is done before them.
pub(super) fn turn(
    dialling: &mut Dialling,
    now: Now,
    conditions: Conditions,
    before: impl FnOnce(&mut Dialling, &mut Context<'_>),
) -> crate::turn::Turn {
    let (policy, mut entropy) = (Policy::default(), |out: &mut [u8]| out.fill(1));
    let mut ctx = Context::new(now, &policy, conditions, &mut entropy);
    before(dialling, &mut ctx);
    dialling.dial_due(&mut ctx, |_| about(0, false));
    ctx.finish()
}

#[test]
fn a_peer_that_is_down_is_tried_by_its_last_circuits_once() {
    let mut dialling = Dialling::default();
    let mut now = NOW;
    // It was reached before in this process.
    turn(&mut dialling, now, USABLE, |dialling, ctx| dialling.spread(ctx, [target()].into()));
    dialling.reached(&target(), true);
    turn(&mut dialling, now, USABLE, |dialling, ctx| dialling.hurry(ctx, target(), about(0, false)));
    let mut last = Vec::new();
    for _ in 0..3 {
        loop {
            now = Now { wall_ms: now.wall_ms + 1_000, mono_ms: now.mono_ms + 1_000 };
            let effects = turn(&mut dialling, now, USABLE, |_, _| {}).effects;
            if let [Effect::Network(NetworkEffect::Dial { last_circuits, .. })] = effects.as_slice() {
                last.push(*last_circuits);
                break;
            }
        }
        let ops = turn(&mut dialling, now, USABLE, |dialling, ctx| {
            dialling.failed(ctx, target(), DialFailure::PeerDown.into(), about(0, false));
        })
        .ops;
        assert!(matches!(ops.as_slice(), [Op::Contacts(ContactOp::Retry { .. })]), "the pause is stored");
    }
    assert_eq!(last, [false, true, false]);
}

#[test]
fn a_wish_for_an_answer_outlives_the_link_and_one_for_presence_does_not() {
    let mut dialling = Dialling::default();
    dialling.wish_presence(target(), true);
    dialling.reached(&target(), false);
    assert_eq!(dialling.wished().count(), 0);
    dialling.ask(target());
    dialling.wish_presence(target(), false);
    dialling.reached(&target(), false);
    assert!(dialling.is_asking(&target()));
    dialling.answered(&target());
    assert_eq!(dialling.wished().count(), 0);
}

#[test]
fn a_peer_that_does_not_want_us_is_left_alone_whoever_hurries() {
    let mut dialling = Dialling::default();
    let policy = DialPolicy::default();
    dialling.unwanted(NOW, &policy, target());
    let hurry = |dialling: &mut Dialling, ctx: &mut Context<'_>| dialling.hurry(ctx, target(), about(0, false));
    turn(&mut dialling, NOW, USABLE, hurry);
    assert!(dialling.due_at(&target()) >= Some(NOW.mono_ms + policy.unwanted_ms));
    turn(&mut dialling, NOW, USABLE, |dialling, ctx| dialling.lost(ctx, target(), true, about(0, false)));
    assert_eq!(dialling.attempts(&target()), 1, "as good as down");
    assert!(dialling.due_at(&target()) >= Some(NOW.mono_ms + policy.unwanted_ms));
    dialling.reached(&target(), false);
    turn(&mut dialling, NOW, USABLE, hurry);
    assert!(dialling.due_at(&target()) < Some(NOW.mono_ms + 1_000));
}
