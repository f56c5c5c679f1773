//! Commands about conversations and their messages, and about those of old programs.

use super::Nothing;
use crate::control::api::record::{Conversation, Message, MessageState, OldMessage, Time};
use crate::control::api::{ConversationId, Onion, Right};
use crate::id::MessageId;
use serde::{Deserialize, Serialize};

commands! {
    /// Conversations with their unread counts and last messages, the one with the newest message first.
    Conversations "CONVERSATIONS" Some(Right::Read) => ConversationsAnswer;
    /// A page of a conversation, oldest first: the last one, or the one before or after a message.
    History "HISTORY" Some(Right::Read) => MessagesAnswer;
    /// Messages that hold all the given words, newest first.
    Search "SEARCH" Some(Right::Read) => SearchAnswer;
    /// A page of messages from old TORchat programs, oldest first. Takes nothing: LEGACY_TAKE does. Only for connections that
    /// see all conversations, because nothing proves whose such a message is.
    Legacy "LEGACY" Some(Right::Read) => LegacyAnswer;
    /// Accepts a text for a peer, who becomes a contact. Answers when the text is durable here, or at the peer.
    Send "SEND" Some(Right::Send) => SendAnswer;
    /// Takes back an undelivered message.
    Cancel "CANCEL" Some(Right::Send) => CancelAnswer;
    /// Marks received messages as seen. Classic UPDATE and GET_PEERS do not have them any more; consumers of events do.
    Seen "SEEN" Some(Right::Send) => SeenAnswer;
    /// Takes messages of old programs: classic LEGACY and other programs no longer get them, lists still have them.
    /// May be repeated. A message that classic LEGACY is handing out at that moment may reach both.
    LegacyTake "LEGACY_TAKE" Some(Right::Send) => LegacyTakeAnswer;
    /// Erases messages of a conversation in this daemon, for good: texts, and what the search knows of them. What waits
    /// for delivery stays; CANCEL takes it back. It answers when the texts are written over in the store's files; `traces-left` says that
    /// they are erased, and may still be found there: repeat it. It does not erase the peer's copy, backups, exports and text logs, the
    /// copy of the store that an upgrade keeps for 30 days, or spare cells of flash storage. The times of the messages' events stay as
    /// long as events are kept. docs/SECURITY.md says the rest. May be repeated.
    Erase "ERASE" Some(Right::Admin) => EraseAnswer;
    /// Counts what ERASE with the same parameters would erase now, and erases nothing: for the question before it.
    EraseCount "ERASE_COUNT" Some(Right::Admin) => EraseCountAnswer;
    /// Erases, from now on, the messages of a conversation that are older than a number of days, as ERASE does. The daemon looks
    /// for them every 10 minutes; docs/SECURITY.md says when their last traces go. What waits for delivery stays until it is delivered
    /// or has failed, and received messages until they are read.
    Retain "RETAIN" Some(Right::Admin) => Nothing;
}

records! {
    /// Parameters of CONVERSATIONS.
    #[derive(Default)]
    Conversations {
        /// Conversations whose last message is older than this `id`, and those without any message.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        before: Option<i64>,
        /// Conversations without any message, after this one. Not together with `before`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        after: Option<ConversationId>,
        /// How many at most: 1 to 1,000; as many as fit into 1 MiB if absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        limit: Option<u32>,
    }
    /// What CONVERSATIONS answers.
    ConversationsAnswer {
        /// The one with the newest message first; contacts without any message last.
        conversations: Vec<Conversation>,
        /// There are more; absent: there are none. Go on with `before` = the last one's last message, or, if it has none,
        /// with `after` = its contact.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        more: bool,
    }
    /// Parameters of HISTORY.
    History {
        /// Which conversation.
        peer: ConversationId,
        /// Messages before this `id`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        before: Option<i64>,
        /// Messages after this `id`. Not together with `before`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        after: Option<i64>,
        /// How many at most: 1 to 1,000; 50 if absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        limit: Option<u32>,
        /// In a room: with those that are hidden here.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        hidden: bool,
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
        /// Words that a message must contain, all of them. `wor*`: words that begin with wor. `"two words"`: side by side.
        text: String,
        /// In this conversation only.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        peer: Option<ConversationId>,
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
        /// False: the store takes no writes, or the daemon is rebuilding the index, so not all messages could be searched.
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
    /// Parameters of SEND.
    Send {
        /// The conversation that it is for.
        peer: ConversationId,
        /// At most 65,536 bytes; in a room 16,384.
        text: String,
        /// A key that the program chooses, 1 to 64 bytes, not beginning with `token:` or `uid:`: the same key again, within 30
        /// days, is the same message.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        client_id: Option<String>,
        /// `delivered`: answer when the peer has stored it; in a room, when another member has.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        wait: Option<Wait>,
        /// For `wait`: seconds, at most 3,600; 120 if absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        timeout: Option<u64>,
        /// Fails if it is not delivered within this number of seconds: 60 to the daemon's limit, which is the default. In a room: it
        /// is taken back if it is not published by then, and waits without end if this is absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        expire: Option<u64>,
        /// In a room: the number, in this daemon, of the message that it answers.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        re: Option<i64>,
        /// In a room: the numbers of the members that it mentions, at most 16.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        to: Vec<u32>,
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
        /// The conversation that it is in.
        peer: ConversationId,
        /// Which message.
        mid: MessageId,
    }
    /// What CANCEL answers.
    CancelAnswer {
        /// True: it never left this machine. False: the peer may have got it; its state tells as soon as the peer has said so.
        certain: bool,
    }
    /// Parameters of SEEN.
    Seen {
        /// The conversation that they are in.
        peer: ConversationId,
        /// Up to this `id`.
        upto: i64,
    }
    /// What SEEN answers.
    SeenAnswer {
        /// How many were unread.
        seen: u64,
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
    /// Parameters of ERASE.
    Erase {
        /// The other side.
        peer: ConversationId,
        /// Messages up to this `id`; absent: all.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        upto: Option<i64>,
        /// Messages from before this moment, by their `at`; absent: all. Together with `upto`: what both say.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        before: Option<Time>,
    }
    /// What ERASE answers.
    EraseAnswer {
        /// How many messages and marks are erased.
        erased: u64,
        /// How many stay because the peer has not got them, or has not said what became of them.
        kept: u64,
    }
    /// Parameters of ERASE_COUNT.
    EraseCount {
        /// The other side.
        peer: ConversationId,
        /// As for ERASE.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        upto: Option<i64>,
        /// As for ERASE.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        before: Option<Time>,
    }
    /// What ERASE_COUNT answers.
    EraseCountAnswer {
        /// How many messages and marks ERASE would erase.
        erasable: u64,
        /// How many would stay because the peer has not got them, or has not said what became of them.
        kept: u64,
        /// The last message that was counted, or a later one that is in another conversation. ERASE with this `upto` erases
        /// nothing that came after the count.
        upto: i64,
    }
    /// Parameters of RETAIN.
    Retain {
        /// The other side.
        peer: Onion,
        /// 1 to 36,500 days; absent or null: nothing is erased because of its age.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        days: Option<u32>,
    }
}

/// What SEND waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Wait {
    /// The message is durable at the peer.
    Delivered,
}
