//! What a peer may cost, told by the node: operations as well as effects, because a write is what the account is for.

use super::*;
use crate::account::{Kind, ROW_BYTES};
use crate::effect::LinkEffect;
use crate::input::{ChatInput, ContactInput, LinkInput};
use crate::op::{ChatOp, ContactOp, LogOp};
use torchat_protocol::message::{Body, ContactRes, ContactState, Recv};

const LANE: LaneId = LaneId([5; 8]);

impl Bench {
    fn say(&mut self, messages: impl IntoIterator<Item = PeerMessage>) -> Turn {
        self.say_on(1, messages)
    }

    fn say_on(&mut self, link: u64, messages: impl IntoIterator<Item = PeerMessage>) -> Turn {
        self.turn(messages.into_iter().map(|message| Input::Link(LinkInput::Message { link: LinkId(link), message })))
    }

    fn counters(&self) -> Counters {
        self.node.status(self.now.mono_ms).counters
    }
}

fn state(st: ContactState) -> PeerMessage {
    PeerMessage::ContactRes(ContactRes { st })
}

fn lost(lane: LaneId, to: u64) -> PeerMessage {
    let chain = Chain((u128::from(to) | 1 << 100).to_be_bytes());
    PeerMessage::Skip(Skip { lane, to, chain, why: SkipReason::Lost })
}

/// A lane's messages, one after the other.
struct Lane {
    lane: LaneId,
    seq: u64,
    chain: Chain,
}

impl Lane {
    fn new(n: u8) -> Self {
        Self { lane: LaneId([n; 8]), seq: 0, chain: Chain::EMPTY }
    }

    fn next(&mut self, text: &str) -> PeerMessage {
        let prev = self.chain;
        self.seq += 1;
        let mid = MessageId((u128::from(self.seq) << 64 | u128::from(self.lane.0[0])).to_be_bytes());
        self.chain = prev.next(mid);
        let body = Body::Text { text: text.into() };
        PeerMessage::Recv(Recv { lane: self.lane, seq: self.seq, prev, mid, sent: 0, body })
    }
}

fn byes(effects: &[Effect]) -> Vec<ByeReason> {
    let close = |effect: &Effect| {
        if let Effect::Link(LinkEffect::Close { bye: Some(why), .. }) = effect { Some(*why) } else { None }
    };
    effects.iter().filter_map(close).collect()
}

fn hellos(effects: &[Effect]) -> usize {
    count(effects, |effect| matches!(effect, Effect::Link(LinkEffect::Say { message: PeerMessage::Hello(_), .. })))
}

fn events(ops: &[Op]) -> usize {
    ops.iter().filter(|op| matches!(op, Op::Log(LogOp::Changed { .. }))).count()
}

#[test]
fn empty_texts_cost_what_they_cost_and_reading_gives_it_back() {
    let mut bench = Bench::new(|_, policy| policy.unread_bytes_per_peer = 10 * ROW_BYTES + 5);
    bench.link(1, 0);
    let mut lane = Lane::new(5);
    let stored = |turn: &Turn| turn.ops.iter().filter(|op| matches!(op, Op::Chat(ChatOp::Receive { .. }))).count();
    let said: Vec<_> = (0..20).map(|_| lane.next("")).collect();
    assert_eq!(stored(&bench.say(said)), 10, "the quota counts rows");
    assert_eq!(bench.counters().unread_full, 1, "the others are a gap");
    assert_eq!(bench.node.status(bench.now.mono_ms).unread_bytes, 10 * ROW_BYTES);
    bench.node.freed(&bench.peer.clone(), 10 * ROW_BYTES);
    assert_eq!(bench.node.status(bench.now.mono_ms).unread_bytes, 0);
    assert_eq!(hellos(&bench.turn([]).effects), 1, "and the peer hears where to go on");
}

#[test]
fn a_flood_of_lost_messages_is_paced_and_counts_in_the_quota() {
    let mut bench = Bench::new(|_, _| {});
    bench.link(1, 0);
    bench.hello(1, None, None);
    let begun = bench.now.mono_ms;
    let mut marks = 0;
    // A thousand a second, for a while.
    for second in 0..600u64 {
        let said = (1..=1_000).map(|n| lost(LANE, second * 1_000 + n));
        let turn = bench.say(said);
        marks += turn.ops.iter().filter(|op| matches!(op, Op::Chat(ChatOp::Skip { .. }))).count() as u64;
        if !byes(&turn.effects).is_empty() {
            bench.turn([gone(1)]);
            bench.link(1, 0);
        }
        bench.pass(SECOND);
        assert!(marks <= Kind::Notes.most(bench.now.mono_ms - begun), "{marks} marks after {second} s");
    }
    assert!(marks > 60, "an honest one is let through");
    assert!(bench.counters().account.of(Kind::Notes) > 0, "{:?}", bench.counters());
    assert_eq!(bench.node.status(bench.now.mono_ms).unread_bytes, marks * ROW_BYTES);
}

#[test]
fn a_bot_with_a_full_outbox_is_not_held_up_and_one_without_end_is_paced() {
    let mut bench = Bench::new(|_, policy| policy.unread_bytes_per_peer = u64::MAX / 4);
    bench.node.policy.unread_bytes_total = u64::MAX / 4;
    bench.link(1, 0);
    bench.hello(1, None, None);
    let mut lane = Lane::new(5);
    let stored =
        |turn: &Turn| turn.ops.iter().filter(|op| matches!(op, Op::Chat(ChatOp::Receive { .. }))).count() as u64;
    let mut at_once = 0;
    for _ in 0..10_000 / 50 {
        let said: Vec<_> = (0..50).map(|_| lane.next("short")).collect();
        at_once += stored(&bench.say(said));
    }
    assert_eq!(at_once, 10_000, "a whole outbox, at once");
    // And then as an honest sender does it, for hours: a window, and after each HELLO on from where we stand.
    let (burst, hourly) = Kind::Rows.rate();
    let begun = bench.now.mono_ms;
    let mut taken = at_once;
    while bench.now.mono_ms - begun < HOUR {
        let here = bench.node.parts.chat.receiving.lanes(&bench.peer)[0];
        let mut lane = Lane { lane: here.lane, seq: here.hwm, chain: here.chain };
        let said: Vec<_> = (0..64).map(|_| lane.next("short")).collect();
        taken += stored(&bench.say(said));
        let heard = bench.pass(250);
        assert_eq!(byes(&heard), [], "it is not thrown out");
    }
    assert!(taken <= Kind::Rows.most(HOUR), "{taken}");
    assert!(taken > burst + hourly - 1_000, "{taken}: it is paced, not refused");
}

#[test]
fn the_standing_of_a_contact_is_written_at_most_once_a_minute() {
    let mut bench = Bench::new(|_, _| {});
    bench.link(1, 0);
    bench.hello(1, None, None);
    let mut told = 0;
    for _ in 0..60 {
        for _ in 0..100 {
            let turn = bench.say([state(ContactState::Accepted), state(ContactState::Pending)]);
            told += events(&turn.ops);
            let req = ContactReq { nick: format!("eve{told}"), text: String::new(), invite: None };
            told += events(&bench.say([PeerMessage::ContactReq(req)]).ops);
        }
        bench.pass(10 * SECOND);
    }
    assert!(told as u64 <= Kind::States.most(10 * MINUTE), "{told} in ten minutes");
    // The last word counts, when it can be paid.
    bench.say([state(ContactState::Accepted)]);
    bench.pass(5 * MINUTE);
    assert!(!bench.node.is_waiting(&bench.peer));
    assert!(!bench.node.parts.contacts.is_waiting_stored(&bench.peer));
    bench.say([state(ContactState::Pending)]);
    bench.pass(5 * MINUTE);
    assert!(bench.node.parts.contacts.is_waiting_stored(&bench.peer));
}

#[test]
fn a_hello_without_progress_is_not_paid_twice() {
    let mut bench = Bench::new(|_, _| {});
    for _ in 0..64 {
        bench.send(None);
    }
    bench.accepted(1);
    let mut again = 0;
    for _ in 0..100 {
        let turn = bench.hello(1, None, None);
        again += count(&turn.effects, |effect| matches!(effect, Effect::Link(LinkEffect::Transmit { .. })));
        if !byes(&turn.effects).is_empty() {
            assert_eq!(byes(&turn.effects), [ByeReason::Limit]);
            break;
        }
    }
    assert!(again <= 3, "said again {again} times");
    assert_eq!(bench.counters().misbehaved, 1);
}

#[test]
fn bytes_that_are_sent_again_are_paid_whatever_word_makes_us() {
    let mut bench = Bench::new(|_, _| {});
    let text = "x".repeat(16_000);
    for _ in 0..64 {
        bench.turn([Input::Chat(ChatInput::Send {
            request: 1,
            peer: bench.peer,
            text: text.clone(),
            client: None,
            expire_ms: None,
        })]);
    }
    let begun = bench.now.mono_ms;
    let mut sent = 0u64;
    // New links, and on each as much as it takes.
    for link in 1..=2_000 {
        for turn in [bench.accepted(link), bench.hello(link, None, None), bench.hello(link, None, None)] {
            let bytes = |effect: &Effect| {
                if let Effect::Link(LinkEffect::Transmit { count, .. }) = effect { count * 16_256 } else { 0 }
            };
            sent += turn.effects.iter().map(bytes).sum::<u64>();
        }
        bench.turn([gone(link)]);
        let heard = bench.pass(SECOND);
        sent += heard
            .iter()
            .map(|e| if let Effect::Link(LinkEffect::Transmit { count, .. }) = e { count * 16_256 } else { 0 })
            .sum::<u64>();
    }
    let first = 64 * 16_256;
    assert!(sent <= first + Kind::Resent.most(bench.now.mono_ms - begun), "{sent} bytes");
    assert!(sent > 5 << 20, "an honest repetition is said: {sent}");
    assert!(bench.counters().account.of(Kind::Resent) > 0);
}

#[test]
fn wrong_digests_open_lanes_at_a_bounded_rate() {
    let mut bench = Bench::new(|_, _| {});
    for _ in 0..200 {
        bench.send(None);
    }
    let begun = bench.now.mono_ms;
    let (mut lanes, mut rows) = (0u64, 0u64);
    for link in 1..=2_000 {
        let mut turns = vec![bench.accepted(link)];
        for _ in 0..3 {
            let lane = bench.outbox().lane();
            turns.push(bench.say_on(link, [PeerMessage::Ack(LaneState { lane, hwm: 3, chain: Chain([9; 16]) })]));
        }
        for op in turns.iter().flat_map(|turn| &turn.ops) {
            if let Op::Chat(ChatOp::NewLane { messages, .. }) = op {
                lanes += 1;
                rows += messages.len() as u64;
            }
        }
        bench.turn([gone(link)]);
        bench.pass(SECOND);
    }
    let passed = bench.now.mono_ms - begun;
    assert!(lanes <= Kind::Lanes.most(passed), "{lanes} lanes, {rows} rows in {passed} ms");
    assert!(lanes > 30, "an honest peer that was restored gets its lane: {lanes}");
}

#[test]
fn a_link_that_comes_and_goes_is_written_at_a_bounded_rate() {
    let mut bench = Bench::new(|_, _| {});
    let begun = bench.now.mono_ms;
    let mut ops = 0u64;
    for link in 1..=3_000 {
        ops += bench.link(link, 0).ops.len() as u64;
        ops += bench.turn([]).ops.len() as u64;
        bench.now.mono_ms += 300;
        bench.now.wall_ms += 300;
        ops += bench.turn([gone(link)]).ops.len() as u64;
    }
    // Up, down, heard last.
    assert!(ops <= 4 * Kind::Links.most(bench.now.mono_ms - begun), "{ops} operations");
    assert!(bench.counters().account.of(Kind::Links) > 0);
}

#[test]
fn runs_that_a_contact_invents_are_written_at_a_bounded_rate() {
    let mut bench = Bench::new(|row, _| row.met = Some(RunId([3; 8])));
    bench.link(1, 0);
    let begun = bench.now.mono_ms;
    let (mut met, mut seq) = (0u64, 5);
    for n in 0..5_000u64 {
        // A gap makes us say HELLO again, which lets the next run be told of.
        seq += 1;
        let mut gap = Lane { lane: LANE, seq, chain: Chain::EMPTY };
        let mut turns = vec![bench.say([gap.next("")])];
        let limits = Limits { msg: 65_536, inflight: 64, credit: 1 << 20 };
        let run = Some(RunId((n + 100).to_be_bytes()));
        let hello = Hello { app: "x".into(), v: 1, features: vec![], lanes: vec![], limits, run, met: None };
        turns.push(bench.say([PeerMessage::Hello(hello)]));
        let ping = turns.last().unwrap().effects.iter().find_map(|effect| match effect {
            Effect::Link(LinkEffect::Say { message: PeerMessage::Ping(nonce), .. }) => Some(*nonce),
            _ => None,
        });
        turns.extend(ping.map(|nonce| bench.say([PeerMessage::Pong(nonce)])));
        // Something stored lets the next gap be told.
        let mut good = Lane { lane: LaneId(n.to_be_bytes()), seq: 0, chain: Chain::EMPTY };
        turns.push(bench.say([good.next("")]));
        met += turns.iter().flat_map(|t| &t.ops).filter(|op| matches!(op, Op::Contacts(ContactOp::Met { .. }))).count()
            as u64;
    }
    assert!(met <= Kind::Notes.most(bench.now.mono_ms - begun), "{met}");
    assert!(met > 10, "it is what is tried here: {met}");
}

#[test]
fn five_hundred_pings_at_once_are_answered_and_a_flood_is_not() {
    let mut bench = Bench::new(|_, _| {});
    bench.link(1, 0);
    let pongs = |effects: &[Effect]| {
        count(effects, |e| matches!(e, Effect::Link(LinkEffect::Say { message: PeerMessage::Pong(_), .. })))
    };
    let pings = |n: u64| (0..n).map(|n| PeerMessage::Ping(torchat_protocol::message::Nonce { n }));
    let turn = bench.say(pings(500));
    assert_eq!(pongs(&turn.effects), 500);
    let turn = bench.say(pings(5_000));
    assert!((pongs(&turn.effects) as u64) < Kind::Answers.rate().0);
    bench.pass(SECOND);
    assert_eq!(pongs(&bench.say(pings(1)).effects), 1, "soon it is answered again");
    assert!(bench.counters().account.of(Kind::Answers) > 3_000);
}

#[test]
fn a_wrong_digest_is_answered_once_in_a_turn_and_counted_as_wasted() {
    let mut bench = Bench::new(|_, _| {});
    bench.link(1, 0);
    let mut lane = Lane::new(5);
    let first = lane.next("one");
    bench.say([first]);
    let wrong = |text: &str| Lane { lane: LaneId([5; 8]), seq: 1, chain: Chain([7; 16]) }.next(text);
    let turn = bench.say((0..20).map(|_| wrong("x")));
    assert_eq!(
        count(&turn.effects, |e| matches!(e, Effect::Link(LinkEffect::Say { message: PeerMessage::Ack(_), .. }))),
        1
    );
    let long = "x".repeat(65_536);
    let turn = bench.say((0..40).map(|_| wrong(&long)));
    assert_eq!(byes(&turn.effects), [ByeReason::Limit], "texts without end");
}

#[test]
fn one_onion_does_not_take_the_places_of_the_others() {
    let mut bench = Bench::new(|row, _| row.contact = false);
    bench.link(1, 0);
    let ask =
        |n: u64| PeerMessage::ContactReq(ContactReq { nick: String::new(), text: format!("text {n}"), invite: None });
    let mut written = 0;
    for n in 0..200 {
        written +=
            bench.say([ask(n)]).ops.iter().filter(|op| matches!(op, Op::Contacts(ContactOp::Request { .. }))).count();
    }
    let other = |n: u64| PeerId::from_key(other_key(n)).unwrap();
    // Honest ones find what is left of the common bucket: all of it but one.
    for n in 0..19 {
        let link = 10 + n;
        bench.turn([came(link, other(n), 0), Input::Link(LinkInput::Message { link: LinkId(link), message: ask(n) })]);
    }
    assert_eq!(bench.node.requests().len(), 20, "{written}");
    // With one other text a minute it goes on, and is not written down more than once in an hour.
    let mut kept = Vec::new();
    for n in 0..180 {
        bench.link(1_000 + n, 0);
        bench.say_on(1_000 + n, [ask(1_000 + n)]);
        let mut ops = Vec::new();
        for _ in 0..60 {
            bench.now.mono_ms += SECOND;
            bench.now.wall_ms += 1_000;
            ops.extend(bench.turn([]).ops);
        }
        let peer = bench.peer;
        kept.extend(
            ops.into_iter()
                .filter(|op| matches!(op, Op::Contacts(ContactOp::Request { peer: asker, .. }) if *asker == peer)),
        );
    }
    assert!(kept.len() as u64 <= Kind::Replaced.most(3 * HOUR) + 1, "{}", kept.len());
    assert!(kept.len() > 1, "other words come through");
}

/// Keys of onions.
fn other_key(n: u64) -> [u8; 32] {
    let mut keys = (0..=u8::MAX).flat_map(|a| (0..=u8::MAX).map(move |b| (a, b))).filter_map(|(a, b)| {
        let mut key = [0; 32];
        (key[0], key[1]) = (a, b);
        PeerId::from_key(key).ok().map(|_| key)
    });
    keys.nth(usize::try_from(n).unwrap()).unwrap()
}

#[test]
fn a_strangers_request_is_written_some_random_seconds_later() {
    let mut moments = Vec::new();
    for dice in 0..40u8 {
        let mut bench = Bench::new(|row, _| row.contact = false);
        bench.dice = dice.wrapping_mul(37);
        bench.link(1, 0);
        let asked = ContactReq { nick: "eve".into(), text: "hello".into(), invite: None };
        let begun = bench.now.mono_ms;
        let turn = bench.say([PeerMessage::ContactReq(asked)]);
        assert_eq!(turn.ops, [], "the answer waits for nothing");
        assert_eq!(bench.node.requests().len(), 1, "the user sees it at once");
        let ping = PeerMessage::Ping(torchat_protocol::message::Nonce { n: 1 });
        assert_eq!(bench.say([ping]).ops, [], "nor does the next one");
        let due = bench.node.next_deadline().unwrap();
        assert!(due >= begun + bench.node.policy.requests.later_min_ms, "nothing is due at once");
        assert!(due <= begun + bench.node.policy.requests.later_max_ms);
        bench.now.mono_ms = due;
        assert!(matches!(bench.turn([]).ops.as_slice(), [Op::Contacts(ContactOp::Request { request: Some(_), .. })]));
        moments.push(due - begun);
    }
    moments.sort_unstable();
    moments.dedup();
    assert!(moments.len() > 5, "the moment is random: {moments:?}");
}

#[test]
fn a_request_that_is_settled_before_it_is_written_does_not_come_back() {
    for change in [ContactChange::Accept, ContactChange::Refuse, ContactChange::Block] {
        let mut bench = Bench::new(|row, _| row.contact = false);
        bench.link(1, 0);
        let asked = ContactReq { nick: "eve".into(), text: "hello".into(), invite: None };
        bench.say([PeerMessage::ContactReq(asked)]);
        bench.turn([Input::Contacts(ContactInput::Change { request: 1, peer: bench.peer, change: change.clone() })]);
        for _ in 0..20 {
            bench.now.mono_ms += SECOND;
            let open = |op: &Op| matches!(op, Op::Contacts(ContactOp::Request { request: Some(request), .. }) if !request.refused);
            assert!(!bench.turn([]).ops.iter().any(open), "{change:?}");
        }
    }
}

#[test]
fn a_request_is_written_by_a_daemon_that_stops() {
    let mut bench = Bench::new(|row, _| row.contact = false);
    bench.link(1, 0);
    let asked = ContactReq { nick: "eve".into(), text: "hello".into(), invite: None };
    bench.say([PeerMessage::ContactReq(asked)]);
    let turn = bench.turn([Input::Stop]);
    assert!(
        turn.ops.iter().any(|op| matches!(op, Op::Contacts(ContactOp::Request { request: Some(_), .. }))),
        "{:?}",
        turn.ops
    );
}

#[test]
fn a_contact_that_must_not_see_us_does_not_keep_the_link_by_what_it_says() {
    let hidden = || Bench::new(|row, _| row.hidden = true);
    let closed_after = |bench: &mut Bench, say: &dyn Fn(&mut Bench) -> Turn| {
        let begun = bench.now.mono_ms;
        while bench.now.mono_ms - begun < 3 * MINUTE {
            let mut effects = say(bench).effects;
            effects.extend(bench.pass(3 * SECOND));
            if byes(&effects).contains(&ByeReason::Idle) {
                return bench.now.mono_ms - begun;
            }
        }
        u64::MAX
    };
    let ack = PeerMessage::Ack(LaneState { lane: LANE, hwm: 0, chain: Chain::EMPTY });
    let mut bench = hidden();
    bench.link(1, 0);
    bench.hello(1, None, None);
    let after = closed_after(&mut bench, &|bench| bench.say([ack.clone()]));
    assert!(after <= 33 * SECOND, "an ACK of nothing every 3 s: {after}");
    let mut bench = hidden();
    bench.link(1, 0);
    let after =
        closed_after(&mut bench, &|bench| bench.say([PeerMessage::Ping(torchat_protocol::message::Nonce { n: 1 })]));
    assert!(after <= 33 * SECOND, "never a HELLO: {after}");
}

#[test]
fn accepted_without_a_hello_goes_on_from_what_was_acknowledged() {
    let mut bench = Bench::new(|_, _| {});
    bench.send(None);
    bench.send(None);
    bench.accepted(1);
    let out = bench.outbox();
    let (lane, chain) = (out.lane(), out.chain_before(3).unwrap());
    bench.say([PeerMessage::Ack(LaneState { lane, hwm: 2, chain })]);
    let turn = bench.say([state(ContactState::Pending), state(ContactState::Accepted)]);
    let skips = count(&turn.effects, |effect| {
        matches!(effect, Effect::Link(LinkEffect::Say { message: PeerMessage::Skip(_), .. }))
    });
    assert_eq!(skips, 0, "nothing was lost: {:?}", turn.effects);
    let turn = bench.send(None);
    assert_eq!(
        count(&turn.effects, |effect| matches!(effect, Effect::Link(LinkEffect::Transmit { first: 3, count: 1, .. }))),
        1
    );
}

#[test]
fn what_peers_have_paid_survives_a_failed_commit() {
    let mut bench = Bench::new(|_, _| {});
    bench.link(1, 0);
    bench.say((0..10_000).map(|n| PeerMessage::Ping(torchat_protocol::message::Nonce { n })));
    let mut other = Bench::new(|_, _| {});
    other.node.keep_unstored(&mut bench.node);
    assert!(!other.node.parts.account.pay(other.now.mono_ms, other.peer, Kind::Answers, 100));
}

#[test]
fn contacts_that_push_each_others_notices_out_do_not_repeat_theirs_without_end() {
    let mut bench = Bench::new(|_, _| {});
    let peers: Vec<_> = (0..20).map(|n| PeerId::from_key(other_key(n)).unwrap()).collect();
    let begun = bench.now.mono_ms;
    for (link, peer) in (1..).zip(&peers) {
        let add = ContactChange::Add(Intro::default());
        bench.turn([
            Input::Contacts(ContactInput::Change { request: 1, peer: *peer, change: add }),
            came(link, *peer, 0),
        ]);
    }
    let mut told = 0;
    for n in 0..200u64 {
        for link in 1..=20 {
            let limits = Limits { msg: 65_536, inflight: 64, credit: 1 << 20 };
            let met = Some(RunId((n + 1_000).to_be_bytes()));
            let hello = Hello { app: "x".into(), v: 1, features: vec![], lanes: vec![], limits, run: None, met };
            told += notices(&bench.say_on(link, [PeerMessage::Hello(hello)])).len() as u64;
        }
    }
    assert!(told <= 20 * Kind::Notes.most(bench.now.mono_ms - begun), "{told} notices");
    assert!(told >= 20, "each is heard");
}
