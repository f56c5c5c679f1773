//! Events in frames: EVENTS, which carries them, and BASE and FORK, which carry them without their bodies.

use super::fields::{Reader, Writer, in_order};
use super::{Frame, FrameError};
use crate::room::event::{Event, Header, HeaderError, WIRE_HEADER_LEN};
use crate::room::id::{Author, RoomId, Signature};
use crate::room::limits::EVENTS_BYTES;
use std::sync::Arc;

/// Bytes of an event without its body and its flags.
pub(super) const SIGNED_LEN: usize = WIRE_HEADER_LEN + 64;
/// The flag of an item: the body follows.
const WITH_BODY: u8 = 1;

/// Bytes of an event as one item of EVENTS: flags, header without its room, signature, and the body if it is there.
pub(super) fn item_len(event: &Event) -> usize {
    1 + SIGNED_LEN + event.body().map_or(0, |body| body.len())
}

/// Writes an item of EVENTS.
pub(super) fn write(to: &mut Writer, event: &Event) {
    let body = event.body();
    to.bytes(&[if body.is_some() { WITH_BODY } else { 0 }]);
    to.bytes(&event.header().to_wire());
    to.bytes(&event.signature().0);
    if let Some(body) = body {
        to.bytes(body);
    }
}

/// Puts events into as few EVENTS as their order allows: together at most [`EVENTS_BYTES`], a longer one alone.
pub(super) fn pack(events: Vec<Event>) -> Vec<Frame> {
    let (mut frames, mut together, mut bytes) = (Vec::new(), Vec::new(), 0);
    for event in events {
        let len = item_len(&event);
        if bytes + len > EVENTS_BYTES && !together.is_empty() {
            frames.push(Frame::Events(std::mem::take(&mut together)));
            bytes = 0;
        }
        together.push(event);
        bytes += len;
    }
    if !together.is_empty() {
        frames.push(Frame::Events(together));
    }
    frames
}

/// Reads the items of EVENTS. Each length is judged before the bytes that it counts are copied.
pub(super) fn read(bytes: &[u8], room: RoomId) -> Result<Vec<Event>, FrameError> {
    let together = bytes.len() <= EVENTS_BYTES;
    let (mut events, mut rest) = (Vec::new(), bytes);
    while !rest.is_empty() {
        if !together && !events.is_empty() {
            return Err(FrameError::Length);
        }
        let mut from = Reader::new(rest);
        let [flags] = from.take()?;
        let (header, signature) = signed(&mut from, room)?;
        rest = from.rest();
        events.push(match flags {
            // Acts are judged by what they say, so nobody passes one on without.
            0 if header.author == Author::ACTS => return Err(HeaderError::Broken("act").into()),
            0 => Event::without_body(header, signature),
            WITH_BODY => {
                let (body, behind) = rest.split_at_checked(header.body_len as usize).ok_or(FrameError::Length)?;
                rest = behind;
                Event::new(header, signature, Arc::from(body)).ok_or(HeaderError::Broken("body"))?
            }
            _ => return Err(FrameError::Field("flag")),
        });
    }
    Ok(events)
}

fn signed(from: &mut Reader<'_>, room: RoomId) -> Result<(Header, Signature), FrameError> {
    let (wire, signature): ([u8; WIRE_HEADER_LEN], _) = (from.take()?, from.take()?);
    Ok((Header::from_wire(&wire, room)?, Signature(signature)))
}

fn wire(event: &Event) -> impl Iterator<Item = u8> {
    event.header().to_wire().into_iter().chain(event.signature().0)
}

/// The bytes of BASE: in the order of authors, each once.
pub(super) fn base(events: &[Event]) -> Vec<u8> {
    let mut events: Vec<_> = events.iter().collect();
    events.sort_by_key(|event| event.header().author);
    events.dedup_by_key(|event| event.header().author);
    events.into_iter().flat_map(wire).collect()
}

/// Reads BASE. The acts are not in it, because everybody gets all of them.
pub(super) fn read_base(bytes: &[u8], room: RoomId) -> Result<Vec<Event>, FrameError> {
    if !bytes.len().is_multiple_of(SIGNED_LEN) {
        return Err(FrameError::Length);
    }
    let (mut from, mut last) = (Reader::new(bytes), None);
    let mut events = Vec::with_capacity(bytes.len() / SIGNED_LEN);
    while !from.is_over() {
        let (header, signature) = signed(&mut from, room)?;
        if header.author == Author::ACTS {
            return Err(FrameError::Field("author"));
        }
        in_order(&mut last, header.author)?;
        events.push(Event::without_body(header, signature));
    }
    Ok(events)
}

/// The bytes of FORK: the smaller bytes first.
pub(super) fn fork(events: &(Event, Event)) -> Vec<u8> {
    let mut events = [&events.0, &events.1];
    events.sort_by_key(|event| event.header().to_wire());
    events.into_iter().flat_map(wire).collect()
}

/// Reads FORK: two different events of one author, with the same number, after the same event.
pub(super) fn read_fork(bytes: &[u8], room: RoomId) -> Result<Box<(Event, Event)>, FrameError> {
    if bytes.len() != 2 * SIGNED_LEN {
        return Err(FrameError::Length);
    }
    let mut from = Reader::new(bytes);
    let (one, other) = (signed(&mut from, room)?, signed(&mut from, room)?);
    let (a, b) = (&one.0, &other.0);
    if a.to_wire() >= b.to_wire() {
        return Err(FrameError::Order);
    }
    // The first event of a room has no room in its header: another one beside it is of another room.
    if (a.room, a.author, a.seq, a.prev) != (b.room, b.author, b.seq, b.prev) || a.room.is_none() {
        return Err(FrameError::Field("fork"));
    }
    Ok(Box::new((Event::without_body(one.0, one.1), Event::without_body(other.0, other.1))))
}
