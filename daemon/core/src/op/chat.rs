//! What is written of messages, ours and theirs.

use crate::piece::Piece;
use torchat_protocol::id::{Chain, LaneId, MessageId, PeerId};
use torchat_protocol::message::SkipReason;

/// A change of a lane or of its messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChatOp {
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
        /// How many at most, the oldest ones: a turn stays short.
        limit: u32,
    },
    /// Messages of a conversation are erased, in a piece of it. What waits for delivery stays, also where it was taken back and
    /// the peer has not said what became of it.
    Erase {
        /// The other side.
        peer: PeerId,
        /// Which piece.
        piece: Piece,
    },
}
