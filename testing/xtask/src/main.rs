//! The commands of the project: `cargo xtask --help` lists them, docs/ARCHITECTURE.md says what each is for.
//!
//! Each does all that it needs on a Debian machine that has Rust and nothing else prepared. Never links arti, so that it
//! builds in seconds.

mod build;
mod chaos;
mod demo;
mod dist;
mod faults;
mod frames;
mod hostile;
mod install;
mod long;
mod longfuzz;
mod schema;
mod stores;
mod supply;
mod test;
mod tornet;

use anyhow::Context as _;
use clap::{Parser, Subcommand};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

#[derive(Parser)]
#[command(name = "cargo xtask", about = "The commands of torchat's source tree", version)]
struct Cli {
    #[command(subcommand)]
    command: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Two daemons on a private Tor network talk to each other, and stay for you to try.
    Demo {
        /// End after the exchange instead of waiting for Ctrl-C.
        #[arg(long)]
        once: bool,
    },
    /// Formatting, lints, every test, documentation, and the end-to-end tests on a private Tor network.
    Test,
    /// A private Tor network on loopback, for trying things by hand.
    Tornet {
        #[command(subcommand)]
        action: tornet::Action,
    },
    /// Breaks a private Tor network and two daemons on it for minutes: relays, a peer, services, the network.
    Chaos(chaos::Chaos),
    /// Simulated storms with fresh seeds, for minutes, then millions of mutated inputs; on all processors.
    Long(long::Long),
    /// Writes the control API's schema and tables from its types.
    Schema(schema::Schema),
    /// Writes the frames of the screen into README.md and docs/CLIENT.md, from a real conversation.
    Frames,
    /// Writes man pages and completions for bash, zsh and fish to target/dist.
    Dist(dist::Dist),
    /// Measures, paired with references in the same run.
    Bench {
        /// Passed on; `--help` lists them.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// A peer that breaks every rule, against the daemon: attacks and floods over loopback, or attacks over Tor.
    Hostile(hostile::Hostile),
    /// Makes the fixture of the store's newest frozen version, which every later release opens in a test.
    Stores(stores::Stores),
    /// Before a release: what cargo-deny says of all dependencies, with the advisories of this day. Needs the network.
    ReleaseCheck,
    /// Kills, failing disks and power cuts: `kill`, `consumers`, `syncs`, `errors` or `powercut`, in their long forms.
    #[command(disable_help_flag = true)]
    Faults {
        /// Passed on; `--help` lists them.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
}

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Task::Demo { once } => demo::run(once),
        Task::Test => test::run(),
        Task::Tornet { action } => tornet::run(action),
        Task::Chaos(chaos) => chaos::run(&chaos),
        Task::Long(long) => long::run_long(&long),
        Task::Hostile(hostile) => hostile::run_all(&hostile),
        Task::Schema(options) => schema::run(&options),
        Task::Frames => frames::run(),
        Task::Dist(options) => dist::run(&options),
        Task::Bench { arguments } => bench(&arguments),
        Task::Stores(options) => stores::run(&options),
        Task::ReleaseCheck => supply::release_check(),
        Task::Faults { arguments } => faults::run_long(&arguments),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\nxtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn bench(arguments: &[String]) -> anyhow::Result<()> {
    install::ensure_tor()?;
    // One build of everything, because it measures torchatd and the loopback daemon as well. `cargo run -p torchat-bench`
    // would not build those two, and would build arti again whenever its features differ from the workspace's.
    let mut build = cargo();
    build.args(["build", "--release", "--workspace", "--bins"]);
    if arguments.iter().any(|argument| argument == "versus") {
        // The example `turns` is a part of that: what to build in the other checkout, too.
        build.arg("--examples");
    }
    run(&mut build)?;
    run(Command::new(built().with_file_name("release").join("bench")).args(arguments))
}

/// A flag that Ctrl-C sets, for commands that have something to clean up. The second Ctrl-C ends us at once.
fn interrupted() -> anyhow::Result<Arc<AtomicBool>> {
    let flag = Arc::new(AtomicBool::new(false));
    for signal in [SIGHUP, SIGINT, SIGTERM] {
        // In this order, or the first one would end us.
        signal_hook::flag::register_conditional_shutdown(signal, 1, flag.clone())?;
        signal_hook::flag::register(signal, flag.clone())?;
    }
    Ok(flag)
}

/// The top of the source tree.
fn root() -> PathBuf {
    // testing/xtask lies two levels below it.
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here).to_owned()
}

/// The folder of built programs of the one profile that tests and demo share.
fn built() -> PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(folder) => PathBuf::from(folder).join("debug"),
        None => root().join("target/debug"),
    }
}

/// What `cargo run` says of this program to it. ring's build script watches some of it: a cargo that inherits it builds
/// ring, and all of Tor after it, again whenever xtask and a plain cargo take turns.
const OF_THIS_PROGRAM: [&str; 4] = ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_CRATE_", "CARGO_BIN_"];

fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root());
    for (name, _) in std::env::vars_os() {
        if OF_THIS_PROGRAM.iter().any(|prefix| name.to_string_lossy().starts_with(prefix)) {
            command.env_remove(name);
        }
    }
    command
}

/// Runs a command with our own input and output.
fn run(command: &mut Command) -> anyhow::Result<()> {
    let status = command.status().with_context(|| format!("cannot start {:?}", command.get_program()))?;
    anyhow::ensure!(status.success(), "{:?} ended with {status}", command.get_program());
    Ok(())
}
