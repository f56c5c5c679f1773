//! What a network says of itself.

/// What the transport says of itself, for STATUS.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NetworkStatus {
    /// Whether dials make sense now.
    pub usable: bool,
    /// Progress of the start, 0 to 100.
    pub percent: u8,
    /// One sentence for people, without onion addresses.
    pub sentence: String,
    /// What happened to the transport that people should know even when it is over, the youngest last. Few.
    pub notices: Vec<NetworkNotice>,
}

/// What befell a transport.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkNotice {
    /// When, in milliseconds since 1970.
    pub wall_ms: u64,
    /// What, for people, without onion addresses.
    pub sentence: String,
}
