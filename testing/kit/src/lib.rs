//! What tests need that see torchat from outside: a program at a terminal, daemons as processes, waiting for what another
//! process does, and saying that something could not be tried. No crate of the daemon is known here, so the tests of
//! clients can use it.

pub mod daemon;
pub mod loopback;
pub mod pace;
pub mod programs;
pub mod pty;
pub mod skipped;
