//! What floods cost: the daemon's memory and processor time, and an honest contact's deliveries meanwhile: its mail, and its texts in a
//! room in which the attacker is not.
//!
//! Each flood is measured in slices, with quiet ones between them, in the same pair of processes. The deliveries are printed
//! and never asserted: attacker, daemon and honest contact share the processors of one machine here. Memory is asserted.

use crate::flood::Flood;
use crate::process;
use crate::target::Target;
use crate::victim::Pair;
use anyhow::ensure;
use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// Memory that a flood may add to the daemon, in KiB: an unfinished message of 512 KiB on each of 32 strangers' links
/// and as many contacts', 8 MiB of messages that wait for the engine, and room for what the allocator keeps.
pub const GROWTH_KIB: u64 = 64 * 1024;
/// Quiet and loud times follow each other so often: what else the machine does falls on both alike.
const SLICES: u32 = 4;
/// Between two honest messages.
const PAUSE: Duration = Duration::from_millis(10);
/// One text in a room goes with so many messages. More of them would wait for the quota of their member, and measure that.
const MAILS_PER_TEXT: usize = 8;

/// What one flood did.
#[derive(Debug)]
pub struct Cost {
    /// Which one.
    pub flood: Flood,
    /// Its pace; `None`: as fast as the daemon takes it.
    pub per_second: Option<u32>,
    /// For how long.
    pub time: Duration,
    /// How many things were said.
    pub said: u64,
    /// An honest contact's deliveries before.
    pub quiet: Deliveries,
    /// The same meanwhile.
    pub loud: Deliveries,
    /// Texts of another room, until the daemon has stored them, before.
    pub quiet_room: Deliveries,
    /// The same meanwhile.
    pub loud_room: Deliveries,
    /// Processor time of the daemon, of one core, before.
    pub quiet_cpu: f64,
    /// The same meanwhile.
    pub loud_cpu: f64,
    /// Memory before, in KiB.
    pub before_kib: u64,
    /// The most memory meanwhile, in KiB.
    pub most_kib: u64,
}

impl Cost {
    /// Deliveries meanwhile against those before.
    #[must_use]
    pub fn ratio(&self) -> f64 {
        self.loud.against(&self.quiet)
    }

    /// Texts of another room meanwhile against those before.
    #[must_use]
    pub fn room_ratio(&self) -> f64 {
        self.loud_room.against(&self.quiet_room)
    }
}

/// Times of honest deliveries.
#[derive(Debug, Clone, Copy)]
pub struct Deliveries {
    /// How many.
    pub count: usize,
    /// The median.
    pub p50: Duration,
    /// Nineteen of twenty are faster.
    pub p95: Duration,
}

impl Deliveries {
    fn of(times: &[Duration]) -> Self {
        Self { count: times.len(), p50: median(times.to_vec()), p95: part(times.to_vec(), 0.95) }
    }

    /// How much slower than others, by the median.
    fn against(&self, others: &Self) -> f64 {
        self.p50.as_secs_f64() / others.p50.as_secs_f64()
    }
}

/// The head of the table whose rows are [`Cost`]s.
pub const HEAD: &str = "| flood | said, per second | delivery p50 (p95) before | meanwhile | ratio | another room's text before | meanwhile | \
                        ratio | processor before | meanwhile | memory before | most |\n|---|---|---|---|---|---|---|---|---|---|---|---|";

impl fmt::Display for Cost {
    #[allow(clippy::cast_precision_loss, reason = "for people")]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = |time: Duration| time.as_secs_f64() * 1e3;
        let pace = if self.per_second.is_some() { "" } else { ", flat out" };
        write!(
            f,
            "| {}{pace} | {:.0} | {:.1} ms ({:.1}) | {:.1} ms ({:.1}) | {:.2} | {:.1} ms ({:.1}) | {:.1} ms ({:.1}) | {:.2} | \
             {:.0} % | {:.0} % | {:.1} MB | {:.1} MB |",
            self.flood.name(),
            self.said as f64 / self.time.as_secs_f64(),
            ms(self.quiet.p50),
            ms(self.quiet.p95),
            ms(self.loud.p50),
            ms(self.loud.p95),
            self.ratio(),
            ms(self.quiet_room.p50),
            ms(self.quiet_room.p95),
            ms(self.loud_room.p50),
            ms(self.loud_room.p95),
            self.room_ratio(),
            100.0 * self.quiet_cpu,
            100.0 * self.loud_cpu,
            self.before_kib as f64 / 1024.0,
            self.most_kib as f64 / 1024.0,
        )
    }
}

/// The median.
#[must_use]
pub fn median(times: Vec<Duration>) -> Duration {
    part(times, 0.5)
}

#[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an index")]
pub(crate) fn part(mut times: Vec<Duration>, part: f64) -> Duration {
    times.sort_unstable();
    let at = (times.len().saturating_sub(1) as f64 * part).round() as usize;
    times.get(at).copied().unwrap_or_default()
}

/// Runs these floods, each for so long and with as much quiet time between its slices, against one pair of processes.
///
/// # Errors
/// When an honest message does not arrive, or the daemon needs more memory than [`GROWTH_KIB`] beyond what it had.
pub async fn run(
    daemon: &Path,
    floods: &[(Flood, Option<u32>)],
    time: Duration,
    mut report: impl FnMut(&Cost),
) -> anyhow::Result<()> {
    process::many_streams()?;
    let pair = Pair::start(daemon)?;
    let (target, pid) = (Arc::new(pair.target()?), pair.pid()?);
    // The first ones make the link and warm everything up.
    Phase::default().measure(&target, pid, time.min(Duration::from_secs(2))).await?;
    let fresh = process::usage(pid)?.rss_kib;
    let mut worst = 0;
    for (flood, per_second) in floods.iter().copied() {
        let cost = one(&target, pid, flood, per_second, time).await?;
        report(&cost);
        worst = worst.max(cost.most_kib);
    }
    let disk = pair.disk()?;
    println!("the daemon had {fresh} KiB at first and {worst} KiB at most; its files have {} KiB", disk / 1024);
    ensure!(worst < fresh + GROWTH_KIB, "{worst} KiB are more than {fresh} KiB and the {GROWTH_KIB} KiB of the bound");
    drop(target);
    pair.finish()
}

async fn one(
    target: &Arc<Target>,
    pid: u32,
    flood: Flood,
    per_second: Option<u32>,
    time: Duration,
) -> anyhow::Result<Cost> {
    let slice = time / SLICES;
    flood.prepare(target).await?;
    let before_kib = process::usage(pid)?.rss_kib;
    let (mut quiet, mut loud) = (Phase::default(), Phase::default());
    let mut said = 0;
    for _ in 0..SLICES {
        quiet.measure(target, pid, slice).await?;
        let stop = CancellationToken::new();
        // The honest messages end the flood, not the other way round: an attacker that cannot go on is an error.
        let honest = async {
            let result = loud.measure(target, pid, slice).await;
            stop.cancel();
            result
        };
        let (count, honest) = tokio::join!(flood.run(target, per_second, &stop), honest);
        honest?;
        said += count?;
    }
    // Flat out the member of a room costs so much that the daemon does not let it in again for the rest of the time.
    ensure!(said > 0 || per_second.is_none(), "{} said nothing", flood.name());
    Ok(Cost {
        flood,
        per_second,
        time: loud.time,
        said,
        quiet: Deliveries::of(&quiet.times),
        loud: Deliveries::of(&loud.times),
        quiet_room: Deliveries::of(&quiet.room_times),
        loud_room: Deliveries::of(&loud.room_times),
        quiet_cpu: quiet.cpu_s / quiet.time.as_secs_f64(),
        loud_cpu: loud.cpu_s / loud.time.as_secs_f64(),
        before_kib,
        most_kib: loud.most_kib.max(process::usage(pid)?.rss_kib),
    })
}

/// All slices of one kind.
#[derive(Default)]
struct Phase {
    times: Vec<Duration>,
    room_times: Vec<Duration>,
    time: Duration,
    cpu_s: f64,
    most_kib: u64,
}

impl Phase {
    /// Honest messages and texts, one after the other for so long, and what the daemon needs meanwhile.
    async fn measure(&mut self, target: &Target, pid: u32, time: Duration) -> anyhow::Result<()> {
        let (begun, before) = (Instant::now(), process::usage(pid)?);
        while begun.elapsed() < time {
            if self.times.len().is_multiple_of(MAILS_PER_TEXT) {
                self.room_times.push(target.honest_text().await?);
                tokio::time::sleep(PAUSE).await;
            }
            self.times.push(target.honest_delivery().await?);
            self.most_kib = self.most_kib.max(process::usage(pid)?.rss_kib);
            tokio::time::sleep(PAUSE).await;
        }
        self.time += begun.elapsed();
        self.cpu_s += process::usage(pid)?.cpu_s - before.cpu_s;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{median, part};
    use std::time::Duration;

    #[test]
    fn parts_of_times() {
        let times: Vec<_> = (1..=21).rev().map(Duration::from_millis).collect();
        assert_eq!(median(times.clone()), Duration::from_millis(11));
        assert_eq!(part(times, 0.95), Duration::from_millis(20));
        assert_eq!(median(Vec::new()), Duration::ZERO);
    }
}
