//! What an event changes in the list.

use super::{ConversationList, Need};
use crate::timeline::{Timeline, millis};
use torchat_protocol::control::api::ConversationId;
use torchat_protocol::control::api::event::{Event, MessageRef, What};
use torchat_protocol::control::api::record::{Contact, ContactRequest, Conversation, Message, MessageState};

impl ConversationList {
    /// An event, each in its order. `now`: milliseconds since 1970.
    pub fn event(&mut self, event: &Event, now: i64) -> Vec<Need> {
        self.listing.note(|| event.clone());
        if matches!(event.what, What::Request { .. } | What::RequestGone { .. }) {
            self.requesting.note(|| event.clone());
        }
        self.petitions.note(&event.what);
        self.apply(event, now);
        let mut needs: Vec<Need> = self.wanted().collect();
        match &event.what {
            What::Failed(MessageRef { peer, id, .. })
                if self.get(*peer).is_some_and(|known| known.window.entry(*id).is_some()) =>
            {
                needs.push(Need::Message(*peer, *id));
            }
            What::Gap { .. } => {
                needs.push(Need::Requests(self.requesting.ask()));
                needs.extend(self.petitions.ask());
            }
            _ => {}
        }
        needs
    }

    pub(super) fn apply(&mut self, event: &Event, now: i64) {
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
            What::Read(message) => self.read(message, now),
            What::Request { .. } | What::RequestGone { .. } => self.request_event(event),
            What::Contact { contact } => self.contact(contact.clone(), now),
            What::Link { peer, up } => {
                self.heard(peer.conversation(), at);
                if let Some(timeline) = self.get_mut(peer.conversation()) {
                    timeline.contact.link = *up;
                }
            }
            // What is left, and what is unread of it, the daemon says.
            What::Erased { peer, from, upto, kept } => {
                if let Some(timeline) = self.timelines.get_mut(peer) {
                    timeline.erase(*from, *upto, kept);
                    self.want_soon(now);
                    self.sort();
                }
            }
            What::Gap { .. } => (self.missed, self.wanted) = (true, true),
            What::Room { .. }
            | What::Member { .. }
            | What::Petition { .. }
            | What::PetitionGone { .. }
            | What::Edited { .. }
            | What::Redacted { .. }
            | What::Reacted { .. }
            | What::Voided { .. } => self.room_event(&event.what, now),
            What::Tor { .. } | What::Legacy { .. } | What::Notice { .. } => {}
        }
    }

    pub(super) fn put(&mut self, message: Message, at: i64) {
        match self.timelines.get_mut(&message.peer) {
            Some(timeline) => {
                timeline.put(message, at);
                self.sort();
            }
            // Events of somebody unknown: the list knows who it is.
            None => self.wanted = true,
        }
    }

    /// A message was read. If the daemon counted it itself, only another count tells whether it was read before that: answers
    /// overtake events, and no number of a message says which of the two is older, because what came may be erased before
    /// the list is read, and a long list is read in pages.
    pub(super) fn read(&mut self, message: &MessageRef, now: i64) {
        let Some(timeline) = self.timelines.get_mut(&message.peer) else { return };
        if timeline.read(message.id) {
            timeline.doubtful = true;
            self.want_soon(now);
        }
    }

    pub(super) fn set_state(&mut self, message: &MessageRef, state: MessageState) {
        if let Some(timeline) = self.timelines.get_mut(&message.peer) {
            timeline.set_state(message.id, state);
        }
    }

    pub(super) fn heard(&mut self, id: ConversationId, at: i64) {
        if let Some(timeline) = self.timelines.get_mut(&id) {
            timeline.heard_at = timeline.heard_at.max(Some(at));
        }
    }

    pub(super) fn contact(&mut self, contact: Contact, now: i64) {
        let id = contact.peer.conversation();
        match self.timelines.get_mut(&id) {
            Some(timeline) => timeline.set_contact(contact, now),
            None => {
                let conversation = Conversation { contact, unread: 0, last: None, room: None, mentions: None };
                self.timelines.insert(id, Timeline::new(conversation, now));
            }
        }
        self.mark_lookalike(id);
        self.sort();
    }

    pub(super) fn request_event(&mut self, event: &Event) {
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
}
