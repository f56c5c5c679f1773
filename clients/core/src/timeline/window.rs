//! The messages of a conversation that are held here: neighbours without a hole, read page by page.

use super::inquiry::{Inquiry, Meanwhile, Ticket};
use std::collections::BTreeMap;
use torchat_protocol::control::api::Onion;
use torchat_protocol::control::api::command::{History, MessagesAnswer};
use torchat_protocol::control::api::record::{Direction, Message, MessageState};
use torchat_protocol::id::MessageId;

/// Messages that a window holds at most; what is beyond is read again when it is scrolled to.
pub const HELD_MESSAGES: usize = 1_500;
/// Bytes of texts that a window holds at most. At least one message is held, and one page more while it is taken in.
pub const HELD_BYTES: usize = 32 << 20;
/// A page is asked for when so many messages or fewer are left beyond what is shown.
const AHEAD: usize = 40;
/// Numbers from here on are not the daemon's: messages that it has not got yet.
const PENDING: i64 = i64::MAX / 2;

/// A message with its time, read once.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// The message. The number of a pending one is not the daemon's.
    pub message: Message,
    /// When it arrived or was accepted; of a pending one, when it was typed. Milliseconds since 1970.
    pub at: i64,
}

impl Entry {
    fn new(message: Message) -> Self {
        let at = millis(&message.at).unwrap_or(0);
        Self { message, at }
    }

    /// The daemon has not got it.
    #[must_use]
    pub fn is_pending(&self) -> bool {
        self.message.id >= PENDING
    }

    /// Sent, and not at its end.
    #[must_use]
    pub fn is_under_way(&self) -> bool {
        use MessageState::{Queued, Sent, Waiting};
        self.message.dir == Direction::Out && matches!(self.message.state, Queued | Sent | Waiting)
    }
}

/// A moment of the API (RFC 3339) in milliseconds since 1970. `None`: it is no moment.
#[must_use]
pub fn millis(time: &str) -> Option<i64> {
    time.parse::<jiff::Timestamp>().ok().map(|time| time.as_millisecond())
}

/// How far a state is. Events say what has become of a message; a later state is never taken back by an earlier word.
/// Delivered is the last one, because what was taken back too late is delivered after all.
fn progress(state: MessageState) -> u8 {
    match state {
        MessageState::Unknown => 0,
        MessageState::Queued | MessageState::Unread | MessageState::Lost => 1,
        MessageState::Waiting => 2,
        MessageState::Sent => 3,
        MessageState::Failed | MessageState::Withdrawn | MessageState::Read => 4,
        MessageState::Delivered => 5,
    }
}

/// Whether `next` may follow `known`.
pub(super) fn follows(known: MessageState, next: MessageState) -> bool {
    progress(next) >= progress(known)
}

/// Sets a state as an event tells it. What was said of the state before is not true any more.
pub(super) fn advance(message: &mut Message, state: MessageState) {
    if follows(message.state, state) {
        message.state = state;
        (message.reason, message.why, message.next_try_at) = (None, None, None);
    }
}

/// Where a view of the window ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bottom {
    /// The lowest message that is shown.
    pub id: i64,
    /// How much of it is below the view, in the view's own unit (rows, pixels).
    pub hidden: usize,
}

/// Which messages a page is to hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Anchor {
    /// The last ones.
    Newest,
    /// The first ones.
    Oldest,
    /// Those before a message.
    Before(i64),
    /// Those after a message.
    After(i64),
    /// A message with what is around it.
    Around(i64),
    /// One message, because there is more to know of it than events tell.
    One(i64),
}

impl Anchor {
    /// What is to be asked for it: one command, for [`Anchor::Around`] two, the second one when the first was answered.
    /// `limit`: messages of a page, 1 to 1,000.
    #[must_use]
    pub fn commands(self, peer: Onion, limit: u32) -> (History, Option<History>) {
        let history = |before, after, limit| History { peer, before, after, limit: Some(limit) };
        let half = (limit / 2).max(1);
        match self {
            Self::Newest => (history(None, None, limit), None),
            Self::Oldest => (history(None, Some(0), limit), None),
            Self::Before(id) => (history(Some(id), None, limit), None),
            Self::After(id) => (history(None, Some(id), limit), None),
            Self::One(id) => (history(None, Some(id.saturating_sub(1)), 1), None),
            Self::Around(id) => (history(Some(id.saturating_add(1)), None, half), Some(history(None, Some(id), half))),
        }
    }
}

/// A page that was asked for, to be given back with its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageRequest {
    /// Which messages.
    pub anchor: Anchor,
    ticket: Option<Ticket>,
}

impl PageRequest {
    /// One message that is held already. Its answer is good at any time.
    #[must_use]
    pub fn one(id: i64) -> Self {
        Self { anchor: Anchor::One(id), ticket: None }
    }
}

/// The messages of a conversation that are held: neighbours without a hole, and behind them those that the daemon has not
/// got. At most [`HELD_MESSAGES`] and [`HELD_BYTES`].
///
/// Pages and events may come in any order between each other: when all events are told and no page is under way, the window
/// is what HISTORY would answer for its messages. Two things no event tells, so the last page counts: whether a message
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

    /// The page that is needed next. `shown`: the first and the last message of the view, if there are any; `filled`: the
    /// view has no empty place above them. `None`: nothing, or a page is under way already.
    #[must_use]
    pub fn wanted(&self, shown: Option<(i64, i64)>, filled: bool) -> Option<Anchor> {
        if self.inquiry.is_under_way() || self.refused {
            return None;
        }
        if !self.loaded {
            return Some(Anchor::Newest);
        }
        let (first, last) = self.span()?;
        let (top, bottom) = shown.unwrap_or((first, last));
        let older = self.entries.range(first..top.max(first)).take(AHEAD).count();
        let newer = self.entries.range(bottom.saturating_add(1)..).take(AHEAD).count();
        if self.more_before && (older < AHEAD || !filled) {
            Some(Anchor::Before(first))
        } else if self.more_after && newer < AHEAD {
            Some(Anchor::After(last))
        } else {
            None
        }
    }

    /// A page is asked for. Answers of pages that were asked for before are void.
    pub fn ask(&mut self, anchor: Anchor) -> PageRequest {
        if let Anchor::One(id) = anchor {
            return PageRequest::one(id);
        }
        self.refused = false;
        PageRequest { anchor, ticket: Some(self.inquiry.ask()) }
    }

    /// The answers to [`Anchor::commands`]. False: they were void, and nothing has changed.
    pub fn answer(&mut self, request: PageRequest, first: MessagesAnswer, second: Option<MessagesAnswer>) -> bool {
        let Some(ticket) = request.ticket else {
            for message in first.messages {
                self.refresh(message);
            }
            return true;
        };
        let Some(meanwhile) = self.inquiry.answered(ticket) else { return false };
        let Meanwhile::All(changes) = meanwhile else {
            self.renew();
            return false;
        };
        let MessagesAnswer { mut messages, more } = first;
        match request.anchor {
            Anchor::Newest => self.replace(messages, more, false),
            Anchor::One(_) => messages.into_iter().for_each(|message| self.refresh(message)),
            Anchor::Oldest => {
                self.replace(messages, false, more);
                self.bottom = self.span().map(|(id, _)| Bottom { id, hidden: 0 });
            }
            Anchor::Around(_) => {
                let newer = second.as_ref().is_some_and(|page| page.more);
                messages.extend(second.map(|page| page.messages).unwrap_or_default());
                self.replace(messages, more, newer);
            }
            Anchor::Before(id) => self.prepend(id, messages, more),
            Anchor::After(id) => self.append(id, messages, more),
        }
        for change in changes {
            match change {
                Change::Put(message) => self.put_now(*message),
                Change::State(id, state) => self.set_state_now(id, state),
            }
        }
        true
    }

    /// A page was refused. It is not wanted again before [`Window::reconnected`], or until somebody [asks](Self::ask).
    pub fn failed(&mut self, request: PageRequest) {
        if request.ticket.is_some_and(|ticket| self.inquiry.answered(ticket).is_some()) {
            self.refused = true;
        }
    }

    /// Another connection to the daemon, without a hole in its events: a page that was under way is void.
    pub fn reconnected(&mut self) {
        self.inquiry.cancel();
        self.refused = false;
    }

    /// Events were missed: all is read anew. The view stays where it is if the next page holds its message.
    pub fn renew(&mut self) {
        self.entries = self.entries.split_off(&PENDING);
        self.bytes = self.entries.values().map(size).sum();
        (self.loaded, self.more_before, self.more_after) = (false, false, false);
        self.reconnected();
    }

    /// Gives the memory back when nobody looks at the conversation. Pending messages stay.
    pub fn forget(&mut self) {
        self.renew();
        self.bottom = None;
    }

    /// A page in the place of the window.
    fn replace(&mut self, messages: Vec<Message>, more_before: bool, more_after: bool) {
        self.renew();
        self.extend(messages);
        (self.loaded, self.more_before, self.more_after) = (true, more_before, more_after);
        if self.bottom.is_some_and(|bottom| !self.entries.contains_key(&bottom.id)) {
            self.bottom = None;
        }
    }

    /// An older page. Only what joins the window without a hole is taken.
    fn prepend(&mut self, asked: i64, messages: Vec<Message>, more: bool) {
        if self.span().is_some_and(|(first, _)| first == asked) {
            self.extend(messages);
            self.more_before = more;
            self.drop_newest();
        }
    }

    /// A newer page. Only what joins the window without a hole is taken.
    fn append(&mut self, asked: i64, messages: Vec<Message>, more: bool) {
        if self.span().is_some_and(|(_, last)| last == asked) {
            self.extend(messages);
            self.more_after = more;
            self.drop_oldest();
        }
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

    /// A held message as HISTORY tells it now.
    fn refresh(&mut self, message: Message) {
        let held = self.entries.get(&message.id).map(|held| progress(held.message.state));
        // The answer may be older than an event; only what no event tells is taken from a state that is not the last.
        if held.is_some_and(|held| held <= progress(message.state) || held < progress(MessageState::Failed)) {
            self.insert(Entry::new(message));
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

    /// The unread messages up to a number that are held.
    pub(super) fn unread_upto(&self, upto: i64) -> impl Iterator<Item = i64> {
        let held = self.entries.range(..=upto).filter(|(_, entry)| entry.message.state == MessageState::Unread);
        held.map(|(id, _)| *id)
    }

    /// A message that the daemon has not got yet, at the end. `key`: its `client_id`; `at`: milliseconds since 1970.
    pub fn put_pending(&mut self, peer: Onion, key: &str, text: &str, at: i64) {
        let id = self.entries.keys().next_back().map_or(PENDING, |last| last.saturating_add(1).max(PENDING));
        let message = Message {
            id,
            mid: MessageId([0; 16]),
            peer,
            dir: Direction::Out,
            text: text.to_owned(),
            state: MessageState::Queued,
            at: String::new(),
            sent_at: None,
            done_at: None,
            client_id: Some(key.to_owned()),
            reason: None,
            why: None,
            next_try_at: None,
        };
        self.insert(Entry { message, at });
    }

    /// A message that the daemon has not got.
    #[must_use]
    pub fn pending(&self, key: &str) -> Option<&Entry> {
        let mut pending = self.entries.range(PENDING..).map(|(_, entry)| entry);
        pending.find(|entry| entry.message.client_id.as_deref() == Some(key))
    }

    /// Takes a message out that the daemon has not got. `None`: there is no such.
    pub fn take_pending(&mut self, key: &str) -> Option<Entry> {
        let id = self.pending(key)?.message.id;
        self.remove(id)
    }
}

/// What an entry costs.
fn size(entry: &Entry) -> usize {
    entry.message.text.len() + entry.message.reason.as_ref().map_or(0, String::len)
}
