//! What happens to the daemons, their disks, their clocks and the network.

use super::Storm;
use crate::sim::world::Pause;
use torchat_transport::memory::Weather;

const MINUTE_MS: u64 = 60_000;
const HOUR_MS: i64 = 3_600_000;
/// No clock is set further from the true time than this. Certificates are valid from a day before they are made.
const CLOCK_ERROR_MS: i64 = 10 * HOUR_MS;

impl Storm {
    pub(super) fn start(&mut self, n: usize) {
        if !self.world.is_running(n) {
            self.say(|| format!("start {n}"));
            self.world.start(n);
            if let Some(hostile) = &mut self.hostile {
                hostile.begins(&self.world, n);
            }
            self.world.stir();
        }
    }

    /// At any point of any turn.
    pub(super) fn kill(&mut self, n: usize) {
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

    pub(super) fn stop(&mut self, n: usize) {
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

    pub(super) fn freeze(&mut self, n: usize) {
        if !self.world.is_awake(n) {
            return;
        }
        let ms = match self.die(12) {
            0 => MINUTE_MS + self.die(120 * 60_000) as u64,
            1..6 => self.die(240_000) as u64,
            _ => self.die(30_000) as u64,
        };
        let pause = if self.die(2) == 0 { Pause::Stopped } else { Pause::Suspended };
        self.say(|| format!("freeze {n} for {ms} ms, {pause:?}"));
        self.world.freeze(n, pause);
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

    pub(super) fn thaw(&mut self, n: usize) {
        self.say(|| format!("thaw {n}"));
        self.thaw_at[n] = None;
        self.world.thaw(n);
        self.world.stir();
    }

    /// A copy is made while the daemon runs, in whatever it is doing.
    pub(super) fn back_up(&mut self, n: usize) {
        self.say(|| format!("back up {n}"));
        self.listen();
        self.backups.push((n, self.world.backup(n), self.checker.backup(n)));
    }

    pub(super) fn restore(&mut self, n: usize) {
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
        drop(self.world.swap(n, disk.copy()));
        self.checker.restore(n, promises.clone());
        self.outcome.faults += 1;
        self.start(n);
    }

    /// The daemon ends, and another copy of its data directory goes on. The first time, that copy is made.
    pub(super) fn swap(&mut self, n: usize) {
        if !self.world.is_running(n) {
            self.audit();
        } else if self.die(2) == 0 {
            self.stop(n);
        } else {
            self.kill(n);
        }
        let old = self.checker.backup(n);
        let other = self.copies[n].take();
        let (disk, promises) = other.unwrap_or_else(|| (self.world.backup(n), old.clone()));
        self.say(|| format!("the other copy of {n}"));
        self.copies[n] = Some((self.world.swap(n, disk), old));
        self.checker.restore(n, promises);
        self.outcome.faults += 1;
        self.start(n);
    }

    /// Everybody's machine sleeps for hours. Mostly time enough passes then for old messages to fail: a daemon does not
    /// believe its clock before ten minutes.
    pub(super) fn night(&mut self) {
        let ms = MINUTE_MS + self.die(600 * 60_000) as u64;
        self.say(|| format!("a night of {ms} ms"));
        self.world.night(ms);
        self.outcome.faults += 1;
        if self.die(4) > 0 {
            self.pass(11 * MINUTE_MS + self.die(300_000) as u64);
        }
    }

    /// Forwards or backwards by hours, while the daemon runs or not.
    pub(super) fn set_clock(&mut self, n: usize) {
        let by_ms = self.die(16 * 3_600_000) as i64 - 8 * HOUR_MS;
        if (self.world.clock_error_ms(n) + by_ms).abs() > CLOCK_ERROR_MS {
            return;
        }
        let restart = self.world.is_running(n) && self.die(2) == 0;
        if restart {
            self.kill(n);
        }
        self.say(|| format!("the clock of {n} is set by {by_ms} ms"));
        self.world.set_clock(n, by_ms);
        self.outcome.faults += 1;
        if restart {
            self.start(n);
        }
    }

    pub(super) fn set_full(&mut self, n: usize) {
        let full = !self.world.is_full(n);
        self.say(|| format!("the disk of {n} is full: {full}"));
        self.world.set_full(n, full);
        // A failed store is tried again every 5 s, and what was read meanwhile is written then.
        self.unsure_until[n] = self.world.now_ms() + 20_000;
    }

    pub(super) fn partition(&mut self, a: usize, b: usize) {
        let apart = self.die(2) == 0;
        self.say(|| format!("{a} and {b} apart: {apart}"));
        self.world.network.partition(self.world.id(a), self.world.id(b), apart);
    }

    pub(super) fn set_offline(&mut self, n: usize) {
        let offline = self.die(2) == 0;
        self.say(|| format!("{n} is offline: {offline}"));
        self.world.network.set_offline(self.world.id(n), offline);
    }

    pub(super) fn set_weather(&mut self) {
        let weather = Weather {
            delay_ms: [0, 300, 3_000][self.die(3)],
            dial_ms: [100, 2_000, 12_000][self.die(3)],
            dial_fails_one_in: [0, 0, 3][self.die(3)],
            cut_one_in: [0, 1, 3][self.die(3)],
            // A handshake and the first words are some 1,700 bytes.
            cut_within_bytes: [1_800, 3_000, 40_000][self.die(3)],
            bytes_per_s: 0,
        };
        self.say(|| format!("{weather:?}"));
        self.world.network.set_weather(weather);
    }
}
