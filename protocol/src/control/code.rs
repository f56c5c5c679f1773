//! Every code with which something is refused, in one table: its text on the wire, what it means, whose fault it is,
//! whether trying again helps, and what its parameters are.
//!
//! The daemon, the Rust client and the shell use [`Code`]; the schema, the documentation and the Python module are made
//! of the same table (`cargo xtask schema`). A code's text never changes, and never changes its meaning.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;

/// Whose fault a refusal is: who can do something about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Fault {
    /// The program that asked: the request is wrong, or does not fit what was said before.
    Program,
    /// The user, or who runs the daemon: something must be decided, allowed or removed first.
    User,
    /// The peer or the network.
    Peer,
    /// The daemon, its disk, or the way to it.
    Daemon,
}

/// Whether the same request may succeed later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Again {
    /// No: the same request is refused again, or must not be repeated.
    Never,
    /// After something has been done or has changed: the hint says what.
    AfterChange,
    /// Yes, without anybody's doing: repeat it after a while.
    Later,
}

/// Who answers with a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// The daemon, in API 1 and in the classic contract.
    Daemon,
    /// The daemon, in API 1 only.
    Api,
    /// The daemon, in the classic contract only.
    Classic,
    /// Never the daemon: a client that could not ask it.
    Client,
}

/// A row of [`CODES`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CodeInfo {
    /// The code.
    pub code: Code,
    /// Its text on the wire.
    pub text: &'static str,
    /// Who answers with it.
    pub source: Source,
    /// Whose fault it is.
    pub fault: Fault,
    /// Whether trying again helps.
    pub again: Again,
    /// The names of its parameters, each with what it says. A parameter that is not known is left out.
    pub params: &'static [(&'static str, &'static str)],
    /// What it means.
    pub meaning: &'static str,
    /// What to do about it.
    pub hint: &'static str,
}

/// Makes the type and the table.
macro_rules! codes {
    ($($kind:ident $text:literal: $source:ident, $fault:ident, $again:ident,
        { $($param:literal: $about:literal),* }, $meaning:literal, $hint:literal;)+) => {
        /// Why something was refused.
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code {
            $(#[doc = $meaning] $kind,)+
            /// Only when reading: a code of a later version. It is kept as it came.
            Unknown(Box<str>),
        }

        /// All codes, in the order of the documentation.
        pub const CODES: &[CodeInfo] = &[$(CodeInfo {
            code: Code::$kind,
            text: $text,
            source: Source::$source,
            fault: Fault::$fault,
            again: Again::$again,
            params: &[$(($param, $about)),*],
            meaning: $meaning,
            hint: $hint,
        },)+];

        impl Code {
            /// Its text, as on the wire.
            #[must_use]
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$kind => $text,)+
                    Self::Unknown(text) => text,
                }
            }

            /// The code of a text, one of a later version among them.
            #[must_use]
            pub fn of(text: &str) -> Self {
                match text {
                    $($text => Self::$kind,)+
                    other => Self::Unknown(other.into()),
                }
            }
        }
    };
}

codes! {
    BadObject "bad-object": Daemon, Program, Never, {},
        "What was sent is not a JSON object with a `cmd`. The connection ends; nothing after it was executed.",
        "send one JSON object a line, in UTF-8, with \"cmd\"";
    UnknownCommand "unknown-command": Daemon, Program, Never, { "command": "Its name." },
        "There is no such command.",
        "HELLO lists the commands that you may use";
    BadRequest "bad-request": Api, Program, Never, {},
        "A parameter is missing, has a wrong form or value, or does not go with another one. The message says which.",
        "look at the command's parameters in docs/CONTROL-API.md";
    UnsupportedApi "unsupported-api": Daemon, Program, Never, { "api": "The version that the daemon speaks." },
        "HELLO names a version of the API that this daemon does not speak.",
        "say \"api\":1";
    NotAuthenticated "not-authenticated": Daemon, Program, Never, {},
        "This connection has not proven a token that is valid now. The connection ends.",
        "HELLO with \"token\" and \"nonce\", then AUTH: see \"Tokens\" in docs/CONTROL-API.md";
    NotAllowed "not-allowed": Daemon, User, AfterChange,
        { "right": "The right that is missing.", "peer": "The conversation that it may not see." },
        "This connection may not do this, or not with this peer.",
        "HELLO tells what it may do; the user who runs the daemon can make a token with other rights";
    Unavailable "unavailable": Api, User, AfterChange, {},
        "This daemon runs without the part that the command needs.",
        "ask the user who runs the daemon";
    UnknownConsumer "unknown-consumer": Api, Program, Never, {},
        "There is no consumer of this name.",
        "CURSORS lists them";
    UnknownSubscription "unknown-subscription": Api, Program, Never, {},
        "This connection has no subscription with this `ref`.",
        "name the \"ref\" of the SUBSCRIBE in \"sub\"";
    UnknownToken "unknown-token": Api, Program, Never, {},
        "There is no token of this name.",
        "TOKEN with \"action\":\"list\" lists them";
    TokenExists "token-exists": Api, User, AfterChange, {},
        "A token of this name exists already.",
        "revoke it first, or choose another name";
    TooManyTokens "too-many-tokens": Api, User, AfterChange, { "limit": "How many there may be." },
        "There are already as many tokens as the daemon keeps.",
        "revoke those that are no longer used";
    AlreadySubscribed "already-subscribed": Api, Program, Never, {},
        "A subscription of this connection has the same `ref`.",
        "give every SUBSCRIBE a different \"ref\"";
    TooManySubscriptions "too-many-subscriptions": Api, Program, AfterChange, { "limit": "How many there may be." },
        "This connection already has as many subscriptions as it may have.",
        "UNSUBSCRIBE one, or use another connection";
    TooManyConsumers "too-many-consumers": Api, User, AfterChange, { "limit": "How many there may be." },
        "There are already as many consumers as the daemon keeps.",
        "CURSORS with \"forget\" removes one that is no longer used";
    TakenOver "taken-over": Api, Program, Never, {},
        "Ends a subscription: the same consumer subscribed again, here or on another connection.",
        "run one program for each consumer, or give each a different name";
    NotDelivered "not-delivered": Daemon, Peer, Never,
        { "seconds": "How long it was waited for.", "reason": "Why, as a record Reason." },
        "The peer did not get the message in the time that SEND waited. With `queued` the daemon goes on trying.",
        "with \"queued\" do not send it again: its events and HISTORY tell what becomes of it";
    ToSelf "to-self": Daemon, Program, Never, {},
        "A message or a request to oneself.",
        "name another peer";
    TooLong "too-long": Daemon, Program, Never, { "bytes": "How long it is.", "limit": "How long it may be, in bytes." },
        "The text is too long.",
        "split it: HELLO tells the limit as text_bytes";
    ClientIdReused "client-id-reused": Api, Program, Never, {},
        "The same `client_id` was used for another text or another peer.",
        "use a new client_id for a new message";
    OutboxFull "outbox-full": Daemon, Peer, AfterChange, {},
        "Too many messages wait to be delivered.",
        "wait until some are delivered, or CANCEL some";
    NotPending "not-pending": Daemon, Program, Never, {},
        "No such message is waiting to be delivered.",
        "it is delivered, was taken back or was never sent here: HISTORY tells";
    NoContact "no-contact": Daemon, User, AfterChange, {},
        "The peer is not a contact.",
        "ADD it first";
    NoRequest "no-request": Daemon, User, AfterChange, {},
        "The peer has not asked to become a contact.",
        "REQUESTS lists who has; ADD them if you want to ask them";
    Blocked "blocked": Daemon, User, AfterChange, {},
        "The user blocked the peer.",
        "UNBLOCK it first";
    NotBlocked "not-blocked": Daemon, User, Never, {},
        "The peer is not blocked.",
        "CONTACTS lists who is";
    TooManyInvites "too-many-invites": Daemon, User, AfterChange, {},
        "Too many invites are outstanding.",
        "wait until some are used or have expired";
    IsRoom "is-room": Daemon, Program, Never, {},
        "What is named is a room, and the command is for persons.",
        "look at the commands for rooms in docs/CONTROL-API.md";
    NoRoom "no-room": Daemon, User, AfterChange, {},
        "There is no such room, or it is over for us.",
        "ROOMS lists the rooms";
    AlreadyJoined "already-joined": Daemon, User, Never, {},
        "We are in the room already, or have asked to become a member.",
        "ROOM tells how far we are";
    NotJoined "not-joined": Daemon, User, AfterChange, {},
        "We are not a member of the room, or not yet.",
        "ROOM tells how far we are; ROOM_JOIN with an invite asks to become a member";
    NoRole "no-role": Daemon, User, AfterChange, {},
        "Our role in the room does not allow it, or the other member's: moderators and the owner cannot be muted.",
        "ask the owner of the room: ROOM tells our role and who owns it";
    NoMember "no-member": Api, Program, AfterChange, {},
        "The room has no other member of this number, or they are not in it any more.",
        "ROOM_MEMBERS lists them";
    NotMuted "not-muted": Api, User, Never, {},
        "The member is not muted.",
        "ROOM_MEMBERS tells who is";
    NoMessage "no-message": Api, Program, Never, {},
        "The room has no such message, or it is none of a member that is published.",
        "HISTORY lists the messages; what is not published yet, CANCEL takes back";
    NoPetition "no-petition": Api, User, AfterChange, {},
        "Nobody with this onion asks to become a member of the room.",
        "ROOM_PETITIONS lists who does";
    NoInvite "no-invite": Api, User, Never, {},
        "The room has no such invite: it was used up, was taken back or has expired.",
        "ROOM_INVITES lists those that are good";
    NoHandover "no-handover": Api, User, AfterChange, {},
        "The owner does not want to hand the room over to us.",
        "the owner says ROOM_TRANSFER with our number first: ROOM tells under handover";
    NotFrozen "not-frozen": Api, User, Never, {},
        "There is nothing to settle in the room.",
        "ROOM tells under frozen whether there is";
    RoomFrozen "room-frozen": Api, User, AfterChange, {},
        "The owner's daemon has made decisions that contradict each other, so no further ones are taken.",
        "the owner settles it with ROOM_SETTLE; messages, mutes and redactions go on";
    NeedsHosts "needs-hosts": Api, User, AfterChange, { "limit": "How many members such a room may have." },
        "A room whose members link with each other is full.",
        "remove somebody, or make another room";
    NeedsQuorum "needs-quorum": Api, Peer, Later, {},
        "Too many decisions wait until another member is reached.",
        "wait until another member is online; \"force\" decides at once, if no other copy of this daemon's store can exist";
    DecisionWaits "decision-waits": Api, Peer, Never, { "seconds": "How long it was waited for." },
        "No other member was reached in the time that the command waited. The decision waits in the daemon, and is forgotten if the daemon ends before.",
        "do not repeat it: it is done when another member is online, and the events room and member tell; \"force\" decides at once, and what waits before";
    NotCaughtUp "not-caught-up": Api, Peer, Later, {},
        "No other member was reached since the daemon started, so it does not know yet what was said meanwhile.",
        "repeat it when another member is online: ROOM tells under linked";
    NoChain "no-chain": Api, User, AfterChange, {},
        "Too many backups of this daemon were restored: it cannot write in the room under this number any more.",
        "leave the room and join it again";
    OwnerLeaves "owner-leaves": Daemon, User, AfterChange, {},
        "The owner of a room can neither leave it nor have another role.",
        "hand it over with ROOM_TRANSFER, or end it with ROOM_DESTROY";
    TooManyRooms "too-many-rooms": Daemon, User, AfterChange, { "limit": "How many there may be." },
        "We are in as many rooms as the daemon keeps.",
        "leave one";
    Storage "storage": Daemon, Daemon, Later, {},
        "The disk or the store's limit is full. Nothing was stored.",
        "make room on the disk and try again";
    StorageLocked "storage-locked": Daemon, Daemon, Later, {},
        "Another program holds `torchat.db`. Nothing was stored.",
        "end the program that holds it (a backup, sqlite3) and try again";
    StorageDamaged "storage-damaged": Daemon, Daemon, AfterChange, {},
        "`torchat.db` is damaged. Nothing was stored.",
        "stop the daemon and restore torchat.db from a copy: see \"Copies of the store\" in docs/OPERATIONS.md";
    StorageFailing "storage-failing": Daemon, Daemon, AfterChange, {},
        "The disk with `torchat.db` reports errors. Nothing was stored.",
        "look at the system's log and at the disk; the daemon tries again by itself";
    StorageReadOnly "storage-read-only": Daemon, Daemon, AfterChange, {},
        "`torchat.db` cannot be written: the file, its directory or its disk is read-only. Nothing was stored.",
        "make it writable for the daemon's user";
    SearchDamaged "search-damaged": Api, Daemon, AfterChange, {},
        "The search index is damaged. The daemon rebuilds it from the messages, which are complete.",
        "search again later: STATUS tells under search";
    TracesLeft "traces-left": Api, Daemon, Later, {},
        "The messages are erased, but traces of their texts may still be in the files of the store.",
        "repeat ERASE in some seconds: it removes the traces, even if there is nothing left to erase";
    StorageUnsure "storage-unsure": Daemon, Daemon, Later, {},
        "The disk failed in the middle: the message may or may not be stored.",
        "look at HISTORY before you repeat it; with a client_id it can be repeated safely";
    Stopping "stopping": Daemon, Daemon, Later, {},
        "The daemon is stopping.",
        "connect again when it runs, and go on at the cursor";
    NotACommand "not-a-command": Classic, Program, Never, {},
        "The word belongs to another protocol, or is a reply.",
        "look at the commands in docs/CONTROL-API.md";
    BadOnion "bad-onion": Classic, Program, Never, {},
        "What is given as a peer is not an onion.",
        "copy the whole onion: 56 characters, with or without .onion";
    BadValue "bad-value": Classic, Program, Never, {},
        "A parameter has a wrong value. API 1 says `bad-request`.",
        "look at the command in docs/CONTROL-API.md";
    NotRunning "not-running": Client, Daemon, Later, {},
        "No daemon could be found, or none answers there.",
        "start torchatd";
    Lost "lost": Client, Daemon, Later, {},
        "The connection to the daemon broke.",
        "connect again; with a client_id a SEND can be repeated safely";
    Timeout "timeout": Client, Daemon, Later, {},
        "The daemon did not answer in time.",
        "try again";
    Impostor "impostor": Client, User, AfterChange, {},
        "The program that answers there is not the user's daemon, or cannot prove it.",
        "find out which program listens there, or use the daemon's socket";
    Protocol "protocol": Client, Daemon, AfterChange, {},
        "The client does not understand what the daemon said.",
        "use client and daemon of the same version";
    BadInput "bad-input": Client, Program, Never, {},
        "What the user typed cannot be used.",
        "the message says what is right";
    System "system": Client, Daemon, AfterChange, {},
        "The system refused something that the client needs.",
        "the message says what";
    Output "output": Client, Daemon, AfterChange, {},
        "The output could not be written.",
        "make room, or write elsewhere";
}

impl Code {
    /// Its row of the table. `None`: a code of a later version.
    #[must_use]
    pub fn info(&self) -> Option<&'static CodeInfo> {
        CODES.iter().find(|row| row.code == *self)
    }

    /// Its text where it is a code of this version, which is all that a daemon says.
    #[must_use]
    pub fn known_text(&self) -> &'static str {
        self.info().map_or("unknown", |row| row.text)
    }

    /// Whether the same request may succeed later without anybody's doing. Not of a code that is not known.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        self.info().is_some_and(|row| row.again == Again::Later)
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Compares with the text on the wire: for programs that take a code as a text, and for tests.
impl PartialEq<str> for Code {
    fn eq(&self, text: &str) -> bool {
        self.as_str() == text
    }
}

impl PartialEq<&str> for Code {
    fn eq(&self, text: &&str) -> bool {
        self.as_str() == *text
    }
}

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Code {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self::of(&text))
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for Code {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Code".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        // No list of values: a later version adds some, and a program must take them.
        schemars::json_schema!({
            "type": "string",
            "pattern": "^[a-z]+(-[a-z]+)*$",
            "description": "For programs; never changes its meaning. `codes` has those that are known; a program takes others as \
                            refusals that it does not know.",
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn every_code_stands_once_and_says_what_to_do() {
        for (n, row) in CODES.iter().enumerate() {
            assert!(CODES.iter().skip(n + 1).all(|other| other.text != row.text), "{}", row.text);
            assert!(row.meaning.ends_with('.') && !row.hint.ends_with('.') && !row.hint.is_empty(), "{}", row.text);
            assert!(row.text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-'), "{}", row.text);
            assert!(row.params.iter().all(|(_, about)| about.ends_with('.')), "{}", row.text);
            assert_eq!((row.code.as_str(), &Code::of(row.text)), (row.text, &row.code));
            assert_eq!(row.code.info(), Some(row));
        }
    }

    #[test]
    fn a_code_of_a_later_version_is_kept_as_it_came() {
        let code: Code = serde_json::from_str("\"home-away\"").unwrap();
        assert_eq!(code, Code::Unknown("home-away".into()));
        assert_eq!((serde_json::to_string(&code).unwrap().as_str(), code.info()), ("\"home-away\"", None));
        assert!(!code.is_passing());
    }

    #[test]
    fn what_passes_by_itself_is_told() {
        let passing: Vec<_> = CODES.iter().filter(|row| row.again == Again::Later).map(|row| row.text).collect();
        let daemon =
            ["needs-quorum", "not-caught-up", "storage", "storage-locked", "traces-left", "storage-unsure", "stopping"];
        assert_eq!(passing, [&daemon[..], &["not-running", "lost", "timeout"]].concat());
    }
}
