//! What a peer may cost: everything that was tried to make the daemon write, send or reckon without end. Each row is named after the
//! finding that it repeats.

use super::{Attack, Kind, row};
use crate::forger::Forger;
use crate::link::{Lane, Link, hello};
use crate::target::Target;
use crate::way::Way;
use anyhow::{Context as _, ensure};
use std::sync::Arc;
use std::time::{Duration, Instant};
use torchat_protocol::id::{Chain, LaneId};
use torchat_protocol::limits;
use torchat_protocol::message::{
    ByeReason, ContactReq, ContactRes, ContactState, LaneState, Nonce, PeerMessage, Recv, Skip, SkipReason,
};

/// What a row takes of the quota of what is unread.
const ROW_BYTES: u64 = 512;

pub(super) fn rows() -> Vec<Attack> {
    let quick = Kind::Quick;
    vec![
        row(
            quick,
            "account: 3,000 marks of lost messages on one lane and on many (H2, protocol 1)",
            "few are taken, counted; one row a lane",
            marks,
        ),
        row(quick, "account: empty texts (H2)", "they count in the quota", empty_texts),
        row(quick, "account: marks with one digest on two lanes (protocol 15)", "two marks", two_marks),
        row(
            quick,
            "account: one onion says 60 requests (M3, protocol 14)",
            "the places of the others stay free",
            one_asker,
        )
        .on_loopback(),
        row(quick, "account: HELLO again and again while mail waits (M6)", "BYE limit, some MiB at most", hello_again),
        row(
            quick,
            "account: `accepted`, `pending` 3,000 times by a blocked and a removed peer (M8)",
            "nothing is written, no event",
            former,
        ),
        row(
            quick,
            "account: `accepted`, `pending` and names by a contact (M8)",
            "a handful of events, the others are counted",
            toggle,
        ),
        row(
            quick,
            "account: a wrong digest beyond what was said, ten taken back (L2, protocol 2)",
            "nobody waits for it",
            wrong_hwm,
        )
        .on_loopback(),
        row(
            quick,
            "account: 100 ACKs with wrong digests (protocol 13)",
            "a few new lanes, then BYE limit",
            wrong_digests,
        ),
        row(
            quick,
            "account: bursts of 500 PINGs by a peer that reads (protocol 9)",
            "all answered, the link stays",
            pings,
        ),
        row(quick, "account: 64 KiB texts with a wrong `prev` (Info)", "BYE limit after 2 MiB", |target| async move {
            let (_, mut link) = target.accepted(27).await?;
            let (mut lane, text) = (Lane::fresh(), "x".repeat(limits::TEXT_BYTES));
            link.say(&PeerMessage::Recv(lane.next("first"))).await?;
            link.settle(target.patience).await?;
            for _ in 0..60 {
                let recv = Recv { prev: Chain(rand::random()), ..lane.peek(rand_mid(), &text) };
                if !link.say(&PeerMessage::Recv(recv)).await? {
                    break;
                }
            }
            limit(&link.ended(target.patience).await?)
        }),
        row(
            Kind::Patient,
            "account: a contact that must not see us says an ACK every 3 s, or never HELLO (L3)",
            "BYE idle within 30 s and a little",
            hidden,
        )
        .on_loopback(),
    ]
}

fn rand_mid() -> torchat_protocol::id::MessageId {
    torchat_protocol::id::MessageId(rand::random())
}

/// The last words are BYE `limit`, unless a reset overtook them.
fn limit(words: &[PeerMessage]) -> anyhow::Result<()> {
    let byes: Vec<_> = words.iter().filter(|word| matches!(word, PeerMessage::Bye(_))).collect();
    let limit = |word: &&&PeerMessage| matches!(word, PeerMessage::Bye(bye) if bye.why == ByeReason::Limit);
    ensure!(byes.iter().all(|word| limit(&word)), "{byes:?}");
    Ok(())
}

fn lost(lane: LaneId, to: u64) -> PeerMessage {
    PeerMessage::Skip(Skip { lane, to, chain: Chain(rand::random()), why: SkipReason::Lost })
}

/// The last event, and how much is unread.
async fn look(target: &Target) -> anyhow::Result<(u64, u64)> {
    let status = target.ask(|client| Ok(client.status()?)).await?;
    let last = status["events"]["last"].as_u64().context("STATUS has no events")?;
    Ok((last, status["unread_bytes"].as_u64().context("STATUS has no unread bytes")?))
}

async fn marks(target: Arc<Target>) -> anyhow::Result<()> {
    let before = target.refused("account_notes").await?;
    let (forger, mut link) = target.accepted(20).await?;
    link.settle(target.patience).await?;
    let events = look(&target).await?.0;
    let lane = LaneId(rand::random());
    for to in 1..=1_500 {
        if !link.say(&lost(lane, to)).await? || !link.say(&lost(LaneId(rand::random()), to)).await? {
            break;
        }
    }
    // It may have been thrown out meanwhile.
    let _ = link.settle(target.patience).await;
    let peer = forger.peer()?;
    let lines = target.ask(move |client| Ok(client.history(&peer.onion(), 10_000)?)).await?;
    ensure!(lines.len() <= 80, "{} marks", lines.len());
    let events = look(&target).await?.0 - events;
    ensure!(events <= 200, "{events} events");
    ensure!(target.refused("account_notes").await? > before, "it is not counted");
    target.unharmed().await
}

async fn empty_texts(target: Arc<Target>) -> anyhow::Result<()> {
    let (_, mut link) = target.accepted(21).await?;
    let before = look(&target).await?.1;
    let mut lane = Lane::fresh();
    for _ in 0..100 {
        link.say(&PeerMessage::Recv(lane.next(""))).await?;
    }
    ensure!(link.settle(target.patience).await?.acks().contains(&lane.state()), "honest ones are not taken");
    let unread = look(&target).await?.1 - before;
    ensure!(unread >= 100 * ROW_BYTES, "100 empty texts are {unread} bytes");
    Ok(())
}

async fn two_marks(target: Arc<Target>) -> anyhow::Result<()> {
    let (forger, mut link) = target.accepted(22).await?;
    let chain = Chain(rand::random());
    for to in [2, 7] {
        let (lane, why) = (LaneId(rand::random()), SkipReason::Lost);
        link.say(&PeerMessage::Skip(Skip { lane, to, chain, why })).await?;
    }
    link.settle(target.patience).await?;
    let peer = forger.peer()?;
    let lines = target.ask(move |client| Ok(client.history(&peer.onion(), 100)?)).await?;
    ensure!(lines.len() == 2, "{} marks", lines.len());
    Ok(())
}

async fn ask(target: &Target, forger: &Forger, texts: std::ops::Range<usize>) -> anyhow::Result<()> {
    let mut link = target.knock(forger).await?;
    link.welcomed(target.patience).await?;
    link.say(&hello()).await?;
    for n in texts {
        let asked = ContactReq { nick: String::new(), text: format!("text {n}"), invite: None };
        link.say(&PeerMessage::ContactReq(asked)).await?;
    }
    link.settle(target.patience).await?;
    Ok(())
}

/// Rows before may have used some of the places of new onions; this one must not use more than one of what is left.
async fn one_asker(target: Arc<Target>) -> anyhow::Result<()> {
    let before = target.refused("account_replaced").await?;
    let eve = Forger::fresh();
    ask(&target, &eve, 0..60).await?;
    let waits = async |forger: &Forger| {
        let onion = forger.peer()?.onion();
        let requests = target.ask(|client| Ok(client.requests()?)).await?;
        anyhow::Ok(requests.iter().any(|request| request["id"] == onion.as_str()))
    };
    if !waits(&eve).await? {
        // None was left for anybody.
        return Ok(());
    }
    ensure!(target.refused("account_replaced").await? >= before + 58, "its other words are not counted");
    Ok(())
}

async fn hello_again(target: Arc<Target>) -> anyhow::Result<()> {
    let (forger, link) = target.accepted(23).await?;
    drop(link);
    let onion = forger.peer()?.onion();
    let to = onion.clone();
    target
        .ask(move |client| {
            for n in 0..16 {
                client.send(&to, &format!("{n:04}{}", "x".repeat(60_000)))?;
            }
            Ok(client.host()?)
        })
        .await?;
    let (mut link, _) = target.enter(&forger).await?;
    link.introduce().await?;
    // Each only when something of the mail has come: HELLOs in one turn are one.
    'all: for _ in 0..100 {
        loop {
            match link.hear(target.patience).await? {
                Some(PeerMessage::Recv(_)) => break,
                Some(PeerMessage::Bye(bye)) => ensure!(bye.why == ByeReason::Limit, "{bye:?}"),
                Some(_) => {}
                None => break 'all,
            }
        }
        if !link.say(&hello()).await? {
            break;
        }
    }
    link.ended(target.patience).await?;
    ensure!(link.bytes() < 8 << 20, "{} bytes for 100 HELLOs", link.bytes());
    target.unharmed().await
}

async fn toggles(link: &mut Link, times: usize) -> anyhow::Result<()> {
    for _ in 0..times {
        for st in [ContactState::Accepted, ContactState::Pending] {
            if !link.say(&PeerMessage::ContactRes(ContactRes { st })).await? {
                return Ok(());
            }
        }
    }
    Ok(())
}

async fn former(target: Arc<Target>) -> anyhow::Result<()> {
    let mut gone = Vec::new();
    for n in [24, 25] {
        // One that was written to: it has a lane of ours.
        let (forger, mut link) = target.accepted(n).await?;
        let onion = forger.peer()?.onion();
        target
            .ask(move |client| {
                client.send(&onion, "for you")?;
                client.decide(if n == 24 { "BLOCK" } else { "REMOVE" }, &onion, "")?;
                Ok(client.host()?)
            })
            .await?;
        link.ended(target.patience).await?;
        gone.push(forger);
    }
    for forger in gone {
        let (mut link, state) = target.enter(&forger).await?;
        ensure!(state == ContactState::Pending, "it is told {state:?}");
        link.introduce().await?;
        link.settle(target.patience).await?;
        let before = look(&target).await?;
        toggles(&mut link, 1_500).await?;
        let mut lane = Lane::fresh();
        for n in 0..500 {
            link.say(&lost(LaneId(rand::random()), n + 1)).await?;
            link.say(&PeerMessage::Recv(lane.next(""))).await?;
        }
        let _ = link.settle(target.patience).await;
        let after = look(&target).await?;
        // The honest contact's link may have come or gone meanwhile.
        ensure!(after.0 - before.0 <= 4 && after.1 == before.1, "{before:?}, then {after:?}");
    }
    Ok(())
}

async fn toggle(target: Arc<Target>) -> anyhow::Result<()> {
    let (_, mut link) = target.accepted(26).await?;
    link.settle(target.patience).await?;
    let before = look(&target).await?.0;
    for n in 0..300 {
        toggles(&mut link, 1).await?;
        let asked = ContactReq { nick: format!("eve {n}"), text: String::new(), invite: None };
        link.say(&PeerMessage::ContactReq(asked)).await?;
        if n % 30 == 0 {
            // Or all of it is one turn.
            let _ = link.settle(target.patience).await;
        }
    }
    let _ = link.settle(target.patience).await;
    let events = look(&target).await?.0 - before;
    ensure!(events <= 20, "{events} events");
    Ok(())
}

/// The daemon owes a contact a thousand messages, ten that fly are taken back, and the contact lies about where it stands.
async fn wrong_hwm(target: Arc<Target>) -> anyhow::Result<()> {
    let (forger, mut link) = target.accepted(28).await?;
    let onion = forger.peer()?.onion();
    let to = onion.clone();
    target
        .ask(move |client| {
            for n in 0..300 {
                client.send(&to, &format!("waits {n}"))?;
            }
            Ok(client.host()?)
        })
        .await?;
    let mut lane = None;
    for _ in 0..64 {
        if let Some(PeerMessage::Recv(recv)) = link.hear(target.patience).await? {
            let mid = recv.mid.to_string();
            let to = onion.clone();
            if recv.seq <= 10 {
                target.ask(move |client| Ok(client.cancel(&to, &mid)?)).await?;
            }
            lane = Some(recv.lane);
        }
    }
    let lane = lane.context("nothing flies")?;
    // What a question to the control port takes without it, and with it: generously, for other work of the machine.
    let question = async || {
        let begun = Instant::now();
        target.ask(|client| Ok(client.status()?)).await?;
        anyhow::Ok(begun.elapsed())
    };
    let mut quiet = Duration::ZERO;
    for _ in 0..5 {
        quiet = quiet.max(question().await?);
    }
    for hwm in [290, 64, 63] {
        link.say(&PeerMessage::Ack(LaneState { lane, hwm, chain: Chain(rand::random()) })).await?;
        let took = question().await?;
        ensure!(took < quiet * 20 + Duration::from_secs(2), "STATUS waits {took:?}, without it {quiet:?}");
    }
    target.unharmed().await
}

async fn wrong_digests(target: Arc<Target>) -> anyhow::Result<()> {
    let before = target.refused("account_lanes").await?;
    let (forger, mut link) = target.accepted(29).await?;
    let to = forger.peer()?.onion();
    target.ask(move |client| Ok(client.send(&to, "for you")?)).await?;
    let mut lanes = 0;
    loop {
        match link.hear(target.patience).await? {
            Some(PeerMessage::Recv(recv)) => {
                lanes += 1;
                ensure!(lanes <= 20, "{lanes} lanes were opened");
                let lie = LaneState { lane: recv.lane, hwm: recv.seq, chain: Chain(rand::random()) };
                link.say(&PeerMessage::Ack(lie)).await?;
            }
            Some(PeerMessage::Bye(bye)) => ensure!(bye.why == ByeReason::Limit, "{bye:?}"),
            Some(_) => {}
            None => break,
        }
    }
    ensure!(lanes > 3, "only {lanes} lanes: an honest peer that was restored would be stuck");
    ensure!(target.refused("account_lanes").await? > before, "it is not counted");
    Ok(())
}

async fn pings(target: Arc<Target>) -> anyhow::Result<()> {
    let rounds = if let Way::Loopback(_) = target.way { 3 } else { 1 };
    let (_, mut link) = target.accepted(30).await?;
    link.settle(target.patience).await?;
    for _ in 0..rounds {
        let mut records = Vec::new();
        for n in 0..500 {
            records.extend(link.records(&PeerMessage::Ping(Nonce { n }).encode())?);
        }
        ensure!(link.throw(&records).await, "it does not read");
        let mut answers = 0;
        while answers < 500 {
            match link.hear(target.patience).await? {
                Some(PeerMessage::Pong(_)) => answers += 1,
                Some(_) => {}
                None => anyhow::bail!("the link ends after {answers} answers"),
            }
        }
    }
    Ok(())
}

async fn hidden(target: Arc<Target>) -> anyhow::Result<()> {
    for says_hello in [true, false] {
        let forger = target.contact(if says_hello { 31 } else { 32 }).await?;
        let onion = forger.peer()?.onion();
        target.ask(move |client| Ok(client.appear(&onion, false)?)).await?;
        let (mut link, _) = target.enter(&forger).await?;
        if says_hello {
            link.introduce().await?;
        }
        let begun = Instant::now();
        loop {
            ensure!(begun.elapsed() < Duration::from_secs(60), "the link is kept");
            let ack = LaneState { lane: LaneId([7; 8]), hwm: 0, chain: Chain::EMPTY };
            let word = if says_hello { PeerMessage::Ack(ack) } else { PeerMessage::Ping(Nonce { n: 1 }) };
            if !link.say(&word).await? {
                break;
            }
            match tokio::time::timeout(Duration::from_secs(3), link.ended(Duration::from_secs(3))).await {
                Ok(Ok(_)) => break,
                _ => continue,
            }
        }
    }
    Ok(())
}
