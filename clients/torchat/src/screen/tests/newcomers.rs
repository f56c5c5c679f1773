//! What somebody meets who has just come: the first invite, the first contact, a narrow window.

use super::*;
use crate::screen::model::{Decision, Notify, Open};
use torchat_client::api::reason::Notice as DaemonNotice;

fn invite(number: u8) -> String {
    format!("torchat:{}?i={}", onion(number).0.onion().trim_end_matches(".onion"), "0f".repeat(16))
}

fn first_run(size: (u16, u16)) -> Play {
    let mut play = Play::new(size);
    play.start(vec![], vec![]);
    let ask = play.asked(|ask| matches!(ask, Ask::Invite { .. }));
    play.answer(ask, Answer::Invite(invite(1)));
    play
}

#[test]
fn an_invite_is_taken_as_the_first_page_shows_it() {
    let screen = first_run((80, 24)).text();
    // The rows of the invite, with the code beside them, as a terminal selects them.
    let rows: Vec<&str> = screen.lines().skip_while(|row| !row.contains("torchat:")).take(3).collect();
    let taken = |pasted: String| {
        let mut play = Play::new((80, 24));
        play.start(vec![], vec![]);
        play.input(Input::Paste(pasted));
        play.key(KeyCode::Enter);
        play.asked(|ask| matches!(ask, Ask::Add { peer, text } if *peer == invite(1) && text.is_empty()));
    };
    taken(rows.join("\n"));
    taken(rows.iter().map(|row| row.chars().take(37).collect::<String>()).collect::<Vec<_>>().join("\r\n"));
    taken(rows.iter().map(|row| row.chars().take(37).collect::<String>().trim().to_owned()).collect::<String>());
    // Behind /add, too.
    let mut play = talking((80, 24));
    play.keys("/add ");
    play.input(Input::Paste(rows.join("\n")));
    play.key(KeyCode::Enter);
    play.asked(|ask| matches!(ask, Ask::Add { peer, .. } if *peer == invite(1)));
}

#[test]
fn a_wide_window_shows_the_invite_in_one_row_and_every_window_another_way() {
    for columns in [100, 120, 200] {
        let play = first_run((columns, 40));
        assert!(play.text().lines().any(|row| row.trim() == invite(1)), "{}", play.text());
    }
    for size in [(80, 24), (120, 40)] {
        let play = first_run(size);
        play.see("torchat contacts invite");
        play.see_not("phone");
    }
}

/// Somebody shows an invite of the user's.
pub(super) fn comes(play: &mut Play, peer: u8, nick: &str) {
    play.event(What::Contact { contact: contact(peer, None, Some(nick)) });
    play.event(What::Notice {
        peer: Some(with(peer)),
        sentence: "a new contact came with your invite".into(),
        why: Some(DaemonNotice::CameWithInvite),
    });
}

#[test]
fn who_comes_with_an_invite_is_announced_and_opened() {
    let mut play = first_run((80, 24));
    play.line("/notify bell");
    play.input(Input::Focus(false));
    comes(&mut play, 9, "bob");
    assert_eq!(play.model.open, Open::Conversation(with(9)));
    assert!(play.effects.contains(&Effect::Bell));
    assert!(play.model.notice.as_ref().is_some_and(|notice| notice.text == "bob came with your invite"));
    play.page(Anchor::Newest, vec![], false);
    play.now += 60_000;
    play.input(Input::Tick);
    play.see("bob came with your invite");
    // It stays where its time is.
    let late = message(50, onion(9), Direction::In, MessageState::Unread, play.now + 1_000, "hello");
    play.now += 1_000;
    play.event(What::Received { message: late });
    let text = play.text();
    assert!(text.find("came with your invite") < text.find("hello"), "{text}");
    assert_eq!(text.matches("came with your invite").count(), 1, "{text}");
}

#[test]
fn what_is_typed_is_not_taken_away_by_somebody_who_comes() {
    let mut play = first_run((80, 24));
    play.keys("half a th");
    comes(&mut play, 9, "bob");
    assert_eq!((play.model.open, play.model.editor.text()), (Open::Nothing, "half a th"));
    play.see("bob came with your invite");
}

#[test]
fn who_has_asked_or_was_added_has_not_come_with_an_invite() {
    let mut play = talking((80, 24));
    play.event(What::Request { peer: onion(9), nick: "Zoe".into(), text: String::new() });
    play.event(What::RequestGone { peer: onion(9) });
    play.event(What::Contact { contact: contact(9, None, Some("Zoe")) });
    play.see_not("came with your invite");
    // Added here: the event may come before the answer, or after it.
    for (peer, event_first) in [(8, true), (7, false)] {
        play.line(&format!("/add {}", onion(peer).0.onion()));
        let ask = play.asked(|ask| matches!(ask, Ask::Add { .. }));
        if event_first {
            play.event(What::Contact { contact: contact(peer, None, None) });
            play.answer(ask, Answer::Added(with(peer)));
        } else {
            play.answer(ask, Answer::Added(with(peer)));
            play.event(What::Contact { contact: contact(peer, None, None) });
        }
        play.see_not("came with your invite");
    }
}

#[test]
fn whom_another_program_adds_has_not_come_with_an_invite() {
    let mut play = first_run((80, 24));
    play.line("/notify bell");
    play.effects.clear();
    play.event(What::Contact { contact: contact(9, None, Some("Zoe")) });
    play.see_not("came with your invite");
    assert_eq!(play.model.open, Open::Nothing);
    assert!(!play.effects.contains(&Effect::Bell));
    // Whatever comes between, and after events that were missed.
    let mut play = talking((80, 24));
    for peer in [9, 8] {
        play.event(What::Request { peer: onion(peer), nick: "Zoe".into(), text: String::new() });
    }
    for peer in [9, 8] {
        play.event(What::RequestGone { peer: onion(peer) });
    }
    for peer in [9, 8] {
        play.event(What::Contact { contact: contact(peer, None, Some("Zoe")) });
        play.see_not("came with your invite");
    }
    comes(&mut play, 7, "Yan");
    play.see("Yan came with your invite");
    assert_eq!(play.model.open, Open::Conversation(with(2)));
}

#[test]
fn who_is_accepted_here_is_a_contact_whatever_comes_first_and_what_was_typed_goes_along() {
    let asked = What::Request { peer: onion(9), nick: "Zoe".into(), text: String::new() };
    let gone = What::RequestGone { peer: onion(9) };
    let contact = What::Contact { contact: contact(9, None, Some("Zoe")) };
    let other = What::Contact { contact: self::contact(8, None, Some("Yan")) };
    for events in [[&gone, &contact], [&contact, &gone]] {
        for answer_at in 0..=2 {
            let mut play = first_run((80, 24));
            play.event(other.clone());
            play.event(asked.clone());
            for key in [KeyCode::Tab, KeyCode::Home, KeyCode::Enter] {
                play.key(key);
            }
            assert_eq!(play.model.open, Open::Request(onion(9)));
            play.line("/accept");
            let ask = play.asked(|ask| *ask == Ask::Decide(Decision::Accept, onion(9)));
            for at in 0..=2 {
                if at == answer_at {
                    play.answer(ask.clone(), Answer::Done);
                    play.keys("Are you there?");
                }
                if let Some(event) = events.get(at) {
                    play.event((*event).clone());
                }
            }
            play.see_not("Zoe came with your invite");
            play.see("Zoe is a contact");
            assert_eq!((play.model.open, play.model.editor.text()), (Open::Conversation(with(9)), "Are you there?"));
            play.key(KeyCode::Enter);
            play.asked(
                |ask| matches!(ask, Ask::Send { peer, text, .. } if *peer == with(9) && text == "Are you there?"),
            );
        }
    }
}

#[test]
fn who_is_accepted_is_told_in_the_conversation_and_outside() {
    let mut play = talking((80, 24));
    play.line("/notify desktop");
    play.now += 10_000;
    // Carl, whom the user has asked.
    play.event(What::Contact { contact: contact(4, None, Some("carl")) });
    play.see("carl has accepted you");
    assert!(play.effects.contains(&Effect::Notify("carl has accepted you".into())));
    play.line(&format!("/peer {}", onion(4).0.onion()));
    play.page(Anchor::Newest, vec![], false);
    play.key(KeyCode::Left);
    play.see("carl has accepted you");
    // Once.
    play.now += 60_000;
    play.input(Input::Tick);
    play.effects.clear();
    play.event(What::Contact { contact: contact(4, Some("Carl"), Some("carl")) });
    assert!(!play.effects.iter().any(|effect| matches!(effect, Effect::Notify(_))));
    assert_eq!(play.model.notify, Notify::Desktop);
}

#[test]
fn an_invite_that_is_used_up_is_told_to_the_one_who_used_it() {
    let mut play = talking((80, 24));
    play.line(&format!("/add {}", invite(9)));
    let ask = play.asked(|ask| matches!(ask, Ask::Add { .. }));
    let mut waiting = contact(9, None, None);
    waiting.state = ContactState::Waiting;
    play.event(What::Contact { contact: waiting });
    play.answer(ask, Answer::Added(with(9)));
    play.now += 60_000;
    play.input(Input::Tick);
    play.see_not("used up");
    play.event(What::Link { peer: onion(9), up: true });
    play.now += 14_000;
    play.input(Input::Tick);
    play.see_not("used up");
    play.now = play.model.wake_at().unwrap().max(play.now + 1_000);
    play.input(Input::Tick);
    play.see("the invite is used up or too old");
    // One that was taken is not.
    let mut play = talking((80, 24));
    play.line(&format!("/add {}", invite(9)));
    let ask = play.asked(|ask| matches!(ask, Ask::Add { .. }));
    let mut waiting = contact(9, None, None);
    waiting.state = ContactState::Waiting;
    play.event(What::Contact { contact: waiting });
    play.answer(ask, Answer::Added(with(9)));
    play.event(What::Link { peer: onion(9), up: true });
    play.event(What::Contact { contact: contact(9, None, Some("Zoe")) });
    play.see("Zoe has accepted you");
    play.now += 60_000;
    play.input(Input::Tick);
    play.see_not("used up");
}

#[test]
fn what_came_below_the_screen_is_counted() {
    let mut play = talking((80, 24));
    let many = |from: i64, to: i64| {
        (from..=to)
            .map(|id| {
                message(id, onion(3), Direction::In, MessageState::Read, NOW - 9_000_000 + id, &format!("no. {id}."))
            })
            .collect::<Vec<_>>()
    };
    play.line(&format!("/peer {}", onion(3).0.onion()));
    play.page(Anchor::Newest, many(1, 100), false);
    play.key(KeyCode::PageUp);
    play.see(" ↓ Alt+End");
    for id in [101, 102] {
        let message = message(id, onion(3), Direction::In, MessageState::Unread, NOW, "something new");
        play.event(What::Received { message });
    }
    play.see(" ↓ 2 new  Alt+End");
    play.with_key(KeyCode::End, KeyModifiers::ALT);
    play.see_not("2 new");
}

#[test]
fn a_request_shows_the_whole_onion_in_every_window() {
    for size in [(40, 12), (40, 14), (60, 12), (80, 24), (120, 40)] {
        for text in ["", "Hello, we met in Brno.\nanswer me please", &"many words ".repeat(100)] {
            let mut play = Play::new(size);
            let request =
                ContactRequest { peer: onion(9), nick: "Ann".into(), text: text.into(), at: time(NOW - 5_000) };
            play.start(people(), vec![request]);
            if play.model.focus != crate::screen::model::Focus::List {
                play.key(KeyCode::Tab);
            }
            play.key(KeyCode::Home);
            play.key(KeyCode::Enter);
            let shown: String = play.text().chars().filter(char::is_ascii_alphanumeric).collect();
            let onion = onion(9).0.onion().replace('.', "");
            assert!(shown.contains(&onion), "{size:?}\n{}", play.text());
            play.see("/accept  /refuse  /block");
            if !text.is_empty() {
                play.see("│ ");
            }
        }
    }
}
