//! Floods: one thing said again and again, by many at once, at a pace or as fast as the daemon takes it.

mod rooms;

use crate::forger::Forger;
use crate::link::{Lane, honest_hello};
use crate::target::Target;
use crate::way::BoxStream;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::io::AsyncWriteExt as _;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;
use torchat_protocol::frame::{HEADER_LEN, LENGTH_LEN, MAX_BODY, MAX_CIPHERTEXT, TAG_LEN, TYPE_JSON};
use torchat_protocol::hello;
use torchat_protocol::limits;
use torchat_protocol::message::{ContactReq, Nonce, PeerMessage};

/// Those that flood at the same time.
const WORKERS: u32 = 8;
/// Streams that each of them keeps open behind it.
const HELD: usize = 500;
/// The contact of the table that floods.
const CONTACT: usize = 8;

/// What is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flood {
    /// Streams that say nothing, thousands of them held open.
    Silent,
    /// Streams that say a hello and a first message, and never the third: the daemon computes, the attacker does not.
    Half,
    /// Fresh identities, each with a perfect handshake and a request.
    Requests,
    /// Fresh identities that write long messages until they are thrown out.
    Strangers,
    /// Fresh identities that begin the largest message there is and never end it.
    Giants,
    /// A contact that asks for signs of life.
    Pings,
    /// A contact that writes messages as fast as they are acknowledged, and then again those that were.
    Repeats,
    /// A member of a room whose events wait for others that never come, or are of nobody.
    Orphans,
    /// A member that signs what others say.
    Impostor,
    /// A member that asks for everything again and again, and reads the answers.
    Questions,
    /// The same, who reads nothing.
    Deaf,
}

impl Flood {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::Silent,
        Self::Half,
        Self::Requests,
        Self::Strangers,
        Self::Giants,
        Self::Pings,
        Self::Repeats,
        Self::Orphans,
        Self::Impostor,
        Self::Questions,
        Self::Deaf,
    ];

    /// What is counted.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Silent => "silent streams, 4,000 held",
            Self::Half => "half handshakes, 4,000 held",
            Self::Requests => "fresh identities that ask",
            Self::Strangers => "strangers' texts of 64 KiB",
            Self::Giants => "strangers' unfinished 511 KiB",
            Self::Pings => "a contact's pings",
            Self::Repeats => "a contact's repeated messages",
            Self::Orphans => "a member's orphans in a room",
            Self::Impostor => "a member's wrong signatures",
            Self::Questions => "a member's questions",
            Self::Deaf => "a member's questions, unread",
        }
    }

    /// More than Tor would carry to one onion service: introductions are limited to 5 in a second at each of its
    /// introduction points, and a circuit carries some hundred cells in a second.
    #[must_use]
    pub fn pace(self) -> u32 {
        match self {
            Self::Silent | Self::Half => 100,
            Self::Requests => 50,
            Self::Strangers => 20,
            Self::Giants => 5,
            Self::Pings | Self::Repeats => 500,
            Self::Orphans | Self::Impostor | Self::Questions | Self::Deaf => 200,
        }
    }

    /// Does what must be done before the flood, and is none of it.
    ///
    /// # Errors
    /// When the daemon does not let the attacker in.
    pub async fn prepare(self, target: &Target) -> anyhow::Result<()> {
        match self {
            Self::Orphans | Self::Impostor | Self::Questions | Self::Deaf => rooms::prepare(target).await,
            _ => Ok(()),
        }
    }

    /// Floods until `stop`, at most `per_second` things in a second. Returns how many were said.
    ///
    /// # Errors
    /// When the daemon's control port does not answer. That it throws an attacker out is none.
    pub async fn run(
        self,
        target: &Arc<Target>,
        per_second: Option<u32>,
        stop: &CancellationToken,
    ) -> anyhow::Result<u64> {
        let said = Arc::new(AtomicU64::new(0));
        let many = matches!(self, Self::Silent | Self::Half | Self::Requests | Self::Strangers | Self::Giants);
        let workers = if many { WORKERS } else { 1 };
        let mut tasks = Vec::new();
        for worker in 0..workers {
            let period = per_second.map(|n| Duration::from_secs(1) * workers / n.max(1));
            let pace = Pace::new(period, worker, workers);
            let (target, said) = (target.clone(), said.clone());
            let work = async move {
                match self {
                    Self::Silent => streams(&target, &said, pace, &[]).await,
                    Self::Half => streams(&target, &said, pace, &half()).await,
                    Self::Requests => requests(&target, &said, pace).await,
                    Self::Strangers => strangers(&target, &said, pace).await,
                    Self::Giants => giants(&target, &said, pace).await,
                    Self::Pings => pings(&target, &said, pace).await,
                    Self::Repeats => repeats(&target, &said, pace).await,
                    Self::Orphans => rooms::orphans(&target, &said, pace).await,
                    Self::Impostor => rooms::impostor(&target, &said, pace).await,
                    Self::Questions => rooms::questions(&target, &said, pace).await,
                    Self::Deaf => rooms::deaf(&target, &said, pace).await,
                }
            };
            let stop = stop.clone();
            tasks.push(tokio::spawn(async move { stop.run_until_cancelled(work).await }));
        }
        for task in tasks {
            if let Some(result) = task.await? {
                result?;
            }
        }
        Ok(said.load(Ordering::Relaxed))
    }
}

/// Never faster than this.
struct Pace {
    interval: Option<tokio::time::Interval>,
}

impl Pace {
    fn new(period: Option<Duration>, worker: u32, workers: u32) -> Self {
        let interval = period.map(|period| {
            // Not all workers at the same moment, and the first one at once: a short flood must not end before it begins.
            let first = Instant::now() + period * worker / workers;
            let mut interval = tokio::time::interval_at(first, period);
            interval.set_missed_tick_behavior(MissedTickBehavior::Skip);
            interval
        });
        Self { interval }
    }

    async fn next(&mut self) {
        match &mut self.interval {
            Some(interval) => drop(interval.tick().await),
            // The others of this process get their turn.
            None => tokio::task::yield_now().await,
        }
    }
}

/// A hello and a first message that cost the attacker nothing: the key is any number.
fn half() -> Vec<u8> {
    [&hello::client_hello()[..], &[0, 32], &[9; 32]].concat()
}

async fn streams(target: &Target, said: &AtomicU64, mut pace: Pace, words: &[u8]) -> anyhow::Result<()> {
    let mut held: VecDeque<BoxStream> = VecDeque::with_capacity(HELD);
    loop {
        pace.next().await;
        // Over Tor a dial may fail because of the flood itself.
        let Ok(mut stream) = target.dial().await else { continue };
        if stream.write_all(words).await.is_ok() && stream.flush().await.is_ok() {
            said.fetch_add(1, Ordering::Relaxed);
        }
        if held.len() == HELD {
            held.pop_front();
        }
        held.push_back(stream);
    }
}

async fn requests(target: &Target, said: &AtomicU64, mut pace: Pace) -> anyhow::Result<()> {
    loop {
        pace.next().await;
        // The acceptor may throw it out for another one of this flood.
        let Ok(mut link) = target.knock(&Forger::fresh()).await else { continue };
        link.introduce().await?;
        let asked = ContactReq { nick: "canary".into(), text: "canary ".repeat(70), invite: None };
        link.say(&PeerMessage::ContactReq(asked)).await?;
        if link.settle(target.patience).await.is_ok() {
            said.fetch_add(1, Ordering::Relaxed);
        }
    }
}

async fn strangers(target: &Target, said: &AtomicU64, mut pace: Pace) -> anyhow::Result<()> {
    let text = "canary ".repeat(limits::TEXT_BYTES / 7);
    loop {
        let Ok(mut link) = target.knock(&Forger::fresh()).await else { continue };
        link.introduce().await?;
        let mut lane = Lane::fresh();
        loop {
            pace.next().await;
            if !link.say(&PeerMessage::Recv(lane.next(&text))).await? {
                break;
            }
            said.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// The pieces of a message just below the largest that there is, each but the last, as plaintexts.
pub(crate) fn unfinished() -> (Vec<u8>, usize) {
    let mut piece = vec![TYPE_JSON, 1, 0, 0];
    piece.extend(u16::try_from(MAX_BODY).unwrap_or_default().to_be_bytes());
    piece.extend([b' '; MAX_BODY]);
    debug_assert_eq!(piece.len(), HEADER_LEN + MAX_BODY);
    debug_assert_eq!(piece.len() + TAG_LEN, MAX_CIPHERTEXT);
    debug_assert_eq!(LENGTH_LEN, 2);
    (piece, (limits::PEER_OBJECT_BYTES - 1) / MAX_BODY)
}

async fn giants(target: &Target, said: &AtomicU64, mut pace: Pace) -> anyhow::Result<()> {
    let (piece, pieces) = unfinished();
    let mut held = VecDeque::new();
    loop {
        pace.next().await;
        let Ok(mut link) = target.knock(&Forger::fresh()).await else { continue };
        link.introduce().await?;
        let mut whole = true;
        for _ in 0..pieces {
            whole = whole && link.say_plain(&piece).await?;
        }
        if whole {
            said.fetch_add(1, Ordering::Relaxed);
        }
        held.push_back(link);
        if held.len() > HELD {
            held.pop_front();
        }
    }
}

async fn pings(target: &Target, said: &AtomicU64, mut pace: Pace) -> anyhow::Result<()> {
    let (_, mut link) = target.accepted(CONTACT).await?;
    loop {
        pace.next().await;
        // Each answered before the next, so that it is a peer that keeps every rule.
        link.say(&PeerMessage::Ping(Nonce { n: 1 })).await?;
        while !matches!(link.hear(target.patience).await?, Some(PeerMessage::Pong(_))) {}
        said.fetch_add(1, Ordering::Relaxed);
    }
}

async fn repeats(target: &Target, said: &AtomicU64, mut pace: Pace) -> anyhow::Result<()> {
    let (_, mut link) = target.accepted(CONTACT).await?;
    let mut lane = Lane::fresh();
    let first = lane.next("again and again");
    link.say(&PeerMessage::Hello(honest_hello())).await?;
    loop {
        pace.next().await;
        link.say(&PeerMessage::Recv(first.clone())).await?;
        while !matches!(link.hear(target.patience).await?, Some(PeerMessage::Ack(_))) {}
        said.fetch_add(1, Ordering::Relaxed);
    }
}
