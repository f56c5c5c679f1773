//! What a connection sends: objects, and how it ends. Read by the session itself, in its own task.
//!
//! While a request is in work the session goes on looking, so that a broken connection is seen and a few requests may
//! come; when 16 wait, nothing more is read. A task of its own for the reading was rejected: two wake-ups for each request
//! were about a fifth of what HOST costs with many connections.

use super::ControlConfig;
use std::collections::VecDeque;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;
use torchat_protocol::control::finder::{FindError, Finder, Framing};

/// Requests of one connection that wait; then reading stops.
const WAITING: usize = 16;
/// What a connection may hold of unfinished and waiting objects without asking.
const FREE_BYTES: usize = 64 * 1024;

/// Bytes that are read at once, as long as few come.
const SMALL_READ: usize = 256;
/// Bytes that are read at once when many come.
const LARGE_READ: usize = 8 * 1024;

/// What was found.
pub(super) enum Found {
    Request {
        bytes: Vec<u8>,
        framing: Framing,
        _room: Option<Arc<OwnedSemaphorePermit>>,
    },
    /// Answered by ERR, then the end.
    Bad {
        error: FindError,
        framing: Framing,
    },
    /// What came is no JSON from its first byte: closed without a word.
    Foreign,
    /// The client ends without a socket error; it may still read.
    End,
    /// The connection broke.
    Broken,
}

/// See the module's description.
pub(super) struct Source<R> {
    reader: R,
    config: Arc<ControlConfig>,
    /// For connections that bring much at once.
    large: Arc<Semaphore>,
    finder: Finder,
    /// A connection that waits costs little; one that brings much gets more room.
    buffer: Vec<u8>,
    /// Until when the object that was begun must be whole.
    due: Option<Instant>,
    room: Option<Arc<OwnedSemaphorePermit>>,
    /// What was found while something else was in work.
    waiting: VecDeque<Found>,
    /// Nothing more comes.
    ended: bool,
}

impl<R: AsyncRead + Unpin> Source<R> {
    pub(super) fn new(reader: R, config: Arc<ControlConfig>, large: Arc<Semaphore>) -> Self {
        Self {
            reader,
            config,
            large,
            finder: Finder::default(),
            buffer: vec![0; SMALL_READ],
            due: None,
            room: None,
            waiting: VecDeque::new(),
            ended: false,
        }
    }

    /// The next thing in its order; after an end, ends. May be dropped while it waits: then nothing is lost.
    pub(super) async fn next(&mut self) -> Found {
        match self.waiting.pop_front() {
            Some(found) => found,
            None if self.ended => Found::Broken,
            None => self.find().await,
        }
    }

    /// Reads on while something is in work. Returns when the connection is broken, and else never. May be dropped at any
    /// time.
    pub(super) async fn until_broken(&mut self) {
        while !self.ended && self.waiting.len() < WAITING {
            let found = self.find().await;
            let broken = matches!(found, Found::Broken);
            self.waiting.push_back(found);
            if broken {
                return;
            }
        }
        std::future::pending().await
    }

    async fn find(&mut self) -> Found {
        loop {
            match self.finder.next_object() {
                Ok(Some(bytes)) => {
                    self.due = None;
                    let framing = self.finder.framing().unwrap_or(Framing::Plain);
                    return Found::Request { bytes, framing, _room: self.room.clone() };
                }
                Ok(None) => {}
                Err(FindError::Foreign) => return self.end(Found::Foreign),
                Err(error) => {
                    let framing = self.finder.framing().unwrap_or(Framing::Plain);
                    return self.end(Found::Bad { error, framing });
                }
            }
            if self.finder.unfinished() == 0 {
                self.due = None;
                self.room = None;
            } else if self.due.is_none() {
                self.due = Some(Instant::now() + self.config.object_time);
            }
            if self.finder.unfinished() > FREE_BYTES && self.room.is_none() {
                self.room = self.large.clone().acquire_owned().await.ok().map(Arc::new);
            }
            let read = self.reader.read(&mut self.buffer);
            let read = match self.due {
                Some(due) => tokio::time::timeout_at(due, read).await.unwrap_or_else(|_| {
                    tracing::debug!("a local client did not finish its object");
                    Err(std::io::ErrorKind::TimedOut.into())
                }),
                None => read.await,
            };
            match read {
                Ok(0) => return self.end(Found::End),
                Ok(n) => {
                    self.finder.push(self.buffer.get(..n).unwrap_or_default());
                    if n == self.buffer.len() && n < LARGE_READ {
                        self.buffer = vec![0; LARGE_READ];
                    } else if n < SMALL_READ && self.buffer.len() > SMALL_READ {
                        self.buffer = vec![0; SMALL_READ];
                    }
                }
                Err(_) => return self.end(Found::Broken),
            }
        }
    }

    fn end(&mut self, found: Found) -> Found {
        self.ended = true;
        found
    }
}
