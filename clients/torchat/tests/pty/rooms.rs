//! A room of two people, each with a daemon and a client of their own.

use super::TORCHAT;
use super::pty::{Home, Screen};
use std::path::Path;

/// Two people who are contacts, with the conversation open at either side.
fn contacts(dir: &Path, seed: u8) -> ((Home, Screen), (Home, Screen)) {
    let (mut ann, mut bob) = (Home::new(dir, "ann", seed), Home::new(dir, "bob", seed + 1));
    ann.daemon.start().unwrap();
    bob.daemon.start().unwrap();
    let onion = bob.daemon.client().unwrap().host().unwrap();
    let mut a = ann.screen(Path::new(TORCHAT), (100, 30));
    let mut b = bob.screen(Path::new(TORCHAT), (100, 30));
    a.see("Welcome to torchat");
    b.see("Welcome to torchat");
    a.paste(&onion);
    a.keys("\r");
    a.see("is a contact");
    a.keys("/rename bob\r");
    a.see("is called bob");
    b.see("asks");
    b.keys("/accept\r");
    b.see("is a contact");
    a.see("has accepted you");
    ((ann, a), (bob, b))
}

#[test]
fn two_people_make_a_room_talk_in_it_and_leave_it() {
    let dir = tempfile::tempdir().unwrap();
    let ((ann, mut a), (mut bob, mut b)) = contacts(dir.path(), 61);

    // One makes it, and invites the other with a message.
    a.keys("/room new lab who feeds the cat\r");
    a.see("#lab is made");
    a.see("#lab  1 member  who feeds the cat");
    a.keys("/nick anna\r");
    a.see("you are called anna in #lab");
    a.keys("/invite bob\r");
    a.see("is sent to bob");

    // The other sees an invitation, and joins after a question.
    b.see("[invitation to a room");
    b.keys("\x1b[A\r");
    b.see("Join the room");
    b.keys("y");
    b.see("#lab  2 members  who feeds the cat");
    b.keys("/nick bob\r");
    b.see("you are called bob in #lab");
    a.see("#lab  2 members");
    a.see("joined");

    // They talk. What is said is stored by the other one, and a mention is a mention.
    b.keys("I do, @anna\r");
    a.see("I do, @anna");
    b.see("✓✓ I do, @anna");
    a.keys("thanks\r");
    b.see("thanks");
    a.see("✓✓ thanks");
    // What was said is changed, reacted to, and taken away.
    b.keys("/edit I do, at nine\r");
    a.see("I do, at nine  (edited)");
    a.see_gone("I do, @anna");
    a.keys("/react +\r");
    b.see("(edited)  +");
    b.keys("/redact\r");
    b.see("Take your message away at all members?");
    b.keys("y");
    a.see("redacted");
    a.see_gone("I do, at nine");

    // Who is in it, and a decision of the owner's.
    a.keys("/members\r");
    a.see("~anna (you)");
    a.see("bob");
    a.keys("\x1b");
    a.see_gone("Members");
    a.keys("/mute bob spam\r");
    a.see("what bob says from now on is hidden");
    b.keys("is anybody there?\r");
    a.see("hidden");
    a.keys("/unmute bob\r");
    a.see("bob is not muted any more");
    b.keys("and now?\r");
    a.see("and now?");

    // A daemon goes and comes; what was said meanwhile comes, too.
    bob.daemon.kill().unwrap();
    b.see("torchatd is away");
    a.keys("while you were away\r");
    bob.daemon.start().unwrap();
    b.see("while you were away");
    a.see("✓✓ while you were away");

    // One leaves.
    b.keys("/leave\r");
    b.see("Leave #lab?");
    b.keys("y");
    b.see("its history stays");
    a.see("#lab  1 member");
    drop(ann);
}
