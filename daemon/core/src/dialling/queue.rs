//! Whose turn it is: the order of the dials, and the few places that there are for them.

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

impl Dials {
    /// How much of the places for dials the peer has held for nothing of late, in steps: small differences are nobody's fault.
    fn burden(&self, now: Now) -> u64 {
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
        self.queue.first().filter(|_| may).map(|entry| entry.0)
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

    pub(super) fn plan(&mut self, peer: PeerId, at: u64) {
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
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialling::tests::{NOW, USABLE, peer, turn};

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
