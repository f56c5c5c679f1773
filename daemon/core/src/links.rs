//! Links: who is at the other end, whether it still lives, which of two to one peer stays.

use crate::effect::{Effect, LinkEffect};
use crate::input::LinkId;
use crate::policy::Policy;
use crate::time::Now;
use crate::turn::Context;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use torchat_protocol::id::PeerId;
use torchat_protocol::message::{ByeReason, Nonce, PeerMessage};

/// A link that lived so long was no failure.
const WORTH_MS: u64 = 60_000;
/// The greatest random part of the idle ping.
const JITTER_MS: u64 = 14_000;
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

/// All links.
#[derive(Debug, Default)]
pub(crate) struct Links {
    links: BTreeMap<LinkId, Link>,
    /// Each peer's, in the order in which they came up.
    by_peer: BTreeMap<PeerId, Vec<LinkId>>,
    /// Links of strangers that had to leave for others.
    pushed_out: u64,
    /// Links closed because the peer broke a limit.
    misbehaved: u64,
}

/// A live, authenticated stream.
#[derive(Debug)]
struct Link {
    peer: PeerId,
    outgoing: bool,
    /// Orders the links of one peer in the same way at both ends.
    tie: [u8; 32],
    since: u64,
    last_heard: u64,
    /// Random part of the idle ping, so that the two ends do not ask at the same moment.
    jitter: u64,
    /// The ping that waits for its answer.
    ping: Option<Ping>,
    pings: u64,
    phase: Phase,
    worth: Worth,
    /// The last time that a message went either way, for a contact that must not see us.
    busy: u64,
    /// When a message of the peer was stored last.
    stored: u64,
    /// Since when nothing is owed to a contact that must not see us, as far as a turn has looked.
    idle_since: Option<u64>,
    /// The peer shows a sign of life while it takes something long.
    shows_life: bool,
    /// Since when the peer has been in the middle of something long, or when we last showed that we take it.
    taking: Option<u64>,
}

#[derive(Debug, Clone, Copy)]
struct Ping {
    n: u64,
    asked_at: u64,
    until: u64,
}

/// How far a link's life has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Open,
    /// Close was asked for; the engine reports the end.
    Closing,
    /// So it was, after the peer said its last words.
    Ended,
}

/// What a link was worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Worth {
    /// Nothing was delivered yet, or the peer does not want us now.
    Nothing,
    /// Something was delivered either way: the link is worth its circuits.
    Delivered,
    /// The link was too much for the peer's account: nothing of it is written down.
    Refused,
}

/// A link that came up.
#[derive(Debug)]
pub(crate) struct NewLink {
    pub(crate) id: LinkId,
    pub(crate) peer: PeerId,
    pub(crate) outgoing: bool,
    /// The handshake's hash, the same at both ends.
    pub(crate) binding: [u8; 32],
}

/// A link that is gone.
#[derive(Debug)]
pub(crate) struct Gone {
    pub(crate) peer: PeerId,
    pub(crate) last_heard: u64,
    /// It was the peer's last one.
    pub(crate) last: bool,
    /// The peer could not pay for it.
    pub(crate) refused: bool,
    /// It was worth its circuits, even if there was nothing to deliver.
    pub(crate) worth: bool,
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
    fn is_open(&self) -> bool {
        self.phase == Phase::Open
    }

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
    /// A peer's links, in the order in which they came up.
    pub(crate) fn of(&self, peer: &PeerId) -> &[LinkId] {
        self.by_peer.get(peer).map(Vec::as_slice).unwrap_or_default()
    }

    /// Those of them that are not being closed.
    pub(crate) fn open_of(&self, peer: &PeerId) -> Vec<LinkId> {
        self.of(peer).iter().copied().filter(|id| self.is_open(*id)).collect()
    }

    /// Whether the peer has no link, not even one that is being closed.
    pub(crate) fn is_unlinked(&self, peer: &PeerId) -> bool {
        !self.by_peer.contains_key(peer)
    }

    pub(crate) fn ids(&self) -> Vec<LinkId> {
        self.links.keys().copied().collect()
    }

    pub(crate) fn peer(&self, id: LinkId) -> Option<PeerId> {
        self.links.get(&id).map(|link| link.peer)
    }

    /// Whether it is up and not being closed.
    pub(crate) fn is_open(&self, id: LinkId) -> bool {
        self.links.get(&id).is_some_and(Link::is_open)
    }

    pub(crate) fn is_any_open(&self, peer: &PeerId) -> bool {
        self.of(peer).iter().any(|id| self.is_open(*id))
    }

    /// How many are up and not being closed.
    pub(crate) fn count_open(&self) -> usize {
        self.links.values().filter(|link| link.is_open()).count()
    }

    /// Links of strangers that left for others, and links of peers that broke a limit.
    pub(crate) fn closed(&self) -> (u64, u64) {
        (self.pushed_out, self.misbehaved)
    }

    /// When something was heard on any of the peer's links last, by the monotonic clock.
    pub(crate) fn last_heard(&self, peer: &PeerId) -> Option<u64> {
        self.of(peer).iter().filter_map(|id| self.links.get(id)).map(|link| link.last_heard).max()
    }

    pub(crate) fn up(&mut self, ctx: &mut Context<'_>, new: &NewLink) {
        let now = ctx.now.mono_ms;
        let link = Link {
            peer: new.peer,
            outgoing: new.outgoing,
            tie: Sha256::new().chain_update(b"tie").chain_update(new.binding).finalize().into(),
            since: now,
            last_heard: now,
            jitter: ctx.up_to(JITTER_MS),
            ping: None,
            pings: 0,
            phase: Phase::Open,
            worth: Worth::Nothing,
            busy: now,
            stored: now,
            idle_since: None,
            shows_life: false,
            taking: None,
        };
        self.links.insert(new.id, link);
        self.by_peer.entry(new.peer).or_default().push(new.id);
    }

    pub(crate) fn down(&mut self, now: Now, id: LinkId) -> Option<Gone> {
        let link = self.links.remove(&id)?;
        let of = self.by_peer.entry(link.peer).or_default();
        of.retain(|other| *other != id);
        let last = of.is_empty();
        if last {
            self.by_peer.remove(&link.peer);
        }
        Some(Gone {
            peer: link.peer,
            last_heard: link.last_heard,
            last,
            refused: link.worth == Worth::Refused,
            worth: link.worth == Worth::Delivered || now.mono_ms.saturating_sub(link.since) > WORTH_MS,
        })
    }

    /// Closes a link, once; returns whose it is if it was open.
    pub(crate) fn close(&mut self, ctx: &mut Context<'_>, id: LinkId, bye: Option<ByeReason>) -> Option<PeerId> {
        let link = self.links.get_mut(&id).filter(|link| link.is_open())?;
        link.phase = Phase::Closing;
        ctx.act(Effect::Link(LinkEffect::Close { link: id, bye }));
        Some(link.peer)
    }

    /// Counts a link whose peer broke a limit, once: what else is on its way on it when that is decided changes nothing.
    pub(crate) fn misbehaves(&mut self, id: LinkId) -> bool {
        let open = self.is_open(id);
        self.misbehaved += u64::from(open);
        open
    }

    /// The peer could not pay for it.
    pub(crate) fn refuse(&mut self, id: LinkId) {
        if let Some(link) = self.links.get_mut(&id) {
            link.worth = Worth::Refused;
        }
    }

    /// Something was delivered over it.
    pub(crate) fn delivers(&mut self, id: LinkId) {
        self.judge(id, Worth::Delivered);
    }

    fn judge(&mut self, id: LinkId, worth: Worth) {
        // A link that was not paid for stays so, whatever still comes over it.
        if let Some(link) = self.links.get_mut(&id).filter(|link| link.worth != Worth::Refused) {
            link.worth = worth;
        }
    }

    /// A message of the peer was stored.
    pub(crate) fn stored(&mut self, now: Now, id: LinkId) {
        self.delivers(id);
        if let Some(link) = self.links.get_mut(&id) {
            link.stored = now.mono_ms;
        }
    }

    /// A message came; whose. A link that this turn closed may still have messages in the queue: they were never
    /// acknowledged. Behind the peer's own last words there is nothing to be taken.
    pub(crate) fn message(&mut self, now: Now, id: LinkId, message: &PeerMessage) -> Option<PeerId> {
        let link = self.links.get_mut(&id).filter(|link| link.phase != Phase::Ended)?;
        link.last_heard = now.mono_ms;
        link.taking = None;
        if matches!(message, PeerMessage::Recv(_) | PeerMessage::Ack(_) | PeerMessage::Skip(_) | PeerMessage::Hello(_))
        {
            link.busy = now.mono_ms;
        }
        Some(link.peer)
    }

    /// Whose link it is, if the peer may still say something on it.
    pub(crate) fn talking(&self, id: LinkId) -> Option<PeerId> {
        self.links.get(&id).filter(|link| link.phase != Phase::Ended).map(|link| link.peer)
    }

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

    /// The peer said its last words. `unwanted`: it is alive but does not want us now, so the link was worth nothing.
    pub(crate) fn bye(&mut self, ctx: &mut Context<'_>, id: LinkId, unwanted: bool) -> Option<PeerId> {
        if unwanted {
            self.judge(id, Worth::Nothing);
        }
        let closed = self.close(ctx, id, None);
        if let Some(link) = self.links.get_mut(&id) {
            link.phase = Phase::Ended;
        }
        closed
    }

    /// Two links to one peer are harmless, because lanes ignore repetitions; one is enough. A new one in the same
    /// direction replaces the old, whose other end is probably gone. Of two in opposite directions both ends keep
    /// the one with the smaller hash; the side that dialled the other one closes it. A client can choose among hashes, by what it
    /// puts behind the purpose in its last message. It gains nothing: it could as well not dial.
    ///
    /// Returns those that are to be closed, in this order.
    pub(crate) fn doubles(&self, new: LinkId) -> Vec<LinkId> {
        let Some(link) = self.links.get(&new) else { return Vec::new() };
        let judged = |other: &LinkId| {
            let old = self.links.get(other).filter(|old| old.is_open() && *other != new)?;
            if old.outgoing == link.outgoing {
                return Some(*other);
            }
            let (loser, ours) = if old.tie < link.tie { (new, link.outgoing) } else { (*other, old.outgoing) };
            ours.then_some(loser)
        };
        self.of(&link.peer).iter().filter_map(judged).collect()
    }

    /// The oldest links of strangers that are too many.
    pub(crate) fn too_many_strangers(
        &mut self,
        ctx: &Context<'_>,
        is_stranger: impl Fn(&PeerId) -> bool,
    ) -> Vec<LinkId> {
        let open = self.links.iter().filter(|(_, link)| link.is_open() && is_stranger(&link.peer));
        let mut strangers: Vec<_> = open.map(|(id, _)| *id).collect();
        strangers.truncate(strangers.len().saturating_sub(ctx.policy.stranger_links));
        self.pushed_out += strangers.len() as u64;
        strangers
    }

    /// When the next link is to be looked at.
    pub(crate) fn deadline(
        &self,
        policy: &Policy,
        about: impl Fn(LinkId, &PeerId) -> About,
    ) -> Option<u64> {
        let due = |(id, link): (&LinkId, &Link)| {
            if link.is_open() { link.deadline(policy, about(*id, &link.peer)) } else { u64::MAX }
        };
        self.links.iter().map(due).min()
    }

    /// Whether a contact that must not see us is idle.
    pub(crate) fn note_idle(&mut self, now: Now, peer: &PeerId, idle: bool) {
        for id in self.by_peer.get(peer).into_iter().flatten() {
            if let Some(link) = self.links.get_mut(id) {
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
    use crate::turn::tests::{START, after, decide, peer};

    const IDLE: About =
        About { stranger: false, hidden: false, owes: false, said_hello: true, waits_for_answer: false };

    fn up(links: &mut Links, n: u64, outgoing: bool, binding: u8) -> LinkId {
        let new = NewLink { id: LinkId(n), peer: peer(1), outgoing, binding: [binding; 32] };
        decide(START, &Policy::default(), |ctx| links.up(ctx, &new));
        LinkId(n)
    }

    fn watch(links: &mut Links, ms: u64, about: About, flying: u64) -> Vec<Effect> {
        decide(after(ms), &Policy::default(), |ctx| links.watch(ctx, |_, _| about, |_, _| flying)).1.effects
    }

    #[test]
    fn a_new_link_in_the_same_direction_replaces_the_old_one() {
        let mut links = Links::default();
        let old = up(&mut links, 1, false, 1);
        let new = up(&mut links, 2, false, 2);
        assert_eq!(links.doubles(new), [old]);
        assert_eq!(links.of(&peer(1)), [old, new]);
    }

    #[test]
    fn of_two_in_opposite_directions_both_ends_keep_the_same_one_and_its_dialler_closes_the_other() {
        for (one, other) in [(1, 2), (2, 1)] {
            let mut ours = Links::default();
            let mut theirs = Links::default();
            // The first is dialled by us, the second by them; the bindings are the same at both ends.
            up(&mut ours, 1, true, one);
            up(&mut theirs, 1, false, one);
            let closed_here = up(&mut ours, 2, false, other);
            let closed_here = ours.doubles(closed_here);
            let closed_there = up(&mut theirs, 2, true, other);
            let closed_there = theirs.doubles(closed_there);
            assert_eq!(closed_here.len() + closed_there.len(), 1, "one of them closes one: {one} {other}");
        }
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

    #[test]
    fn a_link_that_was_not_paid_for_is_worth_nothing_whatever_came_over_it() {
        let mut links = Links::default();
        let id = up(&mut links, 1, false, 1);
        links.refuse(id);
        links.delivers(id);
        let gone = links.down(START, id);
        assert!(gone.is_some_and(|gone| gone.refused && gone.last && !gone.worth));
    }
}
