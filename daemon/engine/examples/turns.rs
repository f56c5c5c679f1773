//! What a turn costs the store, beside an append log and beside SQLite with nothing but the rows of a message.
//!
//! `cargo run --release -p torchat-engine --example turns [DIR] [PAIRS]`: turns of 1, 50 and 256 accepted messages of 100
//! bytes to 16 peers, in slices of a quarter of a second that alternate with those of the references on the same disk. The log
//! takes 250 bytes for each message, by one write and one fdatasync for a turn. "Bare" is one row for a message and one for its
//! event, no index, WAL and `synchronous=FULL`: what no schema in SQLite goes below. Printed are medians, the median of the
//! ratios to the log's slice, and the processor time that the committing thread took for a message.

use rusqlite::{Connection, params};
use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};
use torchat_core::handshake::LocalIdentity;
use torchat_core::op::{ChatOp, ContactOp, Op};
use torchat_engine::store::Store;
use torchat_protocol::id::{Chain, LaneId, MessageId, PeerId};

const SLICE: Duration = Duration::from_millis(250);
const PEERS: u8 = 16;
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
            peers.push(LocalIdentity::from_seeds(&[n + 100; 32], &[n; 32], 1_800_000_000)?.peer_id());
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
                at_ms: 1_800_000_000_000,
                until_ms: None,
                client: None,
                text,
            }));
        }
        self.store.commit(1_800_000_000_000, &ops)?;
        Ok(())
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
            message.execute(params![n % 16, [7u8; 16], 1_800_000_000_000i64, n, TEXT])?;
            event.execute(params![1_800_000_000_000i64, transaction.last_insert_rowid()])?;
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
        let mut slices: [Vec<Slice>; 3] = Default::default();
        for _ in 0..pairs {
            slices[0].push(slice(turn, &mut append)?);
            slices[1].push(slice(turn, |turn| ours.turn(turn))?);
            slices[2].push(slice(turn, |turn| bare_turn(&mut bare, turn))?);
        }
        for (name, found) in ["log", "store", "bare"].iter().zip(&slices) {
            let rate = median(found.iter().map(|slice| slice.rate).collect());
            let ratio = median(found.iter().zip(&slices[0]).map(|(slice, log)| slice.rate / log.rate).collect());
            let cpu = median(found.iter().map(|slice| slice.cpu_us).collect());
            println!("{turn:>8} {name:<6} {rate:>12.0} {ratio:>10.2} {cpu:>14.2} {pairs:>4}");
        }
    }
    Ok(())
}
