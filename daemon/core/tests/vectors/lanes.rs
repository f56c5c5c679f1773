//! Both ends of a lane, told by the daemon's own node: what it says to what it hears.

use super::{NOW_S, came, client, compare, server};
use serde_json::{Value, json};
use torchat_core::effect::{ChatEffect, Effect, LinkEffect};
use torchat_core::input::{Answer, ChatInput, Input, LinkId, LinkInput, NetworkInput};
use torchat_core::node::Node;
use torchat_core::op::{ChatOp, Op};
use torchat_core::policy::Policy;
use torchat_core::snapshot::{PeerSnapshot, Snapshot};
use torchat_core::time::Now;
use torchat_protocol::id::{Chain, LaneId, MessageId, PeerId};
use torchat_protocol::message::{
    Body, Bye, ByeReason, ContactReq, ContactRes, ContactState, Hello, LaneState, Limits, Nonce, PeerMessage, Recv,
    Skip, SkipReason,
};

const TEXTS: [&str; 4] = ["one", "two", "three", "four"];
/// The last number of a lane.
const MAX: u64 = (1 << 53) - 1;
/// Seconds since 1970, rounded down to the minute.
const SENT_S: u64 = NOW_S - NOW_S % 60;

/// A node with one link, and what it says on it.
struct Talk {
    node: Node,
    peer: PeerId,
    dice: u8,
    /// The messages, in order.
    queued: Vec<MessageId>,
    /// The messages of the current lane, in order.
    mids: Vec<MessageId>,
    delivered: Vec<MessageId>,
    marks: Vec<u64>,
}

impl Talk {
    fn new(contact: bool) -> Self {
        let peer = server().peer_id();
        let row = PeerSnapshot { contact, added_ms: contact.then_some(0), ..PeerSnapshot::new(peer) };
        let snapshot = Snapshot { peers: contact.then_some(row).into_iter().collect(), ..Snapshot::default() };
        let mut dice = 0xa0;
        let mut fill = |out: &mut [u8]| {
            dice += 1;
            out.fill(dice);
        };
        let node = Node::new(client().peer_id(), Policy::default(), snapshot, now(), &mut fill);
        Self { node, peer, dice: 0, queued: Vec::new(), mids: Vec::new(), delivered: Vec::new(), marks: Vec::new() }
    }

    /// One turn; returns what is said on the link, as the engine writes it.
    fn turn(&mut self, input: Input) -> Vec<PeerMessage> {
        let Self { node, dice, .. } = self;
        let mut fill = |out: &mut [u8]| {
            *dice += 1;
            out.fill(*dice);
        };
        let turn = node.turn(now(), &mut fill, [input]);
        for op in &turn.ops {
            match op {
                Op::Chat(ChatOp::NewLane { messages, .. }) => {
                    self.mids = messages.iter().map(|(mid, _)| *mid).collect()
                }
                Op::Chat(ChatOp::Skip { count, why: SkipReason::Lost, .. }) => self.marks.push(*count),
                _ => {}
            }
        }
        let mut said = Vec::new();
        for effect in turn.effects {
            match effect {
                Effect::Link(LinkEffect::Say { message, .. }) => said.push(message),
                Effect::Answer { answer: Answer::Queued(mid), .. } => {
                    self.queued.push(mid);
                    self.mids.push(mid);
                }
                Effect::Chat(ChatEffect::Delivered { mids, .. }) => self.delivered.extend(mids),
                Effect::Link(LinkEffect::Transmit { lane, first, mut prev, count, .. }) => {
                    for seq in first..first + count {
                        let mid = self.mids[usize::try_from(seq).unwrap() - 1];
                        let text = TEXTS[self.place(mid)].to_owned();
                        said.push(PeerMessage::Recv(Recv {
                            lane,
                            seq,
                            prev,
                            mid,
                            sent: SENT_S,
                            body: Body::Text { text },
                        }));
                        prev = prev.next(mid);
                    }
                }
                _ => {}
            }
        }
        said
    }

    fn send(&mut self) {
        for text in TEXTS {
            self.turn(Input::Chat(ChatInput::Send {
                request: 1,
                peer: self.peer,
                text: text.into(),
                client: None,
                expire_ms: None,
            }));
        }
    }

    fn hear(&mut self, message: PeerMessage) -> Vec<PeerMessage> {
        self.turn(Input::Link(LinkInput::Message { link: LinkId(1), message }))
    }

    fn link_up(&mut self) -> Vec<PeerMessage> {
        self.turn(came(self.peer))
    }

    /// Which of the texts a message has.
    fn place(&self, mid: MessageId) -> usize {
        self.queued.iter().position(|known| *known == mid).unwrap()
    }
}

fn now() -> Now {
    Now { wall_ms: i64::try_from(NOW_S).unwrap() * 1000, mono_ms: 1_000_000 }
}

/// The ids that the four texts get in every case: the randomness of all of them is the same.
fn ids() -> Vec<MessageId> {
    let mut talk = Talk::new(true);
    talk.link_up();
    talk.send();
    talk.queued
}

fn text(message: &PeerMessage) -> Value {
    String::from_utf8(message.encode()).unwrap().into()
}

fn texts(messages: &[PeerMessage]) -> Vec<Value> {
    messages.iter().map(text).collect()
}

fn hello(lanes: Vec<LaneState>) -> PeerMessage {
    let limits = Limits { msg: 65_536, inflight: 64, credit: 1_048_576 };
    PeerMessage::Hello(Hello { app: "other".into(), v: 1, features: vec![], lanes, limits, run: None, met: None })
}

/// The digest after messages that arrived (`true`) or whose numbers were skipped.
fn chain(fates: &[bool]) -> Chain {
    ids().into_iter().zip(fates).fold(Chain::EMPTY, |chain, (mid, arrived)| {
        let next = chain.next(mid);
        if *arrived { next } else { next.next(mid) }
    })
}

/// A sender that put four messages on a link, the messages and their lane.
fn sender() -> (Talk, Vec<PeerMessage>, LaneId) {
    let mut talk = Talk::new(true);
    let words = talk.link_up();
    assert!(matches!(words[..], [PeerMessage::Hello(_), PeerMessage::ContactRes(_)]));
    talk.send();
    talk.hear(hello(vec![]));
    let sent = talk.hear(PeerMessage::ContactRes(ContactRes { st: ContactState::Accepted }));
    assert_eq!(talk.queued, ids());
    let [PeerMessage::Recv(Recv { lane, .. }), ..] = sent[..] else { panic!("nothing was sent") };
    (talk, sent, lane)
}

/// A sender that put four messages on a link, took some back, and then hears where the receiver stands.
fn sender_case(what: &str, taken_back: &[usize], hwm: u64, chain: Chain, again: Option<(u64, Chain)>) -> Value {
    let (mut talk, sent, lane) = sender();
    for n in taken_back {
        talk.turn(Input::Chat(ChatInput::Cancel { request: 1, peer: talk.peer, mid: talk.queued[n - 1] }));
    }
    let mut heard = hello(vec![LaneState { lane, hwm, chain }]);
    let mut first = Value::Null;
    if let Some((hwm, chain)) = again {
        first = text(&heard);
        talk.hear(heard);
        heard = hello(vec![LaneState { lane, hwm, chain }]);
    }
    let said = talk.hear(heard.clone());
    let delivered: Vec<_> = talk.delivered.iter().map(|mid| talk.place(*mid) + 1).collect();
    json!({
        "what": what,
        "sent": texts(&sent),
        "taken_back": taken_back,
        "hears_first": first,
        "hears": text(&heard),
        "delivered": delivered,
        "says": texts(&said),
    })
}

#[test]
fn a_sender() {
    let cases = [
        sender_case("nothing arrived", &[], 0, Chain::EMPTY, None),
        sender_case("two arrived", &[], 2, chain(&[true; 2]), None),
        sender_case("all arrived", &[], 4, chain(&[true; 4]), None),
        sender_case("the second was taken back before it arrived", &[2], 1, chain(&[true]), None),
        sender_case("it was skipped", &[2], 3, chain(&[true, false, true]), None),
        sender_case("it was taken back too late", &[2], 3, chain(&[true; 3]), None),
        sender_case("of two, one was too late", &[1, 3], 3, chain(&[true, true, false]), None),
        sender_case("another history", &[], 2, Chain([9; 16]), None),
        sender_case("another history, one is taken back", &[1], 2, Chain([9; 16]), None),
        sender_case("more than was ever sent", &[], 5, Chain([9; 16]), None),
        sender_case("the receiver forgot two", &[], 3, chain(&[true; 3]), Some((1, chain(&[true])))),
        sender_case("the receiver forgot the lane", &[], 3, chain(&[true; 3]), Some((0, Chain::EMPTY))),
        sender_case(
            "the receiver forgot two, whatever its digest is",
            &[],
            3,
            chain(&[true; 3]),
            Some((1, Chain([9; 16]))),
        ),
        sender_case("nothing arrived, with a digest of something", &[], 0, Chain([9; 16]), None),
    ];
    compare("sender", &json!(cases.to_vec()));
}

/// What the user takes back and the receiver says, step by step; `None` of a lane is the sender's own.
enum Step {
    TakesBack(usize),
    Ack(u64, Chain),
    AckOfAnotherLane,
    /// A HELLO with the lane in this state, and behind it in another one.
    HelloTwice(u64, Chain),
    Hello(u64, Chain),
    Answer(ContactState),
}

/// A sender that put four messages on a link, and what happens then on it, step by step.
fn talk_case(what: &str, steps: &[Step]) -> Value {
    let (mut talk, sent, lane) = sender();
    let mut table = Vec::new();
    for step in steps {
        let before = talk.delivered.len();
        let mut row = json!({});
        let says = match *step {
            Step::TakesBack(n) => {
                row["takes_back"] = n.into();
                talk.turn(Input::Chat(ChatInput::Cancel { request: 1, peer: talk.peer, mid: talk.queued[n - 1] }))
            }
            ref heard => {
                let message = match *heard {
                    Step::Ack(hwm, chain) => PeerMessage::Ack(LaneState { lane, hwm, chain }),
                    Step::HelloTwice(hwm, chain) => {
                        let other = LaneState { lane, hwm: 4, chain: Chain([9; 16]) };
                        hello(vec![LaneState { lane, hwm, chain }, other])
                    }
                    Step::Hello(hwm, chain) => hello(vec![LaneState { lane, hwm, chain }]),
                    Step::Answer(st) => PeerMessage::ContactRes(ContactRes { st }),
                    Step::AckOfAnotherLane | Step::TakesBack(_) => {
                        PeerMessage::Ack(LaneState { lane: LaneId([0x77; 8]), hwm: 4, chain: Chain([9; 16]) })
                    }
                };
                row["hears"] = text(&message);
                talk.hear(message)
            }
        };
        row["delivered"] = talk.delivered[before..].iter().map(|mid| talk.place(*mid) + 1).collect();
        row["says"] = texts(&says).into();
        table.push(row);
    }
    json!({ "what": what, "sent": texts(&sent), "steps": table })
}

#[test]
fn a_talk() {
    use Step::{Ack, AckOfAnotherLane, Answer, Hello, HelloTwice, TakesBack};
    let (all, other) = (|n: usize| chain(&[true; 4][..n]), Chain([9; 16]));
    let (accepted, pending) = (Answer(ContactState::Accepted), Answer(ContactState::Pending));
    let cases = [
        talk_case("acknowledged in two steps", &[Ack(1, all(1)), Ack(4, all(4)), Ack(4, all(4))]),
        talk_case("an old acknowledgement says nothing, whatever its digest is", &[Ack(3, all(3)), Ack(1, other)]),
        talk_case("an acknowledgement of another lane says nothing", &[AckOfAnotherLane]),
        talk_case("an acknowledgement of another history", &[Ack(1, all(1)), Ack(2, other)]),
        talk_case("an acknowledgement of what was never said", &[Ack(5, other)]),
        talk_case("taken back in flight, and it had arrived", &[TakesBack(2), Ack(2, all(2)), Ack(4, all(4))]),
        talk_case("taken back in flight, and nothing has arrived", &[TakesBack(2), Hello(0, Chain::EMPTY)]),
        talk_case(
            "taken back in flight, and the receiver does not know yet",
            &[TakesBack(3), Ack(2, all(2)), Hello(2, all(2)), Ack(4, chain(&[true, true, false, true]))],
        ),
        talk_case("a lane twice in HELLO: the first counts", &[HelloTwice(2, all(2))]),
        talk_case("a HELLO makes what flies fly once more", &[Hello(1, all(1))]),
        talk_case(
            "no more accepted, and accepted again without a HELLO: from what was acknowledged last",
            &[Ack(2, all(2)), pending, accepted],
        ),
    ];
    compare("talk", &json!(cases.to_vec()));
}

#[test]
fn a_receiver() {
    let lane = LaneId([0x11; 8]);
    let mids = ids();
    let recv = |lane, seq: u64, prev, mid: MessageId| {
        PeerMessage::Recv(Recv { lane, seq, prev, mid, sent: SENT_S, body: Body::Text { text: "hi".into() } })
    };
    let skip_of = |lane, to, chain, why| PeerMessage::Skip(Skip { lane, to, chain, why });
    let skip = |to, chain, why| skip_of(lane, to, chain, why);
    let other = LaneId([0x22; 8]);
    let one = chain(&[true]);
    let two = chain(&[true, false]);
    let steps = [
        ("the first message", recv(lane, 1, Chain::EMPTY, mids[0])),
        ("again", recv(lane, 1, Chain::EMPTY, mids[0])),
        ("a number is missing", recv(lane, 3, one, mids[2])),
        ("what still flew after it is dropped in silence", recv(lane, 4, one, mids[3])),
        ("the next number, another history", recv(lane, 2, Chain([9; 16]), mids[1])),
        ("a skip that leaves a gap is dropped too", skip(3, Chain([9; 16]), SkipReason::Withdrawn)),
        ("the next number is taken back", skip(2, two, SkipReason::Withdrawn)),
        ("the message after it", recv(lane, 3, two, mids[2])),
        ("a skip of what is there already", skip(2, two, SkipReason::Expired)),
        ("a gap is told once after every progress", recv(lane, 9, one, mids[3])),
        ("numbers that were lost may jump", skip(7, Chain([7; 16]), SkipReason::Lost)),
        ("on from there", recv(lane, 8, Chain([7; 16]), mids[3])),
        ("another lane of the same peer", recv(other, 1, Chain::EMPTY, mids[3])),
        (
            "an invalid nickname is none",
            PeerMessage::ContactReq(ContactReq { nick: "system".into(), text: String::new(), invite: None }),
        ),
        ("a question, whoever asks", PeerMessage::Ping(Nonce { n: 7 })),
        ("another gap after a message was stored", recv(lane, 20, one, mids[2])),
        ("a gap of another lane on this link is not told again", recv(other, 9, one, mids[2])),
        ("a skip in its turn", skip_of(other, 2, Chain([7; 16]), SkipReason::Expired)),
        ("a skip is no message, so the next gap is not told either", recv(other, 9, one, mids[2])),
        ("numbers are lost up to the last one that there is", skip(MAX, Chain([8; 16]), SkipReason::Lost)),
        ("no number follows it", recv(lane, MAX, Chain([8; 16]), mids[2])),
        ("its last words", PeerMessage::Bye(Bye { why: ByeReason::Idle })),
        ("a message behind them is not taken", recv(LaneId([0x22; 8]), 2, chain(&[]).next(mids[3]), mids[0])),
        (
            "nor is a request",
            PeerMessage::ContactReq(ContactReq { nick: String::new(), text: String::new(), invite: None }),
        ),
    ];
    let mut tables = Vec::new();
    for contact in [true, false] {
        let mut talk = Talk::new(contact);
        // What the node says of its run belongs to another chapter, and its last turn wrote the run down.
        talk.turn(Input::Network(NetworkInput::State { usable: false }));
        let first_words = texts(&talk.link_up());
        let mut table = Vec::new();
        for (what, hears) in &steps {
            let says = talk.hear(hears.clone());
            table.push(json!({ "what": what, "hears": text(hears), "says": texts(&says) }));
        }
        assert_eq!(talk.marks, if contact { vec![4, MAX - 8] } else { vec![] });
        tables.push(json!({ "first_words": first_words, "steps": table }));
    }
    let [by_contact, by_stranger] = &tables[..] else { unreachable!() };
    compare("receiver", &json!({ "from_a_contact": by_contact, "from_a_stranger": by_stranger }));
}
