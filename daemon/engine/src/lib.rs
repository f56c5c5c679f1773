//! The running part of a torchat daemon, without Tor: the actor that owns the core, links to peers, the dialler, the
//! store, the unread buffers and the control server.

mod client_ids;
pub mod control;
mod engine;
pub mod handle;
mod legacy;
mod link;
mod mailbox;
mod refusal;
mod request;
pub mod store;
mod unread;

pub use engine::{Ended, Engine, EngineConfig, Running, Storage, StoreLost, World};
pub use legacy::LegacyLease;
pub use link::dialer::{Checked, DialTimes};
pub use store::LegacyLine;
