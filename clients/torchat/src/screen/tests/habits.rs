//! What users of other messengers expect: what was typed comes back, numbers and names lead to conversations, commands have
//! the names that they know.

use super::*;
use crate::screen::model::{Focus, Open, Overlay};
use torchat_client::api::event::MessageRef;

fn alt(play: &mut Play, key: char) {
    play.with_key(KeyCode::Char(key), KeyModifiers::ALT);
}

fn ctrl(play: &mut Play, key: char) {
    play.with_key(KeyCode::Char(key), KeyModifiers::CONTROL);
}

fn received(id: i64, peer: u8, text: &str) -> What {
    What::Received { message: message(id, with(peer), Direction::In, MessageState::Unread, NOW + id, text) }
}

#[track_caller]
fn input(play: &Play, text: &str) {
    assert_eq!(play.model.editor.text(), text);
}

#[test]
fn what_was_sent_and_run_comes_back_and_what_was_typed_too() {
    let mut play = talking((80, 24));
    play.keys("first\n/notify bell\nsecond\nhalf a th");
    for text in ["second", "/notify bell", "first", "first"] {
        alt(&mut play, 'p');
        input(&play, text);
    }
    play.see("nothing older");
    for text in ["/notify bell", "second", "half a th", "half a th"] {
        play.with_key(KeyCode::Down, KeyModifiers::CONTROL);
        input(&play, text);
    }
    // What comes back can be changed, and a walk begins anew.
    play.with_key(KeyCode::Up, KeyModifiers::CONTROL);
    play.keys("!");
    input(&play, "second!");
    alt(&mut play, 'p');
    input(&play, "second");
    alt(&mut play, 'n');
    input(&play, "second!");
}

#[test]
fn what_was_sent_to_one_is_not_offered_to_another() {
    let mut play = talking((80, 24));
    play.keys("for ann only\n/notify bell\n");
    play.with_key(KeyCode::Down, KeyModifiers::ALT);
    assert_eq!(play.model.open, Open::Conversation(with(3)));
    for _ in 0..5 {
        alt(&mut play, 'p');
        assert!(!play.model.editor.text().contains("ann only"), "{}", play.model.editor.text());
    }
    input(&play, "/notify bell");
    // Nor to another identity.
    let limits = Limits { object_bytes: 1, text_bytes: 1, requests: 1, subscriptions: 1, page: 1, room_text_bytes: 1 };
    let onion = onion(6);
    let welcome = Welcome { onion, rights: vec![], peers: None, commands: vec![], seq: 0, oldest: 0, limits };
    play.input(Input::Link(State::Connected { welcome: Arc::new(welcome), continued: false }));
    alt(&mut play, 'p');
    input(&play, "");
}

#[test]
fn the_lines_that_come_back_are_bounded() {
    let mut play = talking((80, 24));
    for n in 0..300 {
        play.keys(&format!("number {n}\n"));
    }
    for _ in 0..400 {
        alt(&mut play, 'p');
    }
    input(&play, "number 100");
    // Nothing of it goes to the disk.
    play.model.editor.set(String::new());
    play.model.stored.drafts = torchat_client::timeline::Drafts::default();
    play.input(Input::Leave);
    let saved = play.effects.iter().rev().find_map(|effect| match effect {
        Effect::Save(stored) => Some(serde_json::to_string(stored).unwrap()),
        _ => None,
    });
    assert!(!saved.unwrap().contains("number"));
    // One long text takes the place of many.
    let mut play = talking((80, 24));
    play.keys("short\n");
    for letter in ["x", "y"] {
        play.input(Input::Paste(letter.repeat(40_000)));
        play.key(KeyCode::Enter);
    }
    for _ in 0..9 {
        alt(&mut play, 'p');
    }
    assert!(play.model.editor.text().starts_with('y'));
}

#[test]
fn what_was_typed_is_searched_while_one_types() {
    let mut play = talking((80, 24));
    play.keys("the red fox\nthe blue sea\nthe Red sea\ndraft");
    ctrl(&mut play, 'r');
    play.keys("red");
    input(&play, "the Red sea");
    ctrl(&mut play, 'r');
    input(&play, "the red fox");
    ctrl(&mut play, 'r');
    input(&play, "the red fox");
    play.see("Ctrl+R older");
    play.keys("x");
    play.see("\"redx\" is in nothing that you typed here");
    play.key(KeyCode::Backspace);
    input(&play, "the Red sea");
    // Esc gives back what was typed before; Enter takes the line and does not send it.
    play.key(KeyCode::Esc);
    input(&play, "draft");
    let sent = play.model.stored.drafts.unsent().len();
    ctrl(&mut play, 'r');
    play.keys("blue\n");
    input(&play, "the blue sea");
    assert_eq!(play.model.stored.drafts.unsent().len(), sent);
    play.keys("\n");
    assert_eq!(play.model.stored.drafts.unsent().len(), sent + 1);
}

#[test]
fn a_number_goes_to_its_row() {
    let mut play = talking((80, 24));
    alt(&mut play, '2');
    assert_eq!(play.model.open, Open::Conversation(with(3)));
    alt(&mut play, '9');
    play.see("the list has 3 rows");
    play.line("/win 3");
    assert_eq!(play.model.open, Open::Conversation(with(4)));
    play.line("/w 1");
    assert_eq!(play.model.open, Open::Conversation(with(2)));
    play.line("/w 0");
    play.see("/win N");
    // The numbers are shown where they are of use.
    play.with_key(KeyCode::Char('u'), KeyModifiers::CONTROL);
    play.see_not("1 ann");
    play.keys("/w ");
    play.see("1 ann");
    play.key(KeyCode::Backspace);
    play.key(KeyCode::Backspace);
    play.see_not("1 ann");
}

#[test]
fn what_is_new_is_visited_oldest_first_and_then_one_is_back() {
    let mut play = talking((80, 24));
    play.event(received(60, 4, "older"));
    play.event(received(61, 3, "newer"));
    for peer in [4, 3] {
        alt(&mut play, 'a');
        assert_eq!(play.model.open, Open::Conversation(with(peer)));
        let id = if peer == 4 { 60 } else { 61 };
        let mid = message(id, with(peer), Direction::In, MessageState::Read, 0, "").mid;
        play.event(What::Read(MessageRef { peer: with(peer), id, mid }));
        for id in [19, 20] {
            let mid = message(id, with(3), Direction::In, MessageState::Read, 0, "").mid;
            play.event(What::Read(MessageRef { peer: with(3), id, mid }));
        }
    }
    alt(&mut play, 'a');
    assert_eq!(play.model.open, Open::Conversation(with(2)));
    alt(&mut play, 'a');
    play.see("nothing new");
}

#[test]
fn a_text_is_sent_without_going_there() {
    let mut play = talking((80, 24));
    let carl = onion(4).0.onion();
    play.line(&format!("/msg {carl} over there"));
    let ask = play.asked(|ask| matches!(ask, Ask::Send { .. }));
    assert!(matches!(ask, Ask::Send { peer, text, .. } if peer == with(4) && text == "over there"));
    assert_eq!(play.model.open, Open::Conversation(with(2)));
    play.line(&format!("/query {carl} and here"));
    assert_eq!(play.model.open, Open::Conversation(with(4)));
    assert_eq!(play.model.stored.drafts.unsent().back().unwrap().text, "and here");
    play.line("/msg ann");
    play.see("the text is missing");
    // A name with blanks.
    play.event(What::Contact { contact: contact(2, Some("Ann Lee"), None) });
    play.line("/msg Ann Lee hi there");
    let last = play.model.stored.drafts.unsent().back().unwrap().clone();
    assert_eq!((last.peer, last.text.as_str()), (with(2), "hi there"));
    play.line("/me waves");
    let last = play.model.stored.drafts.unsent().back().unwrap().clone();
    assert_eq!((last.peer, last.text.as_str()), (with(4), "* waves"));
}

#[test]
fn a_closed_conversation_comes_back_with_something_new_or_when_it_is_wanted() {
    let mut play = talking((80, 24));
    play.line("/close");
    assert_eq!(play.model.open, Open::Nothing);
    assert_eq!(play.model.list.order(), [with(3), with(4)]);
    play.see("out of the list");
    play.event(received(60, 2, "hello again"));
    assert_eq!(play.model.list.order()[0], with(2));
    play.keys("/query ann\n/close\n");
    // Unread, so it stays.
    assert_eq!(play.model.list.order()[0], with(2));
    // Nobody else in the list: this is not the first start.
    let mut play = Play::new((80, 24));
    play.start(vec![people().remove(0)], vec![]);
    play.line("/close");
    assert_eq!(play.model.list.order(), []);
    assert!(!play.model.is_first_run());
    play.line("/query ann");
    assert_eq!(play.model.open, Open::Conversation(with(2)));
    assert_eq!(play.model.list.order(), [with(2)]);
}

#[test]
fn a_cleared_view_is_empty_and_nothing_is_lost() {
    let mut play = talking((80, 24));
    play.see("see you at eight");
    play.line("/clear");
    play.see_not("see you at eight");
    play.see("nothing is erased");
    assert!(!play.effects.iter().any(|effect| matches!(effect, Effect::Ask(Ask::Page(..)))));
    play.event(received(60, 2, "after it"));
    play.see("after it");
    play.see_not("see you at eight");
    play.key(KeyCode::PageUp);
    play.see("see you at eight");
    play.see("after it");
}

#[test]
fn names_are_completed_at_the_begin_and_behind_an_at() {
    let mut play = talking((80, 24));
    play.keys("AN");
    play.key(KeyCode::Tab);
    input(&play, "ann: ");
    play.keys("ask @bo");
    play.key(KeyCode::Tab);
    input(&play, "ann: ask @bob ");
    // Anything else is the way to the list.
    play.keys("no");
    play.key(KeyCode::Tab);
    assert_eq!(play.model.focus, Focus::List);
    input(&play, "ann: ask @bob no");
}

#[test]
fn what_is_asked_alone_tells_what_is_set() {
    let mut play = talking((80, 24));
    for (command, told) in [
        ("/notify", "notifications: off"),
        ("/theme", "theme: plain"),
        ("/mouse", "mouse: off"),
        ("/mouse on", "mouse: on"),
        ("/mouse", "mouse: on"),
        ("/theme light", "theme: light"),
        ("/hide", "not hidden: ann sees when you are online"),
    ] {
        play.keys(&format!("{command}\n"));
        play.see(told);
    }
}

#[test]
fn words_that_are_not_clear_say_what_they_may_be() {
    let mut play = talking((80, 24));
    play.line("/sta");
    play.see("/sta may be /status or /start");
    play.model.editor.set(String::new());
    play.line("/frob");
    play.see("no command /frob");
    play.model.editor.set(String::new());
    play.line("/q bob");
    play.see("/query PEER goes to a conversation");
    assert!(!play.effects.contains(&Effect::Leave));
    play.model.editor.set(String::new());
    play.line("/q");
    assert!(play.effects.contains(&Effect::Leave));
}

#[test]
fn a_request_is_answered_in_the_words_of_the_screen() {
    let mut play = talking((80, 24));
    play.line("/accept");
    play.see("nobody asks to become a contact");
    play.event(What::Request { peer: onion(9), nick: "Zoe".into(), text: "hi".into() });
    alt(&mut play, '1');
    play.keys("hello you\n");
    play.see("accept the request first: /accept");
    input(&play, "hello you");
}

#[test]
fn control_d_asks_once_more() {
    let mut play = talking((80, 24));
    ctrl(&mut play, 'd');
    play.see("once more to leave");
    assert!(!play.effects.contains(&Effect::Leave));
    play.keys("x");
    play.key(KeyCode::Backspace);
    ctrl(&mut play, 'd');
    assert!(!play.effects.contains(&Effect::Leave));
    ctrl(&mut play, 'd');
    assert!(play.effects.contains(&Effect::Leave));
}

#[test]
fn everything_known_of_a_peer_is_on_one_page() {
    let mut play = talking((80, 24));
    play.line("/whois");
    assert!(matches!(&play.model.overlay, Some(Overlay::Text { lines, .. }) if lines[0] == onion(2).0.onion()));
    play.see("they call themselves Annie");
    play.see("not verified: /verify shows the words");
    play.key(KeyCode::Esc);
    let verified = Some(time(NOW - 3 * 24 * 3_600_000));
    let contact = Contact { verified, retain_days: Some(1), ..contact(2, Some("ann"), Some("\u{2713} verified")) };
    play.event(What::Contact { contact });
    play.line("/whois");
    play.see("✓ verified since 18 November 2026");
    play.see("they call themselves verified;");
    play.see("older than 1 day\n");
    play.key(KeyCode::Esc);
    play.line("/nick");
    play.see("you are");
}
