//! The screens of rooms, as text, from 40 x 12 to 200 x 60.

use super::*;
use crossterm::event::KeyModifiers;

fn screens(name: &str, play: impl Fn((u16, u16)) -> Play) {
    for size in [(40, 12), (80, 24), (200, 60)] {
        insta::assert_snapshot!(format!("room_{name}_{}x{}", size.0, size.1), play(size).text());
    }
}

#[test]
fn the_list_with_rooms_and_who_asks() {
    screens("list", |size| {
        let loud = Room { peer: with(8), name: "club".into(), ..room(Role::Member) };
        let frozen = Room { peer: with(10), alias: Some("home".into()), frozen: true, ..room(Role::Member) };
        let over = Room { peer: with(11), name: "old".into(), state: RoomState::Removed, ..room(Role::Member) };
        let glance = |room: Room, number: u8, unread, mentions| {
            let last = Message { peer: with(number), ..said(60 - i64::from(number), 2, 3, "hello") };
            let mut glance = glance(room, unread, mentions, Some(last));
            glance.contact.peer = onion(number);
            glance
        };
        let rooms = vec![
            glance(room(Role::Owner), ROOM, 7, 2),
            glance(loud, 8, 12, 0),
            glance(frozen, 10, 0, 0),
            glance(over, 11, 0, 0),
        ];
        let mut play = Play::with_rooms(size, rooms, vec![petition(12, "Dora")]);
        if play.model.focus != crate::screen::model::Focus::List {
            play.key(KeyCode::Tab);
        }
        play
    });
}

#[test]
fn a_room() {
    screens("talk", |size| Play::in_room(size, Role::Owner));
}

/// What the document shows: its rows, without the empty ones.
#[test]
fn the_room_in_the_document_is_this_versions() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/CLIENT.md");
    let document = std::fs::read_to_string(path).unwrap();
    let screen = Play::in_room((80, 24), Role::Owner).text();
    let rows = screen.lines().filter(|row| row.trim() != "│");
    let framed = rows.map(|row| format!("│{row}{}│\n", " ".repeat(80 - crate::screen::wrap::width(row))));
    let framed: String = framed.collect();
    assert!(document.contains(&framed), "docs/CLIENT.md, \"Rooms\", shows another screen than:\n{framed}");
}

#[test]
fn a_chosen_message_of_a_room_and_a_reply() {
    screens("chosen", |size| {
        let mut play = Play::in_room(size, Role::Owner);
        (0..8).for_each(|_| play.key(KeyCode::Up));
        play
    });
    screens("reply", |size| {
        let mut play = Play::in_room(size, Role::Owner);
        play.line("/reply");
        play
    });
}

#[test]
fn the_members_of_a_room() {
    screens("members", |size| {
        let mut play = Play::in_room(size, Role::Owner);
        play.line("/members");
        play.key(KeyCode::Down);
        play.key(KeyCode::Down);
        play
    });
    screens("member", |size| {
        let mut play = Play::in_room(size, Role::Owner);
        play.line("/members");
        [KeyCode::Down, KeyCode::Down, KeyCode::Enter, KeyCode::Down].into_iter().for_each(|code| play.key(code));
        play
    });
}

#[test]
fn somebody_who_asks_to_become_a_member() {
    screens("petition", |size| {
        let rooms = vec![glance(room(Role::Owner), 0, 0, None)];
        let mut play = Play::with_rooms(size, rooms, vec![petition(12, "ann")]);
        play.with_key(KeyCode::Char('1'), KeyModifiers::ALT);
        play
    });
}

#[test]
fn an_invitation_in_the_message_of_a_contact_and_the_question() {
    let invited = |size| {
        let mut play = talking(size);
        let text = format!("come in: {} it is fun", invite());
        let message = message(60, onion(2), Direction::In, MessageState::Unread, NOW - 60_000, &text);
        play.event(What::Received { message });
        play.key(KeyCode::Up);
        play
    };
    screens("invitation", invited);
    screens("join", |size| {
        let mut play = invited(size);
        play.key(KeyCode::Enter);
        play
    });
}

#[test]
fn an_invite_to_a_room_as_a_code() {
    screens("invite", |size| {
        let mut play = Play::in_room(size, Role::Owner);
        let wish = play.wish("/invite 3");
        play.answer_room(RoomAsk::In(with(ROOM), wish), RoomAnswer::Invite(invite()));
        play
    });
}

#[test]
fn questions_before_what_cannot_be_undone() {
    screens("destroy", |size| {
        let mut play = Play::in_room(size, Role::Owner);
        play.line("/destroy lab");
        play
    });
}

#[test]
fn what_is_known_of_a_room() {
    screens("about", |size| {
        let mut play = Play::in_room(size, Role::Owner);
        play.line("/whois");
        play
    });
}
