//! What a turn wants done.

mod chat;
mod link;
mod network;

pub use chat::ChatEffect;
pub use link::LinkEffect;
pub use network::NetworkEffect;

use crate::input::{Answer, RequestId};
use torchat_protocol::id::PeerId;

/// One thing to do after the commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Something to do on a link.
    Link(LinkEffect),
    /// A dial, or a mending of what carries dials.
    Network(NetworkEffect),
    /// What became of messages that somebody may wait for.
    Chat(ChatEffect),
    /// Answer a client.
    Answer {
        /// Its request.
        request: RequestId,
        /// The answer.
        answer: Answer,
    },
    /// Something that the user should know, once.
    Notice(Notice),
}

/// What the user should know.
///
/// The first two are what contacts say, and a contact can say anything. So the words name it as what it says, tell that it
/// may lie, and never tell the user to stop the daemon: one contact that means ill could stop it so. What several contacts
/// say independently of each other is worth more, so their number is told; it is still their word.
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
}

impl Notice {
    /// Whom it concerns.
    #[must_use]
    pub fn peer(&self) -> Option<PeerId> {
        match self {
            Self::OtherCopy { peer, .. } | Self::Superseded { peer, .. } | Self::OldCopyOfPeer(peer) => Some(*peer),
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
        self.peer().is_some()
    }

    /// One sentence for people, without onion addresses.
    #[must_use]
    pub fn sentence(&self) -> String {
        match self {
            Self::OtherCopy { say, .. } => format!(
                "{} met another daemon with your identity. {} If you restored this data directory from a backup, that was \
                 it; if you run a second copy of it, the two split your mail",
                say_that_they_have(*say),
                it_may_be_a_lie(*say)
            ),
            Self::Superseded { say, .. } => format!(
                "{} met a newer copy of your identity, and talks to this one no more. {} If you imported your identity on \
                 another machine, that copy counts; if you did not, perhaps somebody else has your key",
                say_that_they_have(*say),
                it_may_be_a_lie(*say)
            ),
            Self::OldCopyOfPeer(_) => {
                "a contact came with an older copy of its identity than the one you know: it was turned away".to_owned()
            }
            Self::Woke(ms) => format!("the daemon did not run for {} s: every link is tried", ms / 1000),
            Self::ClockSet(ms) => format!("the computer's clock was set by {} s", ms / 1000),
        }
    }
}

fn say_that_they_have(say: usize) -> String {
    match say {
        0 | 1 => "a contact says that it has".to_owned(),
        n => format!("{n} contacts, this one among them, say that they have"),
    }
}

fn it_may_be_a_lie(say: usize) -> &'static str {
    match say {
        0 | 1 => "That is its word alone, which may be wrong or a lie.",
        _ => "That is their word, which may be wrong or a lie; that several say it makes it likelier.",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_contact_says_is_told_as_its_words_and_stops_nobody() {
        let peer = PeerId::from_key(curve25519_dalek::constants::ED25519_BASEPOINT_COMPRESSED.0).expect("a point");
        for say in [1, 2, 16] {
            for notice in [Notice::OtherCopy { peer, say }, Notice::Superseded { peer, say }] {
                let words = notice.sentence();
                let who = if say == 1 { "a contact says that it has met".into() } else { format!("{say} contacts, ") };
                assert!(words.starts_with(&who), "{words}");
                assert!(words.contains("may be wrong or a lie"), "{words}");
                assert!(!words.contains("stop"), "{words}");
                assert_eq!(words.contains("its word alone"), say == 1, "{words}");
                assert!(notice.is_warning() && notice.peer() == Some(peer));
            }
        }
    }
}
