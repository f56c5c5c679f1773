//! What people and programs see of a room: its messages, lines, counters, events, and what is left of what goes.

use crate::beside::fast_dir;
use ed25519_dalek::SigningKey;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use torchat_core::op::{ChatOp, ContactOp, Op, RoomOp};
use torchat_core::piece::Piece;
use torchat_core::snapshot::rooms::{Notify, RoomKeys, RoomState, Tomb};
use torchat_engine::store::{
    Applied, ListFrom, MessageRow, Page, PageLimit, Preview, Reader, RoomTarget, Store, search_query,
};
use torchat_protocol::control::api::event::{Kind, What};
use torchat_protocol::control::api::record::{Direction, MemberChange, MemberState, MessageFlag, MessageState};
use torchat_protocol::id::PeerId;
use torchat_protocol::room::body::acts::{Create, Cut, CutReason, Entry, Policy, Roster, Set};
use torchat_protocol::room::body::said::{Edit, Mute, Nick, Reaction, Redact, Text, Topic, Unmute};
use torchat_protocol::room::body::{Body, BoundedText, Keep, Place, Ref, Role};
use torchat_protocol::room::{
    Author, BoxKey, Event, EventId, Identity, LogDigest, LogId, MemberKey, MemberNo, RoomId, Salt, TextId, message_id,
};
use torchat_room::outcome::{ChainRow, Op as ReplicaOp};
use torchat_room::reading::{Read, Report};
use torchat_room::signing::{Clock, create, sign};
use torchat_room::standing::{Spans, Standing};

const NOW: i64 = 1_790_000_000_000;
const ME: u32 = 2;

/// A store with a room of anna (1, the owner), us (2) and carol (3), as a replica writes it.
pub(crate) struct Story {
    dir: tempfile::TempDir,
    pub(crate) store: Store,
    pub(crate) reader: Reader,
    pub(crate) room: RoomId,
    key: SigningKey,
    next: u64,
    digest: LogDigest,
    ends: BTreeMap<Author, (u64, EventId)>,
    acts: Vec<Arc<Event>>,
    told: Vec<What>,
}

fn key_of(member: u32) -> MemberKey {
    MemberKey(SigningKey::from_bytes(&[u8::try_from(member).unwrap(); 32]).verifying_key().to_bytes())
}

pub(crate) fn identity(member: u32) -> PeerId {
    let seed = [u8::try_from(member).unwrap() + 50; 32];
    torchat_core::handshake::LocalIdentity::from_seeds(&seed, &seed, 1_700_000_000).unwrap().peer_id()
}

fn entry(member: u32, role: Role, nick: &str) -> Entry {
    Entry {
        no: no(member),
        sign: key_of(member),
        sealing: BoxKey([9; 32]),
        role,
        id: Some(Identity(*identity(member).as_bytes())),
        nick: BoundedText::new(nick),
        via: None,
    }
}

pub(crate) fn no(member: u32) -> MemberNo {
    MemberNo::new(member).unwrap()
}

pub(crate) fn text(mid: u8, words: &str) -> Text {
    Text { mid: TextId([mid; 16]), text: BoundedText::new(words).unwrap(), re: None, to: Vec::new() }
}

pub(crate) const COUNTS: Standing = Standing::As(Role::Member);

impl Story {
    pub(crate) fn new() -> Self {
        let dir = fast_dir();
        let path = dir.path().join("torchat.db");
        let store = Store::open(&path).unwrap();
        let key = SigningKey::from_bytes(&[1; 32]);
        let first = Create {
            owner: entry(1, Role::Owner, "anna"),
            name: BoundedText::new("lab").unwrap(),
            topic: BoundedText::new("cats").unwrap(),
            policy: Policy::default(),
            salt: Salt([0; 16]),
        };
        let mut salt = 0_u128;
        let first = create(&key, first, 1, &mut || {
            salt += 1;
            Salt(salt.to_be_bytes())
        });
        let first = first.unwrap();
        let room = RoomId(first.id().0);
        let mut story = Self {
            reader: Reader::of_file(path),
            store,
            dir,
            room,
            key,
            next: 1,
            digest: LogDigest::EMPTY,
            ends: BTreeMap::new(),
            acts: Vec::new(),
            told: Vec::new(),
        };
        let keys = RoomKeys { sign: [2; 32], sealing: [2; 32] };
        story.write([RoomOp::Begin { room, keys, log: LogId([1; 8]), way: None }]);
        story.store_act(first.into());
        let add = vec![entry(ME, Role::Member, "bob"), entry(3, Role::Member, "carol")];
        story.act(&Body::Roster(Roster { add, ..Roster::default() }));
        story.told.clear();
        story
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("torchat.db")
    }

    pub(crate) fn commit(&mut self, ops: Vec<Op>) -> Applied {
        let applied = self.store.commit(NOW, &ops).unwrap();
        self.told.extend(applied.events.iter().map(|event| event.what.clone()));
        applied
    }

    pub(crate) fn write(&mut self, ops: impl IntoIterator<Item = RoomOp>) -> Applied {
        self.commit(ops.into_iter().map(Op::from).collect())
    }

    pub(crate) fn replica(&mut self, ops: impl IntoIterator<Item = ReplicaOp>) -> Applied {
        let room = self.room;
        self.write(ops.into_iter().map(|op| RoomOp::Replica { room, op }).collect::<Vec<_>>())
    }

    fn joins(&mut self, event: Arc<Event>, standing: Standing) -> ReplicaOp {
        self.digest = self.digest.next(event.id());
        let op = ReplicaOp::Store { pos: self.next, event, digest: self.digest, lamport: self.next, standing };
        self.next += 1;
        op
    }

    fn store_act(&mut self, act: Arc<Event>) {
        self.acts.push(act.clone());
        let (seq, id) = (act.header().seq, act.id());
        let store = self.joins(act, Standing::As(Role::Owner));
        self.replica([store, ReplicaOp::Act { seq, id }]);
    }

    pub(crate) fn act(&mut self, body: &Body) {
        let last = self.acts.last().unwrap();
        let clock = Clock { acts: 1, lamport: self.next, minute: 29_833_333 };
        let (seq, prev) = (last.header().seq + 1, last.id());
        let act = sign(&self.key, Some(self.room), Author::ACTS, seq, prev, clock, body).unwrap();
        self.store_act(act.into());
    }

    /// The operations by which a member's next event joins the log.
    pub(crate) fn event(&mut self, author: Author, body: &Body, standing: Standing) -> (Ref, Vec<ReplicaOp>) {
        let (seq, prev) = self.ends.get(&author).copied().unwrap_or((0, self.room.as_event()));
        let place = Place { author, seq: seq + 1 };
        let clock = Clock { acts: 2, lamport: self.next, minute: 29_833_340 };
        let event = Arc::new(sign(&self.key, Some(self.room), author, place.seq, prev, clock, body).unwrap());
        self.ends.insert(author, (place.seq, event.id()));
        let row = ChainRow { head: place.seq, id: event.id(), floor: 0, key: key_of(1) };
        let named = event.named();
        let joins = self.joins(event, standing);
        (named, vec![ReplicaOp::Chain(author, row), joins])
    }

    pub(crate) fn say_as(&mut self, author: Author, body: &Body, standing: Standing) -> Ref {
        let (named, ops) = self.event(author, body, standing);
        self.replica(ops);
        named
    }

    pub(crate) fn say(&mut self, member: u32, body: &Body) -> Ref {
        let role = if member == 1 { Role::Owner } else { Role::Member };
        self.say_as(no(member).chain(0), body, Standing::As(role))
    }

    /// A number is somebody else's now.
    pub(crate) fn discard(&mut self, member: MemberNo) {
        self.replica([ReplicaOp::Discard(member)]);
        self.ends.retain(|author, _| author.member() != Some(member));
    }

    /// What a member's first chain counts as from a number on.
    pub(crate) fn stands(&mut self, member: u32, spans: &[(u64, Standing)]) -> Applied {
        self.replica([ReplicaOp::Spans(no(member).chain(0), Spans::new(spans.to_vec()))])
    }

    /// The places of events whose bodies are asked for.
    pub(crate) fn missing(&self) -> Vec<Place> {
        self.reader.rooms().unwrap().rooms.remove(0).stored.missing
    }

    pub(crate) fn page(&self, hidden: bool) -> Vec<MessageRow> {
        let conversation = self.room.conversation();
        self.reader.page_with(conversation, Page::Last, PageLimit::rows(100), hidden).unwrap().0
    }

    /// All of it, however much that is.
    pub(crate) fn all(&self, hidden: bool) -> Vec<MessageRow> {
        let conversation = self.room.conversation();
        self.reader.page_with(conversation, Page::Last, PageLimit::rows(100_000), hidden).unwrap().0
    }

    /// The texts that are shown.
    pub(crate) fn shown_all(&self) -> Vec<String> {
        let rows = self
            .all(false)
            .into_iter()
            .filter(|row| row.state != MessageState::System && row.state != MessageState::Void);
        rows.map(|row| row.text).collect()
    }

    /// How many texts of a chain from a number on are to be said again.
    pub(crate) fn uncounted(&self, author: Author, from: u64) -> usize {
        let (_, report) = self.reader.answer_room(self.room, &Read::Own { author, from }).unwrap().unwrap();
        let Report::Own { texts, .. } = report else { panic!("{report:?}") };
        texts.len()
    }

    /// State and text of all messages but lines.
    pub(crate) fn shown(&self) -> Vec<(MessageState, String)> {
        let rows = self.page(true).into_iter().filter(|row| row.state != MessageState::System);
        rows.map(|row| (row.state, row.text)).collect()
    }

    fn lines(&self) -> Vec<String> {
        let rows = self.page(false).into_iter().filter(|row| row.state == MessageState::System);
        rows.map(|row| row.text).collect()
    }

    pub(crate) fn row(&self, text: &str) -> MessageRow {
        self.page(true).into_iter().find(|row| row.text == text).unwrap_or_else(|| panic!("no {text:?}"))
    }

    fn glance(&self) -> Preview {
        let mut all = Vec::new();
        let take = |found: Vec<Preview>| {
            all.extend(found);
            true
        };
        self.reader.conversations(ListFrom::Newest, None, 9, take).unwrap();
        all.into_iter().find(|one| one.peer == self.room.conversation()).unwrap()
    }

    pub(crate) fn unread(&self) -> (u64, u64) {
        let glance = self.glance();
        (glance.unread, glance.room.unwrap().1)
    }

    fn find(&mut self, words: &str) -> Vec<String> {
        while self.store.index(100).unwrap() {}
        let query = search_query(words, None).unwrap();
        let (rows, _) = self.reader.search(&query, None, i64::MAX, PageLimit::rows(1_000)).unwrap();
        rows.into_iter().map(|row| row.text).collect()
    }

    fn told(&mut self) -> Vec<Kind> {
        std::mem::take(&mut self.told).iter().map(What::kind).collect()
    }

    /// The process ends, and begins again.
    pub(crate) fn restart(&mut self) {
        let path = self.path();
        self.store = Store::in_memory().unwrap();
        self.store = Store::open(&path).unwrap();
        self.reader = Reader::of_file(path);
    }

    /// Whether words stand anywhere in the store's files, when nothing is left to be cleaned.
    fn is_on_disk(&mut self, words: &str) -> bool {
        self.store.scrub(std::env::var("THOROUGH").is_ok()).unwrap();
        let mut found = false;
        for file in std::fs::read_dir(self.dir.path()).unwrap() {
            let bytes = std::fs::read(file.unwrap().path()).unwrap();
            found |= bytes.windows(words.len()).any(|part| part == words.as_bytes());
        }
        found
    }

    pub(crate) fn as_peer(&self) -> PeerId {
        self.room.conversation().as_peer().unwrap()
    }
}

#[test]
fn a_room_is_a_conversation_and_nobodys_peer() {
    let mut story = Story::new();
    story.say(1, &Body::Text(text(1, "fed at nine")));
    let glance = story.glance();
    let (room, mentions) = glance.room.unwrap();
    assert_eq!((room.name.as_str(), room.topic.as_str(), room.members, mentions), ("lab", "cats", 3, 0));
    assert_eq!((room.me.unwrap().member, room.owner), (ME, Some(1)));
    assert_eq!((glance.unread, glance.last.unwrap().text.as_str()), (1, "fed at nine"));
    assert_eq!(story.reader.untaken().unwrap().iter().map(|one| one.peer).collect::<Vec<_>>(), [story.as_peer()]);
    assert!(story.reader.snapshot().unwrap().peers.is_empty());
    // What the user has set stays over a restart, and when we join once more.
    let room = story.room;
    story.write([RoomOp::Alias { room, alias: Some("my cats".into()) }, RoomOp::Notify { room, notify: Notify::All }]);
    assert_eq!(story.told().last(), Some(&Kind::Room));
    let keys = RoomKeys { sign: [7; 32], sealing: [7; 32] };
    story.write([
        RoomOp::State { room, state: RoomState::Left },
        RoomOp::Begin { room, keys, log: LogId([2; 8]), way: None },
    ]);
    story.restart();
    let record = story.reader.room(room).unwrap().unwrap();
    assert_eq!(
        (record.alias.as_deref(), record.notify),
        (Some("my cats"), torchat_protocol::control::api::record::Notify::All)
    );
    assert_eq!(story.shown(), [(MessageState::Unread, "fed at nine".into())], "what was said stays");
}

#[test]
fn a_message_has_the_id_of_the_worked_example() {
    let room = RoomId([
        0xee, 0xa4, 0x54, 0x24, 0x9a, 0x89, 0xd5, 0x08, 0x20, 0x28, 0xa5, 0xef, 0xa1, 0xa7, 0xae, 0x5d, 0xc9, 0x6d,
        0x01, 0x2f, 0x7a, 0x18, 0x8e, 0x3b, 0xa1, 0x6d, 0xc9, 0xe0, 0x5f, 0x06, 0x42, 0x6d,
    ]);
    let mut story = Story { room, ..Story::new() };
    let keys = RoomKeys { sign: [2; 32], sealing: [2; 32] };
    story.write([RoomOp::Begin { room, keys, log: LogId([1; 8]), way: None }]);
    (story.next, story.digest) = (1, LogDigest::EMPTY);
    let mid = TextId(std::array::from_fn(|n| u8::try_from(n).unwrap()));
    story.say(1, &Body::Text(Text { mid, ..text(0, "hello") }));
    assert_eq!(story.row("hello").mid.to_string(), "f229622ef18f6ae05e8ad68797954c37");
    assert_eq!(story.row("hello").mid, message_id(room, no(1), mid));
}

#[test]
fn a_text_of_ours_waits_is_said_is_delivered_and_all_of_it_survives() {
    let mut story = Story::new();
    let room = story.room;
    let applied = story.replica([ReplicaOp::Queue(text(1, "mine")), ReplicaOp::Queue(text(2, "not yet"))]);
    let said: Vec<_> = applied.said.iter().map(|said| (said.text, said.row)).collect();
    assert_eq!(said, [(TextId([1; 16]), story.row("mine").id), (TextId([2; 16]), story.row("not yet").id)]);
    assert_eq!(story.told(), [Kind::Queued, Kind::Queued]);
    let waits = story.row("mine");
    assert_eq!((waits.dir, waits.state, waits.done_ms), (Direction::Out, MessageState::Queued, None));
    assert_eq!(story.reader.room_target(room, waits.id).unwrap(), Some(RoomTarget::Waits(TextId([1; 16]))));
    let author = no(ME).chain(0);
    let (named, mut ops) = story.event(author, &Body::Text(text(1, "mine")), COUNTS);
    ops.push(ReplicaOp::Unqueue(TextId([1; 16])));
    story.replica(ops);
    assert_eq!((story.row("mine").state, story.row("mine").id), (MessageState::Queued, waits.id));
    assert_eq!(story.told(), [], "it is queued as before");
    assert_eq!(story.reader.room_target(room, waits.id).unwrap(), Some(RoomTarget::Said { named, own: true }));
    story.write([RoomOp::Delivered { room, author, upto: 1 }]);
    assert_eq!((story.row("mine").state, story.told()), (MessageState::Delivered, vec![Kind::Delivered]));
    story.restart();
    assert_eq!(story.shown(), [(MessageState::Delivered, "mine".into()), (MessageState::Queued, "not yet".into())]);
    let from = story.row("mine").room.unwrap().from.unwrap();
    assert_eq!((from.member, from.name.as_str(), from.me), (ME, "bob", true));
    // Taken back, and one that has waited too long.
    story.replica([ReplicaOp::Unqueue(TextId([2; 16])), ReplicaOp::Queue(text(3, "late"))]);
    story.write([RoomOp::Failed { room, text: TextId([3; 16]) }, replica(room, ReplicaOp::Unqueue(TextId([3; 16])))]);
    story.replica([ReplicaOp::Queue(text(4, "never"))]);
    story.write([RoomOp::State { room, state: RoomState::Removed }]);
    let states: Vec<_> = story.shown().into_iter().map(|(state, _)| state).collect();
    use MessageState::{Delivered, Failed, Withdrawn};
    assert_eq!(states, [Delivered, Withdrawn, Failed, Failed]);
    let kinds: Vec<_> = story.told().into_iter().filter(|kind| *kind != Kind::Room).collect();
    assert_eq!(kinds, [Kind::Withdrawn, Kind::Queued, Kind::Failed, Kind::Queued, Kind::Failed]);
}

#[test]
fn a_text_that_is_said_at_once_is_what_one_is_that_waited() {
    let [at_once, later, delivered] = [true, false, false].map(|at_once| {
        let mut story = Story::new();
        let mid = TextId([1; 16]);
        let mut ops = vec![if at_once { ReplicaOp::Said(mid) } else { ReplicaOp::Queue(text(1, "mine")) }];
        ops.extend(story.event(no(ME).chain(0), &Body::Text(text(1, "mine")), COUNTS).1);
        ops.extend((!at_once).then_some(ReplicaOp::Unqueue(mid)));
        let applied = story.replica(ops);
        let said: Vec<_> = applied.said.iter().map(|said| (said.text, said.row, said.mid)).collect();
        (said, std::mem::take(&mut story.told), story.row("mine"), story)
    });
    assert_eq!((&at_once.0, &at_once.1, &at_once.2), (&later.0, &later.1, &later.2));
    assert_eq!(at_once.1.len(), 1, "{:?}", at_once.1);
    // If more happens to it in the same transaction, that counts.
    let (.., mut story) = delivered;
    let (room, author) = (story.room, no(ME).chain(0));
    let mut ops = vec![replica(room, ReplicaOp::Said(TextId([2; 16])))];
    ops.extend(story.event(author, &Body::Text(text(2, "heard")), COUNTS).1.into_iter().map(|op| replica(room, op)));
    ops.push(RoomOp::Delivered { room, author, upto: 2 });
    story.write(ops);
    assert_eq!(story.row("heard").state, MessageState::Delivered);
    assert_eq!(story.told(), [Kind::Delivered, Kind::Queued, Kind::Delivered]);
    // One more event of a text that is there is no second message, and nobody else has it yet.
    let mut ops = vec![ReplicaOp::Said(TextId([2; 16]))];
    ops.extend(story.event(author, &Body::Text(text(2, "heard")), COUNTS).1);
    ops.push(ReplicaOp::Said(TextId([3; 16])));
    ops.extend(story.event(author, &Body::Text(text(3, "new")), COUNTS).1);
    story.replica(ops);
    let states: Vec<_> = story.shown().into_iter().collect();
    let state = |state, words: &str| (state, words.to_owned());
    use MessageState::{Delivered, Queued};
    assert_eq!(states, [state(Delivered, "mine"), state(Delivered, "heard"), state(Queued, "new")]);
}

#[test]
fn a_member_that_the_owner_gives_our_identity_and_a_key_of_its_own_is_not_us() {
    let mut story = Story::new();
    let ours = entry(ME, Role::Member, "bob").id;
    let fake = Entry { id: ours, ..entry(4, Role::Member, "bob") };
    story.act(&Body::Roster(Roster { add: vec![fake], ..Roster::default() }));
    story.say(4, &Body::Text(text(1, "I owe anna everything")));
    story.say(3, &Body::Text(Text { to: vec![no(4)], ..text(2, "do you, bob") }));
    story.say(3, &Body::Text(Text { to: vec![no(ME)], ..text(3, "or you") }));
    story.say(ME, &Body::Text(text(4, "it was not me")));
    let of = |words: &str| {
        let row = story.row(words);
        (row.dir, row.state, row.room.unwrap().from.unwrap().me)
    };
    assert_eq!(of("I owe anna everything"), (Direction::In, MessageState::Unread, false));
    assert_eq!(of("it was not me"), (Direction::Out, MessageState::Delivered, true));
    let mentions = |words: &str| story.row(words).room.unwrap().flags.contains(&MessageFlag::Mention);
    assert_eq!((mentions("do you, bob"), mentions("or you")), (false, true));
    let (members, _) = story.reader.room_members(story.room, None, 10).unwrap().unwrap();
    let me: Vec<_> = members.iter().filter(|member| member.me).map(|member| member.no).collect();
    assert_eq!(me, [ME]);
}

fn replica(room: RoomId, op: ReplicaOp) -> RoomOp {
    RoomOp::Replica { room, op }
}

#[test]
fn the_key_of_a_program_finds_its_text_and_a_text_that_ends_is_known_after_a_restart() {
    let mut story = Story::new();
    let room = story.room;
    let client = RoomOp::Client { room, text: TextId([1; 16]), client: "cat-17".into() };
    let expires = RoomOp::Expires { room, text: TextId([1; 16]), until_ms: NOW + 5 };
    let asked = RoomOp::AskedBy { room, client: "new-1".into() };
    story.write([client, expires, replica(room, ReplicaOp::Queue(text(1, "fed"))), asked]);
    let found = story.reader.by_client_id("cat-17", None).unwrap().unwrap();
    assert_eq!((found.id, found.text.as_str(), found.until_ms), (story.row("fed").id, "fed", Some(NOW + 5)));
    let Some(What::Queued { message }) = story.told.last().cloned() else { panic!() };
    assert_eq!(message.client_id.as_deref(), Some("cat-17"));
    story.restart();
    let snapshot = story.reader.rooms().unwrap();
    assert_eq!(snapshot.rooms[0].expiring, [(TextId([1; 16]), NOW + 5)]);
    assert_eq!(snapshot.clients, [("new-1".to_owned(), room)]);
}

#[test]
fn what_stops_counting_is_a_mark_and_what_counts_again_is_as_unread_as_it_was() {
    let mut story = Story::new();
    for n in 1..=3 {
        story.say(3, &Body::Text(text(n, &format!("word{n}"))));
    }
    assert_eq!((story.unread(), story.find("word2").len()), ((3, 0), 1));
    story.commit(vec![Op::Chat(ChatOp::ReadUpto { peer: story.as_peer(), upto: story.row("word1").id, limit: 9 })]);
    story.told.clear();
    // A mute from the second one on; the third is void.
    let applied = story.stands(3, &[(1, COUNTS), (2, Standing::Hidden(Role::Member)), (3, Standing::Void)]);
    assert_eq!(applied.renewed, [(story.room.conversation(), None)]);
    use MessageState::{Hidden, Read, Unread, Void};
    let states = |story: &Story| story.shown().into_iter().map(|(state, _)| state).collect::<Vec<_>>();
    assert_eq!((states(&story), story.unread()), (vec![Read, Hidden, Void], (0, 0)));
    assert_eq!(story.page(false).iter().filter(|row| row.state == Hidden).count(), 0, "only who asks sees it");
    assert_eq!((story.find("word2").len(), story.find("word3").len()), (0, 0));
    let Some(What::Voided { messages, .. }) = story.told.last().cloned() else { panic!("{:?}", story.told) };
    assert_eq!(messages.iter().map(|one| one.state).collect::<Vec<_>>(), [Hidden, Void]);
    story.restart();
    story.stands(3, &[(1, COUNTS)]);
    assert_eq!((states(&story), story.unread(), story.find("word2").len()), (vec![Read, Unread, Unread], (2, 0), 1));
    // Who reads on has seen what was hidden there.
    story.stands(3, &[(1, COUNTS), (2, Standing::Void), (3, COUNTS)]);
    story.commit(vec![Op::Chat(ChatOp::Read { peer: story.as_peer(), row: story.row("word3").id })]);
    story.stands(3, &[(1, COUNTS)]);
    assert_eq!((states(&story), story.unread()), (vec![Read, Read, Read], (0, 0)));
}

#[test]
fn a_text_that_is_said_again_in_another_chain_is_the_same_message() {
    let mut story = Story::new();
    story.say(3, &Body::Text(text(1, "once")));
    let id = story.row("once").id;
    story.stands(3, &[(1, Standing::Void)]);
    story.say_as(no(3).chain(1), &Body::Text(text(1, "once")), COUNTS);
    let row = story.row("once");
    assert_eq!((row.id, row.state, story.page(true).len()), (id, MessageState::Unread, 3), "two lines and it");
    assert_eq!(row.room.unwrap().place, Some(Place { author: no(3).chain(1), seq: 1 }));
    // The first in order counts, when both do.
    story.stands(3, &[(1, COUNTS)]);
    assert_eq!(story.row("once").room.unwrap().place, Some(Place { author: no(3).chain(0), seq: 1 }));
    // Nobody takes another's place by copying the id.
    story.say(1, &Body::Text(text(1, "mine too")));
    assert_eq!(story.shown().len(), 2);
}

#[test]
fn edits_reactions_answers_and_mentions_are_of_the_message() {
    let mut story = Story::new();
    let first = story.say(3, &Body::Text(text(1, "fed at tne")));
    let answer = Text { re: Some(first), to: vec![no(ME)], ..text(2, "thanks") };
    story.say(1, &Body::Text(answer));
    assert_eq!(story.unread(), (2, 1));
    story.find("tne");
    story.told.clear();
    let edit =
        |words: &str| Body::Edit(Edit { of: first, mid: TextId([9; 16]), text: BoundedText::new(words).unwrap() });
    let edited = story.say(3, &edit("fed at nine"));
    story.say(1, &edit("not by its author"));
    let react = |sign: &str| Body::Reaction(Reaction { of: first, sign: BoundedText::new(sign).unwrap() });
    story.say(1, &react("+1"));
    story.say(ME, &react("+1"));
    story.say(1, &react(""));
    assert_eq!(story.told(), [Kind::Edited, Kind::Reacted, Kind::Reacted, Kind::Reacted]);
    let row = story.row("fed at nine");
    let part = row.room.clone().unwrap();
    assert_eq!(
        (part.reacts, part.edited_ms),
        (BTreeMap::from([("+1".to_owned(), vec![ME])]), Some(29_833_340 * 60_000))
    );
    assert_eq!((story.find("nine").len(), story.find("tne").len()), (1, 0));
    let thanks = story.row("thanks").room.unwrap();
    assert_eq!((thanks.re, thanks.flags.as_slice()), (Some(row.mid), &[MessageFlag::Mention][..]));
    let order = thanks.order.unwrap();
    assert_eq!((order.author, order.seq), (no(1).chain(0).get(), 1));
    // The edit is taken away: the text before it is in force.
    story.say(1, &Body::Redact(Redact { of: edited, why: None }));
    assert_eq!(story.row("fed at tne").id, row.id);
    // The mention is read.
    let upto = i64::MAX;
    story.commit(vec![Op::Chat(ChatOp::ReadUpto { peer: story.as_peer(), upto, limit: 9 })]);
    assert_eq!(story.unread(), (0, 0));
}

#[test]
fn a_redacted_text_is_in_no_file_and_no_search() {
    let mut story = Story::new();
    // Others around it, so that rows move.
    for n in 10..40 {
        story.say(1, &Body::Text(text(n, &format!("filler {n} {}", "x".repeat(150)))));
    }
    let place = story.say(3, &Body::Text(text(1, "quarkfondue at nine")));
    let edit = Edit { of: place, mid: TextId([9; 16]), text: BoundedText::new("quarkfondue at ten").unwrap() };
    story.say(3, &Body::Edit(edit));
    for n in 40..70 {
        story.say(1, &Body::Text(text(n, &format!("filler {n} {}", "y".repeat(150)))));
    }
    assert_eq!(story.find("quarkfondue").len(), 1);
    assert!(story.is_on_disk("quarkfondue"));
    story.told.clear();
    let applied = story.say(1, &Body::Redact(Redact { of: place, why: None }));
    assert_eq!((applied.place.seq, story.told()), (61, vec![Kind::Redacted]));
    let gone = story.page(true).into_iter().find(|row| row.state == MessageState::Redacted).unwrap();
    assert_eq!((gone.text.as_str(), gone.dir), ("", Direction::Mark));
    assert!(story.find("quarkfondue").is_empty() && !story.is_on_disk("quarkfondue"));
    assert_eq!(story.find("filler").len(), 60);
    // Nor do the events say it.
    let events = story.reader.events(0, u64::MAX >> 1, 1_000, usize::MAX).unwrap();
    assert!(!serde_json::to_string(&events).unwrap().contains("quarkfondue"));
}

#[test]
fn a_destroyed_room_leaves_one_line() {
    let mut story = Story::new();
    for n in 1..200 {
        story.say(3, &Body::Text(text(n, &format!("quarkfondue {n} {}", "z".repeat(usize::from(n))))));
    }
    story.replica([ReplicaOp::Queue(text(201, "quarkfondue that waits"))]);
    let before = story.find("quarkfondue").len();
    assert_eq!(before, 200);
    let acts = vec![story.acts[0].clone(), story.acts[1].clone()];
    let applied = story.write([RoomOp::Bury(Tomb { room: story.room, acts, members: Vec::new(), at_ms: NOW })]);
    assert_eq!(applied.renewed, [(story.room.conversation(), None)]);
    let page = story.page(true);
    assert_eq!(page.iter().map(|row| row.state).collect::<Vec<_>>(), [MessageState::System]);
    assert!(page[0].text.contains("ended the room"));
    assert!(story.find("quarkfondue").is_empty() && !story.is_on_disk("quarkfondue"));
    assert_eq!((story.unread(), story.glance().room.unwrap().0.name), ((0, 0), "lab".to_owned()));
    story.restart();
    assert_eq!(story.page(true).len(), 1);
}

#[test]
fn each_act_and_each_topic_has_its_line_and_one_that_holds_no_more_is_void() {
    let mut story = Story::new();
    assert_eq!(story.lines(), ["anna made the room", "bob, carol joined"]);
    let role =
        |member, role| torchat_protocol::room::body::acts::Promotion { no: no(member), role, keep: Keep::NOTHING };
    story.act(&Body::Roster(Roster { role: vec![role(3, Role::Moderator)], ..Roster::default() }));
    story.act(&Body::Set(Set { name: BoundedText::new("kitchen"), topic: BoundedText::new("food"), policy: None }));
    let by = no(3).chain(0);
    story.say_as(by, &Body::Topic(Topic { topic: BoundedText::new("fish").unwrap() }), Standing::As(Role::Moderator));
    let cut = Cut { no: no(3), keep: Keep::from_iter([(0, 9)]), why: CutReason::Removed };
    story.act(&Body::Roster(Roster { cut: vec![cut], ..Roster::default() }));
    let lines = story.lines();
    assert_eq!(
        &lines[2..],
        [
            "carol is a moderator now",
            "the room is called kitchen now; the topic is now: food",
            "carol: the topic is now: fish",
            "carol removed by the owner"
        ]
    );
    let record = story.glance().room.unwrap().0;
    assert_eq!((record.name.as_str(), record.topic.as_str(), record.members), ("kitchen", "fish", 2));
    let changes = story.told.iter().filter_map(|what| match what {
        What::Member { member, change, .. } => Some((member.no, *change, member.state)),
        _ => None,
    });
    let changes: Vec<_> = changes.collect();
    assert_eq!(changes, [(3, MemberChange::Role, MemberState::In), (3, MemberChange::Removed, MemberState::Removed)]);
    // Lines are no messages.
    assert_eq!((story.unread(), story.find("kitchen").len()), ((0, 0), 0));
    // Another branch: all but the first two acts hold no more, and the topic is by nobody.
    story.replica([ReplicaOp::CutBranch(3), ReplicaOp::Spans(by, Spans::new(vec![(1, Standing::Void)]))]);
    assert_eq!(story.lines(), ["anna made the room", "bob, carol joined"]);
    let record = story.glance().room.unwrap().0;
    assert_eq!((record.name.as_str(), record.topic.as_str(), record.members), ("lab", "cats", 3));
    story.restart();
    let (members, more) = story.reader.room_members(story.room, Some(no(1)), 1).unwrap().unwrap();
    assert_eq!((members[0].no, members[0].name.as_str(), members[0].me, more), (ME, "bob", true, true));
}

#[test]
fn mutes_and_names_are_told_of_members_and_a_name_is_kept_as_it_was() {
    let mut story = Story::new();
    story.say(3, &Body::Text(text(1, "before")));
    story.say(3, &Body::Nick(Nick { nick: BoundedText::new("caro").unwrap() }));
    story.say(3, &Body::Text(text(2, "after")));
    let name = |words: &str, story: &Story| story.row(words).room.unwrap().from.unwrap().name;
    assert_eq!((name("before", &story), name("after", &story)), ("carol".to_owned(), "caro".to_owned()));
    let mute = story.say(1, &Body::Mute(Mute { who: no(3), keep: Keep::NOTHING, why: None }));
    let (members, _) = story.reader.room_members(story.room, Some(no(2)), 9).unwrap().unwrap();
    assert_eq!((members[0].state, members[0].name.as_str()), (MemberState::Muted, "caro"));
    assert!(members[0].said_at.is_some());
    story.say(1, &Body::Unmute(Unmute { of: mute, resume: Keep::NOTHING }));
    let changes = story.told.iter().filter_map(|what| match what {
        What::Member { change, .. } => Some(*change),
        _ => None,
    });
    let changes: Vec<_> = changes.collect();
    assert_eq!(changes, [MemberChange::Nick, MemberChange::Muted, MemberChange::Unmuted]);
}

#[test]
fn whom_the_user_has_blocked_is_hidden_here_and_seen_again_later() {
    let mut story = Story::new();
    story.say(3, &Body::Text(text(1, "from carol")));
    story.say(1, &Body::Text(text(2, "from anna")));
    let block = |blocked| vec![Op::Contacts(ContactOp::Block { peer: identity(3), blocked })];
    story.commit(block(true));
    story.say(3, &Body::Text(text(3, "more of it")));
    let visible: Vec<_> = story.page(false).into_iter().map(|row| row.text).skip(2).collect();
    assert_eq!((visible, story.unread()), (vec!["from anna".to_owned()], (1, 0)));
    assert!(story.find("carol").is_empty());
    assert_eq!(story.row("more of it").state, MessageState::Hidden);
    story.commit(block(false));
    assert_eq!((story.unread(), story.find("carol").len()), ((3, 0), 1));
}

#[test]
fn what_is_erased_here_stays_erased_and_counts_nothing() {
    let mut story = Story::new();
    story.say(3, &Body::Text(Text { to: vec![no(ME)], ..text(1, "gone") }));
    story.say(3, &Body::Text(text(2, "stays")));
    let upto = story.row("gone").id;
    let piece = Piece { after: 0, upto, before_ms: None, unread: true, limit: 64 };
    let applied = story.commit(vec![Op::Chat(ChatOp::Erase { peer: story.as_peer(), piece })]);
    assert_eq!((applied.erased[0].rows.len(), applied.freed.len()), (3, 0), "the lines before it, too");
    assert_eq!((story.shown().len(), story.unread()), (1, (1, 0)));
    // Said again, or judged anew, it does not come back.
    story.say_as(no(3).chain(1), &Body::Text(text(1, "gone")), COUNTS);
    story.stands(3, &[(1, Standing::Void)]);
    story.stands(3, &[(1, COUNTS)]);
    assert_eq!(story.shown(), [(MessageState::Unread, "stays".into())]);
}

#[test]
fn events_read_the_same_from_the_disk_as_when_they_were_told() {
    let mut story = Story::new();
    let first = story.say(3, &Body::Text(text(1, "hello")));
    story.say(1, &Body::Text(Text { re: Some(first), to: vec![no(ME)], ..text(2, "hi") }));
    story.say(1, &Body::Reaction(Reaction { of: first, sign: BoundedText::new("+1").unwrap() }));
    story.say(1, &Body::Topic(Topic { topic: BoundedText::new("dogs").unwrap() }));
    story.replica([ReplicaOp::Queue(text(3, "own"))]);
    story.stands(3, &[(1, Standing::Void)]);
    let told: Vec<_> = story.told.iter().map(|what| serde_json::to_value(what).unwrap()).collect();
    story.restart();
    let read = story.reader.events(0, u64::MAX >> 1, 1_000, usize::MAX).unwrap();
    let read: Vec<_> = read.iter().map(|event| serde_json::to_value(&event.what).unwrap()).collect();
    let read = &read[read.len() - told.len()..];
    for (read, told) in read.iter().zip(&told) {
        if told["event"] == "reacted" {
            // Of a message that is void since nobody's sign is left.
            assert_eq!((&told["sign"], &read["sign"]), (&"+1".into(), &"".into()));
            continue;
        }
        // A message that is void since has no role any more.
        if told["message"]["text"] != "hello" {
            assert_eq!(read, told);
        }
    }
}

#[test]
fn a_change_of_a_long_chain_looks_at_what_changes_only() {
    let mut story = Story::new();
    let mut ops = Vec::new();
    for n in 0..3_000_u64 {
        let mut said = text(0, "one of many");
        said.mid.0[..8].copy_from_slice(&n.to_be_bytes());
        ops.extend(story.event(no(3).chain(0), &Body::Text(said), COUNTS).1);
    }
    story.replica(ops);
    story.told.clear();
    let watch = rusqlite::Connection::open(story.path()).unwrap();
    let version = |db: &rusqlite::Connection| {
        db.query_row("SELECT count(*) FROM message WHERE dir = 2", [], |row| row.get::<_, i64>(0)).unwrap()
    };
    let lines = version(&watch);
    story.stands(3, &[(1, COUNTS), (2_991, Standing::Void)]);
    let Some(What::Voided { messages, .. }) = story.told.last().cloned() else { panic!() };
    assert_eq!((messages.len(), version(&watch) - lines, story.unread().0), (10, 10, 2_990));
}

/// The rooms of a store as version 12 had them: events, acts and texts that wait, and no message of any room.
fn as_version_12(from: &std::path::Path, to: &std::path::Path) {
    let db = rusqlite::Connection::open(to).unwrap();
    db.execute_batch("PRAGMA journal_mode = WAL").unwrap();
    for step in [
        include_str!("../../src/store/schema/v10.sql"),
        include_str!("../../src/store/schema/v11.sql"),
        include_str!("../../src/store/schema/v12.sql"),
    ] {
        db.execute_batch(step).unwrap();
    }
    db.pragma_update(None, "application_id", 0x746F_7263_u32).unwrap();
    db.pragma_update(None, "user_version", 12).unwrap();
    db.execute("ATTACH ?1 AS later", [from.to_str().unwrap()]).unwrap();
    for table in ["room", "room_event", "room_chain", "room_act", "room_outbox"] {
        let columns: Vec<String> = db
            .prepare(&format!("SELECT name FROM pragma_table_info('{table}')"))
            .unwrap()
            .query_map([], |row| row.get(0))
            .unwrap()
            .collect::<Result<_, _>>()
            .unwrap();
        let columns = columns.join(", ");
        db.execute(&format!("INSERT INTO {table} ({columns}) SELECT {columns} FROM later.{table}"), []).unwrap();
    }
}

#[test]
fn a_store_of_version_12_gets_the_messages_of_its_rooms_and_nobody_is_told() {
    let mut story = Story::new();
    let first = story.say(3, &Body::Text(text(1, "hello")));
    let gone = story.say(3, &Body::Text(text(2, "taken away")));
    story.say(1, &Body::Text(Text { re: Some(first), to: vec![no(ME)], ..text(3, "hi") }));
    story.say(ME, &Body::Text(text(4, "own")));
    story.say(1, &Body::Redact(Redact { of: gone, why: None }));
    story.say(1, &Body::Topic(Topic { topic: BoundedText::new("dogs").unwrap() }));
    story.say(3, &Body::Text(text(5, "hidden")));
    story.stands(3, &[(1, COUNTS), (3, Standing::Hidden(Role::Member))]);
    story.replica([ReplicaOp::Queue(text(6, "waits"))]);
    story.commit(vec![Op::Chat(ChatOp::ReadUpto { peer: story.as_peer(), upto: i64::MAX, limit: 9 })]);
    let other = fast_dir();
    let path = other.path().join("torchat.db");
    as_version_12(&story.path(), &path);
    let before = story.page(true);
    (story.store, story.reader) = (Store::open(&path).unwrap(), Reader::of_file(path.clone()));
    let after = story.page(true);
    let told = |rows: &[MessageRow]| -> Vec<_> {
        // What was taken away before there were messages left nothing.
        let rows = rows.iter().filter(|row| row.state != MessageState::Redacted);
        rows.map(|row| (row.mid, row.dir, row.text.clone(), row.room.clone(), row.at_ms)).collect()
    };
    assert_eq!(told(&after), told(&before));
    let states = |rows: &[MessageRow]| rows.iter().map(|row| row.state).collect::<Vec<_>>();
    let without: Vec<_> = states(&before).into_iter().filter(|state| *state != MessageState::Redacted).collect();
    assert_eq!(states(&after), without);
    assert_eq!((story.unread(), story.reader.log_edges().unwrap().last), ((0, 0), 0));
    let record = story.glance().room.unwrap().0;
    assert_eq!((record.topic.as_str(), record.members), ("dogs", 3));
    // Once, and it goes on.
    drop(std::mem::replace(&mut story.store, Store::in_memory().unwrap()));
    story.store = Store::open(&path).unwrap();
    assert_eq!(story.page(true), after);
    story.say(3, &Body::Text(text(7, "later")));
    story.stands(3, &[(1, COUNTS)]);
    assert_eq!((story.row("later").state, story.unread()), (MessageState::Unread, (1, 0)));
}

#[test]
fn a_page_of_a_room_costs_little_more_than_one_of_a_contact() {
    let mut story = Story::new();
    let (peer, lane) = (identity(9), torchat_protocol::id::LaneId([7; 8]));
    for n in 0..200_u8 {
        story.say(1 + 2 * u32::from(n % 2), &Body::Text(text(n, &format!("{n:118}"))));
        let chain = torchat_protocol::id::Chain([0; 16]);
        let (seq, mid) = (u64::from(n) + 1, torchat_protocol::id::MessageId([n; 16]));
        let text = format!("{n:118}");
        story.commit(vec![Op::Chat(ChatOp::Receive { peer, lane, seq, chain, mid, sent_s: 60, at_ms: NOW, text })]);
    }
    let reader = story.reader.clone();
    let page = |conversation| {
        let begun = std::time::Instant::now();
        let (rows, _) = reader.page(conversation, Page::Last, PageLimit::rows(100)).unwrap();
        assert_eq!(rows.len(), 100);
        begun.elapsed()
    };
    // The least of many: whatever else the machine does.
    let (mut of_room, mut of_peer) = (std::time::Duration::MAX, std::time::Duration::MAX);
    for _ in 0..300 {
        of_room = of_room.min(page(story.room.conversation()));
        of_peer = of_peer.min(page(peer.into()));
    }
    println!("a page of a room {of_room:?}, of a contact {of_peer:?}");
    assert!(of_room < of_peer * 4, "{of_room:?} {of_peer:?}");
}
