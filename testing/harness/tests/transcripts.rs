//! The classic contract as transcripts: what is written and what comes back, byte for byte, from raw sockets.
//!
//! A transcript (`tests/transcripts/*.txt`) has one connection after the other, each begun by `== NAME`. `> ` writes, `< `
//! must come back exactly, `<end` is the connection's end by the daemon with nothing before it. `#` is a comment. In
//! both, `\n`, `\r`, `\t`, `\\` and `\xNN` are bytes. `! ` is something that happens elsewhere: see [`Replay::happens`].
//!
//! Placeholders: `$OWN` and `$FRIEND` are onions of the two daemons, `$ROOM` is a room of both, `$NOBODY` is one that nobody serves, `$BARE` the same
//! without `.onion`, as is `$BAREOWN` for ours; `$DATE`, `$MID`, `$SECRET`, `$COUNT` and `$WHY` stand for a date, a message's id,
//! an invite's secret, a number, and the network's reason up to the next quote; `$AGE` for a number or null.
//!
//! `transcripts/old-clients/` has what the programs of the first TORchat send and read, in their own spelling: written down from
//! their published sources, which are not part of this repository. Each file begins with a fresh daemon and ends it.
//!
//! A transcript is replayed plain, where every reply ends with a newline, and framed, where four digits stand before each
//! request and reply; a connection whose name begins with `bytes:` is replayed as it stands, once, and its lines are bytes
//! without either. After all of them every command and every error of the contract must have been met.
#![allow(clippy::unwrap_used)]

use serde_json::json;
use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, TcpStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use torchat_harness::api::Pair;
use torchat_protocol::control::code::{CODES as TABLE, Source};
use torchat_testkit::daemon::eventually;
use torchat_testkit::pace;

const NOBODY: &str = "pg6mmjiyjmcrsslvykfwnntlaru7p5svn6y2ymmju6nubxndf4pscryd.onion";
const WAIT: Duration = Duration::from_secs(120);

/// The commands of the contract, and what is none.
const COMMANDS: [&str; 24] = [
    "HOST",
    "SEND",
    "GET_PEERS",
    "UPDATE",
    "HISTORY",
    "ADD",
    "STATUS",
    "EXIT",
    "RECV",
    "END",
    "ERR",
    "CANCEL",
    "CONTACTS",
    "REQUESTS",
    "ACCEPT",
    "REFUSE",
    "INVITE",
    "RENAME",
    "REMOVE",
    "BLOCK",
    "UNBLOCK",
    "APPEAR",
    "LEGACY",
    "ROOMS",
];
/// Its errors.
const CODES: [&str; 13] = [
    "bad-object",
    "bad-onion",
    "bad-value",
    "blocked",
    "no-contact",
    "no-request",
    "not-a-command",
    "not-blocked",
    "not-delivered",
    "not-pending",
    "to-self",
    "too-long",
    "unknown-command",
];
/// Errors that no request alone can cause, and the tests that cause them.
const ELSEWHERE: [(&str, &str); 19] = [
    ("storage", "failing_writes_and_syncs_are_never_acknowledged"),
    ("storage-unsure", "failing_writes_and_syncs_are_never_acknowledged"),
    ("stopping", "at_the_end_of_the_daemon_everything_due_is_said"),
    ("outbox-full", "the core's tests: it takes 10,000 messages"),
    ("too-many-invites", "the core's tests"),
    ("not-allowed", "users_of_the_group_socket_have_the_rights_of_the_table"),
    ("not-authenticated", "another_user_needs_a_token_and_has_nothing_before_it"),
    ("unsupported-api", "a_hello_that_cannot_be_leaves_the_connection_classic"),
    ("storage-locked", "each_trouble_has_its_own_words"),
    ("storage-damaged", "each_trouble_has_its_own_words"),
    ("storage-failing", "failing_writes_and_syncs_are_never_acknowledged"),
    ("storage-read-only", "each_trouble_has_its_own_words"),
    ("is-room", "the_classic_contract_takes_a_room_where_an_onion_stands"),
    ("no-room", "the_classic_contract_takes_a_room_where_an_onion_stands"),
    ("already-joined", "the_classic_contract_takes_a_room_where_an_onion_stands"),
    ("owner-leaves", "the_classic_contract_takes_a_room_where_an_onion_stands"),
    ("no-role", "the_owner_decides_and_a_moderator_moderates"),
    ("not-joined", "the core's tests: who is cut and does not know it yet"),
    ("too-many-rooms", "the core's tests"),
];

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Mode {
    Plain,
    Framed,
    Bytes,
}

struct Replay {
    pair: Pair,
    commands: BTreeSet<String>,
    codes: BTreeSet<String>,
    letters: usize,
    /// A room that both daemons are in.
    room: String,
    wrong: Vec<String>,
}

impl Replay {
    fn put(&self, text: &str) -> String {
        let (own, friend) = (&self.pair.onion_a, &self.pair.onion_b);
        text.replace("$BAREOWN", &own[..56])
            .replace("$OWN", own)
            .replace("$FRIEND", friend)
            .replace("$NOBODY", NOBODY)
            .replace("$ROOM", &self.room)
            .replace("$BARE", &NOBODY[..56])
            .replace("$LONG", &"x".repeat(65_537))
            .replace("$MUCH", &"x".repeat(9_000))
            .replace("$HUGE", &"x".repeat(1 << 20))
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.pair.a.port().unwrap())).unwrap();
        stream.set_read_timeout(Some(WAIT)).unwrap();
        stream.set_nodelay(true).unwrap();
        stream
    }

    /// `friend says TEXT`: a message arrives, and is there before the next line. `friend hears N`: it has N messages.
    /// `room`: the friend makes a room, whose member we are before the next line. `room says TEXT`: the friend says it there, and it
    /// is here. `room hears N`: the friend has N messages of ours there.
    /// `closes`: we close the connection. `seen`: another program marks all that the friend has said as seen. `ends`: the daemon
    /// does. `close`: we write nothing more. `break`: we reset the connection. `ends within 2 s`: the daemon does, with status 0.
    fn happens(&mut self, what: &str, stream: &mut Option<TcpStream>) {
        if let Some(text) = what.strip_prefix("friend says ") {
            self.letters += 1;
            let mut friend = self.pair.b.client().unwrap();
            friend
                .send_and_wait(&self.pair.onion_a, &unescape(text).map(|b| String::from_utf8(b).unwrap()).unwrap(), 20)
                .unwrap();
        } else if let Some(count) = what.strip_prefix("friend hears ") {
            let count: usize = count.parse().unwrap();
            let mut friend = self.pair.b.client().unwrap();
            let heard = || {
                let lines = friend.history(&self.pair.onion_a, 100)?;
                Ok((lines.iter().filter(|line| line.dir == "in").count() >= count).then_some(()))
            };
            eventually(what, WAIT, heard).unwrap();
        } else if what == "room" {
            let mut friend = torchat_harness::api::connect(&self.pair.b).unwrap();
            let mut own = torchat_harness::api::connect(&self.pair.a).unwrap();
            let made = friend.ok(json!({"cmd": "ROOM_NEW", "name": "lab", "nick": "bob"})).unwrap();
            let room = made["room"]["peer"].clone();
            let invite = friend.ok(json!({"cmd": "ROOM_INVITE", "peer": room})).unwrap()["invite"].clone();
            own.ok(json!({"cmd": "ROOM_JOIN", "invite": invite})).unwrap();
            let joined =
                || Ok((own.ok(json!({"cmd": "ROOM", "peer": room}))?["room"]["state"] == "member").then_some(()));
            eventually(what, WAIT, joined).unwrap();
            self.room = room.as_str().unwrap().to_owned();
        } else if let Some(text) = what.strip_prefix("room says ") {
            let mut friend = torchat_harness::api::connect(&self.pair.b).unwrap();
            let text = unescape(text).map(|bytes| String::from_utf8(bytes).unwrap()).unwrap();
            friend.ok(json!({"cmd": "SEND", "peer": self.room, "text": text, "wait": "delivered"})).unwrap();
        } else if let Some(count) = what.strip_prefix("room hears ") {
            let count: usize = count.parse().unwrap();
            let mut friend = torchat_harness::api::connect(&self.pair.b).unwrap();
            let heard = || {
                let page = friend.ok(json!({"cmd": "HISTORY", "peer": self.room}))?;
                let ours = page["messages"].as_array().unwrap().iter().filter(|message| message["dir"] == "in");
                Ok((ours.count() >= count).then_some(()))
            };
            eventually(what, WAIT, heard).unwrap();
        } else if what == "closes" {
            drop(stream.take());
        } else if what == "seen" {
            let mut api = torchat_harness::api::connect(&self.pair.a).unwrap();
            let history = json!({"cmd": "HISTORY", "peer": self.pair.onion_b});
            let last = api.ok(history).unwrap()["messages"].as_array().unwrap().last().unwrap()["id"].clone();
            api.ok(json!({"cmd": "SEEN", "peer": self.pair.onion_b, "upto": last})).unwrap();
        } else if what == "ends" {
            assert!(self.pair.a.wait(WAIT).unwrap().success());
        } else if what == "close" {
            stream.as_ref().unwrap().shutdown(Shutdown::Write).unwrap();
        } else if what == "ends within 2 s" {
            let (begun, patience) = (Instant::now(), Duration::from_secs(60));
            assert!(self.pair.a.wait(patience).unwrap().success());
            let (took, limit) = (begun.elapsed(), Duration::from_secs(2) + pace::slack());
            assert!(took < limit, "it took {took:?}, and may take {limit:?}");
        } else {
            panic!("{what:?}");
        }
    }

    fn run(&mut self, name: &str, lines: &[(usize, &str)], mode: Mode) {
        let mut stream = None;
        for (number, line) in lines {
            let at = format!("{name}, line {number}, {mode:?}");
            if let Some(what) = line.strip_prefix("! ") {
                self.happens(&self.put(what), &mut stream);
                continue;
            }
            let stream = stream.get_or_insert_with(|| self.connect());
            if *line == "<end" {
                let mut rest = Vec::new();
                // With bytes of ours unread, the daemon's system ends the connection by a reset.
                let _ = stream.read_to_end(&mut rest);
                assert!(rest.is_empty(), "{at}: {:?}", String::from_utf8_lossy(&rest));
            } else if let Some(said) = line.strip_prefix("> ") {
                self.note(said);
                let said = unescape(&self.put(said)).unwrap();
                let framed = [format!("{:04}", said.len()).as_bytes(), &said].concat();
                stream.write_all(if mode == Mode::Framed { &framed } else { &said }).expect(&at);
            } else if let Some(expected) = line.strip_prefix("< ") {
                self.note_code(expected);
                let expected = self.put(expected);
                let got = reply(stream, mode, &expected, &at);
                if !matches(&expected, &got) {
                    self.wrong.push(format!("{at}:\n  {got}\ninstead of\n  {expected}"));
                }
            } else {
                panic!("{at}: {line:?}");
            }
        }
    }

    fn note(&mut self, said: &str) {
        for part in said.split("\"cmd\":\"").skip(1) {
            self.commands.extend(part.split('"').next().map(str::to_owned));
        }
    }

    fn note_code(&mut self, expected: &str) {
        if let Some(part) = expected.split("\"code\":\"").nth(1) {
            self.codes.extend(part.split('"').next().map(str::to_owned));
        }
    }
}

/// One reply, without what frames it.
fn reply(stream: &mut TcpStream, mode: Mode, expected: &str, at: &str) -> String {
    let mut bytes = Vec::new();
    let mut byte = [0];
    match mode {
        Mode::Plain => {
            while bytes.last() != Some(&b'\n') {
                let read = stream.read(&mut byte).unwrap_or_else(|error| panic!("{at}: {error} after {bytes:?}"));
                assert!(read == 1, "{at}: the end instead of {expected}");
                bytes.extend(byte);
            }
            bytes.pop();
        }
        Mode::Framed => {
            let mut digits = [0; 4];
            stream.read_exact(&mut digits).unwrap_or_else(|error| panic!("{at}: {error}"));
            let length: usize = std::str::from_utf8(&digits).unwrap().parse().unwrap();
            bytes.resize(length, 0);
            stream.read_exact(&mut bytes).unwrap_or_else(|error| panic!("{at}: {error}"));
        }
        Mode::Bytes => {
            // As long as what is expected: only placeholders of one length stand in such a line.
            let expected = unescape(expected).unwrap();
            bytes.resize(expected.len(), 0);
            stream.read_exact(&mut bytes).unwrap_or_else(|error| panic!("{at}: {error}"));
            assert_eq!(String::from_utf8_lossy(&bytes), String::from_utf8_lossy(&expected), "{at}");
            return String::from_utf8(bytes).unwrap().replace('\n', "\\n");
        }
    }
    String::from_utf8(bytes).unwrap()
}

fn unescape(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut rest = text.chars();
    while let Some(one) = rest.next() {
        if one != '\\' {
            bytes.extend(one.to_string().bytes());
            continue;
        }
        match rest.next()? {
            'n' => bytes.push(b'\n'),
            'r' => bytes.push(b'\r'),
            't' => bytes.push(b'\t'),
            '\\' => bytes.push(b'\\'),
            'x' => bytes.push(u8::from_str_radix(&[rest.next()?, rest.next()?].iter().collect::<String>(), 16).ok()?),
            _ => return None,
        }
    }
    Some(bytes)
}

/// Whether a reply is the expected one: placeholders are what they stand for, all else is the same.
fn matches(expected: &str, got: &str) -> bool {
    let Some(at) = ["$DATE", "$MID", "$SECRET", "$COUNT", "$AGE", "$WHY"]
        .iter()
        .filter_map(|p| expected.find(p).map(|at| (at, *p)))
        .min()
    else {
        return expected == got;
    };
    let (at, placeholder) = at;
    if got.get(..at) != expected.get(..at) {
        return false;
    }
    let rest = &got[at..];
    let length = match placeholder {
        "$DATE" => 20,
        "$WHY" => rest.bytes().take_while(|byte| *byte != b'"').count(),
        "$AGE" if rest.starts_with("null") => 4,
        "$COUNT" | "$AGE" => rest.bytes().take_while(u8::is_ascii_digit).count(),
        _ => 32,
    };
    let Some(value) = rest.get(..length) else { return false };
    let fits = match placeholder {
        "$DATE" => value.bytes().enumerate().all(|(n, byte)| match n {
            4 | 7 => byte == b'-',
            10 => byte == b'T',
            13 | 16 => byte == b':',
            19 => byte == b'Z',
            _ => byte.is_ascii_digit(),
        }),
        "$COUNT" | "$AGE" | "$WHY" => length > 0,
        _ => value.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte)),
    };
    fits && matches(&expected[at + placeholder.len()..], &rest[length..])
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = entries.filter(|path| path.is_file()).collect();
    files.sort();
    files
}

/// The connections of a transcript: their names and their lines with their numbers.
fn talks(text: &str) -> Vec<(&str, Vec<(usize, &str)>)> {
    let mut talks: Vec<(&str, Vec<(usize, &str)>)> = Vec::new();
    for (n, line) in text.lines().enumerate() {
        if let Some(name) = line.strip_prefix("== ") {
            talks.push((name, Vec::new()));
        } else if !line.is_empty() && !line.starts_with('#') {
            talks.last_mut().unwrap().1.push((n + 1, line));
        }
    }
    talks
}

#[test]
fn the_original_clients_get_what_they_expect_byte_for_byte() {
    let files = files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts/old-clients"));
    assert_eq!(files.len(), 6);
    for file in files {
        // What a program sends before it closes is judged in time on an idle machine only; with this key in any case.
        let pair = Pair::start_with(Path::new(env!("CARGO_BIN_EXE_loopback-daemon")), &["trust-closed"]).unwrap();
        let pair = pair.befriend().unwrap();
        let mut replay = Replay {
            pair,
            commands: BTreeSet::new(),
            codes: BTreeSet::new(),
            letters: 0,
            room: String::new(),
            wrong: Vec::new(),
        };
        let text = std::fs::read_to_string(&file).unwrap();
        let talks = talks(&text);
        assert!(talks.len() > 3, "{file:?}");
        for (name, lines) in talks {
            replay.run(&format!("{}: {name}", file.display()), &lines, Mode::Plain);
        }
        assert!(replay.wrong.is_empty(), "{}", replay.wrong.join("\n"));
    }
}

#[test]
fn the_transcripts_of_the_classic_contract_hold_byte_for_byte() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts");
    let (mut commands, mut codes) = (BTreeSet::new(), BTreeSet::new());
    let mut connections = 0;
    for mode in [Mode::Plain, Mode::Framed] {
        // A pair for each mode: what a transcript leaves is what it expects the next time.
        let pair = Pair::start(Path::new(env!("CARGO_BIN_EXE_loopback-daemon"))).unwrap().befriend().unwrap();
        let mut replay = Replay {
            pair,
            commands: BTreeSet::new(),
            codes: BTreeSet::new(),
            letters: 0,
            room: String::new(),
            wrong: Vec::new(),
        };
        for file in files(&folder) {
            let text = std::fs::read_to_string(&file).unwrap();
            for (name, lines) in talks(&text) {
                let bytes = name.starts_with("bytes:");
                if !bytes || mode == Mode::Plain {
                    replay.run(name, &lines, if bytes { Mode::Bytes } else { mode });
                    connections += 1;
                }
            }
        }
        assert!(replay.wrong.is_empty(), "{}", replay.wrong.join("\n"));
        commands.extend(replay.commands);
        codes.extend(replay.codes);
    }
    println!("{connections} connections");
    let missing: Vec<_> = COMMANDS.iter().filter(|command| !commands.contains(**command)).collect();
    assert!(missing.is_empty(), "in no transcript: {missing:?}");
    let missing: Vec<_> = CODES.iter().filter(|code| !codes.contains(**code)).collect();
    assert!(missing.is_empty(), "in no transcript: {missing:?}");
}

/// The two lists of codes are all that there are.
#[test]
fn every_error_of_the_classic_contract_is_listed() {
    let classic = TABLE.iter().filter(|row| matches!(row.source, Source::Daemon | Source::Classic));
    let known: Vec<_> = classic.map(|row| row.text).collect();
    assert!(known.len() > 15, "{known:?}");
    let listed = |code: &str| CODES.contains(&code) || ELSEWHERE.iter().any(|(elsewhere, _)| *elsewhere == code);
    let missing: Vec<_> = known.iter().filter(|code| !listed(code)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}
