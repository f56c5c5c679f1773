//! A hostile peer: every rule of the protocol broken against a real daemon, and what that costs the daemon.
//!
//! [`attack`] is the table of attacks, each a function over a [`target::Target`]: a daemon that is reached through a
//! [`way::Way`] (loopback TCP, or an onion through a SOCKS port) and asked over its control port what came of it.
//! [`forger`] drives Noise by hand, with any key, any certificate and any purpose; [`link`] says what no honest daemon
//! says. [`bounds`] measures memory, processor time and an honest contact's deliveries while floods run.
//!
//! [`local`] does the same to the port for local programs.
//!
//! Every attack has an honest twin in the table that succeeds, so that a row which only fails to attack is noticed.

pub mod attack;
pub mod bounds;
pub mod flood;
pub mod forger;
pub mod line;
pub mod link;
pub mod local;
pub mod process;
pub mod room;
pub mod slow_line;
pub mod target;
pub mod tor;
pub mod victim;
pub mod way;
