//! The control server: the classic JSON contract and API 1 on a Unix socket and on loopback TCP.
//!
//! A program that runs under the daemon's own uid has every right. On TCP the kernel is asked who owns the client's socket
//! ([`torchat_loopback`]), because loopback is no authentication: other users, containers and every web page can reach it. Others
//! than the own user must prove a token there, if there are any; on the second Unix socket, if there is one, users have
//! the rights of a table ([`access`]). What is not JSON from its first byte is closed without a word, so no browser and
//! no other protocol can make the daemon do anything.

mod access;
mod api;
mod bind;
mod carrier;
mod classic;
mod contract;
mod listener;
mod objects;
mod page_budget;
mod seldom;
mod verbs;

pub use bind::{BindError, Listeners, bind_group, bind_tcp, bind_unix};
pub use listener::serve;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
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
    /// A connection on which nothing is asked, awaited or subscribed for this time is closed; `None`: never.
    pub idle_time: Option<Duration>,
    /// Connections at the same time that must prove a token and have not.
    pub must_prove: usize,
    /// SEND and EXIT of programs that have closed their sockets are executed, although nobody can tell whose they were.
    pub trust_closed: bool,
    /// What the users of the group socket may do, by uid.
    pub users: BTreeMap<u32, BTreeSet<Right>>,
    /// Sets how much is logged; `None`: it cannot be set.
    pub log_level: Option<LogLevelHook>,
}

/// Sets how much is logged from now on.
#[derive(Clone)]
pub struct LogLevelHook(Arc<SetLevel>);

type SetLevel = dyn Fn(&str) -> Result<(), String> + Send + Sync;

impl LogLevelHook {
    /// From a function that takes the level (`error`, `warn`, `info`, `debug`, `trace`) and says what is wrong with it.
    #[must_use]
    pub fn new(set: impl Fn(&str) -> Result<(), String> + Send + Sync + 'static) -> Self {
        Self(Arc::new(set))
    }

    /// Sets the level.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn set(&self, level: &str) -> Result<(), String> {
        (self.0)(level)
    }
}

impl fmt::Debug for LogLevelHook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LogLevelHook(..)")
    }
}

impl Default for ControlConfig {
    fn default() -> Self {
        Self {
            max_connections: 2048,
            object_time: Duration::from_secs(30),
            write_time: Duration::from_secs(30),
            lease_time: Duration::from_secs(5),
            idle_time: Some(Duration::from_secs(3600)),
            must_prove: 16,
            trust_closed: false,
            users: BTreeMap::new(),
            log_level: None,
        }
    }
}
