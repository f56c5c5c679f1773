//! Deliveries that need a new link: the first after a start, and those to a peer that comes back.
//!
//! Real torchatd processes. Each start is beside one of the bare reference, which dials a bare service and waits for an
//! echo: what nobody can do faster with the same Tor.

use crate::Setup;
use crate::friends::{Friends, deliver, until};
use crate::process::{Process, Recipe};
use crate::report::{Aim, Report, Row};
use crate::stats::{Summary, percentile};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use torchat_tornet::{Config, Network};

/// How long the receiver is away, in turn: just restarted, a short break, and long enough for the sender's pauses between
/// two dials to grow.
const AWAY: [Duration; 3] = [Duration::from_secs(3), Duration::from_secs(15), Duration::from_secs(60)];
/// Messages that wait for the receiver.
const QUEUED: usize = 5;
/// The identity of the bare service; the dialler's is the next.
const SEED: u8 = 21;

pub(crate) fn run(setup: &Setup<'_>, report: &mut Report) -> anyhow::Result<()> {
    eprintln!("starting a private Tor network");
    let config = Config { dir: setup.dir.join("delivery-net"), owner: Some(std::process::id()), ..Config::default() };
    let network = Network::start(config)?;
    let place = |name: &str| setup.dir.join(format!("delivery-{name}"));
    let bench = Bench {
        config: network.config_path().to_owned(),
        service: super::bare::identity(SEED)?.peer_id().onion(),
        dialler: place("dialler"),
    };
    let service = Recipe::bare(&place("service"), &bench.config, SEED, None)?.start()?;
    // Not counted: it makes the folders, and waits until the service is published.
    bench.bare_start()?;
    bench.cold(setup.starts, &place("cold"), report)?;
    bench.coming_back(setup.starts, &place("back"), report)?;
    drop(service);
    network.stop()
}

struct Bench {
    config: PathBuf,
    service: String,
    dialler: PathBuf,
}

/// Ours and the reference's, in seconds.
type Pair = [f64; 2];

impl Bench {
    /// From the start of a bare process to its first echo.
    fn bare_start(&self) -> anyhow::Result<f64> {
        let bare = Recipe::bare(&self.dialler, &self.config, SEED + 1, Some(&self.service))?.start()?;
        Ok(bare.first_answer.as_secs_f64())
    }

    /// Two daemons that have met.
    fn friends(&self, dir: &Path) -> anyhow::Result<([Recipe; 2], [Process; 2], [String; 2])> {
        std::fs::create_dir_all(dir)?;
        let recipe = |name: &str| Recipe::torchatd(&dir.join(name), &self.config);
        let Friends { recipes, running, onions } = Friends::start([recipe("a")?, recipe("b")?])?;
        Ok((recipes, running, onions))
    }

    /// From the start of the sender to the durable ack of its first message. The receiver runs.
    fn cold(&self, count: u32, dir: &Path, report: &mut Report) -> anyhow::Result<()> {
        let ([a, _], [mut sender, receiver], [_, to]) = self.friends(dir)?;
        let mut pairs: Vec<Pair> = Vec::new();
        for _ in 0..count {
            sender.stop()?;
            until("the receiver notices the end", || Ok(receiver.client()?.status()?["links"] == 0))?;
            let begun = Instant::now();
            sender = a.start()?;
            deliver(&sender, &to)?;
            pairs.push([begun.elapsed().as_secs_f64(), self.bare_start()?]);
            show(&pairs);
        }
        sender.stop()?;
        receiver.stop()?;
        rows(report, "over Tor, cold: sender's start to durable ack", &pairs, Aim::AtMost(1.3));
        Ok(())
    }

    /// From the start of the receiver, which was killed, to the durable ack of everything that waited for it.
    fn coming_back(&self, count: u32, dir: &Path, report: &mut Report) -> anyhow::Result<()> {
        let ([_, b], [sender, mut receiver], [_, to]) = self.friends(dir)?;
        let mut all: Vec<Vec<Pair>> = vec![Vec::new(); AWAY.len()];
        for n in 0..count as usize {
            let away = AWAY[n % AWAY.len()];
            receiver.kill()?;
            let killed = Instant::now();
            for n in 0..QUEUED {
                sender.client()?.send(&to, &format!("waits {n}"))?;
            }
            // The length of the absence; nothing is waited for.
            std::thread::sleep(away.saturating_sub(killed.elapsed()));
            let begun = Instant::now();
            receiver = b.start()?;
            deliver(&sender, &to)?;
            all[n % AWAY.len()].push([begun.elapsed().as_secs_f64(), self.bare_start()?]);
            show(&all[n % AWAY.len()]);
        }
        sender.stop()?;
        receiver.stop()?;
        for (away, pairs) in AWAY.iter().zip(&all) {
            let what = format!("over Tor, peer back after {} s: its start to durable ack of all", away.as_secs());
            rows(report, &what, pairs, Aim::None);
        }
        let seconds: Vec<f64> = all.iter().flatten().map(|pair| pair[0]).collect();
        report.add(Row {
            what: "over Tor, peer back, all absences, s".into(),
            ours: spread(&seconds),
            reference: String::new(),
            judged: Summary::of(seconds),
            aim: Aim::AtMost(15.0),
        });
        Ok(())
    }
}

fn show(pairs: &[Pair]) {
    if let Some([ours, reference]) = pairs.last() {
        eprintln!("{ours:.2} s, bare {reference:.2} s");
    }
}

fn spread(seconds: &[f64]) -> String {
    let [p50, p95, p99] = [50, 95, 99].map(|percent| percentile(seconds, percent));
    format!("p50 {p50:.2}, p95 {p95:.2}, p99 {p99:.2} s")
}

fn rows(report: &mut Report, what: &str, pairs: &[Pair], aim: Aim) {
    let side = |n: usize| pairs.iter().map(|pair| pair[n]).collect::<Vec<_>>();
    report.add(Row {
        what: what.into(),
        ours: spread(&side(0)),
        reference: spread(&side(1)),
        judged: Summary::of(pairs.iter().map(|[ours, reference]| ours / reference)),
        aim,
    });
}
