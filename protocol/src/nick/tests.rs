#![allow(clippy::unwrap_used)]

use super::*;
use proptest::prelude::*;

#[test]
fn honest_names_are_let_in() {
    for name in [
        "a",
        "ann",
        "Ann Lee",
        "O'Brien-Smith, Jr.",
        "Jos\u{e9}",
        "Vi\u{1ec7}t",
        "\u{43c}\u{430}\u{43c}\u{430}",
        "\u{5e9}\u{5dc}\u{5d5}\u{5dd}",
        "\u{645}\u{62d}\u{645}\u{62f}",
        "\u{915}\u{94d}\u{937}\u{92e}\u{93e}",
        "\u{65e5}\u{672c}\u{8a9e}",
        "\u{d55c}\u{ad6d}",
        "\u{1f600}",
        "\u{1f44d}\u{1f3fd} ann",
        "<img src=x>",
        "C:\\users",
        "christopherrobinson",
        "youth",
        "mentor",
        &"n".repeat(32),
        &"\u{1f600}".repeat(8),
    ] {
        assert_eq!(Nick::parse(name).unwrap().as_str(), name);
        assert_eq!(Nick::typed(&format!("  {name}\n")).unwrap().as_str(), name);
    }
}

#[test]
fn bad_names_are_refused_for_their_reason() {
    let own = |word| NickError::OwnWord { word };
    let character = |character| NickError::Character { character };
    let table = [
        ("", NickError::Empty),
        (&*"n".repeat(33), NickError::TooLong { bytes: 33 }),
        (&*"\u{1f600}".repeat(9), NickError::TooLong { bytes: 36 }),
        ("a\0", character('\0')),
        ("a\nb", character('\n')),
        ("a\tb", character('\t')),
        ("a\u{7f}", character('\u{7f}')),
        ("\u{1b}[31mann", character('\u{1b}')),
        ("a\u{9b}31m", character('\u{9b}')),
        ("ann\u{202e}", character('\u{202e}')),
        ("\u{2066}ann", character('\u{2066}')),
        ("ann\u{200f}", character('\u{200f}')),
        ("an\u{200b}n", character('\u{200b}')),
        ("an\u{200d}n", character('\u{200d}')),
        ("an\u{ad}n", character('\u{ad}')),
        ("\u{feff}ann", character('\u{feff}')),
        ("ann\u{2028}", character('\u{2028}')),
        ("ann\u{e0041}", character('\u{e0041}')),
        ("ann\u{fe0f}", character('\u{fe0f}')),
        ("ann\u{e0100}", character('\u{e0100}')),
        ("ann\u{e000}", character('\u{e000}')),
        ("ann\u{ffff}", character('\u{ffff}')),
        ("ann\u{378}", character('\u{378}')),
        ("\u{3164}", character('\u{3164}')),
        ("\u{2800}", character('\u{2800}')),
        ("an\u{34f}n", character('\u{34f}')),
        ("ann\u{2026}", character('\u{2026}')),
        ("\\u{41}", character('\\')),
        (" ann", NickError::Space),
        ("ann ", NickError::Space),
        ("ann  lee", NickError::Space),
        (" ", NickError::Space),
        ("ann\u{a0}lee", NickError::Space),
        ("ann\u{3000}lee", NickError::Space),
        ("\u{301}ann", NickError::Marks),
        ("ann \u{301}", NickError::Marks),
        ("x\u{323}\u{324}\u{325}\u{326}\u{327}", NickError::Marks),
        ("\u{1112}\u{1161}\u{1161}\u{1161}\u{1161}\u{1161}", NickError::Marks),
        ("Jose\u{301}", NickError::NotNormal),
        ("\u{212b}", NickError::NotNormal),
        ("\u{1112}\u{1161}\u{11ab}", NickError::NotNormal),
        ("...", NickError::OnlyPunctuation),
        ("(-_-)", NickError::OnlyPunctuation),
        ("ann.onion", NickError::LooksLikeOnion),
        ("x.OnIoN", NickError::LooksLikeOnion),
        ("torchat:abc", NickError::LooksLikeOnion),
        ("2gzyxa5ihm7nsggfx", NickError::LooksLikeOnion),
        ("(2GZYXA5IHM7NSGGFX)", NickError::LooksLikeOnion),
        ("you", own("you")),
        ("Me", own("me")),
        ("TORCHAT", own("torchat")),
        ("[System]", own("system")),
        ("* torchatd:", own("torchatd")),
        ("un known", own("unknown")),
    ];
    for (name, wanted) in table {
        assert_eq!(Nick::parse(name), Err(wanted), "{name:?}");
        let words = wanted.to_string();
        assert!(!words.contains(is_hidden) && words.len() < 100, "{words:?}");
    }
}

#[test]
fn what_is_typed_is_repaired_where_nothing_is_lost() {
    for (typed, name) in [
        ("Jose\u{301}\n", "Jos\u{e9}"),
        ("\t ann ", "ann"),
        ("\u{2764}\u{fe0f}", "\u{2764}"),
        ("\u{1112}\u{1161}\u{11ab}", "\u{d55c}"),
    ] {
        assert_eq!(Nick::typed(typed).unwrap().as_str(), name);
    }
    assert_eq!(Nick::typed(" \n"), Err(NickError::Empty));
    assert_eq!(Nick::typed("a\u{202e}"), Err(NickError::Character { character: '\u{202e}' }));
    assert_eq!(Nick::typed(&"n".repeat(1 << 20)), Err(NickError::TooLong { bytes: 1 << 20 }));
}

#[test]
fn own_words_are_in_the_form_they_are_compared_in() {
    assert!(OWN_WORDS.is_sorted());
    for word in OWN_WORDS {
        assert!(word.bytes().all(|byte| byte.is_ascii_lowercase()));
        assert_eq!(Nick::parse(word), Err(NickError::OwnWord { word }));
    }
}

#[test]
fn logs_get_no_name() {
    assert_eq!(format!("{:?}", Nick::parse("canary").unwrap()), "Nick(6 bytes)");
    assert_eq!(Nick::parse("canary").unwrap().to_string(), "canary");
}

#[test]
fn everything_that_unicode_calls_control_or_format_is_hidden() {
    let hidden = |range: std::ops::RangeInclusive<u32>| range.filter_map(char::from_u32).all(is_hidden);
    for range in [
        0..=0x1f,
        0x7f..=0x9f,
        0xad..=0xad,
        0x61c..=0x61c,
        0x200b..=0x200f,
        0x2028..=0x202e,
        0x2060..=0x206f,
        0xe000..=0xf8ff,
        0xfdd0..=0xfdef,
        0xfe00..=0xfe0f,
        0xfff0..=0xfffb,
        0xe0000..=0x10_ffff,
    ] {
        assert!(hidden(range.clone()), "{range:x?}");
    }
    for plane in 0..=16 {
        assert!(hidden(plane << 16 | 0xfffe..=plane << 16 | 0xffff));
    }
    assert!(!(' '..='~').any(is_hidden));
}

proptest! {
    #[test]
    fn what_passes_keeps_the_rules(text in "\\PC{0,12}|[a-z2-7. ]{0,33}|.{0,8}") {
        for nick in [Nick::parse(&text), Nick::typed(&text)].into_iter().flatten() {
            let name = nick.as_str();
            prop_assert!((1..=NICK_BYTES).contains(&name.len()));
            prop_assert!(!name.contains(is_hidden) && name.trim() == name && is_nfc(name));
            // One spelling: what passed once passes unchanged by either way.
            prop_assert_eq!(Nick::parse(name), Ok(nick.clone()));
            prop_assert_eq!(Nick::typed(name), Ok(nick));
        }
    }
}
