//! Several desks of rooms in one process: links and stores in memory, and a clock that leaps to the next thing to do.

use crate::disk::Disk;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use torchat_core::effect::{RoomAnswer, RoomEffect, RoomNotice};
use torchat_core::input::{LinkId, NewInvite, NewRoom, RoomAct, RoomCommand, RoomInput, RoomWish};
use torchat_core::op::RoomOp;
use torchat_core::policy::Policy;
use torchat_core::rooms::{Context, LinkNews, Rooms};
use torchat_core::snapshot::rooms::{
    HandRow, InviteRow, PetitionRow, RoomKeys, RoomSnapshot, RoomState, RoomsSnapshot, Tomb, Way,
};
use torchat_core::time::{Believed, Now};
use torchat_protocol::id::PeerId;
use torchat_protocol::message::{Bye, PeerMessage};
use torchat_protocol::room::body::acts::Policy as Rules;
use torchat_protocol::room::body::{BoundedText, Role};
use torchat_protocol::room::{BoxKey, CloseCode, Frame, Identity, InviteId, MemberNo, RoomId, RoomInvite, TextId};
use torchat_room::reading::{Read, Report, answer};
use torchat_room::replica::Me;

/// What is stored of a room.
#[derive(Clone)]
struct Row {
    disk: Disk,
    keys: RoomKeys,
    state: RoomState,
    way: Option<Way>,
    invites: BTreeMap<InviteId, InviteRow>,
    petitions: BTreeMap<Identity, PetitionRow>,
    bans: BTreeSet<Identity>,
    leavers: BTreeSet<MemberNo>,
    hand: Option<HandRow>,
    expiring: BTreeMap<TextId, i64>,
}

/// What is stored.
#[derive(Default, Clone)]
pub(crate) struct Store {
    rooms: BTreeMap<RoomId, Row>,
    past: BTreeMap<RoomId, RoomState>,
    tombs: BTreeMap<RoomId, Tomb>,
    epochs: BTreeMap<PeerId, u32>,
    clients: BTreeMap<String, RoomId>,
    /// What programs are told of, and what the user has set.
    pub(crate) told: Vec<RoomOp>,
}

impl Row {
    fn new(room: RoomId, keys: RoomKeys, log: torchat_protocol::room::LogId, way: Option<Way>) -> Self {
        Self {
            disk: Disk::new(room, Me { seed: keys.sign, chain: 0 }, log),
            keys,
            state: if way.is_some() { RoomState::Joining } else { RoomState::Member },
            way,
            invites: BTreeMap::new(),
            petitions: BTreeMap::new(),
            bans: BTreeSet::new(),
            leavers: BTreeSet::new(),
            hand: None,
            expiring: BTreeMap::new(),
        }
    }
}

impl Store {
    fn write(&mut self, op: RoomOp) {
        match op {
            RoomOp::Begin { room, keys, log, way } => {
                self.past.remove(&room);
                self.rooms.insert(room, Row::new(room, keys, log, way));
            }
            RoomOp::Replica { room, op } => self.row(room).disk.write(op),
            RoomOp::State { room, state } => {
                if state.is_active() {
                    let row = self.row(room);
                    row.state = state;
                    row.way = None;
                } else {
                    self.rooms.remove(&room);
                    self.past.insert(room, state);
                }
            }
            RoomOp::Bury(tomb) => {
                self.rooms.remove(&tomb.room);
                self.past.insert(tomb.room, RoomState::Destroyed);
                self.tombs.insert(tomb.room, tomb);
            }
            RoomOp::Unbury(room) => drop(self.tombs.remove(&room)),
            RoomOp::Invite { room, invite } => drop(self.row(room).invites.insert(invite.id, invite)),
            RoomOp::InviteGone { room, id } => drop(self.row(room).invites.remove(&id)),
            RoomOp::Petition { room, petition } => drop(self.row(room).petitions.insert(petition.id, petition)),
            RoomOp::PetitionGone { room, id } => drop(self.row(room).petitions.remove(&id)),
            RoomOp::Ban { room, id, banned } => {
                let bans = &mut self.row(room).bans;
                let changed = if banned { bans.insert(id) } else { bans.remove(&id) };
                assert!(changed, "a ban is written when it changes");
            }
            RoomOp::Leaver { room, member, leaves } => {
                let leavers = &mut self.row(room).leavers;
                let changed = if leaves { leavers.insert(member) } else { leavers.remove(&member) };
                assert!(changed, "a leaver is written when it changes");
            }
            RoomOp::Hand { room, hand } => self.row(room).hand = hand,
            RoomOp::Epoch { peer, epoch } => drop(self.epochs.insert(peer, epoch)),
            RoomOp::Expires { room, text, until_ms } => drop(self.row(room).expiring.insert(text, until_ms)),
            RoomOp::AskedBy { room, client } => drop(self.clients.insert(client, room)),
            op @ RoomOp::Failed { room, text } => {
                self.row(room).expiring.remove(&text);
                self.told.push(op);
            }
            op @ (RoomOp::Delivered { .. }
            | RoomOp::Client { .. }
            | RoomOp::Alias { .. }
            | RoomOp::Notify { .. }
            | RoomOp::Restand) => self.told.push(op),
        }
    }

    /// How many rooms that were destroyed are remembered.
    pub(crate) fn buried(&self) -> usize {
        self.tombs.len()
    }

    fn row(&mut self, room: RoomId) -> &mut Row {
        self.rooms.get_mut(&room).expect("only rooms that are there are written")
    }

    fn snapshot(&self) -> RoomsSnapshot {
        let rooms = self.rooms.values().map(|row| RoomSnapshot {
            stored: row.disk.stored(),
            state: row.state,
            sealing: BoxKey(curve25519_dalek::MontgomeryPoint::mul_base_clamped(row.keys.sealing).0),
            way: row.way.clone(),
            invites: row.invites.values().cloned().collect(),
            petitions: row.petitions.values().cloned().collect(),
            bans: row.bans.iter().copied().collect(),
            leavers: row.leavers.iter().copied().collect(),
            hand: row.hand,
            expiring: row.expiring.iter().map(|(text, until_ms)| (*text, *until_ms)).collect(),
        });
        RoomsSnapshot {
            rooms: rooms.collect(),
            past: self.past.iter().map(|(room, state)| (*room, *state)).collect(),
            tombs: self.tombs.values().cloned().collect(),
            clients: self.clients.iter().map(|(client, room)| (client.clone(), *room)).collect(),
            epochs: self.epochs.iter().map(|(peer, epoch)| (*peer, *epoch)).collect(),
        }
    }
}

/// What is on the way over a link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Wire {
    Frame(u16, Frame),
    Message(PeerMessage),
    End,
}

/// A look at the disk, and where what is found is said.
type Asked = (RoomId, Read, Option<(LinkId, u16)>);

pub(crate) struct Desk {
    pub(crate) rooms: Rooms,
    pub(crate) store: Store,
    pub(crate) notices: Vec<(RoomId, RoomNotice)>,
    answers: BTreeMap<u64, RoomAnswer>,
    reads: VecDeque<Asked>,
    /// How often it has closed a channel because of its own troubles.
    busy: usize,
    calls: BTreeMap<PeerId, Call>,
    /// How often each was dialled.
    pub(crate) dialled: BTreeMap<usize, u32>,
}

/// The dials of a peer. Who decides them in a daemon is no part of the desk.
#[derive(Default)]
struct Call {
    running: bool,
    not_before: u64,
    /// In a row.
    failures: u32,
}

impl Call {
    fn pause(&mut self, now: u64, ms: u64) {
        self.not_before = self.not_before.max(now + ms);
    }

    /// The pause after a failure: doubling, up to eight minutes.
    fn failed(&mut self, now: u64) {
        self.running = false;
        self.failures += 1;
        self.pause(now, (2_000 << self.failures.min(10)).min(480_000));
    }
}

/// Desks that are linked by a network.
pub(crate) struct Net {
    pub(crate) desks: Vec<Desk>,
    pub(crate) now_ms: u64,
    seed: u64,
    policy: Policy,
    /// Links: who has dialled whom.
    pub(crate) links: BTreeMap<LinkId, (usize, usize)>,
    wires: BTreeMap<(LinkId, usize), VecDeque<Wire>>,
    dials: VecDeque<(usize, PeerId)>,
    downs: VecDeque<(usize, LinkId)>,
    next_link: u64,
    next_request: u64,
    /// Who reaches nobody.
    pub(crate) absent: BTreeSet<usize>,
    /// Who hears nothing and whom nobody hears, without the end of a link.
    pub(crate) silent: BTreeSet<usize>,
    /// The clock is believed, and was set last at that moment.
    pub(crate) believes: bool,
    pub(crate) clock_set_ms: i64,
    /// Whose store takes no writes.
    pub(crate) full: BTreeSet<usize>,
    /// Those whose logs cannot be read.
    pub(crate) unreadable: BTreeSet<usize>,
    /// Everything that was said to somebody whom no desk serves.
    pub(crate) heard: Vec<(LinkId, Wire)>,
    /// Of so many turns one ends with the death of its process; 0: none.
    pub(crate) deaths: u64,
    pub(crate) died: u64,
    /// How often something was denied.
    pub(crate) denials: u64,
    /// How often a channel was ended because of a limit.
    pub(crate) limits: u64,
    /// How often a room was opened.
    pub(crate) opened: u64,
}

const WALL_MS: i64 = 1_790_000_000_000;

pub(crate) fn peer(n: usize) -> PeerId {
    let scalar = curve25519_dalek::Scalar::from(n as u64 + 2);
    let key = curve25519_dalek::constants::ED25519_BASEPOINT_POINT * scalar;
    PeerId::from_key(key.compress().0).unwrap()
}

pub(crate) fn identity(n: usize) -> Identity {
    Identity(*peer(n).as_bytes())
}

/// Numbers that look random.
fn draw(seed: &mut u64) -> u64 {
    *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    *seed >> 33
}

impl Net {
    pub(crate) fn new(count: usize, seed: u64) -> Self {
        let policy = Policy::default();
        let mut net = Self {
            desks: Vec::new(),
            now_ms: 1_000_000,
            seed,
            policy,
            links: BTreeMap::new(),
            wires: BTreeMap::new(),
            dials: VecDeque::new(),
            downs: VecDeque::new(),
            next_link: 0,
            next_request: 0,
            absent: BTreeSet::new(),
            silent: BTreeSet::new(),
            believes: true,
            clock_set_ms: i64::MIN,
            full: BTreeSet::new(),
            unreadable: BTreeSet::new(),
            heard: Vec::new(),
            deaths: 0,
            died: 0,
            denials: 0,
            limits: 0,
            opened: 0,
        };
        for n in 0..count {
            let rooms = net.restored(n, RoomsSnapshot::default());
            net.desks.push(Desk {
                rooms,
                store: Store::default(),
                notices: Vec::new(),
                answers: BTreeMap::new(),
                reads: VecDeque::new(),
                busy: 0,
                calls: BTreeMap::new(),
                dialled: BTreeMap::new(),
            });
        }
        net
    }

    fn now(&self) -> Now {
        Now { wall_ms: WALL_MS + i64::try_from(self.now_ms).unwrap(), mono_ms: self.now_ms }
    }

    pub(crate) fn draw(&mut self, below: u64) -> u64 {
        draw(&mut self.seed) % below
    }

    fn restored(&mut self, n: usize, snapshot: RoomsSnapshot) -> Rooms {
        let now = self.now();
        let seed = &mut self.seed;
        let mut entropy = |out: &mut [u8]| out.fill_with(|| draw(seed) as u8);
        Rooms::restore(&Context::new(now, &self.policy, true, &mut entropy), peer(n), snapshot)
    }

    /// One turn of a desk: decided, committed, done.
    pub(crate) fn turn(&mut self, n: usize, inputs: Vec<RoomInput>) {
        let now = self.now();
        let seed = &mut self.seed;
        let mut entropy = |out: &mut [u8]| out.fill_with(|| draw(seed) as u8);
        let writable = !self.full.contains(&n);
        let believed = Believed { now_ms: now.wall_ms, since_ms: self.clock_set_ms };
        let mut ctx =
            Context::new(now, &self.policy, writable, &mut entropy).believing(self.believes.then_some(believed));
        let desk = &mut self.desks[n];
        desk.rooms.turn(&mut ctx, inputs);
        let turn = ctx.finish();
        assert!(writable || turn.ops.is_empty(), "desk {n} writes to a full store: {:?}", turn.ops);
        for op in turn.ops {
            desk.store.write(op);
        }
        // The process may die between the commit and what follows from it.
        if self.deaths > 0 && self.draw(self.deaths) == 0 {
            self.died += 1;
            return self.kill(n);
        }
        for news in turn.links {
            self.link_news(n, news);
        }
        for effect in turn.effects {
            self.effect(n, effect);
        }
        self.dial(n);
    }

    fn link_news(&mut self, n: usize, news: LinkNews) {
        let (now, pause) = (self.now_ms, 1_000 + self.draw(4_000));
        let unwanted_ms = self.policy.dial.unwanted_ms;
        let calls = &mut self.desks[n].calls;
        match news {
            LinkNews::Up { peer, outgoing } => calls.entry(peer).or_default().running &= !outgoing,
            LinkNews::Lost { peer, served: false } => calls.entry(peer).or_default().failed(now),
            LinkNews::Lost { peer, served: true } => {
                let call = calls.entry(peer).or_default();
                call.failures = 0;
                call.pause(now, pause);
            }
            LinkNews::Unwanted(peer) => calls.entry(peer).or_default().pause(now, unwanted_ms),
            LinkNews::Hurry(peer) => calls.entry(peer).or_default().not_before = now,
        }
    }

    /// Dials those who are due.
    fn dial(&mut self, n: usize) {
        for peer in self.due_calls(n).into_iter().filter(|(at, _)| *at <= self.now_ms).map(|(_, peer)| peer) {
            self.desks[n].calls.entry(peer).or_default().running = true;
            self.dials.push_back((n, peer));
        }
    }

    /// When who is to be dialled next.
    fn due_calls(&self, n: usize) -> Vec<(u64, PeerId)> {
        let Desk { rooms, calls, .. } = &self.desks[n];
        let due = rooms.wishes().iter().filter_map(|(peer, wish)| match calls.get(peer) {
            Some(call) if call.running => None,
            Some(call) => Some((wish.from_ms.max(call.not_before), *peer)),
            None => Some((wish.from_ms, *peer)),
        });
        due.collect()
    }

    fn effect(&mut self, n: usize, effect: RoomEffect) {
        match effect {
            RoomEffect::Say { link, channel, frame } => {
                self.denials += u64::from(matches!(frame, Frame::Deny(_)));
                self.opened += u64::from(matches!(frame, Frame::Open(_)));
                let limit = matches!(&frame, Frame::Close(close) if close.code == CloseCode::Limit);
                self.limits += u64::from(limit);
                let busy = matches!(&frame, Frame::Close(close) if close.code == CloseCode::Busy);
                self.desks[n].busy += usize::from(busy);
                self.send(n, link, Wire::Frame(channel, frame));
            }
            RoomEffect::Tell { link, message } => self.send(n, link, Wire::Message(message)),
            RoomEffect::Close { link, bye } => {
                if let Some(why) = bye {
                    self.send(n, link, Wire::Message(PeerMessage::Bye(Bye { why })));
                }
                self.send(n, link, Wire::End);
                self.downs.push_back((n, link));
            }
            RoomEffect::Read { room, read, to } => self.desks[n].reads.push_back((room, read, to)),
            RoomEffect::Answer { request, answer } => {
                let before = self.desks[n].answers.insert(request, answer);
                assert_eq!(before, None, "a request is answered once");
            }
            RoomEffect::Acts(_) => {}
            RoomEffect::Notice { room, notice } => self.desks[n].notices.push((room, notice)),
        }
    }

    fn send(&mut self, from: usize, link: LinkId, wire: Wire) {
        let Some((a, b)) = self.links.get(&link).copied() else { return };
        let to = if a == from { b } else { a };
        if to >= self.desks.len() {
            return self.heard.push((link, wire));
        }
        if wire != Wire::End && (self.silent.contains(&to) || self.silent.contains(&from)) {
            return;
        }
        self.wires.entry((link, to)).or_default().push_back(wire);
    }

    /// A link comes up. One end may be nobody of ours.
    pub(crate) fn link(&mut self, from: usize, to: usize) -> LinkId {
        self.next_link += 1;
        let link = LinkId(self.next_link);
        self.links.insert(link, (from, to));
        let binding = [self.draw(256) as u8; 32];
        for (n, other, outgoing) in [(from, to, true), (to, from, false)] {
            if n < self.desks.len() {
                self.turn(n, vec![RoomInput::LinkUp { link, peer: peer(other), outgoing, binding, epoch: 1 }]);
            }
        }
        link
    }

    /// Somebody of no desk says something.
    pub(crate) fn say_to(&mut self, n: usize, link: LinkId, channel: u16, frame: Frame) {
        self.turn(n, vec![RoomInput::Frame { link, channel, frame, checked: Vec::new() }]);
    }

    /// A link is gone without a word.
    pub(crate) fn cut(&mut self, link: LinkId) {
        let Some((a, b)) = self.links.remove(&link) else { return };
        for end in [a, b] {
            self.wires.remove(&(link, end));
            if end < self.desks.len() {
                self.turn(end, vec![RoomInput::LinkDown { link }]);
            }
        }
    }

    fn links_of(&self, n: usize) -> Vec<LinkId> {
        self.links.iter().filter(|(_, (a, b))| *a == n || *b == n).map(|(link, _)| *link).collect()
    }

    /// Somebody reaches nobody from now on.
    pub(crate) fn away(&mut self, n: usize) {
        self.absent.insert(n);
        for link in self.links_of(n) {
            self.cut(link);
        }
    }

    pub(crate) fn back(&mut self, n: usize) {
        self.absent.remove(&n);
    }

    /// The process ends, and begins again with what is stored.
    pub(crate) fn kill(&mut self, n: usize) {
        self.desks[n].reads.clear();
        self.desks[n].calls.clear();
        self.dials.retain(|(from, _)| *from != n);
        self.downs.retain(|(of, _)| *of != n);
        let snapshot = self.desks[n].store.snapshot();
        self.desks[n].rooms = self.restored(n, snapshot);
        for link in self.links_of(n) {
            let Some((a, b)) = self.links.remove(&link) else { continue };
            let other = if a == n { b } else { a };
            self.wires.remove(&(link, a));
            self.wires.remove(&(link, b));
            if other < self.desks.len() {
                self.downs.push_back((other, link));
            }
        }
        let deaths = std::mem::take(&mut self.deaths);
        self.turn(n, Vec::new());
        self.deaths = deaths;
    }

    /// The process ends, and begins again with an older store.
    pub(crate) fn restore(&mut self, n: usize, store: &Store) {
        self.desks[n].store = store.clone();
        self.kill(n);
    }

    /// One thing happens. False: nothing is on the way.
    pub(crate) fn step(&mut self) -> bool {
        if let Some((n, link)) = self.downs.pop_front() {
            self.turn(n, vec![RoomInput::LinkDown { link }]);
            return true;
        }
        if let Some((from, to)) = self.dials.pop_front() {
            let found = (0..self.desks.len()).find(|n| peer(*n) == to && !self.absent.contains(n));
            let reaches = !self.absent.contains(&from);
            match found.filter(|_| reaches) {
                Some(to) => {
                    *self.desks[from].dialled.entry(to).or_default() += 1;
                    self.link(from, to);
                }
                None => {
                    let now = self.now_ms;
                    self.desks[from].calls.entry(to).or_default().failed(now);
                }
            }
            return true;
        }
        let reading: Vec<usize> = (0..self.desks.len()).filter(|n| !self.desks[*n].reads.is_empty()).collect();
        let busy: Vec<_> = self.wires.iter().filter(|(_, wire)| !wire.is_empty()).map(|(key, _)| *key).collect();
        let all = reading.len() + busy.len();
        if all == 0 {
            return false;
        }
        let pick = usize::try_from(self.draw(all as u64)).unwrap();
        match reading.get(pick) {
            Some(n) => self.read(*n),
            None => self.deliver(busy[pick - reading.len()]),
        }
        true
    }

    fn read(&mut self, n: usize) {
        let Some((room, read, to)) = self.desks[n].reads.pop_front() else { return };
        if self.unreadable.contains(&n) {
            return self.turn(n, vec![RoomInput::Unread { room, read }]);
        }
        let Some(row) = self.desks[n].store.rooms.get(&room) else { return };
        let Ok((frames, report)): Result<(Vec<Frame>, Report), _> = answer(&row.disk, &read);
        if let Some((link, channel)) = to {
            for frame in frames {
                self.send(n, link, Wire::Frame(channel, frame));
            }
        }
        self.turn(n, vec![RoomInput::Report { room, report }]);
    }

    fn deliver(&mut self, (link, to): (LinkId, usize)) {
        let Some(wire) = self.wires.get_mut(&(link, to)).and_then(VecDeque::pop_front) else { return };
        let input = match wire {
            Wire::Frame(channel, frame) => RoomInput::Frame { link, channel, frame, checked: Vec::new() },
            Wire::Message(message) => RoomInput::Message { link, message },
            Wire::End => {
                self.links.remove(&link);
                self.wires.remove(&(link, to));
                RoomInput::LinkDown { link }
            }
        };
        self.turn(to, vec![input]);
    }

    /// Everything happens that is on the way, without time.
    pub(crate) fn calm(&mut self) {
        for steps in 0.. {
            assert!(steps < 200_000, "the exchange does not end");
            if !self.step() {
                return;
            }
        }
    }

    /// A while passes.
    pub(crate) fn pass(&mut self, ms: u64) {
        let end = self.now_ms + ms;
        let mut turns = 0;
        loop {
            self.calm();
            let due = (0..self.desks.len()).filter_map(|n| {
                let dial = self.due_calls(n).into_iter().map(|(at, _)| at).min();
                Some((self.desks[n].rooms.deadline(!self.full.contains(&n)).into_iter().chain(dial).min()?, n))
            });
            let due = due.min();
            match due.filter(|(at, _)| *at <= end) {
                Some((at, n)) => {
                    turns = if at > self.now_ms { 0 } else { turns + 1 };
                    assert!(turns < 10_000, "desk {n} wants a turn at once, again and again");
                    self.now_ms = self.now_ms.max(at);
                    self.turn(n, Vec::new());
                }
                None => break,
            }
        }
        self.now_ms = end;
    }

    pub(crate) fn ask(&mut self, n: usize, command: RoomCommand) -> u64 {
        self.next_request += 1;
        let request = self.next_request;
        self.turn(n, vec![RoomInput::Do { request, command }]);
        request
    }

    pub(crate) fn answer(&self, n: usize, request: u64) -> Option<&RoomAnswer> {
        self.desks[n].answers.get(&request)
    }

    pub(crate) fn ask_now(&mut self, n: usize, command: RoomCommand) -> RoomAnswer {
        let request = self.ask(n, command);
        self.answer(n, request).expect("it is answered at once").clone()
    }

    pub(crate) fn wish(&mut self, n: usize, room: RoomId, wish: RoomWish) -> RoomAnswer {
        self.ask_now(n, RoomCommand::In { room, wish })
    }

    pub(crate) fn act(&mut self, n: usize, room: RoomId, act: RoomAct) -> RoomAnswer {
        self.wish(n, room, RoomWish::Act { act, force: false })
    }

    pub(crate) fn make(&mut self, n: usize) -> RoomId {
        let new = NewRoom {
            name: BoundedText::new("lab").unwrap(),
            topic: BoundedText::default(),
            policy: Rules::default(),
            nick: None,
            client: None,
        };
        match self.ask_now(n, RoomCommand::Make(new)) {
            RoomAnswer::Room(room) => room,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn invite(&mut self, n: usize, room: RoomId, new: NewInvite) -> RoomInvite {
        match self.wish(n, room, RoomWish::Invite(new)) {
            RoomAnswer::Invited(invite) => invite,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn join(&mut self, n: usize, invite: &RoomInvite) {
        let join = RoomCommand::Join {
            invite: invite.clone(),
            nick: None,
            text: BoundedText::default(),
            want: None,
            client: None,
        };
        assert_eq!(self.ask_now(n, join), RoomAnswer::Room(invite.room));
    }

    /// A room of all desks, made by the first.
    pub(crate) fn room_of_all(&mut self) -> RoomId {
        let room = self.make(0);
        let invite = self.invite(0, room, NewInvite { uses: None, ..invite() });
        for n in 1..self.desks.len() {
            self.join(n, &invite);
            self.pass(30_000);
            assert_eq!(self.state(n, room), Some(RoomState::Member), "desk {n}");
        }
        self.pass(60_000);
        room
    }

    pub(crate) fn say(&mut self, n: usize, room: RoomId, text: &str) -> TextId {
        let say = RoomWish::Say {
            text: BoundedText::new(text).unwrap(),
            re: None,
            to: Vec::new(),
            client: None,
            expire_ms: None,
        };
        match self.wish(n, room, say) {
            RoomAnswer::Queued(mid) => mid,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn state(&self, n: usize, room: RoomId) -> Option<RoomState> {
        let rooms = &self.desks[n].rooms;
        rooms.status(room).map(|status| status.state).or_else(|| rooms.ended(room))
    }

    /// The texts that count, as a desk has them.
    pub(crate) fn texts(&self, n: usize, room: RoomId) -> BTreeSet<TextId> {
        let texts = self.desks[n].store.rooms.get(&room).map(|row| row.disk.texts()).unwrap_or_default();
        texts.into_iter().filter(|(_, place)| place.is_some()).map(|((_, mid), _)| mid).collect()
    }

    /// The events of texts that a desk has, as others name them, in the order of their arrival.
    pub(crate) fn named(&self, n: usize, room: RoomId) -> Vec<torchat_protocol::room::body::Ref> {
        let events = self.desks[n].store.rooms[&room].disk.events();
        events.filter(|event| event.header().kind == 16).map(|event| event.named()).collect()
    }

    /// What each stored event of members counts as.
    pub(crate) fn standings(&self, n: usize, room: RoomId) -> Vec<torchat_room::standing::Standing> {
        self.desks[n].store.rooms[&room].disk.standings().into_values().collect()
    }

    /// The acts that hold.
    pub(crate) fn branch(&self, n: usize, room: RoomId) -> Vec<torchat_protocol::room::EventId> {
        self.desks[n].store.rooms[&room].disk.branch().iter().map(|act| act.id()).collect()
    }

    /// How often a desk has closed a channel because of its own troubles.
    pub(crate) fn told_busy(&self, n: usize) -> usize {
        self.desks[n].busy
    }

    pub(crate) fn told(&self, n: usize, notice: &RoomNotice) -> usize {
        self.desks[n].notices.iter().filter(|(_, one)| one == notice).count()
    }

    pub(crate) fn number(&self, n: usize, room: RoomId) -> MemberNo {
        self.desks[n].rooms.status(room).unwrap().me.unwrap().0
    }

    /// The desks that are members, as one of them has it.
    pub(crate) fn present(&self, n: usize, room: RoomId) -> Vec<usize> {
        let roster = self.desks[n].rooms.roster(room).unwrap();
        let desk = |id| (0..self.desks.len()).find(|n| Some(identity(*n)) == id);
        roster.present().filter_map(|(_, member)| desk(member.id)).collect()
    }

    /// The other members that are in, as one of the desks has it.
    pub(crate) fn members(&self, n: Option<usize>, room: RoomId) -> Vec<MemberNo> {
        let roster = n.and_then(|n| self.desks[n].rooms.roster(room));
        let owner = roster.map(|roster| roster.owner);
        let all = roster.into_iter().flat_map(|roster| roster.present().map(|(no, _)| no));
        all.filter(|no| Some(*no) != owner).collect()
    }

    pub(crate) fn role(&self, n: usize, room: RoomId) -> Option<Role> {
        Some(self.desks[n].rooms.status(room)?.me?.1)
    }
}

/// An invite for anybody, once.
pub(crate) fn invite() -> NewInvite {
    NewInvite { role: Role::Member, uses: Some(1), hours: 48, whom: None, note: None }
}
