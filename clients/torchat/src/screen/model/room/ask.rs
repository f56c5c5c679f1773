//! What the screen asks of rooms, and what it is answered.

use torchat_client::api::command::{GivenNotify, GivenRole};
use torchat_client::api::record::{Member, Petition, Room};
use torchat_client::api::{ConversationId, Onion};
use torchat_client::timeline::Ticket;
use torchat_client::timeline::room::MembersRequest;

/// A question about rooms, or a wish.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum RoomAsk {
    Petitions(Ticket),
    Members(ConversationId, MembersRequest),
    New {
        name: String,
        topic: String,
        /// The same again is the same room.
        key: String,
    },
    Join {
        invite: String,
        text: String,
    },
    In(ConversationId, RoomWish),
}

/// Something that is wanted in a room.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum RoomWish {
    Leave {
        forget: bool,
    },
    Topic(String),
    /// The user's own name for it.
    Alias(String),
    /// What the user is called in it.
    Nick(String),
    Notify(GivenNotify),
    /// `whom`: it is sent to this contact, who alone can use it.
    Invite {
        uses: u32,
        role: Option<GivenRole>,
        whom: Option<Onion>,
    },
    Admit {
        petition: Onion,
        yes: bool,
        role: Option<GivenRole>,
    },
    Role(u32, GivenRole),
    Remove(u32),
    /// The same, and an invite lets them in again.
    RemoveForNow(u32),
    /// Invites work again for somebody who was removed.
    Pardon(Onion),
    Mute(u32, Option<String>),
    Unmute(u32),
    /// Of a message, by its number in the daemon.
    Edit(i64, String),
    React(i64, String),
    Redact(i64, Option<String>),
    Transfer(u32),
    Take,
    Settle,
    /// With its name once more.
    Destroy(String),
    /// A decision of the owner, without another member.
    Forced(Box<RoomWish>),
}

/// What is answered.
#[derive(Debug)]
pub(crate) enum RoomAnswer {
    Petitions(Vec<Petition>),
    Members(Vec<Member>),
    /// A room as it is now.
    Room(Box<Room>),
    Invite(String),
    /// How many decisions do not hold any more.
    Settled(u64),
    Done,
}

/// What is done only after a question.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Question {
    /// Harmless.
    pub(crate) text: String,
    pub(crate) keys: &'static str,
    pub(crate) ask: RoomAsk,
}
