//! Whose turn it is: the order of the dials, and the few places that there are for them.
//!
//! Thousands of contacts can be due at once, for a start dials them all and most may be away. So those that are due are kept in the
//! order in which they get a place, and a dial costs the same for ten of them and for ten thousand.

use super::{About, Circuits, Dialling, Dials};
use crate::effect::{Effect, NetworkEffect};
use crate::policy::DialPolicy;
use crate::rate::Rate;
use crate::time::Now;
use crate::turn::{Conditions, Context};
use std::collections::BTreeSet;
use torchat_protocol::id::PeerId;

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

/// Who is to be dialled when, by the monotonic clock. Each peer is in it at most once, and knows where.
#[derive(Debug, Default)]
pub(super) struct Queue {
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

    /// Somebody whose time has come, or whose burden has halved, and is not yet where it belongs.
    fn misplaced(&self, now_ms: u64) -> Option<PeerId> {
        let come =
            |entries: &BTreeSet<(u64, PeerId)>| entries.first().filter(|(at, _)| *at <= now_ms).map(|(_, peer)| *peer);
        come(&self.waiting).or_else(|| come(&self.lighter))
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
        let may = conditions.network_usable && self.running < policy.concurrent;
        let due = self.queue.due.first().map(|entry| entry.1);
        due.or_else(|| Some(self.queue.waiting.first()?.0)).filter(|_| may)
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
        if dials.planned.is_none_or(|planned| at < planned.at()) {
            self.plan(peer, at);
        }
    }

    pub(super) fn plan(&mut self, peer: PeerId, at: u64) {
        self.unplan(&peer);
        let dials = self.peers.entry(peer).or_default();
        let planned = Planned::Waiting { at: at.max(dials.rest.until()) };
        dials.planned = Some(planned);
        self.queue.insert(peer, planned);
    }

    /// It is not dialled, until it is planned again.
    pub(super) fn unplan(&mut self, peer: &PeerId) {
        if let Some(planned) = self.peers.get_mut(peer).and_then(|dials| dials.planned.take()) {
            self.queue.remove(*peer, planned);
        }
    }

    /// Dials those whose time has come, as many as there are places for.
    pub(crate) fn dial_due(&mut self, ctx: &mut Context<'_>, about: impl Fn(&PeerId) -> About) {
        let policy = &ctx.policy.dial;
        let rate = Rate::every(policy.burst, policy.token_ms);
        while ctx.conditions.network_usable && !ctx.conditions.stopping && self.running < policy.concurrent {
            let Some(peer) = self.next(ctx.now) else { return };
            self.unplan(&peer);
            let Some(dials) = self.peers.get_mut(&peer) else { continue };
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
    fn next(&mut self, now: Now) -> Option<PeerId> {
        while let Some(peer) = self.queue.misplaced(now.mono_ms) {
            let Some(dials) = self.peers.get_mut(&peer) else { break };
            let Some(before) = dials.planned else { break };
            let planned = dials.due(now, before.at());
            dials.planned = Some(planned);
            self.queue.remove(peer, before);
            self.queue.insert(peer, planned);
        }
        self.queue.due.first().map(|entry| entry.2)
    }

    /// How many dials run.
    pub(crate) fn running(&self) -> usize {
        self.running
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialling::tests::{NOW, USABLE, about, peer, turn};
    use crate::input::DialFailure;
    use crate::turn::tests::{looks_of, peers};

    /// Looks at burdens for each dial that fails, when so many peers are due.
    fn looks(due: usize) -> u64 {
        let (mut dialling, peers) = (Dialling::default(), peers(due));
        let wanted = peers.iter().copied().collect();
        turn(&mut dialling, NOW, USABLE, |dialling, ctx| dialling.spread(ctx, wanted));
        // All are due, all places are taken.
        let mut now = Now { mono_ms: NOW.mono_ms + 60_000, ..NOW };
        let mut running: Vec<_> = turn(&mut dialling, now, USABLE, |_, _| {}).effects;
        looks_of(|| {
            for _ in 0..16 {
                now.mono_ms += 1;
                let Effect::Network(NetworkEffect::Dial { peer, .. }) = running.remove(0) else { continue };
                let failed = turn(&mut dialling, now, USABLE, |dialling, ctx| {
                    dialling.failed(ctx, peer, DialFailure::PeerDown.into(), about(0, false));
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
        let at = |ms| Now { mono_ms: NOW.mono_ms + ms, ..NOW };
        for (peer, held) in [(a, (60_000, NOW.mono_ms)), (b, (40_000, NOW.mono_ms + HELD_HALVES_MS - 2)), (c, (0, 0))] {
            dialling.plan(peer, NOW.mono_ms);
            dialling.peers.entry(peer).or_default().held = held;
        }
        assert_eq!(dialling.next(at(HELD_HALVES_MS - 1)), Some(c));
        dialling.unplan(&c);
        assert_eq!(dialling.next(at(HELD_HALVES_MS - 1)), Some(b), "4 steps and not 6");
        assert_eq!(dialling.next(at(HELD_HALVES_MS)), Some(a), "half of 6 is less than 4");
        dialling.unplan(&a);
        assert_eq!(dialling.next(at(10 * HELD_HALVES_MS)), Some(b));
        dialling.forget(&b);
        let Queue { waiting, due, lighter } = &dialling.queue;
        assert!(waiting.is_empty() && due.is_empty() && lighter.is_empty(), "nothing is left of anybody");
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
}
