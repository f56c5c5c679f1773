//! What the tests of several crates share: the simulation of many daemons in one process under paused time.

pub mod daemon;
pub mod loopback;
pub mod sim;
