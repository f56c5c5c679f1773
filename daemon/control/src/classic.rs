//! The classic contract: one JSON object a request, replies in order, and UPDATE's promise.

mod command;
mod connection;
mod contacts;
mod execute;
mod legacy;
mod rooms;

pub(crate) use connection::run;
