//! What others wrote, as it is shown; and what they may call themselves.

use crate::Seen;
use crate::script::Script;
use torchat_client::lookalike::{looks_like, looks_like_our_word};
use torchat_client::show::{BREAK, CUT, LINE_CHARS, columns, reveal, shown_line, shown_name, shown_text};
use torchat_protocol::id::parse_onion;
use torchat_protocol::limits::NICK_BYTES;
use torchat_protocol::nick::Nick;

/// Wide enough for every name here.
const WIDE: usize = 1 << 20;

/// The bytes as a text that is shown in every way.
///
/// # Panics
/// When something reaches the screen that must not, a text cannot be got back, or the result is too long.
pub fn show(data: &[u8]) -> Seen {
    let mut script = Script::new(data);
    let (width, times) = (script.below(40), script.byte());
    let text = String::from_utf8_lossy(script.rest());
    // Sometimes long enough to be broken.
    let text = if times > 250 { text.repeat(40) } else { text.into_owned() };
    let (shown, line, name) = (shown_text(&text), shown_line(&text), shown_name(&text, WIDE));
    harmless(&shown, "\n\t");
    harmless(&line, "");
    harmless(&name, "");
    assert!(!line.contains('\n'), "one line");
    for text_line in shown.lines() {
        let longest = LINE_CHARS + BREAK.len() + 10;
        assert!(text_line.chars().filter(|c| !is_drawn_on(*c)).count() <= longest, "a line without end");
    }
    for way in [&shown, &line, &name] {
        assert!(way.len() <= 7 * text.len(), "{} bytes of {}", way.len(), text.len());
        // Nothing was replaced, so showing it once more changes nothing.
        let again = if std::ptr::eq(way, &shown) { shown_text(way) } else { shown_line(way) };
        assert!(way.contains("\\u{") || std::ptr::eq(way, &name) || again == **way, "{way:?} becomes {again:?}");
    }
    assert_eq!(without_left_out(&reveal(&shown)), without_left_out(&text), "the text is got back");
    assert_eq!(without_left_out(&reveal(&line)), without_left_out(&text), "the line is got back");
    assert_eq!(reveal(&name), text, "the name is got back");
    let narrow = shown_name(&text, width);
    harmless(&narrow, "");
    assert!(columns(&narrow) <= width, "{narrow:?} in {width} columns");
    if narrow != name {
        assert!(narrow.ends_with(CUT) || width == 0, "a cut is seen");
    }
    if shown == text { Seen::Taken } else { Seen::Refused }
}

/// What [`show`] leaves out in texts.
fn without_left_out(text: &str) -> String {
    text.chars().filter(|c| !matches!(c, '\u{200c}' | '\u{200d}' | '\r')).collect()
}

/// What takes no column: a mark, or the style of an emoji.
fn is_drawn_on(c: char) -> bool {
    torchat_protocol::nick::is_mark(c) || matches!(c, '\u{fe0e}' | '\u{fe0f}')
}

/// Written anew, from Unicode's and the terminals' pages: no control, no bidi control, nothing that separates lines,
/// nothing of width zero but what is drawn on a character, no tags.
fn harmless(shown: &str, but: &str) {
    let bad = shown.chars().find(|c| {
        let control = matches!(*c, '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}') && !but.contains(*c);
        let bidi =
            matches!(*c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}' | '\u{61c}');
        let unseen = matches!(*c,
            '\u{ad}' | '\u{200b}'..='\u{200d}' | '\u{2060}'..='\u{2065}' | '\u{206a}'..='\u{206f}' | '\u{feff}'
            | '\u{2028}' | '\u{2029}' | '\u{34f}' | '\u{3164}' | '\u{115f}' | '\u{1160}' | '\u{ffa0}' | '\u{180e}'
            | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}' | '\u{e000}'..='\u{f8ff}');
        control || bidi || unseen
    });
    assert_eq!(bad, None, "in {shown:?}");
}

/// The bytes as a nickname from a peer, as one that is typed, and as two names that may look alike.
///
/// # Panics
/// When a name is let in that is shown differently, changes by normalization, or looks like an onion.
pub fn nick(data: &[u8]) -> Seen {
    let text = String::from_utf8_lossy(data);
    let half = (0..=text.len() / 2).rev().find(|n| text.is_char_boundary(*n)).unwrap_or(0);
    let (a, b) = text.split_at(half);
    assert_eq!(looks_like(a, b), looks_like(b, a), "alike both ways");
    assert!(looks_like(a, a));
    let typed = Nick::typed(&text);
    if let Ok(nick) = &typed {
        assert_eq!(Nick::parse(nick.as_str()).as_ref(), Ok(nick), "what is typed is a name");
        assert_eq!(Nick::typed(nick.as_str()).as_ref(), Ok(nick), "typed again");
    }
    let Ok(nick) = Nick::parse(&text) else { return Seen::Refused };
    assert_eq!(nick.as_str(), text, "kept as it came");
    assert!((1..=NICK_BYTES).contains(&text.len()));
    assert_eq!(typed.as_ref(), Ok(&nick), "what may come may be typed");
    assert_eq!(shown_name(&text, WIDE), text, "shown as it is");
    assert_eq!(shown_line(&text), text);
    harmless(&text, "");
    assert!(parse_onion(&text).is_err() && !text.to_lowercase().contains(".onion"));
    assert_eq!(format!("{nick:?}"), format!("Nick({} bytes)", text.len()), "a log does not show it");
    let _ = looks_like_our_word(&text);
    Seen::Taken
}
