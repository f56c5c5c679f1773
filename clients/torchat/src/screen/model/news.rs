//! How the daemon is: how far Tor is, and why mail waits. None of it is an event; the daemon answers when it has changed.

use super::{Ask, Link, Model, Tor};
use crate::screen::layout;
use torchat_client::api::command::StatusAnswer;

/// Between two answers at least, in milliseconds: while many contacts are dialled there is news all the time.
const PAUSE: i64 = 1_000;
/// After an error, for a daemon that does not answer this at all.
const LONG_PAUSE: i64 = 30_000;

/// What was told and what is asked.
#[derive(Debug, Default)]
pub(super) struct News {
    /// Of the last answer of this daemon.
    version: Option<u64>,
    asked: bool,
    /// Not asked before.
    next: i64,
}

/// Why mail for a peer waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Waiting {
    /// As the daemon said it.
    pub(crate) reason: String,
    /// Milliseconds since 1970.
    pub(crate) next_try: Option<i64>,
}

impl Model {
    /// A daemon is there.
    pub(super) fn begin_news(&mut self) {
        self.news = News { asked: self.news.asked, next: self.now, version: None };
        self.ask_news();
    }

    /// When the daemon is to be asked.
    pub(super) fn next_news(&self) -> Option<i64> {
        (self.link == Link::Up && !self.news.asked).then_some(self.news.next)
    }

    /// Asks if it is time.
    pub(super) fn ask_news(&mut self) {
        if self.next_news().is_some_and(|at| at <= self.now) {
            self.news.asked = true;
            self.ask(Ask::News { version: self.news.version });
        }
    }

    /// The daemon had nothing to say, or is gone.
    pub(super) fn no_news(&mut self) {
        self.news.asked = false;
        self.news.next = self.now + LONG_PAUSE;
    }

    /// What the daemon says of itself.
    pub(super) fn news(&mut self, answer: &StatusAnswer) {
        // The first answer comes at once; the wait for the next one begins with it.
        let pause = if self.news.version.is_some() { PAUSE } else { 0 };
        self.news = News { version: Some(answer.version), asked: false, next: self.now + pause };
        self.ask_news();
        if let Some(tor) = &answer.status.tor {
            self.tor = Some(Tor { usable: tor.usable, sentence: super::one_line(&tor.sentence) });
        }
        for talk in self.talks.values_mut() {
            talk.waiting = None;
        }
        for row in answer.status.reasons.iter().flatten() {
            let Some(talk) = self.talks.get_mut(&row.peer) else { continue };
            let seconds = row.next_try_s.and_then(|s| i64::try_from(s).ok());
            let next_try = seconds.map(|s| self.now.saturating_add(s.saturating_mul(1_000)));
            talk.waiting = Some(Waiting { reason: row.reason.clone(), next_try });
        }
    }

    /// When the reason why the last message waits is to be shown: of one that goes out at once, never.
    pub(super) fn next_reason(&self) -> Option<i64> {
        let waiting = self.talk()?.entries().values().rev().take(50).find(|entry| entry.is_under_way())?;
        let at = waiting.at + layout::REASON_AFTER + 1;
        (at > self.now).then_some(at)
    }
}
