//! The test vectors of rooms, `docs/vectors/rooms-*.json`: made by the code, so that they cannot drift from it.
//!
//! `UPDATE_GOLDEN=1` writes them anew, which is a new version of the protocol. `testing/spec` reads them with another
//! implementation, which knows nothing but what the protocol's page says.
#![allow(clippy::unwrap_used)]

#[path = "room_vectors/bodies.rs"]
mod bodies;
#[path = "room_vectors/counts.rs"]
mod counts;
#[path = "room_vectors/events.rs"]
mod events;
#[path = "room_vectors/frame_rules.rs"]
mod frame_rules;
#[path = "room_vectors/frames.rs"]
mod frames;
#[path = "room_vectors/ids.rs"]
mod ids;

use ed25519_dalek::{Signer as _, SigningKey};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use std::fmt::Write as _;
use std::sync::{Arc, LazyLock};
use torchat_protocol::room::body::acts::{Create, Entry, Policy};
use torchat_protocol::room::body::{BoundedText, Role};
use torchat_protocol::room::{
    Author, Body, BoxKey, Event, EventId, Header, Identity, MemberKey, MemberNo, RoomId, Salt, Signature,
};

/// Compares with `docs/vectors/rooms-NAME.json`.
fn compare(name: &str, vectors: &Value) {
    let mut text = ascii(&serde_json::to_string_pretty(vectors).unwrap());
    text.push('\n');
    let path = format!("{}/../docs/vectors/rooms-{name}.json", env!("CARGO_MANIFEST_DIR"));
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    assert!(
        std::fs::read_to_string(&path).unwrap() == text,
        "docs/vectors/rooms-{name}.json is not what the code does. If the protocol is meant to change: UPDATE_GOLDEN=1"
    );
}

/// JSON with escapes for all that is not ASCII, which stands only in strings: nothing invisible lies in the files.
fn ascii(json: &str) -> String {
    let mut text = String::new();
    for c in json.chars() {
        if c.is_ascii() {
            text.push(c);
        } else {
            for unit in c.encode_utf16(&mut [0; 2]) {
                write!(text, "\\u{unit:04x}").unwrap();
            }
        }
    }
    text
}

fn hex(bytes: impl AsRef<[u8]>) -> String {
    data_encoding::HEXLOWER.encode(bytes.as_ref())
}

/// 32 bytes that count up.
fn counting(from: u8) -> [u8; 32] {
    std::array::from_fn(|n| from + u8::try_from(n).unwrap())
}

/// The seed of the maker's key in the room of the vectors.
fn seed() -> [u8; 32] {
    counting(0)
}

fn public(seed: [u8; 32]) -> [u8; 32] {
    SigningKey::from_bytes(&seed).verifying_key().to_bytes()
}

fn sealing(secret: [u8; 32]) -> BoxKey {
    BoxKey(curve25519_dalek::MontgomeryPoint::mul_base_clamped(secret).to_bytes())
}

fn text<const N: usize>(text: &str) -> BoundedText<N> {
    BoundedText::new(text).unwrap()
}

/// An event, signed with a seed.
fn signed(seed: [u8; 32], header: Header, body: &[u8]) -> Event {
    let signature = SigningKey::from_bytes(&seed).sign(&header.id().to_be_signed());
    Event::new(header, Signature(signature.to_bytes()), Arc::from(body)).unwrap()
}

/// A header that fits a body.
fn header(room: Option<RoomId>, author: Author, seq: u64, prev: EventId, kind: u8, body: &[u8]) -> Header {
    Header {
        kind,
        room,
        author,
        seq,
        prev,
        acts: 0,
        lamport: 1,
        minute: 29_833_333,
        body_len: u32::try_from(body.len()).unwrap(),
        body_hash: Sha256::digest(body).into(),
    }
}

/// The create event of a room, and how many salts were tried, counted up from 0.
fn draw(seed: [u8; 32], mut create: Create) -> (u64, Event) {
    for tried in 0.. {
        create.salt = Salt(u128::from(tried).to_be_bytes());
        let body = Body::Create(create.clone()).encode();
        let header = header(None, Author::ACTS, 1, EventId([0; 32]), 1, &body);
        if RoomId::of_create(header.id()).is_some() {
            return (tried + 1, signed(seed, header, &body));
        }
    }
    unreachable!()
}

/// The create event of the worked example, and how many salts were tried.
fn example() -> (u64, Event) {
    static DRAWN: LazyLock<(u64, Event)> = LazyLock::new(drawn);
    DRAWN.clone()
}

fn drawn() -> (u64, Event) {
    let owner = Entry {
        no: MemberNo::MAKER,
        sign: MemberKey(public(seed())),
        sealing: sealing(counting(32)),
        role: Role::Owner,
        id: Some(Identity(public(counting(64)))),
        nick: Some(text("anna")),
        via: None,
    };
    let (name, topic, policy) = (text("lab"), text(""), Policy::default());
    draw(seed(), Create { owner, name, topic, policy, salt: Salt([0; 16]) })
}

fn room() -> RoomId {
    RoomId(example().1.id().0)
}

/// The first chain of the maker.
fn maker() -> Author {
    MemberNo::MAKER.chain(0)
}

/// The first text of the worked example.
fn hello() -> Event {
    let body = br#"{"mid":"000102030405060708090a0b0c0d0e0f","text":"hello"}"#;
    let header = header(Some(room()), maker(), 1, room().as_event(), 16, body);
    signed(seed(), Header { acts: 1, lamport: 2, minute: 29_833_334, ..header }, body)
}
