//! The daemon's decisions: one value that owns contacts, lanes and links, and one function, [`Node::turn`], that maps
//! what happened to what is to be written and done.
//!
//! Nothing here waits, reads a clock or draws a random number, so weeks of faults run in a test within seconds. A turn
//! takes many inputs and yields one transaction: that is the group commit. The node changes before the commit; if the
//! commit fails, the caller drops the node and builds another from the store, and closes all links. (Undoing single
//! changes was rejected: it is a second, rarely run way through the code.)

mod calm;
mod contacts;
mod dialling;
mod legacy;
mod links;
mod presence;
mod receiving;
mod sending;
mod status;
mod supervision;
#[cfg(test)]
mod tests;

use crate::account::{Account, Kind};
use crate::effect::{Effect, Turn};
use crate::entropy::Entropy;
use crate::input::{Answer, Input, LinkId};
use crate::op::Op;
use crate::outbox::Outbox;
use crate::policy::Policy;
use crate::snapshot::{ContactRequest, Intro, Snapshot};
use crate::time::Now;
use crate::view::{Counters, Noticed};
use calm::Calm;
use contacts::End;
use dialling::Dialling;
use legacy::Legacy;
use links::Link;
use sending::Text;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use supervision::Supervision;
use torchat_protocol::id::{LaneId, MessageId, PeerId, RunId};
use torchat_protocol::message::{ByeReason, LaneState, PeerMessage};

/// A daemon's state. See the module's description.
pub struct Node {
    own: PeerId,
    policy: Policy,
    peers: BTreeMap<PeerId, Peer>,
    links: BTreeMap<LinkId, Link>,
    /// Who is to be dialled when, by the monotonic clock. An entry may be stale; it is checked when its time comes.
    dial_queue: BTreeSet<(u64, PeerId)>,
    dials: usize,
    network_usable: bool,
    writable: bool,
    stopping: bool,
    unread_bytes: u64,
    /// Enough was read for the peers whose messages had to wait.
    unchoke_due: bool,
    outbox_bytes: u64,
    counters: Counters,
    /// This turn's moment.
    now: Now,
    /// This run of the daemon; peers hear of it when the store knows it.
    run: Option<RunId>,
    run_known: bool,
    /// Every run of the daemon that the store knows, this one included.
    runs: BTreeSet<RunId>,
    /// What the user should know, and when it came by the monotonic clock.
    notices: VecDeque<(Noticed, u64)>,
    /// Our invites: the digests of their secrets, and until when they are good.
    invites: BTreeMap<[u8; 32], End>,
    /// The contacts that see us only while there is something to deliver.
    hidden: BTreeSet<PeerId>,
    /// What the peers' inputs may cost.
    account: Account,
    /// Operations of later turns, and from when on.
    later: Vec<(u64, Op)>,
    supervision: Supervision,
    legacy: Legacy,
    calm: Calm,
    /// When the age of undelivered messages is looked at next.
    expiry_due: u64,
    /// When messages of this run fail that have an end of their own, by the monotonic clock.
    ends: BTreeSet<(u64, PeerId, MessageId)>,
    /// The peers whose links changed in this turn.
    to_show: BTreeSet<PeerId>,
    /// The link and lane pairs whose acknowledgement goes out at the end of this turn.
    to_ack: BTreeSet<(LinkId, LaneId)>,
    /// The peers that may have room for another message.
    to_pump: BTreeSet<PeerId>,
}

/// What is known of a peer.
#[derive(Debug, Default)]
struct Peer {
    contact: bool,
    /// It told us that its user has not accepted us.
    waiting: bool,
    /// The same as it is stored.
    waiting_stored: bool,
    added_ms: Option<i64>,
    seen_ms: Option<i64>,
    out: Option<Outbox>,
    lanes: Vec<LaneState>,
    /// What is unread, with [`crate::account::ROW_BYTES`] for each message and mark.
    unread_bytes: u64,
    /// A link is wanted although no mail waits: to tell the peer that it is a contact now, or to see each other.
    greet: bool,
    /// It has not answered what the user had to say to it when it was added last: that it is a contact, and perhaps
    /// words or an invite. Unlike `greet` this outlives a link that ends before the answer, and a peer that was not heard of
    /// for long: it does not know that it is to dial us.
    asking: bool,
    /// The user wants nothing of it.
    blocked: bool,
    /// What the user calls it.
    petname: Option<String>,
    /// What it calls itself.
    nick: Option<String>,
    /// What we say to be accepted.
    intro: Intro,
    /// What it said to be accepted.
    request: Option<ContactRequest>,
    /// It sees us only while there is something to deliver.
    hidden: bool,
    /// The event log says that a link to it is up.
    shown_up: bool,
    /// It ended its last link because it wants none while there is nothing to deliver, or because it stops.
    quiet: bool,
    /// The highest epoch of its certificates.
    epoch: u32,
    /// Its run that was met last.
    met: Option<RunId>,
    dialling: Dialling,
    links: Vec<LinkId>,
}

impl Peer {
    fn owes(&self) -> bool {
        self.out.as_ref().is_some_and(|out| out.owed().next().is_some())
    }

    /// Whether we dial it while there is no link.
    fn wants_link(&self) -> bool {
        self.greet || self.asking || self.owes()
    }
}

impl Node {
    /// A node that goes on where the store says the last process stopped.
    ///
    /// The peers that are owed mail, were heard of within the hour or were never met are dialled soon, spread over
    /// 2 s for each (at most [`crate::policy::DialPolicy::start_spread_ms`]): a storm of dials would show the guard
    /// how many contacts there are.
    #[must_use]
    pub fn new(own: PeerId, policy: Policy, snapshot: Snapshot, now: Now, entropy: &mut dyn Entropy) -> Self {
        let mut node = Self {
            own,
            account: Account::new(policy.tariff.clone()),
            hidden: snapshot.peers.iter().filter(|row| row.hidden).map(|row| row.peer).collect(),
            policy,
            peers: BTreeMap::new(),
            links: BTreeMap::new(),
            dial_queue: BTreeSet::new(),
            dials: 0,
            network_usable: false,
            writable: true,
            stopping: false,
            unread_bytes: 0,
            unchoke_due: false,
            outbox_bytes: 0,
            counters: Counters::default(),
            now,
            run: Some(RunId(crate::entropy::bytes(entropy))),
            run_known: false,
            runs: snapshot.runs.into_iter().collect(),
            notices: VecDeque::new(),
            invites: snapshot
                .invites
                .into_iter()
                .map(|invite| (invite.hash, End::of_before(invite.until_ms)))
                .collect(),
            later: Vec::new(),
            supervision: Supervision::new(now),
            legacy: Legacy::restore(snapshot.legacy),
            calm: Calm::restore(now, snapshot.clock_set_ms),
            expiry_due: 0,
            ends: BTreeSet::new(),
            to_show: BTreeSet::new(),
            to_ack: BTreeSet::new(),
            to_pump: BTreeSet::new(),
        };
        for row in snapshot.peers {
            let out = row.out.map(Outbox::restore);
            node.unread_bytes += row.unread_bytes;
            node.outbox_bytes += out.as_ref().map_or(0, Outbox::bytes);
            let recent = row.seen_ms.is_none_or(|seen| now.wall_ms.saturating_sub(seen) < node.policy.presence_ms);
            let peer = Peer {
                contact: row.contact,
                waiting: row.waiting,
                waiting_stored: row.waiting,
                added_ms: row.added_ms,
                seen_ms: row.seen_ms,
                out,
                lanes: row.lanes,
                unread_bytes: row.unread_bytes,
                greet: row.contact && recent && !row.hidden,
                asking: row.contact && row.added_ms.is_some_and(|at| row.seen_ms.is_none_or(|seen| seen < at)),
                blocked: row.blocked,
                petname: row.petname,
                nick: row.nick,
                intro: row.intro,
                request: row.request,
                hidden: row.hidden,
                shown_up: row.linked,
                quiet: false,
                epoch: row.epoch,
                met: row.met,
                dialling: Dialling::restore(row.attempts),
                links: Vec::new(),
            };
            // The last process did not live to say that the link is down.
            if row.linked {
                node.to_show.insert(row.peer);
            }
            node.peers.insert(row.peer, peer);
        }
        node.put_off_expiry(now);
        node.spread_first_dials(now, entropy);
        node
    }

    /// Takes what happened and says what to write and do. Without inputs it only looks at the clock.
    pub fn turn(&mut self, now: Now, entropy: &mut dyn Entropy, inputs: impl IntoIterator<Item = Input>) -> Turn {
        let mut turn = Turn::default();
        self.now = now;
        self.tell_run(now, &mut turn);
        self.write_later(now, &mut turn);
        self.go_on(now, &mut turn);
        if std::mem::take(&mut self.unchoke_due) {
            self.unchoke(&mut turn);
        }
        self.watch_clock(now, entropy, &mut turn);
        self.tell_leap(&mut turn);
        for input in inputs {
            self.take(now, entropy, input, &mut turn);
        }
        self.watch_links(now, entropy, &mut turn);
        self.expire(now, &mut turn);
        self.acknowledge(&mut turn);
        self.pump(&mut turn);
        self.dial_due(now, &mut turn);
        self.supervise(now, &mut turn);
        self.show_links(&mut turn);
        self.tell_changes(now, &mut turn);
        turn
    }

    /// Writes this run down, in the first turn that can: only then a peer may hear of it, or it would be a stranger to
    /// the next run.
    fn tell_run(&mut self, now: Now, turn: &mut Turn) {
        let Some(run) = self.run.filter(|_| !self.run_known && self.writable && !self.stopping) else { return };
        self.run_known = true;
        self.runs.insert(run);
        turn.ops.push(Op::Run { run, at_ms: now.wall_ms });
    }

    /// When [`Node::turn`] must be called next although nothing happened, by the monotonic clock in milliseconds.
    #[must_use]
    pub fn next_deadline(&self) -> Option<u64> {
        if self.stopping {
            return None;
        }
        if self.unchoke_due {
            return Some(self.now.mono_ms);
        }
        let later = self.later.iter().map(|(due, _)| *due).min();
        let links = self.links.values().map(|link| link.deadline(self)).min();
        let dials = if self.network_usable && self.dials < self.policy.dial.concurrent {
            self.dial_queue.first().map(|entry| entry.0)
        } else {
            None
        };
        let supervision = self.supervision.deadline(&self.policy, self.network_usable);
        let ends = self.ends.first().filter(|_| self.writable).map(|end| end.0);
        let account = self.account.deadline();
        links.into_iter().chain(dials).chain(supervision).chain(ends).chain(later).chain(account).min()
    }

    /// Whether the message is queued and not delivered.
    #[must_use]
    pub fn is_pending(&self, peer: &PeerId, mid: &MessageId) -> bool {
        let out = self.peers.get(peer).and_then(|p| p.out.as_ref());
        out.is_some_and(|out| out.owed().any(|p| p.mid == *mid))
    }

    /// What the peers have paid survives a rebuild from the store: whoever could make a commit fail would have full purses by it.
    pub fn keep_account(&mut self, before: &mut Self) {
        self.account = std::mem::take(&mut before.account);
    }

    /// What a peer has paid of a kind, for those who watch that it is not more than it may.
    #[must_use]
    pub fn spent(&self, peer: &PeerId, kind: Kind) -> u64 {
        self.account.spent(peer, kind)
    }

    /// Takes a price out of a peer's purse. `false`: what it is for is not to be done.
    fn pay(&mut self, peer: PeerId, kind: Kind, amount: u64) -> bool {
        if self.is_stranger(&peer) {
            self.account.pay_as_stranger(self.now.mono_ms, peer, kind, amount)
        } else {
            self.account.pay(self.now.mono_ms, peer, kind, amount)
        }
    }

    /// What the clock and the network said last survives a rebuild from the store.
    pub fn resume(&mut self, network_usable: bool, writable: bool) {
        self.network_usable = network_usable;
        self.writable = writable;
    }

    fn take(&mut self, now: Now, entropy: &mut dyn Entropy, input: Input, turn: &mut Turn) {
        match input {
            Input::Send { request, peer, text, client, expire_ms } => {
                self.send(now, entropy, request, Text { peer, text, client, expire_ms }, turn);
            }
            Input::Contact { request, peer, change } => self.change_contact(now, entropy, request, peer, change, turn),
            Input::Invite { request, lifetime_ms } => self.invite(now, entropy, request, lifetime_ms, turn),
            Input::Read { request, peer, row } => {
                turn.ops.push(Op::Read { peer, row });
                turn.effects.push(Effect::Answer { request, answer: Answer::Done });
            }
            Input::ReadUpto { request, peer, upto, limit } => self.read_upto(request, peer, upto, limit, turn),
            Input::Cancel { request, peer, mid } => self.cancel(now, request, peer, mid, turn),
            Input::Legacy(message) => self.old_message(now, message, turn),
            Input::LegacyTaken { request, row, at_ms } => self.old_message_taken(request, row, at_ms, turn),
            Input::SelfChecked { failure } => self.self_checked(now, entropy, failure),
            Input::LinkUp { link, peer, outgoing, binding, epoch } => {
                self.link_up(now, entropy, link, peer, outgoing, binding, epoch, turn);
            }
            Input::Message { link, message } => self.message(now, entropy, link, message, turn),
            Input::Heard { link, unfinished } => self.heard(now, link, unfinished, turn),
            Input::LinkDown { link, reason } => self.link_down(now, entropy, link, reason, turn),
            Input::DialFailed { peer, failure, reason } => self.dial_failed(now, entropy, peer, failure, reason, turn),
            Input::Network { usable } => self.network(now, entropy, usable),
            Input::Storage { writable } => self.storage(writable, turn),
            Input::Stop => self.stop(turn),
        }
    }

    fn message(&mut self, now: Now, entropy: &mut dyn Entropy, id: LinkId, message: PeerMessage, turn: &mut Turn) {
        // A link that this turn closed may still have messages in the queue: they were never acknowledged. Behind the peer's
        // own last words there is nothing to be taken.
        let Some(link) = self.links.get_mut(&id).filter(|link| !link.ended) else { return };
        link.heard(now);
        link.taking = None;
        if matches!(message, PeerMessage::Recv(_) | PeerMessage::Ack(_) | PeerMessage::Skip(_) | PeerMessage::Hello(_))
        {
            link.busy = now.mono_ms;
        }
        let peer = link.peer;
        let answered = matches!(message, PeerMessage::Ping(_) | PeerMessage::ContactReq(_));
        if !self.pay(peer, Kind::Work, 1) {
            self.misbehaved(id, ByeReason::Limit, turn);
            return;
        }
        if answered && !self.pay(peer, Kind::Answers, 1) {
            return;
        }
        self.seen(now, peer, turn);
        match message {
            PeerMessage::Hello(hello) => self.hello(now, entropy, id, hello, turn),
            PeerMessage::Recv(recv) => self.recv(now, id, recv, turn),
            PeerMessage::Ack(state) => self.ack(now, entropy, id, state, turn),
            PeerMessage::Skip(skip) => self.skip(now, id, skip, turn),
            PeerMessage::ContactReq(asked) => self.asked(now, entropy, id, asked, turn),
            PeerMessage::ContactRes(answer) => self.contact_state(now, entropy, id, answer.st, turn),
            PeerMessage::Ping(nonce) => turn.effects.push(Effect::Say { link: id, message: PeerMessage::Pong(nonce) }),
            PeerMessage::Pong(nonce) => self.pong(id, nonce.n, turn),
            PeerMessage::Bye(bye) => self.bye(id, bye.why, turn),
        }
    }
}
