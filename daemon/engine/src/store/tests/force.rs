//! What is in force is found at the same cost, however much was said before it. Counted are the steps of SQLite's machine.

use crate::store::Store;
use crate::store::force::{self, COSTS};
use crate::store::replica::{RoomKey, TAKEN_AWAY};
use rusqlite::StatementStatus;
use std::collections::BTreeMap;
use std::sync::Arc;
use torchat_core::op::{Op, RoomOp};
use torchat_core::snapshot::rooms::RoomKeys;
use torchat_protocol::room::body::said::{Edit, Nick, Reaction, Redact, Text, Topic};
use torchat_protocol::room::body::{Body, BoundedText, Ref, Role};
use torchat_protocol::room::{
    Author, Event, EventId, Header, LogDigest, LogId, MemberKey, MemberNo, RoomId, Signature, TextId,
};
use torchat_room::outcome::{ChainRow, Op as ReplicaOp};
use torchat_room::standing::Standing;

const ROOM: RoomId = RoomId([5; 32]);
/// The text that all is about.
fn first() -> Event {
    let text = Text { mid: TextId([1; 16]), text: BoundedText::new("a text").unwrap(), re: None, to: Vec::new() };
    event(MemberNo::MAKER.chain(0), 1, ROOM.as_event(), 1, 16, &Body::Text(text).encode())
}

fn text() -> Ref {
    first().named()
}

/// Another event at the text's place.
fn elsewhere() -> Ref {
    Ref { tag: EventId([9; 32]).tag(), ..text() }
}

fn event(author: Author, seq: u64, prev: EventId, lamport: u64, kind: u8, body: &[u8]) -> Event {
    let header = Header::of_body(kind, Some(ROOM), author, seq, prev, body);
    let header = Header { lamport, minute: 29_833_333, ..header };
    // Nobody looks at signatures here.
    Event::new(header, Signature([0; 64]), body.into()).unwrap()
}

/// A room in which anybody says anything.
struct Talk {
    store: Store,
    next: u64,
    digest: LogDigest,
    ends: BTreeMap<Author, (u64, EventId)>,
}

fn no(member: u32) -> MemberNo {
    MemberNo::new(member).unwrap()
}

impl Talk {
    fn new() -> Self {
        let mut store = Store::in_memory().unwrap();
        let keys = RoomKeys { sign: [3; 32], sealing: [2; 32] };
        store.commit(0, &[Op::from(RoomOp::Begin { room: ROOM, keys, log: LogId([1; 8]), way: None })]).unwrap();
        let mut talk = Self { store, next: 1, digest: LogDigest::EMPTY, ends: BTreeMap::new() };
        talk.store_event(first(), Standing::As(Role::Member));
        talk
    }

    fn room(&self) -> RoomKey {
        RoomKey::find(&self.store.db, ROOM).unwrap().unwrap()
    }

    /// One event in a commit of its own. Gives back the steps that the looks for what is in force took in it.
    fn say(&mut self, member: u32, standing: Standing, lamport: u64, body: &Body) -> i32 {
        self.say_bytes(member, standing, lamport, body.kind(), &body.encode())
    }

    fn say_bytes(&mut self, member: u32, standing: Standing, lamport: u64, kind: u8, body: &[u8]) -> i32 {
        let author = no(member).chain(0);
        let (seq, prev) = self.ends.get(&author).copied().unwrap_or((0, ROOM.as_event()));
        self.store_event(event(author, seq + 1, prev, lamport, kind, body), standing)
    }

    fn store_event(&mut self, event: Event, standing: Standing) -> i32 {
        let (author, seq) = (event.header().author, event.header().seq);
        self.ends.insert(author, (seq, event.id()));
        self.digest = self.digest.next(event.id());
        let row = ChainRow { head: seq, id: event.id(), floor: 0, key: MemberKey([6; 32]) };
        let (pos, digest) = (self.next, self.digest);
        self.next += 1;
        let store = ReplicaOp::Store { pos, event: Arc::new(event), digest, lamport: pos, standing };
        let ops = [ReplicaOp::Chain(author, row), store].map(|op| Op::from(RoomOp::Replica { room: ROOM, op }));
        self.steps();
        self.store.commit(0, &ops).unwrap();
        self.steps()
    }

    /// Steps since the last question.
    fn steps(&self) -> i32 {
        let of = |sql: &&str| self.store.db.prepare_cached(sql).unwrap().reset_status(StatementStatus::VmStep);
        COSTS.iter().chain(&[TAKEN_AWAY]).map(of).sum()
    }

    /// What the 20th and the 2,000th of some events cost, said by a member in this role.
    fn costs(&mut self, member: u32, standing: Standing, mut body: impl FnMut(u64) -> Body) -> (i32, i32) {
        let mut costs = Vec::new();
        for n in 1..=2_000 {
            // Any logical time, mostly one that is not the last.
            let lamport = 1 + (n * 7_919) % 10_007;
            costs.push(self.say(member, standing, lamport, &body(n)));
        }
        (costs[19], costs[1_999])
    }
}

fn reaction(of: Ref, n: u64) -> Body {
    let sign = if n.is_multiple_of(3) { String::new() } else { format!("sign {}", n % 90) };
    Body::Reaction(Reaction { of, sign: BoundedText::new(sign).unwrap() })
}

#[test]
fn the_two_thousandth_reaction_edit_name_topic_and_redact_costs_what_the_twentieth_did() {
    let counts = Standing::As(Role::Member);
    let edit =
        |n| Body::Edit(Edit { of: text(), mid: TextId([2; 16]), text: BoundedText::new(format!("{n}")).unwrap() });
    let reacts = |n| reaction(text(), n);
    let reacts_elsewhere = |n| reaction(elsewhere(), n);
    let redact_elsewhere = |_| Body::Redact(Redact { of: elsewhere(), why: None });
    let redact = |_| Body::Redact(Redact { of: text(), why: None });
    let nick = |n| Body::Nick(Nick { nick: BoundedText::new(format!("nick {n}")).unwrap() });
    let topic = |n| Body::Topic(Topic { topic: BoundedText::new(format!("topic {n}")).unwrap() });
    type Said<'a> = (u32, Standing, &'a dyn Fn(u64) -> Body);
    let all: [Said<'_>; 9] = [
        (2, counts, &reacts),
        (2, Standing::Void, &reacts),
        (2, counts, &reacts_elsewhere),
        (1, counts, &edit),
        (1, Standing::Hidden(Role::Member), &edit),
        (2, counts, &redact),
        (1, counts, &redact_elsewhere),
        (2, counts, &nick),
        (2, Standing::As(Role::Moderator), &topic),
    ];
    for (n, (member, standing, body)) in all.into_iter().enumerate() {
        let (early, late) = Talk::new().costs(member, standing, body);
        println!("{n}: {early} steps, then {late}");
        assert!(early > 0 && late <= early + early / 4, "{n}: {early} {late}");
    }
}

#[test]
fn names_and_topics_that_break_their_rules_are_not_looked_at() {
    let mut talk = Talk::new();
    let moderator = Standing::As(Role::Moderator);
    talk.say(2, moderator, 1, &Body::Nick(Nick { nick: BoundedText::new("bob").unwrap() }));
    talk.say(2, moderator, 2, &Body::Topic(Topic { topic: BoundedText::new("dogs").unwrap() }));
    for kind in [22, 29] {
        for n in 0..50 {
            talk.say_bytes(2, moderator, 100 + n, kind, b"{}");
        }
    }
    let room = talk.room();
    talk.steps();
    assert_eq!(force::nick(&talk.store.db, room, no(2)).unwrap().as_deref(), Some("bob"));
    assert_eq!(force::topic(&talk.store.db, room).unwrap().map(|(_, topic)| topic).as_deref(), Some("dogs"));
    assert!(talk.steps() < 400, "two looks");
    assert_eq!(talk.store.db.query_row("SELECT topic FROM room", [], |row| row.get::<_, String>(0)).unwrap(), "dogs");
}

#[test]
fn a_text_shows_the_64_signs_of_the_most_members() {
    let mut talk = Talk::new();
    // Members 2 to 71 have a sign each, and member 72 the last of them: it is shown, and of the others those whose bytes come first.
    for member in 2..=72_u32 {
        let sign = format!("{:02}", member.min(71));
        talk.say(
            member,
            Standing::As(Role::Member),
            member.into(),
            &Body::Reaction(Reaction { of: text(), sign: BoundedText::new(sign).unwrap() }),
        );
    }
    let about = force::about(&talk.store.db, talk.room(), text()).unwrap();
    let mut shown: Vec<String> = (2..=64).map(|member| format!("{member:02}")).collect();
    shown.push("71".to_owned());
    assert_eq!(about.reacts.keys().cloned().collect::<Vec<_>>(), shown);
    assert_eq!((shown.len(), about.reacts["71"].len()), (force::SIGNS, 2));
}
