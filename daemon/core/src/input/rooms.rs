//! What happens to the rooms of a daemon.

use super::{LinkId, RequestId};
use crate::snapshot::rooms::Notify;
use torchat_protocol::id::PeerId;
use torchat_protocol::message::PeerMessage;
use torchat_protocol::nick::Nick;
use torchat_protocol::room::body::acts::{Policy, Set};
use torchat_protocol::room::body::{BoundedText, Ref, Role};
use torchat_protocol::room::limits::{NAME_BYTES, REASON_BYTES, SIGN_BYTES, TEXT_BYTES, TOPIC_BYTES};
use torchat_protocol::room::{Frame, Identity, InviteId, MemberKey, MemberNo, RoomId, RoomInvite, TextId};
use torchat_room::reading::{Read, Report};

/// Something that happened on a room link, that a look at the disk has found, or that a client wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RoomInput {
    /// A handshake for purpose 2 ended well: the stream's other end is proven to be `peer`.
    LinkUp {
        /// The new link.
        link: LinkId,
        /// Who it is.
        peer: PeerId,
        /// Whether we dialled.
        outgoing: bool,
        /// The handshake's hash, the same at both ends.
        binding: [u8; 32],
        /// The epoch of the peer's certificate.
        epoch: u32,
    },
    /// A room link ended.
    LinkDown {
        /// The link.
        link: LinkId,
    },
    /// A message came on channel 0 of a room link.
    Message {
        /// The link.
        link: LinkId,
        /// The message.
        message: PeerMessage,
    },
    /// A frame came on another channel.
    Frame {
        /// The link.
        link: LinkId,
        /// The channel's number on the link.
        channel: u16,
        /// The frame.
        frame: Frame,
        /// Of each event in it, under which key its signature is known to be good.
        checked: Vec<Option<MemberKey>>,
    },
    /// Something came on a channel that only a later version of this program understands: the channel is to end.
    Newer {
        /// The link.
        link: LinkId,
        /// The channel's number on the link.
        channel: u16,
    },
    /// Bytes came over a link in which nothing became whole. Said at most once a second for each link.
    Heard {
        /// The link.
        link: LinkId,
    },
    /// What a look at the stored log has found. What was to be said of it was said.
    Report {
        /// The room.
        room: RoomId,
        /// What was found.
        report: Report,
    },
    /// A look at the stored log failed, and nothing was said of it.
    Unread {
        /// The room.
        room: RoomId,
        /// What was to be looked up.
        read: Read,
    },
    /// A client wants something.
    Do {
        /// Its request.
        request: RequestId,
        /// What.
        command: RoomCommand,
    },
    /// The machine slept: links may be dead and not know it. The node says so itself.
    Woke,
    /// The daemon stops: say good-bye. The node says so itself.
    Stop,
}

/// What a client wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RoomCommand {
    /// Make a room.
    Make(NewRoom),
    /// Become a member of one.
    Join {
        /// The way to it.
        invite: RoomInvite,
        /// What we would like to be called.
        nick: Option<Nick>,
        /// A few words to the owner.
        text: BoundedText<{ torchat_protocol::limits::REQUEST_TEXT_BYTES }>,
        /// How many events we want at most; `None`: all that a newcomer gets.
        want: Option<u32>,
        /// The key that the program gave its wish: the same key again is the same room.
        client: Option<String>,
    },
    /// Something in a room that we have.
    In {
        /// The room.
        room: RoomId,
        /// What.
        wish: RoomWish,
    },
}

/// A room to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRoom {
    /// Its name.
    pub name: BoundedText<NAME_BYTES>,
    /// Its topic.
    pub topic: BoundedText<TOPIC_BYTES>,
    /// Its rules.
    pub policy: Policy,
    /// What we would like to be called.
    pub nick: Option<Nick>,
    /// The key that the program gave its wish: the same key again is the same room.
    pub client: Option<String>,
}

/// Something that a client wants in a room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RoomWish {
    /// Say a text.
    Say {
        /// The text.
        text: BoundedText<TEXT_BYTES>,
        /// The text that it answers.
        re: Option<Ref>,
        /// Whom it mentions.
        to: Vec<MemberNo>,
        /// The key that the program gave it.
        client: Option<String>,
        /// It is taken back if it is no event after so many milliseconds.
        expire_ms: Option<i64>,
    },
    /// Take back a text that is no event yet.
    TakeBack(TextId),
    /// Say a text of ours otherwise.
    Edit {
        /// Which.
        of: Ref,
        /// The new text.
        text: BoundedText<TEXT_BYTES>,
    },
    /// React to a text.
    React {
        /// Which.
        of: Ref,
        /// How; empty: not any more.
        sign: BoundedText<SIGN_BYTES>,
    },
    /// Take away a text or an edit: one event for each.
    Redact {
        /// Which: all events that say it, as far as they are here. Each is named once.
        of: Vec<Ref>,
        /// Why.
        why: Option<BoundedText<REASON_BYTES>>,
    },
    /// Change the topic, as a moderator.
    Topic(BoundedText<TOPIC_BYTES>),
    /// Be called otherwise.
    Nick(Nick),
    /// Hide what a member says from now on.
    Mute {
        /// Who.
        who: MemberNo,
        /// Why.
        why: Option<BoundedText<REASON_BYTES>>,
    },
    /// Call the room otherwise, here only; `None`: as its owner does.
    Alias(Option<BoundedText<NAME_BYTES>>),
    /// Of which texts the user is told.
    Notify(Notify),
    /// End all mutes of a member.
    Unmute(MemberNo),
    /// Leave the room.
    Leave,
    /// Make an invite.
    Invite(NewInvite),
    /// An invite is good for nothing any more.
    Uninvite(InviteId),
    /// Do not admit somebody who asks.
    Deny(Identity),
    /// Invites let somebody in again.
    Pardon(Identity),
    /// Propose to hand the room over.
    Hand(MemberNo),
    /// Take the room that the owner wants to hand over to us.
    Take,
    /// Something that the owner decides.
    Act {
        /// What.
        act: RoomAct,
        /// At once, although no other member was reached in this run of the daemon.
        force: bool,
    },
}

/// An invite to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewInvite {
    /// As what it lets in.
    pub role: Role,
    /// How often: 1 to 1,000; `None`: without end.
    pub uses: Option<u32>,
    /// For how many hours: 1 to 2,160.
    pub hours: u32,
    /// Whom; `None`: anybody.
    pub whom: Option<PeerId>,
    /// The user's words about it.
    pub note: Option<String>,
}

/// Something that only the owner decides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RoomAct {
    /// Make somebody who asks a member.
    Admit {
        /// Who.
        id: Identity,
        /// As what; `None`: as the room's rules say.
        role: Option<Role>,
    },
    /// Give a member another role.
    Role {
        /// Who.
        member: MemberNo,
        /// Which; not that of the owner.
        role: Role,
    },
    /// Remove a member.
    Remove {
        /// Who.
        member: MemberNo,
        /// No invite lets them in again.
        ban: bool,
    },
    /// Change name, topic or rules.
    Set(Set),
    /// Settle two branches of our own acts.
    Settle,
    /// End the room.
    Destroy(Option<BoundedText<REASON_BYTES>>),
}
