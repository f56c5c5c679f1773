//! Which copies of a contact and of ourselves were met, when a contact was last heard of, and whether it sees us.

use super::Node;
use crate::effect::{Effect, Notice, Turn};
use crate::entropy::Entropy;
use crate::input::LinkId;
use crate::op::Op;
use crate::time::Now;
use torchat_protocol::id::PeerId;
use torchat_protocol::message::{ByeReason, Hello};

/// Notices that STATUS shows.
const NOTICES: usize = 16;
/// The same notice is not repeated within this time.
const REPEAT_MS: u64 = 600_000;

/// A notice and when it came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Noticed {
    /// What.
    pub notice: Notice,
    /// When, in milliseconds since 1970.
    pub wall_ms: i64,
    mono_ms: u64,
}

/// A contact, or a peer that is blocked, as far as the core knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContactView {
    /// The contact.
    pub peer: PeerId,
    /// What the user calls it. Wins over `nick`.
    pub petname: Option<String>,
    /// What it calls itself: not to be trusted.
    pub nick: Option<String>,
    /// The user blocked it, so it is no contact.
    pub blocked: bool,
    /// A link is up.
    pub linked: bool,
    /// Milliseconds since the last sign of life; `None` if there never was one.
    pub heard_ms_ago: Option<u64>,
    /// It sees us only while there is something to deliver.
    pub hidden: bool,
    /// It holds our messages back until its user accepts us.
    pub waiting: bool,
    /// Messages that it has not got.
    pub queued: usize,
}

impl Node {
    /// Keeps the highest epoch of a contact's certificates. An older one is a copy that its owner gave up, or that was
    /// stolen: it gets no word of ours. `false`: the link is being closed.
    pub(super) fn pin_epoch(&mut self, link: LinkId, peer: PeerId, epoch: u32, turn: &mut Turn) -> bool {
        let Some(row) = self.peers.get_mut(&peer).filter(|row| row.contact) else { return true };
        if epoch < row.epoch {
            self.notice(Notice::OldCopyOfPeer(peer), turn);
            self.misbehaved(link, ByeReason::Superseded, turn);
            return false;
        }
        if epoch > row.epoch && self.writable {
            row.epoch = epoch;
            turn.ops.push(Op::Met { peer, epoch, run: row.met });
        }
        true
    }

    /// Notes which run of the contact this is, and judges which run of ours it has met.
    pub(super) fn met(&mut self, peer: PeerId, hello: &Hello, turn: &mut Turn) {
        let Some(row) = self.peers.get_mut(&peer).filter(|row| row.contact) else { return };
        if let Some(run) = hello.run
            && row.met != Some(run)
            && self.writable
        {
            row.met = Some(run);
            turn.ops.push(Op::Met { peer, epoch: row.epoch, run: row.met });
        }
        if hello.met.is_some_and(|met| !self.runs.contains(&met)) {
            self.notice(Notice::OtherCopy(peer), turn);
        }
    }

    pub(super) fn notice(&mut self, notice: Notice, turn: &mut Turn) {
        let now = self.now;
        let again = |old: &Noticed| old.notice == notice && now.mono_ms.saturating_sub(old.mono_ms) < REPEAT_MS;
        if self.notices.iter().any(again) {
            return;
        }
        if self.notices.len() == NOTICES {
            self.notices.pop_front();
        }
        self.notices.push_back(Noticed { notice, wall_ms: now.wall_ms, mono_ms: now.mono_ms });
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
            row.greet = false;
        } else if row.links.is_empty() {
            self.wish_presence(now, peer);
            self.hurry(now, entropy, peer);
        }
    }

    /// The contacts and the blocked peers, at the given moment.
    #[must_use]
    pub fn contacts(&self, now: Now) -> Vec<ContactView> {
        let view = |(peer, row): (&PeerId, &super::Peer)| {
            let links = || row.links.iter().filter_map(|id| self.links.get(id));
            let by_link = links().map(|link| now.mono_ms.saturating_sub(link.last_heard)).min();
            let by_store = row.seen_ms.map(|seen| u64::try_from(now.wall_ms.saturating_sub(seen)).unwrap_or(0));
            ContactView {
                peer: *peer,
                petname: row.petname.clone(),
                nick: row.nick.clone(),
                blocked: row.blocked,
                linked: links().any(|link| !link.closing),
                heard_ms_ago: by_link.or(by_store),
                hidden: row.hidden,
                waiting: row.waiting,
                queued: row.out.as_ref().map_or(0, |out| out.owed().count()),
            }
        };
        self.peers.iter().filter(|(_, row)| row.contact || row.blocked).map(view).collect()
    }
}
