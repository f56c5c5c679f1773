//! `/log` in the real client: what two clients of one user write, over a kill and a daemon that goes.

use super::TORCHAT;
use super::people::ann_and_friend;
use super::pty::{Home, PATIENCE};
use std::path::{Path, PathBuf};
use torchat_testkit::daemon::eventually;

/// The only log that there is.
fn log(home: &Home) -> Option<PathBuf> {
    let own = std::fs::read_dir(home.dir().join("state/torchat/logs")).ok()?.next()?.ok()?;
    Some(std::fs::read_dir(own.path()).ok()?.next()?.ok()?.path())
}

/// Who said what, as the log has it.
fn said(home: &Home) -> Vec<String> {
    let text = log(home).and_then(|log| std::fs::read_to_string(log).ok()).unwrap_or_default();
    text.lines().filter_map(|line| line.split_once(" <").map(|(_, rest)| format!("<{rest}"))).collect()
}

/// Waits until the log ends with a line.
#[track_caller]
fn ends_with(home: &Home, line: &str) {
    let look = || Ok((said(home).last().map(String::as_str) == Some(line)).then_some(()));
    if let Err(error) = eventually(line, PATIENCE, look) {
        panic!("{error:#}: {:?}", said(home));
    }
}

#[test]
fn a_log_has_each_message_once_whoever_writes_it_and_whatever_ends() {
    let dir = tempfile::tempdir().unwrap();
    let (mut ann, friend, mut screen, onion) = ann_and_friend(dir.path(), 60, &[]);
    screen.keys("/peer friend\rbefore the log\r");
    // The daemon has it.
    screen.see("has not accepted you as a contact");
    screen.keys("/log on\r");
    screen.see("friend is logged from now on");
    let settings = std::fs::read_to_string(ann.dir().join("config/torchat/client.toml")).unwrap();
    assert!(settings.starts_with("[logs]\nconversations = [\""), "{settings}");
    screen.keys("one\r");
    ends_with(&ann, "<me> one");
    // A second client of the same user, which writes, too.
    let mut other = ann.screen(Path::new(TORCHAT), (80, 24));
    other.see("friend");
    friend.says(&onion, "two");
    ends_with(&ann, "<friend> two");
    friend.says(&onion, "three");
    // Killed, perhaps while it writes.
    other.signal(rustix::process::Signal::KILL);
    assert!(!other.end().success());
    ends_with(&ann, "<friend> three");
    ann.daemon.kill().unwrap();
    screen.see("torchatd is away");
    ann.daemon.start().unwrap();
    friend.says(&onion, "four");
    ends_with(&ann, "<friend> four");
    // What comes while no client runs is written at the next start.
    screen.keys("\x11");
    assert!(screen.end().success());
    friend.says(&onion, "five");
    let mut screen = ann.screen(Path::new(TORCHAT), (80, 24));
    ends_with(&ann, "<friend> five");
    screen.see("friend");
    screen.keys("/peer friend\r/log\r");
    screen.see("are written to a text file.");
    screen.keys("q/log off\r");
    screen.see("friend is not logged any more");
    screen.keys("not for the log\r");
    screen.see("✓✓ not for the log");
    screen.keys("/log on\r");
    screen.see("friend is logged from now on");
    screen.keys("again\r");
    ends_with(&ann, "<me> again");
    screen.keys("\x11");
    assert!(screen.end().success());
    let friend = ["two", "three", "four", "five"].map(|text| format!("<friend> {text}"));
    let mut expected = vec!["<me> one".to_owned()];
    expected.extend(friend);
    expected.push("<me> again".into());
    assert_eq!(said(&ann), expected);
}

#[test]
fn a_log_that_cannot_be_written_is_told_and_the_client_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let (ann, _friend, mut screen, _) = ann_and_friend(dir.path(), 62, &[]);
    // Where the folder is to be, there is a file.
    std::fs::create_dir_all(ann.dir().join("state/torchat")).unwrap();
    std::fs::write(ann.dir().join("state/torchat/logs"), "").unwrap();
    screen.keys("/peer friend\r/log on\r");
    screen.see("friend is logged from now on");
    screen.keys("one\r");
    screen.see("the text logs are not written");
    screen.keys("two\r");
    screen.see(".. two");
    std::fs::remove_file(ann.dir().join("state/torchat/logs")).unwrap();
    screen.keys("three\r");
    ends_with(&ann, "<me> three");
    assert_eq!(said(&ann), ["<me> one", "<me> two", "<me> three"]);
}
