//! What two replicas say to each other, step by step: each frame as bytes, with a fixed clock and fixed random bytes.
//!
//! Each frame is read from its bytes before the other side hears it. Where one side is played, its frames are written down, and
//! only the other side is a replica.

use super::{Arc, Author, Body, BoundedText, Event, Place, Role, RoomId, Value};
use super::{compare, entry, event, first, hex, item, number};
use crate::disk::Disk;
use serde_json::json;
use std::collections::{BTreeMap, VecDeque};
use torchat_protocol::room::body::acts::{Policy, Roster, Settle};
use torchat_protocol::room::body::said::{Nick, Text};
use torchat_protocol::room::limits::REASON_BYTES;
use torchat_protocol::room::{Close, Frame, Has, Head, Hello, Identity, LogDigest, LogId, LogPlace, Tag, TextId};
use torchat_room::Replica;
use torchat_room::outcome::{ChannelId, Context, Effect};
use torchat_room::reading::answer;
use torchat_room::replica::{Me, Stored};

const SIDES: [&str; 2] = ["a", "b"];

fn words(n: u8) -> Text {
    Text { mid: TextId([n; 16]), text: BoundedText::new(format!("text {n}")).unwrap(), re: None, to: vec![] }
}

fn text(n: u8) -> Body {
    Body::Text(words(n))
}

fn name_of(frame: &Frame) -> &'static str {
    match frame {
        Frame::Hello(_) => "HELLO",
        Frame::Close(_) => "CLOSE",
        Frame::Reset => "RESET",
        Frame::Have(_) => "HAVE",
        Frame::Base(_) => "BASE",
        Frame::Events(_) => "EVENTS",
        Frame::Mark(_) => "MARK",
        Frame::Stored(_) => "STORED",
        Frame::Fork(_) => "FORK",
        Frame::At(_) => "AT",
        Frame::Need(..) => "NEED",
        Frame::Body(_) => "BODY",
        Frame::Credit(_) => "CREDIT",
        _ => "another",
    }
}

struct End {
    replica: Replica,
    disk: Disk,
    want: Option<u32>,
}

/// Two ends, `a` is member 1, the owner, and `b` member 2; and what they said.
struct Talk {
    room: RoomId,
    ends: [End; 2],
    now_ms: u64,
    channel: u64,
    open: bool,
    /// That end is no replica: what is said to it is not heard.
    played: Option<usize>,
    wires: VecDeque<(usize, Frame)>,
    frames: Vec<Value>,
    steps: Vec<Value>,
    links: Vec<Value>,
    /// How long each log was when the link began.
    had: [usize; 2],
}

impl Talk {
    fn new(policy: Policy) -> Self {
        Self::with(policy, &[2, 3])
    }

    fn with(policy: Policy, members: &[u8]) -> Self {
        let first = first(policy);
        let room = RoomId(first.id().0);
        let ends = [1, 2].map(|n| {
            let (me, log) = (Me { seed: [n; 32], chain: 0 }, LogId([0x10 + n; 8]));
            let replica = Replica::load(Stored::new(room, log, Some(me.clone())));
            End { replica, disk: Disk::new(room, me, log), want: None }
        });
        let (wires, links) = (VecDeque::new(), vec![]);
        let (frames, steps) = (vec![], vec![]);
        let mut talk = Self {
            room,
            ends,
            now_ms: 0,
            channel: 0,
            open: false,
            played: None,
            wires,
            frames,
            steps,
            links,
            had: [0; 2],
        };
        talk.turn(0, |replica, ctx| replica.found_room(ctx, first));
        talk.add(members);
        talk
    }

    /// One input of an end: decided, written, looked up, said.
    fn turn<T>(&mut self, end: usize, input: impl FnOnce(&mut Replica, &mut Context<'_>) -> T) -> T {
        let mut random = |bytes: &mut [u8]| bytes.fill(0xa0 + u8::try_from(end).unwrap());
        let mut ctx = Context { now_ms: self.now_ms, minute: 29_833_335, random: &mut random };
        let result = input(&mut self.ends[end].replica, &mut ctx);
        self.ends[end].replica.flush(&mut ctx);
        loop {
            let outcome = self.ends[end].replica.take();
            outcome.ops.into_iter().for_each(|op| self.ends[end].disk.write(op));
            let mut again = false;
            for effect in outcome.effects {
                match effect {
                    Effect::Send(channel, frame) => self.said(end, channel, frame),
                    Effect::Read(read) => {
                        let Ok((frames, report)) = answer(&self.ends[end].disk, &read);
                        frames.into_iter().for_each(|frame| self.said(end, ChannelId(self.channel), frame));
                        let replica = &mut self.ends[end].replica;
                        replica.report(&mut ctx, report);
                        replica.flush(&mut ctx);
                        again = true;
                    }
                    Effect::Close(channel, code) => {
                        let words = BoundedText::<REASON_BYTES>::default();
                        self.said(end, channel, Frame::Close(Close { code, retry_s: 0, words }));
                    }
                    Effect::EndLink(_) => panic!("an honest side ended a link"),
                    Effect::Notice(_) => {}
                }
            }
            if !again {
                return result;
            }
        }
    }

    fn said(&mut self, by: usize, channel: ChannelId, frame: Frame) {
        if self.open && channel == ChannelId(self.channel) {
            let row = json!({ "by": SIDES[by], "frame": name_of(&frame), "kind": frame.kind(), "bytes": hex(frame.encode()) });
            self.frames.push(row);
            self.wires.push_back((1 - by, frame));
        }
    }

    /// What is said is heard, until nothing is said any more.
    fn deliver(&mut self) {
        while let Some((to, frame)) = self.wires.pop_front() {
            let read = Frame::decode(frame.kind(), &frame.encode(), self.room).unwrap().unwrap();
            let channel = ChannelId(self.channel);
            if let Frame::Close(_) = read {
                self.end();
            } else if self.played != Some(to) {
                self.turn(to, |replica, ctx| replica.hear(ctx, channel, read, &[]));
            }
        }
    }

    /// What is said since the last step was said in this one.
    fn step(&mut self, what: &str) {
        self.deliver();
        let frames = std::mem::take(&mut self.frames);
        self.steps.push(json!({ "what": what, "at_ms": self.now_ms, "frames": frames }));
    }

    /// The channel is open at both sides.
    fn link(&mut self, what: &str) {
        self.channel += 1;
        self.open = true;
        self.had = [0, 1].map(|end| self.ends[end].disk.events().count());
        let played = self.played;
        for end in (0..2).filter(|end| played != Some(*end)) {
            let (peer, want) = (1 - end, self.ends[end].want);
            let no = u8::try_from(peer).unwrap() + 1;
            let known = self.ends[end].replica.roster().members.contains_key(&number(no));
            let channel = ChannelId(self.channel);
            self.turn(end, |replica, ctx| {
                replica.open(ctx, channel, Identity([no; 32]), known.then_some(number(no)), want);
            });
        }
        self.step(what);
    }

    fn end(&mut self) {
        self.open = false;
        self.wires.clear();
        let channel = ChannelId(self.channel);
        for end in 0..2 {
            self.turn(end, |replica, _| replica.closed(channel));
        }
    }

    /// The link ends. With it stands the log that each replica has now.
    fn cut(&mut self) {
        self.end();
        let mut link = json!({ "steps": std::mem::take(&mut self.steps) });
        for (n, side) in SIDES.into_iter().enumerate().filter(|(n, _)| self.played != Some(*n)) {
            let log: Vec<_> = self.ends[n].disk.events().map(|event| hex(event.id().0)).collect();
            link[side] = json!({ "had": self.had[n], "log": log });
        }
        self.links.push(link);
    }

    /// The owner's act.
    fn act(&mut self, body: &Body) {
        self.turn(0, |replica, ctx| replica.say_act(ctx, body, true)).unwrap();
    }

    fn add(&mut self, members: &[u8]) {
        let add = members.iter().map(|no| entry(*no, *no, Role::Member)).collect();
        self.act(&Body::Roster(Roster { add, ..Roster::default() }));
    }

    fn say(&mut self, end: usize, n: u8) {
        self.turn(end, |replica, ctx| replica.say_text(ctx, words(n))).unwrap();
    }

    fn pass(&mut self, ms: u64) {
        self.now_ms += ms;
        for end in 0..2 {
            self.turn(end, |_, _| ());
        }
    }

    /// A replica has an event that came from elsewhere.
    fn give(&mut self, end: usize, event: &Event) {
        let channel = ChannelId(1_000);
        self.turn(end, |replica, ctx| {
            replica.open(ctx, channel, Identity([9; 32]), None, None);
            replica.hear(ctx, channel, Frame::Events(vec![event.clone()]), &[]);
            // That was everything: it is no newcomer any more.
            replica.hear(ctx, channel, Frame::Mark(LogPlace { next: 1, digest: LogDigest::EMPTY }), &[]);
            replica.closed(channel);
        });
    }

    /// The played side says something, perhaps often.
    fn play(&mut self, frame: &Frame, times: usize) {
        let by = self.played.unwrap();
        let row = json!({
            "by": SIDES[by], "frame": name_of(frame), "kind": frame.kind(), "bytes": hex(frame.encode()), "times": times,
        });
        self.frames.push(row);
        for _ in 0..times {
            self.wires.push_back((1 - by, frame.clone()));
        }
    }

    fn play_hello(&mut self, credit: u32) {
        let acts = Head { author: Author::ACTS, seq: 0, tag: Tag::NONE };
        let log = LogId([0x77; 8]);
        self.play(&Frame::Hello(Hello { log, has: Has::Heads(vec![acts]), want: None, credit }), 1);
    }

    /// The events of a chain of somebody, after an event.
    fn chain(&self, no: u8, after: Option<&Event>, bodies: &[Body]) -> Vec<Arc<Event>> {
        let author = number(no).chain(0);
        let (mut seq, mut prev) = after.map_or((0, self.room.as_event()), |event| (event.header().seq, event.id()));
        let mut chain = Vec::new();
        for body in bodies {
            seq += 1;
            let event = event(self.room, no, Place { author, seq }, prev, (2, 10 + seq), body);
            prev = event.id();
            chain.push(event);
        }
        chain
    }

    fn done(mut self, what: &str, events: &mut BTreeMap<String, String>) -> Value {
        self.cut();
        for end in &self.ends {
            events.extend(end.disk.events().map(|event| (hex(event.id().0), item(event))));
        }
        json!({ "what": what, "room": hex(self.room.0), "links": self.links })
    }
}

fn first_meeting(events: &mut BTreeMap<String, String>) -> Value {
    let mut talk = Talk::new(Policy::default());
    talk.say(0, 1);
    talk.link("b knows the room by its id only");
    talk.say(1, 2);
    talk.say(0, 3);
    talk.step("each says a text");
    talk.pass(1_000);
    talk.step("a second later");
    talk.cut();
    talk.say(0, 4);
    talk.link("both have a cookie of the other, and a has something new");
    talk.cut();
    // b's disk is as it was before that.
    let backup = talk.ends[1].disk.clone();
    talk.link("both have a cookie of everything");
    talk.say(1, 5);
    talk.pass(1_000);
    talk.step("b says a text");
    talk.cut();
    talk.ends[1].replica = Replica::load(backup.stored());
    talk.ends[1].disk = backup;
    talk.link("b is as it was before its last text: RESET, and HAVE");
    talk.pass(1_000);
    talk.step("a second later");
    talk.say(1, 6);
    talk.step("b goes on in another chain");
    talk.done("two meet, and meet again", events)
}

fn frontiers(events: &mut BTreeMap<String, String>) -> Value {
    let mut talk = Talk::new(Policy::default());
    let create = talk.ends[0].disk.branch();
    let chain = talk.chain(3, None, &[text(1), text(2), text(3), text(4)]);
    create.iter().for_each(|act| talk.give(1, act));
    chain[..2].iter().for_each(|event| talk.give(0, event));
    chain.iter().for_each(|event| talk.give(1, event));
    talk.say(0, 5);
    talk.link("each has what the other lacks, and says its frontier");
    talk.done("two with frontiers", events)
}

fn floors(events: &mut BTreeMap<String, String>) -> Value {
    let mut talk = Talk::with(Policy { history: 3, ..Policy::default() }, &[3]);
    let nick = Body::Nick(Nick { nick: BoundedText::new("carol").unwrap() });
    let chain = talk.chain(3, None, &[text(1), nick, text(2), text(3), text(4), text(5)]);
    chain.iter().for_each(|event| talk.give(0, event));
    talk.add(&[2]);
    talk.link("b gets the last three positions before its entry, acts, and what decides");
    let later = talk.chain(3, Some(&chain[5]), &[text(6)]);
    talk.give(0, &later[0]);
    talk.pass(1_000);
    talk.step("and gets what comes");
    talk.done("a newcomer with a floor", events)
}

fn wanted(events: &mut BTreeMap<String, String>) -> Value {
    let mut talk = Talk::new(Policy::default());
    let chain = talk.chain(3, None, &[text(1), text(2), text(3), text(4), text(5)]);
    chain.iter().for_each(|event| talk.give(0, event));
    talk.ends[1].want = Some(2);
    talk.link("b wants the last two events");
    talk.done("a newcomer that wants little", events)
}

fn forks(events: &mut BTreeMap<String, String>) -> Value {
    let mut talk = Talk::new(Policy::default());
    talk.ends[0].disk.branch().iter().for_each(|act| talk.give(1, act));
    let one = talk.chain(3, None, &[text(1), text(2), text(3), text(4), text(5)]);
    let other = talk.chain(3, Some(&one[1]), &[text(6), text(7), text(8), text(9)]);
    one.iter().for_each(|event| talk.give(0, event));
    one[..2].iter().chain(&other).for_each(|event| talk.give(1, event));
    talk.link("member 3 said two things after its second text");
    talk.pass(60_000);
    talk.step("a minute later");
    talk.cut();
    talk.link("again: the proofs");
    talk.done("a chain with two histories", events)
}

fn lower_forks(events: &mut BTreeMap<String, String>) -> Value {
    let mut talk = Talk::new(Policy::default());
    talk.ends[0].disk.branch().iter().for_each(|act| talk.give(1, act));
    let one = talk.chain(3, None, &[text(1), text(2), text(3)]);
    let other = talk.chain(3, None, &[text(6), text(7), text(8)]);
    let second = talk.chain(3, Some(&one[1]), &[text(9)]);
    one.iter().chain(&second).for_each(|event| talk.give(0, event));
    other.iter().for_each(|event| talk.give(1, event));
    talk.link("a knows of a fork, and of b's story it begins earlier");
    talk.pass(60_000);
    talk.step("a minute later");
    talk.done("AT leads to an earlier fork", events)
}

fn acts(events: &mut BTreeMap<String, String>) -> Value {
    let mut talk = Talk::new(Policy::default());
    talk.ends[0].disk.branch().iter().for_each(|act| talk.give(1, act));
    let last = talk.ends[0].disk.branch()[1].clone();
    let place = Place { author: Author::ACTS, seq: 3 };
    let add = |no, signs| Body::Roster(Roster { add: vec![entry(no, signs, Role::Member)], ..Roster::default() });
    let (x, y) = (
        event(talk.room, 1, place, last.id(), (2, 3), &add(4, 4)),
        event(talk.room, 1, place, last.id(), (2, 3), &add(4, 5)),
    );
    talk.give(0, &x);
    talk.give(1, &y);
    let settle = Place { author: Author::ACTS, seq: 4 };
    let settle = event(talk.room, 1, settle, y.id(), (3, 4), &Body::Settle(Settle { lost: Some(1) }));
    talk.link("each has another act 3");
    talk.give(1, &settle);
    talk.step("b gets a settle on its own: a changes to that branch");
    talk.cut();
    talk.link("the channel begins anew, with frontiers");
    talk.done("two stories of the owner", events)
}

fn put_off(events: &mut BTreeMap<String, String>) -> Value {
    let mut talk = Talk::new(Policy::default());
    talk.ends[0].disk.branch().iter().for_each(|act| talk.give(1, act));
    talk.played = Some(0);
    let early = talk.chain(4, None, &[text(1), text(2)]);
    let last = talk.ends[0].disk.branch()[1].clone();
    let add = Body::Roster(Roster { add: vec![entry(4, 4, Role::Member)], ..Roster::default() });
    let act = event(talk.room, 1, Place { author: Author::ACTS, seq: 3 }, last.id(), (2, 3), &add);
    let all = |events: &[Arc<Event>]| Frame::Events(events.iter().map(|event| (**event).clone()).collect());
    talk.link("a is played");
    talk.play_hello(262_144);
    talk.step("a says HELLO");
    talk.play(&all(&early), 1);
    talk.play(&Frame::Mark(LogPlace { next: 5, digest: LogDigest([1; 16]) }), 1);
    talk.step("a says events of member 4, whom no act names yet, and MARK");
    talk.play(&all(&[act]), 1);
    talk.step("a says the act: b asks again");
    talk.play(&all(&early), 1);
    talk.step("a says them again");
    let more = talk.chain(4, Some(&early[1]), &[text(3), text(4)]);
    talk.play(&all(&more[1..]), 1);
    talk.step("one waits for the one before it");
    talk.play(&all(&more[..1]), 1);
    talk.step("which comes");
    talk.cut();
    talk.link("b gives no cookie");
    talk.done("what is put off is asked for again", events)
}

fn credit(events: &mut BTreeMap<String, String>) -> Value {
    let mut talk = Talk::new(Policy::default());
    talk.ends[0].disk.branch().iter().for_each(|act| talk.give(1, act));
    let chain = talk.chain(3, None, &[text(1), text(2), text(3), text(4), text(5)]);
    chain.iter().for_each(|event| talk.give(1, event));
    talk.played = Some(0);
    talk.link("a is played");
    talk.play_hello(1_000);
    talk.step("a grants 1,000 bytes");
    talk.play(&Frame::Credit(400), 1);
    talk.step("and 400 more");
    talk.play(&Frame::Credit(65_536), 1);
    talk.step("and enough");
    let frame = Frame::Events(vec![(*chain[4]).clone()]);
    let bytes = Frame::event_len(&chain[4]);
    talk.play(&frame, 65_536 / bytes);
    talk.step("b takes less than it grants again");
    talk.play(&frame, 1);
    talk.step("one more");
    talk.play(&Frame::Need(number(3).chain(0), 2), 1);
    talk.play(&Frame::Body(vec![(number(3).chain(0), 4), (number(3).chain(0), 9)]), 1);
    talk.step("a asks for events, of which b does not have all");
    talk.done("credit, and questions", events)
}

#[test]
fn replicas_say_what_the_vectors_say() {
    let mut events = BTreeMap::new();
    let all = [first_meeting, frontiers, floors, wanted, forks, lower_forks, acts, put_off, credit];
    let talks: Vec<_> = all.into_iter().map(|talk| talk(&mut events)).collect();
    let said = |name: &str| {
        let steps = talks
            .iter()
            .flat_map(|talk| talk["links"].as_array().unwrap())
            .flat_map(|link| link["steps"].as_array().unwrap());
        steps
            .flat_map(|step| step["frames"].as_array().unwrap())
            .any(|frame| frame["frame"] == name && frame.get("times").is_none())
    };
    for name in ["HELLO", "CLOSE", "RESET", "HAVE", "BASE", "EVENTS", "MARK", "STORED", "FORK", "AT", "NEED", "CREDIT"]
    {
        assert!(said(name), "no replica says {name}");
    }
    compare("talk", &json!({ "events": events, "talks": talks }));
}
