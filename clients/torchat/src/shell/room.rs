//! `torchat room`: groups of people.

mod decide;
mod enter;
mod list;
mod say;
mod tail;

use super::failure::{Done, Failure};
use super::{Shell, needs};
use crate::arguments::RoomAction;
use serde_json::json;
use torchat_client::api::command::{OneRoom, RoomMembers, Rooms};
use torchat_client::api::record::{Member, MemberState, Room, RoomState};
use torchat_client::api::{Connection, ConversationId, Onion};
use torchat_client::names::{
    KnownMember, KnownRoom, Purpose, RoomNameError, onion, resolve_member, resolve_room, whole,
};

pub(super) fn run(shell: &Shell<'_>, action: Option<RoomAction>) -> Done {
    match action.unwrap_or(RoomAction::List) {
        RoomAction::List => list::rooms(shell),
        RoomAction::Show { room } => list::show(shell, &room),
        RoomAction::Members { room, all } => list::members(shell, &room, all),
        RoomAction::Invites { room } => list::invites(shell, &room),
        RoomAction::Petitions { room } => list::petitions(shell, room.as_deref()),
        RoomAction::New(new) => enter::make(shell, new),
        RoomAction::Invite(invite) => enter::invite(shell, invite),
        RoomAction::Uninvite { room, invite } => enter::uninvite(shell, &room, &invite),
        RoomAction::Join(join) => enter::join(shell, join),
        RoomAction::Leave { room, forget } => enter::leave(shell, &room, forget),
        RoomAction::Say(said) => say::say(shell, &said),
        RoomAction::Edit { room, message, text } => say::edit(shell, &room, &message, text.as_deref()),
        RoomAction::Redact { room, message, why } => say::redact(shell, &room, &message, why),
        RoomAction::React { room, message, sign } => say::react(shell, &room, &message, sign),
        RoomAction::Tail(wanted) => tail::run(shell, &wanted),
        other => decide::run(shell, other),
    }
}

/// The room that a word means: of those that we are in, or want to be in; else of all that are known here.
///
/// # Errors
/// Bad input, with a list of those that it may mean.
pub(super) fn find(connection: &Connection, word: &str) -> Done<ConversationId> {
    if let Some(id) = whole(word)? {
        return Ok(id);
    }
    needs(connection, "ROOMS", "name the room by its whole id: names are looked up with the right `read`")?;
    let rooms = connection.call(&Rooms {})?.rooms;
    let known = |only: &dyn Fn(&Room) -> bool| -> Vec<KnownRoom> {
        rooms.iter().filter(|room| only(room)).map(known_room).collect()
    };
    let ours = known(&is_ours);
    match resolve_room(word, &ours) {
        Err(RoomNameError::NoRoom { .. }) => Ok(resolve_room(word, &known(&|_| true))?),
        found => Ok(found?),
    }
}

/// What can be typed for each room that we are in: `#` and what it is called, or its id where that means another one too, or cannot be
/// typed.
pub(super) fn words(connection: &Connection) -> Vec<String> {
    let rooms = connection.call(&Rooms {}).map(|answer| answer.rooms).unwrap_or_default();
    let ours: Vec<_> = rooms.into_iter().filter(is_ours).map(|room| known_room(&room)).collect();
    let word = |room: &KnownRoom| {
        let shown = room.shown();
        let means_it = resolve_room(&shown, &ours).is_ok_and(|id| id == room.id);
        if means_it { shown } else { room.id.onion() }
    };
    ours.iter().map(word).collect()
}

fn is_ours(room: &Room) -> bool {
    matches!(room.state, RoomState::Joining | RoomState::Member | RoomState::Leaving)
}

fn known_room(room: &Room) -> KnownRoom {
    KnownRoom { id: room.peer, name: room.name.clone(), alias: room.alias.clone() }
}

/// The room that a word means, as it is now.
fn read(connection: &Connection, word: &str) -> Done<Room> {
    let peer = find(connection, word)?;
    Ok(connection.call(&OneRoom { peer })?.room)
}

/// All members of a room, and those who were some.
fn all_members(connection: &Connection, peer: ConversationId) -> Done<Vec<Member>> {
    let (mut members, mut after) = (Vec::new(), None);
    loop {
        let page = connection.call(&RoomMembers { peer, after, limit: None })?;
        after = page.members.last().map(|member| member.no);
        let empty = page.members.is_empty();
        members.extend(page.members);
        if !page.more || empty {
            return Ok(members);
        }
    }
}

/// Whether somebody is in the room now.
fn is_in(member: &Member) -> bool {
    matches!(member.state, MemberState::In | MemberState::Muted)
}

fn known(member: &Member) -> KnownMember {
    KnownMember { no: member.no, name: member.name.clone(), onion: member.onion }
}

/// The number of the member that a word means.
///
/// # Errors
/// Bad input, with a list of those that it may mean.
fn member(connection: &Connection, peer: ConversationId, word: &str) -> Done<u32> {
    // A token that may only moderate cannot look up names.
    if let Some(no) = word.strip_prefix("no:").and_then(|number| number.parse().ok()) {
        return Ok(no);
    }
    needs(connection, "ROOM_MEMBERS", "name members by no:NUMBER: names are looked up with the right `read`")?;
    let members: Vec<_> = all_members(connection, peer)?.iter().filter(|member| is_in(member)).map(known).collect();
    Ok(resolve_member(word, &members)?)
}

/// The onion of somebody who was a member.
fn former(connection: &Connection, peer: ConversationId, word: &str) -> Done<Onion> {
    if let Some(onion) = onion(word)? {
        return Ok(onion);
    }
    let members = all_members(connection, peer)?;
    let gone: Vec<_> = members.iter().filter(|member| !is_in(member)).map(known).collect();
    let no = resolve_member(word, &gone)?;
    let found = members.iter().find(|member| member.no == no).and_then(|member| member.onion);
    found.ok_or_else(|| Failure::input("the owner did not say the onion of this member, so nothing is kept of it"))
}

impl Shell<'_> {
    /// Silence is success for people; programs want to know in which room it was.
    fn done_in(&self, peer: ConversationId) -> Done {
        if self.form.json { self.answer(&json!({ "peer": peer }), "") } else { Ok(()) }
    }

    /// The contact, or the whole onion, that a word means.
    fn somebody(&self, connection: &Connection, word: &str) -> Done<Onion> {
        self.peer(connection, word, Purpose::Act)
    }
}

impl From<RoomNameError> for Failure {
    fn from(error: RoomNameError) -> Self {
        let mut failure = Self::input(error.to_string());
        failure.hint = match error {
            RoomNameError::NoRoom { .. } => Some("`torchat room` lists yours".to_owned()),
            RoomNameError::NoMember { .. } => Some("`torchat room members` lists them".to_owned()),
            RoomNameError::SeveralRooms { .. } => {
                Some("`torchat room set ID --alias NAME` gives one a name of your own".to_owned())
            }
            RoomNameError::SeveralMembers { .. } => None,
        };
        failure
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    pub(super) fn member(no: u32, name: &str, more: serde_json::Value) -> Member {
        let mut whole = json!({"no": no, "name": name, "proven": "owner", "role": "member", "state": "in"});
        whole.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        serde_json::from_value(whole).unwrap()
    }

    #[test]
    fn a_name_that_two_members_have_means_neither_and_both_are_told() {
        const ONION: &str = "pg6mmjiyjmcrsslvykfwnntlaru7p5svn6y2ymmju6nubxndf4pscryd.onion";
        let plain = || json!({});
        let members =
            [member(1, "anna", json!({"onion": ONION})), member(5, "Bob", plain()), member(7, "bob", plain())];
        let known = members.map(|member| known(&member));
        let among = |word: &str| resolve_member(word, &known).map_err(Failure::from);
        assert_eq!((among("ANNA"), among(ONION), among("no:7")), (Ok(1), Ok(1), Ok(7)));
        assert_eq!(
            among("bob").unwrap_err().message,
            "\"bob\" is ambiguous: no:5 (Bob), no:7 (bob); write no: and the number"
        );
        for word in ["carol", "no:9", "\u{1b}[2J", "2gzyxa5ihm7nsggfxnu52rck2vv4rvmdlkiu3zzui5du4xyclen53wid"] {
            let failure = among(word).unwrap_err();
            assert!(failure.message.contains("is not in this room"), "{failure:?}");
            assert!(!failure.message.contains('\u{1b}'), "{failure:?}");
        }
    }
}
