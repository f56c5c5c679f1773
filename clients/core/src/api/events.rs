//! Events for as long as a program lives: over restarts of the daemon, and with a consumer's name over its own.
//!
//! ```no_run
//! use std::time::Duration;
//! use torchat_client::api::{Address, command::Subscribe, event::{Filter, What}, events::Follower};
//! # fn main() -> Result<(), torchat_client::api::ApiClientError> {
//! let wanted = Subscribe { consumer: Some("bot1".into()), from: None, filter: Filter::default() };
//! let mut follower = Follower::finding(|| Address::find(None), wanted);
//! loop {
//!     let Some(event) = follower.next(Duration::from_secs(3600))? else { continue };
//!     if let What::Received { message } = &event.what {
//!         println!("{} bytes from {}", message.text.len(), message.peer.onion());
//!     }
//!     follower.ack()?;
//! }
//! # }
//! ```
//!
//! **Exactly once.** An event is handed out once in a run of the program, however often the daemon or the connection
//! comes and goes. With a consumer's name, the next run begins after the last event that was acknowledged: so work an event off,
//! then [`Follower::ack`] it. What a crash leaves between the two comes again; if working it off sends messages,
//! give them a `client_id` made of the event's number, and they are sent once.
//!
//! When all that was handed out is acknowledged, the follower moves the cursor on by itself past events that its filter
//! drops: or they would be a gap for it one day.

mod handle;

pub use handle::Handle;

use super::address::Address;
use super::connection::Connection;
use super::error::ApiClientError;
use super::subscription::{Advance, Subscription};
use handle::Shared;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};
use torchat_protocol::control::api::Onion;
use torchat_protocol::control::api::command::{Ack, From, Subscribe, Welcome};
use torchat_protocol::control::api::event::Event;

/// How long after a loss the daemon is looked for at first. Doubles up to [`RETRY_MAX`].
const RETRY_MIN: Duration = Duration::from_millis(50);
/// How long at most between two looks: one system call each, while nobody listens.
const RETRY_MAX: Duration = Duration::from_secs(5);

/// How it stands between a follower and its daemon.
#[derive(Debug, Clone, PartialEq)]
pub enum State {
    /// Not tried yet.
    New,
    /// Connected and subscribed.
    Connected {
        /// What HELLO told.
        welcome: Arc<Welcome>,
        /// Nothing was missed since the last event that was handed out. False at the first time, and when another daemon
        /// or a restored backup answers: then what a screen shows must be read anew.
        continued: bool,
    },
    /// The daemon is away; it is looked for again by itself.
    Gone {
        /// Why, in a sentence.
        reason: ApiClientError,
        /// Until the next look.
        retry: Duration,
    },
    /// The daemon does not want us, or another program took the consumer: nothing more is tried before
    /// [`Handle::retry`].
    Refused(ApiClientError),
    /// [`Handle::stop`] was called.
    Stopped,
}

/// What [`Follower::step`] returns.
#[allow(clippy::large_enum_variant, reason = "nearly every step is an event, and none is kept")]
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// An event.
    Event(Event),
    /// The state has changed.
    State(State),
    /// Nothing in that time.
    Timeout,
}

/// Tells where the daemon is at the moment.
type Find = Box<dyn Fn() -> Result<Address, ApiClientError> + Send>;

/// A consumer of events that connects by itself, again and again. Used by one thread; others have its [`Handle`].
pub struct Follower {
    find: Find,
    wanted: Subscribe,
    shared: Arc<Shared>,
    state: State,
    subscription: Option<Subscription>,
    /// Whose events, and up to where they were handed out or are not wanted.
    position: Option<(Onion, u64)>,
    /// The last event that was handed out.
    handed_out: u64,
    /// To be acknowledged; done up to the other.
    owed: u64,
    acknowledged: u64,
    backoff: Duration,
    retry_at: Option<Instant>,
}

impl fmt::Debug for Follower {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { wanted, state, position, acknowledged, .. } = self;
        let mut shown = f.debug_struct("Follower");
        shown.field("wanted", wanted).field("state", state).field("position", position);
        shown.field("acknowledged", acknowledged).finish_non_exhaustive()
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        // Handles may outlive it; the connection does not.
        self.disconnect();
    }
}

impl Follower {
    /// A follower of a daemon that is always at the same address. Nothing is connected yet. `wanted.from` is where it
    /// begins the first time; with a consumer leave it out, which means its cursor. Without a consumer the place is
    /// kept in memory only.
    #[must_use]
    pub fn new(address: Address, wanted: Subscribe) -> Self {
        Self::finding(move || Ok(address.clone()), wanted)
    }

    /// As [`Follower::new`], for a daemon that is looked for before each attempt: its port may change when it starts
    /// again, and at first it may not be there at all.
    #[must_use]
    pub fn finding(find: impl Fn() -> Result<Address, ApiClientError> + Send + 'static, wanted: Subscribe) -> Self {
        Self {
            find: Box::new(find),
            wanted,
            shared: Arc::default(),
            state: State::New,
            subscription: None,
            position: None,
            handed_out: 0,
            owed: 0,
            acknowledged: 0,
            backoff: RETRY_MIN,
            retry_at: None,
        }
    }

    /// For other threads.
    #[must_use]
    pub fn handle(&self) -> Handle {
        Handle(self.shared.clone())
    }

    /// How it stands.
    #[must_use]
    pub fn state(&self) -> &State {
        &self.state
    }

    /// The next event, for programs that do not care about the daemon's comings and goings. `None`: there was none within
    /// `limit`, or [`Handle::stop`] was called.
    ///
    /// # Errors
    /// The refusal, again and again, when it was refused: see [`State::Refused`].
    pub fn next(&mut self, limit: Duration) -> Result<Option<Event>, ApiClientError> {
        let deadline = Instant::now().checked_add(limit);
        loop {
            let left = deadline.map_or(Duration::MAX, |deadline| deadline.saturating_duration_since(Instant::now()));
            match self.step(left) {
                Step::Event(event) => return Ok(Some(event)),
                Step::Timeout => {
                    return match &self.state {
                        State::Refused(error) => Err(error.clone()),
                        _ => Ok(None),
                    };
                }
                Step::State(State::Refused(error)) => return Err(error),
                Step::State(State::Stopped) => return Ok(None),
                Step::State(_) => {}
            }
        }
    }

    /// The next event or change of state, for programs that show both. Connecting may take longer than `limit`, by at most
    /// twice the address' patience. After [`State::Stopped`] it returns [`Step::Timeout`] at once.
    pub fn step(&mut self, limit: Duration) -> Step {
        let deadline = Instant::now().checked_add(limit);
        loop {
            if self.state == State::Stopped {
                return Step::Timeout;
            }
            let (stop, retry) = {
                let mut control = self.shared.control();
                (control.stop, std::mem::take(&mut control.retry))
            };
            if stop {
                self.disconnect();
                return self.becomes(State::Stopped);
            }
            if retry && self.subscription.is_none() {
                self.retry_at = None;
                self.backoff = RETRY_MIN;
                self.state = State::New;
            }
            if let Some(subscription) = &mut self.subscription {
                match subscription.advance(deadline) {
                    Ok(Advance::Event(event)) => {
                        self.position = self.position.map(|(onion, _)| (onion, event.seq));
                        self.handed_out = event.seq;
                        return Step::Event(*event);
                    }
                    Ok(Advance::Upto) => self.skipped(),
                    Ok(Advance::Nothing) if deadline.is_some_and(|deadline| Instant::now() >= deadline) => {
                        return Step::Timeout;
                    }
                    // Woken.
                    Ok(Advance::Nothing) => {}
                    Err(error) => return self.failed(error),
                }
                continue;
            }
            let wait = match (&self.state, self.retry_at) {
                // Only somebody's word changes this.
                (State::Refused(_), _) => None,
                (_, Some(at)) => Some(at.saturating_duration_since(Instant::now())),
                (_, None) => Some(Duration::ZERO),
            };
            if wait == Some(Duration::ZERO) {
                return match self.connect() {
                    Ok(state) => self.becomes(state),
                    Err(error) => self.failed(error),
                };
            }
            let left = deadline.map_or(Duration::MAX, |deadline| deadline.saturating_duration_since(Instant::now()));
            if left.is_zero() {
                return Step::Timeout;
            }
            let control = self.shared.control();
            if !control.stop && !control.retry {
                let wait = wait.map_or(left, |wait| wait.min(left));
                drop(self.shared.changed.wait_timeout(control, wait));
            }
        }
    }

    /// The daemon has looked on, and there was nothing for us.
    fn skipped(&mut self) {
        let Some(subscription) = &self.subscription else { return };
        let seq = subscription.position();
        self.position = self.position.map(|(onion, _)| (onion, seq));
        // Never past an event that is still being worked off.
        if let Some(consumer) = self.wanted.consumer.clone().filter(|_| self.handed_out <= self.acknowledged) {
            // Nobody waits for it: if it is lost, the cursor is only further behind, by nothing that anybody wants.
            let _ = subscription.connection().start(&Ack { consumer, seq });
        }
    }

    fn becomes(&mut self, state: State) -> Step {
        self.state = state.clone();
        Step::State(state)
    }

    fn disconnect(&mut self) {
        self.subscription = None;
        let mut control = self.shared.control();
        control.waker = None;
        control.connection = None;
    }

    fn failed(&mut self, error: ApiClientError) -> Step {
        if let Some(subscription) = &self.subscription {
            // It may have skipped events of kinds that nobody here knows.
            self.position = self.position.map(|(onion, _)| (onion, subscription.position()));
        }
        self.disconnect();
        if !error.is_passing() {
            return self.becomes(State::Refused(error));
        }
        let retry = self.backoff;
        self.retry_at = Instant::now().checked_add(retry);
        self.backoff = (retry * 2).min(RETRY_MAX);
        self.becomes(State::Gone { reason: error, retry })
    }

    fn connect(&mut self) -> Result<State, ApiClientError> {
        let connection = Connection::open(&(self.find)()?)?;
        let onion = connection.welcome().onion;
        let mut continued = false;
        let mut wanted = self.wanted.clone();
        if let Some((known, seq)) = self.position {
            // A log that ends before our place is another one: a restored backup, or another daemon.
            continued = known == onion && connection.welcome().seq >= seq;
            if continued {
                wanted.from = Some(From::After(seq));
            } else {
                // Nothing that we know of its past is true. What it still knows of the consumer is.
                wanted.from = None;
                (self.owed, self.acknowledged, self.handed_out) = (0, 0, 0);
            }
        }
        let subscription = connection.subscribe(wanted)?;
        self.position = Some((onion, subscription.position()));
        self.backoff = RETRY_MIN;
        self.retry_at = None;
        let welcome = Arc::new(connection.welcome().clone());
        {
            let mut control = self.shared.control();
            control.waker = Some(subscription.waker());
            control.connection = Some(connection);
        }
        self.subscription = Some(subscription);
        if self.owed > self.acknowledged {
            self.acknowledge(self.owed)?;
        }
        Ok(State::Connected { welcome, continued })
    }

    /// Acknowledges every event that was handed out; returns when that is durable. Without a consumer it does nothing.
    ///
    /// # Errors
    /// As [`Connection::call`]. When the daemon is away the acknowledgement is kept and said as soon as it is back; if this
    /// program ends before, the events come again in its next run.
    pub fn ack(&mut self) -> Result<(), ApiClientError> {
        let seq = self.position.map_or(0, |(_, seq)| seq);
        self.ack_upto(seq)
    }

    /// Acknowledges every event up to this one, for programs that work several off at a time.
    ///
    /// # Errors
    /// As [`Follower::ack`].
    pub fn ack_upto(&mut self, seq: u64) -> Result<(), ApiClientError> {
        if self.wanted.consumer.is_none() || seq <= self.acknowledged {
            return Ok(());
        }
        self.owed = self.owed.max(seq);
        self.acknowledge(seq)
    }

    fn acknowledge(&mut self, seq: u64) -> Result<(), ApiClientError> {
        let (Some(consumer), Some(subscription)) = (self.wanted.consumer.clone(), &self.subscription) else {
            return Err(ApiClientError::Lost { reason: "torchatd is away".into() });
        };
        subscription.connection().call(&Ack { consumer, seq })?;
        self.acknowledged = self.acknowledged.max(seq);
        Ok(())
    }
}
