//! Rooms in the list: what their events change, who asks to become a member, and whose names read alike.

use super::{ConversationList, Need};
use crate::timeline::inquiry::{Inquiry, Meanwhile, Ticket};
use crate::timeline::room::MembersRequest;
use crate::timeline::{RoomChange, Timeline};
use torchat_protocol::control::api::event::What;
use torchat_protocol::control::api::record::{Member, Petition, Room};
use torchat_protocol::control::api::{ConversationId, Onion};

/// Those who ask to become members of rooms of ours.
#[derive(Debug, Clone, Default)]
pub(super) struct Petitions {
    all: Vec<Petition>,
    /// The daemon has rooms.
    known: bool,
    inquiry: Inquiry<What>,
}

impl Petitions {
    /// What must be asked, if the daemon has rooms.
    pub(super) fn ask(&mut self) -> Option<Need> {
        self.known.then(|| Need::Petitions(self.inquiry.ask()))
    }

    /// Keeps what happens while an answer is under way.
    pub(super) fn note(&mut self, what: &What) {
        if matches!(what, What::Petition { .. } | What::PetitionGone { .. }) {
            self.inquiry.note(|| what.clone());
        }
    }

    fn apply(&mut self, what: &What) {
        match what {
            What::Petition { petition } => {
                self.remove(petition.peer, petition.onion);
                self.all.push(petition.clone());
            }
            What::PetitionGone { peer, onion } => self.remove(*peer, *onion),
            _ => {}
        }
    }

    fn remove(&mut self, room: ConversationId, onion: Onion) {
        self.all.retain(|known| (known.peer, known.onion) != (room, onion));
    }
}

impl ConversationList {
    /// Whether the daemon that is connected has rooms. To be said before [`Self::connected`]; one of which nothing is said has none.
    pub fn set_rooms(&mut self, known: bool) {
        self.petitions.known = known;
    }

    /// Those who ask to become members of rooms of ours, oldest first.
    #[must_use]
    pub fn petition_list(&self) -> &[Petition] {
        &self.petitions.all
    }

    /// What somebody says who asks to become a member of a room.
    #[must_use]
    pub fn petition(&self, room: ConversationId, onion: Onion) -> Option<&Petition> {
        self.petitions.all.iter().find(|known| (known.peer, known.onion) == (room, onion))
    }

    /// The user has decided about somebody who asks; the event may come later.
    pub fn petition_decided(&mut self, room: ConversationId, onion: Onion) {
        self.petitions.remove(room, onion);
    }

    /// The petitions' answer.
    pub fn petitions(&mut self, ticket: Ticket, petitions: Vec<Petition>) -> Vec<Need> {
        let Some(meanwhile) = self.petitions.inquiry.answered(ticket) else { return Vec::new() };
        let Meanwhile::All(events) = meanwhile else { return self.petitions.ask().into_iter().collect() };
        self.petitions.all = petitions;
        for event in &events {
            self.petitions.apply(event);
        }
        Vec::new()
    }

    /// The petitions were not answered.
    pub fn petitions_failed(&mut self, ticket: Ticket) {
        let _ = self.petitions.inquiry.answered(ticket);
    }

    /// The members' answer, all pages of it.
    pub fn members(&mut self, room: ConversationId, request: MembersRequest, members: Vec<Member>) {
        let side = self.timelines.get_mut(&room).and_then(Timeline::room_mut);
        if side.is_some_and(|side| side.members.answer(request, members)) {
            self.mark_members(room);
        }
    }

    /// The room as an answer tells it.
    pub fn room(&mut self, room: Room) {
        if let Some(timeline) = self.timelines.get_mut(&room.peer) {
            let id = room.peer;
            timeline.set_room(room, false);
            self.mark_lookalike(id);
            self.sort();
        }
    }

    pub(super) fn room_event(&mut self, what: &What, now: i64) {
        match what {
            What::Room { room } => match self.timelines.get_mut(&room.peer) {
                Some(timeline) => {
                    timeline.set_room((**room).clone(), true);
                    timeline.window.want_lines();
                    self.mark_lookalike(room.peer);
                    self.sort();
                }
                // The list has what an event has not.
                None => self.wanted = true,
            },
            What::Member { peer, member, .. } => {
                if let Some(side) = self.timelines.get_mut(peer).and_then(Timeline::room_mut) {
                    side.members.changed(member);
                    self.mark_members(*peer);
                }
            }
            What::Petition { .. } | What::PetitionGone { .. } => self.petitions.apply(what),
            What::Edited { peer, id, text, edited_at, .. } => {
                let (text, at) = (text.clone(), edited_at.clone());
                self.change(*peer, *id, &RoomChange::Edited { text, at }, now);
            }
            What::Redacted { peer, id, .. } => self.change(*peer, *id, &RoomChange::Redacted, now),
            What::Reacted { peer, id, member, sign, .. } => {
                let (member, sign) = (*member, sign.clone());
                self.change(*peer, *id, &RoomChange::Reacted { member, sign }, now);
            }
            What::Voided { peer, messages } => {
                messages.iter().for_each(|message| {
                    self.change(*peer, message.id, &RoomChange::Counts(message.state), now);
                });
            }
            _ => {}
        }
    }

    /// What has become of a message of a room. What was unread of it may not be known here.
    fn change(&mut self, room: ConversationId, id: i64, change: &RoomChange, now: i64) {
        let Some(timeline) = self.timelines.get_mut(&room) else { return };
        if timeline.change(id, change) {
            timeline.doubtful = true;
            self.want_soon(now);
        }
    }

    /// Marks the members of a room whose names read alike, after they have changed.
    pub(super) fn mark_members(&mut self, room: ConversationId) {
        let Some(mut timeline) = self.timelines.remove(&room) else { return };
        if let Some(side) = timeline.room_mut() {
            side.members.mark(|look, onion| self.is_somebody_else(look, onion));
        }
        self.timelines.insert(room, timeline);
    }

    /// The same of all rooms that are open, after a contact's name has changed.
    pub(super) fn mark_all_members(&mut self) {
        let open =
            self.timelines.values().filter(|timeline| timeline.room().is_some_and(|side| side.members.is_loaded()));
        let open: Vec<ConversationId> = open.map(Timeline::id).collect();
        open.into_iter().for_each(|room| self.mark_members(room));
    }
}
