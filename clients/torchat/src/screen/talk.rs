//! A conversation as far as it is known here: a window of its messages, what is unread, who it is with.

use super::model::Waiting;
use std::collections::{BTreeMap, BTreeSet};
use torchat_client::api::Onion;
use torchat_client::api::record::{Contact, ContactState, Conversation, Direction, Message, MessageState};
use torchat_client::show;
use torchat_protocol::id::MessageId;

/// Messages that are kept of a conversation; what is beyond is read again when it is scrolled to.
const WINDOW: usize = 1_500;
/// Numbers from here on are not the daemon's: messages that it has not got yet.
const LOCAL: i64 = i64::MAX / 2;

/// A message with its time, read once.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Entry {
    pub(crate) message: Message,
    /// In milliseconds since 1970.
    pub(crate) at: i64,
}

impl Entry {
    fn new(message: Message) -> Self {
        let at = millis(&message.at).unwrap_or(0);
        Self { message, at }
    }

    /// The daemon has not got it.
    pub(crate) fn is_local(&self) -> bool {
        self.message.id >= LOCAL
    }

    /// Sent, and not at its end.
    pub(crate) fn is_under_way(&self) -> bool {
        use MessageState::{Queued, Sent, Waiting};
        self.message.dir == Direction::Out && matches!(self.message.state, Queued | Sent | Waiting)
    }
}

/// A moment of the API in milliseconds since 1970.
pub(crate) fn millis(time: &str) -> Option<i64> {
    time.parse::<jiff::Timestamp>().ok().map(|time| time.as_millisecond())
}

/// Where the window of the screen ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Bottom {
    /// The lowest message on the screen.
    pub(crate) id: i64,
    /// Rows of it that are below the screen.
    pub(crate) hidden: usize,
}

/// What happens while a page is on its way: the page may have been read before it.
#[derive(Debug, Clone)]
enum During {
    Put(Box<Message>),
    State(i64, MessageState),
}

/// A conversation.
#[derive(Debug, Clone)]
pub(crate) struct Talk {
    pub(crate) contact: Contact,
    /// When the contact was heard last, in milliseconds since 1970.
    pub(crate) heard_at: Option<i64>,
    /// Why what is under way to it is not there yet.
    pub(crate) waiting: Option<Waiting>,
    /// Its name is not the user's own choice and reads like another's.
    pub(crate) lookalike: bool,
    /// The last message, for the order and the list.
    pub(crate) last: Option<Message>,
    /// Unread when the list was read, of messages up to `counted`.
    unread: u64,
    counted: i64,
    /// Unread messages that came since.
    newer: BTreeSet<i64>,
    /// Neighbours without a hole, and those that the daemon has not got.
    entries: BTreeMap<i64, Entry>,
    /// A page was read.
    pub(crate) loaded: bool,
    /// The daemon has older ones.
    pub(crate) more_before: bool,
    /// The daemon has newer ones than the window.
    pub(crate) more_after: bool,
    /// A page is on its way.
    pub(crate) loading: bool,
    during: Vec<During>,
    /// `None`: at the end, and stays there.
    pub(crate) bottom: Option<Bottom>,
    /// The first message that was unread when the conversation was opened.
    pub(crate) new_from: Option<i64>,
    /// Seen on the screen and told to the daemon.
    pub(crate) seen: i64,
}

impl Talk {
    /// A conversation of the list.
    pub(crate) fn new(conversation: Conversation, now: i64) -> Self {
        let Conversation { contact, unread, last } = conversation;
        let mut talk = Self {
            heard_at: None,
            contact: contact.clone(),
            waiting: None,
            lookalike: false,
            counted: last.as_ref().map_or(0, |message| message.id),
            last,
            unread,
            newer: BTreeSet::new(),
            entries: BTreeMap::new(),
            loaded: false,
            more_before: false,
            more_after: false,
            loading: false,
            during: Vec::new(),
            bottom: None,
            new_from: None,
            seen: 0,
        };
        talk.set_contact(contact, now);
        talk
    }

    /// What the contact is now.
    pub(crate) fn set_contact(&mut self, contact: Contact, now: i64) {
        let heard = |seconds: u64| now.saturating_sub(i64::try_from(seconds).unwrap_or(i64::MAX).saturating_mul(1000));
        self.heard_at = contact.heard_s.map(heard).or(self.heard_at);
        self.contact = contact;
    }

    /// Takes the list's facts and forgets the window: after a time in which events were missed.
    pub(crate) fn renew(&mut self, conversation: Conversation, now: i64) {
        let locals: BTreeMap<_, _> = self.entries.split_off(&LOCAL);
        let (bottom, new_from) = (self.bottom, self.new_from);
        *self = Self::new(conversation, now);
        self.entries = locals;
        // The screen stays where it was if the page holds that message.
        (self.bottom, self.new_from) = (bottom, new_from);
    }

    /// With whom.
    pub(crate) fn peer(&self) -> Onion {
        self.contact.peer
    }

    /// The name, harmless: the user's own one, the contact's own, or the onion's beginning.
    pub(crate) fn name(&self, columns: usize) -> String {
        match self.contact.name.as_deref().or(self.contact.nick.as_deref()).filter(|name| !name.is_empty()) {
            Some(name) => show::shown_name(name, columns),
            None => show::shown_name(&format!("{}..", self.peer().0.short()), columns),
        }
    }

    /// The name as it was given, for comparing.
    pub(crate) fn raw_name(&self) -> Option<&str> {
        self.contact.name.as_deref().or(self.contact.nick.as_deref())
    }

    /// Messages that nobody has seen.
    pub(crate) fn unread(&self) -> u64 {
        self.unread + self.newer.len() as u64
    }

    /// The order of the list: the newest message first.
    pub(crate) fn order(&self) -> i64 {
        self.last.as_ref().map_or(0, |message| message.id)
    }

    /// Blocked or forgotten, and nothing was ever said.
    pub(crate) fn is_nothing(&self) -> bool {
        matches!(self.contact.state, ContactState::Stranger | ContactState::Blocked)
            && self.last.is_none()
            && self.entries.is_empty()
    }

    /// The window.
    pub(crate) fn entries(&self) -> &BTreeMap<i64, Entry> {
        &self.entries
    }

    /// A message of the window.
    pub(crate) fn entry(&self, id: i64) -> Option<&Entry> {
        self.entries.get(&id)
    }

    /// The last entry, or the one before another.
    pub(crate) fn before(&self, id: Option<i64>) -> Option<&Entry> {
        match id {
            None => self.entries.values().next_back(),
            Some(id) => self.entries.range(..id).next_back().map(|(_, entry)| entry),
        }
    }

    /// The entry after another.
    pub(crate) fn after(&self, id: i64) -> Option<&Entry> {
        self.entries.range(id + 1..).next().map(|(_, entry)| entry)
    }

    /// The first and the last number of the daemon's.
    pub(crate) fn span(&self) -> Option<(i64, i64)> {
        let first = *self.entries.keys().next()?;
        let last = *self.entries.range(..LOCAL).next_back()?.0;
        Some((first, last))
    }

    /// A page in the place of the window.
    pub(crate) fn replace(&mut self, messages: Vec<Message>, more_before: bool, more_after: bool) {
        let locals = self.entries.split_off(&LOCAL);
        self.entries = messages.into_iter().map(|message| (message.id, Entry::new(message))).collect();
        self.entries.extend(locals);
        (self.loaded, self.loading) = (true, false);
        (self.more_before, self.more_after) = (more_before, more_after);
        self.catch_up();
        if self.bottom.is_some_and(|bottom| !self.entries.contains_key(&bottom.id)) {
            self.bottom = None;
        }
    }

    /// An older page. Only what joins the window without a hole is taken.
    pub(crate) fn prepend(&mut self, asked_before: i64, messages: Vec<Message>, more: bool) {
        if self.span().is_none_or(|(first, _)| first != asked_before) {
            return;
        }
        self.entries.extend(messages.into_iter().map(|message| (message.id, Entry::new(message))));
        self.more_before = more;
        while self.entries.len() > WINDOW && self.span().is_some_and(|(first, last)| last > first) {
            let Some((_, last)) = self.span() else { break };
            self.entries.remove(&last);
            self.more_after = true;
        }
        self.catch_up();
    }

    /// Does again what happened while a page was on its way. All of it can be done twice.
    fn catch_up(&mut self) {
        self.loading = false;
        for during in std::mem::take(&mut self.during) {
            match during {
                During::Put(message) => {
                    let at = millis(&message.at).unwrap_or(0);
                    self.put(*message, at);
                }
                During::State(id, state) => self.set_state(id, state),
            }
        }
    }

    /// A newer page.
    pub(crate) fn append(&mut self, asked_after: i64, messages: Vec<Message>, more: bool) {
        if self.span().is_none_or(|(_, last)| last != asked_after) {
            return;
        }
        self.entries.extend(messages.into_iter().map(|message| (message.id, Entry::new(message))));
        self.more_after = more;
        self.trim();
        self.catch_up();
    }

    fn trim(&mut self) {
        while self.entries.len() > WINDOW {
            if self.entries.pop_first().is_none() {
                break;
            }
            self.more_before = true;
        }
    }

    /// A message as an event or an answer told it. Twice the same is once.
    pub(crate) fn put(&mut self, message: Message, now: i64) {
        if self.loading {
            self.during.push(During::Put(Box::new(message.clone())));
        }
        if let Some(key) = &message.client_id {
            self.drop_local(key);
        }
        if message.dir == Direction::In {
            self.heard_at = self.heard_at.max(Some(now));
            if message.state == MessageState::Unread && message.id > self.counted.max(self.seen) {
                self.newer.insert(message.id);
            }
        }
        if self.last.as_ref().is_none_or(|last| last.id <= message.id) {
            self.last = Some(message.clone());
        }
        let known = self.entries.contains_key(&message.id);
        if known || (self.loaded && !self.more_after && self.span().is_none_or(|(first, _)| message.id > first)) {
            self.entries.insert(message.id, Entry::new(message));
            if self.bottom.is_none() {
                self.trim();
            }
        }
    }

    /// A message that the daemon has accepted, before its event is there.
    pub(crate) fn accepted(&mut self, key: &str, id: i64, mid: MessageId, state: MessageState, now: i64) {
        let Some(local) = self.local(key).cloned() else { return };
        if self.entries.contains_key(&id) {
            self.drop_local(key);
            return;
        }
        let at = jiff::Timestamp::from_millisecond(local.at).unwrap_or_default().to_string();
        self.put(Message { id, mid, state, at, reason: None, ..local.message }, now);
    }

    /// How far a message is now.
    pub(crate) fn set_state(&mut self, id: i64, state: MessageState) {
        if self.loading {
            self.during.push(During::State(id, state));
        }
        let last = self.last.as_mut().filter(|message| message.id == id);
        for message in last.into_iter().chain(self.entries.get_mut(&id).map(|entry| &mut entry.message)) {
            message.state = state;
            (message.reason, message.next_try_at) = (None, None);
        }
    }

    /// A received message was seen by one of the user's programs.
    pub(crate) fn read(&mut self, id: i64) {
        self.set_state(id, MessageState::Read);
        if !self.newer.remove(&id) && id <= self.counted && id > self.seen {
            self.unread = self.unread.saturating_sub(1);
        }
    }

    /// Everything up to a message is seen.
    pub(crate) fn seen(&mut self, upto: i64) {
        self.seen = self.seen.max(upto);
        self.newer = self.newer.split_off(&(upto + 1));
        if upto >= self.counted {
            self.unread = 0;
        } else {
            // The rest is below what the window can tell; the events will.
            let read = self.entries.range(..=upto).filter(|(_, entry)| entry.message.state == MessageState::Unread);
            self.unread = self.unread.saturating_sub(read.count() as u64);
        }
        for (_, entry) in self.entries.range_mut(..=upto) {
            if entry.message.state == MessageState::Unread {
                entry.message.state = MessageState::Read;
            }
        }
    }

    /// The first unread message of the window.
    pub(crate) fn first_unread(&self) -> Option<i64> {
        self.entries.values().find(|entry| entry.message.state == MessageState::Unread).map(|entry| entry.message.id)
    }

    /// A message that the daemon has not got yet, at the end of the window.
    pub(crate) fn put_local(&mut self, key: &str, text: &str, at: i64) {
        let id = self.entries.keys().next_back().map_or(LOCAL, |last| (last + 1).max(LOCAL));
        let message = Message {
            id,
            mid: MessageId([0; 16]),
            peer: self.peer(),
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
        self.entries.insert(id, Entry { message, at });
    }

    /// A message that the daemon has not got.
    fn local(&self, key: &str) -> Option<&Entry> {
        self.entries
            .range(LOCAL..)
            .map(|(_, entry)| entry)
            .find(|entry| entry.message.client_id.as_deref() == Some(key))
    }

    /// Takes a message back that the daemon has not got. `None`: there is no such.
    pub(crate) fn drop_local(&mut self, key: &str) -> Option<Entry> {
        let id = self.local(key)?.message.id;
        self.entries.remove(&id)
    }

    /// Gives the memory of the window back, when nobody looks at it.
    pub(crate) fn forget(&mut self) {
        self.entries = self.entries.split_off(&LOCAL);
        (self.loaded, self.loading, self.more_after) = (false, false, false);
        self.during.clear();
        (self.bottom, self.new_from) = (None, None);
    }
}
