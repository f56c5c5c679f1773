//! `bench`: what torchat costs, always beside a reference in the same minute.
//!
//! A virtual machine's absolute times swing tenfold with its neighbours, so nothing here is judged by itself: slices of
//! two programs alternate, and what counts is the ratio within each pair, with its median, its quartiles and n.

mod api;
mod client;
mod contract;
mod friends;
mod lists;
mod load;
mod memory;
mod process;
mod refserver;
mod report;
mod rooms;
mod screen;
mod start;
mod stats;
mod streams;
#[cfg(feature = "tor")]
mod tor;
mod versus;

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
    /// Contacts, and bare streams, at the same time
    #[arg(long, global = true, default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..=500))]
    contacts: u16,
    /// Pairs of fresh processes whose memory with and without contacts is compared, the last one is also watched while it
    /// idles; and fresh processes whose memory with idle connections is looked at
    #[arg(long, global = true, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=20))]
    rounds: u32,
    /// Windows of 56 s in which idle contacts are watched; eight are two pings of each
    #[arg(long, global = true, default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=1000))]
    windows: u32,
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
    /// The local API: HOST, SEND, events, and what an idle connection costs.
    Api,
    /// The local API with 1,000,000 messages stored: HISTORY, SEARCH, start, and bytes on disk.
    ApiLarge {
        /// HISTORY with 10,000,000 messages as well: ten more minutes and 5 GB of disk.
        #[arg(long)]
        ten_million: bool,
    },
    /// Message to durable ack over a private Tor network.
    #[cfg(feature = "tor")]
    Tor,
    /// Delivery after a start, and to a peer that comes back, over a private Tor network.
    #[cfg(feature = "tor")]
    Delivery,
    /// Memory, idle processor time and idle traffic of 100 contacts beside 100 bare streams over Tor.
    #[cfg(feature = "tor")]
    Contacts,
    /// `torchat host` as a whole process.
    Client,
    /// Start to first answer, and resident memory.
    Start,
    /// The terminal client at a terminal, with many conversations behind it; not a part of `all`.
    Screen(screen::Sizes),
    /// Lists of thousands of contacts: pages, adding, start and memory, for two numbers of contacts; not a part of `all`.
    Lists(lists::Sizes),
    /// Two builds beside each other, in alternate slices: HOST, SEND, HISTORY, deliveries, first links, turns.
    Versus(versus::Versus),
    /// Rooms beside contacts: deliveries, catching up, SEND, HISTORY, links, turns; not a part of `all`.
    Rooms(rooms::Rooms),
    /// The reference server, as a process of its own.
    #[command(hide = true)]
    Refserver {
        /// Its port is written to a file `port` in here, its log to `log`.
        dir: PathBuf,
        /// Answer only when the request is in the log on disk.
        #[arg(long)]
        store: bool,
    },
    /// The bare reference over Tor, as a process of its own.
    #[cfg(feature = "tor")]
    #[command(hide = true)]
    Bare {
        /// Its port is written to a file `port` in here; Tor's state lies here too.
        dir: PathBuf,
        /// The configuration file of the network.
        config: PathBuf,
        /// Its identity.
        seed: u8,
        /// The onion of another one, of which it wants an echo before it serves.
        #[arg(long)]
        dial: Option<String>,
    },
}

/// How much is measured, and where.
struct Setup<'a> {
    dir: &'a Path,
    pairs: u32,
    #[cfg(feature = "tor")]
    circuits: u32,
    starts: u32,
    #[cfg(feature = "tor")]
    contacts: u16,
    rounds: u32,
    #[cfg(feature = "tor")]
    windows: u32,
}

fn main() -> anyhow::Result<()> {
    let cli = Cli::parse();
    let part = cli.part.unwrap_or(Part::All);
    if let Part::Refserver { dir, store } = part {
        return refserver::run(&dir, store);
    }
    #[cfg(feature = "tor")]
    if let Part::Bare { dir, config, seed, dial } = part {
        return tor::bare(&dir, &config, seed, dial.as_deref());
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
        #[cfg(feature = "tor")]
        contacts: cli.contacts,
        rounds: cli.rounds,
        #[cfg(feature = "tor")]
        windows: cli.windows,
    };
    if let Part::Screen(sizes) = &part {
        return screen::run(folder.path(), sizes);
    }
    if let Part::Versus(versus) = &part {
        let mut report = Report::of_builds(folder.path());
        let done = versus::run(&setup, versus, &mut report);
        // What was measured before something failed is worth showing.
        print!("{}", if cli.markdown { report.markdown() } else { report.plain() });
        return done;
    }
    if let Part::Rooms(rooms) = &part {
        let mut report = Report::new(folder.path());
        let done = rooms::run(&setup, rooms, &mut report);
        // What was measured before something failed is worth showing.
        print!("{}", if cli.markdown { report.markdown() } else { report.plain() });
        return done;
    }
    if let Part::Lists(sizes) = &part {
        let mut report = Report::of_sizes(folder.path());
        lists::run(&setup, sizes, &mut report)?;
        print!("{}", if cli.markdown { report.markdown() } else { report.plain() });
        return Ok(());
    }
    let mut report = Report::new(folder.path());
    if matches!(part, Part::All | Part::Control) {
        contract::host(&setup, &mut report)?;
    }
    if matches!(part, Part::All | Part::Send) {
        contract::send(&setup, &mut report)?;
    }
    if matches!(part, Part::All | Part::Api) {
        api::run(&setup, &mut report)?;
    }
    let ten_million = match part {
        Part::ApiLarge { ten_million } => Some(ten_million),
        Part::All => Some(false),
        _ => None,
    };
    if let Some(ten_million) = ten_million {
        api::large(&setup, ten_million, &mut report)?;
    }
    if matches!(part, Part::All | Part::Client) {
        client::run(&setup, &mut report)?;
    }
    if matches!(part, Part::All | Part::Start) {
        start::run(&setup, &mut report)?;
    }
    #[cfg(feature = "tor")]
    if matches!(part, Part::All | Part::Tor) {
        tor::run(&setup, &mut report)?;
    }
    #[cfg(feature = "tor")]
    if matches!(part, Part::All | Part::Delivery) {
        tor::delivery(&setup, &mut report)?;
    }
    #[cfg(feature = "tor")]
    if matches!(part, Part::All | Part::Contacts) {
        tor::contacts(&setup, &mut report)?;
    }
    print!("{}", if cli.markdown { report.markdown() } else { report.plain() });
    Ok(())
}
