//! Events: a header of fixed width, a signature, and a body that may be missing.
//!
//! Nothing in a header is optional, so an event has one spelling. The body is hashed as bytes and never written anew.

use crate::room::body::{Body, BodyError, Place, Ref};
use crate::room::id::{Author, EventId, Head, RoomId, Signature};
use crate::room::limits::{BODY_BYTES, MAX_NUMBER};
use sha2::{Digest as _, Sha256};
use std::sync::Arc;

/// Bytes of a header.
pub const HEADER_LEN: usize = 136;
/// Bytes of a header on the wire, where the channel says the room.
pub const WIRE_HEADER_LEN: usize = HEADER_LEN - 32;
/// The only version.
const VERSION: u8 = 1;
/// The suite of bodies that are not encrypted.
const CLEAR: u8 = 0;
/// The kind of the first event of a room.
pub const CREATE: u8 = 1;

/// Everything of an event that its id covers, the body by its digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// What the body is, see [`Body`].
    pub kind: u8,
    /// The room; `None` in its first event, whose id is the room.
    pub room: Option<RoomId>,
    /// Who says it.
    pub author: Author,
    /// 1, 2, 3 .. in this chain, at most 2^53-1.
    pub seq: u64,
    /// The id of the event before in this chain; the room's id in the first of a chain, zeros in the create event.
    pub prev: EventId,
    /// The number of the last act that the author knew: a hint what to wait for, no right.
    pub acts: u32,
    /// One more than the largest of all events that the author had, at most 2^53-1.
    pub lamport: u64,
    /// The author's time: minutes since 1970. Nobody judges it.
    pub minute: u32,
    /// Bytes of the body, at most [`BODY_BYTES`].
    pub body_len: u32,
    /// SHA-256 of the body.
    pub body_hash: [u8; 32],
}

/// Why bytes are no header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// A version, or a suite of encryption, that this program does not know: a later one may.
    #[error("an event of another version or suite")]
    Unknown,
    /// A field has a value that it cannot have.
    #[error("an event with a bad {0}")]
    Broken(&'static str),
}

impl Header {
    /// The header of an event with this body. The author's clocks are zeros, which only the create event's `acts` may be.
    #[must_use]
    pub fn of_body(kind: u8, room: Option<RoomId>, author: Author, seq: u64, prev: EventId, body: &[u8]) -> Self {
        let body_len = u32::try_from(body.len()).unwrap_or(u32::MAX);
        let body_hash = Sha256::digest(body).into();
        Self { kind, room, author, seq, prev, acts: 0, lamport: 0, minute: 0, body_len, body_hash }
    }

    /// The bytes that the id covers.
    #[must_use]
    pub fn encode(&self) -> [u8; HEADER_LEN] {
        let room = self.room.map_or([0; 32], |room| room.0);
        let mut bytes = [0; HEADER_LEN];
        let fields: [&[u8]; 12] = [
            &[VERSION, CLEAR, self.kind, 0],
            &room,
            &self.author.get().to_be_bytes(),
            &self.seq.to_be_bytes(),
            &self.prev.0,
            &self.acts.to_be_bytes(),
            &[0; 4],
            &self.lamport.to_be_bytes(),
            &self.minute.to_be_bytes(),
            &self.body_len.to_be_bytes(),
            &self.body_hash,
            &[],
        ];
        for (to, from) in bytes.iter_mut().zip(fields.into_iter().flatten()) {
            *to = *from;
        }
        bytes
    }

    /// Reads a header.
    ///
    /// # Errors
    /// [`HeaderError`].
    pub fn decode(bytes: &[u8; HEADER_LEN]) -> Result<Self, HeaderError> {
        let mut rest = Fields(bytes);
        let [version, suite, kind, zero] = rest.take();
        if version != VERSION || suite != CLEAR {
            return Err(HeaderError::Unknown);
        }
        let room: [u8; 32] = rest.take();
        let author = u32::from_be_bytes(rest.take());
        let seq = u64::from_be_bytes(rest.take());
        let prev = EventId(rest.take());
        let acts = u32::from_be_bytes(rest.take());
        let epoch = u32::from_be_bytes(rest.take());
        let lamport = u64::from_be_bytes(rest.take());
        let minute = u32::from_be_bytes(rest.take());
        let body_len = u32::from_be_bytes(rest.take());
        let body_hash = rest.take();
        let broken = |what| Err(HeaderError::Broken(what));
        let Some(author) = Author::new(author) else { return broken("author") };
        let first = kind == CREATE && author == Author::ACTS && seq == 1;
        match () {
            () if zero != 0 => broken("fourth byte"),
            () if seq == 0 || seq > MAX_NUMBER => broken("number"),
            () if lamport == 0 || lamport > MAX_NUMBER => broken("logical time"),
            () if epoch != 0 => broken("epoch"),
            () if body_len as usize > BODY_BYTES => broken("length"),
            () if first && (room != [0; 32] || prev.0 != [0; 32]) => broken("beginning"),
            () => {
                let room = (!first).then_some(RoomId(room));
                Ok(Self { kind, room, author, seq, prev, acts, lamport, minute, body_len, body_hash })
            }
        }
    }

    /// The wire form: without the room, which the channel says.
    #[must_use]
    pub fn to_wire(&self) -> [u8; WIRE_HEADER_LEN] {
        let mut wire = [0; WIRE_HEADER_LEN];
        let bytes = self.encode();
        for (to, from) in wire.iter_mut().zip(bytes.iter().take(4).chain(bytes.iter().skip(36))) {
            *to = *from;
        }
        wire
    }

    /// Reads the wire form of an event of a room.
    ///
    /// # Errors
    /// [`HeaderError`].
    pub fn from_wire(bytes: &[u8; WIRE_HEADER_LEN], room: RoomId) -> Result<Self, HeaderError> {
        let mut rest = Fields(bytes);
        let start: [u8; 4] = rest.take();
        let place: [u8; 12] = rest.take();
        let [_, _, kind, _] = start;
        let first = kind == CREATE && place == [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
        let mut whole = [0; HEADER_LEN];
        let parts = start.iter().chain(if first { &[0; 32] } else { &room.0 }).chain(&place).chain(rest.0);
        for (to, from) in whole.iter_mut().zip(parts) {
            *to = *from;
        }
        Self::decode(&whole)
    }

    /// The event's id: `SHA-256("torchatd/1 room event\0" || header)`.
    #[must_use]
    pub fn id(&self) -> EventId {
        EventId(Sha256::new().chain_update(b"torchatd/1 room event\0").chain_update(self.encode()).finalize().into())
    }

    /// Whether these bytes are the body.
    #[must_use]
    pub fn is_body(&self, body: &[u8]) -> bool {
        body.len() == self.body_len as usize && <[u8; 32]>::from(Sha256::digest(body)) == self.body_hash
    }

    /// The order that all replicas agree on: by logical time, then by author and number.
    #[must_use]
    pub fn order(&self) -> Order {
        Order { lamport: self.lamport, author: self.author, seq: self.seq }
    }
}

/// Reads fields of fixed width, one after the other. Behind the end there are zeros.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn take<const N: usize>(&mut self) -> [u8; N] {
        match self.0.split_first_chunk() {
            Some((field, rest)) => {
                self.0 = rest;
                *field
            }
            None => [0; N],
        }
    }
}

/// The place of an event among all events of a room: the same at every replica, whatever the order of arrival.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Order {
    /// The logical time.
    pub lamport: u64,
    /// Member, then chain.
    pub author: Author,
    /// The number in the chain.
    pub seq: u64,
}

/// An event as replicas keep it and pass it on. Its fields fit each other; nobody has checked the signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    header: Header,
    id: EventId,
    signature: Signature,
    body: Option<Arc<[u8]>>,
}

impl Event {
    /// An event with its body. `None`: the body is another's.
    #[must_use]
    pub fn new(header: Header, signature: Signature, body: Arc<[u8]>) -> Option<Self> {
        header.is_body(&body).then(|| Self { header, id: header.id(), signature, body: Some(body) })
    }

    /// An event whose body is not there: it was redacted, is too old, or is not needed.
    #[must_use]
    pub fn without_body(header: Header, signature: Signature) -> Self {
        Self { header, id: header.id(), signature, body: None }
    }

    /// The header.
    #[must_use]
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The id.
    #[must_use]
    pub fn id(&self) -> EventId {
        self.id
    }

    /// The signature of [`EventId::to_be_signed`] by the author's key.
    #[must_use]
    pub fn signature(&self) -> &Signature {
        &self.signature
    }

    /// The body's bytes, if they are there.
    #[must_use]
    pub fn body(&self) -> Option<&Arc<[u8]>> {
        self.body.as_ref()
    }

    /// The event without its body.
    #[must_use]
    pub fn stripped(&self) -> Self {
        Self { body: None, ..self.clone() }
    }

    /// Where it is.
    #[must_use]
    pub fn place(&self) -> Place {
        Place { author: self.header.author, seq: self.header.seq }
    }

    /// As other events name it.
    #[must_use]
    pub fn named(&self) -> Ref {
        Ref { place: self.place(), tag: self.id.tag() }
    }

    /// As the head of its chain.
    #[must_use]
    pub fn head(&self) -> Head {
        Head { author: self.header.author, seq: self.header.seq, tag: self.id.tag() }
    }

    /// What the body says. `Ok(None)`: the body is not there, or its kind is one of a later version.
    ///
    /// # Errors
    /// [`BodyError`]: the body does not follow the rules of its kind. Such an event is kept, passed on and means nothing.
    pub fn read(&self) -> Result<Option<Body>, BodyError> {
        self.body.as_ref().map_or(Ok(None), |body| Body::decode(self.header.kind, body))
    }
}
