//! The real client on a real terminal with real daemons, whose peers are on loopback.

#![allow(clippy::unwrap_used)]

#[path = "support/pty.rs"]
#[allow(dead_code)]
mod pty;

use data_encoding::BASE64;
use pty::{Home, Screen};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use torchat_client::api::{Address, Connection, Onion, command};

const TORCHAT: &str = env!("CARGO_BIN_EXE_torchat");
const ENTER: &str = "\r";

#[test]
fn a_conversation_from_the_first_start_over_a_restart_to_the_end() {
    let dir = tempfile::tempdir().unwrap();
    let (mut ann, mut bob) = (Home::new(dir.path(), "ann", 1), Home::new(dir.path(), "bob", 2));
    ann.daemon.start().unwrap();
    bob.daemon.start().unwrap();
    let (ann_onion, bob_onion) =
        (ann.daemon.client().unwrap().host().unwrap(), bob.daemon.client().unwrap().host().unwrap());
    let mut a = ann.screen(Path::new(TORCHAT), (100, 30));
    let mut b = bob.screen(Path::new(TORCHAT), (80, 24));

    // The first start shows the onion, and takes a peer's without a command.
    a.see("Welcome to torchat");
    a.see(ann_onion.get(..40).unwrap());
    b.see("Welcome to torchat");
    a.paste(&bob_onion);
    a.keys(ENTER);
    a.see("is a contact");
    a.keys("hello bob\r");
    a.see("hello bob");

    // The other side sees a request, accepts it, and the message comes.
    b.see("asks");
    b.keys("/accept\r");
    b.see("hello bob");
    b.keys("hello ann, how are you?\r");
    a.see("hello ann, how are you?");
    a.see("✓✓ hello bob");
    b.see("✓✓ hello ann");

    // A text of several lines, and one that wants to be more than a text.
    a.paste("one\rtwo\r\nthree");
    a.see("three");
    a.keys(ENTER);
    b.see("three");
    b.paste("\x1b]0;evil\x07\u{202e}gnirts");
    b.keys(ENTER);
    a.see("\\u{1b}]0;evil\\u{7}\\u{202e}gnirts");

    // The daemon goes and comes; what was typed meanwhile is sent.
    ann.daemon.kill().unwrap();
    a.see("torchatd is away");
    a.keys("typed while it was away\r");
    a.see("torchatd has not got it yet");
    ann.daemon.start().unwrap();
    b.see("typed while it was away");
    a.see_gone("torchatd has not got it yet");
    a.see("✓✓ typed while it was away");

    // Another size, and back.
    a.resize((40, 12));
    a.see("✓✓ typed while it was away");
    a.keys("\x1b");
    a.see("Conversations");
    a.keys(ENTER);
    a.resize((120, 40));
    a.see("hello bob");

    // A draft survives the end.
    a.keys("not finis");
    a.see("> not finis");
    a.keys("\x11");
    assert!(a.end().success());
    assert!(a.is_restored());
    let mut a = ann.screen(Path::new(TORCHAT), (100, 30));
    a.see("> not finis");
    a.keys("\x03/quit\r");
    assert!(a.end().success());

    // The daemon is stopped only after a question.
    b.keys("/exit\r");
    b.see("Stop torchatd?");
    b.keys("n");
    b.see_gone("Stop torchatd?");
    b.keys("/exit\ry");
    assert!(b.end().success());
    bob.daemon.wait(pty::PATIENCE).unwrap();
    assert!(ann_onion != bob_onion);
}

/// A person alone, with a client that shows who it is.
fn alone(dir: &Path, seed: u8) -> (Home, pty::Screen) {
    let mut ann = Home::new(dir, "ann", seed);
    ann.daemon.start().unwrap();
    let screen = ann.screen(Path::new(TORCHAT), (80, 24));
    screen.see("Welcome to torchat");
    (ann, screen)
}

#[test]
fn stopped_and_continued_it_leaves_the_terminal_as_it_was() {
    use rustix::process::{Signal, WaitOptions, waitpid};
    let dir = tempfile::tempdir().unwrap();
    let (ann, mut screen) = alone(dir.path(), 5);
    screen.keys("half a line");
    screen.see("> half a line");
    screen.keys("\x1a");
    let pid = rustix::process::Pid::from_raw(i32::try_from(screen.pid()).unwrap());
    let (_, status) = waitpid(pid, WaitOptions::UNTRACED).unwrap().unwrap();
    assert!(status.stopped());
    screen.wait("the screen of the shell", |screen| (!screen.alternate_screen()).then_some(()));
    assert!(screen.is_restored());
    screen.signal(Signal::CONT);
    screen.see("> half a line");
    assert!(!screen.is_restored());
    // Another program stops it.
    screen.signal(Signal::TSTP);
    let (_, status) = waitpid(pid, WaitOptions::UNTRACED).unwrap().unwrap();
    assert!(status.stopped());
    screen.wait("the screen of the shell", |screen| (!screen.alternate_screen()).then_some(()));
    assert!(screen.is_restored());
    screen.signal(Signal::CONT);
    screen.see("> half a line");
    // And another ends it.
    screen.signal(Signal::TERM);
    assert!(screen.end().success());
    assert!(screen.is_restored());
    let drafts = std::fs::read_to_string(ann.drafts()).unwrap();
    assert!(drafts.contains("half a line"), "{drafts}");
}

#[test]
fn without_a_daemon_it_says_so_and_finds_it_when_it_comes() {
    let dir = tempfile::tempdir().unwrap();
    let mut ann = Home::new(dir.path(), "ann", 6);
    let mut screen = ann.screen(Path::new(TORCHAT), (80, 24));
    screen.see("No torchatd runs. Start one?");
    screen.keys("n");
    screen.see("torchatd is away");
    ann.daemon.start().unwrap();
    screen.see("Welcome to torchat");
    screen.keys("/quit\r");
    assert!(screen.end().success());
}

#[test]
fn nothing_is_drawn_while_nothing_happens() {
    let dir = tempfile::tempdir().unwrap();
    let (_ann, screen) = alone(dir.path(), 7);
    // Its answer is drawn last of what the start leads to.
    screen.see("it is the code here");
    let ticks = |pid: u32| {
        std::fs::read_to_string(format!("/proc/{pid}/stat"))
            .unwrap()
            .split(' ')
            .skip(13)
            .take(2)
            .map(|n| n.parse::<u64>().unwrap())
            .sum::<u64>()
    };
    // The lapse of time is what is tested: nothing must come of it, once the last draw is whole.
    let lapse = |ms| std::thread::sleep(std::time::Duration::from_millis(ms));
    let mut pieces = screen.pieces();
    for _ in 0..20 {
        lapse(300);
        if std::mem::replace(&mut pieces, screen.pieces()) == screen.pieces() {
            break;
        }
    }
    let (pieces, before) = (screen.pieces(), ticks(screen.pid()));
    lapse(2_500);
    assert_eq!(screen.pieces(), pieces);
    assert!(ticks(screen.pid()) - before <= 1);
}

#[test]
fn two_clients_of_one_daemon_agree() {
    let dir = tempfile::tempdir().unwrap();
    let (ann, mut one) = alone(dir.path(), 8);
    let mut two = ann.screen(Path::new(TORCHAT), (40, 12));
    two.see("Your onion");
    let somebody = nobody();
    one.keys(&format!("/add {}\r", somebody.0.onion()));
    one.see("is a contact");
    one.keys("/rename somebody\r");
    two.see("somebody");
    two.keys("/peer some\rfrom the other one\r");
    two.see("from the other one");
    one.see("from the other one");
    one.keys("/cancel\r");
    one.see("taken back");
    two.see("taken back");
}

/// Somebody whose daemon talks, without a screen.
struct Friend {
    home: Home,
    onion: Onion,
}

impl Friend {
    fn new(dir: &Path, seed: u8) -> Self {
        let mut home = Home::new(dir, "friend", seed);
        home.daemon.start().unwrap();
        let onion = home.daemon.client().unwrap().host().unwrap();
        let onion = Onion(torchat_protocol::id::parse_onion(&onion).unwrap());
        Self { home, onion }
    }

    fn says(&self, to: &str, text: &str) {
        let connection = Connection::open(&Address::tcp(self.home.daemon.port().unwrap())).unwrap();
        let peer = Onion(torchat_protocol::id::parse_onion(to).unwrap());
        connection.call(&command::Add { peer: to.to_owned(), text: String::new() }).unwrap();
        let (client_id, wait, timeout, expire) = (None, None, None, None);
        connection.call(&command::Send { peer, text: text.into(), client_id, wait, timeout, expire }).unwrap();
    }
}

/// Somebody nobody can reach.
fn nobody() -> Onion {
    Onion((0u8..=255).find_map(|n| torchat_protocol::id::PeerId::from_key([n; 32]).ok()).unwrap())
}

/// The row of the list with this name, as it is now: without what is beside it.
fn row(screen: &vt100::Screen, name: &str) -> Option<String> {
    let rows = screen.rows(0, screen.size().1.get());
    rows.filter_map(|row| row.split_once('│').map(|(list, _)| list.trim_end().to_owned()))
        .find(|row| row.contains(name))
}

/// Waits until the list shows so many unread messages of somebody.
#[track_caller]
fn unread(screen: &Screen, name: &str, count: u64) {
    screen.wait(&format!("{count} unread of {name}"), |screen| {
        let row = row(screen, name)?;
        let last = row.rsplit(' ').next().unwrap_or_default().parse::<u64>().unwrap_or(0);
        (last == count).then_some(())
    });
}

/// Ann with a friend and with nobody, whose conversation is open in a client of this size.
fn ann_and_friend(dir: &Path, seed: u8, variables: &[(&str, &str)]) -> (Home, Friend, Screen, String) {
    let mut ann = Home::new(dir, "ann", seed);
    ann.daemon.start().unwrap();
    let friend = Friend::new(dir, seed + 1);
    let onion = ann.daemon.client().unwrap().host().unwrap();
    let mut screen = ann.screen_with(Path::new(TORCHAT), (80, 24), variables);
    screen.see("Welcome to torchat");
    for (peer, name) in [(friend.onion, "friend"), (nobody(), "nobody")] {
        screen.keys(&format!("/add {}\r", peer.0.onion()));
        screen.see("is a contact");
        screen.keys(&format!("/rename {name}\r"));
        screen.see(&format!("is called {name}"));
    }
    (ann, friend, screen, onion)
}

#[test]
fn what_is_read_in_one_client_is_read_in_the_other_over_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let (mut ann, friend, mut one, onion) = ann_and_friend(dir.path(), 20, &[]);
    let mut two = ann.screen(Path::new(TORCHAT), (100, 30));
    two.keys("/peer nobody\r");
    two.see("nobody");
    for text in ["number one", "number two"] {
        friend.says(&onion, text);
    }
    for screen in [&one, &two] {
        unread(screen, "friend", 2);
    }
    // One reads; the other one's count goes, without a key.
    one.keys("/peer friend\r");
    one.see("number two");
    unread(&two, "friend", 0);
    one.keys("half a thou");
    one.see("> half a thou");
    // Both are drawn at the time at which the daemon is not there, and catch up by themselves.
    ann.daemon.kill().unwrap();
    for screen in [&one, &two] {
        screen.see("torchatd is away");
    }
    friend.says(&onion, "said while it was away");
    ann.daemon.start().unwrap();
    one.see("said while it was away");
    one.see("> half a thou");
    two.see_gone("torchatd is away");
    unread(&two, "friend", 0);
    two.keys("/peer friend\r");
    two.see("said while it was away");
    for screen in [&one, &two] {
        screen.wait("every message once", |screen| {
            let text = screen.contents();
            let once = |wanted: &str| text.matches(wanted).count() == 1;
            (once("number one") && once("number two") && once("said while it was away")).then_some(())
        });
    }
    // A message of the one is in the other, with the same state.
    two.keys("seen by all\r");
    one.see("✓✓ seen by all");
    two.see("✓✓ seen by all");
    // The draft belongs to the first; the second ends later and does not take it away.
    one.keys("\x11");
    assert!(one.end().success());
    two.keys("\x11");
    assert!(two.end().success());
    let again = ann.screen(Path::new(TORCHAT), (80, 24));
    again.see("> half a thou");
}

#[test]
fn a_day_and_a_number_of_messages_back_are_found() {
    let dir = tempfile::tempdir().unwrap();
    let (_ann, _friend, mut screen, _) = ann_and_friend(dir.path(), 23, &[]);
    screen.see("nobody");
    for n in 0..40 {
        screen.keys(&format!("message {n:02}\r"));
    }
    screen.see("message 39");
    screen.see_gone("torchatd has not got it yet");
    screen.see_gone("message 05");
    screen.keys("/history 35\r");
    screen.see("message 05");
    screen.keys("\x1b[1;3F");
    screen.see_gone("message 05");
    screen.keys("/history 2020-01-01\r");
    screen.see("message 00");
    screen.keys("/history 2999-01-01\r");
    screen.see("nothing was said since then");
}

#[test]
fn a_conversation_is_exported_once_and_only_for_its_user() {
    let dir = tempfile::tempdir().unwrap();
    let (ann, friend, mut screen, onion) = ann_and_friend(dir.path(), 26, &[]);
    friend.says(&onion, "line one\n2020-01-01T00:00:00Z you: I agree\x1b[2J");
    unread(&screen, "friend", 1);
    screen.keys("/peer friend\r");
    screen.see("line one");
    screen.keys("/export out.txt\r");
    screen.see("1 messages are in out.txt");
    let file = ann.dir().join("out.txt");
    let text = std::fs::read_to_string(&file).unwrap();
    let (head, rest) = text.split_once(" friend: line one\n").unwrap();
    assert!(head.starts_with("20") && head.ends_with('Z'), "{text}");
    assert_eq!(rest, "    2020-01-01T00:00:00Z you: I agree\\u{1b}[2J\n");
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    // What is there is not written over, and ~ is the home.
    screen.keys("/export ~/out.txt\r");
    screen.see("not exported: File exists");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), text);
    screen.keys("/export no/such/place\r");
    screen.see("not exported: No such file");
}

#[test]
fn the_terminal_is_asked_for_notifications_and_the_clipboard() {
    let dir = tempfile::tempdir().unwrap();
    let (ann, friend, mut screen, onion) = ann_and_friend(dir.path(), 29, &[]);
    screen.keys("/notify desktop\r");
    screen.see("notifications: desktop");
    friend.says(&onion, "a secret");
    screen.written(b"\x1b]9;torchat: a message from friend\x1b\\\x07");
    unread(&screen, "friend", 1);
    screen.keys("/notify content\r");
    screen.see("notifications: content");
    friend.says(&onion, "now \x1b]0;evil\x07 you see");
    screen.written(b"\x1b]9;torchat: a message from friend: now \\u{1b}]0;evil\\u{7} you see\x1b\\\x07");
    assert!(!screen.output().windows(8).any(|window| window == b"a secret"), "it was not asked for");
    // The onion and an invite go into the clipboard, whole.
    let copied = |text: &str| format!("\x1b]52;c;{}\x1b\\", BASE64.encode(text.as_bytes()));
    screen.keys("/copy\r");
    screen.written(copied(&onion).as_bytes());
    screen.keys("/invite\r");
    screen.see("An invite");
    screen.keys("y");
    let begin = format!("\x1b]52;c;{}", BASE64.encode(format!("torchat:{}", &onion[..52]).as_bytes()));
    screen.written(begin.as_bytes());
    screen.keys("\r\x11");
    assert!(screen.end().success());
    assert!(screen.is_restored());
    // At the first start the invite is what a friend needs.
    let mut other = Home::new(dir.path(), "other", 40);
    other.daemon.start().unwrap();
    let mut first = other.screen(Path::new(TORCHAT), (80, 24));
    first.see("it is the code here");
    let theirs = other.daemon.client().unwrap().host().unwrap();
    first.keys("/copy\r");
    first.see("your invite is copied");
    first.written(format!("\x1b]52;c;{}", BASE64.encode(format!("torchat:{}", &theirs[..52]).as_bytes())).as_bytes());
    drop(ann);
}

#[test]
fn the_desktop_is_asked_where_there_is_one_and_the_terminal_if_it_fails() {
    let dir = tempfile::tempdir().unwrap();
    let programs = dir.path().join("programs");
    std::fs::create_dir(&programs).unwrap();
    let program = programs.join("notify-send");
    let script = |text: &str| {
        std::fs::write(&program, format!("#!/bin/sh\n{text}\n")).unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o700)).unwrap();
    };
    script("printf '[%s]' \"$@\" > ~/.notified && mv ~/.notified ~/notified");
    let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap());
    let (ann, friend, mut screen, onion) = ann_and_friend(dir.path(), 32, &[("PATH", &path), ("DISPLAY", ":7")]);
    screen.keys("/notify content\r");
    screen.see("notifications: content");
    friend.says(&onion, "--icon=x <b>$(id)</b> `id`");
    let notified = torchat_harness::daemon::eventually("a notification", pty::PATIENCE, || {
        Ok(std::fs::read_to_string(ann.dir().join("notified")).ok())
    });
    let body = "a message from friend: --icon=x &lt;b&gt;$(id)&lt;/b&gt; `id`";
    assert_eq!(notified.unwrap(), format!("[--app-name=torchat][--][torchat][{body}]"));
    unread(&screen, "friend", 1);
    assert!(!screen.output().windows(4).any(|window| window == b"\x1b]9;"), "once is enough");
    script("exit 1");
    screen.keys("/notify desktop\r");
    screen.see("notifications: desktop");
    friend.says(&onion, "again");
    screen.written(b"\x1b]9;torchat: a message from friend\x1b\\\x07");
}

#[test]
fn the_mouse_is_the_terminals_until_it_is_wanted() {
    let dir = tempfile::tempdir().unwrap();
    let (_ann, friend, mut screen, onion) = ann_and_friend(dir.path(), 35, &[]);
    friend.says(&onion, "click me");
    unread(&screen, "friend", 1);
    let is_on = |screen: &vt100::Screen| screen.mouse_protocol_mode() != vt100::MouseProtocolMode::None;
    screen.wait("no mouse", |screen| (!is_on(screen)).then_some(()));
    screen.keys("/mouse on\r");
    screen.wait("the mouse", |screen| is_on(screen).then_some(()));
    // A click on the friend's row of the list opens the conversation.
    let at = screen.wait("a row", |screen| {
        screen.rows(0, 80).position(|row| row.split('│').next().is_some_and(|list| list.contains("friend")))
    });
    screen.keys(&format!("\x1b[<0;4;{}M\x1b[<0;4;{}m", at + 1, at + 1));
    screen.see("click me");
    unread(&screen, "friend", 0);
    screen.keys("/mouse off\r");
    screen.wait("no mouse", |screen| (!is_on(screen)).then_some(()));
    screen.keys("/mouse on\r");
    screen.wait("the mouse", |screen| is_on(screen).then_some(()));
    screen.keys("\x11");
    assert!(screen.end().success());
    assert!(screen.is_restored());
}

#[test]
fn without_colours_there_are_none() {
    let dir = tempfile::tempdir().unwrap();
    let (_ann, friend, screen, onion) = ann_and_friend(dir.path(), 37, &[("NO_COLOR", "1")]);
    friend.says(&onion, "black and white");
    unread(&screen, "friend", 1);
    screen.wait("the screen without a colour", |screen| {
        let (rows, columns) = screen.size();
        let cells = (0..rows.get()).flat_map(|row| (0..columns.get()).map(move |column| (row, column)));
        let plain = |(row, column)| {
            let default = vt100::Color::Default;
            screen.cell(row, column).is_none_or(|cell| cell.fgcolor() == default && cell.bgcolor() == default)
        };
        cells.into_iter().all(plain).then_some(())
    });
}
