//! What a connection sends: objects, and how it ends. Read by the session itself, in its own task.
//!
//! While a request is in work the session goes on looking, so that a broken connection is seen and a few requests may
//! come; when 16 wait, nothing more is read. A task of its own for the reading was rejected: two wake-ups for each request
//! were about a fifth of what HOST costs with many connections.

use crate::ControlConfig;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Poll, ready};
use tokio::io::{AsyncRead, ReadBuf};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;
use torchat_protocol::control::finder::{FindError, Finder, Framing};

/// Requests of one connection that wait; then reading stops.
const WAITING: usize = 16;
/// What a connection may hold of unfinished and waiting objects without asking.
const FREE_BYTES: usize = 64 * 1024;

/// Bytes that are read at once.
const READ_BYTES: usize = 8 * 1024;

/// What was found.
pub(crate) enum Found {
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
pub(crate) struct Objects<R> {
    reader: R,
    config: Arc<ControlConfig>,
    /// For connections that bring much at once.
    large: Arc<Semaphore>,
    finder: Finder,
    /// Until when the object that was begun must be whole.
    due: Option<Instant>,
    room: Option<Arc<OwnedSemaphorePermit>>,
    /// What was found while something else was in work.
    waiting: VecDeque<Found>,
    /// Nothing more comes.
    ended: bool,
}

impl<R: AsyncRead + Unpin> Objects<R> {
    pub(crate) fn new(reader: R, config: Arc<ControlConfig>, large: Arc<Semaphore>) -> Self {
        Self {
            reader,
            config,
            large,
            finder: Finder::default(),
            due: None,
            room: None,
            waiting: VecDeque::new(),
            ended: false,
        }
    }

    /// The next thing in its order; after an end, ends. May be dropped while it waits: then nothing is lost.
    pub(crate) async fn next(&mut self) -> Found {
        match self.waiting.pop_front() {
            Some(found) => found,
            None if self.ended => Found::Broken,
            None => self.find().await,
        }
    }

    /// Reads on while something is in work. Returns when the connection is broken, and else never. May be dropped at any
    /// time.
    pub(crate) async fn until_broken(&mut self) {
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

    /// Whether requests wait that came whole.
    pub(crate) fn have_requests(&self) -> bool {
        self.waiting.iter().any(|found| matches!(found, Found::Request { .. }))
    }

    /// What is here already, without reading. `None`: only reading can tell.
    pub(crate) fn at_hand(&mut self) -> Option<Found> {
        match self.waiting.pop_front() {
            Some(found) => Some(found),
            None if self.ended => None,
            None => self.found(),
        }
    }

    fn found(&mut self) -> Option<Found> {
        let error = match self.finder.next_object() {
            Ok(None) => return None,
            Ok(Some(bytes)) => {
                self.due = None;
                let framing = self.finder.framing().unwrap_or(Framing::Plain);
                return Some(Found::Request { bytes, framing, _room: self.room.clone() });
            }
            Err(error) => error,
        };
        let framing = self.finder.framing().unwrap_or(Framing::Plain);
        Some(self.end(match error {
            FindError::Foreign => Found::Foreign,
            error => Found::Bad { error, framing },
        }))
    }

    async fn find(&mut self) -> Found {
        loop {
            if let Some(found) = self.found() {
                return found;
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
            let due = self.due;
            let read = self.read();
            let read = match due {
                Some(due) => tokio::time::timeout_at(due, read).await.unwrap_or_else(|_| {
                    tracing::debug!("a local client did not finish its object");
                    Err(io::ErrorKind::TimedOut.into())
                }),
                None => read.await,
            };
            match read {
                Ok(0) => return self.end(Found::End),
                Ok(_) => {}
                Err(_) => return self.end(Found::Broken),
            }
        }
    }

    /// Reads once, and returns how many bytes came. They are read to the stack, so a connection that waits holds no buffer.
    async fn read(&mut self) -> io::Result<usize> {
        poll_fn(|context| {
            let mut space = [MaybeUninit::uninit(); READ_BYTES];
            let mut buffer = ReadBuf::uninit(&mut space);
            ready!(Pin::new(&mut self.reader).poll_read(context, &mut buffer))?;
            self.finder.push(buffer.filled());
            Poll::Ready(Ok(buffer.filled().len()))
        })
        .await
    }

    fn end(&mut self, found: Found) -> Found {
        self.ended = true;
        found
    }
}
