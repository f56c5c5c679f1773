//! Acts that come: the branch goes on, an act is kept apart, or another branch holds.

use super::Replica;
use crate::branch::{ACTS, Act, Better};
use crate::chain::Chain;
use crate::key::Incoming;
use crate::outcome::{ChannelId, Context, Notice, Op, Refusal};
use crate::standing::Standing;
use std::collections::BTreeSet;
use std::sync::Arc;
use torchat_protocol::room::body::{Body, Role};
use torchat_protocol::room::{Author, Event, MemberNo};

impl Replica {
    pub(super) fn take_act(&mut self, ctx: &mut Context<'_>, incoming: Incoming, from: Option<ChannelId>) {
        let mut act = Act::new(incoming);
        let (seq, id) = (act.header().seq, act.id());
        if self.branch.seq_of(id).is_some() {
            let pos = self.branch.stored.get(&id).copied();
            self.came_back(pos, from);
            return;
        }
        // Acts behind the last number never hold, and as rivals they would make a branch longer than any may be.
        if self.branch.is_rival(id) || (seq < 2 && self.branch.len() > 0) || seq > ACTS {
            return;
        }
        if act.incoming.event.body().is_none() {
            // It would be an act that changes nothing, and for those who have the body it is another one.
            self.put_off(from, true);
            return self.refuse(from, Refusal::NoBody);
        }
        if self.branch.continues(&mut act) {
            self.apply(ctx, act, from);
            return self.advance(ctx, from);
        }
        if self.branch.len() == 0 {
            // Whose it is, only the acts before it can say.
            return self.put_off(from, true);
        }
        if !self.branch.could_be_by_an_owner(&mut act) {
            // The acts between may name the owner that signed it.
            self.put_off(from, true);
            self.refuse(from, Refusal::Signature);
            if seq > self.branch.len() + 1 {
                self.need(ctx, from, Author::ACTS, seq - 1);
            }
            return;
        }
        if let Some(proof) = self.branch.proves_fork(&act) {
            self.two_acts(proof);
        }
        if let Some(before) = self.branch.broken_before(&act) {
            self.put_off(from, false);
            self.need(ctx, from, Author::ACTS, before);
        }
        self.write(Op::Rival(act.incoming.event.clone()));
        for gone in self.branch.keep_apart(act) {
            self.write(Op::DropRival(gone));
        }
        self.advance(ctx, from);
    }

    /// The owner's key signed two acts with one number: all are told who were told our log. The others are behind it.
    fn two_acts(&mut self, (one, other): (Arc<Event>, Arc<Event>)) {
        self.write(Op::ActFork(one, other));
        let told: Vec<_> = self.channels.iter().filter(|(_, open)| open.marked.is_some()).map(|(id, _)| *id).collect();
        for channel in told {
            self.say_act_fork(channel);
        }
    }

    /// Tells the other side of a channel the first two acts that contradict each other, if they freeze ours: the acts themselves,
    /// because one without its body is none, and FORK has only headers.
    pub(super) fn say_act_fork(&mut self, channel: ChannelId) {
        if let Some((one, other)) = self.branch.freezing_proof().cloned() {
            self.say_events(channel, vec![one, other]);
        }
    }

    /// Goes on until no act fits and no other branch is better.
    fn advance(&mut self, ctx: &mut Context<'_>, from: Option<ChannelId>) {
        loop {
            let frozen = self.branch.is_frozen();
            if frozen != self.frozen {
                self.frozen = frozen;
                self.tell(if frozen { Notice::Frozen } else { Notice::Settled });
            }
            if let Some(act) = self.branch.take_next() {
                self.apply(ctx, act, from);
            } else if let Some(better) = self.branch.better() {
                self.switch(ctx, &better);
            } else {
                self.handed_twice = self.branch.is_handed_twice();
                return;
            }
        }
    }

    /// The branch goes on with an act.
    fn apply(&mut self, ctx: &mut Context<'_>, act: Act, from: Option<ChannelId>) {
        let touched = self.append_act(act, from);
        // Events that lay here of somebody who was no member begin to count: they were left out for others.
        let lay_here = touched.1.iter().any(|member| self.chains.range(member.chains()).next().is_some());
        if lay_here {
            self.discard_others();
        }
        self.restand(touched.0);
        if lay_here {
            self.restate(ctx);
        }
        self.after_acts(ctx);
    }

    /// An act stands on the branch. Returns those whom it concerns, and those whom it adds.
    fn append_act(&mut self, act: Act, from: Option<ChannelId>) -> (BTreeSet<MemberNo>, Vec<MemberNo>) {
        let event = act.incoming.event.clone();
        let (touched, added) = self.concerned(&act);
        let is_ours = self.owns() && !self.fresh;
        self.branch.push(act);
        if is_ours && from.is_some() {
            self.tell(Notice::OwnAct(self.branch.len()));
        }
        // Two that came before the act on which both stand.
        for rival in self.branch.beside_last() {
            if let Some(proof) = self.branch.proves_fork(&rival) {
                self.two_acts(proof);
            }
        }
        if !self.branch.stored.contains_key(&event.id()) {
            let pos = self.store(&event, from, Standing::As(Role::Owner));
            self.branch.stored.insert(event.id(), pos);
        }
        self.write(Op::Act { seq: self.branch.len(), id: event.id() });
        (touched, added)
    }

    /// Whether we own the room, by the acts that hold.
    fn owns(&self) -> bool {
        self.own.no() == Some(self.branch.roster.owner)
    }

    fn concerned(&self, act: &Act) -> (BTreeSet<MemberNo>, Vec<MemberNo>) {
        match &act.body {
            Some(Body::Roster(roster)) => {
                // A number that was given before is passed over: channels that begin anew because of it would do so for ever
                // where somebody is told the whole log.
                let new = |no: &MemberNo| !self.branch.roster.members.contains_key(no);
                let added: Vec<_> = roster.add.iter().map(|entry| entry.no).filter(new).collect();
                let changed = roster.cut.iter().map(|cut| cut.no).chain(roster.role.iter().map(|role| role.no));
                (changed.chain(added.iter().copied()).collect(), added)
            }
            Some(Body::Handover(handover)) => ([self.branch.roster.owner, handover.to].into(), Vec::new()),
            _ => (BTreeSet::new(), Vec::new()),
        }
    }

    /// Another branch holds from now on.
    fn switch(&mut self, ctx: &mut Context<'_>, better: &Better) {
        let owned = self.owns();
        let path: Vec<Act> = better.path.iter().filter_map(|id| self.branch.take_rival(*id)).collect();
        self.write(Op::CutBranch(better.fork + 1));
        self.branch.cut(better.fork);
        for act in path {
            self.append_act(act, None);
        }
        self.tell(Notice::OtherBranch { ours: owned && self.owns() });
        self.discard_others();
        self.restand(self.branch.roster.members.keys().copied().collect::<Vec<_>>());
        // Those who are members on the other branch only count as nothing.
        let others: Vec<_> = self.chains.keys().filter_map(|author| author.member()).collect();
        self.restand(others);
        self.restate(ctx);
        self.after_acts(ctx);
    }

    /// An owner that was restored from a backup gives the next number twice, on two branches. What the one said that has it no
    /// more stands in the way of the other's events, and counts as nothing.
    fn discard_others(&mut self) {
        let is_anothers = |(author, chain): (&Author, &Chain)| {
            let now = self.branch.roster.member(*author)?.key.bytes();
            author.member().filter(|_| now != chain.key)
        };
        let others: BTreeSet<MemberNo> = self.chains.iter().filter_map(is_anothers).collect();
        for no in others {
            let authors = no.chains();
            self.chains.retain(|author, _| !authors.contains(author));
            self.loose.retain(|place| !authors.contains(&place.author));
            self.missing.retain(|place| !authors.contains(&place.author));
            self.recent.forget(&authors);
            let muted = self.mutes.forget(&authors);
            self.write(Op::Discard(no));
            self.restand(muted);
        }
    }

    /// What waited for an act, or was put off, is looked at again.
    fn after_acts(&mut self, ctx: &mut Context<'_>) {
        self.own.find_number(&self.branch.roster);
        if self.own.joins(&self.branch.roster) {
            self.tell(Notice::Joined);
        }
        // Who was nobody when the channel was opened may be a member now.
        let members = &self.branch.roster.members;
        for open in self.channels.values_mut().filter(|open| open.member.is_none()) {
            let found = members.iter().rev().find(|(_, member)| member.id == Some(open.peer) && member.is_in());
            open.member = found.map(|(no, _)| *no);
        }
        let untold = self.channels.iter_mut().filter_map(|(id, open)| Some((*id, open.untold.take()?)));
        for (channel, hello) in untold.collect::<Vec<_>>() {
            self.tell_since_hello(channel, hello);
        }
        // The turn's end asks for it, once for each channel.
        self.channels.values_mut().for_each(super::Channel::act_came);
        self.take_early_forks();
        self.queue.extend(self.pool.take_all());
        self.say_what_waits(ctx);
    }
}
