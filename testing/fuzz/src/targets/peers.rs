//! Two daemons' cores, their disks, the streams between them, and a third peer that is authenticated and hostile: the
//! input is the script of what happens.
//!
//! The promise: whatever is sent, lost, cut, crashed, refused, taken back or forged, a message that was accepted arrives
//! once and in order, or was taken back; nothing is acknowledged or said to be delivered before it is stored; nothing that
//! the third says touches what the two have; and when nothing stands in the way any more, everything arrives.

mod daemon;
mod store;

use crate::Seen;
use crate::generate::Dice;
use crate::script::Script;
use daemon::{Daemon, Fate, Said};
use std::collections::VecDeque;
use torchat_core::handshake::LocalIdentity;
use torchat_core::input::{
    ChatInput, ContactChange, ContactInput, DialFailure, EndedBy, Input, LinkId, LinkInput, NetworkInput, PeerDid,
};
use torchat_core::time::Now;
use torchat_protocol::id::{Chain, MessageId, PeerId};
use torchat_protocol::message::{Body, LaneState, PeerMessage, Recv, Skip, SkipReason};
use torchat_protocol::purpose::Purpose;

/// The number of the hostile peer; the two honest ones are 0 and 1.
const HOSTILE: usize = 2;
/// Rounds in which all must have arrived once nothing stands in the way. Each is at most 15 s long.
const ROUNDS: usize = 600;

fn id_of(n: usize) -> PeerId {
    static IDS: std::sync::OnceLock<Vec<PeerId>> = std::sync::OnceLock::new();
    let made = IDS.get_or_init(|| {
        let identity = |n: u8| LocalIdentity::from_seeds(&[n; 32], &[n; 32], 0).ok();
        (11..=13).filter_map(identity).map(|identity| identity.peer_id()).collect()
    });
    made[n]
}

/// What lies in a stream.
enum Packet {
    Bytes(Vec<u8>),
    End,
}

/// One end of a stream.
struct End {
    at: usize,
    id: LinkId,
    up: bool,
    /// Asked to end; the daemon is told that it did a while later.
    closing: bool,
    /// What comes towards it.
    coming: VecDeque<Packet>,
}

struct World {
    daemons: [Daemon; 2],
    streams: Vec<[End; 2]>,
    next_link: u64,
    now: Now,
    dice: Dice,
}

/// The bytes as a script for two daemons and a hostile third.
///
/// # Panics
/// When a promise of the module's description is broken.
pub fn script(data: &[u8]) -> Seen {
    let mut script = Script::new(data);
    let mut world = World::new(&mut script);
    // A script of any length: the mutations bound it, and libFuzzer does.
    while !script.is_over() {
        world.step(&mut script);
    }
    world.settle();
    world.check();
    if world.daemons.iter().all(|daemon| daemon.store.received.is_empty()) { Seen::Refused } else { Seen::Taken }
}

impl World {
    fn new(script: &mut Script<'_>) -> Self {
        let now = Now { wall_ms: 1_790_000_000_000, mono_ms: 1_000_000 };
        let shape = script.byte();
        let daemons = [0, 1].map(|n| Daemon::new(id_of(n), u64::from(shape), now));
        let mut world = Self { daemons, streams: Vec::new(), next_link: 1, now, dice: Dice::new(u64::from(shape)) };
        for at in 0..2 {
            world.turn(at, vec![Input::Network(NetworkInput::State { usable: true })]);
            world.contact(at, id_of(1 - at), ContactChange::Add(Default::default()));
        }
        // Sometimes the third is a contact too, who may do more than a stranger.
        if shape & 1 == 1 {
            world.contact(0, id_of(HOSTILE), ContactChange::Add(Default::default()));
        }
        world
    }

    fn turn(&mut self, at: usize, inputs: Vec<Input>) {
        self.turn_with(at, inputs, Fate::Fine);
    }

    /// One turn of a daemon, and what comes of it.
    fn turn_with(&mut self, at: usize, inputs: Vec<Input>, fate: Fate) {
        let [a, b] = &mut self.daemons;
        let (daemon, other) = if at == 0 { (a, b) } else { (b, a) };
        let Some(said) = daemon.turn(self.now, inputs, fate, &other.store, other.id) else {
            // It died, or lost its store: all its streams end, with what was written before.
            for stream in &mut self.streams {
                lose(stream, at);
            }
            return;
        };
        let mut again = Vec::new();
        for said in said {
            match said {
                Said::Bytes(link, bytes) => self.put(at, link, Packet::Bytes(bytes)),
                Said::Close(link) => self.put(at, link, Packet::End),
                Said::DropDials => {
                    let dials = std::mem::take(&mut self.daemons[at].dials);
                    again.extend(dials.into_iter().map(|peer| failed(peer, DialFailure::Timeout)));
                }
                Said::SelfCheck => again.push(Input::Network(NetworkInput::SelfChecked { failure: None })),
            }
        }
        if !again.is_empty() {
            self.turn(at, again);
        }
    }

    fn put(&mut self, at: usize, link: LinkId, packet: Packet) {
        for [a, b] in &mut self.streams {
            let (own, far) = if (a.at, a.id) == (at, link) { (a, b) } else { (b, a) };
            if (own.at, own.id) == (at, link) && own.up && !own.closing {
                own.closing = matches!(packet, Packet::End);
                if far.up {
                    far.coming.push_back(packet);
                }
                return;
            }
        }
    }

    /// A stream from one to another, both of which are proven to each other.
    fn connect(&mut self, from: usize, to: usize) {
        let mut binding = [0; 32];
        self.dice.fill(&mut binding);
        let ends = [from, to].map(|at| {
            self.next_link += 1;
            End { at, id: LinkId(self.next_link), up: true, closing: false, coming: VecDeque::new() }
        });
        let ids = [ends[0].id, ends[1].id];
        self.streams.push(ends);
        for (n, at, peer) in [(0, from, to), (1, to, from)] {
            if at != HOSTILE {
                let (link, peer, outgoing) = (ids[n], id_of(peer), n == 0);
                self.turn(at, vec![Input::Link(LinkInput::Up { link, peer, outgoing, binding, epoch: 1 })]);
            }
        }
    }

    /// Takes up to `count` packets out of a stream at one end, as one turn.
    fn deliver(&mut self, stream: usize, side: usize, count: usize, fate: Fate) {
        let Some(end) = self.streams.get_mut(stream).map(|ends| &mut ends[side]) else { return };
        let at = end.at;
        let mut inputs = Vec::new();
        for _ in 0..count {
            let Some(packet) = end.coming.pop_front().filter(|_| end.up) else { break };
            match packet {
                Packet::Bytes(bytes) => match PeerMessage::decode(&bytes) {
                    Ok(message) => inputs.push(Input::Link(LinkInput::Message { link: end.id, message })),
                    Err(_) => end.hang_up(&mut inputs, EndedBy::Peer(PeerDid::BreakProtocol)),
                },
                Packet::End => end.hang_up(&mut inputs, EndedBy::Peer(PeerDid::End)),
            }
        }
        if at != HOSTILE && !inputs.is_empty() {
            self.turn_with(at, inputs, fate);
        }
    }

    /// Tells the daemons of the streams that they closed; drops those that are over at both ends.
    fn reap(&mut self) {
        let closing = self.streams.iter_mut().flatten().filter(|end| end.up && end.closing);
        let mut over = Vec::new();
        for end in closing {
            let mut inputs = Vec::new();
            end.hang_up(&mut inputs, EndedBy::Us);
            over.push((end.at, inputs));
        }
        for (at, inputs) in over {
            if at != HOSTILE {
                self.turn(at, inputs);
            }
        }
        self.streams.retain(|ends| ends.iter().any(|end| end.up));
    }

    fn contact(&mut self, at: usize, peer: PeerId, change: ContactChange) {
        let request = self.daemons[at].request();
        self.turn(at, vec![Input::Contacts(ContactInput::Change { request, peer, change })]);
    }

    /// A dial of this daemon ends.
    fn end_dial(&mut self, at: usize, failure: Option<DialFailure>) {
        let Some(peer) = self.daemons[at].dials.pop_front() else { return };
        match (failure, (0..3).find(|n| id_of(*n) == peer)) {
            (None, Some(to)) => self.connect(at, to),
            (failure, _) => self.turn(at, vec![failed(peer, failure.unwrap_or(DialFailure::PeerDown))]),
        }
    }

    fn pass(&mut self, ms: u32) {
        self.now.mono_ms += u64::from(ms);
        self.now.wall_ms += i64::from(ms);
        for at in 0..2 {
            self.turn(at, Vec::new());
        }
    }

    fn step(&mut self, script: &mut Script<'_>) {
        let (what, at) = (script.byte(), script.below(2));
        match what % 24 {
            0..=3 => self.send(at, script),
            4..=8 => {
                let (stream, side) = (script.below(self.streams.len()), script.below(2));
                let (count, fate) = (1 + script.below(6), Fate::read(script));
                self.deliver(stream, side, count, fate);
            }
            9 => self.deliver_all(),
            10 | 11 => self.end_dial(at, None),
            12 => {
                use DialFailure::{Handshake, NoNetwork, PeerDown, Permanent, Timeout};
                let failure =
                    [PeerDown, NoNetwork, Timeout, Handshake(EndedBy::Peer(PeerDid::End)), Permanent][script.below(5)];
                self.end_dial(at, Some(failure));
            }
            13 => {
                let stream = script.below(self.streams.len());
                let kept = [script.below(8), script.below(8)];
                if let Some(ends) = self.streams.get_mut(stream) {
                    for (end, kept) in ends.iter_mut().zip(kept) {
                        end.coming.truncate(kept);
                        end.coming.push_back(Packet::End);
                    }
                }
            }
            14 | 15 => {
                let step = [10, 1_000, 5_000, 15_000, 40_000, 120_000, 900_000][script.below(7)];
                self.pass(step + u32::from(script.byte()));
            }
            16 => self.cancel(at, script),
            17 => self.read(at, 1 + script.below(4)),
            18 => {
                let input = match script.below(6) {
                    0 | 1 => Input::Storage { writable: false },
                    2 => Input::Storage { writable: true },
                    3 => Input::Network(NetworkInput::State { usable: false }),
                    4 => Input::Network(NetworkInput::State { usable: true }),
                    _ => Input::Stop,
                };
                let stops = input == Input::Stop;
                self.turn_with(at, vec![input], Fate::read(script));
                if stops {
                    self.turn_with(at, Vec::new(), Fate::DiesAfterCommit);
                }
            }
            19 => {
                let peer = id_of([1 - at, HOSTILE][script.below(2)]);
                let change = change(script);
                self.contact(at, peer, change);
            }
            20 => self.reap(),
            21 => self.connect(HOSTILE, at),
            _ => self.hostile_says(script),
        }
    }

    fn send(&mut self, at: usize, script: &mut Script<'_>) {
        let to = if script.byte() > 240 { HOSTILE } else { 1 - at };
        let length = [0, 30, 150, 590, 70_000][usize::from(script.byte()) % 5];
        let daemon = &mut self.daemons[at];
        let (request, text) = daemon.new_text(length);
        self.turn_with(
            at,
            vec![Input::Chat(ChatInput::Send { request, peer: id_of(to), text, client: None, expire_ms: None })],
            Fate::read(script),
        );
    }

    fn cancel(&mut self, at: usize, script: &mut Script<'_>) {
        let (which, many) = (script.byte(), script.byte() > 200);
        let daemon = &mut self.daemons[at];
        let count = daemon.store.sent.len();
        let chosen: Vec<_> = match count.checked_sub(1 + usize::from(which) % count.max(1)) {
            Some(last) if !many => daemon.store.sent[last..=last].to_vec(),
            Some(last) => daemon.store.sent[..last].iter().rev().step_by(2).take(16).cloned().collect(),
            None => return,
        };
        let inputs = chosen.into_iter().map(|sent| {
            let request = daemon.request_to_cancel(sent.mid);
            Input::Chat(ChatInput::Cancel { request, peer: sent.peer, mid: sent.mid })
        });
        let inputs = inputs.collect();
        self.turn_with(at, inputs, Fate::read(script));
    }

    /// A client takes the oldest unread messages.
    fn read(&mut self, at: usize, count: usize) {
        let daemon = &mut self.daemons[at];
        let rows = daemon.store.received.iter().zip(0i64..).filter(|(row, _)| !row.read).take(count);
        let rows: Vec<_> = rows.map(|(row, n)| (row.peer, n)).collect();
        let inputs = rows.into_iter().map(|(peer, row)| {
            let request = daemon.request();
            Input::Chat(ChatInput::Read { request, peer, row })
        });
        let inputs: Vec<_> = inputs.collect();
        if !inputs.is_empty() {
            self.turn(at, inputs);
        }
    }

    /// The third says what it likes over one of its streams; it may know all that the two know of their lanes.
    fn hostile_says(&mut self, script: &mut Script<'_>) {
        let streams = self.streams.iter().enumerate().flat_map(|(n, ends)| [(n, 0, &ends[0]), (n, 1, &ends[1])]);
        let own: Vec<_> =
            streams.filter(|(.., end)| end.at == HOSTILE && end.up).map(|(n, side, _)| (n, side)).collect();
        let Some(&(stream, side)) = own.get(script.below(own.len())) else { return };
        let victim = self.streams[stream][1 - side].at;
        let Some(daemon) = self.daemons.get(victim) else { return };
        let store = &daemon.store;
        let states: Vec<_> = store
            .in_lanes(&id_of(1 - victim))
            .iter()
            .chain(store.in_lanes(&id_of(HOSTILE)))
            .copied()
            .chain(store.out_lane(&id_of(1 - victim)))
            .chain(store.out_lane(&id_of(HOSTILE)))
            .collect();
        let mut state = states.get(script.below(states.len())).copied().unwrap_or_else(|| LaneState {
            lane: torchat_protocol::id::LaneId(script.array()),
            hwm: 0,
            chain: Chain::EMPTY,
        });
        // Around the true number.
        let number = [state.hwm, state.hwm + 1, state.hwm + 2, script.number()][script.below(4)];
        let bytes = match script.below(6) {
            0 | 1 => {
                let body = Body::Text { text: "x".repeat(script.below(500)) };
                let (lane, prev, mid) = (state.lane, state.chain, MessageId(script.array()));
                PeerMessage::Recv(Recv { lane, seq: number.clamp(1, 1 << 52), prev, mid, sent: 0, body }).encode()
            }
            2 => {
                state.hwm = number.min(1 << 52);
                PeerMessage::Ack(state).encode()
            }
            3 => {
                let why = [SkipReason::Lost, SkipReason::Withdrawn, SkipReason::Expired][script.below(3)];
                let to = number.clamp(1, 1 << 52);
                PeerMessage::Skip(Skip { lane: state.lane, to, chain: state.chain, why }).encode()
            }
            4 => super::message::build(script).encode(),
            _ => script.take(60).to_vec(),
        };
        self.streams[stream][1 - side].coming.push_back(Packet::Bytes(bytes));
        if script.byte() & 1 == 1 {
            self.deliver(stream, 1 - side, 8, Fate::Fine);
        }
    }

    fn deliver_all(&mut self) {
        // Answers cause answers; a hundred rounds are more than any exchange takes.
        for _ in 0..100 {
            let waiting: Vec<_> = (0..self.streams.len())
                .flat_map(|n| [(n, 0), (n, 1)])
                .filter(|(n, side)| !self.streams[*n][*side].coming.is_empty())
                .collect();
            if waiting.is_empty() {
                return;
            }
            for (n, side) in waiting {
                self.deliver(n, side, 64, Fate::Fine);
            }
            self.reap_the_dead();
        }
    }

    /// Streams of ends that are not up any more keep nothing.
    fn reap_the_dead(&mut self) {
        self.streams.iter_mut().flatten().filter(|end| !end.up).for_each(|end| end.coming.clear());
    }

    /// Nothing stands in the way any more, until everything has arrived.
    fn settle(&mut self) {
        for at in 0..2 {
            self.turn(
                at,
                vec![Input::Storage { writable: true }, Input::Network(NetworkInput::State { usable: true })],
            );
            self.contact(at, id_of(1 - at), ContactChange::Unblock);
            self.contact(at, id_of(1 - at), ContactChange::Appear { hidden: false });
            self.contact(at, id_of(1 - at), ContactChange::Add(Default::default()));
        }
        for _ in 0..ROUNDS {
            self.deliver_all();
            self.reap();
            for at in 0..2 {
                self.read(at, usize::MAX);
                while let Some(peer) = self.daemons[at].dials.front().copied() {
                    self.end_dial(at, (peer == id_of(HOSTILE)).then_some(DialFailure::PeerDown));
                }
            }
            if (0..2).all(|at| !self.daemons[at].store.owes(&id_of(1 - at))) {
                return;
            }
            let deadlines = self.daemons.iter().filter_map(|daemon| daemon.node.next_deadline());
            let next = deadlines.min().unwrap_or(u64::MAX).clamp(self.now.mono_ms + 1, self.now.mono_ms + 15_000);
            self.pass(u32::try_from(next - self.now.mono_ms).unwrap_or(1));
        }
        panic!("something still waits: {:?}", self.daemons.each_ref().map(|daemon| daemon.owed()));
    }

    /// What must hold at the end.
    fn check(&self) {
        let [a, b] = &self.daemons;
        a.check(b);
        b.check(a);
    }
}

impl End {
    fn hang_up(&mut self, inputs: &mut Vec<Input>, by: EndedBy) {
        if self.up {
            self.up = false;
            self.coming.clear();
            inputs.push(Input::Link(LinkInput::Down { link: self.id, end: by.into() }));
        }
    }
}

/// A daemon vanished from this stream.
fn lose(ends: &mut [End; 2], at: usize) {
    for n in 0..2 {
        if ends[n].at == at && ends[n].up {
            ends[n].up = false;
            ends[n].coming.clear();
            ends[1 - n].coming.push_back(Packet::End);
        }
    }
}

fn failed(peer: PeerId, failure: DialFailure) -> Input {
    Input::Network(NetworkInput::DialFailed { peer, purpose: Purpose::CHAT, end: failure.into() })
}

fn change(script: &mut Script<'_>) -> ContactChange {
    match script.below(9) {
        0 | 1 => ContactChange::Add(Default::default()),
        2 => ContactChange::Accept,
        3 => ContactChange::Refuse,
        4 => ContactChange::Block,
        5 => ContactChange::Unblock,
        6 => ContactChange::Rename((script.byte() & 1 == 1).then(|| "a name".to_owned())),
        7 => ContactChange::Remove,
        _ => ContactChange::Appear { hidden: script.byte() & 1 == 1 },
    }
}
