//! `/log`: what it asks for, and what it says.

use super::*;
use crate::screen::settings::parse;

fn play(settings: &str) -> Play {
    let mut play = Play::set((80, 24), Theme::Plain, Stored::default(), parse(settings).unwrap());
    play.start(people(), vec![]);
    play.page(Anchor::Newest, talk(), false);
    play
}

fn logged(on: bool) -> Input {
    let text = if on { format!("[logs]\nconversations = [\"{}\"]", with(2).onion()) } else { String::new() };
    Input::Logged(with(2), on, Box::new(parse(&text)))
}

#[test]
fn a_log_is_on_when_that_is_kept_and_not_before() {
    let mut play = play("");
    assert_eq!(play.model.open, crate::screen::model::Open::Conversation(with(2)));
    play.keys("/log on\n");
    assert_eq!(play.effects.last(), Some(&Effect::Log(with(2), true)));
    play.keys("/log\n");
    play.see("are not written to a text file");
    play.key(KeyCode::Esc);
    play.input(logged(true));
    play.see("is logged from now on; /erase and /retain do not erase logs");
    play.keys("/log\n");
    play.see("are written to a text file.");
    play.see("/home/me/.local/state/torchat/logs/");
    play.see("/erase and /retain do not erase text logs");
    play.key(KeyCode::Esc);
    play.keys("/set\n");
    play.see("logs = ann  (client.toml)");
    play.key(KeyCode::Esc);
    play.keys("/log off\n");
    assert_eq!(play.effects.last(), Some(&Effect::Log(with(2), false)));
    play.input(logged(false));
    play.see("is not logged any more");
    play.keys("/log maybe\n");
    play.see("/log [on|off]: ");
}

#[test]
fn a_log_that_cannot_be_switched_on_is_not_said_to_be_on() {
    let mut play = play("");
    play.keys("/log on\n");
    play.input(Input::Logged(with(2), true, Box::new(Err("client.toml: line 2: no".into()))));
    play.see("the log is not switched on: client.toml: line 2: no");
    play.keys("/set\n");
    play.see("logs = nobody  (default)");
}

#[test]
fn a_trouble_is_a_warning_and_nothing_stops() {
    let mut play = play("");
    play.input(Input::NotLogged("the text logs are not written (no space): bob.log".into()));
    play.see("the text logs are not written (no space): bob.log");
    assert!(play.model.notice.as_ref().unwrap().warning);
    play.keys("hello\n");
    assert!(play.effects.iter().any(|effect| matches!(effect, Effect::Ask(Ask::Send { .. }))));
}

#[test]
fn all_but_some_is_said_with_their_names() {
    let mut play = play(&format!("[logs]\nall = true\nexcept = [\"{}\"]", with(2).onion()));
    play.keys("/set\n");
    play.see("logs = all but ann  (client.toml)");
    play.key(KeyCode::Esc);
    play.keys("/log\n");
    play.see("are not written to a text file");
    play.key(KeyCode::Esc);
    play.with_key(KeyCode::Char('2'), KeyModifiers::ALT);
    play.keys("/log\n");
    play.see("as all are");
}

#[test]
fn without_a_conversation_there_is_no_log() {
    let mut play = Play::set((80, 24), Theme::Plain, Stored::default(), Settings::default());
    play.start(vec![], vec![]);
    play.keys("/log on\n");
    play.see("no conversation is open");
    assert!(!play.effects.iter().any(|effect| matches!(effect, Effect::Log(..))));
}
