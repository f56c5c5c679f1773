//! Messages between people: ours, theirs, and those of old daemons. None of the parts knows another.

pub(crate) mod legacy;
pub(crate) mod outbox;
pub(crate) mod receiving;
pub(crate) mod sending;

/// The states of all three.
pub(crate) struct Chat {
    pub(crate) sending: sending::Sending,
    pub(crate) receiving: receiving::Receiving,
    pub(crate) legacy: legacy::Legacy,
}
