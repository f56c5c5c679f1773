//! Every screen in three sizes, as text. `INSTA_UPDATE=always cargo test -p torchat` writes them anew; look at them.

use super::*;
use crate::screen::model::{Decision, Focus};
use crossterm::event::KeyModifiers;
use torchat_client::api::command::EraseCountAnswer;

const SIZES: [(u16, u16); 3] = [(40, 12), (80, 24), (120, 40)];

/// Compares a screen in the three sizes.
fn screens(name: &str, play: impl Fn((u16, u16)) -> Play) {
    for size in SIZES {
        let text = play(size).text();
        insta::assert_snapshot!(format!("{name}_{}x{}", size.0, size.1), text);
    }
}

fn request() -> ContactRequest {
    let text = "Hello, we met in Brno.\nanswer me please".into();
    ContactRequest { peer: onion(9), nick: "Ann".into(), text, at: time(NOW - 5_000) }
}

#[test]
fn no_daemon() {
    screens("no_daemon", |size| {
        let mut play = Play::new(size);
        let reason = torchat_client::api::ApiClientError::NotFound { looked: "there is no directory ~/x".into() };
        play.input(Input::Link(State::Gone { reason, retry: std::time::Duration::from_secs(1) }));
        play
    });
}

#[test]
fn first_run_while_tor_starts() {
    screens("first_run", |size| {
        let mut play = Play::new(size);
        play.start(vec![], vec![]);
        let ask = play.asked(|ask| matches!(ask, Ask::Invite { .. }));
        let invite = format!("torchat:{}?i={}", onion(1).0.onion().trim_end_matches(".onion"), "0f".repeat(16));
        play.answer(ask, Answer::Invite(invite));
        play.event(What::Tor { usable: false, sentence: "looking for relays".into(), why: None });
        play
    });
}

#[test]
fn a_conversation() {
    screens("conversation", talking);
}

#[test]
fn the_list_with_a_request() {
    screens("list", |size| {
        let mut play = Play::new(size);
        play.start(people(), vec![request()]);
        if play.model.focus != Focus::List {
            play.key(KeyCode::Tab);
        }
        play.key(KeyCode::Home);
        play
    });
}

#[test]
fn a_request_that_reads_like_a_contact() {
    screens("request", |size| {
        let mut play = Play::new(size);
        play.start(people(), vec![request()]);
        if play.model.focus != Focus::List {
            play.key(KeyCode::Tab);
        }
        play.key(KeyCode::Home);
        play.key(KeyCode::Enter);
        play
    });
}

#[test]
fn writing_several_lines() {
    screens("writing", |size| {
        let mut play = talking(size);
        play.input(Input::Paste(
            "first line\r\nsecond line, which is long enough to be broken on small screens".into(),
        ));
        play.with_key(KeyCode::Enter, KeyModifiers::ALT);
        play.keys("third");
        play
    });
}

#[test]
fn a_chosen_message() {
    screens("chosen", |size| {
        let mut play = talking(size);
        play.key(KeyCode::Up);
        play.key(KeyCode::Up);
        play
    });
}

#[test]
fn a_reply() {
    screens("reply", |size| {
        let mut play = talking(size);
        play.keys("/reply\nyes");
        play
    });
}

#[test]
fn a_command_being_typed() {
    screens("command", |size| {
        let mut play = talking(size);
        play.keys("/re");
        play
    });
}

#[test]
fn all_keys() {
    screens("keys", |size| {
        let mut play = talking(size);
        play.keys("?");
        play
    });
}

#[test]
fn all_commands() {
    screens("help", |size| {
        let mut play = talking(size);
        play.line("/help");
        play
    });
}

#[test]
fn a_search() {
    screens("search", |size| {
        let mut play = talking(size);
        play.line("/search paper");
        let ask = play.asked(|ask| matches!(ask, Ask::Search { .. }));
        let messages = talk().into_iter().take(2).rev().collect();
        let found = torchat_client::api::command::SearchAnswer { messages, more: true, complete: true };
        play.answer(ask, Answer::Found(found));
        play
    });
}

#[test]
fn the_own_onion_as_a_code() {
    screens("qr", |size| {
        let mut play = talking(size);
        play.line("/qr");
        play
    });
}

#[test]
fn an_invite_as_a_code() {
    screens("invite", |size| {
        let mut play = talking(size);
        play.line("/invite");
        let ask = play.asked(|ask| matches!(ask, Ask::Invite { hours: 168, show: true }));
        let invite = format!("torchat:{}?i={}", onion(1).0.onion().trim_end_matches(".onion"), "0f".repeat(16));
        play.answer(ask, Answer::Invite(invite));
        play
    });
}

#[test]
fn the_state_of_the_daemon() {
    screens("status", |size| {
        let mut play = talking(size);
        play.event(What::Notice { peer: Some(with(3)), sentence: "an old program writes to you".into(), why: None });
        play.line("/status");
        play.status(true, 100, "everything works");
        play
    });
}

#[test]
fn all_contacts() {
    screens("peers", |size| {
        let mut play = talking(size);
        play.line("/peers");
        play
    });
}

#[test]
fn the_question_before_the_daemon_is_stopped() {
    screens("exit", |size| {
        let mut play = talking(size);
        play.line("/exit");
        play
    });
}

/// ann's key was compared three days ago.
fn verified(play: &mut Play) {
    let verified = Some(time(NOW - 3 * 24 * 3_600_000));
    let contact = Contact { verified, link: true, ..contact(2, Some("ann"), Some("Annie")) };
    play.event(What::Contact { contact });
}

fn found(erasable: u64, kept: u64) -> Answer {
    Answer::Erasable(EraseCountAnswer { erasable, kept, upto: 9 })
}

#[test]
fn the_words_to_compare_and_their_code() {
    screens("verify", |size| {
        let mut play = talking(size);
        play.line("/verify");
        play
    });
}

#[test]
fn a_verified_contact() {
    screens("verified", |size| {
        let mut play = talking(size);
        verified(&mut play);
        play.line("/verify yes");
        let ask = play.asked(|ask| matches!(ask, Ask::Decide(Decision::Verify, _)));
        play.answer(ask, Answer::Done);
        play
    });
}

#[test]
fn what_is_known_of_a_verified_peer() {
    screens("whois_verified", |size| {
        let mut play = talking(size);
        verified(&mut play);
        play.line("/whois");
        play
    });
}

#[test]
fn the_question_before_a_verified_contact_is_removed() {
    screens("remove_verified", |size| {
        let mut play = talking(size);
        verified(&mut play);
        play.line("/remove");
        play
    });
}

#[test]
fn the_question_before_a_contact_is_blocked() {
    screens("block", |size| {
        let mut play = talking(size);
        play.line("/block");
        play
    });
}

#[test]
fn messages_are_counted_before_the_question() {
    screens("erase_counting", |size| {
        let mut play = talking(size);
        play.line("/erase");
        play
    });
}

#[test]
fn the_question_before_a_conversation_is_erased() {
    screens("erase", |size| {
        let mut play = talking(size);
        play.line("/erase");
        let ask = play.asked(|ask| matches!(ask, Ask::CountErasable(..)));
        play.answer(ask, found(1_204, 1));
        play
    });
}

#[test]
fn a_conversation_that_was_erased() {
    screens("erased", |size| {
        let mut play = talking(size);
        play.line("/erase");
        let ask = play.asked(|ask| matches!(ask, Ask::CountErasable(..)));
        play.answer(ask, found(7, 2));
        play.keys("y");
        let ask = play.asked(|ask| matches!(ask, Ask::Erase(..)));
        play.answer(ask, Answer::Erased(7, 2));
        play.event(What::Erased { peer: with(2), from: 1, upto: 7, kept: vec![] });
        play
    });
}

#[test]
fn the_question_before_old_messages_are_erased() {
    screens("retain", |size| {
        let mut play = talking(size);
        play.line("/retain 30");
        let ask = play.asked(|ask| matches!(ask, Ask::CountErasable(..)));
        play.answer(ask, found(3, 0));
        play
    });
}

#[test]
fn how_long_messages_are_kept() {
    screens("retained", |size| {
        let mut play = talking(size);
        play.line("/retain 1");
        let ask = play.asked(|ask| matches!(ask, Ask::CountErasable(..)));
        play.answer(ask, found(0, 0));
        let ask = play.asked(|ask| matches!(ask, Ask::Retain(_, Some(1))));
        play.answer(ask, Answer::Done);
        play
    });
}

#[test]
fn the_daemon_is_away() {
    screens("away", |size| {
        let mut play = talking(size);
        let reason = torchat_client::api::ApiClientError::Lost { reason: "torchatd closed it".into() };
        play.input(Input::Link(State::Gone { reason, retry: std::time::Duration::from_secs(1) }));
        play.keys("typed meanwhile\n");
        play
    });
}

#[test]
fn new_messages_below_what_is_read() {
    screens("scrolled", |size| {
        let mut play = Play::new(size);
        play.start(people(), vec![]);
        if play.model.focus == Focus::List {
            play.key(KeyCode::Enter);
        }
        let ann = onion(2);
        let many = (1..=100)
            .map(|id| {
                message(id, ann, Direction::In, MessageState::Read, NOW - (200 - id) * 60_000, &format!("number {id}"))
            })
            .collect();
        play.page(Anchor::Newest, many, true);
        play.key(KeyCode::PageUp);
        let text = "something new";
        play.event(What::Received { message: message(101, ann, Direction::In, MessageState::Unread, NOW, text) });
        play
    });
}

#[test]
fn a_conversation_while_tor_starts() {
    screens("starting", |size| {
        let mut play = talking(size);
        play.event(What::Tor { usable: false, sentence: "connecting to the Tor network (40 %)".into(), why: None });
        play
    });
}

#[test]
fn a_day_that_was_gone_to() {
    screens("history", |size| {
        let mut play = talking(size);
        play.line("/history 2026-11-21");
        let ask = play.asked(|ask| matches!(ask, Ask::Locate(..)));
        play.answer(ask, Answer::Located(Some(4)));
        let ask = play.asked(|ask| is_page(ask, 2, Anchor::Around(4)));
        let (until, behind) = talk().into_iter().partition(|message| message.id <= 4);
        let page = |messages| MessagesAnswer { messages, more: false };
        play.answer(ask, Answer::Page(page(until), Some(page(behind))));
        play
    });
}

#[test]
fn too_small_for_anything() {
    for size in [(1, 1), (19, 30), (100, 5), (12, 3)] {
        let mut play = talking((80, 24));
        play.input(Input::Resize(size.0, size.1));
        play.drawn();
    }
    let mut play = talking((80, 24));
    play.input(Input::Resize(12, 3));
    play.see("too small");
}

#[test]
fn a_search_through_what_was_typed() {
    screens("recall", |size| {
        let mut play = talking(size);
        play.keys("see you at nine\n");
        play.with_key(KeyCode::Char('r'), KeyModifiers::CONTROL);
        play.keys("nine");
        play
    });
}

#[test]
fn what_is_known_of_a_peer() {
    screens("whois", |size| {
        let mut play = talking(size);
        play.keys("/whois\n");
        play
    });
}

#[test]
fn all_settings_with_where_they_come_from() {
    screens("settings", |size| {
        let mut play = talking(size);
        play.keys("/highlight fire\n/theme light\n/mute on\n");
        // What the file has after that.
        let saved = crate::screen::settings::parse(&format!(
            "theme = \"light\"\nhighlight = [\"fire\"]\nmuted = [\"{}\"]",
            with(2).onion()
        ));
        play.input(Input::Settings(Box::new(saved)));
        play.keys("/set\n");
        play
    });
}

#[test]
fn where_the_text_log_is() {
    screens("log", |size| {
        let mut play = talking(size);
        let on = crate::screen::settings::parse("logs.all = true");
        play.input(Input::Logged(with(2), true, Box::new(on)));
        play.keys("/log\n");
        play
    });
}

#[test]
fn a_highlight_and_a_muted_conversation() {
    screens("highlight", |size| {
        let mut play = talking(size);
        play.keys("/highlight paper\n");
        play.keys(&format!("/mute {} on\n", onion(3).0.onion()));
        if size.0 < 72 {
            play.key(KeyCode::Tab);
        }
        play
    });
}

#[test]
fn tor_is_down_while_something_is_new_elsewhere() {
    screens("tor_down", |size| {
        let mut play = talking(size);
        play.event(What::Tor { usable: false, sentence: "no way into the Tor network".into(), why: None });
        play.now += 185_000;
        play.input(Input::Tick);
        play
    });
}

#[test]
fn somebody_has_come_with_an_invite() {
    screens("invited", |size| {
        let mut play = Play::new(size);
        play.start(vec![], vec![]);
        super::newcomers::comes(&mut play, 9, "Zoe");
        play.page(Anchor::Newest, vec![], false);
        play
    });
}

#[test]
fn a_command_that_is_none() {
    screens("wrong_command", |size| {
        let mut play = talking(size);
        play.keys("/etc/passwd is world readable\n");
        play
    });
}

#[test]
fn a_code_that_was_copied() {
    screens("copied", |size| {
        let mut play = talking(size);
        play.keys("/qr\ny");
        play.input(Input::Copied(true));
        play
    });
}
