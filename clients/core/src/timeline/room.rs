//! What a client shows of a room beside its messages.

mod naming;

pub use naming::{completions, member_before, member_name, named_in};
