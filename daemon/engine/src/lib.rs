//! The running part of a torchat daemon, without Tor: the actor that owns the core, links to peers, the dialler, the
//! store, the unread buffers and the control server.

pub mod control;
pub mod handle;
pub mod transport;
