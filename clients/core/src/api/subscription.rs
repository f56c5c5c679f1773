//! The events of one connection, in order.
//!
//! What comes is kept for its reader up to [`QUEUE_BYTES`]. What comes beyond is dropped, and fetched again from the
//! daemon's log as soon as the reader has caught up: a slow reader costs bounded memory and loses nothing. To stop reading the
//! socket instead was rejected: the answers of other threads come over it too.

use super::connection::Connection;
use super::error::ApiClientError;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};
use torchat_protocol::control::api::command::{From, Subscribe, SubscribeAnswer};
use torchat_protocol::control::api::event::Event;

/// Bytes of lines that wait for a subscription's reader; one more line always fits.
const QUEUE_BYTES: usize = 1 << 20;

/// What a subscription's reader finds.
#[derive(Debug)]
pub(super) enum Item {
    Event(Box<Event>),
    /// An event of a kind that this crate does not know: its number.
    Unknown(u64),
    /// The daemon has looked through its log up to here; the filter dropped the rest.
    Upto(u64),
    /// Events were dropped from here on.
    Overflow,
    /// Nothing more comes.
    End(ApiClientError),
    /// Somebody wants the reader's attention.
    Wake,
}

/// The writing end of a subscription.
#[derive(Debug, Clone)]
pub(super) struct Route {
    sender: Sender<(Item, usize)>,
    queued: Arc<AtomicUsize>,
    overflown: Arc<AtomicBool>,
}

impl Route {
    pub(super) fn new(sender: Sender<(Item, usize)>) -> Self {
        Self { sender, queued: Arc::default(), overflown: Arc::default() }
    }

    /// Called by the reading thread only, so nothing comes between the look at the counter and its change.
    pub(super) fn push(&self, item: Item, bytes: usize) {
        if matches!(item, Item::Event(_) | Item::Unknown(_) | Item::Upto(_)) {
            if self.overflown.load(Ordering::SeqCst) {
                return;
            }
            if self.queued.load(Ordering::SeqCst) >= QUEUE_BYTES {
                self.overflown.store(true, Ordering::SeqCst);
                let _ = self.sender.send((Item::Overflow, 0));
                return;
            }
        }
        self.queued.fetch_add(bytes, Ordering::SeqCst);
        // A reader that has gone takes its subscription away itself.
        let _ = self.sender.send((item, bytes));
    }
}

/// What [`Subscription::advance`] finds.
#[derive(Debug)]
pub(super) enum Advance {
    Event(Box<Event>),
    /// No event, but [`Subscription::position`] has moved: there are none up to it.
    Upto,
    /// The time is over, or somebody woke the reader.
    Nothing,
}

/// Wakes the threads that wait in [`Subscription::next`].
#[derive(Debug, Clone)]
pub struct Waker(Sender<(Item, usize)>);

impl Waker {
    /// Makes the wait that is under way, or else the next one, return with nothing.
    pub fn wake(&self) {
        let _ = self.0.send((Item::Wake, 0));
    }
}

/// A subscription. It ends when it is dropped, when its connection is lost, or when another program takes its consumer.
#[derive(Debug)]
pub struct Subscription {
    connection: Connection,
    reference: i64,
    wanted: Subscribe,
    answer: SubscribeAnswer,
    position: u64,
    route: Route,
    receiver: Receiver<(Item, usize)>,
    end: Option<ApiClientError>,
}

impl Subscription {
    pub(super) fn new(
        connection: Connection,
        reference: i64,
        wanted: Subscribe,
        answer: SubscribeAnswer,
        route: Route,
        receiver: Receiver<(Item, usize)>,
    ) -> Self {
        let position = answer.after;
        Self { connection, reference, wanted, answer, position, route, receiver, end: None }
    }

    /// The next event. `None`: there was none within `limit`, or [`Waker::wake`] was called. After a time in which more came
    /// than was taken, it may wait for the daemon a little longer.
    ///
    /// # Errors
    /// How it ended: [`ApiClientError::Lost`], or [`ApiClientError::Refused`] with `taken-over` or `not-authenticated`; again
    /// and again.
    pub fn next(&mut self, limit: Duration) -> Result<Option<Event>, ApiClientError> {
        let deadline = Instant::now().checked_add(limit);
        loop {
            match self.advance(deadline)? {
                Advance::Event(event) => return Ok(Some(*event)),
                Advance::Upto => {}
                Advance::Nothing => return Ok(None),
            }
        }
    }

    /// As [`Subscription::next`], and returns for every progress too. Without a deadline it waits forever.
    pub(super) fn advance(&mut self, deadline: Option<Instant>) -> Result<Advance, ApiClientError> {
        loop {
            if let Some(end) = &self.end {
                return Err(end.clone());
            }
            let received = match deadline {
                Some(deadline) => self.receiver.recv_timeout(deadline.saturating_duration_since(Instant::now())),
                // Beyond what the clock can count is forever.
                None => self.receiver.recv().map_err(|_| RecvTimeoutError::Disconnected),
            };
            let (item, bytes) = match received {
                Ok(received) => received,
                // There is always a sender: that of this subscription's own route.
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return Ok(Advance::Nothing),
            };
            self.route.queued.fetch_sub(bytes, Ordering::SeqCst);
            match item {
                Item::Event(event) => {
                    self.position = event.seq;
                    return Ok(Advance::Event(event));
                }
                Item::Unknown(seq) => self.position = seq,
                Item::Upto(seq) => {
                    self.position = seq;
                    return Ok(Advance::Upto);
                }
                Item::Wake => return Ok(Advance::Nothing),
                Item::End(end) => self.end = Some(end),
                Item::Overflow => {
                    if let Err(error) = self.again() {
                        self.end = Some(error);
                    }
                }
            }
        }
    }

    /// Subscribes anew, after the last event that was taken.
    fn again(&mut self) -> Result<(), ApiClientError> {
        self.connection.unsubscribe(self.reference);
        self.wanted.from = Some(From::After(self.position));
        // The old route is out of the table, so nothing of it comes any more; its memory of the overflow goes with it.
        self.route = Route::new(self.route.sender.clone());
        (self.reference, self.answer) = self.connection.subscribe_route(&self.wanted, self.route.clone())?;
        Ok(())
    }

    /// Up to here every event that passes the filter was handed out: an ACK may name it. The daemon says from time to time
    /// how far it has looked, so it moves on without events too.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.position
    }

    /// What SUBSCRIBE answered: where it began, and the last event's number then.
    #[must_use]
    pub fn answer(&self) -> &SubscribeAnswer {
        &self.answer
    }

    /// Its connection.
    #[must_use]
    pub fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Something to wake its reader with, from another thread.
    #[must_use]
    pub fn waker(&self) -> Waker {
        Waker(self.route.sender.clone())
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        if self.end.is_none() {
            self.connection.unsubscribe(self.reference);
        }
    }
}
