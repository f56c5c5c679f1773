//! What two replicas say to each other on a channel of a room link. `codec.rs` has the bytes.

mod codec;
mod events;
mod fields;
mod joining;

pub use codec::FrameError;

use crate::limits::REQUEST_TEXT_BYTES;
use crate::nick::Nick;
use crate::room::Event;
use crate::room::body::BoundedText;
use crate::room::id::{
    Author, BoxKey, Head, Identity, InviteId, LogDigest, LogId, MemberKey, MemberNo, RoomId, Signature,
};
use crate::room::invite::Proof;
use crate::room::limits::REASON_BYTES;

/// One frame. Its type on the wire is [`Frame::kind`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame {
    /// Opens the channel for a room. HELLO follows at once.
    Open(Open),
    /// The first words on an open channel.
    Hello(Hello),
    /// The last words on a channel.
    Close(Close),
    /// The hearer's cookie is not of the speaker's log. Answered by HAVE.
    Reset,
    /// The speaker's frontier, whole. The hearer sends its log anew from 0, without what the frontier names.
    Have(Vec<Head>),
    /// Where chains begin for a newcomer: the last event of each before what is sent, without bodies.
    ///
    /// Whole headers with their signatures, so that nobody can let a chain begin at an event that its author never said.
    Base(Vec<Event>),
    /// Events, with or without their bodies.
    Events(Vec<Event>),
    /// The hearer has everything of the speaker's log before a position.
    Mark(LogPlace),
    /// The hearer's events are durable at the speaker, each chain up to a number.
    Stored(Vec<(Author, u64)>),
    /// An event is not taken now.
    Deny(Deny),
    /// Two events that prove that a chain has two histories, without bodies.
    Fork(Box<(Event, Event)>),
    /// The speaker's event at the end of what counts of a forked chain.
    At(Head),
    /// Asks for a chain's events up to a number.
    Need(Author, u64),
    /// Asks for events with their bodies.
    Body(Vec<(Author, u64)>),
    /// The hearer may send so many more bytes of events.
    Credit(u32),
    /// Asks to become a member.
    Join(Join),
    /// The answer to it.
    Told(Told),
    /// A JOIN that a host passes on to the owner.
    Petition(Petition),
}

/// A position in a log with the digest up to it: proves that it is the same log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogPlace {
    /// Everything before this position.
    pub next: u64,
    /// The digest of everything before it.
    pub digest: LogDigest,
}

/// Up to where the speaker has everything of the hearer's log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cookie {
    /// The hearer's log. With it, a log that begins anew (after a change of the branch of acts) is not taken for the old one, whose
    /// digests are the same.
    pub log: LogId,
    /// The place in it.
    pub place: LogPlace,
}

/// Opens a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Open {
    /// The room.
    pub room: RoomId,
    /// As what.
    pub role: OpenAs,
}

/// As what somebody opens a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OpenAs {
    /// As the member with this number; `None`: the newest of the link's identity.
    Member(Option<MemberNo>),
    /// As one who reads a public room. Later.
    Guest,
    /// By a signature with the room key, on a link without identity. Later.
    Key(MemberNo, Signature),
}

/// The first words on an open channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hello {
    /// The speaker's log.
    pub log: LogId,
    /// What the speaker has: a place in the hearer's log, or its frontier.
    pub has: Has,
    /// How many events a newcomer wants at most; `None`: all.
    pub want: Option<u32>,
    /// How many bytes of events the hearer may send.
    pub credit: u32,
}

/// What the speaker of a HELLO has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Has {
    /// Everything of the hearer's log up to here.
    Upto(Cookie),
    /// These heads. A new replica has one head: of the acts, number 0.
    Heads(Vec<Head>),
}

/// The last words on a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Close {
    /// Why. A later version may have other numbers.
    pub code: CloseCode,
    /// Not again before so many seconds.
    pub retry_s: u32,
    /// In words, for people: of the other side, so hostile text.
    pub words: BoundedText<REASON_BYTES>,
}

/// Why a channel ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CloseCode {
    /// All is said.
    Done,
    /// There is nothing here for the opener.
    None,
    /// The opener is no member any more.
    Removed,
    /// There are too many.
    Full,
    /// Not now.
    Busy,
    /// The room has ended.
    Destroyed,
    /// Beyond a limit, or of a version that is not known here.
    Limit,
    /// The other side broke the protocol.
    Protocol,
    /// Open it anew at once.
    Again,
    /// The opener's peer does not keep the room for others.
    NoHost,
    /// A code of a later version.
    Other(u8),
}

/// An event is not taken now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deny {
    /// Whose.
    pub author: Author,
    /// Its number.
    pub seq: u64,
    /// Why.
    pub code: DenyCode,
    /// Not again before so many seconds.
    pub retry_s: u32,
}

/// Why an event is not taken now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DenyCode {
    /// Too many, or too much.
    Quota,
    /// Too soon after the last.
    Slow,
    /// Too long.
    Size,
    /// No room on the disk.
    Disk,
    /// Encrypted with an old key. Later.
    Epoch,
    /// A code of a later version.
    Other(u8),
}

/// Asks to become a member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Join {
    /// Of which room.
    pub room: RoomId,
    /// The key by which the speaker will sign.
    pub sign: MemberKey,
    /// The key for sealed bodies.
    pub sealing: BoxKey,
    /// The invite, with the proof that the speaker has its secret.
    pub invite: Option<(InviteId, Proof)>,
    /// What it would like to be called. One that breaks the rules of names is none.
    pub nick: Option<Nick>,
    /// A few words.
    pub text: BoundedText<REQUEST_TEXT_BYTES>,
}

/// The answer to a petition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// Not yet: unknown, undecided and refused look the same.
    Pending,
    /// The speaker is a member, with this number.
    Accepted(MemberNo),
}

/// A JOIN with an invite that came to a host, which passes it on to the owner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Petition {
    /// Over whose link it came, by the host's word. The proof in it binds the identity.
    pub id: Identity,
    /// What it said.
    pub join: Join,
}
