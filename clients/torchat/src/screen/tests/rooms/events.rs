//! What rooms tell by themselves, and what the user is told of it.

use super::*;
use crate::screen::model::{Notify as Told, Open};
use torchat_client::api::event::Recounted;
use torchat_client::api::record::{Handover, MemberChange};

/// A message that comes now.
fn comes(play: &mut Play, id: i64, mention: bool, text: &str) {
    let state = MessageState::Unread;
    let message = Message { mention, state, at: time(play.now), ..said(id, 3, 0, text) };
    play.event(What::Received { message });
}

/// What was told outside of the screen, once a second.
fn told(play: &mut Play) -> Vec<String> {
    play.now += 2_000;
    play.input(Input::Tick);
    let told = play.effects.iter().filter_map(|effect| match effect {
        Effect::Notify(text) => Some(text.clone()),
        _ => None,
    });
    let told = told.collect();
    play.effects.clear();
    told
}

#[test]
fn the_user_is_told_of_mentions_only_unless_the_room_says_otherwise() {
    for (notify, expected) in [(Notify::Mentions, [0, 1]), (Notify::All, [1, 1]), (Notify::None, [0, 0])] {
        let mut play = Play::with_room((100, 30), Role::Owner);
        play.model.notify = Told::Content;
        play.with_key(KeyCode::Char('2'), KeyModifiers::ALT);
        play.tell_room(|room| room.notify = notify);
        told(&mut play);
        comes(&mut play, 70, false, "hello");
        assert_eq!(told(&mut play).len(), expected[0], "{notify:?}");
        comes(&mut play, 71, true, "@me: hello");
        let said = told(&mut play);
        assert_eq!(said.len(), expected[1], "{notify:?}");
        assert!(said.iter().all(|text| text == "bob in #lab: @me: hello"), "{said:?}");
        assert_eq!(play.model.list.get(with(ROOM)).unwrap().mentions(), 2);
    }
}

#[test]
fn a_highlight_word_comes_through_and_a_mute_silences_a_mention() {
    let mut play = Play::with_room((100, 30), Role::Owner);
    play.model.notify = Told::Desktop;
    play.with_key(KeyCode::Char('2'), KeyModifiers::ALT);
    play.line("/highlight cat");
    play.line("/mute #lab on");
    told(&mut play);
    comes(&mut play, 70, true, "@me");
    assert!(told(&mut play).is_empty());
    comes(&mut play, 71, false, "the cat");
    assert_eq!(told(&mut play).len(), 1);
}

#[test]
fn alt_a_goes_where_the_user_was_mentioned_before_it_goes_to_what_is_older() {
    let mut play = Play::with_room((100, 30), Role::Owner);
    play.with_key(KeyCode::Char('2'), KeyModifiers::ALT);
    // bob has written before.
    play.with_key(KeyCode::Char('a'), KeyModifiers::ALT);
    assert_eq!(play.model.open, Open::Conversation(with(ROOM)));
    play.with_key(KeyCode::Char('2'), KeyModifiers::ALT);
    play.tell_room(|room| room.notify = Notify::None);
    play.with_key(KeyCode::Char('a'), KeyModifiers::ALT);
    assert_eq!(play.model.open, Open::Conversation(with(3)), "of this room the user wants to know nothing");
}

#[test]
fn what_becomes_of_a_message_is_on_the_screen_at_once() {
    let mut play = Play::in_room((100, 30), Role::Owner);
    let peer = with(ROOM);
    let refers = |id: i64| said(id, 2, 0, "").mid;
    play.event(What::Edited { peer, id: 44, mid: refers(44), text: "and the bird".into(), edited_at: time(NOW) });
    play.see("and the bird  (edited)");
    play.see_not("and the dog");
    play.event(What::Reacted { peer, id: 44, mid: refers(44), member: 2, sign: "!".into() });
    play.see("and the bird  (edited)  !");
    play.event(What::Redacted { peer, id: 44, mid: refers(44) });
    play.see_not("and the bird");
    let recounted = |id, state| Recounted { id, mid: refers(id), state };
    play.see("who feeds the cat?");
    play.event(What::Voided { peer, messages: vec![recounted(42, MessageState::Hidden)] });
    play.see_not("who feeds the cat?");
    play.see("hidden");
    play.event(What::Voided { peer, messages: vec![recounted(42, MessageState::Read)] });
    play.see("who feeds the cat?");
}

#[test]
fn what_happens_to_the_room_is_said() {
    let mut play = Play::in_room((100, 30), Role::Owner);
    play.tell_room(|room| room.frozen = true);
    play.see("#lab is frozen");
    play.tell_room(|room| (room.topic, room.members) = ("the dog".into(), 5));
    play.see("#lab  5 members  the dog");
    play.tell_room(|room| room.handover = Some(Handover { by: 2, to: 1 }));
    play.see("/take takes it");
    play.tell_room(|room| room.state = RoomState::Removed);
    play.see("the owner has removed you from #lab");
    play.tell_room(|room| room.state = RoomState::Destroyed);
    play.see("the owner has ended #lab");
}

#[test]
fn who_asks_is_told_and_goes_when_it_is_decided_elsewhere() {
    let mut play = Play::with_room((100, 30), Role::Owner);
    play.model.notify = Told::Content;
    play.event(What::Petition { petition: petition(12, "Dora") });
    let said = told(&mut play);
    assert_eq!(said, ["Dora asks to become a member of #lab"], "and none of their words");
    play.with_key(KeyCode::Char('1'), KeyModifiers::ALT);
    assert_eq!(play.model.open, Open::Petition(with(ROOM), onion(12)));
    play.event(What::PetitionGone { peer: with(ROOM), onion: onion(12) });
    assert_eq!(play.model.open, Open::Nothing);
}

#[test]
fn what_is_seen_in_a_room_is_seen_and_its_mentions_go() {
    let mut play = Play::in_room((100, 30), Role::Owner);
    let ask = play.asked(|ask| matches!(ask, Ask::Seen(..)));
    assert_eq!(ask, Ask::Seen(with(ROOM), 46));
    assert_eq!(play.model.list.get(with(ROOM)).unwrap().mentions(), 1);
    play.answer(ask, Answer::Done);
    let timeline = play.model.list.get(with(ROOM)).unwrap();
    assert_eq!((timeline.unread(), timeline.mentions()), (0, 0));
}

#[test]
fn a_daemon_without_rooms_is_asked_for_none_and_one_that_refuses_them_is_asked_once() {
    let mut play = talking((100, 30));
    play.line("/help");
    assert_eq!(play.asks(|ask| matches!(ask, Ask::Room(_))), 0);
    let mut play = Play::with_room((100, 30), Role::Owner);
    let ask = play.asked_room(|ask| matches!(ask, RoomAsk::Members(..)));
    let refused = torchat_client::api::ApiError::new(torchat_client::api::Code::NotAllowed, "no");
    play.input(Input::Answer(Ask::Room(ask), Err(torchat_client::api::ApiClientError::Refused(refused))));
    play.input(Input::Tick);
    assert_eq!(play.asks(|ask| matches!(ask, Ask::Room(RoomAsk::Members(..)))), 0);
    assert!(play.model.notice.is_none(), "the user has not asked for it");
}

#[test]
fn the_signs_of_roles_follow_the_members() {
    let mut play = Play::in_room((100, 30), Role::Owner);
    play.see("%anna");
    let change = MemberChange::Role;
    play.event(What::Member { peer: with(ROOM), member: member(2, "anna", Role::Member), change });
    play.see_not("%anna");
}
