//! Faults of processes, disks and power, on real daemons (peers on loopback TCP) and real files.
//!
//! [`kill`] ends processes at random moments, [`consumers`] together with programs that follow the events; [`syncs`] ends one at each of its syncs in turn; [`errors`] lets each of its
//! writes fail in turn; [`powercut`] builds what a disk may hold after the power went, from a log of system calls,
//! [`torstate`] the same of what Tor keeps, and [`migration`] of a start that brings a store to a newer version. All
//! are judged by one [`ledger`], the consumers by their [`diary`]: what was acknowledged is there, nothing is there twice,
//! everything is in order. The last three need `strace`; `cargo xtask faults` installs it.

pub mod consumers;
pub mod decisions;
pub mod diary;
pub mod errors;
pub mod image;
pub mod kill;
pub mod ledger;
pub mod migration;
pub mod node;
pub mod powercut;
pub mod record;
pub mod rooms;
pub mod script;
pub mod syncs;
pub mod torstate;
