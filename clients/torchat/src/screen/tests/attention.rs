//! Whether the user looks: what a terminal reports, what tmux is asked, and what a key tells.

use super::*;
use crate::screen::model::Notify;

fn received(id: i64, peer: u8, text: &str) -> What {
    What::Received { message: message(id, onion(peer), Direction::In, MessageState::Unread, NOW, text) }
}

/// Talks with ann, wants a bell, and has pressed no key for an hour.
fn quiet(between: Between) -> Play {
    let stored = Stored { notify: Some(Notify::Bell), ..Stored::default() };
    let mut play = Play::between((80, 24), Theme::Plain, stored, between);
    play.start(people(), vec![]);
    play.page(Anchor::Newest, talk(), false);
    play.now += 3_600_000;
    play.input(Input::Tick);
    play.effects.clear();
    play
}

fn bells(play: &mut Play) -> usize {
    let before = play.effects.len();
    play.effects.retain(|effect| *effect != Effect::Bell);
    before - play.effects.len()
}

fn is_seen(play: &Play, id: i64) -> bool {
    play.effects.contains(&Effect::Ask(Ask::Seen(with(2), id)))
}

fn looks(play: &mut Play) -> usize {
    let before = play.effects.len();
    play.effects.retain(|effect| *effect != Effect::Look);
    before - play.effects.len()
}

#[test]
fn in_a_hidden_window_of_tmux_nothing_is_read_and_it_rings() {
    let mut play = quiet(Between::Tmux);
    play.event(received(50, 2, "hello?"));
    assert!(looks(&mut play) == 1 && !is_seen(&play, 50) && bells(&mut play) == 0, "it is asked first");
    play.input(Input::Looked(Some(false)));
    assert!(bells(&mut play) == 1 && !is_seen(&play, 50));
    assert_eq!(play.timeline(2).unread(), 1);
    play.see(" new ");
    // Not asked again and again for the same.
    play.now += 5_000;
    play.input(Input::Tick);
    assert_eq!(looks(&mut play), 0);
    // Who presses a key is there, and is told once why tmux had to be asked.
    play.key(KeyCode::Left);
    assert!(is_seen(&play, 50));
    play.see("set -g focus-events on");
    play.now += 10_000;
    play.effects.clear();
    play.event(received(51, 2, "again"));
    play.input(Input::Looked(Some(false)));
    play.key(KeyCode::Left);
    play.see_not("set -g focus-events on");
}

#[test]
fn in_a_window_that_tmux_shows_it_is_read_and_silent() {
    let mut play = quiet(Between::Tmux);
    play.event(received(50, 2, "hello?"));
    play.event(received(51, 2, "hello!"));
    assert_eq!(looks(&mut play), 1, "one question at a time");
    play.input(Input::Looked(Some(true)));
    assert!(is_seen(&play, 51) && bells(&mut play) == 0);
    // A message elsewhere rings without a question.
    play.event(received(52, 3, "bob"));
    assert!(bells(&mut play) == 1 && looks(&mut play) == 0);
}

#[test]
fn a_terminal_that_reports_the_focus_is_believed() {
    let mut play = quiet(Between::Tmux);
    play.input(Input::Focus(false));
    play.event(received(50, 2, "hello?"));
    assert!(bells(&mut play) == 1 && looks(&mut play) == 0 && !is_seen(&play, 50));
    play.input(Input::Focus(true));
    assert!(is_seen(&play, 50));
}

#[test]
fn where_nothing_can_be_asked_a_key_of_the_last_minute_counts() {
    for unasked in [false, true] {
        let mut play = quiet(if unasked { Between::Tmux } else { Between::Other });
        play.event(received(50, 2, "hello?"));
        if unasked {
            assert_eq!(looks(&mut play), 1);
            play.input(Input::Looked(None));
        }
        assert!(bells(&mut play) == 1 && !is_seen(&play, 50));
        play.key(KeyCode::Left);
        let ask = play.asked(|ask| *ask == Ask::Seen(with(2), 50));
        play.answer(ask, Answer::Done);
        play.now += 59_000;
        play.event(received(51, 2, "quick"));
        assert!(bells(&mut play) == 0 && is_seen(&play, 51) && looks(&mut play) == 0);
    }
}

#[test]
fn a_terminal_that_reports_nothing_shows_what_it_is_given() {
    let mut play = quiet(Between::Nothing);
    play.event(received(50, 2, "hello?"));
    assert!(bells(&mut play) == 0 && is_seen(&play, 50));
}
