//! The state of a daemon, as STATUS tells it: typed, so that the daemon and its clients cannot differ. The keys stand in
//! alphabetical order, as everywhere in the classic contract, which has the same object.

use super::api::{ConversationId, Onion};
use super::reason::{NetworkCause, Notice, Reason, Trouble};
use serde::{Deserialize, Serialize};

/// Defines parts of the state, their fields in alphabetical order.
macro_rules! parts {
    ($($(#[$meta:meta])* $name:ident { $($(#[$field_meta:meta])* $field:ident: $type:ty,)* })+) => {
        $(
            $(#[$meta])*
            #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
            #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
            pub struct $name { $($(#[$field_meta])* pub $field: $type,)* }
        )+
    };
}

/// Defines counters: whole numbers, 0 where an older daemon does not count.
macro_rules! counters {
    ($($(#[$meta:meta])* $name:ident { $($(#[$field_meta:meta])* $field:ident,)* })+) => {
        $(
            $(#[$meta])*
            #[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
            #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
            #[serde(default)]
            pub struct $name { $($(#[$field_meta])* pub $field: u64,)* }
        )+
    };
}

/// Defines the state, its sections in alphabetical order.
macro_rules! sections {
    ($($(#[$meta:meta])* $field:ident: $type:ty,)+) => {
        /// The state. A section that is absent is not for this connection, or this daemon does not have it.
        #[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
        #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
        pub struct DaemonStatus {
            $($(#[$meta])*
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub $field: Option<$type>,)+
        }
    };
}

sections! {
    /// How many contacts there are.
    contacts: u64,
    /// API 1's log.
    events: EventsPart,
    /// Messages of old TORchat programs.
    legacy: LegacyPart,
    /// How many links are up.
    links: u64,
    /// What the user should know, oldest first.
    notices: Vec<NoticePart>,
    /// Your onion.
    onion: Onion,
    /// What waits to be delivered.
    queue: QueuePart,
    /// Whether others can reach this daemon.
    reachable: ReachablePart,
    /// The peers and rooms whose messages wait, and why.
    reasons: Vec<WaitingPart>,
    /// How often limits were met and strangers turned away.
    refused: RefusedPart,
    /// How many strangers ask to become contacts.
    requests: u64,
    /// Rooms.
    rooms: RoomsPart,
    /// What the kernel refuses to the daemon: begins with `on`, `partly` or `none`.
    sandbox: String,
    /// How the search's index is.
    search: SearchState,
    /// What works, what does not, what is being done.
    sentence: String,
    /// Whether the store takes writes.
    storage: StorageState,
    /// The way into the Tor network.
    tor: TorPart,
    /// Bytes of text that nobody has read, and what their rows count for.
    unread_bytes: u64,
}

impl DaemonStatus {
    /// What who may see only some conversations learns: nothing of the others, not even how many they are. Every section
    /// that is not named here counts all of them. The sentence is Tor's alone, because the daemon's counts all.
    #[must_use]
    pub fn of_some(self, sees: impl Fn(ConversationId) -> bool) -> Self {
        let Self { mut notices, onion, reachable, mut reasons, storage, tor, .. } = self;
        notices.iter_mut().for_each(|rows| rows.retain(|row| row.peer.is_some_and(&sees)));
        reasons.iter_mut().for_each(|rows| rows.retain(|row| sees(row.peer)));
        let sentence = tor.as_ref().map(|tor| tor.sentence.clone());
        Self { notices, onion, reachable, reasons, sentence, storage, tor, ..Self::default() }
    }

    /// As a value, for what looks at it by its keys.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        // Records with text keys cannot fail to serialise.
        serde_json::to_value(self).unwrap_or_default()
    }
}

parts! {
    /// API 1's log.
    EventsPart {
        /// How many consumers have a cursor.
        consumers: u64,
        /// The last event's number.
        last: u64,
        /// The oldest event that the log holds.
        oldest: u64,
    }
    /// Messages of old TORchat programs.
    LegacyPart {
        /// They are taken in.
        receive: bool,
        /// What was dropped.
        refused: LegacyRefused,
        /// How many no program has taken.
        unread: u64,
    }
    /// What the user should know.
    NoticePart {
        /// When: milliseconds since 1970.
        #[serde(default)]
        at_ms: i64,
        /// The peer or the room that it is about; show it with what a contact says.
        #[serde(default)]
        peer: Option<ConversationId>,
        /// In words.
        sentence: String,
        /// The same for programs; absent: there are only words.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        why: Option<Notice>,
    }
    /// What waits to be delivered.
    QueuePart {
        /// Bytes of the texts.
        bytes: u64,
        /// How many bytes of texts may wait, as the daemon is configured; absent: an older daemon does not say.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        limit: Option<u64>,
        /// How many messages.
        messages: u64,
    }
    /// Whether others can reach this daemon.
    ReachablePart {
        /// For how many seconds its own dial of its service has failed; null: it has not.
        #[serde(default)]
        failing_s: Option<u64>,
        /// How many seconds ago somebody's link, or that dial, has come in; null: none has.
        #[serde(default)]
        reached_s_ago: Option<u64>,
        /// What is wrong and what is being done, in words; null: nothing is known to be wrong.
        #[serde(default)]
        sentence: Option<String>,
        /// The same for programs.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        why: Option<Trouble>,
    }
    /// A peer or a room whose messages wait.
    WaitingPart {
        /// In how many seconds it is dialled next, of a room one of its members; null: no dial is planned.
        #[serde(default)]
        next_try_s: Option<u64>,
        /// Who, or which room.
        peer: ConversationId,
        /// How many messages wait: those that the peer, or any other member of the room, has not got.
        #[serde(default)]
        queued: u64,
        /// Why, in words.
        reason: String,
        /// The same for programs.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        why: Option<Reason>,
    }
    /// Rooms.
    RoomsPart {
        /// Open channels: rooms on links, each counted once for each link.
        channels: u64,
        /// Rooms that we are a member of, or joining.
        joined: u64,
        /// Links for rooms.
        links: u64,
        /// How many ask to become members of rooms of ours.
        petitions: u64,
        /// Messages of ours that no other member has, as in ROOM.
        queued: u64,
        /// What the daemon dropped.
        #[serde(default)]
        refused: RoomsRefused,
    }
    /// The way into the Tor network.
    TorPart {
        /// What is in the way while it does not work; absent: nothing that a user can mend, or it is not known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cause: Option<NetworkCause>,
        /// All that is known of the cause while it does not work, in Tor's own words; absent: the sentence says it all.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        detail: Option<String>,
        /// For how many seconds it has not worked; absent: it works, or this is not known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        down_s: Option<u64>,
        /// How far its beginning is.
        #[serde(default)]
        percent: u64,
        /// In words, short.
        sentence: String,
        /// Since when it has not worked, in milliseconds since 1970; absent: it works, or this is not known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        since_ms: Option<i64>,
        /// Whether it works: the network carries us, as far as the daemon's dials and its own probe say.
        usable: bool,
    }
}

counters! {
    /// How often limits were met and strangers turned away, since the start.
    RefusedPart {
        /// Answers of contacts beyond their share.
        account_answers,
        /// Bytes of contacts beyond their share.
        account_bytes,
        /// New lanes of contacts beyond their share.
        account_lanes,
        /// New links of contacts beyond their share.
        account_links,
        /// Notes of contacts beyond their share.
        account_notes,
        /// Links that contacts replaced beyond their share.
        account_replaced,
        /// Messages that contacts made us send again beyond their share.
        account_resent,
        /// Rows of contacts beyond their share.
        account_rows,
        /// Statements of contacts beyond their share.
        account_states,
        /// Work of contacts beyond their share.
        account_work,
        /// Circuits of strangers.
        circuits,
        /// Control connections.
        clients,
        /// Connections of programs that wrote and closed their sockets before the daemon could learn whose they were; with
        /// `trust_closed`, those of their commands that were not executed.
        closed,
        /// Connections to the service.
        connections,
        /// Dials that were not begun.
        dials,
        /// Handshakes.
        handshakes,
        /// Invites that were wrong.
        invites,
        /// Links.
        links,
        /// Links that broke the protocol.
        misbehaved,
        /// Links whose peer did not read.
        not_read,
        /// Messages for a full outbox.
        outbox_full,
        /// Streams that spoke another protocol.
        protocol,
        /// Requests of strangers.
        requests,
        /// Messages while the store took nothing.
        storage,
        /// Links of strangers.
        strangers,
        /// Streams.
        streams,
        /// Messages while too much was unread.
        unread_full,
    }
    /// What was dropped in rooms, or not taken at once, since the start.
    RoomsRefused {
        /// Rooms that peers wanted to open on a link that had as many as it may.
        channels,
        /// Wishes of invited people, and of members who lost their store, beyond those that may come at once.
        joins,
        /// Room links that broke the protocol.
        misbehaved,
        /// Links on which peers opened rooms too often.
        opens,
        /// Messages of ours for a full outbox.
        outbox_full,
        /// Wishes of people about whom the user decides, beyond those that may come at once or are kept.
        petitions,
        /// Events of members beyond what one may say in a time.
        quota,
        /// Events, and proofs about them, that nobody signed who could have said them.
        signatures,
        /// Events that waited for others, and had to go for later ones.
        waiting,
    }
    /// What was dropped of old programs' messages, since the start.
    LegacyRefused {
        /// Too many at once.
        busy,
        /// Anything but RECV.
        commands,
        /// Forgotten unread.
        expired,
        /// Too many are kept.
        full,
        /// What is no message.
        malformed,
        /// Too many in a time.
        rate,
        /// The store took nothing.
        storage,
        /// The stream ended or was too slow.
        unfinished,
    }
}

impl RefusedPart {
    /// What peers could not pay from their accounts, by the kinds of OPERATIONS.md, "The account of each peer".
    #[must_use]
    pub fn account(&self) -> [(&'static str, u64); 10] {
        [
            ("answers", self.account_answers),
            ("bytes", self.account_bytes),
            ("lanes", self.account_lanes),
            ("links", self.account_links),
            ("notes", self.account_notes),
            ("replaced", self.account_replaced),
            ("resent", self.account_resent),
            ("rows", self.account_rows),
            ("states", self.account_states),
            ("work", self.account_work),
        ]
    }
}

impl RoomsRefused {
    /// What others did too much of, or wrongly.
    #[must_use]
    pub fn by_others(&self) -> [(&'static str, u64); 8] {
        [
            ("channels", self.channels),
            ("joins", self.joins),
            ("misbehaved", self.misbehaved),
            ("opens", self.opens),
            ("petitions", self.petitions),
            ("quota", self.quota),
            ("signatures", self.signatures),
            ("waiting", self.waiting),
        ]
    }
}

/// Defines states, whose words on the wire are their names in small letters with hyphens.
macro_rules! states {
    ($($(#[$meta:meta])* $name:ident { $($(#[$word_meta:meta])* $kind:ident,)+ })+) => {
        $(
            $(#[$meta])*
            #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
            #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
            #[serde(rename_all = "kebab-case")]
            pub enum $name {
                $($(#[$word_meta])* $kind,)+
                /// Only when reading: of a later version.
                #[serde(other)]
                #[cfg_attr(feature = "schema", schemars(skip))]
                Unknown,
            }
        )+
    };
}

states! {
    /// Whether the store takes writes.
    StorageState {
        /// It does.
        Ok,
        /// The disk or the store's limit is full.
        Full,
        /// Another program holds the file.
        Locked,
        /// The file is damaged.
        Damaged,
        /// The disk reports errors.
        Failing,
        /// The file or its disk takes no writes.
        ReadOnly,
    }
    /// How the search's index is.
    SearchState {
        /// It is whole, as far as is known.
        Ok,
        /// It was damaged and is made anew.
        Rebuilding,
        /// It is damaged and could not be made anew. The next start tries again.
        Damaged,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::id::parse_onion;
    use serde_json::{Value, json};

    fn onion(text: &str) -> Onion {
        Onion(parse_onion(text).unwrap())
    }

    fn a() -> Onion {
        onion("pg6mmjiyjmcrsslvykfwnntlaru7p5svn6y2ymmju6nubxndf4pscryd")
    }

    fn b() -> Onion {
        onion("2gzyxa5ihm7nsggfxnu52rck2vv4rvmdlkiu3zzui5du4xyclen53wid")
    }

    fn status() -> DaemonStatus {
        let notice = |peer: Option<Onion>| NoticePart {
            at_ms: 1,
            peer: peer.map(Onion::conversation),
            sentence: "x".into(),
            why: None,
        };
        let waiting = |peer: Onion| WaitingPart {
            next_try_s: None,
            peer: peer.conversation(),
            queued: 1,
            reason: "y".into(),
            why: Some(Reason::Asking),
        };
        DaemonStatus {
            contacts: Some(2),
            events: Some(EventsPart { consumers: 0, last: 9, oldest: 1 }),
            legacy: Some(LegacyPart { receive: false, refused: LegacyRefused::default(), unread: 0 }),
            links: Some(1),
            notices: Some(vec![notice(None), notice(Some(a())), notice(Some(b()))]),
            onion: Some(a()),
            queue: Some(QueuePart { bytes: 2, limit: Some(64), messages: 1 }),
            reachable: Some(ReachablePart { failing_s: None, reached_s_ago: Some(4), sentence: None, why: None }),
            reasons: Some(vec![waiting(a()), waiting(b())]),
            refused: Some(RefusedPart::default()),
            requests: Some(0),
            rooms: Some(RoomsPart {
                channels: 2,
                joined: 1,
                links: 2,
                petitions: 0,
                queued: 3,
                refused: RoomsRefused::default(),
            }),
            sandbox: Some("on".into()),
            search: Some(SearchState::Ok),
            sentence: Some("all of it".into()),
            storage: Some(StorageState::ReadOnly),
            tor: Some(TorPart {
                cause: Some(NetworkCause::Clock),
                detail: Some("because".into()),
                down_s: Some(3),
                percent: 100,
                sentence: "Tor works".into(),
                since_ms: Some(5),
                usable: true,
            }),
            unread_bytes: Some(0),
        }
    }

    #[test]
    fn the_keys_stand_in_alphabetical_order_and_what_was_null_is() {
        let text = serde_json::to_string(&status()).unwrap();
        // A map of serde_json is sorted.
        let sorted: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(sorted["reachable"], json!({"failing_s": null, "reached_s_ago": 4, "sentence": null}));
        assert_eq!(sorted["notices"][0], json!({"at_ms": 1, "peer": null, "sentence": "x"}));
        assert_eq!((&sorted["storage"], &sorted["search"]), (&json!("read-only"), &json!("ok")));
        assert_eq!(sorted.to_string(), text);
        assert_eq!(serde_json::from_str::<DaemonStatus>(&text).unwrap(), status());
    }

    #[test]
    fn who_sees_one_conversation_learns_nothing_of_the_others() {
        let shown = status().of_some(|id| id == b().conversation());
        let value = serde_json::to_value(&shown).unwrap();
        let keys: Vec<_> = value.as_object().unwrap().keys().cloned().collect();
        assert_eq!(keys, ["notices", "onion", "reachable", "reasons", "sentence", "storage", "tor"]);
        assert_eq!(value["sentence"], "Tor works");
        let of = |list: &str| value[list].as_array().unwrap().iter().map(|row| row["peer"].clone()).collect::<Vec<_>>();
        assert_eq!((of("notices"), of("reasons")), (vec![json!(b())], vec![json!(b())]));
        assert_eq!(serde_json::from_value::<DaemonStatus>(value).unwrap(), shown);
    }

    #[test]
    fn what_a_later_daemon_adds_or_an_older_one_lacks_does_not_stop_a_client() {
        let mut value = serde_json::to_value(status()).unwrap();
        value["boxes"] = json!({"joined": 1});
        value["storage"] = json!("on-the-moon");
        value["refused"] = json!({"dials": 3, "new": 4});
        value["tor"]["cause"] = json!("moon");
        let read: DaemonStatus = serde_json::from_value(value).unwrap();
        assert_eq!(read.storage, Some(StorageState::Unknown));
        assert_eq!(read.tor.unwrap().cause, Some(NetworkCause::Unknown));
        assert_eq!(read.refused, Some(RefusedPart { dials: 3, ..RefusedPart::default() }));
    }
}
