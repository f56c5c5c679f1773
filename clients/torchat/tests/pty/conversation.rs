//! Conversations: written, read in several clients, found again, exported.

use super::TORCHAT;
use super::people::{alone, ann_and_friend, nobody, unread};
use super::pty::{self, Home};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

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
    two.keys("/peer somebody\rfrom the other one\r");
    two.see("from the other one");
    one.see("from the other one");
    one.keys("/cancel\r");
    one.see("taken back");
    two.see("taken back");
}

#[test]
fn what_is_read_in_one_client_is_read_in_the_other_over_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let (mut ann, friend, mut one, onion) = ann_and_friend(dir.path(), 20, &[]);
    let mut two = ann.screen(Path::new(TORCHAT), (100, 30));
    // The second client must know its contacts before a name means one of them.
    two.see("nobody");
    two.keys("/peer nobody\r");
    two.see_gone("/peer nobody");
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
    screen.see("no messages since then");
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
    let file = ann.dir().join("out.txt");
    // The whole path, wherever the client was started.
    screen.see(&format!("1 message written to {}", file.display()));
    let text = std::fs::read_to_string(&file).unwrap();
    let (head, rest) = text.split_once(" friend: line one\n").unwrap();
    assert!(head.starts_with("20") && head.ends_with('Z'), "{text}");
    assert_eq!(rest, "    2020-01-01T00:00:00Z you: I agree\\u{1b}[2J\n");
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    // What is there is not written over, and ~ is the home.
    screen.keys("/export ~/out.txt\r");
    screen.see(&format!("not exported to {}: File exists", file.display()));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), text);
    screen.keys("\x15/export no/such/place\r");
    screen.see("not exported to ");
    screen.see("no/such/place: No such file");
}
