//! A member that keeps no rule: contact, stranger, former or blocked contact of the daemons in turn, it says random and hostile
//! words at any pace, and takes the links that are made to it. What each daemon did for it, rows, events and bytes, is compared
//! with what its account allows after every step.
//!
//! An account begins anew with a process, so each is compared for the life of one. That a commit is paid for as well tells the
//! core's own test (`node/tests/anything.rs`), which sees the operations.

mod speech;

use super::Storm;
use crate::sim::checker::Violation;
use crate::sim::disk::Held;
use crate::sim::world::World;
use crate::sim::{START_MS, identity};
use speech::Speech;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use torchat_core::account::{Kind, Tariff};
use torchat_core::handshake::{Established, Handshake};
use torchat_core::input::ContactChange;
use torchat_core::snapshot::Intro;
use torchat_protocol::frame::TYPE_JSON;
use torchat_protocol::id::PeerId;
use torchat_protocol::message::PeerMessage;
use torchat_protocol::purpose::Purpose;
use torchat_transport::randomness::Randomness;
use torchat_transport::{BoxStream, Group, Isolation, Network};

/// The seed of its identity: far from the daemons'.
const SEED: u8 = 77;
/// Words that it says in a storm at most, so that the storm ends.
const WORDS: u64 = 8_000;
/// Longest text that users write to it.
const TEXT: usize = 3_000;

/// What it hears of the daemons, and what it must know of them.
struct Ears {
    /// Bytes of messages, by the daemon and the life of its process in which the link began.
    heard: Mutex<BTreeMap<(PeerId, u64), u64>>,
    lives: BTreeMap<PeerId, AtomicU64>,
    /// Simulated milliseconds since the start, for its certificate.
    now_ms: AtomicU64,
    words: AtomicU64,
    over: AtomicBool,
}

/// A process of a daemon, and what it held of the member when it began.
struct Life {
    number: u64,
    since_ms: u64,
    held: Held,
    /// Events about the member since then.
    events: u64,
    /// The last event that was looked at.
    last: u64,
}

/// See the module's description.
pub(super) struct Hostile {
    id: PeerId,
    dice: Randomness,
    ears: Arc<Ears>,
    tariff: Tariff,
    lives: Vec<Option<Life>>,
    /// What users did about it at each daemon, and what they wrote to it: how many messages, and bytes.
    asked: Vec<u64>,
    written: Vec<(u64, u64)>,
    begun: u64,
}

/// Buckets that a storm can empty. Those that honest daemons in trouble need stay as they are.
pub(super) fn tariff() -> Tariff {
    Tariff::default()
        .with(Kind::Rows, 400, 36_000)
        .with(Kind::Bytes, 1 << 20, 1 << 27)
        .with(Kind::Resent, 1 << 18, 1 << 26)
        .with(Kind::Answers, 200, 36_000)
}

impl Hostile {
    pub(super) fn enter(world: &World, seed: u64, tariff: Tariff) -> Self {
        let dice = Randomness::seeded(seed ^ 0x4057);
        let id = identity(SEED, START_MS).peer_id();
        let daemons: Vec<_> = (0..world.count()).map(|n| world.id(n)).collect();
        let ears = Arc::new(Ears {
            heard: Mutex::default(),
            lives: daemons.iter().map(|id| (*id, AtomicU64::new(0))).collect(),
            now_ms: AtomicU64::new(0),
            words: AtomicU64::new(0),
            over: AtomicBool::new(false),
        });
        let network = world.network.attach(id);
        world.spawn_outside(live(network, daemons.clone(), ears.clone(), dice.bytes()));
        let nodes = daemons.len();
        Self {
            id,
            dice,
            ears,
            tariff,
            lives: (0..nodes).map(|_| None).collect(),
            asked: vec![0; nodes],
            written: vec![(0, 0); nodes],
            begun: 0,
        }
    }

    /// A daemon's process begins.
    pub(super) fn begins(&mut self, world: &World, n: usize) {
        self.begun += 1;
        if let Some(life) = self.ears.lives.get(&world.id(n)) {
            life.store(self.begun, Ordering::Relaxed);
        }
        let held = world.held(n, self.id.as_bytes(), 0);
        let held = world.held(n, self.id.as_bytes(), held.last);
        self.lives[n] = Some(Life { number: self.begun, since_ms: world.now_ms(), held, events: 0, last: held.last });
    }

    /// What is wrong with what the daemons did for it.
    pub(super) fn audit(&mut self, world: &World) -> Vec<Violation> {
        self.ears.now_ms.store(world.now_ms(), Ordering::Relaxed);
        (0..world.count()).flat_map(|n| self.audit_one(world, n)).collect()
    }

    fn audit_one(&mut self, world: &World, n: usize) -> Vec<Violation> {
        let Some(life) = self.lives[n].as_mut().filter(|_| world.is_running(n)) else { return Vec::new() };
        let held = world.held(n, self.id.as_bytes(), life.last);
        life.events += held.events;
        life.last = held.last;
        let ms = world.now_ms() - life.since_ms + 1;
        let (most, tariff) = (|kind| self.tariff.most(kind, ms), &self.tariff);
        let (asked, (messages, bytes)) = (self.asked[n], self.written[n]);
        let mut wrong = Vec::new();
        let mut bound = |what: &str, is: u64, most: u64| {
            if is > most {
                let what =
                    format!("the account: {what} of the hostile member at {n}: {is} in {ms} ms, not {most} at most");
                wrong.push(Violation::Broken(what));
            }
        };
        let handle = world.handle(n);
        for kind in Kind::ALL {
            let spent = handle.as_ref().map_or(0, |handle| handle.spent(&self.id, kind));
            // Strangers and contacts have purses of their own.
            bound(&format!("{kind:?}"), spent, 2 * tariff.most(kind, ms));
        }
        let rows = held.rows.saturating_sub(life.held.rows);
        // An onion that may write becomes a contact by it, again after each removal.
        bound("rows", rows, most(Kind::Rows) + asked + 20 + ms / 60_000);
        bound("marks", held.marks.saturating_sub(life.held.marks), most(Kind::Notes) + asked + 20 + ms / 60_000);
        // Received and read; lost; changes; up and down of links that it dials and that it is dialled by; requests and their
        // ends; of each message to it four, for what becomes of it; what users do; three notices in ten minutes.
        let links = most(Kind::Links) + 30 + ms / 20_000 + 1;
        let events =
            2 * most(Kind::Rows) + most(Kind::Notes) + most(Kind::States) + 2 * links + 2 * most(Kind::Replaced);
        bound("events", life.events, events + 4 * messages + 8 * asked + 3 * (ms / 600_000 + 2) + 60);
        let heard = self.ears.heard.lock().unwrap_or_else(PoisonError::into_inner);
        let heard = heard.get(&(world.id(n), life.number)).copied().unwrap_or(0);
        bound("bytes said to it", heard, bytes + most(Kind::Resent));
        wrong
    }

    /// How often its account held something up in the daemons that run.
    pub(super) fn held_up(&self, world: &World) -> u64 {
        let count = |n| {
            let status = world.handle(n).map(|handle| handle.status().to_json())?;
            let refused = status["refused"].as_object()?.clone();
            Some(
                refused
                    .iter()
                    .filter(|(key, _)| key.starts_with("account_"))
                    .filter_map(|(_, v)| v.as_u64())
                    .sum::<u64>(),
            )
        };
        (0..world.count()).filter_map(count).sum()
    }
}

impl Storm {
    /// What users do about the member: it is a contact, a former one, a blocked one, and is written to and read.
    pub(super) fn provoke(&mut self) {
        let Some(hostile) = &mut self.hostile else { return };
        let n = hostile.dice.below(self.world.count());
        let (Some(handle), true) = (self.world.handle(n), self.world.is_awake(n)) else { return };
        let peer = hostile.id;
        let change = match hostile.dice.below(16) {
            0..4 => ContactChange::Add(Intro::default()),
            4 => ContactChange::Remove,
            5 => ContactChange::Block,
            6 => ContactChange::Unblock,
            7 => ContactChange::Refuse,
            8 => ContactChange::Appear { hidden: hostile.dice.below(2) == 0 },
            9..14 => {
                let texts = 1 + hostile.dice.below(12);
                let texts: Vec<_> = (0..texts).map(|_| "y".repeat(hostile.dice.below(TEXT))).collect();
                hostile.asked[n] += 1;
                hostile.written[n].0 += texts.len() as u64;
                hostile.written[n].1 += texts.iter().map(|text| text.len() as u64 + 256).sum::<u64>();
                self.world.spawn(n, async move {
                    for text in texts {
                        let _ = handle.send(peer, text).await;
                    }
                });
                return self.world.stir();
            }
            _ => {
                self.world.spawn(n, async move {
                    for _ in 0..50 {
                        let Some(lease) = handle.lease(peer).await else { return };
                        handle.take(lease).await;
                    }
                });
                return self.world.stir();
            }
        };
        hostile.asked[n] += 1;
        self.world.spawn(n, async move { drop(handle.change(peer, change).await) });
        self.world.stir();
    }

    /// The member goes, and nobody has anything to do with it any more.
    pub(super) fn banish(&mut self) {
        let Some(hostile) = &mut self.hostile else { return };
        hostile.ears.over.store(true, Ordering::Relaxed);
        self.outcome.held_up += hostile.held_up(&self.world);
        let peer = hostile.id;
        self.world.network.detach(peer);
        for n in 0..self.world.count() {
            if let Some(handle) = self.world.handle(n) {
                hostile.asked[n] += 1;
                self.world.spawn(n, async move { drop(handle.change(peer, ContactChange::Block).await) });
            }
        }
        self.world.stir();
    }

    pub(super) fn audit_hostile(&mut self) {
        if let Some(hostile) = &mut self.hostile {
            let wrong = hostile.audit(&self.world);
            self.checker.violations.extend(wrong);
        }
    }
}

/// It dials, and is dialled.
async fn live(mut network: Network, daemons: Vec<PeerId>, ears: Arc<Ears>, seed: [u8; 8]) {
    let dice = Randomness::seeded(u64::from_le_bytes(seed));
    let mut links = tokio::task::JoinSet::new();
    while !ears.over.load(Ordering::Relaxed) {
        let pause = [0, 50, 1_000, 20_000][dice.below(4)];
        let pause = Duration::from_millis(1 + dice.below(pause + 1) as u64);
        let seed = u64::from_le_bytes(dice.bytes());
        tokio::select! {
            biased;
            stream = network.incoming.recv() => {
                let Some(stream) = stream else { return };
                links.spawn(talk(stream.stream, None, ears.clone(), seed));
            }
            () = tokio::time::sleep(pause) => {
                let peer = daemons[dice.below(daemons.len())];
                if links.len() >= 6 || ears.words.load(Ordering::Relaxed) > WORDS {
                    continue;
                }
                let (transport, ears) = (network.transport.clone(), ears.clone());
                links.spawn(async move {
                    if let Ok(Ok(stream)) =
                        tokio::time::timeout(Duration::from_secs(20), transport.dial(peer, Isolation::Fresh(Group::CHAT))).await
                    {
                        talk(stream, Some(peer), ears, seed).await;
                    }
                });
            }
            Some(_) = links.join_next() => {}
        }
    }
}

async fn shake_hands(
    stream: &mut BoxStream,
    dialled: Option<PeerId>,
    ears: &Ears,
    dice: &Randomness,
) -> Option<Established> {
    let now_ms = START_MS + i64::try_from(ears.now_ms.load(Ordering::Relaxed)).ok()?;
    let own = identity(SEED, now_ms);
    let (mut handshake, first) = match dialled {
        Some(peer) => Handshake::initiator(&own, peer, Purpose::CHAT, dice.bytes()),
        None => (Handshake::responder(&own, &[Purpose::CHAT], dice.bytes()), Vec::new()),
    };
    stream.write_all(&first).await.ok()?;
    let mut buffer = [0; 2048];
    loop {
        let n = stream.read(&mut buffer).await.ok().filter(|n| *n > 0)?;
        let progress = handshake.receive(&buffer[..n], now_ms.unsigned_abs() / 1_000).ok()?;
        stream.write_all(&progress.write).await.ok()?;
        if progress.done.is_some() {
            return progress.done;
        }
    }
}

/// One link, for as long as it likes or is let.
async fn talk(mut stream: BoxStream, dialled: Option<PeerId>, ears: Arc<Ears>, seed: u64) {
    let dice = Randomness::seeded(seed);
    let shaken = tokio::time::timeout(Duration::from_secs(30), shake_hands(&mut stream, dialled, &ears, &dice)).await;
    let Ok(Some(Established { peer, mut sealer, mut opener, .. })) = shaken else { return };
    let life = ears.lives.get(&peer).map_or(0, |life| life.load(Ordering::Relaxed));
    let speech = Arc::new(Mutex::new(Speech::new(Randomness::seeded(!seed))));
    let (mut reader, mut writer) = tokio::io::split(stream);
    let hear = async {
        let mut buffer = [0; 8 * 1024];
        loop {
            while let Ok(Some(bytes)) = opener.next_message() {
                let Ok(message) = PeerMessage::decode(&bytes) else { return };
                if let PeerMessage::Recv(recv) = &message {
                    let torchat_protocol::message::Body::Text { text } = &recv.body;
                    let mut heard = ears.heard.lock().unwrap_or_else(PoisonError::into_inner);
                    *heard.entry((peer, life)).or_default() += text.len() as u64 + 256;
                }
                speech.lock().unwrap_or_else(PoisonError::into_inner).hears(&message);
            }
            match reader.read(&mut buffer).await {
                Ok(n @ 1..) => opener.push(&buffer[..n]),
                _ => return,
            }
        }
    };
    let say = async {
        for _ in 0..1 + dice.below(6) {
            let mut out = Vec::new();
            let burst = 1 + dice.below([4, 40, 400][dice.below(3)]);
            ears.words.fetch_add(burst as u64, Ordering::Relaxed);
            for word in speech.lock().unwrap_or_else(PoisonError::into_inner).burst(burst) {
                sealer.seal(TYPE_JSON, 0, &word.encode(), &mut out);
            }
            if writer.write_all(&out).await.is_err() {
                return;
            }
            let pause = [0, 300, 3_000, 40_000][dice.below(4)];
            tokio::time::sleep(Duration::from_millis(dice.below(pause + 1) as u64)).await;
        }
    };
    let most = Duration::from_secs(1 + dice.below(300) as u64);
    let _ = tokio::time::timeout(most, async {
        tokio::select! {
            biased;
            () = hear => {}
            () = say => {}
        }
    })
    .await;
}
