//! Lies in the handshake: keys, certificates, purposes, and what somebody else said before.

use super::{Attack, Kind, row, unproven};
use crate::forger::{ANSWERS_LEN, CHAT, Forger, PAYLOAD_LEN, SMALL_ORDER, now_s};
use crate::link::Lane;
use crate::target::Target;
use anyhow::{Context as _, ensure};
use rand::Rng as _;
use std::sync::Arc;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use torchat_protocol::cert::{self, CLOCK_SKEW_S, DeviceCert, VALID_S};
use torchat_protocol::hello;
use torchat_protocol::id::PeerId;
use torchat_protocol::message::{ByeReason, ContactState, PeerMessage};

const REFUSED: &str = "after its second message the daemon ends the stream without a byte";

/// A certificate that must not be believed, made of an attacker and of the attacked daemon.
pub(super) type Lie = fn(Forger, PeerId) -> anyhow::Result<Forger>;

pub(super) fn certificates() -> Vec<(&'static str, Lie)> {
    fn shown(forger: Forger, change: impl FnOnce(&mut DeviceCert)) -> Forger {
        let mut cert = forger.cert();
        change(&mut cert);
        let cert = forger.signed(cert);
        forger.showing(&cert, CHAT)
    }
    vec![
        ("another identity", |forger, _| {
            let identity = *Forger::fresh().peer()?.as_bytes();
            Ok(shown(forger, |cert| cert.identity = identity))
        }),
        ("the daemon's own identity", |forger, own| Ok(shown(forger, |cert| cert.identity = *own.as_bytes()))),
        ("another's perfect certificate", |forger, _| {
            let other = Forger::fresh();
            Ok(forger.showing(&other.signed(other.cert()), CHAT))
        }),
        ("no signature", |forger, _| {
            let cert = forger.cert();
            Ok(forger.showing(&cert, CHAT))
        }),
        ("a changed signature", |forger, _| {
            let mut cert = forger.signed(forger.cert());
            cert.signature[40] ^= 1;
            Ok(forger.showing(&cert, CHAT))
        }),
        ("signed without a context", |forger, _| {
            let cert = forger.signed_as(forger.cert(), b"");
            Ok(forger.showing(&cert, CHAT))
        }),
        ("signed for another purpose", |forger, _| {
            let cert = forger.signed_as(forger.cert(), b"torchatd/1 endpoint certificate\0");
            Ok(forger.showing(&cert, CHAT))
        }),
        ("signed for another version", |forger, _| {
            let cert = forger.signed_as(forger.cert(), b"torchatd/2 device certificate\0");
            Ok(forger.showing(&cert, CHAT))
        }),
        ("a number changed after it was signed", |forger, _| {
            let mut cert = forger.signed(forger.cert());
            cert.epoch += 1;
            Ok(forger.showing(&cert, CHAT))
        }),
        ("expired", |forger, _| {
            let end = now_s() - CLOCK_SKEW_S - 3600;
            Ok(shown(forger, |cert| (cert.not_before, cert.not_after) = (end - VALID_S, end)))
        }),
        ("of the future", |forger, _| {
            let start = now_s() + CLOCK_SKEW_S + 3600;
            Ok(shown(forger, |cert| (cert.not_before, cert.not_after) = (start, start + VALID_S)))
        }),
        ("ends before it begins", |forger, _| {
            let now = now_s();
            Ok(shown(forger, |cert| (cert.not_before, cert.not_after) = (now + 3 * 86_400, now - 3 * 86_400)))
        }),
        ("valid for 91 days (protocol 8)", |forger, _| {
            Ok(shown(forger, |cert| cert.not_after = cert.not_before + VALID_S + 86_400))
        }),
        ("valid for a second too long (protocol 8)", |forger, _| {
            Ok(shown(forger, |cert| cert.not_after = cert.not_before + VALID_S + 1))
        }),
        ("valid for ever (protocol 8)", |forger, _| {
            Ok(shown(forger, |cert| (cert.not_before, cert.not_after) = (0, u64::MAX)))
        }),
        ("current by the clocks' error, and ends before it begins (protocol 8)", |forger, _| {
            let now = now_s();
            Ok(shown(forger, |cert| (cert.not_before, cert.not_after) = (now + 3600, now - 3600)))
        }),
        ("of epoch 0 (protocol 8)", |forger, _| Ok(forger.with_epoch(0))),
        ("for a device key with its top bit set (protocol D6)", |forger, _| Ok(forger.with_respelled_device())),
        ("an identity of zeros", |forger, _| Ok(shown(forger, |cert| cert.identity = [0; 32]))),
        ("an identity of small order", |forger, _| {
            // The neutral element: every signature that its owner could make is everybody's.
            let mut neutral = [0; 32];
            neutral[0] = 1;
            Ok(shown(forger, |cert| cert.identity = neutral))
        }),
        ("an identity that is not canonical", |forger, _| {
            // y = 3 + p: the same point as y = 3, in another spelling.
            let mut spelled = [0xff; 32];
            (spelled[0], spelled[31]) = (0xf0, 0x7f);
            Ok(shown(forger, |cert| cert.identity = spelled))
        }),
        ("nothing but zeros", |forger, _| Ok(forger.with_payload(vec![0; PAYLOAD_LEN]))),
        ("purpose 1", |forger, _| {
            let cert = forger.signed(forger.cert());
            Ok(forger.showing(&cert, 1))
        }),
        ("purpose 3", |forger, _| {
            // Of mailboxes, which nothing serves.
            let cert = forger.signed(forger.cert());
            Ok(forger.showing(&cert, 3))
        }),
        ("purpose 255", |forger, _| {
            let cert = forger.signed(forger.cert());
            Ok(forger.showing(&cert, 255))
        }),
        ("a short payload", |forger, _| {
            let payload = forger.payload().get(..cert::LEN).unwrap_or_default().to_vec();
            Ok(forger.with_payload(payload))
        }),
        ("a long payload", |forger, _| {
            let payload = [forger.payload(), &[0; 16]].concat();
            Ok(forger.with_payload(payload))
        }),
    ]
}

pub(super) fn rows() -> Vec<Attack> {
    let mut rows = vec![row(Kind::Quick, "handshake: no lie at all", "HELLO and \"pending\"", |target| async move {
        let (forger, mut link) = target.stranger().await?;
        let heard = link.settle(target.patience).await?;
        ensure!(heard.alive, "it is let in and thrown out");
        target.nothing_from(forger.peer()?).await
    })];
    rows.extend(certificates().into_iter().map(|(name, lie)| {
        row(Kind::Quick, format!("certificate: {name}"), REFUSED, move |target| async move {
            refused(&target, &lie(Forger::fresh(), target.peer)?).await
        })
    }));
    rows.extend((1..8).map(|torsion| {
        let name = format!("certificate: an identity with torsion {torsion}, whose signature verifies");
        row(Kind::Quick, name, REFUSED, move |target| async move {
            let forger = Forger::fresh();
            let cert = forger.signed_with_torsion(torsion)?;
            refused(&target, &forger.showing(&cert, CHAT)).await
        })
    }));
    for (n, point) in SMALL_ORDER.into_iter().enumerate() {
        let name = format!("small order: point {n} as the device's key, perfectly certified");
        rows.push(row(Kind::Quick, name, REFUSED, move |target| async move {
            refused(&target, &Forger::fresh().with_weak_device(point)).await
        }));
        let name = format!("small order: point {n} as the ephemeral key");
        rows.push(row(Kind::Quick, name, "the stream ends after the hello", move |target| async move {
            for top in [0, 0x80] {
                let mut point = point;
                point[31] |= top;
                let first = [&hello::client_hello()[..], &[0, 32], &point].concat();
                unproven::answered(&target, &first, &hello::server_hello(hello::VERSION)).await?;
            }
            Ok(())
        }));
    }
    rows.extend([
        row(Kind::Quick, "certificate: the daemon's own, sent back to it", REFUSED, |target| async move {
            let forger = Forger::fresh();
            let mut half = forger.until_second(target.dial().await?, target.peer).await?;
            let mut own = half.open_second()?;
            own.resize(PAYLOAD_LEN, 0);
            let third = half.third(&own)?;
            half.say(&third).await?;
            unproven::ends(&mut half.stream, b"", target.patience).await
        }),
        row(Kind::Quick, "first message: every wrong length", "the stream ends after the hello", |target| async move {
            for length in [0u16, 1, 31, 33, 48, 496, 544, u16::MAX] {
                let first = [&hello::client_hello()[..], &length.to_be_bytes(), &[9; 64]].concat();
                let answer = hello::server_hello(hello::VERSION);
                unproven::answered(&target, &first, &answer).await.with_context(|| format!("{length}"))?;
            }
            Ok(())
        }),
        row(Kind::Quick, "third message: every wrong length", REFUSED, |target| async move {
            for length in [0u16, 32, 448, 511, 513, 544, u16::MAX] {
                let mut half = Forger::fresh().until_second(target.dial().await?, target.peer).await?;
                half.say(&[&length.to_be_bytes()[..], &[9; 64]].concat()).await?;
                unproven::ends(&mut half.stream, b"", target.patience).await.with_context(|| format!("{length}"))?;
            }
            Ok(())
        }),
        row(Kind::Quick, "third message: 64 flipped bits", REFUSED, |target| async move {
            for _ in 0..64 {
                let forger = Forger::fresh();
                let mut half = forger.until_second(target.dial().await?, target.peer).await?;
                half.open_second()?;
                let mut third = half.third(forger.payload())?;
                let bit = rand::rng().next_u32() as usize % (third.len() * 8 - 16) + 16;
                third[bit / 8] ^= 1 << (bit % 8);
                half.say(&third).await?;
                unproven::ends(&mut half.stream, b"", target.patience).await.with_context(|| format!("bit {bit}"))?;
            }
            Ok(())
        }),
        row(Kind::Quick, "replay: every recorded byte of a contact's talk", "two answers, then the end", replay),
        row(Kind::Quick, "reflection: the daemon's words of another stream", "no link", reflection),
        row(
            Kind::Quick,
            "downgrade: a version stripped on the way",
            "the two ends do not understand each other",
            |target| async move { downgrade(&target, b"TCHT\x01\x01", b"TCHT\x02\x02\x01").await },
        ),
        row(
            Kind::Quick,
            "downgrade: a version added on the way",
            "the two ends do not understand each other",
            |target| async move { downgrade(&target, b"TCHT\x02\x01\x02", b"TCHT\x01\x01").await },
        ),
        row(
            Kind::Quick,
            "downgrade: the versions' order changed",
            "the two ends do not understand each other",
            |target| async move { downgrade(&target, b"TCHT\x02\x01\x02", b"TCHT\x02\x02\x01").await },
        ),
        row(Kind::Quick, "epoch: an older copy of a contact's device", "BYE superseded, and nothing else", epoch),
    ]);
    rows
}

async fn refused(target: &Target, forger: &Forger) -> anyhow::Result<()> {
    target.knock(forger).await?.refused(target.patience).await?;
    target.nothing_from(forger.peer()?).await
}

async fn replay(target: Arc<Target>) -> anyhow::Result<()> {
    let (forger, mut link) = target.accepted(0).await?;
    let text = format!("said once {}", rand::random::<u64>());
    // A talk that was heard whole: the handshake, the first words, a message.
    let recv = Lane::fresh().next(&text);
    link.say(&PeerMessage::Recv(recv)).await?;
    ensure!(link.settle(target.patience).await?.alive, "the first talk fails");
    let recorded = link.said().to_vec();
    let mut again = target.dial().await?;
    let _ = again.write_all(&recorded).await;
    let mut answer = Vec::new();
    let read = again.read_to_end(&mut answer);
    let _ = tokio::time::timeout(target.patience, read).await.context("the daemon keeps the stream")?;
    ensure!(answer.len() <= ANSWERS_LEN, "{} bytes came", answer.len());
    let count = target.texts(forger.peer()?).await?.iter().filter(|found| **found == text).count();
    ensure!(count == 1, "the message is there {count} times");
    // The link that was recorded goes on: nobody was thrown out by it.
    ensure!(link.settle(target.patience).await?.alive, "the recorded link was ended");
    Ok(())
}

/// Everything that the daemon says on one stream is said to it on another.
async fn reflection(target: Arc<Target>) -> anyhow::Result<()> {
    let half = Forger::fresh().until_second(target.dial().await?, target.peer).await?;
    let words = [&hello::server_hello(hello::VERSION)[..], &544u16.to_be_bytes(), &half.second].concat();
    let (first, rest) = words.split_at(6);
    // Its hello is shorter than a client's, so that the length of its second message becomes a version.
    let mut other = target.dial().await?;
    other.write_all(first).await?;
    other.flush().await?;
    let mut answer = [0; 5];
    other.read_exact(&mut answer).await?;
    ensure!(&answer == b"TCHT\xff", "{answer:?}");
    let _ = other.write_all(rest).await;
    let _ = other.flush().await;
    unproven::ends(&mut other, b"", target.patience).await?;
    // Its second message as a third one.
    let mut half = Forger::fresh().until_second(target.dial().await?, target.peer).await?;
    let second = half.second.clone();
    half.say(&[&u16::try_from(second.len())?.to_be_bytes()[..], &second].concat()).await?;
    unproven::ends(&mut half.stream, b"", target.patience).await?;
    // And cut to a third one's length.
    let mut half = Forger::fresh().until_second(target.dial().await?, target.peer).await?;
    let third = [&512u16.to_be_bytes()[..], half.second.get(..512).context("a short message")?].concat();
    half.say(&third).await?;
    unproven::ends(&mut half.stream, b"", target.patience).await
}

async fn downgrade(target: &Target, said: &[u8], believed: &[u8]) -> anyhow::Result<()> {
    let forger = Forger::fresh().with_hello(said, believed);
    let mut half = forger.until_second(target.dial().await?, target.peer).await?;
    ensure!(half.open_second().is_err(), "the changed hello went unnoticed");
    // Whatever is said now: there is no link.
    half.say(&[&512u16.to_be_bytes()[..], &[9; 512]].concat()).await?;
    unproven::ends(&mut half.stream, b"", target.patience).await
}

async fn epoch(target: Arc<Target>) -> anyhow::Result<()> {
    let old = target.contact(2).await?;
    let new = old.clone().with_epoch(7);
    let (mut link, state) = target.enter(&new).await?;
    ensure!(state == ContactState::Accepted && link.settle(target.patience).await?.alive, "the new device is refused");
    let mut stale = target.knock(&old.with_epoch(6)).await?;
    let said = stale.ended(target.patience).await?;
    let superseded =
        |message: &PeerMessage| matches!(message, PeerMessage::Bye(bye) if bye.why == ByeReason::Superseded);
    ensure!(said.iter().all(superseded) && said.len() <= 1, "{said:?}");
    let (mut link, state) = target.enter(&new).await?;
    ensure!(
        state == ContactState::Accepted && link.settle(target.patience).await?.alive,
        "the new device is locked out"
    );
    Ok(())
}
