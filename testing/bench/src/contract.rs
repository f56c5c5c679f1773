//! HOST and durable SEND: torchat's control server and engine beside the reference server, in alternate slices.

use crate::Setup;
use crate::load::{Connections, Script, Slice};
use crate::process::{Process, Recipe};
use crate::report::{Aim, Report, Row};
use crate::stats::{Summary, median};
use std::sync::Arc;
use torchat_core::handshake::LocalIdentity;

/// Connections at the same time.
const SHAPES: [usize; 2] = [1, 50];
/// Peers that are sent to. Each may have 10,000 messages waiting, and none of them exists, so that only the acceptance
/// is measured.
const PEERS: u8 = 16;
/// Bytes of a message.
const TEXT: usize = 100;

/// HOST: what the control server costs.
pub(crate) fn host(setup: &Setup<'_>, report: &mut Report) -> anyhow::Result<()> {
    let script = Script { requests: vec![b"{\"cmd\":\"HOST\"}\n".to_vec()], answer: b"{\"cmd\":\"HOST\"" };
    let (ours, reference) = servers(setup, "host", false)?;
    let script = Arc::new(script);
    for connections in SHAPES {
        let pairs = measure(setup.pairs, [&ours, &reference], connections, &script)?;
        let what = format!("HOST, {connections} connections");
        latency_row(report, &what, &pairs, Aim::AtMost(1.3));
        rate_row(report, &what, &pairs, Aim::None);
    }
    ours.stop()
}

/// SEND: what it costs until a message is accepted durably.
pub(crate) fn send(setup: &Setup<'_>, report: &mut Report) -> anyhow::Result<()> {
    let text = "x".repeat(TEXT);
    let requests = (1..=PEERS)
        .map(|n| {
            let peer = LocalIdentity::from_seeds(&[n + 100; 32], &[n; 32], 1_800_000_000)?.peer_id().onion();
            Ok(format!("{{\"cmd\":\"SEND\",\"id\":\"{peer}\",\"msg\":\"{text}\"}}\n").into_bytes())
        })
        .collect::<anyhow::Result<_>>()?;
    let script = Arc::new(Script { requests, answer: b"{\"cmd\":\"END\"" });
    for connections in SHAPES {
        // Anew for each shape, so that the outboxes have room.
        let (ours, reference) = servers(setup, &format!("send-{connections}"), true)?;
        let pairs = measure(setup.pairs, [&ours, &reference], connections, &script)?;
        let what = format!("durable SEND, {connections} connections");
        latency_row(report, &what, &pairs, Aim::None);
        rate_row(report, &what, &pairs, if connections == 50 { Aim::AtLeast(0.5) } else { Aim::None });
        ours.stop()?;
    }
    Ok(())
}

fn servers(setup: &Setup<'_>, name: &str, store: bool) -> anyhow::Result<(Process, Process)> {
    let ours = Recipe::loopback(&setup.dir.join(format!("{name}-torchat")))?.start()?;
    let reference = Recipe::reference(&setup.dir.join(format!("{name}-reference")), store)?.start()?;
    Ok((ours, reference))
}

/// Alternate slices, ours and the reference's.
fn measure(
    count: u32,
    programs: [&Process; 2],
    connections: usize,
    script: &Arc<Script>,
) -> anyhow::Result<Vec<[Slice; 2]>> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
        let mut ours = Connections::open(programs[0].port, connections, script.clone()).await?;
        let mut reference = Connections::open(programs[1].port, connections, script.clone()).await?;
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

fn latency_row(report: &mut Report, what: &str, pairs: &[[Slice; 2]], aim: Aim) {
    let p50 = |side: usize| format!("{:.1} us", median(pairs.iter().map(|pair| pair[side].p50_us)));
    report.add(Row {
        what: format!("{what}: p50"),
        ours: p50(0),
        reference: p50(1),
        judged: Summary::of(pairs.iter().map(|[ours, reference]| ours.p50_us / reference.p50_us)),
        aim,
    });
}

fn rate_row(report: &mut Report, what: &str, pairs: &[[Slice; 2]], aim: Aim) {
    let rate = |side: usize| format!("{:.0}/s", median(pairs.iter().map(|pair| pair[side].rate)));
    report.add(Row {
        what: format!("{what}: rate"),
        ours: rate(0),
        reference: rate(1),
        judged: Summary::of(pairs.iter().map(|[ours, reference]| ours.rate / reference.rate)),
        aim,
    });
}
