//! What happens on links.

use super::{LinkEnd, LinkId};
use torchat_protocol::id::PeerId;
use torchat_protocol::message::PeerMessage;

/// Something that happened to a link, or came over it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LinkInput {
    /// A handshake ended well: the stream's other end is proven to be `peer`.
    Up {
        /// The new link.
        link: LinkId,
        /// Who it is.
        peer: PeerId,
        /// Whether we dialled.
        outgoing: bool,
        /// The handshake's hash, the same at both ends.
        binding: [u8; 32],
        /// The epoch of the peer's certificate.
        epoch: u32,
    },
    /// A message came over a link.
    Message {
        /// The link.
        link: LinkId,
        /// The message.
        message: PeerMessage,
    },
    /// Bytes came over a link in which no message became whole. Said at most once a second for each link.
    Heard {
        /// The link.
        link: LinkId,
        /// The peer is in the middle of something long.
        unfinished: bool,
    },
    /// A link ended.
    Down {
        /// The link.
        link: LinkId,
        /// How.
        end: LinkEnd,
    },
}
