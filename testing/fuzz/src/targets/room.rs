//! What members of rooms and strangers say: headers, bodies, frames, frontiers, invites.

use crate::Seen;
use crate::script::Script;
use serde_json::Value;
use std::collections::BTreeMap;
use torchat_protocol::id::{ONION_CHARS, parse_onion};
use torchat_protocol::room::{
    Author, Body, Frame, HEADER_LEN, Head, Header, HeaderError, RoomId, RoomInvite, Tag, WIRE_HEADER_LEN,
};

const LARGEST: u64 = (1 << 53) - 1;
const ROOM: RoomId = RoomId([0xee; 32]);

/// The bytes as a header, and as one without its room.
///
/// # Panics
/// When a header has two spellings, breaks a rule, or has the id of another one.
pub fn header(data: &[u8]) -> Seen {
    let whole: Option<&[u8; HEADER_LEN]> = data.first_chunk();
    let wire: Option<&[u8; WIRE_HEADER_LEN]> = data.first_chunk();
    let mut seen = Seen::Refused;
    if let Some(bytes) = whole {
        let read = Header::decode(bytes);
        assert_eq!(read.map(|_| ()), expected(bytes), "the page's rules");
        if let Ok(header) = read {
            assert_eq!(header.encode(), *bytes, "one spelling");
            for at in 0..HEADER_LEN {
                let mut other = *bytes;
                other[at] ^= 1;
                assert!(Header::decode(&other).map(|other| other.id()) != Ok(header.id()), "byte {at} is in the id");
            }
            let room = header.room.unwrap_or(ROOM);
            assert_eq!(Header::from_wire(&header.to_wire(), room), Ok(header), "without its room");
            seen = Seen::Taken;
        }
    }
    if let Some(Ok(header)) = wire.map(|wire| Header::from_wire(wire, ROOM)) {
        assert_eq!(Some(&header.to_wire()), wire, "one spelling");
        assert_eq!(Header::decode(&header.encode()), Ok(header), "with its room");
        seen = Seen::Taken;
    }
    seen
}

/// The page's rules for headers, written anew.
fn expected(bytes: &[u8; HEADER_LEN]) -> Result<(), HeaderError> {
    let number = |at: usize, len: usize| bytes[at..at + len].iter().fold(0u64, |n, byte| n << 8 | u64::from(*byte));
    let first = bytes[2] == 1 && number(36, 4) == 0 && number(40, 8) == 1;
    let zeros = |at: usize| bytes[at..at + 32].iter().all(|byte| *byte == 0);
    if bytes[..2] != [1, 0] {
        return Err(HeaderError::Unknown);
    }
    let rules = [
        ("author", !(1..256).contains(&number(36, 4))),
        ("fourth byte", bytes[3] == 0),
        ("number", (1..=LARGEST).contains(&number(40, 8))),
        ("logical time", (1..=LARGEST).contains(&number(88, 8))),
        ("epoch", number(84, 4) == 0),
        ("length", number(100, 4) <= 131_072),
        ("beginning", !first || zeros(4) && zeros(48)),
    ];
    rules.into_iter().find(|(_, holds)| !holds).map_or(Ok(()), |(what, _)| Err(HeaderError::Broken(what)))
}

/// The first byte as a kind, the others as its body.
///
/// # Panics
/// When a body is not what its JSON says, is not read back, or passes a limit.
pub fn body(data: &[u8]) -> Seen {
    let Some((kind, bytes)) = data.split_first() else { return Seen::Refused };
    let body = match Body::decode(*kind, bytes) {
        Ok(Some(body)) => body,
        Ok(None) => return Seen::Refused,
        Err(error) => {
            assert!(error.to_string().len() < 200, "our words only: {error}");
            return Seen::Refused;
        }
    };
    assert_eq!(body.kind(), *kind);
    let written = body.encode();
    assert_eq!(Body::decode(*kind, &written), Ok(Some(body)), "read back");
    let said: Value = serde_json::from_slice(bytes).unwrap_or_default();
    let understood: Value = serde_json::from_slice(&written).unwrap_or_default();
    assert!(is_said(&understood, &said), "{understood} is understood where {said} is said");
    within_limits("", &understood);
    Seen::Taken
}

/// Whether everything that was understood was said. A chain up to number 0 is as one that is not named.
fn is_said(understood: &Value, said: &Value) -> bool {
    match (understood, said) {
        (Value::Object(understood), Value::Object(said)) => {
            understood.iter().all(|(key, value)| said.get(key).is_some_and(|found| is_said(value, found)))
        }
        (Value::Array(understood), Value::Array(said)) => {
            let nothing = |value: &&Value| value[1] == 0 && value.as_array().is_some_and(|pair| pair.len() == 2);
            let same = |said: Vec<&Value>| {
                understood.len() == said.len() && understood.iter().zip(said).all(|(a, b)| is_said(a, b))
            };
            same(said.iter().collect()) || same(said.iter().filter(|value| !nothing(value)).collect())
        }
        (understood, said) => understood == said,
    }
}

/// The limits of the page, written anew.
fn within_limits(key: &str, value: &Value) {
    match value {
        Value::String(text) => {
            let most = match key {
                "text" => 16_384,
                "name" => 64,
                "topic" => 500,
                "why" => 200,
                "nick" => 32,
                _ => 128,
            };
            assert!(text.len() <= most, "{key} of {} bytes", text.len());
        }
        Value::Array(list) => {
            let most = match key {
                "to" => 16,
                "hosts" => 8,
                "add" | "cut" | "role" | "keep" | "old" | "new" | "resume" => 256,
                _ => usize::MAX,
            };
            assert!(list.len() <= most, "{key} of {}", list.len());
            list.iter().for_each(|one| within_limits("", one));
        }
        Value::Object(map) => map.iter().for_each(|(key, one)| within_limits(key, one)),
        Value::Number(number) => assert!(number.as_u64().is_some_and(|n| n <= LARGEST), "{key}: {number}"),
        Value::Bool(_) | Value::Null => {}
    }
}

/// The first byte as a frame's type, the others as its bytes.
///
/// # Panics
/// When a frame has two spellings, is not read back, or an error has words of the peer.
pub fn frame(data: &[u8]) -> Seen {
    let Some((kind, bytes)) = data.split_first() else { return Seen::Refused };
    let first = Frame::decode_first(*kind, bytes);
    let frame = match Frame::decode(*kind, bytes, ROOM) {
        Ok(Some(frame)) => frame,
        Ok(None) => {
            assert!(*kind < 0x40 || (0x4f..0x80).contains(kind), "a frame that is known is not skipped");
            assert_eq!(first, Ok(None));
            return Seen::Refused;
        }
        Err(error) => {
            assert!(error.to_string().len() < 200, "our words only: {error}");
            assert!(first.is_err());
            return Seen::Refused;
        }
    };
    assert_eq!(frame.kind(), *kind);
    assert_eq!(first.is_ok(), matches!(frame, Frame::Open(_) | Frame::Join(_)), "a channel begins with these");
    let written = frame.encode();
    assert_eq!(Frame::decode(*kind, &written, ROOM), Ok(Some(frame.clone())), "read back");
    // Of JSON there is more than one spelling.
    assert!(*kind >= 0x50 || written == bytes, "one spelling");
    if let Frame::Events(events) = &frame {
        assert_eq!(events.iter().map(Frame::event_len).sum::<usize>(), bytes.len(), "what it costs");
        assert!(bytes.len() <= 7_944 || events.len() == 1);
    }
    let parts: Vec<u8> = frame.parts().iter().flat_map(Frame::encode).collect();
    assert_eq!(parts, written, "the parts say the same");
    Seen::Taken
}

/// The bytes as a frontier, and as heads in any order of which one is written.
///
/// # Panics
/// When a frontier is read that is none, or one is written that is none.
pub fn frontier(data: &[u8]) -> Seen {
    let read = Frame::decode(0x44, data, ROOM);
    let heads = data.chunks(20).map(head).collect::<Option<Vec<_>>>();
    let good = heads.as_ref().is_some_and(|heads| {
        !heads.is_empty()
            && heads.iter().enumerate().all(|(n, (author, seq, tag))| {
                (n == 0) == (*author == 0)
                    && (*author == 0 || *author > 255)
                    && *seq <= LARGEST
                    && if *seq == 0 { n == 0 && *tag == [0; 8] } else { true }
            })
            && heads.is_sorted_by(|one, next| one.0 < next.0)
    });
    assert_eq!(read.is_ok(), good, "the page's rules: {heads:?}");

    let mut script = Script::new(data);
    let mut given = Vec::new();
    while !script.is_over() {
        let author = script.number() as u32;
        let Some(author) = Author::new(author) else { continue };
        given.push(Head { author, seq: script.number().min(LARGEST), tag: Tag(script.array()) });
    }
    let mut meant = BTreeMap::from([(Author::ACTS, (0, Tag::NONE))]);
    meant.extend(given.iter().filter(|head| head.seq > 0).map(|head| (head.author, (head.seq, head.tag))));
    let meant: Vec<_> = meant.into_iter().map(|(author, (seq, tag))| Head { author, seq, tag }).collect();
    let written = Frame::Have(given).encode();
    assert_eq!(Frame::decode(0x44, &written, ROOM), Ok(Some(Frame::Have(meant))), "whatever is given");
    if good { Seen::Taken } else { Seen::Refused }
}

fn head(bytes: &[u8]) -> Option<(u32, u64, [u8; 8])> {
    let (author, rest) = bytes.split_first_chunk()?;
    let (seq, tag) = rest.split_first_chunk()?;
    Some((u32::from_be_bytes(*author), u64::from_be_bytes(*seq), tag.try_into().ok()?))
}

/// The bytes as the text of an invite to a room.
///
/// # Panics
/// When an invite has two spellings, or something else than a room, doors and digits.
pub fn invite(data: &[u8]) -> Seen {
    let Ok(text) = std::str::from_utf8(data) else { return Seen::Refused };
    let Ok(invite) = text.parse::<RoomInvite>() else { return Seen::Refused };
    assert_eq!(invite.to_string(), text, "another spelling");
    assert!(RoomInvite::is_meant(text) && parse_onion(text).is_err());
    assert!((1..=3).contains(&invite.doors().len()));
    let digits = if invite.pass.is_some() { 3 + 48 } else { 0 };
    let expected = "torchat-room:".len() + ONION_CHARS + 2 + invite.doors().len() * (ONION_CHARS + 1) + digits;
    assert_eq!(text.len(), expected, "room, doors, digits and nothing else");
    assert!(invite.doors().iter().all(|door| text.contains(&door.onion()[..ONION_CHARS])));
    Seen::Taken
}
