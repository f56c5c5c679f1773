//! Our log, told to another replica: from where, without what, how fast. ROOM-PROTOCOL.md, "Synchronising" and "Floors".

use super::Replica;
use super::channel::{Channel, GRANT_FROM, HAVE_PAUSE_MS, MARK_PAUSE_MS, NEED_PAUSE_MS, READING, Told};
use crate::outcome::{ChannelId, Context, Effect};
use crate::reading::{self, Filter, Read, pack};
use std::sync::Arc;
use torchat_protocol::room::{Author, Event, Frame, Head, LogPlace, Tag};

impl Replica {
    /// The other side says anew what it has: it asks for what it was told already and did not take.
    pub(super) fn heard_have(&mut self, ctx: &Context<'_>, channel: ChannelId, heads: Vec<Head>) {
        self.delivered_heads(channel, &heads);
        let Some(open) = self.channels.get_mut(&channel) else { return };
        if open.untold.is_some() {
            return;
        }
        let soon = open.begun_ms.is_some_and(|at| ctx.now_ms < at + HAVE_PAUSE_MS);
        if soon || matches!(open.told, Told::Reading | Told::ReadingEarly(_)) {
            open.restart = Some(heads);
            return;
        }
        open.begun_ms = Some(ctx.now_ms);
        self.begin(channel, &heads, None);
    }

    /// Our log is told from its beginning, without what the other side has.
    pub(super) fn begin(&mut self, channel: ChannelId, heads: &[Head], want: Option<u32>) {
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
    pub(super) fn first_for(&self, channel: ChannelId) -> u64 {
        let Some(open) = self.channels.get(&channel).filter(|open| open.untold.is_none()) else { return u64::MAX };
        let since = open.member.and_then(|no| Some(self.branch.roster.members.get(&no)?.since));
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
    pub(super) fn tell_acts(&mut self, channel: ChannelId, after: u64, upto: u64) -> u64 {
        let Some(open) = self.channels.get(&channel) else { return after };
        let most = usize::try_from(open.credit.clamp(0, i64::from(READING))).unwrap_or(0);
        let (mut events, mut bytes, mut told) = (Vec::new(), 0, after);
        while told < upto.min(self.branch.len()) && bytes < most {
            told += 1;
            if let Some(act) = self.branch.at(told) {
                bytes += Frame::event_len(&act.incoming.event);
                events.push(act.incoming.event.clone());
            }
        }
        self.say_events(channel, events);
        told
    }

    pub(super) fn filter(&self, channel: ChannelId) -> Filter {
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
            open.credit -= i64::try_from(Frame::event_len(event)).unwrap_or(i64::MAX);
            open.pending.push(event.clone());
        }
    }

    /// Goes on telling our log on a channel.
    pub(super) fn pump(&mut self, channel: ChannelId) {
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
        let bytes: usize = events.iter().map(|event| Frame::event_len(event)).sum();
        if let Some(open) = self.channels.get_mut(&channel) {
            open.credit -= i64::try_from(bytes).unwrap_or(i64::MAX);
        }
        for frame in pack(events) {
            self.say(channel, frame);
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
            let first = mark && open.marked.is_none();
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
            if first {
                // Behind the log: who signed them, the acts say.
                self.say_act_fork(id);
            }
        }
    }

    /// What waited for its time about what is told anew.
    fn begin_again(&mut self, ctx: &Context<'_>, channel: ChannelId) {
        let Some(open) = self.channels.get_mut(&channel) else { return };
        let due = open.begun_ms.is_none_or(|at| ctx.now_ms >= at + HAVE_PAUSE_MS);
        let busy = matches!(open.told, Told::Reading | Told::ReadingEarly(_));
        // A newcomer asks for nothing again before it was told everything once: what it has until then is no frontier.
        // And who is told nothing hears nothing of what we have.
        let again = !self.fresh && open.untold.is_none() && open.ask_again(ctx.now_ms);
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

    /// Whether both sides of a channel have told each other everything, and nothing of it waits here.
    #[must_use]
    pub fn is_quiet(&self, channel: ChannelId) -> bool {
        self.channels.get(&channel).is_some_and(|open| open.caught_up && open.rests(self.log.next))
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
            let asks = open.again_due && !self.fresh && open.untold.is_none();
            let again = open.asked_again_ms.filter(|_| asks).map(|at| at + HAVE_PAUSE_MS);
            mark.into_iter().chain(asked).chain(restart).chain(again).min()
        };
        self.channels.values().filter_map(of).min()
    }
}
