//! `hostile-peer attacks|floods|local|tor`: the long forms. `cargo xtask hostile` builds and runs it.

use anyhow::{Context as _, ensure};
use clap::{Args, Parser, Subcommand};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use torchat_hostile::attack::{self, Attack, Outcome};
use torchat_hostile::flood::Flood;
use torchat_hostile::local::loads::{self, Load};
use torchat_hostile::local::{chromium, contacts, endurance, erasing, files, full, old, owner};
use torchat_hostile::target::Target;
use torchat_hostile::tor::OnTor;
use torchat_hostile::victim::Pair;
use torchat_hostile::{bounds, process, slow_line};

#[derive(Parser)]
#[command(name = "hostile-peer", about = "A peer that breaks every rule, and what that costs the daemon")]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Every attack, against a daemon whose peers are on loopback TCP.
    Attacks(Rows),
    /// Memory, processor time and an honest contact's deliveries while floods run, on loopback TCP.
    Floods {
        /// For how long in all, quiet times included.
        #[arg(long, default_value_t = 60)]
        seconds: u64,
    },
    /// Attacks on the local port: bytes of browsers, a browser, thousands of contacts, loads, and a million requests.
    Local {
        /// Loads and requests: a tenth of them.
        #[arg(long)]
        quick: bool,
        /// What stands in the way of a real daemon, tried with this one; without it that is left out
        #[arg(long)]
        torchatd: Option<PathBuf>,
        /// That alone
        #[arg(long, requires = "torchatd")]
        files: bool,
        /// Only the lists of this many contacts
        #[arg(long, value_name = "N", conflicts_with = "files")]
        contacts: Option<usize>,
    },
    /// Every attack that can be made from outside, against a torchatd on a private Tor network of its own.
    Tor {
        #[command(flatten)]
        rows: Rows,
        /// The daemon
        #[arg(long)]
        torchatd: PathBuf,
        /// A new folder for network and daemons; the network stays, with what is in it, when something fails
        #[arg(long)]
        dir: PathBuf,
    },
}

#[derive(Args)]
struct Rows {
    /// Only rows whose names contain this
    #[arg(long, default_value = "")]
    only: String,
    /// The rows that take a minute too
    #[arg(long)]
    slow: bool,
}

fn main() -> ExitCode {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    match runtime.map_err(Into::into).and_then(|runtime| runtime.block_on(run())) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("hostile-peer: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> anyhow::Result<()> {
    let daemon = std::env::current_exe()?.with_file_name("hostile-daemon");
    process::many_streams()?;
    match Cli::parse().task {
        Task::Attacks(rows) => {
            let pair = Pair::start(&daemon)?;
            let target = Arc::new(pair.target()?);
            attacks(&target, attack::table(), &rows).await?;
            if rows.slow && "protocol 4".contains(&rows.only) {
                println!("{}", slow_line::run(&daemon, 1_000).await?);
            }
            let refused = target.ask(|client| Ok(client.status()?)).await?["refused"].to_string();
            println!("STATUS counts {refused}; the daemon's files have {} KiB", pair.disk()? / 1024);
            drop(target);
            pair.finish()?;
            // A daemon of its own: the attacks use up what strangers may ask.
            let pair = Pair::start(&daemon)?;
            let target = Arc::new(pair.target()?);
            for (who, time) in attack::answer_times(&target, 300).await? {
                println!("a request's answer to somebody {who}: p50 {:.0} us", time.as_secs_f64() * 1e6);
            }
            drop(target);
            pair.finish()
        }
        Task::Floods { seconds } => {
            let paced = Flood::ALL.map(|flood| (flood, Some(flood.pace())));
            let floods: Vec<_> = paced.into_iter().chain(Flood::ALL.map(|flood| (flood, None))).collect();
            let each = Duration::from_secs(seconds) / u32::try_from(2 * floods.len())?;
            println!("{}", bounds::HEAD);
            bounds::run(&daemon, &floods, each, |cost| println!("{cost}")).await
        }
        Task::Local { quick, torchatd, files: only_files, contacts: only_contacts } => {
            if let Some(count) = only_contacts {
                println!("{}", tokio::task::block_in_place(|| contacts::run(&daemon, count))?);
                return Ok(());
            }
            if only_files {
                let program = torchatd.context("no torchatd was named")?;
                return tokio::task::spawn_blocking(move || files::run(&program)).await?;
            }
            local(&daemon, quick, torchatd).await
        }
        Task::Tor { rows, torchatd, dir } => {
            let daemons = tokio::task::spawn_blocking(move || OnTor::start(&torchatd, &dir)).await??;
            println!("both daemons talk {:.0} s after their start", daemons.first.as_secs_f64());
            let target = Arc::new(daemons.target()?);
            let result = attacks(&target, attack::table(), &rows).await;
            let refused = target.ask(|client| Ok(client.status()?)).await?["refused"].to_string();
            println!("STATUS counts {refused}");
            drop(target);
            tokio::task::spawn_blocking(move || daemons.finish()).await??;
            result
        }
    }
}

/// The parts of a long run. It goes on when one fails, for each costs minutes, and fails at the end.
#[derive(Default)]
struct Parts {
    failed: Vec<&'static str>,
}

impl Parts {
    async fn part(&mut self, name: &'static str, run: impl Future<Output = anyhow::Result<()>>) {
        if let Err(error) = run.await {
            println!("FAILED              {name}: {error:#}");
            self.failed.push(name);
        }
    }

    fn end(self) -> anyhow::Result<()> {
        ensure!(self.failed.is_empty(), "failed: {}", self.failed.join("; "));
        Ok(())
    }
}

/// All attacks on the local port.
async fn local(daemon: &Path, quick: bool, torchatd: Option<PathBuf>) -> anyhow::Result<()> {
    let part = if quick { 10 } else { 1 };
    let mut parts = Parts::default();
    match torchatd {
        Some(program) => {
            parts.part("files", async { tokio::task::spawn_blocking(move || files::run(&program)).await? }).await;
        }
        None => println!("SKIPPED: no torchatd was named, so nothing was put in the way of one"),
    }
    parts
        .part("bytes of browsers", async {
            let pair = Pair::start(daemon)?;
            let target = Arc::new(pair.target()?);
            let rows = Rows { only: String::new(), slow: true };
            attacks(&target, attack::local(), &rows).await?;
            drop(target);
            pair.finish()
        })
        .await;
    if rustix::process::geteuid().is_root() {
        let stranger = daemon.with_file_name("hostile-stranger");
        let setup = owner::Setup {
            daemon,
            stranger: &stranger,
            slice: Duration::from_secs(2),
            slices: if quick { 3 } else { 10 },
            tries: if quick { 4 } else { 40 },
            // The short form runs beside other work.
            ratio: if quick { 5.0 } else { 1.1 },
        };
        parts.part("other users", async { tokio::task::block_in_place(|| owner::run(&setup, told)) }).await;
    } else {
        println!("SKIPPED: not root, so nothing of other users was tried");
    }
    let program = daemon.to_owned();
    let old = async { tokio::task::spawn_blocking(move || old::run(&program, |name| held(name))).await? };
    parts.part("old programs", old).await;
    match chromium::installed() {
        Some(program) => {
            let browser = async { chromium::run(&program, daemon).await.map(|report| println!("{report}")) };
            parts.part("a real browser", browser).await;
        }
        None => println!("SKIPPED: no chromium or google-chrome is installed, so no real browser tried"),
    }
    parts.part("a full store", async { full::run(daemon).await.map(held) }).await;
    let contacts =
        async { tokio::task::block_in_place(|| contacts::run(daemon, 10_000 / part)).map(|cost| println!("{cost}")) };
    parts.part("contacts", contacts).await;
    parts
        .part("loads", async {
            println!("{}", loads::HEAD);
            let sizes = loads::Sizes {
                loads: vec![
                    Load::Malformed(10_000 / part),
                    Load::Idle(1_000 / part),
                    Load::Crawling(1_000 / part),
                    Load::Deaf(200 / part),
                    Load::Knocking(150),
                ],
                slice: Duration::from_millis(2_500) / u32::try_from(part)?,
                slices: 4,
                history: 1_000,
            };
            loads::run(daemon, &sizes, |cost| println!("{cost}")).await
        })
        .await;
    let sizes = erasing::Sizes {
        waiting: 2_000 / part,
        history: if quick { 200 } else { 1_000 },
        slice: Duration::from_secs(if quick { 2 } else { 20 }),
    };
    parts.part("erasing", erasing::run(daemon, sizes, |cost| println!("{cost}"))).await;
    let exhaust =
        async { loads::exhaust(daemon, 100, 500, Duration::from_secs(2)).await.map(|found| println!("{found}")) };
    parts.part("no descriptors", exhaust).await;
    let endurance =
        async { endurance::run(daemon, 1_000_000 / part, 100_000 / part).await.map(|report| println!("{report}")) };
    parts.part("endurance", endurance).await;
    parts.end()
}

fn held(name: impl std::fmt::Display) {
    println!("held                {name}");
}

fn told(name: &str, result: &anyhow::Result<String>) {
    match result {
        Ok(what) => println!("held                {name}: {what}"),
        Err(error) => println!("FAILED              {name}: {error:#}"),
    }
}

/// Runs rows and prints each as it ends.
async fn attacks(target: &Arc<Target>, table: Vec<Attack>, rows: &Rows) -> anyhow::Result<()> {
    let table: Vec<_> = table.into_iter().filter(|row| row.name.contains(&rows.only)).collect();
    ensure!(!table.is_empty(), "no row is called {:?}", rows.only);
    let (mut held, mut failed, mut left_out) = (0, Vec::new(), 0);
    attack::run(target, table, rows.slow, |row: &Attack, outcome, took| {
        let (name, expect, took) = (&row.name, row.expect, took.as_secs_f64());
        match outcome {
            Outcome::Held => {
                held += 1;
                println!("held      {took:6.2} s  {name}: {expect}");
            }
            Outcome::Failed(error) => {
                failed.push(name.clone());
                println!("FAILED    {took:6.2} s  {name}: {expect}\n          {error:#}");
            }
            Outcome::LeftOut(why) => {
                left_out += 1;
                println!("left out            {name}: {why}");
            }
        }
    })
    .await;
    println!("\n{held} attacks held, {} failed, {left_out} left out", failed.len());
    ensure!(failed.is_empty(), "failed: {}", failed.join("; "));
    let unharmed = target.unharmed().await;
    unharmed.context("after all attacks")
}
