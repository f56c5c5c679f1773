//! The commands of API 1, in one table.

use super::event::{Event, Filter};
use super::record::{Contact, ContactRequest, Conversation, Cursor, Message, MessageState, OldMessage, Token};
use super::{Call, CommandInfo, Onion, Right};
use crate::id::MessageId;
use crate::json::{Checked, JsonError};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Makes the table: for every command its type, name, right and answer.
macro_rules! commands {
    ($($(#[doc = $about:literal])+ $kind:ident $name:literal $right:expr => $answer:ty;)+) => {
        /// A command with its parameters.
        #[derive(Debug, Clone, PartialEq)]
        pub enum Command {
            $($(#[doc = $about])+ $kind($kind),)+
        }

        impl Command {
            /// Reads the parameters of a command. `None`: there is no such command.
            pub(super) fn parse(name: &str, object: Checked<'_>) -> Option<Result<Self, JsonError>> {
                match name {
                    $($name => Some(object.read().map(Self::$kind)),)+
                    _ => None,
                }
            }

            /// Its row of the table.
            #[must_use]
            pub fn info(&self) -> &'static CommandInfo {
                let mut rows = COMMANDS.iter();
                let name = match self { $(Self::$kind(_) => $name,)+ };
                // Both come from the same macro.
                rows.find(|row| row.name == name).unwrap_or(&COMMANDS[0])
            }
        }

        $(impl Call for $kind {
            const NAME: &'static str = $name;
            const RIGHT: Option<Right> = $right;
            type Answer = $answer;
        })+

        /// All commands, in the order of the documentation.
        pub const COMMANDS: &[CommandInfo] = &[
            $(CommandInfo {
                name: $name,
                right: $right,
                about: concat!($($about, "\n"),+),
                #[cfg(feature = "schema")]
                parameters: |generator| generator.subschema_for::<$kind>(),
                #[cfg(feature = "schema")]
                answer: |generator| generator.subschema_for::<$answer>(),
            },)+
        ];
    };
}

commands! {
    /// Begins API 1 on this connection. With `token` and `nonce` it begins the proof of a token, which AUTH ends.
    Hello "HELLO" None => HelloAnswer;
    /// Ends the proof of a token: see "Tokens".
    Auth "AUTH" None => AuthAnswer;
    /// Your onion.
    Host "HOST" Some(Right::Read) => HostAnswer;
    /// The state of the daemon: a sentence for people, and the same object as in the classic contract.
    Status "STATUS" Some(Right::Read) => StatusAnswer;
    /// Dials the daemon's own onion as a stranger would, up to the first words of the protocol. One dial at a time and one
    /// a minute; between them the last result is given, with its age.
    Check "CHECK" Some(Right::Read) => CheckAnswer;
    /// Contacts, and what is known of each.
    Contacts "CONTACTS" Some(Right::Read) => ContactsAnswer;
    /// Strangers that ask to become contacts, oldest first.
    Requests "REQUESTS" Some(Right::Read) => RequestsAnswer;
    /// Conversations with their unread counts and last messages, the one with the newest message first.
    Conversations "CONVERSATIONS" Some(Right::Read) => ConversationsAnswer;
    /// A page of a conversation, oldest first: the last one, or the one before or after a message.
    History "HISTORY" Some(Right::Read) => MessagesAnswer;
    /// Messages that hold all the given words, newest first.
    Search "SEARCH" Some(Right::Read) => SearchAnswer;
    /// A page of what old TORchat programs brought, oldest first. Takes nothing: LEGACY_TAKE does. Only for connections that
    /// see all conversations, because nothing tells whose such a message is.
    Legacy "LEGACY" Some(Right::Read) => LegacyAnswer;
    /// Events after a number, waiting for the first one if there is none.
    Events "EVENTS" Some(Right::Read) => EventsAnswer;
    /// Pushes events from now on, each as soon as it is durable. A second subscription of the same consumer ends the first.
    Subscribe "SUBSCRIBE" Some(Right::Read) => SubscribeAnswer;
    /// Ends a subscription of this connection.
    Unsubscribe "UNSUBSCRIBE" Some(Right::Read) => Nothing;
    /// Moves a consumer's cursor forward: what it has worked off never comes again. Never moves it back.
    Ack "ACK" Some(Right::Read) => AckAnswer;
    /// The consumers and their cursors; with `forget`, one of them is removed.
    Cursors "CURSORS" Some(Right::Read) => CursorsAnswer;
    /// Accepts a text for a peer, which becomes a contact. Answered when it is durable here, or at the peer.
    Send "SEND" Some(Right::Send) => SendAnswer;
    /// Takes a message back that is not delivered.
    Cancel "CANCEL" Some(Right::Send) => CancelAnswer;
    /// Marks received messages as seen. Takes nothing from other programs: classic UPDATE has a place of its own.
    Seen "SEEN" Some(Right::Send) => SeenAnswer;
    /// Takes messages of old programs: classic LEGACY and other programs do not get them any more, lists still have them.
    /// May be repeated. A message that classic LEGACY is handing out at that moment may reach both.
    LegacyTake "LEGACY_TAKE" Some(Right::Send) => LegacyTakeAnswer;
    /// Makes a peer a contact, or whoever an invite is from.
    Add "ADD" Some(Right::Contacts) => AddAnswer;
    /// Makes a stranger that asks a contact.
    Accept "ACCEPT" Some(Right::Contacts) => Nothing;
    /// Does not show a stranger's request again for 30 days. It learns nothing of it.
    Refuse "REFUSE" Some(Right::Contacts) => Nothing;
    /// Blocks a peer: as REMOVE, and its requests are dropped. It sees what every stranger sees.
    Block "BLOCK" Some(Right::Contacts) => Nothing;
    /// Makes a blocked peer a stranger.
    Unblock "UNBLOCK" Some(Right::Contacts) => Nothing;
    /// Gives a contact a name of the user's, which wins over its own; an empty one takes it away.
    Rename "RENAME" Some(Right::Contacts) => Nothing;
    /// Makes a contact a stranger. What waits for it is taken back, the history stays.
    Remove "REMOVE" Some(Right::Contacts) => Nothing;
    /// Makes an invite: whoever uses it first, in time, is a contact at once.
    Invite "INVITE" Some(Right::Contacts) => InviteAnswer;
    /// Says whether a contact sees us while there is nothing to deliver.
    Appear "APPEAR" Some(Right::Contacts) => Nothing;
    /// Makes, lists or revokes tokens. A token's secret is shown once.
    Tokens "TOKEN" Some(Right::Admin) => TokenAnswer;
    /// Sets how much the daemon logs until it ends.
    LogLevel "LOG_LEVEL" Some(Right::Admin) => Nothing;
    /// Stops the daemon within 2 seconds.
    Exit "EXIT" Some(Right::Admin) => Nothing;
}

/// Defines parameters or answers.
macro_rules! records {
    ($($(#[$meta:meta])* $name:ident { $($(#[$field_meta:meta])* $field:ident: $type:ty,)* })+) => {
        $(
            $(#[$meta])*
            #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
            #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
            pub struct $name { $($(#[$field_meta])* pub $field: $type,)* }
        )+
    };
}

records! {
    /// Parameters of HELLO.
    Hello {
        /// The version: 1.
        api: u32,
        /// What the program calls itself, for the log.
        #[serde(default)]
        client: String,
        /// The name of a token to prove.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        token: Option<String>,
        /// For the proof: at least 18 random bytes in base64url without padding.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        nonce: Option<String>,
    }
    /// What HELLO answers: who is there and what is allowed, or, with a token, what is to be proven first.
    HelloAnswer {
        /// The version.
        api: u32,
        /// Program and version.
        server: String,
        /// The token must be proven with AUTH; then `nonce` is set and all else is absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        nonce: Option<String>,
        /// What is allowed.
        #[serde(flatten, default, skip_serializing_if = "Option::is_none")]
        welcome: Option<Welcome>,
    }
    /// What a program may do here.
    Welcome {
        /// Your onion.
        onion: Onion,
        /// The rights of this connection.
        #[serde(deserialize_with = "super::known_rights")]
        rights: Vec<Right>,
        /// The conversations that they are good for; absent: all.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        peers: Option<Vec<Onion>>,
        /// The commands that it may use.
        commands: Vec<String>,
        /// The last event's number.
        seq: u64,
        /// The oldest event that the log holds; `seq` + 1 if it holds none.
        oldest: u64,
        /// Limits, by name.
        limits: Limits,
    }
    /// The limits of a connection.
    Limits {
        /// Bytes of an object.
        object_bytes: u64,
        /// Bytes of a message's text.
        text_bytes: u64,
        /// Requests of a connection that are worked on at the same time; then reading stops.
        requests: u64,
        /// Subscriptions of a connection.
        subscriptions: u64,
        /// Messages or events in an answer.
        page: u64,
    }
    /// Parameters of AUTH.
    Auth {
        /// The client's proof, 32 bytes in base64url without padding.
        proof: String,
    }
    /// What AUTH answers.
    AuthAnswer {
        /// The daemon's proof that it knows the token, 32 bytes in base64url: check it before you believe anything.
        proof: String,
        /// What is allowed.
        #[serde(flatten)]
        welcome: Welcome,
    }
    /// Parameters of HOST.
    Host {}
    /// What HOST answers.
    HostAnswer {
        /// Your onion.
        onion: Onion,
    }
    /// Parameters of STATUS.
    #[derive(Default)]
    Status {
        /// Answer as soon as the state's `version` is another one than this.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        version: Option<u64>,
        /// For `version`: seconds to wait for that at most, at most 300; 0 if absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        wait: Option<u32>,
    }
    /// What STATUS answers.
    StatusAnswer {
        /// Another one when the way into the network, a link, or a dial has changed, or a message was sent. Counters change
        /// without it.
        version: u64,
        /// What works, what does not, what is being done.
        sentence: String,
        /// The details: see the classic STATUS.
        status: Value,
    }
    /// Parameters of CHECK.
    Check {}
    /// What CHECK answers.
    CheckAnswer {
        /// It answered.
        reached: bool,
        /// How long that took, or until it was given up, in milliseconds.
        ms: u64,
        /// Why not, in words.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
        /// How long ago that was, in seconds: 0 if it was done for this request.
        age_s: u64,
    }
    /// Parameters of CONTACTS.
    Contacts {}
    /// What CONTACTS answers.
    ContactsAnswer {
        /// Contacts and blocked peers.
        contacts: Vec<Contact>,
    }
    /// Parameters of REQUESTS.
    Requests {}
    /// What REQUESTS answers.
    RequestsAnswer {
        /// Oldest first.
        requests: Vec<ContactRequest>,
    }
    /// Parameters of CONVERSATIONS.
    Conversations {}
    /// What CONVERSATIONS answers.
    ConversationsAnswer {
        /// The one with the newest message first; contacts without any message last.
        conversations: Vec<Conversation>,
    }
    /// Parameters of HISTORY.
    History {
        /// With whom.
        peer: Onion,
        /// Messages before this `id`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        before: Option<i64>,
        /// Messages after this `id`. Not together with `before`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        after: Option<i64>,
        /// How many at most: 1 to 1,000; 50 if absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        limit: Option<u32>,
    }
    /// What HISTORY answers.
    MessagesAnswer {
        /// Oldest first.
        messages: Vec<Message>,
        /// There are more in the direction that was asked for.
        more: bool,
    }
    /// Parameters of SEARCH.
    Search {
        /// Words that a message must hold, all of them. `wor*`: a word that begins so. `"two words"`: side by side.
        text: String,
        /// In this conversation only.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        peer: Option<Onion>,
        /// Messages before this `id`, for the next page.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        before: Option<i64>,
        /// How many at most: 1 to 1,000; 50 if absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        limit: Option<u32>,
    }
    /// What SEARCH answers.
    SearchAnswer {
        /// Newest first.
        messages: Vec<Message>,
        /// There are older ones.
        more: bool,
        /// False: the store takes no writes, or the index is being made anew, so not all messages could be looked through.
        complete: bool,
    }
    /// Parameters of LEGACY.
    Legacy {
        /// Messages after this `id`; absent: from the oldest that is kept.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        after: Option<i64>,
        /// How many at most: 1 to 1,000; 50 if absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        limit: Option<u32>,
        /// True: only those that no program has taken.
        #[serde(default)]
        untaken: bool,
    }
    /// What LEGACY answers.
    LegacyAnswer {
        /// Oldest first. The daemon keeps the last 500, and none longer than 7 days.
        messages: Vec<OldMessage>,
        /// There are more after them.
        more: bool,
    }
    /// Parameters of LEGACY_TAKE.
    LegacyTake {
        /// Up to this `id`, which LEGACY has listed.
        upto: i64,
    }
    /// What LEGACY_TAKE answers.
    LegacyTakeAnswer {
        /// How many were not taken before.
        taken: u64,
    }
    /// Parameters of EVENTS.
    Events {
        /// Events after this number. Not together with `consumer`; one of them is needed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        after: Option<u64>,
        /// Events after this consumer's cursor. A new consumer begins now.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        consumer: Option<String>,
        /// Seconds to wait for the first event, at most 300; 0 if absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        wait: Option<u32>,
        /// How many at most: 1 to 1,000; 100 if absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        limit: Option<u32>,
        /// Which ones.
        #[serde(default)]
        filter: Filter,
    }
    /// What EVENTS answers.
    EventsAnswer {
        /// In order. A gap comes first.
        events: Vec<Event>,
        /// For the next call's `after`: up to here everything was looked at.
        next: u64,
        /// The last event's number.
        last: u64,
    }
    /// Parameters of SUBSCRIBE.
    Subscribe {
        /// The consumer whose durable cursor it is: 1 to 64 of letters, digits, `.`, `_`, `-`. Absent: no cursor, and
        /// `from` cannot be `cursor`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        consumer: Option<String>,
        /// Where to begin. Absent: `cursor` with a consumer, else `now`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        from: Option<From>,
        /// Which events.
        #[serde(default)]
        filter: Filter,
    }
    /// What SUBSCRIBE answers.
    SubscribeAnswer {
        /// Events after this number are pushed.
        after: u64,
        /// The last event's number.
        last: u64,
    }
    /// Parameters of UNSUBSCRIBE.
    Unsubscribe {
        /// The `ref` of the SUBSCRIBE.
        sub: Option<super::Ref>,
    }
    /// Parameters of ACK.
    Ack {
        /// The consumer.
        consumer: String,
        /// Everything up to this event is worked off.
        seq: u64,
    }
    /// What ACK answers.
    AckAnswer {
        /// Where the cursor is now.
        seq: u64,
    }
    /// Parameters of CURSORS.
    Cursors {
        /// A consumer to remove.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        forget: Option<String>,
    }
    /// What CURSORS answers.
    CursorsAnswer {
        /// By name.
        cursors: Vec<Cursor>,
    }
    /// Parameters of SEND.
    Send {
        /// To whom.
        peer: Onion,
        /// At most 65,536 bytes.
        text: String,
        /// A key of the program's own, 1 to 64 bytes, not beginning with `token:` or `uid:`: the same key again, within 30
        /// days, is the same message.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        client_id: Option<String>,
        /// `delivered`: answer when the peer has it durably.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        wait: Option<Wait>,
        /// For `wait`: seconds, at most 3,600; 120 if absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        timeout: Option<u64>,
        /// Fails if it is not delivered within so many seconds: 60 to the daemon's limit, which it is if absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        expire: Option<u64>,
    }
    /// What SEND answers.
    SendAnswer {
        /// The message's number in this daemon.
        id: i64,
        /// Its id, the same at both ends. Drawn by its writer: unique only together with the peer and the direction.
        mid: MessageId,
        /// How far it is.
        state: MessageState,
        /// A message with this `client_id` was accepted before; nothing was sent now.
        duplicate: bool,
    }
    /// Parameters of CANCEL.
    Cancel {
        /// To whom it was sent.
        peer: Onion,
        /// Which message.
        mid: MessageId,
    }
    /// What CANCEL answers.
    CancelAnswer {
        /// It never left this machine. False: the peer may have got it, and its state tells as soon as the peer has said.
        certain: bool,
    }
    /// Parameters of SEEN.
    Seen {
        /// Whose messages.
        peer: Onion,
        /// Up to this `id`.
        upto: i64,
    }
    /// What SEEN answers.
    SeenAnswer {
        /// How many were unread.
        seen: u64,
    }
    /// Parameters of ADD.
    Add {
        /// An onion, or an invite (`torchat:...?i=...`).
        peer: String,
        /// What to say, at most 500 bytes.
        #[serde(default)]
        text: String,
    }
    /// What ADD answers.
    AddAnswer {
        /// Who is a contact now.
        peer: Onion,
    }
    /// Parameters of ACCEPT.
    Accept {
        /// Who asks.
        peer: Onion,
    }
    /// Parameters of REFUSE.
    Refuse {
        /// Who asks.
        peer: Onion,
    }
    /// Parameters of BLOCK.
    Block {
        /// Whom.
        peer: Onion,
    }
    /// Parameters of UNBLOCK.
    Unblock {
        /// Whom.
        peer: Onion,
    }
    /// Parameters of RENAME.
    Rename {
        /// Whom.
        peer: Onion,
        /// The name.
        name: String,
    }
    /// Parameters of REMOVE.
    Remove {
        /// Whom.
        peer: Onion,
    }
    /// Parameters of INVITE.
    Invite {
        /// How long it is good for: 1 to 2,160 hours; 168 if absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        hours: Option<u32>,
    }
    /// What INVITE answers.
    InviteAnswer {
        /// `torchat:<onion>?i=<secret>`. It is shown here and stored nowhere.
        invite: String,
    }
    /// Parameters of APPEAR.
    Appear {
        /// To whom.
        peer: Onion,
        /// True: it sees us only while there is something to deliver.
        hidden: bool,
    }
    /// Parameters of TOKEN.
    Tokens {
        /// What to do.
        action: TokenAction,
        /// The token's name: 1 to 64 of letters, digits, `.`, `_`, `-`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        name: Option<String>,
        /// `create`: what it may do.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        rights: Option<Vec<Right>>,
        /// `create`: good for these conversations only. Not with `contacts` or `admin`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        peers: Option<Vec<Onion>>,
        /// `create`: ends after so many days; absent: never.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        days: Option<u32>,
    }
    /// What TOKEN answers.
    TokenAnswer {
        /// `create`: the token, shown once and stored nowhere.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        token: Option<String>,
        /// All tokens after the change.
        tokens: Vec<Token>,
    }
    /// Parameters of LOG_LEVEL.
    LogLevel {
        /// `error`, `warn`, `info`, `debug` or `trace`.
        level: String,
    }
    /// Parameters of EXIT.
    Exit {}
    /// An answer that only says that it was done.
    Nothing {}
}

/// Where a subscription begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(untagged)]
pub enum From {
    /// At an event: those after this number.
    After(u64),
    /// At a place that has a name.
    Place(Place),
}

/// A place in the event log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Place {
    /// The consumer's cursor. A new consumer begins now.
    Cursor,
    /// After the last event.
    Now,
    /// At the oldest event that the log holds.
    Start,
}

/// What SEND waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Wait {
    /// The message is durable at the peer.
    Delivered,
}

/// What TOKEN does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum TokenAction {
    /// Makes one.
    Create,
    /// Lists them.
    List,
    /// Ends one at once; its connections are closed.
    Revoke,
}
