//! What was rejected before the core heard of it.

use std::sync::atomic::AtomicU64;

/// How often a stream, a link or a local program was rejected before the core heard of it, since the start. Nothing here says whose.
#[derive(Debug, Default)]
pub(crate) struct Rejected {
    /// Streams that had to make room for another.
    pub(crate) streams: AtomicU64,
    /// Streams that did not prove who they are, or not in time.
    pub(crate) handshakes: AtomicU64,
    /// Links whose peer broke the protocol.
    pub(crate) protocol: AtomicU64,
    /// Links whose peer did not read what was said to it.
    pub(crate) not_read: AtomicU64,
    /// Streams whose purpose had no room for another one.
    pub(crate) crowded: AtomicU64,
    /// Local programs that came while as many as may be were connected.
    pub(crate) connections: AtomicU64,
}
