//! Answers and events in another order than usual: what is typed stays where it was typed, and nothing of it is lost.

use super::*;
use crate::screen::model::{Decision, Focus, Open, Overlay};
use torchat_client::api::command::{SearchAnswer, SendAnswer};
use torchat_client::api::event::MessageRef;
use torchat_client::api::{ApiClientError, ApiError, Code};

fn refused(code: Code) -> ApiClientError {
    ApiClientError::Refused(ApiError::new(code, "no"))
}

fn is_send(ask: &Ask) -> bool {
    matches!(ask, Ask::Send { .. })
}

fn is_seen(ask: &Ask) -> bool {
    matches!(ask, Ask::Seen(..))
}

fn ctrl(play: &mut Play, key: char) {
    play.with_key(KeyCode::Char(key), KeyModifiers::CONTROL);
}

fn alt(play: &mut Play, key: char) {
    play.with_key(KeyCode::Char(key), KeyModifiers::ALT);
}

fn received(id: i64, peer: u8, text: &str) -> What {
    What::Received { message: message(id, with(peer), Direction::In, MessageState::Unread, NOW + id, text) }
}

fn sent(id: i64) -> Answer {
    let mid = message(id, with(2), Direction::Out, MessageState::Queued, 0, "").mid;
    Answer::Sent(SendAnswer { id, mid, state: MessageState::Queued, duplicate: false })
}

fn typed(play: &Play) -> &str {
    play.model.editor.text()
}

/// The text that is given to the daemon next, and the question.
#[track_caller]
fn sending(play: &mut Play) -> (String, Ask) {
    let ask = play.asked(is_send);
    let Ask::Send { text, .. } = &ask else { unreachable!() };
    (text.clone(), ask)
}

fn asks_to_be_a_contact(peer: u8) -> What {
    What::Request { peer: onion(peer), nick: "Zoe".into(), text: "hi".into() }
}

#[test]
fn what_was_typed_as_one_identity_is_neither_sent_nor_shown_as_another() {
    let mut play = talking((80, 24));
    play.away();
    play.keys("for ann only\nnot finished");
    // Another daemon answers in the same run of the screen.
    play.start_as(6, people(), vec![]);
    assert_eq!(play.asks(is_send), 0);
    play.see_not("for ann only");
    play.see_not("not finished");
    play.away();
    play.see_not("waiting to be sent");
    // And in the next one.
    let mut play = Play::with((80, 24), Theme::Plain, play.leave());
    play.see_not("not finished");
    play.start_as(6, people(), vec![]);
    play.page(Anchor::Newest, vec![], false);
    assert_eq!(play.asks(is_send), 0);
    play.see_not("for ann only");
    assert_eq!(typed(&play), "");
    play.keys("as another");
    // The first one has all of it, and nothing of the other.
    let mut play = Play::with((80, 24), Theme::Plain, play.leave());
    play.start(people(), vec![]);
    assert_eq!(typed(&play), "not finished");
    assert_eq!(sending(&mut play).0, "for ann only");
}

#[test]
fn an_answer_to_another_identity_is_no_answer() {
    let mut play = talking((80, 24));
    play.keys("hello\n");
    let (_, ask) = sending(&mut play);
    play.start_as(6, people(), vec![]);
    play.input(Input::Answer(ask, Err(refused(Code::OutboxFull))));
    play.see_not("hello");
    play.start(people(), vec![]);
    assert_eq!(sending(&mut play).0, "hello");
}

#[test]
fn what_an_earlier_version_kept_is_not_sent_but_given_back() {
    let ann = onion(2).0.onion();
    let kept = |text: &str, key: &str| format!("{{\"peer\":\"{ann}\",\"text\":\"{text}\",\"key\":\"{key}\",\"at\":1}}");
    let (uno, dos) = (kept("uno", "1-1"), kept("dos", "1-2"));
    let file = format!("{{\"drafts\":{{\"{ann}\":\"half\"}},\"unsent\":[{uno},{dos}],\"notify\":\"off\"}}");
    let mut play = Play::with((80, 24), Theme::Plain, serde_json::from_str(&file).unwrap());
    play.start(people(), vec![]);
    assert_eq!(play.asks(is_send), 0);
    assert_eq!(typed(&play), "half\nuno\ndos");
    // It belongs now to who has seen and changed it.
    play.keys("!");
    let mut play = Play::with((80, 24), Theme::Plain, play.leave());
    play.start_as(6, people(), vec![]);
    assert_eq!(typed(&play), "");
    let mut play = Play::with((80, 24), Theme::Plain, play.leave());
    play.start(people(), vec![]);
    assert_eq!(typed(&play), "half\nuno\ndos!");
}

#[test]
fn a_refusal_before_the_list_gives_the_text_back() {
    let mut play = talking((80, 24));
    play.away();
    play.keys("for ann\n");
    let mut play = Play::with((80, 24), Theme::Plain, play.leave());
    play.connect(false);
    let (_, ask) = sending(&mut play);
    play.input(Input::Answer(ask, Err(refused(Code::OutboxFull))));
    let ask = play.asked(|ask| matches!(ask, Ask::Conversations { .. }));
    play.answer(ask, Answer::Conversations(people()));
    assert_eq!((play.model.open, typed(&play)), (Open::Conversation(with(2)), "for ann"));
}

#[test]
fn every_refused_message_comes_back_in_its_order_behind_what_is_typed() {
    let mut play = talking((80, 24));
    play.keys("uno\ndos\n//tres\nand");
    for _ in 0..3 {
        let (_, ask) = sending(&mut play);
        play.input(Input::Answer(ask, Err(refused(Code::OutboxFull))));
    }
    assert_eq!(typed(&play), "and\nuno\ndos\n/tres");
    // Of another conversation it is in its draft; a slash that was no command is none now.
    let mut play = talking((80, 24));
    play.keys("//uno\ndos\n");
    alt(&mut play, '2');
    for _ in 0..2 {
        let (_, ask) = sending(&mut play);
        play.input(Input::Answer(ask, Err(refused(Code::OutboxFull))));
    }
    assert_eq!(typed(&play), "");
    alt(&mut play, '1');
    assert_eq!(typed(&play), "//uno\ndos");
}

#[test]
fn a_refused_message_is_not_mixed_with_a_command() {
    let mut play = talking((80, 24));
    play.keys("for ann\n/msg bob hi");
    let (_, ask) = sending(&mut play);
    play.input(Input::Answer(ask, Err(refused(Code::OutboxFull))));
    assert_eq!(typed(&play), "/msg bob hi");
    play.see("not sent");
    // It comes when the command is gone, also in the next run.
    let mut again = Play::with((80, 24), Theme::Plain, play.leave());
    again.start(people(), vec![]);
    assert_eq!((typed(&again), again.asks(is_send)), ("/msg bob hi", 0));
    for mut play in [play, again] {
        ctrl(&mut play, 'u');
        assert_eq!(typed(&play), "for ann");
        assert_eq!(play.text().matches("for ann").count(), 1, "{}", play.text());
    }
}

#[test]
fn a_message_that_waits_shows_its_own_text() {
    let mut play = talking((80, 24));
    play.keys("uno\n");
    play.see("uno");
    let (_, ask) = sending(&mut play);
    play.answer(ask, sent(40));
    play.keys("dos\n");
    play.see("dos");
}

#[test]
fn who_is_added_is_opened_only_if_nothing_is_typed_meanwhile() {
    for event_first in [true, false] {
        let mut play = talking((80, 24));
        play.line(&format!("/add {}", onion(9).0.onion()));
        let ask = play.asked(|ask| matches!(ask, Ask::Add { .. }));
        play.keys("dear ann, ");
        if event_first {
            play.event(What::Contact { contact: contact(9, None, Some("Zoe")) });
        }
        play.answer(ask, Answer::Added(with(9)));
        if !event_first {
            play.event(What::Contact { contact: contact(9, None, Some("Zoe")) });
        }
        play.see("Zoe is a contact now");
        assert_eq!((play.model.open, typed(&play)), (Open::Conversation(with(2)), "dear ann, "));
        play.keys("hello\n");
        play.asked(|ask| matches!(ask, Ask::Send { peer, text, .. } if *peer == with(2) && text == "dear ann, hello"));
    }
    // Nor if another conversation is open by now.
    let mut play = talking((80, 24));
    play.line(&format!("/add {}", onion(9).0.onion()));
    let ask = play.asked(|ask| matches!(ask, Ask::Add { .. }));
    play.event(What::Contact { contact: contact(9, None, Some("Zoe")) });
    alt(&mut play, '3');
    let open = play.model.open;
    play.answer(ask, Answer::Added(with(9)));
    assert_eq!(play.model.open, open);
}

#[test]
fn a_command_that_is_typed_stays_with_the_one_it_is_about() {
    // Zoe (9) is accepted, while a command about somebody else (8), or about her, is typed.
    for other in [true, false] {
        let mut play = talking((80, 24));
        play.event(asks_to_be_a_contact(9));
        play.event(asks_to_be_a_contact(8));
        alt(&mut play, '1');
        assert_eq!(play.model.open, Open::Request(onion(9)));
        play.line("/accept");
        let ask = play.asked(|ask| *ask == Ask::Decide(Decision::Accept, onion(9)));
        if other {
            alt(&mut play, '2');
            assert_eq!(play.model.open, Open::Request(onion(8)));
        }
        let open = play.model.open;
        play.keys("/blo");
        play.answer(ask, Answer::Done);
        play.event(What::Contact { contact: contact(9, None, Some("Zoe")) });
        play.see("Zoe is a contact");
        assert_eq!((play.model.open, typed(&play)), (open, "/blo"));
        play.event(What::RequestGone { peer: onion(9) });
        assert_eq!(typed(&play), "/blo");
        assert_ne!(play.model.open, Open::Conversation(with(9)));
    }
}

#[test]
fn what_goes_along_to_a_new_contact_joins_its_draft() {
    let mut play = talking((80, 24));
    // Carl was a contact once, and has a draft from then.
    play.keys(
        "/win 3
",
    );
    assert_eq!(play.model.open, Open::Conversation(with(4)));
    play.keys("a draft");
    alt(&mut play, '1');
    play.keys(
        "/close
",
    );
    assert_eq!(play.model.open, Open::Nothing);
    play.keys(&format!(
        "/add {}
",
        onion(4).0.onion()
    ));
    let ask = play.asked(|ask| matches!(ask, Ask::Add { .. }));
    play.keys("and now");
    play.answer(ask, Answer::Added(with(4)));
    assert_eq!((play.model.open, typed(&play)), (Open::Conversation(with(4)), "a draft\nand now"));
}

#[test]
fn the_first_list_does_not_take_away_what_is_typed() {
    for size in [(80, 24), (40, 20)] {
        let mut play = Play::new(size);
        play.keys("half a th");
        play.start(people(), vec![]);
        assert_eq!((play.model.open, play.model.focus, typed(&play)), (Open::Nothing, Focus::Input, "half a th"));
    }
}

#[test]
fn a_refused_seen_is_asked_again_later_and_not_at_once() {
    for error in [refused(Code::StorageUnsure), ApiClientError::Lost { reason: "gone".into() }] {
        let mut play = talking((80, 24));
        play.event(received(51, 2, "on the screen"));
        let ask = play.asked(is_seen);
        play.input(Input::Answer(ask, Err(error)));
        play.input(Input::Tick);
        play.keys("typing");
        assert_eq!(play.asks(is_seen), 0);
        let at = play.model.wake_at().unwrap();
        assert!(at - play.now <= 5_000);
        play.now += 5_000;
        play.input(Input::Tick);
        assert_eq!(play.asks(is_seen), 1);
    }
}

#[test]
fn no_single_key_destroys_what_was_typed() {
    // Ctrl+C empties; that can be undone, and is told.
    let mut play = talking((80, 24));
    play.keys("hello there");
    ctrl(&mut play, 'c');
    assert_eq!(typed(&play), "");
    play.see("Ctrl+_");
    play.see("leave");
    ctrl(&mut play, '_');
    assert_eq!(typed(&play), "hello there");
    ctrl(&mut play, 'c');
    ctrl(&mut play, 'y');
    assert_eq!(typed(&play), "hello there");
    ctrl(&mut play, 'c');
    alt(&mut play, 'p');
    assert_eq!(typed(&play), "hello there");
    // A search that takes a line.
    let mut play = talking((80, 24));
    play.keys("the blue sea\nhalf a th");
    ctrl(&mut play, 'r');
    play.keys("blue\n");
    assert_eq!(typed(&play), "the blue sea");
    ctrl(&mut play, '_');
    assert_eq!(typed(&play), "half a th");
    ctrl(&mut play, 'r');
    play.keys("blue\n");
    alt(&mut play, 'n');
    assert_eq!(typed(&play), "half a th");
    ctrl(&mut play, 'r');
    play.keys("blue\n\n");
    assert_eq!(typed(&play), "");
    alt(&mut play, 'p');
    alt(&mut play, 'p');
    assert_eq!(typed(&play), "half a th");
    // A text that is pasted into a search.
    ctrl(&mut play, 'r');
    play.input(Input::Paste("pasted".into()));
    play.key(KeyCode::Esc);
    assert!(typed(&play).contains("pasted"));
    // A walk that ends elsewhere, or with the program.
    for search in [false, true] {
        let mut play = talking((80, 24));
        play.keys("the blue sea\nhalf a th");
        if search {
            ctrl(&mut play, 'r');
            play.keys("blue");
        } else {
            alt(&mut play, 'p');
        }
        assert_eq!(typed(&play), "the blue sea");
        let stored = play.leave();
        let mut again = Play::with((80, 24), Theme::Plain, stored);
        again.start(people(), vec![]);
        assert_eq!(typed(&again), "half a th");
        play.with_key(KeyCode::Down, KeyModifiers::ALT);
        assert_eq!((play.model.open, typed(&play)), (Open::Conversation(with(3)), ""));
        play.key(KeyCode::Esc);
        assert_eq!(typed(&play), "");
        play.with_key(KeyCode::Up, KeyModifiers::ALT);
        assert_eq!(typed(&play), "half a th");
    }
}

#[test]
fn a_reply_that_has_no_room_takes_nothing_away() {
    let mut play = talking((80, 24));
    let long = "x".repeat(65_536);
    play.input(Input::Paste(long.clone()));
    play.model.editor.go(crate::screen::editor::Go::Start);
    play.key(KeyCode::Up);
    play.keys("r");
    play.see("too long");
    assert!(typed(&play) == long);
}

#[test]
fn what_torchatd_may_have_is_taken_back_there() {
    let mut play = talking((80, 24));
    play.keys("oh no\n");
    let (_, ask) = sending(&mut play);
    let Ask::Send { key, .. } = ask.clone() else { unreachable!() };
    play.away();
    play.input(Input::Answer(ask, Err(ApiClientError::Lost { reason: "gone".into() })));
    play.line("/cancel");
    play.see("taking back: torchatd may have it");
    play.see_not("oh no");
    // Also in the next run, and not by another identity.
    let mut again = Play::with((80, 24), Theme::Plain, play.leave());
    again.start_as(6, people(), vec![]);
    assert_eq!(again.asks(|ask| matches!(ask, Ask::TakeBack { .. })), 0);
    again.effects.clear();
    again.connect(false);
    for play in [&mut play, &mut again] {
        if play.asks(|ask| matches!(ask, Ask::TakeBack { .. })) == 0 {
            play.connect(true);
        }
        assert_eq!(play.asks(is_send), 0);
        let ask = play.asked(|ask| matches!(ask, Ask::TakeBack { .. }));
        assert!(matches!(&ask, Ask::TakeBack { peer, key: asked, .. } if *peer == with(2) && *asked == key));
        // The event tells that torchatd has it, before the answer says what has become of it.
        let mut queued = message(40, with(2), Direction::Out, MessageState::Queued, NOW, "oh no");
        queued.client_id = Some(key.clone());
        play.event(What::Queued { message: queued });
        play.answer(ask, Answer::TakenBack(Some(true)));
        play.see("it never left this machine");
        assert!(play.model.stored.drafts.unsent().is_empty());
        assert_eq!(play.asks(|ask| matches!(ask, Ask::TakeBack { .. })), 0);
    }
    // One that never was under way is simply gone, also while another one is.
    let mut play = talking((80, 24));
    play.keys("uno\ndos\n/cancel\n");
    play.see("taken back");
    play.see_not("dos");
    assert_eq!(sending(&mut play).0, "uno");
    assert_eq!(play.model.stored.drafts.unsent().len(), 1);
}

#[test]
fn a_message_to_somebody_else_does_not_move_the_view() {
    let mut play = Play::new((80, 24));
    play.start(people(), vec![]);
    let many = (1..=100).map(|id| message(id, with(2), Direction::In, MessageState::Read, NOW, &format!("no. {id}.")));
    play.page(Anchor::Newest, many.collect(), false);
    play.key(KeyCode::PageUp);
    let before = play.timeline(2).window.bottom;
    assert!(before.is_some());
    play.line(&format!("/msg {} hi", onion(4).0.onion()));
    assert_eq!(play.timeline(2).window.bottom, before);
    play.keys("hi ann\n");
    assert_eq!(play.timeline(2).window.bottom, None);
}

#[test]
fn an_answer_of_a_search_is_that_of_its_question() {
    let found = |id, peer: u8| {
        let messages = vec![message(id, with(peer), Direction::In, MessageState::Read, NOW, &format!("paper {id}"))];
        Answer::Found(SearchAnswer { messages, more: false, complete: true })
    };
    let mut play = talking((80, 24));
    ctrl(&mut play, 'f');
    play.keys("paper\n");
    let here = play.asked(|ask| matches!(ask, Ask::Search { peer: Some(_), .. }));
    play.key(KeyCode::Tab);
    let everywhere = play.asked(|ask| matches!(ask, Ask::Search { peer: None, .. }));
    for late in [false, true] {
        if late {
            play.answer(everywhere.clone(), found(7, 3));
        }
        play.answer(here.clone(), found(5, 2));
        play.see_not("paper 5");
        let waits = matches!(&play.model.overlay, Some(Overlay::Search(search)) if search.waiting);
        assert_eq!(waits, !late);
    }
    play.see("paper 7");
}

#[test]
fn another_identity_has_no_notices_of_the_first() {
    let mut play = talking((80, 24));
    play.event(What::Notice { peer: Some(with(2)), sentence: "a secret of the first".into(), why: None });
    play.line(&format!("/add {}", onion(9).0.onion()));
    let ask = play.asked(|ask| matches!(ask, Ask::Add { .. }));
    play.answer(ask, Answer::Added(with(9)));
    play.start_as(6, people(), vec![]);
    play.line("/status");
    play.status(true, 100, "fine");
    play.see_not("a secret of the first");
    play.key(KeyCode::Esc);
    // Nor does a conversation open that the first one wanted.
    let open = play.model.open;
    play.event(What::Contact { contact: contact(9, None, Some("Zoe")) });
    assert_eq!(play.model.open, open);
}

#[test]
fn a_highlight_word_that_another_client_has_read_marks_nothing_any_more() {
    let mut play = talking((80, 24));
    play.keys("/highlight paper\n");
    play.line(&format!("/mute {} on", onion(3).0.onion()));
    play.event(received(60, 3, "the paper"));
    assert!(play.model.is_mentioned(with(3)));
    let mid = message(60, with(3), Direction::In, MessageState::Read, 0, "").mid;
    for id in [19, 20, 60] {
        play.event(What::Read(MessageRef { peer: with(3), id, mid }));
    }
    assert!(!play.model.is_mentioned(with(3)));
    play.event(received(61, 3, "nothing special"));
    assert!(!play.model.is_mentioned(with(3)));
    alt(&mut play, 'a');
    play.see("nothing new");
    // The same where only the new list tells it.
    play.event(received(62, 3, "the paper"));
    play.connect(false);
    let ask = play.asked(|ask| matches!(ask, Ask::Conversations { .. }));
    let mut list = people();
    list[1].unread = 0;
    play.effects.clear();
    play.answer(ask, Answer::Conversations(list));
    assert!(!play.model.is_mentioned(with(3)) || play.timeline(3).unread() > 0);
}
