//! The ids of rooms, members, events and logs.

use crate::conversation::ConversationId;
use crate::id::{MessageId, PeerId, hex_id};
use crate::room::limits::MAX_MEMBER;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use sha2::{Digest as _, Sha256};
use std::fmt;

hex_id! {
    /// The id of an event: `SHA-256("torchatd/1 room event\0" || header)`.
    EventId, 32
}
hex_id! {
    /// The first 8 bytes of an event's id.
    Tag, 8
}
hex_id! {
    /// A replica's log: 64 random bits, made with the replica and anew when what it says to others begins anew.
    LogId, 8
}
hex_id! {
    /// The digest of a log up to a position. Two that are equal are of the same log.
    LogDigest, 16
}
hex_id! {
    /// The Ed25519 public key by which a member signs in one room. Whether it is a key is asked when a signature is checked.
    MemberKey, 32
}
hex_id! {
    /// The X25519 public key for which bodies of sealed rooms are encrypted.
    BoxKey, 32
}
hex_id! {
    /// A member's identity as the owner wrote it into the roster: 32 bytes, not checked.
    Identity, 32
}
hex_id! {
    /// The id of a room's invite.
    InviteId, 8
}
hex_id! {
    /// The id that the author of a text drew for it; see [`message_id`].
    TextId, 16
}
hex_id! {
    /// What the maker of a room drew so that the room's id has the shape of an identity.
    Salt, 16
}
hex_id! {
    /// An Ed25519 signature.
    Signature, 64
}

impl EventId {
    /// The first bytes, by which a head names the event.
    #[must_use]
    pub fn tag(&self) -> Tag {
        let [a, b, c, d, e, f, g, h, ..] = self.0;
        Tag([a, b, c, d, e, f, g, h])
    }

    /// What an author signs of an event with this id.
    #[must_use]
    pub fn to_be_signed(&self) -> Vec<u8> {
        [b"torchatd/1 room signature\0", &self.0[..]].concat()
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for InviteId {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "InviteId".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "pattern": "^[0-9a-f]{16}$" })
    }
}

impl Tag {
    /// Of a chain without an event.
    pub const NONE: Self = Self([0; 8]);
}

impl LogDigest {
    /// The digest of an empty log.
    pub const EMPTY: Self = Self([0; 16]);

    /// The digest after one more event: the first 16 bytes of `SHA-256("torchatd/1 room log\0" || before || id)`.
    #[must_use]
    pub fn next(self, id: EventId) -> Self {
        Self(first_16(Sha256::new().chain_update(b"torchatd/1 room log\0").chain_update(self.0).chain_update(id.0)))
    }
}

/// The id by which the store and the control API know a text: the first 16 bytes of
/// `SHA-256("torchatd/1 room message\0" || room || u32 member || the id that the author drew)`.
///
/// With the member in it, nobody takes the place of another's text by copying its id.
#[must_use]
pub fn message_id(room: RoomId, member: MemberNo, text: TextId) -> MessageId {
    let hash = Sha256::new().chain_update(b"torchatd/1 room message\0").chain_update(room.0);
    MessageId(first_16(hash.chain_update(member.get().to_be_bytes()).chain_update(text.0)))
}

fn first_16(hash: Sha256) -> [u8; 16] {
    let mut out = [0; 16];
    for (to, from) in out.iter_mut().zip(hash.finalize()) {
        *to = from;
    }
    out
}

/// A room: the id of its create event. Written like an onion.
///
/// A room's id has the shape of a peer's identity (its maker draws a salt until it has), so old programs take it wherever
/// an onion stands; and since it is a hash, nobody has the key. Whether the bytes have that shape is checked where a room
/// begins, [`RoomId::of_create`]. `Debug` shows only the first four characters, because logs may be stolen.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RoomId(pub [u8; 32]);

impl RoomId {
    /// The room that begins with this event. `None`: the id has not the shape of an identity, so it begins no room.
    /// Takes some 50 us.
    #[must_use]
    pub fn of_create(id: EventId) -> Option<Self> {
        PeerId::from_key(id.0).ok().map(|_| Self(id.0))
    }

    /// The room as a conversation.
    #[must_use]
    pub fn conversation(self) -> ConversationId {
        ConversationId::from_bytes(self.0)
    }

    /// The id as an event's: what stands before the first event of a chain.
    #[must_use]
    pub fn as_event(self) -> EventId {
        EventId(self.0)
    }
}

impl From<ConversationId> for RoomId {
    fn from(conversation: ConversationId) -> Self {
        Self(*conversation.as_bytes())
    }
}

impl fmt::Debug for RoomId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RoomId({}..)", self.conversation().short())
    }
}

/// A member's number: 1 to 2^24-1, given by the owner, never given twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MemberNo(u32);

impl MemberNo {
    /// Who made the room.
    pub const MAKER: Self = Self(1);

    /// The member with this number. `None`: none can have it.
    #[must_use]
    pub fn new(number: u32) -> Option<Self> {
        (1..=MAX_MEMBER).contains(&number).then_some(Self(number))
    }

    /// The number.
    #[must_use]
    pub fn get(self) -> u32 {
        self.0
    }

    /// The author of this member's chain with a number.
    #[must_use]
    pub fn chain(self, chain: u8) -> Author {
        Author(self.0 << 8 | u32::from(chain))
    }

    /// All authors that a member can be.
    #[must_use]
    pub fn chains(self) -> std::ops::RangeInclusive<Author> {
        self.chain(0)..=self.chain(u8::MAX)
    }
}

impl fmt::Display for MemberNo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Serialize for MemberNo {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for MemberNo {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(u32::deserialize(deserializer)?).ok_or_else(|| de::Error::custom("no number of a member"))
    }
}

/// Who says an event: a member's chain, or the room's acts.
///
/// A member has one chain, and one more for each backup that it restored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Author(u32);

impl Author {
    /// The acts of whoever owns the room.
    pub const ACTS: Self = Self(0);

    /// The author with this number: `member << 8 | chain`. `None`: there can be none, because the acts have only one chain.
    #[must_use]
    pub fn new(number: u32) -> Option<Self> {
        (number == 0 || number > 0xff).then_some(Self(number))
    }

    /// The number.
    #[must_use]
    pub fn get(self) -> u32 {
        self.0
    }

    /// Whose chain it is. `None`: the acts.
    #[must_use]
    pub fn member(self) -> Option<MemberNo> {
        MemberNo::new(self.0 >> 8)
    }

    /// Which chain of the member.
    #[must_use]
    pub fn chain(self) -> u8 {
        let [.., chain] = self.0.to_be_bytes();
        chain
    }
}

impl Serialize for Author {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Author {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(u32::deserialize(deserializer)?).ok_or_else(|| de::Error::custom("no number of an author"))
    }
}

impl fmt::Display for Author {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.member() {
            None => f.write_str("acts"),
            Some(member) => write!(f, "{member}/{}", self.chain()),
        }
    }
}

/// The last event of a chain: a frontier is a list of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Head {
    /// The chain.
    pub author: Author,
    /// The event's number in it, 0: none.
    pub seq: u64,
    /// How its id begins.
    pub tag: Tag,
}
