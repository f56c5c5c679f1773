//! What a network says of itself.

use std::time::Instant;
use torchat_protocol::control::reason::NetworkCause;

/// What the transport says of itself, for STATUS.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NetworkStatus {
    /// Whether dials make sense now. It stays true while the network is away: a dial may be the first to get through again.
    pub usable: bool,
    /// Progress of the start, 0 to 100.
    pub percent: u8,
    /// One short sentence for people, without onion addresses.
    pub sentence: String,
    /// Since when the network carries nothing, and why. `None`: as far as is known, it carries us.
    pub down: Option<NetworkDown>,
    /// What happened to the transport that people should know even when it is over, the youngest last. Few.
    pub notices: Vec<NetworkNotice>,
}

impl NetworkStatus {
    /// Whether the network carries us, as far as is known.
    #[must_use]
    pub fn works(&self) -> bool {
        self.usable && self.down.is_none()
    }
}

/// The network carries nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkDown {
    /// Since when, in milliseconds since 1970.
    pub wall_ms: u64,
    /// The same moment by the monotonic clock, so that a clock that is set makes no age wrong.
    pub since: Instant,
    /// What is in the way, if a user can mend it.
    pub cause: Option<NetworkCause>,
    /// All that is known of the cause, in the network's own words, without onion addresses. The sentence has the short form.
    pub detail: Option<String>,
}

/// What befell a transport.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkNotice {
    /// When, in milliseconds since 1970.
    pub wall_ms: u64,
    /// What, for people, without onion addresses.
    pub sentence: String,
}
