//! Which peers to dial for what, and when.

mod pause;
mod queue;

use crate::input::{DialEnd, LinkEnd, NoLink};
use crate::op::{ContactOp, Op};
use crate::policy::{DialPolicy, Policy};
use crate::rate::Bucket;
use crate::snapshot::PeerSnapshot;
use crate::time::Now;
use crate::turn::Context;
use queue::{Planned, Queue};
use std::collections::BTreeMap;
use torchat_protocol::id::PeerId;
use torchat_protocol::purpose::Purpose;

/// Whom to dial, and for what. What is known of a peer's dials for one purpose says nothing of those for another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Target {
    pub(crate) peer: PeerId,
    pub(crate) purpose: Purpose,
}

impl Target {
    /// A peer, for messages.
    pub(crate) fn chat(peer: PeerId) -> Self {
        Self { peer, purpose: Purpose::CHAT }
    }

    /// A peer, for rooms.
    pub(crate) fn room(peer: PeerId) -> Self {
        Self { peer, purpose: Purpose::ROOM }
    }
}

/// The dials of all peers.
#[derive(Debug, Default)]
pub(crate) struct Dialling {
    dials: BTreeMap<Target, Dials>,
    queues: BTreeMap<Purpose, Queue>,
    /// Dials that were put off because a contact had used up its circuits.
    put_off: u64,
}

/// The state of dialling one peer for one purpose.
#[derive(Debug, Default)]
struct Dials {
    wish: Wish,
    /// One runs.
    running: bool,
    attempts: u32,
    timeouts: u32,
    /// Failures of our own way into the network in a row.
    outages: u32,
    /// Its place in the queue. It may have one while a dial runs: a machine that wakes plans anew.
    planned: Option<Planned>,
    last_started: Option<u64>,
    /// Until when its last pause lasts, for [`Dialling::want`].
    paused_until: u64,
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

    /// What failed before says nothing now.
    fn forgive(&mut self) {
        self.attempts = 0;
        self.timeouts = 0;
        self.outages = 0;
        self.paused_until = 0;
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
        Self { dials: peers.iter().map(|row| (Target::chat(row.peer), dials(row))).collect(), ..Self::default() }
    }

    /// A dial of the peer runs.
    pub(crate) fn is_running(&self, target: &Target) -> bool {
        self.dials.get(target).is_some_and(|dials| dials.running)
    }

    /// The peer has not answered what the user had to say to it.
    pub(crate) fn is_asking(&self, target: &Target) -> bool {
        self.dials.get(target).is_some_and(|dials| dials.wish == Wish::Answer)
    }

    /// Failures in a row.
    pub(crate) fn attempts(&self, target: &Target) -> u32 {
        self.dials.get(target).map_or(0, |dials| dials.attempts)
    }

    /// When the peer is dialled next, by the monotonic clock.
    pub(crate) fn due_at(&self, target: &Target) -> Option<u64> {
        self.dials.get(target)?.planned.map(Planned::at)
    }

    /// Why there is no link. `None`: none was tried, or one was there since.
    pub(crate) fn why(&self, target: &Target) -> Option<&NoLink> {
        self.dials.get(target)?.why.as_ref()
    }

    /// Dials that were put off.
    pub(crate) fn put_off(&self) -> u64 {
        self.put_off
    }

    /// The peers that are wanted although nothing may be owed to them.
    pub(crate) fn wished(&self) -> impl Iterator<Item = &Target> {
        self.dials.iter().filter(|(_, dials)| dials.wish != Wish::None).map(|(target, _)| target)
    }

    /// The user has something to say to the peer. The pauses of dials that nobody answered were for what was said before.
    pub(crate) fn ask(&mut self, target: Target) {
        let dials = self.dials.entry(target).or_default();
        dials.wish = Wish::Answer;
        dials.forgive();
    }

    /// The peer has answered that.
    pub(crate) fn answered(&mut self, target: &Target) {
        if let Some(dials) = self.dials.get_mut(target).filter(|dials| dials.wish == Wish::Answer) {
            dials.wish = Wish::None;
        }
    }

    /// Whether a link is wanted to see each other.
    pub(crate) fn wish_presence(&mut self, target: Target, wanted: bool) {
        self.dials.entry(target).or_default().wish.presence(wanted);
    }

    /// It is no contact any more.
    pub(crate) fn removed(&mut self, target: &Target) {
        if let Some(dials) = self.dials.get_mut(target) {
            dials.wish = Wish::None;
        }
    }

    /// Nothing is known of the peer any more.
    pub(crate) fn forget(&mut self, target: &Target) {
        self.unplan(target);
        self.dials.remove(target);
    }

    /// A link came up, whichever side dialled.
    pub(crate) fn reached(&mut self, target: &Target, outgoing: bool) {
        self.unplan(target);
        let dials = self.dials.entry(*target).or_default();
        if outgoing {
            if std::mem::take(&mut dials.running) {
                self.queues.entry(target.purpose).or_default().ended();
            }
            dials.circuits = Circuits::Usable;
        }
        dials.circuits.unused();
        dials.wish.presence(false);
        dials.timeouts = 0;
        dials.outages = 0;
        dials.rest = Rest::None;
        dials.why = None;
    }

    /// The peer ends its link because it does not want us now.
    pub(crate) fn unwanted(&mut self, now: Now, policy: &DialPolicy, target: Target) {
        self.dials.entry(target).or_default().rest = Rest::Unwanted(now.mono_ms + policy.unwanted_ms);
    }

    /// Something was delivered.
    pub(crate) fn succeeded(&mut self, target: &Target) {
        if let Some(dials) = self.dials.get_mut(target) {
            dials.attempts = 0;
        }
    }

    /// The machine slept: what failed before says nothing now of peers without a link.
    pub(crate) fn forgive(&mut self, is_unlinked: impl Fn(&Target) -> bool) {
        for (_, dials) in self.dials.iter_mut().filter(|(target, _)| is_unlinked(target)) {
            dials.forgive();
        }
    }

    /// A dial ended without a link.
    pub(crate) fn failed(&mut self, ctx: &mut Context<'_>, target: Target, end: DialEnd, about: About) {
        let failure = end.failure;
        let dials = self.dials.entry(target).or_default();
        if std::mem::take(&mut dials.running) {
            self.queues.entry(target.purpose).or_default().ended();
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
        self.retry_in(ctx, target, pause, about);
    }

    /// A link is gone.
    pub(crate) fn link_down(&mut self, target: Target, end: LinkEnd) {
        self.dials.entry(target).or_default().why = Some(NoLink::Link(end));
    }

    /// The last link to a peer is gone; `worth`: it was worth its circuits.
    pub(crate) fn lost(&mut self, ctx: &mut Context<'_>, target: Target, worth: bool, about: About) {
        let wanted = |dials: &&mut Dials| !ctx.conditions.stopping && dials.wants(about.owes);
        let Some(dials) = self.dials.get_mut(&target).filter(wanted) else { return };
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
        self.retry_in(ctx, target, pause, about);
    }

    /// A link that the peer could not pay for is gone. Nothing is written down, and it was no failure of a dial.
    pub(crate) fn again(&mut self, ctx: &mut Context<'_>, target: Target, about: About) {
        let wanted = |dials: &&Dials| !about.linked && dials.wants(about.owes) && !ctx.conditions.stopping;
        let Some(dials) = self.dials.get(&target).filter(wanted) else { return };
        let pause = dials.backoff(ctx, about);
        self.plan(target, ctx.now.mono_ms + pause);
    }

    fn retry_in(&mut self, ctx: &mut Context<'_>, target: Target, pause: u64, about: About) {
        let Some(dials) = self.dials.get_mut(&target).filter(|dials| dials.wants(about.owes)) else { return };
        dials.paused_until = ctx.now.mono_ms + pause;
        // The store keeps the pauses of contacts, and of what is owed to them.
        if target.purpose == Purpose::CHAT && about.owes && ctx.conditions.writable {
            let next_ms = ctx.now.wall_ms.saturating_add(i64::try_from(pause).unwrap_or(i64::MAX));
            ctx.write(Op::Contacts(ContactOp::Retry { peer: target.peer, attempts: dials.attempts, next_ms }));
        }
        self.plan(target, ctx.now.mono_ms + pause);
    }

    /// Our way into the network works again: those whose dials failed for want of it need not wait for their pause.
    pub(crate) fn network_is_back(&mut self, ctx: &mut Context<'_>, wanted: Vec<(Target, About)>) {
        for (target, about) in wanted {
            let dials = self.dials.entry(target).or_default();
            dials.outages = 0;
            if dials.planned.is_none() {
                self.hurry(ctx, target, about);
            }
        }
    }

    /// How many peers something is remembered of.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.dials.len()
    }
}

#[cfg(test)]
mod tests;
