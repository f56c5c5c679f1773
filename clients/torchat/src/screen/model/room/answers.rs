//! What the daemon answers about rooms.

use super::{RoomAnswer, RoomAsk, RoomWish};
use crate::counts::counted;
use crate::membership;
use crate::screen::model::{Model, Open, Overlay};
use torchat_client::api::ConversationId;
use torchat_client::api::command::{GivenNotify, GivenRole};
use torchat_client::api::record::{Role, Room, RoomState};
use torchat_client::show;
use torchat_client::timeline::ConversationList;

/// Columns of a name in a sentence.
const NAME: usize = 20;

impl Model {
    /// An answer. `from`: what was open when a line asked for it; `None`: no line has.
    pub(in crate::screen::model) fn room_answered(&mut self, ask: RoomAsk, answer: RoomAnswer, from: Option<Open>) {
        match (ask, answer) {
            (RoomAsk::Petitions(ticket), RoomAnswer::Petitions(petitions)) => {
                self.change_list(|list| list.petitions(ticket, petitions));
            }
            (RoomAsk::Members(room, request), RoomAnswer::Members(members)) => {
                self.list.members(room, request, members);
            }
            (RoomAsk::New { .. }, RoomAnswer::Room(room)) => {
                self.entered(*room, from, "is made: /invite makes an invite to it");
            }
            (RoomAsk::Join { .. }, RoomAnswer::Room(room)) => {
                let done = match room.state {
                    RoomState::Member => "is joined",
                    _ => "is asked for: you are in as soon as its owner's daemon is reached",
                };
                self.entered(*room, from, done);
            }
            (RoomAsk::In(room, RoomWish::Invite { whom: None, uses, .. }), RoomAnswer::Invite(invite)) => {
                let times = match uses {
                    0 => "good without end".to_owned(),
                    1 => "good once".to_owned(),
                    uses => format!("good {uses} times"),
                };
                let title = format!("An invite to {}: {times}, for 168 hours", self.name_of(room, NAME));
                self.overlay = Some(Overlay::Code { title, text: invite });
            }
            (RoomAsk::In(id, wish), answer) => {
                if let RoomAnswer::Room(room) = &answer {
                    self.list.room((**room).clone());
                }
                self.room_wish_done(id, &wish, &answer);
            }
            _ => {}
        }
    }

    /// The user has a room that they have not had before.
    fn entered(&mut self, room: Room, from: Option<Open>, done: &'static str) {
        let id = room.peer;
        if self.list.get(id).is_none() {
            // Its event may still be under way.
            self.change_list(ConversationList::look);
        }
        // Who has joined from an invitation has typed no line, and waits for it.
        self.open_then(id, from.or(Some(self.open)), done);
    }

    fn room_wish_done(&mut self, id: ConversationId, wish: &RoomWish, answer: &RoomAnswer) {
        let room = self.name_of(id, NAME);
        let said = match wish {
            RoomWish::Leave { forget: false } => {
                format!("{room} is left as soon as another member knows it; its history stays")
            }
            RoomWish::Leave { forget: true } => {
                format!("{room} is left as soon as another member knows it; its history is erased here")
            }
            RoomWish::Topic(_) => format!("{room} has another topic"),
            RoomWish::Alias(name) if name.is_empty() => format!("{room} has its owner's name again"),
            RoomWish::Alias(_) => format!("you call it {room}"),
            RoomWish::Nick(name) => format!("you are called {} in {room}", show::unmarked_name(name, NAME)),
            RoomWish::Notify(notify) => match notify {
                GivenNotify::All => format!("notifications of {room}: all messages"),
                GivenNotify::None => format!("notifications of {room}: none"),
                GivenNotify::Mentions => format!("notifications of {room}: messages that mention you"),
            },
            RoomWish::Invite { whom, .. } => {
                let name = whom.map(|whom| self.name_of(whom, NAME)).unwrap_or_default();
                format!("an invite to {room}, good once, is sent to {name}")
            }
            RoomWish::Admit { petition, yes, .. } => return self.admitted(id, *petition, *yes),
            RoomWish::Role(no, role) => format!("{} is a {} of {room}", self.name_of_member(id, *no), role_word(*role)),
            RoomWish::Remove(no) => format!("{} is removed from {room}", self.name_of_member(id, *no)),
            RoomWish::RemoveForNow(no) => {
                format!("{} is removed from {room}; an invite lets them in again", self.name_of_member(id, *no))
            }
            RoomWish::Pardon(onion) => {
                format!("an invite to {room} lets {} in again", self.former_name(id, *onion))
            }
            RoomWish::Forced(wish) => return self.room_wish_done(id, wish, answer),
            RoomWish::Mute(no, _) => format!("what {} says from now on is hidden", self.name_of_member(id, *no)),
            RoomWish::Unmute(no) => format!("{} is not muted any more", self.name_of_member(id, *no)),
            // The message shows it.
            RoomWish::Edit(..) | RoomWish::React(..) | RoomWish::Redact(..) => return,
            RoomWish::Transfer(no) => {
                format!("{} owns {room} as soon as they have taken it", self.name_of_member(id, *no))
            }
            RoomWish::Take => format!("you take {room}: you own it as soon as the owner's daemon knows it"),
            RoomWish::Settle => match answer {
                RoomAnswer::Settled(lost @ 1..) => {
                    format!("{room} is settled; {} of yours do not hold any more", counted(*lost, "decision"))
                }
                _ => format!("{room} is settled"),
            },
            RoomWish::Destroy(_) => format!("{room} is ended at all members whose daemons hear of it"),
        };
        self.say(said);
    }

    /// A decision waits until another member is reached: the daemon has it, so its line does not come back.
    pub(in crate::screen::model) fn decision_waits(&mut self, ask: &RoomAsk) {
        let RoomAsk::In(room, wish) = ask else { return };
        let name = self.name_of(*room, NAME);
        self.rooms.waits = Some((*room, wish.clone()));
        self.warn(format!("no other member of {name} is online: it is done when one is; /force does it now"));
    }

    /// A question about rooms was not answered. False: it is of the kind whose line comes back, and which the user is told of.
    pub(in crate::screen::model) fn room_failed(&mut self, ask: &RoomAsk) -> bool {
        match ask {
            RoomAsk::Petitions(ticket) => self.list.petitions_failed(*ticket),
            RoomAsk::Members(room, request) => {
                if let Some(side) = self.list.get_mut(*room).and_then(|timeline| timeline.room_mut()) {
                    side.members.failed(*request);
                }
            }
            _ => return false,
        }
        true
    }
}

fn role_word(role: GivenRole) -> &'static str {
    membership::role(match role {
        GivenRole::Reader => Role::Reader,
        GivenRole::Member => Role::Member,
        GivenRole::Moderator => Role::Moderator,
    })
}
