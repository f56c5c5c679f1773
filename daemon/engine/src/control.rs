//! The control server: the classic JSON contract on a Unix socket and on loopback TCP.
//!
//! Whoever runs under the daemon's own uid has every right. On TCP the kernel is asked who owns the client's socket
//! ([`owner`]), because loopback is no authentication: other users, containers and every web page can reach it. Whoever
//! is not the own user must prove a token there, if there are any; on the second Unix socket, if there is one, users have
//! the rights of a table ([`access`]). What is not JSON from its first byte is closed without a word, so no browser and
//! no other protocol can make the daemon do anything.

mod access;
mod api;
mod commands;
mod contacts;
mod legacy;
mod listener;
mod owner;
mod session;

pub use listener::{BindError, Listeners, bind_group, bind_tcp, bind_unix, serve};

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use torchat_protocol::control::api::Right;

/// How much the server takes and how patient it is.
#[derive(Clone)]
pub struct ControlConfig {
    /// Connections at the same time; another one is closed at once.
    pub max_connections: usize,
    /// A begun object must end within this time.
    pub object_time: Duration,
    /// A reply must be taken within this time.
    pub write_time: Duration,
    /// A message that UPDATE handed out counts as read when its connection lived so long after the reply.
    pub lease_time: Duration,
    /// A connection with nothing in work is closed after this time.
    pub idle_time: Duration,
    /// Connections at the same time that must prove a token and have not.
    pub must_prove: usize,
    /// What the users of the group socket may do, by uid.
    pub users: BTreeMap<u32, BTreeSet<Right>>,
    /// Sets how much is logged, for LOG_LEVEL; `None`: it cannot be set. The error is for people.
    pub log_level: Option<SetLogLevel>,
}

/// Sets how much is logged: `error`, `warn`, `info`, `debug` or `trace`.
pub type SetLogLevel = Arc<dyn Fn(&str) -> Result<(), String> + Send + Sync>;

impl Default for ControlConfig {
    fn default() -> Self {
        Self {
            max_connections: 2048,
            object_time: Duration::from_secs(30),
            write_time: Duration::from_secs(30),
            lease_time: Duration::from_secs(5),
            idle_time: Duration::from_secs(3600),
            must_prove: 16,
            users: BTreeMap::new(),
            log_level: None,
        }
    }
}
