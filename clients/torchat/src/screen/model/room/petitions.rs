//! Those who ask to become members of a room of ours.

use super::{RoomAsk, RoomWish};
use crate::screen::model::{Model, Open};
use torchat_client::api::command::GivenRole;
use torchat_client::api::record::Petition;
use torchat_client::api::{ConversationId, Onion};
use torchat_client::show;
use torchat_client::timeline::Ticket;

/// What they would like to be called, harmless, or the beginning of their onion.
pub(crate) fn petition_name(petition: &Petition, columns: usize) -> String {
    match show::unmarked_name(&petition.name, columns) {
        name if name.is_empty() => format!("{}..", petition.onion.0.short()),
        name => name,
    }
}

impl Model {
    pub(in crate::screen::model) fn ask_petitions(&mut self, ticket: Ticket) {
        self.ask_room(RoomAsk::Petitions(ticket));
    }

    /// Decides about who is open, or about the only one who asks. `role`: as what.
    pub(in crate::screen::model) fn admit(&mut self, yes: bool, role: Option<GivenRole>) {
        let asks = match (self.open, self.list.petition_list()) {
            (Open::Petition(room, onion), _) => Ok((room, onion)),
            (_, [only]) => Ok((only.peer, only.onion)),
            (_, []) => Err("nobody asks to become a member of a room of yours".to_owned()),
            (_, many) => Err(format!("{} people ask to become members: open one in the list first", many.len())),
        };
        match asks {
            Ok((room, petition)) => self.ask_room(RoomAsk::In(room, RoomWish::Admit { petition, yes, role })),
            Err(error) => self.warn(error),
        }
    }

    /// The daemon has taken the decision.
    pub(super) fn admitted(&mut self, room: ConversationId, petition: Onion, yes: bool) {
        let name = self.list.petition(room, petition).map(|petition| petition_name(petition, 20));
        let name = name.unwrap_or_else(|| format!("{}..", petition.0.short()));
        self.change_list(|list| {
            list.petition_decided(room, petition);
            Vec::new()
        });
        if self.open == Open::Petition(room, petition) {
            self.open(if yes { Open::Conversation(room) } else { Open::Nothing });
        }
        let room = self.name_of(room, 20);
        self.say(match yes {
            true => format!("{name} is let into {room}"),
            false => format!("{name} is not shown again, and is not told"),
        });
    }
}
