//! Whose turn it is: the order of the dials, and the few places that there are for them.
//!
//! Each purpose has a queue of its own, and a number of places that it may have at most; of all queues that have not as many, the
//! one whose first peer has held the places least goes first. So mail and rooms wait for each other no longer than they must.
//!
//! Thousands of contacts can be due at once, for a start dials them all and most may be away. So those that are due are kept in the
//! order in which they get a place, and a dial costs the same for ten of them and for ten thousand.

use super::{About, Circuits, Dialling, Dials, Target};
use crate::effect::{Effect, NetworkEffect};
use crate::policy::DialPolicy;
use crate::rate::Rate;
use crate::time::Now;
use crate::turn::{Conditions, Context};
use std::collections::{BTreeMap, BTreeSet};
use torchat_protocol::id::PeerId;
use torchat_protocol::purpose::Purpose;

/// Between two dials that a client's SEND hurries, so that a chatty script does not dial a dead peer without end.
const HURRY_GAP_MS: u64 = 10_000;
/// Several messages to several peers at once must not look like one burst.
const HURRY_SPREAD_MS: u64 = 200;
/// At the start dials are spread over so much for each peer.
const SPREAD_MS: u64 = 2_000;
/// How fast it is forgotten that a peer held a place for nothing.
const HELD_HALVES_MS: u64 = 600_000;
/// Differences of less do not count.
const HELD_STEP_MS: u64 = 10_000;

/// Who is to be dialled when for one purpose, by the monotonic clock. Each peer is in it at most once, and knows where.
#[derive(Debug, Default)]
pub(super) struct Queue {
    /// Dials that run.
    running: usize,
    /// Whose time has not come.
    waiting: BTreeSet<(u64, PeerId)>,
    /// Whose time has come, by burden, then by time: the first one gets the next place.
    due: BTreeSet<(u64, u64, PeerId)>,
    /// When the burden of somebody in `due` is to be looked at again.
    lighter: BTreeSet<(u64, PeerId)>,
}

/// Where a peer is in the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Planned {
    /// Its time has not come.
    Waiting { at: u64 },
    /// Its time has come. `lighter`: when its burden halves.
    Due { at: u64, burden: u64, lighter: Option<u64> },
}

impl Planned {
    /// When its time comes, or came.
    pub(super) fn at(self) -> u64 {
        match self {
            Self::Waiting { at } | Self::Due { at, .. } => at,
        }
    }
}

impl Queue {
    fn insert(&mut self, peer: PeerId, planned: Planned) {
        match planned {
            Planned::Waiting { at } => drop(self.waiting.insert((at, peer))),
            Planned::Due { at, burden, lighter } => {
                self.due.insert((burden, at, peer));
                self.lighter.extend(lighter.map(|at| (at, peer)));
            }
        }
    }

    fn remove(&mut self, peer: PeerId, planned: Planned) {
        match planned {
            Planned::Waiting { at } => drop(self.waiting.remove(&(at, peer))),
            Planned::Due { at, burden, lighter } => {
                self.due.remove(&(burden, at, peer));
                if let Some(at) = lighter {
                    self.lighter.remove(&(at, peer));
                }
            }
        }
    }

    /// A dial has ended.
    pub(super) fn ended(&mut self) {
        self.running -= 1;
    }

    /// When the time of the first one comes, or came.
    fn first_at(&self) -> Option<u64> {
        self.due.first().map(|entry| entry.1).or_else(|| Some(self.waiting.first()?.0))
    }

    /// Somebody whose time has come, or whose burden has halved, and is not yet where it belongs.
    fn misplaced(&self, now_ms: u64) -> Option<PeerId> {
        let come =
            |entries: &BTreeSet<(u64, PeerId)>| entries.first().filter(|(at, _)| *at <= now_ms).map(|(_, peer)| *peer);
        come(&self.waiting).or_else(|| come(&self.lighter))
    }

    /// Puts everybody where they belong.
    fn settle(&mut self, purpose: Purpose, dials: &mut BTreeMap<Target, Dials>, now: Now) {
        while let Some(peer) = self.misplaced(now.mono_ms) {
            let Some(dials) = dials.get_mut(&Target { peer, purpose }) else { break };
            let Some(before) = dials.planned else { break };
            let planned = dials.due(now, before.at());
            dials.planned = Some(planned);
            self.remove(peer, before);
            self.insert(peer, planned);
        }
    }
}

impl Dials {
    /// Its place once its time, `at`, has come.
    fn due(&self, now: Now, at: u64) -> Planned {
        let burden = self.burden(now);
        let halves = (now.mono_ms.saturating_sub(self.held.1) / HELD_HALVES_MS + 1).saturating_mul(HELD_HALVES_MS);
        let lighter = (burden > 0).then(|| self.held.1.saturating_add(halves));
        Planned::Due { at, burden, lighter }
    }

    /// How much of the places for dials the peer has held for nothing of late, in steps: small differences are nobody's fault.
    fn burden(&self, now: Now) -> u64 {
        #[cfg(test)]
        crate::turn::tests::LOOKS.set(crate::turn::tests::LOOKS.get() + 1);
        let (ms, at) = self.held;
        (ms >> (now.mono_ms.saturating_sub(at) / HELD_HALVES_MS).min(63)) / HELD_STEP_MS
    }

    /// A dial ended without a link.
    pub(super) fn held_for_nothing(&mut self, now: Now) {
        let before = self.burden(now) * HELD_STEP_MS;
        let this = self.last_started.map_or(0, |at| now.mono_ms.saturating_sub(at));
        self.held = (before.saturating_add(this), now.mono_ms);
    }
}

impl Dialling {
    /// When the next dial is due.
    pub(crate) fn deadline(&self, policy: &DialPolicy, conditions: Conditions) -> Option<u64> {
        let may = conditions.network_usable && self.running() < policy.concurrent;
        let open = self.queues.iter().filter(|(purpose, queue)| queue.running < policy.places(**purpose));
        open.filter_map(|(_, queue)| queue.first_at()).min().filter(|_| may)
    }

    /// Plans a dial of each, spread: a storm of dials would show the guard how many contacts there are.
    pub(crate) fn spread(&mut self, ctx: &mut Context<'_>, wanted: BTreeSet<Target>) {
        let spread = ctx.policy.dial.start_spread_ms.min((wanted.len() as u64).saturating_mul(SPREAD_MS));
        for target in wanted {
            let at = ctx.now.mono_ms + ctx.up_to(spread);
            self.dials.entry(target).or_default().paused_until = at;
            self.plan(target, at);
        }
    }

    /// A client wants this peer now: the next dial comes at once, unless one ran a moment ago.
    pub(crate) fn hurry(&mut self, ctx: &mut Context<'_>, target: Target, about: About) {
        let fresh = Dials::default();
        let dials = self.dials.get(&target).unwrap_or(&fresh);
        if about.linked || dials.running || !dials.wants(about.owes) {
            return;
        }
        let now = ctx.now.mono_ms;
        let at = dials.last_started.map_or(now, |last| now.max(last + HURRY_GAP_MS));
        let at = at.max(dials.rest.until()) + ctx.up_to(HURRY_SPREAD_MS);
        if dials.planned.is_none_or(|planned| at < planned.at()) {
            self.dials.entry(target).or_default().paused_until = at;
            self.plan(target, at);
        }
    }

    /// A link is wanted from a moment on: the dial is planned for then, or for the end of the pause after the last one.
    pub(crate) fn want(&mut self, target: Target, from: u64) {
        let dials = self.dials.entry(target).or_default();
        let at = from.max(dials.paused_until).max(dials.rest.until());
        if !dials.running && dials.planned.is_none_or(|planned| planned.at() != at) {
            self.plan(target, at);
        }
    }

    pub(super) fn plan(&mut self, target: Target, at: u64) {
        self.unplan(&target);
        let dials = self.dials.entry(target).or_default();
        let planned = Planned::Waiting { at: at.max(dials.rest.until()) };
        dials.planned = Some(planned);
        self.queues.entry(target.purpose).or_default().insert(target.peer, planned);
    }

    /// It is not dialled, until it is planned again.
    pub(super) fn unplan(&mut self, target: &Target) {
        if let Some(planned) = self.dials.get_mut(target).and_then(|dials| dials.planned.take()) {
            self.queues.entry(target.purpose).or_default().remove(target.peer, planned);
        }
    }

    /// Dials those whose time has come, as many as there are places for.
    pub(crate) fn dial_due(&mut self, ctx: &mut Context<'_>, about: impl Fn(&Target) -> About) {
        let policy = &ctx.policy.dial;
        let rate = Rate::every(policy.burst, policy.token_ms);
        while ctx.conditions.network_usable && !ctx.conditions.stopping && self.running() < policy.concurrent {
            let Some(target) = self.next(ctx.now, policy) else { return };
            self.unplan(&target);
            let Some(dials) = self.dials.get_mut(&target) else { continue };
            let about = about(&target);
            if dials.running || about.linked || !dials.wants(about.owes) {
                continue;
            }
            if let Err(from) = dials.bucket.take(rate, 1, ctx.now.mono_ms) {
                self.put_off += 1;
                dials.paused_until = from;
                self.plan(target, from);
                continue;
            }
            let last_circuits = dials.circuits == Circuits::Next;
            if last_circuits {
                dials.circuits = Circuits::Tried;
            }
            dials.running = true;
            dials.last_started = Some(ctx.now.mono_ms);
            let Target { peer, purpose } = target;
            self.queues.entry(purpose).or_default().running += 1;
            ctx.act(Effect::Network(NetworkEffect::Dial { peer, purpose, last_circuits }));
        }
    }

    /// Of those whose time has come the one that has held the places least for nothing, then the one that has waited longest.
    /// By time alone, peers that drag their handshakes would have as much of the few places as they like.
    fn next(&mut self, now: Now, policy: &DialPolicy) -> Option<Target> {
        let Self { dials, queues, .. } = self;
        let open = queues.iter_mut().filter(|(purpose, queue)| queue.running < policy.places(**purpose));
        let firsts = open.filter_map(|(purpose, queue)| {
            queue.settle(*purpose, dials, now);
            let (burden, at, peer) = *queue.due.first()?;
            Some((burden, at, Target { peer, purpose: *purpose }))
        });
        firsts.min().map(|(_, _, target)| target)
    }

    /// How many dials run.
    pub(crate) fn running(&self) -> usize {
        self.queues.values().map(|queue| queue.running).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialling::tests::{NOW, USABLE, about, peer, target, turn};
    use crate::input::DialFailure;
    use crate::op::{ContactOp, Op};
    use crate::turn::tests::{looks_of, peers};

    /// Looks at burdens for each dial that fails, when so many peers are due.
    fn looks(due: usize) -> u64 {
        let (mut dialling, peers) = (Dialling::default(), peers(due));
        let wanted = peers.iter().copied().map(Target::chat).collect();
        turn(&mut dialling, NOW, USABLE, |dialling, ctx| dialling.spread(ctx, wanted));
        // All are due, all places are taken.
        let mut now = Now { mono_ms: NOW.mono_ms + 60_000, ..NOW };
        let mut running: Vec<_> = turn(&mut dialling, now, USABLE, |_, _| {}).effects;
        looks_of(|| {
            for _ in 0..16 {
                now.mono_ms += 1;
                let Effect::Network(NetworkEffect::Dial { peer, .. }) = running.remove(0) else { continue };
                let failed = turn(&mut dialling, now, USABLE, |dialling, ctx| {
                    dialling.failed(ctx, Target::chat(peer), DialFailure::PeerDown.into(), about(0, false));
                });
                assert_eq!(failed.effects.len(), 1, "the next one has its place");
                running.extend(failed.effects);
            }
        })
    }

    #[test]
    fn a_dial_costs_the_same_however_many_are_due() {
        assert_eq!(looks(100), looks(2_000));
    }

    #[test]
    fn the_place_goes_to_whom_held_it_least_and_that_is_forgotten_while_they_wait() {
        let (mut dialling, all) = (Dialling::default(), peers(3));
        let [a, b, c] = all[..] else { unreachable!() };
        let [a, b, c] = [a, b, c].map(Target::chat);
        let policy = DialPolicy::default();
        let at = |ms| Now { mono_ms: NOW.mono_ms + ms, ..NOW };
        for (target, held) in [(a, (60_000, NOW.mono_ms)), (b, (40_000, NOW.mono_ms + HELD_HALVES_MS - 2)), (c, (0, 0))]
        {
            dialling.plan(target, NOW.mono_ms);
            dialling.dials.entry(target).or_default().held = held;
        }
        assert_eq!(dialling.next(at(HELD_HALVES_MS - 1), &policy), Some(c));
        dialling.unplan(&c);
        assert_eq!(dialling.next(at(HELD_HALVES_MS - 1), &policy), Some(b), "4 steps and not 6");
        assert_eq!(dialling.next(at(HELD_HALVES_MS), &policy), Some(a), "half of 6 is less than 4");
        dialling.unplan(&a);
        assert_eq!(dialling.next(at(10 * HELD_HALVES_MS), &policy), Some(b));
        dialling.forget(&b);
        let Queue { running: 0, waiting, due, lighter } = &dialling.queues[&Purpose::CHAT] else { panic!("none ran") };
        assert!(waiting.is_empty() && due.is_empty() && lighter.is_empty(), "nothing is left of anybody");
    }

    #[test]
    fn nothing_is_dialled_without_a_network_and_everything_owed_with_one() {
        let mut dialling = Dialling::default();
        let later = Now { mono_ms: NOW.mono_ms + 60_000, ..NOW };
        let offline = Conditions { network_usable: false, ..USABLE };
        turn(&mut dialling, NOW, offline, |dialling, ctx| dialling.spread(ctx, [target()].into()));
        assert!(turn(&mut dialling, later, offline, |_, _| {}).effects.is_empty());
        let dialled = turn(&mut dialling, later, USABLE, |_, _| {});
        let dial = NetworkEffect::Dial { peer: peer(), purpose: Purpose::CHAT, last_circuits: false };
        assert_eq!(dialled.effects, [Effect::Network(dial)]);
        let again = turn(&mut dialling, later, USABLE, |dialling, ctx| dialling.spread(ctx, [target()].into()));
        assert!(again.effects.is_empty(), "one dial at a time");
    }
    /// Whom the effects dial.
    fn dialled(turn: &crate::turn::Turn) -> Vec<Target> {
        let dial = |effect: &Effect| match effect {
            Effect::Network(NetworkEffect::Dial { peer, purpose, .. }) => {
                Some(Target { peer: *peer, purpose: *purpose })
            }
            _ => None,
        };
        turn.effects.iter().filter_map(dial).collect()
    }

    fn room(peer: PeerId) -> Target {
        Target { peer, purpose: Purpose::ROOM }
    }

    #[test]
    fn rooms_have_at_most_half_of_the_places_and_messages_all_of_them() {
        let later = Now { mono_ms: NOW.mono_ms + 60_000, ..NOW };
        let run = |purposes: &[fn(PeerId) -> Target]| {
            let (mut dialling, peers) = (Dialling::default(), peers(20));
            let wanted = peers.iter().flat_map(|peer| purposes.iter().map(|of| of(*peer))).collect();
            turn(&mut dialling, NOW, USABLE, |dialling, ctx| dialling.spread(ctx, wanted));
            let begun = dialled(&turn(&mut dialling, later, USABLE, |_, _| {}));
            (dialling, begun)
        };
        let count = |begun: &[Target]| begun.iter().filter(|target| target.purpose == Purpose::ROOM).count();
        let policy = DialPolicy::default();
        let (dialling, begun) = run(&[Target::chat]);
        assert_eq!((begun.len(), count(&begun)), (8, 0));
        assert_eq!(dialling.deadline(&policy, USABLE), None, "until one ends");
        let (dialling, begun) = run(&[room]);
        assert_eq!((begun.len(), count(&begun)), (4, 4));
        assert_eq!(dialling.deadline(&policy, USABLE), None, "although there are places for messages");
        let (mut dialling, begun) = run(&[Target::chat, room]);
        assert_eq!(begun.len(), 8);
        assert!((1..=4).contains(&count(&begun)), "those that were due first, of either kind: {begun:?}");
        // As soon as one ends, another one has its place; those for rooms are never too many.
        let (mut running, mut most) = (begun, 0);
        for _ in 0..30 {
            let ended = running.remove(0);
            let next = turn(&mut dialling, later, USABLE, |dialling, ctx| {
                dialling.failed(ctx, ended, DialFailure::PeerDown.into(), about(0, false));
            });
            running.extend(dialled(&next));
            most = most.max(count(&running));
        }
        assert_eq!(most, 4);
        let one = DialPolicy { concurrent: 1, ..DialPolicy::default() };
        assert_eq!((one.places(Purpose::CHAT), one.places(Purpose::ROOM)), (1, 1), "rooms are not locked out");
    }

    #[test]
    fn what_befell_the_dials_for_rooms_says_nothing_of_those_for_messages() {
        let (mut dialling, room) = (Dialling::default(), room(peer()));
        let now = Now { mono_ms: NOW.mono_ms + 1_000, ..NOW };
        let later = Now { mono_ms: NOW.mono_ms + 60_000, ..NOW };
        turn(&mut dialling, NOW, USABLE, |dialling, ctx| dialling.hurry(ctx, room, about(0, false)));
        assert_eq!(dialled(&turn(&mut dialling, now, USABLE, |_, _| {})), [room]);
        // One for messages may run beside it.
        turn(&mut dialling, now, USABLE, |dialling, ctx| dialling.hurry(ctx, target(), about(0, false)));
        let beside = turn(&mut dialling, Now { mono_ms: now.mono_ms + 1_000, ..now }, USABLE, |_, _| {});
        assert_eq!((dialled(&beside), dialling.running()), (vec![target()], 2));
        // The one for the room worked: those for messages have no circuits of their own that did.
        dialling.reached(&room, true);
        let failed = turn(&mut dialling, later, USABLE, |dialling, ctx| {
            dialling.failed(ctx, target(), DialFailure::PeerDown.into(), about(0, false));
        });
        assert!(matches!(failed.ops.as_slice(), [Op::Contacts(ContactOp::Retry { .. })]), "the pause is a contact's");
        assert_eq!(
            (dialling.attempts(&target()), dialling.attempts(&room)),
            (1, 0),
            "by its last circuits it would not count yet"
        );
        assert!(dialling.why(&target()).is_some() && dialling.why(&room).is_none());
        // Nor is one for the room a contact's.
        let failed = turn(&mut dialling, later, USABLE, |dialling, ctx| {
            dialling.failed(ctx, room, DialFailure::Permanent.into(), about(0, false));
        });
        assert_eq!((failed.ops, dialling.attempts(&target())), (Vec::new(), 1));
    }
}
