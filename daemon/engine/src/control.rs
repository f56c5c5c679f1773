//! The control server: the classic JSON contract on a Unix socket and on loopback TCP.
//!
//! Whoever runs under the daemon's own uid has every right; nobody else has any. On TCP the kernel is asked who owns the
//! client's socket ([`owner`]), because loopback is no authentication: other users, containers and every web page can
//! reach it. What is not JSON from its first byte is closed without a word, so no browser and no other protocol can make
//! the daemon do anything.

mod commands;
mod contacts;
mod legacy;
mod listener;
mod owner;
mod session;

pub use listener::{BindError, Listeners, bind_tcp, bind_unix, serve};

use std::time::Duration;

/// How much the server takes and how patient it is.
#[derive(Debug, Clone)]
pub struct ControlConfig {
    /// Connections at the same time; another one is closed at once.
    pub max_connections: usize,
    /// A begun object must end within this time.
    pub object_time: Duration,
    /// A reply must be taken within this time.
    pub write_time: Duration,
    /// A message that UPDATE handed out counts as read when its connection lived so long after the reply.
    pub lease_time: Duration,
}

impl Default for ControlConfig {
    fn default() -> Self {
        Self {
            max_connections: 2048,
            object_time: Duration::from_secs(30),
            write_time: Duration::from_secs(30),
            lease_time: Duration::from_secs(5),
        }
    }
}
