//! Rooms: what the screen keeps of them beside the list, and what it does with their events and answers.

mod answers;
mod ask;
mod events;
mod line;
mod members;
mod petitions;

pub(crate) use ask::{Question, RoomAnswer, RoomAsk, RoomWish};
pub(crate) use line::Reply;
pub(crate) use members::{MembersPage, rows};
pub(crate) use petitions::petition_name;

use super::Model;
use line::Target;
use torchat_client::api::ConversationId;
use torchat_client::api::command::Welcome;
use torchat_client::names::KnownRoom;
use torchat_client::timeline::Timeline;
use torchat_client::timeline::room::RoomSide;

/// What is said of a daemon that has no rooms.
const NO_ROOMS: &str = "this torchatd knows no rooms: it is older than this torchat, or you may not see them";

/// What the screen keeps of rooms.
#[derive(Debug, Default)]
pub(super) struct Rooms {
    /// The daemon that answered last has rooms.
    known: bool,
    /// Bytes of a text in a room.
    text_bytes: usize,
    /// What the next text answers.
    reply: Option<Reply>,
    /// The message that the command in the input is about.
    target: Option<Target>,
    /// The decision that was told last to wait for another member.
    waits: Option<(ConversationId, RoomWish)>,
}

impl Model {
    /// What the daemon says of rooms when it is connected.
    pub(super) fn rooms_of(&mut self, welcome: &Welcome) {
        self.rooms.known = welcome.commands.iter().any(|command| command == "ROOMS");
        self.rooms.text_bytes = usize::try_from(welcome.limits.room_text_bytes).unwrap_or(usize::MAX);
        self.list.set_rooms(self.rooms.known);
    }

    /// The open conversation, if it is a room.
    pub(crate) fn open_room(&self) -> Option<(ConversationId, &RoomSide)> {
        let timeline = self.timeline()?;
        timeline.room().map(|side| (timeline.id(), side))
    }

    /// A room that is open; a sentence, if none is.
    pub(super) fn this_room(&self) -> Result<(ConversationId, &RoomSide), String> {
        match (self.open_room(), self.rooms.known) {
            (Some(open), _) => Ok(open),
            (None, true) => Err("no room is open: /room list shows yours".into()),
            (None, false) => Err(NO_ROOMS.into()),
        }
    }

    /// # Errors
    /// The daemon has no rooms: a sentence.
    pub(super) fn knows_rooms(&self) -> Result<(), String> {
        if self.rooms.known { Ok(()) } else { Err(NO_ROOMS.into()) }
    }

    /// All rooms, for finding one by its name.
    pub(super) fn known_rooms(&self) -> Vec<KnownRoom> {
        let known = |timeline: &Timeline| {
            let room = timeline.room()?.room();
            Some(KnownRoom { id: timeline.id(), name: room.name.clone(), alias: room.alias.clone() })
        };
        self.list.timelines().filter_map(known).collect()
    }

    /// Asks who is in the open room, if it is not known.
    pub(super) fn load_members(&mut self) {
        let Some(timeline) = self.timeline_mut() else { return };
        let id = timeline.id();
        if let Some(side) = timeline.room_mut().filter(|side| side.members.wanted()) {
            let request = side.members.ask();
            self.ask_room(RoomAsk::Members(id, request));
        }
    }

    pub(super) fn ask_room(&mut self, ask: RoomAsk) {
        self.ask(super::Ask::Room(ask));
    }

    /// The decision that was told last to wait for another member.
    pub(super) fn waiting_decision(&self) -> Option<(ConversationId, RoomWish)> {
        self.rooms.waits.clone()
    }

    /// Asks first.
    pub(super) fn ask_first(&mut self, question: Question) {
        self.overlay = Some(super::Overlay::Confirm(super::Confirm::Room(Box::new(question))));
    }
}
