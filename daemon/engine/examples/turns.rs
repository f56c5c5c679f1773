//! What a turn costs the store, beside an append log and beside SQLite with nothing but the rows of a message.
//!
//! `cargo run --release -p torchat-engine --example turns [DIR] [PAIRS]`: turns of 1, 50 and 256 accepted messages of 100
//! bytes to 16 peers, in slices of a quarter of a second that alternate with those of the references on the same disk. The log
//! takes 250 bytes for each message, by one write and one fdatasync for a turn. "Bare" is one row for a message and one for its
//! event, no index, WAL and `synchronous=FULL`: what no schema in SQLite goes below. "Rooms" are as many texts of ours in 16 rooms,
//! each of which becomes an event at once; "signed" is the share of that which the replicas take to decide and sign. Printed are
//! medians, the median of the ratios to the log's slice, and the processor time that the committing thread took for a message.

use ed25519_dalek::SigningKey;
use rusqlite::{Connection, params};
use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};
use torchat_core::handshake::LocalIdentity;
use torchat_core::op::{ChatOp, ContactOp, Op, RoomOp};
use torchat_core::snapshot::rooms::RoomKeys;
use torchat_engine::store::Store;
use torchat_protocol::id::{Chain, LaneId, MessageId, PeerId};
use torchat_protocol::room::body::acts::{Create, Entry, Policy};
use torchat_protocol::room::body::said::Text;
use torchat_protocol::room::body::{BoundedText, Role};
use torchat_protocol::room::{BoxKey, Identity, LogId, MemberKey, MemberNo, RoomId, Salt, TextId};
use torchat_room::Replica;
use torchat_room::outcome::Context;
use torchat_room::replica::{Me, Stored};
use torchat_room::signing::create;

const SLICE: Duration = Duration::from_millis(250);
const PEERS: u8 = 16;
const NOW: i64 = 1_800_000_000_000;
/// Words, because a row of one letter repeated costs the search's index nothing.
const TEXT: &str =
    "the quick brown fox jumps over a lazy dog while nobody looks at what its tail does behind the hedge row";

type Failed = Box<dyn std::error::Error>;

struct Slice {
    rate: f64,
    cpu_us: f64,
}

/// Processor time of this thread in nanoseconds, as the scheduler counts it.
fn cpu_ns() -> u64 {
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    told.split_whitespace().next().and_then(|ns| ns.parse().ok()).unwrap_or_default()
}

fn slice(turn: usize, mut commit: impl FnMut(usize) -> Result<(), Failed>) -> Result<Slice, Failed> {
    let (begun, cpu) = (Instant::now(), cpu_ns());
    let mut count = 0;
    while begun.elapsed() < SLICE {
        commit(turn)?;
        count += turn;
    }
    let count = count as f64;
    let cpu_us = cpu_ns().saturating_sub(cpu) as f64 / 1e3 / count;
    Ok(Slice { rate: count / begun.elapsed().as_secs_f64(), cpu_us })
}

fn peer(n: u8) -> Result<PeerId, Failed> {
    Ok(LocalIdentity::from_seeds(&[n + 100; 32], &[n; 32], 1_800_000_000)?.peer_id())
}

struct Ours {
    store: Store,
    peers: Vec<PeerId>,
    sent: u64,
}

impl Ours {
    fn open(path: &Path) -> Result<Self, Failed> {
        let mut store = Store::open(path)?;
        let mut peers = Vec::new();
        for n in 1..=PEERS {
            peers.push(peer(n)?);
        }
        let contacts: Vec<_> =
            peers.iter().map(|peer| Op::Contacts(ContactOp::Add { peer: *peer, at_ms: 0 })).collect();
        store.commit(0, &contacts)?;
        Ok(Self { store, peers, sent: 0 })
    }

    fn turn(&mut self, turn: usize) -> Result<(), Failed> {
        let mut ops = Vec::with_capacity(turn);
        for _ in 0..turn {
            let peer = self.peers[usize::try_from(self.sent)? % self.peers.len()];
            let seq = self.sent / u64::from(PEERS) + 1;
            self.sent += 1;
            // As random as ids are.
            let mid = MessageId(Chain([seq as u8; 16]).next(MessageId(u128::from(self.sent).to_be_bytes())).0);
            let (lane, chain, text) = (LaneId(peer.as_bytes()[..8].try_into()?), Chain([0; 16]), TEXT.to_owned());
            ops.push(Op::Chat(ChatOp::Queue {
                peer,
                mid,
                lane,
                seq,
                chain,
                at_ms: NOW,
                until_ms: None,
                client: None,
                text,
            }));
        }
        self.store.commit(NOW, &ops)?;
        Ok(())
    }
}

/// Rooms of one member, who may always speak, each with its replica.
struct Rooms {
    store: Store,
    rooms: Vec<(RoomId, Replica)>,
    said: u64,
}

impl Rooms {
    fn open(path: &Path) -> Result<Self, Failed> {
        let mut rooms = Self { store: Store::open(path)?, rooms: Vec::new(), said: 0 };
        for n in 1..=PEERS {
            let (seed, log) = ([n; 32], LogId([n; 8]));
            let key = SigningKey::from_bytes(&seed);
            let me = peer(n)?;
            let owner = Entry {
                no: MemberNo::MAKER,
                sign: MemberKey(key.verifying_key().to_bytes()),
                sealing: BoxKey([9; 32]),
                role: Role::Owner,
                id: Some(Identity(*me.as_bytes())),
                nick: None,
                via: None,
            };
            let (name, topic) = (BoundedText::new("lab").ok_or("a name")?, BoundedText::default());
            let first = Create { owner, name, topic, policy: Policy::default(), salt: Salt([0; 16]) };
            let mut salt = 0_u128;
            let mut salts = || {
                salt += 1;
                Salt(salt.to_be_bytes())
            };
            let first = create(&key, first, 1, &mut salts).ok_or("no create act")?;
            let room = RoomId(first.id().0);
            let keys = RoomKeys { sign: seed, sealing: [2; 32] };
            rooms.store.commit(NOW, &[Op::from(RoomOp::Begin { room, keys, log, way: None })])?;
            let replica = Replica::load(Stored::new(room, log, Some(Me { seed, chain: 0 })));
            rooms.rooms.push((room, replica));
            let last = rooms.rooms.len() - 1;
            let ops = rooms.decide(last, |replica, ctx| replica.found_room(ctx, first))?;
            rooms.store.commit(NOW, &ops)?;
        }
        Ok(rooms)
    }

    fn decide(&mut self, at: usize, input: impl FnOnce(&mut Replica, &mut Context<'_>)) -> Result<Vec<Op>, Failed> {
        let (room, replica) = self.rooms.get_mut(at).ok_or("no room")?;
        let mut ctx = Context { now_ms: 1, minute: 29_833_333, random: &mut |bytes: &mut [u8]| bytes.fill(7) };
        input(replica, &mut ctx);
        replica.flush(&mut ctx);
        let room = *room;
        Ok(replica.take().ops.into_iter().map(|op| Op::from(RoomOp::Replica { room, op })).collect())
    }

    fn texts(&mut self, turn: usize) -> Result<Vec<Op>, Failed> {
        let mut ops = Vec::new();
        for _ in 0..turn {
            self.said += 1;
            let mid = TextId(Chain([7; 16]).next(MessageId(u128::from(self.said).to_be_bytes())).0);
            let text = BoundedText::new(TEXT).ok_or("a text")?;
            let text = Text { mid, text, re: None, to: Vec::new() };
            let at = usize::try_from(self.said)? % self.rooms.len();
            let mut said = Ok(());
            ops.extend(self.decide(at, |replica, ctx| said = replica.say_text(ctx, text))?);
            said?;
        }
        Ok(ops)
    }

    fn turn(&mut self, turn: usize) -> Result<(), Failed> {
        let ops = self.texts(turn)?;
        let applied = self.store.commit(NOW, &ops)?;
        if applied.said.len() == turn { Ok(()) } else { Err("texts that nobody hears of".into()) }
    }
}

fn bare(path: &Path) -> Result<Connection, Failed> {
    let db = Connection::open(path)?;
    db.pragma_update(None, "journal_mode", "WAL")?;
    db.pragma_update(None, "synchronous", "FULL")?;
    db.execute_batch(
        "CREATE TABLE message (id INTEGER PRIMARY KEY, peer INTEGER, dir INTEGER, state INTEGER, mid BLOB, at_ms INTEGER,
             done_ms INTEGER, lane INTEGER, seq INTEGER, text TEXT);
         CREATE TABLE event (seq INTEGER PRIMARY KEY, at_ms INTEGER, kind INTEGER, message INTEGER);",
    )?;
    Ok(db)
}

fn bare_turn(db: &mut Connection, turn: usize) -> Result<(), Failed> {
    let transaction = db.transaction()?;
    {
        let mut message =
            transaction.prepare_cached("INSERT INTO message VALUES (NULL, ?1, 1, 0, ?2, ?3, ?3, 1, ?4, ?5)")?;
        let mut event = transaction.prepare_cached("INSERT INTO event VALUES (NULL, ?1, 2, ?2)")?;
        for n in 0..i64::try_from(turn)? {
            message.execute(params![n % 16, [7u8; 16], NOW, n, TEXT])?;
            event.execute(params![NOW, transaction.last_insert_rowid()])?;
        }
    }
    transaction.commit()?;
    Ok(())
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

fn main() -> Result<(), Failed> {
    let mut arguments = std::env::args().skip(1);
    let dir = arguments.next().unwrap_or_else(|| std::env::temp_dir().to_string_lossy().into_owned());
    let pairs: usize = arguments.next().map_or(Ok(12), |n| n.parse())?;
    let dir = Path::new(&dir).join(format!("torchat-turns-{}", std::process::id()));
    std::fs::create_dir(&dir)?;
    let done = measure(&dir, pairs);
    std::fs::remove_dir_all(&dir)?;
    done
}

fn measure(dir: &Path, pairs: usize) -> Result<(), Failed> {
    println!(
        "{:>8} {:<6} {:>12} {:>10} {:>14} {:>4}",
        "turn", "what", "messages/s", "of the log", "CPU us/message", "n"
    );
    for turn in [1, 50, 256] {
        let mut ours = Ours::open(&dir.join(format!("{turn}.db")))?;
        let mut bare = bare(&dir.join(format!("{turn}-bare.db")))?;
        let mut log = File::options().create(true).append(true).open(dir.join(format!("{turn}.log")))?;
        let line = [b'x'; 250];
        let mut append = |turn: usize| {
            log.write_all(&line.repeat(turn))?;
            log.sync_data()?;
            Ok(())
        };
        let mut rooms = Rooms::open(&dir.join(format!("{turn}-rooms.db")))?;
        let mut silent = Rooms::open(&dir.join(format!("{turn}-silent.db")))?;
        let mut slices: [Vec<Slice>; 5] = Default::default();
        for _ in 0..pairs {
            slices[0].push(slice(turn, &mut append)?);
            slices[1].push(slice(turn, |turn| ours.turn(turn))?);
            slices[2].push(slice(turn, |turn| bare_turn(&mut bare, turn))?);
            slices[3].push(slice(turn, |turn| rooms.turn(turn))?);
            slices[4].push(slice(turn, |turn| silent.texts(turn).map(drop))?);
        }
        for (name, found) in ["log", "store", "bare", "rooms", "signed"].iter().zip(&slices) {
            let rate = median(found.iter().map(|slice| slice.rate).collect());
            let ratio = median(found.iter().zip(&slices[0]).map(|(slice, log)| slice.rate / log.rate).collect());
            let cpu = median(found.iter().map(|slice| slice.cpu_us).collect());
            println!("{turn:>8} {name:<6} {rate:>12.0} {ratio:>10.2} {cpu:>14.2} {pairs:>4}");
        }
    }
    Ok(())
}
