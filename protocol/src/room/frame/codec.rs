//! The bytes of frames. A frame has one spelling, and only form is judged here: whether a frame is one, not whether anybody may
//! say it.

use super::fields::{Reader, Writer};
use super::joining::{JoinKeys, PetitionKeys, ToldKeys};
use super::{CloseCode, Deny, DenyCode, Frame, events, joining};
use crate::json::JsonError;
use crate::limits::PEER_OBJECT_BYTES;
use crate::room::event::{Event, HeaderError};
use crate::room::id::RoomId;

/// Frame types, as the table of ROOM-PROTOCOL.md numbers them.
mod kind {
    pub(super) const OPEN: u8 = 0x40;
    pub(super) const HELLO: u8 = 0x41;
    pub(super) const CLOSE: u8 = 0x42;
    pub(super) const RESET: u8 = 0x43;
    pub(super) const HAVE: u8 = 0x44;
    pub(super) const BASE: u8 = 0x45;
    pub(super) const EVENTS: u8 = 0x46;
    pub(super) const MARK: u8 = 0x47;
    pub(super) const STORED: u8 = 0x48;
    pub(super) const DENY: u8 = 0x49;
    pub(super) const FORK: u8 = 0x4a;
    pub(super) const AT: u8 = 0x4b;
    pub(super) const NEED: u8 = 0x4c;
    pub(super) const BODY: u8 = 0x4d;
    pub(super) const CREDIT: u8 = 0x4e;
    pub(super) const JOIN: u8 = 0x50;
    pub(super) const TOLD: u8 = 0x51;
    pub(super) const PETITION: u8 = 0x52;
}

/// A type with this bit must be understood; one without it may be skipped.
const CRITICAL: u8 = 0x80;

/// How a peer broke the rules of frames. The words are ours: nothing of what the peer said stands in them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// A frame type that must be understood is not.
    #[error("an unknown frame type {0:#04x}")]
    Type(u8),
    /// A channel that begins with anything but OPEN or JOIN.
    #[error("a channel that begins with frame type {0:#04x}")]
    First(u8),
    /// The frame is shorter or longer than its type may be.
    #[error("a frame of a wrong length")]
    Length,
    /// A field has a value that it cannot have.
    #[error("a frame with a bad {0}")]
    Field(&'static str),
    /// A list is not in its order, or has something twice.
    #[error("a list of a frame is out of order")]
    Order,
    /// HELLO names a version that is not known.
    #[error("a room channel of another version")]
    Version,
    /// An event is none.
    #[error(transparent)]
    Event(#[from] HeaderError),
    /// An object is none.
    #[error(transparent)]
    Json(JsonError),
}

impl FrameError {
    /// Whether a later version may know what this one does not: then the channel ends with [`CloseCode::Limit`]. Anything else
    /// ends the link without a word.
    #[must_use]
    pub fn is_of_later_version(&self) -> bool {
        matches!(self, Self::Version | Self::Event(HeaderError::Unknown))
    }
}

impl Frame {
    /// The frame's type.
    #[must_use]
    pub fn kind(&self) -> u8 {
        match self {
            Self::Open(_) => kind::OPEN,
            Self::Hello(_) => kind::HELLO,
            Self::Close(_) => kind::CLOSE,
            Self::Reset => kind::RESET,
            Self::Have(_) => kind::HAVE,
            Self::Base(_) => kind::BASE,
            Self::Events(_) => kind::EVENTS,
            Self::Mark(_) => kind::MARK,
            Self::Stored(_) => kind::STORED,
            Self::Deny(_) => kind::DENY,
            Self::Fork(_) => kind::FORK,
            Self::At(_) => kind::AT,
            Self::Need(..) => kind::NEED,
            Self::Body(_) => kind::BODY,
            Self::Credit(_) => kind::CREDIT,
            Self::Join(_) => kind::JOIN,
            Self::Told(_) => kind::TOLD,
            Self::Petition(_) => kind::PETITION,
        }
    }

    /// The bytes of the message that the frame is, without its type. Lists are put into their order, each thing once, and a
    /// frontier gets a head of the acts, so that what comes out is a frame whatever order went in. A list that is too long for one
    /// message is not cut: see [`Frame::parts`].
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut to = Writer::default();
        match self {
            Self::Open(open) => to.open(open),
            Self::Hello(hello) => to.hello(hello),
            Self::Close(close) => to.close(close),
            Self::Reset => {}
            Self::Have(heads) => to.frontier(heads),
            Self::Base(base) => to.bytes(&events::base(base)),
            Self::Events(events) => events.iter().for_each(|event| events::write(&mut to, event)),
            Self::Mark(place) => to.log_place(place),
            Self::Stored(chains) => to.stored(chains),
            Self::Deny(deny) => {
                to.place(deny.author, deny.seq);
                to.bytes(&[deny.code.into()]);
                to.number(deny.retry_s);
            }
            Self::Fork(events) => to.bytes(&events::fork(events)),
            Self::At(head) => to.head(head),
            Self::Need(author, upto) => to.place(*author, *upto),
            Self::Body(places) => to.places(places),
            Self::Credit(bytes) => to.number(*bytes),
            Self::Join(join) => to.json(&JoinKeys::from(join)),
            Self::Told(told) => to.json(&ToldKeys::from(told)),
            Self::Petition(petition) => to.json(&PetitionKeys::from(petition)),
        }
        to.finish()
    }

    /// Reads a frame on a channel of `room`. `Ok(None)`: a type of a later version, which is skipped.
    ///
    /// OPEN and JOIN name their room themselves; whether one may stand on a channel that is open already, the caller decides.
    ///
    /// # Errors
    /// [`FrameError`]; see [`FrameError::is_of_later_version`].
    pub fn decode(kind: u8, bytes: &[u8], room: RoomId) -> Result<Option<Self>, FrameError> {
        if bytes.len() > PEER_OBJECT_BYTES {
            return Err(FrameError::Length);
        }
        let mut from = Reader::new(bytes);
        let frame = match kind {
            kind::OPEN => Self::Open(from.open()?),
            kind::HELLO => Self::Hello(from.hello()?),
            kind::CLOSE => Self::Close(from.close()?),
            kind::RESET => Self::Reset,
            kind::HAVE => Self::Have(from.frontier()?),
            kind::BASE => Self::Base(events::read_base(from.rest(), room)?),
            kind::EVENTS => Self::Events(events::read(from.rest(), room)?),
            kind::MARK => Self::Mark(from.log_place()?),
            kind::STORED => Self::Stored(from.stored()?),
            kind::DENY => {
                let ((author, seq), [code], retry_s) = (from.place()?, from.take()?, from.number()?);
                Self::Deny(Deny { author, seq, code: DenyCode::from(code), retry_s })
            }
            kind::FORK => Self::Fork(events::read_fork(from.rest(), room)?),
            kind::AT => Self::At(from.head()?),
            kind::NEED => {
                let (author, upto) = from.place()?;
                Self::Need(author, upto)
            }
            kind::BODY => Self::Body(from.places()?),
            kind::CREDIT => Self::Credit(from.number()?),
            kind::JOIN => Self::Join(joining::read::<JoinKeys>(from.rest())?.try_into()?),
            kind::TOLD => Self::Told(joining::read::<ToldKeys>(from.rest())?.try_into()?),
            kind::PETITION => Self::Petition(joining::read::<PetitionKeys>(from.rest())?.try_into()?),
            _ if kind & CRITICAL == 0 => return Ok(None),
            _ => return Err(FrameError::Type(kind)),
        };
        if from.is_over() { Ok(Some(frame)) } else { Err(FrameError::Length) }
    }

    /// Reads the first frame of a channel that the other end begins: OPEN or JOIN, which name their room. `Ok(None)`: a type
    /// of a later version, which is skipped.
    ///
    /// # Errors
    /// As [`Frame::decode`]; any other frame of this version.
    pub fn decode_first(kind: u8, bytes: &[u8]) -> Result<Option<Self>, FrameError> {
        match kind {
            kind::HELLO..=kind::CREDIT | kind::TOLD | kind::PETITION => Err(FrameError::First(kind)),
            // Neither of the two reads the room of its channel.
            _ => Self::decode(kind, bytes, RoomId([0; 32])),
        }
    }

    /// The same said in frames that each fit into one message: EVENTS of at most
    /// [`EVENTS_BYTES`](crate::room::limits::EVENTS_BYTES), a longer event alone; BASE, STORED and BODY of as many items as a
    /// message has bytes for. Every other frame fits as it is.
    #[must_use]
    pub fn parts(self) -> Vec<Self> {
        fn chunks<T: Clone>(list: &[T], item: usize, frame: fn(Vec<T>) -> Frame) -> Vec<Frame> {
            list.chunks(PEER_OBJECT_BYTES / item).map(|chunk| frame(chunk.to_vec())).collect()
        }
        match self {
            Self::Events(events) => events::pack(events),
            Self::Base(base) => chunks(&base, events::SIGNED_LEN, Self::Base),
            Self::Stored(chains) => chunks(&chains, super::fields::PLACE_LEN, Self::Stored),
            Self::Body(places) => chunks(&places, super::fields::PLACE_LEN, Self::Body),
            frame => vec![frame],
        }
    }

    /// Bytes of an event in EVENTS: what it takes of the hearer's credit.
    #[must_use]
    pub fn event_len(event: &Event) -> usize {
        events::item_len(event)
    }
}

impl From<u8> for CloseCode {
    fn from(code: u8) -> Self {
        match code {
            0 => Self::Done,
            1 => Self::None,
            2 => Self::Removed,
            3 => Self::Full,
            4 => Self::Busy,
            5 => Self::Destroyed,
            6 => Self::Limit,
            7 => Self::Protocol,
            8 => Self::Again,
            9 => Self::NoHost,
            other => Self::Other(other),
        }
    }
}

impl From<CloseCode> for u8 {
    fn from(code: CloseCode) -> Self {
        match code {
            CloseCode::Done => 0,
            CloseCode::None => 1,
            CloseCode::Removed => 2,
            CloseCode::Full => 3,
            CloseCode::Busy => 4,
            CloseCode::Destroyed => 5,
            CloseCode::Limit => 6,
            CloseCode::Protocol => 7,
            CloseCode::Again => 8,
            CloseCode::NoHost => 9,
            CloseCode::Other(other) => other,
        }
    }
}

impl From<u8> for DenyCode {
    fn from(code: u8) -> Self {
        match code {
            1 => Self::Quota,
            2 => Self::Slow,
            3 => Self::Size,
            4 => Self::Disk,
            5 => Self::Epoch,
            other => Self::Other(other),
        }
    }
}

impl From<DenyCode> for u8 {
    fn from(code: DenyCode) -> Self {
        match code {
            DenyCode::Quota => 1,
            DenyCode::Slow => 2,
            DenyCode::Size => 3,
            DenyCode::Disk => 4,
            DenyCode::Epoch => 5,
            DenyCode::Other(other) => other,
        }
    }
}
