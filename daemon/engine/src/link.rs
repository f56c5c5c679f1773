//! Links to other daemons: how they come to be, who is at the other end, and what is said on them.

pub(crate) mod acceptor;
pub(crate) mod chat;
pub(crate) mod context;
pub(crate) mod dialer;
mod failure;
pub(crate) mod handle;
pub(crate) mod handshake;
mod life;
mod places;
pub(crate) mod rejected;
pub(crate) mod room;
pub(crate) mod router;
mod stream;
