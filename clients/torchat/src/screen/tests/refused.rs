//! Every command that the daemon refuses: the line comes back, and the reason is in words for people.

use super::*;
use crate::refusal::tests::names_the_api;
use crate::screen::model::COMMANDS;
use crate::screen::runtime::export;
use torchat_client::api::{ApiClientError, ApiError, Code};

/// Somebody with a contact, a request, and a blocked peer.
fn somebody() -> Play {
    let mut list = people();
    let mut dan = contact(5, Some("dan"), None);
    dan.state = ContactState::Blocked;
    list.push(Conversation { contact: dan, unread: 0, last: None, room: None, mentions: None });
    let request = ContactRequest { peer: onion(8), nick: String::new(), text: String::new(), at: time(NOW) };
    let mut play = Play::new((120, 24));
    play.start(list, vec![request]);
    play.page(Anchor::Newest, talk(), false);
    play
}

/// Lines of a command that ask the daemon for something at once. None: it asks nothing that the line would come back for, for the reason
/// that is said here. A new command needs its row.
fn lines(command: &str) -> Vec<String> {
    let all = |lines: &[&str]| lines.iter().map(|line| (*line).to_owned()).collect();
    let asking = onion(8).0.onion();
    match command {
        "add" => vec![format!("/add {}", onion(9).0.onion()), format!("/add {} Hello there", onion(9).0.onion())],
        "accept" | "refuse" => vec![format!("/{command}"), format!("/{command} {asking}")],
        "unblock" => all(&["/unblock dan"]),
        "rename" => all(&["/rename Ann\u{e9}", "/rename"]),
        "hide" => all(&["/hide on", "/hide off"]),
        "verify" => all(&["/verify yes", "/verify no"]),
        "retain" => all(&["/retain 30", "/retain off"]),
        "history" => all(&["/history 3", "/history 2026-11-20"]),
        "cancel" => all(&["/cancel"]),
        "invite" => all(&["/invite 0", "/invite 9999", "/invite"]),
        "status" => all(&["/status"]),
        "export" => all(&["/export no/such/folder/file.txt", "/export ~/file.txt", "/export"]),
        // They ask the user first.
        "block" | "remove" | "erase" | "exit" => vec![],
        // A text is given back by itself, also much later: `send.rs`. A search has a page of its own.
        "query" | "msg" | "me" | "search" => vec![],
        // They ask the daemon nothing.
        "peer" | "win" | "close" | "clear" | "peers" | "whois" | "nick" | "reply" | "qr" | "copy" | "notify"
        | "mute" => vec![],
        // Of rooms: rooms/commands.rs.
        "room" | "join" | "leave" | "members" | "topic" | "edit" | "redact" | "react" | "kick" | "unmute" | "admit"
        | "transfer" | "take" | "settle" | "destroy" | "role" | "pardon" | "force" => vec![],
        "highlight" | "log" | "mouse" | "theme" | "set" | "keys" | "help" | "start" | "quit" => vec![],
        other => panic!("/{other} has no row here"),
    }
}

/// What a line has asked for, besides what the screen asks by itself.
fn asked(play: &Play) -> Vec<Effect> {
    let of_the_line = |effect: &&Effect| match effect {
        Effect::Export { .. } => true,
        Effect::Ask(ask) => !matches!(ask, Ask::Page(..) | Ask::News { .. } | Ask::Seen(..)),
        _ => false,
    };
    play.effects.iter().filter(of_the_line).cloned().collect()
}

#[test]
fn the_line_of_every_command_comes_back_when_the_daemon_refuses_it() {
    let mut seen = 0;
    for command in COMMANDS {
        for line in lines(command.name) {
            for code in [Code::BadRequest, Code::NoContact, Code::StorageUnsure, Code::UnknownCommand] {
                let mut play = somebody();
                play.effects.clear();
                play.line(&line);
                assert_eq!(play.model.editor.text(), "", "{line}");
                let asked = asked(&play);
                let [effect] = asked.as_slice() else { panic!("{line} asks {asked:?}") };
                let message = match code {
                    Code::BadRequest => "\"days\" must be 1 to 36500, or null",
                    _ => "look at HISTORY, and ADD it",
                };
                match effect.clone() {
                    Effect::Export { path, .. } => {
                        play.input(export::export(path, |_| anyhow::bail!("No such file or directory")));
                    }
                    Effect::Ask(ask) => {
                        let refused = ApiClientError::Refused(ApiError::new(code.clone(), message));
                        play.input(Input::Answer(ask, Err(refused)));
                    }
                    other => panic!("{other:?}"),
                }
                assert_eq!(play.model.editor.text(), line, "{code}");
                let notice = play.model.notice.clone().unwrap();
                assert!(notice.warning && !names_the_api(&notice.text), "{line}: {}", notice.text);
                seen += 1;
            }
        }
    }
    assert!(seen > 50, "{seen}");
}

#[test]
fn a_line_that_the_daemon_has_accepted_does_not_come_back() {
    let mut play = somebody();
    play.line("/retain off");
    let ask = play.asked(|ask| matches!(ask, Ask::Retain(..)));
    play.answer(ask.clone(), Answer::Done);
    // The same is asked and refused again, by something else than a line.
    play.input(Input::Answer(ask, Err(ApiClientError::Refused(ApiError::new(Code::BadRequest, "no")))));
    assert_eq!(play.model.editor.text(), "");
}

#[test]
fn one_is_not_many() {
    let mut play = somebody();
    play.input(Input::Answer(Ask::Retain(onion(2), Some(1)), Ok(Answer::Done)));
    play.see("kept for 1 day here: messages with ann");
    for (erased, kept, said) in [
        (1, 0, "erased 1 message with ann here"),
        (2, 1, "erased 2 messages with ann here; 1 that waits for delivery stays (/cancel)"),
    ] {
        play.input(Input::Answer(Ask::Erase(with(2), 50), Ok(Answer::Erased(erased, kept))));
        play.see(said);
    }
}

#[test]
fn what_is_unread_keeps_its_row_and_the_user_is_told() {
    let mut play = somebody();
    play.line(&format!("/query {}", onion(3).0.onion()));
    play.line("/close");
    play.see("bob stays in the list");
    let mut play = somebody();
    play.line("/close");
    play.see("ann is out of the list");
}

#[test]
fn what_is_not_here_is_not_said_to_be_shown_while_the_daemon_is_away() {
    let mut play = Play::new((120, 24));
    play.start(people(), vec![]);
    play.page(Anchor::Newest, talk(), true);
    let lost = ApiClientError::Lost { reason: "gone".into() };
    play.input(Input::Link(State::Gone { reason: lost, retry: std::time::Duration::ZERO }));
    play.line("/history start");
    play.see("torchatd is away, and these messages are not on this screen yet");
    assert_eq!(play.model.editor.text(), "/history start");
    play.line("/history end");
    play.see("the last messages");
}
