//! What a stream is for: one byte behind the client's certificate, said by the side that dials.
//!
//! It is data, because a daemon hears purposes that later versions serve. Which ones it serves is said by the handlers that
//! it has.

/// What a stream is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Purpose(pub u8);

impl Purpose {
    /// Messages between two peers.
    pub const CHAT: Self = Self(0);
    /// Rooms that both daemons have.
    pub const ROOM: Self = Self(2);
}

impl std::fmt::Display for Purpose {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match *self {
            Self::CHAT => f.write_str("chat"),
            Self::ROOM => f.write_str("rooms"),
            Self(number) => write!(f, "unknown purpose {number}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_purpose_of_a_later_version_is_a_purpose_without_a_name() {
        assert_eq!(Purpose::CHAT, Purpose(0), "the byte that PROTOCOL.md gives to chat");
        assert_eq!(Purpose::CHAT.to_string(), "chat");
        assert_eq!((Purpose::ROOM, Purpose::ROOM.to_string().as_str()), (Purpose(2), "rooms"), "1 is for files");
        assert_eq!(Purpose(7).to_string(), "unknown purpose 7");
    }
}
