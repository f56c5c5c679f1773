//! What the bar above the input tells: the way into Tor, what is new in other conversations, the time.

use super::{Focus, Link, Model, Open, one_line};
use torchat_client::api::ConversationId;
use torchat_client::api::record::Notify;
use torchat_client::timeline::{Timeline, Tor};

const MINUTE: i64 = 60_000;

/// How it stands with Tor, as far as it is worth a sign.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TorSign {
    /// It starts, and was not usable in this run of the screen.
    Starts,
    /// It is not usable since then, in milliseconds since 1970.
    Down { since: i64 },
}

impl Model {
    /// A sign that is there as long as Tor cannot be used. While the daemon is away nobody knows.
    pub(crate) fn tor_sign(&self) -> Option<TorSign> {
        self.tor.as_ref().filter(|tor| !tor.usable && self.link == Link::Up)?;
        Some(match self.tor_down_since {
            Some(since) => TorSign::Down { since },
            None => TorSign::Starts,
        })
    }

    /// What the daemon says of Tor.
    pub(super) fn tor_is(&mut self, tor: Tor) {
        // An event does not say since when; STATUS, which follows it, does.
        let now = self.tor.as_ref().is_some_and(|before| before.usable).then_some(self.now);
        self.tor_down_since = if tor.usable { None } else { tor.since.or(self.tor_down_since).or(now) };
        self.tor = Some(Tor { sentence: one_line(&tor.sentence), ..tor });
    }

    /// Conversations with something unread that is not on the screen, in the order of the list, and how much. A muted one counts only
    /// with a highlight word, as for Alt+A.
    pub(crate) fn active_elsewhere(&self) -> impl Iterator<Item = (ConversationId, u64)> {
        let open = self.overlay.is_none() && (self.is_wide() || self.focus != Focus::List);
        let here = move |peer: ConversationId| open && self.open == Open::Conversation(peer);
        let unread = |peer: ConversationId| self.list.get(peer).map_or(0, Timeline::unread);
        let counts = |peer: &ConversationId| self.list.get(*peer).is_some_and(|timeline| self.is_active(timeline));
        let all = self.list.order().iter().filter(move |peer| !here(**peer) && counts(peer));
        all.map(move |peer| (*peer, unread(*peer))).filter(|(_, count)| *count > 0)
    }

    /// Whether what is unread of a conversation counts as activity: not where it is muted, or a room of which the user wants to know
    /// nothing, unless they are mentioned there.
    pub(super) fn is_active(&self, timeline: &Timeline) -> bool {
        let id = timeline.id();
        let is_quiet = timeline.room().is_some_and(|side| side.room().notify == Notify::None);
        self.is_mentioned(id) || !self.is_muted(id) && !is_quiet
    }

    /// When the clock, and the age of what it stands beside, is to be drawn again.
    pub(super) fn next_minute(&self) -> i64 {
        (self.now.div_euclid(MINUTE) + 1) * MINUTE
    }
}
