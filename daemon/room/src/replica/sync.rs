//! What two replicas say to each other on a channel. ROOM-PROTOCOL.md, "Synchronising".
//!
//! Each side tells its own log from a start; at its end it says MARK, which the other side keeps as a cookie for the next
//! time. What comes over a channel does not go back on it.

use super::{Question, Replica};
use crate::chain::{Chain, place};
use crate::key::Incoming;
use crate::outcome::{ChainRow, ChannelId, Context, Effect, Notice, Op};
use crate::reading::{self, Filter, Read, Report, pack, wire_len};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use torchat_protocol::room::body::Place;
use torchat_protocol::room::{
    Author, CloseCode, Cookie, Event, Frame, Has, Head, Hello, Identity, LogDigest, LogId, LogPlace, MemberKey,
    MemberNo, Tag,
};

/// Bytes of events that the other side may send without our grant.
const CREDIT: u32 = 262_144;
/// What is committed is granted again from so many bytes on.
const GRANT_FROM: u32 = 65_536;
/// About how many bytes are said by one reading of the log.
const READING: u32 = 65_536;
/// Pause between two MARKs on a channel, in milliseconds.
const MARK_PAUSE_MS: u64 = 1_000;
/// Pause between two NEEDs about one chain on a channel, in milliseconds.
const NEED_PAUSE_MS: u64 = 60_000;
/// Pause between two HAVEs on a channel, and between two beginnings of our log because of them, in milliseconds.
const HAVE_PAUSE_MS: u64 = 10_000;
/// A NEED about the same chain is dropped if it comes sooner: less than the pause, because the way takes time.
const NEED_DROP_MS: u64 = 30_000;
/// Most answers that a channel waits for.
const NEEDS: usize = 64;
/// Most bodies that are asked for at once.
const BODIES: usize = 256;
/// Most wrong signatures on a channel.
const WRONG_SIGNATURES: u32 = 64;

/// One room on one link.
#[derive(Debug, Clone)]
pub(super) struct Channel {
    peer: Identity,
    /// Who of the members it is. `None`: of no member; a newcomer's, before it is one.
    member: Option<MemberNo>,
    /// The other side's log, when it has said HELLO.
    log: Option<LogId>,
    /// How far the other side is told our log.
    told: Told,
    /// It said anew what it has, while a reading was on, or too soon after the last time.
    restart: Option<Vec<Head>>,
    /// When the log was begun for it last, because it said anew what it has.
    begun_ms: Option<u64>,
    /// When we said anew what we have.
    asked_again_ms: Option<u64>,
    /// What it had when it said so; empty when it was told everything once.
    has: BTreeMap<Author, (u64, Tag)>,
    /// Positions of what came from there, behind what it was told.
    from_there: BTreeSet<u64>,
    /// Bytes of events that we may still say.
    credit: i64,
    /// Bytes of events that the other side may still say; and those that are committed and not granted again.
    allowed: i64,
    committed: u32,
    /// Events for this channel, and what of the other side's is durable here.
    pending: Vec<Arc<Event>>,
    stored: BTreeMap<Author, u64>,
    /// Everything that the other side had was told us.
    caught_up: bool,
    /// Something was put off: no cookie in this session.
    hole: bool,
    /// It will be asked for again when an act has come; and one has.
    again: bool,
    again_due: bool,
    /// How many events are being looked up, and the MARK that came meanwhile.
    looking_up: u32,
    mark: Option<LogPlace>,
    wrong_signatures: u32,
    /// The MARK that we said last, and when.
    marked: Option<(u64, u64)>,
    needs: BTreeMap<Author, Need>,
    answers: Answers,
}

/// How far the other side of a channel is told our log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    /// It has not said what it has.
    Nothing,
    /// A reading is on.
    Reading,
    /// The acts up to a number: the first thing for those who do not get the whole log. What they want comes after.
    Acts(u64, Option<u32>),
    /// What before the start decides about later events, up to a position; then the log from the start.
    Early(u64, u64),
    /// A reading of that is on.
    ReadingEarly(u64),
    /// Everything before this position.
    Before(u64),
}

/// A chain that was asked for.
#[derive(Debug, Clone, Copy)]
struct Need {
    asked_ms: u64,
    /// It is asked for again, up to this number.
    again: Option<u64>,
}

/// Chains that the other side asked for.
#[derive(Debug, Clone, Default)]
struct Answers {
    waiting: VecDeque<(Author, u64, u64)>,
    reading: bool,
    answered_ms: BTreeMap<Author, u64>,
}

impl Channel {
    fn new(peer: Identity, member: Option<MemberNo>) -> Self {
        Self {
            peer,
            member,
            log: None,
            told: Told::Nothing,
            restart: None,
            begun_ms: None,
            asked_again_ms: None,
            has: BTreeMap::new(),
            from_there: BTreeSet::new(),
            credit: 0,
            allowed: i64::from(CREDIT),
            committed: 0,
            pending: Vec::new(),
            stored: BTreeMap::new(),
            caught_up: false,
            hole: false,
            again: false,
            again_due: false,
            looking_up: 0,
            mark: None,
            wrong_signatures: 0,
            marked: None,
            needs: BTreeMap::new(),
            answers: Answers::default(),
        }
    }

    /// Whether what was put off is asked for again now: once, and not too often.
    pub(super) fn ask_again(&mut self, now_ms: u64) -> bool {
        let now = self.again_due && self.asked_again_ms.is_none_or(|at| now_ms >= at + HAVE_PAUSE_MS);
        if now {
            (self.again, self.again_due, self.asked_again_ms) = (false, false, Some(now_ms));
        }
        now
    }

    /// An act has come: what was put off may be taken now.
    pub(super) fn act_came(&mut self) {
        self.again_due |= self.again;
    }
}

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

    /// A channel is open at both sides. `member`: as whom the other side came, or was dialled. `want`: how many events we want at
    /// most, if we have none; `None`: all.
    pub fn open(&mut self, channel: ChannelId, peer: Identity, member: Option<MemberNo>, want: Option<u32>) {
        let cookie = self.cookies.get(&peer).copied();
        let has = cookie.map_or_else(|| Has::Heads(self.frontier()), Has::Upto);
        self.channels.insert(channel, Channel::new(peer, member));
        self.say(channel, Frame::Hello(Hello { log: self.log.id, has, want, credit: CREDIT }));
        let forked: Vec<_> = self.forks().map(|(author, _)| author).collect();
        for author in forked {
            self.say_fork(channel, author);
        }
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
            Frame::Reset => {
                if let Some(peer) = self.channels.get(&channel).map(|channel| channel.peer) {
                    self.forget_cookie(peer);
                    let heads = self.frontier();
                    self.say(channel, Frame::Have(heads));
                }
            }
            Frame::Have(heads) => self.heard_have(ctx, channel, heads),
            Frame::Base(heads) => self.heard_base(channel, heads, checked),
            Frame::Events(events) => self.heard_events(ctx, channel, events, checked),
            Frame::Mark(place) => self.heard_mark(ctx, channel, place),
            Frame::Stored(list) => {
                for (author, seq) in list {
                    if author.member().is_some() && author.member() == self.me() {
                        self.tell(Notice::Delivered(channel, author, seq));
                    }
                }
            }
            Frame::Fork(events) => {
                let [one, other] = [events.0, events.1].map(|event| Incoming::unchecked(Arc::new(event)));
                self.take_fork(one, other);
            }
            Frame::At(head) => self.heard_at(ctx, channel, head),
            Frame::Need(author, upto) => self.heard_need(ctx, channel, author, upto),
            Frame::Body(places) => {
                let places = places.into_iter().map(Place::from).collect();
                let not_before = self.first_for(channel);
                self.act(Effect::Read(Read::Bodies { channel, places, not_before }));
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
        open.log = Some(hello.log);
        open.credit = i64::from(hello.credit.min(CREDIT));
        let peer = open.peer;
        if self.cookies.get(&peer).is_some_and(|cookie| cookie.log != hello.log) {
            // Its log began anew: what we know of the old one is of no use.
            self.forget_cookie(peer);
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
        // Bodies that did not come with their events: somebody may have them.
        let missing: Vec<_> = self.missing.iter().take(BODIES).map(|place| (*place).into()).collect();
        if !missing.is_empty() {
            self.say(channel, Frame::Body(missing));
        }
        // Acts that contradict each other, for those who do not know.
        let proofs: Vec<_> = self.branch.proofs().cloned().collect();
        for (one, other) in proofs {
            self.say_events(channel, vec![one, other]);
        }
    }

    /// The other side claims to have our log up to a place. `own`: the last numbers of our own chains before it.
    fn check_cookie(
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
    fn delivered_heads(&mut self, channel: ChannelId, heads: &[Head]) {
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

    fn forget_cookie(&mut self, peer: Identity) {
        if self.cookies.remove(&peer).is_some() {
            self.write(Op::Cookie(peer, None));
        }
    }

    /// The other side says anew what it has: it asks for what it was told already and did not take.
    fn heard_have(&mut self, ctx: &Context<'_>, channel: ChannelId, heads: Vec<Head>) {
        self.delivered_heads(channel, &heads);
        let Some(open) = self.channels.get_mut(&channel) else { return };
        let soon = open.begun_ms.is_some_and(|at| ctx.now_ms < at + HAVE_PAUSE_MS);
        if soon || matches!(open.told, Told::Reading | Told::ReadingEarly(_)) {
            open.restart = Some(heads);
            return;
        }
        open.begun_ms = Some(ctx.now_ms);
        self.begin(channel, &heads, None);
    }

    /// Our log is told from its beginning, without what the other side has.
    fn begin(&mut self, channel: ChannelId, heads: &[Head], want: Option<u32>) {
        let not_before = self.first_for(channel);
        let acts_upto =
            heads.iter().filter(|head| head.author == Author::ACTS && self.has_act(head)).map(|head| head.seq);
        let acts_upto = acts_upto.max().unwrap_or(0);
        let Some(open) = self.channels.get_mut(&channel) else { return };
        open.has = reading::frontier(heads);
        let is_new = heads.iter().all(|head| head.author != Author::ACTS || head.seq == 0);
        let want = want.filter(|_| is_new);
        if want.is_some() || not_before > 1 {
            open.told = Told::Acts(acts_upto, want);
            self.pump(channel);
        } else {
            self.read_log(channel, 1, None);
        }
    }

    /// Whether a head is an act of our branch.
    fn has_act(&self, head: &Head) -> bool {
        self.branch.at(head.seq).is_some_and(|act| act.id().tag() == head.tag)
    }

    /// The first position that the other side of a channel may have: that of its entry less what the policy gives to newcomers.
    fn first_for(&self, channel: ChannelId) -> u64 {
        let member = self.channels.get(&channel).and_then(|open| open.member);
        let since = member.and_then(|no| Some(self.branch.roster.members.get(&no)?.since));
        let entry = since.and_then(|seq| self.branch.stored.get(&self.branch.at(seq)?.id()).copied());
        entry.map_or(1, |pos| pos.saturating_sub(self.branch.roster.policy.history).max(1))
    }

    fn read_log(&mut self, channel: ChannelId, from: u64, early: Option<u64>) {
        let filter = Arc::new(self.filter(channel));
        let Some(open) = self.channels.get_mut(&channel) else { return };
        open.told = early.map_or(Told::Reading, Told::ReadingEarly);
        let most = u32::try_from(open.credit.clamp(1, i64::from(READING))).unwrap_or(READING);
        self.act(Effect::Read(Read::Log { channel, from, early, most, filter }));
    }

    /// Tells acts, as far as the credit goes. Returns up to which number.
    fn tell_acts(&mut self, channel: ChannelId, after: u64, upto: u64) -> u64 {
        let Some(open) = self.channels.get(&channel) else { return after };
        let most = usize::try_from(open.credit.clamp(0, i64::from(READING))).unwrap_or(0);
        let (mut events, mut bytes, mut told) = (Vec::new(), 0, after);
        while told < upto.min(self.branch.len()) && bytes < most {
            told += 1;
            if let Some(act) = self.branch.at(told) {
                bytes += wire_len(&act.incoming.event);
                events.push(act.incoming.event.clone());
            }
        }
        self.say_events(channel, events);
        told
    }

    fn filter(&self, channel: ChannelId) -> Filter {
        let Some(open) = self.channels.get(&channel) else { return Filter::default() };
        let acts = self.branch.acts();
        let acts_upto = open
            .has
            .get(&Author::ACTS)
            .filter(|(seq, tag)| self.branch.at(*seq).is_some_and(|act| act.id().tag() == *tag));
        Filter {
            end: self.log.next,
            has: open.has.clone(),
            lines: self
                .chains
                .keys()
                .map(|author| (*author, self.line(*author)))
                .filter(|(_, line)| *line < u64::MAX)
                .collect(),
            members: self.branch.roster.members.keys().copied().collect(),
            branch: acts.iter().map(crate::branch::Act::id).collect(),
            decisive: acts.iter().filter(|act| act.decides()).map(crate::branch::Act::id).collect(),
            acts_upto: acts_upto.map_or(0, |(seq, _)| *seq),
            from_there: open.from_there.clone(),
        }
    }

    /// What was looked up in the log.
    pub fn report(&mut self, ctx: &mut Context<'_>, report: Report) {
        match report {
            Report::Begin { channel, start } => {
                if let Some(open) = self.channels.get_mut(&channel) {
                    open.told = Told::Early(1, start);
                }
                self.pump(channel);
            }
            Report::Log { channel, next, bytes } => {
                if let Some(open) = self.channels.get_mut(&channel) {
                    open.credit -= i64::try_from(bytes).unwrap_or(i64::MAX);
                    open.told = match open.told {
                        Told::ReadingEarly(start) if next < start => Told::Early(next, start),
                        _ => Told::Before(next),
                    };
                    if let Told::Before(next) = open.told {
                        open.from_there = open.from_there.split_off(&next);
                    }
                }
                self.pump(channel);
            }
            Report::Chain { channel, next, bytes } => {
                if let Some(open) = self.channels.get_mut(&channel) {
                    open.credit -= i64::try_from(bytes).unwrap_or(i64::MAX);
                    open.answers.reading = false;
                    match (next, open.answers.waiting.front_mut()) {
                        (Some(next), Some((_, from, _))) => *from = next,
                        _ => drop(open.answers.waiting.pop_front()),
                    }
                }
                self.answer_needs(channel);
            }
            Report::Bodies { channel, bytes } => {
                if let Some(open) = self.channels.get_mut(&channel) {
                    open.credit -= i64::try_from(bytes).unwrap_or(i64::MAX);
                }
            }
            Report::Find { ticket, found } => self.found(ctx, ticket, found),
            Report::Digest { ticket, digest, chains } => {
                if let Some(Question::Cookie(place, channel)) = self.questions.remove(&ticket) {
                    self.check_cookie(channel, place, digest, chains);
                }
            }
            Report::Own { author, texts } => self.say_again(ctx, author, texts),
        }
        self.drain(ctx);
    }

    fn found(&mut self, ctx: &mut Context<'_>, ticket: u64, found: Option<(u64, Arc<Event>)>) {
        match self.questions.remove(&ticket) {
            Some(Question::IsItOurs(mut incoming, channel)) => {
                let signed = |incoming: &mut Incoming| {
                    let member = self.branch.roster.member(incoming.event.header().author);
                    member.is_some_and(|member| incoming.is_signed_by(&member.key))
                };
                match found {
                    Some((pos, ours)) if ours.id() == incoming.event.id() => {
                        self.came_back(Some(pos), Some(channel));
                        self.note_stored(&incoming.event, Some(channel));
                    }
                    Some((_, ours)) if signed(&mut incoming) => {
                        self.two_at_one_place(ctx, &Incoming::unchecked(ours), &incoming, Some(channel));
                    }
                    _ => self.put_off(Some(channel), true),
                }
                if let Some(open) = self.channels.get_mut(&channel) {
                    open.looking_up -= 1;
                    if open.looking_up == 0
                        && let Some(place) = open.mark.take()
                    {
                        self.keep_cookie(channel, place);
                    }
                }
            }
            Some(Question::At(head, channel)) => {
                if let Some((_, ours)) = found {
                    self.compare(ctx, channel, head, &ours);
                }
            }
            Some(Question::SayAt(channel)) => {
                if let Some((_, ours)) = found {
                    self.say(channel, Frame::At(ours.head()));
                }
            }
            Some(Question::Cookie(..)) | None => {}
        }
    }

    fn heard_base(&mut self, channel: ChannelId, heads: Vec<Event>, checked: &[Option<MemberKey>]) {
        // A chain begins where somebody says only until that one has told everything, and never for the room's maker, who has had
        // everything from the first event on.
        let late = self.channels.get(&channel).is_none_or(|open| open.caught_up);
        if late || self.me() == Some(MemberNo::MAKER) {
            return;
        }
        for (n, head) in heads.into_iter().enumerate() {
            let header = *head.header();
            let mut incoming = Incoming { event: Arc::new(head), checked: checked.get(n).copied().flatten() };
            let Some(member) = self.branch.roster.member(header.author) else { continue };
            if self.chains.contains_key(&header.author) || header.seq > self.line(header.author) {
                continue;
            }
            if !incoming.is_signed_by(&member.key) {
                self.refuse(Some(channel), crate::outcome::Refusal::Signature);
                continue;
            }
            let id = incoming.event.id();
            let chain = Chain { head: header.seq, id, floor: header.seq, ..Chain::new(id) };
            self.chains.insert(header.author, chain);
            self.write(Op::Floor(incoming.event.clone()));
            self.write(Op::Chain(header.author, ChainRow { head: header.seq, id, floor: header.seq }));
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
        let bytes: usize = events.iter().map(wire_len).sum();
        if let Some(open) = self.channels.get_mut(&channel) {
            let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
            open.allowed -= i64::from(bytes);
            open.committed = open.committed.saturating_add(bytes);
            if open.allowed < -i64::from(CREDIT) {
                return self.act(Effect::EndLink(channel));
            }
        }
        for (n, event) in events.into_iter().enumerate() {
            let checked = checked.get(n).copied().flatten();
            self.queue.push_back((Incoming { event: Arc::new(event), checked }, Some(channel)));
            self.drain(ctx);
        }
    }

    fn heard_mark(&mut self, ctx: &mut Context<'_>, channel: ChannelId, place: LogPlace) {
        let Some(open) = self.channels.get_mut(&channel) else { return };
        let first = !std::mem::replace(&mut open.caught_up, true);
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

    fn keep_cookie(&mut self, channel: ChannelId, place: LogPlace) {
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

    /// An event of the other side is looked up before it is known whether we have it.
    pub(super) fn looking_up(&mut self, channel: ChannelId) {
        if let Some(open) = self.channels.get_mut(&channel) {
            open.looking_up += 1;
        }
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
        let Place { author, seq } = place(event);
        if author.member().is_some() && author.member() == open.member {
            let upto = open.stored.entry(author).or_default();
            *upto = seq.max(*upto);
        }
    }

    /// An event is new in our log: it goes to all who were told everything before it.
    pub(super) fn pass_on(&mut self, pos: u64, event: &Arc<Event>, from: Option<ChannelId>) {
        for (id, open) in &mut self.channels {
            if Some(*id) == from {
                open.from_there.insert(pos);
            }
            if open.told != Told::Before(pos) || open.credit <= 0 {
                continue;
            }
            open.told = Told::Before(pos + 1);
            if open.from_there.remove(&pos) {
                continue;
            }
            open.credit -= i64::try_from(wire_len(event)).unwrap_or(i64::MAX);
            open.pending.push(event.clone());
        }
    }

    /// Goes on telling our log on a channel.
    fn pump(&mut self, channel: ChannelId) {
        let (end, acts) = (self.log.next, self.branch.len());
        let Some(open) = self.channels.get_mut(&channel) else { return };
        let may = open.credit > 0;
        match open.told {
            // Everything was told once: what it had is no use any more.
            Told::Before(next) if next == end => open.has.clear(),
            Told::Before(next) if may => self.read_log(channel, next, None),
            Told::Early(from, start) if may => self.read_log(channel, from, Some(start)),
            Told::Acts(after, want) if may => {
                let told = self.tell_acts(channel, after, acts);
                let head = Head { author: Author::ACTS, seq: told, tag: self.tag_of_act(told) };
                let (not_before, done) = (self.first_for(channel), told == acts);
                let Some(open) = self.channels.get_mut(&channel) else { return };
                open.told = if done { Told::Reading } else { Told::Acts(told, want) };
                // They are not told again with the log.
                open.has.insert(head.author, (head.seq, head.tag));
                if done {
                    let filter = Arc::new(self.filter(channel));
                    self.act(Effect::Read(Read::Begin { channel, want, not_before, filter }));
                }
            }
            _ => {}
        }
        self.answer_needs(channel);
    }

    fn tag_of_act(&self, seq: u64) -> Tag {
        self.branch.at(seq).map_or(Tag::NONE, |act| act.id().tag())
    }

    /// Says events that are no part of the log's telling.
    pub(super) fn say_events(&mut self, channel: ChannelId, events: Vec<Arc<Event>>) {
        let bytes: usize = events.iter().map(|event| wire_len(event)).sum();
        if let Some(open) = self.channels.get_mut(&channel) {
            open.credit -= i64::try_from(bytes).unwrap_or(i64::MAX);
        }
        for frame in pack(events) {
            self.say(channel, frame);
        }
    }

    /// Asks the other side for a chain up to a number: it has another history, or what is between is missing.
    pub(super) fn need(&mut self, ctx: &mut Context<'_>, from: Option<ChannelId>, author: Author, upto: u64) {
        let Some(channel) = from.filter(|_| upto > 0) else { return };
        let Some(open) = self.channels.get_mut(&channel) else { return };
        let full = open.needs.len() >= NEEDS;
        match open.needs.get_mut(&author) {
            Some(need) if ctx.now_ms < need.asked_ms + NEED_PAUSE_MS => {
                need.again = Some(need.again.unwrap_or(0).max(upto));
            }
            None if full => {}
            _ => {
                open.needs.insert(author, Need { asked_ms: ctx.now_ms, again: None });
                self.say(channel, Frame::Need(author, upto));
            }
        }
    }

    fn heard_need(&mut self, ctx: &Context<'_>, channel: ChannelId, author: Author, upto: u64) {
        let known = author == Author::ACTS || self.chains.contains_key(&author);
        let Some(open) = self.channels.get_mut(&channel) else { return };
        let answers = &mut open.answers;
        let soon = answers.answered_ms.get(&author).is_some_and(|at| ctx.now_ms < at + NEED_DROP_MS);
        if soon || answers.waiting.len() >= NEEDS || !known {
            return;
        }
        if answers.answered_ms.len() >= NEEDS {
            answers.answered_ms.retain(|_, at| ctx.now_ms < *at + NEED_DROP_MS);
        }
        answers.answered_ms.insert(author, ctx.now_ms);
        answers.waiting.push_back((author, 1, upto));
        self.answer_needs(channel);
    }

    fn answer_needs(&mut self, channel: ChannelId) {
        let not_before = self.first_for(channel);
        let Some(open) = self.channels.get_mut(&channel) else { return };
        if open.answers.reading || open.credit <= 0 {
            return;
        }
        let Some((author, from, upto)) = open.answers.waiting.front().copied() else { return };
        if author != Author::ACTS {
            open.answers.reading = true;
            self.act(Effect::Read(Read::Chain { channel, author, from, upto, not_before, most: READING }));
            return;
        }
        let upto = upto.min(self.branch.len());
        let told = self.tell_acts(channel, from - 1, upto);
        let Some(open) = self.channels.get_mut(&channel) else { return };
        match open.answers.waiting.front_mut() {
            Some((_, from, _)) if told < upto => *from = told + 1,
            _ => {
                open.answers.waiting.pop_front();
                self.answer_needs(channel);
            }
        }
    }

    /// Asks all others for the body of an event that came without it.
    pub(super) fn ask_for_body(&mut self, place: Place, from: Option<ChannelId>) {
        for channel in self.channels.keys().copied().filter(|id| Some(*id) != from).collect::<Vec<_>>() {
            self.say(channel, Frame::Body(vec![place.into()]));
        }
    }

    /// Ends a turn: says what gathered during it, once for each channel. After the commit, like everything.
    pub fn flush(&mut self, ctx: &mut Context<'_>) {
        for id in self.channels.keys().copied().collect::<Vec<_>>() {
            self.begin_again(ctx, id);
            self.pump(id);
            let Some(open) = self.channels.get_mut(&id) else { continue };
            let events = std::mem::take(&mut open.pending);
            let stored = std::mem::take(&mut open.stored);
            let grant = if open.committed >= GRANT_FROM { std::mem::take(&mut open.committed) } else { 0 };
            open.allowed += i64::from(grant);
            let due = open.needs.iter_mut().filter(|(_, need)| ctx.now_ms >= need.asked_ms + NEED_PAUSE_MS);
            let needs: Vec<_> = due
                .filter_map(|(author, need)| {
                    let upto = need.again.take()?;
                    need.asked_ms = ctx.now_ms;
                    Some((*author, upto))
                })
                .collect();
            let next = self.log.next;
            let mark = open.told == Told::Before(next)
                && open.marked.is_none_or(|(said, at)| said != next && ctx.now_ms >= at + MARK_PAUSE_MS);
            if mark {
                open.marked = Some((next, ctx.now_ms));
            }
            for frame in pack(events) {
                self.say(id, frame);
            }
            if !stored.is_empty() {
                self.say(id, Frame::Stored(stored.into_iter().collect()));
            }
            if grant > 0 {
                self.say(id, Frame::Credit(grant));
            }
            for (author, upto) in needs {
                self.say(id, Frame::Need(author, upto));
            }
            if mark {
                self.say(id, Frame::Mark(LogPlace { next, digest: self.log.digest }));
            }
        }
    }

    /// What waited for its time about what is told anew.
    fn begin_again(&mut self, ctx: &Context<'_>, channel: ChannelId) {
        let Some(open) = self.channels.get_mut(&channel) else { return };
        let due = open.begun_ms.is_none_or(|at| ctx.now_ms >= at + HAVE_PAUSE_MS);
        let busy = matches!(open.told, Told::Reading | Told::ReadingEarly(_));
        let again = open.ask_again(ctx.now_ms);
        if due
            && !busy
            && let Some(heads) = open.restart.take()
        {
            open.begun_ms = Some(ctx.now_ms);
            self.begin(channel, &heads, None);
        }
        if again {
            let heads = self.frontier();
            self.say(channel, Frame::Have(heads));
        }
    }

    /// When [`Replica::flush`] has something to say although nothing happened, in milliseconds; `None`: not before something
    /// happens.
    #[must_use]
    pub fn due_ms(&self) -> Option<u64> {
        let of = |open: &Channel| {
            let mark = match open.marked {
                Some((said, at)) if open.told == Told::Before(self.log.next) && said != self.log.next => {
                    Some(at + MARK_PAUSE_MS)
                }
                _ => None,
            };
            let asked =
                open.needs.values().filter(|need| need.again.is_some()).map(|need| need.asked_ms + NEED_PAUSE_MS);
            let busy = matches!(open.told, Told::Reading | Told::ReadingEarly(_));
            let restart = open.restart.as_ref().filter(|_| !busy).and(open.begun_ms).map(|at| at + HAVE_PAUSE_MS);
            let again = open.asked_again_ms.filter(|_| open.again_due).map(|at| at + HAVE_PAUSE_MS);
            mark.into_iter().chain(asked).chain(restart).chain(again).min()
        };
        self.channels.values().filter_map(of).min()
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
