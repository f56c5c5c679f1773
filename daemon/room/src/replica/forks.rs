//! Two histories of one chain: the proof, and what it costs. A fork costs the chain, not the member.

use super::{EARLY, EARLY_OF_ONE, Question, Replica};
use crate::chain::Chain;
use crate::key::Incoming;
use crate::outcome::{ChannelId, Context, Effect, Notice, Op, Refusal};
use crate::reading::Read;
use std::sync::Arc;
use torchat_protocol::room::body::Place;
use torchat_protocol::room::{Author, Event, Frame, Head};

impl Replica {
    /// Another event than ours is signed for one place. If both follow the same event, that is the proof; if not, the
    /// difference is before, and is asked for.
    pub(super) fn two_at_one_place(
        &mut self,
        ctx: &mut Context<'_>,
        ours: &Incoming,
        theirs: &Incoming,
        from: Option<ChannelId>,
    ) {
        let header = theirs.event.header();
        if header.seq > self.line(header.author) {
            return;
        }
        if ours.event.header().prev == header.prev {
            self.take_fork(ours.clone(), theirs.clone(), from);
        } else {
            self.need(ctx, from, header.author, header.seq - 1);
        }
    }

    /// Two events that may prove that a chain has two histories.
    pub(super) fn take_fork(&mut self, mut one: Incoming, mut other: Incoming, from: Option<ChannelId>) {
        let (a, b) = (*one.event.header(), *other.event.header());
        let author = a.author;
        let proves = author == b.author && a.seq == b.seq && a.prev == b.prev && one.event.id() != other.event.id();
        let known = self.chains.get(&author).map_or(u64::MAX, Chain::fork_line);
        if !proves || author == Author::ACTS || known < a.seq {
            return;
        }
        let Some(member) = self.branch.roster.member(author) else {
            return self.keep_early(one, other, from);
        };
        if !one.is_signed_by(&member.key) || !other.is_signed_by(&member.key) {
            return self.refuse(from, Refusal::Signature);
        }
        let (first, second) = if one.event.id() < other.event.id() { (one, other) } else { (other, one) };
        let proof = Box::new((first.event.stripped(), second.event.stripped()));
        let (room, key) = (self.room.as_event(), member.key.bytes());
        self.chains.entry(author).or_insert_with(|| Chain::new(room, key)).fork = Some(proof.clone());
        self.write_chain(author);
        self.write(Op::Fork(author, proof));
        self.tell(Notice::Forked(author));
        self.restand(author.member());
        if author.member() == self.own.no() {
            self.begin_chain_above(author);
            // What the fork voids of ours is said again, once. Not from memory: most of it is only on the disk.
            self.write(Op::Review(author, Some(a.seq)));
            self.act(Effect::Read(Read::Own { author, from: a.seq }));
        }
        let decides = self.fork_decides(author);
        let told = self.channels.iter().filter(|(_, open)| decides && open.untold.is_none()).map(|(id, _)| *id);
        for channel in told.collect::<Vec<_>>() {
            self.say_fork(channel, author);
        }
    }

    /// Keeps a proof about somebody who is no member as far as we know. A few of each channel, so that nobody's junk takes the
    /// places of others' proofs.
    fn keep_early(&mut self, one: Incoming, other: Incoming, from: Option<ChannelId>) {
        let of_one = self.early.iter().filter(|(_, _, channel)| *channel == from).count();
        if of_one >= EARLY_OF_ONE
            && let Some(oldest) = self.early.iter().position(|(_, _, channel)| *channel == from)
        {
            self.early.remove(oldest);
        }
        if self.early.len() < EARLY {
            self.early.push((one, other, from));
        }
    }

    /// Proofs about people who are members now.
    pub(super) fn take_early_forks(&mut self) {
        for (one, other, from) in std::mem::take(&mut self.early) {
            self.take_fork(one, other, from);
        }
    }

    /// Whether less counts of a chain because it is forked. What a member was cut for it need not be told of: who may have forked
    /// hundreds of chains would cost each channel as many frames, for ever.
    pub(super) fn fork_decides(&self, author: Author) -> bool {
        self.chains.get(&author).is_some_and(|chain| chain.fork_line() < self.branch.roster.cut(author))
    }

    /// Tells one side of a channel of a fork, and with which event our chain counts last.
    pub(super) fn say_fork(&mut self, channel: ChannelId, author: Author) {
        let Some(chain) = self.chains.get(&author) else { return };
        let Some(fork) = chain.fork.clone() else { return };
        let last = Place { author, seq: chain.fork_line() };
        self.say(channel, Frame::Fork(fork));
        if last.seq == 0 || last.seq <= self.end(author).2 {
            return;
        }
        // Another event there means an earlier fork. Both sides say what they have; who differs asks.
        match self.recent.get(last).map(|(_, event)| event.head()) {
            Some(head) => self.say(channel, Frame::At(head)),
            None => {
                let ticket = self.ask(Question::SayAt(channel));
                self.act(Effect::Read(Read::Find { ticket, place: last }));
            }
        }
    }

    /// The other side has this event at the end of what counts of a forked chain.
    pub(super) fn heard_at(&mut self, ctx: &mut Context<'_>, channel: ChannelId, head: Head) {
        let place = Place { author: head.author, seq: head.seq };
        if head.author == Author::ACTS || head.seq > self.end(head.author).0 || head.seq <= self.end(head.author).2 {
            return;
        }
        match self.recent.get(place).map(|(_, event)| event.clone()) {
            Some(ours) => self.compare(ctx, channel, head, &ours),
            None if self.looks_up(channel) => {
                let ticket = self.ask(Question::At(head, channel));
                self.act(Effect::Read(Read::Find { ticket, place }));
            }
            None => {}
        }
    }

    pub(super) fn compare(&mut self, ctx: &mut Context<'_>, channel: ChannelId, theirs: Head, ours: &Arc<Event>) {
        if ours.id().tag() != theirs.tag {
            self.need(ctx, Some(channel), theirs.author, theirs.seq);
        }
    }
}
