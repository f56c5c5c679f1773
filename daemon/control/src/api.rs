//! API 1, as a connection speaks it: requests begun in their order and answered in any, and subscriptions.
//!
//! [`dispatch`] finds a command by its name in a table, and does for all of them what all of them need: it reads the
//! parameters, looks at the right, leaves the lines of the audit, and sees to the answer. What a command does stands once, in the
//! file of its family.

mod admin;
mod answer;
mod connection;
mod consumers;
mod contacts;
mod dispatch;
mod erasing;
mod events;
mod hello;
mod messages;
mod outgoing;
mod page;
mod rooms;
mod subscription;
mod subscriptions;
mod tokens;

pub(crate) use answer::unsupported;
pub(crate) use connection::run;
pub(crate) use consumers::Consumers;
pub(crate) use dispatch::Context;
