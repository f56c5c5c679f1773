//! What the event log is told, and messages with an end of their own.

use super::*;
use crate::effect::{ChatEffect, LinkEffect};
use crate::input::{ChatInput, ContactInput, DialEnd, LinkInput, NetworkInput, NoLink};
use crate::op::{ChatOp, LogOp};
use crate::view::Obstacle;
use torchat_protocol::message::{ContactRes, ContactState, SkipReason};
use torchat_protocol::purpose::Purpose;

impl Bench {
    pub(super) fn send(&mut self, expire_ms: Option<i64>) -> Turn {
        let (peer, text) = (self.peer, "text".to_owned());
        self.turn([Input::Chat(ChatInput::Send { request: 1, peer, text, client: None, expire_ms })])
    }

    pub(super) fn accepted(&mut self, link: u64) -> Turn {
        self.link(link, 0);
        self.hello(link, None, None);
        let st = ContactState::Accepted;
        self.turn([Input::Link(LinkInput::Message {
            link: LinkId(link),
            message: PeerMessage::ContactRes(ContactRes { st }),
        })])
    }

    /// The next turns, as long as one is due at once.
    fn at_once(&mut self) -> Vec<Op> {
        let mut ops = Vec::new();
        while self.node.next_deadline() == Some(self.now.mono_ms) {
            ops.extend(self.turn([]).ops);
        }
        ops
    }
}

fn sent(ops: &[Op]) -> Vec<(u64, u64)> {
    ops.iter()
        .filter_map(
            |op| if let Op::Chat(ChatOp::Sent { first, count, .. }) = op { Some((*first, *count)) } else { None },
        )
        .collect()
}

fn links(ops: &[Op]) -> Vec<bool> {
    ops.iter().filter_map(|op| if let Op::Log(LogOp::Link { up, .. }) = op { Some(*up) } else { None }).collect()
}

fn expired(effects: &[Effect]) -> usize {
    let taken = effects.iter().filter_map(|effect| match effect {
        Effect::Chat(ChatEffect::TakenBack { mids, why: SkipReason::Expired, .. }) => Some(mids.len()),
        _ => None,
    });
    taken.sum()
}

#[test]
fn a_message_is_told_sent_once_in_a_run_and_with_the_commit_that_stores_it() {
    let mut bench = Bench::new(|_, _| {});
    assert!(sent(&bench.send(None).ops).is_empty());
    bench.send(None);
    assert_eq!(sent(&bench.accepted(1).ops), [(1, 2)]);
    let turn = bench.send(None);
    assert_eq!(sent(&turn.ops), [(3, 1)]);
    assert!(matches!(turn.ops[0], Op::Chat(ChatOp::Queue { .. })), "one commit: {:?}", turn.ops);
    bench.turn([gone(1)]);
    assert!(sent(&bench.accepted(2).ops).is_empty(), "sent again is not told again");
    assert_eq!(sent(&bench.send(None).ops), [(4, 1)]);
}

#[test]
fn why_there_is_no_link_is_what_happened_last() {
    let mut bench = Bench::new(|_, _| {});
    bench.send(None);
    let why = |bench: &Bench| match bench.node.obstacle(&bench.peer) {
        Some(Obstacle::NoConnection { why, .. }) => why,
        other => panic!("{other:?}"),
    };
    assert_eq!(why(&bench), None, "nothing was tried");
    let failed = DialEnd { failure: DialFailure::PeerDown, detail: Some("its words".into()) };
    bench.turn([Input::Network(NetworkInput::DialFailed {
        peer: bench.peer,
        purpose: Purpose::CHAT,
        end: failed.clone(),
    })]);
    assert_eq!(why(&bench), Some(NoLink::Dial(failed)));
    bench.link(1, 0);
    bench.turn([gone(1)]);
    assert_eq!(why(&bench), Some(NoLink::Link(EndedBy::Us.into())));
}

#[test]
fn nothing_goes_out_on_a_link_that_is_being_closed() {
    let mut bench = Bench::new(|_, _| {});
    bench.accepted(1);
    let bye = PeerMessage::Bye(Bye { why: ByeReason::Idle });
    bench.turn([Input::Link(LinkInput::Message { link: LinkId(1), message: bye })]);
    let goes_out = |turn: &Turn| {
        turn.effects.iter().any(|effect| matches!(effect, Effect::Link(LinkEffect::Transmit { link: LinkId(1), .. })))
    };
    assert!(!goes_out(&bench.send(None)));
    bench.accepted(2);
    let on_the_other = bench.send(None);
    assert!(!goes_out(&on_the_other), "{:?}", on_the_other.effects);
}

#[test]
fn a_link_is_told_once_and_never_holds_up_its_first_words() {
    let mut bench = Bench::new(|_, _| {});
    let up = bench.link(1, 0);
    assert!(links(&up.ops).is_empty() && !up.effects.is_empty());
    assert_eq!(links(&bench.at_once()), [true]);
    bench.link(2, 0);
    assert!(links(&bench.at_once()).is_empty(), "the second replaces the first");
    bench.turn([gone(1)]);
    assert!(links(&bench.at_once()).is_empty());
    let down = bench.turn([gone(2)]);
    assert_eq!(links(&down.ops), [false]);
    // What the last process left as up is down.
    let mut bench = Bench::new(|row, _| row.linked = true);
    assert!(!bench.node.parts.presence.is_any_shown_up(), "the first turn has said so");
    // What the store did not take is told when it takes writes again.
    bench.link(1, 0);
    bench.turn([Input::Storage { writable: false }]);
    assert!(links(&bench.at_once()).is_empty());
    bench.turn([gone(1)]);
    bench.turn([Input::Storage { writable: true }]);
    bench.link(3, 0);
    assert_eq!(links(&bench.at_once()), [true]);
    let stop = bench.turn([Input::Stop]);
    assert_eq!(links(&stop.ops), [false], "the last turn says so itself");
}

#[test]
fn several_changes_of_a_peer_are_one_event() {
    let mut bench = Bench::new(|row, _| row.contact = false);
    let peer = bench.peer;
    let turn = bench.turn([
        text_for(1, peer, "x"),
        Input::Contacts(ContactInput::Change { request: 2, peer, change: ContactChange::Rename(Some("a".into())) }),
        Input::Contacts(ContactInput::Change { request: 3, peer, change: ContactChange::Rename(Some("b".into())) }),
    ]);
    let told: Vec<_> = turn
        .ops
        .iter()
        .filter_map(|op| if let Op::Log(LogOp::Changed { contact }) = op { Some(contact) } else { None })
        .collect();
    assert_eq!(told.len(), 1, "{:?}", turn.ops);
    assert_eq!((told[0].petname.as_deref(), told[0].contact, told[0].queued), (Some("b"), true, 1));
}

#[test]
fn a_message_ends_by_a_clock_that_nobody_sets() {
    let mut bench = Bench::new(|_, policy| policy.expiry_ms = 2 * 3_600_000);
    bench.send(Some(90_000));
    bench.send(None);
    // The computer's clock is set ahead by a day: nothing ends.
    bench.now.wall_ms += 24 * 3_600_000;
    assert_eq!(expired(&bench.pass(80 * SECOND)), 0);
    bench.now.wall_ms -= 24 * 3_600_000;
    assert_eq!(expired(&bench.pass(11 * SECOND)), 1);
    // A longer one than the policy allows is cut.
    let turn = bench.send(Some(i64::MAX));
    let until =
        turn.ops.iter().find_map(|op| if let Op::Chat(ChatOp::Queue { until_ms, .. }) = op { *until_ms } else { None });
    assert_eq!(until, Some(bench.now.wall_ms + 2 * 3_600_000));
    assert_eq!(expired(&bench.pass(3 * HOUR)), 2);
    assert!(bench.node.parts.chat.sending.ends() == 0);
    // What was delivered leaves nothing behind.
    bench.accepted(1);
    bench.send(Some(90_000));
    assert_eq!(bench.node.parts.chat.sending.ends(), 1);
    let out = bench.outbox().clone();
    let hwm = out.acked() + out.pending().len() as u64;
    let chain = out.pending().back().unwrap().chain;
    let ack = PeerMessage::Ack(LaneState { lane: out.lane(), hwm, chain });
    bench.turn([Input::Link(LinkInput::Message { link: LinkId(1), message: ack })]);
    assert!(bench.node.parts.chat.sending.ends() == 0);
}

#[test]
fn a_message_of_an_earlier_run_ends_by_the_wall_clock_once_it_is_believed() {
    let pending = |until_ms| crate::snapshot::Pending {
        mid: MessageId([1; 16]),
        chain: torchat_protocol::id::Chain([2; 16]),
        bytes: 3,
        at_ms: START.wall_ms,
        gone: None,
        until_ms,
        end_mono_ms: None,
    };
    let bench = |until_ms| {
        Bench::new(|row, _| {
            row.out = Some(crate::snapshot::OutSnapshot {
                lane: LaneId([1; 8]),
                acked: 0,
                acked_chain: torchat_protocol::id::Chain::EMPTY,
                pending: vec![pending(until_ms)],
            });
        })
    };
    let mut soon = bench(Some(START.wall_ms + 60_000));
    assert_eq!(expired(&soon.pass_with(9 * MINUTE, DialFailure::PeerDown)), 0, "the clock was just read");
    assert_eq!(expired(&soon.pass_with(2 * MINUTE, DialFailure::PeerDown)), 1);
    let mut later = bench(Some(START.wall_ms + 30 * 60_000));
    assert_eq!(expired(&later.pass_with(29 * MINUTE, DialFailure::PeerDown)), 0);
    assert_eq!(expired(&later.pass_with(2 * MINUTE, DialFailure::PeerDown)), 1);
}

#[test]
fn room_is_made_when_the_store_says_what_was_read() {
    let mut bench = Bench::new(|row, policy| {
        policy.unread_bytes_per_peer = 10;
        row.unread_bytes = 10;
    });
    bench.accepted(1);
    bench.at_once();
    let recv = torchat_protocol::message::Recv {
        lane: LaneId([5; 8]),
        seq: 1,
        prev: torchat_protocol::id::Chain::EMPTY,
        mid: MessageId([6; 16]),
        sent: 0,
        body: torchat_protocol::message::Body::Text { text: "more".into() },
    };
    let turn = bench.turn([Input::Link(LinkInput::Message { link: LinkId(1), message: PeerMessage::Recv(recv) })]);
    assert!(turn.ops.is_empty(), "{:?}", turn.ops);
    let peer = bench.peer;
    bench.node.freed(&peer, 4);
    assert_ne!(bench.node.next_deadline(), Some(bench.now.mono_ms), "not half of it");
    bench.node.freed(&peer, 4);
    assert_eq!(bench.node.next_deadline(), Some(bench.now.mono_ms));
    let said = bench.turn([]).effects;
    assert!(
        said.iter().any(|e| matches!(e, Effect::Link(LinkEffect::Say { message: PeerMessage::Hello(_), .. }))),
        "{said:?}"
    );
}
