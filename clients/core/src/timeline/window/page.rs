//! Which page is wanted next, and what becomes of its answer.

use super::entry::{PENDING, progress, size};
use super::{Bottom, Change, Entry, Window};
use crate::timeline::inquiry::{Meanwhile, Ticket};
use torchat_protocol::control::api::ConversationId;
use torchat_protocol::control::api::command::{History, MessagesAnswer};
use torchat_protocol::control::api::record::{Message, MessageState};

/// A page is asked for when this many messages or fewer are left beyond what is shown.
const AHEAD: usize = 40;

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
    /// `limit`: messages of a page, 1 to 1,000. In a room the pages have hidden messages, too: events that hide one, or show it again,
    /// find it in its place.
    #[must_use]
    pub fn commands(self, peer: ConversationId, limit: u32) -> (History, Option<History>) {
        let history = |before, after, limit| History { peer, before, after, limit: Some(limit), hidden: true };
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
    /// `None`: what happens meanwhile is not kept for the answer.
    ticket: Option<Ticket>,
}

impl PageRequest {
    /// One message that is held already and has come to its end. Its answer is good at any time, beside that of a page: it says more of
    /// the end, and takes back nothing that events have told.
    #[must_use]
    pub fn one(id: i64) -> Self {
        Self { anchor: Anchor::One(id), ticket: None }
    }
}

impl Window {
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
        if let Some(id) = self.again.iter().rev().chain(&self.looked_at).find(|id| self.entries.contains_key(id)) {
            return Some(Anchor::One(*id));
        }
        if self.lines_wanted && !self.more_after {
            return Some(match self.span() {
                Some((first, last)) => Anchor::After(self.whole_to.clamp(first, last)),
                None => Anchor::Newest,
            });
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
        self.want_asked_message();
        if let Anchor::One(id) = anchor {
            self.again.retain(|known| *known != id);
            self.looked_at.take_if(|known| *known == id);
            (self.refused, self.again_asked) = (false, Some(id));
            return PageRequest { anchor, ticket: Some(self.inquiry.ask()) };
        }
        // What is decided from now on may not be in the answer.
        self.lines_asked |= self.lines_wanted;
        (self.refused, self.lines_wanted) = (false, false);
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
        if let Anchor::One(id) = request.anchor {
            self.again_asked = None;
            // If it was erased, the answer has the one behind it.
            first.messages.into_iter().filter(|message| message.id == id).for_each(|message| self.reread(message));
            self.do_again(changes);
            return true;
        }
        self.lines_asked = false;
        let MessagesAnswer { mut messages, more } = first;
        match request.anchor {
            Anchor::Newest => self.replace(messages, more, false),
            Anchor::One(_) => {}
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
        self.do_again(changes);
        true
    }

    /// What happened while an answer was on its way: it may be older.
    fn do_again(&mut self, changes: Vec<Change>) {
        for change in changes {
            match change {
                Change::Put(message) => self.put_now(*message),
                Change::State(id, state) => self.set_state_now(id, state),
                Change::Erased(from, upto, kept) => self.erase_now(from, upto, &kept),
                Change::Room(id, change) => {
                    self.change_now(id, &change);
                    self.read_again(id, &change);
                }
            }
        }
    }

    /// A page was refused. It is not wanted again before [`Window::reconnected`], or until somebody [asks](Self::ask).
    pub fn failed(&mut self, request: PageRequest) {
        if request.ticket.is_some_and(|ticket| self.inquiry.answered(ticket).is_some()) {
            self.refused = true;
            self.want_asked_lines();
            self.want_asked_message();
        }
    }

    /// Another connection to the daemon, without a hole in its events: a page that was under way is void.
    pub fn reconnected(&mut self) {
        self.inquiry.cancel();
        self.refused = false;
        self.want_asked_lines();
        self.want_asked_message();
    }

    fn want_asked_lines(&mut self) {
        self.lines_wanted |= std::mem::take(&mut self.lines_asked);
    }

    /// The message that was being read is to be read.
    fn want_asked_message(&mut self) {
        if let Some(id) = self.again_asked.take()
            && self.entries.contains_key(&id)
            && !self.again.contains(&id)
        {
            self.again.push(id);
        }
    }

    /// Events were missed: all is read anew. The view stays where it is if the next page holds its message.
    pub fn renew(&mut self) {
        self.entries = self.entries.split_off(&PENDING);
        self.bytes = self.entries.values().map(size).sum();
        (self.loaded, self.more_before, self.more_after) = (false, false, false);
        (self.whole_to, self.lines_wanted, self.lines_asked) = (0, false, false);
        self.reconnected();
        self.again.clear();
        self.looked_at = None;
    }

    /// Gives the memory back when nobody looks at the conversation. Pending messages stay.
    pub fn forget(&mut self) {
        self.renew();
        self.bottom = None;
    }

    /// A page in the place of the window.
    fn replace(&mut self, messages: Vec<Message>, more_before: bool, more_after: bool) {
        let lines_wanted = self.lines_wanted;
        self.renew();
        self.whole_to = messages.last().map_or(0, |last| last.id);
        self.lines_wanted = lines_wanted;
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

    /// A newer page. Only what joins the window without a hole is taken. It may begin at a message before the last one: then it has
    /// what events have not told.
    fn append(&mut self, asked: i64, messages: Vec<Message>, more: bool) {
        let Some((_, last)) = self.span().filter(|(first, last)| (*first..=*last).contains(&asked)) else { return };
        self.whole_to = messages.last().map_or(last.max(asked), |last| last.id);
        // Messages came by events which are newer than the page: what is between the two is read next.
        let is_behind = more && self.whole_to < last;
        self.lines_wanted |= is_behind;
        self.extend(messages);
        self.more_after = more && !is_behind;
        self.drop_oldest();
    }

    /// A held message as HISTORY told it when it was read: what happened since it was asked for is done again.
    fn reread(&mut self, message: Message) {
        if self.entries.contains_key(&message.id) {
            self.insert(Entry::new(message));
        }
    }

    /// A held message as HISTORY tells it, at an unknown moment.
    fn refresh(&mut self, message: Message) {
        let held = self.entries.get(&message.id).map(|held| progress(held.message.state));
        // The answer may be older than an event; only what no event tells is taken from a state that is not the last.
        let edited = self.entries.get(&message.id).and_then(|held| held.message.edited_at.clone());
        if edited > message.edited_at {
            return;
        }
        if held.is_some_and(|held| held <= progress(message.state) || held < progress(MessageState::Failed)) {
            self.insert(Entry::new(message));
        }
    }
}
