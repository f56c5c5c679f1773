//! View models: what a client shows of its conversations, without a toolkit, a clock, a thread or a file.
//!
//! The state of a messenger's screen is the same in a terminal, on a web page and in a bot: the conversations in their
//! order, the messages of one of them as far as they are held, what is unread, and what must be asked next. These types
//! keep it. They do nothing by themselves: events and answers of the daemon go in, [`Need`]s and [`Anchor`]s come out, and
//! the time is an argument (milliseconds since 1970). Everything is bounded, and everything may be told twice.
//!
//! - [`ConversationList`]: all conversations and requests; give it each event, and the answers to what it needs.
//! - [`Timeline`]: one conversation: who it is with, what is unread, and its [`Window`].
//! - [`Window`]: the messages that are held, without a hole, and which page is [wanted](Window::wanted) next.
//! - [`News`]: how far Tor is and why mail waits, which no event tells.
//! - [`room::RoomSide`]: what a conversation has that is a room: the room, who is in it, how often the user was mentioned.
//! - [`Drafts`]: what was typed and is not with the daemon yet.
//!
//! ```
//! use torchat_client::timeline::{Anchor, ConversationList, Need};
//! # use torchat_protocol::control::api::{Onion, command::MessagesAnswer, event::{Event, What}};
//! # use torchat_protocol::control::api::record::{Contact, ContactState, Conversation, Direction, Message, MessageState};
//! # use torchat_protocol::id::{MessageId, PeerId};
//! # let peer = (0..=255).find_map(|n| PeerId::from_key([n; 32]).ok()).map(Onion).unwrap();
//! # let ann = peer.conversation();
//! # let contact = Contact { peer, state: ContactState::Contact, name: Some("ann".into()), nick: None, link: true,
//! #     heard_s: None, hidden: false, queued: 0, verified: None, retain_days: None };
//! # let message = |id| Message { id, mid: MessageId([0; 16]), peer: ann, dir: Direction::In, text: format!("no. {id}"),
//! #     state: MessageState::Unread, at: "2026-11-21T09:30:00.000Z".into(), sent_at: None, done_at: None,
//! #     client_id: None, reason: None, why: None, next_try_at: None, from: None, order: None, re: None, mention: false,
//! #     edited_at: None, reacts: Default::default(), flags: vec![], stored: None };
//! let now = 1_795_253_400_000;
//! let mut list = ConversationList::default();
//!
//! // A daemon is connected: the list says what it needs. A real client asks the daemon; here is the answer.
//! for need in list.connected(false) {
//!     if let Need::Conversations(request) = need {
//!         let answer = vec![Conversation { contact: contact.clone(), unread: 1, last: Some(message(7)),
//!             room: None, mentions: None }];
//!         list.conversations(request, answer, now);
//!     }
//! }
//! assert_eq!(list.order(), [ann]);
//!
//! // The conversation is opened: which page is wanted, and what is to be asked for it?
//! let window = &mut list.get_mut(ann).unwrap().window;
//! let anchor = window.wanted(None, false).unwrap();
//! assert_eq!(anchor, Anchor::Newest);
//! let (history, _) = anchor.commands(ann, 100);
//! assert_eq!(history.limit, Some(100));
//! let request = window.ask(anchor);
//!
//! // Something comes before the answer, which was read earlier. Nothing is lost, and nothing stands twice.
//! list.event(&Event { seq: 1, at: message(8).at, what: What::Received { message: message(8) } }, now);
//! let answer = MessagesAnswer { messages: vec![message(6), message(7)], more: false };
//! list.get_mut(ann).unwrap().window.answer(request, answer, None);
//! let timeline = list.get(ann).unwrap();
//! assert_eq!(timeline.window.entries().keys().copied().collect::<Vec<_>>(), [6, 7, 8]);
//! assert_eq!(timeline.unread(), 2);
//! ```

mod drafts;
mod inquiry;
mod list;
mod news;
pub mod room;
mod unread;
mod window;

#[cfg(test)]
mod tests;

pub use drafts::{Addressed, Drafts, Unsent, Wish};
pub use inquiry::Ticket;
pub use list::{ConversationList, Item, ListRequest, Need};
pub use news::{News, Tor, Waiting};
pub use window::{Anchor, Bottom, Entry, HELD_BYTES, HELD_MESSAGES, PageRequest, RoomChange, Window, millis};

use crate::{names, show};
use room::RoomSide;
use torchat_protocol::control::api::record::{
    Contact, ContactState, Conversation, Direction, Message, MessageState, Room,
};
use torchat_protocol::control::api::{ConversationId, Onion};
use torchat_protocol::id::MessageId;
use unread::Unread;

/// One conversation: who it is with, what is unread, and the messages that are held.
#[derive(Debug, Clone)]
pub struct Timeline {
    contact: Contact,
    /// It is a room.
    room: Option<Box<RoomSide>>,
    /// When the contact was heard last, in milliseconds since 1970.
    pub heard_at: Option<i64>,
    /// Why what is under way to it is not there yet.
    pub waiting: Option<Waiting>,
    lookalike: bool,
    last: Option<Message>,
    unread: Unread,
    /// The list may have been counted before or after an event: what is unread is counted again.
    doubtful: bool,
    /// Messages of it were erased: only a list that was read since says how it is.
    erased: bool,
    /// The messages that are held.
    pub window: Window,
    /// The first message that was unread when the conversation was opened, for a line above it.
    pub new_from: Option<i64>,
}

impl Timeline {
    /// A conversation of the list. `now`: milliseconds since 1970, as in all that follows.
    #[must_use]
    pub fn new(conversation: Conversation, now: i64) -> Self {
        let Conversation { contact, unread, last, room, mentions } = conversation;
        let newest = last.as_ref().map_or(0, |message| message.id);
        let mut timeline = Self {
            contact: contact.clone(),
            room: room.map(|room| Box::new(RoomSide::new(*room, mentions.unwrap_or(0), newest))),
            heard_at: None,
            waiting: None,
            lookalike: false,
            unread: Unread::new(unread, newest),
            last,
            doubtful: false,
            erased: false,
            window: Window::default(),
            new_from: None,
        };
        timeline.set_contact(contact, now);
        timeline
    }

    /// What the peer is now.
    pub(crate) fn set_contact(&mut self, contact: Contact, now: i64) {
        let heard = |seconds: u64| now.saturating_sub(i64::try_from(seconds).unwrap_or(i64::MAX).saturating_mul(1000));
        self.heard_at = contact.heard_s.map(heard).or(self.heard_at);
        self.contact = contact;
    }

    /// Takes the list's facts and reads all messages anew: after a time in which events were missed.
    fn renew(&mut self, conversation: Conversation, now: i64) {
        let (mut window, new_from) = (std::mem::take(&mut self.window), self.new_from);
        window.renew();
        let members = self.room.take().map(|room| room.members);
        *self = Self { window, new_from, ..Self::new(conversation, now) };
        if let (Some(room), Some(mut members)) = (&mut self.room, members) {
            members.forget();
            room.members = members;
        }
    }

    /// What the room is now, as a list or an event tells it.
    fn set_room(&mut self, room: Room, is_event: bool) {
        match &mut self.room {
            Some(side) => side.set(room, is_event),
            None => self.room = Some(Box::new(RoomSide::new(room, 0, self.order()))),
        }
    }

    /// Takes the list's counts, and its last message if it is a newer one.
    fn recount(&mut self, unread: u64, mentions: u64, last: Option<Message>) {
        self.doubtful = false;
        let newest = last.as_ref().map_or(0, |message| message.id);
        self.unread.recount(unread, newest);
        if let Some(room) = &mut self.room {
            room.mentions.recount(mentions, newest);
        }
        if self.order() < newest {
            self.last = last;
        }
    }

    /// Which conversation it is.
    #[must_use]
    pub fn id(&self) -> ConversationId {
        self.contact.peer.conversation()
    }

    /// The peer.
    #[must_use]
    pub fn peer(&self) -> Onion {
        self.contact.peer
    }

    /// What the peer is to us.
    #[must_use]
    pub fn contact(&self) -> &Contact {
        &self.contact
    }

    /// The room, if it is one.
    #[must_use]
    pub fn room(&self) -> Option<&RoomSide> {
        self.room.as_deref()
    }

    /// The same, for what its view does.
    pub fn room_mut(&mut self) -> Option<&mut RoomSide> {
        self.room.as_deref_mut()
    }

    /// Whether it is a room, also one of which the daemon tells nothing else.
    #[must_use]
    pub fn is_room(&self) -> bool {
        self.room.is_some() || self.contact.state == ContactState::Room
    }

    /// The name, harmless and in at most this many columns: the user's own one, else the contact's own, else the beginning
    /// of its onion. A room's begins with `#`.
    #[must_use]
    pub fn name(&self, columns: usize) -> String {
        if self.is_room() {
            let left = columns.saturating_sub(names::ROOM_SIGN.len_utf8());
            let name = self.raw_name().map(|name| show::unmarked_name(name, left)).filter(|name| !name.is_empty());
            let name = name.unwrap_or_else(|| show::shown_name(&format!("{}..", self.peer().0.short()), left));
            return format!("{}{name}", names::ROOM_SIGN);
        }
        match self.raw_name().map(|name| show::unmarked_name(name, columns)).filter(|name| !name.is_empty()) {
            Some(name) => name,
            None => show::shown_name(&format!("{}..", self.peer().0.short()), columns),
        }
    }

    /// The name as it was given, for comparing. Not harmless.
    #[must_use]
    pub fn raw_name(&self) -> Option<&str> {
        if let Some(room) = &self.room {
            let room = room.room();
            return room.alias.as_deref().filter(|alias| !alias.is_empty()).or(Some(&room.name));
        }
        self.contact.name.as_deref().or(self.contact.nick.as_deref())
    }

    /// Its name reads like another's: any other's, or if the user chose it, another one that the user chose.
    #[must_use]
    pub fn is_lookalike(&self) -> bool {
        self.lookalike
    }

    /// The user has compared its key with its owner.
    #[must_use]
    pub fn is_verified(&self) -> bool {
        self.contact.verified.is_some()
    }

    /// The last message, for a preview. In a room, the text of one that did not count for a while may be an older one: the window has
    /// the text that holds.
    #[must_use]
    pub fn last(&self) -> Option<&Message> {
        self.last.as_ref()
    }

    /// Received messages that nobody has seen.
    #[must_use]
    pub fn unread(&self) -> u64 {
        self.unread.count()
    }

    /// Unread messages of a room that mention the user.
    #[must_use]
    pub fn mentions(&self) -> u64 {
        self.room.as_ref().map_or(0, |room| room.mentions())
    }

    /// Up to which message the user has seen everything here. 0: nothing yet.
    #[must_use]
    pub fn seen_upto(&self) -> i64 {
        self.unread.seen_upto()
    }

    /// The place in the list: the newest message first.
    fn order(&self) -> i64 {
        self.last.as_ref().map_or(0, |message| message.id)
    }

    /// No contact, or a room that is over, and nothing was ever said: not worth a row.
    fn is_nothing(&self) -> bool {
        let is_over = self.room().is_some_and(RoomSide::is_over);
        (is_over || matches!(self.contact.state, ContactState::Stranger | ContactState::Blocked))
            && self.last.is_none()
            && self.window.entries().is_empty()
    }

    /// A message as an event or an answer tells it. Twice the same is once. `at`: when.
    fn put(&mut self, message: Message, at: i64) {
        if let Some(key) = &message.client_id {
            self.window.take_pending(key);
        }
        if message.dir == Direction::In {
            self.heard_at = self.heard_at.max(Some(at));
            if message.state == MessageState::Unread {
                self.unread.received(message.id);
                if let Some(room) = self.room.as_mut().filter(|_| message.mention) {
                    room.mentions.received(message.id);
                }
            }
        }
        let is_last = self.last.as_ref().is_none_or(|last| {
            last.id < message.id || last.id == message.id && window::follows(last.state, message.state)
        });
        if is_last {
            self.last = Some(message.clone());
        }
        self.window.put(message);
    }

    /// The daemon has accepted a pending message; its event may be here already, or come later. `key`: its `client_id`.
    pub(crate) fn accepted(&mut self, key: &str, id: i64, mid: MessageId, state: MessageState, now: i64) {
        let Some(pending) = self.window.pending(key).cloned() else { return };
        if self.window.entry(id).is_some() {
            self.window.take_pending(key);
            return;
        }
        let at = jiff::Timestamp::from_millisecond(pending.at).unwrap_or_default().to_string();
        self.put(Message { id, mid, state, at, reason: None, why: None, ..pending.message }, now);
    }

    /// How far a message is now.
    fn set_state(&mut self, id: i64, state: MessageState) {
        if let Some(last) = self.last.as_mut().filter(|message| message.id == id) {
            window::advance(last, state);
        }
        self.window.set_state(id, state);
    }

    /// Messages were erased. What is the last one now, and what is unread, only the daemon knows.
    fn erase(&mut self, from: i64, upto: i64, kept: &[i64]) {
        self.erased = true;
        let gone = |id: i64| (from..=upto).contains(&id) && !kept.contains(&id);
        self.last = self.last.take().filter(|last| !gone(last.id));
        self.new_from = self.new_from.filter(|id| !gone(*id));
        self.window.erase(from, upto, kept);
    }

    /// A received message was seen by one of the user's programs. Whether it is doubtful now what is unread.
    fn read(&mut self, id: i64) -> bool {
        self.set_state(id, MessageState::Read);
        self.unread_no_more(id)
    }

    /// The same of the counts alone.
    fn unread_no_more(&mut self, id: i64) -> bool {
        let mentions = self.window.entry(id).is_none_or(|entry| entry.message.mention);
        let mention = self.room.as_mut().is_some_and(|room| mentions && room.mentions.read(id));
        self.unread.read(id) | mention
    }

    /// What has become of a message of the room. Whether it is doubtful now what is unread.
    fn change(&mut self, id: i64, change: &RoomChange) -> bool {
        let own = |message: &Message| message.from.as_ref().is_some_and(|from| from.me);
        let is_own = self.window.entry(id).is_some_and(|entry| own(&entry.message));
        self.window.change(id, change);
        if let Some(last) = self.last.as_mut().filter(|last| last.id == id) {
            change.apply(last);
        }
        match change {
            // It counts again, and nobody has seen it: the daemon says how many there are.
            RoomChange::Counts(MessageState::Unread) => {
                self.unread.again(id);
                true
            }
            // Whether it was unread when the daemon counted, the window does not tell: a page may be newer than the count.
            _ => change.is_end_of_unread() && !is_own && self.unread_no_more(id),
        }
    }

    /// The daemon was told that everything up to a message was seen here.
    pub fn seen(&mut self, upto: i64) {
        self.unread.seen(upto, self.window.unread_upto(upto));
        if let Some(room) = &mut self.room {
            room.mentions.seen(upto, self.window.mentions_upto(upto));
        }
        self.window.set_read(upto);
    }

    /// The daemon does not want to be told what is seen, so it is not told again: this client's own place moves only.
    pub fn seen_here(&mut self, upto: i64) {
        self.unread.seen_here(upto);
        if let Some(room) = &mut self.room {
            room.mentions.seen_here(upto);
        }
    }

    /// Nobody looks at it: the messages that are held, and where the view was, are forgotten.
    pub fn close(&mut self) {
        self.window.forget();
        if let Some(room) = &mut self.room {
            room.members.forget();
        }
        self.new_from = None;
    }
}
