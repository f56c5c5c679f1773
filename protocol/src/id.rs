//! Identities: peers, messages, lanes and the digest chain of a lane.

use curve25519_dalek::edwards::CompressedEdwardsY;
use data_encoding::{BASE32_NOPAD, HEXLOWER};
use sha3::{Digest as _, Sha3_256};
use std::cell::Cell;
use std::collections::BTreeSet;
use std::fmt;
use std::sync::{PoisonError, RwLock};

/// Number of characters of an onion address without `.onion`.
pub const ONION_CHARS: usize = 56;
/// Characters of an address of version 2 without `.onion`.
const OLD_CHARS: usize = 16;

/// A daemon's identity: the 32 bytes of its onion service's public key (rend-spec-v3 2.2.7, `KP_hs_id`).
///
/// Made only from a canonical point of prime order, so two different ids are never the same key: of the eight
/// addresses that differ by a torsion point exactly one is a `PeerId`. Every table is keyed by these bytes, never by
/// the text form. `Debug` shows only the first four characters, because logs may be stolen.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerId([u8; 32]);

/// Why a text or a key is not the identity of a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OnionError {
    /// The length is wrong.
    #[error("an onion id has 56 characters (with or without .onion)")]
    Length,
    /// An address of version 2, as the first TORchat's were.
    #[error("that is a version 2 address; Tor switched them off in 2021: ask for the new one, which has 56 characters")]
    Old,
    /// A character outside `a-z2-7`; upper case is refused so that an id has one spelling.
    #[error("an onion id is written in lower case letters and the digits 2 to 7")]
    Character,
    /// The checksum does not match: a character was mistyped.
    #[error("the onion id has a mistyped character (its checksum does not match)")]
    Checksum,
    /// Not a version 3 address.
    #[error("the onion id is not of version 3")]
    Version,
    /// The key is no canonical point of prime order, so no honest daemon can own it.
    #[error("the onion id is not a valid key")]
    Key,
}

impl PeerId {
    /// The id of a public key, checked.
    ///
    /// # Errors
    /// [`OnionError::Key`] unless the bytes are the canonical encoding of a point of prime order.
    pub fn from_key(key: [u8; 32]) -> Result<Self, OnionError> {
        let point = CompressedEdwardsY(key).decompress().ok_or(OnionError::Key)?;
        // Small order is torsion, but is_torsion_free() holds for the neutral element: both checks are needed.
        if point.is_small_order() || !point.is_torsion_free() || point.compress().0 != key {
            return Err(OnionError::Key);
        }
        Ok(Self(key))
    }

    /// The public key's bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The address as people write it: 56 characters and `.onion`.
    #[must_use]
    pub fn onion(&self) -> String {
        written(&self.0)
    }

    /// The first four characters: enough to follow a peer through a log, too little to find it.
    #[must_use]
    pub fn short(&self) -> String {
        self.onion().chars().take(4).collect()
    }
}

impl fmt::Debug for PeerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PeerId({}..)", self.short())
    }
}

/// Reads an onion id, with or without `.onion`: the only way from text to a [`PeerId`].
///
/// Stricter than Tor implementations, which accept upper case and all eight torsion-equivalent addresses.
///
/// # Errors
/// An [`OnionError`] that says what is wrong.
pub fn parse_onion(text: &str) -> Result<PeerId, OnionError> {
    PeerId::from_key(key_of(text)?)
}

/// The 32 bytes of an id as people write them: 56 characters with a checksum in them, and `.onion`.
pub(crate) fn written(id: &[u8; 32]) -> String {
    // The bytes, the checksum, the version.
    let mut raw = [3; 35];
    raw[..32].copy_from_slice(id);
    raw[32..34].copy_from_slice(&last_checksum(id));
    let mut text = String::with_capacity(ONION_CHARS + ".onion".len());
    BASE32_NOPAD.encode_append(&raw, &mut text);
    text.make_ascii_lowercase();
    text.push_str(".onion");
    text
}

/// A page of a conversation and the answers to HOST name one id over and over, and the hash is most of what that costs:
/// each thread remembers its last one.
fn last_checksum(id: &[u8; 32]) -> [u8; 2] {
    thread_local! {
        static LAST: Cell<Option<([u8; 32], [u8; 2])>> = const { Cell::new(None) };
    }
    match LAST.get() {
        Some((last, checksum)) if last == *id => checksum,
        _ => {
            let checksum = checksum(id);
            LAST.set(Some((*id, checksum)));
            checksum
        }
    }
}

/// Keys that local programs named and that are good.
static NAMED: RwLock<BTreeSet<PeerId>> = RwLock::new(BTreeSet::new());
/// How many are remembered, of some 50 bytes each; then it begins anew. With 4,096, a list of 10,000 contacts checked all their keys
/// each time that it was read.
const NAMED_KEYS: usize = 65_536;

/// As [`parse_onion`], for what local programs say: a key that one of them has named before is not checked again, which
/// takes longer than all else that parsing a request costs. Not for what peers say: the time would tell them who our contacts are.
///
/// # Errors
/// As [`parse_onion`].
pub fn parse_local_onion(text: &str) -> Result<PeerId, OnionError> {
    local_key(key_of(text)?)
}

/// As [`PeerId::from_key`], for what local programs say: see [`parse_local_onion`].
pub(crate) fn local_key(key: [u8; 32]) -> Result<PeerId, OnionError> {
    if NAMED.read().unwrap_or_else(PoisonError::into_inner).contains(&PeerId(key)) {
        return Ok(PeerId(key));
    }
    let peer = PeerId::from_key(key)?;
    let mut named = NAMED.write().unwrap_or_else(PoisonError::into_inner);
    if named.len() >= NAMED_KEYS {
        named.clear();
    }
    named.insert(peer);
    Ok(peer)
}

/// The 32 bytes in an address: whether they are a key is not checked.
pub(crate) fn key_of(text: &str) -> Result<[u8; 32], OnionError> {
    let text = text.strip_suffix(".onion").unwrap_or(text);
    if text.len() == OLD_CHARS && text.bytes().all(|b| b.is_ascii_alphabetic() || (b'2'..=b'7').contains(&b)) {
        return Err(OnionError::Old);
    }
    if text.len() != ONION_CHARS {
        return Err(OnionError::Length);
    }
    if !text.bytes().all(|b| b.is_ascii_lowercase() || (b'2'..=b'7').contains(&b)) {
        return Err(OnionError::Character);
    }
    let raw = BASE32_NOPAD.decode(text.to_ascii_uppercase().as_bytes()).map_err(|_| OnionError::Character)?;
    let (key, rest) = raw.split_first_chunk::<32>().ok_or(OnionError::Length)?;
    match rest {
        [a, b, 3] if [*a, *b] == checksum(key) => Ok(*key),
        [_, _, 3] => Err(OnionError::Checksum),
        _ => Err(OnionError::Version),
    }
}

fn checksum(key: &[u8; 32]) -> [u8; 2] {
    let hash = Sha3_256::new().chain_update(b".onion checksum").chain_update(key).chain_update([3u8]).finalize();
    let [first, second, ..] = <[u8; 32]>::from(hash);
    [first, second]
}

/// A text is not an id of the wanted size in lower-case hexadecimal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected {bytes} bytes in lower-case hexadecimal")]
pub struct HexIdError {
    bytes: usize,
}

/// Gives a fixed-size id its lower-case hexadecimal form in text, JSON and `Debug`.
macro_rules! hex_id {
    ($(#[$doc:meta])* $name:ident, $len:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub [u8; $len]);

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&data_encoding::HEXLOWER.encode(&self.0))
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::id::HexIdError;

            fn from_str(text: &str) -> Result<Self, $crate::id::HexIdError> {
                $crate::id::hex(text).map(Self)
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str> as serde::Deserialize>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}
pub(crate) use hex_id;

/// Reads bytes in lower-case hexadecimal.
pub(crate) fn hex<const N: usize>(text: &str) -> Result<[u8; N], HexIdError> {
    let raw = HEXLOWER.decode(text.as_bytes()).map_err(|_| HexIdError { bytes: N })?;
    raw.try_into().map_err(|_| HexIdError { bytes: N })
}

hex_id! {
    /// A message's id: 128 random bits (never a time-ordered id, which would leak the sender's clock), in hexadecimal.
    MessageId, 16
}
hex_id! {
    /// A lane's id: 64 random bits, made with the outbox and again after the sender's backup was restored.
    LaneId, 8
}
hex_id! {
    /// The id of one run of a daemon: 64 random bits, made at every start of the process and kept in its store. A daemon
    /// that meets a run of its own identity that its store does not know is a copy, or was restored from a backup.
    RunId, 8
}
hex_id! {
    /// The secret of an invite: 128 random bits, good for one request.
    InviteSecret, 16
}
hex_id! {
    /// The digest of all that a lane carried so far. Two ends that quote the same digest have the same history.
    Chain, 16
}

impl Chain {
    /// The digest of an empty lane.
    pub const EMPTY: Self = Self([0; 16]);

    /// The digest after one more message: the first 16 bytes of `SHA-256("torchatd/1 lane\0" || before || mid)`.
    ///
    /// Without it, a sender that was restored from a backup re-uses numbers and the receiver drops what it takes for
    /// repetitions: in the fault model 449 of 3,000 runs lost acknowledged messages.
    #[must_use]
    pub fn next(self, mid: MessageId) -> Self {
        let hash =
            sha2::Sha256::new().chain_update(b"torchatd/1 lane\0").chain_update(self.0).chain_update(mid.0).finalize();
        let mut out = [0; 16];
        for (to, from) in out.iter_mut().zip(hash) {
            *to = from;
        }
        Self(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_named_before_is_checked_as_well() {
        const GOOD: &str = "2gzyxa5ihm7nsggfxnu52rck2vv4rvmdlkiu3zzui5du4xyclen53wid";
        // Twice: the second time the key is known.
        for _ in 0..2 {
            assert_eq!(parse_local_onion(GOOD), parse_onion(GOOD));
            assert_eq!(parse_local_onion(&GOOD.replace("53wid", "53xid")), Err(OnionError::Checksum));
            // The neutral element: the checksum is good and the key is not.
            let mut neutral = [0; 32];
            neutral[0] = 1;
            let text = PeerId(neutral).onion();
            assert_eq!(parse_local_onion(&text), Err(OnionError::Key));
            assert_eq!(parse_onion(&text), Err(OnionError::Key));
        }
        // Another key in between, so that no checksum is taken from the one before.
        let peer = parse_onion(GOOD).map(|peer| (peer.onion(), PeerId([7; 32]).onion(), peer.onion()));
        assert!(peer.is_ok_and(|(a, b, c)| a == c && a != b && a == format!("{GOOD}.onion")));
    }
}
