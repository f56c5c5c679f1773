//! The account's bound: whatever a peer says, at any pace, and whatever it is to us, it costs no more than its buckets allow. After
//! every turn what was written, said and committed is compared with that.

use super::*;
use crate::account::{Kind, Tariff};
use crate::effect::LinkEffect;
use crate::input::{ChatInput, ContactInput, LinkInput};
use crate::op::{ChatOp, ContactOp, LogOp};
use torchat_protocol::message::{Body, ContactRes, ContactState, Nonce, Recv};

const OWED: u64 = 80;
const OWED_TEXT: usize = 1_000;

struct Dice(u64);

impl Dice {
    fn raw(&mut self) -> u64 {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: u64) -> u64 {
        self.raw() % n
    }
}

/// What happened since the start.
#[derive(Debug, Default)]
struct Cost {
    rows: u64,
    bytes: u64,
    marks: u64,
    met: u64,
    changed: u64,
    links: u64,
    lanes: u64,
    requests: u64,
    others: Vec<Op>,
    commits: u64,
    said: u64,
    answers: u64,
    notices: u64,
}

impl Cost {
    fn add(&mut self, turn: &Turn) {
        self.commits += u64::from(!turn.ops.is_empty());
        for op in &turn.ops {
            match op {
                Op::Chat(ChatOp::Receive { text, .. }) => {
                    self.rows += 1;
                    self.bytes += text.len() as u64;
                }
                Op::Chat(ChatOp::Skip { why, .. }) => {
                    self.rows += 1;
                    self.marks += u64::from(*why == SkipReason::Lost);
                }
                Op::Chat(ChatOp::ForgetLane { .. }) => {}
                Op::Contacts(ContactOp::Met { .. }) => self.met += 1,
                Op::Log(LogOp::Changed { .. }) => self.changed += 1,
                Op::Contacts(ContactOp::Waiting { .. }) | Op::Contacts(ContactOp::Nick { .. }) => {}
                Op::Log(LogOp::Link { .. })
                | Op::Contacts(ContactOp::Seen { .. })
                | Op::Contacts(ContactOp::Retry { .. }) => self.links += 1,
                Op::Chat(ChatOp::NewLane { .. }) => self.lanes += 1,
                Op::Contacts(ContactOp::Request { .. }) => self.requests += 1,
                // Once for each message of ours.
                Op::Chat(ChatOp::Sent { .. }) | Op::Chat(ChatOp::Delivered { .. }) => {}
                other => self.others.push(other.clone()),
            }
        }
        for effect in &turn.effects {
            match effect {
                Effect::Link(LinkEffect::Transmit { count, .. }) => self.said += count * (OWED_TEXT as u64 + 256),
                Effect::Link(LinkEffect::Say { message: PeerMessage::Pong(_), .. }) => self.answers += 1,
                // The engine writes it as an event.
                Effect::Notice(_) => self.notices += 1,
                _ => {}
            }
        }
    }

    fn check(&self, tariff: &Tariff, ms: u64, links: u64, standing: u64) {
        let most = |kind| tariff.most(kind, ms);
        let bound =
            |what: &str, is: u64, most: u64| assert!(is <= most, "{what}: {is} and not {most} at most, {self:?}");
        bound("rows", self.rows, most(Kind::Rows));
        bound("bytes", self.bytes, most(Kind::Bytes));
        bound("marks, runs and notices", self.marks + self.met + self.notices, most(Kind::Notes));
        bound("changes", self.changed, most(Kind::States));
        // Up, down, heard last, and the pause of a dial; and heard of every ten minutes.
        bound("writes of links", self.links, 4 * most(Kind::Links).min(links + 1) + ms / 600_000 + 1);
        bound("lanes", self.lanes, most(Kind::Lanes));
        bound("requests", self.requests, most(Kind::Replaced) + 1);
        bound("sent again", self.said, OWED * (OWED_TEXT as u64 + 256) + most(Kind::Resent));
        bound("answers", self.answers, most(Kind::Answers));
        assert_eq!(self.others, [], "nothing else is written for a peer");
        let writes =
            most(Kind::Rows) + most(Kind::Notes) + most(Kind::States) + 4 * most(Kind::Links) + most(Kind::Lanes);
        bound("commits", self.commits, writes + most(Kind::Replaced) + 2 * OWED + ms / 600_000 + 2);
        if standing >= 2 {
            // A removed peer may ask again, as every stranger; nothing comes of a peer that is blocked.
            let asked = if standing == 2 { self.requests } else { 0 };
            assert_eq!((self.commits, self.said), (asked, 0), "{self:?}");
        }
    }
}

struct Tongue {
    dice: Dice,
    ours: LaneId,
    lanes: Vec<(LaneId, u64, Chain)>,
    ping: u64,
}

impl Tongue {
    fn chain(&mut self) -> Chain {
        let (a, b) = (self.dice.raw(), self.dice.raw());
        Chain((u128::from(a) << 64 | u128::from(b)).to_be_bytes())
    }

    fn lane(&mut self) -> usize {
        if self.lanes.is_empty() || self.dice.below(40) == 0 {
            let lane = LaneId(self.dice.raw().to_be_bytes());
            self.lanes.push((lane, 0, Chain::EMPTY));
        }
        let last = self.lanes.len() - 1;
        if self.dice.below(4) > 0 { last } else { usize::try_from(self.dice.below(last as u64 + 1)).unwrap() }
    }

    fn recv(&mut self) -> PeerMessage {
        let n = self.lane();
        let honest = self.dice.below(10) > 0;
        let mid = MessageId(self.chain().0);
        let length = [0, 0, 1, 100, 20_000][usize::try_from(self.dice.below(5)).unwrap()];
        let (gap, wrong) = (self.dice.below(3), self.chain());
        let (lane, seq, chain) = &mut self.lanes[n];
        let (seq, prev) = if honest {
            *seq += 1;
            (*seq, std::mem::replace(chain, chain.next(mid)))
        } else {
            (*seq + gap, wrong)
        };
        let body = Body::Text { text: "x".repeat(length) };
        PeerMessage::Recv(Recv { lane: *lane, seq: seq.max(1), prev, mid, sent: 0, body })
    }

    fn skip(&mut self) -> PeerMessage {
        let n = self.lane();
        let (why, new) = (self.dice.below(4), self.chain());
        let why = [SkipReason::Lost, SkipReason::Lost, SkipReason::Withdrawn, SkipReason::Expired][why as usize];
        let (lane, seq, chain) = &mut self.lanes[n];
        *seq += 1;
        *chain = new;
        PeerMessage::Skip(Skip { lane: *lane, to: *seq, chain: new, why })
    }

    fn word(&mut self, plot: u64) -> PeerMessage {
        let plot = if plot == 8 || self.dice.below(10) == 0 { self.dice.below(8) } else { plot };
        match plot {
            0 => self.recv(),
            1 => self.skip(),
            2 => {
                let limits = Limits { msg: 65_536, inflight: self.dice.below(70), credit: 1 << 20 };
                let state = LaneState { lane: self.ours, hwm: self.dice.below(70), chain: self.chain() };
                let lanes = if self.dice.below(3) == 0 { vec![state] } else { vec![] };
                let [run, met] = [0, 1].map(|_| Some(RunId(self.dice.raw().to_be_bytes())));
                PeerMessage::Hello(Hello { app: "x".into(), v: 1, features: vec![], lanes, limits, run, met })
            }
            3 => {
                let accepted = self.dice.below(2) == 0;
                let st = if accepted { ContactState::Accepted } else { ContactState::Pending };
                PeerMessage::ContactRes(ContactRes { st })
            }
            4 => {
                let nick = format!("n{}", self.dice.below(1_000));
                PeerMessage::ContactReq(ContactReq { nick, text: format!("{}", self.dice.raw()), invite: None })
            }
            5 => PeerMessage::Ping(Nonce { n: self.dice.below(1 << 50) }),
            6 => PeerMessage::Pong(Nonce { n: self.ping }),
            _ => {
                let hwm = self.dice.below(90);
                PeerMessage::Ack(LaneState { lane: self.ours, hwm, chain: self.chain() })
            }
        }
    }
}

/// What a peer of a seed costs while it talks.
fn talk(seed: u64) -> Counters {
    let mut dice = Dice(seed);
    // A contact, a contact that must not see us, a stranger, a former contact and a blocked one; of a stranger requests are kept.
    let standing = [0, 0, 0, 1, 4, 2, 3][usize::try_from(dice.below(7)).unwrap()];
    let tariff = Tariff::default()
        .with(Kind::Rows, 30, 3_600)
        .with(Kind::Bytes, 100_000, 1 << 24)
        .with(Kind::Notes, 5, 600)
        .with(Kind::Links, 10, 720)
        .with(Kind::Resent, 200_000, 1 << 23)
        .with(Kind::Lanes, 3, 60)
        .with(Kind::Answers, 50, 3_600)
        .with(Kind::Work, 100_000, 3_600_000);
    let mut bench = Bench::new(|row, policy| {
        row.contact = standing != 4;
        row.hidden = standing == 1;
        row.met = Some(RunId([3; 8]));
        policy.tariff = tariff.clone();
        if seed.is_multiple_of(3) {
            policy.unread_bytes_per_peer = 20_000;
        }
    });
    for _ in 0..if standing == 4 { 0 } else { OWED } {
        let (peer, text) = (bench.peer, "x".repeat(OWED_TEXT));
        bench.turn([Input::Chat(ChatInput::Send { request: 1, peer, text, client: None, expire_ms: None })]);
    }
    let change = [(2, ContactChange::Remove), (3, ContactChange::Block)].into_iter().find(|(n, _)| *n == standing);
    if let Some((_, change)) = change {
        bench.turn([Input::Contacts(ContactInput::Change { request: 1, peer: bench.peer, change })]);
    }
    // What was about to be dialled is not the peer's.
    bench.turn([]);
    let ours = bench.node.parts.chat.sending.outbox(&bench.peer).map_or(LaneId([1; 8]), |out| out.lane());
    let mut tongue = Tongue { dice, ours, lanes: Vec::new(), ping: 0 };
    let (begun, mut cost, mut link) = (bench.now.mono_ms, Cost::default(), 0);
    let mut up = false;
    for _ in 0..120 {
        if !up {
            link += 1;
            cost.add(&bench.link(link, u32::try_from(tongue.dice.below(3)).unwrap()));
            up = true;
            if tongue.dice.below(4) > 0 {
                cost.add(&bench.hello(link, Some(5), None));
                let st = ContactState::Accepted;
                cost.add(&bench.turn([Input::Link(LinkInput::Message {
                    link: LinkId(link),
                    message: PeerMessage::ContactRes(ContactRes { st }),
                })]));
            }
        }
        let (plot, burst) = (tongue.dice.below(9), 1 + tongue.dice.below(60));
        let mut left = burst;
        while left > 0 {
            let batch = 1 + tongue.dice.below(left);
            left -= batch;
            let said: Vec<_> = (0..batch)
                .map(|_| Input::Link(LinkInput::Message { link: LinkId(link), message: tongue.word(plot) }))
                .collect();
            let turn = bench.turn(said);
            cost.add(&turn);
            for effect in &turn.effects {
                if let Effect::Link(LinkEffect::Say { message: PeerMessage::Ping(nonce), .. }) = effect {
                    tongue.ping = nonce.n;
                }
            }
            if let Some(out) = bench.node.parts.chat.sending.outbox(&bench.peer) {
                tongue.ours = out.lane();
            }
            up &= !turn.effects.iter().any(|effect| matches!(effect, Effect::Link(LinkEffect::Close { .. })));
            cost.check(&tariff, bench.now.mono_ms - begun, link, [0, 0, 2, 3, 1][usize::try_from(standing).unwrap()]);
        }
        if tongue.dice.below(3) == 0 {
            // Somebody reads.
            let unread = bench.node.parts.chat.receiving.unread_of(&bench.peer);
            bench.node.freed(&bench.peer.clone(), unread);
        }
        let pause = [0, 0, 100, 3_000, 90_000][usize::try_from(tongue.dice.below(5)).unwrap()];
        let end = bench.now.mono_ms + tongue.dice.below(pause + 1);
        loop {
            let turn = bench.turn([]);
            cost.add(&turn);
            up &= !turn.effects.iter().any(|effect| matches!(effect, Effect::Link(LinkEffect::Close { .. })));
            if bench.now.mono_ms >= end {
                break;
            }
            let next = bench.node.next_deadline().unwrap_or(end).clamp(bench.now.mono_ms + 1, end);
            bench.now.wall_ms += i64::try_from(next - bench.now.mono_ms).unwrap();
            bench.now.mono_ms = next;
        }
        if !up || tongue.dice.below(4) == 0 {
            cost.add(&bench.turn([gone(link)]));
            up = false;
        }
        cost.check(&tariff, bench.now.mono_ms - begun, link, [0, 0, 2, 3, 1][usize::try_from(standing).unwrap()]);
    }
    bench.node.status(bench.now.mono_ms).counters
}

/// More seeds: `PROPTEST_CASES=2000`.
#[test]
fn no_input_of_a_peer_costs_more_than_its_bucket_allows_whatever_it_says() {
    let (bitten, runs) = (std::cell::Cell::new([0u64; Kind::ALL.len()]), std::cell::Cell::new(0u64));
    let mut runner = proptest::test_runner::TestRunner::default();
    let seeds = proptest::num::u64::ANY;
    let talked = runner.run(&seeds, |seed| {
        let counters = talk(seed);
        runs.set(runs.get() + 1);
        bitten.set(std::array::from_fn(|n| bitten.get()[n] + counters.account.of(Kind::ALL[n])));
        Ok(())
    });
    if let Err(failure) = talked {
        panic!("{failure}");
    }
    // A bound that nothing ever meets would show nothing.
    for (sum, kind) in bitten.get().iter().zip(Kind::ALL).filter(|(_, kind)| *kind != Kind::Work) {
        assert!(*sum > 0, "{kind:?} held nothing up in {} runs: {bitten:?}", runs.get());
    }
}
