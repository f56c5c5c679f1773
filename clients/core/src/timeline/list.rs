//! All conversations, their order, the requests, and what must be asked so that they are right.

use super::Timeline;
use super::inquiry::{Inquiry, Meanwhile, Ticket};
use super::window::millis;
use crate::lookalike;
use std::collections::{HashMap, HashSet};
use torchat_protocol::control::api::Onion;
use torchat_protocol::control::api::command::SendAnswer;
use torchat_protocol::control::api::event::{Event, MessageRef, What};
use torchat_protocol::control::api::record::{Contact, ContactRequest, Conversation, Message, MessageState};

/// A row of the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Item {
    /// A stranger that asks to become a contact.
    Request(Onion),
    /// A conversation.
    Conversation(Onion),
}

/// What must be asked from the daemon. Each answer goes back to the list, with what came along.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// CONVERSATIONS, all pages; then [`ConversationList::conversations`] or [`ConversationList::conversations_failed`].
    Conversations(ListRequest),
    /// REQUESTS; then [`ConversationList::requests`] or [`ConversationList::requests_failed`].
    Requests(Ticket),
    /// One message of a conversation ([`super::Anchor::One`]), because HISTORY says more of it than its event; then
    /// [`super::Window::answer`]. May be left out.
    Message(Onion, i64),
}

/// A list that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListRequest {
    /// Events were missed: what the answer does not name is gone, and all messages are read anew.
    pub fresh: bool,
    ticket: Ticket,
}

/// All conversations and requests. Its size is that of the daemon's contacts, and of each conversation's [`super::Window`].
#[derive(Debug, Clone, Default)]
pub struct ConversationList {
    timelines: HashMap<Onion, Timeline>,
    order: Vec<Onion>,
    requests: Vec<ContactRequest>,
    loaded: bool,
    listing: Inquiry<Event>,
    /// The newest message of the list that was counted last.
    newest: i64,
    /// An event of a newer message has come: what follows is not in the list's counts.
    passed: bool,
    /// The list is wanted, and asked for when no answer is under way.
    wanted: bool,
    /// Events were missed since a fresh list was asked for.
    missed: bool,
    /// What is under way is a fresh list.
    fresh: bool,
    requesting: Inquiry<Event>,
    kept: Option<Onion>,
}

impl ConversationList {
    /// The list was read once.
    #[must_use]
    pub fn is_loaded(&self) -> bool {
        self.loaded
    }

    /// The list was read, and nobody is in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.order.is_empty() && self.requests.is_empty()
    }

    /// A conversation.
    #[must_use]
    pub fn get(&self, peer: Onion) -> Option<&Timeline> {
        self.timelines.get(&peer)
    }

    /// A conversation, for what its view does.
    pub fn get_mut(&mut self, peer: Onion) -> Option<&mut Timeline> {
        self.timelines.get_mut(&peer)
    }

    /// All conversations in no order, also those that have no row.
    pub fn timelines(&self) -> impl Iterator<Item = &Timeline> {
        self.timelines.values()
    }

    /// The conversations that have a row, the one with the newest message first.
    #[must_use]
    pub fn order(&self) -> &[Onion] {
        &self.order
    }

    /// The requests, oldest first.
    #[must_use]
    pub fn request_list(&self) -> &[ContactRequest] {
        &self.requests
    }

    /// A stranger's request.
    #[must_use]
    pub fn request(&self, peer: Onion) -> Option<&ContactRequest> {
        self.requests.iter().find(|request| request.peer == peer)
    }

    /// The rows: requests first.
    #[must_use]
    pub fn items(&self) -> Vec<Item> {
        let requests = self.requests.iter().map(|request| Item::Request(request.peer));
        requests.chain(self.order.iter().map(|peer| Item::Conversation(*peer))).collect()
    }

    /// The conversation that is open has a row even if nothing was ever said.
    pub fn keep(&mut self, open: Option<Onion>) {
        if self.kept != open {
            self.kept = open;
            self.sort();
        }
    }

    /// Another daemon answers: nothing of the old one is known of it.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// A daemon is connected. `continued`: its events go on where they ended, so that nothing was missed.
    pub fn connected(&mut self, continued: bool) -> Vec<Need> {
        for timeline in self.timelines.values_mut() {
            timeline.window.reconnected();
        }
        // A list that was under way is lost.
        self.missed |= !continued || self.fresh;
        vec![self.ask(), Need::Requests(self.requesting.ask())]
    }

    /// Reads the list, because somebody may be in it of whom no event will tell.
    pub fn look(&mut self) -> Vec<Need> {
        self.wanted = true;
        self.wanted().collect()
    }

    fn ask(&mut self) -> Need {
        self.wanted = false;
        self.fresh = std::mem::take(&mut self.missed) || !self.loaded;
        let fresh = self.fresh;
        Need::Conversations(ListRequest { fresh, ticket: self.listing.ask() })
    }

    /// Asks for the list if it is wanted, unless an answer is under way.
    fn wanted(&mut self) -> impl Iterator<Item = Need> + use<> {
        let now = self.wanted && !self.listing.is_under_way();
        now.then(|| self.ask()).into_iter()
    }

    /// The list was not answered. It is asked for at the next connection, or when something is missing in it.
    pub fn conversations_failed(&mut self, request: ListRequest) {
        if self.listing.answered(request.ticket).is_some() {
            self.missed |= std::mem::take(&mut self.fresh);
        }
    }

    /// The requests were not answered.
    pub fn requests_failed(&mut self, ticket: Ticket) {
        let _ = self.requesting.answered(ticket);
    }

    /// The list's answer, all of it. `now`: milliseconds since 1970.
    pub fn conversations(&mut self, request: ListRequest, list: Vec<Conversation>, now: i64) -> Vec<Need> {
        let Some(meanwhile) = self.listing.answered(request.ticket) else { return Vec::new() };
        self.fresh = false;
        let (events, complete) = match meanwhile {
            Meanwhile::All(events) => (events, true),
            // More than is kept: what is known is shown, and counted again, so that even a flood ends in a list.
            Meanwhile::TooMuch => (Vec::new(), false),
        };
        if request.fresh {
            let listed: HashSet<Onion> = list.iter().map(|conversation| conversation.contact.peer).collect();
            self.timelines.retain(|peer, _| listed.contains(peer));
        }
        let last = |conversation: &Conversation| conversation.last.as_ref().map_or(0, |message| message.id);
        self.newest = list.iter().map(last).max().unwrap_or(0).max(self.newest);
        self.passed = false;
        for conversation in list {
            let peer = conversation.contact.peer;
            match self.timelines.get_mut(&peer) {
                Some(known) if request.fresh => known.renew(conversation, now),
                Some(known) => {
                    if known.doubtful {
                        known.recount(conversation.unread, conversation.last);
                    }
                    known.set_contact(conversation.contact, now);
                }
                None => drop(self.timelines.insert(peer, Timeline::new(conversation, now))),
            }
        }
        self.loaded = true;
        for event in events {
            self.replay(&event, now);
        }
        self.mark_lookalikes();
        self.sort();
        if !complete {
            self.timelines.values_mut().for_each(|timeline| timeline.doubtful = true);
        }
        let doubtful = self.timelines.values().any(|timeline| timeline.doubtful);
        self.wanted |= doubtful;
        self.wanted().collect()
    }

    /// Does again what happened while the list was on its way, because the list may be older.
    fn replay(&mut self, event: &Event, now: i64) {
        match &event.what {
            // Requests have an answer of their own, and of a hole the list knows already.
            What::Request { .. } | What::RequestGone { .. } | What::Gap { .. } => {}
            // Somebody unknown is asked for again when the next event of it comes.
            _ => self.apply(event, now),
        }
    }

    /// The requests' answer.
    pub fn requests(&mut self, ticket: Ticket, requests: Vec<ContactRequest>) -> Vec<Need> {
        let Some(meanwhile) = self.requesting.answered(ticket) else { return Vec::new() };
        let Meanwhile::All(events) = meanwhile else { return vec![Need::Requests(self.requesting.ask())] };
        self.requests = requests;
        for event in events {
            self.request_event(&event);
        }
        Vec::new()
    }

    fn request_event(&mut self, event: &Event) {
        match &event.what {
            What::Request { peer, nick, text } => {
                let request =
                    ContactRequest { peer: *peer, nick: nick.clone(), text: text.clone(), at: event.at.clone() };
                self.requests.retain(|known| known.peer != *peer);
                self.requests.push(request);
            }
            What::RequestGone { peer } => self.requests.retain(|request| request.peer != *peer),
            _ => {}
        }
    }

    /// The user has decided about a request; its event may come later.
    pub fn request_decided(&mut self, peer: Onion) {
        self.requests.retain(|request| request.peer != peer);
    }

    /// An event, each in its order. `now`: milliseconds since 1970.
    pub fn event(&mut self, event: &Event, now: i64) -> Vec<Need> {
        self.listing.note(|| event.clone());
        if matches!(event.what, What::Request { .. } | What::RequestGone { .. }) {
            self.requesting.note(|| event.clone());
        }
        self.apply(event, now);
        let mut needs: Vec<Need> = self.wanted().collect();
        match &event.what {
            What::Failed(MessageRef { peer, id, .. })
                if self.get(*peer).is_some_and(|known| known.window.entry(*id).is_some()) =>
            {
                needs.push(Need::Message(*peer, *id));
            }
            What::Gap { .. } => needs.push(Need::Requests(self.requesting.ask())),
            _ => {}
        }
        needs
    }

    fn apply(&mut self, event: &Event, now: i64) {
        let at = millis(&event.at).unwrap_or(now);
        match &event.what {
            What::Received { message } | What::Queued { message } | What::Lost { message } => {
                self.put(message.clone(), at);
            }
            What::Sent(message) => self.set_state(message, MessageState::Sent),
            What::Delivered(message) => {
                self.set_state(message, MessageState::Delivered);
                self.heard(message.peer, at);
            }
            What::Withdrawn(message) => self.set_state(message, MessageState::Withdrawn),
            What::Failed(message) => self.set_state(message, MessageState::Failed),
            What::Read(message) => self.read(message),
            What::Request { .. } | What::RequestGone { .. } => self.request_event(event),
            What::Contact { contact } => self.contact(contact.clone(), now),
            What::Link { peer, up } => {
                self.heard(*peer, at);
                if let Some(timeline) = self.get_mut(*peer) {
                    timeline.contact.link = *up;
                }
            }
            What::Gap { .. } => (self.missed, self.wanted) = (true, true),
            What::Tor { .. } | What::Legacy { .. } | What::Notice { .. } => {}
        }
    }

    fn put(&mut self, message: Message, at: i64) {
        self.passed |= message.id > self.newest;
        match self.timelines.get_mut(&message.peer) {
            Some(timeline) => {
                timeline.put(message, at);
                self.sort();
            }
            // Events of somebody unknown: the list knows who it is.
            None => self.wanted = true,
        }
    }

    /// A message was read. If the daemon counted it itself, only another count tells whether it was read before that.
    fn read(&mut self, message: &MessageRef) {
        let passed = self.passed;
        let Some(timeline) = self.timelines.get_mut(&message.peer) else { return };
        let changed = timeline.read(message.id);
        if changed && !passed && timeline.unread.is_counted(message.id) {
            timeline.doubtful = true;
            self.wanted = true;
        }
    }

    fn set_state(&mut self, message: &MessageRef, state: MessageState) {
        if let Some(timeline) = self.timelines.get_mut(&message.peer) {
            timeline.set_state(message.id, state);
        }
    }

    fn heard(&mut self, peer: Onion, at: i64) {
        if let Some(timeline) = self.timelines.get_mut(&peer) {
            timeline.heard_at = timeline.heard_at.max(Some(at));
        }
    }

    /// The daemon has accepted a pending message of the user's, whose `client_id` is `key`.
    pub fn accepted(&mut self, peer: Onion, key: &str, answer: &SendAnswer, now: i64) {
        if let Some(timeline) = self.timelines.get_mut(&peer) {
            timeline.accepted(key, answer.id, answer.mid, answer.state, now);
            self.sort();
        }
    }

    fn contact(&mut self, contact: Contact, now: i64) {
        let peer = contact.peer;
        let renamed = match self.timelines.get_mut(&peer) {
            Some(timeline) => {
                let before = timeline.raw_name().map(str::to_owned);
                timeline.set_contact(contact, now);
                before.as_deref() != timeline.raw_name()
            }
            None => {
                let conversation = Conversation { contact, unread: 0, last: None };
                self.timelines.insert(peer, Timeline::new(conversation, now));
                true
            }
        };
        if renamed {
            self.mark_lookalike(peer);
        }
        self.sort();
    }

    /// Why mail waits, as [`super::News`] tells it: what is not named does not wait.
    pub fn set_waiting(&mut self, waiting: impl IntoIterator<Item = (Onion, super::Waiting)>) {
        for timeline in self.timelines.values_mut() {
            timeline.waiting = None;
        }
        for (peer, waiting) in waiting {
            if let Some(timeline) = self.timelines.get_mut(&peer) {
                timeline.waiting = Some(waiting);
            }
        }
    }

    fn sort(&mut self) {
        let shown = |timeline: &&Timeline| !timeline.is_nothing() || self.kept == Some(timeline.peer());
        let mut order: Vec<_> =
            self.timelines.values().filter(shown).map(|timeline| (timeline.order(), timeline.peer())).collect();
        order.sort_unstable_by(|(a, one), (b, other)| b.cmp(a).then_with(|| one.cmp(other)));
        self.order = order.into_iter().map(|(_, peer)| peer).collect();
    }

    /// The contact whose name a stranger's reads like.
    #[must_use]
    pub fn looks_like(&self, peer: Onion, name: &str) -> Option<&Timeline> {
        let mut others =
            self.order.iter().filter(|other| **other != peer).filter_map(|other| self.timelines.get(other));
        others.find(|other| other.raw_name().is_some_and(|known| lookalike::looks_like(known, name)))
    }

    /// Marks the names that read like others. The user's own choices are never marked: they are what is imitated.
    fn mark_lookalikes(&mut self) {
        let names: Vec<(Onion, String, bool)> = self
            .timelines
            .values()
            .filter_map(|known| Some((known.peer(), known.raw_name()?.to_owned(), known.contact.name.is_some())))
            .collect();
        for (peer, name, own_choice) in &names {
            let like = !own_choice
                && (lookalike::looks_like_our_word(name)
                    || names.iter().any(|(other, known, _)| other != peer && lookalike::looks_like(known, name)));
            if let Some(timeline) = self.timelines.get_mut(peer) {
                timeline.lookalike = like;
            }
        }
    }

    /// The mark of one contact, after its name has changed, and of those that it may be taken for.
    fn mark_lookalike(&mut self, peer: Onion) {
        let Some(name) = self.timelines.get(&peer).and_then(Timeline::raw_name).map(str::to_owned) else { return };
        let mut like = lookalike::looks_like_our_word(&name);
        for (other, timeline) in &mut self.timelines {
            if *other != peer && timeline.raw_name().is_some_and(|known| lookalike::looks_like(known, &name)) {
                like = true;
                timeline.lookalike = timeline.contact.name.is_none();
            }
        }
        if let Some(timeline) = self.timelines.get_mut(&peer) {
            timeline.lookalike = like && timeline.contact.name.is_none();
        }
    }
}
