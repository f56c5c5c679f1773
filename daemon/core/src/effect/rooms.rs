//! What the desk of rooms wants done.

use crate::input::{LinkId, RequestId};
use torchat_protocol::id::PeerId;
use torchat_protocol::message::{ByeReason, PeerMessage};
use torchat_protocol::room::{Author, Frame, Identity, MemberNo, RoomId, RoomInvite, TextId};
use torchat_room::reading::Read;
use torchat_room::replica::Cannot;

/// One thing to do for a room, after the commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RoomEffect {
    /// Say something on a channel of a link.
    Say {
        /// The link.
        link: LinkId,
        /// The channel's number on the link.
        channel: u16,
        /// The frame.
        frame: Frame,
    },
    /// Say something on channel 0 of a link: PING, PONG or BYE.
    Tell {
        /// The link.
        link: LinkId,
        /// The message.
        message: PeerMessage,
    },
    /// End a link, after what was said before.
    Close {
        /// The link.
        link: LinkId,
        /// Last words, if any.
        bye: Option<ByeReason>,
    },
    /// Look something up in a room's stored log, say the frames that follow from it, and report.
    Read {
        /// The room.
        room: RoomId,
        /// What.
        read: Read,
        /// Where the frames are said, if the question is for a channel: the link and the channel's number on it.
        to: Option<(LinkId, u16)>,
    },
    /// The acts of a room are others than before, or the room is over for us: who its members are, and with which keys, is to be
    /// looked up anew by whoever checks signatures.
    Acts(RoomId),
    /// Answer a client.
    Answer {
        /// Its request.
        request: RequestId,
        /// The answer.
        answer: RoomAnswer,
    },
    /// Something that the user, or a program that waits, should know.
    Notice {
        /// The room.
        room: RoomId,
        /// What.
        notice: RoomNotice,
    },
}

/// The answer to a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RoomAnswer {
    /// It is done, and durable.
    Done,
    /// The room is made, or we have begun to join it.
    Room(RoomId),
    /// The text is durable here.
    Queued(TextId),
    /// The invite. Its secret is told here only.
    Invited(RoomInvite),
    /// Two branches are settled; so many acts of ours are lost.
    Settled(u64),
    /// It is not done.
    Refused(RoomRefused),
}

/// Why something is not done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RoomRefused {
    /// The store takes no writes now.
    Storage,
    /// We have no such room.
    NoRoom,
    /// We are in it, or want to be.
    AlreadyIn,
    /// We are a member of too many rooms.
    TooManyRooms,
    /// The program has used its key for another room.
    ClientReused,
    /// The only door is our own.
    ToSelf,
    /// The rules are for rooms that this version does not have.
    NotServed,
    /// Too many texts wait in the room.
    OutboxFull,
    /// The text does not wait any more.
    NotPending,
    /// There is no such member, or it is in no more.
    NoMember,
    /// The owner can only hand the room over or end it.
    OwnerLeaves,
    /// Too many invites are outstanding.
    TooManyInvites,
    /// A number of uses or hours, a role, or the length of a note is beyond its limit.
    Limit,
    /// There is no such invite.
    NoInvite,
    /// Nobody asks so.
    NoPetition,
    /// The member is not muted.
    NotMuted,
    /// Nobody wants to hand the room over to us.
    NoHand,
    /// Nothing is to be settled.
    NotFrozen,
    /// Too many decisions wait until another member is reached.
    NeedsQuorum,
    /// By the replica's rules.
    Cannot(Cannot),
}

/// What somebody should know about a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RoomNotice {
    /// We are a member and have everything that a newcomer gets.
    Joined,
    /// We are no member any more, because the user wanted it.
    Left,
    /// The owner has removed us.
    Removed,
    /// The owner has ended the room. What we had is erased.
    Destroyed,
    /// Somebody has shown us that the owner has ended the room, and we lack the acts before.
    Ended,
    /// The room needs a newer version: it has hosts, or another form.
    NeedsNewer,
    /// Events of ours that were not here came: this store is a restored backup, or another daemon has our keys.
    Restored,
    /// A chain has two histories, and only what is before the difference counts.
    Forked(Author),
    /// The owner has contradicted itself, and no more acts are taken.
    Frozen,
    /// That is settled.
    Settled,
    /// We have settled two branches of our own acts; so many are lost.
    WeSettled(u64),
    /// Other acts hold than before.
    OtherBranch,
    /// Events of ours are durable at another member.
    Delivered {
        /// At whose.
        at: PeerId,
        /// Of which chain.
        author: Author,
        /// Up to which number.
        upto: u64,
    },
    /// Somebody asks to become a member.
    Petition(Identity),
    /// The owner wants to hand the room over to us.
    Handed(MemberNo),
    /// Decisions of ours wait until another member is reached.
    ActsWait,
}
