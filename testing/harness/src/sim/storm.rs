//! A storm: random talk, random faults, then calm weather in which everything must settle. All of it follows from a seed.

mod calm;
mod faults;
mod hostile;
mod mood;
mod rooms;
mod talk;

use super::checker::{Checker, Limits, Promises, Violation};
use super::disk::rooms::Said;
use super::disk::{Disk, Text};
use super::world::{World, take_panics};
use hostile::Hostile;
use mood::{Deed, MOODS, Mood, ROOM_MOODS};
pub use rooms::ROOM_SETTLE_LIMIT_MS;
use rooms::Room;
use std::sync::mpsc::{Receiver, Sender, channel};
use torchat_core::policy::Strangers;
use torchat_engine::EngineConfig;
use torchat_engine::handle::{Answer, DeliveryWait, Refusal};
use torchat_protocol::id::MessageId;

/// When everybody is up, connected and has accepted everybody, and clients read, nothing may wait longer than this: one
/// longest pause between two dials of a peer that was heard of within the day (8 min), a dial, and the reading.
pub const SETTLE_LIMIT_MS: u64 = 15 * 60_000;

/// How long a message is tried in the storms in which it can fail, in milliseconds.
const EXPIRY_MS: i64 = 6 * 3_600_000;

/// Who is in a storm beside the daemons, and what they do beside mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Nobody and nothing.
    Plain,
    /// A member that keeps no rule.
    Hostile,
    /// All daemons are members of a room.
    Room,
}

/// What a storm came to.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Broken promises. Empty: none.
    pub violations: Vec<Violation>,
    /// Simulated milliseconds in all.
    pub lasted_ms: u64,
    /// Simulated milliseconds from the last words of everybody to everybody, 20 s after the last fault, until nothing
    /// waited. With copies that alternate, the longest of several.
    pub settled_ms: u64,
    /// Messages that were accepted.
    pub accepted: u64,
    /// Messages that a restored backup of their receiver forgot forever, each under a mark.
    pub marked: u64,
    /// What restored daemons could not know.
    pub limits: Limits,
    /// Messages that failed by their age.
    pub expired: u64,
    /// Daemons that had to say that another copy of them was met, and did.
    pub noticed: u64,
    /// Kills, clean stops, restored backups, swapped copies, freezes, nights, clocks set.
    pub faults: u64,
    /// How often the account of the hostile member held something up. 0 without one.
    pub held_up: u64,
    /// Texts that were accepted in the room.
    pub said: u64,
    /// Simulated milliseconds until nothing waited in the room, as [`Outcome::settled_ms`].
    pub room_settled_ms: u64,
    /// A digest of what stands on all disks at the end.
    pub digest: u64,
}

/// What a client was told.
enum Told {
    Sent { text: Text, answer: Result<MessageId, Refusal> },
    Withdrawn { text: Text, certain: bool },
    Waits(Text),
    Waited { text: Text, end: DeliveryWait },
    Appeared { at: usize, peer: usize, hidden: Option<bool> },
    Added { at: usize, peer: usize },
    Leased { at: usize, text: Option<Text> },
    Taken { at: usize, text: Text },
    Said { said: Said, answer: Result<Answer, Refusal> },
}

struct Storm {
    world: World,
    checker: Checker,
    tell: Sender<Told>,
    told: Receiver<Told>,
    /// Backups: whose, and what its clients had been told.
    backups: Vec<(usize, Disk, Promises)>,
    /// Of each daemon whose copies alternate: the disk that does not run, and what its clients had been told.
    copies: Vec<Option<(Disk, Promises)>>,
    /// Until when a frozen daemon stays so.
    thaw_at: Vec<Option<u64>>,
    /// Until when what a client took may be noted in memory only, because the disk was full.
    unsure_until: Vec<u64>,
    mood: Mood,
    /// What was accepted, to be taken back.
    sent: Vec<(Text, MessageId)>,
    /// Pads texts up to this many bytes.
    padding: usize,
    outcome: Outcome,
    trace: bool,
    hostile: Option<Hostile>,
    room: Option<Room>,
}

/// Runs the storm of a seed. With `trace`, it says on the standard output what happens when.
#[must_use]
pub fn storm(seed: u64, kind: Kind, trace: bool) -> Outcome {
    take_panics();
    let dice = torchat_transport::randomness::Randomness::seeded(!seed);
    let (mood, most, short_lived) = match kind {
        Kind::Room => ROOM_MOODS[dice.below(ROOM_MOODS.len())],
        _ => MOODS[dice.below(MOODS.len())],
    };
    let fewest = if kind == Kind::Room { 3 } else { 2 };
    let count = u8::try_from(fewest + dice.below(most)).unwrap_or(fewest as u8);
    let mut config = EngineConfig::default();
    if dice.below(8) == 0 {
        config.policy.strangers = Strangers::Open;
    }
    if dice.below(8) == 0 {
        // Readers must keep up, or mail waits at its sender.
        config.policy.unread_bytes_per_peer = 10_000;
    }
    let expires = short_lived || dice.below(8) == 0;
    if expires {
        config.policy.expiry_ms = EXPIRY_MS;
    }
    if kind == Kind::Hostile {
        config.policy.tariff = hostile::tariff();
    }
    let (tell, told) = channel();
    let nodes = usize::from(count);
    let mut storm = Storm {
        world: World::new(seed, count, config.clone()),
        checker: Checker::new(nodes, expires),
        tell,
        told,
        backups: Vec::new(),
        copies: (0..nodes).map(|_| None).collect(),
        thaw_at: vec![None; nodes],
        unsure_until: vec![0; nodes],
        mood,
        sent: Vec::new(),
        padding: [20, 400, 4_000][dice.below(3)],
        outcome: Outcome::default(),
        trace,
        hostile: None,
        room: None,
    };
    if kind == Kind::Hostile {
        storm.hostile = Some(Hostile::enter(&storm.world, seed, config.policy.tariff.clone()));
    }
    storm.say(|| format!("{count} daemons, {config:?}, texts of {} bytes", storm.padding));
    storm.begin();
    if kind == Kind::Room {
        storm.open_room();
    }
    for _ in 0..40 + dice.below(40) {
        storm.step();
        if !storm.checker.violations.is_empty() {
            break;
        }
    }
    storm.calm();
    let mut outcome = storm.outcome;
    outcome.limits = storm.checker.limits();
    outcome.violations = storm.checker.violations;
    outcome.lasted_ms = storm.world.now_ms();
    drop(storm.world);
    let panics = take_panics();
    if panics > 0 {
        outcome.violations.push(Violation::Broken(format!("{panics} panics")));
    }
    outcome
}

impl Storm {
    fn say(&self, what: impl FnOnce() -> String) {
        if self.trace {
            println!("{:>9.1} s  {}", self.world.now_ms() as f64 / 1000.0, what());
        }
    }

    fn die(&self, limit: usize) -> usize {
        self.world.dice.below(limit)
    }

    /// Mostly friends, some strangers.
    fn begin(&mut self) {
        for n in 0..self.world.count() {
            self.start(n);
        }
        for a in 0..self.world.count() {
            for b in (0..self.world.count()).filter(|b| *b != a) {
                if self.die(4) > 0 {
                    self.add(a, b);
                }
            }
        }
        self.pass(1_000);
    }

    fn step(&mut self) {
        self.provoke();
        self.talk_in_room();
        let nodes = self.world.count();
        let a = self.die(nodes);
        let b = (a + 1 + self.die(nodes - 1)) % nodes;
        match self.draw() {
            Deed::Send => self.send(a, b),
            Deed::Read => self.read(a, b),
            Deed::Add => self.add(a, b),
            Deed::Cancel => self.cancel(),
            Deed::Appear => self.appear(a, b),
            Deed::Kill => self.kill(a),
            Deed::Stop => self.stop(a),
            Deed::Freeze => self.freeze(a),
            Deed::BackUp | Deed::Swap if !self.may_forget(a) => {}
            Deed::BackUp => self.back_up(a),
            Deed::Restore => self.restore(a),
            Deed::Swap => self.swap(a),
            Deed::Night => self.night(),
            Deed::SetClock => self.set_clock(a),
            Deed::Fill => self.set_full(a),
            Deed::Offline => self.set_offline(a),
            Deed::Cut => self.world.network.cut_between(self.world.id(a), self.world.id(b)),
            Deed::Swallow => self.world.network.swallow(self.world.id(a)),
            Deed::Partition => self.partition(a, b),
            Deed::Weather => self.set_weather(),
            Deed::Audit => self.audit(),
        }
        // Daemons do not stay dead for long, or nothing would happen any more.
        let dead: Vec<_> = (0..nodes).filter(|n| !self.world.is_running(*n)).collect();
        for n in dead {
            if self.die(4) == 0 {
                self.start(n);
            }
        }
        let pause = match self.die(10) {
            0..3 => 0,
            3..6 => self.die(500),
            6..9 => self.die(4_000),
            _ => self.die(60_000),
        };
        self.pass(pause as u64);
        // What is told of a commit that failed is a lie as long as the disk is full, and hardly longer.
        if self.room.is_some() && (0..nodes).any(|n| self.world.is_full(n)) {
            self.audit();
        }
    }

    /// What happens next.
    fn draw(&self) -> Deed {
        let mut left = self.die(self.mood.iter().map(|(_, weight)| weight).sum());
        for (deed, weight) in self.mood {
            match left.checked_sub(*weight) {
                Some(rest) => left = rest,
                None => return *deed,
            }
        }
        Deed::Audit
    }

    fn pass(&mut self, ms: u64) {
        let mut left = ms;
        loop {
            // In parts, so that frozen daemons wake in time.
            let part = left.min(5_000);
            self.world.pass(part, |_| {});
            self.listen();
            self.audit_hostile();
            let now_ms = self.world.now_ms();
            for n in 0..self.thaw_at.len() {
                if self.thaw_at[n].is_some_and(|at| at <= now_ms) {
                    self.thaw(n);
                }
            }
            left -= part;
            if left == 0 {
                return;
            }
        }
    }

    /// Takes down what clients were told.
    fn listen(&mut self) {
        while let Ok(told) = self.told.try_recv() {
            match told {
                Told::Sent { text, answer: Ok(mid) } => {
                    self.say(|| format!("{text} is accepted"));
                    self.outcome.accepted += 1;
                    self.checker.answered(text, true);
                    self.sent.push((text, mid));
                }
                // A stopping daemon answers nothing that it has not accepted, but it may stop between the two.
                Told::Sent { text, answer: Err(Refusal::Stopping | Refusal::Unsure(_)) } => {
                    self.say(|| format!("{text} is unknown"))
                }
                Told::Sent { text, answer: Err(why) } => {
                    self.say(|| format!("{text} is refused: {why}"));
                    self.checker.answered(text, false);
                }
                Told::Withdrawn { text, certain } => {
                    self.say(|| format!("{text} is taken back, certainly: {certain}"));
                    self.checker.withdrawn(text, certain);
                }
                Told::Waits(text) => self.checker.waits(text),
                Told::Waited { text, end } => {
                    self.say(|| format!("{text}: {end:?}"));
                    self.checker.waited(text, matches!(end, DeliveryWait::Failed { .. }));
                    if end == DeliveryWait::Delivered {
                        self.checker.delivered(text, &self.world.image(text.to));
                    }
                }
                Told::Appeared { at, peer, hidden } => self.checker.appeared(at, peer, hidden),
                Told::Added { at, peer } => self.checker.added(at, peer),
                Told::Leased { at, text: Some(text) } => self.checker.leased(at, text),
                Told::Leased { at, text: None } => self.checker.violations.push(Violation::WrongHead(at, None)),
                Told::Said { said, answer } => self.heard_of_said(said, &answer),
                Told::Taken { at, text } => {
                    if self.unsure_until[at] <= self.world.now_ms() && !self.world.is_full(at) {
                        self.checker.taken(at, text);
                    }
                }
            }
        }
        for n in self.world.fallen() {
            self.checker.violations.push(Violation::Broken(format!("the engine of {n} ended by itself")));
        }
    }

    fn audit(&mut self) {
        let images = self.world.images();
        self.checker.audit(&images);
    }
}
