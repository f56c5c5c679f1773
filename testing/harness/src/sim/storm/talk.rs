//! What the daemons' clients do.

use super::{Storm, Told};
use crate::sim::disk::Text;
use std::sync::mpsc::Sender;
use std::time::Duration;
use torchat_engine::handle::Handle;
use torchat_protocol::id::PeerId;

impl Storm {
    pub(super) fn send(&mut self, a: usize, b: usize) {
        if self.world.is_awake(a) && !self.checker.is_open(a, b) {
            // A long wait sees messages fail.
            let waits = [0, 0, 0, 0, 0, 0, 600, 40_000];
            let (texts, wait) = (1 + self.die(8), waits[self.die(waits.len())]);
            self.write(a, b, texts, Duration::from_secs(wait));
            if self.die(8) == 0 {
                self.kill(a);
            }
        }
    }

    /// Sends texts, and waits so long for the delivery of the last one.
    pub(super) fn write(&mut self, a: usize, b: usize, texts: usize, wait: Duration) -> Vec<Text> {
        let Some(handle) = self.world.handle(a) else { return Vec::new() };
        let texts: Vec<_> = (0..texts).map(|_| self.checker.issue(a, b)).collect();
        let written = texts.iter().map(|text| (*text, text.written(self.die(self.padding)))).collect();
        self.world.spawn(a, send(handle, self.world.id(b), written, wait, self.tell.clone()));
        self.world.stir();
        texts
    }

    /// One of the last messages is taken back, delivered or not.
    pub(super) fn cancel(&mut self) {
        if self.sent.is_empty() {
            return;
        }
        let (text, mid) = self.sent[self.sent.len() - 1 - self.die(self.sent.len().min(8))];
        if let (true, Some(handle)) = (self.world.is_awake(text.from), self.world.handle(text.from)) {
            let (peer, tell) = (self.world.id(text.to), self.tell.clone());
            self.world.spawn(text.from, async move {
                if let Ok(certain) = handle.cancel(peer, mid).await {
                    // The storm listens as long as it runs.
                    let _ = tell.send(Told::Withdrawn { text, certain });
                }
            });
            self.world.stir();
        }
    }

    pub(super) fn read(&mut self, a: usize, b: usize) {
        if let (true, Some(handle)) = (self.world.is_awake(a), self.world.handle(a)) {
            let (times, keep) = (1 + self.die(10), self.die(4) > 0);
            self.world.spawn(a, read(handle, a, self.world.id(b), times, keep, self.tell.clone()));
            self.world.stir();
        }
    }

    /// A contact is hidden from, or shown to again.
    pub(super) fn appear(&mut self, a: usize, b: usize) {
        let hidden = self.die(2) == 0;
        self.set_hidden(a, b, hidden);
    }

    pub(super) fn set_hidden(&mut self, a: usize, b: usize, hidden: bool) {
        if let (true, Some(handle)) = (self.world.is_awake(a), self.world.handle(a))
            && self.checker.appears(a, b)
        {
            self.say(|| format!("{a} hides from {b}: {hidden}"));
            let (peer, tell) = (self.world.id(b), self.tell.clone());
            self.world.spawn(a, async move {
                let hidden = handle.appear(peer, hidden).await.is_ok().then_some(hidden);
                // The storm listens as long as it runs.
                let _ = tell.send(Told::Appeared { at: a, peer: b, hidden });
            });
            self.world.stir();
        }
    }

    pub(super) fn add(&mut self, a: usize, b: usize) {
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
}

async fn send(handle: Handle, peer: PeerId, texts: Vec<(Text, String)>, wait: Duration, tell: Sender<Told>) {
    let mut last = None;
    for (text, words) in texts {
        let answer = handle.send(peer, words).await;
        // The storm listens as long as it runs.
        let _ = tell.send(Told::Sent { text, answer: answer.clone() });
        if let Ok(mid) = answer {
            last = Some((text, mid));
        }
    }
    if let Some((text, mid)) = last.filter(|_| !wait.is_zero()) {
        let _ = tell.send(Told::Waits(text));
        let end = handle.wait_delivered(peer, mid, wait).await;
        let _ = tell.send(Told::Waited { text, end });
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
