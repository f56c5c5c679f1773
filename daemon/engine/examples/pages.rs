//! What the last page of a room costs the store, beside that of a contact with the same texts.
//!
//! `cargo run --release -p torchat-engine --example pages [DIR] [ROUNDS]`: a room of eight members and a contact with 10,000 texts of
//! 118 characters each, whose rows alternate in the file. In one room nothing follows a text; in the other each fifth is answered, each
//! tenth is edited, each fifth has reactions of three members. Pages of 100 alternate, so whatever else the machine does takes the same
//! from all. Printed are medians, and the median of the ratios to the contact's page beside it.

use ed25519_dalek::SigningKey;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;
use torchat_core::handshake::LocalIdentity;
use torchat_core::op::{ChatOp, Op, RoomOp};
use torchat_core::snapshot::rooms::RoomKeys;
use torchat_engine::store::{Page, PageLimit, Reader, Store};
use torchat_protocol::conversation::ConversationId;
use torchat_protocol::id::{Chain, LaneId, MessageId, PeerId};
use torchat_protocol::room::body::acts::{Create, Entry, Policy, Roster};
use torchat_protocol::room::body::said::{Edit, Reaction, Text};
use torchat_protocol::room::body::{Body, BoundedText, Ref, Role};
use torchat_protocol::room::{
    Author, BoxKey, Event, EventId, Identity, LogDigest, LogId, MemberKey, MemberNo, RoomId, Salt, TextId,
};
use torchat_room::outcome::{ChainRow, Op as ReplicaOp};
use torchat_room::signing::{Clock, create, sign};
use torchat_room::standing::Standing;

const TEXTS: u64 = 10_000;
const MEMBERS: u32 = 8;
const LENGTH: usize = 118;
const NOW: i64 = 1_790_000_000_000;

type Failed = Box<dyn std::error::Error>;

fn peer(n: u32) -> Result<PeerId, Failed> {
    let seed = [u8::try_from(n)?; 32];
    Ok(LocalIdentity::from_seeds(&seed, &seed, 1_800_000_000)?.peer_id())
}

fn entry(member: u32, key: &SigningKey) -> Result<Entry, Failed> {
    Ok(Entry {
        no: MemberNo::new(member).ok_or("a number")?,
        sign: MemberKey(key.verifying_key().to_bytes()),
        sealing: BoxKey([9; 32]),
        role: if member == 1 { Role::Owner } else { Role::Member },
        id: Some(Identity(*peer(100 + member)?.as_bytes())),
        nick: BoundedText::new(format!("member {member}")),
        via: None,
    })
}

/// A room as its replica writes it.
struct Talk {
    room: RoomId,
    key: SigningKey,
    pos: u64,
    digest: LogDigest,
    ends: BTreeMap<Author, (u64, EventId)>,
}

impl Talk {
    fn begin(store: &mut Store, name: &str) -> Result<Self, Failed> {
        let key = SigningKey::from_bytes(&[1; 32]);
        let first = Create {
            owner: entry(1, &key)?,
            name: BoundedText::new(name).ok_or("a name")?,
            topic: BoundedText::new("").ok_or("a topic")?,
            policy: Policy::default(),
            salt: Salt([0; 16]),
        };
        let mut salt = 0_u128;
        let mut salts = || {
            salt += 1;
            Salt(salt.to_be_bytes())
        };
        let first = create(&key, first, 1, &mut salts).ok_or("no create act")?;
        let room = RoomId(first.id().0);
        let keys = RoomKeys { sign: [77; 32], sealing: [2; 32] };
        store.commit(NOW, &[Op::from(RoomOp::Begin { room, keys, log: LogId([1; 8]), way: None })])?;
        let mut talk = Self { room, key, pos: 0, digest: LogDigest::EMPTY, ends: BTreeMap::new() };
        talk.ends.insert(Author::ACTS, (1, first.id()));
        talk.act(store, 1, first)?;
        let add = (2..=MEMBERS).map(|member| entry(member, &talk.key)).collect::<Result<_, _>>()?;
        let roster = talk.event(Author::ACTS, &Body::Roster(Roster { add, ..Roster::default() }))?;
        talk.act(store, 2, roster)?;
        Ok(talk)
    }

    fn event(&mut self, author: Author, body: &Body) -> Result<Event, Failed> {
        let (seq, prev) = self.ends.get(&author).copied().unwrap_or((0, self.room.as_event()));
        let clock = Clock { acts: 1, lamport: self.pos + 1, minute: 29_833_333 };
        let event = sign(&self.key, Some(self.room), author, seq + 1, prev, clock, body).ok_or("not signed")?;
        self.ends.insert(author, (seq + 1, event.id()));
        Ok(event)
    }

    fn joins(&mut self, event: Event, standing: Standing) -> ReplicaOp {
        self.pos += 1;
        self.digest = self.digest.next(event.id());
        ReplicaOp::Store { pos: self.pos, event: Arc::new(event), digest: self.digest, lamport: self.pos, standing }
    }

    fn write(&self, ops: impl IntoIterator<Item = ReplicaOp>) -> Vec<Op> {
        ops.into_iter().map(|op| Op::from(RoomOp::Replica { room: self.room, op })).collect()
    }

    fn act(&mut self, store: &mut Store, seq: u64, act: Event) -> Result<(), Failed> {
        let id = act.id();
        let joins = self.joins(act, Standing::As(Role::Owner));
        store.commit(NOW, &self.write([joins, ReplicaOp::Act { seq, id }]))?;
        Ok(())
    }

    fn say(&mut self, member: u32, body: &Body) -> Result<(Ref, Vec<Op>), Failed> {
        let author = MemberNo::new(member).ok_or("a number")?.chain(0);
        let event = self.event(author, body)?;
        let (named, seq, id, key) =
            (event.named(), event.header().seq, event.id(), MemberKey(self.key.verifying_key().to_bytes()));
        let joins = self.joins(event, Standing::As(Role::Member));
        let chain = ReplicaOp::Chain(author, ChainRow { head: seq, id, floor: 0, key });
        Ok((named, self.write([chain, joins])))
    }
}

fn words(n: u64) -> String {
    format!("{n:LENGTH$}")
}

/// The texts of two rooms and of a contact, in turn.
fn fill(store: &mut Store) -> Result<[ConversationId; 3], Failed> {
    let (mut plain, mut busy) = (Talk::begin(store, "plain")?, Talk::begin(store, "busy")?);
    let (contact, lane) = (peer(99)?, LaneId([7; 8]));
    let mut before: Option<Ref> = None;
    for n in 0..TEXTS {
        let mut mid = [0x5a; 16];
        mid[..8].copy_from_slice(&n.to_be_bytes());
        let member = u32::try_from(n % u64::from(MEMBERS))? + 1;
        let text = |re| {
            Ok::<_, Failed>(Text {
                mid: TextId(mid),
                text: BoundedText::new(words(n)).ok_or("too long")?,
                re,
                to: Vec::new(),
            })
        };
        let mut ops = plain.say(member, &Body::Text(text(None)?))?.1;
        let (named, said) = busy.say(member, &Body::Text(text(before.filter(|_| n % 5 == 0))?))?;
        ops.extend(said);
        if n % 10 == 3 {
            let edited = BoundedText::new(words(n)).ok_or("too long")?;
            ops.extend(busy.say(member, &Body::Edit(Edit { of: named, mid: TextId(mid), text: edited }))?.1);
        }
        for by in (1..=3).filter(|_| n % 5 == 2) {
            let sign = BoundedText::new(if by == 1 { "+1" } else { "thanks" }).ok_or("too long")?;
            ops.extend(busy.say(by, &Body::Reaction(Reaction { of: named, sign }))?.1);
        }
        let (seq, chain, mid) = (n + 1, Chain([0; 16]), MessageId(mid));
        let (peer, text) = (contact, words(n));
        ops.push(Op::Chat(ChatOp::Receive { peer, lane, seq, chain, mid, sent_s: 60, at_ms: NOW, text }));
        store.commit(NOW, &ops)?;
        before = Some(named);
    }
    Ok([contact.into(), plain.room.conversation(), busy.room.conversation()])
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

fn main() -> Result<(), Failed> {
    let mut arguments = std::env::args().skip(1);
    let dir = arguments.next().unwrap_or_else(|| std::env::temp_dir().to_string_lossy().into_owned());
    let rounds: usize = arguments.next().map_or(Ok(2_000), |n| n.parse())?;
    let dir = Path::new(&dir).join(format!("torchat-pages-{}", std::process::id()));
    std::fs::create_dir(&dir)?;
    let done = measure(&dir, rounds);
    std::fs::remove_dir_all(&dir)?;
    done
}

fn measure(dir: &Path, rounds: usize) -> Result<(), Failed> {
    let path = dir.join("torchat.db");
    let mut store = Store::open(&path)?;
    let conversations = fill(&mut store)?;
    let reader = Reader::of_file(path);
    let mut taken: [Vec<f64>; 3] = Default::default();
    for _ in 0..rounds {
        for (taken, conversation) in taken.iter_mut().zip(conversations) {
            let begun = Instant::now();
            let (rows, _) = reader.page(conversation, Page::Last, PageLimit::rows(100))?;
            taken.push(begun.elapsed().as_secs_f64() * 1e6);
            assert_eq!(rows.len(), 100);
        }
    }
    for (name, found) in ["contact", "room", "busy room"].iter().zip(&taken) {
        let ratio = median(found.iter().zip(&taken[0]).map(|(one, contact)| one / contact).collect());
        println!("{name:<10} {:>8.1} us {ratio:>6.2} of the contact's, n {rounds}", median(found.clone()));
    }
    Ok(())
}
