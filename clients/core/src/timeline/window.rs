//! The messages of a conversation that are held here: neighbours without a hole, read page by page.

mod entry;
mod page;
mod pending;
mod room;

#[cfg(test)]
mod tests;

pub use entry::{Entry, millis};
pub(super) use entry::{advance, follows};
pub use page::{Anchor, PageRequest};
pub use room::RoomChange;

use super::inquiry::Inquiry;
use entry::{PENDING, size};
use std::collections::BTreeMap;
use torchat_protocol::control::api::record::{Message, MessageState};

/// Messages that a window holds at most; what is beyond is read again when it is scrolled to.
pub const HELD_MESSAGES: usize = 1_500;
/// Bytes of texts that a window holds at most. At least one message is held, and one page more while it is taken in.
pub const HELD_BYTES: usize = 32 << 20;

/// Messages that are read one by one when they count again; of more the pages are read.
const ONE_BY_ONE: usize = 20;

/// Where a view of the window ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bottom {
    /// The lowest message that is shown.
    pub id: i64,
    /// How much of it is below the view, in the view's own unit (rows, pixels).
    pub hidden: usize,
}

/// The messages of a conversation that are held: neighbours without a hole, and behind them those that the daemon has not
/// got. At most [`HELD_MESSAGES`] and [`HELD_BYTES`].
///
/// Pages and events may come in any order between each other: when all events are told and no page is under way, the window
/// is what HISTORY would answer for its messages. In a room, what is hidden when it comes is shown at the next page. Two things no event tells, so the last page counts: whether a message
/// waits for the peer to accept us, and that one which was sent is queued again because the daemon started anew.
#[derive(Debug, Clone)]
pub struct Window {
    /// Messages that are held at most.
    limit: usize,
    entries: BTreeMap<i64, Entry>,
    bytes: usize,
    loaded: bool,
    more_before: bool,
    more_after: bool,
    /// Up to here nothing is missing between the messages that are held: behind it, what events have not told may be.
    whole_to: i64,
    /// Events of a room do not tell the lines that the daemon writes into it: what is behind [`Self::whole_to`] is to be read.
    lines_wanted: bool,
    /// The page that is under way has them. If it does not come, they are wanted again.
    lines_asked: bool,
    /// Messages of a room that count again. What was done to them while they did not count no event has told: each is to be read once
    /// more.
    again: Vec<i64>,
    /// The one that is being read. If it does not come, it is wanted again.
    again_asked: Option<i64>,
    /// One that is to be read once more because somebody looks at it.
    looked_at: Option<i64>,
    inquiry: Inquiry<Change>,
    /// The page was refused: not again until the daemon is connected anew.
    refused: bool,
    /// Where the view ends. `None`: at the newest message, and stays there.
    pub bottom: Option<Bottom>,
}

/// What an event tells of a message.
#[derive(Debug, Clone)]
enum Change {
    Put(Box<Message>),
    State(i64, MessageState),
    Erased(i64, i64, Vec<i64>),
    Room(i64, RoomChange),
}

impl Default for Window {
    fn default() -> Self {
        Self {
            limit: HELD_MESSAGES,
            entries: BTreeMap::new(),
            bytes: 0,
            loaded: false,
            more_before: false,
            more_after: false,
            whole_to: 0,
            lines_wanted: false,
            lines_asked: false,
            again: Vec::new(),
            again_asked: None,
            looked_at: None,
            inquiry: Inquiry::default(),
            refused: false,
            bottom: None,
        }
    }
}

impl Window {
    /// Another bound than [`HELD_MESSAGES`]: at least three pages, else they are read again and again.
    pub fn limit_to(&mut self, messages: usize) {
        self.limit = messages;
    }

    /// All that is held, by number; pending ones last.
    #[must_use]
    pub fn entries(&self) -> &BTreeMap<i64, Entry> {
        &self.entries
    }

    /// One of them.
    #[must_use]
    pub fn entry(&self, id: i64) -> Option<&Entry> {
        self.entries.get(&id)
    }

    /// The entry before another; of `None`, the last of all.
    #[must_use]
    pub fn before(&self, id: Option<i64>) -> Option<&Entry> {
        match id {
            None => self.entries.values().next_back(),
            Some(id) => self.entries.range(..id).next_back().map(|(_, entry)| entry),
        }
    }

    /// The entry after another.
    #[must_use]
    pub fn after(&self, id: i64) -> Option<&Entry> {
        self.entries.range(id.checked_add(1)?..).next().map(|(_, entry)| entry)
    }

    /// The first and the last number of the daemon's. `None`: no message of the daemon's is held.
    #[must_use]
    pub fn span(&self) -> Option<(i64, i64)> {
        let mut held = self.entries.range(..PENDING);
        let first = *held.next()?.0;
        Some((first, held.next_back().map_or(first, |(last, _)| *last)))
    }

    /// A page was read since the window was forgotten.
    #[must_use]
    pub fn is_loaded(&self) -> bool {
        self.loaded
    }

    /// The daemon has older messages.
    #[must_use]
    pub fn has_older(&self) -> bool {
        self.more_before
    }

    /// The daemon has newer messages than the window.
    #[must_use]
    pub fn has_newer(&self) -> bool {
        self.more_after
    }

    /// The first unread message that is held.
    #[must_use]
    pub fn first_unread(&self) -> Option<i64> {
        self.entries.values().find(|entry| entry.message.state == MessageState::Unread).map(|entry| entry.message.id)
    }

    fn extend(&mut self, messages: Vec<Message>) {
        for message in messages {
            self.insert(Entry::new(message));
        }
    }

    fn insert(&mut self, entry: Entry) {
        self.bytes += size(&entry);
        if let Some(before) = self.entries.insert(entry.message.id, entry) {
            self.bytes -= size(&before);
        }
    }

    fn remove(&mut self, id: i64) -> Option<Entry> {
        let entry = self.entries.remove(&id)?;
        self.bytes -= size(&entry);
        Some(entry)
    }

    /// The ends of what is held, if it is too much and something can go.
    fn excess(&self) -> Option<(i64, i64)> {
        let too_much = self.entries.len() > self.limit || self.bytes > HELD_BYTES;
        self.span().filter(|(first, last)| too_much && first < last)
    }

    fn drop_newest(&mut self) {
        while let Some((_, last)) = self.excess() {
            self.remove(last);
            self.more_after = true;
        }
    }

    fn drop_oldest(&mut self) {
        while let Some((first, _)) = self.excess() {
            self.remove(first);
            self.more_before = true;
        }
    }

    /// A message as an event or an answer tells it. Twice the same is once.
    pub fn put(&mut self, message: Message) {
        self.inquiry.note(|| Change::Put(Box::new(message.clone())));
        self.put_now(message);
    }

    fn put_now(&mut self, message: Message) {
        let mut message = message;
        match self.entries.get(&message.id).map(|held| &held.message) {
            Some(held) if !follows(held.state, message.state) => return,
            Some(held) if held.state == message.state && message.reason.is_none() => {
                // An event does not say what HISTORY says of the same state.
                (message.reason, message.why) = (held.reason.clone(), held.why.clone());
                message.next_try_at.clone_from(&held.next_try_at);
            }
            Some(_) => {}
            None if !self.joins(message.id) => return,
            None => {}
        }
        self.insert(Entry::new(message));
        match self.bottom {
            None => self.drop_oldest(),
            // Who reads the past keeps it; what has come is read again when it is scrolled to.
            Some(_) => self.drop_newest(),
        }
    }

    /// Whether a message belongs to what is held, without a hole.
    fn joins(&self, id: i64) -> bool {
        let (first, last) = self.span().unwrap_or((i64::MAX, i64::MIN));
        self.loaded && (!self.more_after || id < last) && (!self.more_before || id > first)
    }

    /// How far a message is, as an event tells it.
    pub fn set_state(&mut self, id: i64, state: MessageState) {
        self.inquiry.note(|| Change::State(id, state));
        self.set_state_now(id, state);
    }

    fn set_state_now(&mut self, id: i64, state: MessageState) {
        let Some(entry) = self.entries.get_mut(&id) else { return };
        let before = size(entry);
        advance(&mut entry.message, state);
        self.bytes = self.bytes + size(entry) - before;
    }

    /// Messages are gone: those from one number to another that are not kept.
    pub(super) fn erase(&mut self, from: i64, upto: i64, kept: &[i64]) {
        self.inquiry.note(|| Change::Erased(from, upto, kept.to_vec()));
        self.erase_now(from, upto, kept);
    }

    fn erase_now(&mut self, from: i64, upto: i64, kept: &[i64]) {
        let held = self.entries.range(from..=upto.min(PENDING - 1)).map(|(id, _)| *id);
        let gone: Vec<i64> = held.filter(|id| !kept.contains(id)).collect();
        for id in gone {
            self.remove(id);
        }
        if let Some(bottom) = self.bottom.filter(|bottom| !self.entries.contains_key(&bottom.id)) {
            let above = self.entries.range(..bottom.id).next_back();
            self.bottom = above.map(|(id, _)| Bottom { id: *id, hidden: 0 });
        }
    }

    /// Everything up to a message is read.
    pub(super) fn set_read(&mut self, upto: i64) {
        for (_, entry) in self.entries.range_mut(..=upto) {
            if entry.message.state == MessageState::Unread {
                entry.message.state = MessageState::Read;
            }
        }
    }

    /// Something was decided in a room: the daemon may have written a line about it.
    pub(super) fn want_lines(&mut self) {
        // A page that is under way may be older than the line, also the first one.
        self.lines_wanted = self.loaded || self.inquiry.is_under_way();
    }

    /// What has become of a room's message, as an event tells it.
    pub(super) fn change(&mut self, id: i64, change: &RoomChange) {
        self.inquiry.note(|| Change::Room(id, change.clone()));
        self.change_now(id, change);
        self.read_again(id, change);
    }

    /// Somebody looks at a message that is held: it is read once more, because HISTORY says what no event tells, such as how many
    /// members have it.
    pub fn look_at(&mut self, id: i64) {
        self.looked_at = Some(id);
    }

    /// A message that counts again is read once more; of many all is.
    fn read_again(&mut self, id: i64, change: &RoomChange) {
        if change.is_counting_again() && self.entries.contains_key(&id) && !self.again.contains(&id) {
            self.again.push(id);
        }
        if self.again.len() > ONE_BY_ONE {
            self.renew();
        }
    }

    fn change_now(&mut self, id: i64, change: &RoomChange) {
        let Some(entry) = self.entries.get_mut(&id) else { return };
        let before = size(entry);
        change.apply(&mut entry.message);
        self.bytes = self.bytes + size(entry) - before;
    }

    /// The unread messages up to a number that are held.
    pub(super) fn unread_upto(&self, upto: i64) -> impl Iterator<Item = i64> {
        self.unread_messages(upto).map(|message| message.id)
    }

    /// Those of them that mention the user.
    pub(super) fn mentions_upto(&self, upto: i64) -> impl Iterator<Item = i64> {
        self.unread_messages(upto).filter(|message| message.mention).map(|message| message.id)
    }

    fn unread_messages(&self, upto: i64) -> impl Iterator<Item = &Message> {
        let held = self.entries.range(..=upto).map(|(_, entry)| &entry.message);
        held.filter(|message| message.state == MessageState::Unread)
    }
}
