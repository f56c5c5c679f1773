//! Texts and names that want to be more than texts and names.

use super::*;
use ratatui::layout::Rect;

/// What the functions of `show` are tested with, and more.
fn corpus() -> Vec<String> {
    let golden: serde_json::Value = serde_json::from_str(include_str!("../../../../core/golden/shown.json")).unwrap();
    let mut texts: Vec<String> =
        golden.as_array().unwrap().iter().map(|row| row["in"].as_str().unwrap().to_owned()).collect();
    let more = [
        "\x1b]0;title\x07",
        "\x1b]52;c;AAAA\x1b\\",
        "\x1b[2J\x1b[H",
        "\x1b[?1049l",
        "\u{9b}31m",
        "\u{90}q\u{9c}",
        "\r09:30 you ✓✓ I agree",
        "\n09:30 you            ✓✓ I agree",
        "a\u{8}\u{8}\u{8}b",
        "\u{202e}evil\u{2066}x",
        "\u{200b}\u{200c}\u{200d}\u{feff}",
        "\u{e0041}\u{e0042}",
        "\u{2028}\u{2029}\u{85}",
        "\u{ad}soft",
        "e\u{301}\u{301}\u{301}\u{301}\u{301}\u{301}\u{301}",
        "\u{301}first",
        "👨‍👩‍👧‍👦👍🏽🇩🇪🏴‍☠️",
        "ｗｉｄｅ日本語",
        "\u{fdfd}",
        "ｶﾞ\u{ff9e}\u{ff9f}",
        "क्षि นี่ ไม่",
        "\t\t\ttabs\t",
        "a\0b",
        "\u{1160}\u{3164}\u{ffa0}",
        "──── new ────",
        "│││",
        "\u{f0000}\u{10ffff}\u{e000}",
        "\u{0600}\u{06dd}\u{070f}",
        "\\u{1b}",
        "\u{7f}\u{80}\u{9f}",
    ];
    texts.extend(more.map(str::to_owned));
    texts.push("日".repeat(500));
    texts.push("x\n".repeat(400));
    texts.push("a\u{301}".repeat(300));
    texts
}

#[track_caller]
fn check_cells(buffer: &Buffer, why: &str) {
    for y in 0..buffer.area.height {
        for x in 0..buffer.area.width {
            let symbol = buffer[(x, y)].symbol();
            for c in symbol.chars() {
                assert!(!c.is_control(), "{why:?}: {symbol:?} at {x} {y}");
                let harmless = !torchat_protocol::nick::is_hidden(c) || matches!(c, '\u{fe0e}' | '\u{fe0f}');
                assert!(harmless, "{why:?}: {symbol:?} at {x} {y}");
            }
            let wide = crate::screen::wrap::width(symbol);
            assert!(wide <= usize::from(buffer.area.width - x), "{why:?}: {symbol:?} sticks out at {x} {y}");
        }
    }
}

/// All cells outside an area.
fn outside(buffer: &Buffer, area: Rect) -> Vec<String> {
    let cells = (0..buffer.area.height).flat_map(|y| (0..buffer.area.width).map(move |x| Position::new(x, y)));
    cells.filter(|at| !area.contains(*at)).map(|at| format!("{:?}", buffer[at])).collect()
}

fn with_message(size: (u16, u16), text: &str) -> Play {
    let mut play = Play::with(size, Theme::Dark, Stored::default());
    play.start(people(), vec![]);
    if play.model.focus == crate::screen::model::Focus::List {
        play.key(KeyCode::Enter);
    }
    play.page(Anchor::Newest, vec![message(1, onion(2), Direction::In, MessageState::Read, NOW, text)], false);
    play
}

#[test]
fn a_text_stays_in_its_area_and_holds_nothing_hidden() {
    for size in [(40, 12), (80, 24)] {
        let plain = with_message(size, "hello");
        let area = plain.model.areas().body;
        let expected = outside(&plain.drawn().0, area);
        for text in corpus() {
            let play = with_message(size, &text);
            let (buffer, cursor) = play.drawn();
            check_cells(&buffer, &text);
            assert_eq!(outside(&buffer, area), expected, "{text:?}");
            assert_eq!(cursor, plain.drawn().1, "{text:?}");
        }
    }
}

#[test]
fn no_row_of_a_text_begins_where_a_message_begins() {
    for text in corpus() {
        let play = with_message((80, 24), &text);
        let area = play.model.areas().body;
        let (buffer, _) = play.drawn();
        let rows = play.model.visible();
        let missing = area.height - u16::try_from(rows.len()).unwrap();
        for (n, row) in rows.iter().enumerate() {
            let y = area.y + missing + u16::try_from(n).unwrap();
            let gutter: String = (area.x..area.x + 18).map(|x| buffer[(x, y)].symbol()).collect();
            // The line of the day, the head with the time, and blanks before every other row.
            let is_head = gutter.starts_with("09:30 ann");
            assert!(row.is_line || is_head || gutter.trim().is_empty(), "{text:?}: {gutter:?}");
            assert!(!is_head || n <= 1, "{text:?}: two heads");
        }
    }
}

#[test]
fn names_and_notices_are_harmless_everywhere() {
    for text in corpus() {
        let mut list = people();
        list[0].contact.name = None;
        list[0].contact.nick = Some(text.clone());
        list[1].contact.nick = Some(text.clone());
        let request = ContactRequest { peer: onion(9), nick: text.clone(), text: text.clone(), at: time(NOW) };
        let mut play = Play::with((80, 24), Theme::Dark, Stored::default());
        play.start(list, vec![request]);
        check_cells(&play.drawn().0, &text);
        play.event(What::Notice { peer: Some(with(2)), sentence: text.clone(), why: None });
        check_cells(&play.drawn().0, &text);
        play.event(What::Tor { usable: false, sentence: text.clone(), why: None });
        play.key(KeyCode::Tab);
        play.key(KeyCode::Home);
        play.key(KeyCode::Enter);
        check_cells(&play.drawn().0, &text);
        for command in ["/peers\n", "/status\n"] {
            play.keys(command);
            check_cells(&play.drawn().0, &text);
            play.key(KeyCode::Esc);
        }
        play.line("/search x");
        let ask = play.asked(|ask| matches!(ask, Ask::Search { .. }));
        let found = message(1, onion(2), Direction::In, MessageState::Read, NOW, &text);
        let found = torchat_client::api::command::SearchAnswer { messages: vec![found], more: false, complete: true };
        play.answer(ask, Answer::Found(found));
        check_cells(&play.drawn().0, &text);
        play.input(Input::Paste(text.clone()));
        check_cells(&play.drawn().0, &text);
        play.key(KeyCode::Esc);
        play.input(Input::Paste(text.clone()));
        check_cells(&play.drawn().0, &text);
        play.keys("\n");
        check_cells(&play.drawn().0, &text);
    }
}

#[test]
fn what_leaves_for_the_desktop_is_harmless() {
    use crate::screen::runtime::{desktop, terminal};
    for text in corpus() {
        let mut list = people();
        list[1].contact.nick = Some(text.clone());
        let mut play = Play::with((80, 24), Theme::Dark, Stored::default());
        play.start(list, vec![]);
        play.line("/notify content");
        play.effects.clear();
        let received = message(60, onion(3), Direction::In, MessageState::Unread, NOW, &text);
        play.event(What::Received { message: received });
        let told: Vec<_> = play.effects.iter().filter(|effect| matches!(effect, Effect::Notify(_))).collect();
        let [Effect::Notify(told)] = told.as_slice() else { panic!("{text:?}: {told:?}") };
        // As part of a control sequence.
        check_line(&terminal::told(told), &text);
        check_line(&terminal::told(&text), &text);
        // As an argument of a program that knows options, markup and escapes.
        let [name, end, title, body] = desktop::arguments(told);
        assert_eq!((name.as_str(), end.as_str(), title.as_str()), ("--app-name=torchat", "--", "torchat"));
        check_line(&body, &text);
        assert!(!body.contains(['<', '>']) && body.replace("\\\\", "").find('\\').is_none(), "{body}");
        let entities = ["&amp;", "&lt;", "&gt;"].iter().fold(body, |body, entity| body.replace(entity, ""));
        assert!(!entities.contains('&'), "{entities}");
    }
}

#[track_caller]
fn check_line(line: &str, why: &str) {
    let harmless =
        |c: char| !c.is_control() && (!torchat_protocol::nick::is_hidden(c) || matches!(c, '\u{fe0e}' | '\u{fe0f}'));
    assert!(line.chars().all(harmless), "{why:?}: {line:?}");
}

#[test]
fn no_line_of_an_exported_text_is_another_message() {
    for text in corpus() {
        let message = message(1, onion(2), Direction::In, MessageState::Read, NOW, &text);
        let lines = crate::screen::runtime::export::lines(&message, "ann");
        for (n, line) in lines.split('\n').enumerate() {
            let begin = if n == 0 { "2026-11-21T09:30:00Z ann: " } else { "    " };
            let rest = line.strip_prefix(begin).unwrap_or_else(|| panic!("{text:?}: {line:?}"));
            check_line(&rest.replace('\t', ""), &text);
        }
    }
}
