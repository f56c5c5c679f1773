//! All conversations, their order, and the requests.

mod asking;
mod events;
mod lookalikes;
mod rooms;

#[cfg(test)]
mod tests;

pub use asking::{ListRequest, Need};

use super::Timeline;
use super::inquiry::Inquiry;
use lookalikes::Names;
use rooms::Petitions;
use std::collections::HashMap;
use torchat_protocol::control::api::command::SendAnswer;
use torchat_protocol::control::api::event::Event;
use torchat_protocol::control::api::record::ContactRequest;
use torchat_protocol::control::api::{ConversationId, Onion};

/// A row of the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Item {
    /// A stranger that asks to become a contact.
    Request(Onion),
    /// Somebody who asks to become a member of a room of ours.
    Petition(ConversationId, Onion),
    /// A conversation.
    Conversation(ConversationId),
}

/// All conversations and requests. Its size is that of the daemon's contacts, and of each conversation's [`super::Window`].
#[derive(Debug, Clone, Default)]
pub struct ConversationList {
    timelines: HashMap<ConversationId, Timeline>,
    order: Vec<ConversationId>,
    requests: Vec<ContactRequest>,
    loaded: bool,
    listing: Inquiry<Event>,
    /// The list is wanted, and asked for when no answer is under way.
    wanted: bool,
    /// A list that only messages want which were erased or read is not asked for before this moment, in milliseconds since 1970.
    rest_until: i64,
    /// And it is wanted then.
    rested: bool,
    /// Events were missed since a fresh list was asked for.
    missed: bool,
    /// What is under way is a fresh list.
    fresh: bool,
    requesting: Inquiry<Event>,
    petitions: Petitions,
    kept: Option<ConversationId>,
    /// Taken out of the rows by the user, up to their last message then.
    closed: HashMap<ConversationId, i64>,
    names: Names,
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
        let nobody_asks = self.requests.is_empty() && self.petition_list().is_empty();
        self.order.is_empty() && nobody_asks && self.closed.is_empty()
    }

    /// A conversation.
    #[must_use]
    pub fn get(&self, id: ConversationId) -> Option<&Timeline> {
        self.timelines.get(&id)
    }

    /// A conversation, for what its view does.
    pub fn get_mut(&mut self, id: ConversationId) -> Option<&mut Timeline> {
        self.timelines.get_mut(&id)
    }

    /// All conversations in no order, also those that have no row.
    pub fn timelines(&self) -> impl Iterator<Item = &Timeline> {
        self.timelines.values()
    }

    /// The conversations that have a row, the one with the newest message first.
    #[must_use]
    pub fn order(&self) -> &[ConversationId] {
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

    /// The rows: requests first, then who asks to become a member of a room.
    #[must_use]
    pub fn items(&self) -> Vec<Item> {
        let requests = self.requests.iter().map(|request| Item::Request(request.peer));
        let petitions = self.petition_list().iter().map(|asks| Item::Petition(asks.peer, asks.onion));
        requests.chain(petitions).chain(self.order.iter().map(|id| Item::Conversation(*id))).collect()
    }

    /// The conversation that is open has a row even if nothing was ever said.
    pub fn keep(&mut self, open: Option<ConversationId>) {
        if self.kept != open {
            self.kept = open;
            if let Some(open) = open {
                self.closed.remove(&open);
            }
            self.sort();
        }
    }

    /// The user wants no row for a conversation until a newer message than its last one, or until it is opened. Nothing of it is
    /// forgotten, and what is unread keeps its row; another list, of another start, has the row.
    pub fn close(&mut self, id: ConversationId) {
        if let Some(timeline) = self.timelines.get(&id) {
            self.closed.insert(id, timeline.order());
            self.sort();
        }
    }

    /// Another daemon answers: nothing of the old one is known of it.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// The user has decided about a request; its event may come later.
    pub fn request_decided(&mut self, peer: Onion) {
        self.requests.retain(|request| request.peer != peer);
    }

    /// The daemon has accepted a pending message of the user's, whose `client_id` is `key`.
    pub fn accepted(&mut self, id: ConversationId, key: &str, answer: &SendAnswer, now: i64) {
        if let Some(timeline) = self.timelines.get_mut(&id) {
            timeline.accepted(key, answer.id, answer.mid, answer.state, now);
            self.sort();
        }
    }

    /// Why mail waits, as [`super::News`] tells it: what is not named does not wait.
    pub fn set_waiting(&mut self, waiting: impl IntoIterator<Item = (ConversationId, super::Waiting)>) {
        for timeline in self.timelines.values_mut() {
            timeline.waiting = None;
        }
        for (id, waiting) in waiting {
            if let Some(timeline) = self.timelines.get_mut(&id) {
                timeline.waiting = Some(waiting);
            }
        }
    }

    fn has_row(&self, timeline: &Timeline) -> bool {
        !timeline.is_nothing() || self.kept == Some(timeline.id())
    }

    fn sort(&mut self) {
        let is_closed = |timeline: &Timeline| {
            self.closed.get(&timeline.id()).is_some_and(|upto| timeline.order() <= *upto && timeline.unread() == 0)
        };
        let shown = self.timelines.values().filter(|timeline| self.has_row(timeline) && !is_closed(timeline));
        let mut order: Vec<_> = shown.map(|timeline| (timeline.order(), timeline.id())).collect();
        order.sort_unstable_by(|(a, one), (b, other)| b.cmp(a).then_with(|| one.cmp(other)));
        self.order = order.into_iter().map(|(_, id)| id).collect();
    }
}
