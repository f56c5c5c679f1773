//! What the core takes for a received message, and the account's part of it:
//! `cargo run --release -p torchat-core --example receive [SLICES]`.
//!
//! Turns of 1, 16 and 64 short messages of one contact, whose acknowledgements are said. Printed are nanoseconds for a message: the
//! median of the slices and the fastest. Two trees are compared by running their examples in turn: no store and no disk are in it,
//! so a difference shows here at its largest.
//!
//! After each slice the same contact pays for as many messages, and for nothing else: that is the account's part, printed as
//! nanoseconds for a message and as the median of its ratios to the slice before. Of a turn with its commit it is less by what the
//! commit takes (`examples/turns.rs` of the engine).

use std::time::Instant;
use torchat_core::account::{Account, Kind, Tariff};
use torchat_core::handshake::LocalIdentity;
use torchat_core::input::{Input, LinkId, LinkInput};
use torchat_core::node::Node;
use torchat_core::policy::Policy;
use torchat_core::snapshot::{PeerSnapshot, Snapshot};
use torchat_core::time::Now;
use torchat_protocol::id::{Chain, LaneId, MessageId, PeerId};
use torchat_protocol::message::{Body, PeerMessage, Recv};

const SLICE: u64 = 8_192;
const TEXT: &str = "how are you?";

fn peer(n: u8) -> Result<PeerId, Box<dyn std::error::Error>> {
    Ok(LocalIdentity::from_seeds(&[n; 32], &[n + 100; 32], 1_800_000_000)?.peer_id())
}

fn slice(turn: u64) -> Result<u64, Box<dyn std::error::Error>> {
    let (own, them) = (peer(1)?, peer(2)?);
    let row = PeerSnapshot { contact: true, added_ms: Some(0), ..PeerSnapshot::new(them) };
    let snapshot = Snapshot { peers: vec![row], ..Snapshot::default() };
    let mut now = Now { wall_ms: 1_800_000_000_000, mono_ms: 1_000_000 };
    let mut fill = |out: &mut [u8]| out.fill(1);
    let mut node = Node::new(own, Policy::default(), snapshot, now, &mut fill);
    let up = Input::Link(LinkInput::Up { link: LinkId(1), peer: them, outgoing: false, binding: [0; 32], epoch: 1 });
    node.turn(now, &mut fill, [up]);
    let (lane, mut prev) = (LaneId([1; 8]), Chain::EMPTY);
    let mut turns = Vec::new();
    for first in (1..=SLICE).step_by(usize::try_from(turn)?) {
        turns.push(
            (first..first + turn)
                .map(|seq| {
                    let mid = MessageId(u128::from(seq).to_be_bytes());
                    let recv = Recv { lane, seq, prev, mid, sent: 0, body: Body::Text { text: TEXT.to_owned() } };
                    prev = prev.next(mid);
                    Input::Link(LinkInput::Message { link: LinkId(1), message: PeerMessage::Recv(recv) })
                })
                .collect::<Vec<_>>(),
        );
    }
    let begun = Instant::now();
    let mut ops = 0;
    for inputs in turns {
        now.mono_ms += 1;
        ops += node.turn(now, &mut fill, inputs).ops.len() as u64;
    }
    let took = begun.elapsed();
    if ops < SLICE {
        return Err(format!("{ops} operations of {SLICE}").into());
    }
    Ok(u64::try_from(took.as_nanos())? / SLICE)
}

/// What the account takes for a message: what it is paid for the input, the row and the text.
fn paid() -> Result<u64, Box<dyn std::error::Error>> {
    let (them, mut account) = (peer(2)?, Account::new(Tariff::default()));
    let begun = Instant::now();
    let mut refused = 0u64;
    for n in 0..SLICE {
        for (kind, amount) in [(Kind::Work, 1), (Kind::Rows, 1), (Kind::Bytes, TEXT.len() as u64)] {
            refused += u64::from(!account.pay(1_000_000 + n, std::hint::black_box(them), kind, amount));
        }
    }
    let took = begun.elapsed();
    if refused > 0 {
        return Err(format!("{refused} prices were not paid").into());
    }
    Ok(u64::try_from(took.as_nanos())? / SLICE)
}

fn median<T: PartialOrd + Copy>(mut values: Vec<T>) -> T {
    values.sort_unstable_by(|a, b| a.partial_cmp(b).unwrap_or(std::cmp::Ordering::Equal));
    values[values.len() / 2]
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let slices: usize = std::env::args().nth(1).map_or(Ok(20), |n| n.parse())?;
    for turn in [1, 16, 64] {
        let (mut times, mut account, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..slices {
            let (whole, part) = (slice(turn)?, paid()?);
            ratios.push(part as f64 / whole as f64);
            times.push(whole);
            account.push(part);
        }
        let fastest = times.iter().min().copied().unwrap_or_default();
        println!(
            "turn of {turn:>2}, {slices} slices: median {} ns, fastest {fastest} ns; account: median {} ns, {:.1} %",
            median(times),
            median(account),
            100.0 * median(ratios)
        );
    }
    Ok(())
}
