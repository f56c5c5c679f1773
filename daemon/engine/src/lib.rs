//! The running part of a torchat daemon, without Tor and without the control server: the actor that owns the core, links to
//! peers, the dialler, the store and the unread buffers. Others ask it through its [`handle::Handle`].

mod client_ids;
pub mod clock;
mod dialer;
mod engine;
pub mod handle;
mod legacy;
mod link;
pub mod store;
pub mod transport;
mod unread;

pub use dialer::{Checked, DialTimes};
pub use engine::{Ended, Engine, EngineConfig, Running, Storage, StoreLost, World};
pub use legacy::{LegacyLease, LegacyLine};
