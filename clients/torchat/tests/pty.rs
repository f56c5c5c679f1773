//! The real client on a real terminal with real daemons, whose peers are on loopback.

#![allow(clippy::unwrap_used)]

#[path = "support/pty.rs"]
#[allow(dead_code)]
mod pty;

use pty::Home;
use std::path::Path;

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
    let somebody = torchat_client::api::Onion(
        (0u8..=255).find_map(|n| torchat_protocol::id::PeerId::from_key([n; 32]).ok()).unwrap(),
    );
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
