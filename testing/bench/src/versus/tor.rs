//! Deliveries and first links of two builds over one private Tor network.
//!
//! Each round starts the sender of each build anew: that is the first link, and it gives circuits of its own to what is
//! delivered behind it. Circuits differ (16 to 100 ms for a message), which is Tor's doing, so it takes rounds and not many
//! messages to see a difference; the row tells how far the rounds lie apart.

use super::{Builds, alternately, less_is_better};
use crate::Setup;
use crate::friends::{Friends, until};
use crate::process::Recipe;
use crate::report::Report;
use crate::stats::median;
use std::time::Instant;
use torchat_tornet::{Config, Network};

/// Messages of a round.
const MESSAGES: u32 = 40;
/// How long a delivery may take, in seconds.
const LIMIT_S: u64 = 240;

/// One round of one build.
struct Round {
    /// From the sender's start to the durable ack of its first message, in seconds.
    first_s: f64,
    /// The median of the messages after it, in milliseconds.
    message_ms: f64,
}

pub(super) fn run(setup: &Setup<'_>, builds: &Builds, rounds: u32, report: &mut Report) -> anyhow::Result<()> {
    eprintln!("starting a private Tor network");
    let config = Config { dir: setup.dir.join("versus-net"), owner: Some(std::process::id()), ..Config::default() };
    let network = Network::start(config)?;
    let start = |side: usize| {
        let dir = setup.dir.join(format!("tor-{side}"));
        std::fs::create_dir_all(&dir)?;
        let program = builds.program(side, "torchatd");
        let recipe = |name: &str| Recipe::torchatd_of(&program, &dir.join(name), network.config_path());
        Friends::start([recipe("a"), recipe("b")])
    };
    let mut friends = [Some(start(0)?), Some(start(1)?)];
    let pairs = alternately(rounds, |side| {
        let Some(Friends { recipes, running: [sender, receiver], onions }) = friends[side].take() else {
            anyhow::bail!("a daemon is gone");
        };
        sender.stop()?;
        until("the receiver notices the end", || Ok(receiver.client()?.status()?["links"] == 0))?;
        let begun = Instant::now();
        let sender = recipes[0].start()?;
        let mut client = sender.client()?;
        client.send_and_wait(&onions[1], "the first one", LIMIT_S)?;
        let first_s = begun.elapsed().as_secs_f64();
        let mut times = Vec::new();
        for _ in 0..MESSAGES {
            let begun = Instant::now();
            client.send_and_wait(&onions[1], "a message of some length, as people write them", LIMIT_S)?;
            times.push(begun.elapsed().as_secs_f64() * 1e3);
        }
        let round = Round { first_s, message_ms: median(times) };
        eprintln!("{}: first {:.2} s, then {:.1} ms", ["new", "old"][side], round.first_s, round.message_ms);
        friends[side] = Some(Friends { recipes, running: [sender, receiver], onions });
        Ok(round)
    })?;
    let of = |value: fn(&Round) -> f64| pairs.iter().map(|[new, old]| [value(new), value(old)]).collect::<Vec<_>>();
    less_is_better(report, "over Tor: first link, sender's start to durable ack", "s", &of(|round| round.first_s));
    less_is_better(report, "over Tor: message to durable ack, open link", "ms", &of(|round| round.message_ms));
    for pair in friends.into_iter().flatten() {
        pair.stop()?;
    }
    network.stop()
}
