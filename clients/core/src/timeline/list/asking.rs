//! What must be asked so that the list is right, and what becomes of the answers.

use super::ConversationList;
use crate::timeline::Timeline;
use crate::timeline::inquiry::{Meanwhile, Ticket};
use std::collections::HashSet;
use torchat_protocol::control::api::ConversationId;
use torchat_protocol::control::api::event::{Event, What};
use torchat_protocol::control::api::record::{ContactRequest, Conversation};

/// Between two lists that only messages want which were erased or read, in milliseconds: a RETAIN erases in many conversations one
/// after the other, somebody reads much elsewhere, and each list is one of all.
const REST: i64 = 1_000;

/// What must be asked from the daemon. Each answer goes back to the list, with what came along.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// CONVERSATIONS, all pages; then [`ConversationList::conversations`] or [`ConversationList::conversations_failed`].
    Conversations(ListRequest),
    /// REQUESTS; then [`ConversationList::requests`] or [`ConversationList::requests_failed`].
    Requests(Ticket),
    /// ROOM_PETITIONS, if the daemon [has rooms](ConversationList::set_rooms); then [`ConversationList::petitions`] or
    /// [`ConversationList::petitions_failed`].
    Petitions(Ticket),
    /// One message of a conversation ([`crate::timeline::Anchor::One`]), because HISTORY says more of it than its event; then
    /// [`crate::timeline::Window::answer`]. May be left out.
    Message(ConversationId, i64),
}

/// A list that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListRequest {
    /// Events were missed: what the answer does not name is gone, and all messages are read anew.
    pub fresh: bool,
    ticket: Ticket,
}

impl ConversationList {
    /// A daemon is connected. `continued`: its events go on where they ended, so that nothing was missed.
    pub fn connected(&mut self, continued: bool) -> Vec<Need> {
        for timeline in self.timelines.values_mut() {
            timeline.window.reconnected();
            if let Some(room) = &mut timeline.room {
                room.members.reconnected();
            }
        }
        // A list that was under way is lost.
        self.missed |= !continued || self.fresh;
        let petitions = self.petitions.ask();
        [self.ask(), Need::Requests(self.requesting.ask())].into_iter().chain(petitions).collect()
    }

    /// Reads the list, because it may hold a peer of which no event will tell.
    pub fn look(&mut self) -> Vec<Need> {
        self.wanted = true;
        self.wanted().collect()
    }

    /// What is unread of a conversation, only the daemon knows: the first time the list is read at once, later ones share one.
    pub(super) fn want_soon(&mut self, now: i64) {
        // A clock that was set back must not make it wait for long.
        if now >= self.rest_until || now < self.rest_until.saturating_sub(REST) {
            self.wanted = true;
            self.rest_until = now.saturating_add(REST);
        } else {
            self.rested = true;
        }
    }

    /// When [`Self::expire`] has something to do, in milliseconds since 1970.
    #[must_use]
    pub fn due(&self) -> Option<i64> {
        self.rested.then_some(self.rest_until)
    }

    /// Asks for what was put off and is due.
    pub fn expire(&mut self, now: i64) -> Vec<Need> {
        if self.rested && now >= self.rest_until {
            self.rested = false;
            self.want_soon(now);
        }
        self.wanted().collect()
    }

    pub(super) fn ask(&mut self) -> Need {
        // What was erased or read until now is not in the answer's counts.
        (self.wanted, self.rested) = (false, false);
        self.fresh = std::mem::take(&mut self.missed) || !self.loaded;
        let fresh = self.fresh;
        Need::Conversations(ListRequest { fresh, ticket: self.listing.ask() })
    }

    /// Asks for the list if it is wanted, unless an answer is under way.
    pub(super) fn wanted(&mut self) -> impl Iterator<Item = Need> + use<> {
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
        if request.fresh || self.timelines.values().any(|timeline| timeline.erased) {
            let listed: HashSet<ConversationId> = list.iter().map(Conversation::id).collect();
            self.timelines.retain(|id, timeline| listed.contains(id) || !(request.fresh || timeline.erased));
        }
        for conversation in list {
            let id = conversation.id();
            match self.timelines.get_mut(&id) {
                Some(known) if request.fresh || known.erased => known.renew(conversation, now),
                Some(known) => {
                    if known.doubtful {
                        known.recount(conversation.unread, conversation.mentions.unwrap_or(0), conversation.last);
                    }
                    known.set_contact(conversation.contact, now);
                    if let Some(room) = conversation.room {
                        known.set_room(*room, false);
                    }
                }
                None => drop(self.timelines.insert(id, Timeline::new(conversation, now))),
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
            self.wanted = true;
        }
        // A list in pages misses a conversation that a new message has moved to the pages which were read before.
        if self.timelines.values().any(|timeline| timeline.doubtful) {
            self.want_soon(now);
        }
        self.wanted().collect()
    }

    /// Does again what happened while the list was on its way, because the list may be older.
    pub(super) fn replay(&mut self, event: &Event, now: i64) {
        match &event.what {
            // Requests have an answer of their own, and of a hole the list knows already.
            What::Request { .. }
            | What::RequestGone { .. }
            | What::Petition { .. }
            | What::PetitionGone { .. }
            | What::Gap { .. } => {}
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
}
