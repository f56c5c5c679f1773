//! A room whose members this program plays: what the daemon of each has stored of it.
//!
//! Every operation comes from a replica that was told the room's events, as in a daemon, so a store that was filled with them is
//! what a daemon would have written. Nothing is checked twice: the signatures are good, and the replica is told so.

use crate::api::{Numbers, Words};
use anyhow::{Context as _, ensure};
use ed25519_dalek::SigningKey;
use std::path::Path;
use torchat_core::op::{ChatOp, Op, RoomOp};
use torchat_core::snapshot::rooms::RoomKeys;
use torchat_engine::store::{Retention, Store};
use torchat_protocol::id::PeerId;
use torchat_protocol::room::body::acts::{Create, Entry, Policy, Roster};
use torchat_protocol::room::body::said::Text;
use torchat_protocol::room::body::{Body, BoundedText, Role};
use torchat_protocol::room::limits::CREDIT_BYTES;
use torchat_protocol::room::{
    Author, Event, EventId, Frame, Has, Head, Hello, Identity, LogDigest, LogId, LogPlace, MemberKey, MemberNo, RoomId,
    Salt, TextId,
};
use torchat_room::Replica;
use torchat_room::outcome::{ChannelId, Context, Effect, Op as ReplicaOp};
use torchat_room::replica::{Me, Stored};
use torchat_room::signing::{Clock, create, sign};

/// When everything in these rooms was said, in milliseconds since 1970.
pub(super) const SAID_MS: i64 = 1_790_000_000_000;
/// The same in minutes.
const MINUTE: u32 = 29_833_333;
/// Events that a replica is told at once: about as many as fit into one message.
const AT_ONCE: usize = 32;
/// Operations of one commit. The daemon's own commits are smaller; what is in the file afterwards is the same.
const COMMIT: usize = 10_000;
/// The only channel of each replica.
const CHANNEL: ChannelId = ChannelId(1);

/// A room and its members.
pub(super) struct Cast {
    pub(super) room: RoomId,
    create: Event,
    people: Vec<PeerId>,
    seeds: Vec<[u8; 32]>,
}

/// A peer's identity as acts name it.
pub(super) fn identity(peer: PeerId) -> Identity {
    Identity(*peer.as_bytes())
}

/// A member's number, of its place among the people.
pub(super) fn number(member: usize) -> anyhow::Result<MemberNo> {
    MemberNo::new(u32::try_from(member)? + 1).context("too many members")
}

impl Cast {
    /// A room of these people, the first of whom owns it. `n` tells rooms apart.
    pub(super) fn new(n: u8, people: &[PeerId]) -> anyhow::Result<Self> {
        let mut numbers = Numbers::new(u64::from(n) + 100);
        let seeds: Vec<[u8; 32]> =
            people.iter().map(|_| std::array::from_fn(|_| numbers.next().to_le_bytes()[0])).collect();
        let mut cast = Self { room: RoomId([0; 32]), create: placeholder()?, people: people.to_vec(), seeds };
        let owner = cast.entry(0, Role::Owner)?;
        let policy = Policy { history: 1_000_000, ..Policy::default() };
        let (name, topic) = (BoundedText::new("lab").context("a name")?, BoundedText::default());
        let first = Create { owner, name, topic, policy, salt: Salt([0; 16]) };
        cast.create =
            create(&cast.key(0), first, MINUTE, &mut || Salt(numbers.bytes())).context("the first act is too long")?;
        cast.room = RoomId(cast.create.id().0);
        Ok(cast)
    }

    pub(super) fn key(&self, member: usize) -> SigningKey {
        SigningKey::from_bytes(&self.seeds[member])
    }

    pub(super) fn public(&self, member: usize) -> MemberKey {
        MemberKey(self.key(member).verifying_key().to_bytes())
    }

    fn keys(&self, member: usize) -> RoomKeys {
        RoomKeys { sign: self.seeds[member], sealing: [7; 32] }
    }

    fn entry(&self, member: usize, role: Role) -> anyhow::Result<Entry> {
        Ok(Entry {
            no: number(member)?,
            sign: self.public(member),
            sealing: self.keys(member).public_sealing(),
            role,
            id: Some(identity(self.people[member])),
            nick: BoundedText::new(format!("member {member}")),
            via: None,
        })
    }

    /// What the owner's daemon has: the room, and that all of them are in.
    pub(super) fn owners_book(&self) -> anyhow::Result<Book<'_>> {
        let mut book = Book::new(self, 0)?;
        let create = self.create.clone();
        book.told(|replica, ctx| replica.found_room(ctx, create))?;
        let add = (1..self.people.len()).map(|member| self.entry(member, Role::Member)).collect::<Result<_, _>>()?;
        let add = Body::Roster(Roster { add, ..Roster::default() });
        let mut said = Ok(EventId([0; 32]));
        book.told(|replica, ctx| said = replica.say_act(ctx, &add, true))?;
        said?;
        book.meets(1, None, &[])?;
        Ok(book)
    }

    /// What another member's daemon has: what the owner's had when it said so.
    pub(super) fn members_book(&self, member: usize, owner: &Book<'_>) -> anyhow::Result<Book<'_>> {
        let mut book = Book::new(self, member)?;
        let acts: Vec<_> = owner.replica.branch().map(|(act, _)| (**act).clone()).collect();
        book.meets(0, Some(owner), &acts)?;
        ensure!(book.replica.me() == Some(number(member)?), "member {member} is not in");
        Ok(book)
    }
}

/// Stands where the first act will.
fn placeholder() -> anyhow::Result<Event> {
    let clock = Clock { acts: 0, lamport: 1, minute: MINUTE };
    let body = Body::Roster(Roster::default());
    let key = SigningKey::from_bytes(&[1; 32]);
    sign(&key, None, Author::ACTS, 1, EventId([0; 32]), clock, &body).context("an act is too long")
}

/// What the daemon of a member has of the room, and what it has written.
pub(super) struct Book<'a> {
    cast: &'a Cast,
    member: usize,
    log: LogId,
    pub(super) replica: Replica,
    ops: Vec<Op>,
    end: LogPlace,
    lamport: u64,
    /// Of each member the last event, by its number and id.
    heads: Vec<(u64, EventId)>,
    numbers: Numbers,
    now_ms: u64,
}

impl<'a> Book<'a> {
    fn new(cast: &'a Cast, member: usize) -> anyhow::Result<Self> {
        let keys = cast.keys(member);
        let log = LogId([u8::try_from(member)? + 1; 8]);
        let me = Me { seed: keys.sign, chain: 0 };
        let replica = Replica::load(Stored::new(cast.room, log, Some(me)));
        Ok(Self {
            cast,
            member,
            log,
            replica,
            ops: vec![Op::from(RoomOp::Begin { room: cast.room, keys, log, way: None })],
            end: LogPlace { next: 1, digest: LogDigest::EMPTY },
            lamport: 1,
            heads: vec![(0, cast.room.as_event()); cast.people.len()],
            numbers: Numbers::new(member as u64 + 1),
            now_ms: 1_000,
        })
    }

    /// The replica is told something, and its turn ends.
    fn told(&mut self, tell: impl FnOnce(&mut Replica, &mut Context<'_>)) -> anyhow::Result<()> {
        let numbers = &mut self.numbers;
        let mut random = |out: &mut [u8]| out.fill_with(|| numbers.next().to_le_bytes()[0]);
        self.now_ms += 10;
        let mut ctx = Context { now_ms: self.now_ms, minute: MINUTE, random: &mut random };
        tell(&mut self.replica, &mut ctx);
        self.replica.go_on(&mut ctx);
        let outcome = self.replica.take();
        let ended = outcome.effects.iter().find(|effect| matches!(effect, Effect::EndLink(_) | Effect::Close(..)));
        ensure!(ended.is_none(), "the replica ends its only channel: {ended:?}");
        for op in outcome.ops {
            if let ReplicaOp::Store { pos, digest, .. } = &op {
                self.end = LogPlace { next: pos + 1, digest: *digest };
            }
            self.ops.push(Op::from(RoomOp::Replica { room: self.cast.room, op }));
        }
        Ok(())
    }

    /// Another member's daemon opens the room and says what it has: these acts.
    fn meets(&mut self, other: usize, book: Option<&Book<'_>>, acts: &[Event]) -> anyhow::Result<()> {
        let (peer, member) = (identity(self.cast.people[other]), number(other)?);
        let known = self.replica.acts() > 0;
        let nothing = vec![Head { author: Author::ACTS, seq: 0, tag: EventId([0; 32]).tag() }];
        let (log, heads, end) = match book {
            Some(book) => (book.log, book.replica.frontier(), book.end),
            None => (LogId([0xfe; 8]), nothing, LogPlace { next: 1, digest: LogDigest::EMPTY }),
        };
        let hello = Hello { log, has: Has::Heads(heads), want: None, credit: CREDIT_BYTES };
        self.told(|replica, ctx| replica.open(ctx, CHANNEL, peer, known.then_some(member), None))?;
        self.told(|replica, ctx| replica.hear(ctx, CHANNEL, Frame::Hello(hello), &[]))?;
        let keys = vec![Some(self.cast.public(0)); acts.len()];
        self.told(|replica, ctx| replica.hear(ctx, CHANNEL, Frame::Events(acts.to_vec()), &keys))?;
        self.told(|replica, ctx| replica.hear(ctx, CHANNEL, Frame::Mark(end), &[]))
    }

    /// A text that another member says next.
    pub(super) fn text_of(&mut self, member: usize, words: &str) -> anyhow::Result<Event> {
        let text = BoundedText::new(words).context("a text is too long")?;
        let body = Body::Text(Text { mid: TextId(self.numbers.bytes()), text, re: None, to: Vec::new() });
        self.lamport += 1;
        let (seq, prev) = self.heads[member];
        let clock = Clock { acts: u32::try_from(self.replica.acts())?, lamport: self.lamport, minute: MINUTE };
        let author = number(member)?.chain(0);
        let event = sign(&self.cast.key(member), Some(self.cast.room), author, seq + 1, prev, clock, &body);
        let event = event.context("a text is too long")?;
        self.heads[member] = (seq + 1, event.id());
        Ok(event)
    }

    /// Texts of these members in turn, until there are so many.
    pub(super) fn talk(&mut self, members: &[usize], count: usize, words: &Words) -> anyhow::Result<()> {
        let mut said = 0;
        while said < count {
            let (mut events, mut keys) = (Vec::new(), Vec::new());
            for n in said..count.min(said + AT_ONCE) {
                let (member, text) = (members[n % members.len()], words.text(&mut self.numbers));
                if member == self.member {
                    self.hears(std::mem::take(&mut events), &std::mem::take(&mut keys))?;
                    self.says(&text)?;
                } else {
                    events.push(self.text_of(member, &text)?);
                    keys.push(Some(self.cast.public(member)));
                }
            }
            self.hears(events, &keys)?;
            said += AT_ONCE;
        }
        Ok(())
    }

    fn hears(&mut self, events: Vec<Event>, keys: &[Option<MemberKey>]) -> anyhow::Result<()> {
        let before = self.end.next;
        let count = events.len() as u64;
        self.told(|replica, ctx| replica.hear(ctx, CHANNEL, Frame::Events(events), keys))?;
        ensure!(self.end.next == before + count, "the replica has not taken all of {count} events");
        Ok(())
    }

    /// A text of our own.
    fn says(&mut self, words: &str) -> anyhow::Result<()> {
        let text = BoundedText::new(words).context("a text is too long")?;
        let text = Text { mid: TextId(self.numbers.bytes()), text, re: None, to: Vec::new() };
        self.lamport += 1;
        let before = self.end.next;
        let mut said = Ok(());
        self.told(|replica, ctx| said = replica.say_text(ctx, text))?;
        said?;
        ensure!(self.end.next == before + 1, "our own text is no event");
        self.heads[self.member].0 += 1;
        let (author, upto) = (number(self.member)?.chain(0), self.heads[self.member].0);
        // Another member has it: it is shown as delivered.
        self.ops.push(Op::from(RoomOp::Delivered { room: self.cast.room, author, upto }));
        Ok(())
    }

    /// Where its log ends.
    pub(super) fn end(&self) -> LogPlace {
        self.end
    }

    /// What it has written since the last time.
    pub(super) fn take_ops(&mut self) -> Vec<Op> {
        std::mem::take(&mut self.ops)
    }

    /// Writes it into a store on disk.
    pub(super) fn write(&mut self, path: &Path) -> anyhow::Result<()> {
        let mut store = Store::open(path)?;
        store.set_retention(Retention { events: 1_000, ..Retention::default() });
        self.write_into(&mut store)?;
        while store.index(10_000)? {}
        store.checkpoint()?;
        Ok(())
    }

    /// The same of any store.
    pub(super) fn write_into(&mut self, store: &mut Store) -> anyhow::Result<()> {
        // All is read, as the user who has seen it has it.
        let peer = self.cast.room.conversation().as_peer().context("a room without the shape of an onion")?;
        let read = Op::Chat(ChatOp::ReadUpto { peer, upto: i64::MAX, limit: u32::MAX });
        for ops in self.take_ops().chunks(COMMIT) {
            store.commit(SAID_MS, &[ops, std::slice::from_ref(&read)].concat())?;
        }
        Ok(())
    }
}
