//! Notifications and the clipboard, by the terminal and by the desktop.

use super::TORCHAT;
use super::people::{ann_and_friend, unread};
use super::pty::{self, Home};
use data_encoding::BASE64;
use std::path::Path;

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
    first.see("also as the QR code");
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
        torchat_testkit::programs::script(&program, &format!("#!/bin/sh\n{text}\n")).unwrap();
    };
    script("printf '[%s]' \"$@\" > ~/.notified && mv ~/.notified ~/notified");
    let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap());
    let (ann, friend, mut screen, onion) = ann_and_friend(dir.path(), 32, &[("PATH", &path), ("DISPLAY", ":7")]);
    // With the first message comes the friend's acceptance, which would be told, too.
    friend.says(&onion, "hello");
    unread(&screen, "friend", 1);
    screen.keys("/notify content\r");
    screen.see("notifications: content");
    friend.says(&onion, "--icon=x <b>$(id)</b> `id`");
    let notified = torchat_testkit::daemon::eventually("a notification", pty::PATIENCE, || {
        Ok(std::fs::read_to_string(ann.dir().join("notified")).ok())
    });
    let body = "a message from friend: --icon=x &lt;b&gt;$(id)&lt;/b&gt; `id`";
    assert_eq!(notified.unwrap(), format!("[--app-name=torchat][--][torchat][{body}]"));
    unread(&screen, "friend", 2);
    assert!(!screen.output().windows(4).any(|window| window == b"\x1b]9;"), "once is enough");
    script("exit 1");
    screen.keys("/notify desktop\r");
    screen.see("notifications: desktop");
    friend.says(&onion, "again");
    screen.written(b"\x1b]9;torchat: a message from friend\x1b\\\x07");
}
