//! What becomes of an event that comes: taken, kept until another comes, or not taken. ROOM-PROTOCOL.md, "The door".
//!
//! Nothing is refused for good because of what we happen to know: whoever knows more has stored it already, and two replicas
//! would never agree again.

use super::{LOOSE, LOOSE_OF_ONE, MISSING, Question, Replica};
use crate::chain::Chain;
use crate::key::Incoming;
use crate::outcome::{ChannelId, Context, Effect, Notice, Op, Refusal};
use crate::reading::Read;
use std::sync::Arc;
use torchat_protocol::room::body::{Body, Place};
use torchat_protocol::room::{Author, Event, Frame};

/// What becomes of an event.
enum Verdict {
    /// It is here. Its position, if that is known.
    Had(Option<u64>),
    /// It is looked at again when another one has come.
    Wait,
    /// It is not taken now, and asked for again when the reason may have passed.
    NotNow(Refusal),
    /// It is not taken.
    Never(Refusal),
    /// Another one is here at its place, and the author signed both.
    Differs(Arc<Event>),
    /// It does not follow our last one.
    Torn,
    /// Whether it is the one that we have must be looked up.
    LookUp,
    /// It is the next one of its chain.
    Next,
    /// It lies below a floor, and is of a kind that is taken all the same.
    BelowFloor,
}

impl Replica {
    /// Looks at events until none of them lets another in.
    pub(super) fn drain(&mut self, ctx: &mut Context<'_>) {
        while let Some((incoming, from)) = self.queue.pop_front() {
            if incoming.event.header().author == Author::ACTS {
                self.take_act(ctx, incoming, from);
            } else {
                self.take_event(ctx, incoming, from);
            }
        }
    }

    pub(super) fn take_event(&mut self, ctx: &mut Context<'_>, mut incoming: Incoming, from: Option<ChannelId>) {
        let place = incoming.event.place();
        match self.judge(&mut incoming) {
            Verdict::Had(pos) => self.had(&incoming, pos, from),
            Verdict::Wait => {
                self.put_off(from, false);
                let bytes = Frame::event_len(&incoming.event);
                for (_, from) in self.pool.add(place, bytes, (incoming, from)) {
                    self.put_off(from, true);
                    self.refuse(from, Refusal::PoolFull);
                }
            }
            Verdict::NotNow(why) => {
                self.put_off(from, true);
                self.refuse(from, why);
            }
            Verdict::Never(why) => self.refuse(from, why),
            Verdict::Differs(ours) => self.two_at_one_place(ctx, &Incoming::unchecked(ours), &incoming, from),
            Verdict::Torn => {
                self.put_off(from, false);
                self.need(ctx, from, place.author, place.seq - 1);
            }
            Verdict::LookUp => {
                let Some(channel) = from else { return };
                if self.looks_up(channel) {
                    let ticket = self.ask(Question::IsItOurs(incoming, channel));
                    self.act(Effect::Read(Read::Find { ticket, place }));
                } else {
                    self.put_off(from, true);
                    self.refuse(from, Refusal::TooManyOld);
                }
            }
            Verdict::BelowFloor => {
                self.loose.insert(place);
                let standing = self.standing(place);
                self.store(&incoming.event, from, standing);
                self.note_missing(&incoming.event, from);
                self.note_mute(&incoming.event, incoming.event.read().ok().flatten());
            }
            Verdict::Next => {
                self.append(&incoming.event, from);
                let next = Place { seq: place.seq + 1, ..place };
                self.queue.extend(self.pool.take(next));
            }
        }
    }

    fn judge(&self, incoming: &mut Incoming) -> Verdict {
        let event = incoming.event.clone();
        let (header, place) = (event.header(), event.place());
        let Some(member) = self.branch.roster.member(header.author) else {
            return if u64::from(header.acts) > self.branch.len() {
                Verdict::Wait
            } else {
                Verdict::NotNow(Refusal::NoMember)
            };
        };
        let (head, head_id, floor) = self.end(header.author);
        let line = self.line(header.author);
        if header.seq <= floor {
            let in_force = crate::reading::decides(header.kind) && header.seq <= line;
            return if self.loose.contains(&place) || !in_force || !self.has_room_below_floor(place.author) {
                Verdict::Had(self.recent.get(place).map(|(pos, _)| *pos))
            } else if incoming.is_signed_by(&member.key) {
                Verdict::BelowFloor
            } else {
                Verdict::Never(Refusal::Signature)
            };
        }
        if header.seq <= head {
            return match self.recent.get(place) {
                Some((pos, ours)) if ours.id() == event.id() => Verdict::Had(Some(*pos)),
                // What is behind the end of what counts tells nothing new, and asking about it would never end.
                _ if header.seq > line => Verdict::Never(Refusal::BehindLine),
                Some((_, ours)) if incoming.is_signed_by(&member.key) => Verdict::Differs(ours.clone()),
                Some(_) => Verdict::NotNow(Refusal::Signature),
                None => Verdict::LookUp,
            };
        }
        if header.seq > line {
            return Verdict::Never(Refusal::BehindLine);
        }
        if header.seq != head + 1 {
            return Verdict::Wait;
        }
        if !incoming.is_signed_by(&member.key) {
            return Verdict::NotNow(Refusal::Signature);
        }
        if header.prev == head_id { Verdict::Next } else { Verdict::Torn }
    }

    /// Whether more of a chain may be stored below its floor: a member that says much may not take the places of others.
    fn has_room_below_floor(&self, author: Author) -> bool {
        let of_one = Place { author, seq: 0 }..=Place { author, seq: u64::MAX };
        self.loose.len() < LOOSE && self.loose.range(of_one).count() < LOOSE_OF_ONE
    }

    /// The last number of a chain, the id that the next event names as the one before, and the floor.
    pub(super) fn end(&self, author: Author) -> (u64, torchat_protocol::room::EventId, u64) {
        let chain = self.chains.get(&author);
        chain.map_or((0, self.room.as_event(), 0), |chain| (chain.head, chain.id, chain.floor))
    }

    /// An event came without its body: all others are asked for it.
    fn note_missing(&mut self, event: &Event, from: Option<ChannelId>) {
        if event.body().is_none() && self.missing.len() < MISSING {
            self.missing.insert(event.place());
            self.ask_for_body(event.place(), from);
        }
    }

    /// The other side has an event that is here.
    pub(super) fn had(&mut self, incoming: &Incoming, pos: Option<u64>, from: Option<ChannelId>) {
        let place = incoming.event.place();
        self.came_back(pos, from);
        // What lies below a floor is not here.
        if place.seq > self.end(place.author).2 {
            self.note_stored(&incoming.event, from);
        }
        if self.missing.contains(&place) && incoming.event.body().is_some() {
            self.add_body(&incoming.event);
        }
    }

    /// A body that was missing is here.
    fn add_body(&mut self, event: &Arc<Event>) {
        // Only the event's own: the id covers the body.
        let place = event.place();
        self.missing.remove(&place);
        self.write(Op::Body(event.clone()));
        self.note_mute(event, event.read().ok().flatten());
    }

    /// An event is the next one of its chain.
    fn append(&mut self, event: &Arc<Event>, from: Option<ChannelId>) {
        let place = event.place();
        let author = place.author;
        if let Some(chain) = self.chains.get_mut(&author) {
            (chain.head, chain.id) = (place.seq, event.id());
        } else {
            let Some(key) = self.branch.roster.member(author).map(|member| member.key.bytes()) else { return };
            let spans = self.spans(author);
            self.chains.insert(author, Chain { head: place.seq, spans, ..Chain::new(event.id(), key) });
        }
        let standing = self.standing(place);
        self.write_chain(author);
        self.store(event, from, standing);
        self.note_stored(event, from);
        self.note_missing(event, from);
        let body = event.read().ok().flatten();
        if author.member() == self.own.no() {
            self.own_event(body.as_ref(), place, from);
        }
        self.note_mute(event, body);
    }

    /// An event of ours is in the log, from us or from elsewhere.
    fn own_event(&mut self, body: Option<&Body>, place: Place, from: Option<ChannelId>) {
        match body {
            Some(Body::Text(text)) if self.fresh => self.own.told(text.mid, place),
            Some(Body::Text(text)) if self.own.said(text.mid) => self.write(Op::Unqueue(text.mid)),
            _ => {}
        }
        // Somebody else has an event of ours that was not here.
        if from.is_some() {
            self.begin_chain_above(place.author);
        }
    }

    /// Our own events go on in a chain above all that we know of ours.
    pub(super) fn begin_chain_above(&mut self, author: Author) {
        let Some(member) = author.member() else { return };
        let known = self.chains.range(member.chains()).map(|(author, _)| author.chain());
        let Some(highest) = known.max() else { return };
        if self.own.go_above(highest) {
            self.write(Op::Own(self.own.chain()));
            self.tell(Notice::Restored);
        }
    }
}
