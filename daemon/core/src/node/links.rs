//! Links: who is at the other end, whether it still lives, which of two to one peer stays.

use super::{Node, Peer};
use crate::account::Kind;
use crate::effect::{Effect, Notice, Turn};
use crate::entropy::{self, Entropy};
use crate::input::LinkId;
use crate::op::Op;
use crate::time::Now;
use sha2::{Digest as _, Sha256};
use torchat_protocol::id::{PeerId, RunId};
use torchat_protocol::limits;
use torchat_protocol::message::{
    Bye, ByeReason, ContactRes, ContactState, Hello, LaneState, Limits, Nonce, PeerMessage,
};

/// The program's name in HELLO.
const APP: &str = "torchatd";
/// The stored "last heard of" may lag by this much while a link is up: a write for every ping would be waste. The end
/// of the link writes it exactly.
const SEEN_STEP_MS: i64 = 600_000;
/// A link that lived so long was no failure.
const WORTH_MS: u64 = 60_000;

/// The feature of HELLO of those to whom every byte is a sign of life, and who show one while they take something long.
pub(super) const LIFE: &str = "life";
/// Who takes something long says so this often. It must be well below [`crate::policy::Liveness::active_ms`], because what is
/// said on a slow line comes late.
const TAKING_MS: u64 = 5_000;
/// How long the longest text is on its way at 1 kB/s, and something.
const LONG_MS: u64 = 75_000;
/// The PONG that answers nothing. Questions have greater numbers.
const UNASKED: u64 = 0;
/// What an answer is waited for longer if it must wait until the peer has taken as many bytes as this: a line carries 1 kB/s at
/// least. Only for peers that do not show life meanwhile, and never for more than one message: each of those is acknowledged.
const LEAST_BYTES_PER_MS: u64 = 1;

/// A live, authenticated stream.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) peer: PeerId,
    outgoing: bool,
    /// Orders the links of one peer in the same way at both ends.
    tie: [u8; 32],
    since: u64,
    pub(super) last_heard: u64,
    /// Random part of the idle ping, so that the two ends do not ask at the same moment.
    jitter: u64,
    /// The ping that waits for its answer, and until when.
    ping: Option<(u64, u64)>,
    /// When it was asked.
    ping_at: Option<u64>,
    pings: u64,
    /// The peer's run, as it says.
    pub(super) run: Option<RunId>,
    /// Which run of the peer we said to have met last.
    pub(super) told: Option<RunId>,
    /// The ping whose answer shows that the peer has heard that.
    pub(super) telling: Option<u64>,
    /// The peer stated its lanes.
    pub(super) said_hello: bool,
    /// Its statement, as long as nothing was transmitted.
    pub(super) lanes: Vec<LaneState>,
    /// The peer stores our messages.
    pub(super) accepted: bool,
    /// It said that it has not accepted us, and was asked to, if we want it as a contact.
    pub(super) asked: bool,
    /// How many of our CONTACT_REQ it has not answered.
    pub(super) unanswered: u32,
    /// The last time that a message went either way, for a contact that must not see us.
    pub(super) busy: u64,
    /// What the peer takes unacknowledged.
    pub(super) inflight: usize,
    /// The same in bytes.
    pub(super) credit: u64,
    /// The number that goes out next.
    pub(super) next: Option<u64>,
    /// Something was delivered either way: the link is worth its circuits.
    pub(super) progress: bool,
    /// The peer's messages wait because too much is unread.
    pub(super) choked: bool,
    /// The peer's messages wait because it could not pay for them.
    pub(super) paced: bool,
    /// When a message of the peer was stored last.
    pub(super) stored: u64,
    /// Since when nothing is owed to a contact that must not see us, as far as a turn has looked.
    pub(super) idle_since: Option<u64>,
    /// How often the peer made us begin anew although nothing had moved since.
    pub(super) again: u32,
    /// The link was too much for the peer's account: nothing of it is written down.
    pub(super) refused: bool,
    /// We said where the lanes stand, after a gap.
    pub(super) restated: bool,
    /// Bytes that came and were not acknowledged.
    pub(super) wasted: u64,
    /// Close was asked for; the engine reports the end.
    pub(super) closing: bool,
    /// The peer said its last words.
    pub(super) ended: bool,
    /// The peer shows a sign of life while it takes something long, see [`LIFE`].
    pub(super) shows_life: bool,
    /// Since when the peer has been in the middle of something long, or when we last showed that we take it.
    pub(super) taking: Option<u64>,
}

impl Link {
    pub(super) fn heard(&mut self, now: Now) {
        self.last_heard = now.mono_ms;
    }

    /// How long an answer may take.
    fn patience(&self, node: &Node) -> u64 {
        let ahead = match node.peers.get(&self.peer).and_then(|row| row.out.as_ref()) {
            Some(out) if !self.shows_life => {
                let flying = self.next.map_or(0, |next| next.saturating_sub(out.acked() + 1));
                let flying = usize::try_from(flying).unwrap_or(usize::MAX);
                out.pending().iter().take(flying).map(|message| u64::from(message.bytes)).max().unwrap_or(0)
            }
            _ => 0,
        };
        node.policy.liveness.answer_ms + ahead / LEAST_BYTES_PER_MS
    }

    /// Asks for a sign of life until then; returns the question's number, from 1 on.
    pub(super) fn ask(&mut self, now: Now, until: u64) -> u64 {
        self.pings += 1;
        self.ping_at = Some(now.mono_ms);
        self.ping = Some((self.pings, until));
        self.pings
    }

    /// When the next thing is to be done about this link.
    pub(super) fn deadline(&self, node: &Node) -> u64 {
        if self.closing {
            return u64::MAX;
        }
        let stranger = if node.is_stranger(&self.peer) { self.since + node.policy.stranger_link_ms } else { u64::MAX };
        let hidden = self.hidden_until(node).unwrap_or(u64::MAX);
        let life = match self.ping {
            Some((_, until)) => until,
            None if self.waits_for_ack(node) => self.last_heard + node.policy.liveness.active_ms,
            None => self.last_heard + node.policy.liveness.idle_ms + self.jitter,
        };
        life.min(stranger).min(hidden)
    }

    /// When a link to a contact that must not see us is to be closed. Not before the peer has said what it has, and not
    /// while we owe it something: a link that is closed at once would deliver nothing. But a peer that is silent about it, or
    /// talks on, does not keep the link: only what we owe, and what it delivers, does.
    fn hidden_until(&self, node: &Node) -> Option<u64> {
        let row = node.peers.get(&self.peer)?;
        if !row.hidden || row.owes() || self.closing {
            return None;
        }
        // One long text may be on its way over a slow line.
        let long = if self.taking.is_some() { LONG_MS } else { 0 };
        let end = self.idle_since.map(|since| since.max(self.stored) + node.policy.liveness.hidden_end_ms + long);
        let polite = self.said_hello.then(|| self.busy + node.policy.liveness.hidden_ms);
        end.into_iter().chain(polite).min()
    }

    fn waits_for_ack(&self, node: &Node) -> bool {
        if self.unanswered > 0 {
            return true;
        }
        let out = node.peers.get(&self.peer).and_then(|p| p.out.as_ref());
        out.is_some_and(|out| self.next.is_some_and(|next| next > out.acked() + 1))
    }
}

impl Node {
    #[allow(clippy::too_many_arguments, reason = "the fields of one input")]
    pub(super) fn link_up(
        &mut self,
        now: Now,
        entropy: &mut dyn Entropy,
        id: LinkId,
        peer: PeerId,
        outgoing: bool,
        binding: [u8; 32],
        epoch: u32,
        turn: &mut Turn,
    ) {
        if outgoing {
            self.dial_ended(&peer);
        }
        self.got_through(now, outgoing);
        let link = Link {
            peer,
            outgoing,
            tie: Sha256::new().chain_update(b"tie").chain_update(binding).finalize().into(),
            since: now.mono_ms,
            last_heard: now.mono_ms,
            jitter: entropy::up_to(entropy, 14_000),
            ping: None,
            ping_at: None,
            pings: 0,
            run: None,
            told: None,
            telling: None,
            said_hello: false,
            lanes: Vec::new(),
            accepted: false,
            asked: false,
            unanswered: 0,
            busy: now.mono_ms,
            inflight: 0,
            credit: 0,
            next: None,
            progress: false,
            choked: false,
            paced: false,
            stored: now.mono_ms,
            idle_since: None,
            again: 0,
            refused: false,
            restated: false,
            wasted: 0,
            closing: false,
            ended: false,
            shows_life: false,
            taking: None,
        };
        self.links.insert(id, link);
        self.to_show.insert(peer);
        let row = self.peers.entry(peer).or_default();
        row.links.push(id);
        row.greet = false;
        row.quiet = false;
        row.dialling.reached();
        // A link that we dialled was paid for as a dial. Strangers' links are not written down.
        if !outgoing && row.contact && !self.pay(peer, Kind::Links, 1) {
            if let Some(link) = self.links.get_mut(&id) {
                link.refused = true;
            }
            self.misbehaved(id, ByeReason::Limit, turn);
            return;
        }
        if !self.pin_epoch(id, peer, epoch, turn) {
            return;
        }
        self.seen(now, peer, turn);
        self.introduce(id, turn);
        self.settle_double(id, turn);
        self.bound_strangers(turn);
    }

    /// Says who we are, where the peer's lanes stand and whether we take its messages.
    pub(super) fn introduce(&mut self, id: LinkId, turn: &mut Turn) {
        let Some(link) = self.links.get(&id).filter(|link| !link.closing) else { return };
        // A stranger learns nothing of us but that we are there.
        let row = self.peers.get(&link.peer).filter(|_| self.accepts(&link.peer));
        let lanes = row.map(|p| p.lanes.clone()).unwrap_or_default();
        let hello = Hello {
            app: APP.to_owned(),
            v: 1,
            features: vec![LIFE.to_owned()],
            lanes,
            limits: Limits {
                msg: limits::TEXT_BYTES as u64,
                inflight: limits::IN_FLIGHT_MESSAGES as u64,
                credit: limits::RECEIVE_CREDIT_BYTES,
            },
            run: row.filter(|row| row.contact).and(self.run.filter(|_| self.run_known)),
            met: row.and_then(|row| row.met),
        };
        let met = hello.met;
        turn.effects.push(Effect::Say { link: id, message: PeerMessage::Hello(hello) });
        if let Some(link) = self.links.get_mut(&id) {
            link.told = met;
        }
        self.tell_met(id, turn);
        self.say_contact_state(id, turn);
    }

    /// The peer is a contact now: its links hear what contacts hear, and go on with our lane, if it has one from before.
    pub(super) fn introduce_all(&mut self, now: Now, entropy: &mut dyn Entropy, peer: PeerId, turn: &mut Turn) {
        for link in self.peers.get(&peer).map(|row| row.links.clone()).unwrap_or_default() {
            self.introduce(link, turn);
        }
        self.resume_lane(now, entropy, peer, turn);
    }

    pub(super) fn say_contact_state(&mut self, id: LinkId, turn: &mut Turn) {
        let Some(link) = self.links.get(&id).filter(|link| !link.closing) else { return };
        let st = if self.accepts(&link.peer) { ContactState::Accepted } else { ContactState::Pending };
        turn.effects.push(Effect::Say { link: id, message: PeerMessage::ContactRes(ContactRes { st }) });
    }

    /// Bytes came that are no message yet. They are a sign of life; and whoever says something long hears nothing for as long
    /// as that takes, so it is shown one now and then. A PONG that was not asked for is the smallest that every peer takes, also
    /// one that knows nothing of this. (A new kind of frame was rejected: it would help with new peers only.)
    pub(super) fn heard(&mut self, now: Now, id: LinkId, unfinished: bool, turn: &mut Turn) {
        let Some(peer) = self.links.get(&id).filter(|link| !link.ended).map(|link| link.peer) else { return };
        if !self.pay(peer, Kind::Work, 1) {
            return;
        }
        let Some(link) = self.links.get_mut(&id) else { return };
        link.heard(now);
        if !unfinished || link.closing {
            return;
        }
        // A contact that must not see us is not left in the middle of its text.
        link.busy = now.mono_ms;
        let since = *link.taking.get_or_insert(now.mono_ms);
        if now.mono_ms.saturating_sub(since) >= TAKING_MS {
            link.taking = Some(now.mono_ms);
            let message = PeerMessage::Pong(Nonce { n: UNASKED });
            turn.effects.push(Effect::Say { link: id, message });
        }
    }

    pub(super) fn seen(&mut self, now: Now, peer: PeerId, turn: &mut Turn) {
        let Some(row) = self.peers.get_mut(&peer).filter(|row| row.contact && self.writable) else { return };
        if row.seen_ms.is_none_or(|seen| (now.wall_ms - seen).abs() >= SEEN_STEP_MS) {
            row.seen_ms = Some(now.wall_ms);
            turn.ops.push(Op::Seen { peer, at_ms: now.wall_ms });
        }
    }

    pub(super) fn is_stranger(&self, peer: &PeerId) -> bool {
        !self.peers.get(peer).is_some_and(|p| p.contact)
    }

    /// Two links to one peer are harmless, because lanes ignore repetitions; one is enough. A new one in the same
    /// direction replaces the old, whose other end is probably gone. Of two in opposite directions both ends keep
    /// the one with the smaller hash; the side that dialled the other one closes it. A client can choose among hashes, by what it
    /// puts behind the purpose in its last message. It gains nothing: it could as well not dial.
    fn settle_double(&mut self, new: LinkId, turn: &mut Turn) {
        let Some(link) = self.links.get(&new) else { return };
        let (peer, outgoing, tie) = (link.peer, link.outgoing, link.tie);
        let others = self.peers.get(&peer).map(|p| p.links.clone()).unwrap_or_default();
        for other in others.into_iter().filter(|id| *id != new) {
            let Some(old) = self.links.get(&other).filter(|old| !old.closing) else { continue };
            if old.outgoing == outgoing {
                self.close(other, Some(ByeReason::Dup), turn);
            } else {
                let (loser, ours) = if old.tie < tie { (new, outgoing) } else { (other, old.outgoing) };
                if ours {
                    self.close(loser, Some(ByeReason::Dup), turn);
                }
            }
        }
    }

    fn bound_strangers(&mut self, turn: &mut Turn) {
        let strangers: Vec<_> =
            self.links.iter().filter(|(_, l)| !l.closing && self.is_stranger(&l.peer)).map(|(id, _)| *id).collect();
        let over = strangers.len().saturating_sub(self.policy.stranger_links);
        for id in strangers.into_iter().take(over) {
            self.counters.links += 1;
            self.close(id, Some(ByeReason::Limit), turn);
        }
    }

    pub(super) fn pong(&mut self, id: LinkId, n: u64, turn: &mut Turn) {
        let Some(link) = self.links.get_mut(&id) else { return };
        if link.ping.is_some_and(|(asked, _)| asked == n) {
            link.ping = None;
        }
        if link.telling == Some(n) {
            link.telling = None;
            self.has_heard(id, turn);
        }
    }

    pub(super) fn bye(&mut self, id: LinkId, why: ByeReason, turn: &mut Turn) {
        let Some(link) = self.links.get_mut(&id) else { return };
        link.ended = true;
        let peer = link.peer;
        let unwanted = matches!(why, ByeReason::Full | ByeReason::Limit | ByeReason::Superseded);
        if unwanted {
            // The peer is alive but does not want us now: the next dial comes later than after a loss.
            link.progress = false;
        }
        let rests_until = self.now.mono_ms + self.policy.dial.unwanted_ms;
        if let Some(row) = self.peers.get_mut(&peer) {
            if unwanted {
                row.dialling.unwanted(rests_until);
            }
            // It does not want idle links, or it is gone and dials us when it is back.
            row.quiet = !matches!(why, ByeReason::Dup);
        }
        if why == ByeReason::Superseded && self.peers.get(&peer).is_some_and(|row| row.contact) {
            self.claims(peer, |peer, say| Notice::Superseded { peer, say }, turn);
        }
        self.close(id, None, turn);
    }

    pub(super) fn close(&mut self, id: LinkId, bye: Option<ByeReason>, turn: &mut Turn) {
        let Some(link) = self.links.get_mut(&id).filter(|link| !link.closing) else { return };
        link.closing = true;
        link.next = None;
        let peer = link.peer;
        turn.effects.push(Effect::Close { link: id, bye });
        self.to_pump.insert(peer);
        self.to_show.insert(peer);
    }

    pub(super) fn link_down(
        &mut self,
        now: Now,
        entropy: &mut dyn Entropy,
        id: LinkId,
        reason: String,
        turn: &mut Turn,
    ) {
        let Some(link) = self.links.remove(&id) else { return };
        let peer = link.peer;
        self.to_show.insert(peer);
        let Some(row) = self.peers.get_mut(&peer) else { return };
        row.links.retain(|other| *other != id);
        row.dialling.reason = Some(reason);
        if link.refused {
            self.dial_again(now, entropy, peer);
        } else if row.links.is_empty() {
            self.heard_last(now, peer, link.last_heard, turn);
            self.wish_presence(now, peer);
            // A link that lasted was worth its circuits, even if there was nothing to deliver.
            let worth = link.progress || now.mono_ms.saturating_sub(link.since) > WORTH_MS;
            self.after_loss(now, entropy, peer, worth, turn);
        } else {
            self.to_pump.insert(peer);
        }
        self.forget_stranger(peer);
    }

    /// Drops the row of a peer that we owe nothing and know nothing of, so that strangers cannot fill the memory.
    pub(super) fn forget_stranger(&mut self, peer: PeerId) {
        let empty = |p: &Peer| {
            !p.contact
                && !p.blocked
                && p.request.is_none()
                && p.out.is_none()
                && p.lanes.is_empty()
                && p.links.is_empty()
                && !p.dialling.is_running()
        };
        if self.peers.get(&peer).is_some_and(empty) {
            self.peers.remove(&peer);
        }
    }

    /// Pings the silent, closes the dead and the strangers whose time is over.
    pub(super) fn watch_links(&mut self, now: Now, _entropy: &mut dyn Entropy, turn: &mut Turn) {
        for peer in &self.hidden {
            let Some(row) = self.peers.get(peer) else { continue };
            let idle = !row.owes();
            for id in &row.links {
                if let Some(link) = self.links.get_mut(id) {
                    link.idle_since = if idle { link.idle_since.or(Some(now.mono_ms)) } else { None };
                }
            }
        }
        let due: Vec<_> =
            self.links.iter().filter(|(_, l)| l.deadline(self) <= now.mono_ms).map(|(id, _)| *id).collect();
        for id in due {
            let stranger = self
                .links
                .get(&id)
                .is_some_and(|l| self.is_stranger(&l.peer) && l.since + self.policy.stranger_link_ms <= now.mono_ms);
            let quiet = self.links.get(&id).is_some_and(|l| l.hidden_until(self).is_some_and(|at| at <= now.mono_ms));
            let patience = self.links.get(&id).map_or(0, |link| link.patience(self));
            let Some(link) = self.links.get_mut(&id) else { continue };
            if stranger || quiet {
                self.close(id, Some(ByeReason::Idle), turn);
            } else if link.ping.is_some_and(|(_, until)| until <= now.mono_ms) {
                // Bytes that came since the ping are a sign of life too.
                if link.ping_at.is_some_and(|at| link.last_heard > at) {
                    link.ping = None;
                } else {
                    self.close(id, None, turn);
                }
            } else {
                let until = now.mono_ms + patience;
                let n = link.ask(now, until);
                let message = PeerMessage::Ping(Nonce { n });
                turn.effects.push(Effect::Say { link: id, message });
            }
        }
    }

    pub(super) fn stop(&mut self, turn: &mut Turn) {
        self.stopping = true;
        // There is no later turn.
        self.write_later(self.now, turn);
        for id in self.links.keys().copied().collect::<Vec<_>>() {
            self.close(id, Some(ByeReason::Shutdown), turn);
        }
        debug_assert!(self.links.values().all(|link| link.closing), "{:?}", Bye { why: ByeReason::Shutdown });
    }
}
