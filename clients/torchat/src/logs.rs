//! Text logs: a file per conversation that the user has switched on, which people read, search and keep.
//!
//! [`choice`] says which conversations, [`mod@line`] what a message looks like, [`place`] where the files are. Nothing here waits for an
//! event to know what was said: an event only wakes the [`Logger`], which reads HISTORY behind the last message that it
//! wrote, so restarts of any program lose nothing. [`mod@write`] makes that exact over kills and power cuts: each batch is
//! in a journal before it is in the log. The screen and `torchat logs` both use it; several at once write each message once.

mod choice;
mod disk;
mod line;
mod logger;
mod place;
mod position;
mod progress;
mod tail;
#[cfg(test)]
mod tests;
mod write;

pub(crate) use choice::Choice;
pub(crate) use logger::{Chosen, Logger, Waking};
pub(crate) use place::Place;
pub(crate) use write::{Trouble, Written};
