//! `faults kill|consumers|syncs|errors|powercut`: the long forms. `cargo xtask faults` builds and runs it.

use anyhow::Context as _;
use clap::{Parser, Subcommand, ValueEnum};
use std::path::PathBuf;
use std::process::ExitCode;
use torchat_faults::script::Part;
use torchat_faults::{consumers, errors, kill, migration, powercut, rooms, syncs, torstate};

/// Images of power cuts at each moment of a store's step to a new version.
const MIGRATION_CUTS: usize = 8;

#[derive(Parser)]
#[command(name = "faults", about = "What kill -9, failing disks and power cuts may not break")]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Kills two daemons at random moments while clients send and read on both sides.
    Kill {
        /// Kills.
        #[arg(long, default_value_t = 1000)]
        rounds: usize,
        /// Four daemons that keep a room together, beside the mail of two of them.
        #[arg(long)]
        room: bool,
        /// Decides about victims and moments; without it a fresh one, which is printed.
        #[arg(long)]
        seed: Option<u64>,
    },
    /// Kills programs that follow the events, and daemons, at random moments.
    Consumers {
        /// Messages, each for five consumers.
        #[arg(long, default_value_t = 10_000)]
        messages: usize,
        /// Decides about victims and moments; without it a fresh one, which is printed.
        #[arg(long)]
        seed: Option<u64>,
    },
    /// Kills a daemon at its n-th sync, for every n.
    Syncs {
        /// Messages each way in each run.
        #[arg(long, default_value_t = 6)]
        messages: usize,
        /// Three daemons that keep a room together, beside the mail of two of them: the one that is killed owns it, or is a member.
        #[arg(long)]
        room: bool,
    },
    /// Lets the n-th write, sync or truncation fail, once and from then on.
    Errors {
        /// The first n.
        #[arg(long, default_value_t = 1)]
        from: usize,
        /// The last n; every one up to 16 is tried, then every fourth.
        #[arg(long, default_value_t = 80)]
        until: usize,
        /// As for `syncs`.
        #[arg(long)]
        room: bool,
    },
    /// Cuts the power of two talking daemons at random moments.
    Powercut {
        /// Moments.
        #[arg(long, default_value_t = 1000)]
        images: usize,
        /// Three daemons that keep a room together, beside the mail of two of them, and nothing else.
        #[arg(long)]
        room: bool,
        /// Messages of each of the six senders.
        #[arg(long, default_value_t = 60)]
        messages: usize,
        /// Both daemons are started on every n-th image.
        #[arg(long, default_value_t = 20)]
        sample: usize,
        /// Moments of the real torchatd, without a network, with Tor's state among the files.
        #[arg(long, default_value_t = 100)]
        tor_images: usize,
        /// The real torchatd; without it the one that is built beside this program.
        #[arg(long)]
        torchatd: Option<PathBuf>,
        /// Decides about moments and what is lost; without it a fresh one, which is printed.
        #[arg(long)]
        seed: Option<u64>,
    },
    /// What `powercut` of a store's new version records.
    #[command(hide = true)]
    Migrate { database: PathBuf },
    /// The writer whose losses show that `powercut` can find some.
    #[command(hide = true)]
    Rows {
        #[arg(long)]
        synchronous: Synchronous,
        #[arg(long)]
        rows: u32,
        database: PathBuf,
    },
}

#[derive(Clone, Copy, ValueEnum)]
enum Synchronous {
    Full,
    Normal,
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("faults: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// What the faulty daemon of a script is in a room.
fn parts(room: bool) -> Vec<Option<Part>> {
    if room { Part::ALL.map(Some).to_vec() } else { vec![None] }
}

fn run() -> anyhow::Result<()> {
    let own = std::env::current_exe()?;
    let daemon = own.with_file_name("faults-daemon");
    let fresh = |seed: Option<u64>| {
        let seed = seed.unwrap_or_else(rand::random);
        println!("seed {seed}");
        seed
    };
    match Cli::parse().task {
        Task::Kill { rounds, room: true, seed } => {
            let seed = fresh(seed);
            println!("{}", rooms::kill::run(&daemon, rounds, seed).with_context(|| format!("seed {seed}"))?);
        }
        Task::Kill { rounds, room: false, seed } => {
            let seed = fresh(seed);
            println!("{}", kill::run(&daemon, rounds, seed).with_context(|| format!("seed {seed}"))?);
        }
        Task::Consumers { messages, seed } => {
            let seed = fresh(seed);
            let programs = consumers::Programs { daemon, consumer: own.with_file_name("faults-consumer") };
            let report = consumers::run(&programs, messages, seed).with_context(|| format!("seed {seed}"))?;
            println!("{report}");
        }
        Task::Syncs { messages, room } => println!("{}", syncs::run(&daemon, messages, &parts(room))?),
        Task::Errors { from, until, room } => {
            let places: Vec<_> = (from..=until).filter(|n| *n <= 16 || n % 4 == 0).collect();
            println!("{}", errors::run(&daemon, &errors::faults(&places, &parts(room)))?);
        }
        Task::Powercut { room: true, images, messages, sample, seed, .. } => {
            let seed = fresh(seed);
            let disks = powercut::Disks::Honest;
            println!("{}", rooms::powercut::run(&daemon, disks, messages, images, sample.max(1), seed)?);
        }
        Task::Powercut { room: false, images, messages, sample, tor_images, torchatd, seed } => {
            let seed = fresh(seed);
            if tor_images > 0 {
                let torchatd = torchatd.unwrap_or_else(|| own.with_file_name("torchatd"));
                println!("{}", torstate::run(&torchatd, tor_images, seed)?);
            }
            if images == 0 {
                return Ok(());
            }
            println!("{}", powercut::run(&daemon, powercut::Disks::Honest, messages, images, sample.max(1), seed)?);
            println!("{}", migration::first_start(&own, MIGRATION_CUTS, seed)?);
            for version in [9, 10, 11] {
                let store = torchat_harness::stores::fixture(version)?.0;
                println!("{}", migration::run(&own, &store, MIGRATION_CUTS, seed)?);
            }
            for synchronous in ["full", "normal"] {
                let found = powercut::rows(&own, synchronous, 300, 200, seed)?;
                println!(
                    "the same tool over rows written with synchronous={synchronous}: {} of {} images lost \
                     acknowledged rows ({} rows)",
                    found.with_losses, found.images, found.lost
                );
            }
        }
        Task::Migrate { database } => migration::migrate(&database)?,
        Task::Rows { synchronous, rows, database } => {
            let setting = match synchronous {
                Synchronous::Full => "FULL",
                Synchronous::Normal => "NORMAL",
            };
            powercut::write_rows(&database, setting, rows)?;
        }
    }
    Ok(())
}
