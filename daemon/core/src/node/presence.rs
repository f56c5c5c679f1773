//! Which copies of a contact and of ourselves were met, when a contact was last heard of, and whether it sees us.

use super::{Node, Peer};
use crate::account::Kind;
use crate::effect::{Effect, Notice, Turn};
use crate::entropy::Entropy;
use crate::input::LinkId;
use crate::op::Op;
use crate::time::Now;
use crate::view::{ContactView, Noticed};
use std::collections::BTreeMap;
use torchat_protocol::id::PeerId;
use torchat_protocol::message::{ByeReason, Hello, Nonce, PeerMessage};

/// Notices that STATUS shows.
const NOTICES: usize = 16;
/// The same notice is not repeated within this time.
const REPEAT_MS: u64 = 600_000;

impl Node {
    /// Keeps the highest epoch of a contact's certificates. An older one is a copy that its owner gave up, or that was
    /// stolen: it gets no word of ours. `false`: the link is being closed.
    pub(super) fn pin_epoch(&mut self, link: LinkId, peer: PeerId, epoch: u32, turn: &mut Turn) -> bool {
        let Some(row) = self.peers.get(&peer).filter(|row| row.contact) else { return true };
        if epoch < row.epoch {
            self.notice(Notice::OldCopyOfPeer(peer), turn);
            self.misbehaved(link, ByeReason::Superseded, turn);
            return false;
        }
        // An epoch that it cannot pay for is pinned by its next link.
        if epoch > row.epoch
            && self.writable
            && self.pay(peer, Kind::Notes, 1)
            && let Some(row) = self.peers.get_mut(&peer)
        {
            row.epoch = epoch;
            turn.ops.push(Op::Met { peer, epoch, run: row.met });
        }
        true
    }

    /// Notes which run of the contact this is, and judges which run of ours it has met.
    pub(super) fn met(&mut self, id: LinkId, peer: PeerId, hello: &Hello, turn: &mut Turn) {
        if !self.peers.get(&peer).is_some_and(|row| row.contact) {
            return;
        }
        if let Some(link) = self.links.get_mut(&id) {
            link.run = hello.run;
        }
        self.tell_met(id, turn);
        if hello.met.is_some_and(|met| !self.runs.contains(&met)) {
            self.claims(peer, |peer, say| Notice::OtherCopy { peer, say }, turn);
        }
    }

    /// A new run of the contact is told which one was met before, because only it can know whether that was its own. Until
    /// the answer to a ping behind our HELLO shows that it has heard it, the one before stays the one that we have met: a
    /// link that is closed as a double takes its HELLO with it, and another copy would stay unseen (found by the storms).
    pub(super) fn tell_met(&mut self, id: LinkId, turn: &mut Turn) {
        let until = self.now.mono_ms + self.policy.liveness.answer_ms;
        let Some(link) = self.links.get_mut(&id).filter(|link| !link.closing && link.telling.is_none()) else { return };
        let Some(row) = self.peers.get(&link.peer).filter(|row| row.contact && link.run.is_some()) else { return };
        match row.met {
            None => self.has_heard(id, turn),
            Some(_) if row.met != link.run && row.met == link.told => {
                let n = link.ask(self.now, until);
                link.telling = Some(n);
                turn.effects.push(Effect::Say { link: id, message: PeerMessage::Ping(Nonce { n }) });
            }
            Some(_) => {}
        }
    }

    /// This link's run of the contact is the one that we have met last.
    pub(super) fn has_heard(&mut self, id: LinkId, turn: &mut Turn) {
        let Some(link) = self.links.get(&id) else { return };
        let (peer, run) = (link.peer, link.run);
        let Some(row) = self.peers.get(&peer).filter(|row| row.contact && self.writable) else { return };
        // What it cannot pay for stays as it was: the run of before is told of, again.
        if run.is_some()
            && row.met != run
            && self.pay(peer, Kind::Notes, 1)
            && let Some(row) = self.peers.get_mut(&peer)
        {
            row.met = run;
            turn.ops.push(Op::Met { peer, epoch: row.epoch, run });
        }
    }

    /// A contact says something of us that we cannot check: the user is told that it says so, and how many do.
    pub(super) fn claims(&mut self, peer: PeerId, notice: impl Fn(PeerId, usize) -> Notice, turn: &mut Turn) {
        // Each contact that said so has one notice of the kind here.
        let kind = std::mem::discriminant(&notice(peer, 1));
        let others = self.notices.iter().map(|(old, _)| old.notice);
        let others = others.filter(|old| std::mem::discriminant(old) == kind && old.peer() != Some(peer)).count();
        self.notice(notice(peer, others + 1), turn);
    }

    pub(super) fn notice(&mut self, notice: Notice, turn: &mut Turn) {
        let now = self.now;
        let again =
            |(old, at): &(Noticed, u64)| old.notice.is_like(&notice) && now.mono_ms.saturating_sub(*at) < REPEAT_MS;
        if self.notices.iter().any(again) {
            return;
        }
        // Enough contacts together push each other's notices out and could repeat theirs without end.
        if let Some(peer) = notice.peer()
            && !self.pay(peer, Kind::Notes, 1)
        {
            return;
        }
        // A peer that says the same for days takes one place, or it would push out what others say.
        self.notices.retain(|(old, _)| old.notice.peer().is_none() || !old.notice.is_like(&notice));
        if self.notices.len() == NOTICES {
            self.notices.pop_front();
        }
        self.notices.push_back((Noticed { notice, wall_ms: now.wall_ms }, now.mono_ms));
        turn.effects.push(Effect::Notice(notice));
    }

    /// The last link to a peer is gone: what is stored as its last sign of life becomes exact.
    pub(super) fn heard_last(&mut self, now: Now, peer: PeerId, heard_mono_ms: u64, turn: &mut Turn) {
        let Some(row) = self.peers.get_mut(&peer).filter(|row| row.contact) else { return };
        let ago = i64::try_from(now.mono_ms.saturating_sub(heard_mono_ms)).unwrap_or(0);
        let at_ms = now.wall_ms - ago;
        if row.seen_ms != Some(at_ms) && self.writable {
            row.seen_ms = Some(at_ms);
            turn.ops.push(Op::Seen { peer, at_ms });
        }
    }

    /// Whether a link to this contact is wanted although nothing is owed: as long as it was heard of a while ago, wants
    /// it too, and may see us.
    pub(super) fn wish_presence(&mut self, now: Now, peer: PeerId) {
        let (presence_ms, stopping) = (self.policy.presence_ms, self.stopping);
        let Some(row) = self.peers.get_mut(&peer).filter(|row| row.contact) else { return };
        let recent = row.seen_ms.is_none_or(|seen| now.wall_ms.saturating_sub(seen) < presence_ms);
        row.greet = recent && !row.hidden && !row.quiet && !stopping;
    }

    /// Whether a contact sees us while there is nothing to deliver.
    pub(super) fn appear(&mut self, now: Now, entropy: &mut dyn Entropy, peer: PeerId, hidden: bool, turn: &mut Turn) {
        let Some(row) = self.peers.get_mut(&peer) else { return };
        if row.hidden != hidden {
            row.hidden = hidden;
            turn.ops.push(Op::Hidden { peer, hidden });
        }
        if hidden {
            self.hidden.insert(peer);
        } else {
            self.hidden.remove(&peer);
            for id in &row.links {
                if let Some(link) = self.links.get_mut(id) {
                    link.idle_since = None;
                }
            }
        }
        if hidden {
            row.greet = false;
        } else if row.links.is_empty() {
            self.wish_presence(now, peer);
            self.hurry(now, entropy, peer);
        }
    }

    /// The contacts and the blocked peers, at the given moment.
    #[must_use]
    pub fn contacts(&self, now: Now) -> Vec<ContactView> {
        let known = self.peers.iter().filter(|(_, row)| row.contact || row.blocked);
        known.map(|(peer, row)| self.view(*peer, row, now)).collect()
    }

    /// What is known of any peer, at the given moment.
    #[must_use]
    pub fn contact(&self, peer: &PeerId, now: Now) -> ContactView {
        match self.peers.get(peer) {
            Some(row) => self.view(*peer, row, now),
            None => self.view(*peer, &Peer::default(), now),
        }
    }

    fn view(&self, peer: PeerId, row: &Peer, now: Now) -> ContactView {
        let links = || row.links.iter().filter_map(|id| self.links.get(id));
        let by_link = links().map(|link| now.mono_ms.saturating_sub(link.last_heard)).min();
        let by_store = row.seen_ms.map(|seen| u64::try_from(now.wall_ms.saturating_sub(seen)).unwrap_or(0));
        ContactView {
            peer,
            contact: row.contact,
            petname: row.petname.clone(),
            nick: row.nick.clone(),
            blocked: row.blocked,
            linked: links().any(|link| !link.closing),
            heard_ms_ago: by_link.or(by_store),
            hidden: row.hidden,
            waiting: row.waiting,
            queued: row.out.as_ref().map_or(0, |out| out.owed().count()),
        }
    }

    /// Tells the event log of contacts whose first link came up or whose last one went down in this turn. That one came up
    /// is written in the next turn, so that its first words do not wait for the disk; that turn is due at once.
    pub(super) fn show_links(&mut self, turn: &mut Turn) {
        if !self.writable {
            // Looked at again when the store takes writes.
            return;
        }
        for peer in std::mem::take(&mut self.to_show) {
            self.show_waiting(peer, turn);
            let Some(row) = self.peers.get_mut(&peer) else { continue };
            let up = row.contact && row.links.iter().any(|id| self.links.get(id).is_some_and(|l| !l.closing));
            if up == row.shown_up {
                continue;
            }
            row.shown_up = up;
            let op = Op::Link { peer, up };
            // The end of a link is written down anyway, and a daemon that stops has no next turn.
            if up && !self.stopping { self.later.push((self.now.mono_ms, op)) } else { turn.ops.push(op) }
        }
    }

    /// Writes down whether a contact has accepted us, when that has changed and it can pay for it: the last word counts.
    fn show_waiting(&mut self, peer: PeerId, turn: &mut Turn) {
        let Some(row) = self.peers.get(&peer).filter(|row| row.contact && row.waiting != row.waiting_stored) else {
            return;
        };
        let waiting = row.waiting;
        if !self.account.pay(self.now.mono_ms, peer, Kind::States, 1) {
            self.account.wait(self.now.mono_ms, peer, Kind::States, 1);
        } else if let Some(row) = self.peers.get_mut(&peer) {
            row.waiting_stored = waiting;
            turn.ops.push(Op::Waiting { peer, waiting });
        }
    }

    /// Tells the event log of the peers that this turn has changed: each once, as it is after the turn, before anything
    /// that the turn says of it later.
    pub(super) fn tell_changes(&self, now: Now, turn: &mut Turn) {
        let changed = |op: &Op| match op {
            Op::Contact { peer, .. }
            | Op::Remove { peer }
            | Op::Block { peer, .. }
            | Op::Petname { peer, .. }
            | Op::Nick { peer, .. }
            | Op::Waiting { peer, .. }
            | Op::Hidden { peer, .. } => Some(*peer),
            _ => None,
        };
        let last: BTreeMap<PeerId, usize> =
            turn.ops.iter().enumerate().filter_map(|(n, op)| Some((changed(op)?, n))).collect();
        if last.is_empty() {
            return;
        }
        let ops = std::mem::take(&mut turn.ops);
        for (n, op) in ops.into_iter().enumerate() {
            let peer = changed(&op).filter(|peer| last.get(peer) == Some(&n));
            turn.ops.push(op);
            turn.ops.extend(peer.map(|peer| Op::Changed { contact: self.contact(&peer, now) }));
        }
    }
}
