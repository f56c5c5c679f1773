//! More than a daemon takes: of streams, links, requests, guesses and unread mail. And what strangers learn.

use super::text::request_of;
use super::{Attack, Kind, row};
use crate::flood;
use crate::forger::{CHAT, Forger};
use crate::link::{Lane, Link, hello};
use crate::target::Target;
use crate::way::{BoxStream, Way};
use anyhow::{Context as _, bail, ensure};
use futures::future::{join_all, try_join_all};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::AsyncReadExt as _;
use torchat_protocol::id::PeerId;
use torchat_protocol::invite::Invite;
use torchat_protocol::limits;
use torchat_protocol::message::{ByeReason, ContactReq, ContactRes, ContactState, Hello, Nonce, PeerMessage, Recv};

/// Streams that the acceptor holds before they have proven who they are.
const UNPROVEN: usize = 256;
/// Links of strangers at one time.
const STRANGERS: usize = 32;
/// Requests that wait for the user at most.
const WAITING: usize = 100;
/// Bytes that a sender may waste on a link: twice the credit.
const WASTE: usize = 2 << 20;
/// Unread bytes of one peer.
const UNREAD: u64 = 16 << 20;
/// What a text of the greatest length takes of them: its row counts, too.
const LONG: u64 = 65_536 + 512;

pub(super) fn rows() -> Vec<Attack> {
    let quick = Kind::Quick;
    vec![
        row(quick, "strangers: refused, blocked, pending and unknown", "the same bytes", |target| async move {
            same_bytes(&target).await
        }),
        row(quick, "strangers: mail before acceptance", "no ACK; then everything, in order", before_acceptance),
        row(quick, "strangers: an honest invite", "a contact at once, and once", |target| async move {
            let text = target.ask(|client| Ok(client.invite(1)?)).await?;
            let secret = text.parse::<Invite>()?.secret.to_string();
            let (one, two) = (Forger::fresh(), Forger::fresh());
            let answer = ask_with(&target, &one, Some(secret.clone())).await?.1;
            ensure!(answer.contains(&ContactState::Accepted), "an invite does not let in: {answer:?}");
            let answer = ask_with(&target, &two, Some(secret)).await?.1;
            ensure!(answer.iter().all(|st| *st == ContactState::Pending), "it opens it twice: {answer:?}");
            target.nothing_from(two.peer()?).await
        }),
        row(quick, "strangers: 1,000 guessed invites", "nobody is a contact", |target| async move {
            let count = many(&target, 1_000, 50);
            let (forger, mut link) = target.stranger().await?;
            link.introduce().await?;
            for n in 0..count {
                let guess = match n % 4 {
                    0 => format!("{:032x}", rand::random::<u128>()),
                    1 => "x".repeat(64),
                    2 => String::new(),
                    _ => "0".repeat(32),
                };
                let asked = ContactReq { nick: String::new(), text: String::new(), invite: Some(guess) };
                link.say(&PeerMessage::ContactReq(asked)).await?;
                if n % 50 == 49 {
                    let heard = link.settle(target.patience).await?;
                    let pending =
                        |m: &PeerMessage| matches!(m, PeerMessage::ContactRes(r) if r.st == ContactState::Pending);
                    ensure!(heard.alive && heard.messages.iter().all(pending), "{heard:?}");
                }
            }
            target.nothing_from(forger.peer()?).await
        }),
        row(
            quick,
            "strangers: 40 MiB of mail on one link",
            "BYE limit after 2 MiB, counted, nothing stored",
            |target| async move {
                let before = (target.refused("strangers").await?, target.refused("misbehaved").await?);
                let (forger, mut link) = target.stranger().await?;
                link.introduce().await?;
                let (mut lane, text) = (Lane::fresh(), "canary ".repeat(limits::TEXT_BYTES / 7));
                let mut said = 0;
                while said < 40 << 20 && link.say(&PeerMessage::Recv(lane.next(&text))).await? {
                    said += text.len();
                }
                // A reset may overtake the last words.
                let words = link.ended(target.patience).await?;
                let limit = |m: &PeerMessage| matches!(m, PeerMessage::Bye(bye) if bye.why == ByeReason::Limit);
                ensure!(words.iter().all(limit), "{words:?}");
                let after = (target.refused("strangers").await?, target.refused("misbehaved").await?);
                // What the engine has not dealt with when the limit is met may be as much as the credit, and nothing more
                // is taken.
                let [least, most] = [WASTE / text.len() - 1, WASTE / text.len() + (1 << 20) / text.len() + 8];
                let counted = usize::try_from(after.0 - before.0)?;
                ensure!((least..=most).contains(&counted), "strangers: {before:?}, then {after:?}");
                ensure!(after.1 == before.1 + 1, "misbehaved: {before:?}, then {after:?}");
                target.nothing_from(forger.peer()?).await
            },
        ),
        row(quick, "strangers: 100 links that stay", "32 stay, the newest; the others get BYE limit", many_links),
        row(quick, "strangers: 32 unfinished messages of 511 KiB", "they cost what they cost", |target| async move {
            let count = many(&target, STRANGERS, 4);
            let (piece, pieces) = flood::unfinished();
            let mut links = Vec::new();
            for _ in 0..count {
                let (_, mut link) = target.stranger().await?;
                for _ in 0..pieces {
                    ensure!(link.say_plain(&piece).await?, "the link ends below the limit");
                }
                links.push(link);
            }
            target.unharmed().await
        }),
        row(
            quick,
            "links: HELLOs, not one answer read",
            "the link ends, or goes on when it is read",
            |target| async move {
                let mut link = target.stranger().await?.1.into_flood();
                let count = many(&target, 20_000, 500) as u64;
                link.pour_deaf(|n| (n < count).then(hello)).await.map(drop)
            },
        ),
        row(
            quick,
            "links: pings, not one answer read",
            "the link ends, or goes on when it is read",
            |target| async move {
                let mut link = target.accepted(7).await?.1.into_flood();
                let count = many(&target, 20_000, 500) as u64;
                let ping = |n| PeerMessage::Ping(Nonce { n });
                link.pour_deaf(|n| (n < count).then(|| ping(n))).await.map(drop)
            },
        ),
        row(quick, "links: one contact, 50 links at once", "one stays", |target| async move {
            let forger = target.contact(7).await?;
            let mut links = Vec::new();
            for _ in 0..many(&target, 50, 10) {
                let (mut link, _) = target.enter(&forger).await?;
                link.introduce().await?;
                links.push(link);
            }
            let mut last = links.pop().context("no link")?;
            ensure!(last.settle(target.patience).await?.alive, "the newest was ended");
            let ends = links.iter_mut().map(|link| link.ended(target.patience));
            try_join_all(ends).await.context("an old link stays")?;
            Ok(())
        }),
        row(quick, "mail: 17 MiB that nobody reads", "16 MiB are taken, the rest waits and is counted", unread)
            .on_loopback(),
        row(quick, "acceptor: 384 silent streams", "256 stay, of the oldest random ones go", |target| async move {
            acceptor(&target).await
        }),
        row(quick, "counters: a refused handshake and a broken record", "each is counted once", |target| async move {
            let before = (target.refused("handshakes").await?, target.refused("protocol").await?);
            let forger = Forger::fresh();
            let lie = forger.cert();
            target.knock(&forger.showing(&lie, CHAT)).await?.refused(target.patience).await?;
            let (_, mut link) = target.stranger().await?;
            link.throw(&[0, 1, 7]).await;
            link.ended(target.patience).await?;
            let after = (target.refused("handshakes").await?, target.refused("protocol").await?);
            // Streams of the rows before may come to their end meanwhile.
            ensure!(after.0 > before.0 && after.1 > before.1, "{before:?}, then {after:?}");
            Ok(())
        }),
        row(
            quick,
            "acceptor: 2,000 streams at once",
            "at most 256 stay, an honest dial gets in",
            |target| async move {
                let count = many(&target, 2_000, 60);
                let mut streams = Vec::new();
                for _ in 0..count {
                    streams.push(target.dial().await?);
                }
                let open = still_open(&target, &mut streams, UNPROVEN).await?;
                ensure!(open <= UNPROVEN, "{open} are open");
                // The flood stands still: a stream that comes now drives out one of it.
                target.stranger().await.map(drop)
            },
        ),
        // Last: it uses up what strangers may ask in some minutes.
        row(
            quick,
            "strangers: requests of 1,000 fresh identities",
            "at most 20 at once are kept, the rest counted",
            |target| async move {
                let count = many(&target, 1_000, 40);
                let before = target.refused("requests").await?;
                let waited = waiting(&target).await?;
                for chunk in (0..count).collect::<Vec<_>>().chunks(16) {
                    let ask = chunk.iter().map(|_| async {
                        let (_, answer) = ask_with(&target, &Forger::fresh(), None).await?;
                        ensure!(answer.iter().all(|st| *st == ContactState::Pending), "{answer:?}");
                        anyhow::Ok(())
                    });
                    for result in join_all(ask).await {
                        result?;
                    }
                }
                let (now, dropped) = (waiting(&target).await?, target.refused("requests").await? - before);
                ensure!(now <= WAITING && now <= waited + 20 + 5, "{now} requests wait, {waited} before");
                ensure!(
                    now - waited + usize::try_from(dropped)? == count,
                    "{now} wait, {dropped} are counted of {count}"
                );
                Ok(())
            },
        ),
        row(
            quick,
            "strangers: one that changes its request 1,000 times",
            "one request, the first",
            |target| async move {
                let (forger, mut link) = target.stranger().await?;
                link.introduce().await?;
                let before = waiting(&target).await?;
                for n in 0..many(&target, 1_000, 100) {
                    let asked = ContactReq { nick: String::new(), text: format!("please {n}"), invite: None };
                    link.say(&PeerMessage::ContactReq(asked)).await?;
                    if n % 50 == 49 {
                        ensure!(link.settle(target.patience).await?.alive, "the link ends");
                    }
                }
                ensure!(waiting(&target).await? <= before + 1, "it stands there often");
                target.nothing_from(forger.peer()?).await
            },
        ),
    ]
}

/// Tor carries less.
fn many(target: &Target, loopback: usize, tor: usize) -> usize {
    match target.way {
        Way::Loopback(_) => loopback,
        Way::Socks(_) => tor,
    }
}

async fn waiting(target: &Target) -> anyhow::Result<usize> {
    target.ask(|client| Ok(client.requests()?)).await.map(|all| all.len())
}

/// A whole visit of somebody that asks; what it is told.
async fn ask_with(
    target: &Target,
    forger: &Forger,
    invite: Option<String>,
) -> anyhow::Result<(Link, Vec<ContactState>)> {
    let (mut link, first) = target.enter(forger).await?;
    link.introduce().await?;
    link.say(&PeerMessage::ContactReq(ContactReq { nick: "x".into(), text: "let me in".into(), invite })).await?;
    let heard = link.settle(target.patience).await?;
    ensure!(heard.alive, "the link ends");
    let state = |m: &PeerMessage| if let PeerMessage::ContactRes(ContactRes { st }) = m { Some(*st) } else { None };
    let states = [first].into_iter().chain(heard.messages.iter().filter_map(state)).collect();
    Ok((link, states))
}

/// Everything that a stranger hears in a visit with a request and mail, and how many bytes it is.
async fn visit(target: &Target, forger: &Forger) -> anyhow::Result<(Vec<PeerMessage>, usize)> {
    let mut link = target.knock(forger).await?;
    let (hello, st) = link.welcomed(target.patience).await?;
    let mut heard = vec![PeerMessage::Hello(hello), PeerMessage::ContactRes(ContactRes { st })];
    link.introduce().await?;
    heard.extend(link.settle(target.patience).await?.messages);
    link.say(&PeerMessage::ContactReq(ContactReq { nick: "Eve".into(), text: "please".into(), invite: None })).await?;
    let mut lane = Lane::fresh();
    for _ in 0..3 {
        link.say(&PeerMessage::Recv(lane.next("hello?"))).await?;
    }
    heard.extend(link.settle(target.patience).await?.messages);
    // The same question twice.
    link.say(&PeerMessage::ContactReq(ContactReq { nick: "Eve".into(), text: "please".into(), invite: None })).await?;
    let last = link.settle(target.patience).await?;
    ensure!(last.alive, "the link ends");
    heard.extend(last.messages);
    Ok((heard, link.bytes()))
}

async fn same_bytes(target: &Arc<Target>) -> anyhow::Result<()> {
    let [unknown, pending, refused, blocked, removed] = std::array::from_fn(|_| Forger::fresh());
    for forger in [&pending, &refused] {
        visit(target, forger).await?;
        ensure!(request_of(target, forger.peer()?).await?.is_some(), "an honest number of requests is not kept");
    }
    let decide = |command: &'static str, peer: PeerId| {
        target.ask(move |client| Ok(client.decide(command, &peer.onion(), "")?))
    };
    decide("REFUSE", refused.peer()?).await?;
    decide("BLOCK", blocked.peer()?).await?;
    let onion = removed.peer()?.onion();
    target.ask(move |client| Ok(client.add(&onion)?)).await?;
    decide("REMOVE", removed.peer()?).await?;
    let expected = visit(target, &unknown).await?;
    ensure!(expected.0.len() == 4, "{expected:?}");
    for (name, forger) in [("pending", pending), ("refused", refused), ("blocked", blocked), ("removed", removed)] {
        let heard = visit(target, &forger).await?;
        ensure!(heard == expected, "{name} hears {heard:?}, a stranger {expected:?}");
        target.nothing_from(forger.peer()?).await?;
    }
    Ok(())
}

/// Medians of the time from a request to its answer, for an unknown one, a refused and a blocked one. For people to look
/// at: on a machine that does other things no sharp bound can be asserted.
///
/// # Errors
/// When the daemon does not answer as it must.
pub async fn answer_times(target: &Arc<Target>, rounds: usize) -> anyhow::Result<Vec<(&'static str, Duration)>> {
    let [pending, refused, blocked] = std::array::from_fn(|_| Forger::fresh());
    for forger in [&pending, &refused] {
        visit(target, forger).await?;
    }
    for (command, forger) in [("REFUSE", &refused), ("BLOCK", &blocked)] {
        let onion = forger.peer()?.onion();
        target.ask(move |client| Ok(client.decide(command, &onion, "")?)).await?;
    }
    let mut times = vec![("pending", pending, vec![]), ("refused", refused, vec![]), ("blocked", blocked, vec![])];
    for _ in 0..rounds {
        // In turns, so that whatever else the machine does falls on all alike.
        for (_, forger, times) in &mut times {
            let (mut link, _) = target.enter(forger).await?;
            link.introduce().await?;
            link.settle(target.patience).await?;
            let asked = ContactReq { nick: "Eve".into(), text: "please".into(), invite: None };
            let begun = Instant::now();
            link.say(&PeerMessage::ContactReq(asked)).await?;
            let answer = link.hear(target.patience).await?;
            times.push(begun.elapsed());
            ensure!(matches!(answer, Some(PeerMessage::ContactRes(_))), "{answer:?}");
        }
    }
    Ok(times.into_iter().map(|(name, _, times)| (name, crate::bounds::median(times))).collect())
}

async fn before_acceptance(target: Arc<Target>) -> anyhow::Result<()> {
    let (forger, mut link) = target.stranger().await?;
    let peer = forger.peer()?;
    link.introduce().await?;
    link.say(&PeerMessage::ContactReq(ContactReq { nick: "Ada".into(), text: "it is me".into(), invite: None }))
        .await?;
    let mut lane = Lane::fresh();
    let mail: Vec<Recv> = (0..5).map(|n| lane.next(&format!("waiting {n}"))).collect();
    for recv in &mail {
        link.say(&PeerMessage::Recv(recv.clone())).await?;
    }
    let heard = link.settle(target.patience).await?;
    ensure!(heard.acks().is_empty() && heard.alive, "{heard:?}");
    target.nothing_from(peer).await?;
    target.ask(move |client| Ok(client.decide("ACCEPT", &peer.onion(), "")?)).await?;
    // On the same link, unasked: where its lanes stand, and that it may write.
    let stated = loop {
        match link.hear(target.patience).await? {
            Some(PeerMessage::Hello(hello)) => break hello,
            Some(_) => {}
            None => bail!("the link ends at the acceptance"),
        }
    };
    ensure!(stated.lanes.is_empty(), "it claims to have mail: {stated:?}");
    let answer = link.hear(target.patience).await?;
    ensure!(answer == Some(PeerMessage::ContactRes(ContactRes { st: ContactState::Accepted })), "{answer:?}");
    for recv in &mail {
        link.say(&PeerMessage::Recv(recv.clone())).await?;
    }
    let heard = link.settle(target.patience).await?;
    ensure!(heard.acks().last() == Some(&lane.state()), "{heard:?}");
    let expected: Vec<_> = (0..5).map(|n| format!("waiting {n}")).collect();
    let found = target.texts(peer).await?;
    ensure!(found == expected, "it has {found:?}");
    Ok(())
}

async fn many_links(target: Arc<Target>) -> anyhow::Result<()> {
    let count = many(&target, 100, 40);
    let before = target.refused("links").await?;
    let mut links = Vec::new();
    for _ in 0..count {
        let (_, link) = target.stranger().await?;
        links.push(link);
    }
    // The oldest first: theirs was the time that is over.
    let limit = |m: &PeerMessage| matches!(m, PeerMessage::Bye(bye) if bye.why == ByeReason::Limit);
    let gone = links.drain(..count - STRANGERS).collect::<Vec<_>>();
    for mut link in gone {
        let words = link.ended(target.patience).await?;
        let last = words.last().context("a link ends without a word")?;
        // Over Tor the time of the oldest may be over before the newest has come.
        let idle = matches!(last, PeerMessage::Bye(bye) if bye.why == ByeReason::Idle);
        ensure!(limit(last) || idle && matches!(target.way, Way::Socks(_)), "{words:?}");
    }
    if let Way::Loopback(_) = target.way {
        let counted = target.refused("links").await? - before;
        // Links of the rows before may be among those that went.
        ensure!(counted >= u64::try_from(count - STRANGERS)?, "{counted} are counted");
        for mut link in links {
            ensure!(link.settle(target.patience).await?.alive, "fewer than {STRANGERS} strangers are kept");
        }
    }
    Ok(())
}

async fn unread(target: Arc<Target>) -> anyhow::Result<()> {
    let before = target.refused("unread_full").await?;
    let (forger, mut link) = target.accepted(5).await?;
    let onion = forger.peer()?.onion();
    let mut lane = Lane::fresh();
    let mut taken = Lane { ..lane };
    let mut waiting = None;
    for n in 0..(UNREAD + (1 << 20)) / LONG {
        let recv = lane.next(&format!("{n:08}{}", "x".repeat(limits::TEXT_BYTES - 8)));
        link.say(&PeerMessage::Recv(recv.clone())).await?;
        let heard = link.settle(target.patience).await?;
        ensure!(heard.alive, "the link ends at {n}");
        if !heard.acks().contains(&lane.state()) {
            waiting = Some(recv);
            break;
        }
        taken = lane;
    }
    let waiting = waiting.context("all of it was taken")?;
    ensure!(taken.seq == UNREAD / LONG, "{} were taken", taken.seq);
    ensure!(target.refused("unread_full").await? > before, "it is not counted");
    // Others are not touched by it.
    target.unharmed().await?;
    // Half of it is read, and the daemon says by itself where to go on.
    let from = onion.clone();
    target
        .ask(move |client| {
            for _ in 0..UNREAD / LONG / 2 + 1 {
                client.update(&from)?.context("nothing is unread")?;
            }
            // The last one counts as read with the next request.
            Ok(client.host()?)
        })
        .await?;
    let state = loop {
        match link.hear(target.patience).await? {
            Some(PeerMessage::Hello(Hello { lanes, .. })) => {
                break lanes.into_iter().find(|state| state.lane == taken.lane).context("the lane is forgotten")?;
            }
            Some(_) => {}
            None => bail!("the link ends"),
        }
    };
    ensure!(state == taken.state(), "it states {state:?}");
    link.say(&PeerMessage::Recv(waiting)).await?;
    let heard = link.settle(target.patience).await?;
    ensure!(heard.acks().iter().any(|ack| ack.hwm == taken.seq + 1), "what waited is not taken: {heard:?}");
    Ok(())
}

/// How many streams the daemon has not ended; waits until there are at most this many.
async fn still_open(target: &Target, streams: &mut [BoxStream], most: usize) -> anyhow::Result<usize> {
    let deadline = Instant::now() + target.patience;
    loop {
        let open = open(streams).await.into_iter().filter(|open| *open).count();
        if open <= most || Instant::now() >= deadline {
            return Ok(open);
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn open(streams: &mut [BoxStream]) -> Vec<bool> {
    let looks = streams.iter_mut().map(|stream| async {
        // Nobody says anything on it: a byte, an end and a reset are all an end.
        tokio::time::timeout(Duration::from_millis(1), stream.read(&mut [0])).await.is_err()
    });
    join_all(looks).await
}

async fn acceptor(target: &Target) -> anyhow::Result<()> {
    let before = target.refused("streams").await?;
    let mut streams = Vec::new();
    for _ in 0..UNPROVEN + UNPROVEN / 2 {
        streams.push(target.dial().await?);
    }
    let count = still_open(target, &mut streams, UNPROVEN).await?;
    ensure!(count <= UNPROVEN, "{count} are held");
    if let Way::Socks(_) = target.way {
        return Ok(());
    }
    ensure!(count >= UNPROVEN - 1, "only {count} are left");
    let counted = target.refused("streams").await? - before;
    ensure!(counted >= u64::try_from(UNPROVEN / 2)?, "{counted} are counted");
    let kept = open(&mut streams).await;
    let (old, new) = kept.split_at(UNPROVEN);
    // By chance alone, once in a billion times.
    ensure!(old[..UNPROVEN / 2].iter().any(|open| *open), "the oldest go: a flood drives out the slow and honest");
    ensure!(new.iter().all(|open| *open), "the newest go: a flood locks everybody out");
    Ok(())
}
