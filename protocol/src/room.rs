//! The bytes of rooms: ids, events and their bodies, frames, invites. ROOM-PROTOCOL.md describes them.
//!
//! A room is a log of signed events that its members' daemons copy. Nothing here verifies a signature or decides what
//! counts: that is the work of a replica (the crate `torchat-room`).

pub mod body;
mod event;
mod frame;
mod id;
mod invite;
pub mod limits;

pub use body::Body;
pub use event::{CREATE, Event, HEADER_LEN, Header, HeaderError, Order, WIRE_HEADER_LEN};
pub use frame::{
    Close, CloseCode, Cookie, Deny, DenyCode, Frame, FrameError, Has, Hello, Join, LogPlace, Open, OpenAs, Petition,
    Told,
};
pub use id::{
    Author, BoxKey, EventId, Head, Identity, InviteId, LogDigest, LogId, MemberKey, MemberNo, RoomId, Salt, Signature,
    Tag, TextId, message_id,
};
pub use invite::{InviteKey, Pass, Proof, RoomInvite, RoomInviteError};
