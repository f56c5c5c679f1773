//! Consumers: named, durable places in the event log.

use super::{EventLog, Handle, Refusal};
use torchat_protocol::control::api::record::Cursor;

impl Handle {
    /// The event log.
    #[must_use]
    pub fn log(&self) -> EventLog {
        self.log.clone()
    }

    /// The last event that a consumer has acknowledged. `None`: there is no such consumer.
    ///
    /// # Errors
    /// [`Refusal::Storage`].
    pub async fn cursor(&self, _consumer: &str) -> Result<Option<u64>, Refusal> {
        Err(Refusal::Stopping)
    }

    /// Moves a consumer's cursor forward, never back, and makes the consumer if there is none. Returns where the
    /// cursor is, when that is durable.
    ///
    /// # Errors
    /// [`Refusal::BadValue`] for an event that does not exist yet; [`Refusal::TooManyConsumers`]; [`Refusal::Storage`].
    pub async fn acknowledge(&self, _consumer: &str, _seq: u64) -> Result<u64, Refusal> {
        Err(Refusal::Stopping)
    }

    /// All consumers by name.
    ///
    /// # Errors
    /// [`Refusal::Storage`].
    pub async fn cursors(&self) -> Result<Vec<Cursor>, Refusal> {
        Err(Refusal::Stopping)
    }

    /// Removes a consumer. `false`: there was none. Durable when it returns.
    ///
    /// # Errors
    /// [`Refusal::Storage`].
    pub async fn forget_cursor(&self, _consumer: &str) -> Result<bool, Refusal> {
        Err(Refusal::Stopping)
    }
}
