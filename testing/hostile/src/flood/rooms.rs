//! Floods of a member of a room.

use super::Pace;
use crate::room::{Member, RoomLink, nothing, text};
use crate::target::Target;
use anyhow::Context as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use torchat_protocol::room::limits::MAX_NUMBER;
use torchat_protocol::room::{Author, Event, EventId, Frame, MemberNo};

/// How long the daemon may keep a member out that has cost it much.
const LET_IN: Duration = Duration::from_secs(60);
/// How long the daemon may be read for between two things that are said.
const GLANCE: Duration = Duration::from_millis(1);

/// Throws away what the daemon says, as far as it is here. False: it has ended the link.
async fn glance(link: &mut RoomLink) -> bool {
    loop {
        match tokio::time::timeout(GLANCE, link.next()).await {
            Err(_) => return true,
            Ok(Ok(Some(_))) => {}
            Ok(Ok(None) | Err(_)) => return false,
        }
    }
}

/// Lets the member that all attacks share in, before the time is measured.
pub(super) async fn prepare(target: &Target) -> anyhow::Result<()> {
    let member = &target.stage().await?.1;
    let (mut member, mut held) = (member.lock().await, target.flooder().lock().await);
    // The daemon may be slow to let in somebody who has cost it much, and may end a link while the one before it ends.
    let entered = async {
        loop {
            if let Ok(new) = member.enter(target).await {
                return new;
            }
        }
    };
    if held.is_none() {
        *held = Some(tokio::time::timeout(LET_IN, entered).await.context("the member is not let in any more")?);
    }
    Ok(())
}

/// Says one thing after the other on the link of the member that all attacks share, on a new one when the daemon has ended it.
/// The link stays for the next time.
async fn pour(
    target: &Target,
    said: &AtomicU64,
    mut pace: Pace,
    reads: bool,
    mut thing: impl FnMut(&Member, u64) -> anyhow::Result<Frame>,
) -> anyhow::Result<()> {
    let (mut member, mut held) = (target.stage().await?.1.lock().await, target.flooder().lock().await);
    loop {
        let (link, channel) = match held.as_mut() {
            Some(held) => held,
            // The daemon may be slow to let in somebody who has cost it much.
            None => match member.enter(target).await {
                Ok(new) => held.insert(new),
                Err(_) => continue,
            },
        };
        for n in 0.. {
            pace.next().await;
            if !link.say(*channel, &thing(&member, n)?).await? || (reads && !glance(link).await) {
                break;
            }
            said.fetch_add(1, Ordering::Relaxed);
        }
        *held = None;
    }
}

pub(super) async fn orphans(target: &Target, said: &AtomicU64, pace: Pace) -> anyhow::Result<()> {
    let body = text(&"canary ".repeat(900))?;
    pour(target, said, pace, true, |member, n| {
        let author = if n % 2 == 0 { MemberNo::new(2) } else { MemberNo::new(1_000 + u32::try_from(n)?) };
        let author = author.map_or(Author::ACTS, |no| no.chain(0));
        Ok(Frame::Events(vec![member.event(author, n + 1_000, EventId([9; 32]), 20, &body)?]))
    })
    .await
}

pub(super) async fn impostor(target: &Target, said: &AtomicU64, pace: Pace) -> anyhow::Result<()> {
    let body = text("canary")?;
    pour(target, said, pace, true, |member, n| {
        let author = MemberNo::new(2).map_or(Author::ACTS, |no| no.chain(200));
        let one: Event = member.event(author, 1, member.room.as_event(), 20 + n, &body)?;
        Ok(Frame::Events(vec![one; 20]))
    })
    .await
}

/// What makes the daemon look into its store, or say much.
fn question(n: u64) -> Frame {
    let author = MemberNo::MAKER.chain(0);
    match n % 4 {
        0 => Frame::Credit(u32::MAX),
        1 => Frame::Have(nothing()),
        2 => Frame::Need(if n % 8 == 2 { Author::ACTS } else { author }, MAX_NUMBER),
        _ => Frame::Body((1..=256).map(|seq| (author, seq)).collect()),
    }
}

pub(super) async fn questions(target: &Target, said: &AtomicU64, pace: Pace) -> anyhow::Result<()> {
    pour(target, said, pace, true, |_, n| Ok(question(n))).await
}

pub(super) async fn deaf(target: &Target, said: &AtomicU64, pace: Pace) -> anyhow::Result<()> {
    pour(target, said, pace, false, |_, n| Ok(question(n))).await
}
