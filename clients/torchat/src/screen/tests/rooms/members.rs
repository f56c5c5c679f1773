//! The page of the members: who is in the room, and what our role allows about each.

use super::*;
use crate::screen::model::room::rows;
use torchat_client::api::command::GivenRole;

/// Opens the page and chooses a member.
fn chosen(role: Role, no: u32) -> Play {
    let mut play = Play::in_room((100, 30), role);
    play.line("/members");
    let side = play.model.open_room().unwrap().1;
    let at = rows(side).iter().position(|member| member.no == no).unwrap();
    (0..at).for_each(|_| play.key(KeyCode::Down));
    play.key(KeyCode::Enter);
    play
}

/// The rows of what can be done.
fn actions(play: &Play) -> Vec<String> {
    let Some(crate::screen::model::Overlay::Members(page)) = &play.model.overlay else { panic!("no page") };
    play.model.member_actions(page).into_iter().map(|action| action.words().to_owned()).collect()
}

/// Presses Enter on the action that begins so.
fn act(play: &mut Play, begins: &str) {
    let at = actions(play).iter().position(|words| words.starts_with(begins)).unwrap();
    (0..at).for_each(|_| play.key(KeyCode::Down));
    play.key(KeyCode::Enter);
}

#[test]
fn an_owner_a_moderator_and_a_member_can_do_what_their_role_allows() {
    let count = |role, no| actions(&chosen(role, no)).len();
    // Mute, two other roles, remove, hand over, add, copy.
    assert_eq!(count(Role::Owner, 3), 7);
    // A moderator is muted by nobody.
    assert_eq!(count(Role::Owner, 2), 6);
    assert_eq!(count(Role::Moderator, 3), 3);
    assert_eq!(count(Role::Moderator, 2), 2);
    assert_eq!(count(Role::Member, 3), 2);
    // Who left can be added and copied; oneself only copied.
    assert_eq!((count(Role::Owner, 5), count(Role::Owner, 1)), (2, 1));
}

#[test]
fn each_action_asks_the_daemon_or_the_user_first() {
    let mut play = chosen(Role::Owner, 3);
    act(&mut play, "mute");
    assert_eq!(play.wished(), RoomWish::Mute(3, None));
    let mut play = chosen(Role::Owner, 3);
    act(&mut play, "make them a moderator");
    assert_eq!(play.wished(), RoomWish::Role(3, GivenRole::Moderator));
    let mut play = chosen(Role::Owner, 3);
    act(&mut play, "add them");
    play.asked(|ask| *ask == Ask::Add { peer: onion(23).0.onion(), text: String::new() });
    let mut play = chosen(Role::Owner, 3);
    act(&mut play, "copy");
    assert!(play.effects.contains(&Effect::Copy(onion(23).0.onion())));
    for (begins, wish) in [("remove", RoomWish::Remove(3)), ("hand", RoomWish::Transfer(3))] {
        let mut play = chosen(Role::Owner, 3);
        act(&mut play, begins);
        play.see("bob (no:3)");
        assert_eq!(play.asks(|ask| matches!(ask, Ask::Room(_))), 0);
        play.key(KeyCode::Char('y'));
        assert_eq!(play.wished(), wish);
    }
}

#[test]
fn who_is_muted_can_be_unmuted_and_the_page_follows_events() {
    let mut play = chosen(Role::Owner, 3);
    let (peer, change) = (with(ROOM), torchat_client::api::record::MemberChange::Muted);
    let muted = Member { state: MemberState::Muted, ..member(3, "bob", Role::Member) };
    play.event(What::Member { peer, member: muted, change });
    act(&mut play, "end their mutes");
    assert_eq!(play.wished(), RoomWish::Unmute(3));
}

#[test]
fn only_an_owner_lets_invites_work_again_for_who_was_removed() {
    for role in [Role::Owner, Role::Moderator] {
        let mut play = chosen(role, 3);
        let (peer, change) = (with(ROOM), torchat_client::api::record::MemberChange::Removed);
        let removed = Member { state: MemberState::Removed, ..member(3, "bob", Role::Member) };
        play.event(What::Member { peer, member: removed, change });
        assert_eq!(actions(&play).iter().any(|words| words.starts_with("let invites")), role == Role::Owner);
        if role == Role::Owner {
            act(&mut play, "let invites");
            assert_eq!(play.wished(), RoomWish::Pardon(onion(23)));
        }
    }
}

#[test]
fn the_page_closes_step_by_step_and_keeps_its_cursor_inside() {
    let mut play = chosen(Role::Owner, 3);
    (0..50).for_each(|_| play.key(KeyCode::Down));
    play.see("copy their onion");
    play.key(KeyCode::Esc);
    play.see("carl");
    (0..50).for_each(|_| play.key(KeyCode::PageDown));
    play.key(KeyCode::Enter);
    play.see("Member 5");
    play.key(KeyCode::Esc);
    play.key(KeyCode::Esc);
    assert!(play.model.overlay.is_none());
}

#[test]
fn a_contact_is_named_and_not_added_again() {
    let mut play = Play::in_room((120, 30), Role::Owner);
    let contact = Contact { peer: onion(23), ..contact(3, Some("Robert"), None) };
    play.event(What::Contact { contact });
    play.line("/members");
    play.see("your contact Robert");
    play.key(KeyCode::Down);
    play.key(KeyCode::Down);
    play.key(KeyCode::Enter);
    assert!(actions(&play).iter().all(|words| !words.starts_with("add")));
}
