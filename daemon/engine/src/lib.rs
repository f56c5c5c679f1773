//! The running part of a torchat daemon, without Tor and without the control server: the actor that owns the core, links to
//! peers, the dialler, the store and the unread buffers. Others ask it through its [`handle::Handle`].

mod client_ids;
mod codes;
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
