//! A peer that was a contact once: it hears what every stranger hears, and is a contact again as if it had always been.

use super::*;
use crate::effect::LinkEffect;
use crate::input::{ContactInput, LinkInput};
use torchat_protocol::message::{ContactRes, ContactState};

impl Bench {
    fn change(&mut self, change: ContactChange) -> Turn {
        let peer = self.peer;
        self.turn([Input::Contacts(ContactInput::Change { request: 2, peer, change })])
    }

    /// What it hears up to its end: when that comes, and how; and what is written, by word or in the turns after it.
    fn visit(&mut self, link: u64) -> (Vec<Effect>, Vec<Op>) {
        let mut turns = vec![self.link(link, 0), self.hello(link, Some(3), Some(4))];
        for n in 0..100u64 {
            for st in [ContactState::Accepted, ContactState::Pending] {
                turns.push(self.turn([Input::Link(LinkInput::Message {
                    link: LinkId(link),
                    message: PeerMessage::ContactRes(ContactRes { st }),
                })]));
            }
            let lane = LaneId([5; 8]);
            let mid = MessageId([n as u8; 16]);
            let body = torchat_protocol::message::Body::Text { text: String::new() };
            let recv = torchat_protocol::message::Recv { lane, seq: n + 1, prev: Chain::EMPTY, mid, sent: 0, body };
            let skip = Skip { lane, to: n + 1, chain: Chain([n as u8; 16]), why: SkipReason::Lost };
            let state = LaneState { lane, hwm: n, chain: Chain([n as u8; 16]) };
            for message in [PeerMessage::Recv(recv), PeerMessage::Skip(skip), PeerMessage::Ack(state)] {
                turns.push(self.turn([Input::Link(LinkInput::Message { link: LinkId(link), message })]));
            }
        }
        // Ends as it would without all these words.
        let mut ops: Vec<_> = turns.iter().flat_map(|turn| turn.ops.clone()).collect();
        let mut heard: Vec<_> = turns.into_iter().flat_map(|turn| turn.effects).collect();
        let end = self.now.mono_ms + 2 * MINUTE;
        while self.now.mono_ms < end {
            self.now.mono_ms += SECOND;
            self.now.wall_ms += 1_000;
            let turn = self.turn([]);
            ops.extend(turn.ops);
            heard.extend(turn.effects);
        }
        (heard, ops)
    }
}

fn skips(effects: &[Effect]) -> usize {
    count(effects, |effect| matches!(effect, Effect::Link(LinkEffect::Say { message: PeerMessage::Skip(_), .. })))
}

/// A bench whose contact got a message that it has not acknowledged, and is no contact any more.
fn left(change: ContactChange) -> Bench {
    let mut bench = Bench::new(|_, _| {});
    bench.send(None);
    let turn = bench.accepted(1);
    assert_eq!(count(&turn.effects, |effect| matches!(effect, Effect::Link(LinkEffect::Transmit { .. }))), 1);
    let turn = bench.change(change);
    let said: Vec<_> = turn
        .effects
        .iter()
        .filter(|effect| {
            matches!(
                effect,
                Effect::Link(LinkEffect::Say { .. })
                    | Effect::Link(LinkEffect::Close { .. })
                    | Effect::Link(LinkEffect::Transmit { .. })
            )
        })
        .collect();
    assert_eq!(said, [&Effect::Link(LinkEffect::Close { link: LinkId(1), bye: Some(ByeReason::Idle) })]);
    assert_eq!(bench.pass(MINUTE), []);
    bench.turn([gone(1)]);
    bench
}

#[test]
fn a_former_contact_hears_what_every_stranger_hears_and_writes_nothing() {
    let expected = {
        let mut bench = Bench::new(|row, _| row.contact = false);
        bench.pass(MINUTE);
        bench.visit(2)
    };
    assert!(
        expected.0.contains(&Effect::Link(LinkEffect::Close { link: LinkId(2), bye: Some(ByeReason::Idle) })),
        "{expected:?}"
    );
    assert_eq!(expected.1, [], "a stranger's words are not written down");
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
        assert_eq!(
            count(&turn.effects, |effect| matches!(
                effect,
                Effect::Link(LinkEffect::Transmit { first: 2, count: 1, .. })
            )),
            1
        );
    }
}
