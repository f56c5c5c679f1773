//! One connection: requests out from any thread, answers back to the threads that asked.

mod line;
mod login;
mod pages;
mod pending;
mod shared;

pub use login::client_id;
pub use pages::{LISTED, rows};
pub use pending::Pending;

use super::address::Address;
use super::error::ApiClientError;
use super::stream::Stream;
use super::subscription::{Route, Subscription};
use shared::Shared;
use std::fmt;
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use torchat_protocol::control::api::command::{Subscribe, Unsubscribe, Welcome};
use torchat_protocol::control::api::{Call, Ref, command};

/// The end of the last handle is the end of the connection.
struct Open {
    shared: Arc<Shared>,
    stream: Stream,
}

impl Drop for Open {
    fn drop(&mut self) {
        self.stream.shut();
    }
}

/// A connection to a daemon. A clone is another handle of the same one; it ends with the last of them.
#[derive(Clone)]
pub struct Connection {
    open: Arc<Open>,
    welcome: Arc<Welcome>,
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("lost", &self.open.shared.routes().lost).finish_non_exhaustive()
    }
}

impl Connection {
    /// Connects, says HELLO, and proves the token if the address has one; the daemon must prove that it knows it too. Without
    /// a token the program that listens on a port must be of this program's user.
    ///
    /// # Errors
    /// Any [`ApiClientError`].
    pub fn open(address: &Address) -> Result<Self, ApiClientError> {
        let system = |error: std::io::Error| ApiClientError::System(error.to_string());
        let stream = Stream::connect(&address.endpoint, address.patience)?;
        let (reader, writer) = (stream.try_clone().map_err(system)?, stream.try_clone().map_err(system)?);
        let shared =
            Arc::new(Shared { writer: Mutex::new(writer), routes: Mutex::default(), patience: address.patience });
        let open = Open { shared: shared.clone(), stream };
        std::thread::Builder::new().name("torchat-api".into()).spawn(move || shared.read(reader)).map_err(system)?;
        let open = Arc::new(open);
        let welcome = match &address.token {
            None => {
                // An answer shows that somebody has accepted the connection, so it can be asked who. Nothing of worth was said.
                let welcome = login::hello(&open, address)?;
                open.stream.is_ours(&address.endpoint)?;
                welcome
            }
            Some(token) => login::prove(&open, address, token)?,
        };
        Ok(Self { open, welcome: Arc::new(welcome) })
    }

    /// What HELLO has told: the daemon's onion, the rights of this connection, limits, the last event's number then.
    #[must_use]
    pub fn welcome(&self) -> &Welcome {
        &self.welcome
    }

    /// Asks and waits for the answer, at most the address' patience. Commands that wait themselves (SEND with `wait`,
    /// EVENTS with `wait`) want [`Connection::call_within`].
    ///
    /// # Errors
    /// [`ApiClientError::Refused`], [`ApiClientError::Timeout`], [`ApiClientError::Lost`], [`ApiClientError::Protocol`].
    pub fn call<C: Call>(&self, command: &C) -> Result<C::Answer, ApiClientError> {
        self.call_within(command, self.open.shared.patience)
    }

    /// As [`Connection::call`], with a time of its own.
    ///
    /// # Errors
    /// As [`Connection::call`].
    pub fn call_within<C: Call>(&self, command: &C, limit: Duration) -> Result<C::Answer, ApiClientError> {
        self.start(command)?.wait(limit)
    }

    /// Asks without waiting. Many may be under way; the daemon answers in any order.
    ///
    /// # Errors
    /// As [`Connection::call`], except the time-out.
    pub fn start<C: Call>(&self, command: &C) -> Result<Pending<C>, ApiClientError> {
        pending::start(&self.open, command)
    }

    /// Subscribes to events.
    ///
    /// # Errors
    /// As [`Connection::call`].
    pub fn subscribe(&self, wanted: Subscribe) -> Result<Subscription, ApiClientError> {
        let (sender, receiver) = channel();
        let route = Route::new(sender);
        let (reference, answer) = self.subscribe_route(&wanted, route.clone())?;
        Ok(Subscription::new(self.clone(), reference, wanted, answer, route, receiver))
    }

    pub(super) fn subscribe_route(
        &self,
        wanted: &Subscribe,
        route: Route,
    ) -> Result<(i64, command::SubscribeAnswer), ApiClientError> {
        let shared = &self.open.shared;
        // In place before it is asked for: events may come in the same packet as the answer.
        let (reference, receiver) = {
            let (reference, mut routes) = shared.next_reference()?;
            let (sender, receiver) = channel();
            routes.waiting.insert(reference, sender);
            routes.subscriptions.insert(reference, route);
            (reference, receiver)
        };
        let pending = Pending::<Subscribe>::new(&self.open, reference, receiver);
        let answer = pending::write(shared, reference, wanted).and_then(|()| pending.wait(shared.patience));
        match answer {
            Ok(answer) => Ok((reference, answer)),
            Err(error) => {
                shared.routes().subscriptions.remove(&reference);
                if matches!(error, ApiClientError::Timeout { .. }) {
                    // It may begin all the same.
                    self.unsubscribe(reference);
                }
                Err(error)
            }
        }
    }

    /// Ends a subscription, without waiting for it.
    pub(super) fn unsubscribe(&self, reference: i64) {
        self.open.shared.routes().subscriptions.remove(&reference);
        // If it cannot be said, the connection is lost and the subscription with it.
        let _ = self.start(&Unsubscribe { sub: Some(Ref::Number(reference)) });
    }

    /// Ends the connection for all its handles: threads that wait get an error.
    pub fn close(&self) {
        self.open.shared.lose(ApiClientError::Lost { reason: "this program closed it".into() });
        self.open.stream.shut();
    }
}
