//! Standard streams that are closed, or whose other end goes away; and what comes in by them.

use super::process::Running;
use super::support::{House, PATIENCE, TORCHAT};
use std::io::{BufRead as _, BufReader, Read as _};
use std::process::Stdio;
use torchat_client::api::command;
use torchat_testkit::daemon::eventually;

#[test]
fn a_closed_output_takes_nothing_away_and_is_an_error() {
    let house = House::friends();
    house.bob_says(&["one", "two"]);
    for line in [
        "torchat recv >&-",
        "torchat recv --follow >&-",
        "torchat recv --consumer c --from start -n 1 >&-",
        "torchat tail --consumer c -n 1 >&-",
        "torchat legacy >&-",
        "torchat export bob >&-",
        "torchat token create t --right read >&-",
        "torchat contacts invite >&-",
        "echo hello | torchat pipe bob >&-",
        "torchat recv --json >&- 2>&-",
        "torchat recv <&- >&- 2>&-",
    ] {
        let ran = house.shell(line);
        let said = ran.stderr.contains("standard output is closed") || line.ends_with("2>&-");
        assert!(ran.code == Some(1) && said && ran.stdout.is_empty(), "{line}: {ran:?}");
    }
    assert_eq!(house.torchat(&["token", "list"]).stdout, "", "no token that nobody has seen");
    let cursors = house.api(&house.alice).call(&command::Cursors { forget: None }).unwrap().cursors;
    assert!(cursors.iter().all(|cursor| cursor.consumer != "c"), "{cursors:?}");
    assert!(!house.torchat(&["history", "bob"]).stdout.contains("hello"));
    let kept = house.torchat(&["recv", "--keep"]).stdout;
    assert!(kept.contains("one") && kept.contains("two"), "nothing counts as read: {kept}");
    // What is thrown away by its user's will is another thing, and so is what needs no output.
    assert_eq!(house.shell("torchat recv -n 1 > /dev/null").code, Some(0));
    let left = house.torchat(&["recv", "--keep"]).stdout;
    assert!(!left.contains("one") && left.contains("two"), "{left}");
    assert_eq!(house.shell("torchat send bob hello >&-").code, Some(0));
    assert_eq!(house.shell("torchat export bob --output there >&- && test -s there").code, Some(0));
}

#[test]
fn a_closed_input_is_empty_and_a_closed_error_stream_changes_no_exit_code() {
    let house = House::friends();
    for (line, code) in [
        ("torchat send bob <&-", 6),
        ("torchat pipe bob <&-", 6),
        ("torchat contacts add - <&-", 6),
        ("torchat import-log - <&-", 6),
        ("torchat send nobody x 2>&-", 6),
        ("torchat send bob hello 2>&-", 0),
        ("torchat host <&- 2>&-", 0),
        ("torchat <&- >&- 2>&-", 2),
        ("torchat </dev/null 2>/dev/full", 2),
        ("torchat send nobody x 2>/dev/full", 6),
    ] {
        assert_eq!(house.shell(line).code, Some(code), "{line}");
    }
}

#[test]
fn a_follower_whose_reader_has_gone_ends_at_once_and_quietly() {
    let house = House::friends();
    house.bob_says(&["first"]);
    let (alone, json) = (["recv", "--follow"], ["recv", "--follow", "--json", "--keep"]);
    let consumer = ["recv", "--follow", "--consumer", "c", "--from", "start"];
    let (tail, pipe) = (["tail", "--from", "start"], ["pipe", "bob", "--follow", "--consumer", "p"]);
    // The consumer of the pipe begins before the message.
    let api = house.api(&house.alice);
    api.call(&command::Ack { consumer: "p".into(), seq: 0 }).unwrap();
    for arguments in [&json[..], &consumer, &tail, &pipe, &alone] {
        let mut command = house.command(TORCHAT);
        let child = command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = child.spawn().unwrap();
        // Open until the end: only the reader goes.
        let _stdin = child.stdin.take();
        let mut first = String::new();
        BufReader::with_capacity(16, child.stdout.take().unwrap()).read_line(&mut first).unwrap();
        assert!(!first.is_empty(), "{arguments:?}");
        // Nothing more is written to it, and it ends all the same.
        let status = eventually("it has ended", PATIENCE, || Ok(child.try_wait()?)).unwrap();
        let mut said = String::new();
        child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        assert_eq!((status.code(), said.as_str()), (Some(0), ""), "{arguments:?}");
    }
    // One that is read goes on.
    let running = Running::start(&house, &["recv", "--follow"]);
    house.bob_says(&["second"]);
    assert!(running.line().ends_with("second"));
}

#[test]
fn lines_of_all_systems_are_messages_and_one_that_is_no_text_stops_no_other() {
    let house = House::friends();
    let before = house.torchat(&["history", "bob", "--json"]).stdout;
    assert_eq!(before, "");
    let ran = house.torchat_with(&["pipe", "bob"], b"one\r\n\r\ntwo\r\n\xff\xfe\nthree\nf\ro\0ur");
    assert_eq!(ran.code, Some(6), "{ran:?}");
    assert_eq!(ran.stderr, "torchat: line 4 of standard input was not sent: it is not in UTF-8: send text\n");
    for input in ["five\r\n", "\u{feff}six\n", "seven\n\n", " eight\r\n ", "e\u{301}\r\nx\u{feff}\r\n"] {
        assert_eq!(house.torchat_with(&["send", "bob"], input.as_bytes()).code, Some(0));
    }
    // A text of a loop over lines may be a hyphen, begin with one, or be what an option is called.
    for text in ["-", "--", "--wait", "-x"] {
        let ran = house.torchat_with(&["send", "bob", "--", text], b"not this");
        assert_eq!(ran.code, Some(0), "{text}: {ran:?}");
    }
    let json = house.torchat(&["history", "bob", "--json", "-n", "50"]).stdout;
    let row =
        |line: &str| serde_json::from_str::<serde_json::Value>(line).unwrap()["text"].as_str().unwrap().to_owned();
    let texts: Vec<_> = json.lines().map(row).collect();
    let expected = [
        "one",
        "two",
        "three",
        "f\ro\0ur",
        "five",
        "six",
        "seven\n",
        " eight\r\n ",
        "e\u{301}\r\nx\u{feff}",
        "-",
        "--",
        "--wait",
        "-x",
    ];
    assert_eq!(texts, expected);
}
