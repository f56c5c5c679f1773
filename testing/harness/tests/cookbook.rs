//! Executes docs/COOKBOOK.md, and README.md's lines for `nc`, as they are written, and looks at what came of it.
#![allow(clippy::unwrap_used)]

use serde_json::Value;
use std::fs::File;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;
use torchat_client::api::command::{Cursors, History, OneRoom, PolicyParts, RoomInvite, RoomJoin, RoomNew, Send, Wait};
use torchat_client::api::record::{Direction, Message, RoomState};
use torchat_client::api::{Address, Code, Connection, ConversationId, Token};
use torchat_testkit::daemon::{Friends, eventually};
use torchat_testkit::skipped::{self, skipped};

const LONG: Duration = Duration::from_secs(120);
const BOOK: &str = include_str!("../../../docs/COOKBOOK.md");

/// A fenced block.
struct Recipe {
    heading: &'static str,
    language: &'static str,
    code: &'static str,
}

fn recipes() -> Vec<Recipe> {
    let mut found = Vec::new();
    let mut heading = "";
    let mut rest = BOOK;
    while let Some((line, after)) = rest.split_once('\n') {
        rest = after;
        if let Some(title) = line.strip_prefix("## ") {
            heading = title;
        } else if let Some(language) = line.strip_prefix("```") {
            let (code, after) = rest.split_once("```\n").expect("a block without an end");
            found.push(Recipe { heading, language, code });
            rest = after;
        }
    }
    found
}

/// A recipe that runs on. All its processes are killed when it is dropped.
struct Running(Child);

impl Running {
    fn kill(&self) {
        let group = rustix::process::Pid::from_child(&self.0);
        // It may have ended by itself.
        let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill();
        let _ = self.0.wait();
    }
}

struct Kitchen {
    dir: PathBuf,
    friends: Friends,
    near: Connection,
    far: Connection,
    /// Two rooms of the peer's that we are in.
    rooms: [ConversationId; 2],
}

impl Kitchen {
    fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    fn script(&self, name: &str, text: &str) {
        torchat_testkit::programs::script(&self.path(name), &format!("#!/bin/sh\n{text}\n")).unwrap();
    }

    /// Starts a recipe, in an empty file `out` and a directory of its own.
    fn start(&self, recipe: &Recipe) -> Running {
        let mut command = match recipe.language {
            "sh" => Command::new("sh"),
            "python" => Command::new("python3"),
            other => panic!("nobody runs {other:?}"),
        };
        let child = command
            .arg("-c")
            .arg(recipe.code)
            .current_dir(&self.dir)
            .env("TORCHAT_SOCKET", self.friends.a.socket())
            .env("PEER", &self.friends.onion_b)
            .env("ROOM", self.rooms[0].onion())
            .env("OTHER", self.rooms[1].onion())
            .env("PYTHONPATH", concat!(env!("CARGO_MANIFEST_DIR"), "/../../clients/python"))
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env("NOTIFY", self.path("notify"))
            .env("BUILD", self.path("build"))
            .env("TOKEN_FILE", self.path("token"))
            .env("EXPORT", self.path("export"))
            .stdin(Stdio::null())
            .stdout(File::create(self.path("out")).unwrap())
            .stderr(File::create(self.path("err")).unwrap())
            .process_group(0)
            .spawn();
        match child {
            Ok(child) => Running(child),
            Err(error) => panic!("{} needs {:?}: {error}", recipe.heading, command.get_program()),
        }
    }

    fn run(&self, recipe: &Recipe) {
        let mut running = self.start(recipe);
        let ended = eventually("the recipe ends", LONG, || Ok(running.0.try_wait()?));
        let ended: ExitStatus = ended.unwrap();
        assert!(ended.success(), "{}: {ended}: {}", recipe.heading, self.read("err"));
    }

    fn messages(connection: &Connection, peer: &str) -> Vec<Message> {
        let history =
            History { peer: peer.parse().unwrap(), before: None, after: None, limit: Some(1000), hidden: false };
        connection.call(&history).unwrap().messages
    }

    /// What the peer got.
    fn arrived(&self) -> Vec<String> {
        let messages = Self::messages(&self.far, &self.friends.onion_a);
        messages.into_iter().filter(|one| one.dir == Direction::In).map(|one| one.text).collect()
    }

    fn arrives(&self, what: &str) {
        let look = || Ok(self.arrived().iter().any(|text| text.contains(what)).then_some(()));
        eventually(what, LONG, look).unwrap();
    }

    fn send(connection: &Connection, peer: &str, text: &str) {
        let (wait, timeout) = (Some(Wait::Delivered), Some(30));
        let send = Send {
            peer: peer.parse().unwrap(),
            text: text.into(),
            client_id: None,
            wait,
            timeout,
            expire: None,
            re: None,
            to: Vec::new(),
        };
        connection.call(&send).unwrap();
    }

    /// The peer writes to us.
    fn peer_says(&self, text: &str) {
        Self::send(&self.far, &self.friends.onion_a, text);
    }

    /// Waits until a consumer is there and has worked off everything.
    fn caught_up(&self, consumer: &str) {
        let what = format!("{consumer} works: {}", self.read("err"));
        eventually(&what, LONG, || {
            let cursors = self.near.call(&Cursors { forget: None })?.cursors;
            Ok(cursors.iter().any(|cursor| cursor.consumer == consumer).then_some(()))
        })
        .unwrap();
    }

    /// The peer says something in a room.
    fn says_in(&self, room: usize, text: &str, to: Vec<u32>) {
        let (wait, timeout) = (Some(Wait::Delivered), Some(30));
        let (peer, text) = (self.rooms[room], text.to_owned());
        self.far.call(&Send { peer, text, client_id: None, wait, timeout, expire: None, re: None, to }).unwrap();
    }

    /// Waits until the peer has a message of ours in a room, and returns it.
    fn heard_in(&self, room: usize, text: &str) -> Message {
        eventually(text, LONG, || {
            let messages = Self::messages(&self.far, &self.rooms[room].onion());
            Ok(messages.into_iter().find(|message| message.dir == Direction::In && message.text == text))
        })
        .unwrap()
    }

    fn check(&self, recipe: &Recipe) {
        match (recipe.heading, recipe.language) {
            ("Notify me", "sh") => {
                let _running = self.start(recipe);
                let wanted = format!("torchat|a message from {}", self.friends.onion_b);
                // It tells nobody when it has begun to listen.
                eventually("a notification", LONG, || {
                    self.peer_says("are you there?");
                    Ok(self.read("notified").lines().any(|line| line == wanted).then_some(()))
                })
                .unwrap();
            }
            ("Notify me", _) => {
                let _running = self.start(recipe);
                self.caught_up("notify");
                self.peer_says("\u{1b}[2Jhello\nyou");
                eventually("a notification", LONG, || {
                    let notified = self.read("notified");
                    Ok((notified.lines().last() == Some("torchat|\\u{1b}[2Jhello\\u{a}you")).then_some(()))
                })
                .unwrap();
            }
            ("Auto-reply bot", _) => {
                let answers = || self.arrived().iter().filter(|text| *text == "I am away until Monday.").count();
                for round in 1..=3 {
                    // The program dies after every round, at any place.
                    let _running = self.start(recipe);
                    self.caught_up("auto-reply");
                    self.peer_says("hello?");
                    eventually("an answer", LONG, || Ok((answers() >= round).then_some(()))).unwrap();
                    assert_eq!(answers(), round);
                }
            }
            ("Pipe a build's result to a contact", _) => {
                // There are two blocks in the same language.
                let mark = recipe.code.len();
                self.script("build", &format!("echo 'a \"line\" \\ {mark}'\nexit 3"));
                self.run(recipe);
                self.arrives(&format!("a \"line\" \\ {mark}\nfailed with status 3"));
            }
            ("Cron report with a send-only token", "sh") => {
                self.run(recipe);
                let mode = std::fs::metadata(self.path("token")).unwrap().permissions().mode();
                assert_eq!(mode & 0o777, 0o600);
                let token: Token = self.read("token").trim().parse().unwrap();
                let cron = Connection::open(&Address::unix(self.friends.a.socket()).with_token(token)).unwrap();
                let history = History {
                    peer: self.friends.onion_b.parse().unwrap(),
                    before: None,
                    after: None,
                    limit: None,
                    hidden: false,
                };
                assert_eq!(cron.call(&history).unwrap_err().code(), Some(&Code::NotAllowed));
            }
            ("Cron report with a send-only token", _) => {
                if !self.path("token").exists() {
                    // The recipe before it makes the token, and said that it lacks a program.
                    assert!(["nc", "jq"].into_iter().any(|tool| !is_installed(tool)), "no token was made");
                    return;
                }
                self.run(recipe);
                self.run(recipe);
                // What was sent before it has arrived when this has.
                Self::send(&self.near, &self.friends.onion_b, "after the report");
                let reports = |text: &&String| text.contains(": the disk has room") || text.contains("GiB are free");
                assert_eq!(self.arrived().iter().filter(reports).count(), 1);
            }
            ("A bot in one room", _) => {
                let _running = self.start(recipe);
                self.caught_up("room-bot");
                self.says_in(0, "who feeds the cat?", Vec::new());
                self.says_in(1, "and here?", vec![2]);
                self.says_in(0, "tell me", vec![2]);
                let answer = self.heard_in(0, "far, I feed the cat at nine.");
                let asked = Self::messages(&self.far, &self.rooms[0].onion());
                let asked = asked.iter().find(|message| message.text == "tell me").unwrap();
                assert_eq!((answer.re, answer.mention), (Some(asked.mid), true));
                assert_eq!(asked.reacts.get("+1"), Some(&vec![2]));
                let answers = Self::messages(&self.far, &self.rooms[0].onion());
                assert_eq!(answers.iter().filter(|message| message.dir == Direction::In).count(), 1);
            }
            ("A bridge of two rooms", _) => {
                let _running = self.start(recipe);
                self.caught_up("bridge");
                self.says_in(0, "one\ntwo", Vec::new());
                self.heard_in(1, "far: one\nfar: two");
                self.says_in(1, "three", Vec::new());
                self.heard_in(0, "far: three");
            }
            ("Tail everything as JSON", language) => {
                let _running = self.start(recipe);
                let mark = format!("tail me with {language}");
                Self::send(&self.near, &self.friends.onion_b, &mark);
                let events = eventually("the events", LONG, || {
                    let out = self.read("out");
                    // The last line may be half written.
                    let whole = out.rsplit_once('\n').map_or("", |(whole, _)| whole);
                    let events: Vec<Value> = whole.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
                    let sent = events
                        .iter()
                        .find(|event| event["event"] == "queued" && event["message"]["text"] == mark.as_str());
                    let Some(mid) = sent.map(|event| &event["message"]["mid"]) else { return Ok(None) };
                    let delivered = events.iter().any(|event| event["event"] == "delivered" && event["mid"] == *mid);
                    Ok(delivered.then_some(events))
                })
                .unwrap();
                let first = self.near.welcome().oldest.max(1);
                for (seq, event) in (first..).zip(&events) {
                    assert_eq!(event["seq"], seq, "no holes");
                }
            }
            ("Export a conversation", language) => {
                self.run(recipe);
                let export = self.read("export");
                let messages = Self::messages(&self.near, &self.friends.onion_b);
                assert!(messages.len() > 5 && messages.iter().any(|message| message.text.contains('\u{1b}')));
                assert!(!export.contains('\u{1b}'));
                assert_eq!(export.lines().count(), messages.len());
                for (line, message) in export.lines().zip(&messages) {
                    if language == "python" {
                        let exported: Message = serde_json::from_str(line).unwrap();
                        assert_eq!(exported, *message);
                    } else {
                        assert!(line.starts_with(&message.at), "{line}");
                    }
                }
            }
            (heading, language) => panic!("nobody looks at what {heading:?} in {language:?} does"),
        }
    }
}

/// A room that one makes and the other one joins.
fn room(maker: &Connection, joiner: &Connection) -> ConversationId {
    let (name, nick) = ("lab".to_owned(), Some("far".to_owned()));
    let policy = PolicyParts::default();
    let new = RoomNew { name, topic: String::new(), policy, nick, client_id: None };
    let peer = maker.call(&new).unwrap().room.peer;
    let (role, uses, hours, whom, note) = (None, None, None, None, None);
    let invite = maker.call(&RoomInvite { peer, role, uses, hours, whom, send: false, note }).unwrap().invite;
    let (text, want, nick, client_id) = (String::new(), None, None, None);
    joiner.call(&RoomJoin { invite, text, want, nick, client_id }).unwrap();
    eventually("the join", LONG, || {
        let now = joiner.call(&OneRoom { peer })?.room;
        Ok((now.state == RoomState::Member && now.linked > Some(0)).then_some(()))
    })
    .unwrap();
    peer
}

fn is_installed(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).any(|directory| directory.join(program).is_file());
    // Other programs of that name know no -N.
    let openbsd = || Command::new("nc").arg("-h").output().is_ok_and(|help| help.stderr.starts_with(b"OpenBSD netcat"));
    found && (program != "nc" || openbsd())
}

#[test]
fn every_recipe_does_what_it_says() {
    let dir = tempfile::tempdir().unwrap();
    let friends = Friends::start(Path::new(env!("CARGO_BIN_EXE_loopback-daemon")), dir.path()).unwrap();
    let open = |path: PathBuf| Connection::open(&Address::unix(path)).unwrap();
    let (near, far) = (open(friends.a.socket()), open(friends.b.socket()));
    let rooms = [room(&far, &near), room(&far, &near)];
    let kitchen = Kitchen { dir: dir.path().to_owned(), friends, near, far, rooms };
    kitchen.script("notify", "printf '%s|%s\\n' \"$1\" \"$2\" >> notified");
    let recipes = recipes();
    assert_eq!(recipes.len(), BOOK.matches("\n```").count() / 2, "every fence is one of a block");
    assert!(recipes.len() >= 11);
    assert!(is_installed("python3"), "the recipes need python3");
    for recipe in &recipes {
        let uses = |tool: &str| recipe.code.contains(&format!("{tool} -"));
        let tools = [("nc", skipped::NO_NC), ("jq", skipped::NO_JQ)];
        match tools.into_iter().find(|(tool, _)| uses(tool) && !is_installed(tool)) {
            None => kitchen.check(recipe),
            Some((_, lack)) => skipped("every_recipe_does_what_it_says", lack),
        }
    }
}

/// The lines of README.md for `nc`, without what is said about them.
fn readmes_lines() -> Vec<&'static str> {
    let readme = include_str!("../../../README.md");
    let lines = readme.lines().filter_map(|line| line.strip_prefix("    printf "));
    lines.map(|line| line.split(" #").next().unwrap().trim()).collect()
}

#[test]
fn the_readmes_lines_for_nc_do_what_they_say() {
    let lines = readmes_lines();
    assert_eq!(lines.len(), 6, "{lines:?}");
    if !is_installed("nc") {
        skipped("the_readmes_lines_for_nc_do_what_they_say", skipped::NO_NC);
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let friends = Friends::start(Path::new(env!("CARGO_BIN_EXE_loopback-daemon")), dir.path()).unwrap();
    let far = Connection::open(&Address::unix(friends.b.socket())).unwrap();
    Kitchen::send(&far, &friends.onion_a, "are you there?");
    let port = friends.a.port().unwrap().to_string();
    let mut replies = Vec::new();
    for line in lines {
        let line = format!("printf {line}").replace("FRIENDS-ONION", &friends.onion_b).replace("8000", &port);
        let output = Command::new("sh").arg("-c").arg(&line).output().unwrap();
        let reply: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{line}: {output:?}"));
        replies.push((reply["cmd"].as_str().unwrap().to_owned(), reply["msg"].as_str().unwrap_or_default().to_owned()));
    }
    let told = |n: usize| (replies[n].0.as_str(), replies[n].1.as_str());
    assert_eq!(told(0), ("HOST", friends.onion_a.as_str()));
    assert_eq!((told(1).0, told(2).0), ("END", "END"), "{replies:?}");
    assert_eq!(told(3), ("GET_PEERS", friends.onion_b.as_str()));
    assert_eq!(told(4), ("UPDATE", "are you there?"));
    assert_eq!(told(5).0, "STATUS");
}
