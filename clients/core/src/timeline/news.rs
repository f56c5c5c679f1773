//! How the daemon is: how far Tor is, and why mail waits. None of it is an event; STATUS answers when it has changed.

use torchat_protocol::control::api::ConversationId;
use torchat_protocol::control::api::command::{Status, StatusAnswer};
use torchat_protocol::control::reason::Reason;

/// Between two answers at least, in milliseconds: while many contacts are dialled there is news all the time.
const PAUSE_MS: i64 = 1_000;
/// After an error, for a daemon that does not answer this at all.
const LONG_PAUSE_MS: i64 = 30_000;
/// How long the daemon may have no news before it answers all the same, in seconds.
const WAIT_S: u32 = 300;

/// When STATUS is to be asked, and which change it is to wait for.
#[derive(Debug, Clone, Default)]
pub struct News {
    /// Of the last answer of this daemon.
    version: Option<u64>,
    asked: bool,
    /// Not asked before.
    next: i64,
}

/// Why mail for a peer waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// As the daemon said it: for [`crate::reason::words`]. Not harmless.
    pub reason: String,
    /// The same as a code; `None`: the daemon is of a version that gives none.
    pub why: Option<Reason>,
    /// When it is tried next, in milliseconds since 1970.
    pub next_try: Option<i64>,
}

/// The way into the Tor network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tor {
    /// Peers can be dialled.
    pub usable: bool,
    /// In words. It says how far Tor is while it starts. Not harmless.
    pub sentence: String,
    /// Since when peers cannot be dialled, in milliseconds since 1970; `None`: they can, Tor still starts, or it is not known.
    pub since: Option<i64>,
}

impl News {
    /// A daemon is there. `now`: milliseconds since 1970, as in all that follows.
    pub fn connected(&mut self, now: i64) {
        *self = Self { asked: self.asked, next: now, version: None };
    }

    /// When the daemon is to be asked, if it is connected. `None`: an answer is under way.
    #[must_use]
    pub fn due(&self) -> Option<i64> {
        (!self.asked).then_some(self.next)
    }

    /// The question, if it is time. Its answer may take [`News::patience`].
    pub fn ask(&mut self, now: i64) -> Option<Status> {
        self.due().filter(|at| *at <= now)?;
        self.asked = true;
        Some(Self::question(self.version))
    }

    /// STATUS, at once or as soon as it is not this version any more.
    #[must_use]
    pub fn question(version: Option<u64>) -> Status {
        Status { version, wait: version.map(|_| WAIT_S) }
    }

    /// How long an answer may take.
    #[must_use]
    pub fn patience() -> std::time::Duration {
        std::time::Duration::from_secs(u64::from(WAIT_S) + 30)
    }

    /// The daemon did not answer.
    pub fn failed(&mut self, now: i64) {
        self.asked = false;
        self.next = now.saturating_add(LONG_PAUSE_MS);
    }

    /// The daemon has answered.
    pub fn answered(&mut self, answer: &StatusAnswer, now: i64) {
        // The first answer comes at once; the wait for the next one begins with it.
        let pause = if self.version.is_some() { PAUSE_MS } else { 0 };
        *self = Self { version: Some(answer.version), asked: false, next: now.saturating_add(pause) };
    }
}

impl Tor {
    /// What STATUS says of it.
    #[must_use]
    pub fn of(answer: &StatusAnswer) -> Option<Self> {
        let tor = answer.status.tor.as_ref()?;
        // While it starts, the sentence says how far it is.
        let since = tor.since_ms.filter(|_| !tor.usable && tor.percent >= 100);
        Some(Self { usable: tor.usable, sentence: tor.sentence.clone(), since })
    }
}

impl Waiting {
    /// What STATUS says of all peers whose mail waits. `now`: milliseconds since 1970.
    pub fn all(answer: &StatusAnswer, now: i64) -> impl Iterator<Item = (ConversationId, Self)> {
        answer.status.reasons.iter().flatten().map(move |row| {
            let seconds = row.next_try_s.and_then(|s| i64::try_from(s).ok());
            let next_try = seconds.map(|s| now.saturating_add(s.saturating_mul(1_000)));
            (row.peer, Self { reason: row.reason.clone(), why: row.why.clone(), next_try })
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    fn answer(version: u64) -> StatusAnswer {
        // Of another version, which tells nothing that is known here.
        let status = serde_json::from_value(json!({ "a": [1] })).unwrap();
        StatusAnswer { version, sentence: String::new(), status }
    }

    #[test]
    fn it_is_asked_at_once_then_once_a_second_and_seldom_after_an_error() {
        let mut news = News::default();
        news.connected(1_000);
        assert_eq!(news.ask(1_000), Some(Status { version: None, wait: None }));
        assert_eq!((news.due(), news.ask(9_000)), (None, None));
        news.answered(&answer(4), 1_100);
        assert_eq!(news.ask(1_100), Some(Status { version: Some(4), wait: Some(WAIT_S) }));
        news.answered(&answer(5), 1_200);
        assert_eq!((news.ask(2_199), news.ask(2_200).is_some()), (None, true));
        news.failed(3_000);
        assert_eq!(news.due(), Some(3_000 + LONG_PAUSE_MS));
        // Another daemon knows nothing of the versions of the one before it.
        news.connected(4_000);
        assert_eq!(news.ask(4_000).unwrap().version, None);
    }

    #[test]
    fn what_is_not_told_is_left_out() {
        assert_eq!(Tor::of(&answer(1)), None);
        assert_eq!(Waiting::all(&answer(1), 0).count(), 0);
    }
}
