//! A storm: random talk, random faults, then calm weather in which everything must settle. All of it follows from a seed.

use super::checker::{Checker, Promises, Violation};
use super::disk::{Disk, Text};
use super::world::{World, take_panics};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;
use torchat_core::policy::Strangers;
use torchat_engine::EngineConfig;
use torchat_engine::handle::{DeliveryWait, Handle, Refusal};
use torchat_engine::transport::memory::Weather;
use torchat_protocol::id::{MessageId, PeerId};

/// When everybody is up, connected and has accepted everybody, and clients read, nothing may wait longer than this: one
/// longest pause between two dials of a peer that was heard of within the day (8 min), a dial, and the reading.
pub const SETTLE_LIMIT_MS: u64 = 15 * 60_000;

const MINUTE_MS: u64 = 60_000;
const HOUR_MS: i64 = 3_600_000;
/// No clock is set further from the true time than this. Certificates are valid from a day before they are made.
const CLOCK_ERROR_MS: i64 = 10 * HOUR_MS;

/// What a storm came to.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Broken promises. Empty: none.
    pub violations: Vec<Violation>,
    /// Simulated milliseconds in all.
    pub lasted_ms: u64,
    /// Simulated milliseconds from the last words of everybody to everybody, 20 s after the last fault, until nothing
    /// waited.
    pub settled_ms: u64,
    /// Messages that were accepted.
    pub accepted: u64,
    /// Messages that a restored backup of their receiver forgot for ever, each under a mark.
    pub marked: u64,
    /// Messages that were forgotten without a mark, because both ends were restored: see [`Checker::unmarked`].
    pub unmarked: u64,
    /// Messages too many in marks, because they had been taken back: see [`Checker::overcounted`].
    pub overcounted: u64,
    /// Kills, clean stops, restored backups, freezes, clocks set.
    pub faults: u64,
    /// A digest of what stands on all disks at the end.
    pub digest: u64,
}

/// What can happen in a storm.
#[derive(Debug, Clone, Copy)]
enum Deed {
    Send,
    Cancel,
    Read,
    Add,
    Kill,
    Stop,
    Freeze,
    BackUp,
    Restore,
    SetClock,
    Fill,
    Offline,
    Cut,
    Swallow,
    Partition,
    Weather,
    Audit,
}

type Mood = &'static [(Deed, usize)];

/// Everything at once: finds what comes of one fault meeting another.
const ANYTHING: Mood = &[
    (Deed::Send, 34),
    (Deed::Cancel, 6),
    (Deed::Read, 10),
    (Deed::Add, 3),
    (Deed::Kill, 7),
    (Deed::Stop, 3),
    (Deed::Freeze, 6),
    (Deed::BackUp, 5),
    (Deed::Restore, 4),
    (Deed::SetClock, 4),
    (Deed::Fill, 4),
    (Deed::Offline, 4),
    (Deed::Cut, 3),
    (Deed::Swallow, 2),
    (Deed::Partition, 4),
    (Deed::Weather, 4),
    (Deed::Audit, 3),
];
/// Backups of a few daemons that talk much: with everything at once, a restored sender rarely writes over the numbers
/// that its receiver knows already (found when the chain digest was left out and 2 storms of 220 noticed).
const BACKUPS: Mood = &[
    (Deed::Send, 50),
    (Deed::Cancel, 4),
    (Deed::Read, 5),
    (Deed::Kill, 3),
    (Deed::BackUp, 12),
    (Deed::Restore, 15),
    (Deed::Cut, 4),
    (Deed::Partition, 3),
    (Deed::Offline, 4),
    (Deed::Weather, 2),
    (Deed::Audit, 2),
];
/// Links that are lost at every byte, and daemons that die meanwhile.
const LINKS: Mood = &[
    (Deed::Send, 45),
    (Deed::Cancel, 4),
    (Deed::Read, 5),
    (Deed::Kill, 6),
    (Deed::Freeze, 3),
    (Deed::Cut, 12),
    (Deed::Swallow, 5),
    (Deed::Offline, 5),
    (Deed::Partition, 5),
    (Deed::Weather, 12),
    (Deed::Audit, 2),
];

/// What a client was told.
enum Told {
    Sent { text: Text, answer: Result<MessageId, Refusal> },
    Withdrawn(Text),
    Delivered(Text),
    Added { at: usize, peer: usize },
    Leased { at: usize, text: Option<Text> },
    Taken { at: usize, text: Text },
}

struct Storm {
    world: World,
    checker: Checker,
    tell: Sender<Told>,
    told: Receiver<Told>,
    /// Backups: whose, and what its clients had been told.
    backups: Vec<(usize, Disk, Promises)>,
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
}

/// Runs the storm of a seed. With `trace`, it says on the standard output what happens when.
#[must_use]
pub fn storm(seed: u64, trace: bool) -> Outcome {
    take_panics();
    let dice = torchat_engine::clock::Randomness::seeded(!seed);
    let (mood, most) = [(ANYTHING, 4), (ANYTHING, 4), (BACKUPS, 2), (LINKS, 2)][dice.below(4)];
    let count = u8::try_from(2 + dice.below(most)).unwrap_or(2);
    let mut config = EngineConfig::default();
    if dice.below(8) == 0 {
        config.policy.strangers = Strangers::Open;
    }
    if dice.below(8) == 0 {
        // Readers must keep up, or mail waits at its sender.
        config.policy.unread_bytes_per_peer = 10_000;
    }
    let (tell, told) = channel();
    let nodes = usize::from(count);
    let mut storm = Storm {
        world: World::new(seed, count, config.clone()),
        checker: Checker::new(nodes),
        tell,
        told,
        backups: Vec::new(),
        thaw_at: vec![None; nodes],
        unsure_until: vec![0; nodes],
        mood,
        sent: Vec::new(),
        padding: [20, 400, 4_000][dice.below(3)],
        outcome: Outcome::default(),
        trace,
    };
    storm.say(|| format!("{count} daemons, {config:?}, texts of {} bytes", storm.padding));
    storm.begin();
    for _ in 0..40 + dice.below(40) {
        storm.step();
        if !storm.checker.violations.is_empty() {
            break;
        }
    }
    storm.calm();
    let mut outcome = storm.outcome;
    outcome.violations = storm.checker.violations;
    outcome.unmarked = storm.checker.unmarked;
    outcome.overcounted = storm.checker.overcounted.len() as u64;
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
            self.world.start(n);
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
        let nodes = self.world.count();
        let a = self.die(nodes);
        let b = (a + 1 + self.die(nodes - 1)) % nodes;
        match self.draw() {
            Deed::Send => self.send(a, b),
            Deed::Read => self.read(a, b),
            Deed::Add => self.add(a, b),
            Deed::Cancel => self.cancel(),
            Deed::Kill => self.kill(a),
            Deed::Stop => self.stop(a),
            Deed::Freeze => self.freeze(a),
            Deed::BackUp => self.back_up(a),
            Deed::Restore => self.restore(a),
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
                Told::Sent { text, answer: Err(Refusal::Stopping) } => self.say(|| format!("{text} is unknown")),
                Told::Sent { text, answer: Err(why) } => {
                    self.say(|| format!("{text} is refused: {why}"));
                    self.checker.answered(text, false);
                }
                Told::Withdrawn(text) => {
                    self.say(|| format!("{text} is taken back"));
                    self.checker.withdrawn(text);
                }
                Told::Delivered(text) => self.checker.delivered(text, &self.world.image(text.to)),
                Told::Added { at, peer } => self.checker.added(at, peer),
                Told::Leased { at, text: Some(text) } => self.checker.leased(at, text),
                Told::Leased { at, text: None } => self.checker.violations.push(Violation::WrongHead(at, None)),
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

    fn send(&mut self, a: usize, b: usize) {
        if self.world.is_awake(a) && !self.checker.is_open(a, b) {
            let (texts, wait) = (1 + self.die(8), self.die(4) == 0);
            self.write(a, b, texts, wait);
            if self.die(8) == 0 {
                self.kill(a);
            }
        }
    }

    fn write(&mut self, a: usize, b: usize, texts: usize, wait: bool) {
        let Some(handle) = self.world.handle(a) else { return };
        let texts: Vec<_> = (0..texts).map(|_| self.checker.issue(a, b)).collect();
        let texts = texts.into_iter().map(|text| (text, text.written(self.die(self.padding)))).collect();
        self.world.spawn(a, send(handle, self.world.id(b), texts, wait, self.tell.clone()));
        self.world.stir();
    }

    /// One of the last messages is taken back, delivered or not.
    fn cancel(&mut self) {
        if self.sent.is_empty() {
            return;
        }
        let (text, mid) = self.sent[self.sent.len() - 1 - self.die(self.sent.len().min(8))];
        if let (true, Some(handle)) = (self.world.is_awake(text.from), self.world.handle(text.from)) {
            let (peer, tell) = (self.world.id(text.to), self.tell.clone());
            self.world.spawn(text.from, async move {
                if handle.cancel(peer, mid).await == Ok(true) {
                    // The storm listens as long as it runs.
                    let _ = tell.send(Told::Withdrawn(text));
                }
            });
            self.world.stir();
        }
    }

    fn read(&mut self, a: usize, b: usize) {
        if let (true, Some(handle)) = (self.world.is_awake(a), self.world.handle(a)) {
            let (times, keep) = (1 + self.die(10), self.die(4) > 0);
            self.world.spawn(a, read(handle, a, self.world.id(b), times, keep, self.tell.clone()));
            self.world.stir();
        }
    }

    fn add(&mut self, a: usize, b: usize) {
        if let (true, Some(handle)) = (self.world.is_awake(a), self.world.handle(a)) {
            let (peer, tell) = (self.world.id(b), self.tell.clone());
            self.world.spawn(a, async move {
                if handle.add(peer).await.is_ok() {
                    // The storm listens as long as it runs.
                    let _ = tell.send(Told::Added { at: a, peer: b });
                }
            });
            self.world.stir();
        }
    }

    fn start(&mut self, n: usize) {
        if !self.world.is_running(n) {
            self.say(|| format!("start {n}"));
            self.world.start(n);
            self.world.stir();
        }
    }

    /// At any point of any turn.
    fn kill(&mut self, n: usize) {
        if !self.world.is_running(n) {
            return;
        }
        let (ms, yields, silent) = (self.die(4), self.die(12), self.die(3) == 0);
        self.say(|| format!("kill {n} after {ms} ms and {yields} yields, silent: {silent}"));
        self.world.run_alone(n, ms as u64, yields);
        self.world.kill(n, silent);
        self.thaw_at[n] = None;
        self.outcome.faults += 1;
        self.bury(n);
    }

    fn stop(&mut self, n: usize) {
        if self.world.is_running(n) {
            self.say(|| format!("stop {n}"));
            self.listen();
            // A daemon that stops may answer a reader before the reading is written: at least once, not exactly once.
            self.unsure_until[n] = self.world.now_ms() + 1;
            self.world.stop(n);
            self.thaw_at[n] = None;
            self.outcome.faults += 1;
            self.bury(n);
        }
    }

    /// What a dead daemon's clients were told before is all that they will ever be told.
    fn bury(&mut self, n: usize) {
        self.listen();
        self.checker.died(n);
        self.audit();
    }

    fn freeze(&mut self, n: usize) {
        if !self.world.is_awake(n) {
            return;
        }
        let ms = match self.die(12) {
            0 => MINUTE_MS + self.die(120 * 60_000) as u64,
            1..6 => self.die(240_000) as u64,
            _ => self.die(30_000) as u64,
        };
        self.say(|| format!("freeze {n} for {ms} ms"));
        self.world.freeze(n);
        self.thaw_at[n] = Some(self.world.now_ms() + ms);
        self.outcome.faults += 1;
        // The network does not wait for it.
        if self.die(3) == 0 {
            self.world.network.swallow(self.world.id(n));
        }
        if ms > 5 * MINUTE_MS {
            // Nobody does anything meanwhile: the long sleep is not cut short by the storm's end.
            self.pass(ms);
        }
    }

    fn thaw(&mut self, n: usize) {
        self.say(|| format!("thaw {n}"));
        self.thaw_at[n] = None;
        self.world.thaw(n);
        self.world.stir();
    }

    /// A copy is made while the daemon runs, in whatever it is doing.
    fn back_up(&mut self, n: usize) {
        self.say(|| format!("back up {n}"));
        self.listen();
        self.backups.push((n, self.world.backup(n), self.checker.backup(n)));
    }

    fn restore(&mut self, n: usize) {
        let of_it: Vec<_> = (0..self.backups.len()).filter(|i| self.backups[*i].0 == n).collect();
        if of_it.is_empty() {
            return;
        }
        let which = of_it[self.die(of_it.len())];
        if self.world.is_running(n) {
            self.kill(n);
        } else {
            self.audit();
        }
        self.say(|| format!("restore {n} from backup {which}"));
        let (_, disk, promises) = &self.backups[which];
        self.world.restore(n, disk);
        self.checker.restore(n, promises.clone());
        self.outcome.faults += 1;
        self.start(n);
    }

    /// Forwards or backwards by hours, while the daemon does not run.
    fn set_clock(&mut self, n: usize) {
        let by_ms = self.die(16 * 3_600_000) as i64 - 8 * HOUR_MS;
        if (self.world.clock_error_ms(n) + by_ms).abs() > CLOCK_ERROR_MS {
            return;
        }
        let running = self.world.is_running(n);
        if running {
            self.kill(n);
        }
        self.say(|| format!("the clock of {n} is set by {by_ms} ms"));
        self.world.set_clock(n, by_ms);
        self.outcome.faults += 1;
        if running {
            self.start(n);
        }
    }

    fn set_full(&mut self, n: usize) {
        let full = !self.world.is_full(n);
        self.say(|| format!("the disk of {n} is full: {full}"));
        self.world.set_full(n, full);
        // A failed store is tried again every 5 s, and what was read meanwhile is written then.
        self.unsure_until[n] = self.world.now_ms() + 20_000;
    }

    fn partition(&mut self, a: usize, b: usize) {
        let apart = self.die(2) == 0;
        self.say(|| format!("{a} and {b} apart: {apart}"));
        self.world.network.partition(self.world.id(a), self.world.id(b), apart);
    }

    fn set_offline(&mut self, n: usize) {
        let offline = self.die(2) == 0;
        self.say(|| format!("{n} is offline: {offline}"));
        self.world.network.set_offline(self.world.id(n), offline);
    }

    fn set_weather(&mut self) {
        let weather = Weather {
            delay_ms: [0, 300, 3_000][self.die(3)],
            dial_ms: [100, 2_000, 12_000][self.die(3)],
            dial_fails_one_in: [0, 0, 3][self.die(3)],
            cut_one_in: [0, 1, 3][self.die(3)],
            // A handshake and the first words are some 1,700 bytes.
            cut_within_bytes: [1_800, 3_000, 40_000][self.die(3)],
        };
        self.say(|| format!("{weather:?}"));
        self.world.network.set_weather(weather);
    }

    /// Everything is mended, everybody accepts everybody, clients read: then nothing may wait.
    fn calm(&mut self) {
        let nodes = self.world.count();
        self.say(|| "calm".to_owned());
        self.world.network.set_weather(Weather::default());
        for n in 0..nodes {
            self.world.network.set_offline(self.world.id(n), false);
            self.world.set_full(n, false);
            self.unsure_until[n] = self.world.now_ms() + 20_000;
            self.thaw(n);
            self.start(n);
            for m in 0..nodes {
                self.world.network.partition(self.world.id(n), self.world.id(m), false);
            }
        }
        // The store that was full takes contacts again after its next try.
        for pause in [0, 10_000] {
            self.pass(pause);
            for n in 0..nodes {
                for m in (0..nodes).filter(|m| *m != n) {
                    self.add(n, m);
                }
            }
        }
        // A daemon that nobody writes to need not connect, and a hole shows with the next connection at the latest.
        self.pass(10_000);
        for n in 0..nodes {
            for m in (0..nodes).filter(|m| *m != n) {
                self.write(n, m, 1, false);
            }
        }
        let begun = self.world.now_ms();
        loop {
            self.pass(1_000);
            if !self.checker.violations.is_empty() {
                return;
            }
            if self.waiting() == 0 {
                break;
            }
            if self.world.now_ms() - begun > SETTLE_LIMIT_MS {
                self.stuck();
                break;
            }
            for n in 0..nodes {
                self.read_all(n);
            }
        }
        self.outcome.settled_ms = self.world.now_ms() - begun;
        for n in 0..nodes {
            self.read_all(n);
        }
        let images = self.world.images();
        self.checker.finish(&images);
        let mut hasher = DefaultHasher::new();
        images.hash(&mut hasher);
        self.outcome.digest = hasher.finish();
        self.outcome.marked = images.iter().flat_map(|i| &i.marks).filter_map(super::disk::Mark::count).sum();
    }

    fn waiting(&self) -> u64 {
        let queued = |n| self.world.handle(n).map(|h| h.status()["queue"]["messages"].as_u64().unwrap_or(u64::MAX));
        (0..self.world.count()).filter_map(queued).fold(0, u64::saturating_add)
    }

    fn stuck(&mut self) {
        for n in 0..self.world.count() {
            if let Some(handle) = self.world.handle(n) {
                let status = handle.status();
                if status["queue"]["messages"] != 0 {
                    let what = format!("after {SETTLE_LIMIT_MS} ms {n} still waits: {status}");
                    self.checker.violations.push(Violation::Stuck(what));
                }
            }
        }
    }

    /// A client of `n` reads everything, and gets exactly what is unread on the disk, oldest first.
    fn read_all(&mut self, n: usize) {
        let Some(handle) = self.world.handle(n) else { return };
        for peer in 0..self.world.count() {
            let unread: Vec<_> =
                self.world.image(n).received.iter().filter(|r| r.peer == peer && !r.read).map(|r| r.text).collect();
            if unread.is_empty() {
                continue;
            }
            let id = self.world.id(peer);
            let mut given = Vec::new();
            for _ in 0..unread.len() {
                let lease = self.world.block_on(n, handle.lease(id)).flatten();
                let Some(lease) = lease else { break };
                given.extend(Text::read(&lease.text));
                self.world.block_on(n, handle.take(lease));
            }
            for (at, text) in unread.iter().enumerate() {
                if given.get(at) != Some(text) {
                    self.checker.violations.push(Violation::WrongHead(n, Some(*text)));
                    return;
                }
            }
        }
    }
}

async fn send(handle: Handle, peer: PeerId, texts: Vec<(Text, String)>, wait: bool, tell: Sender<Told>) {
    let mut last = None;
    for (text, words) in texts {
        let answer = handle.send(peer, words).await;
        // The storm listens as long as it runs.
        let _ = tell.send(Told::Sent { text, answer: answer.clone() });
        if let Ok(mid) = answer {
            last = Some((text, mid));
        }
    }
    if let (true, Some((text, mid))) = (wait, last)
        && handle.wait_delivered(peer, mid, Duration::from_secs(600)).await == DeliveryWait::Delivered
    {
        let _ = tell.send(Told::Delivered(text));
    }
}

async fn read(handle: Handle, at: usize, peer: PeerId, times: usize, keep: bool, tell: Sender<Told>) {
    for _ in 0..times {
        let Some(lease) = handle.lease(peer).await else { return };
        let text = Text::read(&lease.text);
        let _ = tell.send(Told::Leased { at, text });
        if !keep {
            handle.put_back(lease);
            return;
        }
        handle.take(lease).await;
        if let Some(text) = text {
            let _ = tell.send(Told::Taken { at, text });
        }
    }
}
