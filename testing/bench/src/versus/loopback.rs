//! HISTORY, deliveries and first links of two builds, without Tor.

use super::{Builds, SLOWER_RATE, alternately, less_is_better};
use crate::Setup;
use crate::api::Line;
use crate::contract;
use crate::friends::{Friends, until};
use crate::memory::cpu_ns;
use crate::process::{Process, Recipe};
use crate::report::{Aim, Report, Row};
use crate::stats::{Summary, median};
use anyhow::ensure;
use std::path::Path;
use std::time::Instant;

/// Messages of the store whose conversations are read.
const STORED: usize = 60_000;
/// Messages that are written without waiting, while it is filled.
const AT_ONCE: usize = 500;
/// Messages of a page.
const PAGE: usize = 100;
/// Pages of a slice; there are as many slices as pairs.
const PAGES: u32 = 20;
/// Messages of a slice of deliveries, each waited for.
const DELIVERIES: u32 = 25;
/// Messages of a slice that are all under way before one is waited for.
const BURST: usize = 400;
/// How long a delivery may take, in seconds.
const LIMIT_S: u64 = 60;

/// The last 100 messages of a conversation, from stores that each build has filled itself.
pub(super) fn history(setup: &Setup<'_>, builds: &Builds, report: &mut Report) -> anyhow::Result<()> {
    let peers: Vec<_> = contract::peers()?.iter().map(|peer| peer.onion()).collect();
    let start = |side: usize| {
        let daemon = builds.loopback(side, &setup.dir.join(format!("history-{side}")))?.start()?;
        fill(&daemon, &peers)?;
        anyhow::Ok(daemon)
    };
    let daemons = [start(0)?, start(1)?];
    let mut lines = [Line::api(daemons[0].port)?, Line::api(daemons[1].port)?];
    let mut n = 0;
    let mut slice = |side: usize| {
        let mut times = Vec::new();
        for _ in 0..PAGES {
            n += 1;
            let peer = &peers[n % peers.len()];
            let request = format!("{{\"ref\":1,\"cmd\":\"HISTORY\",\"peer\":\"{peer}\",\"limit\":{PAGE}}}\n");
            times.push(lines[side].ask(request.as_bytes(), "{\"ref\":1,\"ok\":")?.as_secs_f64() * 1e6);
            let found = lines[side].answer().matches("\"mid\":").count();
            ensure!(found == PAGE, "a page has {found} messages");
        }
        anyhow::Ok(median(times))
    };
    // Not counted: they fill caches.
    slice(0)?;
    slice(1)?;
    let pairs = alternately(setup.pairs, slice)?;
    less_is_better(report, &format!("HISTORY, last {PAGE} of {STORED}"), "us", &pairs);
    for daemon in daemons {
        daemon.stop()?;
    }
    Ok(())
}

/// Sends messages to peers that do not exist.
fn fill(daemon: &Process, peers: &[String]) -> anyhow::Result<()> {
    let mut line = Line::api(daemon.port)?;
    let text = "the quick brown fox jumps over a lazy dog while nobody looks at what its tail does behind the hedge";
    for batch in 0..STORED / AT_ONCE {
        let mut requests = String::new();
        for n in 0..AT_ONCE {
            let peer = &peers[(batch + n) % peers.len()];
            requests += &format!("{{\"ref\":1,\"cmd\":\"SEND\",\"peer\":\"{peer}\",\"text\":\"{text} {n}\"}}\n");
        }
        // Few enough for the buffers of both ends: nothing is read meanwhile.
        for part in requests.as_bytes().chunks(16 * 1024) {
            line.say(part)?;
        }
        for _ in 0..AT_ONCE {
            let answer = line.hear()?;
            ensure!(answer.starts_with("{\"ref\":1,\"ok\":"), "SEND was refused: {answer}");
        }
    }
    Ok(())
}

fn recipes(builds: &Builds, side: usize, dir: &Path) -> anyhow::Result<[Recipe; 2]> {
    std::fs::create_dir_all(dir)?;
    let program = builds.program(side, "loopback-daemon");
    let recipe = |name: &str, seed| Recipe::loopback_of(&program, &dir.join(name), &dir.join("peers"), seed);
    Ok([recipe("a", 1)?, recipe("b", 2)?])
}

/// Messages from one daemon to another of the same build: one at a time, and many at once.
pub(super) fn deliveries(setup: &Setup<'_>, builds: &Builds, report: &mut Report) -> anyhow::Result<()> {
    let start = |side: usize| Friends::start(recipes(builds, side, &setup.dir.join(format!("deliver-{side}")))?);
    let friends = [start(0)?, start(1)?];
    let mut clients = [friends[0].running[0].client()?, friends[1].running[0].client()?];
    let pairs = alternately(setup.pairs, |side| {
        let to = &friends[side].onions[1];
        let begun = Instant::now();
        for _ in 0..DELIVERIES {
            clients[side].send_and_wait(to, "a message of some length, as people write them to each other", LIMIT_S)?;
        }
        Ok(begun.elapsed().as_secs_f64() * 1e3 / f64::from(DELIVERIES))
    })?;
    less_is_better(report, "loopback: message to durable ack, one at a time", "ms", &pairs);

    let mut lines = [Line::api(friends[0].running[0].port)?, Line::api(friends[1].running[0].port)?];
    let pairs = alternately(setup.pairs, |side| {
        let Friends { running, onions, .. } = &friends[side];
        let used = || anyhow::Ok([cpu_ns(running[0].pid())?, cpu_ns(running[1].pid())?]);
        let (before, begun) = (used()?, Instant::now());
        let request = format!(
            "{{\"ref\":1,\"cmd\":\"SEND\",\"peer\":\"{}\",\"text\":\"a message of some length, as people write them\"}}\n",
            onions[1]
        );
        for part in request.repeat(BURST).as_bytes().chunks(16 * 1024) {
            lines[side].say(part)?;
        }
        for _ in 0..BURST {
            let answer = lines[side].hear()?;
            ensure!(answer.starts_with("{\"ref\":1,\"ok\":"), "SEND was refused: {answer}");
        }
        // Lanes are in order: when this one is there, all are.
        clients[side].send_and_wait(&onions[1], "the last one", LIMIT_S)?;
        let (after, took) = (used()?, begun.elapsed().as_secs_f64());
        let cpu = |end: usize| (after[end] - before[end]) as f64 / 1e3 / (BURST + 1) as f64;
        Ok(Burst { rate: (BURST + 1) as f64 / took, sender_us: cpu(0), receiver_us: cpu(1) })
    })?;
    let rate = |side: usize| format!("{:.0}/s", median(pairs.iter().map(|pair| pair[side].rate)));
    report.add(Row {
        what: format!("loopback: {BURST} messages at once, rate of delivery"),
        ours: rate(0),
        reference: rate(1),
        judged: Summary::of(pairs.iter().map(|[new, old]| new.rate / old.rate)),
        aim: Aim::AtLeast(SLOWER_RATE),
    });
    for (who, of) in
        [("sender", (|burst| burst.sender_us) as fn(&Burst) -> f64), ("receiver", |burst| burst.receiver_us)]
    {
        let pairs: Vec<_> = pairs.iter().map(|[new, old]| [of(new), of(old)]).collect();
        less_is_better(report, &format!("loopback: processor time of a message at its {who}"), "us", &pairs);
    }
    for pair in friends {
        pair.stop()?;
    }
    Ok(())
}

struct Burst {
    rate: f64,
    sender_us: f64,
    receiver_us: f64,
}

/// From the sender's start to the durable ack of its first message: process, store, dial, handshake, lanes.
pub(super) fn first_link(setup: &Setup<'_>, builds: &Builds, report: &mut Report) -> anyhow::Result<()> {
    let start = |side: usize| Friends::start(recipes(builds, side, &setup.dir.join(format!("first-{side}")))?);
    let mut friends = [Some(start(0)?), Some(start(1)?)];
    let pairs = alternately(setup.starts, |side| {
        let Some(Friends { recipes, running: [sender, receiver], onions }) = friends[side].take() else {
            anyhow::bail!("a daemon is gone");
        };
        sender.stop()?;
        until("the receiver notices the end", || Ok(receiver.client()?.status()?["links"] == 0))?;
        let begun = Instant::now();
        let sender = recipes[0].start()?;
        sender.client()?.send_and_wait(&onions[1], "the first one", LIMIT_S)?;
        let took = begun.elapsed().as_secs_f64() * 1e3;
        friends[side] = Some(Friends { recipes, running: [sender, receiver], onions });
        Ok(took)
    })?;
    less_is_better(report, "loopback: first link, sender's start to durable ack", "ms", &pairs);
    for pair in friends.into_iter().flatten() {
        pair.stop()?;
    }
    Ok(())
}
