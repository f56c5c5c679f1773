//! Links: who is at the other end, how far the life of each has come, and what it was worth.

mod doubles;
mod life;

pub(crate) use life::About;

use crate::effect::{Effect, LinkEffect};
use crate::input::LinkId;
use crate::time::Now;
use crate::turn::Context;
use life::{JITTER_MS, Ping};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use torchat_protocol::id::PeerId;
use torchat_protocol::message::{ByeReason, PeerMessage};

/// A link that lived so long was no failure.
const WORTH_MS: u64 = 60_000;

/// All links.
#[derive(Debug, Default)]
pub(crate) struct Links {
    links: BTreeMap<LinkId, Link>,
    /// Each peer's, in the order in which they came up.
    by_peer: BTreeMap<PeerId, Vec<LinkId>>,
    /// Links of strangers that had to leave for others.
    pushed_out: u64,
    /// Links closed because the peer broke a limit.
    misbehaved: u64,
}

/// A live, authenticated stream.
#[derive(Debug)]
struct Link {
    peer: PeerId,
    outgoing: bool,
    /// Orders the links of one peer in the same way at both ends.
    tie: [u8; 32],
    since: u64,
    last_heard: u64,
    /// Random part of the idle ping, so that the two ends do not ask at the same moment.
    jitter: u64,
    /// The ping that waits for its answer.
    ping: Option<Ping>,
    pings: u64,
    phase: Phase,
    worth: Worth,
    /// The last time that a message went either way, for a contact that must not see us.
    busy: u64,
    /// When a message of the peer was stored last.
    stored: u64,
    /// Since when nothing is owed to a contact that must not see us, as far as a turn has looked.
    idle_since: Option<u64>,
    /// The peer shows a sign of life while it takes something long.
    shows_life: bool,
    /// Since when the peer has been in the middle of something long, or when we last showed that we take it.
    taking: Option<u64>,
}

/// How far a link's life has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Open,
    /// Close was asked for; the engine reports the end.
    Closing,
    /// So it was, after the peer said its last words.
    Ended,
}

/// What a link was worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Worth {
    /// Nothing was delivered yet, or the peer does not want us now.
    Nothing,
    /// Something was delivered either way: the link is worth its circuits.
    Delivered,
    /// The link was too much for the peer's account: nothing of it is written down.
    Refused,
}

/// A link that came up.
#[derive(Debug)]
pub(crate) struct NewLink {
    pub(crate) id: LinkId,
    pub(crate) peer: PeerId,
    pub(crate) outgoing: bool,
    /// The handshake's hash, the same at both ends.
    pub(crate) binding: [u8; 32],
}

/// A link that is gone.
#[derive(Debug)]
pub(crate) struct Gone {
    pub(crate) peer: PeerId,
    pub(crate) last_heard: u64,
    /// It was the peer's last one.
    pub(crate) last: bool,
    /// The peer could not pay for it.
    pub(crate) refused: bool,
    /// It was worth its circuits, even if there was nothing to deliver.
    pub(crate) worth: bool,
}

impl Link {
    fn is_open(&self) -> bool {
        self.phase == Phase::Open
    }
}

impl Links {
    /// A peer's links, in the order in which they came up.
    pub(crate) fn of(&self, peer: &PeerId) -> &[LinkId] {
        self.by_peer.get(peer).map(Vec::as_slice).unwrap_or_default()
    }

    /// Those of them that are not being closed.
    pub(crate) fn open_of(&self, peer: &PeerId) -> Vec<LinkId> {
        self.of(peer).iter().copied().filter(|id| self.is_open(*id)).collect()
    }

    /// Whether the peer has no link, not even one that is being closed.
    pub(crate) fn is_unlinked(&self, peer: &PeerId) -> bool {
        !self.by_peer.contains_key(peer)
    }

    pub(crate) fn ids(&self) -> Vec<LinkId> {
        self.links.keys().copied().collect()
    }

    pub(crate) fn peer(&self, id: LinkId) -> Option<PeerId> {
        self.links.get(&id).map(|link| link.peer)
    }

    /// Whether it is up and not being closed.
    pub(crate) fn is_open(&self, id: LinkId) -> bool {
        self.links.get(&id).is_some_and(Link::is_open)
    }

    pub(crate) fn is_any_open(&self, peer: &PeerId) -> bool {
        self.of(peer).iter().any(|id| self.is_open(*id))
    }

    /// How many are up and not being closed.
    pub(crate) fn count_open(&self) -> usize {
        self.links.values().filter(|link| link.is_open()).count()
    }

    /// Links of strangers that left for others, and links of peers that broke a limit.
    pub(crate) fn closed(&self) -> (u64, u64) {
        (self.pushed_out, self.misbehaved)
    }

    /// When something was heard on any of the peer's links last, by the monotonic clock.
    pub(crate) fn last_heard(&self, peer: &PeerId) -> Option<u64> {
        self.of(peer).iter().filter_map(|id| self.links.get(id)).map(|link| link.last_heard).max()
    }

    pub(crate) fn up(&mut self, ctx: &mut Context<'_>, new: &NewLink) {
        let now = ctx.now.mono_ms;
        let link = Link {
            peer: new.peer,
            outgoing: new.outgoing,
            tie: Sha256::new().chain_update(b"tie").chain_update(new.binding).finalize().into(),
            since: now,
            last_heard: now,
            jitter: ctx.up_to(JITTER_MS),
            ping: None,
            pings: 0,
            phase: Phase::Open,
            worth: Worth::Nothing,
            busy: now,
            stored: now,
            idle_since: None,
            shows_life: false,
            taking: None,
        };
        self.links.insert(new.id, link);
        self.by_peer.entry(new.peer).or_default().push(new.id);
    }

    pub(crate) fn down(&mut self, now: Now, id: LinkId) -> Option<Gone> {
        let link = self.links.remove(&id)?;
        let of = self.by_peer.entry(link.peer).or_default();
        of.retain(|other| *other != id);
        let last = of.is_empty();
        if last {
            self.by_peer.remove(&link.peer);
        }
        Some(Gone {
            peer: link.peer,
            last_heard: link.last_heard,
            last,
            refused: link.worth == Worth::Refused,
            worth: link.worth == Worth::Delivered || now.mono_ms.saturating_sub(link.since) > WORTH_MS,
        })
    }

    /// Closes a link, once; returns whose it is if it was open.
    pub(crate) fn close(&mut self, ctx: &mut Context<'_>, id: LinkId, bye: Option<ByeReason>) -> Option<PeerId> {
        let link = self.links.get_mut(&id).filter(|link| link.is_open())?;
        link.phase = Phase::Closing;
        ctx.act(Effect::Link(LinkEffect::Close { link: id, bye }));
        Some(link.peer)
    }

    /// Counts a link whose peer broke a limit, once: what else is on its way on it when that is decided changes nothing.
    pub(crate) fn misbehaves(&mut self, id: LinkId) -> bool {
        let open = self.is_open(id);
        self.misbehaved += u64::from(open);
        open
    }

    /// The peer could not pay for it.
    pub(crate) fn refuse(&mut self, id: LinkId) {
        if let Some(link) = self.links.get_mut(&id) {
            link.worth = Worth::Refused;
        }
    }

    /// Something was delivered over it.
    pub(crate) fn delivers(&mut self, id: LinkId) {
        self.judge(id, Worth::Delivered);
    }

    fn judge(&mut self, id: LinkId, worth: Worth) {
        // A link that was not paid for stays so, whatever still comes over it.
        if let Some(link) = self.links.get_mut(&id).filter(|link| link.worth != Worth::Refused) {
            link.worth = worth;
        }
    }

    /// A message of the peer was stored.
    pub(crate) fn stored(&mut self, now: Now, id: LinkId) {
        self.delivers(id);
        if let Some(link) = self.links.get_mut(&id) {
            link.stored = now.mono_ms;
        }
    }

    /// A message came; whose. A link that this turn closed may still have messages in the queue: they were never
    /// acknowledged. Behind the peer's own last words there is nothing to be taken.
    pub(crate) fn message(&mut self, now: Now, id: LinkId, message: &PeerMessage) -> Option<PeerId> {
        let link = self.links.get_mut(&id).filter(|link| link.phase != Phase::Ended)?;
        link.last_heard = now.mono_ms;
        link.taking = None;
        if matches!(message, PeerMessage::Recv(_) | PeerMessage::Ack(_) | PeerMessage::Skip(_) | PeerMessage::Hello(_))
        {
            link.busy = now.mono_ms;
        }
        Some(link.peer)
    }

    /// Whose link it is, if the peer may still say something on it.
    pub(crate) fn talking(&self, id: LinkId) -> Option<PeerId> {
        self.links.get(&id).filter(|link| link.phase != Phase::Ended).map(|link| link.peer)
    }

    /// The peer said its last words. `unwanted`: it is alive but does not want us now, so the link was worth nothing.
    pub(crate) fn bye(&mut self, ctx: &mut Context<'_>, id: LinkId, unwanted: bool) -> Option<PeerId> {
        if unwanted {
            self.judge(id, Worth::Nothing);
        }
        let closed = self.close(ctx, id, None);
        if let Some(link) = self.links.get_mut(&id) {
            link.phase = Phase::Ended;
        }
        closed
    }

    /// The oldest links of strangers that are too many.
    pub(crate) fn too_many_strangers(
        &mut self,
        ctx: &Context<'_>,
        is_stranger: impl Fn(&PeerId) -> bool,
    ) -> Vec<LinkId> {
        let open = self.links.iter().filter(|(_, link)| link.is_open() && is_stranger(&link.peer));
        let mut strangers: Vec<_> = open.map(|(id, _)| *id).collect();
        strangers.truncate(strangers.len().saturating_sub(ctx.policy.stranger_links));
        self.pushed_out += strangers.len() as u64;
        strangers
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::Policy;
    use crate::turn::tests::{START, decide, peer};

    pub(super) fn up(links: &mut Links, n: u64, outgoing: bool, binding: u8) -> LinkId {
        let new = NewLink { id: LinkId(n), peer: peer(1), outgoing, binding: [binding; 32] };
        decide(START, &Policy::default(), |ctx| links.up(ctx, &new));
        LinkId(n)
    }

    #[test]
    fn a_link_that_was_not_paid_for_is_worth_nothing_whatever_came_over_it() {
        let mut links = Links::default();
        let id = up(&mut links, 1, false, 1);
        links.refuse(id);
        links.delivers(id);
        let gone = links.down(START, id);
        assert!(gone.is_some_and(|gone| gone.refused && gone.last && !gone.worth));
    }
}
