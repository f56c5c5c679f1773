//! Pages: answers whose size a client chooses, bounded by number and by bytes, with what is somebody else's taken out.

use super::answer::{Done, fail};
use crate::access::Access;
use crate::page_budget::{PagePermit, ReadPermit};
use serde::Serialize;
use std::io;
use torchat_protocol::control::api::event::What;
use torchat_protocol::control::api::record::Message;
use torchat_protocol::control::code::Code;

/// Messages or events in an answer.
pub(crate) const PAGE: u32 = 1000;
/// Bytes of messages or events in an answer: what does not fit is left for the next page. One always fits. Less if there
/// is little room, see [`crate::page_budget`].
pub(crate) const PAGE_BYTES: usize = 1 << 20;

/// An answer's line, which counts until it is taken.
pub(crate) type Page = (Vec<u8>, Option<PagePermit>);

/// How many are to be given, when `wanted` is absent `default`.
pub(crate) fn limit(wanted: Option<u32>, default: u32) -> Done<u32> {
    let limit = wanted.unwrap_or(default);
    if (1..=PAGE).contains(&limit) {
        Ok(limit)
    } else {
        Err(fail(Code::BadRequest, format!("\"limit\" must be 1 to {PAGE}")))
    }
}

/// A line that was read under a permit.
pub(crate) fn held(permit: ReadPermit, mut line: Vec<u8>) -> Page {
    line.shrink_to_fit();
    let held = permit.hold(line.len());
    (line, Some(held))
}

/// Leaves as many as fit into `room` bytes, at least one. Returns whether some were left out.
pub(crate) fn fitting<T: Serialize>(items: &mut Vec<T>, mut room: usize) -> bool {
    let fit = items.iter().take_while(|item| {
        let bytes = size(item);
        let fits = bytes <= room;
        room = room.saturating_sub(bytes);
        fits
    });
    let fit = fit.count().max(1);
    let cut = fit < items.len();
    items.truncate(fit);
    cut
}

/// The beginning of a list, filled step by step: as many as are wanted, where a number is given, and as fit; at least one.
#[derive(Debug)]
pub(crate) struct List<T> {
    items: Vec<T>,
    limit: usize,
    /// Bytes that are left.
    room: usize,
    /// Something did not fit.
    more: bool,
}

/// Items of a list that are read at once.
const LIST_STEP: usize = 64;

impl<T: Serialize> List<T> {
    /// An empty one, for at most `wanted` items, and `room` bytes.
    pub(crate) fn new(wanted: Option<u32>, room: usize) -> Done<Self> {
        let limit = if wanted.is_some() { limit(wanted, PAGE)? as usize } else { usize::MAX };
        Ok(Self { items: Vec::new(), limit, room, more: false })
    }

    /// How many items to read at once: no more than this list can take, and one that tells that there are more.
    pub(crate) fn step(&self) -> usize {
        LIST_STEP.min(self.limit.saturating_add(1))
    }

    /// Takes the next item. `false`: it does not fit, and no other will.
    pub(crate) fn add(&mut self, item: T) -> bool {
        let bytes = size(&item);
        self.more |= self.items.len() >= self.limit || (bytes > self.room && !self.items.is_empty());
        if !self.more {
            self.room = self.room.saturating_sub(bytes);
            self.items.push(item);
        }
        !self.more
    }

    /// What it holds, and whether something was left out.
    pub(crate) fn end(self) -> (Vec<T>, bool) {
        (self.items, self.more)
    }
}

/// Bytes of something's JSON.
fn size(item: &impl Serialize) -> usize {
    let mut count = Count(0);
    // Counting cannot fail.
    let _ = serde_json::to_writer(&mut count, item);
    count.0
}

struct Count(usize);

impl io::Write for Count {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Takes the namespace from the keys of the program's own messages, and hides the keys of others.
pub(crate) fn scrub(what: &mut What, access: &Access) {
    if let What::Received { message } | What::Queued { message } | What::Lost { message } = what {
        scrub_message(message, access);
    }
}

/// As [`scrub`], for many messages.
pub(crate) fn scrub_all(messages: &mut [Message], access: &Access) {
    for message in messages {
        scrub_message(message, access);
    }
}

/// As [`scrub`], for one message.
pub(crate) fn scrub_message(message: &mut Message, access: &Access) {
    message.client_id = message.client_id.take().and_then(|key| access.own_key(&key));
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_page_is_bounded_by_bytes_and_never_empty() {
        let mut few = vec!["x".repeat(PAGE_BYTES / 4); 3];
        assert!(!fitting(&mut few, PAGE_BYTES));
        assert_eq!(few.len(), 3);
        let mut many = vec!["x".repeat(PAGE_BYTES / 4); 9];
        assert!(fitting(&mut many, PAGE_BYTES));
        assert_eq!(many.len(), 3);
        let mut large = vec!["x".repeat(2 * PAGE_BYTES); 2];
        assert!(fitting(&mut large, PAGE_BYTES));
        assert_eq!(large.len(), 1);
        assert!(!fitting(&mut Vec::<u8>::new(), PAGE_BYTES));
    }

    #[test]
    fn a_list_is_whole_if_it_fits_and_says_so_if_not() {
        let list = |wanted, room| {
            let mut list = List::new(wanted, room).unwrap();
            let offered = (0..10_000).take_while(|_| list.add("x".repeat(300))).count();
            let (items, more) = list.end();
            assert_eq!((offered, more), (items.len(), items.len() < 10_000), "nothing is asked for behind the end");
            items
        };
        for (wanted, room, found) in [(None, 1 << 30, 10_000), (Some(7), PAGE_BYTES, 7), (Some(1000), 3_020, 10)] {
            assert_eq!(list(wanted, room).len(), found, "{wanted:?} {room}");
        }
        let many = list(None, PAGE_BYTES);
        assert!(serde_json::to_vec(&many).unwrap().len() <= PAGE_BYTES + many.len() + 2, "not one answer of 3 MB");
        for wrong in [0, PAGE + 1] {
            assert_eq!(List::<u8>::new(Some(wrong), PAGE_BYTES).unwrap_err().code, Code::BadRequest);
        }
        let mut large = List::new(None, 10).unwrap();
        assert!(large.add("x".repeat(300)) && !large.add(String::new()), "one always fits");
    }
}
