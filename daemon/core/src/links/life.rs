//! Signs of life: who is silent is asked, who does not answer is closed, and a contact that must not see us has its end.

use super::{Link, Links, Phase};
use crate::effect::{Effect, LinkEffect};
use crate::input::LinkId;
use crate::policy::Policy;
use crate::time::Now;
use crate::turn::Context;
use torchat_protocol::id::PeerId;
use torchat_protocol::message::{ByeReason, Nonce, PeerMessage};

/// The greatest random part of the idle ping.
pub(super) const JITTER_MS: u64 = 14_000;
/// Who takes something long says so this often. It must be well below [`crate::policy::Liveness::active_ms`], because what is
/// said on a slow line comes late.
const TAKING_MS: u64 = 5_000;
/// How long the longest text is on its way at 1 kB/s, and something.
const LONG_MS: u64 = 75_000;
/// The PONG that answers nothing. Questions have greater numbers.
const UNASKED: u64 = 0;
/// What an answer is waited for longer if it must wait until the peer has taken as many bytes as this: a line carries 1 kB/s at
/// least. Only for peers that do not show life meanwhile, and never for more than one message: each of those is acknowledged.
const LEAST_BYTES_PER_MS: u64 = 1;

#[derive(Debug, Clone, Copy)]
pub(super) struct Ping {
    n: u64,
    asked_at: u64,
    until: u64,
}

/// What others know of a link.
#[derive(Debug, Clone, Copy)]
pub(crate) struct About {
    /// The peer is no contact.
    pub(crate) stranger: bool,
    /// The peer sees us only while there is something to deliver.
    pub(crate) hidden: bool,
    /// We owe it messages. Told only of a hidden peer; nobody asks it of others.
    pub(crate) owes: bool,
    /// The peer has stated its lanes on this link. Told only of a hidden peer, too.
    pub(crate) said_hello: bool,
    /// A message that went out on this link is not acknowledged, or a contact request on it is not answered.
    pub(crate) waits_for_answer: bool,
}

impl Link {
    /// Asks for a sign of life until then; returns the question's number, from 1 on.
    fn ask(&mut self, now: Now, until: u64) -> u64 {
        self.pings += 1;
        self.ping = Some(Ping { n: self.pings, asked_at: now.mono_ms, until });
        self.pings
    }

    /// When the next thing is to be done about this link.
    fn deadline(&self, policy: &Policy, about: About) -> u64 {
        if !self.is_open() {
            return u64::MAX;
        }
        let stranger = if about.stranger { self.since + policy.stranger_link_ms } else { u64::MAX };
        let hidden = self.hidden_until(policy, about).unwrap_or(u64::MAX);
        let life = match self.ping {
            Some(ping) => ping.until,
            None if about.waits_for_answer => self.last_heard + policy.liveness.active_ms,
            None => self.last_heard + policy.liveness.idle_ms + self.jitter,
        };
        life.min(stranger).min(hidden)
    }

    /// When a link to a contact that must not see us is to be closed. Not before the peer has said what it has, and not
    /// while we owe it something: a link that is closed at once would deliver nothing. But a peer that is silent about it, or
    /// talks on, does not keep the link: only what we owe, and what it delivers, does.
    fn hidden_until(&self, policy: &Policy, about: About) -> Option<u64> {
        if !about.hidden || about.owes || !self.is_open() {
            return None;
        }
        // One long text may be on its way over a slow line.
        let long = if self.taking.is_some() { LONG_MS } else { 0 };
        let end = self.idle_since.map(|since| since.max(self.stored) + policy.liveness.hidden_end_ms + long);
        let polite = about.said_hello.then(|| self.busy + policy.liveness.hidden_ms);
        end.into_iter().chain(polite).min()
    }
}

impl Links {
    /// Bytes came that are no message yet. They are a sign of life; and a peer that says something long hears nothing for as long
    /// as that takes, so it is shown one now and then. A PONG that was not asked for is the smallest that every peer takes, also
    /// one that knows nothing of this. (A new kind of frame was rejected: it would help with new peers only.)
    pub(crate) fn bytes_came(&mut self, ctx: &mut Context<'_>, id: LinkId, unfinished: bool) {
        let Some(link) = self.links.get_mut(&id) else { return };
        let now = ctx.now.mono_ms;
        link.last_heard = now;
        if !unfinished || !link.is_open() {
            return;
        }
        // A contact that must not see us is not left in the middle of its text.
        link.busy = now;
        let since = *link.taking.get_or_insert(now);
        if now.saturating_sub(since) >= TAKING_MS {
            link.taking = Some(now);
            ctx.say(id, PeerMessage::Pong(Nonce { n: UNASKED }));
        }
    }

    /// Something is said that is to be answered: a link to a contact that must not see us lasts until the answer can have come.
    pub(crate) fn note_busy(&mut self, now: Now, id: LinkId) {
        if let Some(link) = self.links.get_mut(&id) {
            link.busy = now.mono_ms;
        }
    }

    /// Whether the peer shows life while it takes something long.
    pub(crate) fn shows_life(&mut self, id: LinkId, shows: bool) {
        if let Some(link) = self.links.get_mut(&id) {
            link.shows_life = shows;
        }
    }

    /// The peer sees us always from now on.
    pub(crate) fn unhide(&mut self, peer: &PeerId) {
        for id in self.by_peer.get(peer).into_iter().flatten() {
            if let Some(link) = self.links.get_mut(id) {
                link.idle_since = None;
            }
        }
    }

    /// Asks for an answer within the usual time; returns the question's number.
    pub(crate) fn ask(&mut self, ctx: &mut Context<'_>, id: LinkId) -> Option<u64> {
        let until = ctx.now.mono_ms + ctx.policy.liveness.answer_ms;
        let n = self.links.get_mut(&id)?.ask(ctx.now, until);
        ctx.say(id, PeerMessage::Ping(Nonce { n }));
        Some(n)
    }

    /// Asks on every link: a peer that answers is still there.
    pub(crate) fn ask_all(&mut self, ctx: &mut Context<'_>) {
        let until = ctx.now.mono_ms + ctx.policy.liveness.answer_ms;
        for (id, link) in self.links.iter_mut().filter(|(_, link)| link.is_open()) {
            let n = link.ask(ctx.now, until);
            ctx.say(*id, PeerMessage::Ping(Nonce { n }));
        }
    }

    pub(crate) fn pong(&mut self, id: LinkId, n: u64) {
        if let Some(link) = self.links.get_mut(&id).filter(|link| link.ping.is_some_and(|ping| ping.n == n)) {
            link.ping = None;
        }
    }

    /// When the next link is to be looked at.
    pub(crate) fn deadline(&self, policy: &Policy, about: impl Fn(LinkId, &PeerId) -> About) -> Option<u64> {
        let due = |(id, link): (&LinkId, &Link)| {
            if link.is_open() { link.deadline(policy, about(*id, &link.peer)) } else { u64::MAX }
        };
        self.links.iter().map(due).min()
    }

    /// Whether a contact that must not see us is idle; `None` of all others. Only those with a link are asked for: thousands may be
    /// away.
    pub(crate) fn note_idle(&mut self, now: Now, is_idle: impl Fn(&PeerId) -> Option<bool>) {
        for link in self.links.values_mut() {
            if let Some(idle) = is_idle(&link.peer) {
                link.idle_since = if idle { link.idle_since.or(Some(now.mono_ms)) } else { None };
            }
        }
    }

    /// Pings the silent, closes the dead and the strangers whose time is over. `flying` are the bytes of the longest message
    /// that went out on a link and is not acknowledged. Returns what was closed.
    pub(crate) fn watch(
        &mut self,
        ctx: &mut Context<'_>,
        about: impl Fn(LinkId, &PeerId) -> About,
        flying: impl Fn(LinkId, &PeerId) -> u64,
    ) -> Vec<(LinkId, PeerId)> {
        let (now, policy) = (ctx.now, ctx.policy);
        let mut closed = Vec::new();
        for (id, link) in self.links.iter_mut().filter(|(_, link)| link.is_open()) {
            let what = about(*id, &link.peer);
            if link.deadline(policy, what) > now.mono_ms {
                continue;
            }
            let stranger = what.stranger && link.since + policy.stranger_link_ms <= now.mono_ms;
            let quiet = link.hidden_until(policy, what).is_some_and(|at| at <= now.mono_ms);
            let bye = if stranger || quiet {
                Some(ByeReason::Idle)
            } else if let Some(ping) = link.ping.filter(|ping| ping.until <= now.mono_ms) {
                // Bytes that came since the ping are a sign of life too.
                if link.last_heard > ping.asked_at {
                    link.ping = None;
                    continue;
                }
                None
            } else {
                let ahead = if link.shows_life { 0 } else { flying(*id, &link.peer) };
                let until = now.mono_ms + policy.liveness.answer_ms + ahead / LEAST_BYTES_PER_MS;
                let n = link.ask(now, until);
                ctx.say(*id, PeerMessage::Ping(Nonce { n }));
                continue;
            };
            link.phase = Phase::Closing;
            ctx.act(Effect::Link(LinkEffect::Close { link: *id, bye }));
            closed.push((*id, link.peer));
        }
        closed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::links::tests::up;
    use crate::turn::tests::{after, decide};

    const IDLE: About =
        About { stranger: false, hidden: false, owes: false, said_hello: true, waits_for_answer: false };

    fn watch(links: &mut Links, ms: u64, about: About, flying: u64) -> Vec<Effect> {
        decide(after(ms), &Policy::default(), |ctx| links.watch(ctx, |_, _| about, |_, _| flying)).1.effects
    }

    #[test]
    fn whoever_is_silent_is_asked_and_whoever_does_not_answer_is_closed() {
        let (life, mut links) = (Policy::default().liveness, Links::default());
        let id = up(&mut links, 1, false, 1);
        assert_eq!(watch(&mut links, life.idle_ms - 1, IDLE, 0), []);
        let asked = life.idle_ms + JITTER_MS;
        assert!(matches!(
            watch(&mut links, asked, IDLE, 0)[..],
            [Effect::Link(LinkEffect::Say { message: PeerMessage::Ping(_), .. })]
        ));
        assert_eq!(watch(&mut links, asked + life.answer_ms - 1, IDLE, 0), []);
        let closed = watch(&mut links, asked + life.answer_ms, IDLE, 0);
        assert_eq!(closed, [Effect::Link(LinkEffect::Close { link: id, bye: None })]);
        assert!(!links.is_open(id) && links.count_open() == 0);
    }

    #[test]
    fn an_answer_is_waited_for_longer_behind_a_long_message_unless_the_peer_shows_life() {
        let life = Policy::default().liveness;
        for (shows, later) in [(false, 50_000), (true, 0)] {
            let mut links = Links::default();
            let id = up(&mut links, 1, false, 1);
            links.shows_life(id, shows);
            let waits = About { waits_for_answer: true, ..IDLE };
            watch(&mut links, life.active_ms, waits, 50_000);
            let until = life.active_ms + life.answer_ms + later;
            assert_eq!(watch(&mut links, until - 1, waits, 50_000), [], "{shows}");
            assert_eq!(watch(&mut links, until, waits, 50_000).len(), 1, "{shows}");
        }
    }
}
