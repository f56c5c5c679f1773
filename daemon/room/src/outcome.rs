//! What a replica decides: what is written, what happens after it, and what happens to a replica.

use crate::reading::Read;
use crate::standing::{Spans, Standing};
use std::sync::Arc;
use torchat_protocol::room::body::said::Text;
use torchat_protocol::room::{
    Author, CloseCode, Cookie, Event, EventId, Frame, Identity, LogDigest, LogId, MemberKey, MemberNo, TextId,
};

/// One room on one link, numbered by whoever opens it, and never used twice in a run of the daemon.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChannelId(pub u64);

/// What holds at the moment of an input.
pub struct Context<'a> {
    /// Milliseconds by a clock that never goes back.
    pub now_ms: u64,
    /// Minutes since 1970, for our own events.
    pub minute: u32,
    /// Fills with random bytes.
    pub random: &'a mut dyn FnMut(&mut [u8]),
}

/// What an input comes to: first everything of `ops` in one durable transaction, then the effects in order.
#[derive(Debug, Default)]
pub struct Outcome {
    /// The transaction.
    pub ops: Vec<Op>,
    /// What happens after it, and not at all if it failed.
    pub effects: Vec<Effect>,
}

/// One change of what is stored of a room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Op {
    /// An event joins the log.
    Store {
        /// Its position.
        pos: u64,
        /// The event.
        event: Arc<Event>,
        /// The log's digest after it.
        digest: LogDigest,
        /// The replica's logical time after it.
        lamport: u64,
        /// What it counts as now.
        standing: Standing,
    },
    /// A chain ends here now.
    Chain(Author, ChainRow),
    /// A chain begins behind this event, whose body is not there and which is no part of the log.
    Floor(Arc<Event>),
    /// A chain is proven to have two histories. Replaces an older proof.
    Fork(Author, Proof),
    /// Texts of a chain of ours are to be looked through, see [`Read::Own`]; `None`: it is done.
    Review(Author, Option<u64>),
    /// The events of a chain count as this from now on.
    Spans(Author, Spans),
    /// An act that does not fit onto the branch is kept apart.
    Rival(Arc<Event>),
    /// It is not kept any more.
    DropRival(EventId),
    /// The owner's key signed two acts with one number.
    ActFork(Arc<Event>, Arc<Event>),
    /// The branch of acts goes on with this act, which is in the log.
    Act {
        /// Its number.
        seq: u64,
        /// Its id.
        id: EventId,
    },
    /// The branch of acts ends before this number; the acts behind it are rivals.
    CutBranch(u64),
    /// Everything of a member's chains was somebody else's with the same number on another branch: their events keep their
    /// positions and digests, and are found, told and counted no more.
    Discard(MemberNo),
    /// Somebody has told us everything: we are no newcomer any more.
    Complete,
    /// Everything that was told a newcomer is forgotten, and the log gets another id. Our key, and texts that wait, stay.
    Anew(LogId),
    /// The log gets another id, and all cookies are forgotten.
    Log(LogId),
    /// Up to where somebody's log is here.
    Cookie(Identity, Option<Cookie>),
    /// Our own events go on in this chain.
    Own(u8),
    /// A text of ours waits to become an event.
    Queue(Text),
    /// A text of ours becomes an event at once, by the next [`Op::Store`]: it did not wait.
    Said(TextId),
    /// It waits no more.
    Unqueue(TextId),
    /// The body of an event came later than the event.
    Body(Arc<Event>),
}

/// Two events, without their bodies, that prove that a chain has two histories; the one with the smaller id first.
pub type Proof = Box<(Event, Event)>;

/// The end of a chain, and where it begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChainRow {
    /// The number of the last event.
    pub head: u64,
    /// Its id.
    pub id: EventId,
    /// Nothing is held up to this number.
    pub floor: u64,
    /// Whose events they are: on another branch the number may be somebody else's.
    pub key: MemberKey,
}

/// Something to do after the commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Says something on a channel.
    Send(ChannelId, Frame),
    /// Looks something up in what is stored; see [`Read`].
    Read(Read),
    /// A channel ends, with these last words.
    Close(ChannelId, CloseCode),
    /// The other side of a channel breaks the protocol: its link ends.
    EndLink(ChannelId),
    /// Something that the user, or whoever waits, should know.
    Notice(Notice),
}

/// What somebody should know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Notice {
    /// We are a member.
    Joined,
    /// There are events of ours that are not here: this store is a restored backup, or another daemon has our keys. We go on in
    /// another chain.
    Restored,
    /// An act of ours with this number, which holds, came and was not here. As with [`Notice::Restored`].
    OwnAct(u64),
    /// A chain has two histories, and only what is before the difference counts.
    Forked(Author),
    /// The owner's key signed two acts with one number, and no more acts are taken.
    Frozen,
    /// That is settled.
    Settled,
    /// Another branch of acts holds now.
    OtherBranch {
        /// We own the room on both: we have made acts that contradict each other.
        ours: bool,
    },
    /// Events of ours are durable at the other side of a channel.
    Delivered(ChannelId, Author, u64),
    /// The other side of a channel has sent everything that it had.
    CaughtUp(ChannelId),
    /// The other side has events that are not taken now.
    Refused(ChannelId, Refusal),
}

/// Why an event is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Refusal {
    /// Its author is no member.
    NoMember,
    /// It is behind the end of what counts of its chain.
    BehindLine,
    /// Nobody who could have said it signed it.
    Signature,
    /// It is an act without a body.
    NoBody,
    /// Too many events wait.
    PoolFull,
    /// Too many old events are being looked up.
    TooManyOld,
}
