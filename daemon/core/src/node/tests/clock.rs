//! A wall clock that is wrong for a moment costs nothing for good.

use super::*;
use crate::input::{Answer, ChatInput, ContactInput, LegacyInput, LinkInput, NetworkInput};
use crate::op::{ChatOp, ContactOp, LegacyOp, LogOp};
use torchat_protocol::id::InviteSecret;
use torchat_protocol::legacy::{Claim, OldMessage};

const DAY: u64 = 24 * HOUR;

impl Bench {
    fn set_clock(&mut self, days: i64) -> Vec<Op> {
        self.now.wall_ms += days * DAY as i64;
        self.turn([]).ops
    }

    /// As [`Bench::pass`], for what is written.
    fn written(&mut self, ms: u64) -> Vec<Op> {
        let end = self.now.mono_ms + ms;
        let mut ops = Vec::new();
        while self.now.mono_ms < end {
            let next = self.node.next_deadline().unwrap_or(end).clamp(self.now.mono_ms + 1, end);
            let step = next - self.now.mono_ms;
            self.now.mono_ms += step;
            self.now.wall_ms += i64::try_from(step).unwrap();
            ops.extend(self.turn([]).ops);
        }
        ops
    }

    fn invited(&mut self) -> InviteSecret {
        let turn = self.turn([Input::Contacts(ContactInput::Invite { request: 9, lifetime_ms: 3 * DAY as i64 })]);
        assert!(!turn.ops.iter().any(is_forgotten), "{:?}", turn.ops);
        match turn.effects.last() {
            Some(Effect::Answer { answer: Answer::Invited(secret), .. }) => *secret,
            other => panic!("{other:?}"),
        }
    }
}

/// Something that was kept goes.
fn is_forgotten(op: &Op) -> bool {
    matches!(
        op,
        Op::Contacts(ContactOp::InviteGone { .. })
            | Op::Contacts(ContactOp::Request { request: None, .. })
            | Op::Chat(ChatOp::TakeBack { .. })
            | Op::Legacy(LegacyOp::Forget { .. })
    )
}

/// A daemon with one of everything that is kept for a time only.
fn keeper(wall_ms: i64) -> (Bench, InviteSecret) {
    let mut bench = Bench::new(|row, policy| {
        row.contact = false;
        policy.legacy.receive = true;
    });
    bench.now.wall_ms = wall_ms;
    bench.node = {
        let policy =
            Policy { legacy: crate::policy::LegacyPolicy { receive: true, ..Default::default() }, ..Policy::default() };
        Node::new(bench.node.parts.own, policy, Snapshot::default(), bench.now, &mut |out: &mut [u8]| out.fill(1))
    };
    bench.turn([Input::Network(NetworkInput::State { usable: true })]);
    let secret = bench.invited();
    bench.link(1, 0);
    bench.hello(1, None, None);
    let asked = ContactReq { nick: "eve".into(), text: "please".into(), invite: None };
    bench.turn([Input::Link(LinkInput::Message { link: LinkId(1), message: PeerMessage::ContactReq(asked) })]);
    bench.turn([gone(1)]);
    let other = PeerId::from_key(curve25519_dalek::constants::ED25519_BASEPOINT_COMPRESSED.0).unwrap();
    assert_eq!(other, bench.node.parts.own);
    let old = OldMessage { claim: Claim::new("abcdefghijklmnop".into()).unwrap(), text: "old".into() };
    bench.turn([Input::Legacy(LegacyInput::Came(old))]);
    bench.turn([]);
    assert_eq!((bench.node.requests().len(), bench.node.parts.chat.legacy.status().unread), (1, 1));
    (bench, secret)
}

fn is_good(bench: &mut Bench, secret: InviteSecret) -> bool {
    bench.link(7, 0);
    bench.hello(7, None, None);
    let asked = ContactReq { nick: "eve".into(), text: String::new(), invite: Some(secret.to_string()) };
    bench.turn([Input::Link(LinkInput::Message { link: LinkId(7), message: PeerMessage::ContactReq(asked) })]);
    bench.node.parts.contacts.is_contact(&bench.peer)
}

#[test]
fn a_clock_that_leaps_ahead_and_back_takes_nothing() {
    let (mut bench, secret) = keeper(START.wall_ms);
    // Believed by now, and then set a hundred days ahead.
    bench.pass(HOUR);
    assert!(bench.node.believed(bench.now).is_some());
    bench.now.wall_ms += 100 * DAY as i64;
    assert_eq!(bench.node.believed(bench.now), None, "also before a turn has seen it");
    bench.invited();
    let written = bench.written(9 * MINUTE);
    assert!(!written.iter().any(is_forgotten), "{written:?}");
    bench.set_clock(-100);
    let written = bench.written(2 * HOUR);
    assert!(!written.iter().any(is_forgotten), "{written:?}");
    assert!(bench.node.believed(bench.now).is_some());
    assert!(is_good(&mut bench, secret));
}

#[test]
fn an_invite_that_looks_too_old_to_a_clock_that_is_not_calm_is_good_again_when_it_is_set_right() {
    let (mut bench, secret) = keeper(START.wall_ms);
    // Of an earlier run.
    bench.node.parts.contacts.restore_invite(secret, START.wall_ms + 3 * DAY as i64);
    bench.set_clock(100);
    assert!(!is_good(&mut bench, secret), "the clock may be right");
    assert_eq!(bench.node.parts.contacts.invites(), 1, "or not");
    bench.turn([gone(7)]);
    bench.set_clock(-100);
    assert!(is_good(&mut bench, secret));
}

#[test]
fn what_a_clock_of_1970_has_noted_counts_from_when_it_is_set_right() {
    let (mut bench, _) = keeper(60_000);
    bench.pass(5 * MINUTE);
    let written = bench.set_clock(20_000);
    let since_ms = bench.now.wall_ms;
    assert!(written.contains(&Op::Log(LogOp::ClockSet { at_ms: since_ms })), "{written:?}");
    let written = bench.written(DAY);
    assert!(!written.iter().any(is_forgotten), "{written:?}");
    // The next run knows of it.
    let snapshot = Snapshot { clock_set_ms: Some(since_ms), ..Snapshot::default() };
    let mut next =
        Node::new(bench.node.parts.own, Policy::default(), snapshot, bench.now, &mut |out: &mut [u8]| out.fill(1));
    next.resume(true, true);
    let mut later = bench.now;
    later.mono_ms += HOUR;
    later.wall_ms += HOUR as i64;
    assert_eq!(next.believed(later).map(|clock| clock.since_ms), Some(since_ms));
    // Some time it is too old after all.
    let written = bench.written(31 * DAY);
    assert_eq!(written.iter().filter(|op| is_forgotten(op)).count(), 3, "{written:?}");
}

#[test]
fn a_start_does_not_believe_the_clock_before_it_was_calm_on_an_open_network() {
    let mut bench = Bench::new(|_, _| {});
    assert_eq!(bench.node.believed(bench.now), None);
    bench.pass(9 * MINUTE);
    assert_eq!(bench.node.believed(bench.now), None);
    bench.pass(2 * MINUTE);
    assert!(bench.node.believed(bench.now).is_some());
    bench.turn([Input::Network(NetworkInput::State { usable: false })]);
    assert_eq!(bench.node.believed(bench.now), None, "Tor does not let a wrong clock in");
}

#[test]
fn a_store_that_takes_no_mail_is_still_asked_for_what_the_user_decides() {
    let mut bench = Bench::new(|_, _| {});
    let peer = bench.peer;
    bench.turn([Input::Storage { writable: false }]);
    let done = |turn: &Turn| matches!(turn.effects.last(), Some(Effect::Answer { answer: Answer::Done, .. }));
    let seen = bench.turn([Input::Chat(ChatInput::ReadUpto { request: 1, peer, upto: 9, limit: 9 })]);
    assert!(done(&seen) && seen.ops.len() == 1, "{seen:?}");
    let turn = bench.turn([Input::Contacts(ContactInput::Change { request: 2, peer, change: ContactChange::Block })]);
    assert!(
        turn.ops.contains(&Op::Contacts(ContactOp::Block { peer, blocked: true }))
            && turn.ops.contains(&Op::Contacts(ContactOp::Remove { peer }))
    );
    assert!(turn.effects.iter().any(|effect| matches!(effect, Effect::Answer { answer: Answer::Done, .. })));
    let turn = bench.turn([Input::Contacts(ContactInput::Change {
        request: 3,
        peer,
        change: ContactChange::Add(Default::default()),
    })]);
    assert!(turn.ops.is_empty(), "what takes room waits: {:?}", turn.ops);
}
