//! Asking to be accepted, and asking again: what is said, over which link, and when a peer is dialled for it.

use super::*;
use crate::dialling::Target;
use crate::effect::{LinkEffect, NetworkEffect};
use crate::input::{ContactInput, LinkInput, NetworkInput};
use crate::op::ContactOp;
use crate::view::Obstacle;
use torchat_protocol::id::InviteSecret;
use torchat_protocol::message::{ContactRes, ContactState};
use torchat_protocol::purpose::Purpose;

const SECRET: InviteSecret = InviteSecret([0xab; 16]);

fn words(text: &str) -> Intro {
    Intro { text: text.into(), invite: None }
}

fn invited() -> Intro {
    Intro { text: String::new(), invite: Some(SECRET) }
}

impl Bench {
    fn add(&mut self, intro: Intro) -> Turn {
        let peer = self.peer;
        self.turn([Input::Contacts(ContactInput::Change { request: 3, peer, change: ContactChange::Add(intro) })])
    }

    fn answered(&mut self, link: u64, st: ContactState) -> Turn {
        self.turn([Input::Link(LinkInput::Message {
            link: LinkId(link),
            message: PeerMessage::ContactRes(ContactRes { st }),
        })])
    }

    fn lost(&mut self, link: u64) -> Turn {
        self.turn([gone(link)])
    }

    /// A link whose other end says that it has not accepted us: what we say then.
    fn pending(&mut self, link: u64) -> Vec<ContactReq> {
        self.link(link, 0);
        self.hello(link, None, None);
        asked(&self.answered(link, ContactState::Pending).effects)
    }

    /// The peer ends a link as it ends those of strangers.
    fn turned_away(&mut self, link: u64) {
        let bye = PeerMessage::Bye(Bye { why: ByeReason::Idle });
        self.turn([Input::Link(LinkInput::Message { link: LinkId(link), message: bye }), gone(link)]);
    }
}

fn asked(effects: &[Effect]) -> Vec<ContactReq> {
    let asked = effects.iter().filter_map(|effect| match effect {
        Effect::Link(LinkEffect::Say { message: PeerMessage::ContactReq(asked), .. }) => Some(asked.clone()),
        _ => None,
    });
    asked.collect()
}

fn dials(effects: &[Effect]) -> usize {
    count(effects, |effect| matches!(effect, Effect::Network(NetworkEffect::Dial { .. })))
}

/// A contact that has not accepted us, was asked long ago and has answered. No link is up and none is wanted.
fn waiting() -> Bench {
    let mut bench = Bench::new(|_, _| {});
    assert_eq!(bench.pending(1).len(), 1);
    bench.answered(1, ContactState::Pending);
    bench.turned_away(1);
    assert_eq!(dials(&bench.pass_with(3 * HOUR, DialFailure::PeerDown)), 0, "answered, it is left alone");
    bench
}

#[test]
fn whoever_is_added_again_is_asked_at_once_over_the_link_that_is_up() {
    let mut bench = Bench::new(|_, _| {});
    assert_eq!(bench.pending(1).len(), 1);
    bench.answered(1, ContactState::Pending);
    let said = asked(&bench.add(words("it is me")).effects);
    assert_eq!(said.iter().map(|asked| asked.text.as_str()).collect::<Vec<_>>(), ["it is me"]);
    let said = asked(&bench.add(invited()).effects);
    assert_eq!((said.len(), said[0].text.as_str()), (1, "it is me"), "its words still hold");
    assert_eq!(said[0].invite, Some(SECRET.to_string()));
    // Accepted, it needs not be asked.
    bench.answered(1, ContactState::Accepted);
    assert_eq!(asked(&bench.add(words("thanks")).effects), []);
    // Before the peer has said where we stand nothing is said; then what was given last.
    let mut bench = Bench::new(|_, _| {});
    bench.link(1, 0);
    assert_eq!(asked(&bench.add(invited()).effects), []);
    bench.hello(1, None, None);
    assert_eq!(asked(&bench.answered(1, ContactState::Pending).effects)[0].invite, Some(SECRET.to_string()));
}

#[test]
fn whoever_is_added_again_is_dialled_at_once_until_it_has_answered() {
    for again in [Intro::default(), words("it is me"), invited()] {
        let mut bench = waiting();
        bench.add(again.clone());
        assert_eq!(dials(&bench.pass(SECOND)), 1, "{again:?}");
        let peer = bench.peer;
        let down = |failure: DialFailure| {
            Input::Network(NetworkInput::DialFailed { peer, purpose: Purpose::CHAT, end: failure.into() })
        };
        bench.turn([down(DialFailure::PeerDown)]);
        // Not heard of for hours, it is dialled all the same, and as often as one that is owed mail.
        let tries = dials(&bench.pass_with(HOUR / 2, DialFailure::PeerDown));
        assert!((20..=40).contains(&tries), "{again:?}: {tries}");
        // A link that ends before the answer counts for nothing.
        assert_eq!(
            bench.pending(2),
            [ContactReq {
                nick: String::new(),
                text: again.text.clone(),
                invite: again.invite.map(|secret| secret.to_string())
            }]
        );
        bench.turned_away(2);
        assert!(dials(&bench.pass_with(2 * MINUTE, DialFailure::PeerDown)) > 0);
        assert_eq!(bench.pending(3).len(), 1);
        bench.answered(3, ContactState::Pending);
        bench.turned_away(3);
        assert_eq!(dials(&bench.pass_with(HOUR, DialFailure::PeerDown)), 0, "{again:?}: it has answered");
    }
}

#[test]
fn every_request_wants_its_own_answer_and_a_dead_link_is_noticed_soon() {
    let mut bench = Bench::new(|_, _| {});
    bench.pending(1);
    bench.add(invited());
    // This one is for the request before.
    bench.answered(1, ContactState::Pending);
    assert!(bench.node.parts.dialling.is_asking(&Target::chat(bench.peer)));
    let pinged = |effects: &[Effect]| {
        count(effects, |e| matches!(e, Effect::Link(LinkEffect::Say { message: PeerMessage::Ping(_), .. })))
    };
    assert_eq!(pinged(&bench.pass(14 * SECOND)), 0);
    assert_eq!(pinged(&bench.pass(2 * SECOND)), 1);
    assert!(bench.pass(10 * SECOND).contains(&Effect::Link(LinkEffect::Close { link: LinkId(1), bye: None })));
    bench.lost(1);
    assert_eq!(dials(&bench.pass(5 * SECOND)), 1);
    bench.pending(2);
    bench.answered(2, ContactState::Pending);
    assert!(!bench.node.parts.dialling.is_asking(&Target::chat(bench.peer)));
    assert_eq!(pinged(&bench.pass(MINUTE)), 0, "nothing waits");
}

#[test]
fn a_restart_asks_a_peer_that_was_not_heard_of_since_it_was_added() {
    const LONG_AGO: i64 = START.wall_ms - 24 * 3_600_000;
    for (added, seen, expected) in [(1, 0, true), (0, 1, false), (0, 0, false)] {
        let mut bench = Bench::new(|row, _| {
            (row.added_ms, row.seen_ms) = (Some(LONG_AGO + added), Some(LONG_AGO + seen));
            row.waiting = true;
            row.intro = invited();
        });
        assert_eq!(dials(&bench.pass(5 * SECOND)) > 0, expected, "{added} {seen}");
    }
    // That it was added again is written down with its words.
    let mut bench = waiting();
    let at_ms = bench.now.wall_ms;
    let turn = bench.add(invited());
    assert!(turn.ops.contains(&Op::Contacts(ContactOp::Add { peer: bench.peer, at_ms })), "{:?}", turn.ops);
    assert!(
        turn.ops.contains(&Op::Contacts(ContactOp::Intro { peer: bench.peer, intro: invited() })),
        "{:?}",
        turn.ops
    );
}

#[test]
fn whoever_becomes_a_contact_on_a_link_is_asked_over_it_or_has_accepted_us_already() {
    // It has not accepted us, and we are a stranger to each other until now.
    let mut bench = Bench::new(|row, _| row.contact = false);
    assert_eq!(bench.pending(1), []);
    assert_eq!(asked(&bench.add(words("hello")).effects).len(), 1);
    // It asks, so it has accepted us: nothing is to be said, and it is left alone when it stops.
    let mut bench = Bench::new(|row, _| row.contact = false);
    bench.link(1, 0);
    bench.hello(1, None, None);
    bench.answered(1, ContactState::Accepted);
    let request = ContactReq { nick: String::new(), text: "please".into(), invite: None };
    bench.turn([Input::Link(LinkInput::Message { link: LinkId(1), message: PeerMessage::ContactReq(request) })]);
    let peer = bench.peer;
    let turn = bench.turn([Input::Contacts(ContactInput::Change { request: 6, peer, change: ContactChange::Accept })]);
    assert_eq!((heard(&turn), asked(&turn.effects)), (vec![ContactState::Accepted], vec![]));
    bench.turned_away(1);
    assert_eq!(dials(&bench.pass_with(HOUR, DialFailure::PeerDown)), 0);
}

#[test]
fn what_waits_is_told_as_it_is() {
    let mut bench = waiting();
    let obstacle = |bench: &Bench| bench.node.obstacle(&bench.peer).unwrap();
    bench.send(None);
    assert_eq!(obstacle(&bench), Obstacle::NotAccepted);
    bench.add(invited());
    bench.pass(SECOND);
    assert_eq!(obstacle(&bench), Obstacle::Connecting);
    bench.pending(2);
    assert_eq!(obstacle(&bench), Obstacle::Asking);
    bench.answered(2, ContactState::Pending);
    assert_eq!(obstacle(&bench), Obstacle::NotAccepted);
    bench.answered(2, ContactState::Accepted);
    assert_eq!(obstacle(&bench), Obstacle::NotConfirmed);
}

/// The other end: a stranger whose request may have been refused, and an invite that is good until then.
fn inviter(until_ms: i64, refused: bool, blocked: bool) -> Bench {
    let mut bench = Bench::new(|row, _| (row.contact, row.blocked) = (false, blocked));
    // The clock is believed by then.
    bench.pass(11 * MINUTE);
    bench.link(1, 0);
    bench.hello(1, None, None);
    let request = ContactReq { nick: "eve".into(), text: "please".into(), invite: None };
    bench.turn([Input::Link(LinkInput::Message { link: LinkId(1), message: PeerMessage::ContactReq(request) })]);
    bench.turn([]);
    if refused {
        let change = ContactChange::Refuse;
        bench.turn([Input::Contacts(ContactInput::Change { request: 4, peer: bench.peer, change })]);
    }
    bench.node.parts.contacts.restore_invite(SECRET, until_ms);
    bench
}

fn says(bench: &mut Bench, link: u64, secret: InviteSecret) -> Turn {
    let request = ContactReq { nick: "eve".into(), text: String::new(), invite: Some(secret.to_string()) };
    bench.turn([Input::Link(LinkInput::Message { link: LinkId(link), message: PeerMessage::ContactReq(request) })])
}

fn heard(turn: &Turn) -> Vec<ContactState> {
    let heard = turn.effects.iter().filter_map(|effect| match effect {
        Effect::Link(LinkEffect::Say { message: PeerMessage::ContactRes(answer), .. }) => Some(answer.st),
        _ => None,
    });
    heard.collect()
}

#[test]
fn an_invite_passes_on_the_link_of_a_request_that_was_refused() {
    for refused in [false, true] {
        let mut bench = inviter(i64::MAX, refused, false);
        let turn = says(&mut bench, 1, SECRET);
        assert_eq!(heard(&turn), [ContactState::Accepted]);
        assert!(said_hello(&turn).run.is_some(), "as a contact");
        let peer = bench.peer;
        assert!(turn.ops.contains(&Op::Contacts(ContactOp::Request { peer, request: None })), "{:?}", turn.ops);
        assert!(
            bench.node.parts.contacts.invites() == 0
                && turn.ops.iter().any(|op| matches!(op, Op::Contacts(ContactOp::InviteGone { .. })))
        );
        // Once.
        bench.turn([Input::Contacts(ContactInput::Change { request: 5, peer, change: ContactChange::Remove })]);
        bench.lost(1);
        bench.link(2, 0);
        assert_eq!(heard(&says(&mut bench, 2, SECRET)), [ContactState::Pending]);
    }
}

#[test]
fn an_invite_that_does_not_pass_is_answered_like_none_and_before_anything_is_written() {
    let plain = {
        let mut bench = inviter(i64::MAX, true, false);
        let asked = ContactReq { nick: "eve".into(), text: String::new(), invite: None };
        bench.turn([Input::Link(LinkInput::Message { link: LinkId(1), message: PeerMessage::ContactReq(asked) })])
    };
    assert_eq!(heard(&plain), [ContactState::Pending]);
    // One that is too old, another secret, one of a blocked peer, which stays good for others.
    for (until_ms, secret, blocked, left) in [
        (START.wall_ms, SECRET, false, 0),
        (i64::MAX, InviteSecret([1; 16]), false, 1),
        (i64::MAX, SECRET, true, 1),
        (START.wall_ms, SECRET, true, 1),
    ] {
        for refused in [false, !blocked] {
            let mut bench = inviter(until_ms, refused, blocked);
            let turn = says(&mut bench, 1, secret);
            assert_eq!((&turn.effects, turn.ops.len()), (&plain.effects, 0), "{until_ms} {secret} {blocked} {refused}");
            bench.turn([]);
            assert_eq!(bench.node.parts.contacts.invites(), left);
        }
    }
}

/// A daemon that knows nobody.
fn alone() -> Bench {
    let mut bench = Bench::new(|_, _| {});
    let own = bench.node.parts.own;
    bench.node = Node::new(own, Policy::default(), Snapshot::default(), bench.now, &mut |out: &mut [u8]| out.fill(1));
    bench
}

#[test]
fn whoever_brings_a_good_invite_is_told_as_such_and_nobody_else_is() {
    let mut bench = alone();
    bench.node.parts.contacts.restore_invite(SECRET, bench.now.wall_ms + 72 * HOUR as i64);
    let brings = |invite: Option<InviteSecret>| {
        let invite = invite.map(|secret| secret.to_string());
        let asked = ContactReq { nick: "eve".into(), text: String::new(), invite };
        [Input::Link(LinkInput::Message { link: LinkId(1), message: PeerMessage::ContactReq(asked) })]
    };
    bench.link(1, 0);
    bench.hello(1, None, None);
    assert_eq!(notices(&bench.turn(brings(None))), []);
    let turn = bench.turn(brings(Some(SECRET)));
    assert_eq!(notices(&turn), [Notice::CameWithInvite(bench.peer)]);
    assert!(!notices(&turn)[0].is_warning());
    // It asks once more: it is a contact already.
    assert_eq!(notices(&bench.turn(brings(Some(SECRET)))), []);
    let mut bench = alone();
    assert_eq!(notices(&bench.add(words("it is me"))), []);
    assert!(bench.node.parts.contacts.is_contact(&bench.peer));
}
