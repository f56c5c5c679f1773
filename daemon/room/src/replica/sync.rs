//! What two replicas say to each other on a channel. ROOM-PROTOCOL.md, "Synchronising".
//!
//! Each side tells its own log from a start; at its end it says MARK, which the other side keeps as a cookie for the next
//! time. What comes over a channel does not go back on it.

use super::channel::{CREDIT, Channel, GRANT_FROM, Told, WRONG_SIGNATURES};
use super::{Question, Replica, Stored};
use crate::chain::Chain;
use crate::key::Incoming;
use crate::outcome::{ChannelId, Context, Effect, Notice, Op};
use crate::reading::Read;
use std::sync::Arc;
use torchat_protocol::room::body::Place;
use torchat_protocol::room::{
    Author, CloseCode, Cookie, Event, Frame, Has, Head, Hello, Identity, LogDigest, LogId, LogPlace, MemberKey,
    MemberNo, Tag,
};

impl Replica {
    /// How many other replicas have told us everything in this run.
    pub(super) fn caught_up(&self) -> usize {
        self.channels.values().filter(|channel| channel.caught_up).count()
    }

    /// Whether somebody has told us everything in this run.
    #[must_use]
    pub fn caught_up_with(&self, peer: Identity) -> bool {
        self.channels.values().any(|channel| channel.peer == peer && channel.caught_up)
    }

    /// The channels that are open, with who is at the other end.
    pub fn channels(&self) -> impl Iterator<Item = (ChannelId, Identity)> {
        self.channels.iter().map(|(id, channel)| (*id, channel.peer))
    }

    /// A channel is open at both sides. `member`: as whom the other side came, or was dialled; `None`: we know no acts, so nobody.
    /// `want`: how many events we want at most, if we have none; `None`: all.
    ///
    /// A newcomer has one channel until it was told everything there, and begins again if that ends before. So all that it has
    /// comes from one log, and its floors fit.
    pub fn open(
        &mut self,
        ctx: &mut Context<'_>,
        channel: ChannelId,
        peer: Identity,
        member: Option<MemberNo>,
        want: Option<u32>,
    ) {
        if self.fresh && !self.channels.is_empty() {
            return self.act(Effect::Close(channel, CloseCode::Busy));
        }
        if self.fresh && (self.log.next > 1 || !self.chains.is_empty()) {
            self.begin_anew(ctx);
        }
        let cookie = self.cookies.get(&peer).copied();
        let has = cookie.map_or_else(|| Has::Heads(self.frontier()), Has::Upto);
        self.channels.insert(channel, Channel::new(peer, member));
        self.say(channel, Frame::Hello(Hello { log: self.log.id, has, want, credit: CREDIT }));
        let forked = self.forks().map(|(author, _)| author).filter(|author| self.fork_decides(*author));
        for author in forked.collect::<Vec<_>>() {
            self.say_fork(channel, author);
        }
    }

    /// A channel is open at both sides, and the other side is no member by our acts, which may be a lie. It is told nothing, not even
    /// what we have: it hears that we have nothing and want nothing, so that it says its acts first, and little else.
    pub fn open_to_hear(&mut self, channel: ChannelId, peer: Identity) {
        let nothing = Head { author: Author::ACTS, seq: 0, tag: Tag::NONE };
        let hello = Hello { log: self.log.id, has: Has::Heads(vec![nothing]), want: Some(0), credit: GRANT_FROM };
        self.channels.insert(channel, Channel { allowed: i64::from(GRANT_FROM), ..Channel::new(peer, None) });
        self.say(channel, Frame::Hello(hello));
    }

    /// A newcomer drops what it was told on a channel that has ended too early.
    fn begin_anew(&mut self, ctx: &mut Context<'_>) {
        let mut id = [0; 8];
        (ctx.random)(&mut id);
        let own = std::mem::take(&mut self.own);
        let out = std::mem::take(&mut self.out);
        *self = Self { own: own.anew(), out, ..Self::load(Stored::new(self.room, LogId(id), None)) };
        self.write(Op::Anew(LogId(id)));
    }

    /// A channel has ended.
    pub fn closed(&mut self, channel: ChannelId) {
        self.channels.remove(&channel);
    }

    /// Something that was said on a channel. `checked`: of each event in it, under which key its signature is known to be good.
    pub fn hear(&mut self, ctx: &mut Context<'_>, channel: ChannelId, frame: Frame, checked: &[Option<MemberKey>]) {
        if !self.channels.contains_key(&channel) {
            return;
        }
        match frame {
            Frame::Hello(hello) => self.heard_hello(channel, hello),
            Frame::Reset => self.heard_reset(channel),
            Frame::Have(heads) => self.heard_have(ctx, channel, heads),
            Frame::Base(heads) => self.heard_base(channel, heads, checked),
            Frame::Events(events) => self.heard_events(ctx, channel, events, checked),
            Frame::Mark(place) => self.heard_mark(ctx, channel, place),
            Frame::Stored(list) => {
                for (author, seq) in list {
                    // Numbers that were never said would be delivered for good, whoever has them.
                    let is_said = seq <= self.end(author).0;
                    if author.member().is_some() && author.member() == self.me() && is_said {
                        self.tell(Notice::Delivered(channel, author, seq));
                    }
                }
            }
            Frame::Fork(events) => {
                let key = |n: usize| checked.get(n).copied().flatten();
                let one = Incoming { event: Arc::new(events.0), checked: key(0) };
                let other = Incoming { event: Arc::new(events.1), checked: key(1) };
                self.take_fork(one, other, Some(channel));
            }
            Frame::At(head) => self.heard_at(ctx, channel, head),
            Frame::Need(author, upto) => self.heard_need(ctx, channel, author, upto),
            Frame::Body(places) => {
                self.heard_body(ctx, channel, places.into_iter().map(Place::from));
            }
            Frame::Credit(bytes) => {
                if let Some(open) = self.channels.get_mut(&channel) {
                    open.credit = open.credit.saturating_add(i64::from(bytes)).min(i64::from(CREDIT) * 2);
                }
                self.pump(channel);
            }
            // The desk's: who may open, join and be denied is not the replica's to decide.
            Frame::Open(_)
            | Frame::Close(_)
            | Frame::Deny(_)
            | Frame::Join(_)
            | Frame::Told(_)
            | Frame::Petition(_) => {}
        }
        self.drain(ctx);
    }

    fn heard_hello(&mut self, channel: ChannelId, hello: Hello) {
        let Some(open) = self.channels.get_mut(&channel) else { return };
        if open.log.is_some() {
            return self.act(Effect::EndLink(channel));
        }
        let nothing = |heads: &[Head]| heads.iter().all(|head| head.author != Author::ACTS || head.seq == 0);
        if self.fresh && matches!(&hello.has, Has::Heads(heads) if nothing(heads)) {
            // Two newcomers have nothing to tell each other, and one may have only one channel.
            return self.close(channel, CloseCode::Busy);
        }
        open.log = Some(hello.log);
        open.credit = i64::from(hello.credit.min(CREDIT));
        let peer = open.peer;
        if self.cookies.get(&peer).is_some_and(|cookie| cookie.log != hello.log) {
            // Its log began anew: what we know of the old one is of no use.
            self.forget_cookie(peer);
        }
        self.tell_since_hello(channel, hello);
        // Bodies that did not come with their events: somebody may have them.
        if self.channels.get(&channel).is_some_and(|open| open.untold.is_none()) {
            self.ask_for_bodies(channel);
        }
    }

    /// Begins to tell our log to the other side of a channel, if it is a member by our acts.
    ///
    /// Who is none is told nothing, but may tell us: if a former owner has moved us to a branch on which nobody else is a member,
    /// only the others can bring us back.
    pub(super) fn tell_since_hello(&mut self, channel: ChannelId, hello: Hello) {
        let Some(open) = self.channels.get_mut(&channel) else { return };
        let is_member = open.member.is_some_and(|no| self.branch.roster.members.contains_key(&no));
        if self.branch.len() > 0 && !is_member {
            open.untold = Some(hello);
            return;
        }
        match hello.has {
            Has::Heads(heads) => {
                self.delivered_heads(channel, &heads);
                self.begin(channel, &heads, hello.want);
            }
            Has::Upto(cookie) if cookie.log != self.log.id => self.say(channel, Frame::Reset),
            Has::Upto(Cookie { place, .. }) => {
                if place == (LogPlace { next: self.log.next, digest: self.log.digest }) {
                    let own = self.own_heads();
                    self.check_cookie(channel, place, Some(place.digest), own);
                } else {
                    let ticket = self.ask(Question::Cookie(place, channel));
                    let chains = self.own_heads().into_iter().map(|(author, _)| author).collect();
                    self.act(Effect::Read(Read::Digest { ticket, next: place.next, chains }));
                }
            }
        }
    }

    /// The other side claims to have our log up to a place. `own`: the last numbers of our own chains before it.
    pub(super) fn check_cookie(
        &mut self,
        channel: ChannelId,
        place: LogPlace,
        digest: Option<LogDigest>,
        own: Vec<(Author, u64)>,
    ) {
        if digest != Some(place.digest) {
            return self.say(channel, Frame::Reset);
        }
        for (author, seq) in own {
            self.tell(Notice::Delivered(channel, author, seq));
        }
        if let Some(open) = self.channels.get_mut(&channel) {
            open.told = Told::Before(place.next);
        }
        self.pump(channel);
    }

    /// The last numbers of our own chains.
    fn own_heads(&self) -> Vec<(Author, u64)> {
        let Some(me) = self.me() else { return Vec::new() };
        self.chains.range(me.chains()).map(|(author, chain)| (*author, chain.head)).collect()
    }

    /// What the other side has of our own chains is delivered: a STORED may have been lost with its link.
    pub(super) fn delivered_heads(&mut self, channel: ChannelId, heads: &[Head]) {
        let Some(me) = self.me() else { return };
        for head in heads.iter().filter(|head| head.author.member() == Some(me)) {
            let ours = self.chains.get(&head.author);
            let is_last = ours.is_some_and(|chain| chain.head == head.seq && chain.id.tag() == head.tag);
            let place = Place { author: head.author, seq: head.seq };
            let is_recent = self.recent.get(place).is_some_and(|(_, event)| event.id().tag() == head.tag);
            if is_last || is_recent {
                self.tell(Notice::Delivered(channel, head.author, head.seq));
            }
        }
    }

    /// Our cookie is not of the other side's log. There is one on a channel, so there is one answer: a frontier is long, and whoever
    /// asks for it again and again and reads nothing would fill our memory.
    fn heard_reset(&mut self, channel: ChannelId) {
        let Some(open) = self.channels.get_mut(&channel).filter(|open| !open.was_reset) else { return };
        open.was_reset = true;
        let peer = open.peer;
        self.forget_cookie(peer);
        let heads = self.frontier();
        self.say(channel, Frame::Have(heads));
    }

    /// Somebody's log began anew: up to where it is here means nothing any more.
    pub fn forget(&mut self, peer: Identity) {
        self.forget_cookie(peer);
    }

    fn forget_cookie(&mut self, peer: Identity) {
        if self.cookies.remove(&peer).is_some() {
            self.write(Op::Cookie(peer, None));
        }
    }

    fn heard_base(&mut self, channel: ChannelId, heads: Vec<Event>, checked: &[Option<MemberKey>]) {
        // A chain begins where somebody says only for a newcomer. Later, a lie would begin it where others have it already.
        if !self.fresh {
            return;
        }
        for (n, head) in heads.into_iter().enumerate() {
            let header = *head.header();
            let mut incoming = Incoming { event: Arc::new(head), checked: checked.get(n).copied().flatten() };
            let Some(member) = self.branch.roster.member(header.author) else { continue };
            // A proof that it is forked may have come before; that is no event.
            if self.end(header.author).0 > 0 || header.seq > self.line(header.author) {
                continue;
            }
            if !incoming.is_signed_by(&member.key) {
                self.refuse(Some(channel), crate::outcome::Refusal::Signature);
                continue;
            }
            let id = incoming.event.id();
            let fork = self.chains.get(&header.author).and_then(|chain| chain.fork.clone());
            let chain = Chain { head: header.seq, floor: header.seq, fork, ..Chain::new(id, member.key.bytes()) };
            self.chains.insert(header.author, chain);
            self.write_chain(header.author);
            self.write(Op::Floor(incoming.event.clone()));
            self.restand(header.author.member());
            let next = Place { author: header.author, seq: header.seq + 1 };
            self.queue.extend(self.pool.take(next));
        }
    }

    fn heard_events(
        &mut self,
        ctx: &mut Context<'_>,
        channel: ChannelId,
        events: Vec<Event>,
        checked: &[Option<MemberKey>],
    ) {
        if !self.count_bytes(channel, &events) {
            return;
        }
        for (n, event) in events.into_iter().enumerate() {
            let checked = checked.get(n).copied().flatten();
            self.queue.push_back((Incoming { event: Arc::new(event), checked }, Some(channel)));
            self.drain(ctx);
        }
    }

    /// Events of the other side that are not taken now, although they may be good: it is asked to say them again. They cost it
    /// what they would have cost, and there is no cookie for what comes behind them.
    pub fn deny(&mut self, channel: ChannelId, events: &[Event]) {
        self.count_bytes(channel, events);
        self.put_off(Some(channel), false);
    }

    /// What was denied on a channel may be taken now: the other side is asked for it.
    pub fn ask_for_what_was_denied(&mut self, channel: ChannelId) {
        if let Some(open) = self.channels.get_mut(&channel) {
            open.again_due = true;
        }
    }

    /// Whether an event is behind the end of its chain, as far as it is here.
    #[must_use]
    pub fn is_new(&self, place: Place) -> bool {
        place.seq > self.end(place.author).0 && place.seq <= self.line(place.author)
    }

    /// Counts what the other side has said against its credit. False: it has said far too much.
    fn count_bytes(&mut self, channel: ChannelId, events: &[Event]) -> bool {
        let bytes: usize = events.iter().map(Frame::event_len).sum();
        let Some(open) = self.channels.get_mut(&channel) else { return true };
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        open.allowed -= i64::from(bytes);
        open.committed = open.committed.saturating_add(bytes);
        let fair = open.allowed >= -i64::from(CREDIT);
        if !fair {
            self.act(Effect::EndLink(channel));
        }
        fair
    }

    fn heard_mark(&mut self, ctx: &mut Context<'_>, channel: ChannelId, place: LogPlace) {
        let Some(open) = self.channels.get_mut(&channel) else { return };
        if self.branch.len() == 0 {
            // Somebody who has no acts has not told us everything.
            return;
        }
        let first = !std::mem::replace(&mut open.caught_up, true);
        if std::mem::take(&mut self.fresh) {
            self.write(Op::Complete);
            self.unqueue_what_was_told();
        }
        let Some(open) = self.channels.get_mut(&channel) else { return };
        if open.looking_up > 0 {
            open.mark = Some(place);
        } else {
            self.keep_cookie(channel, place);
        }
        if first {
            self.tell(Notice::CaughtUp(channel));
        }
        self.say_what_waits(ctx);
    }

    pub(super) fn keep_cookie(&mut self, channel: ChannelId, place: LogPlace) {
        let Some(open) = self.channels.get(&channel) else { return };
        if let (Some(log), false) = (open.log, open.hole) {
            let (peer, cookie) = (open.peer, Cookie { log, place });
            self.cookies.insert(peer, cookie);
            self.write(Op::Cookie(peer, Some(cookie)));
        }
    }

    /// Something of the other side is not taken now. `again`: it is asked for when an act has come.
    pub(super) fn put_off(&mut self, from: Option<ChannelId>, again: bool) {
        let Some(open) = from.and_then(|channel| self.channels.get_mut(&channel)) else { return };
        open.hole = true;
        open.again |= again;
        let peer = open.peer;
        self.forget_cookie(peer);
    }

    /// The other side has the event at this position of our log: it does not go back.
    pub(super) fn came_back(&mut self, pos: Option<u64>, from: Option<ChannelId>) {
        if let (Some(pos), Some(open)) = (pos, from.and_then(|channel| self.channels.get_mut(&channel)))
            && !matches!(open.told, Told::Before(next) if next > pos)
        {
            open.from_there.insert(pos);
        }
    }

    /// An event is durable with this turn: its author hears of it on its own link.
    pub(super) fn note_stored(&mut self, event: &Event, from: Option<ChannelId>) {
        let Some(open) = from.and_then(|channel| self.channels.get_mut(&channel)) else { return };
        let Place { author, seq } = event.place();
        if author.member().is_some() && author.member() == open.member {
            let upto = open.stored.entry(author).or_default();
            *upto = seq.max(*upto);
        }
    }

    /// Ends a channel whose other side signs too much wrongly.
    ///
    /// Not while the acts contradict each other: on the other branch a number may be somebody else's, and who passes that one's
    /// events on does nothing wrong.
    pub(super) fn count_wrong_signature(&mut self, channel: ChannelId) {
        if self.branch.is_frozen() {
            return;
        }
        if let Some(open) = self.channels.get_mut(&channel) {
            open.wrong_signatures += 1;
            if open.wrong_signatures > WRONG_SIGNATURES {
                self.act(Effect::EndLink(channel));
            }
        }
    }

    /// Ends a channel.
    pub fn close(&mut self, channel: ChannelId, code: CloseCode) {
        if self.channels.remove(&channel).is_some() {
            self.act(Effect::Close(channel, code));
        }
    }
}
