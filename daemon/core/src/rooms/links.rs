//! Room links and their channels: who is at the other end, and what may be said on each.
//!
//! All rooms that we share with a daemon use one link. Whoever dialled it opens channels with odd numbers, the other side even
//! ones. ROOM-PROTOCOL.md, "Room links and frames".

use super::life::Life;
use super::quota::NotNow;
use super::turns::Turn;
use super::{Alone, Context, LinkNews, Pause, Rooms, identity};
use crate::effect::{RoomEffect, RoomNotice};
use crate::input::LinkId;
use crate::op::RoomOp;
use crate::rate::Rate;
use crate::snapshot::rooms::RoomState;
use sha2::{Digest as _, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use torchat_protocol::id::PeerId;
use torchat_protocol::message::{Bye, ByeReason, PeerMessage};
use torchat_protocol::room::body::BoundedText;
use torchat_protocol::room::{
    Author, Close, CloseCode, DenyCode, Frame, Header, Identity, MemberKey, MemberNo, Open, OpenAs, RoomId,
};
use torchat_room::outcome::ChannelId;
use torchat_room::reading::Read;

/// Most channels of a link.
pub(super) const CHANNELS: usize = 64;
/// The side that was dialled leaves the opening to the other side for so long, so that not both open each room.
const LEAVE_MS: u64 = 2_000;
/// How often a peer may open channels.
const OPENS: Rate = Rate::every(200, 5_000);
/// Peers whose openings are counted. Beyond it all counts begin anew.
const COUNTED: usize = 4_096;
/// First pause after somebody had nothing for us; it doubles.
const NONE_MS: u64 = 30_000;
/// The longest of these pauses.
const NONE_CAP_MS: u64 = 3_600_000;
/// Somebody who begins anew twice within this time is not opened again before it is over.
const AGAIN_MS: u64 = 10_000;

/// A link that came up.
pub(super) struct New {
    pub(super) peer: PeerId,
    pub(super) outgoing: bool,
    pub(super) binding: [u8; 32],
    pub(super) epoch: u32,
}

/// A live, authenticated stream of purpose 2.
pub(super) struct Link {
    peer: PeerId,
    pub(super) outgoing: bool,
    /// Orders the links of one peer in the same way at both ends.
    tie: [u8; 32],
    /// From when on we open rooms.
    pub(super) opens_from: u64,
    /// Something was opened on it.
    served: bool,
    /// The channels that are open, by their numbers.
    pub(super) open: BTreeMap<u16, ChannelId>,
    /// Numbers that the other side has used.
    used: BTreeSet<u16>,
    /// The number of the next channel that we open.
    pub(super) next: Option<u16>,
    /// When a channel of it gave its place away last.
    pub(super) changed_ms: Option<u64>,
    pub(super) life: Life,
}

/// A room, or a petition, on a link.
pub(super) struct Channel {
    pub(super) link: LinkId,
    pub(super) number: u16,
    pub(super) room: RoomId,
    pub(super) phase: Phase,
    /// We opened it.
    pub(super) ours: bool,
    pub(super) turn: Turn,
    /// Events of ours that were said on it and are not durable at the other side.
    pub(super) unstored: BTreeMap<Author, u64>,
    /// Chains of ours that the other side does not take now.
    pub(super) denied: BTreeMap<Author, Denied>,
    /// Chains of the other side that we do not take now.
    pub(super) not_now: NotNow,
    /// The other side has said everything that it had when the channel was opened.
    pub(super) live: bool,
    /// It is closed then.
    pub(super) ends_at: Option<u64>,
    /// The other side is asked then for what it has passed on, and was too much.
    pub(super) asks_at: Option<u64>,
}

/// A chain of ours that the other side of a channel does not take now.
#[derive(Debug, Clone, Copy)]
pub(super) struct Denied {
    /// From which number on.
    pub(super) from: u64,
    /// When it is said again.
    pub(super) until_ms: u64,
    /// Why it is not taken.
    pub(super) code: DenyCode,
}

/// How far a channel has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// The replica has it; the other side has not said HELLO.
    Opened,
    /// Both have said HELLO.
    Open,
    /// The other side was cut as this member, and has not said HELLO.
    Cut(MemberNo),
    /// The same, and it has. First it says what it has, of which the replica hears: it may be our acts that lie. Then it hears the
    /// acts up to that, as far as it does not know them: as many as this.
    Hears(MemberNo, usize),
    /// The room was destroyed. The other side's HELLO is not waited for.
    Doomed,
    /// We have asked to become a member.
    Asking,
    /// The other side has.
    Asked,
}

impl Link {
    pub(super) fn peer(&self) -> PeerId {
        self.peer
    }

    pub(super) fn is_usable(&self) -> bool {
        !self.life.is_over()
    }

    /// Whether one more channel may be opened.
    pub(super) fn has_place(&self) -> bool {
        self.open.len() < CHANNELS
    }
}

impl Channel {
    /// Events of ours were said on it.
    pub(super) fn said<'a>(&mut self, ours: impl Iterator<Item = &'a Header>) {
        for header in ours {
            let upto = self.unstored.entry(header.author).or_default();
            *upto = header.seq.max(*upto);
        }
    }

    /// Whether the replica knows of it.
    fn is_replicas(&self) -> bool {
        matches!(self.phase, Phase::Opened | Phase::Open | Phase::Hears(..))
    }

    /// Whether the room is open there, or about to be.
    pub(super) fn is_open(&self) -> bool {
        matches!(self.phase, Phase::Opened | Phase::Open)
    }

    /// Whether we have what we want of the other side by it: the room is open there, or we ask. What anybody can begin, like a
    /// petition, is none of these: it keeps neither a link nor us from opening the room.
    pub(super) fn serves(&self) -> bool {
        self.is_open() || self.phase == Phase::Asking
    }
}

/// The last words on a channel.
pub(super) fn close(code: CloseCode) -> Frame {
    close_until(code, 0)
}

/// The last words on a channel for so many seconds.
pub(super) fn close_until(code: CloseCode, retry_s: u32) -> Frame {
    Frame::Close(Close { code, retry_s, words: BoundedText::default() })
}

impl Rooms {
    pub(super) fn link_up(&mut self, ctx: &mut Context<'_>, id: LinkId, new: New) {
        let New { peer, outgoing, binding, epoch } = new;
        let now = ctx.mono_ms();
        ctx.tell_of_link(LinkNews::Up { peer, outgoing });
        let link = Link {
            peer,
            outgoing,
            tie: Sha256::new().chain_update(b"tie").chain_update(binding).finalize().into(),
            opens_from: now + if outgoing { 0 } else { LEAVE_MS },
            served: false,
            open: BTreeMap::new(),
            used: BTreeSet::new(),
            next: Some(if outgoing { 1 } else { 2 }),
            changed_ms: None,
            life: Life::new(ctx, outgoing),
        };
        self.links.insert(id, link);
        self.by_peer.entry(peer).or_default().insert(id);
        let known = self.epochs.get(&peer).copied();
        if known.is_some_and(|known| epoch < known) {
            return self.end_link(ctx, id, Some(ByeReason::Superseded));
        }
        if ctx.writable
            && known.is_none_or(|known| epoch > known)
            && self.rooms.values().any(|room| room.peers.contains_key(&peer))
        {
            self.epochs.insert(peer, epoch);
            ctx.write(RoomOp::Epoch { peer, epoch });
        }
        for loser in self.doubles(id) {
            self.end_link(ctx, loser, Some(ByeReason::Dup));
        }
        self.limit_idle(ctx);
    }

    /// Of two links to one peer in the same direction the new one stays. Of two in opposite directions both ends keep the one with
    /// the smaller hash; the side that dialled the other one closes it.
    fn doubles(&self, new: LinkId) -> Vec<LinkId> {
        let Some(link) = self.links.get(&new) else { return Vec::new() };
        let judged = self.usable_links(link.peer).filter(|(id, _)| *id != new).filter_map(|(id, old)| {
            if old.outgoing == link.outgoing {
                return Some(id);
            }
            let (loser, ours) = if old.tie < link.tie { (new, link.outgoing) } else { (id, old.outgoing) };
            ours.then_some(loser)
        });
        judged.collect()
    }

    pub(super) fn link_down(&mut self, ctx: &mut Context<'_>, id: LinkId) {
        let Some(link) = self.links.get(&id) else { return };
        for channel in link.open.values().copied().collect::<Vec<_>>() {
            self.drop_channel(ctx, channel);
        }
        let Some(link) = self.links.remove(&id) else { return };
        let others = self.by_peer.entry(link.peer).or_default();
        others.remove(&id);
        if others.is_empty() {
            self.by_peer.remove(&link.peer);
            ctx.tell_of_link(LinkNews::Lost { peer: link.peer, served: link.served });
        }
    }

    /// The other side of a link does what nobody may do.
    pub(super) fn breaks_protocol(&mut self, ctx: &mut Context<'_>, id: LinkId) {
        if self.links.get(&id).is_some_and(Link::is_usable) {
            ctx.refused.misbehaved += 1;
        }
        self.end_link(ctx, id, None);
    }

    /// Ends a link; what comes on it from now on is nothing.
    pub(super) fn end_link(&mut self, ctx: &mut Context<'_>, id: LinkId, bye: Option<ByeReason>) {
        let Some(link) = self.links.get_mut(&id).filter(|link| link.is_usable()) else { return };
        link.life.end();
        let channels: Vec<_> = link.open.values().copied().collect();
        ctx.act(RoomEffect::Close { link: id, bye });
        for channel in channels {
            self.drop_channel(ctx, channel);
        }
    }

    /// A channel is over, whoever has closed it.
    pub(super) fn drop_channel(&mut self, ctx: &mut Context<'_>, id: ChannelId) {
        let Some(channel) = self.channels.remove(&id) else { return };
        if let Some(link) = self.links.get_mut(&channel.link) {
            link.open.remove(&channel.number);
            let serves = |id: &ChannelId| self.channels.get(id).is_some_and(Channel::serves);
            if !link.open.values().any(serves) {
                link.life.idles(ctx.mono_ms());
            }
        }
        if let Some(room) = self.rooms.get_mut(&channel.room).filter(|_| channel.is_replicas()) {
            if channel.phase == Phase::Open {
                room.alone = Alone { since_ms: ctx.mono_ms(), after_talk: true };
            }
            room.replica.closed(id);
        }
    }

    pub(super) fn heard_message(&mut self, ctx: &mut Context<'_>, id: LinkId, message: PeerMessage) {
        self.heard(ctx, id);
        let Some(link) = self.links.get_mut(&id).filter(|link| link.is_usable()) else { return };
        match message {
            PeerMessage::Ping(nonce) => ctx.act(RoomEffect::Tell { link: id, message: PeerMessage::Pong(nonce) }),
            PeerMessage::Pong(_) => {}
            PeerMessage::Bye(Bye { why, .. }) => {
                let unwanted =
                    matches!(why, ByeReason::Limit | ByeReason::Full | ByeReason::Protocol | ByeReason::Superseded);
                let peer = link.peer;
                self.end_link(ctx, id, None);
                if unwanted {
                    ctx.tell_of_link(LinkNews::Unwanted(peer));
                }
            }
            // Nothing else has a place on channel 0.
            _ => self.breaks_protocol(ctx, id),
        }
    }

    pub(super) fn heard_frame(
        &mut self,
        ctx: &mut Context<'_>,
        id: LinkId,
        number: u16,
        frame: Frame,
        checked: &[Option<MemberKey>],
    ) {
        self.heard(ctx, id);
        let Some(link) = self.links.get_mut(&id).filter(|link| link.is_usable()) else { return };
        if let Some(channel) = link.open.get(&number).copied() {
            return self.heard_on(ctx, channel, frame, checked);
        }
        let theirs = number > 0 && (number % 2 == 1) != link.outgoing;
        let known = if theirs { link.used.contains(&number) } else { link.next.is_none_or(|next| number < next) };
        match frame {
            // The channel is over.
            _ if known && number > 0 => {}
            Frame::Open(open) if theirs => {
                if self.may_open(ctx, id, number) {
                    self.heard_open(ctx, id, number, open);
                }
            }
            Frame::Join(join) if theirs => {
                if self.may_open(ctx, id, number) {
                    self.heard_join(ctx, id, number, join);
                }
            }
            _ => self.breaks_protocol(ctx, id),
        }
    }

    /// Something came that only a later version understands. It cannot be checked, so it cannot be stored.
    pub(super) fn heard_newer(&mut self, ctx: &mut Context<'_>, id: LinkId, number: u16) {
        self.heard(ctx, id);
        let Some(link) = self.links.get(&id).filter(|link| link.is_usable()) else { return };
        let (peer, Some(channel)) = (link.peer, link.open.get(&number).copied()) else { return };
        let Some(room) = self.channels.get(&channel).map(|open| open.room) else { return };
        self.close_channel(ctx, channel, CloseCode::Limit);
        if let Some(found) = self.rooms.get_mut(&room) {
            found.pauses.insert(peer, Pause { until_ms: u64::MAX, ..Pause::default() });
            ctx.tell(room, RoomNotice::NeedsNewer);
        }
    }

    /// The stored log could not be read: nothing more can be said on the channel that it was for. Not opened again at once, because
    /// the disk is not better by then.
    pub(super) fn unread(&mut self, ctx: &mut Context<'_>, id: RoomId, read: &Read) {
        let now = ctx.mono_ms();
        let Some(room) = self.rooms.get_mut(&id) else { return };
        let channel = match read {
            Read::Begin { channel, .. }
            | Read::Log { channel, .. }
            | Read::Chain { channel, .. }
            | Read::Bodies { channel, .. } => Some(*channel),
            Read::Find { ticket, .. } | Read::Digest { ticket, .. } => room.replica.unread(*ticket),
            // The next start asks again.
            Read::Own { .. } | Read::Missing => None,
        };
        let Some(open) = channel.and_then(|channel| self.channels.get(&channel)) else { return };
        if let Some(link) = self.links.get(&open.link) {
            let pause = room.pauses.entry(link.peer).or_default();
            pause.until_ms = pause.until_ms.max(now + NONE_MS);
        }
        if let Some(channel) = channel {
            self.close_channel(ctx, channel, CloseCode::Busy);
        }
    }

    /// Whether a channel is open, by its number on its link.
    #[must_use]
    pub fn is_open(&self, link: LinkId, number: u16) -> bool {
        self.links.get(&link).is_some_and(|link| link.open.contains_key(&number))
    }

    /// Whether the other side may open one more channel.
    fn may_open(&mut self, ctx: &mut Context<'_>, id: LinkId, number: u16) -> bool {
        let Some(link) = self.links.get_mut(&id) else { return false };
        link.used.insert(number);
        if !link.has_place() {
            ctx.refused.channels += 1;
            ctx.act(RoomEffect::Say { link: id, channel: number, frame: close(CloseCode::Limit) });
            return false;
        }
        if self.opens.len() >= COUNTED && !self.opens.contains_key(&link.peer) {
            self.opens.clear();
        }
        let paid = self.opens.entry(link.peer).or_default().take(OPENS, 1, ctx.now.mono_ms).is_ok();
        if !paid {
            ctx.refused.opens += 1;
            self.end_link(ctx, id, Some(ByeReason::Limit));
        }
        paid
    }

    fn heard_open(&mut self, ctx: &mut Context<'_>, id: LinkId, number: u16, open: Open) {
        let Some(peer) = self.links.get(&id).map(|link| link.peer) else { return };
        let refuse = |ctx: &mut Context<'_>, code| {
            ctx.act(RoomEffect::Say { link: id, channel: number, frame: close(code) });
        };
        if !ctx.writable {
            // The same for all rooms, so that it tells nothing.
            return refuse(ctx, CloseCode::Busy);
        }
        let OpenAs::Member(as_member) = open.role else { return refuse(ctx, CloseCode::None) };
        match self.who_opens(identity(&peer), open.room, as_member) {
            Opener::Nobody => refuse(ctx, CloseCode::None),
            Opener::OfHosted => refuse(ctx, CloseCode::NoHost),
            Opener::OfTomb => {
                if let Some(act) = self.tombs.get(&open.room).and_then(|tomb| tomb.acts.last()) {
                    let frame = Frame::Events(vec![(**act).clone()]);
                    ctx.act(RoomEffect::Say { link: id, channel: number, frame });
                }
                refuse(ctx, CloseCode::Destroyed);
            }
            Opener::Cut(no) => drop(self.add_channel(ctx.mono_ms(), id, number, open.room, Phase::Cut(no), false)),
            Opener::Member(no) => {
                if let Some(other) = self.other_channel(id, open.room) {
                    let odd = number % 2 == 1;
                    let (ours, other_odd) =
                        self.channels.get(&other).map_or((false, false), |one| (one.ours, one.number % 2 == 1));
                    if ours && other_odd && !odd {
                        // Ours stays, and the other side closes its own when it hears of it.
                        let _ = self.add_channel(ctx.mono_ms(), id, number, open.room, Phase::Doomed, false);
                        return;
                    }
                    self.close_channel(ctx, other, CloseCode::Done);
                }
                if let Some(channel) = self.add_channel(ctx.mono_ms(), id, number, open.room, Phase::Opened, false)
                    && let Some(room) = self.rooms.get_mut(&open.room)
                {
                    ctx.with(|ctx| room.replica.open(ctx, channel, identity(&peer), Some(no), None));
                    self.settle(ctx, open.room);
                }
            }
        }
    }

    /// As whom somebody opens a room. Answered from memory, in this turn.
    fn who_opens(&self, id: Identity, room: RoomId, no: Option<MemberNo>) -> Opener {
        if let Some(tomb) = self.tombs.get(&room) {
            return if tomb.members.contains(&id) { Opener::OfTomb } else { Opener::Nobody };
        }
        let is_served = |state| matches!(state, RoomState::Member | RoomState::Leaving(_));
        let Some(room) = self.rooms.get(&room).filter(|room| is_served(room.state)) else { return Opener::Nobody };
        let roster = room.replica.roster();
        let mut own = roster.members.iter().rev().filter(|(_, member)| member.id == Some(id));
        let found = match no {
            Some(no) => own.clone().find(|(number, member)| **number == no && member.is_in()),
            None => own.clone().find(|(_, member)| member.is_in()),
        };
        let is_in = own.clone().any(|(_, member)| member.is_in());
        match (found, own.next()) {
            (Some(_), _) if !roster.hosts.is_empty() => Opener::OfHosted,
            (Some((no, _)), _) => Opener::Member(*no),
            // With another number, which it will hear of from its own replica.
            (None, _) if is_in => Opener::Nobody,
            (None, Some((no, _))) => Opener::Cut(no.to_owned()),
            (None, None) => Opener::Nobody,
        }
    }

    /// The channel for a room on a link, if there is one.
    fn other_channel(&self, link: LinkId, room: RoomId) -> Option<ChannelId> {
        let of_room =
            |id: &&ChannelId| self.channels.get(id).is_some_and(|open| open.room == room && open.is_replicas());
        self.links.get(&link)?.open.values().find(of_room).copied()
    }

    pub(super) fn add_channel(
        &mut self,
        now: u64,
        link: LinkId,
        number: u16,
        room: RoomId,
        phase: Phase,
        ours: bool,
    ) -> Option<ChannelId> {
        let id = ChannelId(self.next_channel);
        let on = self.links.get_mut(&link)?;
        self.next_channel += 1;
        on.open.insert(number, id);
        on.served |= phase == Phase::Opened;
        let (unstored, denied, not_now) = (BTreeMap::new(), BTreeMap::new(), NotNow::new());
        let turn = Turn { since_ms: now, used_ms: now };
        let (live, ends_at, asks_at) = (false, None, None);
        let channel =
            Channel { link, number, room, phase, ours, turn, unstored, denied, not_now, live, ends_at, asks_at };
        if channel.serves() {
            on.life.serves();
        }
        self.channels.insert(id, channel);
        Some(id)
    }

    /// A number for a channel of ours.
    pub(super) fn own_number(&mut self, link: LinkId) -> Option<u16> {
        let link = self.links.get_mut(&link)?;
        let number = link.next.filter(|_| link.has_own_place())?;
        link.next = number.checked_add(2);
        Some(number)
    }

    /// Something came on a channel that is open.
    fn heard_on(&mut self, ctx: &mut Context<'_>, id: ChannelId, frame: Frame, checked: &[Option<MemberKey>]) {
        let Some(channel) = self.channels.get_mut(&id) else { return };
        let (link, room, phase, ours) = (channel.link, channel.room, channel.phase, channel.ours);
        if matches!(frame, Frame::Hello(_) | Frame::Events(_) | Frame::Base(_)) {
            self.brings_something(ctx, link, Some(id));
        }
        let Some(channel) = self.channels.get_mut(&id) else { return };
        if !matches!(frame, Frame::Mark(_) | Frame::Credit(_) | Frame::Stored(_)) {
            channel.turn.used_ms = ctx.mono_ms();
        }
        match (frame, phase) {
            (Frame::Close(close), _) => self.heard_close(ctx, id, &close),
            (Frame::Hello(hello), Phase::Opened) => {
                channel.phase = Phase::Open;
                if ours {
                    self.unpause(room, link);
                }
                self.give_replica(ctx, id, Frame::Hello(hello), checked);
            }
            (Frame::Hello(hello), Phase::Cut(no)) => self.hear_who_is_cut(ctx, id, no, hello),
            (Frame::Mark(_), Phase::Hears(no, known)) => self.show_cut(ctx, id, no, known),
            (Frame::Events(events), Phase::Hears(..)) => self.give_replica(ctx, id, Frame::Events(events), checked),
            (_, Phase::Doomed) => {}
            // What comes before CLOSE `removed` and `destroyed`: acts, and nothing that a member could be denied.
            (Frame::Events(events), Phase::Opened)
                if ours && events.iter().all(|event| event.header().author == Author::ACTS) =>
            {
                let ends = self.rooms.get(&room).is_some_and(|room| room.says_the_end(&events));
                self.give_replica(ctx, id, Frame::Events(events), checked);
                self.follow_acts(ctx, room);
                if ends && self.rooms.contains_key(&room) {
                    // The acts before are not here: it cannot be judged by its way.
                    self.end_room(ctx, room, RoomState::Ended, CloseCode::Done);
                }
            }
            (Frame::Told(told), Phase::Asking) => self.heard_told(ctx, id, told),
            (Frame::Open(_) | Frame::Join(_) | Frame::Told(_) | Frame::Hello(_), _)
            | (_, Phase::Opened | Phase::Cut(_) | Phase::Asking | Phase::Asked) => self.breaks_protocol(ctx, link),
            (_, Phase::Hears(..)) => {}
            // Its form is checked; nothing follows from it in this version.
            (Frame::Petition(_), Phase::Open) => {}
            (Frame::Deny(deny), Phase::Open) => self.heard_deny(ctx, id, deny),
            (Frame::Events(events), Phase::Open) => {
                let (events, checked) = self.within_quota(ctx, id, events, checked);
                if !events.is_empty() {
                    self.give_replica(ctx, id, Frame::Events(events), &checked);
                }
            }
            (frame, Phase::Open) => self.give_replica(ctx, id, frame, checked),
        }
    }

    fn give_replica(&mut self, ctx: &mut Context<'_>, id: ChannelId, frame: Frame, checked: &[Option<MemberKey>]) {
        let Some((room, link)) = self.channels.get(&id).map(|channel| (channel.room, channel.link)) else { return };
        let peer = self.links.get(&link).map(Link::peer);
        let Some(found) = self.rooms.get_mut(&room) else { return };
        // A newcomer takes what it is told by the one whom it asks.
        let is_member = found.state != RoomState::Joining;
        found.hears = peer.filter(|_| is_member).and_then(|peer| found.member_at(&peer));
        ctx.with(|now| found.replica.hear(now, id, frame, checked));
        self.settle(ctx, room);
        if let Some(found) = self.rooms.get_mut(&room) {
            found.hears = None;
        }
    }

    /// The other side has said its last words on a channel.
    fn heard_close(&mut self, ctx: &mut Context<'_>, id: ChannelId, close: &Close) {
        let Some(channel) = self.channels.get(&id) else { return };
        let (link, room, phase, ours) = (channel.link, channel.room, channel.phase, channel.ours);
        let Some(peer) = self.links.get(&link).map(|link| link.peer) else { return };
        self.drop_channel(ctx, id);
        if !matches!(phase, Phase::Opened | Phase::Open) {
            return;
        }
        let now = ctx.mono_ms();
        let Some(found) = self.rooms.get_mut(&room) else { return };
        if found.is_door(&peer) && ours && matches!(close.code, CloseCode::None | CloseCode::Removed) {
            // It does not know us yet, or only as somebody who was removed: we ask again.
            found.entry.opens = false;
            return;
        }
        let pause = found.pauses.entry(peer).or_default();
        let retry = now.saturating_add(u64::from(close.retry_s) * 1_000);
        let least = match close.code {
            // At once; but who says nothing else is not asked all the time.
            CloseCode::Again => found.begun_anew.insert(peer, now).map_or(0, |before| before + AGAIN_MS),
            CloseCode::Done if !ours => 0,
            CloseCode::Limit | CloseCode::Protocol | CloseCode::NoHost => u64::MAX,
            _ => {
                pause.times = pause.times.saturating_add(1);
                now + (NONE_MS << (pause.times - 1).min(10)).min(NONE_CAP_MS)
            }
        };
        pause.strange += u32::from(close.code == CloseCode::None);
        pause.until_ms = retry.max(least);
        pause.by_acts = close.code == CloseCode::NoHost;
        if close.code == CloseCode::Again {
            // Its log began anew, and it has forgotten what it knew of ours.
            found.replica.forget(identity(&peer));
            self.settle(ctx, room);
        }
    }

    /// A newcomer's only channel brings nothing: somebody else comes before the other side of it is tried again.
    pub(super) fn pause_a_stalled_one(&mut self, ctx: &Context<'_>, id: ChannelId) {
        let Some(channel) = self.channels.get(&id).filter(|channel| channel.is_open() && !channel.live) else { return };
        if let (Some(room), Some(link)) = (self.rooms.get_mut(&channel.room), self.links.get(&channel.link)) {
            let pause = room.pauses.entry(link.peer).or_default();
            pause.until_ms = ctx.now.mono_ms + NONE_MS;
        }
    }

    fn unpause(&mut self, room: RoomId, link: LinkId) {
        if let (Some(room), Some(link)) = (self.rooms.get_mut(&room), self.links.get(&link)) {
            room.pauses.remove(&link.peer);
        }
    }
}

/// Who opens a room.
enum Opener {
    /// Nobody here, or the room is not known.
    Nobody,
    Member(MemberNo),
    /// Who was a member with this number at last.
    Cut(MemberNo),
    /// A member of a room that has hosts.
    OfHosted,
    /// A member of a room that was destroyed.
    OfTomb,
}
