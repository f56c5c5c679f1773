//! What inputs lead to.

use super::*;
use crate::screen::model::{Confirm, Decision, Focus, Notify, Open, Overlay};
use crossterm::event::{MouseButton, MouseEvent, MouseEventKind};
use torchat_client::api::command::{SearchAnswer, SendAnswer};
use torchat_client::api::event::MessageRef;
use torchat_client::api::{ApiClientError, ApiError, Code};
use torchat_client::timeline::Item;

fn reference(id: i64, peer: u8) -> MessageRef {
    let message = message(id, onion(peer), Direction::In, MessageState::Read, 0, "");
    MessageRef { peer: with(peer), id, mid: message.mid }
}

fn received(id: i64, peer: u8, text: &str) -> What {
    What::Received { message: message(id, onion(peer), Direction::In, MessageState::Unread, NOW, text) }
}

fn unread(play: &Play, peer: u8) -> u64 {
    play.timeline(peer).unread()
}

fn sent(id: i64) -> Answer {
    let mid = message(id, onion(2), Direction::Out, MessageState::Queued, 0, "").mid;
    Answer::Sent(SendAnswer { id, mid, state: MessageState::Queued, duplicate: false })
}

fn lost() -> ApiClientError {
    ApiClientError::Lost { reason: "gone".into() }
}

#[track_caller]
fn sending(play: &mut Play) -> (Ask, String, String) {
    match play.asked(|ask| matches!(ask, Ask::Send { .. })) {
        Ask::Send { peer, text, key, addressed } => {
            (Ask::Send { peer, text: text.clone(), key: key.clone(), addressed }, text, key)
        }
        _ => unreachable!(),
    }
}

#[test]
fn messages_go_out_one_by_one_in_the_order_in_which_they_were_typed() {
    let mut play = talking((80, 24));
    play.keys("uno\ndos\n");
    let (ask, text, first_key) = sending(&mut play);
    assert_eq!(text, "uno");
    assert!(!play.effects.iter().any(|effect| matches!(effect, Effect::Ask(Ask::Send { .. }))));
    play.see("uno");
    play.see("dos");
    // The connection breaks in the middle; the same is sent again with the same key, and only then the other.
    play.input(Input::Answer(ask, Err(lost())));
    play.input(Input::Link(State::Gone { reason: lost(), retry: std::time::Duration::ZERO }));
    play.connect(true);
    let (ask, text, key) = sending(&mut play);
    assert_eq!((text.as_str(), &key), ("uno", &first_key));
    play.answer(ask, sent(40));
    // The event comes after the answer, and nothing stands twice.
    let mut queued = message(40, onion(2), Direction::Out, MessageState::Queued, NOW, "uno");
    queued.client_id = Some(key);
    play.event(What::Queued { message: queued });
    assert_eq!(play.text().matches("uno").count(), 1, "{}", play.text());
    let (ask, text, _) = sending(&mut play);
    assert_eq!(text, "dos");
    play.answer(ask, sent(41));
    play.event(What::Delivered(reference(40, 2)));
    play.see("✓✓ uno");
    assert!(play.model.stored.drafts.unsent().is_empty());
}

#[test]
fn a_refused_message_comes_back_into_the_input() {
    let mut play = talking((80, 24));
    play.keys("too much\n");
    let (ask, ..) = sending(&mut play);
    let error = ApiClientError::Refused(ApiError::new(Code::OutboxFull, "too many messages wait"));
    play.input(Input::Answer(ask, Err(error)));
    play.see("> too much");
    play.see("not sent: too many messages wait");
    assert!(play.model.stored.drafts.unsent().is_empty());
}

#[test]
fn what_was_not_given_to_the_daemon_outlives_the_program() {
    let mut play = talking((80, 24));
    play.input(Input::Link(State::Gone { reason: lost(), retry: std::time::Duration::ZERO }));
    play.keys("for later\nnot finished");
    play.input(Input::Leave);
    let stored = play.effects.iter().rev().find_map(|effect| match effect {
        Effect::Save(stored) => Some((**stored).clone()),
        _ => None,
    });
    let stored: Stored = serde_json::from_str(&serde_json::to_string(&stored.unwrap()).unwrap()).unwrap();
    let mut again = Play::with((80, 24), Theme::Dark, stored);
    again.start(people(), vec![]);
    again.page(Anchor::Newest, talk(), false);
    again.see("for later");
    again.see("> not finished");
    assert_eq!(sending(&mut again).1, "for later");
}

#[test]
fn drafts_belong_to_their_conversations() {
    let mut play = talking((80, 24));
    play.keys("to ann");
    play.with_key(KeyCode::Down, KeyModifiers::ALT);
    assert_eq!(play.model.open, Open::Conversation(with(3)));
    assert_eq!(play.model.editor.text(), "");
    play.keys("to bob");
    play.with_key(KeyCode::Up, KeyModifiers::ALT);
    assert_eq!(play.model.editor.text(), "to ann");
    play.keys("/x");
    assert_eq!(play.model.editor.text(), "to ann/x");
}

#[test]
fn only_what_is_on_the_screen_is_seen() {
    let mut play = talking((80, 24));
    play.event(received(50, 3, "for bob's window"));
    assert!(!play.effects.iter().any(|effect| matches!(effect, Effect::Ask(Ask::Seen(..)))));
    assert_eq!(unread(&play, 3), 3);
    play.event(received(51, 2, "on the screen"));
    let ask = play.asked(|ask| *ask == Ask::Seen(with(2), 51));
    play.answer(ask, Answer::Done);
    assert_eq!(unread(&play, 2), 0);
    // Without the user's attention nothing is.
    play.input(Input::Focus(false));
    play.event(received(52, 2, "nobody looks"));
    play.with_key(KeyCode::F(1), KeyModifiers::NONE);
    play.input(Input::Focus(true));
    assert!(!play.effects.iter().any(|effect| matches!(effect, Effect::Ask(Ask::Seen(..)))));
    // Nor behind the help.
    play.key(KeyCode::Esc);
    play.asked(|ask| *ask == Ask::Seen(with(2), 52));
}

#[test]
fn another_client_reads_and_this_one_agrees() {
    let mut play = talking((80, 24));
    assert_eq!(unread(&play, 3), 2);
    play.event(What::Read(reference(19, 3)));
    play.event(What::Read(reference(20, 3)));
    assert_eq!(unread(&play, 3), 0);
    play.event(received(60, 3, "x"));
    play.event(received(60, 3, "x"));
    assert_eq!(unread(&play, 3), 1);
    play.event(What::Read(reference(60, 3)));
    assert_eq!(unread(&play, 3), 0);
    // It writes, and its message is here.
    play.event(What::Queued {
        message: message(61, onion(2), Direction::Out, MessageState::Queued, NOW, "from the phone"),
    });
    play.see("from the phone");
    assert_eq!(play.model.list.order()[0], with(2));
}

#[test]
fn the_past_is_read_page_by_page_and_the_place_stays() {
    let mut play = Play::new((80, 24));
    play.start(people(), vec![]);
    let page = |range: std::ops::RangeInclusive<i64>| -> Vec<Message> {
        range
            .map(|id| {
                message(id, onion(2), Direction::In, MessageState::Read, NOW - 9_000_000 + id, &format!("no. {id}."))
            })
            .collect()
    };
    play.page(Anchor::Newest, page(901..=1000), true);
    play.see("no. 1000.");
    for before in [901, 801, 701, 601, 501, 401, 301, 201, 101] {
        while !play.wants(2, Anchor::Before(before)) {
            play.key(KeyCode::PageUp);
        }
        let top = play.text();
        play.page(Anchor::Before(before), page(before - 100..=before - 1), before > 101);
        assert_eq!(play.text(), top);
    }
    play.with_key(KeyCode::Home, KeyModifiers::CONTROL);
    play.see("no. 1.");
    play.see_not("no. 30.");
    play.with_key(KeyCode::End, KeyModifiers::CONTROL);
    play.see("no. 1000.");
    // While one reads the past, something new does not move it.
    play.key(KeyCode::PageUp);
    let before = play.text();
    play.event(received(1001, 2, "no. 1001."));
    let rows = |text: &str| text.lines().skip(1).take(18).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(rows(&play.text()), rows(&before));
}

#[test]
fn memory_is_bounded_and_both_ends_can_be_reached_again() {
    let mut play = Play::new((80, 24));
    play.start(people(), vec![]);
    let page = |first: i64, last: i64| -> Vec<Message> {
        (first..=last)
            .map(|id| message(id, onion(2), Direction::In, MessageState::Read, NOW, &format!("no. {id}.")))
            .collect()
    };
    play.page(Anchor::Newest, page(4901, 5000), true);
    let mut first = 4901;
    while first > 1 {
        while !play.wants(2, Anchor::Before(first)) {
            play.key(KeyCode::PageUp);
        }
        play.page(Anchor::Before(first), page(first - 100, first - 1), first > 101);
        first -= 100;
        assert!(play.timeline(2).window.entries().len() <= 1_500);
    }
    play.with_key(KeyCode::Home, KeyModifiers::CONTROL);
    play.see("no. 1.");
    assert!(play.timeline(2).window.has_newer());
    for _ in 0..200 {
        if let Some((_, last)) = play.timeline(2).window.span()
            && play.wants(2, Anchor::After(last))
        {
            play.page(Anchor::After(last), page(last + 1, last + 100), last + 100 < 5000);
        }
        play.key(KeyCode::PageDown);
    }
    play.with_key(KeyCode::End, KeyModifiers::CONTROL);
    play.page(Anchor::Newest, page(4901, 5000), true);
    play.see("no. 5000.");
}

#[test]
fn a_found_message_is_jumped_to() {
    let mut play = talking((80, 24));
    play.with_key(KeyCode::Char('f'), KeyModifiers::CONTROL);
    play.keys("paper\n");
    let ask = play.asked(|ask| matches!(ask, Ask::Search { .. }));
    assert_eq!(ask, Ask::Search { text: "paper".into(), peer: Some(with(2)), before: None });
    let far = |id| message(id, onion(3), Direction::In, MessageState::Read, NOW, &format!("paper {id}"));
    play.answer(ask, Answer::Found(SearchAnswer { messages: vec![far(12), far(7)], more: false, complete: true }));
    play.key(KeyCode::Down);
    play.keys("\n");
    assert_eq!(play.model.open, Open::Conversation(with(3)));
    let ask = play.asked(|ask| is_page(ask, 3, Anchor::Around(7)));
    let before = MessagesAnswer { messages: (1..=7).map(far).collect(), more: true };
    let behind = MessagesAnswer { messages: (8..=40).map(far).collect(), more: true };
    play.answer(ask, Answer::Page(before, Some(behind)));
    play.see("paper 7");
    assert_eq!(play.model.focus, Focus::Message(7));
}

#[test]
fn what_is_not_delivered_can_be_taken_back() {
    let mut play = talking((80, 24));
    play.line("/cancel");
    play.asked(|ask| matches!(ask, Ask::Cancel(peer, mid) if *peer == with(2) && *mid == talk()[8].mid));
    // A delivered one cannot.
    play.key(KeyCode::Up);
    for _ in 0..4 {
        play.key(KeyCode::Up);
    }
    play.keys("c");
    play.see("you can take back only your own undelivered messages");
    // One that the daemon never got is simply gone.
    play.input(Input::Link(State::Gone { reason: lost(), retry: std::time::Duration::ZERO }));
    play.keys("oh no\n/cancel\n");
    play.see("taken back");
    play.see_not("oh no");
    assert!(play.model.stored.drafts.unsent().is_empty());
}

#[test]
fn a_reply_quotes_and_keeps_what_was_typed() {
    let mut play = talking((80, 24));
    play.keys("my answer");
    // The first one goes to the beginning of the text.
    play.key(KeyCode::Up);
    play.key(KeyCode::Up);
    for _ in 0..4 {
        play.key(KeyCode::Up);
    }
    play.keys("r");
    assert_eq!(play.model.editor.text(), "> fn main() {\n> \tprintln!(\"hi\");\n> }\nmy answer");
}

#[test]
fn commands_ask_the_daemon_or_the_user() {
    let mut play = talking((80, 24));
    play.line(&format!("/accept {}", onion(3).0.onion()));
    play.asked(|ask| *ask == Ask::Decide(Decision::Accept, onion(3)));
    play.line("/block");
    assert!(matches!(play.model.overlay, Some(Overlay::Confirm(Confirm::Block(peer))) if peer == onion(2)));
    play.keys("n");
    play.line("/block");
    play.keys("y");
    play.asked(|ask| *ask == Ask::Decide(Decision::Block, onion(2)));
    play.line("/rename Anna Lee");
    play.asked(|ask| *ask == Ask::Rename(onion(2), "Anna Lee".into()));
    play.line(&format!("/peer {}", onion(4).0.onion()));
    assert_eq!(play.model.open, Open::Conversation(with(4)));
    play.line("/peer nobody");
    play.see("\"nobody\" is neither a contact's name nor");
    play.line("/frobnicate");
    play.see("no command /frobnicate");
    play.line("/notify bell");
    assert_eq!(play.model.notify, Notify::Bell);
    play.effects.clear();
    play.event(received(70, 2, "ring"));
    assert!(play.effects.contains(&Effect::Bell));
    play.keys("/exit\nn");
    assert!(!play.effects.iter().any(|effect| matches!(effect, Effect::Ask(Ask::Exit))));
    play.keys("/exit\ny");
    play.asked(|ask| *ask == Ask::Exit);
    play.line("/quit");
    assert!(play.effects.contains(&Effect::Leave));
}

#[test]
fn commands_are_completed() {
    let mut play = talking((80, 24));
    for (typed, completed) in [
        ("/inv", "/invite "),
        ("/re", "/re"),
        ("/his", "/history "),
        ("/notify d", "/notify desktop "),
        ("/peer An", "/peer ann "),
        ("/theme ", "/theme "),
    ] {
        play.model.editor.set(String::new());
        play.keys(typed);
        play.key(KeyCode::Tab);
        assert_eq!(play.model.editor.text(), completed);
    }
    play.model.editor.set(String::new());
    play.line("//not a command");
    assert_eq!(sending(&mut play).1, "/not a command");
}

#[test]
fn requests_stand_on_top_and_are_decided() {
    let mut play = talking((80, 24));
    let stranger = onion(9);
    play.event(What::Request { peer: stranger, nick: "Zoe".into(), text: "hi".into() });
    assert_eq!(play.model.list.items()[0], Item::Request(stranger));
    play.key(KeyCode::Tab);
    play.key(KeyCode::Home);
    play.key(KeyCode::Enter);
    play.see("Zoe");
    play.line("/accept");
    let ask = play.asked(|ask| *ask == Ask::Decide(Decision::Accept, stranger));
    play.event(What::RequestGone { peer: stranger });
    play.event(What::Contact { contact: contact(9, None, Some("Zoe")) });
    play.answer(ask, Answer::Done);
    assert_eq!(play.model.open, Open::Conversation(stranger.conversation()));
    assert!(play.model.list.request_list().is_empty());
}

#[test]
fn a_name_that_reads_like_another_is_marked() {
    let mut play = talking((80, 24));
    play.event(What::Contact { contact: contact(8, None, Some("b\u{43e}b")) });
    assert!(play.timeline(8).is_lookalike() && play.timeline(3).is_lookalike());
    // What the user chose is not.
    play.event(What::Contact { contact: contact(7, None, Some("Ann")) });
    assert!(play.timeline(7).is_lookalike() && !play.timeline(2).is_lookalike());
    play.see("≈");
}

#[test]
fn time_alone_draws_no_more_than_once_a_second() {
    let mut play = talking((80, 24));
    let bob = play.timeline(3).heard_at.unwrap();
    for _ in 0..500 {
        let Some(next) = play.model.wake_at() else { break };
        assert!(next > play.now, "{next} {}", play.now);
        let age = play.now - bob;
        if play.now > NOW + 200_000 && age > 60_000 {
            assert!(next - play.now >= 1_000 || next == play.now, "{}", next - play.now);
        }
        play.now = next;
        play.input(Input::Tick);
    }
    assert!(play.now > NOW + 3_600_000, "too many wakes: {} s", (play.now - NOW) / 1000);
}

#[test]
fn the_daemon_is_started_only_after_a_question() {
    let mut play = Play::new((80, 24));
    let reason = ApiClientError::NotFound { looked: "nothing".into() };
    play.input(Input::Link(State::Gone { reason, retry: std::time::Duration::ZERO }));
    play.see("Start one?");
    assert!(!play.effects.contains(&Effect::StartDaemon));
    play.key(KeyCode::Enter);
    assert!(play.effects.contains(&Effect::StartDaemon));
    play.input(Input::Started(Err("no such program".into())));
    play.see("no such program");
}

#[test]
fn another_daemon_shows_nothing_of_the_old_one() {
    let mut play = talking((80, 24));
    let limits = Limits { object_bytes: 1, text_bytes: 1, requests: 1, subscriptions: 1, page: 1, room_text_bytes: 1 };
    let onion = onion(6);
    let welcome = Welcome { onion, rights: vec![], peers: None, commands: vec![], seq: 0, oldest: 0, limits };
    play.input(Input::Link(State::Connected { welcome: Arc::new(welcome), continued: false }));
    play.see_not("ann");
    play.see("this is another daemon");
}

#[test]
fn the_mouse_scrolls_opens_and_chooses() {
    let mut play = talking((80, 24));
    let mouse = |kind, column, row| MouseEvent { kind, column, row, modifiers: KeyModifiers::NONE };
    play.input(Input::Mouse(mouse(MouseEventKind::Down(MouseButton::Left), 40, 20)));
    assert_eq!(play.model.focus, Focus::Message(9));
    play.input(Input::Mouse(mouse(MouseEventKind::ScrollUp, 40, 10)));
    play.input(Input::Mouse(mouse(MouseEventKind::Down(MouseButton::Left), 3, 1)));
    assert_eq!(play.model.open, Open::Conversation(with(3)));
    play.input(Input::Mouse(mouse(MouseEventKind::Down(MouseButton::Left), 3, 19)));
    assert_eq!(play.model.open, Open::Conversation(with(3)));
}

#[test]
fn what_happens_while_a_page_or_the_list_is_on_its_way_is_not_lost() {
    let mut play = Play::new((80, 24));
    play.start(people(), vec![]);
    // The page was read before these; its answer comes after them.
    play.event(received(31, 2, "in between"));
    play.event(What::Delivered(reference(9, 2)));
    play.page(Anchor::Newest, talk(), false);
    play.see("in between");
    play.see("✓✓ see you at eight");
    // The same with the list.
    play.connect(false);
    play.event(received(90, 3, "meanwhile"));
    let ask = play.asked(|ask| matches!(ask, Ask::Conversations { .. }));
    play.answer(ask, Answer::Conversations(people()));
    assert_eq!(unread(&play, 3), 3);
    assert_eq!(play.model.list.order()[0], with(3));
}

fn reasons(version: u64, reasons: serde_json::Value) -> Answer {
    let status = serde_json::json!({ "tor": { "usable": true, "sentence": "connected" }, "reasons": reasons });
    let status = serde_json::from_value(status).unwrap();
    Answer::Status(Box::new(StatusAnswer { version, sentence: String::new(), status }))
}

#[test]
fn why_mail_waits_is_always_what_the_daemon_said_last() {
    let mut play = talking((80, 24));
    // What stood beside the message when it was read is old by now.
    play.see("ann is not reachable; next try 09:31");
    let ask = play.asked(|ask| matches!(ask, Ask::News { version: Some(1) }));
    play.now += 60_000;
    let row =
        |words: &str, next: Option<u32>| serde_json::json!([{ "peer": onion(2), "reason": words, "next_try_s": next }]);
    play.answer(ask, reasons(2, row("connecting to the \u{202e}peer", None)));
    play.see("connecting to the \\u{202e}peer");
    play.see_not("next try");
    // Not more than once a second, however much there is to tell.
    assert!(!play.effects.iter().any(|effect| matches!(effect, Effect::Ask(Ask::News { .. }))));
    play.now += 1_000;
    play.input(Input::Tick);
    let ask = play.asked(|ask| matches!(ask, Ask::News { version: Some(2) }));
    // The code counts, not the daemon's words; what the network said of the dial is nowhere on the screen.
    let mut unreachable = row("no connection (503 circuits)", Some(90));
    unreachable[0]["why"] =
        serde_json::json!({ "code": "unreachable", "tries": 2, "failure": "timeout", "detail": "503 circuits" });
    play.answer(ask, reasons(3, unreachable));
    play.see("ann did not answer in time; next try");
    play.see_not("503");
    // A daemon that was there is asked anew, and of a peer of ours that is none nothing is taken.
    play.now += 1_000;
    play.input(Input::Tick);
    let ask = play.asked(|ask| matches!(ask, Ask::News { .. }));
    play.input(Input::Answer(ask, Err(ApiClientError::Lost { reason: "gone".into() })));
    play.connect(true);
    let ask = play.asked(|ask| matches!(ask, Ask::News { version: None }));
    play.answer(ask, reasons(1, serde_json::json!([{ "peer": onion(9), "reason": "?" }])));
    play.see_not("did not answer");
}

#[test]
fn a_daemon_that_went_away_can_be_started_again() {
    let mut play = talking((80, 24));
    play.line("/start");
    play.see("torchatd runs");
    assert!(!play.effects.contains(&Effect::StartDaemon));
    let reason = ApiClientError::NotFound { looked: "nothing".into() };
    play.input(Input::Link(State::Gone { reason, retry: std::time::Duration::ZERO }));
    play.now += 60_000;
    play.input(Input::Tick);
    play.see("/start starts it");
    play.line("/start");
    assert!(play.effects.contains(&Effect::StartDaemon));
}
