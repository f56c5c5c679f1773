//! Start to first answer, and resident memory without and with Tor.

use crate::Setup;
use crate::memory::{Resident, megabytes};
use crate::process::{Process, Recipe, closed_network};
use crate::report::{Aim, Report, Row};
use crate::stats::Summary;
use anyhow::ensure;
use std::time::{Duration, Instant};
use torchat_tornet::{Config, Network};

/// Daemons on the private network at the same time.
const WITH_TOR: usize = 5;
/// How long they may take to publish their services.
const PUBLISH_TIME: Duration = Duration::from_secs(240);
/// How long a process rests before its memory counts as idle.
const REST: Duration = Duration::from_secs(2);
/// The same with Tor, which goes on building circuits after the service is published.
const REST_WITH_TOR: Duration = Duration::from_secs(20);

pub(crate) fn run(setup: &Setup<'_>, report: &mut Report) -> anyhow::Result<()> {
    starts(setup, report)?;
    with_tor(setup, report)
}

fn starts(setup: &Setup<'_>, report: &mut Report) -> anyhow::Result<()> {
    let config = setup.dir.join("closed.toml");
    closed_network(&config)?;
    let torchatd = Recipe::torchatd(&setup.dir.join("start-torchatd"), &config)?;
    let loopback = Recipe::loopback(&setup.dir.join("start-loopback"))?;
    let reference = Recipe::reference(&setup.dir.join("start-reference"), false)?;
    // The first start makes the key and the store, and is not counted.
    for recipe in [&torchatd, &loopback, &reference] {
        recipe.start()?.stop()?;
    }
    let (mut times, mut memory) = (Vec::new(), Vec::new());
    for _ in 0..setup.starts {
        let daemon = torchatd.start()?;
        let took = ms(daemon.first_answer);
        daemon.stop()?;
        let daemon = loopback.start()?;
        let without_tor = ms(daemon.first_answer);
        std::thread::sleep(REST);
        memory.push(Resident::of(daemon.pid())?);
        daemon.stop()?;
        let server = reference.start()?;
        times.push([took, without_tor, ms(server.first_answer)]);
    }
    let column = |n: usize| Summary::of(times.iter().map(|row| row[n]));
    let text = |n: usize| column(n).map_or_else(String::new, |s| format!("{:.1} ms", s.median));
    report.add(Row {
        what: "start to first answer, ms".into(),
        ours: text(0),
        reference: text(2),
        judged: column(0),
        aim: Aim::AtMost(50.0),
    });
    report.add(Row {
        what: "start to first answer without Tor, ms".into(),
        ours: text(1),
        reference: text(2),
        judged: column(1),
        aim: Aim::None,
    });
    memory_row(report, "resident without Tor, MB", &memory, 15.0);
    Ok(())
}

fn with_tor(setup: &Setup<'_>, report: &mut Report) -> anyhow::Result<()> {
    eprintln!("starting a private Tor network");
    let config = Config { dir: setup.dir.join("memory-net"), owner: Some(std::process::id()), ..Config::default() };
    let network = Network::start(config)?;
    let daemons = (0..WITH_TOR)
        .map(|n| Recipe::torchatd(&setup.dir.join(format!("memory-{n}")), network.config_path())?.start())
        .collect::<anyhow::Result<Vec<_>>>()?;
    let deadline = Instant::now() + PUBLISH_TIME;
    while !daemons.iter().map(is_published).collect::<anyhow::Result<Vec<_>>>()?.into_iter().all(|yes| yes) {
        ensure!(Instant::now() < deadline, "not every service was published within {PUBLISH_TIME:?}");
        std::thread::sleep(Duration::from_millis(500));
    }
    std::thread::sleep(REST_WITH_TOR);
    let memory = daemons.iter().map(|daemon| Resident::of(daemon.pid())).collect::<anyhow::Result<Vec<_>>>()?;
    memory_row(report, "resident with Tor, MB", &memory, 60.0);
    for daemon in daemons {
        daemon.stop()?;
    }
    network.stop()
}

fn is_published(daemon: &Process) -> anyhow::Result<bool> {
    let status = daemon.client()?.status()?;
    let sentence = status["tor"]["sentence"].as_str().unwrap_or_default();
    Ok(status["tor"]["usable"] == true && sentence.contains("is published"))
}

fn memory_row(report: &mut Report, what: &str, memory: &[Resident], limit: f64) {
    let all = Summary::of(memory.iter().map(|resident| megabytes(resident.all)));
    let anonymous = crate::stats::median(memory.iter().map(|resident| megabytes(resident.anonymous)));
    report.add(Row {
        what: what.into(),
        ours: all.map_or_else(String::new, |s| format!("{:.1} MB, {anonymous:.1} of them not files", s.median)),
        reference: String::new(),
        judged: all,
        aim: Aim::AtMost(limit),
    });
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}
