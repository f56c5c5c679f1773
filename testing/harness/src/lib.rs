//! What the tests of several crates share: the simulation of many daemons in one process under paused time, daemons as
//! processes, and chaos on a real Tor network.

pub mod api;
pub mod chaos;
pub mod daemon;
pub mod loopback;
pub mod pace;
pub mod programs;
pub mod pty;
pub mod resident;
pub mod sim;
pub mod skipped;
pub mod stores;
pub mod strangers;
