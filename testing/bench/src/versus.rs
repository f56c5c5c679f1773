//! Two builds of torchat beside each other, in alternate slices: what a change costs.
//!
//! Everything is done by the builds' own programs, over the control port only, so that any build since the control API
//! can be the old one. The stores that are read were filled by the program that reads them.

mod loopback;
mod tor;
mod turns;

use crate::Setup;
use crate::contract;
use crate::load::Script;
use crate::process::Recipe;
use crate::report::{Aim, Report, Row};
use crate::stats::{Summary, median};
use anyhow::ensure;
use clap::{Args, ValueEnum};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What a figure may be of the old one: nothing gets slower than this.
const SLOWER: f64 = 1.03;
/// The same of a rate.
const SLOWER_RATE: f64 = 0.97;
/// Slices in which one pair of daemons is sent to, besides the first one that is not counted: the outboxes have room.
const SENDING_PAIRS: u32 = 6;

#[derive(Args)]
pub(crate) struct Versus {
    /// The other build: a checkout that is built, or the folder of its programs
    #[arg(long, value_name = "DIR")]
    old: PathBuf,
    /// This build [default: the folder of this program]
    #[arg(long, value_name = "DIR")]
    new: Option<PathBuf>,
    /// Only these parts, in this order
    #[arg(long, value_enum, value_delimiter = ',', num_args = 1..)]
    only: Vec<What>,
    /// Restarts of each build's sender over Tor
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum What {
    /// HOST with 1 and 50 connections.
    Host,
    /// Durable SEND with 1 and 50 connections.
    Send,
    /// The last 100 messages of a conversation.
    History,
    /// Deliveries between two daemons on loopback, their processor time, and the first link.
    Loopback,
    /// A turn's cost to the store.
    Turns,
    /// Deliveries and the first link over a private Tor network.
    Tor,
}

/// The programs of the new and of the old build, in this order everywhere.
struct Builds([PathBuf; 2]);

impl Builds {
    fn find(versus: &Versus) -> anyhow::Result<Self> {
        let own = std::env::current_exe()?;
        let own = own.parent().unwrap_or(Path::new(".")).to_owned();
        let new = versus.new.as_deref().map_or(Ok(own), programs)?;
        let old = programs(&versus.old)?;
        ensure!(new.canonicalize()? != old.canonicalize()?, "both builds are the same folder: {}", old.display());
        Ok(Self([new, old]))
    }

    fn program(&self, side: usize, name: &str) -> PathBuf {
        self.0[side].join(name)
    }

    /// The daemon without Tor, alone.
    fn loopback(&self, side: usize, dir: &Path) -> anyhow::Result<Recipe> {
        Recipe::loopback_of(&self.program(side, "loopback-daemon"), dir, &dir.with_extension("peers"), 7)
    }
}

/// The folder of a build's programs: the given one, or the usual one in a checkout.
fn programs(dir: &Path) -> anyhow::Result<PathBuf> {
    let places = [dir.to_owned(), dir.join("target/release")];
    let found = places.into_iter().find(|place| place.join("loopback-daemon").is_file());
    found.ok_or_else(|| {
        anyhow::anyhow!(
            "{0} holds no programs. Build them: cd {0} && cargo build --release --workspace --bins --examples",
            dir.display()
        )
    })
}

pub(crate) fn run(setup: &Setup<'_>, versus: &Versus, report: &mut Report) -> anyhow::Result<()> {
    let builds = Builds::find(versus)?;
    let all = [What::Host, What::Send, What::History, What::Loopback, What::Turns, What::Tor];
    let parts = if versus.only.is_empty() { &all[..] } else { &versus.only };
    for part in parts {
        match part {
            What::Host => host(setup, &builds, report)?,
            What::Send => send(setup, &builds, report)?,
            What::History => loopback::history(setup, &builds, report)?,
            What::Loopback => {
                loopback::deliveries(setup, &builds, report)?;
                loopback::first_link(setup, &builds, report)?;
            }
            What::Turns => turns::run(setup, &builds, report)?,
            What::Tor => tor::run(setup, &builds, versus.rounds, report)?,
        }
    }
    Ok(())
}

/// Does something for the new and the old build in turn, the first of them alternating, so that a trend of the machine
/// favours neither.
fn alternately<T>(count: u32, mut one: impl FnMut(usize) -> anyhow::Result<T>) -> anyhow::Result<Vec<[T; 2]>> {
    (0..count)
        .map(|n| {
            if n % 2 == 0 {
                let new = one(0)?;
                Ok([new, one(1)?])
            } else {
                let old = one(1)?;
                Ok([one(0)?, old])
            }
        })
        .collect()
}

/// A row of values of which less is better.
fn less_is_better(report: &mut Report, what: &str, unit: &str, pairs: &[[f64; 2]]) {
    let side = |side: usize| format!("{:.2} {unit}", median(pairs.iter().map(|pair| pair[side])));
    report.add(Row {
        what: what.into(),
        ours: side(0),
        reference: side(1),
        judged: Summary::of(pairs.iter().map(|[new, old]| new / old)),
        aim: Aim::AtMost(SLOWER),
    });
}

fn host(setup: &Setup<'_>, builds: &Builds, report: &mut Report) -> anyhow::Result<()> {
    let api = Arc::new(Script::api(vec![b"{\"ref\":1,\"cmd\":\"HOST\"}\n".to_vec()]));
    let start = |side: usize| builds.loopback(side, &setup.dir.join(format!("host-{side}")))?.start();
    let [new, old] = [start(0)?, start(1)?];
    for (name, script) in [("classic", Arc::new(contract::classic_host())), ("API 1", api)] {
        for connections in contract::SHAPES {
            let pairs = contract::measure(setup.pairs, [(&new, &script), (&old, &script)], connections)?;
            let what = format!("HOST, {name}, {connections} connections");
            contract::latency_row(report, &what, &pairs, Aim::AtMost(SLOWER));
            contract::rate_row(report, &what, &pairs, Aim::AtLeast(SLOWER_RATE));
        }
    }
    new.stop()?;
    old.stop()
}

fn send(setup: &Setup<'_>, builds: &Builds, report: &mut Report) -> anyhow::Result<()> {
    let script = Arc::new(contract::classic_send()?);
    for connections in contract::SHAPES {
        let mut pairs = Vec::new();
        while let left @ 1.. = setup.pairs - u32::try_from(pairs.len())? {
            let place = |side: usize| setup.dir.join(format!("send-{connections}-{}-{side}", pairs.len()));
            let places = [place(0), place(1)];
            let [new, old] = [builds.loopback(0, &places[0])?.start()?, builds.loopback(1, &places[1])?.start()?];
            let count = left.min(SENDING_PAIRS);
            pairs.extend(contract::measure(count, [(&new, &script), (&old, &script)], connections)?);
            new.stop()?;
            old.stop()?;
            for place in places {
                std::fs::remove_dir_all(place)?;
            }
        }
        let what = format!("durable SEND, {connections} connections");
        contract::latency_row(report, &what, &pairs, Aim::AtMost(SLOWER));
        contract::rate_row(report, &what, &pairs, Aim::AtLeast(SLOWER_RATE));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::{alternately, programs};

    #[test]
    fn neither_build_is_always_the_first() {
        let mut order = Vec::new();
        let pairs = alternately(4, |side| {
            order.push(side);
            Ok(side)
        });
        assert_eq!(pairs.unwrap(), vec![[0, 1]; 4], "new, old");
        assert_eq!(order, [0, 1, 1, 0, 0, 1, 1, 0]);
    }

    #[test]
    fn programs_are_found_in_a_checkout_and_in_a_folder_of_their_own() {
        let dir = tempfile::tempdir().unwrap();
        let missing = programs(dir.path()).unwrap_err().to_string();
        assert!(missing.contains("cargo build --release --workspace --bins --examples"), "{missing}");
        let release = dir.path().join("target/release");
        std::fs::create_dir_all(&release).unwrap();
        std::fs::write(release.join("loopback-daemon"), "").unwrap();
        assert_eq!(programs(dir.path()).unwrap(), release);
        assert_eq!(programs(&release).unwrap(), release);
    }
}
