//! The daemon's decisions: one value, and one function, [`Node::turn`], that maps what happened to what is to be written and
//! done.
//!
//! The node itself decides nothing. It is composed of private states, each of which decides about one subject and knows no
//! other: who may write to us, which links are up, which peers to dial, what is said and heard. The node hands each input to those
//! that it concerns, and answers what they ask of each other, by arguments and results.
//!
//! Nothing here waits, reads a clock or draws a random number, so weeks of faults run in a test within seconds. A turn
//! takes many inputs and yields one transaction: that is the group commit. The node changes before the commit; if the
//! commit fails, the caller drops the node and builds another from the store, and closes all links. (Undoing single
//! changes was rejected: it is a second, rarely run way through the code.)

mod asked;
mod linked;
mod periodic;
mod rooms;
mod said;
mod status;
#[cfg(test)]
mod tests;

use crate::account::{Account, Kind};
use crate::chat::Chat;
use crate::chat::legacy::Legacy;
use crate::chat::receiving::Receiving;
use crate::chat::sending::Sending;
use crate::clock::Clock;
use crate::contacts::Contacts;
use crate::dialling::{Dialling, Target};
use crate::entropy::{self, Entropy};
use crate::input::{Input, LegacyInput};
use crate::later::Later;
use crate::links::Links;
use crate::notices::Notices;
use crate::policy::Policy;
use crate::presence::Presence;
use crate::rooms::Rooms;
use crate::snapshot::Snapshot;
use crate::supervision::Supervision;
use crate::time::{Believed, CALM_MS, Now};
use crate::turn::{Conditions, Context, Turn};
use torchat_protocol::id::{PeerId, RunId};

/// A daemon's state. See the module's description.
pub struct Node {
    policy: Policy,
    conditions: Conditions,
    /// The last turn's moment.
    now: Now,
    parts: Parts,
}

/// What the node is composed of. Each part keeps its fields to itself.
struct Parts {
    own: PeerId,
    clock: Clock,
    contacts: Contacts,
    presence: Presence,
    notices: Notices,
    links: Links,
    dialling: Dialling,
    chat: Chat,
    supervision: Supervision,
    /// What the peers' inputs may cost.
    account: Account,
    later: Later,
    rooms: rooms::Desk,
}

impl Node {
    /// A node that goes on where the store says the last process stopped.
    ///
    /// The peers that are owed mail, were heard of within the hour or were never met are dialled soon, spread over
    /// 2 s for each (at most [`crate::policy::DialPolicy::start_spread_ms`]): a storm of dials would show the guard
    /// how many contacts there are.
    #[must_use]
    pub fn new(own: PeerId, policy: Policy, snapshot: Snapshot, now: Now, entropy: &mut dyn Entropy) -> Self {
        let run = RunId(entropy::bytes(entropy));
        let conditions = Conditions { network_usable: false, writable: true, stopping: false };
        let peers = snapshot.peers;
        let mut parts = Parts {
            own,
            clock: Clock::restore(now, snapshot.clock_set_ms),
            contacts: Contacts::restore(&peers, snapshot.invites),
            presence: Presence::restore(run, snapshot.runs, &peers),
            notices: Notices::default(),
            links: Links::default(),
            dialling: Dialling::restore(&policy, now, &peers),
            supervision: Supervision::new(now),
            account: Account::new(policy.tariff.clone()),
            later: Later::default(),
            rooms: rooms::Desk::restore(own, snapshot.rooms, now, &policy, entropy),
            chat: Chat {
                receiving: Receiving::restore(&peers),
                sending: Sending::restore(peers.into_iter().filter_map(|row| Some((row.peer, row.out?)))),
                legacy: Legacy::restore(snapshot.legacy),
            },
        };
        parts.chat.sending.put_off_expiry(now.mono_ms + CALM_MS);
        parts.spread_dials(&mut Context::new(now, &policy, conditions, entropy));
        Self { policy, conditions, now, parts }
    }

    /// Takes what happened and says what to write and do. Without inputs it only looks at the clock.
    pub fn turn(&mut self, now: Now, entropy: &mut dyn Entropy, inputs: impl IntoIterator<Item = Input>) -> Turn {
        self.now = now;
        let mut ctx = Context::new(now, &self.policy, self.conditions, entropy);
        self.parts.begin(&mut ctx);
        for input in inputs {
            self.parts.take(&mut ctx, input);
        }
        self.parts.end(&mut ctx);
        self.conditions = ctx.conditions;
        ctx.finish()
    }

    /// When [`Node::turn`] must be called next although nothing happened, by the monotonic clock in milliseconds.
    #[must_use]
    pub fn next_deadline(&self) -> Option<u64> {
        if self.conditions.stopping {
            return None;
        }
        let parts = &self.parts;
        if parts.chat.receiving.is_unchoke_due() {
            return Some(self.now.mono_ms);
        }
        [
            parts.links.deadline(&self.policy, |id, peer| {
                linked::about(&parts.contacts, &parts.presence, &parts.chat.sending, id, peer)
            }),
            parts.dialling.deadline(&self.policy.dial, self.conditions),
            parts.clock.deadline(&self.policy.liveness),
            parts.supervision.deadline(self.conditions.network_usable),
            parts.chat.sending.deadline(self.conditions.writable),
            parts.later.deadline(),
            parts.account.deadline(),
            parts.rooms.deadline(),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// The wall clock, if what is too old by it may go. `None`: it was not calm for long enough.
    #[must_use]
    pub fn believed(&self, now: Now) -> Option<Believed> {
        self.parts.clock.believed(now, &self.policy.liveness, self.conditions.network_usable)
    }

    /// A commit has marked so much of what a peer said as read: the bytes of its texts, and [`crate::account::ROW_BYTES`] for
    /// each message and mark. Only the store knows how many: what one program has seen and another one takes later counts
    /// once. What follows from it is in the next turn, which is due at once.
    pub fn freed(&mut self, peer: &PeerId, bytes: u64) {
        let Parts { chat, links, .. } = &mut self.parts;
        chat.receiving.freed(&self.policy, peer, bytes, |id| links.is_open(id));
    }

    /// The rooms, to be looked at.
    #[must_use]
    pub fn rooms(&self) -> &Rooms {
        self.parts.rooms.rooms()
    }

    /// What no store knows survives a rebuild from it. What the peers have paid: a peer that could make a commit fail would have
    /// full purses by it. And that the network carries nothing: the transport says so only when it changes.
    pub fn keep_unstored(&mut self, before: &mut Self) {
        self.parts.account = std::mem::take(&mut before.parts.account);
        self.parts.supervision.keep_trouble(&before.parts.supervision);
        self.parts.rooms.keep_unstored(&mut before.parts.rooms);
    }

    /// What the clock and the network said last survives a rebuild from the store.
    pub fn resume(&mut self, network_usable: bool, writable: bool) {
        self.conditions.network_usable = network_usable;
        self.conditions.writable = writable;
    }
}

impl Parts {
    /// What is to be done before the inputs of a turn are looked at.
    fn begin(&mut self, ctx: &mut Context<'_>) {
        self.presence.tell_run(ctx);
        self.write_later(ctx);
        self.go_on(ctx);
        self.unchoke(ctx);
        self.watch_clock(ctx);
        self.clock.tell_leap(ctx);
    }

    /// What follows from the inputs of a turn, and from the time.
    fn end(&mut self, ctx: &mut Context<'_>) {
        self.watch_links(ctx);
        self.expire(ctx);
        self.acknowledge(ctx);
        self.pump(ctx);
        self.turn_of_rooms(ctx);
        self.dial_due(ctx);
        self.supervision.supervise(ctx);
        self.show_links(ctx);
        self.tell_changes(ctx);
    }

    fn take(&mut self, ctx: &mut Context<'_>, input: Input) {
        match input {
            Input::Chat(input) => self.asked_of_messages(ctx, input),
            Input::Contacts(input) => self.asked_of_peers(ctx, input),
            Input::Legacy(LegacyInput::Came(message)) => self.chat.legacy.came(ctx, message),
            Input::Legacy(LegacyInput::Taken { request, row, at_ms }) => {
                self.chat.legacy.taken(ctx, request, row, at_ms);
            }
            Input::Link(input) => self.of_link(ctx, input),
            Input::Network(input) => self.of_network(ctx, input),
            Input::Room(input) => self.rooms.take(input),
            Input::Storage { writable } => self.storage(ctx, writable),
            Input::Stop => self.stop(ctx),
        }
    }

    /// Takes a price out of a peer's purse. `false`: what it is for is not to be done.
    fn pay(&mut self, ctx: &Context<'_>, peer: PeerId, kind: Kind, amount: u64) -> bool {
        self.account.payer(ctx.now, peer, self.contacts.is_contact(&peer)).pay(kind, amount)
    }

    fn believed(&self, ctx: &Context<'_>) -> Option<Believed> {
        self.clock.believed(ctx.now, &ctx.policy.liveness, ctx.conditions.network_usable)
    }

    /// Drops what is remembered of a peer that we owe nothing and know nothing of, so that strangers cannot fill the memory.
    fn forget_stranger(&mut self, peer: PeerId) {
        let known = !self.contacts.is_nobody(&peer)
            || self.chat.sending.has_lane(&peer)
            || !self.chat.receiving.lanes(&peer).is_empty()
            || !self.links.is_unlinked(&peer)
            || self.dialling.is_running(&Target::chat(peer));
        if !known {
            self.contacts.forget(&peer);
            self.presence.forget(&peer);
            self.dialling.forget(&Target::chat(peer));
            self.chat.receiving.forget(&peer);
        }
    }
}
