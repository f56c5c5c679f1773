//! One daemon of the two: its core, its disk, what its clients were told, and the checks of both.

use super::store::{State, Store};
use crate::generate::Dice;
use crate::script::Script;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use torchat_core::effect::{ChatEffect, Effect, LinkEffect, NetworkEffect};
use torchat_core::input::{
    Answer, ChatInput, ContactChange, ContactInput, Input, LinkId, LinkInput, NetworkInput, RequestId,
};
use torchat_core::node::Node;
use torchat_core::op::{ChatOp, Op};
use torchat_core::policy::{Policy, RequestPolicy};
use torchat_core::time::Now;
use torchat_core::turn::Turn;
use torchat_protocol::id::{Chain, MessageId, PeerId};
use torchat_protocol::message::{Body, Bye, LaneState, PeerMessage, Recv};

/// Longest unread text of one peer, so that the limit is met often.
const UNREAD_BYTES: u64 = 5_000;

/// How a turn ends.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Fine,
    /// The process is killed before the transaction.
    DiesBeforeCommit,
    /// It is killed after the transaction, and said nothing of it.
    DiesAfterCommit,
    /// The store takes nothing.
    StoreFails,
}

impl Fate {
    /// Mostly fine.
    pub(super) fn read(script: &mut Script<'_>) -> Self {
        match script.byte() {
            0..=219 => Self::Fine,
            220..=231 => Self::DiesBeforeCommit,
            232..=243 => Self::DiesAfterCommit,
            _ => Self::StoreFails,
        }
    }
}

/// What a daemon does that others notice.
pub(super) enum Said {
    Bytes(LinkId, Vec<u8>),
    Close(LinkId),
    DropDials,
    SelfCheck,
}

enum Asked {
    Text(String),
    Cancel(MessageId),
}

pub(super) struct Daemon {
    pub(super) id: PeerId,
    pub(super) node: Node,
    pub(super) store: Store,
    /// Dials that run.
    pub(super) dials: VecDeque<PeerId>,
    policy: Policy,
    dice: Dice,
    network: bool,
    writable: bool,
    next: u64,
    asked: BTreeMap<RequestId, Asked>,
    /// Who is at the other end of each link that there ever was.
    links: BTreeMap<LinkId, PeerId>,
    /// Messages that a client was told are queued.
    accepted: BTreeSet<MessageId>,
    /// Messages that were to be taken back. What came of it may not have been said, when the process died.
    asked_back: BTreeSet<MessageId>,
    /// Messages that a client was told are taken back, and whether they had certainly not left.
    taken_back: BTreeMap<MessageId, bool>,
}

impl Daemon {
    pub(super) fn new(id: PeerId, seed: u64, now: Now) -> Self {
        let mut dice = Dice::new(seed ^ u64::from(id.as_bytes()[0]) << 8);
        let policy = Policy {
            unread_bytes_per_peer: UNREAD_BYTES,
            unread_bytes_total: 3 * UNREAD_BYTES,
            outbox_messages_per_contact: 40,
            outbox_bytes_total: 4_000,
            stranger_links: 3,
            requests: RequestPolicy { waiting: 2, ..RequestPolicy::default() },
            ..Policy::default()
        };
        let store = Store::default();
        let node = Node::new(id, policy.clone(), store.snapshot(), now, &mut |out: &mut [u8]| dice.fill(out));
        Self {
            id,
            node,
            store,
            dials: VecDeque::new(),
            policy,
            dice,
            network: false,
            writable: true,
            next: 0,
            asked: BTreeMap::new(),
            links: BTreeMap::new(),
            accepted: BTreeSet::new(),
            asked_back: BTreeSet::new(),
            taken_back: BTreeMap::new(),
        }
    }

    pub(super) fn request(&mut self) -> RequestId {
        self.next += 1;
        self.next
    }

    /// A text that there was never before, and the request to send it. One that is longer than a peer's unread texts may
    /// be could never be taken, so a length is far below that, or above every limit.
    pub(super) fn new_text(&mut self, length: usize) -> (RequestId, String) {
        let request = self.request();
        let text = format!("{request}{}", "x".repeat(length));
        self.asked.insert(request, Asked::Text(text.clone()));
        (request, text)
    }

    pub(super) fn request_to_cancel(&mut self, mid: MessageId) -> RequestId {
        let request = self.request();
        self.asked.insert(request, Asked::Cancel(mid));
        request
    }

    /// The texts that are queued, in short.
    pub(super) fn owed(&self) -> Vec<String> {
        let queued = self.store.sent.iter().filter(|sent| sent.state == State::Queued);
        queued.map(|sent| format!("{:?} {:.8}", sent.peer, sent.text)).collect()
    }

    /// One turn: the core, the transaction, and then what it says. `None`: the process or its streams are gone.
    pub(super) fn turn(
        &mut self,
        now: Now,
        inputs: Vec<Input>,
        fate: Fate,
        other: &Store,
        other_id: PeerId,
    ) -> Option<Vec<Said>> {
        let mut came = Vec::new();
        for input in &inputs {
            match input {
                Input::Link(LinkInput::Message { link, message: PeerMessage::Recv(recv) }) => {
                    came.push((self.links.get(link).copied(), recv.lane, recv.seq, recv.mid, recv.prev));
                }
                Input::Network(NetworkInput::State { usable }) => self.network = *usable,
                Input::Storage { writable } => self.writable = *writable,
                Input::Link(LinkInput::Up { link, peer, .. }) => drop(self.links.insert(*link, *peer)),
                Input::Chat(ChatInput::Cancel { mid, .. }) => drop(self.asked_back.insert(*mid)),
                Input::Contacts(ContactInput::Change {
                    peer,
                    change: ContactChange::Remove | ContactChange::Block,
                    ..
                }) => {
                    self.asked_back
                        .extend(self.store.sent.iter().filter(|sent| sent.peer == *peer).map(|sent| sent.mid));
                }
                _ => {}
            }
        }
        let dice = &mut self.dice;
        let Turn { ops, effects } = self.node.turn(now, &mut |out: &mut [u8]| dice.fill(out), inputs);
        match fate {
            Fate::DiesBeforeCommit => {
                self.restart(now);
                return None;
            }
            Fate::StoreFails if !ops.is_empty() => {
                self.rebuild(now);
                self.writable = false;
                self.node.resume(self.network, false);
                return None;
            }
            Fate::Fine | Fate::DiesAfterCommit | Fate::StoreFails => {}
        }
        for op in ops {
            if let Op::Chat(ChatOp::Receive { peer, lane, seq, mid, .. }) = &op {
                let before = self.store.in_lanes(peer).iter().find(|state| state.lane == *lane);
                let before = before.map_or(Chain::EMPTY, |state| state.chain);
                let asked = (Some(*peer), *lane, *seq, *mid, before);
                assert!(came.contains(&asked), "nobody said that this follows what is stored");
            }
            self.commit(op, other, other_id);
        }
        for (peer, bytes) in std::mem::take(&mut self.store.freed) {
            self.node.freed(&peer, bytes);
        }
        if fate == Fate::DiesAfterCommit {
            self.restart(now);
            return None;
        }
        Some(effects.into_iter().flat_map(|effect| self.act(effect, other, other_id)).collect())
    }

    fn restart(&mut self, now: Now) {
        self.rebuild(now);
        self.dials.clear();
        self.writable = true;
        self.node.resume(self.network, true);
    }

    /// Another node from what the disk says. Dials that run go on, and end in an answer to the new node.
    fn rebuild(&mut self, now: Now) {
        // Requests without an answer may have happened or not.
        self.asked.clear();
        let dice = &mut self.dice;
        let snapshot = self.store.snapshot();
        self.node = Node::new(self.id, self.policy.clone(), snapshot, now, &mut |out: &mut [u8]| dice.fill(out));
    }

    fn commit(&mut self, op: Op, other: &Store, other_id: PeerId) {
        let comes = if let Op::Chat(ChatOp::Receive { peer, mid, text, .. }) = &op {
            Some((*peer, *mid, text.clone()))
        } else {
            None
        };
        let new = self.store.apply(op);
        let Some((peer, mid, text)) = comes else { return };
        assert!(self.store.unread_bytes(&peer) <= UNREAD_BYTES, "more unread than is allowed");
        if peer != other_id {
            return;
        }
        let place = other.sent.iter().position(|sent| sent.mid == mid && sent.peer == self.id);
        let Some(place) = place else { panic!("a message that nobody has stored: {text:.20}") };
        assert_eq!(other.sent[place].text, text, "the text that was sent");
        let before = new.and_then(|new| self.store.received[..new].iter().rev().find(|row| row.peer == peer));
        let before = before.and_then(|row| other.sent.iter().position(|sent| sent.mid == row.mid));
        assert!(before.is_none_or(|before| before < place), "a younger message is there already");
    }

    fn act(&mut self, effect: Effect, other: &Store, other_id: PeerId) -> Vec<Said> {
        match effect {
            Effect::Answer { request, answer } => self.answered(request, &answer),
            Effect::Link(LinkEffect::Say { link, message }) => {
                self.check_said(link, &message);
                return vec![Said::Bytes(link, wire(&message))];
            }
            Effect::Link(LinkEffect::Transmit { link, peer, lane, first, prev, count }) => {
                let rows = self.store.outgoing(&peer, lane, first, count);
                assert_eq!(rows.len() as u64, count, "what is to be transmitted is stored");
                let mut before = prev;
                let messages = (first..).zip(rows).map(|(seq, sent)| {
                    assert_eq!(sent.seq, seq, "without gaps");
                    let prev = before;
                    before = before.next(sent.mid);
                    let body = Body::Text { text: sent.text.clone() };
                    Said::Bytes(link, wire(&PeerMessage::Recv(Recv { lane, seq, prev, mid: sent.mid, sent: 0, body })))
                });
                return messages.collect();
            }
            Effect::Link(LinkEffect::Close { link, bye }) => {
                let bye = bye.map(|why| Said::Bytes(link, wire(&PeerMessage::Bye(Bye { why }))));
                return bye.into_iter().chain([Said::Close(link)]).collect();
            }
            Effect::Network(NetworkEffect::Dial { peer, .. }) => self.dials.push_back(peer),
            Effect::Network(NetworkEffect::DropDials) => return vec![Said::DropDials],
            Effect::Network(NetworkEffect::SelfCheck) => return vec![Said::SelfCheck],
            Effect::Chat(ChatEffect::TakenBack { mids, .. }) => {
                for mid in mids {
                    self.taken_back.entry(mid).or_insert(false);
                }
            }
            Effect::Chat(ChatEffect::Delivered { peer, mids }) if peer == other_id => {
                for mid in mids {
                    let there = other.received.iter().any(|row| row.mid == mid && row.peer == self.id);
                    assert!(there, "delivered before it is stored");
                }
            }
            Effect::Chat(ChatEffect::Delivered { .. })
            | Effect::Network(NetworkEffect::Renew)
            | Effect::Network(NetworkEffect::Replace)
            | Effect::Notice(_) => {}
            Effect::Room(effect) => panic!("a daemon without rooms does something for one: {effect:?}"),
        }
        Vec::new()
    }

    fn answered(&mut self, request: RequestId, answer: &Answer) {
        match (self.asked.remove(&request), answer) {
            (Some(Asked::Text(text)), Answer::Queued(mid)) => {
                let kept = self.store.sent.iter().any(|sent| sent.mid == *mid && sent.text == text);
                assert!(kept, "queued before it is stored");
                self.accepted.insert(*mid);
            }
            (Some(Asked::Text(text)), Answer::Refused(_)) => {
                assert!(!self.store.sent.iter().any(|sent| sent.text == text), "refused, and kept");
            }
            (Some(Asked::Cancel(mid)), Answer::TakenBack { certain }) => drop(self.taken_back.insert(mid, *certain)),
            (Some(Asked::Text(_)), other) => panic!("a SEND is answered {other:?}"),
            _ => {}
        }
    }

    /// Acknowledged is only what is on the disk.
    fn check_said(&self, link: LinkId, message: &PeerMessage) {
        let Some(peer) = self.links.get(&link) else { panic!("something is said over no link") };
        let states: &[LaneState] = match message {
            PeerMessage::Ack(state) => std::slice::from_ref(state),
            PeerMessage::Hello(hello) => &hello.lanes,
            _ => &[],
        };
        for said in states {
            // In the middle of a turn it is said where the lane stood then.
            assert!(said.hwm <= self.store.highest(peer, said.lane), "acknowledged before it is stored");
            let stored =
                self.store.in_lanes(peer).iter().find(|state| (state.lane, state.hwm) == (said.lane, said.hwm));
            assert!(stored.is_none_or(|stored| stored == said), "another history than the one that is stored");
        }
    }

    /// What must hold when everything has settled.
    pub(super) fn check(&self, other: &Self) {
        let there = |mid: &MessageId| other.store.received.iter().filter(|row| row.mid == *mid).count();
        for sent in self.store.sent.iter().filter(|sent| sent.peer == other.id) {
            let (count, mid) = (there(&sent.mid), &sent.mid);
            assert!(count <= 1, "a message twice");
            match sent.state {
                State::Delivered => assert_eq!(count, 1, "delivered, and not there"),
                State::Queued => panic!("still queued"),
                State::Open(_) | State::Gone => {
                    assert!(self.asked_back.contains(mid), "given up unasked");
                    assert!(count == 0 || self.taken_back.get(mid) != Some(&true), "it had left after all");
                }
            }
        }
        let kept: BTreeSet<_> = self.store.sent.iter().map(|sent| sent.mid).collect();
        assert!(self.accepted.is_subset(&kept), "accepted, and forgotten");
        assert_eq!(self.store.marks_of(&other.id), 0, "nothing was lost, so nothing is marked");
        assert!(self.store.is_contact(&other.id));
    }
}

/// As it goes over the link: what the core says can be read.
fn wire(message: &PeerMessage) -> Vec<u8> {
    let bytes = message.encode();
    assert_eq!(PeerMessage::decode(&bytes).as_ref(), Ok(message), "what the core says is read back");
    bytes
}
