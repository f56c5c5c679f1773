//! Whom to dial for rooms, and when.
//!
//! Only members of the rooms that we are in, and the doors of invites that the user gave us. In a mesh each pair of members
//! has one link: the smaller number dials at once, the other one after a while.

use super::{Context, Room, Rooms};
use crate::effect::RoomEffect;
use crate::input::DialFailure;
use crate::snapshot::rooms::RoomState;
use std::collections::BTreeMap;
use torchat_protocol::id::PeerId;

/// Dials for rooms at the same time: half of all, so that mail never waits for them.
const AT_ONCE: usize = 4;
/// The greater number of two members dials when there was no link for so long.
const GREATER_MS: u64 = 30_000;
/// Timeouts say nothing about the peer; after this many in a row they are treated as if they did.
const TIMEOUTS: u32 = 3;
/// At the start, dials are spread over so much time for each peer.
const SPREAD_MS: u64 = 2_000;

/// The dials for rooms.
#[derive(Debug, Default)]
pub(super) struct Dials(BTreeMap<PeerId, Dial>);

/// The dials of one peer.
#[derive(Debug, Default)]
struct Dial {
    running: bool,
    /// Since when there has been no link.
    since: u64,
    not_before: u64,
    /// Failures in a row, and how many of the last ones were timeouts.
    attempts: u32,
    timeouts: u32,
}

impl Dials {
    /// At the start, for those who are wanted then.
    pub(super) fn spread(&mut self, ctx: &mut Context<'_>, peers: impl IntoIterator<Item = PeerId>) {
        let peers: Vec<_> = peers.into_iter().collect();
        let spread = (SPREAD_MS * peers.len() as u64).min(ctx.policy.dial.start_spread_ms);
        for peer in peers {
            let now = ctx.mono_ms();
            let dial = Dial { since: now, not_before: now + ctx.up_to(spread), ..Dial::default() };
            self.0.insert(peer, dial);
        }
    }

    /// A link came up, whichever side dialled.
    pub(super) fn reached(&mut self, peer: PeerId, outgoing: bool) {
        let dial = self.0.entry(peer).or_default();
        dial.running &= !outgoing;
        dial.timeouts = 0;
    }

    /// The last link to a peer is gone. `served`: a room was open on it.
    pub(super) fn lost(&mut self, ctx: &mut Context<'_>, peer: PeerId, served: bool) {
        let policy = &ctx.policy.dial;
        let dial = self.0.entry(peer).or_default();
        dial.since = ctx.now.mono_ms;
        let pause = if served {
            dial.attempts = 0;
            let (min, max) = (policy.loss_min_ms, policy.loss_max_ms);
            min + ctx.up_to(max.saturating_sub(min))
        } else {
            dial.attempts = dial.attempts.saturating_add(1);
            dial.backoff(ctx)
        };
        dial.not_before = dial.not_before.max(ctx.now.mono_ms + pause);
    }

    /// The peer does not want us now.
    pub(super) fn unwanted(&mut self, ctx: &Context<'_>, peer: PeerId) {
        let dial = self.0.entry(peer).or_default();
        dial.not_before = ctx.now.mono_ms + ctx.policy.dial.unwanted_ms;
    }

    /// A dial ended without a link.
    pub(super) fn failed(&mut self, ctx: &mut Context<'_>, peer: PeerId, failure: DialFailure) {
        let policy = &ctx.policy.dial;
        let dial = self.0.entry(peer).or_default();
        dial.running = false;
        let soft = failure.is_timeout() && dial.timeouts < TIMEOUTS;
        dial.timeouts = if failure.is_timeout() { dial.timeouts.saturating_add(1) } else { 0 };
        let pause = match failure {
            DialFailure::NoNetwork => policy.backoff_ms + ctx.up_to(policy.backoff_ms),
            DialFailure::Permanent => policy.cap_ms,
            _ if soft => {
                let (min, max) = (policy.loss_min_ms, policy.loss_max_ms);
                min + ctx.up_to(max.saturating_sub(min))
            }
            _ => {
                dial.attempts = dial.attempts.saturating_add(1);
                dial.backoff(ctx)
            }
        };
        dial.not_before = ctx.now.mono_ms + pause;
    }

    fn running(&self) -> usize {
        self.0.values().filter(|dial| dial.running).count()
    }
}

impl Dial {
    /// The pause after failures: doubling, with a quarter of jitter.
    fn backoff(&self, ctx: &mut Context<'_>) -> u64 {
        let policy = &ctx.policy.dial;
        let pause = policy.backoff_ms.saturating_mul(1 << self.attempts.saturating_sub(1).min(20));
        let pause = pause.min(policy.cap_day_ms);
        pause - pause / 4 + ctx.up_to(pause / 4)
    }
}

impl Room {
    /// Whether its members are linked each with each.
    pub(super) fn is_mesh(&self) -> bool {
        self.replica.roster().hosts.is_empty()
    }

    /// Whom this room wants a link with, and how long after the last one at the earliest, or from when on.
    fn wanted(&self) -> Vec<(PeerId, u64, u64)> {
        let until = |peer: &PeerId| self.pauses.get(peer).map_or(0, |pause| pause.until_ms);
        match (&self.way, self.state) {
            (Some(way), RoomState::Joining) => {
                way.doors.iter().map(|door| (*door, 0, self.entry.next_ms.max(until(door)))).collect()
            }
            _ if !self.is_mesh() => Vec::new(),
            _ => {
                let me = self.replica.me();
                let after = |no| if me < Some(no) { 0 } else { GREATER_MS };
                self.peers.iter().map(|(peer, no)| (*peer, after(*no), until(peer))).collect()
            }
        }
    }
}

impl Rooms {
    /// When each peer without a link is to be dialled, as far as the rooms want it.
    fn wanted(&self) -> BTreeMap<PeerId, u64> {
        let mut wanted = BTreeMap::new();
        for (peer, after, from) in self.rooms.values().flat_map(Room::wanted) {
            let Some(dial) = self.dials.0.get(&peer) else {
                wanted.insert(peer, 0);
                continue;
            };
            let at = (dial.since + after).max(from).max(dial.not_before);
            let least = wanted.entry(peer).or_insert(at);
            *least = at.min(*least);
        }
        wanted.retain(|peer, at| *at < u64::MAX && self.links.values().all(|link| link.peer() != *peer));
        wanted
    }

    /// Dials those who are due.
    pub(super) fn dial(&mut self, ctx: &mut Context<'_>) {
        let now = ctx.mono_ms();
        let peers: Vec<_> = self.rooms.values().flat_map(Room::wanted).map(|(peer, ..)| peer).collect();
        for peer in peers {
            self.dials.0.entry(peer).or_insert_with(|| Dial { since: now, ..Dial::default() });
        }
        let wanted = self.wanted();
        let links = &self.links;
        self.dials.0.retain(|peer, dial| {
            dial.running || wanted.contains_key(peer) || links.values().any(|link| link.peer() == *peer)
        });
        if !ctx.network_usable {
            return;
        }
        let mut due: Vec<_> = wanted.into_iter().filter(|(_, at)| *at <= now).map(|(peer, at)| (at, peer)).collect();
        due.sort_unstable();
        for (_, peer) in due {
            let running = self.dials.running();
            let Some(dial) = self.dials.0.get_mut(&peer).filter(|dial| !dial.running && running < AT_ONCE) else {
                continue;
            };
            dial.running = true;
            ctx.act(RoomEffect::Dial(peer));
        }
    }

    /// When the next dial is due.
    pub(super) fn dials_due(&self) -> Option<u64> {
        if self.dials.running() >= AT_ONCE {
            return None;
        }
        let idle = |peer: &PeerId| self.dials.0.get(peer).is_none_or(|dial| !dial.running);
        self.wanted().into_iter().filter(|(peer, _)| idle(peer)).map(|(_, at)| at).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::Policy;
    use crate::time::Now;
    use crate::turn::tests::peer;

    const NOW: u64 = 1_000_000;

    fn at<T>(ms: u64, asked: impl FnOnce(&mut Context<'_>) -> T) -> T {
        let (policy, mut entropy) = (Policy::default(), |out: &mut [u8]| out.fill(0x5a));
        let now = Now { wall_ms: 0, mono_ms: NOW + ms };
        asked(&mut Context::new(now, &policy, true, &mut entropy))
    }

    fn pause(dials: &Dials, n: u8) -> u64 {
        dials.0.get(&peer(n)).map_or(0, |dial| dial.not_before.saturating_sub(NOW))
    }

    #[test]
    fn a_peer_that_is_down_is_left_alone_for_longer_and_longer() {
        let (mut dials, policy) = (Dials::default(), Policy::default().dial);
        let mut pauses = Vec::new();
        for _ in 0..40 {
            at(0, |ctx| dials.failed(ctx, peer(1), DialFailure::PeerDown));
            pauses.push(pause(&dials, 1));
        }
        assert!(pauses.first().is_some_and(|first| *first <= policy.backoff_ms), "{pauses:?}");
        assert!(pauses.is_sorted(), "{pauses:?}");
        assert!(pauses.last().is_some_and(|last| *last > policy.cap_day_ms / 2 && *last <= policy.cap_day_ms));
    }

    #[test]
    fn timeouts_are_forgiven_three_times_and_our_own_network_always() {
        let mut dials = Dials::default();
        for _ in 0..TIMEOUTS {
            at(0, |ctx| dials.failed(ctx, peer(1), DialFailure::Timeout));
        }
        at(0, |ctx| dials.failed(ctx, peer(2), DialFailure::NoNetwork));
        let attempts = |dials: &Dials, n| dials.0.get(&peer(n)).map(|dial| dial.attempts);
        assert_eq!((attempts(&dials, 1), attempts(&dials, 2)), (Some(0), Some(0)));
        at(0, |ctx| dials.failed(ctx, peer(1), DialFailure::Timeout));
        assert_eq!(attempts(&dials, 1), Some(1));
    }

    #[test]
    fn a_link_that_served_is_dialled_again_soon_and_one_that_did_not_is_a_failure() {
        let (mut dials, policy) = (Dials::default(), Policy::default().dial);
        at(0, |ctx| dials.lost(ctx, peer(1), true));
        assert!((policy.loss_min_ms..=policy.loss_max_ms).contains(&pause(&dials, 1)));
        for _ in 0..10 {
            at(0, |ctx| dials.lost(ctx, peer(2), false));
        }
        assert!(pause(&dials, 2) > policy.loss_max_ms * 4, "{}", pause(&dials, 2));
        at(0, |ctx| dials.unwanted(ctx, peer(3)));
        assert_eq!(pause(&dials, 3), policy.unwanted_ms);
    }
}
