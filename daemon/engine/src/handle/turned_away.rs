//! Local programs that were turned away, and commands that were lost with them.

use super::Handle;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use torchat_protocol::control::reason::Notice;
use torchat_protocol::control::status::NoticePart;

/// Since the start.
#[derive(Debug, Default)]
pub(crate) struct TurnedAway {
    clients: AtomicU64,
    /// Commands of programs that closed their sockets before the kernel was asked whose they were.
    lost: AtomicU64,
    /// When the first of them came, in milliseconds since 1970.
    first_ms: AtomicI64,
}

impl TurnedAway {
    /// How many programs.
    pub(crate) fn clients(&self) -> u64 {
        self.clients.load(Ordering::Relaxed)
    }

    /// How many commands were lost.
    pub(crate) fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    /// That commands were lost: one notice, however many.
    pub(crate) fn notice(&self) -> Option<NoticePart> {
        let (at_ms, why) = (self.first_ms.load(Ordering::Relaxed), Notice::ClosedTooEarly);
        (self.lost() > 0).then(|| NoticePart { at_ms, peer: None, sentence: why.sentence(), why: Some(why) })
    }
}

impl Handle {
    /// Counts a local program that was turned away.
    pub fn note_refused_client(&self) {
        self.turned_away.clients.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a command that was not executed because its program had closed its socket, and nobody can tell whose it was.
    pub fn note_lost_command(&self) {
        if self.turned_away.lost.fetch_add(1, Ordering::Relaxed) == 0 {
            self.turned_away.first_ms.store(self.wall_ms(), Ordering::Relaxed);
        }
    }
}
