//! Hostile text: the golden cases, the properties, and the Python examples over the same cases.
#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use serde_json::Value;
use std::io::Write as _;
use std::net::TcpListener;
use std::process::{Command, Stdio};
use torchat_client::show::{BREAK, CUT, LINE_CHARS, columns, reveal, shown_line, shown_name, shown_rows, shown_text};
use torchat_protocol::nick::{MARKS_PER_BASE, Nick, is_hidden, is_mark};

const WIDE: usize = 1 << 20;

fn cases() -> Vec<Value> {
    let cases: Vec<Value> = serde_json::from_str(include_str!("../golden/shown.json")).unwrap();
    assert!(cases.len() > 50);
    cases
}

#[test]
fn the_golden_cases_hold() {
    for case in cases() {
        let (why, text) = (&case["why"], case["in"].as_str().unwrap());
        assert_eq!(shown_text(text), case["text"].as_str().unwrap(), "{why}, as a text");
        assert_eq!(shown_line(text), case["line"].as_str().unwrap(), "{why}, on a line");
        assert_eq!(shown_name(text, WIDE), case["name"].as_str().unwrap(), "{why}, as a name");
    }
}

#[test]
fn the_python_examples_agree() {
    // Every case in one run: the program gets them as JSON and answers in kind.
    let script = "import json, sys\nfrom harmless import harmless\n\
                  print(json.dumps([[harmless(c['in']), harmless(c['in'], True), harmless(c['in'], rows=True)] \
                  for c in json.load(sys.stdin)]))";
    let child = Command::new("python3")
        .args(["-B", "-c", script])
        .env("PYTHONPATH", concat!(env!("CARGO_MANIFEST_DIR"), "/../examples"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn();
    // A check that is skipped in silence is none.
    let mut child = child.expect("this test needs Debian's package python3");
    let mut cases = cases();
    // Long lines are no golden text: they would be all of the file.
    for text in long_texts() {
        cases
            .push(serde_json::json!({"why": "long", "in": text, "text": shown_text(&text), "line": shown_line(&text)}));
    }
    child.stdin.take().unwrap().write_all(&serde_json::to_vec(&cases).unwrap()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    let answers: Vec<[String; 3]> = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(answers.len(), cases.len());
    for (case, [text, line, rows]) in cases.iter().zip(&answers) {
        assert_eq!(text, case["text"].as_str().unwrap(), "{}, as a text", case["why"]);
        assert_eq!(line, case["line"].as_str().unwrap(), "{}, on a line", case["why"]);
        assert_eq!(*rows, shown_rows(case["in"].as_str().unwrap()), "{}, in rows", case["why"]);
    }
}

/// Texts whose lines are broken: with spaces, without, with few, with escapes and marks where the break would be.
fn long_texts() -> Vec<String> {
    let words = "many words of a long paragraph, and ".repeat(LINE_CHARS / 12);
    let escapes = format!("a {}", "\u{10ffff}".repeat(LINE_CHARS));
    let early = format!("a b{}", "\u{1b}".repeat(LINE_CHARS));
    let marks = format!("{}e\u{301} {}", "x ".repeat(LINE_CHARS / 2 - 1), "e\u{301}".repeat(LINE_CHARS));
    let lines = format!("{words}\n{}\r\n{words}", " ".repeat(2 * LINE_CHARS + 1));
    let once = ["x".repeat(3 * LINE_CHARS), "\u{1b}".repeat(LINE_CHARS), "e\u{301}".repeat(LINE_CHARS)];
    once.into_iter().chain([words, escapes, early, marks, lines]).collect()
}

/// Answers one client as a daemon with these unread texts would; returns when the client leaves.
fn serve(listener: &TcpListener, texts: Vec<String>) {
    let (stream, _) = listener.accept().unwrap();
    let mut objects = serde_json::Deserializer::from_reader(stream.try_clone().unwrap()).into_iter::<Value>();
    let (mut out, mut unread) = (stream, texts.into_iter());
    while let Some(Ok(request)) = objects.next() {
        let reply = match request["cmd"].as_str().unwrap() {
            "HOST" => serde_json::json!({"cmd": "HOST", "msg": "me.onion"}),
            "GET_PEERS" => serde_json::json!({"cmd": "GET_PEERS", "msg": "peer.onion"}),
            "UPDATE" => match unread.next() {
                Some(text) => serde_json::json!({"cmd": "UPDATE", "id": "peer.onion", "msg": text, "date": "2026"}),
                None => serde_json::json!({"cmd": "END"}),
            },
            other => panic!("{other}"),
        };
        out.write_all(format!("{reply}\n").as_bytes()).unwrap();
    }
}

#[test]
fn the_polling_example_prints_nothing_harmful() {
    let texts: Vec<String> = cases().iter().map(|case| case["in"].as_str().unwrap().to_owned()).collect();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let child = Command::new("python3")
        .args(["-B", concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/poll.py")])
        .args([&listener.local_addr().unwrap().port().to_string(), "--once"])
        .env("PYTHONIOENCODING", "utf-8")
        .stdout(Stdio::piped())
        .spawn();
    // A check that is skipped in silence is none.
    let child = child.expect("this test needs Debian's package python3");
    let server = std::thread::spawn(move || serve(&listener, texts));
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    server.join().unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    let wanted: Vec<String> = cases()
        .iter()
        .map(|case| format!("2026 peer.onion {}\n", case["text"].as_str().unwrap().replace('\n', "\n    ")))
        .collect();
    assert_eq!(printed, format!("I am me.onion\n{}", wanted.concat()));
}

#[test]
fn long_lines_are_broken_and_rejoined() {
    let exact = "x".repeat(LINE_CHARS);
    assert_eq!(shown_text(&format!("{exact}\n{exact}")), format!("{exact}\n{exact}"));
    let longer = format!("{exact}{exact}y");
    assert_eq!(shown_text(&longer), format!("{exact}{BREAK}\n{exact}{BREAK}\ny"));
    assert_eq!(reveal(&shown_text(&longer)), longer);
    // A mark is not torn off its character.
    assert_eq!(shown_text(&format!("{exact}\u{301}y")), format!("{exact}\u{301}{BREAK}\ny"));
    // The peer's own mark of a break does not join lines.
    let faked = format!("a{BREAK}\nb");
    assert_eq!(reveal(&shown_text(&faked)), faked);
}

#[test]
fn a_long_paragraph_is_broken_between_its_words() {
    let paragraph = "Lorem ipsum dolor sit amet, consectetur. ".repeat(100);
    let (marked, rows) = (shown_text(&paragraph), shown_rows(&paragraph));
    assert_eq!(marked.replace(&format!("{BREAK}\n"), ""), paragraph, "nothing is lost, and the spaces stay");
    assert_eq!(rows.replace('\n', ""), paragraph, "no mark where the client guards every line");
    assert_eq!(reveal(&marked), paragraph);
    assert!(rows.lines().count() == 3 && rows.lines().all(|line| line.ends_with(' ')), "{rows}");
    // A line without a space has no better place, and one whose only space is at its beginning has one more line.
    let word = "x".repeat(LINE_CHARS);
    assert_eq!(shown_rows(&format!("{word}y")), format!("{word}\ny"));
    assert_eq!(shown_rows(&format!("a {word}y")), format!("a \n{word}\ny"));
    for text in long_texts() {
        let (marked, rows) = (shown_text(&text), shown_rows(&text));
        assert_eq!(rows, marked.replace(BREAK, ""), "the breaks are the same");
        assert!(rows.lines().all(|line| line.chars().filter(|c| !is_mark(*c)).count() <= LINE_CHARS + 10), "{text:?}");
    }
}

#[test]
fn names_are_cut_by_columns() {
    let table = [
        ("ann", 3, "ann"),
        ("anna", 3, "an\u{2026}"),
        ("anna", 1, "\u{2026}"),
        ("anna", 0, ""),
        ("", 0, ""),
        // Wide characters, escapes and marks are whole or absent.
        ("\u{4f60}\u{597d}\u{5417}", 6, "\u{4f60}\u{597d}\u{5417}"),
        ("\u{4f60}\u{597d}\u{5417}", 5, "\u{4f60}\u{597d}\u{2026}"),
        ("\u{4f60}\u{597d}\u{5417}", 4, "\u{4f60}\u{2026}"),
        ("a\u{202e}b", 10, "a\\u{202e}b"),
        ("a\u{202e}b", 9, "a\u{2026}"),
        ("e\u{301}e\u{301}", 2, "e\u{301}e\u{301}"),
        ("e\u{301}e\u{301}e", 2, "e\u{301}\u{2026}"),
        ("\u{5e9}\u{5dc}\u{5d5}\u{5dd}", 3, "\u{5e9}\u{5dc}\u{2026}"),
    ];
    for (name, width, wanted) in table {
        assert_eq!(shown_name(name, width), wanted, "{name:?} in {width}");
    }
}

#[test]
fn what_is_no_escape_of_ours_is_revealed_as_it_is() {
    for text in ["", "\\", "\\u", "\\u{", "\\u{zz}", "\\u{110000}", "\\u{d800}", "a}b", "\\u{\\u{", "\\u{}"] {
        assert_eq!(reveal(text), text, "{text:?}");
    }
    assert_eq!(reveal("\\u{1b}[0m\\u{5c}u{1b}"), "\u{1b}[0m\\u{1b}");
}

/// Characters of every kind that the rules name, often.
fn nasty() -> impl Strategy<Value = String> {
    let kinds = prop_oneof![
        4 => any::<char>(),
        4 => prop::char::range(' ', '~'),
        2 => prop::char::range('\0', '\u{9f}'),
        2 => prop::char::range('\u{300}', '\u{36f}'),
        2 => prop::char::range('\u{2000}', '\u{206f}'),
        1 => prop::char::range('\u{590}', '\u{dff}'),
        1 => prop::char::range('\u{1100}', '\u{11ff}'),
        1 => prop::char::range('\u{1f300}', '\u{1faff}'),
        1 => prop::char::range('\u{e0000}', '\u{e01ef}'),
        4 => prop::sample::select(vec!['\\', 'u', '{', '}', '5', 'c', '.', '\n', '\r', '\t', ' ', CUT, '\u{200d}',
            '\u{200c}', '\u{fe0f}', '\u{2764}', '\u{1f469}', '\u{645}', '\u{94d}', '1', '\u{20e3}']),
    ];
    prop::collection::vec(kinds, 0..60).prop_map(|chars| chars.into_iter().collect())
}

/// Nothing hidden but what the place allows, and no flood of marks.
fn assert_harmless(shown: &str, allowed: &[char]) {
    let mut marks = MARKS_PER_BASE;
    let mut before = ' ';
    for c in shown.chars() {
        let style = allowed.contains(&'\u{fe0f}') && matches!(c, '\u{fe0e}' | '\u{fe0f}');
        assert!(!is_hidden(c) || allowed.contains(&c) || style, "{c:?} in {shown:?}");
        assert!(!c.is_control() || allowed.contains(&c), "{c:?} in {shown:?}");
        if is_mark(c) || style {
            marks += 1;
            assert!(marks <= MARKS_PER_BASE, "a flood of marks, or one on nothing, in {shown:?}");
            assert!(!style || !is_mark(before), "{shown:?}");
        } else {
            marks = if c.is_whitespace() { MARKS_PER_BASE } else { 0 };
        }
        before = c;
    }
}

/// What [`shown_text`] leaves out, taken from the text by hand.
fn without_joiners(text: &str) -> String {
    text.replace("\r\n", "\n").replace(['\u{200c}', '\u{200d}', '\r'], "")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn nothing_hidden_is_shown(text in nasty(), width in 0_usize..40) {
        assert_harmless(&shown_text(&text), &['\n', '\t', '\u{fe0f}']);
        assert_harmless(&shown_rows(&text), &['\n', '\t', '\u{fe0f}']);
        assert_harmless(&shown_line(&text), &['\u{fe0f}']);
        for name in [shown_name(&text, width), shown_name(&text, WIDE)] {
            assert_harmless(&name, &[]);
            prop_assert!(!name.starts_with(' ') && !name.ends_with(' ') && !name.contains("  "));
            prop_assert!(!name.contains(|c: char| c.is_whitespace() && c != ' '));
        }
    }

    #[test]
    fn lengths_are_bounded(text in nasty(), times in 1_usize..200, width in 0_usize..40) {
        let text = text.repeat(times);
        let shown = shown_text(&text);
        prop_assert!(shown.len() <= 7 * text.len(), "{} of {}", shown.len(), text.len());
        // An escape and its neighbours may stand beyond the limit, and the mark of the break.
        prop_assert!(shown.lines().all(|line| line.chars().count() <= LINE_CHARS + 30));
        prop_assert!(shown_line(&text).len() <= 6 * text.len());
        prop_assert!(columns(&shown_name(&text, width)) <= width);
    }

    #[test]
    fn what_is_shown_can_be_read_back(text in nasty()) {
        prop_assert_eq!(reveal(&shown_name(&text, WIDE)), text.clone());
        prop_assert_eq!(without_joiners(&reveal(&shown_text(&text))), without_joiners(&text));
        prop_assert_eq!(without_joiners(&reveal(&shown_line(&text))), without_joiners(&text));
    }

    #[test]
    fn no_two_names_are_shown_alike(a in nasty(), b in nasty()) {
        prop_assert_eq!(a == b, shown_name(&a, WIDE) == shown_name(&b, WIDE));
    }

    #[test]
    fn a_text_that_needs_nothing_is_unchanged(text in "[ -~\n\t]{0,200}") {
        // Another character and not a shorter text: without its brace `\u{{` would be the escape again.
        let plain = text.replace("\\u{", "\\u[");
        prop_assert_eq!(&shown_text(&plain), &plain);
        // And once more: what was not changed is a fixed point.
        prop_assert_eq!(&shown_text(&shown_text(&plain)), &plain);
    }

    #[test]
    fn a_second_pass_changes_only_our_own_escapes(text in nasty()) {
        let once = shown_line(&text);
        prop_assert_eq!(shown_line(&once), once.replace("\\u{", "\\u{5c}u{"));
    }

    #[test]
    fn reveal_takes_anything(text in nasty()) {
        prop_assert!(reveal(&text).len() <= text.len());
    }

    #[test]
    fn a_nickname_that_is_let_in_is_shown_as_it_is(text in nasty(), cut in 0_usize..12) {
        let short: String = text.chars().filter(|c| !is_hidden(*c)).skip(cut).take(8).collect();
        for candidate in [text, short] {
            if let Ok(nick) = Nick::parse(&candidate) {
                prop_assert_eq!(shown_name(nick.as_str(), WIDE), candidate);
            }
        }
    }
}
