//! The parameters of the commands that are about rooms.

use super::messages::WaitFor;
use super::number;
use clap::{Args, Subcommand, ValueEnum};
use std::path::PathBuf;

/// Rooms, or something in one of them.
#[derive(Debug, Args)]
#[command(subcommand_value_name = "ACTION", after_help = AFTER)]
pub(crate) struct Room {
    #[command(subcommand)]
    pub(crate) action: Option<RoomAction>,
}

/// What stands below the actions.
const AFTER: &str = "ROOM is #ALIAS, #NAME if it is the only one, the room's id, or its first characters (at least 4). Quote it: \
    '#lab'. MEMBER is a name if only one member has it, no:NUMBER, or an onion. MESSAGE is the number of a message, which room tail \
    --numbers prints, or last.";

/// Something about rooms, or in one of them.
#[derive(Debug, Subcommand)]
pub(crate) enum RoomAction {
    /// Print your rooms; the same as no action
    List,
    /// Print what is known about one of them
    Show {
        /// The room
        room: String,
    },
    /// Print who is in a room
    Members {
        /// The room
        room: String,
        /// Those, too, who have left or were removed
        #[arg(short, long)]
        all: bool,
    },
    /// Print the invites of a room that are outstanding
    Invites {
        /// The room
        room: String,
    },
    /// Print who asks to become a member
    Petitions {
        /// In this room only
        room: Option<String>,
    },
    /// Make a room, which you own
    New(NewRoom),
    /// Make an invite: the first people who use it in time become members at once
    Invite(RoomInvite),
    /// End an invite
    Uninvite {
        /// The room
        room: String,
        /// The invite, as `room invites` prints it
        invite: String,
    },
    /// Become a member; returns when the owner's daemon has let you in
    Join(JoinRoom),
    /// Leave a room; what was said stays here
    Leave {
        /// The room
        room: String,
        /// Erase what was said here, too
        #[arg(long)]
        forget: bool,
    },
    /// Say a text in a room
    Say(Say),
    /// Print the last messages of a room, and what comes
    Tail(TailRoom),
    /// Give a member another role
    Role {
        /// The room
        room: String,
        /// The member
        member: String,
        /// The role
        #[arg(value_enum)]
        role: MemberRole,
        #[command(flatten)]
        now: Now,
    },
    /// Remove a member
    Remove {
        /// The room
        room: String,
        /// The member
        member: String,
        /// An invite lets them in again
        #[arg(long)]
        may_return: bool,
        #[command(flatten)]
        now: Now,
    },
    /// Hide what a member says from now on
    Mute {
        /// The room
        room: String,
        /// The member
        member: String,
        /// A reason, which all members read
        #[arg(long, value_name = "TEXT")]
        why: Option<String>,
    },
    /// End the mutes of a member
    Unmute {
        /// The room
        room: String,
        /// The member
        member: String,
    },
    /// Take a message away from everybody: one of your own, or as a moderator any
    Redact {
        /// The room
        room: String,
        /// The message; last: your own last one
        message: String,
        /// A reason, which all members read
        #[arg(long, value_name = "TEXT")]
        why: Option<String>,
    },
    /// Change a message of yours
    Edit {
        /// The room
        room: String,
        /// The message; last: your own last one
        message: String,
        /// The new text; - or nothing: read it from standard input, which nobody else can see; after --, a - is a text
        text: Option<String>,
    },
    /// React to a message
    React {
        /// The room
        room: String,
        /// The message; last: the last one
        message: String,
        /// How, for example 👍; an empty sign takes yours back
        sign: String,
    },
    /// Change the topic, as the owner or a moderator
    Topic {
        /// The room
        room: String,
        /// The topic; an empty one removes it
        topic: String,
    },
    /// Change what a room is called, here or for all, and its rules
    Set(SetRoom),
    /// Let somebody in who asks
    Admit {
        /// The room
        room: String,
        /// Their onion, or its first characters (at least 4)
        who: String,
        /// As what [default: as the room's rules say]
        #[arg(long, value_enum)]
        role: Option<MemberRole>,
        #[command(flatten)]
        now: Now,
    },
    /// Do not let somebody in who asks; they are not told
    Deny {
        /// The room
        room: String,
        /// Their onion, or its first characters (at least 4)
        who: String,
    },
    /// Let invites work again for somebody who was removed
    Pardon {
        /// The room
        room: String,
        /// The member, as `room members --all` prints them
        member: String,
    },
    /// Hand the room over to a member, who must take it
    Transfer {
        /// The room
        room: String,
        /// The member
        member: String,
    },
    /// Take a room that its owner hands over to you
    Take {
        /// The room
        room: String,
    },
    /// Say which of two contradicting lists of your decisions holds, after a backup was restored
    Settle {
        /// The room
        room: String,
        #[command(flatten)]
        now: Now,
    },
    /// End a room for everybody, and erase it
    Destroy {
        /// The room
        room: String,
        /// Its name once more: nothing brings it back
        name: String,
        /// A reason, which all members read
        #[arg(long, value_name = "TEXT")]
        why: Option<String>,
        #[command(flatten)]
        now: Now,
    },
}

/// Whether to wait for another member's daemon, and for how long.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct Now {
    /// Do not wait until your daemon has met another member's: if its store is a restored backup, it may contradict itself
    #[arg(long)]
    pub(crate) force: bool,
    /// How long to wait for another member; then the decision waits in the daemon, and the command ends with 5
    #[arg(long, value_name = "SECONDS", default_value_t = 120, value_parser = number::between(1, 3600))]
    pub(crate) wait: u64,
}

/// A room to be made.
#[derive(Debug, Args)]
pub(crate) struct NewRoom {
    /// Its name, without #
    pub(crate) name: String,
    /// What it is about
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub(crate) topic: String,
    /// What you want to be called in it
    #[arg(long, value_name = "NAME")]
    pub(crate) nick: Option<String>,
    /// How many of the last messages and decisions newcomers get [default: 1000]
    #[arg(long, value_name = "N|all", value_parser = last)]
    pub(crate) last: Option<u64>,
    /// For how many days all members' daemons keep what is said [default: no end]
    #[arg(long, value_name = "DAYS|all", value_parser = keep_days)]
    pub(crate) keep_days: Option<u64>,
    /// What those become who join
    #[arg(long, value_enum)]
    pub(crate) joins: Option<Joining>,
    /// A key that you choose: the same key within 30 days means the same room
    #[arg(long, value_name = "KEY")]
    pub(crate) id: Option<String>,
}

/// An invite to be made.
#[derive(Debug, Args)]
pub(crate) struct RoomInvite {
    /// The room
    pub(crate) room: String,
    /// What those become who use it [default: member]
    #[arg(long, value_enum)]
    pub(crate) role: Option<MemberRole>,
    /// For how many people; 0: without end
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = number::whole::<u32>)]
    pub(crate) uses: u32,
    /// How long it is valid
    #[arg(long, value_name = "HOURS", default_value_t = 168, value_parser = number::whole::<u32>)]
    pub(crate) hours: u32,
    /// Good for this contact, or this onion, only
    #[arg(long = "for", value_name = "PEER")]
    pub(crate) peer: Option<String>,
    /// Send it to that contact as a message
    #[arg(long, requires = "peer")]
    pub(crate) send: bool,
    /// What it is for; `room invites` prints it
    #[arg(long, value_name = "TEXT")]
    pub(crate) note: Option<String>,
}

/// How to become a member.
#[derive(Debug, Args)]
pub(crate) struct JoinRoom {
    /// The invite (torchat-room:...); -: the first line of standard input
    #[arg(required_unless_present = "invite_file")]
    pub(crate) invite: Option<String>,
    /// A few words to the owner, at most 500 bytes
    pub(crate) words: Option<String>,
    /// The file with the invite, instead of INVITE
    #[arg(long, value_name = "FILE")]
    pub(crate) invite_file: Option<PathBuf>,
    /// What you want to be called in it
    #[arg(long, value_name = "NAME")]
    pub(crate) nick: Option<String>,
    /// How many of the last messages and decisions to get at most [default: as the room's rules say]
    #[arg(long, value_name = "N", value_parser = number::whole::<u32>)]
    pub(crate) last: Option<u32>,
    /// How long to wait until you are a member; then the daemon goes on asking, and the command ends with 5
    #[arg(long, value_name = "SECONDS", default_value_t = 120, value_parser = number::between(0, 3600))]
    pub(crate) wait: u64,
}

/// What to say, and where.
#[derive(Debug, Args)]
pub(crate) struct Say {
    /// The room
    pub(crate) room: String,
    /// The text; - or nothing: read it from standard input, which nobody else can see; after --, a - is a text
    pub(crate) text: Option<String>,
    /// Return only when another member's daemon has it, not just yours
    #[arg(long, value_enum)]
    pub(crate) wait: Option<WaitFor>,
    /// How long to wait for that
    #[arg(long, value_name = "SECONDS", requires = "wait", default_value_t = 120,
        value_parser = number::between(1, 3600))]
    pub(crate) timeout: u64,
    /// Give up if it was not said to anybody within this number of seconds
    #[arg(long, value_name = "SECONDS", value_parser = number::whole::<u64>)]
    pub(crate) expire: Option<u64>,
    /// A key that you choose: the same key within 30 days means the same message, which is not said twice
    #[arg(long, value_name = "KEY")]
    pub(crate) id: Option<String>,
    /// Say nothing if the same message was said before under this --id
    #[arg(short, long, requires = "id")]
    pub(crate) quiet: bool,
    /// Answer this message: its number, or last
    #[arg(long, value_name = "MESSAGE")]
    pub(crate) re: Option<String>,
    /// Mention this member; may be given several times
    #[arg(long, value_name = "MEMBER")]
    pub(crate) to: Vec<String>,
}

/// What to print of a room.
#[derive(Debug, Args)]
pub(crate) struct TailRoom {
    /// The room
    pub(crate) room: String,
    /// How many of the last messages
    #[arg(short = 'n', long, value_name = "N", default_value_t = 10, value_parser = number::whole::<u64>,
        conflicts_with = "consumer")]
    pub(crate) count: u64,
    /// The daemon remembers under this name how far you have read; printed messages never come again
    #[arg(short, long, value_name = "NAME")]
    pub(crate) consumer: Option<String>,
    /// End after the last message that there is now
    #[arg(long)]
    pub(crate) no_follow: bool,
    /// Print the number of each message, for edit, redact, react and --re
    #[arg(long)]
    pub(crate) numbers: bool,
}

/// What to change of a room.
#[derive(Debug, Args)]
#[group(skip)]
#[command(group = clap::ArgGroup::new("changes").required(true).multiple(true)
    .args(["alias", "nick", "notify", "name", "last", "keep_days", "joins"]))]
pub(crate) struct SetRoom {
    /// The room
    pub(crate) room: String,
    /// Your name for the room, here only; an empty one removes it
    #[arg(long, value_name = "NAME")]
    pub(crate) alias: Option<String>,
    /// What you want to be called in it
    #[arg(long, value_name = "NAME")]
    pub(crate) nick: Option<String>,
    /// Of which messages programs tell you, here only
    #[arg(long, value_enum)]
    pub(crate) notify: Option<Notify>,
    /// Its name for all, as the owner
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// How many of the last messages and decisions newcomers get, as the owner
    #[arg(long, value_name = "N|all", value_parser = last)]
    pub(crate) last: Option<u64>,
    /// For how many days all members' daemons keep what is said, as the owner
    #[arg(long, value_name = "DAYS|all", value_parser = keep_days)]
    pub(crate) keep_days: Option<u64>,
    /// What those become who join, as the owner
    #[arg(long, value_enum)]
    pub(crate) joins: Option<Joining>,
    #[command(flatten)]
    pub(crate) now: Now,
}

/// The roles that somebody can be given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum MemberRole {
    /// Reads, writes, mutes, redacts, and changes the topic
    Moderator,
    /// Reads and writes
    Member,
    /// Reads
    Reader,
}

/// What those become who join.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Joining {
    /// They read and write
    Member,
    /// They read
    Reader,
}

/// Of which messages of a room programs tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Notify {
    /// Of all
    All,
    /// Of those that mention you
    Mentions,
    /// Of none
    None,
}

/// How many events newcomers get. `all` is the largest number that a room can hold.
fn last(word: &str) -> Result<u64, String> {
    match (word, word.parse()) {
        ("all", _) => Ok(torchat_protocol::room::limits::MAX_NUMBER),
        (_, Ok(number)) => Ok(number),
        (_, Err(_)) => Err("it must be a whole number, or all".to_owned()),
    }
}

/// For how many days a room keeps what is said. `all` is no end.
fn keep_days(word: &str) -> Result<u64, String> {
    match (word, word.parse()) {
        ("all", _) => Ok(0),
        (_, Ok(days)) if days > 0 => Ok(days),
        _ => Err("it must be a whole number of days from 1 on, or all".to_owned()),
    }
}
