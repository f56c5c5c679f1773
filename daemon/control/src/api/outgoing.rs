//! What goes out on one connection: whole lines, answers before events.
//!
//! Answers have a deadline, because a client that asks and does not read would fill our memory. Events have none: at most
//! one piece of them is here, the rest is in the log, so a program that reads slowly costs nothing.

use crate::page_budget::PagePermit;
use std::io;
use std::time::Duration;
use tokio::io::{AsyncWrite, AsyncWriteExt as _};
use tokio::time::Instant;

/// Events that are put on the way at once: an answer waits for no more than that.
const PIECE_BYTES: usize = 16 * 1024;
/// A buffer that is larger is given back when it is empty.
const KEPT_BYTES: usize = 1024;
/// With this many bytes of answers not taken, no further request is begun. Pages are bounded by their [`PagePermit`].
const ANSWER_BYTES: usize = 64 * 1024;

/// See the module's description.
#[derive(Debug)]
pub(crate) struct Outgoing {
    /// Answers that are not on the way.
    next: Vec<u8>,
    next_answers: usize,
    /// What of it counts until it is taken.
    next_held: Vec<PagePermit>,
    /// What is on the way: whole lines, either answers or events.
    out: Vec<u8>,
    written: usize,
    out_answers: usize,
    out_held: Vec<PagePermit>,
    /// Until when the oldest answers must be taken.
    due: Option<Instant>,
    write_time: Duration,
}

impl Outgoing {
    pub(crate) fn new(write_time: Duration) -> Self {
        Self {
            next: Vec::new(),
            next_answers: 0,
            next_held: Vec::new(),
            out: Vec::new(),
            written: 0,
            out_answers: 0,
            out_held: Vec::new(),
            due: None,
            write_time,
        }
    }

    /// Puts an answer's line in line. It has its newline already.
    pub(crate) fn answer(&mut self, line: Vec<u8>, held: Option<PagePermit>) {
        if line.len() < KEPT_BYTES {
            self.next.extend_from_slice(&line);
        } else if self.next.is_empty() {
            self.next = line;
        } else {
            // Not twice as much as there is.
            self.next.reserve_exact(line.len());
            self.next.extend_from_slice(&line);
        }
        self.next_answers += 1;
        self.next_held.extend(held);
        if self.due.is_none() {
            self.due = Some(Instant::now() + self.write_time);
        }
    }

    /// Answers that the client has not taken.
    pub(crate) fn answers(&self) -> usize {
        self.next_answers + self.out_answers
    }

    /// Whether the client takes its answers so slowly that nothing more should be begun for it.
    pub(crate) fn is_crowded(&self) -> bool {
        let out = if self.out_answers > 0 { self.out.len() - self.written } else { 0 };
        self.next.len() + out > ANSWER_BYTES
    }

    /// Until when the client must have taken something.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Something is on the way.
    pub(crate) fn is_writing(&self) -> bool {
        !self.out.is_empty()
    }

    /// Puts the next lines on the way, if none are: answers, or else what `events` gives.
    pub(crate) fn fill(&mut self, events: impl FnOnce(&mut Vec<u8>)) {
        if !self.out.is_empty() {
            return;
        }
        if self.next.is_empty() {
            events(&mut self.out);
        } else {
            std::mem::swap(&mut self.out, &mut self.next);
            self.out_answers = std::mem::take(&mut self.next_answers);
            std::mem::swap(&mut self.out_held, &mut self.next_held);
        }
    }

    /// Writes once. May be dropped while it waits: then nothing was written.
    ///
    /// # Errors
    /// When the connection is broken.
    pub(crate) async fn write(&mut self, writer: &mut (impl AsyncWrite + Unpin)) -> io::Result<()> {
        let rest = self.out.get(self.written..).unwrap_or_default();
        let count = writer.write(rest).await?;
        if count == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        self.written += count;
        if self.written >= self.out.len() {
            self.sent();
        }
        Ok(())
    }

    fn sent(&mut self) {
        self.out.clear();
        self.out_held.clear();
        self.written = 0;
        if self.out.capacity() > KEPT_BYTES {
            self.out = Vec::new();
        }
        if std::mem::take(&mut self.out_answers) > 0 {
            // What waits behind gets a time of its own: it could not go before.
            self.due = (!self.next.is_empty()).then(|| Instant::now() + self.write_time);
        }
    }
}

/// Lines of events of one subscription, as they wait to be put on the way.
#[derive(Debug, Default)]
pub(crate) struct Pending {
    bytes: Vec<u8>,
    at: usize,
    _held: Option<PagePermit>,
}

impl Pending {
    pub(crate) fn new(bytes: Vec<u8>, held: Option<PagePermit>) -> Self {
        Self { bytes, at: 0, _held: held }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Moves whole lines to `out`: as many as fit into a piece, at least one.
    pub(crate) fn take_piece(&mut self, out: &mut Vec<u8>) {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let piece = rest.get(..PIECE_BYTES.min(rest.len())).unwrap_or_default();
        // JSON has no newline inside a line.
        let end = match piece.iter().rposition(|byte| *byte == b'\n') {
            Some(last) => last + 1,
            None => rest.iter().position(|byte| *byte == b'\n').map_or(rest.len(), |first| first + 1),
        };
        out.extend_from_slice(rest.get(..end).unwrap_or_default());
        self.at += end;
        if self.at >= self.bytes.len() {
            *self = Self::default();
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::answer::line;
    use super::*;
    use tokio::io::AsyncReadExt as _;

    fn lines() -> Outgoing {
        Outgoing::new(Duration::from_secs(30))
    }

    #[tokio::test]
    async fn answers_go_before_events_and_lines_stay_whole() {
        let (mut near, mut far) = tokio::io::duplex(7);
        let mut lines = lines();
        let mut pending =
            Pending::new([line(&"event 1"), line(&"x".repeat(2 * PIECE_BYTES)), line(&"event 3")].concat(), None);
        lines.fill(|out| pending.take_piece(out));
        lines.answer(line(&"answer"), None);
        assert_eq!(lines.answers(), 1);
        let writing = async {
            loop {
                lines.fill(|out| pending.take_piece(out));
                if !lines.is_writing() {
                    break;
                }
                lines.write(&mut near).await.unwrap();
            }
            drop(near);
        };
        let reading = async {
            let mut read = String::new();
            far.read_to_string(&mut read).await.unwrap();
            read
        };
        let ((), read) = tokio::join!(writing, reading);
        let starts: Vec<_> = read.lines().map(|line| &line[..8.min(line.len())]).collect();
        assert_eq!(starts, ["\"event 1", "\"answer\"", "\"xxxxxxx", "\"event 3"]);
        assert!(pending.is_empty() && lines.answers() == 0 && lines.due().is_none());
    }

    #[tokio::test]
    async fn only_answers_have_a_deadline() {
        let (mut near, mut far) = tokio::io::duplex(64);
        let mut lines = lines();
        let mut pending = Pending::new(line(&"an event"), None);
        lines.fill(|out| pending.take_piece(out));
        assert_eq!(lines.due(), None);
        lines.answer(line(&1), None);
        let due = lines.due().unwrap();
        lines.answer(line(&2), None);
        assert_eq!(lines.due(), Some(due), "the oldest counts");
        lines.write(&mut near).await.unwrap();
        assert_eq!(lines.due(), Some(due), "the event that was before them changes nothing");
        lines.fill(|_| unreachable!("answers wait"));
        lines.answer(line(&3), None);
        lines.write(&mut near).await.unwrap();
        assert!(lines.due().is_some_and(|later| later > due), "what waited behind has a time of its own");
        lines.fill(|_| unreachable!("an answer waits"));
        lines.write(&mut near).await.unwrap();
        assert_eq!(lines.due(), None);
        drop(near);
        let mut read = String::new();
        far.read_to_string(&mut read).await.unwrap();
        assert_eq!(read, "\"an event\"\n1\n2\n3\n");
    }
}
