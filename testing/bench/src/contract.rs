//! HOST and durable SEND: torchat's control server and engine beside the reference server, in alternate slices.

use crate::Setup;
use crate::load::{Connections, Script, Slice};
use crate::process::{Process, Recipe};
use crate::report::{Aim, Report, Row};
use crate::stats::{Summary, median};
use std::sync::Arc;
use torchat_core::handshake::LocalIdentity;
use torchat_protocol::id::PeerId;

/// Connections at the same time.
pub(crate) const SHAPES: [usize; 2] = [1, 50];
/// Peers that are sent to. Each may have 10,000 messages waiting, and none of them exists, so that only the acceptance
/// is measured.
const PEERS: u8 = 16;
/// Slices in which one daemon is sent to, besides the first one that is not counted.
const SENDING_PAIRS: u32 = 6;
/// Bytes of a message.
pub(crate) const TEXT: usize = 100;

/// HOST: what the control server costs.
pub(crate) fn host(setup: &Setup<'_>, report: &mut Report) -> anyhow::Result<()> {
    let (ours, reference) = servers(setup, "host", false)?;
    let script = Arc::new(classic_host());
    for connections in SHAPES {
        let pairs = measure(setup.pairs, [(&ours, &script), (&reference, &script)], connections)?;
        let what = format!("HOST, {connections} connections");
        latency_row(report, &what, &pairs, Aim::AtMost(1.3));
        rate_row(report, &what, &pairs, Aim::None);
    }
    ours.stop()
}

/// SEND: what it costs until a message is accepted durably.
pub(crate) fn send(setup: &Setup<'_>, report: &mut Report) -> anyhow::Result<()> {
    let script = Arc::new(classic_send()?);
    for connections in SHAPES {
        let name = format!("send-{connections}");
        let reference = reference(setup, &name, true)?;
        let pairs = measure_sends(setup, &name, [&script, &script], &reference, connections)?;
        let what = format!("durable SEND, {connections} connections");
        latency_row(report, &what, &pairs, Aim::None);
        rate_row(report, &what, &pairs, if connections == 50 { Aim::AtLeast(0.5) } else { Aim::None });
    }
    Ok(())
}

/// HOST in the classic contract, which the reference speaks too.
pub(crate) fn classic_host() -> Script {
    Script::classic(vec![b"{\"cmd\":\"HOST\"}\n".to_vec()], b"{\"cmd\":\"HOST\"")
}

/// SEND in the classic contract, which the reference speaks too.
pub(crate) fn classic_send() -> anyhow::Result<Script> {
    let text = "x".repeat(TEXT);
    let peers = peers()?;
    let requests = peers.iter().map(|peer| {
        let peer = peer.onion();
        format!("{{\"cmd\":\"SEND\",\"id\":\"{peer}\",\"msg\":\"{text}\"}}\n").into_bytes()
    });
    Ok(Script::classic(requests.collect(), b"{\"cmd\":\"END\""))
}

/// Peers that do not exist.
pub(crate) fn peers() -> anyhow::Result<Vec<PeerId>> {
    let peer = |n| Ok(LocalIdentity::from_seeds(&[n + 100; 32], &[n; 32], 1_800_000_000)?.peer_id());
    (1..=PEERS).map(peer).collect()
}

pub(crate) fn servers(setup: &Setup<'_>, name: &str, store: bool) -> anyhow::Result<(Process, Process)> {
    let ours = Recipe::loopback(&setup.dir.join(format!("{name}-torchat")))?.start()?;
    Ok((ours, reference(setup, name, store)?))
}

pub(crate) fn reference(setup: &Setup<'_>, name: &str, store: bool) -> anyhow::Result<Process> {
    Recipe::reference(&setup.dir.join(format!("{name}-reference")), store)?.start()
}

/// Alternate slices of SEND, with a daemon of its own for each few of them, so that the outboxes have room for all.
pub(crate) fn measure_sends(
    setup: &Setup<'_>,
    name: &str,
    [script, other]: [&Arc<Script>; 2],
    reference: &Process,
    connections: usize,
) -> anyhow::Result<Vec<[Slice; 2]>> {
    let mut pairs = Vec::new();
    while let left @ 1.. = setup.pairs - u32::try_from(pairs.len())? {
        let dir = setup.dir.join(format!("{name}-torchat-{}", pairs.len()));
        let ours = Recipe::loopback(&dir)?.start()?;
        pairs.extend(measure(left.min(SENDING_PAIRS), [(&ours, script), (reference, other)], connections)?);
        ours.stop()?;
        std::fs::remove_dir_all(&dir)?;
    }
    Ok(pairs)
}

/// Alternate slices, ours and the reference's.
pub(crate) fn measure(
    count: u32,
    programs: [(&Process, &Arc<Script>); 2],
    connections: usize,
) -> anyhow::Result<Vec<[Slice; 2]>> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
        let [(ours, script), (reference, other)] = programs;
        let mut ours = Connections::open(ours.port, connections, script.clone()).await?;
        let mut reference = Connections::open(reference.port, connections, other.clone()).await?;
        // Not counted: the first answers fill caches and make the contacts.
        ours.slice().await?;
        reference.slice().await?;
        let mut pairs = Vec::new();
        for n in 0..count {
            // The order changes, so that a trend of the machine favours neither.
            let pair = if n % 2 == 0 {
                let first = ours.slice().await?;
                [first, reference.slice().await?]
            } else {
                let first = reference.slice().await?;
                [ours.slice().await?, first]
            };
            pairs.push(pair);
        }
        Ok(pairs)
    })
}

pub(crate) fn latency_row(report: &mut Report, what: &str, pairs: &[[Slice; 2]], aim: Aim) {
    let p50 = |side: usize| format!("{:.1} us", median(pairs.iter().map(|pair| pair[side].p50_us)));
    report.add(Row {
        what: format!("{what}: p50"),
        ours: p50(0),
        reference: p50(1),
        judged: Summary::of(pairs.iter().map(|[ours, reference]| ours.p50_us / reference.p50_us)),
        aim,
    });
}

pub(crate) fn rate_row(report: &mut Report, what: &str, pairs: &[[Slice; 2]], aim: Aim) {
    let rate = |side: usize| format!("{:.0}/s", median(pairs.iter().map(|pair| pair[side].rate)));
    report.add(Row {
        what: format!("{what}: rate"),
        ours: rate(0),
        reference: rate(1),
        judged: Summary::of(pairs.iter().map(|[ours, reference]| ours.rate / reference.rate)),
        aim,
    });
}
