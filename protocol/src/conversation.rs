//! The id of a conversation: with a peer, or in a room.
//!
//! A peer's conversation has the id of the peer. A room's id has the same shape, 32 bytes that are written like an onion,
//! and is nobody's key. So what only stores, shows, filters or compares conversations takes a [`ConversationId`], and only
//! what speaks to a person or decides about one asks for the [`PeerId`] in it.

use crate::id::{OnionError, PeerId, key_of, local_key, written};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::fmt;

/// A conversation: the 32 bytes of a peer, or of a room.
///
/// Any 32 bytes are one, so it promises less than a [`PeerId`], whose bytes are a checked key. Tables are keyed by the
/// bytes, and they are in the order of the bytes. `Debug` shows only the first four characters, because logs may be stolen.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConversationId([u8; 32]);

/// A text is not the id of a conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}: copy the whole id again, from where the daemon shows it")]
pub struct ConversationIdError(pub OnionError);

impl ConversationId {
    /// The conversation whose id has these bytes.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes of the id.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The peer whose conversation it is; `None`: it can be nobody's, because the bytes are no valid key. That they are
    /// one does not make them a peer: whether somebody has it, only who knows the contacts can say.
    ///
    /// Takes some 50 us for a key that no local program has named before. Not for what peers say, as
    /// [`parse_local_onion`](crate::id::parse_local_onion).
    #[must_use]
    pub fn as_peer(&self) -> Option<PeerId> {
        local_key(self.0).ok()
    }

    /// The id as people write it: 56 characters and `.onion`.
    #[must_use]
    pub fn onion(&self) -> String {
        written(&self.0)
    }

    /// The first four characters: enough to follow a conversation through a log, too little to find a peer.
    #[must_use]
    pub fn short(&self) -> String {
        self.onion().chars().take(4).collect()
    }
}

impl From<PeerId> for ConversationId {
    /// The conversation with a peer.
    fn from(peer: PeerId) -> Self {
        Self(*peer.as_bytes())
    }
}

impl fmt::Debug for ConversationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ConversationId({}..)", self.short())
    }
}

impl std::str::FromStr for ConversationId {
    type Err = ConversationIdError;

    /// Reads an id with or without `.onion`.
    fn from_str(text: &str) -> Result<Self, ConversationIdError> {
        key_of(text).map(Self).map_err(ConversationIdError)
    }
}

impl Serialize for ConversationId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.onion())
    }
}

impl<'de> Deserialize<'de> for ConversationId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for ConversationId {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "ConversationId".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "pattern": "^[a-z2-7]{56}(\\.onion)?$",
            "description": "A conversation: with a peer, whose v3 onion it is, or in a room, whose id is written like an \
                            onion and is none; answers always have the suffix.",
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::id::parse_onion;
    use proptest::prelude::*;

    const PEER: &str = "2gzyxa5ihm7nsggfxnu52rck2vv4rvmdlkiu3zzui5du4xyclen53wid.onion";

    #[test]
    fn the_conversation_with_a_peer_is_written_like_the_peer_and_leads_back_to_it() {
        let peer = parse_onion(PEER).unwrap();
        let conversation = ConversationId::from(peer);
        assert_eq!((conversation.onion(), conversation.short()), (peer.onion(), peer.short()));
        assert_eq!(conversation.as_bytes(), peer.as_bytes());
        assert_eq!(conversation.as_peer(), Some(peer));
        assert_eq!(serde_json::to_value(conversation).unwrap(), PEER);
        assert_eq!(format!("{conversation:?}"), "ConversationId(2gzy..)", "no more of it in a log");
    }

    #[test]
    fn what_is_no_key_is_a_conversation_and_nobodys() {
        // The neutral element, and bytes that are no point.
        for first in [1, 2] {
            let mut bytes = [0; 32];
            bytes[0] = first;
            let room = ConversationId::from_bytes(bytes);
            assert_eq!(room.onion().parse(), Ok(room));
            assert_eq!(parse_onion(&room.onion()), Err(OnionError::Key), "no peer is read from it");
            assert_eq!(room.as_peer(), None);
        }
    }

    #[test]
    fn an_error_says_what_is_wrong_and_what_to_do() {
        let bare = PEER.trim_end_matches(".onion");
        for (text, what) in [
            ("bob".to_owned(), "56 characters"),
            (bare.to_uppercase(), "lower case letters"),
            (bare.replace("53wid", "53xid"), "mistyped character"),
            (bare.replace("53wid", "53wie"), "not of version 3"),
        ] {
            let error = text.parse::<ConversationId>().unwrap_err().to_string();
            assert!(error.contains(what) && error.contains("copy the whole id again"), "{text}: {error}");
            let said = serde_json::from_value::<ConversationId>(text.into()).unwrap_err().to_string();
            assert!(said.contains(&error), "{said}");
        }
    }

    proptest! {
        #[test]
        fn any_32_bytes_come_back_from_their_text_in_the_same_order(a: [u8; 32], b: [u8; 32]) {
            let [one, two] = [a, b].map(ConversationId::from_bytes);
            let text = one.onion();
            prop_assert_eq!(text.len(), 62);
            prop_assert_eq!(text.parse(), Ok(one));
            prop_assert_eq!(text.trim_end_matches(".onion").parse(), Ok(one));
            prop_assert_eq!(serde_json::from_str::<ConversationId>(&serde_json::to_string(&one).unwrap()).unwrap(), one);
            prop_assert_eq!(one.cmp(&two), a.cmp(&b));
            if let Some(peer) = one.as_peer() {
                prop_assert_eq!(ConversationId::from(peer), one);
            }
        }
    }
}
