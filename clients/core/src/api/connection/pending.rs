//! A request that is on its way, and its answer.

use super::Open;
use super::line::{Answer, Request};
use super::shared::{Reply, Shared};
use crate::api::error::ApiClientError;
use serde::de::IgnoredAny;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};
use torchat_protocol::control::api::{ApiError, Call};
use torchat_protocol::control::code::Code;
use torchat_protocol::{json, limits};

pub(super) fn write<C: Call>(shared: &Shared, reference: i64, command: &C) -> Result<(), ApiClientError> {
    let request = Request { cmd: C::NAME, reference, parameters: command };
    let mut line = serde_json::to_vec(&request).map_err(|error| ApiClientError::Protocol(error.to_string()))?;
    if line.len() > limits::CONTROL_OBJECT_BYTES {
        // The daemon would end the connection, and with it what others wait for.
        let message = format!("a request has at most {} bytes", limits::CONTROL_OBJECT_BYTES);
        return Err(ApiClientError::Refused(ApiError::new(Code::TooLong, message)));
    }
    // So it would for what it takes for no object: a number that other programs would round, for instance.
    if let Err(error) = json::from_slice::<IgnoredAny>(&line, limits::CONTROL_OBJECT_BYTES, limits::JSON_DEPTH) {
        let message = format!("{} cannot be asked so: {error}", C::NAME);
        return Err(ApiClientError::Refused(ApiError::new(Code::BadRequest, message)));
    }
    line.push(b'\n');
    shared.write(&line)
}

pub(super) fn start<C: Call>(open: &Arc<Open>, command: &C) -> Result<Pending<C>, ApiClientError> {
    let (reference, receiver) = {
        let (reference, mut routes) = open.shared.next_reference()?;
        let (sender, receiver) = channel();
        routes.waiting.insert(reference, sender);
        (reference, receiver)
    };
    let pending = Pending::new(open, reference, receiver);
    write(&open.shared, reference, command)?;
    Ok(pending)
}

/// An answer that is still to come. Dropped, the answer is thrown away; what was asked is done all the same.
pub struct Pending<C: Call> {
    open: Arc<Open>,
    reference: i64,
    receiver: Receiver<Reply>,
    command: PhantomData<fn() -> C>,
}

impl<C: Call> fmt::Debug for Pending<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pending({}, {})", C::NAME, self.reference)
    }
}

impl<C: Call> Pending<C> {
    pub(super) fn new(open: &Arc<Open>, reference: i64, receiver: Receiver<Reply>) -> Self {
        Self { open: open.clone(), reference, receiver, command: PhantomData }
    }

    /// Waits for the answer.
    ///
    /// # Errors
    /// As [`call`](super::Connection::call).
    pub fn wait(self, limit: Duration) -> Result<C::Answer, ApiClientError> {
        // Beyond what the clock can count is forever.
        let reply = match Instant::now().checked_add(limit) {
            Some(_) => self.receiver.recv_timeout(limit),
            None => self.receiver.recv().map_err(|_| RecvTimeoutError::Disconnected),
        };
        match reply {
            Ok(Ok(line)) => serde_json::from_slice::<Answer<C::Answer>>(&line)
                .map(|answer| answer.ok)
                .map_err(|error| ApiClientError::Protocol(format!("the answer of {}: {error}", C::NAME))),
            Ok(Err(error)) => Err(ApiClientError::Refused(error)),
            Err(RecvTimeoutError::Timeout) => Err(ApiClientError::Timeout { command: C::NAME, after: limit }),
            Err(RecvTimeoutError::Disconnected) => Err(self.open.shared.lost()),
        }
    }
}

impl<C: Call> Drop for Pending<C> {
    fn drop(&mut self) {
        self.open.shared.routes().waiting.remove(&self.reference);
    }
}

pub(super) fn ask<C: Call>(open: &Arc<Open>, command: &C) -> Result<C::Answer, ApiClientError> {
    start(open, command)?.wait(open.shared.patience)
}
