//! Which peers to dial, and when.

use crate::effect::{Effect, NetworkEffect};
use crate::input::{DialEnd, DialFailure, LinkEnd, NoLink};
use crate::op::{ContactOp, Op};
use crate::policy::{DialPolicy, Policy};
use crate::rate::{Bucket, Rate};
use crate::snapshot::PeerSnapshot;
use crate::time::Now;
use crate::turn::{Conditions, Context};
use std::collections::{BTreeMap, BTreeSet};
use torchat_protocol::id::PeerId;

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;
/// Between two dials that a client's SEND hurries, so that a chatty script does not dial a dead peer without end.
const HURRY_GAP_MS: u64 = 10_000;
/// Several messages to several peers at once must not look like one burst.
const HURRY_SPREAD_MS: u64 = 200;
/// Timeouts say nothing about the peer; after this many in a row they are treated as if they did.
const TIMEOUTS_IN_A_ROW: u32 = 3;
/// At the start dials are spread over so much for each peer.
const SPREAD_MS: u64 = 2_000;

/// How fast it is forgotten that a peer held a place for nothing.
const HELD_HALVES_MS: u64 = 600_000;
/// Differences of less do not count.
const HELD_STEP_MS: u64 = 10_000;

/// Longest pause while our own way into the network does not work.
const OUTAGE_CAP_MS: u64 = 30_000;

/// The dials of all peers.
#[derive(Debug, Default)]
pub(crate) struct Dialling {
    peers: BTreeMap<PeerId, Dials>,
    /// Who is to be dialled when, by the monotonic clock. An entry may be stale; it is checked when its time comes.
    queue: BTreeSet<(u64, PeerId)>,
    running: usize,
    /// Dials that were put off because a contact had used up its circuits.
    put_off: u64,
}

/// The state of dialling one peer.
#[derive(Debug, Default)]
struct Dials {
    wish: Wish,
    /// One runs.
    running: bool,
    attempts: u32,
    timeouts: u32,
    /// Failures of our own way into the network in a row.
    outages: u32,
    /// The time of the entry in the queue that counts. There may be one while a dial runs: a machine that wakes plans anew.
    due: Option<u64>,
    last_started: Option<u64>,
    /// What it may cost, see [`crate::policy::DialPolicy::token_ms`].
    bucket: Bucket,
    circuits: Circuits,
    rest: Rest,
    /// For how long its dials that became no link have held a place, and when that was last added to. Halves with time.
    held: (u64, u64),
    /// Why there is no link.
    why: Option<NoLink>,
}

/// Why a link is wanted although no mail waits.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Wish {
    /// It is not.
    #[default]
    None,
    /// To see each other. Over with the link, and with a peer that was not heard of for long.
    Presence,
    /// The peer has not answered what the user had to say to it when it was added last: that it is a contact, and perhaps
    /// words or an invite. This outlives a link that ends before the answer, and a peer that was not heard of for long: it
    /// does not know that it is to dial us.
    Answer,
}

/// The circuits of the last dial that worked.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Circuits {
    /// No dial has succeeded in this process.
    #[default]
    None,
    /// They may be tried again.
    Usable,
    /// They are to be tried, because the peer was found down.
    Next,
    /// They were tried since.
    Tried,
}

/// Whether a peer is left alone for a while.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Rest {
    #[default]
    None,
    /// The peer ends its link because it does not want us now. No dial before then, whatever is urgent.
    Unwanted(u64),
    /// That link is gone. No dial before then.
    Until(u64),
}

/// What others know of a peer.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct About {
    /// A link is up, or is being closed.
    pub(crate) linked: bool,
    /// Messages wait for it.
    pub(crate) owes: bool,
    /// It holds our messages back until its user accepts us.
    pub(crate) waiting: bool,
    /// When it was heard of last, in milliseconds since 1970.
    pub(crate) seen_ms: Option<i64>,
    /// When it became a contact.
    pub(crate) added_ms: Option<i64>,
}

impl Wish {
    /// A link for presence is wanted, or not. What the user has to say is not touched by it.
    fn presence(&mut self, wanted: bool) {
        if *self != Self::Answer {
            *self = if wanted { Self::Presence } else { Self::None };
        }
    }
}

impl Circuits {
    /// It is open again whether they help.
    fn unused(&mut self) {
        if *self != Self::None {
            *self = Self::Usable;
        }
    }
}

impl Rest {
    fn until(self) -> u64 {
        match self {
            Self::None => 0,
            Self::Unwanted(until) | Self::Until(until) => until,
        }
    }
}

impl Dials {
    /// Whether it is dialled while there is no link.
    fn wants(&self, owes: bool) -> bool {
        owes || self.wish != Wish::None
    }

    /// How much of the places for dials the peer has held for nothing of late, in steps: small differences are nobody's fault.
    fn burden(&self, now: Now) -> u64 {
        let (ms, at) = self.held;
        (ms >> (now.mono_ms.saturating_sub(at) / HELD_HALVES_MS).min(63)) / HELD_STEP_MS
    }

    /// A dial ended without a link.
    fn held_for_nothing(&mut self, now: Now) {
        let before = self.burden(now) * HELD_STEP_MS;
        let this = self.last_started.map_or(0, |at| now.mono_ms.saturating_sub(at));
        self.held = (before.saturating_add(this), now.mono_ms);
    }

    /// What failed before says nothing now.
    fn forgive(&mut self) {
        self.attempts = 0;
        self.timeouts = 0;
        self.outages = 0;
    }

    /// The pause after a failed dial.
    fn pause_after(&mut self, ctx: &mut Context<'_>, failure: DialFailure, about: About) -> u64 {
        let policy = &ctx.policy.dial;
        match failure {
            // Our side of the network: without blaming the peer, and soon, because the next dial is what notices that
            // it is back. Not at once forever: one dead introduction point looks the same to Tor.
            DialFailure::NoNetwork => {
                let doubled = policy.backoff_ms.saturating_mul(1 << self.outages.min(20));
                self.outages = self.outages.saturating_add(1);
                doubled.min(OUTAGE_CAP_MS) + ctx.up_to(policy.backoff_ms)
            }
            DialFailure::Timeout | DialFailure::GivenUp if self.timeouts < TIMEOUTS_IN_A_ROW => {
                self.timeouts += 1;
                ctx.between(policy.loss_min_ms, policy.loss_max_ms)
            }
            // The descriptor cached with the last circuits may outlive a fetch that finds none.
            DialFailure::PeerDown if self.circuits == Circuits::Usable => {
                self.circuits = Circuits::Next;
                policy.loss_min_ms
            }
            DialFailure::Permanent => policy.cap_ms,
            DialFailure::PeerDown
            | DialFailure::Handshake(_)
            | DialFailure::NoRoom
            | DialFailure::Timeout
            | DialFailure::GivenUp => {
                self.circuits.unused();
                self.attempts = self.attempts.saturating_add(1);
                self.backoff(ctx, about)
            }
        }
    }

    /// The pause after `attempts` failures: doubling, with a quarter of jitter, below the cap for how long ago the
    /// peer was heard of.
    fn backoff(&self, ctx: &mut Context<'_>, about: About) -> u64 {
        let asking = self.wish == Wish::Answer;
        let policy = &ctx.policy.dial;
        // A peer that has not accepted us is met and yet gains nothing by another dial: it dials us when it does. Unless it
        // has not heard yet what the user says to be accepted.
        let (base, cap) = if about.waiting && !asking {
            (policy.backoff_waiting_ms, policy.cap_ms)
        } else {
            let cap = cap(policy, ctx.now, about);
            (policy.backoff_ms, if about.owes || asking { cap } else { cap.max(policy.cap_presence_ms) })
        };
        let pause = base.saturating_mul(1 << self.attempts.saturating_sub(1).min(20)).min(cap);
        pause - pause / 4 + ctx.up_to(pause / 4)
    }
}

/// The longest pause for how long ago the peer was heard of.
fn cap(policy: &DialPolicy, now: Now, about: About) -> u64 {
    let met = about.seen_ms.max(about.added_ms).map_or(i64::MAX, |at| now.wall_ms.saturating_sub(at));
    if met < HOUR_MS {
        policy.cap_hour_ms
    } else if met < DAY_MS {
        policy.cap_day_ms
    } else {
        policy.cap_ms
    }
}

impl Dialling {
    /// Those that were heard of within the hour or were never met are wanted, and those that have not answered what the
    /// user had to say.
    pub(crate) fn restore(policy: &Policy, now: Now, peers: &[PeerSnapshot]) -> Self {
        let dials = |row: &PeerSnapshot| {
            let recent = row.seen_ms.is_none_or(|seen| now.wall_ms.saturating_sub(seen) < policy.presence_ms);
            let unheard = row.added_ms.is_some_and(|at| row.seen_ms.is_none_or(|seen| seen < at));
            let wish = match row.contact {
                true if unheard => Wish::Answer,
                true if recent && !row.hidden => Wish::Presence,
                _ => Wish::None,
            };
            Dials { wish, attempts: row.attempts, ..Dials::default() }
        };
        Self { peers: peers.iter().map(|row| (row.peer, dials(row))).collect(), ..Self::default() }
    }

    /// When the next dial is due.
    pub(crate) fn deadline(&self, policy: &DialPolicy, conditions: Conditions) -> Option<u64> {
        let may = conditions.network_usable && self.running < policy.concurrent;
        self.queue.first().filter(|_| may).map(|entry| entry.0)
    }

    /// A dial of the peer runs.
    pub(crate) fn is_running(&self, peer: &PeerId) -> bool {
        self.peers.get(peer).is_some_and(|dials| dials.running)
    }

    /// The peer has not answered what the user had to say to it.
    pub(crate) fn is_asking(&self, peer: &PeerId) -> bool {
        self.peers.get(peer).is_some_and(|dials| dials.wish == Wish::Answer)
    }

    /// Failures in a row.
    pub(crate) fn attempts(&self, peer: &PeerId) -> u32 {
        self.peers.get(peer).map_or(0, |dials| dials.attempts)
    }

    /// When the peer is dialled next, by the monotonic clock.
    pub(crate) fn due_at(&self, peer: &PeerId) -> Option<u64> {
        self.peers.get(peer)?.due
    }

    /// Why there is no link. `None`: none was tried, or one was there since.
    pub(crate) fn why(&self, peer: &PeerId) -> Option<&NoLink> {
        self.peers.get(peer)?.why.as_ref()
    }

    /// Dials that were put off.
    pub(crate) fn put_off(&self) -> u64 {
        self.put_off
    }

    /// The peers that are wanted although nothing may be owed to them.
    pub(crate) fn wished(&self) -> impl Iterator<Item = &PeerId> {
        self.peers.iter().filter(|(_, dials)| dials.wish != Wish::None).map(|(peer, _)| peer)
    }

    /// The user has something to say to the peer. The pauses of dials that nobody answered were for what was said before.
    pub(crate) fn ask(&mut self, peer: PeerId) {
        let dials = self.peers.entry(peer).or_default();
        dials.wish = Wish::Answer;
        dials.forgive();
    }

    /// The peer has answered that.
    pub(crate) fn answered(&mut self, peer: &PeerId) {
        if let Some(dials) = self.peers.get_mut(peer).filter(|dials| dials.wish == Wish::Answer) {
            dials.wish = Wish::None;
        }
    }

    /// Whether a link is wanted to see each other.
    pub(crate) fn wish_presence(&mut self, peer: PeerId, wanted: bool) {
        self.peers.entry(peer).or_default().wish.presence(wanted);
    }

    /// It is no contact any more.
    pub(crate) fn removed(&mut self, peer: &PeerId) {
        if let Some(dials) = self.peers.get_mut(peer) {
            dials.wish = Wish::None;
        }
    }

    /// Nothing is known of the peer any more.
    pub(crate) fn forget(&mut self, peer: &PeerId) {
        self.peers.remove(peer);
    }

    /// A link came up, whichever side dialled.
    pub(crate) fn reached(&mut self, peer: &PeerId, outgoing: bool) {
        let dials = self.peers.entry(*peer).or_default();
        if outgoing {
            if std::mem::take(&mut dials.running) {
                self.running -= 1;
            }
            dials.circuits = Circuits::Usable;
        }
        dials.circuits.unused();
        dials.wish.presence(false);
        dials.due = None;
        dials.timeouts = 0;
        dials.outages = 0;
        dials.rest = Rest::None;
        dials.why = None;
    }

    /// The peer ends its link because it does not want us now.
    pub(crate) fn unwanted(&mut self, now: Now, policy: &DialPolicy, peer: PeerId) {
        self.peers.entry(peer).or_default().rest = Rest::Unwanted(now.mono_ms + policy.unwanted_ms);
    }

    /// Something was delivered.
    pub(crate) fn succeeded(&mut self, peer: &PeerId) {
        if let Some(dials) = self.peers.get_mut(peer) {
            dials.attempts = 0;
        }
    }

    /// The machine slept: what failed before says nothing now of peers without a link.
    pub(crate) fn forgive(&mut self, is_unlinked: impl Fn(&PeerId) -> bool) {
        for (_, dials) in self.peers.iter_mut().filter(|(peer, _)| is_unlinked(peer)) {
            dials.forgive();
        }
    }

    /// Plans a dial of each, spread: a storm of dials would show the guard how many contacts there are.
    pub(crate) fn spread(&mut self, ctx: &mut Context<'_>, wanted: BTreeSet<PeerId>) {
        let spread = ctx.policy.dial.start_spread_ms.min((wanted.len() as u64).saturating_mul(SPREAD_MS));
        for peer in wanted {
            let at = ctx.now.mono_ms + ctx.up_to(spread);
            self.plan(peer, at);
        }
    }

    /// A client wants this peer now: the next dial comes at once, unless one ran a moment ago.
    pub(crate) fn hurry(&mut self, ctx: &mut Context<'_>, peer: PeerId, about: About) {
        let fresh = Dials::default();
        let dials = self.peers.get(&peer).unwrap_or(&fresh);
        if about.linked || dials.running || !dials.wants(about.owes) {
            return;
        }
        let now = ctx.now.mono_ms;
        let at = dials.last_started.map_or(now, |last| now.max(last + HURRY_GAP_MS));
        let at = at.max(dials.rest.until()) + ctx.up_to(HURRY_SPREAD_MS);
        if dials.due.is_none_or(|due| at < due) {
            self.plan(peer, at);
        }
    }

    fn plan(&mut self, peer: PeerId, at: u64) {
        let dials = self.peers.entry(peer).or_default();
        let at = at.max(dials.rest.until());
        if let Some(old) = dials.due.replace(at) {
            self.queue.remove(&(old, peer));
        }
        self.queue.insert((at, peer));
    }

    /// Dials those whose time has come, as many as there are places for.
    pub(crate) fn dial_due(&mut self, ctx: &mut Context<'_>, about: impl Fn(&PeerId) -> About) {
        let policy = &ctx.policy.dial;
        let rate = Rate::every(policy.burst, policy.token_ms);
        while ctx.conditions.network_usable && !ctx.conditions.stopping && self.running < policy.concurrent {
            let Some((at, peer)) = self.next(ctx.now) else { return };
            self.queue.remove(&(at, peer));
            let Some(dials) = self.peers.get_mut(&peer) else { continue };
            if dials.due != Some(at) {
                continue;
            }
            dials.due = None;
            let about = about(&peer);
            if dials.running || about.linked || !dials.wants(about.owes) {
                continue;
            }
            if let Err(from) = dials.bucket.take(rate, 1, ctx.now.mono_ms) {
                self.put_off += 1;
                self.plan(peer, from);
                continue;
            }
            let last_circuits = dials.circuits == Circuits::Next;
            if last_circuits {
                dials.circuits = Circuits::Tried;
            }
            dials.running = true;
            dials.last_started = Some(ctx.now.mono_ms);
            self.running += 1;
            ctx.act(Effect::Network(NetworkEffect::Dial { peer, last_circuits }));
        }
    }

    /// Of those whose time has come the one that has held the places least for nothing, then the one that has waited longest.
    /// By time alone, peers that drag their handshakes would have as much of the few places as they like.
    fn next(&self, now: Now) -> Option<(u64, PeerId)> {
        let due = self.queue.iter().take_while(|entry| entry.0 <= now.mono_ms);
        let burden = |peer| self.peers.get(peer).map_or(0, |dials| dials.burden(now));
        due.min_by_key(|(at, peer)| (burden(peer), *at)).copied()
    }

    /// How many dials run.
    pub(crate) fn running(&self) -> usize {
        self.running
    }

    /// A dial ended without a link.
    pub(crate) fn failed(&mut self, ctx: &mut Context<'_>, peer: PeerId, end: DialEnd, about: About) {
        let failure = end.failure;
        let dials = self.peers.entry(peer).or_default();
        if std::mem::take(&mut dials.running) {
            self.running -= 1;
            dials.held_for_nothing(ctx.now);
        }
        if about.seen_ms.is_some_and(|seen| ctx.now.wall_ms.saturating_sub(seen) >= ctx.policy.presence_ms) {
            // Not heard of for so long, it dials us when it is back.
            dials.wish.presence(false);
        }
        dials.why = Some(NoLink::Dial(end));
        if !failure.is_timeout() {
            dials.timeouts = 0;
        }
        let pause = dials.pause_after(ctx, failure, about);
        self.retry_in(ctx, peer, pause, about);
    }

    /// A link is gone.
    pub(crate) fn link_down(&mut self, peer: PeerId, end: LinkEnd) {
        self.peers.entry(peer).or_default().why = Some(NoLink::Link(end));
    }

    /// The last link to a peer is gone; `worth`: it was worth its circuits.
    pub(crate) fn lost(&mut self, ctx: &mut Context<'_>, peer: PeerId, worth: bool, about: About) {
        let wanted = |dials: &&mut Dials| !ctx.conditions.stopping && dials.wants(about.owes);
        let Some(dials) = self.peers.get_mut(&peer).filter(wanted) else { return };
        let first = dials.attempts == 0;
        let unwanted = matches!(dials.rest, Rest::Unwanted(_));
        if unwanted || !worth {
            // A peer that takes links and closes them is as good as down.
            dials.attempts = dials.attempts.saturating_add(1);
        }
        let policy = &ctx.policy.dial;
        let pause = if unwanted {
            let backoff = dials.backoff(ctx, about);
            let pause = backoff.max(policy.unwanted_ms + ctx.up_to(policy.unwanted_ms / 2));
            dials.rest = Rest::Until(ctx.now.mono_ms + pause);
            pause
        } else if worth || first {
            ctx.between(policy.loss_min_ms, policy.loss_max_ms)
        } else {
            dials.backoff(ctx, about)
        };
        self.retry_in(ctx, peer, pause, about);
    }

    /// A link that the peer could not pay for is gone. Nothing is written down, and it was no failure of a dial.
    pub(crate) fn again(&mut self, ctx: &mut Context<'_>, peer: PeerId, about: About) {
        let wanted = |dials: &&Dials| !about.linked && dials.wants(about.owes) && !ctx.conditions.stopping;
        let Some(dials) = self.peers.get(&peer).filter(wanted) else { return };
        let pause = dials.backoff(ctx, about);
        self.plan(peer, ctx.now.mono_ms + pause);
    }

    fn retry_in(&mut self, ctx: &mut Context<'_>, peer: PeerId, pause: u64, about: About) {
        let Some(dials) = self.peers.get(&peer).filter(|dials| dials.wants(about.owes)) else { return };
        if about.owes && ctx.conditions.writable {
            let next_ms = ctx.now.wall_ms.saturating_add(i64::try_from(pause).unwrap_or(i64::MAX));
            ctx.write(Op::Contacts(ContactOp::Retry { peer, attempts: dials.attempts, next_ms }));
        }
        self.plan(peer, ctx.now.mono_ms + pause);
    }

    /// Our way into the network works again: those whose dials failed for want of it need not wait for their pause.
    pub(crate) fn network_is_back(&mut self, ctx: &mut Context<'_>, wanted: Vec<(PeerId, About)>) {
        for (peer, about) in wanted {
            let dials = self.peers.entry(peer).or_default();
            dials.outages = 0;
            if dials.due.is_none() {
                self.hurry(ctx, peer, about);
            }
        }
    }

    /// How many peers something is remembered of.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.peers.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use torchat_protocol::id::parse_onion;

    const NOW: Now = Now { wall_ms: 1_790_000_000_000, mono_ms: 1_000_000 };
    const USABLE: Conditions = Conditions { network_usable: true, writable: true, stopping: false };

    fn peer() -> PeerId {
        parse_onion("pg6mmjiyjmcrsslvykfwnntlaru7p5svn6y2ymmju6nubxndf4pscryd").expect("an onion")
    }

    fn about(ago: i64, waiting: bool) -> About {
        let at = Some(NOW.wall_ms - ago);
        About { linked: false, owes: true, waiting, seen_ms: at, added_ms: at }
    }

    #[test]
    fn pauses_double_up_to_the_cap_for_the_age() {
        const MINUTE: u64 = 60_000;
        for (ago, attempts, waiting, least, most) in [
            (0, 1, false, 1_500, 2_000),
            (0, 2, false, 3_000, 4_000),
            (0, 5, false, 24_000, 32_000),
            (0, 50, false, 67_500, 90_000),
            (2 * HOUR_MS, 50, false, 6 * MINUTE, 8 * MINUTE),
            (2 * DAY_MS, 50, false, 180 * MINUTE, 240 * MINUTE),
            (0, 1, true, 45_000, MINUTE),
            (0, 50, true, 180 * MINUTE, 240 * MINUTE),
        ] {
            let (policy, mut entropy) = (Policy::default(), |out: &mut [u8]| out.fill(0x5a));
            let mut ctx = Context::new(NOW, &policy, USABLE, &mut entropy);
            let pause = Dials { attempts, ..Dials::default() }.backoff(&mut ctx, about(ago, waiting));
            assert!((least..=most).contains(&pause), "{ago} {attempts} {waiting}: {pause}");
        }
    }

    /// Runs one turn's dials at a moment, and what is done before them.
    fn turn(
        dialling: &mut Dialling,
        now: Now,
        conditions: Conditions,
        before: impl FnOnce(&mut Dialling, &mut Context<'_>),
    ) -> crate::turn::Turn {
        let (policy, mut entropy) = (Policy::default(), |out: &mut [u8]| out.fill(1));
        let mut ctx = Context::new(now, &policy, conditions, &mut entropy);
        before(dialling, &mut ctx);
        dialling.dial_due(&mut ctx, |_| about(0, false));
        ctx.finish()
    }

    #[test]
    fn nothing_is_dialled_without_a_network_and_everything_owed_with_one() {
        let mut dialling = Dialling::default();
        let later = Now { mono_ms: NOW.mono_ms + 60_000, ..NOW };
        let offline = Conditions { network_usable: false, ..USABLE };
        turn(&mut dialling, NOW, offline, |dialling, ctx| dialling.spread(ctx, [peer()].into()));
        assert!(turn(&mut dialling, later, offline, |_, _| {}).effects.is_empty());
        let dialled = turn(&mut dialling, later, USABLE, |_, _| {});
        assert_eq!(dialled.effects, [Effect::Network(NetworkEffect::Dial { peer: peer(), last_circuits: false })]);
        let again = turn(&mut dialling, later, USABLE, |dialling, ctx| dialling.spread(ctx, [peer()].into()));
        assert!(again.effects.is_empty(), "one dial at a time");
    }

    #[test]
    fn a_peer_that_is_down_is_tried_by_its_last_circuits_once() {
        let mut dialling = Dialling::default();
        let mut now = NOW;
        // It was reached before in this process.
        turn(&mut dialling, now, USABLE, |dialling, ctx| dialling.spread(ctx, [peer()].into()));
        dialling.reached(&peer(), true);
        turn(&mut dialling, now, USABLE, |dialling, ctx| dialling.hurry(ctx, peer(), about(0, false)));
        let mut last = Vec::new();
        for _ in 0..3 {
            loop {
                now = Now { wall_ms: now.wall_ms + 1_000, mono_ms: now.mono_ms + 1_000 };
                let effects = turn(&mut dialling, now, USABLE, |_, _| {}).effects;
                if let [Effect::Network(NetworkEffect::Dial { last_circuits, .. })] = effects.as_slice() {
                    last.push(*last_circuits);
                    break;
                }
            }
            let ops = turn(&mut dialling, now, USABLE, |dialling, ctx| {
                dialling.failed(ctx, peer(), DialFailure::PeerDown.into(), about(0, false));
            })
            .ops;
            assert!(matches!(ops.as_slice(), [Op::Contacts(ContactOp::Retry { .. })]), "the pause is stored");
        }
        assert_eq!(last, [false, true, false]);
    }

    #[test]
    fn a_wish_for_an_answer_outlives_the_link_and_one_for_presence_does_not() {
        let mut dialling = Dialling::default();
        dialling.wish_presence(peer(), true);
        dialling.reached(&peer(), false);
        assert_eq!(dialling.wished().count(), 0);
        dialling.ask(peer());
        dialling.wish_presence(peer(), false);
        dialling.reached(&peer(), false);
        assert!(dialling.is_asking(&peer()));
        dialling.answered(&peer());
        assert_eq!(dialling.wished().count(), 0);
    }

    #[test]
    fn a_peer_that_does_not_want_us_is_left_alone_whoever_hurries() {
        let mut dialling = Dialling::default();
        let policy = DialPolicy::default();
        dialling.unwanted(NOW, &policy, peer());
        let hurry = |dialling: &mut Dialling, ctx: &mut Context<'_>| dialling.hurry(ctx, peer(), about(0, false));
        turn(&mut dialling, NOW, USABLE, hurry);
        assert!(dialling.due_at(&peer()) >= Some(NOW.mono_ms + policy.unwanted_ms));
        turn(&mut dialling, NOW, USABLE, |dialling, ctx| dialling.lost(ctx, peer(), true, about(0, false)));
        assert_eq!(dialling.attempts(&peer()), 1, "as good as down");
        assert!(dialling.due_at(&peer()) >= Some(NOW.mono_ms + policy.unwanted_ms));
        dialling.reached(&peer(), false);
        turn(&mut dialling, NOW, USABLE, hurry);
        assert!(dialling.due_at(&peer()) < Some(NOW.mono_ms + 1_000));
    }
}
