//! The desk of rooms: several daemons in one process, with links and stores in memory.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, clippy::expect_used)]

#[path = "desk/backups.rs"]
mod backups;
#[path = "desk/bounds.rs"]
mod bounds;
#[path = "desk/counts.rs"]
mod counts;
#[path = "../../room/tests/chaos/disk.rs"]
#[allow(dead_code, reason = "the replica's own tests ask more of a store")]
mod disk;
#[path = "desk/ends.rs"]
mod ends;
#[path = "desk/full.rs"]
mod full;
#[path = "desk/hostile.rs"]
mod hostile;
#[path = "desk/joining.rs"]
mod joining;
#[path = "desk/links.rs"]
mod links;
#[path = "desk/net.rs"]
mod net;
#[path = "desk/storms.rs"]
mod storms;
#[path = "desk/talk.rs"]
mod talk;
#[path = "desk/turns.rs"]
mod turns;
