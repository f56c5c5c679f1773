//! The lines around the input: what was typed, the bar above it, and the truth of the last line.

use super::*;
use crate::screen::model::{Confirm, Overlay};
use torchat_client::api::{ApiClientError, ApiError, Code};

fn refuse(play: &mut Play, ask: Ask) {
    play.input(Input::Answer(ask, Err(ApiClientError::Refused(ApiError::new(Code::BadRequest, "not so")))));
}

#[test]
fn the_line_of_a_wrong_command_stays_with_its_cursor() {
    for line in
        ["/etc/passwd is world readable", "/theme green", "/history yesterday", "/invite x", "/peer nobody", "/add foo"]
    {
        let mut play = talking((80, 24));
        play.keys(line);
        play.key(KeyCode::Left);
        play.key(KeyCode::Left);
        play.keys("\n");
        assert_eq!(play.model.editor.text(), line);
        assert_eq!(play.model.editor.before_cursor().len(), line.len() - 2, "{line}");
        assert!(play.model.notice.as_ref().is_some_and(|notice| notice.warning), "{line}");
    }
    let mut play = talking((120, 24));
    play.line("/etc/passwd is world readable");
    play.see("no command /etc/passwd: // sends it");
    play.key(KeyCode::Home);
    play.keys("/\n");
    assert!(play.effects.iter().any(
        |effect| matches!(effect, Effect::Ask(Ask::Send { text, .. }) if text == "/etc/passwd is world readable")
    ));
    // One that is right goes.
    play.line("/theme light");
    assert_eq!(play.model.editor.text(), "");
}

#[test]
fn what_the_daemon_refuses_comes_back_into_the_input() {
    let mut play = Play::new((80, 24));
    play.start(vec![], vec![]);
    let invite = format!("torchat:{}?i={}", onion(8).0.onion().trim_end_matches(".onion"), "0f".repeat(16));
    play.input(Input::Paste(invite.clone()));
    play.key(KeyCode::Enter);
    let ask = play.asked(|ask| matches!(ask, Ask::Add { .. }));
    assert_eq!(play.model.editor.text(), "");
    refuse(&mut play, ask);
    assert_eq!(play.model.editor.text(), invite);
    play.see("not so");
    let mut play = talking((80, 24));
    play.keys("/invite 9999\n");
    let ask = play.asked(|ask| matches!(ask, Ask::Invite { .. }));
    refuse(&mut play, ask.clone());
    assert_eq!(play.model.editor.text(), "/invite 9999");
    // Something else is typed by now, or it is not that line.
    play.line("/invite 9998");
    let ask = play.asked(|ask| matches!(ask, Ask::Invite { .. }));
    play.keys("hello");
    refuse(&mut play, ask);
    assert_eq!(play.model.editor.text(), "hello");
}

#[test]
fn a_notice_goes_at_the_next_key_and_not_before_it_could_be_read() {
    use crossterm::event::{KeyEventKind, KeyEventState};
    let mut play = talking((80, 24));
    play.line("/theme green");
    let wrong = "/theme [dark|light|plain]: the colours";
    assert!(play.model.notice.is_some());
    let mut release = KeyEvent::new(KeyCode::Enter, KeyModifiers::NONE);
    (release.kind, release.state) = (KeyEventKind::Release, KeyEventState::NONE);
    play.input(Input::Key(release));
    play.input(Input::Tick);
    assert!(play.model.notice.is_some(), "the release of the key that made it");
    play.key(KeyCode::Left);
    assert!(play.model.notice.is_none());
    play.line("/theme plain");
    play.see("theme: plain");
    play.see_not(wrong);
    // What comes while somebody types can be read.
    play.event(What::Notice { peer: None, sentence: "the disk is full".into(), why: None });
    play.keys("a");
    play.see("the disk is full");
    play.now += 2_500;
    play.keys("b");
    play.see_not("the disk is full");
}

#[test]
fn commands_say_what_they_did() {
    let mut play = talking((80, 24));
    for (line, said) in [
        ("/theme plain", "theme: plain"),
        ("/mouse on", "mouse: on"),
        ("/mouse off", "mouse: off"),
        ("/notify bell", "notifications: bell"),
        ("/history start", "the first messages"),
        ("/history end", "the last messages"),
    ] {
        play.line("/theme green");
        play.line(line);
        play.see(said);
        play.see_not("dark|light");
    }
}

#[test]
fn a_page_always_says_how_it_is_left() {
    for size in [(40, 12), (80, 24), (120, 40)] {
        for (line, hint) in [
            ("/qr", "y copies, any other key closes"),
            ("/help", "any other key closes"),
            ("/search paper", "Esc closes"),
            ("/exit", "any other key: no"),
        ] {
            let mut play = talking(size);
            play.line("/theme green");
            play.line(line);
            play.see(hint);
            // Whatever else is told meanwhile.
            play.event(What::Notice {
                peer: None,
                sentence: "something of ten words that is longer than a row".into(),
                why: None,
            });
            play.see(hint);
        }
    }
    let mut play = talking((80, 24));
    play.keys("/qr\ny");
    play.input(Input::Copied(true));
    play.see("the onion is in tmux's buffer");
    play.see("any other key closes");
    assert!(!matches!(play.model.overlay, Some(Overlay::Confirm(Confirm::Exit))));
}

#[test]
fn what_was_true_of_the_daemon_before_does_not_hide_what_is_true_now() {
    let mut play = talking((80, 24));
    play.with_key(KeyCode::Char('c'), KeyModifiers::CONTROL);
    play.see("once more to leave");
    let lost = ApiClientError::Lost { reason: "gone".into() };
    play.input(Input::Link(State::Gone { reason: lost, retry: std::time::Duration::ZERO }));
    play.see("torchatd is away");
    play.line("/start");
    play.see("starting torchatd");
    play.connect(true);
    play.see_not("starting torchatd");
}

#[test]
fn where_it_was_copied_to_is_told_when_it_is_known() {
    let mut play = talking((80, 24));
    play.line("/copy");
    assert!(play.model.notice.is_none());
    play.input(Input::Copied(true));
    play.see("your onion is in tmux's buffer: prefix ] pastes it");
    play.key(KeyCode::Up);
    play.keys("y");
    assert!(play.effects.contains(&Effect::Copy(talk()[8].text.clone())));
    play.input(Input::Copied(false));
    play.see("the message is copied, if your terminal allows it");
}

#[test]
fn a_text_ends_where_its_words_end() {
    let mut play = talking((80, 24));
    play.input(Input::Paste("one\r\n\r\ntwo\r\n\r\n".into()));
    play.key(KeyCode::Enter);
    play.asked(|ask| matches!(ask, Ask::Send { text, .. } if text == "one\n\ntwo"));
}

/// The row above the input.
fn bar(play: &Play) -> String {
    let rows: Vec<_> = play.text().lines().map(str::to_owned).collect();
    rows.iter().rev().find(|row| row.contains('─')).unwrap().clone()
}

#[test]
fn the_bar_tells_tor_activity_and_the_time_at_every_width() {
    for columns in [40, 60, 72, 80, 120] {
        let mut play = talking((columns, 24));
        assert!(bar(&play).contains("bob:2") && bar(&play).ends_with(" 09:30 ─"), "{}", bar(&play));
        assert!(!bar(&play).contains("Tor"));
        play.event(What::Tor { usable: false, sentence: "no way into the Tor network".into(), why: None });
        assert!(bar(&play).contains("Tor: down ") && bar(&play).contains("bob:2"), "{}", bar(&play));
        play.now += 185_000;
        play.input(Input::Tick);
        assert!(bar(&play).contains("Tor: down 3 min") && bar(&play).ends_with(" 09:33 ─"), "{}", bar(&play));
        // A page or a notice does not hide it.
        play.keys("/help\n");
        play.see("Tor: down 3 min");
        play.key(KeyCode::Esc);
        play.event(What::Tor { usable: true, sentence: "connected".into(), why: None });
        play.see_not("Tor: down");
    }
    // A client that comes later knows it from the daemon; one that starts with the daemon waits for no repair.
    for (percent, since, sign) in
        [(100, Some(NOW - 600_000), "Tor: down 10 min"), (40, Some(NOW - 600_000), "Tor: starting")]
    {
        let mut play = Play::new((40, 12));
        play.connect(false);
        let ask = play.asked(|ask| matches!(ask, Ask::News { .. }));
        let tor = serde_json::json!({ "usable": false, "percent": percent, "sentence": "x", "since_ms": since });
        let status = serde_json::from_value(serde_json::json!({ "tor": tor })).unwrap();
        play.answer(ask, Answer::Status(Box::new(StatusAnswer { version: 1, sentence: String::new(), status })));
        play.see(sign);
    }
    // What does not fit is counted.
    let mut play = talking((40, 12));
    for peer in 5..20 {
        play.event(What::Contact { contact: contact(peer, Some(&format!("person {peer}")), None) });
        let message = message(100 + i64::from(peer), onion(peer), Direction::In, MessageState::Unread, NOW, "x");
        play.event(What::Received { message });
    }
    let row = bar(&play);
    assert!(row.contains(" +1") && row.ends_with(" 09:30 ─"), "{row}");
}

#[test]
fn the_clock_wakes_once_a_minute_and_nothing_else_does() {
    let mut play = talking((80, 24));
    for timeline in [2, 3, 4] {
        // Nobody with an age.
        let mut here = contact(timeline, None, None);
        here.link = true;
        play.event(What::Contact { contact: here });
    }
    play.now += 100_000;
    play.input(Input::Tick);
    play.input(Input::Tick);
    let mut drawn = Vec::new();
    for _ in 0..5 {
        play.now = play.model.wake_at().unwrap();
        play.input(Input::Tick);
        drawn.push(play.now);
    }
    assert!(drawn.windows(2).all(|pair| pair[1] - pair[0] == 60_000), "{drawn:?}");
}
