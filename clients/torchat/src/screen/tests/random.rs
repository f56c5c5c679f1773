//! Whatever happens in whatever order: nothing panics, the cursor is on the screen, every cell is harmless.

mod typed;

use super::*;
use crossterm::event::{MouseButton, MouseEvent, MouseEventKind};
use proptest::prelude::*;
use torchat_client::api::command::EraseCountAnswer;
use torchat_client::api::event::MessageRef;
use torchat_client::api::record::Role;
use torchat_client::api::{ApiClientError, ApiError, Code};

#[derive(Debug, Clone)]
enum Step {
    Key(KeyCode, KeyModifiers),
    Type(String),
    Paste(String),
    Resize(u16, u16),
    Mouse(MouseEventKind, u16, u16),
    Focus(bool),
    Wait(i64),
    Received(u8, i64, String),
    State(u8, i64, u8),
    Request(u8, String),
    Contact(u8, Option<String>, u8),
    /// Something in the room: to which message, what, and a text that others have chosen.
    Room(i64, u8, String),
    Away,
    Back(bool),
    /// The daemon answers what it was asked, or refuses it.
    Answer(bool),
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z ]{0,12}",
        "\\PC{0,20}",
        "[\\x00-\\x20\u{301}\u{202e}\u{200d}日👨a\n]{0,20}",
        Just("x\n".repeat(60)),
        Just("wide 日本語 ".repeat(40)),
    ]
}

fn key() -> impl Strategy<Value = KeyCode> {
    use KeyCode::{BackTab, Backspace, Delete, Down, End, Enter, Esc, Home, Left, PageDown, PageUp, Right, Tab, Up};
    prop_oneof![
        4 => prop::sample::select(vec![Up, Down, Left, Right, PageUp, PageDown, Home, End, Enter, Tab, Esc, Backspace, Delete, BackTab]),
        2 => prop::sample::select(vec!['a', 'b', 'c', 'f', 'j', 'k', 'n', 'p', 'r', 'u', 'w', 'x', 'e', '+', 'y', '/', '?', ' ', '_', '日', '\u{301}']).prop_map(KeyCode::Char),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let modifiers = prop::sample::select(vec![
        KeyModifiers::NONE,
        KeyModifiers::NONE,
        KeyModifiers::CONTROL,
        KeyModifiers::ALT,
        KeyModifiers::SHIFT,
    ]);
    let commands = prop::sample::select(vec![
        "/help\n",
        "/peers\n",
        "/qr\n",
        "/invite\n",
        "/search a\n",
        "/status\n",
        "/reply\n",
        "/cancel\n",
        "/exit\n",
        "/history start\n",
        "/history end\n",
        "/history 2026-11-20\n",
        "/history 7\n",
        "/notify content\n",
        "/copy\n",
        "/theme light\n",
        "/block\n",
        "/erase\n",
        "/retain 3\n",
        "/verify\n",
        "/whois\n",
        "/accept\n",
        "/peer a\n",
        "hello\n",
        "/mouse on\n",
        "/query #lab\n",
        "/members\n",
        "/react +\n",
        "/edit\n",
        "/redact\n",
        "/leave\n",
        "/destroy lab\n",
        "/admit\n",
        "/room list\n",
        "@anna hello\n",
    ]);
    let kinds = prop::sample::select(vec![
        MouseEventKind::ScrollUp,
        MouseEventKind::ScrollDown,
        MouseEventKind::Down(MouseButton::Left),
    ]);
    prop_oneof![
        12 => (key(), modifiers).prop_map(|(key, modifiers)| Step::Key(key, modifiers)),
        4 => commands.prop_map(|text| Step::Type(text.to_owned())),
        2 => "[a-z/?]{1,8}".prop_map(Step::Type),
        2 => text().prop_map(Step::Paste),
        3 => (0u16..130, 0u16..45).prop_map(|(columns, rows)| Step::Resize(columns, rows)),
        2 => (kinds, 0u16..130, 0u16..45).prop_map(|(kind, x, y)| Step::Mouse(kind, x, y)),
        1 => any::<bool>().prop_map(Step::Focus),
        2 => (0i64..200_000_000).prop_map(Step::Wait),
        4 => (2u8..6, 1i64..300, text()).prop_map(|(peer, id, text)| Step::Received(peer, id, text)),
        3 => (2u8..6, 1i64..300, 0u8..6).prop_map(|(peer, id, state)| Step::State(peer, id, state)),
        1 => (6u8..9, text()).prop_map(|(peer, nick)| Step::Request(peer, nick)),
        1 => (2u8..9, proptest::option::of(text()), 0u8..4).prop_map(|(peer, nick, state)| Step::Contact(peer, nick, state)),
        6 => (1i64..300, any::<u8>(), text()).prop_map(|(id, what, text)| Step::Room(id, what, text)),
        1 => Just(Step::Away),
        1 => any::<bool>().prop_map(Step::Back),
        8 => proptest::bool::weighted(0.9).prop_map(Step::Answer),
    ]
}

/// Messages of a conversation that has as many as there are numbers to 300.
fn history(peer: ConversationId, range: std::ops::Range<i64>) -> MessagesAnswer {
    let range = range.start.max(1)..range.end.min(301);
    let messages = range
        .clone()
        .map(|id| {
            let (dir, state) = match id % 4 {
                0 => (Direction::Out, MessageState::Queued),
                1 => (Direction::In, MessageState::Unread),
                2 => (Direction::Out, MessageState::Delivered),
                _ => (Direction::In, MessageState::Read),
            };
            let text = format!("number {id} {}", "words ".repeat(usize::try_from(id % 50).unwrap()));
            let message = message(id, peer, dir, state, NOW - (300 - id) * 3_000_000, &text);
            if peer == with(rooms::ROOM) { rooms::of_the_room(message) } else { message }
        })
        .collect();
    MessagesAnswer { messages, more: range.start > 1 }
}

/// People, and a room below them.
fn with_the_room() -> Vec<Conversation> {
    let last = rooms::said(10, 2, 3, "hello");
    people().into_iter().chain([rooms::glance(rooms::room(Role::Owner), 1, 1, Some(last))]).collect()
}

fn answer(ask: &Ask) -> Answer {
    match ask {
        Ask::Locate(..) => Answer::Located(Some(500)),
        Ask::Retain(..) => Answer::Done,
        Ask::CountErasable(id, _) => {
            let found = EraseCountAnswer { erasable: u64::from(id.as_bytes()[0] % 2), kept: 1, upto: 300 };
            Answer::Erasable(found)
        }
        Ask::Erase(..) => Answer::Erased(3, 1),
        Ask::Conversations { .. } => Answer::Conversations(with_the_room()),
        Ask::Requests(_) => Answer::Requests(vec![]),
        Ask::Status | Ask::News { .. } => {
            // Of another version, which tells nothing that is known here.
            let status = serde_json::from_value(serde_json::json!({"a": [1]})).unwrap();
            Answer::Status(Box::new(StatusAnswer { version: 1, sentence: "fine".into(), status }))
        }
        Ask::Page(peer, request) => {
            let page = |range| history(*peer, range);
            match request.anchor {
                Anchor::Newest => Answer::Page(page(201..301), None),
                Anchor::Oldest => Answer::Page(MessagesAnswer { more: true, ..page(1..101) }, None),
                Anchor::Before(id) => Answer::Page(page(id - 100..id), None),
                Anchor::After(id) => Answer::Page(MessagesAnswer { more: id < 200, ..page(id + 1..id + 101) }, None),
                Anchor::One(id) => Answer::Page(page(id..id + 1), None),
                Anchor::Around(id) => {
                    let behind = MessagesAnswer { more: id < 250, ..page(id + 1..id + 51) };
                    Answer::Page(page(id - 49..id + 1), Some(behind))
                }
            }
        }
        Ask::Search { peer, .. } => {
            let messages = history(peer.unwrap_or(with(3)), 100..120).messages.into_iter().rev().collect();
            Answer::Found(torchat_client::api::command::SearchAnswer { messages, more: false, complete: true })
        }
        Ask::Send { peer, .. } => {
            let sent = message(301, *peer, Direction::Out, MessageState::Queued, NOW, "");
            Answer::Sent(torchat_client::api::command::SendAnswer {
                id: 301,
                mid: sent.mid,
                state: sent.state,
                duplicate: false,
            })
        }
        Ask::Cancel(..) => Answer::Cancelled(true),
        Ask::TakeBack { .. } => Answer::TakenBack(None),
        Ask::Add { .. } => Answer::Added(with(3)),
        Ask::Invite { .. } => Answer::Invite("torchat:x?i=y".into()),
        Ask::Room(ask) => Answer::Room(super::rooms::answer(ask)),
        Ask::Seen(..) | Ask::Decide(..) | Ask::Rename(..) | Ask::Exit => Answer::Done,
    }
}

fn take(play: &mut Play, step: Step) {
    match step {
        Step::Key(code, modifiers) => play.with_key(code, modifiers),
        Step::Type(text) => play.keys(&text),
        Step::Paste(text) => play.input(Input::Paste(text)),
        Step::Resize(columns, rows) => play.input(Input::Resize(columns, rows)),
        Step::Mouse(kind, column, row) => {
            play.input(Input::Mouse(MouseEvent { kind, column, row, modifiers: KeyModifiers::NONE }));
        }
        Step::Focus(focus) => play.input(Input::Focus(focus)),
        Step::Wait(ms) => {
            play.now += ms;
            play.input(Input::Tick);
        }
        Step::Received(peer, id, text) => {
            let message = message(id, onion(peer), Direction::In, MessageState::Unread, play.now, &text);
            play.event(What::Received { message });
        }
        Step::State(peer, id, state) => {
            let peer = onion(peer);
            let reference = MessageRef { peer: peer.conversation(), id, mid: MessageId([0; 16]) };
            play.event(match state {
                0 => What::Sent(reference),
                1 => What::Delivered(reference),
                2 => What::Failed(reference),
                3 => What::Withdrawn(reference),
                4 => What::Read(reference),
                _ => What::Link { peer, up: id % 2 == 0 },
            });
        }
        Step::Request(peer, nick) => {
            let peer = onion(peer);
            play.event(What::Request { peer, nick: nick.clone(), text: nick });
        }
        Step::Contact(peer, nick, state) => {
            use ContactState::{Blocked, Contact as Friend, Stranger, Waiting};
            let mut contact = contact(peer, None, nick.as_deref());
            contact.state = [Friend, Stranger, Waiting, Blocked][usize::from(state)];
            play.event(What::Contact { contact });
        }
        Step::Room(id, what, text) => play.event(rooms::happens(id, what, text)),
        Step::Away => {
            let reason = ApiClientError::Lost { reason: "gone".into() };
            play.input(Input::Link(State::Gone { reason, retry: std::time::Duration::ZERO }));
        }
        Step::Back(continued) => play.connect(continued),
        Step::Answer(well) => {
            for effect in std::mem::take(&mut play.effects) {
                let Effect::Ask(ask) = effect else { continue };
                let outcome = if well {
                    Ok(answer(&ask))
                } else {
                    Err(ApiClientError::Refused(ApiError::new(Code::NotAllowed, "no")))
                };
                play.input(Input::Answer(ask, outcome));
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]
    #[test]
    fn nothing_panics_and_the_cursor_is_inside(
        size in (20u16..130, 6u16..45),
        steps in prop::collection::vec(step(), 1..50),
    ) {
        let mut play = Play::with(size, Theme::Dark, Stored::default());
        play.rooms = true;
        play.start(with_the_room(), vec![]);
        take(&mut play, Step::Answer(true));
        for step in steps {
            take(&mut play, step);
            let (columns, rows) = play.model.size;
            if columns == 0 || rows == 0 {
                continue;
            }
            let (buffer, cursor) = play.drawn();
            prop_assert!(cursor.x < columns && cursor.y < rows);
            for cell in &buffer.content {
                prop_assert!(!cell.symbol().chars().any(char::is_control));
            }
        }
    }
}
