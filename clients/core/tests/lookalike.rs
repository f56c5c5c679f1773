//! Names that look like others, and names that do not.

use torchat_client::lookalike::{looks_like, looks_like_our_word};

#[test]
fn look_alikes_are_told() {
    for (name, other) in [
        ("alice", "alice"),
        ("Alice", "alice"),
        ("ALICE", "alice"),
        ("aIice", "alice"),
        ("a1ice", "Alice"),
        ("al\u{456}ce", "alice"),
        ("\u{430}lice", "alice"),
        ("\u{430}l\u{456}\u{441}\u{435}", "alice"),
        ("\u{3b1}lice", "alice"),
        ("b\u{3bf}b", "bob"),
        ("b0b", "bob"),
        ("B\u{41e}B", "bob"),
        ("\u{391}\u{39d}\u{39d}", "Ann"),
        ("\u{410}nn", "ann"),
        ("\u{ff41}\u{ff4c}\u{ff49}\u{ff43}\u{ff45}", "alice"),
        ("\u{1d41a}\u{1d425}\u{1d422}\u{1d41c}\u{1d41e}", "alice"),
        ("\u{24d0}lice", "alice"),
        ("ali\u{301}ce", "alice"),
        ("al\u{ed}ce", "alice"),
        ("a\u{336}lice", "alice"),
        ("al\u{131}ce", "alice"),
        ("al\u{200b}ice", "alice"),
        ("alice\u{202e}", "alice"),
        ("alice.", "alice"),
        ("al ice", "alice"),
        ("_alice_", "alice"),
        ("alice\u{a0}", "alice"),
        ("rnary", "mary"),
        ("to\u{3c1}", "top"),
        ("|ris", "Iris"),
        ("\u{43c}\u{430}\u{43c}\u{430}", "mama"),
        ("\u{43a}\u{438}\u{440}", "\u{43a}\u{418}p"),
        ("\u{645}\u{62d}\u{645}\u{62f}", "\u{645}\u{200f}\u{62d}\u{645}\u{62f}"),
        ("\u{5e9}\u{5dc}\u{5d5}\u{5dd}", "\u{5e9}\u{5dc}\u{5d5}\u{5dd} "),
        ("...", "..."),
    ] {
        assert!(looks_like(name, other), "{name:?} and {other:?}");
        assert!(looks_like(other, name), "{other:?} and {name:?}");
    }
}

#[test]
fn different_names_stay_different() {
    for (name, other) in [
        ("alice", "bob"),
        ("alice", "alicia"),
        ("ann", "anna"),
        ("ann1", "ann2"),
        ("ann", "nan"),
        ("", "ann"),
        ("...", "---"),
        ("", "."),
        ("\u{1f600}", "\u{1f601}"),
        ("\u{915}\u{93f}", "\u{915}\u{941}"),
        ("\u{5e9}\u{5dc}\u{5d5}\u{5dd}", "\u{5e9}\u{5dc}\u{5d9}\u{5dd}"),
        ("\u{65e5}\u{672c}", "\u{672c}\u{65e5}"),
        ("\u{43c}\u{430}\u{43c}\u{430}", "\u{43f}\u{430}\u{43f}\u{430}"),
    ] {
        assert!(!looks_like(name, other), "{name:?} and {other:?}");
        assert!(!looks_like(other, name), "{other:?} and {name:?}");
    }
}

#[test]
fn words_of_ours_are_told_in_any_script() {
    for name in ["torchatd", "t\u{43e}rchat", "T0RCHAT", "y\u{3bf}u", "S\u{443}stem", "(rne)"] {
        assert!(looks_like_our_word(name), "{name:?}");
    }
    for name in ["ann", "yours", "torch", ""] {
        assert!(!looks_like_our_word(name), "{name:?}");
    }
}
