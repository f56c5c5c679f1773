//! What the user should know, as codes: the words are made where they are shown.

use torchat_protocol::id::PeerId;

/// What the user should know.
///
/// The first two are what contacts say, and a contact can say anything. What several contacts say independently of each other
/// is worth more, so their number is told; it is still their word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Notice {
    /// A contact says that it has met a run of our identity that our store does not know.
    OtherCopy {
        /// Who says so.
        peer: PeerId,
        /// How many contacts have said so in this run of the daemon, this one included.
        say: usize,
    },
    /// A contact says that it has met a newer copy of our identity, and ended its link.
    Superseded {
        /// Who says so.
        peer: PeerId,
        /// How many contacts have said so in this run of the daemon, this one included.
        say: usize,
    },
    /// A peer that we know by a newer copy came with an older one.
    OldCopyOfPeer(PeerId),
    /// The process did not run for this many milliseconds: the machine slept, or it was stopped.
    Woke(u64),
    /// The wall clock was set by this many milliseconds.
    ClockSet(i64),
    /// A peer is a contact now, because it has shown an invite of ours.
    CameWithInvite(PeerId),
}

impl Notice {
    /// The peer that it concerns.
    #[must_use]
    pub fn peer(&self) -> Option<PeerId> {
        match self {
            Self::OtherCopy { peer, .. }
            | Self::Superseded { peer, .. }
            | Self::OldCopyOfPeer(peer)
            | Self::CameWithInvite(peer) => Some(*peer),
            Self::Woke(_) | Self::ClockSet(_) => None,
        }
    }

    /// Whether both tell the same of the same peer, however many others say so too.
    #[must_use]
    pub(crate) fn is_like(&self, other: &Self) -> bool {
        std::mem::discriminant(self) == std::mem::discriminant(other)
            && match self.peer() {
                Some(_) => self.peer() == other.peer(),
                None => self == other,
            }
    }

    /// The user has to do something about it.
    #[must_use]
    pub fn is_warning(&self) -> bool {
        self.peer().is_some() && !matches!(self, Self::CameWithInvite(_))
    }
}
