//! Keys of members, and events with what is known of their signatures.

use ed25519_dalek::{Signature as DalekSignature, VerifyingKey};
use std::sync::{Arc, OnceLock};
use torchat_protocol::id::PeerId;
use torchat_protocol::room::{Event, MemberKey, Signature};

/// A member's key. It verifies as PROTOCOL.md says: strictly, and nothing at all if it is no canonical point of prime order.
///
/// Otherwise two programs whose libraries differ about odd keys would differ about what a member said.
#[derive(Debug, Clone)]
pub struct Key {
    bytes: MemberKey,
    /// Read when it is needed first, because that takes some 50 us and most keys of a branch that is computed anew never are.
    key: OnceLock<Option<VerifyingKey>>,
}

impl Key {
    /// The key with these bytes, which may be none.
    #[must_use]
    pub fn new(bytes: MemberKey) -> Self {
        Self { bytes, key: OnceLock::new() }
    }

    /// Its bytes.
    #[must_use]
    pub fn bytes(&self) -> MemberKey {
        self.bytes
    }

    /// Whether its owner signed these bytes. Takes some 50 us, and as much more the first time.
    #[must_use]
    pub fn verifies(&self, bytes: &[u8], signature: &Signature) -> bool {
        let signature = DalekSignature::from_bytes(&signature.0);
        let key = self.key.get_or_init(|| {
            PeerId::from_key(self.bytes.0).ok().and_then(|_| VerifyingKey::from_bytes(&self.bytes.0).ok())
        });
        key.as_ref().is_some_and(|key| key.verify_strict(bytes, &signature).is_ok())
    }
}

/// Signatures are equal work for everybody, so they are checked where there is time: a link's task checks an event under the
/// key that the member has at that moment and says which one it was. The replica compares keys, and checks by itself only
/// where they differ.
#[derive(Debug, Clone)]
pub struct Incoming {
    /// The event.
    pub event: Arc<Event>,
    /// The key under which its signature is known to be good.
    pub checked: Option<MemberKey>,
}

impl Incoming {
    /// An event whose signature nobody has checked.
    #[must_use]
    pub fn unchecked(event: Arc<Event>) -> Self {
        Self { event, checked: None }
    }

    /// Whether the owner of a key signed it. Remembers that it did.
    pub(crate) fn is_signed_by(&mut self, key: &Key) -> bool {
        if self.checked == Some(key.bytes()) {
            return true;
        }
        let good = verifies(key, &self.event);
        if good {
            self.checked = Some(key.bytes());
        }
        good
    }
}

/// Whether the owner of a key signed an event. Takes some 50 us.
#[must_use]
pub fn verifies(key: &Key, event: &Event) -> bool {
    key.verifies(&event.id().to_be_signed(), event.signature())
}
