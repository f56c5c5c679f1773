//! What a turn writes. All operations of a turn are one durable transaction; nothing of the turn reaches a peer or a
//! client before it is committed.

use crate::snapshot::{ContactRequest, Intro, InviteRow};
use crate::view::ContactView;
use torchat_protocol::id::{Chain, LaneId, MessageId, PeerId, RunId};
use torchat_protocol::legacy::OldMessage;
use torchat_protocol::message::SkipReason;

/// One change of the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Op {
    /// The peer is a contact from now on; nothing happens if it was.
    Contact {
        /// The peer.
        peer: PeerId,
        /// When, in milliseconds since 1970.
        at_ms: i64,
    },
    /// The user made a contact a stranger again. What was said stays.
    Remove {
        /// The peer.
        peer: PeerId,
    },
    /// Whether the user blocks the peer.
    Block {
        /// The peer.
        peer: PeerId,
        /// Yes or no.
        blocked: bool,
    },
    /// What the user calls the peer.
    Petname {
        /// The peer.
        peer: PeerId,
        /// `None`: nothing.
        name: Option<String>,
    },
    /// What we say to this peer to be accepted.
    Intro {
        /// The peer.
        peer: PeerId,
        /// The words and the invite.
        intro: Intro,
    },
    /// A stranger asks to become a contact, or the user has refused it. It replaces what the same peer said before.
    Request {
        /// The peer.
        peer: PeerId,
        /// What it says; `None`: the request is settled or too old.
        request: Option<ContactRequest>,
    },
    /// What the peer calls itself.
    Nick {
        /// The peer.
        peer: PeerId,
        /// The name.
        nick: String,
    },
    /// An invite was made.
    Invite {
        /// What is kept of it.
        invite: InviteRow,
    },
    /// An invite was used or is too old.
    InviteGone {
        /// SHA-256 of its secret.
        hash: [u8; 32],
    },
    /// Whether the peer holds our messages back until its user accepts us.
    Waiting {
        /// The peer.
        peer: PeerId,
        /// Yes or no.
        waiting: bool,
    },
    /// This run of the daemon, before any peer hears of it.
    Run {
        /// Its id.
        run: RunId,
        /// Its start, in milliseconds since 1970.
        at_ms: i64,
    },
    /// The wall clock leapt: what bears an earlier time is not older than this moment.
    ClockSet {
        /// In milliseconds since 1970, by what the clock says after it.
        at_ms: i64,
    },
    /// What was learned of the contact's copies.
    Met {
        /// The peer.
        peer: PeerId,
        /// The highest epoch of its certificates.
        epoch: u32,
        /// Its run.
        run: Option<RunId>,
    },
    /// Whether the contact sees us only while there is something to deliver.
    Hidden {
        /// The peer.
        peer: PeerId,
        /// Yes or no.
        hidden: bool,
    },
    /// Something was heard of the contact.
    Seen {
        /// The peer.
        peer: PeerId,
        /// When, in milliseconds since 1970.
        at_ms: i64,
    },
    /// When the contact is to be dialled next.
    Retry {
        /// The peer.
        peer: PeerId,
        /// Failures in a row.
        attempts: u32,
        /// Not before, in milliseconds since 1970.
        next_ms: i64,
    },
    /// A message was accepted from a client.
    Queue {
        /// The receiver.
        peer: PeerId,
        /// The message.
        mid: MessageId,
        /// Its lane.
        lane: LaneId,
        /// Its number in the lane.
        seq: u64,
        /// The lane's digest after it.
        chain: Chain,
        /// When, in milliseconds since 1970.
        at_ms: i64,
        /// It fails if it is not delivered by then, in milliseconds since 1970; `None`: the policy decides.
        until_ms: Option<i64>,
        /// The key that its client gave it: no second message is accepted under it.
        client: Option<String>,
        /// The text.
        text: String,
    },
    /// Messages go out for the first time in this run. Only for the event log.
    Sent {
        /// The receiver.
        peer: PeerId,
        /// The lane.
        lane: LaneId,
        /// The first number.
        first: u64,
        /// How many numbers, those that are taken back among them.
        count: u64,
    },
    /// The peer has everything of the lane up to `upto`.
    Delivered {
        /// The receiver.
        peer: PeerId,
        /// The lane.
        lane: LaneId,
        /// The last number.
        upto: u64,
        /// The lane's digest after it.
        chain: Chain,
        /// Which of them were taken back, but too late.
        late: Vec<MessageId>,
        /// When, in milliseconds since 1970.
        at_ms: i64,
    },
    /// A message is taken back before it was delivered, as far as we know.
    TakeBack {
        /// The receiver.
        peer: PeerId,
        /// The message.
        mid: MessageId,
        /// Its number in the lane.
        seq: u64,
        /// `withdrawn` or `expired`.
        why: SkipReason,
        /// When, in milliseconds since 1970.
        at_ms: i64,
    },
    /// The undelivered messages get numbers in a new lane, because the peer knows another history of the old one. Those
    /// that were taken back get none: whether they had reached the peer stays unknown.
    NewLane {
        /// The receiver.
        peer: PeerId,
        /// The new lane.
        lane: LaneId,
        /// The messages, numbered from 1, with the digest after each.
        messages: Vec<(MessageId, Chain)>,
    },
    /// A message came in.
    Receive {
        /// The sender.
        peer: PeerId,
        /// Its lane.
        lane: LaneId,
        /// The number that is now the highest.
        seq: u64,
        /// The lane's digest after it.
        chain: Chain,
        /// The message. One that is stored already (it came by another lane) is not stored again.
        mid: MessageId,
        /// The sender's time in seconds since 1970.
        sent_s: u64,
        /// Arrival in milliseconds since 1970.
        at_ms: i64,
        /// The text.
        text: String,
    },
    /// Numbers of a lane will never come.
    Skip {
        /// The sender.
        peer: PeerId,
        /// Its lane.
        lane: LaneId,
        /// The last number that is skipped.
        to: u64,
        /// The lane's digest after it.
        chain: Chain,
        /// How many are skipped.
        count: u64,
        /// Why. `lost` leaves a mark in the conversation.
        why: SkipReason,
        /// When, in milliseconds since 1970.
        at_ms: i64,
    },
    /// A lane of the peer that was not used for long gives its place to a new one.
    ForgetLane {
        /// The sender.
        peer: PeerId,
        /// Its lane.
        lane: LaneId,
    },
    /// A client has taken a message, and all before it, by UPDATE. That reads it too.
    Read {
        /// The sender.
        peer: PeerId,
        /// The row.
        row: i64,
    },
    /// A client has seen messages; it takes them from nobody.
    ReadUpto {
        /// The sender.
        peer: PeerId,
        /// The last row.
        upto: i64,
        /// So many at most, the oldest ones: a turn stays short.
        limit: u32,
    },
    /// What a peer is to us has changed in this turn. Only for the event log: the changes have operations of their own.
    Changed {
        /// The peer after the turn.
        contact: ContactView,
    },
    /// A contact's first link came up, or its last one went down.
    Link {
        /// The contact.
        peer: PeerId,
        /// Up or down.
        up: bool,
    },
    /// Our way into the network opened or closed. Only for the event log.
    Network {
        /// Whether peers can be dialled.
        usable: bool,
        /// In words.
        sentence: String,
    },
    /// Something that the user should know. Only for the event log.
    Notice {
        /// Whom it is about.
        peer: Option<PeerId>,
        /// In words.
        sentence: String,
    },
    /// An old daemon's message came in. It stands apart from every conversation.
    Legacy {
        /// The message.
        message: OldMessage,
        /// Arrival in milliseconds since 1970.
        at_ms: i64,
        /// How many are kept: the oldest that were taken go.
        keep: usize,
    },
    /// A client has taken an old daemon's message.
    LegacyTaken {
        /// The row.
        row: i64,
    },
    /// Old daemons' messages that came before this moment go, taken or not.
    LegacyForget {
        /// In milliseconds since 1970.
        before_ms: i64,
    },
}
