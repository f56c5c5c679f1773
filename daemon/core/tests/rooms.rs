//! The desk of rooms: several daemons in one process, with links and stores in memory.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, clippy::expect_used)]

#[path = "../../room/tests/chaos/disk.rs"]
#[allow(dead_code, reason = "the replica's own tests ask more of a store")]
mod disk;
#[path = "rooms/ends.rs"]
mod ends;
#[path = "rooms/joining.rs"]
mod joining;
#[path = "rooms/links.rs"]
mod links;
#[path = "rooms/net.rs"]
mod net;
#[path = "rooms/storms.rs"]
mod storms;
#[path = "rooms/talk.rs"]
mod talk;
