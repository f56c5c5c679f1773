//! One turn: what everybody who decides in it is given, and what it yields.

use crate::effect::{Effect, LinkEffect};
use crate::entropy::{self, Entropy};
use crate::input::{Answer, LinkId, RequestId};
use crate::op::Op;
use crate::policy::Policy;
use crate::time::Now;
use torchat_protocol::message::PeerMessage;

/// The outcome of a turn: first everything of `ops` in one durable transaction, then the effects in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Turn {
    /// The transaction. Empty: nothing needs to be committed.
    pub ops: Vec<Op>,
    /// What happens after it, and not at all if it failed.
    pub effects: Vec<Effect>,
}

/// What holds for the whole daemon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Conditions {
    /// Our way into the network works.
    pub(crate) network_usable: bool,
    /// The store takes writes.
    pub(crate) writable: bool,
    /// There is no turn after this one.
    pub(crate) stopping: bool,
}

/// What a turn is given and what it has decided so far: the one argument of everything that decides.
pub(crate) struct Context<'a> {
    /// The turn's moment, by both clocks.
    pub(crate) now: Now,
    pub(crate) policy: &'a Policy,
    /// As of now: an input of this turn may have changed them.
    pub(crate) conditions: Conditions,
    entropy: &'a mut dyn Entropy,
    turn: Turn,
}

impl<'a> Context<'a> {
    pub(crate) fn new(now: Now, policy: &'a Policy, conditions: Conditions, entropy: &'a mut dyn Entropy) -> Self {
        Self { now, policy, conditions, entropy, turn: Turn::default() }
    }

    pub(crate) fn finish(self) -> Turn {
        self.turn
    }

    /// The transaction so far.
    pub(crate) fn ops(&mut self) -> &mut Vec<Op> {
        &mut self.turn.ops
    }

    pub(crate) fn write(&mut self, op: Op) {
        self.turn.ops.push(op);
    }

    pub(crate) fn act(&mut self, effect: Effect) {
        self.turn.effects.push(effect);
    }

    pub(crate) fn say(&mut self, link: LinkId, message: PeerMessage) {
        self.act(Effect::Link(LinkEffect::Say { link, message }));
    }

    pub(crate) fn answer(&mut self, request: RequestId, answer: Answer) {
        self.act(Effect::Answer { request, answer });
    }

    /// Where random bytes come from.
    pub(crate) fn entropy(&mut self) -> &mut dyn Entropy {
        self.entropy
    }

    /// Random bytes.
    pub(crate) fn random<const N: usize>(&mut self) -> [u8; N] {
        entropy::bytes(self.entropy)
    }

    /// A random number in `0..=max`.
    pub(crate) fn up_to(&mut self, max: u64) -> u64 {
        entropy::up_to(self.entropy, max)
    }

    /// A random number in `min..=max`, or `min` if that is more.
    pub(crate) fn between(&mut self, min: u64, max: u64) -> u64 {
        min + self.up_to(max.saturating_sub(min))
    }
}

/// For the unit tests of the parts: one turn of whatever is asked, on a quiet day.
#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) const START: Now = Now { wall_ms: 1_790_000_000_000, mono_ms: 1_000_000 };
    pub(crate) const FINE: Conditions = Conditions { network_usable: true, writable: true, stopping: false };

    /// A number of milliseconds after [`START`], by both clocks.
    pub(crate) fn after(ms: u64) -> Now {
        Now { wall_ms: START.wall_ms.saturating_add_unsigned(ms), mono_ms: START.mono_ms + ms }
    }

    /// What was answered, and what the turn yields.
    pub(crate) fn decide<T>(now: Now, policy: &Policy, asked: impl FnOnce(&mut Context<'_>) -> T) -> (T, Turn) {
        let mut entropy = |out: &mut [u8]| out.fill(1);
        let mut ctx = Context::new(now, policy, FINE, &mut entropy);
        let answer = asked(&mut ctx);
        (answer, ctx.finish())
    }

    thread_local! {
        /// How many peers were looked at: what a turn, a page or a dial costs.
        pub(crate) static LOOKS: std::cell::Cell<u64> = const { std::cell::Cell::new(0) };
    }

    /// How many peers are looked at meanwhile.
    pub(crate) fn looks_of(what: impl FnOnce()) -> u64 {
        let before = LOOKS.get();
        what();
        LOOKS.get() - before
    }

    /// Many peers, all different, each in the time of an addition.
    #[allow(clippy::unwrap_used, reason = "every multiple of the base point is a key")]
    pub(crate) fn peers(count: usize) -> Vec<torchat_protocol::id::PeerId> {
        let base = curve25519_dalek::constants::ED25519_BASEPOINT_POINT;
        let points = std::iter::successors(Some(base), |point| Some(point + base));
        points.take(count).map(|point| torchat_protocol::id::PeerId::from_key(point.compress().0).unwrap()).collect()
    }

    /// A peer for each number.
    #[allow(clippy::unwrap_used, reason = "every multiple of the base point is a key")]
    pub(crate) fn peer(n: u8) -> torchat_protocol::id::PeerId {
        let scalar = curve25519_dalek::Scalar::from(u64::from(n) + 2);
        let key = curve25519_dalek::constants::ED25519_BASEPOINT_POINT * scalar;
        torchat_protocol::id::PeerId::from_key(key.compress().0).unwrap()
    }
}
