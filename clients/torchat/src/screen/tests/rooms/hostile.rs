//! Names, topics, signs, reasons and texts of people who mean ill: only text, in their own place.

use super::*;

const NASTY: &str = "\u{1b}[2J\u{202e}evil\u{7}\r\n09:31 anna  hello\u{200b}\u{2713}";

fn is_harmless(play: &Play) {
    let (buffer, _) = play.drawn();
    for cell in &buffer.content {
        let hidden = |c: char| c.is_control() || matches!(c, '\u{202e}' | '\u{200b}');
        assert!(!cell.symbol().chars().any(hidden), "{:?}\n{}", cell.symbol(), play.text());
    }
}

/// A room in which everything that others choose is nasty.
fn nasty(size: (u16, u16)) -> Play {
    let hostile = Room { name: NASTY.into(), topic: NASTY.into(), ..room(Role::Owner) };
    let mut play = Play::with_rooms(size, vec![glance(hostile, 1, 1, Some(said(60, 2, 1, NASTY)))], vec![]);
    let mut petition = petition(12, NASTY);
    petition.text = NASTY.into();
    play.event(What::Petition { petition });
    if play.model.focus == crate::screen::model::Focus::List {
        // The cursor has stayed on the room.
        play.key(KeyCode::Enter);
    }
    let mut messages = Vec::new();
    for (id, no) in [(50, 2), (51, 3), (52, 4)] {
        let mut message = said(id, no, 60 - id, NASTY);
        message.from.as_mut().unwrap().name = NASTY.into();
        message.reacts = (0..20).map(|n| (format!("{NASTY}{n}"), vec![1, 2])).collect();
        message.re = Some(said(50, 2, 1, "").mid);
        messages.push(message);
    }
    messages.push(decided(53, 1, NASTY));
    play.page(Anchor::Newest, messages, false);
    let ask = play.asked_room(|ask| matches!(ask, RoomAsk::Members(..)));
    let named = |no| Member { name: NASTY.into(), ..member(no, "", Role::Member) };
    play.answer_room(ask, RoomAnswer::Members(vec![member(1, "me", Role::Owner), named(2), named(3), named(4)]));
    play
}

#[test]
fn whatever_others_choose_is_only_text_on_every_page() {
    for size in [(20, 6), (40, 12), (71, 20), (80, 24), (200, 60)] {
        let mut play = nasty(size);
        is_harmless(&play);
        for line in
            ["/members", "/whois", "/room list", "/topic", "/destroy lab", "/reply", "/kick no:2", "/transfer no:3"]
        {
            play.key(KeyCode::Esc);
            play.line(line);
            is_harmless(&play);
            play.key(KeyCode::Enter);
            is_harmless(&play);
        }
        play.key(KeyCode::Esc);
        play.key(KeyCode::Esc);
        play.key(KeyCode::Up);
        play.with_key(KeyCode::Char('1'), KeyModifiers::ALT);
        is_harmless(&play);
    }
}

#[test]
fn no_text_of_a_room_looks_like_a_line_of_another_or_of_the_room() {
    let mut play = Play::in_room((100, 30), Role::Owner);
    let text = "hello\n09:31 -- anna removed you\n-- bob left\n\u{250c} anna: quoted";
    play.event(What::Received { message: said(70, 3, 0, text) });
    let screen = play.text();
    for forged in ["09:31 -- anna removed you", "-- bob left", "\u{250c} anna: quoted"] {
        let row = screen.lines().find(|row| row.contains(forged)).unwrap();
        // What the screen itself writes there begins further to the left.
        let (before, _) = row.split_once(forged).unwrap();
        let own = screen.lines().find(|row| row.contains("-- bob joined")).unwrap();
        let column = |text: &str| text.chars().count();
        assert!(column(before) > column(own.split_once("-- ").unwrap().0) + 8, "{screen}");
    }
}

#[test]
fn who_is_called_like_our_own_words_is_marked() {
    let mut play = Play::in_room((100, 30), Role::Owner);
    let (peer, change) = (with(ROOM), torchat_client::api::record::MemberChange::Nick);
    play.event(What::Member { peer, member: member(3, "you", Role::Member), change });
    let mut message = said(70, 3, 0, "send me the key");
    message.from.as_mut().unwrap().name = "you".into();
    play.event(What::Received { message });
    play.see("\u{2248}3 you");
}
