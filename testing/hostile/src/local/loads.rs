//! Loads on the control port, held while somebody else's HOST is timed.
//!
//! Quiet and loud times follow each other, as in [`crate::bounds`]. Of the times it is asserted that nobody is stopped
//! ([`SLOWER`]) and no more: attacker, daemon and the other program share the processors of one machine here. Memory is
//! asserted, and that everything comes back.

use super::{Held, NOBODY, Place, Times, fill, host, hosts};
use crate::bounds::{median, part};
use crate::process;
use anyhow::{Context as _, bail, ensure};
use serde_json::json;
use std::fmt;
use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use torchat_harness::api::Api;

/// Memory that a load may add to the daemon, in KiB. With 200 connections that never read, what is held is 8 MiB of pages
/// from the pool and at most 18 MiB of allowances and pieces of events; each of the 32 requests and subscriptions of a
/// connection that wait costs some kibibytes more in a build for tests, and the allocator gives little back, which is as
/// much again.
pub const GROWTH_KIB: u64 = 96 * 1024;
/// This many times as long as before may somebody else's request take while a load is there, on an old connection or a new
/// one, in the median. Two processors that four writers share give 3 to 6; a daemon that looks at one connection after
/// the other gave 2,900.
pub const SLOWER: u32 = 30;
/// Who writes malformed objects at the same time.
const WRITERS: usize = 4;
/// How long a connection that never reads is written to before it counts as stuck.
const STUCK: Duration = Duration::from_millis(300);

/// A load.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Load {
    /// How many malformed objects in all, each on a connection of its own.
    Malformed(usize),
    /// How many connections say nothing, half of them after HELLO.
    Idle(usize),
    /// How many connections write an object at one byte a second.
    Crawling(usize),
    /// How many connections a second come, say a byte and reset: they are gone before anybody can ask whose they are.
    Knocking(u32),
    /// How many connections subscribe, ask for the longest pages in every way there is, and never read.
    Deaf(usize),
}

impl Load {
    fn name(self) -> String {
        match self {
            Self::Malformed(count) => format!("{count} malformed objects"),
            Self::Idle(count) => format!("{count} idle connections"),
            Self::Crawling(count) => format!("{count} connections at a byte a second"),
            Self::Knocking(rate) => format!("{rate} connections a second that reset"),
            Self::Deaf(count) => format!("{count} connections that never read"),
        }
    }
}

/// What a load cost.
#[derive(Debug)]
pub struct Cost {
    /// Which one.
    pub load: Load,
    /// Somebody else's HOST before: p50 and p95.
    pub quiet: (Duration, Duration),
    /// The same meanwhile.
    pub loud: (Duration, Duration),
    /// A new connection and HOST on it, p50: before and meanwhile.
    pub new: (Duration, Duration),
    /// Requests timed, before and meanwhile.
    pub count: usize,
    /// Before.
    pub before: Held,
    /// The most memory meanwhile, in KiB.
    pub most_kib: u64,
    /// The most descriptors meanwhile.
    pub most_descriptors: usize,
    /// How long it took afterwards until descriptors and tasks were back.
    pub recovery: Duration,
}

/// The head of the table whose rows are [`Cost`]s.
pub const HEAD: &str = "| load | HOST p50 (p95) before | meanwhile | ratio | on a new connection | meanwhile | n | memory before | most | descriptors \
                        before | most | all back after |\n|---|---|---|---|---|---|---|---|---|---|---|---|";

impl fmt::Display for Cost {
    #[allow(clippy::cast_precision_loss, reason = "for people")]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let us = |time: Duration| time.as_secs_f64() * 1e6;
        write!(
            f,
            "| {} | {:.0} us ({:.0}) | {:.0} us ({:.0}) | {:.2} | {:.0} us | {:.0} us | {} | {:.1} MB | {:.1} MB | {} | {} | {:.1} s |",
            self.load.name(),
            us(self.quiet.0),
            us(self.quiet.1),
            us(self.loud.0),
            us(self.loud.1),
            self.loud.0.as_secs_f64() / self.quiet.0.as_secs_f64(),
            us(self.new.0),
            us(self.new.1),
            self.count,
            self.before.rss_kib as f64 / 1024.0,
            self.most_kib as f64 / 1024.0,
            self.before.descriptors,
            self.most_descriptors,
            self.recovery.as_secs_f64(),
        )
    }
}

/// How much of everything.
#[derive(Debug, Clone)]
pub struct Sizes {
    /// One after the other.
    pub loads: Vec<Load>,
    /// Each quiet and each loud time.
    pub slice: Duration,
    /// How many of them for each load.
    pub slices: u32,
    /// Messages of 2 KiB in the conversation that is asked for.
    pub history: usize,
}

/// Runs the loads against one daemon.
///
/// # Errors
/// When somebody else is not served or is slower than [`SLOWER`], a command of a malformed object is executed, memory is beyond [`GROWTH_KIB`], or
/// something does not come back.
pub async fn run(program: &Path, sizes: &Sizes, mut report: impl FnMut(&Cost)) -> anyhow::Result<()> {
    let place = Place::start(program, None)?;
    let (port, history) = (place.port()?, sizes.history);
    tokio::task::spawn_blocking(move || fill(port, history, 2048)).await??;
    // The first ones warm everything up: pages, subscriptions, errors.
    for load in [Load::Deaf(2), Load::Malformed(24), Load::Idle(2), Load::Knocking(20)] {
        one(&place, load, Duration::from_millis(50), 1).await?;
    }
    let fresh = place.steady().await?;
    for load in sizes.loads.iter().copied() {
        let cost = one(&place, load, sizes.slice, sizes.slices).await.with_context(|| load.name())?;
        report(&cost);
        let slow = |(quiet, loud): (Duration, Duration)| loud > quiet * SLOWER;
        ensure!(
            !slow((cost.quiet.0, cost.loud.0)) && !slow(cost.new),
            "somebody else is stopped by {}: {cost}",
            load.name()
        );
        let most = fresh.rss_kib + GROWTH_KIB;
        ensure!(
            cost.most_kib < most,
            "{} made the daemon {} KiB large, at first {}",
            load.name(),
            cost.most_kib,
            fresh.rss_kib
        );
    }
    // The runtime's threads for reading end by themselves after ten seconds without work.
    let begun = Instant::now();
    let mut end = place.held()?;
    while end.threads > fresh.threads + 2 && begun.elapsed() < super::RECOVERY {
        tokio::time::sleep(super::LOOK).await;
        end = place.held()?;
    }
    println!("at first {fresh:?}, at the end {end:?}");
    ensure!(end.threads <= fresh.threads + 2, "threads are left: {end:?}");
    let look = move || {
        let history = Api::connect(port)?.ok(json!({"cmd": "SEARCH", "text": "canary"}))?;
        ensure!(history["messages"] == json!([]), "a malformed object was executed: {history}");
        Ok(())
    };
    tokio::task::spawn_blocking(look).await??;
    place.finish()
}

async fn one(place: &Place, load: Load, slice: Duration, slices: u32) -> anyhow::Result<Cost> {
    let port = place.port()?;
    let before = place.steady().await?;
    let (mut quiet, mut loud) = (Times::default(), Times::default());
    let (mut most_kib, mut most_descriptors, mut recovery) = (0, 0, Duration::ZERO);
    for n in 0..slices {
        quiet.extend(hosts(port, slice).await?);
        let (stop, ready) = (CancellationToken::new(), Arc::new(Notify::new()));
        let mut attack = tokio::spawn(attack_once(port, load, n, slices, slice, ready.clone(), stop.clone()));
        tokio::select! {
            () = ready.notified() => {}
            // An attack that fails before it begins would be waited for without an end.
            ended = &mut attack => {
                ended??;
                bail!("it ended before it began");
            }
        }
        let watch = async {
            let mut most = (0, 0);
            while !stop.is_cancelled() {
                let now = place.held()?;
                most = (most.0.max(now.rss_kib), most.1.max(now.descriptors));
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            anyhow::Ok(most)
        };
        let others = async {
            let times = hosts(port, slice).await;
            stop.cancel();
            times
        };
        let (most, times) = tokio::join!(watch, others);
        let most = most?;
        (most_kib, most_descriptors) = (most_kib.max(most.0), most_descriptors.max(most.1));
        loud.extend(times.context("somebody else's requests")?);
        attack.await??;
        recovery = recovery.max(place.recovers(before).await?);
    }
    let count = loud.old.len();
    let new = (median(quiet.new), median(loud.new));
    let both = |times: Vec<Duration>| (median(times.clone()), part(times, 0.95));
    let (quiet, loud) = (both(quiet.old), both(loud.old));
    Ok(Cost { load, quiet, loud, new, count, before, most_kib, most_descriptors, recovery })
}

/// Makes the load, tells when it is there, and holds it until `stop`.
async fn attack_once(
    port: u16,
    load: Load,
    slice_number: u32,
    slices: u32,
    slice: Duration,
    ready: Arc<Notify>,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    match load {
        Load::Malformed(count) => {
            ready.notify_one();
            let each = count / usize::try_from(slices)?;
            let first = each * usize::try_from(slice_number)?;
            // Over the whole slice, and to the end even if that takes longer.
            let pace = slice.mul_f64(0.9) / u32::try_from(each.div_ceil(WRITERS))?;
            let writers = (0..WRITERS).map(|writer| {
                tokio::spawn(async move {
                    let mut tick = tokio::time::interval(pace);
                    for n in (first..first + each).skip(writer).step_by(WRITERS) {
                        tick.tick().await;
                        one_malformed(port, n).await.with_context(|| format!("malformed object {n}"))?;
                    }
                    anyhow::Ok(())
                })
            });
            for writer in writers.collect::<Vec<_>>() {
                writer.await??;
            }
        }
        Load::Idle(count) => {
            let mut held = Vec::with_capacity(count);
            for n in 0..count {
                let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
                if n % 2 == 0 {
                    stream.write_all(b"{\"cmd\":\"HELLO\",\"api\":1}").await?;
                    ensure!(stream.read(&mut [0; 4096]).await? > 0, "HELLO was not answered");
                }
                held.push(stream);
            }
            ready.notify_one();
            stop.cancelled().await;
        }
        Load::Knocking(rate) => {
            ready.notify_one();
            let mut tick = tokio::time::interval(Duration::from_secs(1) / rate);
            while stop.run_until_cancelled(tick.tick()).await.is_some() {
                let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
                let _ = stream.write_all(b"{").await;
                // It ends with a reset: the kernel forgets at once who it was.
                rustix::net::sockopt::set_socket_linger(&stream, Some(Duration::ZERO))?;
            }
        }
        Load::Crawling(count) => {
            let begun = Arc::new(AtomicU64::new(0));
            let crawlers: Vec<_> = (0..count)
                .map(|_| {
                    let (stop, begun) = (stop.clone(), begun.clone());
                    tokio::spawn(async move { stop.run_until_cancelled(crawl(port, &begun)).await })
                })
                .collect();
            while begun.load(Ordering::Relaxed) < u64::try_from(count)? {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            ready.notify_one();
            for crawler in crawlers {
                crawler.await?;
            }
        }
        Load::Deaf(count) => {
            let mut held = Vec::with_capacity(count);
            for n in 0..count {
                held.push(tokio::spawn(deaf(port, n)));
            }
            let mut streams = Vec::with_capacity(count);
            for stream in held {
                streams.push(stream.await??);
            }
            // A program that reads gets a page all the same, and a whole conversation page by page.
            let pages = tokio::task::spawn_blocking(move || walk(port)).await??;
            ensure!(pages > 0, "no page");
            ready.notify_one();
            stop.cancelled().await;
        }
    }
    Ok(())
}

/// Writes a byte of a long request each second, on a new connection when the daemon has had enough.
async fn crawl(port: u16, begun: &AtomicU64) {
    let phase = Duration::from_secs(1).mul_f64(f64::from(rand::random::<u8>()) / 256.0);
    let mut first = true;
    loop {
        let Ok(mut stream) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await else { continue };
        let mut tick = tokio::time::interval_at(tokio::time::Instant::now() + phase, Duration::from_secs(1));
        let _ = stream.write_all(b"{").await;
        if std::mem::take(&mut first) {
            begun.fetch_add(1, Ordering::Relaxed);
        }
        for byte in br#""cmd":"SEND","msg":""#.iter().chain(std::iter::repeat(&b'x')) {
            tick.tick().await;
            if stream.write_all(&[*byte]).await.is_err() {
                break;
            }
        }
    }
}

/// Asks for pages until nothing more is taken: three of four subscribe from the start and ask in API 1, one in the classic
/// contract.
async fn deaf(port: u16, n: usize) -> anyhow::Result<TcpStream> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
    let mut lines = String::new();
    if !n.is_multiple_of(4) {
        lines += &format!("{}\n", json!({"cmd": "HELLO", "api": 1}));
        for reference in 0..16 {
            lines += &format!("{}\n", json!({"cmd": "SUBSCRIBE", "from": "start", "ref": reference}));
        }
    }
    stream.write_all(lines.as_bytes()).await?;
    let page = match n % 4 {
        0 => json!({"cmd": "HISTORY", "id": NOBODY, "msg": "10000"}),
        1 => json!({"cmd": "HISTORY", "peer": NOBODY, "limit": 1000}),
        2 => json!({"cmd": "SEARCH", "text": "x*", "limit": 1000}),
        _ => json!({"cmd": "EVENTS", "after": 0, "limit": 1000}),
    };
    let page = format!("{page}\n").repeat(64);
    // The daemon stops reading, or closes.
    while let Ok(Ok(())) = tokio::time::timeout(STUCK, stream.write_all(page.as_bytes())).await {}
    Ok(stream)
}

/// Reads a conversation to its beginning, and returns in how many pages.
fn walk(port: u16) -> anyhow::Result<usize> {
    let mut api = Api::connect(port)?;
    let (mut pages, mut before) = (0, (1_i64 << 53) - 1);
    loop {
        let page = api.ok(json!({"cmd": "HISTORY", "peer": NOBODY, "limit": 1000, "before": before}))?;
        pages += 1;
        let messages = page["messages"].as_array().context("no messages")?;
        before = messages.first().and_then(|message| message["id"].as_i64()).context("an empty page")?;
        if page["more"] == json!(false) {
            return Ok(pages);
        }
    }
}

/// One object that is none, on a connection of its own; behind it a good command, which must not be executed.
async fn one_malformed(port: u16, n: usize) -> anyhow::Result<()> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
    let object = malformed(n);
    let good = json!({"cmd": "SEND", "id": NOBODY, "msg": "canary", "peer": NOBODY, "text": "canary"}).to_string();
    let api = n / KINDS % 2 == 1 && n % KINDS != FRAMED;
    let hello: &[u8] = if api { b"{\"cmd\":\"HELLO\",\"api\":1}" } else { b"" };
    // API 1 refuses a request of a wrong type and goes on.
    let behind = if api && n % KINDS == TYPE { "" } else { &good };
    let said = [hello, &object, behind.as_bytes()].concat();
    // The daemon may close in the middle.
    let _ = stream.write_all(&said).await;
    let _ = stream.shutdown().await;
    let mut reply = Vec::new();
    let _ = tokio::time::timeout(super::RECOVERY, stream.read_to_end(&mut reply)).await.context("it is not closed")?;
    let reply = String::from_utf8_lossy(&reply);
    let lines = reply.lines().skip(usize::from(api)).collect::<Vec<_>>();
    ensure!(lines.len() <= 1 && !reply.contains("\"END\"") && !reply.contains("\"mid\""), "{reply}");
    Ok(())
}

const KINDS: usize = 12;
const TYPE: usize = 2;
const FRAMED: usize = 9;

/// The `n`-th malformed object. Each breaks one rule, at a place that depends on `n`.
#[must_use]
pub fn malformed(n: usize) -> Vec<u8> {
    let text = format!("canary {n} {}", "y".repeat(n % 977));
    let good = json!({"cmd": "SEND", "id": NOBODY, "msg": text, "peer": NOBODY, "text": text}).to_string();
    let inside = good.find("canary").unwrap_or_default() + n % text.len();
    let insert = |at: usize, bytes: &[u8]| {
        let (before, after) = good.as_bytes().split_at(at);
        [before, bytes, after].concat()
    };
    match n % KINDS {
        // The command behind it becomes a part of it.
        0 => good.as_bytes().get(..inside).unwrap_or_default().to_vec(),
        1 => insert(1, br#""cmd":"HOST","#),
        TYPE => good.replacen("\"SEND\"", &n.to_string(), 1).into_bytes(),
        3 => insert(inside, &[0xff]),
        4 => insert(inside, &[u8::try_from(n % 32).unwrap_or_default()]),
        5 => insert(good.len() - 1, b","),
        6 => insert(1, format!("\"x\":{}{},", "[".repeat(70 + n % 3000), "]".repeat(70 + n % 3000)).as_bytes()),
        7 => insert(1, br#""cmd":1e999,"#),
        8 => insert(inside, br"\ud800"),
        FRAMED => format!("{:04}{good}", good.len() - 1 - n % 20).into_bytes(),
        10 => insert(1, br#""portno":tru,"#),
        _ => insert(inside, b"\""),
    }
}

/// What came of a daemon without descriptors.
#[derive(Debug)]
pub struct Exhausted {
    /// How many it may have.
    pub limit: usize,
    /// Connections that were opened to it.
    pub opened: usize,
    /// HOST on a connection of before, p50: before and meanwhile.
    pub host: (Duration, Duration),
    /// Processor time meanwhile, of one core.
    pub cpu: f64,
    /// From the end of the attack until a new connection was served and all descriptors were back.
    pub recovery: Duration,
}

impl fmt::Display for Exhausted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} connections to a daemon that may have {} descriptors: HOST on an older connection {:.0} us before, {:.0} us \
             meanwhile; SEND and HISTORY on it go on; {:.0} % of a core; all back {:.1} s after",
            self.opened,
            self.limit,
            self.host.0.as_secs_f64() * 1e6,
            self.host.1.as_secs_f64() * 1e6,
            100.0 * self.cpu,
            self.recovery.as_secs_f64()
        )
    }
}

/// Opens more connections than a daemon has descriptors, for so long.
///
/// # Errors
/// When a connection of before is not served, the daemon burns its processor, or something does not come back.
pub async fn exhaust(program: &Path, limit: usize, opened: usize, time: Duration) -> anyhow::Result<Exhausted> {
    let place = Place::start(program, Some(limit))?;
    let (port, pid) = (place.port()?, place.daemon.pid().context("it does not run")?);
    tokio::task::spawn_blocking(move || fill(port, 20, 100)).await??;
    // One of before for each contract.
    let mut old = std::net::TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    old.set_nodelay(true)?;
    old.set_read_timeout(Some(super::RECOVERY))?;
    let mut api = Api::connect(port)?;
    let before = place.steady().await?;
    let mut timed = |time: Duration| -> anyhow::Result<Duration> {
        let (mut times, begun) = (Vec::new(), Instant::now());
        while begun.elapsed() < time {
            times.push(host(&mut old)?);
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(median(times))
    };
    let quiet = timed(time)?;
    let mut held = Vec::with_capacity(opened);
    for _ in 0..opened {
        held.push(TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?);
    }
    let begun = Instant::now();
    while place.held()?.descriptors < limit.saturating_sub(4) {
        ensure!(begun.elapsed() < super::RECOVERY, "the descriptors are not used up: {:?}", place.held()?);
        tokio::time::sleep(super::LOOK).await;
    }
    let (begun, used) = (Instant::now(), process::usage(pid)?.cpu_s);
    let loud = timed(time)?;
    let cpu = (process::usage(pid)?.cpu_s - used) / begun.elapsed().as_secs_f64();
    api.ok(json!({"cmd": "SEND", "peer": NOBODY, "text": "without a descriptor"})).context("SEND meanwhile")?;
    let page = api.ok(json!({"cmd": "HISTORY", "peer": NOBODY, "limit": 10})).context("HISTORY meanwhile")?;
    ensure!(page["messages"].as_array().is_some_and(|list| list.len() == 10), "{page}");
    ensure!(cpu < 0.5, "it takes {cpu:.2} of a core while it cannot accept");
    drop(held);
    let recovery = place.recovers(before).await?;
    drop((api, old));
    place.finish()?;
    Ok(Exhausted { limit, opened, host: (quiet, loud), cpu, recovery })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::{FRAMED, KINDS, malformed};
    use torchat_protocol::control::Request;

    #[test]
    fn what_is_malformed_is_no_request() {
        for n in (0..20 * KINDS).filter(|n| n % KINDS != FRAMED) {
            let object = malformed(n);
            assert!(Request::parse(&object).is_err(), "{n}: {}", String::from_utf8_lossy(&object));
        }
    }
}
