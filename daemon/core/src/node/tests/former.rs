//! A peer that was a contact once: it hears what every stranger hears, and is a contact again as if it had always been.

use super::*;
use torchat_protocol::message::{ContactRes, ContactState};

impl Bench {
    fn change(&mut self, change: ContactChange) -> Turn {
        let peer = self.peer;
        self.turn([Input::Contact { request: 2, peer, change }])
    }

    fn visit(&mut self, link: LinkId) -> Vec<Effect> {
        let mut heard = self.link(link, 0).effects;
        heard.extend(self.hello(link, None, None).effects);
        let st = ContactState::Accepted;
        heard.extend(self.turn([Input::Message { link, message: PeerMessage::ContactRes(ContactRes { st }) }]).effects);
        // Up to its end: when it comes, and how.
        heard.extend(self.pass(2 * MINUTE));
        heard
    }
}

fn skips(effects: &[Effect]) -> usize {
    count(effects, |effect| matches!(effect, Effect::Say { message: PeerMessage::Skip(_), .. }))
}

/// A bench whose contact got a message that it has not acknowledged, and is no contact any more.
fn left(change: ContactChange) -> Bench {
    let mut bench = Bench::new(|_, _| {});
    bench.send(None);
    let turn = bench.accepted(1);
    assert_eq!(count(&turn.effects, |effect| matches!(effect, Effect::Transmit { .. })), 1);
    let turn = bench.change(change);
    let said: Vec<_> = turn
        .effects
        .iter()
        .filter(|effect| matches!(effect, Effect::Say { .. } | Effect::Close { .. } | Effect::Transmit { .. }))
        .collect();
    assert_eq!(said, [&Effect::Close { link: 1, bye: Some(ByeReason::Idle) }]);
    assert_eq!(bench.pass(MINUTE), []);
    bench.turn([Input::LinkDown { link: 1, reason: String::new() }]);
    bench
}

#[test]
fn a_former_contact_hears_what_every_stranger_hears() {
    let expected = {
        let mut bench = Bench::new(|row, _| row.contact = false);
        bench.pass(MINUTE);
        bench.visit(2)
    };
    assert!(expected.contains(&Effect::Close { link: 2, bye: Some(ByeReason::Idle) }), "{expected:?}");
    for change in [ContactChange::Remove, ContactChange::Block] {
        let mut bench = left(change.clone());
        assert_eq!(bench.visit(2), expected, "{change:?}");
    }
}

#[test]
fn what_was_taken_back_is_told_when_it_is_a_contact_again() {
    for change in [ContactChange::Remove, ContactChange::Block] {
        let add = ContactChange::Add(Intro::default());
        // On the link that it has as a stranger.
        let mut bench = left(change.clone());
        bench.accepted(2);
        bench.change(ContactChange::Unblock);
        let turn = bench.change(add.clone());
        assert_eq!((said_hello(&turn).v, skips(&turn.effects)), (1, 1), "{change:?}");
        bench.send(None);
        // On a new one.
        let mut bench = left(change.clone());
        bench.change(ContactChange::Unblock);
        assert_eq!(skips(&bench.change(add).effects), 0);
        assert_eq!(skips(&bench.accepted(2).effects), 1, "{change:?}");
        let turn = bench.send(None);
        assert_eq!(count(&turn.effects, |effect| matches!(effect, Effect::Transmit { first: 2, count: 1, .. })), 1);
    }
}
