//! Chaos on a real Tor network: two real daemons talk without a pause while relays die, a daemon is suspended, daemons
//! are killed, or the whole network stands still. At the end nothing may be lost, repeated or out of order, and for every
//! fault it is known how long the mail stood still after everything was back.
//!
//! The faults and their moments come from a seed, which is printed. How the daemons and Tor react does not: a seed repeats
//! the plan, not the run.

mod report;
mod traffic;

pub use report::{Distribution, Fault, Outcome};

use anyhow::{Context as _, bail, ensure};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use rustix::process::{Pid, Signal, kill_process};
use std::ops::RangeInclusive;
use std::time::{Duration, Instant};
use torchat_testkit::daemon::{Daemon, check_history, eventually};
use torchat_tornet::Network;
use traffic::{Baseline, Traffic};

/// Between two looks at what arrived.
const LOOK: Duration = Duration::from_millis(20);
/// How long the very first message may take: descriptors are published and fetched before it.
const FIRST_TIME: Duration = Duration::from_secs(180);
/// A conversation is checked at least this often, because HISTORY shows at most 10,000 messages.
const ROUND: Duration = Duration::from_secs(600);
/// Messages that are compared at the end of a round: what HISTORY shows at most.
const CHECKED: u32 = 10_000;
/// Silence that counts as "the mail stood still". Far above a round trip on a busy machine, far below a repair.
const STILL: Duration = Duration::from_secs(2);

/// What is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scenario {
    /// One relay or authority after the other is killed with -9 and started again, whether or not the last one healed.
    Relays,
    /// One of the two daemons is suspended for a while, in turn.
    PeerStopped,
    /// Daemons are killed with -9 and started again: one, the other, both.
    Services,
    /// Every relay and authority is suspended for a while.
    Network,
}

impl Scenario {
    /// All of them, in the order in which they run. Relays come last: the authorities of a private network take the flags
    /// Fast and Stable from a relay that has just begun, for minutes, and with less than six relays that have them full
    /// vanguards find no path. What follows would then measure that, and not its own faults.
    pub const ALL: [Self; 4] = [Self::PeerStopped, Self::Services, Self::Network, Self::Relays];

    /// Its name on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Relays => "relays",
            Self::PeerStopped => "peer-stopped",
            Self::Services => "services",
            Self::Network => "network",
        }
    }

    /// The scenario of a name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scenario| scenario.name() == name)
    }
}

/// When a scenario has broken enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Until {
    /// No fault begins after so long; at least one does.
    Time(Duration),
    /// After how many faults.
    Faults(usize),
}

/// How hard it is.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Decides the faults, their victims and their lengths.
    pub seed: u64,
    /// Pause before each message, in each direction.
    pub pace: Duration,
    /// How long the mail may take to flow after a fault, and to settle at the end.
    pub patience: Duration,
    /// From one killed relay to the next.
    pub relay_every: Duration,
    /// How long a daemon is suspended, in milliseconds.
    pub peer_stopped_ms: RangeInclusive<u64>,
    /// How long the network is suspended, in milliseconds.
    pub network_stopped_ms: RangeInclusive<u64>,
    /// The pause after a fault has healed, in milliseconds, so that the next one meets a link in use.
    pub calm_ms: RangeInclusive<u64>,
}

impl Plan {
    /// The real thing: a relay every ten seconds, a daemon away for one to three minutes, the network for one to one and
    /// a half.
    #[must_use]
    pub fn full(seed: u64) -> Self {
        Self {
            seed,
            pace: Duration::from_millis(250),
            patience: Duration::from_secs(300),
            relay_every: Duration::from_secs(10),
            peer_stopped_ms: 60_000..=180_000,
            network_stopped_ms: 60_000..=90_000,
            calm_ms: 3_000..=12_000,
        }
    }

    /// Short faults, for a test that runs every day. Less is shown: nobody gives up within seconds.
    #[must_use]
    pub fn short(seed: u64) -> Self {
        Self {
            patience: Duration::from_secs(180),
            relay_every: Duration::from_secs(4),
            peer_stopped_ms: 5_000..=8_000,
            network_stopped_ms: 6_000..=9_000,
            calm_ms: 500..=1_500,
            ..Self::full(seed)
        }
    }
}

/// Two daemons on a network, and what is done to them.
pub struct Chaos<'a> {
    network: &'a Network,
    /// `a` and `b`.
    daemons: [Daemon; 2],
    onions: [String; 2],
    plan: Plan,
    random: StdRng,
    rounds: usize,
}

impl<'a> Chaos<'a> {
    /// Starts both daemons, makes them contacts and waits for the first message each way. Returns how long that took as
    /// well.
    ///
    /// # Errors
    /// When a daemon does not start, or no message arrives.
    pub fn start(network: &'a Network, mut daemons: [Daemon; 2], plan: Plan) -> anyhow::Result<(Self, Duration)> {
        let begun = Instant::now();
        for daemon in &mut daemons {
            daemon.start()?;
        }
        let onions = [daemons[0].client()?.host()?, daemons[1].client()?.host()?];
        for (daemon, other) in daemons.iter().zip([1, 0]) {
            daemon.client()?.add(&onions[other])?;
        }
        for (daemon, other) in daemons.iter().zip([1, 0]) {
            daemon.client()?.send_and_wait(&onions[other], "the first", FIRST_TIME.as_secs())?;
        }
        let random = StdRng::seed_from_u64(plan.seed);
        Ok((Self { network, daemons, onions, plan, random, rounds: 0 }, begun.elapsed()))
    }

    /// Runs a scenario and checks the conversation.
    ///
    /// # Errors
    /// Any loss, repetition or disorder; mail that does not settle; a daemon or relay that does not come back.
    pub fn run(&mut self, scenario: Scenario, until: Until) -> anyhow::Result<Outcome> {
        let begun = Instant::now();
        let mut outcome = Outcome::new(scenario);
        while outcome.faults.is_empty() || !is_over(until, begun, outcome.faults.len()) {
            let left = match until {
                Until::Time(length) => Until::Time(length.saturating_sub(begun.elapsed()).min(ROUND)),
                Until::Faults(count) => Until::Faults(count - outcome.faults.len()),
            };
            self.round(scenario, left, &mut outcome).map_err(|error| self.explain(error))?;
        }
        Ok(outcome)
    }

    /// Ends both daemons.
    ///
    /// # Errors
    /// When one does not end in order.
    pub fn stop(mut self) -> anyhow::Result<()> {
        self.daemons.iter_mut().try_for_each(|daemon| daemon.stop().map(drop))
    }

    fn round(&mut self, scenario: Scenario, until: Until, outcome: &mut Outcome) -> anyhow::Result<()> {
        self.rounds += 1;
        let data = [self.daemons[0].data(), self.daemons[1].data()].map(ToOwned::to_owned);
        let traffic = Traffic::new(data, &self.onions, self.rounds, self.plan.pace);
        let faults = std::thread::scope(|scope| {
            let threads = traffic.start(scope);
            let faults = self.break_things(scenario, until, &traffic);
            traffic.stop();
            // A failed sender is the reason of whatever else failed.
            let senders = threads.join();
            senders.and(faults)
        })?;
        outcome.faults.extend(faults);
        let (texts, settled) = self.settle(&traffic)?;
        outcome.messages += texts;
        outcome.settled = outcome.settled.max(settled);
        Ok(())
    }

    /// One fault after the other, until there were enough and the mail flows again.
    fn break_things(&mut self, scenario: Scenario, until: Until, traffic: &Traffic) -> anyhow::Result<Vec<Fault>> {
        let begun = Instant::now();
        let mut done = Vec::new();
        let mut open: Vec<Open> = Vec::new();
        // The first fault meets a conversation that flows, also after the round before.
        let mut next = begun + self.random_ms(&(1_000..=2_000));
        let mut count = 0;
        loop {
            traffic.check()?;
            for index in (0..open.len()).rev() {
                if let Some(fault) = open[index].look(traffic, self.plan.patience) {
                    println!("  {}: {fault}", scenario.name());
                    open.remove(index);
                    done.push(fault);
                    if scenario != Scenario::Relays {
                        next = Instant::now() + self.random_ms(&self.plan.calm_ms.clone());
                    }
                }
            }
            let over = count > 0 && is_over(until, begun, count);
            if over && open.is_empty() {
                return Ok(done);
            }
            if !over && Instant::now() >= next && (open.is_empty() || scenario == Scenario::Relays) {
                let hit = Instant::now();
                next = hit + self.plan.relay_every;
                let what = self.inflict(scenario, count)?;
                open.push(Open { what, hit, back: Instant::now(), baseline: traffic.baseline()? });
                count += 1;
            }
            std::thread::sleep(LOOK);
        }
    }

    /// Breaks something and repairs it. Returns when everything is there again.
    fn inflict(&mut self, scenario: Scenario, count: usize) -> anyhow::Result<String> {
        match scenario {
            Scenario::Relays => {
                let nodes: Vec<_> = self.network.nodes().map(str::to_owned).collect();
                ensure!(!nodes.is_empty(), "the network has no nodes");
                let victim = &nodes[self.random.next_u64() as usize % nodes.len()];
                // One at a time, so the authorities are never gone all together.
                self.network.kill(victim)?;
                self.network.restart(victim)?;
                Ok(format!("{victim} killed"))
            }
            Scenario::PeerStopped => {
                let time = self.random_ms(&self.plan.peer_stopped_ms.clone());
                let name = ["a", "b"][count % 2];
                let pid = self.daemons[count % 2].pid().context("it does not run")?;
                let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).context("its pid is no pid")?;
                kill_process(pid, Signal::STOP)?;
                // The length of the fault itself; nothing is waited for.
                std::thread::sleep(time);
                kill_process(pid, Signal::CONT)?;
                Ok(format!("{name} suspended for {:.0} s", time.as_secs_f64()))
            }
            Scenario::Services => {
                let (what, victims): (_, &[usize]) =
                    [("a killed", &[0][..]), ("b killed", &[1]), ("both killed", &[0, 1])][count % 3];
                for victim in victims {
                    self.daemons[*victim].kill()?;
                }
                let down = self.random_ms(&(0..=3_000));
                std::thread::sleep(down);
                for victim in victims {
                    self.daemons[*victim].start()?;
                }
                Ok(format!("{what}, down for {:.1} s", down.as_secs_f64()))
            }
            Scenario::Network => {
                let time = self.random_ms(&self.plan.network_stopped_ms.clone());
                let nodes: Vec<_> = self.network.nodes().map(str::to_owned).collect();
                let stopped = nodes.iter().try_for_each(|node| self.network.suspend(node));
                if stopped.is_ok() {
                    std::thread::sleep(time);
                }
                // Also those before the one that failed.
                let resumed: Vec<_> = nodes.iter().map(|node| self.network.resume(node)).collect();
                stopped?;
                resumed.into_iter().collect::<anyhow::Result<()>>()?;
                Ok(format!("network suspended for {:.0} s", time.as_secs_f64()))
            }
        }
    }

    /// Waits until every accepted message is there, and only they, and their senders know it.
    fn settle(&self, traffic: &Traffic) -> anyhow::Result<(usize, Duration)> {
        let begun = Instant::now();
        let mut count = 0;
        for from in [0, 1] {
            let to = 1 - from;
            let expected = traffic.accepted(from);
            let lines = |daemon: usize, peer: usize| -> anyhow::Result<Vec<_>> {
                let mut lines = self.daemons[daemon].client()?.history(&self.onions[peer], CHECKED)?;
                lines.retain(|line| traffic.is_ours(&line.text));
                Ok(lines)
            };
            let name = ["a", "b"];
            eventually(&format!("{} has all mail from {}", name[to], name[from]), self.plan.patience, || {
                check_history(&lines(to, from)?, "in", &expected).map(Some)
            })?;
            eventually(&format!("{} knows that its mail is delivered", name[from]), self.plan.patience, || {
                let sent = lines(from, to)?;
                check_history(&sent, "out", &expected)?;
                let late = sent.iter().find(|line| line.dir == "out" && line.state != "delivered");
                late.map_or(Ok(Some(())), |line| bail!("{:?} is {}", line.text, line.state))
            })?;
            // The same messages at both ends, by their ids. Nothing changes any more, so asking again is only for a daemon
            // that is just replacing itself.
            let ids = |lines: Vec<torchat_client::Line>, dir: &str| -> Vec<_> {
                lines.into_iter().filter(|line| line.dir == dir).map(|line| line.mid).collect()
            };
            let same = eventually("both histories are told", self.plan.patience, || {
                Ok(Some(ids(lines(to, from)?, "in") == ids(lines(from, to)?, "out")))
            })?;
            ensure!(same, "the ids differ");
            count += expected.len();
        }
        Ok((count, begun.elapsed()))
    }

    fn random_ms(&mut self, range: &RangeInclusive<u64>) -> Duration {
        let width = range.end() - range.start() + 1;
        Duration::from_millis(range.start() + self.random.next_u64() % width)
    }

    /// With what both daemons say of themselves.
    fn explain(&self, error: anyhow::Error) -> anyhow::Error {
        let mut text = format!("seed {}", self.plan.seed);
        for (name, daemon) in ["a", "b"].iter().zip(&self.daemons) {
            let status = daemon.client().and_then(|mut client| Ok(client.status()?));
            let status = status.map_or_else(|error| format!("{error:#}"), |status| status.to_string());
            text.push_str(&format!("\n{name}: {status}"));
        }
        error.context(text)
    }
}

fn is_over(until: Until, begun: Instant, count: usize) -> bool {
    match until {
        Until::Time(length) => begun.elapsed() >= length,
        Until::Faults(faults) => count >= faults,
    }
}

/// A fault that was repaired, and after which the mail does not flow in both directions yet.
struct Open {
    what: String,
    hit: Instant,
    back: Instant,
    baseline: Baseline,
}

impl Open {
    /// What came of it, once that is known.
    fn look(&self, traffic: &Traffic, patience: Duration) -> Option<Fault> {
        let first = traffic.first_after(&self.baseline);
        if first.is_none() && self.back.elapsed() < patience {
            return None;
        }
        // The slower direction counts.
        let recovered = first.map(|at| at.saturating_duration_since(self.back));
        let still = first.is_none_or(|at| traffic.silence_before(self.back.min(at), self.hit) > STILL)
            || recovered.is_none_or(|time| time > STILL);
        Some(Fault { what: self.what.clone(), recovered, stood_still: still })
    }
}
