//! The desk of rooms: which rooms we are in, whom to link with, who may open a room and who may join it.
//!
//! What is said and what counts in a room is decided by its replica (the crate `torchat-room`). The desk holds the replicas of
//! all rooms, gives each what comes on its channels, and takes from it what is to be written and said. It is a part of the
//! node: it has its own state, names no other part, and decides one turn as a pure function. ROOM-PROTOCOL.md has the rules.

mod acts;
mod asked;
mod counts;
mod dials;
mod door;
mod invites;
mod life;
mod links;
mod opening;
mod outbox;
mod petitions;
mod quota;
mod restored;
mod status;
mod turns;

pub use counts::RoomsRefused;
pub use dials::{LinkNews, Wish};
pub use status::{RoomObstacle, RoomStatus};

use crate::effect::{RoomAnswer, RoomEffect, RoomNotice, RoomRefused};
use crate::entropy::{self, Entropy};
use crate::input::{LinkId, RequestId, RoomAct, RoomInput};
use crate::op::RoomOp;
use crate::policy::Policy;
use crate::rate::Bucket;
use crate::snapshot::rooms::{HandRow, InviteRow, PetitionRow, RoomState, Tomb, Way};
use crate::time::{Believed, Now};
use links::{Channel, Link, Phase};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use torchat_protocol::id::PeerId;
use torchat_protocol::message::ByeReason;
use torchat_protocol::room::{BoxKey, CloseCode, Frame, Identity, InviteId, MemberNo, RoomId, TextId};
use torchat_room::Replica;
use torchat_room::outcome::{ChannelId, Context as ReplicaContext, Effect, Notice, Op, Refusal};
use torchat_room::reading::{Read, Report};

/// How long a channel stays on which a newcomer has learnt that it must ask once more.
const ANSWER_MS: u64 = 5_000;
/// Most rooms that we are in, or want to be in.
pub const ROOMS: usize = 100;

/// What a turn of the desk is given, and what it has decided so far.
pub struct Context<'a> {
    now: Now,
    policy: &'a Policy,
    /// The store takes writes.
    writable: bool,
    /// The wall clock, if what is too old by it may go.
    believed: Option<Believed>,
    /// Whom the user does not want to hear of.
    blocked: &'a dyn Fn(&PeerId) -> bool,
    entropy: &'a mut dyn Entropy,
    turn: RoomTurn,
    /// What is dropped in this turn.
    refused: RoomsRefused,
}

/// What a turn of the desk yields: first everything of `ops` in one durable transaction, then the effects in order.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct RoomTurn {
    /// The transaction.
    pub ops: Vec<RoomOp>,
    /// What happens after it, and not at all if it failed.
    pub effects: Vec<RoomEffect>,
    /// What became of links in this turn, in order, for whoever dials: with [`Rooms::wishes`] it is all that they need.
    pub links: Vec<LinkNews>,
}

impl<'a> Context<'a> {
    /// A turn begins. `writable`: the store takes writes. Else nothing is written in the turn.
    pub fn new(now: Now, policy: &'a Policy, writable: bool, entropy: &'a mut dyn Entropy) -> Self {
        let (turn, refused) = (RoomTurn::default(), RoomsRefused::default());
        Self { now, policy, writable, believed: None, blocked: &|_| false, entropy, turn, refused }
    }

    /// What is too old by this wall clock may go. `None`: nothing may.
    #[must_use]
    pub fn believing(mut self, believed: Option<Believed>) -> Self {
        self.believed = believed;
        self
    }

    /// The user does not want to hear of these peers. That ends no link with them: what they say in a room is a part of it for
    /// all others, and what others say comes by them.
    #[must_use]
    pub fn without(mut self, blocked: &'a dyn Fn(&PeerId) -> bool) -> Self {
        self.blocked = blocked;
        self
    }

    /// What was decided.
    #[must_use]
    pub fn finish(self) -> RoomTurn {
        self.turn
    }

    fn write(&mut self, op: RoomOp) {
        self.turn.ops.push(op);
    }

    fn act(&mut self, effect: RoomEffect) {
        self.turn.effects.push(effect);
    }

    fn answer(&mut self, request: RequestId, answer: RoomAnswer) {
        self.act(RoomEffect::Answer { request, answer });
    }

    fn tell(&mut self, room: RoomId, notice: RoomNotice) {
        self.act(RoomEffect::Notice { room, notice });
    }

    fn tell_of_link(&mut self, news: LinkNews) {
        self.turn.links.push(news);
    }

    fn mono_ms(&self) -> u64 {
        self.now.mono_ms
    }

    fn random<const N: usize>(&mut self) -> [u8; N] {
        entropy::bytes(self.entropy)
    }

    fn up_to(&mut self, max: u64) -> u64 {
        entropy::up_to(self.entropy, max)
    }

    /// What a replica is given.
    fn with<T>(&mut self, input: impl FnOnce(&mut ReplicaContext<'_>) -> T) -> T {
        let minute = u32::try_from(self.now.wall_ms.max(0) / 60_000).unwrap_or(u32::MAX);
        let entropy = &mut *self.entropy;
        let mut random = |out: &mut [u8]| entropy.fill(out);
        input(&mut ReplicaContext { now_ms: self.now.mono_ms, minute, random: &mut random })
    }
}

/// The desk's state. See the module's description.
pub struct Rooms {
    own: PeerId,
    /// Those in which we have something to do.
    rooms: BTreeMap<RoomId, Room>,
    /// How it ended with others.
    past: BTreeMap<RoomId, RoomState>,
    tombs: BTreeMap<RoomId, Tomb>,
    links: BTreeMap<LinkId, Link>,
    /// Of each peer those to it.
    by_peer: BTreeMap<PeerId, BTreeSet<LinkId>>,
    channels: BTreeMap<ChannelId, Channel>,
    /// The next channel's number among all.
    next_channel: u64,
    /// With whom a link is wanted, and there is none.
    wishes: BTreeMap<PeerId, Wish>,
    /// What looks at the disk have found while the store took no writes.
    found: Vec<(RoomId, Report)>,
    /// The rooms that programs have made or joined under a key of theirs.
    clients: BTreeMap<String, RoomId>,
    /// The highest epoch of each member's certificates.
    epochs: BTreeMap<PeerId, u32>,
    /// How often each peer may open channels.
    opens: BTreeMap<PeerId, Bucket>,
    refused: RoomsRefused,
    /// The daemon stops.
    stopping: bool,
}

/// A room in which we have something to do.
struct Room {
    state: RoomState,
    replica: Replica,
    /// The seed of our key: what we sign beside events.
    seed: [u8; 32],
    sealing: BoxKey,
    way: Option<Way>,
    entry: Entry,
    /// The other members that are in, as far as their identities are some.
    peers: BTreeMap<PeerId, MemberNo>,
    /// The acts have changed since that was looked up.
    acts_changed: bool,
    invites: BTreeMap<InviteId, InviteRow>,
    petitions: BTreeMap<Identity, PetitionRow>,
    /// How many petitions may come.
    purses: petitions::Purses,
    bans: BTreeSet<Identity>,
    leavers: BTreeSet<MemberNo>,
    hand: Option<HandRow>,
    /// What each member has said on its own link.
    quotas: BTreeMap<MemberNo, quota::Quota>,
    /// What others have passed on.
    passed_on: quota::PassedOn,
    /// Who says what the replica is given at the moment, if it is a member.
    hears: Option<MemberNo>,
    /// What the owner has decided, and waits until another member is reached.
    waiting: VecDeque<(RequestId, RoomAct)>,
    /// Up to where our chains are known to be durable at another member, in this run of the daemon.
    stored: BTreeMap<torchat_protocol::room::Author, u64>,
    /// The same at each other member.
    stored_at: BTreeMap<Identity, BTreeMap<torchat_protocol::room::Author, u64>>,
    /// The number of our event that says that we leave.
    left_at: Option<(torchat_protocol::room::Author, u64)>,
    /// When texts of ours are taken back if they still wait, in milliseconds of the clock that never goes back.
    expiring: BTreeMap<TextId, u64>,
    alone: Alone,
    /// Events of ours came, in this run of the daemon, that were not here.
    restored: bool,
    /// Peers at which the room is not opened now.
    pauses: BTreeMap<PeerId, Pause>,
    /// When each peer has begun its log anew last.
    begun_anew: BTreeMap<PeerId, u64>,
}

/// Since when no other member is reached.
#[derive(Debug, Clone, Copy)]
struct Alone {
    /// In milliseconds of the clock that never goes back.
    since_ms: u64,
    /// One was reached before that, in this run of the daemon.
    after_talk: bool,
}

impl Alone {
    fn since(now: Now) -> Self {
        Self { since_ms: now.mono_ms, after_talk: false }
    }
}

/// How far our joining has come, in this run of the daemon.
#[derive(Debug, Clone, Copy, Default)]
struct Entry {
    /// How often we were told that it is pending.
    pending: u32,
    /// Not before.
    next_ms: u64,
    /// The next thing to do is to open the room, not to ask.
    opens: bool,
    /// The acts that we were told have said that we are in: every member may tell us the rest.
    accepted: bool,
}

/// A peer at which a room is not opened now.
#[derive(Debug, Clone, Copy, Default)]
struct Pause {
    /// Not before; [`u64::MAX`]: not in this run.
    until_ms: u64,
    times: u32,
    /// How often it has said that it does not know us.
    strange: u32,
    /// As long as the acts say the same.
    by_acts: bool,
}

impl Rooms {
    /// Takes what happened.
    pub fn turn(&mut self, ctx: &mut Context<'_>, inputs: impl IntoIterator<Item = RoomInput>) {
        if ctx.writable {
            for (room, report) in std::mem::take(&mut self.found) {
                self.report(ctx, room, report);
            }
        } else {
            self.close_rooms(ctx);
        }
        for input in inputs {
            self.take(ctx, input);
        }
        self.end(ctx);
        self.refused.add(std::mem::take(&mut ctx.refused));
    }

    /// While the store takes no writes no room is open, so nothing is said that would have to be written.
    fn close_rooms(&mut self, ctx: &mut Context<'_>) {
        let open = self.channels.iter().filter(|(_, open)| !matches!(open.phase, links::Phase::Asked));
        for channel in open.map(|(id, _)| *id).collect::<Vec<_>>() {
            self.close_channel(ctx, channel, CloseCode::Busy);
        }
    }

    fn take(&mut self, ctx: &mut Context<'_>, input: RoomInput) {
        match input {
            RoomInput::LinkUp { link, peer, outgoing, binding, epoch } => {
                self.link_up(ctx, link, links::New { peer, outgoing, binding, epoch });
            }
            RoomInput::LinkDown { link } => self.link_down(ctx, link),
            RoomInput::Message { link, message } => self.heard_message(ctx, link, message),
            RoomInput::Frame { link, channel, frame, checked } => {
                self.heard_frame(ctx, link, channel, frame, &checked);
            }
            RoomInput::Heard { link } => {
                self.heard(ctx, link);
                self.brings_something(ctx, link, None);
            }
            RoomInput::Report { room, report } if ctx.writable => self.report(ctx, room, report),
            RoomInput::Report { room, report } => self.found.push((room, report)),
            RoomInput::Newer { link, channel } => self.heard_newer(ctx, link, channel),
            RoomInput::Unread { room, read } => self.unread(ctx, room, &read),
            RoomInput::Do { request, command } if ctx.writable => self.asked(ctx, request, command),
            RoomInput::Do { request, .. } => ctx.answer(request, RoomAnswer::Refused(RoomRefused::Storage)),
            RoomInput::Woke => self.ask_all(ctx),
            RoomInput::Stop => self.stop(ctx),
        }
    }

    fn report(&mut self, ctx: &mut Context<'_>, room: RoomId, report: Report) {
        if let Some(found) = self.rooms.get_mut(&room) {
            ctx.with(|now| found.replica.report(now, report));
            self.settle(ctx, room);
        }
    }

    /// The daemon stops: there is no turn after this one.
    fn stop(&mut self, ctx: &mut Context<'_>) {
        self.stopping = true;
        for link in self.links.keys().copied().collect::<Vec<_>>() {
            self.end_link(ctx, link, Some(ByeReason::Shutdown));
        }
    }

    /// What no store knows survives a rebuild from it: a peer that could make a commit fail would have full purses by it.
    pub fn keep_unstored(&mut self, before: &mut Self) {
        self.opens = std::mem::take(&mut before.opens);
        self.refused = before.refused;
        for (id, room) in &mut self.rooms {
            if let Some(before) = before.rooms.get_mut(id) {
                room.purses = std::mem::take(&mut before.purses);
                room.quotas = std::mem::take(&mut before.quotas);
                room.passed_on = std::mem::take(&mut before.passed_on);
                (room.alone, room.restored) = (before.alone, before.restored);
            }
        }
    }

    /// What follows from the inputs of a turn, and from the time.
    fn end(&mut self, ctx: &mut Context<'_>) {
        if ctx.writable {
            self.go_on(ctx);
        }
        self.watch_links(ctx);
        if ctx.writable && !self.stopping {
            self.open_rooms(ctx);
        }
        self.find_wishes(ctx);
        for room in self.rooms.keys().copied().collect::<Vec<_>>() {
            self.settle(ctx, room);
        }
    }

    /// What the rooms do without anybody's wish.
    fn go_on(&mut self, ctx: &mut Context<'_>) {
        self.expire(ctx);
        self.ask_for_what_was_too_much(ctx);
        for room in self.rooms.keys().copied().collect::<Vec<_>>() {
            self.decide(ctx, room);
            if let Some(found) = self.rooms.get_mut(&room) {
                ctx.with(|now| found.replica.go_on(now));
                self.settle(ctx, room);
            }
            self.fail_what_may_not_be_said(ctx, room);
            self.follow_acts(ctx, room);
        }
        self.dig_up(ctx);
        self.say_denied(ctx);
    }

    /// When [`Rooms::turn`] must be called next although nothing happened, in milliseconds of the clock that never goes back.
    #[must_use]
    pub fn deadline(&self, writable: bool) -> Option<u64> {
        if self.stopping {
            return None;
        }
        if !writable {
            return self.links_due().min();
        }
        let rooms = self
            .rooms
            .values()
            .filter_map(|room| if room.replica.has_more_to_say() { Some(0) } else { room.replica.due_ms() });
        let rooms = rooms.chain(self.expiry_due());
        let asked = self.channels.values().filter_map(|open| open.asks_at);
        rooms.chain(self.links_due()).chain(self.denied_due()).chain(self.opening_due()).chain(asked).min()
    }

    /// Takes what a replica has decided: writes it, says it, and notes what it means to the desk.
    fn settle(&mut self, ctx: &mut Context<'_>, id: RoomId) {
        loop {
            let Some(room) = self.rooms.get_mut(&id) else { return };
            let outcome = room.replica.take();
            if outcome.ops.is_empty() && outcome.effects.is_empty() {
                return;
            }
            for op in outcome.ops {
                room.note(ctx, id, &op);
                ctx.write(RoomOp::Replica { room: id, op });
            }
            for effect in outcome.effects {
                self.do_for_replica(ctx, id, effect);
            }
        }
    }

    fn do_for_replica(&mut self, ctx: &mut Context<'_>, room: RoomId, effect: Effect) {
        match effect {
            Effect::Send(channel, frame) => self.say(ctx, channel, frame),
            Effect::Read(read) => {
                let channel = match &read {
                    Read::Begin { channel, .. }
                    | Read::Log { channel, .. }
                    | Read::Chain { channel, .. }
                    | Read::Bodies { channel, .. } => Some(*channel),
                    Read::Find { .. } | Read::Digest { .. } | Read::Own { .. } | Read::Missing => None,
                };
                let to = channel.and_then(|channel| self.channels.get(&channel)).map(|open| (open.link, open.number));
                if to.is_some() || channel.is_none() {
                    ctx.act(RoomEffect::Read { room, read, to });
                }
            }
            Effect::Close(channel, code) => self.close_channel(ctx, channel, code),
            Effect::EndLink(channel) => {
                if let Some(link) = self.channels.get(&channel).map(|open| open.link) {
                    self.breaks_protocol(ctx, link);
                }
            }
            Effect::Notice(notice) => self.noticed(ctx, room, notice),
        }
    }

    fn noticed(&mut self, ctx: &mut Context<'_>, room: RoomId, notice: Notice) {
        match notice {
            // Told when the newcomer has everything.
            Notice::Joined => {}
            Notice::Refused(_, Refusal::Signature) => ctx.refused.signatures += 1,
            Notice::Refused(_, Refusal::PoolFull) => ctx.refused.waiting += 1,
            // That happens among honest members, and is asked for again or means nothing.
            Notice::Refused(..) => {}
            Notice::Restored => self.was_restored(ctx, room),
            Notice::OwnAct(seq) => {
                self.was_restored(ctx, room);
                if let Some(found) = self.rooms.get_mut(&room) {
                    found.ban_again(ctx, room, seq);
                }
            }
            Notice::Forked(author) => ctx.tell(room, RoomNotice::Forked(author)),
            Notice::Frozen => {
                self.has_contradicted_itself(ctx, room);
                ctx.tell(room, RoomNotice::Frozen);
            }
            Notice::Settled => ctx.tell(room, RoomNotice::Settled),
            Notice::OtherBranch { ours } => {
                if ours {
                    self.has_contradicted_itself(ctx, room);
                }
                ctx.tell(room, RoomNotice::OtherBranch);
            }
            Notice::CaughtUp(channel) => self.caught_up(ctx, room, channel),
            Notice::Delivered(channel, author, upto) => {
                if let Some(at) = self.channels.get(&channel).and_then(|open| self.links.get(&open.link)) {
                    ctx.tell(room, RoomNotice::Delivered { at: at.peer(), author, upto });
                }
                self.delivered(ctx, room, channel, author, upto);
            }
        }
    }

    /// A channel brought everything that the other side has.
    fn caught_up(&mut self, ctx: &mut Context<'_>, id: RoomId, channel: ChannelId) {
        if let Some(open) = self.channels.get_mut(&channel) {
            open.live = true;
        }
        let Some(room) = self.rooms.get_mut(&id).filter(|room| room.state == RoomState::Joining) else { return };
        if room.replica.role().is_some() {
            room.way = None;
            room.state = RoomState::Member;
            if let Some(open) = self.channels.get_mut(&channel) {
                open.ends_at = None;
            }
            ctx.write(RoomOp::State { room: id, state: RoomState::Member });
            ctx.tell(id, RoomNotice::Joined);
        } else {
            // The other side knows us by a number of before, whose key we do not have any more. We ask for another one.
            room.ask_later(ctx);
            // Not at once: an owner whom nobody else reaches lets us in when it has heard from us that we have nothing more.
            if let Some(open) = self.channels.get_mut(&channel) {
                open.ends_at = Some(ctx.mono_ms() + ANSWER_MS);
            }
        }
    }

    /// Says something on a channel.
    fn say(&mut self, ctx: &mut Context<'_>, channel: ChannelId, frame: Frame) {
        let Some(open) = self.channels.get_mut(&channel) else { return };
        if let Frame::Events(events) = &frame {
            let me = self.rooms.get(&open.room).and_then(|room| room.replica.me());
            let ours = events.iter().map(torchat_protocol::room::Event::header);
            open.said(ours.filter(|header| me.is_some() && header.author.member() == me));
            open.turn.used_ms = ctx.mono_ms();
        }
        ctx.act(RoomEffect::Say { link: open.link, channel: open.number, frame });
    }

    /// The last words on a channel, from us.
    fn close_channel(&mut self, ctx: &mut Context<'_>, channel: ChannelId, code: CloseCode) {
        self.say(ctx, channel, links::close(code));
        self.drop_channel(ctx, channel);
    }

    /// It is over with a room.
    fn end_room(&mut self, ctx: &mut Context<'_>, id: RoomId, state: RoomState, code: CloseCode) {
        self.settle(ctx, id);
        for channel in self.channels_of(id) {
            self.close_channel(ctx, channel, code);
        }
        let Some(room) = self.rooms.remove(&id) else { return };
        ctx.act(RoomEffect::Acts(id));
        for (request, _) in room.waiting {
            ctx.answer(request, RoomAnswer::Refused(RoomRefused::NoRoom));
        }
        self.past.insert(id, state);
        if state != RoomState::Destroyed {
            ctx.write(RoomOp::State { room: id, state });
        }
        let notice = match state {
            RoomState::Removed => RoomNotice::Removed,
            RoomState::Destroyed => RoomNotice::Destroyed,
            RoomState::Ended => RoomNotice::Ended,
            RoomState::NotServed => RoomNotice::NeedsNewer,
            _ => RoomNotice::Left,
        };
        ctx.tell(id, notice);
    }

    /// The channels of members. Those of petitions end in their own time, whatever becomes of the room: their end tells nothing.
    fn channels_of(&self, room: RoomId) -> Vec<ChannelId> {
        let of_room = |(_, open): &(&ChannelId, &Channel)| open.room == room && open.phase != Phase::Asked;
        self.channels.iter().filter(of_room).map(|(id, _)| *id).collect()
    }
}

impl Room {
    /// What a change of the replica means to the desk.
    fn note(&mut self, ctx: &mut Context<'_>, id: RoomId, op: &Op) {
        match op {
            Op::Act { .. } | Op::CutBranch(_) => self.acts_changed = true,
            Op::Anew(_) => self.forget_what_was_told(ctx, id),
            Op::Store { event, standing, .. } => {
                self.count_what_was_passed_on(event, ctx.mono_ms());
                self.note_event(ctx, id, event, *standing);
            }
            _ => {}
        }
    }
}

/// A link's other end, as acts name it.
fn identity(peer: &PeerId) -> Identity {
    Identity(*peer.as_bytes())
}
