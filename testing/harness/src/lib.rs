//! What the tests of several crates share and what holds daemons: the simulation of many daemons in one process under paused
//! time, the loopback daemon, and chaos on a real Tor network. What sees torchat from outside is `torchat-testkit`.

pub mod api;
pub mod chaos;
pub mod loopback;
pub mod resident;
pub mod sim;
pub mod stores;
pub mod strangers;
