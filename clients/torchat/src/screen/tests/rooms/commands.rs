//! The commands of rooms: what each asks, what it says without a room, and that its line comes back when the daemon refuses it.

use super::*;
use crate::screen::model::{Open, Overlay};
use torchat_client::api::command::{GivenNotify, GivenRole};
use torchat_client::api::{ApiClientError, ApiError, Code};

/// Lines of the open room, and what they wish.
fn wishes() -> Vec<(&'static str, RoomWish)> {
    let invite = |uses, role, whom| RoomWish::Invite { uses, role, whom };
    vec![
        ("/topic the dog", RoomWish::Topic("the dog".into())),
        ("/rename home", RoomWish::Alias("home".into())),
        ("/rename", RoomWish::Alias(String::new())),
        ("/nick Anna", RoomWish::Nick("Anna".into())),
        ("/notify all", RoomWish::Notify(GivenNotify::All)),
        ("/notify mentions", RoomWish::Notify(GivenNotify::Mentions)),
        ("/notify none", RoomWish::Notify(GivenNotify::None)),
        ("/invite", invite(1, None, None)),
        ("/invite 5", invite(5, None, None)),
        ("/invite reader", invite(1, Some(GivenRole::Reader), None)),
        ("/invite 0 moderator", invite(0, Some(GivenRole::Moderator), None)),
        ("/invite ann", invite(1, None, Some(onion(2)))),
        ("/mute no:3 too much spam", RoomWish::Mute(3, Some("too much spam".into()))),
        ("/mute anna", RoomWish::Mute(2, None)),
        ("/unmute no:4", RoomWish::Unmute(4)),
        ("/role anna reader", RoomWish::Role(2, GivenRole::Reader)),
        ("/role no:3 moderator", RoomWish::Role(3, GivenRole::Moderator)),
        ("/take", RoomWish::Take),
        ("/settle", RoomWish::Settle),
        ("/edit better", RoomWish::Edit(51, "better".into())),
        ("/react \u{1f44d}", RoomWish::React(46, "\u{1f44d}".into())),
        ("/react", RoomWish::React(46, String::new())),
    ]
}

/// Lines that ask the user first.
fn questions() -> Vec<(&'static str, RoomWish)> {
    vec![
        ("/kick anna", RoomWish::Remove(2)),
        ("/kick no:3", RoomWish::Remove(3)),
        ("/kick anna return", RoomWish::RemoveForNow(2)),
        ("/transfer anna", RoomWish::Transfer(2)),
        ("/redact it was wrong", RoomWish::Redact(51, Some("it was wrong".into()))),
        ("/redact", RoomWish::Redact(51, None)),
        ("/destroy lab", RoomWish::Destroy("lab".into())),
        ("/destroy #lab", RoomWish::Destroy("lab".into())),
    ]
}

fn owner() -> Play {
    Play::in_room((120, 30), Role::Owner)
}

#[test]
fn every_command_wishes_what_it_says_and_its_line_comes_back_when_it_is_refused() {
    for (line, wish) in wishes() {
        for code in [Code::NoRole, Code::NotJoined, Code::UnknownCommand, Code::StorageUnsure] {
            let mut play = owner();
            assert_eq!(play.wish(line), wish, "{line}");
            assert_eq!(play.model.editor.text(), "", "{line}");
            let refused = ApiClientError::Refused(ApiError::new(code, "look at HISTORY"));
            play.input(Input::Answer(Ask::Room(RoomAsk::In(with(ROOM), wish.clone())), Err(refused)));
            assert_eq!(play.model.editor.text(), line);
            let notice = play.model.notice.clone().unwrap();
            assert!(notice.warning && !crate::refusal::tests::names_the_api(&notice.text), "{line}: {}", notice.text);
        }
    }
}

#[test]
fn what_cannot_be_undone_is_asked_first_and_done_only_with_y() {
    for (line, wish) in questions() {
        let mut play = owner();
        play.line(line);
        assert!(matches!(play.model.overlay, Some(Overlay::Confirm(_))), "{line}");
        play.key(KeyCode::Char('n'));
        assert_eq!(play.asks(|ask| matches!(ask, Ask::Room(RoomAsk::In(..)))), 0, "{line}");
        play.line(line);
        play.key(KeyCode::Char('y'));
        assert_eq!(play.wished(), wish, "{line}");
    }
    let mut play = Play::in_room((120, 30), Role::Member);
    for (line, forget) in [("/leave", false), ("/leave forget", true)] {
        play.line(line);
        play.key(KeyCode::Char('y'));
        assert_eq!(play.wished(), RoomWish::Leave { forget });
    }
}

/// Lines that are wrong, and what the screen says of them. It asks the daemon nothing.
#[test]
fn a_line_that_is_wrong_stays_and_says_why() {
    for (line, says) in [
        ("/leave", "you own this room"),
        ("/leave now", "/leave [forget]"),
        ("/kick", "/kick MEMBER"),
        ("/kick dora", "not in this room"),
        ("/kick carl", "not in this room"),
        ("/unmute", "/unmute MEMBER"),
        ("/kick anna now", "/kick MEMBER"),
        ("/role", "/role MEMBER"),
        ("/role anna", "/role MEMBER"),
        ("/role anna owner", "/role MEMBER"),
        ("/pardon", "/pardon MEMBER"),
        ("/pardon anna", "nobody who was removed"),
        ("/force", "nothing that you have decided"),
        ("/mute dora spam", "not in this room"),
        ("/destroy", "write the room's name behind it"),
        ("/destroy club", "write the room's name behind it"),
        ("/invite dora", "neither a contact's name"),
        ("/room", "/room new NAME"),
        ("/room new", "/room new NAME"),
        ("/join lab", "begins with torchat-room:"),
        ("/join torchat-room:abc", "not whole"),
        ("/admit boss", "/admit [reader"),
        ("/admit", "nobody asks to become a member"),
        ("/block", "a room, and not a person"),
        ("/verify", "a room, and not a person"),
        ("/query #club", "is not a room"),
        ("/msg #lab", "the text is missing"),
        ("/react", ""),
    ] {
        let mut play = owner();
        play.line(line);
        if says.is_empty() {
            continue;
        }
        assert_eq!(play.model.editor.text(), line);
        assert!(play.model.notice.clone().unwrap().text.contains(says), "{line}: {:?}", play.model.notice);
        assert_eq!(play.asks(|ask| matches!(ask, Ask::Room(RoomAsk::In(..)))), 0, "{line}");
    }
}

#[test]
fn without_a_room_and_without_a_daemon_that_has_rooms_each_command_says_so() {
    let lines = [
        "/leave",
        "/members",
        "/topic",
        "/topic x",
        "/kick x",
        "/unmute x",
        "/edit x",
        "/redact",
        "/react +",
        "/take",
        "/settle",
        "/destroy x",
        "/transfer x",
        "/role x member",
        "/pardon x",
        "/force",
        "/notify all",
    ];
    let invite = format!("/join {}", invite());
    for has_rooms in [true, false] {
        let mut play = Play::new((120, 30));
        play.rooms = has_rooms;
        play.start(people(), vec![]);
        play.page(Anchor::Newest, talk(), false);
        for line in
            lines.into_iter().chain(["/room new lab", "/room list", invite.as_str()].into_iter().filter(|_| !has_rooms))
        {
            play.line(line);
            let says = if has_rooms { "no room is open" } else { "knows no rooms" };
            play.see(says);
            assert_eq!(play.model.editor.text(), line);
            assert_eq!(play.asks(|ask| matches!(ask, Ask::Room(RoomAsk::In(..) | RoomAsk::New { .. }))), 0, "{line}");
        }
    }
    // And what they mean elsewhere they still mean.
    let mut play = talking((120, 30));
    play.line("/invite 24");
    play.asked(|ask| *ask == Ask::Invite { hours: 24, show: true });
    play.line("/mute ann on");
    play.see("ann is muted");
}

#[test]
fn a_decision_that_waits_is_told_and_can_be_forced_after_a_question() {
    let mut play = owner();
    let wish = play.wish("/role no:3 moderator");
    let waits = ApiClientError::Refused(ApiError::new(Code::DecisionWaits, "it waits"));
    play.input(Input::Answer(Ask::Room(RoomAsk::In(with(ROOM), wish.clone())), Err(waits)));
    play.see("no other member of #lab is online");
    assert_eq!(play.model.editor.text(), "", "the daemon has it, so the line does not come back");
    play.line("/force");
    play.see("Do now what you have decided in #lab");
    play.key(KeyCode::Char('y'));
    let forced = RoomWish::Forced(Box::new(wish));
    assert_eq!(play.wished(), forced);
    play.answer_room(RoomAsk::In(with(ROOM), forced), RoomAnswer::Done);
    play.see("bob (no:3) is a moderator of #lab");
}

#[test]
fn who_was_removed_is_pardoned_by_name_or_on_their_page() {
    let mut play = owner();
    let (peer, change) = (with(ROOM), torchat_client::api::record::MemberChange::Removed);
    let removed = Member { state: MemberState::Removed, ..member(2, "anna", Role::Moderator) };
    play.event(What::Member { peer, member: removed, change });
    let wish = play.wish("/pardon anna");
    assert_eq!(wish, RoomWish::Pardon(onion(22)));
    play.answer_room(RoomAsk::In(with(ROOM), wish), RoomAnswer::Done);
    play.see("an invite to #lab lets anna in again");
}

#[test]
fn a_room_is_made_and_opened_when_its_answer_comes() {
    for (line, name, topic) in [
        ("/room new lab", "lab", ""),
        ("/room new #lab who feeds the cat", "lab", "who feeds the cat"),
        ("/room new \"the lab\" x", "the lab", "x"),
    ] {
        let mut play = Play::new((120, 30));
        play.rooms = true;
        play.start(people(), vec![]);
        play.page(Anchor::Newest, talk(), false);
        play.line(line);
        let ask = play.asked_room(|ask| matches!(ask, RoomAsk::New { .. }));
        let RoomAsk::New { name: asked, topic: about, .. } = &ask else { unreachable!() };
        assert_eq!((asked.as_str(), about.as_str()), (name, topic));
        play.answer_room(ask, RoomAnswer::Room(Box::new(room(Role::Owner))));
        let ask = play.asked(|ask| matches!(ask, Ask::Conversations(_)));
        let list = people().into_iter().chain([glance(room(Role::Owner), 0, 0, None)]).collect();
        play.answer(ask, Answer::Conversations(list));
        assert_eq!(play.model.open, Open::Conversation(with(ROOM)));
        play.see("#lab is made: /invite makes an invite to it");
    }
}

#[test]
fn an_invite_is_joined_by_a_command_or_by_pasting_it_and_the_room_opens_when_it_is_known() {
    for pasted in [true, false] {
        let mut play = Play::new((120, 30));
        play.rooms = true;
        play.start(vec![], vec![]);
        let line = if pasted { format!("{} it is me", invite()) } else { format!("/join {} it is me", invite()) };
        play.input(Input::Paste(line));
        play.key(KeyCode::Enter);
        let ask = play.asked_room(|ask| matches!(ask, RoomAsk::Join { .. }));
        assert_eq!(ask, RoomAsk::Join { invite: invite(), text: "it is me".into() });
        let joining =
            Room { state: RoomState::Joining, me: None, owner: None, name: String::new(), ..room(Role::Member) };
        play.answer_room(ask, RoomAnswer::Room(Box::new(joining.clone())));
        let ask = play.asked(|ask| matches!(ask, Ask::Conversations(_)));
        play.answer(ask, Answer::Conversations(vec![glance(joining, 0, 0, None)]));
        assert_eq!(play.model.open, Open::Conversation(with(ROOM)));
        play.see("joining");
        play.tell_room(|_| ());
        play.see("you are a member of #lab");
    }
}

#[test]
fn an_invite_to_a_room_is_a_code_or_goes_to_a_contact() {
    let mut play = owner();
    let wish = play.wish("/invite 3");
    play.answer_room(RoomAsk::In(with(ROOM), wish), RoomAnswer::Invite(invite()));
    play.see("An invite to #lab: good 3 times");
    play.key(KeyCode::Char('y'));
    assert!(play.effects.contains(&Effect::Copy(invite())));
    play.key(KeyCode::Esc);
    let wish = play.wish("/invite ann");
    play.answer_room(RoomAsk::In(with(ROOM), wish), RoomAnswer::Invite(invite()));
    play.see("is sent to ann");
    assert!(play.model.overlay.is_none(), "nobody else needs to see its secret");
}

#[test]
fn a_room_is_named_behind_the_commands_that_name_a_peer() {
    let mut play = Play::with_room((120, 30), Role::Owner);
    play.with_key(KeyCode::Char('2'), KeyModifiers::ALT);
    play.line("/msg #lab hello all");
    play.asked(|ask| matches!(ask, Ask::Send { peer, text, .. } if *peer == with(ROOM) && text == "hello all"));
    assert_eq!(play.model.open, Open::Conversation(with(2)));
    play.line("/mute #lab on");
    assert!(play.model.settings.muted.contains(&with(ROOM)));
    play.keys("/query #l");
    play.key(KeyCode::Tab);
    assert_eq!(play.model.editor.text(), "/query #lab ");
    play.key(KeyCode::Enter);
    assert_eq!(play.model.open, Open::Conversation(with(ROOM)));
    play.line("/room list");
    play.see("#lab  4 members");
}

#[test]
fn who_asks_is_let_in_or_refused_with_the_page_open_or_as_the_only_one() {
    let rooms = || vec![glance(room(Role::Owner), 0, 0, None)];
    let admit = |yes, role| RoomWish::Admit { petition: onion(12), yes, role };
    for (line, wish, opens) in [
        ("/admit", admit(true, None), true),
        ("/accept", admit(true, None), true),
        ("/refuse", admit(false, None), true),
        ("/admit moderator", admit(true, Some(GivenRole::Moderator)), true),
        ("/admit reader", admit(true, Some(GivenRole::Reader)), false),
    ] {
        let mut play = Play::with_rooms((120, 30), rooms(), vec![petition(12, "Dora")]);
        if opens {
            play.with_key(KeyCode::Char('1'), KeyModifiers::ALT);
            play.see("This is the name they chose.");
        }
        assert_eq!(play.wish(line), wish, "{line}");
        play.answer_room(RoomAsk::In(with(ROOM), wish.clone()), RoomAnswer::Done);
        let yes = wish == admit(true, None) || line.starts_with("/admit");
        play.see(if yes { "Dora is let into #lab" } else { "Dora is not shown again" });
        assert!(play.model.list.petition_list().is_empty());
    }
    let two = vec![petition(12, "Dora"), petition(13, "Eve")];
    let mut play = Play::with_rooms((120, 30), rooms(), two);
    play.line("/admit");
    play.see("2 people ask to become members");
}
