//! What counts as a sign of life, and who shows one.
use super::*;
use crate::effect::LinkEffect;
use crate::input::{Answer, ChatInput, LinkInput};
use crate::node::linked::LIFE;
use crate::op::ChatOp;
use torchat_protocol::message::ContactRes;
use torchat_protocol::message::ContactState;
use torchat_protocol::message::Nonce;

const LINK: u64 = 1;

/// A link over which a text of this many bytes is on its way to the peer, which names these features.
fn with_a_text_on_its_way(bytes: usize, features: &[&str]) -> Bench {
    let mut bench = Bench::new(|_, _| {});
    let send = Input::Chat(ChatInput::Send {
        request: 1,
        peer: bench.peer,
        text: "x".repeat(bytes),
        client: None,
        expire_ms: None,
    });
    let turn = bench.turn([send]);
    assert!(turn.effects.iter().any(|e| matches!(e, Effect::Answer { answer: Answer::Queued(_), .. })));
    bench.link(LINK, 1);
    let limits = Limits { msg: 65_536, inflight: 64, credit: 1 << 20 };
    let features = features.iter().map(|&feature| feature.to_owned()).collect();
    let hello = Hello { app: "torchatd".into(), v: 1, features, lanes: vec![], limits, run: None, met: None };
    let accepted = ContactRes { st: ContactState::Accepted };
    let turn = bench.turn([PeerMessage::Hello(hello), PeerMessage::ContactRes(accepted)].map(said));
    assert!(turn.effects.iter().any(|e| matches!(e, Effect::Link(LinkEffect::Transmit { .. }))), "{:?}", turn.effects);
    bench
}

fn said(message: PeerMessage) -> Input {
    Input::Link(LinkInput::Message { link: LinkId(LINK), message })
}

fn heard(unfinished: bool) -> Input {
    Input::Link(LinkInput::Heard { link: LinkId(LINK), unfinished })
}

fn closes(effects: &[Effect]) -> usize {
    count(effects, |e| matches!(e, Effect::Link(LinkEffect::Close { .. })))
}

fn pings(effects: &[Effect]) -> usize {
    count(effects, |e| matches!(e, Effect::Link(LinkEffect::Say { message: PeerMessage::Ping(_), .. })))
}

fn signs(effects: &[Effect]) -> usize {
    count(effects, |e| matches!(e, Effect::Link(LinkEffect::Say { message: PeerMessage::Pong(Nonce { n: 0 }), .. })))
}

#[test]
fn any_byte_is_a_sign_of_life() {
    let mut bench = with_a_text_on_its_way(10, &[LIFE]);
    // Bytes that are no message, for longer than any limit: not even a question.
    for _ in 0..60 {
        let effects = bench.pass(14 * SECOND);
        assert_eq!((pings(&effects), closes(&effects)), (0, 0));
        bench.turn([heard(false)]);
    }
    // And as the answer to one.
    assert_eq!(pings(&bench.pass(16 * SECOND)), 1);
    bench.pass(5 * SECOND);
    bench.turn([heard(false)]);
    assert_eq!(closes(&bench.pass(9 * SECOND)), 0);
}

#[test]
fn a_dead_peer_is_noticed_in_25_s_while_something_is_unacknowledged() {
    let mut bench = with_a_text_on_its_way(65_536, &[LIFE]);
    assert_eq!(closes(&bench.pass(25 * SECOND - 1)), 0);
    assert_eq!(closes(&bench.pass(1)), 1);
    // One that does not say that it shows life may be taking our text: at 1 kB/s that needs 65 s.
    let mut bench = with_a_text_on_its_way(65_536, &[]);
    assert_eq!(closes(&bench.pass(90 * SECOND)), 0);
    assert_eq!(closes(&bench.pass(SECOND)), 1);
    // A short text excuses nothing.
    let mut bench = with_a_text_on_its_way(100, &[]);
    assert_eq!(closes(&bench.pass(26 * SECOND)), 1);
}

#[test]
fn who_takes_something_long_shows_life_every_5_s() {
    let mut bench = Bench::new(|_, _| {});
    bench.link(LINK, 1);
    bench.hello(LINK, None, None);
    let mut effects = Vec::new();
    for _ in 0..70 {
        effects.extend(bench.pass(SECOND));
        effects.extend(bench.turn([heard(true)]).effects);
    }
    assert_eq!((signs(&effects), pings(&effects), closes(&effects)), (13, 0, 0));
    // A message became whole: the count starts anew. What is quick needs no sign.
    bench.turn([said(PeerMessage::Pong(Nonce { n: 7 }))]);
    for _ in 0..20 {
        let mut effects = bench.turn([heard(true)]).effects;
        effects.extend(bench.pass(4 * SECOND));
        effects.extend(bench.turn([heard(true), said(PeerMessage::Pong(Nonce { n: 7 }))]).effects);
        assert_eq!(signs(&effects), 0);
    }
    // Bytes of something short, or of frames that are skipped, are answered by nobody: else two ends would never be still.
    for _ in 0..70 {
        bench.pass(SECOND);
        assert_eq!(signs(&bench.turn([heard(false)]).effects), 0);
    }
}

#[test]
fn a_contact_that_must_not_see_us_is_not_left_in_the_middle_of_its_text() {
    let mut bench = Bench::new(|row, _| row.hidden = true);
    bench.link(LINK, 1);
    bench.hello(LINK, None, None);
    // For as long as the longest text needs at 1 kB/s, and not forever.
    let mut lasted = 0;
    while closes(&bench.pass(SECOND)) == 0 {
        bench.turn([heard(true)]);
        lasted += 1;
        assert!(lasted < 200);
    }
    assert!((75..=110).contains(&lasted), "{lasted}");
    let mut bench = Bench::new(|row, _| row.hidden = true);
    bench.link(LINK, 1);
    bench.hello(LINK, None, None);
    bench.turn([heard(true)]);
    assert_eq!(closes(&bench.pass(6 * SECOND)), 1, "5 s after the last byte");
}

#[test]
fn what_stands_behind_the_last_words_is_not_taken() {
    let request = ContactReq { nick: String::new(), text: "hello".into(), invite: None };
    for stranger in [false, true] {
        let mut bench = Bench::new(|row, _| row.contact = !stranger);
        bench.link(LINK, 1);
        bench.hello(LINK, None, None);
        let recv = torchat_protocol::message::Recv {
            lane: LaneId([5; 8]),
            seq: 1,
            prev: Chain::EMPTY,
            mid: MessageId([6; 16]),
            sent: 0,
            body: torchat_protocol::message::Body::Text { text: "late".into() },
        };
        let bye = PeerMessage::Bye(Bye { why: ByeReason::Shutdown });
        let turn = bench.turn([bye, PeerMessage::Recv(recv), PeerMessage::ContactReq(request.clone())].map(said));
        assert!(!turn.ops.iter().any(|op| matches!(op, Op::Chat(ChatOp::Receive { .. }))), "{:?}", turn.ops);
        bench.pass(SECOND);
        assert!(!bench.node.parts.contacts.has_request(&bench.peer));
        assert_eq!(count(&turn.effects, |e| matches!(e, Effect::Link(LinkEffect::Say { .. }))), 0);
        assert!(bench.turn([heard(true)]).effects.is_empty());
    }
}

#[test]
fn one_message_may_always_fly() {
    for (inflight, credit) in [(0, 1 << 20), (64, 0), (0, 0), (1, 1)] {
        let mut bench = Bench::new(|_, _| {});
        for request in 0..3 {
            let text = "x".repeat(1_000);
            bench.turn([Input::Chat(ChatInput::Send {
                request,
                peer: bench.peer,
                text,
                client: None,
                expire_ms: None,
            })]);
        }
        bench.link(LINK, 1);
        let limits = Limits { msg: 65_536, inflight, credit };
        let hello = Hello { app: "x".into(), v: 1, features: vec![], lanes: vec![], limits, run: None, met: None };
        let accepted = ContactRes { st: ContactState::Accepted };
        let mut turn = bench.turn([PeerMessage::Hello(hello), PeerMessage::ContactRes(accepted)].map(said));
        for seq in 1..=3 {
            let sent: Vec<_> = turn
                .effects
                .iter()
                .filter_map(|e| match e {
                    Effect::Link(LinkEffect::Transmit { count, lane, .. }) => Some((*count, *lane)),
                    _ => None,
                })
                .collect();
            assert!(matches!(sent.as_slice(), [(1, _)]), "{inflight} {credit}: {sent:?}");
            let out = bench.outbox();
            let state = LaneState { lane: sent[0].1, hwm: seq, chain: out.pending()[0].chain };
            turn = bench.turn([said(PeerMessage::Ack(state))]);
        }
    }
}
