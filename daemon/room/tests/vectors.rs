//! The test vectors of what replicas decide and say, `docs/vectors/rooms-acts.json` and `rooms-talk.json`: made by replicas, so
//! that they cannot drift from the code.
//!
//! `UPDATE_GOLDEN=1` writes them anew, which is a new version of the protocol. `testing/spec` reads them with another
//! implementation, which knows nothing but what the protocol's page says.
#![allow(clippy::unwrap_used)]

#[path = "vectors/acts.rs"]
mod acts;
#[path = "chaos/disk.rs"]
#[allow(dead_code, reason = "the chaos tests use the rest")]
mod disk;
#[path = "vectors/talk.rs"]
mod talk;

use data_encoding::HEXLOWER;
use ed25519_dalek::SigningKey;
use serde_json::Value;
use std::sync::Arc;
use torchat_protocol::room::body::acts::{Create, Entry, Policy};
use torchat_protocol::room::body::{Body, BoundedText, Place, Role};
use torchat_protocol::room::{
    Author, BoxKey, Event, EventId, Frame, Identity, MemberKey, MemberNo, RoomId, Salt, Signature,
};
use torchat_room::signing::{Clock, create, sign};

/// Compares with `docs/vectors/rooms-NAME.json`.
fn compare(name: &str, vectors: &Value) {
    let text = serde_json::to_string_pretty(vectors).unwrap() + "\n";
    let path = format!("{}/../../docs/vectors/rooms-{name}.json", env!("CARGO_MANIFEST_DIR"));
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    assert!(
        std::fs::read_to_string(&path).unwrap() == text,
        "docs/vectors/rooms-{name}.json is not what the code does. If the protocol is meant to change: UPDATE_GOLDEN=1"
    );
}

fn hex(bytes: impl AsRef<[u8]>) -> String {
    HEXLOWER.encode(bytes.as_ref())
}

/// The key of a member: its seed is 32 bytes of the member's number.
fn key(n: u8) -> SigningKey {
    SigningKey::from_bytes(&[n; 32])
}

fn number(n: u8) -> MemberNo {
    MemberNo::new(n.into()).unwrap()
}

fn entry(no: u8, signs: u8, role: Role) -> Entry {
    let sign = MemberKey(key(signs).verifying_key().to_bytes());
    let id = Some(Identity([no; 32]));
    Entry { no: number(no), sign, sealing: BoxKey([9; 32]), role, id, nick: None, via: None }
}

/// The first act of the room of the vectors, which member 1 owns; its salt counts up from 0.
fn first(policy: Policy) -> Event {
    let owner = entry(1, 1, Role::Owner);
    let (name, topic) = (BoundedText::new("lab").unwrap(), BoundedText::default());
    let mut salts = (0_u128..).map(|salt| Salt(salt.to_be_bytes()));
    let mut draw = || salts.next().unwrap();
    create(&key(1), Create { owner, name, topic, policy, salt: Salt([0; 16]) }, 29_833_333, &mut draw).unwrap()
}

/// An event at any place, signed by any key.
fn event(room: RoomId, signs: u8, place: Place, prev: EventId, clock: (u32, u64), body: &Body) -> Arc<Event> {
    let clock = Clock { acts: clock.0, lamport: clock.1, minute: 29_833_334 };
    Arc::new(sign(&key(signs), Some(room), place.author, place.seq, prev, clock, body).unwrap())
}

/// An event as the item of EVENTS that it is.
fn item(event: &Event) -> String {
    hex(Frame::Events(vec![event.clone()]).encode())
}
