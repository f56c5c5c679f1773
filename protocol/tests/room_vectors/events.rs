//! An event of every kind, its header field by field, and what is none.

use super::{bodies, compare, example, header, hello, hex, maker, room, seed, signed};
use ed25519_dalek::{Signature as Ed25519, VerifyingKey};
use serde_json::{Value, json};
use std::sync::Arc;
use torchat_protocol::room::{
    Author, Body, Event, EventId, Frame, HEADER_LEN, Header, HeaderError, MemberNo, RoomId, Signature,
};

/// An event as one item of EVENTS.
fn item(event: &Event) -> Vec<u8> {
    Frame::Events(vec![event.clone()]).encode()
}

fn row(name: &str, event: &Event) -> Value {
    let header = event.header();
    let body = event.body().unwrap();
    assert_eq!(Header::decode(&header.encode()).as_ref(), Ok(header), "{name}");
    assert_eq!(Header::from_wire(&header.to_wire(), room()).as_ref(), Ok(header), "{name}");
    let read = event.read().unwrap().unwrap();
    assert_eq!((read.kind(), read.encode()), (header.kind, body.to_vec()), "{name}");
    assert_eq!(
        Frame::decode(0x46, &item(event), room()),
        Ok(Some(Frame::Events(vec![event.clone()]))),
        "{name} comes back from its item"
    );
    json!({
        "name": name,
        "kind": header.kind,
        "author": header.author,
        "seq": header.seq,
        "prev": header.prev,
        "acts": header.acts,
        "lamport": header.lamport,
        "minute": header.minute,
        "body": std::str::from_utf8(body).unwrap(),
        "header": hex(header.encode()),
        "id": event.id(),
        "signature": event.signature(),
        "item": hex(item(event)),
    })
}

/// An event of every kind, the acts in their chain and the others in the maker's.
fn every_kind() -> Vec<Value> {
    let (_, create) = example();
    let mut rows = vec![row("create", &create)];
    let (mut act, mut said) = (create.head_and_id(), (0, room().as_event()));
    for (n, (name, body)) in bodies::samples().into_iter().enumerate() {
        let is_act = body.kind() < 16;
        let (author, chain) = if is_act { (Author::ACTS, &mut act) } else { (maker(), &mut said) };
        let bytes = body.encode();
        let header = header(Some(room()), author, chain.0 + 1, chain.1, body.kind(), &bytes);
        let acts = u32::try_from(if is_act { chain.0 } else { 9 }).unwrap();
        let event = signed(seed(), Header { acts, lamport: n as u64 + 2, ..header }, &bytes);
        *chain = event.head_and_id();
        rows.push(row(name, &event));
    }
    rows
}

trait InChain {
    fn head_and_id(&self) -> (u64, EventId);
}

impl InChain for Event {
    fn head_and_id(&self) -> (u64, EventId) {
        (self.header().seq, self.id())
    }
}

/// The text of the worked example, every field changed once: another id, and the signature holds no more.
fn changed() -> Vec<Value> {
    let event = hello();
    let good = *event.header();
    let key = VerifyingKey::from_bytes(&super::public(seed())).unwrap();
    let holds = |id: EventId| key.verify_strict(&id.to_be_signed(), &Ed25519::from_bytes(&event.signature().0)).is_ok();
    assert!(holds(event.id()));
    let other_hash = Header { body_hash: [0; 32], ..good };
    [
        ("kind", Header { kind: 17, ..good }),
        ("room", Header { room: Some(RoomId([1; 32])), ..good }),
        ("author", Header { author: MemberNo::MAKER.chain(1), ..good }),
        ("seq", Header { seq: 2, ..good }),
        ("prev", Header { prev: event.id(), ..good }),
        ("acts", Header { acts: 2, ..good }),
        ("lamport", Header { lamport: 3, ..good }),
        ("minute", Header { minute: 0, ..good }),
        ("body_len", Header { body_len: 58, ..good }),
        ("body_hash", other_hash),
    ]
    .into_iter()
    .map(|(field, header)| {
        assert!(!holds(header.id()) && header.id() != event.id(), "{field}");
        json!({ "field": field, "header": hex(header.encode()), "id": header.id() })
    })
    .collect()
}

/// The header of the worked example with other bytes from one place on.
fn with(at: usize, bytes: &[u8]) -> [u8; HEADER_LEN] {
    let mut header = hello().header().encode();
    header[at..at + bytes.len()].copy_from_slice(bytes);
    header
}

fn ends_of_fields() -> Vec<Value> {
    let max = ((1u64 << 53) - 1).to_be_bytes();
    [
        ("kind 0", with(2, &[0])),
        ("kind 255", with(2, &[255])),
        ("author 256", with(36, &256u32.to_be_bytes())),
        ("the last author", with(36, &u32::MAX.to_be_bytes())),
        ("an act", with(36, &[0; 4])),
        ("the last number", with(40, &max)),
        ("acts", with(80, &[0xff; 4])),
        ("the last logical time", with(88, &max)),
        ("minute", with(96, &[0xff; 4])),
        ("the longest body", with(100, &131_072u32.to_be_bytes())),
        ("an empty body", with(100, &[0; 4])),
        ("kind 1 of a member names its room", with(2, &[1])),
        ("kind 1 as the second act names its room", {
            let mut header = with(36, &[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2]);
            header[2] = 1;
            header
        }),
    ]
    .into_iter()
    .map(|(what, bytes)| {
        let header = Header::decode(&bytes).unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_eq!(header.encode(), bytes, "{what}");
        assert_eq!(Header::from_wire(&header.to_wire(), room()), Ok(header), "{what}");
        json!({ "what": what, "header": hex(bytes), "id": header.id() })
    })
    .collect()
}

fn broken() -> Vec<Value> {
    let over = (1u64 << 53).to_be_bytes();
    let first = |room: u8, prev: u8| {
        let mut header = with(36, &[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
        header[2] = 1;
        header[4..36].fill(room);
        header[48..80].fill(prev);
        header
    };
    assert!(Header::decode(&first(0, 0)).is_ok());
    [
        ("version 0", with(0, &[0]), true),
        ("version 2", with(0, &[2]), true),
        ("suite 1", with(1, &[1]), true),
        ("suite 2", with(1, &[2]), true),
        ("a later version, and nothing of it is judged", with(0, &[2, 0, 0, 1]), true),
        ("the fourth byte", with(3, &[1]), false),
        ("author 1", with(36, &1u32.to_be_bytes()), false),
        ("author 255", with(36, &255u32.to_be_bytes()), false),
        ("number 0", with(40, &[0; 8]), false),
        ("number 2^53", with(40, &over), false),
        ("number 2^64-1", with(40, &[0xff; 8]), false),
        ("an epoch", with(84, &1u32.to_be_bytes()), false),
        ("logical time 0", with(88, &[0; 8]), false),
        ("logical time 2^53", with(88, &over), false),
        ("a body that is too long", with(100, &131_073u32.to_be_bytes()), false),
        ("a create event with a room", first(1, 0), false),
        ("a create event with an event before it", first(0, 1), false),
    ]
    .into_iter()
    .map(|(why, bytes, later)| {
        let error = Header::decode(&bytes).unwrap_err();
        assert_eq!(error == HeaderError::Unknown, later, "{why}");
        json!({ "why": why, "header": hex(bytes), "later": later })
    })
    .collect()
}

#[test]
fn events_and_bodies() {
    let handover = json!({
        "seed": hex([2; 32]),
        "proposal": hex([0x5a; 32]),
        "to": 2,
        "accept": bodies::accept(),
    });
    for kind in [0, 8, 9, 10, 15, 28, 32, 63, 255] {
        assert_eq!(Body::decode(kind, b"\xff"), Ok(None));
    }
    compare(
        "events",
        &json!({
            "room": hex(room().0),
            "seed": hex(seed()),
            "events": every_kind(),
            "handover": handover,
            "first_text": row("text", &hello()),
            "changed": changed(),
            "ends": ends_of_fields(),
            "broken": broken(),
            "same": bodies::same(),
            "limits": bodies::limits(),
            "judged": bodies::judged(),
            "swapped": bodies::swapped(),
            "later_kinds": [0, 8, 9, 10, 15, 28, 32, 63, 255],
        }),
    );
}

#[test]
fn a_body_of_another_event_is_refused() {
    let event = hello();
    let (header, signature) = (*event.header(), *event.signature());
    let mut other = event.body().unwrap().to_vec();
    assert!(Event::new(header, signature, Arc::from(&other[..])).is_some());
    other[10] ^= 1;
    assert_eq!(Event::new(header, signature, Arc::from(&other[..])), None);
    assert_eq!(Event::new(header, signature, Arc::from(&other[..9])), None);
    assert_eq!(Event::new(header, Signature([0; 64]), Arc::from(&b""[..])), None);
    assert_eq!(event.stripped(), Event::without_body(header, signature));
}
