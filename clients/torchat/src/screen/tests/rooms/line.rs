//! What is typed in a room: mentions, replies, and commands about a chosen message.

use super::*;
use crate::screen::model::{Focus, Open};
use torchat_client::timeline::Addressed;

fn sent(play: &mut Play) -> (String, Addressed) {
    match play.asked(|ask| matches!(ask, Ask::Send { .. })) {
        Ask::Send { text, addressed, .. } => (text, addressed),
        _ => unreachable!(),
    }
}

/// Sends a line, and has it accepted.
fn says(play: &mut Play, line: &str) -> (String, Addressed) {
    play.line(line);
    let ask = play.asked(|ask| matches!(ask, Ask::Send { .. }));
    let Ask::Send { text, addressed, .. } = ask.clone() else { unreachable!() };
    let (id, mid, state) = (90, said(90, 1, 0, "").mid, MessageState::Queued);
    play.answer(ask, Answer::Sent(torchat_client::api::command::SendAnswer { id, mid, state, duplicate: false }));
    (text, addressed)
}

/// Chooses the message with this number.
fn choose(play: &mut Play, id: i64) {
    play.key(KeyCode::Esc);
    (0..40).for_each(|_| {
        if play.model.focus != Focus::Message(id) {
            play.key(KeyCode::Up);
        }
    });
    assert_eq!(play.model.focus, Focus::Message(id));
}

#[test]
fn a_chosen_message_of_the_users_says_how_many_members_have_it() {
    let mut play = Play::in_room((100, 30), Role::Owner);
    choose(&mut play, 51);
    let ask = play.asked(|ask| matches!(ask, Ask::Page(_, request) if request.anchor == Anchor::One(51)));
    let mut message = play.model.timeline().unwrap().window.entry(51).unwrap().message.clone();
    message.stored = Some(torchat_client::api::record::Stored { members: 2, of: 3 });
    let page = torchat_client::api::command::MessagesAnswer { messages: vec![message], more: true };
    play.answer(ask, Answer::Page(page, None));
    play.see("2 of 3 members have it");
    choose(&mut play, 46);
    assert_eq!(play.asks(|ask| matches!(ask, Ask::Page(_, request) if request.anchor == Anchor::One(46))), 0);
    play.see("r reply  + react");
}

#[test]
fn names_behind_the_sign_are_mentions_and_one_that_several_have_is_none() {
    let mut play = Play::in_room((100, 30), Role::Owner);
    let to = |play: &mut Play, line: &str| says(play, line).1.to;
    assert_eq!(to(&mut play, "@anna and @no:4: hello @me"), [2, 4]);
    assert_eq!(to(&mut play, "@Anna!"), [2]);
    assert_eq!(to(&mut play, "@carl is gone, and mail@anna.example is nobody"), [0; 0]);
    let (text, _) = says(&mut play, "//not a command");
    assert_eq!(text, "/not a command");
}

#[test]
fn tab_completes_the_members_names_with_their_sign() {
    let mut play = Play::in_room((100, 30), Role::Owner);
    for (typed, completed) in [("an", "@anna, "), ("hello @a", "hello @anna "), ("@no:3", "@no:3 ")] {
        play.line("");
        play.keys(typed);
        play.key(KeyCode::Tab);
        assert_eq!(play.model.editor.text(), completed);
    }
    // One's own name mentions nobody.
    for typed in ["@m", "@no:1"] {
        play.line("");
        play.keys(typed);
        play.key(KeyCode::Tab);
        assert_eq!(play.model.editor.text(), typed);
    }
    play.line("");
    play.keys("/kick an");
    play.key(KeyCode::Tab);
    assert_eq!(play.model.editor.text(), "/kick anna ");
}

#[test]
fn a_reply_goes_with_the_next_text_and_with_no_other() {
    let mut play = Play::in_room((100, 30), Role::Owner);
    play.line("/reply");
    play.see("reply to B0b: @me: and you?");
    assert_eq!(says(&mut play, "yes").1.re, Some(46));
    assert_eq!(says(&mut play, "and more").1.re, None);
    choose(&mut play, 44);
    play.key(KeyCode::Char('r'));
    play.see("reply to bob: and the dog");
    play.key(KeyCode::Esc);
    play.see_not("reply to");
    assert_eq!(says(&mut play, "no reply").1.re, None);
    // It ends with the room; what is typed stays.
    play.line("/reply");
    play.keys("half");
    play.with_key(KeyCode::Char('2'), KeyModifiers::ALT);
    play.with_key(KeyCode::Char('1'), KeyModifiers::ALT);
    assert_eq!(play.model.editor.text(), "half");
    play.key(KeyCode::Enter);
    assert_eq!(sent(&mut play), ("half".into(), Addressed::default()));
}

#[test]
fn what_is_refused_comes_back_and_what_waits_keeps_whom_it_mentions() {
    let mut play = Play::in_room((100, 30), Role::Owner);
    play.away();
    play.line("@anna are you there?");
    let stored = play.leave();
    let mut again = Play::with((100, 30), Theme::Plain, stored);
    again.rooms = true;
    again.start(vec![glance(room(Role::Owner), 0, 0, None)], vec![]);
    let (text, addressed) = sent(&mut again);
    assert_eq!((text.as_str(), addressed.to), ("@anna are you there?", vec![2]));
}

#[test]
fn a_text_that_is_too_long_for_a_room_stays_in_the_input() {
    let mut play = Play::in_room((100, 30), Role::Owner);
    play.input(Input::Paste("x".repeat(16_385)));
    play.key(KeyCode::Enter);
    play.see("a message in a room has at most 16384 bytes");
    assert_eq!(play.model.editor.text().len(), 16_385);
    play.key(KeyCode::Backspace);
    play.key(KeyCode::Enter);
    assert_eq!(sent(&mut play).0.len(), 16_384);
}

#[test]
fn a_chosen_message_is_changed_reacted_to_and_taken_away() {
    let mut play = Play::in_room((100, 30), Role::Owner);
    choose(&mut play, 45);
    play.key(KeyCode::Char('e'));
    assert_eq!(play.model.editor.text(), "/edit thanks");
    play.keys(" a lot\n");
    assert_eq!(play.wished(), RoomWish::Edit(45, "thanks a lot".into()));
    choose(&mut play, 44);
    play.key(KeyCode::Char('+'));
    assert_eq!(play.model.editor.text(), "/react ");
    play.keys("+\n");
    assert_eq!(play.wished(), RoomWish::React(44, "+".into()));
    choose(&mut play, 44);
    play.key(KeyCode::Char('x'));
    play.see("the message of bob");
    play.key(KeyCode::Char('y'));
    assert_eq!(play.wished(), RoomWish::Redact(44, None));
}

#[test]
fn the_message_that_a_command_was_begun_for_is_forgotten_with_the_command() {
    let mut play = Play::in_room((100, 30), Role::Owner);
    choose(&mut play, 45);
    play.key(KeyCode::Char('e'));
    play.with_key(KeyCode::Char('u'), KeyModifiers::CONTROL);
    // The last one of ours that is published.
    assert_eq!(play.wish("/edit new"), RoomWish::Edit(51, "new".into()));
    choose(&mut play, 45);
    play.key(KeyCode::Char('e'));
    play.with_key(KeyCode::Char('2'), KeyModifiers::ALT);
    play.with_key(KeyCode::Char('1'), KeyModifiers::ALT);
    assert_eq!(play.model.editor.text(), "/edit thanks", "what was typed stays with its room");
}

#[test]
fn what_is_typed_is_not_lost_to_a_command_about_a_message() {
    let mut play = Play::in_room((100, 30), Role::Owner);
    choose(&mut play, 45);
    play.model.focus = Focus::Input;
    play.keys("half a text");
    play.model.focus = Focus::Message(45);
    play.key(KeyCode::Char('e'));
    assert_eq!(play.model.editor.text(), "half a text");
    play.see("something is typed already");
}

#[test]
fn what_others_said_cannot_be_changed_and_is_taken_away_by_a_moderator_only() {
    let mut play = Play::in_room((100, 30), Role::Member);
    choose(&mut play, 44);
    play.key(KeyCode::Char('e'));
    play.see("you can change your own messages only");
    play.key(KeyCode::Char('x'));
    play.see("those of others only as a moderator");
    assert!(play.model.overlay.is_none());
    // Of what does not count nothing can be made: the key is for the input.
    choose(&mut play, 47);
    play.key(KeyCode::Char('+'));
    assert_eq!(play.model.editor.text(), "+");
}

#[test]
fn an_invitation_is_joined_by_enter_and_only_after_a_question() {
    let mut play = Play::new((100, 30));
    play.rooms = true;
    play.start(people(), vec![]);
    play.page(Anchor::Newest, talk(), false);
    let text = format!("come in: {}", invite());
    let message = message(60, onion(2), Direction::In, MessageState::Unread, NOW - 60_000, &text);
    play.event(What::Received { message });
    play.see("come in: [invitation to a room");
    play.see_not("torchat-room:");
    play.key(KeyCode::Up);
    play.key(KeyCode::Enter);
    play.see("ann has sent the invite");
    assert_eq!(play.asks(|ask| matches!(ask, Ask::Room(RoomAsk::Join { .. }))), 0);
    play.key(KeyCode::Char('y'));
    let ask = play.asked_room(|ask| matches!(ask, RoomAsk::Join { .. }));
    assert_eq!(ask, RoomAsk::Join { invite: invite(), text: String::new() });
    // `y` on the message itself copies it as it came.
    play.key(KeyCode::Char('y'));
    assert!(play.effects.contains(&Effect::Copy(text)));
}

#[test]
fn an_invitation_of_ones_own_is_none_and_one_to_a_room_that_is_joined_leads_there() {
    let at_ann = || {
        let mut play = Play::with_room((100, 30), Role::Owner);
        play.effects.clear();
        play.with_key(KeyCode::Char('2'), KeyModifiers::ALT);
        play.page(Anchor::Newest, talk(), false);
        play
    };
    let mut play = at_ann();
    let own = message(60, onion(2), Direction::Out, MessageState::Sent, NOW - 60_000, &invite());
    play.event(What::Queued { message: own });
    play.key(KeyCode::Up);
    play.key(KeyCode::Enter);
    assert!(play.model.overlay.is_none());
    let mut play = at_ann();
    let joined =
        invite().replace(onion(9).0.onion().trim_end_matches(".onion"), with(ROOM).onion().trim_end_matches(".onion"));
    let message = message(61, onion(2), Direction::In, MessageState::Unread, NOW, &joined);
    play.event(What::Received { message });
    play.key(KeyCode::Up);
    play.key(KeyCode::Enter);
    assert_eq!(play.model.open, Open::Conversation(with(ROOM)));
    play.see("you are a member of #lab already");
}
