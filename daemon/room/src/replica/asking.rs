//! Questions: to the other side of a channel, and to our own disk; and their answers.

use super::channel::{BODIES, LOOKS, NEED_DROP_MS, NEED_PAUSE_MS, NEEDS, Need, READING, Told};
use super::{Question, Replica};
use crate::key::Incoming;
use crate::outcome::{ChannelId, Context, Effect, Refusal};
use crate::reading::{Read, Report};
use std::sync::Arc;
use torchat_protocol::room::body::Place;
use torchat_protocol::room::{Author, Event, Frame};

impl Replica {
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
            Report::Bodies { channel, mut left, bytes } => {
                if let Some(open) = self.channels.get_mut(&channel) {
                    open.credit -= i64::try_from(bytes).unwrap_or(i64::MAX);
                    open.answers.reading = false;
                    left.append(&mut open.answers.bodies);
                    open.answers.bodies = left;
                }
                self.answer_needs(channel);
            }
            Report::Find { ticket, found } => self.found(ctx, ticket, found),
            Report::Digest { ticket, digest, chains } => {
                if let Some(Question::Cookie(place, channel)) = self.questions.remove(&ticket) {
                    self.check_cookie(channel, place, digest, chains);
                }
            }
            Report::Own { author, texts } => self.say_again(ctx, author, texts),
            Report::Missing { places } => {
                for place in places {
                    if self.missing.len() < super::MISSING && self.missing.insert(place) {
                        self.ask_for_body(place, None);
                    }
                }
            }
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
                        self.had(&incoming, Some(pos), Some(channel));
                    }
                    Some((_, ours)) if signed(&mut incoming) => {
                        self.two_at_one_place(ctx, &Incoming::unchecked(ours), &incoming, Some(channel));
                    }
                    _ => {
                        self.put_off(Some(channel), true);
                        self.refuse(Some(channel), Refusal::Signature);
                    }
                }
                self.looked_up(channel);
            }
            Some(Question::At(head, channel)) => {
                if let Some((_, ours)) = found {
                    self.compare(ctx, channel, head, &ours);
                }
                self.looked_up(channel);
            }
            Some(Question::SayAt(channel)) => {
                if let Some((_, ours)) = found {
                    self.say(channel, Frame::At(ours.head()));
                }
            }
            Some(Question::Cookie(..)) | None => {}
        }
    }

    /// What was asked for cannot be looked up. Returns the channel that the question was for, which must end.
    pub fn unread(&mut self, ticket: u64) -> Option<ChannelId> {
        match self.questions.remove(&ticket)? {
            Question::IsItOurs(_, channel)
            | Question::At(_, channel)
            | Question::SayAt(channel)
            | Question::Cookie(_, channel) => Some(channel),
        }
    }

    /// A look at the disk for a channel is over.
    fn looked_up(&mut self, channel: ChannelId) {
        let Some(open) = self.channels.get_mut(&channel) else { return };
        open.looking_up -= 1;
        if open.looking_up == 0
            && let Some(place) = open.mark.take()
        {
            self.keep_cookie(channel, place);
        }
    }

    /// An event of the other side is to be looked up before it is known whether we have it. False: too many are.
    pub(super) fn looks_up(&mut self, channel: ChannelId) -> bool {
        let Some(open) = self.channels.get_mut(&channel).filter(|open| open.looking_up < LOOKS) else { return false };
        open.looking_up += 1;
        true
    }

    /// Asks the other side for a chain up to a number: it has another history, or what is between is missing.
    pub(super) fn need(&mut self, ctx: &mut Context<'_>, from: Option<ChannelId>, author: Author, upto: u64) {
        let Some(channel) = from.filter(|_| upto > 0) else { return };
        let Some(open) = self.channels.get_mut(&channel) else { return };
        if open.needs.len() >= NEEDS {
            // Those whose time is over are no use but to pace the next question about the same chain.
            open.needs.retain(|_, need| need.again.is_some() || ctx.now_ms < need.asked_ms + NEED_PAUSE_MS);
        }
        // The acts are asked for in any case: without them nothing else can be judged.
        let full = open.needs.len() >= NEEDS && author != Author::ACTS;
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

    pub(super) fn heard_need(&mut self, ctx: &Context<'_>, channel: ChannelId, author: Author, upto: u64) {
        let known = author == Author::ACTS || self.chains.contains_key(&author);
        let Some(open) = self.channels.get_mut(&channel).filter(|open| open.untold.is_none()) else { return };
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

    /// Tells a channel a chain of ours from a number on once more: the other side did not take it then.
    pub fn tell_chain(&mut self, channel: ChannelId, author: Author, from: u64) {
        let line = self.line(author);
        if let Some(open) = self.channels.get_mut(&channel).filter(|open| open.answers.waiting.len() < NEEDS) {
            open.answers.waiting.push_back((author, from, line));
            self.answer_needs(channel);
        }
    }

    pub(super) fn answer_needs(&mut self, channel: ChannelId) {
        let not_before = self.first_for(channel);
        let Some(open) = self.channels.get_mut(&channel) else { return };
        if open.answers.reading || open.credit <= 0 {
            return;
        }
        if !open.answers.bodies.is_empty() {
            open.answers.reading = true;
            let places = std::mem::take(&mut open.answers.bodies);
            self.act(Effect::Read(Read::Bodies { channel, places, not_before, most: READING }));
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

    /// Asks the other side for bodies that are missing, a part each time.
    pub(super) fn ask_for_bodies(&mut self, channel: ChannelId) {
        let after = self.asked_upto.map_or(std::ops::Bound::Unbounded, std::ops::Bound::Excluded);
        let mut part: Vec<Place> =
            self.missing.range((after, std::ops::Bound::Unbounded)).take(BODIES).copied().collect();
        if part.is_empty() {
            part = self.missing.iter().take(BODIES).copied().collect();
        }
        self.asked_upto = part.last().copied();
        if !part.is_empty() {
            self.say(channel, Frame::Body(part.into_iter().map(Into::into).collect()));
        }
    }

    /// The other side asks for bodies: so many in a minute.
    pub(super) fn heard_body(&mut self, ctx: &Context<'_>, channel: ChannelId, places: impl Iterator<Item = Place>) {
        let Some(open) = self.channels.get_mut(&channel) else { return };
        let answers = &mut open.answers;
        if ctx.now_ms >= answers.bodies_ms + NEED_PAUSE_MS {
            (answers.bodies_ms, answers.bodies_asked) = (ctx.now_ms, 0);
        }
        let places: Vec<_> = places.take(BODIES - answers.bodies_asked).collect();
        answers.bodies_asked += places.len();
        answers.bodies.extend(places);
        self.answer_needs(channel);
    }

    /// Asks all others for the body of an event that came without it.
    pub(super) fn ask_for_body(&mut self, place: Place, from: Option<ChannelId>) {
        let asked = self.channels.iter().filter(|(id, open)| Some(**id) != from && open.untold.is_none());
        for channel in asked.map(|(id, _)| *id).collect::<Vec<_>>() {
            self.say(channel, Frame::Body(vec![place.into()]));
        }
    }
}
