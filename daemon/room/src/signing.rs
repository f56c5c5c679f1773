//! How events are made and signed.

use ed25519_dalek::{Signer as _, SigningKey};
use std::sync::Arc;
use torchat_protocol::room::body::Body;
use torchat_protocol::room::body::acts::Create;
use torchat_protocol::room::limits::{BODY_BYTES, MAX_NUMBER};
use torchat_protocol::room::{Author, Event, EventId, Header, RoomId, Salt, Signature};

/// What an author knows when it says something.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    /// The number of the last act.
    pub acts: u32,
    /// The logical time.
    pub lamport: u64,
    /// Minutes since 1970.
    pub minute: u32,
}

/// Makes and signs an event. `None`: a number or the body is beyond its limit.
#[must_use]
pub fn sign(
    key: &SigningKey,
    room: Option<RoomId>,
    author: Author,
    seq: u64,
    prev: EventId,
    clock: Clock,
    body: &Body,
) -> Option<Event> {
    let bytes: Arc<[u8]> = body.encode().into();
    if bytes.len() > BODY_BYTES || seq > MAX_NUMBER || clock.lamport > MAX_NUMBER {
        return None;
    }
    let header = Header::of_body(body.kind(), room, author, seq, prev, &bytes);
    let header = Header { acts: clock.acts, lamport: clock.lamport, minute: clock.minute, ..header };
    let signature = Signature(key.sign(&header.id().to_be_signed()).to_bytes());
    Event::new(header, signature, bytes)
}

/// Makes the first act of a room: draws salts until its id has the shape of an identity, on average 16. `None`: the body is
/// beyond its limits.
#[must_use]
pub fn create(key: &SigningKey, mut create: Create, minute: u32, salt: &mut dyn FnMut() -> Salt) -> Option<Event> {
    let clock = Clock { acts: 0, lamport: 1, minute };
    loop {
        create.salt = salt();
        let event = sign(key, None, Author::ACTS, 1, EventId([0; 32]), clock, &Body::Create(create.clone()))?;
        if RoomId::of_create(event.id()).is_some() {
            return Some(event);
        }
    }
}
