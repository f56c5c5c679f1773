//! The frames in README.md and docs/CLIENT.md: a real conversation of two daemons, on the real screen.
//!
//! `cargo xtask frames` writes them anew; without it the test fails when the documents show another screen than this version's.
//! Two daemons with fixed keys talk over loopback, and two whole clients but for the terminal (the model, its threads, the
//! view) are typed into. What differs from run to run is replaced in one place: [`stable`].

use super::*;
use crate::daemon::Place;
use crate::screen::runtime::Wake;
use crate::screen::runtime::daemon::Daemon;
use std::collections::HashMap;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};
use torchat_testkit::loopback::Loopback;

/// What stands before and behind frames in a document.
type Marks = (&'static str, &'static str);
const FRAMES: Marks = ("<!-- frames: `cargo xtask frames` writes what follows -->\n", "<!-- end of the frames -->\n");
/// The same for the one that README.md begins with.
const FIRST: Marks =
    ("<!-- first frame: `cargo xtask frames` writes what follows -->\n", "<!-- end of the first frame -->\n");
/// Set by `cargo xtask frames`: the documents are written, not compared.
const WRITE: &str = "TORCHAT_WRITE_FRAMES";
/// How long nothing may happen before the daemon is asked how it is.
const LOOK: Duration = Duration::from_millis(100);
/// How long something may take that must happen.
const PATIENCE: Duration = Duration::from_secs(120);

/// When something happened, in the time of the play.
#[derive(Default)]
struct Times {
    messages: HashMap<MessageId, i64>,
    /// When the last link to a peer ended. The list may be read before it or later.
    ended: HashMap<Onion, i64>,
}

/// Everything that is not the same in every run, made the same: when something happened, and the secret of an invite.
fn stable(input: Input, now: i64, times: &mut Times) -> Input {
    let Times { messages: times, ended } = times;
    let at = |message: &mut Message, times: &mut HashMap<MessageId, i64>| {
        message.at = time(*times.entry(message.mid).or_insert(now));
        message.next_try_at = message.next_try_at.as_ref().map(|_| time(now + 90_000));
    };
    match input {
        Input::Event(mut event) => {
            event.at = time(now);
            match &mut event.what {
                What::Received { message } | What::Queued { message } | What::Lost { message } => at(message, times),
                // The link tells when it was heard.
                What::Contact { contact } => contact.heard_s = None,
                What::Link { peer, up: false } => drop(ended.insert(*peer, now)),
                _ => {}
            }
            Input::Event(event)
        }
        Input::Answer(ask, Ok(mut answer)) => {
            match &mut answer {
                Answer::Invite(invite) => {
                    if let Some((onion, _)) = invite.split_once("?i=") {
                        *invite = format!("{onion}?i={}", "0123456789abcdef".repeat(2));
                    }
                }
                // Its event may come later.
                Answer::Sent(sent) => drop(times.entry(sent.mid).or_insert(now)),
                Answer::Page(page, _) => page.messages.iter_mut().for_each(|message| at(message, times)),
                Answer::Conversations(list) => {
                    for conversation in list {
                        let contact = &mut conversation.contact;
                        let heard_at = ended.get(&contact.peer).copied().unwrap_or(now);
                        contact.heard_s = contact.heard_s.map(|_| (now - heard_at).unsigned_abs() / 1_000);
                        conversation.last.iter_mut().for_each(|message| at(message, times));
                    }
                }
                Answer::Status(status) => {
                    for row in status.status.reasons.iter_mut().flatten() {
                        row.next_try_s = row.next_try_s.map(|_| 90);
                    }
                }
                Answer::Requests(requests) => requests.iter_mut().for_each(|request| request.at = time(now)),
                _ => {}
            }
            Input::Answer(ask, Ok(answer))
        }
        other => other,
    }
}

/// A client without a terminal.
struct Live {
    play: Play,
    times: Times,
    daemon: Daemon,
    inbox: Receiver<Wake>,
}

impl Live {
    fn start(loopback: &Loopback, size: (u16, u16)) -> Self {
        let place = Place { socket: Some(loopback.socket().to_string_lossy().into_owned()), ..Place::default() };
        let (wakes, inbox) = channel();
        let daemon = Daemon::start(&place, &crate::screen::SettingsFile::nowhere(), &wakes).unwrap();
        Self { play: Play::new(size), times: Times::default(), daemon, inbox }
    }

    /// Does what the model asks for, as the runtime does.
    fn act(&mut self) {
        for effect in std::mem::take(&mut self.play.effects) {
            if let Effect::Ask(ask) = effect {
                self.daemon.ask(self.play.model.own, ask);
            }
        }
    }

    fn keys(&mut self, keys: &str) {
        self.play.keys(keys);
        self.act();
    }

    /// Takes what comes until the screen is so.
    #[track_caller]
    fn until(&mut self, what: &str, fits: impl Fn(&Play) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !fits(&self.play) {
            match self.inbox.recv_timeout(LOOK) {
                Ok(Wake::Input(input) | Wake::Answer(_, input)) => {
                    let now = self.play.now;
                    self.play.input(stable(*input, now, &mut self.times));
                    self.act();
                }
                Ok(_) => {}
                // The time of the play stands still, so the client does not ask what it asks once a second.
                Err(_) if Instant::now() < deadline => {
                    self.daemon.ask(self.play.model.own, Ask::News { version: None })
                }
                Err(_) => panic!("{what} is not on the screen:\n{}", self.play.text()),
            }
        }
    }

    #[track_caller]
    fn see(&mut self, text: &str) {
        self.until(text, |play| play.text().contains(text));
    }

    #[track_caller]
    fn see_gone(&mut self, text: &str) {
        self.until(text, |play| !play.text().contains(text));
    }

    /// Time goes on.
    fn later(&mut self, seconds: i64) {
        self.play.now += seconds * 1_000;
        self.play.input(Input::Tick);
        self.act();
    }

    fn frame(&self) -> String {
        let columns = usize::from(self.play.model.size.0);
        let line = "─".repeat(columns);
        let mut out = format!("┌{line}┐\n");
        for row in self.play.text().lines() {
            let blank = " ".repeat(columns.saturating_sub(crate::screen::wrap::width(row)));
            let _ = writeln!(out, "│{row}{blank}│");
        }
        out + &format!("└{line}┘\n")
    }
}

/// The frames of each document: a title and a screen.
struct Frames {
    first: String,
    request: String,
    conversation: String,
    waits: String,
    small: String,
    /// One conversation that waits, and another one with something new.
    two: String,
}

fn conversation() -> Frames {
    let dir = tempfile::tempdir().unwrap();
    let ann = Loopback::start(dir.path(), "ann", 11).unwrap();
    let mut bob = Loopback::start(dir.path(), "bob", 12).unwrap();
    let mut b = Live::start(&bob, (80, 24));
    b.see("also as the QR code");
    b.see("Tor:");
    let bob_onion = b.play.model.own.unwrap().0.onion();
    let mut a = Live::start(&ann, (80, 24));
    a.see("also as the QR code");
    a.see("Tor:");
    let first = a.frame();

    a.keys(&format!("/add {bob_onion} This is Ann. We met at the library.\n"));
    a.see("is a contact");
    a.keys("/rename bob\n");
    a.see("is called bob");
    a.keys("Hello Bob! How are you?\n");
    b.see("asks");
    b.key(KeyCode::Tab);
    b.key(KeyCode::Enter);
    b.see("/accept");
    b.later(30);
    let request = b.frame();

    b.keys("/accept\n");
    b.see("How are you?");
    b.keys("/rename ann\n");
    b.see("is called ann");
    a.see("✓✓ Hello Bob");
    for live in [&mut a, &mut b] {
        live.later(60);
    }
    b.keys("Yes! How is the talk about onion services going?\n");
    a.see("How is the talk");
    a.later(60);
    a.play.input(Input::Paste(
        "Almost done. One question:\nfn hops(circuit: &Circuit) -> usize {\n\tcircuit.len() // 3 or 6?\n}".into(),
    ));
    a.keys("\n");
    a.see("✓✓ Almost done");
    b.see("3 or 6?");
    b.later(60);
    b.keys("Three to a relay, six to an onion service. 日本語でもいいよ 👍\n");
    b.see("✓✓ Three to a relay");
    a.see("日本語");
    a.keys("Thanks! See you on Tues");
    a.later(60);
    a.until("a link", |play| play.model.list.timelines().all(|known| known.contact().link && known.unread() == 0));
    let conversation = a.frame();

    drop(b);
    bob.stop().unwrap();
    a.see("heard");
    a.keys("day, then?\n");
    a.see(".. Thanks! See you on Tuesday");
    a.see_gone("torchatd has not got it yet");
    a.later(30);
    // Before the first dial has failed the daemon says only that there is no link.
    a.see("bob is not reachable; next try");
    a.keys("and a draft that I have not fini");
    let waits = a.frame();
    a.play.input(Input::Resize(40, 12));
    let small = a.frame();

    let carl = Loopback::start(dir.path(), "carl", 13).unwrap();
    let mut c = Live::start(&carl, (80, 24));
    c.see("Tor:");
    let carl_onion = c.play.model.own.unwrap().0.onion();
    a.play.input(Input::Resize(80, 12));
    a.with_key(KeyCode::Char('u'), KeyModifiers::CONTROL);
    a.keys(&format!("/add {carl_onion}\n"));
    a.see("is a contact");
    a.keys("/rename carl\n");
    a.see("is called carl");
    c.see("asks");
    c.key(KeyCode::Tab);
    c.key(KeyCode::Enter);
    c.see("/accept");
    c.keys("/accept\n");
    c.see("is a contact");
    a.see("carl has accepted you");
    a.keys("/peer bob\nand bring the slides");
    a.see("> and bring the slides");
    for text in ["Are you there?", "The tickets are here."] {
        c.keys(&format!("{text}\n"));
        c.see(&format!("✓✓ {text}"));
    }
    a.until("what is unread", |play| play.model.list.timelines().any(|known| known.unread() == 2));
    a.later(10);
    let two = a.frame();
    Frames { first, request, conversation, waits, small, two }
}

impl Live {
    fn key(&mut self, code: KeyCode) {
        self.with_key(code, KeyModifiers::NONE);
    }

    fn with_key(&mut self, code: KeyCode, modifiers: KeyModifiers) {
        self.play.with_key(code, modifiers);
        self.act();
    }
}

/// Compares what stands between the marks, or writes it. A frame may go without a title.
#[track_caller]
fn check(document: &str, (begin, end): Marks, frames: &[(&str, &str)]) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..").join(document);
    let text = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = text.split_once(begin).unwrap_or_else(|| panic!("{document} has no frames"));
    let (found, after) = rest.split_once(end).unwrap_or_else(|| panic!("{document}: the frames have no end"));
    let mut wanted = String::new();
    for (title, frame) in frames {
        let title = if title.is_empty() { String::new() } else { format!("{title}\n\n") };
        let _ = write!(wanted, "\n{title}```text\n{frame}```\n");
    }
    wanted.push('\n');
    if std::env::var_os(WRITE).is_some() {
        std::fs::write(&path, format!("{before}{begin}{wanted}{end}{after}")).unwrap();
    } else {
        assert!(found == wanted, "{document} shows another screen: `cargo xtask frames` writes it anew\n{wanted}");
    }
}

#[test]
fn the_documents_show_this_screen() {
    let Frames { first, request, conversation, waits, small, two } = conversation();
    check("README.md", FIRST, &[("", &two)]);
    check(
        "README.md",
        FRAMES,
        &[("A conversation:", &conversation), ("The first start, with an invite as a code:", &first)],
    );
    let all = [
        ("The first start:", first.as_str()),
        ("A request:", &request),
        ("A conversation:", &conversation),
        ("The other side has just left, and a message waits:", &waits),
        ("The same on a small screen:", &small),
    ];
    check("docs/CLIENT.md", FRAMES, &all);
}

#[test]
fn the_reference_lists_every_command() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/CLIENT.md");
    let document = std::fs::read_to_string(path).unwrap();
    let rows: Vec<_> = document.lines().filter(|line| line.starts_with("| `/")).collect();
    for command in crate::screen::model::COMMANDS {
        let wanted = format!("`/{}", command.name);
        let is_it = |row: &&str| row.split(&wanted).skip(1).any(|rest| rest.starts_with(['`', ' ']));
        assert!(rows.iter().any(is_it), "docs/CLIENT.md has no /{}", command.name);
    }
}
