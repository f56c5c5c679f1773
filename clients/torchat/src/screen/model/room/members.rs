//! `/members`: who is in the room, and what can be done about each of them.

use super::{Question, RoomAsk, RoomWish};
use crate::screen::model::{Ask, Model, Overlay};
use crossterm::event::{KeyCode, KeyEvent};
use torchat_client::api::command::GivenRole;
use torchat_client::api::record::{Member, MemberState, Role};
use torchat_client::api::{ConversationId, Onion};
use torchat_client::names::KnownMember;
use torchat_client::timeline::room::{RoomSide, member_name};

/// Columns of a name in a question.
const NAME: usize = 20;

/// The page: the members, or what can be done about one of them.
#[derive(Debug, Clone)]
pub(crate) struct MembersPage {
    pub(crate) room: ConversationId,
    /// The row of the cursor among the members.
    pub(crate) at: usize,
    /// The member that was chosen, and the row of the cursor among the actions.
    pub(crate) chosen: Option<(u32, usize)>,
}

/// What can be done about a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    Mute,
    Unmute,
    Role(GivenRole),
    Remove,
    Transfer,
    Pardon,
    Add,
    CopyOnion,
}

impl Action {
    /// In words.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::Mute => "mute: what they say from now on is hidden at all members",
            Self::Unmute => "end their mutes",
            Self::Role(GivenRole::Reader) => "make them a reader, who only reads",
            Self::Role(GivenRole::Member) => "make them a member, who writes",
            Self::Role(GivenRole::Moderator) => "make them a moderator, who mutes and takes messages away",
            Self::Remove => "remove them from the room",
            Self::Transfer => "hand the room over to them",
            Self::Pardon => "let invites work for them again",
            Self::Add => "add them as a contact",
            Self::CopyOnion => "copy their onion",
        }
    }
}

/// Those who are in first, by their numbers; behind them those who were.
pub(crate) fn rows(side: &RoomSide) -> Vec<&Member> {
    let (mut present, gone): (Vec<_>, Vec<_>) =
        side.members.all().partition(|member| matches!(member.state, MemberState::In | MemberState::Muted));
    present.extend(gone);
    present
}

/// What our role allows about a member. `is_contact`: they are one already.
pub(crate) fn actions(side: &RoomSide, member: &Member, is_contact: bool) -> Vec<Action> {
    let mut actions = Vec::new();
    let is_in = matches!(member.state, MemberState::In | MemberState::Muted);
    if !member.me && is_in {
        if side.may(Role::Moderator) && member.role < Role::Moderator {
            actions.push(if member.state == MemberState::Muted { Action::Unmute } else { Action::Mute });
        }
        if side.may(Role::Owner) {
            let roles = [
                (GivenRole::Reader, Role::Reader),
                (GivenRole::Member, Role::Member),
                (GivenRole::Moderator, Role::Moderator),
            ];
            let others = roles.into_iter().filter(|(_, role)| *role != member.role);
            actions.extend(others.map(|(given, _)| Action::Role(given)));
            actions.extend([Action::Remove, Action::Transfer]);
        }
    }
    if member.onion.is_some() && !member.me {
        let is_out = member.state == MemberState::Removed && side.may(Role::Owner);
        actions.extend(is_out.then_some(Action::Pardon));
        actions.extend((!is_contact).then_some(Action::Add));
    }
    actions.extend(member.onion.is_some().then_some(Action::CopyOnion));
    actions
}

impl Model {
    /// `/members`.
    pub(in crate::screen::model) fn show_members(&mut self) {
        match self.this_room() {
            Ok((room, _)) => {
                self.overlay = Some(Overlay::Members(MembersPage { room, at: 0, chosen: None }));
            }
            Err(error) => self.warn(error),
        }
    }

    /// What can be done about the member whom the page has chosen.
    pub(crate) fn member_actions(&self, page: &MembersPage) -> Vec<Action> {
        let side = self.list.get(page.room).and_then(|timeline| timeline.room());
        let member = page.chosen.zip(side).and_then(|((no, _), side)| side.members.get(no));
        let is_contact = member.and_then(|member| member.onion).is_some_and(|onion| self.is_contact(onion));
        member.zip(side).map(|(member, side)| actions(side, member, is_contact)).unwrap_or_default()
    }

    pub(in crate::screen::model) fn members_key(&mut self, key: KeyEvent) {
        let step = usize::from(self.areas().body.height.saturating_sub(2)).max(1);
        let Some(Overlay::Members(page)) = &self.overlay else { return };
        let mut page = page.clone();
        let actions = self.member_actions(&page);
        let side = self.list.get(page.room).and_then(|timeline| timeline.room());
        let members: Vec<u32> = side.map(rows).unwrap_or_default().into_iter().map(|member| member.no).collect();
        let last = match page.chosen {
            Some(_) => actions.len(),
            None => members.len(),
        };
        let at = match &mut page.chosen {
            Some((_, at)) => at,
            None => &mut page.at,
        };
        match key.code {
            KeyCode::Up => *at = at.saturating_sub(1),
            KeyCode::Down => *at += 1,
            KeyCode::PageUp => *at = at.saturating_sub(step),
            KeyCode::PageDown => *at += step,
            KeyCode::Home => *at = 0,
            KeyCode::End => *at = last,
            KeyCode::Enter => {
                return match page.chosen {
                    Some((no, at)) => self.act_on_member(page.room, no, actions.get(at).copied()),
                    None => {
                        page.chosen = members.get(page.at).map(|no| (*no, 0));
                        self.overlay = Some(Overlay::Members(page));
                    }
                };
            }
            KeyCode::Esc | KeyCode::Left | KeyCode::Backspace if page.chosen.take().is_some() => {}
            _ => return self.overlay = None,
        }
        if let Some((_, at)) = &mut page.chosen {
            *at = (*at).min(actions.len().saturating_sub(1));
        }
        page.at = page.at.min(members.len().saturating_sub(1));
        self.overlay = Some(Overlay::Members(page));
    }

    fn act_on_member(&mut self, room: ConversationId, no: u32, action: Option<Action>) {
        self.overlay = None;
        let Some(action) = action else { return };
        let onion = self.member_of(room, no).and_then(|member| member.onion);
        match (action, onion) {
            (Action::Mute, _) => self.ask_room(RoomAsk::In(room, RoomWish::Mute(no, None))),
            (Action::Unmute, _) => self.ask_room(RoomAsk::In(room, RoomWish::Unmute(no))),
            (Action::Role(role), _) => self.ask_room(RoomAsk::In(room, RoomWish::Role(no, role))),
            (Action::Remove, _) => self.ask_to_remove(room, no, false),
            (Action::Transfer, _) => self.ask_to_transfer(room, no),
            (Action::Pardon, Some(onion)) => self.ask_room(RoomAsk::In(room, RoomWish::Pardon(onion))),
            (Action::Add, Some(onion)) => self.ask(Ask::Add { peer: onion.0.onion(), text: String::new() }),
            (Action::CopyOnion, Some(onion)) => self.copy("the onion", onion.0.onion()),
            (Action::Pardon | Action::Add | Action::CopyOnion, None) => {}
        }
    }

    fn member_of(&self, room: ConversationId, no: u32) -> Option<&Member> {
        self.list.get(room)?.room()?.members.get(no)
    }

    /// Those who were removed, for finding one by a word.
    pub(in crate::screen::model) fn removed_members(&self) -> Vec<KnownMember> {
        let removed = |member: &&Member| member.state == MemberState::Removed;
        let known = |member: &Member| KnownMember { no: member.no, name: member.name.clone(), onion: member.onion };
        let side = self.open_room().map(|(_, side)| side);
        side.into_iter().flat_map(|side| side.members.all()).filter(removed).map(known).collect()
    }

    /// What somebody was called in a room.
    pub(super) fn former_name(&self, room: ConversationId, onion: Onion) -> String {
        let side = self.list.get(room).and_then(|timeline| timeline.room());
        let mut all = side.into_iter().flat_map(|side| side.members.all()).rev();
        match all.find(|member| member.onion == Some(onion)) {
            Some(member) => self.name_of_member(room, member.no),
            None => self.name_of(onion, NAME),
        }
    }

    /// What a member is called in a sentence, with the number where the name alone would not do.
    pub(super) fn name_of_member(&self, room: ConversationId, no: u32) -> String {
        let side = self.list.get(room).and_then(|timeline| timeline.room());
        let Some((member, side)) = side.and_then(|side| side.members.get(no).zip(Some(side))) else {
            return format!("member {no}");
        };
        let name = member_name(&member.name, no, NAME);
        if side.members.is_marked(no) { format!("{name} (no:{no})") } else { name }
    }

    /// `for_now`: an invite lets them in again.
    pub(in crate::screen::model) fn ask_to_remove(&mut self, room: ConversationId, no: u32, for_now: bool) {
        let (member, name) = (self.name_of_member(room, no), self.name_of(room, NAME));
        let (wish, back) = match for_now {
            true => (RoomWish::RemoveForNow(no), "the next invite lets them in again"),
            false => (RoomWish::Remove(no), "no invite lets them in again before /pardon"),
        };
        let text = format!(
            "Remove {member} from {name}? What they have stays theirs; what they write later never counts, and {back}."
        );
        let ask = RoomAsk::In(room, wish);
        self.ask_first(Question { text, keys: "y removes, any other key does not", ask });
    }

    pub(in crate::screen::model) fn ask_to_transfer(&mut self, room: ConversationId, no: u32) {
        let (member, name) = (self.name_of_member(room, no), self.name_of(room, NAME));
        let text = format!(
            "Hand {name} over to {member}? They own it when they have taken it, and decide who is a member; you are a moderator then."
        );
        let ask = RoomAsk::In(room, RoomWish::Transfer(no));
        self.ask_first(Question { text, keys: "y hands it over, any other key does not", ask });
    }
}
