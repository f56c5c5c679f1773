//! Commands about rooms: to make one, join, write and moderate. Messages of rooms are read by the same commands as those of
//! peers.

use super::Nothing;
use crate::control::api::record::{Member, OutstandingInvite, Petition, Room};
use crate::control::api::{ConversationId, Onion, Right};
use crate::room::InviteId;
use serde::{Deserialize, Serialize};

commands! {
    /// The rooms that we are in, want to be in, or were in.
    Rooms "ROOMS" Some(Right::Read) => RoomsAnswer;
    /// One room.
    OneRoom "ROOM" Some(Right::Read) => RoomAnswer;
    /// The members of a room by their numbers, those who left or were removed included.
    RoomMembers "ROOM_MEMBERS" Some(Right::Read) => RoomMembersAnswer;
    /// Those who ask to become members of rooms that are ours, oldest first.
    RoomPetitions "ROOM_PETITIONS" Some(Right::Read) => RoomPetitionsAnswer;
    /// Changes the text of a message of ours in a room. Members that run no daemon now see it later; they may have seen the old
    /// text.
    Edit "EDIT" Some(Right::Send) => Nothing;
    /// Reacts to a message of a room with a sign, or takes the reaction back.
    React "REACT" Some(Right::Send) => Nothing;
    /// Takes the text of a message in a room away, at all members. Those who have read or copied it may still have it. Messages of
    /// others need the role of a moderator.
    Redact "REDACT" Some(Right::Send) => Nothing;
    /// Makes a room, whose owner we are.
    RoomNew "ROOM_NEW" Some(Right::Rooms) => RoomAnswer;
    /// Asks to become a member of a room. Answers when that is durable here; the event `room` tells when we are one.
    RoomJoin "ROOM_JOIN" Some(Right::Rooms) => RoomAnswer;
    /// Leaves a room. The daemon tells the members as soon as it reaches one; the history stays. An owner cannot leave:
    /// ROOM_TRANSFER or ROOM_DESTROY come first.
    RoomLeave "ROOM_LEAVE" Some(Right::Rooms) => Nothing;
    /// Makes an invite to a room of ours. Those who show it, in time, become members at once. Its secret is shown once.
    RoomInvite "ROOM_INVITE" Some(Right::Rooms) => RoomInviteAnswer;
    /// The invites to a room of ours that are still good, without their secrets.
    RoomInvites "ROOM_INVITES" Some(Right::Rooms) => RoomInvitesAnswer;
    /// Makes an invite worthless.
    RoomUninvite "ROOM_UNINVITE" Some(Right::Rooms) => Nothing;
    /// Decides about somebody who asks to become a member.
    RoomAdmit "ROOM_ADMIT" Some(Right::Rooms) => Nothing;
    /// Gives a member another role.
    RoomRole "ROOM_ROLE" Some(Right::Rooms) => Nothing;
    /// Removes a member. What they write later never counts.
    RoomRemove "ROOM_REMOVE" Some(Right::Rooms) => Nothing;
    /// Lets invites work again for somebody whom ROOM_REMOVE has shut out.
    RoomPardon "ROOM_PARDON" Some(Right::Rooms) => Nothing;
    /// Hides what a member says from now on. Needs the role of a moderator; moderators and the owner cannot be muted.
    RoomMute "ROOM_MUTE" Some(Right::Rooms) => Nothing;
    /// Ends all mutes of a member. What they said while they were muted stays hidden.
    RoomUnmute "ROOM_UNMUTE" Some(Right::Rooms) => Nothing;
    /// Changes a room. Its name and rules are the owner's, the topic also the moderators'; alias, notifications and what we are
    /// called are ours.
    RoomSet "ROOM_SET" Some(Right::Rooms) => RoomAnswer;
    /// Hands a room over: the owner names the member, and that member takes it. Both must say so.
    RoomTransfer "ROOM_TRANSFER" Some(Right::Rooms) => Nothing;
    /// Settles it when our own daemon has made decisions that contradict each other, as after a restored backup.
    RoomSettle "ROOM_SETTLE" Some(Right::Rooms) => RoomSettleAnswer;
    /// Ends a room of ours. All members' daemons erase what they have of it, as far as they are honest.
    RoomDestroy "ROOM_DESTROY" Some(Right::Rooms) => Nothing;
}

records! {
    /// Parameters of ROOMS.
    #[derive(Default)]
    Rooms {}
    /// What ROOMS answers.
    RoomsAnswer {
        /// By their ids.
        rooms: Vec<Room>,
    }
    /// Parameters of ROOM.
    OneRoom {
        /// The room.
        peer: ConversationId,
    }
    /// An answer that is a room.
    RoomAnswer {
        /// The room as it is now.
        room: Room,
    }
    /// Parameters of ROOM_MEMBERS.
    RoomMembers {
        /// The room.
        peer: ConversationId,
        /// Members with numbers after this one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        after: Option<u32>,
        /// How many at most: 1 to 1,000; as many as fit into 1 MiB if absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        limit: Option<u32>,
    }
    /// What ROOM_MEMBERS answers.
    RoomMembersAnswer {
        /// By their numbers.
        members: Vec<Member>,
        /// There are more after the last one; absent: there are none.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        more: bool,
    }
    /// Parameters of ROOM_PETITIONS.
    #[derive(Default)]
    RoomPetitions {
        /// Of this room only.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        peer: Option<ConversationId>,
    }
    /// What ROOM_PETITIONS answers.
    RoomPetitionsAnswer {
        /// Oldest first.
        petitions: Vec<Petition>,
    }
    /// Parameters of EDIT.
    Edit {
        /// The room.
        peer: ConversationId,
        /// The message's number in this daemon.
        id: i64,
        /// The new text, at most 16,384 bytes.
        text: String,
    }
    /// Parameters of REACT.
    React {
        /// The room.
        peer: ConversationId,
        /// The message's number in this daemon.
        id: i64,
        /// The sign, at most 32 bytes; empty: the reaction is taken back.
        sign: String,
    }
    /// Parameters of REDACT.
    Redact {
        /// The room.
        peer: ConversationId,
        /// The message's number in this daemon.
        id: i64,
        /// Why, at most 200 bytes. All members can read it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        why: Option<String>,
    }
    /// Parameters of ROOM_NEW.
    RoomNew {
        /// Its name, 1 to 64 bytes.
        name: String,
        /// What it is about, at most 500 bytes.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        topic: String,
        /// Its rules, where they are not the usual ones.
        #[serde(default, deserialize_with = "crate::control::api::object")]
        policy: PolicyParts,
        /// What we are called in it; absent: nothing, so the members see our onion.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        nick: Option<String>,
        /// A key that the program chooses, 1 to 64 bytes, not beginning with `token:` or `uid:`: the same key again is the same
        /// room, as long as the daemon has it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        client_id: Option<String>,
    }
    /// Rules of a room, as far as they are to be set.
    #[derive(Default)]
    PolicyParts {
        /// The role of those whom the owner admits without saying which: `member` (the usual one) or `reader`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        joins: Option<GivenRole>,
        /// How many events of the room a newcomer gets: about as many messages. Usually 1,000; 9,007,199,254,740,991: all.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        history: Option<u64>,
        /// For how many days the members' daemons keep what is said, from its arrival at each: 1 to 36,500, or 0 for as long as their
        /// users want. A daemon that is not honest keeps it all the same.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        keep_days: Option<u64>,
    }
    /// Parameters of ROOM_JOIN.
    RoomJoin {
        /// `torchat-room:...`. Without a secret (`&i=...`) the owner decides.
        invite: String,
        /// What to say to the owner, at most 500 bytes.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        text: String,
        /// How many events of the room we want at most, 0 to 4,294,967,294; absent: all that a newcomer gets.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        want: Option<u32>,
        /// What we would like to be called in it; absent: nothing.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        nick: Option<String>,
        /// A key as in ROOM_NEW: the same key again is the same room, and joins nothing anew.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        client_id: Option<String>,
    }
    /// Parameters of ROOM_LEAVE.
    RoomLeave {
        /// The room.
        peer: ConversationId,
        /// True: its messages are erased here too, as ERASE does.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        forget: bool,
    }
    /// Parameters of ROOM_INVITE.
    RoomInvite {
        /// The room.
        peer: ConversationId,
        /// The role that it gives: `reader`, `member` or `moderator`; `member` if absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        role: Option<GivenRole>,
        /// How often it can be used: 1 to 1,000, or 0 for without end; 1 if absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        uses: Option<u32>,
        /// How long it is valid: 1 to 2,160 hours; 168 if absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        hours: Option<u32>,
        /// Only this one can use it; absent: anybody who has it.
        #[serde(default, rename = "for", skip_serializing_if = "Option::is_none")]
        whom: Option<Onion>,
        /// With `for`: the daemon sends it to them as a message. That needs the right `send` too.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        send: bool,
        /// The user's words about it, at most 200 bytes. They never leave this daemon.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        note: Option<String>,
    }
    /// What ROOM_INVITE answers.
    RoomInviteAnswer {
        /// `torchat-room:<room>?d=<onion>&i=<id and secret>`. The daemon shows it here and does not store it.
        invite: String,
        /// Names it in ROOM_INVITES and ROOM_UNINVITE.
        id: InviteId,
    }
    /// Parameters of ROOM_INVITES.
    RoomInvites {
        /// The room.
        peer: ConversationId,
    }
    /// What ROOM_INVITES answers.
    RoomInvitesAnswer {
        /// The one that ends first comes first.
        invites: Vec<OutstandingInvite>,
    }
    /// Parameters of ROOM_UNINVITE.
    RoomUninvite {
        /// The room.
        peer: ConversationId,
        /// The invite.
        id: InviteId,
    }
    /// Parameters of ROOM_ADMIT.
    RoomAdmit {
        /// The room.
        peer: ConversationId,
        /// Who asks.
        petition: Onion,
        /// True: they become a member. False: they are not shown again, and are not told.
        yes: bool,
        /// As what; absent: as the room's rules say.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        role: Option<GivenRole>,
        /// At once, although no other member was reached since the daemon started, and what waits before it too. Only if you are sure
        /// that nothing was decided in another copy of this daemon's store.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        force: bool,
        /// For how many seconds to wait for another member, 1 to 3,600; 120 if absent. Then the answer is `decision-waits`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        timeout: Option<u64>,
    }
    /// Parameters of ROOM_ROLE.
    RoomRole {
        /// The room.
        peer: ConversationId,
        /// The member's number.
        member: u32,
        /// `reader`, `member` or `moderator`.
        role: GivenRole,
        /// As in ROOM_ADMIT.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        force: bool,
        /// As in ROOM_ADMIT.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        timeout: Option<u64>,
    }
    /// Parameters of ROOM_REMOVE.
    RoomRemove {
        /// The room.
        peer: ConversationId,
        /// The member's number.
        member: u32,
        /// No invite lets them in again until ROOM_PARDON; true if absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        ban: Option<bool>,
        /// As in ROOM_ADMIT.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        force: bool,
        /// As in ROOM_ADMIT.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        timeout: Option<u64>,
    }
    /// Parameters of ROOM_PARDON.
    RoomPardon {
        /// The room.
        peer: ConversationId,
        /// Who was removed.
        onion: Onion,
    }
    /// Parameters of ROOM_MUTE.
    RoomMute {
        /// The room.
        peer: ConversationId,
        /// The member's number.
        member: u32,
        /// Why, at most 200 bytes. All members can read it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        why: Option<String>,
    }
    /// Parameters of ROOM_UNMUTE.
    RoomUnmute {
        /// The room.
        peer: ConversationId,
        /// The member's number.
        member: u32,
    }
    /// Parameters of ROOM_SET. What is absent stays.
    RoomSet {
        /// The room.
        peer: ConversationId,
        /// Its name, 1 to 64 bytes.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        name: Option<String>,
        /// What it is about, at most 500 bytes.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        topic: Option<String>,
        /// Its rules.
        #[serde(
            default,
            deserialize_with = "crate::control::api::optional_object",
            skip_serializing_if = "Option::is_none"
        )]
        policy: Option<PolicyParts>,
        /// The user's own name for it, at most 64 bytes; empty: none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        alias: Option<String>,
        /// Which messages programs should notify the user of.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        notify: Option<GivenNotify>,
        /// What we are called in it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        nick: Option<String>,
        /// As in ROOM_ADMIT.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        force: bool,
        /// As in ROOM_ADMIT.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        timeout: Option<u64>,
    }
    /// Parameters of ROOM_TRANSFER.
    RoomTransfer {
        /// The room.
        peer: ConversationId,
        /// As the owner: the number of the member who is to own it. They must take it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        member: Option<u32>,
        /// As that member: true. Not together with `member`.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        take: bool,
    }
    /// Parameters of ROOM_SETTLE.
    RoomSettle {
        /// The room.
        peer: ConversationId,
        /// As in ROOM_ADMIT.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        force: bool,
        /// As in ROOM_ADMIT.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        timeout: Option<u64>,
    }
    /// What ROOM_SETTLE answers.
    RoomSettleAnswer {
        /// How many decisions of ours do not hold any more.
        lost: u64,
    }
    /// Parameters of ROOM_DESTROY.
    RoomDestroy {
        /// The room.
        peer: ConversationId,
        /// Its name once more, or its alias, so that nobody ends the wrong one.
        name: String,
        /// Why, at most 200 bytes. All members can read it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        why: Option<String>,
        /// As in ROOM_ADMIT.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        force: bool,
        /// As in ROOM_ADMIT.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        timeout: Option<u64>,
    }
}

/// A role that can be given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum GivenRole {
    /// Reads.
    Reader,
    /// Writes.
    Member,
    /// Mutes members, and redacts what they say.
    Moderator,
}

/// Which messages of a room programs should notify the user of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum GivenNotify {
    /// All.
    All,
    /// Those that mention the user.
    Mentions,
    /// None.
    None,
}
