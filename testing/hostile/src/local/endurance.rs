//! As many requests and messages as years have, and what the daemon holds afterwards.

use super::{Held, Place, held, recovered};
use anyhow::{Context as _, ensure};
use serde_json::{Value, json};
use std::fmt;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};
use torchat_harness::api::Api;

/// Memory that may be added, in KiB: far above the aim, because the allocator keeps what it once had.
pub const GROWTH_KIB: u64 = 16 * 1024;
/// Requests of one connection; then comes another one.
const EACH: usize = 1_000;
/// Requests or messages under way at the same time.
const AHEAD: usize = 16;
/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(240);

/// What a run found.
#[derive(Debug)]
pub struct Report {
    /// Requests to one daemon.
    pub requests: usize,
    /// Messages from it to another one.
    pub messages: usize,
    /// How long the requests took.
    pub requests_time: Duration,
    /// How long the messages took, until they were seen.
    pub messages_time: Duration,
    /// The sender before, after the requests, and at the end.
    pub sender: [Held; 3],
    /// The receiver before and at the end.
    pub receiver: [Held; 2],
}

impl fmt::Display for Report {
    #[allow(clippy::cast_precision_loss, reason = "for people")]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kib = |before: Held, after: Held| after.rss_kib as f64 - before.rss_kib as f64;
        let [fresh, asked, end] = self.sender;
        let [before, after] = self.receiver;
        write!(
            f,
            "{} requests on {} connections in {:.1} s: memory {:+.0} kB; {} messages in {:.1} s: memory {:+.0} kB at the \
             sender, {:+.0} kB at the receiver; descriptors {} -> {} and {} -> {}, tasks {} -> {} and {} -> {}, threads \
             {} -> {} and {} -> {}",
            self.requests,
            self.requests / EACH,
            self.requests_time.as_secs_f64(),
            kib(fresh, asked),
            self.messages,
            self.messages_time.as_secs_f64(),
            kib(asked, end),
            kib(before, after),
            fresh.descriptors,
            end.descriptors,
            before.descriptors,
            after.descriptors,
            fresh.tasks,
            end.tasks,
            before.tasks,
            after.tasks,
            fresh.threads,
            end.threads,
            before.threads,
            after.threads,
        )
    }
}

/// Asks and sends. The first tenth is not counted: it makes the link and fills what is kept.
///
/// # Errors
/// When something is not answered or does not arrive, memory grows by more than [`GROWTH_KIB`], or descriptors or tasks
/// are left.
pub async fn run(program: &Path, requests: usize, messages: usize) -> anyhow::Result<Report> {
    let place = Place::start(program, None)?;
    let mut neighbour = place.neighbour(program)?;
    let (onion, other) = (place.daemon.client()?.host()?, neighbour.client()?.host()?);
    place.daemon.client()?.add(&other)?;
    neighbour.client()?.add(&onion)?;
    let (port, reader) = (place.port()?, neighbour.port().context("it has no port")?);
    let work = {
        let (onion, other) = (onion.clone(), other.clone());
        move |requests: usize, first: usize, messages: usize| {
            let (onion, other) = (onion.clone(), other.clone());
            tokio::task::spawn_blocking(move || -> anyhow::Result<(Duration, Duration)> {
                let begun = Instant::now();
                for _ in 0..requests / EACH {
                    ask(port)?;
                }
                let asked = begun.elapsed();
                talk(port, reader, (&onion, &other), first, messages)?;
                Ok((asked, begun.elapsed().saturating_sub(asked)))
            })
        }
    };
    work(requests / 10, 0, messages / 10).await??;
    let settled = async |daemon, before: Option<Held>| -> anyhow::Result<Held> {
        // What a connection leaves goes within moments, and one look cannot tell that it has.
        let begun = Instant::now();
        let mut last = held(daemon)?;
        while begun.elapsed() < Duration::from_secs(15) {
            tokio::time::sleep(Duration::from_millis(250)).await;
            let now = held(daemon)?;
            let same = (now.descriptors, now.tasks, now.threads) == (last.descriptors, last.tasks, last.threads);
            let back =
                before.is_none_or(|before| now.descriptors <= before.descriptors && now.threads <= before.threads);
            last = now;
            if same && back {
                break;
            }
        }
        Ok(last)
    };
    let (fresh, before) = (settled(&place.daemon, None).await?, settled(&neighbour, None).await?);
    let (requests_time, _) = work(requests, 0, 0).await??;
    let asked = settled(&place.daemon, Some(fresh)).await?;
    let (_, messages_time) = work(0, messages / 10, messages).await??;
    recovered(&place.daemon, fresh).await.context("the sender")?;
    recovered(&neighbour, before).await.context("the receiver")?;
    let (end, after) = (settled(&place.daemon, Some(fresh)).await?, settled(&neighbour, Some(before)).await?);
    for (who, before, after) in [("sender", fresh, end), ("receiver", before, after)] {
        ensure!(after.threads <= before.threads + 2, "threads of the {who}: {before:?}, then {after:?}");
        let grown = after.rss_kib.saturating_sub(before.rss_kib);
        ensure!(grown < GROWTH_KIB, "the {who} has grown by {grown} KiB: {before:?}, then {after:?}");
    }
    neighbour.stop()?;
    place.finish()?;
    Ok(Report {
        requests,
        messages,
        requests_time,
        messages_time,
        sender: [fresh, asked, end],
        receiver: [before, after],
    })
}

/// The requests of one connection, half of them in the classic contract and half in API 1.
fn ask(port: u16) -> anyhow::Result<()> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut lines = BufReader::new(stream.try_clone()?);
    let mut line = String::new();
    for n in 0..EACH / AHEAD + 1 {
        let count = AHEAD.min(EACH - n * AHEAD);
        let half = n * AHEAD == EACH / AHEAD / 2 * AHEAD;
        let mut said = "{\"cmd\":\"HOST\"}\n".repeat(count);
        if half {
            said = format!("{{\"cmd\":\"HELLO\",\"api\":1}}\n{}", "{\"cmd\":\"HOST\"}\n".repeat(count - 1));
        }
        stream.write_all(said.as_bytes())?;
        for _ in 0..count {
            line.clear();
            ensure!(lines.read_line(&mut line)? > 0, "the connection ended");
            ensure!(line.contains(".onion\"") && !line.contains("rror"), "{line}");
        }
    }
    Ok(())
}

/// Sends messages to the neighbour, whose program follows, acknowledges and sees them.
fn talk(port: u16, reader: u16, onions: (&str, &str), first: usize, messages: usize) -> anyhow::Result<()> {
    if messages == 0 {
        return Ok(());
    }
    let mut events = Api::connect(reader)?;
    let filter = json!({"kinds": ["received"]});
    events.ok(json!({"cmd": "SUBSCRIBE", "ref": "s", "consumer": "endurance", "filter": filter}))?;
    let (sender, receiver) = (onions.0.to_owned(), onions.1.to_owned());
    std::thread::scope(|scope| {
        let sending = scope.spawn(move || -> anyhow::Result<()> {
            let mut api = Api::connect(port)?;
            let mut under_way: Vec<Value> = Vec::with_capacity(AHEAD);
            for n in first..first + messages {
                let text =
                    format!("{n} a message of a hundred and eighteen bytes, as people write them {}", "x".repeat(45));
                under_way.push(api.begin(json!({"cmd": "SEND", "peer": receiver, "text": text, "wait": "delivered"}))?);
                if under_way.len() == AHEAD || n + 1 == first + messages {
                    for reference in under_way.drain(..) {
                        let answer = api.answer(&reference)?;
                        ensure!(answer.is_ok(), "{answer:?}");
                    }
                }
            }
            Ok(())
        });
        for n in first..first + messages {
            let event = events.event(&json!("s"))?.map_err(|end| anyhow::anyhow!("{end}"))?;
            let text = event["message"]["text"].as_str().unwrap_or_default();
            ensure!(text.split(' ').next() == Some(&n.to_string()), "{n} is {text:?}");
            if n % 100 == 99 || n + 1 == first + messages {
                events.ok(json!({"cmd": "ACK", "consumer": "endurance", "seq": event["seq"]}))?;
                events.ok(json!({"cmd": "SEEN", "peer": sender, "upto": event["message"]["id"]}))?;
            }
        }
        sending.join().map_err(|_| anyhow::anyhow!("the sending thread panicked"))?
    })
}
