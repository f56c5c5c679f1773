//! `bench`: what torchat costs, always beside a reference in the same minute.
//!
//! A virtual machine's absolute times swing tenfold with its neighbours, so nothing here is judged by itself: slices of
//! two programs alternate, and what counts is the ratio within each pair, with its median, its quartiles and n.

mod contract;
mod load;
mod memory;
mod process;
mod refserver;
mod report;
mod start;
mod stats;
#[cfg(feature = "tor")]
mod tor;

use anyhow::Context as _;
use clap::{Parser, Subcommand};
use report::Report;
use std::path::{Path, PathBuf};

#[derive(Parser)]
#[command(name = "bench", about = "Measures torchat, paired with references in the same run", version)]
struct Cli {
    /// Print Markdown instead of a plain table.
    #[arg(long, global = true)]
    markdown: bool,
    /// Where stores and logs are written, on the disk that is to be measured [default: the system's temporary folder]
    #[arg(long, global = true, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Pairs of slices of a quarter of a second
    #[arg(long, global = true, default_value_t = 24, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pairs: u32,
    /// Links over Tor, each on circuits of its own
    #[arg(long, global = true, default_value_t = 12, value_parser = clap::value_parser!(u32).range(1..=100))]
    circuits: u32,
    /// Starts of each program
    #[arg(long, global = true, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=100))]
    starts: u32,
    #[command(subcommand)]
    part: Option<Part>,
}

#[derive(Subcommand)]
enum Part {
    /// Everything (default).
    All,
    /// HOST at 1 and 50 connections.
    Control,
    /// Durable SEND at 1 and 50 connections.
    Send,
    /// Message to durable ack over a private Tor network.
    #[cfg(feature = "tor")]
    Tor,
    /// Start to first answer, and resident memory.
    Start,
    /// The reference server, as a process of its own.
    #[command(hide = true)]
    Refserver {
        /// Its port is written to a file `port` in here, its log to `log`.
        dir: PathBuf,
        /// Answer only when the request is in the log on disk.
        #[arg(long)]
        store: bool,
    },
}

/// How much is measured, and where.
struct Setup<'a> {
    dir: &'a Path,
    pairs: u32,
    #[cfg(feature = "tor")]
    circuits: u32,
    starts: u32,
}

fn main() -> anyhow::Result<()> {
    let cli = Cli::parse();
    let part = cli.part.unwrap_or(Part::All);
    if let Part::Refserver { dir, store } = part {
        return refserver::run(&dir, store);
    }
    let folder = match &cli.dir {
        Some(dir) => tempfile::tempdir_in(dir),
        None => tempfile::tempdir(),
    };
    let folder = folder.context("no temporary folder")?;
    let setup = Setup {
        dir: folder.path(),
        pairs: cli.pairs,
        #[cfg(feature = "tor")]
        circuits: cli.circuits,
        starts: cli.starts,
    };
    let mut report = Report::new(folder.path());
    if matches!(part, Part::All | Part::Control) {
        contract::host(&setup, &mut report)?;
    }
    if matches!(part, Part::All | Part::Send) {
        contract::send(&setup, &mut report)?;
    }
    if matches!(part, Part::All | Part::Start) {
        start::run(&setup, &mut report)?;
    }
    #[cfg(feature = "tor")]
    if matches!(part, Part::All | Part::Tor) {
        tor::run(&setup, &mut report)?;
    }
    print!("{}", if cli.markdown { report.markdown() } else { report.plain() });
    Ok(())
}
