//! What the user sets for one conversation.

use super::*;
use crate::input::ContactInput;
use crate::op::{ContactOp, LogOp, Op};
use crate::piece::{Piece, Retained};

const DAY: i64 = 24 * 3_600_000;

fn change(bench: &mut Bench, change: ContactChange) -> Turn {
    let peer = bench.peer;
    bench.turn([Input::Contacts(ContactInput::Change { request: 1, peer, change })])
}

fn verified(bench: &Bench) -> Option<i64> {
    bench.node.contact(&bench.peer, bench.now).verified_ms
}

fn refused(turn: &Turn) -> bool {
    turn.effects.iter().any(|effect| matches!(effect, Effect::Answer { answer: Answer::Refused(_), .. }))
}

#[test]
fn a_mark_of_a_compared_key_lasts_until_the_contact_is_removed_or_blocked() {
    for end in [ContactChange::Verify { verified: false }, ContactChange::Remove, ContactChange::Block] {
        let mut bench = Bench::new(|_, _| {});
        let turn = change(&mut bench, ContactChange::Verify { verified: true });
        let (peer, at_ms) = (bench.peer, Some(bench.now.wall_ms));
        assert!(turn.ops.contains(&Op::Contacts(ContactOp::Verified { peer, at_ms })), "{:?}", turn.ops);
        assert!(
            turn.ops.iter().any(|op| matches!(op, Op::Log(LogOp::Changed { contact }) if contact.verified_ms == at_ms))
        );
        bench.pass(MINUTE);
        assert_eq!(change(&mut bench, ContactChange::Verify { verified: true }).ops, [], "the first mark counts");
        change(&mut bench, ContactChange::Rename(Some("Bob".into())));
        assert_eq!(verified(&bench), at_ms);
        change(&mut bench, end);
        assert_eq!(verified(&bench), None);
        if !bench.node.contact(&peer, bench.now).contact {
            assert!(
                refused(&change(&mut bench, ContactChange::Verify { verified: true })),
                "only a contact is verified"
            );
        }
        change(&mut bench, ContactChange::Unblock);
        change(&mut bench, ContactChange::Add(Intro::default()));
        assert_eq!(verified(&bench), None, "a contact that is added again is compared again");
    }
}

#[test]
fn messages_are_kept_to_their_age_only_by_a_clock_that_is_believed() {
    let mut bench = Bench::new(|_, _| {});
    let peer = bench.peer;
    let turn = change(&mut bench, ContactChange::Retain(Some(30)));
    assert!(turn.ops.contains(&Op::Contacts(ContactOp::Retain { peer, days: Some(30) })));
    assert_eq!(bench.node.retained(bench.now), [], "the daemon has only just started");
    bench.pass(11 * MINUTE);
    assert_eq!(
        bench.node.retained(bench.now),
        [Retained { peer, before_ms: bench.now.wall_ms - 30 * DAY, unread: false }]
    );
    // A clock that leaps a year is believed by nobody, and when it is, what was noted before counts from the leap on.
    bench.now.wall_ms += 365 * DAY;
    bench.turn([]);
    assert_eq!(bench.node.retained(bench.now), []);
    bench.pass(11 * MINUTE);
    assert_eq!(bench.node.retained(bench.now), []);
    change(&mut bench, ContactChange::Retain(None));
    assert_eq!(bench.node.contact(&peer, bench.now).retain_days, None);
}

#[test]
fn a_store_that_takes_no_mail_does_not_keep_what_is_too_old() {
    let mut bench = Bench::new(|_, _| {});
    change(&mut bench, ContactChange::Retain(Some(1)));
    bench.pass(11 * MINUTE);
    bench.turn([Input::Storage { writable: false }]);
    assert_eq!(bench.node.retained(bench.now).len(), 1);
    bench.turn([Input::Stop]);
    assert_eq!(bench.node.retained(bench.now), []);
}

#[test]
fn the_age_of_a_conversation_outlives_its_contact() {
    let mut bench = Bench::new(|_, _| {});
    change(&mut bench, ContactChange::Retain(Some(1)));
    change(&mut bench, ContactChange::Remove);
    bench.pass(11 * MINUTE);
    assert_eq!(bench.node.retained(bench.now).len(), 1);
}

#[test]
fn a_piece_is_erased_by_the_store_and_changes_nothing_else() {
    let mut bench = Bench::new(|_, _| {});
    let (peer, piece) = (bench.peer, Piece { after: 0, upto: 9, before_ms: None, unread: true, limit: 256 });
    let turn = bench.turn([Input::Chat(ChatInput::Erase { request: 1, peer, piece })]);
    assert_eq!(turn.ops, [Op::Chat(ChatOp::Erase { peer, piece })]);
    assert!(matches!(turn.effects[..], [Effect::Answer { request: 1, answer: Answer::Done }]));
}
