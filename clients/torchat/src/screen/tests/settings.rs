//! What the user sets, what of it is kept, and what it does.

use super::*;
use crate::screen::model::{Notify, Open};
use crate::screen::settings::{Change, parse};

fn play(settings: &str) -> Play {
    let mut play = Play::set((80, 24), Theme::Plain, Stored::default(), parse(settings).unwrap());
    play.start(people(), vec![]);
    play.page(Anchor::Newest, talk(), false);
    play
}

fn received(id: i64, peer: u8, text: &str) -> What {
    What::Received { message: message(id, with(peer), Direction::In, MessageState::Unread, NOW, text) }
}

fn rings(play: &mut Play, id: i64, text: &str) -> bool {
    play.now += 10_000;
    play.effects.clear();
    play.event(received(id, 3, text));
    play.effects.contains(&Effect::Bell)
}

#[test]
fn what_a_command_sets_is_kept() {
    let mut play = play("");
    play.keys("/theme light\n/notify bell\n/mouse on\n/mute on\n/highlight Deploy\n/highlight -deploy\n");
    let kept: Vec<_> = play
        .effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::Set(change) => Some(change.clone()),
            _ => None,
        })
        .collect();
    let expected = [
        Change::Theme(Theme::Light),
        Change::Notify(Notify::Bell),
        Change::Mouse(true),
        Change::Mute(with(2), true),
        Change::Highlight("Deploy".into(), true),
        Change::Highlight("deploy".into(), false),
    ];
    assert_eq!(kept, expected);
    // What cannot be kept is told.
    play.input(Input::Settings(Box::new(Err("client.toml: line 2: no".into()))));
    play.see("not saved, lasts until you leave: client.toml: line 2: no");
    // What another client has set counts here, too.
    play.input(Input::Settings(Box::new(parse("highlight = [\"fire\"]"))));
    play.keys("/highlight\n");
    play.see("highlight words: fire");
}

#[test]
fn a_new_highlight_word_marks_what_is_on_the_screen_already_and_a_word_that_went_marks_nothing() {
    let mut play = play("highlight = [\"nothing\"]");
    let marked = |play: &Play| play.text().contains("!  Did you read the paper");
    assert!(!marked(&play));
    play.keys("/highlight paper\n");
    assert!(marked(&play), "{}", play.text());
    play.keys("/highlight -paper\n");
    assert!(!marked(&play), "{}", play.text());
    play.input(Input::Settings(Box::new(parse("highlight = [\"paper\"]"))));
    assert!(marked(&play), "{}", play.text());
}

#[test]
fn a_muted_conversation_is_quiet_and_unread_and_a_highlight_word_comes_through() {
    let mut play = play(&format!("notify = \"bell\"\nhighlight = [\"fire\"]\nmuted = [\"{}\"]", with(3).onion()));
    assert!(!rings(&mut play, 60, "nothing much"));
    assert_eq!(play.timeline(3).unread(), 3);
    play.see("m 3");
    // It is no activity: neither in the bar nor for Alt+A.
    play.see_not("bob:3");
    play.with_key(KeyCode::Char('a'), KeyModifiers::ALT);
    play.see("nothing new");
    assert!(!rings(&mut play, 61, "crossfire"));
    assert!(rings(&mut play, 62, "FIRE!"));
    play.see("! 5");
    play.see("bob:5");
    play.with_key(KeyCode::Char('a'), KeyModifiers::ALT);
    assert_eq!(play.model.open, Open::Conversation(with(3)));
    play.page(Anchor::Newest, vec![message(62, with(3), Direction::In, MessageState::Unread, NOW, "FIRE!")], false);
    play.see("!  FIRE!");
    play.keys("/mute\n");
    play.see("bob is muted");
    play.keys("/mute off\n");
    play.with_key(KeyCode::Char('1'), KeyModifiers::ALT);
    let mut play = self::play("notify = \"bell\"");
    assert!(rings(&mut play, 60, "nothing much"));
    play.keys("/mute ann on\n");
    play.see("ann is muted");
    assert!(play.model.is_muted(with(2)));
}

#[test]
fn a_bound_key_does_it_and_its_old_one_does_not() {
    let mut play = play("[keys]\nwindow-2 = [\"F5\"]\nsearch = [\"Ctrl+S\"]\n");
    play.with_key(KeyCode::Char('2'), KeyModifiers::ALT);
    assert_eq!(play.model.open, Open::Conversation(with(2)));
    play.key(KeyCode::F(5));
    assert_eq!(play.model.open, Open::Conversation(with(3)));
    play.keys("?");
    play.key(KeyCode::End);
    play.see("Ctrl+S");
    play.see("window-2");
}

#[test]
fn a_file_with_an_error_is_told_at_the_start() {
    let (zone, session) = (TimeZone::UTC, "test".into());
    let start = Start {
        now: NOW,
        zone,
        theme: Theme::Plain,
        size: (80, 24),
        session,
        stored: Stored::default(),
        between: Between::Nothing,
        settings: Settings::default(),
        settings_path: String::new(),
        logs: None,
        trouble: Some("client.toml: line 3: no".into()),
    };
    let play = Play { model: Model::new(start), now: NOW, effects: Vec::new(), seq: 0, rooms: false };
    play.see("client.toml: line 3: no");
}

#[test]
fn what_an_earlier_version_kept_with_the_drafts_counts_until_it_is_set_here() {
    let stored: Stored = serde_json::from_str("{\"drafts\":{},\"unsent\":[],\"notify\":\"desktop\"}").unwrap();
    let mut play = Play::set((80, 24), Theme::Plain, stored.clone(), Settings::default());
    assert_eq!(play.model.notify, Notify::Desktop);
    play.keys("/set\n");
    play.see("notify = desktop  (drafts.json, of an earlier version)");
    let play = Play::set((80, 24), Theme::Plain, stored, parse("notify = \"off\"").unwrap());
    assert_eq!(play.model.notify, Notify::Off);
    assert_eq!(play.model.stored.notify, None, "client.toml has it");
}

/// A `notify` that the user takes out of client.toml is unset: no other file has it.
#[test]
fn what_is_set_is_in_one_file() {
    let mut play = play("");
    play.keys("/notify bell\n");
    play.input(Input::Settings(Box::new(parse("notify = \"bell\""))));
    play.keys("/set\n");
    play.see("notify = bell  (client.toml)");
    play.input(Input::Leave);
    let saved = play.effects.iter().rev().find_map(|effect| match effect {
        Effect::Save(stored) => Some((**stored).clone()),
        _ => None,
    });
    let mut play = Play::set((80, 24), Theme::Plain, saved.unwrap(), Settings::default());
    assert_eq!(play.model.notify, Notify::Off);
    play.keys("/set\n");
    play.see("notify = off  (default)");
}

#[test]
fn what_could_not_be_saved_is_not_called_saved() {
    let mut play = play("");
    play.keys("/notify bell\n/mouse on\n");
    play.input(Input::Settings(Box::new(Err("client.toml: line 2: no".into()))));
    play.keys("/set\n");
    play.see("notify = bell  (not saved, lasts until you leave)");
    play.see("mouse = on  (not saved, lasts until you leave)");
}

#[test]
fn the_list_is_as_wide_as_it_is_set() {
    let mut play = play("list_width = 40");
    assert_eq!(play.model.areas().list.width, 39);
    play.input(Input::Resize(200, 50));
    assert_eq!(play.model.areas().list.width, 40);
}

/// The example of docs/CLIENT.md is read, and names everything that can be set.
#[test]
fn the_documents_example_is_right_and_whole() {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/CLIENT.md")).unwrap();
    let example = text.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let settings = parse(example).unwrap();
    assert!(settings.theme.is_some() && settings.notify.is_some() && settings.mouse.is_some());
    assert!(settings.list_width.is_some() && !settings.highlight.is_empty() && !settings.muted.is_empty());
    assert!(!settings.logs.conversations.is_empty() && !settings.logs.except.is_empty());
    assert!(settings.keymap.bound().next().is_some());
    for (action, _) in crate::screen::settings::keymap::ACTIONS {
        let name = action.trim_end_matches(|c: char| c.is_ascii_digit());
        assert!(text.contains(&format!("`{name}")), "{action} is not in docs/CLIENT.md");
    }
}
