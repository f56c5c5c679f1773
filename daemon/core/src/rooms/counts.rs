//! How often the desk dropped something, or did not take it at once.

/// What was dropped in rooms since the start. Nothing here says whom it concerned.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RoomsRefused {
    /// Rooms that a peer wanted to open on a link that had as many as it may.
    pub channels: u64,
    /// Wishes of those who need not wait for the user, beyond those that may come at once.
    pub joins: u64,
    /// Links that broke the protocol.
    pub misbehaved: u64,
    /// Links on which a peer opened rooms too often.
    pub opens: u64,
    /// Texts of ours for a full outbox.
    pub outbox: u64,
    /// Wishes of those about whom the user decides, beyond those that may come at once or are kept.
    pub petitions: u64,
    /// Events of members beyond what one may say.
    pub quota: u64,
    /// Events and proofs that are signed wrongly.
    pub signatures: u64,
    /// Events that waited for others, and had to go for later ones.
    pub waiting: u64,
}

impl RoomsRefused {
    pub(super) fn add(&mut self, more: Self) {
        let Self { channels, joins, misbehaved, opens, outbox, petitions, quota, signatures, waiting } = more;
        self.channels += channels;
        self.joins += joins;
        self.misbehaved += misbehaved;
        self.opens += opens;
        self.outbox += outbox;
        self.petitions += petitions;
        self.quota += quota;
        self.signatures += signatures;
        self.waiting += waiting;
    }
}
