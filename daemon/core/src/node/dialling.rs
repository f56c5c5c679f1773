//! Whom to dial, and when.

use super::Node;
use crate::effect::{Effect, Turn};
use crate::entropy::{self, Entropy};
use crate::input::DialFailure;
use crate::op::Op;
use crate::rate::{Bucket, Rate};
use crate::time::Now;
use torchat_protocol::id::PeerId;

pub(super) const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;
/// Between two dials that a client's SEND hurries, so that a chatty script does not dial a dead peer without end.
const HURRY_GAP_MS: u64 = 10_000;
/// Timeouts say nothing about the peer; after so many in a row they are treated as if they did.
const TIMEOUTS_IN_A_ROW: u32 = 3;

/// How fast it is forgotten that a peer held a place for nothing.
const HELD_HALVES_MS: u64 = 600_000;
/// Differences of less do not count.
const HELD_STEP_MS: u64 = 10_000;

/// Longest pause while our own way into the network does not work.
const OUTAGE_CAP_MS: u64 = 30_000;

/// The state of dialling one peer.
#[derive(Debug, Default)]
pub(super) struct Dialling {
    running: bool,
    attempts: u32,
    timeouts: u32,
    /// Failures of our own way into the network in a row.
    outages: u32,
    /// The time of the entry in the queue that counts.
    due: Option<u64>,
    last_started: Option<u64>,
    /// Its dials, see [`crate::policy::DialPolicy::token_ms`].
    dials: Bucket,
    /// A dial succeeded in this process, so its circuits may be tried again.
    has_circuits: bool,
    /// They are to be tried, or were tried, after the peer was found down.
    last_circuits: LastCircuits,
    /// The peer ended its last link because it does not want us now.
    unwanted: bool,
    /// No dial before this, whoever hurries.
    rests_until: u64,
    /// For how long its dials that became no link have held a place, and when that was last added to. Halves with time.
    held: (u64, u64),
    /// Why there is no link, in words.
    pub(super) reason: Option<String>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum LastCircuits {
    #[default]
    Unused,
    Next,
    Tried,
}

impl Dialling {
    pub(super) fn restore(attempts: u32) -> Self {
        Self { attempts, ..Self::default() }
    }

    pub(super) fn is_running(&self) -> bool {
        self.running
    }

    pub(super) fn attempts(&self) -> u32 {
        self.attempts
    }

    pub(super) fn due(&self) -> Option<u64> {
        self.due
    }

    /// A link came up, whoever dialled.
    pub(super) fn reached(&mut self) {
        self.due = None;
        self.timeouts = 0;
        self.outages = 0;
        self.last_circuits = LastCircuits::Unused;
        self.unwanted = false;
        self.rests_until = 0;
        self.reason = None;
    }

    /// The peer ends its link because it does not want us now. Not even a client's wish brings a dial before then.
    pub(super) fn unwanted(&mut self, until: u64) {
        self.unwanted = true;
        self.rests_until = until;
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

    /// The machine slept: what failed before says nothing now.
    pub(super) fn forgive(&mut self) {
        self.attempts = 0;
        self.timeouts = 0;
        self.outages = 0;
    }

    /// Something was delivered.
    pub(super) fn succeeded(&mut self) {
        self.attempts = 0;
    }
}

impl Node {
    pub(super) fn spread_first_dials(&mut self, now: Now, entropy: &mut dyn Entropy) {
        let wanted: Vec<_> = self.peers.iter().filter(|(_, p)| p.wants_link()).map(|(id, _)| *id).collect();
        let spread = self.policy.dial.start_spread_ms.min(wanted.len() as u64 * 2_000);
        for peer in wanted {
            let at = now.mono_ms + entropy::up_to(entropy, spread);
            self.queue_dial(peer, at);
        }
    }

    /// A client wants this peer now: the next dial comes at once, unless one ran a moment ago.
    pub(super) fn hurry(&mut self, now: Now, entropy: &mut dyn Entropy, peer: PeerId) {
        let Some(row) = self.peers.get(&peer) else { return };
        if !row.links.is_empty() || row.dialling.running || !row.wants_link() {
            return;
        }
        let at = row.dialling.last_started.map_or(now.mono_ms, |last| now.mono_ms.max(last + HURRY_GAP_MS));
        // Several messages to several peers at once must not look like one burst.
        let at = at.max(row.dialling.rests_until) + entropy::up_to(entropy, 200);
        if row.dialling.due.is_none_or(|due| at < due) {
            self.queue_dial(peer, at);
        }
    }

    fn queue_dial(&mut self, peer: PeerId, at: u64) {
        let Some(row) = self.peers.get_mut(&peer) else { return };
        let at = at.max(row.dialling.rests_until);
        if let Some(old) = row.dialling.due.replace(at) {
            self.dial_queue.remove(&(old, peer));
        }
        self.dial_queue.insert((at, peer));
    }

    pub(super) fn dial_due(&mut self, now: Now, turn: &mut Turn) {
        let rate = Rate::every(self.policy.dial.burst, self.policy.dial.token_ms);
        while self.network_usable && !self.stopping && self.dials < self.policy.dial.concurrent {
            let Some((at, peer)) = self.next_to_dial(now) else { return };
            self.dial_queue.remove(&(at, peer));
            let Some(row) = self.peers.get_mut(&peer) else { continue };
            if row.dialling.due != Some(at) {
                continue;
            }
            row.dialling.due = None;
            if row.dialling.running || !row.links.is_empty() || !row.wants_link() {
                continue;
            }
            if let Err(from) = row.dialling.dials.take(rate, 1, now.mono_ms) {
                self.counters.dials += 1;
                self.queue_dial(peer, from);
                continue;
            }
            let last_circuits = row.dialling.last_circuits == LastCircuits::Next;
            if last_circuits {
                row.dialling.last_circuits = LastCircuits::Tried;
            }
            row.dialling.running = true;
            row.dialling.last_started = Some(now.mono_ms);
            self.dials += 1;
            turn.effects.push(Effect::Dial { peer, last_circuits });
        }
    }

    /// Of those whose time has come the one that has held the places least for nothing, then the one that has waited longest.
    /// By time alone, peers that drag their handshakes would have as much of the few places as they like.
    fn next_to_dial(&self, now: Now) -> Option<(u64, PeerId)> {
        let due = self.dial_queue.iter().take_while(|entry| entry.0 <= now.mono_ms);
        let burden = |peer| self.peers.get(peer).map_or(0, |row| row.dialling.burden(now));
        due.min_by_key(|(at, peer)| (burden(peer), *at)).copied()
    }

    /// A dial became a link.
    pub(super) fn dial_ended(&mut self, peer: &PeerId) {
        let Some(row) = self.peers.get_mut(peer) else { return };
        if std::mem::take(&mut row.dialling.running) {
            self.dials -= 1;
        }
        row.dialling.has_circuits = true;
    }

    pub(super) fn dial_failed(
        &mut self,
        now: Now,
        entropy: &mut dyn Entropy,
        peer: PeerId,
        failure: DialFailure,
        reason: String,
        turn: &mut Turn,
    ) {
        self.judge_dial(now, failure);
        let Some(row) = self.peers.get_mut(&peer) else { return };
        if std::mem::take(&mut row.dialling.running) {
            self.dials -= 1;
            row.dialling.held_for_nothing(now);
        }
        if row.seen_ms.is_some_and(|seen| now.wall_ms.saturating_sub(seen) >= self.policy.presence_ms) {
            // Not heard of for so long, it dials us when it is back.
            row.greet = false;
        }
        let dialling = &mut row.dialling;
        dialling.reason = Some(reason);
        if failure != DialFailure::Timeout {
            dialling.timeouts = 0;
        }
        let policy = &self.policy.dial;
        let pause = match failure {
            // Our side of the network: without blaming the peer, and soon, because the next dial is what notices that
            // it is back. Not at once for ever: one dead introduction point looks the same to Tor.
            DialFailure::NoNetwork => {
                let doubled = policy.backoff_ms.saturating_mul(1 << dialling.outages.min(20));
                dialling.outages = dialling.outages.saturating_add(1);
                doubled.min(OUTAGE_CAP_MS) + entropy::up_to(entropy, policy.backoff_ms)
            }
            DialFailure::Timeout if dialling.timeouts < TIMEOUTS_IN_A_ROW => {
                dialling.timeouts += 1;
                policy.loss_min_ms + entropy::up_to(entropy, policy.loss_max_ms.saturating_sub(policy.loss_min_ms))
            }
            // The descriptor cached with the last circuits may outlive a fetch that finds none.
            DialFailure::PeerDown if dialling.has_circuits && dialling.last_circuits == LastCircuits::Unused => {
                dialling.last_circuits = LastCircuits::Next;
                policy.loss_min_ms
            }
            DialFailure::Permanent => policy.cap_ms,
            DialFailure::PeerDown | DialFailure::Handshake | DialFailure::Timeout => {
                dialling.last_circuits = LastCircuits::Unused;
                dialling.attempts = dialling.attempts.saturating_add(1);
                self.backoff(now, entropy, &peer)
            }
        };
        self.retry_in(now, peer, pause, turn);
        self.forget_stranger(peer);
    }

    /// The last link to a peer is gone.
    pub(super) fn after_loss(
        &mut self,
        now: Now,
        entropy: &mut dyn Entropy,
        peer: PeerId,
        progress: bool,
        turn: &mut Turn,
    ) {
        let Some(row) = self.peers.get_mut(&peer).filter(|row| !self.stopping && row.wants_link()) else {
            return;
        };
        let first = row.dialling.attempts == 0;
        let unwanted = std::mem::take(&mut row.dialling.unwanted);
        if unwanted || !progress {
            // A peer that takes links and closes them is as good as down.
            row.dialling.attempts = row.dialling.attempts.saturating_add(1);
        }
        let pause = if unwanted {
            let least = self.policy.dial.unwanted_ms;
            let pause = self.backoff(now, entropy, &peer).max(least + entropy::up_to(entropy, least / 2));
            if let Some(row) = self.peers.get_mut(&peer) {
                row.dialling.rests_until = now.mono_ms + pause;
            }
            pause
        } else if progress || first {
            let policy = &self.policy.dial;
            policy.loss_min_ms + entropy::up_to(entropy, policy.loss_max_ms.saturating_sub(policy.loss_min_ms))
        } else {
            self.backoff(now, entropy, &peer)
        };
        self.retry_in(now, peer, pause, turn);
    }

    /// The pause after `attempts` failures: doubling, with a quarter of jitter, below the cap for how long ago the
    /// peer was heard of.
    fn backoff(&self, now: Now, entropy: &mut dyn Entropy, peer: &PeerId) -> u64 {
        let policy = &self.policy.dial;
        let Some(row) = self.peers.get(peer) else { return policy.cap_ms };
        let met = row.seen_ms.max(row.added_ms).map_or(i64::MAX, |at| now.wall_ms.saturating_sub(at));
        let cap = if met < HOUR_MS {
            policy.cap_hour_ms
        } else if met < DAY_MS {
            policy.cap_day_ms
        } else {
            policy.cap_ms
        };
        let cap = if row.owes() || row.asking { cap } else { cap.max(policy.cap_presence_ms) };
        // A peer that has not accepted us is met and yet gains nothing by another dial: it dials us when it does. Unless it
        // has not heard yet what the user says to be accepted.
        let (base, cap) = if row.waiting && !row.asking {
            (policy.backoff_waiting_ms, policy.cap_ms)
        } else {
            (policy.backoff_ms, cap)
        };
        let doubled = base.saturating_mul(1 << row.dialling.attempts.saturating_sub(1).min(20));
        let pause = doubled.min(cap);
        pause - pause / 4 + entropy::up_to(entropy, pause / 4)
    }

    /// A link that the peer could not pay for is gone. Nothing is written down, and it was no failure of a dial.
    pub(super) fn dial_again(&mut self, now: Now, entropy: &mut dyn Entropy, peer: PeerId) {
        if self.peers.get(&peer).is_some_and(|row| row.links.is_empty() && row.wants_link()) && !self.stopping {
            let pause = self.backoff(now, entropy, &peer);
            self.queue_dial(peer, now.mono_ms + pause);
        }
    }

    fn retry_in(&mut self, now: Now, peer: PeerId, pause: u64, turn: &mut Turn) {
        let Some(row) = self.peers.get(&peer) else { return };
        if !row.wants_link() {
            return;
        }
        let attempts = row.dialling.attempts;
        if row.owes() && self.writable {
            let next_ms = now.wall_ms.saturating_add(i64::try_from(pause).unwrap_or(i64::MAX));
            turn.ops.push(Op::Retry { peer, attempts, next_ms });
        }
        self.queue_dial(peer, now.mono_ms + pause);
    }

    /// Our way into the network came or went.
    pub(super) fn network(&mut self, now: Now, entropy: &mut dyn Entropy, usable: bool) {
        if usable && !self.network_usable {
            // Those whose dials failed for want of a network need not wait for their pause.
            let waiting: Vec<_> = self.peers.iter().filter(|(_, p)| p.wants_link()).map(|(id, _)| *id).collect();
            for peer in waiting {
                if let Some(row) = self.peers.get_mut(&peer) {
                    row.dialling.outages = 0;
                }
                let idle = self.peers.get(&peer).is_some_and(|p| p.links.is_empty() && p.dialling.due.is_none());
                if idle {
                    self.hurry(now, entropy, peer);
                }
            }
        }
        self.network_usable = usable;
        self.note_usable(now, entropy, usable);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::Policy;
    use crate::snapshot::{OutSnapshot, PeerSnapshot, Pending, Snapshot};
    use torchat_protocol::id::{Chain, LaneId, MessageId, parse_onion};

    const NOW: Now = Now { wall_ms: 1_790_000_000_000, mono_ms: 1_000_000 };

    /// A node that owes mail to one peer, last heard of `ago` milliseconds before now.
    fn node(ago: i64, attempts: u32, waiting: bool) -> (Node, PeerId) {
        let peer = parse_onion("pg6mmjiyjmcrsslvykfwnntlaru7p5svn6y2ymmju6nubxndf4pscryd").expect("an onion");
        let own = PeerId::from_key(curve25519_dalek::constants::ED25519_BASEPOINT_COMPRESSED.0).expect("a key");
        let pending = Pending {
            mid: MessageId([1; 16]),
            chain: Chain([2; 16]),
            bytes: 3,
            at_ms: NOW.wall_ms - ago,
            gone: None,
            until_ms: None,
            end_mono_ms: None,
        };
        let out = OutSnapshot { lane: LaneId([3; 8]), acked: 0, acked_chain: Chain::EMPTY, pending: vec![pending] };
        let row = PeerSnapshot {
            peer,
            contact: true,
            waiting,
            added_ms: Some(NOW.wall_ms - ago),
            seen_ms: Some(NOW.wall_ms - ago),
            blocked: false,
            petname: None,
            nick: None,
            intro: Default::default(),
            request: None,
            hidden: false,
            epoch: 0,
            met: None,
            attempts,
            out: Some(out),
            lanes: vec![],
            unread_bytes: 0,
            linked: false,
        };
        let node = Node::new(
            own,
            Policy::default(),
            Snapshot { peers: vec![row], ..Snapshot::default() },
            NOW,
            &mut |out: &mut [u8]| out.fill(9),
        );
        (node, peer)
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
            let (node, peer) = node(ago, attempts, waiting);
            let pause = node.backoff(NOW, &mut |out: &mut [u8]| out.fill(0x5a), &peer);
            assert!((least..=most).contains(&pause), "{ago} {attempts} {waiting}: {pause}");
        }
    }

    #[test]
    fn nothing_is_dialled_without_a_network_and_everything_owed_with_one() {
        let (mut node, peer) = node(0, 0, false);
        let mut entropy = |out: &mut [u8]| out.fill(1);
        let later = Now { mono_ms: NOW.mono_ms + 60_000, ..NOW };
        assert!(node.turn(later, &mut entropy, []).effects.is_empty());
        let turn = node.turn(later, &mut entropy, [crate::input::Input::Network { usable: true }]);
        assert_eq!(turn.effects, [Effect::Dial { peer, last_circuits: false }]);
        assert!(node.turn(later, &mut entropy, []).effects.is_empty(), "one dial at a time");
    }

    #[test]
    fn a_peer_that_is_down_is_tried_by_its_last_circuits_once() {
        let (mut node, peer) = node(0, 0, false);
        let mut entropy = |out: &mut [u8]| out.fill(1);
        let mut now = NOW;
        node.turn(now, &mut entropy, [crate::input::Input::Network { usable: true }]);
        // It was reached before in this process.
        node.dial_ended(&peer);
        node.hurry(now, &mut entropy, peer);
        let mut seen = Vec::new();
        for _ in 0..3 {
            while !matches!(seen.last(), Some(Effect::Dial { .. })) {
                now = Now { wall_ms: now.wall_ms + 1_000, mono_ms: now.mono_ms + 1_000 };
                seen.extend(node.turn(now, &mut entropy, []).effects);
            }
            let failed =
                crate::input::Input::DialFailed { peer, failure: DialFailure::PeerDown, reason: "not found".into() };
            let turn = node.turn(now, &mut entropy, [failed]);
            assert!(matches!(turn.ops.as_slice(), [Op::Retry { .. }]), "the pause is stored");
            seen.push(Effect::DropDials);
        }
        let last: Vec<_> = seen
            .iter()
            .filter_map(|effect| match effect {
                Effect::Dial { last_circuits, .. } => Some(*last_circuits),
                _ => None,
            })
            .collect();
        assert_eq!(last, [false, true, false]);
    }
}
