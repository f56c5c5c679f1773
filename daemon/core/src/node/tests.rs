//! Decisions of the node, told step by step without a network.
#![allow(clippy::unwrap_used)]

mod accounts;
mod anything;
mod claims;
mod clock;
mod former;
mod invited;
mod legacy;
mod life;
mod limits;
mod many;
mod rooms;
mod settings;
mod told;
mod wanted;

use super::*;
use crate::chat::outbox::Outbox;
use crate::effect::{ChatEffect, Effect, LinkEffect, NetworkEffect, Notice};
use crate::input::{
    Answer, ChatInput, ContactChange, ContactInput, DialFailure, EndedBy, LinkId, LinkInput, NetworkInput, PeerDid,
};
use crate::op::{ChatOp, ContactOp, Op};
use crate::policy::{RepairPolicy, Strangers};
use crate::snapshot::{Intro, PeerSnapshot};
use crate::view::{Counters, Trouble};
use std::collections::BTreeMap;
use torchat_protocol::id::{Chain, LaneId, MessageId, parse_onion};
use torchat_protocol::message::{Bye, ByeReason, ContactReq, Hello, LaneState, Limits, PeerMessage, Skip, SkipReason};

const START: Now = Now { wall_ms: 1_790_000_000_000, mono_ms: 1_000_000 };
const SECOND: u64 = 1_000;
const MINUTE: u64 = 60_000;
const HOUR: u64 = 60 * MINUTE;

/// A node with one contact, and its clock.
struct Bench {
    node: Node,
    now: Now,
    peer: PeerId,
    dice: u8,
}

/// A client sends a text, without a key and without an end of its own.
fn text_for(request: crate::input::RequestId, peer: PeerId, text: &str) -> Input {
    Input::Chat(ChatInput::Send { request, peer, text: text.to_owned(), client: None, expire_ms: None })
}

/// A peer's link came up. The peer dialled.
fn came(link: u64, peer: PeerId, epoch: u32) -> Input {
    Input::Link(LinkInput::Up { link: LinkId(link), peer, outgoing: false, binding: [0; 32], epoch })
}

/// A link is gone.
fn gone(link: u64) -> Input {
    Input::Link(LinkInput::Down { link: LinkId(link), end: EndedBy::Us.into() })
}

impl Bench {
    fn new(change: impl FnOnce(&mut PeerSnapshot, &mut Policy)) -> Self {
        let peer = parse_onion("pg6mmjiyjmcrsslvykfwnntlaru7p5svn6y2ymmju6nubxndf4pscryd").unwrap();
        let own = PeerId::from_key(curve25519_dalek::constants::ED25519_BASEPOINT_COMPRESSED.0).unwrap();
        let mut row = PeerSnapshot {
            contact: true,
            added_ms: Some(START.wall_ms),
            seen_ms: Some(START.wall_ms),
            ..PeerSnapshot::new(peer)
        };
        let mut policy = Policy::default();
        change(&mut row, &mut policy);
        let snapshot = Snapshot { peers: vec![row], invites: vec![], runs: vec![RunId([7; 8])], ..Snapshot::default() };
        let node = Node::new(own, policy, snapshot, START, &mut |out: &mut [u8]| out.fill(1));
        let mut bench = Self { node, now: START, peer, dice: 1 };
        bench.turn([Input::Network(NetworkInput::State { usable: true })]);
        bench
    }

    fn turn(&mut self, inputs: impl IntoIterator<Item = Input>) -> Turn {
        self.dice = self.dice.wrapping_add(1);
        let dice = self.dice;
        let turn = self.node.turn(self.now, &mut |out: &mut [u8]| out.fill(dice), inputs);
        assert!(self.node.parts.contacts.is_counted_right());
        if let Some(out) = self.node.parts.chat.sending.outbox(&self.peer) {
            assert_eq!(out.owed_count(), out.owed().count());
        }
        turn
    }

    /// Lets time pass as the engine does, with a turn at every deadline, and returns what was wanted meanwhile.
    fn pass(&mut self, ms: u64) -> Vec<Effect> {
        let end = self.now.mono_ms + ms;
        let mut effects = Vec::new();
        while self.now.mono_ms < end {
            let next = self.node.next_deadline().unwrap_or(end).clamp(self.now.mono_ms + 1, end);
            let step = next - self.now.mono_ms;
            self.now.mono_ms += step;
            self.now.wall_ms += i64::try_from(step).unwrap();
            effects.extend(self.turn([]).effects);
        }
        effects
    }

    /// As [`Bench::pass`], and every dial, of peers and of ourselves, ends so.
    fn pass_with(&mut self, ms: u64, failure: DialFailure) -> Vec<Effect> {
        let end = self.now.mono_ms + ms;
        let mut effects = Vec::new();
        while self.now.mono_ms < end {
            let mut wanted = self.pass(SECOND);
            while !wanted.is_empty() {
                let ended = wanted.iter().filter_map(|effect| match effect {
                    Effect::Network(NetworkEffect::Dial { peer, purpose, .. }) => {
                        let (peer, purpose, end) = (*peer, *purpose, failure.into());
                        Some(Input::Network(NetworkInput::DialFailed { peer, purpose, end }))
                    }
                    Effect::Network(NetworkEffect::SelfCheck) => {
                        Some(Input::Network(NetworkInput::SelfChecked { failure: Some(failure.into()) }))
                    }
                    _ => None,
                });
                let ended: Vec<_> = ended.collect();
                effects.append(&mut wanted);
                if !ended.is_empty() {
                    wanted = self.turn(ended).effects;
                }
            }
        }
        effects
    }

    fn outbox(&self) -> &Outbox {
        self.node.parts.chat.sending.outbox(&self.peer).unwrap()
    }

    /// Of how many peers anything is remembered.
    fn remembered(&self) -> usize {
        let parts = &self.node.parts;
        let sizes = [parts.contacts.len(), parts.presence.len(), parts.dialling.len(), parts.chat.receiving.len()];
        sizes.into_iter().max().unwrap()
    }

    fn link(&mut self, link: u64, epoch: u32) -> Turn {
        self.turn([came(link, self.peer, epoch)])
    }

    fn hello(&mut self, link: u64, run: Option<u8>, met: Option<u8>) -> Turn {
        let limits = Limits { msg: 65_536, inflight: 64, credit: 1 << 20 };
        let [run, met] = [run, met].map(|n| n.map(|n| RunId([n; 8])));
        let hello = Hello { app: "torchatd".into(), v: 1, features: vec![], lanes: vec![], limits, run, met };
        self.turn([Input::Link(LinkInput::Message { link: LinkId(link), message: PeerMessage::Hello(hello) })])
    }
}

fn notices(turn: &Turn) -> Vec<Notice> {
    turn.effects.iter().filter_map(|e| if let Effect::Notice(n) = e { Some(*n) } else { None }).collect()
}

fn count(effects: &[Effect], wanted: impl Fn(&Effect) -> bool) -> usize {
    effects.iter().filter(|e| wanted(e)).count()
}

fn said_hello(turn: &Turn) -> Hello {
    let found = turn.effects.iter().find_map(|e| match e {
        Effect::Link(LinkEffect::Say { message: PeerMessage::Hello(hello), .. }) => Some(hello.clone()),
        _ => None,
    });
    found.expect("a HELLO")
}

#[test]
fn a_run_is_written_down_before_a_peer_hears_of_it() {
    let mut bench = Bench::new(|_, _| {});
    let known = bench.node.parts.presence.runs().clone();
    let hello = said_hello(&bench.link(1, 1));
    assert!(known.contains(&hello.run.unwrap()) && known.contains(&RunId([7; 8])));
    assert_eq!(hello.met, None, "nothing was met yet");
    bench.hello(1, Some(3), None);
    bench.turn([gone(1)]);
    assert_eq!(said_hello(&bench.link(2, 1)).met, Some(RunId([3; 8])));
}

#[test]
fn a_new_run_is_told_of_the_one_before_until_it_has_heard() {
    let mut bench = Bench::new(|row, _| row.met = Some(RunId([3; 8])));
    bench.link(1, 1);
    let asked = |turn: &Turn| {
        turn.effects.iter().find_map(|effect| match effect {
            Effect::Link(LinkEffect::Say { message: PeerMessage::Ping(nonce), .. }) => Some(*nonce),
            _ => None,
        })
    };
    assert!(asked(&bench.hello(1, Some(4), None)).is_some());
    // The link goes before the answer: perhaps the HELLO was lost with it.
    bench.turn([gone(1)]);
    assert_eq!(said_hello(&bench.link(2, 1)).met, Some(RunId([3; 8])));
    let nonce = asked(&bench.hello(2, Some(4), None)).unwrap();
    let heard = bench.turn([Input::Link(LinkInput::Message { link: LinkId(2), message: PeerMessage::Pong(nonce) })]);
    let met = |op: &&Op| matches!(op, Op::Contacts(ContactOp::Met { run: Some(run), .. }) if *run == RunId([4; 8]));
    assert_eq!(heard.ops.iter().filter(met).count(), 1);
    bench.turn([gone(2)]);
    assert_eq!(said_hello(&bench.link(3, 1)).met, Some(RunId([4; 8])));
    assert_eq!(asked(&bench.hello(3, Some(4), None)), None, "nothing new");
}

#[test]
fn a_run_that_the_store_took_not_is_not_spoken_of() {
    let mut bench = Bench::new(|_, _| {});
    bench.node.parts.presence.forget_run();
    bench.node.conditions.writable = false;
    assert_eq!(said_hello(&bench.link(1, 1)).run, None);
}

#[test]
fn a_stranger_learns_neither_runs_nor_lanes() {
    // A peer of which we know all that there is to tell: a contact of before.
    let lane = LaneState { lane: LaneId([5; 8]), hwm: 3, chain: Chain([6; 16]) };
    let told = |contact: bool, blocked: bool| {
        let mut bench = Bench::new(|row, _| {
            (row.contact, row.blocked) = (contact, blocked);
            (row.met, row.lanes) = (Some(RunId([3; 8])), vec![lane]);
            row.nick = Some("eve".into());
        });
        let hello = said_hello(&bench.link(1, 1));
        let run = hello.run.map(|run| Some(run) == bench.node.parts.presence.run());
        (run, hello.met, hello.lanes)
    };
    // A contact hears all three, so each of them can leak.
    assert_eq!(told(true, false), (Some(true), Some(RunId([3; 8])), vec![lane]));
    assert_eq!(told(false, false), (None, None, vec![]), "removed");
    assert_eq!(told(false, true), (None, None, vec![]), "blocked");
    assert_eq!(told(true, true), (None, None, vec![]), "blocked while it is a contact");
}

#[test]
fn a_run_of_ours_that_we_do_not_know_is_another_copy() {
    let mut bench = Bench::new(|_, _| {});
    bench.link(1, 1);
    assert_eq!(notices(&bench.hello(1, Some(3), Some(7))), [], "an earlier run of ours");
    let own = bench.node.parts.presence.run().unwrap();
    assert_eq!(notices(&bench.hello(1, Some(3), Some(own.0[0]))), [], "this run");
    assert_eq!(notices(&bench.hello(1, Some(3), Some(9))), [Notice::OtherCopy { peer: bench.peer, say: 1 }]);
    assert_eq!(notices(&bench.hello(1, Some(3), Some(9))), [], "said once");
    assert_eq!(bench.node.status(bench.now.mono_ms).notices.len(), 1);
}

#[test]
fn an_older_copy_of_a_contact_is_turned_away_and_told_so() {
    let mut bench = Bench::new(|_, _| {});
    let turn = bench.link(1, 5);
    assert!(turn.ops.iter().any(|op| matches!(op, Op::Contacts(ContactOp::Met { epoch: 5, .. }))), "{:?}", turn.ops);
    let turn = bench.link(2, 4);
    assert!(
        turn.effects.contains(&Effect::Link(LinkEffect::Close { link: LinkId(2), bye: Some(ByeReason::Superseded) }))
    );
    assert_eq!(notices(&turn), [Notice::OldCopyOfPeer(bench.peer)]);
    assert!(
        !turn.effects.iter().any(|e| matches!(e, Effect::Link(LinkEffect::Say { link: LinkId(2), .. }))),
        "it gets no word of ours"
    );
    assert_eq!(notices(&bench.link(3, 5)), []);
    // The other side of it.
    let bye = PeerMessage::Bye(Bye { why: ByeReason::Superseded });
    let turn = bench.turn([Input::Link(LinkInput::Message { link: LinkId(3), message: bye })]);
    assert_eq!(notices(&turn), [Notice::Superseded { peer: bench.peer, say: 1 }]);
}

#[test]
fn links_to_recent_contacts_are_kept_and_the_others_are_left_alone() {
    let is_dial = |e: &Effect| matches!(e, Effect::Network(NetworkEffect::Dial { .. }));
    // Heard of a moment ago: dialled at the start, again after the loss, less and less, and no more after an hour.
    let mut bench = Bench::new(|_, _| {});
    let dials = count(&bench.pass_with(HOUR + 10 * MINUTE, DialFailure::PeerDown), is_dial);
    assert!((8..=20).contains(&dials), "{dials} dials in the first hour and after it");
    assert_eq!(count(&bench.pass_with(24 * HOUR, DialFailure::PeerDown), is_dial), 0);
    // Heard of long ago.
    let mut bench = Bench::new(|row, _| {
        (row.added_ms, row.seen_ms) = (Some(START.wall_ms - 3 * 3_600_000), Some(START.wall_ms - 2 * 3_600_000));
    });
    assert_eq!(count(&bench.pass_with(HOUR, DialFailure::PeerDown), is_dial), 0);
    // Not to see us.
    let mut bench = Bench::new(|row, _| row.hidden = true);
    assert_eq!(count(&bench.pass_with(HOUR, DialFailure::PeerDown), is_dial), 0);
    // It said that it wants no idle link.
    let mut bench = Bench::new(|_, _| {});
    bench.link(1, 1);
    bench.turn([
        Input::Link(LinkInput::Message { link: LinkId(1), message: PeerMessage::Bye(Bye { why: ByeReason::Idle }) }),
        gone(1),
    ]);
    assert_eq!(count(&bench.pass_with(HOUR, DialFailure::PeerDown), is_dial), 0);
}

#[test]
fn a_hidden_contacts_link_lasts_as_long_as_there_is_something_to_deliver() {
    let mut bench = Bench::new(|row, _| row.hidden = true);
    bench.link(1, 1);
    let closes = |effects: &[Effect]| {
        count(effects, |e| matches!(e, Effect::Link(LinkEffect::Close { bye: Some(ByeReason::Idle), .. })))
    };
    assert_eq!(closes(&bench.pass(10 * SECOND)), 0, "not before it said what it has");
    bench.hello(1, None, None);
    let st = torchat_protocol::message::ContactState::Accepted;
    let accepted = PeerMessage::ContactRes(torchat_protocol::message::ContactRes { st });
    bench.turn([Input::Link(LinkInput::Message { link: LinkId(1), message: accepted })]);
    bench.turn([text_for(1, bench.peer, "to deliver")]);
    assert_eq!(closes(&bench.pass(20 * SECOND)), 0);
    let chain = bench.outbox().chain_before(2).unwrap();
    let lane = bench.outbox().lane();
    let ack = PeerMessage::Ack(LaneState { lane, hwm: 1, chain });
    bench.turn([Input::Link(LinkInput::Message { link: LinkId(1), message: ack })]);
    assert_eq!(closes(&bench.pass(4 * SECOND)), 0);
    assert_eq!(closes(&bench.pass(2 * SECOND)), 1, "5 s after the last word");
}

#[test]
fn after_a_sleep_links_are_asked_dials_dropped_and_nothing_is_stormed() {
    let mut bench = Bench::new(|_, _| {});
    bench.turn([text_for(1, bench.peer, "owed")]);
    bench.pass(40 * SECOND);
    assert_eq!(bench.node.parts.dialling.running(), 1, "a dial runs");
    let other = parse_onion("2gzyxa5ihm7nsggfxnu52rck2vv4rvmdlkiu3zzui5du4xyclen53wid").unwrap();
    bench.turn([came(9, other, 1)]);
    // The wall clock went on, the monotonic one stood still.
    bench.now.wall_ms += 8 * 3_600_000;
    let turn = bench.turn([]);
    assert!(turn.effects.contains(&Effect::Network(NetworkEffect::DropDials)));
    assert!(
        turn.effects
            .iter()
            .any(|e| matches!(e, Effect::Link(LinkEffect::Say { link: LinkId(9), message: PeerMessage::Ping(_) })))
    );
    assert_eq!(notices(&turn), [Notice::Woke(8 * HOUR)]);
    // No answer within 10 s: the link is given up.
    let effects = bench.pass(11 * SECOND);
    assert!(effects.contains(&Effect::Link(LinkEffect::Close { link: LinkId(9), bye: None })));
    // The process was stopped: both clocks went on.
    bench.now.wall_ms += 10 * 60_000;
    bench.now.mono_ms += 10 * MINUTE;
    assert!(matches!(notices(&bench.turn([]))[..], [Notice::Woke(_)]));
    // A clock that is set back is no sleep.
    bench.now.wall_ms -= 3_600_000;
    assert_eq!(notices(&bench.turn([])), [Notice::ClockSet(-3_600_000)]);
}

#[test]
fn a_contacts_dials_have_a_price() {
    let mut bench = Bench::new(|_, policy| {
        policy.dial.burst = 3;
        policy.dial.token_ms = 10 * MINUTE;
        policy.presence_ms = 0;
    });
    bench.turn([text_for(1, bench.peer, "owed")]);
    let dials = count(&bench.pass_with(HOUR, DialFailure::PeerDown), |e| {
        matches!(e, Effect::Network(NetworkEffect::Dial { .. }))
    });
    assert!((8..=9).contains(&dials), "three at once and one each ten minutes: {dials}");
    assert!(bench.node.status(bench.now.mono_ms).counters.dials > 0);
}

#[test]
fn a_way_in_that_fails_is_renewed_and_at_last_the_process_replaced() {
    let policy = RepairPolicy::default();
    let renewals = |effects: &[Effect]| count(effects, |e| *e == Effect::Network(NetworkEffect::Renew));
    let replaced = |effects: &[Effect]| count(effects, |e| *e == Effect::Network(NetworkEffect::Replace));
    // A peer that is down is no reason.
    let mut bench = Bench::new(|_, _| {});
    bench.turn([text_for(1, bench.peer, "owed")]);
    assert_eq!(renewals(&bench.pass_with(2 * HOUR, DialFailure::Handshake(EndedBy::Peer(PeerDid::ProveNothing)))), 0);

    let mut bench = Bench::new(|_, _| {});
    bench.turn([text_for(1, bench.peer, "owed")]);
    assert_eq!(renewals(&bench.pass_with(policy.trouble_ms, DialFailure::Timeout)), 0, "patience");
    let effects = bench.pass_with(5 * MINUTE, DialFailure::Timeout);
    assert!((4..=6).contains(&renewals(&effects)), "one a minute: {}", renewals(&effects));
    let trouble = bench.node.status(bench.now.mono_ms).health.trouble();
    assert!(matches!(trouble, Some(Trouble::NothingGetsThrough { renewals: 1.., .. })), "{trouble:?}");
    let effects = bench.pass_with(2 * HOUR, DialFailure::NoNetwork);
    assert_eq!(replaced(&effects), 1);
    assert!(renewals(&effects) < 60, "ever more seldom: {}", renewals(&effects));
    bench.link(1, 1);
    assert_eq!(bench.node.status(bench.now.mono_ms).health.trouble(), None, "one link mends it");
}

#[test]
fn without_tor_nothing_is_dialled_and_the_process_is_replaced_after_hours() {
    let mut bench = Bench::new(|_, _| {});
    bench.turn([Input::Network(NetworkInput::State { usable: false })]);
    let effects = bench.pass_with(5 * HOUR, DialFailure::NoNetwork);
    assert_eq!(
        count(&effects, |e| matches!(
            e,
            Effect::Network(NetworkEffect::Dial { .. })
                | Effect::Network(NetworkEffect::SelfCheck)
                | Effect::Network(NetworkEffect::Replace)
        )),
        0
    );
    assert_eq!(
        count(&bench.pass_with(2 * HOUR, DialFailure::NoNetwork), |e| *e == Effect::Network(NetworkEffect::Replace)),
        1
    );
}

#[test]
fn our_own_service_is_dialled_when_nobody_reaches_it() {
    let checks = |effects: &[Effect]| count(effects, |e| *e == Effect::Network(NetworkEffect::SelfCheck));
    let mut bench = Bench::new(|row, _| row.contact = false);
    assert_eq!(checks(&bench.pass(2 * MINUTE)), 0, "it had no time to be published");
    assert_eq!(checks(&bench.pass(2 * MINUTE)), 1);
    assert_eq!(checks(&bench.pass(HOUR)), 0, "one at a time");
    bench.turn([Input::Network(NetworkInput::SelfChecked { failure: None })]);
    assert_eq!(bench.node.status(bench.now.mono_ms).health.reached_ms_ago, Some(0));
    assert_eq!(checks(&bench.pass(HOUR - 1)), 0);
    assert_eq!(checks(&bench.pass(2)), 1);
    bench.turn([Input::Network(NetworkInput::SelfChecked { failure: Some(DialFailure::PeerDown.into()) })]);
    let effects = bench.pass_with(40 * MINUTE, DialFailure::PeerDown);
    assert!(checks(&effects) > 30, "again every minute or less");
    let trouble = bench.node.status(bench.now.mono_ms).health.trouble();
    assert!(matches!(trouble, Some(Trouble::Unreachable { .. })), "{trouble:?}");
    assert_eq!(
        count(&effects, |e| *e == Effect::Network(NetworkEffect::Replace)),
        1,
        "only a new process launches the service again"
    );
    // Somebody else's link is as good as a check.
    bench.link(1, 1);
    assert_eq!(bench.node.status(bench.now.mono_ms).health.trouble(), None);
}

#[test]
fn what_waited_too_long_fails_but_not_by_a_clock_that_was_set_a_moment_ago() {
    let mut bench = Bench::new(|_, _| {});
    bench.turn([text_for(1, bench.peer, "old")]);
    let failed = |effects: &[Effect]| count(effects, |e| matches!(e, Effect::Chat(ChatEffect::TakenBack { .. })));
    bench.now.wall_ms += 31 * 86_400_000;
    assert_eq!(failed(&bench.turn([]).effects), 0);
    assert_eq!(failed(&bench.pass(5 * MINUTE)), 0);
    bench.now.wall_ms -= 31 * 86_400_000;
    assert_eq!(failed(&bench.pass(2 * HOUR)), 0, "it was set right again");
    bench.now.wall_ms += 31 * 86_400_000;
    assert_eq!(failed(&bench.pass(2 * HOUR)), 0, "what bears the time of before the leap counts from it on");
    assert_eq!(failed(&bench.pass(31 * 24 * HOUR)), 1);
    assert_eq!(bench.node.status(bench.now.mono_ms).queue.messages, 0);
}

/// What a stranger is told, and when, from its link to the link's end.
fn told(bench: &mut Bench, link: u64, text: &str) -> Vec<(u64, Effect)> {
    let begun = bench.now.mono_ms;
    let mut told = Vec::new();
    let mut note = |bench: &Bench, turn: Turn| {
        assert!(
            !turn.ops.iter().any(|op| matches!(op, Op::Contacts(ContactOp::Request { .. }))) || turn.effects.is_empty(),
            "an answer never waits for what is stored of a request"
        );
        let passed = bench.now.mono_ms - begun;
        told.extend(turn.effects.into_iter().map(|e| (passed, e)));
    };
    let up = bench.link(link, 1);
    note(bench, up);
    let hello = bench.hello(link, None, None);
    note(bench, hello);
    let asked = ContactReq { nick: "eve".into(), text: text.into(), invite: None };
    let asked =
        bench.turn([Input::Link(LinkInput::Message { link: LinkId(link), message: PeerMessage::ContactReq(asked) })]);
    note(bench, asked);
    for _ in 0..40 {
        bench.now.mono_ms += SECOND;
        bench.now.wall_ms += 1_000;
        let turn = bench.turn([]);
        note(bench, turn);
    }
    bench.turn([gone(link)]);
    told
}

#[test]
fn waiting_refused_blocked_and_unknown_are_told_the_same_at_the_same_time() {
    let mut all = Vec::new();
    for standing in 0..5 {
        let mut bench = Bench::new(|row, policy| {
            row.contact = false;
            row.blocked = standing == 1;
            if standing == 4 {
                policy.strangers = Strangers::Closed;
            }
        });
        if standing == 2 || standing == 3 {
            told(&mut bench, 1, "before");
            assert_eq!(bench.node.requests().len(), 1);
            let change = if standing == 2 { ContactChange::Refuse } else { ContactChange::Block };
            bench.turn([Input::Contacts(ContactInput::Change { request: 1, peer: bench.peer, change })]);
        }
        // The link's number is ours alone.
        let told = told(&mut bench, 7, "let me in");
        assert_eq!(bench.node.requests().len(), usize::from(standing == 0));
        all.push(told);
    }
    assert!(all[0].len() >= 4, "HELLO, pending, pending, BYE: {:?}", all[0]);
    for (standing, told) in all.iter().enumerate() {
        assert_eq!(*told, all[0], "standing {standing}");
    }
}

#[test]
fn a_stranger_whose_first_message_was_taken_back_becomes_a_contact_where_strangers_may_write() {
    let mut bench = Bench::new(|row, policy| {
        row.contact = false;
        policy.strangers = Strangers::Open;
    });
    bench.link(1, 1);
    bench.hello(1, None, None);
    let skip = Skip { lane: LaneId([5; 8]), to: 1, chain: Chain([6; 16]), why: SkipReason::Withdrawn };
    let turn = bench.turn([Input::Link(LinkInput::Message { link: LinkId(1), message: PeerMessage::Skip(skip) })]);
    // The store gives the lanes of contacts back, so it must know the contact before the peer hears that its number counts.
    let contact = turn.ops.iter().position(|op| matches!(op, Op::Contacts(ContactOp::Add { .. })));
    let skipped = turn.ops.iter().position(|op| matches!(op, Op::Chat(ChatOp::Skip { to: 1, .. })));
    assert!(contact.is_some() && contact < skipped, "{:?}", turn.ops);
    let acked = |e: &Effect| matches!(e, Effect::Link(LinkEffect::Say { message: PeerMessage::Ack(state), .. }) if state.hwm == 1);
    assert_eq!(count(&turn.effects, acked), 1);
}

#[test]
fn a_flood_of_requests_is_bounded_and_counted() {
    let mut bench = Bench::new(|_, _| {});
    let mut keys = (0..=u8::MAX).flat_map(|a| (0..=u8::MAX).map(move |b| (a, b))).filter_map(|(a, b)| {
        let mut key = [0; 32];
        (key[0], key[1]) = (a, b);
        PeerId::from_key(key).ok()
    });
    let mut ask = |bench: &mut Bench, link: u64| {
        let peer = keys.next().unwrap();
        let asked = ContactReq { nick: String::new(), text: "x".repeat(500), invite: None };
        bench.turn([
            came(link, peer, 1),
            Input::Link(LinkInput::Message { link: LinkId(link), message: PeerMessage::ContactReq(asked) }),
            gone(link),
        ]);
    };
    for link in 0..500 {
        ask(&mut bench, link);
    }
    assert_eq!(bench.node.requests().len(), 20, "a burst");
    for link in 500..1_000 {
        bench.pass(30 * SECOND);
        ask(&mut bench, link);
    }
    assert_eq!(bench.node.requests().len(), 100, "and not more, however slowly they come");
    assert_eq!(bench.node.status(bench.now.mono_ms).counters.requests, 900);
    assert_eq!(bench.remembered(), 101, "nothing is left of the others");
}

#[test]
fn a_stranger_that_writes_on_is_thrown_out_and_counted_once() {
    let mut bench = Bench::new(|row, _| row.contact = false);
    bench.link(1, 1);
    let recv = |seq| {
        let body = torchat_protocol::message::Body::Text { text: "x".repeat(65_536) };
        let (lane, mid) = (LaneId([1; 8]), MessageId([2; 16]));
        let recv =
            torchat_protocol::message::Recv { lane, seq, prev: torchat_protocol::id::Chain::EMPTY, mid, sent: 0, body };
        Input::Link(LinkInput::Message { link: LinkId(1), message: PeerMessage::Recv(recv) })
    };
    let flood = bench.turn((1..=100).map(recv));
    let byes = |turn: &Turn| {
        turn.effects.iter().filter(|e| matches!(e, Effect::Link(LinkEffect::Close { .. }))).cloned().collect::<Vec<_>>()
    };
    assert_eq!(byes(&flood), [Effect::Link(LinkEffect::Close { link: LinkId(1), bye: Some(ByeReason::Limit) })]);
    // What was on its way when the link was closed.
    let rest = bench.turn((101..=200).map(recv));
    assert_eq!((byes(&rest), rest.ops), (vec![], vec![]));
    let counters = bench.node.status(bench.now.mono_ms).counters;
    assert_eq!((counters.misbehaved, counters.strangers), (1, 200));
}
