//! Flows of streams that prove nothing, slow lines, and what counts as a sign of life.

use super::{Attack, Kind, row};
use crate::forger::Forger;
use crate::line::Line;
use crate::link::{Lane, Link, honest_hello};
use crate::target::Target;
use anyhow::{Context as _, bail, ensure};
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use torchat_protocol::limits;
use torchat_protocol::message::{Bye, ByeReason, ContactReq, Nonce, PeerMessage, Recv};

/// Streams a second of a flow.
const A_SECOND: u32 = 100;
/// How long a flow lasts before honest handshakes begin: longer than it needs to take all places.
const FLOW: Duration = Duration::from_secs(4);
/// There and back.
const ROUND_TRIP: Duration = Duration::from_millis(800);
/// Unproven streams of a circuit.
const OF_A_CIRCUIT: usize = 4;
/// Bytes a second of a slow line.
const SLOW: u32 = 1_000;
/// How long a link lives without a sign of life while something is unacknowledged: 15 s and 10 s.
const DEAD: Duration = Duration::from_secs(25);

/// What the streams of a flow say before they stop.
#[derive(Debug, Clone, Copy)]
enum Until {
    Nothing,
    Hello,
    FirstMessage,
}

pub(super) fn rows() -> Vec<Attack> {
    let through = "11 of 12 honest handshakes get through";
    let mut rows: Vec<_> = [
        (Until::Nothing, "say nothing"),
        (Until::Hello, "say a hello and stop"),
        (Until::FirstMessage, "say a first message and stop"),
    ]
    .into_iter()
    .map(|(until, words)| {
        let name = format!("M1: 100 streams a second that {words}, honest round trips of 0.8 s");
        row(Kind::Quick, name, through, move |target| async move { flow(&target, until).await }).on_loopback()
    })
    .collect();
    rows.push(
        row(
            Kind::Quick,
            "M1: silent streams on one circuit",
            "four; then it is closed and counted",
            |target| async move {
                let from = Ipv4Addr::new(127, 9, rand::random(), rand::random::<u8>() | 2);
                let before = target.refused("circuits").await?;
                let mut held = Vec::new();
                for _ in 0..OF_A_CIRCUIT {
                    held.push(target.way.dial_from(target.peer, from).await?);
                }
                let mut fifth = target.way.dial_from(target.peer, from).await?;
                super::unproven::ends(&mut fifth, b"", target.patience).await?;
                for stream in &mut held {
                    let open = tokio::time::timeout(Duration::from_millis(1), stream.read(&mut [0])).await.is_err();
                    ensure!(open, "one of the four is ended at once");
                }
                ensure!(target.refused("circuits").await? > before, "it is not counted");
                Ok(())
            },
        )
        .on_loopback(),
    );
    rows.push(
        row(
            Kind::Quick,
            "protocol 5: HELLO with inflight 0",
            "one message at a time, as with 1",
            |target| async move {
                let (forger, mut link) = target.accepted(8).await?;
                let onion = forger.peer()?.onion();
                let texts = ["one", "two", "three"];
                let to = onion.clone();
                target
                    .ask(move |client| {
                        for text in texts {
                            client.send(&to, text)?;
                        }
                        Ok(())
                    })
                    .await?;
                // What was said with the first HELLO is said again.
                let mut hello = honest_hello();
                hello.limits.inflight = 0;
                link.say(&PeerMessage::Hello(hello)).await?;
                let mut lane: Option<Lane> = None;
                while lane.is_none_or(|lane| lane.seq < texts.len() as u64) {
                    let heard = link.hear(target.patience).await.context("nothing flies")?;
                    let Some(message) = heard else { bail!("the link ends") };
                    let PeerMessage::Recv(recv) = message else { continue };
                    let known = lane.get_or_insert(Lane { lane: recv.lane, ..Lane::fresh() });
                    if take(known, &recv) {
                        link.say(&PeerMessage::Ack(known.state())).await?;
                    }
                }
                Ok(())
            },
        )
        .on_loopback(),
    );
    rows.push(row(
        Kind::Quick,
        "protocol 6: a message and a request behind BYE, in one write",
        "neither is taken",
        |target| async move {
            for why in [ByeReason::Shutdown, ByeReason::Idle, ByeReason::Dup, ByeReason::Protocol] {
                let (forger, mut link) = target.accepted(9).await?;
                let recv = PeerMessage::Recv(Lane::fresh().next("behind the end"));
                at_once(&mut link, &[PeerMessage::Bye(Bye { why }), recv]).await?;
                link.ended(target.patience).await?;
                target.nothing_from(forger.peer()?).await?;
            }
            let (forger, mut link) = target.stranger().await?;
            let asked = ContactReq { nick: String::new(), text: "behind the end".into(), invite: None };
            at_once(&mut link, &[PeerMessage::Bye(Bye { why: ByeReason::Idle }), PeerMessage::ContactReq(asked)])
                .await?;
            link.ended(target.patience).await?;
            let onion = forger.peer()?.onion();
            let requests = target.ask(|client| Ok(client.requests()?)).await?;
            ensure!(!serde_json::to_string(&requests)?.contains(&onion), "the request is kept");
            Ok(())
        },
    ));
    rows.push(row(
        Kind::Slow,
        "protocol 3: 45 s of frames that are skipped, and of single bytes",
        "they keep the link, though something is unacknowledged",
        |target| async move {
            let (forger, mut link) = target.accepted(10).await?;
            owe(&target, &forger, "short").await?;
            let begun = Instant::now();
            while begun.elapsed() < DEAD + Duration::from_secs(10) {
                ensure!(link.say_plain(&skipped()).await?, "the link ends");
                tokio::time::sleep(Duration::from_secs(4)).await;
            }
            // A record of one cell, byte by byte.
            let record = link.seal(&skipped())?;
            for byte in record.iter().take(10) {
                ensure!(link.throw(&[*byte]).await, "the link ends");
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            ensure!(link.throw(record.get(10..).unwrap_or_default()).await, "the link ends");
            let heard = link.settle(target.patience).await?;
            ensure!(heard.alive, "the link ended");
            ensure!(!heard.messages.iter().any(|m| matches!(m, PeerMessage::Ping(_))), "it is asked: {heard:?}");
            Ok(())
        },
    ));
    rows.push(row(
        Kind::Slow,
        "protocol 3: a peer that is dead",
        "noticed 25 s after its last byte",
        |target| async move {
            let (forger, mut link) = target.accepted(11).await?;
            owe(&target, &forger, &"x".repeat(limits::TEXT_BYTES)).await?;
            let mut hello = honest_hello();
            hello.features.push("life".into());
            link.say(&PeerMessage::Hello(hello)).await?;
            let begun = Instant::now();
            link.ended(DEAD + target.patience).await?;
            ensure!(begun.elapsed() > Duration::from_secs(20), "after {:?}", begun.elapsed());
            Ok(())
        },
    ));
    rows.push(
        row(
            Kind::Slow,
            "protocol 4: a text of 64 KiB to the daemon over 1 kB/s",
            "it shows life meanwhile, and acknowledges",
            |target| async move {
                let forger = target.contact(12).await?;
                let mut link = on_a_slow_line(&target, &forger).await?;
                link.introduce().await?;
                let mut lane = Lane::fresh();
                let recv = lane.next(&"x".repeat(limits::TEXT_BYTES));
                let records = link.records(&PeerMessage::Recv(recv).encode())?;
                for part in records.chunks(4_000) {
                    ensure!(link.throw(part).await, "the link ends");
                }
                let mut signs = 0;
                loop {
                    match link.hear(Duration::from_secs(100)).await? {
                        Some(PeerMessage::Pong(Nonce { n: 0 })) => signs += 1,
                        Some(PeerMessage::Ack(state)) if state == lane.state() => break,
                        Some(_) => {}
                        None => bail!("the link ends"),
                    }
                }
                ensure!(signs >= 5, "{signs} signs of life in more than a minute");
                Ok(())
            },
        )
        .on_loopback(),
    );
    rows.push(
        row(
            Kind::Slow,
            "protocol 4: a text of 64 KiB from the daemon over 1 kB/s to a peer that shows no life",
            "it waits, and hears the acknowledgement",
            |target| async move {
                let forger = target.contact(13).await?;
                let mut link = on_a_slow_line(&target, &forger).await?;
                link.introduce().await?;
                owe(&target, &forger, &"y".repeat(limits::TEXT_BYTES)).await?;
                let mut lane = None;
                while lane.is_none() {
                    match link.hear(Duration::from_secs(100)).await? {
                        Some(PeerMessage::Recv(recv)) => {
                            let mut known = Lane { lane: recv.lane, ..Lane::fresh() };
                            ensure!(take(&mut known, &recv), "it is not the first message");
                            link.say(&PeerMessage::Ack(known.state())).await?;
                            lane = Some(known);
                        }
                        Some(_) => {}
                        None => bail!("the link ends"),
                    }
                }
                let begun = Instant::now();
                loop {
                    let onion = forger.peer()?.onion();
                    let lines = target.ask(move |client| Ok(client.history(&onion, 1)?)).await?;
                    if lines.iter().any(|line| line.state == "delivered") {
                        return Ok(());
                    }
                    ensure!(begun.elapsed() < 3 * target.patience, "it does not hear the acknowledgement");
                    tokio::time::sleep(Duration::from_millis(200)).await;
                }
            },
        )
        .on_loopback(),
    );
    rows
}

/// Honest handshakes in a flow of streams that say so much and then wait for the end.
async fn flow(target: &Arc<Target>, until: Until) -> anyhow::Result<()> {
    let to = target.clone();
    let flood = tokio::spawn(async move {
        let mut ticks = tokio::time::interval(Duration::from_secs(1) / A_SECOND);
        let mut held = tokio::task::JoinSet::new();
        loop {
            ticks.tick().await;
            let Ok(mut stream) = to.dial().await else { continue };
            let peer = to.peer;
            held.spawn(async move {
                match until {
                    Until::Nothing => {}
                    Until::Hello => drop(stream.write_all(b"TCHT\x01\x01").await),
                    Until::FirstMessage => match Forger::fresh().until_second(stream, peer).await {
                        Ok(half) => stream = half.stream,
                        Err(_) => return,
                    },
                }
                let _ = stream.flush().await;
                while matches!(stream.read(&mut [0; 64]).await, Ok(1..)) {}
            });
            while held.try_join_next().is_some() {}
        }
    });
    tokio::time::sleep(FLOW).await;
    let mut honest = tokio::task::JoinSet::new();
    for _ in 0..12 {
        let to = target.clone();
        honest.spawn(async move {
            let line = Line { delay: ROUND_TRIP / 2, rate: None };
            let stream = line.behind(to.dial().await?);
            // The service's word that the stream is open is on its way for so long.
            tokio::time::sleep(ROUND_TRIP / 2).await;
            let mut link = Forger::fresh().knock(stream, to.peer).await?;
            link.welcomed(to.patience).await.map(drop)
        });
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let through = honest.join_all().await.into_iter().filter(Result::is_ok).count();
    flood.abort();
    let _ = flood.await;
    ensure!(through >= 11, "{through} of 12 got through");
    Ok(())
}

/// A link of this attacker behind a slow line.
async fn on_a_slow_line(target: &Target, forger: &Forger) -> anyhow::Result<Link> {
    let line = Line { delay: Duration::from_millis(50), rate: Some(SLOW) };
    let mut link = forger.knock(line.behind(target.dial().await?), target.peer).await?;
    link.welcomed(3 * target.patience).await?;
    Ok(link)
}

/// A text waits for this attacker, who will not acknowledge it.
async fn owe(target: &Target, forger: &Forger, text: &str) -> anyhow::Result<()> {
    let (onion, text) = (forger.peer()?.onion(), text.to_owned());
    target.ask(move |client| Ok(client.send(&onion, &text)?)).await
}

/// Whether it is the lane's next message, which is taken then.
fn take(lane: &mut Lane, recv: &Recv) -> bool {
    let next = recv.lane == lane.lane && recv.seq == lane.seq + 1 && recv.prev == lane.chain;
    if next {
        lane.seq += 1;
        lane.chain = lane.chain.next(recv.mid);
    }
    next
}

/// Says several messages in one write.
async fn at_once(link: &mut Link, messages: &[PeerMessage]) -> anyhow::Result<()> {
    let mut records = Vec::new();
    for message in messages {
        records.extend(link.records(&message.encode())?);
    }
    ensure!(link.throw(&records).await, "the link ends before");
    Ok(())
}

/// A frame of a type that nobody knows and that may be skipped, as large as one cell.
fn skipped() -> Vec<u8> {
    let mut plaintext = vec![0; 480];
    plaintext[0] = 0x42;
    plaintext
}
