//! What the store knows at the start, and what a turn asks it to load.

pub mod rooms;

use torchat_protocol::id::{Chain, InviteSecret, LaneId, MessageId, PeerId, RunId};
use torchat_protocol::message::{LaneState, SkipReason};

/// All that the core must know to go on where the last process stopped.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    /// Every peer with a row.
    pub peers: Vec<PeerSnapshot>,
    /// Invites that nobody has used.
    pub invites: Vec<InviteRow>,
    /// The runs of this daemon that the store knows.
    pub runs: Vec<RunId>,
    /// The messages of old daemons that are kept, in the order of their rows.
    pub legacy: Vec<LegacyRow>,
    /// When the wall clock leapt last, in milliseconds since 1970.
    pub clock_set_ms: Option<i64>,
    /// The rooms.
    pub rooms: rooms::RoomsSnapshot,
}

/// The row of an old daemon's message, from 1 on. A type of its own: rows of messages between peers and moments are numbers of
/// the same kind, and stand beside it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LegacyNum(pub i64);

impl LegacyNum {
    /// Before the first row.
    pub const NONE: Self = Self(0);
}

/// What the core knows of an old daemon's message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LegacyRow {
    /// When it came, in milliseconds since 1970.
    pub at_ms: i64,
    /// A client has taken it.
    pub taken: bool,
}

/// One peer's part of a [`Snapshot`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerSnapshot {
    /// The peer.
    pub peer: PeerId,
    /// Whether it is a contact.
    pub contact: bool,
    /// Whether it holds our messages back until its user accepts us.
    pub waiting: bool,
    /// When it became a contact, in milliseconds since 1970.
    pub added_ms: Option<i64>,
    /// When it was last heard of, in milliseconds since 1970.
    pub seen_ms: Option<i64>,
    /// Whether the user blocked it.
    pub blocked: bool,
    /// What the user calls it.
    pub petname: Option<String>,
    /// What it calls itself.
    pub nick: Option<String>,
    /// What we say to be accepted.
    pub intro: Intro,
    /// What it said to be accepted, if the user has not decided, or has refused.
    pub request: Option<ContactRequest>,
    /// Whether it sees us only while there is something to deliver.
    pub hidden: bool,
    /// The highest epoch of its certificates.
    pub epoch: u32,
    /// Its run that was met last.
    pub met: Option<RunId>,
    /// Dials that failed in a row.
    pub attempts: u32,
    /// Our lane to it.
    pub out: Option<OutSnapshot>,
    /// Its lanes to us.
    pub lanes: Vec<LaneState>,
    /// Bytes of text that no client has read.
    pub unread_bytes: u64,
    /// The event log says that a link to it is up.
    pub linked: bool,
    /// When the user marked its key as compared, in milliseconds since 1970.
    pub verified_ms: Option<i64>,
    /// For how many days the messages of its conversation are kept.
    pub retain_days: Option<u32>,
}

impl PeerSnapshot {
    /// A peer of which nothing is known but that it is there.
    #[must_use]
    pub fn new(peer: PeerId) -> Self {
        Self {
            peer,
            contact: false,
            waiting: false,
            added_ms: None,
            seen_ms: None,
            blocked: false,
            petname: None,
            nick: None,
            intro: Intro::default(),
            request: None,
            hidden: false,
            epoch: 0,
            met: None,
            attempts: 0,
            out: None,
            lanes: Vec::new(),
            unread_bytes: 0,
            linked: false,
            verified_ms: None,
            retain_days: None,
        }
    }
}

/// What one says to become a contact.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Intro {
    /// A few words.
    pub text: String,
    /// The secret of the invite that we were given.
    pub invite: Option<InviteSecret>,
}

/// A stranger's request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContactRequest {
    /// The name that it would like.
    pub nick: String,
    /// A few words.
    pub text: String,
    /// When it came, in milliseconds since 1970.
    pub at_ms: i64,
    /// The user has refused it. Kept, so that the next request of the same onion is not shown.
    pub refused: bool,
}

/// An invite of ours that nobody has used. The secret itself is shown once and stored nowhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InviteRow {
    /// SHA-256 of "torchatd/1 invite", a zero byte and the secret.
    pub hash: [u8; 32],
    /// When it expires, in milliseconds since 1970.
    pub until_ms: i64,
}

/// A lane of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutSnapshot {
    /// The lane.
    pub lane: LaneId,
    /// The highest number that the peer acknowledged.
    pub acked: u64,
    /// The digest there.
    pub acked_chain: Chain,
    /// What is not acknowledged, in order: the first has number `acked + 1`.
    pub pending: Vec<Pending>,
}

/// A message that waits for its acknowledgement. Its text stays in the store until it goes out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pending {
    /// The message.
    pub mid: MessageId,
    /// The lane's digest after it.
    pub chain: Chain,
    /// Bytes of its text.
    pub bytes: u32,
    /// When it was accepted from a client, in milliseconds since 1970.
    pub at_ms: i64,
    /// It was taken back, and its number is still to be skipped at the peer.
    pub gone: Option<SkipReason>,
    /// Its sender wants it to fail if it is not delivered by then, in milliseconds since 1970.
    pub until_ms: Option<i64>,
    /// The same by the monotonic clock, which only this run knows: nothing is stored of it.
    pub end_mono_ms: Option<u64>,
}

impl Pending {
    /// The lane's digest after this message, or after its tombstone, from the one before it: digests of what is pending
    /// need not be stored.
    #[must_use]
    pub fn digest(&self, before: Chain) -> Chain {
        let after = before.next(self.mid);
        if self.gone.is_some() { after.next(self.mid) } else { after }
    }
}
