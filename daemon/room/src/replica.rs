//! A replica: what one daemon holds of a room, and what it decides about each event that comes.
//!
//! Its state is a function of the acts and events that it has stored, whatever the order in which they came; what it says
//! to others is a function of that and of what they said. The parts: [`crate::branch`] the acts, [`crate::chain`] the members'
//! chains, [`crate::standing`] what counts, `door` what is taken, `forks` two histories of a chain, `sync` the talk with other
//! replicas, `own` what we say ourselves.

mod acts;
mod asking;
mod channel;
mod door;
mod forks;
mod own;
mod stored;
mod sync;
mod telling;

pub use own::{Cannot, MESH_MEMBERS, Me};
pub use stored::Stored;

use crate::branch::Branch;
use crate::chain::{Chain, Pool, Recent};
use crate::key::Incoming;
use crate::outcome::{ChainRow, ChannelId, Context, Effect, Notice, Op, Outcome, Refusal};
use crate::roster::Roster;
use crate::standing::{Mutes, Spans, Standing, spans};
use channel::Channel;
use own::Own;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use torchat_protocol::room::body::{Body, Keep, Place, Ref};
use torchat_protocol::room::{
    Author, Cookie, Event, EventId, Frame, Head, Identity, LogDigest, LogId, MemberNo, RoomId, Tag,
};

/// What one daemon holds of a room.
pub struct Replica {
    room: RoomId,
    log: Position,
    /// The largest logical time that moves ours.
    lamport: u64,
    branch: Branch,
    chains: BTreeMap<Author, Chain>,
    /// What is stored of what lies below floors.
    loose: BTreeSet<Place>,
    /// Events that came without their bodies, and up to which of them was asked.
    missing: BTreeSet<Place>,
    asked_upto: Option<Place>,
    mutes: Mutes,
    /// Proofs of forks of chains of people who are no members as far as we know.
    early: Vec<(Incoming, Incoming, Option<ChannelId>)>,
    /// Nobody has told us everything yet.
    fresh: bool,
    pool: Pool<(Incoming, Option<ChannelId>)>,
    recent: Recent,
    own: Own,
    channels: BTreeMap<ChannelId, Channel>,
    cookies: BTreeMap<Identity, Cookie>,
    questions: BTreeMap<u64, Question>,
    tickets: u64,
    /// Events that are to be looked at before the input is over.
    queue: VecDeque<(Incoming, Option<ChannelId>)>,
    frozen: bool,
    /// The former owner has handed the room over on two branches, and nothing settles it.
    handed_twice: bool,
    out: Outcome,
}

/// Where a log ends.
#[derive(Debug, Clone, Copy)]
struct Position {
    id: LogId,
    /// The position of the next event.
    next: u64,
    /// The digest of all before it.
    digest: LogDigest,
}

/// What a look at the disk is for.
#[derive(Debug, Clone)]
enum Question {
    /// Whether this event is the one that we have at its place.
    IsItOurs(Incoming, ChannelId),
    /// Whether our event at this place has this tag.
    At(Head, ChannelId),
    /// Our event at the end of what counts of a forked chain, for the other side.
    SayAt(ChannelId),
    /// Whether the other side of a channel has a place in our log.
    Cookie(torchat_protocol::room::LogPlace, ChannelId),
}

/// How far a logical time may be ahead and still move ours. One that is further is stored and moves nothing, so nobody can
/// use up all numbers for the others.
const LAMPORT_AHEAD: u64 = 10_000;
/// Most proofs about people who are no members as far as we know, and most of them from one channel.
const EARLY: usize = 64;
const EARLY_OF_ONE: usize = 8;
/// Most events below floors, and most of them of one chain.
const LOOSE: usize = 65_536;
const LOOSE_OF_ONE: usize = 1_024;
/// Most events whose bodies are known to be missing.
const MISSING: usize = 4_096;

impl Replica {
    /// The room's id.
    #[must_use]
    pub fn room(&self) -> RoomId {
        self.room
    }

    /// What the acts say.
    #[must_use]
    pub fn roster(&self) -> &Roster {
        &self.branch.roster
    }

    /// How many acts there are.
    #[must_use]
    pub fn acts(&self) -> u64 {
        self.branch.len()
    }

    /// The ids of the acts that hold.
    pub fn act_ids(&self) -> impl Iterator<Item = EventId> {
        self.branch.acts().iter().map(crate::branch::Act::id)
    }

    /// The acts that hold, in order, each with its position in the log.
    pub fn branch(&self) -> impl Iterator<Item = (&Arc<Event>, Option<u64>)> {
        let acts = self.branch.acts().iter();
        acts.map(|act| (&act.incoming.event, self.branch.stored.get(&act.id()).copied()))
    }

    /// The mutes of a member that count and have no end that does.
    #[must_use]
    pub fn mutes_of(&self, member: MemberNo) -> Vec<Ref> {
        let counts = |place: Place| {
            place.seq <= self.line(place.author)
                && self.branch.roster.power(place.author, place.seq)
                    >= Some(torchat_protocol::room::body::Role::Moderator)
        };
        self.mutes.open_of(member, &counts)
    }

    /// The owner's key signed two acts with one number, and nothing settles it.
    #[must_use]
    pub fn is_frozen(&self) -> bool {
        self.branch.is_frozen()
    }

    /// The owner must say which of two branches holds: the acts are frozen, or the former owner has handed the room over to it on two of
    /// them.
    #[must_use]
    pub fn needs_settlement(&self) -> bool {
        self.branch.is_frozen() || self.handed_twice
    }

    /// The position of the next event.
    #[must_use]
    pub fn next(&self) -> u64 {
        self.log.next
    }

    /// The log's id.
    #[must_use]
    pub fn log(&self) -> LogId {
        self.log.id
    }

    /// What the event at a place counts as, whether it is stored or not.
    #[must_use]
    pub fn standing(&self, place: Place) -> Standing {
        match self.chains.get(&place.author) {
            Some(chain) => chain.spans.at(place.seq),
            None => self.spans(place.author).at(place.seq),
        }
    }

    /// The numbers below which nothing is held, of chains that have one.
    pub fn floors(&self) -> impl Iterator<Item = (Author, u64)> {
        self.chains.iter().filter(|(_, chain)| chain.floor > 0).map(|(author, chain)| (*author, chain.floor))
    }

    /// Chains that are proven to have two histories, with the last number before the difference.
    pub fn forks(&self) -> impl Iterator<Item = (Author, u64)> {
        let forked = self.chains.iter().filter(|(_, chain)| chain.fork.is_some());
        forked.map(|(author, chain)| (*author, chain.fork_line()))
    }

    /// How many events are known whose bodies are not here: at most 4,096.
    #[must_use]
    pub fn missing(&self) -> usize {
        self.missing.len()
    }

    /// How many events wait for others.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.pool.len()
    }

    /// What is known of a member's chains and counts: what a cut or a mute keeps.
    #[must_use]
    pub fn keep(&self, member: MemberNo) -> Keep {
        let chains = self.chains.range(member.chains());
        chains.map(|(author, chain)| (author.chain(), chain.head.min(self.line(*author)))).collect()
    }

    /// The last number of a chain that counts.
    #[must_use]
    pub fn line(&self, author: Author) -> u64 {
        let fork = self.chains.get(&author).map_or(u64::MAX, Chain::fork_line);
        self.branch.roster.cut(author).min(fork)
    }

    /// The last event of each chain.
    #[must_use]
    pub fn frontier(&self) -> Vec<Head> {
        let seq = self.branch.len();
        let tag = if seq == 0 { Tag::NONE } else { self.branch.head().tag() };
        let chains = self.chains.iter().filter(|(_, chain)| chain.head > 0);
        let chains = chains.map(|(author, chain)| Head { author: *author, seq: chain.head, tag: chain.id.tag() });
        std::iter::once(Head { author: Author::ACTS, seq, tag }).chain(chains).collect()
    }

    /// What was decided since the last call. Everything that answers an input is in it.
    pub fn take(&mut self) -> Outcome {
        std::mem::take(&mut self.out)
    }

    fn write(&mut self, op: Op) {
        self.out.ops.push(op);
    }

    fn act(&mut self, effect: Effect) {
        self.out.effects.push(effect);
    }

    fn say(&mut self, channel: ChannelId, frame: Frame) {
        self.act(Effect::Send(channel, frame));
    }

    fn tell(&mut self, notice: Notice) {
        self.act(Effect::Notice(notice));
    }

    fn refuse(&mut self, from: Option<ChannelId>, why: Refusal) {
        if let Some(channel) = from {
            self.tell(Notice::Refused(channel, why));
            if why == Refusal::Signature {
                self.count_wrong_signature(channel);
            }
        }
    }

    fn ask(&mut self, question: Question) -> u64 {
        self.tickets += 1;
        self.questions.insert(self.tickets, question);
        self.tickets
    }

    fn spans(&self, author: Author) -> Spans {
        spans(&self.branch.roster, &self.mutes, |author| self.line(author), author)
    }

    /// What was said by these members, or about them, counts as something else now.
    fn restand(&mut self, members: impl IntoIterator<Item = MemberNo>) {
        let mut touched: BTreeSet<MemberNo> = members.into_iter().collect();
        // If a moderator's mutes count no more, those whom they hid are seen again.
        let mut muted = BTreeSet::new();
        for member in &touched {
            for (author, _) in self.chains.range(member.chains()) {
                muted.extend(self.mutes.touched_by(*author));
            }
        }
        touched.extend(muted);
        let authors = touched.iter().flat_map(|member| self.chains.range(member.chains()).map(|(author, _)| *author));
        let mut changed = false;
        for author in authors.collect::<Vec<_>>() {
            let spans = self.spans(author);
            if let Some(chain) = self.chains.get_mut(&author)
                && chain.spans != spans
            {
                chain.spans = spans.clone();
                self.out.ops.push(Op::Spans(author, spans));
                changed = true;
            }
        }
        // A redact that counts no more gives a text back whose body is gone.
        if changed {
            self.act(Effect::Read(crate::reading::Read::Missing));
        }
    }

    /// An event joins the log.
    fn store(&mut self, event: &Arc<Event>, from: Option<ChannelId>, standing: Standing) -> u64 {
        let pos = self.log.next;
        let digest = self.log.digest.next(event.id());
        self.log = Position { next: pos + 1, digest, ..self.log };
        let lamport = event.header().lamport;
        if lamport <= self.lamport + LAMPORT_AHEAD {
            self.lamport = self.lamport.max(lamport);
        }
        self.recent.add(pos, event);
        self.write(Op::Store { pos, event: event.clone(), digest, lamport: self.lamport, standing });
        self.pass_on(pos, event, from);
        pos
    }

    fn write_chain(&mut self, author: Author) {
        if let Some(chain) = self.chains.get(&author) {
            let row = ChainRow { head: chain.head, id: chain.id, floor: chain.floor, key: chain.key };
            self.write(Op::Chain(author, row));
        }
    }

    /// Everything that we say begins anew for everybody: what was left out for others before may count now, and what others
    /// left out for us.
    fn restate(&mut self, ctx: &mut Context<'_>) {
        let mut id = [0; 8];
        (ctx.random)(&mut id);
        self.log.id = LogId(id);
        self.cookies.clear();
        self.write(Op::Log(self.log.id));
        for channel in std::mem::take(&mut self.channels).into_keys() {
            self.act(Effect::Close(channel, torchat_protocol::room::CloseCode::Again));
        }
    }

    /// Whether a mute, or the end of one, changes what counts. Its body must be there.
    fn note_mute(&mut self, event: &Event, body: Option<Body>) {
        match body {
            Some(Body::Mute(mute)) => {
                let who = mute.who;
                self.mutes.add(event.named(), mute);
                self.restand([who]);
            }
            Some(Body::Unmute(unmute)) => {
                let of = unmute.of;
                self.mutes.add_end(event.place(), unmute);
                if let Some(who) = self.mutes.whom(of) {
                    self.restand([who]);
                }
            }
            _ => {}
        }
    }
}
