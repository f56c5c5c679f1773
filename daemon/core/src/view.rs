//! What the node tells of itself: plain values for STATUS, contact lists and events.

use crate::account::Refused;
use crate::effect::Notice;
use crate::input::{DialEnd, NoLink};
use crate::snapshot::ContactRequest;
use torchat_protocol::id::PeerId;

/// A contact, or a peer that is blocked, as far as the core knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContactView {
    /// The contact.
    pub peer: PeerId,
    /// It is a contact; else it is blocked, or a stranger.
    pub contact: bool,
    /// What the user calls it. Wins over `nick`.
    pub petname: Option<String>,
    /// What it calls itself: not to be trusted.
    pub nick: Option<String>,
    /// The user blocked it, so it is no contact.
    pub blocked: bool,
    /// A link is up.
    pub linked: bool,
    /// Milliseconds since the last sign of life; `None` if there never was one.
    pub heard_ms_ago: Option<u64>,
    /// It sees us only while there is something to deliver.
    pub hidden: bool,
    /// It holds our messages back until its user accepts us.
    pub waiting: bool,
    /// Messages that it has not got.
    pub queued: usize,
    /// When the user marked its key as compared, in milliseconds since 1970.
    pub verified_ms: Option<i64>,
    /// For how many days the messages of its conversation are kept; `None`: forever.
    pub retain_days: Option<u32>,
}

/// A stranger's request that waits for the user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestView {
    /// Who asks.
    pub peer: PeerId,
    /// What it says.
    pub request: ContactRequest,
}

/// A notice and when it came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Noticed {
    /// What.
    pub notice: Notice,
    /// When, in milliseconds since 1970.
    pub wall_ms: i64,
}

/// Messages that are not delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct QueueStatus {
    /// How many.
    pub messages: usize,
    /// Bytes of their texts.
    pub bytes: u64,
    /// How many bytes there may be.
    pub bytes_limit: u64,
}

/// A node's state in numbers, for STATUS.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NodeStatus {
    /// Live links.
    pub links: usize,
    /// Contacts.
    pub contacts: usize,
    /// Strangers that wait for the user's decision.
    pub requests: usize,
    /// Messages that are not delivered.
    pub queue: QueueStatus,
    /// Bytes of text that nobody has read, and [`crate::account::ROW_BYTES`] for each message and mark.
    pub unread_bytes: u64,
    /// Whether the store takes mail.
    pub writable: bool,
    /// How often limits were met.
    pub counters: Counters,
    /// Whether our way into the network and our service work.
    pub health: Health,
    /// Messages of old daemons.
    pub legacy: LegacyStatus,
    /// What the user should know, oldest first.
    pub notices: Vec<Noticed>,
    /// The peers that are owed mail, and why they have not got it.
    pub waiting: Vec<PeerStatus>,
}

/// Why a peer's mail waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerStatus {
    /// The peer.
    pub peer: PeerId,
    /// How many messages wait.
    pub queued: usize,
    /// A link is up.
    pub linked: bool,
    /// Milliseconds until the next dial.
    pub next_dial_in_ms: Option<u64>,
    /// What keeps it.
    pub obstacle: Obstacle,
}

/// What keeps a peer's messages from being delivered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Obstacle {
    /// The peer's user has not accepted us.
    NotAccepted,
    /// The peer is being asked to accept us.
    Asking,
    /// They are sent, and the peer has not confirmed them.
    NotConfirmed,
    /// Our way into the network does not work yet.
    NoNetwork,
    /// A dial runs.
    Connecting,
    /// There is no link, and another dial is planned.
    NoConnection {
        /// Why. `None`: no dial was tried.
        why: Option<NoLink>,
        /// Failures in a row.
        tries: u32,
    },
}

/// How often a limit was met since the start. Nothing here says which peer it concerned.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Messages of strangers that were neither stored nor acknowledged.
    pub strangers: u64,
    /// Requests of strangers that were not kept.
    pub requests: u64,
    /// Messages that waited because too much is unread.
    pub unread_full: u64,
    /// Messages that waited because the store took no writes.
    pub storage: u64,
    /// Dials that were put off because a contact had used up its circuits.
    pub dials: u64,
    /// Links of strangers that had to leave for others.
    pub links: u64,
    /// Links closed because the peer broke a limit.
    pub misbehaved: u64,
    /// Texts that were not accepted because too much waits to be delivered.
    pub outbox: u64,
    /// Invites that were not made because too many are outstanding.
    pub invites: u64,
    /// What peers could not pay, see [`crate::account`].
    pub account: Refused,
}

/// What STATUS says of the way into the network and of our own service.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Health {
    /// Milliseconds since our service was last reached, by somebody or by our own dial.
    pub reached_ms_ago: Option<u64>,
    /// For how long our own dials of it have failed, and how the last one ended.
    pub unreachable_for_ms: Option<(u64, DialEnd)>,
    /// For how long no dial has got through.
    pub trouble_for_ms: Option<u64>,
    /// Ways into the network that were tried since.
    pub renewals: u32,
}

/// What is wrong, and since when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trouble {
    /// No dial gets through. New circuits, or new Tor clients, are being tried.
    NothingGetsThrough {
        /// For how many milliseconds.
        for_ms: u64,
        /// Ways into the network that were tried since.
        renewals: u32,
    },
    /// Our own dials of our service fail: others cannot reach us.
    Unreachable {
        /// For how many milliseconds.
        for_ms: u64,
        /// How the last one ended.
        end: DialEnd,
    },
}

impl Health {
    /// What is wrong, the worst first. `None`: nothing is known to be wrong.
    #[must_use]
    pub fn trouble(&self) -> Option<Trouble> {
        if let Some(for_ms) = self.trouble_for_ms {
            return Some(Trouble::NothingGetsThrough { for_ms, renewals: self.renewals });
        }
        let (for_ms, end) = self.unreachable_for_ms.clone()?;
        Some(Trouble::Unreachable { for_ms, end })
    }
}

/// Old daemons' messages in numbers, for STATUS.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LegacyStatus {
    /// Messages that no client has taken.
    pub unread: usize,
    /// Dropped since the start, because too many came within a minute.
    pub rate: u64,
    /// Dropped since the start, because too many wait for a client.
    pub full: u64,
    /// Dropped since the start, because the store took no writes.
    pub storage: u64,
    /// Forgotten since the start, because no client took them in time.
    pub expired: u64,
}
