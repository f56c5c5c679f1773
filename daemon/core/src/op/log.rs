//! What the daemon notes of itself, and what is told to the event log alone.

use crate::view::ContactView;
use torchat_protocol::control::reason;
use torchat_protocol::id::{PeerId, RunId};

/// Something that the daemon notes of itself, or an event that is nothing else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogOp {
    /// This run of the daemon, before any peer hears of it.
    Run {
        /// Its id.
        run: RunId,
        /// Its start, in milliseconds since 1970.
        at_ms: i64,
    },
    /// The wall clock leapt: what bears an earlier time is not older than this moment.
    ClockSet {
        /// In milliseconds since 1970, by what the clock says after it.
        at_ms: i64,
    },
    /// What a peer is to us has changed in this turn. Only for the event log: the changes have operations of their own.
    Changed {
        /// The peer after the turn.
        contact: ContactView,
    },
    /// A contact's first link came up, or its last one went down.
    Link {
        /// The contact.
        peer: PeerId,
        /// Up or down.
        up: bool,
    },
    /// Our way into the network opened or closed. Only for the event log.
    Network {
        /// Whether peers can be dialled.
        usable: bool,
        /// In words.
        sentence: String,
        /// For programs.
        why: reason::Network,
    },
    /// Something that the user should know. Only for the event log.
    Notice {
        /// The peer that it is about.
        peer: Option<PeerId>,
        /// In words.
        sentence: String,
        /// For programs, if there is a code for it.
        why: Option<reason::Notice>,
    },
}
