//! API 1: calls, events, tokens.
//!
//! [`Address`] says where a daemon is and how to prove that one may; [`Connection`] is one connection to it, shared by as
//! many threads as you like; [`Subscription`] hands out the events of one connection, and [`events::Follower`] those of a
//! daemon for as long as you want, over all its restarts. Commands are the types of [`command`]: what
//! [`Connection::call`] returns follows from them.
//!
//! One thread for each connection reads and hands answers out by their `ref`; it waits in the kernel, so a connection
//! that is not used costs no processor time. No runtime, no global state.
//!
//! ```no_run
//! use torchat_client::api::{Address, Connection, command};
//! # fn main() -> Result<(), torchat_client::api::ApiClientError> {
//! let daemon = Connection::open(&Address::find(None)?)?;
//! println!("I am {}", daemon.call(&command::Host {})?.onion.0.onion());
//! # Ok(())
//! # }
//! ```

mod address;
mod connection;
mod error;
pub mod events;
mod stream;
mod subscription;

pub use address::{Address, Endpoint};
pub use connection::{Connection, LISTED, Pending, client_id, rows};
pub use error::ApiClientError;
pub use subscription::{Subscription, Waker};
pub use torchat_protocol::control::api::{ApiError, Call, ConversationId, Onion, Ref, Right, command, event, record};
pub use torchat_protocol::control::code::Code;
pub use torchat_protocol::control::token::{Token, TokenError};
pub use torchat_protocol::control::{reason, status, words};
