//! The life of a room link: signs of life, and the end of one on which no room is open. ROOM-PROTOCOL.md, "Time".

use super::links::Phase;
use super::{Context, Rooms};
use crate::effect::RoomEffect;
use crate::input::LinkId;
use torchat_protocol::message::{ByeReason, Nonce, PeerMessage};
use torchat_protocol::room::CloseCode;

/// Silence before the side that dialled asks, if nothing of it waits to be stored; and the greatest random part of it.
const IDLE_MS: u64 = 120_000;
const JITTER_MS: u64 = 15_000;
/// Silence before it asks if something does.
const UNSTORED_MS: u64 = 15_000;
/// Silence before the other side asks.
const ACCEPTED_MS: u64 = 300_000;
/// How long a link without an open channel is kept.
const UNUSED_MS: u64 = 30_000;
/// Most of these links.
const UNUSED: usize = 32;

/// How a link lives.
pub(super) struct Life {
    last_heard: u64,
    /// The silence before a question.
    patience: u64,
    outgoing: bool,
    /// A question waits for any answer until then.
    asked_until: Option<u64>,
    questions: u64,
    /// Since when no channel is open.
    unused_since: Option<u64>,
    over: bool,
}

impl Life {
    pub(super) fn new(ctx: &mut Context<'_>, outgoing: bool) -> Self {
        let now = ctx.mono_ms();
        Self {
            last_heard: now,
            patience: if outgoing { IDLE_MS + ctx.up_to(JITTER_MS) } else { ACCEPTED_MS },
            outgoing,
            asked_until: None,
            questions: 0,
            unused_since: Some(now),
            over: false,
        }
    }

    /// The end was asked for; the engine reports it.
    pub(super) fn is_over(&self) -> bool {
        self.over
    }

    pub(super) fn end(&mut self) {
        self.over = true;
    }

    /// A channel is open.
    pub(super) fn serves(&mut self) {
        self.unused_since = None;
    }

    /// None is open any more.
    pub(super) fn idles(&mut self, now: u64) {
        self.unused_since.get_or_insert(now);
    }

    /// Asks whether the other side is still there, unless a question waits for its answer.
    fn ask(&mut self, ctx: &mut Context<'_>, id: LinkId) {
        if self.asked_until.is_none() {
            self.questions += 1;
            self.asked_until = Some(ctx.mono_ms() + ctx.policy.liveness.answer_ms);
            ctx.act(RoomEffect::Tell { link: id, message: PeerMessage::Ping(Nonce { n: self.questions }) });
        }
    }

    fn asks_at(&self, unstored: bool) -> u64 {
        self.last_heard + if unstored && self.outgoing { UNSTORED_MS } else { self.patience }
    }

    /// When the next thing is to be done.
    fn due(&self, unstored: bool) -> u64 {
        let unused = self.unused_since.map_or(u64::MAX, |since| since + UNUSED_MS);
        self.asked_until.unwrap_or_else(|| self.asks_at(unstored)).min(unused)
    }
}

impl Rooms {
    /// Something came over a link.
    pub(super) fn heard(&mut self, ctx: &Context<'_>, id: LinkId) {
        if let Some(link) = self.links.get_mut(&id) {
            link.life.last_heard = ctx.now.mono_ms;
            link.life.asked_until = None;
        }
    }

    /// Whether events of ours on a link are not durable at the other side.
    fn has_unstored(&self, id: LinkId) -> bool {
        let channels = self.links.get(&id).into_iter().flat_map(|link| link.open.values());
        channels.filter_map(|id| self.channels.get(id)).any(|channel| !channel.unstored.is_empty())
    }

    /// What follows from the time for links.
    pub(super) fn watch_links(&mut self, ctx: &mut Context<'_>) {
        let now = ctx.mono_ms();
        let over = self.channels.iter().filter(|(_, one)| one.ends_at.is_some_and(|at| at <= now));
        for (channel, phase) in over.map(|(id, one)| (*id, one.phase)).collect::<Vec<_>>() {
            match phase {
                Phase::Hears(no, known) => self.show_cut(ctx, channel, no, known),
                _ => {
                    self.pause_a_stalled_one(ctx, channel);
                    self.close_channel(ctx, channel, CloseCode::Done);
                }
            }
        }
        for id in self.links.keys().copied().collect::<Vec<_>>() {
            let unstored = self.has_unstored(id);
            let Some(link) = self.links.get_mut(&id).filter(|link| link.is_usable()) else { continue };
            if link.life.due(unstored) > now {
                continue;
            }
            if link.life.asked_until.is_some_and(|until| until <= now) {
                self.end_link(ctx, id, None);
            } else if link.life.unused_since.is_some_and(|since| since + UNUSED_MS <= now) {
                self.end_link(ctx, id, Some(ByeReason::Idle));
            } else {
                link.life.ask(ctx, id);
            }
        }
    }

    /// Asks all links whether they are still there.
    pub(super) fn ask_all(&mut self, ctx: &mut Context<'_>) {
        for id in self.links.keys().copied().collect::<Vec<_>>() {
            if let Some(link) = self.links.get_mut(&id).filter(|link| link.is_usable()) {
                // A question of before had no time to be answered.
                link.life.asked_until = None;
                link.life.ask(ctx, id);
            }
        }
    }

    /// Of too many links on which nothing is open, the oldest go; those of members last, so that no flood of strangers takes the
    /// place of one that is about to open a room.
    pub(super) fn limit_idle(&mut self, ctx: &mut Context<'_>) {
        let unused = self.links.iter().filter(|(_, link)| link.is_usable());
        let shares = |peer| self.rooms.values().any(|room| room.peers.contains_key(&peer));
        let mut unused: Vec<_> = unused
            .filter_map(|(id, link)| link.life.unused_since.map(|since| (shares(link.peer()), since, *id)))
            .collect();
        unused.sort_unstable();
        for (_, _, id) in unused.iter().take(unused.len().saturating_sub(UNUSED)) {
            self.end_link(ctx, *id, Some(ByeReason::Idle));
        }
    }

    /// When the next thing is to be done about links, and channels that end by themselves.
    pub(super) fn links_due(&self) -> impl Iterator<Item = u64> {
        let links = self.links.iter().filter(|(_, link)| link.is_usable());
        let links = links.map(|(id, link)| link.life.due(self.has_unstored(*id)));
        links.chain(self.channels.values().filter_map(|channel| channel.ends_at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::Policy;
    use crate::time::Now;

    fn life(outgoing: bool) -> Life {
        let (policy, mut entropy) = (Policy::default(), |out: &mut [u8]| out.fill(0xff));
        Life::new(&mut Context::new(Now { wall_ms: 0, mono_ms: 1_000 }, &policy, true, &mut entropy), outgoing)
    }

    #[test]
    fn the_side_that_dialled_asks_first_and_sooner_if_something_is_not_stored() {
        let mut ours = life(true);
        ours.serves();
        assert!((121_000..=136_000).contains(&ours.due(false)), "{}", ours.due(false));
        assert_eq!(ours.due(true), 16_000);
        let mut theirs = life(false);
        theirs.serves();
        assert_eq!((theirs.due(false), theirs.due(true)), (301_000, 301_000));
        theirs.asked_until = Some(11_000);
        assert_eq!(theirs.due(false), 11_000);
    }

    #[test]
    fn a_link_without_a_channel_lives_30_seconds() {
        let mut life = life(false);
        assert_eq!(life.due(false), 31_000);
        life.serves();
        life.idles(50_000);
        life.idles(60_000);
        assert_eq!(life.due(false), 80_000);
    }
}
