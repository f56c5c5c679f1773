//! What the user decides about one conversation: that it is erased, how long it is kept, that its key was compared.

use super::*;
use crate::screen::model::{Confirm, Erasing, Overlay};
use torchat_client::api::command::EraseCountAnswer;
use torchat_client::api::{ApiClientError, ApiError, Code};
use torchat_client::compare;

const DAY: i64 = 24 * 3_600_000;

fn found(erasable: u64, kept: u64) -> Answer {
    Answer::Erasable(EraseCountAnswer { erasable, kept, upto: 40 })
}

fn counting(play: &mut Play, line: &str) -> Ask {
    play.line(line);
    play.asked(|ask| matches!(ask, Ask::CountErasable(..)))
}

fn erases(play: &Play) -> bool {
    play.effects.iter().any(|effect| matches!(effect, Effect::Ask(Ask::Erase(..) | Ask::Retain(..))))
}

#[test]
fn a_conversation_is_erased_after_a_question_with_its_number_and_up_to_what_was_counted() {
    let mut play = talking((80, 24));
    let ask = counting(&mut play, "/erase");
    assert_eq!(ask, Ask::CountErasable(with(2), Erasing::All));
    play.see("Counting the messages with ann here");
    play.answer(ask, found(1_204, 3));
    play.see("Erase 1,204 messages with ann here, for good? 3 that wait");
    play.keys("y");
    let ask = play.asked(|ask| *ask == Ask::Erase(with(2), 40));
    play.answer(ask, Answer::Erased(1_204, 1));
    play.see("erased 1,204 messages with ann here; 1 that waits for delivery stays");
}

#[test]
fn nothing_that_is_typed_while_messages_are_counted_answers_the_question() {
    let mut play = talking((80, 24));
    let ask = counting(&mut play, "/erase");
    play.keys("yes, yes");
    assert!(!erases(&play));
    play.answer(ask, found(1, 0));
    play.see("Erase 1 message with ann here");
    play.keys("n");
    assert!(play.model.overlay.is_none() && !erases(&play));
    // Nor does an answer that comes when nobody waits for it any more ask anything.
    let ask = counting(&mut play, "/erase");
    play.key(KeyCode::Esc);
    play.answer(ask, found(1, 0));
    assert!(play.model.overlay.is_none());
    // Nor one of another question.
    let late = counting(&mut play, "/retain 3");
    play.key(KeyCode::Esc);
    let ask = counting(&mut play, "/erase");
    play.answer(late, found(9, 0));
    play.see("Counting");
    play.answer(ask, found(2, 0));
    play.see("Erase 2 messages");
}

#[test]
fn where_there_is_nothing_to_erase_nothing_is_asked() {
    for (kept, words) in [
        (0, "there are no messages with ann here"),
        (1, "nothing to erase with ann: 1 that waits for delivery stays (/cancel)"),
        (2_000, "nothing to erase with ann: 2,000 that wait for delivery stay (/cancel)"),
    ] {
        let mut play = talking((80, 24));
        let ask = counting(&mut play, "/erase");
        play.answer(ask, found(0, kept));
        play.see(words);
        assert!(play.model.overlay.is_none());
        // What an earlier one has left in the files goes, and no message.
        let ask = play.asked(|ask| *ask == Ask::Erase(with(2), 0));
        play.answer(ask, Answer::Erased(0, 0));
        play.see(words);
        assert!(!erases(&play));
    }
}

#[test]
fn without_the_number_nothing_is_asked_and_the_reason_is_told() {
    let mut play = talking((80, 24));
    let ask = counting(&mut play, "/erase");
    let refused = ApiError::new(Code::NotAllowed, "no");
    play.input(Input::Answer(ask, Err(ApiClientError::Refused(refused))));
    play.see("does not allow it");
    assert!(play.model.overlay.is_none());
}

#[test]
fn an_age_is_asked_about_only_if_something_is_older() {
    let mut play = talking((80, 24));
    let ask = counting(&mut play, "/retain 30");
    assert_eq!(ask, Ask::CountErasable(with(2), Erasing::Older { days: 30, before: NOW - 30 * DAY }));
    play.answer(ask, found(12, 0));
    play.see("older than 30 days? Now that is up to 12");
    play.keys("y");
    play.asked(|ask| *ask == Ask::Retain(onion(2), Some(30)));
    let ask = counting(&mut play, "/retain 1");
    play.answer(ask, found(0, 5));
    let ask = play.asked(|ask| *ask == Ask::Retain(onion(2), Some(1)));
    assert!(play.model.overlay.is_none());
    play.answer(ask, Answer::Done);
    play.see("kept for 1 day here: messages with ann");
    for wrong in ["0", "36501", "soon", "-1"] {
        play.line(&format!("/retain {wrong}"));
        play.see("/retain [DAYS|off]");
        assert!(play.model.overlay.is_none() && !erases(&play), "{wrong}");
    }
    // To keep more needs no question.
    play.line("/retain off");
    let ask = play.asked(|ask| *ask == Ask::Retain(onion(2), None));
    play.answer(ask, Answer::Done);
    play.see("kept, however old: messages with ann");
}

/// A page with the words of ann, who is called so.
fn comparing(size: (u16, u16), name: &str) -> Play {
    let mut play = talking(size);
    play.event(What::Contact { contact: contact(2, Some(name), None) });
    play.line("/verify");
    play
}

#[test]
fn the_code_is_shown_in_the_window_that_the_page_names_whatever_the_name_is() {
    let words = compare::words(&onion(1).0, &onion(2).0);
    for name in ["a", "ann of the green gables on the hill", &"ab ".repeat(30), &"\u{65e5}\u{672c}".repeat(20)] {
        let play = comparing((80, 24), name);
        play.see("\u{2584}\u{2584}\u{2584}\u{2584}\u{2584}");
        play.see_not("In a window of");
        words.iter().for_each(|word| play.see(word));
        play.see("/verify yes");
        let small = comparing((79, 23), name);
        assert_eq!(small.model.areas().status.y, 22);
    }
    let mut play = comparing((40, 12), "ann");
    play.see_not("\u{2588}");
    play.key(KeyCode::End);
    play.see("In a window of 80 x 24");
}

#[test]
fn every_page_with_a_code_leaves_the_line_with_tor_and_the_time() {
    for size in [(40, 12), (80, 24), (120, 40)] {
        for line in ["/qr", "/verify"] {
            let mut play = talking(size);
            play.event(What::Tor { usable: false, sentence: "no way in".into(), why: None });
            play.line(line);
            let screen = play.text();
            let rule = screen.lines().nth_back(1).unwrap();
            assert!(rule.contains("Tor: down") && rule.contains("bob:2") && rule.contains("09:30"), "{screen}");
        }
    }
}

#[test]
fn words_that_were_heard_or_scanned_are_compared() {
    let words = compare::words(&onion(1).0, &onion(2).0);
    let mut play = talking((80, 24));
    for same in [words.join(" "), compare::code(&words)] {
        play.line(&format!("/verify {same}"));
        play.see("these are the words of you and ann: /verify yes");
    }
    play.line(&format!("/verify {} zoo", words[..11].join(" ")));
    play.see("not the words of you and ann");
    play.line("/verify maybe");
    play.see("/verify [yes|no|WORDS]");
}

#[test]
fn what_goes_with_a_verified_contact_is_told_before_it_goes() {
    let lost = "They are verified: the ✓ goes, too. y ";
    let says = |play: &Play| play.text().split_whitespace().collect::<Vec<_>>().join(" ").contains(lost);
    for line in ["/block", "/remove"] {
        // Where nothing is cut off there, nothing is anywhere.
        let mut play = talking((40, 12));
        play.line(line);
        assert!(!says(&play));
        play.key(KeyCode::Esc);
        let verified = Contact { verified: Some(time(NOW)), ..contact(2, Some("ann"), None) };
        play.event(What::Contact { contact: verified });
        play.line(line);
        assert!(says(&play), "{}", play.text());
        assert!(matches!(play.model.overlay, Some(Overlay::Confirm(Confirm::Block(_) | Confirm::Remove(_)))));
    }
}

#[test]
fn a_stranger_cannot_look_verified() {
    let mut play = Play::new((80, 24));
    let request = |nick: &str| ContactRequest { peer: onion(9), nick: nick.into(), text: String::new(), at: time(NOW) };
    play.start(people(), vec![request("\u{2713} zoe")]);
    play.see("zoe");
    play.see_not("\u{2713}");
    let mut play = Play::new((80, 24));
    play.start(people(), vec![request("\u{2713}")]);
    play.see(&format!("{}..", onion(9).0.short()));
}
