//! The thread that reads: whose a line is, and what ends everything that waits.

use super::line::{Head, Pushed, PushedUnknown};
use crate::api::error::ApiClientError;
use crate::api::stream::Stream;
use crate::api::subscription::{Item, Route};
use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::sync::mpsc::Sender;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use torchat_protocol::control::api::{ApiError, Ref};

/// Longest line that is read. The daemon's longest answer is a list of all contacts; what is longer is no torchatd.
const LINE_BYTES: u64 = 64 << 20;
/// A line buffer that grew beyond this is given back.
const KEPT_BYTES: usize = 64 << 10;

/// A line for the thread that waits, or a refusal.
pub(super) type Reply = Result<Vec<u8>, ApiError>;

#[derive(Default)]
pub(super) struct Routes {
    pub(super) last: i64,
    pub(super) waiting: HashMap<i64, Sender<Reply>>,
    pub(super) subscriptions: HashMap<i64, Route>,
    /// Why nothing more comes.
    pub(super) lost: Option<ApiClientError>,
}

/// What the reading thread shares with the callers. It does not keep the connection open.
pub(super) struct Shared {
    pub(super) writer: Mutex<Stream>,
    pub(super) routes: Mutex<Routes>,
    pub(super) patience: Duration,
}

impl Shared {
    pub(super) fn routes(&self) -> MutexGuard<'_, Routes> {
        // Every change of the routes is complete in itself.
        self.routes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends everything that waits. The first cause counts.
    pub(super) fn lose(&self, cause: ApiClientError) {
        let mut routes = self.routes();
        let cause = routes.lost.get_or_insert(cause).clone();
        routes.waiting.clear();
        for (_, route) in routes.subscriptions.drain() {
            route.push(Item::End(cause.clone()), 0);
        }
    }

    pub(super) fn write(&self, line: &[u8]) -> Result<(), ApiClientError> {
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        writer.write_all(line).map_err(|error| {
            // Part of the line may be out: nothing can follow it.
            writer.shut();
            let cause = ApiClientError::Lost { reason: format!("it takes no requests: {error}") };
            self.lose(cause.clone());
            self.routes().lost.clone().unwrap_or(cause)
        })
    }

    pub(super) fn read(&self, stream: Stream) {
        let mut reader = BufReader::with_capacity(16 << 10, stream);
        let mut line = Vec::new();
        let cause = loop {
            line.clear();
            if line.capacity() > KEPT_BYTES {
                line = Vec::new();
            }
            match reader.by_ref().take(LINE_BYTES).read_until(b'\n', &mut line) {
                Ok(_) if line.last() == Some(&b'\n') => {}
                Ok(0) => break ApiClientError::Lost { reason: "torchatd closed it".into() },
                Ok(n) if n as u64 == LINE_BYTES => break ApiClientError::Protocol("a line without an end".into()),
                Ok(_) => break ApiClientError::Lost { reason: "torchatd closed it in the middle of a line".into() },
                Err(error) => break ApiClientError::Lost { reason: error.to_string() },
            }
            if let Err(cause) = self.deliver(&line) {
                break cause;
            }
        };
        reader.get_ref().shut();
        self.lose(cause);
    }

    /// Hands a line to the thread that it belongs to. An error ends the connection.
    fn deliver(&self, line: &[u8]) -> Result<(), ApiClientError> {
        let not_understood = |error: serde_json::Error| ApiClientError::Protocol(error.to_string());
        let head: Head = serde_json::from_slice(line).map_err(not_understood)?;
        let number = |reference: Option<Ref>| match reference {
            Some(Ref::Number(number)) => Some(number),
            _ => None,
        };
        if let Some(error) = head.error {
            let Some(reference) = number(head.reference) else {
                // About the connection, which ends now: bad-object, not-authenticated.
                return Err(ApiClientError::Refused(error));
            };
            self.answer(reference, Err(error));
        } else if head.ok.is_some() {
            if let Some(reference) = number(head.reference) {
                self.answer(reference, Ok(line.to_vec()));
            }
        } else if let Some(error) = head.end {
            if let Some(route) = number(head.sub).and_then(|sub| self.routes().subscriptions.remove(&sub)) {
                route.push(Item::End(ApiClientError::Refused(error)), 0);
            }
        } else if head.event.is_some() && head.sub.is_some() {
            let item = match serde_json::from_slice::<Pushed>(line) {
                Ok(pushed) => Item::Event(Box::new(pushed.event)),
                // Newer daemons have more kinds. Its number must be kept, or it would look like a hole.
                Err(_) => {
                    Item::Unknown(serde_json::from_slice::<PushedUnknown>(line).map_err(not_understood)?.event.seq)
                }
            };
            if let Some(route) = number(head.sub).and_then(|sub| self.routes().subscriptions.get(&sub).cloned()) {
                route.push(item, line.len());
            }
        } else if let (Some(upto), Some(sub)) = (head.upto, number(head.sub)) {
            if let Some(route) = self.routes().subscriptions.get(&sub).cloned() {
                route.push(Item::Upto(upto), line.len());
            }
        } else if head.cmd.is_some() {
            return Err(ApiClientError::Protocol("this torchatd does not know API 1: it is too old".into()));
        }
        // Anything else is of a later version of the API and was not asked for.
        Ok(())
    }

    fn answer(&self, reference: i64, reply: Reply) {
        let waiting = self.routes().waiting.remove(&reference);
        if let Some(waiting) = waiting {
            // A thread that gave up has dropped its end.
            let _ = waiting.send(reply);
        }
    }

    pub(super) fn lost(&self) -> ApiClientError {
        let lost = self.routes().lost.clone();
        lost.unwrap_or_else(|| ApiClientError::Lost { reason: "torchatd closed it".into() })
    }

    pub(super) fn next_reference(&self) -> Result<(i64, MutexGuard<'_, Routes>), ApiClientError> {
        let mut routes = self.routes();
        if let Some(cause) = &routes.lost {
            return Err(cause.clone());
        }
        routes.last += 1;
        Ok((routes.last, routes))
    }
}
