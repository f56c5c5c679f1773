//! Going to places, and what is told outside of the screen.

use super::*;
use crate::screen::model::{Confirm, Decision, Open, Overlay, Past};

fn received(id: i64, peer: u8, text: &str) -> What {
    What::Received { message: message(id, onion(peer), Direction::In, MessageState::Unread, NOW, text) }
}

/// What the user was told outside of the screen, taken out.
fn told(play: &mut Play) -> Vec<Effect> {
    let (told, rest) = std::mem::take(&mut play.effects)
        .into_iter()
        .partition(|effect| matches!(effect, Effect::Bell | Effect::Notify(_)));
    play.effects = rest;
    told
}

#[test]
fn history_goes_to_a_day_or_so_many_back() {
    let mut play = talking((80, 24));
    play.line("/history 2026-11-20");
    // The day begins where the user is; here that is UTC.
    let ask = play.asked(|ask| *ask == Ask::Locate(with(2), Past::Since(1_795_132_800_000)));
    play.answer(ask, Answer::Located(Some(4)));
    let ask = play.asked(|ask| is_page(ask, 2, Anchor::Around(4)));
    play.answer(ask, Answer::Page(MessagesAnswer { messages: talk()[..4].to_vec(), more: false }, None));
    assert_eq!(play.model.focus, crate::screen::model::Focus::Message(4));
    play.line("/history 250");
    let ask = play.asked(|ask| *ask == Ask::Locate(with(2), Past::Back(250)));
    // Meanwhile the user is somewhere else, and is left there.
    play.line(&format!("/peer {}", onion(3).0.onion()));
    play.answer(ask, Answer::Located(Some(1)));
    assert_eq!(play.model.open, Open::Conversation(with(3)));
    play.line("/history 2026-11-22");
    let ask = play.asked(|ask| matches!(ask, Ask::Locate(_, Past::Since(_))));
    play.answer(ask, Answer::Located(None));
    play.see("no messages since then");
    for wrong in ["", " yesterday", " 2026-13-01", " -5", " 99999999999"] {
        play.line(&format!("/history{wrong}"));
        play.see("/history start|end|DATE|COUNT");
        assert!(!play.effects.iter().any(|effect| matches!(effect, Effect::Ask(Ask::Locate(..)))));
    }
    let mut nobody = Play::new((80, 24));
    nobody.start(vec![], vec![]);
    nobody.line("/history end");
    nobody.see("no conversation is open");
}

#[test]
fn peer_goes_to_whom_it_names_and_nowhere_else() {
    let mut play = talking((80, 24));
    play.event(What::Request { peer: onion(9), nick: "Zoe".into(), text: "hi".into() });
    // Neither what she calls herself nor how her onion begins makes a stranger somebody who is gone to and written to.
    let zoe = onion(9).0.onion();
    for none in ["Zoe", "zoe", zoe.get(..8).unwrap()] {
        play.line(&format!("/peer {none}"));
        play.see("is neither a contact's name nor");
        assert_eq!(play.model.open, Open::Conversation(with(2)));
    }
    // A contact's own name is no better: the next one may choose it too. The beginning of its onion is.
    play.line("/peer bob");
    assert_eq!(play.model.open, Open::Conversation(with(2)));
    play.line(&format!("/peer {}", onion(3).0.onion().get(..4).unwrap()));
    assert_eq!(play.model.open, Open::Conversation(with(3)));
    play.line("/peer ann");
    assert_eq!(play.model.open, Open::Conversation(with(2)));
    play.line(&format!("/peer {zoe}"));
    assert_eq!(play.model.open, Open::Request(onion(9)));
    play.line(&format!("/peer {}", onion(4).0.onion()));
    assert_eq!(play.model.open, Open::Conversation(with(4)));
    play.line(&format!("/peer {}", onion(8).0.onion()));
    play.see("you have no contact with this onion: /add it");
    assert_eq!(play.model.open, Open::Conversation(with(4)));
}

#[test]
fn a_name_before_the_contacts_are_known_is_not_called_unknown() {
    let mut play = Play::new((80, 24));
    play.line("/peer ann");
    play.see("your contacts are not here yet: press Enter again in a moment");
    play.start(people(), vec![]);
    play.key(KeyCode::Enter);
    assert_eq!(play.model.open, Open::Conversation(with(2)));
}

#[test]
fn a_stranger_is_decided_about_by_its_onion_and_a_contact_by_its_name() {
    let mut play = talking((300, 24));
    // She calls herself what the user calls a contact.
    play.event(What::Request { peer: onion(9), nick: "ann".into(), text: "hi".into() });
    play.line("/accept ann");
    play.see("of anybody who asks");
    play.line("/block ann");
    assert!(matches!(play.model.overlay, Some(Overlay::Confirm(Confirm::Block(peer))) if peer == onion(2)));
    play.keys("n");
    let begins = onion(9).0.onion().get(..8).unwrap().to_owned();
    play.line(&format!("/block {begins}"));
    play.see("write the whole onion");
    assert!(play.model.overlay.is_none());
    play.line(&format!("/accept {begins}"));
    play.asked(|ask| *ask == Ask::Decide(Decision::Accept, onion(9)));
    // What Tab offers is what may be meant.
    play.keys("/refuse ");
    play.key(KeyCode::Tab);
    assert!(play.model.editor.text().starts_with(&format!("/refuse {begins}")), "{}", play.model.editor.text());
}

#[test]
fn copy_takes_the_invite_of_the_first_start_and_later_the_onion() {
    let mut play = Play::new((80, 24));
    play.line("/copy");
    play.see("has not told your onion yet");
    play.start(vec![], vec![]);
    let ask = play.asked(|ask| matches!(ask, Ask::Invite { .. }));
    play.answer(ask, Answer::Invite("torchat:x?i=y".into()));
    play.line("/copy");
    assert!(play.effects.contains(&Effect::Copy("torchat:x?i=y".into())));
    play.event(What::Contact { contact: contact(2, None, None) });
    play.line("/copy");
    assert!(play.effects.contains(&Effect::Copy(onion(1).0.onion())));
}

#[test]
fn a_text_is_told_only_if_the_user_asked_for_it() {
    let mut play = talking((80, 24));
    let about = "a message from bob";
    for (mode, expected) in [
        ("off", vec![]),
        ("bell", vec![Effect::Bell]),
        ("desktop", vec![Effect::Notify(about.into())]),
        ("content", vec![Effect::Notify(format!("{about}: the secret plan"))]),
    ] {
        play.line(&format!("/notify {mode}"));
        play.now += 10_000;
        play.event(received(play.now, 3, "the secret\nplan"));
        assert_eq!(told(&mut play), expected, "{mode}");
    }
    // client.toml keeps it, and nothing else.
    let text = serde_json::to_string(&play.model.stored).unwrap();
    assert!(!text.contains("notify"), "{text}");
    // A request's words are a stranger's: never.
    play.now += 10_000;
    play.event(What::Request { peer: onion(9), nick: String::new(), text: "buy now".into() });
    let told = told(&mut play);
    assert!(matches!(told.as_slice(), [Effect::Notify(text)] if !text.contains("buy")), "{told:?}");
}

#[test]
fn a_flood_rings_once_a_second_and_what_is_on_the_screen_never() {
    let mut play = talking((80, 24));
    play.line("/notify bell");
    play.now += 10_000;
    for n in 0..500 {
        play.now += 10;
        play.event(received(100 + n, 3, "flood"));
    }
    let rung = told(&mut play).len();
    assert!((5..=6).contains(&rung), "{rung}");
    // The last one is not kept from the user.
    while told(&mut play).is_empty() {
        play.now = play.model.wake_at().unwrap();
        assert!(play.now < NOW + 20_000, "it is never told");
        play.input(Input::Tick);
    }
    play.now += 10_000;
    play.input(Input::Tick);
    assert_eq!(told(&mut play), [], "once");
    play.event(received(700, 2, "on the screen"));
    assert_eq!(told(&mut play), []);
    play.input(Input::Focus(false));
    play.event(received(701, 2, "nobody looks"));
    assert_eq!(told(&mut play), [Effect::Bell]);
}

#[test]
fn while_tor_starts_it_is_told_and_does_not_ask() {
    let mut play = Play::new((80, 24));
    play.connect(false);
    let ask = play.asked(|ask| matches!(ask, Ask::Requests(_)));
    play.answer(ask, Answer::Requests(vec![]));
    let ask = play.asked(|ask| matches!(ask, Ask::Conversations { .. }));
    play.answer(ask, Answer::Conversations(vec![]));
    play.status(false, 0, "starting Tor");
    play.asked(|ask| matches!(ask, Ask::Invite { .. }));
    play.see("Tor: starting Tor");
    // Each answer comes when there is something new; in between nothing happens.
    for (version, sentence) in
        [(2, "connecting to the Tor network (15 %)"), (3, "connecting to the Tor network (85 %)")]
    {
        let ask = play.asked(|ask| matches!(ask, Ask::News { version: Some(_) }));
        // But for the clock.
        assert_eq!((play.model.wake_at(), &play.effects[..]), (Some(NOW + 60_000), &[][..]));
        let status = serde_json::json!({ "tor": { "usable": false, "sentence": sentence } });
        let status = serde_json::from_value(status).unwrap();
        play.answer(ask, Answer::Status(Box::new(StatusAnswer { version, sentence: String::new(), status })));
        play.see(&sentence[..30]);
        play.now += 1_000;
        play.input(Input::Tick);
    }
}

#[test]
fn it_says_that_a_peer_is_added_when_what_is_typed_goes_to_it() {
    let mut play = Play::new((80, 24));
    play.start(vec![], vec![]);
    play.input(Input::Paste(onion(8).0.onion()));
    play.key(KeyCode::Enter);
    let ask = play.asked(|ask| matches!(ask, Ask::Add { .. }));
    play.answer(ask, Answer::Added(with(8)));
    play.see_not("is a contact");
    play.event(What::Contact { contact: contact(8, None, None) });
    play.see("is a contact");
    play.keys("hello\n");
    play.asked(|ask| matches!(ask, Ask::Send { peer, .. } if *peer == with(8)));
}
