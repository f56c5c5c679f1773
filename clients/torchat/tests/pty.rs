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
    let (ann_onion, bob_onion) = (ann.daemon.client().unwrap().host().unwrap(), bob.daemon.client().unwrap().host().unwrap());
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
