//! Floods of ERASE and of RETAIN: a program that erases without an end, while another one asks, sends, and waits for deliveries.
//!
//! Each ERASE of the flood has something to erase, which is the expensive kind, and a conversation full of messages that wait, of which
//! it must erase nothing. In the end the peer comes back and must get every one of them, in order.

use super::loads::{GROWTH_KIB, SLOWER};
use super::{Held, Place, host, started};
use crate::bounds::{median, part};
use crate::process;
use anyhow::{Context as _, bail, ensure};
use serde_json::{Value, json};
use std::fmt;
use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use torchat_harness::api::Api;

/// Programs that flood at the same time.
const WRITERS: usize = 4;
/// Requests of one program that are under way at once.
const AHEAD: usize = 4;

/// A flood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flood {
    /// ERASE of a conversation that has something to erase, and of one where everything waits.
    Erase,
    /// RETAIN, another number of days each time.
    Retain,
}

/// How much of everything.
#[derive(Debug, Clone, Copy)]
pub struct Sizes {
    /// Messages that wait for the peer that is away.
    pub waiting: usize,
    /// Messages of 32 KiB in a conversation that nobody erases: they make the file large.
    pub history: usize,
    /// The quiet time before each flood, and the flood.
    pub slice: Duration,
}

/// What a flood cost.
#[derive(Debug)]
pub struct Cost {
    /// Which one.
    pub flood: Flood,
    /// Its requests that were answered.
    pub answered: usize,
    /// Messages that it erased.
    pub erased: u64,
    /// Another program's HOST on an older connection, p50: before and meanwhile.
    pub host: (Duration, Duration),
    /// The same on a new connection.
    pub new: (Duration, Duration),
    /// Another program's SEND, p50: before and meanwhile.
    pub send: (Duration, Duration),
    /// And p95 meanwhile.
    pub send_p95: Duration,
    /// Before, and the most memory meanwhile, in KiB.
    pub kib: (u64, u64),
    /// How long it took afterwards until descriptors and tasks were back.
    pub recovery: Duration,
}

impl fmt::Display for Cost {
    #[allow(clippy::cast_precision_loss, reason = "for people")]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = |time: Duration| time.as_secs_f64() * 1e3;
        let both = |(quiet, loud): (Duration, Duration)| {
            format!("{:.2} -> {:.2} ms ({:.1} times)", ms(quiet), ms(loud), loud.as_secs_f64() / quiet.as_secs_f64())
        };
        write!(
            f,
            "{:?}: {} requests answered, {} messages erased; another program's HOST p50 {}, on a new connection {}, SEND {}, p95 {:.1} \
             ms; memory {:.1} -> {:.1} MB; all back {:.1} s after",
            self.flood,
            self.answered,
            self.erased,
            both(self.host),
            both(self.new),
            both(self.send),
            ms(self.send_p95),
            self.kib.0 as f64 / 1024.0,
            self.kib.1 as f64 / 1024.0,
            self.recovery.as_secs_f64(),
        )
    }
}

/// Runs both floods against one daemon.
///
/// # Errors
/// When another program is slower than [`SLOWER`] or not served, something that waits is erased or not delivered, what is erased is
/// found, memory is beyond [`GROWTH_KIB`], or the store is not whole.
pub async fn run(program: &Path, sizes: Sizes, mut report: impl FnMut(&Cost)) -> anyhow::Result<()> {
    let mut place = Place::start(program, None)?;
    let mut neighbour = place.neighbour(program)?;
    let (own, peer) = (place.daemon.client()?.host()?, neighbour.client()?.host()?);
    place.daemon.client()?.add(&peer)?;
    neighbour.client()?.add(&own)?;
    neighbour.stop()?;
    let mut taker = started(program, place.dir.path(), "taker", 3, None, &[])?;
    let friend = taker.client()?.host()?;
    place.daemon.client()?.add(&friend)?;
    taker.client()?.add(&own)?;
    let (port, mut sent) = (place.port()?, 0);
    super::fill(port, sizes.history, 32 * 1024)?;
    let mut other = Other::start(port, &peer)?;
    while sent < sizes.waiting {
        other.send(&mut sent)?;
    }
    // Warms up both ways, and makes the first messages that go.
    for flood in [Flood::Erase, Flood::Retain] {
        Attack { flood, port, peer: &peer, friend: &friend }.once(&mut Api::connect(port)?, &mut Total::default())?;
    }
    let fresh = place.steady().await?;
    for flood in [Flood::Erase, Flood::Retain] {
        let attack = Attack { flood, port, peer: &peer, friend: &friend };
        let cost = one(&place, attack, fresh, &mut other, &mut sent, sizes.slice).await?;
        report(&cost);
        cost.check(fresh)?;
    }
    let mut api = Api::connect(port)?;
    let found = api.ok(json!({"cmd": "SEARCH", "text": "canary"}))?;
    ensure!(found["messages"] == json!([]), "what was erased is found: {found}");
    drop((api, other));
    neighbour.start()?;
    let reader = neighbour.port().context("it has no port")?;
    delivered(reader, sent).context("what waited for the peer")?;
    neighbour.stop()?;
    place.end()?;
    taker.stop()?;
    let db = rusqlite::Connection::open(place.daemon.data().join("torchat.db"))?;
    let answer: String = db.query_row("PRAGMA integrity_check", [], |row| row.get(0))?;
    ensure!(answer == "ok", "the store is not whole: {answer}");
    Ok(())
}

async fn one(
    place: &Place,
    attack: Attack<'_>,
    fresh: Held,
    other: &mut Other,
    sent: &mut usize,
    slice: Duration,
) -> anyhow::Result<Cost> {
    let pid = place.daemon.pid().context("it does not run")?;
    let quiet = other.times(sent, slice)?;
    let stop = AtomicBool::new(false);
    let (loud, total, most) = std::thread::scope(|scope| {
        let writers: Vec<_> = (0..WRITERS).map(|_| scope.spawn(|| attack.until(&stop))).collect();
        let watch = scope.spawn(|| -> anyhow::Result<u64> {
            let mut most = 0;
            while !stop.load(Ordering::Relaxed) {
                most = most.max(process::usage(pid)?.rss_kib);
                std::thread::sleep(Duration::from_millis(20));
            }
            Ok(most)
        });
        let loud = other.times(sent, slice);
        stop.store(true, Ordering::Relaxed);
        let mut total = Total::default();
        for writer in writers {
            let one = writer.join().map_err(|_| anyhow::anyhow!("a writer panicked"))??;
            total.answered += one.answered;
            total.erased += one.erased;
        }
        let most = watch.join().map_err(|_| anyhow::anyhow!("the watch panicked"))??;
        anyhow::Ok((loud.context("another program's requests")?, total, most))
    })?;
    let recovery = place.recovers(fresh).await?;
    Ok(Cost {
        flood: attack.flood,
        answered: total.answered,
        erased: total.erased,
        host: (median(quiet.host), median(loud.host)),
        new: (median(quiet.new), median(loud.new)),
        send: (median(quiet.send), median(loud.send.clone())),
        send_p95: part(loud.send, 0.95),
        kib: (fresh.rss_kib, most),
        recovery,
    })
}

impl Cost {
    fn check(&self, fresh: Held) -> anyhow::Result<()> {
        for (what, (quiet, loud)) in [("HOST", self.host), ("HOST on a new connection", self.new), ("SEND", self.send)]
        {
            ensure!(loud <= quiet * SLOWER, "another program's {what} is stopped: {self}");
        }
        ensure!(self.answered > WRITERS && (self.flood == Flood::Retain || self.erased > 0), "it was no flood: {self}");
        ensure!(self.kib.1 < fresh.rss_kib + GROWTH_KIB, "it grew: {self}");
        Ok(())
    }
}

/// What a flood did.
#[derive(Debug, Default)]
struct Total {
    answered: usize,
    erased: u64,
}

/// A flood and where it goes.
#[derive(Debug, Clone, Copy)]
struct Attack<'a> {
    flood: Flood,
    port: u16,
    /// For whom messages of the other program wait.
    peer: &'a str,
    /// Who takes the messages of the flood.
    friend: &'a str,
}

impl Attack<'_> {
    fn until(self, stop: &AtomicBool) -> anyhow::Result<Total> {
        let (mut api, mut total) = (Api::connect(self.port)?, Total::default());
        while !stop.load(Ordering::Relaxed) {
            self.once(&mut api, &mut total)?;
        }
        Ok(total)
    }

    fn once(self, api: &mut Api, total: &mut Total) -> anyhow::Result<()> {
        match self.flood {
            Flood::Erase => self.erase(api, total),
            Flood::Retain => self.retain(api, total),
        }
    }

    /// Makes a message that can be erased, and erases it; and whatever can be erased where all waits.
    fn erase(self, api: &mut Api, total: &mut Total) -> anyhow::Result<()> {
        api.ok(json!({"cmd": "SEND", "peer": self.friend, "text": "canary, of no use", "wait": "delivered"}))?;
        // Somebody else of the flood may have erased it.
        total.erased += erased(api, self.friend)?.unwrap_or_default();
        let waits = erased(api, self.peer)?.unwrap_or_default();
        ensure!(waits == 0, "{waits} messages of a conversation where everything waits");
        total.answered += 3;
        Ok(())
    }

    fn retain(self, api: &mut Api, total: &mut Total) -> anyhow::Result<()> {
        let days = |n: usize| if n.is_multiple_of(2) { json!(1 + n) } else { Value::Null };
        let begun: Vec<Value> = (0..AHEAD)
            .map(|n| api.begin(json!({"cmd": "RETAIN", "peer": self.peer, "days": days(n)})))
            .collect::<anyhow::Result<_>>()?;
        for reference in begun {
            let answer = api.answer(&reference)?;
            ensure!(answer.is_ok(), "{answer:?}");
            total.answered += 1;
        }
        Ok(())
    }
}

/// Erases a conversation. Returns how many messages; `None`: they are erased, and the daemon, which is busy, says that traces may be
/// left.
fn erased(api: &mut Api, peer: &str) -> anyhow::Result<Option<u64>> {
    match api.ask(json!({"cmd": "ERASE", "peer": peer}))? {
        Ok(done) => Ok(Some(done["erased"].as_u64().context("no count")?)),
        Err(error) if error["code"] == "traces-left" => Ok(None),
        Err(error) => bail!("ERASE: {error}"),
    }
}

/// A program that has nothing to do with the flood.
struct Other {
    port: u16,
    old: TcpStream,
    api: Api,
    peer: String,
}

/// How long its requests took.
#[derive(Default)]
struct Times {
    host: Vec<Duration>,
    new: Vec<Duration>,
    send: Vec<Duration>,
}

impl Other {
    fn start(port: u16, peer: &str) -> anyhow::Result<Self> {
        Ok(Self { port, old: opened(port)?, api: Api::connect(port)?, peer: peer.to_owned() })
    }

    fn send(&mut self, sent: &mut usize) -> anyhow::Result<Duration> {
        let begun = Instant::now();
        self.api.ok(json!({"cmd": "SEND", "peer": self.peer, "text": format!("it waits {sent}")}))?;
        *sent += 1;
        Ok(begun.elapsed())
    }

    fn times(&mut self, sent: &mut usize, time: Duration) -> anyhow::Result<Times> {
        let (mut times, begun) = (Times::default(), Instant::now());
        while begun.elapsed() < time {
            times.host.push(host(&mut self.old)?);
            let opening = Instant::now();
            host(&mut opened(self.port)?)?;
            times.new.push(opening.elapsed());
            times.send.push(self.send(sent)?);
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(times)
    }
}

fn opened(port: u16) -> anyhow::Result<TcpStream> {
    let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(super::RECOVERY))?;
    Ok(stream)
}

/// Waits until the peer has got all that waited, and nothing else: each once, in order.
fn delivered(reader: u16, count: usize) -> anyhow::Result<()> {
    let mut events = Api::connect(reader)?;
    events.ok(json!({"cmd": "SUBSCRIBE", "ref": "s", "from": "start", "filter": {"kinds": ["received", "lost"]}}))?;
    for n in 0..count {
        let event = events.event(&json!("s"))?.map_err(|end| anyhow::anyhow!("{end}"))?;
        let text = event["message"]["text"].as_str().unwrap_or_default();
        ensure!(text == format!("it waits {n}"), "number {n} is {event}");
    }
    Ok(())
}
