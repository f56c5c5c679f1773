//! A follower as other threads see it: its connection for calls, and the ways to stop or hurry it.

use crate::api::connection::Connection;
use crate::api::error::ApiClientError;
use crate::api::subscription::Waker;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use torchat_protocol::control::api::Call;
use torchat_protocol::control::api::record::Conversation;

#[derive(Debug, Default)]
pub(super) struct Control {
    pub(super) connection: Option<Connection>,
    pub(super) waker: Option<Waker>,
    pub(super) stop: bool,
    pub(super) retry: bool,
}

#[derive(Debug, Default)]
pub(super) struct Shared {
    pub(super) control: Mutex<Control>,
    pub(super) changed: Condvar,
}

impl Shared {
    pub(super) fn control(&self) -> MutexGuard<'_, Control> {
        // Every change of it is complete in itself.
        self.control.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A follower as other threads see it.
#[derive(Debug, Clone)]
pub struct Handle(pub(super) Arc<Shared>);

impl Handle {
    /// The follower's connection, for calls: while it is connected.
    #[must_use]
    pub fn connection(&self) -> Option<Connection> {
        self.0.control().connection.clone()
    }

    /// Calls over the follower's connection.
    ///
    /// # Errors
    /// As [`Connection::call`]; [`ApiClientError::Lost`] at once while there is none.
    pub fn call<C: Call>(&self, command: &C) -> Result<C::Answer, ApiClientError> {
        self.there()?.call(command)
    }

    /// As [`Handle::call`], for commands that wait themselves.
    ///
    /// # Errors
    /// As [`Connection::call_within`]; [`ApiClientError::Lost`] at once while there is none.
    pub fn call_within<C: Call>(&self, command: &C, limit: Duration) -> Result<C::Answer, ApiClientError> {
        self.there()?.call_within(command, limit)
    }

    /// All conversations, over the follower's connection.
    ///
    /// # Errors
    /// As [`Connection::conversations`]; [`ApiClientError::Lost`] at once while there is none.
    pub fn conversations(&self) -> Result<Vec<Conversation>, ApiClientError> {
        self.there()?.conversations()
    }

    fn there(&self) -> Result<Connection, ApiClientError> {
        self.connection().ok_or_else(|| ApiClientError::Lost { reason: "torchatd is away".into() })
    }

    /// Ends the follower: threads that wait in it return at once.
    pub fn stop(&self) {
        self.note(|control| control.stop = true);
    }

    /// Looks for the daemon now, also after a refusal.
    pub fn retry(&self) {
        self.note(|control| control.retry = true);
    }

    fn note(&self, change: impl FnOnce(&mut Control)) {
        let mut control = self.0.control();
        change(&mut control);
        if let Some(waker) = &control.waker {
            waker.wake();
        }
        self.0.changed.notify_all();
    }
}
