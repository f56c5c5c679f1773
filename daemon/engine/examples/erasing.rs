//! How long an erasing holds up the commits of others.
//!
//! `cargo run --release -p torchat-engine --example erasing [DIR] [MIB]...`: makes a store of each size, with words, a search index and
//! 16 conversations in turn, and erases one of them as ERASE does. Printed are the longest commits of a piece, the removal of the
//! traces, and the start that follows; each with the processor time that its thread took, for machines that have other work.

use std::path::Path;
use std::time::{Duration, Instant};
use torchat_core::handshake::LocalIdentity;
use torchat_core::op::{ChatOp, Op};
use torchat_core::piece::Piece;
use torchat_engine::store::Store;
use torchat_protocol::id::{Chain, LaneId, MessageId, PeerId};

const PEERS: u8 = 16;

type Failed = Box<dyn std::error::Error>;

/// Wall time and processor time of this thread.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Cost(Duration, Duration);

fn cpu() -> Duration {
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    Duration::from_nanos(told.split_whitespace().next().and_then(|ns| ns.parse().ok()).unwrap_or_default())
}

fn cost<T>(work: impl FnOnce() -> Result<T, Failed>) -> Result<(T, Cost), Failed> {
    let (begun, before) = (Instant::now(), cpu());
    let done = work()?;
    Ok((done, Cost(begun.elapsed(), cpu().saturating_sub(before))))
}

fn say(what: &str, Cost(wall, cpu): Cost) {
    println!("  {what}: {} ms, of which {} ms of processor time", wall.as_millis(), cpu.as_millis());
}

fn peer(n: u8) -> Result<PeerId, Failed> {
    let identity = LocalIdentity::from_seeds(&[n + 1; 32], &[n + 101; 32], 1_700_000_000);
    identity.map(|identity| identity.peer_id()).map_err(|error| format!("{error:?}").into())
}

/// Eighteen words of twenty thousand.
fn text(n: u64) -> String {
    let mut state = n.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut words = Vec::new();
    for _ in 0..18 {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        words.push(format!("w{:x}", state % 20_000));
    }
    words.join(" ")
}

fn measure(path: &Path, mib: u64) -> Result<(), Failed> {
    let peers = (0..PEERS).map(peer).collect::<Result<Vec<_>, _>>()?;
    let mut store = Store::open(path)?;
    let (lane, chain, mut n) = (LaneId([7; 8]), Chain([0; 16]), 0_u64);
    while std::fs::metadata(path)?.len() < mib << 20 {
        let mut ops = Vec::new();
        for _ in 0..1_000 {
            n += 1;
            let mut mid = [0; 16];
            mid[..8].copy_from_slice(&n.to_be_bytes());
            let peer = peers[usize::try_from(n % u64::from(PEERS))?];
            ops.push(Op::Chat(ChatOp::Receive {
                peer,
                lane,
                seq: n,
                chain,
                mid: MessageId(mid),
                sent_s: 60,
                at_ms: 1,
                text: text(n),
            }));
        }
        store.commit(1, &ops)?;
        while store.index(1_000)? {}
        store.checkpoint()?;
    }
    println!("{n} messages, {} MiB", std::fs::metadata(path)?.len() >> 20);
    let (mut after, mut longest, mut pieces) = (0, Cost::default(), 0);
    loop {
        let piece = Piece { after, upto: i64::MAX, before_ms: None, unread: true, limit: 64 };
        let (applied, took) = cost(|| Ok(store.commit(1, &[Op::Chat(ChatOp::Erase { peer: peers[0], piece })])?))?;
        (longest, pieces) = (longest.max(took), pieces + 1);
        match applied.erased.first().and_then(|erased| erased.next) {
            Some(next) => after = next,
            None => break,
        }
    }
    println!("  {pieces} pieces");
    say("the longest piece", longest);
    say("the traces", cost(|| Ok(store.scrub(true)?))?.1);
    drop(store);
    say("the next start", cost(|| Ok(Store::open(path)?))?.1);
    Ok(())
}

fn main() -> Result<(), Failed> {
    let mut arguments = std::env::args().skip(1);
    let base = arguments.next().unwrap_or_else(|| ".".to_owned());
    let sizes = arguments.map(|size| size.parse()).collect::<Result<Vec<u64>, _>>()?;
    for mib in if sizes.is_empty() { vec![3, 64] } else { sizes } {
        let dir = tempfile::tempdir_in(&base)?;
        measure(&dir.path().join("torchat.db"), mib)?;
    }
    Ok(())
}
