//! Two honest replicas of a room with stores in memory, and the talk between them, which the input cuts, reorders between
//! channels, drops and changes; members who tell the two different things; kills, and an old backup: the input is the script.
//!
//! The promise: nothing panics, what waits stays bounded, the exchange ends, and when nothing stands in the way any more both
//! see the same.
//!
//! What is changed on the way is read from its bytes, as on a link, and what cannot be read ends the link. A changed frame that
//! can be read is what a hostile peer may say. It can only make a replica believe that the other has what it has not, so the two
//! forget their cookies before they must agree; but not if only signatures were changed, which a replica notices by itself.

#[path = "../../../../daemon/room/tests/chaos/disk.rs"]
#[allow(dead_code, clippy::unwrap_used, reason = "the tests of the replica use the rest, and it is theirs")]
mod disk;

use crate::Seen;
use crate::script::Script;
use disk::Disk;
use ed25519_dalek::SigningKey;
use std::collections::VecDeque;
use std::sync::{Arc, OnceLock};
use torchat_protocol::room::body::acts::{Create, Cut, CutReason, Entry, Policy, Promotion, Roster, Set};
use torchat_protocol::room::body::said::{Edit, Mute, Nick, Reaction, Redact, Text, Unmute};
use torchat_protocol::room::body::{Body, BoundedText, Place, Ref, Role};
use torchat_protocol::room::{
    BoxKey, Event, EventId, Frame, Identity, LogId, MemberKey, MemberNo, RoomId, Salt, Tag, TextId,
};
use torchat_room::Replica;
use torchat_room::outcome::{ChannelId, Context, Effect, Op};
use torchat_room::reading::{Read, Report, answer};
use torchat_room::replica::{Me, Stored};
use torchat_room::signing::{Clock, create, sign};

/// The type of EVENTS, and where in it the signature of its first event stands.
const EVENTS: u8 = 0x46;
const SIGNATURE: std::ops::Range<usize> = 105..169;
/// Frames and looks at a disk after which an exchange must be over.
const STEPS: usize = 100_000;
/// Times that something is due, and links, after which it must be over, too.
const TURNS: usize = 1_000;
/// Frames that may lie in a channel, in one direction.
const IN_FLIGHT: usize = 4_096;
/// Others' chains: those of members 3, 4 and 5, two histories of each. Member 5 is none at the beginning.
const OTHERS: usize = 6;

fn number(no: usize) -> MemberNo {
    u32::try_from(no).ok().and_then(MemberNo::new).unwrap_or(MemberNo::MAKER)
}

fn byte(n: usize) -> u8 {
    n.to_le_bytes()[0]
}

fn key(no: usize) -> SigningKey {
    SigningKey::from_bytes(&[byte(no); 32])
}

fn entry(no: usize, role: Role) -> Entry {
    let sign = MemberKey(key(no).verifying_key().to_bytes());
    let id = Some(Identity([byte(no); 32]));
    Entry { no: number(no), sign, sealing: BoxKey([9; 32]), role, id, nick: None, via: None }
}

fn words<const N: usize>(text: &str) -> BoundedText<N> {
    BoundedText::new(text).unwrap_or_default()
}

/// The first act of the room, which is the same in all scripts.
fn first() -> Event {
    static FIRST: OnceLock<Option<Event>> = OnceLock::new();
    let made = FIRST.get_or_init(|| {
        let (owner, policy) = (entry(1, Role::Owner), Policy { history: 1_000_000, ..Policy::default() });
        let salt = Salt([0; 16]);
        let mut salts = (0_u128..).map(|salt| Salt(salt.to_be_bytes()));
        let mut draw = || salts.next().unwrap_or(salt);
        create(&key(1), Create { owner, name: words("lab"), topic: words(""), policy, salt }, 1, &mut draw)
    });
    let Some(first) = made.clone() else { panic!("the first act is within its limits") };
    first
}

struct End {
    replica: Replica,
    disk: Disk,
    backup: Option<Disk>,
    reads: VecDeque<Read>,
    texts: u8,
}

/// A frame on its way, as bytes.
type Packet = (u8, Vec<u8>);

/// A channel that is open at both ends: what is on the way to each.
struct Channel {
    id: ChannelId,
    wires: [VecDeque<Packet>; 2],
}

struct World {
    room: RoomId,
    ends: [End; 2],
    channels: Vec<Channel>,
    next: u64,
    now_ms: u64,
    random: u8,
    /// The two histories of others.
    others: [Vec<Arc<Event>>; OTHERS],
    /// A frame was changed, or is missing.
    lied: bool,
    crossed: bool,
}

/// The bytes as a script for two replicas.
///
/// # Panics
/// When a promise of the module's description is broken.
pub fn script(data: &[u8]) -> Seen {
    let mut script = Script::new(data);
    let mut world = World::new();
    while !script.is_over() {
        world.step(&mut script);
    }
    world.settle();
    if world.crossed { Seen::Taken } else { Seen::Refused }
}

impl World {
    fn new() -> Self {
        let first = first();
        let room = RoomId(first.id().0);
        let ends = [1, 2].map(|no| {
            let (me, log) = (Me { seed: [no; 32], chain: 0 }, LogId([no; 8]));
            let replica = Replica::load(Stored::new(room, log, Some(me.clone())));
            End { replica, disk: Disk::new(room, me, log), backup: None, reads: VecDeque::new(), texts: 0 }
        });
        let others = std::array::from_fn(|_| Vec::new());
        let (next, now_ms, random) = (1, 0, 0);
        let (lied, crossed) = (false, false);
        let mut world = Self { room, ends, channels: Vec::new(), next, now_ms, random, others, lied, crossed };
        world.turn(0, |replica, ctx| replica.found_room(ctx, first));
        let add = vec![entry(2, Role::Moderator), entry(3, Role::Member), entry(4, Role::Member)];
        world.act(Body::Roster(Roster { add, ..Roster::default() }));
        world
    }

    /// One input of a replica: decided, written, said.
    fn turn<T>(&mut self, at: usize, input: impl FnOnce(&mut Replica, &mut Context<'_>) -> T) -> T {
        let Self { ends, random, now_ms, .. } = self;
        let mut fill = |bytes: &mut [u8]| {
            *random = random.wrapping_add(1);
            bytes.fill(*random);
        };
        let mut ctx = Context { now_ms: *now_ms, minute: 1, random: &mut fill };
        let end = &mut ends[at];
        let result = input(&mut end.replica, &mut ctx);
        end.replica.flush(&mut ctx);
        let outcome = end.replica.take();
        assert!(end.replica.waiting() <= 1_000, "what waits is bounded");
        outcome.ops.into_iter().for_each(|op| end.disk.write(op));
        let mut over = Vec::new();
        for effect in outcome.effects {
            match effect {
                Effect::Send(channel, frame) => self.put(at, channel, &frame),
                Effect::Read(read) => self.ends[at].reads.push_back(read),
                Effect::Close(channel, _) | Effect::EndLink(channel) => over.push(channel),
                Effect::Notice(_) => {}
            }
        }
        over.into_iter().for_each(|channel| self.close(channel));
        result
    }

    fn put(&mut self, by: usize, channel: ChannelId, frame: &Frame) {
        let Some(channel) = self.channels.iter_mut().find(|open| open.id == channel) else { return };
        let wire = &mut channel.wires[1 - by];
        wire.push_back((frame.kind(), frame.encode()));
        assert!(wire.len() <= IN_FLIGHT, "what is on the way is bounded");
    }

    fn connect(&mut self) {
        if self.channels.len() >= 2 {
            return;
        }
        let id = ChannelId(self.next);
        self.next += 1;
        self.channels.push(Channel { id, wires: Default::default() });
        for at in 0..2 {
            if self.channels.last().is_none_or(|open| open.id != id) {
                // The other one is a newcomer, which wants one channel.
                return;
            }
            let peer = 2 - at;
            let known = self.ends[at].replica.roster().members.contains_key(&number(peer));
            let member = known.then(|| number(peer));
            self.turn(at, |replica, ctx| replica.open(ctx, id, Identity([byte(peer); 32]), member, None));
        }
    }

    fn close(&mut self, channel: ChannelId) {
        let before = self.channels.len();
        self.channels.retain(|open| open.id != channel);
        if self.channels.len() < before {
            for at in 0..2 {
                self.turn(at, |replica, _| replica.closed(channel));
            }
        }
    }

    /// Takes up to `count` frames out of a channel at one end. False: there is none.
    fn deliver(&mut self, channel: usize, to: usize, count: usize) -> bool {
        let Some(id) = self.channels.get(channel).map(|channel| channel.id) else { return false };
        for n in 0..count {
            let open = self.channels.iter_mut().find(|open| open.id == id);
            let Some((kind, bytes)) = open.and_then(|open| open.wires[to].pop_front()) else { return n > 0 };
            match Frame::decode(kind, &bytes, self.room) {
                Ok(Some(Frame::Close(_))) | Err(_) => self.close(id),
                Ok(Some(frame)) => {
                    self.crossed |= matches!(frame, Frame::Events(_));
                    self.turn(to, |replica, ctx| replica.hear(ctx, id, frame, &[]));
                }
                Ok(None) => {}
            }
        }
        true
    }

    /// Answers the oldest question to a disk. False: there is none.
    fn read(&mut self, at: usize) -> bool {
        let end = &mut self.ends[at];
        let Some(read) = end.reads.pop_front() else { return false };
        let Ok((frames, report)) = answer(&end.disk, &read);
        if let Report::Begin { channel, .. }
        | Report::Log { channel, .. }
        | Report::Chain { channel, .. }
        | Report::Bodies { channel, .. } = report
        {
            frames.iter().for_each(|frame| self.put(at, channel, frame));
        }
        self.turn(at, |replica, ctx| replica.report(ctx, report));
        true
    }

    /// The process ends, and begins again with what is on its disk.
    fn start(&mut self, at: usize) {
        while let Some(channel) = self.channels.first().map(|channel| channel.id) {
            self.close(channel);
        }
        let end = &mut self.ends[at];
        end.reads.clear();
        end.replica = Replica::load(end.disk.stored());
        self.turn(at, |_, _| ());
    }

    fn act(&mut self, body: Body) {
        // Refused, it is nothing.
        let _ = self.turn(0, |replica, ctx| replica.say_act(ctx, &body, true));
    }

    fn step(&mut self, script: &mut Script<'_>) {
        let (what, at) = (script.byte(), script.below(2));
        match what % 24 {
            0 | 1 => self.connect(),
            2..=6 => {
                let (channel, count) = (script.below(self.channels.len()), 1 + script.below(8));
                self.deliver(channel, at, count);
            }
            7 | 8 => drop(self.read(at)),
            9 | 10 => self.say(at),
            11 => self.event(at, script),
            12 => self.decide(script),
            13..=15 => self.tell(at, script),
            16 => self.cut(script),
            17 => self.change(script),
            18 => {
                self.now_ms += [10, 1_000, 10_000, 60_000][script.below(4)] + u64::from(script.byte());
                (0..2).for_each(|at| self.turn(at, |_, _| ()));
            }
            19 => self.start(at),
            20 => self.ends[1].backup = Some(self.ends[1].disk.clone()),
            21 => {
                // Only of the one who is not the owner: nothing settles acts here.
                if let Some(backup) = self.ends[1].backup.take() {
                    self.ends[1].disk = backup;
                    self.start(1);
                }
            }
            _ => drop(self.calm(64)),
        }
    }

    fn say(&mut self, at: usize) {
        let end = &mut self.ends[at];
        end.texts = end.texts.wrapping_add(1);
        let mut mid = [byte(at); 16];
        mid[1] = end.texts;
        let text = Text { mid: TextId(mid), text: words("hello"), re: None, to: Vec::new() };
        let _ = self.turn(at, |replica, ctx| replica.say_text(ctx, text));
    }

    /// An event that may be anybody's, or another one at its place.
    fn named(&self, at: usize, script: &mut Script<'_>) -> Ref {
        let author = number(1 + script.below(5)).chain(byte(script.below(3)));
        let place = Place { author, seq: 1 + u64::from(script.byte() % 12) };
        let found = self.ends[at].disk.events().find(|event| event.place() == place).map(|event| event.named());
        found.filter(|_| !place.seq.is_multiple_of(5)).unwrap_or(Ref { place, tag: Tag([byte(at); 8]) })
    }

    fn body(&self, at: usize, script: &mut Script<'_>) -> Body {
        let of = self.named(at, script);
        let who = number(2 + script.below(4));
        let keep = self.ends[at].replica.keep(who);
        match script.below(7) {
            0 => Body::Edit(Edit { of, mid: TextId(script.array()), text: words("edited") }),
            1 => Body::Reaction(Reaction { of, sign: words(["", "+1"][script.below(2)]) }),
            2 => Body::Redact(Redact { of, why: None }),
            3 => Body::Mute(Mute { who, keep, why: None }),
            4 => Body::Unmute(Unmute { of, resume: keep }),
            5 => Body::Nick(Nick { nick: words(["x", "y", "z"][script.below(3)]) }),
            _ => Body::Text(Text { mid: TextId([byte(script.below(4)); 16]), text: words("so"), re: None, to: vec![] }),
        }
    }

    fn event(&mut self, at: usize, script: &mut Script<'_>) {
        let body = self.body(at, script);
        let _ = self.turn(at, |replica, ctx| replica.say_event(ctx, &body));
    }

    /// The owner decides about somebody. Never about the other end itself: then the two need not agree.
    fn decide(&mut self, script: &mut Script<'_>) {
        let no = 3 + script.below(3);
        let (role, keep) =
            ([Role::Reader, Role::Member, Role::Moderator][script.below(3)], self.ends[0].replica.keep(number(no)));
        let change = Promotion { no: number(no), role, keep: keep.clone() };
        let cut = Cut { no: number(no), keep, why: CutReason::Removed };
        self.act(match script.below(4) {
            0 => Body::Roster(Roster { add: vec![entry(no, role)], ..Roster::default() }),
            1 => Body::Roster(Roster { role: vec![change], ..Roster::default() }),
            2 if script.byte() > 128 => Body::Roster(Roster { cut: vec![cut], ..Roster::default() }),
            _ => Body::Set(Set { name: BoundedText::new("club"), ..Set::default() }),
        });
    }

    /// A third replica tells an end something of a member, who may have two histories.
    fn tell(&mut self, at: usize, script: &mut Script<'_>) {
        let story = script.below(OTHERS);
        let no = 3 + story / 2;
        let grows = script.byte().is_multiple_of(2);
        if grows || self.others[story].is_empty() {
            // The second history parts from the first wherever that is then.
            if story % 2 == 1 && self.others[story].is_empty() {
                self.others[story] = self.others[story - 1].clone();
            }
            let body = self.body(at, script);
            let last = self.others[story].last().map(|event| (event.header().seq, event.id()));
            let (seq, prev): (u64, EventId) = last.unwrap_or((0, self.room.as_event()));
            let acts = u32::try_from(self.ends[0].replica.acts()).unwrap_or(0);
            let clock = Clock { acts, lamport: seq + 1 + u64::from(script.byte() % 8), minute: byte(story).into() };
            let made = sign(&key(no), Some(self.room), number(no).chain(0), seq + 1, prev, clock, &body);
            self.others[story].extend(made.map(Arc::new));
        }
        let events = &self.others[story];
        let from = script.below(events.len());
        let list: Vec<_> = events[from..].iter().take(1 + script.below(6)).map(|event| (**event).clone()).collect();
        let channel = ChannelId(self.next);
        self.next += 1;
        self.turn(at, |replica, ctx| {
            replica.open(ctx, channel, Identity([9; 32]), None, None);
            replica.hear(ctx, channel, Frame::Events(list), &[]);
            replica.closed(channel);
        });
    }

    /// A link ends, and takes with it what is still on the way.
    fn cut(&mut self, script: &mut Script<'_>) {
        let channel = script.below(self.channels.len());
        let kept = [script.below(8), script.below(8)];
        let Some(id) = self.channels.get(channel).map(|open| open.id) else { return };
        for (to, kept) in kept.into_iter().enumerate() {
            self.deliver(channel, to, kept);
        }
        self.close(id);
    }

    /// A frame on the way is changed, said twice, or vanishes.
    fn change(&mut self, script: &mut Script<'_>) {
        let (channel, to) = (script.below(self.channels.len()), script.below(2));
        let Some(wire) = self.channels.get_mut(channel).map(|open| &mut open.wires[to]) else { return };
        let at = script.below(wire.len());
        let Some((kind, bytes)) = wire.get_mut(at) else { return };
        let how = script.below(8);
        if how > 5 && *kind == EVENTS && bytes.len() > SIGNATURE.end {
            // The replica notices that by itself, and asks for the event again.
            bytes[SIGNATURE.start + script.below(SIGNATURE.len())] ^= 1 << script.below(8);
            return;
        }
        self.lied = true;
        match how {
            0 => drop(wire.remove(at)),
            1 => *kind = 0x40 + byte(script.below(20)),
            2 => bytes.truncate(script.below(bytes.len())),
            3 => {
                let again = wire[at].clone();
                wire.push_back(again);
            }
            _ => {
                for _ in 0..1 + script.below(3) {
                    let place = script.below(bytes.len());
                    if let Some(byte) = bytes.get_mut(place) {
                        *byte ^= 1 << script.below(8);
                    }
                }
            }
        }
    }

    /// Everything arrives that is on the way, in at most so many steps. False: more is on the way.
    fn calm(&mut self, steps: usize) -> bool {
        for _ in 0..steps {
            let mut busy = false;
            for at in 0..2 {
                busy |= self.read(at);
                for channel in 0..self.channels.len() {
                    busy |= self.deliver(channel, at, 1);
                }
            }
            if !busy {
                return true;
            }
        }
        false
    }

    /// Nothing stands in the way any more, until both see the same.
    fn settle(&mut self) {
        for at in 0..2 {
            if self.lied {
                let peer = Identity([byte(2 - at); 32]);
                self.ends[at].disk.write(Op::Cookie(peer, None));
            }
            self.start(at);
        }
        // What is put off is asked for again with the next link at the latest.
        for _ in 0..4 {
            let mut turns = 0;
            loop {
                turns += 1;
                assert!(turns < TURNS, "the exchange does not end");
                if self.channels.is_empty() {
                    self.connect();
                }
                assert!(self.calm(STEPS), "the exchange does not end");
                if self.channels.is_empty() {
                    continue;
                }
                let Some(due) = self.ends.iter().filter_map(|end| end.replica.due_ms()).min() else { break };
                self.now_ms = self.now_ms.max(due);
                (0..2).for_each(|at| self.turn(at, |_, _| ()));
            }
            self.start(0);
        }
        let [one, other] = self.ends.each_ref().map(|end| end.disk.view());
        assert!(one == other, "only at one: {}; only at the other: {}", one.difference(&other), other.difference(&one));
        let [one, other] = self.ends.each_ref().map(|end| end.disk.standings());
        let differ = one.iter().filter(|(place, standing)| other.get(place).is_some_and(|other| other != *standing));
        assert_eq!(differ.collect::<Vec<_>>(), [], "what an event counts as");
        assert!(self.ends.iter().all(|end| end.replica.acts() > 0 && !end.replica.is_frozen()));
        let waits = self.ends[1].replica.outbox().count();
        assert!(waits == 0 || self.ends[1].replica.role() < Some(Role::Member), "{waits} texts wait");
    }
}
