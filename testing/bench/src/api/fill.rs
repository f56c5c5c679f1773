//! A store full of messages, written by the store's own commits.

use super::words::{Numbers, Words};
use crate::contract;
use anyhow::Context as _;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};
use torchat_core::op::{ChatOp, ContactOp, Op};
use torchat_engine::store::{Retention, Store};
use torchat_protocol::id::{Chain, LaneId, MessageId, PeerId};

/// Messages of one commit. The daemon's own commits are smaller; what stands in the file afterwards is the same.
const COMMIT: u64 = 10_000;
/// Texts that are indexed in one commit.
const INDEX: u32 = 10_000;
/// When the first message came.
const FIRST_MS: i64 = 1_750_000_000_000;
/// Between two messages.
const STEP_MS: i64 = 10_000;
/// Received messages that nobody has read, the last ones.
const UNREAD: u64 = 1000;

/// What is written.
#[derive(Clone, Copy)]
pub(crate) struct Filling {
    pub(crate) messages: u64,
    /// In how many conversations: at most sixteen.
    pub(crate) conversations: usize,
    /// Message ids come in their order instead of at random, and no text is put into the search's index: ten times as
    /// fast, for what looks at neither.
    pub(crate) fast: bool,
}

struct Lanes {
    lane: LaneId,
    sent: u64,
    sent_chain: Chain,
    received: u64,
    received_chain: Chain,
}

/// Fills a new store. Half of the messages are received and read, half sent and delivered, in any order. Of the event log only
/// the end is kept. Returns how long it took.
pub(crate) fn fill(path: &Path, filling: Filling) -> anyhow::Result<Duration> {
    let begun = Instant::now();
    let mut store = Store::open(path)?;
    store.set_retention(Retention { events: 1000, ..Retention::default() });
    let (words, mut numbers) = (Words::new(), Numbers::new(2));
    let mut peers = contract::peers()?;
    peers.truncate(filling.conversations);
    let mut lanes: BTreeMap<PeerId, Lanes> = peers
        .iter()
        .zip(1_u8..)
        .map(|(peer, n)| {
            let (sent_chain, received_chain) = (Chain::EMPTY, Chain::EMPTY);
            (*peer, Lanes { lane: LaneId([n; 8]), sent: 0, sent_chain, received: 0, received_chain })
        })
        .collect();
    store.commit(
        FIRST_MS,
        &peers.iter().map(|peer| Op::Contacts(ContactOp::Add { peer: *peer, at_ms: FIRST_MS })).collect::<Vec<_>>(),
    )?;
    let mut written = 0;
    while written < filling.messages {
        let count = COMMIT.min(filling.messages - written);
        let mut ops = Vec::new();
        for n in written..written + count {
            let peer = peers[numbers.below(peers.len())];
            let mid = if filling.fast { u128::from(n).to_be_bytes() } else { numbers.bytes() };
            let text = words.text(&mut numbers);
            let lanes = lanes.get_mut(&peer).context("a peer without lanes")?;
            ops.push(message(peer, lanes, MessageId(mid), n, numbers.below(2) == 0, text));
        }
        let at_ms = moment(written + count);
        for (peer, lanes) in &lanes {
            ops.push(Op::Chat(ChatOp::Delivered {
                peer: *peer,
                lane: lanes.lane,
                upto: lanes.sent,
                chain: lanes.sent_chain,
                late: Vec::new(),
                at_ms,
            }));
            if written + count + UNREAD <= filling.messages {
                ops.push(Op::Chat(ChatOp::ReadUpto { peer: *peer, upto: i64::MAX, limit: u32::MAX }));
            }
        }
        store.commit(at_ms, &ops)?;
        written += count;
        if written % 1_000_000 == 0 {
            eprintln!("{written} messages written in {:.0} s", begun.elapsed().as_secs_f64());
        }
    }
    while !filling.fast && store.index(INDEX)? {}
    store.checkpoint()?;
    drop(store);
    if filling.fast {
        // Else the daemon indexes all of them while it is measured: thousands of commits, each of which empties the
        // caches of the readers.
        let all = "UPDATE meta SET value = (SELECT max(id) FROM message) WHERE name = 'indexed'";
        rusqlite::Connection::open(path)?.execute(all, [])?;
    }
    Ok(begun.elapsed())
}

fn moment(n: u64) -> i64 {
    FIRST_MS + STEP_MS * i64::try_from(n).unwrap_or(0)
}

fn message(peer: PeerId, lanes: &mut Lanes, mid: MessageId, n: u64, sent: bool, text: String) -> Op {
    let (lane, at_ms) = (lanes.lane, moment(n));
    if sent {
        lanes.sent += 1;
        lanes.sent_chain = lanes.sent_chain.next(mid);
        let (seq, chain) = (lanes.sent, lanes.sent_chain);
        Op::Chat(ChatOp::Queue { peer, mid, lane, seq, chain, at_ms, until_ms: None, client: None, text })
    } else {
        lanes.received += 1;
        lanes.received_chain = lanes.received_chain.next(mid);
        let (seq, chain) = (lanes.received, lanes.received_chain);
        Op::Chat(ChatOp::Receive { peer, lane, seq, chain, mid, sent_s: at_ms.unsigned_abs() / 1000, at_ms, text })
    }
}
