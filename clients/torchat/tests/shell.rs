//! `torchat` in the shell: every command as a process against real daemons.
#![allow(clippy::unwrap_used)]

#[path = "shell/completion.rs"]
mod completion;
#[path = "shell/doctor.rs"]
mod doctor;
#[path = "shell/logs.rs"]
mod logs;
#[path = "shell/names.rs"]
mod names;
#[path = "shell/process.rs"]
mod process;
#[path = "shell/streams.rs"]
mod streams;
#[path = "shell/support.rs"]
mod support;
#[path = "shell/transcript.rs"]
mod transcript;
#[path = "shell/words.rs"]
mod words;

use process::Running;
use serde_json::Value;
use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use support::{House, PATIENCE, TORCHAT};
use torchat_client::api::command;
use torchat_client::api::event::{Filter, Kind, What};
use torchat_testkit::programs;

fn source(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

#[test]
fn every_command_in_text_and_json_with_its_exit_code() {
    let house = House::friends();
    let lines = transcript::file(&house, &source("tests/shell/commands.console"), 80);
    let help = house.torchat(&["--help"]).stdout;
    let commands = help.split("\nCommands:\n").nth(1).unwrap().split("\n\n").next().unwrap();
    let mut known = 0;
    // A row that is too long goes on below, further in.
    let rows = commands.lines().filter_map(|line| line.strip_prefix("  ").filter(|row| !row.starts_with(' ')));
    for command in rows.filter_map(|row| row.split_whitespace().next()) {
        known += 1;
        let with = |needle: &str| {
            lines.iter().any(|line| line.contains(&format!("torchat {command}")) && line.contains(needle))
        };
        assert!(with(""), "no case of {command}");
        assert!(with("--json"), "no JSON case of {command}");
    }
    assert!(known >= 18, "{help}");
}

#[test]
fn the_examples_of_the_reference_are_true() {
    let house = House::friends();
    transcript::document(&house, &source("../../docs/SHELL.md"), 30);
}

#[test]
fn the_examples_of_the_page_about_rooms_are_true() {
    let house = House::friends();
    transcript::document(&house, &source("../../docs/ROOMS.md"), 5);
}

#[test]
fn the_readmes_lines_work() {
    let house = House::friends();
    house.bob_says(&["for the README"]);
    let readme = std::fs::read_to_string(source("../../README.md")).unwrap();
    let section = readme.split("## From the shell\n").nth(1).unwrap().split("\n## ").next().unwrap();
    let mut ran = 0;
    for line in section.lines().filter_map(|line| line.strip_prefix("    ")) {
        let ran_line =
            house.shell(&line.replace("FRIENDS-ONION", "5vesrrri2hbmn2xjam4jawmvmeuvsjz2lrr7snrwyfdbjlehg7iuvmyd"));
        assert_eq!(ran_line.code, Some(0), "{line}: {ran_line:?}");
        ran += 1;
    }
    assert!(ran >= 5, "{section}");
}

#[test]
fn without_a_daemon_every_command_says_how_to_start_one() {
    let mut house = House::strangers();
    house.alice.stop().unwrap();
    let peer = "5vesrrri2hbmn2xjam4jawmvmeuvsjz2lrr7snrwyfdbjlehg7iuvmyd";
    let commands: [&[&str]; 20] = [
        &["host"],
        &["whoami"],
        &["legacy"],
        &["send", peer, "x"],
        &["recv", "--follow", "--no-wait"],
        &["history", peer],
        &["search", "x"],
        &["peers"],
        &["contacts"],
        &["room"],
        &["room", "new", "lab"],
        &["room", "tail", "#lab"],
        &["conversations"],
        &["status"],
        &["tail"],
        &["token", "list"],
        &["export", peer],
        &["logs", "--once"],
        &["pipe", peer],
        &["exit"],
    ];
    for command in commands {
        let ran = house.torchat(command);
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(3), ""), "{command:?}: {ran:?}");
        assert!(ran.stderr.contains("`torchatd -d`") && ran.stderr.lines().count() == 1, "{command:?}: {ran:?}");
        let ran = house.torchat(&[command, &["--json"]].concat());
        let error: Value = serde_json::from_str(&ran.stderr).unwrap();
        assert_eq!((ran.code, &error["error"]["code"]), (Some(3), &"not-running".into()), "{command:?}: {ran:?}");
    }
    // Where it is looked for by default.
    let mut default = house.command(TORCHAT);
    let ran = house.run(default.env_remove("TORCHAT_SOCKET").arg("host"), b"");
    assert!(ran.code == Some(3) && ran.stderr.contains(".local/share/torchatd"), "{ran:?}");
}

/// A copy of torchat with a torchatd beside it that asks the test to start the daemon, and one to do so.
fn startable(house: &mut House) -> PathBuf {
    let folder = house.dir().join("bin");
    std::fs::create_dir(&folder).unwrap();
    let torchat = folder.join("torchat");
    programs::copy(Path::new(TORCHAT), &torchat).unwrap();
    let script = "#!/bin/sh\necho \"$@\" > asked\nwhile [ ! -S alice/control.sock ]; do sleep 0.05; done\n";
    let torchatd = folder.join("torchatd");
    programs::script(&torchatd, script).unwrap();
    house.alice.stop().unwrap();
    torchat
}

/// Does what the torchatd of [`startable`] was told to do.
fn start_when_asked(house: &mut House) -> String {
    let asked = house.dir().join("asked");
    let words = torchat_testkit::daemon::eventually("torchatd was run", PATIENCE, || {
        Ok(std::fs::read_to_string(&asked).ok().filter(|words| words.ends_with('\n')))
    });
    house.alice.start_again().unwrap();
    words.unwrap()
}

#[test]
fn it_is_started_when_that_is_said_and_not_otherwise() {
    let mut house = House::strangers();
    let torchat = startable(&mut house);
    let ran = house.run(house.command(torchat.to_str().unwrap()).arg("host"), b"y\r");
    assert_eq!(ran.code, Some(3), "no terminal, no question: {ran:?}");
    assert!(!house.dir().join("asked").exists());
    let mut command = house.command(torchat.to_str().unwrap());
    let child = command.args(["host", "--start"]).stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
    let words = start_when_asked(&mut house);
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success() && output.stdout.starts_with(b"qe4x"), "{output:?}");
    assert_eq!(words, format!("-d --data-dir {}\n", house.alice.data().display()));
}

#[test]
fn on_a_terminal_it_asks() {
    let mut house = House::strangers();
    let torchat = startable(&mut house);
    let mut terminal = house.at_terminal(torchat.to_str().unwrap(), &["host"]);
    terminal.answer("Start it now with `torchatd -d", "n\r");
    assert_eq!(terminal.end_saying("[Y/n]"), 3);
    assert!(!house.dir().join("asked").exists());
    let mut terminal = house.at_terminal(torchat.to_str().unwrap(), &["host"]);
    terminal.answer("[Y/n]", "y\r");
    start_when_asked(&mut house);
    assert_eq!(terminal.end_saying("qe4xodvipulv6vvdkrtmgtd6ztfy3curwtxdpis56yhvxd6jwokbr4qd.onion"), 0);
}

#[test]
fn hostile_texts_write_nothing_to_the_terminal() {
    let house = House::friends();
    let texts = [
        "\u{1b}[2J\u{1b}]0;title\u{7}",
        "one\n2026-01-01 00:00 < bob: not Bob\r\nthree",
        "\u{202e}desrever\u{2066}",
        "a\u{0}b\u{9b}31m\u{8}",
        "\\u{1b} written by the peer",
        "\u{200b}zero\u{feff}width",
    ];
    house.bob_says(&texts);
    // Every harmful character, but not the newlines between our lines.
    let harmless = |text: &str| {
        text.chars().all(|c| c == '\n' || !c.is_control() && !"\u{202e}\u{2066}\u{200b}\u{feff}".contains(c))
    };
    for command in [
        &["recv", "--keep"][..],
        &["history", "bob"],
        &["conversations"],
        &["tail", "--from", "start", "-e", "received", "-n", "6"],
        &["export", "bob"],
        &["search", "Bob"],
    ] {
        let ran = house.torchat(command);
        assert!(ran.code == Some(0) && !ran.stdout.is_empty() && harmless(&ran.stdout), "{command:?}: {ran:?}");
        // A time of now, our mark of a further line, or the head of an export: no line is the peer's from its beginning.
        let today = jiff::Timestamp::now().strftime("%Y-").to_string();
        for line in ran.stdout.lines() {
            let ours = line.starts_with(&today) && !line.starts_with("2026-01-01");
            let further = line.starts_with("                 | ");
            assert!(ours || further || line.starts_with("# conversation of "), "{command:?}: {line:?}");
        }
    }
    let json = house.torchat(&["recv", "--keep", "--json"]).stdout;
    assert!(!json.contains('\u{1b}') && !json.contains('\u{9b}'), "no control sequence, in JSON neither: {json:?}");
    let came: Vec<Value> = json.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let came: Vec<_> = came.iter().map(|message| message["text"].as_str().unwrap()).collect();
    assert_eq!(came, texts, "programs get them as they are");
    let raw = house.torchat(&["recv", "--keep", "--raw"]).stdout;
    assert!(texts.iter().all(|text| raw.contains(text)), "{raw:?}");
}

#[test]
fn a_name_that_two_have_is_an_error_that_lists_both() {
    let house = House::friends();
    let other = "pg6mmjiyjmcrsslvykfwnntlaru7p5svn6y2ymmju6nubxndf4pscryd";
    assert_eq!(house.torchat(&["contacts", "add", other]).code, Some(0));
    assert_eq!(house.torchat(&["contacts", "rename", other, "bob"]).code, Some(0));
    let ran = house.torchat(&["send", "bob", "to nobody?"]);
    assert_eq!(ran.code, Some(6), "{ran:?}");
    assert!(
        ran.stderr.contains("is ambiguous") && ran.stderr.contains(other) && ran.stderr.contains("5vesrrri"),
        "{ran:?}"
    );
    for unique in ["5ves", "5vesrrri2hbmn2xjam4jawmvmeuvsjz2lrr7snrwyfdbjlehg7iuvmyd.onion"] {
        assert_eq!(house.torchat(&["history", unique]).code, Some(0), "{unique}");
    }
    // Shorter than four characters, or not from the beginning.
    for none in ["5ve", "esrr", "Bo", ""] {
        assert_eq!(house.torchat(&["history", none]).code, Some(6), "{none}");
    }
    // The user's own name wins over the beginning of another contact's onion.
    assert_eq!(house.torchat(&["contacts", "rename", "5ves", "pg6m"]).code, Some(0));
    let renamed = house.torchat(&["contacts", "rename", "pg6m", "robert", "--json"]).stdout;
    assert!(renamed.contains("5vesrrri"), "{renamed}");
}

#[test]
fn a_reader_that_has_enough_is_no_error_and_a_full_disk_is_one() {
    let house = House::friends();
    let api = house.api(&house.alice);
    let peer = house.onion(&house.bob).conversation();
    // More than a pipe holds.
    for n in 0..40 {
        let text = format!("{n} {}", "x".repeat(8_000));
        let send = command::Send {
            peer,
            text,
            client_id: None,
            wait: None,
            timeout: None,
            expire: None,
            re: None,
            to: Vec::new(),
        };
        api.call(&send).unwrap();
    }
    for arguments in [&["history", "bob", "-n", "40"][..], &["export", "bob", "--json"], &["tail", "--from", "start"]] {
        let mut command = house.command(TORCHAT);
        let child = command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = child.spawn().unwrap();
        let mut first = String::new();
        BufReader::with_capacity(16, child.stdout.take().unwrap()).read_line(&mut first).unwrap();
        assert!(!first.is_empty());
        let output = child.wait_with_output().unwrap();
        assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(0), &b""[..]), "{arguments:?}");
    }
    let ran = house.shell("torchat history bob > /dev/full");
    assert!(ran.code == Some(1) && ran.stderr.contains("cannot be written"), "{ran:?}");
}

/// The numbers of the messages in lines of JSON.
fn ids(lines: &[String]) -> Vec<i64> {
    lines.iter().map(|line| serde_json::from_str::<Value>(line).unwrap()["id"].as_i64().unwrap()).collect()
}

#[test]
fn a_consumer_that_is_killed_loses_nothing_and_repeats_nothing_that_was_acknowledged() {
    let house = House::friends();
    let api = house.api(&house.alice);
    let follow = ["recv", "--follow", "--consumer", "bot", "--from", "start", "--json"];
    let (total, runs) = (120, 6);
    let sender = house.api(&house.bob);
    let alice = house.onion(&house.alice).conversation();
    let sending = std::thread::spawn(move || {
        for n in 0..total {
            let text = n.to_string();
            let send = command::Send {
                peer: alice,
                text,
                client_id: None,
                wait: None,
                timeout: None,
                expire: None,
                re: None,
                to: Vec::new(),
            };
            sender.call(&send).unwrap();
        }
    });
    let mut seen = BTreeSet::new();
    let cursor = || {
        let cursors = api.call(&command::Cursors { forget: None }).unwrap().cursors;
        cursors.iter().find(|cursor| cursor.consumer == "bot").map_or(0, |cursor| cursor.seq)
    };
    for run in 0..=runs {
        // What is acknowledged now must not come again.
        let acknowledged = cursor();
        let filter = Filter { kinds: Some(vec![Kind::Received]), peers: None };
        let old = command::Events { after: Some(0), consumer: None, wait: None, limit: Some(1_000), filter };
        let old: BTreeSet<i64> = api
            .call(&old)
            .unwrap()
            .events
            .into_iter()
            .filter(|event| event.seq <= acknowledged)
            .filter_map(|event| if let What::Received { message } = event.what { Some(message.id) } else { None })
            .collect();
        assert!(old.is_subset(&seen), "acknowledged and never printed: {:?}", old.difference(&seen));
        let running = Running::start(&house, &follow);
        let mut lines = Vec::new();
        // The kill falls somewhere into the stream: behind a line, before or in its acknowledgement. What was not seen
        // was not acknowledged, so it comes; of what was seen, some may come again, or not.
        let mut left = if run == runs { usize::MAX } else { 7 + run };
        while left > 0 && seen.len() < total {
            lines.push(running.line());
            seen.extend(ids(lines.last().map(std::slice::from_ref).unwrap()));
            left -= 1;
        }
        lines.extend(running.kill());
        let printed = ids(&lines);
        assert!(printed.is_sorted_by(|a, b| a < b), "in order, each once: {printed:?}");
        assert!(printed.iter().all(|id| !old.contains(id)), "repeated after its acknowledgement");
        seen.extend(printed);
    }
    sending.join().unwrap();
    assert_eq!(seen.len(), total, "nothing is lost");
}

#[test]
fn following_goes_on_when_the_daemon_is_back_and_marks_what_it_printed() {
    let mut house = House::friends();
    house.bob_says(&["before"]);
    let running = Running::start(&house, &["recv", "--follow", "--json"]);
    let text = |line: String| serde_json::from_str::<Value>(&line).unwrap()["text"].clone();
    assert_eq!(text(running.line()), "before");
    house.bob_says(&["during"]);
    assert_eq!(text(running.line()), "during");
    house.alice.stop().unwrap();
    house.alice.start_again().unwrap();
    house.bob_says(&["after"]);
    assert_eq!(text(running.line()), "after");
    torchat_testkit::daemon::eventually("all are read", PATIENCE, || {
        let rows = house.api(&house.alice).conversations()?;
        Ok(rows.iter().all(|row| row.unread == 0).then_some(()))
    })
    .unwrap();
    assert!(running.kill().is_empty());
}

#[test]
fn following_begins_before_the_daemon_and_says_so_once() {
    let mut house = House::friends();
    house.alice.stop().unwrap();
    let mut command = house.command("bash");
    let line = "torchat recv --follow -n 1 > got 2> said";
    let mut follower = command.args(["-c", line]).stdin(Stdio::null()).spawn().unwrap();
    let read = |name: &str| std::fs::read_to_string(house.dir().join(name)).unwrap_or_default();
    let said = "torchat: no torchatd runs yet: waiting for it (--no-wait ends instead)\n";
    torchat_testkit::daemon::eventually("it says so", PATIENCE, || Ok((read("said") == said).then_some(()))).unwrap();
    house.alice.start_again().unwrap();
    house.bob_says(&["good morning"]);
    assert_eq!(follower.wait().unwrap().code(), Some(0));
    let read = |name: &str| std::fs::read_to_string(house.dir().join(name)).unwrap();
    assert!(read("got").ends_with("bob: good morning\n") && read("said") == said, "{} {}", read("got"), read("said"));
    house.alice.stop().unwrap();
    let ran = house.torchat(&["recv", "--follow", "--no-wait"]);
    assert!(ran.code == Some(3) && ran.stderr.contains("`torchatd -d`"), "{ran:?}");
    // Nobody reads it any more, so it does not wait either.
    assert_eq!(house.shell("torchat recv --follow 2>&1 | head -n 1").code, Some(0));
}

#[test]
fn a_tail_of_the_whole_log_ends_if_that_is_wanted_and_else_says_that_it_goes_on() {
    let house = House::friends();
    house.bob_says(&["one", "two"]);
    let ran = house.torchat(&["tail", "--no-follow", "-e", "received", "--json"]);
    assert!(ran.code == Some(0) && ran.stdout.lines().count() == 2, "{ran:?}");
    let from = serde_json::from_str::<Value>(ran.stdout.lines().next().unwrap()).unwrap()["seq"].to_string();
    let ran = house.torchat(&["tail", "--no-follow", "-e", "received", "--from", &from]);
    assert!(ran.stdout.ends_with("bob: two\n") && ran.stdout.lines().count() == 1, "{ran:?}");
    assert_eq!(
        house.torchat(&["tail", "--no-follow", "--from", "start", "-e", "received", "-n", "1"]).stdout.lines().count(),
        1
    );
    let terminal = house.at_terminal(TORCHAT, &["tail", "--from", "start", "-e", "received"]);
    terminal.see("waiting for more events; --no-follow ends here");
    assert!(terminal.said().contains("bob: two"), "it is said behind what is there: {}", terminal.said());
}

#[test]
fn strangers_are_listed_refused_accepted_and_removed() {
    let house = House::strangers();
    let bob_socket = house.bob.socket();
    let at_bob = |arguments: &[&str]| house.torchat(&[&["--socket", bob_socket.to_str().unwrap()], arguments].concat());
    let own = house.torchat(&["host"]).stdout;
    assert_eq!(at_bob(&["contacts", "add", own.trim(), "it is me\u{1b}[2J, Bob"]).code, Some(0));
    let asks = |json: &[&str]| {
        torchat_testkit::daemon::eventually("the request is there", PATIENCE, || {
            let ran = house.torchat(&[&["contacts", "requests"], json].concat());
            Ok((!ran.stdout.is_empty()).then_some(ran.stdout))
        })
        .unwrap()
    };
    let text = asks(&[]);
    assert!(text.contains("5vesrrri") && text.contains("it is me\\u{1b}[2J, Bob"), "{text}");
    let row: Value = serde_json::from_str(&asks(&["--json"])).unwrap();
    assert_eq!(row["text"], "it is me\u{1b}[2J, Bob");
    // Refused, it is not shown again; they are not told.
    assert_eq!(house.torchat(&["contacts", "refuse", "5ves"]).code, Some(0));
    assert_eq!(house.torchat(&["contacts", "requests"]).stdout, "");
    assert!(at_bob(&["contacts"]).stdout.contains("has not accepted you"), "{:?}", at_bob(&["contacts"]));
    // Even so, who comes with an invite is a contact at once, and one that is accepted is one from then on.
    let invite = house.torchat(&["contacts", "invite"]).stdout;
    let added = at_bob(&["contacts", "add", invite.trim(), "--json"]);
    assert_eq!(added.stdout, format!("{{\"peer\":\"{}\"}}\n", own.trim()));
    assert_eq!(at_bob(&["send", own.trim(), "thanks", "--wait", "delivered"]).code, Some(0));
    assert!(house.torchat(&["recv"]).stdout.ends_with("5vesrrri2h: thanks\n"));
    let removed = house.torchat(&["contacts", "remove", "5ves", "--json"]);
    assert!(removed.code == Some(0) && removed.stdout.contains("5vesrrri"), "{removed:?}");
    assert_eq!(house.torchat(&["contacts"]).stdout, "");
    assert!(house.torchat(&["history", "5ves"]).stdout.ends_with(": thanks\n"), "the history stays");
    let house = House::strangers();
    let bob_socket = house.bob.socket();
    let at_bob = |arguments: &[&str]| house.torchat(&[&["--socket", bob_socket.to_str().unwrap()], arguments].concat());
    assert_eq!(at_bob(&["send", own.trim(), "before you know me"]).code, Some(0));
    torchat_testkit::daemon::eventually("the request is there", PATIENCE, || {
        Ok((house.torchat(&["contacts", "accept", "5ves"]).code == Some(0)).then_some(()))
    })
    .unwrap();
    let got = house.torchat(&["recv", "--follow", "-n", "1"]).stdout;
    assert!(got.ends_with("5vesrrri2h: before you know me\n"), "{got}");
}

#[test]
fn progress_is_told_on_a_terminal_and_nowhere_else() {
    let mut house = House::friends();
    let send = ["send", "bob", "are you there?", "--wait", "delivered"];
    let progress = "waiting until the peer has it, at most 120 s";
    let ran = house.torchat(&send);
    assert_eq!((ran.code, ran.stdout.as_str(), ran.stderr.as_str()), (Some(0), "", ""));
    assert_eq!(house.at_terminal(TORCHAT, &send).end_saying(progress), 0);
    let mut json = house.at_terminal(TORCHAT, &[&send[..], &["--json"]].concat());
    assert_eq!(json.end_saying("\"state\":\"delivered\""), 0);
    assert!(!json.said().contains("waiting"), "programs read it: {}", json.said());
    let ran = house.torchat(&["doctor"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
    assert_eq!(
        house.at_terminal(TORCHAT, &["doctor"]).end_saying("dialling your own onion, which may take a minute"),
        0
    );
    // A daemon that goes and comes.
    house.bob_says(&["first"]);
    let mut follow = house.at_terminal(TORCHAT, &["recv", "--follow", "-n", "2"]);
    follow.see("first");
    house.alice.stop().unwrap();
    follow.see("waiting for it");
    house.alice.start_again().unwrap();
    follow.see("torchatd is back");
    house.bob_says(&["second"]);
    assert_eq!(follow.end_saying("bob: second"), 0);
}

#[test]
fn two_pipes_are_a_conversation() {
    let house = House::friends();
    let bob_socket = house.bob.socket();
    let at_bob = ["--socket", bob_socket.to_str().unwrap()];
    // Their places exist before anything is said, so it does not matter who listens first.
    assert_eq!(house.torchat(&["recv", "--consumer", "pipe"]).code, Some(0));
    assert_eq!(house.torchat(&[&at_bob[..], &["recv", "--consumer", "pipe"]].concat()).code, Some(0));
    let mut alice = Running::start(&house, &["pipe", "bob", "--consumer", "pipe"]);
    let mut bob = Running::start(&house, &[&at_bob[..], &["pipe", "qe4x", "--json", "--consumer", "pipe"]].concat());
    alice.types("are you there?");
    let heard: Value = serde_json::from_str(&bob.line()).unwrap();
    assert_eq!((&heard["text"], &heard["dir"]), (&"are you there?".into(), &"in".into()));
    bob.types("yes \u{1b}[31m");
    assert_eq!(alice.line(), "yes \\u{1b}[31m");
    assert_eq!((alice.finish(), bob.finish()), (Some(0), Some(0)));
    let long = "x".repeat(70_000);
    let ran = house.torchat_with(&["pipe", "bob"], long.as_bytes());
    assert!(ran.code == Some(6) && ran.stderr.contains("65536"), "{ran:?}");
}

#[test]
fn what_is_not_delivered_in_time_is_code_5_and_stays_queued() {
    let mut house = House::friends();
    house.bob.stop().unwrap();
    let ran = house.torchat(&["send", "bob", "wait for it", "--wait", "delivered", "--timeout", "1", "--json"]);
    let error: Value = serde_json::from_str(&ran.stderr).unwrap();
    assert_eq!((ran.code, &error["error"]["code"]), (Some(5), &"not-delivered".into()), "{ran:?}");
    assert!(error["error"]["queued"].is_string(), "{ran:?}");
    let status = house.torchat(&["status"]).stdout;
    assert!(status.contains("1 message waits") && status.contains("1 message for 5ves"), "{status}");
    let doctor = house.torchat(&["doctor"]).stdout;
    assert!(doctor.contains("note   queue: 1 message undelivered"), "{doctor}");
    house.bob.start_again().unwrap();
    let ran =
        house.torchat_with(&["--socket", house.bob.socket().to_str().unwrap(), "recv", "--follow", "-n", "1"], b"");
    assert!(ran.stdout.ends_with(": wait for it\n"), "{ran:?}");
}

#[test]
fn what_old_programs_bring_is_marked_and_taken_once() {
    let house = House::with(&["legacy"]);
    let onion = house.onion(&house.alice).0.onion();
    let port = std::fs::read_to_string(house.dir().join("peers").join(onion)).unwrap();
    let tail = Running::start(&house, &["tail", "--from", "start", "-e", "legacy"]);
    let deliver = |text: &str| {
        let mut door = std::net::TcpStream::connect(("127.0.0.1", port.trim().parse().unwrap())).unwrap();
        let object = serde_json::json!({"cmd": "RECV", "id": "aaaaaaaaaaaaaaaa.onion", "msg": text, "portno": 80});
        std::io::Write::write_all(&mut door, object.to_string().as_bytes()).unwrap();
        drop(door);
        tail.line()
    };
    let told = deliver("one\u{1b}[2J\nsecond line");
    assert!(told.ends_with(" ! an old program that claims to be aaaaaaaaaaaaaaaa.onion has written: legacy message 1"));
    deliver("two");
    deliver("three");
    let first = " ! NOT PROVEN, claims to be aaaaaaaaaaaaaaaa.onion: one\\u{1b}[2J\n                 | second line\n";
    for _ in 0..2 {
        let ran = house.torchat(&["legacy", "--keep", "-n", "1"]);
        assert!(ran.code == Some(0) && ran.stdout.ends_with(first), "{ran:?}");
    }
    assert!(house.torchat(&["legacy", "-n", "1"]).stdout.ends_with(first));
    let rest = house.torchat(&["legacy", "--json"]).stdout;
    let rest: Vec<Value> = rest.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let texts: Vec<_> = rest.iter().map(|row| (row["text"].as_str().unwrap(), row["taken"] == false)).collect();
    assert_eq!(texts, [("two", true), ("three", true)]);
    assert_eq!(house.torchat(&["legacy"]).stdout, "");
    let all = house.torchat(&["legacy", "--all", "--json"]).stdout;
    assert!(all.lines().count() == 3 && all.matches("\"taken\":true").count() == 3, "{all}");
    assert_eq!(house.torchat(&["recv"]).stdout, "", "it is in no conversation");
    let token = house.dir().join("token");
    std::fs::write(&token, house.torchat(&["token", "create", "reader", "--right", "read"]).stdout).unwrap();
    let ran = house.torchat(&["legacy", "--token-file", token.to_str().unwrap()]);
    assert!(ran.code == Some(4) && ran.stderr.contains("--keep"), "{ran:?}");
    assert_eq!(house.torchat(&["legacy", "--keep", "--token-file", token.to_str().unwrap()]).code, Some(0));
}

#[test]
fn an_old_log_is_split_into_files_that_stay_in_their_directory() {
    let house = House::strangers();
    let line = |id: &str, cmd: &str, msg: &str| {
        let json = serde_json::json!({"cmd": cmd, "id": id, "msg": msg, "portno": 80});
        format!("2017-01-09 20:00:13.915 (  35.599s) [        E9CA5740]             logger.cpp:29       0| {json}\n")
    };
    let log = [
        line("bbbbbbbbbbbbbbbb.onion", "RECV", "hi \u{1b}[2J"),
        line("../../evil", "RECV", "climbs"),
        line("bbbbbbbbbbbbbbbb.onion", "SEND", "hello"),
        line("localhost", "EXIT", ""),
    ];
    std::fs::write(house.dir().join("file.log"), log.concat()).unwrap();
    let ran = house.torchat(&["import-log", "file.log", "--into", "old"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let names = std::fs::read_dir(house.dir().join("old")).unwrap().map(|entry| entry.unwrap().file_name());
    let names: BTreeSet<_> = names.map(|name| name.into_string().unwrap()).collect();
    assert_eq!(names.iter().collect::<Vec<_>>(), ["%2E.%2F..%2Fevil.txt", "bbbbbbbbbbbbbbbb.onion.txt"]);
    let text = std::fs::read_to_string(house.dir().join("old/bbbbbbbbbbbbbbbb.onion.txt")).unwrap();
    assert!(
        text.contains("< bbbbbbbbbbbbbbbb.onion: hi \\u{1b}[2J\n")
            && text.contains("> bbbbbbbbbbbbbbbb.onion: hello\n"),
        "{text}"
    );
    assert_eq!(house.torchat(&["import-log", "file.log", "--into", "old"]).code, Some(6), "nothing is overwritten");
    let json = house.torchat_with(&["import-log", "-", "--json"], log.concat().as_bytes()).stdout;
    let rows: Vec<Value> = json.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(rows.len(), 3);
    assert!(rows.iter().all(|row| row["auth"] == "none"), "{json}");
}
