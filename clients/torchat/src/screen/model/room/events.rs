//! What the daemon tells of rooms by itself, as far as the user is to be told.

use super::petition_name;
use crate::screen::model::{Model, Open};
use torchat_client::api::event::What;
use torchat_client::api::record::Message;
use torchat_client::api::record::{MessageState, Notify, Room, RoomState};
use torchat_client::timeline::room::member_name;

/// Columns of a name in a sentence.
const NAME: usize = 20;

impl Model {
    /// A room before the list knows what it is now.
    pub(in crate::screen::model) fn room_changes(&mut self, room: &Room) {
        let Some(side) = self.list.get(room.peer).and_then(|timeline| timeline.room()) else { return };
        let (before, name) = (side.room(), self.name_of(room.peer, NAME));
        let (was_frozen, was_offered) = (before.frozen, before.handover);
        let was = before.state;
        let offered = room.handover.filter(|handover| room.me.is_some_and(|me| me.member == handover.to));
        if was != room.state {
            match room.state {
                RoomState::Member if was == RoomState::Joining => {
                    let name = match room.alias.as_deref().or(Some(&room.name)).filter(|name| !name.is_empty()) {
                        Some(name) => torchat_client::names::shown_room(name, None, NAME),
                        None => name,
                    };
                    let text = format!("you are a member of {name}");
                    self.tell(text.clone(), "");
                    self.say(text);
                }
                RoomState::Removed => self.warn(format!("the owner has removed you from {name}")),
                RoomState::Destroyed | RoomState::Ended => {
                    self.warn(format!("the owner has ended {name}"));
                }
                RoomState::NeedsNewer => self.warn(format!("{name} needs a newer version of torchatd")),
                _ => {}
            }
        } else if room.frozen && !was_frozen {
            self.warn(format!("{name} is frozen: its owner's daemon has decided things that contradict each other"));
        } else if offered.is_some() && was_offered != room.handover {
            let text = format!("the owner of {name} wants to hand it over to you: /take takes it");
            self.tell(text.clone(), "");
            self.say(text);
        }
    }

    /// An event of a room, when the list knows it.
    pub(in crate::screen::model) fn room_event(&mut self, what: &What) {
        match what {
            What::Petition { petition } => {
                let (name, room) = (petition_name(petition, NAME), self.name_of(petition.peer, NAME));
                self.tell(format!("{name} asks to become a member of {room}"), "");
            }
            What::PetitionGone { peer, onion } if self.open == Open::Petition(*peer, *onion) => {
                self.open(Open::Nothing);
            }
            // The rows of texts are kept by number.
            What::Edited { .. } | What::Redacted { .. } | What::Voided { .. } => self.wrapped.clear(),
            _ => {}
        }
    }

    /// How the user is told of a room's message, if they want to be. `None`: it is no room's.
    pub(in crate::screen::model) fn room_notice(&self, message: &Message, mentions: bool) -> Option<Option<String>> {
        let side = self.list.get(message.peer)?.room()?;
        let wanted = match side.room().notify {
            Notify::All => true,
            Notify::Mentions | Notify::Unknown => message.mention,
            Notify::None => false,
        };
        let from = message.from.as_ref().filter(|_| message.state != MessageState::System)?;
        let (name, room) = (member_name(&from.name, from.member, NAME), self.name_of(message.peer, NAME));
        // A highlight word comes through, as through a mute: that is what it is for.
        let is_told = mentions || wanted && !self.settings.muted.contains(&message.peer);
        Some(is_told.then(|| format!("{name} in {room}")))
    }
}
