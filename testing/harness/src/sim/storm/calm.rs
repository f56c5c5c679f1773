//! After the storm: everything must settle.

use super::{SETTLE_LIMIT_MS, Storm};
use crate::sim::checker::Violation;
use crate::sim::disk::{Mark, Text};
use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::time::Duration;
use torchat_transport::memory::Weather;

impl Storm {
    /// Everything is mended, everybody accepts everybody, clients read: then nothing may wait.
    pub(super) fn calm(&mut self) {
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
            self.banish();
            for n in 0..nodes {
                for m in (0..nodes).filter(|m| *m != n) {
                    self.add(n, m);
                    self.set_hidden(n, m, false);
                }
            }
        }
        // A daemon that nobody writes to need not connect, and a hole shows with the next connection at the latest.
        self.pass(10_000);
        if self.settle() {
            self.alternate();
        }
        let images = self.world.images();
        let mut hasher = DefaultHasher::new();
        images.hash(&mut hasher);
        self.outcome.digest = hasher.finish();
        self.outcome.marked = images.iter().flat_map(|i| &i.marks).filter_map(Mark::count).sum();
        self.outcome.expired =
            images.iter().flat_map(|i| &i.out).filter(|row| matches!(row.state, 3 | 5)).count() as u64;
    }

    /// Everybody writes to everybody, and all of it arrives. Whether every promise was kept.
    fn settle(&mut self) -> bool {
        let nodes = self.world.count();
        for n in 0..nodes {
            for m in (0..nodes).filter(|m| *m != n) {
                for text in self.write(n, m, 1, Duration::ZERO) {
                    self.checker.urge(text);
                }
            }
        }
        let begun = self.world.now_ms();
        loop {
            self.pass(1_000);
            if !self.checker.violations.is_empty() {
                return false;
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
        self.outcome.settled_ms = self.outcome.settled_ms.max(self.world.now_ms() - begun);
        for n in 0..nodes {
            self.read_all(n);
            self.read_history(n);
        }
        let images = self.world.images();
        self.checker.finish(&images);
        self.checker.violations.is_empty() && self.settle_room()
    }

    /// The copies that do not run are settled too, and then the others again: each has what its clients were told, and
    /// each says that its contacts have met the other one.
    fn alternate(&mut self) {
        for n in (0..self.world.count()).flat_map(|n| [n, n]) {
            if self.copies[n].is_none() {
                continue;
            }
            self.swap(n);
            let images = self.world.images();
            let strange = |m: &usize| images[*m].met.get(&n).is_some_and(|run| !images[n].runs.contains(run));
            let others: Vec<_> =
                (0..images.len()).filter(|m| images[n].contacts.contains_key(m)).filter(strange).collect();
            for m in (0..images.len()).filter(|m| *m != n) {
                self.add(n, m);
                self.set_hidden(n, m, false);
            }
            self.banish();
            self.pass(10_000);
            if !self.settle() {
                return;
            }
            let Some(status) = self.world.handle(n).map(|handle| handle.status().to_json()) else { return };
            let notices = status["notices"].as_array().cloned().unwrap_or_default();
            for m in others {
                let said = |notice: &serde_json::Value| {
                    let words = notice["sentence"].as_str().unwrap_or_default();
                    notice["peer"] == self.world.id(m).onion() && words.contains("another daemon with your identity")
                };
                if notices.iter().any(said) {
                    self.outcome.noticed += 1;
                } else {
                    self.checker.violations.push(Violation::NoNotice(n, m));
                }
            }
        }
    }

    /// HISTORY tells of every message how it ended.
    fn read_history(&mut self, n: usize) {
        let Some(handle) = self.world.handle(n) else { return };
        // The store is read on a thread of its own, and how long that takes is not the seed's. So nothing may be left to
        // do meanwhile, or two runs of one seed differ.
        self.world.run_alone(n, 0, 200);
        let mut told = BTreeMap::new();
        for peer in (0..self.world.count()).filter(|peer| *peer != n) {
            let history = self.world.block_on(n, handle.history(self.world.id(peer), u32::MAX));
            let lines = history.and_then(Result::ok).unwrap_or_default();
            let sent = lines.into_iter().filter(|line| line.dir == "out");
            told.extend(sent.filter_map(|line| Some((Text::read(&line.text)?, line.state))));
        }
        for row in self.world.image(n).out {
            let end = match row.state {
                1 => "delivered",
                2 | 4 => "withdrawn",
                3 | 5 => "failed",
                _ => continue,
            };
            if told.get(&row.text) != Some(&end) {
                self.checker.violations.push(Violation::NotTold(row.text));
            }
        }
    }

    fn waiting(&self) -> u64 {
        let queued =
            |n| self.world.handle(n).map(|h| h.status().to_json()["queue"]["messages"].as_u64().unwrap_or(u64::MAX));
        (0..self.world.count()).filter_map(queued).fold(0, u64::saturating_add)
    }

    fn stuck(&mut self) {
        for n in 0..self.world.count() {
            if let Some(handle) = self.world.handle(n) {
                let status = handle.status().to_json();
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
