//! Which circuits a dial may share with others.

use torchat_protocol::purpose::Purpose;

/// Dials that may follow each other on the same circuits. Dials of different groups never share one, whichever peer they go
/// to: chat must not wait behind a file, and a file may come over several circuits side by side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Group {
    /// What its streams are for.
    pub purpose: Purpose,
    /// Tells groups of one purpose apart.
    pub number: u8,
}

impl Group {
    /// The group of messages between two peers.
    pub const CHAT: Self = Self::first(Purpose::CHAT);

    /// The first group of a purpose.
    #[must_use]
    pub const fn first(purpose: Purpose) -> Self {
        Self { purpose, number: 0 }
    }
}

/// Which circuits a dial may share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Isolation {
    /// Circuits of its own: after a dial timed out every later dial that shares its circuits hangs with it, for minutes. Once it
    /// has succeeded, they are the last ones of its group.
    Fresh(Group),
    /// Those of the last dial of this group to this peer that succeeded, whose cached descriptor may outlive a fetch; fresh
    /// ones if there was none.
    Last(Group),
}

impl Isolation {
    /// Whose circuits they are.
    #[must_use]
    pub fn group(self) -> Group {
        match self {
            Self::Fresh(group) | Self::Last(group) => group,
        }
    }
}
