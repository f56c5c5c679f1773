//! Any operations in any order, many of them about the same few events: what replicas write seldom is written often here.

use crate::beside::{Counts, SqlStore};
use crate::disk::{Disk, place};
use crate::net::Beside as _;
use ed25519_dalek::SigningKey;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use torchat_protocol::room::body::acts::Settle;
use torchat_protocol::room::body::said::{Edit, Mute, Nick, Reaction, Redact, Text, Unmute};
use torchat_protocol::room::body::{Body, BoundedText, Keep, Place, Ref, Role};
use torchat_protocol::room::{
    Author, Cookie, Event, EventId, Identity, LogDigest, LogId, LogPlace, MemberKey, MemberNo, RoomId, Tag, TextId,
};
use torchat_room::outcome::{ChainRow, Op};
use torchat_room::replica::Me;
use torchat_room::signing::{Clock, sign};
use torchat_room::standing::{Spans, Standing};

const ROOM: RoomId = RoomId([5; 32]);
const MEMBERS: u32 = 3;
const KEY: MemberKey = MemberKey([6; 32]);

/// What may be written next.
struct Writer {
    rng: StdRng,
    key: SigningKey,
    next: u64,
    digest: LogDigest,
    /// Where each chain ends.
    ends: BTreeMap<Author, (u64, EventId)>,
    /// What was last at each place, also if it was discarded.
    tags: BTreeMap<Place, Tag>,
    /// Whole events of those that are stored without bodies.
    bare: Vec<Arc<Event>>,
    branch: Vec<Arc<Event>>,
    rivals: Vec<Arc<Event>>,
    logged: BTreeSet<EventId>,
    proven: BTreeSet<u64>,
    waiting: Vec<TextId>,
    ops: Vec<Op>,
}

impl Writer {
    fn draw(&mut self, below: u64) -> u64 {
        self.rng.random_range(0..below)
    }

    fn author(&mut self) -> Author {
        let member = MemberNo::new(1 + self.rng.random_range(0..MEMBERS)).unwrap();
        member.chain(self.rng.random_range(0..2))
    }

    /// Some event, mostly one that is there.
    fn any_event(&mut self) -> Ref {
        let author = self.author();
        let end = self.ends.get(&author).map_or(0, |(seq, _)| *seq);
        let place = Place { author, seq: 1 + self.draw(end + 2) };
        let tag = self.tags.get(&place).copied().filter(|_| self.rng.random_range(0..6) > 0);
        Ref { place, tag: tag.unwrap_or(Tag::NONE) }
    }

    fn standing(&mut self) -> Standing {
        let role = [Role::Reader, Role::Member, Role::Moderator, Role::Owner][self.rng.random_range(0..4)];
        match self.draw(4) {
            0 => Standing::Void,
            1 => Standing::Hidden(role),
            _ => Standing::As(role),
        }
    }

    fn text(&mut self) -> Text {
        let mid = TextId([self.rng.random_range(0..12); 16]);
        let to = if self.draw(3) == 0 { vec![MemberNo::MAKER] } else { Vec::new() };
        Text { mid, text: BoundedText::new(format!("a text {}", self.next)).unwrap(), re: None, to }
    }

    fn body(&mut self) -> Body {
        let of = self.any_event();
        match self.draw(12) {
            0..5 => Body::Text(self.text()),
            5..7 => Body::Edit(Edit { of, mid: TextId([1; 16]), text: BoundedText::new("edited").unwrap() }),
            7 => Body::Reaction(Reaction { of, sign: BoundedText::new("+1").unwrap() }),
            8..10 => Body::Redact(Redact { of, why: None }),
            10 if self.draw(2) == 0 => Body::Mute(Mute { who: MemberNo::MAKER, keep: Keep::NOTHING, why: None }),
            10 => Body::Unmute(Unmute { of, resume: Keep::NOTHING }),
            _ => Body::Nick(Nick { nick: BoundedText::new("nick").unwrap() }),
        }
    }

    fn event(&mut self, at: Place, prev: EventId, body: &Body) -> Arc<Event> {
        let clock = Clock { acts: 1, lamport: 1 + self.rng.random_range(0..1_000), minute: self.rng.random() };
        Arc::new(sign(&self.key, Some(ROOM), at.author, at.seq, prev, clock, body).unwrap())
    }

    fn store(&mut self, event: Arc<Event>, standing: Standing) {
        self.digest = self.digest.next(event.id());
        self.ops.push(Op::Store { pos: self.next, event, digest: self.digest, lamport: self.next, standing });
        self.next += 1;
    }

    fn say(&mut self) {
        let author = self.author();
        let (seq, prev) = self.ends.get(&author).copied().unwrap_or((0, ROOM.as_event()));
        let body = self.body();
        let event = self.event(Place { author, seq: seq + 1 }, prev, &body);
        self.ends.insert(author, (seq + 1, event.id()));
        self.tags.insert(event.place(), event.id().tag());
        let floor = self.draw(3).min(seq);
        self.ops.push(Op::Chain(author, ChainRow { head: seq + 1, id: event.id(), floor, key: KEY }));
        let standing = self.standing();
        if self.draw(5) == 0 {
            self.bare.push(event.clone());
            self.store(Arc::new(event.stripped()), standing);
        } else {
            self.store(event, standing);
        }
    }

    fn judge(&mut self) {
        let author = self.author();
        let mut from = 1;
        let mut spans = Vec::new();
        for _ in 0..1 + self.draw(3) {
            spans.push((from, self.standing()));
            from += 1 + self.draw(4);
        }
        self.ops.push(Op::Spans(author, Spans::new(spans)));
    }

    fn discard(&mut self) {
        let member = self.author().member().unwrap();
        self.ends.retain(|author, _| author.member() != Some(member));
        self.bare.retain(|event| event.header().author.member() != Some(member));
        self.ops.push(Op::Discard(member));
    }

    fn anew(&mut self) {
        self.ends.clear();
        self.bare.clear();
        self.branch.clear();
        self.rivals.clear();
        self.logged.clear();
        self.proven.clear();
        (self.next, self.digest) = (1, LogDigest::EMPTY);
        self.ops.push(Op::Anew(LogId(self.rng.random())));
    }

    /// A new act with a number.
    fn new_act(&mut self, seq: u64) -> Arc<Event> {
        let prev = EventId(self.rng.random());
        self.event(Place { author: Author::ACTS, seq }, prev, &Body::Settle(Settle::default()))
    }

    fn act(&mut self) {
        let seq = self.branch.len() as u64 + 1;
        let rival = self.rivals.iter().position(|act| act.header().seq == seq);
        match self.draw(8) {
            0 if seq > 1 => {
                let from = usize::try_from(self.draw(seq - 1)).unwrap();
                self.rivals.extend(self.branch.split_off(from));
                self.ops.push(Op::CutBranch(from as u64 + 1));
            }
            1 if !self.rivals.is_empty() => {
                let gone = usize::try_from(self.draw(self.rivals.len() as u64)).unwrap();
                self.ops.push(Op::DropRival(self.rivals.remove(gone).id()));
            }
            2 | 3 => {
                let seq = 1 + self.draw(seq + 2);
                let act = self.new_act(seq);
                self.rivals.push(act.clone());
                if self.draw(2) == 0 && self.proven.insert(seq) {
                    let other = self.new_act(seq);
                    self.ops.push(Op::ActFork(other, act.clone()));
                }
                self.ops.push(Op::Rival(act));
            }
            _ => {
                let act = match rival {
                    Some(at) => self.rivals.remove(at),
                    None => self.new_act(seq),
                };
                if self.logged.insert(act.id()) {
                    self.store(act.clone(), Standing::As(Role::Owner));
                }
                self.ops.push(Op::Act { seq, id: act.id() });
                self.branch.push(act);
            }
        }
    }

    fn other(&mut self) {
        let peer = Identity([self.rng.random_range(0..3); 32]);
        match self.draw(9) {
            0 => {
                let place = LogPlace { next: self.rng.random_range(1..9), digest: LogDigest(self.rng.random()) };
                self.ops.push(Op::Cookie(peer, Some(Cookie { log: LogId(self.rng.random()), place })));
            }
            1 => self.ops.push(Op::Cookie(peer, None)),
            2 => self.ops.push(Op::Log(LogId(self.rng.random()))),
            3 => self.ops.push(Op::Own(self.rng.random())),
            4 => {
                let text = self.text();
                self.waiting.push(text.mid);
                self.ops.push(Op::Queue(text));
            }
            5 => self.ops.extend(self.waiting.pop().map(Op::Unqueue)),
            6 => {
                let author = self.author();
                if !self.ends.contains_key(&author) {
                    return;
                }
                let at = Place { author, seq: 1 };
                let (one, other) = (Body::Text(self.text()), Body::Text(self.text()));
                let proof = Box::new((
                    self.event(at, ROOM.as_event(), &one).stripped(),
                    self.event(at, ROOM.as_event(), &other).stripped(),
                ));
                let from = 1 + self.draw(9);
                self.ops.extend([Op::Fork(author, proof), Op::Review(author, Some(from))]);
            }
            7 => {
                let author = self.author();
                self.ops.push(Op::Review(author, None));
            }
            _ if self.draw(8) > 0 => self.ops.push(Op::Complete),
            _ => self.anew(),
        }
    }

    /// A chain begins above a floor.
    fn begin_above(&mut self) {
        let author = self.author();
        if self.ends.contains_key(&author) {
            return;
        }
        let body = self.body();
        let at = Place { author, seq: 1 + self.draw(5) };
        let floor = Arc::new(self.event(at, ROOM.as_event(), &body).stripped());
        self.ends.insert(author, (at.seq, floor.id()));
        let row = ChainRow { head: at.seq, id: floor.id(), floor: at.seq, key: KEY };
        self.ops.extend([Op::Chain(author, row), Op::Floor(floor)]);
    }

    fn step(&mut self) {
        match self.draw(100) {
            0..50 => self.say(),
            50..65 => self.judge(),
            65..75 if !self.bare.is_empty() => {
                let at = usize::try_from(self.draw(self.bare.len() as u64)).unwrap();
                let event = self.bare.swap_remove(at);
                self.ops.push(Op::Body(event));
            }
            75..85 => self.act(),
            85 if self.draw(6) == 0 => self.discard(),
            86..90 => self.begin_above(),
            _ => self.other(),
        }
    }
}

#[test]
fn any_operations_leave_in_the_store_what_they_leave_in_the_plain_model() {
    let (mut dropped, mut missing, mut discarded, mut loose) = (0, 0, 0, 0);
    let first = crate::from_environment("ROOM_FROM", 0);
    for seed in first..first + crate::from_environment("ROOM_SEEDS", 12) {
        let me = Me { seed: [4; 32], chain: 0 };
        let mut disk = Disk::new(ROOM, me, LogId([1; 8]));
        disk.drops = true;
        let mut store = SqlStore::new(&disk, Counts::default());
        let mut writer = Writer {
            rng: StdRng::seed_from_u64(seed),
            key: SigningKey::from_bytes(&[3; 32]),
            next: 1,
            digest: LogDigest::EMPTY,
            ends: BTreeMap::new(),
            tags: BTreeMap::new(),
            bare: Vec::new(),
            branch: Vec::new(),
            rivals: Vec::new(),
            logged: BTreeSet::new(),
            proven: BTreeSet::new(),
            waiting: Vec::new(),
            ops: Vec::new(),
        };
        for turn in 0..150 {
            for _ in 0..1 + writer.draw(5) {
                writer.step();
            }
            let ops = std::mem::take(&mut writer.ops);
            if ops.is_empty() {
                continue;
            }
            ops.iter().for_each(|op| disk.write(op.clone()));
            disk.drop_redacted();
            store.commit(&ops, &disk);
            if turn % 30 == 29 {
                store.kill(&disk);
            }
        }
        let (stored, bare) = (disk.stored(), disk.events().filter(|event| event.body().is_none()));
        dropped += bare.filter(|event| !stored.missing.contains(&place(event))).count();
        missing += stored.missing.len();
        discarded += stored.next - 1 - disk.events().count() as u64;
        loose += stored.loose.len();
    }
    println!("{dropped} bodies dropped, {missing} missing, {discarded} events discarded, {loose} below floors");
    assert!(dropped > 0 && missing > 0 && discarded > 0 && loose > 0);
}
